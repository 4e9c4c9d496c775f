/* Open, close and housekeeping. guard_int.h states the invariants.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

bool guard_path(const struct sh_guard *g, const char *name, char *out, size_t cap)
{
    return guard_print(out, cap, "%s/%s", g->dir, name);
}

/* ---- loading ---- */

struct loading {
    struct sh_guard *g;
    enum guard_kind kind;
    uint64_t n;
    char check[SH_HASH_HEX]; /* META "node": which key the folder belongs to */
};

static sh_err load_object(struct loading *l, struct sh_str key, const json_t *o)
{
    switch (l->kind) {
    case GUARD_META:
        if (sh_str_eqc(key, "node")) {
            (void)guard_copy(l->check, sizeof l->check, sh_json_get_str(o, "key"));
        } else if (sh_str_eqc(key, "separated")) {
            l->g->separated = true;
        }
        return SH_OK;
    case GUARD_TENANT:
        return guard_tenant_load(l->g, o);
    case GUARD_ROLE:
        return guard_role_load(l->g, o);
    case GUARD_PERSON:
        return guard_person_load(l->g, o);
    case GUARD_TOKEN:
        return guard_token_load(l->g, o);
    case GUARD_SESSION:
        return guard_session_load(l->g, o, key);
    case GUARD_DEVICE:
        return guard_device_load(l->g, o);
    case GUARD_CERT:
        return guard_cert_load(l->g, o);
    case GUARD_PROVISION:
        return guard_provision_load(l->g, o);
    case GUARD_PROVIDER:
        return guard_provider_load(l->g, o);
    case GUARD_REVOKED:
        return guard_revoked_load(l->g, key, o);
    case GUARD_AUDIT:
        break;
    }
    return SH_OK;
}

/* What can not be read is named in the log and left out; a start is never refused for it. */
static sh_err load_one(void *ctx, struct sh_str key, struct sh_str value)
{
    static const char *const names[GUARD_KINDS] = {
        "meta",   "tenant",      "role",    "person",           "token",    "session",
        "device", "certificate", "revoked", "provisioning key", "provider", "audit"};
    struct loading *l = ctx;
    json_t *o = NULL;
    l->n++;
    sh_err err = sh_json_parse(value, GUARD_PROVIDER_TEXT_MAX, &o, NULL);
    if (err == SH_OK) {
        err = load_object(l, key, o);
        json_decref(o);
    }
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK) {
        const bool secret = l->kind == GUARD_SESSION;
        sh_log(l->g->env->log, SH_LOG_ERROR, "guard", "the stored %s %.*s is left out (%s)",
               names[l->kind], secret ? 0 : (int)(key.n > 100 ? 100 : key.n), key.p,
               sh_err_name(err));
    }
    return SH_OK;
}

static sh_err load_kind(struct sh_guard *g, enum guard_kind kind, struct loading *l)
{
    *l = (struct loading){.g = g, .kind = kind};
    return g->store->ops->each(g->store, kind, SH_STR(""), false, load_one, l);
}

/* The check value proves that the keys and the store belong together without telling the key. */
/* *replaced: another key was accepted. */
static sh_err check_node(struct sh_guard *g, const char *stored, bool accept, bool *replaced,
                         struct sh_diag *diag)
{
    uint8_t mac[SH_HASH_BYTES];
    char hex[SH_HASH_HEX];
    struct guard_batch b;
    char value[SH_HASH_HEX + 16];
    const struct sh_bytes part = sh_bytes_of("songhua node", 12);
    SH_TRY(sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_audit, SH_KEY_BYTES),
                          &part, 1, mac));
    sh_hash_hex(mac, hex);
    if (strcmp(stored, hex) == 0) {
        return SH_OK;
    }
    *replaced = stored[0] != '\0';
    if (*replaced && !accept) {
        sh_diag_set(diag, "The keys in keys/ do not belong to this data folder.");
        sh_diag_remedy(diag, "Put the keys that were backed up with songhua.db back.");
        return SH_E_STATE;
    }
    (void)guard_print(value, sizeof value, "{\"key\":\"%s\"}", hex);
    guard_batch_init(g, &b);
    sh_err err = guard_batch_put(&b, GUARD_META, SH_STR("node"), sh_str_c(value));
    if (err == SH_OK) {
        err = guard_batch_commit(g, &b);
    }
    guard_batch_fini(&b);
    return err;
}

