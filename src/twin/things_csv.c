/* things_csv.c - bulk import and export of thing models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "transfer_int.h"

#include <stdio.h>

/* Models of the file in the order in which they stand; taken when all are read. */
struct shelved {
    json_t *body;
    int row;
    bool waits; /* not yet taken */
};
struct shelf {
    struct shelved *v;
    size_t n;
    size_t cap;
};

static sh_err shelve(struct twin_import *m, struct shelf *s, int row, json_t *body)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct shelved *v = sh_mem_resize(m->t->env->alloc, s->v, cap * sizeof *v);
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = (struct shelved){.body = json_incref(body), .row = row};
    return SH_OK;
}

static void shelf_fini(struct twin_import *m, struct shelf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        json_decref(s->v[i].body);
    }
    sh_mem_free(m->t->env->alloc, s->v);
}

/* What a dry run found of one model joins the list, as long as there is room. */
static sh_err tell(struct twin_import *m, struct sh_str id, struct sh_str report)
{
    const size_t had = m->models.n;
    if (had + report.n + (size_t)SH_TWIN_MAX_ID * 2 + 16 > MAX_MODELS_TOLD) {
        return SH_OK;
    }
    struct sh_buf *b = &m->models;
    struct sh_jw w;
    SH_TRY(sh_buf_put_c(b, had == 1 ? "{\"id\":" : ",{\"id\":"));
    struct sh_buf name;
    sh_buf_init(&name, m->t->env->alloc, (size_t)SH_TWIN_MAX_ID * 8);
    sh_jw_init(&w, &name);
    sh_jw_str(&w, id);
    sh_err err = sh_jw_end(&w);
    err = err == SH_OK ? sh_buf_put_str(b, sh_buf_str(&name)) : err;
    err = err == SH_OK ? sh_buf_put_u8(b, ',') : err;
    err = err == SH_OK ? sh_buf_put_str(b, sh_str_sub(report, 1, report.n)) : err;
    sh_buf_fini(&name);
    return err;
}

