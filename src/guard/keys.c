/* Files under DIR/keys: the device CA and the server's certificate. Their private keys are sealed
 * (keyring.c). SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define DAY_US (INT64_C(86400) * 1000000)
enum { CA_DAYS = 7305, SERVER_DAYS = 397, RENEW_DAYS = 7 };

struct pair {
    const char *cert; /* names below DIR */
    const char *key;
};

static sh_err read_into(struct sh_guard *g, const char *name, struct sh_buf *out)
{
    char path[512];
    struct sh_str text = {0};
    if (!guard_path(g, name, path, sizeof path)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_read_all(g->env->fs, g->env->alloc, path, SH_PEM_MAX, &text));
    const sh_err err = sh_buf_put_str(out, text);
    sh_str_free(g->env->alloc, &text);
    return err;
}

static sh_err write_file(struct sh_guard *g, const char *name, const struct sh_buf *text)
{
    char path[512];
    if (!guard_path(g, name, path, sizeof path)) {
        return SH_E_INVAL;
    }
    return sh_fs_replace(g->env->fs, path, sh_buf_bytes(text));
}

/* SH_E_NOTFOUND: one of the two is missing, damaged or soon over. Appends on SH_OK only. */
static sh_err read_pair(struct sh_guard *g, const struct pair *p, struct sh_buf *cert,
                        struct sh_buf *key)
{
    const size_t cert_n = cert->n;
    const size_t key_n = key->n;
    struct sh_cert_info info;
    sh_err err = read_into(g, p->cert, cert);
    if (err == SH_OK) {
        err = guard_secret_file_read(g, p->key, key);
    }
    if (err == SH_OK) {
        err = sh_cert_parse(g->crypto, sh_bytes_of(cert->p + cert_n, cert->n - cert_n), &info);
        if (err == SH_OK && info.until_us < guard_now(g) + RENEW_DAYS * DAY_US) {
            err = SH_E_NOTFOUND;
        }
    }
    if (err != SH_OK) {
        cert->n = cert_n;
        key->n = key_n;
        /* A key that is there but does not open is not replaced: what it signed hangs on it. */
        return err == SH_E_NOMEM || err == SH_E_IO || err == SH_E_CORRUPT ? err : SH_E_NOTFOUND;
    }
    return SH_OK;
}

/* Makes, writes and appends a self-signed pair; the key first, so that no certificate is without.
 */
static sh_err make_pair(struct sh_guard *g, const struct pair *p, const struct sh_cert_spec *spec,
                        struct sh_buf *cert, struct sh_buf *key)
{
    struct sh_buf c;
    struct sh_buf k;
    sh_buf_init(&c, g->env->alloc, SH_PEM_MAX);
    sh_buf_init(&k, g->env->alloc, SH_PEM_MAX);
    sh_err err = sh_cert_new_key(g->crypto, &k);
    if (err == SH_OK) {
        err = sh_cert_issue(g->crypto, g->env->random, spec, sh_buf_str(&k), SH_STR(""), SH_STR(""),
                            &c);
    }
    if (err == SH_OK) {
        err = guard_secret_file_write(g, p->key, sh_buf_bytes(&k));
    }
    if (err == SH_OK) {
        err = write_file(g, p->cert, &c);
    }
    if (err == SH_OK) {
        err = sh_buf_put_str(cert, sh_buf_str(&c));
    }
    if (err == SH_OK) {
        err = sh_buf_put_str(key, sh_buf_str(&k));
    }
    sh_crypto_wipe(k.p, k.n);
    sh_buf_fini(&c);
    sh_buf_fini(&k);
    return err;
}

static sh_err open_pair(struct sh_guard *g, const struct pair *p, const struct sh_cert_spec *spec,
                        struct sh_buf *cert, struct sh_buf *key)
{
    sh_mutex_lock(&g->change); /* one maker */
    sh_err err = read_pair(g, p, cert, key);
    if (err == SH_E_NOTFOUND) {
        err = make_pair(g, p, spec, cert, key);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err guard_ca_open(struct sh_guard *g, struct sh_buf *cert, struct sh_buf *key)
{
    static const struct pair files = {"keys/device-ca.pem", "keys/device-ca-key.pem"};
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("Songhua device CA"),
        .from_us = guard_now(g) - DAY_US, /* clocks of devices lag */
        .until_us = guard_now(g) + CA_DAYS * DAY_US,
        .ca = true,
    };
    return open_pair(g, &files, &spec, cert, key);
}

sh_err sh_guard_device_ca(struct sh_guard *g, struct sh_buf *cert_pem)
{
    struct sh_buf key;
    sh_buf_init(&key, g->env->alloc, SH_PEM_MAX);
    const sh_err err = guard_ca_open(g, cert_pem, &key);
    sh_crypto_wipe(key.p, key.n);
    sh_buf_fini(&key);
    return err;
}

sh_err sh_guard_server_certificate(struct sh_guard *g, const struct sh_str *names, size_t nnames,
                                   struct sh_buf *cert_pem, struct sh_buf *key_pem)
{
    static const struct pair files = {"keys/server.pem", "keys/server-key.pem"};
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("Songhua"),
        .names = names,
        .nnames = nnames,
        .from_us = guard_now(g) - DAY_US,
        .until_us = guard_now(g) + SERVER_DAYS * DAY_US,
        .server = true,
    };
    return open_pair(g, &files, &spec, cert_pem, key_pem);
}

