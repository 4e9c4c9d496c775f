/* keybox.c - keys/ under a passphrase, as one file:
 * "SHKEYS1\n" u32 time u32 KiB u32 lanes (argon2id, RFC 9106) 16 bytes of salt, then a secret box
 * (crypto.h, AES-256-GCM) of the files; the head is what the box is bound to.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ops_int.h"

enum { MAGIC = 8, SALT = 16, HEAD = MAGIC + 12 + SALT, PLAIN_MAX = 4 << 20 };
static const char magic[] = "SHKEYS1\n";

/* One-time links go with the running server. */
bool ops_keys_wanted(const struct ops_entry *e)
{
    const struct sh_str s = sh_str_c(e->name);
    return !e->is_dir && s.n <= 64 && !sh_str_starts(s, SH_STR("link-")) &&
           !sh_str_ends(s, SH_STR(".tmp")) && s.p[0] != '.';
}

static sh_err put_file(const struct sh_env *env, const char *dir, const char *name,
                       struct sh_buf *out)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    SH_TRY(ops_join(path, dir, name));
    const sh_err err = sh_fs_read_all(env->fs, env->alloc, path, OPS_KEY_MAX, &text);
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? SH_OK : err; /* gone in between: the first password */
    }
    sh_err put = sh_buf_put_u8(out, (uint8_t)strlen(name));
    put = put != SH_OK ? put : sh_buf_put_c(out, name);
    put = put != SH_OK ? put : sh_buf_put_le32(out, (uint32_t)text.n);
    put = put != SH_OK ? put : sh_buf_put_str(out, text);
    sh_str_free(env->alloc, &text);
    return put;
}

static sh_err seal(const struct sh_backup_options *o, struct sh_bytes plain, struct sh_buf *out)
{
    const struct sh_argon2 cost = o->argon2.time == 0 ? sh_argon2_default() : o->argon2;
    uint8_t head[HEAD];
    struct sh_box_key key = {.id = 1, .kind = SH_BOX_AES_GCM};
    memcpy(head, magic, MAGIC);
    sh_put_le32(head + MAGIC, cost.time);
    sh_put_le32(head + MAGIC + 4, cost.mem_kib);
    sh_put_le32(head + MAGIC + 8, cost.lanes);
    SH_TRY(o->env->random->fill(o->env->random->ctx, head + HEAD - SALT, SALT));
    SH_TRY(sh_password_key(&cost, sh_bytes_of(head + HEAD - SALT, SALT), o->passphrase, key.key));
    sh_err err = sh_buf_put(out, head, HEAD);
    if (err == SH_OK) {
        err = sh_box_seal(o->crypto, &key, sh_bytes_of(head, HEAD), plain, out);
    }
    sh_crypto_wipe(&key, sizeof key);
    return err;
}

sh_err ops_keys_seal(const struct sh_backup_options *o, struct sh_buf *out)
{
    char dir[OPS_PATH];
    struct ops_names l;
    struct sh_buf plain;
    SH_TRY(ops_join(dir, o->dir, "keys"));
    SH_TRY(ops_names_read(o->env, dir, &l));
    sh_buf_init(&plain, o->env->alloc, PLAIN_MAX);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        err = ops_keys_wanted(&l.p[i]) ? put_file(o->env, dir, l.p[i].name, &plain) : SH_OK;
    }
    if (err == SH_OK) {
        err = plain.n == 0 ? SH_E_NOTFOUND : seal(o, sh_buf_bytes(&plain), out);
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    ops_names_free(o->env, &l);
    return err;
}

static bool name_ok(struct sh_str s)
{
    if (s.n == 0 || s.n > 64 || s.p[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

sh_err ops_keys_read(struct sh_bytes plain,
                     sh_err (*fn)(void *ctx, struct sh_str name, struct sh_bytes data), void *ctx)
{
    struct sh_rd r = sh_rd_of(plain);
    while (sh_rd_left(&r) > 0) {
        uint8_t len = 0;
        uint32_t size = 0;
        struct sh_bytes name;
        struct sh_bytes data;
        if (sh_rd_u8(&r, &len) != SH_OK || sh_rd_bytes(&r, len, &name) != SH_OK ||
            !name_ok(sh_bytes_str(name)) || sh_rd_le32(&r, &size) != SH_OK ||
            sh_rd_bytes(&r, size, &data) != SH_OK) {
            return SH_E_CORRUPT;
        }
        SH_TRY(fn(ctx, sh_bytes_str(name), data));
    }
    return SH_OK;
}

sh_err ops_keys_open(const struct sh_env *env, const struct sh_crypto *crypto, struct sh_bytes box,
                     struct sh_str passphrase,
                     sh_err (*fn)(void *ctx, struct sh_str name, struct sh_bytes data), void *ctx)
{
    if (box.n < HEAD || memcmp(box.p, magic, MAGIC) != 0) {
        return SH_E_CORRUPT;
    }
    const struct sh_argon2 cost = {.time = sh_le32(box.p + MAGIC),
                                   .mem_kib = sh_le32(box.p + MAGIC + 4),
                                   .lanes = sh_le32(box.p + MAGIC + 8)};
    struct sh_box_key key = {.id = 1, .kind = SH_BOX_AES_GCM};
    struct sh_buf plain;
    sh_buf_init(&plain, env->alloc, PLAIN_MAX);
    const struct sh_bytes salt = sh_bytes_of(box.p + HEAD - SALT, SALT);
    sh_err err = sh_password_key(&cost, salt, passphrase, key.key);
    if (err == SH_OK) {
        err = sh_box_open(crypto, &key, 1, sh_bytes_of(box.p, HEAD),
                          sh_bytes_of(box.p + HEAD, box.n - HEAD), &plain);
        err = err == SH_E_CORRUPT ? SH_E_DENIED : err;
    } else if (err == SH_E_INVAL) { /* an empty passphrase, or a cost that we never write */
        err = SH_E_DENIED;
    }
    err = err == SH_E_PROTO || err == SH_E_NOTFOUND ? SH_E_CORRUPT : err;
    if (err == SH_OK) {
        err = ops_keys_read(sh_buf_bytes(&plain), fn, ctx);
    }
    sh_crypto_wipe(&key, sizeof key);
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    return err;
}
