/* manifest.c - manifest.json: what a backup holds.
 *
 * {"kind":"songhua-backup","format":1,"id","version","mode":"online"|"offline","started","finished"
 * (microseconds since 1970, UTC),"sequence":{"begin","samples","catalogue","mqtt"},"samples",
 * "points","changes","keys","bytes","copied","list":<SHA-256 over the lines "hash size path\n" of
 * files in their order>,"files":[{"path","size","sha256"}]}
 *
 * A later format may add members; a greater number says that an older program must not restore it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ops_int.h"

/* ---- paths ---- */

static bool part_ok(struct sh_str s)
{
    if (s.n == 0 || s.p[0] == '.') {
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

bool ops_rel_ok(struct sh_str path)
{
    static const char *const alone[] = {"songhua.db", OPS_KEYS_FILE};
    static const char *const tops[] = {"journal", "history", "mqtt", "blobs"};
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
        if (sh_str_eqc(path, alone[i])) {
            return true;
        }
    }
    struct sh_str rest = path;
    const struct sh_str top = sh_str_cut(path, '/', &rest);
    bool known = false;
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        known = known || sh_str_eqc(top, tops[i]);
    }
    if (!known || path.n > OPS_REL || rest.p == NULL || rest.n == 0) {
        return false;
    }
    int parts = 0;
    while (rest.p != NULL) {
        struct sh_str more = {NULL, 0};
        if (!part_ok(sh_str_cut(rest, '/', &more)) || ++parts > 3) {
            return false;
        }
        rest = more;
    }
    return true;
}

/* ---- the hash of the list ---- */

static sh_err list_hash(const struct sh_crypto *c, const struct ops_file *files, size_t n,
                        char out[SH_HASH_HEX])
{
    struct sh_hasher *h = NULL;
    uint8_t raw[SH_HASH_BYTES];
    SH_TRY(sh_hasher_new(c, SH_DIGEST_SHA256, &h));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        char hex[SH_HASH_HEX];
        char line[SH_HASH_HEX + 32 + OPS_REL];
        sh_hash_hex(files[i].hash, hex);
        const int len = snprintf(line, sizeof line, "%s %llu %s\n", hex,
                                 (unsigned long long)files[i].size, files[i].path);
        err = len < 0 || (size_t)len >= sizeof line
                  ? SH_E_LIMIT
                  : sh_hasher_add(h, sh_bytes_of(line, (size_t)len));
    }
    err = err != SH_OK ? err : sh_hasher_end(h, raw);
    sh_hasher_free(h);
    if (err == SH_OK) {
        sh_hash_hex(raw, out);
    }
    return err;
}

/* ---- writing ---- */

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put_head(struct sh_jw *w, const struct sh_backup_info *i)
{
    sh_jw_key(w, "kind");
    sh_jw_c(w, "songhua-backup");
    put_u64(w, "format", i->format);
    sh_jw_key(w, "id");
    sh_jw_c(w, i->id);
    sh_jw_key(w, "version");
    sh_jw_c(w, i->version);
    sh_jw_key(w, "mode");
    sh_jw_c(w, i->online ? "online" : "offline");
    put_u64(w, "started", (uint64_t)i->started_us);
    put_u64(w, "finished", (uint64_t)i->finished_us);
    sh_jw_key(w, "sequence");
    sh_jw_obj(w);
    put_u64(w, "begin", i->seq_begin);
    put_u64(w, "samples", i->seq_samples);
    put_u64(w, "catalogue", i->seq_catalogue);
    put_u64(w, "mqtt", i->seq_mqtt);
    sh_jw_obj_end(w);
    put_u64(w, "samples", i->samples);
    put_u64(w, "points", i->points);
    put_u64(w, "changes", i->changes);
    sh_jw_key(w, "keys");
    sh_jw_bool(w, i->keys);
    put_u64(w, "bytes", i->bytes);
    put_u64(w, "copied", i->copied);
}

