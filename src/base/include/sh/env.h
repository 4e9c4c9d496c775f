/* env.h - what every module is given from outside: memory, time, log, files, randomness.
 * One sh_env per process (tests make their own); it outlives all who hold it. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ENV_H
#define SH_ENV_H

#include <stdatomic.h>

#include <sh/alloc.h>
#include <sh/fs.h>

/* Clock. wall = UTC microseconds since 1970 (may jump); mono = microseconds, never goes back. */
struct sh_clock {
    int64_t (*wall_us)(void *ctx);
    int64_t (*mono_us)(void *ctx);
    void *ctx;
};
const struct sh_clock *sh_clock_system(void);
static inline int64_t sh_wall_us(const struct sh_clock *c)
{
    return c->wall_us(c->ctx);
}
static inline int64_t sh_mono_us(const struct sh_clock *c)
{
    return c->mono_us(c->ctx);
}

enum sh_log_level { SH_LOG_ERROR, SH_LOG_WARN, SH_LOG_INFO, SH_LOG_DEBUG };

/* Log: one line per call; `write` is called with a complete line without the newline and may be
 * called from any thread. Secrets are never logged. */
struct sh_log {
    atomic_uint level; /* enum sh_log_level: lines above it are not written; changed by its owner */
    void (*write)(void *ctx, enum sh_log_level level, const char *module, struct sh_str line);
    void *ctx;
};
/* Writes "2026-01-02T03:04:05.678Z WARN module: text" to stderr. */
const struct sh_log *sh_log_stderr(void);
void sh_log(const struct sh_log *l, enum sh_log_level level, const char *module, const char *fmt,
            ...) SH_PRINTF(4, 5);

/* Randomness fit for secrets. */
struct sh_random {
    sh_err (*fill)(void *ctx, void *p, size_t n);
    void *ctx;
};
const struct sh_random *sh_random_system(void);

struct sh_env {
    const struct sh_alloc *alloc;
    const struct sh_clock *clock;
    const struct sh_log *log;
    const struct sh_fs *fs;
    const struct sh_random *random;
};
/* The real one. */
struct sh_env sh_env_system(void);

/* Explanation for a human, filled where a function takes `struct sh_diag *`. May be NULL there. */
struct sh_diag {
    char path[160];    /* file, configuration key or JSON pointer */
    int line;          /* 1-based; 0 = not known */
    char message[320]; /* one sentence, English, says what is wrong */
    char remedy[320];  /* what to do; may be empty */
};
/* Each sets its part and keeps the rest; NULL diag is accepted. */
void sh_diag_set(struct sh_diag *d, const char *fmt, ...) SH_PRINTF(2, 3);
void sh_diag_at(struct sh_diag *d, struct sh_str path, int line);
void sh_diag_remedy(struct sh_diag *d, const char *fmt, ...) SH_PRINTF(2, 3);

#endif /* SH_ENV_H */
