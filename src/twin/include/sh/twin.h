/* twin.h - thing models, devices, the asset tree, device state, desired and reported attributes,
 * commands, bulk import and export.
 *
 * Records (kinds "_thing", "_device", "_asset", ...) are the truth; all devices, models and assets
 * are also held in memory, so that lookups and list queries need no disk. Device state lives in
 * memory; its last change is stored now and then (sh_twin_tick).
 *
 * Threads: any thread. Functions marked "blocks" wait for the disk: workers only. The others take
 * one short lock. Events go out on the bus (SH_EVENT_DEVICE_CHANGED, SH_EVENT_DEVICE_STATE) from
 * the calling thread, outside the lock. Documents in and out are the shapes of docs/api.md. Faults:
 * SH_E_INVAL with diag path = JSON pointer into the body. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_H
#define SH_TWIN_H

#include <sh/bus.h>
#include <sh/dataclass.h>
#include <sh/point.h>
#include <sh/record.h>

struct sh_twin;

enum {
    SH_TWIN_MAX_ID = 256,          /* bytes of a device id */
    SH_TWIN_MAX_LABELS = 64,       /* of one device */
    SH_TWIN_MAX_PROPERTIES = 4096, /* of one thing model, with the inherited ones */
    SH_TWIN_MAX_EXTENDS = 8,       /* models above each other, the lowest counted */
    SH_TWIN_VERSIONS = 100,        /* kept of a thing model, the present one counted */
    SH_TWIN_USERS = 10,            /* users of a model that are named */
    SH_TWIN_DETAIL = 160
};

/* Record kinds, for links (relations between devices) and revisions. */
#define SH_TWIN_KIND_DEVICE SH_STR("_device")
#define SH_TWIN_KIND_THING SH_STR("_thing")
#define SH_TWIN_KIND_ASSET SH_STR("_asset")

/* A command on its way to a device. Borrowed for the call. */
struct sh_twin_command {
    uint32_t tenant;
    struct sh_str id;
    struct sh_str device;
    bool property; /* true: name is a property to write; false: a service to call */
    struct sh_str name;
    struct sh_str value; /* JSON */
    int64_t deadline_us; /* wall clock */
};
/* Sends a command by MQTT or a driver; must not block. SH_OK: on its way, the answer comes by
 * sh_twin_command_done. SH_E_STATE: the device is not connected. Others: the command has failed. */
typedef sh_err sh_twin_send(void *ctx, const struct sh_twin_command *c);

/* Zero members mean the default in brackets. */
struct sh_twin_options {
    struct sh_record *record;
    struct sh_points *points; /* may be NULL: no points are made (until sh_twin_attach) */
    struct sh_bus *bus;       /* may be NULL: no events, no state from samples (the same) */
    sh_twin_send *send;       /* may be NULL: every command fails with SH_E_UNSUPPORTED */
    void *send_ctx;
    uint32_t max_devices;   /* over all tenants [1,000,000] */
    uint32_t max_commands;  /* open ones [10,000] */
    uint32_t stale_periods; /* silent for so many periods = offline [3] */
    int64_t stale_min_us;   /* but at least [60 s] */
    int64_t stale_max_us;   /* and at most [1 h] */
    int64_t command_us;     /* default deadline [30 s] */
};

/* Loads all, and attaches the points and the bus of the options. Blocks. */
SH_MUST_CHECK sh_err sh_twin_open(const struct sh_env *env, const struct sh_twin_options *o,
                                  struct sh_twin **out, struct sh_diag *diag);
/* For who opens without them, so that records are read while the journal is replayed. Call after
 * sh_points_attach, once, before anything else. Devices that have points but no record (a crash
 * came between) are made again, and stored by the first tick. Subscribes to the bus. Blocks. */
SH_MUST_CHECK sh_err sh_twin_attach(struct sh_twin *t, struct sh_points *points,
                                    struct sh_bus *bus);
/* Stores what is not yet stored, ends open commands, frees. NULL is accepted. Blocks. */
void sh_twin_close(struct sh_twin *t);
/* Once a second, one thread at a time: stores new devices and changed states, marks silent devices
 * offline, ends overdue commands and write grants. Blocks. */
