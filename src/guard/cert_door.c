/* cert_door.c - signing in by a certificate: the text to sign, and what came back.
 *
 * ASK -> (the browser waits, five minutes) -> ANSWER: read, look at locks, check all steps, then as
 * any outside sign-in: who is it, our second factor, the session.
 *
 * Invariants:
 *  1. A text is good for one answer, whatever comes of it, and only with the cookie of the browser
 *     that asked; a lock of the address alone leaves it.
 *  2. Who it is, is told by the certificate after every step was good, never before. Before that it
 *     only says whose failures are counted - as the name does that goes with a wrong password.
 *  3. What was changed at the provider meanwhile (revision) refuses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "exchange_int.h"

enum { SITE_MAX = 300 };

static sh_err refuse(struct guard_badge *b, const char *why, const char *english)
{
    b->why = why;
    sh_diag_set(&b->diag, "%s", english);
    return SH_E_DENIED;
}

static struct guard_session *session_at(struct sh_guard *g, const uint8_t hash[SH_HASH_BYTES])
{
    return sh_map_get(&g->sessions, sh_str_of((const char *)hash, SH_HASH_BYTES));
}

static const struct guard_identity *identity_at(const struct guard_person *p, const char *provider)
{
    for (uint32_t i = 0; i < p->nidentities; i++) {
        if (strcmp(p->identities[i].provider, provider) == 0) {
            return &p->identities[i];
        }
    }
    return NULL;
}

/* ---- ASK ---- */

/* May the one who sits there do that at this provider? Under lock. */
static sh_err session_may(struct sh_guard *g, const struct guard_provider *p,
                          const struct guard_waiting *w)
{
    const struct guard_session *s = session_at(g, w->session);
    if (w->asked == SH_CERT_SIGN_IN) {
        return SH_OK;
    }
    if (s == NULL || s->person->tenant != p->tenant) {
        return SH_E_STATE;
    }
    const struct guard_identity *i = identity_at(s->person, p->id);
    const bool good = w->asked == SH_CERT_BIND ? p->trust.self_bind : i != NULL && !i->named;
    return good ? SH_OK : SH_E_STATE;
}

/* Printable ASCII: what was asked for by another name shows so. */
static void put_site(struct sh_str site, char out[SITE_MAX + 1])
{
    const struct sh_str shown = sh_str_sub(site, 0, SITE_MAX);
    for (size_t i = 0; i < shown.n; i++) {
        const char c = shown.p[i];
        out[i] = (char)(c <= ' ' || c > '~' ? '?' : c);
    }
    out[shown.n] = '\0';
}

static sh_err put_text(struct sh_guard *g, const struct sh_cert_ask *ask, struct guard_waiting *w)
{
    static const char *const what[] = {"sign-in", "confirmation", "binding of a certificate"};
    char site[SITE_MAX + 1];
    char when[SH_TIME_CHARS];
    put_site(ask->site, site);
    const size_t n = sh_time_print(guard_now(g) / US * US, when);
    return guard_print(w->text, sizeof w->text,
                       "Songhua %s\nsite: %s\nprovider: %s\ntime: %.*s\nnonce: %s\n",
                       what[w->asked], site, w->provider, (int)n, when, w->nonce)
               ? SH_OK
               : SH_E_INTERNAL;
}

static sh_err prepare(struct sh_guard *g, const struct sh_cert_ask *ask,
                      struct sh_cert_challenge *out, struct guard_waiting *w)
{
    SH_TRY(sh_random_token(g->env->random, "", out->browser, sizeof out->browser));
    SH_TRY(sh_random_token(g->env->random, "", w->nonce, sizeof w->nonce));
    SH_TRY(guard_browser_hash(g, sh_str_c(out->browser), w->key));
    if (ask->purpose != SH_CERT_SIGN_IN) {
        SH_TRY(guard_hash_token(g, ask->session, w->session));
    }
    w->asked = ask->purpose;
    w->purpose = ask->purpose == SH_CERT_CONFIRM ? SH_OUTSIDE_CONFIRM : SH_OUTSIDE_SIGN_IN;
    w->begun_s = guard_now(g) / US;
    w->until_us = sh_mono_us(g->env->clock) + CODE_S * US;
    if (!guard_copy(w->provider, sizeof w->provider, ask->provider)) {
        return SH_E_NOTFOUND;
    }
    return put_text(g, ask, w);
}

