/* Roles: named sets of permissions. The builtin ones are always there and never change; others are
 * data of the node (root tenant). A role that somebody has can not be deleted, so pointers to roles
 * stay good.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

struct guard_role *guard_role_find(struct sh_guard *g, struct sh_str name)
{
    return sh_map_get(&g->roles, name);
}

static sh_err role_new(struct sh_guard *g, struct sh_str name, struct guard_role **out)
{
    struct guard_role *r = sh_mem_new(g->env->alloc, sizeof *r);
    if (r == NULL) {
        return SH_E_NOMEM;
    }
    (void)guard_copy(r->name, sizeof r->name, name);
    const sh_err err = sh_map_put(&g->roles, name, r);
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, r);
        return err;
    }
    *out = r;
    return SH_OK;
}

sh_err guard_roles_init(struct sh_guard *g)
{
    for (const struct sh_builtin_role *b = sh_builtin_roles(); b->name != NULL; b++) {
        struct guard_role *r = NULL;
        SH_TRY(role_new(g, sh_str_c(b->name), &r));
        r->bits = sh_builtin_role_bits(sh_str_c(b->name));
        r->builtin = true;
    }
    return SH_OK;
}

uint64_t guard_roles_bits(struct guard_role *const *roles, uint32_t n)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < n; i++) {
        bits |= roles[i]->bits;
    }
    return bits;
}

uint64_t guard_roles_clear(struct guard_role *const *roles, uint32_t n)
{
    uint64_t clear = 0;
    for (uint32_t i = 0; i < n; i++) {
        clear |= guard_role_clear(roles[i]);
    }
    return clear;
}

void guard_roles_write(struct guard_role *const *roles, uint32_t n, struct sh_jw *w)
{
    sh_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        sh_jw_c(w, roles[i]->name);
    }
    sh_jw_arr_end(w);
}

sh_err guard_roles_read(struct sh_guard *g, const json_t *names,
                        struct guard_role *roles[GUARD_ROLES_MAX], uint32_t *n,
                        struct sh_diag *diag)
{
    sh_diag_at(diag, SH_STR("/roles"), 0);
    const size_t count = json_array_size(names);
    if (names != NULL && (!json_is_array(names) || count > GUARD_ROLES_MAX)) {
        sh_diag_set(diag, "roles must be an array of at most %d names.", GUARD_ROLES_MAX);
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *v = json_array_get(names, i);
        const struct sh_str name = {json_string_value(v), json_string_length(v)};
        struct guard_role *r = name.p == NULL ? NULL : guard_role_find(g, name);
        if (r == NULL) {
            sh_diag_set(diag, "There is no role \"%.*s\".", SH_PRI(name));
            sh_diag_remedy(diag, "GET roles lists them.");
            return SH_E_INVAL;
        }
        roles[i] = r;
    }
    *n = (uint32_t)count;
    return SH_OK;
}

/* Whom a handle means; NULL: no person. Under lock. */
static const struct guard_person *person_of(const struct sh_guard *g, const struct sh_principal *p)
{
    const struct guard_session *s = guard_session_of(g, p);
    return s != NULL ? s->person : guard_subject_owner(g, p, SH_PRINCIPAL_PERSON);
}

static bool may_give_all(const struct sh_guard *g, const struct sh_principal *by, uint32_t tenant)
{
    /* for good: who may give for a day would else give himself friends for ever */
    const bool lasts =
        (guard_subject_lasting(g, by, tenant) & sh_permission_bit(SH_PERM_RIGHTS_GRANT)) != 0;
    return lasts && sh_guard_check(g, by, SH_PERM_RIGHTS_GRANT, tenant) == SH_OK &&
           person_of(g, by) != NULL;
}

sh_err guard_may_give(const struct sh_guard *g, const struct sh_principal *by,
                      const struct guard_person *old, struct guard_worth worth, uint32_t tenant,
                      struct sh_diag *diag)
{
    if (may_give_all(g, by, tenant) && person_of(g, by) != old) {
        return SH_OK;
    }
    return guard_may_grant(g, by, worth, tenant, diag);
}

/* A role may be made of what one does not hold, if one does not have the role oneself. */
static sh_err may_define(const struct sh_guard *g, const struct sh_principal *by,
                         const struct guard_role *old, struct guard_worth worth,
                         struct sh_diag *diag)
{
    const struct guard_person *p = person_of(g, by);
    bool own = false;
    for (uint32_t i = 0; p != NULL && old != NULL && i < p->nroles; i++) {
        own = own || p->roles[i] == old;
    }
    for (uint32_t i = 0; p != NULL && old != NULL && i < p->ngrants; i++) {
        own = own || p->grants[i].role == old;
    }
    if (!own && may_give_all(g, by, SH_TENANT_ROOT)) {
        return SH_OK;
    }
    return guard_may_grant(g, by, worth, SH_TENANT_ROOT, diag);
}

