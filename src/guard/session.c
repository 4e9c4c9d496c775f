/* Sessions of the console: an opaque secret of 256 bits, kept as a keyed hash; idle and absolute
 * end; they outlive a restart. The CSRF token is an HMAC of the secret, so it needs no memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { SAVE_S = 300, CHANGES_MAX = 1000 };

sh_err guard_hash_token(const struct sh_guard *g, struct sh_str token, uint8_t out[SH_HASH_BYTES])
{
    const struct sh_bytes part = sh_str_bytes(token);
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_token, SH_KEY_BYTES),
                          &part, 1, out);
}

static struct sh_str hash_key(const uint8_t hash[SH_HASH_BYTES])
{
    return sh_str_of((const char *)hash, SH_HASH_BYTES);
}

int64_t guard_session_ends(const struct sh_guard *g, const struct guard_session *s)
{
    const int64_t idle = s->used_us + guard_set(g)->session_idle_us;
    const int64_t last = s->created_us + guard_set(g)->session_max_us;
    return idle < last ? idle : last;
}

static void session_refresh(struct sh_guard *g, struct guard_session *s)
{
    const struct guard_subject *person = guard_subject_at(g, s->person->slot);
    guard_subject_set(g, s->slot, atomic_load(&person->permissions), atomic_load(&person->clear),
                      guard_session_ends(g, s));
    guard_subject_scopes(g, s->slot, atomic_load(&person->scopes));
    guard_subject_must(g, s->slot, atomic_load(&person->must));
}

/* The object, its slot and its place; content from form. Under lock. */
static sh_err session_add(struct sh_guard *g, const struct guard_session *form,
                          struct guard_session **out)
{
    struct guard_session *s = sh_mem_new(g->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    *s = *form;
    sh_err err = guard_subject_new(g, SH_PRINCIPAL_PERSON, s, &s->slot);
    if (err == SH_OK) {
        guard_subject_at(g, s->slot)->session = true;
        err = sh_map_put(&g->sessions, hash_key(s->hash), s);
        if (err != SH_OK) {
            guard_subject_free(g, s->slot);
        }
    }
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, s);
        return err;
    }
    *out = s;
    return SH_OK;
}

void guard_session_free(struct sh_guard *g, struct guard_session *s)
{
    (void)sh_map_del(&g->sessions, hash_key(s->hash));
    guard_subject_free(g, s->slot);
    guard_hint_drop(g, s);
    sh_mem_free(g->env->alloc, s);
}

static sh_err session_store(const struct guard_session *s, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, s->person->tenant);
    sh_jw_key(&w, "person");
    sh_jw_c(&w, s->person->name);
    sh_jw_key(&w, "created");
    sh_jw_i64(&w, s->created_us);
    sh_jw_key(&w, "used");
    sh_jw_i64(&w, s->used_us);
    sh_jw_key(&w, "peer");
    sh_jw_c(&w, s->peer);
    sh_jw_key(&w, "agent");
    sh_jw_c(&w, s->agent);
    if (s->provider[0] != '\0') {
        sh_jw_key(&w, "provider");
        sh_jw_c(&w, s->provider);
    }
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

