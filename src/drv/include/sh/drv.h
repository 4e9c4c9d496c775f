/* drv.h - the seam of a field protocol: a driver is a sans-I/O state machine over one channel.
 *
 * A channel is one byte road (a TCP connection that we dial or that a DTU dials to us, a serial
 * line) behind which one or more devices answer. The engine (access/channels) owns sockets, timers,
 * back-off and memory; the driver turns a plan of tags into bytes and bytes into samples. It never
 * blocks, never reads a clock, never allocates but through the allocator it was given.
 *
 * One instance belongs to one channel and is used from that channel's loop thread only. Two
 * instances never share a byte: a driver has no statics. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_DRV_H
#define SH_DRV_H

#include <sh/value.h>

enum {
    SH_DRV_ABI = 1,
    SH_DRV_MAX_TAGS = 100000, /* a channel */
    SH_DRV_MAX_DEVICES = 1024,
    SH_DRV_WORDS = 96 /* longest explanation, with its NUL */
};

/* One device behind a channel. `config` is checked by the driver's device schema; borrowed. */
struct sh_drv_device {
    struct sh_str name;   /* for words only */
    const json_t *config; /* object, or NULL for defaults */
    uint32_t period_ms;   /* poll period of tags that do not say one; at least 10 */
    bool writable;        /* false (the default everywhere): the driver refuses every write */
};

/* One tag: an address of a device. Its index in the plan is its name on this seam. */
struct sh_drv_tag {
    struct sh_str address;
    uint32_t device;    /* index of its device */
    uint32_t period_ms; /* 0 = the device's */
};

/* What the channel is to read. Owned by the engine; lives until step() with SH_DRV_PLAN for the
 * next plan returns, or fini. */
struct sh_drv_plan {
    const struct sh_drv_device *devices;
    const struct sh_drv_tag *tags;
    uint32_t n_devices;
    uint32_t n_tags;
};

enum sh_drv_event {
    SH_DRV_OPENED,   /* the channel is up: nothing of an earlier connection is valid any more */
    SH_DRV_BYTES,    /* `bytes` arrived on a stream */
    SH_DRV_DATAGRAM, /* `bytes` is one datagram */
    SH_DRV_CLOSED,   /* the channel is down; requests in flight are lost */
    SH_DRV_TIMER,    /* the time asked for by sh_drv_out_timer has come */
    SH_DRV_PLAN_NEW, /* `plan` replaces the last one; the connection stays */
    SH_DRV_WRITE     /* `write` is to be done */
};

struct sh_drv_write {
    uint64_t id; /* echoed in the result */
    uint32_t tag;
    enum sh_type type;
    union sh_cell value;  /* bool, i64, f64 */
    struct sh_bytes text; /* text, blob: borrowed for the call */
    int64_t deadline_us;  /* monotonic; not sent after it */
};

struct sh_drv_in {
    enum sh_drv_event event;
    struct sh_bytes bytes;            /* BYTES, DATAGRAM: borrowed for the call */
    const struct sh_drv_plan *plan;   /* PLAN_NEW */
    const struct sh_drv_write *write; /* WRITE: borrowed for the call */
};

/* How a write, or one exchange with a device, ended. */
enum sh_drv_result {
    SH_DRV_DONE,      /* the device said yes (or answered a read) */
    SH_DRV_REFUSED,   /* the device answered with an error of the protocol */
    SH_DRV_NO_ANSWER, /* no reply in time; a write that was sent may have happened */
    SH_DRV_LOST,      /* the channel closed; a write that was sent may have happened */
    SH_DRV_NOT_SENT,  /* deadline passed, queue full or channel down before it was sent */
    SH_DRV_INVALID,   /* value or address cannot be written; never sent */
    SH_DRV_GARBLED    /* the reply was not what was asked for */
};
const char *sh_drv_result_name(enum sh_drv_result r); /* "done", "refused", ...; never NULL */

/* One exchange with a device, for its counters and its state. */
struct sh_drv_exchange {
    uint32_t device;
    enum sh_drv_result result;
    int64_t rtt_us;    /* DONE and REFUSED */
    const char *code;  /* stable word of the reason ("modbus_02"), or NULL; static storage */
    const char *words; /* one English sentence, or NULL; borrowed for the call */
};

/* What the engine does with a driver's output. Implemented by the engine (and by tests); every call
 * happens inside step(). */
struct sh_drv_out_ops {
    /* Makes room in `samples`: hands the rows on and clears. SH_OK, or an error that step returns.
     */
    sh_err (*flush)(void *ctx);
    void (*write_result)(void *ctx, uint64_t id, enum sh_drv_result r, const char *words);
    void (*exchange)(void *ctx, const struct sh_drv_exchange *x);
};

