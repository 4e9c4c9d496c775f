/* identity.c - who somebody of ours is at a provider. Only what an administrator linked, or what
 * came with a person who was made by a sign-in, counts: a name that is the same there and here
 * never does. SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* ---- stored form ---- */

static void write_one(const struct guard_identity *i, struct sh_jw *w)
{
    sh_jw_obj(w);
    sh_jw_key(w, "provider");
    sh_jw_c(w, i->provider);
    sh_jw_key(w, i->named ? "name" : "subject");
    sh_jw_c(w, i->subject);
    if (i->login[0] != '\0') {
        sh_jw_key(w, "login");
        sh_jw_c(w, i->login);
    }
    sh_jw_obj_end(w);
}

sh_err guard_identities_store(const struct guard_person *p, struct sh_jw *w)
{
    if (p->nidentities > 0) {
        sh_jw_key(w, "identities");
        sh_jw_arr(w);
        for (uint32_t i = 0; i < p->nidentities; i++) {
            write_one(&p->identities[i], w);
        }
        sh_jw_arr_end(w);
    }
    return w->err;
}

static bool read_one(const json_t *o, struct guard_identity *out)
{
    const struct sh_str subject = sh_json_get_str(o, "subject");
    const struct sh_str name = sh_json_get_str(o, "name");
    out->named = subject.n == 0;
    return (subject.n == 0) != (name.n == 0) &&
           guard_copy(out->provider, sizeof out->provider, sh_json_get_str(o, "provider")) &&
           guard_copy(out->subject, sizeof out->subject, out->named ? name : subject);
}

sh_err guard_identities_load(const json_t *o, struct guard_person *p)
{
    const json_t *list = json_object_get(o, "identities");
    for (size_t i = 0; i < json_array_size(list) && i < GUARD_IDENTITIES_MAX; i++) {
        struct guard_identity *made = &p->identities[p->nidentities++];
        const json_t *one = json_array_get(list, i);
        if (!read_one(one, made) ||
            !guard_copy(made->login, sizeof made->login, sh_json_get_str(one, "login"))) {
            return SH_E_CORRUPT;
        }
    }
    return SH_OK;
}

/* ---- finding ---- */

static const struct guard_identity *find_in(const struct guard_person *p, struct sh_str provider)
{
    for (uint32_t i = 0; i < p->nidentities; i++) {
        if (sh_str_eqc(provider, p->identities[i].provider)) {
            return &p->identities[i];
        }
    }
    return NULL;
}

struct guard_person *guard_identity_owner(struct sh_guard *g, struct sh_str provider,
                                          struct sh_str subject, bool named)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        struct guard_person *p = v;
        const struct guard_identity *i = find_in(p, provider);
        if (i != NULL && i->named == named && sh_str_eqc(subject, i->subject)) {
            return p;
        }
    }
    return NULL;
}

bool guard_identity_used(struct sh_guard *g, struct sh_str provider)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        if (find_in(v, provider) != NULL) {
            return true;
        }
    }
    return false;
}

bool guard_second_is_outside(const struct sh_guard *g, const struct guard_person *p)
{
    if (p->phc[0] != '\0' || p->nidentities == 0) {
        return false;
    }
    for (uint32_t i = 0; i < p->nidentities; i++) {
        const struct guard_provider *at =
            sh_map_get(&g->providers, sh_str_c(p->identities[i].provider));
        if (at == NULL || !at->second) {
            return false;
        }
    }
    return true;
}

/* ---- sessions that came so ---- */

sh_err guard_outside_sessions_end(struct sh_guard *g, struct sh_str provider, struct guard_batch *b)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        const struct guard_session *s = v;
        if (sh_str_eqc(provider, s->provider)) {
            SH_TRY(guard_session_batch_end(b, s));
        }
    }
    return SH_OK;
}

void guard_outside_sessions_drop(struct sh_guard *g, struct sh_str provider)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (provider.n > 0 && sh_map_next(&g->sessions, &it, &key, &v)) {
        struct guard_session *s = v;
        if (sh_str_eqc(provider, s->provider)) {
            guard_session_free(g, s);
        }
    }
}

/* ---- administration ---- */

