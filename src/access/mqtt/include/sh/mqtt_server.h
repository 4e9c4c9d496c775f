/* mqtt_server.h - the broker on loops: listeners (TCP, TLS), streams from elsewhere (WebSocket),
 * its timers; and the adapter that keeps its state in the journal.
 * All functions run on the thread of the first loop unless said otherwise; those of the server
 * enter the broker themselves.
 *
 * How main puts it together:
 *   mqtt_journal_new -> mqtt_broker_new(store = mqtt_journal_ops) -> mqtt_journal_load
 *   -> sh_journal_open with mqtt_journal_owner among the owners (replays into the broker)
 *   -> mqtt_journal_attach -> sh_journal_start -> mqtt_broker_start -> mqtt_server_new, _listen.
 * And back: mqtt_server_stop -> (loop runs until stopped) -> mqtt_broker_checkpoint
 *   -> mqtt_journal_settle -> sh_journal_close -> mqtt_server_free -> sh_loop_free (tells the last
 *   commits) -> mqtt_broker_free -> mqtt_journal_free.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MQTT_SERVER_H
#define SH_MQTT_SERVER_H

#include <sh/mqtt.h>
#include <sh/stream.h>

struct sh_journal;
struct sh_journal_owner;
struct mqtt_server;

/* broker and loops are borrowed and outlive the server; the connections spread over the loops (at
 * most MQTT_LANES_MAX). */
SH_MUST_CHECK sh_err mqtt_server_new(struct sh_loop *const *loops, size_t n, struct mqtt_broker *b,
                                     struct mqtt_server **out);
/* Opens a port. `listener` is given to auth with each CONNECT. Limits of streams are set by the
 * server. Errors of sh_listen. At most 8 listeners (SH_E_LIMIT). */
SH_MUST_CHECK sh_err mqtt_server_listen(struct mqtt_server *s, struct sh_str address,
                                        struct sh_tls *tls, uint16_t listener, struct sh_diag *diag,
                                        struct sh_addr *bound);
/* Serves MQTT on an open stream of one of the loops, which is taken (WebSocket: after
 * sh_http_ws_accept with subprotocol "mqtt", message_max at least the packet limit). The thread of
 * the stream's loop. */
void mqtt_server_take(struct mqtt_server *s, struct sh_stream *stream, bool websocket,
                      uint16_t listener);
/* Writes out what the broker gathered, at the end of this turn, also on other loops. To be called
 * after the platform entered the broker and published or committed something. */
void mqtt_server_kick(struct mqtt_server *s);
/* Closes listeners and connections; on_stopped (may be NULL) is called when none is left, at the
 * latest soon after 3 seconds: by then peers that do not take what is left for them are cut off. */
void mqtt_server_stop(struct mqtt_server *s, void (*on_stopped)(void *ctx), void *ctx);
/* After on_stopped. NULL is accepted. */
void mqtt_server_free(struct mqtt_server *s);

/* ---- the broker's state in the journal ---- */

struct mqtt_journal;

/* dir: folder of checkpoints (".../mqtt"), made when missing. workers: where images are written;
 * borrowed. */
SH_MUST_CHECK sh_err mqtt_journal_new(const struct sh_env *env, struct sh_loop *loop,
                                      struct sh_workers *workers, const char *dir,
                                      struct mqtt_journal **out);
/* The table for mqtt_broker_opts.store; lives as long as mj. */
const struct mqtt_store_ops *mqtt_journal_ops(struct mqtt_journal *mj);
/* Reads the checkpoint into the broker. A damaged one is set aside under another name, reported in
 * the log, and what could be read of it is kept. Errors: SH_E_IO, SH_E_NOMEM. May block. */
SH_MUST_CHECK sh_err mqtt_journal_load(struct mqtt_journal *mj, struct mqtt_broker *b);
/* Owner entry for sh_journal_open; replays into the broker given to mqtt_journal_load. */
struct sh_journal_owner mqtt_journal_owner(struct mqtt_journal *mj);
/* The journal is open: appends go there from now on. Borrowed until it is closed; then NULL:
 * appends are refused with SH_E_LIMIT. */
void mqtt_journal_attach(struct mqtt_journal *mj, struct sh_journal *j);
/* The server to wake after commits; may be NULL. */
void mqtt_journal_wake(struct mqtt_journal *mj, struct mqtt_server *s);
/* Waits until no checkpoint is being written; what became of the last one. Blocks; not on the loop
 * nor on a worker. */
SH_MUST_CHECK sh_err mqtt_journal_wait(struct mqtt_journal *mj);
/* Waits until no checkpoint is being written (blocks); then checkpoints may be made no more, and
 * the server is not woken any more. Loop thread (or its loop has stopped). */
void mqtt_journal_settle(struct mqtt_journal *mj);
/* After sh_journal_close and mqtt_journal_settle. NULL is accepted. */
void mqtt_journal_free(struct mqtt_journal *mj);

#endif /* SH_MQTT_SERVER_H */
