/* CSV (RFC 4180) with a header row: one column is the time, each other one a property.
 *
 * A row is all or nothing: its rows in the batch are taken back when one cell is refused. The type
 * of a property that is new is that of its first cell that is not empty. An empty cell is no value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

#include <math.h>

struct table {
    struct ingest_run r;
    const char *p; /* next byte */
    const char *end;
    const char *row; /* first byte of the row */
    uint32_t line;   /* of the row; a quoted cell may hold newlines */
    uint32_t lines_in_row;
    char delimiter;
    bool row_ended;
    uint32_t time_column;
    struct ingest_entry *group;
    enum sh_ingest_code code; /* set with detail and at when a step says SH_E_INVAL */
    const char *detail;
    const char *at;
    char said[160];
};

static sh_err fault(struct table *t, enum sh_ingest_code code, const char *at, const char *detail)
{
    t->code = code;
    t->at = at;
    t->detail = detail;
    return SH_E_INVAL;
}

/* Behind a cell: a delimiter, or the end of the row. */
static sh_err end_cell(struct table *t)
{
    t->row_ended = false;
    if (t->p < t->end && *t->p == t->delimiter) {
        t->p++;
        return SH_OK;
    }
    if (t->p < t->end && *t->p == '\r' && (t->p + 1 == t->end || t->p[1] == '\n')) {
        t->p++;
    }
    if (t->p < t->end && *t->p != '\n') {
        return fault(t, SH_INGEST_SYNTAX, t->p, "a delimiter was expected behind the quotes");
    }
    t->row_ended = true;
    t->p += t->p < t->end ? 1 : 0;
    return SH_OK;
}

static sh_err quoted_cell(struct table *t, struct sh_str *out)
{
    const char *from = ++t->p;
    bool doubled = false;
    for (;; t->p++) {
        const char *q = t->p < t->end ? memchr(t->p, '"', (size_t)(t->end - t->p)) : NULL;
        if (q == NULL) {
            t->p = t->end;
            return fault(t, SH_INGEST_SYNTAX, from - 1, "the quotes are not closed");
        }
        t->p = q + 1;
        if (t->p == t->end || *t->p != '"') {
            *out = sh_str_of(from, (size_t)(q - from));
            break;
        }
        doubled = true;
    }
    for (const char *p = from; p < out->p + out->n; p++) {
        t->lines_in_row += *p == '\n' ? 1 : 0;
    }
    if (doubled) {
        struct sh_buf *b = &t->r.in->text;
        sh_buf_clear(b);
        SH_TRY(sh_buf_reserve(b, out->n));
        for (size_t i = 0; i < out->n; i++) {
            b->p[b->n++] = (uint8_t)out->p[i];
            i += out->p[i] == '"' ? 1 : 0; /* the second of the pair */
        }
        *out = sh_buf_str(b);
    }
    return SH_OK;
}

/* The cell at t->p; t->p is at the next one, or at the next row (row_ended). */
static sh_err take_cell(struct table *t, struct sh_str *out)
{
    t->at = t->p;
    if (t->p < t->end && *t->p == '"') {
        SH_TRY(quoted_cell(t, out));
    } else {
        const char *from = t->p;
        while (t->p < t->end && *t->p != t->delimiter && *t->p != '\n') {
            t->p++;
        }
        const char *to = t->p;
        if (to > from && to[-1] == '\r' && (to == t->end || *to == '\n')) {
            to--;
        }
        *out = sh_str_of(from, (size_t)(to - from));
    }
    *out = sh_csv_text(*out);
    return end_cell(t);
}

/* After a mistake: to the next row. */
static void next_row(struct table *t)
{
    if (!t->row_ended) {
        const char *nl = t->p < t->end ? memchr(t->p, '\n', (size_t)(t->end - t->p)) : NULL;
        t->p = nl == NULL ? t->end : nl + 1;
    }
}

