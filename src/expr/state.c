/* state.c - operations that remember. A row without a value, or one that is not later than the
 * last, leaves what they remember as it is. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "expr_int.h"

enum { FLAG_SET = 1, FLAG_ON = 2, FLAG_WAITING = 4 };

#define EACH(f) for (uint32_t i = 0; i < (f)->n; i++)

static void no_value(struct frame *f, uint32_t i)
{
    f->d[i].bits = 0;
    f->dnull[i] = 1;
    f->nulls = true;
}

static bool none(const struct frame *f, uint32_t i)
{
    return f->nulls && f->dnull[i] != 0;
}

static double seconds_since(const struct slot *s, int64_t now_us)
{
    return (double)(now_us - s->t) / 1e6;
}

/* The cell before; x holds it whatever its type. */
static void keep(struct slot *s, union sh_cell c, int64_t t)
{
    memcpy(&s->x, &c, sizeof c);
    s->t = t;
    s->flags |= FLAG_SET;
}

static union sh_cell kept(const struct slot *s)
{
    union sh_cell c;
    memcpy(&c, &s->x, sizeof c);
    return c;
}

static sh_err prev(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (none(f, i)) {
            continue;
        }
        const union sh_cell now = f->a.v[i];
        if ((s->flags & FLAG_SET) != 0) {
            f->d[i] = kept(s);
        } else {
            no_value(f, i);
        }
        keep(s, now, f->rows->time_us[i]);
    }
    return SH_OK;
}

/* Decides about null itself: it fills the holes. */
static sh_err last(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (!vec_null(&f->a, i)) {
            keep(s, f->a.v[i], f->rows->time_us[i]);
        }
        f->dnull[i] = (s->flags & FLAG_SET) == 0 ? 1 : 0;
        f->nulls |= f->dnull[i] != 0;
        f->d[i] = kept(s);
    }
    return SH_OK;
}

static sh_err change_float(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (none(f, i)) {
            continue;
        }
        const union sh_cell now = f->a.v[i];
        if ((s->flags & FLAG_SET) != 0) {
            f->d[i].f64 = now.f64 - kept(s).f64;
        } else {
            no_value(f, i);
        }
        keep(s, now, f->rows->time_us[i]);
    }
    return SH_OK;
}

static sh_err change_whole(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (none(f, i)) {
            continue;
        }
        const union sh_cell now = f->a.v[i];
        int64_t d = 0;
        if ((s->flags & FLAG_SET) == 0 || __builtin_sub_overflow(now.i64, kept(s).i64, &d)) {
            no_value(f, i);
        } else {
            f->d[i].i64 = d;
        }
        keep(s, now, f->rows->time_us[i]);
    }
    return SH_OK;
}

static sh_err rate(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (none(f, i)) {
            continue;
        }
        const union sh_cell now = f->a.v[i];
        const int64_t t = f->rows->time_us[i];
        if ((s->flags & FLAG_SET) == 0) {
            keep(s, now, t);
            no_value(f, i);
        } else if (t <= s->t) {
            no_value(f, i);
        } else {
            f->d[i].f64 = (now.f64 - kept(s).f64) / seconds_since(s, t);
            keep(s, now, t);
        }
    }
    return SH_OK;
}

/* Trapezia (k: the longest gap that is bridged); y is the sum so far. */
static sh_err integral(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (none(f, i)) {
            continue;
        }
        const union sh_cell now = f->a.v[i];
        const int64_t t = f->rows->time_us[i];
        const bool later = (s->flags & FLAG_SET) == 0 || t > s->t;
        if (later && isfinite(now.f64)) {
            if ((s->flags & FLAG_SET) != 0 && seconds_since(s, t) <= f->k[0].f64) {
                s->y += (now.f64 + kept(s).f64) / 2 * seconds_since(s, t);
            }
            keep(s, now, t);
        }
        f->d[i].f64 = s->y;
    }
    return SH_OK;
}

static sh_err running_sum(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        if (!none(f, i)) {
            s->y += isfinite(f->a.v[i].f64) ? f->a.v[i].f64 : 0;
            f->d[i].f64 = s->y;
        }
    }
    return SH_OK;
}

