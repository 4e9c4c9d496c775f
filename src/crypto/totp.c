/* totp.c - see totp.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/totp.h>

#include "crypto_int.h"

enum { SHA1_BYTES = 20, MILLION = 1000000 };

uint64_t sh_totp_step(int64_t time_us)
{
    return time_us < 0 ? 0 : (uint64_t)time_us / SH_TOTP_STEP_US;
}

sh_err sh_totp_code(const struct sh_crypto *c, const uint8_t secret[SH_TOTP_SECRET], uint64_t step,
                    uint32_t *code)
{
    uint8_t counter[8];
    uint8_t mac[SHA1_BYTES];
    char digest[] = "SHA1";
    size_t n = 0;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                 OSSL_PARAM_construct_end()};
    for (int i = 0; i < 8; i++) {
        counter[i] = (uint8_t)(step >> (56 - 8 * i));
    }
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(c->hmac);
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    const bool good = EVP_MAC_init(ctx, secret, SH_TOTP_SECRET, params) == 1 &&
                      EVP_MAC_update(ctx, counter, sizeof counter) == 1 &&
                      EVP_MAC_final(ctx, mac, &n, sizeof mac) == 1 && n == sizeof mac;
    EVP_MAC_CTX_free(ctx);
    if (!good) {
        return SH_E_INTERNAL;
    }
    const uint8_t *at = mac + (mac[SHA1_BYTES - 1] & 15); /* RFC 4226, 5.3 */
    *code = ((uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]) %
            MILLION;
    return SH_OK;
}

/* MILLION: not six digits. */
static uint32_t code_read(struct sh_str text)
{
    uint32_t code = 0;
    unsigned digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char ch = text.p[i];
        if (ch >= '0' && ch <= '9' && digits < SH_TOTP_DIGITS) {
            code = code * 10 + (uint32_t)(ch - '0');
            digits++;
        } else if (ch != ' ') {
            return MILLION;
        }
    }
    return digits == SH_TOTP_DIGITS ? code : MILLION;
}

sh_err sh_totp_check(const struct sh_crypto *c, const uint8_t secret[SH_TOTP_SECRET],
                     struct sh_str text, uint64_t now_step, uint64_t last, uint64_t *used)
{
    const uint32_t given = code_read(text);
    bool good = false;
    for (int i = -1; i <= 1; i++) { /* clocks differ, and typing takes time: RFC 6238, 6 */
        const uint64_t step = now_step + (uint64_t)i;
        uint32_t code = 0;
        SH_TRY(sh_totp_code(c, secret, step, &code));
        if ((now_step > 0 || i >= 0) && code == given && step > last) {
            *used = step;
            good = true;
        }
    }
    return good ? SH_OK : SH_E_DENIED;
}

void sh_totp_base32(const uint8_t secret[SH_TOTP_SECRET], char out[SH_TOTP_BASE32])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t held = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < SH_TOTP_SECRET; i++) {
        held = (held << 8 | secret[i]) & 0xfff;
        for (bits += 8; bits >= 5; bits -= 5) {
            out[n++] = letters[held >> (bits - 5) & 31];
        }
    }
    out[n] = '\0';
}