static sh_err add_column(struct table *t, struct sh_str name)
{
    struct sh_ingest *in = t->r.in;
    const struct sh_str trimmed = sh_str_trim(name);
    if (in->ncolumns == SH_INGEST_MAX_COLUMNS) {
        return fault(t, SH_INGEST_TOO_BIG, t->at, "a table has at most 4096 columns");
    }
    if (trimmed.n == 0) {
        return fault(t, SH_INGEST_NAME, t->at, "a column has no name");
    }
    for (uint32_t i = 0; i < in->ncolumns; i++) {
        const struct ingest_column *c = &in->columns[i];
        if (sh_str_eq(trimmed, sh_str_of((const char *)in->names.p + c->name_off, c->name_len))) {
            return fault(t, SH_INGEST_NAME, t->at, "two columns have the same name");
        }
    }
    if (in->ncolumns == in->columns_cap) {
        const uint32_t cap = in->columns_cap == 0 ? 32 : in->columns_cap * 2;
        struct ingest_column *c =
            sh_mem_resize(in->env.alloc, in->columns, cap * sizeof *in->columns);
        if (c == NULL) {
            return SH_E_NOMEM;
        }
        in->columns = c;
        in->columns_cap = cap;
    }
    in->columns[in->ncolumns] =
        (struct ingest_column){.name_off = (uint32_t)in->names.n, .name_len = (uint32_t)trimmed.n};
    const sh_err e = sh_buf_put_str(&in->names, trimmed);
    if (e == SH_E_LIMIT) {
        return fault(t, SH_INGEST_TOO_BIG, t->at, "the header is too long");
    }
    in->ncolumns++;
    return e;
}

static struct sh_str column_name(const struct sh_ingest *in, uint32_t i)
{
    return sh_str_of((const char *)in->names.p + in->columns[i].name_off, in->columns[i].name_len);
}

static sh_err take_header(struct table *t)
{
    struct sh_ingest *in = t->r.in;
    const struct sh_str want =
        t->r.opts->time_column.n == 0 ? SH_STR("time") : t->r.opts->time_column;
    in->ncolumns = 0;
    sh_buf_clear(&in->names);
    do {
        struct sh_str cell;
        SH_TRY(take_cell(t, &cell));
        SH_TRY(add_column(t, cell));
    } while (!t->row_ended);
    t->time_column = UINT32_MAX;
    for (uint32_t i = 0; i < in->ncolumns; i++) {
        if (sh_str_eq(column_name(in, i), want)) {
            t->time_column = i;
        }
    }
    return t->time_column == UINT32_MAX
               ? fault(t, SH_INGEST_TIME, t->row,
                       "the header has no time column; name it by ?time_column=")
               : SH_OK;
}

static bool is_word(struct sh_str s, double *out)
{
    if (sh_str_eqc(s, "NaN")) {
        *out = NAN;
    } else if (sh_str_eqc(s, "Infinity")) {
        *out = INFINITY;
    } else if (sh_str_eqc(s, "-Infinity")) {
        *out = -INFINITY;
    } else {
        return false;
    }
    return true;
}

static bool is_bool(struct sh_str s, uint64_t *out)
{
    *out = sh_str_ieq(s, SH_STR("true"));
    return *out != 0 || sh_str_ieq(s, SH_STR("false"));
}

/* What the cell is, for a point that wants `want` (0: not known yet). */
static sh_err read_value(struct table *t, struct sh_str cell, enum sh_type want,
                         struct ingest_value *v)
{
    struct ingest_number n;
    *v = (struct ingest_value){.what = INGEST_TEXT, .loose = true, .q = SH_Q_GOOD, .text = cell};
    const struct sh_str s = sh_str_trim(cell);
    if (want == SH_T_TEXT) {
        return sh_utf8_valid(cell) ? SH_OK
                                   : fault(t, SH_INGEST_UTF8, t->at, "the cell is not UTF-8");
    }
    if (ingest_number_scan(s.p, s.p + s.n, false, &n) && n.to == s.p + s.n) {
        if (want == SH_T_I64 && ingest_number_i64(&n, &v->cell.i64)) {
            v->what = INGEST_I64;
            return SH_OK;
        }
        v->what = INGEST_F64;
        v->loose = !(want == SH_T_I64 && n.digits > 15);
        return ingest_number_f64(&n, &v->cell.f64)
                   ? SH_OK
                   : fault(t, SH_INGEST_NUMBER, t->at, "the number is out of range");
    }
    if (is_word(s, &v->cell.f64)) {
        v->what = INGEST_F64;
    } else if (is_bool(s, &v->cell.bits)) {
        v->what = INGEST_BOOL;
    } else if (!sh_utf8_valid(cell)) {
        return fault(t, SH_INGEST_UTF8, t->at, "the cell is not UTF-8");
    }
    return SH_OK;
}

