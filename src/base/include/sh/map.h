/* map.h - hashes, checksums and a hash map from bytes to a pointer-sized value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MAP_H
#define SH_MAP_H

#include <sh/alloc.h>

/* Fast 64-bit hash (not for secrets). Feed a random seed where a peer chooses the keys. */
uint64_t sh_hash64(const void *p, size_t n, uint64_t seed);
/* CRC-32C (Castagnoli), start with crc = 0; chainable. Uses the processor's instruction. */
uint32_t sh_crc32c(uint32_t crc, const void *p, size_t n);

/* Open-addressing map: keys are copied. One thread at a time (or many readers, no writer). */
struct sh_map {
    struct sh_map_slot *slots;
    size_t cap;
    size_t n;
    size_t dead;
    size_t max;
    uint64_t seed;
    const struct sh_alloc *alloc;
};
void sh_map_init(struct sh_map *m, const struct sh_alloc *a, size_t max_entries, uint64_t seed);
void sh_map_fini(struct sh_map *m);
/* NULL when absent. */
void *sh_map_get(const struct sh_map *m, struct sh_str key);
/* SH_E_EXISTS when the key is there (value unchanged); value must not be NULL. */
SH_MUST_CHECK sh_err sh_map_put(struct sh_map *m, struct sh_str key, void *value);
/* Sets or replaces. */
SH_MUST_CHECK sh_err sh_map_set(struct sh_map *m, struct sh_str key, void *value);
/* Returns the removed value, or NULL. */
void *sh_map_del(struct sh_map *m, struct sh_str key);
/* Walk: start with *it = 0; false at the end. Deleting the current key while walking is fine. */
bool sh_map_next(const struct sh_map *m, size_t *it, struct sh_str *key, void **value);

#endif /* SH_MAP_H */
