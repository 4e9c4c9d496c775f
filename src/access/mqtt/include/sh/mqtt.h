/* mqtt.h - the MQTT server: broker engine, its seams, and what the platform asks of it.
 *
 * The engine is sans-I/O: it is given bytes, the time and memory, and calls back through tables of
 * functions. One thread at a time is inside: with one loop every function here is called from its
 * thread; with several, who calls any of them has entered the broker (mqtt_broker_enter), and every
 * callback comes inside of such a call. Nothing here blocks, but to enter may wait for some
 * microseconds.
 * Topic trees: each tenant has its own (filters, retained messages, shared groups, $SYS, wills). A
 * session's key is (tenant, principal, client id), so a foreign client id is never a takeover.
 * Specifications: OASIS MQTT 3.1.1 (2014-10-29) and 5.0 (2019-03-07).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MQTT_H
#define SH_MQTT_H

#include <stdatomic.h>

#include <sh/base.h>

struct mqtt_broker;
struct mqtt_conn;
struct sh_peer_cert;

/* ---- who: identity and permissions (composed with guard in main) ------------------------------
 */

enum {
    MQTT_P_GATEWAY = 1,      /* a device that may speak for others: v1/gateway/... */
    MQTT_P_NO_TELEMETRY = 2, /* messaging only (anonymous): nothing goes to the telemetry seam */
    MQTT_P_NO_RESUME = 4     /* what it subscribed to before it may not have now: a session that is
                                there ends, and a new one begins */
};

/* Made by auth->connect, given back by auth->release. The engine keeps it while the connection, its
 * session's will or a message in hand needs it, and never changes it. */
struct mqtt_principal {
    uint32_t tenant;      /* tenant id, > 0; names the topic tree */
    uint32_t flags;       /* MQTT_P_* */
    uint64_t id;          /* principal id, stable over restarts (part of the session's key) */
    struct sh_str name;   /* for people: lists and logs */
    struct sh_str device; /* device id, or empty when it is not a device */
};

struct mqtt_connect_req {
    struct sh_str client_id; /* empty when the server assigns it */
    bool has_user;
    bool has_password;
    struct sh_str user;
    struct sh_bytes password;
    const struct sh_peer_cert *peer_cert; /* of TLS (sh/stream.h), or NULL */
    struct sh_str address;                /* "ip:port" of the peer */
    bool loopback;                        /* the peer's address is a loopback address */
    uint16_t listener;                    /* number given by the host to mqtt_conn_new */
};

enum mqtt_auth_result {
    MQTT_AUTH_OK,
    MQTT_AUTH_BAD_CREDENTIALS, /* 5.0: 0x86, 3.1.1: 4 */
    MQTT_AUTH_NOT_AUTHORISED,  /* 5.0: 0x87, 3.1.1: 5 */
    MQTT_AUTH_BANNED,          /* 5.0: 0x8A, 3.1.1: 5 */
    MQTT_AUTH_QUOTA,           /* 5.0: 0x97, 3.1.1: 3 (the tenant has too many connections) */
    MQTT_AUTH_BUSY             /* 5.0: 0x89, 3.1.1: 3 (try again later) */
};

/* p: taken by the engine on MQTT_AUTH_OK (released through auth->release), NULL else. Called
 * exactly once for each connect(), inside connect() or later (by who has entered the broker). */
typedef void mqtt_auth_done(void *token, enum mqtt_auth_result r, struct mqtt_principal *p);

struct mqtt_auth_ops {
    /* Asks who this is. `req` and what it points to is borrowed for the call (copy what a worker
     * needs). The engine may have lost the connection when done comes; it takes that into account.
     */
    void (*connect)(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                    void *token);
    void (*release)(void *ctx, struct mqtt_principal *p);
    /* Asked for topics that are not the device's own (mqtt_own_topic is allowed without asking).
     * In memory and fast. A filter is given without its $share/<group>/ part. */
    bool (*may_publish)(void *ctx, const struct mqtt_principal *p, struct sh_str topic);
    bool (*may_subscribe)(void *ctx, const struct mqtt_principal *p, struct sh_str filter);
    void *ctx;
};

