/* transfer.c - bulk import and export. Good rows are stored in transactions of TWIN_TX_ROWS; each
 * bad row is reported with its number and column and stops nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "transfer_int.h"

#include <math.h>
#include <stdio.h>

void twin_reject(struct twin_import *m, int row, struct sh_str column, const char *code,
                 const char *detail)
{
    if (m->nrejected++ >= MAX_REJECTED) {
        return;
    }
    sh_jw_obj(&m->w);
    sh_jw_key(&m->w, "row");
    sh_jw_i64(&m->w, row);
    sh_jw_key(&m->w, "column");
    sh_jw_str(&m->w, column);
    sh_jw_key(&m->w, "code");
    sh_jw_c(&m->w, code);
    sh_jw_key(&m->w, "detail");
    sh_jw_c(&m->w, detail);
    sh_jw_obj_end(&m->w);
}

/* Takes room of the quota (1), or gives it back. False: there is none. */
static bool import_room(struct twin_import *m, int n)
{
    if (n == 0 || m->dry_run || m->how == NULL || m->how->quota == NULL) {
        return true;
    }
    const bool got = m->how->quota(m->how->ctx, n);
    m->room += got ? n : 0;
    return got;
}

sh_err twin_import_init(struct twin_import *m)
{
    const struct sh_alloc *a = m->t->env->alloc;
    sh_buf_init(&m->rejected, a, 16 << 20);
    sh_buf_init(&m->text, a, (size_t)TWIN_DOC_BYTES * 2);
    sh_buf_init(&m->models, a, MAX_MODELS_TOLD);
    sh_map_init(&m->seen, a, MAX_ROWS, m->t->tenants.seed);
    sh_jw_init(&m->w, &m->rejected);
    sh_jw_arr(&m->w);
    return SH_OK;
}

void twin_import_fini(struct twin_import *m)
{
    for (size_t i = 0; i < m->n; i++) {
        sh_str_free(m->t->env->alloc, &m->rows[i].id);
        json_decref(m->rows[i].doc);
    }
    (void)import_room(m, -m->room);
    sh_record_tx_free(m->tx);
    sh_map_fini(&m->seen);
    sh_buf_fini(&m->text);
    sh_buf_fini(&m->models);
    json_decref(m->drafts);
    sh_buf_fini(&m->rejected);
}

sh_err twin_import_report(struct twin_import *m, struct sh_jw *w)
{
    sh_jw_arr_end(&m->w);
    SH_TRY(sh_jw_end(&m->w));
    sh_jw_obj(w);
    sh_jw_key(w, "created");
    sh_jw_u64(w, m->created);
    sh_jw_key(w, "updated");
    sh_jw_u64(w, m->updated);
    if (m->things) {
        sh_jw_key(w, "unchanged");
        sh_jw_u64(w, m->unchanged);
    }
    if (m->things && m->dry_run) {
        sh_jw_key(w, "models");
        SH_TRY(sh_buf_put_u8(&m->models, ']'));
        sh_jw_raw(w, sh_buf_str(&m->models));
    }
    sh_jw_key(w, "rejected");
    sh_jw_raw(w, sh_buf_str(&m->rejected));
    if (m->nrejected > MAX_REJECTED) {
        sh_jw_key(w, "rejected_total");
        sh_jw_u64(w, m->nrejected);
    }
    sh_jw_obj_end(w);
    return SH_OK;
}

/* Commits what is pending. Under `write`. */
static sh_err flush(struct twin_import *m)
{
    sh_err err = SH_OK;
    if (m->tx != NULL) {
        err = sh_record_tx_commit(m->tx, NULL, NULL);
        sh_record_tx_free(m->tx);
        m->tx = NULL;
    }
    for (size_t i = 0; i < m->n; i++) {
        if (err == SH_OK) {
            twin_device_stored(m->t, m->tenant, m->rows[i].id, m->rows[i].doc);
            m->created += m->rows[i].fresh ? 1 : 0;
            m->updated += m->rows[i].fresh ? 0 : 1;
        }
        sh_str_free(m->t->env->alloc, &m->rows[i].id);
        json_decref(m->rows[i].doc);
    }
    m->n = 0;
    if (err == SH_OK) {
        m->room = 0; /* they are there to stay */
    } else {
        (void)import_room(m, -m->room);
    }
    return err;
}

