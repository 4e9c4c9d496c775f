/* edits.c - corrections and deletions of samples: made, listed with who, when and why, withdrawn.
 *
 * History keeps what an edit does, under the number the journal gave it. Who, when and why is a
 * record of kind _edit with that number as id. As the number comes with the effect, the words are
 * stored before it under a name of their own (_edit_begun) and move to their place after it: a
 * crash in between leaves them where the list still finds them, by point and range.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "api_int.h"

#define EDIT SH_STR("_edit")
#define BEGUN SH_STR("_edit_begun")
enum { SAMPLES_MAX = 10000, SAMPLES_BYTES = 4 << 20, LISTED_MAX = 1 << 20, EDIT_ID_CHARS = 24 };

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

int api_need_reason(struct api_req *r, struct sh_str *reason)
{
    *reason = sh_str_trim(sh_json_get_str(r->body, "reason"));
    return reason->n > 0 ? 0
                         : bad(r, "a reason is needed: it is kept in the audit",
                               "需要填写原因（会记入审计）");
}

/* ---- doing it ---- */

struct waiter {
    struct sh_mutex lock;
    struct sh_cond cond;
    bool done;
    sh_err err;
    uint64_t seq;
};

static void edit_done(void *ctx, sh_err err, uint64_t seq)
{
    struct waiter *w = ctx;
    sh_mutex_lock(&w->lock);
    w->done = true;
    w->err = err;
    w->seq = seq;
    sh_cond_signal(&w->cond);
    sh_mutex_unlock(&w->lock);
}

static sh_err edit_and_wait(struct sh_api *a, const struct sh_history_edit *e, uint64_t *seq)
{
    struct waiter w = {.done = false};
    sh_mutex_init(&w.lock);
    sh_cond_init(&w.cond);
    sh_err err = sh_gate_edit(a->o.gate, e, edit_done, &w);
    if (err == SH_OK) {
        sh_mutex_lock(&w.lock);
        while (!w.done) {
            sh_cond_wait(&w.cond, &w.lock);
        }
        sh_mutex_unlock(&w.lock);
        err = w.err;
        *seq = w.seq;
    }
    sh_cond_fini(&w.cond);
    sh_mutex_fini(&w.lock);
    return err;
}

static const char *kind_name(enum sh_history_edit_kind k)
{
    return k == SH_EDIT_CORRECT ? "correction" : "deletion";
}

/* Who, when and why, as a member `name` of a record, or its members. */
static void put_words(struct api_req *r, struct sh_jw *w, struct sh_str reason)
{
    sh_jw_key(w, "by");
    sh_jw_str(w, api_author(r));
    sh_jw_key(w, "time");
    sh_jw_i64(w, sh_wall_us(r->api->env->clock));
    sh_jw_key(w, "reason");
    sh_jw_str(w, reason);
}

static sh_err words_of(struct api_req *r, const struct api_edit *e, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "kind");
    sh_jw_c(&w, kind_name(e->edit.kind));
    sh_jw_key(&w, "points");
    sh_jw_arr(&w);
    for (size_t i = 0; i < e->npoints; i++) {
        sh_jw_u64(&w, e->points[i]);
    }
    sh_jw_arr_end(&w);
    sh_jw_key(&w, "from");
    sh_jw_i64(&w, e->from_us);
    sh_jw_key(&w, "to");
    sh_jw_i64(&w, e->to_us);
    put_words(r, &w, e->reason);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

static struct sh_str id_of(uint64_t seq, char out[EDIT_ID_CHARS])
{
    const int n = snprintf(out, EDIT_ID_CHARS, "%020llu", (unsigned long long)seq);
    return sh_str_of(out, (size_t)n);
}

static sh_err words_begin(struct api_req *r, const struct sh_str id, struct sh_str doc)
{
    const struct sh_record_put p = {.tenant = r->tenant, .type = BEGUN, .id = id, .doc = doc};
    return sh_record_put(r->api->o.record, &p, api_author(r), NULL, NULL);
}

