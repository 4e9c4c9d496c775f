/* keyring.c - the keys of the node: opened, changed while it runs, and the recovery sheet.
 *
 * A change of the key in use: the ring with the new key is written, then every secret is sealed
 * anew; what was sealed by an older key stays readable, so an end in between loses nothing and the
 * next change does the rest. The older keys stay in the ring for backups of before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { SLICE = 64, FILE_TEXT_MAX = 4 * SH_PEM_MAX };
static const char sealed_mark[] = "songhua-sealed-1 ";
static const char *const sealed_files[] = {"keys/device-ca-key.pem", "keys/checkpoint.key",
                                           "keys/server-key.pem"};

/* ---- open ---- */

static sh_err derive_all(struct sh_guard *g, const struct sh_ring *r)
{
    const struct {
        const char *label;
        uint8_t *out;
    } rows[] = {
        {"guard token", g->key_token}, {"guard device secret", g->key_secret},
        {"guard csrf", g->key_csrf},   {"guard password cache", g->key_cache},
        {"guard audit", g->key_audit}, {"guard mark", g->key_mark},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SH_TRY(sh_crypto_derive(g->crypto, r->root, sh_str_c(rows[i].label), rows[i].out));
    }
    return SH_OK;
}

static sh_err no_master(sh_err err, const char *source, struct sh_diag *diag)
{
    if (err == SH_E_NOTFOUND && sh_str_starts(sh_str_c(source), SH_STR("file:"))) {
        sh_diag_set(diag, "%s is missing although this data folder is in use.", source + 5);
        sh_diag_remedy(diag, "Put it from a backup back, or use the recovery sheet: songhua keys "
                             "recover. Without it every token, session and device secret is void.");
    }
    return err == SH_E_NOTFOUND ? SH_E_STATE : err;
}

/* fresh: the folder is new, or was restored without keys. */
static sh_err open_ring(struct sh_guard *g, const char *source, bool fresh, struct sh_diag *diag)
{
    sh_err err = sh_master_open(g->env, g->crypto, g->dir, source, fresh, &g->master, diag);
    if (err != SH_OK) {
        return no_master(err, source, diag);
    }
    err = sh_ring_load(g->env, g->crypto, g->dir, g->master, &g->ring, &g->ring_found, diag);
    if (fresh && (g->ring_found.before || err == SH_E_STATE)) {
        g->ring_found = (struct sh_ring_found){.before = false};
        SH_TRY(sh_ring_new(g->env, guard_set(g)->box, &g->ring));
        return sh_ring_store(g->env, g->crypto, g->dir, &g->ring, &g->master, 1);
    }
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(diag, "keys/ring is missing although this data folder is in use.");
        sh_diag_remedy(diag, "Put it from a backup back; for a folder of before set "
                             "guard.master_key to file:keys/node.key.");
        return SH_E_STATE;
    }
    return err; /* a folder of before gets its file when it was seen to belong (guard.c) */
}

sh_err guard_keyring_open(struct sh_guard *g, const char *master, bool fresh, struct sh_diag *diag)
{
    char path[512];
    if (!guard_path(g, "keys", path, sizeof path)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_mkdirs(g->env->fs, path));
    SH_TRY(open_ring(g, master == NULL ? SH_GUARD_MASTER : master, fresh, diag));
    return derive_all(g, &g->ring);
}

sh_err guard_keyring_root(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                          const char *source, uint8_t audit[SH_KEY_BYTES])
{
    struct sh_master *m = NULL;
    struct sh_ring r;
    struct sh_ring_found found;
    SH_TRY(sh_master_open(env, c, dir, source == NULL ? SH_GUARD_MASTER : source, false, &m, NULL));
    sh_err err = sh_ring_load(env, c, dir, m, &r, &found, NULL);
    err = err != SH_OK ? err : sh_crypto_derive(c, r.root, SH_STR("guard audit"), audit);
    sh_crypto_wipe(&r, sizeof r);
    sh_master_close(m);
    return err;
}

