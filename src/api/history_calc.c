/* history_calc.c - expressions over the history of points: calculated series.
 * Each input is read once, whole, into columns; then every expression walks through the times of
 * its inputs in rows of SH_EXPR_ROWS. With a step the inputs are aggregated and their buckets stand
 * side by side; without one each row is a time at which an input has a sample, and the others hold
 * their last one. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/tz.h>

#include "history_calc.h"

enum { INPUTS_MAX = 64, TEXTS_MAX = 64 << 20, COLUMN_MAX = 256 << 20 };
#define INPUT_ROWS_MAX UINT64_C(4000000) /* of all inputs: about 70 MB */
#define ROWS_DEFAULT UINT64_C(100000)    /* of one expression */

/* A point that expressions read, and its rows. */
struct input {
    struct sh_str name;
    uint32_t point;
    enum sh_type type; /* of its cells: an aggregate has its own */
    bool read;
    bool masked; /* above the caller's clearance: it is not read, and what names it gives nothing */
    uint32_t n;
    uint32_t cap;
    int64_t *time;
    union sh_cell *cell;
    uint8_t *null;
    struct sh_buf texts;
};
struct calc {
    struct api_req *r;
    struct asked *a;
    struct sh_history_agg agg; /* with a step */
    int64_t hold_us;           /* 0: for ever */
    struct input input[INPUTS_MAX];
    size_t ninputs;
    uint64_t rows; /* of all inputs */
    struct sh_str unknown;
    struct calc_file *file; /* NULL: the rows go into the answer */
};

static bool is_number(enum sh_type t)
{
    return t == SH_T_I64 || t == SH_T_F64;
}

/* Numbers are aggregated as asked, yes/no and texts are their last value. */
static struct sh_history_agg agg_of(const struct calc *c, enum sh_type t)
{
    return is_number(t) ? c->agg : (struct sh_history_agg){.kind = SH_AGG_LAST};
}

static sh_err find(void *ctx, struct sh_str name, struct sh_expr_input *out)
{
    struct calc *c = ctx;
    struct input *in = NULL;
    const uint32_t id = api_point_seen(c->r, name);
    if (id == 0) {
        c->unknown = name;
        return SH_E_NOTFOUND;
    }
    for (size_t i = 0; i < c->ninputs; i++) {
        in = sh_str_eq(c->input[i].name, name) ? &c->input[i] : in;
    }
    const struct sh_point *p = sh_points_get(c->r->api->o.points, id);
    if (in == NULL) {
        if (c->ninputs == INPUTS_MAX) {
            return SH_E_LIMIT;
        }
        in = &c->input[c->ninputs++];
        in->name = sh_arena_str(c->r->arena, name);
        in->point = id;
        in->masked = !api_clear_point(c->r, SH_PERM_HISTORY_READ, id);
        in->type = p->type;
        if (c->a->q.step_us > 0) {
            in->type = sh_history_agg_type(agg_of(c, p->type).kind, p->type);
        }
        sh_buf_init(&in->texts, c->r->api->env->alloc, TEXTS_MAX);
    }
    out->type = in->type;
    out->unit = p->unit;
    return in->name.p == NULL ? SH_E_NOMEM : SH_OK;
}

/* ---- reading ---- */

static sh_err grow(struct calc *c, struct input *in, uint32_t more)
{
    enum { FIRST = 1024 };
    const struct sh_alloc *al = c->r->api->env->alloc;
    c->rows += more;
    if (c->rows > INPUT_ROWS_MAX) {
        return SH_E_LIMIT;
    }
    if (in->n + more <= in->cap) {
        return SH_OK;
    }
    uint32_t cap = in->cap < FIRST ? FIRST : in->cap;
    while (cap < in->n + more) {
        cap *= 2;
    }
    int64_t *time = sh_mem_resize(al, in->time, cap * sizeof *time);
    in->time = time == NULL ? in->time : time;
    union sh_cell *cell = time == NULL ? NULL : sh_mem_resize(al, in->cell, cap * sizeof *cell);
    in->cell = cell == NULL ? in->cell : cell;
    uint8_t *null = cell == NULL ? NULL : sh_mem_resize(al, in->null, cap);
    in->null = null == NULL ? in->null : null;
    in->cap = null == NULL ? in->cap : cap;
    return null == NULL ? SH_E_NOMEM : SH_OK;
}

