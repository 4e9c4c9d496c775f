/* History against a naive reference: random puts of rows and of encoded blocks, repeats, late data,
 * corrections, deletions, withdrawals, flushes, compactions and reopenings; after each stretch
 * every query is compared. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/pack.h>

enum { POINTS = 6, SLOTS = 4000, MAX_EDITS = 64 };

/* Times are slots of one second from T0, so that repeats happen. */
static const int64_t t0 = 1767225600000000 - (int64_t)2 * 86400 * 1000000;
static const int64_t sec = 1000000;

struct cell {
    bool any;
    uint8_t q;
    union sh_cell v; /* text: number printed as text */
    bool human;
    uint64_t human_id;
    uint8_t human_q;
    union sh_cell human_v;
};

struct hole {
    uint32_t point;
    int64_t from;
    int64_t to;
    uint64_t id;
    bool on;
};

struct model {
    struct cell at[POINTS + 1][SLOTS];
    struct hole holes[MAX_EDITS];
    size_t nholes;
    uint64_t corrections[MAX_EDITS];
    size_t ncorrections;
};

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct model *m;
    uint64_t seq;
    uint64_t rng;
    uint64_t flushed;
    uint64_t cold; /* samples that were seen in cold segments */
    uint32_t packs;
    int64_t cold_after_us;
    bool calm;        /* good samples, close together, seldom late: so that roll-ups are of use */
    uint64_t seen;    /* samples that sums over whole minutes were asked of */
    uint64_t scanned; /* and those that were read for it */
    int reports;
};

static uint64_t rnd(struct rig *r)
{
    r->rng ^= r->rng << 13;
    r->rng ^= r->rng >> 7;
    r->rng ^= r->rng << 17;
    return r->rng;
}

static enum sh_type type_of(uint32_t point)
{
    static const enum sh_type types[] = {SH_T_F64,  SH_T_F64,  SH_T_F64, SH_T_I64,
                                         SH_T_BOOL, SH_T_TEXT, SH_T_F64};
    return types[point];
}

static void report(void *ctx, const struct sh_history_report *e)
{
    struct rig *r = ctx;
    SH_UNUSED(e);
    r->reports++;
}

static void flushed(void *ctx, uint64_t seq)
{
    ((struct rig *)ctx)->flushed = seq;
}

static void rig_open(struct rig *r)
{
    const struct sh_history_options o = {.dir = "h",
                                         .shards = 3,
                                         .partition_us = (int64_t)(r->calm ? 14400 : 600) * sec,
                                         .cold_after_us = r->cold_after_us,
                                         .roll_min = 50, /* minutes too */
                                         .report = report,
                                         .flushed = flushed,
                                         .ctx = r};
    assert_ok(sh_history_open(&r->t.env, &o, &r->h));
}

static size_t text_of(union sh_cell v, char out[32])
{
    return (size_t)snprintf(out, 32, "state-%d", (int)(v.bits % 7));
}

static union sh_cell value_make(struct rig *r, enum sh_type type)
{
    union sh_cell v = {.bits = 0};
    const uint64_t x = rnd(r);
    switch (type) {
    case SH_T_F64:
        v.f64 = (double)(int64_t)(x % 10000) / 100.0;
        if (x % (r->calm ? 5003 : 97) == 0) {
            v.f64 = NAN;
        }
        break;
    case SH_T_I64:
        v.i64 = (int64_t)(x % 1000) - 300;
        break;
    case SH_T_BOOL:
        v.bits = x & 1;
        break;
    case SH_T_TEXT:
    case SH_T_BLOB:
        v.bits = x % 7;
        break;
    }
    return v;
}

static int rank(uint8_t q)
{
    return (int)sh_q_class(q);
}

static void model_put(struct model *m, uint32_t p, uint32_t slot, uint8_t q, union sh_cell v)
{
    struct cell *c = &m->at[p][slot];
    if (!c->any || rank(q) >= rank(c->q)) {
        c->any = true;
        c->q = q;
        c->v = v;
    }
}

static void add_row(struct sh_batch_builder *b, uint32_t p, uint32_t slot, uint8_t q,
                    union sh_cell v)
{
    const int64_t t = t0 + (int64_t)slot * sec;
    if (type_of(p) == SH_T_TEXT) {
        char text[32];
        const size_t n = text_of(v, text);
        assert_ok(sh_batch_add_bytes(b, p, t, SH_T_TEXT, sh_bytes_of(text, n), q));
    } else {
        assert_ok(sh_batch_add(b, p, t, type_of(p), v, q));
    }
}