void guard_keyring_close(struct sh_guard *g)
{
    sh_master_close(g->master);
    sh_crypto_wipe(&g->ring, sizeof g->ring);
}

/* ---- sealing ---- */

sh_err sh_guard_seal(struct sh_guard *g, struct sh_str context, struct sh_bytes plain,
                     struct sh_buf *out)
{
    sh_mutex_lock(&g->sealing);
    const sh_err err =
        sh_box_seal(g->crypto, &sh_ring_current(&g->ring)->box, sh_str_bytes(context), plain, out);
    sh_mutex_unlock(&g->sealing);
    return err;
}

sh_err sh_guard_unseal(struct sh_guard *g, struct sh_str context, struct sh_bytes box,
                       struct sh_buf *out)
{
    sh_mutex_lock(&g->sealing);
    const sh_err err = sh_ring_unseal(g->crypto, &g->ring, sh_str_bytes(context), box, out);
    sh_mutex_unlock(&g->sealing);
    return err;
}

sh_err guard_seal_text(struct sh_guard *g, const char *context, struct sh_bytes plain,
                       struct sh_buf *out)
{
    struct sh_buf box;
    sh_buf_init(&box, g->env->alloc, plain.n + SH_BOX_OVERHEAD);
    sh_err err = sh_guard_seal(g, sh_str_c(context), plain, &box);
    err = err != SH_OK ? err : sh_base64_put(out, sh_buf_bytes(&box), false);
    sh_buf_fini(&box);
    return err;
}

sh_err guard_unseal_text(struct sh_guard *g, const char *context, struct sh_str text,
                         struct sh_buf *out)
{
    struct sh_buf box;
    sh_buf_init(&box, g->env->alloc, text.n + 4);
    sh_err err = sh_base64_parse(text, false, &box);
    err = err != SH_OK ? err : sh_guard_unseal(g, sh_str_c(context), sh_buf_bytes(&box), out);
    sh_buf_fini(&box);
    return err;
}

/* ---- private keys in files ---- */

/* "songhua-sealed-1 BASE64\n"; a text without that mark is a key that somebody put there. */
sh_err guard_secret_file_read(struct sh_guard *g, const char *name, struct sh_buf *out)
{
    char path[512];
    struct sh_str text = {NULL, 0};
    if (!guard_path(g, name, path, sizeof path)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_read_all(g->env->fs, g->env->alloc, path, FILE_TEXT_MAX, &text));
    sh_err err = SH_OK;
    if (sh_str_starts(text, sh_str_c(sealed_mark))) {
        err = guard_unseal_text(g, name,
                                sh_str_trim(sh_str_sub(text, sizeof sealed_mark - 1, text.n)), out);
        err = err == SH_OK || err == SH_E_NOMEM ? err : SH_E_CORRUPT; /* by no key of the ring */
    } else {
        err = sh_buf_put_str(out, text);
    }
    sh_crypto_wipe((char *)(uintptr_t)text.p, text.n);
    sh_str_free(g->env->alloc, &text);
    return err;
}

sh_err guard_secret_file_write(struct sh_guard *g, const char *name, struct sh_bytes plain)
{
    char path[512];
    struct sh_buf text;
    if (!guard_path(g, name, path, sizeof path)) {
        return SH_E_INVAL;
    }
    sh_buf_init(&text, g->env->alloc, FILE_TEXT_MAX);
    sh_err err = sh_buf_put_c(&text, sealed_mark);
    err = err != SH_OK ? err : guard_seal_text(g, name, plain, &text);
    err = err != SH_OK ? err : sh_buf_put_u8(&text, '\n');
    err = err != SH_OK ? err : sh_fs_replace(g->env->fs, path, sh_buf_bytes(&text));
    sh_buf_fini(&text);
    return err;
}

