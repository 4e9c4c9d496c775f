/* mqtt_int.h - what the files of the broker share. Not for users of the module.
 * Everything here is under the broker's lock (mqtt_lane.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ACCESS_MQTT_INT_H
#define SH_ACCESS_MQTT_INT_H

#include <sh/fair.h>
#include <sh/mqtt.h>
#include <sh/mqtt_codec.h>

/* Session expiry intervals, in seconds. */
#define MQTT_NEVER_EXPIRES UINT32_MAX
#define MQTT_NO_EXPIRY 0U
#define MQTT_FAR INT64_MAX

/* ---- messages (mqtt_msg.c) ---- */

/* One application message, shared by all queues that hold it; immutable. */
struct mqtt_msg {
    uint32_t refs;
    uint32_t topic_n;
    uint32_t props_n;
    uint32_t payload_n;
    int64_t expires_us; /* mono; MQTT_FAR = never */
    uint64_t from_sid;  /* session that published it, 0 = the platform */
    uint64_t snap_id;   /* number in the checkpoint of snap_epoch */
    uint32_t snap_epoch;
    uint8_t qos;
    uint8_t bytes[]; /* topic, encoded properties (without alias, expiry, identifiers), payload */
};

/* A message on its way through: views, and the shared object once somebody must keep it. */
struct mqtt_pub {
    struct mqtt_tenant *tenant;
    const struct mqtt_principal *from;
    struct sh_str topic;
    struct sh_bytes props;
    struct sh_bytes payload;
    int64_t expires_us;
    uint64_t from_sid;
    uint8_t qos;
    bool retain;
    bool volatile_retain; /* $SYS: retained, but never logged */
    uint16_t src_pid;     /* QoS 2 of a persistent session (from_sid): its packet id is logged */
    uint32_t targets;     /* set by mqtt_route: how many got it */
    struct mqtt_msg *msg; /* NULL until kept */
};
struct mqtt_msg *mqtt_msg_new(struct mqtt_broker *b, const struct mqtt_pub *p);
void mqtt_msg_unref(struct mqtt_broker *b, struct mqtt_msg *m); /* NULL is accepted */
/* A reference for the caller; NULL without memory. */
struct mqtt_msg *mqtt_pub_keep(struct mqtt_broker *b, struct mqtt_pub *p);
struct mqtt_pub mqtt_pub_of(struct mqtt_tenant *t, struct mqtt_msg *m);
static inline struct sh_str mqtt_msg_topic(const struct mqtt_msg *m)
{
    return (struct sh_str){(const char *)m->bytes, m->topic_n};
}
static inline size_t mqtt_msg_size(const struct mqtt_msg *m)
{
    return sizeof *m + m->topic_n + m->props_n + m->payload_n;
}

/* ---- topic trees (mqtt_tree.c) ---- */

struct mqtt_sub;
struct mqtt_group;

struct mqtt_node {
    struct mqtt_node *parent;
    struct mqtt_node *child; /* first of the list of children */
    struct mqtt_node *next;
    struct mqtt_node *prev;
    struct mqtt_node *plus; /* children "+" and "#" of subscription trees */
    struct mqtt_node *many;
    struct mqtt_sub *subs;
    struct mqtt_group *groups;
    struct mqtt_msg *retained;
    uint64_t hash;
    uint32_t level_n;
    char level[];
};

/* Levels in one hash table keyed by (parent, level). A node lives while it has children or content.
 */
struct mqtt_tree {
    struct mqtt_node *root;
    struct mqtt_node **slots;
    size_t cap;
    size_t n;
    uint64_t seed;
    const struct sh_alloc *alloc;
};
SH_MUST_CHECK sh_err mqtt_tree_init(struct mqtt_tree *t, const struct sh_alloc *a, uint64_t seed);
void mqtt_tree_fini(struct mqtt_tree *t); /* content must be gone */
/* NULL when absent. */
struct mqtt_node *mqtt_tree_child(const struct mqtt_tree *t, struct mqtt_node *parent,
                                  struct sh_str level);
struct mqtt_node *mqtt_tree_find(const struct mqtt_tree *t, struct sh_str path);
/* Finds or makes; NULL without memory (then mqtt_tree_trim was done). */
struct mqtt_node *mqtt_tree_make(struct mqtt_tree *t, struct sh_str path);
/* Frees n and its parents while they hold nothing. */
void mqtt_tree_trim(struct mqtt_tree *t, struct mqtt_node *n);
/* Calls fn for every node whose path (a filter) matches the topic. */
void mqtt_tree_match(const struct mqtt_tree *t, struct sh_str topic,
                     void (*fn)(void *ctx, struct mqtt_node *n), void *ctx);
