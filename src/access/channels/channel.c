/* channel.c - the life of one channel.
 *
 *              enabled, DIAL                     on_open
 *   OFF ------------------> WAITING --timer--> DIALING --------> OPEN
 *    |                         ^                  | on_fail        | lost, driver asks, step fails
 *    |                         +------------------+----------------+
 *    | enabled, LISTEN                registration (dtu.c)
 *    +-----------------> AWAITING ------------------------------> OPEN --lost--> AWAITING
 *
 * Invariants:
 *  1. wire != NULL exactly in OPEN, dial != NULL exactly in DIALING.
 *  2. The driver sees OPENED and CLOSED in turn; CLOSED follows every OPENED.
 *  3. A tag gets one bad sample when its device is lost (NOT_CONNECTED: no connection, BAD_COMM: no
 *     answer), and none again until the device has answered.
 *  4. Back-off doubles from min to max, with a quarter of jitter, and starts anew once a device has
 *     answered on a connection. A connection that never answers does not reset it.
 *  5. chan_step is not re-entered: the sink does not call back, and chan_lost is called after a
 * step. SPDX-License-Identifier: Apache-2.0 */
#include "channels_int.h"

#include <stdio.h>

/* What the callbacks of one step know. */
struct step_ctx {
    struct sh_channel *c;
    struct sh_drv_out *out;
};

static sh_err step_flush(void *ctx)
{
    struct step_ctx *s = ctx;
    struct sh_channel *c = s->c;
    struct sh_channels *e = c->e;
    const uint32_t n = e->rows.view.len;
    if (n == 0) {
        return SH_OK;
    }
    if (e->o.sink->samples(e->o.sink_ctx, c->info.user, &e->rows.view) == SH_OK) {
        c->info.samples += n;
    } else {
        c->info.dropped += n;
    }
    sh_batch_builder_clear(&e->rows);
    return SH_OK;
}

static void step_write_result(void *ctx, uint64_t id, enum sh_drv_result r, const char *words)
{
    const struct step_ctx *s = ctx;
    chan_write_result(s->c->e, id, r, words);
}

/* One bad sample for each tag whose device is marked in `which` (NULL: all not told yet). */
static void bad_rows(struct sh_channel *c, uint32_t device, uint8_t quality, struct sh_drv_out *out)
{
    const struct chan_plan *p = c->plan;
    for (uint32_t i = 0; i < p->drv.n_tags; i++) {
        const uint32_t d = p->drv.tags[i].device;
        if (c->devs[d].told || (device != UINT32_MAX && d != device)) {
            continue;
        }
        const enum sh_type type = (enum sh_type)p->types[i];
        sh_err err = SH_OK;
        if (type == SH_T_TEXT || type == SH_T_BLOB) {
            err = sh_drv_out_text(out, i, 0, type, (struct sh_bytes){NULL, 0}, quality);
        } else {
            err = sh_drv_out_sample(out, i, 0, type, (union sh_cell){0}, quality);
        }
        if (err != SH_OK) {
            c->info.dropped++;
        }
    }
}

static void set_comm(struct sh_channel *c, uint32_t device, enum sh_comm_state s, const char *words)
{
    struct sh_channel_device_info *d = &c->devs[device].info;
    if (d->state != s) {
        d->state = s;
        d->since_us = chan_wall(c->e);
        c->e->o.sink->device_state(c->e->o.sink_ctx, c->info.user, device, s, d->since_us, words);
    }
}

static void step_exchange(void *ctx, const struct sh_drv_exchange *x)
{
    struct step_ctx *s = ctx;
    struct sh_channel *c = s->c;
    if (x->device >= c->plan->drv.n_devices) {
        return;
    }
    struct chan_device *d = &c->devs[x->device];
    chan_count(c, x);
    if (x->result == SH_DRV_DONE || x->result == SH_DRV_REFUSED) {
        d->silent = 0;
        d->told = false;
        c->backoff_ms = 0;
        set_comm(c, x->device, SH_COMM_ONLINE, "");
        return;
    }
    d->silent++;
    if (d->silent >= CHAN_SILENT_AFTER && !d->told) {
        bad_rows(c, x->device, SH_Q_BAD_COMM, s->out);
        d->told = true;
        if (d->info.state == SH_COMM_ONLINE) {
            set_comm(c, x->device, SH_COMM_OFFLINE, x->words == NULL ? "no answer" : x->words);
        }
    }
}

