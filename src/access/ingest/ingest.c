/* The parts that all decoders share: life cycle, series cache, rows.
 *
 * Invariants
 *  1. Between calls the batch holds nothing but whole lines, rows and documents of calls with
 * `hold`.
 *  2. Every entry of the cache lives in the arena; hints point to entries or are NULL; emptying the
 *     cache resets arena, slots and all hints together.
 *  3. A field's entry exists only after its point was resolved, so its target is whole.
 *  4. The cache is emptied only before a line, row or element, or between calls: within one the
 *     pointers hold.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

enum {
    MAX_BATCH_BYTES = 4 << 20,
    MAX_KEY = 8192,
    KEY_BYTES = 128,        /* an entry, on average; beyond it the cache is full early */
    SLACK_BYTES = 64 << 20, /* fields of the line that passes the limit */
    FIRST_SLOTS = 256,
    MAX_SCRATCH = 64 << 20
};

const char *sh_ingest_code_name(enum sh_ingest_code c)
{
    static const char *const names[] = {
        [SH_INGEST_OK] = "ok",
        [SH_INGEST_SYNTAX] = "syntax_error",
        [SH_INGEST_UTF8] = "bad_encoding",
        [SH_INGEST_NUMBER] = "bad_number",
        [SH_INGEST_TIME] = "bad_time",
        [SH_INGEST_TIME_FUTURE] = "time_in_future",
        [SH_INGEST_TIME_OLD] = "time_too_old",
        [SH_INGEST_NESTED] = "nested_value",
        [SH_INGEST_NAME] = "bad_name",
        [SH_INGEST_NO_DEVICE] = "device_missing",
        [SH_INGEST_TOO_BIG] = "too_big",
        [SH_INGEST_VERSION] = "unknown_version",
        [SH_INGEST_FIELD_TYPE_CONFLICT] = "field_type_conflict",
        [SH_INGEST_HISTOGRAM] = "native_histogram",
        [SH_INGEST_DEVICE_ID_CONFLICT] = "device_id_conflict",
        [SH_INGEST_UNKNOWN_DEVICE] = "unknown_device",
        [SH_INGEST_UNKNOWN_PROPERTY] = "unknown_property",
        [SH_INGEST_DENIED] = "denied",
        [SH_INGEST_QUOTA] = "quota_reached",
        [SH_INGEST_NOT_NOW] = "not_now",
    };
    return (size_t)c < sizeof names / sizeof names[0] ? names[c] : "unknown";
}

