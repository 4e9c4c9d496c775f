/* provider.c - providers of OpenID Connect: what is stored of them, and who may change it.
 *
 * The rule of roles: what a provider gives to whom it lets in, whoever sets it up must be able to
 * give himself (guard_may_give), and none of it may hold the powers of the three administrators
 * unless `signin.administrators` says so; that is looked at again at each sign-in, because a role
 * may have got more since.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "guard_int.h"

enum { BOX_MAX = GUARD_VALUE_CHARS + SH_BOX_OVERHEAD };

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
    put_text(w, "kind", "oidc");
    put_text(w, "zh", p->zh);
    put_text(w, "en", p->en);
    sh_jw_key(w, "disabled");
    sh_jw_bool(w, p->disabled);
    put_text(w, "issuer", p->issuer);
    put_text(w, "client_id", p->client);
    put_text(w, "scopes", p->scopes);
    put_text(w, "name_claim", p->name_claim);
    write_roles(p, w);
    put_text(w, "second_factor", p->second ? "provider" : "own");
    put_text(w, "acr_values", p->acr);
}

static void provider_write(struct sh_guard *g, const struct guard_provider *p, struct sh_jw *w)
{
    const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
    sh_jw_obj(w);
    write_common(p, w);
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

static sh_err secret_write(const struct sh_guard *g, const struct guard_provider *p,
                           struct sh_jw *w)
{
    char of[GUARD_KEY_MAX];
    struct sh_buf box;
    struct sh_buf text;
    if (p->secret[0] == '\0') {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&box, g->env->alloc, BOX_MAX);
    sh_buf_init(&text, g->env->alloc, 2 * (size_t)BOX_MAX);
    sh_err err = sh_box_seal(g->crypto, &g->key_box, sh_str_bytes(sh_str_c(of)),
                             sh_str_bytes(sh_str_c(p->secret)), &box);
    if (err == SH_OK) {
        err = sh_base64_put(&text, sh_buf_bytes(&box), false);
    }
    if (err == SH_OK) {
        sh_jw_key(w, "secret");
        sh_jw_str(w, sh_buf_str(&text));
    }
    sh_buf_fini(&box);
    sh_buf_fini(&text);
    return err;
}

/* With another node key (a restore without keys/) it can not be opened: it is entered anew. */
static sh_err secret_read(const struct sh_guard *g, const json_t *o, struct guard_provider *p)
{
    const struct sh_str text = sh_json_get_str(o, "secret");
    char of[GUARD_KEY_MAX];
    struct sh_buf box;
    struct sh_buf plain;
    if (text.n == 0) {
        return SH_OK;
    }
    SH_TRY(context(p, of));
    sh_buf_init(&box, g->env->alloc, BOX_MAX);
    sh_buf_init(&plain, g->env->alloc, BOX_MAX);
    sh_err err = sh_base64_parse(text, false, &box);
    if (err == SH_OK) {
        err = sh_box_open(g->crypto, &g->key_box, 1, sh_str_bytes(sh_str_c(of)), sh_buf_bytes(&box),
                          &plain);
    }
    if (err == SH_OK && !guard_copy(p->secret, sizeof p->secret, sh_buf_str(&plain))) {
        err = SH_E_CORRUPT;
    }
    if (err != SH_OK && err != SH_E_NOMEM) {
        sh_log(g->env->log, SH_LOG_WARN, "guard",
               "the client secret of the sign-in provider %s can not be read (another node key?): "
               "enter it anew",
               p->id);
        err = SH_OK;
    }
    sh_crypto_wipe(plain.p, plain.n);
    sh_buf_fini(&box);
    sh_buf_fini(&plain);
    return err;
}

static sh_err provider_batch(struct sh_guard *g, struct guard_batch *b,
                             const struct guard_provider *p)
{
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    write_common(p, &w);
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

static sh_err bad(struct sh_diag *diag, const char *path, const char *words, const char *remedy)
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
static bool take(const json_t *o, const char *member, char *out, size_t cap)
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
    return bad(diag, "/people", "How people come is linked, create or map.",
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
               take(row, "value", p->map[i].value, sizeof p->map[i].value) &&
               take(row, "role", p->map[i].role, sizeof p->map[i].role);
    }
    return good ? SH_OK
                : bad(diag, "/map",
                      "roles is at most 16 names; map is at most 32 rows {\"value\",\"role\"}.",
                      "value is what the claim says, of at most 255 bytes.");
}

