/* tls_int.h - shared by tls_ctx.c, tls_cert.c and tls_stream.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_NET_TLS_INT_H
#define SH_NET_TLS_INT_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net_int.h"

enum { TLS_RECORD = 16384 };

struct sh_tls {
    const struct sh_env *env;
    BIO_METHOD *bio; /* between OpenSSL and the inner stream */
    bool server;
    atomic_size_t refs; /* one for the owner, one for each stream */
    /* Under the lock, which is taken once a connection. */
    struct sh_mutex lock;
    SSL_CTX *ctx; /* replaced by reload; connections hold their own reference */
    bool insecure;
    int64_t not_after_us;
};

void tls_unref(struct sh_tls *t);
BIO_METHOD *tls_bio_method(void);
/* Newest OpenSSL error as words; empties the queue. */
void tls_why(char *out, size_t cap);
int64_t tls_not_after(const X509 *cert);
void tls_describe(X509 *cert, bool verified, struct sh_peer_cert *out);

#endif /* SH_NET_TLS_INT_H */
