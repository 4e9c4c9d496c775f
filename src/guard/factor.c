/* The second factor: one-time codes by time (RFC 6238) and recovery codes. The secret is kept in a
 * box under the node key, bound to the person; recovery codes as keyed hashes. A code is good once:
 * the step of the last one is stored with the session that it opened. A wrong code counts towards
 * the lock-out as a wrong password does, and the right password alone does not clear that count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { RECOVERY_CHARS = GUARD_RECOVERY_CHARS, PENDING_S = 600, TEXT_MAX = 512 };

static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* 32, without I O 0 1 */

/* ---- stored form ---- */

static sh_err context(const struct guard_person *p, char out[GUARD_KEY_MAX])
{
    return guard_print(out, GUARD_KEY_MAX, "person/%u:%s/totp", p->tenant, p->name) ? SH_OK
                                                                                    : SH_E_INVAL;
}

static void recovery_write(const struct guard_factor *f, struct sh_jw *w)
{
    sh_jw_key(w, "recovery");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < f->nrecovery; i++) {
        char hex[2 * GUARD_RECOVERY_MAC + 1];
        for (size_t k = 0; k < GUARD_RECOVERY_MAC; k++) {
            (void)guard_print(hex + 2 * k, 3, "%02x", f->recovery[i][k]);
        }
        sh_jw_c(w, hex);
    }
    sh_jw_arr_end(w);
}

sh_err guard_factor_store(struct sh_guard *g, const struct guard_person *p, struct sh_jw *w)
{
    const struct guard_factor *f = &p->factor;
    char of[GUARD_KEY_MAX];
    struct sh_buf text;
    if (f->nkeys > 0) {
        SH_TRY(guard_authkeys_store(g, f, w));
    }
    if (guard_has_factor(p)) {
        recovery_write(f, w);
    }
    if (!f->on) {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&text, g->env->alloc, TEXT_MAX);
    sh_err err = guard_seal_text(g, of, sh_bytes_of(f->secret, sizeof f->secret), &text);
    if (err == SH_OK) {
        sh_jw_key(w, "totp");
        sh_jw_str(w, sh_buf_str(&text));
        sh_jw_key(w, "totp_step");
        sh_jw_u64(w, f->step);
    }
    sh_buf_fini(&text);
    return err;
}

static sh_err recovery_read(const struct sh_guard *g, const json_t *list, struct guard_factor *f)
{
    for (size_t i = 0; i < json_array_size(list) && i < GUARD_RECOVERY_MAX; i++) {
        struct sh_buf raw;
        const char *hex = json_string_value(json_array_get(list, i));
        sh_buf_init(&raw, g->env->alloc, GUARD_RECOVERY_MAC);
        const sh_err err = hex == NULL ? SH_E_CORRUPT : sh_hex_parse(sh_str_c(hex), &raw);
        const bool good = err == SH_OK && raw.n == GUARD_RECOVERY_MAC;
        if (good) {
            memcpy(f->recovery[f->nrecovery++], raw.p, GUARD_RECOVERY_MAC);
        }
        sh_buf_fini(&raw);
        if (!good) {
            return err == SH_E_NOMEM ? err : SH_E_CORRUPT;
        }
    }
    return SH_OK;
}

/* With another node key (a restore without keys/) the box can not be opened: then the person has no
 * second factor any more, and the password alone is asked, which is good still. */
sh_err guard_factor_load(struct sh_guard *g, const json_t *o, struct guard_person *p)
{
    const struct sh_str text = sh_json_get_str(o, "totp");
    char of[GUARD_KEY_MAX];
    struct sh_buf plain;
    SH_TRY(guard_authkeys_load(g, o, &p->factor));
    SH_TRY(recovery_read(g, json_object_get(o, "recovery"), &p->factor));
    if (text.n == 0) {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&plain, g->env->alloc, TEXT_MAX);
    sh_err err = guard_unseal_text(g, of, text, &plain);
    if (err == SH_OK && plain.n == SH_TOTP_SECRET) {
        p->factor.on = true;
        memcpy(p->factor.secret, plain.p, SH_TOTP_SECRET);
        p->factor.step = (uint64_t)sh_json_get_i64(o, "totp_step", 0);
    } else if (err != SH_E_NOMEM) {
        sh_log(g->env->log, SH_LOG_WARN, "guard",
               "the second factor of %s can not be read (another node key?): it has to be set up "
               "again",
               p->name);
        err = SH_OK;
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    return err;
}

/* ---- checking ---- */

static sh_err recovery_mac(const struct sh_guard *g, const struct guard_person *p,
                           struct sh_str code, uint8_t out[SH_HASH_BYTES])
{
    char of[GUARD_KEY_MAX];
    SH_TRY(guard_print(of, sizeof of, "recovery/%u:%s/", p->tenant, p->name) ? SH_OK : SH_E_INVAL);
    const struct sh_bytes parts[] = {sh_str_bytes(sh_str_c(of)), sh_str_bytes(code)};
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_secret, SH_KEY_BYTES),
                          parts, 2, out);
}

