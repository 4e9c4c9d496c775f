#include <sh/test.h>

#include <sh/ldap.h>

static struct sh_bytes hex(struct sh_buf *b, const char *text)
{
    sh_buf_clear(b);
    assert_int_equal(sh_hex_parse(sh_str_c(text), b), SH_OK);
    return sh_buf_bytes(b);
}

static struct sh_buf buf_new(void)
{
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    return b;
}

/* ---- reading ---- */

/* One entry of two attributes, then a done; as OpenLDAP and (long lengths) Active Directory write.
 */
static const char entry_hex[] = "303c0201026437040f636e3d612c64633d782c64633d636e3024300d0403756964"
                                "310604047a68616e3013040a636e3b6c616e672d656e31050401610400";
static const char bind_ad[] = "308400000010020101618400000007"
                              "0a010004000400";

static void test_decode_bind_success_short_and_long_lengths(void **state)
{
    (void)state;
    static const char *const rows[] = {"300c02010161070a010004000400", bind_ad};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b = buf_new();
        struct sh_ldap_message m;
        size_t used = 0;
        const struct sh_bytes in = hex(&b, rows[i]);
        for (size_t n = 0; n < in.n; n++) {
            assert_int_equal(sh_ldap_decode(sh_bytes_of(in.p, n), &m, &used), SH_E_AGAIN);
        }
        assert_int_equal(sh_ldap_decode(in, &m, &used), SH_OK);
        assert_int_equal(used, in.n);
        assert_int_equal(m.id, 1);
        assert_int_equal(m.op, SH_LDAP_BIND_RESPONSE);
        assert_int_equal(m.code, SH_LDAP_SUCCESS);
        sh_buf_fini(&b);
    }
}

static void test_decode_entry_gives_views_of_its_attributes(void **state)
{
    (void)state;
    struct sh_buf b = buf_new();
    struct sh_ldap_message m;
    size_t used = 0;
    const struct sh_bytes in = hex(&b, entry_hex);
    assert_int_equal(sh_ldap_decode(in, &m, &used), SH_OK);
    assert_int_equal(m.op, SH_LDAP_ENTRY);
    assert_true(sh_str_eqc(m.dn, "cn=a,dc=x,dc=cn"));
    struct sh_bytes values = sh_ldap_values(m.attributes, SH_STR("UID"));
    struct sh_str v;
    assert_true(sh_ldap_value_next(&values, &v));
    assert_true(sh_str_eqc(v, "zhan"));
    assert_false(sh_ldap_value_next(&values, &v));
    values = sh_ldap_values(m.attributes, SH_STR("cn"));
    assert_true(sh_ldap_value_next(&values, &v) && sh_str_eqc(v, "a"));
    assert_true(sh_ldap_value_next(&values, &v) && v.n == 0); /* an empty value is one */
    assert_int_equal(sh_ldap_values(m.attributes, SH_STR("mail")).n, 0);
    sh_buf_fini(&b);
}

