/* rig.h - the engine between a fake network and a fake clock, with a small Modbus slave at the far
 * end. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CHANNELS_RIG_H
#define SH_CHANNELS_RIG_H

#include <sh/test.h>

#include <sh/channels.h>
#include <sh/fakenet.h>
#include <sh/modbus.h>

enum { RIG_TAGS = 16, RIG_DEVS = 4 };
#define MS ((int64_t)1000)
#define SEC ((int64_t)1000000)

struct rig {
    struct sh_test_env t;
    struct sh_loop *loop;
    struct sh_channels *e;
    /* fake network */
    const struct sh_connect_handler *dial_h;
    void *dial_ctx; /* not NULL: a dial waits for its end */
    unsigned dials;
    unsigned cancels;
    char dial_host[64];
    uint16_t dial_port;
    void (*on_accept)(void *ctx, struct sh_stream *s);
    void *accept_ctx;
    unsigned listens;
    unsigned unlistens;
    int listen_fails;
    struct sh_fakepeer *peer;
    /* sink */
    unsigned seen[RIG_TAGS];
    unsigned bad[RIG_TAGS];
    double value[RIG_TAGS];
    uint8_t quality[RIG_TAGS];
    int64_t time[RIG_TAGS];
    unsigned ups[RIG_DEVS];
    unsigned downs[RIG_DEVS];
    bool sink_full;
    /* writes */
    int write_result;
    unsigned writes;
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);
/* Turns the loop and moves the clock in steps of at most 10 ms. */
void rig_run(struct rig *r, int64_t us);
/* The dial that waits succeeds (a new peer) or fails. */
void rig_connect(struct rig *r);
void rig_refuse(struct rig *r);
/* A DTU connects to the listener from that address. */
struct sh_fakepeer *rig_dtu(struct rig *r, const char *address);
/* Answers all requests that wait at a peer (MBAP or RTU); returns how many. */
unsigned rig_answer(struct rig *r, struct sh_fakepeer *p, bool rtu);
/* Puts a channel made of JSON text; the sink's user is the rig. */
struct sh_channel *rig_put(struct rig *r, const char *json);
sh_err rig_try(struct rig *r, const char *json, struct sh_diag *diag, struct sh_channel **out);

#endif /* SH_CHANNELS_RIG_H */
