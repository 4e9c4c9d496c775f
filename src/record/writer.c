/* writer.c - the writer thread: takes what waits, commits it as one group, tells each caller its
 * own result. A commit starts as soon as the last one ended and anything waits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

sh_err record_enqueue(struct sh_record *r, struct sh_record_tx *tx)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&r->lock);
    if (r->stop) {
        err = SH_E_CLOSED;
    } else if (r->stats.queued >= r->cfg.max_queue) {
        r->stats.queue_full++;
        err = SH_E_LIMIT;
    } else {
        tx->next = NULL;
        if (r->tail == NULL) {
            r->head = tx;
        } else {
            r->tail->next = tx;
        }
        r->tail = tx;
        r->stats.queued++;
        sh_cond_signal(&r->work);
    }
    sh_mutex_unlock(&r->lock);
    return err;
}

/* Waits for work and cuts a group off the queue; NULL at the end, or at once when nothing waits and
 * there is something to tend. *version: of the types. */
static struct sh_record_tx *take_group(struct sh_record *r, uint64_t *version, bool tend)
{
    sh_mutex_lock(&r->lock);
    while (r->head == NULL && !r->stop && !tend) {
        sh_cond_wait(&r->work, &r->lock);
    }
    struct sh_record_tx *first = r->head;
    struct sh_record_tx *last = first;
    uint32_t n = first == NULL ? 0 : 1;
    size_t ops = first == NULL ? 0 : first->n;
    while (last != NULL && last->next != NULL && !first->types && !last->next->types &&
           n < r->cfg.max_group && ops + last->next->n <= RECORD_GROUP_OPS) {
        last = last->next;
        ops += last->n;
        n++;
    }
    if (last != NULL) {
        r->head = last->next;
        if (r->head == NULL) {
            r->tail = NULL;
        }
        last->next = NULL;
        r->stats.queued -= n;
    }
    *version = r->types_version;
    sh_mutex_unlock(&r->lock);
    return first;
}

static bool stopping(struct sh_record *r)
{
    sh_mutex_lock(&r->lock);
    const bool stop = r->stop;
    sh_mutex_unlock(&r->lock);
    return stop;
}

/* A portion of the store's own work. Returns whether there is more. */
static bool tend_store(struct sh_record *r)
{
    bool more = false;
    const sh_err err = r->ops->tend == NULL ? SH_OK : r->ops->tend(r->store, &more);
    if (err != SH_OK) {
        sh_log(r->env->log, SH_LOG_ERROR, "record",
               "an index of a field waits, its filters read all records: %s", sh_err_name(err));
    }
    sh_mutex_lock(&r->lock);
    r->stats.indexing = more;
    sh_mutex_unlock(&r->lock);
    return more;
}

/* The type of a document changed between its check and now. */
static sh_err check_again(struct sh_record *r, const struct sh_record_op *op, struct sh_diag *diag)
{
    json_t *doc = NULL;
    uint64_t version = 0;
    SH_TRY(sh_json_parse(op->doc, r->cfg.max_doc_bytes * (size_t)2, &doc, diag));
    const sh_err err = record_type_check(r, op->tenant, op->type, doc, &version, diag);
    json_decref(doc);
    return err;
}

static sh_err run_tx(struct sh_record *r, struct sh_record_tx *tx, uint64_t version, int64_t now_us)
{
    for (size_t i = 0; i < tx->n; i++) {
        struct sh_record_op *op = &tx->ops[i];
        sh_err err = SH_OK;
        if (op->kind == SH_RECORD_OP_PUT && op->types_version != 0 &&
            op->types_version != version) {
            err = check_again(r, op, &tx->diag);
        }
        if (err == SH_OK) {
            err = r->ops->apply(r->store, op, tx->author, now_us);
        }
        if (err != SH_OK) {
            tx->failed = i;
            return err;
        }
    }
    return SH_OK;
}

