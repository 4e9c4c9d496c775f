/* API tokens: 256 random bits behind "sht_", kept as a keyed hash; roles or single permissions,
 * optional device, optional end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { SAVE_S = 600, CHANGES_MAX = 1000 }; /* of when tokens were used */

static struct sh_str hash_key(const uint8_t hash[SH_HASH_BYTES])
{
    return sh_str_of((const char *)hash, SH_HASH_BYTES);
}

static bool shows_one(const struct guard_token *t)
{
    return t->dashboard[0] != '\0';
}

/* What it may do: nothing, when it shows a dashboard. */
static uint64_t token_bits(const struct guard_token *t)
{
    uint64_t bits = guard_roles_bits(t->roles, t->nroles) | t->extra;
    if (t->provision) {
        bits |= sh_permission_bit(SH_PERM_INGEST_PROVISION);
    }
    return bits;
}

/* What a half that is not said means. */
static struct sh_data_class token_default(const struct guard_token *t)
{
    const bool said = t->clearance.name != 0 || t->clearance.level != 0;
    return shows_one(t) && !said ? SH_DATA_CLASS_DEFAULT
                                 : (struct sh_data_class){SH_CLASS_CORE, SH_DATA_LEVELS};
}

/* What its reading shows. One that shows a dashboard hangs where everybody passes: what is general
 * at level 1, unless it was given more. */
static uint64_t token_clear(const struct guard_token *t)
{
    const bool said = t->clearance.name != 0 || t->clearance.level != 0;
    const sh_clearance most = sh_clearance_up_to(t->clearance);
    if (shows_one(t)) {
        return guard_clear_all(said ? most : SH_CLEARANCE_LEAST);
    }
    return (guard_roles_clear(t->roles, t->nroles) | guard_clear_of(t->extra, SH_CLEARANCE_ALL)) &
           guard_clear_all(most);
}

/* What its maker must hold. */
static struct guard_worth token_worth(const struct guard_token *t)
{
    if (!shows_one(t)) {
        return (struct guard_worth){token_bits(t), token_clear(t)};
    }
    const uint64_t bits = sh_permission_bit(SH_PERM_DASHBOARDS_READ) |
                          sh_permission_bit(SH_PERM_HISTORY_READ) |
                          sh_permission_bit(SH_PERM_DEVICES_READ);
    return (struct guard_worth){bits, token_clear(t) & guard_clear_of(bits, SH_CLEARANCE_ALL)};
}

void guard_token_refresh(struct sh_guard *g, struct guard_token *t)
{
    const bool shut = t->device[0] != '\0' &&
                      guard_device_shut(guard_device_find(g, t->tenant, sh_str_c(t->device)));
    const uint64_t bits = shut ? 0 : token_bits(t);
    const uint64_t clear = shut ? 0 : token_clear(t);
    guard_subject_set(g, t->slot, t->part == SH_PART_ALL ? bits : 0,
                      t->part == SH_PART_ALL ? clear : 0, t->expires_us);
    guard_token_part_apply(g, t, bits, clear);
}

void guard_token_free(struct sh_guard *g, struct guard_token *t)
{
    (void)sh_map_del(&g->tokens, sh_str_c(t->id));
    (void)sh_map_del(&g->token_by_hash, hash_key(t->hash));
    guard_subject_free(g, t->slot);
    guard_scopes_free(g, t->scopes);
    guard_seen_forget(g, &t->seen);
    sh_mem_free(g->env->alloc, t);
}