/* One model. Only errors that concern the whole file are returned. */
static sh_err change_thing(struct twin_import *m, struct sh_str id, const json_t *body,
                           struct sh_diag *diag, bool fresh)
{
    struct sh_buf text;
    struct sh_jw w;
    uint64_t rev = 0;
    const struct sh_twin_thing_change c = {
        .tenant = m->tenant,
        .id = id,
        .how = fresh ? SH_TWIN_CREATE : SH_TWIN_REPLACE,
        .body = body,
        .expect = SH_RECORD_ANY,
        .author = m->author,
        .units_corrected = m->how->units_corrected,
        .dry_run = m->dry_run,
        .skip_same = true,
        .drafts = m->drafts,
    };
    sh_buf_init(&text, m->t->env->alloc, MAX_MODELS_TOLD);
    sh_jw_init(&w, &text);
    sh_err err = sh_twin_thing_change(m->t, &c, &rev, &w, diag);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    bool same = false;
    if (err == SH_OK && !fresh) {
        json_t *r = NULL;
        err = sh_json_parse(sh_buf_str(&text), MAX_MODELS_TOLD, &r, NULL);
        same = err == SH_OK && sh_str_eqc(sh_json_get_str(r, "level"), "same");
        json_decref(r);
    }
    if (err == SH_OK && m->dry_run) {
        err = tell(m, id, sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    m->created += err == SH_OK && fresh ? 1 : 0;
    m->unchanged += err == SH_OK && same ? 1 : 0;
    m->updated += err == SH_OK && !fresh && !same ? 1 : 0;
    return err;
}

static sh_err take_thing(struct twin_import *m, int row, const json_t *body)
{
    struct sh_diag diag = {.line = 0};
    const struct sh_str id = sh_json_get_str(body, "id");
    sh_mutex_lock(&m->t->lock);
    const struct twin_tenant *tt = twin_tenant(m->t, m->tenant, false);
    const bool fresh = tt == NULL || sh_map_get(&tt->things, id) == NULL;
    sh_mutex_unlock(&m->t->lock);
    const sh_err err = change_thing(m, id, body, &diag, fresh);
    if (err == SH_E_STATE) {
        const bool lowered = strcmp(diag.path, "/data_class") == 0;
        twin_reject(m, row, sh_str_c(diag.path), lowered ? "class_lowered" : "unit_changes_history",
                    diag.message);
        return SH_OK;
    }
    if (err == SH_E_INVAL) {
        twin_reject(m, row, sh_str_c(diag.path), twin_code_of(err, &diag), diag.message);
        return SH_OK;
    }
    return err;
}

/* Is it the first of its id? Noted in `seen` by its place on the shelf. */
static sh_err note_id(struct twin_import *m, struct shelved *one, size_t place)
{
    const struct sh_str id = sh_json_get_str(one->body, "id");
    if (id.n == 0) {
        twin_reject(m, one->row, SH_STR("id"), "id_missing", "a thing model needs an id");
        return SH_OK;
    }
    const sh_err err = sh_map_put(&m->seen, id, (void *)(uintptr_t)(place + 1));
    if (err == SH_E_EXISTS) {
        twin_reject(m, one->row, SH_STR("id"), "duplicate_row", "the id was in an earlier element");
        return SH_OK;
    }
    one->waits = err == SH_OK;
    return err;
}

/* One round: takes what does not wait for another of the file. */
static sh_err take_round(struct twin_import *m, const struct shelf *s, size_t *taken)
{
    for (size_t i = 0; i < s->n; i++) {
        struct shelved *one = &s->v[i];
        const struct sh_str up = sh_json_get_str(one->body, "extends");
        const uintptr_t above = up.n == 0 ? 0 : (uintptr_t)sh_map_get(&m->seen, up);
        if (!one->waits || (above != 0 && s->v[above - 1].waits)) {
            continue;
        }
        one->waits = false;
        ++*taken;
        SH_TRY(take_thing(m, one->row, one->body));
    }
    return SH_OK;
}

/* Parents before children. */
static sh_err take_shelf(struct twin_import *m, const struct shelf *s)
{
    size_t taken = 1;
    for (size_t i = 0; i < s->n; i++) {
        SH_TRY(note_id(m, &s->v[i], i));
    }
    while (taken > 0) {
        taken = 0;
        SH_TRY(take_round(m, s, &taken));
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].waits) {
            twin_reject(m, s->v[i].row, SH_STR("/extends"), "extends_cycle",
                        "models of this file extend each other in a circle");
        }
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ from CSV: one row a property
 */

enum column {
    C_THING,
    C_THING_NAME,
    C_VERSION,
    C_EXTENDS,
    C_ID,
    C_NAME,
    C_TYPE,
    C_UNIT,
    C_MIN,
    C_MAX,
    C_ACCESS,
    C_SCALE,
    C_ENUM,
    C_CLASS,
    C_LEVEL,
    C_THING_CLASS,
    C_THING_LEVEL,
    COLUMNS
};
enum { OF_PROPERTY = C_THING_CLASS }; /* columns of a property are [C_ID, this) */
static const char *const names[COLUMNS] = {"thing",
                                           "thing_name",
                                           "version",
                                           "extends",
                                           "id",
                                           "name",
                                           "type",
                                           "unit",
                                           "min",
                                           "max",
                                           "access",
                                           "scale",
                                           "enum",
                                           "data_class",
                                           "data_level",
                                           "thing_data_class",
                                           "thing_data_level"};

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
    static const enum column texts[] = {C_ID, C_NAME, C_TYPE, C_UNIT, C_ACCESS, C_CLASS};
    static const enum column jsons[] = {C_SCALE, C_ENUM, C_LEVEL};
    static const enum column ends[] = {C_MIN, C_MAX};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        SH_TRY(set_text(p, names[texts[i]], cell(row, at, texts[i])));
    }
    for (size_t i = 0; i < sizeof jsons / sizeof jsons[0]; i++) {
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

/* Puts the model that was read so far on the shelf. Events, services and description of one that
 * exists stay, and what it extends when the file does not say it. */
static sh_err end_model(struct twin_import *m, struct shelf *s, struct model *o, bool says_extends)
{
    static const char *const keep[] = {"events", "services", "description", "demo", "extends"};
    json_t *old = NULL;
    json_t *whole = NULL;
    if (o->body == NULL) {
        return SH_OK;
    }
    sh_err err = twin_doc_get(m->t, m->tenant, SH_TWIN_KIND_THING, sh_json_get_str(o->body, "id"),
                              &old, NULL);
    if (err == SH_OK) {
        err = twin_version_whole(m->t, m->tenant, old, &whole);
    }
    err = err == SH_E_NOTFOUND ? SH_OK : err;
    for (size_t i = 0; err == SH_OK && i < (says_extends ? 4 : 5); i++) {
        json_t *v = json_object_get(whole, keep[i]);
        if (v != NULL && json_object_set(o->body, keep[i], v) != 0) {
            err = SH_E_NOMEM;
        }
    }
    json_decref(old);
    json_decref(whole);
    if (err == SH_OK) {
        err = shelve(m, s, o->row, o->body);
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
    SH_TRY(set_text(o->body, "extends", cell(cells, at, C_EXTENDS)));
    SH_TRY(set_text(o->body, "data_class", cell(cells, at, C_THING_CLASS)));
    if (set_json(o->body, "data_level", cell(cells, at, C_THING_LEVEL)) == SH_E_NOMEM) {
        return SH_E_NOMEM; /* what is not JSON is refused with the model */
    }
    return set_text(o->body, "version", cell(cells, at, C_VERSION));
}

static sh_err thing_row(struct twin_import *m, struct shelf *s, struct model *o, int row,
                        const struct twin_cells *cells, const size_t at[COLUMNS])
{
    const struct sh_str id = cell(cells, at, C_THING);
    enum column column = C_ID;
    if (id.n == 0) {
        twin_reject(m, row, SH_STR("thing"), "id_missing", "the row names no thing model");
        return SH_OK;
    }
    if (o->body == NULL || !sh_str_eq(sh_json_get_str(o->body, "id"), id)) {
        SH_TRY(end_model(m, s, o, at[C_EXTENDS] != SIZE_MAX));
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

static sh_err things_from_csv(struct twin_import *m, struct shelf *s, struct sh_str text,
                              struct sh_diag *diag)
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
            err = thing_row(m, s, &o, c.row, &row, at);
        } else if (err != SH_E_NOTFOUND) {
            twin_reject(m, c.row, SH_STR(""), "malformed_row",
                        "a quotation mark is not closed, or the row is too large");
            err = SH_E_NOTFOUND;
        }
    }
    if (err == SH_E_NOTFOUND) {
        err = end_model(m, s, &o, at[C_EXTENDS] != SIZE_MAX);
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
    struct shelf shelf = {.v = NULL};
    m->t = t;
    m->tenant = tenant;
    m->dry_run = how->dry_run;
    m->how = how;
    m->author = author;
    m->things = true;
    sh_err err = twin_import_init(m);
    if (err == SH_OK && how->dry_run) {
        m->drafts = json_object();
        err = m->drafts == NULL ? SH_E_NOMEM : sh_buf_put_u8(&m->models, '[');
    }
    if (err == SH_OK) {
        err = twin_decode(t, body, how, &buf, &text, diag);
    }
    if (err == SH_OK) {
        err =
            how->csv ? things_from_csv(m, &shelf, text, diag) : twin_parse_array(text, &list, diag);
    }
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        err = shelve(m, &shelf, (int)i + 1, json_array_get(list, i));
    }
    if (err == SH_OK) {
        err = take_shelf(m, &shelf);
    }
    shelf_fini(m, &shelf);
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
    SH_TRY(put_json(x, json_object_get(doc, "extends")));
    for (size_t i = C_ID; i < OF_PROPERTY; i++) {
        const json_t *from = i == C_MIN || i == C_MAX ? range : p;
        SH_TRY(put_json(x, json_object_get(from, names[i])));
    }
    SH_TRY(put_json(x, json_object_get(doc, "data_class")));
    SH_TRY(put_json(x, json_object_get(doc, "data_level")));
    return sh_buf_put_c(x->out, "\r\n");
}

static void json_thing(struct export *x, struct sh_str id, json_t *doc)
{
    sh_jw_obj(&x->w);
    sh_jw_key(&x->w, "id");
    sh_jw_str(&x->w, id);
    for (void *it = json_object_iter(doc); it != NULL; it = json_object_iter_next(doc, it)) {
        if (strcmp(json_object_iter_key(it), "change") != 0) {
            sh_jw_key(&x->w, json_object_iter_key(it));
            sh_jw_json(&x->w, json_object_iter_value(it));
        }
    }
    sh_jw_obj_end(&x->w);
}

static sh_err each_thing(void *ctx, const struct sh_record_row *row)
{
    struct export *x = ctx;
    json_t *own = NULL;
    json_t *whole = NULL;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &own, NULL));
    sh_err err = twin_version_whole(x->t, row->tenant, own, &whole);
    if (err == SH_OK) {
        err = twin_model_portable(whole, &doc);
    }
    const json_t *list = json_object_get(doc, "properties");
    if (err == SH_OK && !x->csv) {
        json_thing(x, row->id, doc);
        err = x->w.err;
    } else if (err == SH_OK && json_array_size(list) == 0) {
        err = csv_property(x, row->id, doc, NULL);
    }
    for (size_t i = 0; x->csv && i < json_array_size(list) && err == SH_OK; i++) {
        err = csv_property(x, row->id, doc, json_array_get(list, i));
    }
    json_decref(own);
    json_decref(whole);
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
