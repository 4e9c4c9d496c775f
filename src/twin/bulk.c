/* bulk.c - one change of many devices, and deletion of many. Devices found by a filter are read by
 * id, page by page, so that a change that takes a device out of the filter moves no other. What is
 * refused is told and stops nothing. SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

enum { PAGE_ARENA = 8 << 20, PAGE_ROWS = TWIN_TX_ROWS, NEXT_MAX = 4096 };

static const char *const members[] = {"labels", "thing", "asset", "archived"};
enum { MEMBERS = 4 };

struct changed {
    struct sh_str id; /* borrowed of the page, or of the caller's ids */
    json_t *doc;      /* NULL: deleted */
};

struct bulk {
    struct sh_twin *t;
    const struct sh_twin_bulk *b;
    uint32_t tenant;
    struct twin_picker picker;
    struct sh_buf refused; /* the list's members */
    struct sh_jw w;
    struct sh_buf text;
    json_t *undo; /* change as text -> array of ids; NULL: too many, or a deletion */
    struct sh_record_tx *tx;
    struct changed rows[TWIN_TX_ROWS];
    size_t n;
    struct sh_twin_bulk_result r;
    char next[NEXT_MAX];
    size_t nnext;
};

static void refuse(struct bulk *m, struct sh_str id, const char *code, const char *detail)
{
    if (m->r.refused++ >= SH_TWIN_BULK_REFUSED) {
        return;
    }
    sh_jw_obj(&m->w);
    sh_jw_key(&m->w, "id");
    sh_jw_str(&m->w, id);
    sh_jw_key(&m->w, "code");
    sh_jw_c(&m->w, code);
    sh_jw_key(&m->w, "detail");
    sh_jw_c(&m->w, detail);
    sh_jw_obj_end(&m->w);
}

/* ------------------------------------------------------------------ the change */

/* Only what may be the same in many; labels that are taken away are not checked. */
static sh_err check_change(struct bulk *m, struct sh_diag *diag)
{
    const json_t *change = m->b->change;
    size_t known = 0;
    if (change == NULL) {
        return SH_OK;
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        known += json_object_get(change, members[i]) != NULL ? 1 : 0;
    }
    if (!json_is_object(change) || known == 0 || known != json_object_size(change)) {
        sh_diag_at(diag, SH_STR("/change"), 0);
        sh_diag_set(diag, "change is an object of labels, thing, asset or archived");
        return SH_E_INVAL;
    }
    json_t *doc = json_object();
    sh_err err = doc == NULL ? SH_E_NOMEM : twin_merge_patch(doc, change);
    if (err == SH_OK) {
        err = sh_schema_check_diag(m->t->device_schema, doc, diag);
    }
    if (err == SH_OK) {
        err = twin_device_refs(m->t, m->tenant, doc, diag);
    }
    json_decref(doc);
    return err;
}

/* The change that makes a document with `change` be as it was before. */
static json_t *way_back(const json_t *change, const json_t *old)
{
    json_t *back = json_object();
    for (size_t i = 0; i < MEMBERS && back != NULL; i++) {
        json_t *to = json_object_get(change, members[i]);
        json_t *was = json_object_get(old, members[i]);
        if (to == NULL) {
            continue;
        }
        if (!json_is_object(to)) {
            (void)json_object_set_new(back, members[i],
                                      was == NULL ? json_null() : json_incref(was));
            continue;
        }
        json_t *labels = json_object();
        for (void *it = json_object_iter(to); it != NULL; it = json_object_iter_next(to, it)) {
            const char *key = json_object_iter_key(it);
            json_t *v = json_object_get(was, key);
            (void)json_object_set_new(labels, key, v == NULL ? json_null() : json_incref(v));
        }
        (void)json_object_set_new(back, members[i], labels);
    }
    return back;
}

