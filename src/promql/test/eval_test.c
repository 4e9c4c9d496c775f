/* What expressions mean. The same queries against the real Prometheus:
 * tests/wire/prometheus_test.py.
 */
#include <sh/test.h>

#include "fake_source.h"

struct rig {
    struct sh_test_env t;
    struct sh_arena *ar;
    struct fake_source fake;
    struct sh_promql_source source;
    struct sh_promql_run run;
    struct sh_buf out;
};

static void rig_init(struct rig *x)
{
    memset(x, 0, sizeof *x);
    sh_test_env_init(&x->t, NULL);
    x->ar = sh_arena_new(x->t.env.alloc, 1 << 20);
    x->fake = (struct fake_source){fake_plant, SH_COUNT(fake_plant)};
    x->source = fake_source_of(&x->fake);
    x->run = (struct sh_promql_run){
        .source = &x->source, .env = &x->t.env, .steps = 1, .max_samples = 1000};
    sh_buf_init(&x->out, x->t.env.alloc, 1 << 16);
}

static void rig_fini(struct rig *x)
{
    sh_arena_free(x->ar);
    sh_buf_fini(&x->out);
    sh_test_env_fini(&x->t);
}

/* "{a=1,b=x} 1 2 _; ..." */
static void print(struct rig *x, const struct sh_promql_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct sh_promql_labels *l = &a->series[i].labels;
        assert_ok(sh_buf_put_c(&x->out, i == 0 ? "{" : "; {"));
        for (size_t k = 0; k < l->n; k++) {
            assert_ok(sh_buf_printf(&x->out, "%s%.*s=%.*s", k == 0 ? "" : ",",
                                    SH_PRI(l->label[k].name), SH_PRI(l->label[k].value)));
        }
        assert_ok(sh_buf_put_c(&x->out, "}"));
        for (size_t k = 0; k < x->run.steps; k++) {
            char t[SH_F64_CHARS];
            const double v = a->series[i].value[k];
            const int n = sh_promql_absent(v) ? 0 : (int)sh_f64_print(v, t);
            assert_ok(sh_buf_printf(&x->out, " %.*s", n == 0 ? 1 : n, n == 0 ? "_" : t));
        }
    }
}

static void check(struct rig *x, const char *query, const char *want)
{
    const struct sh_promql_expr *e = NULL;
    struct sh_promql_error error = {.text = ""};
    struct sh_promql_answer a;
    sh_buf_clear(&x->out);
    assert_ok(sh_promql_parse(x->ar, sh_str_c(query), &e, &error));
    if (sh_promql_eval(x->ar, e, &x->run, &a, &error) == SH_OK) {
        print(x, &a);
    } else {
        assert_ok(sh_buf_printf(&x->out, "error: %s", error.text));
    }
    if (!sh_str_eqc(sh_buf_str(&x->out), want)) {
        fail_msg("%s\n got: %.*s\nwant: %s", query, SH_PRI(sh_buf_str(&x->out)), want);
    }
    sh_arena_reset(x->ar);
}