SH_MUST_CHECK sh_err sh_twin_tick(struct sh_twin *t);

/* ------------------------------------------------------------------ devices */

enum sh_twin_refusal {
    SH_TWIN_OK = 0,
    SH_TWIN_BAD_NAME,
    SH_TWIN_UNKNOWN_DEVICE,
    SH_TWIN_UNKNOWN_PROPERTY,
    SH_TWIN_DEVICE_ID_CONFLICT, /* made from another set of labels */
    SH_TWIN_LIMIT,
    SH_TWIN_NO_MEMORY
};
struct sh_twin_label {
    struct sh_str key;
    struct sh_str value;
};
/* The device that sends: found, or with `provision` made in memory at once (stored by the next
 * tick). Labels (sorted by key) are those that its id was made from; n == 0: not known. An alias is
 * found too. Does not block. detail gets words for a refusal. */
enum sh_twin_refusal sh_twin_device_ensure(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           const struct sh_twin_label *labels, size_t nlabels,
                                           bool provision, char detail[SH_TWIN_DETAIL]);
/* What the device's thing model says of a property: *type 0 = it does not name it. *unit is valid
 * until sh_twin_close. Does not block. */
enum sh_twin_refusal sh_twin_property(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                      struct sh_str property, enum sh_type *type,
                                      struct sh_str *unit);

/* What is expected of a device's property: the range that its thing model gives (NaN: no bound;
 * both NaN when it gives none) and how often the device says that it reports (0: not told). An
 * unknown device expects nothing. Does not block. */
struct sh_twin_expected {
    double low;
    double high;
    int64_t period_us;
};
void sh_twin_property_expected(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                               struct sh_str property, struct sh_twin_expected *out);

/* A part of a plant: devices at an asset and below it, or with a label "key:value". */
struct sh_twin_part {
    bool label;
    struct sh_str text;
};
struct sh_twin_parts {
    const struct sh_twin_part *at;
    size_t n;
};
/* Does the device (an alias is found too) lie in one of them? Does not block. */
bool sh_twin_device_within(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                           const struct sh_twin_parts *parts);

/* Is there such an asset, and does it lie in one of the parts (NULL: wherever)? Does not block. */
bool sh_twin_asset_within(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                          const struct sh_twin_parts *parts);

enum sh_twin_put {
    SH_TWIN_CREATE,  /* SH_E_EXISTS */
    SH_TWIN_REPLACE, /* SH_E_NOTFOUND; members that are not given go away */
    SH_TWIN_PATCH    /* SH_E_NOTFOUND; a null takes a member away, labels are merged (RFC 7396) */
};
/* body: device object; members that only answers have are ignored. expect: as in record.h.
 * Makes the points of the thing model's properties. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_put(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                        enum sh_twin_put how, const json_t *body, uint64_t expect,
                                        struct sh_str author, uint64_t *rev, struct sh_diag *diag);
/* Could a device be made of this body (its id is not looked at)? SH_E_INVAL with what is wrong. */
SH_MUST_CHECK sh_err sh_twin_device_check(struct sh_twin *t, uint32_t tenant, const json_t *body,
                                          struct sh_diag *diag);
/* Points of a device whose kept values are read in another unit from a change on. */
struct sh_twin_reread {
    size_t n;
    size_t named;   /* the first ones, in: */
    char what[240]; /* "temp (Cel, K), flow (m3/h, L/s), ..." */
};
/* One change of a device; borrowed for the call. */
struct sh_twin_device_change {
    uint32_t tenant;
    struct sh_str id;
    enum sh_twin_put how;
    const json_t *body;
    uint64_t expect;
    struct sh_str author;
    const struct sh_twin_parts *parts; /* NULL: all */
    bool lower;                        /* it may lower the class of points (sh_twin_classify) */
    bool units_corrected; /* the units were wrong until now: kept values are read in the new ones */
    struct sh_twin_reread *reread; /* out: those that are; may be NULL */
};
/* The same; SH_E_STATE with the path "/data_class": it would lower the class of a point, with
 * "/thing": kept values would be read in another unit under the new model;
 * SH_E_DENIED when the device would then lie outside of the parts. rev may be NULL. */
