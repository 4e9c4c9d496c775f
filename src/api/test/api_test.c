#include <sh/test.h>

#include <math.h>

#include "../api_int.h"

static void test_openapi_names_every_route_once(void **state)
{
    SH_UNUSED(state);
    struct sh_buf b;
    json_t *doc = NULL;
    sh_buf_init(&b, sh_alloc_heap(), 4 << 20);
    assert_ok(sh_api_openapi("1.2.3", &b));
    assert_ok(sh_json_parse(sh_buf_str(&b), 4 << 20, &doc, NULL)); /* refuses duplicate keys */
    const json_t *paths = json_object_get(doc, "paths");
    for (const struct api_route *r = api_routes; r->path != NULL; r++) {
        assert_non_null(json_object_get(paths, r->path));
        for (const struct api_route *o = api_routes; o < r; o++) {
            assert_string_not_equal(o->id, r->id);
            assert_true(o->method != r->method || strcmp(o->path, r->path) != 0);
        }
        assert_true(strlen(r->english) > 0 && strlen(r->chinese) > 0);
        assert_non_null(r->run);
    }
    json_decref(doc);
    sh_buf_fini(&b);
}

static void assert_chinese(const char *english, const char *chinese)
{
    struct sh_arena *a = sh_arena_new(sh_alloc_heap(), 1 << 16);
    assert_non_null(a);
    const struct sh_str got = api_chinese(a, sh_alloc_heap(), sh_str_c(english));
    assert_true(sh_str_eqc(got, chinese));
    sh_arena_free(a);
}

static void test_sentences_of_the_layers_below_are_said_in_chinese(void **state)
{
    SH_UNUSED(state);
    assert_chinese("This password was used before.", "此密码曾经使用过。");
    assert_chinese("There is no role \"dreher\".", "没有角色“dreher”。");
    assert_chinese("The password needs characters of 3 kinds: capitals, small letters, digits, "
                   "others.",
                   "密码须包含 3 类字符：大写字母、小写字母、数字、其他。");
    assert_chinese("'t1' of press, column 4: there is no device x",
                   "press 的“t1”第 4 列：没有设备 x");
    assert_chinese("column 7 is unknown: colour", "第 7 列无法识别：colour");
    assert_chinese("This is the last audit administrator.", "这是最后一个审计管理员。");
    /* What nobody wrote down stays as it is, also what only looks like it. */
    assert_chinese("There is no role \"dreher\"", "There is no role \"dreher\"");
    assert_chinese("There is no role", "There is no role");
    assert_chinese("something else", "something else");
    assert_chinese("", "");
    assert_chinese("/labels/a there is no asset b", "/labels/a 没有资产 b");
    assert_chinese("/labels", "/labels");
    assert_chinese("/order/price is greater than 2.5e+06", "/order/price 大于上限 2.5e+06");
    assert_chinese("the document lacks the member \"name\"", "文档缺少成员“name”");
    assert_chinese("not valid JSON: string or '}' expected near end of file (line 3, column 1)",
                   "不是有效的 JSON：末尾 处应为字符串或右花括号（第 3 行第 1 列）");
    assert_chinese("not valid JSON: something new near 'x' (line 1, column 2)",
                   "不是有效的 JSON：something new near 'x'（第 1 行第 2 列）");
}

static void test_every_problem_has_words_in_both_languages(void **state)
{
    SH_UNUSED(state);
    static const char *const codes[] = {"bad_request",
                                        "bad_json",
                                        "bad_credentials",
                                        "locked",
                                        "not_signed_in",
                                        "csrf",
                                        "bad_origin",
                                        "denied",
                                        "not_found",
                                        "unknown_point",
                                        "exists",
                                        "unknown_route",
                                        "conflict",
                                        "state",
                                        "limit",
                                        "too_busy",
                                        "no_memory",
                                        "disk_full",
                                        "partial_write",
                                        "unsupported",
                                        "internal",
                                        "method_not_allowed",
                                        "idempotency_key",
                                        "idempotency_mismatch",
                                        "idempotency_busy",
                                        "idempotency_unknown",
                                        "idempotency_secret",
                                        "idempotency_done",
                                        "idempotency_limit",
                                        "bad_certificate",
                                        "bad_sql"};
    for (size_t i = 0; i < SH_COUNT(codes); i++) {
        const struct api_words *w = api_words_of(codes[i], 400);
        assert_string_equal(w->code, codes[i]);
        assert_true(strlen(w->title_en) > 0 && strlen(w->remedy_en) > 0);
        assert_true(sh_utf8_valid(sh_str_c(w->title_zh)) && sh_utf8_valid(sh_str_c(w->remedy_zh)));
        assert_string_not_equal(w->title_en, w->title_zh);
        assert_string_not_equal(w->remedy_en, w->remedy_zh);
    }
    assert_string_equal(api_words_of("no such code", 404)->code, "not_found");
    assert_string_equal(api_words_of("no such code", 503)->code, "internal");
    assert_string_equal(api_words_of("no such code", 422)->code, "bad_request");
}

