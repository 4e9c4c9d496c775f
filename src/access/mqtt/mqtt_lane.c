/* mqtt_lane.c - the broker between several loops.
 *
 * The broker is one state machine under one lock: it sees one packet after the other, whichever
 * loop read it, so order and meaning are those of one loop. A loop has a lane here; a connection
 * belongs to the lane of the loop that has its stream. Invariants:
 *  1. Whoever uses the broker has entered it (mqtt_broker_enter), as the lane of his own loop. Who
 *     enters and changes anything has his lane flushed afterwards.
 *  2. The transport of a connection (ops) is called by its own loop only: inside a call of the
 *     engine when that came from this loop, else by mqtt_lane_flush. What another loop wants of it
 *     is left in the connection (out, read_due, close_due), which is put on its lane's list.
 *  3. Bytes are written outside of the lock: a flush takes the buffers of up to TAKE connections,
 *     writes, and comes back with what was not taken, which stands before all encoded meanwhile.
 *     `blocked`: the transport was full; nothing more is offered until it says it can. Only the
 *     short answers to a connection's own input are copied to its stream in the lock (answer_own);
 *     the stream sends them when on_bytes returns.
 *  4. A connection is freed only after its own loop said that it is gone (mqtt_conn_closed), so a
 *     pointer taken in 3 is good until the flush returns.
 *  5. A loop is woken at most once until it flushes (`woken`), and not at all while it is in a turn
 *     at whose end it flushes (`due`); in the middle of its input it sees `woken`, and flushes
 * before it goes on.
 *  6. The lock is held for one read (at most 64 KiB), TAKE buffers, or one event of the platform;
 *     who has done HOLD_WORK packets and deliveries, and sees another waiting, lets it go first.
 *  7. Input that fills the buffer of a subscriber on another loop faster than that loop writes
 * waits for it (lanes_wait), as it would if one loop did both; at most WAIT_US. Who waits has
 * flushed his own lane since he saw the need, so no two wait for each other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { TAKE = 64, WAIT_US = 10000, HOLD_WORK = 2048 };

void mqtt_lanes_init(struct mqtt_broker *b)
{
    sh_fair_init(&b->lock);
    b->nlanes = 1;
    for (unsigned i = 0; i < MQTT_LANES_MAX; i++) {
        sh_mutex_init(&b->lanes[i].lock);
        sh_cond_init(&b->lanes[i].flushed);
    }
}

void mqtt_lanes_fini(struct mqtt_broker *b)
{
    for (unsigned i = 0; i < MQTT_LANES_MAX; i++) {
        sh_cond_fini(&b->lanes[i].flushed);
        sh_mutex_fini(&b->lanes[i].lock);
    }
    sh_fair_fini(&b->lock);
}

void mqtt_broker_lanes(struct mqtt_broker *b, unsigned n, void (*wake)(void *ctx, unsigned lane),
                       void *ctx)
{
    SH_ASSERT(n > 0 && n <= MQTT_LANES_MAX && b->conns == NULL);
    b->nlanes = n;
    b->wake = wake;
    b->wake_ctx = ctx;
}

void mqtt_broker_enter(struct mqtt_broker *b, unsigned lane)
{
    sh_fair_lock(&b->lock);
    b->here = (uint8_t)lane;
    b->work_left = HOLD_WORK;
    b->crowded = 0;
}

void mqtt_broker_leave(struct mqtt_broker *b)
{
    b->here = 0;
    sh_fair_unlock(&b->lock);
}

void mqtt_broker_lock_stats(const struct mqtt_broker *b, struct sh_fair_stats *out)
{
    sh_fair_stats(&b->lock, out);
}

bool mqtt_lane_yield(struct mqtt_broker *b)
{
    if (b->work_left > 0) {
        return false;
    }
    b->work_left = HOLD_WORK;
    return sh_fair_wanted(&b->lock);
}

void mqtt_lane_mark(struct mqtt_conn *c)
{
    struct mqtt_lane *l = &c->b->lanes[c->lane];
    if (!c->dirty) {
        c->dirty = true;
        c->next_dirty = l->dirty;
        l->dirty = c;
    }
}

void mqtt_lane_unmark(struct mqtt_conn *c)
{
    if (!c->dirty) {
        return;
    }
    struct mqtt_conn **at = &c->b->lanes[c->lane].dirty;
    while (*at != c) {
        at = &(*at)->next_dirty;
    }
    *at = c->next_dirty;
    c->dirty = false;
}

void mqtt_lane_close(struct mqtt_conn *c)
{
    if (mqtt_lane_here(c)) {
        c->ops->close(mqtt_conn_room(c));
        return;
    }
    c->close_due = true;
    mqtt_lane_mark(c);
}

void mqtt_lane_read_on(struct mqtt_conn *c)
{
    c->no_read = false;
    if (mqtt_lane_here(c)) {
        c->ops->read_enable(mqtt_conn_room(c), true);
        return;
    }
    c->read_due = true;
    mqtt_lane_mark(c);
}

/* ---- flushing ---- */

