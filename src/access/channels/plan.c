/* plan.c - the engine's own copy of a configuration.
 * SPDX-License-Identifier: Apache-2.0 */
#include "channels_int.h"

#include <stdio.h>

static void drop_json(void *ctx)
{
    json_decref(ctx);
}

/* Deep copy that dies with the arena. NULL stays NULL. */
static sh_err copy_json(struct sh_arena *ar, const json_t *in, const json_t **out)
{
    *out = NULL;
    if (in == NULL) {
        return SH_OK;
    }
    json_t *copy = json_deep_copy(in);
    if (copy == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = sh_arena_defer(ar, drop_json, copy);
    if (err != SH_OK) {
        json_decref(copy);
        return err;
    }
    *out = copy;
    return SH_OK;
}

static sh_err copy_str(struct sh_arena *ar, struct sh_str *s)
{
    *s = sh_arena_str(ar, *s);
    return s->p == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err copy_bytes(struct sh_arena *ar, struct sh_bytes *b)
{
    struct sh_str s = sh_bytes_str(*b);
    SH_TRY(copy_str(ar, &s));
    *b = sh_str_bytes(s);
    return SH_OK;
}

static sh_err copy_devices(struct chan_plan *p, const struct sh_channel_config *cfg)
{
    p->devices = sh_arena_array(p->arena, cfg->n_devices + 1U, sizeof *p->devices);
    p->drv_devices = sh_arena_array(p->arena, cfg->n_devices + 1U, sizeof *p->drv_devices);
    if (p->devices == NULL || p->drv_devices == NULL) {
        return SH_E_NOMEM;
    }
    for (uint32_t i = 0; i < cfg->n_devices; i++) {
        struct sh_channel_device *d = &p->devices[i];
        *d = cfg->devices[i];
        SH_TRY(copy_str(p->arena, &d->id));
        SH_TRY(copy_json(p->arena, cfg->devices[i].config, &d->config));
        d->period_ms = d->period_ms == 0 ? 1000 : d->period_ms;
        p->drv_devices[i] = (struct sh_drv_device){
            .name = d->id, .config = d->config, .period_ms = d->period_ms, .writable = d->writable};
    }
    p->cfg.devices = p->devices;
    return SH_OK;
}

static sh_err check_tag(struct chan_plan *p, const struct sh_driver *d, uint32_t i,
                        struct sh_diag *diag)
{
    const struct sh_channel_tag *t = &p->cfg.tags[i];
    struct sh_drv_address a;
    struct sh_drv_addr_error why = {.code = ""};
    char path[64];
    const int n = snprintf(path, sizeof path, "tags/%u/address", i);
    if (t->device >= p->cfg.n_devices) {
        sh_diag_at(diag, sh_str_of(path, (size_t)n), 0);
        sh_diag_set(diag, "the tag names a device that is not in the channel");
        return SH_E_INVAL;
    }
    const sh_err err = d->check_address(t->address, p->devices[t->device].config, &a, &why);
    if (err != SH_OK) {
        sh_diag_at(diag, sh_str_of(path, (size_t)n), 0);
        sh_diag_set(diag, "'%.*s' of %.*s, column %u: %s", SH_PRI(t->address),
                    SH_PRI(p->devices[t->device].id), why.column + 1, why.message_en);
        sh_diag_remedy(diag, "%s", why.remedy_en);
        return err;
    }
    p->types[i] = (uint8_t)a.type;
    return SH_OK;
}

static sh_err copy_tags(struct chan_plan *p, const struct sh_driver *d,
                        const struct sh_channel_config *cfg, struct sh_diag *diag)
{
    struct sh_channel_tag *tags = sh_arena_array(p->arena, cfg->n_tags + 1U, sizeof *tags);
    struct sh_drv_tag *drv = sh_arena_array(p->arena, cfg->n_tags + 1U, sizeof *drv);
    p->types = sh_arena_get(p->arena, cfg->n_tags + 1U);
    if (tags == NULL || drv == NULL || p->types == NULL) {
        return SH_E_NOMEM;
    }
    p->cfg.tags = tags;
    for (uint32_t i = 0; i < cfg->n_tags; i++) {
        tags[i] = cfg->tags[i];
        SH_TRY(copy_str(p->arena, &tags[i].address));
        SH_TRY(copy_str(p->arena, &tags[i].property));
        if (tags[i].period_ms != 0 && tags[i].period_ms < 10) {
            tags[i].period_ms = 10;
        }
        SH_TRY(check_tag(p, d, i, diag));
        drv[i] = (struct sh_drv_tag){
            .address = tags[i].address, .device = tags[i].device, .period_ms = tags[i].period_ms};
    }
    p->drv = (struct sh_drv_plan){
        .devices = p->drv_devices, .tags = drv, .n_devices = cfg->n_devices, .n_tags = cfg->n_tags};
    return SH_OK;
}

static sh_err plan_fill(struct chan_plan *p, const struct sh_driver *d,
                        const struct sh_channel_config *cfg, struct sh_diag *diag)
{
    p->cfg = *cfg;
    SH_TRY(copy_str(p->arena, &p->cfg.id));
    SH_TRY(copy_str(p->arena, &p->cfg.shown));
    SH_TRY(copy_str(p->arena, &p->cfg.driver));
    SH_TRY(copy_str(p->arena, &p->cfg.address));
    SH_TRY(copy_bytes(p->arena, &p->cfg.registration));
    SH_TRY(copy_bytes(p->arena, &p->cfg.heartbeat));
    SH_TRY(copy_json(p->arena, cfg->options, &p->cfg.options));
    SH_TRY(copy_devices(p, cfg));
    SH_TRY(copy_tags(p, d, cfg, diag));
    p->cfg.connect_timeout_ms = cfg->connect_timeout_ms == 0 ? 5000 : cfg->connect_timeout_ms;
    p->cfg.backoff_min_ms = cfg->backoff_min_ms == 0 ? 1000 : cfg->backoff_min_ms;
    p->cfg.backoff_max_ms = cfg->backoff_max_ms == 0 ? 60000 : cfg->backoff_max_ms;
    if (p->cfg.backoff_max_ms < p->cfg.backoff_min_ms) {
        p->cfg.backoff_max_ms = p->cfg.backoff_min_ms;
    }
    return SH_OK;
}

static sh_err check_sizes(const struct sh_channel_config *cfg, struct sh_diag *diag)
{
    if (cfg->id.n == 0 || cfg->address.n == 0 || cfg->registration.n > SH_CHANNEL_REG_MAX ||
        cfg->heartbeat.n > SH_CHANNEL_REG_MAX) {
        sh_diag_set(diag,
                    "a channel needs an id and an address; registration and heart-beat packets "
                    "have at most 64 bytes");
        return SH_E_INVAL;
    }
    if (cfg->n_devices > SH_DRV_MAX_DEVICES || cfg->n_tags > SH_DRV_MAX_TAGS) {
        sh_diag_set(diag, "a channel takes at most %d devices and %d tags", SH_DRV_MAX_DEVICES,
                    SH_DRV_MAX_TAGS);
        sh_diag_remedy(diag, "Spread them over several channels.");
        return SH_E_LIMIT;
    }
    return SH_OK;
}

sh_err chan_plan_new(struct sh_channels *e, const struct sh_driver *d,
                     const struct sh_channel_config *cfg, struct sh_diag *diag,
                     struct chan_plan **out)
{
    SH_TRY(check_sizes(cfg, diag));
    struct chan_plan *p = sh_mem_new(e->env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    const size_t limit = (size_t)65536 + (size_t)cfg->n_tags * 1024 + (size_t)cfg->n_devices * 1024;
    p->arena = sh_arena_new(e->env->alloc, limit);
    const sh_err err = p->arena == NULL ? SH_E_NOMEM : plan_fill(p, d, cfg, diag);
    if (err != SH_OK) {
        chan_plan_free(e, p);
        return err;
    }
    *out = p;
    return SH_OK;
}

void chan_plan_free(struct sh_channels *e, struct chan_plan *p)
{
    if (p != NULL) {
        if (p->arena != NULL) {
            sh_arena_free(p->arena);
        }
        sh_mem_free(e->env->alloc, p);
    }
}

static bool same_json(const json_t *a, const json_t *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return json_equal(a, b) != 0;
}

bool chan_plan_link_differs(const struct chan_plan *a, const struct chan_plan *b)
{
    const struct sh_channel_config *x = &a->cfg;
    const struct sh_channel_config *y = &b->cfg;
    return x->enabled != y->enabled || x->mode != y->mode || !sh_str_eq(x->driver, y->driver) ||
           !sh_str_eq(x->address, y->address) ||
           !sh_str_eq(sh_bytes_str(x->registration), sh_bytes_str(y->registration)) ||
           !sh_str_eq(sh_bytes_str(x->heartbeat), sh_bytes_str(y->heartbeat)) ||
           !same_json(x->options, y->options);
}
