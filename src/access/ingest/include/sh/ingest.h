/* ingest.h - decoders of what is posted to us: InfluxDB line protocol, JSON telemetry, CSV, the
 * columnar binary format and Prometheus remote write. Pure over bytes: no I/O, no clock; memory is
 * taken when an sh_ingest is made and when a series is seen for the first time, never per sample.
 *
 * An sh_ingest holds a batch under construction and a cache of series, so that names are resolved
 * once and not per sample. It is meant to live as long as a connection (or in a small pool); one
 * thread at a time.
 *
 *   bytes -> decoder -> resolve(device, property, ...)   once per series (cached)
 *                    -> rows into the batch -> submit(batch)   when full and at the end
 *                    -> refuse(line, column, code, detail)     what was not taken; the rest is kept
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_INGEST_H
#define SH_INGEST_H

#include <sh/scale.h>
#include <sh/value.h>

enum {
    SH_INGEST_MAX_NAME = 256,  /* bytes of a device id or property */
    SH_INGEST_MAX_LABELS = 32, /* tags of a line */
    SH_INGEST_MAX_DEPTH = 32,  /* nested JSON */
    SH_INGEST_MAX_COLUMNS = 4096,
    SH_INGEST_MAX_TEXT = 65536, /* bytes of a text value */
    SH_INGEST_BIN_MAX_ROWS = 65536
};

/* Why a line, row or property was not taken. The words (sh_ingest_code_name) go into problems. */
enum sh_ingest_code {
    SH_INGEST_OK = 0,
    SH_INGEST_SYNTAX,              /* syntax_error */
    SH_INGEST_UTF8,                /* bad_encoding */
    SH_INGEST_NUMBER,              /* bad_number: malformed or out of range */
    SH_INGEST_TIME,                /* bad_time: not a time */
    SH_INGEST_TIME_FUTURE,         /* time_in_future: over opts.max_time_us */
    SH_INGEST_TIME_OLD,            /* time_too_old: under opts.min_time_us */
    SH_INGEST_NESTED,              /* nested_value: object or array where a value belongs */
    SH_INGEST_NAME,                /* bad_name: empty, too long, or a '/' in a property */
    SH_INGEST_NO_DEVICE,           /* device_missing: the form needs ?device= */
    SH_INGEST_TOO_BIG,             /* too_big: text, fields or depth over a limit */
    SH_INGEST_VERSION,             /* unknown_version: of the binary format */
    SH_INGEST_FIELD_TYPE_CONFLICT, /* field_type_conflict */
    SH_INGEST_HISTOGRAM,           /* native_histogram: of Prometheus */
    /* Said by resolve: */
    SH_INGEST_DEVICE_ID_CONFLICT, /* device_id_conflict: another tag set makes the same id */
    SH_INGEST_UNKNOWN_DEVICE,     /* unknown_device: and the token may not provision */
    SH_INGEST_UNKNOWN_PROPERTY,   /* unknown_property */
    SH_INGEST_DENIED,             /* denied */
    SH_INGEST_QUOTA,              /* quota_reached */
    SH_INGEST_NOT_NOW             /* not_now: no fault of the sender; he should send again */
};
const char *sh_ingest_code_name(enum sh_ingest_code c);

struct sh_ingest_label {
    struct sh_str key;
    struct sh_str value;
};

/* What a series is called. All borrowed for the call. */
struct sh_ingest_name {
    struct sh_str device;
    struct sh_str property;
    const struct sh_ingest_label *labels; /* tags, by key order; none for JSON, CSV and binary */
    size_t nlabels;
    enum sh_type type; /* of the first value: the type of a point to be made; 0 = do not make one */
    uint64_t scope;    /* opts.scope */
};

/* What resolve answers. `scale` is borrowed and must stay valid while opts.generation is the same;
 * NULL = none. With scale->keep_raw, raw_point (0 = none) gets the raw value of scale->raw_type. */
