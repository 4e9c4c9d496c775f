/* schema.c - from JSON to a compiled schema.
 *
 * First pass (collect): every $id, $anchor and $dynamicAnchor of the places where subschemas may
 * stand. Second pass (compile): one node for each subschema, found again by the address of its
 * JSON, entered before its members are compiled; so a recursive reference finds the node that is
 * being made. A reference may also point at a place no keyword leads to; it is compiled then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "schema_int.h"

#include <stddef.h>

enum { ARENA_BYTES = 64 << 20, MAX_RESOURCES = 1000, MAX_ANCHORS = 4000, MAX_PATTERNS = 2000 };

/* Upper bounds of what a schema holds, found by looking at every member's name. */
struct bounds {
    size_t resources;
    size_t anchors;
    size_t patterns;
};

#define META_URI "https://json-schema.org/draft/2020-12/schema"

enum keyword_kind { K_ONE, K_LIST, K_MAP, K_PATTERNS, K_COUNT, K_NUMBER };

struct keyword {
    const char *name;
    enum keyword_kind kind;
    size_t at;
};

static const struct keyword keywords[] = {
    {"additionalProperties", K_ONE, offsetof(struct schema_node, additional)},
    {"allOf", K_LIST, offsetof(struct schema_node, all_of)},
    {"anyOf", K_LIST, offsetof(struct schema_node, any_of)},
    {"contains", K_ONE, offsetof(struct schema_node, contains)},
    {"dependentSchemas", K_MAP, offsetof(struct schema_node, dependent_schemas)},
    {"else", K_ONE, offsetof(struct schema_node, else_schema)},
    {"exclusiveMaximum", K_NUMBER, offsetof(struct schema_node, exclusive_maximum)},
    {"exclusiveMinimum", K_NUMBER, offsetof(struct schema_node, exclusive_minimum)},
    {"if", K_ONE, offsetof(struct schema_node, if_schema)},
    {"items", K_ONE, offsetof(struct schema_node, items)},
    {"maxContains", K_COUNT, offsetof(struct schema_node, max_contains)},
    {"maxItems", K_COUNT, offsetof(struct schema_node, max_items)},
    {"maxLength", K_COUNT, offsetof(struct schema_node, max_length)},
    {"maxProperties", K_COUNT, offsetof(struct schema_node, max_properties)},
    {"maximum", K_NUMBER, offsetof(struct schema_node, maximum)},
    {"minContains", K_COUNT, offsetof(struct schema_node, min_contains)},
    {"minItems", K_COUNT, offsetof(struct schema_node, min_items)},
    {"minLength", K_COUNT, offsetof(struct schema_node, min_length)},
    {"minProperties", K_COUNT, offsetof(struct schema_node, min_properties)},
    {"minimum", K_NUMBER, offsetof(struct schema_node, minimum)},
    {"multipleOf", K_NUMBER, offsetof(struct schema_node, multiple_of)},
    {"not", K_ONE, offsetof(struct schema_node, not_schema)},
    {"oneOf", K_LIST, offsetof(struct schema_node, one_of)},
    {"patternProperties", K_PATTERNS, offsetof(struct schema_node, pattern_properties)},
    {"prefixItems", K_LIST, offsetof(struct schema_node, prefix_items)},
    {"properties", K_MAP, offsetof(struct schema_node, properties)},
    {"propertyNames", K_ONE, offsetof(struct schema_node, property_names)},
    {"then", K_ONE, offsetof(struct schema_node, then_schema)},
    {"unevaluatedItems", K_ONE, offsetof(struct schema_node, unevaluated_items)},
    {"unevaluatedProperties", K_ONE, offsetof(struct schema_node, unevaluated_properties)},
};

/* Where the compiler stands: a chain of keys for the diagnosis, and the resource. */
struct place {
    const struct place *up;
    const char *key;
    size_t index; /* when key == NULL */
    unsigned resource;
};

