/* value.h - value types, quality, and the batch: what flows on the road of a sample.
 * A batch is columns, borrowed for the call it is passed to. A slab is a sealed, immutable,
 * reference-counted batch; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_VALUE_H
#define SH_VALUE_H

#include <sh/base.h>

enum sh_type {
    SH_T_BOOL = 1,
    SH_T_I64 = 2,
    SH_T_F64 = 3,
    SH_T_TEXT = 4, /* UTF-8 */
    SH_T_BLOB = 5
};
/* "bool" "i64" "f64" "text" "blob"; NULL when not a type. */
const char *sh_type_name(enum sh_type t);
SH_MUST_CHECK sh_err sh_type_parse(struct sh_str s, enum sh_type *out);

/* One value of 8 bytes. Which member holds is known from the point's type. */
union sh_cell {
    double f64;
    int64_t i64;
    uint64_t bits; /* bool: 0 or 1 */
    struct {
        uint32_t off;
        uint32_t len;
    } span; /* text, blob: place in the batch's `bytes` */
};

/* OPC quality byte QQSSSSLL (OPC DA 2.05, 6.8): major in the two high bits, sub-status below. */
enum {
    SH_Q_BAD = 0,
    SH_Q_BAD_CONFIG = 4,
    SH_Q_BAD_NOT_CONNECTED = 8,
    SH_Q_BAD_DEVICE = 12,
    SH_Q_BAD_SENSOR = 16,
    SH_Q_BAD_LAST_KNOWN = 20,
    SH_Q_BAD_COMM = 24,
    SH_Q_BAD_OUT_OF_SERVICE = 28,
    SH_Q_UNCERTAIN = 64,
    SH_Q_UNCERTAIN_LAST_USABLE = 68,
    SH_Q_UNCERTAIN_SENSOR = 80,
    SH_Q_UNCERTAIN_RANGE = 84, /* engineering range passed */
    SH_Q_UNCERTAIN_TIME = 88,  /* sub-normal: the device's clock is off */
    SH_Q_GOOD = 192,
    SH_Q_GOOD_OVERRIDE = 216 /* local override: a human's correction */
};
enum sh_q_class { SH_QC_BAD = 0, SH_QC_UNCERTAIN = 1, SH_QC_GOOD = 2 };
static inline enum sh_q_class sh_q_class(uint8_t q)
{
    return q >= 192 ? SH_QC_GOOD : (q >= 64 && q < 128 ? SH_QC_UNCERTAIN : SH_QC_BAD);
}
/* Words for a quality byte, in English ("good", "uncertain: range passed"). */
const char *sh_q_words(uint8_t q);

struct sh_point_id {
    uint32_t v; /* 0 = none */
};

/* Columns of equal length. Rows are in no order; a point may occur many times. */
struct sh_batch {
    uint32_t len;
    const uint32_t *point;  /* point ids of this node's catalogue */
    const int64_t *time_us; /* UTC microseconds since 1970 */
    const union sh_cell *value;
    const uint8_t *quality;
    const uint8_t *type;  /* enum sh_type of each row's point */
    const uint8_t *bytes; /* text and blob cells */
    uint32_t bytes_len;
};

/* Batch under construction: owner's memory, one thread. */
struct sh_batch_builder {
    struct sh_batch view; /* valid between calls; its columns move when rows are added */
    uint32_t cap;
    uint32_t bytes_cap;
    uint32_t max_rows;
    uint32_t max_bytes;
    const struct sh_alloc *alloc;
    void *block;
    uint8_t *text;
};
void sh_batch_builder_init(struct sh_batch_builder *b, const struct sh_alloc *a, uint32_t max_rows,
                           uint32_t max_bytes);
void sh_batch_builder_fini(struct sh_batch_builder *b);
void sh_batch_builder_clear(struct sh_batch_builder *b);
/* SH_E_LIMIT at max_rows or max_bytes (then submit, clear and go on). */
SH_MUST_CHECK sh_err sh_batch_add(struct sh_batch_builder *b, uint32_t point, int64_t time_us,
                                  enum sh_type type, union sh_cell value, uint8_t quality);
/* Adds a text or blob row; copies the bytes. */
SH_MUST_CHECK sh_err sh_batch_add_bytes(struct sh_batch_builder *b, uint32_t point, int64_t time_us,
                                        enum sh_type type, struct sh_bytes value, uint8_t quality);
static inline struct sh_bytes sh_batch_bytes(const struct sh_batch *b, uint32_t row)
{
    if (b->value[row].span.len == 0) {
        return (struct sh_bytes){NULL, 0}; /* a batch of empty texts has no bytes at all */
    }
    return (struct sh_bytes){b->bytes + b->value[row].span.off, b->value[row].span.len};
}

/* Slab: immutable copy of a batch with a reference count. */
struct sh_slab {
    struct sh_batch batch;
    uint32_t tenant;   /* tenant id, 0 = not set */
    uint64_t seq;      /* journal sequence once known, else 0 */
    size_t size_bytes; /* memory it holds */
};
SH_MUST_CHECK sh_err sh_slab_new(const struct sh_alloc *a, const struct sh_batch *b,
                                 struct sh_slab **out);
struct sh_slab *sh_slab_ref(struct sh_slab *s);
void sh_slab_unref(struct sh_slab *s); /* NULL is accepted; any thread */

/* Wire form of a batch (journal, files, edge links; little-endian, versioned):
 * u32 version=1, u32 len, u32 bytes_len, u32 point[len], i64 time[len], u64 cell[len],
 * u8 quality[len], u8 type[len], bytes. */
size_t sh_batch_wire_size(const struct sh_batch *b);
void sh_batch_wire_write(const struct sh_batch *b, uint8_t *out); /* wire_size bytes */
/* The same as parts that lie in the batch itself, for a writer that gathers; head is memory of the
 * caller's for the first part. */
enum { SH_BATCH_PARTS = 7, SH_BATCH_HEAD = 12 };
void sh_batch_wire_parts(const struct sh_batch *b, uint8_t head[SH_BATCH_HEAD],
                         struct sh_bytes parts[SH_BATCH_PARTS]);
/* Makes a new slab from the wire form; SH_E_CORRUPT when it is not one. */
SH_MUST_CHECK sh_err sh_batch_wire_read(const struct sh_alloc *a, struct sh_bytes in,
                                        struct sh_slab **out);

#endif /* SH_VALUE_H */
