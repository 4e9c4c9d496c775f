/* scram.c - see scram.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scram.h"

enum { SASL = 10, SASL_CONTINUE = 11, SASL_FINAL = 12 };

void pg_scram_offer(struct pg_out *o)
{
    pg_begin(o, 'R');
    pg_u32(o, SASL);
    pg_text(o, SH_STR("SCRAM-SHA-256"));
    pg_u8(o, 0);
    pg_end(o);
}

void pg_scram_init(struct pg_scram *p, const struct sh_crypto *c, const struct sh_alloc *a,
                   const struct sh_scram_verifier *v)
{
    *p = (struct pg_scram){.begun = true};
    sh_scram_init(&p->s, c, a, v);
}

void pg_scram_fini(struct pg_scram *p)
{
    if (p->begun) {
        sh_scram_fini(&p->s);
        p->begun = false;
    }
}

/* SASLInitialResponse: the mechanism, then u32 length and the client's first message. */
static sh_err initial(struct sh_bytes body, struct sh_str *text)
{
    struct sh_rd r = sh_rd_of(body);
    struct sh_str mechanism;
    struct sh_bytes data;
    uint32_t n = 0;
    SH_TRY(pg_rd_text(&r, &mechanism));
    SH_TRY(sh_rd_be32(&r, &n));
    if (!sh_str_eqc(mechanism, "SCRAM-SHA-256") || n != sh_rd_left(&r)) {
        return SH_E_PROTO;
    }
    SH_TRY(sh_rd_bytes(&r, n, &data));
    *text = sh_bytes_str(data);
    return SH_OK;
}

static void answer(struct pg_out *o, uint32_t kind, const struct sh_buf *text)
{
    pg_begin(o, 'R');
    pg_u32(o, kind);
    pg_bytes(o, sh_buf_bytes(text));
    pg_end(o);
}

sh_err pg_scram_take(struct pg_scram *p, struct sh_bytes body, struct sh_str nonce,
                     struct pg_out *o)
{
    struct sh_buf text;
    struct sh_str first;
    sh_err err = SH_OK;
    sh_buf_init(&text, p->s.auth.alloc, (size_t)8 * SH_SCRAM_MAX);
    if (p->asked) {
        err = sh_scram_final(&p->s, sh_bytes_str(body), &text);
    } else {
        err = initial(body, &first) == SH_OK ? sh_scram_first(&p->s, first, nonce, &text)
                                             : SH_E_PROTO;
    }
    if (err == SH_OK) {
        answer(o, p->asked ? SASL_FINAL : SASL_CONTINUE, &text);
        err = o->err != SH_OK ? o->err : (p->asked ? SH_OK : SH_E_AGAIN);
        p->asked = true;
    }
    sh_buf_fini(&text);
    return err;
}