static sh_err batch_session(struct sh_guard *g, struct guard_batch *b,
                            const struct guard_session *s)
{
    char hex[SH_HASH_HEX];
    struct sh_buf text;
    sh_hash_hex(s->hash, hex);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_err err = session_store(s, &text);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_SESSION, sh_str_c(hex), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

sh_err guard_session_batch_end(struct guard_batch *b, const struct guard_session *s)
{
    char hex[SH_HASH_HEX];
    sh_hash_hex(s->hash, hex);
    return guard_batch_delete(b, GUARD_SESSION, sh_str_c(hex));
}

sh_err guard_session_load(struct sh_guard *g, const json_t *o, struct sh_str key)
{
    struct guard_session f = {
        .created_us = sh_json_get_i64(o, "created", 0),
        .used_us = sh_json_get_i64(o, "used", 0),
    };
    struct guard_session *s = NULL;
    f.saved_us = f.used_us;
    f.person = guard_person_find(g, (uint32_t)sh_json_get_i64(o, "tenant", 0),
                                 sh_json_get_str(o, "person"));
    if (f.person == NULL || !guard_hex_read(key, f.hash) ||
        !guard_copy(f.peer, sizeof f.peer, sh_json_get_str(o, "peer")) ||
        !guard_copy(f.agent, sizeof f.agent, sh_json_get_str(o, "agent")) ||
        !guard_copy(f.provider, sizeof f.provider, sh_json_get_str(o, "provider"))) {
        return SH_E_CORRUPT;
    }
    f.confirmed_us = f.created_us;
    SH_TRY(session_add(g, &f, &s));
    session_refresh(g, s);
    return SH_OK;
}

sh_err guard_sessions_end(struct sh_guard *g, const struct guard_person *p, const uint8_t *keep,
                          struct guard_batch *b)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        const struct guard_session *s = v;
        if (s->person == p && (keep == NULL || memcmp(keep, s->hash, SH_HASH_BYTES) != 0)) {
            SH_TRY(guard_session_batch_end(b, s));
        }
    }
    return SH_OK;
}

void guard_sessions_drop(struct sh_guard *g, const struct guard_person *p, const uint8_t *keep)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        struct guard_session *s = v;
        if (s->person == p && (keep == NULL || memcmp(keep, s->hash, SH_HASH_BYTES) != 0)) {
            guard_session_free(g, s);
        }
    }
}

/* ---- making one ---- */

static sh_err csrf_of(const struct sh_guard *g, struct sh_str token, char out[SH_SECRET_CHARS])
{
    uint8_t mac[SH_HASH_BYTES];
    char hex[SH_HASH_HEX];
    const struct sh_bytes part = sh_str_bytes(token);
    SH_TRY(sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_csrf, SH_KEY_BYTES),
                          &part, 1, mac));
    sh_hash_hex(mac, hex);
    (void)guard_copy(out, SH_SECRET_CHARS, sh_str_of(hex, 48)); /* 192 bits */
    return SH_OK;
}

/* The session that has to go for a new one: the least recently used of the person beyond its
 * number, or of anybody when the table is full. Under lock. */
static struct guard_session *find_excess(struct sh_guard *g, const struct guard_person *p)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    uint32_t own = 0;
    struct guard_session *oldest = NULL;
    struct guard_session *oldest_own = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        struct guard_session *s = v;
        oldest = oldest == NULL || s->used_us < oldest->used_us ? s : oldest;
        if (s->person == p) {
            own++;
            oldest_own = oldest_own == NULL || s->used_us < oldest_own->used_us ? s : oldest_own;
        }
    }
    if (own >= guard_set(g)->sessions_per_person) {
        return oldest_own;
    }
    return g->sessions.n >= guard_set(g)->max_sessions ? oldest : NULL;
}

struct new_session {
    struct guard_person *owner;
    struct guard_factor factor; /* after it */
    struct guard_session *session;
    struct guard_session *excess;
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16];
    struct sh_principal person;
};

