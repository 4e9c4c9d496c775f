/* codec_test.c - packets as bytes: what is accepted, what is refused and with which reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/mqtt_codec.h>

static enum mqtt_reason decode(const void *p, size_t n, int version, struct mqtt_packet *out)
{
    struct mqtt_head h;
    const sh_err e = mqtt_head_decode(sh_bytes_of(p, n), &h);
    if (e != SH_OK || n < h.head_len + h.len) {
        return MQTT_R_MALFORMED;
    }
    return mqtt_decode(&h, sh_bytes_of((const uint8_t *)p + h.head_len, h.len), version, out);
}

struct row {
    const char *bytes;
    size_t n;
    int version;
    int expect;
};
#define B(lit) (lit), sizeof(lit) - 1

static void run(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mqtt_packet p;
        const int got = decode(rows[i].bytes, rows[i].n, rows[i].version, &p);
        if (got != rows[i].expect) {
            fail_msg("row %zu: got 0x%02x, expected 0x%02x", i, (unsigned)got,
                     (unsigned)rows[i].expect);
        }
    }
}

static void test_head_reserved_flags_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;
        sh_err expect;
    } rows[] = {
        {0x00, SH_E_PROTO}, /* type 0 */
        {0x10, SH_OK},      {0x11, SH_E_PROTO}, {0x40, SH_OK},      {0x42, SH_E_PROTO},
        {0x62, SH_OK},      {0x60, SH_E_PROTO}, {0x82, SH_OK},      {0x80, SH_E_PROTO},
        {0xa2, SH_OK},      {0xa0, SH_E_PROTO}, {0xc0, SH_OK},      {0xc1, SH_E_PROTO},
        {0xe0, SH_OK},      {0xe8, SH_E_PROTO}, {0x36, SH_E_PROTO}, /* QoS 3 */
        {0x38, SH_E_PROTO},                                         /* DUP with QoS 0 */
        {0x3b, SH_OK},      {0xf0, SH_OK},      {0xf1, SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const uint8_t b[2] = {rows[i].first, 0};
        struct mqtt_head h;
        assert_int_equal(mqtt_head_decode(sh_bytes_of(b, 2), &h), rows[i].expect);
    }
}

static void test_varint_shortest_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *b;
        size_t n;
        sh_err expect;
        uint32_t v;
    } rows[] = {
        {B("\x00"), SH_OK, 0},          {B("\x7f"), SH_OK, 127},
        {B("\x80\x01"), SH_OK, 128},    {B("\xff\xff\xff\x7f"), SH_OK, 268435455},
        {B("\x80\x00"), SH_E_PROTO, 0}, {B("\xff\xff\xff\xff\x01"), SH_E_PROTO, 0},
        {B("\x80"), SH_E_AGAIN, 0},     {B("\xff\xff\xff"), SH_E_AGAIN, 0},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_rd r = sh_rd_of(sh_bytes_of(rows[i].b, rows[i].n));
        uint32_t v = 0;
        assert_int_equal(mqtt_varint_get(&r, &v), rows[i].expect);
        if (rows[i].expect == SH_OK) {
            uint8_t back[4];
            assert_int_equal(v, rows[i].v);
            assert_int_equal(mqtt_varint_put(back, v), rows[i].n);
            assert_memory_equal(back, rows[i].b, rows[i].n);
            assert_int_equal(mqtt_varint_size(v), rows[i].n);
        }
    }
}

static void test_strings_are_strict_utf8(void **state)
{
    (void)state;
    assert_true(mqtt_string_valid(SH_STR("plain")));
    assert_true(mqtt_string_valid(SH_STR("\xe6\xb8\xa9\xe5\xba\xa6")));
    assert_true(mqtt_string_valid(SH_STR("\xef\xbb\xbf"
                                         "a"))); /* U+FEFF is a character */
    assert_false(mqtt_string_valid(SH_STR("a\0b")));
    assert_false(mqtt_string_valid(SH_STR("\xed\xa0\x80"))); /* surrogate */
    assert_false(mqtt_string_valid(SH_STR("\xc0\x80")));     /* over-long */
    assert_false(mqtt_string_valid(SH_STR("\xff")));
}

