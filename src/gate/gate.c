/* gate.c - the one way in for samples.
 *
 * The road: sh_gate_submit seals the batch into a slab (one copy), appends its columns to the
 * journal and leaves the slab with the record; the apply thread calls sh_gate_apply with it - or,
 * in a replay, without it, and the slab is read from the record - which feeds history, the live
 * picture (not in a replay: it is made in one go afterwards) and the bus; then submit_done gives
 * the slab up and tells the sender.
 * A closed gate (sh_gate_close: the disk has passed its last mark) refuses before the append, so
 * what is left of the disk serves edits, which are never refused, audit and records.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>

#include <sh/gate.h>
#include <sh/json.h>

#include "late.h"

#define US_PER_DAY INT64_C(86400000000)

enum { LOAD_ROWS = 4096, LOAD_BYTES = 64 << 20 }; /* of newest values taken over at once */

struct sh_gate {
    const struct sh_env *env;
    struct sh_gate_options o;
    struct sh_journal *journal;
    struct late *late;
    atomic_llong max_future_us;
    atomic_bool closed; /* the disk has passed its last mark */
    atomic_ullong samples;
    atomic_ullong encoded;
    atomic_ullong batches;
    atomic_ullong refused_rate;
    atomic_ullong refused_full;
    atomic_ullong refused_busy;
    atomic_ullong failed;
};

sh_err sh_gate_new(const struct sh_env *env, const struct sh_gate_options *o, struct sh_gate **out)
{
    struct sh_gate *g = sh_mem_new(env->alloc, sizeof *g);
    if (g == NULL) {
        return SH_E_NOMEM;
    }
    g->env = env;
    g->o = *o;
    sh_gate_set_max_future(g, o->max_future_us);
    const sh_err err = late_new(env, o->points, &g->late);
    if (err != SH_OK) {
        sh_mem_free(env->alloc, g);
        return err;
    }
    late_set(g->late, o->late_us);
    *out = g;
    return SH_OK;
}

void sh_gate_set_max_future(struct sh_gate *g, int64_t us)
{
    atomic_store(&g->max_future_us, us == 0 ? US_PER_DAY : us);
}

void sh_gate_set_late(struct sh_gate *g, int64_t us)
{
    late_set(g->late, us);
}

void sh_gate_attach(struct sh_gate *g, struct sh_journal *j)
{
    g->journal = j;
}

void sh_gate_free(struct sh_gate *g)
{
    if (g != NULL) {
        late_free(g->late);
        sh_mem_free(g->env->alloc, g);
    }
}