static const struct sh_drv_out_ops step_ops = {step_flush, step_write_result, step_exchange};

static struct sh_drv_out out_of(struct sh_channel *c, struct step_ctx *ctx)
{
    struct sh_channels *e = c->e;
    sh_buf_clear(&e->bytes);
    sh_batch_builder_clear(&e->rows);
    return (struct sh_drv_out){.bytes = &e->bytes,
                               .samples = &e->rows,
                               .ops = &step_ops,
                               .ctx = ctx,
                               .receipt_us = chan_wall(e),
                               .timer_us = INT64_MAX};
}

void chan_tell_bad(struct sh_channel *c, uint8_t quality, const char *words)
{
    struct step_ctx ctx = {.c = c};
    struct sh_drv_out out = out_of(c, &ctx);
    ctx.out = &out;
    bad_rows(c, UINT32_MAX, quality, &out);
    (void)step_flush(&ctx);
    for (uint32_t i = 0; i < c->plan->drv.n_devices; i++) {
        c->devs[i].told = true;
        if (c->devs[i].info.state == SH_COMM_ONLINE) {
            set_comm(c, i, SH_COMM_OFFLINE, words);
        }
    }
}

/* Runs the driver, hands its samples on and sends its bytes. An error: the connection must go. */
static sh_err run_driver(struct sh_channel *c, const struct sh_drv_in *in, struct sh_drv_out *out)
{
    struct sh_channels *e = c->e;
    const sh_err err = c->driver->step(c->inst, chan_now(e), in, out);
    (void)out->ops->flush(out->ctx);
    if (c->wire != NULL && e->bytes.n > 0) {
        SH_TRY(sh_stream_write(c->wire->s, sh_buf_bytes(&e->bytes)));
        c->info.bytes_out += e->bytes.n;
    }
    return err;
}

sh_err chan_step(struct sh_channel *c, const struct sh_drv_in *in)
{
    struct step_ctx ctx = {.c = c};
    struct sh_drv_out out = out_of(c, &ctx);
    ctx.out = &out;
    const sh_err err = run_driver(c, in, &out);
    if (c->info.state != SH_CHANNEL_OPEN) {
        return err;
    }
    if (out.timer_us == INT64_MAX) {
        sh_timer_stop(&c->timer);
    } else {
        sh_timer_set(c->e->loop, &c->timer, out.timer_us - chan_now(c->e));
    }
    if (out.reconnect) {
        char words[SH_DRV_WORDS];
        memcpy(words, out.reason, sizeof words);
        chan_lost(c, words);
    } else if (err == SH_E_PROTO) {
        chan_lost(c, "what the device sent is not this protocol");
    } else if (err == SH_E_LIMIT) {
        chan_lost(c, "the device does not take what is sent to it");
    } else if (err != SH_OK) {
        chan_lost(c, sh_err_name(err));
    }
    return err;
}

void chan_set_state(struct sh_channel *c, enum sh_channel_state s, const char *words)
{
    if (c->info.state != s) {
        c->info.state = s;
        c->info.since_us = chan_wall(c->e);
    }
    c->info.retry_at_us = 0;
    (void)snprintf(c->info.words, sizeof c->info.words, "%s", words);
}

