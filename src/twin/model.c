/* model.c - thing models: changes with their consequences.
 *
 * A change is prepared in memory first: its own half, the whole of it, and the whole of every model
 * below it. Only when all of them fit it is stored; then memory and points follow, parents before
 * children. The record's revisions are the versions (versions.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

static sh_err fault(struct sh_diag *d, const char *path, const char *what)
{
    sh_diag_at(d, sh_str_c(path), 0);
    sh_diag_set(d, "%s %s", path, what);
    return SH_E_INVAL;
}

/* ------------------------------------------------------------------ a change, prepared */

struct change {
    struct sh_twin *t;
    const struct sh_twin_thing_change *c;
    struct sh_diag *diag;
    json_t *own;            /* what is to be stored */
    json_t *before;         /* whole form now; NULL: it is new */
    json_t *whole;          /* whole form then */
    json_t *after;          /* array: whole forms of the family then; the first is `whole` */
    struct twin_family kin; /* the model and what is below it */
    uint64_t rev;           /* revision now */
    bool reread;            /* kept numbers would be read in another unit */
    char reread_path[160];  /* the first such */
};

static void change_fini(struct change *x)
{
    json_decref(x->own);
    json_decref(x->before);
    json_decref(x->whole);
    json_decref(x->after);
    twin_family_fini(&x->kin);
}

/* Whole form of a model as it is in memory; a new reference, NULL when there is none. */
static json_t *whole_now(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    sh_mutex_lock(&t->lock);
    const struct twin_thing *m = twin_thing_find(t, tenant, id);
    json_t *v = m == NULL ? NULL : json_incref(m->json);
    sh_mutex_unlock(&t->lock);
    return v;
}

/* How many models stand above and the model itself; 0: it would stand above itself. Under the lock.
 */
static int depth_of(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str extends)
{
    struct sh_str at = extends;
    uint32_t where = tenant;
    int depth = 1;
    while (at.n > 0 && depth <= SH_TWIN_MAX_EXTENDS) {
        if (where == tenant && sh_str_eq(at, id)) {
            return 0;
        }
        const struct twin_thing *m = twin_thing_find(t, where, at);
        if (m == NULL) {
            break;
        }
        where = twin_thing_owner(t, where, at);
        at = m->extends;
        depth++;
    }
    return depth;
}

/* Generations below the model, itself not counted. */
static int height_of(struct sh_twin *t, const struct twin_family *f)
{
    int most = 0;
    sh_mutex_lock(&t->lock);
    for (size_t i = 1; i < f->n; i++) {
        struct sh_str at = f->v[i].id;
        uint32_t where = f->v[i].tenant;
        int n = 0;
        while (n < SH_TWIN_MAX_EXTENDS && !(where == f->v[0].tenant && sh_str_eq(at, f->v[0].id))) {
            const struct twin_thing *m = twin_thing_find(t, where, at);
            if (m == NULL) {
                break;
            }
            where = twin_thing_owner(t, where, m->extends);
            at = m->extends;
            n++;
        }
        most = n > most ? n : most;
    }
    sh_mutex_unlock(&t->lock);
    return most;
}

/* The model that it is to extend: *parent is a new reference, NULL without one. */
static sh_err find_parent(struct change *x, const json_t *doc, json_t **parent)
{
    const struct sh_str extends = sh_json_get_str(doc, "extends");
    *parent = NULL;
    if (extends.n == 0) {
        return SH_OK;
    }
    sh_mutex_lock(&x->t->lock);
    const int depth = depth_of(x->t, x->c->tenant, x->c->id, extends);
    sh_mutex_unlock(&x->t->lock);
    if (depth == 0) {
        return fault(x->diag, "/extends", "would make the model stand above itself");
    }
    if (depth + height_of(x->t, &x->kin) > SH_TWIN_MAX_EXTENDS) {
        sh_diag_at(x->diag, SH_STR("/extends"), 0);
        sh_diag_set(x->diag, "/extends would make more than %d models above each other",
                    SH_TWIN_MAX_EXTENDS);
        return SH_E_INVAL;
    }
    *parent = json_incref(json_object_getn(x->c->drafts, extends.p, extends.n));
    if (*parent == NULL) {
        *parent = whole_now(x->t, x->c->tenant, extends);
    }
    if (*parent == NULL) {
        sh_diag_at(x->diag, SH_STR("/extends"), 0);
        sh_diag_set(x->diag, "there is no thing model %.*s", SH_PRI(extends));
        sh_diag_remedy(x->diag, "Make or import the model that it extends first.");
        return SH_E_INVAL;
    }
    return SH_OK;
}

