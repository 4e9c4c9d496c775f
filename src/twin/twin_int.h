/* twin_int.h - shared by the files of twin. See twin.c for the invariants.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_INT_H
#define SH_TWIN_INT_H

#include <stdatomic.h>

#include <sh/dataclass.h>
#include <sh/scale.h>
#include <sh/schema.h>
#include <sh/twin.h>

enum {
    TWIN_MAX_TENANTS = 100000,
    TWIN_MAX_THINGS = 10000,  /* of a tenant */
    TWIN_MAX_ASSETS = 100000, /* of a tenant */
    TWIN_MAX_UNITS = 100000,  /* different unit texts */
    TWIN_MEMBER_LISTS = 3,    /* of a model: properties, events, services */
    TWIN_MAX_ALIASES = 16,    /* of a device */
    TWIN_MAX_REPLACED = 32,
    TWIN_TX_ROWS = 500,
    TWIN_CHUNK = 4096, /* devices looked at under one hold of the lock */
    TWIN_DOC_BYTES = 1 << 20,
    TWIN_ARENA_BYTES = 16 << 20
};

#define KIND_STATE SH_STR("_device_state")
#define KIND_GRANT SH_STR("_device_write")
#define KIND_ATTR SH_STR("_device_attr")
#define KIND_COMMAND SH_STR("_command")
#define KIND_OPEN SH_STR("_command_open")

struct twin_slot;

enum twin_text {
    TWIN_NAME,
    TWIN_THING,
    TWIN_ASSET,
    TWIN_LABELS,  /* JSON object */
    TWIN_PAIRS,   /* \x1fkey:value\x1f... for the label filter */
    TWIN_SEARCH,  /* id, name and labels in ASCII lower case */
    TWIN_CLASSES, /* of single points: \x1f property \x1f class level, two digits (classes.c) */
    TWIN_DEV_TEXTS
};

/* What the index knows of a device: immutable; counted references under the lock. There may be a
 * million: it is kept small. */
struct twin_dev {
    unsigned refs;
    uint32_t tenant;
    struct sh_str id;
    uint64_t tagset;   /* hash of the labels its id was made from; 0 = none */
    int64_t period_us; /* 0 = not told */
    struct twin_slot *slot;
    uint32_t ends[TWIN_DEV_TEXTS]; /* in text, behind the id */
    int32_t lat_e7;                /* degrees; with `placed` */
    int32_t lon_e7;
    bool demo;
    bool archived;
    bool placed;
    struct sh_data_class floor; /* its points are at least that; may not be said */
    char text[];
};

static inline struct sh_str twin_dev_text(const struct twin_dev *d, enum twin_text which)
{
    const size_t from = which == 0 ? d->id.n : d->ends[which - 1];
    return (struct sh_str){d->text + from, d->ends[which] - from};
}

/* The living half of a device: never moves; reused after the device was removed. */
struct twin_slot {
    struct twin_dev *dev;           /* NULL: free */
    struct twin_slot *next_unsaved; /* or the next free one */
    struct twin_slot *next_dirty;
    struct twin_slot *next_untold;
    int64_t since_us;
    int64_t write_until_us;
    /* what the apply thread looks at */
    _Atomic int64_t last_us;   /* wall */
    _Atomic int64_t last_mono; /* 0 = not since the start */
    _Atomic int64_t gap_us;    /* smoothed time between arrivals */
    uint64_t touch;            /* apply thread: last batch that had it */
    atomic_bool online;        /* state == ONLINE, for the apply thread */
    bool unsaved;              /* made by ensure, has no record yet */
    bool dirty;                /* its state must be stored */
    bool untold;               /* its state must be told on the bus */
    uint16_t links[2];
    enum sh_twin_state state;
    uint32_t number; /* twin_slot_at */
};

/* Devices of a tenant by id: open addressing, hash above, the slot's number plus 1 below; 0: free.
 */
struct twin_ids {
    uint64_t *v;
    size_t cap;
    size_t n;
};