/* The start of a text that is no longer than fits, cut at a character. */
static void copy_start(char *out, size_t cap, struct sh_str s)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;
    while (n > 0 && n < s.n && ((uint8_t)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    (void)guard_copy(out, cap,
                     sh_utf8_valid(sh_str_sub(s, 0, n)) ? sh_str_sub(s, 0, n) : SH_STR(""));
}

/* The second factor, where there is one: the person's new state goes into the batch. Under change
 * and lock. */
static sh_err plan_factor(struct sh_guard *g, const struct sh_sign_in_ask *ask,
                          struct new_session *n, struct guard_batch *b)
{
    const struct guard_person *p = n->owner;
    SH_TRY(guard_factor_check(g, p, ask, &n->factor));
    struct guard_person form = *p;
    form.factor = n->factor;
    return guard_person_batch(g, b, &form);
}

/* Under change and lock. */
static sh_err plan_session(struct sh_guard *g, struct guard_person *p, struct sh_str token,
                           const struct sh_sign_in_ask *ask, const struct guard_way *way,
                           struct new_session *n, struct guard_batch *b)
{
    struct guard_session f = {.person = p, .created_us = guard_now(g)};
    f.used_us = f.created_us;
    f.saved_us = f.created_us;
    f.confirmed_us = f.created_us;
    copy_start(f.peer, sizeof f.peer, ask->peer);
    copy_start(f.agent, sizeof f.agent, ask->agent);
    if (way != NULL) {
        (void)guard_copy(f.provider, sizeof f.provider, way->provider);
    }
    SH_TRY(guard_hash_token(g, token, f.hash));
    n->excess = find_excess(g, p);
    n->person = guard_subject_handle(g, p->slot, p->tenant, false);
    if (n->excess != NULL) {
        SH_TRY(guard_session_batch_end(b, n->excess));
    }
    SH_TRY(guard_person_label(g, p, n->object + 7, sizeof n->object - 7));
    SH_TRY(session_add(g, &f, &n->session)); /* without permissions until the commit */
    const sh_err err = batch_session(g, b, n->session);
    if (err != SH_OK) {
        guard_session_free(g, n->session);
        n->session = NULL;
    }
    return err;
}

/* Under change and lock. */
static sh_err plan_new(struct sh_guard *g, struct guard_person *p, const struct sh_sign_in_ask *ask,
                       const struct guard_way *way, struct sh_sign_in *out, struct new_session *n,
                       struct guard_batch *b)
{
    if (p == NULL || p->disabled) {
        return SH_E_DENIED;
    }
    n->owner = p;
    n->factor = p->factor;
    if (guard_has_factor(p) && (way == NULL || !way->no_code)) {
        out->code_needed = ask->code.n == 0 && ask->key == NULL;
        out->key_possible = p->factor.nkeys > 0;
        out->code_possible = p->factor.on;
        SH_TRY(plan_factor(g, ask, n, b));
    }
    return plan_session(g, p, sh_str_c(out->token), ask, way, n, b);
}

/* After the commit. Under lock. */
static void session_begin(struct sh_guard *g, const struct new_session *n, struct sh_sign_in *out)
{
    if (n->excess != NULL) {
        guard_session_free(g, n->excess);
    }
    n->owner->factor = n->factor;
    n->owner->fails = (struct guard_fails){0};
    guard_person_refresh(g, n->owner);
    session_refresh(g, n->session);
    out->who = guard_subject_handle(g, n->session->slot, n->owner->tenant, false);
    out->expires_us = guard_session_ends(g, n->session);
    g->stats.sign_ins++;
}

/* For the audit chain. */
static void how_text(const struct new_session *n, const struct sh_sign_in_ask *ask,
                     const struct guard_way *way, char *out, size_t cap)
{
    const bool second = guard_has_factor(n->owner) && (way == NULL || !way->no_code);
    (void)guard_print(out, cap, "%s%s", way == NULL ? "password" : way->words,
                      !second            ? ""
                      : ask->key != NULL ? " and security key"
                                         : " and code");
}

sh_err guard_session_new(struct sh_guard *g, uint32_t tenant, struct sh_str name,
                         const struct sh_sign_in_ask *ask, const struct guard_way *way,
                         struct sh_sign_in *out)
{
    struct guard_batch b;
    struct new_session n = {.object = "person:"};
    SH_TRY(sh_random_token(g->env->random, "shs_", out->token, sizeof out->token));
    SH_TRY(csrf_of(g, sh_str_c(out->token), out->csrf));
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_new(g, guard_person_find(g, tenant, name), ask, way, out, &n, &b);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        char how[GUARD_SUBJECT_MAX + 160];
        how_text(&n, ask, way, how, sizeof how);
        const struct sh_audit audit = {
            .by = &n.person,
            .tenant = tenant,
            .act = SH_STR("session.created"),
            .object = sh_str_c(n.object),
            .result = SH_STR("ok"),
            .detail = sh_str_c(how),
            .peer = ask->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        session_begin(g, &n, out);
        if (way != NULL) {
            guard_hint_take(g, n.session, way->hint);
        }
    } else if (n.session != NULL) {
        guard_session_free(g, n.session);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    if (err != SH_OK) {
        sh_crypto_wipe(out->token, sizeof out->token);
    }
    return err;
}

/* ---- using and ending ---- */

/* SH_E_DENIED: can not be a session's secret. Outside the lock: a hash costs more than a look-up.
 */
static sh_err session_hash(const struct sh_guard *g, struct sh_str token,
                           uint8_t hash[SH_HASH_BYTES])
{
    if (!sh_str_starts(token, SH_STR("shs_")) || token.n >= SH_SECRET_CHARS) {
        return SH_E_DENIED;
    }
    return guard_hash_token(g, token, hash);
}

sh_err sh_guard_by_session(struct sh_guard *g, struct sh_str token, struct sh_principal *out,
                           char csrf[SH_SECRET_CHARS], int64_t *expires_us)
{
    uint8_t hash[SH_HASH_BYTES];
    SH_TRY(session_hash(g, token, hash));
    sh_mutex_lock(&g->lock);
    struct guard_session *s = sh_map_get(&g->sessions, hash_key(hash));
    const int64_t now = guard_now(g);
    const bool good = s != NULL && guard_session_ends(g, s) > now && !s->person->disabled;
    if (good) {
        s->used_us = now > s->used_us ? now : s->used_us;
        guard_person_refresh(g, s->person); /* a password may have expired since */
        session_refresh(g, s);
        *out = guard_subject_handle(g, s->slot, s->person->tenant, false);
        if (expires_us != NULL) {
            *expires_us = guard_session_ends(g, s);
        }
    }
    sh_mutex_unlock(&g->lock);
    if (!good) {
        return SH_E_DENIED;
    }
    return csrf == NULL ? SH_OK : csrf_of(g, token, csrf);
}

bool sh_guard_csrf_ok(struct sh_guard *g, struct sh_str session_token, struct sh_str csrf)
{
    char want[SH_SECRET_CHARS];
    return csrf_of(g, session_token, want) == SH_OK &&
           sh_bytes_eq_ct(sh_str_bytes(csrf), sh_bytes_of(want, strlen(want)));
}

sh_err sh_guard_sign_out(struct sh_guard *g, struct sh_str token)
{
    struct guard_batch b;
    struct sh_principal by = {0};
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
    uint8_t hash[SH_HASH_BYTES];
    sh_err err = SH_E_NOTFOUND;
    if (session_hash(g, token, hash) != SH_OK) {
        return SH_E_NOTFOUND;
    }
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_session *s = sh_map_get(&g->sessions, hash_key(hash));
    if (s != NULL) {
        by = guard_subject_handle(g, s->slot, s->person->tenant, false);
        err = guard_person_label(g, s->person, object + 7, sizeof object - 7);
    }
    if (err == SH_OK) {
        err = guard_session_batch_end(&b, s);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        const struct sh_audit audit = {
            .by = &by,
            .tenant = by.tenant,
            .act = SH_STR("session.ended"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
        };
        err = guard_commit(g, &b, &audit);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        guard_session_free(g, s);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

/* Ends what has expired and saves last-used times, in one transaction; no audit: nobody did it. */
void guard_sessions_tick(struct sh_guard *g)
{
    struct guard_batch b;
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    sh_err err = SH_OK;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    const int64_t now = guard_now(g);
    while (err == SH_OK && b.n < CHANGES_MAX && sh_map_next(&g->sessions, &it, &key, &v)) {
        const struct guard_session *s = v;
        if (guard_session_ends(g, s) <= now) {
            err = guard_session_batch_end(&b, s);
        } else if (s->used_us - s->saved_us >= SAVE_S * INT64_C(1000000)) {
            err = batch_session(g, &b, s);
        }
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_batch_commit(g, &b);
    }
    sh_mutex_lock(&g->lock);
    for (it = 0; err == SH_OK && sh_map_next(&g->sessions, &it, &key, &v);) {
        struct guard_session *s = v;
        if (guard_session_ends(g, s) <= now) {
            guard_session_free(g, s); /* beyond CHANGES_MAX: the store forgets it later */
        } else if (s->used_us - s->saved_us >= SAVE_S * INT64_C(1000000)) {
            s->saved_us = s->used_us;
        }
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
}
