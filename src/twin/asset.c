/* asset.c - the asset tree. A child's kind stands behind its parent's in the order of kinds, so
 * following parents always ends; a cycle is refused by the same rule.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

static int rank_of(struct sh_str kind)
{
    static const char *const kinds[] = {"enterprise", "site", "area", "line", "cell"};
    for (int i = 0; i < 5; i++) {
        if (sh_str_eqc(kind, kinds[i])) {
            return i;
        }
    }
    return -1;
}

static sh_err remember(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc)
{
    const struct sh_str parent = sh_json_get_str(doc, "parent");
    struct twin_asset *a = sh_mem_new(t->env->alloc, sizeof *a + id.n + parent.n);
    if (a == NULL) {
        return SH_E_NOMEM;
    }
    char *p = (char *)(a + 1);
    memcpy(p, id.p, id.n);
    a->id = (struct sh_str){p, id.n};
    if (parent.n > 0) {
        memcpy(p + id.n, parent.p, parent.n);
    }
    a->parent = (struct sh_str){p + id.n, parent.n};
    a->rank = rank_of(sh_json_get_str(doc, "kind"));
    sh_err err = SH_E_LIMIT;
    sh_mutex_lock(&t->lock);
    struct twin_tenant *tt = twin_tenant(t, tenant, true);
    if (tt != NULL) {
        struct twin_asset *old = sh_map_get(&tt->assets, id);
        err = sh_map_set(&tt->assets, id, a);
        sh_mem_free(t->env->alloc, err == SH_OK ? old : a);
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err twin_asset_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    const sh_err err = remember(t, row->tenant, row->id, doc);
    json_decref(doc);
    return err;
}

bool twin_asset_below(const struct twin_tenant *tt, struct sh_str a, struct sh_str top)
{
    for (int depth = 0; depth < 8 && a.n > 0; depth++) {
        if (sh_str_eq(a, top)) {
            return true;
        }
        const struct twin_asset *x = sh_map_get(&tt->assets, a);
        a = x == NULL ? SH_STR("") : x->parent;
    }
    return false;
}

/* Order of kinds against the parent and the children that are there. */
static sh_err check_place(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc,
                          struct sh_diag *diag)
{
    const struct sh_str parent = sh_json_get_str(doc, "parent");
    const int rank = rank_of(sh_json_get_str(doc, "kind"));
    const struct twin_tenant *tt = twin_tenant(t, tenant, true);
    if (tt == NULL) {
        return SH_E_LIMIT;
    }
    if (parent.n > 0) {
        const struct twin_asset *p = sh_map_get(&tt->assets, parent);
        sh_diag_at(diag, SH_STR("/parent"), 0);
        if (p == NULL) {
            sh_diag_set(diag, "there is no asset %.*s", SH_PRI(parent));
            return SH_E_INVAL;
        }
        if (sh_str_eq(parent, id) || p->rank >= rank) {
            sh_diag_set(diag, "an asset stands below one of an earlier kind: "
                              "enterprise > site > area > line > cell");
            return SH_E_INVAL;
        }
    }
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&tt->assets, &it, &key, &v)) {
        const struct twin_asset *c = v;
        if (sh_str_eq(c->parent, id) && c->rank <= rank) {
            sh_diag_at(diag, SH_STR("/kind"), 0);
            sh_diag_set(diag, "the asset %.*s below it is of the same or an earlier kind",
                        SH_PRI(c->id));
            return SH_E_INVAL;
        }
    }
    return SH_OK;
}

