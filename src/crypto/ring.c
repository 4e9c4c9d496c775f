/* ring.c - the keys of a node as one sealed file. ring.h says the format.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ring_int.h"

#include <sh/json.h>

enum { WRAPS_MAX = 4, WRAP_MAX = 256, BODY_MAX = 16384, TEXT_MAX = SH_RING_FILE_MAX };
static const char format[] = "songhua-ring-1";

static const char *const kinds[] = {"", "aes-256-gcm", "sm4-ctr-hmac-sm3"}; /* by sh_box_kind */

bool ring_hex_read(struct sh_str hex, uint8_t out[SH_KEY_BYTES])
{
    if (hex.n != 2 * (size_t)SH_KEY_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SH_KEY_BYTES; i++) {
        unsigned byte = 0;
        for (size_t k = 0; k < 2; k++) {
            const char ch = hex.p[2 * i + k];
            const bool digit = ch >= '0' && ch <= '9';
            if (!digit && !(ch >= 'a' && ch <= 'f')) {
                return false;
            }
            byte = byte << 4 | (unsigned)(digit ? ch - '0' : ch - 'a' + 10);
        }
        out[i] = (uint8_t)byte;
    }
    return true;
}

/* ---- a ring in memory ---- */

sh_err sh_ring_new(const struct sh_env *env, enum sh_box_kind kind, struct sh_ring *out)
{
    memset(out, 0, sizeof *out);
    SH_TRY(env->random->fill(env->random->ctx, out->root, sizeof out->root));
    return sh_ring_add(env, kind, out);
}

sh_err sh_ring_add(const struct sh_env *env, enum sh_box_kind kind, struct sh_ring *r)
{
    struct sh_ring_key k = {.made_us = sh_wall_us(env->clock)};
    k.box.kind = kind;
    k.box.id = r->nkeys == 0 ? 1 : sh_ring_current(r)->box.id + 1;
    SH_TRY(env->random->fill(env->random->ctx, k.box.key, sizeof k.box.key));
    if (r->nkeys == SH_RING_KEYS) {
        memmove(r->keys, r->keys + 1, (SH_RING_KEYS - 1) * sizeof r->keys[0]);
        r->nkeys--;
    }
    r->keys[r->nkeys++] = k;
    sh_crypto_wipe(&k, sizeof k);
    return SH_OK;
}

const struct sh_ring_key *sh_ring_current(const struct sh_ring *r)
{
    return &r->keys[r->nkeys - 1];
}

sh_err sh_ring_unseal(const struct sh_crypto *c, const struct sh_ring *r, struct sh_bytes context,
                      struct sh_bytes box, struct sh_buf *out)
{
    struct sh_box_key keys[SH_RING_KEYS];
    for (size_t i = 0; i < r->nkeys; i++) {
        keys[i] = r->keys[i].box;
    }
    const sh_err err = sh_box_open(c, keys, r->nkeys, context, box, out);
    sh_crypto_wipe(keys, sizeof keys);
    return err;
}