/* Members that are not stored. The comment becomes that of the version. */
static sh_err take_marks(const struct sh_twin_thing_change *c, json_t *doc)
{
    static const char *const answers[] = {"id",      "revision", "shared",   "created", "updated",
                                          "devices", "archived", "children", "change"};
    struct sh_str comment = c->comment;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        (void)json_object_del(doc, answers[i]);
    }
    if (comment.n == 0) {
        comment = sh_json_get_str(doc, "comment");
    }
    json_t *change = json_object();
    if (comment.n > 0 &&
        json_object_set_new(change, "comment", json_stringn(comment.p, comment.n)) != 0) {
        json_decref(change);
        return SH_E_NOMEM;
    }
    if (c->restore != 0) {
        (void)json_object_set_new(change, "restored", json_integer((json_int_t)c->restore));
    }
    (void)json_object_del(doc, "comment");
    if (sh_json_get_str(doc, "extends").n == 0) {
        (void)json_object_del(doc, "extends");
    }
    if (json_object_size(change) == 0) {
        json_decref(change);
        return SH_OK;
    }
    return json_object_set_new(doc, "change", change) == 0 ? SH_OK : SH_E_NOMEM;
}

/* The document that is wanted, in the form that people send. */
static sh_err wanted(struct change *x, json_t **doc)
{
    const struct sh_twin_thing_change *c = x->c;
    if (c->restore != 0) {
        return twin_version_doc(x->t, c->tenant, c->id, c->restore, doc, NULL);
    }
    if (c->how != SH_TWIN_PATCH || x->before == NULL) {
        return twin_doc_base(x->t, c->tenant, SH_TWIN_KIND_THING, c->id, c->how, c->body, doc,
                             &x->rev);
    }
    *doc = json_deep_copy(x->before);
    return *doc == NULL ? SH_E_NOMEM : twin_merge_patch(*doc, c->body);
}

/* Own and whole form of the model itself. */
static sh_err prepare_own(struct change *x)
{
    const struct sh_twin_thing_change *c = x->c;
    json_t *doc = NULL;
    json_t *parent = NULL;
    sh_err err = wanted(x, &doc);
    if (err == SH_OK) {
        err = take_marks(c, doc);
    }
    if (err == SH_OK) {
        err = find_parent(x, doc, &parent);
    }
    if (err == SH_OK && c->restore != 0) {
        x->own = json_incref(doc); /* stored as it was */
    } else if (err == SH_OK) {
        json_t *change = json_incref(json_object_get(doc, "change"));
        (void)json_object_del(doc, "change");
        err = sh_twin_thing_check(x->t, doc, x->diag);
        if (err == SH_OK) {
            err = twin_model_own(parent, doc, &x->own, x->diag);
        }
        if (err == SH_OK && change != NULL && json_object_set(x->own, "change", change) != 0) {
            err = SH_E_NOMEM;
        }
        json_decref(change);
    }
    if (err == SH_OK) {
        err = twin_model_whole(parent, sh_json_get_str(x->own, "extends"), x->own, &x->whole,
                               x->diag);
    }
    json_decref(doc);
    json_decref(parent);
    return err;
}