sh_err sh_ingest_precision_parse(struct sh_str s, enum sh_ingest_precision *out)
{
    static const struct {
        const char *word;
        enum sh_ingest_precision p;
    } rows[] = {{"ns", SH_INGEST_NS}, {"n", SH_INGEST_NS},  {"us", SH_INGEST_US},
                {"u", SH_INGEST_US},  {"ms", SH_INGEST_MS}, {"s", SH_INGEST_S}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sh_str_eqc(s, rows[i].word)) {
            *out = rows[i].p;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

sh_err sh_ingest_new(const struct sh_env *env, uint32_t max_rows, uint32_t max_series,
                     struct sh_ingest **out)
{
    if (max_rows == 0 || max_rows > 65536 || max_series == 0 || max_series > 1u << 24) {
        return SH_E_INVAL;
    }
    struct sh_ingest *in = sh_mem_new(env->alloc, sizeof *in);
    if (in == NULL) {
        return SH_E_NOMEM;
    }
    in->env = *env;
    in->max_entries = max_series * 2; /* a field each, and at most a group each */
    sh_batch_builder_init(&in->batch, env->alloc, max_rows, MAX_BATCH_BYTES);
    sh_buf_init(&in->names, env->alloc, 1 << 20);
    sh_buf_init(&in->text, env->alloc, MAX_SCRATCH);
    in->max_key_bytes = (size_t)in->max_entries * KEY_BYTES;
    in->arena = sh_arena_new(env->alloc, in->max_entries * (sizeof(struct ingest_entry) + 16) +
                                             in->max_key_bytes + SLACK_BYTES);
    uint64_t seed = 0;
    if (in->arena == NULL || env->random->fill(env->random->ctx, &seed, sizeof seed) != SH_OK) {
        sh_ingest_free(in);
        return SH_E_NOMEM;
    }
    in->seed = seed;
    *out = in;
    return SH_OK;
}

void sh_ingest_free(struct sh_ingest *in)
{
    if (in != NULL) {
        sh_batch_builder_fini(&in->batch);
        sh_buf_fini(&in->names);
        sh_buf_fini(&in->text);
        sh_arena_free(in->arena);
        sh_mem_free(in->env.alloc, in->slots);
        sh_mem_free(in->env.alloc, in->columns);
        sh_mem_free(in->env.alloc, in);
    }
}

void sh_ingest_stats(const struct sh_ingest *in, struct sh_ingest_stats *out)
{
    *out = (struct sh_ingest_stats){
        .memory_bytes = sizeof *in + sh_arena_used(in->arena) + in->nslots * sizeof(void *) +
                        in->names.cap + in->text.cap + (size_t)in->batch.cap * 22 +
                        in->batch.bytes_cap + in->columns_cap * sizeof *in->columns,
        .series = in->nfields,
        .resolved = in->resolved,
        .emptied = in->emptied,
    };
}

/* ---- cache ---- */

void ingest_empty(struct sh_ingest *in)
{
    sh_arena_reset(in->arena);
    if (in->slots != NULL) {
        memset(in->slots, 0, in->nslots * sizeof(struct ingest_entry *));
    }
    in->nentries = 0;
    in->nfields = 0;
    in->key_bytes = 0;
    in->start = NULL;
}

static uint64_t key_hash(const struct sh_ingest *in, const struct ingest_entry *group,
                         enum ingest_kind kind, uint64_t scope, struct sh_str key)
{
    const uint64_t seed = in->seed ^ (group == NULL ? scope * 31 + kind : group->hash);
    return sh_hash64(key.p, key.n, seed);
}

static bool is_entry(const struct ingest_entry *e, const struct ingest_entry *group,
                     enum ingest_kind kind, uint64_t scope, struct sh_str key)
{
    return e->len == key.n && e->group == group && e->kind == kind && e->scope == scope &&
           memcmp(e->key, key.p, key.n) == 0;
}

struct ingest_entry *ingest_find(struct sh_ingest *in, struct ingest_entry **hint,
                                 const struct ingest_entry *group, enum ingest_kind kind,
                                 uint64_t scope, struct sh_str key)
{
    if (*hint != NULL && is_entry(*hint, group, kind, scope, key)) {
        return *hint;
    }
    if (in->nslots == 0) {
        return NULL;
    }
    const uint64_t h = key_hash(in, group, kind, scope, key);
    for (uint32_t i = (uint32_t)h & (in->nslots - 1);; i = (i + 1) & (in->nslots - 1)) {
        struct ingest_entry *e = in->slots[i];
        if (e == NULL) {
            return NULL;
        }
        if (e->hash == h && is_entry(e, group, kind, scope, key)) {
            *hint = e;
            return e;
        }
    }
}

static void place(struct ingest_entry **slots, uint32_t n, struct ingest_entry *e)
{
    uint32_t i = (uint32_t)e->hash & (n - 1);
    while (slots[i] != NULL) {
        i = (i + 1) & (n - 1);
    }
    slots[i] = e;
}

static bool grow_slots(struct sh_ingest *in)
{
    const uint32_t n = in->nslots == 0 ? FIRST_SLOTS : in->nslots * 2;
    struct ingest_entry **slots = sh_mem_array(in->env.alloc, n, sizeof(struct ingest_entry *));
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < in->nslots; i++) {
        if (in->slots[i] != NULL) {
            place(slots, n, in->slots[i]);
        }
    }
    sh_mem_free(in->env.alloc, in->slots);
    in->slots = slots;
    in->nslots = n;
    return true;
}

struct ingest_entry *ingest_add(struct sh_ingest *in, struct ingest_entry **hint,
                                const struct ingest_entry *group, enum ingest_kind kind,
                                uint64_t scope, struct sh_str key)
{
    if (key.n > MAX_KEY || (in->nentries * 2 >= in->nslots && !grow_slots(in))) {
        return NULL;
    }
    struct ingest_entry *e = sh_arena_get(in->arena, sizeof *e + key.n);
    if (e == NULL) {
        return NULL;
    }
    e->hash = key_hash(in, group, kind, scope, key);
    e->scope = scope;
    e->group = group;
    e->kind = (uint8_t)kind;
    e->len = (uint32_t)key.n;
    if (key.n > 0) {
        memcpy(e->key, key.p, key.n);
    }
    place(in->slots, in->nslots, e);
    in->nentries++;
    in->key_bytes += key.n;
    in->nfields += group != NULL || kind == INGEST_PROM ? 1 : 0;
    *hint = e;
    return e;
}

/* ---- runs ---- */

void ingest_begin(struct ingest_run *r)
{
    *r->result = (struct sh_ingest_result){0};
    if (!r->opts->hold) {
        sh_batch_builder_clear(&r->in->batch);
    }
    r->base = ingest_mark(r);
    r->bounded = r->opts->min_time_us != 0 || r->opts->max_time_us != 0;
    if (r->in->generation != r->opts->generation) {
        ingest_empty(r->in);
        r->in->generation = r->opts->generation;
    }
}

sh_err ingest_flush(struct ingest_run *r)
{
    const uint32_t rows = r->in->batch.view.len;
    SH_TRY(sh_ingest_flush(r->in, r->sink));
    r->result->samples += rows - r->base.rows;
    r->base = (struct ingest_mark){0, 0};
    return SH_OK;
}

sh_err ingest_end(struct ingest_run *r, sh_err e)
{
    if (e == SH_OK && r->opts->hold) {
        r->result->samples += r->in->batch.view.len - r->base.rows;
        return SH_OK;
    }
    if (e == SH_OK) {
        e = ingest_flush(r);
    }
    ingest_rollback(r, r->base);
    return e;
}

sh_err sh_ingest_flush(struct sh_ingest *in, const struct sh_ingest_sink *sink)
{
    if (in->batch.view.len == 0) {
        return SH_OK;
    }
    SH_TRY(sink->submit(sink->ctx, &in->batch.view));
    sh_batch_builder_clear(&in->batch);
    return SH_OK;
}

uint32_t sh_ingest_held(const struct sh_ingest *in)
{
    return in->batch.view.len;
}

void sh_ingest_drop(struct sh_ingest *in)
{
    sh_batch_builder_clear(&in->batch);
}

void ingest_refuse(struct ingest_run *r, uint32_t line, size_t column, enum sh_ingest_code code,
                   const char *detail)
{
    r->result->refused++;
    if (r->sink->refuse != NULL) {
        const struct sh_ingest_refusal f = {
            .line = line,
            .column = column > UINT32_MAX ? UINT32_MAX : (uint32_t)column,
            .code = code,
            .detail = detail,
        };
        r->sink->refuse(r->sink->ctx, &f);
    }
}

const char *ingest_time_detail(enum sh_ingest_code c)
{
    return c == SH_INGEST_TIME_FUTURE ? "the time is too far in the future"
                                      : "the time is older than what is kept";
}

void ingest_set_time(struct ingest_run *r, uint32_t from, int64_t t)
{
    const struct sh_batch *b = &r->in->batch.view;
    /* The builder's columns are our own memory: const is for the readers of the view. */
    int64_t *time = (int64_t *)(uintptr_t)b->time_us;
    for (uint32_t i = from; i < b->len; i++) {
        time[i] = t;
    }
}

/* ---- resolving ---- */

/* Ids are UTF-8 of 1 to 256 bytes without control characters; a property holds no '/'. */
static bool good_name(struct sh_str s, bool property)
{
    if (s.n == 0 || s.n > SH_INGEST_MAX_NAME || !sh_utf8_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f || (property && c == '/')) {
            return false;
        }
    }
    return true;
}

