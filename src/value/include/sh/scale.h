/* scale.h - engineering values: what a device sends (raw) into what a point holds.
 * A scale is parsed once from the "scale" member of a thing model's property and then immutable:
 * any thread. Applying it allocates nothing.
 *
 * JSON (all members optional):
 *   "raw"        "bool" "u8" "i8" "u16" "i16" "u32" "i32" "u64" "i64" "f32" "f64" "text"
 *                (default: "f64" for f64 points, "i64" for i64, "bool" for bool, "text" for text)
 *   "bit"        0..63: takes this bit of an integer raw value
 *   "mask"       integer: raw & mask, shifted down by the mask's lowest bit (not with "bit")
 *   "bcd"        true: the hex digits of the raw integer are decimal digits
 *   "raw_range"  [lo, hi], lo != hi      } together: lo..hi of the raw value becomes
 *   "range"      [lo, hi]                } lo..hi of the engineering value
 *   "factor"     number, not 0 (not with ranges; default 1)
 *   "offset"     number, added last (not with ranges; default 0)
 *   "clamp"      true: a value past the range is set to its end
 *   "limits"     [lo, hi]: range of the engineering value without raw_range (checked, and clamped)
 *   "words"      {"0":"stop","1":"run"}: number to text (point is text), or text to number (raw is
 *                text and the point i64 or bool); at most 256 words of 64 bytes
 *   "encoding"   "utf-8" (default) or "gbk": bytes of a raw text
 *   "keep_raw"   true: the raw value is stored beside, as point "<property>.raw"
 *
 * Order: bit or mask, BCD, linear, offset, range check, clamp, words.
 * Exactness: the linear part is compiled to (x * a + b) / c. When factor, offset and ranges are
 * decimals of at most 15 digits whose integers fit, a, b and c are whole numbers, so an integer raw
 * value with |x*a+b| < 2^53 is rounded once, correctly: factor 0.1 makes 3 into 0.3, not
 * 0.30000000000000004. Otherwise each of the three operations rounds once. Identity (no linear
 * part) changes no bit, NaN payloads and -0.0 included. Into an i64 point the result is rounded to
 * the nearest integer, ties to even; outside i64 it saturates and is uncertain.
 * Quality: a good sample whose value passed the range becomes SH_Q_UNCERTAIN_RANGE, clamped or not;
 * a BCD digit over 9, a NaN into i64 or bool, and a number or word that "words" does not know
 * become SH_Q_BAD_CONFIG with value 0 (empty text). Other qualities are kept.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SCALE_H
#define SH_SCALE_H

#include <sh/value.h>

enum sh_raw {
    SH_RAW_BOOL = 1,
    SH_RAW_U8,
    SH_RAW_I8,
    SH_RAW_U16,
    SH_RAW_I16,
    SH_RAW_U32,
    SH_RAW_I32,
    SH_RAW_U64,
    SH_RAW_I64,
    SH_RAW_F32,
    SH_RAW_F64,
    SH_RAW_TEXT
};
enum { SH_SCALE_MAX_WORDS = 256, SH_SCALE_MAX_WORD_BYTES = 64 };

struct sh_scale_word {
    int64_t number;
    uint32_t off; /* in the scale's `text` */
    uint32_t len;
};

struct sh_scale {
    enum sh_raw raw;
    enum sh_type type;     /* of the point: what comes out */
    enum sh_type raw_type; /* how a raw cell is held: SH_T_BOOL, SH_T_I64, SH_T_F64, SH_T_TEXT */
    bool linear;           /* a, b, c do something */
    bool whole;            /* a, b, c are whole numbers */
    bool check;            /* lo, hi hold */
    bool clamp;
    bool bcd;
    bool gbk;
    bool keep_raw;
    uint8_t shift; /* with mask */
    uint64_t mask; /* 0 = none */
    double a;
    double b;
    double c;
    double lo; /* of the engineering value, lo <= hi */
    double hi;
    uint32_t nwords;
    const struct sh_scale_word *words; /* sorted by number */
    const uint16_t *by_text;           /* indexes of words sorted by text */
    const char *text;
    const struct sh_alloc *alloc;
};

/* Parses and compiles. `spec` NULL or JSON null gives *out = NULL: nothing to do. SH_E_INVAL with
 * diag (path = JSON pointer inside the spec). Freed with sh_scale_free. */
SH_MUST_CHECK sh_err sh_scale_new(const struct sh_alloc *a, const json_t *spec, enum sh_type type,
                                  struct sh_scale **out, struct sh_diag *diag);
void sh_scale_free(struct sh_scale *s); /* NULL is accepted */
/* Raw type by its JSON word; 0 when there is none. */
enum sh_raw sh_raw_parse(struct sh_str s);

/* Scales n raw cells in place. A raw cell holds what raw_type says: i64 (u64 as its bits), f64, or
 * bits 0/1. Out: the point's type; for a text point (words) a span into scale->text. Raw text is
 * not taken here (sh_scale_text). quality may be NULL. */
void sh_scale_apply(const struct sh_scale *s, size_t n, union sh_cell *cells, uint8_t *quality);
/* One cell: the same as n == 1. */
static inline union sh_cell sh_scale_one(const struct sh_scale *s, union sh_cell raw,
                                         uint8_t *quality)
{
    sh_scale_apply(s, 1, &raw, quality);
    return raw;
}
/* Raw text of a device into the point: bytes in the scale's encoding. For a text point the UTF-8
 * is appended to out (SH_E_PROTO when malformed, SH_E_LIMIT at out's maximum) and *cell is its span
 * in out; for i64, f64 and bool points the word or, without words, the number or true/false is
 * looked up (out is unused then). */
SH_MUST_CHECK sh_err sh_scale_text(const struct sh_scale *s, struct sh_bytes raw,
                                   struct sh_buf *out, union sh_cell *cell, uint8_t *quality);
/* The word of a number; p == NULL when there is none. */
struct sh_str sh_scale_word(const struct sh_scale *s, int64_t number);

/* The way back, for writes: engineering value to raw, rounded to the nearest raw integer. f64, i64
 * and bool points only, without mask. SH_E_UNSUPPORTED else; SH_E_LIMIT when it does not fit the
 * raw type or the range. */
SH_MUST_CHECK sh_err sh_scale_invert(const struct sh_scale *s, union sh_cell value,
                                     union sh_cell *raw);

#endif /* SH_SCALE_H */
