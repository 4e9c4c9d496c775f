/* Input: a filter. What parses is a tree within its limits whose paths hold no quotation mark but
 * those of SQLite's path syntax, and no backslash.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../filter.h"

static unsigned walk(const struct sh_record_node *n, unsigned depth)
{
    SH_FUZZ_CHECK(depth < 400);
    if (n->kind != SH_RECORD_CMP) {
        unsigned c = 1 + walk(n->a, depth + 1);
        if (n->kind != SH_RECORD_NOT) {
            c += walk(n->b, depth + 1);
        }
        return c;
    }
    SH_FUZZ_CHECK(n->n <= RECORD_FILTER_MAX_IN);
    if (n->field.kind == SH_RECORD_FIELD_PATH) {
        const struct sh_str p = n->field.path;
        bool in = false;
        SH_FUZZ_CHECK(p.n > 3 && p.p[0] == '$' && p.p[1] == '.');
        for (size_t i = 1; i < p.n; i++) {
            const char c = p.p[i];
            SH_FUZZ_CHECK(c != '\\' && c != '\0');
            if (c == '"') {
                in = !in;
            } else if (!in) {
                SH_FUZZ_CHECK(c == '.' || c == '[' || c == ']' || (c >= '0' && c <= '9'));
            }
        }
        SH_FUZZ_CHECK(!in);
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_str text = {(const char *)data, size};
    struct sh_diag d = {.line = 0};
    struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 16 << 20);
    const struct sh_record_node *n = NULL;
    struct record_sorts sorts;
    if (ar == NULL) {
        return 0;
    }
    if (record_filter_parse(sh_alloc_heap(), text, ar, &n, &d) == SH_OK && n != NULL) {
        SH_FUZZ_CHECK(walk(n, 0) <= RECORD_FILTER_MAX_NODES);
    }
    if (record_sort_parse(sh_alloc_heap(), text, ar, &sorts, &d) == SH_OK) {
        SH_FUZZ_CHECK(sorts.n <= SH_RECORD_MAX_SORT);
    }
    sh_arena_free(ar);
    return 0;
}
