/* What the API's routes call: one shape for people, roles, tokens and tenants.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "guard_int.h"

sh_err sh_guard_put(struct sh_guard *g, const struct sh_guard_at *at, enum sh_guard_noun noun,
                    struct sh_str name, const json_t *body, enum sh_put_mode mode,
                    uint64_t revision, struct sh_jw *w, struct sh_diag *diag)
{
    const struct guard_put_args a = {at, name, body, mode, revision, w, diag};
    if (!json_is_object(body)) {
        sh_diag_set(diag, "The body must be a JSON object.");
        return SH_E_INVAL;
    }
    if (guard_tenant_at(g, at->tenant) == NULL) {
        return SH_E_NOTFOUND;
    }
    switch (noun) {
    case SH_GUARD_PEOPLE:
        return guard_person_put(g, &a);
    case SH_GUARD_ROLES:
        return guard_role_put(g, &a);
    case SH_GUARD_TOKENS:
        return guard_token_put(g, &a);
    case SH_GUARD_TENANTS:
        return guard_tenant_put(g, &a);
    }
    return SH_E_INVAL;
}

sh_err sh_guard_delete(struct sh_guard *g, const struct sh_guard_at *at, enum sh_guard_noun noun,
                       struct sh_str name, struct sh_diag *diag)
{
    const struct guard_put_args a = {.at = at, .name = name, .diag = diag};
    switch (noun) {
    case SH_GUARD_PEOPLE:
        return guard_person_delete(g, &a);
    case SH_GUARD_ROLES:
        return guard_role_delete(g, &a);
    case SH_GUARD_TOKENS:
        return guard_token_delete(g, &a);
    case SH_GUARD_TENANTS:
        sh_diag_set(diag, "A tenant is never deleted: its id lives on in data.");
        sh_diag_remedy(diag, "Disable it.");
        return SH_E_UNSUPPORTED;
    }
    return SH_E_INVAL;
}

static const enum sh_permission read_permission[] = {
    [SH_GUARD_PEOPLE] = SH_PERM_PEOPLE_READ,
    [SH_GUARD_ROLES] = SH_PERM_ROLES_READ,
    [SH_GUARD_TOKENS] = SH_PERM_TOKENS_READ,
    [SH_GUARD_TENANTS] = SH_PERM_TENANTS_READ,
};

/* One thing of any noun. */
struct thing {
    enum sh_guard_noun noun;
    const void *p;
};

static struct sh_str thing_name(const struct thing *t)
{
    switch (t->noun) {
    case SH_GUARD_PEOPLE:
        return sh_str_c(((const struct guard_person *)t->p)->name);
    case SH_GUARD_ROLES:
        return sh_str_c(((const struct guard_role *)t->p)->name);
    case SH_GUARD_TOKENS:
        return sh_str_c(((const struct guard_token *)t->p)->id);
    case SH_GUARD_TENANTS:
        return sh_str_c(((const struct guard_tenant *)t->p)->path);
    }
    return SH_STR("");
}

static struct sh_str thing_shown(const struct thing *t)
{
    return t->noun == SH_GUARD_TOKENS ? sh_str_c(((const struct guard_token *)t->p)->name)
                                      : thing_name(t);
}

/* Under lock. */
static void thing_write(struct sh_guard *g, const struct thing *t, struct sh_jw *w)
{
    switch (t->noun) {
    case SH_GUARD_PEOPLE:
        guard_person_write(g, t->p, w);
        break;
    case SH_GUARD_ROLES:
        guard_role_write(t->p, w);
        break;
    case SH_GUARD_TOKENS:
        guard_token_write(g, t->p, NULL, w);
        break;
    case SH_GUARD_TENANTS:
        guard_tenant_write(t->p, w);
        break;
    }
}

/* People and tokens of exactly that tenant; tenants at and below it; roles of the node. */
static bool thing_there(const struct sh_guard *g, const struct thing *t, uint32_t tenant)
{
    switch (t->noun) {
    case SH_GUARD_PEOPLE:
        return ((const struct guard_person *)t->p)->tenant == tenant;
    case SH_GUARD_TOKENS:
        return ((const struct guard_token *)t->p)->tenant == tenant;
    case SH_GUARD_TENANTS: {
        const struct guard_tenant *x = t->p;
        return x->id != 0 && sh_guard_tenant_within(g, x->id, tenant);
    }
    case SH_GUARD_ROLES:
        return true;
    }
    return false;
}

static const struct sh_map *map_of(const struct sh_guard *g, enum sh_guard_noun noun)
{
    switch (noun) {
    case SH_GUARD_PEOPLE:
        return &g->people;
    case SH_GUARD_ROLES:
        return &g->roles;
    case SH_GUARD_TOKENS:
        return &g->tokens;
    case SH_GUARD_TENANTS:
        return &g->tenant_by_path;
    }
    return &g->roles;
}

