/* schema_check.c - checks a document against a compiled schema.
 *
 * Inside not, if, anyOf, oneOf and contains nothing is reported and the first fault ends a branch;
 * elsewhere all faults are reported. What a schema has looked at ("evaluated") is noted as a bit
 * per member or item of the present object or array, and only when the schema has unevaluated...; a
 * branch that fails leaves no bits behind. Steps and depth are counted, patterns have a match
 * limit. SPDX-License-Identifier: Apache-2.0 */
#include "schema_int.h"

#include <stdarg.h>
#include <stdio.h>

enum { EVAL_BYTES = 16 << 20, MATCH_LIMIT = 100000, MATCH_DEPTH = 2000, MATCH_HEAP_KIB = 4096 };

/* Place in the document. */
struct at {
    const struct at *up;
    const char *key;
    size_t index;
};

/* Outer resources, for $dynamicRef. */
struct scope {
    const struct scope *up;
    unsigned resource;
};

/* bits == NULL: not noted. */
struct eval {
    uint8_t *bits;
    size_t n;
};

struct checker {
    const struct sh_schema *s;
    sh_schema_report *fn;
    void *ctx;
    unsigned max_faults;
    unsigned faults;
    unsigned quiet;
    unsigned depth;
    uint64_t steps;
    sh_err err; /* a limit was reached */
    const struct scope *scope;
    struct sh_arena *ar;
    pcre2_match_context *mc;
};

static bool check(struct checker *c, const struct schema_node *n, const json_t *v,
                  const struct at *at, struct eval *ev);

static size_t pointer_of(const struct at *at, char *out, size_t cap)
{
    const struct at *chain[128];
    size_t n = 0;
    size_t len = 0;
    for (; at != NULL && at->up != NULL && n < 128; at = at->up) {
        chain[n++] = at;
    }
    while (n > 0) {
        const struct at *a = chain[--n];
        char num[24];
        (void)snprintf(num, sizeof num, "%zu", a->index);
        const char *key = a->key != NULL ? a->key : num;
        if (len < cap) {
            out[len++] = '/';
        }
        for (; *key != '\0' && len + 2 < cap; key++) {
            if (*key == '~' || *key == '/') {
                out[len++] = '~';
                out[len++] = *key == '~' ? '0' : '1';
            } else {
                out[len++] = *key;
            }
        }
    }
    return len;
}

/* Notes a fault; always false. */
static bool bad(struct checker *c, const struct at *at, const char *keyword, const char *fmt, ...)
    SH_PRINTF(4, 5);
static bool bad(struct checker *c, const struct at *at, const char *keyword, const char *fmt, ...)
{
    if (c->quiet > 0) {
        return false;
    }
    if (c->fn != NULL && c->faults < c->max_faults) {
        char path[512];
        char message[256];
        va_list ap;
        va_start(ap, fmt);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, a line above */
        const int n = vsnprintf(message, sizeof message, fmt, ap);
        va_end(ap);
        const size_t len = n < 0 ? 0 : (size_t)n;
        const struct sh_schema_fault f = {
            .path = {path, pointer_of(at, path, sizeof path)},
            .keyword = keyword,
            .message = {message, len < sizeof message ? len : sizeof message - 1},
        };
        c->fn(c->ctx, &f);
    }
    c->faults++;
    return false;
}

/* No more work in this branch: it failed and nobody reads further faults. */
static bool stop(const struct checker *c, bool ok)
{
    return c->err != SH_OK || (!ok && (c->quiet > 0 || c->faults >= c->max_faults));
}

static struct eval eval_new(struct checker *c, const json_t *v)
{
    struct eval e = {.bits = NULL};
    if (!c->s->tracks || (!json_is_object(v) && !json_is_array(v))) {
        return e;
    }
    e.n = json_is_object(v) ? json_object_size(v) : json_array_size(v);
    e.bits = sh_arena_get(c->ar, e.n / 8 + 1);
    if (e.bits == NULL) {
        c->err = SH_E_LIMIT;
    }
    return e;
}

