/* exchange.c - the stages of the exchange that talk to the provider: its document, the token, its
 * keys, the ID token, the user info. See outside.c for their order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "exchange_int.h"

sh_err guard_x_fail(struct sh_outside *x, const char *why, const char *english)
{
    x->stage = FAILED;
    x->why = why;
    if (english != NULL) {
        sh_diag_set(&x->diag, "%s", english);
    }
    return SH_E_DENIED;
}

/* What was fetched is kept for the next one, when the provider is the same still. */
static sh_err keep(struct sh_outside *x, bool keys)
{
    struct sh_guard *g = x->g;
    struct sh_str copy = sh_str_dup(g->env->alloc, sh_buf_str(&x->body));
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&g->lock);
    struct guard_provider *p = guard_provider_find(g, sh_str_c(x->p->id));
    if (p != NULL && p->revision == x->p->revision) {
        struct sh_str *at = keys ? &p->jwks : &p->discovery;
        sh_str_free(g->env->alloc, at);
        *at = copy;
        *(keys ? &p->jwks_us : &p->discovery_us) = sh_mono_us(g->env->clock);
        copy = (struct sh_str){NULL, 0};
    }
    sh_mutex_unlock(&g->lock);
    sh_str_free(g->env->alloc, &copy);
    return SH_OK;
}

/* ---- fetching ---- */

static sh_err ask_for(struct sh_outside *x, struct sh_str url)
{
    sh_buf_clear(&x->url);
    sh_buf_clear(&x->form);
    sh_buf_clear(&x->authorization);
    sh_buf_clear(&x->body);
    x->asked = true;
    x->fetch_err = SH_E_STATE;
    return sh_buf_put_str(&x->url, url) == SH_OK ? SH_E_AGAIN : SH_E_NOMEM;
}

void sh_outside_fetched(struct sh_outside *x, sh_err err, const char *why, int status,
                        struct sh_bytes body)
{
    sh_buf_clear(&x->body);
    x->fetch_err = err == SH_OK ? sh_buf_put(&x->body, body.p, body.n) : err;
    x->status = status;
    const struct sh_str said = sh_str_c(why == NULL ? "" : why);
    (void)guard_copy(x->fetch_why, sizeof x->fetch_why,
                     sh_str_sub(said, 0, sizeof x->fetch_why - 1));
}

/* The answer as JSON. what: how to call it. */
static sh_err answer(struct sh_outside *x, const char *what, json_t **out)
{
    x->asked = false;
    if (x->fetch_err == SH_E_NOMEM) {
        return x->fetch_err;
    }
    if (x->fetch_err != SH_OK) {
        sh_diag_set(&x->diag, "%s at %.*s: %s (%s)", what, SH_PRI(sh_buf_str(&x->url)),
                    x->fetch_why, sh_err_name(x->fetch_err));
        return guard_x_fail(x, x->fetch_err == SH_E_DENIED ? "address" : "provider_down", NULL);
    }
    if (x->status != 200) {
        sh_diag_set(&x->diag, "%s at %.*s: the answer was %d.", what, SH_PRI(sh_buf_str(&x->url)),
                    x->status);
        return guard_x_fail(x, "provider_answer", NULL);
    }
    const sh_err err = sh_json_parse(sh_buf_str(&x->body), BODY_MAX, out, NULL);
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK || !json_is_object(*out)) {
        sh_diag_set(&x->diag, "%s at %.*s is no JSON object.", what, SH_PRI(sh_buf_str(&x->url)));
        return guard_x_fail(x, "provider_answer", NULL);
    }
    return SH_OK;
}

/* ---- DISCOVERY ---- */

sh_err guard_x_discovery(struct sh_outside *x)
{
    if (x->p == NULL) {
        return guard_x_fail(x, "provider_off", "There is no such provider.");
    }
    const struct sh_str issuer = sh_str_c(x->p->issuer);
    if (x->discovery == NULL && !x->asked) {
        SH_TRY(ask_for(x, issuer) == SH_E_AGAIN ? SH_OK : SH_E_NOMEM);
        const bool slash = issuer.p[issuer.n - 1] == '/';
        SH_TRY(sh_buf_put_c(&x->url, slash ? ".well-known/openid-configuration"
                                           : "/.well-known/openid-configuration"));
        return SH_E_AGAIN;
    }
    const bool fresh = x->asked;
    if (fresh) {
        SH_TRY(answer(x, "the provider's document", &x->discovery));
    }
    if (guard_discovery_read(x->discovery, issuer, &x->doc, &x->diag) != SH_OK) {
        return guard_x_fail(x, "provider_document", NULL);
    }
    if (fresh) {
        SH_TRY(keep(x, false));
    }
    x->stage = x->purpose == SH_OUTSIDE_TRY ? KEYS : x->w.provider[0] == '\0' ? BEGIN : TOKEN;
    if (x->stage == TOKEN && (x->doc.says_issuer || x->answered_issuer[0] != '\0') &&
        !sh_str_eqc(issuer, x->answered_issuer)) {
        return guard_x_fail(x, "token_issuer", "The answer is of another issuer.");
    }
    return SH_OK;
}