static sh_err note_undo(struct bulk *m, struct sh_str id, const json_t *old)
{
    if (m->undo == NULL) {
        return SH_OK;
    }
    if (m->r.changed + m->n >= SH_TWIN_BULK_UNDO) {
        json_decref(m->undo);
        m->undo = NULL;
        return SH_OK;
    }
    json_t *back = way_back(m->b->change, old);
    sh_err err = back == NULL ? SH_E_NOMEM : twin_doc_text(back, &m->text);
    json_decref(back);
    SH_TRY(err);
    const struct sh_str key = sh_buf_str(&m->text);
    json_t *ids = json_object_getn(m->undo, key.p, key.n);
    if (ids == NULL) {
        ids = json_array();
        if (ids == NULL || json_object_setn_new(m->undo, key.p, key.n, ids) != 0) {
            return SH_E_NOMEM;
        }
    }
    return json_array_append_new(ids, json_stringn(id.p, id.n)) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err add_row(struct bulk *m, struct sh_str id, json_t *doc)
{
    sh_err err = SH_OK;
    m->rows[m->n++] = (struct changed){.id = id, .doc = doc};
    if (m->tx == NULL) {
        err = sh_record_tx_new(m->t->o.record, m->b->author, &m->tx);
    }
    if (err == SH_OK && doc != NULL) {
        err = twin_doc_text(doc, &m->text);
    }
    if (err != SH_OK || doc == NULL) {
        return err;
    }
    const struct sh_record_put p = {.tenant = m->tenant,
                                    .type = SH_TWIN_KIND_DEVICE,
                                    .id = id,
                                    .doc = sh_buf_str(&m->text),
                                    .expect = SH_RECORD_ANY,
                                    .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
    return sh_record_tx_put(m->tx, &p);
}

static sh_err change_one(struct bulk *m, struct sh_str id)
{
    struct sh_diag diag = {.line = 0};
    json_t *old = NULL;
    json_t *doc = NULL;
    uint64_t rev = 0;
    struct sh_twin_reread reread = {.n = 0};
    sh_err err = twin_doc_get(m->t, m->tenant, SH_TWIN_KIND_DEVICE, id, &old, NULL);
    if (err == SH_OK) {
        err = twin_device_doc(m->t, m->tenant, id, SH_TWIN_PATCH, m->b->change, &doc, &rev, &diag);
    }
    if (err == SH_OK) {
        err = twin_doc_within(m->t, m->tenant, doc, m->b->pick.filter.parts, &diag);
    }
    if (err == SH_OK) {
        err = twin_class_kept(m->t, m->tenant, id, doc, &diag);
    }
    if (err == SH_OK) {
        err = twin_units_kept(m->t, m->tenant, id, sh_json_get_str(doc, "thing"),
                              m->b->units_corrected, &reread, &diag);
    }
    if (err == SH_E_DENIED) {
        refuse(m, id, "outside_part", diag.message);
        err = SH_OK;
    } else if (err == SH_E_NOTFOUND) {
        refuse(m, id, "not_found", "there is no such device");
        err = SH_OK;
    } else if (err == SH_E_INVAL || err == SH_E_STATE) {
        refuse(m, id, twin_code_of(err, &diag), diag.message);
        err = SH_OK;
    } else if (err == SH_OK && json_equal(old, doc) != 0) {
        m->r.unchanged++;
    } else if (err == SH_OK) {
        err = note_undo(m, id, old);
        if (err == SH_OK) {
            err = add_row(m, id, json_incref(doc));
        }
        m->r.reread += reread.n;
    }
    json_decref(old);
    json_decref(doc);
    return err;
}

static sh_err remove_one(struct bulk *m, struct sh_str id)
{
    SH_TRY(add_row(m, id, NULL));
    SH_TRY(sh_record_tx_delete(m->tx, m->tenant, SH_TWIN_KIND_DEVICE, id, SH_RECORD_ANY));
    for (size_t i = 0; i < TWIN_BESIDE; i++) {
        json_t *doc = NULL;
        const sh_err err = twin_doc_get(m->t, m->tenant, twin_beside[i], id, &doc, NULL);
        json_decref(doc);
        if (err == SH_OK) {
            SH_TRY(sh_record_tx_delete(m->tx, m->tenant, twin_beside[i], id, SH_RECORD_ANY));
        } else if (err != SH_E_NOTFOUND) {
            return err;
        }
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ in chunks */

static void drop_rows(struct bulk *m)
{
    sh_record_tx_free(m->tx);
    m->tx = NULL;
    for (size_t i = 0; i < m->n; i++) {
        json_decref(m->rows[i].doc);
    }
    m->n = 0;
}

/* Commits what is pending; memory follows. Under `write`. */
static sh_err flush(struct bulk *m)
{
    sh_err err = m->n == 0 ? SH_OK : sh_record_tx_commit(m->tx, NULL, NULL);
    for (size_t i = 0; i < m->n && err == SH_OK; i++) {
        const struct changed *c = &m->rows[i];
        m->r.changed++;
        if (c->doc != NULL) {
            twin_device_stored(m->t, m->tenant, c->id, c->doc);
            continue;
        }
        err = twin_device_gone(m->t, m->tenant, c->id);
        if (m->b->removed != NULL) {
            m->b->removed(m->b->ctx, c->id);
        }
    }
    drop_rows(m);
    return err;
}

/* True when the id is a device's own, not an alias. */
static bool own_id(struct bulk *m, struct sh_str id)
{
    sh_mutex_lock(&m->t->lock);
    const struct twin_slot *s = twin_find(m->t, m->tenant, id);
    const bool own = s != NULL && sh_str_eq(s->dev->id, id);
    sh_mutex_unlock(&m->t->lock);
    return own;
}

static sh_err do_some(struct bulk *m, const struct sh_str *ids, size_t n)
{
    sh_mutex_lock(&m->t->write);
    sh_err err = twin_save_new(m->t);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        if (!own_id(m, ids[i])) {
            refuse(m, ids[i], "not_found", "there is no such device");
        } else {
            err = m->b->remove ? remove_one(m, ids[i]) : change_one(m, ids[i]);
        }
    }
    if (err == SH_OK) {
        err = flush(m);
    } else {
        drop_rows(m);
    }
    sh_mutex_unlock(&m->t->write);
    return err;
}

/* A trial: whose kept values would be read in another unit. */
static void try_some(struct bulk *m, const struct sh_str *ids, size_t n)
{
    const struct sh_str thing = sh_json_get_str(m->b->change, "thing");
    for (size_t i = 0; i < n && thing.n > 0; i++) {
        struct sh_diag diag = {.line = 0};
        struct sh_twin_reread reread;
        const sh_err err =
            twin_units_kept(m->t, m->tenant, ids[i], thing, m->b->units_corrected, &reread, &diag);
        if (err != SH_OK) {
            refuse(m, ids[i], twin_code_of(err, &diag), diag.message);
        } else {
            m->r.reread += reread.n;
        }
    }
}

static sh_err take_some(struct bulk *m, const struct sh_str *ids, size_t n)
{
    if (m->b->dry_run) {
        try_some(m, ids, n);
        return SH_OK;
    }
    return n == 0 ? SH_OK : do_some(m, ids, n);
}

static bool meant(struct bulk *m, struct sh_str id)
{
    const struct sh_twin_pick *p = m->picker.pick;
    return json_object_getn(m->picker.except, id.p, id.n) == NULL &&
           (p->sees == NULL || p->sees(p->ctx, id));
}

/* Those that are asked for by id: each once. */
static sh_err by_ids(struct bulk *m)
{
    struct sh_str some[PAGE_ROWS];
    size_t n = 0;
    sh_err err = SH_OK;
    for (void *it = json_object_iter(m->picker.ids); it != NULL && err == SH_OK;
         it = json_object_iter_next(m->picker.ids, it)) {
        const struct sh_str id = {json_object_iter_key(it), json_object_iter_key_len(it)};
        if (json_object_getn(m->picker.except, id.p, id.n) != NULL) {
            continue;
        }
        if (!own_id(m, id) || !meant(m, id)) {
            refuse(m, id, "not_found", "there is no such device");
            continue;
        }
        m->r.matched++;
        some[n++] = id;
        if (n == PAGE_ROWS) {
            err = take_some(m, some, n);
            n = 0;
        }
    }
    return err != SH_OK ? err : take_some(m, some, n);
}

static sh_err one_page(struct bulk *m, struct sh_arena *ar, struct sh_twin_query *q,
                       uint64_t *looked, struct sh_diag *diag)
{
    struct sh_twin_page page;
    struct sh_str some[PAGE_ROWS];
    size_t n = 0;
    SH_TRY(sh_twin_devices(m->t, q, ar, &page, diag));
    for (size_t i = 0; i < page.n; i++) {
        if (meant(m, page.rows[i].id)) {
            some[n++] = page.rows[i].id;
        }
    }
    *looked += page.n;
    m->r.matched += n;
    m->nnext = page.next.n == 0 || page.next.n > sizeof m->next ? 0 : page.next.n;
    if (m->nnext > 0) {
        memcpy(m->next, page.next.p, m->nnext);
    } else if (page.next.n > 0) {
        return SH_E_LIMIT;
    }
    return take_some(m, some, n);
}

static sh_err by_filter(struct bulk *m, struct sh_diag *diag)
{
    struct sh_twin_query q = m->b->pick.filter;
    struct sh_arena *ar = sh_arena_new(m->t->env->alloc, PAGE_ARENA);
    const uint64_t limit = m->b->limit == 0 || m->b->dry_run ? UINT64_MAX : m->b->limit;
    uint64_t looked = 0;
    char at[sizeof m->next];
    bool more = true;
    sh_err err = ar == NULL ? SH_E_NOMEM : SH_OK;
    q.sort = SH_STR("id");
    q.cursor = m->b->cursor;
    q.want_total = false;
    while (err == SH_OK && more) {
        q.limit = (uint32_t)(limit - looked < PAGE_ROWS ? limit - looked : PAGE_ROWS);
        sh_arena_reset(ar);
        err = one_page(m, ar, &q, &looked, diag);
        memcpy(at, m->next, m->nnext);
        q.cursor = (struct sh_str){at, m->nnext};
        more = m->nnext > 0 && looked < limit;
    }
    sh_arena_free(ar);
    return err;
}

/* ------------------------------------------------------------------ the answer */

static void write_undo(struct bulk *m, struct sh_jw *w)
{
    sh_jw_key(w, "undo");
    if (m->undo == NULL) {
        sh_jw_null(w);
        return;
    }
    sh_jw_arr(w);
    for (void *it = json_object_iter(m->undo); it != NULL;
         it = json_object_iter_next(m->undo, it)) {
        sh_jw_obj(w);
        sh_jw_key(w, "ids");
        sh_jw_json(w, json_object_iter_value(it));
        sh_jw_key(w, "change");
        sh_jw_raw(w, (struct sh_str){json_object_iter_key(it), json_object_iter_key_len(it)});
        if (m->r.reread > 0) { /* what was corrected is put back the same way */
            sh_jw_key(w, "units");
            sh_jw_c(w, "corrected");
        }
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

static sh_err write_result(struct bulk *m, struct sh_jw *w)
{
    const struct sh_str next = {m->next, m->nnext};
    sh_jw_arr_end(&m->w);
    SH_TRY(sh_jw_end(&m->w));
    sh_jw_obj(w);
    sh_jw_key(w, "matched");
    sh_jw_u64(w, m->r.matched);
    sh_jw_key(w, "changed");
    sh_jw_u64(w, m->r.changed);
    sh_jw_key(w, "unchanged");
    sh_jw_u64(w, m->r.unchanged);
    sh_jw_key(w, "refused");
    sh_jw_raw(w, sh_buf_str(&m->refused));
    sh_jw_key(w, "refused_total");
    sh_jw_u64(w, m->r.refused);
    sh_jw_key(w, "units_corrected");
    sh_jw_u64(w, m->r.reread);
    write_undo(m, w);
    sh_jw_key(w, "next");
    if (next.n == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_str(w, next);
    }
    sh_jw_obj_end(w);
    return SH_OK;
}

static sh_err run(struct bulk *m, struct sh_jw *w, struct sh_diag *diag)
{
    const struct sh_twin_bulk *b = m->b;
    SH_TRY(check_change(m, diag));
    if (b->change == NULL && !b->remove && !b->dry_run) {
        sh_diag_at(diag, SH_STR("/change"), 0);
        sh_diag_set(diag, "what is to change is missing");
        return SH_E_INVAL;
    }
    SH_TRY(m->picker.ids != NULL ? by_ids(m) : by_filter(m, diag));
    return write_result(m, w);
}

sh_err sh_twin_devices_bulk(struct sh_twin *t, const struct sh_twin_bulk *b, struct sh_jw *w,
                            struct sh_twin_bulk_result *out, struct sh_diag *diag)
{
    struct bulk *m = sh_mem_new(t->env->alloc, sizeof *m);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    m->t = t;
    m->b = b;
    m->tenant = b->pick.filter.tenant;
    m->undo = b->remove ? NULL : json_object();
    sh_buf_init(&m->refused, t->env->alloc, 4 << 20);
    sh_buf_init(&m->text, t->env->alloc, (size_t)TWIN_DOC_BYTES * 2);
    sh_jw_init(&m->w, &m->refused);
    sh_jw_arr(&m->w);
    sh_err err = m->undo == NULL && !b->remove ? SH_E_NOMEM
                                               : twin_picker_init(t, &m->picker, &b->pick, diag);
    if (err == SH_OK) {
        err = run(m, w, diag);
        twin_picker_fini(&m->picker);
    }
    *out = m->r;
    drop_rows(m);
    json_decref(m->undo);
    sh_buf_fini(&m->text);
    sh_buf_fini(&m->refused);
    sh_mem_free(t->env->alloc, m);
    return err;
}