static sh_err read_second(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    const struct sh_str word = sh_json_get_str(o, "second_factor");
    if (json_object_get(o, "second_factor") != NULL) {
        p->second = sh_str_eqc(word, "provider");
        if (!p->second && !sh_str_eqc(word, "own")) {
            return bad(diag, "/second_factor", "second_factor is own or provider.",
                       "provider takes the provider's word (amr or acr) for it.");
        }
    }
    return take(o, "acr_values", p->acr, sizeof p->acr)
               ? SH_OK
               : bad(diag, "/acr_values", "acr_values is a text of at most 255 bytes.",
                     "Write the values with blanks between them.");
}

/* From a body or a stored object. */
static sh_err read_common(const json_t *o, struct guard_provider *p, struct sh_diag *diag)
{
    static const char check[] = "Look at the entry and send it again.";
    const json_t *kind = json_object_get(o, "kind");
    if (kind != NULL && !sh_str_eqc(sh_json_get_str(o, "kind"), "oidc")) {
        return bad(diag, "/kind", "There are providers of the kind oidc only.", check);
    }
    if (!take(o, "zh", p->zh, sizeof p->zh) || !take(o, "en", p->en, sizeof p->en)) {
        return bad(diag, "/en", "A name on the button is one line of at most 128 bytes.", check);
    }
    if (!take(o, "issuer", p->issuer, sizeof p->issuer) ||
        !guard_outside_url_ok(sh_str_c(p->issuer)) || strchr(p->issuer, '?') != NULL) {
        return bad(diag, "/issuer", "The issuer is an https address without ? and #.",
                   "Take it from the provider as it is, also the slash at its end. http is taken "
                   "for this machine itself only.");
    }
    if (!take(o, "client_id", p->client, sizeof p->client) || p->client[0] == '\0') {
        return bad(diag, "/client_id", "The client id is a text of 1 to 255 bytes.",
                   "The provider gives it when Songhua is registered there.");
    }
    if (!take(o, "scopes", p->scopes, sizeof p->scopes) ||
        !take(o, "name_claim", p->name_claim, sizeof p->name_claim) || p->name_claim[0] == '\0' ||
        !take(o, "roles_claim", p->roles_claim, sizeof p->roles_claim)) {
        return bad(diag, "/name_claim",
                   "Claims have names of 1 to 64 bytes; scopes are a text of at most 255 bytes.",
                   check);
    }
    p->disabled = sh_json_get_bool(o, "disabled", p->disabled);
    SH_TRY(read_people(o, p, diag));
    SH_TRY(read_roles(o, p, diag));
    return read_second(o, p, diag);
}

static bool id_ok(struct sh_str id)
{
    bool good = id.n > 0 && id.n <= SH_PROVIDER_ID_MAX && id.p[0] != '-';
    for (size_t i = 0; good && i < id.n; i++) {
        const char c = id.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return good;
}

static void defaults(struct guard_provider *p)
{
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
    p->tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0);
    p->created_us = sh_json_get_i64(o, "created", 0);
    p->revision = (uint64_t)sh_json_get_i64(o, "revision", 0);
    const bool good = id_ok(sh_json_get_str(o, "id")) &&
                      guard_copy(p->id, sizeof p->id, sh_json_get_str(o, "id")) &&
                      guard_tenant_at(g, p->tenant) != NULL;
    sh_err err = good && read_common(o, p, NULL) == SH_OK ? SH_OK : SH_E_CORRUPT;
    err = err == SH_OK ? secret_read(g, o, p) : err;
    err = err == SH_OK ? sh_map_put(&g->providers, sh_str_c(p->id), p) : err;
    if (err != SH_OK) {
        guard_provider_drop(g, p);
        return err;
    }
    g->revision = p->revision > g->revision ? p->revision : g->revision;
    return SH_OK;
}

/* ---- roles ---- */

static bool add_role(struct sh_guard *g, const char *name, struct guard_role **roles, uint32_t *n)
{
    struct guard_role *r = guard_role_find(g, sh_str_c(name));
    for (uint32_t i = 0; r != NULL && i < *n; i++) {
        if (roles[i] == r) {
            return true;
        }
    }
    if (r != NULL && *n < GUARD_ROLES_MAX) {
        roles[(*n)++] = r;
        return true;
    }
    return r == NULL; /* a role that is gone gives nothing */
}