struct compiler {
    struct sh_schema *s;
    struct sh_map nodes; /* address of the JSON -> node */
    struct sh_diag *diag;
    size_t count;
};

static void path_of(const struct place *p, char *out, size_t cap)
{
    const struct place *chain[SH_SCHEMA_MAX_DEPTH];
    size_t n = 0;
    size_t at = 0;
    for (; p != NULL && p->up != NULL && n < SH_SCHEMA_MAX_DEPTH; p = p->up) {
        chain[n++] = p;
    }
    out[0] = '\0';
    while (n > 0 && at < cap) {
        const struct place *q = chain[--n];
        const int len = q->key != NULL ? snprintf(out + at, cap - at, "/%s", q->key)
                                       : snprintf(out + at, cap - at, "/%zu", q->index);
        at += len < 0 ? 0 : (size_t)len;
    }
}

static sh_err fault(const struct compiler *c, const struct place *p, const char *key,
                    const char *what)
{
    char path[160];
    const struct place here = {.up = p, .key = key};
    path_of(key == NULL ? p : &here, path, sizeof path);
    sh_diag_at(c->diag, sh_str_c(path), 0);
    sh_diag_set(c->diag, "%s %s", path[0] == '\0' ? "the schema" : path, what);
    return SH_E_INVAL;
}

/* ------------------------------------------------------------------ collect */

static sh_err add_anchor(struct compiler *c, const json_t *v, const json_t *at,
                         const struct place *p, bool dynamic)
{
    struct sh_schema *s = c->s;
    if (v == NULL) {
        return SH_OK;
    }
    if (!json_is_string(v) || json_string_length(v) == 0) {
        return fault(c, p, dynamic ? "$dynamicAnchor" : "$anchor", "is not a name");
    }
    if (s->nanchors == s->max_anchors) {
        return SH_E_LIMIT;
    }
    s->anchors[s->nanchors++] = (struct schema_anchor){
        .name = schema_str(v), .at = at, .resource = p->resource, .dynamic = dynamic};
    return SH_OK;
}

static sh_err add_resource(struct compiler *c, const json_t *v, const json_t *id, struct place *p)
{
    struct sh_schema *s = c->s;
    struct sh_str fragment;
    if (id == NULL) {
        return SH_OK;
    }
    if (!json_is_string(id)) {
        return fault(c, p, "$id", "is not a URI");
    }
    const struct sh_str uri =
        schema_uri_join(s->ar, s->resources[p->resource].uri, schema_str(id), &fragment);
    if (uri.p == NULL) {
        return SH_E_NOMEM;
    }
    if (fragment.n > 0) {
        return fault(c, p, "$id", "has a fragment");
    }
    if (v == s->json) {
        s->resources[0].uri = uri;
        return SH_OK;
    }
    if (s->nresources == s->max_resources) {
        return SH_E_LIMIT;
    }
    s->resources[s->nresources] = (struct schema_resource){.uri = uri, .root = v};
    p->resource = (unsigned)s->nresources++;
    return SH_OK;
}

static sh_err collect(struct compiler *c, const json_t *v, const struct place *up);

static sh_err collect_under(struct compiler *c, const json_t *v, const struct place *here)
{
    json_t *obj = (json_t *)(uintptr_t)v;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            const struct place p = {.up = here, .index = i, .resource = here->resource};
            SH_TRY(collect(c, json_array_get(v, i), &p));
        }
        return SH_OK;
    }
    for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
        const struct place p = {
            .up = here, .key = json_object_iter_key(it), .resource = here->resource};
        SH_TRY(collect(c, json_object_iter_value(it), &p));
    }
    return SH_OK;
}

