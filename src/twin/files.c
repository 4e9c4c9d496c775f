/* files.c - see twin_file.h. Invariants:
 * 1. A record of kind _file and the reference that it holds to its blob are made and removed in one
 *    transaction: a blob without references belongs to no file.
 * 2. t->files has an entry for each owner that has files; `write` orders the changes, `lock` guards
 *    the map. Memory follows the commit.
 * 3. Owners are named by their present id. A record may name an older one (a crash within a
 *    renaming): loading looks it up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/twin_file.h>

#include "twin_int.h"

enum { DOC_MAX = 16 << 10, KEY_MAX = SH_TWIN_MAX_ID + 5 };
#define DROP_AGE_US INT64_C(60000000)

struct kept {
    char id[SH_RECORD_ID_CHARS];
    uint64_t size;
    uint64_t mark;   /* of name and content */
    int64_t gone_us; /* when it was deleted; 0: it is there */
};
struct twin_files {
    uint32_t tenant;
    enum sh_twin_of of;
    struct kept *v;
    size_t n;
    size_t cap;
};

static const char *const of_words[] = {"device", "asset", "thing"};

static struct sh_str key_of(char out[KEY_MAX], const struct sh_twin_owner *o)
{
    const size_t n = o->id.n > SH_TWIN_MAX_ID ? SH_TWIN_MAX_ID : o->id.n;
    memcpy(out, &o->tenant, 4);
    out[4] = (char)('0' + (int)o->of);
    memcpy(out + 5, o->id.p == NULL ? "" : o->id.p, n);
    return (struct sh_str){out, n + 5};
}

static uint64_t mark_of(struct sh_str name, struct sh_str hash)
{
    return sh_hash64(hash.p, hash.n, sh_hash64(name.p, name.n, 1));
}

static struct sh_str kept_id(const struct kept *k)
{
    return (struct sh_str){k->id, sizeof k->id};
}

/* Under the lock: the owner's present id, a view; p == NULL: there is none. */
static struct sh_str present(struct sh_twin *t, const struct sh_twin_owner *o)
{
    const struct twin_tenant *tt = twin_tenant(t, o->tenant, false);
    const struct sh_str none = {NULL, 0};
    if (o->id.n == 0 || o->id.n > SH_TWIN_MAX_ID || tt == NULL) {
        return none;
    }
    if (o->of == SH_TWIN_OF_DEVICE) {
        const struct twin_slot *s = twin_find(t, o->tenant, o->id);
        return s == NULL ? none : s->dev->id;
    }
    if (o->of == SH_TWIN_OF_ASSET) {
        const struct twin_asset *a = sh_map_get(&tt->assets, o->id);
        return a == NULL ? none : a->id;
    }
    return sh_map_get(&tt->things, o->id) == NULL ? none : o->id;
}

sh_err sh_twin_owner_check(struct sh_twin *t, const struct sh_twin_owner *o)
{
    sh_mutex_lock(&t->lock);
    const bool known = present(t, o).p != NULL;
    const bool shared = !known && o->of == SH_TWIN_OF_THING && o->id.n > 0 &&
                        twin_thing_find(t, o->tenant, o->id) != NULL;
    sh_mutex_unlock(&t->lock);
    return known ? SH_OK : shared ? SH_E_UNSUPPORTED : SH_E_NOTFOUND;
}

bool sh_twin_file_kind(struct sh_str word)
{
    static const char *const kinds[] = {"manual", "drawing", "certificate",
                                        "photo",  "report",  "other"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (sh_str_eqc(word, kinds[i])) {
            return true;
        }
    }
    return false;
}

bool sh_twin_file_name(struct sh_str name)
{
    bool dots = true;
    if (name.n == 0 || name.n > SH_TWIN_FILE_NAME || !sh_utf8_valid(name)) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        const unsigned char c = (unsigned char)name.p[i];
        if (c < ' ' || c == 0x7f || c == '/' || c == '\\') {
            return false;
        }
        dots = dots && c == '.';
    }
    return !dots;
}

/* ---- memory, under the lock ---- */

static void count(struct sh_twin *t, uint32_t tenant, int64_t files, int64_t bytes)
{
    struct twin_tenant *tt = twin_tenant(t, tenant, true);
    if (tt != NULL) {
        tt->files = (uint64_t)((int64_t)tt->files + files);
        tt->file_bytes = (uint64_t)((int64_t)tt->file_bytes + bytes);
    }
}

