/* Security keys and passkeys as second factor (WebAuthn). A challenge carries its own proof - time,
 * random bytes and a MAC over what it is for - so that nothing is kept for those who only ask. It
 * is good for five minutes and once: the time of the last one that was answered is stored with the
 * session that it opened. What a key signs is bound to the host that the browser asked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { RANDOM = 16, MAC = 24, CHALLENGE = 8 + RANDOM + MAC, CHALLENGE_CHARS = CHALLENGE / 3 * 4 };
enum { ID_CHARS = (SH_WEBAUTHN_ID_MAX + 2) / 3 * 4 + 1, LONGEST_S = 300 };

/* ---- host ---- */

/* The name without the port: what browsers take as relying party. An address is none. */
static sh_err rp_of(struct sh_str host, char out[GUARD_HOST_MAX + 1])
{
    const size_t colon = sh_str_rfind(host, ':');
    const struct sh_str name = sh_str_sub(host, 0, colon == SIZE_MAX ? host.n : colon);
    bool letters = false;
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];
        letters = letters || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '[' || c == ':') {
            return SH_E_UNSUPPORTED;
        }
    }
    if (!letters || !guard_copy(out, GUARD_HOST_MAX + 1, name)) {
        return SH_E_UNSUPPORTED;
    }
    for (char *p = out; *p != '\0'; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    return SH_OK;
}

/* ---- challenges ---- */

/* Who and what for; a challenge of one person or purpose is none of another. */
static sh_err challenge_mac(const struct sh_guard *g, const struct guard_person *p,
                            const char *type, const char *rp, const uint8_t head[8 + RANDOM],
                            uint8_t out[SH_HASH_BYTES])
{
    char about[SH_NAME_MAX + GUARD_HOST_MAX + 64];
    if (!guard_print(about, sizeof about, "webauthn/%s/%u:%s/%s/", type, p->tenant, p->name, rp)) {
        return SH_E_LIMIT;
    }
    const struct sh_bytes parts[] = {sh_str_bytes(sh_str_c(about)), sh_bytes_of(head, 8 + RANDOM)};
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_mark, SH_KEY_BYTES),
                          parts, 2, out);
}

static sh_err base64_text(struct sh_bytes in, char *out, size_t cap)
{
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), cap);
    sh_err err = sh_base64_put(&b, in, true);
    if (err == SH_OK && !guard_copy(out, cap, sh_buf_str(&b))) {
        err = SH_E_LIMIT;
    }
    sh_buf_fini(&b);
    return err;
}

static sh_err challenge_make(const struct sh_guard *g, const struct guard_person *p,
                             const char *type, const char *rp, char out[CHALLENGE_CHARS + 1])
{
    uint8_t raw[CHALLENGE];
    uint8_t mac[SH_HASH_BYTES];
    const uint64_t now = (uint64_t)guard_now(g);
    for (int i = 0; i < 8; i++) {
        raw[i] = (uint8_t)(now >> (56 - 8 * i));
    }
    SH_TRY(g->env->random->fill(g->env->random->ctx, raw + 8, RANDOM));
    SH_TRY(challenge_mac(g, p, type, rp, raw, mac));
    memcpy(raw + 8 + RANDOM, mac, MAC);
    return base64_text(sh_bytes_of(raw, sizeof raw), out, CHALLENGE_CHARS + 1);
}

/* Is it one of ours, for this, and young enough? *made_us: when. SH_E_DENIED. */
static sh_err challenge_check(const struct sh_guard *g, const struct guard_person *p,
                              const char *type, const char *rp, struct sh_str text,
                              int64_t *made_us)
{
    uint8_t raw[CHALLENGE];
    uint8_t mac[SH_HASH_BYTES];
    struct sh_buf b;
    sh_buf_init(&b, g->env->alloc, CHALLENGE + 3); /* it asks for a whole group more */
    const sh_err err = text.n != CHALLENGE_CHARS ? SH_E_DENIED : sh_base64_parse(text, true, &b);
    const bool whole = err == SH_OK && b.n == sizeof raw;
    if (whole) {
        memcpy(raw, b.p, sizeof raw);
    }
    sh_buf_fini(&b);
    if (!whole) {
        return err == SH_E_NOMEM ? err : SH_E_DENIED;
    }
    SH_TRY(challenge_mac(g, p, type, rp, raw, mac));
    *made_us = (int64_t)((uint64_t)sh_be32(raw) << 32 | sh_be32(raw + 4));
    const int64_t age = guard_now(g) - *made_us;
    const bool good = sh_bytes_eq_ct(sh_bytes_of(raw + 8 + RANDOM, MAC), sh_bytes_of(mac, MAC)) &&
                      age >= 0 && age < LONGEST_S * INT64_C(1000000);
    return good ? SH_OK : SH_E_DENIED;
}

