/* fair.h - a lock that several threads take all the time, each for some microseconds.
 * Free, it costs two atomic operations. Taken, the next one spins for a few microseconds before it
 * sleeps; who runs may take a free lock before one that sleeps has woken (so the lock never idles
 * while a thread is being scheduled), but not for long: a waiter of SH_FAIR_WAIT_US is handed the
 * lock by its holder, in the order of coming. So no thread waits longer than that plus one holding
 * by each that came before it.
 * Not recursive. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_FAIR_H
#define SH_FAIR_H

#include <stdatomic.h>

#include <sh/thread.h>

enum { SH_FAIR_WAIT_US = 1000 };

struct sh_fair_waiter;
struct sh_fair {
    atomic_uint state;
    atomic_uintptr_t holder;
    _Atomic uint64_t waits; /* times it was not free at once */
    _Atomic uint64_t parks; /* of these: times a thread slept */
    unsigned spins;
    struct sh_mutex m; /* of the queue */
    struct sh_fair_waiter *first;
    struct sh_fair_waiter **last;
};
void sh_fair_init(struct sh_fair *f);
void sh_fair_fini(struct sh_fair *f); /* nobody holds it or waits for it */
void sh_fair_lock(struct sh_fair *f);
void sh_fair_unlock(struct sh_fair *f);
/* Does the calling thread hold it? */
bool sh_fair_held(const struct sh_fair *f);
/* Does a thread sleep for it? A holder with much to do asks, and lets it go for a moment. */
bool sh_fair_wanted(const struct sh_fair *f);

struct sh_fair_stats {
    uint64_t waits;
    uint64_t parks;
};
void sh_fair_stats(const struct sh_fair *f, struct sh_fair_stats *out); /* any thread */

#endif /* SH_FAIR_H */