static struct twin_files *list_of(const struct sh_twin *t, const struct sh_twin_owner *o)
{
    char key[KEY_MAX];
    return sh_map_get(&t->files, key_of(key, o));
}

static void list_free(struct sh_twin *t, struct twin_files *l)
{
    if (l != NULL) {
        sh_mem_free(t->env->alloc, l->v);
        sh_mem_free(t->env->alloc, l);
    }
}

/* Room for one more; NULL: no memory. */
static struct twin_files *list_room(struct sh_twin *t, const struct sh_twin_owner *o)
{
    const struct sh_alloc *a = t->env->alloc;
    struct twin_files *l = list_of(t, o);
    if (l == NULL) {
        char key[KEY_MAX];
        l = sh_mem_new(a, sizeof *l);
        if (l == NULL || sh_map_put(&t->files, key_of(key, o), l) != SH_OK) {
            sh_mem_free(a, l);
            return NULL;
        }
        l->tenant = o->tenant;
        l->of = o->of;
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 4 : l->cap * 2;
        struct kept *v = sh_mem_resize(a, l->v, cap * sizeof *v);
        if (v == NULL) {
            return NULL;
        }
        l->v = v;
        l->cap = cap;
    }
    return l;
}

static void list_del(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_str id)
{
    struct twin_files *l = list_of(t, o);
    for (size_t i = 0; l != NULL && i < l->n; i++) {
        if (sh_str_eq(kept_id(&l->v[i]), id)) {
            count(t, o->tenant, -1, -(int64_t)l->v[i].size);
            memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof l->v[0]);
            l->n--;
            break;
        }
    }
    if (l != NULL && l->n == 0) {
        char key[KEY_MAX];
        list_free(t, sh_map_del(&t->files, key_of(key, o)));
    }
}

static sh_err list_add(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_str id,
                       struct kept as)
{
    struct twin_files *l = list_room(t, o);
    if (l == NULL || id.n != SH_RECORD_ID_CHARS) {
        return l == NULL ? SH_E_NOMEM : SH_E_CORRUPT;
    }
    struct kept *k = &l->v[l->n++];
    *k = as;
    memcpy(k->id, id.p, id.n);
    count(t, o->tenant, 1, (int64_t)as.size);
    return SH_OK;
}

/* A copy of the ids, so that records can be read without the lock. */
static sh_err ids_of(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_arena *ar,
                     struct kept **out, size_t *n)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&t->lock);
    const struct twin_files *l = list_of(t, o);
    *n = l == NULL ? 0 : l->n;
    *out = sh_arena_array(ar, *n + 1, sizeof **out);
    if (*out == NULL) {
        err = sh_arena_why(ar);
    } else if (*n > 0) {
        memcpy(*out, l->v, *n * sizeof **out);
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

void twin_files_fini(struct sh_twin *t)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&t->files, &it, &key, &v)) {
        list_free(t, v);
    }
    sh_map_fini(&t->files);
}

/* ---- documents ---- */

static enum sh_twin_of of_word(struct sh_str word)
{
    return sh_str_eqc(word, "asset")   ? SH_TWIN_OF_ASSET
           : sh_str_eqc(word, "thing") ? SH_TWIN_OF_THING
                                       : SH_TWIN_OF_DEVICE;
}

static struct sh_twin_owner owner_in(const json_t *doc, uint32_t tenant)
{
    return (struct sh_twin_owner){tenant, of_word(sh_json_get_str(doc, "of")),
                                  sh_json_get_str(doc, "owner")};
}

sh_err twin_file_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, DOC_MAX, &doc, NULL));
    struct sh_twin_owner o = owner_in(doc, row->tenant);
    sh_mutex_lock(&t->lock);
    const struct sh_str now = present(t, &o);
    o.id = now.p == NULL ? o.id : now;
    const struct kept k = {.size = (uint64_t)sh_json_get_i64(doc, "size", 0),
                           .mark =
                               mark_of(sh_json_get_str(doc, "name"), sh_json_get_str(doc, "hash")),
                           .gone_us = sh_json_get_i64(json_object_get(doc, "deleted"), "time", 0)};
    const sh_err err = list_add(t, &o, row->id, k);
    sh_mutex_unlock(&t->lock);
    json_decref(doc);
    return err;
}