static sh_err resolve_column(struct table *t, uint32_t i, struct sh_str cell,
                             struct ingest_entry **out)
{
    struct sh_ingest *in = t->r.in;
    struct ingest_column *c = &in->columns[i];
    const struct sh_str property = column_name(in, i);
    const uint64_t scope = t->r.opts->scope;
    struct ingest_entry **hint = &t->group->first;
    c->entry = ingest_find(in, hint, t->group, INGEST_PLAIN, scope, property);
    *out = c->entry;
    if (c->entry != NULL) {
        return SH_OK;
    }
    struct ingest_value v;
    const sh_err e = read_value(t, cell, 0, &v);
    if (e != SH_OK && t->code != SH_INGEST_NUMBER) {
        return e; /* a number out of range still says that it is a number */
    }
    const struct sh_ingest_name name = {.device = t->r.opts->device,
                                        .property = property,
                                        .type = ingest_suggest(&v),
                                        .scope = scope};
    struct sh_ingest_target target;
    const enum sh_ingest_code code = ingest_resolve(&t->r, &name, &target, t->said);
    if (code != SH_INGEST_OK) {
        return fault(t, code, t->at, t->said);
    }
    c->entry = ingest_add(in, hint, t->group, INGEST_PLAIN, scope, property);
    if (c->entry == NULL) {
        return SH_E_NOMEM;
    }
    c->entry->target = target;
    *out = c->entry;
    return SH_OK;
}

static sh_err take_value(struct table *t, uint32_t column, struct sh_str cell)
{
    struct sh_ingest *in = t->r.in;
    struct ingest_entry *entry = in->columns[column].entry;
    if (entry == NULL) {
        SH_TRY(resolve_column(t, column, cell, &entry));
    }
    const struct sh_ingest_target *target = &entry->target;
    struct ingest_value v;
    SH_TRY(read_value(t, cell, target->scale == NULL ? target->type : target->scale->raw_type, &v));
    return ingest_put(in, target, 0, &v, &t->code, &t->detail);
}

static sh_err take_row(struct table *t)
{
    const uint32_t from = t->r.in->batch.view.len;
    const uint32_t ncolumns = t->r.in->ncolumns;
    int64_t time = 0;
    uint32_t i = 0;
    do {
        struct sh_str cell;
        SH_TRY(take_cell(t, &cell));
        if (i >= ncolumns) {
            return fault(t, SH_INGEST_SYNTAX, t->at, "the row has more cells than the header");
        }
        if (i == t->time_column) {
            if (!ingest_csv_time(t->r.opts, sh_str_trim(cell), &time)) {
                return fault(t, SH_INGEST_TIME, t->at,
                             "the time is none of RFC 3339, epoch ms, YYYY-MM-DD hh:mm:ss");
            }
            const enum sh_ingest_code c = ingest_time_check(&t->r, time);
            if (c != SH_INGEST_OK) {
                return fault(t, c, t->at, ingest_time_detail(c));
            }
        } else if (cell.n > 0) {
            SH_TRY(take_value(t, i, cell));
        }
        i++;
    } while (!t->row_ended);
    if (i < ncolumns) {
        return fault(t, SH_INGEST_SYNTAX, t->row, "the row has fewer cells than the header");
    }
    ingest_set_time(&t->r, from, time);
    t->r.result->taken += t->r.in->batch.view.len > from ? 1 : 0;
    return SH_OK;
}

