/* record_bench.c - writes through group commits: 1, 8 and 64 waiting callers. Prints JSON.
 * Usage: record_bench FOLDER (an existing, empty one)
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/record.h>

enum { MAX_CALLERS = 64, SECONDS = 3 };

struct caller {
    struct sh_record *r;
    int64_t end_us;
    uint64_t n;
    unsigned id;
    bool full; /* history, full text and feed */
};

static void run(void *ctx)
{
    struct caller *c = ctx;
    while (sh_mono_us(sh_clock_system()) < c->end_us) {
        char id[48];
        (void)snprintf(id, sizeof id, "%d-%u-%llu", c->full, c->id, (unsigned long long)c->n);
        const struct sh_record_put p = {
            .tenant = 1,
            .type = SH_STR("_bench"),
            .id = sh_str_c(id),
            .doc =
                SH_STR("{\"name\":\"循环水泵\",\"code\":\"P-101\",\"price\":12.5,\"open\":true}"),
            .expect = SH_RECORD_ANY,
            .flags = c->full ? SH_RECORD_F_HISTORY | SH_RECORD_F_TEXT | SH_RECORD_F_FEED : 0};
        if (sh_record_put(c->r, &p, SH_STR("bench"), NULL, NULL) != SH_OK) {
            return;
        }
        c->n++;
    }
}

static void measure(struct sh_record *r, unsigned callers, bool full)
{
    struct caller c[MAX_CALLERS];
    struct sh_thread t[MAX_CALLERS] = {0};
    struct sh_record_stats before;
    struct sh_record_stats after;
    uint64_t n = 0;
    sh_record_stats(r, &before);
    const int64_t from = sh_mono_us(sh_clock_system());
    for (unsigned i = 0; i < callers; i++) {
        c[i] = (struct caller){
            .r = r, .end_us = from + SECONDS * 1000000LL, .id = callers * 1000 + i, .full = full};
        if (sh_thread_start(&t[i], "caller", run, &c[i]) != SH_OK) {
            return;
        }
    }
    for (unsigned i = 0; i < callers; i++) {
        sh_thread_join(&t[i]);
        n += c[i].n;
    }
    const double s = (double)(sh_mono_us(sh_clock_system()) - from) / 1e6;
    sh_record_stats(r, &after);
    printf("{\"callers\":%u,\"full\":%s,\"puts_per_s\":%.0f,\"commits_per_s\":%.0f}\n", callers,
           full ? "true" : "false", (double)n / s, (double)(after.commits - before.commits) / s);
}

int main(int argc, char **argv)
{
    const struct sh_env env = sh_env_system();
    char path[512];
    struct sh_record *r = NULL;
    (void)snprintf(path, sizeof path, "%s/bench.db", argc > 1 ? argv[1] : ".");
    const struct sh_record_config cfg = {.path = path};
    if (sh_record_open(&env, NULL, &cfg, &r, NULL) != SH_OK) {
        return 1;
    }
    static const unsigned callers[] = {1, 8, 64};
    for (unsigned i = 0; i < 6; i++) {
        measure(r, callers[i % 3], i >= 3);
    }
    sh_record_close(r);
    return 0;
}
