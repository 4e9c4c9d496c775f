/* outside.c - the exchange with a provider of OpenID Connect, without I/O.
 *
 * Beginning: DISCOVERY -> done (the browser goes to the provider).
 * Return:    DISCOVERY -> TOKEN -> KEYS -> [KEYS once more] -> USER -> ENTER -> done.
 * Ending:    DISCOVERY -> done (outside_end.c).
 * Trying:    DISCOVERY -> KEYS -> done, both fetched anew.
 * Any of them may end as FAILED; why and detail say how. A stage that needs something from outside
 * sets `asked`, says what, and is run again with the answer.
 *
 * What binds the parts together: the browser by the secret of its cookie; the answer to the request
 * by state (RFC 6749, 10.12), used up by the first answer that fits; the ID token to it by nonce;
 * the code by PKCE; the provider by its own callback address and, when it says so, by iss (RFC
 * 9207). SPDX-License-Identifier: Apache-2.0 */
#include "exchange_int.h"

/* ---- life ---- */

sh_err guard_x_new(struct sh_guard *g, enum sh_outside_purpose purpose, struct sh_outside **out)
{
    struct sh_outside *x = sh_mem_new(g->env->alloc, sizeof *x);
    if (x == NULL) {
        return SH_E_NOMEM;
    }
    x->g = g;
    x->purpose = purpose;
    x->why = "";
    sh_buf_init(&x->code, g->env->alloc, SH_JWS_MAX);
    sh_buf_init(&x->id_token, g->env->alloc, SH_JWS_MAX);
    sh_buf_init(&x->url, g->env->alloc, URL_MAX);
    sh_buf_init(&x->form, g->env->alloc, 4 * (size_t)SH_JWS_MAX);
    sh_buf_init(&x->authorization, g->env->alloc, 2 * (size_t)SH_JWS_MAX);
    sh_buf_init(&x->body, g->env->alloc, BODY_MAX);
    sh_buf_init(&x->location, g->env->alloc, URL_MAX);
    *out = x;
    return SH_OK;
}

void sh_outside_free(struct sh_outside *x)
{
    if (x == NULL) {
        return;
    }
    struct sh_buf *const secret[] = {&x->code, &x->id_token, &x->form, &x->authorization, &x->body};
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++) {
        sh_crypto_wipe(secret[i]->p, secret[i]->n);
        sh_buf_fini(secret[i]);
    }
    sh_buf_fini(&x->url);
    sh_buf_fini(&x->location);
    json_decref(x->discovery);
    json_decref(x->jwks);
    json_decref(x->claims);
    json_decref(x->more);
    guard_provider_drop(x->g, x->p);
    const struct sh_alloc *a = x->g->env->alloc;
    sh_crypto_wipe(x, sizeof *x);
    sh_mem_free(a, x);
}

