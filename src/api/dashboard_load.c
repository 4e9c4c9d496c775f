/* dashboard_load.c - the points and devices of a stored dashboard, for the live stream: a page asks
 * for one dashboard instead of naming some thousand points in its address. Reading the store blocks
 * and the stream lives on a loop, so a request goes loop -> worker -> loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dashboard.h"

struct loading {
    struct sh_job back;
    struct api_req *r;
};

struct filling {
    struct api_shown *out;
    const struct sight *sight;
    struct sh_arena *arena;
};

/* Two widgets may show the same point. */
static bool is_there(const struct api_shown *s, uint32_t id, struct sh_str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->points[i] == id && sh_str_eq(s->names[i], name)) {
            return true;
        }
    }
    return false;
}

static void add_point(void *ctx, struct sh_str name)
{
    struct filling *f = ctx;
    struct api_req *r = f->sight->r;
    const uint32_t id = sh_points_resolve(r->api->o.points, r->tenant, name);
    if (id != 0 && f->out->n < DASHBOARD_POINTS && sight_of_point(f->sight, name) &&
        !is_there(f->out, id, name)) {
        f->out->points[f->out->n] = id;
        f->out->names[f->out->n] = sh_arena_str(f->arena, name);
        f->out->n += f->out->names[f->out->n].p != NULL ? 1 : 0;
    }
}

static void add_device(void *ctx, struct sh_str id)
{
    struct filling *f = ctx;
    if (f->out->ndevices < DASHBOARD_DEVICES) {
        f->out->devices[f->out->ndevices] = sh_arena_str(f->arena, id);
        f->out->ndevices += f->out->devices[f->out->ndevices].p != NULL ? 1 : 0;
    }
}

bool api_shows_point(const struct api_shown *s, uint32_t id)
{
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        if (s->points[i] == id) {
            return true;
        }
    }
    return false;
}

bool api_shows_device(const struct api_shown *s, struct sh_str id)
{
    for (size_t i = 0; s != NULL && i < s->ndevices; i++) {
        if (sh_str_eq(s->devices[i], id)) {
            return true;
        }
    }
    return false;
}

int api_dashboard_shown(struct api_req *r, struct sh_str id, const struct api_shown **out)
{
    struct sight s;
    struct sh_record_row row;
    json_t *doc = NULL;
    struct api_shown *shown = sh_arena_get(r->arena, sizeof *shown);
    struct filling f = {.out = shown, .sight = &s, .arena = r->arena};
    if (shown == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    shown->turn = api_dashboards_turn(r->api); /* a change from here on is seen as one */
    shown->id = id;
    shown->points = sh_arena_array(r->arena, DASHBOARD_POINTS, sizeof *shown->points);
    shown->names = sh_arena_array(r->arena, DASHBOARD_POINTS, sizeof *shown->names);
    shown->devices = sh_arena_array(r->arena, DASHBOARD_DEVICES, sizeof *shown->devices);
    const bool room = shown->points != NULL && shown->names != NULL && shown->devices != NULL;
    const sh_err err = room ? sight_of(r, &s) : SH_E_NOMEM;
    int status = err == SH_OK ? dashboard_find(r, id, &row, &doc) : api_error(r, err, NULL);
    if (status == 0) {
        dashboard_points(doc, add_point, &f, r->arena);
        dashboard_devices(doc, add_device, &f);
    }
    json_decref(doc);
    *out = shown;
    return status;
}

int api_panel_load(struct api_req *r)
{
    return r->shown != NULL ? 0 : api_dashboard_shown(r, r->panel, &r->shown);
}

static void go_on(void *ctx)
{
    struct api_req *r = ctx;
    const int status = api_stream(r);
    if (status != 0) {
        api_finish(r, status);
    }
}

static void read_it(void *ctx)
{
    struct loading *l = ctx;
    struct api_req *r = l->r;
    const int status =
        api_dashboard_shown(r, r->who.panel ? r->panel : api_query(r, "dashboard"), &r->shown);
    if (status != 0) {
        api_finish(r, status);
        return;
    }
    l->back = (struct sh_job){.fn = go_on, .ctx = r};
    sh_loop_post_job(sh_http_loop(r->http), &l->back);
}

int api_dashboard_load(struct api_req *r)
{
    struct loading *l = sh_arena_get(r->arena, sizeof *l);
    if (l == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    l->r = r;
    if (!r->who.panel && api_check(r, SH_PERM_DASHBOARDS_READ) != SH_OK) {
        return api_problem(r, 403, "denied", "the right dashboards.read is needed",
                           "需要 dashboards.read 权限");
    }
    if (sh_workers_run(r->api->o.workers, read_it, l) != SH_OK) {
        sh_http_header_c(r->http, "Retry-After", "1");
        return api_problem(r, 503, "too_busy", "too many requests wait for a worker",
                           "等待处理的请求过多");
    }
    return 0;
}

/* ---- which ones were changed ---- */

uint64_t api_dashboards_turn(struct sh_api *a)
{
    return atomic_load(&a->dashboards.turn);
}

void api_dashboard_changed(struct sh_api *a, uint32_t tenant, struct sh_str id)
{
    struct api_dashboards *d = &a->dashboards;
    sh_mutex_lock(&a->lock);
    const uint64_t turn = atomic_load(&d->turn);
    struct api_dashboard_turn *t = &d->last[turn % API_DASHBOARD_TURNS];
    t->tenant = tenant;
    t->n = id.n < sizeof t->id ? id.n : sizeof t->id;
    memcpy(t->id, id.p, t->n);
    atomic_store(&d->turn, turn + 1);
    sh_mutex_unlock(&a->lock);
}

bool api_dashboard_newer(struct sh_api *a, uint32_t tenant, struct sh_str id, uint64_t since)
{
    struct api_dashboards *d = &a->dashboards;
    uint64_t turn = atomic_load(&d->turn);
    if (turn == since) {
        return false;
    }
    sh_mutex_lock(&a->lock);
    turn = atomic_load(&d->turn);
    bool found = turn - since > API_DASHBOARD_TURNS; /* more than are remembered */
    for (uint64_t i = since; !found && i < turn; i++) {
        const struct api_dashboard_turn *t = &d->last[i % API_DASHBOARD_TURNS];
        found = t->tenant == tenant && sh_str_eq(sh_str_of(t->id, t->n), id);
    }
    sh_mutex_unlock(&a->lock);
    return found;
}
