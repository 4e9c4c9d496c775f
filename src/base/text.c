/* text.c - UTF-8, GBK, hex, base64, percent-encoding.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/text.h>

#include <errno.h>
#include <iconv.h>

/* RFC 3629, section 4: the table of well-formed sequences. */
size_t sh_utf8_next(struct sh_str s, uint32_t *cp)
{
    if (s.n == 0) {
        return 0;
    }
    const uint8_t *p = (const uint8_t *)s.p;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t len = 0;
    uint32_t v = 0;
    uint32_t least = 0;
    if (p[0] >= 0xc2 && p[0] < 0xe0) {
        len = 2;
        v = p[0] & 0x1fu;
        least = 0x80;
    } else if (p[0] >= 0xe0 && p[0] < 0xf0) {
        len = 3;
        v = p[0] & 0x0fu;
        least = 0x800;
    } else if (p[0] >= 0xf0 && p[0] < 0xf5) {
        len = 4;
        v = p[0] & 0x07u;
        least = 0x10000;
    }
    if (len == 0 || s.n < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        v = v << 6 | (p[i] & 0x3fu);
    }
    if (v < least || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
        return 0;
    }
    *cp = v;
    return len;
}

bool sh_utf8_valid(struct sh_str s)
{
    size_t i = 0;
    while (i < s.n) {
        /* Eight ASCII bytes at once: most text is. */
        if (s.n - i >= 8) {
            uint64_t w;
            memcpy(&w, s.p + i, 8);
            if ((w & 0x8080808080808080u) == 0) {
                i += 8;
                continue;
            }
        }
        uint32_t cp;
        const size_t n = sh_utf8_next(sh_str_of(s.p + i, s.n - i), &cp);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

static sh_err convert(const char *to, const char *from, const char *p, size_t n, struct sh_buf *out)
{
    iconv_t cd = iconv_open(to, from);
    if (cd == (iconv_t)-1) {
        return SH_E_UNSUPPORTED;
    }
    const size_t before = out->n;
    union {
        const char *in;
        char *out;
    } src = {.in = p}; /* iconv does not write through it */
    sh_err err = SH_OK;
    while (n > 0 && err == SH_OK) {
        char chunk[512];
        char *dst = chunk;
        size_t left = sizeof chunk;
        const size_t rc = iconv(cd, &src.out, &n, &dst, &left);
        const int why = errno;
        err = sh_buf_put(out, chunk, sizeof chunk - left);
        if (rc == (size_t)-1 && why != E2BIG && err == SH_OK) {
            err = SH_E_PROTO;
        }
    }
    (void)iconv_close(cd);
    if (err != SH_OK) {
        out->n = before;
    }
    return err;
}

sh_err sh_gbk_to_utf8(struct sh_bytes in, struct sh_buf *out)
{
    return convert("UTF-8", "GBK", (const char *)in.p, in.n, out);
}

sh_err sh_utf8_to_gbk(struct sh_str in, struct sh_buf *out)
{
    return convert("GBK", "UTF-8", in.p, in.n, out);
}

sh_err sh_hex_put(struct sh_buf *out, struct sh_bytes in)
{
    static const char digits[] = "0123456789abcdef";
    SH_TRY(sh_buf_reserve(out, in.n * 2));
    for (size_t i = 0; i < in.n; i++) {
        out->p[out->n++] = (uint8_t)digits[in.p[i] >> 4];
        out->p[out->n++] = (uint8_t)digits[in.p[i] & 15];
    }
    return SH_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

sh_err sh_hex_parse(struct sh_str in, struct sh_buf *out)
{
    if (in.n % 2 != 0) {
        return SH_E_PROTO;
    }
    for (size_t i = 0; i < in.n; i++) {
        if (hex_digit(in.p[i]) < 0) {
            return SH_E_PROTO;
        }
    }
    SH_TRY(sh_buf_reserve(out, in.n / 2));
    for (size_t i = 0; i < in.n; i += 2) {
        out->p[out->n++] = (uint8_t)(hex_digit(in.p[i]) * 16 + hex_digit(in.p[i + 1]));
    }
    return SH_OK;
}

static const char *base64_digits(bool url)
{
    return url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
               : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

sh_err sh_base64_put(struct sh_buf *out, struct sh_bytes in, bool url)
{
    const char *d = base64_digits(url);
    SH_TRY(sh_buf_reserve(out, (in.n + 2) / 3 * 4));
    for (size_t i = 0; i < in.n; i += 3) {
        const size_t left = in.n - i;
        const uint32_t v = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) |
                           (left > 2 ? in.p[i + 2] : 0);
        out->p[out->n++] = (uint8_t)d[v >> 18];
        out->p[out->n++] = (uint8_t)d[v >> 12 & 63];
        if (left > 1) {
            out->p[out->n++] = (uint8_t)d[v >> 6 & 63];
        } else if (!url) {
            out->p[out->n++] = '=';
        }
        if (left > 2) {
            out->p[out->n++] = (uint8_t)d[v & 63];
        } else if (!url) {
            out->p[out->n++] = '=';
        }
    }
    return SH_OK;
}

static int base64_digit(char c, bool url)
{
    const char *d = base64_digits(url);
    const char *at = c == '\0' ? NULL : strchr(d, c);
    return at == NULL ? -1 : (int)(at - d);
}

sh_err sh_base64_parse(struct sh_str in, bool url, struct sh_buf *out)
{
    if (!url) {
        if (in.n % 4 != 0) {
            return SH_E_PROTO;
        }
        for (int i = 0; i < 2 && in.n > 0 && in.p[in.n - 1] == '='; i++) {
            in.n--;
        }
    }
    if (in.n % 4 == 1) {
        return SH_E_PROTO;
    }
    const size_t before = out->n;
    SH_TRY(sh_buf_reserve(out, in.n / 4 * 3 + 2));
    uint32_t v = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < in.n; i++) {
        const int d = base64_digit(in.p[i], url);
        if (d < 0) {
            out->n = before;
            return SH_E_PROTO;
        }
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out->p[out->n++] = (uint8_t)(v >> bits);
        }
    }
    if ((v & ((1u << bits) - 1)) != 0) {
        out->n = before; /* bits behind the last byte must be zero: one text per value */
        return SH_E_PROTO;
    }
    return SH_OK;
}

sh_err sh_percent_put(struct sh_buf *out, struct sh_str in, bool (*keep)(uint8_t c))
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.n; i++) {
        const uint8_t c = (uint8_t)in.p[i];
        if (keep(c)) {
            SH_TRY(sh_buf_put_u8(out, c));
        } else {
            const char esc[3] = {'%', digits[c >> 4], digits[c & 15]};
            SH_TRY(sh_buf_put(out, esc, 3));
        }
    }
    return SH_OK;
}

