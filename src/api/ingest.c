/* ingest.c - line protocol, JSON, CSV, columns and Prometheus remote write over HTTP.
 *
 * A job decodes on a worker and submits batches to the gate; each submit counts one up, each commit
 * one down, and the decoder itself holds one. Whoever brings the count to zero - the worker or the
 * journal's apply thread - answers. So no worker waits for the disk, and 2xx means on disk.
 * When the journal's queue is full the worker waits for room, at most ten seconds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/gzip.h>

#include "api_int.h"

enum { MAX_LISTED = 100, SERIES = 1 << 20, ROWS = 8192 };
#define CACHE_BYTES ((size_t)512 << 20) /* of all decoders together */
#define DECODER_IDLE_US INT64_C(600000000)
#define WAIT_US INT64_C(10000000)

struct job {
    struct api_req *r;
    struct sh_gate_who who;
    atomic_uint open;
    atomic_int err;
    int64_t wait_us;
    sh_err later;           /* why a series could not be made now */
    struct sh_buf refusals; /* JSON objects, comma-separated */
    struct sh_jw w;
    uint32_t listed;
    uint64_t refused;
    uint64_t samples;
    bool lines; /* answers 204 */
    bool prom;  /* so does this; series are what is refused */
    bool numbers_f64;
    struct sh_pack_builder *pack; /* of the decode; NULL until a run came */
};

enum sh_ingest_code sh_api_refusal_code(enum sh_gate_refusal g)
{
    switch (g) {
    case SH_GATE_OK:
        return SH_INGEST_OK;
    case SH_GATE_BAD_NAME:
        return SH_INGEST_NAME;
    case SH_GATE_UNKNOWN_DEVICE:
        return SH_INGEST_UNKNOWN_DEVICE;
    case SH_GATE_UNKNOWN_PROPERTY:
        return SH_INGEST_UNKNOWN_PROPERTY;
    case SH_GATE_DEVICE_ID_CONFLICT:
        return SH_INGEST_DEVICE_ID_CONFLICT;
    case SH_GATE_FIELD_TYPE_CONFLICT:
        return SH_INGEST_FIELD_TYPE_CONFLICT;
    case SH_GATE_QUOTA:
        return SH_INGEST_QUOTA;
    case SH_GATE_NOT_NOW:
        return SH_INGEST_NOT_NOW;
    case SH_GATE_DENIED:
    default:
        return SH_INGEST_DENIED;
    }
}

/* Waits for room in the journal. False: the time is over or the server stops. */
static bool wait_for_room(struct sh_api *a, int64_t until_us)
{
    const int64_t left = until_us - sh_mono_us(a->env->clock);
    if (left <= 0 || atomic_load(&a->stopping)) {
        return false;
    }
    sh_mutex_lock(&a->lock);
    (void)sh_cond_wait_for(&a->room, &a->lock, left < 20000 ? left : 20000);
    sh_mutex_unlock(&a->lock);
    return true;
}

/* A series that could not be made now, by no fault of the sender: the rest is taken, and the answer
 * tells him to send all of it again. */
static enum sh_ingest_code resolve(void *ctx, const struct sh_ingest_name *name,
                                   struct sh_ingest_target *out, char detail[160])
{
    struct job *j = ctx;
    struct sh_api *a = j->r->api;
    struct sh_gate_label labels[SH_INGEST_MAX_LABELS];
    const size_t n = name->nlabels > SH_INGEST_MAX_LABELS ? SH_INGEST_MAX_LABELS : name->nlabels;
    for (size_t i = 0; i < n; i++) {
        labels[i] = (struct sh_gate_label){name->labels[i].key, name->labels[i].value};
    }
    const struct sh_gate_name g = {
        .device = name->device,
        .property = name->property,
        .labels = labels,
        .nlabels = n,
        .type = name->type,
        .number_is_f64 = j->numbers_f64,
    };
    struct sh_gate_target t;
    const int64_t until = sh_mono_us(a->env->clock) + WAIT_US;
    enum sh_gate_refusal no = SH_GATE_OK;
    do {
        no = sh_gate_point(a->o.gate, &j->who, &g, &t, detail);
    } while (no == SH_GATE_NOT_NOW && t.why == SH_E_LIMIT && j->later == SH_OK &&
             wait_for_room(a, until));
    if (no == SH_GATE_OK) {
        *out = (struct sh_ingest_target){t.point, t.type, t.scale, t.raw_point};
    }
    if (no == SH_GATE_NOT_NOW && j->later == SH_OK) {
        j->later = t.why;
    }
    return sh_api_refusal_code(no);
}