static sh_err collect(struct compiler *c, const json_t *v, const struct place *up)
{
    struct place here = *up;
    if (!json_is_object(v)) {
        return SH_OK;
    }
    SH_TRY(add_resource(c, v, json_object_get(v, "$id"), &here));
    SH_TRY(add_anchor(c, json_object_get(v, "$anchor"), v, &here, false));
    SH_TRY(add_anchor(c, json_object_get(v, "$dynamicAnchor"), v, &here, true));
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const json_t *k = json_object_get(v, keywords[i].name);
        const struct place p = {.up = &here, .key = keywords[i].name, .resource = here.resource};
        if (k == NULL || keywords[i].kind >= K_COUNT) {
            continue;
        }
        SH_TRY(keywords[i].kind == K_ONE ? collect(c, k, &p) : collect_under(c, k, &p));
    }
    static const char *const defs[] = {"$defs", "definitions"};
    for (size_t i = 0; i < 2; i++) {
        const struct place p = {.up = &here, .key = defs[i], .resource = here.resource};
        const json_t *d = json_object_get(v, defs[i]);
        if (json_is_object(d)) {
            SH_TRY(collect_under(c, d, &p));
        }
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ compile */

static sh_err compile(struct compiler *c, const json_t *v, const struct place *p,
                      const struct schema_node **out);

static sh_err compile_list(struct compiler *c, const json_t *v, const struct place *p,
                           struct schema_list *out)
{
    if (!json_is_array(v) || json_array_size(v) == 0) {
        return fault(c, p, NULL, "is not a list of schemas");
    }
    out->n = json_array_size(v);
    out->v = sh_arena_array(c->s->ar, out->n, sizeof(void *));
    if (out->v == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < out->n; i++) {
        const struct place q = {.up = p, .index = i, .resource = p->resource};
        SH_TRY(compile(c, json_array_get(v, i), &q, &out->v[i]));
    }
    return SH_OK;
}

static sh_err compile_pattern(struct compiler *c, struct sh_str text, const struct place *p,
                              const pcre2_code **out)
{
    struct sh_schema *s = c->s;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (s->npatterns == s->max_patterns) {
        return SH_E_LIMIT;
    }
    pcre2_compile_context *cc = pcre2_compile_context_create(s->pcre);
    if (cc == NULL) {
        return SH_E_NOMEM;
    }
    (void)pcre2_set_parens_nest_limit(cc, 100);
    (void)pcre2_set_max_pattern_length(cc, 10000);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                                   PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF |
                                       PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                                   &code, &at, cc);
    pcre2_compile_context_free(cc);
    if (re == NULL) {
        if (code == PCRE2_ERROR_NOMEMORY || code == 121) { /* 121: no memory while compiling */
            return SH_E_NOMEM;
        }
        char why[120] = "";
        char text_of_fault[200];
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        (void)snprintf(text_of_fault, sizeof text_of_fault,
                       "is not a regular expression (at %zu: %s)", (size_t)at, why);
        return fault(c, p, NULL, text_of_fault);
    }
    s->patterns[s->npatterns++] = re;
    *out = re;
    return SH_OK;
}

static void sort_members(struct schema_map *m)
{
    for (size_t i = 1; i < m->n; i++) { /* names come nearly sorted, and few */
        const struct schema_member x = m->v[i];
        size_t k = i;
        while (k > 0 && sh_str_cmp(m->v[k - 1].name, x.name) > 0) {
            m->v[k] = m->v[k - 1];
            k--;
        }
        m->v[k] = x;
    }
}

static sh_err compile_map(struct compiler *c, const json_t *v, const struct place *p,
                          struct schema_map *out, bool patterns)
{
    json_t *obj = (json_t *)(uintptr_t)v;
    if (!json_is_object(v)) {
        return fault(c, p, NULL, "is not an object of schemas");
    }
    out->v = sh_arena_array(c->s->ar, json_object_size(v) + 1, sizeof *out->v);
    if (out->v == NULL) {
        return SH_E_NOMEM;
    }
    for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
        struct schema_member *m = &out->v[out->n++];
        const struct place q = {.up = p, .key = json_object_iter_key(it), .resource = p->resource};
        m->name = sh_str_c(q.key);
        if (patterns) {
            SH_TRY(compile_pattern(c, m->name, &q, &m->pattern));
        }
        SH_TRY(compile(c, json_object_iter_value(it), &q, &m->node));
    }
    if (!patterns) {
        sort_members(out);
    }
    return SH_OK;
}

