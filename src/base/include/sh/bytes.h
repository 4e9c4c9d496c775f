/* bytes.h - borrowed strings and bytes as small structs by value, and endian access.
 * Nothing here owns memory. A sh_str is UTF-8 unless said otherwise and is never NUL-dependent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BYTES_H
#define SH_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sh/err.h>

struct sh_bytes {
    const uint8_t *p;
    size_t n;
};

struct sh_str {
    const char *p;
    size_t n;
};

/* A literal as sh_str; only for string literals. */
#define SH_STR(lit)                                                                                \
    (struct sh_str)                                                                                \
    {                                                                                              \
        .p = (lit), .n = sizeof(lit) - 1                                                           \
    }
/* For printf("%.*s"): SH_PRI(s). Lengths over INT_MAX are cut. */
#define SH_PRI(s) (int)((s).n > 0x7fffffff ? 0x7fffffff : (s).n), ((s).p == NULL ? "" : (s).p)

static inline struct sh_str sh_str_c(const char *c)
{
    return (struct sh_str){c, c == NULL ? 0 : strlen(c)};
}

static inline struct sh_bytes sh_bytes_of(const void *p, size_t n)
{
    return (struct sh_bytes){(const uint8_t *)p, n};
}

static inline struct sh_str sh_str_of(const char *p, size_t n)
{
    return (struct sh_str){p, n};
}

static inline struct sh_bytes sh_str_bytes(struct sh_str s)
{
    return (struct sh_bytes){(const uint8_t *)s.p, s.n};
}

static inline struct sh_str sh_bytes_str(struct sh_bytes b)
{
    return (struct sh_str){(const char *)b.p, b.n};
}

static inline bool sh_str_eq(struct sh_str a, struct sh_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool sh_str_eqc(struct sh_str a, const char *b)
{
    return sh_str_eq(a, sh_str_c(b));
}

/* Orders by bytes, then by length: <0, 0, >0. */
int sh_str_cmp(struct sh_str a, struct sh_str b);
/* ASCII case-insensitive equality. */
bool sh_str_ieq(struct sh_str a, struct sh_str b);
bool sh_str_starts(struct sh_str s, struct sh_str prefix);
bool sh_str_ends(struct sh_str s, struct sh_str suffix);
/* Index of the first / last `c`, or SIZE_MAX. */
size_t sh_str_find(struct sh_str s, char c);
size_t sh_str_rfind(struct sh_str s, char c);
/* Part [from, to) of s; both are clamped to s.n. */
struct sh_str sh_str_sub(struct sh_str s, size_t from, size_t to);
/* Without leading and trailing ASCII white space. */
struct sh_str sh_str_trim(struct sh_str s);
/* Splits at the first `sep`: the head is returned, *rest is what follows (p == NULL when there was
 * no separator, so that a loop can end). */
struct sh_str sh_str_cut(struct sh_str s, char sep, struct sh_str *rest);
/* Compares in time that depends on the length only. */
bool sh_bytes_eq_ct(struct sh_bytes a, struct sh_bytes b);

static inline uint16_t sh_be16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}
static inline uint32_t sh_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t sh_be64(const uint8_t *p)
{
    return (uint64_t)sh_be32(p) << 32 | sh_be32(p + 4);
}
static inline void sh_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void sh_put_be32(uint8_t *p, uint32_t v)
{
    sh_put_be16(p, (uint16_t)(v >> 16));
    sh_put_be16(p + 2, (uint16_t)v);
}
static inline void sh_put_be64(uint8_t *p, uint64_t v)
{
    sh_put_be32(p, (uint32_t)(v >> 32));
    sh_put_be32(p + 4, (uint32_t)v);
}
/* Little-endian: the byte order of every file of ours. */
static inline uint16_t sh_le16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[1] << 8 | p[0]);
}
static inline uint32_t sh_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
static inline uint64_t sh_le64(const uint8_t *p)
{
    return (uint64_t)sh_le32(p + 4) << 32 | sh_le32(p);
}
static inline void sh_put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void sh_put_le32(uint8_t *p, uint32_t v)
{
    sh_put_le16(p, (uint16_t)v);
    sh_put_le16(p + 2, (uint16_t)(v >> 16));
}
static inline void sh_put_le64(uint8_t *p, uint64_t v)
{
    sh_put_le32(p, (uint32_t)v);
    sh_put_le32(p + 4, (uint32_t)(v >> 32));
}

/* The bits of a double and back, without aliasing. */
static inline uint64_t sh_f64_bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}
static inline double sh_f64_from_bits(uint64_t u)
{
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

#endif /* SH_BYTES_H */
