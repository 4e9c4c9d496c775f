/* oidc.c - what OpenID Connect says, without I/O, locks or state: the provider's document, the
 * claims of an ID token, the parameters of a request.
 * Spec: OpenID Connect Core 1.0, Discovery 1.0 and RP-Initiated Logout 1.0, RFC 6749, 7636, 8176,
 * 8414, 9207. SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { SKEW_S = 60, ISSUED_S = 600 };

/* ---- URLs ---- */

static bool is_loopback_name(struct sh_str host)
{
    return sh_str_ieq(host, SH_STR("localhost")) || sh_str_eqc(host, "127.0.0.1") ||
           sh_str_eqc(host, "[::1]");
}

/* host[:port] without anything that could be read in two ways. */
static bool authority_ok(struct sh_str a, bool loopback)
{
    const bool literal = a.n > 0 && a.p[0] == '[';
    const size_t close = literal ? sh_str_find(a, ']') : SIZE_MAX;
    const struct sh_str behind = close == SIZE_MAX ? a : sh_str_sub(a, close, a.n);
    const size_t colon = sh_str_find(behind, ':');
    const size_t host_n = colon == SIZE_MAX ? a.n : a.n - behind.n + colon;
    const struct sh_str host = sh_str_sub(a, 0, host_n);
    if (host.n == 0 || (literal && close == SIZE_MAX)) {
        return false;
    }
    for (size_t i = host_n + 1; i < a.n; i++) {
        if (a.p[i] < '0' || a.p[i] > '9') {
            return false;
        }
    }
    return !loopback || is_loopback_name(host);
}

bool guard_outside_url_ok(struct sh_str url)
{
    const struct sh_str https = SH_STR("https://");
    const struct sh_str http = SH_STR("http://");
    const bool clear = sh_str_starts(url, http);
    if (url.n > SH_OUTSIDE_URL_MAX / 2 || (!clear && !sh_str_starts(url, https))) {
        return false;
    }
    for (size_t i = 0; i < url.n; i++) {
        const unsigned char c = (unsigned char)url.p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}#@", c) != NULL) {
            return false;
        }
    }
    const struct sh_str rest = sh_str_sub(url, clear ? http.n : https.n, url.n);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
        n++;
    }
    return authority_ok(sh_str_sub(rest, 0, n), clear);
}

bool guard_path_ok(struct sh_str path)
{
    if (path.n == 0 || path.n >= GUARD_BACK_MAX || path.p[0] != '/' ||
        (path.n > 1 && path.p[1] == '/')) {
        return false;
    }
    for (size_t i = 0; i < path.n; i++) {
        const unsigned char c = (unsigned char)path.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '#') {
            return false;
        }
    }
    return true;
}

static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

sh_err guard_query_put(struct sh_buf *url, const char *name, struct sh_str value)
{
    const struct sh_str so_far = sh_buf_str(url);
    if (so_far.n > 0) { /* else a form begins */
        const bool first =
            sh_str_starts(so_far, SH_STR("http")) && sh_str_find(so_far, '?') == SIZE_MAX;
        SH_TRY(sh_buf_put_c(url, first ? "?" : "&"));
    }
    SH_TRY(sh_buf_put_c(url, name));
    SH_TRY(sh_buf_put_c(url, "="));
    return sh_percent_put(url, value, unreserved);
}

sh_err guard_pkce(const struct sh_guard *g, struct sh_str verifier, char out[SH_TOKEN_CHARS + 1])
{
    uint8_t hash[SH_HASH_BYTES];
    struct sh_buf text;
    const struct sh_bytes part = sh_str_bytes(verifier);
    SH_TRY(sh_crypto_hash(g->crypto, SH_DIGEST_SHA256, &part, 1, hash));
    sh_buf_init(&text, g->env->alloc, 2 * (size_t)SH_TOKEN_CHARS);
    sh_err err = sh_base64_put(&text, sh_bytes_of(hash, sizeof hash), true);
    if (err == SH_OK && !guard_copy(out, SH_TOKEN_CHARS + 1, sh_buf_str(&text))) {
        err = SH_E_INTERNAL;
    }
    sh_buf_fini(&text);
    return err;
}