/* Under change and lock, except that storing takes lock itself: so it is given back there. */
static sh_err load_all(struct sh_guard *g)
{
    static const enum guard_kind order[] = {GUARD_ROLE,    GUARD_PROVIDER, GUARD_PERSON,
                                            GUARD_TOKEN,   GUARD_SESSION,  GUARD_DEVICE,
                                            GUARD_REVOKED, GUARD_CERT,     GUARD_PROVISION};
    struct loading l;
    sh_mutex_lock(&g->lock);
    sh_err err = guard_roles_init(g);
    if (err == SH_OK) {
        err = load_kind(g, GUARD_TENANT, &l);
    }
    const bool root = guard_tenant_at(g, SH_TENANT_ROOT) != NULL;
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK && !root) {
        err = guard_tenant_put_root(g);
    }
    sh_mutex_lock(&g->lock);
    for (size_t i = 0; err == SH_OK && i < sizeof order / sizeof order[0]; i++) {
        err = load_kind(g, order[i], &l);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err make_fixed_subjects(struct sh_guard *g)
{
    uint32_t slot = 0;
    SH_TRY(guard_subject_new(g, SH_PRINCIPAL_SYSTEM, NULL, &slot));
    guard_subject_set(g, slot, UINT64_MAX, UINT64_MAX, INT64_MAX);
    g->system = guard_subject_handle(g, slot, SH_TENANT_ROOT, false);
    SH_TRY(guard_subject_new(g, SH_PRINCIPAL_ANONYMOUS, NULL, &slot));
    guard_subject_set(g, slot, sh_builtin_role_bits(SH_STR("anonymous")),
                      guard_clear_all(SH_CLEARANCE_LEAST), INT64_MAX);
    g->anonymous = guard_subject_handle(g, slot, SH_TENANT_ROOT, false);
    return SH_OK;
}

static sh_err see_file(void *ctx, const char *name, bool is_dir)
{
    struct sh_guard *g = ctx;
    g->first_file = g->first_file || (!is_dir && strcmp(name, "first-password") == 0);
    return SH_OK;
}

static sh_err audit_new_key(struct sh_guard *g)
{
    const struct sh_audit a = {
        .by = &g->system,
        .tenant = SH_TENANT_ROOT,
        .act = SH_STR("node.key_replaced"),
        .object = SH_STR("node"),
        .result = SH_STR("ok"),
    };
    sh_log(g->env->log, SH_LOG_WARN, "guard",
           "a new node key was accepted: tokens, sessions and device secrets are void");
    return sh_guard_audit(g, &a);
}

static sh_err open_parts(struct sh_guard *g, const char *master, bool accept, struct sh_diag *diag)
{
    bool replaced = false;
    struct loading meta;
    char path[512];
    SH_TRY(load_kind(g, GUARD_META, &meta));
    SH_TRY(guard_keyring_open(g, master, meta.check[0] == '\0' || accept, diag));
    SH_TRY(check_node(g, meta.check, accept, &replaced, diag));
    SH_TRY(make_fixed_subjects(g));
    SH_TRY(guard_audit_open(g));
    guard_checkpoint_open(g);
    SH_TRY(load_all(g));
    SH_TRY(guard_keyring_settle(g));
    if (replaced) {
        SH_TRY(audit_new_key(g));
    }
    if (!guard_path(g, "keys", path, sizeof path)) {
        return SH_E_INVAL;
    }
    return g->env->fs->list(g->env->fs->ctx, path, see_file, g);
}

static sh_err make_tables(struct sh_guard *g)
{
    const struct sh_alloc *a = g->env->alloc;
    const struct sh_guard_settings *s = guard_set(g);
    const sh_err seeded = g->env->random->fill(g->env->random->ctx, &g->seed, sizeof g->seed);
    sh_map_init(&g->tenant_by_path, a, s->max_tenants, g->seed);
    sh_map_init(&g->roles, a, s->max_roles, g->seed);
    sh_map_init(&g->people, a, s->max_people, g->seed);
    sh_map_init(&g->tokens, a, s->max_tokens, g->seed);
    sh_map_init(&g->token_by_hash, a, s->max_tokens, g->seed);
    /* one more: a new session takes its place before the oldest goes */
    sh_map_init(&g->sessions, a, (size_t)s->max_sessions + 1, g->seed);
    /* one more: a renamed device has two names for a moment */
    sh_map_init(&g->devices, a, (size_t)s->max_devices + 1, g->seed);
    sh_map_init(&g->certs, a, s->max_devices, g->seed);
    guard_pki_init(g);
    guard_provision_init(g);
    guard_outside_init(g);
    const size_t nfails = (size_t)FAIL_SETS * FAIL_WAYS;
    const size_t nthrottles = (size_t)THROTTLE_SETS * THROTTLE_WAYS;
    g->fails = sh_mem_array(a, nfails, sizeof *g->fails);
    g->throttles = sh_mem_array(a, nthrottles, sizeof *g->throttles);
    g->cache = sh_mem_array(a, CACHE_ENTRIES, sizeof *g->cache);
    g->posted = sh_mem_array(a, s->audit_waiting, sizeof(void *));
    g->dir = sh_mem_new(a, 512);
    const bool whole = g->fails != NULL && g->throttles != NULL && g->cache != NULL &&
                       g->posted != NULL && g->dir != NULL;
    return whole ? seeded : SH_E_NOMEM;
}

sh_err sh_guard_open(const struct sh_guard_options *o, struct sh_guard **out, struct sh_diag *diag)
{
    if (!guard_settings_ok(&o->settings) || o->dir == NULL) {
        sh_guard_store_free(o->store);
        return SH_E_INVAL;
    }
    struct sh_guard *g = sh_mem_new(o->env->alloc, sizeof *g);
    if (g == NULL) {
        sh_guard_store_free(o->store);
        return SH_E_NOMEM;
    }
    g->env = o->env;
    g->crypto = o->crypto;
    g->store = o->store;
    g->workers = o->workers;
    g->restored = o->restored;
    g->jobs_end = &g->jobs;
    sh_mutex_init(&g->change);
    sh_mutex_init(&g->lock);
    sh_mutex_init(&g->hashing);
    sh_mutex_init(&g->sealing);
    sh_err err = guard_settings_first(g, &o->settings);
    err = err != SH_OK ? err : make_tables(g);
    if (err == SH_OK && !guard_copy(g->dir, 512, sh_str_c(o->dir))) {
        err = SH_E_INVAL;
    }
    if (err == SH_OK) {
        err = open_parts(g, o->master, o->accept_new_key, diag);
    }
    if (err != SH_OK) {
        sh_guard_close(g);
        return err;
    }
    *out = g;
    return SH_OK;
}

/* ---- close ---- */

static void free_values(struct sh_guard *g, struct sh_map *m)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(m, &it, &key, &v)) {
        sh_mem_free(g->env->alloc, v);
    }
    sh_map_fini(m);
}

