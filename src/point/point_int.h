/* point_int.h - shared inside point: names, entries, change records.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_POINT_INT_H
#define SH_POINT_INT_H

#include <stdatomic.h>

#include <sh/point.h>

enum point_change_kind {
    POINT_DEFINE = 1,
    POINT_RENAME = 2,
    POINT_REMOVE = 3,
    POINT_TAG = 4,
    POINT_UNIT = 5
};

/* One change of the catalogue, as it stands in the journal and in points.log:
 * u8 kind, varint n (counts up over all changes), then per kind varints and texts (varint length,
 * bytes): DEFINE id tenant type previous device property unit; RENAME tenant from to; REMOVE tenant
 * device; TAG id tag; UNIT id unit. */
struct point_change {
    enum point_change_kind kind;
    uint64_t n;
    uint32_t id;
    uint32_t tenant;
    uint32_t previous;
    enum sh_type type;
    struct sh_str a; /* device, from, tag or unit */
    struct sh_str b; /* property, to */
    struct sh_str c; /* unit of DEFINE */
};
SH_MUST_CHECK sh_err point_change_write(const struct point_change *c, struct sh_buf *out);
/* SH_E_CORRUPT when the bytes are not one whole change. Views into in. */
SH_MUST_CHECK sh_err point_change_read(struct sh_bytes in, struct point_change *out);

/* ---- the catalogue in memory (invariants: catalogue.c) ---- */

enum {
    POINT_CHUNK = 4096,
    POINT_NODE_CHUNK = 1024,
    POINT_NODE_CHUNKS = 32768, /* 32 Mi names */
    POINT_WORDS = 256, /* texts of properties and units that are kept once: those used last */
    POINT_DEFAULT_MAX = 4 << 20,
    POINT_FIRST_SLOTS = 1024,
    POINT_FRAME_HEAD = 8, /* u32 length, u32 crc32c */
    POINT_PENDING_MAX = 256 << 20
};
#define POINT_ARENA_MAX (UINT64_C(8) << 30)
#define POINT_LOG_MAX (UINT64_C(4) << 30)

enum point_node_kind { POINT_NODE_NAME = 1, POINT_NODE_TAG = 2, POINT_NODE_DEVICE = 3 };

/* Ids of a device's points from the second one on; a longer list replaces it. */
struct point_id_list {
    uint32_t cap;
    atomic_uint n;
    uint32_t ids[];
};

/* There are as many as points and devices: it is kept small. */
struct point_node {
    const char *device; /* empty for a tag */
    const char *name;   /* property or tag; empty for a device */
    uint32_t hash;
    uint32_t tenant;
    atomic_uint id; /* of a device: its only point, while it has no list */
    unsigned device_n : 12;
    unsigned name_n : 12;
    unsigned kind : 8;
    union {
        _Atomic(struct point_id_list *) list; /* POINT_NODE_DEVICE */
        struct point_node *next_alias;        /* in its point's list: POINT_NODE_NAME */
    } of;
};

/* A slot: the node's hash above, its number plus 1 below; 0: free. The hash saves the look at a
 * node that is another one, which would be a miss in the processor's cache. */
struct point_table {
    size_t cap;
    atomic_ullong slots[];
};

struct point_entry {
    struct sh_point point;
    struct point_node *aliases; /* newest first */
    _Atomic(const struct sh_scale *) scale;
    atomic_uint raw_point;
    atomic_ushort data_class; /* class << 8 | level; 0 = the default */
};

/* Points of one tenant by pair; general at level 1 are not counted. */
struct point_classes {
    uint32_t tenant;
    uint32_t n[SH_DATA_PAIRS];
    struct point_classes *next;
};

struct point_owned_scale {
    struct point_owned_scale *next;
    struct sh_scale *scale;
};

typedef _Atomic(struct point_entry *) point_entry_slot;
typedef _Atomic(struct point_node *) point_node_chunk;

struct sh_points {
    const struct sh_env *env;
    struct sh_arena *arena;
    struct sh_journal *journal;
    char path[512];
    char dir[480];
    uint32_t max_points;
    struct sh_mutex lock;
    _Atomic(struct point_table *) table;
    point_node_chunk *nodes; /* POINT_NODE_CHUNKS of them */
    uint32_t names;
    struct sh_str words[POINT_WORDS];
    _Atomic(point_entry_slot *) *chunks;
    atomic_uint last_id;
    atomic_ullong generation;
    atomic_ullong class_turn;
    struct point_classes *classes; /* of tenants that have some */
    sh_points_classify *classify;  /* NULL: the default */
    void *classify_ctx;
    uint64_t n; /* newest change in memory */
    struct point_owned_scale *scales;
    struct sh_buf pending;
    uint64_t pending_seq;
    uint64_t log_size;
    struct sh_mutex file_lock; /* one checkpoint at a time */
};

/* Under the lock. New empty table of cap slots (a power of two), or NULL. */
struct point_table *point_table_new(struct sh_points *p, size_t cap);
/* NULL: there is none. No lock. */
struct point_entry *point_entry_of(const struct sh_points *p, uint32_t id);
/* classes.c. Under the lock, before the entry is published: its class. SH_E_NOMEM. */
SH_MUST_CHECK sh_err point_class_first(struct sh_points *p, struct point_entry *e);
/* Under the lock: makes a change in memory; an old one (n not above p->n) is passed over. */
SH_MUST_CHECK sh_err point_mem_apply(struct sh_points *p, const struct point_change *c);

#endif /* SH_POINT_INT_H */
