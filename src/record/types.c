/* types.c - user types: definitions as records of the kind "_type", compiled schemas in a cache.
 *
 * A definition that holds in a tenant is its own, else the platform's. The cache is emptied as a
 * whole when any definition changes (that is rare), and when it is full.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include "filter.h"

#include <stdio.h>

enum { KEY_BYTES = SH_RECORD_MAX_TYPE + 16 };

#define TYPE_KIND SH_STR("_type")

static struct sh_str cache_key(uint32_t tenant, struct sh_str type, char out[KEY_BYTES])
{
    const int n = snprintf(out, KEY_BYTES, "%x/%.*s", tenant, SH_PRI(type));
    return (struct sh_str){out, n < 0 ? 0 : (size_t)n};
}

static void type_free(struct sh_record *r, struct record_type *t)
{
    sh_schema_free(t->schema);
    sh_mem_free(r->env->alloc, t);
}

/* Under the lock; returns what must be freed outside of it. */
static struct record_type *unref(struct record_type *t)
{
    return --t->refs == 0 ? t : NULL;
}

static void release(struct sh_record *r, struct record_type *t)
{
    sh_mutex_lock(&r->lock);
    struct record_type *dead = unref(t);
    sh_mutex_unlock(&r->lock);
    if (dead != NULL) {
        type_free(r, dead);
    }
}

/* Under the lock. Freeing a schema is quick, so it happens here. */
static void empty_cache(struct sh_record *r)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&r->types, &it, &key, &v)) {
        struct record_type *dead = unref(v);
        (void)sh_map_del(&r->types, key);
        if (dead != NULL) {
            type_free(r, dead);
        }
    }
}

void record_types_changed(struct sh_record *r)
{
    sh_mutex_lock(&r->lock);
    r->types_version++;
    empty_cache(r);
    sh_mutex_unlock(&r->lock);
}

void record_types_fini(struct sh_record *r)
{
    empty_cache(r);
}

static sh_err read_definition(struct sh_record *r, uint32_t tenant, struct sh_str type,
                              struct sh_arena *ar, struct sh_record_row *out)
{
    const struct sh_record_key own = {.tenant = tenant, .type = TYPE_KIND, .id = type};
    const struct sh_record_key all = {.tenant = SH_RECORD_PLATFORM, .type = TYPE_KIND, .id = type};
    const sh_err err = r->ops->get(r->store, &own, ar, out);
    if (err != SH_E_NOTFOUND || tenant == SH_RECORD_PLATFORM) {
        return err;
    }
    return r->ops->get(r->store, &all, ar, out);
}

static sh_err load(struct sh_record *r, uint32_t tenant, struct sh_str type,
                   struct record_type **out, struct sh_diag *diag)
{
    struct sh_record_row row;
    json_t *def = NULL;
    struct record_type *t = NULL;
    struct sh_arena *ar = sh_arena_new(r->env->alloc, (size_t)r->cfg.max_doc_bytes * 4);
    sh_err err = ar == NULL ? SH_E_NOMEM : read_definition(r, tenant, type, ar, &row);
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(diag, "there is no type %.*s", SH_PRI(type));
    }
    if (err == SH_OK) {
        err = sh_json_parse(row.doc, (size_t)r->cfg.max_doc_bytes * 2, &def, diag);
    }
    if (err == SH_OK) {
        t = sh_mem_new(r->env->alloc, sizeof *t);
        err = t == NULL ? SH_E_NOMEM : SH_OK;
    }
    const json_t *schema = json_object_get(def, "schema");
    if (err == SH_OK && schema != NULL) {
        err = sh_schema_new(r->env, schema, &t->schema, diag);
    }
    if (err == SH_OK) {
        err = sh_data_class_read(def, &t->data_class, diag);
    }
    json_decref(def);
    sh_arena_free(ar);
    if (err != SH_OK) {
        sh_schema_free(t == NULL ? NULL : t->schema);
        sh_mem_free(r->env->alloc, t);
        return err;
    }
    t->refs = 1;
    *out = t;
    return SH_OK;
}