static void mark(struct eval *e, size_t i)
{
    if (e->bits != NULL && i < e->n) {
        e->bits[i / 8] |= (uint8_t)(1U << (i % 8));
    }
}

static bool marked(const struct eval *e, size_t i)
{
    return e->bits != NULL && (e->bits[i / 8] >> (i % 8) & 1) != 0;
}

/* A subschema on the same value: what it looked at counts when it accepts. */
static bool in_place(struct checker *c, const struct schema_node *n, const json_t *v,
                     const struct at *at, struct eval *ev)
{
    struct eval sub = eval_new(c, v);
    const bool ok = check(c, n, v, at, &sub);
    if (ok && ev->bits != NULL && sub.bits != NULL) {
        for (size_t i = 0; i < ev->n / 8 + 1; i++) {
            ev->bits[i] |= sub.bits[i];
        }
    }
    return ok;
}

static bool in_place_quiet(struct checker *c, const struct schema_node *n, const json_t *v,
                           const struct at *at, struct eval *ev)
{
    c->quiet++;
    const bool ok = in_place(c, n, v, at, ev);
    c->quiet--;
    return ok;
}

/* A subschema on a member or item. */
static bool inner(struct checker *c, const struct schema_node *n, const json_t *v,
                  const struct at *up, const char *key, size_t index)
{
    const struct at at = {.up = up, .key = key, .index = index};
    struct eval sub = eval_new(c, v);
    return check(c, n, v, &at, &sub);
}

static bool match(struct checker *c, const pcre2_code *re, struct sh_str s)
{
    pcre2_match_data *md = pcre2_match_data_create(1, c->s->pcre);
    if (md == NULL) {
        c->err = SH_E_NOMEM;
        return false;
    }
    const int rc = pcre2_match(re, (PCRE2_SPTR)s.p, s.n, 0, PCRE2_NO_UTF_CHECK, md, c->mc);
    pcre2_match_data_free(md);
    if (rc == PCRE2_ERROR_NOMEMORY) {
        c->err = SH_E_NOMEM;
    } else if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        c->err = SH_E_LIMIT;
    }
    return rc >= 0;
}

/* ------------------------------------------------------------------ scalars */

static bool check_numbers(struct checker *c, const struct schema_node *n, const json_t *v,
                          const struct at *at)
{
    bool ok = true;
    if (n->maximum != NULL && schema_compare(v, n->maximum) > 0) {
        ok = bad(c, at, "maximum", "is greater than %g", json_number_value(n->maximum));
    }
    if (n->minimum != NULL && schema_compare(v, n->minimum) < 0) {
        ok = bad(c, at, "minimum", "is less than %g", json_number_value(n->minimum));
    }
    if (n->exclusive_maximum != NULL && schema_compare(v, n->exclusive_maximum) >= 0) {
        ok = bad(c, at, "exclusiveMaximum", "is not less than %g",
                 json_number_value(n->exclusive_maximum));
    }
    if (n->exclusive_minimum != NULL && schema_compare(v, n->exclusive_minimum) <= 0) {
        ok = bad(c, at, "exclusiveMinimum", "is not greater than %g",
                 json_number_value(n->exclusive_minimum));
    }
    if (n->multiple_of != NULL && !schema_multiple(v, n->multiple_of)) {
        ok = bad(c, at, "multipleOf", "is not a multiple of %g", json_number_value(n->multiple_of));
    }
    return ok;
}

static int64_t code_points(struct sh_str s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return n;
}

static bool check_string(struct checker *c, const struct schema_node *n, const json_t *v,
                         const struct at *at)
{
    const struct sh_str s = schema_str(v);
    bool ok = true;
    if (n->max_length >= 0 || n->min_length >= 0) {
        const int64_t len = code_points(s);
        if (n->max_length >= 0 && len > n->max_length) {
            ok =
                bad(c, at, "maxLength", "is longer than %lld characters", (long long)n->max_length);
        }
        if (len < n->min_length) {
            ok = bad(c, at, "minLength", "is shorter than %lld characters",
                     (long long)n->min_length);
        }
    }
    if (n->pattern != NULL && !match(c, n->pattern, s)) {
        ok = bad(c, at, "pattern", "does not match the pattern");
    }
    if (n->format != NULL && !n->format(s)) {
        ok = bad(c, at, "format", "is not a valid %s", n->format_name);
    }
    return ok;
}

