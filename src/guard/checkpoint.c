/* Signed checkpoints of the audit chain: what it looked like, in the hands of others.
 *
 * The chain and its sealed head find what somebody without the node's keys does. Who has the keys
 * can rewrite the chain and seal it anew; then it no longer holds the hash that a checkpoint names,
 * and whoever kept that checkpoint elsewhere can tell. The signature (Ed25519, keys/checkpoint.key)
 * keeps others from making checkpoints up.
 *
 * The signed text is one line without an end:
 *   songhua-checkpoint-1 NODE SEQ HASH TIME
 * NODE: the first 16 hexadecimal digits of the SHA-256 of the public key's PEM. The newest one lies
 * in keys/audit.checkpoint; each hour in which the chain has grown gets one, which is also an entry
 * of the chain ("audit.checkpoint") and so goes where entries are sent.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define EVERY_US (INT64_C(3600) * 1000000)

enum { FILE_MAX = 4096 };

static const char magic[] = "songhua-checkpoint-1";
static const char key_file[] = "keys/checkpoint.key";

/* ---- form ---- */

static sh_err node_of(const struct sh_crypto *c, struct sh_str public_pem, char node[17])
{
    uint8_t hash[SH_HASH_BYTES];
    char hex[SH_HASH_HEX];
    const struct sh_bytes part = sh_str_bytes(public_pem);
    SH_TRY(sh_crypto_hash(c, SH_DIGEST_SHA256, &part, 1, hash));
    sh_hash_hex(hash, hex);
    memcpy(node, hex, 16);
    node[16] = '\0';
    return SH_OK;
}

void sh_checkpoint_write(const struct sh_checkpoint *cp, struct sh_jw *w)
{
    char hex[SH_HASH_HEX];
    sh_hash_hex(cp->hash, hex);
    sh_jw_key(w, "checkpoint");
    sh_jw_c(w, cp->text);
    sh_jw_key(w, "signature");
    sh_jw_c(w, cp->signature);
    sh_jw_key(w, "public_key");
    sh_jw_c(w, cp->public_key);
    sh_jw_key(w, "node");
    sh_jw_c(w, cp->node);
    sh_jw_key(w, "seq");
    sh_jw_u64(w, cp->seq);
    sh_jw_key(w, "hash");
    sh_jw_c(w, hex);
    sh_jw_key(w, "time");
    sh_jw_time(w, cp->time_us);
}

static sh_err parse_text(struct sh_str text, struct sh_checkpoint *out)
{
    struct sh_str rest = text;
    struct sh_str part[5] = {{NULL, 0}};
    for (size_t i = 0; i < 5; i++) {
        part[i] = rest.p == NULL ? rest : sh_str_cut(rest, ' ', &rest);
    }
    const bool whole = part[4].p != NULL && rest.p == NULL;
    if (!whole || !sh_str_eqc(part[0], magic) ||
        !guard_copy(out->node, sizeof out->node, part[1]) ||
        sh_u64_parse(part[2], &out->seq) != SH_OK || out->seq == 0 ||
        !guard_hex_read(part[3], out->hash) || sh_time_parse(part[4], &out->time_us) != SH_OK) {
        return SH_E_PROTO;
    }
    return SH_OK;
}

static sh_err check_signature(const struct sh_env *env, const struct sh_crypto *c,
                              const struct sh_checkpoint *cp)
{
    char node[17];
    struct sh_buf sig;
    SH_TRY(node_of(c, sh_str_c(cp->public_key), node));
    if (strcmp(node, cp->node) != 0) {
        return SH_E_DENIED;
    }
    sh_buf_init(&sig, env->alloc, (size_t)2 * SH_SIGNATURE_BYTES);
    sh_err err = sh_base64_parse(sh_str_c(cp->signature), false, &sig);
    err = err == SH_E_NOMEM ? err
                            : (err == SH_OK && sig.n == SH_SIGNATURE_BYTES ? SH_OK : SH_E_PROTO);
    if (err == SH_OK) {
        err = sh_sign_check(c, sh_str_c(cp->public_key), sh_str_bytes(sh_str_c(cp->text)),
                            sh_buf_bytes(&sig));
    }
    sh_buf_fini(&sig);
    return err;
}