SH_MUST_CHECK sh_err sh_twin_device_put_within(struct sh_twin *t,
                                               const struct sh_twin_device_change *c, uint64_t *rev,
                                               struct sh_diag *diag);
/* Takes the device and the names of its points away; history stays. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           uint64_t expect, struct sh_str author);
/* New id; the old one stays as an alias, points keep ids and history, relations (also those of
 * others to it), attributes, write grant and files follow, the change is noted in the device
 * ("renamed":[{"time","by","from"}], the last 32). SH_E_EXISTS. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_rename(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           struct sh_str to, struct sh_str author,
                                           struct sh_diag *diag);
/* New hardware at the same place: id, points and history stay, the splice is noted in the device
 * ("replaced":[{"time","by","note"}], the last 32), and the labels its id was made from are
 * forgotten. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_replace(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                            struct sh_str note, struct sh_str author);
/* The whole device as in docs/api.md. An alias is found too. SH_E_NOTFOUND. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_write(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                          struct sh_jw *w, uint64_t *rev);
/* What happened to a device that its history shows: an array of {"kind":"replaced","time","by",
 * "note"} and {"kind":"renamed","time","by","from"}; the caller frees it. SH_E_NOTFOUND. Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_marks(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                          json_t **out);
/* Appends the labels of a device, a JSON object of texts. An alias is found too. SH_E_NOTFOUND.
 * Does not block. */
SH_MUST_CHECK sh_err sh_twin_device_labels(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           struct sh_buf *out);
/* Changes of its description, newest first, below `before` (0: all), as an array of
 * {"revision","time","by","change":"created|changed|deleted","members":[{"name","before","after"}]};
 * without `values` names only. *next: the `before` of the next page, 0 = no more. SH_E_NOTFOUND.
 * Blocks. */
SH_MUST_CHECK sh_err sh_twin_device_changes(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                            uint64_t before, uint32_t limit, bool values,
                                            struct sh_jw *w, uint64_t *next);
bool sh_twin_device_known(struct sh_twin *t, uint32_t tenant, struct sh_str id);
/* Do both name the same device, now or by an earlier name? Does not block. */
bool sh_twin_device_same(struct sh_twin *t, uint32_t tenant, struct sh_str a, struct sh_str b);
/* The present id of a device (an alias is found too); returns its length, 0: there is none. Does
 * not block. */
size_t sh_twin_device_present(struct sh_twin *t, uint32_t tenant, struct sh_str name,
                              char out[SH_TWIN_MAX_ID]);
/* Is there such a device, and is it archived? Fast. */
bool sh_twin_device_archived(struct sh_twin *t, uint32_t tenant, struct sh_str id);

enum sh_twin_state { SH_TWIN_NEVER = 0, SH_TWIN_ONLINE = 1, SH_TWIN_OFFLINE = 2 };
const char *sh_twin_state_name(enum sh_twin_state s);

struct sh_twin_device {
    uint32_t tenant;
    struct sh_str id, name, thing, asset;
    struct sh_str labels; /* JSON object */
    enum sh_twin_state state;
    int64_t since_us; /* of the state; 0 = never seen */
    int64_t last_us;  /* last sample or message; 0 = none */
    bool demo;
    bool archived;
    struct sh_data_class top; /* the highest that it has */
    size_t points;
};
struct sh_twin_query {
    uint32_t tenant;
    struct sh_str search; /* part of id, name or a label; ASCII case is ignored */
    struct sh_str state;  /* "online" "offline" "never"; empty = all */
    struct sh_str thing;
    struct sh_str asset;      /* with everything below it */
    struct sh_str label;      /* "key:value", or "key" for any value */
    struct sh_str data_class; /* those whose highest is that: general important core; empty = all */
    struct sh_str archived;   /* "true": only those, "any": those too; empty, "false": the others */
    struct sh_str sort;       /* id name thing asset state since last, '-' in front = descending */
    struct sh_str cursor;
    uint32_t limit; /* 0 = 50, at most 1000 */
    bool want_total;
    const struct sh_twin_parts *parts; /* those in one of them; NULL = all */
};
struct sh_twin_page {
    struct sh_twin_device *rows;
    size_t n;
    struct sh_str next; /* empty = no more */
    int64_t total;      /* -1 = not counted */
};
/* Rows live in the arena. SH_E_INVAL: sort, state or cursor. Does not block. */
SH_MUST_CHECK sh_err sh_twin_devices(struct sh_twin *t, const struct sh_twin_query *q,
                                     struct sh_arena *ar, struct sh_twin_page *out,
                                     struct sh_diag *diag);
