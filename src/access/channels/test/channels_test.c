/* channels_test.c - the engine on a fake network and a fake clock: dialling, back-off, loss, new
 * plans, DTUs that dial in, writes. SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#define DIAL(tags)                                                                                 \
    "{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"10.0.0.9:502\","                \
    "\"backoff_min_ms\":1000,\"backoff_max_ms\":8000},\"devices\":[{\"device\":\"a\",\"tags\":"    \
    "[" tags "]}]}"
#define TAG(name, address) "{\"property\":\"" name "\",\"address\":\"" address "\"}"
#define ONE DIAL(TAG("x", "h1"))
#define TWO DIAL(TAG("x", "h1") "," TAG("y", "h7"))
#define DTU(id, reg)                                                                               \
    "{\"id\":\"" id "\",\"driver\":\"modbus\",\"config\":{\"mode\":\"listen\",\"address\":"        \
    "\"0.0.0.0:5020\",\"registration\":{\"kind\":\"ascii\",\"value\":\"" reg "\"},"                \
    "\"heartbeat\":{\"kind\":\"hex\",\"value\":\"FE FE\"},\"options\":{\"framing\":\"rtu\"}},"     \
    "\"devices\":[{\"device\":\"" id "-1\",\"tags\":[" TAG("x", "h1") "]}]}"

static struct sh_channel_info info_of(const struct sh_channel *c)
{
    struct sh_channel_info i;
    sh_channel_info(c, &i);
    return i;
}

static struct sh_channel_device_info device_of(const struct sh_channel *c, uint32_t d)
{
    struct sh_channel_device_info i;
    assert_ok(sh_channel_device_info(c, d, &i));
    return i;
}

static void test_dial_read_and_count(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    assert_int_equal(device_of(c, 0).state, SH_COMM_NEVER);
    rig_run(&r, 10 * MS);
    assert_int_equal(r.dials, 1);
    assert_string_equal(r.dial_host, "10.0.0.9");
    assert_int_equal(r.dial_port, 502);
    assert_int_equal(info_of(c).state, SH_CHANNEL_DIALING);
    rig_connect(&r);
    assert_int_equal(info_of(c).state, SH_CHANNEL_OPEN);
    for (int i = 0; i < 30; i++) {
        sh_test_advance(&r.t, 2 * MS); /* the device takes 2 ms */
        assert_int_equal(rig_answer(&r, r.peer, false), 1);
        rig_run(&r, 998 * MS);
    }
    assert_int_equal(r.seen[0], 30);
    assert_int_equal(r.bad[0], 0);
    assert_true(r.value[0] == 1001);
    assert_true(r.time[0] > 1767225600000000); /* wall time of receipt */
    const struct sh_channel_device_info d = device_of(c, 0);
    assert_int_equal(d.state, SH_COMM_ONLINE);
    assert_int_equal(d.ok, 30);
    assert_int_equal(d.timeouts + d.refused + d.garbled, 0);
    assert_in_range(d.rtt_last_us, 1 * MS, 20 * MS);
    assert_in_range(d.rtt_avg_us, 1 * MS, 20 * MS);
    assert_true(d.requests_per_s > 0.9 && d.requests_per_s < 1.1);
    assert_int_equal(r.ups[0], 1);
    assert_int_equal(r.downs[0], 0);
    rig_fini(&r);
}