/* Column of a fault: "/labels/x" is label.x. */
static struct sh_str column_of(const struct sh_diag *d, char out[200])
{
    const char *p = d->path[0] == '/' ? d->path + 1 : d->path;
    (void)snprintf(out, 200, "%s%s", strncmp(p, "labels/", 7) == 0 ? "label." : "",
                   strncmp(p, "labels/", 7) == 0 ? p + 7 : p);
    return sh_str_c(out);
}

const char *twin_code_of(sh_err err, const struct sh_diag *d)
{
    if (err == SH_E_LIMIT) {
        return "limit_reached";
    }
    if (err == SH_E_STATE) {
        return strcmp(d->path, "/thing") == 0 ? "unit_changes_history" : "class_lowered";
    }
    if ((strcmp(d->path, "/thing") == 0 || strcmp(d->path, "/extends") == 0) &&
        strncmp(d->message, "there is no", 11) == 0) {
        return "unknown_thing";
    }
    if (strcmp(d->path, "/asset") == 0 && strncmp(d->message, "there is no", 11) == 0) {
        return "unknown_asset";
    }
    return strcmp(d->path, "/id") == 0 ? "bad_id" : "invalid_value";
}

static sh_err queue(struct twin_import *m, struct sh_str id, json_t *doc, bool fresh)
{
    struct pending *p = &m->rows[m->n];
    sh_err err = SH_OK;
    if (m->dry_run) {
        m->created += fresh ? 1 : 0;
        m->updated += fresh ? 0 : 1;
        json_decref(doc);
        return SH_OK;
    }
    *p = (struct pending){.id = sh_str_dup(m->t->env->alloc, id), .doc = doc, .fresh = fresh};
    m->n++;
    if (p->id.p == NULL) {
        return SH_E_NOMEM;
    }
    if (m->tx == NULL) {
        err = sh_record_tx_new(m->t->o.record, m->author, &m->tx);
    }
    if (err == SH_OK) {
        err = twin_doc_text(doc, &m->text);
    }
    if (err == SH_OK) {
        const struct sh_record_put r = {.tenant = m->tenant,
                                        .type = SH_TWIN_KIND_DEVICE,
                                        .id = id,
                                        .doc = sh_buf_str(&m->text),
                                        .expect = SH_RECORD_ANY,
                                        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
        err = sh_record_tx_put(m->tx, &r);
    }
    return err == SH_OK && m->n == TWIN_TX_ROWS ? flush(m) : err;
}

/* What the device has is kept: the class of its points, and the meaning of what was measured. */
static sh_err check_kept(struct twin_import *m, struct sh_str id, const json_t *doc,
                         struct sh_diag *diag)
{
    struct sh_twin_reread reread = {.n = 0};
    SH_TRY(twin_class_kept(m->t, m->tenant, id, doc, diag));
    SH_TRY(twin_units_kept(m->t, m->tenant, id, sh_json_get_str(doc, "thing"),
                           m->how->units_corrected, &reread, diag));
    if (m->how->reread != NULL) {
        *m->how->reread += reread.n;
    }
    return SH_OK;
}

/* One device. Only errors that concern the whole file are returned. Under `write`. */
static sh_err take_device(struct twin_import *m, int row, const json_t *body)
{
    struct sh_diag diag = {.line = 0};
    json_t *doc = NULL;
    uint64_t rev = 0;
    const struct sh_str id = sh_json_get_str(body, "id");
    if (id.n == 0) {
        twin_reject(m, row, SH_STR("id"), "id_missing", "a device needs an id");
        return SH_OK;
    }
    sh_err err = sh_map_put(&m->seen, id, m);
    if (err == SH_E_EXISTS) {
        twin_reject(m, row, SH_STR("id"), "duplicate_row", "the id was in an earlier row");
        return SH_OK;
    }
    if (err != SH_OK) {
        return err;
    }
    const bool fresh = !sh_twin_device_known(m->t, m->tenant, id);
    if (!fresh && m->how->create_only) {
        twin_reject(m, row, SH_STR("id"), "exists", "there is a device with this id");
        return SH_OK;
    }
    sh_mutex_lock(&m->t->lock);
    const bool full = m->t->live + m->n >= m->t->o.max_devices;
    sh_mutex_unlock(&m->t->lock);
    err = fresh && full
              ? SH_E_LIMIT
              : twin_device_doc(m->t, m->tenant, id, fresh ? SH_TWIN_CREATE : SH_TWIN_PATCH, body,
                                &doc, &rev, &diag);
    if (err == SH_OK) {
        err = check_kept(m, id, doc, &diag);
        if (err != SH_OK) {
            json_decref(doc);
        }
    }
    if (err == SH_OK && fresh && !import_room(m, 1)) {
        json_decref(doc);
        err = SH_E_LIMIT;
    }
    if (err == SH_OK) {
        return queue(m, id, doc, fresh);
    }
    if (err == SH_E_NOTFOUND) {
        twin_reject(m, row, SH_STR("id"), "bad_id", "the id is an alias of another device");
        return SH_OK;
    }
    if (err == SH_E_INVAL || err == SH_E_LIMIT || err == SH_E_STATE) {
        char column[200];
        const struct sh_str c = column_of(&diag, column);
        twin_reject(m, row, c, twin_code_of(err, &diag),
                    err == SH_E_LIMIT ? "no room for more devices" : diag.message);
        return SH_OK;
    }
    return err;
}

/* ------------------------------------------------------------------ from CSV */

static const char *const text_columns[] = {"id",          "name",     "thing",     "asset",
                                           "description", "location", "data_class"};

static bool known_column(struct sh_str c)
{
    for (size_t i = 0; i < sizeof text_columns / sizeof text_columns[0]; i++) {
        if (sh_str_eqc(c, text_columns[i])) {
            return true;
        }
    }
    return sh_str_eqc(c, "lat") || sh_str_eqc(c, "lon") || sh_str_eqc(c, "period_ms") ||
           sh_str_eqc(c, "data_level") || sh_str_eqc(c, "point_classes") || sh_str_eqc(c, "demo") ||
           sh_str_eqc(c, "archived") || (sh_str_starts(c, SH_STR("label.")) && c.n > 6);
}

static bool flag(struct sh_str v, bool *out)
{
    static const char *const yes[] = {"true", "1", "yes", "是"};
    static const char *const no[] = {"false", "0", "no", "否"};
    for (size_t i = 0; i < 4; i++) {
        if (sh_str_ieq(v, sh_str_c(yes[i])) || sh_str_ieq(v, sh_str_c(no[i]))) {
            *out = sh_str_ieq(v, sh_str_c(yes[i]));
            return true;
        }
    }
    return false;
}

static json_t *text_json(struct sh_str v)
{
    return json_stringn(v.p, v.n);
}

/* Sets one cell in the body; SH_E_INVAL when it is not what the column holds. */
static sh_err set_cell(json_t *body, struct sh_str column, struct sh_str v)
{
    json_t *value = NULL;
    if (sh_str_starts(column, SH_STR("label."))) {
        json_t *labels = json_object_get(body, "labels");
        if (labels == NULL) {
            (void)json_object_set_new(body, "labels", json_object());
            labels = json_object_get(body, "labels");
        }
        return json_object_setn_new(labels, column.p + 6, column.n - 6, text_json(v)) == 0
                   ? SH_OK
                   : SH_E_NOMEM;
    }
    if (sh_str_eqc(column, "lat") || sh_str_eqc(column, "lon")) {
        double d = 0;
        if (sh_f64_parse(v, &d) != SH_OK || !isfinite(d)) {
            return SH_E_INVAL;
        }
        value = json_real(d);
    } else if (sh_str_eqc(column, "period_ms") || sh_str_eqc(column, "data_level")) {
        int64_t n = 0;
        if (sh_i64_parse(v, &n) != SH_OK) {
            return SH_E_INVAL;
        }
        value = json_integer(n);
    } else if (sh_str_eqc(column, "demo") || sh_str_eqc(column, "archived")) {
        bool b = false;
        if (!flag(v, &b)) {
            return SH_E_INVAL;
        }
        value = json_boolean(b);
    } else if ((sh_str_eqc(column, "location") || sh_str_eqc(column, "point_classes")) &&
               v.p[0] == '{') {
        if (sh_json_parse(v, v.n, &value, NULL) != SH_OK) {
            return SH_E_INVAL;
        }
    } else {
        value = text_json(v);
    }
    return json_object_setn_new(body, column.p, column.n, value) == 0 ? SH_OK : SH_E_NOMEM;
}

/* The cells lat and lon become members of the location, whose words stay. SH_E_INVAL: one of them
 * alone. */
static sh_err join_location(json_t *body)
{
    static const char *const names[] = {"lat", "lon"};
    json_t *location = json_object_get(body, "location");
    const bool lat = json_object_get(body, "lat") != NULL;
    if (lat != (json_object_get(body, "lon") != NULL)) {
        return SH_E_INVAL;
    }
    if (!lat) {
        return SH_OK;
    }
    if (!json_is_object(location)) {
        json_t *made = json_object();
        if (json_is_string(location) && json_object_set(made, "text", location) != 0) {
            json_decref(made);
            return SH_E_NOMEM;
        }
        if (json_object_set_new(body, "location", made) != 0) {
            return SH_E_NOMEM;
        }
        location = made;
    }
    for (size_t i = 0; i < 2; i++) {
        if (json_object_set(location, names[i], json_object_get(body, names[i])) != 0) {
            return SH_E_NOMEM;
        }
        (void)json_object_del(body, names[i]);
    }
    return SH_OK;
}

static sh_err csv_row(struct twin_import *m, int row, const struct twin_cells *head,
                      const struct twin_cells *cells)
{
    json_t *body = json_object();
    sh_err err = body == NULL ? SH_E_NOMEM : SH_OK;
    bool good = true;
    if (cells->n > head->n) {
        twin_reject(m, row, SH_STR(""), "too_many_cells", "the row has more cells than the header");
        good = false;
    }
    for (size_t i = 0; i < cells->n && i < head->n && err == SH_OK && good; i++) {
        const struct sh_str v = sh_str_trim(cells->v[i]);
        if (v.n == 0) {
            continue;
        }
        err = set_cell(body, head->v[i], v);
        if (err == SH_E_INVAL) {
            twin_reject(m, row, head->v[i], "invalid_value", "not a value for this column");
            good = false;
            err = SH_OK;
        }
    }
    err = err == SH_OK && good ? join_location(body) : err;
    if (err == SH_E_INVAL) {
        twin_reject(m, row, SH_STR("lat"), "invalid_value", "lat and lon go together");
        good = false;
        err = SH_OK;
    }
    if (err == SH_OK && good) {
        err = take_device(m, row, body);
    }
    json_decref(body);
    return err;
}

static sh_err csv_head(struct twin_csv *c, struct sh_arena *ar, struct twin_cells *head,
                       struct sh_diag *diag)
{
    bool id = false;
    sh_diag_at(diag, SH_STR(""), 1);
    if (twin_csv_next(c, ar, head) != SH_OK) {
        sh_diag_set(diag, "the file has no header row");
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < head->n; i++) {
        head->v[i] = sh_str_trim(head->v[i]);
        if (!known_column(head->v[i])) {
            sh_diag_set(diag, "column %zu is unknown: %.*s", i + 1, SH_PRI(head->v[i]));
            sh_diag_remedy(diag,
                           "Known: id name thing asset description location lat lon period_ms demo "
                           "archived data_class data_level point_classes label.<key>.");
            return SH_E_INVAL;
        }
        for (size_t k = 0; k < i; k++) {
            if (sh_str_eq(head->v[k], head->v[i])) {
                sh_diag_set(diag, "the column %.*s is there twice", SH_PRI(head->v[i]));
                return SH_E_INVAL;
            }
        }
        id = id || sh_str_eqc(head->v[i], "id");
    }
    if (!id) {
        sh_diag_set(diag, "there is no column id");
        return SH_E_INVAL;
    }
    return SH_OK;
}

static sh_err from_csv(struct twin_import *m, struct sh_str text, struct sh_diag *diag)
{
    struct twin_csv c = {.in = text};
    struct sh_arena *keep = sh_arena_new(m->t->env->alloc, ROW_ARENA);
    struct sh_arena *ar = sh_arena_new(m->t->env->alloc, ROW_ARENA);
    struct sh_str head_v[MAX_COLUMNS];
    struct sh_str row_v[MAX_COLUMNS];
    struct twin_cells head = {.v = head_v, .max = MAX_COLUMNS};
    struct twin_cells row = {.v = row_v, .max = MAX_COLUMNS};
    sh_err err = keep == NULL || ar == NULL ? SH_E_NOMEM : csv_head(&c, keep, &head, diag);
    while (err == SH_OK) {
        sh_arena_reset(ar);
        err = twin_csv_next(&c, ar, &row);
        if (err == SH_OK) {
            err = csv_row(m, c.row, &head, &row);
        } else if (err == SH_E_PROTO || err == SH_E_LIMIT) {
            /* Where the row ends cannot be known: nothing behind it is read. */
            twin_reject(m, c.row, SH_STR(""), "malformed_row",
                        err == SH_E_PROTO ? "a quotation mark is not closed, or text follows it"
                                          : "the row is too large");
            err = SH_E_NOTFOUND;
        }
    }
    sh_arena_free(keep);
    sh_arena_free(ar);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

/* ------------------------------------------------------------------ both */

sh_err twin_parse_array(struct sh_str text, json_t **out, struct sh_diag *diag)
{
    json_t *list = NULL;
    const sh_err err = sh_json_parse(text, MAX_BODY, &list, diag);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_INVAL;
    }
    if (!json_is_array(list)) {
        json_decref(list);
        sh_diag_set(diag, "the body is not a JSON array");
        return SH_E_INVAL;
    }
    *out = list;
    return SH_OK;
}

static sh_err from_json(struct twin_import *m, struct sh_str text, struct sh_diag *diag)
{
    json_t *list = NULL;
    SH_TRY(twin_parse_array(text, &list, diag));
    sh_err err = SH_OK;
    for (size_t i = 0; i < json_array_size(list) && i < MAX_ROWS && err == SH_OK; i++) {
        const json_t *body = json_array_get(list, i);
        if (!json_is_object(body)) {
            twin_reject(m, (int)i + 1, SH_STR(""), "invalid_value", "not an object");
            continue;
        }
        err = take_device(m, (int)i + 1, body);
    }
    json_decref(list);
    return err;
}

sh_err twin_decode(const struct sh_twin *t, struct sh_bytes body, const struct sh_twin_import *how,
                   struct sh_buf *buf, struct sh_str *text, struct sh_diag *diag)
{
    if (body.n > MAX_BODY) {
        sh_diag_set(diag, "the file is larger than %d MiB", MAX_BODY >> 20);
        return SH_E_LIMIT;
    }
    sh_buf_init(buf, t->env->alloc, (size_t)MAX_BODY * 2);
    const sh_err err = twin_csv_text(body, how->encoding, buf, text);
    if (err == SH_E_PROTO) {
        sh_diag_set(diag, "the file is neither UTF-8 nor GBK, or not what it is said to be");
        return SH_E_INVAL;
    }
    return err;
}

sh_err sh_twin_devices_import(struct sh_twin *t, uint32_t tenant, struct sh_bytes body,
                              const struct sh_twin_import *how, struct sh_str author,
                              struct sh_jw *w, struct sh_diag *diag)
{
    struct sh_buf buf = {.p = NULL};
    struct sh_str text;
    struct twin_import *m = sh_mem_new(t->env->alloc, sizeof *m);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    m->t = t;
    m->tenant = tenant;
    m->dry_run = how->dry_run;
    m->how = how;
    m->author = author;
    sh_err err = twin_import_init(m);
    sh_mutex_lock(&t->write);
    if (err == SH_OK) {
        err = twin_decode(t, body, how, &buf, &text, diag);
    }
    if (err == SH_OK) {
        err = twin_save_new(t);
    }
    if (err == SH_OK) {
        err = how->csv ? from_csv(m, text, diag) : from_json(m, text, diag);
    }
    if (err == SH_OK) {
        err = flush(m);
    }
    sh_mutex_unlock(&t->write);
    if (err == SH_OK) {
        err = twin_import_report(m, w);
    }
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
    const struct twin_picker *picker;
    json_t *keys; /* label keys as members of an object: in order, each once */
    bool csv;
};

static sh_err note_keys(void *ctx, const struct sh_record_row *row)
{
    struct export *x = ctx;
    json_t *doc = NULL;
    if (!twin_picker_takes(x->t, x->picker, row->id)) {
        return SH_OK;
    }
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    json_t *labels = json_object_get(doc, "labels");
    for (void *it = json_object_iter(labels);
         it != NULL && json_object_size(x->keys) < MAX_LABEL_KEYS;
         it = json_object_iter_next(labels, it)) {
        (void)json_object_set_new(x->keys, json_object_iter_key(it), json_true());
    }
    json_decref(doc);
    return SH_OK;
}

/* A cell: text as it is, other values as JSON. */
static sh_err put_value(struct export *x, const json_t *v, bool first)
{
    struct sh_buf text;
    if (v == NULL || json_is_string(v)) {
        const struct sh_str s = {json_string_value(v), v == NULL ? 0 : json_string_length(v)};
        return twin_csv_put(x->out, s, first);
    }
    sh_buf_init(&text, x->t->env->alloc, TWIN_DOC_BYTES);
    sh_err err = twin_doc_text(v, &text);
    if (err == SH_OK && json_is_number(v)) { /* a minus in front is no formula */
        err = first ? SH_OK : sh_buf_put_u8(x->out, ',');
        err = err == SH_OK ? sh_buf_put_str(x->out, sh_buf_str(&text)) : err;
    } else if (err == SH_OK) {
        err = twin_csv_put(x->out, sh_buf_str(&text), first);
    }
    sh_buf_fini(&text);
    return err;
}

static const char *const export_columns[] = {
    "name",      "thing", "asset",    "description", "location",   "lat",          "lon",
    "period_ms", "demo",  "archived", "data_class",  "data_level", "point_classes"};
enum { EXPORT_COLUMNS = 13 };

/* Latitude and longitude have columns of their own; of the location its words are left, or (with a
 * height) what else it holds. */
static sh_err put_location(struct export *x, json_t *location, const char *column)
{
    if (strcmp(column, "location") != 0) {
        return put_value(x, json_object_get(location, column), false);
    }
    if (!json_is_object(location) || json_object_get(location, "lat") == NULL ||
        json_object_get(location, "lon") == NULL) {
        return put_value(x, location, false);
    }
    if (json_object_get(location, "alt") == NULL) {
        return put_value(x, json_object_get(location, "text"), false);
    }
    json_t *rest = json_copy(location);
    (void)json_object_del(rest, "lat");
    (void)json_object_del(rest, "lon");
    const sh_err err = rest == NULL ? SH_E_NOMEM : put_value(x, rest, false);
    json_decref(rest);
    return err;
}

static sh_err csv_line(struct export *x, struct sh_str id, const json_t *doc)
{
    const json_t *labels = json_object_get(doc, "labels");
    SH_TRY(twin_csv_put(x->out, id, true));
    for (size_t i = 0; i < EXPORT_COLUMNS; i++) {
        const char *column = export_columns[i];
        const bool where = strcmp(column, "location") == 0 || strcmp(column, "lat") == 0 ||
                           strcmp(column, "lon") == 0;
        SH_TRY(where ? put_location(x, json_object_get(doc, "location"), column)
                     : put_value(x, json_object_get(doc, column), false));
    }
    for (void *it = json_object_iter(x->keys); it != NULL;
         it = json_object_iter_next(x->keys, it)) {
        SH_TRY(put_value(x, json_object_get(labels, json_object_iter_key(it)), false));
    }
    return sh_buf_put_c(x->out, "\r\n");
}

static sh_err each_device(void *ctx, const struct sh_record_row *row)
{
    static const char *const own[] = {"aliases", "replaced", "renamed", "tagset", "made"};
    struct export *x = ctx;
    json_t *doc = NULL;
    if (!twin_picker_takes(x->t, x->picker, row->id)) {
        return SH_OK;
    }
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    sh_err err = SH_OK;
    if (x->csv) {
        err = csv_line(x, row->id, doc);
    } else {
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
            (void)json_object_del(doc, own[i]);
        }
        sh_jw_obj(&x->w);
        sh_jw_key(&x->w, "id");
        sh_jw_str(&x->w, row->id);
        for (void *it = json_object_iter(doc); it != NULL; it = json_object_iter_next(doc, it)) {
            sh_jw_key(&x->w, json_object_iter_key(it));
            sh_jw_json(&x->w, json_object_iter_value(it));
        }
        sh_jw_obj_end(&x->w);
        err = x->w.err;
    }
    json_decref(doc);
    return err;
}

