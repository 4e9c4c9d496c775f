/* info.c - counters, words, and the real network behind the engine's seam.
 * SPDX-License-Identifier: Apache-2.0 */
#include "channels_int.h"

#include <stdio.h>

enum { WINDOW_US = 10000000 };

const char *sh_channel_state_name(enum sh_channel_state s)
{
    static const char *const names[] = {[SH_CHANNEL_OFF] = "off",
                                        [SH_CHANNEL_WAITING] = "waiting",
                                        [SH_CHANNEL_DIALING] = "connecting",
                                        [SH_CHANNEL_AWAITING] = "awaiting",
                                        [SH_CHANNEL_OPEN] = "open"};
    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "unknown";
}

const char *sh_comm_state_name(enum sh_comm_state s)
{
    static const char *const names[] = {
        [SH_COMM_NEVER] = "never", [SH_COMM_ONLINE] = "online", [SH_COMM_OFFLINE] = "offline"};
    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "unknown";
}

void chan_count(struct sh_channel *c, const struct sh_drv_exchange *x)
{
    struct chan_device *d = &c->devs[x->device];
    struct sh_channel_device_info *i = &d->info;
    const int64_t now = chan_now(c->e);
    i->requests++;
    i->ok += x->result == SH_DRV_DONE;
    i->refused += x->result == SH_DRV_REFUSED;
    i->timeouts += x->result == SH_DRV_NO_ANSWER;
    i->garbled += x->result == SH_DRV_GARBLED;
    if (x->result == SH_DRV_DONE || x->result == SH_DRV_REFUSED) {
        i->rtt_last_us = x->rtt_us;
        i->rtt_avg_us =
            i->rtt_avg_us == 0 ? x->rtt_us : i->rtt_avg_us + (x->rtt_us - i->rtt_avg_us) / 8;
        i->rtt_max_us = x->rtt_us > i->rtt_max_us ? x->rtt_us : i->rtt_max_us;
    }
    if (x->result != SH_DRV_DONE) {
        i->last_error_us = chan_wall(c->e);
        (void)snprintf(i->last_error, sizeof i->last_error, "%s",
                       x->words != NULL ? x->words : sh_drv_result_name(x->result));
    }
    if (d->window_us == 0) {
        d->window_us = now;
    } else if (now - d->window_us >= WINDOW_US) {
        i->requests_per_s = (double)d->window_n * 1e6 / (double)(now - d->window_us);
        d->window_us = now;
        d->window_n = 0;
    }
    d->window_n++;
}

void sh_channel_info(const struct sh_channel *c, struct sh_channel_info *out)
{
    *out = c->info;
}

sh_err sh_channel_device_info(const struct sh_channel *c, uint32_t device,
                              struct sh_channel_device_info *out)
{
    if (device >= c->plan->cfg.n_devices) {
        return SH_E_NOTFOUND;
    }
    const struct chan_device *d = &c->devs[device];
    *out = d->info;
    const int64_t age = chan_now(c->e) - d->window_us;
    const bool fresh = d->info.requests_per_s == 0.0 || age > (int64_t)2 * WINDOW_US;
    if (d->window_us != 0 && fresh && age >= 1000000) { /* no whole window lately */
        out->requests_per_s = (double)d->window_n * 1e6 / (double)age;
    }
    return SH_OK;
}

static void put_time(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    if (us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, us);
    }
}

static void put_ms(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    sh_jw_f64(w, (double)us / 1000.0);
}

static void put_count(struct sh_jw *w, const char *key, uint64_t n)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, n);
}

static void put_words(struct sh_jw *w, const char *key, const char *words)
{
    sh_jw_key(w, key);
    if (words[0] == '\0') {
        sh_jw_null(w);
    } else {
        sh_jw_c(w, words);
    }
}

