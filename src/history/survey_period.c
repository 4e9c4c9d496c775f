/* survey_period.c - how often a point's samples come, from some of them: the memory and the time do
 * not grow with the range. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "survey_int.h"

enum {
    PLACES = 8,
    EACH = 256,
    MOST = 2048,
    ENOUGH = 16,
    LEAST = 3,
    BACK_STEPS = 4,
    BACK_FACTOR = 8
};

struct intervals {
    int64_t us[MOST];
    size_t n;
};

/* Up to EACH intervals from the beginning of [from, to). */
static sh_err place(struct sh_history *h, struct mem *mem, uint32_t point, int64_t from, int64_t to,
                    struct intervals *v)
{
    struct iter it;
    struct iter_run run;
    SH_TRY(iter_open(&it, h, mem, point, from, to, 0));
    const size_t room = MOST - v->n;
    const size_t end = v->n + (room < EACH ? room : EACH);
    int64_t before = 0;
    bool any = false;
    sh_err err = SH_OK;
    do {
        err = iter_next(&it, &run);
        for (uint32_t i = 0; err == SH_OK && i < run.n && v->n < end; i++) {
            if (any) {
                v->us[v->n++] = run.time[i] - before;
            }
            before = run.time[i];
            any = true;
        }
    } while (err == SH_OK && run.n != 0 && v->n < end);
    iter_close(&it);
    return err;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

sh_err survey_period(struct sh_history *h, struct mem *mem, uint32_t point, int64_t from,
                     int64_t to, int64_t *out)
{
    const int64_t day = (int64_t)86400 * 1000000;
    struct intervals *v = sh_mem_new(h->env->alloc, sizeof *v);
    *out = 0;
    if (v == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_OK;
    const int64_t width = (to - from) / PLACES + 1;
    for (int64_t at = from; err == SH_OK && at < to; at += width) {
        err = place(h, mem, point, at, to - at < width ? to : at + width, v);
    }
    int64_t back = to - from > day ? to - from : day;
    for (int i = 0; err == SH_OK && i < BACK_STEPS && v->n < ENOUGH; i++) {
        const int64_t begin = from - back > -HISTORY_TIME_MAX ? from - back : -HISTORY_TIME_MAX;
        err = place(h, mem, point, begin, from, v);
        back = back < HISTORY_TIME_MAX / BACK_FACTOR ? back * BACK_FACTOR : HISTORY_TIME_MAX;
    }
    if (err == SH_OK && v->n >= LEAST) {
        qsort(v->us, v->n, sizeof v->us[0], ascending);
        *out = v->us[(v->n - 1) / 2];
    }
    sh_mem_free(h->env->alloc, v);
    return err;
}
