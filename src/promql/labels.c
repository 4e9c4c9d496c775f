/* labels.c - sets of labels, sorted by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "promql_int.h"

struct sh_str sh_promql_label_get(const struct sh_promql_labels *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (sh_str_eqc(l->label[i].name, name)) {
            return l->label[i].value;
        }
    }
    return (struct sh_str){"", 0};
}

int pql_labels_cmp(const struct sh_promql_labels *a, const struct sh_promql_labels *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int c = sh_str_cmp(a->label[i].name, b->label[i].name);
        c = c != 0 ? c : sh_str_cmp(a->label[i].value, b->label[i].value);
        if (c != 0) {
            return c;
        }
    }
    return a->n == b->n ? 0 : (a->n < b->n ? -1 : 1);
}

static bool among(struct sh_str name, const struct sh_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sh_str_eq(name, names[i])) {
            return true;
        }
    }
    return false;
}

sh_err pql_labels_pick(struct sh_arena *ar, const struct sh_promql_labels *l,
                       const struct sh_str *names, size_t n, bool exclude,
                       struct sh_promql_labels *out)
{
    struct sh_promql_label *kept = sh_arena_array(ar, l->n + 1, sizeof *kept);
    const struct sh_promql_labels in = *l; /* out may be l */
    if (kept == NULL) {
        return SH_E_NOMEM;
    }
    *out = (struct sh_promql_labels){kept, 0};
    for (size_t i = 0; i < in.n; i++) {
        const struct sh_str name = in.label[i].name;
        const bool named = exclude && sh_str_eqc(name, "__name__");
        if (!named && among(name, names, n) != exclude) {
            kept[out->n++] = in.label[i];
        }
    }
    return SH_OK;
}

sh_err pql_labels_drop(struct sh_arena *ar, const struct sh_promql_labels *l, const char *name,
                       struct sh_promql_labels *out)
{
    struct sh_promql_label *kept = sh_arena_array(ar, l->n + 1, sizeof *kept);
    const struct sh_promql_labels in = *l; /* out may be l */
    if (kept == NULL) {
        return SH_E_NOMEM;
    }
    *out = (struct sh_promql_labels){kept, 0};
    for (size_t i = 0; i < in.n; i++) {
        if (!sh_str_eqc(in.label[i].name, name)) {
            kept[out->n++] = in.label[i];
        }
    }
    return SH_OK;
}