static void put_batch(struct rig *r)
{
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, r->t.env.alloc, 1000, 1 << 20);
    const uint32_t n = 1 + (uint32_t)(rnd(r) % (r->calm ? 900 : 300));
    uint32_t slot = (uint32_t)(rnd(r) % SLOTS);
    const bool late = rnd(r) % (r->calm ? 7 : 3) == 0;
    const uint32_t p0 = 1 + (uint32_t)(rnd(r) % POINTS);
    for (uint32_t i = 0; i < n; i++) {
        const bool other = !r->calm && rnd(r) % 2 == 0;
        const uint32_t p = other ? 1 + (uint32_t)(rnd(r) % POINTS) : p0;
        static const uint8_t qs[] = {192, 192, 192, 192, 192, 64, 0, 216};
        const bool good = r->calm && rnd(r) % 3001 != 0;
        const uint8_t q = good ? SH_Q_GOOD : qs[rnd(r) % SH_COUNT(qs)];
        const uint32_t some = (uint32_t)rnd(r);
        slot = (!late ? slot + 1 : (r->calm ? slot + some % 4 : some)) % SLOTS;
        const union sh_cell v = value_make(r, type_of(p));
        add_row(&b, p, slot, q, v);
        model_put(r->m, p, slot, q, v);
    }
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(r->t.env.alloc, &b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
}

/* One run for a pack: consecutive slots, now and then one left out; a few qualities or one. */
static void add_run(struct rig *r, struct sh_pack_builder *b)
{
    static const uint32_t numeric[] = {1, 2, 3, 4, 6};
    static uint8_t columns[SLOTS * 17];
    const uint32_t p = numeric[rnd(r) % SH_COUNT(numeric)];
    const uint32_t want = SH_PACK_MIN_ROWS + (uint32_t)(rnd(r) % 1800);
    uint32_t slots[SLOTS];
    uint32_t n = 0;
    const bool gaps = rnd(r) % 3 == 0;
    for (uint32_t s = (uint32_t)(rnd(r) % (SLOTS - 300)); s < SLOTS && n < want; s++) {
        if (!gaps || rnd(r) % 8 != 0) {
            slots[n++] = s;
        }
    }
    uint8_t *const time = columns;
    uint8_t *const cell = columns + (size_t)n * 8;
    uint8_t *const quality = columns + (size_t)n * 16;
    const bool mixed = !r->calm && rnd(r) % 2 == 0;
    for (uint32_t i = 0; i < n; i++) {
        static const uint8_t qs[] = {192, 192, 192, 64, 0, 216};
        const union sh_cell v = value_make(r, type_of(p));
        sh_put_le64(time + (size_t)i * 8, (uint64_t)(t0 + (int64_t)slots[i] * sec));
        sh_put_le64(cell + (size_t)i * 8, v.bits);
        quality[i] = mixed ? qs[rnd(r) % SH_COUNT(qs)] : 192;
    }
    const struct sh_pack_run columns_run = {p, type_of(p), n, time, cell, mixed ? quality : NULL};
    const sh_err err = sh_pack_add(b, &columns_run);
    assert_true(err == SH_OK || err == SH_E_UNSUPPORTED);
    for (uint32_t i = 0; err == SH_OK && i < n; i++) {
        const union sh_cell v = {.bits = sh_le64(cell + (size_t)i * 8)};
        model_put(r->m, p, slots[i], quality[i], v);
    }
}

static void put_pack(struct rig *r)
{
    struct sh_pack_builder *b = NULL;
    struct sh_pack *pack = NULL;
    struct sh_pack *again = NULL;
    assert_ok(sh_pack_builder_new(r->t.env.alloc, r->h, &b));
    for (uint64_t n = 1 + rnd(r) % 4; n > 0; n--) {
        add_run(r, b);
    }
    if (sh_pack_builder_rows(b) != 0) {
        assert_ok(sh_pack_take(b, &pack));
        /* as it came, or as a replay reads it */
        assert_ok(sh_pack_read(r->t.env.alloc, sh_pack_wire(pack), &again));
        assert_ok(sh_history_apply_pack(r->h, rnd(r) % 2 == 0 ? pack : again, ++r->seq));
        sh_pack_unref(pack);
        sh_pack_unref(again);
        r->packs++;
    }
    sh_pack_builder_free(b);
}