/* From their own name to the edit's number. */
static sh_err words_settle(struct api_req *r, struct sh_str begun, struct sh_str doc, uint64_t seq)
{
    char id[EDIT_ID_CHARS];
    struct sh_record_tx *tx = NULL;
    const struct sh_record_put p = {.tenant = r->tenant,
                                    .type = EDIT,
                                    .id = id_of(seq, id),
                                    .doc = doc,
                                    .expect = SH_RECORD_ANY};
    SH_TRY(sh_record_tx_new(r->api->o.record, api_author(r), &tx));
    sh_err err = sh_record_tx_put(tx, &p);
    if (err == SH_OK) {
        err = sh_record_tx_delete(tx, r->tenant, BEGUN, begun, SH_RECORD_ANY);
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    return err;
}

sh_err api_edit(struct api_req *r, const struct api_edit *e, uint64_t *id)
{
    char raw[SH_RECORD_ID_CHARS];
    struct sh_buf doc;
    SH_TRY(sh_record_id_new(r->api->env, raw));
    const struct sh_str begun = sh_str_of(raw, sizeof raw);
    sh_buf_init(&doc, r->api->env->alloc, 1 << 20);
    sh_err err = words_of(r, e, &doc);
    if (err == SH_OK) {
        err = words_begin(r, begun, sh_buf_str(&doc));
    }
    if (err == SH_OK) {
        err = edit_and_wait(r->api, &e->edit, id);
        const sh_err kept = err == SH_OK ? words_settle(r, begun, sh_buf_str(&doc), *id)
                                         : sh_record_delete(r->api->o.record, r->tenant, BEGUN,
                                                            begun, SH_RECORD_ANY, api_author(r));
        if (kept != SH_OK) { /* they stay where the list finds them */
            sh_log(r->api->env->log, SH_LOG_WARN, "api", "the words of an edit were not moved: %s",
                   sh_err_name(kept));
        }
    }
    if (err == SH_OK) {
        sh_gate_edited(r->api->o.gate, e->points, e->npoints);
    }
    sh_buf_fini(&doc);
    return err;
}

/* ---- corrections ---- */

static bool cell_of(const json_t *v, enum sh_type type, union sh_cell *out)
{
    out->bits = 0;
    if (type == SH_T_BOOL && json_is_boolean(v)) {
        out->bits = json_is_true(v) ? 1 : 0;
        return true;
    }
    if (type == SH_T_I64 && json_is_integer(v)) {
        out->i64 = json_integer_value(v);
        return true;
    }
    if (type == SH_T_F64 && json_is_number(v)) {
        out->f64 = json_number_value(v);
        return true;
    }
    return false;
}

static int correction_rows(struct api_req *r, struct api_edit *e, struct sh_batch_builder *b)
{
    const uint32_t id = e->points[0];
    const enum sh_type type = sh_points_get(r->api->o.points, id)->type;
    const json_t *list = json_object_get(r->body, "samples");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        const json_t *v = json_object_get(s, "value");
        union sh_cell cell;
        int64_t at = 0;
        if (!api_time(json_object_get(s, "time"), &at)) {
            return bad(r, "a sample's time is missing or not valid", "样本时间缺失或无效");
        }
        sh_err err = SH_E_INVAL;
        if (type == SH_T_TEXT && json_is_string(v)) {
            const struct sh_bytes t = sh_bytes_of(json_string_value(v), json_string_length(v));
            err = sh_batch_add_bytes(b, id, at, type, t, SH_Q_GOOD_OVERRIDE);
        } else if (cell_of(v, type, &cell)) {
            err = sh_batch_add(b, id, at, type, cell, SH_Q_GOOD_OVERRIDE);
        }
        if (err == SH_E_INVAL) {
            return bad(r, "a sample's value does not fit the point's type", "样本值与点位类型不符");
        }
        if (err != SH_OK) {
            return api_error(r, err, NULL);
        }
        e->from_us = i == 0 || at < e->from_us ? at : e->from_us;
        e->to_us = i == 0 || at > e->to_us ? at : e->to_us;
    }
    return b->view.len > 0 ? 0 : bad(r, "samples is empty", "samples 为空");
}