static void count(atomic_ullong *c, uint64_t n)
{
    (void)atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

void sh_gate_close(struct sh_gate *g, bool closed)
{
    atomic_store(&g->closed, closed);
}

bool sh_gate_closed(const struct sh_gate *g)
{
    return atomic_load_explicit(&g->closed, memory_order_relaxed);
}

sh_err sh_gate_admit(struct sh_gate *g)
{
    if (!sh_gate_closed(g)) {
        return SH_OK;
    }
    count(&g->refused_full, 1);
    return SH_E_FULL;
}

/* ---- names ---- */

static enum sh_gate_refusal property_type(struct sh_gate *g, const struct sh_gate_who *who,
                                          const struct sh_gate_name *name, enum sh_type *type,
                                          struct sh_str *unit, char detail[160])
{
    *type = (enum sh_type)0;
    *unit = SH_STR("");
    if (g->o.property != NULL && !name->event) {
        const enum sh_gate_refusal r =
            g->o.property(g->o.ctx, who->tenant, name->device, name->property, type, unit, detail);
        if (r != SH_GATE_OK) {
            return r;
        }
    }
    if (*type == 0) {
        *type = name->number_is_f64 && name->type == SH_T_I64 ? SH_T_F64 : name->type;
    }
    return SH_GATE_OK;
}

static enum sh_gate_refusal make_point(struct sh_gate *g, const struct sh_gate_who *who,
                                       const struct sh_gate_name *name, struct sh_gate_target *out,
                                       char detail[160])
{
    char now[SH_POINT_MAX_NAME];
    struct sh_point_def d = {
        .tenant = who->tenant, .device = name->device, .property = name->property};
    const size_t n =
        g->o.present == NULL ? 0 : g->o.present(g->o.ctx, who->tenant, name->device, now);
    if (n > 0) { /* a renamed device that speaks by its old name: the point is the device's */
        d.device = (struct sh_str){now, n};
        out->point = sh_points_find(g->o.points, who->tenant, d.device, name->property);
    }
    if (out->point != 0) {
        return SH_GATE_OK;
    }
    const enum sh_gate_refusal r = property_type(g, who, name, &d.type, &d.unit, detail);
    if (r != SH_GATE_OK) {
        return r;
    }
    if (d.type == 0) {
        (void)snprintf(detail, 160, "the point does not exist");
        return SH_GATE_UNKNOWN_PROPERTY;
    }
    if (g->o.guard != NULL && sh_guard_use(g->o.guard, who->tenant, SH_QUOTA_POINTS, 1) != SH_OK) {
        (void)snprintf(detail, 160, "the tenant's quota of points is used up");
        return SH_GATE_QUOTA;
    }
    const sh_err err = sh_points_define(g->o.points, &d, false, &out->point);
    if (err == SH_OK) {
        return SH_GATE_OK;
    }
    if (g->o.guard != NULL) {
        sh_guard_unuse(g->o.guard, who->tenant, SH_QUOTA_POINTS, 1);
    }
    if (err == SH_E_INVAL) {
        (void)snprintf(detail, 160, "device or property is not a valid name");
        return SH_GATE_BAD_NAME;
    }
    if (err == SH_E_LIMIT) {
        (void)snprintf(detail, 160, "no more points: see points.max, and how many a device has");
        return SH_GATE_QUOTA;
    }
    (void)snprintf(detail, 160, "no new point can be made now (%s)", sh_err_name(err));
    out->why = err == SH_E_AGAIN ? SH_E_LIMIT : err;
    return SH_GATE_NOT_NOW;
}

static enum sh_gate_refusal own_device(const struct sh_gate_who *who,
                                       const struct sh_gate_name *name, char detail[160])
{
    if (who->device.n > 0 && !sh_str_eq(who->device, name->device)) {
        (void)snprintf(detail, 160, "device '%.*s' may speak for itself only",
                       SH_PRI(sh_str_sub(who->device, 0, 64)));
        return SH_GATE_DENIED;
    }
    return SH_GATE_OK;
}

enum sh_gate_refusal sh_gate_point(struct sh_gate *g, const struct sh_gate_who *who,
                                   const struct sh_gate_name *name, struct sh_gate_target *out,
                                   char detail[160])
{
    detail[0] = '\0';
    *out = (struct sh_gate_target){.why = SH_OK};
    if (!name->event && sh_str_starts(name->property, SH_POINT_EVENT)) {
        (void)snprintf(detail, 160, "properties that begin with 'event:' are kept for events");
        return SH_GATE_BAD_NAME;
    }
    enum sh_gate_refusal r = own_device(who, name, detail);
    if (r == SH_GATE_OK && g->o.device != NULL) {
        r = g->o.device(g->o.ctx, who->tenant, name->device, name->labels, name->nlabels,
                        who->provision, detail);
    }
    if (r != SH_GATE_OK) {
        out->why = SH_E_NOMEM; /* the only reason for which a device is not to be had now */
        return r;
    }
    out->point = sh_points_find(g->o.points, who->tenant, name->device, name->property);
    if (out->point == 0) {
        r = make_point(g, who, name, out, detail);
        if (r != SH_GATE_OK) {
            return r;
        }
    }
    out->type = sh_points_get(g->o.points, out->point)->type;
    out->scale = sh_points_scale(g->o.points, out->point, &out->raw_point);
    return SH_GATE_OK;
}

int64_t sh_gate_min_time(const struct sh_gate *g)
{
    return sh_history_floor(g->o.history);
}

int64_t sh_gate_max_time(const struct sh_gate *g)
{
    return sh_wall_us(g->env->clock) + atomic_load(&g->max_future_us);
}

/* ---- batches ---- */

struct flight {
    struct sh_gate *gate;
    struct sh_slab *slab; /* or */
    struct sh_pack *pack;
    sh_journal_done *done;
    void *ctx;
};

static void submit_done(void *ctx, sh_err err, uint64_t seq)
{
    const struct flight f = *(struct flight *)ctx;
    sh_mem_free(f.gate->env->alloc, ctx);
    if (err != SH_OK) {
        count(&f.gate->failed, 1);
    }
    sh_slab_unref(f.slab);
    sh_pack_unref(f.pack);
    if (f.done != NULL) {
        f.done(f.ctx, err, seq);
    }
}

static sh_err append_batch(struct sh_gate *g, uint32_t tenant, const struct sh_batch *b,
                           struct flight *f)
{
    SH_TRY(sh_slab_new(g->env->alloc, b, &f->slab));
    f->slab->tenant = tenant;
    uint8_t head[SH_BATCH_HEAD];
    struct sh_bytes parts[SH_BATCH_PARTS];
    sh_batch_wire_parts(&f->slab->batch, head, parts);
    const struct sh_journal_append a = {
        .owner = SH_OWNER_SAMPLES,
        .kind = SH_SAMPLES_BATCH,
        .parts = parts,
        .nparts = SH_BATCH_PARTS,
        .obj = f->slab,
        .done = submit_done,
        .ctx = f,
    };
    const sh_err err = sh_journal_append(g->journal, &a, NULL);
    if (err != SH_OK) {
        sh_slab_unref(f->slab);
    }
    return err;
}

static sh_err append_pack(struct sh_gate *g, uint32_t tenant, struct sh_pack *p, struct flight *f)
{
    const struct sh_bytes part = sh_pack_wire(p);
    const struct sh_journal_append a = {
        .owner = SH_OWNER_SAMPLES,
        .kind = SH_SAMPLES_BLOCKS,
        .parts = &part,
        .nparts = 1,
        .obj = p,
        .done = submit_done,
        .ctx = f,
    };
    f->pack = sh_pack_ref(p);
    sh_pack_newest(p)->tenant = tenant;
    const sh_err err = sh_journal_append(g->journal, &a, NULL);
    if (err != SH_OK) {
        sh_pack_unref(p);
    }
    return err;
}

/* What is submitted: a pack, or else the batch. */
struct load {
    const struct sh_batch *batch;
    struct sh_pack *pack;
    uint32_t rows;
};

static sh_err submit(struct sh_gate *g, uint32_t tenant, const struct load *l,
                     const struct flight *as, int64_t *wait_us)
{
    int64_t wait = 0;
    SH_TRY(sh_gate_admit(g));
    if (g->o.guard != NULL && sh_guard_rate(g->o.guard, tenant, l->rows, &wait) != SH_OK) {
        count(&g->refused_rate, 1);
        if (wait_us != NULL) {
            *wait_us = wait;
        }
        return SH_E_LIMIT;
    }
    struct flight *f = sh_mem_new(g->env->alloc, sizeof *f);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    *f = *as;
    const sh_err err =
        l->pack != NULL ? append_pack(g, tenant, l->pack, f) : append_batch(g, tenant, l->batch, f);
    if (err != SH_OK) {
        count(err == SH_E_FULL ? &g->refused_full : &g->refused_busy, 1);
        sh_mem_free(g->env->alloc, f);
    } else {
        late_batch(g->late, tenant, l->batch);
    }
    if (wait_us != NULL) {
        *wait_us = 0;
    }
    return err;
}

sh_err sh_gate_submit(struct sh_gate *g, uint32_t tenant, const struct sh_batch *b,
                      sh_journal_done *done, void *ctx, int64_t *wait_us)
{
    const struct load l = {.batch = b, .rows = b->len};
    const struct flight f = {.gate = g, .done = done, .ctx = ctx};
    return b->len == 0 ? SH_E_INVAL : submit(g, tenant, &l, &f, wait_us);
}

sh_err sh_gate_submit_pack(struct sh_gate *g, uint32_t tenant, struct sh_pack *p,
                           sh_journal_done *done, void *ctx, int64_t *wait_us)
{
    /* The last samples of its runs tell whether it is late. */
    const struct load l = {.batch = &sh_pack_newest(p)->batch, .pack = p, .rows = sh_pack_rows(p)};
    const struct flight f = {.gate = g, .done = done, .ctx = ctx};
    return submit(g, tenant, &l, &f, wait_us);
}

/* ---- late samples ---- */

static sh_err tell_late(struct sh_gate *g, const struct late_note *n)
{
    enum { JSON_MAX = 256 };
    char detail[160];
    struct sh_buf json;
    struct sh_jw w;
    struct sh_batch_builder b;
    struct sh_gate_target t;
    const struct sh_str prefix = SH_POINT_EVENT;
    const struct sh_str event = SH_GATE_LATE_EVENT;
    char property[32];
    const int len = snprintf(property, sizeof property, "%.*s%.*s", SH_PRI(prefix), SH_PRI(event));
    const struct sh_gate_who who = {.tenant = n->tenant};
    const struct sh_gate_name name = {.device = n->device,
                                      .property = sh_str_of(property, (size_t)len),
                                      .type = SH_T_TEXT,
                                      .event = true};
    if (sh_gate_point(g, &who, &name, &t, detail) != SH_GATE_OK || t.type != SH_T_TEXT) {
        return SH_E_NOTFOUND; /* the device has gone, or its points are full */
    }
    sh_buf_init(&json, g->env->alloc, JSON_MAX);
    sh_batch_builder_init(&b, g->env->alloc, 1, JSON_MAX);
    sh_jw_init(&w, &json);
    sh_jw_obj(&w);
    sh_jw_key(&w, "from");
    sh_jw_time(&w, n->from_us);
    sh_jw_key(&w, "to");
    sh_jw_time(&w, n->to_us);
    sh_jw_key(&w, "samples");
    sh_jw_u64(&w, n->samples);
    sh_jw_key(&w, "delay");
    sh_jw_f64(&w, (double)n->delay_us / 1e6);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_batch_add_bytes(&b, t.point, sh_wall_us(g->env->clock), SH_T_TEXT,
                                 sh_buf_bytes(&json), SH_Q_GOOD);
    }
    if (err == SH_OK) {
        err = sh_gate_submit(g, n->tenant, &b.view, NULL, NULL, NULL);
    }
    sh_buf_fini(&json);
    sh_batch_builder_fini(&b);
    return err;
}

