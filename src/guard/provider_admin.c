/* provider_admin.c - who may change providers of sign-in, and what they may give.
 *
 * The rule of roles: what a provider gives to whom it lets in, whoever sets it up must be able to
 * give himself (guard_may_give), and none of it may hold the powers of the three administrators
 * unless `signin.administrators` says so; that is looked at again at each sign-in, because a role
 * may have got more since.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/ldap.h>
#include <stdlib.h>

#include "guard_int.h"

enum { DETAIL_TEXT_MAX = 512 };

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
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

/* Groups of a directory are names, which have no case. */
static bool same_value(const struct guard_provider *p, const char *a, const char *b)
{
    return p->kind == GUARD_LDAP ? sh_ldap_dn_same(sh_str_c(a), sh_str_c(b)) : strcmp(a, b) == 0;
}

static bool has_value(const struct guard_provider *p, const json_t *values, const char *value)
{
    if (json_is_string(values)) {
        return same_value(p, json_string_value(values), value);
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *s = json_string_value(json_array_get(values, i));
        if (s != NULL && same_value(p, s, value)) {
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
        if (has_value(p, values, p->map[i].value)) {
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
    struct guard_worth worth = {0, 0};
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
        worth.bits |= r->bits;
        worth.clear |= guard_role_clear(r);
    }
    return guard_may_give(g, at->by, NULL, worth, p->tenant, diag);
}

/* ---- changing ---- */

/* Of certificates and lists the prints alone. */
static void detail_prints(const json_t *list, struct sh_jw *w)
{
    sh_jw_arr(w);
    for (size_t i = 0; i < json_array_size(list); i++) {
        sh_jw_str(w, sh_json_get_str(json_array_get(list, i), "sha256"));
    }
    sh_jw_arr_end(w);
}

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
            if (json_is_array(value) &&
                json_object_get(json_array_get(value, 0), "sha256") != NULL) {
                detail_prints(value, w);
            } else if (json_string_length(value) > DETAIL_TEXT_MAX) { /* a certificate */
                sh_jw_c(w, "...");
            } else {
                sh_jw_json(w, value);
            }
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
    sh_buf_init(&text, g->env->alloc, GUARD_PROVIDER_TEXT_MAX);
    sh_jw_init(&w, &text);
    guard_provider_write(g, p, &w);
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
        put_text(&w, form->kind == GUARD_LDAP ? "bind_password" : "client_secret", "changed");
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
    sh_err err = form == NULL ? guard_batch_delete(&b, GUARD_PROVIDER, sh_str_c(any->id))
                              : guard_provider_batch(g, &b, form);
    err = err == SH_OK ? detail_of(g, old, form, &detail) : err;
    if (err == SH_OK && (form == NULL || form->disabled)) {
        err = guard_outside_sessions_end(g, sh_str_c(any->id), &b);
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

/* A sign-in asks each directory of its tenant: there are few. Under lock. */
static sh_err room_for(struct sh_guard *g, const struct guard_provider *form, struct sh_diag *diag)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1] = {NULL};
    const size_t n = guard_providers_of(g, form->tenant, list, SH_PROVIDERS_MAX + 1);
    size_t others = 0;
    for (size_t i = 0; i < n; i++) {
        others +=
            list[i]->kind == GUARD_LDAP && !list[i]->disabled && strcmp(list[i]->id, form->id) != 0
                ? 1
                : 0;
    }
    if (form->kind == GUARD_LDAP && !form->disabled && others >= SH_DIRECTORIES_TENANT) {
        sh_diag_set(diag, "A tenant has at most %d directories in use.", SH_DIRECTORIES_TENANT);
        return SH_E_LIMIT;
    }
    if (form->kind == GUARD_LDAP && form->ldap.bind_dn[0] != '\0' && form->secret[0] == '\0') {
        return guard_provider_bad(diag, "/bind_password",
                                  "The account that searches (bind_dn) needs a password.",
                                  "A bind without one is anonymous, whatever name it says.");
    }
    return SH_OK;
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
    if (*old == NULL && !guard_provider_id_ok(id)) {
        return guard_provider_bad(diag, "/id", "This can not be the id of a provider.",
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
        if (!guard_provider_kind_of(body, &(*form)->kind)) {
            return guard_provider_bad(diag, "/kind", "kind is oidc, ldap or certificate.",
                                      "Left out: oidc.");
        }
        guard_provider_defaults(*form);
        (void)guard_copy((*form)->id, sizeof(*form)->id, id);
        (*form)->tenant = at->tenant;
        (*form)->created_us = guard_now(g);
    }
    if ((*form)->kind != GUARD_CERTIFICATE &&
        !guard_take_text(body, (*form)->kind == GUARD_LDAP ? "bind_password" : "client_secret",
                         (*form)->secret, sizeof(*form)->secret)) {
        return guard_provider_bad(diag, "/client_secret",
                                  "The secret is a text of at most 255 bytes.",
                                  "Leave the member out to keep the one that is stored.");
    }
    SH_TRY(guard_provider_read(g, body, *form, diag));
    SH_TRY(room_for(g, *form, diag));
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
        guard_provider_write(g, form, w);
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

size_t guard_providers_of(struct sh_guard *g, uint32_t tenant, const struct guard_provider **out,
                          size_t cap)
{
    size_t it = 0;
    size_t n = 0;
    struct sh_str key;
    void *v = NULL;
    while (n < cap && sh_map_next(&g->providers, &it, &key, &v)) {
        const struct guard_provider *p = v;
        if (p->tenant == tenant) {
            out[n++] = p;
        }
    }
    qsort(out, n, sizeof(void *), by_id);
    return n;
}

sh_err sh_guard_providers_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_jw *w)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1] = {NULL};
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_READ, at->tenant));
    sh_mutex_lock(&g->lock);
    const size_t n = guard_providers_of(g, at->tenant, list, SH_PROVIDERS_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        guard_provider_write(g, list[i], w);
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
        guard_provider_write(g, p, w);
        *revision = p->revision;
    }
    sh_mutex_unlock(&g->lock);
    return there ? SH_OK : SH_E_NOTFOUND;
}

/* kind ldap: as directories, whose names are shown alone. */
static void doors(struct sh_guard *g, struct sh_str tenant, enum guard_provider_kind kind,
                  struct sh_jw *w)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1] = {NULL};
    sh_mutex_lock(&g->lock);
    const struct guard_tenant *t = guard_tenant_by_path(g, tenant);
    const bool open = t != NULL && !atomic_load(&t->off);
    const size_t n = open ? guard_providers_of(g, t->id, list, SH_PROVIDERS_MAX + 1) : 0;
    for (size_t i = 0; i < n; i++) {
        if (!list[i]->disabled && list[i]->kind == kind) {
            sh_jw_obj(w);
            put_text(w, "id", list[i]->id);
            put_text(w, "zh", list[i]->zh);
            put_text(w, "en", list[i]->en);
            sh_jw_obj_end(w);
        }
    }
    sh_mutex_unlock(&g->lock);
}

void sh_guard_doors_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w)
{
    doors(g, tenant, GUARD_OIDC, w);
}

void sh_guard_directories_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w)
{
    doors(g, tenant, GUARD_LDAP, w);
}

void sh_guard_cert_doors_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w)
{
    doors(g, tenant, GUARD_CERTIFICATE, w);
}