struct twin_property {
    struct sh_str id;
    enum sh_type type;
    struct sh_str unit; /* interned */
    const json_t *scale;
    double low; /* NaN: none */
    double high;
    bool writable;
    struct sh_data_class data_class; /* as said; else as the model */
};
/* Immutable; counted references under the lock. */
struct twin_thing {
    unsigned refs;
    struct sh_arena *ar;
    json_t *own;           /* as it is stored */
    json_t *json;          /* the whole of it, with what it inherits (inherit.c) */
    struct sh_str extends; /* in own; empty = nothing */
    uint64_t rev;
    struct twin_property *props; /* sorted by id */
    size_t nprops;
    struct sh_data_class data_class; /* of what says nothing itself; may not be said */
    struct sh_data_class top;        /* the highest of it and its properties */
};
struct twin_asset {
    struct sh_str id;
    struct sh_str parent; /* may be empty */
    int rank;
};

struct twin_tenant {
    uint32_t id;
    struct twin_ids by_id;
    struct sh_map alias;             /* old id -> slot */
    struct sh_map things;            /* id -> twin_thing */
    struct sh_map assets;            /* id -> twin_asset */
    struct sh_data_class data_class; /* where nobody else says anything; may not be said */
    struct twin_slot **sorted; /* the first `ordered` by id, the rest as they came: twin_order */
    size_t ordered;
    size_t n;
    size_t cap;
    struct sh_twin_counts counts;
    uint64_t files; /* and the sum of their sizes */
    uint64_t file_bytes;
};

struct twin_open_command;

struct twin_point_cache {
    uint64_t generation;
    struct twin_slot *slot;
};

/* Texts of one device while it is made; kept from one to the next when many are loaded. */
struct twin_texts {
    struct sh_buf pairs;
    struct sh_buf search;
    struct sh_buf labels;
};

struct sh_twin {
    const struct sh_env *env;
    struct sh_twin_options o;
    struct twin_texts loading; /* sh_twin_open only */
    struct sh_bus_sub *sub;
    struct sh_schema *device_schema, *thing_schema, *asset_schema, *command_schema;

    atomic_bool classed; /* somebody said a class somewhere: points are to be asked about */

    struct sh_mutex saving;   /* one stores ended commands at a time; taken before lock */
    struct sh_mutex write;    /* one change of records at a time; taken before lock */
    struct sh_mutex lock;     /* everything below */
    struct sh_map tenants;    /* 4 bytes -> twin_tenant */
    struct sh_map units;      /* text -> its own copy */
    struct twin_slot **slots; /* chunks of TWIN_CHUNK */
    size_t nslots;
    size_t nchunks;
    size_t cap_chunks;
    size_t live;
    struct twin_slot *free_slots;
    struct twin_slot *unsaved;
    struct twin_slot *dirty;
    struct twin_slot *untold;
    struct sh_map files;                /* owner -> its files (files.c) */
    struct sh_map commands;             /* tenant/id -> twin_open_command */
    struct twin_open_command *finished; /* to be stored */

    /* apply thread only */
    struct twin_point_cache **cache; /* chunks of TWIN_CHUNK points */
    size_t ncache;
    uint64_t batches;
};

/* shapes.c */
sh_err twin_shapes_new(struct sh_twin *t);

static inline struct twin_slot *twin_slot_at(const struct sh_twin *t, size_t number)
{
    return &t->slots[number / TWIN_CHUNK][number % TWIN_CHUNK];
}

/* index.c: all under the lock. */
struct twin_tenant *twin_tenant(struct sh_twin *t, uint32_t tenant, bool make);
struct twin_slot *twin_find(struct sh_twin *t, uint32_t tenant, struct sh_str id);
/* Brings tt->sorted in order. */
void twin_order(struct sh_twin *t, struct twin_tenant *tt);
/* Position of id, or where it would stand; all is in order then. */
size_t twin_position(struct sh_twin *t, struct twin_tenant *tt, struct sh_str id);
struct twin_dev *twin_dev_new(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                              const json_t *doc);
void twin_texts_init(struct twin_texts *x, const struct sh_alloc *a);
void twin_texts_fini(struct twin_texts *x);
struct twin_dev *twin_dev_make(struct sh_twin *t, struct twin_texts *x, uint32_t tenant,
                               struct sh_str id, const json_t *doc);
