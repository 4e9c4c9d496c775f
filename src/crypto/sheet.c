/* sheet.c - the recovery sheet: its code, and the key that the ring is wrapped to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ring_int.h"

enum { GROUPS = 8, DIGITS = 4, BITS = 5, PUBLIC = 32 };
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's */

/* Luhn mod 32 (ISO/IEC 7812-1 annex B, for 32 digits), begun with the number of the group so that
 * groups in another order are found too. */
static unsigned check_digit(const uint8_t digits[DIGITS], unsigned group)
{
    unsigned sum = group * 7;
    unsigned factor = 2;
    for (size_t i = DIGITS; i-- > 0;) {
        const unsigned twice = digits[i] * factor;
        sum += twice / 32 + twice % 32;
        factor = factor == 2 ? 1 : 2;
    }
    return (32 - sum % 32) % 32;
}

static void print_code(const uint8_t seed[SH_SHEET_SEED], char code[SH_SHEET_CODE])
{
    size_t n = 0;
    for (unsigned g = 0; g < GROUPS; g++) {
        uint8_t digits[DIGITS];
        for (unsigned i = 0; i < DIGITS; i++) {
            const unsigned bit = (g * DIGITS + i) * BITS;
            const unsigned two = (unsigned)seed[bit / 8] << 8 |
                                 (bit / 8 + 1 < SH_SHEET_SEED ? seed[bit / 8 + 1] : 0U);
            digits[i] = (uint8_t)(two >> (16 - BITS - bit % 8) & 31U);
            code[n++] = alphabet[digits[i]];
        }
        code[n++] = alphabet[check_digit(digits, g)];
        code[n++] = g + 1 < GROUPS ? '-' : '\0';
    }
}

static int digit_of(char c)
{
    const char big = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    const char one = big == 'I' || big == 'L' ? '1' : big == 'O' ? '0' : big;
    const char *p = one == '\0' ? NULL : strchr(alphabet, one);
    return p == NULL ? -1 : (int)(p - alphabet);
}

sh_err sh_sheet_parse(struct sh_str code, uint8_t seed[SH_SHEET_SEED], unsigned *at)
{
    uint8_t all[GROUPS * (DIGITS + 1)];
    size_t n = 0;
    memset(seed, 0, SH_SHEET_SEED);
    *at = 0;
    for (size_t i = 0; i < code.n; i++) {
        if (code.p[i] == ' ' || code.p[i] == '-' || code.p[i] == '\t') {
            continue;
        }
        const int d = digit_of(code.p[i]);
        if (n == sizeof all || d < 0) {
            *at = n == sizeof all ? 0 : (unsigned)(n / (DIGITS + 1)) + 1;
            return SH_E_INVAL;
        }
        all[n++] = (uint8_t)d;
    }
    if (n != sizeof all) {
        return SH_E_INVAL;
    }
    for (unsigned g = 0; g < GROUPS; g++) {
        const uint8_t *digits = all + (size_t)g * (DIGITS + 1);
        if (check_digit(digits, g) != digits[DIGITS]) {
            *at = g + 1;
            return SH_E_INVAL;
        }
        for (unsigned i = 0; i < DIGITS; i++) {
            const unsigned bit = (g * DIGITS + i) * BITS;
            const unsigned two = (unsigned)digits[i] << (16 - BITS - bit % 8);
            seed[bit / 8] |= (uint8_t)(two >> 8);
            if (bit / 8 + 1 < SH_SHEET_SEED) {
                seed[bit / 8 + 1] |= (uint8_t)two;
            }
        }
    }
    sh_crypto_wipe(all, sizeof all);
    return SH_OK;
}

/* ---- X25519 ---- */

static EVP_PKEY *private_of(const uint8_t key[SH_KEY_BYTES])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key, SH_KEY_BYTES);
}

static sh_err public_of(const uint8_t private[SH_KEY_BYTES], uint8_t out[PUBLIC])
{
    size_t n = PUBLIC;
    EVP_PKEY *key = private_of(private);
    const bool good = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == PUBLIC;
    EVP_PKEY_free(key);
    return good ? SH_OK : SH_E_NOMEM;
}

/* SH_E_DENIED: a public key that gives no secret (RFC 7748, 6.1: all zero). */
static sh_err agree(const uint8_t private[SH_KEY_BYTES], const uint8_t public[PUBLIC],
                    uint8_t out[SH_KEY_BYTES])
{
    size_t n = SH_KEY_BYTES;
    EVP_PKEY *own = private_of(private);
    EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public, PUBLIC);
    EVP_PKEY_CTX *ctx = own == NULL ? NULL : EVP_PKEY_CTX_new(own, NULL);
    sh_err err = SH_E_NOMEM;
    if (ctx != NULL && other != NULL && EVP_PKEY_derive_init(ctx) == 1) {
        err = EVP_PKEY_derive_set_peer(ctx, other) == 1 && EVP_PKEY_derive(ctx, out, &n) == 1
                  ? SH_OK
                  : SH_E_DENIED;
    }
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(own);
    return err;
}