static void release(struct job *j);

static void committed(void *ctx, sh_err err, uint64_t seq)
{
    SH_UNUSED(seq);
    struct job *j = ctx;
    if (err != SH_OK) {
        atomic_store(&j->err, (int)err);
    }
    release(j);
}

/* Hands one of the two to the gate. */
static sh_err hand_over(struct job *j, const struct sh_batch *batch, struct sh_pack *pack)
{
    struct sh_api *a = j->r->api;
    const uint32_t tenant = j->r->tenant;
    const int64_t until = sh_mono_us(a->env->clock) + WAIT_US;
    (void)atomic_fetch_add(&j->open, 1);
    for (;;) {
        const sh_err err =
            pack == NULL ? sh_gate_submit(a->o.gate, tenant, batch, committed, j, &j->wait_us)
                         : sh_gate_submit_pack(a->o.gate, tenant, pack, committed, j, &j->wait_us);
        if (err == SH_OK) {
            return SH_OK;
        }
        if (err != SH_E_LIMIT || j->wait_us > 0 || !wait_for_room(a, until)) {
            (void)atomic_fetch_sub(&j->open, 1);
            return err;
        }
    }
}

static sh_err pack_send(struct job *j)
{
    struct sh_pack *pack = NULL;
    if (j->pack == NULL || sh_pack_builder_rows(j->pack) == 0) {
        return SH_OK;
    }
    SH_TRY(sh_pack_take(j->pack, &pack));
    const sh_err err = hand_over(j, NULL, pack);
    sh_pack_unref(pack);
    return err;
}

static sh_err submit(void *ctx, const struct sh_batch *batch)
{
    SH_TRY(pack_send(ctx)); /* what was taken before */
    return hand_over(ctx, batch, NULL);
}

static sh_err take_run(void *ctx, const struct sh_ingest_run *r)
{
    struct job *j = ctx;
    const struct sh_api *a = j->r->api;
    if (j->pack == NULL) {
        SH_TRY(sh_pack_builder_new(a->env->alloc, a->o.history, &j->pack));
    }
    if (sh_pack_builder_rows(j->pack) >= SH_PACK_MAX_ROWS) {
        SH_TRY(pack_send(j));
    }
    const struct sh_pack_run run = {r->point, r->type, r->n, r->time, r->cell, r->quality};
    return sh_pack_add(j->pack, &run);
}

static void refuse(void *ctx, const struct sh_ingest_refusal *no)
{
    struct job *j = ctx;
    j->refused++;
    if (j->prom) {
        atomic_fetch_add(&j->r->api->prom[api_prom_reason(no->code)], 1);
    }
    if (j->listed >= MAX_LISTED) {
        return;
    }
    j->listed++;
    sh_jw_obj(&j->w);
    sh_jw_key(&j->w, j->prom ? "series" : j->lines ? "line" : "row");
    sh_jw_u64(&j->w, no->line);
    sh_jw_key(&j->w, "column");
    sh_jw_u64(&j->w, no->column);
    sh_jw_key(&j->w, "code");
    sh_jw_c(&j->w, sh_ingest_code_name(no->code));
    sh_jw_key(&j->w, "detail");
    sh_jw_c(&j->w, no->detail);
    sh_jw_obj_end(&j->w);
}

static int problem_with_list(struct job *j)
{
    struct api_req *r = j->r;
    const struct api_words *words = api_words_of("partial_write", 400);
    struct sh_buf *b = sh_http_body(r->http);
    sh_buf_clear(b);
    sh_jw_init(&r->w, b);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "type");
    sh_jw_c(&r->w, "about:blank");
    sh_jw_key(&r->w, "title");
    sh_jw_c(&r->w, r->chinese ? words->title_zh : words->title_en);
    sh_jw_key(&r->w, "status");
    sh_jw_i64(&r->w, 400);
    sh_jw_key(&r->w, "code");
    sh_jw_c(&r->w, "partial_write");
    sh_jw_key(&r->w, "error"); /* where InfluxDB clients look */
    sh_jw_c(&r->w, "partial write");
    sh_jw_key(&r->w, "detail");
    sh_jw_str(&r->w,
              sh_arena_printf(r->arena, "partial write: %llu refused, %llu samples stored",
                              (unsigned long long)j->refused, (unsigned long long)j->samples));
    sh_jw_key(&r->w, "remedy");
    sh_jw_c(&r->w, r->chinese ? words->remedy_zh : words->remedy_en);
    sh_jw_key(&r->w, "accepted");
    sh_jw_u64(&r->w, j->samples);
    sh_jw_key(&r->w, "errors");
    sh_jw_arr(&r->w);
    sh_jw_raw(&r->w, sh_buf_str(&j->refusals));
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    sh_http_header_c(r->http, "Content-Type", "application/problem+json");
    return 400;
}

