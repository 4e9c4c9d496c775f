/* The audit chain: writing.
 *
 * An entry is stored under its sequence number (20 digits) as {"hash":H,"body":B}. B is the text of
 * a JSON object that names the sequence, the time, who, what, and in "prev" the hash of the entry
 * before; H = SHA-256(B) in hex. The first entry's prev is 64 zeros. keys/audit.head holds the last
 * sequence and hash with an HMAC under the node key, so that cutting the tail shows.
 *
 * Invariants (under `change`)
 *  1. audit_seq and audit_hash are those of the last committed entry.
 *  2. The head is written after the commit: after a crash it may be behind the store, never ahead.
 *     When it is ahead at open, entries were cut: the chain goes on behind the head's number and
 *     leaves a gap that the verifier finds for ever.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "guard_int.h"

enum { FLUSH_MAX = 256, HEAD_MAX = 256 };

static const char head_magic[] = "songhua-audit-1";

/* ---- head ---- */

static sh_err head_mac(const struct sh_crypto *c, const uint8_t key[SH_KEY_BYTES],
                       struct sh_str line, char hex[SH_HASH_HEX])
{
    uint8_t mac[SH_HASH_BYTES];
    const struct sh_bytes part = sh_str_bytes(line);
    SH_TRY(sh_crypto_hmac(c, SH_DIGEST_SHA256, sh_bytes_of(key, SH_KEY_BYTES), &part, 1, mac));
    sh_hash_hex(mac, hex);
    return SH_OK;
}

sh_err guard_audit_head_write(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                              const uint8_t key[SH_KEY_BYTES], const struct guard_audit_head *h)
{
    char hash[SH_HASH_HEX];
    char mac[SH_HASH_HEX];
    char line[HEAD_MAX];
    char path[512];
    sh_hash_hex(h->hash, hash);
    if (!guard_print(path, sizeof path, "%s/keys/audit.head", dir) ||
        !guard_print(line, sizeof line, "%s %llu %s", head_magic, (unsigned long long)h->seq,
                     hash)) {
        return SH_E_INVAL;
    }
    SH_TRY(head_mac(c, key, sh_str_c(line), mac));
    char text[HEAD_MAX + SH_HASH_HEX + 2];
    (void)guard_print(text, sizeof text, "%s %s\n", line, mac);
    return sh_fs_replace(env->fs, path, sh_bytes_of(text, strlen(text)));
}

/* text: "magic seq hash mac\n" */
static sh_err head_parse(const struct sh_crypto *c, const uint8_t key[SH_KEY_BYTES],
                         struct sh_str text, struct guard_audit_head *out)
{
    if (text.n == 0 || text.p[text.n - 1] != '\n') {
        return SH_E_CORRUPT;
    }
    const struct sh_str all = sh_str_sub(text, 0, text.n - 1);
    const size_t cut = sh_str_rfind(all, ' ');
    if (cut == SIZE_MAX) {
        return SH_E_CORRUPT;
    }
    const struct sh_str line = sh_str_sub(all, 0, cut);
    char mac[SH_HASH_HEX];
    SH_TRY(head_mac(c, key, line, mac));
    struct sh_str rest;
    struct sh_str hash;
    uint64_t seq = 0;
    const struct sh_str magic = sh_str_cut(line, ' ', &rest);
    const struct sh_str number = rest.p == NULL ? rest : sh_str_cut(rest, ' ', &hash);
    if (rest.p == NULL || hash.p == NULL || !sh_str_eqc(magic, head_magic) ||
        !sh_bytes_eq_ct(sh_str_bytes(sh_str_sub(all, cut + 1, all.n)),
                        sh_bytes_of(mac, SH_HASH_HEX - 1)) ||
        sh_u64_parse(number, &seq) != SH_OK || !guard_hex_read(hash, out->hash)) {
        return SH_E_CORRUPT;
    }
    out->seq = seq;
    return SH_OK;
}

sh_err guard_audit_head_read(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                             const uint8_t key[SH_KEY_BYTES], struct guard_audit_head *out)
{
    char path[512];
    struct sh_str text = {0};
    if (!guard_print(path, sizeof path, "%s/keys/audit.head", dir)) {
        return SH_E_INVAL;
    }
    sh_err err = sh_fs_read_all(env->fs, env->alloc, path, 4096, &text);
    if (err == SH_OK) {
        err = head_parse(c, key, text, out);
        sh_str_free(env->alloc, &text);
    }
    return err == SH_E_LIMIT ? SH_E_CORRUPT : err;
}

/* ---- entries ---- */

static struct sh_str cut_text(struct sh_str s, size_t max)
{
    if (s.n <= max) {
        return s;
    }
    size_t n = max;
    while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80) { /* not inside a character */
        n--;
    }
    return sh_str_sub(s, 0, n);
}