sh_err sh_guard_cert_ask(struct sh_guard *g, const struct sh_cert_ask *ask,
                         struct sh_cert_challenge *out)
{
    struct guard_waiting w = {.proved = false};
    memset(out, 0, sizeof *out);
    SH_TRY(prepare(g, ask, out, &w));
    sh_mutex_lock(&g->lock);
    const struct guard_provider *p = guard_provider_find(g, ask->provider);
    const struct guard_tenant *t = p == NULL ? NULL : guard_tenant_at(g, p->tenant);
    sh_err err = p == NULL || p->kind != GUARD_CERTIFICATE || p->disabled || t == NULL ||
                         atomic_load(&t->off)
                     ? SH_E_NOTFOUND
                     : session_may(g, p, &w);
    if (err == SH_OK) {
        w.revision = p->revision;
        (void)guard_copy(out->distid, sizeof out->distid, sh_str_c(p->trust.distid));
        err = guard_waiting_put(g, &w);
    }
    sh_mutex_unlock(&g->lock);
    memcpy(out->text, w.text, sizeof out->text);
    out->until_us = guard_now(g) + CODE_S * US;
    return err;
}

/* ---- the certificate ---- */

static sh_err put_claim(json_t *claims, const char *name, const char *value)
{
    return value[0] == '\0' || json_object_set_new(claims, name, json_string(value)) == 0
               ? SH_OK
               : SH_E_NOMEM;
}

static sh_err make_claims(const struct guard_provider *p, struct guard_badge *b)
{
    static const struct {
        const char *name;
        enum sh_badge_field field;
    } rows[] = {{"cn", SH_BADGE_CN},
                {"serialNumber", SH_BADGE_SERIAL},
                {"emailAddress", SH_BADGE_EMAIL},
                {"uid", SH_BADGE_UID}};
    char value[SH_TRUST_VALUE_CHARS];
    json_t *groups = json_array();
    sh_err err = SH_OK;
    b->claims = json_object();
    if (b->claims == NULL || groups == NULL) {
        json_decref(groups);
        return SH_E_NOMEM;
    }
    const enum sh_badge_field of = strcmp(p->roles_claim, "o") == 0 ? SH_BADGE_O : SH_BADGE_OU;
    for (size_t i = 0;
         p->roles_claim[0] != '\0' && i < GUARD_MAP_MAX && sh_badge_value(b->b, of, i, value);
         i++) {
        err = json_array_append_new(groups, json_string(value)) == 0 ? err : SH_E_NOMEM;
    }
    if (json_object_set_new(b->claims, p->roles_claim[0] == '\0' ? "ou" : p->roles_claim, groups) !=
        0) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; err == SH_OK && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, p->name_claim) == 0 &&
            sh_badge_value(b->b, rows[i].field, 0, value)) {
            err = put_claim(b->claims, rows[i].name, value);
        }
    }
    if (err == SH_OK && sh_badge_value(b->b, SH_BADGE_CN, 0, value)) {
        err = put_claim(b->claims, "name", value);
    }
    return err == SH_OK ? put_claim(b->claims, "sub", b->print) : err;
}

sh_err guard_badge_read(struct sh_guard *g, const struct guard_provider *p,
                        const struct sh_cert_answer *a, struct guard_badge *out)
{
    memset(out, 0, sizeof *out);
    out->why = "";
    sh_err err = sh_badge_read(g->crypto, a->certificate, a->chain, &out->b);
    err = err == SH_OK ? sh_badge_cert(out->b, &out->cert) : err;
    if (err != SH_OK) {
        return err != SH_E_PROTO ? err
                                 : refuse(out, "certificate",
                                          "This is no certificate in PEM or base64, or it is too "
                                          "long.");
    }
    sh_hash_hex(out->cert.sha256, out->print);
    return make_claims(p, out);
}

void guard_badge_drop(struct guard_badge *b)
{
    sh_badge_free(b->b);
    json_decref(b->claims);
}

/* base64 with white space in it. */
static sh_err read_signature(struct sh_guard *g, struct sh_str text, struct sh_buf *out)
{
    struct sh_buf tight;
    sh_buf_init(&tight, g->env->alloc, 2 * (size_t)SH_TRUST_SIGNATURE_MAX);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < text.n; i++) {
        const char c = text.p[i];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            err = sh_buf_put(&tight, &c, 1);
        }
    }
    err = err == SH_OK ? sh_base64_parse(sh_buf_str(&tight), false, out) : err;
    sh_buf_fini(&tight);
    return err == SH_E_NOMEM || err == SH_OK ? err : SH_E_PROTO;
}