sh_err guard_may_grant(const struct sh_guard *g, const struct sh_principal *by,
                       struct guard_worth worth, uint32_t tenant, struct sh_diag *diag)
{
    if (!sh_guard_tenant_within(g, tenant, by->tenant)) {
        sh_diag_set(diag, "This belongs to another tenant.");
        return SH_E_DENIED;
    }
    const uint64_t missing = worth.bits & ~guard_subject_lasting(g, by, tenant);
    for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
        if ((missing & sh_permission_bit((enum sh_permission)i)) != 0) {
            sh_diag_set(diag, "You do not hold the permission %s yourself.",
                        sh_permission_info((enum sh_permission)i)->name);
            sh_diag_remedy(diag, "Ask somebody who has it for good and for all of this tenant.");
            return SH_E_DENIED;
        }
    }
    return guard_may_show(g, by, worth.clear, tenant, diag);
}

/* ---- stored form and administration ---- */

void guard_role_write(const struct guard_role *r, struct sh_jw *w)
{
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_c(w, r->name);
    sh_jw_key(w, "permissions");
    sh_guard_write_permissions(r->bits, w);
    guard_clearance_write(r->clearance, w);
    sh_jw_key(w, "builtin");
    sh_jw_bool(w, r->builtin);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, r->revision);
    sh_jw_obj_end(w);
}

void sh_guard_write_permissions(uint64_t permissions, struct sh_jw *w)
{
    sh_jw_arr(w);
    for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
        if ((permissions & sh_permission_bit((enum sh_permission)i)) != 0) {
            sh_jw_c(w, sh_permission_info((enum sh_permission)i)->name);
        }
    }
    sh_jw_arr_end(w);
}

/* Names or patterns. strict: an unknown one is an error; else (a stored role of another version) it
 * is left out. */
static sh_err read_permissions(const json_t *list, bool strict, uint64_t *bits,
                               struct sh_diag *diag)
{
    *bits = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const struct sh_str name = {json_string_value(v), json_string_length(v)};
        const uint64_t add = name.p == NULL ? 0 : sh_permission_bits(name);
        if (add == 0 && strict) {
            sh_diag_at(diag, SH_STR("/permissions"), 0);
            sh_diag_set(diag, "There is no permission \"%.*s\".", SH_PRI(name));
            return SH_E_INVAL;
        }
        *bits |= add;
    }
    return SH_OK;
}

sh_err guard_permissions_read(const json_t *list, uint64_t *bits, struct sh_diag *diag)
{
    if (list != NULL && !json_is_array(list)) {
        sh_diag_at(diag, SH_STR("/permissions"), 0);
        sh_diag_set(diag, "permissions must be an array of names.");
        return SH_E_INVAL;
    }
    return read_permissions(list, true, bits, diag);
}

sh_err guard_role_load(struct sh_guard *g, const json_t *o)
{
    struct guard_role *r = NULL;
    uint64_t bits = 0;
    struct sh_data_class clearance;
    SH_TRY(read_permissions(json_object_get(o, "permissions"), false, &bits, NULL));
    if (guard_clearance_read(o, &clearance, NULL) != SH_OK) {
        return SH_E_CORRUPT; /* it would show more than it did */
    }
    SH_TRY(role_new(g, sh_json_get_str(o, "name"), &r));
    r->bits = bits;
    r->clearance = clearance;
    r->revision = (uint64_t)sh_json_get_i64(o, "revision", 0);
    g->revision = r->revision > g->revision ? r->revision : g->revision;
    return SH_OK;
}

static sh_err plan_role(struct sh_guard *g, const struct guard_put_args *a, struct guard_role *f)
{
    if (sh_guard_check(g, a->at->by, SH_PERM_ROLES_WRITE, SH_TENANT_ROOT) != SH_OK) {
        sh_diag_set(a->diag, "Roles are changed by who may write roles in the root tenant.");
        return SH_E_DENIED;
    }
    const struct guard_role *old = guard_role_find(g, a->name);
    if (!guard_name_ok(a->name)) {
        sh_diag_at(a->diag, SH_STR("/name"), 0);
        sh_diag_set(a->diag, "This can not be the name of a role.");
        return SH_E_INVAL;
    }
    if (old != NULL && (old->builtin || a->mode == SH_PUT_CREATE)) {
        sh_diag_set(a->diag, old->builtin ? "A builtin role never changes."
                                          : "There is such a role already.");
        sh_diag_remedy(a->diag, "Make a role of another name.");
        return old->builtin ? SH_E_STATE : SH_E_EXISTS;
    }
    if (old == NULL && a->mode == SH_PUT_REPLACE) {
        return SH_E_NOTFOUND;
    }
    if (old != NULL && a->revision != 0 && a->revision != old->revision) {
        return SH_E_CONFLICT;
    }
    SH_TRY(guard_permissions_read(json_object_get(a->body, "permissions"), &f->bits, a->diag));
    SH_TRY(guard_clearance_read(a->body, &f->clearance, a->diag));
    const struct guard_worth worth = {f->bits | (old == NULL ? 0 : old->bits),
                                      guard_role_clear(f) |
                                          (old == NULL ? 0 : guard_role_clear(old))};
    SH_TRY(may_define(g, a->at->by, old, worth, a->diag));
    SH_TRY(guard_separation_role(g, old, f, a->diag));
    (void)guard_copy(f->name, sizeof f->name, a->name);
    f->revision = guard_next_revision(g);
    return SH_OK;
}

