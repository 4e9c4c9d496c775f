/* json.h - JSON: a streaming writer into a buffer, and bounded parsing on top of jansson for the
 * control plane. The telemetry path has its own scanner (access/ingest).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_JSON_H
#define SH_JSON_H

#include <jansson.h>

#include <sh/buf.h>
#include <sh/env.h>

/* Writer: puts commas and colons itself. The first error sticks and is returned by sh_jw_end; calls
 * after it do nothing, so call sites need no checks. */
struct sh_jw {
    struct sh_buf *out;
    sh_err err;
    bool comma; /* a value was written at this level */
};
void sh_jw_init(struct sh_jw *w, struct sh_buf *out);
void sh_jw_obj(struct sh_jw *w);
void sh_jw_obj_end(struct sh_jw *w);
void sh_jw_arr(struct sh_jw *w);
void sh_jw_arr_end(struct sh_jw *w);
void sh_jw_key(struct sh_jw *w, const char *key);
void sh_jw_key_str(struct sh_jw *w, struct sh_str key);
void sh_jw_str(struct sh_jw *w, struct sh_str s); /* invalid UTF-8 becomes U+FFFD */
void sh_jw_c(struct sh_jw *w, const char *s);
void sh_jw_i64(struct sh_jw *w, int64_t v);
void sh_jw_u64(struct sh_jw *w, uint64_t v);
void sh_jw_f64(struct sh_jw *w, double v); /* NaN and infinities as the words in quotes */
void sh_jw_bool(struct sh_jw *w, bool v);
void sh_jw_null(struct sh_jw *w);
void sh_jw_time(struct sh_jw *w, int64_t time_us); /* RFC 3339 in quotes */
void sh_jw_raw(struct sh_jw *w, struct sh_str json);
void sh_jw_json(struct sh_jw *w, const json_t *v); /* NULL writes null */
SH_MUST_CHECK sh_err sh_jw_end(struct sh_jw *w);

/* Parses one JSON document. Refuses duplicate keys, depth over 64, and text over max bytes.
 * SH_E_PROTO with diag (line, message), SH_E_LIMIT, SH_E_NOMEM. *out is a new reference. */
SH_MUST_CHECK sh_err sh_json_parse(struct sh_str text, size_t max, json_t **out,
                                   struct sh_diag *diag);
/* Members with a type check; the default when absent or of another type. Borrowed. */
struct sh_str sh_json_get_str(const json_t *obj, const char *key);
int64_t sh_json_get_i64(const json_t *obj, const char *key, int64_t dflt);
double sh_json_get_f64(const json_t *obj, const char *key, double dflt);
bool sh_json_get_bool(const json_t *obj, const char *key, bool dflt);

#endif /* SH_JSON_H */