static void test_decode_odd_messages_give_stated_errors(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        sh_err want;
        const char *why;
    } rows[] = {
        {"310c02010161070a010004000400", SH_E_PROTO, "no SEQUENCE"},
        {"3080020101", SH_E_PROTO, "indefinite length (RFC 4511, 5.1)"},
        {"3085000000000c02010161070a010004000400", SH_E_PROTO, "length of five bytes"},
        {"3084ffffffff0201", SH_E_LIMIT, "4 GiB"},
        {"3084000400010201", SH_E_LIMIT, "a byte more than the limit"},
        {"300c02010161080a010004000400", SH_E_PROTO, "op longer than its message"},
        {"300c02010161060a010004000400", SH_E_PROTO, "op shorter than its fields"},
        {"300c0201ff61070a010004000400", SH_E_PROTO, "negative id"},
        {"300c02010161070a018004000400", SH_E_PROTO, "negative code"},
        {"300b020061070a010004000400", SH_E_PROTO, "empty id"},
        {"300c02010160070a010004000400", SH_E_PROTO, "a request"},
        {"300c02010169070a010004000400", SH_E_PROTO, "a response that was not asked for"},
        {"300c02010161070a010004010400", SH_E_PROTO, "text that reaches out"},
        {"300c0201017f070a010004000400", SH_E_PROTO, "tag of several bytes"},
        {"300c020101640704003003040178", SH_E_PROTO, "attribute that is no sequence"},
        {"3013020101640e0400300a30080401783103020131", SH_E_PROTO, "value that is no text"},
        {"300b0201016406040030000400", SH_E_PROTO, "something behind the attributes"},
        {"300e02010161070a0100040004000500", SH_E_PROTO, "something behind that is no controls"},
        {"300e02010161070a010004000400a000", SH_OK, "controls behind"},
        {"3009020102640404003000", SH_OK, "entry without attributes"},
        {"3010020102730b04096c6461703a2f2f782f", SH_OK, "reference"},
        {"300702010273020500", SH_E_PROTO, "reference that is no text"},
        {"301902010161140a010a04000400a30b04096c6461703a2f2f782f", SH_OK, "referral in a result"},
        {"300f020101610a0a010004000400870561", SH_E_PROTO, "truncated field behind a result"},
        {"3024020100781f0a0134040004008a16312e332e362e312e342e312e313436362e3230303336", SH_OK,
         "notice of disconnection"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b = buf_new();
        struct sh_ldap_message m;
        size_t used = 0;
        const sh_err err = sh_ldap_decode(hex(&b, rows[i].hex), &m, &used);
        if (err != rows[i].want) {
            fail_msg("%s: %s", rows[i].why, sh_err_name(err));
        }
        sh_buf_fini(&b);
    }
}

/* ---- writing ---- */

static void expect(struct sh_buf *b, const char *text)
{
    struct sh_buf want = buf_new();
    const struct sh_bytes w = hex(&want, text);
    assert_int_equal(b->n, w.n);
    assert_memory_equal(b->p, w.p, w.n);
    sh_buf_fini(&want);
    sh_buf_clear(b);
}

static void test_put_requests_as_the_clauses_say(void **state)
{
    (void)state;
    struct sh_buf b = buf_new();
    /* 4.2: BindRequest version 3, simple */
    assert_int_equal(sh_ldap_bind_put(&b, 1, SH_STR("cn=a"), SH_STR("pw")), SH_OK);
    expect(&b, "30840000001e020101608400000015020103048400000004636e3d618084000000027077");
    /* 4.14 */
    assert_int_equal(sh_ldap_starttls_put(&b, 2), SH_OK);
    expect(
        &b,
        "30840000002502010277840000001c808400000016312e332e362e312e342e312e313436362e3230303337");
    /* 4.3 */
    assert_int_equal(sh_ldap_unbind_put(&b, 200), SH_OK);
    expect(&b, "308400000006020200c84200");
    sh_buf_fini(&b);
}

static void test_bind_without_password_is_refused(void **state)
{
    (void)state;
    struct sh_buf b = buf_new();
    assert_int_equal(sh_ldap_bind_put(&b, 1, SH_STR("cn=a"), SH_STR("")), SH_E_INVAL);
    assert_int_equal(sh_ldap_bind_put(&b, 1, SH_STR(""), SH_STR("pw")), SH_E_INVAL);
    assert_int_equal(b.n, 0);
    assert_int_equal(sh_ldap_bind_put(&b, 1, SH_STR(""), SH_STR("")), SH_OK); /* anonymous */
    sh_buf_fini(&b);
}

static void test_requests_are_whole_or_not_there(void **state)
{
    (void)state;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 40);
    assert_int_equal(sh_ldap_bind_put(&b, 1, SH_STR("cn=a"), SH_STR("a longer password")),
                     SH_E_LIMIT);
    assert_int_equal(b.n, 0);
    sh_buf_fini(&b);
}

/* The same with lengths of one byte, so that the rows below can be read. */
static void shorten(struct sh_bytes in, struct sh_buf *out)
{
    while (in.n > 0) {
        struct sh_buf inner = buf_new();
        assert_true(in.n >= 6 && in.p[1] == 0x84);
        const size_t n = (size_t)in.p[4] << 8 | in.p[5];
        const struct sh_bytes body = sh_bytes_of(in.p + 6, n);
        if ((in.p[0] & 0x20) != 0) {
            shorten(body, &inner);
        } else {
            assert_int_equal(sh_buf_put(&inner, body.p, body.n), SH_OK);
        }
        assert_true(inner.n < 128);
        assert_int_equal(sh_buf_put_u8(out, in.p[0]), SH_OK);
        assert_int_equal(sh_buf_put_u8(out, (uint8_t)inner.n), SH_OK);
        assert_int_equal(sh_buf_put(out, inner.p, inner.n), SH_OK);
        sh_buf_fini(&inner);
        in = sh_bytes_of(body.p + n, in.n - 6 - n);
    }
}