static void free_seen(struct sh_guard *g)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->devices, &it, &key, &v)) {
        guard_access_drop(g, v);
    }
    it = 0;
    while (sh_map_next(&g->tokens, &it, &key, &v)) {
        guard_seen_forget(g, &((struct guard_token *)v)->seen);
    }
}

static void free_chunks(struct sh_guard *g)
{
    for (size_t i = 0; i < SUBJECT_CHUNKS; i++) {
        sh_mem_free(g->env->alloc, atomic_load(&g->subjects[i]));
    }
    for (size_t i = 0; i < SCOPES_CHUNKS; i++) {
        sh_mem_free(g->env->alloc, atomic_load(&g->scopes[i]));
    }
    for (size_t i = 0; i < TENANT_CHUNKS; i++) {
        sh_mem_free(g->env->alloc, atomic_load(&g->tenants[i]));
    }
}

static void wipe_keys(struct sh_guard *g)
{
    sh_crypto_wipe(g->key_token, SH_KEY_BYTES);
    sh_crypto_wipe(g->key_secret, SH_KEY_BYTES);
    sh_crypto_wipe(g->key_csrf, SH_KEY_BYTES);
    sh_crypto_wipe(g->key_cache, SH_KEY_BYTES);
    sh_crypto_wipe(g->key_audit, SH_KEY_BYTES);
    sh_crypto_wipe(g->key_mark, SH_KEY_BYTES);
    guard_keyring_close(g);
}

void sh_guard_stop(struct sh_guard *g)
{
    if (g != NULL) {
        guard_password_cancel(g);
    }
}

void sh_guard_close(struct sh_guard *g)
{
    if (g == NULL) {
        return;
    }
    const struct sh_alloc *a = g->env->alloc;
    guard_password_cancel(g);
    if (g->posted != NULL) {
        guard_marks_store(g);
        guard_tokens_tick(g, true);
        guard_audit_flush(g);
        guard_audit_forget(g);
    }
    free_seen(g);
    guard_hints_drop(g);
    free_values(g, &g->sessions);
    free_values(g, &g->certs);
    guard_pki_fini(g);
    sh_map_fini(&g->provision_by_mac);
    free_values(g, &g->provisions);
    guard_outside_fini(g);
    free_values(g, &g->devices);
    sh_map_fini(&g->token_by_hash);
    free_values(g, &g->tokens);
    free_values(g, &g->people);
    free_values(g, &g->roles);
    sh_map_fini(&g->tenant_by_path);
    free_chunks(g);
    sh_mem_free(a, g->fails);
    sh_mem_free(a, g->throttles);
    sh_mem_free(a, g->cache);
    sh_mem_free(a, g->posted);
    sh_mem_free(a, g->dir);
    sh_guard_store_free(g->store);
    guard_settings_free(g);
    wipe_keys(g);
    sh_mutex_fini(&g->sealing);
    sh_mutex_fini(&g->hashing);
    sh_mutex_fini(&g->lock);
    sh_mutex_fini(&g->change);
    sh_mem_free(a, g);
}

void sh_guard_tick(struct sh_guard *g)
{
    if (guard_password_claim(g)) { /* no workers, or they were too busy to take the job */
        guard_password_run(g);
    }
    guard_sessions_tick(g);
    guard_tokens_tick(g, false);
    guard_grants_tick(g);
    guard_pki_tick(g);
    guard_marks_store(g);
    guard_checkpoint_tick(g);
    guard_keyring_tick(g);
    guard_audit_flush(g);
}

void sh_guard_stats(struct sh_guard *g, struct sh_guard_stats *out)
{
    sh_mutex_lock(&g->lock);
    *out = g->stats;
    out->people = g->people.n;
    out->roles = g->roles.n;
    out->tokens = g->tokens.n;
    out->sessions = g->sessions.n;
    out->devices = g->devices.n;
    sh_mutex_unlock(&g->lock);
}
