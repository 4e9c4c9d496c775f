/* channels.c - the engine: its table of channels, changes of configuration, and writes.
 *
 * Invariants:
 *  1. A change is made whole or not at all: the new plan is copied and tried on a fresh driver
 * instance before anything of the old one is touched.
 *  2. A pending write is in `pending` until the driver names its id, then in `done` until done_job
 * has called back; n_pending counts both. SPDX-License-Identifier: Apache-2.0 */
#include "channels_int.h"

#include <stdio.h>

enum { MAX_CHANNELS = 10000, MAX_WRITES = 1024 };

static void run_done(void *ctx)
{
    struct sh_channels *e = ctx;
    struct chan_pending *list = e->done;
    e->done = NULL;
    while (list != NULL) {
        struct chan_pending *p = list;
        list = p->next;
        e->n_pending--;
        p->done(p->ctx, p->result, p->words);
        sh_mem_free(e->env->alloc, p);
    }
}

sh_err sh_channels_new(const struct sh_channels_opts *o, struct sh_channels **out)
{
    const struct sh_env *env = sh_loop_env(o->loop);
    struct sh_channels *e = sh_mem_new(env->alloc, sizeof *e);
    if (e == NULL) {
        return SH_E_NOMEM;
    }
    e->o = *o;
    e->env = env;
    e->loop = o->loop;
    e->o.max_channels = o->max_channels == 0 ? MAX_CHANNELS : o->max_channels;
    e->o.max_writes = o->max_writes == 0 ? MAX_WRITES : o->max_writes;
    e->o.net = o->net == NULL ? chan_net_real() : o->net;
    e->o.net_ctx = o->net == NULL ? e->loop : o->net_ctx;
    e->done_job = (struct sh_job){.fn = run_done, .ctx = e};
    if (env->random->fill(env->random->ctx, &e->rng, sizeof e->rng) != SH_OK || e->rng == 0) {
        e->rng = (uint64_t)sh_mono_us(env->clock) | 1;
    }
    sh_map_init(&e->by_id, env->alloc, e->o.max_channels, e->rng);
    sh_buf_init(&e->bytes, env->alloc, CHAN_OUT_MAX);
    sh_batch_builder_init(&e->rows, env->alloc, CHAN_ROWS, CHAN_TEXT);
    *out = e;
    return SH_OK;
}

/* xorshift64*: jitter needs no secrets. */
uint32_t chan_random(struct sh_channels *e, uint32_t below)
{
    e->rng ^= e->rng >> 12;
    e->rng ^= e->rng << 25;
    e->rng ^= e->rng >> 27;
    return (uint32_t)((e->rng * 2685821657736338717U) >> 33) % below;
}

static void channel_free(struct sh_channel *c)
{
    struct sh_channels *e = c->e;
    if (c->inst != NULL) {
        c->driver->fini(c->inst);
        sh_mem_free(e->env->alloc, c->inst);
    }
    for (struct chan_pending **at = &e->pending; *at != NULL;) {
        struct chan_pending *p = *at;
        if (p->c == c) { /* the driver forgot one: answer for it */
            chan_write_result(e, p->id, SH_DRV_LOST, "the channel was removed");
        } else {
            at = &p->next;
        }
    }
    sh_mem_free(e->env->alloc, c->devs);
    chan_plan_free(e, c->plan);
    sh_mem_free(e->env->alloc, c);
}

void sh_channels_free(struct sh_channels *e)
{
    if (e == NULL) {
        return;
    }
    size_t it = 0;
    struct sh_str key;
    void *value = NULL;
    while (sh_map_next(&e->by_id, &it, &key, &value)) {
        chan_stop(value);
        channel_free(value);
    }
    chan_guests_drop(e, NULL);
    sh_job_cancel(e->loop, &e->done_job);
    run_done(e);
    sh_map_fini(&e->by_id);
    sh_buf_fini(&e->bytes);
    sh_batch_builder_fini(&e->rows);
    sh_mem_free(e->env->alloc, e->unknown);
    sh_mem_free(e->env->alloc, e);
}

static const struct sh_driver *driver_of(const struct sh_channels *e, struct sh_str name)
{
    for (const struct sh_driver *const *d = e->o.drivers; *d != NULL; d++) {
        if (sh_str_eqc(name, (*d)->name) && sh_driver_usable(*d)) {
            return *d;
        }
    }
    return NULL;
}

