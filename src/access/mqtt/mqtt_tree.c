/* mqtt_tree.c - topic trees as nodes in one hash table keyed by (parent, level).
 *
 * Invariants:
 * 1. Every node but the root is in its parent's list of children and in exactly one slot.
 * 2. A node without children and content exists only inside mqtt_tree_make .. mqtt_tree_trim.
 * 3. parent->plus and parent->many are its children "+" and "#", when there.
 * Matching a topic of L levels visits at most the nodes that can match: exact, "+" and "#" per node
 * reached, so its cost does not grow with the number of other subscriptions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { FIRST_CAP = 16 };

static uint64_t hash_of(const struct mqtt_tree *t, const struct mqtt_node *parent,
                        struct sh_str level)
{
    const uint64_t where = (uint64_t)(uintptr_t)parent >> 4;
    return sh_hash64(level.p, level.n, t->seed ^ where * 0x9E3779B97F4A7C15ULL);
}

static struct sh_str level_of(const struct mqtt_node *n)
{
    return (struct sh_str){n->level, n->level_n};
}

static struct mqtt_node *node_new(struct mqtt_tree *t, struct mqtt_node *parent,
                                  struct sh_str level)
{
    struct mqtt_node *n = sh_mem_new(t->alloc, sizeof *n + level.n + 1);
    if (n == NULL) {
        return NULL;
    }
    n->parent = parent;
    n->level_n = (uint32_t)level.n;
    if (level.n > 0) {
        memcpy(n->level, level.p, level.n);
    }
    return n;
}

sh_err mqtt_tree_init(struct mqtt_tree *t, const struct sh_alloc *a, uint64_t seed)
{
    *t = (struct mqtt_tree){.alloc = a, .seed = seed, .cap = FIRST_CAP};
    t->slots = sh_mem_array(a, FIRST_CAP, sizeof(struct mqtt_node *));
    t->root = node_new(t, NULL, (struct sh_str){NULL, 0});
    if (t->slots == NULL || t->root == NULL) {
        mqtt_tree_fini(t);
        return SH_E_NOMEM;
    }
    return SH_OK;
}

void mqtt_tree_fini(struct mqtt_tree *t)
{
    for (size_t i = 0; t->slots != NULL && i < t->cap; i++) {
        sh_mem_free(t->alloc, t->slots[i]);
    }
    sh_mem_free(t->alloc, t->slots);
    sh_mem_free(t->alloc, t->root);
    t->slots = NULL;
    t->root = NULL;
    t->n = 0;
}

static void slot_put(struct mqtt_node **slots, size_t cap, struct mqtt_node *n)
{
    size_t i = n->hash & (cap - 1);
    while (slots[i] != NULL) {
        i = (i + 1) & (cap - 1);
    }
    slots[i] = n;
}

/* Removes by shifting later members of the run back, so that no marks are needed. */
static void slot_del(struct mqtt_tree *t, const struct mqtt_node *n)
{
    const size_t mask = t->cap - 1;
    size_t i = n->hash & mask;
    while (t->slots[i] != n) {
        i = (i + 1) & mask;
    }
    size_t j = i;
    for (;;) {
        j = (j + 1) & mask;
        struct mqtt_node *m = t->slots[j];
        if (m == NULL) {
            break;
        }
        const size_t home = m->hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            t->slots[i] = m;
            i = j;
        }
    }
    t->slots[i] = NULL;
}

static sh_err grow(struct mqtt_tree *t)
{
    if ((t->n + 1) * 4 <= t->cap * 3) {
        return SH_OK;
    }
    const size_t cap = t->cap * 2;
    struct mqtt_node **slots = sh_mem_array(t->alloc, cap, sizeof(struct mqtt_node *));
    if (slots == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slots[i] != NULL) {
            slot_put(slots, cap, t->slots[i]);
        }
    }
    sh_mem_free(t->alloc, t->slots);
    t->slots = slots;
    t->cap = cap;
    return SH_OK;
}

struct mqtt_node *mqtt_tree_child(const struct mqtt_tree *t, struct mqtt_node *parent,
                                  struct sh_str level)
{
    if (parent->child == NULL) {
        return NULL;
    }
    const uint64_t h = hash_of(t, parent, level);
    for (size_t i = h & (t->cap - 1); t->slots[i] != NULL; i = (i + 1) & (t->cap - 1)) {
        struct mqtt_node *n = t->slots[i];
        if (n->hash == h && n->parent == parent && sh_str_eq(level_of(n), level)) {
            return n;
        }
    }
    return NULL;
}

struct mqtt_node *mqtt_tree_find(const struct mqtt_tree *t, struct sh_str path)
{
    struct mqtt_node *n = t->root;
    struct sh_str rest = path;
    while (rest.p != NULL && n != NULL) {
        struct sh_str next = {NULL, 0};
        const struct sh_str level = sh_str_cut(rest, '/', &next);
        n = mqtt_tree_child(t, n, level);
        rest = next;
    }
    return n;
}

static struct mqtt_node *add_child(struct mqtt_tree *t, struct mqtt_node *parent,
                                   struct sh_str level)
{
    if (grow(t) != SH_OK) {
        return NULL;
    }
    struct mqtt_node *n = node_new(t, parent, level);
    if (n == NULL) {
        return NULL;
    }
    n->hash = hash_of(t, parent, level);
    n->next = parent->child;
    if (n->next != NULL) {
        n->next->prev = n;
    }
    parent->child = n;
    if (sh_str_eqc(level, "+")) {
        parent->plus = n;
    } else if (sh_str_eqc(level, "#")) {
        parent->many = n;
    }
    slot_put(t->slots, t->cap, n);
    t->n++;
    return n;
}