static void edit_apply(struct rig *r, const struct sh_history_edit *e)
{
    struct sh_buf b;
    sh_buf_init(&b, r->t.env.alloc, 1 << 20);
    assert_ok(sh_history_edit_check(r->h, e));
    assert_ok(sh_history_edit_encode(e, &b));
    assert_ok(sh_history_edit_apply(r->h, sh_buf_bytes(&b), ++r->seq));
    /* a second time, as a replay would */
    assert_ok(sh_history_edit_apply(r->h, sh_buf_bytes(&b), r->seq));
    sh_buf_fini(&b);
}

static void correct(struct rig *r)
{
    if (r->m->ncorrections == (r->calm ? 3 : MAX_EDITS)) {
        return;
    }
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, r->t.env.alloc, 100, 1 << 16);
    const uint32_t p = 1 + (uint32_t)(rnd(r) % POINTS);
    const uint32_t slot = (uint32_t)(rnd(r) % (SLOTS - 10));
    for (uint32_t i = 0; i < 5; i++) {
        const union sh_cell v = value_make(r, type_of(p));
        struct cell *c = &r->m->at[p][slot + i];
        add_row(&b, p, slot + i, SH_Q_GOOD_OVERRIDE, v);
        if (c->human) { /* keep the model simple: one correction of a cell at a time */
            sh_batch_builder_fini(&b);
            return;
        }
        c->human_v = v;
        c->human_q = SH_Q_GOOD_OVERRIDE;
    }
    for (uint32_t i = 0; i < 5; i++) {
        r->m->at[p][slot + i].human = true;
        r->m->at[p][slot + i].human_id = r->seq + 1;
    }
    edit_apply(r, &(struct sh_history_edit){.kind = SH_EDIT_CORRECT, .rows = &b.view});
    r->m->corrections[r->m->ncorrections++] = r->seq;
    sh_batch_builder_fini(&b);
}

static void hide(struct rig *r)
{
    if (r->m->nholes == (r->calm ? 3 : MAX_EDITS)) {
        return;
    }
    const uint32_t p = 1 + (uint32_t)(rnd(r) % POINTS);
    const uint32_t slot = (uint32_t)(rnd(r) % SLOTS);
    const struct hole hole = {.point = p,
                              .from = t0 + (int64_t)slot * sec,
                              .to = t0 + (int64_t)(slot + 1 + rnd(r) % 50) * sec,
                              .id = r->seq + 1,
                              .on = true};
    r->m->holes[r->m->nholes++] = hole;
    edit_apply(r, &(struct sh_history_edit){.kind = SH_EDIT_DELETE,
                                            .points = &p,
                                            .npoints = 1,
                                            .from_us = hole.from,
                                            .to_us = hole.to});
}

static void withdraw(struct rig *r)
{
    uint64_t id = 0;
    if (rnd(r) % 2 == 0 && r->m->nholes != 0) {
        struct hole *hole = &r->m->holes[rnd(r) % r->m->nholes];
        hole->on = false;
        id = hole->id;
    } else if (r->m->ncorrections != 0) {
        id = r->m->corrections[rnd(r) % r->m->ncorrections];
        for (uint32_t p = 1; p <= POINTS; p++) {
            for (uint32_t s = 0; s < SLOTS; s++) {
                struct cell *c = &r->m->at[p][s];
                c->human = c->human && c->human_id != id;
            }
        }
    }
    if (id != 0) {
        edit_apply(r, &(struct sh_history_edit){.kind = SH_EDIT_WITHDRAW, .id = id});
    }
}

static bool hidden(const struct model *m, uint32_t p, int64_t t, uint64_t after)
{
    for (size_t i = 0; i < m->nholes; i++) {
        const struct hole *h = &m->holes[i];
        if (h->on && h->point == p && t >= h->from && t < h->to && h->id > after) {
            return true;
        }
    }
    return false;
}

/* What the reference says is at (point, slot). */
static bool model_get(const struct model *m, uint32_t p, uint32_t slot, uint8_t *q,
                      union sh_cell *v)
{
    const struct cell *c = &m->at[p][slot];
    const int64_t t = t0 + (int64_t)slot * sec;
    if (c->human && !hidden(m, p, t, c->human_id)) {
        *q = c->human_q;
        *v = c->human_v;
        return true;
    }
    if (!c->any || hidden(m, p, t, 0)) {
        return false;
    }
    *q = c->q;
    *v = c->v;
    return true;
}

