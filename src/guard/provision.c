/* Provisioning keys: with one of them a new device gets its identity by itself, once.
 *
 * A key is 256 random bits behind "shp_", kept as a keyed hash and shown once. It says which ids
 * may come (a pattern), how often and until when it is good, and what thing model and asset they
 * get. A use is counted in the transaction that stores the device's credential: so it counts once,
 * and only what was counted has an identity. A device that has a credential already gets none: a
 * key is for new devices, not to take over one that is there. SPDX-License-Identifier: Apache-2.0
 */
#include "guard_int.h"

#define DAY_US (INT64_C(86400) * 1000000)
enum { KEYS_MAX = 10000, USES_MAX = 1000000, DAYS_DEFAULT = 30, DAYS_MAX = 3650 };

void guard_provision_init(struct sh_guard *g)
{
    sh_map_init(&g->provisions, g->env->alloc, KEYS_MAX, g->seed);
    sh_map_init(&g->provision_by_mac, g->env->alloc, KEYS_MAX, g->seed);
}

static struct sh_str mac_key(const struct guard_provision *p)
{
    return sh_str_of((const char *)p->mac, sizeof p->mac);
}

/* '*' stands for any characters, '?' for one byte. */
bool guard_glob(struct sh_str pattern, struct sh_str text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* the last one, and where what it stands for ends so far */
    size_t from = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

/* ---- stored and shown ---- */

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static sh_err batch_key(struct sh_guard *g, struct guard_batch *b, const struct guard_provision *p)
{
    char hex[SH_HASH_HEX];
    struct sh_buf text;
    struct sh_jw w;
    sh_hash_hex(p->mac, hex);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    put_text(&w, "id", p->id);
    put_text(&w, "name", p->name);
    put_text(&w, "mac", hex);
    put_text(&w, "pattern", p->pattern);
    put_text(&w, "thing", p->thing);
    put_text(&w, "asset", p->asset);
    put_text(&w, "by", p->by);
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, p->tenant);
    sh_jw_key(&w, "uses");
    sh_jw_u64(&w, p->uses);
    sh_jw_key(&w, "used");
    sh_jw_u64(&w, p->used);
    sh_jw_key(&w, "expires");
    sh_jw_i64(&w, p->expires_us);
    sh_jw_key(&w, "created");
    sh_jw_i64(&w, p->created_us);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_PROVISION, sh_str_c(p->id), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

static sh_err key_add(struct sh_guard *g, const struct guard_provision *form,
                      struct guard_provision **out)
{
    struct guard_provision *p = sh_mem_new(g->env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    *p = *form;
    sh_err err = sh_map_put(&g->provisions, sh_str_c(p->id), p);
    if (err == SH_OK) {
        err = sh_map_put(&g->provision_by_mac, mac_key(p), p);
        if (err != SH_OK) {
            (void)sh_map_del(&g->provisions, sh_str_c(p->id));
        }
    }
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, p);
        return err;
    }
    *out = p;
    return SH_OK;
}

static void key_drop(struct sh_guard *g, struct guard_provision *p)
{
    (void)sh_map_del(&g->provisions, sh_str_c(p->id));
    (void)sh_map_del(&g->provision_by_mac, mac_key(p));
    sh_mem_free(g->env->alloc, p);
}

sh_err guard_provision_load(struct sh_guard *g, const json_t *o)
{
    struct guard_provision *p = NULL;
    struct guard_provision f = {
        .tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0),
        .uses = (uint32_t)sh_json_get_i64(o, "uses", 0),
        .used = (uint32_t)sh_json_get_i64(o, "used", 0),
        .expires_us = sh_json_get_i64(o, "expires", 0),
        .created_us = sh_json_get_i64(o, "created", 0),
    };
    if (!guard_copy(f.id, sizeof f.id, sh_json_get_str(o, "id")) || f.id[0] == '\0' ||
        !guard_copy(f.name, sizeof f.name, sh_json_get_str(o, "name")) ||
        !guard_copy(f.pattern, sizeof f.pattern, sh_json_get_str(o, "pattern")) ||
        !guard_copy(f.thing, sizeof f.thing, sh_json_get_str(o, "thing")) ||
        !guard_copy(f.asset, sizeof f.asset, sh_json_get_str(o, "asset")) ||
        !guard_copy(f.by, sizeof f.by, sh_json_get_str(o, "by")) ||
        !guard_hex_read(sh_json_get_str(o, "mac"), f.mac) || guard_tenant_at(g, f.tenant) == NULL) {
        return SH_E_CORRUPT;
    }
    return key_add(g, &f, &p);
}

