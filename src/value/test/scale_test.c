/* Engineering values: the rules are the header's (sh/scale.h). */
#include <sh/test.h>

#include <math.h>

#include <sh/scale.h>

static struct sh_scale *make(struct sh_test_env *t, const char *spec, enum sh_type type)
{
    struct sh_scale *s = NULL;
    struct sh_diag d = {0};
    json_t *j = json_loads(spec, JSON_DECODE_ANY, NULL);
    assert_non_null(j);
    if (sh_scale_new(&t->alloc, j, type, &s, &d) != SH_OK) {
        fail_msg("%s: %s: %s", spec, d.path, d.message);
    }
    json_decref(j);
    return s;
}

static void test_scale_integer_raw_to_f64_is_correctly_rounded(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t raw;
        double y;
        uint8_t q;
    } rows[] = {
        {"{\"raw\":\"i16\",\"factor\":0.1}", 3, 0.3, SH_Q_GOOD},
        {"{\"raw\":\"i16\",\"factor\":0.1}", -7, -0.7, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"factor\":0.1,\"offset\":-40}", 653, 25.3, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"factor\":0.01,\"offset\":0.005}", 29, 0.295, SH_Q_GOOD},
        {"{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,100]}", 27648, 100, SH_Q_GOOD},
        {"{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,100]}", 13824, 50, SH_Q_GOOD},
        {"{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,1.6]}", 27648, 1.6, SH_Q_GOOD},
        {"{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,1.6]}", 27649, 1.6000578703703703,
         SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"u16\",\"raw_range\":[4000,20000],\"range\":[-50,150]}", 4000, -50, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"raw_range\":[4000,20000],\"range\":[-50,150]}", 12000, 50, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"raw_range\":[4000,20000],\"range\":[-50,150]}", 3000, -62.5,
         SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"u16\",\"raw_range\":[4000,20000],\"range\":[-50,150],\"clamp\":true}", 3000,
         -50, SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"u16\",\"raw_range\":[4000,20000],\"range\":[150,-50],\"clamp\":true}", 3000,
         150, SH_Q_UNCERTAIN_RANGE}, /* falling range */
        {"{\"raw\":\"u16\",\"raw_range\":[20000,4000],\"range\":[0,1]}", 12000, 0.5, SH_Q_GOOD},
        {"{\"raw\":\"i64\",\"limits\":[0,10]}", 11, 11, SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"i64\",\"limits\":[0,10],\"clamp\":true}", 11, 10, SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"u16\",\"bcd\":true,\"factor\":0.01}", 0x1234, 12.34, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"bcd\":true}", 0x12A4, 0, SH_Q_BAD_CONFIG},
        {"{\"raw\":\"u16\",\"mask\":4080,\"factor\":0.5}", 0x0ab7, 85.5, SH_Q_GOOD}, /* 0x0ff0 */
        {"{\"raw\":\"u64\"}", -1, 18446744073709551616.0, SH_Q_GOOD},
        {"{\"raw\":\"i64\",\"factor\":1e-300}", 5, 5e-300, SH_Q_GOOD}, /* not whole */
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_scale *s = make(&t, rows[i].spec, SH_T_F64);
        uint8_t q = SH_Q_GOOD;
        const union sh_cell c = sh_scale_one(s, (union sh_cell){.i64 = rows[i].raw}, &q);
        if (sh_f64_bits(c.f64) != sh_f64_bits(rows[i].y) || q != rows[i].q) {
            fail_msg("%s of %lld: %.17g quality %u", rows[i].spec, (long long)rows[i].raw, c.f64,
                     q);
        }
        sh_scale_free(s);
    }
    sh_test_env_fini(&t);
}

static void test_scale_factor_tenth_equals_decimal_for_all_u16(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_scale *s = make(&t, "{\"raw\":\"u16\",\"factor\":0.1,\"offset\":-40}", SH_T_F64);
    for (int raw = 0; raw < 65536; raw++) {
        const union sh_cell c = sh_scale_one(s, (union sh_cell){.i64 = raw}, NULL);
        assert_true(c.f64 == (double)(raw - 400) / 10.0); /* correctly rounded by IEEE 754 */
    }
    sh_scale_free(s);
    sh_test_env_fini(&t);
}