static bool has_value(const json_t *values, const char *value)
{
    if (json_is_string(values)) {
        return strcmp(json_string_value(values), value) == 0;
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *s = json_string_value(json_array_get(values, i));
        if (s != NULL && strcmp(s, value) == 0) {
            return true;
        }
    }
    return false;
}

sh_err guard_provider_roles(struct sh_guard *g, const struct guard_provider *p,
                            const json_t *values, struct guard_role **roles, uint32_t *n)
{
    bool fits = true;
    *n = 0;
    for (uint32_t i = 0; i < p->nroles; i++) {
        fits = add_role(g, p->roles[i], roles, n) && fits;
    }
    for (uint32_t i = 0; p->people == GUARD_PEOPLE_MAP && i < p->nmap; i++) {
        if (has_value(values, p->map[i].value)) {
            fits = add_role(g, p->map[i].role, roles, n) && fits;
        }
    }
    if (!fits) {
        return SH_E_LIMIT;
    }
    if (!guard_set(g)->outside_administrators &&
        (guard_roles_bits(roles, *n) & guard_administrator_powers()) != 0) {
        return SH_E_STATE;
    }
    return *n == 0 && p->people == GUARD_PEOPLE_MAP ? SH_E_DENIED : SH_OK;
}

/* All roles that it may ever give: are they there, and may `by` give them? Under lock. */
static sh_err may_set(struct sh_guard *g, const struct sh_guard_at *at,
                      const struct guard_provider *p, struct sh_diag *diag)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < p->nroles + p->nmap; i++) {
        const char *name = i < p->nroles ? p->roles[i] : p->map[i - p->nroles].role;
        const struct guard_role *r = guard_role_find(g, sh_str_c(name));
        if (r == NULL) {
            sh_diag_at(diag, i < p->nroles ? SH_STR("/roles") : SH_STR("/map"), 0);
            sh_diag_set(diag, "There is no role \"%s\".", name);
            sh_diag_remedy(diag, "GET roles lists them.");
            return SH_E_INVAL;
        }
        if (!guard_set(g)->outside_administrators &&
            (r->bits & guard_administrator_powers()) != 0) {
            sh_diag_at(diag, i < p->nroles ? SH_STR("/roles") : SH_STR("/map"), 0);
            sh_diag_set(diag, "The role %s administers: nobody gets that from a provider here.",
                        name);
            sh_diag_remedy(diag, "Give it to the person by hand, or set signin.administrators.");
            return SH_E_DENIED;
        }
        bits |= r->bits;
    }
    return guard_may_give(g, at->by, NULL, bits, p->tenant, diag);
}

/* ---- changing ---- */

/* Members that differ, for the audit chain. */
static sh_err detail_side(const json_t *of, const json_t *other, struct sh_jw *w)
{
    const char *key = NULL;
    json_t *value = NULL;
    sh_jw_obj(w);
    json_object_foreach((json_t *)(uintptr_t)of, key, value)
    {
        if (strcmp(key, "revision") != 0 && !json_equal(value, json_object_get(other, key))) {
            sh_jw_key(w, key);
            sh_jw_json(w, value);
        }
    }
    sh_jw_obj_end(w);
    return w->err;
}

