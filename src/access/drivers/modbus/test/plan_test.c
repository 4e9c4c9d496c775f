/* plan_test.c - grouping: random plans are covered exactly, within the limits of each device.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <stdio.h>

#include "../mb_plan.h"

enum { MAX_TAGS = 200, MAX_DEVS = 3 };

static uint32_t rnd(uint64_t *s)
{
    *s = *s * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*s >> 33);
}

static void check_group(const struct mb_plan *p, uint32_t gi, unsigned *seen)
{
    const struct mb_group *g = &p->groups[gi];
    const struct mb_dev *d = &p->devs[g->device];
    const bool bits = g->area == MB_COIL || g->area == MB_DISCRETE;
    assert_true(g->n > 0 && g->count > 0);
    assert_true(g->count <= (bits ? d->max_bits : d->max_regs));
    assert_int_equal(p->polls[gi].device, g->device);
    uint32_t end = g->at;
    for (uint32_t i = g->first; i < g->first + g->n; i++) {
        const struct mb_point *pt = &p->points[i];
        assert_int_equal(pt->device, g->device);
        assert_int_equal(pt->addr.area, g->area);
        assert_int_equal(pt->period_ms, p->polls[gi].period_ms);
        assert_int_equal(pt->group, gi);
        assert_true(pt->addr.at >= g->at);
        assert_true((uint32_t)pt->addr.at + pt->addr.count <= (uint32_t)g->at + g->count);
        assert_true(pt->addr.at <= end + (bits ? d->gap_bits : d->gap_regs));
        if ((uint32_t)pt->addr.at + pt->addr.count > end) {
            end = (uint32_t)pt->addr.at + pt->addr.count;
        }
        seen[pt->tag]++;
        assert_int_equal(p->point_of_tag[pt->tag], i);
    }
    assert_int_equal(g->at, p->points[g->first].addr.at); /* begins with a point */
    assert_int_equal(end, (uint32_t)g->at + g->count);    /* and ends with one */
}

static void test_random_addresses_are_covered_exactly_once(void **state)
{
    (void)state;
    static const struct {
        char area;
        const char *rest;
    } forms[] = {{'h', ""},        {'h', ":float32"},  {'h', ":int64"},  {'i', ""},
                 {'i', ":uint32"}, {'c', ""},          {'d', ""},        {'h', ".5"},
                 {'h', ":bcd32"},  {'h', ":string20"}, {'i', ":string9"}};
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    uint64_t seed = 1;
    for (int round = 0; round < 300; round++) {
        char text[MAX_TAGS][32];
        struct sh_drv_tag tags[MAX_TAGS];
        struct sh_drv_device devs[MAX_DEVS];
        json_t *cfg[MAX_DEVS];
        const uint32_t n_devs = 1 + rnd(&seed) % MAX_DEVS;
        const uint32_t n_tags = rnd(&seed) % MAX_TAGS;
        const uint32_t span = 1 + rnd(&seed) % 3000;
        for (uint32_t i = 0; i < n_devs; i++) {
            cfg[i] =
                json_pack("{s:i,s:i,s:i,s:i,s:i}", "unit", (int)i, "max_registers",
                          (int)(10 + rnd(&seed) % 116), "max_coils", (int)(1 + rnd(&seed) % 2000),
                          "gap", (int)(rnd(&seed) % 20), "gap_coils", (int)(rnd(&seed) % 100));
            devs[i] = (struct sh_drv_device){.config = cfg[i], .period_ms = 1000};
        }
        for (uint32_t i = 0; i < n_tags; i++) {
            const uint32_t f = rnd(&seed) % SH_COUNT(forms);
            (void)snprintf(text[i], sizeof text[i], "%c%u%s", forms[f].area, rnd(&seed) % span,
                           forms[f].rest);
            tags[i] = (struct sh_drv_tag){.address = sh_str_c(text[i]),
                                          .device = rnd(&seed) % n_devs,
                                          .period_ms = rnd(&seed) % 3 * 500};
        }
        const struct sh_drv_plan in = {devs, tags, n_devs, n_tags};
        struct mb_plan p;
        unsigned seen[MAX_TAGS] = {0};
        assert_ok(mb_plan_init(&p, t.env.alloc, &in, NULL));
        for (uint32_t g = 0; g < p.n_groups; g++) {
            check_group(&p, g, seen);
        }
        for (uint32_t i = 0; i < n_tags; i++) {
            assert_int_equal(seen[i], 1);
        }
        mb_plan_fini(&p);
        for (uint32_t i = 0; i < n_devs; i++) {
            json_decref(cfg[i]);
        }
    }
    sh_test_env_fini(&t);
}

