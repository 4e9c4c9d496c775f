/* directory.c - proving a password to a directory (LDAP), without I/O.
 *
 * LOCAL -> PICK -> CONNECT -> [STARTTLS -> SECURE] -> then, of a directory that
 *   searches:       BIND (its account) -> SEARCH -> GROUPS -> PROVE (the person) -> ENTER
 *   has a template: PROVE -> SEARCH (the person's own entry, as the person) -> GROUPS -> ENTER
 * ENTER -> done; or, when the password was wrong, PICK: the next directory of the tenant. Nobody
 * left: refused, and counted once. A server that does not answer: CONNECT to the next one of the
 * same directory; none left: PICK.
 *
 * Invariants:
 *  1. A password that is empty never leaves: such a bind is answered with success (RFC
 * 4513, 5.1.2).
 *  2. The person's password goes to the one entry that the search found, or to the name that the
 *     template gives; never on a connection for which TLS was demanded and is not there yet.
 *  3. Whoever has a password here and is linked to no directory is asked for here alone: the
 *     directories hear a made-up name, so that time does not tell who that is.
 *  4. For somebody who is not found the same is asked (groups, bind) of a name that nobody has.
 *  5. A right local password needs no directory; one that is down is told apart from a wrong
 *     password only when no local password was right.
 * SPDX-License-Identifier: Apache-2.0 */
#include "directory_int.h"

#define ALL_US INT64_C(15000000)

/* ---- life ---- */

static sh_err directory_new(struct sh_guard *g, enum sh_directory_purpose purpose,
                            const struct sh_sign_in_ask *ask, struct sh_directory **out)
{
    struct sh_directory *d = sh_mem_new(g->env->alloc, sizeof *d);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    d->g = g;
    d->purpose = purpose;
    d->ask = *ask;
    d->why = "";
    d->deadline_us = sh_mono_us(g->env->clock) + ALL_US;
    sh_buf_init(&d->send, g->env->alloc, 4 * (size_t)SH_LDAP_TEXT_MAX);
    sh_buf_init(&d->heard, g->env->alloc, DIR_HEARD_MAX);
    sh_buf_init(&d->text, g->env->alloc, 4 * (size_t)SH_LDAP_TEXT_MAX);
    d->steps = json_array();
    d->found = json_null();
    const sh_err err =
        d->steps == NULL ? SH_E_NOMEM
                         : sh_random_token(g->env->random, "nobody-", d->nobody, sizeof d->nobody);
    if (err != SH_OK) {
        sh_directory_free(d);
        return err;
    }
    *out = d;
    return SH_OK;
}

void sh_directory_free(struct sh_directory *d)
{
    if (d == NULL) {
        return;
    }
    struct sh_guard *g = d->g;
    if (d->counted) {
        sh_mutex_lock(&g->lock);
        g->directories--;
        sh_mutex_unlock(&g->lock);
    }
    sh_crypto_wipe(d->send.p, d->send.n);
    sh_buf_fini(&d->send);
    sh_buf_fini(&d->heard);
    sh_buf_fini(&d->text);
    json_decref(d->claims);
    json_decref(d->groups);
    json_decref(d->steps);
    json_decref(d->found);
    for (size_t i = 0; i < d->n; i++) {
        guard_provider_drop(g, d->list[i]);
    }
    sh_crypto_wipe(d, sizeof *d);
    sh_mem_free(g->env->alloc, d);
}

sh_err sh_directory_start(struct sh_guard *g, enum sh_directory_purpose purpose,
                          const struct sh_sign_in_ask *ask, struct sh_directory **out)
{
    struct sh_directory *d = NULL;
    struct sh_str path;
    SH_TRY(directory_new(g, purpose, ask, &d));
    d->login = guard_user_split(ask->user, &path);
    if (sh_guard_tenant_find(g, path, &d->tenant) != SH_OK) {
        d->tenant = SH_TENANT_NONE; /* the local part says no, as for anybody */
    }
    *out = d;
    return SH_OK;
}