/* Conditions, by index from COND_FIRST of the aggregates; the same words for count and duration. */
enum { COND_FIRST = 14, CONDS = 10 };
static const char *const cond_words[CONDS] = {">80", ">=80", "<-10",     "<=0.5",   "=1",
                                              "!=1", "1",    "10.5..70", "-300..0", "!=-42.25"};

static bool naive_met(size_t cond, double v)
{
    switch (cond) {
    case 0:
        return v > 80;
    case 1:
        return v >= 80;
    case 2:
        return v < -10;
    case 3:
        return v <= 0.5;
    case 4:
    case 6:
        return v == 1;
    case 5:
        return v != 1;
    case 7:
        return v >= 10.5 && v <= 70;
    case 8:
        return v >= -300 && v <= 0;
    default:
        return v != -42.25;
    }
}

/* Conditions on the text point. */
static const char *const text_words[] = {"=state-3", "!=state-3", "state-5"};
enum { TEXT_CONDS = 3 };

static bool naive_met_cell(uint32_t point, size_t cond, union sh_cell v)
{
    if (type_of(point) == SH_T_TEXT) {
        const bool three = v.bits % 7 == 3;
        return cond == 0 ? three : (cond == 1 ? !three : v.bits % 7 == 5);
    }
    return naive_met(cond, type_of(point) == SH_T_F64 ? v.f64 : (double)v.i64);
}

struct raw_check {
    const struct model *m;
    const uint32_t *points;
    uint32_t slot; /* next slot of the present series */
    uint32_t end;
    uint32_t series;
    enum sh_history_quality quality;
    bool where;
    size_t cond;
};

static bool raw_next(struct raw_check *k, uint8_t *q, union sh_cell *v)
{
    for (; k->slot < k->end; k->slot++) {
        if (model_get(k->m, k->points[k->series], k->slot, q, v) &&
            (k->quality != SH_QF_GOOD || *q >= 192) &&
            (!k->where || naive_met_cell(k->points[k->series], k->cond, *v))) {
            return true;
        }
    }
    return false;
}

static sh_err raw_sink(void *ctx, const struct sh_history_rows *rows)
{
    struct raw_check *k = ctx;
    const uint32_t p = k->points[rows->series];
    assert_int_equal(rows->series, k->series);
    assert_int_equal(rows->type, type_of(p));
    for (uint32_t i = 0; i < rows->n; i++) {
        uint8_t q = 0;
        union sh_cell v = {.bits = 0};
        assert_true(raw_next(k, &q, &v));
        assert_int_equal(rows->time_us[i], t0 + (int64_t)k->slot * sec);
        assert_int_equal(rows->quality[i], q);
        if (type_of(p) == SH_T_TEXT) {
            char text[32];
            const size_t n = text_of(v, text);
            assert_int_equal(rows->value[i].span.len, n);
            assert_memory_equal(rows->bytes + rows->value[i].span.off, text, n);
        } else {
            assert_true(rows->value[i].bits == v.bits);
        }
        k->slot++;
    }
    return SH_OK;
}

static void check_raw(struct rig *r)
{
    for (uint32_t p = 1; p <= POINTS; p++) {
        const uint32_t from = (uint32_t)(rnd(r) % SLOTS);
        const uint32_t to = from + (uint32_t)(rnd(r) % (SLOTS - from + 1));
        struct raw_check k = {.m = r->m,
                              .points = &p,
                              .slot = from,
                              .end = to,
                              .quality = rnd(r) % 3 == 0 ? SH_QF_GOOD : SH_QF_DEFAULT,
                              .where = rnd(r) % 2 == 0};
        const bool text = type_of(p) == SH_T_TEXT;
        k.cond = rnd(r) % (text ? TEXT_CONDS : CONDS);
        struct sh_history_query q = {.points = &p,
                                     .npoints = 1,
                                     .from_us = t0 + (int64_t)from * sec,
                                     .to_us = t0 + (int64_t)to * sec,
                                     .quality = k.quality,
                                     .limit = rnd(r) % 2 == 0 ? 0 : 1 + rnd(r) % 700};
        struct sh_history_result out;
        if (k.where) {
            const char *word = text ? text_words[k.cond] : cond_words[k.cond];
            assert_ok(sh_history_cond_parse(sh_str_c(word), &q.where));
        }
        do { /* page by page */
            assert_ok(sh_history_query(r->h, &q, raw_sink, &k, &out));
            assert_true(q.limit == 0 || out.rows <= q.limit);
            q.cursor = out.next;
        } while (out.next.set);
        uint8_t qq = 0;
        union sh_cell v;
        assert_false(raw_next(&k, &qq, &v));
    }
}

