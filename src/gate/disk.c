/* disk.c - marks of the file system's use, and when it fills.
 *
 * A level is entered at its mark and left one percent of the file system below it, so that use
 * which stands at a mark does not switch to and fro; 0.1 % is measured, whatever the size.
 * Growth is (use now - use then) / time, then = the oldest of the measurements kept: one a minute
 * for an hour. After a fall of more than one percent (something was deleted) they begin anew.
 * Below the first mark there is time: the first minute after the start, in which log files are
 * made, does not count, and ten minutes are looked at before a date is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>

#include <sh/disk.h>

enum { KEPT = 61, DIR_CHARS = 4096 };
#define EVERY_US INT64_C(60000000)             /* between two that are kept */
#define SETTLE_US INT64_C(60000000)            /* after the start */
#define LEAST_US INT64_C(600000000)            /* growth over less says nothing */
#define LEAST_URGENT_US INT64_C(10000000)      /* from the first mark on */
#define FAR_US (INT64_C(3155760000) * 1000000) /* a hundred years: not in sight */

struct mark {
    int64_t mono_us;
    uint64_t used;
};

struct sh_disk {
    const struct sh_env *env;
    char dir[DIR_CHARS];
    atomic_uint at[4]; /* percent, by level */
    struct mark kept[KEPT];
    size_t n;    /* kept */
    size_t next; /* where the next goes */
    uint64_t last_used;
    int64_t start_us; /* mono */
    atomic_int level;
    atomic_ullong free_bytes;
    atomic_ullong total_bytes;
    atomic_llong full_us;
    atomic_ullong errors;
};

static bool marks_ok(unsigned warn, unsigned act, unsigned stop)
{
    return warn > 0 && warn <= act && act <= stop && stop <= 100;
}

sh_err sh_disk_set_marks(struct sh_disk *d, unsigned warn, unsigned act, unsigned stop)
{
    if (!marks_ok(warn, act, stop)) {
        return SH_E_INVAL;
    }
    atomic_store(&d->at[SH_DISK_WARN], warn);
    atomic_store(&d->at[SH_DISK_ACT], act);
    atomic_store(&d->at[SH_DISK_STOP], stop);
    return SH_OK;
}

sh_err sh_disk_new(const struct sh_env *env, const struct sh_disk_options *o, struct sh_disk **out)
{
    const unsigned warn = o->warn == 0 ? 80 : o->warn;
    const unsigned act = o->act == 0 ? 90 : o->act;
    const unsigned stop = o->stop == 0 ? 97 : o->stop;
    if (o->dir == NULL || strlen(o->dir) >= DIR_CHARS || !marks_ok(warn, act, stop)) {
        return SH_E_INVAL;
    }
    struct sh_disk *d = sh_mem_new(env->alloc, sizeof *d);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    d->env = env;
    d->start_us = sh_mono_us(env->clock);
    (void)snprintf(d->dir, sizeof d->dir, "%s", o->dir);
    *out = d;
    return sh_disk_set_marks(d, warn, act, stop);
}

void sh_disk_free(struct sh_disk *d)
{
    if (d != NULL) {
        sh_mem_free(d->env->alloc, d);
    }
}

static double percent_of(uint64_t used, uint64_t total)
{
    return total == 0 ? 0 : (double)used * 100 / (double)total;
}

static enum sh_disk_level level_of(const struct sh_disk *d, enum sh_disk_level was, double percent)
{
    enum sh_disk_level l = SH_DISK_OK;
    for (int i = SH_DISK_WARN; i <= SH_DISK_STOP; i++) {
        const double mark = (double)atomic_load(&d->at[i]) - ((int)was >= i ? 1 : 0);
        l = percent >= mark ? (enum sh_disk_level)i : l;
    }
    return l;
}

/* When the stop mark is reached; keeps a measurement a minute. */
static int64_t when_full(struct sh_disk *d, uint64_t used, uint64_t total, bool urgent)
{
    const int64_t now = sh_mono_us(d->env->clock);
    if (!urgent && now - d->start_us < SETTLE_US) {
        return 0;
    }
    if (d->n > 0 && used < d->last_used && percent_of(d->last_used - used, total) > 1) {
        d->n = 0;
        d->next = 0;
    }
    d->last_used = used;
    const struct mark *newest = d->n == 0 ? NULL : &d->kept[(d->next + KEPT - 1) % KEPT];
    if (newest == NULL || now - newest->mono_us >= EVERY_US) {
        d->kept[d->next] = (struct mark){now, used};
        d->next = (d->next + 1) % KEPT;
        d->n += d->n < KEPT;
    }
    const struct mark *then = &d->kept[(d->next + KEPT - d->n) % KEPT];
    const double limit = (double)atomic_load(&d->at[SH_DISK_STOP]) / 100 * (double)total;
    if (now - then->mono_us < (urgent ? LEAST_URGENT_US : LEAST_US) || used <= then->used ||
        (double)used >= limit) {
        return 0;
    }
    const double per_us = (double)(used - then->used) / (double)(now - then->mono_us);
    const double left_us = (limit - (double)used) / per_us;
    return left_us < (double)FAR_US ? sh_wall_us(d->env->clock) + (int64_t)left_us : 0;
}

sh_err sh_disk_measure(struct sh_disk *d, bool *changed)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    *changed = false;
    const sh_err err = d->env->fs->space(d->env->fs->ctx, d->dir, &free_bytes, &total);
    if (err != SH_OK) {
        (void)atomic_fetch_add(&d->errors, 1);
        return err;
    }
    free_bytes = free_bytes > total ? total : free_bytes;
    const uint64_t used = total - free_bytes;
    const enum sh_disk_level was = (enum sh_disk_level)atomic_load(&d->level);
    const enum sh_disk_level is = level_of(d, was, percent_of(used, total));
    atomic_store(&d->free_bytes, free_bytes);
    atomic_store(&d->total_bytes, total);
    atomic_store(&d->full_us, when_full(d, used, total, is >= SH_DISK_WARN));
    atomic_store(&d->level, (int)is);
    *changed = is != was;
    return SH_OK;
}

void sh_disk_state(const struct sh_disk *d, struct sh_disk_state *out)
{
    *out = (struct sh_disk_state){.level = (enum sh_disk_level)atomic_load(&d->level),
                                  .free_bytes = atomic_load(&d->free_bytes),
                                  .total_bytes = atomic_load(&d->total_bytes),
                                  .full_us = atomic_load(&d->full_us),
                                  .errors = atomic_load(&d->errors)};
    const uint64_t used =
        out->total_bytes > out->free_bytes ? out->total_bytes - out->free_bytes : 0;
    out->percent = percent_of(used, out->total_bytes);
}

const char *sh_disk_level_name(enum sh_disk_level l)
{
    static const char *const names[] = {"ok", "warn", "act", "stop"};
    return names[(size_t)l];
}
