/* snapshot.c - the files as of one moment: the view's segments, held by reference (an unlinked
 * segment stays mapped), and an image of the state file. Flush, image and view are taken under
 * flush_lock, so no flush, compaction step or state write comes between them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "history_int.h"

struct sh_history_snapshot {
    const struct sh_alloc *alloc;
    struct view *view;
    struct sh_buf state;
    uint64_t seq;
    char state_name[16];
};

static sh_err take(struct sh_history *h, struct sh_history_snapshot *s)
{
    sh_mutex_lock(&h->flush_lock);
    sh_err err = history_flush_locked(h);
    if (err == SH_OK) { /* a failed flush may have left a gen that this one wrote: once more */
        err = history_flush_locked(h);
    }
    if (err == SH_OK) {
        s->view = history_view(h);
        s->seq = atomic_load(&h->flushed_seq);
        err = state_image(h, &s->state);
    }
    if (err == SH_OK) {
        (void)snprintf(s->state_name, sizeof s->state_name, "state.%u",
                       (unsigned)(h->state_number + 1) & 1);
    }
    sh_mutex_unlock(&h->flush_lock);
    return err;
}

sh_err sh_history_snapshot_new(struct sh_history *h, struct sh_history_snapshot **out)
{
    struct sh_history_snapshot *s = sh_mem_new(h->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->alloc = h->env->alloc;
    sh_buf_init(&s->state, s->alloc, SIZE_MAX);
    const sh_err err = take(h, s);
    if (err != SH_OK) {
        sh_history_snapshot_free(s);
        return err;
    }
    *out = s;
    return SH_OK;
}

size_t sh_history_snapshot_files(const struct sh_history_snapshot *s)
{
    return (size_t)s->view->n + 1;
}

struct sh_history_file sh_history_snapshot_file(const struct sh_history_snapshot *s, size_t i)
{
    if (i == s->view->n) {
        return (struct sh_history_file){s->state_name, sh_buf_bytes(&s->state)};
    }
    const struct segment *g = s->view->segs[i];
    const char *slash = strrchr(g->path, '/');
    return (struct sh_history_file){slash == NULL ? g->path : slash + 1,
                                    sh_bytes_of(g->map.p, g->map.n)};
}

uint64_t sh_history_snapshot_seq(const struct sh_history_snapshot *s)
{
    return s->seq;
}

uint64_t sh_history_snapshot_samples(const struct sh_history_snapshot *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->view->n; i++) {
        n += s->view->segs[i]->info.samples;
    }
    return n;
}

void sh_history_snapshot_free(struct sh_history_snapshot *s)
{
    if (s != NULL) {
        view_unref(s->view);
        sh_buf_fini(&s->state);
        sh_mem_free(s->alloc, s);
    }
}
