/* keys/node.key: one line "songhua-node-key-1 <64 hex digits>\n".
 * SPDX-License-Identifier: Apache-2.0 */
#include "ring_int.h"

static const char magic[] = "songhua-node-key-1 ";
enum { MAGIC = sizeof magic - 1, FILE_BYTES = MAGIC + 2 * SH_KEY_BYTES + 1 };

bool node_key_read(struct sh_str text, uint8_t out[SH_KEY_BYTES])
{
    return text.n == FILE_BYTES && memcmp(text.p, magic, MAGIC) == 0 &&
           text.p[FILE_BYTES - 1] == '\n' &&
           ring_hex_read(sh_str_sub(text, MAGIC, FILE_BYTES - 1), out);
}

sh_err node_key_write(const struct sh_env *env, const char *path, const uint8_t key[SH_KEY_BYTES])
{
    char text[FILE_BYTES + 1];
    memcpy(text, magic, MAGIC);
    sh_hash_hex(key, text + MAGIC);
    text[FILE_BYTES - 1] = '\n';
    const sh_err err = sh_fs_replace(env->fs, path, sh_bytes_of(text, FILE_BYTES));
    sh_crypto_wipe(text, sizeof text);
    return err;
}

static sh_err make_key(const struct sh_env *env, const char *path, uint8_t out[SH_KEY_BYTES])
{
    SH_TRY(env->random->fill(env->random->ctx, out, SH_KEY_BYTES));
    return node_key_write(env, path, out);
}

sh_err sh_node_key_open(const struct sh_env *env, const char *path, bool create,
                        uint8_t out[SH_KEY_BYTES], struct sh_diag *diag)
{
    struct sh_str text = {0};
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_err err = sh_fs_read_all(env->fs, env->alloc, path, 4096, &text);
    if (err == SH_E_NOTFOUND && create) {
        err = make_key(env, path, out);
        if (err != SH_OK) {
            sh_diag_set(diag, "The key file can not be made (%s).", sh_err_name(err));
        }
        return err;
    }
    if (err != SH_OK) {
        sh_diag_set(diag, "The key file can not be read (%s).", sh_err_name(err));
        return err == SH_E_LIMIT ? SH_E_CORRUPT : err;
    }
    if (!node_key_read(text, out)) {
        sh_diag_set(diag, "This is not a key file of Songhua.");
        sh_diag_remedy(diag, "Put the key file from a backup back; without it tokens, device "
                             "secrets and stored passwords can not be checked.");
        err = SH_E_CORRUPT;
    }
    char *p = (char *)(uintptr_t)text.p;
    sh_crypto_wipe(p, text.n);
    sh_str_free(env->alloc, &text);
    return err;
}