/* Under `change`; takes `lock` by describing. */
static void fill_item(struct sh_guard *g, const struct sh_audit *a, struct guard_audit_item *out)
{
    struct sh_principal_info info;
    const char *who = "nobody";
    if (a->by != NULL && sh_guard_describe(g, a->by, &info) == SH_OK) {
        who = info.label;
    }
    *out = (struct guard_audit_item){.time_us = guard_now(g), .tenant = a->tenant};
    (void)guard_copy(out->principal, sizeof out->principal,
                     cut_text(sh_str_c(who), sizeof out->principal - 1));
    (void)guard_copy(out->act, sizeof out->act, cut_text(a->act, sizeof out->act - 1));
    (void)guard_copy(out->object, sizeof out->object, cut_text(a->object, sizeof out->object - 1));
    (void)guard_copy(out->result, sizeof out->result, cut_text(a->result, sizeof out->result - 1));
    (void)guard_copy(out->detail, sizeof out->detail, cut_text(a->detail, sizeof out->detail - 1));
    (void)guard_copy(out->peer, sizeof out->peer, cut_text(a->peer, sizeof out->peer - 1));
}

static sh_err write_body(struct sh_guard *g, const struct guard_audit_item *i, uint64_t seq,
                         const uint8_t prev[SH_HASH_BYTES], struct sh_buf *out)
{
    char hex[SH_HASH_HEX];
    char path[SH_TENANT_PATH_MAX + 1] = "";
    struct sh_jw w;
    sh_hash_hex(prev, hex);
    if (sh_guard_tenant_path(g, i->tenant, path) != SH_OK) {
        path[0] = '\0';
    }
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "seq");
    sh_jw_u64(&w, seq);
    sh_jw_key(&w, "time");
    sh_jw_time(&w, i->time_us);
    sh_jw_key(&w, "principal");
    sh_jw_c(&w, i->principal);
    sh_jw_key(&w, "tenant");
    sh_jw_c(&w, path);
    sh_jw_key(&w, "tenant_id");
    sh_jw_u64(&w, i->tenant);
    sh_jw_key(&w, "act");
    sh_jw_c(&w, i->act);
    sh_jw_key(&w, "object");
    sh_jw_c(&w, i->object);
    sh_jw_key(&w, "result");
    sh_jw_c(&w, i->result);
    sh_jw_key(&w, "detail");
    sh_jw_c(&w, i->detail);
    sh_jw_key(&w, "peer");
    sh_jw_c(&w, i->peer);
    sh_jw_key(&w, "prev");
    sh_jw_c(&w, hex);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

/* Adds entry seq behind prev to the batch; hash gets its hash. */
static sh_err put_entry(struct sh_guard *g, struct guard_batch *b, const struct guard_audit_item *i,
                        uint64_t seq, uint8_t hash[SH_HASH_BYTES])
{
    struct sh_buf body;
    struct sh_buf value;
    char hex[SH_HASH_HEX];
    char key[24];
    struct sh_jw w;
    sh_buf_init(&body, g->env->alloc, GUARD_VALUE_MAX);
    sh_buf_init(&value, g->env->alloc, (size_t)2 * GUARD_VALUE_MAX);
    sh_err err = write_body(g, i, seq, hash, &body);
    if (err != SH_OK) {
        goto out;
    }
    const struct sh_bytes part = sh_buf_bytes(&body);
    err = sh_crypto_hash(g->crypto, SH_DIGEST_SHA256, &part, 1, hash);
    if (err != SH_OK) {
        goto out;
    }
    sh_hash_hex(hash, hex);
    sh_jw_init(&w, &value);
    sh_jw_obj(&w);
    sh_jw_key(&w, "hash");
    sh_jw_c(&w, hex);
    sh_jw_key(&w, "body");
    sh_jw_str(&w, sh_buf_str(&body));
    sh_jw_obj_end(&w);
    err = sh_jw_end(&w);
    if (err == SH_OK) {
        (void)guard_print(key, sizeof key, "%020llu", (unsigned long long)seq);
        err = guard_batch_put(b, GUARD_AUDIT, sh_str_c(key), sh_buf_str(&value));
    }
out:
    sh_buf_fini(&body);
    sh_buf_fini(&value);
    return err;
}

/* Commits the batch with n entries and moves the head. Under `change`. */
static sh_err commit_items(struct sh_guard *g, struct guard_batch *b,
                           const struct guard_audit_item *items, size_t n)
{
    struct guard_audit_head head = {.seq = g->audit_seq};
    memcpy(head.hash, g->audit_hash, sizeof head.hash);
    for (size_t i = 0; i < n; i++) {
        head.seq++;
        SH_TRY(put_entry(g, b, &items[i], head.seq, head.hash));
    }
    SH_TRY(guard_batch_commit(g, b));
    if (n == 0) {
        return SH_OK;
    }
    g->audit_seq = head.seq;
    memcpy(g->audit_hash, head.hash, sizeof head.hash);
    sh_mutex_lock(&g->lock);
    g->stats.audit_entries += n;
    sh_mutex_unlock(&g->lock);
    const sh_err err = guard_audit_head_write(g->env, g->crypto, g->dir, g->key_audit, &head);
    if (err != SH_OK) { /* the entries are safe; the next write seals them too */
        sh_log(g->env->log, SH_LOG_ERROR, "guard", "the audit head can not be written (%s)",
               sh_err_name(err));
    }
    return SH_OK;
}