/* The object, its slot and its places. It answers to its hash only after token_show. Under lock. */
static sh_err token_add(struct sh_guard *g, const struct guard_token *form,
                        struct guard_token **out)
{
    struct guard_token *t = sh_mem_new(g->env->alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    *t = *form;
    sh_err err = t->part == SH_PART_ALL ? SH_OK : guard_scopes_new(g, &t->scopes);
    if (err == SH_OK) {
        err = guard_subject_new(g, SH_PRINCIPAL_TOKEN, t, &t->slot);
    }
    if (err != SH_OK) {
        guard_scopes_free(g, t->scopes);
        sh_mem_free(g->env->alloc, t);
        return err;
    }
    err = sh_map_put(&g->tokens, sh_str_c(t->id), t);
    if (err == SH_OK) {
        err = sh_map_put(&g->token_by_hash, hash_key(t->hash), t);
        if (err != SH_OK) {
            (void)sh_map_del(&g->tokens, sh_str_c(t->id));
        }
    }
    if (err != SH_OK) {
        guard_subject_free(g, t->slot);
        guard_scopes_free(g, t->scopes);
        sh_mem_free(g->env->alloc, t);
        return err;
    }
    *out = t;
    return SH_OK;
}

/* salt, StoredKey, ServerKey as one hexadecimal text. */
enum { SCRAM_BYTES = SH_SCRAM_SALT + 2 * SH_HASH_BYTES };

static void scram_write(const struct sh_scram_verifier *v, struct sh_jw *w)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[SCRAM_BYTES];
    char hex[2 * SCRAM_BYTES];
    memcpy(raw, v->salt, sizeof v->salt);
    memcpy(raw + SH_SCRAM_SALT, v->stored, sizeof v->stored);
    memcpy(raw + SH_SCRAM_SALT + SH_HASH_BYTES, v->server, sizeof v->server);
    for (size_t i = 0; i < sizeof raw; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    sh_jw_key(w, "scram");
    sh_jw_str(w, sh_str_of(hex, sizeof hex));
    sh_jw_key(w, "scram_iterations");
    sh_jw_u64(w, v->iterations);
}

static sh_err scram_read(const json_t *o, struct sh_scram_verifier *v)
{
    const struct sh_str hex = sh_json_get_str(o, "scram");
    uint8_t raw[SCRAM_BYTES];
    struct sh_buf b = {.p = raw, .cap = sizeof raw, .max = sizeof raw, .alloc = sh_alloc_heap()};
    *v = (struct sh_scram_verifier){.iterations = 0};
    if (hex.n == 0) {
        return SH_OK;
    }
    if (hex.n != 2 * sizeof raw || sh_hex_parse(hex, &b) != SH_OK) {
        return SH_E_CORRUPT;
    }
    memcpy(v->salt, raw, sizeof v->salt);
    memcpy(v->stored, raw + SH_SCRAM_SALT, sizeof v->stored);
    memcpy(v->server, raw + SH_SCRAM_SALT + SH_HASH_BYTES, sizeof v->server);
    v->iterations = (uint32_t)sh_json_get_i64(o, "scram_iterations", 0);
    return SH_OK;
}

sh_err guard_token_store(const struct guard_token *t, struct sh_buf *out)
{
    char hex[SH_HASH_HEX];
    struct sh_jw w;
    sh_hash_hex(t->hash, hex);
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "id");
    sh_jw_c(&w, t->id);
    sh_jw_key(&w, "name");
    sh_jw_c(&w, t->name);
    sh_jw_key(&w, "hash");
    sh_jw_c(&w, hex);
    if (t->scram.iterations > 0) {
        scram_write(&t->scram, &w);
    }
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, t->tenant);
    sh_jw_key(&w, "roles");
    guard_roles_write(t->roles, t->nroles, &w);
    sh_jw_key(&w, "permissions");
    sh_guard_write_permissions(t->extra, &w);
    if (t->clearance.name != 0 || t->clearance.level != 0) {
        guard_clearance_write(t->clearance, &w);
    }
    sh_jw_key(&w, "device");
    sh_jw_c(&w, t->device);
    guard_part_write(t->part, t->what, &w);
    if (shows_one(t)) {
        sh_jw_key(&w, "dashboard");
        sh_jw_c(&w, t->dashboard);
    }
    sh_jw_key(&w, "provision");
    sh_jw_bool(&w, t->provision);
    sh_jw_key(&w, "expires");
    sh_jw_i64(&w, t->expires_us);
    sh_jw_key(&w, "created");
    sh_jw_i64(&w, t->created_us);
    sh_jw_key(&w, "by");
    sh_jw_c(&w, t->by);
    if (t->used_us != 0) {
        sh_jw_key(&w, "used");
        sh_jw_i64(&w, t->used_us);
        sh_jw_key(&w, "from");
        sh_jw_c(&w, t->from);
    }
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

