/* Changes of one transaction, copied into one buffer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { BATCH_TEXT_MAX = 1 << 24, BATCH_ITEMS_MAX = 65536 };

void guard_batch_init(struct sh_guard *g, struct guard_batch *b)
{
    *b = (struct guard_batch){.alloc = g->env->alloc};
    sh_buf_init(&b->text, g->env->alloc, BATCH_TEXT_MAX);
}

void guard_batch_fini(struct guard_batch *b)
{
    sh_buf_fini(&b->text);
    sh_mem_free(b->alloc, b->items);
    b->items = NULL;
    b->n = 0;
    b->cap = 0;
}

static sh_err batch_add(struct guard_batch *b, const struct guard_change *c)
{
    if (b->n == b->cap) {
        if (b->cap >= BATCH_ITEMS_MAX) {
            return SH_E_LIMIT;
        }
        const size_t cap = b->cap == 0 ? 8 : b->cap * 2;
        struct guard_pending *items = sh_mem_resize(b->alloc, b->items, cap * sizeof *items);
        if (items == NULL) {
            return SH_E_NOMEM;
        }
        b->items = items;
        b->cap = cap;
    }
    const size_t at = b->text.n;
    SH_TRY(sh_buf_reserve(&b->text, c->key.n + c->value.n + 1));
    SH_TRY(sh_buf_put_str(&b->text, c->key));
    if (c->value.p != NULL) {
        SH_TRY(sh_buf_put_str(&b->text, c->value));
    }
    b->items[b->n] = (struct guard_pending){
        .kind = c->kind,
        .key_at = at,
        .key_n = c->key.n,
        .value_at = at + c->key.n,
        .value_n = c->value.n,
        .deletes = c->value.p == NULL,
    };
    b->n++;
    return SH_OK;
}

sh_err guard_batch_put(struct guard_batch *b, enum guard_kind kind, struct sh_str key,
                       struct sh_str value)
{
    if (value.p == NULL) {
        return SH_E_INVAL;
    }
    return batch_add(b, &(struct guard_change){kind, key, value});
}

sh_err guard_batch_delete(struct guard_batch *b, enum guard_kind kind, struct sh_str key)
{
    return batch_add(b, &(struct guard_change){kind, key, {NULL, 0}});
}

sh_err guard_batch_commit(struct sh_guard *g, const struct guard_batch *b)
{
    if (b->n == 0) {
        return SH_OK;
    }
    struct guard_change *changes = sh_mem_array(b->alloc, b->n, sizeof *changes);
    if (changes == NULL) {
        return SH_E_NOMEM;
    }
    const char *text = (const char *)b->text.p;
    for (size_t i = 0; i < b->n; i++) {
        const struct guard_pending *p = &b->items[i];
        changes[i].kind = p->kind;
        changes[i].key = sh_str_of(text + p->key_at, p->key_n);
        if (!p->deletes) {
            changes[i].value = sh_str_of(text + p->value_at, p->value_n);
        }
    }
    const sh_err err = g->store->ops->commit(g->store, changes, b->n);
    sh_mem_free(b->alloc, changes);
    return err;
}