static uint64_t thing_revision(const struct thing *t)
{
    switch (t->noun) {
    case SH_GUARD_PEOPLE:
        return ((const struct guard_person *)t->p)->revision;
    case SH_GUARD_ROLES:
        return ((const struct guard_role *)t->p)->revision;
    case SH_GUARD_TENANTS:
        return ((const struct guard_tenant *)t->p)->revision;
    case SH_GUARD_TOKENS:
        return 1;
    }
    return 0;
}

sh_err sh_guard_get(struct sh_guard *g, const struct sh_guard_at *at, enum sh_guard_noun noun,
                    struct sh_str name, struct sh_jw *w, uint64_t *revision)
{
    SH_TRY(sh_guard_check(g, at->by, read_permission[noun], at->tenant));
    sh_mutex_lock(&g->lock);
    struct thing t = {.noun = noun};
    t.p = noun == SH_GUARD_PEOPLE ? guard_person_find(g, at->tenant, name)
                                  : sh_map_get(map_of(g, noun), name);
    const bool there = t.p != NULL && thing_there(g, &t, at->tenant);
    if (there) {
        thing_write(g, &t, w);
        if (revision != NULL) {
            *revision = thing_revision(&t);
        }
    }
    sh_mutex_unlock(&g->lock);
    return there ? SH_OK : SH_E_NOTFOUND;
}

static bool contains(struct sh_str text, struct sh_str part)
{
    for (size_t i = 0; i + part.n <= text.n; i++) {
        if (part.n == 0 || sh_str_ieq(sh_str_sub(text, i, i + part.n), part)) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return sh_str_cmp(thing_name(a), thing_name(b));
}

/* Collects what matches into a sorted array. Under lock. */
static sh_err collect(struct sh_guard *g, uint32_t tenant, enum sh_guard_noun noun,
                      struct sh_str find, struct thing **out, size_t *n)
{
    const struct sh_map *m = map_of(g, noun);
    struct thing *all = sh_mem_array(g->env->alloc, m->n + 1, sizeof *all);
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    if (all == NULL) {
        return SH_E_NOMEM;
    }
    *n = 0;
    while (sh_map_next(m, &it, &key, &v)) {
        const struct thing t = {noun, v};
        if (thing_there(g, &t, tenant) && contains(thing_shown(&t), find)) {
            all[(*n)++] = t;
        }
    }
    qsort(all, *n, sizeof *all, by_name);
    *out = all;
    return SH_OK;
}

sh_err sh_guard_list(struct sh_guard *g, const struct sh_guard_at *at, enum sh_guard_noun noun,
                     struct sh_guard_page *page, struct sh_jw *w)
{
    struct thing *all = NULL;
    size_t n = 0;
    uint32_t written = 0;
    SH_TRY(sh_guard_check(g, at->by, read_permission[noun], at->tenant));
    const uint32_t limit = page->limit == 0 || page->limit > 1000 ? 50 : page->limit;
    page->more = false;
    page->next[0] = '\0';
    sh_mutex_lock(&g->lock);
    const sh_err err = collect(g, at->tenant, noun, page->find, &all, &n);
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        const struct sh_str name = thing_name(&all[i]);
        if (page->cursor.n > 0 && sh_str_cmp(name, page->cursor) <= 0) {
            continue;
        }
        if (written == limit) {
            page->more = true;
            break;
        }
        thing_write(g, &all[i], w);
        (void)guard_copy(page->next, sizeof page->next, name);
        written++;
    }
    sh_mutex_unlock(&g->lock);
    page->total = n;
    sh_mem_free(g->env->alloc, all);
    return err;
}

static void write_person_user(struct sh_guard *g, const struct guard_person *p, struct sh_jw *w)
{
    const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
    char id[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2] = "";
    if (guard_person_label(g, p, id, sizeof id) != SH_OK) {
        id[0] = '\0';
    }
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_c(w, id);
    sh_jw_key(w, "name");
    sh_jw_c(w, p->name);
    sh_jw_key(w, "display");
    sh_jw_c(w, p->display);
    sh_jw_key(w, "tenant");
    sh_jw_c(w, t == NULL ? "" : t->path);
    sh_jw_key(w, "roles");
    guard_roles_write(p->roles, p->nroles, w);
    sh_jw_key(w, "grants");
    guard_grants_write(g, p, false, w);
    sh_jw_key(w, "language");
    sh_jw_c(w, p->language);
    sh_jw_obj_end(w);
}

sh_err sh_guard_write_user(struct sh_guard *g, const struct sh_principal *p, struct sh_jw *w)
{
    sh_err err = SH_E_NOTFOUND;
    sh_mutex_lock(&g->lock);
    const struct guard_subject *s = guard_subject_at(g, p->slot);
    if (s != NULL && s->kind == SH_PRINCIPAL_PERSON &&
        atomic_load(&s->generation) == p->generation) {
        const struct guard_session *session = s->owner;
        write_person_user(g, s->session ? session->person : s->owner, w);
        err = SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    return err;
}