static sh_err wrapping_key(const struct sh_crypto *c, const uint8_t shared[SH_KEY_BYTES],
                           const uint8_t once[PUBLIC], const uint8_t sheet[PUBLIC],
                           uint8_t out[SH_KEY_BYTES])
{
    const struct sh_bytes parts[] = {
        sh_bytes_of("ring sheet", 10),
        sh_bytes_of(once, PUBLIC),
        sh_bytes_of(sheet, PUBLIC),
    };
    return sh_crypto_hmac(c, SH_DIGEST_SHA256, sh_bytes_of(shared, SH_KEY_BYTES), parts, 3, out);
}

sh_err ring_sheet_wrap(const struct sh_env *env, const struct sh_crypto *c, const struct sh_ring *r,
                       const uint8_t key[SH_KEY_BYTES], struct sh_buf *out)
{
    uint8_t once[SH_KEY_BYTES];
    uint8_t public[PUBLIC];
    uint8_t shared[SH_KEY_BYTES] = {0};
    struct sh_box_key box = {.id = 0, .kind = sh_ring_current(r)->box.kind};
    SH_TRY(env->random->fill(env->random->ctx, once, sizeof once));
    sh_err err = public_of(once, public);
    err = err != SH_OK ? err : agree(once, r->sheet_public, shared);
    err = err != SH_OK ? err : wrapping_key(c, shared, public, r->sheet_public, box.key);
    err = err != SH_OK ? err : sh_buf_put(out, public, PUBLIC);
    err = err != SH_OK ? err
                       : sh_box_seal(c, &box, RING_CONTEXT, sh_bytes_of(key, SH_KEY_BYTES), out);
    sh_crypto_wipe(once, sizeof once);
    sh_crypto_wipe(shared, sizeof shared);
    sh_crypto_wipe(&box, sizeof box);
    return err;
}

static sh_err private_from(const struct sh_crypto *c, const uint8_t seed[SH_SHEET_SEED],
                           uint8_t out[SH_KEY_BYTES])
{
    const struct sh_bytes part = sh_bytes_of("songhua recovery sheet", 22);
    return sh_crypto_hmac(c, SH_DIGEST_SHA256, sh_bytes_of(seed, SH_SHEET_SEED), &part, 1, out);
}

sh_err ring_sheet_unwrap(const struct sh_env *env, const struct sh_crypto *c,
                         const uint8_t seed[SH_SHEET_SEED], struct sh_bytes wrap,
                         uint8_t key[SH_KEY_BYTES])
{
    uint8_t private[SH_KEY_BYTES];
    uint8_t public[PUBLIC];
    uint8_t shared[SH_KEY_BYTES] = {0};
    uint8_t kek[SH_KEY_BYTES] = {0};
    if (wrap.n <= PUBLIC) {
        return SH_E_PROTO;
    }
    SH_TRY(private_from(c, seed, private));
    sh_err err = public_of(private, public);
    err = err != SH_OK ? err : agree(private, wrap.p, shared);
    err = err != SH_OK ? err : wrapping_key(c, shared, wrap.p, public, kek);
    err = err != SH_OK
              ? err
              : ring_box_open(env, c, kek, sh_bytes_of(wrap.p + PUBLIC, wrap.n - PUBLIC), key);
    sh_crypto_wipe(private, sizeof private);
    sh_crypto_wipe(shared, sizeof shared);
    sh_crypto_wipe(kek, sizeof kek);
    return err;
}

sh_err sh_sheet_new(const struct sh_env *env, const struct sh_crypto *c, struct sh_ring *r,
                    char code[SH_SHEET_CODE])
{
    uint8_t seed[SH_SHEET_SEED];
    uint8_t private[SH_KEY_BYTES];
    SH_TRY(env->random->fill(env->random->ctx, seed, sizeof seed));
    sh_err err = private_from(c, seed, private);
    err = err != SH_OK ? err : public_of(private, r->sheet_public);
    if (err == SH_OK) {
        r->sheet = true;
        print_code(seed, code);
    }
    sh_crypto_wipe(seed, sizeof seed);
    sh_crypto_wipe(private, sizeof private);
    return err;
}