struct mqtt_node *mqtt_tree_make(struct mqtt_tree *t, struct sh_str path)
{
    struct mqtt_node *n = t->root;
    struct sh_str rest = path;
    while (rest.p != NULL) {
        struct sh_str next = {NULL, 0};
        const struct sh_str level = sh_str_cut(rest, '/', &next);
        struct mqtt_node *c = mqtt_tree_child(t, n, level);
        if (c == NULL) {
            c = add_child(t, n, level);
        }
        if (c == NULL) {
            mqtt_tree_trim(t, n);
            return NULL;
        }
        n = c;
        rest = next;
    }
    return n;
}

void mqtt_tree_trim(struct mqtt_tree *t, struct mqtt_node *n)
{
    while (n != t->root && n->child == NULL && n->subs == NULL && n->groups == NULL &&
           n->retained == NULL) {
        struct mqtt_node *parent = n->parent;
        if (n->prev != NULL) {
            n->prev->next = n->next;
        } else {
            parent->child = n->next;
        }
        if (n->next != NULL) {
            n->next->prev = n->prev;
        }
        if (parent->plus == n) {
            parent->plus = NULL;
        }
        if (parent->many == n) {
            parent->many = NULL;
        }
        slot_del(t, n);
        t->n--;
        sh_mem_free(t->alloc, n);
        n = parent;
    }
}

struct match {
    const struct mqtt_tree *t;
    void (*fn)(void *ctx, struct mqtt_node *n);
    void *ctx;
};

/* rest.p == NULL: the topic has ended at n. Depth is bounded by the levels of a topic (max_levels);
 * `wild` is false at a first level that begins with '$'. */
static void match_at(const struct match *m, struct mqtt_node *n, struct sh_str rest, bool wild)
{
    for (;;) {
        if (n->many != NULL && wild) {
            m->fn(m->ctx, n->many);
        }
        if (rest.p == NULL) {
            if (n->subs != NULL || n->groups != NULL) {
                m->fn(m->ctx, n);
            }
            return;
        }
        struct sh_str next = {NULL, 0};
        const struct sh_str level = sh_str_cut(rest, '/', &next);
        struct mqtt_node *exact = mqtt_tree_child(m->t, n, level);
        if (n->plus != NULL && wild) {
            match_at(m, n->plus, next, true);
        }
        if (exact == NULL || exact == n->plus || exact == n->many) {
            return;
        }
        n = exact;
        rest = next;
        wild = true;
    }
}

void mqtt_tree_match(const struct mqtt_tree *t, struct sh_str topic,
                     void (*fn)(void *ctx, struct mqtt_node *n), void *ctx)
{
    if (t->root->child == NULL) {
        return;
    }
    const struct match m = {t, fn, ctx};
    match_at(&m, t->root, topic, topic.n == 0 || topic.p[0] != '$');
}

struct search {
    const struct mqtt_tree *t;
    bool (*fn)(void *ctx, struct mqtt_node *n);
    void *ctx;
};

static bool hidden(const struct search *s, const struct mqtt_node *parent,
                   const struct mqtt_node *n)
{
    return parent == s->t->root && n->level_n > 0 && n->level[0] == '$';
}

/* Everything below and at n, walked without recursion. */
static bool search_all(const struct search *s, struct mqtt_node *top)
{
    struct mqtt_node *n = top;
    for (;;) {
        if (n->retained != NULL && !s->fn(s->ctx, n)) {
            return false;
        }
        if (n->child != NULL) {
            n = n->child;
            continue;
        }
        while (n != top && n->next == NULL) {
            n = n->parent;
        }
        if (n == top) {
            return true;
        }
        n = n->next;
    }
}

static bool search_at(const struct search *s, struct mqtt_node *n, struct sh_str rest)
{
    if (rest.p == NULL) {
        return n->retained == NULL || s->fn(s->ctx, n);
    }
    struct sh_str next = {NULL, 0};
    const struct sh_str level = sh_str_cut(rest, '/', &next);
    if (sh_str_eqc(level, "#")) {
        if (n->retained != NULL && !s->fn(s->ctx, n)) {
            return false;
        }
        for (struct mqtt_node *c = n->child; c != NULL; c = c->next) {
            if (!hidden(s, n, c) && !search_all(s, c)) {
                return false;
            }
        }
        return true;
    }
    if (sh_str_eqc(level, "+")) {
        for (struct mqtt_node *c = n->child; c != NULL; c = c->next) {
            if (!hidden(s, n, c) && !search_at(s, c, next)) {
                return false;
            }
        }
        return true;
    }
    struct mqtt_node *c = mqtt_tree_child(s->t, n, level);
    return c == NULL || search_at(s, c, next);
}

bool mqtt_tree_search(const struct mqtt_tree *t, struct sh_str filter,
                      bool (*fn)(void *ctx, struct mqtt_node *n), void *ctx)
{
    const struct search s = {t, fn, ctx};
    return search_at(&s, t->root, filter);
}

static sh_err put_up(const struct mqtt_node *n, struct sh_buf *out)
{
    if (n->parent == NULL) {
        return SH_OK;
    }
    SH_TRY(put_up(n->parent, out));
    if (n->parent->parent != NULL) {
        SH_TRY(sh_buf_put_u8(out, '/'));
    }
    return sh_buf_put(out, n->level, n->level_n);
}

sh_err mqtt_tree_path(const struct mqtt_node *n, struct sh_buf *out)
{
    const size_t before = out->n;
    const sh_err e = put_up(n, out);
    if (e != SH_OK) {
        out->n = before;
    }
    return e;
}
