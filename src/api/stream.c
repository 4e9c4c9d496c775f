/* stream.c - the live stream: Server-Sent Events with the newest values of the points a page shows,
 * device states, and once a second the overview.
 *
 * Each client has a list of points and the time it last saw of each. Five times a second its list
 * is compared with the live picture and what changed is sent: the cost follows the screens that are
 * open, not the samples that flow, and a slow client skips values instead of queueing them. Events
 * of the bus (any thread) are copied and posted to each loop that has clients, at most MAX_EVENTS
 * waiting; what does not fit is dropped and counted. A client belongs to the loop of its request.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/sse.h>

#include "api_int.h"

enum { TICKS_PER_SECOND = 5, MAX_EVENTS = 1000, PING_TICKS = 75, EVENT_MAX = 64 << 10 };
enum { PARTS_TICKS = 25 }; /* what a part of the plant is may change: looked at every 5 s */

struct client {
    struct client *next;
    struct api_req *r;
    uint32_t *points;
    int64_t *seen_us;
    struct sh_str *names;
    bool *masked; /* above the caller's clearance as of the last look */
    size_t n;
    bool told; /* of those that are masked */
    bool overview;
    bool started; /* everything was sent once */
};

struct posted_event {
    struct sh_job job;
    struct api_streams *s;
    uint32_t tenant;
    enum sh_event_kind kind;
    struct sh_str json;
    struct sh_str device;            /* empty: of none */
    struct sh_data_class data_class; /* of what is told */
};

/* The clients of one loop. */
struct api_streams {
    struct sh_api *a;
    struct sh_loop *loop;
    struct sh_job stop;
    struct sh_bus_sub *sub;
    struct client *clients;
    size_t n;
    struct sh_timer timer;
    unsigned tick;
    atomic_uint waiting;
    atomic_ullong dropped;
    atomic_bool any;
    bool stopped;
};

/* ---- sending ---- */

static void drop_client(struct api_streams *s, struct client *c, bool complete)
{
    struct client **at = &s->clients;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    s->n--;
    (void)atomic_fetch_sub(&s->a->streams_open, 1);
    atomic_store(&s->any, s->n > 0);
    struct sh_http_req *http = c->r->http;
    sh_arena_free(c->r->arena);
    sh_http_stream_end(http, complete);
}

static bool send_event(struct client *c, struct sh_str event, struct sh_str data)
{
    struct sh_buf b;
    sh_buf_init(&b, c->r->api->env->alloc, data.n * 2 + 256);
    const bool ok = sh_sse_put(&b, event, (struct sh_str){NULL, 0}, data) == SH_OK &&
                    sh_http_stream_write(c->r->http, sh_buf_bytes(&b)) == SH_OK;
    sh_buf_fini(&b);
    return ok;
}

static void put_sample(struct sh_jw *w, struct sh_str name, const struct sh_latest_value *v,
                       const struct sh_buf *text)
{
    sh_jw_key_str(w, name);
    sh_jw_arr(w);
    sh_jw_arr(w);
    api_put_time(w, v->time_us, API_TIME_MS);
    api_put_cell(w, v->type, v->value, text->p);
    sh_jw_u64(w, v->quality);
    sh_jw_arr_end(w);
    sh_jw_arr_end(w);
}

/* Sends what is new; keeps seen_us when the client cannot take it now. */
static void send_samples(struct client *c)
{
    enum { GROUP = 256 };
    struct sh_api *a = c->r->api;
    struct sh_buf text;
    struct sh_buf json;
    struct sh_jw w;
    sh_buf_init(&text, a->env->alloc, 4 << 20);
    sh_buf_init(&json, a->env->alloc, 8 << 20);
    sh_jw_init(&w, &json);
    sh_jw_obj(&w);
    size_t changed = 0;
    int64_t *fresh = sh_mem_array(a->env->alloc, c->n, sizeof *fresh);
    for (size_t from = 0; fresh != NULL && from < c->n; from += GROUP) {
        const size_t n = c->n - from < GROUP ? c->n - from : GROUP;
        struct sh_latest_value v[GROUP];
        if (sh_latest_get(a->o.latest, c->points + from, n, v, &text) != SH_OK) {
            break;
        }
        for (size_t i = 0; i < n; i++) {
            const bool there = v[i].found && !c->masked[from + i];
            fresh[from + i] = there ? v[i].time_us : INT64_MIN;
            if (there && v[i].time_us != c->seen_us[from + i]) {
                put_sample(&w, c->names[from + i], &v[i], &text);
                changed++;
            }
        }
    }
    sh_jw_obj_end(&w);
    if (changed > 0 && sh_jw_end(&w) == SH_OK &&
        send_event(c, SH_STR("samples"), sh_buf_str(&json))) {
        memcpy(c->seen_us, fresh, c->n * sizeof *fresh);
    }
    sh_mem_free(a->env->alloc, fresh);
    sh_buf_fini(&text);
    sh_buf_fini(&json);
}

