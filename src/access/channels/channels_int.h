/* channels_int.h - what the files of the engine share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CHANNELS_INT_H
#define SH_CHANNELS_INT_H

#include <sh/channels.h>

enum {
    CHAN_SILENT_AFTER = 3,    /* requests without an answer until a device counts as offline */
    CHAN_OUT_MAX = 64 * 1024, /* bytes that one step may send */
    CHAN_ROWS = 4096,         /* rows handed to the sink at once */
    CHAN_TEXT = 256 * 1024,
    CHAN_GUEST_SILENT_MS = 30000, /* a connection that says nothing */
    CHAN_GUEST_WAIT_MS = 1000,    /* after bytes that nobody knows */
    CHAN_AWAIT_MS = 5000,         /* until a DTU that has not come counts as missing */
    CHAN_LISTEN_RETRY_MS = 10000
};

struct chan_wire;
struct chan_listener;

/* A configuration in memory of our own, with what the driver needs of it. Replaced as a whole. */
struct chan_plan {
    struct sh_arena *arena;
    struct sh_channel_config cfg;
    struct sh_channel_device *devices; /* the same as cfg.devices, writable */
    struct sh_drv_device *drv_devices; /* the same as drv.devices */
    struct sh_drv_plan drv;
    uint8_t *types; /* enum sh_type of each tag */
};

struct chan_device {
    struct sh_channel_device_info info;
    uint32_t silent;   /* requests without an answer in a row */
    bool told;         /* bad samples went out since the last answer */
    int64_t window_us; /* start of the counting window of requests */
    uint32_t window_n;
};

struct sh_channel {
    struct sh_channels *e;
    struct chan_plan *plan;
    struct chan_device *devs;
    const struct sh_driver *driver;
    void *inst;
    struct chan_wire *wire; /* OPEN */
    void *dial;             /* DIALING */
    struct chan_listener *ln;
    struct sh_channel *ln_next;
    struct sh_timer timer; /* WAITING: next try; AWAITING: missing; OPEN: the driver's */
    uint32_t backoff_ms;
    struct sh_channel_info info; /* id and driver point into the plan */
};

/* One connection. Lives until its stream's on_close, also when nobody wants it any more. */
struct chan_wire {
    const struct sh_alloc *alloc;
    struct sh_channels *e; /* NULL: given up, waits for on_close */
    struct sh_channel *c;  /* NULL: a guest */
    struct sh_stream *s;
    struct sh_addr peer;
    struct chan_listener *ln; /* guests */
    struct chan_wire *next;   /* guests */
    struct chan_wire **prev;
    struct sh_timer timer; /* guests */
    uint8_t n;             /* guests: bytes seen */
    uint8_t packet[SH_CHANNEL_REG_MAX];
};

struct chan_listener {
    struct sh_channels *e;
    struct chan_listener *next;
    struct sh_channel *channels;
    void *h; /* NULL: could not be opened, timer retries */
    struct sh_timer timer;
    uint16_t port;
    char address[SH_ADDR_CHARS];
    char words[SH_CHANNEL_WORDS];
};

struct chan_pending {
    struct chan_pending *next;
    struct sh_channel *c; /* NULL once it has its result */
    uint64_t id;
    void (*done)(void *ctx, enum sh_drv_result r, const char *words);
    void *ctx;
    enum sh_drv_result result;
    char words[SH_CHANNEL_WORDS];
};

struct sh_channels {
    struct sh_channels_opts o;
    const struct sh_env *env;
    struct sh_loop *loop;
    struct sh_map by_id; /* id -> struct sh_channel */
    struct chan_listener *listeners;
    struct chan_wire *guests;
    uint32_t n_guests;
    struct chan_pending *pending; /* waiting for the driver */
    struct chan_pending *done;    /* results on their way, in no order */
    uint32_t n_pending;
    uint64_t next_write;
    struct sh_job done_job;
    struct sh_buf bytes;          /* scratch of one step */
    struct sh_batch_builder rows; /* scratch of one step */
    struct sh_channel_unknown *unknown;
    uint32_t n_unknown;
    uint64_t rng;
};

/* plan.c */
SH_MUST_CHECK sh_err chan_plan_new(struct sh_channels *e, const struct sh_driver *d,
                                   const struct sh_channel_config *cfg, struct sh_diag *diag,
                                   struct chan_plan **out);
void chan_plan_free(struct sh_channels *e, struct chan_plan *p); /* NULL is accepted */
/* True when b needs another connection than a. */
bool chan_plan_link_differs(const struct chan_plan *a, const struct chan_plan *b);

/* channel.c: the life of one channel */
void chan_start(struct sh_channel *c);
/* Ends whatever it does, without samples or callbacks to the sink. */
void chan_stop(struct sh_channel *c);
/* The connection is there. */
void chan_opened(struct sh_channel *c, struct chan_wire *w);
/* The connection is lost or must go; the channel tries again. */
void chan_lost(struct sh_channel *c, const char *words);
size_t chan_bytes(struct sh_channel *c, struct sh_bytes in);
/* Runs the driver; an error of it ends the connection and is returned. */
sh_err chan_step(struct sh_channel *c, const struct sh_drv_in *in);
/* Sends bad samples for the tags of all devices that were not told yet. */
void chan_tell_bad(struct sh_channel *c, uint8_t quality, const char *words);
void chan_timer(void *ctx);
void chan_set_state(struct sh_channel *c, enum sh_channel_state s, const char *words);

/* dtu.c: connections and listeners */
SH_MUST_CHECK sh_err chan_wire_new(struct sh_channels *e, struct sh_stream *s,
                                   struct chan_wire **out);
/* Closes the stream; nobody hears of it any more. */
void chan_wire_drop(struct chan_wire *w);
SH_MUST_CHECK sh_err chan_listen(struct sh_channel *c);
void chan_unlisten(struct sh_channel *c);
void chan_guests_drop(struct sh_channels *e, const struct chan_listener *ln); /* NULL: all */

/* channels.c */
void chan_write_result(struct sh_channels *e, uint64_t id, enum sh_drv_result r, const char *words);
/* info.c */
void chan_count(struct sh_channel *c, const struct sh_drv_exchange *x);
const struct sh_channel_net_ops *chan_net_real(void);

static inline int64_t chan_now(const struct sh_channels *e)
{
    return sh_loop_now_us(e->loop);
}
static inline int64_t chan_wall(const struct sh_channels *e)
{
    return sh_loop_wall_us(e->loop);
}
uint32_t chan_random(struct sh_channels *e, uint32_t below); /* below > 0 */

#endif /* SH_CHANNELS_INT_H */