/* Notes whether kept numbers would be read in another unit. */
static sh_err look_at_units(struct change *x, const json_t *before, const json_t *after)
{
    const json_t *list = json_object_get(after, "properties");
    json_t *old = NULL;
    SH_TRY(twin_members_by_id(before, 0, &old));
    for (size_t i = 0; i < json_array_size(list) && !x->reread; i++) {
        const json_t *now = json_array_get(list, i);
        const struct sh_str id = sh_json_get_str(now, "id");
        const json_t *was = json_object_getn(old, id.p, id.n);
        if (was != NULL &&
            twin_attr_same("type", json_object_get(was, "type"), json_object_get(now, "type")) &&
            twin_unit_reread(was, now)) {
            x->reread = true;
            (void)snprintf(x->reread_path, sizeof x->reread_path, "%.*s (%.*s, %.*s)", SH_PRI(id),
                           SH_PRI(sh_json_get_str(was, "unit")),
                           SH_PRI(sh_json_get_str(now, "unit")));
        }
    }
    json_decref(old);
    return SH_OK;
}

/* The whole form that a model below will have. */
static sh_err prepare_below(struct change *x, size_t i)
{
    struct twin_kin *k = &x->kin.v[i];
    json_t *whole = NULL;
    struct sh_diag sub = {.line = 0};
    sh_mutex_lock(&x->t->lock);
    const struct twin_thing *m = twin_thing_find(x->t, k->tenant, k->id);
    json_t *own = m == NULL ? NULL : json_incref(m->own);
    const struct sh_str extends = m == NULL ? SH_STR("") : sh_json_get_str(own, "extends");
    const struct twin_kin *parent =
        twin_family_get(&x->kin, twin_thing_owner(x->t, k->tenant, extends), extends);
    sh_mutex_unlock(&x->t->lock);
    if (parent == NULL) { /* it extended another of that name until now */
        parent = twin_family_get(&x->kin, x->c->tenant, extends);
    }
    const json_t *above =
        parent == NULL ? NULL : json_array_get(x->after, (size_t)(parent - x->kin.v));
    sh_err err = twin_model_whole(above, extends, own, &whole, &sub);
    json_decref(own);
    if (err == SH_E_INVAL) {
        sh_diag_at(x->diag, sh_str_c(sub.path), 0);
        sh_diag_set(x->diag, "the model %.*s below it does not fit: %.200s", SH_PRI(k->id),
                    sub.message);
        sh_diag_remedy(x->diag, "Change %.*s first.", SH_PRI(k->id));
    }
    if (err == SH_OK && json_array_append_new(x->after, whole) != 0) {
        err = SH_E_NOMEM;
    }
    return err;
}

/* A tenant's own model that hides the platform's of that name takes over what extended that. */
static sh_err prepare_family(struct change *x)
{
    struct sh_twin *t = x->t;
    SH_TRY(twin_family_below(t, x->c->tenant, x->c->id, &x->kin));
    if (x->c->how != SH_TWIN_CREATE || x->c->tenant == SH_RECORD_PLATFORM) {
        return SH_OK;
    }
    struct twin_family hidden;
    sh_err err = twin_family_init(t, &hidden);
    if (err == SH_OK) {
        err = twin_family_below(t, SH_RECORD_PLATFORM, x->c->id, &hidden);
    }
    for (size_t i = 1; i < hidden.n && err == SH_OK; i++) {
        if (hidden.v[i].tenant == x->c->tenant) {
            err = twin_family_add(&x->kin, hidden.v[i].tenant, hidden.v[i].id);
        }
    }
    twin_family_fini(&hidden);
    return err;
}