/* A copy of the provider with what was fetched of it, while that is good. */
sh_err guard_x_take(struct sh_outside *x, struct sh_str id, int64_t good)
{
    struct sh_guard *g = x->g;
    sh_mutex_lock(&g->lock);
    const struct guard_provider *p = guard_provider_find(g, id);
    p = p != NULL && p->kind == GUARD_OIDC ? p : NULL;
    x->p = p == NULL || (p->disabled && x->purpose != SH_OUTSIDE_TRY) ? NULL
                                                                      : guard_provider_copy(g, p);
    sh_err err = p != NULL && x->p == NULL && !p->disabled ? SH_E_NOMEM : SH_OK;
    if (x->p != NULL && p->discovery_us > good && p->discovery.n > 0) {
        err = sh_json_parse(p->discovery, BODY_MAX, &x->discovery, NULL);
    }
    if (err == SH_OK && x->p != NULL && p->jwks_us > good && p->jwks.n > 0) {
        err = sh_json_parse(p->jwks, BODY_MAX, &x->jwks, NULL);
        x->jwks_us = p->jwks_us;
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

/* What was fetched within the hour is good. */
static sh_err take_provider(struct sh_outside *x, struct sh_str id)
{
    return guard_x_take(x, id, sh_mono_us(x->g->env->clock) - CACHE_S * US);
}

/* ---- BEGIN ---- */

static sh_err random_text(const struct sh_guard *g, char out[SH_SECRET_CHARS])
{
    return sh_random_token(g->env->random, "", out, SH_SECRET_CHARS);
}

static bool has_openid(struct sh_str scopes)
{
    while (scopes.n > 0) {
        if (sh_str_eqc(sh_str_cut(scopes, ' ', &scopes), "openid")) {
            return true;
        }
    }
    return false;
}

static sh_err put_request(struct sh_outside *x, struct sh_buf *out)
{
    char challenge[SH_TOKEN_CHARS + 1];
    char scope[GUARD_VALUE_CHARS + 8];
    (void)guard_print(scope, sizeof scope, "%s%s",
                      has_openid(sh_str_c(x->p->scopes)) ? "" : "openid ", x->p->scopes);
    SH_TRY(guard_pkce(x->g, sh_str_c(x->w.verifier), challenge));
    SH_TRY(sh_buf_put_str(out, x->doc.authorization));
    const struct {
        const char *name;
        const char *value;
    } rows[] = {
        {"response_type", "code"},       {"client_id", x->p->client},
        {"redirect_uri", x->w.callback}, {"scope", scope},
        {"state", x->w.state},           {"nonce", x->w.nonce},
        {"code_challenge", challenge},   {"code_challenge_method", "S256"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SH_TRY(guard_query_put(out, rows[i].name, sh_str_c(rows[i].value)));
    }
    if (x->purpose == SH_OUTSIDE_CONFIRM) {
        SH_TRY(guard_query_put(out, "prompt", SH_STR("login")));
        SH_TRY(guard_query_put(out, "max_age", SH_STR("0")));
    }
    if (x->p->second && x->p->acr[0] != '\0') {
        SH_TRY(guard_query_put(out, "acr_values", sh_str_c(x->p->acr)));
    }
    return x->p->second && x->doc.claims
               ? guard_query_put(out, "claims",
                                 SH_STR("{\"id_token\":{\"amr\":null,\"acr\":null}}"))
               : SH_OK;
}

static sh_err begin(struct sh_outside *x)
{
    struct sh_guard *g = x->g;
    SH_TRY(random_text(g, x->browser));
    SH_TRY(random_text(g, x->w.state));
    SH_TRY(random_text(g, x->w.nonce));
    SH_TRY(random_text(g, x->w.verifier));
    SH_TRY(guard_browser_hash(g, sh_str_c(x->browser), x->w.key));
    SH_TRY(put_request(x, &x->location));
    memcpy(x->w.provider, x->p->id, sizeof x->w.provider);
    x->w.revision = x->p->revision;
    x->w.purpose = x->purpose;
    x->w.begun_s = guard_now(g) / US;
    x->w.until_us = sh_mono_us(g->env->clock) + WAIT_S * US;
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_waiting_put(g, &x->w);
    sh_mutex_unlock(&g->lock);
    x->stage = DONE;
    return err;
}

/* The session that is to be confirmed: is its person linked to that provider? Under lock. */
static struct guard_session *session_by_hash(struct sh_guard *g, const uint8_t hash[SH_HASH_BYTES])
{
    return sh_map_get(&g->sessions, sh_str_of((const char *)hash, SH_HASH_BYTES));
}

static sh_err check_session(struct sh_outside *x, struct sh_str token)
{
    struct sh_guard *g = x->g;
    bool good = false;
    SH_TRY(guard_hash_token(g, token, x->w.session));
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = session_by_hash(g, x->w.session);
    for (uint32_t i = 0; s != NULL && i < s->person->nidentities; i++) {
        good = good || (strcmp(s->person->identities[i].provider, x->p->id) == 0 &&
                        !s->person->identities[i].named);
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK
                : guard_x_fail(x, "other_person", "Who sits there is not linked to that provider.");
}

sh_err sh_outside_begin(struct sh_guard *g, enum sh_outside_purpose purpose,
                        const struct sh_outside_ask *ask, struct sh_outside **out)
{
    struct sh_outside *x = NULL;
    SH_TRY(guard_x_new(g, purpose, &x));
    sh_err err = take_provider(x, ask->provider);
    if (err == SH_OK && x->p == NULL) {
        (void)guard_x_fail(x, "provider_off", "There is no such provider, or it is disabled.");
    } else if (err == SH_OK && (!guard_copy(x->w.callback, sizeof x->w.callback, ask->callback) ||
                                !guard_copy(x->peer, sizeof x->peer, ask->peer))) {
        (void)guard_x_fail(x, "state", "The callback address is too long.");
    } else if (err == SH_OK) {
        (void)guard_copy(x->w.back, sizeof x->w.back,
                         guard_path_ok(ask->back) ? ask->back : SH_STR("/"));
        if (purpose == SH_OUTSIDE_CONFIRM) {
            err = check_session(x, ask->session);
            err = err == SH_E_DENIED ? SH_OK : err; /* the first step says so */
        }
    }
    if (err != SH_OK) {
        sh_outside_free(x);
        return err;
    }
    *out = x;
    return SH_OK;
}

/* ---- return ---- */

/* The one that waits, used up when the answer belongs to it. */
static sh_err take_waiting(struct sh_outside *x, const struct sh_outside_ask *ask)
{
    struct sh_guard *g = x->g;
    uint8_t key[SH_HASH_BYTES];
    bool found = false;
    SH_TRY(guard_browser_hash(g, ask->browser, key));
    sh_mutex_lock(&g->lock);
    struct guard_waiting *w = ask->browser.n == 0 ? NULL : guard_waiting_find(g, key);
    if (w != NULL && !w->proved && w->purpose != SH_OUTSIDE_SIGN_OUT &&
        sh_str_eqc(ask->provider, w->provider) &&
        sh_bytes_eq_ct(sh_str_bytes(ask->state), sh_bytes_of(w->state, strlen(w->state)))) {
        x->w = *w;
        x->purpose = w->purpose;
        guard_waiting_drop(g, w);
        found = true;
    }
    sh_mutex_unlock(&g->lock);
    return found ? SH_OK
                 : guard_x_fail(x, "state",
                                "The answer does not belong to a sign-in of this browser.");
}

static sh_err take_answer(struct sh_outside *x, const struct sh_outside_ask *ask)
{
    if (x->p == NULL || x->p->revision != x->w.revision) {
        return guard_x_fail(x, "provider_off", "The provider was changed or disabled meanwhile.");
    }
    if (ask->error.n > 0) {
        const struct sh_str word = sh_str_sub(ask->error, 0, 60);
        sh_diag_set(&x->diag, "The provider answered the error %.*s.", SH_PRI(word));
        return guard_x_fail(
            x, sh_str_eqc(word, "access_denied") ? "refused_there" : "provider_error", NULL);
    }
    if (ask->code.n == 0 || sh_buf_put_str(&x->code, ask->code) != SH_OK ||
        !guard_copy(x->answered_issuer, sizeof x->answered_issuer, ask->issuer)) {
        return guard_x_fail(x, "provider_error", "The provider's answer has no code.");
    }
    return SH_OK;
}

sh_err sh_outside_return(struct sh_guard *g, const struct sh_outside_ask *ask,
                         struct sh_outside **out)
{
    struct sh_outside *x = NULL;
    SH_TRY(guard_x_new(g, SH_OUTSIDE_SIGN_IN, &x));
    (void)guard_copy(x->peer, sizeof x->peer, ask->peer);
    (void)guard_copy(x->agent, sizeof x->agent, sh_str_sub(ask->agent, 0, GUARD_AGENT_MAX));
    sh_err err = take_provider(x, ask->provider);
    err = err == SH_OK ? take_waiting(x, ask) : err;
    err = err == SH_OK ? take_answer(x, ask) : err;
    if (err != SH_OK && err != SH_E_DENIED) {
        sh_outside_free(x);
        return err;
    }
    *out = x;
    return SH_OK;
}

sh_err sh_outside_try(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str provider,
                      struct sh_outside **out)
{
    struct sh_outside *x = NULL;
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, at->tenant));
    SH_TRY(guard_x_new(g, SH_OUTSIDE_TRY, &x));
    sh_err err = guard_x_take(x, provider, INT64_MAX);
    if (err == SH_OK && (x->p == NULL || x->p->tenant != at->tenant)) {
        err = SH_E_NOTFOUND;
    }
    if (err != SH_OK) {
        sh_outside_free(x);
        return err;
    }
    *out = x;
    return SH_OK;
}

/* ---- ENTER ---- */

/* Our own code is asked for: who it is waits for that, under a new secret. */
static sh_err wait_for_code(struct sh_outside *x, const struct guard_entrant *e)
{
    struct sh_guard *g = x->g;
    SH_TRY(random_text(g, x->browser));
    SH_TRY(guard_browser_hash(g, sh_str_c(x->browser), x->w.key));
    x->w.proved = true;
    x->w.tries = CODE_TRIES;
    x->w.until_us = sh_mono_us(g->env->clock) + CODE_S * US;
    x->w.tenant = e->tenant;
    memcpy(x->w.name, e->name, sizeof x->w.name);
    memcpy(x->w.words, e->words, sizeof x->w.words);
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_waiting_put(g, &x->w);
    sh_mutex_unlock(&g->lock);
    x->code_needed = true;
    x->stage = DONE;
    return err;
}

/* It must be the person who sits there. */
static sh_err same_person(struct sh_outside *x, struct guard_entrant *e)
{
    struct sh_guard *g = x->g;
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = session_by_hash(g, x->w.session);
    const struct guard_person *p =
        guard_identity_owner(g, sh_str_c(x->p->id), sh_json_get_str(x->claims, "sub"), false);
    const bool good = s != NULL && p != NULL && s->person == p;
    if (good) {
        e->tenant = p->tenant;
        memcpy(e->name, p->name, sizeof e->name);
        (void)guard_print(e->words, sizeof e->words, "provider %s, subject %s", x->p->id,
                          json_string_value(json_object_get(x->claims, "sub")));
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK
                : guard_x_fail(x, "other_person", "At the provider somebody else signed in.");
}

static sh_err let_in(struct sh_outside *x, const struct guard_entrant *e)
{
    const struct sh_sign_in_ask ask = {.peer = e->peer, .agent = e->agent};
    const struct guard_way way = {.no_code = true,
                                  .words = e->words,
                                  .provider = sh_str_c(x->p->id),
                                  .hint = sh_buf_str(&x->id_token)};
    x->stage = DONE;
    if (x->purpose == SH_OUTSIDE_CONFIRM) {
        const sh_err err = guard_session_confirm(x->g, x->w.session, NULL, &way, &x->session);
        return err == SH_E_STATE ? guard_x_fail(x, "other_person", "The session has ended.") : err;
    }
    const sh_err err =
        guard_session_new(x->g, e->tenant, sh_str_c(e->name), &ask, &way, &x->session);
    x->has_session = err == SH_OK;
    return err;
}

static sh_err enter(struct sh_outside *x)
{
    struct guard_entrant e = {.p = x->p,
                              .claims = x->claims,
                              .more = x->more,
                              .second = guard_id_second(x->claims, sh_str_c(x->p->acr)),
                              .peer = sh_str_c(x->peer),
                              .agent = sh_str_c(x->agent)};
    sh_err err = x->purpose == SH_OUTSIDE_CONFIRM ? same_person(x, &e) : guard_enter(x->g, &e);
    err = err == SH_OK ? guard_enter_second(x->g, &e) : err;
    if (err == SH_OK) {
        err = let_in(x, &e);
    } else if (err == SH_E_AGAIN) {
        return wait_for_code(x, &e);
    }
    if (err == SH_E_DENIED && x->stage != FAILED) {
        x->diag = e.diag;
        return guard_x_fail(x, e.why == NULL ? "disabled" : e.why, NULL);
    }
    return err;
}

/* ---- the steps ---- */

static sh_err run_stage(struct sh_outside *x)
{
    switch (x->stage) {
    case DISCOVERY:
        return guard_x_discovery(x);
    case BEGIN:
        return x->purpose == SH_OUTSIDE_SIGN_OUT ? guard_x_end(x) : begin(x);
    case TOKEN:
        return guard_x_token(x);
    case KEYS:
        return guard_x_keys(x);
    case VERIFY:
        return guard_x_verify(x);
    case USER:
        return guard_x_user(x);
    case ENTER:
        return enter(x);
    case DONE:
        return SH_OK;
    case FAILED:
        break;
    }
    return SH_E_DENIED;
}

/* Who could not come in, and why; trying is no sign-in. */
static void audit_refused(struct sh_outside *x)
{
    char object[SH_PROVIDER_ID_MAX + 16] = "provider:?";
    char detail[AUDIT_DETAIL_MAX];
    const struct sh_str sub = sh_json_get_str(x->claims, "sub");
    int64_t wait_us = 0;
    char key[96];
    (void)guard_print(key, sizeof key, "outside refused %s", x->peer);
    if (x->purpose == SH_OUTSIDE_TRY || x->purpose == SH_OUTSIDE_SIGN_OUT ||
        (x->claims == NULL && sh_guard_throttle(x->g, sh_str_c(key), 1, 4, &wait_us) != SH_OK)) {
        return; /* nobody fills the chain from outside */
    }
    if (x->p != NULL) {
        (void)guard_print(object, sizeof object, "provider:%s", x->p->id);
    }
    (void)guard_print(detail, sizeof detail, "%s%s%.*s: %s", x->why, sub.n == 0 ? "" : ", subject ",
                      SH_PRI(sub), x->diag.message);
    const struct sh_audit audit = {
        .tenant = x->p == NULL ? (uint32_t)SH_TENANT_ROOT : x->p->tenant,
        .act = SH_STR("session.refused"),
        .object = sh_str_c(object),
        .result = SH_STR("denied"),
        .detail = sh_str_c(detail),
        .peer = sh_str_c(x->peer),
    };
    sh_guard_audit_post(x->g, &audit);
}

sh_err sh_outside_step(struct sh_outside *x, struct sh_outside_fetch *next)
{
    sh_err err = SH_OK;
    while (err == SH_OK && x->stage != DONE) {
        err = run_stage(x);
    }
    if (err == SH_E_AGAIN) {
        *next = (struct sh_outside_fetch){.method = x->form.n > 0 ? "POST" : "GET",
                                          .url = sh_buf_str(&x->url),
                                          .authorization = sh_buf_str(&x->authorization),
                                          .form = sh_buf_str(&x->form)};
        return err;
    }
    if (err == SH_E_DENIED && !x->told) {
        x->told = true;
        audit_refused(x);
    }
    return err;
}

/* ---- what came of it ---- */

const char *sh_outside_why(const struct sh_outside *x)
{
    return x->why;
}

const char *sh_outside_detail(const struct sh_outside *x)
{
    return x->diag.message;
}

struct sh_str sh_outside_location(const struct sh_outside *x)
{
    return x->location.n > 0 ? sh_buf_str(&x->location)
                             : sh_str_c(x->w.back[0] == '\0' ? "/" : x->w.back);
}

struct sh_str sh_outside_browser(const struct sh_outside *x)
{
    return sh_str_c(x->stage == DONE ? x->browser : "");
}

enum sh_outside_purpose sh_outside_purpose(const struct sh_outside *x)
{
    return x->purpose;
}

const struct sh_sign_in *sh_outside_session(const struct sh_outside *x)
{
    return x->has_session ? &x->session : NULL;
}

bool sh_outside_code_needed(const struct sh_outside *x)
{
    return x->code_needed;
}