void guard_token_write(struct sh_guard *g, const struct guard_token *t, const char *secret,
                       struct sh_jw *w)
{
    const struct guard_tenant *tenant = guard_tenant_at(g, t->tenant);
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_c(w, t->id);
    if (secret != NULL) {
        sh_jw_key(w, "token");
        sh_jw_c(w, secret);
    }
    sh_jw_key(w, "name");
    sh_jw_c(w, t->name);
    sh_jw_key(w, "tenant");
    sh_jw_c(w, tenant == NULL ? "" : tenant->path);
    sh_jw_key(w, "roles");
    guard_roles_write(t->roles, t->nroles, w);
    sh_jw_key(w, "permissions");
    sh_guard_write_permissions(token_bits(t), w);
    sh_jw_key(w, "clearance");
    if (t->clearance.name == 0 && t->clearance.level == 0 && !shows_one(t)) {
        sh_jw_null(w);
    } else {
        sh_jw_obj(w);
        sh_data_class_write(sh_data_class_or(t->clearance, token_default(t)), w);
        sh_jw_obj_end(w);
    }
    sh_jw_key(w, "device");
    if (t->device[0] == '\0') {
        sh_jw_null(w);
    } else {
        sh_jw_c(w, t->device);
    }
    guard_part_write(t->part, t->what, w);
    if (shows_one(t)) {
        sh_jw_key(w, "dashboard");
        sh_jw_c(w, t->dashboard);
    }
    sh_jw_key(w, "provision");
    sh_jw_bool(w, t->provision);
    sh_jw_key(w, "expires");
    if (t->expires_us == INT64_MAX) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, t->expires_us);
    }
    sh_jw_key(w, "created");
    sh_jw_time(w, t->created_us);
    sh_jw_key(w, "by");
    sh_jw_c(w, t->by);
    sh_jw_key(w, "last_used");
    if (t->used_us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, t->used_us);
    }
    sh_jw_key(w, "last_from");
    sh_jw_c(w, t->from);
    sh_jw_obj_end(w);
}

sh_err guard_token_load(struct sh_guard *g, const json_t *o)
{
    struct guard_token f = {
        .tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0),
        .provision = sh_json_get_bool(o, "provision", false),
        .expires_us = sh_json_get_i64(o, "expires", 0),
        .created_us = sh_json_get_i64(o, "created", 0),
        .used_us = sh_json_get_i64(o, "used", 0),
        .saved_us = sh_json_get_i64(o, "used", 0),
    };
    struct guard_token *t = NULL;
    if (!guard_copy(f.id, sizeof f.id, sh_json_get_str(o, "id")) || f.id[0] == '\0' ||
        !guard_copy(f.name, sizeof f.name, sh_json_get_str(o, "name")) ||
        !guard_copy(f.device, sizeof f.device, sh_json_get_str(o, "device")) ||
        !guard_copy(f.by, sizeof f.by, sh_json_get_str(o, "by")) ||
        !guard_copy(f.from, sizeof f.from, sh_json_get_str(o, "from")) ||
        !guard_copy(f.dashboard, sizeof f.dashboard, sh_json_get_str(o, "dashboard")) ||
        guard_part_read(o, SH_STR(""), &f.part, f.what, NULL) != SH_OK ||
        !guard_hex_read(sh_json_get_str(o, "hash"), f.hash) || scram_read(o, &f.scram) != SH_OK ||
        guard_tenant_at(g, f.tenant) == NULL) {
        return SH_E_CORRUPT;
    }
    SH_TRY(guard_roles_read(g, json_object_get(o, "roles"), f.roles, &f.nroles, NULL));
    SH_TRY(guard_permissions_read(json_object_get(o, "permissions"), &f.extra, NULL));
    if (guard_clearance_read(o, &f.clearance, NULL) != SH_OK) {
        return SH_E_CORRUPT;
    }
    SH_TRY(token_add(g, &f, &t));
    guard_token_refresh(g, t);
    return SH_OK;
}

/* ---- administration ---- */

/* null or missing: never; RFC 3339 text or milliseconds. */
static sh_err read_expires(struct sh_guard *g, const json_t *v, int64_t *out, struct sh_diag *diag)
{
    *out = INT64_MAX;
    if (v == NULL || json_is_null(v)) {
        return SH_OK;
    }
    sh_diag_at(diag, SH_STR("/expires"), 0);
    sh_err err = SH_E_INVAL;
    if (json_is_integer(v) && json_integer_value(v) > 0 &&
        json_integer_value(v) < INT64_MAX / 1000) {
        *out = json_integer_value(v) * 1000;
        err = SH_OK;
    } else if (json_is_string(v)) {
        err = sh_time_parse(sh_str_of(json_string_value(v), json_string_length(v)), out);
    }
    if (err != SH_OK || *out <= guard_now(g)) {
        sh_diag_set(diag, "expires must be a time in the future (RFC 3339 or milliseconds).");
        return SH_E_INVAL;
    }
    return SH_OK;
}

