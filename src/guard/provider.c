/* provider.c - providers of sign-in: what is stored and shown of them, and reading it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { BOX_MAX = GUARD_VALUE_CHARS + SH_BOX_OVERHEAD };

static const char *const kind_words[] = {"oidc", "ldap", "certificate"};
static const char *const people_words[] = {"linked", "create", "map"};

struct guard_provider *guard_provider_find(struct sh_guard *g, struct sh_str id)
{
    return sh_map_get(&g->providers, id);
}

void guard_provider_drop(struct sh_guard *g, struct guard_provider *p)
{
    if (p != NULL) {
        sh_str_free(g->env->alloc, &p->discovery);
        sh_str_free(g->env->alloc, &p->jwks);
        guard_trust_drop(g, &p->trust);
        sh_crypto_wipe(p, sizeof *p);
        sh_mem_free(g->env->alloc, p);
    }
}

struct guard_provider *guard_provider_copy(struct sh_guard *g, const struct guard_provider *p)
{
    struct guard_provider *copy = sh_mem_new(g->env->alloc, sizeof *copy);
    if (copy != NULL) {
        *copy = *p;
        copy->discovery = (struct sh_str){NULL, 0};
        copy->jwks = copy->discovery;
        copy->discovery_us = 0;
        copy->jwks_us = 0;
        if (guard_trust_copy(g, &p->trust, &copy->trust) != SH_OK) {
            guard_provider_drop(g, copy);
            copy = NULL;
        }
    }
    return copy;
}

/* ---- forms ---- */

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static void write_roles(const struct guard_provider *p, struct sh_jw *w)
{
    put_text(w, "people", people_words[p->people]);
    sh_jw_key(w, "roles");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < p->nroles; i++) {
        sh_jw_c(w, p->roles[i]);
    }
    sh_jw_arr_end(w);
    put_text(w, "roles_claim", p->roles_claim);
    sh_jw_key(w, "map");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < p->nmap; i++) {
        sh_jw_obj(w);
        put_text(w, "value", p->map[i].value);
        put_text(w, "role", p->map[i].role);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

/* Members that are both stored and shown. */
static void write_common(const struct guard_provider *p, struct sh_jw *w)
{
    put_text(w, "id", p->id);
    put_text(w, "kind", kind_words[p->kind]);
    put_text(w, "zh", p->zh);
    put_text(w, "en", p->en);
    sh_jw_key(w, "disabled");
    sh_jw_bool(w, p->disabled);
    if (p->kind == GUARD_LDAP) {
        guard_directory_write(&p->ldap, w);
    } else if (p->kind == GUARD_CERTIFICATE) {
        guard_trust_write(&p->trust, w);
    } else {
        put_text(w, "issuer", p->issuer);
        put_text(w, "client_id", p->client);
        put_text(w, "scopes", p->scopes);
        put_text(w, "acr_values", p->acr);
        sh_jw_key(w, "sign_out");
        sh_jw_bool(w, p->sign_out);
    }
    put_text(w, "name_claim", p->name_claim);
    write_roles(p, w);
    put_text(w, "second_factor", p->second ? "provider" : "own");
}

void guard_provider_write(struct sh_guard *g, const struct guard_provider *p, struct sh_jw *w)
{
    const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
    sh_jw_obj(w);
    write_common(p, w);
    if (p->kind == GUARD_CERTIFICATE) {
        guard_trust_show(g, &p->trust, w);
    }
    sh_jw_key(w, "has_secret");
    sh_jw_bool(w, p->secret[0] != '\0');
    put_text(w, "tenant", t == NULL ? "" : t->path);
    sh_jw_key(w, "created");
    sh_jw_time(w, p->created_us);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, p->revision);
    sh_jw_obj_end(w);
}

static sh_err context(const struct guard_provider *p, char out[GUARD_KEY_MAX])
{
    return guard_print(out, GUARD_KEY_MAX, "provider/%s/secret", p->id) ? SH_OK : SH_E_INVAL;
}

