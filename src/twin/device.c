/* device.c - devices as records: made by hand, by import or by their first sample; renamed,
 * replaced, removed. SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

/* Members that only answers have. */
static const char *const answer_members[] = {
    "id",         "state",    "since",     "points",         "created",         "write_enabled",
    "updated",    "revision", "last_time", "thing_revision", "effective_class", "highest_class",
    "write_until"};
/* Members that only we write. */
static const char *const own_members[] = {"aliases", "replaced", "renamed", "tagset", "made"};

bool twin_id_ok(struct sh_str id)
{
    if (id.n == 0 || id.n > SH_TWIN_MAX_ID || !sh_utf8_valid(id)) {
        return false;
    }
    for (size_t i = 0; i < id.n; i++) {
        const unsigned char c = (unsigned char)id.p[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ in memory */

static sh_err load_aliases(struct sh_twin *t, struct twin_slot *s, const json_t *doc)
{
    const json_t *list = json_object_get(doc, "aliases");
    sh_err err = SH_OK;
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        const json_t *a = json_array_get(list, i);
        const struct sh_str old = {json_string_value(a), json_string_length(a)};
        if (old.n > 0) {
            err = twin_index_alias(t, s, old);
        }
    }
    return err;
}

/* d: what doc says; taken, NULL: there was no memory for it. */
static sh_err remember(struct sh_twin *t, struct twin_dev *d, const json_t *doc)
{
    struct twin_slot *s = NULL;
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->lock);
    sh_err err = twin_index_put(t, d, &s);
    if (err == SH_OK) {
        err = load_aliases(t, s, doc);
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err twin_device_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    uint64_t tagset = 0;
    if (twin_quick_device(row->doc, row->id, &t->loading, &tagset)) {
        return remember(t, twin_dev_sampled(t, &t->loading, row->tenant, row->id, tagset), NULL);
    }
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    const sh_err err = remember(t, twin_dev_make(t, &t->loading, row->tenant, row->id, doc), doc);
    json_decref(doc);
    return err;
}

/* ------------------------------------------------------------------ by their first sample */

static uint64_t hash_labels(const struct sh_twin_label *labels, size_t n)
{
    uint64_t h = 1;
    for (size_t i = 0; i < n; i++) {
        h = sh_hash64(labels[i].key.p, labels[i].key.n, h);
        h = sh_hash64(labels[i].value.p, labels[i].value.n, h);
    }
    return h >> 12 | 1; /* exact in JSON; not 0 */
}

static json_t *doc_of_labels(const struct sh_twin_label *labels, size_t n, uint64_t tagset)
{
    json_t *doc = json_object();
    json_t *l = json_object();
    bool ok = doc != NULL && l != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        ok = json_object_setn_new(l, labels[i].key.p, labels[i].key.n,
                                  json_stringn(labels[i].value.p, labels[i].value.n)) == 0;
    }
    ok = ok && json_object_set(doc, "labels", l) == 0;
    ok = ok && json_object_set_new(doc, "made", json_string("sample")) == 0;
    if (tagset != 0) {
        ok = ok && json_object_set_new(doc, "tagset", json_integer((json_int_t)tagset)) == 0;
    }
    json_decref(l);
    if (!ok) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* Under the lock. */
static enum sh_twin_refusal make(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                 const json_t *doc)
{
    struct twin_slot *s = NULL;
    struct twin_dev *d = twin_dev_new(t, tenant, id, doc);
    const sh_err err = d == NULL ? SH_E_NOMEM : twin_index_put(t, d, &s);
    if (err != SH_OK) {
        return err == SH_E_LIMIT ? SH_TWIN_LIMIT : SH_TWIN_NO_MEMORY;
    }
    s->unsaved = true;
    s->next_unsaved = t->unsaved;
    t->unsaved = s;
    return SH_TWIN_OK;
}

static enum sh_twin_refusal look(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                 uint64_t tagset, char detail[SH_TWIN_DETAIL])
{
    const struct twin_slot *s = twin_find(t, tenant, id);
    if (s == NULL) {
        return SH_TWIN_UNKNOWN_DEVICE;
    }
    if (tagset != 0 && s->dev->tagset != 0 && s->dev->tagset != tagset) {
        (void)snprintf(detail, SH_TWIN_DETAIL, "another set of tags makes the same id %.80s",
                       s->dev->id.n > 80 ? "..." : "");
        return SH_TWIN_DEVICE_ID_CONFLICT;
    }
    return SH_TWIN_OK;
}

enum sh_twin_refusal sh_twin_device_ensure(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           const struct sh_twin_label *labels, size_t nlabels,
                                           bool provision, char detail[SH_TWIN_DETAIL])
{
    const uint64_t tagset = nlabels == 0 ? 0 : hash_labels(labels, nlabels);
    detail[0] = '\0';
    sh_mutex_lock(&t->lock);
    enum sh_twin_refusal r = look(t, tenant, id, tagset, detail);
    sh_mutex_unlock(&t->lock);
    if (r != SH_TWIN_UNKNOWN_DEVICE) {
        return r;
    }
    if (!provision) {
        (void)snprintf(detail, SH_TWIN_DETAIL, "there is no device %.*s",
                       (int)(id.n > 100 ? 100 : id.n), id.p == NULL ? "" : id.p);
        return r;
    }
    if (!twin_id_ok(id) || nlabels > SH_TWIN_MAX_LABELS) {
        (void)snprintf(detail, SH_TWIN_DETAIL, "not a device id, or too many labels");
        return SH_TWIN_BAD_NAME;
    }
    json_t *doc = doc_of_labels(labels, nlabels, tagset);
    if (doc == NULL) {
        return SH_TWIN_NO_MEMORY;
    }
    sh_mutex_lock(&t->lock);
    r = look(t, tenant, id, tagset, detail); /* somebody may have been faster */
    const bool made = r == SH_TWIN_UNKNOWN_DEVICE;
    if (made) {
        r = make(t, tenant, id, doc);
    }
    sh_mutex_unlock(&t->lock);
    json_decref(doc);
    if (r == SH_TWIN_NO_MEMORY) {
        (void)snprintf(detail, SH_TWIN_DETAIL, "memory is short");
    } else if (r == SH_TWIN_LIMIT) {
        (void)snprintf(detail, SH_TWIN_DETAIL, "no room for more devices (%u)", t->o.max_devices);
    } else if (made) {
        twin_event(t, SH_EVENT_DEVICE_CHANGED, tenant, id, SH_STR("{\"change\":\"created\"}"));
    }
    return r;
}

sh_err sh_twin_device_labels(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                             struct sh_buf *out)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    const sh_err err =
        s == NULL ? SH_E_NOTFOUND : sh_buf_put_str(out, twin_dev_text(s->dev, TWIN_LABELS));
    sh_mutex_unlock(&t->lock);
    return err;
}

/* The record of a device that ensure made. */
static sh_err new_doc(const struct twin_dev *d, struct sh_buf *out)
{
    struct sh_jw w;
    sh_buf_clear(out);
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "labels");
    sh_jw_raw(&w, twin_dev_text(d, TWIN_LABELS));
    sh_jw_key(&w, "made");
    sh_jw_c(&w, "sample");
    if (d->tagset != 0) {
        sh_jw_key(&w, "tagset");
        sh_jw_u64(&w, d->tagset);
    }
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

static sh_err save_some(struct sh_twin *t, struct twin_dev **devs, size_t n)
{
    struct sh_record_tx *tx = NULL;
    struct sh_buf text;
    sh_buf_init(&text, t->env->alloc, TWIN_DOC_BYTES);
    sh_err err = sh_record_tx_new(t->o.record, SH_STR(""), &tx);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        err = new_doc(devs[i], &text);
        if (err == SH_OK) {
            const struct sh_record_put p = {.tenant = devs[i]->tenant,
                                            .type = SH_TWIN_KIND_DEVICE,
                                            .id = devs[i]->id,
                                            .doc = sh_buf_str(&text),
                                            .expect = SH_RECORD_ANY,
                                            .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
            err = sh_record_tx_put(tx, &p);
        }
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    sh_buf_fini(&text);
    return err;
}

sh_err twin_save_new(struct sh_twin *t)
{
    sh_err err = SH_OK;
    size_t n = 1;
    while (n > 0 && err == SH_OK) {
        struct twin_dev *devs[TWIN_TX_ROWS];
        n = 0;
        sh_mutex_lock(&t->lock);
        for (struct twin_slot *s = t->unsaved; s != NULL && n < TWIN_TX_ROWS; s = s->next_unsaved) {
            s->dev->refs++;
            devs[n++] = s->dev;
        }
        sh_mutex_unlock(&t->lock);
        if (n > 0) {
            err = save_some(t, devs, n);
        }
        /* Only `write`'s holder removes devices, so the first n are still the same or behind new
         * ones. */
        sh_mutex_lock(&t->lock);
        struct twin_slot **p = &t->unsaved;
        size_t done = 0;
        for (size_t i = 0; i < n; i++) {
            devs[i]->slot->unsaved = err != SH_OK;
            twin_dev_unref(t, devs[i]);
        }
        while (err == SH_OK && done < n && *p != NULL) {
            struct twin_slot *s = *p;
            if (s->unsaved) {
                p = &s->next_unsaved;
            } else {
                *p = s->next_unsaved;
                s->next_unsaved = NULL;
                done++;
            }
        }
        sh_mutex_unlock(&t->lock);
    }
    return err;
}

/* Points that stand under an earlier name of their device (a crash came within a renaming). */
static void follow(struct sh_twin *t, const struct sh_point *p)
{
    char now[SH_TWIN_MAX_ID];
    const struct sh_str to = {now, sh_twin_device_present(t, p->tenant, p->device, now)};
    if (to.n == 0 || sh_str_eq(to, p->device) ||
        sh_points_of_device(t->o.points, p->tenant, p->device, NULL, 0) == 0) {
        return;
    }
    const sh_err err = sh_points_rename_device(t->o.points, p->tenant, p->device, to);
    if (err != SH_OK) {
        sh_log(t->env->log, SH_LOG_WARN, "twin",
               "points stay under the name that device %.*s had before: %s", SH_PRI(to),
               sh_err_name(err));
    }
}

void twin_devices_adopt(struct sh_twin *t)
{
    char detail[SH_TWIN_DETAIL];
    const uint32_t last = t->o.points == NULL ? 0 : sh_points_last_id(t->o.points);
    const struct sh_point *made = NULL; /* its device is there: mostly the next one's too */
    for (uint32_t id = 1; id <= last && id != 0; id++) {
        const struct sh_point *p = sh_points_get(t->o.points, id);
        if (p == NULL || p->device.n == 0 ||
            (made != NULL && p->tenant == made->tenant && sh_str_eq(p->device, made->device))) {
            continue;
        }
        if (sh_twin_device_known(t, p->tenant, p->device)) {
            follow(t, p);
            made = p;
            continue;
        }
        if (sh_points_find(t->o.points, p->tenant, p->device, p->property) != id) {
            continue;
        }
        if (sh_twin_device_ensure(t, p->tenant, p->device, NULL, 0, true, detail) == SH_TWIN_OK) {
            made = p;
        } else {
            sh_log(t->env->log, SH_LOG_WARN, "twin",
                   "device %.*s has points but cannot be made: %s", SH_PRI(p->device), detail);
        }
    }
}

/* ------------------------------------------------------------------ by hand */

sh_err twin_device_refs(struct sh_twin *t, uint32_t tenant, const json_t *doc, struct sh_diag *diag)
{
    const struct sh_str thing = sh_json_get_str(doc, "thing");
    const struct sh_str asset = sh_json_get_str(doc, "asset");
    sh_err err = SH_OK;
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    if (thing.n > 0 && twin_thing_find(t, tenant, thing) == NULL) {
        sh_diag_at(diag, SH_STR("/thing"), 0);
        sh_diag_set(diag, "there is no thing model %.*s", SH_PRI(thing));
        err = SH_E_INVAL;
    } else if (asset.n > 0 && (tt == NULL || sh_map_get(&tt->assets, asset) == NULL)) {
        sh_diag_at(diag, SH_STR("/asset"), 0);
        sh_diag_set(diag, "there is no asset %.*s", SH_PRI(asset));
        err = SH_E_INVAL;
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

/* Our own members of the stored document go over into the new one; a body cannot set them. */
static sh_err keep_own(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t *doc)
{
    json_t *old = NULL;
    sh_err err = twin_doc_get(t, tenant, SH_TWIN_KIND_DEVICE, id, &old, NULL);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return err;
    }
    err = SH_OK;
    for (size_t i = 0; i < sizeof own_members / sizeof own_members[0] && err == SH_OK; i++) {
        json_t *v = json_object_get(old, own_members[i]);
        if (v == NULL) {
            (void)json_object_del(doc, own_members[i]);
        } else if (json_object_set(doc, own_members[i], v) != 0) {
            err = SH_E_NOMEM;
        }
    }
    json_decref(old);
    return err;
}

sh_err twin_device_doc(struct sh_twin *t, uint32_t tenant, struct sh_str id, enum sh_twin_put how,
                       const json_t *body, json_t **doc, uint64_t *rev, struct sh_diag *diag)
{
    static const char *const nullable[] = {
        "thing",     "asset",    "description", "driver",     "location",
        "period_ms", "archived", "data_class",  "data_level", "point_classes"};
    json_t *d = NULL;
    if (!twin_id_ok(id)) {
        sh_diag_at(diag, SH_STR("/id"), 0);
        sh_diag_set(diag, "not an id: 1 to %d bytes without control characters", SH_TWIN_MAX_ID);
        return SH_E_INVAL;
    }
    if (!json_is_object(body)) {
        sh_diag_set(diag, "a device is a JSON object");
        return SH_E_INVAL;
    }
    SH_TRY(twin_doc_base(t, tenant, SH_TWIN_KIND_DEVICE, id, how, body, &d, rev));
    for (size_t i = 0; i < sizeof own_members / sizeof own_members[0]; i++) {
        (void)json_object_del(d, own_members[i]);
    }
    for (size_t i = 0; i < sizeof answer_members / sizeof answer_members[0]; i++) {
        (void)json_object_del(d, answer_members[i]);
    }
    for (size_t i = 0; i < sizeof nullable / sizeof nullable[0]; i++) {
        if (json_is_null(json_object_get(d, nullable[i]))) {
            (void)json_object_del(d, nullable[i]);
        }
    }
    sh_err err = sh_schema_check_diag(t->device_schema, d, diag);
    if (json_is_false(json_object_get(d, "archived"))) {
        (void)json_object_del(d, "archived");
    }
    if (err == SH_OK) {
        err = keep_own(t, tenant, id, d);
    }
    if (err == SH_OK) {
        err = twin_device_refs(t, tenant, d, diag);
    }
    if (err == SH_OK && json_object_size(json_object_get(d, "labels")) > SH_TWIN_MAX_LABELS) {
        sh_diag_at(diag, SH_STR("/labels"), 0);
        sh_diag_set(diag, "more than %d labels", SH_TWIN_MAX_LABELS);
        err = SH_E_INVAL;
    }
    if (err != SH_OK) {
        json_decref(d);
        return err;
    }
    *doc = d;
    return SH_OK;
}

sh_err sh_twin_device_check(struct sh_twin *t, uint32_t tenant, const json_t *body,
                            struct sh_diag *diag)
{
    json_t *doc = NULL;
    uint64_t rev = 0;
    sh_mutex_lock(&t->write);
    const sh_err err =
        twin_device_doc(t, tenant, SH_STR("-"), SH_TWIN_CREATE, body, &doc, &rev, diag);
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    return err;
}

void twin_device_stored(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc)
{
    const struct sh_str thing = sh_json_get_str(doc, "thing");
    const sh_err err = remember(t, twin_dev_new(t, tenant, id, doc), doc);
    if (err != SH_OK) {
        sh_log(t->env->log, SH_LOG_ERROR, "twin", "device %.*s is stored but not in memory: %s",
               SH_PRI(id), sh_err_name(err));
        return;
    }
    sh_mutex_lock(&t->lock);
    struct twin_thing *m = thing.n == 0 ? NULL : twin_thing_find(t, tenant, thing);
    if (m != NULL) {
        m->refs++;
    }
    sh_mutex_unlock(&t->lock);
    if (m != NULL) {
        twin_apply_model(t, tenant, id, m, false);
        sh_mutex_lock(&t->lock);
        twin_thing_unref(t, m);
        sh_mutex_unlock(&t->lock);
    }
    twin_class_device(t, tenant, id);
    twin_event(t, SH_EVENT_DEVICE_CHANGED, tenant, id, SH_STR("{\"change\":\"stored\"}"));
}

static bool full(struct sh_twin *t)
{
    sh_mutex_lock(&t->lock);
    const bool is = t->live >= t->o.max_devices;
    sh_mutex_unlock(&t->lock);
    return is;
}

sh_err sh_twin_device_put(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                          enum sh_twin_put how, const json_t *body, uint64_t expect,
                          struct sh_str author, uint64_t *rev, struct sh_diag *diag)
{
    const struct sh_twin_device_change c = {
        .tenant = tenant, .id = id, .how = how, .body = body, .expect = expect, .author = author};
    return sh_twin_device_put_within(t, &c, rev, diag);
}

sh_err sh_twin_device_put_within(struct sh_twin *t, const struct sh_twin_device_change *c,
                                 uint64_t *rev, struct sh_diag *diag)
{
    json_t *doc = NULL;
    uint64_t old = 0;
    const bool fresh = c->how == SH_TWIN_CREATE;
    sh_mutex_lock(&t->write);
    sh_err err = twin_save_new(t);
    if (err == SH_OK && fresh && full(t)) {
        err = SH_E_LIMIT;
    }
    if (err == SH_OK && fresh && sh_twin_device_known(t, c->tenant, c->id)) {
        err = SH_E_EXISTS; /* also when it is the old id of another */
    }
    if (err == SH_OK) {
        err = twin_device_doc(t, c->tenant, c->id, c->how, c->body, &doc, &old, diag);
    }
    if (err == SH_OK) {
        err = twin_doc_within(t, c->tenant, doc, c->parts, diag);
    }
    if (err == SH_OK && !c->lower) {
        err = twin_class_kept(t, c->tenant, c->id, doc, diag);
    }
    if (err == SH_OK) {
        err = twin_units_kept(t, c->tenant, c->id, sh_json_get_str(doc, "thing"),
                              c->units_corrected, c->reread, diag);
    }
    if (err == SH_OK) {
        err = twin_doc_put(t, c->tenant, SH_TWIN_KIND_DEVICE, c->id, doc,
                           c->expect == SH_RECORD_ANY ? old : c->expect, c->author, rev);
    }
    if (err == SH_OK) {
        twin_device_stored(t, c->tenant, c->id, doc);
    }
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    return err;
}

const struct sh_str twin_beside[TWIN_BESIDE] = {
    {"_device_state", 13}, {"_device_write", 13}, {"_device_attr", 12}};

sh_err twin_device_gone(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    sh_err err = SH_OK;
    if (t->o.points != NULL) {
        const sh_err gone = sh_points_remove_device(t->o.points, tenant, id);
        err = gone == SH_E_NOTFOUND ? SH_OK : gone;
    }
    sh_mutex_lock(&t->lock);
    struct twin_slot *s = twin_find(t, tenant, id);
    if (s != NULL) {
        twin_index_remove(t, s);
    }
    sh_mutex_unlock(&t->lock);
    twin_event(t, SH_EVENT_DEVICE_CHANGED, tenant, id, SH_STR("{\"change\":\"removed\"}"));
    return err;
}

sh_err sh_twin_device_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t expect,
                             struct sh_str author)
{
    sh_mutex_lock(&t->write);
    sh_err err = twin_save_new(t);
    if (err == SH_OK) {
        err = sh_record_delete(t->o.record, tenant, SH_TWIN_KIND_DEVICE, id, expect, author);
    }
    for (size_t i = 0; i < TWIN_BESIDE && err == SH_OK; i++) {
        err = sh_record_delete(t->o.record, tenant, twin_beside[i], id, SH_RECORD_ANY, author);
        err = err == SH_E_NOTFOUND ? SH_OK : err;
    }
    if (err == SH_OK) {
        err = twin_device_gone(t, tenant, id);
    }
    sh_mutex_unlock(&t->write);
    return err;
}

/* ------------------------------------------------------------------ rename, replace */

static sh_err add_alias(json_t *doc, struct sh_str old)
{
    json_t *list = json_object_get(doc, "aliases");
    if (list == NULL) {
        if (json_object_set_new(doc, "aliases", json_array()) != 0) {
            return SH_E_NOMEM;
        }
        list = json_object_get(doc, "aliases");
    }
    if (json_array_size(list) >= TWIN_MAX_ALIASES) {
        (void)json_array_remove(list, 0);
    }
    return json_array_append_new(list, json_stringn(old.p, old.n)) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err move_doc(struct sh_twin *t, struct sh_record_tx *tx, uint32_t tenant,
                       struct sh_str kind, struct sh_str to, const json_t *doc, uint64_t expect)
{
    struct sh_buf text;
    sh_buf_init(&text, t->env->alloc, (size_t)TWIN_DOC_BYTES * 2);
    sh_err err = twin_doc_text(doc, &text);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = tenant,
                                        .type = kind,
                                        .id = to,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect,
                                        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
        err = sh_record_tx_put(tx, &p);
    }
    sh_buf_fini(&text);
    return err;
}

/* Attributes, write grant and state follow the device. */
static sh_err move_beside(struct sh_twin *t, struct sh_record_tx *tx, uint32_t tenant,
                          struct sh_str id, struct sh_str to)
{
    for (size_t i = 0; i < TWIN_BESIDE; i++) {
        json_t *doc = NULL;
        sh_err err = twin_doc_get(t, tenant, twin_beside[i], id, &doc, NULL);
        if (err == SH_E_NOTFOUND) {
            continue;
        }
        if (err == SH_OK) {
            err = move_doc(t, tx, tenant, twin_beside[i], to, doc, SH_RECORD_ANY);
        }
        json_decref(doc);
        if (err == SH_OK) {
            err = sh_record_tx_delete(tx, tenant, twin_beside[i], id, SH_RECORD_ANY);
        }
        SH_TRY(err);
    }
    return SH_OK;
}

/* All that the store has under the id goes over in one transaction, the relations of others to it
 * as well. */
static sh_err move_records(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str to,
                           const json_t *doc, struct sh_str author)
{
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_tx_new(t->o.record, author, &tx));
    sh_err err = move_doc(t, tx, tenant, SH_TWIN_KIND_DEVICE, to, doc, 0);
    if (err == SH_OK) {
        err = sh_record_tx_relink(tx, tenant, SH_TWIN_KIND_DEVICE, id, to);
    }
    if (err == SH_OK) {
        err = sh_record_tx_delete(tx, tenant, SH_TWIN_KIND_DEVICE, id, SH_RECORD_ANY);
    }
    if (err == SH_OK) {
        err = move_beside(t, tx, tenant, id, to);
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    return err;
}

/* State, grant and links of the old slot go over to the new one. */
static sh_err move_memory(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str to,
                          const json_t *doc)
{
    struct twin_dev *d = twin_dev_new(t, tenant, to, doc);
    struct twin_slot *s = NULL;
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->lock);
    struct twin_slot *old = twin_find(t, tenant, id);
    struct twin_slot keep = {.dev = NULL};
    if (old != NULL) {
        keep.state = old->state;
        keep.since_us = old->since_us;
        keep.write_until_us = old->write_until_us;
        keep.links[0] = old->links[0];
        keep.links[1] = old->links[1];
        atomic_init(&keep.last_us, atomic_load(&old->last_us));
        twin_index_remove(t, old);
    }
    sh_err err = twin_index_put(t, d, &s);
    if (err == SH_OK) {
        twin_count(t, s, -1);
        s->state = keep.state;
        s->since_us = keep.since_us;
        s->write_until_us = keep.write_until_us;
        s->links[0] = keep.links[0];
        s->links[1] = keep.links[1];
        atomic_store(&s->last_us, atomic_load(&keep.last_us));
        atomic_store(&s->last_mono, sh_mono_us(t->env->clock));
        atomic_store(&s->online, keep.state == SH_TWIN_ONLINE);
        twin_count(t, s, 1);
        twin_state_mark(t, s);
        err = load_aliases(t, s, doc);
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

/* Adds an entry to a list of what happened to the device: the last ones stay. mark is taken over
 * and may be NULL (no memory). */
static sh_err note_add(json_t *doc, const char *member, json_t *mark)
{
    json_t *list = json_object_get(doc, member);
    if (list == NULL) {
        (void)json_object_set_new(doc, member, json_array());
        list = json_object_get(doc, member);
    }
    if (json_array_size(list) >= TWIN_MAX_REPLACED) {
        (void)json_array_remove(list, 0);
    }
    return json_array_append_new(list, mark) == 0 ? SH_OK : SH_E_NOMEM;
}

/* {"time","by",`member`:text} */
static json_t *note_make(struct sh_twin *t, struct sh_str author, const char *member,
                         struct sh_str text)
{
    char when[SH_TIME_CHARS];
    const size_t n = sh_time_print(sh_wall_us(t->env->clock), when);
    return json_pack("{s:s%,s:s%,s:s%}", "time", when, n, "by", author.p == NULL ? "" : author.p,
                     author.n, member, text.p == NULL ? "" : text.p, text.n);
}

static sh_err rename_locked(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str to,
                            struct sh_str author)
{
    json_t *doc = NULL;
    sh_err err = twin_save_new(t);
    if (err == SH_OK) {
        err = twin_doc_get(t, tenant, SH_TWIN_KIND_DEVICE, id, &doc, NULL);
    }
    if (err == SH_OK) {
        err = add_alias(doc, id);
    }
    if (err == SH_OK) {
        err = note_add(doc, "renamed", note_make(t, author, "from", id));
    }
    if (err == SH_OK) {
        err = move_records(t, tenant, id, to, doc, author);
    }
    if (err == SH_OK) {
        err = twin_files_rename(t, tenant, id, to, author);
    }
    if (err == SH_OK && t->o.points != NULL) {
        const sh_err moved = sh_points_rename_device(t->o.points, tenant, id, to);
        err = moved == SH_E_NOTFOUND ? SH_OK : moved;
    }
    if (err == SH_OK) {
        err = move_memory(t, tenant, id, to, doc);
    }
    if (err == SH_OK) {
        twin_class_device(t, tenant, to);
    }
    json_decref(doc);
    return err;
}

sh_err sh_twin_device_rename(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str to,
                             struct sh_str author, struct sh_diag *diag)
{
    if (!twin_id_ok(to)) {
        sh_diag_at(diag, SH_STR("/to"), 0);
        sh_diag_set(diag, "not an id: 1 to %d bytes without control characters", SH_TWIN_MAX_ID);
        return SH_E_INVAL;
    }
    sh_mutex_lock(&t->write);
    sh_err err = SH_OK;
    if (sh_twin_device_known(t, tenant, to)) {
        sh_diag_at(diag, SH_STR("/to"), 0);
        sh_diag_set(diag, "there is a device of that id, or one had it before");
        err = SH_E_EXISTS;
    }
    if (err == SH_OK) {
        err = rename_locked(t, tenant, id, to, author);
    }
    sh_mutex_unlock(&t->write);
    if (err == SH_OK) {
        twin_event(t, SH_EVENT_DEVICE_CHANGED, tenant, to, SH_STR("{\"change\":\"renamed\"}"));
    }
    return err;
}

sh_err sh_twin_device_replace(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                              struct sh_str note, struct sh_str author)
{
    json_t *doc = NULL;
    if (note.n > 1000 || !sh_utf8_valid(note)) {
        return SH_E_INVAL;
    }
    sh_mutex_lock(&t->write);
    sh_err err = twin_save_new(t);
    if (err == SH_OK) {
        err = twin_doc_get(t, tenant, SH_TWIN_KIND_DEVICE, id, &doc, NULL);
    }
    if (err == SH_OK) {
        err = note_add(doc, "replaced", note_make(t, author, "note", note));
        (void)json_object_del(doc, "tagset");
    }
    if (err == SH_OK) {
        err = twin_doc_put(t, tenant, SH_TWIN_KIND_DEVICE, id, doc, SH_RECORD_ANY, author, NULL);
    }
    if (err == SH_OK) {
        twin_device_stored(t, tenant, id, doc);
    }
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    return err;
}

/* ------------------------------------------------------------------ reading */

bool sh_twin_device_known(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    sh_mutex_lock(&t->lock);
    const bool known = twin_find(t, tenant, id) != NULL;
    sh_mutex_unlock(&t->lock);
    return known;
}

bool sh_twin_device_same(struct sh_twin *t, uint32_t tenant, struct sh_str a, struct sh_str b)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, a);
    const bool same = s != NULL && s == twin_find(t, tenant, b);
    sh_mutex_unlock(&t->lock);
    return same;
}

size_t sh_twin_device_present(struct sh_twin *t, uint32_t tenant, struct sh_str name,
                              char out[SH_TWIN_MAX_ID])
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, name);
    const size_t n = s == NULL ? 0 : s->dev->id.n;
    memcpy(out, n == 0 ? "" : s->dev->id.p, n);
    sh_mutex_unlock(&t->lock);
    return n;
}

