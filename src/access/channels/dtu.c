/* dtu.c - connections, listeners, and DTUs that dial in: a connection is a guest until its first
 * bytes are the registration packet of a channel; then it is that channel's wire.
 *
 * Invariants:
 *  1. A wire is freed in its on_close and nowhere else; before that its e is NULL when given up.
 *  2. A guest has a running timer and is in e->guests; n_guests counts them, at most GUESTS_MAX.
 *  3. The registration that matches longest wins; a DTU that registers again replaces its old line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "channels_int.h"

#include <stdio.h>

static void guest_unlink(struct chan_wire *w)
{
    if (w->prev == NULL) {
        return;
    }
    *w->prev = w->next;
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    w->prev = NULL;
    w->next = NULL;
    w->e->n_guests--;
    sh_timer_stop(&w->timer);
}

void chan_wire_drop(struct chan_wire *w)
{
    guest_unlink(w);
    w->e = NULL;
    w->c = NULL;
    if (w->s != NULL) {
        sh_stream_close(w->s, SH_E_CANCELED);
    }
}

static void note_unknown(struct chan_wire *w)
{
    struct sh_channels *e = w->e;
    struct sh_channel_unknown u = {.peer = w->peer,
                                   .listen_port = w->ln->port,
                                   .first_us = chan_wall(e),
                                   .last_us = chan_wall(e),
                                   .times = 1,
                                   .n = w->n};
    memcpy(u.packet, w->packet, w->n);
    if (e->unknown == NULL) {
        e->unknown = sh_mem_array(e->env->alloc, SH_CHANNEL_UNKNOWN_MAX, sizeof *e->unknown);
        if (e->unknown == NULL) {
            return;
        }
    }
    uint32_t at = 0; /* the same packet again, else the oldest goes */
    while (at < e->n_unknown &&
           !(e->unknown[at].listen_port == u.listen_port && e->unknown[at].n == u.n &&
             memcmp(e->unknown[at].packet, u.packet, u.n) == 0)) {
        at++;
    }
    if (at < e->n_unknown) {
        u.first_us = e->unknown[at].first_us;
        u.times += e->unknown[at].times;
    } else if (e->n_unknown == SH_CHANNEL_UNKNOWN_MAX) {
        at = 0;
    } else {
        e->n_unknown++;
    }
    memmove(&e->unknown[at], &e->unknown[at + 1], (e->n_unknown - 1 - at) * sizeof *e->unknown);
    e->unknown[e->n_unknown - 1] = u;
}

static void guest_timer(void *ctx)
{
    struct chan_wire *w = ctx;
    note_unknown(w);
    chan_wire_drop(w);
}

/* Finds whom the bytes belong to. *more: a longer packet might still match. */
static struct sh_channel *match(const struct chan_listener *ln, struct sh_bytes in, bool *more)
{
    struct sh_channel *best = NULL;
    *more = false;
    for (struct sh_channel *c = ln->channels; c != NULL; c = c->ln_next) {
        const struct sh_bytes reg = c->plan->cfg.registration;
        if (in.n >= reg.n) {
            const bool same = reg.n == 0 || memcmp(in.p, reg.p, reg.n) == 0;
            if (same && (best == NULL || best->plan->cfg.registration.n < reg.n)) {
                best = c;
            }
        } else if (memcmp(in.p, reg.p, in.n) == 0) {
            *more = true;
        }
    }
    return best;
}

static void adopt(struct chan_wire *w, struct sh_channel *c)
{
    guest_unlink(w);
    w->ln = NULL;
    chan_opened(c, w);
}

static size_t guest_bytes(struct chan_wire *w, struct sh_bytes in)
{
    bool more = false;
    struct sh_channel *c = match(w->ln, in, &more);
    if (c != NULL) {
        const size_t used = c->plan->cfg.registration.n;
        adopt(w, c);
        if (used == in.n || w->c == NULL) {
            return in.n;
        }
        return used + chan_bytes(c, (struct sh_bytes){in.p + used, in.n - used});
    }
    const size_t n = in.n < SH_CHANNEL_REG_MAX ? in.n : SH_CHANNEL_REG_MAX;
    const bool first = w->n == 0;
    memcpy(w->packet, in.p, n);
    w->n = (uint8_t)n;
    if (in.n >= SH_CHANNEL_REG_MAX) {
        note_unknown(w);
        chan_wire_drop(w);
        return in.n;
    }
    if (first) {
        sh_timer_set(w->e->loop, &w->timer, (int64_t)CHAN_GUEST_WAIT_MS * 1000);
    }
    return 0; /* shown again together with what follows */
}

static size_t wire_bytes(void *ctx, struct sh_bytes in)
{
    struct chan_wire *w = ctx;
    if (w->e == NULL) {
        return in.n;
    }
    return w->c != NULL ? chan_bytes(w->c, in) : guest_bytes(w, in);
}

static const char *close_words(sh_err reason)
{
    switch ((int)reason) {
    case SH_OK:
    case SH_E_CLOSED:
        return "the device closed the connection";
    case SH_E_TIMEOUT:
        return "the connection timed out";
    case SH_E_LIMIT:
        return "the device sends more than can be understood";
    default:
        return "the connection was lost";
    }
}

static void wire_closed(void *ctx, sh_err reason)
{
    struct chan_wire *w = ctx;
    const struct sh_alloc *alloc = w->alloc;
    struct sh_channels *e = w->e;
    struct sh_channel *c = w->c;
    if (e != NULL && c == NULL) {
        if (w->n > 0) {
            note_unknown(w);
        }
        guest_unlink(w);
    }
    w->s = NULL; /* closed already, must not be touched */
    if (e != NULL && c != NULL) {
        chan_lost(c, close_words(reason));
    }
    sh_mem_free(alloc, w);
}