/* Plans the next try after a failure. */
static void wait_and_retry(struct sh_channel *c, const char *words)
{
    const struct sh_channel_config *cfg = &c->plan->cfg;
    uint32_t ms = c->backoff_ms == 0 ? cfg->backoff_min_ms : c->backoff_ms;
    const uint64_t twice = (uint64_t)ms * 2;
    c->backoff_ms = (uint32_t)(twice > cfg->backoff_max_ms ? cfg->backoff_max_ms : twice);
    ms = ms - ms / 4 + chan_random(c->e, ms / 2 + 1);
    chan_set_state(c, SH_CHANNEL_WAITING, words);
    c->info.retry_at_us = chan_wall(c->e) + (int64_t)ms * 1000;
    sh_timer_set(c->e->loop, &c->timer, (int64_t)ms * 1000);
}

static void on_open(void *ctx, struct sh_stream *s)
{
    struct sh_channel *c = ctx;
    struct chan_wire *w = NULL;
    c->dial = NULL;
    if (chan_wire_new(c->e, s, &w) != SH_OK) { /* the stream is closed */
        wait_and_retry(c, "no memory");
        return;
    }
    chan_opened(c, w);
}

static void on_fail(void *ctx, sh_err err, const char *why)
{
    struct sh_channel *c = ctx;
    c->dial = NULL;
    c->info.dial_errors++;
    wait_and_retry(c, why != NULL && why[0] != '\0' ? why : sh_err_name(err));
    chan_tell_bad(c, SH_Q_BAD_NOT_CONNECTED, c->info.words);
}

static const struct sh_connect_handler dial_handler = {.on_open = on_open, .on_fail = on_fail};

/* "host:port" or "[v6]:port". */
static bool split_address(struct sh_str a, struct sh_str *host, uint16_t *port)
{
    const size_t colon = sh_str_rfind(a, ':');
    uint64_t v = 0;
    if (colon == SIZE_MAX || colon == 0 ||
        sh_u64_parse(sh_str_sub(a, colon + 1, a.n), &v) != SH_OK || v == 0 || v > 65535) {
        return false;
    }
    *host = sh_str_sub(a, 0, colon);
    if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']') {
        *host = sh_str_sub(*host, 1, host->n - 1);
    }
    *port = (uint16_t)v;
    return true;
}

static void dial(struct sh_channel *c)
{
    const struct sh_channel_config *cfg = &c->plan->cfg;
    struct sh_connect_opts o = {.timeout_us = (int64_t)cfg->connect_timeout_ms * 1000,
                                .stream = {.write_max = CHAN_OUT_MAX, .keepalive_s = 30}};
    if (!split_address(cfg->address, &o.host, &o.port)) {
        wait_and_retry(c, "the address is not host:port");
        return;
    }
    chan_set_state(c, SH_CHANNEL_DIALING, c->info.words);
    const sh_err err = c->e->o.net->dial(c->e->o.net_ctx, &o, &dial_handler, c, &c->dial);
    if (err != SH_OK) {
        on_fail(c, err, NULL);
    }
}

void chan_timer(void *ctx)
{
    struct sh_channel *c = ctx;
    switch (c->info.state) {
    case SH_CHANNEL_WAITING:
        dial(c);
        break;
    case SH_CHANNEL_AWAITING:
        chan_tell_bad(c, SH_Q_BAD_NOT_CONNECTED, c->info.words);
        break;
    case SH_CHANNEL_OPEN:
        (void)chan_step(c, &(struct sh_drv_in){.event = SH_DRV_TIMER});
        break;
    case SH_CHANNEL_OFF:
    case SH_CHANNEL_DIALING:
        break;
    }
}

static void await(struct sh_channel *c, const char *words)
{
    chan_set_state(c, SH_CHANNEL_AWAITING, words);
    sh_timer_set(c->e->loop, &c->timer, (int64_t)CHAN_AWAIT_MS * 1000);
}

