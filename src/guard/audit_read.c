/* The audit chain: reading, continuing after a start, and the off-line verifier.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "guard_int.h"

void guard_audit_entry_fini(struct guard_audit_entry *e)
{
    json_decref(e->body);
    json_decref(e->wrapper);
    e->body = NULL;
    e->wrapper = NULL;
}

static sh_err check_entry(const struct sh_crypto *c, struct sh_str key, struct guard_audit_entry *e)
{
    uint8_t stated[SH_HASH_BYTES];
    uint64_t number = 0;
    e->body_text = sh_json_get_str(e->wrapper, "body");
    if (e->body_text.n == 0 || json_object_size(e->wrapper) != 2 ||
        !guard_hex_read(sh_json_get_str(e->wrapper, "hash"), stated)) {
        return SH_E_CORRUPT;
    }
    const struct sh_bytes part = sh_str_bytes(e->body_text);
    SH_TRY(sh_crypto_hash(c, SH_DIGEST_SHA256, &part, 1, e->hash));
    if (memcmp(stated, e->hash, sizeof stated) != 0) {
        return SH_E_CORRUPT;
    }
    const sh_err err = sh_json_parse(e->body_text, GUARD_VALUE_MAX, &e->body, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_CORRUPT;
    }
    e->seq = (uint64_t)sh_json_get_i64(e->body, "seq", 0);
    struct sh_str digits = key; /* 20 digits with leading zeros */
    while (digits.n > 1 && digits.p[0] == '0') {
        digits = sh_str_sub(digits, 1, digits.n);
    }
    if (key.n != 20 || sh_u64_parse(digits, &number) != SH_OK || e->seq == 0 || e->seq != number ||
        !guard_hex_read(sh_json_get_str(e->body, "prev"), e->prev)) {
        return SH_E_CORRUPT;
    }
    return SH_OK;
}

sh_err guard_audit_parse(const struct sh_crypto *c, struct sh_str key, struct sh_str value,
                         struct guard_audit_entry *out)
{
    memset(out, 0, sizeof *out);
    sh_err err = sh_json_parse(value, 4 * (size_t)GUARD_VALUE_MAX, &out->wrapper, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_CORRUPT;
    }
    err = check_entry(c, key, out);
    if (err != SH_OK) {
        guard_audit_entry_fini(out);
    }
    return err;
}

/* ---- open ---- */

struct last {
    const struct sh_crypto *crypto;
    uint64_t seq;
    uint8_t hash[SH_HASH_BYTES];
    bool good;
};

/* The newest entry. A damaged one still gives its number. */
static sh_err take_last(void *ctx, struct sh_str key, struct sh_str value)
{
    struct last *l = ctx;
    struct guard_audit_entry e;
    struct sh_str digits = key;
    while (digits.n > 1 && digits.p[0] == '0') {
        digits = sh_str_sub(digits, 1, digits.n);
    }
    if (sh_u64_parse(digits, &l->seq) != SH_OK) {
        return SH_OK; /* not a key of ours: look at the one before */
    }
    const sh_err err = guard_audit_parse(l->crypto, key, value, &e);
    if (err == SH_OK) {
        memcpy(l->hash, e.hash, sizeof l->hash);
        l->good = true;
        guard_audit_entry_fini(&e);
    }
    return err == SH_E_NOMEM ? err : SH_E_CANCELED;
}

sh_err guard_audit_open(struct sh_guard *g)
{
    struct last last = {.crypto = g->crypto};
    struct guard_audit_head head = {0};
    const sh_err walked =
        g->store->ops->each(g->store, GUARD_AUDIT, SH_STR(""), true, take_last, &last);
    if (walked != SH_OK && walked != SH_E_CANCELED) {
        return walked;
    }
    const sh_err read = guard_audit_head_read(g->env, g->crypto, g->dir, g->key_audit, &head);
    if (read == SH_E_NOMEM) {
        return read;
    }
    g->audit_seq = last.seq;
    memcpy(g->audit_hash, last.hash, sizeof last.hash);
    const char *wrong = NULL;
    if (read == SH_OK && head.seq > last.seq) {
        g->audit_seq = head.seq; /* what was cut stays visible as a gap */
        memcpy(g->audit_hash, head.hash, sizeof head.hash);
        wrong = "entries at its end are missing";
    } else if (read == SH_OK && head.seq == last.seq &&
               memcmp(head.hash, last.hash, sizeof head.hash) != 0) {
        memcpy(g->audit_hash, head.hash, sizeof head.hash);
        wrong = "the last entry was changed";
    } else if ((read == SH_E_NOTFOUND && last.seq > 0 && !g->restored) || read == SH_E_CORRUPT) {
        wrong = "its sealed head is missing or changed";
    } else if (last.seq > 0 && !last.good) {
        wrong = "the last entry is damaged";
    }
    if (wrong != NULL) {
        sh_log(g->env->log, SH_LOG_ERROR, "guard",
               "the audit chain is not whole: %s; run: songhua check --audit", wrong);
    }
    sh_mutex_lock(&g->lock);
    g->stats.audit_entries = g->audit_seq;
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}

