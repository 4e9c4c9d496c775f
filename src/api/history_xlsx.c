/* history_xlsx.c - exported rows as a workbook: sheets of data, as many as the rows need, and one
 * that says what they are. The file is made piece by piece, in memory that does not grow.
 *
 * How many samples there are is asked of the engine before (blocks know): what no spreadsheet would
 * take in is refused while that can still be said.
 * SPDX-License-Identifier: Apache-2.0 */
#include "history_export.h"

enum { CELLS_MAX = 20 * 1000 * 1000 };
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define TIME_WIDTH 24
#define VALUE_WIDTH 18
#define NOTE_WIDTH 34

static const struct sh_point *point_of(const struct export *x, size_t series)
{
    return sh_points_get(x->a->r->api->o.points, x->a->ids[series]);
}

static const char *word(const struct export *x, const char *en, const char *zh)
{
    return x->a->r->chinese ? zh : en;
}

static struct sh_str zone(const struct export *x)
{
    const struct sh_str tz = sh_json_get_str(x->a->r->body, "tz");
    return tz.n > 0 ? tz : SH_STR("UTC");
}

static int64_t local(const struct export *x, int64_t us)
{
    return x->a->tz == NULL ? us : us + (int64_t)sh_tz_offset(x->a->tz, us) * 1000000;
}

/* ---- is it too much? ---- */

static sh_err add_count(void *ctx, const struct sh_history_rows *rows)
{
    uint64_t *sum = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        *sum += (uint64_t)rows->agg[0].value[i].i64;
    }
    return SH_OK;
}

sh_err export_book_fits(const struct export *x, bool *fits)
{
    const struct asked *a = x->a;
    uint64_t cells = 0;
    if (a->q.naggs > 0) {
        const uint64_t buckets =
            a->q.step_us == 0 ? 1 : ((uint64_t)x->to - (uint64_t)x->at) / (uint64_t)a->q.step_us;
        *fits = x->to <= x->at || buckets <= CELLS_MAX / a->q.npoints;
        return SH_OK;
    }
    const struct sh_history_agg count = {.kind = SH_AGG_COUNT};
    struct sh_history_result res;
    struct sh_history_query q = {.points = a->q.points,
                                 .npoints = a->q.npoints,
                                 .from_us = x->at,
                                 .to_us = x->to,
                                 .aggs = &count,
                                 .naggs = 1,
                                 .quality = SH_QF_ALL,
                                 .deadline_mono_us = a->q.deadline_mono_us};
    SH_TRY(sh_history_query(a->r->api->o.history, &q, add_count, &cells, &res));
    *fits = cells <= CELLS_MAX;
    return SH_OK;
}

/* ---- sheets of data ---- */

static void put_head(struct export *x)
{
    const struct asked *a = x->a;
    struct sh_arena *ar = a->r->arena;
    const struct sh_str z = zone(x);
    sh_xlsx_row(x->book);
    sh_xlsx_head(x->book, sh_arena_printf(ar, "%s (%.*s)", word(x, "Time", "时间"), SH_PRI(z)));
    for (size_t i = 0; i < a->q.npoints; i++) {
        const struct sh_str name = a->names[i];
        const struct sh_str unit = point_of(x, i)->unit;
        const char *agg = a->q.naggs > 0 ? a->agg_names[0] : "";
        const bool counted = a->q.naggs > 0 && (a->aggs[0].kind == SH_AGG_COUNT ||
                                                a->aggs[0].kind == SH_AGG_COUNT_IF);
        const struct sh_str head =
            sh_arena_printf(ar, "%.*s%s%s", SH_PRI(name), a->q.naggs > 0 ? " " : "", agg);
        sh_xlsx_head(x->book, unit.n == 0 || counted
                                  ? head
                                  : sh_arena_printf(ar, "%.*s (%.*s)", SH_PRI(head), SH_PRI(unit)));
        if (a->q.naggs == 0) {
            sh_xlsx_head(x->book,
                         sh_arena_printf(ar, "%.*s %s", SH_PRI(name), word(x, "quality", "质量")));
        }
    }
}