struct reader {
    struct calc *c;
    struct input *in;
};

static sh_err take(void *ctx, const struct sh_history_rows *rows)
{
    const struct reader *rd = ctx;
    struct input *in = rd->in;
    const struct sh_history_col *col = rd->c->a->q.step_us > 0 ? &rows->agg[0] : NULL;
    const union sh_cell *cells = col != NULL ? col->value : rows->value;
    SH_TRY(grow(rd->c, in, rows->n));
    for (uint32_t i = 0; i < rows->n; i++) {
        const uint32_t at = in->n + i;
        in->time[at] = rows->time_us[i];
        in->cell[at] = cells[i];
        in->null[at] = col != NULL ? (col->null != NULL ? col->null[i] : 0)
                                   : (sh_q_class(rows->quality[i]) == SH_QC_BAD ? 1 : 0);
        if (in->type == SH_T_TEXT && in->null[at] == 0) {
            in->cell[at].span.off = (uint32_t)in->texts.n;
            SH_TRY(sh_buf_put(&in->texts, rows->bytes + cells[i].span.off, cells[i].span.len));
        }
    }
    in->n += rows->n;
    return sh_http_gone(rd->c->r->http) ? SH_E_CANCELED : SH_OK;
}

static sh_err read_input(struct calc *c, struct input *in)
{
    if (in->read) {
        return SH_OK;
    }
    struct reader rd = {c, in};
    struct sh_history_result res = {0};
    struct sh_history_query q = c->a->q;
    const struct sh_history_agg agg =
        agg_of(c, sh_points_get(c->r->api->o.points, in->point)->type);
    q.points = &in->point;
    q.npoints = 1;
    q.limit = INPUT_ROWS_MAX;
    if (q.step_us > 0) {
        q.aggs = &agg;
        q.naggs = 1;
    }
    in->read = true;
    SH_TRY(sh_history_query(c->r->api->o.history, &q, take, &rd, &res));
    return res.next.set ? SH_E_LIMIT : SH_OK;
}

/* ---- one expression ---- */

/* The inputs of an expression side by side, and what it gives. */
struct walk {
    struct calc *c;
    const struct sh_expr *e;
    struct sh_expr_run *run;
    void *state;
    size_t n;
    bool masked;                     /* one of its inputs is */
    struct sh_data_class data_class; /* the highest of these */
    struct input *in[SH_EXPR_INPUTS_MAX];
    uint32_t pos[SH_EXPR_INPUTS_MAX];
    /* the rows that are put together */
    struct side {
        union sh_cell cell[SH_EXPR_ROWS];
        uint8_t null[SH_EXPR_ROWS];
    } * side;
    int64_t time[SH_EXPR_ROWS];
    struct sh_buf times;
    struct sh_buf values;
    struct sh_jw tw;
    struct sh_jw vw;
    uint64_t rows;
    /* of the numbers that it gave */
    uint64_t count;
    double min;
    double max;
    double sum;
    double first;
    double last;
};

/* The next time at which an input has a row; false behind the last. */
static bool next_time(const struct walk *w, int64_t *t)
{
    bool any = false;
    for (size_t k = 0; k < w->n; k++) {
        const struct input *in = w->in[k];
        if (w->pos[k] < in->n && (!any || in->time[w->pos[k]] < *t)) {
            *t = in->time[w->pos[k]];
            any = true;
        }
    }
    return any;
}

static void put_row(struct walk *w, uint32_t row, int64_t t)
{
    w->time[row] = t;
    for (size_t k = 0; k < w->n; k++) {
        const struct input *in = w->in[k];
        while (w->pos[k] < in->n && in->time[w->pos[k]] == t) {
            w->pos[k]++;
        }
        const uint32_t at = w->pos[k]; /* the row before it is the last one up to t */
        struct side *s = &w->side[k];
        s->null[row] = 1;
        s->cell[row].bits = 0;
        if (at == 0) {
            continue;
        }
        const int64_t age = t - in->time[at - 1];
        const bool held = w->c->a->q.step_us == 0 && (w->c->hold_us == 0 || age <= w->c->hold_us);
        if (age == 0 || held) {
            s->null[row] = in->null[at - 1];
            s->cell[row] = in->cell[at - 1];
        }
    }
}