sh_err guard_badge_check(struct sh_guard *g, const struct guard_provider *p,
                         const struct sh_cert_answer *a, struct sh_str message,
                         struct guard_badge *out)
{
    struct sh_trust *trust = NULL;
    struct sh_buf sig;
    SH_TRY(guard_trust_open(g, &p->trust, NULL, &trust));
    sh_buf_init(&sig, g->env->alloc, SH_TRUST_SIGNATURE_MAX);
    sh_err err = read_signature(g, a->signature, &sig);
    if (err == SH_E_PROTO) { /* as an empty one: the other steps are told all the same */
        sh_buf_clear(&sig);
        err = SH_OK;
    }
    if (err == SH_OK) {
        err =
            sh_trust_check(trust, out->b, message, sh_buf_bytes(&sig), guard_now(g), &out->report);
    }
    if (err == SH_E_DENIED) {
        const enum sh_trust_step s = sh_trust_failed(&out->report);
        err = refuse(out, out->report.step[s].why, out->report.step[s].detail);
    }
    sh_buf_fini(&sig);
    sh_trust_free(trust);
    return err;
}

static struct guard_entrant entrant(struct guard_provider *p, const struct guard_badge *b)
{
    return (struct guard_entrant){
        .p = p, .claims = b->claims, .second = true, .by_name = p->trust.by_name};
}

struct guard_person *guard_badge_owner(struct sh_guard *g, const struct guard_provider *p,
                                       const struct guard_badge *b)
{
    const struct sh_str id = sh_str_c(p->id);
    const struct sh_str name = sh_json_get_str(b->claims, p->name_claim);
    struct guard_person *who = guard_identity_owner(g, id, sh_str_c(b->print), false);
    if (who == NULL && name.n > 0) {
        who = guard_identity_owner(g, id, name, true);
    }
    if (who == NULL && p->trust.by_name) {
        struct guard_provider *same = guard_provider_find(g, id);
        if (same != NULL) {
            struct guard_entrant e = entrant(same, b);
            who = guard_entrant_by_name(g, &e, &who) == SH_OK ? who : NULL;
        }
    }
    return who;
}

/* ---- ANSWER ---- */

/* One answer under way. */
struct proving {
    struct sh_guard *g;
    const struct sh_cert_answer *a;
    struct sh_cert_result *out;
    struct guard_provider *p; /* copy */
    struct guard_waiting w;
    struct guard_badge b;
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2]; /* whose failures are counted */
    bool counts;                                     /* what went wrong is a failed attempt */
};