static sh_err compile_keyword(struct compiler *c, const struct keyword *k, const json_t *v,
                              const struct place *up, struct schema_node *n)
{
    void *slot = (char *)n + k->at;
    const struct place p = {.up = up, .key = k->name, .resource = up->resource};
    switch (k->kind) {
    case K_ONE:
        return compile(c, v, &p, slot);
    case K_LIST:
        return compile_list(c, v, &p, slot);
    case K_MAP:
    case K_PATTERNS:
        return compile_map(c, v, &p, slot, k->kind == K_PATTERNS);
    case K_COUNT:
        *(int64_t *)slot = schema_count(v);
        return schema_count(v) < 0 ? fault(c, &p, NULL, "is not a whole number of at least 0")
                                   : SH_OK;
    case K_NUMBER:
        *(const json_t **)slot = v;
        return json_is_number(v) ? SH_OK : fault(c, &p, NULL, "is not a number");
    }
    return SH_E_INTERNAL;
}

static unsigned type_bit(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {
        {"null", SCHEMA_NULL},       {"boolean", SCHEMA_BOOL},  {"object", SCHEMA_OBJECT},
        {"array", SCHEMA_ARRAY},     {"number", SCHEMA_NUMBER}, {"string", SCHEMA_STRING},
        {"integer", SCHEMA_INTEGER},
    };
    for (size_t i = 0; name != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].bit;
        }
    }
    return 0;
}

static sh_err compile_type(struct compiler *c, const json_t *v, const struct place *p,
                           struct schema_node *n)
{
    if (v == NULL) {
        return SH_OK;
    }
    if (!json_is_array(v)) {
        n->types = type_bit(json_string_value(v));
        return n->types != 0 ? SH_OK : fault(c, p, "type", "is not the name of a type");
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const unsigned bit = type_bit(json_string_value(json_array_get(v, i)));
        if (bit == 0 || (n->types & bit) != 0) {
            return fault(c, p, "type", "has a member that is no type's name, or twice the same");
        }
        n->types |= bit;
    }
    return n->types != 0 ? SH_OK : fault(c, p, "type", "is empty");
}

static bool names_ok(const json_t *v)
{
    if (!json_is_array(v)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!json_is_string(json_array_get(v, i))) {
            return false;
        }
        for (size_t k = 0; k < i && json_array_size(v) <= 1000; k++) {
            if (schema_equal(json_array_get(v, i), json_array_get(v, k))) {
                return false;
            }
        }
    }
    return true;
}

static sh_err compile_required(struct compiler *c, const json_t *v, const struct place *p,
                               struct schema_node *n)
{
    n->required = json_object_get(v, "required");
    if (n->required != NULL && !names_ok(n->required)) {
        return fault(c, p, "required", "is not a list of different names");
    }
    n->dependent_required = json_object_get(v, "dependentRequired");
    json_t *d = (json_t *)(uintptr_t)n->dependent_required;
    if (d != NULL && !json_is_object(d)) {
        return fault(c, p, "dependentRequired", "is not an object");
    }
    for (void *it = json_object_iter(d); it != NULL; it = json_object_iter_next(d, it)) {
        if (!names_ok(json_object_iter_value(it))) {
            return fault(c, p, "dependentRequired", "has a member that is no list of names");
        }
    }
    return SH_OK;
}