sh_err guard_commit(struct sh_guard *g, struct guard_batch *b, const struct sh_audit *a)
{
    if (a == NULL) {
        return guard_batch_commit(g, b);
    }
    struct guard_audit_item item;
    fill_item(g, a, &item);
    return commit_items(g, b, &item, 1);
}

sh_err sh_guard_audit(struct sh_guard *g, const struct sh_audit *a)
{
    struct guard_batch b;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    const sh_err err = guard_commit(g, &b, a);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

/* ---- posted entries ---- */

static void flush_job(void *ctx)
{
    guard_audit_flush(ctx);
}

void sh_guard_audit_post(struct sh_guard *g, const struct sh_audit *a)
{
    struct guard_audit_item *item = sh_mem_new(g->env->alloc, sizeof *item);
    if (item != NULL) {
        fill_item(g, a, item);
    }
    bool wake = false;
    sh_mutex_lock(&g->lock);
    if (item == NULL || g->posted_n == guard_set(g)->audit_waiting) {
        sh_mem_free(g->env->alloc, item);
        g->posted_lost++;
        g->stats.audit_dropped++;
    } else {
        g->posted[(g->posted_head + g->posted_n) % guard_set(g)->audit_waiting] = item;
        g->posted_n++;
        wake = g->workers != NULL && !g->flush_queued;
        g->flush_queued = g->flush_queued || wake;
    }
    sh_mutex_unlock(&g->lock);
    if (wake && sh_workers_run(g->workers, flush_job, g) != SH_OK) {
        sh_mutex_lock(&g->lock);
        g->flush_queued = false; /* the next tick writes them */
        sh_mutex_unlock(&g->lock);
    }
}

/* Copies up to FLUSH_MAX waiting entries; the loss of others becomes one more. Under lock. */
static size_t copy_posted(struct sh_guard *g, struct guard_audit_item *out)
{
    size_t n = 0;
    while (n < FLUSH_MAX - 1 && n < g->posted_n) {
        out[n] = *g->posted[(g->posted_head + n) % guard_set(g)->audit_waiting];
        n++;
    }
    return n;
}

static size_t add_loss(struct sh_guard *g, struct guard_audit_item *out, size_t n, uint64_t lost)
{
    if (lost == 0) {
        return n;
    }
    out[n] = (struct guard_audit_item){.time_us = guard_now(g), .tenant = SH_TENANT_ROOT};
    (void)guard_print(out[n].principal, sizeof out[n].principal, "system");
    (void)guard_print(out[n].act, sizeof out[n].act, "audit.dropped");
    (void)guard_print(out[n].result, sizeof out[n].result, "limit");
    (void)guard_print(out[n].detail, sizeof out[n].detail, "%llu entries did not fit the queue",
                      (unsigned long long)lost);
    return n + 1;
}

/* Under lock. */
static void drop_posted(struct sh_guard *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sh_mem_free(g->env->alloc, g->posted[g->posted_head]);
        g->posted[g->posted_head] = NULL;
        g->posted_head = (g->posted_head + 1) % guard_set(g)->audit_waiting;
    }
    g->posted_n -= n;
}

void guard_audit_forget(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    drop_posted(g, g->posted_n);
    sh_mutex_unlock(&g->lock);
}

/* One transaction; false when nothing was left or the store failed. Under change. */
static bool flush_some(struct sh_guard *g, struct guard_audit_item *items)
{
    sh_mutex_lock(&g->lock);
    const size_t copied = copy_posted(g, items);
    const uint64_t lost = g->posted_lost;
    sh_mutex_unlock(&g->lock);
    const size_t n = add_loss(g, items, copied, lost);
    if (n == 0) {
        return false;
    }
    struct guard_batch b;
    guard_batch_init(g, &b);
    const sh_err err = commit_items(g, &b, items, n);
    guard_batch_fini(&b);
    if (err != SH_OK) { /* they stay queued */
        sh_log(g->env->log, SH_LOG_ERROR, "guard", "audit entries can not be written (%s)",
               sh_err_name(err));
        return false;
    }
    sh_mutex_lock(&g->lock);
    drop_posted(g, copied);
    g->posted_lost -= lost;
    sh_mutex_unlock(&g->lock);
    return true;
}

void guard_audit_flush(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    g->flush_queued = false;
    /* What waits now, and no more: who posts without end must not keep the others from changes. */
    size_t turns = g->posted_n > 0 || g->posted_lost > 0 ? g->posted_n / (FLUSH_MAX - 1) + 1 : 0;
    sh_mutex_unlock(&g->lock);
    if (turns == 0) {
        return;
    }
    struct guard_audit_item *items = sh_mem_array(g->env->alloc, FLUSH_MAX, sizeof *items);
    if (items == NULL) {
        return; /* they stay queued */
    }
    sh_mutex_lock(&g->change);
    while (turns > 0 && flush_some(g, items)) {
        turns--;
    }
    sh_mutex_unlock(&g->change);
    sh_mem_free(g->env->alloc, items);
}