void sh_gate_tell_late(struct sh_gate *g, bool all)
{
    struct late_note n;
    while (late_take(g->late, all, &n)) {
        const sh_err err = tell_late(g, &n);
        if (err != SH_OK && err != SH_E_NOTFOUND) {
            sh_log(g->env->log, SH_LOG_WARN, "gate", "late samples of %.*s were not noted: %s",
                   SH_PRI(n.device), sh_err_name(err));
        }
    }
}

static sh_err edit_append(struct sh_gate *g, const struct sh_history_edit *e, struct sh_buf *wire,
                          sh_journal_done *done, void *ctx)
{
    SH_TRY(sh_history_edit_check(g->o.history, e));
    SH_TRY(sh_history_edit_encode(e, wire));
    const struct sh_bytes part = sh_buf_bytes(wire);
    const struct sh_journal_append a = {
        .owner = SH_OWNER_SAMPLES,
        .kind = SH_SAMPLES_EDIT,
        .urgent = true, /* deleting must work on a full disk */
        .parts = &part,
        .nparts = 1,
        .done = done,
        .ctx = ctx,
    };
    return sh_journal_append(g->journal, &a, NULL);
}

sh_err sh_gate_edit(struct sh_gate *g, const struct sh_history_edit *e, sh_journal_done *done,
                    void *ctx)
{
    enum { EDIT_MAX = 8 << 20 };
    struct sh_buf wire;
    sh_buf_init(&wire, g->env->alloc, EDIT_MAX);
    const sh_err err = edit_append(g, e, &wire, done, ctx);
    sh_buf_fini(&wire);
    return err;
}