/* One that a sample made: it has an id and labels only, whose texts are in x. */
struct twin_dev *twin_dev_sampled(struct sh_twin *t, struct twin_texts *x, uint32_t tenant,
                                  struct sh_str id, uint64_t tagset);
/* Texts of labels, one after the other. */
SH_MUST_CHECK sh_err twin_texts_begin(struct twin_texts *x, struct sh_str id, struct sh_str name);
SH_MUST_CHECK sh_err twin_texts_label(struct twin_texts *x, struct sh_str key, struct sh_str value);
void twin_dev_unref(struct sh_twin *t, struct twin_dev *d); /* NULL is accepted */
/* Puts a new device in, or the new form of one in its slot. Takes d over also on failure. */
sh_err twin_index_put(struct sh_twin *t, struct twin_dev *d, struct twin_slot **out);
void twin_index_remove(struct sh_twin *t, struct twin_slot *s);
sh_err twin_index_alias(struct sh_twin *t, struct twin_slot *s, struct sh_str old);
void twin_index_fini(struct sh_twin *t);
void twin_count(struct sh_twin *t, const struct twin_slot *s, int by);
const char *twin_intern(struct sh_twin *t, struct sh_str unit);

/* device.c */
sh_err twin_device_load(void *ctx, const struct sh_record_row *row);
sh_err twin_save_new(struct sh_twin *t); /* under `write` */
/* Devices that only the catalogue knows: made again, stored by the next tick. */
void twin_devices_adopt(struct sh_twin *t);
/* Merges and checks; *doc is a new reference: what is stored. Under `write`. */
sh_err twin_device_doc(struct sh_twin *t, uint32_t tenant, struct sh_str id, enum sh_twin_put how,
                       const json_t *body, json_t **doc, uint64_t *rev, struct sh_diag *diag);
/* Thing and asset of a document exist; SH_E_INVAL. */
sh_err twin_device_refs(struct sh_twin *t, uint32_t tenant, const json_t *doc,
                        struct sh_diag *diag);
/* The kinds of records that stand beside a device's. */
enum { TWIN_BESIDE = 3 };
extern const struct sh_str twin_beside[TWIN_BESIDE];
/* After the records are deleted: points, memory, event. Under `write`. */
sh_err twin_device_gone(struct sh_twin *t, uint32_t tenant, struct sh_str id);
/* After the commit: memory, points, event. */
void twin_device_stored(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc);
bool twin_id_ok(struct sh_str id);

/* quick.c: documents as we write them; false: read it by the parser. */
bool twin_quick_device(struct sh_str doc, struct sh_str id, struct twin_texts *x, uint64_t *tagset);
bool twin_quick_state(struct sh_str doc, enum sh_twin_state *state, int64_t *since, int64_t *last);

/* thing.c */
sh_err twin_thing_load(void *ctx, const struct sh_record_row *row);
struct twin_thing *twin_thing_find(struct sh_twin *t, uint32_t tenant, struct sh_str id);
void twin_thing_unref(struct sh_twin *t, struct twin_thing *m); /* under the lock */
/* Puts the model's new form in, with what it inherits now. Takes the lock. Under `write`. */
sh_err twin_thing_remember(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t *own,
                           uint64_t rev);
