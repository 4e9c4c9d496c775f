/* Columnar binary frames, version 1; little-endian. A body is one or more frames.
 *
 *   u8[4] "SHCB" | u8 version 1 | u8 flags (bit 0: quality column) | u16 0
 *   u32 series | u32 rows (1..65536) | u32 text_bytes | u32 frame_bytes (all of it)
 *   per series: u16 device_bytes | u16 property_bytes | u8 type | u8[3] 0 | u32 rows | device |
 * property i64 time_us[rows] | u64 cell[rows] | u8 quality[rows] if flagged | text | u32 CRC-32C of
 * all before
 *
 * Rows are sorted by series, in the order of the table. A cell is the bits of an f64 or i64, 0 or
 * 1, or u32 offset and u32 length in the text. A frame is checked whole before its first row is
 * taken. SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

enum { HEAD = 24, SERIES_HEAD = 12, QUALITY_FLAG = 1, VERSION = 1 };

struct frame {
    struct ingest_run r;
    const uint8_t *base; /* of the body */
    const uint8_t *p;    /* of the frame */
    size_t n;            /* bytes of the frame */
    uint32_t series;
    uint32_t rows;
    const uint8_t *table;
    const uint8_t *time;
    const uint8_t *cell;
    const uint8_t *quality; /* NULL = all good */
    const uint8_t *text;
    uint32_t text_bytes;
    struct ingest_entry *last; /* group of the series before */
    char said[160];
};

struct series {
    struct sh_str device;
    struct sh_str property;
    enum sh_type type;
    uint32_t rows;
};

static void refuse(struct frame *f, uint32_t series, const uint8_t *at, enum sh_ingest_code code,
                   const char *why)
{
    ingest_refuse(&f->r, series, (size_t)(at - f->base) + 1, code, why);
}

/* Reads one entry of the table and moves on; false when it is not whole. */
static bool take_series(const uint8_t **p, const uint8_t *end, struct series *s)
{
    if (end - *p < SERIES_HEAD) {
        return false;
    }
    const uint8_t *q = *p;
    const size_t device = sh_le16(q);
    const size_t property = sh_le16(q + 2);
    if ((size_t)(end - q) - SERIES_HEAD < device + property || q[4] < SH_T_BOOL ||
        q[4] > SH_T_BLOB || q[5] != 0 || q[6] != 0 || q[7] != 0) {
        return false;
    }
    s->type = q[4];
    s->rows = sh_le32(q + 8);
    s->device = sh_str_of((const char *)q + SERIES_HEAD, device);
    s->property = sh_str_of((const char *)q + SERIES_HEAD + device, property);
    *p = q + SERIES_HEAD + device + property;
    return true;
}

/* Cells that must be more than any 8 bytes: bools and spans. */
static bool check_cells(const struct frame *f, const struct series *s, uint32_t first)
{
    if (s->type == SH_T_I64 || s->type == SH_T_F64) {
        return true;
    }
    for (uint32_t i = first; i < first + s->rows; i++) {
        const uint64_t bits = sh_le64(f->cell + (size_t)i * 8);
        const uint64_t off = bits & 0xffffffffu;
        const uint64_t len = bits >> 32;
        if (s->type == SH_T_BOOL && bits > 1) {
            return false;
        }
        if (s->type >= SH_T_TEXT && off + len > f->text_bytes) {
            return false;
        }
        if (s->type == SH_T_TEXT &&
            !sh_utf8_valid(sh_str_of((const char *)f->text + off, (size_t)len))) {
            return false;
        }
    }
    return true;
}

/* Lays the columns out behind the table, which ends at `at`. */
static bool lay_out(struct frame *f, const uint8_t *at, bool quality)
{
    const uint8_t *end = f->p + f->n - 4;
    const uint64_t need = (uint64_t)f->rows * (quality ? 17u : 16u) + f->text_bytes;
    if ((uint64_t)(end - at) != need) {
        return false;
    }
    f->time = at;
    f->cell = at + (size_t)f->rows * 8;
    f->text = f->cell + (size_t)f->rows * 8;
    f->quality = NULL;
    if (quality) {
        f->quality = f->text;
        f->text += f->rows;
    }
    return true;
}

