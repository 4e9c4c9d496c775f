/* alloc.c - the heap allocator and arenas.
 * Invariants of an arena: chunks form a list, newest first; only the newest has free room; `used`
 * counts bytes taken from the allocator; the list of deferred calls lives inside the arena itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/alloc.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *heap_resize(void *ctx, void *p, size_t n)
{
    SH_UNUSED(ctx);
    if (n == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, n);
}

const struct sh_alloc *sh_alloc_heap(void)
{
    static const struct sh_alloc heap = {heap_resize, NULL};
    return &heap;
}

void *sh_mem_new(const struct sh_alloc *a, size_t n)
{
    SH_ASSERT(n > 0);
    void *p = a->resize(a->ctx, NULL, n);
    if (p != NULL) {
        memset(p, 0, n);
    }
    return p;
}

void *sh_mem_array(const struct sh_alloc *a, size_t count, size_t size)
{
    if (count == 0 || size == 0 || count > SIZE_MAX / size) {
        return NULL;
    }
    return sh_mem_new(a, count * size);
}

void *sh_mem_resize(const struct sh_alloc *a, void *p, size_t n)
{
    SH_ASSERT(n > 0);
    return a->resize(a->ctx, p, n);
}

void sh_mem_free(const struct sh_alloc *a, void *p)
{
    if (p != NULL) {
        (void)a->resize(a->ctx, p, 0);
    }
}

struct sh_str sh_str_dup(const struct sh_alloc *a, struct sh_str s)
{
    char *p = a->resize(a->ctx, NULL, s.n + 1);
    if (p == NULL) {
        return (struct sh_str){NULL, 0};
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return (struct sh_str){p, s.n};
}

void sh_str_free(const struct sh_alloc *a, struct sh_str *s)
{
    if (s->p != NULL) {
        /* The block is ours: sh_str_dup made it. */
        union {
            const char *in;
            void *out;
        } own = {.in = s->p};
        sh_mem_free(a, own.out);
    }
    *s = (struct sh_str){NULL, 0};
}

enum { ARENA_ALIGN = 16, ARENA_FIRST = 1024, ARENA_MAX_CHUNK = 1 << 20 };

struct chunk {
    struct chunk *next;
    size_t cap; /* bytes behind the header */
    size_t used;
    size_t pad; /* keeps the header a multiple of 16 */
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *ctx);
    void *ctx;
};

struct sh_arena {
    const struct sh_alloc *alloc;
    struct chunk *chunks;
    struct deferred *deferred;
    size_t limit;
    size_t used;
    size_t next_cap;
    sh_err why; /* it gave nothing last time */
};

struct sh_arena *sh_arena_new(const struct sh_alloc *a, size_t limit_bytes)
{
    struct sh_arena *ar = sh_mem_new(a, sizeof *ar);
    if (ar != NULL) {
        ar->alloc = a;
        ar->limit = limit_bytes;
        ar->next_cap = ARENA_FIRST;
    }
    return ar;
}

static void run_deferred(struct sh_arena *ar)
{
    while (ar->deferred != NULL) {
        const struct deferred d = *ar->deferred;
        ar->deferred = d.next;
        d.fn(d.ctx);
    }
}

void sh_arena_free(struct sh_arena *ar)
{
    if (ar == NULL) {
        return;
    }
    run_deferred(ar);
    struct chunk *c = ar->chunks;
    while (c != NULL) {
        struct chunk *next = c->next;
        sh_mem_free(ar->alloc, c);
        c = next;
    }
    sh_mem_free(ar->alloc, ar);
}

static bool add_chunk(struct sh_arena *ar, size_t need)
{
    const size_t left = ar->limit - ar->used;
    size_t cap = ar->next_cap;
    if (cap < need) {
        cap = need;
    }
    if (cap > left) {
        cap = need; /* near the limit: just what is asked for */
    }
    if (cap > left || cap > SIZE_MAX - sizeof(struct chunk)) {
        ar->why = SH_E_LIMIT;
        return false;
    }
    struct chunk *c = ar->alloc->resize(ar->alloc->ctx, NULL, sizeof *c + cap);
    if (c == NULL) {
        ar->why = SH_E_NOMEM;
        return false;
    }
    *c = (struct chunk){.next = ar->chunks, .cap = cap};
    ar->chunks = c;
    ar->used += cap;
    if (ar->next_cap < ARENA_MAX_CHUNK) {
        ar->next_cap *= 2;
    }
    return true;
}

sh_err sh_arena_why(const struct sh_arena *ar)
{
    return ar->why;
}

void *sh_arena_get(struct sh_arena *ar, size_t n)
{
    if (n > SIZE_MAX - ARENA_ALIGN) {
        ar->why = SH_E_LIMIT;
        return NULL;
    }
    const size_t need = (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct chunk *c = ar->chunks;
    if (c == NULL || c->cap - c->used < need) {
        if (!add_chunk(ar, need == 0 ? ARENA_ALIGN : need)) {
            return NULL;
        }
        c = ar->chunks;
    }
    uint8_t *p = (uint8_t *)(c + 1) + c->used;
    c->used += need;
    memset(p, 0, need);
    return p;
}

void *sh_arena_array(struct sh_arena *ar, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        ar->why = SH_E_LIMIT;
        return NULL;
    }
    return sh_arena_get(ar, count * size);
}

struct sh_str sh_arena_str(struct sh_arena *ar, struct sh_str s)
{
    char *p = sh_arena_get(ar, s.n + 1);
    if (p == NULL) {
        return (struct sh_str){NULL, 0};
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    return (struct sh_str){p, s.n};
}

struct sh_str sh_arena_printf(struct sh_arena *ar, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : sh_arena_get(ar, (size_t)n + 1);
    if (p == NULL) {
        return (struct sh_str){NULL, 0};
    }
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (struct sh_str){p, (size_t)n};
}

sh_err sh_arena_defer(struct sh_arena *ar, void (*fn)(void *ctx), void *ctx)
{
    struct deferred *d = sh_arena_get(ar, sizeof *d);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    *d = (struct deferred){ar->deferred, fn, ctx};
    ar->deferred = d;
    return SH_OK;
}

void sh_arena_reset(struct sh_arena *ar)
{
    run_deferred(ar);
    struct chunk *c = ar->chunks;
    while (c != NULL && c->next != NULL) {
        struct chunk *next = c->next;
        ar->used -= c->cap;
        sh_mem_free(ar->alloc, c);
        c = next;
    }
    ar->chunks = c;
    if (c != NULL) {
        c->used = 0;
    }
    ar->next_cap = ARENA_FIRST;
}

size_t sh_arena_used(const struct sh_arena *ar)
{
    return ar->used;
}