/* The client data against the challenge in it, which must be ours. */
static sh_err client_check(const struct sh_guard *g, const struct guard_person *p, const char *type,
                           const char *rp, struct sh_bytes client, struct sh_str host,
                           int64_t *made_us)
{
    json_t *keep = NULL;
    struct sh_str challenge;
    char full[24];
    SH_TRY(sh_webauthn_client_challenge(client, &keep, &challenge));
    (void)guard_print(full, sizeof full, "webauthn.%s", type);
    sh_err err = challenge_check(g, p, type, rp, challenge, made_us);
    if (err == SH_OK) {
        const struct sh_webauthn_client want = {
            .type = sh_str_c(full), .challenge = challenge, .host = host};
        err = sh_webauthn_client_check(client, &want);
    }
    json_decref(keep);
    return err;
}

/* Authenticator data for this relying party, touched by somebody. */
static sh_err data_check(const struct sh_guard *g, const char *rp, struct sh_bytes data,
                         struct sh_webauthn_data *out)
{
    uint8_t hash[SH_HASH_BYTES];
    const struct sh_bytes name = sh_str_bytes(sh_str_c(rp));
    SH_TRY(sh_webauthn_data_parse(data, out));
    SH_TRY(sh_crypto_hash(g->crypto, SH_DIGEST_SHA256, &name, 1, hash));
    return memcmp(hash, out->rp_hash, sizeof hash) == 0 && (out->flags & SH_WEBAUTHN_PRESENT) != 0
               ? SH_OK
               : SH_E_DENIED;
}

/* ---- signing in ---- */

sh_err guard_authkey_check(const struct sh_guard *g, const struct guard_person *p,
                           const struct sh_guard_assertion *a, struct guard_factor *after)
{
    char rp[GUARD_HOST_MAX + 1];
    struct sh_webauthn_data d;
    int64_t made_us = 0;
    struct guard_authkey *k = NULL;
    for (uint32_t i = 0; i < after->nkeys; i++) {
        struct guard_authkey *one = &after->keys[i];
        if (a->id.n == one->id_n && memcmp(a->id.p, one->id, one->id_n) == 0) {
            k = one;
        }
    }
    if (k == NULL || rp_of(a->host, rp) != SH_OK || strcmp(rp, k->rp) != 0) {
        return SH_E_DENIED;
    }
    sh_err err = client_check(g, p, "get", rp, a->client, a->host, &made_us);
    if (err == SH_OK) {
        err = data_check(g, rp, a->data, &d);
    }
    if (err == SH_OK) {
        err = sh_webauthn_verify(g->crypto, sh_bytes_of(k->cose, k->cose_n), a->data, a->client,
                                 a->signature);
    }
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_DENIED;
    }
    if (made_us <= p->factor.challenge_us) {
        return SH_E_DENIED; /* answered already */
    }
    if ((d.count != 0 || k->count != 0) && d.count <= k->count) {
        sh_log(g->env->log, SH_LOG_WARN, "guard",
               "a security key of %s counts backwards (%u after %u): it may have been copied",
               p->name, d.count, k->count);
        return SH_E_DENIED;
    }
    k->count = d.count;
    k->used_us = guard_now(g);
    after->challenge_us = made_us;
    return SH_OK;
}

/* ids of the keys for a relying party, as an array; *n how many. */
static sh_err ids_write(const struct guard_factor *f, const char *rp, struct sh_jw *w, uint32_t *n)
{
    char id[ID_CHARS];
    *n = 0;
    sh_jw_arr(w);
    for (uint32_t i = 0; i < f->nkeys; i++) {
        if (strcmp(f->keys[i].rp, rp) == 0) {
            SH_TRY(base64_text(sh_bytes_of(f->keys[i].id, f->keys[i].id_n), id, sizeof id));
            sh_jw_c(w, id);
            (*n)++;
        }
    }
    sh_jw_arr_end(w);
    return SH_OK;
}

