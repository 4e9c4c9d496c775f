/* Small helpers of guard.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "guard_int.h"

bool guard_print(char *out, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(out, cap, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < cap;
}

bool guard_copy(char *out, size_t cap, struct sh_str s)
{
    if (s.n >= cap) {
        return false;
    }
    if (s.n > 0) {
        memcpy(out, s.p, s.n);
    }
    out[s.n] = '\0';
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool guard_hex_read(struct sh_str hex, uint8_t out[SH_HASH_BYTES])
{
    if (hex.n != 2 * (size_t)SH_HASH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SH_HASH_BYTES; i++) {
        const int hi = hex_digit(hex.p[2 * i]);
        const int lo = hex_digit(hex.p[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        out[i] = (uint8_t)(hi * 16 + lo);
    }
    return true;
}

int64_t guard_now(const struct sh_guard *g)
{
    return sh_wall_us(g->env->clock);
}

uint64_t guard_next_revision(struct sh_guard *g)
{
    g->revision++;
    return g->revision;
}

/* 1..SH_NAME_MAX bytes of UTF-8; none of / @ + # : " \, no control characters, no blank at an end;
 * not like a token of ours. */
bool guard_name_ok(struct sh_str name)
{
    if (name.n == 0 || name.n > SH_NAME_MAX || !sh_utf8_valid(name) ||
        sh_str_trim(name).n != name.n || sh_str_starts(name, SH_STR("sht_")) ||
        sh_str_starts(name, SH_STR("shs_")) || sh_str_eqc(name, ".") || sh_str_eqc(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        const unsigned char c = (unsigned char)name.p[i];
        if (c < 0x20 || c == 0x7f || strchr("/@+#:\"\\", c) != NULL) {
            return false;
        }
    }
    return true;
}
