/* sql_csv.c - a result of any length as CSV, streamed.
 *
 * The worker writes rows into `fill`; at 64 KiB it swaps it for `sent` and posts to the loop, which
 * writes it to the client, and waits there when the one before was not yet taken. So a query holds
 * two chunks however long it is, and goes no faster than its client. The answer is cut off, so that
 * nobody takes a part for the whole, when the query fails behind the first row, passes 10 million
 * rows without a limit= of its own, or runs longer than five minutes in all. At most two run at
 * once: each holds a worker.
 * States: worker fills (busy = false) -> posted (busy) -> loop sends (busy, sending) -> worker
 * fills; `gone` for good. SPDX-License-Identifier: Apache-2.0 */
#include "sql_api.h"

enum { CHUNK = 64 << 10, CHUNK_MAX = 8 << 20, PIECE = 64 << 10, CSV_ROWS = 10000000, CSV_MOST = 2 };
#define CSV_TIME_US INT64_C(300000000)

struct csv {
    struct api_req *r;
    struct sh_sql_query *q;
    struct sh_buf fill;
    struct sh_buf sent;
    size_t at; /* of `sent`, taken by the stream */
    struct sh_mutex lock;
    struct sh_cond cond;
    bool busy;
    bool gone;
    bool sending; /* loop only: on_chunk ran, the chunk is not all taken */
    bool begun;
    bool last;
    bool complete;
    struct sh_job job;
};

/* ---- loop ---- */

static void finish(struct csv *c)
{
    struct api_req *r = c->r;
    struct sh_http_req *http = r->http;
    const struct sh_alloc *alloc = r->api->env->alloc;
    const bool complete = c->complete && !c->gone;
    sh_buf_fini(&c->fill);
    sh_buf_fini(&c->sent);
    sh_cond_fini(&c->cond);
    sh_mutex_fini(&c->lock);
    sh_mem_free(alloc, c);
    (void)atomic_fetch_sub(&r->api->csvs, 1);
    api_release(r);
    sh_http_stream_end(http, complete);
}

static void set_gone(struct csv *c)
{
    sh_mutex_lock(&c->lock);
    c->gone = true;
    sh_mutex_unlock(&c->lock);
}

static void taken(struct csv *c)
{
    c->sending = false;
    if (c->last) {
        finish(c);
        return;
    }
    sh_mutex_lock(&c->lock);
    c->busy = false;
    sh_cond_signal(&c->cond);
    sh_mutex_unlock(&c->lock);
}

static void send_on(struct csv *c)
{
    while (c->at < c->sent.n && !c->gone) {
        const size_t n = c->sent.n - c->at < PIECE ? c->sent.n - c->at : PIECE;
        const sh_err err = sh_http_stream_write(c->r->http, sh_bytes_of(c->sent.p + c->at, n));
        if (err == SH_E_LIMIT) {
            return; /* on_drain goes on */
        }
        if (err != SH_OK) {
            set_gone(c);
        } else {
            c->at += n;
        }
    }
    taken(c);
}

static void on_drain(void *ctx, struct sh_http_req *http)
{
    SH_UNUSED(http);
    struct csv *c = ctx;
    if (c->sending) {
        send_on(c);
    }
}

static void on_gone(void *ctx, struct sh_http_req *http)
{
    SH_UNUSED(http);
    struct csv *c = ctx;
    set_gone(c);
    if (c->sending) { /* else on_chunk, which is posted or will be, sees it */
        taken(c);
    }
}

static void on_chunk(void *ctx)
{
    static const struct sh_http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    struct csv *c = ctx;
    c->sending = true;
    if (!c->begun) {
        c->begun = true;
        sh_http_status(c->r->http, 200);
        if (sh_http_stream_begin(c->r->http, &handler, c) != SH_OK) {
            set_gone(c);
        }
    }
    if (c->gone) {
        taken(c);
    } else {
        send_on(c);
    }
}

/* ---- worker ---- */

static void hand_over(struct csv *c, bool last, bool complete)
{
    sh_mutex_lock(&c->lock);
    while (c->busy) {
        sh_cond_wait(&c->cond, &c->lock);
    }
    const struct sh_buf empty = c->sent;
    c->sent = c->fill;
    c->fill = empty;
    sh_buf_clear(&c->fill);
    c->at = 0;
    c->busy = true;
    c->last = last;
    c->complete = complete;
    sh_mutex_unlock(&c->lock);
    sh_loop_post_job(sh_http_loop(c->r->http),
                     &c->job); /* with last: c is the loop's from here on */
}

