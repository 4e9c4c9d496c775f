/* uses.c - who uses a thing model; one that nobody uses may be deleted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

/* Ids of devices that use a model, some of them. Takes the lock in turns. */
static sh_err name_devices(struct sh_twin *t, struct twin_tenant *tt, struct sh_str id,
                           struct sh_arena *ar, struct sh_twin_uses *out)
{
    sh_err err = SH_OK;
    bool more = tt != NULL;
    for (size_t at = 0; more && err == SH_OK;) {
        sh_mutex_lock(&t->lock);
        const size_t end = at + TWIN_CHUNK < tt->n ? at + TWIN_CHUNK : tt->n;
        for (; at < end && out->ndevice_ids < SH_TWIN_USERS && err == SH_OK; at++) {
            const struct twin_dev *d = tt->sorted[at]->dev;
            if (sh_str_eq(twin_dev_text(d, TWIN_THING), id)) {
                struct sh_str *one = &out->device_ids[out->ndevice_ids++];
                *one = sh_arena_str(ar, d->id);
                err = one->p == NULL ? SH_E_LIMIT : SH_OK;
            }
        }
        more = at < tt->n && out->ndevice_ids < SH_TWIN_USERS;
        sh_mutex_unlock(&t->lock);
    }
    return err;
}

/* Children only: what stands further below goes with them. */
static sh_err name_models(struct sh_twin *t, const struct twin_family *f, struct sh_arena *ar,
                          struct sh_twin_uses *out)
{
    for (size_t i = 1; i < f->n; i++) {
        const struct twin_thing *m = twin_thing_find(t, f->v[i].tenant, f->v[i].id);
        if (m == NULL || !sh_str_eq(m->extends, f->v[0].id)) {
            continue;
        }
        if (out->children < SH_TWIN_USERS) {
            out->child_ids[out->children] = sh_arena_str(ar, f->v[i].id);
            if (out->child_ids[out->children].p == NULL) {
                return SH_E_LIMIT;
            }
        }
        out->children++;
    }
    return SH_OK;
}

sh_err sh_twin_thing_uses(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_arena *ar,
                          struct sh_twin_uses *out)
{
    struct twin_family f;
    *out = (struct sh_twin_uses){.devices = 0};
    sh_mutex_lock(&t->lock);
    const bool known = twin_thing_find(t, tenant, id) != NULL;
    const uint32_t owner = twin_thing_owner(t, tenant, id);
    sh_mutex_unlock(&t->lock);
    if (!known) {
        return SH_E_NOTFOUND;
    }
    sh_err err = twin_family_init(t, &f);
    if (err == SH_OK) {
        err = twin_family_below(t, owner, id, &f);
    }
    if (err == SH_OK) {
        twin_family_count(t, tenant, &f);
        out->devices = f.v[0].devices;
        out->archived = f.v[0].archived;
        sh_mutex_lock(&t->lock);
        struct twin_tenant *tt = twin_tenant(t, tenant, false);
        err = name_models(t, &f, ar, out);
        sh_mutex_unlock(&t->lock);
        if (err == SH_OK && out->devices + out->archived > 0) {
            err = name_devices(t, tt, id, ar, out);
        }
    }
    twin_family_fini(&f);
    return err;
}

sh_err sh_twin_thing_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t expect,
                            struct sh_str author)
{
    struct sh_twin_uses uses;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, TWIN_ARENA_BYTES);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->write);
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *own = twin_tenant(t, tenant, false);
    const bool there = own != NULL && sh_map_get(&own->things, id) != NULL;
    sh_mutex_unlock(&t->lock);
    sh_err err = there ? sh_twin_thing_uses(t, tenant, id, ar, &uses) : SH_E_NOTFOUND;
    if (err == SH_OK && uses.devices + uses.archived + uses.children > 0) {
        err = SH_E_STATE;
    }
    if (err == SH_OK) {
        err = sh_record_delete(t->o.record, tenant, SH_TWIN_KIND_THING, id, expect, author);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&t->lock);
        struct twin_tenant *tt = twin_tenant(t, tenant, false);
        twin_thing_unref(t, tt == NULL ? NULL : sh_map_del(&tt->things, id));
        sh_mutex_unlock(&t->lock);
    }
    sh_mutex_unlock(&t->write);
    sh_arena_free(ar);
    return err;
}