static void say(char detail[160], const char *text)
{
    size_t n = strlen(text);
    n = n > 159 ? 159 : n;
    memcpy(detail, text, n);
    detail[n] = '\0';
}

enum sh_ingest_code ingest_resolve(struct ingest_run *r, const struct sh_ingest_name *name,
                                   struct sh_ingest_target *out, char detail[160])
{
    *out = (struct sh_ingest_target){0};
    detail[0] = '\0';
    if (!good_name(name->device, false)) {
        say(detail, "a device id has 1 to 256 bytes of UTF-8 without control characters");
        return SH_INGEST_NAME;
    }
    if (!good_name(name->property, true)) {
        say(detail, "a property has 1 to 256 bytes of UTF-8 without '/' and control characters");
        return SH_INGEST_NAME;
    }
    r->in->resolved++;
    const enum sh_ingest_code c = r->sink->resolve(r->sink->ctx, name, out, detail);
    if (c != SH_INGEST_OK && detail[0] == '\0') {
        say(detail, sh_ingest_code_name(c));
    }
    return c;
}

enum sh_type ingest_suggest(const struct ingest_value *v)
{
    static const enum sh_type types[] = {
        [INGEST_F64] = SH_T_F64,   [INGEST_I64] = SH_T_I64,   [INGEST_U64] = SH_T_I64,
        [INGEST_BOOL] = SH_T_BOOL, [INGEST_TEXT] = SH_T_TEXT, [INGEST_BLOB] = SH_T_BLOB};
    return types[v->what];
}

