/* doc.c - records as JSON documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

sh_err twin_doc_get(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                    json_t **doc, struct sh_record_row *meta)
{
    struct sh_record_row row;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, (size_t)TWIN_DOC_BYTES * 4);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = sh_record_get(t->o.record, tenant, kind, id, ar, &row);
    if (err == SH_OK) {
        err = sh_json_parse(row.doc, (size_t)TWIN_DOC_BYTES * 2, doc, NULL);
    }
    if (err == SH_OK && meta != NULL) {
        *meta = (struct sh_record_row){
            .rev = row.rev, .created_us = row.created_us, .updated_us = row.updated_us};
    }
    sh_arena_free(ar);
    return err;
}

sh_err twin_doc_text(const json_t *doc, struct sh_buf *out)
{
    struct sh_jw w;
    sh_buf_clear(out);
    sh_jw_init(&w, out);
    sh_jw_json(&w, doc);
    return sh_jw_end(&w);
}

sh_err twin_doc_put(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                    const json_t *doc, uint64_t expect, struct sh_str author, uint64_t *rev)
{
    struct sh_buf text;
    sh_buf_init(&text, t->env->alloc, (size_t)TWIN_DOC_BYTES * 2);
    sh_err err = twin_doc_text(doc, &text);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = tenant,
                                        .type = kind,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect,
                                        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
        err = sh_record_put(t->o.record, &p, author, rev, NULL);
    }
    sh_buf_fini(&text);
    return err;
}

sh_err twin_merge_patch(json_t *target, const json_t *patch)
{
    json_t *p = (json_t *)(uintptr_t)patch;
    for (void *it = json_object_iter(p); it != NULL; it = json_object_iter_next(p, it)) {
        const char *key = json_object_iter_key(it);
        json_t *v = json_object_iter_value(it);
        json_t *old = json_object_get(target, key);
        if (json_is_null(v)) {
            (void)json_object_del(target, key);
            continue;
        }
        if (json_is_object(v) && !json_is_object(old)) {
            if (json_object_set_new(target, key, json_object()) != 0) {
                return SH_E_NOMEM;
            }
            old = json_object_get(target, key);
        }
        if (json_is_object(v)) {
            SH_TRY(twin_merge_patch(old, v)); /* depth: the parser's limit */
        } else if (json_object_set_new(target, key, json_deep_copy(v)) != 0) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}

sh_err twin_doc_base(struct sh_twin *t, uint32_t tenant, struct sh_str kind, struct sh_str id,
                     enum sh_twin_put how, const json_t *body, json_t **doc, uint64_t *rev)
{
    json_t *old = NULL;
    struct sh_record_row meta = {.rev = 0};
    sh_err err = twin_doc_get(t, tenant, kind, id, &old, &meta);
    *rev = meta.rev;
    if (how == SH_TWIN_CREATE) {
        json_decref(old);
        if (err != SH_E_NOTFOUND) {
            return err == SH_OK ? SH_E_EXISTS : err;
        }
        *doc = json_deep_copy(body);
        return *doc == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (err != SH_OK) {
        return err;
    }
    if (how == SH_TWIN_REPLACE) {
        json_decref(old);
        *doc = json_deep_copy(body);
        return *doc == NULL ? SH_E_NOMEM : SH_OK;
    }
    err = twin_merge_patch(old, body);
    if (err != SH_OK) {
        json_decref(old);
        return err;
    }
    *doc = old;
    return SH_OK;
}

void twin_event(struct sh_twin *t, enum sh_event_kind kind, uint32_t tenant, struct sh_str id,
                struct sh_str json)
{
    if (t->o.bus == NULL) {
        return;
    }
    const struct sh_event e = {.kind = kind,
                               .tenant = tenant,
                               .time_us = sh_wall_us(t->env->clock),
                               .object = id,
                               .json = json};
    sh_bus_publish_event(t->o.bus, &e);
}