/* Looks which points are masked now, and tells of them when they are others than before. Classes
 * and roles change while a stream is open. */
static void look_at_masks(struct client *c)
{
    bool changed = false;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const bool masked = !api_clear_point(c->r, SH_PERM_HISTORY_READ, c->points[i]);
        changed = changed || masked != c->masked[i];
        c->masked[i] = masked;
        n += masked ? 1 : 0;
    }
    if (!changed && (c->told || n == 0)) {
        return;
    }
    struct sh_buf json;
    struct sh_jw w;
    sh_buf_init(&json, c->r->api->env->alloc, 8 << 20);
    sh_jw_init(&w, &json);
    sh_jw_obj(&w);
    sh_jw_key(&w, "points");
    sh_jw_arr(&w);
    for (size_t i = 0; i < c->n; i++) {
        if (c->masked[i]) {
            sh_jw_str(&w, c->names[i]);
        }
    }
    sh_jw_arr_end(&w);
    sh_jw_obj_end(&w);
    c->told = sh_jw_end(&w) == SH_OK && send_event(c, SH_STR("masked"), sh_buf_str(&json));
    sh_buf_fini(&json);
}

static void send_overview(struct client *c)
{
    struct sh_buf json;
    struct sh_jw w;
    sh_buf_init(&json, c->r->api->env->alloc, 1 << 20);
    sh_jw_init(&w, &json);
    if (api_write_overview(c->r, &w) == SH_OK && sh_jw_end(&w) == SH_OK) {
        (void)send_event(c, SH_STR("overview"), sh_buf_str(&json));
    }
    sh_buf_fini(&json);
}