/* A token that is limited to a part of the plant. */
static sh_err read_part(const struct guard_put_args *a, struct guard_token *f)
{
    SH_TRY(guard_part_read(a->body, SH_STR("/asset"), &f->part, f->what, a->diag));
    if (f->part == SH_PART_ALL) {
        return SH_OK;
    }
    if (f->part == SH_PART_OWN || f->device[0] != '\0') {
        sh_diag_set(a->diag, "A token is limited to an asset, a label or one device.");
        return SH_E_INVAL;
    }
    if ((token_bits(f) & sh_permissions_in_part()) == 0) {
        sh_diag_at(a->diag, SH_STR("/roles"), 0);
        sh_diag_set(a->diag, "These permissions can not be limited to a part of the plant.");
        sh_diag_remedy(a->diag, "Name no asset and no label, or give devices.read or the like.");
        return SH_E_INVAL;
    }
    return SH_OK;
}

/* A token that shows a dashboard names that and nothing else. */
static sh_err read_dashboard(const struct guard_put_args *a, struct guard_token *f)
{
    static const char *const others[] = {"roles", "permissions", "device", "asset", "label"};
    const struct sh_str id = sh_json_get_str(a->body, "dashboard");
    bool alone = !sh_json_get_bool(a->body, "provision", false);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const json_t *v = json_object_get(a->body, others[i]);
        const bool none = v == NULL || json_is_null(v) ||
                          (json_is_array(v) && json_array_size(v) == 0) ||
                          (json_is_string(v) && json_string_length(v) == 0);
        alone = alone && none;
    }
    sh_diag_at(a->diag, SH_STR("/dashboard"), 0);
    if (!alone) {
        sh_diag_set(a->diag, "A token that shows a dashboard has no roles, permissions, device, "
                             "asset or label.");
        return SH_E_INVAL;
    }
    if (!guard_copy(f->dashboard, sizeof f->dashboard, id) || !sh_utf8_valid(id)) {
        sh_diag_set(a->diag, "The id of the dashboard is longer than %d bytes.",
                    SH_DASHBOARD_ID_MAX);
        return SH_E_INVAL;
    }
    return SH_OK;
}

static sh_err read_body(struct sh_guard *g, const struct guard_put_args *a, struct guard_token *f)
{
    const struct sh_str name = sh_json_get_str(a->body, "name");
    const struct sh_str device = sh_json_get_str(a->body, "device");
    if (!guard_name_ok(name)) {
        sh_diag_at(a->diag, SH_STR("/name"), 0);
        sh_diag_set(a->diag, "A token needs a name of 1 to %d bytes.", SH_NAME_MAX);
        return SH_E_INVAL;
    }
    (void)guard_copy(f->name, sizeof f->name, name);
    if (!guard_copy(f->device, sizeof f->device, device) || !sh_utf8_valid(device)) {
        sh_diag_at(a->diag, SH_STR("/device"), 0);
        sh_diag_set(a->diag, "The device id is longer than %d bytes.", SH_DEVICE_ID_MAX);
        return SH_E_INVAL;
    }
    f->provision = sh_json_get_bool(a->body, "provision", false);
    SH_TRY(read_expires(g, json_object_get(a->body, "expires"), &f->expires_us, a->diag));
    SH_TRY(guard_clearance_read(a->body, &f->clearance, a->diag));
    if (sh_json_get_str(a->body, "dashboard").n > 0) {
        return read_dashboard(a, f);
    }
    SH_TRY(guard_roles_read(g, json_object_get(a->body, "roles"), f->roles, &f->nroles, a->diag));
    SH_TRY(guard_permissions_read(json_object_get(a->body, "permissions"), &f->extra, a->diag));
    if (f->nroles == 0 && f->extra == 0 && f->device[0] != '\0') {
        f->roles[0] = guard_role_find(g, SH_STR("device"));
        f->nroles = 1;
    }
    if (token_bits(f) == 0) {
        sh_diag_at(a->diag, SH_STR("/roles"), 0);
        sh_diag_set(a->diag, "A token needs roles, permissions or a device.");
        return SH_E_INVAL;
    }
    return read_part(a, f);
}