static void test_times_in_and_out(void **state)
{
    SH_UNUSED(state);
    int64_t us = 0;
    json_t *v = json_integer(1700000000123);
    assert_true(api_time(v, &us) && us == INT64_C(1700000000123000));
    json_decref(v);
    v = json_string("2026-01-02T11:04:05+08:00");
    assert_true(api_time(v, &us) && us == INT64_C(1767323045000000));
    json_decref(v);
    v = json_integer(INT64_MAX);
    assert_false(api_time(v, &us)); /* milliseconds past what microseconds hold */
    json_decref(v);
    v = json_real(1.5);
    assert_false(api_time(v, &us));
    json_decref(v);
    assert_false(api_time(NULL, &us));
    enum api_time_form f = API_TIME_TEXT;
    assert_true(api_time_form(SH_STR("us"), &f) && f == API_TIME_US);
    assert_true(api_time_form(SH_STR("ms"), &f) && f == API_TIME_MS);
    assert_true(api_time_form(SH_STR(""), &f) && f == API_TIME_TEXT);
    assert_false(api_time_form(SH_STR("ns"), &f));
}

static void test_cells_keep_every_bit(void **state)
{
    SH_UNUSED(state);
    static const uint8_t bytes[] = {'x', '"', 0xe6, 0x9d, 0xbe, 0, 1, 2};
    struct sh_buf b;
    struct sh_jw w;
    union sh_cell text = {.bits = 0};
    union sh_cell blob = {.bits = 0};
    text.span.len = 5;
    blob.span.off = 5;
    blob.span.len = 3;
    sh_buf_init(&b, sh_alloc_heap(), 4096);
    sh_jw_init(&w, &b);
    sh_jw_arr(&w);
    api_put_cell(&w, SH_T_F64, (union sh_cell){.f64 = -0.0}, NULL);
    api_put_cell(&w, SH_T_F64, (union sh_cell){.f64 = 0.1}, NULL);
    api_put_cell(&w, SH_T_F64, (union sh_cell){.f64 = (double)NAN}, NULL);
    api_put_cell(&w, SH_T_F64, (union sh_cell){.f64 = -(double)INFINITY}, NULL);
    api_put_cell(&w, SH_T_I64, (union sh_cell){.i64 = INT64_MIN}, NULL);
    api_put_cell(&w, SH_T_BOOL, (union sh_cell){.bits = 1}, NULL);
    api_put_cell(&w, SH_T_TEXT, text, bytes);
    api_put_cell(&w, SH_T_BLOB, blob, bytes);
    api_put_time(&w, -1, API_TIME_MS); /* floors */
    api_put_time(&w, -1, API_TIME_US);
    sh_jw_arr_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_str(sh_buf_str(&b), "[-0.0,0.1,\"NaN\",\"-Infinity\",-9223372036854775808,true,"
                               "\"x\\\"\xe6\x9d\xbe\",\"AAEC\",-1,-1]");
    sh_buf_fini(&b);
}

static void test_refusals_keep_their_words(void **state)
{
    SH_UNUSED(state);
    assert_int_equal(sh_api_refusal_code(SH_GATE_OK), SH_INGEST_OK);
    assert_string_equal(sh_ingest_code_name(sh_api_refusal_code(SH_GATE_DEVICE_ID_CONFLICT)),
                        "device_id_conflict");
    assert_string_equal(sh_ingest_code_name(sh_api_refusal_code(SH_GATE_FIELD_TYPE_CONFLICT)),
                        "field_type_conflict");
    assert_string_equal(sh_ingest_code_name(sh_api_refusal_code(SH_GATE_UNKNOWN_DEVICE)),
                        "unknown_device");
}

static void test_idempotency_key_is_taken_bare_or_quoted(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *field;
        const char *key; /* NULL: malformed */
    } rows[] = {
        {"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
        {"\"8e03978e\"", "8e03978e"}, /* RFC 8941 3.3.3 */
        {"\"a\\\"b\\\\\"", "a\"b\\"}, /* escapes */
        {"two words", "two words"},
        {"a\"b", "a\"b"},
        {"", NULL},
        {"\"\"", NULL},
        {"\"", NULL},
        {"\"open", NULL},
        {"\"a\"b\"", NULL},
        {"\"a\\b\"", NULL}, /* only the quote and the backslash are escaped */
        {"\"a\\\"", NULL},
        {"\"a\";p=1", NULL},
        {"a\tb", NULL},
        {"\xe9\x94\xae", NULL},
        {"a\x7f", NULL},
    };
    char key[API_IDEM_KEY_MAX];
    size_t n = 0;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(api_idem_key(sh_str_c(rows[i].field), key, &n), rows[i].key != NULL);
        if (rows[i].key != NULL) {
            assert_true(sh_str_eqc(sh_str_of(key, n), rows[i].key));
        }
    }
    char longest[API_IDEM_KEY_MAX + 3];
    memset(longest, 'x', sizeof longest);
    assert_true(api_idem_key(sh_str_of(longest, API_IDEM_KEY_MAX), key, &n));
    assert_int_equal(n, API_IDEM_KEY_MAX);
    assert_false(api_idem_key(sh_str_of(longest, API_IDEM_KEY_MAX + 1), key, &n));
    longest[0] = '"';
    longest[API_IDEM_KEY_MAX + 1] = '"';
    assert_true(api_idem_key(sh_str_of(longest, API_IDEM_KEY_MAX + 2), key, &n));
    longest[API_IDEM_KEY_MAX + 1] = 'x';
    longest[API_IDEM_KEY_MAX + 2] = '"';
    assert_false(api_idem_key(sh_str_of(longest, API_IDEM_KEY_MAX + 3), key, &n));
}