static void test_connect_rows_give_their_reason(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {B("\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a"), 0, 0},
        {B("\x10\x0d\0\4MQTT\4\3\0\x3c\0\1a"), 0, 0x81}, /* reserved flag */
        {B("\x10\x0d\0\4MQTX\4\2\0\x3c\0\1a"), 0, 0x81}, /* protocol name */
        {B("\x10\x0d\0\4MQTT\3\2\0\x3c\0\1a"), 0, 0x84}, /* version */
        {B("\x10\x0d\0\4MQTT\6\2\0\x3c\0\1a"), 0, 0x84},
        {B("\x10\x0f\0\6MQIsdp\3\2\0\x3c\0\1a"), 0, 0x84},
        {B("\x10\x0d\0\4MQTT\4\x0a\0\x3c\0\1a"), 0, 0x81},           /* will QoS without will */
        {B("\x10\x0d\0\4MQTT\4\x22\0\x3c\0\1a"), 0, 0x81},           /* will retain without will */
        {B("\x10\x13\0\4MQTT\4\x1e\0\x3c\0\1a\0\1w\0\1x"), 0, 0x81}, /* will QoS 3 */
        {B("\x10\x13\0\4MQTT\4\x06\0\x3c\0\1a\0\1w\0\1x"), 0, 0},
        {B("\x10\x0d\0\4MQTT\4\x06\0\x3c\0\1a"), 0, 0x81},           /* no will there */
        {B("\x10\x13\0\4MQTT\4\x02\0\x3c\0\1a\0\1w\0\1x"), 0, 0x81}, /* too much */
        {B("\x10\x10\0\4MQTT\4\x42\0\x3c\0\1a\0\1p"), 0, 0x81},      /* 3.1.1: password alone */
        {B("\x10\x10\0\4MQTT\4\x82\0\x3c\0\1a\0\1u"), 0, 0},
        {B("\x10\x13\0\4MQTT\4\xc2\0\x3c\0\1a\0\1u\0\1p"), 0, 0},
        {B("\x10\x10\0\4MQTT\4\xc2\0\x3c\0\1a\0\1u"), 0, 0x81}, /* password missing */
        {B("\x10\x0d\0\4MQTT\4\x82\0\x3c\0\1a"), 0, 0x81},      /* user name missing */
        {B("\x10\x0d\0\4MQTT\4\x02\0\x3c\0\1\xff"), 0, 0x81},   /* not UTF-8 */
        {B("\x10\x10\0\4MQTT\4\x82\0\x3c\0\1a\0\1\xff"), 0, 0x81},
        {B("\x10\x13\0\4MQTT\4\x06\0\x3c\0\1a\0\1\xff\0\1x"), 0, 0x81},
        {B("\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1a"), 0, 0},
        {B("\x10\x11\0\4MQTT\5\x42\0\x3c\0\0\1a\0\1p"), 0, 0}, /* 5.0 allows it */
        {B("\x10\x13\0\4MQTT\5\2\0\x3c\5\x11\0\0\0\1\0\1a"), 0, 0},
        {B("\x10\x18\0\4MQTT\5\2\0\x3c\x0a\x11\0\0\0\1\x11\0\0\0\1\0\1a"), 0, 0x82}, /* twice */
        {B("\x10\x11\0\4MQTT\5\2\0\x3c\3\x21\0\0\0\1a"), 0, 0x82},     /* receive maximum 0 */
        {B("\x10\x13\0\4MQTT\5\2\0\x3c\5\x27\0\0\0\0\0\1a"), 0, 0x82}, /* packet size 0 */
        {B("\x10\x10\0\4MQTT\5\2\0\x3c\2\x19\2\0\1a"), 0, 0x82},
        {B("\x10\x10\0\4MQTT\5\2\0\x3c\2\x17\2\0\1a"), 0, 0x82},
        {B("\x10\x11\0\4MQTT\5\2\0\x3c\3\x23\0\1\0\1a"), 0, 0x81},  /* not a CONNECT property */
        {B("\x10\x10\0\4MQTT\5\2\0\x3c\2\x7e\2\0\1a"), 0, 0x81},    /* no such property */
        {B("\x10\x12\0\4MQTT\5\2\0\x3c\4\x16\0\1x\0\1a"), 0, 0x82}, /* data without method */
    };
    run(rows, SH_COUNT(rows));
}