/* bind: a text to bind, else one of the others. The copy of the provider is as it is now. */
static sh_err take_waiting(struct proving *v, bool bind)
{
    struct sh_guard *g = v->g;
    uint8_t key[SH_HASH_BYTES];
    sh_err err = SH_E_NOTFOUND;
    SH_TRY(guard_browser_hash(g, v->a->browser, key));
    sh_mutex_lock(&g->lock);
    struct guard_waiting *w = v->a->browser.n == 0 ? NULL : guard_waiting_find(g, key);
    const struct guard_provider *p = guard_provider_find(g, v->a->provider);
    if (w != NULL && !w->proved && w->text[0] != '\0' && p != NULL &&
        sh_str_eqc(v->a->provider, w->provider) && (w->asked == SH_CERT_BIND) == bind) {
        v->w = *w;
        guard_waiting_drop(g, w);
        v->p = guard_provider_copy(g, p);
        err = v->p == NULL ? SH_E_NOMEM : SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    v->out->purpose = v->w.asked;
    return err;
}

/* Nobody is locked out for a name that the certificate does not prove: it counts as an unknown one
 * does. */
static void whose_failure(struct proving *v)
{
    struct sh_guard *g = v->g;
    (void)guard_print(v->user, sizeof v->user, "certificate %.32s", v->b.print);
    sh_mutex_lock(&g->lock);
    const struct guard_person *who = guard_badge_owner(g, v->p, &v->b);
    if (who != NULL && guard_person_label(g, who, v->user, sizeof v->user) != SH_OK) {
        v->user[0] = '\0';
    }
    sh_mutex_unlock(&g->lock);
}

static sh_err prove(struct proving *v)
{
    struct sh_guard *g = v->g;
    v->counts = true;
    if (v->p->disabled || v->p->kind != GUARD_CERTIFICATE || v->p->revision != v->w.revision) {
        v->counts = false;
        return refuse(&v->b, "provider_off", "The provider was changed or disabled meanwhile.");
    }
    SH_TRY(guard_badge_read(g, v->p, v->a, &v->b));
    whose_failure(v);
    v->out->session.retry_after_us = guard_attempt_wait(g, sh_str_c(v->user), v->a->peer);
    if (v->out->session.retry_after_us > 0) {
        return SH_E_LIMIT;
    }
    SH_TRY(guard_badge_check(g, v->p, v->a, sh_str_c(v->w.text), &v->b));
    v->counts = false;
    return SH_OK;
}

static void audit_refused(struct proving *v)
{
    char object[SH_PROVIDER_ID_MAX + 16];
    char detail[AUDIT_DETAIL_MAX];
    const char *subject = v->b.cert.subject;
    (void)guard_print(object, sizeof object, "provider:%s", v->p->id);
    (void)guard_print(detail, sizeof detail, "%s%s%.300s%s%s: %s", v->b.why,
                      subject[0] == '\0' ? "" : ", ", subject,
                      v->b.print[0] == '\0' ? "" : ", certificate ", v->b.print, v->b.diag.message);
    const struct sh_audit audit = {
        .tenant = v->p->tenant,
        .act = SH_STR("session.refused"),
        .object = sh_str_c(object),
        .result = SH_STR("denied"),
        .detail = sh_str_c(detail),
        .peer = v->a->peer,
    };
    sh_guard_audit_post(v->g, &audit);
}

/* Our own code is asked for: who it is waits for that, under a new secret. */
static sh_err wait_for_code(struct proving *v, const struct guard_entrant *e)
{
    struct sh_guard *g = v->g;
    SH_TRY(sh_random_token(g->env->random, "", v->out->browser, sizeof v->out->browser));
    SH_TRY(guard_browser_hash(g, sh_str_c(v->out->browser), v->w.key));
    v->w.proved = true;
    v->w.tries = CODE_TRIES;
    v->w.until_us = sh_mono_us(g->env->clock) + CODE_S * US;
    v->w.tenant = e->tenant;
    memcpy(v->w.name, e->name, sizeof v->w.name);
    memcpy(v->w.words, e->words, sizeof v->w.words);
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, e->tenant, sh_str_c(e->name));
    v->out->session.code_needed = true;
    v->out->session.code_possible = p != NULL && p->factor.on;
    v->out->session.key_possible = p != NULL && p->factor.nkeys > 0;
    const sh_err err = guard_waiting_put(g, &v->w);
    sh_mutex_unlock(&g->lock);
    return err == SH_OK ? SH_E_AGAIN : err;
}