/* A counted reference, and the version of the type table it belongs to. */
static sh_err acquire(struct sh_record *r, uint32_t tenant, struct sh_str type,
                      struct record_type **out, uint64_t *version, struct sh_diag *diag)
{
    char buf[KEY_BYTES];
    const struct sh_str key = cache_key(tenant, type, buf);
    sh_mutex_lock(&r->lock);
    struct record_type *t = sh_map_get(&r->types, key);
    *version = r->types_version;
    if (t != NULL) {
        t->refs++;
    }
    sh_mutex_unlock(&r->lock);
    if (t == NULL) {
        SH_TRY(load(r, tenant, type, &t, diag));
        sh_mutex_lock(&r->lock);
        if (*version == r->types_version && sh_map_get(&r->types, key) == NULL) {
            if (r->types.n >= RECORD_MAX_TYPES_CACHED) {
                empty_cache(r);
            }
            if (sh_map_put(&r->types, key, t) == SH_OK) {
                t->refs++;
            }
        }
        sh_mutex_unlock(&r->lock);
    }
    *out = t;
    return SH_OK;
}

sh_err record_type_check(struct sh_record *r, uint32_t tenant, struct sh_str type,
                         const json_t *doc, uint64_t *version, struct sh_diag *diag)
{
    struct record_type *t = NULL;
    SH_TRY(acquire(r, tenant, type, &t, version, diag));
    const sh_err err = t->schema == NULL ? SH_OK : sh_schema_check_diag(t->schema, doc, diag);
    release(r, t);
    return err;
}

struct sh_data_class sh_record_type_class(struct sh_record *r, uint32_t tenant, struct sh_str type)
{
    struct record_type *t = NULL;
    uint64_t version = 0;
    const sh_err err = acquire(r, tenant, type, &t, &version, NULL);
    if (err == SH_E_NOTFOUND) {
        return (struct sh_data_class){0, 0};
    }
    if (err != SH_OK) { /* what cannot be read may be anything */
        return (struct sh_data_class){SH_CLASS_CORE, SH_DATA_LEVELS};
    }
    const struct sh_data_class c = t->data_class;
    release(r, t);
    return c;
}

/* "index": ["status","site.line"] as the paths of the seam, by newline. */
static sh_err index_paths(struct sh_record *r, const json_t *list, struct sh_buf *out,
                          struct sh_diag *diag)
{
    struct record_sorts by;
    struct sh_arena *ar = sh_arena_new(r->env->alloc, (size_t)RECORD_FILTER_MAX_BYTES * 8);
    sh_err err = ar == NULL ? SH_E_NOMEM : SH_OK;
    const bool good = list == NULL || json_is_array(list);
    if (!good || json_array_size(list) > SH_RECORD_MAX_INDEX) {
        sh_diag_set(diag, "index is a list of at most %d fields", SH_RECORD_MAX_INDEX);
        err = err == SH_OK ? (good ? SH_E_LIMIT : SH_E_INVAL) : err;
    }
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        const json_t *v = json_array_get(list, i);
        const struct sh_str name = {json_string_value(v), json_string_length(v)};
        err =
            json_is_string(v) ? record_sort_parse(r->env->alloc, name, ar, &by, diag) : SH_E_INVAL;
        if (err == SH_OK &&
            (by.n != 1 || by.by[0].desc || by.by[0].field.kind != SH_RECORD_FIELD_PATH)) {
            err = SH_E_INVAL;
        }
        if (err == SH_OK) {
            err = sh_buf_put_str(out, by.by[0].field.path);
            err = err == SH_OK ? sh_buf_put_u8(out, '\n') : err;
        } else if (diag != NULL && diag->message[0] == '\0') {
            sh_diag_set(diag, "index names fields of the document, such as status or site.line");
        }
    }
    if (err != SH_OK) {
        sh_diag_at(diag, SH_STR("/index"), 0);
    }
    sh_arena_free(ar);
    return err;
}

