/* sim_test.c - the demo plant over real sockets: the engine and driver read it with the starter
 * pack's own channel, write to it, and see its communication fault. SPDX-License-Identifier:
 * Apache-2.0 */
#include <sh/test.h>

#include <stdio.h>
#include <time.h>

#include <sh/channels.h>
#include <sh/modbus.h>
#include <sh/sim.h>

enum { TAGS = 128 };

struct rig {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_sim *sim;
    struct sh_channels *e;
    unsigned good[TAGS];
    unsigned bad[TAGS];
    double value[TAGS];
    int result;
    uint32_t n_tags;
};

static sh_err on_samples(void *ctx, void *user, const struct sh_batch *b)
{
    struct rig *r = ctx;
    (void)user;
    for (uint32_t i = 0; i < b->len; i++) {
        const uint32_t tag = b->point[i];
        assert_true(tag < TAGS);
        if (sh_q_class(b->quality[i]) == SH_QC_GOOD) {
            r->good[tag]++;
        } else {
            r->bad[tag]++;
        }
        r->value[tag] = b->type[i] == SH_T_F64 ? b->value[i].f64 : (double)b->value[i].i64;
    }
    return SH_OK;
}

static void on_state(void *ctx, void *user, uint32_t device, enum sh_comm_state s, int64_t at,
                     const char *words)
{
    (void)ctx;
    (void)user;
    (void)device;
    (void)s;
    (void)at;
    (void)words;
}

static void on_written(void *ctx, enum sh_drv_result res, const char *words)
{
    struct rig *r = ctx;
    (void)words;
    r->result = (int)res;
}

static const struct sh_channel_sink_ops sink = {on_samples, on_state};
static const struct sh_driver *const drivers[] = {&sh_driver_modbus, NULL};

/* Turns the real loop until the condition holds, at most 10 s. */
static bool until(struct rig *r, bool (*done)(struct rig *r))
{
    const int64_t end = sh_mono_us(r->env.clock) + 10000000;
    while (!done(r) && sh_mono_us(r->env.clock) < end) {
        (void)sh_loop_turn(r->loop);
        struct timespec ts = {.tv_nsec = 500000};
        (void)nanosleep(&ts, NULL);
    }
    return done(r);
}

static bool all_good(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_tags; i++) {
        if (r->good[i] == 0) {
            return false;
        }
    }
    return r->n_tags > 0;
}

static bool written(struct rig *r)
{
    return r->result >= 0;
}

static bool all_bad(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_tags; i++) {
        if (r->bad[i] == 0) {
            return false;
        }
    }
    return true;
}

static uint32_t tag_of(const struct sh_channel_config *cfg, const char *device,
                       const char *property)
{
    for (uint32_t i = 0; i < cfg->n_tags; i++) {
        if (sh_str_eqc(cfg->tags[i].property, property) &&
            sh_str_eqc(cfg->devices[cfg->tags[i].device].id, device)) {
            return i;
        }
    }
    fail();
    return 0;
}

static void test_the_platform_reads_and_writes_the_plant(void **state)
{
    (void)state;
    struct rig r = {.env = sh_env_system(), .result = -1};
    struct sh_diag diag = {0};
    json_t *doc = NULL;
    char address[64];
    assert_ok(sh_loop_new(&r.env, NULL, &r.loop));
    const struct sh_sim_opts so = {
        .modbus_listen = SH_STR("127.0.0.1:0"), .seed = 1, .day_offset_s = 28800, .tick_ms = 50};
    assert_ok(sh_sim_new(r.loop, &so, &diag, &r.sim));
    const struct sh_channels_opts co = {
        .loop = r.loop, .drivers = drivers, .sink = &sink, .sink_ctx = &r};
    assert_ok(sh_channels_new(&co, &r.e));

    struct sh_arena *ar = sh_arena_new(r.env.alloc, 1 << 20);
    struct sh_channel_config cfg;
    struct sh_channel *c = NULL;
    assert_ok(sh_json_parse(sh_sim_demo("channels"), 1 << 20, &doc, &diag));
    assert_ok(sh_channel_config_parse(json_array_get(doc, 0), ar, &cfg, &diag));
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", sh_sim_modbus_port(r.sim));
    cfg.address = sh_str_c(address);
    r.n_tags = cfg.n_tags;
    assert_ok(sh_channels_put(r.e, &cfg, NULL, &diag, &c));
    assert_true(until(&r, all_good));
    const uint32_t flow = tag_of(&cfg, "pump-101", "flow");
    assert_true(r.value[flow] > 5.0 && r.value[flow] < 80.0);
    assert_true(r.value[tag_of(&cfg, "meter-main", "energy")] > 184213.0);

    const uint32_t set = tag_of(&cfg, "tank-101", "valve_setpoint");
    const struct sh_channel_write w = {
        .tag = set, .type = SH_T_I64, .value = {.i64 = 400}, .done = on_written, .ctx = &r};
    assert_int_equal(sh_channel_write(c, &w), SH_E_DENIED); /* read-only until enabled */
    assert_ok(sh_channel_set_writable(c, cfg.tags[set].device, true));
    assert_ok(sh_channel_write(c, &w));
    assert_true(until(&r, written));
    assert_int_equal(r.result, SH_DRV_DONE);
    r.good[set] = 0;
    assert_true(until(&r, all_good));
    assert_true(r.value[set] == 400.0);

    memset(r.bad, 0, sizeof r.bad);
    assert_true(sh_sim_set_fault(r.sim, SH_STR("comm_loss"), true));
    assert_false(sh_sim_set_fault(r.sim, SH_STR("meteor"), true));
    assert_true(until(&r, all_bad));
    assert_true(sh_sim_set_fault(r.sim, SH_STR("comm_loss"), false));
    memset(r.good, 0, sizeof r.good);
    /* The slow tags come with the new connection as well. */
    assert_true(until(&r, all_good));

    sh_channels_free(r.e);
    sh_sim_free(r.sim);
    sh_loop_settle(r.loop, 1000);
    sh_loop_free(r.loop);
    sh_arena_free(ar);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_platform_reads_and_writes_the_plant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