static sh_err compile_simple(struct compiler *c, const json_t *v, const struct place *p,
                             struct schema_node *n)
{
    const json_t *k = json_object_get(v, "pattern");
    const struct place at = {.up = p, .key = "pattern", .resource = p->resource};
    SH_TRY(compile_type(c, json_object_get(v, "type"), p, n));
    SH_TRY(compile_required(c, v, p, n));
    n->const_value = json_object_get(v, "const");
    n->enum_values = json_object_get(v, "enum");
    if (n->enum_values != NULL && !json_is_array(n->enum_values)) {
        return fault(c, p, "enum", "is not a list");
    }
    if (k != NULL) {
        if (!json_is_string(k)) {
            return fault(c, &at, NULL, "is not a text");
        }
        SH_TRY(compile_pattern(c, schema_str(k), &at, &n->pattern));
    }
    k = json_object_get(v, "format");
    if (k != NULL) {
        if (!json_is_string(k)) {
            return fault(c, p, "format", "is not a text");
        }
        n->format = schema_format_find(json_string_value(k), &n->format_name);
    }
    k = json_object_get(v, "uniqueItems");
    if (k != NULL && !json_is_boolean(k)) {
        return fault(c, p, "uniqueItems", "is not true or false");
    }
    n->unique_items = json_is_true(k);
    return SH_OK;
}

/* ------------------------------------------------------------------ references */