static bool check_any(struct checker *c, const struct schema_node *n, const json_t *v,
                      const struct at *at)
{
    bool ok = true;
    if (n->types != 0 && (schema_type_of(v) & n->types) == 0) {
        ok = bad(c, at, "type", "has the wrong type");
    }
    if (n->const_value != NULL && !schema_equal(v, n->const_value)) {
        ok = bad(c, at, "const", "is not the one value that is allowed");
    }
    if (n->enum_values != NULL) {
        bool found = false;
        for (size_t i = 0; i < json_array_size(n->enum_values) && !found; i++) {
            found = schema_equal(v, json_array_get(n->enum_values, i));
        }
        if (!found) {
            ok = bad(c, at, "enum", "is not one of the values that are allowed");
        }
    }
    return ok;
}

/* ------------------------------------------------------------------ arrays */

static bool unique(struct checker *c, const json_t *v)
{
    const size_t n = json_array_size(v);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (++c->steps > SH_SCHEMA_MAX_STEPS) {
                c->err = SH_E_LIMIT;
                return true;
            }
            if (schema_equal(json_array_get(v, i), json_array_get(v, k))) {
                return false;
            }
        }
    }
    return true;
}

static bool check_contains(struct checker *c, const struct schema_node *n, const json_t *v,
                           const struct at *at, struct eval *ev)
{
    int64_t found = 0;
    const int64_t least = n->min_contains < 0 ? 1 : n->min_contains;
    c->quiet++;
    for (size_t i = 0; i < json_array_size(v) && c->err == SH_OK; i++) {
        if (inner(c, n->contains, json_array_get(v, i), at, NULL, i)) {
            found++;
            mark(ev, i);
        }
    }
    c->quiet--;
    if (found < least) {
        return bad(c, at, "contains", "has %lld of the items it must contain, not %lld",
                   (long long)found, (long long)least);
    }
    if (n->max_contains >= 0 && found > n->max_contains) {
        return bad(c, at, "maxContains", "has more than %lld of such items",
                   (long long)n->max_contains);
    }
    return true;
}

static bool check_array(struct checker *c, const struct schema_node *n, const json_t *v,
                        const struct at *at, struct eval *ev)
{
    const size_t size = json_array_size(v);
    bool ok = true;
    if (n->max_items >= 0 && size > (uint64_t)n->max_items) {
        ok = bad(c, at, "maxItems", "has more than %lld items", (long long)n->max_items);
    }
    if (n->min_items > 0 && size < (uint64_t)n->min_items) {
        ok = bad(c, at, "minItems", "has fewer than %lld items", (long long)n->min_items);
    }
    if (n->unique_items && !unique(c, v)) {
        ok = bad(c, at, "uniqueItems", "has the same item twice");
    }
    for (size_t i = 0; i < size && !stop(c, ok); i++) {
        const struct schema_node *item = i < n->prefix_items.n ? n->prefix_items.v[i] : n->items;
        if (item != NULL) {
            ok = inner(c, item, json_array_get(v, i), at, NULL, i) && ok;
            mark(ev, i);
        }
    }
    if (n->contains != NULL && !stop(c, ok)) {
        ok = check_contains(c, n, v, at, ev) && ok;
    }
    return ok;
}

/* ------------------------------------------------------------------ objects */

