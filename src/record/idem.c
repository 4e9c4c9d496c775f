/* idem.c - memory of answers to requests with an idempotency key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include <stdio.h>

enum { KEY_MAX = 256, MAP_KEY_MAX = KEY_MAX + 16 };

/* The map's value says which request is being worked on: its fingerprint, never NULL. */
static void *mark_of(uint64_t fingerprint)
{
    return (void *)(uintptr_t)(fingerprint | 1U); /* NOLINT(performance-no-int-to-ptr) */
}

static struct sh_str map_key(uint32_t tenant, struct sh_str key, char out[MAP_KEY_MAX])
{
    const int n = snprintf(out, MAP_KEY_MAX, "%x/", tenant);
    memcpy(out + n, key.p, key.n);
    return (struct sh_str){out, (size_t)n + key.n};
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
    return err;
}

static void release(struct sh_record *r, struct sh_str k)
{
    sh_mutex_lock(&r->lock);
    (void)sh_map_del(&r->idem, k);
    sh_mutex_unlock(&r->lock);
}

sh_err sh_record_idem_begin(struct sh_record *r, uint32_t tenant, struct sh_str key,
                            uint64_t fingerprint, struct sh_arena *ar, struct sh_str *answer)
{
    char buf[MAP_KEY_MAX];
    uint64_t print = 0;
    int64_t time_us = 0;
    if (!record_id_ok(key, KEY_MAX)) {
        return SH_E_INVAL;
    }
    const struct sh_str k = map_key(tenant, key, buf);
    /* Reserve first: an answer stored between a look and a reservation would be missed. */
    SH_TRY(reserve(r, k, fingerprint));
    sh_err err = r->ops->idem(r->store, tenant, key, ar, &print, answer, &time_us);
    if (err == SH_OK && time_us + r->cfg.idempotency_us < sh_wall_us(r->env->clock)) {
        err = SH_E_NOTFOUND;
    }
    if (err == SH_OK && print != fingerprint) {
        err = SH_E_CONFLICT;
    }
    if (err != SH_E_NOTFOUND) {
        release(r, k);
    }
    return err;
}

sh_err sh_record_idem_end(struct sh_record *r, uint32_t tenant, struct sh_str key,
                          uint64_t fingerprint, struct sh_str answer)
{
    char buf[MAP_KEY_MAX];
    struct sh_record_tx *tx = NULL;
    if (!record_id_ok(key, KEY_MAX)) {
        return SH_E_INVAL;
    }
    const struct sh_str k = map_key(tenant, key, buf);
    sh_err err = SH_OK;
    if (answer.p != NULL) {
        const struct sh_record_op op = {.kind = SH_RECORD_OP_IDEM,
                                        .tenant = tenant,
                                        .id = key,
                                        .doc = answer,
                                        .expect = fingerprint};
        err = answer.n > r->cfg.max_doc_bytes ? SH_E_LIMIT : sh_record_tx_new(r, SH_STR(""), &tx);
        if (err == SH_OK) {
            err = record_tx_raw(tx, &op);
        }
        if (err == SH_OK) {
            err = sh_record_tx_commit(tx, NULL, NULL);
        }
        sh_record_tx_free(tx);
    }
    release(r, k);
    return err;
}