/* Output of one step. The engine prepares it; drivers use the functions below only. Rows of
 * `samples` carry the tag index in the point column; without a source time they get receipt_us. */
struct sh_drv_out {
    struct sh_buf *bytes; /* to be sent, in order */
    struct sh_batch_builder *samples;
    const struct sh_drv_out_ops *ops;
    void *ctx;
    int64_t receipt_us; /* wall time of this step */
    int64_t timer_us;   /* monotonic; INT64_MAX = none. Replaces the last one at each step. */
    bool reconnect;
    char reason[SH_DRV_WORDS];
};

/* Appends bytes to send. SH_E_LIMIT when the channel's send buffer is full (nothing appended). */
SH_MUST_CHECK sh_err sh_drv_out_bytes(struct sh_drv_out *out, const void *p, size_t n);
/* Appends a sample of `tag`. source_us = 0: the protocol has no time, the engine takes the time of
 * receipt. The type must be the one that check_address named. */
SH_MUST_CHECK sh_err sh_drv_out_sample(struct sh_drv_out *out, uint32_t tag, int64_t source_us,
                                       enum sh_type type, union sh_cell value, uint8_t quality);
SH_MUST_CHECK sh_err sh_drv_out_text(struct sh_drv_out *out, uint32_t tag, int64_t source_us,
                                     enum sh_type type, struct sh_bytes value, uint8_t quality);
/* Asks for SH_DRV_TIMER at or after the earliest time asked for in this step. */
void sh_drv_out_timer(struct sh_drv_out *out, int64_t at_us);
void sh_drv_out_write_result(struct sh_drv_out *out, uint64_t id, enum sh_drv_result r,
                             const char *words);
void sh_drv_out_exchange(struct sh_drv_out *out, const struct sh_drv_exchange *x);
/* Asks the engine to close the connection and dial again with back-off. The first reason stays. */
void sh_drv_out_reconnect(struct sh_drv_out *out, const char *fmt, ...) SH_PRINTF(2, 3);

/* What an address means: filled by check_address on SH_OK. */
struct sh_drv_address {
    enum sh_type type;  /* of the samples it gives */
    bool writable;      /* the protocol can write it (the device must be enabled besides) */
    char canonical[64]; /* the same address in its normal form, NUL-terminated */
};

/* Why an address was refused: a stable code for translation, the place, and what to type instead.
 */
struct sh_drv_addr_error {
    const char *code; /* "modbus.type_unknown"; static storage */
    uint32_t column;  /* 0-based byte where the wrong part begins */
    uint32_t len;     /* its length in bytes, 0 = something is missing there */
    char message_en[160];
    char message_zh[160];
    char remedy_en[160];
    char remedy_zh[160];
};

struct sh_driver {
    uint32_t abi;       /* SH_DRV_ABI; members are only ever appended */
    uint32_t inst_size; /* the engine allocates and zeroes this much per channel */
    const char *name;   /* stable id, also the configuration word: "modbus" */
    const char *title_zh;
    const char *title_en;
    /* JSON Schema 2020-12 texts: validate configuration and render the console's forms. */
    const char *channel_schema;
    const char *device_schema;
    const char *point_schema;
    uint32_t max_request_bytes; /* longest frame it sends: sizes the engine's send buffer */
    /* Checks configuration and compiles the plan. config: the channel's object or NULL, borrowed
     * for the call; alloc and plan: borrowed for the life of the instance. On error nothing is held
     * (fini is not called). SH_E_INVAL with diag (path "channel/timeout_ms", "devices/0/unit",
     * "tags/3/address"), SH_E_NOMEM, SH_E_LIMIT. */
    sh_err (*init)(void *self, const struct sh_alloc *alloc, const json_t *config,
                   const struct sh_drv_plan *plan, struct sh_diag *diag);
    /* One event in, any output out. Returns SH_OK, or an error after which the engine closes the
     * channel, bad-marks its tags and dials again: SH_E_PROTO, SH_E_NOMEM, SH_E_LIMIT. Peer's bytes
     * never crash it. A bad plan in PLAN_NEW cannot happen: the engine tried it with init first. */
    sh_err (*step)(void *self, int64_t now_us, const struct sh_drv_in *in, struct sh_drv_out *out);
    void (*fini)(void *self);
    /* Checks one address as it is typed. device_config may be NULL. SH_OK fills *out; SH_E_INVAL
     * fills *why. Both may be NULL. Pure, any thread. */
    sh_err (*check_address)(struct sh_str address, const json_t *device_config,
                            struct sh_drv_address *out, struct sh_drv_addr_error *why);
};

/* True when the table is complete and of this abi. */
bool sh_driver_usable(const struct sh_driver *d);

#endif /* SH_DRV_H */