/* True when topic or filter lies below the device's own topics: sh/v1/<device>/...,
 * v1/devices/me/... and, for gateways, v1/gateway/... (device percent-encoded as in topics). */
bool mqtt_own_topic(const struct mqtt_principal *p, struct sh_str topic);
/* Appends a device id as it stands in topics: / + # % and control characters percent-encoded. */
SH_MUST_CHECK sh_err mqtt_topic_put_device(struct sh_buf *out, struct sh_str device);

/* "me" topics. What a device says on v1/devices/me/X or v1/gateway/X is, in the tenant's tree, the
 * topic v1/devices/<device>/X or v1/gateways/<device>/X; a device subscribed to v1/devices/me/X
 * gets what is published to v1/devices/<device>/X, with "me" in its place. So two devices of a
 * tenant never see each other, and the platform reaches one device by its own topic. */

/* ---- telemetry ----------------------------------------------------------------------------------
 */

enum mqtt_layout {
    MQTT_L_NONE,         /* ordinary message */
    MQTT_L_SH_TELEMETRY, /* sh/v1/<device>/telemetry */
    MQTT_L_SH_ATTR,      /* sh/v1/<device>/attr */
    MQTT_L_SH_EVENT,     /* sh/v1/<device>/event/<id> */
    MQTT_L_TB_TELEMETRY, /* v1/devices/me/telemetry */
    MQTT_L_TB_ATTR,      /* v1/devices/me/attributes */
    MQTT_L_TB_GW_TELEMETRY,
    MQTT_L_TB_GW_ATTR,
    MQTT_L_TB_GW_CONNECT,
    MQTT_L_TB_GW_DISCONNECT,
    MQTT_L_MAPPED /* free JSON by a mapping entry */
};

struct mqtt_telemetry {
    const struct mqtt_principal *principal;
    enum mqtt_layout layout;
    struct sh_str
        device; /* decoded id; for gateway layouts the gateway's own; mapped: by template */
    struct sh_str property; /* mapped: by template, may be empty; event: the event's id */
    uint32_t mapping;       /* mapped: the entry's id */
    struct sh_str topic;    /* as published */
    struct sh_bytes payload;
    uint8_t qos;
    int64_t received_us; /* wall clock */
};

/* err: SH_OK = on disk and visible; SH_E_DENIED, SH_E_PROTO/INVAL (unreadable), SH_E_LIMIT/FULL
 * (quota), else unspecified. Once, in any order, by who has entered the broker. */
typedef void mqtt_telemetry_done(void *token, sh_err err);

struct mqtt_telemetry_ops {
    /* t is borrowed for the call. done == NULL for QoS 0 (nobody waits). Returns SH_OK: done comes
     * (inside the call or later); SH_E_LIMIT: no room now, done never comes; QoS 1/2: the engine
     * stops reading this connection and asks again after mqtt_broker_resume or the next tick;
     * QoS 0: counted as lost. Any other error: refused with the reason that fits, done never comes.
     */
    sh_err (*telemetry)(void *ctx, const struct mqtt_telemetry *t, mqtt_telemetry_done *done,
                        void *token);
    /* End of an input batch: a good moment to submit what was gathered. May be NULL. */
    void (*turn_end)(void *ctx);
    void *ctx;
};

/* Mapping entry: a publish whose topic matches `filter` is telemetry of the device and property
 * that the templates name. "{0}", "{1}"... in a template is that level of the topic; other text
 * stands for itself. Copied by mqtt_broker_set_mappings. */
struct mqtt_mapping {
    uint32_t id;
    struct sh_str filter;
    struct sh_str device;
    struct sh_str property; /* empty: the payload is an object of properties */
};

