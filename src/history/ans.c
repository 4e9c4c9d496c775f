/* ans.c - see ans.h.
 * A state x is in [2^16, 2^32). Coding a token of frequency f and start c: while x >= f << 21, a
 * word leaves; then x = (x / f) << 11 | (x % f + c). Decoding does the reverse, in the reverse
 * order; so the encoder goes from the last value to the first, and value i uses state i % 2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ans.h"

enum {
    SCALE_BITS = 11,
    SCALE = 1 << SCALE_BITS,
    LOW = 1 << 16,
    DIRECT = 16, /* values that are tokens of their own */
    DIRECT_BITS = 4,
    SUB = 2, /* bits behind the leading one that go into the token */
    WEIGHT_BITS = 6,
    WEIGHTS = 44 /* greatest weight is (4 + 3) << 10 */
};

struct table {
    uint16_t freq[ANS_TOKENS];
    uint16_t start[ANS_TOKENS];
    uint32_t n; /* tokens */
};

static uint64_t zigzag(uint64_t v)
{
    return v << 1 ^ (0 - (v >> 63));
}

static uint64_t unzigzag(uint64_t v)
{
    return v >> 1 ^ (0 - (v & 1));
}

static unsigned log2_of(uint64_t u)
{
    return 63 - (unsigned)__builtin_clzll(u);
}

static unsigned token_of(uint64_t u)
{
    if (u < DIRECT) {
        return (unsigned)u;
    }
    const unsigned k = log2_of(u);
    return DIRECT + (k - DIRECT_BITS) * 4 + (unsigned)(u >> (k - SUB) & 3);
}

/* Bits of a token's values that are not in the token. */
static unsigned low_bits(unsigned token)
{
    return token < DIRECT ? 0 : (token - DIRECT) / 4 + DIRECT_BITS - SUB;
}

static uint64_t token_base(unsigned token)
{
    if (token < DIRECT) {
        return token;
    }
    return (uint64_t)(4 + (token - DIRECT) % 4) << low_bits(token);
}

/* ---- weights ---- */

static uint32_t weight_value(unsigned w)
{
    return w == 0 ? 0 : (4U + (w - 1) % 4) << (w - 1) / 4;
}

/* The weight whose value is nearest to 4 x count from below; the smallest for a count of 1. */
static unsigned weight_of(uint32_t count)
{
    unsigned w = 0;
    if (count == 0) {
        return 0;
    }
    while (w < WEIGHTS && weight_value(w + 1) <= count * 4) {
        w++;
    }
    return w;
}

/* Frequencies from weights. False: there is none. */
static bool table_make(const uint8_t *weight, uint32_t n, struct table *t)
{
    uint32_t sum = 0;
    uint32_t used = 0;
    uint32_t best = 0;
    t->n = n;
    for (uint32_t i = 0; i < n; i++) {
        sum += weight_value(weight[i]);
        best = weight_value(weight[i]) > weight_value(weight[best]) ? i : best;
    }
    if (sum == 0) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t f = weight_value(weight[i]) * (SCALE - n) / sum + (weight[i] != 0 ? 1 : 0);
        t->freq[i] = (uint16_t)f;
        used += f;
    }
    t->freq[best] = (uint16_t)(t->freq[best] + SCALE - used);
    used = 0;
    for (uint32_t i = 0; i < n; i++) {
        t->start[i] = (uint16_t)used;
        used += t->freq[i];
    }
    return true;
}

/* ---- bits, low ones first ---- */

struct bits_out {
    struct sh_buf *out;
    uint64_t acc;
    unsigned have;
};

static sh_err bits_put(struct bits_out *b, uint64_t v, unsigned n)
{
    if (n > 32) {
        SH_TRY(bits_put(b, v & UINT32_MAX, 32));
        v >>= 32;
        n -= 32;
    }
    b->acc |= v << b->have;
    b->have += n;
    while (b->have >= 8) {
        SH_TRY(sh_buf_put_u8(b->out, (uint8_t)b->acc));
        b->acc >>= 8;
        b->have -= 8;
    }
    return SH_OK;
}