/* The naive aggregates of one bucket. */
struct naive {
    size_t n;
    double values[SLOTS];
    int64_t times[SLOTS];
    double before; /* last value before the bucket */
    int64_t before_t;
    bool has_before;
};

static const char *const agg_names[] = {"count", "sum",  "min",    "max",       "mean",
                                        "first", "last", "stddev", "p0",        "p37.5",
                                        "p100",  "twa",  "rate",   "duration:1"};

/* The name of aggregate k: one of agg_names, count:<cond> or duration:<cond>. */
static const char *agg_name(size_t k, char out[32])
{
    if (k < COND_FIRST) {
        return agg_names[k];
    }
    const bool count = k < COND_FIRST + CONDS;
    (void)snprintf(out, 32, "%s:%s", count ? "count" : "duration",
                   cond_words[(k - COND_FIRST) % CONDS]);
    return out;
}

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double naive_percentile(const struct naive *n, double p)
{
    static double sorted[SLOTS];
    memcpy(sorted, n->values, n->n * sizeof sorted[0]);
    qsort(sorted, n->n, sizeof sorted[0], by_double);
    const double at = p / 100 * (double)(n->n - 1);
    const size_t lo = (size_t)floor(at);
    const size_t hi = (size_t)ceil(at);
    return sorted[lo] + (sorted[hi] - sorted[lo]) * (at - floor(at));
}

/* cond: CONDS = the mean over time, else the seconds in which it is met. */
static double naive_hold(const struct naive *n, int64_t from, int64_t to, size_t cond, bool *ok)
{
    const bool duration = cond != CONDS;
    double sum = 0;
    double span = 0;
    bool has = n->has_before;
    double held = n->before;
    int64_t at = from;
    for (size_t i = 0; i <= n->n; i++) {
        const int64_t t = i < n->n ? n->times[i] : to;
        if (has) {
            sum += duration ? (naive_met(cond, held) ? (double)(t - at) / 1e6 : 0)
                            : held * (double)(t - at);
            span += (double)(t - at);
        }
        if (i < n->n) {
            has = true;
            held = n->values[i];
        }
        at = t;
    }
    *ok = duration ? has : span > 0;
    return duration ? sum : sum / span;
}

static double naive_rate(const struct naive *n, bool *ok)
{
    bool has = n->has_before;
    double prev = n->before;
    double inc = 0;
    const int64_t from = n->has_before ? n->before_t : (n->n != 0 ? n->times[0] : 0);
    for (size_t i = 0; i < n->n; i++) {
        if (has) {
            inc += n->values[i] >= prev ? n->values[i] - prev : n->values[i];
        }
        prev = n->values[i];
        has = true;
    }
    *ok = n->n != 0 && n->times[n->n - 1] > from;
    return *ok ? inc / (double)(n->times[n->n - 1] - from) * 1e6 : 0;
}

static double naive_count(const struct naive *n, size_t cond, bool *ok)
{
    size_t met = 0;
    for (size_t i = 0; i < n->n; i++) {
        met += naive_met(cond, n->values[i]) ? 1 : 0;
    }
    *ok = true;
    return (double)met;
}

static double naive_agg(const struct naive *n, size_t k, int64_t from, int64_t to, bool *ok)
{
    if (k >= COND_FIRST) {
        const size_t cond = (k - COND_FIRST) % CONDS;
        return k < COND_FIRST + CONDS ? naive_count(n, cond, ok)
                                      : naive_hold(n, from, to, cond, ok);
    }
    double sum = 0;
    double min = INFINITY;
    double max = -INFINITY;
    double dev = 0;
    for (size_t i = 0; i < n->n; i++) {
        sum += n->values[i];
        min = n->values[i] < min ? n->values[i] : min;
        max = n->values[i] > max ? n->values[i] : max;
    }
    const double mean = n->n == 0 ? 0 : sum / (double)n->n;
    for (size_t i = 0; i < n->n; i++) {
        dev += (n->values[i] - mean) * (n->values[i] - mean);
    }
    *ok = n->n != 0;
    switch (k) {
    case 0:
        *ok = true;
        return (double)n->n;
    case 1:
        return sum;
    case 2:
        return min;
    case 3:
        return max;
    case 4:
        return mean;
    case 5:
        return n->n == 0 ? 0 : n->values[0];
    case 6:
        return n->n == 0 ? 0 : n->values[n->n - 1];
    case 7:
        *ok = n->n > 1;
        return n->n > 1 ? sqrt(dev / (double)(n->n - 1)) : 0;
    case 8:
        return min;
    case 9:
        return n->n == 0 ? 0 : naive_percentile(n, 37.5);
    case 10:
        return max;
    case 11:
        return naive_hold(n, from, to, CONDS, ok);
    case 12:
        return naive_rate(n, ok);
    default:
        return naive_hold(n, from, to, 4, ok);
    }
}