/* ---- durability ---------------------------------------------------------------------------------
 */

struct mqtt_store_ops {
    /* Appends one record to the log (owner MQTT). Records carry rising numbers rn. The bytes are
     * borrowed for the call. SH_E_LIMIT: no room now (back-pressure, nothing was appended). When
     * the record is durable the host calls mqtt_broker_committed(b, rn, SH_OK): rn in rising order;
     * one call may stand for all before it. */
    sh_err (*append)(void *ctx, uint64_t rn, struct sh_bytes record);
    /* Writes a checkpoint: image is taken (freed with sh_buf_fini by the store, at once or later on
     * another thread). It holds the effect of every record up to rn, so the log may be cut there
     * once the image is durable. NULL: no checkpoints. SH_E_BUSY: one is being written. */
    sh_err (*checkpoint)(void *ctx, uint64_t rn, struct sh_buf *image);
    void *ctx;
};

/* ---- events -------------------------------------------------------------------------------------
 */

struct mqtt_event_ops {
    /* A principal with a device id connected (first connection) or its last connection ended. */
    void (*device)(void *ctx, const struct mqtt_principal *p, struct sh_str client_id,
                   struct sh_str address, bool online);
    void *ctx;
};

/* ---- the broker ---------------------------------------------------------------------------------
 */

struct mqtt_limits {
    uint32_t max_connections;        /* 0 = 100000 */
    uint32_t max_tenant_connections; /* 0 = no limit of its own */
    uint32_t max_sessions;           /* 0 = 200000 */
    uint32_t max_packet;             /* bytes we accept; 0 = 1 MiB (announced in 5.0) */
    uint16_t receive_max;            /* QoS 1/2 in flight to us; 0 = 1024 (announced) */
    uint16_t send_max;               /* our in-flight window to a client; 0 = 100 */
    uint16_t topic_alias_max;        /* from a client; 0 = 32 (announced); 0xFFFF = none */
    uint32_t max_queued;             /* messages per session; 0 = 1000; at most 65000: an id each */
    uint32_t max_queued_bytes;       /* bytes per session; 0 = 16 MiB */
    uint32_t max_out_bytes;          /* encoded bytes waiting for a slow socket; 0 = 256 KiB */
    bool drop_oldest;                /* full queue, QoS 1/2: drop the oldest waiting message; else
                                      * the new one is dropped for that session. Counted. */
    uint32_t max_subscriptions;      /* per session; 0 = 1000 */
    uint32_t max_levels;             /* of a topic; 0 = 200 */
    uint32_t max_retained;           /* per tenant; 0 = 1000000 */
    uint32_t connect_timeout_ms;     /* TCP open to CONNECT; 0 = 10000 */
    uint16_t max_keep_alive_s;       /* 0 = as the client says (up to 65535) */
    uint32_t max_session_expiry_s;   /* 0 = 30 days; 0xFFFFFFFF = never ends */
    uint32_t persist_v311_expiry_s;  /* expiry of clean session = 0 of 3.1.1; 0 = as max */
    uint32_t max_rate;               /* PUBLISH per second and connection; 0 = no limit */
    uint32_t sys_interval_ms;        /* $SYS; 0 = 10000 */
    uint64_t checkpoint_bytes;       /* log bytes between checkpoints; 0 = 64 MiB */
};

struct mqtt_broker_opts {
    const struct sh_env *env; /* borrowed, outlives the broker */
    struct mqtt_limits limits;
    const struct mqtt_auth_ops *auth;           /* needed */
    const struct mqtt_telemetry_ops *telemetry; /* NULL: everything is ordinary messaging */
    const struct mqtt_store_ops *store;         /* NULL: nothing is durable (tests, bench) */
    const struct mqtt_event_ops *events;        /* may be NULL */
    /* May be NULL. True: the disk is nearly full; no message is stored (retained, queued for a
     * persistent session): its publisher waits. Acknowledgements, subscriptions, sessions and the
     * removal of retained messages go on. Set by any thread. */
    const atomic_bool *full;
    const char *version; /* for $SYS/broker/version */
};