/* Letters and digits only, capitals; 0: too long. */
static size_t recovery_plain(struct sh_str code, char out[RECOVERY_CHARS])
{
    size_t n = 0;
    for (size_t i = 0; i < code.n; i++) {
        const char c = code.p[i];
        const char big = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        if (c == '-' || c == ' ') {
            continue;
        }
        if (n == RECOVERY_CHARS) {
            return 0;
        }
        out[n++] = big;
    }
    return n;
}

static sh_err recovery_check(const struct sh_guard *g, const struct guard_person *p,
                             const char plain[RECOVERY_CHARS], struct guard_factor *after)
{
    uint8_t mac[SH_HASH_BYTES];
    uint32_t found = GUARD_RECOVERY_MAX;
    SH_TRY(recovery_mac(g, p, sh_str_of(plain, RECOVERY_CHARS), mac));
    for (uint32_t i = 0; i < after->nrecovery; i++) {
        if (sh_bytes_eq_ct(sh_bytes_of(after->recovery[i], GUARD_RECOVERY_MAC),
                           sh_bytes_of(mac, GUARD_RECOVERY_MAC))) {
            found = i;
        }
    }
    if (found == GUARD_RECOVERY_MAX) {
        return SH_E_DENIED;
    }
    after->nrecovery--;
    memcpy(after->recovery[found], after->recovery[after->nrecovery], GUARD_RECOVERY_MAC);
    return SH_OK;
}

sh_err guard_factor_check(const struct sh_guard *g, const struct guard_person *p,
                          const struct sh_sign_in_ask *ask, struct guard_factor *after)
{
    char plain[RECOVERY_CHARS];
    *after = p->factor;
    if (ask->key != NULL) {
        return guard_authkey_check(g, p, ask->key, after);
    }
    if (recovery_plain(ask->code, plain) == RECOVERY_CHARS) {
        return recovery_check(g, p, plain, after);
    }
    return !p->factor.on ? SH_E_DENIED
                         : sh_totp_check(g->crypto, p->factor.secret, ask->code,
                                         sh_totp_step(guard_now(g)), p->factor.step, &after->step);
}

/* ---- setting up and taking away ---- */

sh_err guard_codes_make(const struct sh_guard *g, const struct guard_person *p,
                        struct guard_factor *f, struct guard_codes *out)
{
    for (uint32_t i = 0; i < GUARD_RECOVERY_MAX; i++) {
        uint8_t raw[RECOVERY_CHARS];
        uint8_t mac[SH_HASH_BYTES];
        char plain[RECOVERY_CHARS];
        SH_TRY(g->env->random->fill(g->env->random->ctx, raw, sizeof raw));
        for (size_t k = 0; k < sizeof raw; k++) {
            plain[k] = letters[raw[k] % 32];
        }
        SH_TRY(recovery_mac(g, p, sh_str_of(plain, sizeof plain), mac));
        memcpy(f->recovery[i], mac, GUARD_RECOVERY_MAC);
        (void)guard_print(out->text[i], sizeof out->text[i], "%.5s-%.5s", plain, plain + 5);
    }
    f->nrecovery = GUARD_RECOVERY_MAX;
    return SH_OK;
}

void guard_codes_write(struct guard_codes *c, struct sh_jw *w)
{
    sh_jw_arr(w);
    for (uint32_t i = 0; i < GUARD_RECOVERY_MAX; i++) {
        sh_jw_c(w, c->text[i]);
    }
    sh_jw_arr_end(w);
    sh_crypto_wipe(c, sizeof *c);
}

/* Percent-encodes what is no letter, digit or one of -._~ (RFC 3986, 2.3). */
static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