/* Calls fn for every node with a retained message whose path (a topic) the filter matches. fn
 * returns false to end. */
bool mqtt_tree_search(const struct mqtt_tree *t, struct sh_str filter,
                      bool (*fn)(void *ctx, struct mqtt_node *n), void *ctx);
/* Appends the path of a node. */
SH_MUST_CHECK sh_err mqtt_tree_path(const struct mqtt_node *n, struct sh_buf *out);

/* ---- subscriptions (mqtt_subs.c) ---- */

struct mqtt_sub {
    struct mqtt_sub *next; /* in the node's list (not shared) */
    struct mqtt_sub *prev;
    struct mqtt_sub *next_mine; /* in the session's list */
    struct mqtt_session *s;
    struct mqtt_internal_sub *internal; /* the platform's, then s == NULL */
    struct mqtt_node *node;
    struct mqtt_group *group; /* NULL when not shared */
    uint32_t id;              /* subscription identifier, 0 = none */
    uint8_t options;
};

/* A shared subscription's group at a node: members take turns. */
struct mqtt_group {
    struct mqtt_group *next;
    struct mqtt_sub **v;
    uint32_t n;
    uint32_t cap;
    uint32_t turn;
    struct sh_str name;
};

struct mqtt_internal_sub {
    struct mqtt_internal_sub *next;
    struct mqtt_internal_sub *prev;
    uint32_t tenant;
    struct sh_str filter;
    mqtt_internal_fn *fn;
    void *ctx;
    struct mqtt_sub **subs; /* one per tenant tree it is in */
    uint32_t nsubs;
    uint32_t cap;
    bool dead;
};

/* ---- sessions (mqtt_session.c) ---- */

enum mqtt_ostate { MQTT_O_WAIT, MQTT_O_SENT, MQTT_O_REL, MQTT_O_DONE };
enum { MQTT_O_QOS = 3, MQTT_O_RETAIN = 4, MQTT_O_DUP = 8 };

/* One message for one session, waiting or in flight. */
struct mqtt_oent {
    struct mqtt_msg *msg; /* NULL from MQTT_O_REL on */
    uint32_t *more;       /* further subscription identifiers: count, then ids; or NULL */
    uint64_t rn;          /* may leave when this record is committed */
    uint32_t id;          /* subscription identifier, 0 = none */
    uint16_t pid;
    uint8_t state;
    uint8_t flags;
};

/* Ring of entries: [0, sent) were looked at on this connection, [sent, n) wait. A session whose
 * queue is empty shares that of the broker (no_queue: cap 0, never written). */
struct mqtt_oq {
    uint32_t cap;
    uint32_t head;
    uint32_t n;
    uint32_t sent;
    uint32_t inflight; /* entries in MQTT_O_SENT or MQTT_O_REL */
    uint32_t done;     /* entries in MQTT_O_DONE, not taken out yet */
    uint32_t bytes;    /* of messages held */
    struct mqtt_oent v[];
};
static inline struct mqtt_oent *mqtt_oq_at(struct mqtt_oq *q, uint32_t i)
{
    return &q->v[(q->head + i) & (q->cap - 1)];
}

struct mqtt_kept_will {
    struct mqtt_msg *msg; /* expires_us holds the interval, not the time (see mqtt_will.c) */
    int64_t due_us;       /* mono: published then; MQTT_FAR while connected */
    uint32_t delay_s;
    uint32_t expiry_s; /* MQTT_NEVER_EXPIRES = none given */
    bool retain;
};

/* Retained messages that still have to go to a new subscription. */
struct mqtt_rlist {
    struct mqtt_rlist *next;
    struct mqtt_msg **v;
    uint32_t n;
    uint32_t at;
    uint32_t id;
    uint8_t options;
};

