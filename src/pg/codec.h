/* codec.h - messages of the PostgreSQL protocol 3.0. Pure: no I/O.
 * Spec: PostgreSQL 15 documentation, 55.2 (flow) and 55.7 (formats).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PG_CODEC_H
#define SH_PG_CODEC_H

#include <sh/base.h>

enum {
    PG_STARTUP_MAX = 10000,   /* as PostgreSQL's own */
    PG_MESSAGE_MAX = 4 << 20, /* one message of a client */
    PG_PROTOCOL = 196608,     /* 3.0 */
    PG_CANCEL = 80877102,
    PG_SSL = 80877103,
    PG_GSS = 80877104,
};

struct pg_msg {
    uint8_t type;  /* 0 for the untyped first messages */
    uint32_t code; /* of an untyped one: protocol version or request code */
    struct sh_bytes body;
};
/* The message at the front of `in`. first: an untyped one is due.
 * SH_E_AGAIN: more bytes; SH_E_PROTO: never valid. *used on SH_OK only. */
SH_MUST_CHECK sh_err pg_next(struct sh_bytes in, bool first, struct pg_msg *out, size_t *used);

/* A text ended by NUL. */
SH_MUST_CHECK sh_err pg_rd_text(struct sh_rd *r, struct sh_str *out);
/* Finds a parameter of the startup message; empty when absent. SH_E_PROTO: malformed. */
SH_MUST_CHECK sh_err pg_startup_find(struct sh_bytes body, const char *name, struct sh_str *out);

/* Messages out: begin, put, end. The first error sticks. */
struct pg_out {
    struct sh_buf *b;
    size_t at; /* of the length of the open message */
    sh_err err;
};
void pg_begin(struct pg_out *o, char type);
void pg_u8(struct pg_out *o, uint8_t v);
void pg_u16(struct pg_out *o, uint16_t v);
void pg_u32(struct pg_out *o, uint32_t v);
void pg_bytes(struct pg_out *o, struct sh_bytes v);
void pg_text(struct pg_out *o, struct sh_str v); /* with its NUL; a NUL inside cuts it */
void pg_end(struct pg_out *o);
/* In one call: a message without a body, or with one text. */
void pg_plain(struct pg_out *o, char type);
void pg_tag(struct pg_out *o, const char *tag); /* CommandComplete */
void pg_auth(struct pg_out *o, uint32_t kind);  /* Authentication... */
void pg_parameter(struct pg_out *o, const char *name, struct sh_str value);
void pg_ready(struct pg_out *o, char status);
/* All that follows a good sign-in: AuthenticationOk, parameters, BackendKeyData, ReadyForQuery. */
void pg_greeting(struct pg_out *o, struct sh_str user, uint32_t number, uint32_t secret);

struct pg_fault {
    const char *severity; /* "ERROR" or "FATAL" */
    const char *state;    /* SQLSTATE */
    const char *message;
    const char *hint;  /* NULL or empty: none */
    uint32_t position; /* in characters, 1-based; 0 = none */
};
void pg_error(struct pg_out *o, const struct pg_fault *f);

#endif /* SH_PG_CODEC_H */