static json_t *doc_make(const struct sh_twin_owner *o, const struct sh_twin_file *f,
                        struct sh_str by, int64_t now)
{
    return json_pack("{s:s,s:s%,s:s%,s:s%,s:s%,s:s%,s:s%,s:I,s:s%,s:I}", "of",
                     of_words[(size_t)o->of], "owner", o->id.p, o->id.n, "name", f->name.p,
                     f->name.n, "media", f->media.p, f->media.n, "kind", f->kind.p, f->kind.n,
                     "note", f->note.p == NULL ? "" : f->note.p, f->note.n, "hash", f->hash.p,
                     f->hash.n, "size", (json_int_t)f->size, "by", by.p == NULL ? "" : by.p, by.n,
                     "time", (json_int_t)now);
}

static sh_err shown(const json_t *doc, struct sh_str id, uint64_t rev, struct sh_arena *ar,
                    struct sh_twin_file *out)
{
    const json_t *edited = json_object_get(doc, "edited");
    const json_t *deleted = json_object_get(doc, "deleted");
    const struct sh_twin_file f = {
        .id = sh_arena_str(ar, id),
        .name = sh_arena_str(ar, sh_json_get_str(doc, "name")),
        .media = sh_arena_str(ar, sh_json_get_str(doc, "media")),
        .kind = sh_arena_str(ar, sh_json_get_str(doc, "kind")),
        .note = sh_arena_str(ar, sh_json_get_str(doc, "note")),
        .hash = sh_arena_str(ar, sh_json_get_str(doc, "hash")),
        .size = (uint64_t)sh_json_get_i64(doc, "size", 0),
        .by = sh_arena_str(ar, sh_json_get_str(doc, "by")),
        .time_us = sh_json_get_i64(doc, "time", 0),
        .edited_by = sh_arena_str(ar, sh_json_get_str(edited, "by")),
        .edited_us = sh_json_get_i64(edited, "time", 0),
        .deleted_by = sh_arena_str(ar, sh_json_get_str(deleted, "by")),
        .deleted_us = sh_json_get_i64(deleted, "time", 0),
        .rev = rev,
    };
    const struct sh_str all[] = {f.id,   f.name, f.media,     f.kind,      f.note,
                                 f.hash, f.by,   f.edited_by, f.deleted_by};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].p == NULL) {
            return sh_arena_why(ar);
        }
    }
    *out = f;
    return SH_OK;
}

enum which { THERE = 1, DELETED = 2, BOTH = 3 };

static bool is_of(const struct kept *k, enum which which)
{
    return ((unsigned)which & (k->gone_us == 0 ? THERE : DELETED)) != 0;
}

/* The document of a file of this owner; a new reference. *o gets the present id (a view into ar).
 */
static sh_err doc_of(struct sh_twin *t, struct sh_twin_owner *o, struct sh_str id, enum which which,
                     struct sh_arena *ar, json_t **doc, uint64_t *rev)
{
    struct sh_record_row row;
    sh_mutex_lock(&t->lock);
    const struct sh_str now = present(t, o);
    o->id = now.p == NULL ? now : sh_arena_str(ar, now);
    const struct twin_files *l = o->id.p == NULL ? NULL : list_of(t, o);
    bool found = false;
    for (size_t i = 0; l != NULL && i < l->n && !found; i++) {
        found = is_of(&l->v[i], which) && sh_str_eq(kept_id(&l->v[i]), id);
    }
    sh_mutex_unlock(&t->lock);
    if (!found) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(sh_record_get(t->o.record, o->tenant, SH_TWIN_KIND_FILE, id, ar, &row));
    *rev = row.rev;
    return sh_json_parse(row.doc, DOC_MAX, doc, NULL);
}

static sh_err put(struct sh_record_tx *tx, struct sh_twin *t, uint32_t tenant, struct sh_str id,
                  const json_t *doc, uint64_t expect)
{
    struct sh_buf text;
    sh_buf_init(&text, t->env->alloc, DOC_MAX);
    sh_err err = twin_doc_text(doc, &text);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = tenant,
                                        .type = SH_TWIN_KIND_FILE,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_tx_put(tx, &p);
    }
    sh_buf_fini(&text);
    return err;
}