static void test_refused_connections_back_off_and_tell_bad_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, TWO);
    int64_t last = 0;
    int64_t waits[6];
    for (int i = 0; i < 6; i++) {
        while (r.dial_ctx == NULL) {
            rig_run(&r, 10 * MS);
        }
        waits[i] = r.t.mono_us - last;
        rig_refuse(&r);
        last = r.t.mono_us;
        assert_int_equal(info_of(c).state, SH_CHANNEL_WAITING);
        assert_string_equal(info_of(c).words, "connection refused");
        assert_true(info_of(c).retry_at_us > r.t.wall_us);
    }
    static const int64_t nominal[] = {0, 1, 2, 4, 8, 8}; /* doubles up to the maximum */
    for (int i = 1; i < 6; i++) {
        assert_in_range(waits[i], nominal[i] * SEC * 3 / 4 - 20 * MS,
                        nominal[i] * SEC * 5 / 4 + 20 * MS);
    }
    assert_int_equal(r.seen[0], 1); /* told once, not at each try */
    assert_int_equal(r.quality[0], SH_Q_BAD_NOT_CONNECTED);
    assert_int_equal(r.seen[1], 1);
    assert_int_equal(info_of(c).dial_errors, 6);
    assert_int_equal(device_of(c, 0).state, SH_COMM_NEVER);
    assert_int_equal(r.downs[0], 0);
    while (r.dial_ctx == NULL) {
        rig_run(&r, 10 * MS);
    }
    rig_connect(&r);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    assert_int_equal(r.quality[0], SH_Q_GOOD);
    sh_fakepeer_reset(r.peer); /* lost: back-off starts anew */
    rig_run(&r, 10 * MS);
    assert_int_equal(r.quality[0], SH_Q_BAD_NOT_CONNECTED);
    assert_int_equal(r.bad[0], 2);
    assert_int_equal(r.downs[0], 1);
    assert_in_range(info_of(c).retry_at_us - r.t.wall_us, 700 * MS, 1300 * MS);
    rig_fini(&r);
}

static void test_half_frames_over_the_wire(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    static const uint8_t reply[] = {0, 1, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34};
    for (size_t i = 0; i < sizeof reply; i++) {
        assert_int_equal(r.seen[0], 0);
        sh_fakepeer_send(r.peer, sh_bytes_of(reply + i, 1));
        rig_run(&r, 10 * MS);
    }
    assert_true(r.value[0] == 0x1234);
    rig_fini(&r);
}

static void test_a_silent_device_goes_offline_and_comes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(
        &r, "{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"10.0.0.9:502\","
            "\"options\":{\"reconnect_after\":0,\"retry_ms\":2000}},\"devices\":[{\"device\":"
            "\"a\",\"tags\":[" TAG("x", "h1") "]}]}");
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    rig_run(&r, 10 * SEC); /* nothing is answered */
    assert_int_equal(info_of(c).state, SH_CHANNEL_OPEN);
    assert_int_equal(r.downs[0], 1);
    assert_int_equal(r.bad[0], 1);
    assert_int_equal(r.quality[0], SH_Q_BAD_COMM);
    const struct sh_channel_device_info d = device_of(c, 0);
    assert_int_equal(d.state, SH_COMM_OFFLINE);
    assert_true(d.timeouts >= 3 && d.last_error[0] != '\0' && d.last_error_us > 0);
    sh_fakepeer_drop(r.peer, sh_fakepeer_in(r.peer).n);
    rig_run(&r, 2500 * MS);
    assert_true(rig_answer(&r, r.peer, false) >= 1);
    assert_int_equal(r.quality[0], SH_Q_GOOD);
    assert_int_equal(r.ups[0], 2);
    rig_fini(&r);
}

static void test_no_answer_at_all_reconnects(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    rig_run(&r, 3500 * MS);
    assert_true(sh_fakepeer_closed(r.peer));
    assert_non_null(strstr(info_of(c).words, "no answer"));
    rig_run(&r, 2 * SEC);
    assert_int_equal(r.dials, 2);
    rig_fini(&r);
}

static void test_nonsense_reconnects_with_words(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    sh_fakepeer_send_c(r.peer, "220 mail.example ESMTP\r\n");
    rig_run(&r, 10 * MS);
    assert_int_equal(info_of(c).state, SH_CHANNEL_WAITING);
    assert_non_null(strstr(info_of(c).words, "not this protocol"));
    rig_fini(&r);
}