static sh_err shown_as_json(struct sh_guard *g, const struct guard_provider *p, json_t **out)
{
    struct sh_buf text;
    struct sh_jw w;
    if (p == NULL) {
        *out = json_object();
        return *out == NULL ? SH_E_NOMEM : SH_OK;
    }
    sh_buf_init(&text, g->env->alloc, 2 * (size_t)GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    provider_write(g, p, &w);
    sh_err err = sh_jw_end(&w);
    err = err == SH_OK ? sh_json_parse(sh_buf_str(&text), text.n, out, NULL) : err;
    sh_buf_fini(&text);
    return err;
}

static sh_err detail_of(struct sh_guard *g, const struct guard_provider *old,
                        const struct guard_provider *form, struct sh_buf *out)
{
    struct sh_jw w;
    json_t *before = NULL;
    json_t *after = NULL;
    sh_err err = shown_as_json(g, old, &before);
    err = err == SH_OK ? shown_as_json(g, form, &after) : err;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    if (err == SH_OK && old != NULL) {
        sh_jw_key(&w, "before");
        err = detail_side(before, after, &w);
    }
    if (err == SH_OK && form != NULL) {
        sh_jw_key(&w, "after");
        err = detail_side(after, before, &w);
    }
    if (err == SH_OK && old != NULL && form != NULL && strcmp(old->secret, form->secret) != 0) {
        put_text(&w, "client_secret", "changed");
    }
    sh_jw_obj_end(&w);
    json_decref(before);
    json_decref(after);
    return err == SH_OK ? sh_jw_end(&w) : err;
}

/* form NULL: it goes. Under change, not lock; its sessions end when it is of no use any more. */
static sh_err commit(struct sh_guard *g, const struct sh_guard_at *at,
                     const struct guard_provider *old, const struct guard_provider *form)
{
    struct guard_batch b;
    struct sh_buf detail;
    const struct guard_provider *any = form != NULL ? form : old;
    char object[SH_PROVIDER_ID_MAX + 16];
    (void)guard_print(object, sizeof object, "provider:%s", any->id);
    guard_batch_init(g, &b);
    sh_buf_init(&detail, g->env->alloc, 2 * (size_t)GUARD_VALUE_MAX);
    sh_mutex_lock(&g->lock);
    sh_err err = form == NULL ? guard_batch_delete(&b, GUARD_PROVIDER, sh_str_c(old->id))
                              : provider_batch(g, &b, form);
    err = err == SH_OK ? detail_of(g, old, form, &detail) : err;
    if (err == SH_OK && old != NULL && (form == NULL || form->disabled)) {
        err = guard_outside_sessions_end(g, sh_str_c(old->id), &b);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        const struct sh_audit audit = {
            .by = at->by,
            .tenant = any->tenant,
            .act = old == NULL    ? SH_STR("provider.created")
                   : form == NULL ? SH_STR("provider.deleted")
                                  : SH_STR("provider.changed"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_buf_str(&detail),
            .peer = at->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    guard_batch_fini(&b);
    sh_buf_fini(&detail);
    return err;
}

/* Under change and lock: the state after it, in a new object. */
static sh_err plan(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id,
                   const json_t *body, enum sh_put_mode mode, uint64_t revision,
                   struct guard_provider **old, struct guard_provider **form, struct sh_diag *diag)
{
    *old = guard_provider_find(g, id);
    if (*old != NULL && (mode == SH_PUT_CREATE || (*old)->tenant != at->tenant)) {
        return mode == SH_PUT_CREATE ? SH_E_EXISTS : SH_E_NOTFOUND;
    }
    if (*old == NULL && mode == SH_PUT_REPLACE) {
        return SH_E_NOTFOUND;
    }
    if (*old == NULL && !id_ok(id)) {
        return bad(diag, "/id", "This can not be the id of a provider.",
                   "Use 1 to 32 small letters, digits and dashes.");
    }
    if (*old == NULL && g->providers.n >= SH_PROVIDERS_MAX) {
        sh_diag_set(diag, "There are %d providers already.", SH_PROVIDERS_MAX);
        return SH_E_LIMIT;
    }
    if (*old != NULL && revision != 0 && revision != (*old)->revision) {
        return SH_E_CONFLICT;
    }
    static const struct guard_provider fresh = {.disabled = false};
    *form = guard_provider_copy(g, *old == NULL ? &fresh : *old);
    if (*form == NULL) {
        return SH_E_NOMEM;
    }
    if (*old == NULL) {
        defaults(*form);
        (void)guard_copy((*form)->id, sizeof(*form)->id, id);
        (*form)->tenant = at->tenant;
        (*form)->created_us = guard_now(g);
    }
    if (!take(body, "client_secret", (*form)->secret, sizeof(*form)->secret)) {
        return bad(diag, "/client_secret", "The client secret is a text of at most 255 bytes.",
                   "Leave the member out to keep the one that is stored.");
    }
    SH_TRY(read_common(body, *form, diag));
    (*form)->revision = guard_next_revision(g);
    return may_set(g, at, *form, diag);
}

/* The place of a new one: by what lies there nobody comes in, until the commit. Under lock. */
static sh_err hold_place(struct sh_guard *g, const struct guard_provider *form,
                         struct guard_provider **out)
{
    struct guard_provider *p = guard_provider_copy(g, form);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->disabled = true;
    const sh_err err = sh_map_put(&g->providers, sh_str_c(p->id), p);
    if (err != SH_OK) {
        guard_provider_drop(g, p);
        return err;
    }
    *out = p;
    return SH_OK;
}

/* After the commit; can not fail. Under lock. */
static void apply(struct sh_guard *g, struct guard_provider *old, struct guard_provider *form)
{
    const sh_err err = sh_map_set(&g->providers, sh_str_c(form->id), form);
    SH_ASSERT(err == SH_OK); /* the key is there */
    guard_outside_sessions_drop(g, form->disabled ? sh_str_c(form->id) : SH_STR(""));
    guard_provider_drop(g, old);
    guard_refresh_all(g); /* whose word for a second factor is taken may have changed */
}

sh_err sh_guard_provider_put(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id,
                             const json_t *body, enum sh_put_mode mode, uint64_t revision,
                             struct sh_jw *w, struct sh_diag *diag)
{
    struct guard_provider *old = NULL;
    struct guard_provider *form = NULL;
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, at->tenant));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan(g, at, id, body, mode, revision, &old, &form, diag);
    const bool fresh = old == NULL;
    if (err == SH_OK && fresh) {
        err = hold_place(g, form, &old);
    }
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? commit(g, at, fresh ? NULL : old, form) : err;
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        apply(g, old, form);
        provider_write(g, form, w);
    } else {
        if (fresh && old != NULL) {
            (void)sh_map_del(&g->providers, id);
            guard_provider_drop(g, old);
        }
        guard_provider_drop(g, form);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err sh_guard_provider_delete(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id,
                                struct sh_diag *diag)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, at->tenant));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_provider *p = guard_provider_find(g, id);
    sh_err err = p == NULL || p->tenant != at->tenant ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && guard_identity_used(g, id)) {
        sh_diag_set(diag, "People are linked to this provider.");
        sh_diag_remedy(diag, "Unlink them first, or disable the provider: nobody comes in by it "
                             "then.");
        err = SH_E_STATE;
    }
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? commit(g, at, p, NULL) : err;
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        guard_outside_sessions_drop(g, id);
        (void)sh_map_del(&g->providers, id);
        guard_provider_drop(g, p);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* ---- reading out ---- */