struct sh_ingest_target {
    uint32_t point; /* point id, not 0 */
    enum sh_type type;
    const struct sh_scale *scale;
    uint32_t raw_point;
};

struct sh_ingest_refusal {
    uint32_t line; /* 1-based line, row (CSV: of the file, header = 1) or array element; 0 = all */
    uint32_t column; /* 1-based byte in that line; JSON and binary: byte in the body */
    enum sh_ingest_code code;
    const char *detail; /* English, one sentence; borrowed for the call */
};

/* Samples of one series as they lie in a columnar frame: columns of 8-byte little-endian words at
 * any address. They need nothing done to them: the point has this type and no scale, the times are
 * strictly ascending and within the limits. */
struct sh_ingest_run {
    uint32_t point;
    enum sh_type type; /* bool, i64 or f64 */
    uint32_t n;
    const uint8_t *time;
    const uint8_t *cell;
    const uint8_t *quality; /* NULL: all good */
};

struct sh_ingest_sink {
    /* Finds or makes the point. Not SH_INGEST_OK: refused for that reason, and asked again the next
     * time the series comes (refusals are not cached). detail: at most 160 bytes of words, may be
     * left empty. */
    enum sh_ingest_code (*resolve)(void *ctx, const struct sh_ingest_name *name,
                                   struct sh_ingest_target *out, char detail[160]);
    /* Takes a batch (borrowed for the call). May block. Not SH_OK ends the decode with that error;
     * what earlier calls took stays taken. */
    sh_err (*submit)(void *ctx, const struct sh_batch *batch);
    /* Told of each refusal; NULL = only counted. */
    void (*refuse)(void *ctx, const struct sh_ingest_refusal *r);
    void *ctx;
    /* May be NULL. Is offered runs of at least run_min samples, in their place between the batches:
     * what came before was submitted. SH_OK: taken; it may be kept back until the next submit() or
     * the end of the call. SH_E_UNSUPPORTED: it comes as rows of a batch. Another error ends the
     * decode. */
    sh_err (*run)(void *ctx, const struct sh_ingest_run *r);
    uint32_t run_min;
};

enum sh_ingest_precision { SH_INGEST_NS, SH_INGEST_US, SH_INGEST_MS, SH_INGEST_S };
/* "ns" "n" "us" "u" "ms" "s"; SH_E_INVAL else. */
SH_MUST_CHECK sh_err sh_ingest_precision_parse(struct sh_str s, enum sh_ingest_precision *out);

/* Local civil time to UTC. `tz` is the zone's name as given. False: no such zone or no such time.
 */
typedef bool sh_ingest_zone(void *ctx, struct sh_str tz, int64_t local_us, int64_t *utc_us);

struct sh_ingest_opts {
    int64_t now_us;       /* time of samples that carry none (receipt time) */
    int64_t min_time_us;  /* older: refused; INT64_MIN = no limit (0, 0 = no limits) */
    int64_t max_time_us;  /* newer: refused */
    uint64_t scope;       /* part of the cache key: tenant and principal; 0 is fine for one */
    uint64_t generation;  /* when it differs from the last call's, the cache is emptied */
    struct sh_str device; /* JSON, CSV: ?device=; p == NULL or n == 0 = not given */
    enum sh_ingest_precision precision; /* line protocol */
    struct sh_str time_column;          /* CSV; empty = "time" */
    struct sh_str tz;                   /* CSV: "UTC", "Z", "+08:00" or a zone name; empty = UTC */
    char delimiter;                     /* CSV; 0 = ',' */
    bool gbk;                           /* CSV in GBK */
    sh_ingest_zone *zone;               /* CSV zone names; NULL = fixed offsets only */
    void *zone_ctx;
    /* Rows stay in the batch after the call, so that many small messages go into one submit: call
     * sh_ingest_flush when a turn ends, and before rows that belong to another submit (tenant). */
    bool hold;
};

struct sh_ingest_result {
    uint64_t samples; /* values taken: handed to submit, or held */
    uint64_t taken;   /* lines, rows or elements of which at least one value was taken */
    uint64_t refused; /* refusals */
};