/* The members of a list item (the device summary of docs/api.md), without the braces. */
void sh_twin_summary_write(const struct sh_twin_device *d, struct sh_jw *w);

struct sh_twin_counts {
    uint32_t total, online, offline, never; /* demo and archived devices are not among them */
    uint32_t archived;
    uint32_t demo, demo_online;
};
void sh_twin_counts(struct sh_twin *t, uint32_t tenant, struct sh_twin_counts *out);

/* ------------------------------------------------------------------ many devices at once */

/* Which devices are meant. Borrowed for the call. */
struct sh_twin_pick {
    struct sh_twin_query filter; /* its tenant always holds; sort, cursor and limit do not count */
    const json_t *ids;           /* array of device ids; NULL: what the filter finds */
    const json_t *except;        /* array of ids that are not meant; may be NULL */
    bool (*sees)(void *ctx, struct sh_str id); /* others do not exist for who asks; NULL: all do */
    void *ctx;
};
enum {
    SH_TWIN_BULK_IDS = 10000,    /* in one call */
    SH_TWIN_BULK_REFUSED = 1000, /* refused devices that are listed */
    SH_TWIN_BULK_UNDO = 10000    /* changed devices up to which the way back is told */
};
struct sh_twin_bulk {
    struct sh_twin_pick pick;
    /* Object of what is the same in all: "labels" (null takes one away), "thing", "asset",
     * "archived". NULL with remove, or to count only. */
    const json_t *change;
    bool remove;
    bool dry_run;         /* checks the change, counts, and tells whose units would change */
    struct sh_str cursor; /* "next" of the call before; by filter only */
    uint32_t limit;       /* devices looked at in this call; 0 = all */
    bool units_corrected; /* as in sh_twin_device_change */
    struct sh_str author;
    void (*removed)(void *ctx, struct sh_str id); /* after each that was deleted, under the
                                                     twin's lock: it must not call the twin */
    void *ctx;
};
struct sh_twin_bulk_result {
    uint64_t matched, changed, unchanged, refused;
    uint64_t reread; /* points whose kept values are read in another unit from now on */
};
/* Changes or deletes many devices, in transactions of some hundred; between them others get their
 * turn. Writes {"matched","changed","unchanged","refused":[{"id","code","detail"}],
 * "refused_total","units_corrected":points,"undo":[{"ids":[],"change":{},"units"?}]|null,"next"}:
 * undo holds calls that put things back. matched counts what this call looked at; with dry_run all.
 * SH_E_INVAL: filter or change (diag); SH_E_LIMIT: too many ids. Blocks. */
SH_MUST_CHECK sh_err sh_twin_devices_bulk(struct sh_twin *t, const struct sh_twin_bulk *b,
                                          struct sh_jw *w, struct sh_twin_bulk_result *out,
                                          struct sh_diag *diag);

/* ------------------------------------------------------------------ state */

enum sh_twin_link { SH_TWIN_LINK_MQTT = 0, SH_TWIN_LINK_CHANNEL = 1 };
/* A connection of the device came or went. While one is up it is online; when the last goes it is
 * offline at once. Does not block. */
void sh_twin_link(struct sh_twin *t, uint32_t tenant, struct sh_str device, enum sh_twin_link which,
                  bool up);
/* Something came from the device that is no sample (samples are seen on the bus). */
void sh_twin_seen(struct sh_twin *t, uint32_t tenant, struct sh_str device);

/* ------------------------------------------------------------------ writing to devices */