/* ---- rows ---- */

static const double two63 = 9223372036854775808.0;

static bool f64_to_i64(double d, int64_t *out)
{
    if (!(d >= -two63 && d < two63)) {
        return false;
    }
    *out = (int64_t)d;
    return (double)*out == d;
}

/* A number as f64, if it is one exactly. */
static bool exact_f64(const struct ingest_value *v, double *out)
{
    int64_t back = 0;
    switch (v->what) {
    case INGEST_F64:
        *out = v->cell.f64;
        return true;
    case INGEST_I64:
        *out = (double)v->cell.i64;
        return f64_to_i64(*out, &back) && back == v->cell.i64;
    case INGEST_U64:
        *out = (double)v->cell.bits;
        return *out < two63 * 2 && (uint64_t)*out == v->cell.bits;
    case INGEST_BOOL:
    case INGEST_TEXT:
    case INGEST_BLOB:
        return false;
    }
    return false;
}

/* A number as i64, if it is one exactly (a float only where the format has no integers). */
static bool exact_i64(const struct ingest_value *v, int64_t *out)
{
    if (v->what == INGEST_I64) {
        *out = v->cell.i64;
        return true;
    }
    if (v->what == INGEST_U64) {
        *out = v->cell.i64;
        return v->cell.bits <= (uint64_t)INT64_MAX;
    }
    return v->what == INGEST_F64 && v->loose && f64_to_i64(v->cell.f64, out);
}

static bool fit(enum sh_type type, const struct ingest_value *v, union sh_cell *out)
{
    int64_t i = 0;
    switch (type) {
    case SH_T_F64:
        return exact_f64(v, &out->f64);
    case SH_T_I64:
        return exact_i64(v, &out->i64);
    case SH_T_BOOL:
        if (v->what == INGEST_BOOL) {
            *out = v->cell;
            return true;
        }
        out->bits = v->loose && exact_i64(v, &i) && i == 1;
        return out->bits == 1 || (v->loose && exact_i64(v, &i) && i == 0);
    case SH_T_TEXT:
        return v->what == INGEST_TEXT;
    case SH_T_BLOB:
        return v->what == INGEST_BLOB;
    }
    return false;
}

static sh_err conflict(enum sh_type type, const struct ingest_value *v, enum sh_ingest_code *code,
                       const char **detail)
{
    *code = SH_INGEST_FIELD_TYPE_CONFLICT;
    static const char *const what[] = {
        [SH_T_BOOL] = "the point is a bool and this value is not",
        [SH_T_I64] = "the point is an i64 and this value is not an integer of that range",
        [SH_T_F64] = "the point is an f64 and this value is not exactly one",
        [SH_T_TEXT] = "the point is text and this value is not",
        [SH_T_BLOB] = "the point is a blob and this value is not",
    };
    *detail = what[type];
    if (v->what >= INGEST_TEXT && v->text.n > SH_INGEST_MAX_TEXT) {
        *code = SH_INGEST_TOO_BIG;
        *detail = "a text or blob has at most 65536 bytes";
    }
    return SH_E_INVAL;
}

