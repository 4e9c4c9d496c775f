/* things_csv.c - bulk import and export of thing models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "transfer_int.h"

#include <stdio.h>

static sh_err take_thing(struct twin_import *m, int row, const json_t *body)
{
    struct sh_diag diag = {.line = 0};
    const struct sh_str id = sh_json_get_str(body, "id");
    if (id.n == 0) {
        twin_reject(m, row, SH_STR("id"), "id_missing", "a thing model needs an id");
        return SH_OK;
    }
    sh_err err = sh_map_put(&m->seen, id, m);
    if (err == SH_E_EXISTS) {
        twin_reject(m, row, SH_STR("id"), "duplicate_row", "the id was in an earlier element");
        return SH_OK;
    }
    sh_mutex_lock(&m->t->lock);
    const struct twin_tenant *tt = twin_tenant(m->t, m->tenant, false);
    const bool fresh = tt == NULL || sh_map_get(&tt->things, id) == NULL;
    sh_mutex_unlock(&m->t->lock);
    if (err == SH_OK && m->dry_run) {
        err = twin_id_ok(id) ? sh_twin_thing_check(m->t, body, &diag) : SH_E_INVAL;
    } else if (err == SH_OK) {
        err = sh_twin_thing_put(m->t, m->tenant, id, fresh ? SH_TWIN_CREATE : SH_TWIN_REPLACE, body,
                                SH_RECORD_ANY, m->author, NULL, &diag);
    }
    if (err == SH_E_INVAL) {
        twin_reject(m, row, sh_str_c(diag.path), twin_code_of(err, &diag), diag.message);
        return SH_OK;
    }
    m->created += err == SH_OK && fresh ? 1 : 0;
    m->updated += err == SH_OK && !fresh ? 1 : 0;
    return err;
}

/* ------------------------------------------------------------------ from CSV: one row a property
 */

enum column {
    C_THING,
    C_THING_NAME,
    C_VERSION,
    C_ID,
    C_NAME,
    C_TYPE,
    C_UNIT,
    C_MIN,
    C_MAX,
    C_ACCESS,
    C_SCALE,
    C_ENUM,
    COLUMNS
};
static const char *const names[COLUMNS] = {"thing", "thing_name", "version", "id",
                                           "name",  "type",       "unit",    "min",
                                           "max",   "access",     "scale",   "enum"};

/* The model whose rows are being read. */
struct model {
    json_t *body; /* NULL: none */
    int row;      /* its first */
};

static struct sh_str cell(const struct twin_cells *row, const size_t at[COLUMNS], enum column c)
{
    return at[c] < row->n ? sh_str_trim(row->v[at[c]]) : SH_STR("");
}

/* Text, or an object of texts by language when it starts with a brace and is JSON. */
static sh_err set_text(json_t *to, const char *key, struct sh_str s)
{
    if (s.n == 0) {
        return SH_OK;
    }
    if (s.p[0] == '{') {
        json_error_t je;
        json_t *v = json_loadb(s.p, s.n, JSON_REJECT_DUPLICATES, &je);
        if (v != NULL) {
            return json_object_set_new(to, key, v) == 0 ? SH_OK : SH_E_NOMEM;
        }
    }
    return json_object_set_new(to, key, json_stringn(s.p, s.n)) == 0 ? SH_OK : SH_E_NOMEM;
}

/* A cell that holds JSON (a number, an object). SH_E_INVAL when it does not. */
static sh_err set_json(json_t *to, const char *key, struct sh_str s)
{
    json_error_t je;
    if (s.n == 0) {
        return SH_OK;
    }
    json_t *v = json_loadb(s.p, s.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
    if (v == NULL) {
        return SH_E_INVAL;
    }
    return json_object_set_new(to, key, v) == 0 ? SH_OK : SH_E_NOMEM;
}

/* On SH_E_INVAL *column says where. */
static sh_err property(const struct twin_cells *row, const size_t at[COLUMNS], json_t *p,
                       enum column *column)
{
    static const enum column texts[] = {C_ID, C_NAME, C_TYPE, C_UNIT, C_ACCESS};
    static const enum column jsons[] = {C_SCALE, C_ENUM};
    static const enum column ends[] = {C_MIN, C_MAX};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        SH_TRY(set_text(p, names[texts[i]], cell(row, at, texts[i])));
    }
    for (size_t i = 0; i < 2; i++) {
        *column = jsons[i];
        SH_TRY(set_json(p, names[jsons[i]], cell(row, at, jsons[i])));
    }
    for (size_t i = 0; i < 2; i++) {
        *column = ends[i];
        if (cell(row, at, ends[i]).n == 0) {
            continue;
        }
        if (json_object_get(p, "range") == NULL &&
            json_object_set_new(p, "range", json_object()) != 0) {
            return SH_E_NOMEM;
        }
        SH_TRY(set_json(json_object_get(p, "range"), names[ends[i]], cell(row, at, ends[i])));
    }
    return SH_OK;
}

/* Stores the model that was read so far. Events, services and description of one that exists stay.
 */