struct agg_check {
    struct rig *r;
    uint32_t point;
    int64_t from;
    int64_t to;
    int64_t step;
    int64_t next; /* bucket expected next */
    enum sh_history_quality quality;
    bool whole;          /* minutes */
    const size_t *which; /* indexes of agg_names */
    size_t nwhich;
    bool hold;
    size_t rows;
};

static bool usable(const struct agg_check *k, uint8_t q, double v)
{
    const enum sh_q_class c = sh_q_class(q);
    const bool in =
        k->quality == SH_QF_ALL || (k->quality == SH_QF_GOOD ? c == SH_QC_GOOD : c != SH_QC_BAD);
    return in && !isnan(v);
}

static void naive_fill(const struct agg_check *k, int64_t from, int64_t to, struct naive *n)
{
    n->n = 0;
    n->has_before = false;
    for (uint32_t s = 0; s < SLOTS; s++) {
        const int64_t t = t0 + (int64_t)s * sec;
        uint8_t q = 0;
        union sh_cell v;
        if (t >= to || !model_get(k->r->m, k->point, s, &q, &v)) {
            continue;
        }
        const double x = type_of(k->point) == SH_T_F64 ? v.f64 : (double)v.i64;
        if (!usable(k, q, x)) {
            continue;
        }
        if (t < from) {
            n->has_before = true;
            n->before = x;
            n->before_t = t;
        } else {
            n->times[n->n] = t;
            n->values[n->n++] = x;
        }
    }
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(a) + fabs(b));
}

static void bucket_bounds(const struct agg_check *k, int64_t start, int64_t *from, int64_t *to)
{
    *from = k->step == 0 || start < k->from ? k->from : start;
    *to = k->step == 0 || start + k->step > k->to ? k->to : start + k->step;
}

static bool bucket_empty(const struct agg_check *k, int64_t start)
{
    static struct naive n;
    int64_t from = 0;
    int64_t to = 0;
    bucket_bounds(k, start, &from, &to);
    naive_fill(k, from, to, &n);
    return n.n == 0 && !(k->hold && n.has_before);
}

static sh_err agg_sink(void *ctx, const struct sh_history_rows *rows)
{
    struct agg_check *k = ctx;
    static struct naive n;
    for (uint32_t i = 0; i < rows->n; i++) {
        const int64_t start = rows->time_us[i];
        while (k->next < start) {
            assert_true(bucket_empty(k, k->next));
            k->next += k->step;
        }
        assert_int_equal(start, k->next);
        int64_t from = 0;
        int64_t to = 0;
        bucket_bounds(k, start, &from, &to);
        naive_fill(k, from, to, &n);
        if (k->whole && k->nwhich == 7) {
            k->r->seen += n.n;
        }
        for (size_t a = 0; a < k->nwhich; a++) {
            bool ok = false;
            const double want = naive_agg(&n, k->which[a], from, to, &ok);
            const struct sh_history_col *c = &rows->agg[a];
            assert_int_equal(c->null == NULL ? 0 : c->null[i], ok ? 0 : 1);
            const double got = c->type == SH_T_F64 ? c->value[i].f64 : (double)c->value[i].i64;
            if (ok && !close_to(got, want)) {
                char name[32];
                fail_msg("point %u bucket %lld %s: got %.17g, want %.17g", k->point,
                         (long long)start, agg_name(k->which[a], name), got, want);
            }
        }
        k->next = k->step == 0 ? k->to : k->next + k->step;
        k->rows++;
    }
    return SH_OK;
}