static unsigned resource_of(const struct compiler *c, struct sh_str uri)
{
    for (unsigned i = 0; i < c->s->nresources; i++) {
        if (sh_str_eq(c->s->resources[i].uri, uri)) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* JSON pointer (RFC 6901) behind '#', percent-decoded. *resource follows $id on the way. */
static const json_t *follow(struct compiler *c, struct sh_str pointer, unsigned *resource)
{
    const json_t *v = c->s->resources[*resource].root;
    while (pointer.n > 0 && v != NULL) {
        char key[256];
        size_t n = 0;
        size_t i = 1;
        for (; i < pointer.n && pointer.p[i] != '/' && n < sizeof key - 1; i++) {
            char ch = pointer.p[i];
            if (ch == '~' && i + 1 < pointer.n) {
                ch = pointer.p[++i] == '1' ? '/' : '~';
            }
            key[n++] = ch;
        }
        key[n] = '\0';
        pointer = sh_str_sub(pointer, i, pointer.n);
        uint64_t index = 0;
        if (json_is_array(v)) {
            v = sh_u64_parse((struct sh_str){key, n}, &index) == SH_OK ? json_array_get(v, index)
                                                                       : NULL;
        } else {
            v = json_object_get(v, key);
        }
        for (unsigned r = 0; r < c->s->nresources; r++) {
            *resource = v != NULL && c->s->resources[r].root == v ? r : *resource;
        }
    }
    return v;
}

static const json_t *anchor(const struct compiler *c, struct sh_str name, unsigned resource,
                            bool *dynamic)
{
    for (size_t i = 0; i < c->s->nanchors; i++) {
        const struct schema_anchor *a = &c->s->anchors[i];
        if (a->resource == resource && sh_str_eq(a->name, name)) {
            *dynamic = a->dynamic;
            return a->at;
        }
    }
    return NULL;
}

static sh_err meta_node(struct compiler *c, const struct schema_node **out)
{
    struct schema_node *n = sh_arena_get(c->s->ar, sizeof *n);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    n->kind = SCHEMA_META;
    *out = n;
    return SH_OK;
}

static sh_err compile_ref(struct compiler *c, const json_t *v, const char *key,
                          const struct place *p, struct schema_node *n)
{
    const json_t *ref = json_object_get(v, key);
    const bool dyn = key[1] == 'd';
    const struct schema_node **out = dyn ? &n->dynamic_ref : &n->ref;
    struct sh_str fragment;
    if (ref == NULL) {
        return SH_OK;
    }
    if (!json_is_string(ref)) {
        return fault(c, p, key, "is not a URI reference");
    }
    const struct sh_str uri =
        schema_uri_join(c->s->ar, c->s->resources[p->resource].uri, schema_str(ref), &fragment);
    if (uri.p == NULL) {
        return SH_E_NOMEM;
    }
    unsigned resource = resource_of(c, uri);
    if (resource == UINT32_MAX) {
        if (sh_str_eqc(uri, META_URI) && fragment.n == 0) {
            return meta_node(c, out);
        }
        (void)fault(c, p, key, "points to another document, which is not read");
        return SH_E_UNSUPPORTED;
    }
    const json_t *target = NULL;
    bool dynamic = false;
    if (fragment.n == 0 || fragment.p[0] == '/') {
        struct sh_buf plain;
        sh_buf_init(&plain, c->s->env->alloc, 4096);
        const sh_err err = sh_percent_parse(fragment, false, &plain);
        if (err == SH_OK) {
            target = follow(c, sh_buf_str(&plain), &resource);
        }
        sh_buf_fini(&plain);
        if (err == SH_E_NOMEM) {
            return err;
        }
    } else {
        target = anchor(c, fragment, resource, &dynamic);
    }
    if (target == NULL) {
        return fault(c, p, key, "points to nothing");
    }
    if (dyn && dynamic) {
        n->dynamic_name = fragment;
    }
    const struct place q = {.up = p, .key = key, .resource = resource};
    return compile(c, target, &q, out);
}

/* ------------------------------------------------------------------ the node */

static sh_err compile_object(struct compiler *c, const json_t *v, struct place *p,
                             struct schema_node *n)
{
    n->max_length = n->min_length = n->max_items = n->min_items = -1;
    n->max_contains = n->min_contains = n->max_properties = n->min_properties = -1;
    for (unsigned r = 0; r < c->s->nresources; r++) {
        p->resource = c->s->resources[r].root == v ? r : p->resource;
    }
    n->resource = p->resource;
    SH_TRY(compile_simple(c, v, p, n));
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const json_t *k = json_object_get(v, keywords[i].name);
        if (k != NULL) {
            SH_TRY(compile_keyword(c, &keywords[i], k, p, n));
        }
    }
    if (n->multiple_of != NULL && json_number_value(n->multiple_of) <= 0) {
        return fault(c, p, "multipleOf", "is not greater than 0");
    }
    c->s->tracks |= n->unevaluated_items != NULL || n->unevaluated_properties != NULL;
    SH_TRY(compile_ref(c, v, "$ref", p, n));
    SH_TRY(compile_ref(c, v, "$dynamicRef", p, n));
    static const char *const defs[] = {"$defs", "definitions"};
    for (size_t i = 0; i < 2; i++) { /* also what nothing refers to must be right */
        struct schema_map unused = {.n = 0};
        const struct place q = {.up = p, .key = defs[i], .resource = p->resource};
        const json_t *d = json_object_get(v, defs[i]);
        if (d != NULL) {
            SH_TRY(compile_map(c, d, &q, &unused, false));
        }
    }
    return SH_OK;
}

static sh_err compile(struct compiler *c, const json_t *v, const struct place *up,
                      const struct schema_node **out)
{
    struct place p = *up;
    /* The address itself is the key. */
    const struct sh_str key = {(const char *)&v, sizeof v}; /* NOLINT(bugprone-sizeof-expression) */
    struct schema_node *n = sh_map_get(&c->nodes, key);
    if (n != NULL && !json_is_boolean(v)) {
        *out = n;
        return SH_OK;
    }
    if (!json_is_object(v) && !json_is_boolean(v)) {
        return fault(c, up, NULL, "is not a schema: an object, true or false");
    }
    if (++c->count > SH_SCHEMA_MAX_NODES) {
        sh_diag_set(c->diag, "the schema has more than %d parts", SH_SCHEMA_MAX_NODES);
        return SH_E_LIMIT;
    }
    n = sh_arena_get(c->s->ar, sizeof *n);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    *out = n;
    if (json_is_boolean(v)) {
        n->kind = json_is_true(v) ? SCHEMA_TRUE : SCHEMA_FALSE;
        return SH_OK;
    }
    SH_TRY(sh_map_set(&c->nodes, key, n));
    return compile_object(c, v, &p, n);
}

/* Dynamic anchors find their nodes once all are made. */
static sh_err bind_anchors(struct compiler *c)
{
    for (size_t i = 0; i < c->s->nanchors; i++) {
        struct schema_anchor *a = &c->s->anchors[i];
        const struct place p = {.up = NULL, .resource = a->resource};
        if (a->dynamic) {
            SH_TRY(compile(c, a->at, &p, &a->node));
        }
    }
    return SH_OK;
}

static void *pcre_get(PCRE2_SIZE n, void *ctx)
{
    const struct sh_alloc *a = ctx;
    return a->resize(a->ctx, NULL, n == 0 ? 1 : n);
}

static void pcre_put(void *p, void *ctx)
{
    const struct sh_alloc *a = ctx;
    if (p != NULL) {
        (void)a->resize(a->ctx, p, 0);
    }
}

static void bound(const json_t *v, struct bounds *b)
{
    json_t *obj = (json_t *)(uintptr_t)v;
    for (size_t i = 0; i < json_array_size(v); i++) {
        bound(json_array_get(v, i), b);
    }
    for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *child = json_object_iter_value(it);
        b->resources += strcmp(key, "$id") == 0 ? 1 : 0;
        b->anchors += strcmp(key, "$anchor") == 0 || strcmp(key, "$dynamicAnchor") == 0 ? 1 : 0;
        b->patterns += strcmp(key, "pattern") == 0 ? 1 : 0;
        b->patterns += strcmp(key, "patternProperties") == 0 ? json_object_size(child) : 0;
        bound(child, b);
    }
}

