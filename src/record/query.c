/* query.c - from a user's query to the seam's plan, and the cursor: base64url of a JSON array
 * [hash of the query, id, key...], each key typed by its JSON type. A cursor of another query is
 * refused; a forged one can only start the same query at another place.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include "filter.h"

enum { CURSOR_MAX = 64 * 1024, PAGE_DEFAULT = 50 };

static uint64_t query_hash(const struct sh_record_query *q)
{
    uint64_t h = sh_hash64(q->type.p, q->type.n, q->tenant);
    h = sh_hash64(q->filter.p, q->filter.n, h);
    h = sh_hash64(q->sort.p, q->sort.n, h);
    return sh_hash64(q->search.p, q->search.n, h) >> 12; /* exact in a JSON number */
}

static sh_err key_from(const json_t *v, struct sh_arena *ar, struct sh_record_value *out)
{
    if (json_is_integer(v)) {
        *out = (struct sh_record_value){.kind = SH_RECORD_V_I64, .i64 = json_integer_value(v)};
    } else if (json_is_real(v)) {
        *out = (struct sh_record_value){.kind = SH_RECORD_V_F64, .f64 = json_real_value(v)};
    } else if (json_is_string(v)) {
        *out = (struct sh_record_value){
            .kind = SH_RECORD_V_TEXT,
            .text = sh_arena_str(ar, (struct sh_str){json_string_value(v), json_string_length(v)}),
        };
        return out->text.p == NULL ? sh_arena_why(ar) : SH_OK;
    } else if (json_is_null(v)) {
        *out = (struct sh_record_value){.kind = SH_RECORD_V_NULL};
    } else {
        return SH_E_INVAL;
    }
    return SH_OK;
}

static sh_err cursor_read(const struct sh_alloc *al, const struct sh_record_query *q,
                          struct sh_arena *ar, struct sh_record_plan *p)
{
    struct sh_buf text;
    json_t *a = NULL;
    struct sh_record_value id;
    sh_buf_init(&text, al, CURSOR_MAX);
    sh_err err = sh_base64_parse(q->cursor, true, &text);
    if (err == SH_OK) {
        err = sh_json_parse(sh_buf_str(&text), CURSOR_MAX, &a, NULL);
    }
    if (err == SH_OK && (json_array_size(a) != p->nsort + 2 ||
                         json_integer_value(json_array_get(a, 0)) != (json_int_t)query_hash(q))) {
        err = SH_E_INVAL;
    }
    if (err == SH_OK) {
        err = key_from(json_array_get(a, 1), ar, &id);
    }
    if (err == SH_OK && id.kind != SH_RECORD_V_TEXT) {
        err = SH_E_INVAL;
    }
    for (size_t i = 0; i < p->nsort && err == SH_OK; i++) {
        err = key_from(json_array_get(a, i + 2), ar, &p->from_key[i]);
    }
    if (err == SH_OK) {
        p->from = true;
        p->from_id = id.text;
    }
    json_decref(a);
    sh_buf_fini(&text);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_INVAL;
}

static void key_write(struct sh_jw *w, const struct sh_record_value *v)
{
    switch (v->kind) {
    case SH_RECORD_V_NULL:
        sh_jw_null(w);
        break;
    case SH_RECORD_V_BOOL:
    case SH_RECORD_V_I64:
        sh_jw_i64(w, v->i64);
        break;
    case SH_RECORD_V_F64:
        sh_jw_f64(w, v->f64);
        break;
    case SH_RECORD_V_TEXT:
        sh_jw_str(w, v->text);
        break;
    }
}

static sh_err cursor_write(const struct sh_alloc *al, const struct sh_record_query *q,
                           const struct sh_record_plan *p, const struct sh_record_found *f,
                           struct sh_arena *ar, struct sh_str *out)
{
    struct sh_buf text;
    struct sh_buf code;
    struct sh_jw w;
    sh_buf_init(&text, al, CURSOR_MAX);
    sh_buf_init(&code, al, (size_t)CURSOR_MAX * 2);
    sh_jw_init(&w, &text);
    sh_jw_arr(&w);
    sh_jw_u64(&w, query_hash(q));
    sh_jw_str(&w, f->rows[f->n - 1].id);
    for (size_t i = 0; i < p->nsort; i++) {
        key_write(&w, &f->keys[(f->n - 1) * p->nsort + i]);
    }
    sh_jw_arr_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_base64_put(&code, sh_buf_bytes(&text), true);
    }
    if (err == SH_OK) {
        *out = sh_arena_str(ar, sh_buf_str(&code));
        err = out->p == NULL ? sh_arena_why(ar) : SH_OK;
    }
    sh_buf_fini(&text);
    sh_buf_fini(&code);
    return err;
}

sh_err sh_record_list(struct sh_record *r, const struct sh_record_query *q, struct sh_arena *ar,
                      struct sh_record_page *out, struct sh_diag *diag)
{
    struct sh_record_plan p = {
        .tenant = q->tenant,
        .type = q->type,
        .search = q->search,
        .limit = q->limit == 0 ? PAGE_DEFAULT : q->limit,
        .want_total = q->want_total,
    };
    struct sh_record_found found = {.n = 0};
    struct record_sorts sorts;
    struct sh_str next = SH_STR("");
    if (p.limit > r->cfg.max_page) {
        p.limit = r->cfg.max_page;
    }
    if (!record_name_ok(q->type, SH_RECORD_MAX_TYPE)) {
        sh_diag_set(diag, "not the name of a type");
        return SH_E_INVAL;
    }
    SH_TRY(record_filter_parse(r->env->alloc, q->filter, ar, &p.filter, diag));
    SH_TRY(record_sort_parse(r->env->alloc, q->sort, ar, &sorts, diag));
    memcpy(p.sort, sorts.by, sizeof p.sort);
    p.nsort = sorts.n;
    if (q->search.n > RECORD_FILTER_MAX_BYTES || !sh_utf8_valid(q->search)) {
        sh_diag_set(diag, "the search text is too long or not UTF-8");
        return SH_E_INVAL;
    }
    if (q->cursor.n > 0) {
        const sh_err err = cursor_read(r->env->alloc, q, ar, &p);
        if (err != SH_OK) {
            sh_diag_set(diag, "the cursor does not belong to this query");
            return err;
        }
    }
    SH_TRY(r->ops->list(r->store, &p, ar, &found));
    if (found.more) {
        SH_TRY(cursor_write(r->env->alloc, q, &p, &found, ar, &next));
    }
    *out = (struct sh_record_page){
        .rows = found.rows, .n = found.n, .next = next, .total = found.total};
    return SH_OK;
}
