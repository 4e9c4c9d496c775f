/* wheel.c - the timer wheel.
 * Invariants:
 *  1. A timer in slot (k, i) has due >= cur, and (due >> 8k) & 255 == i, or it lies beyond the
 * reach of the last level and is put again when its slot comes up.
 *  2. used[k] has a bit for every slot that is not empty (and perhaps for some that are).
 *  3. Time jumps cost one step per used slot, not per tick.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net_int.h"

static void link_timer(struct sh_timer **head, struct sh_timer *t)
{
    t->next = *head;
    if (t->next != NULL) {
        t->next->prev = &t->next;
    }
    *head = t;
    t->prev = head;
}

static void unlink_timer(struct sh_timer *t)
{
    *t->prev = t->next;
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    t->next = NULL;
    t->prev = NULL;
}

void net_wheel_init(struct net_wheel *w, int64_t now_ms)
{
    memset(w, 0, sizeof *w);
    w->cur = now_ms;
}

void net_wheel_put(struct net_wheel *w, struct sh_timer *t)
{
    const int64_t reach = ((int64_t)1 << (8 * NET_WHEEL_LEVELS)) - 1;
    int64_t at = t->due_ms;
    if (at <= w->cur) {
        at = w->cur + 1;
    }
    if (at - w->cur > reach) {
        at = w->cur + reach;
    }
    unsigned level = 0;
    while (level + 1 < NET_WHEEL_LEVELS && at - w->cur >= (int64_t)1 << (8 * (level + 1))) {
        level++;
    }
    const unsigned i = (unsigned)(at >> (8 * level)) & (NET_WHEEL_SLOTS - 1);
    link_timer(&w->slot[level][i], t);
    w->used[level][i / 64] |= (uint64_t)1 << (i % 64);
}

/* Distance 1..256 from slot `from` to the next used one, going round; 0 = none. */
static unsigned next_used(const uint64_t used[NET_WHEEL_SLOTS / 64], unsigned from)
{
    unsigned d = 1;
    while (d <= NET_WHEEL_SLOTS) {
        const unsigned i = (from + d) & (NET_WHEEL_SLOTS - 1);
        const uint64_t word = used[i / 64] >> (i % 64);
        if (word != 0) {
            const unsigned at = d + (unsigned)__builtin_ctzll(word);
            return at <= NET_WHEEL_SLOTS ? at : 0;
        }
        d += 64 - i % 64;
    }
    return 0;
}

int64_t net_wheel_next(const struct net_wheel *w)
{
    int64_t best = INT64_MAX;
    for (unsigned k = 0; k < NET_WHEEL_LEVELS; k++) {
        const int64_t base = w->cur >> (8 * k);
        const unsigned d = next_used(w->used[k], (unsigned)base & (NET_WHEEL_SLOTS - 1));
        if (d != 0) {
            const int64_t at = (base + d) * ((int64_t)1 << (8 * k));
            best = at < best ? at : best;
        }
    }
    return best;
}

/* cur has reached the first tick of this slot: its timers are due or move down. */
static void take_slot(struct net_wheel *w, unsigned level, unsigned i)
{
    w->used[level][i / 64] &= ~((uint64_t)1 << (i % 64));
    struct sh_timer *list = w->slot[level][i];
    w->slot[level][i] = NULL;
    while (list != NULL) {
        struct sh_timer *t = list;
        list = t->next;
        t->next = NULL;
        t->prev = NULL;
        if (t->due_ms <= w->cur) {
            link_timer(&w->expired, t);
        } else {
            net_wheel_put(w, t);
        }
    }
}

void net_wheel_run(struct net_wheel *w, int64_t now_ms)
{
    for (;;) {
        const int64_t at = net_wheel_next(w);
        if (at > now_ms) {
            if (now_ms > w->cur) {
                w->cur = now_ms;
            }
            return;
        }
        w->cur = at;
        for (unsigned k = NET_WHEEL_LEVELS; k-- > 0;) {
            if ((at & (((int64_t)1 << (8 * k)) - 1)) == 0) {
                take_slot(w, k, (unsigned)(at >> (8 * k)) & (NET_WHEEL_SLOTS - 1));
            }
        }
        while (w->expired != NULL) {
            struct sh_timer *t = w->expired;
            unlink_timer(t);
            t->fn(t->ctx);
        }
    }
}

void sh_timer_init(struct sh_timer *t, void (*fn)(void *ctx), void *ctx)
{
    *t = (struct sh_timer){.fn = fn, .ctx = ctx};
}

void sh_timer_stop(struct sh_timer *t)
{
    if (t->prev != NULL) {
        unlink_timer(t);
    }
}

void sh_timer_set(struct sh_loop *l, struct sh_timer *t, int64_t after_us)
{
    sh_timer_stop(t);
    const int64_t now = sh_loop_now_us(l);
    const int64_t max = INT64_MAX / 2 - now;
    const int64_t after = after_us < 0 ? 0 : after_us;
    t->due_ms = (now + (after > max ? max : after) + 999) / 1000;
    net_wheel_put(&l->wheel, t);
}
