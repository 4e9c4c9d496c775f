/* People: stored form, policy, administration.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

struct sh_str guard_user_split(struct sh_str user, struct sh_str *tenant_path)
{
    const size_t at = sh_str_rfind(user, '@');
    if (at == SIZE_MAX) {
        *tenant_path = SH_STR("");
        return user;
    }
    *tenant_path = sh_str_sub(user, at + 1, user.n);
    return sh_str_sub(user, 0, at);
}

sh_err guard_person_key(char out[GUARD_KEY_MAX], uint32_t tenant, struct sh_str name)
{
    return guard_print(out, GUARD_KEY_MAX, "%u:%.*s", tenant, SH_PRI(name)) ? SH_OK : SH_E_INVAL;
}

struct guard_person *guard_person_find(struct sh_guard *g, uint32_t tenant, struct sh_str name)
{
    char key[GUARD_KEY_MAX];
    if (guard_person_key(key, tenant, name) != SH_OK) {
        return NULL;
    }
    return sh_map_get(&g->people, sh_str_c(key));
}

struct guard_person *guard_person_by_user(struct sh_guard *g, struct sh_str user)
{
    struct sh_str path;
    const struct sh_str name = guard_user_split(user, &path);
    const struct guard_tenant *t = guard_tenant_by_path(g, path);
    return t == NULL ? NULL : guard_person_find(g, t->id, name);
}

sh_err guard_person_label(struct sh_guard *g, const struct guard_person *p, char *out, size_t cap)
{
    const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
    const char *path = t == NULL ? "" : t->path;
    return guard_print(out, cap, "%s%s%s", p->name, path[0] == '\0' ? "" : "@", path) ? SH_OK
                                                                                      : SH_E_LIMIT;
}

void guard_person_refresh(struct sh_guard *g, struct guard_person *p)
{
    const uint8_t must = guard_person_must(g, p);
    const bool may = !p->disabled && must == 0;
    guard_subject_set(g, p->slot, may ? guard_roles_bits(p->roles, p->nroles) : 0,
                      may ? guard_roles_clear(p->roles, p->nroles) : 0, INT64_MAX);
    guard_grants_apply(g, p, may);
    guard_subject_must(g, p->slot, must);
}

/* ---- stored form ---- */

static void write_common(const struct guard_person *p, struct sh_jw *w)
{
    sh_jw_key(w, "name");
    sh_jw_c(w, p->name);
    sh_jw_key(w, "display");
    sh_jw_c(w, p->display);
    sh_jw_key(w, "roles");
    guard_roles_write(p->roles, p->nroles, w);
    sh_jw_key(w, "language");
    sh_jw_c(w, p->language);
    sh_jw_key(w, "disabled");
    sh_jw_bool(w, p->disabled);
    sh_jw_key(w, "must_change");
    sh_jw_bool(w, p->must_change);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, p->revision);
}

void guard_person_write(struct sh_guard *g, const struct guard_person *p, struct sh_jw *w)
{
    const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
    sh_jw_obj(w);
    write_common(p, w);
    sh_jw_key(w, "grants");
    guard_grants_write(g, p, false, w);
    sh_jw_key(w, "tenant");
    sh_jw_c(w, t == NULL ? "" : t->path);
    sh_jw_key(w, "second_factor");
    sh_jw_bool(w, guard_has_factor(p));
    sh_jw_key(w, "has_password");
    sh_jw_bool(w, p->phc[0] != '\0');
    sh_jw_key(w, "linked");
    sh_jw_u64(w, p->nidentities);
    sh_jw_key(w, "created");
    sh_jw_time(w, p->created_us);
    sh_jw_obj_end(w);
}

sh_err guard_person_store(struct sh_guard *g, const struct guard_person *p, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    write_common(p, &w);
    sh_jw_key(&w, "grants");
    guard_grants_write(g, p, true, &w);
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, p->tenant);
    sh_jw_key(&w, "created");
    sh_jw_i64(&w, p->created_us);
    sh_jw_key(&w, "phc");
    sh_jw_c(&w, p->phc);
    sh_jw_key(&w, "password_set");
    sh_jw_i64(&w, p->password_us);
    sh_jw_key(&w, "past");
    sh_jw_arr(&w);
    for (uint32_t i = 0; i < p->npast; i++) {
        sh_jw_c(&w, p->past[i]);
    }
    sh_jw_arr_end(&w);
    SH_TRY(guard_factor_store(g, p, &w));
    SH_TRY(guard_identities_store(p, &w));
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