/* RFC 4515, 4 (and 3): the examples' kinds. */
static void test_filter_put_all_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *hex; /* NULL: refused */
    } rows[] = {
        {"(cn=a)", "a3070402636e040161"},
        {"(!(cn=a))", "a209a3070402636e040161"},
        {"(&(cn=a)(o=*))", "a00ca3070402636e04016187016f"},
        {"(|(cn=a)(cn=b))", "a112a3070402636e040161a3070402636e040162"},
        {"(cn>=1)", "a5070402636e040131"},
        {"(cn<=1)", "a6070402636e040131"},
        {"(cn~=1)", "a8070402636e040131"},
        {"(cn=)", "a3060402636e0400"},
        {"(cn=*)", "8702636e"},
        {"(cn=a*)", "a4090402636e3003800161"},
        {"(cn=*a)", "a4090402636e3003820161"},
        {"(cn=*a*)", "a4090402636e3003810161"},
        {"(cn=a*b*c)", "a40f0402636e3009800161810162820163"},
        {"(cn=\\2a\\28\\5C\\00)", "a30a0402636e04042a285c00"},
        {"(member:1.2.3:=x)", "a9128105312e322e3382066d656d626572830178"},
        {"(:1.2.3:=x)", "a90a8105312e322e33830178"},
        {"", NULL},
        {"cn=a", NULL},
        {"(cn=a", NULL},
        {"(cn=a))", NULL},
        {"(cn=a)(cn=b)", NULL},
        {"(=a)", NULL},
        {"(cn)", NULL},
        {"(&)", NULL},
        {"(!(cn=a)(cn=b))", NULL},
        {"(c n=a)", NULL},
        {"(cn=a\\2)", NULL},
        {"(cn=a\\zz)", NULL},
        {"(cn=**)", NULL},
        {"(cn>=a*)", NULL},
        {"(cn=a(b)", NULL},
        {"(:=x)", NULL},
        {"(cn:a:b:=x)", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b = buf_new();
        struct sh_diag d = {0};
        const sh_err err = sh_ldap_filter_put(&b, sh_str_c(rows[i].filter), &d);
        if (rows[i].hex == NULL) {
            assert_int_equal(err, SH_E_INVAL);
            assert_int_equal(b.n, 0);
            assert_true(d.message[0] != '\0');
        } else {
            assert_int_equal(err, SH_OK);
            struct sh_buf have = buf_new();
            shorten(sh_buf_bytes(&b), &have);
            expect(&have, rows[i].hex);
            sh_buf_fini(&have);
        }
        sh_buf_fini(&b);
    }
}

static void test_filter_put_bounds_the_nesting(void **state)
{
    (void)state;
    struct sh_buf text = buf_new();
    struct sh_buf b = buf_new();
    struct sh_diag d = {0};
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(sh_buf_put_c(&text, "(!"), SH_OK);
    }
    assert_int_equal(sh_ldap_filter_put(&b, sh_buf_str(&text), &d), SH_E_INVAL);
    sh_buf_fini(&text);
    sh_buf_fini(&b);
}

/* ---- what a person typed ---- */