void sh_channel_write_device(const struct sh_channel *c, uint32_t device, struct sh_jw *w)
{
    struct sh_channel_device_info d;
    if (sh_channel_device_info(c, device, &d) != SH_OK) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "device");
    sh_jw_str(w, d.id);
    sh_jw_key(w, "kind");
    sh_jw_str(w, c->info.driver);
    sh_jw_key(w, "channel");
    sh_jw_str(w, c->plan->cfg.shown.n > 0 ? c->plan->cfg.shown : c->info.id);
    put_words(w, "state", sh_comm_state_name(d.state));
    put_time(w, "since", d.since_us);
    sh_jw_key(w, "write_enabled");
    sh_jw_bool(w, d.writable);
    put_ms(w, "rtt_ms", d.rtt_last_us);
    put_ms(w, "rtt_avg_ms", d.rtt_avg_us);
    put_ms(w, "rtt_max_ms", d.rtt_max_us);
    sh_jw_key(w, "requests_per_second");
    sh_jw_f64(w, (double)(int64_t)(d.requests_per_s * 100.0 + 0.5) / 100.0);
    put_count(w, "requests", d.requests);
    put_count(w, "ok", d.ok);
    put_count(w, "errors", d.refused + d.timeouts + d.garbled);
    put_count(w, "refused", d.refused);
    put_count(w, "timeouts", d.timeouts);
    put_count(w, "garbled", d.garbled);
    put_words(w, "last_error", d.last_error);
    put_time(w, "last_error_time", d.last_error_us);
    sh_jw_obj_end(w);
}

void sh_channel_write_state(const struct sh_channel *c, struct sh_jw *w)
{
    const struct sh_channel_info *i = &c->info;
    sh_jw_obj(w);
    put_words(w, "state", sh_channel_state_name(i->state));
    put_time(w, "since", i->since_us);
    put_time(w, "retry_at", i->retry_at_us);
    put_words(w, "words", i->words);
    sh_jw_key(w, "peer");
    if (i->state == SH_CHANNEL_OPEN) {
        char peer[SH_ADDR_CHARS];
        sh_jw_str(w, sh_str_of(peer, sh_addr_print(&i->peer, peer)));
    } else {
        sh_jw_null(w);
    }
    put_count(w, "tags", i->n_tags);
    put_count(w, "connects", i->connects);
    put_count(w, "dial_errors", i->dial_errors);
    put_count(w, "bytes_in", i->bytes_in);
    put_count(w, "bytes_out", i->bytes_out);
    put_count(w, "samples", i->samples);
    put_count(w, "dropped", i->dropped);
    put_count(w, "heartbeats", i->heartbeats);
    sh_jw_key(w, "devices");
    sh_jw_arr(w);
    for (uint32_t d = 0; d < i->n_devices; d++) {
        sh_channel_write_device(c, d, w);
    }
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
}

const struct sh_channel_unknown *sh_channels_unknown(const struct sh_channels *e, uint32_t index)
{
    return index < e->n_unknown ? &e->unknown[index] : NULL;
}

void sh_channels_forget_unknown(struct sh_channels *e)
{
    e->n_unknown = 0;
}

/* ---- the real network: ctx is the loop ---- */

static sh_err real_dial(void *ctx, const struct sh_connect_opts *o,
                        const struct sh_connect_handler *h, void *hctx, void **handle)
{
    struct sh_connect *c = NULL;
    SH_TRY(sh_connect_start(ctx, o, h, hctx, &c));
    *handle = c;
    return SH_OK;
}

static void real_cancel(void *ctx, void *handle)
{
    (void)ctx;
    sh_connect_cancel(handle);
}

static sh_err real_listen(void *ctx, const struct sh_listen_opts *o,
                          void (*on_accept)(void *actx, struct sh_stream *s), void *actx,
                          struct sh_diag *diag, void **listener)
{
    struct sh_listener *l = NULL;
    SH_TRY(sh_listen(ctx, o, on_accept, actx, diag, &l));
    *listener = l;
    return SH_OK;
}

static void real_unlisten(void *ctx, void *listener)
{
    (void)ctx;
    sh_listener_close(listener);
}

static const struct sh_channel_net_ops real_net = {
    .dial = real_dial, .cancel = real_cancel, .listen = real_listen, .unlisten = real_unlisten};

const struct sh_channel_net_ops *chan_net_real(void)
{
    return &real_net;
}