/* ---- list ---- */

struct listing {
    struct sh_guard *g;
    const struct sh_guard_at *at;
    const struct sh_audit_find *find;
    uint32_t limit;
    uint32_t n;
    sh_audit_fn *fn;
    void *ctx;
    uint64_t next;
};

static bool contains(struct sh_str text, struct sh_str part)
{
    if (part.n == 0 || part.n > text.n) {
        return part.n == 0;
    }
    for (size_t i = 0; i + part.n <= text.n; i++) {
        if (memcmp(text.p + i, part.p, part.n) == 0) {
            return true;
        }
    }
    return false;
}

static bool starts(struct sh_str s, struct sh_str head, struct sh_str *rest)
{
    const bool ok = s.n >= head.n && memcmp(s.p, head.p, head.n) == 0;
    *rest = ok ? (struct sh_str){s.p + head.n, s.n - head.n} : s;
    return ok;
}

/* "device:ID" from what guards it; ID or ID/property from what changes it, its points and their
 * history. */
static bool about_device(const json_t *body, struct sh_str device)
{
    static const char *const acts[] = {"device.", "point.", "history."};
    const struct sh_str act = sh_json_get_str(body, "act");
    struct sh_str rest;
    bool ours = false;
    if (starts(sh_json_get_str(body, "object"), SH_STR("device:"), &rest)) {
        return sh_str_eq(rest, device);
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0] && !ours; i++) {
        ours = starts(act, sh_str_c(acts[i]), &rest);
    }
    return ours && starts(sh_json_get_str(body, "object"), device, &rest) &&
           (rest.n == 0 || rest.p[0] == '/');
}

static bool entry_wanted(const struct listing *l, const struct guard_audit_entry *e)
{
    const uint32_t tenant = (uint32_t)sh_json_get_i64(e->body, "tenant_id", 0);
    if (!sh_guard_tenant_within(l->g, tenant, l->at->tenant)) {
        return false;
    }
    const struct sh_audit_find *f = l->find;
    if (f->device.n > 0 && (tenant != l->at->tenant || !about_device(e->body, f->device))) {
        return false;
    }
    const struct sh_str who = sh_json_get_str(e->body, "principal");
    const struct sh_str act = sh_json_get_str(e->body, "act");
    const struct sh_str object = sh_json_get_str(e->body, "object");
    int64_t time = 0;
    if ((f->from_us != 0 || f->to_us != 0) &&
        (sh_time_parse(sh_json_get_str(e->body, "time"), &time) != SH_OK || time < f->from_us ||
         (f->to_us != 0 && time >= f->to_us))) {
        return false;
    }
    if (f->refused && sh_str_eqc(sh_json_get_str(e->body, "result"), "ok")) {
        return false;
    }
    return contains(who, f->who) && contains(act, f->act) && contains(object, f->object) &&
           (contains(act, f->text) || contains(object, f->text) || contains(who, f->text));
}

static sh_err list_one(void *ctx, struct sh_str key, struct sh_str value)
{
    struct listing *l = ctx;
    struct guard_audit_entry e;
    const sh_err err = guard_audit_parse(l->g->crypto, key, value, &e);
    if (err == SH_E_CORRUPT) {
        return SH_OK; /* the verifier names it; the list goes on */
    }
    if (err != SH_OK) {
        return err;
    }
    sh_err answer = SH_OK;
    if (entry_wanted(l, &e)) {
        if (l->n == l->limit) {
            answer = SH_E_CANCELED;
        } else {
            char hex[SH_HASH_HEX];
            sh_hash_hex(e.hash, hex);
            (void)json_object_del(e.body, "tenant_id");
            if (json_object_set_new(e.body, "hash", json_string(hex)) != 0) {
                answer = SH_E_NOMEM;
            } else {
                answer = l->fn(l->ctx, e.body);
            }
            l->next = e.seq;
            l->n++;
        }
    }
    guard_audit_entry_fini(&e);
    return answer;
}

