/* schema_int.h - a compiled schema.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_SCHEMA_INT_H
#define SH_RECORD_SCHEMA_INT_H

#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <sh/schema.h>

enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOL = 2,
    SCHEMA_OBJECT = 4,
    SCHEMA_ARRAY = 8,
    SCHEMA_NUMBER = 16,
    SCHEMA_STRING = 32,
    SCHEMA_INTEGER = 64 /* a number without a fraction */
};

enum schema_kind { SCHEMA_KEYWORDS, SCHEMA_TRUE, SCHEMA_FALSE, SCHEMA_META };

struct schema_node;

struct schema_list {
    const struct schema_node **v;
    size_t n;
};
/* Sorted by name (but for patterns). */
struct schema_member {
    struct sh_str name;
    const struct schema_node *node;
    const pcre2_code *pattern; /* patternProperties */
};
struct schema_map {
    struct schema_member *v;
    size_t n;
};

/* One subschema. Pointers to JSON go into the schema's own copy. Absent: NULL, n == 0, count -1. */
struct schema_node {
    enum schema_kind kind;
    unsigned resource; /* index of the schema resource it stands in */
    unsigned types;    /* 0 = any */
    const json_t *const_value;
    const json_t *enum_values;
    const json_t *multiple_of, *maximum, *minimum, *exclusive_maximum, *exclusive_minimum;
    int64_t max_length, min_length, max_items, min_items, max_contains, min_contains;
    int64_t max_properties, min_properties;
    bool unique_items;
    const pcre2_code *pattern;
    bool (*format)(struct sh_str s);
    const char *format_name;
    const json_t *required;
    const json_t *dependent_required;
    struct schema_list prefix_items, all_of, any_of, one_of;
    struct schema_map properties, pattern_properties, dependent_schemas;
    const struct schema_node *items, *contains, *unevaluated_items;
    const struct schema_node *additional, *property_names, *unevaluated_properties;
    const struct schema_node *not_schema, *if_schema, *then_schema, *else_schema;
    const struct schema_node *ref, *dynamic_ref;
    struct sh_str dynamic_name; /* the anchor to look for outside; empty = as $ref */
};

struct schema_anchor {
    struct sh_str name;
    const json_t *at;
    const struct schema_node *node; /* dynamic anchors, once compiled */
    unsigned resource;
    bool dynamic;
};
struct schema_resource {
    struct sh_str uri; /* without fragment */
    const json_t *root;
};

struct sh_schema {
    const struct sh_env *env;
    struct sh_arena *ar; /* nodes, names */
    json_t *json;        /* our copy */
    const struct schema_node *root;
    struct schema_resource *resources;
    size_t nresources;
    struct schema_anchor *anchors;
    size_t nanchors;
    pcre2_general_context *pcre;
    pcre2_code **patterns;
    size_t npatterns;
    size_t max_resources, max_anchors, max_patterns;
    bool tracks; /* has unevaluated...: what was looked at must be noted */
};

/* schema_format.c: the check for a format, or NULL when it is only an annotation. */
typedef bool schema_format(struct sh_str s);
schema_format *schema_format_find(const char *name, const char **fixed_name);

/* schema_uri.c: ref resolved against base (RFC 3986, 5.2), without fragment; *fragment is what
 * stands behind '#' (p == NULL: none). p == NULL when memory is short. */
struct sh_str schema_uri_join(struct sh_arena *ar, struct sh_str base, struct sh_str ref,
                              struct sh_str *fragment);

/* schema_value.c */
bool schema_equal(const json_t *a, const json_t *b);  /* 1 equals 1.0 */
int schema_compare(const json_t *a, const json_t *b); /* numbers */
bool schema_multiple(const json_t *v, const json_t *of);
unsigned schema_type_of(const json_t *v);
struct sh_str schema_str(const json_t *v);
/* A whole number of at least 0, also written 2.0; -1 when it is none. */
int64_t schema_count(const json_t *v);

#endif /* SH_RECORD_SCHEMA_INT_H */
