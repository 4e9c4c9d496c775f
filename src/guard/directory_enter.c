/* directory_enter.c - somebody proved a password to a directory: who that is here, the session, the
 * confirmation, or what the one who tries it is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "directory_int.h"

static const char *claim(const struct sh_directory *d, const char *name)
{
    const char *s = json_string_value(json_object_get(d->claims, name));
    return s == NULL ? "" : s;
}

static sh_err refuse(struct sh_directory *d, const char *why, const char *english)
{
    d->why = why;
    d->stage = DIR_FAILED;
    if (english != NULL) {
        sh_diag_set(&d->diag, "%s", english);
    }
    return SH_E_DENIED;
}

/* ---- gone ---- */

/* The person who is linked there under that name. Under lock. */
static struct guard_person *owner_of_login(struct sh_guard *g, const char *provider,
                                           struct sh_str login)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (login.n > 0 && sh_map_next(&g->people, &it, &key, &v)) {
        struct guard_person *p = v;
        for (uint32_t i = 0; i < p->nidentities; i++) {
            if (strcmp(p->identities[i].provider, provider) == 0 &&
                sh_str_ieq(sh_str_c(p->identities[i].login), login)) {
                return p;
            }
        }
    }
    return NULL;
}

/* One after the other, so that the list may change. Under lock. */
static struct guard_session *session_by(struct sh_guard *g, const struct guard_person *p,
                                        const char *provider)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        struct guard_session *s = v;
        if (s->person == p && strcmp(s->provider, provider) == 0) {
            return s;
        }
    }
    return NULL;
}

/* Under change. */
static sh_err end_one(struct sh_guard *g, const struct guard_person *p,
                      const struct guard_session *s, const char *provider, struct sh_str peer)
{
    struct guard_batch b;
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
    char detail[SH_PROVIDER_ID_MAX + 64];
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->lock);
    sh_err err = guard_session_batch_end(&b, s);
    err = err == SH_OK ? guard_person_label(g, p, object + 7, sizeof object - 7) : err;
    sh_mutex_unlock(&g->lock);
    (void)guard_print(detail, sizeof detail, "directory %s: the account is disabled or gone there",
                      provider);
    const struct sh_audit audit = {
        .by = &g->system,
        .tenant = p->tenant,
        .act = SH_STR("session.ended"),
        .object = sh_str_c(object),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
        .peer = peer,
    };
    err = err == SH_OK ? guard_commit(g, &b, &audit) : err;
    guard_batch_fini(&b);
    return err;
}