static void test_scale_into_integers_and_bools(void **state)
{
    (void)state;
    static const struct { /* NOLINT: rows read better in this order */
        const char *spec;
        enum sh_type type;
        int64_t raw;
        int64_t y;
        uint8_t q;
    } rows[] = {
        {"{\"raw\":\"u16\",\"factor\":0.5}", SH_T_I64, 3, 2, SH_Q_GOOD}, /* ties to even */
        {"{\"raw\":\"u16\",\"factor\":0.5}", SH_T_I64, 5, 2, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"factor\":0.5}", SH_T_I64, 7, 4, SH_Q_GOOD},
        {"{\"raw\":\"i64\"}", SH_T_I64, INT64_MAX, INT64_MAX, SH_Q_GOOD},
        {"{\"raw\":\"u64\"}", SH_T_I64, -1, INT64_MAX, SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"i64\",\"factor\":10}", SH_T_I64, INT64_MIN, INT64_MIN, SH_Q_UNCERTAIN_RANGE},
        {"{\"raw\":\"u16\",\"bit\":3}", SH_T_BOOL, 8, 1, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"bit\":3}", SH_T_BOOL, 0xfff7, 0, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"bit\":15}", SH_T_I64, 0x8000, 1, SH_Q_GOOD},
        {"{\"raw\":\"u16\",\"mask\":240}", SH_T_I64, 0xab, 10, SH_Q_GOOD},
        {"{\"raw\":\"u32\",\"bcd\":true}", SH_T_I64, 0x12345678, 12345678, SH_Q_GOOD},
        {"{\"raw\":\"bool\"}", SH_T_I64, 1, 1, SH_Q_GOOD},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_scale *s = make(&t, rows[i].spec, rows[i].type);
        uint8_t q = SH_Q_GOOD;
        const union sh_cell c = sh_scale_one(s, (union sh_cell){.i64 = rows[i].raw}, &q);
        if (c.i64 != rows[i].y || q != rows[i].q) {
            fail_msg("%s: %lld quality %u", rows[i].spec, (long long)c.i64, q);
        }
        sh_scale_free(s);
    }
    sh_test_env_fini(&t);
}

static void test_scale_floats_keep_bits_and_nan(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_scale *same = make(&t, "{\"limits\":[0,100]}", SH_T_F64);
    const uint64_t bits[] = {0x8000000000000000u, 0x7ff8000000001234u, 0x3ff0000000000001u};
    for (size_t i = 0; i < SH_COUNT(bits); i++) {
        uint8_t q = SH_Q_GOOD;
        union sh_cell c = sh_scale_one(same, (union sh_cell){.bits = bits[i]}, &q);
        assert_true(c.bits == bits[i]);
        assert_int_equal(q, SH_Q_GOOD);
    }
    uint8_t q = SH_Q_UNCERTAIN_SENSOR;
    union sh_cell c = sh_scale_one(same, (union sh_cell){.f64 = 101}, &q);
    assert_true(c.f64 == 101);
    assert_int_equal(q, SH_Q_UNCERTAIN_SENSOR); /* only a good sample loses its quality */
    sh_scale_free(same);
    struct sh_scale *whole = make(&t, "{\"raw\":\"f32\",\"factor\":2}", SH_T_I64);
    q = SH_Q_GOOD;
    c = sh_scale_one(whole, (union sh_cell){.f64 = NAN}, &q);
    assert_int_equal(q, SH_Q_BAD_CONFIG);
    assert_true(c.i64 == 0);
    sh_scale_free(whole);
    sh_test_env_fini(&t);
}

static union sh_cell nth_raw(bool number, size_t i)
{
    union sh_cell c;
    if (number) {
        c.f64 = (double)i / 3;
    } else {
        c.i64 = (int64_t)i * 173 - 9000;
    }
    return c;
}

