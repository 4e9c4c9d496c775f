/* master.c - where the master key comes from: a file, the environment, a module.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ring_int.h"

enum { PATH_SIZE = 512 };

struct sh_master {
    const struct sh_env *env;
    const struct sh_crypto *c;
    enum sh_master_kind kind;
    char path[PATH_SIZE]; /* of a file */
    char label[SH_MASTER_LABEL];
    uint8_t key[SH_KEY_BYTES]; /* of file and environment */
    struct pkcs11 *module;
};

const char *sh_master_kind_name(enum sh_master_kind kind)
{
    static const char *const names[] = {"file", "environment", "pkcs11"};
    return names[kind];
}

static struct sh_master *master_new(const struct sh_env *env, const struct sh_crypto *c,
                                    enum sh_master_kind kind)
{
    struct sh_master *m = sh_mem_new(env->alloc, sizeof *m);
    if (m != NULL) {
        m->env = env;
        m->c = c;
        m->kind = kind;
    }
    return m;
}

void sh_master_close(struct sh_master *m)
{
    if (m == NULL) {
        return;
    }
    pkcs11_close(m->module);
    sh_crypto_wipe(m->key, sizeof m->key);
    sh_mem_free(m->env->alloc, m);
}

enum sh_master_kind sh_master_kind(const struct sh_master *m)
{
    return m->kind;
}

const char *sh_master_label(const struct sh_master *m)
{
    return m->label;
}

const uint8_t *sh_master_bytes(const struct sh_master *m)
{
    return m->kind == SH_MASTER_PKCS11 ? NULL : m->key;
}

/* ---- opening ---- */

static sh_err open_file(struct sh_master *m, const char *dir, struct sh_str path, bool create,
                        struct sh_diag *diag)
{
    const bool whole = path.n > 0 && path.p[0] == '/';
    const int n = whole ? snprintf(m->path, sizeof m->path, "%.*s", SH_PRI(path))
                        : snprintf(m->path, sizeof m->path, "%s/%.*s", dir, SH_PRI(path));
    if (path.n == 0 || n < 0 || n >= PATH_SIZE) {
        sh_diag_set(diag, "The path of the master key is empty or too long.");
        return SH_E_INVAL;
    }
    (void)snprintf(m->label, sizeof m->label, "%.*s", SH_PRI(path));
    return sh_node_key_open(m->env, m->path, create, m->key, diag);
}

static sh_err open_environment(struct sh_master *m, struct sh_str name, struct sh_diag *diag)
{
    (void)snprintf(m->label, sizeof m->label, "%.*s", SH_PRI(name));
    const bool fits = name.n > 0 && name.n < sizeof m->label;
    const char *value =
        fits ? getenv(m->label) : NULL; /* NOLINT(concurrency-mt-unsafe): read only */
    if (value == NULL) {
        sh_diag_set(diag, "The variable %s with the master key is not set.", m->label);
        sh_diag_remedy(diag, "Set it to the 64 hexadecimal digits of the key (openssl rand -hex 32 "
                             "makes a new one).");
        return SH_E_NOTFOUND;
    }
    if (!ring_hex_read(sh_str_trim(sh_str_c(value)), m->key)) {
        sh_diag_set(diag, "The variable %s is not a key.", m->label);
        sh_diag_remedy(diag, "A key is 64 digits 0-9 a-f.");
        return SH_E_CORRUPT;
    }
    return SH_OK;
}

static sh_err open_module(struct sh_master *m, struct sh_str text, struct sh_diag *diag)
{
    struct pkcs11_uri uri;
    SH_TRY(pkcs11_uri_parse(text, &uri, diag));
    (void)snprintf(m->label, sizeof m->label, "%.70s / %.70s", uri.token, uri.object);
    return pkcs11_open(m->env, &uri, &m->module, diag);
}

sh_err sh_master_open(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                      const char *source, bool create, struct sh_master **out, struct sh_diag *diag)
{
    struct sh_str rest = sh_str_c(source);
    const struct sh_str scheme = sh_str_cut(rest, ':', &rest);
    sh_err err = SH_OK;
    struct sh_master *m = master_new(env, c, SH_MASTER_FILE);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    if (sh_str_eqc(scheme, "file") && rest.p != NULL) {
        err = open_file(m, dir, rest, create, diag);
    } else if (sh_str_eqc(scheme, "env") && rest.p != NULL) {
        m->kind = SH_MASTER_ENVIRONMENT;
        err = open_environment(m, rest, diag);
    } else if (sh_str_eqc(scheme, "pkcs11") && rest.p != NULL) {
        m->kind = SH_MASTER_PKCS11;
        err = open_module(m, rest, diag);
    } else {
        sh_diag_set(diag, "'%.60s' does not say where the master key is.", source);
        sh_diag_remedy(diag, "Write file:PATH, env:NAME or "
                             "pkcs11:token=T;object=O?module-path=/lib.so&pin-source=file:/pin.");
        err = SH_E_INVAL;
    }
    if (err != SH_OK) {
        sh_master_close(m);
        return err;
    }
    *out = m;
    return SH_OK;
}

sh_err sh_master_renew(const struct sh_master *m, struct sh_master **out)
{
    if (m->kind != SH_MASTER_FILE) {
        return SH_E_UNSUPPORTED;
    }
    struct sh_master *n = master_new(m->env, m->c, m->kind);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    memcpy(n->path, m->path, sizeof n->path);
    memcpy(n->label, m->label, sizeof n->label);
    const sh_err err = m->env->random->fill(m->env->random->ctx, n->key, sizeof n->key);
    if (err != SH_OK) {
        sh_master_close(n);
        return err;
    }
    *out = n;
    return SH_OK;
}

sh_err sh_master_store(const struct sh_master *m)
{
    return m->kind == SH_MASTER_FILE ? node_key_write(m->env, m->path, m->key) : SH_E_UNSUPPORTED;
}

/* ---- using ---- */

static sh_err wrapping_key(const struct sh_master *m, uint8_t out[SH_KEY_BYTES])
{
    return sh_crypto_derive(m->c, m->key, SH_STR("ring wrap"), out);
}

sh_err sh_master_wrap(struct sh_master *m, enum sh_box_kind kind, const uint8_t key[SH_KEY_BYTES],
                      struct sh_buf *out)
{
    struct sh_box_key box = {.id = 0, .kind = kind};
    if (m->kind == SH_MASTER_PKCS11) {
        return pkcs11_encrypt(m->module, key, out);
    }
    SH_TRY(wrapping_key(m, box.key));
    const sh_err err = sh_box_seal(m->c, &box, RING_CONTEXT, sh_bytes_of(key, SH_KEY_BYTES), out);
    sh_crypto_wipe(&box, sizeof box);
    return err;
}

sh_err sh_master_unwrap(struct sh_master *m, struct sh_bytes wrap, uint8_t key[SH_KEY_BYTES])
{
    uint8_t kek[SH_KEY_BYTES];
    if (m->kind == SH_MASTER_PKCS11) {
        return pkcs11_decrypt(m->module, wrap, key);
    }
    SH_TRY(wrapping_key(m, kek));
    const sh_err err = ring_box_open(m->env, m->c, kek, wrap, key);
    sh_crypto_wipe(kek, sizeof kek);
    return err;
}
