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
