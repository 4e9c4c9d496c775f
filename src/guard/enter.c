/* enter.c - from what a provider has proved to one of our people and a session.
 * Whoever was linked comes as himself; who was not is made anew when the provider says so, and
 * never takes the place of somebody who happens to have the same name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* A claim by its name; a name with dots also as a path ("realm_access.roles"). */
static const json_t *claim_in(const json_t *o, struct sh_str name)
{
    char part[GUARD_CLAIM_MAX + 1];
    if (!guard_copy(part, sizeof part, name)) {
        return NULL;
    }
    const json_t *v = json_object_get(o, part);
    while (v == NULL && o != NULL && name.n > 0) {
        const struct sh_str head = sh_str_cut(name, '.', &name);
        if (!guard_copy(part, sizeof part, head)) {
            return NULL;
        }
        o = json_object_get(o, part);
        v = name.n == 0 ? o : NULL;
    }
    return v;
}

const json_t *guard_claim(const struct guard_entrant *e, const char *name)
{
    const json_t *v = claim_in(e->claims, sh_str_c(name));
    return v != NULL ? v : claim_in(e->more, sh_str_c(name));
}

static struct sh_str text_of(const json_t *v)
{
    return json_is_string(v) ? sh_str_of(json_string_value(v), json_string_length(v))
                             : sh_str_of("", 0);
}

static sh_err refuse(struct guard_entrant *e, const char *why, const char *english)
{
    e->why = why;
    sh_diag_set(&e->diag, "%s", english);
    return SH_E_DENIED;
}

/* ---- the roles ---- */

static sh_err give_roles(struct sh_guard *g, struct guard_entrant *e, struct guard_person *form)
{
    struct guard_role *roles[GUARD_ROLES_MAX];
    uint32_t n = 0;
    const sh_err err = guard_provider_roles(g, e->p, guard_claim(e, e->p->roles_claim), roles, &n);
    if (err == SH_E_DENIED) {
        return refuse(e, "no_role", "None of the person's groups is mapped to a role.");
    }
    if (err == SH_E_STATE) {
        return refuse(e, "administrator",
                      "The groups would give the powers of an administrator, which "
                      "signin.administrators refuses.");
    }
    if (err != SH_OK) {
        return refuse(e, "no_role", "The groups give more than 16 roles.");
    }
    for (uint32_t i = 0; i < n; i++) {
        form->roles[i] = roles[i];
    }
    form->nroles = n;
    return SH_OK;
}

/* ---- the person ---- */

static bool same_roles(const struct guard_person *a, const struct guard_person *b)
{
    bool same = a->nroles == b->nroles;
    for (uint32_t i = 0; same && i < a->nroles; i++) {
        same = a->roles[i] == b->roles[i];
    }
    return same;
}

/* A certificate whose field is a person's name: the latest one is what he is bound to. */
static void note_badge(struct guard_entrant *e, struct sh_str sub, struct guard_person *form,
                       bool *changed)
{
    struct guard_identity *id = NULL;
    for (uint32_t i = 0; id == NULL && i < form->nidentities; i++) {
        id = strcmp(form->identities[i].provider, e->p->id) == 0 ? &form->identities[i] : NULL;
    }
    if (id == NULL && form->nidentities < GUARD_IDENTITIES_MAX) {
        id = &form->identities[form->nidentities++];
        *id = (struct guard_identity){.named = false};
        (void)guard_copy(id->provider, sizeof id->provider, sh_str_c(e->p->id));
    }
    if (id != NULL && !sh_str_eqc(sub, id->subject)) {
        (void)guard_copy(id->subject, sizeof id->subject, sub);
        id->named = false;
        *changed = true;
    }
}

sh_err guard_entrant_by_name(struct sh_guard *g, struct guard_entrant *e, struct guard_person **out)
{
    const struct sh_str claimed = text_of(guard_claim(e, e->p->name_claim));
    const size_t at = sh_str_find(claimed, '@');
    const struct sh_str name = at == SIZE_MAX ? claimed : sh_str_sub(claimed, 0, at);
    struct guard_person *p = guard_name_ok(name) ? guard_person_find(g, e->p->tenant, name) : NULL;
    if (p != NULL && !guard_set(g)->outside_administrators &&
        (guard_person_bits(p) & guard_administrator_powers()) != 0) {
        return refuse(e, "administrator",
                      "The person administers: who is that by name alone, signin.administrators "
                      "refuses.");
    }
    *out = p;
    return SH_OK;
}

/* Somebody of ours: *changed when there is something to store. */
static sh_err plan_known(struct sh_guard *g, struct guard_entrant *e, struct sh_str sub,
                         struct guard_person_change *c, bool *changed)
{
    c->form = *c->old;
    if (c->old->disabled) {
        return refuse(e, "disabled", "The person is disabled here.");
    }
    for (uint32_t i = 0; i < c->form.nidentities; i++) {
        struct guard_identity *id = &c->form.identities[i];
        if (strcmp(id->provider, e->p->id) == 0 && id->named) {
            id->named = false;
            (void)guard_copy(id->subject, sizeof id->subject, sub); /* its length was checked */
            *changed = true;
        }
        if (strcmp(id->provider, e->p->id) == 0 && !sh_str_eqc(e->login, id->login)) {
            (void)guard_copy(id->login, sizeof id->login, e->login);
            *changed = true;
        }
    }
    if (e->by_name) {
        note_badge(e, sub, &c->form, changed);
    }
    if (e->p->people == GUARD_PEOPLE_MAP) {
        SH_TRY(give_roles(g, e, &c->form));
        *changed = *changed || !same_roles(c->old, &c->form);
    }
    c->act = SH_STR("person.changed");
    if (*changed) {
        c->form.revision = guard_next_revision(g);
        return guard_person_allowed(g, c->old, &c->form, &e->diag) == SH_OK
                   ? SH_OK
                   : refuse(e, "administrator",
                            "The roles would break a rule about administrators.");
    }
    return SH_OK;
}