/* Under change and lock. */
static sh_err plan_token(struct sh_guard *g, const struct guard_put_args *a, struct guard_token *f,
                         char secret[SH_SECRET_CHARS])
{
    char id[SH_SECRET_CHARS];
    SH_TRY(sh_guard_check(g, a->at->by, SH_PERM_TOKENS_WRITE, a->at->tenant));
    if (g->tokens.n >= guard_set(g)->max_tokens) {
        sh_diag_set(a->diag, "There are %u tokens already.", guard_set(g)->max_tokens);
        return SH_E_LIMIT;
    }
    f->tenant = a->at->tenant;
    f->created_us = guard_now(g);
    SH_TRY(read_body(g, a, f));
    SH_TRY(guard_may_grant(g, a->at->by, token_worth(f), f->tenant, a->diag));
    SH_TRY(sh_random_token(g->env->random, "sht_", secret, SH_SECRET_CHARS));
    SH_TRY(sh_random_token(g->env->random, "", id, sizeof id));
    id[16] = '\0';
    (void)guard_print(f->id, sizeof f->id, "t%s", id);
    uint8_t salt[SH_SCRAM_SALT];
    SH_TRY(g->env->random->fill(g->env->random->ctx, salt, sizeof salt));
    SH_TRY(
        sh_scram_verifier_make(g->crypto, sh_str_c(secret), salt, SH_SCRAM_ITERATIONS, &f->scram));
    return guard_hash_token(g, sh_str_c(secret), f->hash);
}

