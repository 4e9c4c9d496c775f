/* mqttc.h - a small MQTT 3.1.1 client as a state machine: QoS 1 with redelivery, subscriptions at
 * QoS 1, keep-alive. No I/O; time is passed in. The demo plant's own, so that the platform's server
 * is not tested by itself. Spec: MQTT 3.1.1, clauses in mqttc.c.
 *
 * What is published while there is no connection waits in the outbox; when it is full the oldest
 * goes and is counted. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SIM_MQTTC_H
#define SH_SIM_MQTTC_H

#include <sh/base.h>

enum { MQTTC_OUTBOX = 512, MQTTC_WINDOW = 32, MQTTC_PACKET = 65536, MQTTC_KEEPALIVE_S = 30 };

struct mqttc_msg;

struct mqttc_opts {
    struct sh_str client_id;
    struct sh_str user; /* empty: none */
    struct sh_str password;
    const char *const *subscribe; /* ended by NULL; QoS 1; may be NULL */
    void (*on_message)(void *ctx, struct sh_str topic, struct sh_bytes payload);
    void *ctx;
};

struct mqttc {
    struct mqttc_opts o; /* all borrowed for the client's life */
    const struct sh_alloc *alloc;
    struct mqttc_msg *outbox; /* ring, oldest first: the first `sent` are under way */
    uint32_t head;
    uint32_t n;
    uint32_t sent;
    uint16_t next_id;
    bool open;       /* the transport is there */
    bool connected;  /* CONNACK 0 came */
    uint8_t refused; /* CONNACK code of the last refusal */
    int64_t last_out_us;
    int64_t ping_us; /* PINGREQ sent and not answered; 0 = none */
    uint64_t acked;
    uint64_t dropped;
};

SH_MUST_CHECK sh_err mqttc_init(struct mqttc *m, const struct sh_alloc *a,
                                const struct mqttc_opts *o);
void mqttc_fini(struct mqttc *m);
/* The transport opened: appends CONNECT. */
SH_MUST_CHECK sh_err mqttc_opened(struct mqttc *m, int64_t now_us, struct sh_buf *out);
/* It closed: what was not acknowledged is sent again next time. */
void mqttc_closed(struct mqttc *m);
/* Bytes of the server; *used of them are done with. Appends what is to be answered.
 * SH_E_PROTO: malformed; SH_E_DENIED: the server refused the connection. Close after either. */
SH_MUST_CHECK sh_err mqttc_bytes(struct mqttc *m, int64_t now_us, struct sh_bytes in, size_t *used,
                                 struct sh_buf *out);
/* Puts a message (copied) into the outbox. SH_E_NOMEM, SH_E_LIMIT (over 65,000 bytes). */
SH_MUST_CHECK sh_err mqttc_publish(struct mqttc *m, struct sh_str topic, struct sh_bytes payload);
/* Appends what may be sent now: messages of the window, a ping. SH_E_TIMEOUT: the server is silent.
 */
SH_MUST_CHECK sh_err mqttc_pump(struct mqttc *m, int64_t now_us, struct sh_buf *out);

#endif /* SH_SIM_MQTTC_H */