static const char *state_of(const struct sh_guard *g, const struct guard_provision *p)
{
    if (p->used >= p->uses) {
        return "used";
    }
    return guard_now(g) >= p->expires_us ? "expired" : "open";
}

static void write_key(const struct sh_guard *g, const struct guard_provision *p, const char *secret,
                      struct sh_jw *w)
{
    sh_jw_obj(w);
    put_text(w, "id", p->id);
    if (secret != NULL) {
        put_text(w, "key", secret);
    }
    put_text(w, "name", p->name);
    put_text(w, "pattern", p->pattern);
    put_text(w, "thing", p->thing);
    put_text(w, "asset", p->asset);
    sh_jw_key(w, "uses");
    sh_jw_u64(w, p->uses);
    sh_jw_key(w, "used");
    sh_jw_u64(w, p->used);
    put_text(w, "state", state_of(g, p));
    sh_jw_key(w, "expires");
    sh_jw_time(w, p->expires_us);
    sh_jw_key(w, "created");
    sh_jw_time(w, p->created_us);
    put_text(w, "by", p->by);
    sh_jw_obj_end(w);
}

/* Newest first would need an order: there are few, and the console sorts. */
sh_err sh_guard_provisions_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_jw *w)
{
    struct sh_str key;
    void *v = NULL;
    size_t it = 0;
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_DEVICES_READ, at->tenant));
    sh_mutex_lock(&g->lock);
    while (sh_map_next(&g->provisions, &it, &key, &v)) {
        const struct guard_provision *p = v;
        if (p->tenant == at->tenant) {
            write_key(g, p, NULL, w);
        }
    }
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}

/* ---- making and revoking ---- */

static sh_err bad(struct sh_diag *diag, struct sh_str path, const char *words)
{
    sh_diag_at(diag, path, 0);
    sh_diag_set(diag, "%s", words);
    return SH_E_INVAL;
}

static bool text_ok(char *out, size_t cap, struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return sh_utf8_valid(s) && guard_copy(out, cap, s);
}

static sh_err read_end(const struct sh_guard *g, const json_t *v, int64_t *out)
{
    const int64_t now = guard_now(g);
    *out = now + DAYS_DEFAULT * DAY_US;
    if (v == NULL || json_is_null(v)) {
        return SH_OK;
    }
    if (json_is_integer(v) && json_integer_value(v) > 0 &&
        json_integer_value(v) < INT64_MAX / 1000) {
        *out = json_integer_value(v) * 1000;
    } else if (!json_is_string(v) ||
               sh_time_parse(sh_str_of(json_string_value(v), json_string_length(v)), out) !=
                   SH_OK) {
        return SH_E_INVAL;
    }
    return *out > now && *out <= now + DAYS_MAX * DAY_US ? SH_OK : SH_E_INVAL;
}