struct mqtt_in2;
struct mqtt_session {
    struct mqtt_session *chain; /* others of its slot in b->slots */
    struct mqtt_tenant *tenant;
    struct mqtt_conn *conn; /* NULL while away */
    struct mqtt_sub *subs;
    struct mqtt_oq *q; /* never NULL */
    uint64_t sid;
    uint64_t publish_in;
    uint64_t publish_out;
    uint64_t principal;
    struct mqtt_kept_will *will;
    struct mqtt_rlist *rlist;
    struct mqtt_in2 *in2; /* QoS 2 packet ids received and not released; NULL = never had one */
    int64_t ends_us;      /* mono: when away, the session ends then; MQTT_FAR */
    int64_t since_us;     /* wall */
    uint32_t dropped;
    uint32_t mark_at; /* its place among the hits of the publish in hand, if it is there */
    uint32_t nsubs;
    uint32_t expiry_s;
    uint32_t pins; /* waiters that point here */
    uint16_t next_pid;
    uint16_t client_id_n;
    uint16_t device_n;
    uint8_t version;
    bool persistent : 1; /* it has an expiry: what it holds goes to the log */
    bool dead : 1;       /* ended; freed when pins is 0 */
    bool pids_mixed : 1; /* packet ids in the queue may be out of order */
    bool replayed : 1;   /* was connected in the log that is being replayed */
    char text[];         /* client id, device (for lists; may be empty) */
};
/* Packet ids, sorted. */
struct mqtt_in2 {
    uint16_t n;
    uint16_t cap;
    uint16_t v[];
};
static inline uint16_t mqtt_in2_n(const struct mqtt_session *s)
{
    return s->in2 == NULL ? 0 : s->in2->n;
}
static inline struct sh_str mqtt_session_client_id(const struct mqtt_session *s)
{
    return (struct sh_str){s->text, s->client_id_n};
}
static inline struct sh_str mqtt_session_device(const struct mqtt_session *s)
{
    return (struct sh_str){s->text + s->client_id_n, s->device_n};
}

/* ---- tenants ---- */

struct mqtt_map_entry {
    uint32_t id;
    struct sh_str filter;
    struct sh_str device;
    struct sh_str property;
};

struct mqtt_tenant {
    struct mqtt_tenant *next;
    uint32_t id;
    uint32_t nmaps;
    struct mqtt_tree subs;
    struct mqtt_tree retained;
    struct mqtt_map_entry *maps;
    int64_t sys_us; /* mono: when $SYS was told last */
    struct mqtt_counters n;
};

/* ---- connections (mqtt_conn.c) ---- */

enum mqtt_cstate {
    MQTT_C_NEW,  /* before CONNECT */
    MQTT_C_AUTH, /* CONNECT read, identity asked */
    MQTT_C_OPEN, /* has a session; CONNACK may still wait in the acknowledgement ring */
    MQTT_C_ENDED /* closing; only mqtt_conn_closed is to come */
};

/* An answer that leaves in the order of what it answers. */
struct mqtt_ack_ent {
    uint64_t rn;    /* leaves when this record is committed */
    uint8_t *extra; /* reason codes of SUBACK, UNSUBACK; whole packet of CONNACK */
    uint32_t extra_n;
    uint16_t pid;
    uint8_t type;
    uint8_t code;
    bool waits;  /* telemetry has not said done */
    bool held;   /* telemetry has the message, but it is not routed yet (the log was full) */
    bool failed; /* the log lost its record */
};
/* A ring; a connection that owes no answer shares that of the broker (no_acks: cap 0, never
 * written). */
struct mqtt_ackq {
    uint32_t cap;
    uint32_t head;
    uint32_t n;
    struct mqtt_ack_ent v[];
};

struct mqtt_alias_out {
    uint64_t hash;
    struct sh_str topic;
};

/* What only some 5.0 connections need. */
struct mqtt_aliases {
    struct sh_str *in; /* by alias - 1 */
    uint16_t in_n;
    uint16_t out_n; /* slots of out */
    uint16_t out_used;
    uint16_t out_turn;
    struct mqtt_alias_out *out;
};