/* ---- the apply thread ---- */

/* A replay leaves the live picture alone: sh_gate_load_latest makes it afterwards. */
static sh_err feed(struct sh_gate *g, struct sh_slab *slab, uint64_t seq, bool replay)
{
    slab->seq = seq;
    const sh_err err = sh_history_apply(g->o.history, slab, seq);
    const sh_err seen = replay ? SH_OK : sh_latest_update(g->o.latest, &slab->batch);
    sh_bus_publish_slab(g->o.bus, slab, seq);
    count(&g->samples, slab->batch.len);
    count(&g->batches, 1);
    return err == SH_OK ? seen : err;
}

static struct sh_slab *all_rows(void *ctx)
{
    struct sh_slab *slab = NULL;
    const struct sh_slab *newest = sh_pack_newest(ctx);
    if (sh_pack_slab(ctx, &slab) != SH_OK) {
        return NULL;
    }
    slab->tenant = newest->tenant;
    slab->seq = newest->seq;
    return slab;
}

static sh_err feed_pack(struct sh_gate *g, struct sh_pack *pack, uint64_t seq, bool replay)
{
    struct sh_slab *newest = sh_pack_newest(pack);
    newest->seq = seq;
    const sh_err err = sh_history_apply_pack(g->o.history, pack, seq);
    const sh_err seen = replay ? SH_OK : sh_latest_update(g->o.latest, &newest->batch);
    const struct sh_bus_packed packed = {.newest = newest, .all = all_rows, .ctx = pack};
    sh_bus_publish_packed(g->o.bus, &packed, seq);
    count(&g->samples, sh_pack_rows(pack));
    count(&g->encoded, sh_pack_rows(pack));
    count(&g->batches, 1);
    return err == SH_OK ? seen : err;
}

