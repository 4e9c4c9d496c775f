/* rig.c - see rig.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <stdio.h>

static sh_err fake_dial(void *ctx, const struct sh_connect_opts *o,
                        const struct sh_connect_handler *h, void *hctx, void **handle)
{
    struct rig *r = ctx;
    r->dials++;
    r->dial_h = h;
    r->dial_ctx = hctx;
    r->dial_port = o->port;
    (void)snprintf(r->dial_host, sizeof r->dial_host, "%.*s", SH_PRI(o->host));
    *handle = r;
    return SH_OK;
}

static void fake_cancel(void *ctx, void *handle)
{
    struct rig *r = ctx;
    (void)handle;
    r->cancels++;
    r->dial_ctx = NULL;
}

static sh_err fake_listen(void *ctx, const struct sh_listen_opts *o,
                          void (*on_accept)(void *actx, struct sh_stream *s), void *actx,
                          struct sh_diag *diag, void **listener)
{
    struct rig *r = ctx;
    (void)o;
    if (r->listen_fails > 0) {
        r->listen_fails--;
        sh_diag_set(diag, "port 5020 is in use");
        return SH_E_EXISTS;
    }
    r->listens++;
    r->on_accept = on_accept;
    r->accept_ctx = actx;
    *listener = r;
    return SH_OK;
}

static void fake_unlisten(void *ctx, void *listener)
{
    struct rig *r = ctx;
    (void)listener;
    r->unlistens++;
    r->on_accept = NULL;
}

static const struct sh_channel_net_ops fake_net = {fake_dial, fake_cancel, fake_listen,
                                                   fake_unlisten};

static sh_err sink_samples(void *ctx, void *user, const struct sh_batch *b)
{
    struct rig *r = ctx;
    assert_ptr_equal(user, r);
    if (r->sink_full) {
        return SH_E_LIMIT;
    }
    for (uint32_t i = 0; i < b->len; i++) {
        const uint32_t tag = b->point[i];
        assert_true(tag < RIG_TAGS);
        r->seen[tag]++;
        r->bad[tag] += sh_q_class(b->quality[i]) == SH_QC_BAD;
        r->quality[tag] = b->quality[i];
        r->time[tag] = b->time_us[i];
        r->value[tag] = b->type[i] == SH_T_F64 ? b->value[i].f64 : (double)b->value[i].i64;
    }
    return SH_OK;
}

static void sink_state(void *ctx, void *user, uint32_t device, enum sh_comm_state s,
                       int64_t wall_us, const char *words)
{
    struct rig *r = ctx;
    (void)user;
    assert_true(device < RIG_DEVS && wall_us > 0);
    r->ups[device] += s == SH_COMM_ONLINE;
    r->downs[device] += s == SH_COMM_OFFLINE;
    assert_true((s == SH_COMM_ONLINE) == (words[0] == '\0'));
}

static const struct sh_channel_sink_ops sink = {sink_samples, sink_state};
static const struct sh_driver *const drivers[] = {&sh_driver_modbus, NULL};

void rig_init(struct rig *r)
{
    *r = (struct rig){.write_result = -1};
    sh_test_env_init(&r->t, NULL);
    assert_ok(sh_loop_new(&r->t.env, NULL, &r->loop));
    const struct sh_channels_opts o = {.loop = r->loop,
                                       .drivers = drivers,
                                       .sink = &sink,
                                       .sink_ctx = r,
                                       .net = &fake_net,
                                       .net_ctx = r};
    assert_ok(sh_channels_new(&o, &r->e));
}

void rig_fini(struct rig *r)
{
    sh_channels_free(r->e);
    if (r->peer != NULL) {
        sh_fakepeer_free(r->peer);
    }
    sh_loop_settle(r->loop, 1000);
    sh_loop_free(r->loop);
    sh_test_env_fini(&r->t);
}

void rig_run(struct rig *r, int64_t us)
{
    sh_loop_settle(r->loop, 1000);
    while (us > 0) {
        const int64_t step = us < (int64_t)10 * MS ? us : (int64_t)10 * MS;
        sh_test_advance(&r->t, step);
        (void)sh_loop_turn(r->loop);
        sh_loop_settle(r->loop, 1000);
        us -= step;
    }
}

static struct sh_fakepeer *new_peer(struct rig *r, const char *address, struct sh_stream **s)
{
    struct sh_fake_opts o = {0};
    assert_ok(sh_addr_parse(sh_str_c(address), &o.peer));
    struct sh_fakepeer *p = sh_fakepeer_new(r->loop, &o, s);
    assert_non_null(p);
    return p;
}

void rig_connect(struct rig *r)
{
    struct sh_stream *s = NULL;
    assert_non_null(r->dial_ctx);
    if (r->peer != NULL) {
        sh_fakepeer_free(r->peer);
    }
    r->peer = new_peer(r, "10.0.0.9:502", &s);
    void *ctx = r->dial_ctx;
    r->dial_ctx = NULL;
    r->dial_h->on_open(ctx, s);
    sh_loop_settle(r->loop, 1000);
}

void rig_refuse(struct rig *r)
{
    assert_non_null(r->dial_ctx);
    void *ctx = r->dial_ctx;
    r->dial_ctx = NULL;
    r->dial_h->on_fail(ctx, SH_E_IO, "connection refused");
    sh_loop_settle(r->loop, 1000);
}

struct sh_fakepeer *rig_dtu(struct rig *r, const char *address)
{
    struct sh_stream *s = NULL;
    struct sh_fakepeer *p = new_peer(r, address, &s);
    assert_non_null(r->on_accept);
    r->on_accept(r->accept_ctx, s);
    sh_loop_settle(r->loop, 1000);
    return p;
}

static uint16_t crc(const uint8_t *p, size_t n)
{
    uint16_t c = 0xffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int b = 0; b < 8; b++) {
            c = (uint16_t)((c & 1) != 0 ? (c >> 1) ^ 0xa001 : c >> 1);
        }
    }
    return c;
}

/* Register a of unit u holds u * 1000 + a; writes are echoed. */
unsigned rig_answer(struct rig *r, struct sh_fakepeer *p, bool rtu)
{
    unsigned n = 0;
    for (;;) {
        const struct sh_bytes in = sh_fakepeer_in(p);
        const size_t head = rtu ? 1 : 7;
        if (in.n < head + 5) {
            break;
        }
        const uint8_t *pdu = in.p + head;
        const uint8_t unit = in.p[head - 1];
        uint8_t re[300] = {0};
        size_t len = 5;
        memcpy(re, in.p, head);
        memcpy(re + head, pdu, 5);
        if (pdu[0] <= 4) {
            const uint16_t at = sh_be16(pdu + 1);
            const uint16_t count = sh_be16(pdu + 3);
            re[head + 1] = (uint8_t)(count * 2);
            for (uint16_t i = 0; i < count; i++) {
                sh_put_be16(re + head + 2 + (size_t)i * 2, (uint16_t)(unit * 1000 + at + i));
            }
            len = 2 + (size_t)count * 2;
        }
        if (rtu) {
            sh_put_le16(re + 1 + len, crc(re, 1 + len));
            sh_fakepeer_send(p, sh_bytes_of(re, len + 3));
        } else {
            sh_put_be16(re + 4, (uint16_t)(len + 1));
            sh_fakepeer_send(p, sh_bytes_of(re, len + 7));
        }
        sh_fakepeer_drop(p, head + 5 + (rtu ? 2U : 0U));
        n++;
        sh_loop_settle(r->loop, 1000);
    }
    return n;
}

sh_err rig_try(struct rig *r, const char *json, struct sh_diag *diag, struct sh_channel **out)
{
    json_t *doc = NULL;
    struct sh_arena *ar = sh_arena_new(r->t.env.alloc, 1 << 20);
    struct sh_channel_config cfg;
    assert_ok(sh_json_parse(sh_str_c(json), 1 << 20, &doc, NULL));
    sh_err err = sh_channel_config_parse(doc, ar, &cfg, diag);
    if (err == SH_OK) {
        err = sh_channels_put(r->e, &cfg, r, diag, out);
    }
    json_decref(doc);
    sh_arena_free(ar);
    return err;
}

struct sh_channel *rig_put(struct rig *r, const char *json)
{
    struct sh_channel *c = NULL;
    struct sh_diag diag = {0};
    const sh_err err = rig_try(r, json, &diag, &c);
    if (err != SH_OK) {
        print_message("%s: %s\n", diag.path, diag.message);
    }
    assert_ok(err);
    return c;
}