static sh_err handle_row(struct table *t)
{
    for (bool again = false;; again = true) {
        const struct ingest_mark m = ingest_mark(&t->r);
        t->p = t->row;
        t->lines_in_row = 1;
        t->row_ended = false;
        sh_err e = take_row(t);
        if (e == SH_OK) {
            return SH_OK;
        }
        ingest_rollback(&t->r, m);
        if (e == SH_E_LIMIT && (again || m.rows == 0)) {
            e = fault(t, SH_INGEST_TOO_BIG, t->row, "the row does not fit a batch");
        }
        if (e == SH_E_INVAL) {
            const size_t column = t->at >= t->row && t->at <= t->end ? (size_t)(t->at - t->row) : 0;
            ingest_refuse(&t->r, t->line, column + 1, t->code, t->detail);
            next_row(t);
            return SH_OK;
        }
        if (e != SH_E_LIMIT) {
            return e;
        }
        SH_TRY(ingest_flush(&t->r));
    }
}

static sh_err find_group(struct table *t)
{
    struct sh_ingest *in = t->r.in;
    const uint64_t scope = t->r.opts->scope;
    (void)ingest_make_room(in);
    t->group = ingest_find(in, &in->start, NULL, INGEST_PLAIN, scope, t->r.opts->device);
    if (t->group == NULL) {
        t->group = ingest_add(in, &in->start, NULL, INGEST_PLAIN, scope, t->r.opts->device);
    }
    return t->group == NULL ? SH_E_NOMEM : SH_OK;
}

static bool blank(const struct table *t)
{
    return *t->p == '\n' || (*t->p == '\r' && t->p + 1 < t->end && t->p[1] == '\n');
}

static sh_err take_table(struct table *t)
{
    if (t->end - t->p >= 3 && memcmp(t->p, "\xEF\xBB\xBF", 3) == 0) {
        t->p += 3; /* byte order mark */
    }
    t->row = t->p;
    t->line = 1;
    t->lines_in_row = 1;
    sh_err e = take_header(t);
    if (e == SH_E_INVAL) {
        ingest_refuse(&t->r, 1, (size_t)(t->at - t->row) + 1, t->code, t->detail);
        return SH_OK;
    }
    while (e == SH_OK && t->p < t->end) {
        t->line += t->lines_in_row;
        t->lines_in_row = 1;
        t->row = t->p;
        if (blank(t)) {
            t->p += *t->p == '\r' ? 2 : 1;
        } else {
            e = handle_row(t);
        }
    }
    return e;
}

sh_err sh_ingest_csv(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                     const struct sh_ingest_opts *opts, struct sh_bytes body,
                     struct sh_ingest_result *result)
{
    struct table t = {.r = {.in = in, .sink = sink, .opts = opts, .result = result},
                      .p = body.n == 0 ? "" : (const char *)body.p,
                      .delimiter = opts->delimiter == 0 ? ',' : opts->delimiter};
    struct sh_buf converted;
    sh_buf_init(&converted, in->env.alloc, body.n * 3 + 1);
    ingest_begin(&t.r);
    sh_err e = SH_OK;
    if (opts->device.n == 0 || opts->device.n > SH_INGEST_MAX_NAME) {
        ingest_refuse(&t.r, 0, 1, SH_INGEST_NO_DEVICE, "CSV needs ?device= with 1 to 256 bytes");
        return SH_OK;
    }
    t.end = t.p + body.n;
    if (opts->gbk) {
        e = sh_gbk_to_utf8(body, &converted);
        if (e == SH_E_PROTO) {
            ingest_refuse(&t.r, 0, 1, SH_INGEST_UTF8, "the body is not GBK");
            sh_buf_fini(&converted);
            return SH_OK;
        }
        t.p = converted.n == 0 ? "" : (const char *)converted.p;
        t.end = t.p + converted.n;
    }
    e = e == SH_OK ? find_group(&t) : e;
    e = e == SH_OK ? take_table(&t) : e;
    sh_buf_fini(&converted);
    return ingest_end(&t.r, e);
}
