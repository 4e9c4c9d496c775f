/* tls.h - TLS 1.2 and 1.3 over any stream (OpenSSL 3). A sh_tls holds keys and settings, for any
 * number of loops: so a session that one of them began is resumed by any. Certificates and keys are
 * PEM texts, read by the caller. Any thread, but for sh_tls_wrap: the stream's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TLS_H
#define SH_TLS_H

#include <sh/stream.h>

enum sh_tls_client_cert {
    SH_TLS_CERT_NONE,     /* not asked for */
    SH_TLS_CERT_OPTIONAL, /* asked for; a bad one ends the handshake, none is fine */
    SH_TLS_CERT_REQUIRED, /* no connection without a good one */
    SH_TLS_CERT_ANY       /* asked for, any is taken: sh_peer_cert.verified says if it is good */
};

struct sh_tls_opts {
    struct sh_str cert_pem; /* leaf first, then the chain; a client may leave both empty */
    struct sh_str key_pem;
    struct sh_str ca_pem; /* server: who signs clients; client: who signs servers (empty: the
                             system's store) */
    enum sh_tls_client_cert client_cert; /* server */
    bool insecure;  /* client: do not verify (the caller has told the operator) */
    bool tls12_max; /* for peers that fail with 1.3, and for tests */
};

struct sh_tls;
/* SH_E_INVAL with diag: what is wrong with certificate, key or authority. */
SH_MUST_CHECK sh_err sh_tls_server_new(const struct sh_env *env, const struct sh_tls_opts *opts,
                                       struct sh_diag *diag, struct sh_tls **out);
SH_MUST_CHECK sh_err sh_tls_client_new(const struct sh_env *env, const struct sh_tls_opts *opts,
                                       struct sh_diag *diag, struct sh_tls **out);
/* New connections use the new settings; open ones go on undisturbed. On error nothing changes. */
SH_MUST_CHECK sh_err sh_tls_reload(struct sh_tls *t, const struct sh_tls_opts *opts,
                                   struct sh_diag *diag);
/* Streams of it keep what they need. NULL is accepted. */
void sh_tls_free(struct sh_tls *t);
/* End of the leaf certificate's time; 0 when there is none. */
int64_t sh_tls_not_after_us(struct sh_tls *t);

/* Puts TLS over an open stream, which is taken: its handler and end are the new stream's business.
 * Exactly one of on_open (the owner then calls sh_stream_start or sh_stream_close) and on_fail
 * follows; the wrapped stream closes itself on failure. server_name: client only, SNI and the name
 * to verify; may be empty. SH_E_NOMEM: the inner stream is closed, nothing is called. */
struct sh_tls_wrap {
    struct sh_str server_name;
    int64_t timeout_us; /* handshake; 0 = 10 s */
    void (*on_open)(void *ctx, struct sh_stream *s);
    void (*on_fail)(void *ctx, sh_err err, const char *why);
    void *ctx;
};
SH_MUST_CHECK sh_err sh_tls_wrap(struct sh_tls *t, struct sh_stream *inner,
                                 const struct sh_tls_wrap *w);
/* Loop. Handshakes of this ctx that are not done end, and no callback follows. */
void sh_tls_wrap_cancel(struct sh_loop *l, const void *ctx);

/* Makes an ECDSA P-256 key and a self-signed certificate for `names` (comma-separated DNS names and
 * IP addresses; the first is the common name), valid `days` from now; PEM appended to both. For the
 * first start and for tests. */
SH_MUST_CHECK sh_err sh_tls_selfsigned(const struct sh_env *env, struct sh_str names, int days,
                                       struct sh_buf *cert_pem, struct sh_buf *key_pem);

#endif /* SH_TLS_H */
