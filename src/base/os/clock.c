/* clock.c - the system's clocks and random source.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <sh/env.h>

static int64_t now(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t wall(void *ctx)
{
    SH_UNUSED(ctx);
    return now(CLOCK_REALTIME);
}

static int64_t mono(void *ctx)
{
    SH_UNUSED(ctx);
    return now(CLOCK_MONOTONIC);
}

const struct sh_clock *sh_clock_system(void)
{
    static const struct sh_clock clock = {wall, mono, NULL};
    return &clock;
}

static sh_err fill(void *ctx, void *p, size_t n)
{
    SH_UNUSED(ctx);
    uint8_t *at = p;
    while (n > 0) {
        const ssize_t got = getrandom(at, n, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return SH_E_IO;
        }
        at += got;
        n -= (size_t)got;
    }
    return SH_OK;
}

const struct sh_random *sh_random_system(void)
{
    static const struct sh_random random = {fill, NULL};
    return &random;
}