sh_err ring_box_open(const struct sh_env *env, const struct sh_crypto *c,
                     const uint8_t kek[SH_KEY_BYTES], struct sh_bytes box,
                     uint8_t key[SH_KEY_BYTES])
{
    struct sh_box_key k = {.id = 0};
    struct sh_buf plain;
    if (box.n == 0) {
        return SH_E_PROTO;
    }
    k.kind = (enum sh_box_kind)box.p[0];
    memcpy(k.key, kek, SH_KEY_BYTES);
    sh_buf_init(&plain, env->alloc, WRAP_MAX);
    sh_err err = sh_box_open(c, &k, 1, RING_CONTEXT, box, &plain);
    err = err == SH_E_CORRUPT || err == SH_E_NOTFOUND ? SH_E_DENIED : err;
    if (err == SH_OK && plain.n != SH_KEY_BYTES) {
        err = SH_E_PROTO;
    }
    if (err == SH_OK) {
        memcpy(key, plain.p, SH_KEY_BYTES);
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    sh_crypto_wipe(&k, sizeof k);
    return err;
}

/* ---- writing ---- */

static void put_hex(struct sh_jw *w, const char *name, const uint8_t key[SH_KEY_BYTES])
{
    char hex[SH_HASH_HEX];
    sh_hash_hex(key, hex);
    sh_jw_key(w, name);
    sh_jw_c(w, hex);
    sh_crypto_wipe(hex, sizeof hex);
}

static void put_time(struct sh_jw *w, int64_t us)
{
    if (us != 0) {
        sh_jw_key(w, "made");
        sh_jw_time(w, us);
    }
}

static sh_err write_body(const struct sh_ring *r, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    put_hex(&w, "root", r->root);
    sh_jw_key(&w, "keys");
    sh_jw_arr(&w);
    for (size_t i = 0; i < r->nkeys; i++) {
        sh_jw_obj(&w);
        sh_jw_key(&w, "id");
        sh_jw_u64(&w, r->keys[i].box.id);
        sh_jw_key(&w, "kind");
        sh_jw_c(&w, kinds[r->keys[i].box.kind]);
        put_hex(&w, "key", r->keys[i].box.key);
        put_time(&w, r->keys[i].made_us);
        sh_jw_obj_end(&w);
    }
    sh_jw_arr_end(&w);
    if (r->sheet) {
        sh_jw_key(&w, "sheet");
        sh_jw_obj(&w);
        put_hex(&w, "public", r->sheet_public);
        put_time(&w, r->sheet_us);
        sh_jw_key(&w, "by");
        sh_jw_c(&w, r->sheet_by);
        sh_jw_obj_end(&w);
    }
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

static sh_err put_base64(const struct sh_env *env, struct sh_jw *w, const char *name,
                         const struct sh_buf *b)
{
    struct sh_buf text;
    sh_buf_init(&text, env->alloc, TEXT_MAX);
    const sh_err err = sh_base64_put(&text, sh_buf_bytes(b), false);
    if (err == SH_OK) {
        sh_jw_key(w, name);
        sh_jw_str(w, sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

static sh_err put_wrap(const struct sh_env *env, struct sh_jw *w, const char *by,
                       const struct sh_buf *box)
{
    sh_jw_obj(w);
    sh_jw_key(w, "by");
    sh_jw_c(w, by);
    SH_TRY(put_base64(env, w, "box", box));
    sh_jw_obj_end(w);
    return SH_OK;
}

struct writing {
    const struct sh_env *env;
    const struct sh_crypto *c;
    const struct sh_ring *r;
    struct sh_master *const *masters;
    size_t n;
    struct sh_box_key key; /* of the body; new */
    struct sh_buf box;     /* one after the other */
    struct sh_buf body;
};

static sh_err put_wraps(struct writing *t, struct sh_jw *w)
{
    sh_jw_key(w, "wraps");
    sh_jw_arr(w);
    for (size_t i = 0; i < t->n; i++) {
        sh_buf_clear(&t->box);
        SH_TRY(sh_master_wrap(t->masters[i], t->key.kind, t->key.key, &t->box));
        SH_TRY(put_wrap(t->env, w, sh_master_kind_name(sh_master_kind(t->masters[i])), &t->box));
    }
    if (t->r->sheet) {
        sh_buf_clear(&t->box);
        SH_TRY(ring_sheet_wrap(t->env, t->c, t->r, t->key.key, &t->box));
        SH_TRY(put_wrap(t->env, w, "sheet", &t->box));
    }
    sh_jw_arr_end(w);
    return SH_OK;
}

static sh_err put_all(struct writing *t, struct sh_buf *text)
{
    struct sh_jw w;
    SH_TRY(t->env->random->fill(t->env->random->ctx, t->key.key, sizeof t->key.key));
    SH_TRY(write_body(t->r, &t->body));
    sh_jw_init(&w, text);
    sh_jw_obj(&w);
    sh_jw_key(&w, "format");
    sh_jw_c(&w, format);
    SH_TRY(put_wraps(t, &w));
    sh_buf_clear(&t->box);
    SH_TRY(
        sh_box_seal(t->c, &t->key, sh_bytes_of("ring body", 9), sh_buf_bytes(&t->body), &t->box));
    SH_TRY(put_base64(t->env, &w, "body", &t->box));
    sh_jw_obj_end(&w);
    SH_TRY(sh_jw_end(&w));
    return sh_buf_put_u8(text, '\n');
}

sh_err sh_ring_write(const struct sh_env *env, const struct sh_crypto *c, const struct sh_ring *r,
                     struct sh_master *const *masters, size_t n, struct sh_buf *text)
{
    struct writing t = {.env = env, .c = c, .r = r, .masters = masters, .n = n};
    if (r->nkeys == 0 || r->nkeys > SH_RING_KEYS || n == 0 || n >= WRAPS_MAX) {
        return SH_E_INVAL;
    }
    t.key.kind = sh_ring_current(r)->box.kind;
    sh_buf_init(&t.box, env->alloc, BODY_MAX);
    sh_buf_init(&t.body, env->alloc, BODY_MAX);
    const size_t was = text->n;
    const sh_err err = put_all(&t, text);
    if (err != SH_OK) {
        text->n = was;
    }
    sh_crypto_wipe(&t.key, sizeof t.key);
    sh_crypto_wipe(t.body.p, t.body.n);
    sh_buf_fini(&t.body);
    sh_buf_fini(&t.box);
    return err;
}

/* ---- reading ---- */

static bool read_time(const json_t *o, int64_t *out)
{
    const struct sh_str s = sh_json_get_str(o, "made");
    *out = 0;
    return s.n == 0 || sh_time_parse(s, out) == SH_OK;
}

static bool read_key(const json_t *o, uint32_t after, struct sh_ring_key *out)
{
    const int64_t id = sh_json_get_i64(o, "id", 0);
    const struct sh_str kind = sh_json_get_str(o, "kind");
    if (id <= after || id > UINT32_MAX || !read_time(o, &out->made_us) ||
        !ring_hex_read(sh_json_get_str(o, "key"), out->box.key)) {
        return false;
    }
    out->box.id = (uint32_t)id;
    out->box.kind = sh_str_eqc(kind, kinds[SH_BOX_SM4]) ? SH_BOX_SM4 : SH_BOX_AES_GCM;
    return out->box.kind == SH_BOX_SM4 || sh_str_eqc(kind, kinds[SH_BOX_AES_GCM]);
}

static bool read_sheet(const json_t *o, struct sh_ring *out)
{
    const struct sh_str by = sh_json_get_str(o, "by");
    if (o == NULL) {
        return true;
    }
    if (by.n > SH_RING_BY || !read_time(o, &out->sheet_us) ||
        !ring_hex_read(sh_json_get_str(o, "public"), out->sheet_public)) {
        return false;
    }
    memcpy(out->sheet_by, by.p == NULL ? "" : by.p, by.n);
    out->sheet = true;
    return true;
}

static bool read_body(const json_t *o, struct sh_ring *out)
{
    const json_t *keys = json_object_get(o, "keys");
    const size_t n = json_array_size(keys);
    if (!ring_hex_read(sh_json_get_str(o, "root"), out->root) || n == 0 || n > SH_RING_KEYS) {
        return false;
    }
    uint32_t after = 0;
    for (size_t i = 0; i < n; i++) {
        if (!read_key(json_array_get(keys, i), after, &out->keys[i])) {
            return false;
        }
        after = out->keys[i].box.id;
    }
    out->nkeys = n;
    return read_sheet(json_object_get(o, "sheet"), out);
}

/* The body of the file by the key that one wrap gave. */
static sh_err open_body(const struct sh_env *env, const struct sh_crypto *c, const json_t *file,
                        const uint8_t key[SH_KEY_BYTES], struct sh_ring *out)
{
    struct sh_box_key k = {.id = 0};
    struct sh_buf box;
    struct sh_buf plain;
    json_t *body = NULL;
    memcpy(k.key, key, SH_KEY_BYTES);
    sh_buf_init(&box, env->alloc, BODY_MAX);
    sh_buf_init(&plain, env->alloc, BODY_MAX);
    sh_err err = sh_base64_parse(sh_json_get_str(file, "body"), false, &box);
    err = err == SH_OK && box.n == 0 ? SH_E_PROTO : err;
    if (err == SH_OK) {
        k.kind = (enum sh_box_kind)box.p[0];
        err = sh_box_open(c, &k, 1, sh_bytes_of("ring body", 9), sh_buf_bytes(&box), &plain);
    }
    err = err != SH_OK ? err : sh_json_parse(sh_buf_str(&plain), BODY_MAX, &body, NULL);
    if (err == SH_OK && !read_body(body, out)) {
        err = SH_E_CORRUPT;
    }
    json_decref(body);
    sh_crypto_wipe(&k, sizeof k);
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    sh_buf_fini(&box);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_CORRUPT;
}

/* One way of opening a wrap: by a master or by a sheet. */
struct opening {
    const struct sh_env *env;
    const struct sh_crypto *c;
    const char *by;
    struct sh_master *master;
    const uint8_t *seed;
};

static sh_err open_wrap(const struct opening *o, const json_t *wrap, uint8_t key[SH_KEY_BYTES])
{
    struct sh_buf box;
    sh_buf_init(&box, o->env->alloc, WRAP_MAX);
    sh_err err = sh_base64_parse(sh_json_get_str(wrap, "box"), false, &box);
    if (err == SH_OK) {
        err = o->master != NULL ? sh_master_unwrap(o->master, sh_buf_bytes(&box), key)
                                : ring_sheet_unwrap(o->env, o->c, o->seed, sh_buf_bytes(&box), key);
    }
    sh_buf_fini(&box);
    return err;
}

static sh_err open_any(const struct opening *o, const json_t *file, struct sh_ring *out)
{
    const json_t *wraps = json_object_get(file, "wraps");
    uint8_t key[SH_KEY_BYTES];
    sh_err err = SH_E_NOTFOUND;
    for (size_t i = 0; i < json_array_size(wraps) && i < WRAPS_MAX; i++) {
        const json_t *wrap = json_array_get(wraps, i);
        if (!sh_str_eqc(sh_json_get_str(wrap, "by"), o->by)) {
            continue;
        }
        err = open_wrap(o, wrap, key);
        if (err == SH_OK) {
            err = open_body(o->env, o->c, file, key, out);
            break;
        }
        if (err != SH_E_DENIED && err != SH_E_PROTO) {
            break;
        }
        err = SH_E_DENIED;
    }
    sh_crypto_wipe(key, sizeof key);
    return err;
}

static sh_err open_file(const struct opening *o, struct sh_str text, struct sh_ring *out,
                        json_t **file)
{
    memset(out, 0, sizeof *out);
    sh_err err = sh_json_parse(text, SH_RING_FILE_MAX, file, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    err =
        sh_str_eqc(sh_json_get_str(*file, "format"), format) ? open_any(o, *file, out) : SH_E_PROTO;
    if (err != SH_OK) {
        sh_crypto_wipe(out, sizeof *out);
    }
    return err;
}

/* "file, sheet": by what the file is wrapped. */
static void name_kinds(const json_t *file, char out[SH_RING_BY])
{
    const json_t *wraps = json_object_get(file, "wraps");
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(wraps) && i < WRAPS_MAX; i++) {
        const struct sh_str by = sh_json_get_str(json_array_get(wraps, i), "by");
        const int more =
            by.n > 12 ? 0
                      : snprintf(out + n, SH_RING_BY - n, "%s%.*s", n == 0 ? "" : ", ", SH_PRI(by));
        n += more > 0 ? (size_t)more : 0;
    }
}

sh_err sh_ring_read(const struct sh_env *env, const struct sh_crypto *c, struct sh_str text,
                    struct sh_master *m, struct sh_ring *out, char named[SH_RING_BY])
{
    json_t *file = NULL;
    const struct opening o = {
        .env = env, .c = c, .by = sh_master_kind_name(sh_master_kind(m)), .master = m};
    const sh_err err = open_file(&o, text, out, &file);
    name_kinds(file, named);
    json_decref(file);
    return err;
}

sh_err sh_ring_read_sheet(const struct sh_env *env, const struct sh_crypto *c, struct sh_str text,
                          const uint8_t seed[SH_SHEET_SEED], struct sh_ring *out)
{
    json_t *file = NULL;
    const struct opening o = {.env = env, .c = c, .by = "sheet", .seed = seed};
    const sh_err err = open_file(&o, text, out, &file);
    json_decref(file);
    return err;
}