static const struct schema_node *find_member(const struct schema_map *m, struct sh_str name)
{
    size_t lo = 0;
    size_t hi = m->n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int d = sh_str_cmp(m->v[mid].name, name);
        if (d == 0) {
            return m->v[mid].node;
        }
        if (d < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* One member: properties, patternProperties, else additionalProperties; and its name. */
static bool check_member(struct checker *c, const struct schema_node *n, const json_t *v,
                         const struct at *at, bool *looked)
{
    bool ok = true;
    const struct sh_str name = sh_str_c(at->key);
    struct eval sub;
    const struct schema_node *p = find_member(&n->properties, name);
    *looked = p != NULL;
    if (p != NULL) {
        sub = eval_new(c, v);
        ok = check(c, p, v, at, &sub);
    }
    for (size_t i = 0; i < n->pattern_properties.n && !stop(c, ok); i++) {
        const struct schema_member *m = &n->pattern_properties.v[i];
        if (match(c, m->pattern, name)) {
            sub = eval_new(c, v);
            ok = check(c, m->node, v, at, &sub) && ok;
            *looked = true;
        }
    }
    if (!*looked && n->additional != NULL) {
        sub = eval_new(c, v);
        if (n->additional->kind == SCHEMA_FALSE) {
            ok = bad(c, at, "additionalProperties", "is not a member that is allowed");
        } else {
            ok = check(c, n->additional, v, at, &sub) && ok;
        }
        *looked = true;
    }
    if (n->property_names != NULL && !stop(c, ok)) {
        json_t *text = json_stringn(name.p, name.n);
        if (text == NULL) {
            c->err = SH_E_NOMEM;
            return false;
        }
        sub = (struct eval){.bits = NULL};
        ok = check(c, n->property_names, text, at, &sub) && ok;
        json_decref(text);
    }
    return ok;
}

static bool check_needed(struct checker *c, const json_t *names, const json_t *v,
                         const struct at *at, const char *keyword)
{
    bool ok = true;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (json_object_get(v, name) == NULL) {
            ok = bad(c, at, keyword, "lacks the member \"%.100s\"", name);
        }
    }
    return ok;
}

static bool check_dependent(struct checker *c, const struct schema_node *n, const json_t *v,
                            const struct at *at, struct eval *ev)
{
    bool ok = true;
    json_t *deps = (json_t *)(uintptr_t)n->dependent_required;
    for (void *it = json_object_iter(deps); it != NULL; it = json_object_iter_next(deps, it)) {
        if (json_object_get(v, json_object_iter_key(it)) != NULL) {
            ok = check_needed(c, json_object_iter_value(it), v, at, "dependentRequired") && ok;
        }
    }
    for (size_t i = 0; i < n->dependent_schemas.n && !stop(c, ok); i++) {
        const struct schema_member *m = &n->dependent_schemas.v[i];
        if (json_object_get(v, m->name.p) != NULL) {
            ok = in_place(c, m->node, v, at, ev) && ok;
        }
    }
    return ok;
}

static bool check_object(struct checker *c, const struct schema_node *n, const json_t *v,
                         const struct at *at, struct eval *ev)
{
    json_t *obj = (json_t *)(uintptr_t)v;
    const size_t size = json_object_size(v);
    bool ok = true;
    size_t i = 0;
    if (n->max_properties >= 0 && size > (uint64_t)n->max_properties) {
        ok =
            bad(c, at, "maxProperties", "has more than %lld members", (long long)n->max_properties);
    }
    if (n->min_properties > 0 && size < (uint64_t)n->min_properties) {
        ok = bad(c, at, "minProperties", "has fewer than %lld members",
                 (long long)n->min_properties);
    }
    ok = check_needed(c, n->required, v, at, "required") && ok;
    for (void *it = json_object_iter(obj); it != NULL && !stop(c, ok);
         it = json_object_iter_next(obj, it)) {
        const struct at here = {.up = at, .key = json_object_iter_key(it)};
        bool looked = false;
        ok = check_member(c, n, json_object_iter_value(it), &here, &looked) && ok;
        if (looked) {
            mark(ev, i);
        }
        i++;
    }
    return stop(c, ok) ? ok : check_dependent(c, n, v, at, ev) && ok;
}

/* ------------------------------------------------------------------ in place */

static bool check_one_of(struct checker *c, const struct schema_node *n, const json_t *v,
                         const struct at *at, struct eval *ev)
{
    unsigned found = 0;
    for (size_t i = 0; i < n->one_of.n && c->err == SH_OK; i++) {
        found += in_place_quiet(c, n->one_of.v[i], v, at, ev) ? 1 : 0;
    }
    return found == 1 || bad(c, at, "oneOf", "fits %u of the forms, not exactly one", found);
}

static bool check_any_of(struct checker *c, const struct schema_node *n, const json_t *v,
                         const struct at *at, struct eval *ev)
{
    bool found = false;
    for (size_t i = 0; i < n->any_of.n && c->err == SH_OK && (!found || c->s->tracks); i++) {
        found = in_place_quiet(c, n->any_of.v[i], v, at, ev) || found;
    }
    return found || bad(c, at, "anyOf", "fits none of the forms that are allowed");
}

/* The outermost resource of the dynamic scope that has the anchor, else where $ref would go. */
static const struct schema_node *dynamic_target(const struct checker *c,
                                                const struct schema_node *n)
{
    const struct schema_node *found = n->dynamic_ref;
    if (n->dynamic_name.n == 0) {
        return found;
    }
    for (const struct scope *s = c->scope; s != NULL; s = s->up) {
        for (size_t i = 0; i < c->s->nanchors; i++) {
            const struct schema_anchor *a = &c->s->anchors[i];
            if (a->dynamic && a->resource == s->resource && sh_str_eq(a->name, n->dynamic_name)) {
                found = a->node;
            }
        }
    }
    return found;
}

static bool check_applied(struct checker *c, const struct schema_node *n, const json_t *v,
                          const struct at *at, struct eval *ev)
{
    bool ok = true;
    if (n->ref != NULL) {
        ok = in_place(c, n->ref, v, at, ev);
    }
    if (n->dynamic_ref != NULL && !stop(c, ok)) {
        ok = in_place(c, dynamic_target(c, n), v, at, ev) && ok;
    }
    for (size_t i = 0; i < n->all_of.n && !stop(c, ok); i++) {
        ok = in_place(c, n->all_of.v[i], v, at, ev) && ok;
    }
    if (n->any_of.n > 0 && !stop(c, ok)) {
        ok = check_any_of(c, n, v, at, ev) && ok;
    }
    if (n->one_of.n > 0 && !stop(c, ok)) {
        ok = check_one_of(c, n, v, at, ev) && ok;
    }
    if (n->not_schema != NULL && !stop(c, ok)) {
        struct eval none = eval_new(c, v);
        if (in_place_quiet(c, n->not_schema, v, at, &none)) {
            ok = bad(c, at, "not", "has a form that is not allowed");
        }
    }
    if (n->if_schema != NULL && !stop(c, ok)) {
        const bool yes = in_place_quiet(c, n->if_schema, v, at, ev);
        const struct schema_node *branch = yes ? n->then_schema : n->else_schema;
        if (branch != NULL && c->err == SH_OK) {
            ok = in_place(c, branch, v, at, ev) && ok;
        }
    }
    return ok;
}

static bool check_unevaluated(struct checker *c, const struct schema_node *n, const json_t *v,
                              const struct at *at, struct eval *ev)
{
    bool ok = true;
    size_t i = 0;
    if (json_is_array(v) && n->unevaluated_items != NULL) {
        for (; i < json_array_size(v) && !stop(c, ok); i++) {
            if (!marked(ev, i)) {
                ok = inner(c, n->unevaluated_items, json_array_get(v, i), at, NULL, i) && ok;
                mark(ev, i);
            }
        }
    }
    if (json_is_object(v) && n->unevaluated_properties != NULL) {
        json_t *obj = (json_t *)(uintptr_t)v;
        for (void *it = json_object_iter(obj); it != NULL && !stop(c, ok);
             it = json_object_iter_next(obj, it)) {
            if (!marked(ev, i)) {
                ok = inner(c, n->unevaluated_properties, json_object_iter_value(it), at,
                           json_object_iter_key(it), 0) &&
                     ok;
                mark(ev, i);
            }
            i++;
        }
    }
    return ok;
}

static bool check_keywords(struct checker *c, const struct schema_node *n, const json_t *v,
                           const struct at *at, struct eval *ev)
{
    bool ok = check_any(c, n, v, at);
    if (stop(c, ok)) {
        return ok;
    }
    if (json_is_number(v)) {
        ok = check_numbers(c, n, v, at) && ok;
    } else if (json_is_string(v)) {
        ok = check_string(c, n, v, at) && ok;
    } else if (json_is_array(v)) {
        ok = check_array(c, n, v, at, ev) && ok;
    } else if (json_is_object(v)) {
        ok = check_object(c, n, v, at, ev) && ok;
    }
    if (!stop(c, ok)) {
        ok = check_applied(c, n, v, at, ev) && ok;
    }
    if (!stop(c, ok)) {
        ok = check_unevaluated(c, n, v, at, ev) && ok;
    }
    return ok;
}

static bool check_meta(struct checker *c, const json_t *v, const struct at *at)
{
    struct sh_schema *s = NULL;
    const sh_err err = sh_schema_new(c->s->env, v, &s, NULL);
    sh_schema_free(s);
    if (err == SH_E_NOMEM || err == SH_E_LIMIT) {
        c->err = err;
    }
    return err == SH_OK || err == SH_E_UNSUPPORTED || bad(c, at, "$ref", "is not a JSON Schema");
}

static bool check(struct checker *c, const struct schema_node *n, const json_t *v,
                  const struct at *at, struct eval *ev)
{
    bool ok = true;
    if (c->err != SH_OK) {
        return false;
    }
    if (++c->steps > SH_SCHEMA_MAX_STEPS || c->depth >= SH_SCHEMA_MAX_DEPTH) {
        c->err = SH_E_LIMIT;
        return false;
    }
    c->depth++;
    switch (n->kind) {
    case SCHEMA_TRUE:
        break;
    case SCHEMA_FALSE:
        ok = bad(c, at, "false", "is not allowed");
        break;
    case SCHEMA_META:
        ok = check_meta(c, v, at);
        break;
    case SCHEMA_KEYWORDS: {
        const struct scope *outer = c->scope;
        const struct scope here = {.up = outer, .resource = n->resource};
        if (outer == NULL || outer->resource != n->resource) {
            c->scope = &here;
        }
        ok = check_keywords(c, n, v, at, ev);
        c->scope = outer;
        break;
    }
    }
    c->depth--;
    return ok && c->err == SH_OK;
}

sh_err sh_schema_check(const struct sh_schema *s, const json_t *doc, sh_schema_report *fn,
                       void *ctx, unsigned max_faults)
{
    struct checker c = {
        .s = s, .fn = fn, .ctx = ctx, .max_faults = max_faults == 0 ? 1 : max_faults};
    const struct at top = {.up = NULL};
    c.mc = pcre2_match_context_create(s->pcre);
    if (c.mc == NULL) {
        return SH_E_NOMEM;
    }
    (void)pcre2_set_match_limit(c.mc, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(c.mc, MATCH_DEPTH);
    (void)pcre2_set_heap_limit(c.mc, MATCH_HEAP_KIB);
    if (s->tracks) {
        c.ar = sh_arena_new(s->env->alloc, EVAL_BYTES);
        if (c.ar == NULL) {
            pcre2_match_context_free(c.mc);
            return SH_E_NOMEM;
        }
    }
    struct eval ev = eval_new(&c, doc);
    const bool ok = c.err == SH_OK && check(&c, s->root, doc, &top, &ev);
    sh_arena_free(c.ar);
    pcre2_match_context_free(c.mc);
    if (c.err != SH_OK) {
        return c.err;
    }
    return ok ? SH_OK : SH_E_INVAL;
}

static void to_diag(void *ctx, const struct sh_schema_fault *f)
{
    struct sh_diag *d = ctx;
    sh_diag_at(d, f->path, 0);
    sh_diag_set(d, "%.*s %.*s", SH_PRI(f->path.n == 0 ? SH_STR("the document") : f->path),
                SH_PRI(f->message));
}

sh_err sh_schema_check_diag(const struct sh_schema *s, const json_t *doc, struct sh_diag *diag)
{
    const sh_err err = sh_schema_check(s, doc, diag == NULL ? NULL : to_diag, diag, 1);
    if (err == SH_E_LIMIT) {
        sh_diag_set(diag, "checking it took too many steps");
    }
    return err;
}