SH_MUST_CHECK sh_err mqtt_broker_new(const struct mqtt_broker_opts *opts, struct mqtt_broker **out);
/* All connections must be gone (mqtt_broker_shutdown, then mqtt_conn_closed for each). Writes
 * nothing: a last checkpoint is made by mqtt_broker_checkpoint before. */
void mqtt_broker_free(struct mqtt_broker *b);

/* Recovery, before the first connection: first the checkpoint image (if any), then every log record
 * in order. Records that the image already holds are skipped. A record that cannot be read is left
 * out, counted and SH_E_CORRUPT is returned for it (go on with the next). A damaged image keeps
 * what stood before the damage. */
SH_MUST_CHECK sh_err mqtt_broker_load(struct mqtt_broker *b, struct sh_bytes image);
SH_MUST_CHECK sh_err mqtt_broker_replay(struct mqtt_broker *b, struct sh_bytes record);
/* After recovery: the numbers go on, expiry clocks run, wills of those who were connected are due.
 */
void mqtt_broker_start(struct mqtt_broker *b);

/* See mqtt_store_ops.append. err other than SH_OK: the record is lost; what waited for it is
 * refused (5.0: 0x83) or its connection closed (3.1.1), so that the client sends it again. */
void mqtt_broker_committed(struct mqtt_broker *b, uint64_t rn, sh_err err);
/* Makes a checkpoint now. SH_E_UNSUPPORTED without a store that can. */
SH_MUST_CHECK sh_err mqtt_broker_checkpoint(struct mqtt_broker *b);

/* Time: keep-alive, timeouts, expiry, wills, $SYS, retries. Call about four times a second. */
void mqtt_broker_tick(struct mqtt_broker *b);
/* End of a loop turn: writes out what connections gathered. Call after each batch of events. */
void mqtt_broker_flush(struct mqtt_broker *b);
/* There is room again behind telemetry or the log: stalled connections are asked again. */
void mqtt_broker_resume(struct mqtt_broker *b);
/* DISCONNECT 0x8B (5.0) to all and close. */
void mqtt_broker_shutdown(struct mqtt_broker *b);
/* Calls fn with the ctx of each connection of this lane that was not closed yet; fn must not close
 * any at once. */
void mqtt_broker_conns(const struct mqtt_broker *b, void (*fn)(void *ctx));

/* ---- several loops (mqtt_lane.c says how) ----
 * Each loop that has connections is a lane, 0..n-1. The transport of a connection is only called on
 * the thread of its lane: inside of a call that was made as that lane, or by mqtt_lane_flush. */

enum { MQTT_LANES_MAX = 32 };
struct sh_fair_stats;
/* Before the first connection. wake: the loop of this lane is to call mqtt_lane_flush soon; any
 * thread. Without this call there is one lane, and a single thread need not enter. */
void mqtt_broker_lanes(struct mqtt_broker *b, unsigned n, void (*wake)(void *ctx, unsigned lane),
                       void *ctx);
/* Takes the lock of the broker, as a lane; not twice. mqtt_conn_new makes connections of this lane.
 * What was changed reaches the connections when this lane is flushed. */
void mqtt_broker_enter(struct mqtt_broker *b, unsigned lane);
void mqtt_broker_leave(struct mqtt_broker *b);
/* The rest is called outside, on the lane's thread. End of a turn of its loop: writes out what its
 * connections gathered, outside of the lock, and wakes the loops for whose connections there is
 * something. */
void mqtt_lane_flush(struct mqtt_broker *b, unsigned lane);
/* mqtt_conn_input, mqtt_conn_writable; the first may wait 10 ms for another loop to write. The lane
 * is to be flushed at the end of this turn. */