int api_history_correct(struct api_req *r)
{
    int status = 0;
    uint64_t seq = 0;
    const struct sh_str name = sh_json_get_str(r->body, "point");
    const uint32_t id = api_point(r, name, &status);
    struct api_edit e = {.points = &id, .npoints = 1};
    status = status != 0 ? status : api_need_reason(r, &e.reason);
    if (status != 0) {
        return status;
    }
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, r->api->env->alloc, SAMPLES_MAX, SAMPLES_BYTES);
    status = correction_rows(r, &e, &b);
    if (status == 0) {
        e.edit =
            (struct sh_history_edit){.kind = SH_EDIT_CORRECT, .rows = &b.view, .tenant = r->tenant};
        const sh_err err = api_edit(r, &e, &seq);
        status = err == SH_OK ? 200 : api_error(r, err, NULL);
    }
    if (status == 200) {
        api_audit(r, "history.corrected", name, "ok", e.reason);
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "corrected");
        sh_jw_u64(&r->w, b.view.len);
        sh_jw_key(&r->w, "edit");
        sh_jw_u64(&r->w, seq);
        sh_jw_obj_end(&r->w);
    }
    sh_batch_builder_fini(&b);
    return status;
}

/* ---- the list ---- */

/* The edits of one point, a row for each sample first, then one for each edit. */
struct listed {
    const struct sh_alloc *alloc;
    uint32_t tenant;
    struct listed_edit {
        uint64_t id;
        enum sh_history_edit_kind kind;
        int64_t from_us;
        int64_t to_us;
        uint32_t samples;
    } * rows;
    size_t n;
    size_t cap;
};

static sh_err take(void *ctx, const struct sh_history_edit_info *e)
{
    struct listed *l = ctx;
    if (e->tenant != l->tenant) {
        return SH_OK;
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        void *p = cap > LISTED_MAX ? NULL : sh_mem_resize(l->alloc, l->rows, cap * sizeof *l->rows);
        if (p == NULL) {
            return SH_E_LIMIT;
        }
        l->rows = p;
        l->cap = cap;
    }
    l->rows[l->n++] = (struct listed_edit){e->id, e->kind, e->from_us, e->to_us, 1};
    return SH_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct listed_edit *x = a;
    const struct listed_edit *y = b;
    return x->id == y->id ? 0 : (x->id > y->id ? -1 : 1);
}

static void merge(struct listed *l)
{
    size_t k = 0;
    if (l->n > 1) {
        qsort(l->rows, l->n, sizeof *l->rows, newest_first);
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct listed_edit *e = &l->rows[i];
        struct listed_edit *last = k == 0 ? NULL : &l->rows[k - 1];
        if (last == NULL || last->id != e->id) {
            l->rows[k++] = *e;
            continue;
        }
        last->from_us = e->from_us < last->from_us ? e->from_us : last->from_us;
        last->to_us = e->to_us > last->to_us ? e->to_us : last->to_us;
        last->samples++;
    }
    l->n = k;
}

/* Words that a crash left under their own name: those of the same act. */
struct search {
    struct api_req *r;
    const struct listed_edit *e;
    uint32_t point;
    json_t *found;
};

static sh_err compare(void *ctx, const struct sh_record_row *row)
{
    struct search *s = ctx;
    json_t *doc = NULL;
    if (s->found != NULL || sh_json_parse(row->doc, row->doc.n, &doc, NULL) != SH_OK) {
        return SH_OK;
    }
    bool same = sh_str_eqc(sh_json_get_str(doc, "kind"), kind_name(s->e->kind)) &&
                sh_json_get_i64(doc, "from", 0) == s->e->from_us &&
                sh_json_get_i64(doc, "to", 0) == s->e->to_us;
    const json_t *points = json_object_get(doc, "points");
    bool named = false;
    for (size_t i = 0; same && !named && i < json_array_size(points); i++) {
        named = json_integer_value(json_array_get(points, i)) == (json_int_t)s->point;
    }
    if (same && named) {
        s->found = doc;
    } else {
        json_decref(doc);
    }
    return SH_OK;
}

/* NULL when nobody knows any more (made before words were kept). */
static json_t *words_find(struct api_req *r, const struct listed_edit *e, uint32_t point)
{
    char id[EDIT_ID_CHARS];
    struct sh_record_row row;
    json_t *doc = NULL;
    struct sh_record *store = r->api->o.record;
    if (sh_record_get(store, r->tenant, EDIT, id_of(e->id, id), r->arena, &row) == SH_OK &&
        sh_json_parse(row.doc, row.doc.n, &doc, NULL) == SH_OK) {
        return doc;
    }
    struct search s = {.r = r, .e = e, .point = point};
    const sh_err err = sh_record_scan(store, r->tenant, BEGUN, compare, &s);
    if (err != SH_OK) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "words of edits were not read: %s",
               sh_err_name(err));
    }
    return s.found;
}