static const char *check_head(struct frame *f, size_t left, enum sh_ingest_code *code)
{
    *code = SH_INGEST_SYNTAX;
    if (left < HEAD + 4 || memcmp(f->p, "SHCB", 4) != 0) {
        return "a frame starts with SHCB and a head of 24 bytes";
    }
    if (f->p[4] != VERSION) {
        *code = SH_INGEST_VERSION;
        return "only version 1 of the columnar format is known";
    }
    f->series = sh_le32(f->p + 8);
    f->rows = sh_le32(f->p + 12);
    f->text_bytes = sh_le32(f->p + 16);
    f->n = sh_le32(f->p + 20);
    if ((f->p[5] & ~QUALITY_FLAG) != 0 || sh_le16(f->p + 6) != 0) {
        return "an unknown flag is set";
    }
    if (f->n < HEAD + 4 || f->n > left) {
        return "the frame is cut short";
    }
    if (f->rows == 0 || f->rows > SH_INGEST_BIN_MAX_ROWS || f->series == 0 || f->series > f->rows) {
        *code = SH_INGEST_TOO_BIG;
        return "a frame has 1 to 65536 rows and at most as many series";
    }
    if (sh_crc32c(0, f->p, f->n - 4) != sh_le32(f->p + f->n - 4)) {
        return "the checksum is wrong";
    }
    f->table = f->p + HEAD;
    return NULL;
}

/* Checks the frame at f->p; NULL, or what is wrong. */
static const char *check_frame(struct frame *f, size_t left, enum sh_ingest_code *code)
{
    const char *wrong = check_head(f, left, code);
    if (wrong != NULL) {
        return wrong;
    }
    const uint8_t *p = f->table;
    uint64_t sum = 0;
    struct series s;
    for (uint32_t i = 0; i < f->series; i++) {
        if (!take_series(&p, f->p + f->n - 4, &s)) {
            return "an entry of the series table is malformed";
        }
        sum += s.rows;
    }
    if (sum != f->rows || !lay_out(f, p, (f->p[5] & QUALITY_FLAG) != 0)) {
        return "the lengths of table and columns disagree";
    }
    p = f->table;
    uint32_t first = 0;
    for (uint32_t i = 0; i < f->series; i++) {
        if (!take_series(&p, f->p + f->n - 4, &s) || !check_cells(f, &s, first)) {
            return "a bool is neither 0 nor 1, or a text is outside the frame or not UTF-8";
        }
        first += s.rows;
    }
    return NULL;
}

/* The field's entry; SH_E_NOTFOUND: refused, and told. */
static sh_err find_field(struct frame *f, const struct series *s, uint32_t index,
                         struct ingest_entry **out)
{
    struct sh_ingest *in = f->r.in;
    const uint64_t scope = f->r.opts->scope;
    if (ingest_make_room(in)) {
        f->last = NULL;
    }
    struct ingest_entry **hint = f->last == NULL ? &in->start : &f->last->guess;
    struct ingest_entry *g = f->last;
    if (g == NULL || !sh_str_eq(sh_str_of(g->key, g->len), s->device)) {
        g = ingest_find(in, hint, NULL, INGEST_PLAIN, scope, s->device);
    }
    if (g == NULL && s->device.n <= SH_INGEST_MAX_NAME) {
        g = ingest_add(in, hint, NULL, INGEST_PLAIN, scope, s->device);
        if (g == NULL) {
            return SH_E_NOMEM;
        }
    }
    struct ingest_entry *none = NULL;
    hint = g == NULL ? &none : &g->first;
    f->last = g;
    *out = g == NULL ? NULL : ingest_find(in, hint, g, INGEST_PLAIN, scope, s->property);
    if (*out != NULL) {
        return SH_OK;
    }
    const struct sh_ingest_name name = {
        .device = s->device, .property = s->property, .type = s->type, .scope = scope};
    struct sh_ingest_target t;
    const enum sh_ingest_code c = ingest_resolve(&f->r, &name, &t, f->said);
    if (c != SH_INGEST_OK) {
        refuse(f, index + 1, (const uint8_t *)s->device.p, c, f->said);
        return SH_E_NOTFOUND;
    }
    *out = ingest_add(in, hint, g, INGEST_PLAIN, scope, s->property);
    if (*out == NULL) {
        return SH_E_NOMEM;
    }
    (*out)->target = t;
    return SH_OK;
}

static void read_cell(const struct frame *f, enum sh_type type, uint32_t row,
                      struct ingest_value *v)
{
    static const enum ingest_what what[] = {[SH_T_BOOL] = INGEST_BOOL,
                                            [SH_T_I64] = INGEST_I64,
                                            [SH_T_F64] = INGEST_F64,
                                            [SH_T_TEXT] = INGEST_TEXT,
                                            [SH_T_BLOB] = INGEST_BLOB};
    v->what = what[type];
    v->cell.bits = sh_le64(f->cell + (size_t)row * 8);
    v->q = f->quality == NULL ? SH_Q_GOOD : f->quality[row];
    if (type >= SH_T_TEXT) {
        v->text = sh_str_of((const char *)f->text + (v->cell.bits & 0xffffffffu),
                            (size_t)(v->cell.bits >> 32));
    }
}