static int accepted(struct job *j)
{
    struct api_req *r = j->r;
    if (j->lines || j->prom) {
        return 204;
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "accepted");
    sh_jw_u64(&r->w, j->samples);
    sh_jw_key(&r->w, "rejected");
    sh_jw_arr(&r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

static int disk_full(struct api_req *r, bool begun)
{
    sh_http_header_c(r->http, "Retry-After", "60");
    if (begun) {
        return api_problem(r, 507, "disk_full",
                           "the disk has no room for new samples; send the whole request again",
                           "磁盘没有空间接收新数据；请整体重发本次请求");
    }
    return api_problem(r, 507, "disk_full", "the disk has no room for new samples; none was taken",
                       "磁盘没有空间接收新数据；本次数据未被接收");
}

static int failed(struct job *j, sh_err err)
{
    struct api_req *r = j->r;
    if (err == SH_E_FULL) {
        return disk_full(r, true);
    }
    if (err != SH_E_LIMIT) {
        return api_error(r, err, NULL);
    }
    char t[SH_I64_CHARS];
    const size_t n = sh_i64_print((j->wait_us + 999999) / 1000000 + 1, t);
    sh_http_header(r->http, "Retry-After", sh_str_of(t, n));
    if (j->wait_us > 0) {
        return api_problem(r, 429, "limit", "the tenant's rate of samples is used up",
                           "已达到租户的采样速率上限");
    }
    return api_problem(r, 503, "too_busy", "the journal is behind", "写入队列已满");
}

static void release(struct job *j)
{
    if (atomic_fetch_sub(&j->open, 1) != 1) {
        return;
    }
    struct api_req *r = j->r;
    const sh_err lost = (sh_err)atomic_load(&j->err);
    const sh_err err = lost != SH_OK ? lost : j->later;
    int status = 0;
    if (err != SH_OK) {
        status = failed(j, err);
    } else {
        if (j->prom) {
            atomic_fetch_add(&r->api->prom[API_PROM_SAMPLES], j->samples);
        }
        status = j->refused > 0 ? problem_with_list(j) : accepted(j);
    }
    sh_buf_fini(&j->refusals);
    api_finish(r, status); /* frees the job too: it lives in the request's arena */
}

/* ---- decoders -----------------------------------------------------------------------------
 * A connection sends the same series again and again: one that comes again gets the decoder it had,
 * so that each series is in one cache and not in all. Connections of one request share few. */

/* Locked. NULL when all are taken. */
static struct api_decoder *choose_decoder(struct sh_api *a, uint64_t peer)
{
    struct api_decoder *shared = NULL; /* the last used */
    struct api_decoder *unmade = NULL;
    struct api_decoder *oldest = NULL;
    for (size_t i = 0; i < API_DECODERS; i++) {
        struct api_decoder *d = &a->decoders[i];
        if (d->taken) {
            continue;
        }
        if (d->in == NULL) {
            unmade = d;
        } else if (d->peer == peer) {
            d->own = true;
            return d;
        } else if (!d->own) {
            shared = shared == NULL || d->used_us > shared->used_us ? d : shared;
        } else {
            oldest = oldest == NULL || d->used_us < oldest->used_us ? d : oldest;
        }
    }
    struct api_decoder *d = shared != NULL ? shared : unmade;
    d = d != NULL ? d : oldest;
    if (d != NULL) {
        d->own = false;
        d->peer = peer;
    }
    return d;
}

/* *from: where it is to be given back. */
static struct sh_ingest *take_decoder(struct sh_api *a, const struct sh_addr *peer,
                                      struct api_decoder **from)
{
    struct sh_ingest *in = NULL;
    sh_mutex_lock(&a->lock);
    struct api_decoder *d =
        choose_decoder(a, sh_hash64(peer->ip, sizeof peer->ip, (uint64_t)peer->port + 1));
    if (d != NULL) {
        d->taken = true;
        in = d->in;
        d->in = NULL;
    }
    sh_mutex_unlock(&a->lock);
    *from = d;
    if (in == NULL && sh_ingest_new(a->env, ROWS, SERIES, &in) != SH_OK) {
        sh_mutex_lock(&a->lock);
        if (d != NULL) {
            d->taken = false;
        }
        sh_mutex_unlock(&a->lock);
        return NULL;
    }
    return in;
}

/* Locked. One that has to go: the largest that is free when they have too much together, else one
 * whose connection has not come again for long. NULL: none. */
static struct sh_ingest *drop_decoder(struct sh_api *a, int64_t now_us)
{
    size_t total = 0;
    struct api_decoder *most = NULL;
    struct api_decoder *idle = NULL;
    for (size_t i = 0; i < API_DECODERS; i++) {
        struct api_decoder *d = &a->decoders[i];
        total += d->bytes;
        if (d->in != NULL) {
            most = most == NULL || d->bytes > most->bytes ? d : most;
            idle = now_us - d->used_us > DECODER_IDLE_US ? d : idle;
        }
    }
    struct api_decoder *d = total > CACHE_BYTES ? most : idle;
    if (d == NULL) {
        return NULL;
    }
    struct sh_ingest *in = d->in;
    *d = (struct api_decoder){0};
    return in;
}

static void give_decoder(struct sh_api *a, struct sh_ingest *in, struct api_decoder *to)
{
    struct sh_ingest *gone = in;
    struct sh_ingest_stats st;
    sh_ingest_stats(in, &st);
    const int64_t now_us = sh_mono_us(a->env->clock);
    sh_mutex_lock(&a->lock);
    if (to != NULL) {
        to->in = in;
        to->taken = false;
        to->used_us = now_us;
        to->bytes = st.memory_bytes;
        gone = drop_decoder(a, now_us);
    }
    sh_mutex_unlock(&a->lock);
    sh_ingest_free(gone);
}

/* ---- a request ---- */

typedef sh_err decoder(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                       const struct sh_ingest_opts *opts, struct sh_bytes body,
                       struct sh_ingest_result *result);

static int job_new(struct api_req *r, bool lines, struct job **out)
{
    struct sh_principal_info info;
    if (sh_gate_admit(r->api->o.gate) != SH_OK) {
        return disk_full(r, false);
    }
    struct job *j = sh_arena_get(r->arena, sizeof *j);
    if (j == NULL || sh_guard_describe(r->api->o.guard, &r->who, &info) != SH_OK) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    j->r = r;
    j->lines = lines;
    j->numbers_f64 = !lines;
    j->who.tenant = r->tenant;
    j->who.provision = api_check(r, SH_PERM_INGEST_PROVISION) == SH_OK;
    if (info.device[0] != '\0' && api_check(r, SH_PERM_INGEST_GATEWAY) != SH_OK) {
        j->who.device = sh_arena_str(r->arena, sh_str_c(info.device));
    }
    atomic_store(&j->open, 1);
    sh_buf_init(&j->refusals, r->api->env->alloc, 1 << 20);
    sh_jw_init(&j->w, &j->refusals);
    *out = j;
    return 0;
}

/* A small body that inflates to very much is an attack: samples are not that much alike. */
static size_t inflated_most(size_t body)
{
    const size_t most =
        body < API_INFLATED_MAX / API_INFLATED_RATIO ? body * API_INFLATED_RATIO : API_INFLATED_MAX;
    return most > API_INFLATED_FREE ? most : API_INFLATED_FREE;
}

static int inflate_snappy(struct api_req *r, struct sh_buf *inflated, struct sh_bytes *body)
{
    const sh_err err = sh_snappy_decode(r->http->body, inflated);
    if (err == SH_OK) {
        *body = sh_buf_bytes(inflated);
        return 0;
    }
    if (err == SH_E_LIMIT) {
        return api_problem(r, 413, "limit", "the body inflates to too much", "解压后的正文过大");
    }
    return err == SH_E_PROTO ? api_problem(r, 400, "bad_request", "the snappy body is damaged",
                                           "snappy 正文已损坏")
                             : api_error(r, err, NULL);
}

static int inflate(struct api_req *r, bool prom, struct sh_buf *inflated, struct sh_bytes *body)
{
    *body = r->http->body;
    if (prom) {
        return inflate_snappy(r, inflated, body);
    }
    const struct sh_str coding = sh_http_field_of(r->http, "Content-Encoding");
    if (coding.n == 0 || sh_str_ieq(coding, SH_STR("identity"))) {
        return 0;
    }
    if (!sh_str_ieq(coding, SH_STR("gzip"))) {
        return api_problem(r, 415, "unsupported", "Content-Encoding must be gzip or absent",
                           "Content-Encoding 只支持 gzip");
    }
    const sh_err err = sh_gunzip(*body, inflated);
    if (err != SH_OK) {
        return err == SH_E_LIMIT ? api_problem(r, 413, "limit", "the body inflates to too much",
                                               "解压后的正文过大")
                                 : api_problem(r, 400, "bad_request", "the gzip body is damaged",
                                               "gzip 正文已损坏");
    }
    *body = sh_buf_bytes(inflated);
    return 0;
}

static uint64_t cache_scope(const struct job *j)
{
    const uint64_t seed = (uint64_t)j->who.tenant << 1 | (j->who.provision ? 1u : 0u);
    return sh_hash64(j->who.device.p, j->who.device.n, seed ^ (j->numbers_f64 ? 1u << 31 : 0u));
}

static int decode(struct job *j, decoder *fn, struct sh_ingest_opts *opts)
{
    struct api_req *r = j->r;
    struct sh_api *a = r->api;
    struct sh_buf inflated;
    struct sh_bytes body;
    sh_buf_init(&inflated, a->env->alloc, inflated_most(r->http->body.n));
    const int status = inflate(r, j->prom, &inflated, &body);
    struct api_decoder *from = NULL;
    struct sh_ingest *in = status == 0 ? take_decoder(a, &r->http->peer, &from) : NULL;
    if (in == NULL) {
        sh_buf_fini(&inflated);
        sh_buf_fini(&j->refusals);
        return status != 0 ? status : api_error(r, SH_E_NOMEM, NULL);
    }
    opts->now_us = sh_wall_us(a->env->clock);
    opts->min_time_us = sh_gate_min_time(a->o.gate);
    opts->max_time_us = sh_gate_max_time(a->o.gate);
    opts->scope = cache_scope(j);
    opts->generation = sh_points_generation(a->o.points);
    const struct sh_ingest_sink sink = {.resolve = resolve,
                                        .submit = submit,
                                        .refuse = refuse,
                                        .ctx = j,
                                        .run = take_run,
                                        .run_min = SH_PACK_MIN_ROWS};
    struct sh_ingest_result res = {.samples = 0};
    sh_err err = fn(in, &sink, opts, body, &res);
    err = err == SH_OK ? pack_send(j) : err;
    sh_pack_builder_free(j->pack);
    j->samples = res.samples;
    give_decoder(a, in, from);
    sh_buf_fini(&inflated);
    if (err != SH_OK) {
        atomic_store(&j->err, (int)err);
    }
    release(j);
    return 0;
}

int api_write(struct api_req *r)
{
    struct job *j = NULL;
    struct sh_ingest_opts opts = {.precision = SH_INGEST_NS};
    const struct sh_str p = api_query(r, "precision");
    if (p.n > 0 && sh_ingest_precision_parse(p, &opts.precision) != SH_OK) {
        return api_problem(r, 400, "bad_request", "precision must be ns, us, ms or s",
                           "precision 必须是 ns、us、ms 或 s");
    }
    const int status = job_new(r, true, &j);
    return status != 0 || j == NULL ? status : decode(j, sh_ingest_lines, &opts);
}

/* ---- Prometheus remote write ---- */

enum api_prom_count api_prom_reason(enum sh_ingest_code code)
{
    if (code == SH_INGEST_HISTOGRAM) {
        return API_PROM_HISTOGRAMS;
    }
    const bool sample = code == SH_INGEST_TIME || code == SH_INGEST_TIME_FUTURE ||
                        code == SH_INGEST_TIME_OLD || code == SH_INGEST_FIELD_TYPE_CONFLICT;
    return sample ? API_PROM_REFUSED_SAMPLES : API_PROM_REFUSED_SERIES;
}

/* 1.0 is "application/x-protobuf", perhaps with the name of its message; 2.0 names another one. */
static bool is_prom_1(struct api_req *r)
{
    struct sh_str rest;
    const struct sh_str field = sh_http_field_of(r->http, "Content-Type");
    const struct sh_str version = sh_http_field_of(r->http, "X-Prometheus-Remote-Write-Version");
    if (!sh_str_ieq(sh_str_trim(sh_str_cut(field, ';', &rest)), SH_STR("application/x-protobuf")) ||
        (version.n > 0 && !sh_str_starts(version, SH_STR("0.")) &&
         !sh_str_starts(version, SH_STR("1.")))) {
        return false;
    }
    while (rest.n > 0) {
        struct sh_str value;
        const struct sh_str part = sh_str_trim(sh_str_cut(rest, ';', &rest));
        if (sh_str_ieq(sh_str_trim(sh_str_cut(part, '=', &value)), SH_STR("proto")) &&
            !sh_str_eqc(sh_str_trim(value), "prometheus.WriteRequest")) {
            return false;
        }
    }
    return true;
}

int api_prom_write(struct api_req *r)
{
    struct job *j = NULL;
    struct sh_ingest_opts opts = {.now_us = 0};
    if (!is_prom_1(r)) {
        return api_problem(r, 415, "unsupported",
                           "remote write 1.0 only: Content-Type application/x-protobuf "
                           "(prometheus.WriteRequest)",
                           "只支持 remote write 1.0：Content-Type 须为 application/x-protobuf"
                           "（prometheus.WriteRequest）");
    }
    if (!sh_str_ieq(sh_http_field_of(r->http, "Content-Encoding"), SH_STR("snappy"))) {
        return api_problem(r, 415, "unsupported", "Content-Encoding must be snappy",
                           "Content-Encoding 须为 snappy");
    }
    const int status = job_new(r, false, &j);
    if (status != 0 || j == NULL) {
        return status;
    }
    j->prom = true;
    return decode(j, sh_ingest_prom, &opts);
}

struct zone_ctx {
    const struct sh_env *env;
    struct sh_tz *tz;
    struct sh_str name;
};

static bool zone(void *ctx, struct sh_str tz, int64_t local_us, int64_t *utc_us)
{
    struct zone_ctx *z = ctx;
    if (z->tz == NULL && sh_tz_load(z->env, tz, &z->tz) != SH_OK) {
        return false;
    }
    *utc_us = sh_tz_to_utc(z->tz, local_us);
    return true;
}

static decoder *decoder_for(struct api_req *r)
{
    struct sh_str type = sh_http_field_of(r->http, "Content-Type");
    struct sh_str rest;
    type = sh_str_trim(sh_str_cut(type, ';', &rest));
    if (type.n == 0 || sh_str_ieq(type, SH_STR("application/json"))) {
        return sh_ingest_json;
    }
    if (sh_str_ieq(type, SH_STR("text/csv"))) {
        return sh_ingest_csv;
    }
    if (sh_str_ieq(type, SH_STR("application/vnd.songhua.columns"))) {
        return sh_ingest_columns;
    }
    return NULL;
}

static void free_zone(void *ctx)
{
    sh_tz_free(((struct zone_ctx *)ctx)->tz);
}

int api_ingest(struct api_req *r)
{
    decoder *fn = decoder_for(r);
    if (fn == NULL) {
        return api_problem(r, 415, "unsupported",
                           "Content-Type must be application/json, text/csv or "
                           "application/vnd.songhua.columns",
                           "Content-Type 须为 application/json、text/csv 或 "
                           "application/vnd.songhua.columns");
    }
    struct zone_ctx *z = sh_arena_get(r->arena, sizeof *z);
    if (z == NULL || sh_arena_defer(r->arena, free_zone, z) != SH_OK) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    z->env = r->api->env;
    const struct sh_str delimiter = api_query(r, "delimiter");
    struct sh_ingest_opts opts = {
        .device = api_query(r, "device"),
        .time_column = api_query(r, "time_column"),
        .tz = api_query(r, "tz"),
        .delimiter = delimiter.n == 0 ? '\0' : delimiter.p[0],
        .gbk = sh_str_ieq(api_query(r, "encoding"), SH_STR("gbk")),
        .zone = zone,
        .zone_ctx = z,
    };
    if (delimiter.n > 1 && !sh_str_eqc(delimiter, "\\t")) {
        return api_problem(r, 400, "bad_request", "delimiter must be one character",
                           "delimiter 只能是一个字符");
    }
    if (sh_str_eqc(delimiter, "\\t")) {
        opts.delimiter = '\t';
    }
    struct job *j = NULL;
    const int status = job_new(r, false, &j);
    if (status != 0 || j == NULL) {
        return status;
    }
    j->numbers_f64 = fn != sh_ingest_columns; /* its frames say what they hold */
    return decode(j, fn, &opts);
}
