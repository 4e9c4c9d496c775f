/* ingest_int.h - what the decoders share: the series cache, rows, refusals, numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ACCESS_INGEST_INT_H
#define SH_ACCESS_INGEST_INT_H

#include <sh/ingest.h>

/* An entry of the cache: a group (a device as it is written on the wire) or one of its fields.
 * `key` is the raw bytes of the wire, escapes and all, so that a hit costs one comparison. */
struct ingest_entry {
    uint64_t hash;
    uint64_t scope;
    const struct ingest_entry *group; /* of a field; NULL for a group */
    struct ingest_entry *first;       /* group: the field that came first last time */
    struct ingest_entry *guess;       /* the entry that came next last time */
    struct sh_ingest_target target;   /* of a field */
    uint32_t len;
    uint8_t kind; /* enum ingest_kind */
    char key[];
};

/* Formats write their keys differently, so they do not share entries. */
enum ingest_kind { INGEST_LINES = 1, INGEST_JSON, INGEST_PLAIN, INGEST_PROM };

/* A CSV column. */
struct ingest_column {
    uint32_t name_off; /* in in->names */
    uint32_t name_len;
    struct ingest_entry *entry; /* NULL until the first value */
};

struct sh_ingest {
    struct sh_env env;
    struct sh_batch_builder batch;
    uint32_t max_entries;
    uint64_t seed;
    uint64_t generation;
    /* cache: open addressing over entries that live in the arena; emptied as a whole */
    struct sh_arena *arena;
    struct ingest_entry **slots;
    uint32_t nslots; /* power of two, or 0 */
    uint32_t nentries;
    uint32_t nfields;
    size_t key_bytes;
    size_t max_key_bytes;
    struct ingest_entry *start; /* the group that came first last time */
    uint64_t resolved;
    uint64_t emptied;
    /* scratch that grows to its stated maximum and stays */
    struct sh_buf names; /* unescaped device, labels, property; CSV header */
    struct sh_buf text;  /* unescaped text value, GBK body */
    struct ingest_column *columns;
    uint32_t ncolumns;
    uint32_t columns_cap;
};

/* Place in the batch to go back to when a line or row is refused. */
struct ingest_mark {
    uint32_t rows;
    uint32_t bytes;
};

/* One decode. */
struct ingest_run {
    struct sh_ingest *in;
    const struct sh_ingest_sink *sink;
    const struct sh_ingest_opts *opts;
    struct sh_ingest_result *result;
    bool bounded;            /* opts has time limits */
    struct ingest_mark base; /* where the rows of this call start: 0, or behind those held */
};

/* A value as read, before it is fitted to its point. */
enum ingest_what { INGEST_F64, INGEST_I64, INGEST_U64, INGEST_BOOL, INGEST_TEXT, INGEST_BLOB };
struct ingest_value {
    enum ingest_what what;
    bool loose; /* JSON, CSV: 3.0 fits an i64 point, 0 and 1 fit a bool point */
    uint8_t q;  /* quality */
    union sh_cell cell;
    struct sh_str text; /* text and blob; text is valid UTF-8 unless the scale says otherwise */
};

void ingest_begin(struct ingest_run *r);
/* Ends a decode: submits or holds; with an error takes the rows of this call back. Returns e or the
 * error of submit. */
SH_MUST_CHECK sh_err ingest_end(struct ingest_run *r, sh_err e);
/* Hands the batch over and empties it. On error it stays as it is. */
SH_MUST_CHECK sh_err ingest_flush(struct ingest_run *r);
void ingest_refuse(struct ingest_run *r, uint32_t line, size_t column, enum sh_ingest_code code,
                   const char *detail);
static inline struct ingest_mark ingest_mark(const struct ingest_run *r)
{
    return (struct ingest_mark){r->in->batch.view.len, r->in->batch.view.bytes_len};
}
static inline void ingest_rollback(struct ingest_run *r, struct ingest_mark m)
{
    r->in->batch.view.len = m.rows;
    r->in->batch.view.bytes_len = m.bytes;
}