/* The parts are those that the stream began with, and its points still lie in them. */
static bool same_parts(struct client *c)
{
    const struct api_req *r = c->r;
    struct sh_parts now;
    if (sh_guard_parts(r->api->o.guard, &r->who, SH_PERM_HISTORY_READ, r->tenant, &now) != SH_OK ||
        now.all || now.n != r->parts->n) {
        return false;
    }
    for (uint32_t i = 0; i < now.n; i++) {
        if (now.at[i].label != r->parts->at[i].label ||
            !sh_str_eqc(r->parts->at[i].text, now.at[i].text)) {
            return false;
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct sh_point *p = sh_points_get(r->api->o.points, c->points[i]);
        if (!sh_twin_device_within(r->api->o.twin, r->tenant, p->device, r->parts)) {
            return false;
        }
    }
    return true;
}

/* A right that was taken away, changed or is over ends the stream: who still may opens it anew. So
 * does a change of the dashboard that it is for. */
static bool still_may(struct api_streams *s, struct client *c)
{
    const struct sh_guard *g = s->a->o.guard;
    const struct api_shown *d = c->r->shown;
    if (d != NULL && api_dashboard_newer(s->a, c->r->tenant, d->id, d->turn)) {
        return false;
    }
    if (sh_guard_live(g, &c->r->who) != SH_OK) {
        return false;
    }
    if (c->r->who.panel) {
        return true;
    }
    if (c->r->parts == NULL) {
        return sh_guard_check(g, &c->r->who, SH_PERM_HISTORY_READ, c->r->tenant) == SH_OK;
    }
    return s->tick % PARTS_TICKS != 0 || same_parts(c);
}

static void tick(void *ctx)
{
    struct api_streams *s = ctx;
    s->tick++;
    struct client *next = NULL;
    for (struct client *c = s->clients; c != NULL; c = next) {
        next = c->next;
        if (!still_may(s, c)) {
            drop_client(s, c, true);
            continue;
        }
        if (c->n > 0) {
            look_at_masks(c);
            send_samples(c);
        }
        const unsigned every = c->r->parts == NULL ? TICKS_PER_SECOND : PARTS_TICKS;
        if (c->overview && s->tick % every == 0) {
            send_overview(c);
        }
        if (s->tick % PING_TICKS == 0) {
            (void)send_event(c, SH_STR("ping"), SH_STR("{}"));
        }
    }
    if (!s->stopped && s->n > 0) {
        sh_timer_set(s->loop, &s->timer, 1000000 / TICKS_PER_SECOND);
    }
}

/* ---- events of the bus ---- */

static struct sh_str event_name(enum sh_event_kind kind)
{
    if (kind == SH_EVENT_PROBLEM) {
        return SH_STR("problem");
    }
    if (kind == SH_EVENT_DEVICE_EVENT) {
        return SH_STR("event");
    }
    return kind == SH_EVENT_DEVICE_STATE ? SH_STR("device") : SH_STR("change");
}

/* Device ids mean something within their tenant only; a panel hears of the states it shows. */
static bool hears(const struct api_streams *s, const struct client *c, const struct posted_event *e)
{
    const struct api_req *r = c->r;
    if (e->tenant != r->tenant || r->who.bound) {
        return false;
    }
    if (r->who.panel) {
        return e->kind == SH_EVENT_DEVICE_STATE && api_shows_device(r->shown, e->device);
    }
    if (!api_clear(c->r, SH_PERM_HISTORY_READ, e->data_class, e->device)) {
        return false;
    }
    return r->parts == NULL || sh_twin_device_within(s->a->o.twin, e->tenant, e->device, r->parts);
}

/* Only what a device reports carries values. */
static struct sh_data_class class_of(const struct api_streams *s, const struct sh_event *ev)
{
    json_t *doc = NULL;
    char name[SH_POINT_MAX_NAME + 1] = "";
    if (ev->kind != SH_EVENT_DEVICE_EVENT) {
        return SH_DATA_CLASS_DEFAULT;
    }
    if (sh_json_parse(ev->json, EVENT_MAX, &doc, NULL) == SH_OK) {
        const struct sh_str id = sh_json_get_str(doc, "event");
        (void)snprintf(name, sizeof name, "event:%.*s", (int)(id.n > 200 ? 200 : id.n),
                       id.p == NULL ? "" : id.p);
    }
    json_decref(doc);
    return sh_twin_class(s->a->o.twin, ev->tenant, ev->object, sh_str_c(name));
}

static void deliver(void *ctx)
{
    struct posted_event *e = ctx;
    struct api_streams *s = e->s;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (hears(s, c, e)) {
            (void)send_event(c, event_name(e->kind), e->json);
        }
    }
    (void)atomic_fetch_sub(&s->waiting, 1);
    sh_mem_free(s->a->env->alloc, e);
}

/* What is sent: a device's state and changes get its id and the time in front of their own members.
 */
static sh_err event_json(const struct sh_event *ev, struct sh_buf *out)
{
    if (ev->kind != SH_EVENT_DEVICE_STATE && ev->kind != SH_EVENT_DEVICE_CHANGED) {
        return sh_buf_put_str(out, ev->json);
    }
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "device");
    sh_jw_str(&w, ev->object);
    if (ev->time_us != 0) {
        sh_jw_key(&w, "since");
        sh_jw_time(&w, ev->time_us);
    }
    SH_TRY(sh_jw_end(&w));
    const bool members = ev->json.n > 2 && ev->json.p[0] == '{';
    SH_TRY(sh_buf_put_c(out, members ? "," : "}"));
    return members ? sh_buf_put_str(out, sh_str_sub(ev->json, 1, ev->json.n)) : SH_OK;
}