/* ---- reading ---- */

static sh_err get(struct sh_twin *t, const struct sh_twin_owner *owner, struct sh_str id,
                  enum which which, struct sh_arena *ar, struct sh_twin_file *out)
{
    struct sh_twin_owner o = *owner;
    json_t *doc = NULL;
    uint64_t rev = 0;
    sh_err err = doc_of(t, &o, id, which, ar, &doc, &rev);
    err = err == SH_OK ? shown(doc, id, rev, ar, out) : err;
    json_decref(doc);
    return err;
}

sh_err sh_twin_file_get(struct sh_twin *t, const struct sh_twin_owner *owner, struct sh_str id,
                        struct sh_arena *ar, struct sh_twin_file *out)
{
    return get(t, owner, id, THERE, ar, out);
}

sh_err sh_twin_file_deleted(struct sh_twin *t, const struct sh_twin_owner *owner, struct sh_str id,
                            struct sh_arena *ar, struct sh_twin_file *out)
{
    return get(t, owner, id, DELETED, ar, out);
}

sh_err sh_twin_files(struct sh_twin *t, const struct sh_twin_owner *owner, bool deleted,
                     struct sh_arena *ar, struct sh_twin_file **out, size_t *n)
{
    struct sh_twin_owner o = *owner;
    struct kept *ids = NULL;
    size_t have = 0;
    sh_mutex_lock(&t->lock);
    const struct sh_str now = present(t, &o);
    o.id = now.p == NULL ? now : sh_arena_str(ar, now);
    sh_mutex_unlock(&t->lock);
    if (o.id.p == NULL) {
        return now.p == NULL ? SH_E_NOTFOUND : sh_arena_why(ar);
    }
    SH_TRY(ids_of(t, &o, ar, &ids, &have));
    *out = sh_arena_array(ar, have + 1, sizeof **out);
    if (*out == NULL) {
        return sh_arena_why(ar);
    }
    *n = 0;
    for (size_t i = have; i > 0; i--) { /* ids sort by time */
        const enum which which = deleted ? DELETED : THERE;
        if (!is_of(&ids[i - 1], which)) {
            continue;
        }
        const sh_err err = get(t, &o, kept_id(&ids[i - 1]), which, ar, &(*out)[*n]);
        if (err != SH_OK && err != SH_E_NOTFOUND) { /* removed meanwhile */
            return err;
        }
        *n += err == SH_OK ? 1 : 0;
    }
    return SH_OK;
}

void sh_twin_files_use(struct sh_twin *t, uint32_t tenant, uint64_t *files, uint64_t *bytes)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    *files = tt == NULL ? 0 : tt->files;
    *bytes = tt == NULL ? 0 : tt->file_bytes;
    sh_mutex_unlock(&t->lock);
}

/* ---- changing, under `write` ---- */

/* The owner's file of this name and content; SH_E_NOTFOUND. */
static sh_err twin_of_it(struct sh_twin *t, const struct sh_twin_owner *o,
                         const struct sh_twin_file *f, struct sh_arena *ar,
                         struct sh_twin_file *out)
{
    struct kept *ids = NULL;
    size_t n = 0;
    const uint64_t mark = mark_of(f->name, f->hash);
    SH_TRY(ids_of(t, o, ar, &ids, &n));
    size_t there = 0;
    for (size_t i = 0; i < n; i++) {
        there += ids[i].gone_us == 0 ? 1 : 0;
        if (ids[i].mark == mark && ids[i].gone_us == 0) {
            SH_TRY(sh_twin_file_get(t, o, kept_id(&ids[i]), ar, out));
            if (sh_str_eq(out->name, f->name) && sh_str_eq(out->hash, f->hash)) {
                return SH_OK;
            }
        }
    }
    return there >= SH_TWIN_FILES_OF ? SH_E_LIMIT : SH_E_NOTFOUND;
}