static void test_new_tags_keep_the_connection_a_new_address_does_not(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    assert_ptr_equal(rig_put(&r, TWO), c);
    assert_int_equal(info_of(c).state, SH_CHANNEL_OPEN);
    rig_run(&r, 10 * MS);
    assert_int_equal(rig_answer(&r, r.peer, false), 1); /* one group holds both */
    assert_int_equal(r.seen[1], 1);
    assert_true(r.value[1] == 1007);
    assert_int_equal(r.dials, 1);
    assert_int_equal(device_of(c, 0).ok, 2); /* the device's counters go on */
    assert_int_equal(info_of(c).n_tags, 2);
    struct sh_diag diag = {0};
    assert_int_equal(rig_try(&r, DIAL(TAG("x", "4x1:float")), &diag, NULL), SH_E_INVAL);
    assert_non_null(strstr(diag.message, "column 5"));
    assert_int_equal(info_of(c).n_tags, 2); /* nothing was changed */
    rig_run(&r, 1000 * MS);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    rig_put(&r, "{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"10.0.0.10:503\"},"
                "\"devices\":[{\"device\":\"a\",\"tags\":[" TAG("x", "h1") "]}]}");
    rig_run(&r, 10 * MS);
    assert_true(sh_fakepeer_closed(r.peer));
    assert_int_equal(r.dials, 2);
    assert_string_equal(r.dial_host, "10.0.0.10");
    assert_ok(sh_channels_remove(r.e, SH_STR("c"))); /* while dialling */
    assert_int_equal(r.cancels, 1);
    assert_null(sh_channels_find(r.e, SH_STR("c")));
    rig_fini(&r);
}

static void test_disabled_channel_does_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c =
        rig_put(&r, "{\"id\":\"c\",\"driver\":\"modbus\",\"enabled\":false,\"config\":{\"address\":"
                    "\"10.0.0.9:502\"},\"devices\":[]}");
    rig_run(&r, 5 * SEC);
    assert_int_equal(r.dials, 0);
    assert_int_equal(info_of(c).state, SH_CHANNEL_OFF);
    rig_fini(&r);
}

static void on_written(void *ctx, enum sh_drv_result res, const char *words)
{
    struct rig *r = ctx;
    assert_non_null(words);
    r->write_result = (int)res;
    r->writes++;
}

static void test_writing_is_denied_until_enabled(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    const struct sh_channel_write w = {
        .type = SH_T_I64, .value = {.i64 = 7}, .done = on_written, .ctx = &r};
    rig_run(&r, 10 * MS);
    assert_int_equal(sh_channel_write(c, &w), SH_E_DENIED);
    assert_ok(sh_channel_set_writable(c, 0, true));
    assert_true(device_of(c, 0).writable);
    assert_int_equal(sh_channel_write(c, &w), SH_E_STATE); /* not connected */
    rig_connect(&r);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    assert_ok(sh_channel_write(c, &w));
    assert_int_equal(r.writes, 0);
    sh_loop_settle(r.loop, 100);
    assert_int_equal(sh_fakepeer_in(r.peer).p[7], 6); /* function 6 is on the wire */
    assert_int_equal(r.writes, 0);
    assert_true(rig_answer(&r, r.peer, false) >= 1);
    rig_run(&r, 10 * MS);
    assert_int_equal(r.writes, 1);
    assert_int_equal(r.write_result, SH_DRV_DONE);
    assert_ok(sh_channel_write(c, &w));
    sh_fakepeer_reset(r.peer); /* lost under way */
    rig_run(&r, 10 * MS);
    assert_int_equal(r.writes, 2);
    assert_int_equal(r.write_result, SH_DRV_LOST);
    assert_ok(sh_channel_set_writable(c, 0, false));
    assert_int_equal(sh_channel_write(c, &w), SH_E_DENIED);
    assert_int_equal(sh_channel_set_writable(c, 5, true), SH_E_NOTFOUND);
    rig_fini(&r);
}

static void test_removal_answers_a_write_under_way(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    assert_ok(sh_channel_set_writable(c, 0, true));
    assert_ok(sh_channel_write(
        c, &(struct sh_channel_write){.type = SH_T_I64, .done = on_written, .ctx = &r}));
    assert_ok(sh_channels_remove(r.e, SH_STR("c")));
    rig_run(&r, 10 * MS);
    assert_int_equal(r.writes, 1);
    assert_true(r.write_result != SH_DRV_DONE);
    rig_fini(&r);
}