static void test_publish_rows_give_their_reason(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {B("\x30\6\0\3a/bx"), 4, 0},
        {B("\x30\5\0\3a/b"), 4, 0}, /* empty payload */
        {B("\x32\7\0\3a/b\0\1"), 4, 0},
        {B("\x32\7\0\3a/b\0\0"), 4, 0x81}, /* packet id 0 */
        {B("\x32\5\0\3a/b"), 4, 0x81},     /* no packet id */
        {B("\x30\2\0\0"), 4, 0x90},        /* empty topic */
        {B("\x30\5\0\3a/#"), 4, 0x90},
        {B("\x30\5\0\3+/b"), 4, 0x90},
        {B("\x30\5\0\3a\0b"), 4, 0x81},
        {B("\x30\5\0\3a/\xff"), 4, 0x81},
        {B("\x30\6\0\3a/b\0"), 5, 0},
        {B("\x30\3\0\0\0"), 5, 0x82},          /* neither topic nor alias */
        {B("\x30\6\0\0\3\x23\0\5"), 5, 0},     /* by alias */
        {B("\x30\6\0\0\3\x23\0\0"), 5, 0x94},  /* alias 0 */
        {B("\x30\x08\0\3a/b\2\1\2"), 5, 0x82}, /* payload format 2 */
        {B("\x30\x08\0\3a/b\2\1\1"), 5, 0},
        {B("\x30\x0a\0\3a/b\4\x08\0\1#"), 5, 0x82}, /* response topic with wildcard */
        {B("\x30\x0a\0\3a/b\4\x03\0\1\xff"), 5, 0x81},
        {B("\x30\x08\0\3a/b\2\x0b\1"), 5, 0},
        {B("\x30\x0a\0\3a/b\4\x0b\1\x0b\2"), 5, 0}, /* several identifiers are allowed */
        {B("\x30\x08\0\3a/b\2\x0b\0"), 5, 0x82},
        {B("\x30\x0d\0\3a/b\7\x26\0\1k\0\1v"), 5, 0},
        {B("\x30\x0d\0\3a/b\7\x26\0\1k\0\1\xff"), 5, 0x81},
    };
    run(rows, SH_COUNT(rows));
}

static void test_ack_rows_give_their_reason(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {B("\x40\2\0\1"), 4, 0},
        {B("\x40\2\0\0"), 4, 0x81},
        {B("\x40\3\0\1\0"), 4, 0x81},
        {B("\x40\1\0"), 4, 0x81},
        {B("\x40\3\0\1\x10"), 5, 0},
        {B("\x40\3\0\1\x01"), 5, 0x82}, /* not a reason code of PUBACK */
        {B("\x40\4\0\1\0\0"), 5, 0},
        {B("\x50\3\0\1\x97"), 5, 0},
        {B("\x62\3\0\1\x92"), 5, 0},
        {B("\x62\3\0\1\x97"), 5, 0x82},
        {B("\x70\3\0\1\x92"), 5, 0},
        {B("\x40\x08\0\1\0\4\x1f\0\1r"), 5, 0},
        {B("\x40\x0c\0\1\0\x08\x1f\0\1r\x1f\0\1r"), 5, 0x82},
        {B("\xe0\0"), 4, 0},
        {B("\xe0\1\0"), 4, 0x81},
        {B("\xe0\1\4"), 5, 0},
        {B("\xe0\1\3"), 5, 0x82},
        {B("\xe0\7\0\5\x11\0\0\0\1"), 5, 0},
        {B("\xf0\0"), 4, 0x81}, /* 3.1.1 has no AUTH */
        {B("\xf0\0"), 5, 0},
        {B("\xf0\1\x17"), 5, 0x82},
        {B("\xc0\0"), 4, 0},
        {B("\xc0\1\0"), 4, 0x81},
        {B("\xd0\0"), 5, 0},
        {B("\x20\2\2\0"), 4, 0x81}, /* CONNACK flags */
        {B("\x20\2\1\0"), 4, 0},
        {B("\x20\2\0\6"), 4, 0x81},
        {B("\x20\3\1\0\0"), 5, 0},
    };
    run(rows, SH_COUNT(rows));
}

