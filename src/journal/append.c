/* append.c - records into the pending group.
 * SPDX-License-Identifier: Apache-2.0 */
#include "journal_int.h"

enum { GROUP_START = 64 << 10, ENTRY_START = 64, GROUP_KEEP = 1 << 20 };

struct journal_group *journal_queue_take(struct journal_queue *q)
{
    struct journal_group *g = q->head;
    if (g != NULL) {
        q->head = g->next;
        if (q->head == NULL) {
            q->tail = NULL;
        }
        g->next = NULL;
    }
    return g;
}

void journal_queue_put(struct journal_queue *q, struct journal_group *g)
{
    g->next = NULL;
    if (q->tail == NULL) {
        q->head = g;
    } else {
        q->tail->next = g;
    }
    q->tail = g;
}

void journal_group_free(struct sh_journal *j, struct journal_group *g)
{
    if (g != NULL) {
        sh_mem_free(j->env->alloc, g->buf);
        sh_mem_free(j->env->alloc, g->entries);
        sh_mem_free(j->env->alloc, g);
    }
}

/* Room for one more record of `size` bytes in g, the end padding included. */
static sh_err group_reserve(struct sh_journal *j, struct journal_group *g, size_t size)
{
    const size_t need = log_block_align(g->n + size);
    if (need > g->cap) {
        size_t cap = g->cap == 0 ? GROUP_START : g->cap;
        while (cap < need) {
            cap *= 2;
        }
        uint8_t *p = sh_mem_resize(j->env->alloc, g->buf, cap);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        g->buf = p;
        g->cap = cap;
    }
    if (g->count == g->entry_cap) {
        const uint32_t cap = g->entry_cap == 0 ? ENTRY_START : g->entry_cap * 2;
        struct journal_entry *e =
            sh_mem_resize(j->env->alloc, g->entries, (size_t)cap * sizeof *g->entries);
        if (e == NULL) {
            return SH_E_NOMEM;
        }
        g->entries = e;
        g->entry_cap = cap;
    }
    return SH_OK;
}

/* The group that takes `size` more bytes. On success it is the tail of `pending`. */
static sh_err group_for(struct sh_journal *j, size_t size, struct journal_group **out)
{
    struct journal_group *g = j->pending.tail;
    if (g != NULL && g->n + size <= JOURNAL_GROUP_MAX &&
        log_block_align(g->n + size) <= j->o.segment_bytes - LOG_BLOCK) {
        *out = g;
        return group_reserve(j, g, size);
    }
    g = j->spare_group;
    j->spare_group = NULL;
    if (g == NULL) {
        g = sh_mem_new(j->env->alloc, sizeof *g);
    }
    if (g == NULL) {
        return SH_E_NOMEM;
    }
    g->n = LOG_GROUP_HEAD;
    g->count = 0;
    g->charge = 0;
    g->err = SH_OK;
    const sh_err err = group_reserve(j, g, size);
    if (err != SH_OK) {
        journal_group_free(j, g);
        return err;
    }
    g->first_seq = j->next_seq;
    journal_queue_put(&j->pending, g);
    *out = g;
    return SH_OK;
}

static void group_put(struct journal_group *g, const struct sh_journal_append *a, size_t len)
{
    uint8_t *p = g->buf + g->n;
    log_record_head_write(p, (uint32_t)len, a->owner, a->kind);
    g->entries[g->count] = (struct journal_entry){.obj = a->obj,
                                                  .done = a->done,
                                                  .ctx = a->ctx,
                                                  .off = g->n + LOG_RECORD_HEAD,
                                                  .len = (uint32_t)len,
                                                  .owner = a->owner,
                                                  .kind = a->kind};
    g->count++;
    size_t at = LOG_RECORD_HEAD;
    for (size_t i = 0; i < a->nparts; i++) {
        if (a->parts[i].n != 0) {
            memcpy(p + at, a->parts[i].p, a->parts[i].n);
            at += a->parts[i].n;
        }
    }
    const size_t size = log_record_size(len);
    memset(p + at, 0, size - at);
    g->n += size;
    g->charge += size;
}

static sh_err admit(struct sh_journal *j, const struct sh_journal_append *a, size_t size)
{
    if (j->closing) {
        return SH_E_CLOSED;
    }
    if (j->st.full && !a->urgent) {
        j->refused = true;
        j->st.refused_full++;
        sh_cond_signal(&j->work);
        return SH_E_FULL;
    }
    /* A record larger than the queue passes when nothing else waits. */
    if (!a->urgent && j->queued != 0 && j->queued + size > j->o.queue_bytes) {
        j->refused = true;
        j->st.refused_limit++;
        return SH_E_LIMIT;
    }
    return SH_OK;
}

sh_err sh_journal_append(struct sh_journal *j, const struct sh_journal_append *a, uint64_t *seq)
{
    size_t len = 0;
    for (size_t i = 0; i < a->nparts; i++) {
        if (a->parts[i].n > j->o.max_record - len) {
            return SH_E_INVAL;
        }
        len += a->parts[i].n;
    }
    if (a->owner == 0 || a->owner >= SH_JOURNAL_OWNERS || j->owners[a->owner].o.apply == NULL) {
        return SH_E_INVAL;
    }
    const size_t size = log_record_size(len);
    struct journal_group *g = NULL;
    sh_mutex_lock(&j->lock);
    sh_err err = admit(j, a, size);
    if (err == SH_OK) {
        err = group_for(j, size, &g);
    }
    if (err == SH_OK) {
        group_put(g, a, len);
        j->queued += size;
        j->owners[a->owner].last_seq = j->next_seq;
        if (seq != NULL) {
            *seq = j->next_seq;
        }
        j->next_seq++;
        sh_cond_signal(&j->work);
    }
    sh_mutex_unlock(&j->lock);
    return err;
}