/* What a certificate says of where to ask about it; nothing without pki.url. */
struct urls {
    char crl[SH_CERT_URL_MAX + 1];
    char ocsp[SH_CERT_URL_MAX + 1];
    char issuer[SH_CERT_URL_MAX + 1];
};

static void put_urls(const struct sh_guard *g, struct urls *u, struct sh_cert_spec *spec)
{
    const char *base = guard_set(g)->pki_url;
    if (base[0] != '\0' && guard_print(u->crl, sizeof u->crl, "%s/pki/device-ca.crl", base) &&
        guard_print(u->ocsp, sizeof u->ocsp, "%s/pki/ocsp", base) &&
        guard_print(u->issuer, sizeof u->issuer, "%s/pki/device-ca.cer", base)) {
        spec->crl_url = sh_str_c(u->crl);
        spec->ocsp_url = sh_str_c(u->ocsp);
        spec->issuer_url = sh_str_c(u->issuer);
    }
}

/* A certificate does not outlive the authority that signs it. */
static sh_err until_of(const struct sh_guard *g, const struct sh_buf *ca, int64_t valid_us,
                       int64_t *out)
{
    struct sh_cert_info info;
    SH_TRY(sh_cert_parse(g->crypto, sh_buf_bytes(ca), &info));
    *out = guard_now(g) + valid_us;
    *out = *out > info.until_us ? info.until_us : *out;
    return SH_OK;
}

/* CN: the device id, cut to what fits a common name; the fingerprint is what counts. */
sh_err guard_issue(struct sh_guard *g, const struct sh_guard_issue *o, struct sh_buf *cert_pem,
                   struct sh_buf *key_pem)
{
    struct sh_buf ca;
    struct sh_buf ca_key;
    struct urls urls;
    struct sh_str cn = sh_str_sub(o->device, 0, 64);
    while (cn.n > 0 && !sh_utf8_valid(cn)) {
        cn.n--;
    }
    struct sh_cert_spec spec = {
        .common_name = cn,
        .from_us = guard_now(g) - DAY_US,
        .client = true,
    };
    put_urls(g, &urls, &spec);
    sh_buf_init(&ca, g->env->alloc, SH_PEM_MAX);
    sh_buf_init(&ca_key, g->env->alloc, SH_PEM_MAX);
    const size_t key_at = key_pem->n;
    sh_err err = guard_ca_open(g, &ca, &ca_key);
    if (err == SH_OK) {
        err = until_of(g, &ca, o->valid_us, &spec.until_us);
    }
    if (err == SH_OK && o->request.n > 0) {
        err = sh_cert_sign(g->crypto, g->env->random, &spec, o->request, sh_buf_str(&ca),
                           sh_buf_str(&ca_key), cert_pem);
    } else if (err == SH_OK) {
        err = sh_cert_new_key(g->crypto, key_pem);
    }
    if (err == SH_OK && o->request.n == 0) {
        const struct sh_str key = sh_str_sub(sh_buf_str(key_pem), key_at, key_pem->n);
        err = sh_cert_issue(g->crypto, g->env->random, &spec, key, sh_buf_str(&ca),
                            sh_buf_str(&ca_key), cert_pem);
    }
    sh_crypto_wipe(ca_key.p, ca_key.n);
    sh_buf_fini(&ca);
    sh_buf_fini(&ca_key);
    return err;
}

/* Each text with its length in front, so that no two lists of texts run together to the same. */
sh_err sh_guard_mark(const struct sh_guard *g, struct sh_str purpose, const struct sh_str *parts,
                     size_t n, uint8_t out[SH_HASH_BYTES])
{
    enum { PARTS_MAX = 8 };
    uint8_t lens[PARTS_MAX + 1][8];
    struct sh_bytes all[2 * (PARTS_MAX + 1)];
    if (n > PARTS_MAX) {
        return SH_E_INVAL;
    }
    for (size_t i = 0; i <= n; i++) {
        const struct sh_str s = i == 0 ? purpose : parts[i - 1];
        sh_put_be64(lens[i], s.n);
        all[2 * i] = sh_bytes_of(lens[i], sizeof lens[i]);
        all[2 * i + 1] = sh_str_bytes(s);
    }
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_mark, SH_KEY_BYTES), all,
                          2 * (n + 1), out);
}