sh_err sh_checkpoint_parse(const struct sh_env *env, const struct sh_crypto *c, struct sh_str json,
                           struct sh_checkpoint *out)
{
    json_t *o = NULL;
    memset(out, 0, sizeof *out);
    sh_err err = sh_json_parse(json, FILE_MAX, &o, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    const bool fits =
        guard_copy(out->text, sizeof out->text, sh_json_get_str(o, "checkpoint")) &&
        guard_copy(out->signature, sizeof out->signature, sh_json_get_str(o, "signature")) &&
        guard_copy(out->public_key, sizeof out->public_key, sh_json_get_str(o, "public_key"));
    json_decref(o);
    err = fits ? parse_text(sh_str_c(out->text), out) : SH_E_PROTO;
    return err == SH_OK ? check_signature(env, c, out) : err;
}

/* ---- making ---- */

/* Appends the private key, made when there is none. Under change. */
static sh_err open_key(struct sh_guard *g, struct sh_buf *pem)
{
    const sh_err err = guard_secret_file_read(g, key_file, pem);
    if (err != SH_E_NOTFOUND) {
        return err;
    }
    SH_TRY(sh_sign_new_key(g->crypto, pem));
    return guard_secret_file_write(g, key_file, sh_buf_bytes(pem));
}

static sh_err sign(struct sh_guard *g, struct sh_str key, struct sh_checkpoint *out)
{
    uint8_t signature[SH_SIGNATURE_BYTES];
    char hex[SH_HASH_HEX];
    char time[SH_TIME_CHARS];
    struct sh_buf b;
    sh_buf_init(&b, g->env->alloc, FILE_MAX);
    sh_err err = sh_sign_public(g->crypto, key, &b);
    if (err == SH_OK && !guard_copy(out->public_key, sizeof out->public_key, sh_buf_str(&b))) {
        err = SH_E_LIMIT;
    }
    err = err != SH_OK ? err : node_of(g->crypto, sh_str_c(out->public_key), out->node);
    sh_hash_hex(out->hash, hex);
    const size_t n = sh_time_print(out->time_us, time);
    (void)guard_print(out->text, sizeof out->text, "%s %s %llu %s %.*s", magic, out->node,
                      (unsigned long long)out->seq, hex, (int)n, time);
    err = err != SH_OK ? err
                       : sh_sign_make(g->crypto, key, sh_str_bytes(sh_str_c(out->text)), signature);
    sh_buf_clear(&b);
    err = err != SH_OK ? err : sh_base64_put(&b, sh_bytes_of(signature, sizeof signature), false);
    if (err == SH_OK && !guard_copy(out->signature, sizeof out->signature, sh_buf_str(&b))) {
        err = SH_E_LIMIT;
    }
    sh_buf_fini(&b);
    return err;
}

static sh_err keep(struct sh_guard *g, const struct sh_checkpoint *cp)
{
    char path[512];
    struct sh_buf b;
    struct sh_jw w;
    if (!guard_path(g, "keys/audit.checkpoint", path, sizeof path)) {
        return SH_E_INVAL;
    }
    sh_buf_init(&b, g->env->alloc, FILE_MAX);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_checkpoint_write(cp, &w);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    err = err != SH_OK ? err : sh_fs_replace(g->env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    return err;
}

/* Under change. */
static sh_err make(struct sh_guard *g, struct sh_checkpoint *out)
{
    struct sh_buf key;
    memset(out, 0, sizeof *out);
    out->seq = g->audit_seq;
    out->time_us = guard_now(g);
    memcpy(out->hash, g->audit_hash, sizeof out->hash);
    if (out->seq == 0) {
        return SH_E_NOTFOUND;
    }
    sh_buf_init(&key, g->env->alloc, FILE_MAX);
    sh_err err = open_key(g, &key);
    err = err != SH_OK ? err : sign(g, sh_buf_str(&key), out);
    sh_crypto_wipe(key.p, key.n);
    sh_buf_fini(&key);
    err = err != SH_OK ? err : keep(g, out);
    if (err == SH_OK) {
        g->checkpoint_seq = out->seq;
        g->checkpoint_done = out->seq;
        g->checkpoint_us = out->time_us;
    }
    return err;
}

sh_err sh_guard_checkpoint(struct sh_guard *g, struct sh_checkpoint *out)
{
    guard_audit_flush(g);
    sh_mutex_lock(&g->change);
    const sh_err err = make(g, out);
    sh_mutex_unlock(&g->change);
    return err;
}

/* The newest that was kept; none is fine. At open. */
void guard_checkpoint_open(struct sh_guard *g)
{
    char path[512];
    struct sh_str text = {NULL, 0};
    struct sh_checkpoint cp;
    g->checkpoint_due_us = guard_now(g) + EVERY_US;
    if (guard_path(g, "keys/audit.checkpoint", path, sizeof path) &&
        sh_fs_read_all(g->env->fs, g->env->alloc, path, FILE_MAX, &text) == SH_OK) {
        if (sh_checkpoint_parse(g->env, g->crypto, text, &cp) == SH_OK) {
            g->checkpoint_seq = cp.seq;
            g->checkpoint_done = cp.seq;
            g->checkpoint_us = cp.time_us;
            g->checkpoint_due_us = cp.time_us + EVERY_US;
        }
        sh_str_free(g->env->alloc, &text);
    }
}

/* Makes the hour's, and its entry. An hour without a new entry needs none. */
void guard_checkpoint_tick(struct sh_guard *g)
{
    const int64_t now = guard_now(g);
    struct sh_checkpoint cp;
    char detail[AUDIT_DETAIL_MAX];
    if (now < g->checkpoint_due_us && g->checkpoint_due_us - now <= EVERY_US) {
        return;
    }
    g->checkpoint_due_us = now + EVERY_US;
    sh_mutex_lock(&g->change);
    const bool grown = g->audit_seq > g->checkpoint_done;
    const sh_err err = grown ? make(g, &cp) : SH_OK;
    g->checkpoint_done += grown && err == SH_OK ? 1 : 0; /* its own entry, posted below */
    sh_mutex_unlock(&g->change);
    if (err != SH_OK) {
        sh_log(g->env->log, SH_LOG_ERROR, "guard", "no checkpoint of the audit chain: %s",
               sh_err_name(err));
    }
    if (!grown || err != SH_OK) {
        return;
    }
    (void)guard_print(detail, sizeof detail, "%s %s", cp.text, cp.signature);
    const struct sh_audit a = {
        .by = &g->system,
        .tenant = SH_TENANT_ROOT,
        .act = SH_STR("audit.checkpoint"),
        .object = SH_STR("audit"),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
    };
    sh_guard_audit_post(g, &a);
}