static void sheet_begin(struct export *x)
{
    static const double widths[] = {TIME_WIDTH,  VALUE_WIDTH, VALUE_WIDTH, VALUE_WIDTH, VALUE_WIDTH,
                                    VALUE_WIDTH, VALUE_WIDTH, VALUE_WIDTH, VALUE_WIDTH};
    const char *name = word(x, "Data", "数据");
    x->sheets++;
    if (x->sheets > 1) {
        name = sh_arena_printf(x->a->r->arena, "%s %u", name, x->sheets).p;
    }
    const size_t columns = 1 + x->a->q.npoints * (x->a->q.naggs > 0 ? 1 : 2);
    const struct sh_xlsx_sheet s = {name == NULL ? "Data" : name, widths,
                                    columns < COUNT_OF(widths) ? columns : COUNT_OF(widths), 1};
    sh_xlsx_sheet(x->book, &s);
    put_head(x);
}

static sh_err put_cell(struct export *x, const struct export_row *row)
{
    const struct sh_bytes all = sh_buf_bytes(&x->text);
    const struct sh_str text =
        row->type < SH_T_TEXT || row->value.span.len == 0
            ? SH_STR("")
            : sh_str_of((const char *)all.p + row->value.span.off, row->value.span.len);
    switch (row->type) {
    case SH_T_BOOL:
        sh_xlsx_bool(x->book, row->value.bits != 0);
        return SH_OK;
    case SH_T_I64:
        sh_xlsx_integer(x->book, row->value.i64);
        return SH_OK;
    case SH_T_F64:
        sh_xlsx_number(x->book, row->value.f64);
        return SH_OK;
    case SH_T_TEXT:
        sh_xlsx_text(x->book, text);
        return SH_OK;
    case SH_T_BLOB:
        sh_buf_clear(&x->cell);
        SH_TRY(sh_base64_put(&x->cell, sh_bytes_of(text.p, text.n), false));
        sh_xlsx_text(x->book, sh_buf_str(&x->cell));
        return SH_OK;
    default:
        sh_xlsx_skip(x->book); /* no value */
        return SH_OK;
    }
}

static const char *class_word(const struct export *x, struct sh_data_class c)
{
    static const char *const zh[] = {"", "一般", "重要", "核心"};
    return word(x, sh_data_class_word(c.name), zh[c.name <= SH_DATA_CLASSES ? c.name : 0]);
}

void export_book_mark(struct export *x)
{
    struct api_req *r = x->a->r;
    if (sh_data_class_pair(x->top) == 0 && !api_watermarked(r, x->top)) {
        return;
    }
    const struct sh_str top =
        sh_arena_printf(r->arena, "%s%s %u", word(x, "Data class: ", "数据分类分级："),
                        class_word(x, x->top), x->top.level);
    const struct sh_str who = api_watermarked(r, x->top) ? api_watermark(r, true) : SH_STR("");
    sh_xlsx_mark(x->book, top, who);
}

sh_err export_book_row(struct export *x)
{
    const struct asked *a = x->a;
    if (x->sheets == 0 || sh_xlsx_rows(x->book) == SH_XLSX_ROWS) {
        sheet_begin(x);
    }
    const int64_t at = x->rows[x->next].time;
    sh_xlsx_row(x->book);
    sh_xlsx_time(x->book, local(x, at));
    x->lines++;
    for (uint32_t s = 0; s < a->q.npoints; s++) {
        const struct export_row *row = &x->rows[x->next];
        const bool here = x->next < x->n && row->time == at && row->series == s;
        if (!here) {
            sh_xlsx_skip(x->book);
        } else {
            SH_TRY(put_cell(x, row));
            x->next++;
        }
        if (a->q.naggs == 0 && here && row->quality != SH_Q_GOOD) {
            sh_xlsx_text(x->book, sh_str_c(sh_q_words(row->quality)));
        } else if (a->q.naggs == 0) {
            sh_xlsx_skip(x->book);
        }
    }
    return sh_xlsx_error(x->book);
}

/* ---- the sheet that says what they are ---- */

static void note(struct export *x, const char *en, const char *zh, struct sh_str value)
{
    sh_xlsx_row(x->book);
    sh_xlsx_head(x->book, sh_str_c(word(x, en, zh)));
    sh_xlsx_text(x->book, value);
}

static void note_time(struct export *x, const char *en, const char *zh, int64_t us)
{
    sh_xlsx_row(x->book);
    sh_xlsx_head(x->book, sh_str_c(word(x, en, zh)));
    sh_xlsx_time(x->book, local(x, us));
}

static void note_number(struct export *x, const char *en, const char *zh, uint64_t n)
{
    sh_xlsx_row(x->book);
    sh_xlsx_head(x->book, sh_str_c(word(x, en, zh)));
    sh_xlsx_integer(x->book, (int64_t)n);
}

