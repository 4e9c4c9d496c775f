/* The one-time sign-in link: a file DIR/keys/link-<16 hex> (0600) that holds the user and the time
 * it ends, named by the hash of the secret. Who can write the folder could read the node key as
 * well, so the file proves as much. Using it up is deleting it: only one call can.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { LINK_S = 600, LINKS_MAX = 32 };

static sh_err link_path(const struct sh_crypto *c, const char *dir, struct sh_str secret, char *out,
                        size_t cap, char hex[SH_HASH_HEX])
{
    uint8_t hash[SH_HASH_BYTES];
    const struct sh_bytes parts[] = {sh_bytes_of("songhua link", 12), sh_str_bytes(secret)};
    SH_TRY(sh_crypto_hash(c, SH_DIGEST_SHA256, parts, 2, hash));
    sh_hash_hex(hash, hex);
    return guard_print(out, cap, "%s/keys/link-%.16s", dir, hex) ? SH_OK : SH_E_INVAL;
}

/* Old links are removed when a new one is made, so that they do not gather. */
struct old_links {
    char names[LINKS_MAX][32];
    size_t n;
};

static sh_err see_link(void *ctx, const char *name, bool is_dir)
{
    struct old_links *o = ctx;
    if (!is_dir && strncmp(name, "link-", 5) == 0 && o->n < LINKS_MAX &&
        guard_copy(o->names[o->n], sizeof o->names[0], sh_str_c(name))) {
        o->n++;
    }
    return SH_OK;
}

static sh_err read_link(const struct sh_env *env, const char *path, json_t **out)
{
    struct sh_str text = {0};
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, 4096, &text));
    const sh_err err = sh_json_parse(text, 4096, out, NULL);
    sh_str_free(env->alloc, &text);
    return err;
}

static void remove_old(const struct sh_env *env, const char *dir, int64_t now_us)
{
    struct old_links old = {.n = 0};
    char path[512];
    if (!guard_print(path, sizeof path, "%s/keys", dir) ||
        env->fs->list(env->fs->ctx, path, see_link, &old) != SH_OK) {
        return;
    }
    for (size_t i = 0; i < old.n; i++) {
        json_t *o = NULL;
        if (!guard_print(path, sizeof path, "%s/keys/%s", dir, old.names[i])) {
            continue;
        }
        const sh_err err = read_link(env, path, &o);
        if ((err == SH_OK && sh_json_get_i64(o, "until_us", 0) <= now_us) || err == SH_E_PROTO) {
            const sh_err gone = sh_fs_unlink(env->fs, path);
            SH_UNUSED(gone);
        }
        json_decref(o);
    }
}

sh_err sh_guard_link_new(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                         struct sh_str user, char out[SH_SECRET_CHARS])
{
    char path[512];
    char hex[SH_HASH_HEX];
    struct sh_buf text;
    struct sh_jw w;
    const int64_t now = sh_wall_us(env->clock);
    if (!guard_print(path, sizeof path, "%s/keys", dir)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_mkdirs(env->fs, path));
    remove_old(env, dir, now);
    SH_TRY(sh_random_token(env->random, "shl_", out, SH_SECRET_CHARS));
    SH_TRY(link_path(c, dir, sh_str_c(out), path, sizeof path, hex));
    sh_buf_init(&text, env->alloc, 4096);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    sh_jw_key(&w, "user");
    sh_jw_str(&w, user);
    sh_jw_key(&w, "hash");
    sh_jw_c(&w, hex);
    sh_jw_key(&w, "until_us");
    sh_jw_i64(&w, now + LINK_S * INT64_C(1000000));
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_fs_replace(env->fs, path, sh_buf_bytes(&text));
    }
    sh_buf_fini(&text);
    return err;
}

/* user: USER text of the file. The file is gone afterwards, whatever it says. */
static sh_err use_link(struct sh_guard *g, struct sh_str secret, char *user, size_t cap)
{
    char path[512];
    char hex[SH_HASH_HEX];
    json_t *o = NULL;
    SH_TRY(link_path(g->crypto, g->dir, secret, path, sizeof path, hex));
    sh_err err = read_link(g->env, path, &o);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_DENIED;
    }
    if (sh_fs_unlink(g->env->fs, path) != SH_OK) { /* another call was first */
        err = SH_E_DENIED;
    } else if (!sh_bytes_eq_ct(sh_str_bytes(sh_json_get_str(o, "hash")),
                               sh_bytes_of(hex, SH_HASH_HEX - 1)) ||
               sh_json_get_i64(o, "until_us", 0) <= guard_now(g) ||
               !guard_copy(user, cap, sh_json_get_str(o, "user"))) {
        err = SH_E_DENIED;
    }
    json_decref(o);
    return err;
}

sh_err sh_guard_sign_in_link(struct sh_guard *g, struct sh_str link, struct sh_str peer,
                             struct sh_sign_in *out)
{
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    struct sh_str path;
    uint32_t tenant = 0;
    memset(out, 0, sizeof *out);
    if (!guard_peer_is_loopback(peer) || !sh_str_starts(link, SH_STR("shl_")) ||
        link.n >= SH_SECRET_CHARS) {
        return SH_E_DENIED;
    }
    SH_TRY(use_link(g, link, user, sizeof user));
    const struct sh_str name = guard_user_split(sh_str_c(user), &path);
    if (sh_guard_tenant_find(g, path, &tenant) != SH_OK) {
        return SH_E_DENIED;
    }
    const struct sh_sign_in_ask ask = {.peer = peer};
    const struct guard_way way = {.no_code = true, .words = "link"};
    return guard_session_new(g, tenant, name, &ask, &way, out);
}
