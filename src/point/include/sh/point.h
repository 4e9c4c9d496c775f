/* point.h - the catalogue of points, and the live picture (latest values).
 *
 * A point has an id (never reused), a tenant, a type that never changes, and names: its device and
 * property, aliases (names it had before), and perhaps a tag. Under one name a new type is a new
 * id; the old one stays reachable as `previous`. Every change is a record of the journal (owner
 * CATALOGUE) before the first sample that needs it, and is applied in memory at once.
 *
 * Threads: lookups take no lock and may run on any thread while others change the catalogue; what
 * they return stays valid until sh_points_close. Changes take one lock (they are rare) and do not
 * wait for the disk. The live picture takes one lock per batch.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_POINT_H
#define SH_POINT_H

#include <sh/dataclass.h>
#include <sh/journal.h>
#include <sh/value.h>

enum {
    SH_POINT_MAX_NAME = 256, /* bytes of a device id, a property, a tag or a unit */
    SH_POINT_MAX_OF_DEVICE = 65536
};

struct sh_points;
struct sh_scale;

struct sh_points_options {
    const char *dir;     /* holds points.log; made when missing */
    uint32_t max_points; /* largest id; 0 = 4 Mi */
    /* May be NULL: told what was unreadable in points.log. */
    void (*report)(void *ctx, const char *file, uint64_t offset, const char *what);
    void *ctx;
};
/* Reads points.log. Then the journal is opened with sh_points_apply as the owner's apply (which
 * replays the rest), and given back by sh_points_attach. */
SH_MUST_CHECK sh_err sh_points_open(const struct sh_env *env, const struct sh_points_options *o,
                                    struct sh_points **out);
void sh_points_attach(struct sh_points *p, struct sh_journal *j);
void sh_points_close(struct sh_points *p); /* NULL is accepted */
/* The owner's apply function; ctx = the sh_points. */
sh_err sh_points_apply(void *ctx, const struct sh_journal_record *rec);
/* Writes what was applied since the last time to points.log, durably, and checkpoints the journal.
 * Not on the apply thread. */
SH_MUST_CHECK sh_err sh_points_checkpoint(struct sh_points *p);
/* Length of points.log as of the last checkpoint: so much of it is whole, durable and never written
 * again. */
uint64_t sh_points_log_bytes(struct sh_points *p);

/* ---- lookups: any thread, no lock ---- */

struct sh_point {
    uint32_t id;
    uint32_t tenant;
    enum sh_type type;
    uint32_t previous; /* id that had this name before (another type); 0 = none */
    struct sh_str device;
    struct sh_str property;
    struct sh_str unit; /* UCUM; may be empty */
    struct sh_str tag;  /* may be empty */
};
/* The point that has this name now, or had it before (an alias). 0 = none. */
uint32_t sh_points_find(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                        struct sh_str property);
/* "device/property" (split at the last '/') or a tag. 0 = none. */
uint32_t sh_points_resolve(const struct sh_points *p, uint32_t tenant, struct sh_str name);
/* NULL when there is no such id. */
const struct sh_point *sh_points_get(const struct sh_points *p, uint32_t id);
/* Largest id given out. */
uint32_t sh_points_last_id(const struct sh_points *p);
/* Ids up to `last` are taken, though no entry is there: after the end of the catalogue was lost, so
 * that a new point does not inherit the samples of a lost one. Before the first definition. */
void sh_points_skip(struct sh_points *p, uint32_t last);
/* Points of a device by its present name, ids into out (may be NULL to count); returns how many
 * there are. Its events are not among them. */
size_t sh_points_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                           uint32_t *out, size_t cap);
/* An event that a device reports is kept as a text point of the device, one for each event id: its
 * property is this prefix and the event's id, its value the event's JSON. */
#define SH_POINT_EVENT SH_STR("event:")
bool sh_point_is_event(const struct sh_point *p);
/* The same as above for the events of a device. */
size_t sh_points_events_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                                  uint32_t *out, size_t cap);
/* Names that the point had before, oldest first; fn returns false to end. */
void sh_points_aliases(const struct sh_points *p, uint32_t id,
                       bool (*fn)(void *ctx, struct sh_str device, struct sh_str property),
                       void *ctx);
