/* scram.h - the SASL messages of a sign-in (PostgreSQL protocol 3.0, "SASL Authentication"): what
 * AuthenticationSASL and the client's two answers hold. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PG_SCRAM_H
#define SH_PG_SCRAM_H

#include <sh/scram.h>

#include "codec.h"

struct pg_scram {
    struct sh_scram s;
    bool begun; /* init was called */
    bool asked; /* the next message is the client's final one */
};
/* Offers SCRAM-SHA-256. */
void pg_scram_offer(struct pg_out *o);
void pg_scram_init(struct pg_scram *p, const struct sh_crypto *c, const struct sh_alloc *a,
                   const struct sh_scram_verifier *v);
void pg_scram_fini(struct pg_scram *p); /* without init: nothing */
/* The body of a message 'p'; the answer is written to o. SH_E_AGAIN: the final message comes;
 * SH_OK: proven. SH_E_DENIED, SH_E_PROTO (another mechanism, malformed), SH_E_NOMEM: no answer. */
SH_MUST_CHECK sh_err pg_scram_take(struct pg_scram *p, struct sh_bytes body, struct sh_str nonce,
                                   struct pg_out *o);

#endif /* SH_PG_SCRAM_H */