static sh_err csv_all(struct export *x, uint32_t tenant)
{
    SH_TRY(sh_record_scan(x->t->o.record, tenant, SH_TWIN_KIND_DEVICE, note_keys, x));
    SH_TRY(twin_csv_put(x->out, SH_STR("id"), true));
    for (size_t i = 0; i < EXPORT_COLUMNS; i++) {
        SH_TRY(twin_csv_put(x->out, sh_str_c(export_columns[i]), false));
    }
    for (void *it = json_object_iter(x->keys); it != NULL;
         it = json_object_iter_next(x->keys, it)) {
        SH_TRY(sh_buf_put_c(x->out, ",")); /* the key is quoted as a whole with its prefix */
        char name[128];
        const int n = snprintf(name, sizeof name, "label.%s", json_object_iter_key(it));
        SH_TRY(twin_csv_put(x->out, (struct sh_str){name, n < 0 ? 0 : (size_t)n}, true));
    }
    SH_TRY(sh_buf_put_c(x->out, "\r\n"));
    return sh_record_scan(x->t->o.record, tenant, SH_TWIN_KIND_DEVICE, each_device, x);
}

static sh_err export_picked(struct export *x, uint32_t tenant, enum sh_twin_encoding encoding,
                            struct sh_buf *out)
{
    struct sh_buf utf8;
    sh_err err = SH_OK;
    sh_buf_init(&utf8, x->t->env->alloc, out->max);
    if (x->csv && encoding == SH_TWIN_GBK) {
        struct export gbk = *x;
        gbk.out = &utf8;
        err = csv_all(&gbk, tenant);
        if (err == SH_OK) {
            err = sh_utf8_to_gbk(sh_buf_str(&utf8), out);
        }
    } else if (x->csv) {
        err = sh_buf_put(out, "\xef\xbb\xbf", 3);
        if (err == SH_OK) {
            err = csv_all(x, tenant);
        }
    } else {
        sh_jw_init(&x->w, out);
        sh_jw_arr(&x->w);
        err = sh_record_scan(x->t->o.record, tenant, SH_TWIN_KIND_DEVICE, each_device, x);
        sh_jw_arr_end(&x->w);
        err = err == SH_OK ? sh_jw_end(&x->w) : err;
    }
    sh_buf_fini(&utf8);
    return err;
}

sh_err sh_twin_devices_export(struct sh_twin *t, const struct sh_twin_pick *pick, bool csv,
                              enum sh_twin_encoding encoding, struct sh_buf *out,
                              struct sh_diag *diag)
{
    struct twin_picker picker;
    struct export x = {.t = t, .out = out, .csv = csv, .picker = &picker};
    SH_TRY(twin_picker_init(t, &picker, pick, diag));
    x.keys = json_object();
    sh_mutex_lock(&t->write);
    sh_err err = x.keys == NULL ? SH_E_NOMEM : twin_save_new(t);
    sh_mutex_unlock(&t->write);
    if (err == SH_OK) {
        err = export_picked(&x, pick->filter.tenant, encoding, out);
    }
    json_decref(x.keys);
    twin_picker_fini(&picker);
    return err;
}