/* ---- the provider's document ---- */

static sh_err endpoint(const json_t *o, const char *member, bool needed, struct sh_str *out,
                       struct sh_diag *diag)
{
    *out = sh_json_get_str(o, member);
    if (out->n == 0 && !needed) {
        return SH_OK;
    }
    if (!guard_outside_url_ok(*out)) {
        sh_diag_set(diag, "%s of the provider's document is no https address: \"%.*s\".", member,
                    (int)(out->n > 200 ? 200 : out->n), out->n == 0 ? "" : out->p);
        return SH_E_PROTO;
    }
    return SH_OK;
}

static bool has(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s != NULL && strcmp(s, word) == 0) {
            return true;
        }
    }
    return false;
}

sh_err guard_discovery_read(const json_t *o, struct sh_str issuer, struct guard_discovery *out,
                            struct sh_diag *diag)
{
    const struct sh_str says = sh_json_get_str(o, "issuer");
    const json_t *auth = json_object_get(o, "token_endpoint_auth_methods_supported");
    const json_t *pkce = json_object_get(o, "code_challenge_methods_supported");
    *out = (struct guard_discovery){
        .post_only = auth != NULL && !has(auth, "client_secret_basic"),
        .says_issuer = sh_json_get_bool(o, "authorization_response_iss_parameter_supported", false),
        .claims = sh_json_get_bool(o, "claims_parameter_supported", false)};
    if (!sh_str_eq(says, issuer)) {
        sh_diag_set(diag, "The provider's document is of the issuer \"%.*s\", not of \"%.*s\".",
                    (int)(says.n > 200 ? 200 : says.n), says.n == 0 ? "" : says.p, SH_PRI(issuer));
        sh_diag_remedy(diag, "Enter the issuer exactly as the provider writes it, also the slash "
                             "at its end.");
        return SH_E_PROTO;
    }
    if (pkce != NULL && !has(pkce, "S256")) {
        sh_diag_set(diag, "The provider does not know PKCE with S256.");
        return SH_E_PROTO;
    }
    SH_TRY(endpoint(o, "authorization_endpoint", true, &out->authorization, diag));
    SH_TRY(endpoint(o, "token_endpoint", true, &out->token, diag));
    SH_TRY(endpoint(o, "jwks_uri", true, &out->jwks, diag));
    if (endpoint(o, "end_session_endpoint", false, &out->end_session, NULL) != SH_OK) {
        out->end_session = SH_STR(""); /* one signs in all the same */
    }
    return endpoint(o, "userinfo_endpoint", false, &out->userinfo, diag);
}

/* ---- the claims of an ID token ---- */

static bool for_us(const json_t *claims, struct sh_str client)
{
    const json_t *aud = json_object_get(claims, "aud");
    const json_t *azp = json_object_get(claims, "azp");
    bool in = json_is_string(aud) && sh_str_eq(sh_json_get_str(claims, "aud"), client);
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const json_t *v = json_array_get(aud, i);
        in = in || (json_is_string(v) &&
                    sh_str_eq(sh_str_of(json_string_value(v), json_string_length(v)), client));
    }
    const bool named = azp != NULL && sh_str_eq(sh_json_get_str(claims, "azp"), client);
    return in && (azp == NULL ? json_array_size(aud) <= 1 : named);
}

/* Seconds since 1970 (RFC 7519, 2: NumericDate); false: absent or no number. */
static bool seconds(const json_t *claims, const char *member, int64_t *out)
{
    const json_t *v = json_object_get(claims, member);
    const double d = json_number_value(v);
    if (!json_is_number(v) || !(d > 0 && d < 1e12)) {
        return false;
    }
    *out = (int64_t)d;
    return true;
}

