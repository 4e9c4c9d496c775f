/* scram.h - SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding. Pure:
 * no I/O, no clock. For secrets of at least 128 random bits: a verifier of a chosen password would
 * be a weaker hash than the one it is kept under. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SCRAM_H
#define SH_SCRAM_H

#include <sh/crypto.h>

enum { SH_SCRAM_SALT = 16, SH_SCRAM_ITERATIONS = 4096, SH_SCRAM_MAX = 1024 };

/* What the server keeps of a secret. */
struct sh_scram_verifier {
    uint8_t salt[SH_SCRAM_SALT];
    uint8_t stored[SH_HASH_BYTES]; /* StoredKey */
    uint8_t server[SH_HASH_BYTES]; /* ServerKey */
    uint32_t iterations;
};
/* `secret`: ASCII (SASLprep leaves it as it is). Some milliseconds. */
SH_MUST_CHECK sh_err sh_scram_verifier_make(const struct sh_crypto *c, struct sh_str secret,
                                            const uint8_t salt[SH_SCRAM_SALT], uint32_t iterations,
                                            struct sh_scram_verifier *out);

/* One exchange: init, first, final, fini. */
struct sh_scram {
    const struct sh_crypto *crypto;
    struct sh_scram_verifier v;
    struct sh_buf head;  /* the client's GS2 header */
    struct sh_buf nonce; /* the client's and ours */
    struct sh_buf auth;  /* AuthMessage */
};
void sh_scram_init(struct sh_scram *s, const struct sh_crypto *c, const struct sh_alloc *a,
                   const struct sh_scram_verifier *v);
void sh_scram_fini(struct sh_scram *s);
/* client-first-message -> server-first-message, appended to out. `nonce`: printable, without comma,
 * fresh. SH_E_PROTO: malformed, or it wants channel binding; SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_scram_first(struct sh_scram *s, struct sh_str client, struct sh_str nonce,
                                    struct sh_buf *out);
/* client-final-message -> server-final-message. SH_E_PROTO: malformed or not of this exchange;
 * SH_E_DENIED: the secret is another. */
SH_MUST_CHECK sh_err sh_scram_final(struct sh_scram *s, struct sh_str client, struct sh_buf *out);

#endif /* SH_SCRAM_H */
