/* changes.c - what was changed in a device's description, by whom: from the revisions of its
 * record. SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

enum { PAGE = 20 };

/* What only we write: its marks are told by the mark itself. */
static bool own_member(const char *name)
{
    static const char *const own[] = {"tagset", "made", "aliases"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(own[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void put_member(struct sh_jw *w, const char *name, const json_t *a, const json_t *b,
                       bool values)
{
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_c(w, name);
    if (values) {
        sh_jw_key(w, "before");
        sh_jw_json(w, a);
        sh_jw_key(w, "after");
        sh_jw_json(w, b);
    }
    sh_jw_obj_end(w);
}

static void put_members(struct sh_jw *w, json_t *a, json_t *b, bool values)
{
    const char *name = NULL;
    json_t *v = NULL;
    sh_jw_arr(w);
    json_object_foreach(a, name, v)
    {
        const json_t *now = json_object_get(b, name);
        if (!own_member(name) && !twin_attr_same(name, v, now)) {
            put_member(w, name, v, now, values);
        }
    }
    json_object_foreach(b, name, v)
    {
        if (!own_member(name) && json_object_get(a, name) == NULL &&
            !twin_attr_same(name, NULL, v)) {
            put_member(w, name, NULL, v, values);
        }
    }
    sh_jw_arr_end(w);
}

/* The newer of two revisions; `old` is what stood before, NULL at the first one. */
static void put_change(struct sh_jw *w, const struct sh_record_row *row, json_t *old, json_t *now,
                       bool values)
{
    sh_jw_obj(w);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "time");
    sh_jw_time(w, row->updated_us);
    sh_jw_key(w, "by");
    sh_jw_str(w, row->author);
    sh_jw_key(w, "change");
    sh_jw_c(w, row->deleted ? "deleted" : (old == NULL ? "created" : "changed"));
    sh_jw_key(w, "members");
    put_members(w, old, now, values);
    sh_jw_obj_end(w);
}

/* Revisions from the newest below `before`, one more than asked for: the oldest is what the last
 * one is compared with. */
static sh_err write_page(const struct sh_record_page *page, uint32_t limit, bool values,
                         struct sh_jw *w)
{
    json_t *now = NULL;
    sh_err err = SH_OK;
    for (size_t i = 0; i < page->n && err == SH_OK; i++) {
        json_t *doc = NULL;
        if (page->rows[i].doc.n > 0) {
            err = sh_json_parse(page->rows[i].doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL);
        }
        if (err == SH_OK && i > 0) {
            put_change(w, &page->rows[i - 1], doc, now, values);
        }
        json_decref(now);
        now = doc;
    }
    if (err == SH_OK && page->n > 0 && page->n <= limit) { /* nothing stands before the last one */
        put_change(w, &page->rows[page->n - 1], NULL, now, values);
    }
    json_decref(now);
    return err;
}

sh_err sh_twin_device_changes(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t before,
                              uint32_t limit, bool values, struct sh_jw *w, uint64_t *next)
{
    struct sh_record_page page = {.n = 0};
    limit = limit == 0 ? PAGE : limit;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, (size_t)TWIN_ARENA_BYTES * 4);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    const struct sh_str own = s == NULL ? SH_STR("") : sh_arena_str(ar, s->dev->id);
    sh_mutex_unlock(&t->lock);
    sh_err err = s == NULL ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && own.p == NULL) {
        err = SH_E_NOMEM;
    }
    if (err == SH_OK) {
        err = sh_record_revisions(t->o.record, tenant, SH_TWIN_KIND_DEVICE, own, before, limit + 1,
                                  ar, &page);
    }
    sh_jw_arr(w);
    if (err == SH_OK) {
        err = write_page(&page, limit, values, w);
    }
    sh_jw_arr_end(w);
    *next = err == SH_OK && page.n > limit ? page.rows[limit - 1].rev : 0;
    sh_arena_free(ar);
    return err;
}