sh_err sh_guard_audit_each(struct sh_guard *g, const struct sh_guard_at *at, uint64_t before,
                           const struct sh_audit_find *find, uint32_t limit, sh_audit_fn *fn,
                           void *ctx, uint64_t *next)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_AUDIT_READ, at->tenant));
    struct listing l = {
        .g = g,
        .at = at,
        .find = find,
        .limit = limit == 0 || limit > 1000 ? 50 : limit,
        .fn = fn,
        .ctx = ctx,
    };
    char key[24] = "";
    if (before > 0) {
        (void)guard_print(key, sizeof key, "%020llu", (unsigned long long)before);
    }
    guard_audit_flush(g); /* what was posted is seen */
    const sh_err err =
        g->store->ops->each(g->store, GUARD_AUDIT, sh_str_c(key), true, list_one, &l);
    *next = err == SH_E_CANCELED ? l.next : 0;
    return err == SH_E_CANCELED ? SH_OK : err;
}

static sh_err write_entry(void *ctx, const json_t *entry)
{
    sh_jw_json(ctx, entry);
    return SH_OK;
}

sh_err sh_guard_audit_list(struct sh_guard *g, const struct sh_guard_at *at, uint64_t before,
                           const struct sh_audit_find *find, uint32_t limit, struct sh_jw *w,
                           uint64_t *next)
{
    return sh_guard_audit_each(g, at, before, find, limit, write_entry, w, next);
}

/* ---- handing on ---- */

struct handing {
    struct sh_guard *g;
    sh_audit_entry_fn *fn;
    void *ctx;
};

static sh_err hand_on(void *ctx, struct sh_str key, struct sh_str value)
{
    const struct handing *h = ctx;
    struct guard_audit_entry e;
    struct sh_audit_entry out = {.damaged = true};
    struct sh_str digits = key;
    while (digits.n > 1 && digits.p[0] == '0') {
        digits = sh_str_sub(digits, 1, digits.n);
    }
    if (sh_u64_parse(digits, &out.seq) != SH_OK) {
        return SH_OK; /* not a key of ours; the verifier names it */
    }
    sh_err err = guard_audit_parse(h->g->crypto, key, value, &e);
    if (err == SH_E_CORRUPT) {
        return h->fn(h->ctx, &out);
    }
    if (err != SH_OK) {
        return err;
    }
    out.damaged = sh_time_parse(sh_json_get_str(e.body, "time"), &out.time_us) != SH_OK;
    out.principal = sh_json_get_str(e.body, "principal");
    out.tenant = sh_json_get_str(e.body, "tenant");
    out.act = sh_json_get_str(e.body, "act");
    out.object = sh_json_get_str(e.body, "object");
    out.result = sh_json_get_str(e.body, "result");
    out.detail = sh_json_get_str(e.body, "detail");
    out.peer = sh_json_get_str(e.body, "peer");
    memcpy(out.hash, e.hash, sizeof out.hash);
    err = h->fn(h->ctx, &out);
    guard_audit_entry_fini(&e);
    return err;
}

sh_err sh_guard_audit_after(struct sh_guard *g, uint64_t after, sh_audit_entry_fn *fn, void *ctx)
{
    char key[24];
    struct handing h = {.g = g, .fn = fn, .ctx = ctx};
    (void)guard_print(key, sizeof key, "%020llu", (unsigned long long)after);
    return g->store->ops->each(g->store, GUARD_AUDIT, sh_str_c(key), false, hand_on, &h);
}

/* ---- verify ---- */

struct verifying {
    const struct sh_crypto *crypto;
    const struct guard_audit_head *head; /* NULL: none */
    uint64_t expect;
    uint8_t hash[SH_HASH_BYTES];
    bool head_met;
    const struct sh_checkpoint *seen; /* NULL: none */
    bool seen_met;
    struct sh_audit_report *report;
};

static sh_err bad(struct verifying *v, const char *words)
{
    v->report->first_bad = v->expect;
    (void)snprintf(v->report->text, sizeof v->report->text, "Entry %llu: %s.",
                   (unsigned long long)v->expect, words);
    return SH_E_CORRUPT;
}