size_t mqtt_lane_input(struct mqtt_conn *c, struct sh_bytes in);
void mqtt_lane_writable(struct mqtt_conn *c);
/* How often the lock was not free. Any thread. */
void mqtt_broker_lock_stats(const struct mqtt_broker *b, struct sh_fair_stats *out);

/* ---- a connection, as the transport drives it
 * ---------------------------------------------------- */

struct mqtt_conn_ops {
    /* Takes bytes for the peer; returns how many it took, 0 = none now (offered again after
     * mqtt_conn_writable). Must not call back into the engine. */
    size_t (*write)(void *ctx, const uint8_t *p, size_t n);
    /* The engine will not take more input / takes it again: stop and start reading. After `on` the
     * transport hands its kept bytes to mqtt_conn_input again (from the loop, not inside the call).
     */
    void (*read_enable)(void *ctx, bool on);
    /* Ends the connection: the bytes the transport has taken are still sent, then it closes.
     * mqtt_conn_closed must follow (later, not inside the call). */
    void (*close)(void *ctx);
    /* What the peer's certificate says; SH_E_NOTFOUND without one. May be NULL. */
    sh_err (*peer_cert)(void *ctx, struct sh_peer_cert *out);
    /* Nothing more is written for now: what was taken may leave. May be NULL. */
    void (*flush)(void *ctx);
};

struct mqtt_conn_info {
    struct sh_str address; /* copied; at most 255 bytes */
    /* Memory for the transport, zeroed, behind the connection's own: the ctx of ops. It lives until
     * mqtt_conn_closed. At most 1024 bytes. */
    size_t room;
    bool loopback;
    bool tls;
    bool websocket;
    uint16_t listener;
};
void *mqtt_conn_room(struct mqtt_conn *c);
struct mqtt_conn *mqtt_conn_of_room(void *room);

/* SH_E_LIMIT at max_connections; SH_E_INVAL. ops stays valid until mqtt_conn_closed. */
SH_MUST_CHECK sh_err mqtt_conn_new(struct mqtt_broker *b, const struct mqtt_conn_ops *ops,
                                   const struct mqtt_conn_info *info, struct mqtt_conn **out);
/* Gives bytes; returns how many were used (whole packets). The transport keeps the rest and gives
 * it again with what follows. 0 while the connection is stalled or ended. */
size_t mqtt_conn_input(struct mqtt_conn *c, struct sh_bytes in);
/* The transport can take bytes again. */
void mqtt_conn_writable(struct mqtt_conn *c);
/* The connection is gone (peer, error, or after ops->close). c is dead after this call. */
void mqtt_conn_closed(struct mqtt_conn *c);

/* ---- what the platform asks
 * ----------------------------------------------------------------------- */

/* Publishes as the platform. tenant > 0. SH_E_INVAL: not a topic name; SH_E_LIMIT: log full. */
SH_MUST_CHECK sh_err mqtt_publish_internal(struct mqtt_broker *b, uint32_t tenant,
                                           struct sh_str topic, struct sh_bytes payload,
                                           uint8_t qos, bool retain);

struct mqtt_inbound {
    uint32_t tenant;
    const struct mqtt_principal *from; /* NULL: the platform itself */
    struct sh_str topic;               /* as in the tenant's tree ("me" already replaced) */
    struct sh_bytes payload;
    uint8_t qos;
    bool retain;
};
typedef void mqtt_internal_fn(void *ctx, const struct mqtt_inbound *m);
/* The platform's own subscription; tenant 0 = in every tenant's tree. `m` is borrowed for the call;
 * the callback must not block and may publish. Valid until mqtt_unsubscribe_internal. SH_E_LIMIT:
 * at most 32 in all. */
struct mqtt_internal_sub;
SH_MUST_CHECK sh_err mqtt_subscribe_internal(struct mqtt_broker *b, uint32_t tenant,
                                             struct sh_str filter, mqtt_internal_fn *fn, void *ctx,
                                             struct mqtt_internal_sub **out);