static sh_err add(struct sh_twin *t, const struct sh_twin_owner *o, const struct sh_twin_file *f,
                  struct sh_str author, struct sh_arena *ar, struct sh_twin_file *out)
{
    char id[SH_RECORD_ID_CHARS];
    const struct sh_str name = {id, sizeof id};
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_id_new(t->env, id));
    json_t *doc = doc_make(o, f, author, sh_wall_us(t->env->clock));
    sh_err err = doc == NULL ? SH_E_NOMEM : sh_record_tx_new(t->o.record, author, &tx);
    err = err == SH_OK ? put(tx, t, o->tenant, name, doc, 0) : err;
    if (err == SH_OK) {
        err = f->fresh ? sh_record_tx_blob_take(tx, o->tenant, f->hash)
                       : sh_record_tx_blob_ref(tx, o->tenant, f->hash, 1);
    }
    err = err == SH_OK ? shown(doc, name, 1, ar, out) : err;
    if (err == SH_OK) {
        sh_mutex_lock(&t->lock);
        err = list_room(t, o) == NULL ? SH_E_NOMEM : SH_OK; /* before the commit */
        sh_mutex_unlock(&t->lock);
    }
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    sh_record_tx_free(tx);
    json_decref(doc);
    sh_mutex_lock(&t->lock);
    if (err == SH_OK) {
        err =
            list_add(t, o, name, (struct kept){.size = f->size, .mark = mark_of(f->name, f->hash)});
    } else {
        list_del(t, o, SH_STR("")); /* an empty list goes */
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err sh_twin_file_add(struct sh_twin *t, const struct sh_twin_owner *owner,
                        const struct sh_twin_file *f, struct sh_str author, struct sh_arena *ar,
                        struct sh_twin_file *out)
{
    struct sh_twin_owner o = *owner;
    uint64_t files = 0;
    uint64_t bytes = 0;
    if (!sh_twin_file_name(f->name) || !sh_twin_file_kind(f->kind) ||
        f->note.n > SH_TWIN_FILE_NOTE || !sh_utf8_valid(f->note)) {
        return SH_E_INVAL;
    }
    sh_mutex_lock(&t->write);
    sh_err err = sh_twin_owner_check(t, &o);
    if (err == SH_OK) {
        sh_mutex_lock(&t->lock);
        o.id = sh_arena_str(ar, present(t, &o));
        sh_mutex_unlock(&t->lock);
        err = o.id.p == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (err == SH_OK) {
        sh_twin_files_use(t, o.tenant, &files, &bytes);
        err = twin_of_it(t, &o, f, ar, out);
        err = err == SH_OK ? SH_E_EXISTS : err;
        err = err == SH_E_NOTFOUND && files >= SH_TWIN_FILES_ALL ? SH_E_LIMIT : err;
    }
    err = err == SH_E_NOTFOUND && o.id.p != NULL && sh_twin_owner_check(t, &o) == SH_OK
              ? add(t, &o, f, author, ar, out)
              : err;
    sh_mutex_unlock(&t->write);
    return err;
}

/* Puts the new words into the document; edited is taken over. */
static sh_err edit(json_t *doc, const struct sh_twin_file_change *c, json_t *edited)
{
    const struct {
        const char *member;
        struct sh_str text;
    } list[] = {{"name", c->name}, {"kind", c->kind}, {"note", c->note}};
    sh_err err = json_object_set_new(doc, "edited", edited) == 0 ? SH_OK : SH_E_NOMEM;
    for (size_t i = 0; i < 3 && err == SH_OK; i++) {
        if (list[i].text.p != NULL &&
            json_object_set_new(doc, list[i].member,
                                json_stringn(list[i].text.p, list[i].text.n)) != 0) {
            err = SH_E_NOMEM;
        }
    }
    return err;
}

sh_err sh_twin_file_change(struct sh_twin *t, const struct sh_twin_owner *owner,
                           const struct sh_twin_file_change *c, struct sh_arena *ar,
                           struct sh_twin_file *out)
{
    struct sh_twin_owner o = *owner;
    struct sh_record_tx *tx = NULL;
    json_t *doc = NULL;
    uint64_t rev = 0;
    if ((c->name.p != NULL && !sh_twin_file_name(c->name)) ||
        (c->kind.p != NULL && !sh_twin_file_kind(c->kind)) || c->note.n > SH_TWIN_FILE_NOTE ||
        !sh_utf8_valid(c->note)) {
        return SH_E_INVAL;
    }
    sh_mutex_lock(&t->write);
    sh_err err = doc_of(t, &o, c->id, THERE, ar, &doc, &rev);
    err = err == SH_OK ? sh_record_tx_new(t->o.record, c->author, &tx) : err;
    if (err == SH_OK) {
        err = edit(doc, c,
                   json_pack("{s:s%,s:I}", "by", c->author.p == NULL ? "" : c->author.p,
                             c->author.n, "time", (json_int_t)sh_wall_us(t->env->clock)));
    }
    err = err == SH_OK ? put(tx, t, o.tenant, c->id, doc, c->expect) : err;
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    if (err == SH_OK) {
        const uint64_t mark = mark_of(sh_json_get_str(doc, "name"), sh_json_get_str(doc, "hash"));
        sh_mutex_lock(&t->lock);
        struct twin_files *l = list_of(t, &o);
        for (size_t i = 0; l != NULL && i < l->n; i++) {
            l->v[i].mark = sh_str_eq(kept_id(&l->v[i]), c->id) ? mark : l->v[i].mark;
        }
        sh_mutex_unlock(&t->lock);
        err = shown(doc, c->id, sh_record_tx_rev(tx, 0), ar, out);
    }
    sh_mutex_unlock(&t->write);
    sh_record_tx_free(tx);
    json_decref(doc);
    return err;
}

/* The document with the mark of a deletion, or without; memory follows the commit. */
static sh_err put_mark(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_str id,
                       json_t *doc, bool back, struct sh_str author)
{
    struct sh_record_tx *tx = NULL;
    const int64_t now = sh_wall_us(t->env->clock);
    if (back) {
        (void)json_object_del(doc, "deleted");
    } else if (json_object_set_new(doc, "deleted",
                                   json_pack("{s:s%,s:I}", "by", author.p == NULL ? "" : author.p,
                                             author.n, "time", (json_int_t)now)) != 0) {
        return SH_E_NOMEM;
    }
    sh_err err = sh_record_tx_new(t->o.record, author, &tx);
    err = err == SH_OK ? put(tx, t, o->tenant, id, doc, SH_RECORD_ANY) : err;
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    sh_record_tx_free(tx);
    sh_mutex_lock(&t->lock);
    struct twin_files *l = err == SH_OK ? list_of(t, o) : NULL;
    for (size_t i = 0; l != NULL && i < l->n; i++) {
        if (sh_str_eq(kept_id(&l->v[i]), id)) {
            l->v[i].gone_us = back ? 0 : now;
        }
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err sh_twin_file_delete(struct sh_twin *t, const struct sh_twin_owner *owner, struct sh_str id,
                           bool back, struct sh_str author, struct sh_arena *ar,
                           struct sh_twin_file *out)
{
    struct sh_twin_owner o = *owner;
    struct sh_twin_file other;
    json_t *doc = NULL;
    uint64_t rev = 0;
    sh_mutex_lock(&t->write);
    sh_err err = doc_of(t, &o, id, back ? DELETED : THERE, ar, &doc, &rev);
    err = err == SH_OK ? shown(doc, id, rev, ar, out) : err;
    if (err == SH_OK && back) {
        err = twin_of_it(t, &o, out, ar, &other);
        err = err == SH_E_NOTFOUND ? SH_OK : (err == SH_OK ? SH_E_EXISTS : err);
    }
    err = err == SH_OK ? put_mark(t, &o, id, doc, back, author) : err;
    err = err == SH_OK ? get(t, &o, id, back ? THERE : DELETED, ar, out) : err;
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    return err;
}

/* Contents of files that are no more go at once, unless somebody has stored the same since, within
 * the last minute: he may be about to refer to it. What does not go now is collected later. */
static void drop_contents(struct sh_twin *t, uint32_t tenant, const json_t *gone)
{
    const int64_t lately = sh_wall_us(t->env->clock) - DROP_AGE_US;
    for (size_t i = 0; i < json_array_size(gone); i++) {
        const json_t *doc = json_array_get(gone, i);
        const int64_t made = sh_json_get_i64(doc, "time", 0) + 1;
        const sh_err err = sh_record_blob_drop(t->o.record, tenant, sh_json_get_str(doc, "hash"),
                                               made > lately ? made : lately);
        if (err != SH_OK && err != SH_E_STATE && err != SH_E_NOTFOUND && err != SH_E_BUSY) {
            sh_log(t->env->log, SH_LOG_WARN, "twin", "the content of a file stays for now: %s",
                   sh_err_name(err));
        }
    }
}

/* Removes the first `n` files of the list in one transaction. */
static sh_err remove_some(struct sh_twin *t, const struct sh_twin_owner *o, const struct kept *v,
                          size_t n, struct sh_str author)
{
    struct sh_record_tx *tx = NULL;
    json_t *gone = json_array();
    sh_err err = gone == NULL ? SH_E_NOMEM : sh_record_tx_new(t->o.record, author, &tx);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        json_t *doc = NULL;
        err = twin_doc_get(t, o->tenant, SH_TWIN_KIND_FILE, kept_id(&v[i]), &doc, NULL);
        if (err == SH_OK) {
            err = sh_record_tx_delete(tx, o->tenant, SH_TWIN_KIND_FILE, kept_id(&v[i]),
                                      SH_RECORD_ANY);
        }
        if (err == SH_OK) {
            err = sh_record_tx_blob_ref(tx, o->tenant, sh_json_get_str(doc, "hash"), -1);
        }
        if (err == SH_OK) {
            err = json_array_append(gone, doc) == 0 ? SH_OK : SH_E_NOMEM;
        }
        json_decref(doc);
    }
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    sh_record_tx_free(tx);
    if (err == SH_OK) {
        sh_mutex_lock(&t->lock);
        for (size_t i = 0; i < n; i++) {
            list_del(t, o, kept_id(&v[i]));
        }
        sh_mutex_unlock(&t->lock);
        drop_contents(t, o->tenant, gone);
    }
    json_decref(gone);
    return err;
}

sh_err sh_twin_file_remove(struct sh_twin *t, const struct sh_twin_owner *owner, struct sh_str id,
                           struct sh_str author, uint64_t *size)
{
    struct sh_twin_owner o = *owner;
    struct kept k = {.size = 0};
    json_t *doc = NULL;
    uint64_t rev = 0;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, 1 << 20);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->write);
    sh_err err = doc_of(t, &o, id, BOTH, ar, &doc, &rev);
    if (err == SH_OK) {
        memcpy(k.id, id.p, sizeof k.id);
        *size = (uint64_t)sh_json_get_i64(doc, "size", 0);
        err = remove_some(t, &o, &k, 1, author);
    }
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    sh_arena_free(ar);
    return err;
}

/* A file whose time of grace is over; the owner's id is a view into key. */
static bool expired(struct sh_twin *t, int64_t before, char key[KEY_MAX], struct sh_twin_owner *out,
                    struct kept *file)
{
    size_t it = 0;
    struct sh_str k;
    void *v = NULL;
    bool found = false;
    sh_mutex_lock(&t->lock);
    while (!found && sh_map_next(&t->files, &it, &k, &v)) {
        const struct twin_files *l = v;
        for (size_t i = 0; i < l->n && !found; i++) {
            found = l->v[i].gone_us != 0 && l->v[i].gone_us <= before;
            if (found) {
                *file = l->v[i];
                memcpy(key, k.p, k.n);
                *out = (struct sh_twin_owner){l->tenant, l->of, {key + 5, k.n - 5}};
            }
        }
    }
    sh_mutex_unlock(&t->lock);
    return found;
}

sh_err sh_twin_files_expire(struct sh_twin *t,
                            void (*freed)(void *ctx, uint32_t tenant, uint64_t bytes), void *ctx,
                            uint64_t *removed)
{
    const int64_t before = sh_wall_us(t->env->clock) - SH_TWIN_FILE_GRACE_US;
    char key[KEY_MAX];
    struct sh_twin_owner o;
    struct kept file;
    sh_err err = SH_OK;
    *removed = 0;
    bool more = true;
    while (err == SH_OK && more) {
        sh_mutex_lock(&t->write); /* others get their turn between two */
        more = expired(t, before, key, &o, &file);
        err = more ? remove_some(t, &o, &file, 1, SH_STR("")) : SH_OK;
        sh_mutex_unlock(&t->write);
        if (more && err == SH_OK) {
            freed(ctx, o.tenant, file.size);
            ++*removed;
        }
    }
    return err;
}

/* By the id as it is in the map. */
static sh_err drop(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_str author,
                   uint64_t *bytes, uint64_t *files)
{
    struct kept *ids = NULL;
    size_t n = 0;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, 1 << 20);
    sh_err err = ar == NULL ? SH_E_NOMEM : ids_of(t, o, ar, &ids, &n);
    if (err == SH_OK && n > 0) {
        err = remove_some(t, o, ids, n, author);
    }
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        *bytes += ids[i].size;
    }
    *files += err == SH_OK ? n : 0;
    sh_arena_free(ar);
    return err;
}