static void put_member_time(struct api_req *r, const char *key, int64_t us, enum api_time_form f)
{
    sh_jw_key(&r->w, key);
    api_put_time(&r->w, us, f);
}

static void put_edit(struct api_req *r, const struct listed_edit *e, uint32_t point,
                     enum api_time_form f)
{
    json_t *words = words_find(r, e, point);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "id");
    sh_jw_u64(&r->w, e->id);
    sh_jw_key(&r->w, "kind");
    sh_jw_c(&r->w, kind_name(e->kind));
    put_member_time(r, "from", e->from_us, f);
    put_member_time(r, "to", e->to_us, f);
    sh_jw_key(&r->w, "samples");
    if (e->kind == SH_EDIT_CORRECT) {
        sh_jw_u64(&r->w, e->samples);
    } else {
        sh_jw_null(&r->w);
    }
    sh_jw_key(&r->w, "by");
    sh_jw_c(&r->w, words == NULL ? NULL : sh_json_get_str(words, "by").p);
    sh_jw_key(&r->w, "time");
    if (words == NULL) {
        sh_jw_null(&r->w);
    } else {
        api_put_time(&r->w, sh_json_get_i64(words, "time", 0), f);
    }
    const bool clear = api_clear_point(r, SH_PERM_HISTORY_READ, point);
    sh_jw_key(&r->w, "reason");
    sh_jw_c(&r->w, words == NULL || !clear ? NULL : sh_json_get_str(words, "reason").p);
    if (!clear) {
        api_put_masked(&r->w, sh_points_class(r->api->o.points, point));
    }
    sh_jw_obj_end(&r->w);
    json_decref(words);
}

static void put_list(struct api_req *r, const struct listed *l, uint32_t point, uint64_t before)
{
    enum api_time_form f = API_TIME_TEXT;
    const uint32_t limit = api_limit(r, 50, 1000);
    uint32_t k = 0;
    size_t i = 0;
    (void)api_time_form(api_query(r, "time"), &f);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (; i < l->n && k < limit; i++) {
        if (before == 0 || l->rows[i].id < before) {
            put_edit(r, &l->rows[i], point, f);
            k++;
        }
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (i == l->n || i == 0) {
        sh_jw_null(&r->w);
    } else {
        char t[SH_I64_CHARS];
        sh_jw_str(&r->w, sh_str_of(t, sh_u64_print(l->rows[i - 1].id, t)));
    }
    sh_jw_key(&r->w, "total");
    sh_jw_u64(&r->w, l->n);
    sh_jw_obj_end(&r->w);
}

int api_edits_list(struct api_req *r)
{
    int status = 0;
    uint64_t before = 0;
    const struct sh_str name = api_query(r, "point");
    const struct sh_str cursor = api_query(r, "cursor");
    if (name.n == 0) {
        return bad(r, "point= is needed: whose edits?", "需要参数 point：要查询哪个点位？");
    }
    if (cursor.n > 0 && sh_u64_parse(cursor, &before) != SH_OK) {
        return bad(r, "cursor is not valid", "cursor 无效");
    }
    const uint32_t point = api_point(r, name, &status);
    if (point == 0) {
        return status;
    }
    struct listed l = {.alloc = r->api->env->alloc, .tenant = r->tenant};
    const sh_err err = sh_history_edits(r->api->o.history, point, take, &l);
    if (err == SH_OK) {
        merge(&l);
        put_list(r, &l, point, before);
    }
    sh_mem_free(l.alloc, l.rows);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- withdrawing ---- */

struct named {
    uint32_t tenant;
    uint32_t *points; /* ascending is not promised; a point once */
    size_t n;
    struct sh_arena *arena;
    size_t cap;
};

static sh_err name_point(void *ctx, const struct sh_history_edit_info *e)
{
    struct named *m = ctx;
    m->tenant = e->tenant;
    for (size_t i = m->n; i > 0; i--) { /* rows of one point stand together */
        if (m->points[i - 1] == e->point) {
            return SH_OK;
        }
    }
    if (m->n == m->cap) {
        const size_t cap = m->cap == 0 ? 16 : m->cap * 2;
        uint32_t *p = sh_arena_get(m->arena, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_LIMIT;
        }
        if (m->n > 0) {
            memcpy(p, m->points, m->n * sizeof *p);
        }
        m->points = p;
        m->cap = cap;
    }
    m->points[m->n++] = e->point;
    return SH_OK;
}

static bool sees_all(struct api_req *r, const struct named *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (!api_sees(r, sh_points_get(r->api->o.points, m->points[i])->device)) {
            return false;
        }
    }
    return true;
}

/* Says in the edit's record who withdraws it and why, before it is done; NULL reason: it was not.
 */
static sh_err words_withdraw(struct api_req *r, uint32_t tenant, uint64_t seq, struct sh_str reason)
{
    char id[EDIT_ID_CHARS];
    struct sh_record_row row;
    json_t *doc = NULL;
    struct sh_buf b;
    struct sh_jw w;
    const struct sh_str key = id_of(seq, id);
    sh_err err = sh_record_get(r->api->o.record, tenant, EDIT, key, r->arena, &row);
    err = err == SH_OK ? sh_json_parse(row.doc, row.doc.n, &doc, NULL) : err;
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return err;
    }
    doc = doc == NULL ? json_object() : doc;
    sh_buf_init(&b, r->api->env->alloc, 1 << 20);
    sh_jw_init(&w, &b);
    json_t *said = json_object();
    const struct sh_str by = api_author(r);
    (void)json_object_set_new(said, "by", json_stringn(by.p, by.n));
    (void)json_object_set_new(said, "reason", json_stringn(reason.p, reason.n));
    (void)json_object_set_new(said, "time", json_integer(sh_wall_us(r->api->env->clock)));
    (void)json_object_set_new(doc, "withdrawn", reason.n > 0 ? json_incref(said) : json_null());
    json_decref(said);
    sh_jw_json(&w, doc);
    err = sh_jw_end(&w);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = tenant,
                                        .type = EDIT,
                                        .id = key,
                                        .doc = sh_buf_str(&b),
                                        .expect = SH_RECORD_ANY};
        err = sh_record_put(r->api->o.record, &p, by, NULL, NULL);
    }
    json_decref(doc);
    sh_buf_fini(&b);
    return err;
}

