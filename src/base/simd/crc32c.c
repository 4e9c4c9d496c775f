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
#endif

uint32_t sh_crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc_sse42(crc, b, n);
    }
#endif
    for (size_t i = 0; i < n; i++) {
        crc = crc_table_step(crc, b[i]);
    }
    return ~crc;
}
