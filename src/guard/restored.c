/* restored.c - the guard of data that comes in place of other data.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { SLICE = 1024 };

bool sh_guard_is_separated(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    const bool separated = g->separated;
    sh_mutex_unlock(&g->lock);
    return separated;
}

/* At most SLICE of them in one transaction; those that are gone are freed. */
static sh_err end_some(struct sh_guard *g, size_t *left)
{
    struct guard_batch b;
    struct guard_session *gone[SLICE];
    size_t n = 0;
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    sh_err err = SH_OK;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->lock);
    while (err == SH_OK && n < SLICE && sh_map_next(&g->sessions, &it, &key, &v)) {
        gone[n++] = v;
        err = guard_session_batch_end(&b, v);
    }
    sh_mutex_unlock(&g->lock);
    err = err != SH_OK ? err : guard_batch_commit(g, &b);
    sh_mutex_lock(&g->lock);
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        guard_session_free(g, gone[i]);
    }
    *left = g->sessions.n;
    sh_mutex_unlock(&g->lock);
    guard_batch_fini(&b);
    return err;
}

sh_err sh_guard_end_all_sessions(struct sh_guard *g)
{
    size_t left = 0;
    sh_err err = SH_OK;
    sh_mutex_lock(&g->change); /* nobody signs in in between */
    do {
        err = end_some(g, &left);
    } while (err == SH_OK && left > 0);
    sh_mutex_unlock(&g->change);
    return err;
}