static void test_dtu_registers_beats_and_comes_back_from_a_new_address(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *a = rig_put(&r, DTU("a", "DTU001"));
    struct sh_channel *b = rig_put(&r, DTU("b", "DTU002"));
    assert_int_equal(r.listens, 1); /* one port for both */
    assert_int_equal(info_of(a).state, SH_CHANNEL_AWAITING);
    struct sh_fakepeer *p = rig_dtu(&r, "10.1.1.1:4000");
    sh_fakepeer_send_c(p, "DTU");
    rig_run(&r, 100 * MS);
    assert_int_equal(info_of(a).state, SH_CHANNEL_AWAITING);
    sh_fakepeer_send_c(p, "002");
    rig_run(&r, 10 * MS);
    assert_int_equal(info_of(a).state, SH_CHANNEL_AWAITING);
    assert_int_equal(info_of(b).state, SH_CHANNEL_OPEN);
    sh_fakepeer_send(p, sh_bytes_of("\xfe\xfe", 2)); /* before the answer */
    assert_int_equal(rig_answer(&r, p, true), 1);
    assert_true(r.value[0] == 1001);
    sh_fakepeer_send(p, sh_bytes_of("\xfe", 1)); /* halved */
    rig_run(&r, 10 * MS);
    sh_fakepeer_send(p, sh_bytes_of("\xfe", 1));
    rig_run(&r, 980 * MS);
    assert_int_equal(info_of(b).heartbeats, 2);
    assert_int_equal(rig_answer(&r, p, true), 1);

    /* The modem changes its address; the old line never says a word. */
    struct sh_fakepeer *q = rig_dtu(&r, "10.2.2.2:4001");
    sh_fakepeer_send_c(q, "DTU002");
    rig_run(&r, 10 * MS);
    assert_true(sh_fakepeer_closed(p));
    assert_int_equal(info_of(b).state, SH_CHANNEL_OPEN);
    assert_int_equal(info_of(b).connects, 2);
    assert_int_equal(info_of(b).peer.port, 4001);
    assert_int_equal(r.bad[0], 0); /* no gap was made of it */
    assert_int_equal(rig_answer(&r, q, true), 1);

    sh_fakepeer_reset(q);
    rig_run(&r, 10 * MS);
    assert_int_equal(info_of(b).state, SH_CHANNEL_AWAITING);
    assert_int_equal(r.quality[0], SH_Q_BAD_NOT_CONNECTED);
    sh_fakepeer_free(p);
    sh_fakepeer_free(q);
    assert_ok(sh_channels_remove(r.e, SH_STR("a")));
    assert_int_equal(r.unlistens, 0);
    assert_ok(sh_channels_remove(r.e, SH_STR("b")));
    assert_int_equal(r.unlistens, 1);
    rig_fini(&r);
}

static void test_registration_and_first_bytes_in_one_piece(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *a = rig_put(&r, DTU("a", "DTU001"));
    struct sh_fakepeer *p = rig_dtu(&r, "10.1.1.1:4000");
    sh_fakepeer_send_c(p, "DTU001\xfe\xfe");
    rig_run(&r, 10 * MS);
    assert_int_equal(info_of(a).state, SH_CHANNEL_OPEN);
    assert_int_equal(info_of(a).heartbeats, 1);
    assert_int_equal(rig_answer(&r, p, true), 1);
    assert_int_equal(r.bad[0], 0);
    sh_fakepeer_free(p);
    rig_fini(&r);
}