struct mqtt_conn {
    struct mqtt_broker *b;
    const struct mqtt_conn_ops *ops;
    struct mqtt_session *s;
    union {
        struct mqtt_principal *p;          /* NULL before identity was asked */
        struct mqtt_connect_kept *pending; /* CONNECT while it is asked (`asked`) */
    };
    struct mqtt_ackq *acks; /* never NULL */
    uint8_t *out;           /* encoded, not yet taken by the transport */
    uint32_t out_n;
    uint32_t out_off;
    uint32_t out_cap;
    uint32_t ack_first; /* running number of the answer at the head of the ring */
    int64_t opened_us;  /* mono; of the connection, later of the last packet */
    struct mqtt_conn *next_dirty;
    struct mqtt_conn *next; /* all connections */
    struct mqtt_conn *prev;
    struct mqtt_aliases *aliases;
    uint32_t max_packet; /* the client's; UINT32_MAX = no limit */
    uint32_t tokens;     /* PUBLISH left in this second, with max_rate */
    uint32_t pins;
    uint32_t given_ack; /* with `given`: running number of its answer */
    uint16_t send_max;  /* our window: the client's receive maximum, ours */
    uint16_t keep_alive_s;
    uint16_t unacked1; /* QoS 1 received, PUBACK not written */
    uint16_t listener;
    uint16_t address_at; /* bytes from the beginning of this struct */
    uint8_t address_n;
    uint8_t state;
    uint8_t version;
    uint8_t lane; /* of its loop */
    bool asked : 1;
    bool open_told : 1; /* CONNACK has been written */
    bool dirty : 1;
    bool stalled : 1;
    bool gone : 1; /* mqtt_conn_closed was called; freed when pins is 0 */
    bool problem_info : 1;
    bool loopback : 1;
    bool tls : 1;
    bool websocket : 1;
    bool given : 1;     /* the PUBLISH at the front was given to telemetry before it stalled */
    bool no_read : 1;   /* the transport was told to stop reading */
    bool blocked : 1;   /* its transport was full when last written to by a flush */
    bool read_due : 1;  /* its loop is to read again, */
    bool close_due : 1; /* or to close it */
    /* Behind it: the transport's memory, then the address. */
};
/* What an idle connection costs is a promise (README.md). */
_Static_assert(sizeof(struct mqtt_conn) <= 136 && offsetof(struct mqtt_session, text) <= 144,
               "an idle connection has grown");
static inline struct sh_str mqtt_conn_address(const struct mqtt_conn *c)
{
    return (struct sh_str){(const char *)c + c->address_at, c->address_n};
}

/* What telemetry's done() gets: which answer waits. */
struct mqtt_token {
    struct mqtt_token *next; /* free ones */
    struct mqtt_conn *c;
    uint32_t ack;
};

/* ---- the broker ---- */

/* Somebody who waits for a commit. */
struct mqtt_waiter {
    uint64_t rn;
    struct mqtt_conn *c; /* or */
    struct mqtt_session *s;
    uint32_t ack; /* running number in c's ring */
};

/* A target of the message in hand. */
struct mqtt_hit {
    struct mqtt_session *s;
    struct mqtt_internal_sub *internal;
    uint32_t id;
    uint32_t more; /* 1 + index into more_ids, 0 = none */
    uint16_t pid;
    uint8_t qos; /* as it will be sent */
    bool retain; /* flag as it will be sent */
    bool logged;
    bool drop;
    bool own; /* of the session's own subscriptions, not of a shared one */
};
struct mqtt_more_id {
    uint32_t id;
    uint32_t next;
};

struct mqtt_deferred {
    struct mqtt_deferred *next;
    uint32_t tenant;
    uint8_t qos;
    bool retain;
    uint32_t topic_n;
    uint32_t payload_n;
    uint8_t bytes[];
};

enum {
    MQTT_OUT_POOL = 1024,  /* blocks of MQTT_OUT_SMALL that are kept */
    MQTT_OUT_SMALL = 256,  /* answers of one turn; a turn may bring some to every connection */
    MQTT_OUT_BLOCK = 4096, /* what does not fit there */
    MQTT_DEFERRED_MAX = 10000,
    MQTT_QUEUED_MOST = 65000, /* every queued message has a packet id of its own */
    MQTT_INTERNAL_MAX = 32
};

/* One loop's share of the connections (mqtt_lane.c). */
struct mqtt_lane {
    struct mqtt_conn *dirty; /* something is to be done by their transports */
    bool woken;              /* its loop was told */
    bool due;                /* its loop has had input and flushes at the end of this turn */
    struct sh_mutex lock;    /* of the rest; taken inside of nothing */
    struct sh_cond flushed;
    uint64_t flushes;
    unsigned waiting;
};