static void test_neighbours_share_a_request_up_to_the_gap(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    json_t *cfg = json_pack("{s:i}", "gap", 4);
    const struct sh_drv_device dev = {.config = cfg, .period_ms = 1000};
    const struct sh_drv_tag tags[] = {
        {.address = SH_STR("h0:float32")},
        {.address = SH_STR("h6")},                   /* 4 unused between: joined */
        {.address = SH_STR("h12")},                  /* 5 unused: a new group */
        {.address = SH_STR("i0")},                   /* another area */
        {.address = SH_STR("h1"), .period_ms = 100}, /* another period */
    };
    struct mb_plan p;
    assert_ok(mb_plan_init(&p, t.env.alloc, &(struct sh_drv_plan){&dev, tags, 1, 5}, NULL));
    assert_int_equal(p.n_groups, 4);
    unsigned whole = 0;
    for (uint32_t i = 0; i < p.n_groups; i++) {
        whole += p.groups[i].at == 0 && p.groups[i].count == 7 && p.groups[i].n == 2;
    }
    assert_int_equal(whole, 1);
    mb_plan_fini(&p);
    json_decref(cfg);
    sh_test_env_fini(&t);
}

static void test_bad_configuration_says_where_and_what_to_do(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_diag diag = {0};
    struct mb_plan p;
    const struct sh_drv_device dev = {.period_ms = 1000};
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h0")}, {.address = SH_STR("4x1:float")}};
    assert_int_equal(mb_plan_init(&p, t.env.alloc, &(struct sh_drv_plan){&dev, tags, 1, 2}, &diag),
                     SH_E_INVAL);
    assert_string_equal(diag.path, "tags/1/address");
    assert_non_null(strstr(diag.message, "column 5"));
    assert_true(diag.remedy[0] != '\0');

    json_t *small = json_pack("{s:i}", "max_registers", 1);
    const struct sh_drv_device one = {.config = small};
    const struct sh_drv_tag wide = {.address = SH_STR("h0:float64")};
    assert_int_equal(mb_plan_init(&p, t.env.alloc, &(struct sh_drv_plan){&one, &wide, 1, 1}, &diag),
                     SH_E_INVAL);
    json_decref(small);

    static const char *const bad[] = {"{\"unit\":256}", "{\"unit\":\"1\"}", "{\"gap\":-1}",
                                      "{\"word_order\":\"abdc\"}", "{\"max_registers\":126}"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        json_t *o = NULL;
        struct mb_dev d;
        assert_ok(sh_json_parse(sh_str_c(bad[i]), 1000, &o, NULL));
        diag = (struct sh_diag){0};
        assert_int_equal(mb_dev_parse(o, &d, &diag), SH_E_INVAL);
        assert_true(diag.path[0] != '\0' && diag.message[0] != '\0' && diag.remedy[0] != '\0');
        json_decref(o);
    }
    sh_test_env_fini(&t);
}

static sh_err oom_body(struct sh_test_env *t)
{
    const struct sh_drv_device dev = {.period_ms = 1000};
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h0")}, {.address = SH_STR("h900")}};
    struct mb_plan p;
    SH_TRY(mb_plan_init(&p, t->env.alloc, &(struct sh_drv_plan){&dev, tags, 1, 2}, NULL));
    mb_plan_fini(&p);
    return SH_OK;
}

static void test_plan_without_memory_holds_nothing(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_addresses_are_covered_exactly_once),
        cmocka_unit_test(test_neighbours_share_a_request_up_to_the_gap),
        cmocka_unit_test(test_bad_configuration_says_where_and_what_to_do),
        cmocka_unit_test(test_plan_without_memory_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