static void note_asked(struct export *x, const char *key, const char *en, const char *zh)
{
    const struct sh_str v = sh_json_get_str(x->a->r->body, key);
    if (v.n > 0) {
        note(x, en, zh, v);
    }
}

static void put_points(struct export *x)
{
    static const char *const heads[][2] = {{"Point", "点位"},
                                           {"Device", "设备"},
                                           {"Property", "属性"},
                                           {"Unit (UCUM)", "单位 (UCUM)"},
                                           {"Type", "类型"},
                                           {"Tag", "位号"},
                                           {"Data class", "数据分类分级"}};
    sh_xlsx_row(x->book);
    sh_xlsx_row(x->book);
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        sh_xlsx_head(x->book, sh_str_c(word(x, heads[i][0], heads[i][1])));
    }
    for (size_t i = 0; i < x->a->q.npoints; i++) {
        const struct sh_point *p = point_of(x, i);
        sh_xlsx_row(x->book);
        sh_xlsx_text(x->book, x->a->names[i]);
        sh_xlsx_text(x->book, p->device);
        sh_xlsx_text(x->book, p->property);
        sh_xlsx_text(x->book, p->unit);
        sh_xlsx_text(x->book, sh_str_c(sh_type_name(p->type)));
        sh_xlsx_text(x->book, p->tag);
        const struct sh_data_class c = sh_points_class(x->a->r->api->o.points, p->id);
        sh_xlsx_text(x->book,
                     sh_arena_printf(x->a->r->arena, "%s %u%s", class_word(x, c), c.level,
                                     x->a->points[i] == 0 ? word(x, ", masked: not in this file",
                                                                 "，已脱敏：不在本文件中")
                                                          : ""));
    }
}

sh_err export_book_end(struct export *x)
{
    static const double widths[] = {NOTE_WIDTH, NOTE_WIDTH, NOTE_WIDTH, 12, 12, NOTE_WIDTH, 16};
    struct api_req *r = x->a->r;
    const struct sh_xlsx_sheet s = {word(x, "About", "说明"), widths, COUNT_OF(widths), 0};
    if (x->sheets == 0) {
        sheet_begin(x); /* nothing was found: the head alone */
    }
    sh_xlsx_sheet(x->book, &s);
    note_time(x, "From", "开始时间", x->from);
    note_time(x, "To (not in it)", "结束时间（不含）", x->to);
    note(x, "Time zone of all times", "所有时间的时区", zone(x));
    note(x, "Samples", "数据",
         sh_str_c(x->a->q.naggs > 0 ? word(x, "aggregated", "聚合")
                                    : word(x, "as they are", "原始")));
    note_asked(x, "aggregate", "Aggregate", "聚合函数");
    note_asked(x, "step", "Step", "间隔");
    note_asked(x, "fill", "Fill", "补齐方式");
    note_asked(x, "quality", "Quality asked for", "质量筛选");
    note_asked(x, "where", "Condition", "条件");
    note(x, "Highest data class in it", "所含数据的最高分类分级",
         sh_arena_printf(r->arena, "%s %u", class_word(x, x->top), x->top.level));
    note_number(x, "Rows", "行数", x->lines);
    note_number(x, "Sheets of data", "数据工作表数", x->sheets);
    if (x->a->q.naggs == 0) {
        note(x, "Quality", "质量",
             sh_str_c(word(x, "empty: good; else in words", "空白为好，其余写明")));
    }
    note(x, "Texts", "文本",
         sh_str_c(word(x, "whole numbers beyond 2^53, NaN and infinities are texts",
                       "超过 2^53 的整数、NaN 和无穷大以文本写出")));
    if (sh_xlsx_cut(x->book) > 0) {
        note_number(x, "Texts cut at 32767 characters", "在 32767 字符处截断的文本数",
                    sh_xlsx_cut(x->book));
    }
    note_time(x, "Made", "导出时间", sh_wall_us(r->api->env->clock));
    note(x, "By", "导出人", api_author(r));
    put_points(x);
    return sh_xlsx_end(x->book);
}

int export_book_too_big(struct api_req *r)
{
    return api_problem(r, 422, "limit",
                       "a workbook takes 20 million values: choose a shorter time, fewer points or "
                       "an aggregate with a step, or export as CSV or columns",
                       "工作簿最多容纳 2000 万个值：请缩短时间、减少点位、按间隔聚合，或导出为 "
                       "CSV、列式文件");
}