/* After all are loaded: each gets what it inherits. */
sh_err twin_things_link(struct sh_twin *t);
/* Tenant whose model this is: its own, or SH_RECORD_PLATFORM. Under the lock. */
uint32_t twin_thing_owner(struct sh_twin *t, uint32_t tenant, struct sh_str id);
const struct twin_property *twin_thing_property(const struct twin_thing *m, struct sh_str id);
/* Makes the device's points; at the start only what is not stored (scales). Not under the lock. */
void twin_apply_model(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                      struct twin_thing *m, bool at_start);
void twin_apply_all(struct sh_twin *t);
/* Makes the points of all devices of these models (a map by id) in the tenant; of all tenants for
 * the platform. Under `write`. */
void twin_apply_models(struct sh_twin *t, uint32_t tenant, const struct sh_map *ids);

/* inherit.c: forms of a model; pure. Lists are counted as in twin_member_lists. */
extern const char *const twin_member_lists[TWIN_MEMBER_LISTS];
/* Borrowed; NULL: there is none. */
json_t *twin_member(const json_t *doc, size_t list, struct sh_str id);
/* Members as an object by their id. */
sh_err twin_members_by_id(const json_t *doc, size_t list, json_t **out);
/* Are the values of an attribute the same, a missing one (NULL) being its default? */
bool twin_attr_same(const char *attr, const json_t *a, const json_t *b);
/* What is stored of a body; parent: the whole form of the model that it extends, or NULL.
 * SH_E_INVAL: it changes what is inherited. */
sh_err twin_model_own(const json_t *parent, const json_t *body, json_t **out, struct sh_diag *diag);
/* What holds. SH_E_INVAL: its own half does not fit the parent's (with diag NULL the parent's
 * wins).
 */
sh_err twin_model_whole(const json_t *parent, struct sh_str parent_id, const json_t *own,
                        json_t **out, struct sh_diag *diag);
/* The whole form without what is inherited as it is: what an export holds. */
sh_err twin_model_portable(const json_t *whole, json_t **out);

/* versions.c: own form of a version, and who made it when (may be NULL; text in ar). SH_E_NOTFOUND.
 */
sh_err twin_version_doc(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t rev,
                        json_t **doc, int64_t *time_us);
/* A new reference to what it is with what it inherits now; the parent wins where they do not fit.
 */
sh_err twin_version_whole(struct sh_twin *t, uint32_t tenant, json_t *own, json_t **out);

/* diff.c: pure. */
enum twin_level { TWIN_SAME, TWIN_COMPATIBLE, TWIN_CAUTION, TWIN_BREAKING };
struct twin_diff {
    enum twin_level level;
    size_t n; /* differences */
};
const char *twin_level_name(enum twin_level level);
/* Writes the members "model" and "changes" of a comparison (docs/api.md); w may be NULL. */
sh_err twin_model_diff(const json_t *before, const json_t *after, struct sh_jw *w,
                       struct twin_diff *d);
/* Do numbers mean something else in the other unit? An empty one says nothing. */
bool twin_units_differ(struct sh_str from, struct sh_str to);
/* Would kept numbers of the property be read in another unit? */
bool twin_unit_reread(const json_t *before, const json_t *after);

/* units.c: the device is to have that model. SH_E_STATE with the path "/thing" when points that it
 * has would be read in another unit and that was not said to be a correction. out may be NULL. */
sh_err twin_units_kept(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str thing,
                       bool corrected, struct sh_twin_reread *out, struct sh_diag *diag);

/* classes.c: the data class of points. */
sh_err twin_class_load(void *ctx, const struct sh_record_row *row); /* of a tenant */
/* What a document says, and of single points for the text TWIN_CLASSES. */
struct sh_data_class twin_class_said(struct sh_twin *t, const json_t *doc);
sh_err twin_class_points(struct sh_twin *t, const json_t *doc, struct sh_buf *out);
/* Of a device's point; property empty: of what belongs to the device itself. Under the lock. */
struct sh_data_class twin_class_of(struct sh_twin *t, const struct twin_tenant *tt,
                                   const struct twin_dev *d, const struct twin_thing *m,
                                   struct sh_str property);
/* The highest of all that a device has. Under the lock. */
struct sh_data_class twin_class_top(struct sh_twin *t, const struct twin_tenant *tt,
                                    const struct twin_dev *d);