sh_err sh_directory_confirm(struct sh_guard *g, const struct sh_principal *who,
                            const struct sh_sign_in_ask *ask, struct sh_directory **out)
{
    struct sh_directory *d = NULL;
    SH_TRY(directory_new(g, SH_DIRECTORY_CONFIRM, ask, &d));
    sh_mutex_lock(&g->lock);
    const struct guard_session *s = guard_session_of(g, who);
    const sh_err err =
        s == NULL ? SH_E_STATE : guard_person_label(g, s->person, d->user, sizeof d->user);
    if (err == SH_OK) {
        memcpy(d->session, s->hash, sizeof d->session);
        d->tenant = s->person->tenant;
    }
    sh_mutex_unlock(&g->lock);
    if (err != SH_OK) {
        sh_directory_free(d);
        return err;
    }
    d->ask.user = sh_str_c(d->user);
    *out = d;
    return SH_OK;
}

static sh_err take_copy(struct sh_directory *d, const struct guard_provider *p)
{
    d->list[d->n] = guard_provider_copy(d->g, p);
    if (d->list[d->n] == NULL) {
        return SH_E_NOMEM;
    }
    d->n++;
    return SH_OK;
}

sh_err sh_directory_try(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str provider,
                        const struct sh_sign_in_ask *ask, struct sh_directory **out)
{
    struct sh_directory *d = NULL;
    int64_t wait_us = 0;
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, at->tenant));
    SH_TRY(directory_new(g, SH_DIRECTORY_TRY, ask, &d));
    d->tenant = at->tenant;
    d->by = *at->by;
    d->login = ask->user;
    sh_mutex_lock(&g->lock);
    const struct guard_provider *p = guard_provider_find(g, provider);
    const struct guard_tenant *t = guard_tenant_at(g, at->tenant);
    sh_err err = p == NULL || p->tenant != at->tenant ? SH_E_NOTFOUND
                 : p->kind != GUARD_LDAP              ? SH_E_STATE
                                                      : take_copy(d, p);
    if (err == SH_OK &&
        !guard_print(d->user, sizeof d->user, "%.*s%s%s", SH_PRI(ask->user),
                     t == NULL || t->path[0] == '\0' ? "" : "@", t == NULL ? "" : t->path)) {
        err = SH_E_INVAL;
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        d->list[0]->ldap.at = 0; /* in the order in which they are entered */
    }
    if (err == SH_OK && ask->password.n > 0) { /* nobody guesses here quicker than at the door */
        err = sh_guard_throttle(g, SH_STR("try a password of a directory"), 1, 5, &wait_us);
        d->out.retry_after_us = wait_us;
    }
    if (err != SH_OK && err != SH_E_LIMIT) {
        sh_directory_free(d);
        return err;
    }
    d->stage = err == SH_E_LIMIT ? DIR_FAILED : DIR_PICK;
    *out = d;
    return SH_OK;
}

/* ---- steps that are told ---- */

void dir_step(struct sh_directory *d, const char *step, const char *result, const char *detail)
{
    if (d->purpose != SH_DIRECTORY_TRY) {
        return;
    }
    json_t *o = json_object();
    const bool good = o != NULL && json_object_set_new(o, "step", json_string(step)) == 0 &&
                      json_object_set_new(o, "result", json_string(result)) == 0 &&
                      json_object_set_new(o, "detail", json_string(detail)) == 0;
    if (!good || json_array_append(d->steps, o) != 0) {
        sh_log(d->g->env->log, SH_LOG_WARN, "guard", "a step of a trial is not told: no memory");
    }
    json_decref(o);
}