struct mqtt_broker {
    struct sh_fair lock; /* of everything here */
    struct mqtt_lane lanes[MQTT_LANES_MAX];
    unsigned nlanes;
    void (*wake)(void *ctx, unsigned lane);
    void *wake_ctx;
    uint8_t here;      /* lane of who has entered */
    bool yielded;      /* input was cut short because another waits for the lock */
    uint32_t crowded;  /* lanes whose loops should write before more input is taken */
    int32_t work_left; /* packets and deliveries before the lock is offered to others */
    const struct sh_env *env;
    const struct sh_alloc *alloc;
    struct mqtt_limits lim;
    const struct mqtt_auth_ops *auth;
    const struct mqtt_telemetry_ops *telemetry;
    const struct mqtt_store_ops *store;
    const atomic_bool *full;
    const struct mqtt_event_ops *events;
    struct sh_str version;
    int64_t now_us; /* mono, read at each entry from outside */
    int64_t start_us;
    uint64_t seed;
    struct mqtt_counters n;
    struct mqtt_tenant *tenants;
    struct mqtt_oq *no_queue;    /* of sessions that have nothing */
    struct mqtt_ackq *no_acks;   /* of connections that owe no answer */
    struct mqtt_session **slots; /* sessions by (tenant, principal, client id): chains */
    size_t nslots;               /* a power of two, or 0 */
    struct sh_map by_sid;        /* recovery only */
    struct sh_map devices;       /* connections per device */
    struct mqtt_conn *conns;
    struct mqtt_conn *in_input; /* whose bytes are being read */
    struct mqtt_token *tokens;
    uint32_t nstalled;
    struct mqtt_internal_sub *internals;
    uint32_t ninternals;
    uint64_t next_sid;
    /* scratch of the publish in hand */
    struct mqtt_hit *hits;
    uint32_t nhits;
    uint32_t hits_cap;
    struct mqtt_more_id *more_ids;
    uint32_t nmore;
    uint32_t more_cap;
    const struct mqtt_pub *matching;
    bool match_failed;
    unsigned depth; /* publishes under way: internal ones wait */
    struct mqtt_deferred *deferred;
    struct mqtt_deferred **deferred_tail;
    uint32_t ndeferred;
    struct sh_buf rec;    /* record being written */
    struct sh_buf props;  /* encoded properties of the publish in hand */
    struct sh_buf path;   /* rewritten topic or filter */
    struct sh_buf tmpl;   /* device and property of a mapping */
    struct sh_buf acklog; /* acknowledgements of clients, not yet appended */
    uint32_t acklog_n;
    /* log */
    uint64_t rn;        /* last number given */
    uint64_t committed; /* all up to here are durable */
    uint64_t since_checkpoint;
    uint32_t snap_epoch;
    bool recovering;
    struct mqtt_waiter *waiters;
    uint32_t wait_cap;
    uint32_t wait_head;
    uint32_t wait_n;
    struct mqtt_msg **loaded; /* messages of the checkpoint by number */
    uint32_t nloaded;
    uint32_t loaded_cap;
    uint8_t *pool[MQTT_OUT_POOL];
    uint32_t npool;
    int64_t second_us; /* rate tokens were filled */
    int64_t slow_us;   /* once-a-second work */
};

/* Counts for the broker and the tenant. */
#define MQTT_COUNT(b, t, member, by)                                                               \
    do {                                                                                           \
        (b)->n.member += (by);                                                                     \
        (t)->n.member += (by);                                                                     \
    } while (0)

/* mqtt_broker.c */
struct mqtt_tenant *mqtt_tenant_get(struct mqtt_broker *b, uint32_t id, bool make);
void mqtt_now(struct mqtt_broker *b);
void mqtt_run_deferred(struct mqtt_broker *b);
/* What was gathered goes on: acknowledgements to the log, samples to the gate. */
void mqtt_turn_end(struct mqtt_broker *b);

/* mqtt_lane.c */
void mqtt_lanes_init(struct mqtt_broker *b);
void mqtt_lanes_fini(struct mqtt_broker *b);
/* May the transport be called now? */
static inline bool mqtt_lane_here(const struct mqtt_conn *c)
{
    return c->lane == c->b->here;
}
/* Its transport has something to do at the next flush of its lane. */
void mqtt_lane_mark(struct mqtt_conn *c);
void mqtt_lane_unmark(struct mqtt_conn *c);
/* Now, or by its own loop. */
void mqtt_lane_close(struct mqtt_conn *c);
void mqtt_lane_read_on(struct mqtt_conn *c);
/* True: enough was done, and somebody waits for the lock. */
bool mqtt_lane_yield(struct mqtt_broker *b);
/* Other lanes with something to do whose loops do not know yet; then wake them. */
uint32_t mqtt_lanes_to_wake(struct mqtt_broker *b);
void mqtt_lanes_wake(struct mqtt_broker *b, uint32_t set);

/* mqtt_subs.c */
/* Adds or replaces a subscription; *is_new says which. filter without "$share/.../" when group is
 * given. SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err mqtt_sub_set(struct mqtt_broker *b, struct mqtt_session *s,
                                  struct sh_str group, struct sh_str filter, uint8_t options,
                                  uint32_t id, bool *is_new);
/* SH_E_NOTFOUND when there was none. */
SH_MUST_CHECK sh_err mqtt_sub_remove(struct mqtt_broker *b, struct mqtt_session *s,
                                     struct sh_str group, struct sh_str filter);
