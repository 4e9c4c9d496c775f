/* Request headers: pure functions over borrowed bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/outside.h>

/* RFC 6750 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
static bool is_b64token(struct sh_str s)
{
    size_t i = 0;
    for (; i < s.n; i++) {
        const char c = s.p[i];
        const bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                          c == '+' || c == '/';
        if (!good) {
            break;
        }
    }
    if (i == 0) {
        return false;
    }
    while (i < s.n && s.p[i] == '=') {
        i++;
    }
    return i == s.n;
}

/* RFC 7617 2: base64 of user ":" password, UTF-8, no control characters. */
static sh_err parse_basic(struct sh_str text, struct sh_buf *scratch, struct sh_auth_header *out)
{
    sh_buf_clear(scratch);
    const sh_err err = sh_base64_parse(text, false, scratch);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    const struct sh_str all = sh_buf_str(scratch);
    const size_t colon = sh_str_find(all, ':');
    if (colon == SIZE_MAX || !sh_utf8_valid(all)) {
        return SH_E_PROTO;
    }
    for (size_t i = 0; i < all.n; i++) {
        const unsigned char c = (unsigned char)all.p[i];
        if (c < 0x20 || c == 0x7f) {
            return SH_E_PROTO;
        }
    }
    *out = (struct sh_auth_header){
        .scheme = SH_AUTH_BASIC,
        .user = sh_str_sub(all, 0, colon),
        .password = sh_str_sub(all, colon + 1, all.n),
    };
    return SH_OK;
}

sh_err sh_auth_header_parse(struct sh_str header, struct sh_buf *scratch,
                            struct sh_auth_header *out)
{
    const struct sh_str text = sh_str_trim(header);
    if (text.n == 0) {
        *out = (struct sh_auth_header){.scheme = SH_AUTH_NONE};
        return SH_OK;
    }
    if (text.n > SH_AUTH_MAX) {
        return SH_E_PROTO;
    }
    struct sh_str rest;
    const struct sh_str scheme = sh_str_cut(text, ' ', &rest);
    rest = sh_str_trim(rest);
    if (sh_str_ieq(scheme, SH_STR("Bearer")) || sh_str_ieq(scheme, SH_STR("Token"))) {
        if (!is_b64token(rest)) {
            return SH_E_PROTO;
        }
        *out = (struct sh_auth_header){.scheme = SH_AUTH_TOKEN, .token = rest};
        return SH_OK;
    }
    return sh_str_ieq(scheme, SH_STR("Basic")) ? parse_basic(rest, scratch, out) : SH_E_UNSUPPORTED;
}

struct sh_str sh_cookie_find(struct sh_str header, struct sh_str name)
{
    struct sh_str left = header;
    while (left.p != NULL) {
        struct sh_str rest;
        struct sh_str value;
        const struct sh_str pair = sh_str_trim(sh_str_cut(left, ';', &rest));
        const struct sh_str key = sh_str_cut(pair, '=', &value);
        if (value.p != NULL && sh_str_eq(key, name)) {
            if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') {
                value = sh_str_sub(value, 1, value.n - 1);
            }
            return value;
        }
        left = rest;
    }
    return (struct sh_str){NULL, 0};
}

sh_err sh_outside_cookie_put(struct sh_buf *out, struct sh_str secret, bool secure)
{
    return sh_buf_printf(
        out, SH_OUTSIDE_COOKIE "=%.*s; Path=/api/v1/sign-in; Max-Age=%d; HttpOnly; SameSite=Lax%s",
        SH_PRI(secret), secret.n == 0 ? 0 : 600, secure ? "; Secure" : "");
}

sh_err sh_session_cookie_put(struct sh_buf *out, struct sh_str token, int64_t max_age_s,
                             bool secure)
{
    return sh_buf_printf(
        out, SH_SESSION_COOKIE "=%.*s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
        SH_PRI(token), token.n == 0 ? 0LL : (long long)max_age_s, secure ? "; Secure" : "");
}