static sh_err end_model(struct twin_import *m, struct model *o)
{
    static const char *const keep[] = {"events", "services", "description", "demo"};
    json_t *old = NULL;
    sh_err err = SH_OK;
    if (o->body == NULL) {
        return SH_OK;
    }
    const sh_err got = twin_doc_get(m->t, m->tenant, SH_TWIN_KIND_THING,
                                    sh_json_get_str(o->body, "id"), &old, NULL);
    for (size_t i = 0; got == SH_OK && i < sizeof keep / sizeof keep[0]; i++) {
        json_t *v = json_object_get(old, keep[i]);
        if (v != NULL && json_object_set(o->body, keep[i], v) != 0) {
            err = SH_E_NOMEM;
        }
    }
    json_decref(old);
    if (err == SH_OK) {
        err = take_thing(m, o->row, o->body);
    }
    json_decref(o->body);
    o->body = NULL;
    return err;
}

static sh_err begin_model(struct model *o, struct sh_str id, int row,
                          const struct twin_cells *cells, const size_t at[COLUMNS])
{
    o->row = row;
    o->body = json_object();
    if (o->body == NULL || json_object_set_new(o->body, "properties", json_array()) != 0) {
        return SH_E_NOMEM;
    }
    SH_TRY(set_text(o->body, "id", id));
    SH_TRY(set_text(o->body, "name", cell(cells, at, C_THING_NAME)));
    return set_text(o->body, "version", cell(cells, at, C_VERSION));
}

static sh_err thing_row(struct twin_import *m, struct model *o, int row,
                        const struct twin_cells *cells, const size_t at[COLUMNS])
{
    const struct sh_str id = cell(cells, at, C_THING);
    enum column column = C_ID;
    if (id.n == 0) {
        twin_reject(m, row, SH_STR("thing"), "id_missing", "the row names no thing model");
        return SH_OK;
    }
    if (o->body == NULL || !sh_str_eq(sh_json_get_str(o->body, "id"), id)) {
        SH_TRY(end_model(m, o));
        SH_TRY(begin_model(o, id, row, cells, at));
    }
    if (cell(cells, at, C_ID).n == 0) {
        return SH_OK; /* a model without properties */
    }
    json_t *p = json_object();
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = property(cells, at, p, &column);
    if (err != SH_OK) {
        json_decref(p);
        if (err == SH_E_INVAL) {
            twin_reject(m, row, sh_str_c(names[column]), "invalid_value", "not JSON, or no number");
            return SH_OK;
        }
        return err;
    }
    return json_array_append_new(json_object_get(o->body, "properties"), p) == 0 ? SH_OK
                                                                                 : SH_E_NOMEM;
}

static sh_err thing_head(struct twin_csv *c, struct sh_arena *ar, size_t at[COLUMNS],
                         struct sh_diag *diag)
{
    struct sh_str v[MAX_COLUMNS];
    struct twin_cells head = {.v = v, .max = MAX_COLUMNS};
    sh_diag_at(diag, SH_STR(""), 1);
    for (size_t i = 0; i < COLUMNS; i++) {
        at[i] = SIZE_MAX;
    }
    if (twin_csv_next(c, ar, &head) != SH_OK) {
        sh_diag_set(diag, "the file has no header row");
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < head.n; i++) {
        size_t k = 0;
        while (k < COLUMNS && !sh_str_eqc(sh_str_trim(v[i]), names[k])) {
            k++;
        }
        if (k == COLUMNS || at[k] != SIZE_MAX) {
            sh_diag_set(diag, "column %zu is unknown or there twice: %.*s", i + 1, SH_PRI(v[i]));
            return SH_E_INVAL;
        }
        at[k] = i;
    }
    if (at[C_THING] == SIZE_MAX || at[C_ID] == SIZE_MAX || at[C_TYPE] == SIZE_MAX) {
        sh_diag_set(diag, "the columns thing, id and type are needed");
        return SH_E_INVAL;
    }
    return SH_OK;
}

static sh_err things_from_csv(struct twin_import *m, struct sh_str text, struct sh_diag *diag)
{
    struct twin_csv c = {.in = text};
    struct model o = {.body = NULL};
    size_t at[COLUMNS];
    struct sh_str v[MAX_COLUMNS];
    struct twin_cells row = {.v = v, .max = MAX_COLUMNS};
    struct sh_arena *ar = sh_arena_new(m->t->env->alloc, ROW_ARENA);
    sh_err err = ar == NULL ? SH_E_NOMEM : thing_head(&c, ar, at, diag);
    while (err == SH_OK) {
        sh_arena_reset(ar);
        err = twin_csv_next(&c, ar, &row);
        if (err == SH_OK) {
            err = thing_row(m, &o, c.row, &row, at);
        } else if (err != SH_E_NOTFOUND) {
            twin_reject(m, c.row, SH_STR(""), "malformed_row",
                        "a quotation mark is not closed, or the row is too large");
            err = SH_E_NOTFOUND;
        }
    }
    if (err == SH_E_NOTFOUND) {
        err = end_model(m, &o);
    }
    json_decref(o.body);
    sh_arena_free(ar);
    return err;
}