/* Under lock. */
sh_err guard_authkey_ask(struct sh_guard *g, const struct guard_person *p, struct sh_str host,
                         struct sh_jw *w)
{
    char rp[GUARD_HOST_MAX + 1];
    char challenge[CHALLENGE_CHARS + 1];
    uint32_t n = 0;
    if (p == NULL) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(rp_of(host, rp));
    SH_TRY(challenge_make(g, p, "get", rp, challenge));
    sh_jw_key(w, "challenge");
    sh_jw_c(w, challenge);
    sh_jw_key(w, "rp_id");
    sh_jw_c(w, rp);
    sh_jw_key(w, "ids");
    SH_TRY(ids_write(&p->factor, rp, w, &n));
    return n > 0 ? SH_OK : SH_E_NOTFOUND;
}

sh_err sh_guard_key_ask(struct sh_guard *g, const struct sh_principal *p,
                        const struct sh_sign_in_ask *ask, struct sh_str host,
                        struct sh_sign_in *out, struct sh_jw *w)
{
    const bool password = ask->password.n > 0;
    memset(out, 0, sizeof *out);
    if (password) {
        SH_TRY(guard_password_check(g, ask->user, ask->password, ask->peer, &out->retry_after_us));
    }
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = password || p == NULL ? NULL : guard_session_of(g, p);
    const struct guard_person *who =
        s != NULL ? s->person : (password ? guard_person_by_user(g, ask->user) : NULL);
    const sh_err err = guard_authkey_ask(g, who, host, w);
    sh_mutex_unlock(&g->lock);
    return err;
}

/* ---- registering ---- */