static const struct sh_stream_handler wire_handler = {.on_bytes = wire_bytes,
                                                      .on_close = wire_closed};

sh_err chan_wire_new(struct sh_channels *e, struct sh_stream *s, struct chan_wire **out)
{
    struct chan_wire *w = sh_mem_new(e->env->alloc, sizeof *w);
    if (w == NULL) {
        sh_stream_close(s, SH_E_NOMEM);
        return SH_E_NOMEM;
    }
    w->alloc = e->env->alloc;
    w->e = e;
    w->s = s;
    w->peer = sh_stream_peer(s);
    sh_timer_init(&w->timer, guest_timer, w);
    sh_stream_start(s, &wire_handler, w);
    *out = w;
    return SH_OK;
}

static void on_accept(void *ctx, struct sh_stream *s)
{
    struct chan_listener *ln = ctx;
    struct sh_channels *e = ln->e;
    struct chan_wire *w = NULL;
    if (e->n_guests >= SH_CHANNEL_GUESTS_MAX) {
        sh_stream_close(s, SH_E_LIMIT);
        return;
    }
    if (chan_wire_new(e, s, &w) != SH_OK) {
        return;
    }
    w->ln = ln;
    if (ln->channels != NULL && ln->channels->plan->cfg.registration.n == 0) {
        w->ln = NULL; /* the one channel of this port takes whoever comes */
        chan_opened(ln->channels, w);
        return;
    }
    w->next = e->guests;
    w->prev = &e->guests;
    if (w->next != NULL) {
        w->next->prev = &w->next;
    }
    e->guests = w;
    e->n_guests++;
    sh_timer_set(e->loop, &w->timer, (int64_t)CHAN_GUEST_SILENT_MS * 1000);
}

void chan_guests_drop(struct sh_channels *e, const struct chan_listener *ln)
{
    for (struct chan_wire *w = e->guests; w != NULL;) {
        struct chan_wire *next = w->next;
        if (ln == NULL || w->ln == ln) {
            chan_wire_drop(w);
        }
        w = next;
    }
}

static void listener_open(void *ctx)
{
    struct chan_listener *ln = ctx;
    struct sh_channels *e = ln->e;
    struct sh_diag diag = {0};
    const struct sh_listen_opts o = {
        .address = sh_str_c(ln->address),
        .stream = {.write_max = CHAN_OUT_MAX, .read_max = 4096, .keepalive_s = 30}};
    const sh_err err = e->o.net->listen(e->o.net_ctx, &o, on_accept, ln, &diag, &ln->h);
    if (err == SH_OK) {
        ln->words[0] = '\0';
        return;
    }
    ln->h = NULL;
    (void)snprintf(ln->words, sizeof ln->words, "cannot listen: %.100s",
                   diag.message[0] != '\0' ? diag.message : sh_err_name(err));
    for (struct sh_channel *c = ln->channels; c != NULL; c = c->ln_next) {
        chan_set_state(c, SH_CHANNEL_AWAITING, ln->words);
    }
    sh_timer_set(e->loop, &ln->timer, (int64_t)CHAN_LISTEN_RETRY_MS * 1000);
}

static uint16_t port_of(struct sh_str address)
{
    const size_t colon = sh_str_rfind(address, ':');
    uint64_t v = 0;
    if (colon == SIZE_MAX || sh_u64_parse(sh_str_sub(address, colon + 1, address.n), &v) != SH_OK ||
        v > 65535) {
        return 0;
    }
    return (uint16_t)v;
}

sh_err chan_listen(struct sh_channel *c)
{
    struct sh_channels *e = c->e;
    const struct sh_str address = c->plan->cfg.address;
    struct chan_listener *ln = e->listeners;
    while (ln != NULL && !sh_str_eqc(address, ln->address)) {
        ln = ln->next;
    }
    const bool fresh = ln == NULL;
    if (fresh) {
        if (address.n >= SH_ADDR_CHARS) {
            return SH_E_INVAL;
        }
        ln = sh_mem_new(e->env->alloc, sizeof *ln);
        if (ln == NULL) {
            return SH_E_NOMEM;
        }
        ln->e = e;
        memcpy(ln->address, address.p, address.n);
        ln->port = port_of(address);
        sh_timer_init(&ln->timer, listener_open, ln);
        ln->next = e->listeners;
        e->listeners = ln;
    }
    c->ln = ln;
    c->ln_next = ln->channels;
    ln->channels = c;
    if (fresh) {
        listener_open(ln);
    } else if (ln->h == NULL) {
        chan_set_state(c, SH_CHANNEL_AWAITING, ln->words);
    }
    return SH_OK;
}

void chan_unlisten(struct sh_channel *c)
{
    struct chan_listener *ln = c->ln;
    if (ln == NULL) {
        return;
    }
    struct sh_channel **at = &ln->channels;
    while (*at != c) {
        at = &(*at)->ln_next;
    }
    *at = c->ln_next;
    c->ln = NULL;
    c->ln_next = NULL;
    if (ln->channels != NULL) {
        return;
    }
    struct sh_channels *e = c->e;
    chan_guests_drop(e, ln);
    struct chan_listener **lat = &e->listeners;
    while (*lat != ln) {
        lat = &(*lat)->next;
    }
    *lat = ln->next;
    sh_timer_stop(&ln->timer);
    if (ln->h != NULL) {
        e->o.net->unlisten(e->o.net_ctx, ln->h);
    }
    sh_mem_free(e->env->alloc, ln);
}