struct sh_ingest;
/* max_rows: rows of a batch (1..65536, 8192 is good); max_series: series kept in the cache. */
SH_MUST_CHECK sh_err sh_ingest_new(const struct sh_env *env, uint32_t max_rows, uint32_t max_series,
                                   struct sh_ingest **out);
void sh_ingest_free(struct sh_ingest *in); /* NULL is accepted */
/* Memory held, bytes; series in the cache; how often the full cache was emptied. */
struct sh_ingest_stats {
    size_t memory_bytes;
    uint32_t series;
    uint64_t resolved;
    uint64_t emptied;
};
void sh_ingest_stats(const struct sh_ingest *in, struct sh_ingest_stats *out);

/* Submits the rows that are held; SH_OK when there are none. On error they stay. */
SH_MUST_CHECK sh_err sh_ingest_flush(struct sh_ingest *in, const struct sh_ingest_sink *sink);
/* Rows held. */
uint32_t sh_ingest_held(const struct sh_ingest *in);
/* Forgets the rows that are held (their senders were told that they are not taken). */
void sh_ingest_drop(struct sh_ingest *in);

/* Each decodes one whole body and submits what is in it before it returns (or holds it). SH_OK also
 * when lines were refused (look at result->refused); SH_E_NOMEM; or the error of submit: then rows
 * of this call that were not submitted are taken back, and rows held before it are still held.
 * *result is always written. The body is borrowed for the call.
 *
 * Line protocol (InfluxDB v1 and v2): a refused line has no effect, the others are kept. Rules in
 * the module's README. */
SH_MUST_CHECK sh_err sh_ingest_lines(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                                     const struct sh_ingest_opts *opts, struct sh_bytes body,
                                     struct sh_ingest_result *result);
/* JSON: with opts.device {"prop":v}, {"ts":ms,"values":{...}} or an array of these; without it
 * {"device": one of those}. A body that is not JSON (RFC 8259) is refused whole; a property that
 * does not fit is refused alone. */
SH_MUST_CHECK sh_err sh_ingest_json(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                                    const struct sh_ingest_opts *opts, struct sh_bytes body,
                                    struct sh_ingest_result *result);
/* CSV with a header row; needs opts.device. A refused row has no effect, the others are kept. */
SH_MUST_CHECK sh_err sh_ingest_csv(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                                   const struct sh_ingest_opts *opts, struct sh_bytes body,
                                   struct sh_ingest_result *result);
/* Columnar binary frames (content type application/vnd.songhua.columns), layout in the README. A
 * frame that is not whole and well-formed is refused whole, and all behind it. */
SH_MUST_CHECK sh_err sh_ingest_columns(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                                       const struct sh_ingest_opts *opts, struct sh_bytes body,
                                       struct sh_ingest_result *result);
/* Prometheus remote write 1.0: a prometheus.WriteRequest message, already inflated. A body that is
 * no such message is refused whole, else series and samples alone (line: the series, from 1). Needs
 * no opts.device. How a series is named: README. */
SH_MUST_CHECK sh_err sh_ingest_prom(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                                    const struct sh_ingest_opts *opts, struct sh_bytes body,
                                    struct sh_ingest_result *result);
/* Inflates one block of snappy into out, which is emptied before. SH_E_LIMIT over its maximum,
 * SH_E_PROTO bytes that are no such block; what out holds then means nothing. */
SH_MUST_CHECK sh_err sh_snappy_decode(struct sh_bytes in, struct sh_buf *out);
/* A metric's name or a label's name as Prometheus has it. */
bool sh_prom_name_ok(struct sh_str s, bool metric);
/* The device of series without job and instance. */
#define SH_PROM_NO_TARGET "prometheus"
/* Appends the id of the device that stands for a target. */
SH_MUST_CHECK sh_err sh_prom_device_put(struct sh_buf *b, struct sh_str job,
                                        struct sh_str instance);

#endif /* SH_INGEST_H */