static void test_scale_columns_equal_single_cells(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "{\"raw\":\"i16\",\"factor\":0.1,\"offset\":-40}",
        "{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,100],\"clamp\":true}",
        "{\"raw\":\"f64\",\"factor\":0.3}",
        "{\"raw\":\"u16\",\"bcd\":true}",
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t k = 0; k < SH_COUNT(specs); k++) {
        struct sh_scale *s = make(&t, specs[k], SH_T_F64);
        union sh_cell col[257];
        uint8_t quality[257];
        for (size_t i = 0; i < SH_COUNT(col); i++) {
            col[i] = nth_raw(k == 2, i);
            quality[i] = SH_Q_GOOD;
        }
        sh_scale_apply(s, SH_COUNT(col), col, quality);
        for (size_t i = 0; i < SH_COUNT(col); i++) {
            uint8_t q = SH_Q_GOOD;
            const union sh_cell raw = nth_raw(k == 2, i);
            assert_true(sh_scale_one(s, raw, &q).bits == col[i].bits);
            assert_int_equal(q, quality[i]);
        }
        sh_scale_free(s);
    }
    sh_test_env_fini(&t);
}

static void test_scale_words_both_ways(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_scale *s =
        make(&t, "{\"raw\":\"u16\",\"words\":{\"1\":\"run\",\"0\":\"stop\",\"-3\":\"fault\"}}",
             SH_T_TEXT);
    assert_str(sh_scale_word(s, -3), "fault");
    assert_str(sh_scale_word(s, 0), "stop");
    assert_null(sh_scale_word(s, 2).p);
    uint8_t q = SH_Q_GOOD;
    union sh_cell c = sh_scale_one(s, (union sh_cell){.i64 = 1}, &q);
    assert_str(sh_str_of(s->text + c.span.off, c.span.len), "run");
    c = sh_scale_one(s, (union sh_cell){.i64 = 9}, &q);
    assert_int_equal(c.span.len, 0);
    assert_int_equal(q, SH_Q_BAD_CONFIG);
    sh_scale_free(s);

    /* "run" and "stop" in Chinese, GBK on the wire */
    s = make(&t,
             "{\"raw\":\"text\",\"encoding\":\"gbk\","
             "\"words\":{\"1\":\"\xE8\xBF\x90\xE8\xA1\x8C\",\"0\":\"\xE5\x81\x9C\xE6\xAD\xA2\"}}",
             SH_T_I64);
    q = SH_Q_GOOD;
    assert_ok(sh_scale_text(s, sh_bytes_of("\xD4\xCB\xD0\xD0", 4), NULL, &c, &q));
    assert_true(c.i64 == 1 && q == SH_Q_GOOD);
    assert_ok(sh_scale_text(s, sh_bytes_of("x", 1), NULL, &c, &q));
    assert_true(c.i64 == 0 && q == SH_Q_BAD_CONFIG);
    sh_scale_free(s);

    s = make(&t, "{\"raw\":\"text\",\"encoding\":\"gbk\"}", SH_T_TEXT);
    struct sh_buf out;
    sh_buf_init(&out, &t.alloc, 100);
    q = SH_Q_GOOD;
    assert_ok(sh_scale_text(s, sh_bytes_of("\xD4\xCB\xD0\xD0", 4), &out, &c, &q));
    assert_int_equal(c.span.len, 6);
    assert_memory_equal(out.p + c.span.off, "\xE8\xBF\x90\xE8\xA1\x8C", 6);
    assert_int_equal(sh_scale_text(s, sh_bytes_of("\xD4", 1), &out, &c, &q), SH_E_PROTO);
    sh_buf_fini(&out);
    sh_scale_free(s);

    s = make(&t, "{\"raw\":\"text\"}", SH_T_F64);
    assert_ok(sh_scale_text(s, sh_bytes_of("1.25", 4), NULL, &c, &q));
    assert_true(c.f64 == 1.25);
    sh_scale_free(s);
    sh_test_env_fini(&t);
}

static void test_scale_invert_returns_the_raw_value(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_scale *s =
        make(&t, "{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,100]}", SH_T_F64);
    for (int raw = 0; raw <= 27648; raw += 13) {
        union sh_cell back;
        uint8_t q = SH_Q_GOOD;
        const union sh_cell y = sh_scale_one(s, (union sh_cell){.i64 = raw}, &q);
        assert_ok(sh_scale_invert(s, y, &back));
        assert_true(back.i64 == raw);
    }
    union sh_cell back;
    assert_int_equal(sh_scale_invert(s, (union sh_cell){.f64 = 100.1}, &back), SH_E_LIMIT);
    assert_int_equal(sh_scale_invert(s, (union sh_cell){.f64 = NAN}, &back), SH_E_LIMIT);
    sh_scale_free(s);
    s = make(&t, "{\"raw\":\"u16\",\"bit\":2}", SH_T_BOOL);
    assert_int_equal(sh_scale_invert(s, (union sh_cell){.bits = 1}, &back), SH_E_UNSUPPORTED);
    sh_scale_free(s);
    s = make(&t, "{\"raw\":\"u8\",\"factor\":0.5}", SH_T_F64);
    assert_ok(sh_scale_invert(s, (union sh_cell){.f64 = 127.5}, &back));
    assert_true(back.i64 == 255);
    assert_int_equal(sh_scale_invert(s, (union sh_cell){.f64 = 128}, &back), SH_E_LIMIT);
    sh_scale_free(s);
    sh_test_env_fini(&t);
}

