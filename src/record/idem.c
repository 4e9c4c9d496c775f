/* idem.c - memory of requests with an idempotency key.
 *
 * A request is reserved in the map (it is being worked on) and then on disk, as an answer of no
 * bytes; its end replaces that by the answer or takes it away. So a row without an answer that is
 * not in the map is a request that was begun and never ended: whether it was done is not known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include <stdio.h>

enum { OWNER_MAX = 64, KEY_MAX = 128, ROW_MAX = OWNER_MAX + KEY_MAX + 1 };

/* "owner/key"; the map has the tenant in front. */
struct name {
    char text[ROW_MAX + 16];
    char end[OWNER_MAX + 1]; /* owner and the character behind '/': all its keys sort below */
    struct sh_str map;
    struct sh_str row;
    struct sh_str owner; /* with its '/' */
};

static bool name_of(const struct sh_record_idem *k, struct name *n)
{
    if (!record_id_ok(k->owner, OWNER_MAX) || !record_id_ok(k->key, KEY_MAX) ||
        memchr(k->owner.p, '/', k->owner.n) != NULL) {
        return false;
    }
    const int head = snprintf(n->text, sizeof n->text, "%x:", k->tenant);
    char *p = n->text + head;
    memcpy(p, k->owner.p, k->owner.n);
    p[k->owner.n] = '/';
    memcpy(p + k->owner.n + 1, k->key.p, k->key.n);
    memcpy(n->end, k->owner.p, k->owner.n);
    n->end[k->owner.n] = '/' + 1;
    n->owner = sh_str_of(p, k->owner.n + 1);
    n->row = sh_str_of(p, n->owner.n + k->key.n);
    n->map = sh_str_of(n->text, (size_t)head + n->row.n);
    return true;
}

/* The map's value says which request is being worked on: its fingerprint, never NULL. */
static void *mark_of(uint64_t fingerprint)
{
    return (void *)(uintptr_t)(fingerprint | 1U); /* NOLINT(performance-no-int-to-ptr) */
}

static sh_err reserve(struct sh_record *r, struct sh_str k, uint64_t fingerprint)
{
    sh_mutex_lock(&r->lock);
    const void *there = sh_map_get(&r->idem, k);
    sh_err err = SH_OK;
    if (there != NULL) {
        err = there == mark_of(fingerprint) ? SH_E_BUSY : SH_E_CONFLICT;
    } else {
        err = sh_map_put(&r->idem, k, mark_of(fingerprint));
    }
    sh_mutex_unlock(&r->lock);
    return err == SH_E_LIMIT ? SH_E_AGAIN : err;
}

static void release(struct sh_record *r, struct sh_str k)
{
    sh_mutex_lock(&r->lock);
    (void)sh_map_del(&r->idem, k);
    sh_mutex_unlock(&r->lock);
}

static sh_err commit(struct sh_record *r, const struct sh_record_op *op)
{
    struct sh_record_tx *tx = NULL;
    size_t refused = SIZE_MAX;
    sh_err err = sh_record_tx_new(r, SH_STR(""), &tx);
    if (err == SH_OK) {
        err = record_tx_raw(tx, op);
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, &refused, NULL);
    }
    sh_record_tx_free(tx);
    return err == SH_E_LIMIT && refused == SIZE_MAX ? SH_E_AGAIN : err; /* the writer's queue */
}

static struct sh_record_op op_of(const struct sh_record_idem *k, const struct name *n,
                                 enum sh_record_op_kind kind, struct sh_str answer)
{
    return (struct sh_record_op){.kind = kind,
                                 .tenant = k->tenant,
                                 .id = n->row,
                                 .doc = answer,
                                 .relation = n->owner,
                                 .to_id = sh_str_of(n->end, n->owner.n),
                                 .expect = k->fingerprint};
}

/* What the store knows: SH_OK answered, SH_E_STATE unknown, SH_E_CONFLICT, SH_E_NOTFOUND. */
static sh_err look(struct sh_record *r, const struct sh_record_idem *k, struct sh_str row,
                   struct sh_arena *ar, struct sh_str *answer)
{
    uint64_t print = 0;
    int64_t time_us = 0;
    SH_TRY(r->ops->idem(r->store, k->tenant, row, ar, &print, answer, &time_us));
    if (time_us + r->cfg.idempotency_us < sh_wall_us(r->env->clock)) {
        return SH_E_NOTFOUND;
    }
    if (print != k->fingerprint) {
        return SH_E_CONFLICT;
    }
    return answer->n == 0 ? SH_E_STATE : SH_OK;
}

sh_err sh_record_idem_begin(struct sh_record *r, const struct sh_record_idem *k,
                            struct sh_arena *ar, struct sh_str *answer)
{
    struct name n;
    if (!name_of(k, &n)) {
        return SH_E_INVAL;
    }
    /* Reserve first: an answer stored between a look and a reservation would be missed. */
    SH_TRY(reserve(r, n.map, k->fingerprint));
    sh_err err = look(r, k, n.row, ar, answer);
    if (err == SH_E_NOTFOUND && !k->in_memory) {
        const struct sh_record_op op = op_of(k, &n, SH_RECORD_OP_IDEM_BEGIN, SH_STR(""));
        err = commit(r, &op);
        err = err == SH_OK ? SH_E_NOTFOUND : err;
    }
    if (err != SH_E_NOTFOUND) {
        release(r, n.map);
    }
    return err;
}

sh_err sh_record_idem_end(struct sh_record *r, const struct sh_record_idem *k,
                          enum sh_record_idem_end how, struct sh_str answer)
{
    struct name n;
    if (!name_of(k, &n)) {
        return SH_E_INVAL;
    }
    sh_err err = SH_OK;
    if (how == SH_RECORD_IDEM_DONE) {
        const struct sh_record_op op =
            op_of(k, &n, k->in_memory ? SH_RECORD_OP_IDEM_BEGIN : SH_RECORD_OP_IDEM, answer);
        err = answer.n == 0 ? SH_E_INVAL : SH_OK;
        err = answer.n > r->cfg.max_doc_bytes ? SH_E_LIMIT : err;
        err = err == SH_OK ? commit(r, &op) : err;
    } else if (how == SH_RECORD_IDEM_NOTHING && !k->in_memory) {
        const struct sh_record_op op = op_of(k, &n, SH_RECORD_OP_IDEM_FREE, SH_STR(""));
        err = commit(r, &op);
    }
    release(r, n.map);
    return err;
}