/* Brings points to what holds now; not under the lock. Of one device; of a tenant, or
 * SH_RECORD_ALL_TENANTS. */
void twin_class_device(struct sh_twin *t, uint32_t tenant, struct sh_str device);
void twin_class_all(struct sh_twin *t, uint32_t tenant);
struct sh_data_class twin_classify(void *ctx, uint32_t tenant, struct sh_str device,
                                   struct sh_str property); /* sh_points_classify */
/* SH_E_STATE with the path "/data_class": the new document would lower a class. Under `write`. */
sh_err twin_class_kept(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc,
                       struct sh_diag *diag);
/* The same for whole forms of a model; before NULL: there was none. */
sh_err twin_class_kept_model(struct sh_twin *t, uint32_t tenant, const json_t *before,
                             const json_t *after, struct sh_diag *diag);

/* kin.c: who is concerned by a model. */
struct twin_kin {
    uint32_t tenant;
    struct sh_str id;
    uint64_t devices; /* twin_kin_count */
    uint64_t archived;
};
struct twin_family {
    struct sh_arena *ar;
    struct sh_map by; /* twin_kin_key -> index + 1 */
    struct twin_kin *v;
    size_t n;
    size_t cap;
};
enum { TWIN_KIN_KEY = SH_TWIN_MAX_ID + 4 };
struct sh_str twin_kin_key(char out[TWIN_KIN_KEY], uint32_t tenant, struct sh_str id);
sh_err twin_family_init(struct sh_twin *t, struct twin_family *f);
void twin_family_fini(struct twin_family *f);
sh_err twin_family_add(struct twin_family *f, uint32_t tenant, struct sh_str id);
struct twin_kin *twin_family_get(const struct twin_family *f, uint32_t tenant, struct sh_str id);
/* The model and all that extend it, parents before children. Takes the lock. */
sh_err twin_family_below(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                         struct twin_family *f);
/* Counts the devices of each; of one tenant, or of all (SH_RECORD_PLATFORM). Takes the lock in
 * turns. */
void twin_family_count(struct sh_twin *t, uint32_t tenant, struct twin_family *f);

/* asset.c */
sh_err twin_asset_load(void *ctx, const struct sh_record_row *row);
/* True when `a` is `top` or below it. Under the lock. */
bool twin_asset_below(const struct twin_tenant *tt, struct sh_str a, struct sh_str top);

/* part.c. Under the lock. */
bool twin_dev_within(const struct twin_tenant *tt, const struct twin_dev *d,
                     const struct sh_twin_parts *parts);
/* SH_E_DENIED: a device like this lies in none of the parts (NULL: all). Takes the lock. */
sh_err twin_doc_within(struct sh_twin *t, uint32_t tenant, const json_t *doc,
                       const struct sh_twin_parts *parts, struct sh_diag *diag);
/* Ids of the assets in the parts and of those that lead to them. Set also on error; takes the
 * lock. */
sh_err twin_tree_new(struct sh_twin *t, uint32_t tenant, const struct sh_twin_parts *parts,
                     struct sh_map *ids);

/* state.c */
enum sh_twin_state twin_state_of(struct sh_str word);
sh_err twin_state_load(void *ctx, const struct sh_record_row *row);
sh_err twin_grant_load(void *ctx, const struct sh_record_row *row);
void twin_on_slab(void *ctx, struct sh_slab *slab, uint64_t seq);
void twin_tell_states(struct sh_twin *t); /* those that samples changed */
void twin_mark_silent(struct sh_twin *t);
sh_err twin_save_states(struct sh_twin *t);                     /* under `write` */
void twin_state_mark(struct sh_twin *t, struct twin_slot *s);   /* to be stored; under the lock */
void twin_state_forget(struct sh_twin *t, struct twin_slot *s); /* under the lock */

