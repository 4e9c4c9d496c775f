#include <sh/test.h>

static const struct sh_config_key keys[] = {
    {"http.listen", SH_CONFIG_LISTEN, "127.0.0.1:8080", 0, 0, false, true, false, "", "", NULL},
    {"mqtt.anonymous", SH_CONFIG_BOOL, "false", 0, 0, true, true, false, "", "", NULL},
    {"net.loops", SH_CONFIG_INT, "1", 1, 64, false, false, false, "", "", NULL},
    {"journal.segment", SH_CONFIG_SIZE, "64MiB", 1 << 20, INT64_C(1) << 30, false, false, false, "",
     "", NULL},
    {"history.max_future", SH_CONFIG_DURATION, "1d", 0, 0, true, false, false, "", "", NULL},
    {"log.level", SH_CONFIG_CHOICE, "info", 0, 0, true, true, false, "", "", "warn,info,debug"},
    {NULL, SH_CONFIG_TEXT, NULL, 0, 0, false, false, false, NULL, NULL, NULL},
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

static void test_console_ranks_between_file_and_environment(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_config *c = NULL;
    struct sh_config *d = NULL;
    struct seen seen = {0};
    char loops[] = "SONGHUA_NET_LOOPS=3";
    char *env[] = {loops, NULL};
    assert_ok(sh_config_new(&t.env, keys, &c));
    assert_ok(sh_config_put(c, SH_STR("net.loops"), SH_STR("2"), SH_CONFIG_FROM_CONSOLE, "console",
                            collect, &seen));
    assert_ok(sh_config_put(c, SH_STR("log.level"), SH_STR("debug"), SH_CONFIG_FROM_CONSOLE,
                            "console", collect, &seen));
    assert_null(sh_config_unsafe(c));
    assert_ok(
        sh_config_text(c, SH_STR("[net]\nloops = 4\n[log]\nlevel = warn\n"), "f", collect, &seen));
    assert_int_equal(sh_config_int(c, "net.loops"), 2);
    assert_ok(sh_config_environ(c, env, collect, &seen));
    assert_int_equal(sh_config_int(c, "net.loops"), 3);
    assert_str(sh_config_get(c, "log.level"), "debug");
    assert_int_equal(sh_config_source(c, "log.level"), SH_CONFIG_FROM_CONSOLE);
    assert_int_equal(sh_config_put(c, SH_STR("log.level"), SH_STR("info,debug"), SH_CONFIG_FROM_SET,
                                   "console", collect, &seen),
                     SH_E_INVAL);
    assert_string_equal(seen.last.path, "console");
    assert_string_equal(sh_config_unsafe(c)->name, "log.level");
    assert_string_equal(seen.last.remedy, "write one of warn,info,debug");
    assert_ok(sh_config_dup(c, &d));
    assert_ok(sh_config_set(c, SH_STR("net.loops=9"), SH_CONFIG_FROM_SET, NULL, NULL));
    assert_int_equal(sh_config_int(d, "net.loops"), 3);
    assert_int_equal(sh_config_source(d, "net.loops"), SH_CONFIG_FROM_ENV);
    assert_ok(sh_config_take(d, c, sh_config_find(c, SH_STR("net.loops"), NULL)));
    assert_int_equal(sh_config_int(d, "net.loops"), 9);
    assert_int_equal(sh_config_source(d, "net.loops"), SH_CONFIG_FROM_SET);
    sh_config_free(c);
    sh_config_free(d);
    sh_test_env_fini(&t);
}

static void test_what_is_wrong_with_a_value(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_config *c = NULL;
    const char *near = NULL;
    assert_ok(sh_config_new(&t.env, keys, &c));
    const struct sh_config_key *loops = sh_config_find(c, SH_STR("net.loops"), &near);
    const struct sh_config_key *level = sh_config_find(c, SH_STR("log.level"), &near);
    assert_null(near);
    assert_null(sh_config_find(c, SH_STR("log.lvel"), &near));
    assert_string_equal(near, "log.level");
    assert_int_equal(sh_config_try(loops, SH_STR("64")), SH_CONFIG_GOOD);
    assert_int_equal(sh_config_try(loops, SH_STR("65")), SH_CONFIG_BAD_RANGE);
    assert_int_equal(sh_config_try(loops, SH_STR("many")), SH_CONFIG_BAD_TYPE);
    assert_int_equal(sh_config_try(loops, SH_STR("")), SH_CONFIG_BAD_TYPE);
    assert_int_equal(sh_config_try(level, SH_STR("warn")), SH_CONFIG_GOOD);
    assert_int_equal(sh_config_try(level, SH_STR("debug")), SH_CONFIG_GOOD);
    assert_int_equal(sh_config_try(level, SH_STR("")), SH_CONFIG_BAD_CHOICE);
    assert_int_equal(sh_config_try(level, SH_STR("inf")), SH_CONFIG_BAD_CHOICE);
    assert_int_equal(sh_config_try(level, SH_STR("warn,info")), SH_CONFIG_BAD_CHOICE);
    sh_config_free(c);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_rank_and_bad_lines_are_named),
        cmocka_unit_test(test_console_ranks_between_file_and_environment),
        cmocka_unit_test(test_what_is_wrong_with_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