static void test_eval_at_one_time(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *want;
    } rows[] = {
        {"c", "{__name__=c,a=1} 25"},
        {"g", "{__name__=g,a=1,b=x} 4"}, /* the other one is gone */
        {"g offset 15s", "{__name__=g,a=1,b=x} 3; {__name__=g,a=2,b=x} 30"},
        {"g{a!='1'} offset 20s", "{__name__=g,a=2,b=x} 30"},
        {"sum(g offset 20s)", "{} 33"},
        {"sum by (a) (g offset 20s)", "{a=1} 3; {a=2} 30"},
        {"avg without (a) (g offset 20s)", "{b=x} 16.5"},
        {"min(g offset 20s) + max(g offset 20s)", "{} 33"},
        {"count(g offset 20s)", "{} 2"},
        {"stddev(g offset 20s)", "{} 13.5"},
        {"quantile(0.5, g offset 20s)", "{} 16.5"},
        {"topk(1, g offset 20s)", "{__name__=g,a=2,b=x} 30"},
        {"bottomk(1, g offset 20s)", "{__name__=g,a=1,b=x} 3"},
        {"topk(0, g)", ""},
        {"increase(c[60s])", "{a=1} 55"},
        {"rate(c[40s])", "{a=1} 0.875"}, /* from 20: 10 + 5 + 10 + 10 in 40 s */
        {"delta(c[60s])", "{a=1} 25"},
        {"irate(c[60s])", "{a=1} 1"},
        {"rate(c[5s])", ""},
        {"avg_over_time(g[60s])", "{a=1,b=x} 2.5; {a=2,b=x} 6.666666666666666"},
        {"min_over_time(g[60s])", "{a=1,b=x} 1; {a=2,b=x} -20"},
        {"max_over_time(g[60s])", "{a=1,b=x} 4; {a=2,b=x} 30"},
        {"sum_over_time(g[60s])", "{a=1,b=x} 10; {a=2,b=x} 20"},
        {"count_over_time(g[60s])", "{a=1,b=x} 4; {a=2,b=x} 3"},
        {"last_over_time(g[60s])", "{__name__=g,a=1,b=x} 4; {__name__=g,a=2,b=x} 30"},
        {"stddev_over_time(g{a='1'}[20s])", "{a=1,b=x} 0.5"},
        {"quantile_over_time(0.5, g{a='1'}[60s])", "{a=1,b=x} 2.5"},
        {"absent(nothing{job='j',x=~'y'})", "{job=j} 1"},
        {"absent(c)", ""},
        {"abs(-c)", "{a=1} 25"},
        {"ceil(c / 10) - floor(c / 10)", "{a=1} 1"},
        {"round(c, 10)", "{a=1} 30"},
        {"clamp_min(c, 30)", "{a=1} 30"},
        {"clamp_max(c, 3)", "{a=1} 3"},
        {"scalar(c) + 1", "{} 26"},
        {"scalar(nothing)", "{} NaN"},
        {"vector(time())", "{} 60"},
        {"-2 ^ 2 + 2 * 3 % 4", "{} -2"},
        {"2 ^ 3 ^ 0", "{} 2"},
        {"c > 20", "{__name__=c,a=1} 25"},
        {"c < 20", ""},
        {"20 > bool c", "{a=1} 0"},
        {"1 > bool 0", "{} 1"},
        {"c / on (a) g", "{a=1} 6.25"},
        {"c > ignoring (b) g", "{__name__=c,a=1} 25"},
        {"c + g", ""},
        {"g offset 20s + on (b) g offset 20s",
         "error: found duplicate series for the match group on one side of \"+\": many-to-many "
         "matching is not allowed, matching labels must be unique"},
        {"abs({__name__=~'c|g',a='1'})", "{a=1} 25; {a=1,b=x} 4"},
        {"sum without (b) (g offset 20s)", "{a=1} 3; {a=2} 30"},
        {"histogram_quantile(0.5, h)", "{} 1.25"},
        {"histogram_quantile(0.9, h)", "{} 2"},
    };
    struct rig x;
    rig_init(&x);
    x.run.start_us = 60000000;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        check(&x, rows[i].query, rows[i].want);
    }
    rig_fini(&x);
}

static void test_eval_over_steps(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *want;
    } rows[] = {
        {"g", "{__name__=g,a=1,b=x} 1 2 3 4 4; {__name__=g,a=2,b=x} 10 -20 30 _ _"},
        {"count(g)", "{} 2 2 2 1 1"},
        {"rate(c[20s])", "{a=1} _ 1 0.75 1 _"},
        {"g > 2", "{__name__=g,a=1,b=x} _ _ 3 4 4; {__name__=g,a=2,b=x} 10 _ 30 _ _"},
        {"topk(1, g)", "{__name__=g,a=1,b=x} _ 2 _ 4 4; {__name__=g,a=2,b=x} 10 _ 30 _ _"},
        {"absent(g{a='2'})", "{a=2} _ _ _ 1 1"},
        {"time() - 20", "{} -20 0 20 40 60"},
        {"scalar(g{a='2'})", "{} 10 -20 30 NaN NaN"},
    };
    struct rig x;
    rig_init(&x);
    x.run.steps = 5;
    x.run.step_us = 20000000;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        check(&x, rows[i].query, rows[i].want);
    }
    rig_fini(&x);
}

static void test_eval_limits_end_a_query(void **state)
{
    (void)state;
    struct rig x;
    rig_init(&x);
    x.run.start_us = 60000000;
    x.run.max_samples = 6;
    check(
        &x, "sum_over_time(c[60s])",
        "error: the query finds too many series or samples: name more labels, or a shorter range");
    x.run.max_samples = 7;
    check(&x, "sum_over_time(c[60s])", "{a=1} 105");
    x.run.steps = 100000;
    x.run.step_us = 1000;
    check(&x, "g + g + g",
          "error: the query needs too much memory: fewer series, a shorter range or a longer step");
    x.run.steps = 1;
    x.run.deadline_mono_us = -1;
    check(&x, "1", "error: query timed out in expression evaluation");
    rig_fini(&x);
}

static void test_range_holds_the_samples_as_they_are(void **state)
{
    (void)state;
    struct rig x;
    const struct sh_promql_expr *e = NULL;
    struct sh_promql_error error = {.text = ""};
    struct sh_promql_raw *raw = NULL;
    size_t n = 0;
    rig_init(&x);
    x.run.start_us = 60000000;
    assert_ok(sh_promql_parse(x.ar, SH_STR("g[20s] offset 10s"), &e, &error));
    assert_ok(sh_promql_range(x.ar, e, &x.run, &raw, &n, &error));
    assert_int_equal(n, 2);
    assert_int_equal(raw[0].n, 1); /* 40; 30 and 50 are the ends */
    assert_int_equal(raw[1].n, 1);
    assert_int_equal(raw[1].time_us[0], 40000000);
    assert_true(raw[1].value[0] == 30);
    rig_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval_at_one_time),
        cmocka_unit_test(test_eval_over_steps),
        cmocka_unit_test(test_eval_limits_end_a_query),
        cmocka_unit_test(test_range_holds_the_samples_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
