/* gate.h - the one way in for samples. It knows who sends, finds or makes the point that a name
 * means, checks quota and time, seals the batch into a slab, appends it to the journal and, once it
 * is on disk, feeds history, the live picture and the bus, in sequence order. One road for MQTT,
 * HTTP, drivers, edges and flows.
 *
 * Threads: sh_gate_point and sh_gate_submit on any thread; the feeding runs on the journal's apply
 * thread; done callbacks too (they must not block).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GATE_H
#define SH_GATE_H

#include <sh/bus.h>
#include <sh/guard.h>
#include <sh/history.h>
#include <sh/journal.h>
#include <sh/pack.h>
#include <sh/point.h>
#include <sh/scale.h>

struct sh_gate;

enum sh_gate_refusal {
    SH_GATE_OK = 0,
    SH_GATE_BAD_NAME,
    SH_GATE_UNKNOWN_DEVICE,      /* not there, and the sender may not provision */
    SH_GATE_UNKNOWN_PROPERTY,    /* the device's thing model has none of that name */
    SH_GATE_DEVICE_ID_CONFLICT,  /* another tag set makes the same id */
    SH_GATE_FIELD_TYPE_CONFLICT, /* the point has another type */
    SH_GATE_DENIED,
    SH_GATE_QUOTA,
    SH_GATE_NOT_NOW /* no fault of the sender: the same may be taken later (target.why) */
};

struct sh_gate_label {
    struct sh_str key;
    struct sh_str value;
};

/* Asks the twin for the device, which makes it when `provision` is set. any thread. */
typedef enum sh_gate_refusal sh_gate_device(void *ctx, uint32_t tenant, struct sh_str device,
                                            const struct sh_gate_label *labels, size_t nlabels,
                                            bool provision, char detail[160]);
/* Type that the device's thing model gives a property: SH_GATE_OK and *type (0 = the model does not
 * name it and the first sample decides). */
typedef enum sh_gate_refusal sh_gate_property(void *ctx, uint32_t tenant, struct sh_str device,
                                              struct sh_str property, enum sh_type *type,
                                              struct sh_str *unit, char detail[160]);
/* The id that a device has now, when `device` is an earlier name of it; returns the length, 0: use
 * the name as it is. Asked before a point is made. */
typedef size_t sh_gate_present(void *ctx, uint32_t tenant, struct sh_str device,
                               char out[SH_POINT_MAX_NAME]);

struct sh_gate_options {
    struct sh_points *points;
    struct sh_latest *latest;
    struct sh_history *history;
    struct sh_bus *bus;
    struct sh_guard *guard;     /* may be NULL: no quotas (tests) */
    sh_gate_device *device;     /* may be NULL: every device is known */
    sh_gate_property *property; /* may be NULL */
    sh_gate_present *present;   /* may be NULL */
    void *ctx;
    int64_t max_future_us; /* samples further ahead are refused; 0 = one day */
    int64_t late_us;       /* samples that come so long after their time are late; 0 = none */
};
SH_MUST_CHECK sh_err sh_gate_new(const struct sh_env *env, const struct sh_gate_options *o,
                                 struct sh_gate **out);
/* The journal is opened with sh_gate_apply as apply of SH_OWNER_SAMPLES and then given here. */
void sh_gate_attach(struct sh_gate *g, struct sh_journal *j);
void sh_gate_free(struct sh_gate *g); /* NULL is accepted; the journal is closed by then */
/* Apply function of SH_OWNER_SAMPLES; ctx = the gate. */
sh_err sh_gate_apply(void *ctx, const struct sh_journal_record *rec);

/* Who sends. */
struct sh_gate_who {
    uint32_t tenant;
    struct sh_str device; /* a device speaks for itself only; empty = any device of the tenant */
    bool provision;       /* may make devices */
};