/* command.c */
sh_err twin_commands_recover(struct sh_twin *t);
sh_err twin_save_commands(struct sh_twin *t);
void twin_commands_overdue(struct sh_twin *t, bool all);
void twin_commands_fini(struct sh_twin *t);

/* files.c */
sh_err twin_file_load(void *ctx, const struct sh_record_row *row);
void twin_files_fini(struct sh_twin *t);
/* Those of a device that gets another id. Under `write`. */
sh_err twin_files_rename(struct sh_twin *t, uint32_t tenant, struct sh_str from, struct sh_str to,
                         struct sh_str author);

/* doc.c: small helpers over records and JSON. */
/* The stored document and its revision; SH_E_NOTFOUND. */
sh_err twin_doc_get(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                    json_t **doc, struct sh_record_row *meta);
sh_err twin_doc_put(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                    const json_t *doc, uint64_t expect, struct sh_str author, uint64_t *rev);
/* Text of a document in `out` (cleared first). */
sh_err twin_doc_text(const json_t *doc, struct sh_buf *out);
/* RFC 7396: patch onto target (an object). */
sh_err twin_merge_patch(json_t *target, const json_t *patch);
void twin_event(struct sh_twin *t, enum sh_event_kind kind, uint32_t tenant, struct sh_str id,
                struct sh_str json);
/* Base document for a put: a copy of the body, or the stored one patched. Checks `how`. */
sh_err twin_doc_base(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                     enum sh_twin_put how, const json_t *body, json_t **doc, uint64_t *rev);

/* filter.c */
struct twin_filter {
    struct sh_twin *t;
    uint8_t data_class; /* 0 = any */
    const struct sh_twin_query *q;
    int state;    /* -1 = any */
    int archived; /* 0 or 1; -1 = any */
    struct sh_str search;
    struct sh_str label; /* with its marks */
};
/* Texts live in the arena; q stays. SH_E_INVAL: state, archived. */
sh_err twin_filter_init(struct sh_twin *t, struct twin_filter *f, const struct sh_twin_query *q,
                        struct sh_arena *ar, struct sh_diag *diag);
/* Under the lock. */
bool twin_filter_match(const struct twin_filter *f, const struct twin_tenant *tt,
                       const struct twin_slot *s);

/* pick.c */
struct twin_picker {
    const struct sh_twin_pick *pick;
    struct sh_arena *ar; /* owned */
    struct twin_filter filter;
    json_t *ids; /* a set; NULL: by the filter */
    json_t *except;
};
sh_err twin_picker_init(struct sh_twin *t, struct twin_picker *p, const struct sh_twin_pick *pick,
                        struct sh_diag *diag);
void twin_picker_fini(struct twin_picker *p);
/* Is the device meant? Takes the lock. */
bool twin_picker_takes(struct sh_twin *t, const struct twin_picker *p, struct sh_str id);

/* list.c: under the lock. */
sh_err twin_row(struct sh_twin *t, const struct twin_slot *s, struct sh_arena *ar,
                struct sh_twin_device *out);

/* transfer.c: the stable word for a fault of a row. */
const char *twin_code_of(sh_err err, const struct sh_diag *d);

/* csv.c */
struct twin_csv {
    struct sh_str in;
    size_t at;
    int row; /* of the record last read, 1-based, by lines of the file's records */
};
struct twin_cells {
    struct sh_str *v;
    size_t n;
    size_t max;
};
/* Next record; fields are unquoted into the arena. SH_E_NOTFOUND at the end, SH_E_PROTO malformed
 * quoting, SH_E_LIMIT too many fields. Blank lines are passed over. */
sh_err twin_csv_next(struct twin_csv *c, struct sh_arena *ar, struct twin_cells *out);
sh_err twin_csv_put(struct sh_buf *out, struct sh_str field, bool first);
/* The body as UTF-8: into `buf` when it had to be converted, else a view. */
sh_err twin_csv_text(struct sh_bytes body, enum sh_twin_encoding e, struct sh_buf *buf,
                     struct sh_str *out);

#endif /* SH_TWIN_INT_H */
