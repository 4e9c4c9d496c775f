/* slow.c - see slow.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "slow.h"

#define MINUTE_US INT64_C(60000000)

sh_err slow_new(const struct sh_alloc *alloc, struct slow **out)
{
    struct slow *s = sh_mem_new(alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_init(&s->lock);
    slow_set(s, 0);
    *out = s;
    return SH_OK;
}

void slow_free(const struct sh_alloc *alloc, struct slow *s)
{
    if (s != NULL) {
        sh_mutex_fini(&s->lock);
        sh_mem_free(alloc, s);
    }
}

void slow_set(struct slow *s, int64_t over_us)
{
    atomic_store(&s->over_us, over_us <= 0 ? INT64_MAX : over_us);
}

int64_t slow_limit(const struct slow *s)
{
    const int64_t us = atomic_load(&s->over_us);
    return us == INT64_MAX ? 0 : us;
}

void slow_text(struct slow_entry *e, enum slow_form form, struct sh_str text)
{
    size_t n = text.n;
    e->form = form;
    e->cut = e->cut || n > SLOW_TEXT;
    if (n > SLOW_TEXT) {
        n = SLOW_TEXT;
        while (n > 0 && ((uint8_t)text.p[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    e->ntext = n;
    if (n > 0) {
        memcpy(e->text, text.p, n);
    }
}

/* The row of what was slow; the one that was slow longest ago makes room. Under lock. */
static struct slow_row *row_of(struct slow *s, const struct slow_entry *e)
{
    struct slow_row *oldest = &s->row[0];
    for (size_t i = 0; i < s->nrows; i++) {
        struct slow_row *r = &s->row[i];
        if (r->tenant == e->tenant && r->route == e->route && r->method == e->method) {
            return r;
        }
        oldest = r->last_us < oldest->last_us ? r : oldest;
    }
    struct slow_row *r = s->nrows < SLOW_ROWS ? &s->row[s->nrows++] : oldest;
    *r = (struct slow_row){.tenant = e->tenant, .method = e->method, .route = e->route};
    return r;
}

static void count(struct slow_row *r, const struct slow_entry *e)
{
    const int64_t minute = e->time_us / MINUTE_US;
    const size_t at = (size_t)(minute % SLOW_MINUTES);
    if (r->minute[at] != minute) {
        r->minute[at] = minute;
        r->lately[at] = 0;
        r->lately_worst_us[at] = 0;
    }
    r->lately[at]++;
    r->count++;
    r->last_us = e->time_us;
    r->worst_us = e->took_us > r->worst_us ? e->took_us : r->worst_us;
    if (e->took_us > r->lately_worst_us[at]) {
        r->lately_worst_us[at] = e->took_us;
    }
}

void slow_put(struct slow *s, struct slow_entry *e, uint64_t *unlogged)
{
    (void)atomic_fetch_add(&s->count, 1);
    sh_mutex_lock(&s->lock);
    e->seq = ++s->last;
    s->kept[e->seq % SLOW_KEPT] = *e;
    count(row_of(s, e), e);
    s->unlogged++;
    *unlogged = 0;
    if (s->logged_us == 0 || e->time_us - s->logged_us >= SLOW_LOG_EVERY_S * INT64_C(1000000) ||
        e->time_us < s->logged_us) {
        *unlogged = s->unlogged;
        s->unlogged = 0;
        s->logged_us = e->time_us;
    }
    sh_mutex_unlock(&s->lock);
}

sh_err slow_at(struct slow *s, uint64_t before, struct slow_entry *out)
{
    sh_err err = SH_E_NOTFOUND;
    sh_mutex_lock(&s->lock);
    const uint64_t seq = before == 0 || before > s->last + 1 ? s->last : before - 1;
    if (seq > 0 && seq + SLOW_KEPT > s->last) {
        *out = s->kept[seq % SLOW_KEPT];
        err = SH_OK;
    }
    sh_mutex_unlock(&s->lock);
    return err;
}

bool slow_row_at(struct slow *s, size_t i, struct slow_row *out)
{
    sh_mutex_lock(&s->lock);
    const bool there = i < s->nrows;
    if (there) {
        *out = s->row[i];
    }
    sh_mutex_unlock(&s->lock);
    return there;
}

uint64_t slow_lately(const struct slow_row *r, int64_t now_us, int64_t *worst_us)
{
    const int64_t minute = now_us / MINUTE_US;
    uint64_t n = 0;
    *worst_us = 0;
    for (size_t i = 0; i < SLOW_MINUTES; i++) {
        if (r->minute[i] > minute - SLOW_MINUTES && r->minute[i] <= minute) {
            n += r->lately[i];
            *worst_us = r->lately_worst_us[i] > *worst_us ? r->lately_worst_us[i] : *worst_us;
        }
    }
    return n;
}