sh_err sh_twin_asset_put(struct sh_twin *t, uint32_t tenant, struct sh_str id, enum sh_twin_put how,
                         const json_t *body, uint64_t expect, struct sh_str author, uint64_t *rev,
                         struct sh_diag *diag)
{
    json_t *doc = NULL;
    uint64_t old = 0;
    if (!twin_id_ok(id)) {
        sh_diag_at(diag, SH_STR("/id"), 0);
        sh_diag_set(diag, "not an id: 1 to 256 bytes without / and controls");
        return SH_E_INVAL;
    }
    sh_mutex_lock(&t->write);
    sh_err err = twin_doc_base(t, tenant, SH_TWIN_KIND_ASSET, id, how, body, &doc, &old);
    if (err == SH_OK) {
        err = sh_schema_check_diag(t->asset_schema, doc, diag);
    }
    if (err == SH_OK) {
        (void)json_object_del(doc, "id");
        (void)json_object_del(doc, "revision");
        sh_mutex_lock(&t->lock);
        err = check_place(t, tenant, id, doc, diag);
        sh_mutex_unlock(&t->lock);
    }
    if (err == SH_OK) {
        err = twin_doc_put(t, tenant, SH_TWIN_KIND_ASSET, id, doc,
                           expect == SH_RECORD_ANY ? old : expect, author, rev);
    }
    if (err == SH_OK) {
        err = remember(t, tenant, id, doc);
    }
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    return err;
}

static bool occupied(const struct twin_tenant *tt, struct sh_str id)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&tt->assets, &it, &key, &v)) {
        if (sh_str_eq(((const struct twin_asset *)v)->parent, id)) {
            return true;
        }
    }
    for (size_t i = 0; i < tt->n; i++) {
        if (sh_str_eq(twin_dev_text(tt->sorted[i]->dev, TWIN_ASSET), id)) {
            return true;
        }
    }
    return false;
}

sh_err sh_twin_asset_delete(struct sh_twin *t, uint32_t tenant, struct sh_str id, uint64_t expect,
                            struct sh_str author)
{
    sh_mutex_lock(&t->write);
    sh_mutex_lock(&t->lock);
    struct twin_tenant *tt = twin_tenant(t, tenant, false);
    const bool busy = tt != NULL && occupied(tt, id);
    sh_mutex_unlock(&t->lock);
    sh_err err = SH_E_STATE;
    if (!busy) {
        err = sh_record_delete(t->o.record, tenant, SH_TWIN_KIND_ASSET, id, expect, author);
    }
    if (err == SH_OK && tt != NULL) {
        sh_mutex_lock(&t->lock);
        sh_mem_free(t->env->alloc, sh_map_del(&tt->assets, id));
        sh_mutex_unlock(&t->lock);
    }
    sh_mutex_unlock(&t->write);
    return err;
}

struct assets_out {
    struct sh_jw *w;
    const struct sh_map *ids; /* NULL = all */
};

static sh_err each_asset(void *ctx, const struct sh_record_row *row)
{
    const struct assets_out *o = ctx;
    struct sh_jw *w = o->w;
    json_t *doc = NULL;
    if (o->ids != NULL && sh_map_get(o->ids, row->id) == NULL) {
        return SH_OK;
    }
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, row->id);
    for (void *it = json_object_iter(doc); it != NULL; it = json_object_iter_next(doc, it)) {
        sh_jw_key(w, json_object_iter_key(it));
        sh_jw_json(w, json_object_iter_value(it));
    }
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_obj_end(w);
    json_decref(doc);
    return SH_OK;
}

sh_err sh_twin_assets_write(struct sh_twin *t, uint32_t tenant, const struct sh_twin_parts *parts,
                            struct sh_jw *w)
{
    struct sh_map ids = {.n = 0};
    struct assets_out o = {.w = w, .ids = parts == NULL ? NULL : &ids};
    sh_err err = parts == NULL ? SH_OK : twin_tree_new(t, tenant, parts, &ids);
    if (err == SH_OK) {
        sh_jw_arr(w);
        err = sh_record_scan(t->o.record, tenant, SH_TWIN_KIND_ASSET, each_asset, &o);
        sh_jw_arr_end(w);
    }
    if (parts != NULL) {
        sh_map_fini(&ids);
    }
    return err;
}