static void count_number(struct walk *w, double v)
{
    if (!isfinite(v)) {
        return;
    }
    w->min = w->count == 0 || v < w->min ? v : w->min;
    w->max = w->count == 0 || v > w->max ? v : w->max;
    w->first = w->count == 0 ? v : w->first;
    w->last = v;
    w->sum += v;
    w->count++;
}

static int32_t offset(void *ctx, int64_t us)
{
    return sh_tz_offset(ctx, us);
}

static sh_err flush(struct walk *w, uint32_t n)
{
    struct sh_expr_column in[SH_EXPR_INPUTS_MAX];
    struct sh_expr_column out;
    const enum sh_type type = sh_expr_type(w->e);
    for (size_t k = 0; k < w->n; k++) {
        in[k] = (struct sh_expr_column){w->side[k].cell, w->side[k].null, w->in[k]->texts.p};
    }
    const struct sh_expr_rows rows = {.n = n,
                                      .time_us = w->time,
                                      .in = in,
                                      .utc_offset_s = w->c->a->tz == NULL ? NULL : offset,
                                      .ctx = w->c->a->tz};
    SH_TRY(sh_expr_eval(w->e, w->run, w->state, &rows, &out));
    if (w->c->file != NULL) {
        SH_TRY(calc_file_rows(w->c->file, w->c->r->api->env->alloc, type, w->time, &out, n));
    }
    for (uint32_t i = 0; i < n && w->c->file == NULL; i++) {
        api_put_time(&w->tw, w->time[i], w->c->a->form);
        if (out.null != NULL && out.null[i] != 0) {
            sh_jw_null(&w->vw);
            continue;
        }
        api_put_cell(&w->vw, type, out.value[i], out.bytes);
        if (is_number(type)) {
            count_number(w, type == SH_T_F64 ? out.value[i].f64 : (double)out.value[i].i64);
        }
    }
    w->rows += n;
    if (w->rows > w->c->a->q.limit) {
        return SH_E_LIMIT;
    }
    return sh_http_gone(w->c->r->http) ? SH_E_CANCELED : SH_OK;
}

static sh_err walk_rows(struct walk *w)
{
    int64_t t = 0;
    uint32_t n = 0;
    while (next_time(w, &t)) {
        put_row(w, n++, t);
        if (n == SH_EXPR_ROWS) {
            SH_TRY(flush(w, n));
            n = 0;
        }
    }
    return n > 0 ? flush(w, n) : SH_OK;
}

static void put_statistics(struct sh_jw *w, const struct walk *k)
{
    const struct {
        const char *name;
        double v;
    } all[] = {{"min", k->min},
               {"max", k->max},
               {"mean", k->count > 0 ? k->sum / (double)k->count : 0},
               {"first", k->first},
               {"last", k->last}};
    sh_jw_key(w, "statistics");
    sh_jw_obj(w);
    sh_jw_key(w, "count");
    sh_jw_u64(w, k->count);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sh_jw_key(w, all[i].name);
        if (k->count > 0) {
            sh_jw_f64(w, all[i].v);
        } else {
            sh_jw_null(w);
        }
    }
    sh_jw_obj_end(w);
}

/* What its column is called, made of and in which unit. */
static void head_column(const struct walk *k, const json_t *asked)
{
    struct sh_arena *ar = k->c->r->arena;
    struct calc_column *col = &k->c->file->column[k->c->file->ncolumns++];
    const struct sh_str name = sh_json_get_str(asked, "name");
    col->name = name.n > 0 ? name : sh_json_get_str(asked, "expression");
    col->unit = sh_arena_str(ar, sh_expr_unit(k->e));
    col->masked = k->masked;
    col->data_class = k->data_class;
}