/* ---- TOKEN ---- */

/* RFC 6749, 2.3.1: both parts are encoded as a form before they are joined. */
static sh_err put_basic(struct sh_outside *x)
{
    struct sh_buf pair;
    sh_buf_init(&pair, x->g->env->alloc, 8 * (size_t)GUARD_VALUE_CHARS);
    sh_err err = guard_query_put(&pair, "", sh_str_c(x->p->client));
    err = err == SH_OK ? sh_buf_put_c(&pair, ":") : err;
    const size_t at = pair.n;
    if (err == SH_OK) { /* the names are empty: "=client", "=secret" */
        struct sh_buf secret;
        sh_buf_init(&secret, x->g->env->alloc, 4 * (size_t)GUARD_VALUE_CHARS);
        err = guard_query_put(&secret, "", sh_str_c(x->p->secret));
        err = err == SH_OK ? sh_buf_put(&pair, secret.p + 1, secret.n - 1) : err;
        sh_crypto_wipe(secret.p, secret.n);
        sh_buf_fini(&secret);
    }
    err = err == SH_OK ? sh_buf_put_c(&x->authorization, "Basic ") : err;
    err = err == SH_OK && at > 0
              ? sh_base64_put(&x->authorization, sh_bytes_of(pair.p + 1, pair.n - 1), false)
              : err;
    sh_crypto_wipe(pair.p, pair.n);
    sh_buf_fini(&pair);
    return err;
}

static sh_err ask_token(struct sh_outside *x)
{
    const bool basic = x->p->secret[0] != '\0' && !x->doc.post_only;
    if (ask_for(x, x->doc.token) != SH_E_AGAIN) {
        return SH_E_NOMEM;
    }
    SH_TRY(guard_query_put(&x->form, "grant_type", SH_STR("authorization_code")));
    SH_TRY(guard_query_put(&x->form, "code", sh_buf_str(&x->code)));
    SH_TRY(guard_query_put(&x->form, "redirect_uri", sh_str_c(x->w.callback)));
    SH_TRY(guard_query_put(&x->form, "code_verifier", sh_str_c(x->w.verifier)));
    if (basic) {
        SH_TRY(put_basic(x));
        return SH_E_AGAIN;
    }
    SH_TRY(guard_query_put(&x->form, "client_id", sh_str_c(x->p->client)));
    if (x->p->secret[0] != '\0') {
        SH_TRY(guard_query_put(&x->form, "client_secret", sh_str_c(x->p->secret)));
    }
    return SH_E_AGAIN;
}

/* RFC 6749, 5.2: what the provider does not like. */
static sh_err token_refused(struct sh_outside *x)
{
    json_t *o = NULL;
    if (x->fetch_err != SH_OK || (x->status != 400 && x->status != 401) ||
        sh_json_parse(sh_buf_str(&x->body), BODY_MAX, &o, NULL) != SH_OK) {
        return SH_OK;
    }
    const struct sh_str error = sh_str_sub(sh_json_get_str(o, "error"), 0, 60);
    const bool client =
        sh_str_eqc(error, "invalid_client") || sh_str_eqc(error, "unauthorized_client");
    const bool code = sh_str_eqc(error, "invalid_grant");
    if (error.n > 0) {
        sh_diag_set(&x->diag, "The provider refused the code: %.*s.", SH_PRI(error));
    }
    json_decref(o);
    x->asked = error.n == 0;
    return error.n == 0 ? SH_OK
                        : guard_x_fail(x,
                                       client ? "client"
                                       : code ? "code_used"
                                              : "provider_error",
                                       NULL);
}

sh_err guard_x_token(struct sh_outside *x)
{
    json_t *o = NULL;
    if (!x->asked) {
        return ask_token(x);
    }
    SH_TRY(token_refused(x));
    SH_TRY(answer(x, "the token", &o));
    sh_crypto_wipe(x->code.p, x->code.n);
    sh_buf_clear(&x->code);
    sh_err err = sh_buf_put_str(&x->id_token, sh_json_get_str(o, "id_token"));
    err = err == SH_OK ? sh_buf_put_str(&x->code, sh_json_get_str(o, "access_token")) : err;
    json_decref(o);
    if (err == SH_E_LIMIT || x->id_token.n == 0) {
        return guard_x_fail(x, "token",
                            "The provider's answer has no ID token, or a too long one.");
    }
    x->stage = KEYS;
    return err;
}

