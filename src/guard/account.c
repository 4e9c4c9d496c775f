/* What a person sees and does about the own account, and an administrator about another's:
 * sessions, second factor, proving once more who sits there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

sh_err sh_guard_account_write(struct sh_guard *g, const struct sh_principal *p, struct sh_jw *w)
{
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, p);
    const struct guard_person *who =
        s != NULL ? s->person : guard_subject_owner(g, p, SH_PRINCIPAL_PERSON);
    sh_err err = who == NULL ? SH_E_NOTFOUND : SH_OK;
    if (who != NULL) {
        const uint8_t must = guard_person_must(g, who);
        const int64_t ends = guard_password_ends(g, who);
        sh_jw_key(w, "must");
        sh_jw_arr(w);
        if ((must & GUARD_MUST_PASSWORD) != 0) {
            sh_jw_c(w, "password");
        }
        if ((must & GUARD_MUST_FACTOR) != 0) {
            sh_jw_c(w, "second_factor");
        }
        sh_jw_arr_end(w);
        sh_jw_key(w, "second_factor");
        sh_jw_bool(w, guard_has_factor(who));
        sh_jw_key(w, "totp");
        sh_jw_bool(w, who->factor.on);
        sh_jw_key(w, "keys");
        err = guard_authkeys_write(g, &who->factor, w);
        sh_jw_key(w, "password"); /* there is one here */
        sh_jw_bool(w, who->phc[0] != '\0');
        sh_jw_key(w, "providers"); /* that the person is linked to */
        sh_jw_arr(w);
        for (uint32_t i = 0; i < who->nidentities; i++) {
            if (!who->identities[i].named) {
                sh_jw_c(w, who->identities[i].provider);
            }
        }
        sh_jw_arr_end(w);
        sh_jw_key(w, "directories"); /* those of them where the password lives */
        sh_jw_arr(w);
        for (uint32_t i = 0; i < who->nidentities; i++) {
            const struct guard_provider *at =
                guard_provider_find(g, sh_str_c(who->identities[i].provider));
            if (at != NULL && at->kind == GUARD_LDAP && !who->identities[i].named) {
                sh_jw_c(w, at->id);
            }
        }
        sh_jw_arr_end(w);
        sh_jw_key(w, "recovery_left");
        sh_jw_u64(w, who->factor.nrecovery);
        sh_jw_key(w, "password_set");
        who->password_us == 0 ? sh_jw_null(w) : sh_jw_time(w, who->password_us);
        sh_jw_key(w, "password_expires");
        ends == INT64_MAX ? sh_jw_null(w) : sh_jw_time(w, ends);
        if (s != NULL && guard_set(g)->confirm_us != 0) {
            sh_jw_key(w, "confirmed_until");
            sh_jw_time(w, s->confirmed_us + guard_set(g)->confirm_us);
        }
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

struct guard_session *guard_session_of(const struct sh_guard *g, const struct sh_principal *p)
{
    const struct guard_subject *s = guard_subject_at(g, p->slot);
    void *owner = guard_subject_owner(g, p, SH_PRINCIPAL_PERSON);
    return owner != NULL && s->session ? owner : NULL;
}

sh_err guard_account_of(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                        enum sh_permission perm, struct guard_person **out)
{
    if (name.n == 0) {
        const struct guard_session *s = guard_session_of(g, at->by);
        *out = s == NULL ? NULL : s->person;
        return s == NULL ? SH_E_STATE : SH_OK;
    }
    SH_TRY(sh_guard_check(g, at->by, perm, at->tenant));
    *out = guard_person_find(g, at->tenant, name);
    return *out == NULL ? SH_E_NOTFOUND : SH_OK;
}

/* ---- sessions ---- */

/* Part of the keyed hash: names a session and tells nothing of its secret. */
enum { ID_CHARS = 16 };

static void session_id(const struct guard_session *s, char out[ID_CHARS + 1])
{
    char hex[SH_HASH_HEX];
    sh_hash_hex(s->hash, hex);
    (void)guard_copy(out, ID_CHARS + 1, sh_str_of(hex, ID_CHARS));
}