sh_err ops_manifest_write(const struct sh_crypto *crypto, const struct sh_backup_info *i,
                          const struct ops_file *files, size_t n, struct sh_buf *out)
{
    char hex[SH_HASH_HEX];
    struct sh_jw w;
    SH_TRY(list_hash(crypto, files, n, hex));
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    put_head(&w, i);
    sh_jw_key(&w, "list");
    sh_jw_c(&w, hex);
    sh_jw_key(&w, "files");
    sh_jw_arr(&w);
    for (size_t k = 0; k < n; k++) {
        sh_hash_hex(files[k].hash, hex);
        sh_jw_obj(&w);
        sh_jw_key(&w, "path");
        sh_jw_c(&w, files[k].path);
        put_u64(&w, "size", files[k].size);
        sh_jw_key(&w, "sha256");
        sh_jw_c(&w, hex);
        sh_jw_obj_end(&w);
    }
    sh_jw_arr_end(&w);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

/* ---- reading ---- */

static bool hex_read(struct sh_str s, uint8_t out[SH_HASH_BYTES])
{
    if (s.n != SH_HASH_HEX - 1) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        const uint8_t v = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        out[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
    }
    return true;
}

/* A whole number that is not negative, 0 when there is none. */
static uint64_t get_u64(const json_t *o, const char *key)
{
    const int64_t v = sh_json_get_i64(o, key, 0);
    return v < 0 ? 0 : (uint64_t)v;
}

static bool copy_text(char *out, size_t cap, struct sh_str s)
{
    if (s.n == 0 || s.n >= cap) {
        return false;
    }
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static sh_err read_head(const json_t *o, struct sh_backup_info *i)
{
    const json_t *seq = json_object_get(o, "sequence");
    const int64_t format = sh_json_get_i64(o, "format", 0);
    if (!json_is_object(o) || !sh_str_eqc(sh_json_get_str(o, "kind"), "songhua-backup") ||
        format < 1 || format > INT32_MAX) {
        return SH_E_CORRUPT;
    }
    i->format = (uint32_t)format;
    const bool named = copy_text(i->id, sizeof i->id, sh_json_get_str(o, "id")) &&
                       copy_text(i->version, sizeof i->version, sh_json_get_str(o, "version"));
    if (i->format > SH_BACKUP_FORMAT) {
        return SH_E_UNSUPPORTED;
    }
    i->online = sh_str_eqc(sh_json_get_str(o, "mode"), "online");
    i->keys = sh_json_get_bool(o, "keys", false);
    i->started_us = (int64_t)get_u64(o, "started");
    i->finished_us = (int64_t)get_u64(o, "finished");
    i->seq_begin = get_u64(seq, "begin");
    i->seq_samples = get_u64(seq, "samples");
    i->seq_catalogue = get_u64(seq, "catalogue");
    i->seq_mqtt = get_u64(seq, "mqtt");
    i->samples = get_u64(o, "samples");
    i->points = get_u64(o, "points");
    i->changes = get_u64(o, "changes");
    i->bytes = get_u64(o, "bytes");
    i->copied = get_u64(o, "copied");
    return named && sh_backup_id_ok(sh_str_c(i->id)) ? SH_OK : SH_E_CORRUPT;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct ops_file *)a)->path, ((const struct ops_file *)b)->path);
}

static sh_err read_files(const json_t *list, struct ops_manifest *m)
{
    const size_t n = json_array_size(list);
    m->files = sh_mem_array(m->alloc, n + 1, sizeof *m->files);
    if (m->files == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        const json_t *size = json_object_get(o, "size");
        const struct sh_str path = sh_json_get_str(o, "path");
        struct ops_file *f = &m->files[i];
        f->path = json_string_value(json_object_get(o, "path"));
        if (!ops_rel_ok(path) || f->path == NULL || strlen(f->path) != path.n ||
            !json_is_integer(size) || json_integer_value(size) < 0 ||
            !hex_read(sh_json_get_str(o, "sha256"), f->hash)) {
            return SH_E_CORRUPT;
        }
        f->size = (uint64_t)json_integer_value(size);
        m->n++;
    }
    return SH_OK;
}

sh_err ops_manifest_parse(const struct sh_env *env, const struct sh_crypto *crypto,
                          struct sh_str text, struct ops_manifest *out)
{
    char hex[SH_HASH_HEX];
    *out = (struct ops_manifest){.alloc = env->alloc};
    const sh_err err = sh_json_parse(text, OPS_MANIFEST_MAX, &out->doc, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_CORRUPT;
    }
    SH_TRY(read_head(out->doc, &out->info));
    SH_TRY(read_files(json_object_get(out->doc, "files"), out));
    SH_TRY(list_hash(crypto, out->files, out->n, hex));
    if (!sh_str_eqc(sh_json_get_str(out->doc, "list"), hex)) {
        return SH_E_CORRUPT;
    }
    out->info.files = out->n;
    if (out->n > 1) {
        qsort(out->files, out->n, sizeof *out->files, by_path);
    }
    for (size_t i = 1; i < out->n; i++) {
        if (strcmp(out->files[i - 1].path, out->files[i].path) == 0) {
            return SH_E_CORRUPT;
        }
    }
    return SH_OK;
}

sh_err ops_manifest_read(const struct sh_env *env, const struct sh_crypto *crypto,
                         const char *backup, struct ops_manifest *out, struct sh_diag *diag)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    *out = (struct ops_manifest){.alloc = env->alloc};
    SH_TRY(ops_join(path, backup, "manifest.json"));
    sh_err err = sh_fs_read_all(env->fs, env->alloc, path, OPS_MANIFEST_MAX, &text);
    if (err == SH_OK) {
        err = ops_manifest_parse(env, crypto, text, out);
        sh_str_free(env->alloc, &text);
    }
    sh_diag_at(diag, sh_str_c(path), 0);
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(diag, "there is no manifest.json: this is not a finished backup");
        sh_diag_remedy(diag, "name the folder of one backup, FOLDER/songhua-<time>");
    } else if (err == SH_E_CORRUPT) {
        sh_diag_set(diag, "the manifest is damaged or was changed");
        sh_diag_remedy(diag, "use another backup");
    } else if (err == SH_E_UNSUPPORTED) {
        sh_diag_set(diag, "the backup has format %u, this program knows up to %d", out->info.format,
                    SH_BACKUP_FORMAT);
        sh_diag_remedy(diag, "restore it with version %s or later", out->info.version);
    } else if (err != SH_OK) {
        sh_diag_set(diag, "the manifest cannot be read");
    }
    return err;
}

void ops_manifest_free(struct ops_manifest *m)
{
    if (m->alloc != NULL) {
        sh_mem_free(m->alloc, m->files);
    }
    json_decref(m->doc);
    *m = (struct ops_manifest){.n = 0};
}

const struct ops_file *ops_manifest_find(const struct ops_manifest *m, const char *path)
{
    const struct ops_file key = {.path = path};
    return m->n == 0 ? NULL : bsearch(&key, m->files, m->n, sizeof *m->files, by_path);
}
