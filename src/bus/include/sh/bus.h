/* bus.h - subjects between modules of one process: sealed batches (slabs) and events. Siblings of a
 * layer meet here. A subscriber is called on the thread that publishes - the journal's apply thread
 * for slabs, any thread for events - and must not block: it takes a reference or copies, and hands
 * over to its own thread. Slabs come in sequence order.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BUS_H
#define SH_BUS_H

#include <sh/value.h>

struct sh_bus;
struct sh_bus_sub;

enum sh_event_kind {
    SH_EVENT_DEVICE_STATE = 1, /* online, offline */
    SH_EVENT_DEVICE_CHANGED,   /* made, changed, removed */
    SH_EVENT_DEVICE_EVENT,     /* an event that a device reported */
    SH_EVENT_PROBLEM           /* something an operator should know */
};
struct sh_event {
    enum sh_event_kind kind;
    uint32_t tenant;
    int64_t time_us;
    struct sh_str object; /* device id, or what it is about */
    struct sh_str json;   /* an object with the details; may be empty */
};

SH_MUST_CHECK sh_err sh_bus_new(const struct sh_env *env, size_t max_subscribers,
                                struct sh_bus **out);
void sh_bus_free(struct sh_bus *b); /* NULL is accepted */

/* Any function may be NULL. Borrowed for the call; sh_slab_ref keeps a slab. `slab` and `newest`
 * may publish events; `event` may publish nothing. */
struct sh_bus_handler {
    void (*slab)(void *ctx, struct sh_slab *slab, uint64_t seq);
    void (*event)(void *ctx, const struct sh_event *e);
    /* In place of `slab`, of samples that came encoded: only the last one of each run of equal
     * quality of a block. NULL: `slab` gets them all, decoded for it. */
    void (*newest)(void *ctx, struct sh_slab *slab, uint64_t seq);
};
/* SH_E_LIMIT at max_subscribers. Any thread, but not from inside a handler. */
SH_MUST_CHECK sh_err sh_bus_subscribe(struct sh_bus *b, const struct sh_bus_handler *h, void *ctx,
                                      struct sh_bus_sub **out);
/* When it returns the handler is not running and is not called again. NULL is accepted. */
void sh_bus_unsubscribe(struct sh_bus *b, struct sh_bus_sub *s);

void sh_bus_publish_slab(struct sh_bus *b, struct sh_slab *slab, uint64_t seq);
/* Samples that came encoded. `all` is called at most once, when somebody wants the slab of all
 * rows, and gives a reference away; NULL: it could not be made, and those who want it are left out.
 */
struct sh_bus_packed {
    struct sh_slab *newest;
    struct sh_slab *(*all)(void *ctx);
    void *ctx;
};
void sh_bus_publish_packed(struct sh_bus *b, const struct sh_bus_packed *p, uint64_t seq);
void sh_bus_publish_event(struct sh_bus *b, const struct sh_event *e);

#endif /* SH_BUS_H */
