/* crc32c.c - CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720, appendix B.4 has the
 * check values), by the SSE4.2 instruction where the processor has it, else by table.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/map.h>

static uint32_t crc_table_step(uint32_t crc, uint8_t b)
{
    /* Nibble table: small enough to stay in cache. */
    static const uint32_t t[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                   0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                   0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                   0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    crc ^= b;
    crc = t[crc & 15] ^ crc >> 4;
    return t[crc & 15] ^ crc >> 4;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
                                                            size_t n)
{
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = _mm_crc32_u64(c, v);
    }
    uint32_t r = (uint32_t)c;
    for (; n > 0; n--, p++) {
        r = _mm_crc32_u8(r, *p);
    }
    return r;
}
/* An instruction waits for the one before it, but three can be under way: so three neighbouring
 * lanes are counted side by side. To put them together, the sum of a lane is moved over the m bytes
 * behind it, which is a product with x^(8 m) modulo the polynomial: the carry-less product of the
 * reflected sum and of x^(8 m - 33), reduced by the instruction itself (V. Gopal et al., Fast CRC
 * computation for iSCSI polynomial using CRC32 instruction, Intel 2011). */
enum { LANE = 1024 };

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc_over(uint64_t crc, uint32_t power)
{
    const __m128i a = _mm_cvtsi64_si128((long long)crc);
    const __m128i b = _mm_cvtsi32_si128((int)power);
    const __m128i c = _mm_clmulepi64_si128(a, b, 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(c));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_lanes(uint32_t crc, const uint8_t *p,
                                                                   size_t n)
{
    static const uint32_t over_one = 0x170076fa; /* x^(8 LANE - 33), reflected */
    static const uint32_t over_two = 0xa51b6135; /* x^(16 LANE - 33) */
    uint64_t c = crc;
    for (; n >= 3 * (size_t)LANE; n -= 3 * (size_t)LANE, p += 3 * (size_t)LANE) {
        uint64_t second = 0;
        uint64_t third = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            uint64_t v[3];
            memcpy(&v[0], p + i, 8);
            memcpy(&v[1], p + LANE + i, 8);
            memcpy(&v[2], p + 2 * (size_t)LANE + i, 8);
            c = _mm_crc32_u64(c, v[0]);
            second = _mm_crc32_u64(second, v[1]);
            third = _mm_crc32_u64(third, v[2]);
        }
        c = crc_over(c, over_two) ^ crc_over(second, over_one) ^ third;
    }
    return crc_sse42((uint32_t)c, p, n);
}
#endif

uint32_t sh_crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    crc = ~crc;
#if defined(__x86_64__)
    if (n >= 3 * (size_t)LANE && __builtin_cpu_supports("pclmul")) {
        return ~crc_lanes(crc, b, n);
    }
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc_sse42(crc, b, n);
    }
#endif
    for (size_t i = 0; i < n; i++) {
        crc = crc_table_step(crc, b[i]);
    }
    return ~crc;
}