static void session_write(struct sh_guard *g, const struct guard_session *s, bool own,
                          struct sh_jw *w)
{
    char id[ID_CHARS + 1];
    session_id(s, id);
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_c(w, id);
    sh_jw_key(w, "created");
    sh_jw_time(w, s->created_us);
    sh_jw_key(w, "used");
    sh_jw_time(w, s->used_us);
    sh_jw_key(w, "expires");
    sh_jw_time(w, guard_session_ends(g, s));
    sh_jw_key(w, "address");
    sh_jw_c(w, s->peer);
    sh_jw_key(w, "agent");
    sh_jw_c(w, s->agent);
    sh_jw_key(w, "provider");
    sh_jw_c(w, s->provider);
    sh_jw_key(w, "current");
    sh_jw_bool(w, own);
    sh_jw_obj_end(w);
}

/* The person's session that was used last before `before` (of equal times, the one behind in the
 * map does not matter: ids differ). NULL: no more. */
static const struct guard_session *session_before(struct sh_guard *g, const struct guard_person *p,
                                                  const struct guard_session *before)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    const struct guard_session *best = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        const struct guard_session *s = v;
        const bool later =
            before != NULL &&
            (s->used_us > before->used_us ||
             (s->used_us == before->used_us && memcmp(s->hash, before->hash, SH_HASH_BYTES) >= 0));
        if (s->person != p || later || guard_session_ends(g, s) <= guard_now(g)) {
            continue;
        }
        if (best == NULL || s->used_us > best->used_us ||
            (s->used_us == best->used_us && memcmp(s->hash, best->hash, SH_HASH_BYTES) > 0)) {
            best = s;
        }
    }
    return best;
}

sh_err sh_guard_sessions_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                               struct sh_jw *w)
{
    struct guard_person *p = NULL;
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_account_of(g, at, name, SH_PERM_PEOPLE_READ, &p);
    const struct guard_session *own = guard_session_of(g, at->by);
    const struct guard_session *s = NULL;
    while (err == SH_OK && (s = session_before(g, p, s)) != NULL) {
        session_write(g, s, s == own, w);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

/* Under change and lock. The sessions that end, into the batch. */
static sh_err plan_end(struct sh_guard *g, const struct guard_person *p, struct sh_str id,
                       const struct guard_session *own, struct guard_batch *b,
                       const uint8_t **keep_or_end)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    *keep_or_end = own != NULL && own->person == p ? own->hash : NULL;
    if (id.n == 0) {
        return guard_sessions_end(g, p, *keep_or_end, b);
    }
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        struct guard_session *s = v;
        char text[ID_CHARS + 1];
        session_id(s, text);
        if (s->person == p && sh_str_eqc(id, text)) {
            *keep_or_end = s->hash;
            return guard_session_batch_end(b, s);
        }
    }
    return SH_E_NOTFOUND;
}

/* After the commit; under change and lock. */
static void apply_end(struct sh_guard *g, const struct guard_person *p, struct sh_str id,
                      const uint8_t *keep_or_end)
{
    if (id.n == 0) {
        guard_sessions_drop(g, p, keep_or_end);
        return;
    }
    struct guard_session *s =
        sh_map_get(&g->sessions, sh_str_of((const char *)keep_or_end, SH_HASH_BYTES));
    if (s != NULL) {
        guard_session_free(g, s);
    }
}