sh_err guard_person_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_person *p)
{
    char key[GUARD_KEY_MAX];
    struct sh_buf text;
    SH_TRY(guard_person_key(key, p->tenant, sh_str_c(p->name)));
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_err err = guard_person_store(g, p, &text);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_PERSON, sh_str_c(key), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

/* Display, language, disabled from a body or a stored object. */
static sh_err read_common(const json_t *o, struct guard_person *p, struct sh_diag *diag)
{
    const json_t *display = json_object_get(o, "display");
    const json_t *language = json_object_get(o, "language");
    if (display != NULL &&
        !guard_copy(p->display, sizeof p->display, sh_json_get_str(o, "display"))) {
        sh_diag_at(diag, SH_STR("/display"), 0);
        sh_diag_set(diag, "The display name is longer than %d bytes.", GUARD_DISPLAY_MAX);
        return SH_E_INVAL;
    }
    if (language != NULL) {
        const struct sh_str word = sh_json_get_str(o, "language");
        if (!sh_str_eqc(word, "zh") && !sh_str_eqc(word, "en")) {
            sh_diag_at(diag, SH_STR("/language"), 0);
            sh_diag_set(diag, "The language must be zh or en.");
            return SH_E_INVAL;
        }
        (void)guard_copy(p->language, sizeof p->language, word);
    }
    p->disabled = sh_json_get_bool(o, "disabled", p->disabled);
    p->must_change = sh_json_get_bool(o, "must_change", p->must_change);
    return SH_OK;
}

sh_err guard_person_new(struct sh_guard *g, const struct guard_person *form,
                        struct guard_person **out)
{
    char key[GUARD_KEY_MAX];
    SH_TRY(guard_person_key(key, form->tenant, sh_str_c(form->name)));
    struct guard_person *p = sh_mem_new(g->env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    *p = *form;
    p->scopes = 0;
    sh_err err = p->ngrants == 0 ? SH_OK : guard_scopes_new(g, &p->scopes);
    if (err == SH_OK) {
        err = guard_subject_new(g, SH_PRINCIPAL_PERSON, p, &p->slot);
    }
    if (err == SH_OK) {
        err = sh_map_put(&g->people, sh_str_c(key), p);
        if (err != SH_OK) {
            guard_subject_free(g, p->slot);
        }
    }
    if (err != SH_OK) {
        guard_scopes_free(g, p->scopes);
        sh_mem_free(g->env->alloc, p);
        return err;
    }
    *out = p;
    return SH_OK;
}

void guard_person_drop(struct sh_guard *g, struct guard_person *p)
{
    char key[GUARD_KEY_MAX];
    if (guard_person_key(key, p->tenant, sh_str_c(p->name)) == SH_OK) {
        (void)sh_map_del(&g->people, sh_str_c(key));
    }
    guard_subject_free(g, p->slot);
    guard_scopes_free(g, p->scopes);
    sh_mem_free(g->env->alloc, p);
}

sh_err guard_person_load(struct sh_guard *g, const json_t *o)
{
    struct guard_person f = {
        .tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0),
        .created_us = sh_json_get_i64(o, "created", 0),
        .revision = (uint64_t)sh_json_get_i64(o, "revision", 0),
        .password_us = sh_json_get_i64(o, "password_set", 0),
        .language = "zh",
    };
    const json_t *past = json_object_get(o, "past");
    struct guard_person *p = NULL;
    if (!guard_copy(f.name, sizeof f.name, sh_json_get_str(o, "name")) ||
        !guard_copy(f.phc, sizeof f.phc, sh_json_get_str(o, "phc")) ||
        guard_tenant_at(g, f.tenant) == NULL) {
        return SH_E_CORRUPT;
    }
    for (size_t i = 0; i < json_array_size(past) && f.npast < GUARD_PAST_MAX; i++) {
        if (!guard_copy(f.past[f.npast++], SH_PHC_CHARS,
                        sh_str_c(json_string_value(json_array_get(past, i))))) {
            return SH_E_CORRUPT;
        }
    }
    SH_TRY(guard_factor_load(g, o, &f));
    SH_TRY(guard_identities_load(o, &f));
    SH_TRY(read_common(o, &f, NULL));
    SH_TRY(guard_roles_read(g, json_object_get(o, "roles"), f.roles, &f.nroles, NULL));
    SH_TRY(guard_grants_load(g, json_object_get(o, "grants"), &f));
    SH_TRY(guard_person_new(g, &f, &p));
    guard_person_refresh(g, p);
    g->revision = f.revision > g->revision ? f.revision : g->revision;
    return SH_OK;
}

/* ---- changes ---- */

/* Somebody else who may write people everywhere must stay. Under lock. */
static bool is_last_administrator(struct sh_guard *g, const struct guard_person *p)
{
    const uint64_t all = sh_builtin_role_bits(SH_STR("administrator"));
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    if (p->tenant != SH_TENANT_ROOT || p->disabled ||
        (guard_roles_bits(p->roles, p->nroles) & all) != all) {
        return false;
    }
    while (sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *other = v;
        if (other != p && other->tenant == SH_TENANT_ROOT && !other->disabled &&
            (guard_roles_bits(other->roles, other->nroles) & all) == all) {
            return false;
        }
    }
    return true;
}

static sh_err fill_batch(struct sh_guard *g, const struct guard_person_change *c,
                         struct guard_batch *b)
{
    if (c->deletes) {
        char key[GUARD_KEY_MAX];
        SH_TRY(guard_person_key(key, c->form.tenant, sh_str_c(c->form.name)));
        SH_TRY(guard_batch_delete(b, GUARD_PERSON, sh_str_c(key)));
    } else {
        SH_TRY(guard_person_batch(g, b, &c->form));
    }
    return c->old != NULL && c->end_sessions ? guard_sessions_end(g, c->old, c->keep, b) : SH_OK;
}

/* After the commit; can not fail. Under lock. */
static void apply_change(struct sh_guard *g, const struct guard_person_change *c,
                         struct guard_person *p)
{
    if (c->old != NULL && c->end_sessions) {
        guard_sessions_drop(g, p, c->keep);
        guard_subject_renew(g, p->slot);
    }
    if (c->deletes) {
        guard_person_drop(g, p);
        return;
    }
    const uint32_t slot = p->slot;
    const uint32_t scopes = p->scopes;
    const struct guard_fails fails = p->fails;
    *p = c->form;
    p->slot = slot;
    p->scopes = scopes;
    p->fails = (struct guard_fails){0};
    if (!c->end_sessions) {
        p->fails = fails;
    }
    guard_refresh_all(g);
}

sh_err guard_person_commit(struct sh_guard *g, struct guard_person_change *c,
                           struct guard_person **out)
{
    struct guard_batch b;
    struct guard_person *p = c->old;
    struct sh_buf detail;
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
    guard_batch_init(g, &b);
    sh_buf_init(&detail, g->env->alloc, GUARD_VALUE_MAX);
    sh_mutex_lock(&g->lock);
    sh_err err = fill_batch(g, c, &b);
    if (err == SH_OK && !c->deletes) {
        err = guard_person_detail(g, c->old, &c->form, &detail);
    }
    if (err == SH_OK && p == NULL) {
        struct guard_person hidden = c->form;
        hidden.disabled = true; /* until the commit */
        err = guard_person_new(g, &hidden, &p);
    } else if (err == SH_OK && c->form.ngrants > 0) {
        err = guard_scopes_new(g, &p->scopes); /* that it is there harms nobody */
    }
    if (err == SH_OK) {
        err = guard_person_label(g, p, object + 7, sizeof object - 7);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        const struct sh_audit audit = {
            .by = c->by,
            .tenant = c->form.tenant,
            .act = c->act,
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_buf_str(&detail),
            .peer = c->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        apply_change(g, c, p);
    } else if (c->old == NULL && p != NULL) {
        guard_person_drop(g, p);
    }
    sh_mutex_unlock(&g->lock);
    guard_batch_fini(&b);
    sh_buf_fini(&detail);
    if (err == SH_OK && out != NULL) {
        *out = p;
    }
    return err;
}

sh_err guard_person_allowed(struct sh_guard *g, const struct guard_person *old,
                            const struct guard_person *form, struct sh_diag *diag)
{
    SH_TRY(guard_separation_check(g, old, form, diag));
    if (old == NULL || g->separated || !is_last_administrator(g, old)) {
        return SH_OK;
    }
    const uint64_t all = sh_builtin_role_bits(SH_STR("administrator"));
    if (form->disabled || (guard_roles_bits(form->roles, form->nroles) & all) != all) {
        sh_diag_set(diag, "This is the last administrator of the root tenant.");
        sh_diag_remedy(diag, "Make another person administrator first.");
        return SH_E_STATE;
    }
    return SH_OK;
}

/* Under change and lock: may `by` do this to the person in the state `form`? */
static sh_err may_change(struct sh_guard *g, const struct guard_put_args *a,
                         const struct guard_person *old, const struct guard_person *form)
{
    struct guard_worth worth = guard_person_worth(form);
    if (old != NULL) {
        const struct guard_worth was = guard_person_worth(old);
        worth = (struct guard_worth){worth.bits | was.bits, worth.clear | was.clear};
    }
    SH_TRY(guard_may_give(g, a->at->by, old, worth, form->tenant, a->diag));
    return guard_person_allowed(g, old, form, a->diag);
}

static sh_err plan_person(struct sh_guard *g, const struct guard_put_args *a,
                          struct guard_person_change *c)
{
    SH_TRY(sh_guard_check(g, a->at->by, SH_PERM_PEOPLE_WRITE, a->at->tenant));
    c->old = guard_person_find(g, a->at->tenant, a->name);
    if (c->old == NULL) {
        if (a->mode == SH_PUT_REPLACE) {
            return SH_E_NOTFOUND;
        }
        if (!guard_name_ok(a->name)) {
            sh_diag_at(a->diag, SH_STR("/name"), 0);
            sh_diag_set(a->diag,
                        "This can not be a name: 1 to %d bytes without / @ + # : and "
                        "quotes.",
                        SH_NAME_MAX);
            return SH_E_INVAL;
        }
        c->form = (struct guard_person){
            .tenant = a->at->tenant, .created_us = guard_now(g), .language = "zh"};
        (void)guard_copy(c->form.name, sizeof c->form.name, a->name);
    } else if (a->mode == SH_PUT_CREATE) {
        sh_diag_set(a->diag, "There is such a person already.");
        return SH_E_EXISTS;
    } else if (a->revision != 0 && a->revision != c->old->revision) {
        return SH_E_CONFLICT;
    } else {
        c->form = *c->old;
    }
    SH_TRY(read_common(a->body, &c->form, a->diag));
    if (json_object_get(a->body, "roles") != NULL) {
        SH_TRY(guard_roles_read(g, json_object_get(a->body, "roles"), c->form.roles,
                                &c->form.nroles, a->diag));
    }
    const json_t *grants = json_object_get(a->body, "grants");
    if (grants != NULL) {
        SH_TRY(guard_grants_read(g, grants, c->old, a->at, &c->form, a->diag));
    }
    c->form.revision = guard_next_revision(g);
    return may_change(g, a, c->old, &c->form);
}

/* Looked at before anything is said of the password: whether it was used before would else tell one
 * who may not change this person whether a guess is right, and no lock counts guesses here. */
static sh_err may_put(struct sh_guard *g, const struct guard_put_args *a)
{
    struct guard_person_change c = {.by = a->at->by};
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    const sh_err err = plan_person(g, a, &c);
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err guard_person_put(struct sh_guard *g, const struct guard_put_args *a)
{
    struct guard_person_change c = {.by = a->at->by, .peer = a->at->peer};
    struct guard_person *p = NULL;
    char phc[SH_PHC_CHARS] = "";
    const struct sh_str password = sh_json_get_str(a->body, "password");
    SH_TRY(sh_guard_check(g, a->at->by, SH_PERM_PEOPLE_WRITE, a->at->tenant));
    if (json_object_get(a->body, "password") != NULL) { /* hashed before the locks */
        SH_TRY(guard_password_policy(g, password, a->name, a->diag));
        SH_TRY(may_put(g, a));
        SH_TRY(guard_password_past(g, a->at->tenant, a->name, password, a->diag));
        SH_TRY(guard_password_hash(g, password, phc));
    }
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_person(g, a, &c);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        c.act = c.old == NULL ? SH_STR("person.created") : SH_STR("person.changed");
        c.end_sessions = phc[0] != '\0' || c.form.disabled;
        if (phc[0] != '\0') {
            const bool must = sh_json_get_bool(a->body, "must_change", false);
            guard_password_set(g, &c.form, phc);
            c.form.must_change = must;
        }
        err = guard_person_commit(g, &c, &p);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        guard_person_write(g, p, a->w);
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err guard_person_delete(struct sh_guard *g, const struct guard_put_args *a)
{
    struct guard_person_change c = {
        .by = a->at->by,
        .peer = a->at->peer,
        .act = SH_STR("person.deleted"),
        .deletes = true,
        .end_sessions = true,
    };
    SH_TRY(sh_guard_check(g, a->at->by, SH_PERM_PEOPLE_WRITE, a->at->tenant));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = SH_E_NOTFOUND;
    c.old = guard_person_find(g, a->at->tenant, a->name);
    if (c.old != NULL) {
        c.form = *c.old;
        c.form.disabled = true;
        err = may_change(g, a, c.old, &c.form);
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_person_commit(g, &c, NULL);
    }
    sh_mutex_unlock(&g->change);
    return err;
}

/* ---- first start, recovery ---- */

/* The given password, or a random one into shown. */
static sh_err choose_password(struct sh_guard *g, struct sh_str given, struct sh_str name,
                              char shown[SH_SECRET_CHARS], char phc[SH_PHC_CHARS],
                              struct sh_diag *diag)
{
    shown[0] = '\0';
    if (given.n > 0) {
        SH_TRY(guard_password_policy(g, given, name, diag));
        return guard_password_hash(g, given, phc);
    }
    char random[SH_SECRET_CHARS];
    SH_TRY(sh_random_token(g->env->random, "", random, sizeof random));
    random[20] = '\0'; /* 120 bits are enough to type */
    (void)guard_copy(shown, SH_SECRET_CHARS, sh_str_c(random));
    return guard_password_hash(g, sh_str_c(shown), phc);
}

static struct guard_person administrator_form(struct sh_guard *g, struct sh_str name)
{
    struct guard_person f = {
        .tenant = SH_TENANT_ROOT, .created_us = guard_now(g), .language = "zh", .nroles = 1};
    f.roles[0] = guard_role_find(g, SH_STR("administrator"));
    (void)guard_copy(f.name, sizeof f.name, name);
    return f;
}

bool sh_guard_is_new(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    const bool none = g->people.n == 0;
    sh_mutex_unlock(&g->lock);
    return none;
}

static sh_err write_first_file(struct sh_guard *g, const char *password)
{
    char path[512];
    char line[SH_SECRET_CHARS + 2];
    if (!guard_path(g, "keys/first-password", path, sizeof path) ||
        !guard_print(line, sizeof line, "%s\n", password)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_replace(g->env->fs, path, sh_bytes_of(line, strlen(line))));
    sh_mutex_lock(&g->lock);
    g->first_file = true;
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}

sh_err sh_guard_first_start(struct sh_guard *g, struct sh_str password, bool to_file,
                            char shown[SH_SECRET_CHARS], struct sh_diag *diag)
{
    struct guard_person_change c = {.by = &g->system, .act = SH_STR("person.created")};
    char phc[SH_PHC_CHARS];
    SH_TRY(choose_password(g, password, SH_STR("admin"), shown, phc, diag));
    if (to_file && shown[0] != '\0') { /* before the person: a power cut leaves a way in */
        SH_TRY(write_first_file(g, shown));
    }
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    const bool none = g->people.n == 0;
    c.form = administrator_form(g, SH_STR("admin"));
    guard_password_set(g, &c.form, phc);
    c.form.revision = guard_next_revision(g);
    sh_mutex_unlock(&g->lock);
    const sh_err err = none ? guard_person_commit(g, &c, NULL) : SH_E_EXISTS;
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err sh_guard_recover(struct sh_guard *g, struct sh_str user, struct sh_str password,
                        char shown[SH_SECRET_CHARS], struct sh_diag *diag)
{
    struct guard_person_change c = {
        .by = &g->system, .act = SH_STR("person.recovered"), .end_sessions = true};
    struct sh_str path;
    char phc[SH_PHC_CHARS];
    SH_TRY(choose_password(g, password, guard_user_split(user, &path), shown, phc, diag));
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    c.old = guard_person_by_user(g, user);
    const bool known = c.old != NULL || sh_str_eqc(user, "admin");
    c.form = c.old != NULL ? *c.old : administrator_form(g, SH_STR("admin"));
    c.form.disabled = false;
    if (sh_str_eqc(user, "admin")) { /* whatever was done to it: it administers again */
        c.form.nroles = 1;
        c.form.roles[0] = guard_role_find(g, SH_STR("administrator"));
    }
    guard_password_set(g, &c.form, phc);
    c.form.factor = (struct guard_factor){.on = false}; /* a lost phone */
    c.form.revision = guard_next_revision(g);
    sh_mutex_unlock(&g->lock);
    if (!known) {
        sh_diag_set(diag, "There is no person \"%.*s\".", SH_PRI(user));
    }
    const sh_err err = known ? guard_person_commit(g, &c, NULL) : SH_E_NOTFOUND;
    sh_mutex_unlock(&g->change);
    return err;
}