/* First-order lag: y += (x - y) * (1 - exp(-dt / tau)). */
static sh_err ema(struct frame *f)
{
    struct slot *s = f->slot;
    const double tau = f->k[0].f64;
    EACH(f)
    {
        const double x = f->a.v[i].f64;
        const int64_t t = f->rows->time_us[i];
        if (none(f, i)) {
            continue;
        }
        if (isfinite(x) && (s->flags & FLAG_SET) == 0) {
            s->y = x;
            keep(s, f->a.v[i], t);
        } else if (isfinite(x) && t > s->t) {
            s->y += (x - s->y) * (tau > 0 ? 1 - exp(-seconds_since(s, t) / tau) : 1);
            keep(s, f->a.v[i], t);
        }
        f->d[i].f64 = s->y;
        if ((s->flags & FLAG_SET) == 0) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

static sh_err hysteresis(struct frame *f)
{
    struct slot *s = f->slot;
    const double on = f->k[0].f64;
    const double off = f->k[1].f64;
    EACH(f)
    {
        const double x = f->a.v[i].f64;
        if (none(f, i)) {
            continue;
        }
        if (on > off ? x >= on : x <= on) {
            s->flags |= FLAG_ON;
        } else if (on > off ? x <= off : x >= off) {
            s->flags &= ~(uint64_t)FLAG_ON;
        }
        f->d[i].bits = (s->flags & FLAG_ON) != 0 ? 1 : 0;
    }
    return SH_OK;
}

/* t: since when the condition differs from what is told. */
static sh_err debounce(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        const bool c = f->a.v[i].bits != 0;
        const bool told = (s->flags & FLAG_ON) != 0;
        const int64_t now = f->rows->time_us[i];
        if (none(f, i)) {
            continue;
        }
        if (c == told) {
            s->flags &= ~(uint64_t)FLAG_WAITING;
        } else if ((s->flags & FLAG_WAITING) == 0) {
            s->flags |= FLAG_WAITING;
            s->t = now;
        }
        if (c != told && seconds_since(s, now) >= f->k[c ? 0 : 1].f64) {
            s->flags = c ? FLAG_ON : 0;
        }
        f->d[i].bits = (s->flags & FLAG_ON) != 0 ? 1 : 0;
    }
    return SH_OK;
}

static sh_err duration(struct frame *f)
{
    struct slot *s = f->slot;
    EACH(f)
    {
        const bool c = f->a.v[i].bits != 0;
        const int64_t now = f->rows->time_us[i];
        if (none(f, i)) {
            continue;
        }
        if (c && (s->flags & FLAG_ON) == 0) {
            s->t = now;
        }
        s->flags = c ? FLAG_ON : 0;
        f->d[i].f64 = c && now > s->t ? seconds_since(s, now) : 0;
    }
    return SH_OK;
}

/* What a row's condition does to the one before: +1 it rises, -1 it falls. The first is no edge. */
static int edge(struct slot *s, bool c)
{
    const bool first = (s->flags & FLAG_SET) == 0;
    const bool was = (s->flags & FLAG_ON) != 0;
    s->flags = FLAG_SET | (c ? FLAG_ON : 0U);
    return first || was == c ? 0 : (c ? 1 : -1);
}

static sh_err count(struct frame *f)
{
    EACH(f)
    {
        if (!none(f, i)) {
            f->slot->t += edge(f->slot, f->a.v[i].bits != 0) > 0 ? 1 : 0;
            f->d[i].i64 = f->slot->t;
        }
    }
    return SH_OK;
}

static sh_err rising(struct frame *f)
{
    EACH(f)
    {
        if (!none(f, i)) {
            f->d[i].bits = edge(f->slot, f->a.v[i].bits != 0) > 0 ? 1 : 0;
        }
    }
    return SH_OK;
}

static sh_err falling(struct frame *f)
{
    EACH(f)
    {
        if (!none(f, i)) {
            f->d[i].bits = edge(f->slot, f->a.v[i].bits != 0) < 0 ? 1 : 0;
        }
    }
    return SH_OK;
}

static const struct op_info table[OP_COUNT_OF] = {
    [OP_PREV] = {prev, INFO_STATE | INFO_MAKES},
    [OP_LAST] = {last, INFO_STATE | INFO_OWN},
    [OP_CHANGE_F] = {change_float, INFO_STATE | INFO_MAKES},
    [OP_CHANGE_I] = {change_whole, INFO_STATE | INFO_MAKES},
    [OP_RATE] = {rate, INFO_STATE | INFO_MAKES},
    [OP_INTEGRAL] = {integral, INFO_STATE},
    [OP_SUM] = {running_sum, INFO_STATE},
    [OP_EMA] = {ema, INFO_STATE | INFO_MAKES},
    [OP_HYSTERESIS] = {hysteresis, INFO_STATE},
    [OP_DEBOUNCE] = {debounce, INFO_STATE},
    [OP_DURATION] = {duration, INFO_STATE},
    [OP_COUNT] = {count, INFO_STATE},
    [OP_RISING] = {rising, INFO_STATE},
    [OP_FALLING] = {falling, INFO_STATE},
};

struct op_info expr_state_op(enum op op)
{
    return table[op];
}