/* The definition is an object with the type's name and a schema that compiles. */
static sh_err check_definition(struct sh_record *r, struct sh_str type, struct sh_str definition,
                               struct sh_buf *indexes, struct sh_diag *diag)
{
    json_t *def = NULL;
    struct sh_schema *schema = NULL;
    SH_TRY(record_doc(r, definition, &def, diag));
    const json_t *name = json_object_get(def, "name");
    const json_t *text = json_object_get(def, "schema");
    sh_err err = SH_OK;
    if (name != NULL && !sh_str_eq(sh_json_get_str(def, "name"), type)) {
        sh_diag_at(diag, SH_STR("/name"), 0);
        sh_diag_set(diag, "the name in the definition is not %.*s", SH_PRI(type));
        err = SH_E_INVAL;
    }
    struct sh_data_class c;
    if (err == SH_OK) {
        err = sh_data_class_read(def, &c, diag);
    }
    if (err == SH_OK && text != NULL) {
        err = sh_schema_new(r->env, text, &schema, diag);
    }
    if (err == SH_OK) {
        err = index_paths(r, json_object_get(def, "index"), indexes, diag);
    }
    sh_schema_free(schema);
    json_decref(def);
    return err;
}

static sh_err put_definition(struct sh_record_tx *tx, const struct sh_record_put *p,
                             struct sh_str indexes, struct sh_diag *diag)
{
    const struct sh_record_op limit = {.kind = SH_RECORD_OP_COUNT_BELOW,
                                       .tenant = p->tenant,
                                       .type = TYPE_KIND,
                                       .id = p->id,
                                       .number = tx->r->cfg.max_types};
    const struct sh_record_op fields = {
        .kind = SH_RECORD_OP_INDEXES, .tenant = p->tenant, .type = p->id, .doc = indexes};
    tx->types = true;
    SH_TRY(record_tx_raw(tx, &limit));
    SH_TRY(sh_record_tx_put(tx, p));
    SH_TRY(record_tx_raw(tx, &fields));
    return sh_record_tx_commit(tx, NULL, diag);
}

sh_err sh_record_type_put(struct sh_record *r, uint32_t tenant, struct sh_str type,
                          struct sh_str definition, uint64_t expect, struct sh_str author,
                          uint64_t *rev, struct sh_diag *diag)
{
    struct sh_record_tx *tx = NULL;
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE) || record_internal(type)) {
        sh_diag_set(diag, "not a name for a type: a letter, then letters, digits, _ . -");
        return SH_E_INVAL;
    }
    struct sh_buf indexes;
    sh_buf_init(&indexes, r->env->alloc, (size_t)RECORD_FILTER_MAX_BYTES * 64);
    sh_err err = check_definition(r, type, definition, &indexes, diag);
    err = err == SH_OK ? sh_record_tx_new(r, author, &tx) : err;
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = tenant,
                                        .type = TYPE_KIND,
                                        .id = type,
                                        .doc = definition,
                                        .expect = expect,
                                        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED};
        err = put_definition(tx, &p, sh_buf_str(&indexes), diag);
    }
    if (err == SH_OK && rev != NULL) {
        *rev = sh_record_tx_rev(tx, 1);
    }
    sh_record_tx_free(tx);
    sh_buf_fini(&indexes);
    return err;
}

sh_err sh_record_kind_index(struct sh_record *r, struct sh_str kind, const char *fields)
{
    struct sh_record_tx *tx = NULL;
    struct sh_buf paths;
    json_t *list = NULL;
    if (!record_name_ok(kind, SH_RECORD_MAX_TYPE) || !record_internal(kind)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_json_parse(sh_str_c(fields), r->cfg.max_doc_bytes, &list, NULL));
    sh_buf_init(&paths, r->env->alloc, (size_t)RECORD_FILTER_MAX_BYTES * 64);
    sh_err err = index_paths(r, list, &paths, NULL);
    err = err == SH_OK ? sh_record_tx_new(r, SH_STR(""), &tx) : err;
    if (err == SH_OK) {
        const struct sh_record_op op = {.kind = SH_RECORD_OP_INDEXES,
                                        .tenant = SH_RECORD_PLATFORM,
                                        .type = kind,
                                        .doc = sh_buf_str(&paths)};
        tx->types = true; /* alone in its group; building begins behind it */
        err = record_tx_raw(tx, &op);
    }
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    sh_record_tx_free(tx);
    sh_buf_fini(&paths);
    json_decref(list);
    return err;
}