static int by_id(const void *a, const void *b)
{
    const struct guard_provider *const *x = a;
    const struct guard_provider *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

/* Those of a tenant, by id. Under lock. */
static size_t of_tenant(struct sh_guard *g, uint32_t tenant,
                        const struct guard_provider *out[SH_PROVIDERS_MAX + 1])
{
    size_t it = 0;
    size_t n = 0;
    struct sh_str key;
    void *v = NULL;
    while (n <= SH_PROVIDERS_MAX && sh_map_next(&g->providers, &it, &key, &v)) {
        const struct guard_provider *p = v;
        if (p->tenant == tenant) {
            out[n++] = p;
        }
    }
    qsort(out, n, sizeof out[0], by_id);
    return n;
}

sh_err sh_guard_providers_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_jw *w)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1];
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_READ, at->tenant));
    sh_mutex_lock(&g->lock);
    const size_t n = of_tenant(g, at->tenant, list);
    for (size_t i = 0; i < n; i++) {
        provider_write(g, list[i], w);
    }
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}

sh_err sh_guard_provider_get(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str id,
                             struct sh_jw *w, uint64_t *revision)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_READ, at->tenant));
    sh_mutex_lock(&g->lock);
    const struct guard_provider *p = guard_provider_find(g, id);
    const bool there = p != NULL && p->tenant == at->tenant;
    if (there) {
        provider_write(g, p, w);
        *revision = p->revision;
    }
    sh_mutex_unlock(&g->lock);
    return there ? SH_OK : SH_E_NOTFOUND;
}

void sh_guard_doors_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1];
    sh_mutex_lock(&g->lock);
    const struct guard_tenant *t = guard_tenant_by_path(g, tenant);
    const size_t n = t == NULL ? 0 : of_tenant(g, t->id, list);
    for (size_t i = 0; i < n; i++) {
        if (!list[i]->disabled) {
            sh_jw_obj(w);
            put_text(w, "id", list[i]->id);
            put_text(w, "zh", list[i]->zh);
            put_text(w, "en", list[i]->en);
            sh_jw_obj_end(w);
        }
    }
    sh_mutex_unlock(&g->lock);
}
