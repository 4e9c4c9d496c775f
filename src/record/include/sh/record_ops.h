/* record_ops.h - the seam below the record store: one implementation keeps records in SQLite,
 * another may keep them in PostgreSQL. Users of records include <sh/record.h> only.
 *
 * The store in front of the seam checks names, documents and schemas, parses filters, queues
 * transactions and forms group commits. An implementation stores rows, and answers reads.
 * Threads: the functions under "writer" are called by one thread; those under "readers" by any
 * number of threads at once, also while the writer works; they see committed changes only, and all
 * of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_OPS_H
#define SH_RECORD_OPS_H

#include <sh/record.h>

enum { SH_RECORD_OPS_ABI = 3, SH_RECORD_MAX_SORT = 4, SH_RECORD_MAX_FILTER_DEPTH = 32 };

enum sh_record_op_kind {
    SH_RECORD_OP_PUT = 1,
    SH_RECORD_OP_DELETE, /* SH_E_NOTFOUND when missing */
    SH_RECORD_OP_EXPECT, /* revision check only */
    SH_RECORD_OP_LINK,
    SH_RECORD_OP_UNLINK,
    SH_RECORD_OP_RELINK,    /* all links of `id`, both ways, become those of to_id, which exists */
    SH_RECORD_OP_BLOB_ADD,  /* id = hash, number = size; known already: made young again */
    SH_RECORD_OP_BLOB_REF,  /* id = hash, number = 1 or -1; SH_E_STATE below 0 */
    SH_RECORD_OP_BLOB_DROP, /* id = hash: only when it has no references and was made before
                               number (us), else SH_E_STATE */
    SH_RECORD_OP_IDEM,      /* id = key, doc = answer, expect = fingerprint */
    SH_RECORD_OP_NONE_OF,   /* SH_E_STATE when a record of `type` exists (tenant 0: in any) */
    SH_RECORD_OP_COUNT_BELOW, /* SH_E_LIMIT when `id` is new and the type has `number` records */
    SH_RECORD_OP_INDEXES, /* doc = paths of the type's indexed fields, by newline; the others go */
    SH_RECORD_OP_TRIM,    /* forget changes and idempotency keys beyond their limits */
    SH_RECORD_OP_IDEM_BEGIN, /* id = owner/key, relation = owner/, to_id = the first key behind the
                                owner's, expect = fingerprint, doc = answer, "" as long as there
                                is none: an IDEM, but SH_E_LIMIT when the owner, SH_E_AGAIN when all
                                have as many as they may */
    SH_RECORD_OP_IDEM_FREE   /* id = key */
};

/* One change. What it points to outlives the commit. */
struct sh_record_op {
    enum sh_record_op_kind kind;
    uint32_t tenant;
    unsigned flags; /* SH_RECORD_F_... that hold for the record */
    uint32_t keep;  /* PUT: old revisions kept; 0 = as the configuration says */
    struct sh_str type;
    struct sh_str id;
    struct sh_str doc;
    struct sh_str text; /* what the full text finds it by */
    struct sh_str relation;
    struct sh_str to_type;
    struct sh_str to_id;
    uint64_t expect;
    int64_t number;
    uint64_t types_version; /* of the type table when doc was checked; the front's */
    uint64_t rev;           /* out */
    bool taken;   /* BLOB_REF: not told to who counts, he has it counted already; the front's */
    int64_t idle; /* out, BLOB_...: bytes by which content without references grew */
};

/* A field: a path into the document ("$.a.b[0]" in SQLite's quoting: $."a"."b"[0]), or one of the
 * record's own. */
enum sh_record_field_kind {
    SH_RECORD_FIELD_PATH,
    SH_RECORD_FIELD_ID,
    SH_RECORD_FIELD_REV,
    SH_RECORD_FIELD_CREATED,
    SH_RECORD_FIELD_UPDATED,
    SH_RECORD_FIELD_AUTHOR
};
struct sh_record_field {
    enum sh_record_field_kind kind;
    struct sh_str path;
};

enum sh_record_value_kind {
    SH_RECORD_V_NULL,
    SH_RECORD_V_BOOL,
    SH_RECORD_V_I64,
    SH_RECORD_V_F64,
    SH_RECORD_V_TEXT
};
struct sh_record_value {
    enum sh_record_value_kind kind;
    int64_t i64; /* also bool */
    double f64;
    struct sh_str text;
};

enum sh_record_cmp {
    SH_RECORD_EQ,
    SH_RECORD_NE,
    SH_RECORD_LT,
    SH_RECORD_LE,
    SH_RECORD_GT,
    SH_RECORD_GE,
    SH_RECORD_IN,
    SH_RECORD_PREFIX,
    SH_RECORD_CONTAINS,
    SH_RECORD_EXISTS
};