static void test_subscribe_rows_give_their_reason(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {B("\x82\6\0\1\0\1a\2"), 4, 0},
        {B("\x82\6\0\0\0\1a\2"), 4, 0x81}, /* packet id 0 */
        {B("\x82\2\0\1"), 4, 0x82},        /* no filter */
        {B("\x82\6\0\1\0\1a\3"), 4, 0x81}, /* QoS 3 */
        {B("\x82\6\0\1\0\1a\4"), 4, 0x81}, /* reserved bits of 3.1.1 */
        {B("\x82\5\0\1\0\1a"), 4, 0x81},   /* no QoS */
        {B("\x82\6\0\1\0\1\xff\0"), 4, 0x81},
        {B("\x82\7\0\1\0\0\1a\x2d"), 5, 0},
        {B("\x82\7\0\1\0\0\1a\x30"), 5, 0x82}, /* retain handling 3 */
        {B("\x82\7\0\1\0\0\1a\x40"), 5, 0x81},
        {B("\x82\x09\0\1\2\x0b\1\0\1a\0"), 5, 0},
        {B("\x82\x09\0\1\2\x0b\0\0\1a\0"), 5, 0x82}, /* identifier 0 */
        {B("\x82\x0b\0\1\4\x0b\1\x0b\2\0\1a\0"), 5, 0x82},
        {B("\xa2\5\0\1\0\1a"), 4, 0},
        {B("\xa2\2\0\1"), 4, 0x82},
        {B("\xa2\5\0\0\0\1a"), 4, 0x81},
        {B("\xa2\3\0\1\0"), 5, 0x82},
        {B("\x90\3\0\1\0"), 4, 0},
        {B("\x90\2\0\1"), 4, 0x81},
        {B("\xb0\2\0\1"), 4, 0},
        {B("\xb0\4\0\1\0\x11"), 5, 0},
    };
    run(rows, SH_COUNT(rows));
}

/* Every packet that is decoded is encoded to the same bytes, and no prefix of it is taken. */
static void test_packets_survive_decode_and_encode(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {B("\x10\x13\0\4MQTT\4\x26\0\x3c\0\1a\0\1w\0\1x"), 0, 0},
        {B("\x10\x23\0\4MQTT\5\xc6\0\x3c\3\x21\0\7\0\1a\5\x18\0\0\0\2\0\1w\0\1x\0\1u\0\1p"), 0, 0},
        {B("\x20\x07\1\0\4\x1f\0\1r"), 5, 0},
        {B("\x3b\x08\0\3a/b\1\2x"), 4, 0},
        {B("\x32\x12\0\3a/b\1\2\x0a\2\0\0\0\4\x26\0\0\0\0"), 5, 0},
        {B("\x40\2\0\1"), 4, 0},
        {B("\x62\3\0\1\x92"), 5, 0},
        {B("\x82\x09\0\1\2\x0b\1\0\1a\0"), 5, 0},
        {B("\xa2\5\0\1\0\1a"), 4, 0},
        {B("\x90\4\0\1\0\1"), 5, 0},
        {B("\xc0\0"), 5, 0},
        {B("\xe0\7\x04\5\x11\0\0\0\1"), 5, 0},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct mqtt_packet p;
        for (size_t n = 0; n < rows[i].n; n++) {
            assert_int_not_equal(decode(rows[i].bytes, n, rows[i].version, &p), 0);
        }
        assert_int_equal(decode(rows[i].bytes, rows[i].n, rows[i].version, &p), 0);
        struct sh_buf b;
        sh_buf_init(&b, t.env.alloc, 4096);
        assert_ok(mqtt_encode(&b, &p));
        assert_int_equal(b.n, rows[i].n);
        assert_memory_equal(b.p, rows[i].bytes, b.n);
        sh_buf_fini(&b);
    }
    sh_test_env_fini(&t);
}

static void test_user_properties_keep_their_order(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf raw;
    struct sh_buf out;
    sh_buf_init(&raw, t.env.alloc, 1024);
    sh_buf_init(&out, t.env.alloc, 1024);
    assert_ok(mqtt_user_put(&raw, SH_STR("b"), SH_STR("1")));
    assert_ok(mqtt_user_put(&raw, SH_STR("a"), SH_STR("2")));
    assert_ok(mqtt_user_put(&raw, SH_STR("b"), SH_STR("3")));
    struct mqtt_packet p = {.type = MQTT_PUBLISH, .version = MQTT_V5};
    p.publish.topic = SH_STR("t");
    p.publish.props.raw = sh_buf_bytes(&raw);
    assert_ok(mqtt_encode(&out, &p));
    struct mqtt_packet q;
    assert_int_equal(decode(out.p, out.n, 5, &q), 0);
    struct sh_bytes walk = q.publish.props.raw;
    struct sh_str k;
    struct sh_str v;
    static const char *const want[] = {"b1", "a2", "b3"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(mqtt_user_next(&walk, &k, &v));
        assert_int_equal(k.p[0], want[i][0]);
        assert_int_equal(v.p[0], want[i][1]);
    }
    assert_false(mqtt_user_next(&walk, &k, &v));
    sh_buf_fini(&raw);
    sh_buf_fini(&out);
    sh_test_env_fini(&t);
}

