/* poller.h - the helper for request/reply protocols: turns "make this request" and "read this
 * reply" into the step() of drv.h. It keeps the schedule of read groups, the queue of writes, the
 * requests in flight with their deadlines, half frames, and each device's patience: a device that
 * does not answer is asked rarely, so that it cannot starve its neighbours on the line.
 *
 * Embedded in the driver's instance; one thread; all memory through the allocator of init.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_POLLER_H
#define SH_POLLER_H

#include <sh/drv.h>

enum {
    SH_POLL_FLIGHTS = 16,      /* largest max_in_flight */
    SH_POLL_WRITES = 64,       /* queued writes of a channel */
    SH_POLL_WRITE_BYTES = 256, /* longest text of a write */
    SH_POLL_GROUPS = 16384,    /* read groups of a channel */
    SH_POLL_SICK_AFTER = 3     /* time-outs in a row until a device counts as not answering */
};
#define SH_POLL_NONE UINT32_MAX

/* One read group: what one request fetches. The protocol keeps the meaning under the same index. */
struct sh_poll_group {
    uint32_t device;
    uint32_t period_ms;
};

/* A write in the queue or in flight (copied, so that nothing is borrowed). */
struct sh_poll_write {
    uint64_t id;
    uint32_t tag;
    uint32_t device;
    enum sh_type type;
    union sh_cell value;
    int64_t deadline_us;
    uint32_t text_len;
    uint8_t text[SH_POLL_WRITE_BYTES];
};

/* One request in flight. */
struct sh_poll_flight {
    bool used;
    bool is_write;
    uint16_t txn;    /* given by the poller, unique among those in flight */
    uint32_t device; /* SH_POLL_NONE: of an old plan */
    uint32_t group;  /* reads; SH_POLL_NONE: of an old plan, deliver nothing */
    uint32_t note;   /* the protocol's own: set in request(), read in reply(); enough to */
    uint32_t note2;  /* recognise the reply without the plan */
    int64_t sent_us;
    int64_t deadline_us;
    struct sh_poll_write write; /* writes; its tag is SH_POLL_NONE when of an old plan */
};

/* What reply() found at the front of the input. */
struct sh_poll_frame {
    size_t used;               /* bytes to take away: more than 0 with SH_OK */
    uint32_t flight;           /* slot of the request it answers; SH_POLL_NONE: none (late, foreign,
                                * duplicate, noise) */
    enum sh_drv_result result; /* DONE, REFUSED, GARBLED, NO_ANSWER (a gateway's word) */
    const char *code;          /* static; REFUSED and GARBLED */
    const char *words;
    bool again; /* reads: ask the same group again at once (it is fetched in parts) */
};

struct sh_poller_ops {
    /* Appends the request of f (a group, or f->write) to out.
     *   SH_E_INVAL  a write that cannot be done (reason in *words, static): it is answered so, the
     *               line goes on
     *   SH_E_LIMIT  out is full: asked again later
     * Any other error ends the step. On an error out is unchanged. */
    sh_err (*request)(void *self, struct sh_poll_flight *f, struct sh_drv_out *out,
                      const char **words);
    /* Reads one reply at the front of `in` and, when it answers a read, appends its samples.
     *   SH_OK       *frame filled; frame->used bytes are taken away
     *   SH_E_AGAIN  need more
     *   SH_E_PROTO  the stream cannot be understood any more: reconnect */
    sh_err (*reply)(void *self, struct sh_bytes in, const struct sh_poll_flight *flights,
                    uint32_t n_flights, struct sh_poll_frame *frame, struct sh_drv_out *out);
};

struct sh_poller_opts {
    uint32_t max_in_flight; /* 1..SH_POLL_FLIGHTS */
    uint32_t timeout_ms;    /* of one request */
    uint32_t gap_ms;        /* pause between a reply and the next request */
    uint32_t sick_ms;       /* how often a device that does not answer is asked */
    uint32_t quiet_ms;      /* after a time-out: input is thrown away and nothing is sent for so
                             * long, for protocols whose replies carry no transaction id; or 0 */
    uint32_t dead_after;    /* time-outs in a row, without any good frame, until reconnect; or 0 */
    uint32_t max_input;     /* longest frame */
};

struct sh_poller_dev; /* private */

struct sh_poller {
    const struct sh_poller_ops *ops;
    void *self;
    const struct sh_alloc *alloc;
    struct sh_poller_opts opts;
    struct sh_buf in;
    const struct sh_poll_group *groups; /* borrowed from the protocol */
    int64_t *due_us;                    /* per group */
    struct sh_poller_dev *devs;
    struct sh_poll_flight *flights; /* max_in_flight slots */
    struct sh_poll_write *writes;   /* ring of SH_POLL_WRITES, made with the first write */
    uint32_t n_groups;
    uint32_t n_devices;
    uint32_t write_head;
    uint32_t n_writes;
    uint32_t n_flights;
    uint32_t silent; /* time-outs in a row without any good frame */
    uint16_t txn;
    bool open;
    bool quiet;      /* input is thrown away until hold_us */
    int64_t hold_us; /* nothing is sent before */
    uint64_t stray;  /* frames that answered nothing */
};

/* ops and self are borrowed for the poller's life. SH_E_INVAL: opts; SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_poller_init(struct sh_poller *p, const struct sh_poller_ops *ops,
                                    void *self, const struct sh_alloc *alloc,
                                    const struct sh_poller_opts *opts);
void sh_poller_fini(struct sh_poller *p);
/* Takes the groups of a (new) plan; borrowed until the next call. Reads in flight of the old plan
 * deliver nothing; queued writes are answered NOT_SENT; a write in flight keeps its answer.
 * out: NULL before the first step. On an error the old plan stays. */
SH_MUST_CHECK sh_err sh_poller_plan(struct sh_poller *p, const struct sh_poll_group *groups,
                                    uint32_t n_groups, uint32_t n_devices, struct sh_drv_out *out);
/* The driver's step() for every event but SH_DRV_WRITE. For SH_DRV_PLAN_NEW call sh_poller_plan
 * first; the step only schedules then. */
SH_MUST_CHECK sh_err sh_poller_step(struct sh_poller *p, int64_t now_us, const struct sh_drv_in *in,
                                    struct sh_drv_out *out);
/* SH_DRV_WRITE, with the device of its tag. Every write gets exactly one result. */
SH_MUST_CHECK sh_err sh_poller_write(struct sh_poller *p, int64_t now_us,
                                     const struct sh_drv_write *w, uint32_t device,
                                     struct sh_drv_out *out);
/* Makes a group due at once (a value was written: read it back). */
void sh_poller_due(struct sh_poller *p, uint32_t group);

#endif /* SH_POLLER_H */