static sh_err bits_end(struct bits_out *b)
{
    return b->have == 0 ? SH_OK : bits_put(b, 0, 8 - b->have);
}

struct bits_in {
    const uint8_t *p;
    const uint8_t *end;
    uint64_t acc;
    unsigned have;
    bool short_of;
};

static uint64_t bits_get(struct bits_in *b, unsigned n)
{
    if (n > 32) {
        const uint64_t low = bits_get(b, 32);
        return low | bits_get(b, n - 32) << 32;
    }
    if (b->have < n && b->end - b->p >= 8) { /* as many whole bytes as fit */
        const unsigned take = (63 - b->have) / 8;
        b->acc |= sh_le64(b->p) << b->have;
        b->p += take;
        b->have += take * 8;
        b->acc &= ((uint64_t)1 << b->have) - 1;
    }
    while (b->have < n) {
        if (b->p == b->end) {
            b->short_of = true;
            return 0;
        }
        b->acc |= (uint64_t)*b->p++ << b->have;
        b->have += 8;
    }
    const uint64_t v = b->acc & (((uint64_t)1 << n) - 1);
    b->acc >>= n;
    b->have -= n;
    return v;
}

/* ---- encoding ---- */

static sh_err weights_put(const uint32_t *count, uint32_t n, uint8_t *weight, struct sh_buf *out)
{
    struct bits_out b = {.out = out};
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(n - 1)));
    for (uint32_t i = 0; i < n; i++) {
        weight[i] = (uint8_t)weight_of(count[i]);
        SH_TRY(bits_put(&b, weight[i], WEIGHT_BITS));
    }
    return bits_end(&b);
}

static sh_err states_put(struct ans_scratch *s, const struct table *t, uint32_t n,
                         struct sh_buf *out)
{
    uint32_t x[2] = {LOW, LOW};
    size_t words = 0;
    for (uint32_t i = n; i-- > 0;) {
        const uint32_t f = t->freq[s->token[i]];
        uint32_t *const st = &x[i % 2];
        SH_ASSERT(f != 0); /* the token was counted */
        if ((uint64_t)*st >= (uint64_t)f << (32 - SCALE_BITS)) {
            s->words[words++] = (uint16_t)*st;
            *st >>= 16;
        }
        *st = (*st / f << SCALE_BITS) + *st % f + t->start[s->token[i]];
    }
    SH_TRY(sh_buf_put_le32(out, x[0]));
    SH_TRY(sh_buf_put_le32(out, x[1]));
    SH_TRY(sh_buf_put_varint(out, words));
    while (words-- > 0) {
        SH_TRY(sh_buf_put_le16(out, s->words[words]));
    }
    return SH_OK;
}

sh_err ans_encode(struct ans_scratch *s, const uint64_t *v, uint32_t n, uint64_t centre,
                  struct sh_buf *out)
{
    uint32_t count[ANS_TOKENS] = {0};
    uint8_t weight[ANS_TOKENS];
    struct table t;
    uint32_t tokens = 0;
    if (n == 0 || n > ANS_MAX) {
        return SH_E_INVAL;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->u[i] = zigzag(v[i] - centre);
        s->token[i] = (uint8_t)token_of(s->u[i]);
        count[s->token[i]]++;
        tokens = s->token[i] >= tokens ? s->token[i] + 1U : tokens;
    }
    SH_TRY(sh_buf_put_varint(out, zigzag(centre)));
    SH_TRY(weights_put(count, tokens, weight, out));
    SH_ASSERT(table_make(weight, tokens, &t));
    SH_TRY(states_put(s, &t, n, out));
    struct bits_out b = {.out = out};
    for (uint32_t i = 0; i < n; i++) {
        const unsigned low = low_bits(s->token[i]);
        if (low > 0) {
            SH_TRY(bits_put(&b, s->u[i] & (((uint64_t)1 << low) - 1), low));
        }
    }
    return bits_end(&b);
}

/* ---- decoding ---- */