static sh_err prepare(struct change *x)
{
    const struct sh_twin_thing_change *c = x->c;
    struct sh_twin *t = x->t;
    SH_TRY(prepare_family(x));
    x->before = whole_now(t, c->tenant, c->id);
    SH_TRY(prepare_own(x));
    x->after = json_array();
    if (x->after == NULL || json_array_append(x->after, x->whole) != 0) {
        return SH_E_NOMEM;
    }
    for (size_t i = 1; i < x->kin.n; i++) {
        SH_TRY(prepare_below(x, i));
    }
    twin_family_count(t, c->tenant, &x->kin);
    for (size_t i = 0; i < x->kin.n; i++) {
        const struct twin_kin *k = &x->kin.v[i];
        if (k->devices + k->archived == 0) {
            continue;
        }
        json_t *was = whole_now(t, k->tenant, k->id);
        const sh_err err = look_at_units(x, was, json_array_get(x->after, i));
        json_decref(was);
        SH_TRY(err);
    }
    for (size_t i = 0; i < x->kin.n && !c->lower; i++) {
        const struct twin_kin *k = &x->kin.v[i];
        json_t *was = whole_now(t, k->tenant, k->id);
        const sh_err err =
            twin_class_kept_model(t, k->tenant, was, json_array_get(x->after, i), x->diag);
        json_decref(was);
        SH_TRY(err);
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ and told, or done */

static void write_kin(struct change *x, struct sh_jw *w, size_t i, sh_err *err)
{
    const struct twin_kin *k = &x->kin.v[i];
    struct twin_diff d;
    json_t *was = whole_now(x->t, k->tenant, k->id);
    const sh_err e = twin_model_diff(was, json_array_get(x->after, i), NULL, &d);
    *err = *err == SH_OK ? e : *err;
    json_decref(was);
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, k->id);
    sh_jw_key(w, "devices");
    sh_jw_u64(w, k->devices);
    sh_jw_key(w, "archived");
    sh_jw_u64(w, k->archived);
    sh_jw_key(w, "level");
    sh_jw_c(w, twin_level_name(d.level));
    sh_jw_obj_end(w);
}

static sh_err report(struct change *x, struct sh_jw *w)
{
    struct twin_diff d;
    uint64_t devices = 0;
    uint64_t archived = 0;
    sh_jw_obj(w);
    sh_err err = twin_model_diff(x->before, x->whole, w, &d);
    sh_jw_key(w, "level");
    sh_jw_c(w, twin_level_name(d.level));
    sh_jw_key(w, "fresh");
    sh_jw_bool(w, x->rev == 0);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, x->rev);
    for (size_t i = 0; i < x->kin.n; i++) {
        devices += x->kin.v[i].devices;
        archived += x->kin.v[i].archived;
    }
    sh_jw_key(w, "devices");
    sh_jw_u64(w, devices);
    sh_jw_key(w, "archived");
    sh_jw_u64(w, archived);
    sh_jw_key(w, "units_reread");
    if (x->reread) {
        sh_jw_c(w, x->reread_path);
    } else {
        sh_jw_null(w);
    }
    sh_jw_key(w, "models");
    sh_jw_arr(w);
    for (size_t i = 1; i < x->kin.n; i++) {
        write_kin(x, w, i, &err);
    }
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
    return err;
}

/* Memory and points of the family. */
static sh_err follow(struct change *x, uint64_t rev)
{
    struct sh_map ids;
    struct sh_twin *t = x->t;
    sh_err err = twin_thing_remember(t, x->c->tenant, x->c->id, x->own, rev);
    sh_map_init(&ids, t->env->alloc, x->kin.n + 1, t->tenants.seed);
    for (size_t i = 0; i < x->kin.n && err == SH_OK; i++) {
        const struct twin_kin *k = &x->kin.v[i];
        if (i > 0) {
            sh_mutex_lock(&t->lock);
            const struct twin_thing *m = twin_thing_find(t, k->tenant, k->id);
            json_t *own = m == NULL ? NULL : json_incref(m->own);
            const uint64_t had = m == NULL ? 0 : m->rev;
            sh_mutex_unlock(&t->lock);
            err = own == NULL ? SH_OK : twin_thing_remember(t, k->tenant, k->id, own, had);
            json_decref(own);
        }
        if (err == SH_OK) {
            err = sh_map_set(&ids, k->id, x);
        }
    }
    if (err == SH_OK) {
        twin_apply_models(t, x->c->tenant, &ids);
    }
    sh_map_fini(&ids);
    return err;
}