sh_err sh_percent_parse(struct sh_str in, bool plus_is_space, struct sh_buf *out)
{
    const size_t before = out->n;
    SH_TRY(sh_buf_reserve(out, in.n));
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            const int hi = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            const int lo = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                out->n = before;
                return SH_E_PROTO;
            }
            c = (char)(hi * 16 + lo);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out->p[out->n++] = (uint8_t)c;
    }
    return SH_OK;
}

/* ---- CSV ---- */

/* Would a spreadsheet compute it? Apostrophes in front are looked through, so that what was put
 * there can be told from what was there. */
static bool csv_formula(struct sh_str s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] == '\'') {
        i++;
    }
    return i < s.n && sh_str_find(SH_STR("=+-@\t\r"), s.p[i]) != SIZE_MAX;
}

struct sh_str sh_csv_text(struct sh_str cell)
{
    return cell.n > 0 && cell.p[0] == '\'' && csv_formula(cell) ? sh_str_sub(cell, 1, cell.n)
                                                                : cell;
}

sh_err sh_csv_put(struct sh_buf *out, struct sh_str cell, bool quotes)
{
    quotes = quotes || (cell.n > 0 && (cell.p[0] == ' ' || cell.p[cell.n - 1] == ' '));
    for (size_t i = 0; i < cell.n && !quotes; i++) {
        quotes = cell.p[i] == ',' || cell.p[i] == '"' || cell.p[i] == '\n' || cell.p[i] == '\r';
    }
    SH_TRY(quotes ? sh_buf_put_u8(out, '"') : SH_OK);
    SH_TRY(csv_formula(cell) ? sh_buf_put_u8(out, '\'') : SH_OK);
    if (!quotes) {
        return sh_buf_put_str(out, cell);
    }
    for (size_t i = 0; i < cell.n; i++) {
        SH_TRY(cell.p[i] == '"' ? sh_buf_put_u8(out, '"') : SH_OK);
        SH_TRY(sh_buf_put_u8(out, (uint8_t)cell.p[i]));
    }
    return sh_buf_put_u8(out, '"');
}