static sh_err secret_write(struct sh_guard *g, const struct guard_provider *p, struct sh_jw *w)
{
    char of[GUARD_KEY_MAX];
    struct sh_buf text;
    if (p->secret[0] == '\0') {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&text, g->env->alloc, 2 * (size_t)BOX_MAX);
    sh_err err = guard_seal_text(g, of, sh_str_bytes(sh_str_c(p->secret)), &text);
    if (err == SH_OK) {
        sh_jw_key(w, "secret");
        sh_jw_str(w, sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

/* With another node key (a restore without keys/) it can not be opened: it is entered anew. */
static sh_err secret_read(struct sh_guard *g, const json_t *o, struct guard_provider *p)
{
    const struct sh_str text = sh_json_get_str(o, "secret");
    char of[GUARD_KEY_MAX];
    struct sh_buf plain;
    if (text.n == 0) {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&plain, g->env->alloc, BOX_MAX);
    sh_err err = guard_unseal_text(g, of, text, &plain);
    if (err == SH_OK && !guard_copy(p->secret, sizeof p->secret, sh_buf_str(&plain))) {
        err = SH_E_CORRUPT;
    }
    if (err != SH_OK && err != SH_E_NOMEM) {
        sh_log(g->env->log, SH_LOG_WARN, "guard",
               "the secret of the sign-in provider %s can not be read (another node key?): "
               "enter it anew",
               p->id);
        err = SH_OK;
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&plain);
    return err;
}

sh_err guard_provider_batch(struct sh_guard *g, struct guard_batch *b,
                            const struct guard_provider *p)
{
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, g->env->alloc, GUARD_PROVIDER_TEXT_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    write_common(p, &w);
    if (p->kind == GUARD_CERTIFICATE) {
        guard_trust_store(&p->trust, &w);
    }
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, p->tenant);
    sh_jw_key(&w, "created");
    sh_jw_i64(&w, p->created_us);
    sh_jw_key(&w, "revision");
    sh_jw_u64(&w, p->revision);
    sh_err err = secret_write(g, p, &w);
    sh_jw_obj_end(&w);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_PROVIDER, sh_str_c(p->id), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

/* ---- reading ---- */

sh_err guard_provider_bad(struct sh_diag *diag, const char *path, const char *words,
                          const char *remedy)
{
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_set(diag, "%s", words);
    sh_diag_remedy(diag, "%s", remedy);
    return SH_E_INVAL;
}

static bool one_line(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return sh_utf8_valid(s);
}

/* A member, when it is there. */
bool guard_take_text(const json_t *o, const char *member, char *out, size_t cap)
{
    const json_t *v = json_object_get(o, member);
    const struct sh_str s = sh_json_get_str(o, member);
    return v == NULL || (json_is_string(v) && one_line(s) && guard_copy(out, cap, s));
}

static sh_err read_people(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    const json_t *v = json_object_get(o, "people");
    const struct sh_str word = sh_json_get_str(o, "people");
    for (size_t i = 0; i < sizeof people_words / sizeof people_words[0]; i++) {
        if (v == NULL || sh_str_eqc(word, people_words[i])) {
            p->people = v == NULL ? p->people : (enum guard_people)i;
            return SH_OK;
        }
    }
    return guard_provider_bad(diag, "/people", "How people come is linked, create or map.",
                              "linked lets only those in who were linked beforehand.");
}

static sh_err read_roles(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    const json_t *roles = json_object_get(o, "roles");
    const json_t *map = json_object_get(o, "map");
    bool good = (roles == NULL || json_is_array(roles)) && (map == NULL || json_is_array(map)) &&
                json_array_size(roles) <= GUARD_PROVIDER_ROLES &&
                json_array_size(map) <= GUARD_MAP_MAX;
    p->nroles = roles == NULL ? p->nroles : (uint32_t)json_array_size(roles);
    for (size_t i = 0; good && i < json_array_size(roles); i++) {
        const json_t *v = json_array_get(roles, i);
        good =
            json_is_string(v) && guard_copy(p->roles[i], sizeof p->roles[i],
                                            sh_str_of(json_string_value(v), json_string_length(v)));
    }
    p->nmap = map == NULL || !good ? p->nmap : (uint32_t)json_array_size(map);
    for (size_t i = 0; good && i < json_array_size(map); i++) {
        const json_t *row = json_array_get(map, i);
        good = json_is_object(row) && sh_json_get_str(row, "value").n > 0 &&
               guard_take_text(row, "value", p->map[i].value, sizeof p->map[i].value) &&
               guard_take_text(row, "role", p->map[i].role, sizeof p->map[i].role);
    }
    return good ? SH_OK
                : guard_provider_bad(
                      diag, "/map",
                      "roles is at most 16 names; map is at most 32 rows {\"value\",\"role\"}.",
                      "value is what the claim says, of at most 255 bytes.");
}

static sh_err read_second(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    const struct sh_str word = sh_json_get_str(o, "second_factor");
    if (json_object_get(o, "second_factor") != NULL) {
        p->second = sh_str_eqc(word, "provider");
        if (!p->second && !sh_str_eqc(word, "own")) {
            return guard_provider_bad(diag, "/second_factor", "second_factor is own or provider.",
                                      "provider takes the provider's word (amr or acr) for it.");
        }
    }
    return guard_take_text(o, "acr_values", p->acr, sizeof p->acr)
               ? SH_OK
               : guard_provider_bad(diag, "/acr_values",
                                    "acr_values is a text of at most 255 bytes.",
                                    "Write the values with blanks between them.");
}

static sh_err read_oidc(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    if (!guard_take_text(o, "issuer", p->issuer, sizeof p->issuer) ||
        !guard_outside_url_ok(sh_str_c(p->issuer)) || strchr(p->issuer, '?') != NULL) {
        return guard_provider_bad(
            diag, "/issuer", "The issuer is an https address without ? and #.",
            "Take it from the provider as it is, also the slash at its end. http is taken "
            "for this machine itself only.");
    }
    if (!guard_take_text(o, "client_id", p->client, sizeof p->client) || p->client[0] == '\0') {
        return guard_provider_bad(diag, "/client_id", "The client id is a text of 1 to 255 bytes.",
                                  "The provider gives it when Songhua is registered there.");
    }
    p->sign_out = sh_json_get_bool(o, "sign_out", p->sign_out);
    if (!guard_take_text(o, "scopes", p->scopes, sizeof p->scopes) ||
        !guard_take_text(o, "name_claim", p->name_claim, sizeof p->name_claim) ||
        p->name_claim[0] == '\0' ||
        !guard_take_text(o, "roles_claim", p->roles_claim, sizeof p->roles_claim)) {
        return guard_provider_bad(
            diag, "/name_claim",
            "Claims have names of 1 to 64 bytes; scopes are a text of at most 255 bytes.",
            "Look at the entry and send it again.");
    }
    return SH_OK;
}

bool guard_provider_kind_of(const json_t *o, enum guard_provider_kind *out)
{
    const struct sh_str word = sh_json_get_str(o, "kind");
    for (size_t i = 0; i < sizeof kind_words / sizeof kind_words[0]; i++) {
        if (sh_str_eqc(word, kind_words[i])) {
            *out = (enum guard_provider_kind)i;
            return true;
        }
    }
    return json_object_get(o, "kind") == NULL;
}

/* From a body or a stored object. */
sh_err guard_provider_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                           struct sh_diag *diag)
{
    static const char check[] = "Look at the entry and send it again.";
    enum guard_provider_kind kind = p->kind;
    if (!guard_provider_kind_of(o, &kind) || kind != p->kind) {
        return guard_provider_bad(diag, "/kind",
                                  "kind is oidc, ldap or certificate, and stays as it was.", check);
    }
    if (!guard_take_text(o, "zh", p->zh, sizeof p->zh) ||
        !guard_take_text(o, "en", p->en, sizeof p->en)) {
        return guard_provider_bad(diag, "/en",
                                  "A name on the button is one line of at most 128 bytes.", check);
    }
    SH_TRY(p->kind == GUARD_LDAP          ? guard_directory_read(g, o, p, diag)
           : p->kind == GUARD_CERTIFICATE ? guard_trust_read(g, o, p, diag)
                                          : read_oidc(o, p, diag));
    p->disabled = sh_json_get_bool(o, "disabled", p->disabled);
    SH_TRY(read_people(o, p, diag));
    SH_TRY(read_roles(o, p, diag));
    SH_TRY(read_second(o, p, diag));
    if (p->kind == GUARD_LDAP && p->second) {
        return guard_provider_bad(diag, "/second_factor", "A directory gives no second factor.",
                                  "Set it to own: ours is asked for.");
    }
    return SH_OK;
}

bool guard_provider_id_ok(struct sh_str id)
{
    bool good = id.n > 0 && id.n <= SH_PROVIDER_ID_MAX && id.p[0] != '-';
    for (size_t i = 0; good && i < id.n; i++) {
        const char c = id.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return good;
}

void guard_provider_defaults(struct guard_provider *p)
{
    if (p->kind == GUARD_LDAP) {
        guard_directory_defaults(p);
        return;
    }
    if (p->kind == GUARD_CERTIFICATE) {
        guard_trust_defaults(p);
        return;
    }
    p->sign_out = true;
    memcpy(p->scopes, "openid profile", sizeof "openid profile");
    memcpy(p->name_claim, "preferred_username", sizeof "preferred_username");
    memcpy(p->roles_claim, "groups", sizeof "groups");
}

sh_err guard_provider_load(struct sh_guard *g, const json_t *o)
{
    struct guard_provider *p = sh_mem_new(g->env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->sign_out = true; /* of those that were stored without it too */
    p->tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0);
    p->created_us = sh_json_get_i64(o, "created", 0);
    p->revision = (uint64_t)sh_json_get_i64(o, "revision", 0);
    const bool good = guard_provider_kind_of(o, &p->kind) &&
                      guard_provider_id_ok(sh_json_get_str(o, "id")) &&
                      guard_copy(p->id, sizeof p->id, sh_json_get_str(o, "id")) &&
                      guard_tenant_at(g, p->tenant) != NULL;
    sh_err err = good && guard_provider_read(g, o, p, NULL) == SH_OK ? SH_OK : SH_E_CORRUPT;
    err = err == SH_OK ? secret_read(g, o, p) : err;
    err = err == SH_OK ? sh_map_put(&g->providers, sh_str_c(p->id), p) : err;
    if (err != SH_OK) {
        guard_provider_drop(g, p);
        return err;
    }
    g->revision = p->revision > g->revision ? p->revision : g->revision;
    return SH_OK;
}
