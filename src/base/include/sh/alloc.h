/* alloc.h - the allocator that is passed in, and arenas on top of it.
 * An sh_alloc may be used from any thread. An sh_arena belongs to one thread at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ALLOC_H
#define SH_ALLOC_H

#include <sh/bytes.h>

struct sh_alloc {
    /* p == NULL: a new block; n == 0: frees p and returns NULL; else resizes as realloc does. */
    void *(*resize)(void *ctx, void *p, size_t n);
    void *ctx;
};

/* The C library's heap. */
const struct sh_alloc *sh_alloc_heap(void);
/* Gives the heap's free pages back to the system. Takes milliseconds when there are many, and who
 * allocates meanwhile waits: for quiet moments after much was freed. Any thread. */
void sh_heap_trim(void);

/* New zeroed block of n bytes (n > 0), or NULL. */
void *sh_mem_new(const struct sh_alloc *a, size_t n);
/* New zeroed array; NULL when count * size overflows or memory is short. */
void *sh_mem_array(const struct sh_alloc *a, size_t count, size_t size);
/* Resizes; the old block stays valid when NULL is returned. New bytes are not zeroed. */
void *sh_mem_resize(const struct sh_alloc *a, void *p, size_t n);
void sh_mem_free(const struct sh_alloc *a, void *p); /* p may be NULL */
/* Copies the bytes of s into a new block with a NUL behind them. *out.p == NULL on no memory. */
struct sh_str sh_str_dup(const struct sh_alloc *a, struct sh_str s);
void sh_str_free(const struct sh_alloc *a, struct sh_str *s);

/* Arena: many small blocks, freed together. Blocks are 16-byte aligned. */
struct sh_arena;

/* limit_bytes: the most it may take from `a` in all; beyond it sh_arena_get returns NULL. */
struct sh_arena *sh_arena_new(const struct sh_alloc *a, size_t limit_bytes);
void sh_arena_free(struct sh_arena *ar); /* NULL is accepted; runs deferred functions */
/* Zeroed block, or NULL at the limit or without memory. n == 0 gives a valid pointer. */
void *sh_arena_get(struct sh_arena *ar, size_t n);
void *sh_arena_array(struct sh_arena *ar, size_t count, size_t size);
/* Copy of s with a NUL behind it; p == NULL on failure. */
struct sh_str sh_arena_str(struct sh_arena *ar, struct sh_str s);
struct sh_str sh_arena_printf(struct sh_arena *ar, const char *fmt, ...) SH_PRINTF(2, 3);
/* Runs fn(ctx) at reset or free, in reverse order. */
SH_MUST_CHECK sh_err sh_arena_defer(struct sh_arena *ar, void (*fn)(void *ctx), void *ctx);
/* Frees all blocks but keeps the first chunk for the next use. */
void sh_arena_reset(struct sh_arena *ar);
size_t sh_arena_used(const struct sh_arena *ar);
/* Why it gave NULL last: SH_E_LIMIT (its own), SH_E_NOMEM; SH_OK: it never did. */
sh_err sh_arena_why(const struct sh_arena *ar);

#endif /* SH_ALLOC_H */