sh_err sh_guard_key_begin(struct sh_guard *g, const struct sh_principal *p, struct sh_str host,
                          struct sh_jw *w)
{
    char rp[GUARD_HOST_MAX + 1];
    char challenge[CHALLENGE_CHARS + 1];
    char label[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    char user[ID_CHARS];
    uint8_t mark[SH_HASH_BYTES];
    uint32_t n = 0;
    SH_TRY(rp_of(host, rp));
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, p);
    const struct guard_person *who = s == NULL ? NULL : s->person;
    sh_err err = who == NULL                                  ? SH_E_STATE
                 : who->factor.nkeys >= GUARD_KEYS_PER_PERSON ? SH_E_LIMIT
                                                              : SH_OK;
    if (err == SH_OK) {
        err = guard_person_label(g, who, label, sizeof label);
    }
    if (err == SH_OK) { /* a user handle tells nothing of the person (clause 14.6.1) */
        const struct sh_str part = sh_str_c(label);
        err = sh_guard_mark(g, SH_STR("webauthn user"), &part, 1, mark);
    }
    if (err == SH_OK) {
        err = base64_text(sh_bytes_of(mark, sizeof mark), user, sizeof user);
    }
    if (err == SH_OK) {
        err = challenge_make(g, who, "create", rp, challenge);
    }
    if (err == SH_OK) {
        sh_jw_key(w, "challenge");
        sh_jw_c(w, challenge);
        sh_jw_key(w, "rp_id");
        sh_jw_c(w, rp);
        sh_jw_key(w, "user");
        sh_jw_obj(w);
        sh_jw_key(w, "id");
        sh_jw_c(w, user);
        sh_jw_key(w, "name");
        sh_jw_c(w, label);
        sh_jw_key(w, "display");
        sh_jw_c(w, who->display[0] == '\0' ? label : who->display);
        sh_jw_obj_end(w);
        sh_jw_key(w, "exclude");
        err = ids_write(&who->factor, rp, w, &n);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

static bool id_known(const struct guard_factor *f, struct sh_bytes id)
{
    for (uint32_t i = 0; i < f->nkeys; i++) {
        if (f->keys[i].id_n == id.n && memcmp(f->keys[i].id, id.p, id.n) == 0) {
            return true;
        }
    }
    return false;
}

/* What create made, into the new key. Under lock. */
static sh_err made_check(const struct sh_guard *g, const struct guard_person *p,
                         const struct sh_guard_key_made *made, struct guard_authkey *k,
                         int64_t *made_us)
{
    struct sh_bytes data;
    struct sh_webauthn_data d;
    SH_TRY(rp_of(made->host, k->rp));
    SH_TRY(client_check(g, p, "create", k->rp, made->client, made->host, made_us));
    SH_TRY(sh_webauthn_attestation_parse(made->attestation, &data));
    SH_TRY(data_check(g, k->rp, data, &d));
    if (d.id.n == 0) {
        return SH_E_PROTO;
    }
    SH_TRY(sh_webauthn_key_check(d.key));
    memcpy(k->id, d.id.p, d.id.n);
    k->id_n = (uint8_t)d.id.n;
    memcpy(k->cose, d.key.p, d.key.n);
    k->cose_n = (uint16_t)d.key.n;
    k->count = d.count;
    k->created_us = guard_now(g);
    if (made->name.n == 0) {
        (void)guard_print(k->name, sizeof k->name, "%u", p->factor.nkeys + 1);
    } else if (!guard_copy(k->name, sizeof k->name, made->name) || !sh_utf8_valid(made->name)) {
        return SH_E_LIMIT;
    }
    return SH_OK;
}

/* Under change and lock. */
static sh_err plan_add(struct sh_guard *g, const struct sh_guard_at *at,
                       const struct sh_guard_key_made *made, struct guard_person_change *c,
                       struct guard_codes *codes)
{
    const struct guard_session *s = guard_session_of(g, at->by);
    struct guard_authkey k = {.id_n = 0};
    int64_t made_us = 0;
    if (s == NULL) {
        return SH_E_STATE;
    }
    const struct guard_person *p = s->person;
    SH_TRY(made_check(g, p, made, &k, &made_us));
    if (p->factor.nkeys >= GUARD_KEYS_PER_PERSON) {
        return SH_E_LIMIT;
    }
    if (id_known(&p->factor, sh_bytes_of(k.id, k.id_n))) {
        return SH_E_EXISTS;
    }
    if (made_us <= p->factor.challenge_us) {
        return SH_E_DENIED;
    }
    c->old = s->person;
    c->form = *p;
    c->form.factor.keys[c->form.factor.nkeys++] = k;
    c->form.factor.challenge_us = made_us;
    c->form.revision = guard_next_revision(g);
    codes->text[0][0] = '\0';
    return guard_has_factor(p) ? SH_OK : guard_codes_make(g, p, &c->form.factor, codes);
}

sh_err sh_guard_key_add(struct sh_guard *g, const struct sh_guard_at *at,
                        const struct sh_guard_key_made *made, struct sh_jw *w)
{
    struct guard_person_change c = {
        .by = at->by, .peer = at->peer, .act = SH_STR("person.security_key_added")};
    struct guard_codes codes;
    char id[ID_CHARS] = "";
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_add(g, at, made, &c, &codes);
    if (err == SH_OK) {
        const struct guard_authkey *k = &c.form.factor.keys[c.form.factor.nkeys - 1];
        err = base64_text(sh_bytes_of(k->id, k->id_n), id, sizeof id);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_person_commit(g, &c, NULL);
    }
    sh_mutex_unlock(&g->change);
    if (err == SH_OK) {
        sh_jw_key(w, "id");
        sh_jw_c(w, id);
        sh_jw_key(w, "recovery_codes");
        if (codes.text[0][0] == '\0') {
            sh_jw_null(w);
        } else {
            guard_codes_write(&codes, w);
        }
    }
    return err;
}

/* Under change and lock. */
static sh_err plan_remove(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id,
                          struct guard_person_change *c)
{
    const struct guard_session *s = guard_session_of(g, at->by);
    char text[ID_CHARS];
    if (s == NULL) {
        return SH_E_STATE;
    }
    c->old = s->person;
    c->form = *s->person;
    struct guard_factor *f = &c->form.factor;
    for (uint32_t i = 0; i < f->nkeys; i++) {
        SH_TRY(base64_text(sh_bytes_of(f->keys[i].id, f->keys[i].id_n), text, sizeof text));
        if (sh_str_eqc(id, text)) {
            f->nkeys--;
            memmove(&f->keys[i], &f->keys[i + 1], (f->nkeys - i) * sizeof f->keys[0]);
            f->nrecovery = guard_has_factor(&c->form) ? f->nrecovery : 0;
            c->form.revision = guard_next_revision(g);
            return SH_OK;
        }
    }
    return SH_E_NOTFOUND;
}

sh_err sh_guard_key_remove(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id)
{
    struct guard_person_change c = {
        .by = at->by, .peer = at->peer, .act = SH_STR("person.security_key_removed")};
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_remove(g, at, id, &c);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_person_commit(g, &c, NULL);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* ---- stored and shown ---- */

static sh_err put_base64(struct sh_jw *w, const char *key, struct sh_bytes in)
{
    char text[(SH_WEBAUTHN_KEY_MAX + 2) / 3 * 4 + 1];
    SH_TRY(base64_text(in, text, sizeof text));
    sh_jw_key(w, key);
    sh_jw_c(w, text);
    return SH_OK;
}

sh_err guard_authkeys_store(const struct sh_guard *g, const struct guard_factor *f, struct sh_jw *w)
{
    SH_UNUSED(g);
    sh_jw_key(w, "keys");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < f->nkeys; i++) {
        const struct guard_authkey *k = &f->keys[i];
        sh_jw_obj(w);
        SH_TRY(put_base64(w, "id", sh_bytes_of(k->id, k->id_n)));
        SH_TRY(put_base64(w, "cose", sh_bytes_of(k->cose, k->cose_n)));
        sh_jw_key(w, "count");
        sh_jw_u64(w, k->count);
        sh_jw_key(w, "created");
        sh_jw_i64(w, k->created_us);
        sh_jw_key(w, "used");
        sh_jw_i64(w, k->used_us);
        sh_jw_key(w, "name");
        sh_jw_c(w, k->name);
        sh_jw_key(w, "rp");
        sh_jw_c(w, k->rp);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "challenge");
    sh_jw_i64(w, f->challenge_us);
    return SH_OK;
}

static sh_err get_base64(const struct sh_guard *g, const json_t *o, const char *key, uint8_t *out,
                         size_t cap, size_t *n)
{
    struct sh_buf b;
    sh_buf_init(&b, g->env->alloc, cap + 3);
    sh_err err = sh_base64_parse(sh_json_get_str(o, key), true, &b);
    if (err == SH_OK && (b.n == 0 || b.n > cap)) {
        err = SH_E_CORRUPT;
    }
    if (err == SH_OK) {
        memcpy(out, b.p, b.n);
    }
    *n = b.n;
    sh_buf_fini(&b);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_CORRUPT;
}

sh_err guard_authkeys_load(const struct sh_guard *g, const json_t *o, struct guard_factor *f)
{
    const json_t *list = json_object_get(o, "keys");
    for (size_t i = 0; i < json_array_size(list) && f->nkeys < GUARD_KEYS_PER_PERSON; i++) {
        const json_t *one = json_array_get(list, i);
        struct guard_authkey *k = &f->keys[f->nkeys];
        size_t id = 0;
        size_t cose = 0;
        SH_TRY(get_base64(g, one, "id", k->id, sizeof k->id, &id));
        SH_TRY(get_base64(g, one, "cose", k->cose, sizeof k->cose, &cose));
        k->id_n = (uint8_t)id;
        k->cose_n = (uint16_t)cose;
        k->count = (uint32_t)sh_json_get_i64(one, "count", 0);
        k->created_us = sh_json_get_i64(one, "created", 0);
        k->used_us = sh_json_get_i64(one, "used", 0);
        if (!guard_copy(k->name, sizeof k->name, sh_json_get_str(one, "name")) ||
            !guard_copy(k->rp, sizeof k->rp, sh_json_get_str(one, "rp"))) {
            return SH_E_CORRUPT;
        }
        f->nkeys++;
    }
    f->challenge_us = sh_json_get_i64(o, "challenge", 0);
    return SH_OK;
}

sh_err guard_authkeys_write(const struct sh_guard *g, const struct guard_factor *f, struct sh_jw *w)
{
    SH_UNUSED(g);
    sh_jw_arr(w);
    for (uint32_t i = 0; i < f->nkeys; i++) {
        const struct guard_authkey *k = &f->keys[i];
        sh_jw_obj(w);
        SH_TRY(put_base64(w, "id", sh_bytes_of(k->id, k->id_n)));
        sh_jw_key(w, "name");
        sh_jw_c(w, k->name);
        sh_jw_key(w, "host");
        sh_jw_c(w, k->rp);
        sh_jw_key(w, "created");
        sh_jw_time(w, k->created_us);
        sh_jw_key(w, "used");
        if (k->used_us == 0) {
            sh_jw_null(w);
        } else {
            sh_jw_time(w, k->used_us);
        }
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
    return SH_OK;
}