/* Filter tree. AND and OR have two children, NOT has `a`, CMP has a field and values. */
enum sh_record_node_kind { SH_RECORD_AND, SH_RECORD_OR, SH_RECORD_NOT, SH_RECORD_CMP };
struct sh_record_node {
    enum sh_record_node_kind kind;
    const struct sh_record_node *a;
    const struct sh_record_node *b;
    enum sh_record_cmp cmp;
    struct sh_record_field field;
    const struct sh_record_value *values;
    size_t n;
};

struct sh_record_sort {
    struct sh_record_field field;
    bool desc;
};

/* A parsed query. The order is that of sort[], then id. With `from`, only rows behind the place
 * (from_key[0..nsort), from_id). */
struct sh_record_plan {
    uint32_t tenant;
    struct sh_str type;
    const struct sh_record_node *filter; /* NULL = all */
    struct sh_str search;
    struct sh_record_sort sort[SH_RECORD_MAX_SORT];
    size_t nsort;
    bool from;
    struct sh_record_value from_key[SH_RECORD_MAX_SORT];
    struct sh_str from_id;
    uint32_t limit;
    bool want_total;
};
/* keys: n * nsort values, the sort keys of each row. */
struct sh_record_found {
    struct sh_record_row *rows;
    struct sh_record_value *keys;
    size_t n;
    bool more;
    int64_t total;
};

struct sh_record_key {
    uint32_t tenant;
    struct sh_str type;
    struct sh_str id;
};
struct sh_record_changes_query {
    uint64_t after;
    uint32_t tenant;
    struct sh_str type;
    uint32_t limit;
};

struct sh_record_ops {
    uint32_t abi;       /* SH_RECORD_OPS_ABI */
    uint32_t inst_size; /* the front allocates and zeroes this much */
    const char *name;
    /* cfg has its defaults filled in and outlives the instance. *salvaged: damaged and rebuilt. */
    sh_err (*open)(void *self, const struct sh_env *env, const struct sh_record_config *cfg,
                   bool *salvaged, struct sh_diag *diag);
    void (*close)(void *self);

    /* writer */
    sh_err (*begin)(void *self);
    sh_err (*mark)(void *self); /* a transaction of the group starts */
    sh_err (*apply)(void *self, struct sh_record_op *op, struct sh_str author, int64_t now_us);
    /* The transaction ends: keep or undo what came since mark. SH_E_IO: the group is lost. */
    sh_err (*settle)(void *self, bool keep);
    sh_err (*commit)(void *self, uint64_t *change_last); /* durable when it returns SH_OK */
    void (*rollback)(void *self);
    /* One portion of work behind the scenes (building an index), in a commit of its own, between
     * groups. *more: there is more of it. */
    sh_err (*tend)(void *self, bool *more);

    /* readers */
    uint64_t (*change_last)(void *self); /* at open */
    sh_err (*get)(void *self, const struct sh_record_key *k, struct sh_arena *ar,
                  struct sh_record_row *out);
    sh_err (*list)(void *self, const struct sh_record_plan *p, struct sh_arena *ar,
                   struct sh_record_found *out);
    sh_err (*scan)(void *self, uint32_t tenant, struct sh_str type, sh_record_visit *fn, void *ctx);
    sh_err (*revisions)(void *self, const struct sh_record_key *k, uint64_t before, uint32_t limit,
                        struct sh_arena *ar, struct sh_record_page *out);
    sh_err (*links)(void *self, const struct sh_record_links_query *q, struct sh_arena *ar,
                    struct sh_record_link **out, size_t *n);
    sh_err (*changes)(void *self, const struct sh_record_changes_query *q, struct sh_arena *ar,
                      struct sh_record_change **out, size_t *n, uint64_t *next);
    sh_err (*idem)(void *self, uint32_t tenant, struct sh_str key, struct sh_arena *ar,
                   uint64_t *fingerprint, struct sh_str *answer, int64_t *time_us);
    /* SH_E_NOTFOUND when the tenant (ALL_TENANTS: no tenant) has it not. */
    sh_err (*blob)(void *self, uint32_t tenant, struct sh_str hash, uint64_t *size);
    sh_err (*blob_total)(void *self, uint64_t *bytes);
    /* What each tenant has of content without references. */
    sh_err (*blob_idle)(void *self, sh_record_idle *fn, void *ctx);
    /* Up to limit blobs without references made before that time. */
    sh_err (*blob_orphans)(void *self, int64_t before_us, uint32_t limit, struct sh_arena *ar,
                           struct sh_record_key **out, size_t *n);
    sh_err (*backup)(void *self, const char *to_path,
                     bool (*keep_going)(void *ctx, uint32_t left, uint32_t total), void *ctx,
                     struct sh_diag *diag);
};

extern const struct sh_record_ops sh_record_sqlite;

#endif /* SH_RECORD_OPS_H */