/* Read-only is the default. until_us: wall clock, at most 30 days ahead. Blocks. */
SH_MUST_CHECK sh_err sh_twin_write_enable(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                          struct sh_str reason, int64_t until_us,
                                          struct sh_str author, struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_twin_write_disable(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                           struct sh_str author);
bool sh_twin_writable(struct sh_twin *t, uint32_t tenant, struct sh_str device);

/* body: {"service"|"property","value","id"?,"timeout_ms"?}. With the id of an earlier command that
 * one is answered and nothing is sent (idempotent). SH_E_DENIED: the device is read-only.
 * SH_E_NOTFOUND: device, property or service; SH_E_LIMIT. *id is in the arena. Blocks. */
SH_MUST_CHECK sh_err sh_twin_command_start(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                           const json_t *body, struct sh_str author,
                                           struct sh_arena *ar, struct sh_str *id,
                                           struct sh_diag *diag);
/* The device's answer: the command becomes "done" or "failed". SH_E_NOTFOUND when it is not open:
 * unknown, or it has its final state already. result: JSON or text, may be empty. Does not block
 * (stored by the next tick). */
SH_MUST_CHECK sh_err sh_twin_command_done(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                          bool ok, struct sh_str result);
/* The same as an object that the caller frees. */
SH_MUST_CHECK sh_err sh_twin_command_get(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                         json_t **out);
/* {"id","device","service"|"property","value","state":"sent|done|failed|timeout","created",
 *  "deadline","by","finished"?,"result"?} Blocks. */
SH_MUST_CHECK sh_err sh_twin_command_write(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           struct sh_jw *w);

/* The commands of a device, newest first, as sh_twin_command_get makes them: on the first page all
 * that are on their way (at most limit), then limit of the ended ones. doc is borrowed; give must
 * not call the twin's changing functions. *next (in ar) is the cursor of the page behind, empty at
 * the end. Those that a device got under an earlier name are among them. SH_E_NOTFOUND: no such
 * device; SH_E_INVAL the cursor. Blocks. */
struct sh_twin_commands_query {
    uint32_t tenant;
    struct sh_str device;
    struct sh_str cursor; /* empty: the first page */
    uint32_t limit;
};
SH_MUST_CHECK sh_err sh_twin_commands(struct sh_twin *t, const struct sh_twin_commands_query *q,
                                      struct sh_arena *ar, struct sh_str *next,
                                      void (*give)(void *ctx, json_t *doc), void *ctx);

/* Desired (set by people) and reported (set by the device) attributes: JSON objects, merged (RFC
 * 7396). Blocks. */
SH_MUST_CHECK sh_err sh_twin_attributes_merge(struct sh_twin *t, uint32_t tenant,
                                              struct sh_str device, bool desired,
                                              const json_t *patch, struct sh_str author,
                                              struct sh_diag *diag);
/* {"desired":{},"reported":{}} Blocks. */
SH_MUST_CHECK sh_err sh_twin_attributes_write(struct sh_twin *t, uint32_t tenant,
                                              struct sh_str device, struct sh_jw *w);

/* ------------------------------------------------------------------ thing models */

/* Checks a model alone; no store is needed. */
SH_MUST_CHECK sh_err sh_twin_thing_check(struct sh_twin *t, const json_t *body,
                                         struct sh_diag *diag);
/* One change of a model; borrowed for the call. A body is the model in the form of the answers:
 * what it inherits from the model that "extends" names may be left out, and may be narrowed (range,
 * words, access, scaling) but not changed in type or unit. */
struct sh_twin_thing_change {
    uint32_t tenant;
    struct sh_str id;
    enum sh_twin_put how;
    const json_t *body;
    uint64_t expect;
    struct sh_str author;
    struct sh_str comment; /* of the version; empty: the body's "comment" */
    uint64_t restore;      /* not 0: what that version had is put back, body is not used */
    bool units_corrected;  /* the unit was wrong until now: kept values are read in the new one */
    bool dry_run;          /* checks all and stores nothing */
    bool skip_same;        /* stores nothing when nothing differs: *rev stays 0 */
    bool lower;     /* it may lower the class of data (sh_twin_classify); else SH_E_STATE with
                       the path "/data_class" */
    json_t *drafts; /* dry runs of an import: models by id that earlier ones made, in their
                       whole form; this one is added. NULL: none */
};
/* Stores it; the points of its devices, and of those of the models below it, get the new types
 * (under a new id: the old history stays what it was), units and scales. Each change is a version;
 * of those SH_TWIN_VERSIONS are kept and older ones forgotten. w may be NULL; else it gets the
 * consequences (docs/api.md). SH_E_INVAL: also when a model below does not fit any more;
 * SH_E_STATE: values that are kept would be read in another unit; SH_E_NOTFOUND, SH_E_EXISTS,
 * SH_E_CONFLICT. Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_change(struct sh_twin *t, const struct sh_twin_thing_change *c,
                                          uint64_t *rev, struct sh_jw *w, struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_twin_thing_put(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                       enum sh_twin_put how, const json_t *body, uint64_t expect,
                                       struct sh_str author, uint64_t *rev, struct sh_diag *diag);
struct sh_twin_uses {
    uint64_t devices; /* of the tenant; of all for the platform's models */
    uint64_t archived;
    uint64_t children;                       /* models that extend it */
    struct sh_str device_ids[SH_TWIN_USERS]; /* some of the tenant's, in the arena */
    size_t ndevice_ids;
    struct sh_str child_ids[SH_TWIN_USERS];
};
SH_MUST_CHECK sh_err sh_twin_thing_uses(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                        struct sh_arena *ar, struct sh_twin_uses *out);
/* SH_E_STATE while devices use it or models extend it. Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                          uint64_t expect, struct sh_str author);
/* Models of the tenant and, marked "shared", of the platform (tenant 0), with what they inherit.
 * Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_write(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                         struct sh_jw *w, uint64_t *rev);
/* Writes an array of all; with `uses` each has "devices", "archived" and "children". Blocks. */
SH_MUST_CHECK sh_err sh_twin_things_write(struct sh_twin *t, uint32_t tenant, struct sh_str search,
                                          bool uses, struct sh_jw *w);