static sh_err commit_token(struct sh_guard *g, const struct guard_put_args *a,
                           const struct guard_token *t, bool deletes)
{
    struct guard_batch b;
    struct sh_buf text;
    guard_batch_init(g, &b);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_err err = deletes ? SH_OK : guard_token_store(t, &text);
    if (err == SH_OK) {
        err = deletes ? guard_batch_delete(&b, GUARD_TOKEN, sh_str_c(t->id))
                      : guard_batch_put(&b, GUARD_TOKEN, sh_str_c(t->id), sh_buf_str(&text));
    }
    if (err == SH_OK) {
        char object[SH_NAME_MAX + 48];
        char detail[SH_DASHBOARD_ID_MAX + 16] = "";
        if (shows_one(t)) {
            (void)guard_print(detail, sizeof detail, "dashboard:%s", t->dashboard);
        }
        (void)guard_print(object, sizeof object, "token:%s (%s)", t->id, t->name);
        const struct sh_audit audit = {
            .by = a->at->by,
            .tenant = t->tenant,
            .act = deletes ? SH_STR("token.revoked") : SH_STR("token.created"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_str_c(detail),
            .peer = a->at->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    sh_buf_fini(&text);
    guard_batch_fini(&b);
    return err;
}

sh_err guard_token_put(struct sh_guard *g, const struct guard_put_args *a)
{
    struct guard_token f = {0};
    struct guard_token *t = NULL;
    struct sh_principal_info info;
    char secret[SH_SECRET_CHARS];
    if (a->mode == SH_PUT_REPLACE || a->name.n > 0) {
        return SH_E_UNSUPPORTED; /* a token is made and revoked, never changed */
    }
    SH_TRY(sh_guard_describe(g, a->at->by, &info));
    (void)guard_copy(f.by, sizeof f.by, sh_str_c(info.label));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_token(g, a, &f, secret);
    if (err == SH_OK) {
        err = token_add(g, &f, &t); /* nobody knows its secret, and it has no permissions yet */
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = commit_token(g, a, t, false);
        sh_mutex_lock(&g->lock);
        if (err == SH_OK) {
            guard_token_refresh(g, t);
            guard_token_write(g, t, secret, a->w);
        } else {
            guard_token_free(g, t);
        }
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    sh_crypto_wipe(secret, sizeof secret);
    return err;
}

sh_err guard_token_delete(struct sh_guard *g, const struct guard_put_args *a)
{
    sh_err err = SH_E_NOTFOUND;
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_token *t = sh_map_get(&g->tokens, a->name);
    if (t != NULL && sh_guard_tenant_within(g, t->tenant, a->at->tenant)) {
        err = sh_guard_check(g, a->at->by, SH_PERM_TOKENS_WRITE, t->tenant);
        if (err == SH_OK) {
            err = guard_may_grant(g, a->at->by, token_worth(t), t->tenant, a->diag);
        }
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = commit_token(g, a, t, true);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        guard_token_free(g, t);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* The next token that is bound to the device; NULL at the end. */
static struct guard_token *next_bound(struct sh_guard *g, size_t *it, uint32_t tenant,
                                      struct sh_str device)
{
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->tokens, it, &key, &v)) {
        struct guard_token *t = v;
        if (t->tenant == tenant && t->device[0] != '\0' && sh_str_eqc(device, t->device)) {
            return t;
        }
    }
    return NULL;
}

void guard_tokens_refresh(struct sh_guard *g, uint32_t tenant, struct sh_str device, bool renew)
{
    size_t it = 0;
    for (struct guard_token *t = next_bound(g, &it, tenant, device); t != NULL;
         t = next_bound(g, &it, tenant, device)) {
        if (renew) {
            guard_subject_renew(g, t->slot);
        }
        guard_token_refresh(g, t);
    }
}

void guard_tokens_forget_seen(struct sh_guard *g, uint32_t tenant, struct sh_str device)
{
    size_t it = 0;
    for (struct guard_token *t = next_bound(g, &it, tenant, device); t != NULL;
         t = next_bound(g, &it, tenant, device)) {
        guard_seen_forget(g, &t->seen);
    }
}

sh_err guard_tokens_move(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to,
                         struct guard_batch *b)
{
    size_t it = 0;
    for (const struct guard_token *t = next_bound(g, &it, tenant, from); t != NULL;
         t = next_bound(g, &it, tenant, from)) {
        if (to.p == NULL) {
            SH_TRY(guard_batch_delete(b, GUARD_TOKEN, sh_str_c(t->id)));
            continue;
        }
        struct guard_token form = *t;
        struct sh_buf text;
        (void)guard_copy(form.device, sizeof form.device, to);
        sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
        sh_err err = guard_token_store(&form, &text);
        if (err == SH_OK) {
            err = guard_batch_put(b, GUARD_TOKEN, sh_str_c(t->id), sh_buf_str(&text));
        }
        sh_buf_fini(&text);
        SH_TRY(err);
    }
    return SH_OK;
}

void guard_tokens_moved(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to)
{
    size_t it = 0;
    for (struct guard_token *t = next_bound(g, &it, tenant, from); t != NULL;
         t = next_bound(g, &it, tenant, from)) {
        if (to.p == NULL) {
            guard_token_free(g, t);
        } else {
            (void)guard_copy(t->device, sizeof t->device, to);
        }
    }
}

sh_err sh_guard_by_token(struct sh_guard *g, struct sh_str token, struct sh_principal *out)
{
    uint8_t hash[SH_HASH_BYTES];
    if (sh_str_starts(token, SH_STR("shs_"))) {
        return sh_guard_by_session(g, token, out, NULL, NULL);
    }
    if (!sh_str_starts(token, SH_STR("sht_")) || token.n >= SH_SECRET_CHARS) {
        return SH_E_DENIED;
    }
    SH_TRY(guard_hash_token(g, token, hash));
    sh_mutex_lock(&g->lock);
    struct guard_token *t = sh_map_get(&g->token_by_hash, hash_key(hash));
    const int64_t now = guard_now(g);
    const bool good = t != NULL && t->expires_us > now && !shows_one(t);
    if (good) {
        t->used_us = now > t->used_us ? now : t->used_us;
        *out = guard_subject_handle(g, t->slot, t->tenant, t->device[0] != '\0');
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_DENIED;
}

void guard_token_came(struct sh_guard *g, const struct sh_principal *p, struct sh_str peer)
{
    struct guard_token *t = guard_subject_owner(g, p, SH_PRINCIPAL_TOKEN);
    if (t != NULL && !sh_str_eqc(peer, t->from) && !guard_copy(t->from, sizeof t->from, peer)) {
        t->from[0] = '\0';
    }
}

static bool to_save(const struct guard_token *t, bool all)
{
    return t->used_us - t->saved_us >= (all ? 1 : SAVE_S * INT64_C(1000000));
}

static sh_err batch_use(struct sh_guard *g, struct guard_batch *b, const struct guard_token *t)
{
    struct sh_buf text;
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_err err = guard_token_store(t, &text);
    err = err != SH_OK ? err : guard_batch_put(b, GUARD_TOKEN, sh_str_c(t->id), sh_buf_str(&text));
    sh_buf_fini(&text);
    return err;
}

/* Of a token, as it goes into the store. */
struct use {
    struct guard_token *token; /* under `change` none goes */
    int64_t used_us;
};

/* In one transaction; no audit: nobody changed anything. */
void guard_tokens_tick(struct sh_guard *g, bool all)
{
    struct guard_batch b;
    size_t it = 0;
    size_t n = 0;
    struct sh_str key;
    void *v = NULL;
    struct use *uses = sh_mem_array(g->env->alloc, CHANGES_MAX, sizeof *uses);
    sh_err err = uses == NULL ? SH_E_NOMEM : SH_OK;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    while (err == SH_OK && n < CHANGES_MAX && sh_map_next(&g->tokens, &it, &key, &v)) {
        struct guard_token *t = v;
        if (to_save(t, all)) {
            err = batch_use(g, &b, t);
            uses[n++] = (struct use){t, t->used_us};
        }
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK && n > 0) {
        err = guard_batch_commit(g, &b);
    }
    sh_mutex_lock(&g->lock);
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        uses[i].token->saved_us = uses[i].used_us;
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    sh_mem_free(g->env->alloc, uses);
}

sh_err sh_guard_by_panel(struct sh_guard *g, struct sh_str token, struct sh_principal *out,
                         char dashboard[SH_DASHBOARD_ID_MAX + 1])
{
    uint8_t hash[SH_HASH_BYTES];
    if (!sh_str_starts(token, SH_STR("sht_")) || token.n >= SH_SECRET_CHARS) {
        return SH_E_DENIED;
    }
    SH_TRY(guard_hash_token(g, token, hash));
    sh_mutex_lock(&g->lock);
    struct guard_token *t = sh_map_get(&g->token_by_hash, hash_key(hash));
    const int64_t now = guard_now(g);
    const bool good = t != NULL && t->expires_us > now && shows_one(t);
    if (good) {
        t->used_us = now > t->used_us ? now : t->used_us;
        *out = guard_subject_handle(g, t->slot, t->tenant, false);
        out->panel = true;
        memcpy(dashboard, t->dashboard, sizeof t->dashboard);
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_DENIED;
}

enum { TOKEN_ID_CHARS = 17 }; /* plan_token */

bool sh_guard_token_id(struct sh_str user)
{
    if (user.n != TOKEN_ID_CHARS || user.p[0] != 't') {
        return false;
    }
    for (size_t i = 1; i < user.n; i++) {
        const char c = user.p[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

/* What nobody can prove, the same for the same id each time. */
static sh_err scram_mock(const struct sh_guard *g, struct sh_str id, struct sh_scram_verifier *out)
{
    uint8_t salt[SH_HASH_BYTES];
    const struct sh_bytes parts[] = {sh_str_bytes(SH_STR("scram salt ")), sh_str_bytes(id)};
    *out = (struct sh_scram_verifier){.iterations = SH_SCRAM_ITERATIONS};
    SH_TRY(sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_token, SH_KEY_BYTES),
                          parts, 2, salt));
    memcpy(out->salt, salt, sizeof out->salt);
    SH_TRY(g->env->random->fill(g->env->random->ctx, out->stored, sizeof out->stored));
    return g->env->random->fill(g->env->random->ctx, out->server, sizeof out->server);
}

sh_err sh_guard_scram(struct sh_guard *g, struct sh_str id, struct sh_scram_verifier *out)
{
    sh_mutex_lock(&g->lock);
    const struct guard_token *t = sh_map_get(&g->tokens, id);
    const bool known =
        t != NULL && t->expires_us > guard_now(g) && t->scram.iterations > 0 && !shows_one(t);
    if (known) {
        *out = t->scram;
    }
    sh_mutex_unlock(&g->lock);
    return known ? SH_OK : scram_mock(g, id, out);
}

sh_err sh_guard_by_scram(struct sh_guard *g, struct sh_str id,
                         const struct sh_scram_verifier *proven, struct sh_principal *out)
{
    sh_mutex_lock(&g->lock);
    const struct guard_token *t = sh_map_get(&g->tokens, id);
    const bool good = t != NULL && t->expires_us > guard_now(g) && !shows_one(t) &&
                      sh_bytes_eq_ct(sh_bytes_of(t->scram.stored, SH_HASH_BYTES),
                                     sh_bytes_of(proven->stored, SH_HASH_BYTES));
    if (good) {
        *out = guard_subject_handle(g, t->slot, t->tenant, t->device[0] != '\0');
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_DENIED;
}