sh_err dir_unusable(struct sh_directory *d, const char *step, const char *why)
{
    dir_step(d, step, "failed", why);
    sh_diag_set(&d->diag, "directory %s, %s: %s", dir_provider(d)->id, step, why);
    if (d->purpose != SH_DIRECTORY_TRY) {
        sh_log(d->g->env->log, SH_LOG_WARN, "guard", "%s", d->diag.message);
    }
    d->down = true;
    d->asked = false;
    d->at++;
    d->stage = DIR_PICK;
    return SH_OK;
}

/* ---- LOCAL ---- */

/* Is he linked there, and has come? login: what he typed then. Under lock. */
static bool linked(const struct guard_person *p, const char *provider, const char **login)
{
    for (uint32_t i = 0; i < p->nidentities; i++) {
        if (strcmp(p->identities[i].provider, provider) == 0) {
            *login = p->identities[i].named ? "" : p->identities[i].login;
            return true;
        }
    }
    return false;
}

/* Which directories may know the person: those where somebody of that name is linked, else all.
 * Under lock. */
static sh_err choose(struct sh_directory *d, const struct guard_person *p)
{
    const struct guard_provider *list[SH_PROVIDERS_MAX + 1] = {NULL};
    const size_t n = guard_providers_of(d->g, d->tenant, list, SH_PROVIDERS_MAX + 1);
    const char *login = "";
    bool any = false;
    for (size_t i = 0; p != NULL && i < n; i++) {
        any = any || (list[i]->kind == GUARD_LDAP && linked(p, list[i]->id, &login));
    }
    d->decoy = d->purpose != SH_DIRECTORY_CONFIRM && p != NULL && p->phc[0] != '\0' && !any;
    for (size_t i = 0; i < n && d->n < SH_DIRECTORIES_TENANT; i++) {
        const bool in_use = list[i]->kind == GUARD_LDAP && !list[i]->disabled;
        const bool of_his = p != NULL && linked(p, list[i]->id, &login);
        const bool wanted =
            d->purpose == SH_DIRECTORY_CONFIRM ? of_his && login[0] != '\0' : of_his || !any;
        if (!in_use || !wanted) {
            continue;
        }
        if (d->purpose == SH_DIRECTORY_CONFIRM) {
            memcpy(d->logins[d->n], login, strlen(login) + 1); /* of the same length */
        }
        SH_TRY(take_copy(d, list[i]));
    }
    return SH_OK;
}

