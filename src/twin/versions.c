/* versions.c - versions of thing models: the revisions of their records. What a version inherited
 * is not kept with it: it is shown with what the model above it has now.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

enum { PAGE = 20 };

sh_err twin_version_whole(struct sh_twin *t, uint32_t tenant, json_t *own, json_t **out)
{
    const struct sh_str extends = sh_json_get_str(own, "extends");
    sh_mutex_lock(&t->lock);
    const struct twin_thing *m = extends.n == 0 ? NULL : twin_thing_find(t, tenant, extends);
    json_t *parent = m == NULL ? NULL : json_incref(m->json);
    sh_mutex_unlock(&t->lock);
    const sh_err err = twin_model_whole(parent, extends, own, out, NULL);
    json_decref(parent);
    return err;
}

/* One revision; the row's texts are in ar. */
static sh_err revision(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t rev,
                       struct sh_arena *ar, struct sh_record_row *row)
{
    struct sh_record_page page;
    SH_TRY(sh_record_revisions(t->o.record, tenant, SH_TWIN_KIND_THING, id, rev + 1, 1, ar, &page));
    if (rev == 0 || page.n == 0 || page.rows[0].rev != rev || page.rows[0].deleted) {
        return SH_E_NOTFOUND;
    }
    *row = page.rows[0];
    return SH_OK;
}

sh_err twin_version_doc(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t rev,
                        json_t **doc, int64_t *time_us)
{
    struct sh_record_row row;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, (size_t)TWIN_DOC_BYTES * 4);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = revision(t, tenant, id, rev, ar, &row);
    if (err == SH_OK) {
        err = sh_json_parse(row.doc, (size_t)TWIN_DOC_BYTES * 2, doc, NULL);
        if (time_us != NULL) {
            *time_us = row.updated_us;
        }
    }
    sh_arena_free(ar);
    return err;
}

static void write_version(struct sh_jw *w, const struct sh_record_row *row, const json_t *doc)
{
    const json_t *change = json_object_get(doc, "change");
    const int64_t restored = sh_json_get_i64(change, "restored", 0);
    sh_jw_obj(w);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "time");
    sh_jw_time(w, row->updated_us);
    sh_jw_key(w, "by");
    sh_jw_str(w, row->author);
    sh_jw_key(w, "deleted");
    sh_jw_bool(w, row->deleted);
    sh_jw_key(w, "comment");
    sh_jw_str(w, sh_json_get_str(change, "comment"));
    sh_jw_key(w, "restored");
    if (restored > 0) {
        sh_jw_i64(w, restored);
    } else {
        sh_jw_null(w);
    }
    sh_jw_key(w, "version");
    sh_jw_json(w, json_object_get(doc, "version"));
    sh_jw_key(w, "extends");
    sh_jw_json(w, json_object_get(doc, "extends"));
    for (size_t i = 0; i < TWIN_MEMBER_LISTS; i++) {
        sh_jw_key(w, twin_member_lists[i]);
        sh_jw_u64(w, json_array_size(json_object_get(doc, twin_member_lists[i])));
    }
    sh_jw_obj_end(w);
}

/* The tenant's own, or the platform's. */
static sh_err owner_of(struct sh_twin *t, uint32_t *tenant, struct sh_str id)
{
    sh_mutex_lock(&t->lock);
    const bool known = twin_thing_find(t, *tenant, id) != NULL;
    *tenant = twin_thing_owner(t, *tenant, id);
    sh_mutex_unlock(&t->lock);
    return known ? SH_OK : SH_E_NOTFOUND;
}

/* One at a time: a model may be a megabyte. */
sh_err sh_twin_thing_versions(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t before,
                              uint32_t limit, struct sh_jw *w, uint64_t *next)
{
    SH_TRY(owner_of(t, &tenant, id));
    struct sh_arena *ar = sh_arena_new(t->env->alloc, (size_t)TWIN_DOC_BYTES * 4);
    sh_err err = ar == NULL ? SH_E_NOMEM : SH_OK;
    limit = limit == 0 ? PAGE : limit;
    *next = 0;
    sh_jw_arr(w);
    for (uint32_t i = 0; err == SH_OK; i++) {
        struct sh_record_page page;
        json_t *doc = NULL;
        sh_arena_reset(ar);
        err =
            sh_record_revisions(t->o.record, tenant, SH_TWIN_KIND_THING, id, before, 1, ar, &page);
        if (err != SH_OK || page.n == 0) {
            break;
        }
        if (i == limit) {
            *next = before;
            break;
        }
        if (page.rows[0].doc.n > 0) {
            err = sh_json_parse(page.rows[0].doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL);
        }
        if (err == SH_OK) {
            write_version(w, &page.rows[0], doc);
        }
        json_decref(doc);
        before = page.rows[0].rev;
        if (before <= 1) {
            break;
        }
    }
    sh_jw_arr_end(w);
    sh_arena_free(ar);
    return err;
}

sh_err sh_twin_thing_version_write(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                   uint64_t rev, struct sh_jw *w)
{
    json_t *own = NULL;
    json_t *whole = NULL;
    int64_t time_us = 0;
    SH_TRY(owner_of(t, &tenant, id));
    SH_TRY(twin_version_doc(t, tenant, id, rev, &own, &time_us));
    const sh_err err = twin_version_whole(t, tenant, own, &whole);
    if (err == SH_OK) {
        const char *key = NULL;
        json_t *v = NULL;
        (void)json_object_del(whole, "change");
        sh_jw_obj(w);
        sh_jw_key(w, "id");
        sh_jw_str(w, id);
        json_object_foreach(whole, key, v)
        {
            sh_jw_key(w, key);
            sh_jw_json(w, v);
        }
        sh_jw_key(w, "revision");
        sh_jw_u64(w, rev);
        sh_jw_key(w, "updated");
        sh_jw_time(w, time_us);
        sh_jw_obj_end(w);
    }
    json_decref(own);
    json_decref(whole);
    return err;
}

static sh_err whole_of(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t *rev,
                       json_t **whole)
{
    json_t *own = NULL;
    struct sh_record_row meta = {.rev = 0};
    if (*rev == 0) {
        SH_TRY(twin_doc_get(t, tenant, SH_TWIN_KIND_THING, id, &own, &meta));
        *rev = meta.rev;
    } else {
        SH_TRY(twin_version_doc(t, tenant, id, *rev, &own, NULL));
    }
    const sh_err err = twin_version_whole(t, tenant, own, whole);
    json_decref(own);
    return err;
}

sh_err sh_twin_thing_compare(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t from,
                             uint64_t to, struct sh_jw *w)
{
    json_t *a = NULL;
    json_t *b = NULL;
    SH_TRY(owner_of(t, &tenant, id));
    sh_err err = whole_of(t, tenant, id, &from, &a);
    if (err == SH_OK) {
        err = whole_of(t, tenant, id, &to, &b);
    }
    if (err == SH_OK) {
        struct twin_diff d;
        sh_jw_obj(w);
        sh_jw_key(w, "from");
        sh_jw_u64(w, from);
        sh_jw_key(w, "to");
        sh_jw_u64(w, to);
        err = twin_model_diff(a, b, w, &d);
        sh_jw_key(w, "level");
        sh_jw_c(w, twin_level_name(d.level));
        sh_jw_obj_end(w);
    }
    json_decref(a);
    json_decref(b);
    return err;
}
