/* The three administrators of 等保 2.0 (GB/T 22239-2019, 8.1.5): who runs the node, who gives
 * rights, and who reads the audit chain are different people. One act turns the first administrator
 * into the three and disables him; from then on nobody is given the powers of two of them. The
 * security administrator gives rights that he does not hold (rights.grant), never to himself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { GROUPS = 3 };

static const struct {
    const char *member; /* of the request */
    const char *role;
    enum sh_permission powers[4];
} groups[GROUPS] = {
    {"system",
     "system_administrator",
     {SH_PERM_CONFIG_WRITE, SH_PERM_TENANTS_WRITE, SH_PERM_BACKUP_RUN, SH_PERM_BACKUP_RUN}},
    {"security",
     "security_administrator",
     {SH_PERM_PEOPLE_WRITE, SH_PERM_ROLES_WRITE, SH_PERM_RIGHTS_GRANT, SH_PERM_CONFIG_SECURITY}},
    {"audit",
     "auditor",
     {SH_PERM_AUDIT_READ, SH_PERM_AUDIT_READ, SH_PERM_AUDIT_READ, SH_PERM_AUDIT_READ}},
};

static uint64_t powers(size_t group)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof groups[0].powers / sizeof groups[0].powers[0]; i++) {
        bits |= sh_permission_bit(groups[group].powers[i]);
    }
    return bits;
}

uint64_t guard_administrator_powers(void)
{
    return powers(0) | powers(1) | powers(2);
}

bool guard_separation_ok(uint64_t bits)
{
    unsigned n = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        n += (bits & powers(i)) != 0 ? 1 : 0;
    }
    return n <= 1;
}

static uint64_t bits_of(const struct guard_person *p)
{
    return p->disabled ? 0 : guard_person_bits(p);
}

/* Somebody else in the root tenant who has these powers. Under lock. */
static bool another_has(const struct sh_guard *g, const struct guard_person *p, uint64_t bits)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *o = v;
        if (o != p && o->tenant == SH_TENANT_ROOT && (bits_of(o) & bits) != 0) {
            return true;
        }
    }
    return false;
}

sh_err guard_separation_check(const struct sh_guard *g, const struct guard_person *old,
                              const struct guard_person *form, struct sh_diag *diag)
{
    if (!g->separated) {
        return SH_OK;
    }
    if (!guard_separation_ok(bits_of(form))) {
        sh_diag_at(diag, SH_STR("/roles"), 0);
        sh_diag_set(diag, "System, security and audit administration are separated here: one "
                          "person has the powers of one of them only.");
        sh_diag_remedy(diag, "Give the other role to another person.");
        return SH_E_STATE;
    }
    for (size_t i = 0; old != NULL && old->tenant == SH_TENANT_ROOT && i < GROUPS; i++) {
        if ((bits_of(old) & powers(i)) != 0 && (bits_of(form) & powers(i)) == 0 &&
            !another_has(g, old, powers(i))) {
            sh_diag_set(diag, "This is the last %s administrator.", groups[i].member);
            sh_diag_remedy(diag, "Give that role to another person first.");
            return SH_E_STATE;
        }
    }
    return SH_OK;
}

sh_err guard_separation_role(const struct sh_guard *g, const struct guard_role *old,
                             const struct guard_role *form, struct sh_diag *diag)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    bool good = !g->separated || guard_separation_ok(form->bits);
    while (g->separated && good && sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *p = v;
        uint64_t bits = 0;
        bool has = false;
        for (uint32_t i = 0; i < p->nroles; i++) {
            has = has || p->roles[i] == old;
            bits |= p->roles[i] == old ? form->bits : p->roles[i]->bits;
        }
        for (uint32_t i = 0; i < p->ngrants; i++) {
            has = has || p->grants[i].role == old;
            bits |= p->grants[i].role == old ? form->bits : p->grants[i].role->bits;
        }
        good = p->disabled || !has || guard_separation_ok(bits);
    }
    if (!good) {
        sh_diag_at(diag, SH_STR("/permissions"), 0);
        sh_diag_set(diag, "With this, somebody would have the powers of two of the three "
                          "administrators.");
        sh_diag_remedy(diag, "Make two roles and give them to two people.");
    }
    return good ? SH_OK : SH_E_STATE;
}