static sh_err plan_new(struct sh_guard *g, struct guard_entrant *e, struct sh_str sub,
                       struct guard_person_change *c)
{
    const struct sh_str claimed = text_of(guard_claim(e, e->p->name_claim));
    const size_t at = sh_str_find(claimed, '@');
    const struct sh_str name = at == SIZE_MAX ? claimed : sh_str_sub(claimed, 0, at);
    const struct guard_tenant *t = guard_tenant_at(g, e->p->tenant);
    if (t == NULL || atomic_load(&t->off)) {
        return refuse(e, "disabled", "The tenant is disabled.");
    }
    if (!guard_name_ok(name)) {
        return refuse(e, "bad_name", "The claim that names the person is missing or no name here.");
    }
    if (guard_person_find(g, e->p->tenant, name) != NULL) {
        return refuse(e, "name_taken", "Somebody here has that name, and is not linked.");
    }
    c->form = (struct guard_person){
        .tenant = e->p->tenant, .created_us = guard_now(g), .language = "zh", .nidentities = 1};
    if (sh_str_starts(text_of(guard_claim(e, "locale")), SH_STR("en"))) {
        memcpy(c->form.language, "en", sizeof "en");
    }
    (void)guard_copy(c->form.name, sizeof c->form.name, name);
    const struct sh_str shown = text_of(guard_claim(e, "name"));
    if (sh_utf8_valid(shown)) {
        (void)guard_copy(c->form.display, sizeof c->form.display, shown);
    }
    (void)guard_copy(c->form.identities[0].provider, sizeof c->form.identities[0].provider,
                     sh_str_c(e->p->id));
    (void)guard_copy(c->form.identities[0].subject, sizeof c->form.identities[0].subject, sub);
    (void)guard_copy(c->form.identities[0].login, sizeof c->form.identities[0].login, e->login);
    SH_TRY(give_roles(g, e, &c->form));
    c->form.revision = guard_next_revision(g);
    c->act = SH_STR("person.created");
    return guard_person_allowed(g, NULL, &c->form, &e->diag) == SH_OK
               ? SH_OK
               : refuse(e, "administrator", "The roles would break a rule about administrators.");
}

/* Under change and lock. */
static sh_err plan(struct sh_guard *g, struct guard_entrant *e, struct guard_person_change *c,
                   bool *changed)
{
    const struct sh_str sub = text_of(guard_claim(e, "sub"));
    const struct sh_str name = text_of(guard_claim(e, e->p->name_claim));
    const struct sh_str id = sh_str_c(e->p->id);
    const struct guard_provider *now = guard_provider_find(g, id);
    if (now == NULL || now->disabled || now->revision != e->p->revision) {
        return refuse(e, "provider_off", "The provider was changed or disabled meanwhile.");
    }
    (void)guard_print(e->words, sizeof e->words, "provider %s, subject %.*s", e->p->id,
                      SH_PRI(sub));
    c->old = guard_identity_owner(g, id, sub, false);
    if (c->old == NULL && name.n > 0) {
        c->old = guard_identity_owner(g, id, name, true);
    }
    if (c->old == NULL && e->by_name) {
        SH_TRY(guard_entrant_by_name(g, e, &c->old));
    }
    if (c->old != NULL) {
        return plan_known(g, e, sub, c, changed);
    }
    if (e->p->people == GUARD_PEOPLE_LINKED) {
        return refuse(e, "not_linked", "Nobody here is linked to that person.");
    }
    *changed = true;
    return plan_new(g, e, sub, c);
}

sh_err guard_enter(struct sh_guard *g, struct guard_entrant *e)
{
    struct guard_person_change *c = sh_mem_new(g->env->alloc, sizeof *c);
    bool changed = false;
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->by = &g->system;
    c->peer = e->peer;
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan(g, e, c, &changed);
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK && changed ? guard_person_commit(g, c, NULL) : err;
    sh_mutex_unlock(&g->change);
    e->tenant = c->form.tenant;
    memcpy(e->name, c->form.name, sizeof e->name);
    if (err == SH_E_LIMIT) {
        err = refuse(e, "full", "There are as many people as this node takes.");
    }
    sh_mem_free(g->env->alloc, c);
    return err;
}

/* ---- the second factor ---- */

sh_err guard_enter_second(struct sh_guard *g, struct guard_entrant *e)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, e->tenant, sh_str_c(e->name));
    if (p == NULL || p->disabled) {
        err = refuse(e, "disabled", "The person is disabled here.");
    } else if (e->p->second && e->second) {
        err = SH_OK;
    } else if (guard_has_factor(p)) {
        err = SH_E_AGAIN;
    } else if (guard_factor_demanded(g, p) && guard_second_is_outside(g, p)) {
        err = refuse(e, "second_missing",
                     "The provider does not say that a second factor was "
                     "given (amr, acr), and the policy demands one.");
    }
    sh_mutex_unlock(&g->lock);
    return err;
}
