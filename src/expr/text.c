/* text.c - operations on texts. What they make lies in the room of the evaluation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr_int.h"

#define EACH(f) for (uint32_t i = 0; i < (f)->n; i++)

static sh_err put(struct frame *f, uint32_t i, struct sh_str s)
{
    sh_err err = SH_OK;
    if (s.n > SH_EXPR_MADE_MAX) {
        return SH_E_LIMIT;
    }
    uint8_t *at = expr_made_room(f->made, (uint32_t)s.n, &err);
    if (at == NULL) {
        return err;
    }
    if (s.n > 0) {
        memcpy(at, s.p, s.n);
    }
    f->d[i].span.off = (uint32_t)(at - f->made->p);
    f->d[i].span.len = (uint32_t)s.n;
    return SH_OK;
}

/* Is row i without a value, by what the operands say? */
static bool none(const struct frame *f, uint32_t i)
{
    return f->nulls && f->dnull[i] != 0;
}

/* A test of two texts; rows without a value are left alone. */
#define TEST(name, what)                                                                           \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        EACH(f)                                                                                    \
        {                                                                                          \
            f->d[i].bits = 0;                                                                      \
            if (!none(f, i)) {                                                                     \
                const struct sh_str a = vec_text(&f->a, i);                                        \
                const struct sh_str b = vec_text(&f->b, i);                                        \
                f->d[i].bits = (what) ? 1 : 0;                                                     \
            }                                                                                      \
        }                                                                                          \
        return SH_OK;                                                                              \
    }

static bool has(struct sh_str s, struct sh_str part)
{
    for (size_t i = 0; part.n <= s.n && i <= s.n - part.n; i++) {
        if (part.n == 0 || memcmp(s.p + i, part.p, part.n) == 0) {
            return true;
        }
    }
    return false;
}

TEST(less, sh_str_cmp(a, b) < 0)
TEST(less_equal, sh_str_cmp(a, b) <= 0)
TEST(equal, sh_str_eq(a, b))
TEST(unequal, !sh_str_eq(a, b))
TEST(contains, has(a, b))
TEST(starts, sh_str_starts(a, b))
TEST(ends, sh_str_ends(a, b))

static sh_err length(struct frame *f)
{
    EACH(f)
    {
        f->d[i].i64 = 0;
        if (none(f, i)) {
            continue;
        }
        const struct sh_str s = vec_text(&f->a, i);
        for (size_t at = 0; at < s.n; at++) {
            f->d[i].i64 += ((unsigned char)s.p[at] & 0xc0) != 0x80 ? 1 : 0;
        }
    }
    return SH_OK;
}

static sh_err choose(struct frame *f)
{
    EACH(f)
    {
        const struct vec *v = f->a.v[i].bits != 0 ? &f->b : &f->c;
        f->d[i].bits = 0;
        f->dnull[i] = vec_null(&f->a, i) || vec_null(v, i) ? 1 : 0;
        f->nulls |= f->dnull[i] != 0;
        if (f->dnull[i] == 0) {
            SH_TRY(put(f, i, vec_text(v, i)));
        }
    }
    return SH_OK;
}

static sh_err coalesce(struct frame *f)
{
    EACH(f)
    {
        const struct vec *v = vec_null(&f->a, i) ? &f->b : &f->a;
        f->d[i].bits = 0;
        f->dnull[i] = vec_null(v, i) ? 1 : 0;
        f->nulls |= f->dnull[i] != 0;
        if (f->dnull[i] == 0) {
            SH_TRY(put(f, i, vec_text(v, i)));
        }
    }
    return SH_OK;
}

static sh_err concat(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (none(f, i)) {
            continue;
        }
        const struct sh_str a = vec_text(&f->a, i);
        const struct sh_str b = vec_text(&f->b, i);
        SH_TRY(put(f, i, a));
        const uint32_t off = f->d[i].span.off;
        SH_TRY(put(f, i, b)); /* right behind it */
        f->d[i].span.off = off;
        f->d[i].span.len += (uint32_t)a.n;
    }
    return SH_OK;
}

