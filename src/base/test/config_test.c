#include <sh/test.h>

static const struct sh_config_key keys[] = {
    {"http.listen", SH_CONFIG_LISTEN, "127.0.0.1:8080", 0, 0, false, true, ""},
    {"mqtt.anonymous", SH_CONFIG_BOOL, "false", 0, 0, true, true, ""},
    {"net.loops", SH_CONFIG_INT, "1", 1, 64, false, false, ""},
    {"journal.segment", SH_CONFIG_SIZE, "64MiB", 1 << 20, INT64_C(1) << 30, false, false, ""},
    {"history.max_future", SH_CONFIG_DURATION, "1d", 0, 0, true, false, ""},
    {NULL, SH_CONFIG_TEXT, NULL, 0, 0, false, false, NULL},
};

struct seen {
    int n;
    struct sh_diag last;
};

static void collect(void *ctx, const struct sh_diag *d)
{
    struct seen *s = ctx;
    s->n++;
    s->last = *d;
}

static void test_sources_rank_and_bad_lines_are_named(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_config *c = NULL;
    struct seen seen = {0};
    assert_ok(sh_config_new(&t.env, keys, &c));
    assert_str(sh_config_get(c, "http.listen"), "127.0.0.1:8080");
    const struct sh_str text =
        SH_STR("# comment\n[http]\nlisten = 0.0.0.0:80 # all\n\n[net]\nloops = 65\nlops = 2\n"
               "[journal]\r\nsegment = 8MiB\r\nnonsense\n");
    assert_int_equal(sh_config_text(c, text, "songhua.conf", collect, &seen), SH_E_INVAL);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.last.line, 10);
    assert_string_equal(seen.last.path, "songhua.conf");
    assert_str(sh_config_get(c, "http.listen"), "0.0.0.0:80");
    assert_int_equal(sh_config_int(c, "net.loops"), 1);
    assert_int_equal(sh_config_int(c, "journal.segment"), 8 << 20);
    char listen[] = "SONGHUA_HTTP_LISTEN=127.0.0.1:1";
    char path[] = "PATH=x";
    char future[] = "SONGHUA_HISTORY_MAX_FUTURE=1h";
    char *env[] = {listen, path, future, NULL};
    assert_ok(sh_config_environ(c, env, collect, &seen));
    assert_ok(sh_config_set(c, SH_STR("http.listen="), SH_CONFIG_FROM_SET, collect, &seen));
    assert_str(sh_config_get(c, "http.listen"), "");
    assert_ok(sh_config_text(c, SH_STR("[http]\nlisten=1.2.3.4:5\n"), "f", collect, &seen));
    assert_str(sh_config_get(c, "http.listen"), ""); /* the file ranks lower */
    assert_true(sh_config_int(c, "history.max_future") == INT64_C(3600000000));
    assert_int_equal(sh_config_source(c, "history.max_future"), SH_CONFIG_FROM_ENV);
    assert_int_equal(
        sh_config_set(c, SH_STR("mqtt.anonymus=true"), SH_CONFIG_FROM_SET, collect, &seen),
        SH_E_INVAL);
    assert_string_equal(seen.last.remedy, "did you mean 'mqtt.anonymous'?");
    assert_int_equal(
        sh_config_set(c, SH_STR("mqtt.anonymous=yes"), SH_CONFIG_FROM_SET, collect, &seen),
        SH_E_INVAL);
    assert_false(sh_config_bool(c, "mqtt.anonymous"));
    assert_int_equal(
        sh_config_set(c, SH_STR("http.listen=127.0.0.1:99999"), SH_CONFIG_FROM_SET, collect, &seen),
        SH_E_INVAL);
    sh_config_free(c);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sources_rank_and_bad_lines_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