static void check_aggregates(struct rig *r)
{
    static const size_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    static const size_t plain[] = {0, 1, 2, 3, 4, 5, 6};
    static const size_t moments[] = {0, 7, 4};
    static const size_t held[] = {0, 11};
    size_t counts[] = {COND_FIRST + rnd(r) % CONDS, COND_FIRST + rnd(r) % CONDS};
    size_t durations[] = {COND_FIRST + CONDS + rnd(r) % CONDS, COND_FIRST + rnd(r) % CONDS, 11};
    size_t mixed[] = {3, COND_FIRST + rnd(r) % CONDS, 0};
    const struct {
        const size_t *p;
        size_t n;
    } sets[] = {{all, 14},   {plain, 7},  {moments, 3},   {held, 2},
                {counts, 1}, {counts, 2}, {durations, 3}, {mixed, 3}};
    for (uint32_t p = 1; p <= POINTS; p++) {
        if (type_of(p) == SH_T_TEXT) {
            continue;
        }
        const size_t set = rnd(r) % SH_COUNT(sets);
        struct sh_history_agg aggs[SH_COUNT(agg_names)];
        struct agg_check k = {.r = r,
                              .point = p,
                              .which = sets[set].p,
                              .nwhich = sets[set].n,
                              .quality = (enum sh_history_quality)(rnd(r) % 3)};
        char names[SH_COUNT(agg_names)][32];
        for (size_t i = 0; i < k.nwhich; i++) {
            const struct sh_str name = sh_str_c(agg_name(k.which[i], names[i]));
            assert_ok(sh_history_agg_parse(name, &aggs[i]));
            k.hold =
                k.hold || k.which[i] == 11 || k.which[i] == 13 || k.which[i] >= COND_FIRST + CONDS;
        }
        static const int64_t steps[] = {0, 7, 60, 600, 1800, 90, 3600};
        k.step = steps[rnd(r) % SH_COUNT(steps)] * sec;
        k.from = t0 + (int64_t)(rnd(r) % (SLOTS / 2)) * sec;
        k.to = k.from + (int64_t)(1 + rnd(r) % (SLOTS / 2)) * sec;
        k.whole = k.step % (60 * sec) == 0 && rnd(r) % 2 == 0;
        if (k.whole) {
            k.from = k.from / (60 * sec) * (60 * sec);
            k.to = k.to / (60 * sec) * (60 * sec) + 60 * sec;
        }
        k.next = k.step == 0 ? k.from : k.from / k.step * k.step;
        struct sh_history_query q = {.points = &p,
                                     .npoints = 1,
                                     .from_us = k.from,
                                     .to_us = k.to,
                                     .aggs = aggs,
                                     .naggs = k.nwhich,
                                     .step_us = k.step,
                                     .quality = k.quality,
                                     .limit = rnd(r) % 2 == 0 ? 0 : 1 + rnd(r) % 20};
        struct sh_history_result out;
        do {
            assert_ok(sh_history_query(r->h, &q, agg_sink, &k, &out));
            q.cursor = out.next;
            if (k.whole && set == 1) {
                r->scanned += out.scanned;
            }
        } while (out.next.set);
        while (k.next < k.to) {
            assert_true(bucket_empty(&k, k.next));
            k.next = k.step == 0 ? k.to : k.next + k.step;
        }
    }
}

/* As sh_history_last gives them, of sh_history_newest. */
struct newest {
    uint32_t last;
    struct sh_history_sample *out;
    struct sh_buf *text;
};

static sh_err newest_one(void *ctx, uint32_t point, const struct sh_history_sample *s,
                         struct sh_bytes text)
{
    struct newest *n = ctx;
    assert_true(point > n->last && point <= POINTS && s->found);
    n->last = point;
    n->out[point - 1] = *s;
    if (s->type == SH_T_TEXT) {
        assert_int_equal(s->value.span.len, text.n);
        n->out[point - 1].value.span.off = (uint32_t)n->text->n;
        assert_ok(sh_buf_put(n->text, text.p, text.n));
    }
    return SH_OK;
}