/* What a connection's transport is to do. */
struct sending {
    struct mqtt_conn *c;
    uint8_t *p; /* the buffer, lent */
    uint32_t off;
    uint32_t n;
    uint32_t cap;
    uint32_t took;
    bool read_on;
    bool close;
};

static size_t take(struct mqtt_broker *b, struct mqtt_lane *l, struct sending *v)
{
    size_t n = 0;
    SH_UNUSED(b);
    while (n < TAKE && l->dirty != NULL) {
        struct mqtt_conn *c = l->dirty;
        l->dirty = c->next_dirty;
        c->dirty = false;
        struct sending s = {.c = c, .read_on = c->read_due, .close = c->close_due};
        c->read_due = false;
        c->close_due = false;
        if (c->out_n > c->out_off && !c->blocked) {
            s.p = c->out;
            s.off = c->out_off;
            s.n = c->out_n;
            s.cap = c->out_cap;
            c->out = NULL;
            c->out_n = 0;
            c->out_off = 0;
            c->out_cap = 0;
        }
        if (s.p != NULL || s.read_on || s.close) {
            v[n++] = s;
        }
    }
    return n;
}

/* Outside of the lock, by the loop that has the streams. */
static void send_out(struct sending *s)
{
    struct mqtt_conn *c = s->c;
    while (s->off < s->n) { /* until all is taken or nothing more is */
        const size_t n = c->ops->write(mqtt_conn_room(c), s->p + s->off, s->n - s->off);
        if (n == 0) {
            break;
        }
        s->off += (uint32_t)n;
        s->took += (uint32_t)n;
    }
    if (s->took > 0 && c->ops->flush != NULL) {
        c->ops->flush(mqtt_conn_room(c)); /* now, while its memory is in the cache */
    }
    if (s->read_on) {
        c->ops->read_enable(mqtt_conn_room(c), true);
    }
    if (s->close) {
        c->ops->close(mqtt_conn_room(c));
    }
}

/* The lock is held again. */
static void sent(struct mqtt_broker *b, const struct sending *s)
{
    struct mqtt_conn *c = s->c;
    b->n.bytes_out += s->took;
    if (c->s != NULL) {
        c->s->tenant->n.bytes_out += s->took;
    }
    if (s->p == NULL) {
        return;
    }
    mqtt_out_back(c, s->p, s->cap, s->off, s->n);
    /* What found no room in the buffer that is written now waits in the session's queue. */
    if (!c->blocked && c->s != NULL && (c->s->q->sent < c->s->q->n || c->s->rlist != NULL)) {
        mqtt_pump(b, c->s);
    }
}

/* Until the lane's list is empty. */
static void flush_all(struct mqtt_broker *b, struct mqtt_lane *l)
{
    struct sending v[TAKE];
    size_t n = take(b, l, v);
    while (n > 0) {
        const unsigned lane = b->here;
        mqtt_broker_leave(b);
        for (size_t i = 0; i < n; i++) {
            send_out(&v[i]);
        }
        mqtt_broker_enter(b, lane);
        for (size_t i = 0; i < n; i++) {
            sent(b, &v[i]);
        }
        n = take(b, l, v);
    }
}

uint32_t mqtt_lanes_to_wake(struct mqtt_broker *b)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < b->nlanes; i++) {
        struct mqtt_lane *l = &b->lanes[i];
        if (i != b->here && l->dirty != NULL && !l->woken) {
            l->woken = true;
            set |= l->due ? 0 : (uint32_t)1 << i;
        }
    }
    return set;
}