sh_err sh_guard_totp_begin(struct sh_guard *g, const struct sh_principal *p,
                           char secret[SH_TOTP_BASE32], struct sh_buf *uri)
{
    char label[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    uint8_t raw[SH_TOTP_SECRET];
    SH_TRY(g->env->random->fill(g->env->random->ctx, raw, sizeof raw));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, p);
    sh_err err = s == NULL || s->person->factor.on ? SH_E_STATE : SH_OK;
    if (err == SH_OK) {
        err = guard_person_label(g, s->person, label, sizeof label);
    }
    if (err == SH_OK) {
        memcpy(s->person->factor.pending, raw, sizeof raw);
        s->person->factor.pending_until_us = guard_now(g) + PENDING_S * INT64_C(1000000);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    sh_totp_base32(raw, secret);
    sh_crypto_wipe(raw, sizeof raw);
    SH_TRY(err);
    SH_TRY(sh_buf_put_str(uri, SH_STR("otpauth://totp/Songhua:")));
    SH_TRY(sh_percent_put(uri, sh_str_c(label), unreserved));
    SH_TRY(sh_buf_put_str(uri, SH_STR("?secret=")));
    SH_TRY(sh_buf_put_str(uri, sh_str_c(secret)));
    return sh_buf_put_str(uri, SH_STR("&issuer=Songhua"));
}

/* Under change and lock: the state after it. */
static sh_err plan_enable(struct sh_guard *g, const struct sh_principal *by, struct sh_str code,
                          struct guard_person_change *c, struct guard_codes *out)
{
    const struct guard_session *s = guard_session_of(g, by);
    if (s == NULL || s->person->factor.on || s->person->factor.pending_until_us <= guard_now(g)) {
        return SH_E_STATE;
    }
    struct guard_factor f = s->person->factor; /* with its keys */
    f.on = true;
    f.step = 0;
    memcpy(f.secret, s->person->factor.pending, sizeof f.secret);
    SH_TRY(sh_totp_check(g->crypto, f.secret, code, sh_totp_step(guard_now(g)), 0, &f.step));
    SH_TRY(guard_codes_make(g, s->person, &f, out));
    c->old = s->person;
    c->form = *s->person;
    c->form.factor = f;
    c->form.revision = guard_next_revision(g);
    return SH_OK;
}

static sh_err plan_recovery(struct sh_guard *g, const struct sh_principal *by, struct sh_str code,
                            struct guard_person_change *c, struct guard_codes *out)
{
    SH_UNUSED(code);
    const struct guard_session *s = guard_session_of(g, by);
    if (s == NULL || !guard_has_factor(s->person)) {
        return SH_E_STATE;
    }
    c->old = s->person;
    c->form = *s->person;
    c->form.revision = guard_next_revision(g);
    return guard_codes_make(g, s->person, &c->form.factor, out);
}

typedef sh_err codes_plan(struct sh_guard *g, const struct sh_principal *by, struct sh_str code,
                          struct guard_person_change *c, struct guard_codes *out);

/* A change that ends with new recovery codes; they are told once it is stored. */
static sh_err codes_change(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str act,
                           codes_plan *plan, struct sh_str code, struct sh_jw *w)
{
    struct guard_person_change c = {.by = at->by, .peer = at->peer, .act = act};
    struct guard_codes codes;
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan(g, at->by, code, &c, &codes);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_person_commit(g, &c, NULL);
    }
    sh_mutex_unlock(&g->change);
    if (err == SH_OK) {
        guard_codes_write(&codes, w);
    }
    return err;
}

sh_err sh_guard_totp_enable(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str code,
                            struct sh_jw *w)
{
    return codes_change(g, at, SH_STR("person.second_factor_set"), plan_enable, code, w);
}

sh_err sh_guard_recovery_new(struct sh_guard *g, const struct sh_guard_at *at, struct sh_jw *w)
{
    return codes_change(g, at, SH_STR("person.recovery_codes_made"), plan_recovery, SH_STR(""), w);
}

sh_err sh_guard_totp_remove(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                            struct sh_diag *diag)
{
    struct guard_person_change c = {.by = at->by,
                                    .peer = at->peer,
                                    .act = SH_STR("person.second_factor_removed"),
                                    .end_sessions = true};
    uint8_t keep[SH_HASH_BYTES];
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = guard_account_of(g, at, name, SH_PERM_PEOPLE_WRITE, &c.old);
    if (err == SH_OK && name.n > 0) { /* it opens the account to whoever has the password */
        err = guard_may_give(g, at->by, c.old, guard_person_worth(c.old), c.old->tenant, diag);
    }
    if (err == SH_OK) {
        err = (name.n > 0 ? guard_has_factor(c.old) : c.old->factor.on) ? SH_OK : SH_E_NOTFOUND;
    }
    if (err == SH_OK) {
        const struct guard_session *own = guard_session_of(g, at->by);
        if (own != NULL && own->person == c.old) {
            memcpy(keep, own->hash, sizeof keep);
            c.keep = keep;
        }
        c.form = *c.old;
        if (name.n > 0 || c.old->factor.nkeys == 0) {
            c.form.factor = (struct guard_factor){.on = false};
        } else { /* one's own codes go, the security keys stay */
            c.form.factor.on = false;
            sh_crypto_wipe(c.form.factor.secret, sizeof c.form.factor.secret);
        }
        c.form.revision = guard_next_revision(g);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_person_commit(g, &c, NULL);
    }
    sh_mutex_unlock(&g->change);
    return err;
}