void mqtt_subs_clear(struct mqtt_broker *b, struct mqtt_session *s);
/* Fills b->hits with the targets of p: one per session. SH_E_NOMEM. */
SH_MUST_CHECK sh_err mqtt_subs_match(struct mqtt_broker *b, const struct mqtt_pub *p);
SH_MUST_CHECK sh_err mqtt_internals_join(struct mqtt_broker *b, struct mqtt_tenant *t);
void mqtt_internals_free(struct mqtt_broker *b);
/* Appends the filter as the client wrote it ("$share/..." in front). */
SH_MUST_CHECK sh_err mqtt_sub_text(const struct mqtt_sub *u, struct sh_buf *out);

/* mqtt_retained.c */
SH_MUST_CHECK sh_err mqtt_retain_set(struct mqtt_broker *b, struct mqtt_pub *p);
void mqtt_retain_clear(struct mqtt_broker *b, struct mqtt_tenant *t);
/* Gathers what a new subscription must get into the session's list. */
SH_MUST_CHECK sh_err mqtt_retain_gather(struct mqtt_broker *b, struct mqtt_session *s,
                                        struct sh_str filter, uint8_t options, uint32_t id);
void mqtt_retain_drop_list(struct mqtt_broker *b, struct mqtt_session *s);
void mqtt_retain_tick(struct mqtt_broker *b, struct mqtt_tenant *t);

/* mqtt_session.c */
struct mqtt_session *mqtt_session_find(struct mqtt_broker *b, uint32_t tenant, uint64_t principal,
                                       struct sh_str client_id);
/* What a session is found by, and what stays with it. */
struct mqtt_session_key {
    uint64_t principal;
    struct sh_str client_id;
    struct sh_str device;
};
SH_MUST_CHECK sh_err mqtt_session_new(struct mqtt_broker *b, struct mqtt_tenant *t,
                                      const struct mqtt_session_key *k, struct mqtt_session **out);
/* A session that is away: publishes a will that is due, ends it when its time is over. True: ended.
 */
bool mqtt_session_due(struct mqtt_broker *b, struct mqtt_session *s);
/* Walks all sessions: the one after s, NULL = the first. s may be ended once its next is known. */
struct mqtt_session *mqtt_session_next(const struct mqtt_broker *b, const struct mqtt_session *s);
/* Ends it: will (unless told not to), subscriptions, queue, log. */
void mqtt_session_end(struct mqtt_broker *b, struct mqtt_session *s);
void mqtt_session_free(struct mqtt_broker *b, struct mqtt_session *s); /* no log, no will */
void mqtt_session_unpin(struct mqtt_broker *b, struct mqtt_session *s);
/* The connection has gone: will, expiry. keep_will: publish it. */
void mqtt_session_away(struct mqtt_broker *b, struct mqtt_session *s, bool with_will);
void mqtt_session_tick(struct mqtt_broker *b);
bool mqtt_in2_has(const struct mqtt_session *s, uint16_t pid);
SH_MUST_CHECK sh_err mqtt_in2_add(struct mqtt_broker *b, struct mqtt_session *s, uint16_t pid);
bool mqtt_in2_del(struct mqtt_session *s, uint16_t pid);

/* mqtt_will.c */
SH_MUST_CHECK sh_err mqtt_will_keep(struct mqtt_broker *b, struct mqtt_tenant *t,
                                    const struct mqtt_will *w, struct mqtt_kept_will **out);
void mqtt_will_drop(struct mqtt_broker *b, struct mqtt_session *s);
void mqtt_will_publish(struct mqtt_broker *b, struct mqtt_session *s);

/* mqtt_queue.c: what waits for a session */
/* The next free packet id (the numbering moves on); 0 when none is. */
uint16_t mqtt_q_pid(struct mqtt_session *s);
/* Is there room for one more? Counts and, by policy, makes room. */
bool mqtt_q_room(struct mqtt_broker *b, struct mqtt_session *s, size_t bytes);
/* msg: the reference is taken on success. */
SH_MUST_CHECK sh_err mqtt_q_push(struct mqtt_broker *b, struct mqtt_session *s,
                                 const struct mqtt_oent *e);
