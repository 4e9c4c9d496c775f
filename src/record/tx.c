/* tx.c - transactions under construction, the documents in them, and the synchronous calls.
 * What can be checked without the database is checked when a change is added.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include <stdio.h>

enum { FIRST_OPS = 4, TX_SLACK = 1 << 20 };

sh_err sh_record_tx_new(struct sh_record *r, struct sh_str author, struct sh_record_tx **out)
{
    const struct sh_alloc *a = r->env->alloc;
    if (author.n > SH_RECORD_MAX_AUTHOR || !sh_utf8_valid(author)) {
        return SH_E_INVAL;
    }
    struct sh_record_tx *tx = sh_mem_new(a, sizeof *tx);
    if (tx == NULL) {
        return SH_E_NOMEM;
    }
    tx->r = r;
    tx->failed = SIZE_MAX;
    /* A document, its normal form and its text. */
    tx->ar = sh_arena_new(a, (size_t)r->cfg.max_tx_bytes * 4 + TX_SLACK);
    tx->author = tx->ar == NULL ? (struct sh_str){NULL, 0} : sh_arena_str(tx->ar, author);
    if (tx->author.p == NULL) {
        sh_arena_free(tx->ar);
        sh_mem_free(a, tx);
        return SH_E_NOMEM;
    }
    sh_cond_init(&tx->cond);
    *out = tx;
    return SH_OK;
}

void sh_record_tx_free(struct sh_record_tx *tx)
{
    if (tx == NULL) {
        return;
    }
    const struct sh_alloc *a = tx->r->env->alloc;
    sh_cond_fini(&tx->cond);
    sh_mem_free(a, tx->ops);
    sh_arena_free(tx->ar);
    sh_mem_free(a, tx);
}

static bool copy(struct sh_arena *ar, struct sh_str *s)
{
    if (s->n == 0) {
        *s = SH_STR("");
        return true;
    }
    *s = sh_arena_str(ar, *s);
    return s->p != NULL;
}

sh_err record_tx_raw(struct sh_record_tx *tx, const struct sh_record_op *op)
{
    if (tx->spent) {
        return SH_E_STATE;
    }
    if (tx->n == SH_RECORD_MAX_TX_OPS) {
        return SH_E_LIMIT;
    }
    if (tx->n == tx->cap) {
        const size_t cap = tx->cap == 0 ? FIRST_OPS : tx->cap * 2;
        void *p = sh_mem_resize(tx->r->env->alloc, tx->ops, cap * sizeof *tx->ops);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        tx->ops = p;
        tx->cap = cap;
    }
    struct sh_record_op o = *op;
    struct sh_arena *ar = tx->ar;
    if (!copy(ar, &o.type) || !copy(ar, &o.id) || !copy(ar, &o.doc) || !copy(ar, &o.text) ||
        !copy(ar, &o.relation) || !copy(ar, &o.to_type) || !copy(ar, &o.to_id)) {
        return SH_E_NOMEM;
    }
    tx->ops[tx->n++] = o;
    return SH_OK;
}

/* ------------------------------------------------------------------ documents */

static bool deeper_than(const json_t *v, unsigned limit)
{
    if (!json_is_object(v) && !json_is_array(v)) {
        return false;
    }
    if (limit == 0) {
        return true;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (deeper_than(json_array_get(v, i), limit - 1)) {
            return true;
        }
    }
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        if (deeper_than(json_object_iter_value(it), limit - 1)) {
            return true;
        }
    }
    return false;
}

sh_err record_doc(struct sh_record *r, struct sh_str doc, json_t **json, struct sh_diag *diag)
{
    json_t *v = NULL;
    if (doc.n > r->cfg.max_doc_bytes) {
        sh_diag_set(diag, "the document is larger than %u bytes", r->cfg.max_doc_bytes);
        return SH_E_LIMIT;
    }
    const sh_err err = sh_json_parse(doc, r->cfg.max_doc_bytes, &v, diag);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_INVAL;
    }
    if (!json_is_object(v)) {
        json_decref(v);
        sh_diag_set(diag, "a record is a JSON object");
        return SH_E_INVAL;
    }
    if (deeper_than(v, r->cfg.max_depth)) {
        json_decref(v);
        sh_diag_set(diag, "the document is nested deeper than %u", r->cfg.max_depth);
        return SH_E_LIMIT;
    }
    *json = v;
    return SH_OK;
}

/* Texts and whole numbers of a document, one a line: what the full text finds it by. */
static void text_of(const json_t *v, struct sh_buf *out, sh_err *err)
{
    if (*err != SH_OK) {
        return;
    }
    if (json_is_string(v)) {
        *err = sh_buf_put(out, json_string_value(v), json_string_length(v));
    } else if (json_is_integer(v)) {
        *err = sh_buf_printf(out, "%lld", (long long)json_integer_value(v));
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            text_of(json_array_get(v, i), out, err);
        }
        return;
    } else if (json_is_object(v)) {
        for (void *it = json_object_iter((json_t *)(uintptr_t)v); it != NULL;
             it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
            text_of(json_object_iter_value(it), out, err);
        }
        return;
    } else {
        return;
    }
    if (*err == SH_OK) {
        *err = sh_buf_put_u8(out, '\n');
    }
}