static void put_series(struct walk *k, const json_t *asked)
{
    struct sh_jw *w = &k->c->r->w;
    if (k->c->file != NULL) {
        head_column(k, asked);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_str(w, sh_json_get_str(asked, "name"));
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(sh_expr_type(k->e)));
    sh_jw_key(w, "unit");
    sh_jw_str(w, sh_expr_unit(k->e));
    sh_jw_key(w, "points");
    sh_jw_arr(w);
    for (size_t i = 0; i < k->n; i++) {
        sh_jw_str(w, k->in[i]->name);
    }
    sh_jw_arr_end(w);
    if (k->masked) {
        api_put_masked(w, k->data_class);
    } else if (sh_data_class_pair(k->data_class) != 0) {
        sh_data_class_write(k->data_class, w);
    }
    sh_jw_key(w, "time");
    sh_jw_arr(w);
    if (k->times.n > 0) {
        sh_jw_raw(w, sh_buf_str(&k->times));
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "value");
    sh_jw_arr(w);
    if (k->values.n > 0) {
        sh_jw_raw(w, sh_buf_str(&k->values));
    }
    sh_jw_arr_end(w);
    if (is_number(sh_expr_type(k->e))) {
        put_statistics(w, k);
    }
    sh_jw_obj_end(w);
}

static sh_err walk_run(struct walk *w, const json_t *asked)
{
    const struct sh_alloc *al = w->c->r->api->env->alloc;
    w->n = sh_expr_inputs(w->e);
    for (size_t k = 0; k < w->n; k++) {
        for (size_t i = 0; i < w->c->ninputs; i++) {
            if (sh_str_eq(w->c->input[i].name, sh_expr_input_name(w->e, k))) {
                w->in[k] = &w->c->input[i];
            }
        }
        w->masked = w->masked || w->in[k]->masked;
        w->data_class = sh_data_class_max(w->data_class,
                                          sh_points_class(w->c->r->api->o.points, w->in[k]->point));
    }
    if (w->masked) {
        put_series(w, asked);
        return SH_OK;
    }
    for (size_t k = 0; k < w->n; k++) {
        SH_TRY(read_input(w->c, w->in[k]));
    }
    if (sh_expr_state_bytes(w->e) > 0) {
        w->state = sh_mem_new(al, sh_expr_state_bytes(w->e));
    }
    w->side = sh_mem_array(al, w->n + 1, sizeof *w->side);
    if (w->side == NULL || (w->state == NULL && sh_expr_state_bytes(w->e) > 0)) {
        return SH_E_NOMEM;
    }
    sh_jw_init(&w->tw, &w->times);
    sh_jw_init(&w->vw, &w->values);
    SH_TRY(walk_rows(w));
    SH_TRY(sh_jw_end(&w->tw));
    SH_TRY(sh_jw_end(&w->vw));
    put_series(w, asked);
    return SH_OK;
}

static sh_err calculate(struct calc *c, const struct sh_expr *e, struct sh_expr_run *run,
                        const json_t *asked)
{
    const struct sh_alloc *al = c->r->api->env->alloc;
    struct walk *w = sh_mem_new(al, sizeof *w);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    w->c = c;
    w->e = e;
    w->run = run;
    sh_buf_init(&w->times, al, COLUMN_MAX);
    sh_buf_init(&w->values, al, COLUMN_MAX);
    const sh_err err = walk_run(w, asked);
    sh_buf_fini(&w->times);
    sh_buf_fini(&w->values);
    sh_mem_free(al, w->side);
    sh_mem_free(al, w->state);
    sh_mem_free(al, w);
    return err;
}

/* ---- the routes ---- */