/* Every transaction of the group has its result in tx->err. Returns whether a commit was made. */
static bool run_group(struct sh_record *r, struct sh_record_tx *group, uint64_t version, bool trim,
                      uint64_t *last)
{
    const int64_t now_us = sh_wall_us(r->env->clock);
    sh_err lost = r->ops->begin(r->store);
    for (struct sh_record_tx *tx = group; tx != NULL && lost == SH_OK; tx = tx->next) {
        lost = r->ops->mark(r->store);
        if (lost == SH_OK) {
            tx->err = run_tx(r, tx, version, now_us);
            lost = r->ops->settle(r->store, tx->err == SH_OK);
            if (lost != SH_OK && tx->err != SH_OK) {
                lost = tx->err;
            }
        }
    }
    if (lost == SH_OK && trim) {
        struct sh_record_op op = {.kind = SH_RECORD_OP_TRIM};
        lost = r->ops->apply(r->store, &op, SH_STR(""), now_us);
    }
    if (lost == SH_OK) {
        lost = r->ops->commit(r->store, last);
    }
    if (lost == SH_OK) {
        return true;
    }
    r->ops->rollback(r->store);
    sh_log(r->env->log, SH_LOG_ERROR, "record", "a group commit failed: %s", sh_err_name(lost));
    for (struct sh_record_tx *tx = group; tx != NULL; tx = tx->next) {
        if (tx->err == SH_OK) {
            tx->err = lost;
            tx->failed = SIZE_MAX;
        }
    }
    return false;
}

static void tell(struct sh_record *r, struct sh_record_tx *group)
{
    while (group != NULL) {
        struct sh_record_tx *tx = group;
        group = tx->next;
        tx->next = NULL;
        if (tx->done != NULL) {
            tx->done(tx->ctx, tx->err, tx);
            sh_record_tx_free(tx);
            continue;
        }
        sh_mutex_lock(&r->lock);
        tx->finished = true;
        sh_cond_signal(&tx->cond); /* under the lock: the waiter frees tx right after */
        sh_mutex_unlock(&r->lock);
    }
}

static void notify(struct sh_record *r, uint64_t last)
{
    sh_mutex_lock(&r->watch_lock);
    for (size_t i = 0; i < r->nwatchers; i++) {
        r->watchers[i].fn(r->watchers[i].ctx, last);
    }
    sh_mutex_unlock(&r->watch_lock);
}

/* Content that came into use, or out of it. What is stored anew is told to who stores it. */
static void tell_idle(struct sh_record *r, const struct sh_record_tx *group)
{
    for (const struct sh_record_tx *tx = group; r->idle_fn != NULL && tx != NULL; tx = tx->next) {
        for (size_t i = 0; i < tx->n && tx->err == SH_OK; i++) {
            const struct sh_record_op *op = &tx->ops[i];
            if (op->idle != 0 && op->kind != SH_RECORD_OP_BLOB_ADD && !op->taken) {
                r->idle_fn(r->idle_ctx, op->tenant, op->idle);
            }
        }
    }
}

/* Counters and the feed's position. Returns whether the feed moved. */
static bool account(struct sh_record *r, const struct sh_record_tx *group, bool committed,
                    uint64_t last, int64_t took_us)
{
    bool moved = false;
    sh_mutex_lock(&r->lock);
    for (const struct sh_record_tx *tx = group; tx != NULL; tx = tx->next) {
        r->stats.txs += tx->err == SH_OK ? 1 : 0;
        r->stats.refused += tx->err == SH_OK ? 0 : 1;
    }
    if (committed) {
        r->stats.commits++;
        r->stats.commit_us += (uint64_t)took_us;
        moved = last > r->change_last;
        r->change_last = last;
    }
    if (moved) {
        sh_cond_broadcast(&r->feed);
    }
    sh_mutex_unlock(&r->lock);
    return moved;
}

void record_writer(void *ctx)
{
    struct sh_record *r = ctx;
    uint64_t groups = 0;
    bool tend = true;
    for (;;) {
        uint64_t version = 0;
        uint64_t last = 0;
        struct sh_record_tx *group = take_group(r, &version, tend);
        if (group == NULL && stopping(r)) {
            return;
        }
        if (group == NULL) {
            tend = tend_store(r);
            continue;
        }
        const int64_t from = sh_mono_us(r->env->clock);
        const bool committed =
            run_group(r, group, version, ++groups % RECORD_TRIM_EVERY == 0, &last);
        const bool moved = account(r, group, committed, last, sh_mono_us(r->env->clock) - from);
        if (committed && group->types) {
            record_types_changed(r);
            tend = true;
            sh_mutex_lock(&r->lock);
            r->stats.indexing = true; /* before the caller hears of it */
            sh_mutex_unlock(&r->lock);
        }
        if (committed) {
            tell_idle(r, group);
        }
        tell(r, group);
        if (moved) {
            notify(r, last);
        }
        tend = tend && tend_store(r); /* also under load that never ends */
    }
}
