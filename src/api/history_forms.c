/* history_forms.c - exported rows as line protocol and as columnar frames: what another node takes
 * in. Frames carry everything bit for bit; line protocol what it has words for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "history_export.h"

enum {
    FRAME_ROWS = 32768,
    FRAME_TEXT = 1 << 20, /* no row is added beyond it */
    FRAME_HEAD = 24,
    FRAME_QUALITY = 1
};

static const struct sh_point *point_of(const struct export *x, uint32_t series)
{
    return sh_points_get(x->a->r->api->o.points, x->a->ids[series]);
}

static struct sh_str text_of(const struct export *x, const struct export_row *row)
{
    if (row->value.span.len == 0) {
        return SH_STR("");
    }
    const struct sh_bytes all = sh_buf_bytes(&x->text);
    return sh_str_of((const char *)all.p + row->value.span.off, row->value.span.len);
}

/* ---- line protocol ---- */

static bool name_plain(struct sh_str s)
{
    return s.n > 0 && s.p[0] != '#' && memchr(s.p, '\\', s.n) == NULL &&
           memchr(s.p, '\n', s.n) == NULL;
}

/* Why this row cannot be a line; NULL: it can. */
static const char *line_fault(const struct export *x, const struct export_row *row,
                              const struct sh_point *p)
{
    if (!name_plain(p->device) || !name_plain(p->property)) {
        return "a name has a backslash, a line end or begins with #";
    }
    if (row->quality != SH_Q_GOOD) {
        return "the quality is not 192";
    }
    if (row->type == SH_T_BLOB) {
        return "a blob";
    }
    if (row->type == SH_T_F64 && !isfinite(row->value.f64)) {
        return "not a number, or infinite";
    }
    const struct sh_str t = row->type == SH_T_TEXT ? text_of(x, row) : SH_STR("");
    return t.n > 0 && memchr(t.p, '\n', t.n) != NULL ? "a line end within a text" : NULL;
}

/* Puts a backslash before each of `marks`. */
static sh_err put_escaped(struct sh_buf *out, struct sh_str s, const char *marks)
{
    SH_TRY(sh_buf_reserve(out, s.n * 2));
    for (size_t i = 0; i < s.n; i++) {
        if (strchr(marks, s.p[i]) != NULL && s.p[i] != '\0') {
            out->p[out->n++] = '\\';
        }
        out->p[out->n++] = (uint8_t)s.p[i];
    }
    return SH_OK;
}

static sh_err put_value(struct export *x, const struct export_row *row, struct sh_buf *out)
{
    char t[SH_F64_CHARS + SH_I64_CHARS];
    switch ((enum sh_type)row->type) {
    case SH_T_F64:
        return sh_buf_put(out, t, sh_f64_print(row->value.f64, t));
    case SH_T_I64:
        SH_TRY(sh_buf_put(out, t, sh_i64_print(row->value.i64, t)));
        return sh_buf_put_u8(out, 'i');
    case SH_T_BOOL:
        return sh_buf_put_c(out, row->value.bits != 0 ? "true" : "false");
    case SH_T_TEXT:
        SH_TRY(sh_buf_put_u8(out, '"'));
        SH_TRY(put_escaped(out, text_of(x, row), "\"\\"));
        return sh_buf_put_u8(out, '"');
    case SH_T_BLOB:
        break;
    }
    return SH_E_INTERNAL;
}

static sh_err put_time(int64_t us, struct sh_buf *out)
{
    char t[SH_I64_CHARS];
    SH_TRY(sh_buf_put(out, t, sh_i64_print(us, t)));
    return sh_buf_put_c(out, us == 0 ? "\n" : "000\n"); /* nanoseconds, however far away */
}

/* As JSON, so that it is one line: the point, the time, the value and the quality. */
static sh_err put_remark(struct export *x, const struct export_row *row, const char *why,
                         struct sh_buf *out)
{
    struct sh_jw w;
    sh_buf_clear(&x->cell);
    sh_jw_init(&w, &x->cell);
    sh_jw_arr(&w);
    sh_jw_str(&w, x->a->names[row->series]);
    sh_jw_i64(&w, row->time);
    api_put_cell(&w, (enum sh_type)row->type, row->value, x->text.p);
    sh_jw_u64(&w, row->quality);
    sh_jw_arr_end(&w);
    SH_TRY(sh_jw_end(&w));
    SH_TRY(sh_buf_put_c(out, "# "));
    SH_TRY(sh_buf_put_c(out, why));
    SH_TRY(sh_buf_put_c(out, ": "));
    SH_TRY(sh_buf_put_str(out, sh_buf_str(&x->cell)));
    return sh_buf_put_u8(out, '\n');
}