/* It must be the person who sits there. */
static sh_err same_person(struct proving *v, struct guard_entrant *e)
{
    struct sh_guard *g = v->g;
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = session_at(g, v->w.session);
    const struct guard_person *p = guard_badge_owner(g, v->p, &v->b);
    const bool good = s != NULL && p != NULL && s->person == p;
    if (good) {
        e->tenant = p->tenant;
        memcpy(e->name, p->name, sizeof e->name);
        (void)guard_print(e->words, sizeof e->words, "provider %s, subject %s", v->p->id,
                          v->b.print);
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK
                : refuse(&v->b, "other_person",
                         "The certificate is not that of the person who sits there, or the session "
                         "has ended.");
}

static sh_err let_in(struct proving *v, const struct guard_entrant *e)
{
    const struct sh_sign_in_ask ask = {.peer = v->a->peer, .agent = v->a->agent};
    const struct guard_way way = {
        .no_code = true, .words = e->words, .provider = sh_str_c(v->p->id)};
    if (v->w.asked != SH_CERT_CONFIRM) {
        return guard_session_new(v->g, e->tenant, sh_str_c(e->name), &ask, &way, &v->out->session);
    }
    const sh_err err = guard_session_confirm(v->g, v->w.session, NULL, &way, &v->out->session);
    return err == SH_E_STATE ? refuse(&v->b, "other_person", "The session has ended.") : err;
}

static sh_err enter(struct proving *v)
{
    struct guard_entrant e = entrant(v->p, &v->b);
    e.peer = v->a->peer;
    e.agent = v->a->agent;
    sh_err err = v->w.asked == SH_CERT_CONFIRM ? same_person(v, &e) : guard_enter(v->g, &e);
    err = err == SH_OK ? guard_enter_second(v->g, &e) : err;
    if (err == SH_OK) {
        err = let_in(v, &e);
    } else if (err == SH_E_AGAIN) {
        return wait_for_code(v, &e);
    }
    if (err == SH_E_DENIED && v->b.why[0] == '\0') {
        v->b.why = e.why == NULL ? "disabled" : e.why;
        v->b.diag = e.diag;
    }
    return err;
}

/* What came of it is counted and told. */
static sh_err end(struct proving *v, sh_err err)
{
    if (err == SH_E_DENIED && v->counts) {
        guard_attempt_count(v->g, sh_str_c(v->user), v->a->peer);
    }
    if (err == SH_E_DENIED) {
        audit_refused(v);
    }
    v->out->why = v->b.why == NULL ? "" : v->b.why;
    guard_badge_drop(&v->b);
    guard_provider_drop(v->g, v->p);
    sh_crypto_wipe(&v->w, sizeof v->w);
    return err;
}

static sh_err begin(struct proving *v, bool bind)
{
    memset(v->out, 0, sizeof *v->out);
    v->out->why = "";
    v->b.why = "";
    v->out->session.retry_after_us = guard_attempt_wait(v->g, SH_STR(""), v->a->peer);
    if (v->out->session.retry_after_us > 0) {
        return SH_E_LIMIT;
    }
    return take_waiting(v, bind);
}

sh_err sh_guard_cert_answer(struct sh_guard *g, const struct sh_cert_answer *answer,
                            struct sh_cert_result *out)
{
    struct proving v = {.g = g, .a = answer, .out = out};
    SH_TRY(begin(&v, false));
    sh_err err = prove(&v);
    err = err == SH_OK ? enter(&v) : err;
    return end(&v, err);
}

/* ---- binding ---- */

/* Under change and lock. */
static sh_err plan_bind(struct proving *v, const struct sh_guard_at *at,
                        struct guard_person_change *c, struct sh_diag *diag)
{
    struct sh_guard *g = v->g;
    const struct sh_str print = sh_str_c(v->b.print);
    const struct guard_session *s = guard_session_of(g, at->by);
    const struct guard_provider *now = guard_provider_find(g, sh_str_c(v->p->id));
    if (s == NULL || memcmp(s->hash, v->w.session, SH_HASH_BYTES) != 0 ||
        s->person->tenant != v->p->tenant) {
        return refuse(&v->b, "other_person", "The session has ended, or is another one.");
    }
    if (now == NULL || now->revision != v->p->revision || !now->trust.self_bind) {
        return refuse(&v->b, "provider_off", "The provider was changed or disabled meanwhile.");
    }
    const struct guard_person *owner = guard_identity_owner(g, sh_str_c(v->p->id), print, false);
    if (owner != NULL && owner != s->person) {
        sh_diag_set(diag, "The certificate is bound to somebody else.");
        return SH_E_EXISTS;
    }
    c->old = s->person;
    c->form = *s->person;
    c->form.revision = guard_next_revision(g);
    struct guard_identity *id = NULL;
    for (uint32_t i = 0; id == NULL && i < c->form.nidentities; i++) {
        id = strcmp(c->form.identities[i].provider, v->p->id) == 0 ? &c->form.identities[i] : NULL;
    }
    if (id == NULL && c->form.nidentities == GUARD_IDENTITIES_MAX) {
        sh_diag_set(diag, "A person has at most %d links.", GUARD_IDENTITIES_MAX);
        return SH_E_LIMIT;
    }
    id = id == NULL ? &c->form.identities[c->form.nidentities++] : id;
    *id = (struct guard_identity){.named = false};
    (void)guard_copy(id->provider, sizeof id->provider, sh_str_c(v->p->id));
    (void)guard_copy(id->subject, sizeof id->subject, print);
    return SH_OK;
}

static sh_err bind(struct proving *v, const struct sh_guard_at *at, struct sh_diag *diag)
{
    struct sh_guard *g = v->g;
    struct guard_person_change *c = sh_mem_new(g->env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->by = at->by;
    c->peer = at->peer;
    c->act = SH_STR("person.identity_added");
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_bind(v, at, c, diag);
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? guard_person_commit(g, c, NULL) : err;
    sh_mutex_unlock(&g->change);
    sh_mem_free(g->env->alloc, c);
    return err;
}

sh_err sh_guard_cert_bind(struct sh_guard *g, const struct sh_guard_at *at,
                          const struct sh_cert_answer *answer, struct sh_cert_result *out,
                          struct sh_diag *diag)
{
    struct proving v = {.g = g, .a = answer, .out = out};
    SH_TRY(begin(&v, true));
    sh_err err = prove(&v);
    err = err == SH_OK ? bind(&v, at, diag) : err;
    return end(&v, err);
}