static int withdraw(struct api_req *r, uint64_t id, const struct named *m, struct sh_str reason)
{
    uint64_t seq = 0;
    const struct sh_history_edit e = {.kind = SH_EDIT_WITHDRAW, .id = id, .tenant = m->tenant};
    sh_err err = words_withdraw(r, m->tenant, id, reason);
    if (err == SH_OK) {
        err = edit_and_wait(r->api, &e, &seq);
        if (err != SH_OK) {
            const sh_err back = words_withdraw(r, m->tenant, id, SH_STR(""));
            sh_log(r->api->env->log, SH_LOG_WARN, "api", "an edit was not withdrawn: %s, words: %s",
                   sh_err_name(err), sh_err_name(back));
        }
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_gate_edited(r->api->o.gate, m->points, m->n);
    r->tenant = m->tenant; /* the audit entry belongs to the tenant of the edit */
    const struct sh_point *p = sh_points_get(r->api->o.points, m->points[0]);
    const struct sh_str name =
        sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(p->device), SH_PRI(p->property));
    api_audit(r, "history.withdrawn", name, "ok",
              sh_arena_printf(r->arena, "%llu: %.*s", (unsigned long long)id, SH_PRI(reason)));
    return 204;
}

int api_edit_withdraw(struct api_req *r)
{
    uint64_t id = 0;
    struct sh_str reason;
    struct named m = {.arena = r->arena};
    const int status = api_need_reason(r, &reason);
    if (status != 0) {
        return status;
    }
    sh_err err = sh_u64_parse(r->params[0], &id);
    if (err == SH_OK) {
        err = sh_history_edit_find(r->api->o.history, id, name_point, &m);
        if (err != SH_OK && err != SH_E_NOTFOUND) {
            return api_error(r, err, NULL);
        }
    }
    if (err != SH_OK || !sh_guard_tenant_within(r->api->o.guard, m.tenant, r->tenant) ||
        sh_guard_check_some(r->api->o.guard, &r->who, SH_PERM_HISTORY_CORRECT, m.tenant) != SH_OK ||
        !sees_all(r, &m)) {
        return api_problem(r, 404, "not_found",
                           "there is no such edit in force, or none that you see",
                           "没有这条生效的更正或删除记录，或您无权查看");
    }
    return withdraw(r, id, &m, reason);
}