static sh_err look_around(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_by_user(g, d->ask.user);
    const struct guard_tenant *t = guard_tenant_at(g, d->tenant);
    const bool nobody = d->purpose != SH_DIRECTORY_CONFIRM && d->login.n == 0;
    d->local_person = p != NULL && p->phc[0] != '\0';
    const sh_err err = t == NULL || atomic_load(&t->off) || nobody ? SH_OK : choose(d, p);
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err local_proved(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    d->stage = DIR_DONE;
    if (d->purpose == SH_DIRECTORY_SIGN_IN) {
        const sh_err err = guard_sign_in_proved(g, &d->ask, &d->out);
        d->stage = err == SH_OK ? DIR_DONE : DIR_FAILED;
        return err;
    }
    if (d->purpose == SH_DIRECTORY_CONFIRM) {
        const struct guard_way way = {.words = "password"};
        const sh_err err = guard_session_confirm(g, d->session, &d->ask, &way, &d->out);
        if (err == SH_E_DENIED && !d->out.code_needed) {
            guard_code_failed(g, d->ask.user, d->ask.peer);
        }
        d->stage = err == SH_OK ? DIR_DONE : DIR_FAILED;
        return err;
    }
    const struct sh_str name = d->login;
    d->who_tenant = d->tenant;
    return guard_copy(d->who, sizeof d->who, name) ? SH_OK : SH_E_DENIED;
}

/* Also who has no password here is hashed for, so that time is the same; locks are looked at. */
static sh_err prove_local(struct sh_directory *d)
{
    if (d->ask.password.n == 0) {
        d->stage = DIR_FAILED;
        return SH_E_DENIED;
    }
    SH_TRY(look_around(d));
    const sh_err err = guard_password_uncounted(d->g, d->ask.user, d->ask.password, d->ask.peer,
                                                &d->out.retry_after_us);
    if (err == SH_OK) {
        return local_proved(d);
    }
    if (err != SH_E_DENIED) {
        d->stage = DIR_FAILED;
        return err;
    }
    d->stage = DIR_PICK;
    return SH_OK;
}

/* ---- PICK ---- */

/* One more may wait for a directory. */
static bool enter(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    if (!d->counted) {
        sh_mutex_lock(&g->lock);
        d->counted = g->directories < SH_DIRECTORY_WAITING;
        g->directories += d->counted ? 1 : 0;
        sh_mutex_unlock(&g->lock);
    }
    return d->counted;
}

/* Nobody fills the chain from outside: as for providers. */
static void audit_down(struct sh_directory *d)
{
    char object[sizeof d->user + 16];
    char detail[AUDIT_DETAIL_MAX];
    char key[96];
    int64_t wait_us = 0;
    (void)guard_print(key, sizeof key, "directory down %.*s",
                      SH_PRI(sh_str_sub(d->ask.peer, 0, 63)));
    if (sh_guard_throttle(d->g, sh_str_c(key), 1, 4, &wait_us) != SH_OK) {
        return;
    }
    (void)guard_print(object, sizeof object, "person:%.*s",
                      SH_PRI(sh_str_sub(d->ask.user, 0, sizeof d->user - 1)));
    (void)guard_print(detail, sizeof detail, "directory_down: %s", d->diag.message);
    const struct sh_audit audit = {
        .tenant = d->tenant == SH_TENANT_NONE ? (uint32_t)SH_TENANT_ROOT : d->tenant,
        .act = SH_STR("session.refused"),
        .object = sh_str_c(object),
        .result = SH_STR("error"),
        .detail = sh_str_c(detail),
        .peer = d->ask.peer,
    };
    sh_guard_audit_post(d->g, &audit);
}

/* None proved it. */
static sh_err nobody_did(struct sh_directory *d)
{
    d->stage = d->purpose == SH_DIRECTORY_TRY ? DIR_DONE : DIR_FAILED;
    if (d->purpose == SH_DIRECTORY_TRY) {
        return SH_OK;
    }
    if (!d->down || d->local_person) { /* a local password was wrong, whatever a directory says */
        guard_attempt_failed(d->g, d->ask.user, d->ask.peer,
                             d->n > 0 && !d->down ? SH_STR("asked a directory as well")
                                                  : SH_STR(""));
    }
    if (d->down) {
        audit_down(d);
        return SH_E_TIMEOUT;
    }
    return SH_E_DENIED;
}

static sh_err pick(struct sh_directory *d)
{
    if (d->at >= d->n || sh_mono_us(d->g->env->clock) >= d->deadline_us) {
        d->down = d->down || d->at < d->n;
        return nobody_did(d);
    }
    if (!enter(d)) {
        d->stage = DIR_FAILED;
        d->out.retry_after_us = 1000000;
        return SH_E_LIMIT;
    }
    if (d->purpose == SH_DIRECTORY_CONFIRM) {
        d->login = sh_str_c(d->logins[d->at]);
    }
    d->servers = 0;
    d->hits = 0;
    d->disabled = false;
    d->wrong = false;
    d->why = "";
    d->stage = DIR_CONNECT;
    return SH_OK;
}

/* The server that answered is asked first the next time. */
static void remember(struct sh_directory *d)
{
    struct sh_guard *g = d->g;
    const struct guard_provider *p = dir_provider(d);
    if (d->servers == 0) {
        return;
    }
    sh_mutex_lock(&g->lock);
    struct guard_provider *now = guard_provider_find(g, sh_str_c(p->id));
    if (now != NULL && now->revision == p->revision) {
        now->ldap.at = (p->ldap.at + d->servers) % p->ldap.nservers;
    }
    sh_mutex_unlock(&g->lock);
}

/* ---- the steps ---- */

static sh_err run_stage(struct sh_directory *d)
{
    switch (d->stage) {
    case DIR_LOCAL:
        return prove_local(d);
    case DIR_PICK:
        return pick(d);
    case DIR_CONNECT:
        return dir_connect(d);
    case DIR_STARTTLS:
        return dir_starttls(d);
    case DIR_SECURE:
        return dir_secure(d);
    case DIR_BIND:
        return dir_bind(d);
    case DIR_SEARCH:
        return dir_search(d);
    case DIR_GROUPS:
        return dir_groups(d);
    case DIR_PROVE:
        return dir_prove(d);
    case DIR_ENTER:
        remember(d);
        return dir_enter(d);
    case DIR_DONE:
        return SH_OK;
    case DIR_FAILED:
        break;
    }
    return SH_E_LIMIT; /* only a trial that comes too soon begins so */
}

/* The password was right, and nobody comes in all the same. */
static void audit_refused(struct sh_directory *d)
{
    char object[SH_PROVIDER_ID_MAX + 16];
    char detail[AUDIT_DETAIL_MAX];
    const char *sub = json_string_value(json_object_get(d->claims, "sub"));
    (void)guard_print(object, sizeof object, "provider:%s", dir_provider(d)->id);
    (void)guard_print(detail, sizeof detail, "%s, subject %s: %s", d->why, sub == NULL ? "" : sub,
                      d->diag.message);
    const struct sh_audit audit = {
        .tenant = d->tenant,
        .act = SH_STR("session.refused"),
        .object = sh_str_c(object),
        .result = SH_STR("denied"),
        .detail = sh_str_c(detail),
        .peer = d->ask.peer,
    };
    sh_guard_audit_post(d->g, &audit);
}

static void audit_tried(struct sh_directory *d)
{
    char object[SH_PROVIDER_ID_MAX + 16];
    (void)guard_print(object, sizeof object, "provider:%s", d->list[0]->id);
    const struct sh_audit audit = {
        .by = &d->by,
        .tenant = d->tenant,
        .act = SH_STR("provider.tried"),
        .object = sh_str_c(object),
        .result = d->good ? SH_STR("ok") : SH_STR("failed"),
        .detail = d->ask.password.n > 0 ? sh_str_c(d->user) : SH_STR(""),
        .peer = d->ask.peer,
    };
    sh_guard_audit_post(d->g, &audit);
}

sh_err sh_directory_step(struct sh_directory *d, struct sh_directory_want *next)
{
    sh_err err = SH_OK;
    while (err == SH_OK && d->stage != DIR_DONE) {
        err = run_stage(d);
    }
    if (err == SH_E_AGAIN) {
        *next = d->want;
    } else if (err == SH_E_DENIED && d->why[0] != '\0') {
        audit_refused(d);
    } else if (err == SH_OK && d->purpose == SH_DIRECTORY_TRY) {
        audit_tried(d);
    }
    return err;
}

/* ---- what came of it ---- */

const char *sh_directory_why(const struct sh_directory *d)
{
    return d->why;
}

const struct sh_sign_in *sh_directory_session(const struct sh_directory *d)
{
    return &d->out;
}

sh_err sh_directory_key(struct sh_directory *d, struct sh_str host, struct sh_jw *w)
{
    struct sh_guard *g = d->g;
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, d->who_tenant, sh_str_c(d->who));
    const sh_err err = guard_authkey_ask(g, p, host, w);
    sh_mutex_unlock(&g->lock);
    return err;
}

void sh_directory_tried(const struct sh_directory *d, struct sh_jw *w)
{
    sh_jw_key(w, "good");
    sh_jw_bool(w, d->good);
    sh_jw_key(w, "steps");
    sh_jw_json(w, d->steps);
    sh_jw_key(w, "found");
    sh_jw_json(w, json_is_object(d->found) ? d->found : NULL);
}