sh_err sh_guard_identities_write(struct sh_guard *g, const struct sh_guard_at *at,
                                 struct sh_str person, struct sh_jw *w)
{
    struct guard_person *p = NULL;
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_account_of(g, at, person, SH_PERM_PEOPLE_READ, &p);
    for (uint32_t i = 0; err == SH_OK && i < p->nidentities; i++) {
        write_one(&p->identities[i], w);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err bad(struct sh_diag *diag, const char *path, const char *words)
{
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_set(diag, "%s", words);
    return SH_E_INVAL;
}

/* Whoever may do this opens the account to somebody: as a new password does. Under lock. */
static sh_err whose(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str person,
                    struct guard_person_change *c, struct sh_diag *diag)
{
    if (person.n == 0) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(guard_account_of(g, at, person, SH_PERM_PEOPLE_WRITE, &c->old));
    SH_TRY(guard_may_give(g, at->by, c->old, guard_person_worth(c->old), c->old->tenant, diag));
    c->form = *c->old;
    c->form.revision = guard_next_revision(g);
    return SH_OK;
}

/* As programs show a fingerprint: capitals, colons and blanks do not matter. */
static bool take_print(struct guard_identity *i)
{
    char hex[SH_HASH_HEX];
    size_t n = 0;
    for (const char *p = i->subject; *p != '\0'; p++) {
        const char low = (char)(*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
        if (*p == ':' || *p == ' ') {
            continue;
        }
        if (n == SH_HASH_HEX - 1 || !((low >= '0' && low <= '9') || (low >= 'a' && low <= 'f'))) {
            return false;
        }
        hex[n++] = low;
    }
    hex[n] = '\0';
    return n == SH_HASH_HEX - 1 && guard_copy(i->subject, sizeof i->subject, sh_str_of(hex, n));
}

static sh_err plan_add(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str person,
                       const json_t *body, struct guard_person_change *c, struct sh_diag *diag)
{
    struct guard_identity made = {.named = false};
    SH_TRY(whose(g, at, person, c, diag));
    if (!read_one(body, &made)) {
        return bad(diag, "/subject",
                   "A link needs provider, and either subject or name, of at most 255 bytes.");
    }
    const struct sh_str provider = sh_str_c(made.provider);
    const struct guard_provider *p = guard_provider_find(g, provider);
    if (p == NULL || p->tenant != c->old->tenant) {
        return bad(diag, "/provider", "The person's tenant has no such provider.");
    }
    if (p->kind == GUARD_CERTIFICATE && !made.named && !take_print(&made)) {
        return guard_provider_bad(diag, "/subject",
                                  "A certificate is linked by its SHA-256 fingerprint.",
                                  "It is 64 hexadecimal digits, with or without colons.");
    }
    if (find_in(c->old, provider) != NULL ||
        guard_identity_owner(g, provider, sh_str_c(made.subject), made.named) != NULL) {
        sh_diag_set(diag, "The person is linked there already, or somebody else is that.");
        return SH_E_EXISTS;
    }
    if (c->old->nidentities == GUARD_IDENTITIES_MAX) {
        sh_diag_set(diag, "A person has at most %d links.", GUARD_IDENTITIES_MAX);
        return SH_E_LIMIT;
    }
    c->form.identities[c->form.nidentities++] = made;
    return SH_OK;
}

static sh_err plan_remove(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str person,
                          struct sh_str provider, struct guard_person_change *c,
                          struct sh_diag *diag)
{
    SH_TRY(whose(g, at, person, c, diag));
    for (uint32_t i = 0; i < c->form.nidentities; i++) {
        if (sh_str_eqc(provider, c->form.identities[i].provider)) {
            c->form.nidentities--;
            memmove(&c->form.identities[i], &c->form.identities[i + 1],
                    (c->form.nidentities - i) * sizeof c->form.identities[0]);
            return SH_OK;
        }
    }
    return SH_E_NOTFOUND;
}

sh_err sh_guard_identity_add(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str person,
                             const json_t *body, struct sh_diag *diag)
{
    struct guard_person_change c = {
        .by = at->by, .peer = at->peer, .act = SH_STR("person.identity_added")};
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_add(g, at, person, body, &c, diag);
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? guard_person_commit(g, &c, NULL) : err;
    sh_mutex_unlock(&g->change);
    return err;
}

sh_err sh_guard_identity_remove(struct sh_guard *g, const struct sh_guard_at *at,
                                struct sh_str person, struct sh_str provider, struct sh_diag *diag)
{
    struct guard_person_change c = {.by = at->by,
                                    .peer = at->peer,
                                    .act = SH_STR("person.identity_removed"),
                                    .end_sessions = true};
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_remove(g, at, person, provider, &c, diag);
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? guard_person_commit(g, &c, NULL) : err;
    sh_mutex_unlock(&g->change);
    return err;
}
