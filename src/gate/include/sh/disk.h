/* disk.h - how full the data folder's file system is: three marks with hysteresis, and the date on
 * which it fills, from the growth of the last hour. It measures and says; who asked acts (main: the
 * gate refuses, history drops its oldest partition).
 *
 * Threads: sh_disk_measure on one thread at a time (it may block); sh_disk_state on any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_DISK_H
#define SH_DISK_H

#include <sh/base.h>

struct sh_disk;

enum sh_disk_level {
    SH_DISK_OK = 0,
    SH_DISK_WARN, /* tell the operator */
    SH_DISK_ACT,  /* the operator's policy */
    SH_DISK_STOP  /* take no new data: what is left is the reserve */
};

struct sh_disk_options {
    const char *dir; /* copied */
    unsigned warn;   /* percent of the file system; 0 = 80 */
    unsigned act;    /* 0 = 90 */
    unsigned stop;   /* 0 = 97; at most 100 */
};
/* SH_E_INVAL when not warn <= act <= stop <= 100, SH_E_NOMEM. `env` is borrowed. */
SH_MUST_CHECK sh_err sh_disk_new(const struct sh_env *env, const struct sh_disk_options *o,
                                 struct sh_disk **out);
void sh_disk_free(struct sh_disk *d); /* NULL is accepted */
/* Other marks, from the next measurement on. SH_E_INVAL as above. Any thread. */
SH_MUST_CHECK sh_err sh_disk_set_marks(struct sh_disk *d, unsigned warn, unsigned act,
                                       unsigned stop);

struct sh_disk_state {
    enum sh_disk_level level;
    uint64_t free_bytes; /* for us: what is kept for the superuser is not counted anywhere */
    uint64_t total_bytes;
    double percent;  /* used */
    int64_t full_us; /* UTC: when `stop` is reached at the present growth; 0 = not in sight */
    uint64_t errors; /* measurements that failed */
};
/* Measures once. *changed: the level is another than before. An error leaves the state as it was
 * and is counted. */
SH_MUST_CHECK sh_err sh_disk_measure(struct sh_disk *d, bool *changed);
void sh_disk_state(const struct sh_disk *d, struct sh_disk_state *out);
/* "ok", "warn", "act", "stop". */
const char *sh_disk_level_name(enum sh_disk_level l);

#endif /* SH_DISK_H */