static void test_unknown_dtus_are_listed_for_acceptance(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_put(&r, DTU("a", "DTU001"));
    for (int i = 0; i < 2; i++) {
        struct sh_fakepeer *p = rig_dtu(&r, "10.1.1.7:4000");
        sh_fakepeer_send_c(p, "868120000000017");
        rig_run(&r, 500 * MS);
        assert_false(sh_fakepeer_closed(p));
        rig_run(&r, 600 * MS);
        assert_true(sh_fakepeer_closed(p));
        sh_fakepeer_free(p);
        sh_loop_settle(r.loop, 100);
    }
    const struct sh_channel_unknown *u = sh_channels_unknown(r.e, 0);
    assert_non_null(u);
    assert_int_equal(u->n, 15);
    assert_memory_equal(u->packet, "868120000000017", 15);
    assert_int_equal(u->times, 2);
    assert_int_equal(u->listen_port, 5020);
    assert_true(u->last_us > u->first_us);
    assert_null(sh_channels_unknown(r.e, 1));
    struct sh_fakepeer *mute = rig_dtu(&r, "10.1.1.8:4000");
    rig_run(&r, 31 * (int64_t)SEC);
    assert_true(sh_fakepeer_closed(mute));
    assert_int_equal(sh_channels_unknown(r.e, 1)->n, 0);
    sh_fakepeer_free(mute);
    for (int i = 0; i < SH_CHANNEL_UNKNOWN_MAX + 10; i++) { /* bounded: the oldest go */
        char reg[8] = {'u', 'n', 'k', (char)('0' + i / 10), (char)('0' + i % 10), 0};
        struct sh_fakepeer *p = rig_dtu(&r, "10.1.1.9:4000");
        sh_fakepeer_send_c(p, reg);
        rig_run(&r, 1100 * MS);
        sh_fakepeer_free(p);
        sh_loop_settle(r.loop, 100);
    }
    assert_non_null(sh_channels_unknown(r.e, SH_CHANNEL_UNKNOWN_MAX - 1));
    assert_null(sh_channels_unknown(r.e, SH_CHANNEL_UNKNOWN_MAX));
    sh_channels_forget_unknown(r.e);
    assert_null(sh_channels_unknown(r.e, 0));
    rig_fini(&r);
}

static void test_same_registration_twice_is_refused_and_ports_are_retried(void **state)
{
    (void)state;
    struct rig r;
    struct sh_diag diag = {0};
    rig_init(&r);
    r.listen_fails = 2;
    struct sh_channel *a = rig_put(&r, DTU("a", "DTU001"));
    assert_non_null(strstr(info_of(a).words, "in use"));
    assert_int_equal(rig_try(&r, DTU("b", "DTU001"), &diag, NULL), SH_E_EXISTS);
    assert_true(diag.remedy[0] != '\0');
    rig_run(&r, 25 * (int64_t)SEC);
    assert_int_equal(r.listens, 1);
    assert_int_equal(r.quality[0], SH_Q_BAD_NOT_CONNECTED); /* it has not come */
    rig_fini(&r);
}

static void test_a_full_sink_is_counted(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    r.sink_full = true;
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    assert_int_equal(info_of(c).dropped, 1);
    assert_int_equal(info_of(c).samples, 0);
    rig_fini(&r);
}

static void test_a_change_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct rig r;
    json_t *doc = NULL;
    struct sh_channel_config cfg;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    struct sh_arena *ar = sh_arena_new(r.t.env.alloc, 1 << 20);
    assert_ok(sh_json_parse(sh_str_c(TWO), 1 << 20, &doc, NULL));
    assert_ok(sh_channel_config_parse(doc, ar, &cfg, NULL));
    sh_err err = SH_E_NOMEM;
    int failed = 0;
    for (long n = 0; err != SH_OK && n < 1000; n++) {
        r.t.fail_after = n;
        err = sh_channels_put(r.e, &cfg, &r, NULL, NULL);
        r.t.fail_after = -1;
        if (err != SH_OK) {
            assert_int_equal(err, SH_E_NOMEM);
            assert_int_equal(info_of(c).n_tags, 1);
            assert_int_equal(info_of(c).state, SH_CHANNEL_OPEN);
            failed++;
        } else if (info_of(c).state != SH_CHANNEL_OPEN) {
            /* The new plan was taken, then the driver had no memory for it: it reconnects. */
            assert_int_equal(info_of(c).n_tags, 2);
            while (r.dial_ctx == NULL) {
                rig_run(&r, 10 * MS);
            }
            rig_connect(&r);
            assert_int_equal(rig_answer(&r, r.peer, false), 1); /* with the new tags */
            assert_true(r.value[0] == 1001 && r.value[1] == 1007);
            break;
        }
    }
    assert_true(failed > 5);
    sh_arena_free(ar);
    json_decref(doc);
    rig_fini(&r);
}

