/* map.c - hash, CRC-32C and the open-addressing map.
 * Map invariants: cap is a power of two; live + dead slots stay at most 3/4 of cap; a slot with
 * key.p == NULL is free, one with key.p == tomb is dead; a live key is a copy of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/map.h>

struct sh_map_slot {
    struct sh_str key;
    uint64_t hash;
    void *value;
};

static const char tomb[1] = {0};

static uint64_t mix(uint64_t a, uint64_t b)
{
    /* 64 x 64 -> 128 multiply, folded, from 32-bit halves. */
    const uint64_t al = a & 0xffffffffu;
    const uint64_t ah = a >> 32;
    const uint64_t bl = b & 0xffffffffu;
    const uint64_t bh = b >> 32;
    const uint64_t ll = al * bl;
    const uint64_t lh = al * bh;
    const uint64_t hl = ah * bl;
    const uint64_t hh = ah * bh;
    const uint64_t mid = (ll >> 32) + (lh & 0xffffffffu) + (hl & 0xffffffffu);
    const uint64_t lo = (ll & 0xffffffffu) | mid << 32;
    const uint64_t hi = hh + (lh >> 32) + (hl >> 32) + (mid >> 32);
    return lo ^ hi;
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t read_tail(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

uint64_t sh_hash64(const void *p, size_t n, uint64_t seed)
{
    static const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15);
    static const uint64_t k1 = UINT64_C(0xd1b54a32d192ed03);
    const uint8_t *b = p;
    uint64_t h = mix(seed ^ k0, (uint64_t)n ^ k1);
    while (n >= 16) {
        h = mix(read64(b) ^ k0 ^ h, read64(b + 8) ^ k1);
        b += 16;
        n -= 16;
    }
    if (n >= 8) {
        h = mix(read64(b) ^ k0 ^ h, k1);
        b += 8;
        n -= 8;
    }
    if (n > 0) {
        h = mix(read_tail(b, n) ^ k1 ^ h, k0);
    }
    return mix(h ^ k1, k0);
}

void sh_map_init(struct sh_map *m, const struct sh_alloc *a, size_t max_entries, uint64_t seed)
{
    *m = (struct sh_map){.max = max_entries, .seed = seed, .alloc = a};
}

static bool live(const struct sh_map_slot *s)
{
    return s->key.p != NULL && s->key.p != tomb;
}

void sh_map_fini(struct sh_map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        if (live(&m->slots[i])) {
            sh_str_free(m->alloc, &m->slots[i].key);
        }
    }
    sh_mem_free(m->alloc, m->slots);
    *m = (struct sh_map){.max = m->max, .seed = m->seed, .alloc = m->alloc};
}

static struct sh_map_slot *find(const struct sh_map *m, struct sh_str key, uint64_t hash)
{
    if (m->cap == 0) {
        return NULL;
    }
    for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct sh_map_slot *s = &m->slots[i];
        if (s->key.p == NULL) {
            return NULL;
        }
        if (s->hash == hash && s->key.p != tomb && sh_str_eq(s->key, key)) {
            return s;
        }
    }
}

void *sh_map_get(const struct sh_map *m, struct sh_str key)
{
    const struct sh_map_slot *s = find(m, key, sh_hash64(key.p, key.n, m->seed));
    return s == NULL ? NULL : s->value;
}

static sh_err rehash(struct sh_map *m)
{
    size_t cap = 16;
    while (cap / 4 * 3 <= m->n * 2) {
        cap *= 2;
    }
    struct sh_map_slot *slots = sh_mem_array(m->alloc, cap, sizeof *slots);
    if (slots == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (!live(&m->slots[i])) {
            continue;
        }
        size_t at = (size_t)m->slots[i].hash & (cap - 1);
        while (slots[at].key.p != NULL) {
            at = (at + 1) & (cap - 1);
        }
        slots[at] = m->slots[i];
    }
    sh_mem_free(m->alloc, m->slots);
    m->slots = slots;
    m->cap = cap;
    m->dead = 0;
    return SH_OK;
}

sh_err sh_map_put(struct sh_map *m, struct sh_str key, void *value)
{
    SH_ASSERT(value != NULL);
    const uint64_t hash = sh_hash64(key.p, key.n, m->seed);
    if (find(m, key, hash) != NULL) {
        return SH_E_EXISTS;
    }
    if (m->n >= m->max) {
        return SH_E_LIMIT;
    }
    if (m->cap == 0 || m->n + m->dead + 1 > m->cap / 4 * 3) {
        SH_TRY(rehash(m));
    }
    const struct sh_str copy = sh_str_dup(m->alloc, key);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    size_t at = (size_t)hash & (m->cap - 1);
    while (live(&m->slots[at])) {
        at = (at + 1) & (m->cap - 1);
    }
    if (m->slots[at].key.p == tomb) {
        m->dead--;
    }
    m->slots[at] = (struct sh_map_slot){copy, hash, value};
    m->n++;
    return SH_OK;
}

sh_err sh_map_set(struct sh_map *m, struct sh_str key, void *value)
{
    SH_ASSERT(value != NULL);
    struct sh_map_slot *s = find(m, key, sh_hash64(key.p, key.n, m->seed));
    if (s != NULL) {
        s->value = value;
        return SH_OK;
    }
    return sh_map_put(m, key, value);
}

void *sh_map_del(struct sh_map *m, struct sh_str key)
{
    struct sh_map_slot *s = find(m, key, sh_hash64(key.p, key.n, m->seed));
    if (s == NULL) {
        return NULL;
    }
    void *value = s->value;
    sh_str_free(m->alloc, &s->key);
    *s = (struct sh_map_slot){.key = {tomb, 0}};
    m->n--;
    m->dead++;
    return value;
}

bool sh_map_next(const struct sh_map *m, size_t *it, struct sh_str *key, void **value)
{
    for (; *it < m->cap; (*it)++) {
        const struct sh_map_slot *s = &m->slots[*it];
        if (live(s)) {
            if (key != NULL) {
                *key = s->key;
            }
            if (value != NULL) {
                *value = s->value;
            }
            (*it)++;
            return true;
        }
    }
    return false;
}