sh_err sh_guard_sessions_end(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                             struct sh_str id)
{
    struct guard_batch b;
    struct guard_person *p = NULL;
    const uint8_t *which = NULL;
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = guard_account_of(g, at, name, SH_PERM_PEOPLE_WRITE, &p);
    if (err == SH_OK && name.n > 0) { /* nobody throws out one who holds more */
        err = guard_may_give(g, at->by, p, guard_person_worth(p), p->tenant, NULL);
    }
    if (err == SH_OK) {
        err = plan_end(g, p, id, guard_session_of(g, at->by), &b, &which);
    }
    if (err == SH_OK) {
        err = guard_person_label(g, p, object + 7, sizeof object - 7);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        const struct sh_audit audit = {
            .by = at->by,
            .tenant = p->tenant,
            .act = id.n == 0 ? SH_STR("sessions.ended") : SH_STR("session.ended"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = id,
            .peer = at->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        apply_end(g, p, id, which);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

/* ---- proving once more ---- */

/* The code, after the password was right. Under change and lock; a code that was used is stored. */
static sh_err confirm_code(struct sh_guard *g, struct guard_session *s,
                           const struct sh_sign_in_ask *ask, struct sh_sign_in *out,
                           struct guard_factor *after)
{
    *after = s->person->factor;
    if (!guard_has_factor(s->person)) {
        return SH_OK;
    }
    out->code_needed = ask->code.n == 0 && ask->key == NULL;
    out->key_possible = after->nkeys > 0;
    out->code_possible = after->on;
    return out->code_needed ? SH_E_DENIED : guard_factor_check(g, s->person, ask, after);
}

static sh_err confirm_commit(struct sh_guard *g, const struct guard_person *p,
                             const struct guard_factor *after)
{
    struct guard_batch b;
    if (!guard_has_factor(p)) {
        return SH_OK;
    }
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->lock);
    struct guard_person form = *p;
    form.factor = *after;
    sh_err err = guard_person_batch(g, &b, &form);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_batch_commit(g, &b);
    }
    guard_batch_fini(&b);
    return err;
}

static sh_err confirmed(struct sh_guard *g, const struct sh_principal *p,
                        const struct sh_sign_in_ask *ask, struct sh_sign_in *out)
{
    struct guard_factor after = {.on = false};
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_session *s = guard_session_of(g, p);
    struct guard_person *who = s == NULL ? NULL : s->person;
    sh_err err = s == NULL ? SH_E_STATE : confirm_code(g, s, ask, out, &after);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = confirm_commit(g, who, &after);
    }
    sh_mutex_lock(&g->lock);
    s = guard_session_of(g, p); /* it may have been signed out */
    if (err == SH_OK && s != NULL) {
        s->person->factor = after;
        s->person->fails = (struct guard_fails){0};
        s->confirmed_us = guard_now(g);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err sh_guard_confirm(struct sh_guard *g, const struct sh_principal *p,
                        const struct sh_sign_in_ask *ask, struct sh_sign_in *out)
{
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    memset(out, 0, sizeof *out);
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, p);
    const sh_err found =
        s == NULL ? SH_E_STATE : guard_person_label(g, s->person, user, sizeof user);
    sh_mutex_unlock(&g->lock);
    SH_TRY(found);
    SH_TRY(guard_password_check(g, sh_str_c(user), ask->password, ask->peer, &out->retry_after_us));
    const sh_err err = confirmed(g, p, ask, out);
    if (err == SH_E_DENIED && !out->code_needed) {
        guard_code_failed(g, sh_str_c(user), ask->peer);
    }
    return err;
}

sh_err guard_session_confirm(struct sh_guard *g, const uint8_t hash[SH_HASH_BYTES],
                             const struct sh_sign_in_ask *ask, const struct guard_way *way,
                             struct sh_sign_in *out)
{
    struct sh_principal p = {0};
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
    sh_mutex_lock(&g->lock);
    struct guard_session *s =
        sh_map_get(&g->sessions, sh_str_of((const char *)hash, SH_HASH_BYTES));
    sh_err err = s == NULL || guard_session_ends(g, s) <= guard_now(g) || s->person->disabled
                     ? SH_E_STATE
                     : guard_person_label(g, s->person, object + 7, sizeof object - 7);
    if (err == SH_OK) {
        p = guard_subject_handle(g, s->slot, s->person->tenant, false);
        s->confirmed_us = ask == NULL ? guard_now(g) : s->confirmed_us;
    }
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK && ask != NULL ? confirmed(g, &p, ask, out) : err;
    if (err == SH_OK) {
        const struct sh_audit audit = {
            .by = &p,
            .tenant = p.tenant,
            .act = SH_STR("session.confirmed"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_str_c(way->words),
            .peer = ask == NULL ? SH_STR("") : ask->peer,
        };
        sh_guard_audit_post(g, &audit);
    }
    return err;
}

bool sh_guard_confirmed(struct sh_guard *g, const struct sh_principal *p)
{
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, p);
    const bool good = s == NULL || guard_set(g)->confirm_us == 0 ||
                      guard_now(g) < s->confirmed_us + guard_set(g)->confirm_us;
    sh_mutex_unlock(&g->lock);
    return good;
}