/* ---- KEYS, VERIFY ---- */

sh_err guard_x_keys(struct sh_outside *x)
{
    if (x->jwks == NULL && !x->asked) {
        return ask_for(x, x->doc.jwks);
    }
    if (x->asked) {
        SH_TRY(answer(x, "the provider's keys", &x->jwks));
        x->jwks_us = 0;
        if (sh_jwks_count(x->g->env->alloc, x->jwks) == 0) {
            return guard_x_fail(x, "no_keys",
                                "The provider has no key of RS256, PS256, ES256 or EdDSA.");
        }
        SH_TRY(keep(x, true));
    }
    x->stage = x->purpose == SH_OUTSIDE_TRY ? DONE : VERIFY;
    return SH_OK;
}

/* The keys may be newer than those that were kept. */
static bool may_fetch_again(const struct sh_outside *x)
{
    return x->jwks_us != 0 && sh_mono_us(x->g->env->clock) >= x->jwks_us + AGAIN_S * US;
}

static sh_err check_signature(struct sh_outside *x)
{
    struct sh_jws j;
    sh_err err = sh_jws_parse(x->g->env->alloc, sh_buf_str(&x->id_token), &j);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : guard_x_fail(x, "token", "The ID token is malformed.");
    }
    err = sh_jws_verify(&j, x->jwks);
    if (err == SH_OK) {
        const struct sh_str claims = sh_buf_str(&j.payload);
        err = sh_json_parse(claims, SH_JWS_MAX, &x->claims, NULL);
        err = err == SH_OK || err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    sh_jws_fini(&j);
    if ((err == SH_E_NOTFOUND || err == SH_E_DENIED) && may_fetch_again(x)) {
        json_decref(x->jwks);
        x->jwks = NULL;
        x->stage = KEYS;
        return SH_OK;
    }
    if (err == SH_OK || err == SH_E_NOMEM) {
        return err;
    }
    return guard_x_fail(
        x, "token_signature",
        err == SH_E_UNSUPPORTED ? "The ID token is not signed by RS256, PS256, ES256 or EdDSA."
        : err == SH_E_NOTFOUND  ? "The ID token is signed by a key that the provider does "
                                  "not have."
                                : "The signature of the ID token is not the provider's.");
}

sh_err guard_x_verify(struct sh_outside *x)
{
    const char *why = "token";
    SH_TRY(check_signature(x));
    if (x->claims == NULL) { /* the keys are fetched once more */
        return SH_OK;
    }
    const struct guard_id_expect want = {
        .issuer = sh_str_c(x->p->issuer),
        .client = sh_str_c(x->p->client),
        .nonce = sh_str_c(x->w.nonce),
        .now_s = guard_now(x->g) / US,
        .since_s = x->purpose == SH_OUTSIDE_CONFIRM ? x->w.begun_s : 0,
    };
    if (guard_id_check(x->claims, &want, &why, &x->diag) != SH_OK) {
        return guard_x_fail(x, why, NULL);
    }
    x->stage = USER;
    return SH_OK;
}

/* ---- USER ---- */

/* Providers that give claims at the user info only (Core 1.0, 5.4) are asked there. */
sh_err guard_x_user(struct sh_outside *x)
{
    const struct guard_entrant e = {.claims = x->claims};
    const bool whole =
        x->purpose == SH_OUTSIDE_CONFIRM ||
        (guard_claim(&e, x->p->name_claim) != NULL &&
         (x->p->people != GUARD_PEOPLE_MAP || guard_claim(&e, x->p->roles_claim) != NULL));
    if (!x->asked && (whole || x->doc.userinfo.n == 0 || x->code.n == 0)) {
        x->stage = ENTER;
        return SH_OK;
    }
    if (!x->asked) {
        if (ask_for(x, x->doc.userinfo) != SH_E_AGAIN) {
            return SH_E_NOMEM;
        }
        SH_TRY(sh_buf_put_c(&x->authorization, "Bearer "));
        SH_TRY(sh_buf_put_str(&x->authorization, sh_buf_str(&x->code)));
        return SH_E_AGAIN;
    }
    SH_TRY(answer(x, "the user info", &x->more));
    if (!sh_str_eq(sh_json_get_str(x->more, "sub"), sh_json_get_str(x->claims, "sub"))) {
        return guard_x_fail(x, "user_info",
                            "The user info is of another subject (Core 1.0, 5.3.2).");
    }
    x->stage = ENTER;
    return SH_OK;
}