static void test_filters_wildcards_where_they_may_stand(void **state)
{
    (void)state;
    static const struct {
        const char *f;
        bool ok;
    } rows[] = {{"a", true},   {"#", true},     {"a/#", true},    {"+", true},    {"+/a/+", true},
                {"/", true},   {"", false},     {"a#", false},    {"#/a", false}, {"a/#/b", false},
                {"a+", false}, {"a/+b", false}, {"$SYS/#", true}, {"/+", true},   {"//#", true}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(mqtt_filter_valid(sh_str_c(rows[i].f)), rows[i].ok);
    }
}

static void test_topic_matching_rows(void **state)
{
    (void)state;
    static const struct {
        const char *f;
        const char *t;
        bool hit;
    } rows[] = {{"sport/tennis/player1/#", "sport/tennis/player1", true},
                {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
                {"sport/#", "sport", true},
                {"#", "a/b", true},
                {"sport/tennis/+", "sport/tennis/player1", true},
                {"sport/tennis/+", "sport/tennis/player1/ranking", false},
                {"sport/+", "sport", false},
                {"sport/+", "sport/", true},
                {"+/+", "/finance", true},
                {"/+", "/finance", true},
                {"+", "/finance", false},
                {"#", "$SYS/a", false},
                {"+/a", "$SYS/a", false},
                {"$SYS/#", "$SYS/a", true},
                {"$SYS/+", "$SYS/a", true},
                {"ACCOUNTS", "Accounts", false},
                {"a b", "a b", true},
                {"/a", "a", false},
                {"a/", "a", false}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(mqtt_topic_matches(sh_str_c(rows[i].f), sh_str_c(rows[i].t)), rows[i].hit);
    }
}

static void test_shared_filters_are_split(void **state)
{
    (void)state;
    struct sh_str g;
    struct sh_str f;
    assert_ok(mqtt_share_split(SH_STR("$share/g/a/b"), &g, &f));
    assert_str(g, "g");
    assert_str(f, "a/b");
    assert_int_equal(mqtt_share_split(SH_STR("a/b"), &g, &f), SH_E_NOTFOUND);
    assert_int_equal(mqtt_share_split(SH_STR("$shared/b"), &g, &f), SH_E_NOTFOUND);
    static const char *const bad[] = {"$share",    "$share/",    "$share/g",   "$share/g/",
                                      "$share//a", "$share/+/a", "$share/a#/b"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(mqtt_share_split(sh_str_c(bad[i]), &g, &f), SH_E_PROTO);
    }
}

static void test_encode_refuses_what_cannot_be_sent(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, t.env.alloc, 200000);
    char *longs = sh_mem_new(t.env.alloc, 70000);
    memset(longs, 'a', 70000);
    struct mqtt_packet p = {.type = MQTT_PUBLISH, .version = 4};
    p.publish.topic = (struct sh_str){longs, 70000};
    assert_int_equal(mqtt_encode(&b, &p), SH_E_INVAL);
    assert_int_equal(b.n, 0);
    p.publish.topic.n = 65535;
    assert_ok(mqtt_encode(&b, &p));
    b.max = b.n + 10;
    assert_int_equal(mqtt_encode(&b, &p), SH_E_LIMIT);
    sh_buf_fini(&b);
    sh_mem_free(t.env.alloc, longs);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_reserved_flags_are_refused),
        cmocka_unit_test(test_varint_shortest_form_only),
        cmocka_unit_test(test_strings_are_strict_utf8),
        cmocka_unit_test(test_connect_rows_give_their_reason),
        cmocka_unit_test(test_publish_rows_give_their_reason),
        cmocka_unit_test(test_ack_rows_give_their_reason),
        cmocka_unit_test(test_subscribe_rows_give_their_reason),
        cmocka_unit_test(test_packets_survive_decode_and_encode),
        cmocka_unit_test(test_user_properties_keep_their_order),
        cmocka_unit_test(test_filters_wildcards_where_they_may_stand),
        cmocka_unit_test(test_topic_matching_rows),
        cmocka_unit_test(test_shared_filters_are_split),
        cmocka_unit_test(test_encode_refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