static sh_err store(struct change *x, uint64_t *rev)
{
    const struct sh_twin_thing_change *c = x->c;
    struct sh_buf text;
    uint64_t now = 0;
    uint64_t expect = c->expect == SH_RECORD_ANY ? x->rev : c->expect;
    if (x->reread && !c->units_corrected) {
        sh_diag_at(x->diag, SH_STR("/properties"), 0);
        sh_diag_set(x->diag, "kept values would be read in another unit: %s", x->reread_path);
        return SH_E_STATE;
    }
    sh_buf_init(&text, x->t->env->alloc, (size_t)TWIN_DOC_BYTES * 2);
    sh_err err = twin_doc_text(x->own, &text);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = c->tenant,
                                        .type = SH_TWIN_KIND_THING,
                                        .id = c->id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect,
                                        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED,
                                        .keep = SH_TWIN_VERSIONS - 1};
        err = sh_record_put(x->t->o.record, &p, c->author, &now, x->diag);
    }
    sh_buf_fini(&text);
    if (err == SH_OK && rev != NULL) {
        *rev = now;
    }
    return err == SH_OK ? follow(x, now) : err;
}

sh_err sh_twin_thing_change(struct sh_twin *t, const struct sh_twin_thing_change *c, uint64_t *rev,
                            struct sh_jw *w, struct sh_diag *diag)
{
    struct change x = {.t = t, .c = c, .diag = diag};
    struct sh_record_row meta = {.rev = 0};
    json_t *old = NULL;
    if (!twin_id_ok(c->id)) {
        return fault(diag, "/id", "is not an id: 1 to 256 bytes without / and controls");
    }
    sh_mutex_lock(&t->write);
    sh_err err = twin_family_init(t, &x.kin);
    if (err == SH_OK) {
        err = twin_doc_get(t, c->tenant, SH_TWIN_KIND_THING, c->id, &old, &meta);
    }
    json_decref(old);
    x.rev = meta.rev;
    if (err == SH_OK && c->how != SH_TWIN_CREATE && c->expect != SH_RECORD_ANY &&
        c->expect != meta.rev) {
        err = SH_E_CONFLICT; /* before faults are told that come from another's change */
    } else if (err == SH_OK && c->how == SH_TWIN_CREATE && c->restore == 0) {
        err = SH_E_EXISTS;
    } else if (err == SH_E_NOTFOUND && c->how == SH_TWIN_CREATE) {
        err = SH_OK;
    }
    if (err == SH_OK) {
        err = prepare(&x);
    }
    if (err == SH_OK && w != NULL) {
        err = report(&x, w);
    }
    bool wanted_too = !c->dry_run;
    if (err == SH_OK && wanted_too && c->skip_same && x.rev != 0) {
        struct twin_diff d;
        err = twin_model_diff(x.before, x.whole, NULL, &d);
        wanted_too = d.level != TWIN_SAME;
    }
    if (err == SH_OK && wanted_too) {
        err = store(&x, rev);
    }
    if (err == SH_OK && c->drafts != NULL &&
        json_object_setn(c->drafts, c->id.p, c->id.n, x.whole) != 0) {
        err = SH_E_NOMEM;
    }
    sh_mutex_unlock(&t->write);
    change_fini(&x);
    return err;
}

sh_err sh_twin_thing_put(struct sh_twin *t, uint32_t tenant, struct sh_str id, enum sh_twin_put how,
                         const json_t *body, uint64_t expect, struct sh_str author, uint64_t *rev,
                         struct sh_diag *diag)
{
    const struct sh_twin_thing_change c = {
        .tenant = tenant, .id = id, .how = how, .body = body, .expect = expect, .author = author};
    return sh_twin_thing_change(t, &c, rev, NULL, diag);
}