/* Fills op->doc and op->text from the parsed document; they point into the buffers. */
static sh_err normalise(const json_t *json, const struct sh_record_put *p, struct sh_buf *doc,
                        struct sh_buf *text, struct sh_record_op *op)
{
    struct sh_jw w;
    sh_jw_init(&w, doc);
    sh_jw_json(&w, json);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK && (op->flags & SH_RECORD_F_TEXT) != 0) {
        err = sh_buf_put_str(text, p->id);
        if (err == SH_OK) {
            err = sh_buf_put_u8(text, '\n');
        }
        text_of(json, text, &err);
    }
    op->doc = sh_buf_str(doc);
    op->text = sh_buf_str(text);
    return err;
}

static sh_err put_parsed(struct sh_record_tx *tx, const struct sh_record_put *p, const json_t *json)
{
    struct sh_record *r = tx->r;
    const unsigned all = SH_RECORD_F_HISTORY | SH_RECORD_F_TEXT | SH_RECORD_F_FEED;
    struct sh_record_op op = {
        .kind = SH_RECORD_OP_PUT,
        .tenant = p->tenant,
        .type = p->type,
        .id = p->id,
        .expect = p->expect,
        .flags = record_internal(p->type) ? (p->flags & all) : all,
        .keep = record_internal(p->type) ? p->keep : 0,
    };
    if (!record_internal(p->type)) {
        SH_TRY(record_type_check(r, p->tenant, p->type, json, &op.types_version, &tx->diag));
    }
    struct sh_buf doc;
    struct sh_buf text;
    sh_buf_init(&doc, r->env->alloc, (size_t)r->cfg.max_doc_bytes * 2);
    sh_buf_init(&text, r->env->alloc, (size_t)r->cfg.max_doc_bytes * 2);
    sh_err err = normalise(json, p, &doc, &text, &op);
    if (err == SH_OK && tx->doc_bytes + op.doc.n > r->cfg.max_tx_bytes) {
        err = SH_E_LIMIT;
    }
    if (err == SH_OK) {
        err = record_tx_raw(tx, &op);
    }
    if (err == SH_OK) {
        tx->doc_bytes += op.doc.n;
    }
    sh_buf_fini(&doc);
    sh_buf_fini(&text);
    return err;
}

static sh_err check_key(struct sh_record_tx *tx, struct sh_str type, struct sh_str id)
{
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE)) {
        sh_diag_set(&tx->diag, "not the name of a type: letters, digits, _ . - (at most %d)",
                    SH_RECORD_MAX_TYPE);
        return SH_E_INVAL;
    }
    if (!record_id_ok(id, SH_RECORD_MAX_ID)) {
        sh_diag_set(&tx->diag, "not an id: 1 to %d bytes of UTF-8 without control characters",
                    SH_RECORD_MAX_ID);
        return SH_E_INVAL;
    }
    if (sh_str_eqc(type, "_type") && !tx->types) {
        return SH_E_INVAL; /* sh_record_type_put */
    }
    return SH_OK;
}

sh_err sh_record_tx_put(struct sh_record_tx *tx, const struct sh_record_put *p)
{
    json_t *json = NULL;
    SH_TRY(check_key(tx, p->type, p->id));
    SH_TRY(record_doc(tx->r, p->doc, &json, &tx->diag));
    const sh_err err = put_parsed(tx, p, json);
    json_decref(json);
    return err;
}

/* ------------------------------------------------------------------ the other changes */

sh_err sh_record_tx_delete(struct sh_record_tx *tx, uint32_t tenant, struct sh_str type,
                           struct sh_str id, uint64_t expect)
{
    SH_TRY(check_key(tx, type, id));
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_DELETE, .tenant = tenant, .type = type, .id = id, .expect = expect};
    return record_tx_raw(tx, &op);
}

sh_err sh_record_tx_expect(struct sh_record_tx *tx, uint32_t tenant, struct sh_str type,
                           struct sh_str id, uint64_t expect)
{
    SH_TRY(check_key(tx, type, id));
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_EXPECT, .tenant = tenant, .type = type, .id = id, .expect = expect};
    return record_tx_raw(tx, &op);
}

