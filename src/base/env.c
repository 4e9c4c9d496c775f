/* env.c - log and diagnostics.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/env.h>

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <sh/text.h>

static void stderr_write(void *ctx, enum sh_log_level level, const char *module, struct sh_str line)
{
    SH_UNUSED(ctx);
    static const char *const words[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    char when[SH_TIME_CHARS];
    const size_t n = sh_time_print(sh_wall_us(sh_clock_system()) / 1000 * 1000, when);
    char out[2200];
    const int len = snprintf(out, sizeof out, "%.*s %s %s: %.*s\n", (int)n, when,
                             words[(size_t)level & 3], module, SH_PRI(line));
    if (len > 0) {
        const size_t size = (size_t)len < sizeof out ? (size_t)len : sizeof out - 1;
        const ssize_t done = write(STDERR_FILENO, out, size); /* one call: lines do not mix */
        SH_UNUSED(done);
    }
}

const struct sh_log *sh_log_stderr(void)
{
    static const struct sh_log log = {SH_LOG_INFO, stderr_write, NULL};
    return &log;
}

void sh_log(const struct sh_log *l, enum sh_log_level level, const char *module, const char *fmt,
            ...)
{
    if (l == NULL || (unsigned)level > atomic_load(&l->level)) {
        return;
    }
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    const size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20) {
            text[i] = ' '; /* one call, one line: a peer's name cannot forge another */
        }
    }
    l->write(l->ctx, level, module, sh_str_of(text, len));
}

struct sh_env sh_env_system(void)
{
    return (struct sh_env){sh_alloc_heap(), sh_clock_system(), sh_log_stderr(), sh_fs_system(),
                           sh_random_system()};
}

void sh_diag_set(struct sh_diag *d, const char *fmt, ...)
{
    if (d != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(d->message, sizeof d->message, fmt, ap);
        va_end(ap);
    }
}

void sh_diag_at(struct sh_diag *d, struct sh_str path, int line)
{
    if (d != NULL) {
        (void)snprintf(d->path, sizeof d->path, "%.*s", SH_PRI(path));
        d->line = line;
    }
}

void sh_diag_remedy(struct sh_diag *d, const char *fmt, ...)
{
    if (d != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(d->remedy, sizeof d->remedy, fmt, ap);
        va_end(ap);
    }
}