static sh_err read_body(struct sh_guard *g, const json_t *body, struct guard_provision *f,
                        struct sh_diag *diag)
{
    const json_t *uses = json_object_get(body, "uses");
    const json_int_t n = uses == NULL ? 1 : json_integer_value(uses);
    const struct sh_str name = sh_json_get_str(body, "name");
    struct sh_str pattern = sh_json_get_str(body, "pattern");
    pattern = pattern.n == 0 ? SH_STR("*") : pattern;
    if (!guard_name_ok(name) || !guard_copy(f->name, sizeof f->name, name)) {
        return bad(diag, SH_STR("/name"), "A key needs a name of 1 to 64 bytes.");
    }
    if (!text_ok(f->pattern, sizeof f->pattern, pattern)) {
        return bad(diag, SH_STR("/pattern"), "A pattern has at most 240 bytes: line3-*, cnc-??");
    }
    if (!text_ok(f->thing, sizeof f->thing, sh_json_get_str(body, "thing")) ||
        !text_ok(f->asset, sizeof f->asset, sh_json_get_str(body, "asset"))) {
        return bad(diag, SH_STR("/thing"),
                   "Ids of thing models and assets have at most 240 bytes.");
    }
    if (n < 1 || n > USES_MAX) {
        return bad(diag, SH_STR("/uses"), "A key is good for 1 to 1000000 devices.");
    }
    if (read_end(g, json_object_get(body, "expires"), &f->expires_us) != SH_OK) {
        return bad(diag, SH_STR("/expires"),
                   "expires must be a time within ten years (RFC 3339 or milliseconds).");
    }
    f->uses = (uint32_t)n;
    return SH_OK;
}

static sh_err commit_key(struct sh_guard *g, const struct sh_guard_at *at,
                         const struct guard_provision *p, bool deletes)
{
    struct guard_batch b;
    char object[SH_NAME_MAX + 64];
    (void)guard_print(object, sizeof object, "provisioning-key:%s (%s)", p->id, p->name);
    const struct sh_audit audit = {
        .by = at->by,
        .tenant = p->tenant,
        .act = deletes ? SH_STR("provisioning_key.revoked") : SH_STR("provisioning_key.created"),
        .object = sh_str_c(object),
        .result = SH_STR("ok"),
        .detail = sh_str_c(p->pattern),
        .peer = at->peer,
    };
    guard_batch_init(g, &b);
    sh_err err =
        deletes ? guard_batch_delete(&b, GUARD_PROVISION, sh_str_c(p->id)) : batch_key(g, &b, p);
    err = err == SH_OK ? guard_commit(g, &b, &audit) : err;
    guard_batch_fini(&b);
    return err;
}

static sh_err make_secret(struct sh_guard *g, struct guard_provision *f,
                          char secret[SH_SECRET_CHARS])
{
    char id[SH_SECRET_CHARS];
    SH_TRY(sh_random_token(g->env->random, "shp_", secret, SH_SECRET_CHARS));
    SH_TRY(sh_random_token(g->env->random, "", id, sizeof id));
    id[16] = '\0';
    (void)guard_print(f->id, sizeof f->id, "p%s", id);
    return guard_secret_mac(g, sh_str_c(secret), f->mac);
}

sh_err sh_guard_provision_new(struct sh_guard *g, const struct sh_guard_at *at, const json_t *body,
                              struct sh_jw *w, struct sh_diag *diag)
{
    struct guard_provision f = {.tenant = at->tenant, .created_us = guard_now(g)};
    struct guard_provision *p = NULL;
    struct sh_principal_info info;
    char secret[SH_SECRET_CHARS];
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_DEVICES_WRITE, at->tenant));
    SH_TRY(sh_guard_describe(g, at->by, &info));
    (void)guard_copy(f.by, sizeof f.by, sh_str_c(info.label));
    SH_TRY(read_body(g, body, &f, diag));
    SH_TRY(make_secret(g, &f, secret));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = key_add(g, &f, &p);
    if (err == SH_OK) { /* nobody knows its secret yet */
        sh_mutex_unlock(&g->lock);
        err = commit_key(g, at, p, false);
        sh_mutex_lock(&g->lock);
        if (err != SH_OK) {
            key_drop(g, p);
        } else {
            write_key(g, p, secret, w);
        }
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    sh_crypto_wipe(secret, sizeof secret);
    return err;
}

