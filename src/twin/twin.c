/* twin.c - life cycle.
 *
 * Invariants:
 * 1. Records are the truth; memory follows a record after its commit. The one exception is a device
 *    made by its first sample: it is in memory at once and stored by the next tick, and after a
 *    crash in between it is made again from the catalogue.
 * 2. `write` is held by one changer of records at a time, and taken before `lock`; `lock` is short
 *    and never held while waiting for the disk, calling points or publishing.
 * 3. A twin_dev or twin_thing never changes; a new form replaces it. A slot never moves.
 * 4. Events are published without a lock held.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

static void defaults(struct sh_twin_options *o)
{
    o->max_devices = o->max_devices == 0 ? 1000000 : o->max_devices;
    o->max_commands = o->max_commands == 0 ? 10000 : o->max_commands;
    o->stale_periods = o->stale_periods == 0 ? 3 : o->stale_periods;
    o->stale_min_us = o->stale_min_us == 0 ? 60000000 : o->stale_min_us;
    o->stale_max_us = o->stale_max_us == 0 ? 3600000000 : o->stale_max_us;
    o->command_us = o->command_us == 0 ? 30000000 : o->command_us;
}

/* A start needs no room on the disk: what could not be stored now is stored by a later tick. */
static sh_err stored_later(struct sh_twin *t, sh_err err)
{
    if (err == SH_E_FULL || err == SH_E_IO) {
        sh_log(t->env->log, SH_LOG_WARN, "twin", "changes found at the start are stored later: %s",
               sh_err_name(err));
        return SH_OK;
    }
    return err;
}

static sh_err load(struct sh_twin *t)
{
    static const struct {
        struct sh_str kind;
        sh_record_visit *fn;
    } loads[] = {
        {{"_thing", 6}, twin_thing_load},         {{"_asset", 6}, twin_asset_load},
        {{"_data_class", 11}, twin_class_load},   {{"_device", 7}, twin_device_load},
        {{"_device_state", 13}, twin_state_load}, {{"_device_write", 13}, twin_grant_load},
        {{"_file", 5}, twin_file_load},
    };
    sh_err err = SH_OK;
    twin_texts_init(&t->loading, t->env->alloc);
    for (size_t i = 0; i < sizeof loads / sizeof loads[0] && err == SH_OK; i++) {
        err = sh_record_scan(t->o.record, SH_RECORD_ALL_TENANTS, loads[i].kind, loads[i].fn, t);
        if (err == SH_OK && i == 0) {
            err = twin_things_link(t);
        }
    }
    twin_texts_fini(&t->loading);
    SH_TRY(err);
    SH_TRY(twin_commands_recover(t));
    return stored_later(t, twin_save_commands(t));
}

static void destroy(struct sh_twin *t)
{
    const struct sh_alloc *a = t->env->alloc;
    twin_commands_fini(t);
    twin_files_fini(t);
    twin_index_fini(t);
    for (size_t i = 0; i < t->ncache; i++) {
        sh_mem_free(a, t->cache[i]);
    }
    sh_mem_free(a, t->cache);
    sh_schema_free(t->device_schema);
    sh_schema_free(t->thing_schema);
    sh_schema_free(t->asset_schema);
    sh_schema_free(t->command_schema);
    sh_mutex_fini(&t->lock);
    sh_mutex_fini(&t->write);
    sh_mutex_fini(&t->saving);
    sh_mem_free(a, t);
}

sh_err sh_twin_attach(struct sh_twin *t, struct sh_points *points, struct sh_bus *bus)
{
    static const struct sh_bus_handler handler = {.slab = twin_on_slab, .newest = twin_on_slab};
    t->o.points = points;
    t->o.bus = bus;
    if (points != NULL) {
        twin_devices_adopt(t);
        sh_points_set_classify(points, twin_classify, t);
        twin_apply_all(t);
        if (atomic_load(&t->classed)) {
            twin_class_all(t, SH_RECORD_ALL_TENANTS);
        }
    }
    return bus != NULL && points != NULL ? sh_bus_subscribe(bus, &handler, t, &t->sub) : SH_OK;
}

sh_err sh_twin_open(const struct sh_env *env, const struct sh_twin_options *o, struct sh_twin **out,
                    struct sh_diag *diag)
{
    uint64_t seed = 1;
    struct sh_twin *t = sh_mem_new(env->alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    t->env = env;
    t->o = *o;
    defaults(&t->o);
    if (env->random->fill(env->random->ctx, &seed, sizeof seed) != SH_OK) {
        seed = (uint64_t)sh_mono_us(env->clock);
    }
    sh_mutex_init(&t->saving);
    sh_mutex_init(&t->write);
    sh_mutex_init(&t->lock);
    sh_map_init(&t->tenants, env->alloc, TWIN_MAX_TENANTS, seed);
    sh_map_init(&t->files, env->alloc, (size_t)t->o.max_devices + TWIN_MAX_ASSETS, seed);
    sh_map_init(&t->units, env->alloc, TWIN_MAX_UNITS, seed);
    sh_map_init(&t->commands, env->alloc, t->o.max_commands, seed);
    sh_err err = twin_shapes_new(t);
    if (err == SH_OK) {
        err = load(t);
    }
    if (err == SH_OK) {
        err = sh_twin_attach(t, o->points, o->bus);
    }
    if (err != SH_OK) {
        sh_diag_set(diag, "devices cannot be loaded: %s", sh_err_name(err));
        destroy(t);
        return err;
    }
    *out = t;
    return SH_OK;
}

sh_err sh_twin_tick(struct sh_twin *t)
{
    twin_tell_states(t);
    twin_mark_silent(t);
    twin_commands_overdue(t, false);
    sh_mutex_lock(&t->write);
    sh_err err = twin_save_new(t);
    const sh_err states = twin_save_states(t);
    const sh_err commands = twin_save_commands(t);
    sh_mutex_unlock(&t->write);
    err = err == SH_OK ? states : err;
    return err == SH_OK ? commands : err;
}

void sh_twin_close(struct sh_twin *t)
{
    if (t == NULL) {
        return;
    }
    if (t->sub != NULL) {
        sh_bus_unsubscribe(t->o.bus, t->sub);
    }
    twin_commands_overdue(t, true);
    sh_mutex_lock(&t->write);
    sh_err err = twin_save_new(t);
    const sh_err states = twin_save_states(t);
    const sh_err commands = twin_save_commands(t);
    sh_mutex_unlock(&t->write);
    err = err == SH_OK ? states : err;
    err = err == SH_OK ? commands : err;
    if (err != SH_OK) {
        sh_log(t->env->log, SH_LOG_ERROR, "twin", "the last changes could not be stored: %s",
               sh_err_name(err));
    }
    if (t->o.points != NULL) {
        sh_points_set_classify(t->o.points, NULL, NULL);
    }
    destroy(t);
}