static void test_scale_text_of_other_types_and_inverse_edges(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    static const struct { /* NOLINT: rows read better in this order */
        const char *text;
        enum sh_type type;
        uint64_t bits;
        uint8_t q;
    } rows[] = {
        {"true", SH_T_BOOL, 1, SH_Q_GOOD},      {"0", SH_T_BOOL, 0, SH_Q_GOOD},
        {"yes", SH_T_BOOL, 0, SH_Q_BAD_CONFIG}, {"-5", SH_T_I64, (uint64_t)-5, SH_Q_GOOD},
        {"5.5", SH_T_I64, 0, SH_Q_BAD_CONFIG},  {"", SH_T_F64, 0, SH_Q_BAD_CONFIG},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_scale *s = make(&t, "{\"raw\":\"text\"}", rows[i].type);
        union sh_cell c;
        uint8_t q = SH_Q_GOOD;
        assert_ok(sh_scale_text(s, sh_bytes_of(rows[i].text, strlen(rows[i].text)), NULL, &c, &q));
        assert_true(c.bits == rows[i].bits && q == rows[i].q);
        sh_scale_free(s);
    }
    union sh_cell raw;
    struct sh_scale *s = make(&t, "{}", SH_T_I64);
    assert_ok(sh_scale_invert(s, (union sh_cell){.i64 = INT64_MIN}, &raw));
    assert_true(raw.i64 == INT64_MIN);
    sh_scale_free(s);
    s = make(&t, "{\"raw\":\"u64\"}", SH_T_F64);
    assert_ok(sh_scale_invert(s, (union sh_cell){.f64 = 0x1p63}, &raw));
    assert_true(raw.bits == (uint64_t)1 << 63);
    sh_scale_free(s);
    s = make(&t, "{\"raw\":\"f32\",\"factor\":2}", SH_T_F64);
    assert_ok(sh_scale_invert(s, (union sh_cell){.f64 = 0.2}, &raw));
    assert_true(raw.f64 == (double)0.1f);
    assert_int_equal(sh_scale_invert(s, (union sh_cell){.f64 = 1e300}, &raw), SH_E_LIMIT);
    sh_scale_free(s);
    s = make(&t, "{\"raw\":\"u16\",\"factor\":1e20,\"offset\":0.125}", SH_T_F64); /* not whole */
    assert_false(s->whole);
    assert_true(sh_scale_one(s, (union sh_cell){.i64 = 2}, NULL).f64 == 2e20);
    sh_scale_free(s);
    s = make(&t, "{\"raw_range\":[0,3e-9],\"range\":[0,1e12]}", SH_T_F64);
    uint8_t q = SH_Q_GOOD;
    assert_true(sh_scale_one(s, (union sh_cell){.f64 = 3e-9}, &q).f64 == 1e12);
    sh_scale_free(s);
    sh_test_env_fini(&t);
}