static sh_err reseal_file(struct sh_guard *g, const char *name, uint32_t *n)
{
    struct sh_buf plain;
    sh_buf_init(&plain, g->env->alloc, SH_PEM_MAX);
    sh_err err = guard_secret_file_read(g, name, &plain);
    if (err == SH_OK) {
        err = guard_secret_file_write(g, name, sh_buf_bytes(&plain));
        *n += err == SH_OK ? 1 : 0;
    } else if (err != SH_E_NOMEM) {
        if (err != SH_E_NOTFOUND) {
            sh_log(g->env->log, SH_LOG_WARN, "guard", "%s can not be sealed anew (%s)", name,
                   sh_err_name(err));
        }
        err = SH_OK;
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    return err;
}

/* ---- a change of the key in use ---- */

/* Of a map that changes under `change` only, SLICE objects at a time so that nobody waits long for
 * `lock`. */
struct resealing {
    struct sh_guard *g;
    struct guard_batch b;
    uint32_t n;
};

static sh_err put_person(struct resealing *r, void *v)
{
    const struct guard_person *p = v;
    if (!p->factor.on) {
        return SH_OK;
    }
    r->n++;
    return guard_person_batch(r->g, &r->b, p);
}

static sh_err put_provider(struct resealing *r, void *v)
{
    const struct guard_provider *p = v;
    if (p->secret[0] == '\0') {
        return SH_OK;
    }
    r->n++;
    return guard_provider_batch(r->g, &r->b, p);
}

static sh_err reseal_map(struct resealing *r, struct sh_map *m,
                         sh_err (*put)(struct resealing *r, void *v))
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    bool more = true;
    sh_err err = SH_OK;
    while (err == SH_OK && more) {
        guard_batch_init(r->g, &r->b);
        sh_mutex_lock(&r->g->lock);
        for (size_t i = 0; err == SH_OK && more && i < SLICE; i++) {
            more = sh_map_next(m, &it, &key, &v);
            err = more ? put(r, v) : SH_OK;
        }
        sh_mutex_unlock(&r->g->lock);
        err = err != SH_OK ? err : guard_batch_commit(r->g, &r->b);
        guard_batch_fini(&r->b);
    }
    return err;
}

/* Under change. */
static sh_err reseal_all(struct sh_guard *g, uint32_t *n)
{
    struct resealing r = {.g = g};
    sh_err err = reseal_map(&r, &g->people, put_person);
    err = err != SH_OK ? err : reseal_map(&r, &g->providers, put_provider);
    for (size_t i = 0; err == SH_OK && i < sizeof sealed_files / sizeof sealed_files[0]; i++) {
        err = reseal_file(g, sealed_files[i], &r.n);
    }
    *n = r.n;
    return err;
}

/* The file first, then what is used. Under change. */
static sh_err take_ring(struct sh_guard *g, struct sh_ring *next)
{
    const sh_err err = sh_ring_store(g->env, g->crypto, g->dir, next, &g->master, 1);
    if (err == SH_OK) {
        sh_mutex_lock(&g->sealing);
        g->ring = *next;
        sh_mutex_unlock(&g->sealing);
    }
    return err;
}

static sh_err audit_change(struct sh_guard *g, const struct sh_guard_at *at, const char *act,
                           const char *detail)
{
    struct guard_batch b;
    const struct sh_audit a = {
        .by = at->by,
        .tenant = SH_TENANT_ROOT,
        .act = sh_str_c(act),
        .object = SH_STR("node"),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
        .peer = at->peer,
    };
    guard_batch_init(g, &b);
    const sh_err err = guard_commit(g, &b, &a);
    guard_batch_fini(&b);
    return err;
}

static const char *kind_name(enum sh_box_kind kind)
{
    return kind == SH_BOX_SM4 ? "sm4" : "aes-256-gcm";
}