static sh_err verify_one(void *ctx, struct sh_str key, struct sh_str value)
{
    struct verifying *v = ctx;
    struct guard_audit_entry e;
    const sh_err err = guard_audit_parse(v->crypto, key, value, &e);
    if (err == SH_E_CORRUPT) {
        return bad(v, "its text does not fit its hash or its number");
    }
    if (err != SH_OK) {
        return err;
    }
    sh_err answer = SH_OK;
    if (e.seq != v->expect) {
        answer = bad(v, "it is missing");
    } else if (memcmp(e.prev, v->hash, sizeof e.prev) != 0) {
        answer = bad(v, "it does not follow the entry before it");
    } else if (v->head != NULL && v->head->seq == e.seq) {
        v->head_met = memcmp(v->head->hash, e.hash, sizeof e.hash) == 0;
        if (!v->head_met) {
            answer = bad(v, "it is not the entry that was sealed");
        }
    }
    if (answer == SH_OK && v->seen != NULL && v->seen->seq == e.seq) {
        v->seen_met = memcmp(v->seen->hash, e.hash, sizeof e.hash) == 0;
        answer = v->seen_met ? SH_OK : bad(v, "it is not the entry that the checkpoint saw");
    }
    memcpy(v->hash, e.hash, sizeof v->hash);
    v->report->bytes += value.n;
    guard_audit_entry_fini(&e);
    if (answer == SH_OK) {
        v->report->entries++;
        v->expect++;
    }
    return answer;
}

static sh_err verify_end(struct verifying *v, sh_err head_err)
{
    struct sh_audit_report *r = v->report;
    const bool empty = r->entries == 0;
    if (head_err == SH_E_CORRUPT || (head_err == SH_E_NOTFOUND && !empty)) {
        (void)snprintf(r->text, sizeof r->text,
                       "The chain of %llu entries fits, but its sealed head is %s: whether the end "
                       "was cut can not be told.",
                       (unsigned long long)r->entries,
                       head_err == SH_E_CORRUPT ? "not of this node or changed" : "missing");
        r->first_bad = v->expect;
        return SH_E_CORRUPT;
    }
    if (v->head != NULL && v->head->seq > 0 && !v->head_met) {
        return bad(v, "it is missing although it was sealed: the end was cut");
    }
    if (v->seen != NULL && !v->seen_met) {
        return bad(v, "it is missing although the checkpoint saw it: the end was cut");
    }
    (void)snprintf(r->text, sizeof r->text, "All %llu entries fit.",
                   (unsigned long long)r->entries);
    return SH_OK;
}

/* key: what seals the head; NULL: it could not be had, for the reason `head_err`. */
static sh_err verify(const struct sh_env *env, const struct sh_crypto *c, struct guard_store *store,
                     const char *dir, const uint8_t *key, sh_err head_err,
                     const struct sh_checkpoint *seen, struct sh_audit_report *out)
{
    struct guard_audit_head head = {0};
    memset(out, 0, sizeof *out);
    if (key != NULL) {
        head_err = guard_audit_head_read(env, c, dir, key, &head);
    }
    if (head_err == SH_E_NOMEM || head_err == SH_E_IO) {
        return head_err;
    }
    head_err = head_err == SH_OK || head_err == SH_E_NOTFOUND ? head_err : SH_E_CORRUPT;
    out->sealed = head_err == SH_OK;
    struct verifying v = {
        .crypto = c,
        .head = head_err == SH_OK ? &head : NULL,
        .seen = seen,
        .expect = 1,
        .report = out,
    };
    SH_TRY(store->ops->each(store, GUARD_AUDIT, SH_STR(""), false, verify_one, &v));
    return verify_end(&v, head_err);
}

sh_err sh_audit_verify(const struct sh_audit_proof *p, struct sh_audit_report *out)
{
    uint8_t key[SH_KEY_BYTES];
    const sh_err err = guard_keyring_root(p->env, p->crypto, p->dir, p->master, key);
    const sh_err answer =
        verify(p->env, p->crypto, p->store, p->dir, err == SH_OK ? key : NULL, err, p->seen, out);
    sh_crypto_wipe(key, sizeof key);
    return answer;
}

sh_err sh_guard_audit_prove(struct sh_guard *g, struct sh_audit_report *out)
{
    return verify(g->env, g->crypto, g->store, g->dir, g->key_audit, SH_OK, NULL, out);
}

void sh_guard_store_free(struct guard_store *s)
{
    if (s != NULL) {
        s->ops->free(s);
    }
}