sh_err export_line_put(struct export *x, struct sh_buf *out)
{
    const struct export_row *row = &x->rows[x->next++];
    const struct sh_point *p = point_of(x, row->series);
    const char *why = line_fault(x, row, p);
    if (why != NULL) {
        return put_remark(x, row, why, out);
    }
    SH_TRY(put_escaped(out, p->device, ", "));
    SH_TRY(sh_buf_put_u8(out, ' '));
    SH_TRY(put_escaped(out, p->property, ", ="));
    SH_TRY(sh_buf_put_u8(out, '='));
    SH_TRY(put_value(x, row, out));
    SH_TRY(sh_buf_put_u8(out, ' '));
    return put_time(row->time, out);
}

/* ---- columnar frames ---- */

/* Rows from x->next on that go into one frame, and the bytes of their texts. */
static size_t frame_rows(const struct export *x, uint32_t *text)
{
    size_t n = 0;
    *text = 0;
    while (x->next + n < x->n && n < FRAME_ROWS && *text < FRAME_TEXT) {
        const struct export_row *row = &x->rows[x->next + n];
        *text += row->type >= SH_T_TEXT ? row->value.span.len : 0;
        n++;
    }
    return n;
}

static sh_err put_table(const struct export *x, size_t n, struct sh_buf *out, uint32_t *series)
{
    *series = 0;
    for (size_t i = 0; i < n;) {
        const struct export_row *row = &x->rows[x->next + i];
        const struct sh_point *p = point_of(x, row->series);
        size_t k = 1;
        while (i + k < n && row[k].series == row->series) {
            k++;
        }
        SH_TRY(sh_buf_put_le16(out, (uint16_t)p->device.n));
        SH_TRY(sh_buf_put_le16(out, (uint16_t)p->property.n));
        SH_TRY(sh_buf_put_le32(out, row->type));
        SH_TRY(sh_buf_put_le32(out, (uint32_t)k));
        SH_TRY(sh_buf_put_str(out, p->device));
        SH_TRY(sh_buf_put_str(out, p->property));
        *series += 1;
        i += k;
    }
    return SH_OK;
}

static sh_err put_columns(const struct export *x, size_t n, uint32_t text, struct sh_buf *out)
{
    SH_TRY(sh_buf_reserve(out, n * 17 + text + 4));
    uint8_t *time = out->p + out->n;
    uint8_t *cell = time + n * 8;
    uint8_t *quality = cell + n * 8;
    uint8_t *bytes = quality + n;
    uint32_t off = 0;
    for (size_t i = 0; i < n; i++) {
        const struct export_row *row = &x->rows[x->next + i];
        union sh_cell c = row->value;
        if (row->type >= SH_T_TEXT) {
            const struct sh_str t = text_of(x, row);
            if (t.n > 0) {
                memcpy(bytes + off, t.p, t.n);
            }
            c.span.off = off;
            off += (uint32_t)t.n;
        }
        sh_put_le64(time + i * 8, (uint64_t)row->time);
        sh_put_le64(cell + i * 8, c.bits);
        quality[i] = row->quality;
    }
    out->n += n * 17 + text;
    return SH_OK;
}

sh_err export_frame_put(struct export *x, struct sh_buf *out)
{
    const size_t start = out->n;
    uint32_t text = 0;
    uint32_t series = 0;
    const size_t n = frame_rows(x, &text);
    SH_TRY(sh_buf_put(out, "SHCB\1", 5));
    SH_TRY(sh_buf_put_u8(out, FRAME_QUALITY));
    SH_TRY(sh_buf_reserve(out, FRAME_HEAD - 6));
    memset(out->p + out->n, 0, FRAME_HEAD - 6);
    out->n += FRAME_HEAD - 6;
    SH_TRY(put_table(x, n, out, &series));
    SH_TRY(put_columns(x, n, text, out));
    uint8_t *head = out->p + start;
    const size_t size = out->n - start + 4;
    sh_put_le32(head + 8, series);
    sh_put_le32(head + 12, (uint32_t)n);
    sh_put_le32(head + 16, text);
    sh_put_le32(head + 20, (uint32_t)size);
    x->next += n;
    return sh_buf_put_le32(out, sh_crc32c(0, head, size - 4));
}