static bool is_gone(struct csv *c)
{
    sh_mutex_lock(&c->lock);
    const bool gone = c->gone;
    sh_mutex_unlock(&c->lock);
    return gone || atomic_load(&c->r->api->stopping);
}

/* The empty text is in quotes: NULL is nothing at all. */
static sh_err put_text(struct sh_buf *b, struct sh_str s)
{
    return sh_csv_put(b, s, s.n == 0);
}

static sh_err put_cell(struct sh_buf *b, const struct sh_sql_cell *c)
{
    char t[SH_F64_CHARS];
    switch (c->type) {
    case SH_SQL_INT:
    case SH_SQL_BOOL:
        return sh_buf_put(b, t, sh_i64_print(c->i64, t));
    case SH_SQL_REAL:
        return sh_buf_put(b, t, sh_f64_print(c->f64, t));
    case SH_SQL_TEXT:
    case SH_SQL_TIME:
        return put_text(b, c->text);
    case SH_SQL_NULL:
    default:
        return SH_OK;
    }
}

static sh_err put_row(struct csv *c, bool head)
{
    for (unsigned i = 0; i < sh_sql_columns(c->q); i++) {
        if (i > 0) {
            SH_TRY(sh_buf_put_u8(&c->fill, ','));
        }
        if (head) {
            SH_TRY(put_text(&c->fill, sh_sql_column_name(c->q, i)));
        } else {
            struct sh_sql_cell cell;
            sh_sql_cell(c->q, i, &cell);
            SH_TRY(put_cell(&c->fill, &cell));
        }
    }
    return sh_buf_put_c(&c->fill, "\r\n");
}

/* The rows; `err` is the answer of the first step. True: all that was asked for is there. */
static bool put_rows(struct csv *c, sh_err err, uint32_t limit)
{
    const struct sh_clock *clock = c->r->api->env->clock;
    const int64_t end_us = sh_mono_us(clock) + CSV_TIME_US;
    struct sh_sql_fault f;
    uint32_t n = 0;
    for (; err == SH_OK && (limit == 0 ? n < CSV_ROWS : n < limit); n++) {
        err = put_row(c, false);
        c->r->rows = (int64_t)n + 1;
        if (err == SH_OK && c->fill.n >= CHUNK) {
            hand_over(c, false, false);
            sh_sql_again(c->q); /* the client's time is not the query's */
            err = is_gone(c) || sh_mono_us(clock) > end_us ? SH_E_CLOSED : SH_OK;
        }
        err = err == SH_OK ? sh_sql_step(c->q, &f) : err;
    }
    return err == SH_E_NOTFOUND || (err == SH_OK && limit > 0);
}

static struct csv *csv_new(struct api_req *r, struct sh_sql_query *q)
{
    struct csv *c = sh_mem_new(r->api->env->alloc, sizeof *c);
    if (c != NULL) {
        c->r = r;
        c->q = q;
        c->job = (struct sh_job){.fn = on_chunk, .ctx = c};
        sh_mutex_init(&c->lock);
        sh_cond_init(&c->cond);
        sh_buf_init(&c->fill, r->api->env->alloc, CHUNK_MAX);
        sh_buf_init(&c->sent, r->api->env->alloc, CHUNK_MAX);
    }
    return c;
}

int api_sql_csv(struct api_req *r, struct sh_sql_query *q)
{
    struct sh_sql_fault f = {.err = SH_OK};
    const uint32_t limit = api_limit(r, 0, CSV_ROWS);
    if (atomic_fetch_add(&r->api->csvs, 1) >= CSV_MOST) {
        (void)atomic_fetch_sub(&r->api->csvs, 1);
        sh_sql_end(q);
        return api_problem(r, 503, "too_busy", "two CSV results are being sent already",
                           "已有两个 CSV 结果正在发送");
    }
    const sh_err err = sh_sql_step(q, &f); /* what fails here is still a problem with words */
    struct csv *c = err == SH_OK || err == SH_E_NOTFOUND ? csv_new(r, q) : NULL;
    if (c == NULL) {
        (void)atomic_fetch_sub(&r->api->csvs, 1);
        sh_sql_end(q);
        return f.err != SH_OK ? api_sql_problem(r, &f) : api_error(r, SH_E_NOMEM, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"sql.csv\"");
    sh_http_header_c(r->http, "X-Content-Type-Options", "nosniff");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    bool complete = sh_buf_put_c(&c->fill, "\xef\xbb\xbf") == SH_OK && put_row(c, true) == SH_OK;
    complete = complete && put_rows(c, err, limit);
    sh_sql_end(q);
    hand_over(c, true, complete);
    return 0;
}