static void test_state_as_json(void **state)
{
    (void)state;
    struct rig r;
    struct sh_buf out;
    struct sh_jw w;
    json_t *doc = NULL;
    rig_init(&r);
    struct sh_channel *c = rig_put(&r, ONE);
    rig_run(&r, 10 * MS);
    rig_connect(&r);
    assert_int_equal(rig_answer(&r, r.peer, false), 1);
    sh_buf_init(&out, r.t.env.alloc, 65536);
    sh_jw_init(&w, &out);
    sh_channel_write_state(c, &w);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&out), 65536, &doc, NULL));
    assert_str(sh_json_get_str(doc, "state"), "open");
    assert_str(sh_json_get_str(doc, "peer"), "10.0.0.9:502");
    const json_t *d = json_array_get(json_object_get(doc, "devices"), 0);
    assert_str(sh_json_get_str(d, "device"), "a");
    assert_str(sh_json_get_str(d, "kind"), "modbus");
    assert_str(sh_json_get_str(d, "state"), "online");
    assert_int_equal(sh_json_get_i64(d, "ok", -1), 1);
    assert_int_equal(sh_json_get_i64(d, "errors", -1), 0);
    assert_true(json_is_null(json_object_get(d, "last_error")));
    assert_false(sh_json_get_bool(d, "write_enabled", true));
    json_decref(doc);
    sh_buf_fini(&out);
    rig_fini(&r);
}

static void test_bad_configurations_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *path;
        sh_err err;
    } rows[] = {
        {"{\"driver\":\"modbus\"}", "id", SH_E_INVAL},
        {"{\"id\":\"c\"}", "driver", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\"}", "config", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x\"}}", "config/address",
         SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x:1\",\"mode\":\"call\"}}",
         "config/mode", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x:1\",\"registration\":"
         "{\"kind\":\"imei\",\"value\":\"12\"}}}",
         "registration", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x:1\",\"heartbeat\":"
         "{\"kind\":\"hex\",\"value\":\"7\"}}}",
         "heartbeat", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x:1\",\"backoff_min_ms\":1}"
         "}",
         "backoff_min_ms", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"modbus\",\"config\":{\"address\":\"x:1\",\"options\":"
         "{\"framing\":\"ascii\"}}}",
         "framing", SH_E_INVAL},
        {"{\"id\":\"c\",\"driver\":\"opcua\",\"config\":{\"address\":\"x:1\"}}", "", SH_E_NOTFOUND},
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_diag diag = {0};
        assert_int_equal(rig_try(&r, rows[i].json, &diag, NULL), rows[i].err);
        assert_string_equal(diag.path, rows[i].path);
        assert_true(diag.message[0] != '\0' && diag.remedy[0] != '\0');
    }
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dial_read_and_count),
        cmocka_unit_test(test_refused_connections_back_off_and_tell_bad_once),
        cmocka_unit_test(test_half_frames_over_the_wire),
        cmocka_unit_test(test_a_silent_device_goes_offline_and_comes_back),
        cmocka_unit_test(test_no_answer_at_all_reconnects),
        cmocka_unit_test(test_nonsense_reconnects_with_words),
        cmocka_unit_test(test_new_tags_keep_the_connection_a_new_address_does_not),
        cmocka_unit_test(test_disabled_channel_does_nothing),
        cmocka_unit_test(test_writing_is_denied_until_enabled),
        cmocka_unit_test(test_removal_answers_a_write_under_way),
        cmocka_unit_test(test_dtu_registers_beats_and_comes_back_from_a_new_address),
        cmocka_unit_test(test_registration_and_first_bytes_in_one_piece),
        cmocka_unit_test(test_unknown_dtus_are_listed_for_acceptance),
        cmocka_unit_test(test_same_registration_twice_is_refused_and_ports_are_retried),
        cmocka_unit_test(test_a_full_sink_is_counted),
        cmocka_unit_test(test_a_change_without_memory_changes_nothing),
        cmocka_unit_test(test_state_as_json),
        cmocka_unit_test(test_bad_configurations_name_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