/* Under change. */
static sh_err rotate(struct sh_guard *g, const struct sh_guard_at *at, bool master, uint32_t *n)
{
    struct sh_ring next = g->ring;
    *n = 0;
    /* The oldest key goes: nothing may hang on it, as it would after changes that did not end. */
    sh_err err = next.nkeys == SH_RING_KEYS ? reseal_all(g, n) : SH_OK;
    err = err != SH_OK ? err : sh_ring_add(g->env, guard_set(g)->box, &next);
    err = err != SH_OK ? err : take_ring(g, &next);
    const uint32_t id = sh_ring_current(&next)->box.id;
    sh_crypto_wipe(&next, sizeof next);
    if (err == SH_OK && master) {
        err = sh_ring_renew_master(g->env, g->crypto, g->dir, &g->ring, &g->master);
    }
    err = err != SH_OK ? err : reseal_all(g, n);
    if (err == SH_OK) {
        char detail[128];
        (void)guard_print(detail, sizeof detail, "key %u, %s, %u secrets sealed anew%s", id,
                          kind_name(guard_set(g)->box), *n, master ? ", new master key" : "");
        err = audit_change(g, at, "node.key_rotated", detail);
    }
    return err;
}

sh_err sh_guard_keys_rotate(struct sh_guard *g, const struct sh_guard_at *at, bool master,
                            uint32_t *resealed, struct sh_diag *diag)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_CONFIG_SECURITY, SH_TENANT_ROOT));
    sh_err err = SH_E_UNSUPPORTED;
    sh_mutex_lock(&g->change); /* another change may be putting a new master in place */
    if (!master || sh_master_kind(g->master) == SH_MASTER_FILE) {
        err = rotate(g, at, master, resealed);
    } else {
        sh_diag_set(diag, "The master key is not in a file, so it can not be made anew here.");
        sh_diag_remedy(diag, "Make a new key where it is kept, then run songhua keys move on the "
                             "stopped node.");
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* The setting asks for another algorithm than the key in use has: a new key. */
void guard_keyring_tick(struct sh_guard *g)
{
    const struct sh_guard_at at = {.by = &g->system, .tenant = SH_TENANT_ROOT};
    uint32_t n = 0;
    sh_mutex_lock(&g->sealing);
    const bool as_set = sh_ring_current(&g->ring)->box.kind == guard_set(g)->box;
    sh_mutex_unlock(&g->sealing);
    if (as_set || guard_now(g) < g->ring_retry_us) {
        return;
    }
    sh_mutex_lock(&g->change);
    const sh_err err = rotate(g, &at, false, &n);
    sh_mutex_unlock(&g->change);
    if (err != SH_OK) {
        g->ring_retry_us = guard_now(g) + INT64_C(60) * 1000000;
        sh_log(g->env->log, SH_LOG_ERROR, "guard", "a new key can not be made (%s)",
               sh_err_name(err));
    }
}

static bool lies_open(struct sh_guard *g, const char *name)
{
    char path[512];
    char first[sizeof sealed_mark - 1];
    size_t got = 0;
    struct sh_file *f = NULL;
    if (!guard_path(g, name, path, sizeof path) ||
        sh_fs_open(g->env->fs, path, SH_FS_READ, &f) != SH_OK) {
        return false;
    }
    const sh_err err = sh_fs_pread(g->env->fs, f, first, sizeof first, 0, &got);
    sh_fs_close(g->env->fs, f);
    return err == SH_OK && (got != sizeof first || memcmp(first, sealed_mark, got) != 0);
}

/* A folder of before gets its ring, and keys that lie open are sealed. At open, when all is
 * loaded. */
sh_err guard_keyring_settle(struct sh_guard *g)
{
    uint32_t n = 0;
    sh_err err = SH_OK;
    if (g->ring_found.before || g->ring_found.other) {
        err = sh_ring_store(g->env, g->crypto, g->dir, &g->ring, &g->master, 1);
    }
    for (size_t i = 0; err == SH_OK && i < sizeof sealed_files / sizeof sealed_files[0]; i++) {
        err = lies_open(g, sealed_files[i]) ? reseal_file(g, sealed_files[i], &n) : SH_OK;
    }
    return err;
}

/* ---- the recovery sheet ---- */

sh_err sh_guard_sheet_new(struct sh_guard *g, const struct sh_guard_at *at,
                          char code[SH_SHEET_CODE])
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_CONFIG_SECURITY, SH_TENANT_ROOT));
    struct sh_principal_info who;
    SH_TRY(sh_guard_describe(g, at->by, &who));
    sh_mutex_lock(&g->change);
    struct sh_ring next = g->ring;
    sh_err err = sh_sheet_new(g->env, g->crypto, &next, code);
    next.sheet_us = guard_now(g);
    (void)guard_copy(next.sheet_by, sizeof next.sheet_by, sh_str_c(who.name));
    err = err != SH_OK ? err : take_ring(g, &next);
    err = err != SH_OK ? err : audit_change(g, at, "node.sheet_made", "");
    sh_mutex_unlock(&g->change);
    sh_crypto_wipe(&next, sizeof next);
    if (err != SH_OK) {
        sh_crypto_wipe(code, SH_SHEET_CODE);
    }
    return err;
}