static struct posted_event *posted_new(struct api_streams *s, const struct sh_event *ev)
{
    struct sh_buf json;
    struct posted_event *e = NULL;
    sh_buf_init(&json, s->a->env->alloc, (size_t)2 * EVENT_MAX);
    if (event_json(ev, &json) == SH_OK) {
        e = sh_mem_new(s->a->env->alloc, sizeof *e + json.n + ev->object.n + 1);
    }
    if (e != NULL) {
        char *text = (char *)(e + 1);
        if (json.n > 0) {
            memcpy(text, json.p, json.n);
        }
        if (ev->object.n > 0) {
            memcpy(text + json.n, ev->object.p, ev->object.n);
        }
        *e = (struct posted_event){
            .s = s, .tenant = ev->tenant, .kind = ev->kind, .json = sh_str_of(text, json.n)};
        e->device = sh_str_of(text + json.n, ev->object.n);
        e->data_class = class_of(s, ev);
        e->job.fn = deliver;
        e->job.ctx = e;
    }
    sh_buf_fini(&json);
    return e;
}

static void on_event(void *ctx, const struct sh_event *ev)
{
    struct api_streams *s = ctx;
    if (!atomic_load(&s->any) || ev->json.n > EVENT_MAX) {
        return;
    }
    struct posted_event *e = NULL;
    if (atomic_fetch_add(&s->waiting, 1) < MAX_EVENTS) {
        e = posted_new(s, ev);
    }
    if (e == NULL) {
        (void)atomic_fetch_sub(&s->waiting, 1);
        (void)atomic_fetch_add(&s->dropped, 1);
        return;
    }
    sh_loop_post_job(s->loop, &e->job);
}

/* ---- clients ---- */

static struct api_streams *streams_of(const struct api_req *r)
{
    const struct sh_loop *l = sh_http_loop(r->http);
    size_t i = 0;
    while (r->api->streams[i]->loop != l) {
        i++; /* a request comes from one of the loops */
    }
    return r->api->streams[i];
}

static void on_gone(void *ctx, struct sh_http_req *http)
{
    SH_UNUSED(http);
    struct client *c = ctx;
    drop_client(streams_of(c->r), c, false);
}

static sh_err add_point(struct client *c, uint32_t id, struct sh_str name)
{
    if (c->n >= API_STREAM_POINTS) {
        return SH_E_LIMIT;
    }
    c->points[c->n] = id;
    c->names[c->n] = sh_arena_str(c->r->arena, name);
    c->seen_us[c->n] = INT64_MIN;
    c->n++;
    return SH_OK;
}

static int add_devices(struct client *c, struct sh_str list)
{
    struct api_req *r = c->r;
    uint32_t *ids = sh_arena_array(r->arena, API_STREAM_POINTS, sizeof *ids);
    while (list.p != NULL && ids != NULL) {
        const struct sh_str device = sh_str_cut(list, ',', &list);
        if (!api_sees(r, device)) {
            continue;
        }
        size_t n = sh_points_of_device(r->api->o.points, r->tenant, device, ids, API_STREAM_POINTS);
        n = n > API_STREAM_POINTS ? API_STREAM_POINTS : n;
        for (size_t i = 0; i < n; i++) {
            const struct sh_point *p = sh_points_get(r->api->o.points, ids[i]);
            const struct sh_str name =
                sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(p->device), SH_PRI(p->property));
            if (add_point(c, ids[i], name) != SH_OK) {
                return api_problem(r, 422, "limit", "a stream shows at most 2000 points",
                                   "一个实时流最多 2000 个点位");
            }
        }
    }
    return 0;
}

/* 0 with a status of 0: is to be left out. */
static uint32_t find_point(struct api_req *r, struct sh_str name, bool skip, int *status)
{
    const uint32_t id = sh_points_resolve(r->api->o.points, r->tenant, name);
    const bool known = id != 0 && api_sees(r, sh_points_get(r->api->o.points, id)->device);
    return skip && !known ? 0 : api_point(r, name, status);
}

static int add_named(struct client *c, struct sh_str list)
{
    struct api_req *r = c->r;
    const bool skip = sh_str_eqc(api_query(r, "missing"), "skip");
    while (list.p != NULL && list.n > 0) {
        const struct sh_str name = sh_str_cut(list, ',', &list);
        int status = 0;
        const uint32_t id = find_point(r, name, skip, &status);
        if (status != 0) {
            return status;
        }
        if (id != 0 && add_point(c, id, name) != SH_OK) {
            return api_problem(r, 422, "limit", "a stream shows at most 2000 points",
                               "一个实时流最多 2000 个点位");
        }
    }
    return 0;
}