static sh_err refuse(struct sh_diag *diag, const char **why, const char *word, const char *english)
{
    *why = word;
    sh_diag_set(diag, "%s", english);
    return SH_E_DENIED;
}

static sh_err times(const json_t *claims, const struct guard_id_expect *want, const char **why,
                    struct sh_diag *diag)
{
    int64_t exp = 0;
    int64_t iat = 0;
    int64_t nbf = 0;
    if (!seconds(claims, "exp", &exp) || !seconds(claims, "iat", &iat)) {
        return refuse(diag, why, "token", "The ID token does not say when it was made and ends.");
    }
    if (exp <= want->now_s - SKEW_S) {
        return refuse(diag, why, "token_expired", "The ID token is over.");
    }
    if (iat > want->now_s + SKEW_S || iat < want->now_s - ISSUED_S ||
        (seconds(claims, "nbf", &nbf) && nbf > want->now_s + SKEW_S)) {
        return refuse(diag, why, "clock",
                      "The ID token was made at another time: compare the clocks of provider and "
                      "node.");
    }
    if (want->since_s > 0) {
        int64_t at = 0;
        if (!seconds(claims, "auth_time", &at) || at < want->since_s - SKEW_S ||
            at > want->now_s + SKEW_S) {
            return refuse(diag, why, "not_fresh",
                          "The provider did not ask anew who sits there (auth_time).");
        }
    }
    return SH_OK;
}

sh_err guard_id_check(const json_t *claims, const struct guard_id_expect *want, const char **why,
                      struct sh_diag *diag)
{
    const struct sh_str sub = sh_json_get_str(claims, "sub");
    if (!json_is_object(claims) || sub.n == 0 || sub.n > GUARD_SUBJECT_MAX) {
        return refuse(diag, why, "token", "The ID token has no subject of at most 255 bytes.");
    }
    if (!sh_str_eq(sh_json_get_str(claims, "iss"), want->issuer)) {
        return refuse(diag, why, "token_issuer", "The ID token is of another issuer.");
    }
    if (!for_us(claims, want->client)) {
        return refuse(diag, why, "token_audience", "The ID token was made for another client.");
    }
    if (!sh_bytes_eq_ct(sh_str_bytes(sh_json_get_str(claims, "nonce")),
                        sh_str_bytes(want->nonce))) {
        return refuse(diag, why, "token_nonce", "The ID token does not belong to this sign-in.");
    }
    return times(claims, want, why, diag);
}

/* RFC 8176: something known, something held, something of the body. */
static unsigned kind_of(const char *method)
{
    static const struct {
        const char *method;
        unsigned kind;
    } rows[] = {{"pwd", 1},  {"pin", 1},  {"kba", 1},    {"otp", 2}, {"hwk", 2},
                {"swk", 2},  {"sc", 2},   {"sms", 2},    {"tel", 2}, {"fpt", 4},
                {"face", 4}, {"iris", 4}, {"retina", 4}, {"vbm", 4}, {"mfa", 1 | 2}};
    for (size_t i = 0; method != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(method, rows[i].method) == 0) {
            return rows[i].kind;
        }
    }
    return 0;
}

bool guard_id_second(const json_t *claims, struct sh_str acr_list)
{
    const json_t *amr = json_object_get(claims, "amr");
    const struct sh_str acr = sh_json_get_str(claims, "acr");
    unsigned kinds = 0;
    for (size_t i = 0; i < json_array_size(amr); i++) {
        kinds |= kind_of(json_string_value(json_array_get(amr, i)));
    }
    while (acr.n > 0 && acr_list.n > 0) {
        if (sh_str_eq(sh_str_cut(acr_list, ' ', &acr_list), acr)) {
            return true;
        }
    }
    return (kinds & (kinds - 1)) != 0; /* two bits at least */
}