/* Versions, newest first, below `before` (0: all), as an array; *next is the `before` of the next
 * page, 0 = no more. Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_versions(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                            uint64_t before, uint32_t limit, struct sh_jw *w,
                                            uint64_t *next);
/* One version, with what it inherits from the model above as that is now. Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_version_write(struct sh_twin *t, uint32_t tenant,
                                                 struct sh_str id, uint64_t rev, struct sh_jw *w);
/* What lies between two versions; to 0: the present one. Blocks. */
SH_MUST_CHECK sh_err sh_twin_thing_compare(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                           uint64_t from, uint64_t to, struct sh_jw *w);
/* Model of a device (an alias is found too), in the arena; empty: none. SH_E_NOTFOUND. Does not
 * block. */
SH_MUST_CHECK sh_err sh_twin_device_thing(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                          struct sh_arena *ar, struct sh_str *thing);

/* ------------------------------------------------------------------ the class of data */

/* The class of a device's point; property empty: of what belongs to the device itself (attributes).
 * Both are said. An unknown device has that of the tenant. Does not block. */
struct sh_data_class sh_twin_class(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                   struct sh_str property);
/* The highest that a device has, on each scale; an unknown one: the tenant's. Does not block. */
struct sh_data_class sh_twin_class_highest(struct sh_twin *t, uint32_t tenant,
                                           struct sh_str device);
/* What holds in a tenant where nobody else says anything. Does not block. */
struct sh_data_class sh_twin_class_default(struct sh_twin *t, uint32_t tenant);
enum sh_twin_classed {
    SH_TWIN_CLASSED_TENANT,
    SH_TWIN_CLASSED_THING,  /* id; property empty: of the whole model */
    SH_TWIN_CLASSED_DEVICE, /* id: its points are at least that */
    SH_TWIN_CLASSED_POINT   /* id and property */
};
struct sh_twin_classify {
    uint32_t tenant;
    enum sh_twin_classed kind;
    struct sh_str id;
    struct sh_str property;
    struct sh_data_class to; /* members that are not said: said no more */
    struct sh_str author;
    struct sh_str reason; /* kept as the comment of a model's version */
    bool lower;           /* it may be lower than it is */
};
/* Says the class of one thing. SH_E_NOTFOUND; SH_E_STATE with the path "/data_class": it would be
 * lower than it is. Blocks. */
SH_MUST_CHECK sh_err sh_twin_classify(struct sh_twin *t, const struct sh_twin_classify *c,
                                      struct sh_diag *diag);
