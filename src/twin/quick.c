/* quick.c - reads the two documents of which there may be a million, a device that a sample made
 * and a state, in the very form in which we write them and without a tree of JSON. What looks any
 * other way, or has a character that would need more care, is left to the parser.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

enum { QUICK_DIGITS = 18 }; /* no overflow */

static bool lit(struct sh_str *in, struct sh_str word)
{
    const bool yes = sh_str_starts(*in, word);
    if (yes) {
        *in = sh_str_sub(*in, word.n, in->n);
    }
    return yes;
}

static bool number(struct sh_str *in, int64_t *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < in->n && n < QUICK_DIGITS && in->p[n] >= '0' && in->p[n] <= '9'; n++) {
        *out = *out * 10 + (in->p[n] - '0');
    }
    *in = sh_str_sub(*in, n, in->n);
    return n > 0;
}

/* A string of ASCII without escapes. */
static bool plain(struct sh_str *in, struct sh_str *out)
{
    size_t n = 1;
    if (in->n == 0 || in->p[0] != '"') {
        return false;
    }
    while (n < in->n && in->p[n] >= ' ' && in->p[n] < 0x7f && in->p[n] != '"' && in->p[n] != '\\') {
        n++;
    }
    if (n == in->n || in->p[n] != '"') {
        return false;
    }
    *out = sh_str_sub(*in, 1, n);
    *in = sh_str_sub(*in, n + 1, in->n);
    return true;
}

static bool label(struct sh_str *in, struct twin_texts *x)
{
    struct sh_str key;
    struct sh_str value;
    return plain(in, &key) && lit(in, SH_STR(":")) && plain(in, &value) &&
           twin_texts_label(x, key, value) == SH_OK;
}

bool twin_quick_device(struct sh_str doc, struct sh_str id, struct twin_texts *x, uint64_t *tagset)
{
    int64_t tags = 0;
    if (!lit(&doc, SH_STR("{\"labels\":")) || twin_texts_begin(x, id, SH_STR("")) != SH_OK) {
        return false;
    }
    const struct sh_str labels = doc;
    bool ok = lit(&doc, SH_STR("{"));
    if (ok && !lit(&doc, SH_STR("}"))) {
        ok = label(&doc, x);
        while (ok && lit(&doc, SH_STR(","))) {
            ok = label(&doc, x);
        }
        ok = ok && lit(&doc, SH_STR("}"));
    }
    if (!ok || sh_buf_put(&x->labels, labels.p, labels.n - doc.n) != SH_OK) {
        return false;
    }
    ok = lit(&doc, SH_STR(",\"made\":\"sample\""));
    if (ok && lit(&doc, SH_STR(",\"tagset\":"))) {
        ok = number(&doc, &tags);
    }
    *tagset = (uint64_t)tags;
    return ok && sh_str_eq(doc, SH_STR("}"));
}

bool twin_quick_state(struct sh_str doc, enum sh_twin_state *state, int64_t *since, int64_t *last)
{
    struct sh_str word = {NULL, 0};
    const bool ok = lit(&doc, SH_STR("{\"state\":")) && plain(&doc, &word) &&
                    lit(&doc, SH_STR(",\"since\":")) && number(&doc, since) &&
                    lit(&doc, SH_STR(",\"last\":")) && number(&doc, last) &&
                    sh_str_eq(doc, SH_STR("}"));
    *state = twin_state_of(word);
    return ok;
}
