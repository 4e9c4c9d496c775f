/* schema.h - JSON Schema 2020-12: compile once, check many documents.
 * Standards: JSON Schema Core and Validation 2020-12 (draft-bhutton-json-schema-01,
 * draft-bhutton-json-schema-validation-01). Formats are asserted: date-time, date, time, email,
 * uri, uri-reference, uuid, ipv4, ipv6, hostname; other formats are annotations. Patterns are PCRE2
 * in UTF mode with a match limit. References stay inside the document ($id, $anchor,
 * $dynamicAnchor, JSON pointers) or name the 2020-12 meta-schema's URI, which accepts everything
 * that compiles. Threads: a compiled schema is immutable; any number of threads may check with it
 * at once. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SCHEMA_H
#define SH_SCHEMA_H

#include <sh/base.h>

struct sh_schema;

enum {
    SH_SCHEMA_MAX_NODES = 20000,  /* subschemas of one schema */
    SH_SCHEMA_MAX_DEPTH = 256,    /* nested applications while checking, references included */
    SH_SCHEMA_MAX_STEPS = 2000000 /* subschema applications of one check */
};

/* schema: any JSON value, not kept. SH_E_INVAL with diag (path = JSON pointer into the schema) when
 * it is not a valid schema, SH_E_UNSUPPORTED for a reference to another document, SH_E_LIMIT. */
SH_MUST_CHECK sh_err sh_schema_new(const struct sh_env *env, const json_t *schema,
                                   struct sh_schema **out, struct sh_diag *diag);
void sh_schema_free(struct sh_schema *s); /* NULL is accepted */

/* One fault of a document. Borrowed during the call. */
struct sh_schema_fault {
    struct sh_str path;    /* JSON pointer into the document */
    const char *keyword;   /* "required", "minimum", ... */
    struct sh_str message; /* one English sentence */
};
typedef void sh_schema_report(void *ctx, const struct sh_schema_fault *f);

/* SH_OK = valid; SH_E_INVAL = not: each fault was reported to fn (may be NULL), at most max_faults;
 * SH_E_LIMIT = depth, steps or a pattern's match limit was reached. */
SH_MUST_CHECK sh_err sh_schema_check(const struct sh_schema *s, const json_t *doc,
                                     sh_schema_report *fn, void *ctx, unsigned max_faults);
/* The same with the first fault put into diag. */
SH_MUST_CHECK sh_err sh_schema_check_diag(const struct sh_schema *s, const json_t *doc,
                                          struct sh_diag *diag);

#endif /* SH_SCHEMA_H */