/* Models that say no class, and how many there are. Does not block. */
void sh_twin_unclassed(struct sh_twin *t, uint32_t tenant, uint32_t *models, uint32_t *unclassed);

/* ------------------------------------------------------------------ assets */

/* body: {"kind","name","parent"?}. A child's kind stands behind its parent's in enterprise > site >
 * area > line > cell. SH_E_INVAL: order, unknown parent, cycle. Blocks. */
SH_MUST_CHECK sh_err sh_twin_asset_put(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                       enum sh_twin_put how, const json_t *body, uint64_t expect,
                                       struct sh_str author, uint64_t *rev, struct sh_diag *diag);
/* SH_E_STATE while something is below it. Blocks. */
SH_MUST_CHECK sh_err sh_twin_asset_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                          uint64_t expect, struct sh_str author);
/* Array of all assets of the tenant by id; with parts, those in them, those that their devices hang
 * on, and what is above. Blocks. */
SH_MUST_CHECK sh_err sh_twin_assets_write(struct sh_twin *t, uint32_t tenant,
                                          const struct sh_twin_parts *parts, struct sh_jw *w);

/* ------------------------------------------------------------------ bulk import and export */

enum sh_twin_encoding { SH_TWIN_AUTO, SH_TWIN_UTF8, SH_TWIN_GBK };
struct sh_twin_import {
    bool csv;                       /* else a JSON array */
    enum sh_twin_encoding encoding; /* AUTO: a BOM or valid UTF-8 is UTF-8, else GBK */
    bool dry_run;
    bool create_only;     /* a row of a device that is there is refused ("exists") */
    bool units_corrected; /* as in sh_twin_thing_change and sh_twin_device_change */
    /* May be NULL. n = 1: room for one more device is wanted; false: the tenant has none. n < 0:
     * so many that were given room were not stored. */
    bool (*quota)(void *ctx, int n);
    void *ctx;
    uint64_t *reread; /* out, devices: points that are read in another unit; may be NULL */
};
/* Rows that are good are stored, the others reported; writes
 * {"created","updated","rejected":[{"row","column","code","detail"}]} (row 1 is the header or the
 * first element; at most 10,000 are listed). SH_E_INVAL: the whole file is not readable (diag). CSV
 * columns: id name thing asset description location lat lon period_ms demo archived, and
 * label.<key>.
 * Blocks. */
SH_MUST_CHECK sh_err sh_twin_devices_import(struct sh_twin *t, uint32_t tenant,
                                            struct sh_bytes body, const struct sh_twin_import *how,
                                            struct sh_str author, struct sh_jw *w,
                                            struct sh_diag *diag);
/* Thing models: a JSON array, or CSV with one row a property: thing thing_name version extends id
 * name type unit min max access scale enum (rows of one model stand together; scale and enum are
 * JSON; events and services are left as they are in a model that exists). A model that extends one
 * of the same file comes after it, wherever it stands. What does not differ is not stored and
 * counted as "unchanged"; a dry run adds "models": what differs in each (docs/api.md). */
SH_MUST_CHECK sh_err sh_twin_things_import(struct sh_twin *t, uint32_t tenant, struct sh_bytes body,
                                           const struct sh_twin_import *how, struct sh_str author,
                                           struct sh_jw *w, struct sh_diag *diag);
/* The devices meant, by id: CSV (UTF-8 with BOM, or GBK) or JSON. SH_E_INVAL: the filter;
 * SH_E_LIMIT at out's maximum. Blocks. */
SH_MUST_CHECK sh_err sh_twin_devices_export(struct sh_twin *t, const struct sh_twin_pick *pick,
                                            bool csv, enum sh_twin_encoding encoding,
                                            struct sh_buf *out, struct sh_diag *diag);
/* The tenant's own models, as sh_twin_things_import reads them: what is inherited as it is is left
 * out (CSV leaves events and services out). */
SH_MUST_CHECK sh_err sh_twin_things_export(struct sh_twin *t, uint32_t tenant, bool csv,
                                           enum sh_twin_encoding encoding, struct sh_buf *out);

#endif /* SH_TWIN_H */