static sh_err put_text(struct sh_ingest *in, uint32_t point, int64_t time_us, struct sh_str text,
                       uint8_t quality)
{
    return sh_batch_add_bytes(&in->batch, point, time_us, SH_T_TEXT, sh_str_bytes(text), quality);
}

/* Raw value as text into a scaled point. The scratch must not be where the text lies. */
static sh_err scale_text(struct sh_ingest *in, const struct sh_ingest_target *t, int64_t time_us,
                         const struct ingest_value *v, enum sh_ingest_code *code,
                         const char **detail)
{
    union sh_cell cell;
    uint8_t q = v->q;
    struct sh_buf out;
    sh_buf_init(&out, in->env.alloc, (size_t)SH_INGEST_MAX_TEXT * 2);
    sh_err e = sh_scale_text(t->scale, sh_str_bytes(v->text), &out, &cell, &q);
    if (e == SH_E_PROTO) {
        *code = SH_INGEST_UTF8;
        *detail = "the text is not in the encoding of the point";
        e = SH_E_INVAL;
    } else if (e == SH_OK && t->type == SH_T_TEXT) {
        e = put_text(in, t->point, time_us, sh_buf_str(&out), q);
    } else if (e == SH_OK) {
        e = sh_batch_add(&in->batch, t->point, time_us, t->type, cell, q);
    }
    sh_buf_fini(&out);
    if (e == SH_OK && t->raw_point != 0 && sh_utf8_valid(v->text)) {
        e = put_text(in, t->raw_point, time_us, v->text, v->q);
    }
    return e;
}

static sh_err put_scaled(struct sh_ingest *in, const struct sh_ingest_target *t, int64_t time_us,
                         const struct ingest_value *v, enum sh_ingest_code *code,
                         const char **detail)
{
    const struct sh_scale *s = t->scale;
    struct ingest_value loose = *v;
    union sh_cell raw;
    loose.loose = true; /* a raw integer may come as 3.0 */
    if (s->raw_type == SH_T_TEXT && v->what == INGEST_TEXT && v->text.n <= SH_INGEST_MAX_TEXT) {
        return scale_text(in, t, time_us, v, code, detail);
    }
    if (s->raw == SH_RAW_U64 && v->what == INGEST_U64) {
        raw = v->cell;
    } else if (!fit(s->raw_type, &loose, &raw)) {
        return conflict(s->raw_type, v, code, detail);
    }
    uint8_t q = v->q;
    const union sh_cell cell = sh_scale_one(s, raw, &q);
    if (t->type == SH_T_TEXT) {
        SH_TRY(
            put_text(in, t->point, time_us, sh_str_of(s->text + cell.span.off, cell.span.len), q));
    } else {
        SH_TRY(sh_batch_add(&in->batch, t->point, time_us, t->type, cell, q));
    }
    return t->raw_point == 0
               ? SH_OK
               : sh_batch_add(&in->batch, t->raw_point, time_us, s->raw_type, raw, v->q);
}

sh_err ingest_put(struct sh_ingest *in, const struct sh_ingest_target *t, int64_t time_us,
                  const struct ingest_value *v, enum sh_ingest_code *code, const char **detail)
{
    union sh_cell cell;
    if (t->scale != NULL) {
        const uint32_t rows = in->batch.view.len;
        const uint32_t bytes = in->batch.view.bytes_len;
        const sh_err e = put_scaled(in, t, time_us, v, code, detail);
        if (e != SH_OK) {
            in->batch.view.len = rows; /* the value and its raw value go together */
            in->batch.view.bytes_len = bytes;
        }
        return e;
    }
    if (v->what == INGEST_F64 && t->type == SH_T_F64) {
        return sh_batch_add(&in->batch, t->point, time_us, SH_T_F64, v->cell, v->q);
    }
    if (!fit(t->type, v, &cell) || (v->what >= INGEST_TEXT && v->text.n > SH_INGEST_MAX_TEXT)) {
        return conflict(t->type, v, code, detail);
    }
    if (t->type == SH_T_TEXT || t->type == SH_T_BLOB) {
        return sh_batch_add_bytes(&in->batch, t->point, time_us, t->type, sh_str_bytes(v->text),
                                  v->q);
    }
    return sh_batch_add(&in->batch, t->point, time_us, t->type, cell, v->q);
}
