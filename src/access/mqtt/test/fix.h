/* fix.h - a broker on fakes: settable clock, clients that are byte buffers, a log kept in memory
 * that commits when told, identity and telemetry that answer when told. Tests only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ACCESS_MQTT_TEST_FIX_H
#define SH_ACCESS_MQTT_TEST_FIX_H

#include <sh/test.h>

#include <sh/mqtt.h>
#include <sh/mqtt_codec.h>

enum { FIX_RECORDS = 4096, FIX_PENDING = 64 };

struct fix {
    struct sh_test_env t;
    struct mqtt_broker *b;
    struct mqtt_broker_opts opts;
    struct mqtt_auth_ops auth;
    struct mqtt_telemetry_ops telemetry;
    struct mqtt_store_ops store;
    struct mqtt_event_ops events;
    /* identity: user name "tenant:principal[:device]" (default 1:1); "bad" is refused. A device
     * whose id begins with "gw" is a gateway. Topics below "secret/" are forbidden to all. */
    bool hold_auth;
    mqtt_auth_done *held;
    void *held_token;
    struct mqtt_principal *held_p;
    size_t principals; /* given and not released */
    /* Called once, while the transport of a client takes bytes. */
    void (*during)(void *ctx);
    void *during_ctx;
    /* log */
    struct sh_buf records[FIX_RECORDS];
    uint32_t nrecords;
    uint64_t rn;
    uint64_t told; /* committed */
    bool hold_commits;
    bool refuse_append;
    atomic_bool full;    /* the disk, see mqtt_broker_opts */
    struct sh_buf image; /* newest checkpoint */
    uint64_t image_rn;
    /* telemetry: what came last, and tokens that wait when hold_telemetry */
    bool hold_telemetry;
    sh_err telemetry_says;
    uint32_t ntelemetry;
    enum mqtt_layout layout;
    char device[64];
    char property[64];
    char payload[128];
    uint32_t mapping;
    mqtt_telemetry_done *tdone[FIX_PENDING];
    void *ttoken[FIX_PENDING];
    uint32_t nwait;
    /* events */
    uint32_t online;
    uint32_t offline;
};

struct cli {
    struct fix *f;
    struct mqtt_conn *c;
    struct sh_buf out; /* bytes to the broker it has not used yet */
    struct sh_buf in;  /* bytes from the broker */
    size_t in_at;
    size_t room; /* how many more bytes the "socket" takes */
    uint8_t version;
    bool closed; /* the broker has closed it */
    bool reading;
    struct mqtt_packet p; /* the packet cli_next has read */
};

/* with_store: records are kept; commits come at once unless hold_commits. */
struct fix *fix_new(const struct mqtt_limits *limits, bool with_store);
void fix_free(struct fix *f);
void fix_start(struct fix *f); /* after fix_new or fix_crash: recovery is over */
/* kill -9: the broker is thrown away; a new one reads the image and the first `keep` records
 * (UINT32_MAX: all). Clients must have been dropped. */
void fix_crash(struct fix *f, uint32_t keep);
void fix_commit(struct fix *f, sh_err err); /* everything appended so far */
void fix_tick(struct fix *f, int64_t seconds);
void fix_telemetry_done(struct fix *f, uint32_t i, sh_err err);
void fix_auth_done(struct fix *f);
struct mqtt_counters fix_counters(const struct fix *f);

void cli_open(struct cli *c, struct fix *f, int version);
void cli_drop(
    struct cli *c); /* the connection is lost (or closes after the broker has closed it) */
void cli_bytes(struct cli *c, const void *p, size_t n);
void cli_send(struct cli *c, const struct mqtt_packet *p);
void cli_feed(struct cli *c); /* gives kept bytes again; flushes the broker */
/* Next packet from the broker: its type, or 0 when there is none. It is in c->p. */
int cli_next(struct cli *c);
/* Fails the test unless the next packet is of that type. */
void cli_expect(struct cli *c, int type);
void cli_expect_none(struct cli *c);
/* Opens and connects; returns the CONNACK's code. expiry_s: of 5.0. */
struct con {
    const char *id;
    const char *user;
    bool clean;
    uint32_t expiry_s;
    uint16_t keep_alive;
    const struct mqtt_connect *more; /* will and properties to use */
};
int cli_connect(struct cli *c, struct fix *f, int version, const struct con *o);
/* Connects with an id and clean start; fails the test unless accepted. */
void cli_up(struct cli *c, struct fix *f, int version, const char *id);
void cli_up_as(struct cli *c, struct fix *f, int version, const char *id, const char *user);
/* SUBSCRIBE with one filter; returns the code of SUBACK. */
int cli_sub(struct cli *c, const char *filter, uint8_t options);
int cli_sub_id(struct cli *c, const char *filter, uint8_t options, uint32_t id);
int cli_unsub(struct cli *c, const char *filter);
/* PUBLISH without waiting. */
void cli_pub(struct cli *c, const char *topic, const char *payload, int qos, bool retain,
             uint16_t pid);
/* Whole exchange; fails the test unless every answer comes. */
void cli_pub_done(struct cli *c, const char *topic, const char *payload, int qos, bool retain,
                  uint16_t pid);
void cli_ack(struct cli *c, int type, uint16_t pid, uint8_t code);
/* Expects a PUBLISH with these; c->p holds it. */
void cli_expect_pub(struct cli *c, const char *topic, const char *payload, int qos);

#endif /* SH_ACCESS_MQTT_TEST_FIX_H */
