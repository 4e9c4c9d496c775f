/* fakenet.h - a network in memory for unit tests (library sh_net_testing; USES net_testing). The
 * streams have the same interface and rules as TCP's; bytes move only in sh_loop_turn, so a test
 * drives everything by hand:
 *
 *     struct sh_fakepeer *p = sh_fakepeer_new(loop, NULL, &stream);
 *     my_engine_take(stream);
 *     sh_fakepeer_send(p, bytes); sh_loop_settle(loop, 100);
 *     ... look at sh_fakepeer_in(p) ...
 *     sh_fakepeer_free(p);
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_FAKENET_H
#define SH_FAKENET_H

#include <sh/stream.h>

struct sh_fake_opts {
    size_t write_max;                /* 0 = 1 MiB */
    size_t read_max;                 /* 0 = 1 MiB */
    size_t window;                   /* bytes in flight to the other end; 0 = 64 KiB */
    size_t chunk;                    /* largest piece shown to on_bytes at once; 0 = all */
    const struct sh_peer_cert *cert; /* what sh_stream_peer_cert gives; copied; NULL = none */
    struct sh_addr peer;             /* what sh_stream_peer gives */
    bool secure;
};

/* Two ends of one connection; each is a stream with its own owner. SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_fakenet_pair(struct sh_loop *l, const struct sh_fake_opts *opts,
                                     struct sh_stream **a, struct sh_stream **b);

/* The far end as a puppet of the test. */
struct sh_fakepeer;
/* *s is the near end, to be given to what is tested. NULL on no memory. */
struct sh_fakepeer *sh_fakepeer_new(struct sh_loop *l, const struct sh_fake_opts *opts,
                                    struct sh_stream **s);
/* Resets the connection if it is open. The near end's on_close follows in the next turn. */
void sh_fakepeer_free(struct sh_fakepeer *p);
/* Queues bytes towards the near end (no limit). */
void sh_fakepeer_send(struct sh_fakepeer *p, struct sh_bytes b);
void sh_fakepeer_send_c(struct sh_fakepeer *p, const char *text);
/* Everything received and not yet taken. */
struct sh_bytes sh_fakepeer_in(const struct sh_fakepeer *p);
void sh_fakepeer_drop(struct sh_fakepeer *p, size_t n); /* takes n bytes from the front */
/* true: stops reading, so that the near end's queue fills up. */
void sh_fakepeer_block(struct sh_fakepeer *p, bool blocked);
void sh_fakepeer_eof(struct sh_fakepeer *p);   /* half-close, as shutdown(SHUT_WR) */
void sh_fakepeer_reset(struct sh_fakepeer *p); /* as a lost connection: near end gets SH_E_IO */
bool sh_fakepeer_saw_eof(const struct sh_fakepeer *p); /* the near end ended its side */
bool sh_fakepeer_closed(const struct sh_fakepeer *p);  /* the near end has closed altogether */

#endif /* SH_FAKENET_H */