struct mqtt_oent *mqtt_q_find(struct mqtt_session *s, uint16_t pid);
/* The entry is finished: lets its message go and frees finished entries at the head. */
void mqtt_q_done(struct mqtt_broker *b, struct mqtt_session *s, struct mqtt_oent *e);
void mqtt_q_rewind(struct mqtt_session *s); /* a new connection: everything is to be sent again */
void mqtt_q_clear(struct mqtt_broker *b, struct mqtt_session *s);
void mqtt_q_rest(struct mqtt_broker *b, struct mqtt_session *s); /* gives idle memory back */
/* Sends what the window and the socket allow. */
void mqtt_pump(struct mqtt_broker *b, struct mqtt_session *s);

/* mqtt_route.c */
/* Hands a message to all its subscribers, retains it, logs what is durable. *rn = the record that
 * must be committed before it is acknowledged, 0 = none. SH_E_LIMIT: the log is full, nothing was
 * done. p->msg is the caller's to let go. */
SH_MUST_CHECK sh_err mqtt_route(struct mqtt_broker *b, struct mqtt_pub *p, uint64_t *rn);
/* One message to one session (retained messages for a new subscription). */
SH_MUST_CHECK sh_err mqtt_deliver_one(struct mqtt_broker *b, struct mqtt_session *s,
                                      struct mqtt_msg *m, uint8_t options, uint32_t id);

/* mqtt_out.c: bytes for a connection */
/* A packet larger than the client takes, or without memory for it, is left out. */
void mqtt_out_packet(struct mqtt_conn *c, const struct mqtt_packet *p);
void mqtt_out_ack(struct mqtt_conn *c, uint8_t type, uint16_t pid, uint8_t code);
void mqtt_out_raw(struct mqtt_conn *c, const uint8_t *p, size_t n);
struct mqtt_send {
    const struct mqtt_pub *p;
    const uint32_t *more;
    uint32_t id;
    uint16_t pid;
    uint8_t qos;
    bool dup;
    bool retain;
};
/* SH_E_LIMIT: larger than the client takes (never sent). */
SH_MUST_CHECK sh_err mqtt_out_publish(struct mqtt_conn *c, const struct mqtt_send *s);
/* Is there room for more (after an attempt to write)? */
bool mqtt_out_room(struct mqtt_conn *c);
/* To the transport, when that may be called now. */
void mqtt_out_write(struct mqtt_conn *c);
/* A buffer that was lent to a flush comes back, p[off..n) not written. */
void mqtt_out_back(struct mqtt_conn *c, uint8_t *p, uint32_t cap, uint32_t off, uint32_t n);
void mqtt_out_free(struct mqtt_conn *c);

/* mqtt_ack.c: answers in order */
/* Appends an entry; returns its running number in *seq. SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err mqtt_ack_push(struct mqtt_conn *c, const struct mqtt_ack_ent *e,
                                   uint32_t *seq);
struct mqtt_ack_ent *mqtt_ack_at(struct mqtt_conn *c, uint32_t seq); /* NULL: it has left */
void mqtt_ack_flush(struct mqtt_conn *c);
void mqtt_ack_clear(struct mqtt_conn *c);
void mqtt_ack_rest(struct mqtt_conn *c); /* an empty ring gives its memory back */
static inline bool mqtt_ack_full(const struct mqtt_conn *c)
{
    return c->acks->n >= c->b->lim.receive_max + 64U;
}

/* mqtt_conn.c */
/* Ends a connection with a reason (5.0: DISCONNECT). with_will: its will is published. */
void mqtt_conn_end(struct mqtt_conn *c, enum mqtt_reason why, bool with_will);
void mqtt_conn_stall(struct mqtt_conn *c);
void mqtt_conn_unpin(struct mqtt_conn *c);
void mqtt_conn_tick(struct mqtt_broker *b);

/* mqtt_connect.c */
void mqtt_on_connect(struct mqtt_conn *c, const struct mqtt_packet *p);
void mqtt_connect_drop(struct mqtt_conn *c); /* frees c->pending */
void mqtt_device_event(struct mqtt_conn *c, bool online);
void mqtt_connack_refuse(struct mqtt_conn *c, uint8_t version, enum mqtt_reason why,
                         const char *words);

/* mqtt_in.c: packets of an open connection. SH_E_AGAIN: stalled, give the packet again. */
SH_MUST_CHECK sh_err mqtt_on_publish(struct mqtt_conn *c, struct mqtt_publish *p);
SH_MUST_CHECK sh_err mqtt_on_packet(struct mqtt_conn *c, const struct mqtt_packet *p);

/* mqtt_subscribe.c */
SH_MUST_CHECK sh_err mqtt_on_subscribe(struct mqtt_conn *c, const struct mqtt_subscribe *p);
SH_MUST_CHECK sh_err mqtt_on_unsubscribe(struct mqtt_conn *c, const struct mqtt_subscribe *p);