sh_err sh_twin_files_drop(struct sh_twin *t, const struct sh_twin_owner *o, struct sh_str author,
                          uint64_t *bytes)
{
    uint64_t files = 0;
    *bytes = 0;
    sh_mutex_lock(&t->write);
    const sh_err err = drop(t, o, author, bytes, &files);
    sh_mutex_unlock(&t->write);
    return err;
}

/* An owner in the map that is no more; its id is a view into key. */
static bool lost(struct sh_twin *t, char key[KEY_MAX], struct sh_twin_owner *out)
{
    size_t it = 0;
    struct sh_str k;
    void *v = NULL;
    bool found = false;
    sh_mutex_lock(&t->lock);
    while (!found && sh_map_next(&t->files, &it, &k, &v)) {
        const struct twin_files *l = v;
        const struct sh_twin_owner o = {l->tenant, l->of, sh_str_sub(k, 5, k.n)};
        if (present(t, &o).p == NULL) {
            memcpy(key, k.p, k.n);
            *out = (struct sh_twin_owner){l->tenant, l->of, {key + 5, k.n - 5}};
            found = true;
        }
    }
    sh_mutex_unlock(&t->lock);
    return found;
}

sh_err sh_twin_files_sweep(struct sh_twin *t, uint64_t *removed)
{
    char key[KEY_MAX];
    struct sh_twin_owner o;
    uint64_t bytes = 0;
    sh_err err = SH_OK;
    *removed = 0;
    sh_mutex_lock(&t->write);
    while (err == SH_OK && lost(t, key, &o)) {
        err = drop(t, &o, SH_STR(""), &bytes, removed);
    }
    sh_mutex_unlock(&t->write);
    return err;
}