static sh_err take_rows(struct frame *f, const struct series *s, uint32_t index, uint32_t first,
                        const struct sh_ingest_target *t)
{
    struct ingest_value v = {0};
    bool any = false;
    for (uint32_t i = first; i < first + s->rows; i++) {
        const int64_t time = (int64_t)sh_le64(f->time + (size_t)i * 8);
        enum sh_ingest_code code = ingest_time_check(&f->r, time);
        const char *detail = code == SH_INGEST_OK ? "" : ingest_time_detail(code);
        sh_err e = SH_E_INVAL;
        if (code == SH_INGEST_OK) {
            read_cell(f, s->type, i, &v);
            e = ingest_put(f->r.in, t, time, &v, &code, &detail);
            if (e == SH_E_LIMIT && f->r.in->batch.view.len > 0) {
                SH_TRY(ingest_flush(&f->r));
                e = ingest_put(f->r.in, t, time, &v, &code, &detail);
            }
        }
        if (e == SH_E_INVAL) {
            refuse(f, index + 1, f->cell + (size_t)i * 8, code, detail);
        } else if (e != SH_OK) {
            return e;
        }
        any = any || e == SH_OK;
    }
    f->r.result->taken += any ? 1 : 0;
    return SH_OK;
}

/* Strictly ascending and within the limits. */
static bool times_plain(const struct frame *f, uint32_t first, uint32_t n)
{
    const uint8_t *p = f->time + (size_t)first * 8;
    int64_t before = (int64_t)sh_le64(p);
    if (ingest_time_check(&f->r, before) != SH_INGEST_OK ||
        ingest_time_check(&f->r, (int64_t)sh_le64(p + (size_t)(n - 1) * 8)) != SH_INGEST_OK) {
        return false;
    }
    uint64_t bad = 0;
    for (uint32_t i = 1; i < n; i++) {
        const int64_t t = (int64_t)sh_le64(p + (size_t)i * 8);
        bad |= (uint64_t)(t <= before);
        before = t;
    }
    return bad == 0;
}

/* Offers the rows of a series to the sink as they are; SH_E_UNSUPPORTED: they go one by one. */
static sh_err take_run(struct frame *f, const struct series *s, uint32_t first,
                       const struct sh_ingest_target *t)
{
    const struct sh_ingest_sink *sink = f->r.sink;
    if (sink->run == NULL || s->rows < sink->run_min || s->rows == 0 || t->scale != NULL ||
        t->raw_point != 0 || t->type != s->type || s->type > SH_T_F64 || f->r.opts->hold ||
        !times_plain(f, first, s->rows)) {
        return SH_E_UNSUPPORTED;
    }
    const struct sh_ingest_run run = {.point = t->point,
                                      .type = s->type,
                                      .n = s->rows,
                                      .time = f->time + (size_t)first * 8,
                                      .cell = f->cell + (size_t)first * 8,
                                      .quality = f->quality == NULL ? NULL : f->quality + first};
    SH_TRY(ingest_flush(&f->r)); /* what came before stays before it */
    SH_TRY(sink->run(sink->ctx, &run));
    f->r.result->samples += s->rows;
    f->r.result->taken++;
    return SH_OK;
}

static sh_err take_frame(struct frame *f)
{
    const uint8_t *p = f->table;
    uint32_t first = 0;
    for (uint32_t i = 0; i < f->series; i++) {
        struct series s;
        struct ingest_entry *e = NULL;
        if (!take_series(&p, f->p + f->n - 4, &s)) {
            return SH_E_INTERNAL; /* check_frame read the same bytes */
        }
        sh_err r = find_field(f, &s, i, &e);
        if (r == SH_OK) {
            r = take_run(f, &s, first, &e->target);
            r = r == SH_E_UNSUPPORTED ? take_rows(f, &s, i, first, &e->target) : r;
        }
        if (r != SH_OK && r != SH_E_NOTFOUND) {
            return r;
        }
        first += s.rows;
    }
    return SH_OK;
}

sh_err sh_ingest_columns(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                         const struct sh_ingest_opts *opts, struct sh_bytes body,
                         struct sh_ingest_result *result)
{
    struct frame f = {.r = {.in = in, .sink = sink, .opts = opts, .result = result},
                      .base = body.n == 0 ? (const uint8_t *)"" : body.p};
    ingest_begin(&f.r);
    sh_err e = SH_OK;
    f.p = f.base;
    const uint8_t *end = f.base + body.n;
    do {
        enum sh_ingest_code code;
        const char *wrong = check_frame(&f, (size_t)(end - f.p), &code);
        if (wrong != NULL) {
            refuse(&f, 0, f.p, code, wrong);
            break;
        }
        e = take_frame(&f);
        f.p += f.n;
    } while (e == SH_OK && f.p < end);
    return ingest_end(&f.r, e);
}