/* Characters before byte `at` of a text. */
static uint64_t characters(struct sh_str s, size_t at)
{
    uint64_t n = 0;
    for (size_t i = 0; i < at && i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return n;
}

static int fault_problem(struct calc *c, size_t i, struct sh_str text, sh_err err,
                         const struct sh_expr_fault *f)
{
    struct api_req *r = c->r;
    if (err != SH_E_INVAL && err != SH_E_LIMIT) {
        return api_error(r, err, NULL);
    }
    if (c->unknown.p != NULL) {
        int status = 0;
        (void)api_point(r, c->unknown, &status);
        return status;
    }
    if (f->en[0] == '\0') {
        return api_problem(r, 422, "limit", "the expressions read more than 64 points in all",
                           "各表达式合计引用超过 64 个点位");
    }
    const unsigned long long at = characters(text, f->at) + 1;
    const struct sh_str en =
        sh_arena_printf(r->arena, "expressions[%zu].expression, character %llu: %s", i, at, f->en);
    const struct sh_str zh =
        sh_arena_printf(r->arena, "expressions[%zu].expression 第 %llu 个字符：%s", i, at, f->zh);
    return api_problem(r, 400, "bad_expression", en.p, zh.p);
}

static int ask_calc(struct calc *c)
{
    const json_t *body = c->r->body;
    struct asked *a = c->a;
    if (!json_is_object(body)) {
        return ask_bad(c->r, "the body must be an object", "请求正文必须是对象");
    }
    int status = ask_range(a, body);
    status = status != 0 ? status : ask_modes(a, body);
    status = status != 0 ? status : ask_bounds(a, body);
    if (status != 0) {
        return status;
    }
    if (json_object_get(body, "limit") == NULL) {
        a->q.limit = c->file == NULL ? ROWS_DEFAULT : INPUT_ROWS_MAX;
    }
    a->q.down = SH_DOWN_NONE;
    const struct sh_str agg = sh_json_get_str(body, "aggregate");
    static const struct sh_str mean = {"mean", 4};
    if (sh_history_agg_parse(agg.n > 0 ? agg : mean, &c->agg) != SH_OK ||
        (c->agg.kind != SH_AGG_MEAN && c->agg.kind != SH_AGG_MIN && c->agg.kind != SH_AGG_MAX &&
         c->agg.kind != SH_AGG_FIRST && c->agg.kind != SH_AGG_LAST && c->agg.kind != SH_AGG_TWA)) {
        return ask_bad(c->r, "aggregate must be mean, min, max, first, last or twa",
                       "aggregate 须为 mean、min、max、first、last 或 twa");
    }
    const struct sh_str hold = sh_json_get_str(body, "hold");
    if (hold.n > 0 && (sh_duration_parse(hold, &c->hold_us) != SH_OK || c->hold_us <= 0)) {
        return ask_bad(c->r, "hold must be a duration such as 10s, 1m or 1h",
                       "hold 必须是时长，如 10s、1m、1h");
    }
    return 0;
}

static int one(struct calc *c, size_t i, struct sh_expr_run *run)
{
    const json_t *v = json_array_get(json_object_get(c->r->body, "expressions"), i);
    const struct sh_str text = sh_json_get_str(v, "expression");
    struct sh_expr *e = NULL;
    struct sh_expr_fault f;
    sh_err err = sh_expr_compile(c->r->api->env->alloc, text, find, c, &e, &f);
    if (err != SH_OK) {
        return fault_problem(c, i, text, err, &f);
    }
    if (sh_expr_inputs(e) == 0) {
        sh_expr_free(e);
        return api_problem(c->r, 400, "bad_expression",
                           "an expression reads at least one point, as {pump-1/flow}",
                           "表达式须至少读取一个点位，如 {pump-1/flow}");
    }
    err = calculate(c, e, run, v);
    sh_expr_free(e);
    return err == SH_OK ? 0 : ask_failed(c->r, err);
}

static int calculate_all(struct calc *c)
{
    const json_t *list = json_object_get(c->r->body, "expressions");
    const size_t n = json_array_size(list);
    if (n == 0 || n > CALC_EXPRESSIONS_MAX) {
        return ask_bad(c->r, "expressions must hold 1 to 16 of them",
                       "expressions 须包含 1 到 16 个表达式");
    }
    struct sh_expr_run *run = NULL;
    if (sh_expr_run_new(c->r->api->env->alloc, &run) != SH_OK) {
        return api_error(c->r, SH_E_NOMEM, NULL);
    }
    int status = 0;
    struct sh_jw *w = c->file == NULL ? &c->r->w : NULL;
    if (w != NULL) {
        sh_jw_obj(w);
        sh_jw_key(w, "series");
        sh_jw_arr(w);
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        status = one(c, i, run);
    }
    sh_expr_run_free(run);
    if (status == 0 && w != NULL) {
        sh_jw_arr_end(w);
        sh_jw_obj_end(w);
    }
    return status == 0 ? 200 : status;
}

void calc_done(struct calc *c)
{
    if (c == NULL) {
        return;
    }
    const struct sh_alloc *al = c->r->api->env->alloc;
    for (size_t i = 0; i < c->ninputs; i++) {
        sh_mem_free(al, c->input[i].time);
        sh_mem_free(al, c->input[i].cell);
        sh_mem_free(al, c->input[i].null);
        sh_buf_fini(&c->input[i].texts);
    }
    asked_free(c->a);
    sh_mem_free(al, c);
}

static struct calc *calc_new(struct api_req *r)
{
    struct calc *c = sh_mem_new(r->api->env->alloc, sizeof *c);
    struct asked *a = c == NULL ? NULL : asked_new(r);
    if (a == NULL) {
        sh_mem_free(r->api->env->alloc, c);
        return NULL;
    }
    c->r = r;
    c->a = a;
    return c;
}

int calc_run(struct api_req *r, struct calc_file *f, struct calc **out, const struct asked **a)
{
    struct calc *c = calc_new(r);
    *out = c;
    if (c == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    c->file = f;
    *a = c->a;
    const int status = ask_calc(c);
    return status != 0 ? status : calculate_all(c);
}

int api_history_calculate(struct api_req *r)
{
    struct calc *c = NULL;
    const struct asked *a = NULL;
    const int status = calc_run(r, NULL, &c, &a);
    calc_done(c);
    return status;
}

/* What is said of an expression while it is written. */
static int put_check(struct calc *c, struct sh_str text)
{
    struct sh_jw *w = &c->r->w;
    struct sh_expr *e = NULL;
    struct sh_expr_fault f;
    const sh_err err = sh_expr_compile(c->r->api->env->alloc, text, find, c, &e, &f);
    if (err == SH_E_NOMEM) {
        return api_error(c->r, err, NULL);
    }
    sh_jw_obj(w);
    sh_jw_key(w, "valid");
    sh_jw_bool(w, err == SH_OK);
    if (err != SH_OK) {
        sh_jw_key(w, "at");
        sh_jw_u64(w, characters(text, f.at));
        sh_jw_key(w, "length");
        sh_jw_u64(w, characters(text, (size_t)f.at + f.len) - characters(text, f.at));
        sh_jw_key(w, "message");
        sh_jw_c(w, c->r->chinese ? f.zh : f.en);
        sh_jw_obj_end(w);
        return 200;
    }
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(sh_expr_type(e)));
    sh_jw_key(w, "unit");
    sh_jw_str(w, sh_expr_unit(e));
    sh_jw_key(w, "remembers");
    sh_jw_bool(w, sh_expr_state_bytes(e) > 0);
    sh_jw_key(w, "points");
    sh_jw_arr(w);
    for (size_t i = 0; i < sh_expr_inputs(e); i++) {
        sh_jw_str(w, sh_expr_input_name(e, i));
    }
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
    sh_expr_free(e);
    return 200;
}

int api_expression_check(struct api_req *r)
{
    struct calc *c = calc_new(r);
    if (c == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    const int status = put_check(c, sh_json_get_str(r->body, "expression"));
    calc_done(c);
    return status;
}

int api_expressions(struct api_req *r)
{
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    sh_jw_key(w, "functions");
    sh_jw_arr(w);
    for (size_t i = 0; sh_expr_function(i) != NULL; i++) {
        const struct sh_expr_function *f = sh_expr_function(i);
        sh_jw_obj(w);
        sh_jw_key(w, "name");
        sh_jw_c(w, f->name);
        sh_jw_key(w, "usage");
        sh_jw_c(w, f->usage);
        sh_jw_key(w, "group");
        sh_jw_c(w, f->group);
        sh_jw_key(w, "description");
        sh_jw_c(w, r->chinese ? f->zh : f->en);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
    return 200;
}