static sh_err table_read(struct sh_rd *r, struct table *t)
{
    uint8_t weight[ANS_TOKENS];
    uint8_t last = 0;
    struct sh_bytes in;
    SH_TRY(sh_rd_u8(r, &last));
    const uint32_t n = (uint32_t)last + 1;
    SH_TRY(sh_rd_bytes(r, ((size_t)n * WEIGHT_BITS + 7) / 8, &in));
    struct bits_in b = {.p = in.p, .end = in.p + in.n};
    for (uint32_t i = 0; i < n; i++) {
        weight[i] = (uint8_t)bits_get(&b, WEIGHT_BITS);
        if (weight[i] > WEIGHTS) {
            return SH_E_CORRUPT;
        }
    }
    return table_make(weight, n, t) ? SH_OK : SH_E_CORRUPT;
}

/* What each of the 2048 slots stands for, in a word: frequency | place in the token's range << 12 |
 * token << 24. */
static void slots_make(const struct table *t, uint32_t *slots)
{
    for (uint32_t k = 0; k < t->n; k++) {
        uint32_t word = t->freq[k] | k << 24;
        uint32_t *at = slots + t->start[k];
        uint32_t *const end = at + t->freq[k];
        for (; at < end; at++) {
            *at = word;
            word += 1U << 12;
        }
    }
}

/* One step of a state. False: the words end too soon. */
static inline bool state_step(uint32_t *x, const uint32_t *slots, struct sh_rd *words,
                              uint8_t *token)
{
    const uint32_t k = slots[*x & (SCALE - 1)];
    *token = (uint8_t)(k >> 24);
    *x = (k & 4095) * (*x >> SCALE_BITS) + (k >> 12 & 4095);
    if (*x < LOW) {
        if (words->p == words->end) {
            return false;
        }
        *x = *x << 16 | sh_le16(words->p);
        words->p += 2;
    }
    return true;
}

static sh_err tokens_read(struct sh_rd *r, const uint32_t *slots, uint32_t n, uint8_t *token)
{
    uint32_t x0 = 0;
    uint32_t x1 = 0;
    uint64_t words = 0;
    struct sh_bytes in;
    SH_TRY(sh_rd_le32(r, &x0));
    SH_TRY(sh_rd_le32(r, &x1));
    SH_TRY(sh_rd_varint(r, &words));
    if (words > n || x0 < LOW || x1 < LOW) {
        return SH_E_CORRUPT;
    }
    SH_TRY(sh_rd_bytes(r, (size_t)words * 2, &in));
    struct sh_rd w = sh_rd_of(in);
    uint32_t i = 0;
    for (; i + 1 < n; i += 2) {
        if (!state_step(&x0, slots, &w, &token[i]) || !state_step(&x1, slots, &w, &token[i + 1])) {
            return SH_E_CORRUPT;
        }
    }
    if (i < n && !state_step(&x0, slots, &w, &token[i])) {
        return SH_E_CORRUPT;
    }
    return w.p == w.end && x0 == LOW && x1 == LOW ? SH_OK : SH_E_CORRUPT;
}

sh_err ans_decode(struct sh_rd *r, uint32_t n, uint64_t *out)
{
    struct table t;
    uint32_t slots[SCALE];
    uint8_t token[ANS_MAX];
    uint64_t centre = 0;
    if (n == 0 || n > ANS_MAX || sh_rd_varint(r, &centre) != SH_OK || table_read(r, &t) != SH_OK) {
        return SH_E_CORRUPT;
    }
    slots_make(&t, slots);
    if (tokens_read(r, slots, n, token) != SH_OK) {
        return SH_E_CORRUPT;
    }
    centre = unzigzag(centre);
    struct bits_in b = {.p = r->p, .end = r->end};
    for (uint32_t i = 0; i < n; i++) {
        const unsigned low = low_bits(token[i]);
        const uint64_t u = token_base(token[i]) + (low > 0 ? bits_get(&b, low) : 0);
        out[i] = unzigzag(u) + centre;
    }
    r->p = b.p - b.have / 8; /* whole bytes that were taken ahead */
    return b.short_of ? SH_E_CORRUPT : SH_OK;
}
