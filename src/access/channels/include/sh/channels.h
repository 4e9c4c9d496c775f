/* channels.h - the engine behind field protocols: it owns the connections (dialled by us, or
 * dialled to us by DTUs), timers, back-off and limits, and runs one driver instance per channel.
 *
 * Everything here belongs to one loop and is called on its thread; callbacks come on it, never from
 * inside the call that caused them, except the sink's, which come while bytes are handled and must
 * not call back into this module (post instead).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CHANNELS_H
#define SH_CHANNELS_H

#include <sh/drv.h>
#include <sh/stream.h>

enum {
    SH_CHANNEL_WORDS = 128,
    SH_CHANNEL_REG_MAX = 64,     /* bytes of a registration or heart-beat packet */
    SH_CHANNEL_UNKNOWN_MAX = 64, /* DTUs remembered for acceptance */
    SH_CHANNEL_GUESTS_MAX = 1024 /* connections that have not said who they are */
};

/* ---- configuration ---- */

enum sh_channel_mode {
    SH_CHANNEL_DIAL,  /* we connect to host:port */
    SH_CHANNEL_LISTEN /* a DTU connects to our address:port and registers */
};

struct sh_channel_device {
    struct sh_str id;
    const json_t *config; /* of the driver's device schema, or NULL */
    uint32_t period_ms;   /* 0 = 1000 */
    bool writable;        /* false unless a named person enabled it */
};

struct sh_channel_tag {
    struct sh_str property; /* for the host; the engine does not look at it */
    struct sh_str address;
    uint32_t device;
    uint32_t period_ms; /* 0 = the device's */
};

struct sh_channel_config {
    struct sh_str id;     /* unique */
    struct sh_str shown;  /* what answers call it; empty: the id */
    struct sh_str driver; /* "modbus" */
    bool enabled;
    enum sh_channel_mode mode;
    struct sh_str address;        /* DIAL "host:port"; LISTEN "address:port", may be shared */
    struct sh_bytes registration; /* LISTEN: the packet's bytes; empty: the first to connect */
    struct sh_bytes heartbeat; /* swallowed wherever a read begins or ends with it; may be empty */
    uint32_t connect_timeout_ms; /* 0 = 5000 */
    uint32_t backoff_min_ms;     /* 0 = 1000 */
    uint32_t backoff_max_ms;     /* 0 = 60000 */
    const json_t *options;       /* of the driver's channel schema, or NULL */
    const struct sh_channel_device *devices;
    uint32_t n_devices;
    const struct sh_channel_tag *tags;
    uint32_t n_tags;
};

/* Reads the JSON form of a channel (the API's and the starter pack's):
 *   {"id","driver","enabled",
 *    "config":{"mode":"dial|listen","address","registration":{"kind":"ascii|hex|imei","value"},
 *              "heartbeat":{"kind":"ascii|hex","value"},"connect_timeout_ms","backoff_min_ms",
 *              "backoff_max_ms","options":{driver's own}},
 *    "devices":[{"device","config":{},"period_ms","tags":[{"property","address","period_ms"}]}]}
 * Everything in *out lives in `arena` or in `doc`, which must both outlive it. Devices come out
 * with writable = false. SH_E_INVAL with diag (path = JSON pointer, message, remedy), SH_E_NOMEM.
 */
SH_MUST_CHECK sh_err sh_channel_config_parse(const json_t *doc, struct sh_arena *arena,
                                             struct sh_channel_config *out, struct sh_diag *diag);

/* ---- the engine ---- */

struct sh_channels;
struct sh_channel; /* opaque handle; valid until removed */

enum sh_comm_state {
    SH_COMM_NEVER,  /* has not answered since it was configured */
    SH_COMM_ONLINE, /* answers, if only with an error of the protocol */
    SH_COMM_OFFLINE /* connection lost, or three requests in a row without an answer */
};

struct sh_channel_sink_ops {
    /* Rows of one channel: the point column holds tag indices of its configuration, times are set.
     * Borrowed for the call. An error means the rows were not taken: they are counted as dropped.
     */
    sh_err (*samples)(void *ctx, void *user, const struct sh_batch *b);
    /* A device came or went. words: why, "" when it came. */
    void (*device_state)(void *ctx, void *user, uint32_t device, enum sh_comm_state state,
                         int64_t wall_us, const char *words);
};

/* How connections are made; NULL members are not allowed. For tests: the engine uses net by itself.
 */
struct sh_channel_net_ops {
    /* Exactly one of h's callbacks follows (asynchronously) unless cancelled. */
    sh_err (*dial)(void *ctx, const struct sh_connect_opts *o, const struct sh_connect_handler *h,
                   void *hctx, void **handle);
    void (*cancel)(void *ctx, void *handle);
    sh_err (*listen)(void *ctx, const struct sh_listen_opts *o,
                     void (*on_accept)(void *actx, struct sh_stream *s), void *actx,
                     struct sh_diag *diag, void **listener);
    void (*unlisten)(void *ctx, void *listener);
};

struct sh_channels_opts {
    struct sh_loop *loop;
    const struct sh_driver *const *drivers; /* ended by NULL; borrowed */
    const struct sh_channel_sink_ops *sink;
    void *sink_ctx;
    uint32_t max_channels;                /* 0 = 10000 */
    uint32_t max_writes;                  /* pending over all channels; 0 = 1024 */
    const struct sh_channel_net_ops *net; /* NULL = the real network */
    void *net_ctx;
};