bool sh_twin_device_archived(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    const bool archived = s != NULL && s->dev != NULL && s->dev->archived;
    sh_mutex_unlock(&t->lock);
    return archived;
}

static void write_members(struct sh_jw *w, json_t *doc)
{
    static const char *const members[] = {"description", "location",   "driver",
                                          "period_ms",   "replaced",   "renamed",
                                          "data_class",  "data_level", "point_classes"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const json_t *v = json_object_get(doc, members[i]);
        if (v != NULL) {
            sh_jw_key(w, members[i]);
            sh_jw_json(w, v);
        }
    }
    sh_jw_key(w, "aliases");
    if (json_object_get(doc, "aliases") != NULL) {
        sh_jw_json(w, json_object_get(doc, "aliases"));
    } else {
        sh_jw_arr(w);
        sh_jw_arr_end(w);
    }
}

sh_err sh_twin_device_write(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_jw *w,
                            uint64_t *rev)
{
    struct sh_twin_device row = {.tenant = tenant};
    struct sh_record_row meta = {.rev = 0};
    json_t *doc = NULL;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, TWIN_ARENA_BYTES);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    sh_err err = s == NULL ? SH_E_NOTFOUND : twin_row(t, s, ar, &row);
    const int64_t until = s == NULL ? 0 : s->write_until_us;
    const bool writable = until > sh_wall_us(t->env->clock);
    const struct twin_thing *m =
        s == NULL ? NULL : twin_thing_find(t, tenant, twin_dev_text(s->dev, TWIN_THING));
    const uint64_t model = m == NULL ? 0 : m->rev;
    sh_mutex_unlock(&t->lock);
    if (err == SH_OK) {
        err = twin_doc_get(t, tenant, SH_TWIN_KIND_DEVICE, row.id, &doc, &meta);
        if (err == SH_E_NOTFOUND) { /* made a moment ago, stored by the next tick */
            doc = json_object();
            err = doc == NULL ? SH_E_NOMEM : SH_OK;
            meta.created_us = sh_wall_us(t->env->clock);
        }
    }
    if (err == SH_OK) {
        if (t->o.points != NULL) {
            row.points = sh_points_of_device(t->o.points, tenant, row.id, NULL, 0);
        }
        sh_jw_obj(w);
        sh_twin_summary_write(&row, w);
        write_members(w, doc);
        sh_jw_key(w, "effective_class"); /* of what says nothing itself */
        sh_jw_obj(w);
        sh_data_class_write(sh_twin_class(t, tenant, row.id, SH_STR("")), w);
        sh_jw_obj_end(w);
        sh_jw_key(w, "thing_revision");
        if (model == 0) {
            sh_jw_null(w);
        } else {
            sh_jw_u64(w, model);
        }
        sh_jw_key(w, "write_enabled");
        sh_jw_bool(w, writable);
        if (writable) {
            sh_jw_key(w, "write_until");
            sh_jw_time(w, until);
        }
        sh_jw_key(w, "created");
        sh_jw_time(w, meta.created_us);
        sh_jw_key(w, "revision");
        sh_jw_u64(w, meta.rev);
        sh_jw_obj_end(w);
        if (rev != NULL) {
            *rev = meta.rev;
        }
    }
    json_decref(doc);
    sh_arena_free(ar);
    return err;
}

static sh_err marks_add(json_t *out, const json_t *doc, const char *member)
{
    const json_t *list = json_object_get(doc, member);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *mark = json_copy(json_array_get(list, i));
        if (mark == NULL || json_object_set_new(mark, "kind", json_string(member)) != 0 ||
            json_array_append(out, mark) != 0) {
            json_decref(mark);
            return SH_E_NOMEM;
        }
        json_decref(mark);
    }
    return SH_OK;
}

sh_err sh_twin_device_marks(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t **out)
{
    json_t *doc = NULL;
    json_t *marks = json_array();
    sh_err err = marks == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK) {
        err = twin_doc_get(t, tenant, SH_TWIN_KIND_DEVICE, id, &doc, NULL);
    }
    err = err == SH_OK ? marks_add(marks, doc, "replaced") : err;
    err = err == SH_OK ? marks_add(marks, doc, "renamed") : err;
    json_decref(doc);
    if (err != SH_OK) {
        json_decref(marks);
        return err;
    }
    *out = marks;
    return SH_OK;
}