void dir_gone(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    const char *provider = dir_provider(d)->id;
    sh_err err = SH_OK;
    sh_mutex_lock(&g->change);
    while (err == SH_OK) {
        sh_mutex_lock(&g->lock);
        const struct guard_person *p = owner_of_login(g, provider, d->login);
        struct guard_session *s = p == NULL ? NULL : session_by(g, p, provider);
        sh_mutex_unlock(&g->lock);
        if (s == NULL) {
            break;
        }
        err = end_one(g, p, s, provider, d->ask.peer); /* nothing goes away but under change */
        sh_mutex_lock(&g->lock);
        s = err == SH_OK ? session_by(g, p, provider) : NULL;
        if (s != NULL) {
            guard_session_free(g, s);
        }
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
}

/* ---- who that is ---- */

static struct guard_entrant entrant(const struct sh_directory *d)
{
    return (struct guard_entrant){.p = dir_provider(d),
                                  .claims = d->claims,
                                  .login = d->login,
                                  .peer = d->ask.peer,
                                  .agent = d->ask.agent};
}

/* It must be the person who sits there. */
static sh_err same_person(struct sh_directory *d, char *words, size_t cap)
{
    struct sh_guard *g = d->g;
    const char *provider = dir_provider(d)->id;
    sh_mutex_lock(&g->lock);
    const struct guard_session *s =
        sh_map_get(&g->sessions, sh_str_of((const char *)d->session, SH_HASH_BYTES));
    const struct guard_person *p =
        guard_identity_owner(g, sh_str_c(provider), sh_str_c(claim(d, "sub")), false);
    const bool good = s != NULL && p != NULL && s->person == p;
    sh_mutex_unlock(&g->lock);
    (void)guard_print(words, cap, "provider %s, subject %s", provider, claim(d, "sub"));
    return good ? SH_OK
                : refuse(d, "other_person", "In the directory the name is another person's now.");
}

static sh_err confirm(struct sh_directory *d)
{
    char words[64 + GUARD_SUBJECT_MAX + SH_PROVIDER_ID_MAX];
    SH_TRY(same_person(d, words, sizeof words));
    const struct guard_way way = {.words = words, .provider = sh_str_c(dir_provider(d)->id)};
    const sh_err err = guard_session_confirm(d->g, d->session, &d->ask, &way, &d->out);
    if (err == SH_E_DENIED && !d->out.code_needed) {
        guard_code_failed(d->g, sh_str_c(d->user), d->ask.peer);
    }
    d->stage = err == SH_OK ? DIR_DONE : DIR_FAILED;
    return err == SH_E_STATE ? refuse(d, "other_person", "The session has ended.") : err;
}

/* The name may have been counted as an unknown one. */
static void forget_failures(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    sh_mutex_lock(&g->lock);
    *guard_fails_of(g, "user", d->ask.user, sh_mono_us(g->env->clock)) = (struct guard_fails){0};
    sh_mutex_unlock(&g->lock);
}

static sh_err label_of(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, d->who_tenant, sh_str_c(d->who));
    const sh_err err =
        p == NULL ? SH_E_NOTFOUND : guard_person_label(g, p, d->user, sizeof d->user);
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err let_in(struct sh_directory *d, const struct guard_entrant *e)
{
    const struct guard_way way = {.words = e->words, .provider = sh_str_c(e->p->id)};
    d->who_tenant = e->tenant;
    memcpy(d->who, e->name, sizeof d->who);
    d->stage = DIR_DONE;
    if (d->purpose == SH_DIRECTORY_KEY) {
        return SH_OK;
    }
    SH_TRY(label_of(d));
    const sh_err err =
        guard_session_new(d->g, e->tenant, sh_str_c(e->name), &d->ask, &way, &d->out);
    if (err == SH_OK) {
        forget_failures(d);
    } else if (err == SH_E_DENIED && !d->out.code_needed) {
        guard_code_failed(d->g, sh_str_c(d->user), d->ask.peer);
    }
    d->stage = err == SH_OK ? DIR_DONE : DIR_FAILED;
    return err;
}

/* ---- trying ---- */

static sh_err tell_roles(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    const struct guard_provider *p = dir_provider(d);
    struct guard_role *roles[GUARD_ROLES_MAX];
    uint32_t n = 0;
    json_t *list = json_array();
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_provider_roles(g, p, d->groups, roles, &n);
    const struct guard_person *who =
        guard_identity_owner(g, sh_str_c(p->id), sh_str_c(claim(d, "sub")), false);
    bool good = list != NULL;
    for (uint32_t i = 0; good && i < n; i++) {
        good = json_array_append_new(list, json_string(roles[i]->name)) == 0;
    }
    good = good && json_object_set_new(d->found, "person",
                                       who == NULL ? json_null() : json_string(who->name)) == 0;
    sh_mutex_unlock(&g->lock);
    dir_step(d, "roles", err == SH_OK ? "ok" : "failed",
             err == SH_E_DENIED  ? "none of the groups is mapped to a role"
             : err == SH_E_STATE ? "the groups would give the powers of an administrator"
             : err != SH_OK      ? "the groups give more than 16 roles"
                                 : "");
    d->good = d->good && err == SH_OK;
    return list != NULL && json_object_set_new(d->found, "roles", list) == 0 && good ? SH_OK
                                                                                     : SH_E_NOMEM;
}

/* What it would know of the person. */
static sh_err tell_found(struct sh_directory *d)
{
    const struct guard_provider *p = dir_provider(d);
    json_t *o = json_object();
    const bool good = o != NULL && json_object_set_new(o, "dn", json_string(d->dn)) == 0 &&
                      json_object_set_new(o, "subject", json_string(claim(d, "sub"))) == 0 &&
                      json_object_set_new(o, "name", json_string(claim(d, p->name_claim))) == 0 &&
                      json_object_set_new(o, "display", json_string(claim(d, "name"))) == 0 &&
                      json_object_set_new(o, "disabled", json_boolean(d->disabled)) == 0 &&
                      json_object_set(o, "groups", d->groups) == 0;
    json_decref(d->found);
    d->found = o;
    if (!good) {
        return SH_E_NOMEM;
    }
    const bool whole = claim(d, "sub")[0] != '\0' && claim(d, p->name_claim)[0] != '\0';
    dir_step(d, "attributes", whole ? "ok" : "failed",
             whole ? ""
                   : "the entry has no value of the attribute that tells who it is, or of the "
                     "one that names people");
    d->good = !d->wrong && whole && !d->disabled;
    return tell_roles(d);
}

static sh_err tried(struct sh_directory *d)
{
    d->stage = DIR_DONE;
    if (d->wrong) {
        guard_attempt_failed(d->g, sh_str_c(d->user), d->ask.peer, SH_STR("trying a directory"));
    }
    if (d->hits == 1 && !(dir_direct(d) && d->wrong)) {
        return tell_found(d);
    }
    d->good = d->login.n == 0;
    return SH_OK;
}

/* ---- the stage ---- */

sh_err dir_enter(struct sh_directory *d)
{
    if (d->purpose == SH_DIRECTORY_TRY) {
        return tried(d);
    }
    if (d->wrong) {
        if (!d->decoy && ((!dir_direct(d) && d->hits == 0) || d->disabled)) {
            dir_gone(d);
        }
        if (d->why[0] != '\0') { /* right, but to be changed there */
            return refuse(d, d->why, "The password is to be changed in the directory first.");
        }
        d->at++;
        d->stage = DIR_PICK;
        return SH_OK;
    }
    if (d->hits != 1) {
        return dir_unusable(d, "search", "the person's own entry can not be read");
    }
    if (d->disabled) {
        dir_gone(d);
        return refuse(d, "disabled", "The account is disabled in the directory.");
    }
    if (claim(d, "sub")[0] == '\0') {
        return dir_unusable(d, "attributes",
                            "the entry has no value of the attribute that tells who it is");
    }
    if (d->purpose == SH_DIRECTORY_CONFIRM) {
        return confirm(d);
    }
    const char *groups = dir_provider(d)->roles_claim;
    struct guard_entrant e = entrant(d);
    if (strcmp(groups, "sub") != 0 && json_object_set(d->claims, groups, d->groups) != 0) {
        return SH_E_NOMEM;
    }
    const sh_err err = guard_enter(d->g, &e);
    if (err == SH_E_DENIED) {
        d->diag = e.diag;
        return refuse(d, e.why, NULL);
    }
    return err == SH_OK ? let_in(d, &e) : err;
}