static sh_err commit_role(struct sh_guard *g, const struct guard_put_args *a,
                          const struct guard_role *f, struct sh_str act)
{
    struct guard_batch b;
    struct sh_buf text;
    struct sh_jw w;
    guard_batch_init(g, &b);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_err err = SH_OK;
    if (f != NULL) {
        guard_role_write(f, &w);
        err = sh_jw_end(&w);
    }
    if (err == SH_OK) {
        err = f == NULL ? guard_batch_delete(&b, GUARD_ROLE, a->name)
                        : guard_batch_put(&b, GUARD_ROLE, a->name, sh_buf_str(&text));
    }
    if (err == SH_OK) {
        char object[SH_NAME_MAX + 16];
        (void)guard_print(object, sizeof object, "role:%.*s", SH_PRI(a->name));
        const struct sh_audit audit = {
            .by = a->at->by,
            .tenant = SH_TENANT_ROOT,
            .act = act,
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_buf_str(&text),
            .peer = a->at->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    sh_buf_fini(&text);
    guard_batch_fini(&b);
    return err;
}

sh_err guard_role_put(struct sh_guard *g, const struct guard_put_args *a)
{
    struct guard_role f = {0};
    struct guard_role *r = NULL;
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_role(g, a, &f);
    const bool fresh = err == SH_OK && guard_role_find(g, a->name) == NULL;
    if (err == SH_OK) {
        r = guard_role_find(g, a->name);
        err = fresh ? role_new(g, a->name, &r) : SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = commit_role(g, a, &f, fresh ? SH_STR("role.created") : SH_STR("role.changed"));
        sh_mutex_lock(&g->lock);
        if (err == SH_OK) {
            *r = f;
            guard_refresh_all(g);
            guard_role_write(r, a->w);
        } else if (fresh) {
            (void)sh_map_del(&g->roles, a->name);
            sh_mem_free(g->env->alloc, r);
        }
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

static bool has_role(struct guard_role *const *roles, uint32_t n, const struct guard_role *r)
{
    for (uint32_t i = 0; i < n; i++) {
        if (roles[i] == r) {
            return true;
        }
    }
    return false;
}

static bool role_in_use(struct sh_guard *g, const struct guard_role *r)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *p = v;
        if (has_role(p->roles, p->nroles, r)) {
            return true;
        }
        for (uint32_t i = 0; i < p->ngrants; i++) {
            if (p->grants[i].role == r) {
                return true;
            }
        }
    }
    it = 0;
    while (sh_map_next(&g->tokens, &it, &key, &v)) {
        const struct guard_token *t = v;
        if (has_role(t->roles, t->nroles, r)) {
            return true;
        }
    }
    return false;
}

sh_err guard_role_delete(struct sh_guard *g, const struct guard_put_args *a)
{
    sh_err err = sh_guard_check(g, a->at->by, SH_PERM_ROLES_WRITE, SH_TENANT_ROOT);
    if (err != SH_OK) {
        return err;
    }
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_role *r = guard_role_find(g, a->name);
    if (r == NULL) {
        err = SH_E_NOTFOUND;
    } else if (r->builtin || role_in_use(g, r)) {
        sh_diag_set(a->diag, r->builtin ? "A builtin role can not be deleted."
                                        : "Somebody still has this role.");
        err = SH_E_STATE;
    } else {
        err = may_define(g, a->at->by, r, (struct guard_worth){r->bits, guard_role_clear(r)},
                         a->diag);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = commit_role(g, a, NULL, SH_STR("role.deleted"));
    }
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        (void)sh_map_del(&g->roles, a->name);
        sh_mem_free(g->env->alloc, r);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* The refresh functions touch the person's or token's own slots. */
void guard_refresh_all(struct sh_guard *g)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        guard_person_refresh(g, v);
    }
    it = 0;
    while (sh_map_next(&g->tokens, &it, &key, &v)) {
        guard_token_refresh(g, v);
    }
    it = 0;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        const struct guard_session *s = v;
        guard_subject_set(g, s->slot,
                          atomic_load(&guard_subject_at(g, s->person->slot)->permissions),
                          atomic_load(&guard_subject_at(g, s->person->slot)->clear),
                          atomic_load(&guard_subject_at(g, s->slot)->expires_us));
        guard_subject_scopes(g, s->slot, s->person->scopes);
        guard_subject_must(g, s->slot, atomic_load(&guard_subject_at(g, s->person->slot)->must));
    }
}