SH_MUST_CHECK sh_err sh_channels_new(const struct sh_channels_opts *o, struct sh_channels **out);
/* Closes every connection; pending writes are answered (LOST) first. The loop must be turned
 * afterwards until the streams have closed (sh_loop_settle). NULL is accepted. */
void sh_channels_free(struct sh_channels *e);

/* Creates a channel or changes it. The configuration is copied. A change of devices, tags, periods
 * or write permission only becomes a new plan on the open connection; any other change reconnects.
 * user: given to the sink. *out may be NULL. On an error nothing was changed: SH_E_NOTFOUND
 * (driver), SH_E_INVAL (diag), SH_E_LIMIT, SH_E_NOMEM, SH_E_EXISTS (two channels of one listener
 * with the same registration). A listener that cannot be opened now is retried; its channel says
 * why. */
SH_MUST_CHECK sh_err sh_channels_put(struct sh_channels *e, const struct sh_channel_config *cfg,
                                     void *user, struct sh_diag *diag, struct sh_channel **out);
/* SH_E_NOTFOUND. Pending writes are answered. No sink call for it follows. */
SH_MUST_CHECK sh_err sh_channels_remove(struct sh_channels *e, struct sh_str id);
struct sh_channel *sh_channels_find(const struct sh_channels *e, struct sh_str id);
/* Walks all channels: start with *it = 0; NULL at the end. */
struct sh_channel *sh_channels_next(const struct sh_channels *e, size_t *it);

/* Read-only access is the default: allows or forbids writing to one device. Forbidding always
 * works; SH_E_NOTFOUND, and when allowing SH_E_NOMEM (it stays forbidden, the channel reconnects).
 */
SH_MUST_CHECK sh_err sh_channel_set_writable(struct sh_channel *c, uint32_t device, bool writable);

struct sh_channel_write {
    uint32_t tag;
    enum sh_type type;
    union sh_cell value;  /* bool, i64, f64 */
    struct sh_bytes text; /* text; borrowed for the call */
    int64_t timeout_us;   /* until it must have been sent; 0 = 5 s */
    /* Exactly once, later. words: one English sentence or "", borrowed. */
    void (*done)(void *ctx, enum sh_drv_result r, const char *words);
    void *ctx;
};
/* SH_E_DENIED: the device is read-only; SH_E_NOTFOUND: tag; SH_E_STATE: not connected; SH_E_LIMIT.
 * Then done is not called. */
SH_MUST_CHECK sh_err sh_channel_write(struct sh_channel *c, const struct sh_channel_write *w);

/* ---- what it looks like from outside ---- */

enum sh_channel_state {
    SH_CHANNEL_OFF,     /* not enabled */
    SH_CHANNEL_WAITING, /* back-off before the next try */
    SH_CHANNEL_DIALING,
    SH_CHANNEL_AWAITING, /* LISTEN: the DTU has not registered */
    SH_CHANNEL_OPEN
};
const char *sh_channel_state_name(enum sh_channel_state s);
const char *sh_comm_state_name(enum sh_comm_state s); /* "never" "online" "offline" */

struct sh_channel_info {
    struct sh_str id;
    struct sh_str driver;
    void *user;
    enum sh_channel_state state;
    int64_t since_us;             /* wall time of the last change of state */
    int64_t retry_at_us;          /* WAITING: wall time of the next try, else 0 */
    char words[SH_CHANNEL_WORDS]; /* why it is not open, or "" */
    struct sh_addr peer;          /* OPEN */
    uint32_t n_devices;
    uint32_t n_tags;
    uint64_t connects; /* connections made so far */
    uint64_t dial_errors;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t samples;
    uint64_t dropped;    /* samples the sink did not take */
    uint64_t heartbeats; /* swallowed */
};
void sh_channel_info(const struct sh_channel *c, struct sh_channel_info *out);

struct sh_channel_device_info {
    struct sh_str id;
    enum sh_comm_state state;
    int64_t since_us;
    bool writable;
    uint64_t requests; /* finished, in all */
    uint64_t ok;       /* answered without an error */
    uint64_t refused;  /* answered with an error of the protocol */
    uint64_t timeouts;
    uint64_t garbled;
    int64_t rtt_last_us;
    int64_t rtt_avg_us; /* moving average, the newest counts 1/8 */
    int64_t rtt_max_us;
    double requests_per_s; /* our share of the device, over the last ten seconds or so */
    int64_t last_error_us; /* wall time, 0 = none */
    char last_error[SH_CHANNEL_WORDS];
};
/* SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_channel_device_info(const struct sh_channel *c, uint32_t device,
                                            struct sh_channel_device_info *out);

/* The same as JSON values for the API: the `state` of a channel (with "devices":[...]), and one
 * device as GET devices/{id}/connection gives it. Times are RFC 3339, durations milliseconds. */
void sh_channel_write_state(const struct sh_channel *c, struct sh_jw *w);
void sh_channel_write_device(const struct sh_channel *c, uint32_t device, struct sh_jw *w);

/* A DTU that registered with something no channel knows. */
struct sh_channel_unknown {
    struct sh_addr peer;
    uint16_t listen_port;
    int64_t first_us;
    int64_t last_us;
    uint64_t times;
    uint8_t n; /* bytes of `packet` */
    uint8_t packet[SH_CHANNEL_REG_MAX];
};
/* Newest last; NULL beyond the end. Copied out by the caller at once. */
const struct sh_channel_unknown *sh_channels_unknown(const struct sh_channels *e, uint32_t index);
void sh_channels_forget_unknown(struct sh_channels *e);

#endif /* SH_CHANNELS_H */