/* Two channels of one listener must be told apart by their registration. */
static bool registration_taken(const struct sh_channels *e, const struct sh_channel_config *cfg)
{
    if (cfg->mode != SH_CHANNEL_LISTEN) {
        return false;
    }
    size_t it = 0;
    struct sh_str key;
    void *value = NULL;
    while (sh_map_next(&e->by_id, &it, &key, &value)) {
        const struct sh_channel *c = value;
        const struct sh_channel_config *o = &c->plan->cfg;
        if (o->mode != SH_CHANNEL_LISTEN || sh_str_eq(o->id, cfg->id) ||
            !sh_str_eq(o->address, cfg->address)) {
            continue;
        }
        if (o->registration.n == 0 || cfg->registration.n == 0 ||
            sh_str_eq(sh_bytes_str(o->registration), sh_bytes_str(cfg->registration))) {
            return true;
        }
    }
    return false;
}

/* A fresh driver instance for a plan. */
static sh_err new_instance(struct sh_channels *e, const struct sh_driver *d,
                           const struct chan_plan *p, struct sh_diag *diag, void **out)
{
    void *inst = sh_mem_new(e->env->alloc, d->inst_size);
    if (inst == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = d->init(inst, e->env->alloc, p->cfg.options, &p->drv, diag);
    if (err != SH_OK) {
        sh_mem_free(e->env->alloc, inst);
        return err;
    }
    *out = inst;
    return SH_OK;
}

/* What a change needs, made before anything is touched. */
struct change {
    const struct sh_driver *driver;
    struct chan_plan *plan;
    struct chan_device *devs;
    void *inst;
};

static void change_drop(struct sh_channels *e, struct change *ch)
{
    if (ch->inst != NULL) {
        ch->driver->fini(ch->inst);
        sh_mem_free(e->env->alloc, ch->inst);
    }
    sh_mem_free(e->env->alloc, ch->devs);
    chan_plan_free(e, ch->plan);
}

static sh_err change_make(struct sh_channels *e, const struct sh_channel_config *cfg,
                          struct sh_diag *diag, struct change *ch)
{
    *ch = (struct change){.driver = driver_of(e, cfg->driver)};
    if (ch->driver == NULL) {
        sh_diag_set(diag, "there is no driver '%.*s'", SH_PRI(cfg->driver));
        sh_diag_remedy(diag, "GET /api/v1/drivers lists them.");
        return SH_E_NOTFOUND;
    }
    if (registration_taken(e, cfg)) {
        sh_diag_set(diag,
                    "another channel of this listener has the same registration packet, or one "
                    "of them has none");
        sh_diag_remedy(diag, "Give each DTU its own registration packet or its own port.");
        return SH_E_EXISTS;
    }
    sh_err err = chan_plan_new(e, ch->driver, cfg, diag, &ch->plan);
    if (err == SH_OK) {
        ch->devs = sh_mem_array(e->env->alloc, cfg->n_devices + 1U, sizeof *ch->devs);
        err = ch->devs == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (err == SH_OK) {
        err = new_instance(e, ch->driver, ch->plan, diag, &ch->inst);
    }
    if (err != SH_OK) {
        change_drop(e, ch);
    }
    return err;
}

/* Counters and states go with the device's id from the old table to the new. */
static void carry_devices(struct sh_channel *c, const struct change *ch)
{
    const struct sh_channel_config *cfg = &ch->plan->cfg;
    for (uint32_t i = 0; i < cfg->n_devices; i++) {
        struct chan_device *d = &ch->devs[i];
        for (uint32_t k = 0; c->plan != NULL && k < c->plan->cfg.n_devices; k++) {
            if (sh_str_eq(c->devs[k].info.id, cfg->devices[i].id)) {
                *d = c->devs[k];
            }
        }
        d->told = false; /* its tags may be others */
        d->info.id = cfg->devices[i].id;
        d->info.writable = cfg->devices[i].writable;
        if (d->info.since_us == 0) {
            d->info.since_us = chan_wall(c->e);
        }
    }
}

/* Puts the change in place; the old parts end in *ch. */
static void swap_in(struct sh_channel *c, struct change *ch, void *user)
{
    carry_devices(c, ch);
    struct change old = {.driver = c->driver, .plan = c->plan, .devs = c->devs, .inst = c->inst};
    c->driver = ch->driver;
    c->plan = ch->plan;
    c->devs = ch->devs;
    c->inst = ch->inst;
    c->info.id = c->plan->cfg.id;
    c->info.driver = c->plan->cfg.driver;
    c->info.user = user;
    c->info.n_devices = c->plan->cfg.n_devices;
    c->info.n_tags = c->plan->cfg.n_tags;
    *ch = old;
}

static sh_err create(struct sh_channels *e, struct change *ch, void *user, struct sh_channel **out)
{
    struct sh_channel *c = sh_mem_new(e->env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = sh_map_put(&e->by_id, ch->plan->cfg.id, c);
    if (err != SH_OK) {
        sh_mem_free(e->env->alloc, c);
        return err;
    }
    c->e = e;
    sh_timer_init(&c->timer, chan_timer, c);
    swap_in(c, ch, user);
    c->info.since_us = chan_wall(e);
    chan_start(c);
    *out = c;
    return SH_OK;
}

/* Gives the running instance the plan; on an error the connection is gone and the old plan is still
 * in the instance. */
static sh_err replan(struct sh_channel *c)
{
    return chan_step(c, &(struct sh_drv_in){.event = SH_DRV_PLAN_NEW, .plan = &c->plan->drv});
}

sh_err sh_channels_put(struct sh_channels *e, const struct sh_channel_config *cfg, void *user,
                       struct sh_diag *diag, struct sh_channel **out)
{
    struct change ch;
    struct sh_channel *c = sh_map_get(&e->by_id, cfg->id);
    SH_TRY(change_make(e, cfg, diag, &ch));
    if (c == NULL) {
        const sh_err err = create(e, &ch, user, &c);
        if (err != SH_OK) {
            change_drop(e, &ch);
            return err;
        }
    } else if (chan_plan_link_differs(c->plan, ch.plan)) {
        chan_stop(c);
        swap_in(c, &ch, user);
        change_drop(e, &ch);
        chan_start(c);
    } else { /* the running instance takes the new plan; the fresh one was only a trial */
        void *trial = ch.inst;
        ch.inst = c->inst;
        swap_in(c, &ch, user);
        ch.inst = trial;
        if (replan(c) != SH_OK) { /* it still has the old plan: the fresh one takes over */
            ch.inst = c->inst;
            c->inst = trial;
        }
        change_drop(e, &ch);
    }
    if (out != NULL) {
        *out = c;
    }
    return SH_OK;
}

sh_err sh_channels_remove(struct sh_channels *e, struct sh_str id)
{
    struct sh_channel *c = sh_map_del(&e->by_id, id);
    if (c == NULL) {
        return SH_E_NOTFOUND;
    }
    chan_stop(c);
    channel_free(c);
    return SH_OK;
}

struct sh_channel *sh_channels_find(const struct sh_channels *e, struct sh_str id)
{
    return sh_map_get(&e->by_id, id);
}

struct sh_channel *sh_channels_next(const struct sh_channels *e, size_t *it)
{
    struct sh_str key;
    void *value = NULL;
    return sh_map_next(&e->by_id, it, &key, &value) ? value : NULL;
}

static void set_flag(struct sh_channel *c, uint32_t device, bool writable)
{
    c->devs[device].info.writable = writable;
    c->plan->devices[device].writable = writable;
    c->plan->drv_devices[device].writable = writable;
}

sh_err sh_channel_set_writable(struct sh_channel *c, uint32_t device, bool writable)
{
    if (device >= c->plan->cfg.n_devices) {
        return SH_E_NOTFOUND;
    }
    if (c->devs[device].info.writable == writable) {
        return SH_OK;
    }
    set_flag(c, device, writable);
    const sh_err err = replan(c);
    if (err != SH_OK && writable) {
        set_flag(c, device, false);
        return err;
    }
    return SH_OK; /* taking it away cannot fail: sh_channel_write denies */
}

void chan_write_result(struct sh_channels *e, uint64_t id, enum sh_drv_result r, const char *words)
{
    struct chan_pending **at = &e->pending;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    struct chan_pending *p = *at;
    if (p == NULL) {
        return;
    }
    *at = p->next;
    p->c = NULL;
    p->result = r;
    (void)snprintf(p->words, sizeof p->words, "%s", words == NULL ? "" : words);
    p->next = e->done;
    e->done = p;
    sh_loop_defer(e->loop, &e->done_job);
}

sh_err sh_channel_write(struct sh_channel *c, const struct sh_channel_write *w)
{
    struct sh_channels *e = c->e;
    if (w->tag >= c->plan->drv.n_tags) {
        return SH_E_NOTFOUND;
    }
    if (!c->plan->devices[c->plan->drv.tags[w->tag].device].writable) {
        return SH_E_DENIED;
    }
    if (c->info.state != SH_CHANNEL_OPEN) {
        return SH_E_STATE;
    }
    if (e->n_pending >= e->o.max_writes) {
        return SH_E_LIMIT;
    }
    struct chan_pending *p = sh_mem_new(e->env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    *p = (struct chan_pending){
        .next = e->pending, .c = c, .id = ++e->next_write, .done = w->done, .ctx = w->ctx};
    e->pending = p;
    e->n_pending++;
    const int64_t wait = w->timeout_us == 0 ? 5000000 : w->timeout_us;
    const struct sh_drv_write dw = {.id = p->id,
                                    .tag = w->tag,
                                    .type = w->type,
                                    .value = w->value,
                                    .text = w->text,
                                    .deadline_us = chan_now(e) + wait};
    (void)chan_step(c, &(struct sh_drv_in){.event = SH_DRV_WRITE, .write = &dw});
    return SH_OK;
}