sh_err sh_guard_provision_revoke(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_DEVICES_WRITE, at->tenant));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_provision *p = sh_map_get(&g->provisions, id);
    const bool there = p != NULL && p->tenant == at->tenant;
    sh_mutex_unlock(&g->lock);
    /* changed and dropped only by who holds `change` */
    const sh_err err = there ? commit_key(g, at, p, true) : SH_E_NOTFOUND;
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        key_drop(g, p);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* ---- using ---- */

static bool fits(const struct sh_guard *g, const struct guard_provision *p, struct sh_str device)
{
    return p->used < p->uses && guard_now(g) < p->expires_us &&
           guard_glob(sh_str_c(p->pattern), device);
}

sh_err sh_guard_provision_find(struct sh_guard *g, struct sh_str key, struct sh_str device,
                               struct sh_guard_provision *out)
{
    uint8_t mac[SH_HASH_BYTES];
    *out = (struct sh_guard_provision){.tenant = SH_TENANT_NONE};
    if (!sh_str_starts(key, SH_STR("shp_")) || key.n >= SH_SECRET_CHARS) {
        return SH_E_DENIED;
    }
    SH_TRY(guard_secret_mac(g, key, mac));
    sh_mutex_lock(&g->lock);
    const struct guard_provision *p =
        sh_map_get(&g->provision_by_mac, sh_str_of((const char *)mac, sizeof mac));
    sh_err err = p != NULL && fits(g, p, device) ? SH_OK : SH_E_DENIED;
    if (err == SH_OK) {
        const struct guard_device *d = guard_device_find(g, p->tenant, device);
        const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
        err = d != NULL && (d->has_secret || d->live_certs > 0 || guard_device_shut(d))
                  ? SH_E_EXISTS
                  : SH_OK;
        err = t == NULL || atomic_load(&t->off) ? SH_E_DENIED : err;
        out->tenant = p->tenant;
        memcpy(out->id, p->id, sizeof out->id);
        memcpy(out->thing, p->thing, sizeof out->thing);
        memcpy(out->asset, p->asset, sizeof out->asset);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

sh_err guard_provision_plan(struct sh_guard *g, struct sh_str id, const struct guard_device *d,
                            struct guard_batch *b)
{
    const struct guard_provision *p = sh_map_get(&g->provisions, id);
    if (p == NULL || p->tenant != d->tenant || !fits(g, p, sh_str_c(d->device))) {
        return SH_E_DENIED;
    }
    if (d->has_secret || d->live_certs > 0 || guard_device_shut(d)) {
        return SH_E_EXISTS;
    }
    struct guard_provision form = *p;
    form.used++;
    return batch_key(g, b, &form);
}

void guard_provision_used(struct sh_guard *g, struct sh_str id)
{
    struct guard_provision *p = sh_map_get(&g->provisions, id);
    if (p != NULL) {
        p->used++;
    }
}

sh_err sh_guard_provision_secret(struct sh_guard *g, const struct sh_guard_provision *p,
                                 struct sh_str device, struct sh_str peer,
                                 char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2],
                                 char secret[SH_SECRET_CHARS])
{
    const struct sh_guard_at at = {.by = &g->system, .tenant = p->tenant, .peer = peer};
    const struct guard_cause cause = {.own = true, .provision = sh_str_c(p->id)};
    return guard_secret_new(g, &at, device, &cause, user, secret);
}

sh_err sh_guard_provision_certificate(struct sh_guard *g, const struct sh_guard_provision *p,
                                      struct sh_guard_issue *o, struct sh_str peer,
                                      struct sh_buf *cert_pem, struct sh_buf *key_pem,
                                      struct sh_diag *diag)
{
    const struct sh_guard_at at = {.by = &g->system, .tenant = p->tenant, .peer = peer};
    const struct guard_cause cause = {.own = true, .provision = sh_str_c(p->id)};
    o->valid_us = guard_set(g)->device_days * DAY_US;
    return guard_cert_issue(g, &at, o, &cause, cert_pem, key_pem, diag);
}
