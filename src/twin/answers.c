/* answers.c - thing models as they are shown: with what they inherit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

static void write_uses(struct sh_jw *w, const struct twin_kin *k, uint64_t children)
{
    sh_jw_key(w, "devices");
    sh_jw_u64(w, k == NULL ? 0 : k->devices);
    sh_jw_key(w, "archived");
    sh_jw_u64(w, k == NULL ? 0 : k->archived);
    sh_jw_key(w, "children");
    sh_jw_u64(w, children);
}

/* Members of the document; the caller opens and ends the object. */
static void write_thing(struct sh_jw *w, json_t *d, const struct sh_record_row *row, bool shared)
{
    sh_jw_key(w, "id");
    sh_jw_str(w, row->id);
    for (void *it = json_object_iter(d); it != NULL; it = json_object_iter_next(d, it)) {
        if (strcmp(json_object_iter_key(it), "change") != 0) {
            sh_jw_key(w, json_object_iter_key(it));
            sh_jw_json(w, json_object_iter_value(it));
        }
    }
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "shared");
    sh_jw_bool(w, shared);
    sh_jw_key(w, "updated");
    sh_jw_time(w, row->updated_us);
}

sh_err sh_twin_thing_write(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_jw *w,
                           uint64_t *rev)
{
    json_t *own = NULL;
    json_t *whole = NULL;
    struct sh_record_row row = {.rev = 0};
    bool shared = false;
    sh_err err = twin_doc_get(t, tenant, SH_TWIN_KIND_THING, id, &own, &row);
    if (err == SH_E_NOTFOUND && tenant != SH_RECORD_PLATFORM) {
        err = twin_doc_get(t, SH_RECORD_PLATFORM, SH_TWIN_KIND_THING, id, &own, &row);
        shared = true;
    }
    if (err == SH_OK) {
        err = twin_version_whole(t, shared ? SH_RECORD_PLATFORM : tenant, own, &whole);
    }
    if (err == SH_OK) {
        row.id = id;
        sh_jw_obj(w);
        write_thing(w, whole, &row, shared);
        sh_jw_obj_end(w);
        if (rev != NULL) {
            *rev = row.rev;
        }
    }
    json_decref(own);
    json_decref(whole);
    return err;
}

struct things {
    struct sh_twin *t;
    struct sh_jw *w;
    struct sh_str search;
    uint32_t hide_in;               /* tenant whose own models hide the platform's; ALL = none */
    const struct twin_family *uses; /* NULL: not asked for */
    json_t *children;               /* id -> how many extend it */
};

static bool contains(struct sh_str text, struct sh_str part)
{
    for (size_t i = 0; i + part.n <= text.n; i++) {
        if (sh_str_ieq(sh_str_sub(text, i, i + part.n), part)) {
            return true;
        }
    }
    return part.n == 0;
}

static sh_err each_thing(void *ctx, const struct sh_record_row *row)
{
    const struct things *x = ctx;
    const bool shared = x->hide_in != SH_RECORD_ALL_TENANTS;
    json_t *own = NULL;
    json_t *whole = NULL;
    if (!contains(row->id, x->search) && !contains(row->doc, x->search)) {
        return SH_OK;
    }
    if (shared) {
        sh_mutex_lock(&x->t->lock);
        const bool hidden = twin_thing_owner(x->t, x->hide_in, row->id) == x->hide_in;
        sh_mutex_unlock(&x->t->lock);
        if (hidden) {
            return SH_OK;
        }
    }
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &own, NULL));
    const sh_err err = twin_version_whole(x->t, row->tenant, own, &whole);
    if (err == SH_OK) {
        sh_jw_obj(x->w);
        write_thing(x->w, whole, row, shared);
        if (x->uses != NULL) {
            const json_t *n = json_object_getn(x->children, row->id.p, row->id.n);
            write_uses(x->w, twin_family_get(x->uses, row->tenant, row->id),
                       (uint64_t)json_integer_value(n));
        }
        sh_jw_obj_end(x->w);
    }
    json_decref(own);
    json_decref(whole);
    return err;
}

/* All models that the tenant sees. Under the lock. */
static sh_err all_of(const struct twin_tenant *tt, struct twin_family *f, json_t *children)
{
    size_t it = 0;
    struct sh_str id;
    void *v = NULL;
    while (tt != NULL && sh_map_next(&tt->things, &it, &id, &v)) {
        const struct sh_str up = ((const struct twin_thing *)v)->extends;
        SH_TRY(twin_family_add(f, tt->id, id));
        if (up.n > 0) {
            const json_int_t n = json_integer_value(json_object_getn(children, up.p, up.n));
            if (json_object_setn_new(children, up.p, up.n, json_integer(n + 1)) != 0) {
                return SH_E_NOMEM;
            }
        }
    }
    return SH_OK;
}

static sh_err count_all(struct things *x, uint32_t tenant, struct twin_family *f)
{
    SH_TRY(twin_family_init(x->t, f));
    x->children = json_object();
    sh_mutex_lock(&x->t->lock);
    sh_err err =
        x->children == NULL ? SH_E_NOMEM : all_of(twin_tenant(x->t, tenant, false), f, x->children);
    if (err == SH_OK && tenant != SH_RECORD_PLATFORM) {
        err = all_of(twin_tenant(x->t, SH_RECORD_PLATFORM, false), f, x->children);
    }
    sh_mutex_unlock(&x->t->lock);
    if (err == SH_OK) {
        twin_family_count(x->t, tenant, f);
        x->uses = f;
    }
    return err;
}

sh_err sh_twin_things_write(struct sh_twin *t, uint32_t tenant, struct sh_str search, bool uses,
                            struct sh_jw *w)
{
    struct things x = {.t = t, .w = w, .search = search, .hide_in = SH_RECORD_ALL_TENANTS};
    struct twin_family f = {.n = 0};
    sh_err err = uses ? count_all(&x, tenant, &f) : SH_OK;
    sh_jw_arr(w);
    if (err == SH_OK) {
        err = sh_record_scan(t->o.record, tenant, SH_TWIN_KIND_THING, each_thing, &x);
    }
    if (err == SH_OK && tenant != SH_RECORD_PLATFORM) {
        x.hide_in = tenant;
        err = sh_record_scan(t->o.record, SH_RECORD_PLATFORM, SH_TWIN_KIND_THING, each_thing, &x);
    }
    sh_jw_arr_end(w);
    json_decref(x.children);
    if (uses) {
        twin_family_fini(&f);
    }
    return err;
}

sh_err sh_twin_device_thing(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                            struct sh_arena *ar, struct sh_str *thing)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    if (s != NULL) {
        *thing = sh_arena_str(ar, twin_dev_text(s->dev, TWIN_THING));
    }
    sh_mutex_unlock(&t->lock);
    if (s == NULL) {
        return SH_E_NOTFOUND;
    }
    return thing->p == NULL ? SH_E_LIMIT : SH_OK;
}
