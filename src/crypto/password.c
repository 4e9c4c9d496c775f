/* argon2id (RFC 9106) and its PHC string. The string is read by our own strict reader first: what
 * reaches libargon2 has known bounds, so that a damaged record can not ask for all memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <argon2.h>
#include <stdio.h>

#include <sh/crypto.h>

enum {
    SALT = 16,
    SALT_MIN = 8,
    SALT_MAX = 48,
    HASH = 32,
    TIME_MAX = 10,
    MEM_MIN = 8,
    MEM_MAX = 1048576,
    LANES_MAX = 16
};

static bool params_ok(const struct sh_argon2 *p)
{
    return p->time >= 1 && p->time <= TIME_MAX && p->mem_kib >= MEM_MIN && p->mem_kib <= MEM_MAX &&
           p->lanes >= 1 && p->lanes <= LANES_MAX && p->mem_kib >= 8 * p->lanes;
}

static sh_err from_argon2(int rc)
{
    if (rc == ARGON2_OK) {
        return SH_OK;
    }
    return rc == ARGON2_MEMORY_ALLOCATION_ERROR ? SH_E_NOMEM : SH_E_INTERNAL;
}

sh_err sh_password_hash(const struct sh_random *r, const struct sh_argon2 *params,
                        struct sh_str password, char out[SH_PHC_CHARS])
{
    if (!params_ok(params) || password.n == 0 || password.n > SH_PASSWORD_MAX) {
        return SH_E_INVAL;
    }
    uint8_t salt[SALT];
    SH_TRY(r->fill(r->ctx, salt, sizeof salt));
    return from_argon2(argon2id_hash_encoded(params->time, params->mem_kib, params->lanes,
                                             password.p, password.n, salt, sizeof salt, HASH, out,
                                             SH_PHC_CHARS));
}

sh_err sh_password_key(const struct sh_argon2 *params, struct sh_bytes salt,
                       struct sh_str passphrase, uint8_t out[SH_KEY_BYTES])
{
    if (!params_ok(params) || salt.n < SALT_MIN || salt.n > SALT_MAX || passphrase.n == 0 ||
        passphrase.n > SH_PASSWORD_MAX) {
        return SH_E_INVAL;
    }
    return from_argon2(argon2id_hash_raw(params->time, params->mem_kib, params->lanes, passphrase.p,
                                         passphrase.n, salt.p, salt.n, out, SH_KEY_BYTES));
}

static bool eat(struct sh_str *s, struct sh_str what)
{
    if (!sh_str_starts(*s, what)) {
        return false;
    }
    *s = sh_str_sub(*s, what.n, s->n);
    return true;
}

static bool eat_number(struct sh_str *s, uint32_t *out)
{
    size_t i = 0;
    uint32_t v = 0;
    while (i < s->n && i < 8 && s->p[i] >= '0' && s->p[i] <= '9') {
        v = v * 10 + (uint32_t)(s->p[i] - '0');
        i++;
    }
    if (i == 0 || (i > 1 && s->p[0] == '0')) {
        return false;
    }
    *s = sh_str_sub(*s, i, s->n);
    *out = v;
    return true;
}

/* base64 without padding (RFC 4648 4) of min to max bytes. */
static bool is_base64(struct sh_str s, size_t min, size_t max)
{
    if (s.n < (min * 8 + 5) / 6 || s.n > (max * 8 + 5) / 6) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!good) {
            return false;
        }
    }
    return true;
}

sh_err sh_password_params(struct sh_str phc, struct sh_argon2 *out)
{
    struct sh_argon2 p = {0};
    struct sh_str s = phc;
    if (phc.n >= SH_PHC_CHARS || !eat(&s, SH_STR("$argon2id$v=19$m=")) ||
        !eat_number(&s, &p.mem_kib) || !eat(&s, SH_STR(",t=")) || !eat_number(&s, &p.time) ||
        !eat(&s, SH_STR(",p=")) || !eat_number(&s, &p.lanes) || !eat(&s, SH_STR("$"))) {
        return SH_E_PROTO;
    }
    struct sh_str hash;
    const struct sh_str salt = sh_str_cut(s, '$', &hash);
    if (!is_base64(salt, SALT_MIN, SALT_MAX) || hash.p == NULL || !is_base64(hash, HASH, HASH) ||
        !params_ok(&p)) {
        return SH_E_PROTO;
    }
    *out = p;
    return SH_OK;
}

sh_err sh_password_verify(struct sh_str phc, struct sh_str password)
{
    struct sh_argon2 params;
    SH_TRY(sh_password_params(phc, &params));
    if (password.n == 0 || password.n > SH_PASSWORD_MAX) {
        return SH_E_DENIED;
    }
    char text[SH_PHC_CHARS];
    memcpy(text, phc.p, phc.n);
    text[phc.n] = '\0';
    const int rc = argon2id_verify(text, password.p, password.n);
    if (rc == ARGON2_VERIFY_MISMATCH) {
        return SH_E_DENIED;
    }
    /* Base64 of the right length can still be refused for bits behind the last byte. */
    return rc == ARGON2_DECODING_FAIL ? SH_E_PROTO : from_argon2(rc);
}