/* ---- the act ---- */

struct separating {
    struct guard_person form[GROUPS];
    struct guard_person *made[GROUPS];
    struct guard_person *first; /* who does it, and is disabled by it */
    struct guard_person first_form;
};

/* Somebody or something besides `first` has the powers of two. Under lock. */
static sh_err others_ok(const struct sh_guard *g, const struct guard_person *first,
                        struct sh_diag *diag)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *p = v;
        if (p != first && !guard_separation_ok(bits_of(p))) {
            sh_diag_set(diag, "%s has the powers of more than one of the three as well.", p->name);
            sh_diag_remedy(diag, "Disable that person or take roles away first.");
            return SH_E_STATE;
        }
    }
    it = 0;
    while (sh_map_next(&g->tokens, &it, &key, &v)) {
        const struct guard_token *t = v;
        if (!guard_separation_ok(guard_roles_bits(t->roles, t->nroles) | t->extra)) {
            sh_diag_set(diag, "The API token %s has the powers of more than one of the three.",
                        t->name);
            sh_diag_remedy(diag, "Revoke it first.");
            return SH_E_STATE;
        }
    }
    return SH_OK;
}

/* Reads and hashes what is asked for; no locks. */
static sh_err read_forms(struct sh_guard *g, const json_t *body, struct separating *s,
                         struct sh_diag *diag)
{
    for (size_t i = 0; i < GROUPS; i++) {
        const json_t *o = json_object_get(body, groups[i].member);
        const struct sh_str name = sh_json_get_str(o, "name");
        const struct sh_str password = sh_json_get_str(o, "password");
        struct guard_person *f = &s->form[i];
        char phc[SH_PHC_CHARS];
        *f = (struct guard_person){
            .tenant = SH_TENANT_ROOT, .created_us = guard_now(g), .language = "zh", .nroles = 1};
        bool good = guard_name_ok(name) && guard_copy(f->name, sizeof f->name, name) &&
                    guard_copy(f->display, sizeof f->display, sh_json_get_str(o, "display"));
        for (size_t k = 0; k < i; k++) {
            good = good && strcmp(s->form[k].name, f->name) != 0;
        }
        if (!good) {
            sh_diag_at(diag, sh_str_c(groups[i].member), 0);
            sh_diag_set(diag, "Three names of new people are needed: system, security and audit, "
                              "each with name and password.");
            return SH_E_INVAL;
        }
        SH_TRY(guard_password_policy(g, password, name, diag));
        SH_TRY(guard_password_hash(g, password, phc));
        guard_password_set(g, f, phc);
        f->must_change = true; /* who typed it is not who will use it */
    }
    return SH_OK;
}

