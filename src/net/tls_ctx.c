/* tls_ctx.c - settings and keys: making and reloading an SSL_CTX.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls_int.h"

void tls_why(char *out, size_t cap)
{
    const unsigned long e = ERR_peek_last_error();
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
    size_t n = 0;
    if (reason == NULL) {
        reason = "the connection was cut";
    }
    while (reason[n] != '\0' && n + 1 < cap) {
        out[n] = reason[n];
        n++;
    }
    out[n] = '\0';
    ERR_clear_error();
}

/* A key with a password must not ask the terminal for it. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    SH_UNUSED(buf);
    SH_UNUSED(size);
    SH_UNUSED(rwflag);
    SH_UNUSED(u);
    return -1;
}

static BIO *reader(struct sh_str pem)
{
    return pem.n > INT32_MAX ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
}

static bool use_chain(SSL_CTX *ctx, struct sh_str pem, int64_t *not_after_us)
{
    BIO *b = reader(pem);
    X509 *leaf = b == NULL ? NULL : PEM_read_bio_X509(b, NULL, no_password, NULL);
    bool ok = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;
    if (ok) {
        *not_after_us = tls_not_after(leaf);
    }
    while (ok) {
        X509 *c = PEM_read_bio_X509(b, NULL, no_password, NULL);
        if (c == NULL) { /* the end of the text */
            ERR_clear_error();
            break;
        }
        ok = SSL_CTX_add1_chain_cert(ctx, c) == 1;
        X509_free(c);
    }
    X509_free(leaf);
    BIO_free(b);
    return ok;
}

static bool use_key(SSL_CTX *ctx, struct sh_str pem)
{
    BIO *b = reader(pem);
    EVP_PKEY *key = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    const bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(b);
    return ok;
}

static bool use_authorities(SSL_CTX *ctx, struct sh_str pem, bool server)
{
    BIO *b = reader(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    size_t n = 0;
    bool ok = b != NULL;
    while (ok) {
        X509 *c = PEM_read_bio_X509(b, NULL, no_password, NULL);
        if (c == NULL) {
            ERR_clear_error();
            break;
        }
        ok = X509_STORE_add_cert(store, c) == 1 && (!server || SSL_CTX_add_client_CA(ctx, c) == 1);
        X509_free(c);
        n++;
    }
    BIO_free(b);
    return ok && n > 0;
}

static sh_err bad(struct sh_diag *diag, const char *what, const char *remedy)
{
    char why[120];
    tls_why(why, sizeof why);
    sh_diag_set(diag, "%s: %s", what, why);
    sh_diag_remedy(diag, "%s", remedy);
    return SH_E_INVAL;
}

/* SH_TLS_CERT_ANY: the handshake goes on, the verify result tells. */
static int verify_any(int ok, X509_STORE_CTX *x)
{
    SH_UNUSED(ok);
    SH_UNUSED(x);
    return 1;
}

static void set_verify(SSL_CTX *ctx, const struct sh_tls_opts *o, bool server)
{
    int mode = SSL_VERIFY_NONE;
    SSL_verify_cb cb = NULL;
    if (!server) {
        mode = o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    } else if (o->client_cert == SH_TLS_CERT_OPTIONAL) {
        mode = SSL_VERIFY_PEER;
    } else if (o->client_cert == SH_TLS_CERT_REQUIRED) {
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    } else if (o->client_cert == SH_TLS_CERT_ANY) {
        mode = SSL_VERIFY_PEER;
        cb = verify_any;
    }
    SSL_CTX_set_verify(ctx, mode, cb);
}

static bool set_protocol(SSL_CTX *ctx, const struct sh_tls_opts *o)
{
    static const unsigned char id[] = "songhua";
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets keep no state here */
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, o->tls12_max ? TLS1_2_VERSION : 0) == 1 &&
           SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1;
}

static sh_err make(const struct sh_tls_opts *o, bool server, struct sh_diag *diag, SSL_CTX **out,
                   int64_t *not_after_us)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    sh_err e = SH_OK;
    *not_after_us = 0;
    const bool needs_ca =
        server && o->client_cert != SH_TLS_CERT_NONE && o->client_cert != SH_TLS_CERT_ANY;
    if (!set_protocol(ctx, o)) {
        e = SH_E_INTERNAL;
    } else if ((server || o->cert_pem.n > 0) && !use_chain(ctx, o->cert_pem, not_after_us)) {
        e = bad(diag, "the certificate cannot be used",
                "give a PEM file with the certificate first and its chain behind it");
    } else if ((server || o->cert_pem.n > 0) && !use_key(ctx, o->key_pem)) {
        e = bad(diag, "the private key cannot be used",
                "give the PEM key that belongs to the certificate, without a password");
    } else if ((o->ca_pem.n > 0 || needs_ca) && !use_authorities(ctx, o->ca_pem, server)) {
        e = bad(diag, "the certificates of the authority cannot be used",
                "give a PEM file with the authority's certificates");
    } else if (!server && o->ca_pem.n == 0 && !o->insecure &&
               SSL_CTX_set_default_verify_paths(ctx) != 1) {
        e = bad(diag, "the system's certificates cannot be read", "install ca-certificates");
    }
    if (e != SH_OK) {
        SSL_CTX_free(ctx);
        return e;
    }
    set_verify(ctx, o, server);
    *out = ctx;
    return SH_OK;
}

static sh_err tls_new(const struct sh_env *env, const struct sh_tls_opts *opts, bool server,
                      struct sh_diag *diag, struct sh_tls **out)
{
    struct sh_tls *t = sh_mem_new(env->alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    t->env = env;
    t->server = server;
    t->insecure = opts->insecure;
    atomic_init(&t->refs, 1);
    sh_mutex_init(&t->lock);
    t->bio = tls_bio_method();
    const sh_err e =
        t->bio == NULL ? SH_E_NOMEM : make(opts, server, diag, &t->ctx, &t->not_after_us);
    if (e != SH_OK) {
        tls_unref(t);
        return e;
    }
    *out = t;
    return SH_OK;
}

sh_err sh_tls_server_new(const struct sh_env *env, const struct sh_tls_opts *opts,
                         struct sh_diag *diag, struct sh_tls **out)
{
    return tls_new(env, opts, true, diag, out);
}

sh_err sh_tls_client_new(const struct sh_env *env, const struct sh_tls_opts *opts,
                         struct sh_diag *diag, struct sh_tls **out)
{
    return tls_new(env, opts, false, diag, out);
}

sh_err sh_tls_reload(struct sh_tls *t, const struct sh_tls_opts *opts, struct sh_diag *diag)
{
    SSL_CTX *ctx = NULL;
    int64_t not_after = 0;
    SH_TRY(make(opts, t->server, diag, &ctx, &not_after));
    sh_mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = ctx;
    t->insecure = opts->insecure;
    t->not_after_us = not_after;
    sh_mutex_unlock(&t->lock);
    SSL_CTX_free(old); /* open connections have a reference of their own */
    return SH_OK;
}

void tls_unref(struct sh_tls *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(t->ctx);
        BIO_meth_free(t->bio);
        sh_mutex_fini(&t->lock);
        sh_mem_free(t->env->alloc, t);
    }
}

void sh_tls_free(struct sh_tls *t)
{
    if (t != NULL) {
        tls_unref(t);
    }
}

int64_t sh_tls_not_after_us(struct sh_tls *t)
{
    sh_mutex_lock(&t->lock);
    const int64_t us = t->not_after_us;
    sh_mutex_unlock(&t->lock);
    return us;
}