void mqtt_lanes_wake(struct mqtt_broker *b, uint32_t set)
{
    for (unsigned i = 0; set != 0; i++, set >>= 1) {
        if ((set & 1) != 0) {
            b->wake(b->wake_ctx, i);
        }
    }
}

/* turn_end: also what is gathered for log and gate goes on. */
static void flush(struct mqtt_broker *b, unsigned lane, bool turn_end)
{
    struct mqtt_lane *l = &b->lanes[lane];
    mqtt_broker_enter(b, lane);
    l->woken = false;
    l->due = l->due && !turn_end;
    if (turn_end) {
        mqtt_turn_end(b);
    }
    flush_all(b, l);
    const uint32_t set = mqtt_lanes_to_wake(b);
    mqtt_broker_leave(b);
    mqtt_lanes_wake(b, set);
    sh_mutex_lock(&l->lock);
    l->flushes++;
    if (l->waiting > 0) {
        sh_cond_broadcast(&l->flushed);
    }
    sh_mutex_unlock(&l->lock);
}

void mqtt_lane_flush(struct mqtt_broker *b, unsigned lane)
{
    flush(b, lane, true);
}

/* ---- a loop and its connections ---- */

/* Invariant 7. */
static void lanes_wait(struct mqtt_broker *b, unsigned mine, uint32_t crowded)
{
    uint64_t seen[MQTT_LANES_MAX] = {0};
    for (unsigned i = 0; i < b->nlanes; i++) {
        sh_mutex_lock(&b->lanes[i].lock);
        seen[i] = b->lanes[i].flushes;
        sh_mutex_unlock(&b->lanes[i].lock);
    }
    flush(b, mine, false); /* this wakes them, too */
    for (unsigned i = 0; i < b->nlanes; i++) {
        struct mqtt_lane *l = &b->lanes[i];
        if ((crowded >> i & 1) == 0) {
            continue;
        }
        sh_mutex_lock(&l->lock);
        l->waiting++;
        while (l->flushes == seen[i] && sh_cond_wait_for(&l->flushed, &l->lock, WAIT_US)) {
        }
        l->waiting--;
        sh_mutex_unlock(&l->lock);
    }
}

/* Answers of c alone, which had nothing to write before, go to its stream without waiting for the
 * end of the turn: the next connection uses the same buffer. */
static void answer_own(struct mqtt_conn *c)
{
    struct mqtt_lane *l = &c->b->lanes[c->lane];
    if (c->out_n == 0 || c->out_cap > MQTT_OUT_SMALL || l->dirty != c) {
        return;
    }
    mqtt_out_write(c);
    if (c->out == NULL && !c->read_due && !c->close_due) {
        mqtt_lane_unmark(c);
    }
}

size_t mqtt_lane_input(struct mqtt_conn *c, struct sh_bytes in)
{
    struct mqtt_broker *b = c->b;
    size_t used = 0;
    bool more = true;
    while (more) {
        mqtt_broker_enter(b, c->lane);
        b->yielded = false;
        const bool quiet = !c->dirty;
        used += mqtt_conn_input(c, (struct sh_bytes){in.p + used, in.n - used});
        b->lanes[c->lane].due = true;
        more = b->yielded;
        if (quiet) {
            answer_own(c);
        }
        const uint32_t crowded = b->crowded;
        const bool asked = b->lanes[c->lane].woken;
        if (crowded != 0) {
            b->n.lane_waits++;
        }
        mqtt_broker_leave(b);
        if (crowded != 0) {
            lanes_wait(b, c->lane, crowded);
        } else if (asked) { /* another loop may be waiting, and the end of this turn be far */
            flush(b, c->lane, false);
        }
    }
    return used;
}

void mqtt_lane_writable(struct mqtt_conn *c)
{
    struct mqtt_broker *b = c->b;
    mqtt_broker_enter(b, c->lane);
    mqtt_now(b);
    c->blocked = false;
    b->lanes[c->lane].due = true;
    mqtt_lane_mark(c);
    if (c->state == MQTT_C_OPEN) {
        mqtt_pump(b, c->s);
    }
    mqtt_broker_leave(b);
}
