/* text.h - UTF-8, GBK, numbers and times as text. Pure functions, re-entrant, locale-free.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TEXT_H
#define SH_TEXT_H

#include <sh/buf.h>

/* Strict UTF-8 (RFC 3629): no surrogates, no over-long forms. */
bool sh_utf8_valid(struct sh_str s);
/* Decodes one code point at s.p[0..]; returns its length 1..4, or 0 when malformed or s.n == 0. */
size_t sh_utf8_next(struct sh_str s, uint32_t *cp);
/* GBK (code page 936 / GB18030 without four-byte forms left out) to UTF-8 and back, appended to
 * out. SH_E_PROTO when `in` is not valid, SH_E_LIMIT at out's maximum. */
SH_MUST_CHECK sh_err sh_gbk_to_utf8(struct sh_bytes in, struct sh_buf *out);
SH_MUST_CHECK sh_err sh_utf8_to_gbk(struct sh_str in, struct sh_buf *out);

enum { SH_F64_CHARS = 32, SH_I64_CHARS = 24, SH_TIME_CHARS = 40 };
/* Shortest text that reads back to the same bits; "-0.0" keeps its sign; integers have ".0" only
 * for -0.0 ("3", "1e+300"). NaN, Infinity, -Infinity as those words. Returns the length; not
 * NUL-terminated. */
size_t sh_f64_print(double v, char out[SH_F64_CHARS]);
size_t sh_i64_print(int64_t v, char out[SH_I64_CHARS]);
size_t sh_u64_print(uint64_t v, char out[SH_I64_CHARS]);
/* Whole of s must be one number. Correctly rounded. No leading '+', no hex, no white space, no
 * words. SH_E_INVAL when malformed or empty, SH_E_LIMIT when out of range (i64). */
SH_MUST_CHECK sh_err sh_f64_parse(struct sh_str s, double *out);
SH_MUST_CHECK sh_err sh_i64_parse(struct sh_str s, int64_t *out);
SH_MUST_CHECK sh_err sh_u64_parse(struct sh_str s, uint64_t *out);

/* RFC 3339 in UTC with as many fraction digits as needed (0, 3 or 6): 2026-01-02T03:04:05.678Z.
 * Returns the length. */
size_t sh_time_print(int64_t time_us, char out[SH_TIME_CHARS]);
/* RFC 3339 with Z or +hh:mm, or an integer in milliseconds. Sub-microseconds are floored. */
SH_MUST_CHECK sh_err sh_time_parse(struct sh_str s, int64_t *time_us);
/* Civil date (proleptic Gregorian) to days since 1970 and back. */
int64_t sh_days_from_civil(int64_t y, unsigned m, unsigned d);
void sh_civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d);
/* "1500ms", "10s", "5m", "1h", "7d" -> microseconds; SH_E_INVAL else. */
SH_MUST_CHECK sh_err sh_duration_parse(struct sh_str s, int64_t *us);
/* "64KiB", "10MB", "1GiB", "123" -> bytes. */
SH_MUST_CHECK sh_err sh_size_parse(struct sh_str s, uint64_t *bytes);

/* Hex and base64 (RFC 4648, with padding; url = the URL alphabet without padding). */
SH_MUST_CHECK sh_err sh_hex_put(struct sh_buf *out, struct sh_bytes in);
SH_MUST_CHECK sh_err sh_hex_parse(struct sh_str in, struct sh_buf *out);
SH_MUST_CHECK sh_err sh_base64_put(struct sh_buf *out, struct sh_bytes in, bool url);
SH_MUST_CHECK sh_err sh_base64_parse(struct sh_str in, bool url, struct sh_buf *out);
/* A cell of CSV (RFC 4180): in quotes where it must be, or always. A text that a spreadsheet would
 * take for a formula - it begins with = + - @, a tab or CR, behind any apostrophes - gets an
 * apostrophe in front; sh_csv_text gives the text as it was. Not for numbers. */
SH_MUST_CHECK sh_err sh_csv_put(struct sh_buf *out, struct sh_str cell, bool quotes);
/* A cell that was read, without that apostrophe. A view. */
struct sh_str sh_csv_text(struct sh_str cell);
/* Percent-encodes every byte that `keep` does not accept, and decodes. */
SH_MUST_CHECK sh_err sh_percent_put(struct sh_buf *out, struct sh_str in, bool (*keep)(uint8_t c));
SH_MUST_CHECK sh_err sh_percent_parse(struct sh_str in, bool plus_is_space, struct sh_buf *out);

#endif /* SH_TEXT_H */