struct sh_gate_target {
    uint32_t point;
    sh_err why; /* of SH_GATE_NOT_NOW: SH_E_LIMIT the journal's queue is full; SH_E_FULL, SH_E_IO
                   ... */
    enum sh_type type;
    const struct sh_scale *scale; /* valid while sh_points_generation is the same */
    uint32_t raw_point;
};
struct sh_gate_name {
    struct sh_str device;
    struct sh_str property;
    const struct sh_gate_label *labels;
    size_t nlabels;
    enum sh_type type;  /* of the first value; 0 = do not make a point */
    bool number_is_f64; /* JSON, CSV: a number makes an f64 point */
    bool event;         /* property is an event's (SH_POINT_EVENT): no other sample may use it */
};
/* The point behind a name. detail gets words for a refusal. */
enum sh_gate_refusal sh_gate_point(struct sh_gate *g, const struct sh_gate_who *who,
                                   const struct sh_gate_name *name, struct sh_gate_target *out,
                                   char detail[160]);

/* Limits for times now: decoders refuse samples outside. */
int64_t sh_gate_min_time(const struct sh_gate *g);
int64_t sh_gate_max_time(const struct sh_gate *g);

/* Another max_future_us. Any thread. */
void sh_gate_set_max_future(struct sh_gate *g, int64_t us);

/* Late samples of each device are told as an event of it, SH_GATE_LATE_EVENT: {"from","to" (RFC
 * 3339, times of the samples), "samples", "delay" (seconds, the longest)}, when they have come for
 * ten seconds, and not more often than every ten minutes. What is older than 30 days was brought in
 * and is not late. Another late_us. Any thread. */
#define SH_GATE_LATE_EVENT SH_STR("late-data")
void sh_gate_set_late(struct sh_gate *g, int64_t us);
/* Tells what is due; each second, and with `all` at the end. One thread. */
void sh_gate_tell_late(struct sh_gate *g, bool all);

/* The disk's last mark was passed (disk.h), or is no longer: samples are refused with SH_E_FULL
 * until then. Edits are not. Any thread. */
void sh_gate_close(struct sh_gate *g, bool closed);
bool sh_gate_closed(const struct sh_gate *g);
/* May samples come in at all? SH_E_FULL (counted as a refused batch): closed. For those who decode
 * first and make devices and points on the way. */
SH_MUST_CHECK sh_err sh_gate_admit(struct sh_gate *g);

/* Takes a batch whose rows were resolved for `tenant`: seals and journals it. done (may be NULL) is
 * called exactly once when SH_OK was returned: err as in sh_journal_done. SH_E_LIMIT back-pressure
 * or the tenant's rate (*wait_us, may be NULL, then says how long), SH_E_FULL disk or closed gate,
 * SH_E_NOMEM, SH_E_CLOSED; then nothing was taken and done is not called. An empty batch is
 * SH_E_INVAL. */
SH_MUST_CHECK sh_err sh_gate_submit(struct sh_gate *g, uint32_t tenant, const struct sh_batch *b,
                                    sh_journal_done *done, void *ctx, int64_t *wait_us);
/* The same for samples that were encoded already: their blocks are what is journalled and kept.
 * Keeps a reference of its own. */
SH_MUST_CHECK sh_err sh_gate_submit_pack(struct sh_gate *g, uint32_t tenant, struct sh_pack *p,
                                         sh_journal_done *done, void *ctx, int64_t *wait_us);
/* A correction, deletion or withdrawal (history.h), journalled the same way. */
SH_MUST_CHECK sh_err sh_gate_edit(struct sh_gate *g, const struct sh_history_edit *e,
                                  sh_journal_done *done, void *ctx);

/* At the start, after the journal's replay (which leaves the live picture empty) and before
 * sh_journal_start: fills it from history, in one pass. An error: it is not whole. */
SH_MUST_CHECK sh_err sh_gate_load_latest(struct sh_gate *g);
/* After an edit's done: the live picture of these points follows. Any thread. */
void sh_gate_edited(struct sh_gate *g, const uint32_t *points, size_t n);

struct sh_gate_stats {
    uint64_t samples; /* accepted and applied */
    uint64_t encoded; /* among them, those of packs */
    uint64_t batches;
    uint64_t refused_rate; /* batches */
    uint64_t refused_full;
    uint64_t refused_busy;
    uint64_t failed;      /* batches whose commit failed */
    uint64_t late_missed; /* late samples of which no event tells: too many devices at once */
};
void sh_gate_stats(const struct sh_gate *g, struct sh_gate_stats *out);

#endif /* SH_GATE_H */