static int fill_client(struct client *c)
{
    struct api_req *r = c->r;
    c->points = sh_arena_array(r->arena, API_STREAM_POINTS, sizeof *c->points);
    c->seen_us = sh_arena_array(r->arena, API_STREAM_POINTS, sizeof *c->seen_us);
    c->names = sh_arena_array(r->arena, API_STREAM_POINTS, sizeof *c->names);
    c->masked = sh_arena_array(r->arena, API_STREAM_POINTS, sizeof *c->masked);
    if (c->points == NULL || c->seen_us == NULL || c->names == NULL || c->masked == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    for (size_t i = 0; r->shown != NULL && i < r->shown->n; i++) {
        (void)add_point(c, r->shown->points[i], r->shown->names[i]); /* has room: it is the first */
    }
    const int status = add_named(c, api_query(r, "points"));
    if (status != 0) {
        return status;
    }
    const struct sh_str overview = api_query(r, "overview");
    c->overview = overview.n > 0 && !sh_str_eqc(overview, "0") &&
                  api_check(r, SH_PERM_OVERVIEW_READ) == SH_OK;
    return add_devices(c, api_query(r, "devices"));
}

/* One more over all loops, when the limit allows it. */
static bool count_in(struct sh_api *a)
{
    if (atomic_fetch_add(&a->streams_open, 1) < API_MAX_STREAMS) {
        return true;
    }
    (void)atomic_fetch_sub(&a->streams_open, 1);
    return false;
}

int api_stream(struct api_req *r)
{
    static const struct sh_http_stream_handler handler = {.on_gone = on_gone};
    if (r->shown == NULL && (r->who.panel || api_query(r, "dashboard").n > 0)) {
        return api_dashboard_load(r);
    }
    struct api_streams *s = streams_of(r);
    struct client *c = sh_arena_get(r->arena, sizeof *c);
    if (c == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    c->r = r;
    const int status = fill_client(c);
    if (status != 0) {
        return status;
    }
    if (s->stopped || !count_in(r->api)) {
        return api_problem(r, 503, "too_busy", "too many live streams are open",
                           "打开的实时流过多");
    }
    sh_http_status(r->http, 200);
    sh_http_header_c(r->http, "Content-Type", "text/event-stream");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    sh_http_header_c(r->http, "X-Accel-Buffering", "no");
    c->next = s->clients;
    s->clients = c;
    s->n++;
    atomic_store(&s->any, true);
    if (sh_http_stream_begin(r->http, &handler, c) != SH_OK) {
        drop_client(s, c, false);
        return 0;
    }
    if (!sh_timer_is_set(&s->timer)) {
        sh_timer_set(s->loop, &s->timer, 0);
    }
    return 0;
}

/* ---- life ---- */

static void stop(void *ctx)
{
    struct api_streams *s = ctx;
    s->stopped = true;
    sh_timer_stop(&s->timer);
    sh_bus_unsubscribe(s->a->o.bus, s->sub);
    s->sub = NULL;
    while (s->clients != NULL) {
        drop_client(s, s->clients, true);
    }
}

sh_err api_streams_new(struct sh_api *a, struct sh_loop *loop)
{
    static const struct sh_bus_handler handler = {.event = on_event};
    struct api_streams *s = sh_mem_new(a->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->a = a;
    s->loop = loop;
    s->stop = (struct sh_job){.fn = stop, .ctx = s};
    a->streams[a->nstreams++] = s;
    sh_timer_init(&s->timer, tick, s);
    return sh_bus_subscribe(a->o.bus, &handler, s, &s->sub);
}

void api_streams_stop(struct sh_api *a)
{
    for (size_t i = 1; i < a->nstreams; i++) {
        sh_loop_post_job(a->streams[i]->loop, &a->streams[i]->stop);
    }
    stop(a->streams[0]);
}

void api_streams_free(struct sh_api *a)
{
    for (size_t i = 0; i < a->nstreams; i++) {
        sh_mem_free(a->env->alloc, a->streams[i]);
    }
    a->nstreams = 0;
}