/* Gives the rows from `from` on their time (formats that say it last). */
void ingest_set_time(struct ingest_run *r, uint32_t from, int64_t t);

/* Cache. `hint` (the place that remembered what came next last time) is tried first and updated.
 * NULL when it is not there. */
struct ingest_entry *ingest_find(struct sh_ingest *in, struct ingest_entry **hint,
                                 const struct ingest_entry *group, enum ingest_kind kind,
                                 uint64_t scope, struct sh_str key);
/* Adds; NULL without memory. Never empties the cache. */
struct ingest_entry *ingest_add(struct sh_ingest *in, struct ingest_entry **hint,
                                const struct ingest_entry *group, enum ingest_kind kind,
                                uint64_t scope, struct sh_str key);
void ingest_empty(struct sh_ingest *in);
/* Called before each line, row or element, while no entry is held: at its limit the cache is
 * emptied and all entry pointers are dead (true). One line may go over the limit by its own fields.
 */
static inline bool ingest_make_room(struct sh_ingest *in)
{
    if (in->nentries < in->max_entries && in->key_bytes <= in->max_key_bytes) {
        return false;
    }
    ingest_empty(in);
    in->emptied++;
    return true;
}

/* Checks names and asks resolve. On success *out is whole. detail: 160 bytes. */
enum sh_ingest_code ingest_resolve(struct ingest_run *r, const struct sh_ingest_name *name,
                                   struct sh_ingest_target *out, char detail[160]);
/* The type that a first value of this kind asks for. */
enum sh_type ingest_suggest(const struct ingest_value *v);

/* Fits the value to the point, scales it and adds the row (and the raw one). SH_E_LIMIT: the batch
 * is full, nothing was added. SH_E_INVAL: *code and *detail say why the value does not fit. */
SH_MUST_CHECK sh_err ingest_put(struct sh_ingest *in, const struct sh_ingest_target *t,
                                int64_t time_us, const struct ingest_value *v,
                                enum sh_ingest_code *code, const char **detail);
/* SH_INGEST_OK, or why this time is refused. */
static inline enum sh_ingest_code ingest_time_check(const struct ingest_run *r, int64_t t)
{
    if (r->bounded && t > r->opts->max_time_us) {
        return SH_INGEST_TIME_FUTURE;
    }
    return r->bounded && t < r->opts->min_time_us ? SH_INGEST_TIME_OLD : SH_INGEST_OK;
}
const char *ingest_time_detail(enum sh_ingest_code c);

/* ---- numbers ---- */

struct ingest_number {
    const char *from;
    const char *to;
    uint64_t w; /* the first 19 digits */
    int exp10;  /* value = w * 10^exp10 when digits <= 19 */
    int digits; /* significant digits seen */
    bool negative;
    bool whole; /* neither point nor exponent */
};

/* Reads -?digits[.digits][e[+-]digits]. strict: no leading zeros (RFC 8259). False: malformed, and
 * to = where. */
bool ingest_number_scan(const char *p, const char *end, bool strict, struct ingest_number *out);
/* Correctly rounded; false when it is not finite. */
bool ingest_number_f64(const struct ingest_number *n, double *out);
/* Exact; false when the value is not an integer of int64_t. */
bool ingest_number_i64(const struct ingest_number *n, int64_t *out);

static inline bool ingest_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}
/* -?digits as int64; the number of bytes read, 0 when there is no digit or it does not fit. */
size_t ingest_i64_scan(const char *p, const char *end, int64_t *out);

/* CSV times (csv_time.c): RFC 3339, epoch ms, or YYYY-MM-DD hh:mm:ss[.f] in opts.tz. */
bool ingest_csv_time(const struct sh_ingest_opts *o, struct sh_str s, int64_t *out);

#endif /* SH_ACCESS_INGEST_INT_H */
