/* totp.h - one-time codes by time (RFC 6238 over RFC 4226), as authenticator apps make them: HMAC
 * with SHA-1, six digits, steps of 30 seconds. Pure: time is passed in. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TOTP_H
#define SH_TOTP_H

#include <sh/crypto.h>

enum {
    SH_TOTP_SECRET = 20, /* bytes: as long as the hash (RFC 4226, R6) */
    SH_TOTP_BASE32 = 33, /* the secret as people type it, and a NUL */
    SH_TOTP_DIGITS = 6,
    SH_TOTP_STEP_US = 30000000
};
/* Number of the step that a time (since 1970) lies in; 0 before 1970. */
uint64_t sh_totp_step(int64_t time_us);
/* The code of a step, 0..999999. */
SH_MUST_CHECK sh_err sh_totp_code(const struct sh_crypto *c, const uint8_t secret[SH_TOTP_SECRET],
                                  uint64_t step, uint32_t *code);
/* Is `text` (six digits; spaces between them are left out) the code of this step, the one before or
 * the one behind it, and of a step after `last`? *used: which one; keep it as `last`, so that a
 * code is good once (RFC 6238, 5.2). SH_E_DENIED else. Takes the same time whatever differs. */
SH_MUST_CHECK sh_err sh_totp_check(const struct sh_crypto *c, const uint8_t secret[SH_TOTP_SECRET],
                                   struct sh_str text, uint64_t now_step, uint64_t last,
                                   uint64_t *used);
/* RFC 4648 base32 without padding. */
void sh_totp_base32(const uint8_t secret[SH_TOTP_SECRET], char out[SH_TOTP_BASE32]);

#endif /* SH_TOTP_H */