sh_err sh_record_type_delete(struct sh_record *r, uint32_t tenant, struct sh_str type,
                             uint64_t expect, struct sh_str author)
{
    struct sh_record_tx *tx = NULL;
    const struct sh_record_op none = {.kind = SH_RECORD_OP_NONE_OF, .tenant = tenant, .type = type};
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_record_tx_new(r, author, &tx));
    tx->types = true;
    sh_err err = record_tx_raw(tx, &none);
    if (err == SH_OK) {
        err = sh_record_tx_delete(tx, tenant, TYPE_KIND, type, expect);
    }
    if (err == SH_OK) {
        const struct sh_record_op no_fields = {
            .kind = SH_RECORD_OP_INDEXES, .tenant = tenant, .type = type};
        err = record_tx_raw(tx, &no_fields);
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    return err;
}

sh_err sh_record_type_get(struct sh_record *r, uint32_t tenant, struct sh_str type,
                          struct sh_arena *ar, struct sh_record_row *out)
{
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE)) {
        return SH_E_INVAL;
    }
    return read_definition(r, tenant, type, ar, out);
}

/* Own and platform's definitions, both sorted by name, merged; own ones win. */
struct type_list {
    struct sh_arena *ar;
    struct sh_record_row *rows;
    size_t n;
    size_t max;
};

static sh_err add_row(void *ctx, const struct sh_record_row *row)
{
    struct type_list *l = ctx;
    if (l->n == l->max) {
        return SH_E_LIMIT;
    }
    struct sh_record_row *o = &l->rows[l->n];
    *o = *row;
    o->type = sh_arena_str(l->ar, row->type);
    o->id = sh_arena_str(l->ar, row->id);
    o->author = sh_arena_str(l->ar, row->author);
    o->doc = sh_arena_str(l->ar, row->doc);
    if (o->type.p == NULL || o->id.p == NULL || o->author.p == NULL || o->doc.p == NULL) {
        return SH_E_LIMIT;
    }
    l->n++;
    return SH_OK;
}

sh_err sh_record_type_list(struct sh_record *r, uint32_t tenant, struct sh_arena *ar,
                           struct sh_record_row **out, size_t *n)
{
    struct type_list own = {.ar = ar, .max = r->cfg.max_types};
    struct type_list all = {.ar = ar, .max = r->cfg.max_types};
    own.rows = sh_arena_array(ar, own.max, sizeof *own.rows);
    all.rows = sh_arena_array(ar, all.max, sizeof *all.rows);
    struct sh_record_row *merged = sh_arena_array(ar, own.max + all.max, sizeof *merged);
    if (own.rows == NULL || all.rows == NULL || merged == NULL) {
        return SH_E_LIMIT;
    }
    SH_TRY(r->ops->scan(r->store, tenant, TYPE_KIND, add_row, &own));
    if (tenant != SH_RECORD_PLATFORM) {
        SH_TRY(r->ops->scan(r->store, SH_RECORD_PLATFORM, TYPE_KIND, add_row, &all));
    }
    size_t i = 0;
    size_t k = 0;
    size_t m = 0;
    while (i < own.n || k < all.n) {
        int d = i == own.n ? 1 : -1;
        if (i < own.n && k < all.n) {
            d = sh_str_cmp(own.rows[i].id, all.rows[k].id);
        }
        merged[m++] = d <= 0 ? own.rows[i] : all.rows[k];
        i += d <= 0 ? 1 : 0;
        k += d >= 0 ? 1 : 0;
    }
    *out = merged;
    *n = m;
    return SH_OK;
}