static sh_err link_op(struct sh_record_tx *tx, uint32_t tenant, const struct sh_record_link *l,
                      enum sh_record_op_kind kind)
{
    SH_TRY(check_key(tx, l->from_type, l->from_id));
    SH_TRY(check_key(tx, l->to_type, l->to_id));
    if (!record_name_ok(l->relation, SH_RECORD_MAX_RELATION)) {
        sh_diag_set(&tx->diag, "not the name of a relation");
        return SH_E_INVAL;
    }
    const struct sh_record_op op = {.kind = kind,
                                    .tenant = tenant,
                                    .type = l->from_type,
                                    .id = l->from_id,
                                    .relation = l->relation,
                                    .to_type = l->to_type,
                                    .to_id = l->to_id};
    return record_tx_raw(tx, &op);
}

sh_err sh_record_tx_link(struct sh_record_tx *tx, uint32_t tenant, const struct sh_record_link *l)
{
    return link_op(tx, tenant, l, SH_RECORD_OP_LINK);
}

sh_err sh_record_tx_unlink(struct sh_record_tx *tx, uint32_t tenant, const struct sh_record_link *l)
{
    return link_op(tx, tenant, l, SH_RECORD_OP_UNLINK);
}

sh_err sh_record_tx_relink(struct sh_record_tx *tx, uint32_t tenant, struct sh_str type,
                           struct sh_str from, struct sh_str to)
{
    SH_TRY(check_key(tx, type, from));
    SH_TRY(check_key(tx, type, to));
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_RELINK, .tenant = tenant, .type = type, .id = from, .to_id = to};
    return record_tx_raw(tx, &op);
}

static sh_err blob_ref(struct sh_record_tx *tx, uint32_t tenant, struct sh_str hash, int by,
                       bool taken)
{
    if (hash.n != SH_RECORD_HASH_CHARS || (by != 1 && by != -1)) {
        return SH_E_INVAL;
    }
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_BLOB_REF, .tenant = tenant, .id = hash, .number = by, .taken = taken};
    return record_tx_raw(tx, &op);
}

sh_err sh_record_tx_blob_ref(struct sh_record_tx *tx, uint32_t tenant, struct sh_str hash, int by)
{
    return blob_ref(tx, tenant, hash, by, false);
}

sh_err sh_record_tx_blob_take(struct sh_record_tx *tx, uint32_t tenant, struct sh_str hash)
{
    return blob_ref(tx, tenant, hash, 1, true);
}

size_t sh_record_tx_ops(const struct sh_record_tx *tx)
{
    return tx->n;
}

uint64_t sh_record_tx_rev(const struct sh_record_tx *tx, size_t op)
{
    return op < tx->n ? tx->ops[op].rev : 0;
}

void sh_record_tx_diag(const struct sh_record_tx *tx, struct sh_diag *out)
{
    *out = tx->diag;
}

/* ------------------------------------------------------------------ commit */

sh_err sh_record_tx_commit(struct sh_record_tx *tx, size_t *failed_op, struct sh_diag *diag)
{
    struct sh_record *r = tx->r;
    if (failed_op != NULL) {
        *failed_op = SIZE_MAX;
    }
    if (tx->spent) {
        return SH_E_STATE;
    }
    tx->spent = true;
    if (tx->n == 0) {
        return SH_OK;
    }
    SH_TRY(record_enqueue(r, tx));
    sh_mutex_lock(&r->lock);
    while (!tx->finished) {
        sh_cond_wait(&tx->cond, &r->lock);
    }
    sh_mutex_unlock(&r->lock);
    if (tx->err != SH_OK) {
        if (failed_op != NULL) {
            *failed_op = tx->failed;
        }
        if (diag != NULL) {
            *diag = tx->diag;
        }
    }
    return tx->err;
}

sh_err sh_record_tx_commit_async(struct sh_record_tx *tx, sh_record_done *done, void *ctx)
{
    if (tx->spent) {
        return SH_E_STATE;
    }
    if (tx->n == 0) {
        return SH_E_INVAL;
    }
    tx->spent = true;
    tx->done = done;
    tx->ctx = ctx;
    const sh_err err = record_enqueue(tx->r, tx);
    if (err != SH_OK) {
        tx->spent = false;
        tx->done = NULL;
    }
    return err;
}

sh_err sh_record_put(struct sh_record *r, const struct sh_record_put *p, struct sh_str author,
                     uint64_t *rev, struct sh_diag *diag)
{
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_tx_new(r, author, &tx));
    sh_err err = sh_record_tx_put(tx, p);
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    if (err == SH_OK && rev != NULL) {
        *rev = sh_record_tx_rev(tx, 0);
    }
    if (err != SH_OK && diag != NULL) {
        *diag = tx->diag;
    }
    sh_record_tx_free(tx);
    return err;
}

sh_err sh_record_delete(struct sh_record *r, uint32_t tenant, struct sh_str type, struct sh_str id,
                        uint64_t expect, struct sh_str author)
{
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_tx_new(r, author, &tx));
    sh_err err = sh_record_tx_delete(tx, tenant, type, id, expect);
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    return err;
}