/* n characters of s from the from-th on; characters, not bytes. */
static struct sh_str part_of(struct sh_str s, int64_t from, int64_t n)
{
    size_t begin = s.n;
    size_t end = s.n;
    int64_t k = 0;
    int64_t last = from;
    if (n > 0 && __builtin_add_overflow(from, n, &last)) {
        last = INT64_MAX;
    }
    for (size_t at = 0; at < s.n; at++) {
        if (((unsigned char)s.p[at] & 0xc0) == 0x80) {
            continue;
        }
        k++;
        if (k >= from && begin == s.n) {
            begin = at;
        }
        if (k >= last) {
            end = at;
            break;
        }
    }
    return begin < end ? sh_str_sub(s, begin, end) : (struct sh_str){NULL, 0};
}

static sh_err substr(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (!none(f, i)) {
            SH_TRY(put(f, i, part_of(vec_text(&f->a, i), f->b.v[i].i64, f->c.v[i].i64)));
        }
    }
    return SH_OK;
}

static sh_err change_case(struct frame *f, char from, char to)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (none(f, i)) {
            continue;
        }
        SH_TRY(put(f, i, vec_text(&f->a, i)));
        char *p = (char *)f->made->p + f->d[i].span.off;
        for (uint32_t k = 0; k < f->d[i].span.len; k++) {
            if (p[k] >= from && p[k] <= from + ('z' - 'a')) {
                p[k] = (char)(p[k] - from + to);
            }
        }
    }
    return SH_OK;
}

static sh_err upper(struct frame *f)
{
    return change_case(f, 'a', 'A');
}

static sh_err lower(struct frame *f)
{
    return change_case(f, 'A', 'a');
}

static sh_err trim(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (!none(f, i)) {
            SH_TRY(put(f, i, sh_str_trim(vec_text(&f->a, i))));
        }
    }
    return SH_OK;
}

static sh_err of_float(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (!none(f, i)) {
            char t[SH_F64_CHARS];
            const size_t n = sh_f64_print(f->a.v[i].f64, t);
            SH_TRY(put(f, i, sh_str_of(t, n)));
        }
    }
    return SH_OK;
}

static sh_err of_whole(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (!none(f, i)) {
            char t[SH_I64_CHARS];
            const size_t n = sh_i64_print(f->a.v[i].i64, t);
            SH_TRY(put(f, i, sh_str_of(t, n)));
        }
    }
    return SH_OK;
}

static sh_err of_bool(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = 0;
        if (!none(f, i)) {
            SH_TRY(put(f, i, f->a.v[i].bits != 0 ? SH_STR("true") : SH_STR("false")));
        }
    }
    return SH_OK;
}

static sh_err to_number(struct frame *f)
{
    EACH(f)
    {
        f->d[i].f64 = 0;
        if (!none(f, i) && sh_f64_parse(sh_str_trim(vec_text(&f->a, i)), &f->d[i].f64) != SH_OK) {
            f->d[i].f64 = 0;
            f->dnull[i] = 1;
            f->nulls = true;
        }
    }
    return SH_OK;
}

static const struct op_info table[OP_COUNT_OF] = {
    [OP_LT_T] = {less, 0},
    [OP_LE_T] = {less_equal, 0},
    [OP_EQ_T] = {equal, 0},
    [OP_NE_T] = {unequal, 0},
    [OP_SELECT_T] = {choose, INFO_OWN | INFO_TEXT},
    [OP_COALESCE_T] = {coalesce, INFO_OWN | INFO_TEXT},
    [OP_LEN] = {length, 0},
    [OP_CONTAINS] = {contains, 0},
    [OP_STARTS] = {starts, 0},
    [OP_ENDS] = {ends, 0},
    [OP_CONCAT] = {concat, INFO_TEXT},
    [OP_SUBSTR] = {substr, INFO_TEXT},
    [OP_UPPER] = {upper, INFO_TEXT},
    [OP_LOWER] = {lower, INFO_TEXT},
    [OP_TRIM] = {trim, INFO_TEXT},
    [OP_TEXT_F] = {of_float, INFO_TEXT},
    [OP_TEXT_I] = {of_whole, INFO_TEXT},
    [OP_TEXT_B] = {of_bool, INFO_TEXT},
    [OP_NUMBER] = {to_number, INFO_MAKES},
};

struct op_info expr_text_op(enum op op)
{
    return table[op];
}