static void test_fill_escapes_what_would_end_a_value(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t n;
        const char *filter;
        const char *dn;
    } rows[] = {
        {"zhang", 5, "(uid=zhang)", "uid=zhang,dc=cn"},
        {"*)(uid=*", 8, "(uid=\\2a\\29\\28uid=\\2a)", "uid=*)(uid\\3d*,dc=cn"},
        {"a\\b", 3, "(uid=a\\5cb)", "uid=a\\5cb,dc=cn"},
        {"x,ou=admins", 11, "(uid=x,ou=admins)", "uid=x\\2cou\\3dadmins,dc=cn"},
        {" #a+b\"<>; ", 10, "(uid= #a+b\"<>; )", "uid=\\20#a\\2bb\\22\\3c\\3e\\3b\\20,dc=cn"},
        {"#a", 2, "(uid=#a)", "uid=\\23a,dc=cn"},
        {"a\0b", 3, "(uid=a\\00b)", "uid=a\\00b,dc=cn"},
        {"张三", 6, "(uid=张三)", "uid=张三,dc=cn"},
        {"{login}", 7, "(uid={login})", "uid={login},dc=cn"}, /* not filled in twice */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b = buf_new();
        struct sh_buf ber = buf_new();
        const struct sh_str v = sh_str_of(rows[i].value, rows[i].n);
        assert_int_equal(
            sh_ldap_fill(&b, SH_STR("(uid={login})"), SH_STR("login"), v, sh_ldap_filter_escape),
            SH_OK);
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i].filter));
        /* and the one equality that it is carries the value as it was */
        assert_int_equal(sh_ldap_filter_put(&ber, sh_buf_str(&b), NULL), SH_OK);
        assert_int_equal(ber.p[0], 0xa3);
        assert_memory_equal(ber.p + ber.n - v.n, v.p, v.n);
        sh_buf_clear(&b);
        assert_int_equal(
            sh_ldap_fill(&b, SH_STR("uid={login},dc=cn"), SH_STR("login"), v, sh_ldap_dn_escape),
            SH_OK);
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i].dn));
        assert_true(sh_ldap_dn_ok(sh_buf_str(&b)));
        sh_buf_fini(&b);
        sh_buf_fini(&ber);
    }
}

static void test_fill_refuses_other_marks(void **state)
{
    (void)state;
    static const char *const rows[] = {"(uid={user})", "(uid={login)", "(uid=login})", "{",
                                       "{login"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b = buf_new();
        assert_int_equal(sh_ldap_fill(&b, sh_str_c(rows[i]), SH_STR("login"), SH_STR("a"),
                                      sh_ldap_filter_escape),
                         SH_E_INVAL);
        sh_buf_fini(&b);
    }
}

static void test_names_are_compared_without_case_and_blanks(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } rows[] = {
        {"cn=ops,dc=a", "CN=Ops, DC=a", true},
        {"cn=ops,dc=a", "cn = ops , dc=a ", true},
        {"cn=ops,dc=a", "cn=ops,dc=ab", false},
        {"cn=a b,dc=x", "cn=ab,dc=x", false},
        {"cn=a\\ ,dc=x", "cn=a\\,dc=x", false}, /* an escaped blank counts */
        {"cn=a\\, b,dc=x", "cn=a\\,b,dc=x", false},
        {"", "cn=a", false},
        {"", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sh_ldap_dn_same(sh_str_c(rows[i].a), sh_str_c(rows[i].b)), rows[i].same);
        assert_int_equal(sh_ldap_dn_same(sh_str_c(rows[i].b), sh_str_c(rows[i].a)), rows[i].same);
    }
    assert_true(sh_ldap_dn_ok(SH_STR("cn=a+uid=b,ou=\\, x,dc=cn")));
    assert_false(sh_ldap_dn_ok(SH_STR("")));
    assert_false(sh_ldap_dn_ok(SH_STR("zhang@corp.cn")));
    assert_false(sh_ldap_dn_ok(SH_STR("cn=a,,dc=b")));
    assert_false(sh_ldap_dn_ok(SH_STR("cn=a\\")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_bind_success_short_and_long_lengths),
        cmocka_unit_test(test_decode_entry_gives_views_of_its_attributes),
        cmocka_unit_test(test_decode_odd_messages_give_stated_errors),
        cmocka_unit_test(test_put_requests_as_the_clauses_say),
        cmocka_unit_test(test_bind_without_password_is_refused),
        cmocka_unit_test(test_requests_are_whole_or_not_there),
        cmocka_unit_test(test_filter_put_all_kinds),
        cmocka_unit_test(test_filter_put_bounds_the_nesting),
        cmocka_unit_test(test_fill_escapes_what_would_end_a_value),
        cmocka_unit_test(test_fill_refuses_other_marks),
        cmocka_unit_test(test_names_are_compared_without_case_and_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