/* Under `write`, before memory is moved: the files of a device that gets another id. */
sh_err twin_files_rename(struct sh_twin *t, uint32_t tenant, struct sh_str from, struct sh_str to,
                         struct sh_str author)
{
    const struct sh_twin_owner o = {tenant, SH_TWIN_OF_DEVICE, from};
    const struct sh_twin_owner now = {tenant, SH_TWIN_OF_DEVICE, to};
    struct sh_record_tx *tx = NULL;
    struct kept *ids = NULL;
    size_t n = 0;
    struct sh_arena *ar = sh_arena_new(t->env->alloc, 1 << 20);
    sh_err err = ar == NULL ? SH_E_NOMEM : ids_of(t, &o, ar, &ids, &n);
    if (err != SH_OK || n == 0) {
        sh_arena_free(ar);
        return err;
    }
    err = sh_record_tx_new(t->o.record, author, &tx);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        json_t *doc = NULL;
        err = twin_doc_get(t, tenant, SH_TWIN_KIND_FILE, kept_id(&ids[i]), &doc, NULL);
        if (err == SH_OK && json_object_set_new(doc, "owner", json_stringn(to.p, to.n)) != 0) {
            err = SH_E_NOMEM;
        }
        err = err == SH_OK ? put(tx, t, tenant, kept_id(&ids[i]), doc, SH_RECORD_ANY) : err;
        json_decref(doc);
    }
    err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
    sh_record_tx_free(tx);
    sh_arena_free(ar);
    if (err == SH_OK) {
        char key[KEY_MAX];
        sh_mutex_lock(&t->lock);
        struct twin_files *l = sh_map_del(&t->files, key_of(key, &o));
        err = sh_map_put(&t->files, key_of(key, &now), l);
        if (err != SH_OK) {
            list_free(t, l);
        }
        sh_mutex_unlock(&t->lock);
    }
    return err;
}