/* Scaling of a point, NULL = none; and the point that keeps its raw value, 0 = none. */
const struct sh_scale *sh_points_scale(const struct sh_points *p, uint32_t id, uint32_t *raw_point);
/* Class and level of a point; both are always said. Unknown: the default. A load of two bytes. */
struct sh_data_class sh_points_class(const struct sh_points *p, uint32_t id);
/* Grows with each change of a class. */
uint64_t sh_points_class_turn(const struct sh_points *p);
/* Points of a tenant by pair (sh_data_class_pair), events and points that lost their name among
 * them. One short lock. */
void sh_points_class_counts(struct sh_points *p, uint32_t tenant, uint32_t n[SH_DATA_PAIRS]);
/* Grows with each change that makes a cached lookup stale (rename, removal, scaling). */
uint64_t sh_points_generation(const struct sh_points *p);

/* ---- changes: any thread ---- */

struct sh_point_def {
    uint32_t tenant;
    enum sh_type type;
    struct sh_str device;
    struct sh_str property; /* no '/' */
    struct sh_str unit;
};
/* The point of that name and type, made when missing. When the name belongs to a point of another
 * type: SH_E_CONFLICT, or with `replace` a new id under the same name. An alias of that name is
 * taken over (look it up first where an old name shall go on meaning the old point). SH_E_INVAL,
 * SH_E_LIMIT the catalogue is full; SH_E_AGAIN the journal's queue is full now; SH_E_FULL,
 * SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_points_define(struct sh_points *p, const struct sh_point_def *d,
                                      bool replace, uint32_t *id);
/* Moves all points of a device to another id; the old names stay as aliases. SH_E_EXISTS when a
 * point of the new device has the same property; SH_E_NOTFOUND when the device has no points. */
SH_MUST_CHECK sh_err sh_points_rename_device(struct sh_points *p, uint32_t tenant,
                                             struct sh_str from, struct sh_str to);
/* Takes the names of a device's points away (ids and history stay). */
SH_MUST_CHECK sh_err sh_points_remove_device(struct sh_points *p, uint32_t tenant,
                                             struct sh_str device);
/* Empty tag: takes it away. SH_E_EXISTS: another point of the tenant has it. */
SH_MUST_CHECK sh_err sh_points_set_tag(struct sh_points *p, uint32_t id, struct sh_str tag);
SH_MUST_CHECK sh_err sh_points_set_unit(struct sh_points *p, uint32_t id, struct sh_str unit);
/* In memory only (twin sets it again at each start), for the point and those that had its name
 * before. c says both. */
SH_MUST_CHECK sh_err sh_points_set_class(struct sh_points *p, uint32_t id, struct sh_data_class c);
/* What a point that is made from now on is: asked before anybody can find it. Called with the
 * catalogue's lock held: it must not change the catalogue. Before others come. */
typedef struct sh_data_class sh_points_classify(void *ctx, uint32_t tenant, struct sh_str device,
                                                struct sh_str property);
void sh_points_set_classify(struct sh_points *p, sh_points_classify *fn, void *ctx);
/* In memory only (twin sets it again at each start). The scale is taken over and freed at close. */
SH_MUST_CHECK sh_err sh_points_set_scale(struct sh_points *p, uint32_t id, struct sh_scale *scale,
                                         uint32_t raw_point);

/* ---- the live picture ---- */

struct sh_latest;
struct sh_latest_value {
    bool found;
    enum sh_type type;
    uint8_t quality;
    int64_t time_us;
    union sh_cell value; /* text and blob: a span in the buffer that was passed in */
};
SH_MUST_CHECK sh_err sh_latest_new(const struct sh_env *env, uint32_t max_points,
                                   struct sh_latest **out);
void sh_latest_free(struct sh_latest *l); /* NULL is accepted */
/* Apply thread (or start-up). Greatest time wins, then the last arrival. */
SH_MUST_CHECK sh_err sh_latest_update(struct sh_latest *l, const struct sh_batch *b);
/* Any thread. `text` (may be NULL) takes the bytes of texts. */
SH_MUST_CHECK sh_err sh_latest_get(struct sh_latest *l, const uint32_t *points, size_t n,
                                   struct sh_latest_value *out, struct sh_buf *text);
/* Forgets a point's value, so that the next sample is taken whatever its time (after a deletion).
 */
void sh_latest_forget(struct sh_latest *l, uint32_t point);

#endif /* SH_POINT_H */