sh_err sh_guard_sheet_remove(struct sh_guard *g, const struct sh_guard_at *at)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_CONFIG_SECURITY, SH_TENANT_ROOT));
    sh_mutex_lock(&g->change);
    struct sh_ring next = g->ring;
    sh_err err = next.sheet ? SH_OK : SH_E_NOTFOUND;
    next.sheet = false;
    err = err != SH_OK ? err : take_ring(g, &next);
    err = err != SH_OK ? err : audit_change(g, at, "node.sheet_revoked", "");
    sh_mutex_unlock(&g->change);
    sh_crypto_wipe(&next, sizeof next);
    return err;
}

/* ---- what is there ---- */

void sh_guard_keys_write(struct sh_guard *g, struct sh_jw *w)
{
    sh_mutex_lock(&g->change);
    const struct sh_ring *r = &g->ring;
    sh_jw_key(w, "master");
    sh_jw_obj(w);
    sh_jw_key(w, "kind");
    sh_jw_c(w, sh_master_kind_name(sh_master_kind(g->master)));
    sh_jw_key(w, "where");
    sh_jw_c(w, sh_master_label(g->master));
    sh_jw_obj_end(w);
    sh_jw_key(w, "keys");
    sh_jw_arr(w);
    for (size_t i = r->nkeys; i-- > 0;) {
        sh_jw_obj(w);
        sh_jw_key(w, "id");
        sh_jw_u64(w, r->keys[i].box.id);
        sh_jw_key(w, "algorithm");
        sh_jw_c(w, kind_name(r->keys[i].box.kind));
        sh_jw_key(w, "made");
        if (r->keys[i].made_us == 0) {
            sh_jw_null(w);
        } else {
            sh_jw_time(w, r->keys[i].made_us);
        }
        sh_jw_key(w, "in_use");
        sh_jw_bool(w, i + 1 == r->nkeys);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "sheet");
    if (r->sheet) {
        sh_jw_obj(w);
        sh_jw_key(w, "made");
        sh_jw_time(w, r->sheet_us);
        sh_jw_key(w, "by");
        sh_jw_c(w, r->sheet_by);
        sh_jw_obj_end(w);
    } else {
        sh_jw_null(w);
    }
    sh_mutex_unlock(&g->change);
}

void guard_keyring_facts(struct sh_guard *g, struct sh_guard_security *out)
{
    sh_mutex_lock(&g->change);
    out->master = sh_master_kind(g->master);
    out->box = sh_ring_current(&g->ring)->box.kind;
    out->key_us = sh_ring_current(&g->ring)->made_us;
    out->sheet = g->ring.sheet;
    sh_mutex_unlock(&g->change);
}