/* Under change and lock. */
static sh_err plan(struct sh_guard *g, const struct sh_guard_at *at, struct separating *s,
                   struct guard_batch *b, struct sh_diag *diag)
{
    const uint64_t all = sh_builtin_role_bits(SH_STR("administrator"));
    struct guard_session *own = guard_session_of(g, at->by);
    if (g->separated) {
        sh_diag_set(diag, "The three administrators are separated already.");
        return SH_E_STATE;
    }
    if (own == NULL || own->person->tenant != SH_TENANT_ROOT ||
        (guard_subject_lasting(g, at->by, SH_TENANT_ROOT) & all) != all) {
        sh_diag_set(diag, "Only an administrator of the root tenant, signed in, can do this.");
        return SH_E_DENIED;
    }
    s->first = own->person;
    SH_TRY(others_ok(g, s->first, diag));
    for (size_t i = 0; i < GROUPS; i++) {
        struct guard_person *f = &s->form[i];
        if (guard_person_find(g, SH_TENANT_ROOT, sh_str_c(f->name)) != NULL) {
            sh_diag_set(diag, "There is a person %s already.", f->name);
            sh_diag_remedy(diag, "Take new names: the three begin without a past.");
            return SH_E_EXISTS;
        }
        f->roles[0] = guard_role_find(g, sh_str_c(groups[i].role));
        f->revision = guard_next_revision(g);
        SH_TRY(guard_person_batch(g, b, f));
    }
    s->first_form = *s->first;
    s->first_form.disabled = true;
    s->first_form.revision = guard_next_revision(g);
    SH_TRY(guard_person_batch(g, b, &s->first_form));
    SH_TRY(guard_sessions_end(g, s->first, NULL, b));
    SH_TRY(guard_batch_put(b, GUARD_META, SH_STR("separated"), SH_STR("{\"separated\":true}")));
    for (size_t i = 0; i < GROUPS; i++) { /* in memory, disabled until the commit */
        struct guard_person hidden = s->form[i];
        hidden.disabled = true;
        SH_TRY(guard_person_new(g, &hidden, &s->made[i]));
    }
    return SH_OK;
}

/* After the commit; can not fail. Under lock. */
static void apply(struct sh_guard *g, struct separating *s)
{
    for (size_t i = 0; i < GROUPS; i++) {
        const uint32_t slot = s->made[i]->slot;
        *s->made[i] = s->form[i];
        s->made[i]->slot = slot;
    }
    guard_sessions_drop(g, s->first, NULL);
    guard_subject_renew(g, s->first->slot);
    s->first_form.slot = s->first->slot;
    *s->first = s->first_form;
    g->separated = true;
    guard_refresh_all(g);
}

static sh_err commit(struct sh_guard *g, const struct sh_guard_at *at, const struct separating *s,
                     struct guard_batch *b)
{
    char detail[3 * SH_NAME_MAX + 64];
    (void)guard_print(detail, sizeof detail, "system %s, security %s, audit %s", s->form[0].name,
                      s->form[1].name, s->form[2].name);
    const struct sh_audit audit = {
        .by = at->by,
        .tenant = SH_TENANT_ROOT,
        .act = SH_STR("administrators.separated"),
        .object = SH_STR("node"),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
        .peer = at->peer,
    };
    return guard_commit(g, b, &audit);
}

sh_err sh_guard_separate(struct sh_guard *g, const struct sh_guard_at *at, const json_t *body,
                         struct sh_diag *diag)
{
    struct guard_batch b;
    struct separating *s = sh_mem_new(g->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, SH_TENANT_ROOT);
    err = err == SH_OK ? read_forms(g, body, s, diag) : err;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    err = err == SH_OK ? plan(g, at, s, &b, diag) : err;
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? commit(g, at, s, &b) : err;
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        apply(g, s);
    } else {
        for (size_t i = 0; i < GROUPS && s->made[i] != NULL; i++) {
            guard_person_drop(g, s->made[i]);
        }
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    sh_crypto_wipe(s, sizeof *s);
    sh_mem_free(g->env->alloc, s);
    return err;
}

sh_err sh_guard_separation_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_jw *w)
{
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_READ, SH_TENANT_ROOT));
    sh_mutex_lock(&g->lock);
    sh_jw_key(w, "separated");
    sh_jw_bool(w, g->separated);
    for (size_t i = 0; i < GROUPS; i++) {
        size_t it = 0;
        struct sh_str key;
        void *v = NULL;
        sh_jw_key(w, groups[i].member);
        sh_jw_arr(w);
        while (sh_map_next(&g->people, &it, &key, &v)) {
            const struct guard_person *p = v;
            if (p->tenant == SH_TENANT_ROOT && (bits_of(p) & powers(i)) != 0) {
                sh_jw_c(w, p->name);
            }
        }
        sh_jw_arr_end(w);
    }
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}