sh_err sh_twin_things_import(struct sh_twin *t, uint32_t tenant, struct sh_bytes body,
                             const struct sh_twin_import *how, struct sh_str author,
                             struct sh_jw *w, struct sh_diag *diag)
{
    json_t *list = NULL;
    struct sh_buf buf = {.p = NULL};
    struct sh_str text;
    struct twin_import *m = sh_mem_new(t->env->alloc, sizeof *m);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    m->t = t;
    m->tenant = tenant;
    m->dry_run = how->dry_run;
    m->author = author;
    sh_err err = twin_import_init(m);
    if (err == SH_OK) {
        err = twin_decode(t, body, how, &buf, &text, diag);
    }
    if (err == SH_OK) {
        err = how->csv ? things_from_csv(m, text, diag) : twin_parse_array(text, &list, diag);
    }
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        err = take_thing(m, (int)i + 1, json_array_get(list, i));
    }
    if (err == SH_OK) {
        err = twin_import_report(m, w);
    }
    json_decref(list);
    if (buf.alloc != NULL) {
        sh_buf_fini(&buf);
    }
    twin_import_fini(m);
    sh_mem_free(t->env->alloc, m);
    return err;
}

/* ------------------------------------------------------------------ export */

struct export
{
    struct sh_twin *t;
    struct sh_buf *out;
    struct sh_jw w;
    bool csv;
};

static sh_err put_json(struct export *x, const json_t *v)
{
    struct sh_buf text;
    if (v == NULL || json_is_string(v)) {
        const struct sh_str s = {json_string_value(v), v == NULL ? 0 : json_string_length(v)};
        return twin_csv_put(x->out, s, false);
    }
    sh_buf_init(&text, x->t->env->alloc, TWIN_DOC_BYTES);
    sh_err err = twin_doc_text(v, &text);
    if (err == SH_OK) {
        err = twin_csv_put(x->out, sh_buf_str(&text), false);
    }
    sh_buf_fini(&text);
    return err;
}

static sh_err csv_property(struct export *x, struct sh_str id, const json_t *doc, const json_t *p)
{
    const json_t *range = json_object_get(p, "range");
    SH_TRY(twin_csv_put(x->out, id, true));
    SH_TRY(put_json(x, json_object_get(doc, "name")));
    SH_TRY(put_json(x, json_object_get(doc, "version")));
    for (size_t i = C_ID; i < COLUMNS; i++) {
        const json_t *from = i == C_MIN || i == C_MAX ? range : p;
        SH_TRY(put_json(x, json_object_get(from, names[i])));
    }
    return sh_buf_put_c(x->out, "\r\n");
}

static sh_err each_thing(void *ctx, const struct sh_record_row *row)
{
    struct export *x = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    const json_t *list = json_object_get(doc, "properties");
    sh_err err = SH_OK;
    if (!x->csv) {
        sh_jw_obj(&x->w);
        sh_jw_key(&x->w, "id");
        sh_jw_str(&x->w, row->id);
        for (void *it = json_object_iter(doc); it != NULL; it = json_object_iter_next(doc, it)) {
            sh_jw_key(&x->w, json_object_iter_key(it));
            sh_jw_json(&x->w, json_object_iter_value(it));
        }
        sh_jw_obj_end(&x->w);
        err = x->w.err;
    } else if (json_array_size(list) == 0) {
        err = csv_property(x, row->id, doc, NULL);
    }
    for (size_t i = 0; x->csv && i < json_array_size(list) && err == SH_OK; i++) {
        err = csv_property(x, row->id, doc, json_array_get(list, i));
    }
    json_decref(doc);
    return err;
}

static sh_err csv_all(struct export *x, uint32_t tenant)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        SH_TRY(twin_csv_put(x->out, sh_str_c(names[i]), i == 0));
    }
    SH_TRY(sh_buf_put_c(x->out, "\r\n"));
    return sh_record_scan(x->t->o.record, tenant, SH_TWIN_KIND_THING, each_thing, x);
}

sh_err sh_twin_things_export(struct sh_twin *t, uint32_t tenant, bool csv,
                             enum sh_twin_encoding encoding, struct sh_buf *out)
{
    struct sh_buf utf8;
    struct export x = {.t = t, .out = out, .csv = csv};
    sh_err err = SH_OK;
    sh_buf_init(&utf8, t->env->alloc, out->max);
    if (csv && encoding == SH_TWIN_GBK) {
        x.out = &utf8;
        err = csv_all(&x, tenant);
        if (err == SH_OK) {
            err = sh_utf8_to_gbk(sh_buf_str(&utf8), out);
        }
    } else if (csv) {
        err = sh_buf_put(out, "\xef\xbb\xbf", 3);
        if (err == SH_OK) {
            err = csv_all(&x, tenant);
        }
    } else {
        sh_jw_init(&x.w, out);
        sh_jw_arr(&x.w);
        err = sh_record_scan(t->o.record, tenant, SH_TWIN_KIND_THING, each_thing, &x);
        sh_jw_arr_end(&x.w);
        err = err == SH_OK ? sh_jw_end(&x.w) : err;
    }
    sh_buf_fini(&utf8);
    return err;
}