static sh_err build(struct sh_schema *s, const json_t *schema, struct sh_diag *diag)
{
    struct compiler c = {.s = s, .diag = diag};
    const struct place top = {.up = NULL};
    s->ar = sh_arena_new(s->env->alloc, ARENA_BYTES);
    s->json = json_deep_copy(schema);
    if (s->ar == NULL || s->json == NULL) {
        return SH_E_NOMEM;
    }
    struct bounds b = {.resources = 1};
    bound(s->json, &b);
    if (b.resources > MAX_RESOURCES || b.anchors > MAX_ANCHORS || b.patterns > MAX_PATTERNS) {
        sh_diag_set(diag, "the schema has too many $id, anchors or patterns");
        return SH_E_LIMIT;
    }
    s->max_patterns = b.patterns;
    s->max_anchors = b.anchors;
    s->max_resources = b.resources;
    s->resources = sh_arena_array(s->ar, b.resources, sizeof *s->resources);
    s->anchors = sh_arena_array(s->ar, b.anchors + 1, sizeof *s->anchors);
    s->patterns = sh_arena_array(s->ar, b.patterns + 1, sizeof(void *));
    s->pcre = pcre2_general_context_create(pcre_get, pcre_put, (void *)(uintptr_t)s->env->alloc);
    if (s->resources == NULL || s->anchors == NULL || s->patterns == NULL || s->pcre == NULL) {
        return SH_E_NOMEM;
    }
    s->resources[0] = (struct schema_resource){.uri = SH_STR("schema:/"), .root = s->json};
    s->nresources = 1;
    sh_map_init(&c.nodes, s->env->alloc, (size_t)SH_SCHEMA_MAX_NODES + 1, 0);
    sh_err err = collect(&c, s->json, &top);
    if (err == SH_OK) {
        err = compile(&c, s->json, &top, &s->root);
    }
    if (err == SH_OK) {
        err = bind_anchors(&c);
    }
    sh_map_fini(&c.nodes);
    return err;
}

sh_err sh_schema_new(const struct sh_env *env, const json_t *schema, struct sh_schema **out,
                     struct sh_diag *diag)
{
    struct sh_schema *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->env = env;
    const sh_err err = build(s, schema, diag);
    if (err != SH_OK) {
        sh_schema_free(s);
        return err;
    }
    *out = s;
    return SH_OK;
}

void sh_schema_free(struct sh_schema *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->npatterns; i++) {
        pcre2_code_free(s->patterns[i]);
    }
    pcre2_general_context_free(s->pcre);
    json_decref(s->json);
    sh_arena_free(s->ar);
    sh_mem_free(s->env->alloc, s);
}