/* The live picture follows an edit: forget the points it names, then read their newest value. */
static void refresh_latest(struct sh_gate *g, const uint32_t *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sh_history_sample s;
        struct sh_buf text;
        struct sh_batch_builder one;
        sh_buf_init(&text, g->env->alloc, 1 << 20);
        sh_batch_builder_init(&one, g->env->alloc, 1, 1 << 20);
        sh_latest_forget(g->o.latest, points[i]);
        sh_err err = sh_history_last(g->o.history, &points[i], 1, &s, &text);
        if (err == SH_OK && s.found) {
            if (s.type >= SH_T_TEXT) {
                const struct sh_bytes b = sh_bytes_of(text.p + s.value.span.off, s.value.span.len);
                err = sh_batch_add_bytes(&one, points[i], s.time_us, s.type, b, s.quality);
            } else {
                err = sh_batch_add(&one, points[i], s.time_us, s.type, s.value, s.quality);
            }
        }
        if (err == SH_OK) {
            err = sh_latest_update(g->o.latest, &one.view);
        }
        if (err != SH_OK) {
            sh_log(g->env->log, SH_LOG_WARN, "gate", "latest value of point %u not refreshed: %s",
                   points[i], sh_err_name(err));
        }
        sh_batch_builder_fini(&one);
        sh_buf_fini(&text);
    }
}

static sh_err apply_pack(struct sh_gate *g, const struct sh_journal_record *rec)
{
    if (rec->obj != NULL) {
        return feed_pack(g, rec->obj, rec->seq, false);
    }
    struct sh_pack *pack = NULL;
    SH_TRY(sh_pack_read(g->env->alloc, rec->data, &pack));
    const sh_err err = feed_pack(g, pack, rec->seq, true);
    sh_pack_unref(pack);
    return err;
}

sh_err sh_gate_apply(void *ctx, const struct sh_journal_record *rec)
{
    struct sh_gate *g = ctx;
    if (rec->kind == SH_SAMPLES_EDIT) {
        return sh_history_edit_apply(g->o.history, rec->data, rec->seq);
    }
    if (rec->kind == SH_SAMPLES_BLOCKS) {
        return apply_pack(g, rec);
    }
    if (rec->kind != SH_SAMPLES_BATCH) {
        return SH_E_CORRUPT;
    }
    if (rec->obj != NULL) {
        return feed(g, rec->obj, rec->seq, false);
    }
    struct sh_slab *slab = NULL;
    SH_TRY(sh_batch_wire_read(g->env->alloc, rec->data, &slab));
    const sh_err err = feed(g, slab, rec->seq, true);
    sh_slab_unref(slab);
    return err;
}

struct loading {
    struct sh_gate *g;
    struct sh_batch_builder b;
};

static sh_err load_rows(struct loading *l)
{
    const sh_err err = sh_latest_update(l->g->o.latest, &l->b.view);
    sh_batch_builder_clear(&l->b);
    return err;
}

static sh_err load_one(void *ctx, uint32_t point, const struct sh_history_sample *s,
                       struct sh_bytes text)
{
    struct loading *l = ctx;
    if (l->b.view.len == LOAD_ROWS || text.n > LOAD_BYTES - l->b.view.bytes_len) {
        SH_TRY(load_rows(l));
    }
    return s->type >= SH_T_TEXT
               ? sh_batch_add_bytes(&l->b, point, s->time_us, s->type, text, s->quality)
               : sh_batch_add(&l->b, point, s->time_us, s->type, s->value, s->quality);
}

sh_err sh_gate_load_latest(struct sh_gate *g)
{
    struct loading l = {.g = g};
    sh_batch_builder_init(&l.b, g->env->alloc, LOAD_ROWS, LOAD_BYTES);
    sh_err err = sh_history_newest(g->o.history, sh_points_last_id(g->o.points), load_one, &l);
    if (err == SH_OK) {
        err = load_rows(&l);
    }
    sh_batch_builder_fini(&l.b);
    return err;
}

void sh_gate_edited(struct sh_gate *g, const uint32_t *points, size_t n)
{
    refresh_latest(g, points, n);
}

void sh_gate_stats(const struct sh_gate *g, struct sh_gate_stats *out)
{
    *out = (struct sh_gate_stats){
        .samples = atomic_load_explicit(&g->samples, memory_order_relaxed),
        .encoded = atomic_load_explicit(&g->encoded, memory_order_relaxed),
        .batches = atomic_load_explicit(&g->batches, memory_order_relaxed),
        .refused_rate = atomic_load_explicit(&g->refused_rate, memory_order_relaxed),
        .refused_full = atomic_load_explicit(&g->refused_full, memory_order_relaxed),
        .refused_busy = atomic_load_explicit(&g->refused_busy, memory_order_relaxed),
        .failed = atomic_load_explicit(&g->failed, memory_order_relaxed),
        .late_missed = late_missed(g->late),
    };
}