void chan_start(struct sh_channel *c)
{
    c->backoff_ms = 0;
    if (!c->plan->cfg.enabled) {
        chan_set_state(c, SH_CHANNEL_OFF, "");
        return;
    }
    if (c->plan->cfg.mode == SH_CHANNEL_LISTEN) {
        await(c, "waiting for the DTU to connect and register");
        const sh_err err = chan_listen(c);
        if (err != SH_OK) {
            chan_set_state(c, SH_CHANNEL_AWAITING, sh_err_name(err));
        }
        return;
    }
    /* A plant full of channels is not dialled in one instant. */
    const size_t n = c->e->by_id.n;
    const uint32_t spread_ms = (uint32_t)(n > 5000 ? 5000 : n);
    chan_set_state(c, SH_CHANNEL_WAITING, "");
    sh_timer_set(c->e->loop, &c->timer, (int64_t)chan_random(c->e, spread_ms + 1) * 1000);
}

static void drop_wire(struct sh_channel *c)
{
    struct chan_wire *w = c->wire;
    if (w == NULL) {
        return;
    }
    c->wire = NULL;
    chan_set_state(c, SH_CHANNEL_WAITING, c->info.words);
    sh_timer_stop(&c->timer);
    chan_wire_drop(w);
    (void)chan_step(c, &(struct sh_drv_in){.event = SH_DRV_CLOSED});
}

void chan_stop(struct sh_channel *c)
{
    drop_wire(c);
    sh_timer_stop(&c->timer);
    if (c->dial != NULL) {
        c->e->o.net->cancel(c->e->o.net_ctx, c->dial);
        c->dial = NULL;
    }
    chan_unlisten(c);
    chan_set_state(c, SH_CHANNEL_OFF, "");
}

void chan_opened(struct sh_channel *c, struct chan_wire *w)
{
    drop_wire(c); /* a DTU that registers again has a new line; the old one is dead */
    sh_timer_stop(&c->timer);
    w->c = c;
    c->wire = w;
    c->info.peer = w->peer;
    c->info.connects++;
    for (uint32_t i = 0; i < c->plan->drv.n_devices; i++) {
        c->devs[i].silent = 0;
    }
    chan_set_state(c, SH_CHANNEL_OPEN, "");
    (void)chan_step(c, &(struct sh_drv_in){.event = SH_DRV_OPENED});
}

void chan_lost(struct sh_channel *c, const char *words)
{
    char why[SH_CHANNEL_WORDS];
    (void)snprintf(why, sizeof why, "%s", words);
    drop_wire(c);
    if (c->plan->cfg.mode == SH_CHANNEL_LISTEN) {
        await(c, why);
        sh_timer_stop(&c->timer);
    } else {
        wait_and_retry(c, why);
    }
    chan_tell_bad(c, SH_Q_BAD_NOT_CONNECTED, why);
}

static bool begins(struct sh_bytes in, struct sh_bytes with)
{
    return with.n > 0 && in.n >= with.n && memcmp(in.p, with.p, with.n) == 0;
}

static bool ends(struct sh_bytes in, struct sh_bytes with)
{
    return with.n > 0 && in.n > with.n && memcmp(in.p + in.n - with.n, with.p, with.n) == 0;
}

size_t chan_bytes(struct sh_channel *c, struct sh_bytes in)
{
    const struct sh_bytes hb = c->plan->cfg.heartbeat;
    const struct sh_bytes reg = c->plan->cfg.registration;
    size_t used = 0;
    for (;;) {
        const struct sh_bytes rest = {in.p + used, in.n - used};
        const size_t n = begins(rest, hb) ? hb.n : begins(rest, reg) ? reg.n : 0;
        if (n == 0) {
            break;
        }
        used += n;
        c->info.heartbeats++;
        c->info.bytes_in += n;
    }
    struct sh_bytes rest = {in.p + used, in.n - used};
    if (rest.n == 0) {
        return in.n;
    }
    if (rest.n < hb.n && memcmp(rest.p, hb.p, rest.n) == 0) {
        return used; /* perhaps the first half of a heart-beat */
    }
    if (ends(rest, hb)) {
        rest.n -= hb.n;
        c->info.heartbeats++;
        c->info.bytes_in += hb.n;
    }
    c->info.bytes_in += rest.n;
    (void)chan_step(c, &(struct sh_drv_in){.event = SH_DRV_BYTES, .bytes = rest});
    return in.n;
}