/* mqtt_own.c: devices' own topics and layouts */
/* Topic or filter as it stands in the tree: "me" replaced. The view may be into b->path. */
struct sh_str mqtt_me_in(struct mqtt_broker *b, const struct mqtt_principal *p, struct sh_str t);
/* The reverse for delivery: *head is the replaced front (may be empty) and the rest is returned. */
struct sh_str mqtt_me_out(struct mqtt_conn *c, struct sh_str topic, struct sh_str *head);
/* Which layout; fills layout, device, property, mapping of *t. */
void mqtt_layout_find(struct mqtt_broker *b, struct mqtt_tenant *tn, struct mqtt_telemetry *t);
void mqtt_maps_free(struct mqtt_broker *b, struct mqtt_tenant *t);

/* mqtt_store.c, mqtt_replay.c, mqtt_snapshot.c: the log */
enum mqtt_rec_kind {
    MQTT_REC_SESSION = 1,
    MQTT_REC_SESSION_END = 2,
    MQTT_REC_SUB = 3,
    MQTT_REC_UNSUB = 4,
    MQTT_REC_MSG = 5,
    MQTT_REC_QUEUE = 6, /* checkpoint only */
    MQTT_REC_OUT = 7,
    MQTT_REC_IN = 8,
    MQTT_REC_AWAY = 9,
    MQTT_REC_END = 10 /* checkpoint only */
};
enum { MQTT_OUT_DONE = 0, MQTT_OUT_REC = 1 };
/* Is anything durable at all? */
static inline bool mqtt_durable(const struct mqtt_broker *b)
{
    return b->store != NULL && !b->recovering;
}
/* Starts a record in b->rec (number and kind); mqtt_rec_append sends it. *rn 0 when it failed. */
struct sh_buf *mqtt_rec_begin(struct mqtt_broker *b, enum mqtt_rec_kind kind);
SH_MUST_CHECK sh_err mqtt_rec_append(struct mqtt_broker *b, uint64_t *rn);
/* c's answer `ack`, or session s, wants to hear when rn is committed. */
SH_MUST_CHECK sh_err mqtt_wait(struct mqtt_broker *b, uint64_t rn, struct mqtt_conn *c,
                               uint32_t ack, struct mqtt_session *s);
SH_MUST_CHECK sh_err mqtt_log_session(struct mqtt_broker *b, const struct mqtt_session *s,
                                      bool connected, uint64_t *rn);
SH_MUST_CHECK sh_err mqtt_log_session_end(struct mqtt_broker *b, uint64_t sid);
/* The message with those targets of v that are `logged`. */
SH_MUST_CHECK sh_err mqtt_log_msg(struct mqtt_broker *b, const struct mqtt_pub *p, bool retain,
                                  const struct mqtt_hit *v, uint32_t n, uint64_t *rn);
SH_MUST_CHECK sh_err mqtt_log_in(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid,
                                 bool add, uint64_t *rn);
SH_MUST_CHECK sh_err mqtt_log_rec(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid,
                                  uint64_t *rn);
void mqtt_log_done(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid);
void mqtt_log_away(struct mqtt_broker *b, const struct mqtt_session *s);
void mqtt_acklog_flush(struct mqtt_broker *b);
/* Bodies, shared by log and checkpoint. */
SH_MUST_CHECK sh_err mqtt_put_session(struct mqtt_broker *b, struct sh_buf *o,
                                      const struct mqtt_session *s, bool connected);
SH_MUST_CHECK sh_err mqtt_put_msg(struct mqtt_broker *b, struct sh_buf *o, const struct mqtt_pub *p,
                                  uint64_t id, bool retain);
/* Wall time of a mono time and back; MQTT_FAR is 0 in the log. */
int64_t mqtt_to_wall(const struct mqtt_broker *b, int64_t mono_us);
int64_t mqtt_from_wall(const struct mqtt_broker *b, int64_t wall_us);
SH_MUST_CHECK sh_err mqtt_put_text(struct sh_buf *o, const void *p, size_t n); /* u32 and bytes */
SH_MUST_CHECK sh_err mqtt_apply(struct mqtt_broker *b, uint8_t kind, struct sh_rd *r);
void mqtt_loaded_free(struct mqtt_broker *b);

/* mqtt_sys.c */
void mqtt_sys_tick(struct mqtt_broker *b);
void mqtt_sys_tell(struct mqtt_broker *b, struct mqtt_tenant *t);

#endif /* SH_ACCESS_MQTT_INT_H */