/* Asked for one by one, or all in one pass (before what is asked for alone is remembered). */
static void check_last(struct rig *r, bool pass)
{
    uint32_t points[POINTS];
    struct sh_history_sample out[POINTS] = {{0}};
    struct sh_buf text;
    sh_buf_init(&text, r->t.env.alloc, 1 << 16);
    for (uint32_t p = 0; p < POINTS; p++) {
        points[p] = p + 1;
    }
    if (pass) {
        struct newest n = {.out = out, .text = &text};
        assert_ok(sh_history_newest(r->h, POINTS, newest_one, &n));
    } else {
        assert_ok(sh_history_last(r->h, points, POINTS, out, &text));
    }
    for (uint32_t p = 0; p < POINTS; p++) {
        bool found = false;
        uint8_t q = 0;
        union sh_cell v = {.bits = 0};
        uint32_t slot = SLOTS;
        while (!found && slot > 0) {
            slot--;
            found = model_get(r->m, p + 1, slot, &q, &v);
        }
        assert_int_equal(out[p].found, found);
        if (!found) {
            continue;
        }
        assert_int_equal(out[p].time_us, t0 + (int64_t)slot * sec);
        assert_int_equal(out[p].quality, q);
        if (type_of(p + 1) == SH_T_TEXT) {
            char t[32];
            const size_t n = text_of(v, t);
            assert_int_equal(out[p].value.span.len, n);
            assert_memory_equal(text.p + out[p].value.span.off, t, n);
        } else {
            assert_true(out[p].value.bits == v.bits);
        }
    }
    sh_buf_fini(&text);
}

static void compact(struct rig *r)
{
    struct sh_history_stats st;
    assert_ok(sh_history_compact(r->h));
    sh_test_advance(&r->t, 2); /* what was merged has been quiet for long enough */
    assert_ok(sh_history_compact(r->h));
    sh_history_stats(r->h, &st);
    r->cold += st.cold_samples;
}

/* Every other run turns what is compacted into cold blocks at once. */
static void run(uint64_t seed, int steps, bool calm, uint64_t *seen, uint64_t *scanned)
{
    struct rig r = {.rng = seed * 2654435761U + 1,
                    .calm = calm,
                    .cold_after_us = seed % 2 == 0 ? 1 : INT64_MAX};
    r.mem = sh_memfs_new(seed);
    sh_test_env_init(&r.t, sh_memfs_fs(r.mem));
    r.m = test_calloc(1, sizeof *r.m);
    sh_test_advance(&r.t, (int64_t)30 * 86400 * sec);
    rig_open(&r);
    for (int i = 0; i < steps; i++) {
        const uint64_t what = rnd(&r) % 40;
        if (what < 8 && seed % 3 != 0) {
            put_pack(&r);
        } else if (what < 24) {
            put_batch(&r);
        } else if (what < 26) {
            correct(&r);
        } else if (what < 28) {
            hide(&r);
        } else if (what < 29) {
            withdraw(&r);
        } else if (what < 33) {
            assert_ok(sh_history_flush(r.h));
            assert_int_equal(r.flushed, r.seq);
        } else if (what < 35) {
            compact(&r);
        } else if (what < 36) {
            sh_history_close(r.h);
            rig_open(&r);
            check_last(&r, rnd(&r) % 2 == 0);
        } else {
            check_raw(&r);
            check_aggregates(&r);
            check_last(&r, rnd(&r) % 2 == 0);
        }
    }
    check_last(&r, true);
    assert_ok(sh_history_flush(r.h));
    compact(&r);
    check_raw(&r);
    check_aggregates(&r);
    check_last(&r, false);
    assert_int_equal(r.reports, 0);
    assert_true((r.packs > 0) == (seed % 3 != 0));
    assert_true((r.cold > 0) == (seed % 2 == 0));
    r.seen = 0;
    r.scanned = 0;
    for (int i = 0; calm && i < 20; i++) {
        check_aggregates(&r);
    }
    *seen += r.seen;
    *scanned += r.scanned;
    sh_history_close(r.h);
    test_free(r.m);
    sh_test_env_fini(&r.t);
    sh_memfs_free(r.mem);
}

static void test_random_runs_agree_with_the_naive_reference(void **state)
{
    (void)state;
    uint64_t seen = 0;
    uint64_t scanned = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run(seed, 120, false, &seen, &scanned);
    }
}

static void test_roll_ups_agree_with_the_naive_reference(void **state)
{
    (void)state;
    uint64_t seen = 0;
    uint64_t scanned = 0;
    for (uint64_t seed = 21; seed <= 32; seed++) {
        run(seed, 240, true, &seen, &scanned);
    }
    assert_true(scanned < seen / 2); /* roll-ups answered for most of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs_agree_with_the_naive_reference),
        cmocka_unit_test(test_roll_ups_agree_with_the_naive_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