static void test_scale_mistakes_name_the_member(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        enum sh_type type;
        const char *path;
    } rows[] = {
        {"[]", SH_T_F64, ""},
        {"{\"fctor\":2}", SH_T_F64, "/fctor"},
        {"{\"factor\":null}", SH_T_F64, "/factor"},
        {"{\"factor\":\"2\"}", SH_T_F64, "/factor"},
        {"{\"factor\":0}", SH_T_F64, "/factor"},
        {"{\"raw\":\"int\"}", SH_T_F64, "/raw"},
        {"{\"raw\":5}", SH_T_F64, "/raw"},
        {"{\"raw_range\":[0,1]}", SH_T_F64, "/range"},
        {"{\"range\":[0,1]}", SH_T_F64, "/raw_range"},
        {"{\"raw_range\":[1,1],\"range\":[0,1]}", SH_T_F64, "/raw_range"},
        {"{\"raw_range\":[1,2,3],\"range\":[0,1]}", SH_T_F64, "/raw_range"},
        {"{\"raw_range\":[0,1],\"range\":[0,1],\"factor\":2}", SH_T_F64, "/factor"},
        {"{\"raw_range\":[0,1],\"range\":[0,1],\"limits\":[0,2]}", SH_T_F64, "/limits"},
        {"{\"clamp\":true}", SH_T_F64, "/clamp"},
        {"{\"clamp\":1}", SH_T_F64, "/clamp"},
        {"{\"raw\":\"u16\",\"bit\":64}", SH_T_BOOL, "/bit"},
        {"{\"raw\":\"u16\",\"bit\":1,\"mask\":2}", SH_T_BOOL, "/bit"},
        {"{\"raw\":\"u16\",\"mask\":0}", SH_T_I64, "/mask"},
        {"{\"raw\":\"f32\",\"bit\":1}", SH_T_BOOL, "/raw"},
        {"{\"raw\":\"u16\"}", SH_T_TEXT, "/words"},
        {"{\"raw\":\"u16\",\"words\":{\"a\":\"x\"}}", SH_T_TEXT, "/words"},
        {"{\"raw\":\"u16\",\"words\":{\"0\":\"\"}}", SH_T_TEXT, "/words"},
        {"{\"raw\":\"u16\",\"words\":{\"0\":\"x\",\"-0\":\"y\"}}", SH_T_TEXT, "/words"},
        {"{\"raw\":\"text\",\"words\":{\"0\":\"x\",\"1\":\"x\"}}", SH_T_I64, "/words"},
        {"{\"raw\":\"u16\",\"words\":{\"0\":\"x\"}}", SH_T_F64, "/words"},
        {"{\"raw\":\"u16\",\"encoding\":\"gbk\"}", SH_T_I64, "/encoding"},
        {"{\"encoding\":\"latin1\"}", SH_T_TEXT, "/encoding"},
        {"{\"factor\":2}", SH_T_BOOL, ""},
        {"{}", SH_T_BLOB, ""},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_scale *s = NULL;
        struct sh_diag d = {0};
        json_t *j = json_loads(rows[i].spec, JSON_DECODE_ANY, NULL);
        assert_int_equal(sh_scale_new(&t.alloc, j, rows[i].type, &s, &d), SH_E_INVAL);
        assert_null(s);
        if (strcmp(d.path, rows[i].path) != 0 || d.message[0] == '\0') {
            fail_msg("%s: path \"%s\", not \"%s\"", rows[i].spec, d.path, rows[i].path);
        }
        json_decref(j);
    }
    struct sh_scale *s = (struct sh_scale *)&t;
    assert_ok(sh_scale_new(&t.alloc, NULL, SH_T_F64, &s, NULL));
    assert_null(s);
    sh_test_env_fini(&t);
}

static sh_err oom_body(struct sh_test_env *t)
{
    struct sh_scale *s = NULL;
    json_t *j = json_loads("{\"raw\":\"u16\",\"words\":{\"0\":\"x\",\"1\":\"y\"}}", 0, NULL);
    const sh_err e = sh_scale_new(&t->alloc, j, SH_T_TEXT, &s, NULL);
    json_decref(j);
    sh_scale_free(s);
    return e;
}

static void test_scale_without_memory_leaves_nothing(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale_integer_raw_to_f64_is_correctly_rounded),
        cmocka_unit_test(test_scale_factor_tenth_equals_decimal_for_all_u16),
        cmocka_unit_test(test_scale_into_integers_and_bools),
        cmocka_unit_test(test_scale_floats_keep_bits_and_nan),
        cmocka_unit_test(test_scale_columns_equal_single_cells),
        cmocka_unit_test(test_scale_words_both_ways),
        cmocka_unit_test(test_scale_invert_returns_the_raw_value),
        cmocka_unit_test(test_scale_text_of_other_types_and_inverse_edges),
        cmocka_unit_test(test_scale_mistakes_name_the_member),
        cmocka_unit_test(test_scale_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