static void test_routes_say_what_a_repeat_does(void **state)
{
    SH_UNUSED(state);
    for (const struct api_route *r = api_routes; r->path != NULL; r++) {
        const bool keyed = r->method == SH_HTTP_POST || r->method == SH_HTTP_PATCH;
        /* bodies of 64 MiB are neither hashed nor remembered; the loop must not wait for the disk
         */
        assert_true(!keyed || (r->flags & API_F_INGEST) == 0 || (r->flags & API_F_REPEAT) != 0);
        assert_true(!keyed || (r->flags & API_F_LOOP) == 0);
        assert_true(!keyed || (r->flags & API_F_OWN_TYPE) == 0 ||
                    (r->flags & API_F_REPEAT) != 0); /* an answer kept is JSON */
        assert_true(!keyed || strstr(r->path, "/sessions") == NULL ||
                    (r->flags & API_F_SECRET) != 0);
    }
}

static void test_routes_are_commands_of_their_own_words(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *words;
        const char *method;
        const char *path;
    } rows[] = {
        {"devices list", "GET", "/api/v1/devices"},
        {"devices get", "GET", "/api/v1/devices/{id}"},
        {"devices create", "POST", "/api/v1/devices"},
        {"devices rename", "POST", "/api/v1/devices/{id}/rename"},
        {"devices latest", "GET", "/api/v1/devices/{id}/latest"},
        {"devices certificates revoke", "DELETE",
         "/api/v1/devices/{id}/certificates/{fingerprint}"},
        {"devices write-enable disable", "DELETE", "/api/v1/devices/{id}/write-enable"},
        {"history query", "POST", "/api/v1/history/query"},
        {"history delete", "DELETE", "/api/v1/history"},
        {"history edits withdraw", "POST", "/api/v1/history/edits/{id}/withdraw"},
        {"sessions current", "GET", "/api/v1/sessions/current"},
        {"sessions current delete", "DELETE", "/api/v1/sessions/current"},
        {"overview", "GET", "/api/v1/overview"},
        {"metrics", "GET", "/metrics"},
        {"write", "POST", "/write"},
        {"ingest", "POST", "/api/v1/ingest"},
        {"latest post", "POST", "/api/v1/latest"},
        {"sessions post", "POST", "/api/v1/sessions"},
        {"sessions end", "DELETE", "/api/v1/sessions"},
        {"sessions delete", "DELETE", "/api/v1/sessions/{id}"},
        {"people sessions end", "DELETE", "/api/v1/people/{name}/sessions"},
        {"sessions current totp begin", "POST", "/api/v1/sessions/current/totp"},
    };
    struct sh_api_command c;
    struct sh_api_command o;
    size_t found = 0;
    for (size_t i = 0; sh_api_command_at(i, &c); i++) {
        assert_true(strlen(c.words) > 0 && c.method != NULL);
        for (size_t k = 0; k < i; k++) {
            assert_true(sh_api_command_at(k, &o));
            assert_string_not_equal(o.words, c.words);
        }
        for (size_t k = 0; k < SH_COUNT(rows); k++) {
            if (strcmp(rows[k].words, c.words) == 0) {
                assert_string_equal(c.method, rows[k].method);
                assert_string_equal(c.path, rows[k].path);
                found++;
            }
        }
    }
    assert_int_equal(found, SH_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openapi_names_every_route_once),
        cmocka_unit_test(test_sentences_of_the_layers_below_are_said_in_chinese),
        cmocka_unit_test(test_every_problem_has_words_in_both_languages),
        cmocka_unit_test(test_times_in_and_out),
        cmocka_unit_test(test_cells_keep_every_bit),
        cmocka_unit_test(test_refusals_keep_their_words),
        cmocka_unit_test(test_idempotency_key_is_taken_bare_or_quoted),
        cmocka_unit_test(test_routes_say_what_a_repeat_does),
        cmocka_unit_test(test_routes_are_commands_of_their_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