void mqtt_unsubscribe_internal(struct mqtt_broker *b, struct mqtt_internal_sub *s);

/* Replaces the mapping entries of a tenant. SH_E_LIMIT over 1000 entries, SH_E_INVAL bad filter. */
SH_MUST_CHECK sh_err mqtt_broker_set_mappings(struct mqtt_broker *b, uint32_t tenant,
                                              const struct mqtt_mapping *m, size_t n);

/* Ends connections: DISCONNECT 0x98 (administrative action). principal 0 = any; client_id empty =
 * any. end_session: the sessions end too. Returns how many sessions were touched. */
size_t mqtt_broker_kick(struct mqtt_broker *b, uint32_t tenant, uint64_t principal,
                        struct sh_str client_id, bool end_session);

struct mqtt_counters {
    uint64_t connections;     /* now */
    uint64_t connections_max; /* most at a time */
    uint64_t connects;        /* accepted CONNECTs in all */
    uint64_t connects_refused;
    uint64_t sessions; /* now, connected or not */
    uint64_t sessions_expired;
    uint64_t takeovers;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t packets_in;
    uint64_t packets_out;
    uint64_t publish_in[3]; /* by QoS */
    uint64_t publish_out[3];
    uint64_t publish_bytes_in; /* payloads */
    uint64_t publish_bytes_out;
    uint64_t dropped_slow;    /* QoS 0 not sent: the subscriber is slow */
    uint64_t dropped_queue;   /* QoS 1/2 not queued or pushed out: queue limit */
    uint64_t dropped_expired; /* message expiry */
    uint64_t dropped_large;   /* larger than the client's maximum packet size */
    uint64_t refused_auth;    /* PUBLISH not authorised */
    uint64_t refused_unreadable;
    uint64_t refused_quota;
    uint64_t telemetry;      /* publishes given to the seam */
    uint64_t telemetry_lost; /* QoS 0 under back-pressure */
    uint64_t stalls;         /* times reading stopped for back-pressure */
    uint64_t protocol_errors;
    uint64_t keepalive_timeouts;
    uint64_t lane_waits; /* times input waited for another loop to write */
    uint64_t wills;
    uint64_t retained;      /* now */
    uint64_t subscriptions; /* now */
    uint64_t shared_subscriptions;
    uint64_t messages_stored; /* message objects alive */
    uint64_t message_bytes;   /* bytes they hold */
    uint64_t log_records;
    uint64_t log_bytes;
    uint64_t log_errors;
    uint64_t checkpoints;
    uint64_t recovered_bad; /* records left out at recovery */
};
/* Copies the counters (of one tenant's tree when tenant > 0 - then only the per-tenant ones). */
void mqtt_broker_counters(const struct mqtt_broker *b, uint32_t tenant, struct mqtt_counters *out);

struct mqtt_session_info {
    uint32_t tenant;
    uint64_t principal;
    struct sh_str principal_name; /* empty when not connected */
    struct sh_str client_id;
    struct sh_str device;
    struct sh_str address; /* empty when not connected */
    bool connected;
    bool persistent;
    bool tls;
    bool websocket;
    uint8_t version; /* 4 or 5 */
    uint16_t keep_alive_s;
    uint32_t expiry_s;
    int64_t since_us; /* wall: connected or disconnected since */
    uint32_t subscriptions;
    uint32_t queued;
    uint32_t in_flight;
    uint64_t publish_in;
    uint64_t publish_out;
    uint64_t dropped;
};
/* Walks sessions of a tenant (0 = all); fn returns false to end. Views are borrowed for the call.
 */
void mqtt_broker_sessions(const struct mqtt_broker *b, uint32_t tenant,
                          bool (*fn)(void *ctx, const struct mqtt_session_info *s), void *ctx);

#endif /* SH_MQTT_H */
