/* cert_try.c - a provider of the kind certificate, step by step, for who sets it up: whom it
 * trusts, which lists it has, and with a certificate whether that would come in, as whom, with
 * which roles. SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

struct trial {
    struct sh_guard *g;
    struct guard_provider *p; /* copy */
    json_t *steps;
    json_t *found;
    bool good;
};

static sh_err tell(struct trial *t, const char *step, const char *result, const char *detail)
{
    json_t *o = json_object();
    const bool good = o != NULL && json_object_set_new(o, "step", json_string(step)) == 0 &&
                      json_object_set_new(o, "result", json_string(result)) == 0 &&
                      json_object_set_new(o, "detail", json_string(detail)) == 0 &&
                      json_array_append(t->steps, o) == 0;
    json_decref(o);
    t->good = t->good && strcmp(result, "failed") != 0;
    return good ? SH_OK : SH_E_NOMEM;
}

/* ---- what it says of itself ---- */

static sh_err tell_lists(struct trial *t, const struct sh_trust *trust)
{
    const int64_t now = guard_now(t->g);
    const char *fault = "";
    for (size_t i = 0; i < sh_trust_crls(trust); i++) {
        struct sh_trust_crl c;
        (void)sh_trust_crl(trust, i, &c);
        if (c.next_us <= now || c.this_us > now) {
            fault = "A list of revoked certificates is not in force any more.";
        }
    }
    if (sh_trust_crls(trust) == 0) {
        return tell(t, "lists", "skipped", "There is no list of revoked certificates.");
    }
    return tell(t, "lists", fault[0] == '\0' || t->p->trust.lenient ? "ok" : "failed", fault);
}

static sh_err tell_trust(struct trial *t)
{
    struct sh_trust *trust = NULL;
    struct sh_diag diag = {.line = 0};
    const int64_t now = guard_now(t->g);
    const char *fault = "";
    sh_err err = guard_trust_open(t->g, &t->p->trust, &diag, &trust);
    if (err != SH_OK) {
        return err == SH_E_PROTO ? tell(t, "trust", "failed", diag.message) : err;
    }
    for (size_t i = 0; i < sh_trust_cas(trust); i++) {
        struct sh_trust_cert c;
        if (sh_trust_ca(trust, i, &c) != SH_OK || c.until_us <= now || c.from_us > now) {
            fault = "A certificate of the trust list is not in force.";
        }
    }
    err = tell(t, "trust", fault[0] == '\0' ? "ok" : "failed", fault);
    err = err == SH_OK ? tell_lists(t, trust) : err;
    sh_trust_free(trust);
    return err;
}

/* ---- as whom ---- */

static sh_err put(json_t *o, const char *name, const char *value)
{
    return json_object_set_new(o, name, json_string(value)) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err put_time(json_t *o, const char *name, int64_t us)
{
    char text[SH_TIME_CHARS];
    const size_t n = sh_time_print(us, text);
    return json_object_set_new(o, name, json_stringn(text, n)) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err tell_found(struct trial *t, const struct guard_badge *b)
{
    char hex[SH_HASH_HEX];
    const char *name = json_string_value(json_object_get(b->claims, t->p->name_claim));
    const char *shown = json_string_value(json_object_get(b->claims, "name"));
    json_t *groups =
        json_object_get(b->claims, t->p->roles_claim[0] == '\0' ? "ou" : t->p->roles_claim);
    t->found = json_object();
    if (t->found == NULL) {
        return SH_E_NOMEM;
    }
    sh_hash_hex(b->cert.sm3, hex);
    SH_TRY(put(t->found, "subject", b->cert.subject));
    SH_TRY(put(t->found, "issuer", b->cert.issuer));
    SH_TRY(put(t->found, "serial", b->cert.serial));
    SH_TRY(put(t->found, "key", b->cert.key));
    SH_TRY(put_time(t->found, "from", b->cert.from_us));
    SH_TRY(put_time(t->found, "until", b->cert.until_us));
    SH_TRY(put(t->found, "sha256", b->print));
    SH_TRY(put(t->found, "sm3", hex));
    SH_TRY(put(t->found, "name", name == NULL ? "" : name));
    SH_TRY(put(t->found, "display", shown == NULL ? "" : shown));
    return json_object_set(t->found, "groups", groups) == 0 ? SH_OK : SH_E_NOMEM;
}

static const char *no_roles(sh_err err)
{
    return err == SH_OK         ? ""
           : err == SH_E_DENIED ? "None of the person's groups is mapped to a role."
           : err == SH_E_STATE  ? "The groups would give the powers of an administrator, which "
                                  "signin.administrators refuses."
                                : "The groups give more than 16 roles.";
}

static sh_err tell_person(struct trial *t, const struct guard_badge *b)
{
    struct sh_guard *g = t->g;
    struct guard_role *roles[GUARD_ROLES_MAX];
    uint32_t n = 0;
    json_t *list = json_array();
    json_t *groups =
        json_object_get(b->claims, t->p->roles_claim[0] == '\0' ? "ou" : t->p->roles_claim);
    bool good = list != NULL;
    sh_mutex_lock(&g->lock);
    const struct guard_person *who = guard_badge_owner(g, t->p, b);
    const bool known = who != NULL;
    const sh_err err = guard_provider_roles(g, t->p, groups, roles, &n);
    for (uint32_t i = 0; good && i < n; i++) {
        good = json_array_append_new(list, json_string(roles[i]->name)) == 0;
    }
    good = good && json_object_set_new(t->found, "person",
                                       known ? json_string(who->name) : json_null()) == 0;
    sh_mutex_unlock(&g->lock);
    if (json_object_set_new(t->found, "roles", list) != 0 || !good) {
        return SH_E_NOMEM;
    }
    const bool made = t->p->people != GUARD_PEOPLE_LINKED;
    const char *name = json_string_value(json_object_get(b->claims, t->p->name_claim));
    SH_TRY(tell(t, "person",
                known || (made && name != NULL && guard_name_ok(sh_str_c(name))) ? "ok" : "failed",
                known   ? ""
                : !made ? "Nobody here is linked to that person."
                        : "Nobody yet: the first sign-in makes the person, if the field that names "
                          "people is a name here."));
    return made ? tell(t, "roles", err == SH_OK ? "ok" : "failed", no_roles(err)) : SH_OK;
}

/* ---- the certificate ---- */

static sh_err tell_badge(struct trial *t, const struct sh_cert_answer *a, struct sh_str message)
{
    static const char *const words[] = {"skipped", "ok", "failed"};
    struct guard_badge b;
    sh_err err = guard_badge_read(t->g, t->p, a, &b);
    if (err == SH_E_DENIED) {
        err = tell(t, "certificate", "failed", b.diag.message);
        guard_badge_drop(&b);
        return err;
    }
    err = err == SH_OK ? tell(t, "certificate", "ok", b.cert.subject) : err;
    err = err == SH_OK ? guard_badge_check(t->g, t->p, a, message, &b) : err;
    err = err == SH_E_DENIED ? SH_OK : err;
    for (int s = 0; err == SH_OK && s < SH_TRUST_STEPS; s++) {
        err = tell(t, sh_trust_step_name((enum sh_trust_step)s), words[b.report.step[s].result],
                   b.report.step[s].detail);
    }
    err = err == SH_OK ? tell_found(t, &b) : err;
    err = err == SH_OK ? tell_person(t, &b) : err;
    guard_badge_drop(&b);
    return err;
}

/* ---- the whole ---- */

static void audit_tried(const struct trial *t, const struct sh_guard_at *at, const char *subject)
{
    char object[SH_PROVIDER_ID_MAX + 16];
    (void)guard_print(object, sizeof object, "provider:%s", t->p->id);
    const struct sh_audit audit = {
        .by = at->by,
        .tenant = at->tenant,
        .act = SH_STR("provider.tried"),
        .object = sh_str_c(object),
        .result = t->good ? SH_STR("ok") : SH_STR("failed"),
        .detail = sh_str_sub(sh_str_c(subject), 0, AUDIT_DETAIL_MAX),
        .peer = at->peer,
    };
    sh_guard_audit_post(t->g, &audit);
}

static sh_err take_provider(struct trial *t, const struct sh_guard_at *at, struct sh_str id)
{
    struct sh_guard *g = t->g;
    sh_mutex_lock(&g->lock);
    const struct guard_provider *p = guard_provider_find(g, id);
    sh_err err = p == NULL || p->tenant != at->tenant ? SH_E_NOTFOUND
                 : p->kind != GUARD_CERTIFICATE       ? SH_E_STATE
                                                      : SH_OK;
    if (err == SH_OK) {
        t->p = guard_provider_copy(g, p);
        err = t->p == NULL ? SH_E_NOMEM : SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err answer_of(const struct trial *t, json_t **out)
{
    json_t *o = json_object();
    const bool good = o != NULL && json_object_set_new(o, "good", json_boolean(t->good)) == 0 &&
                      json_object_set(o, "steps", t->steps) == 0 &&
                      (t->found == NULL ? json_object_set_new(o, "found", json_null())
                                        : json_object_set(o, "found", t->found)) == 0;
    if (!good) {
        json_decref(o);
        return SH_E_NOMEM;
    }
    *out = o;
    return SH_OK;
}

sh_err sh_guard_cert_try(struct sh_guard *g, const struct sh_guard_at *at,
                         const struct sh_cert_answer *answer, struct sh_str message, json_t **out)
{
    struct trial t = {.g = g, .good = true};
    SH_TRY(sh_guard_check(g, at->by, SH_PERM_PEOPLE_WRITE, at->tenant));
    if (message.n > SH_CERT_MESSAGE_MAX) {
        return SH_E_INVAL;
    }
    SH_TRY(take_provider(&t, at, answer->provider));
    t.steps = json_array();
    sh_err err = t.steps == NULL ? SH_E_NOMEM : tell_trust(&t);
    if (err == SH_OK && answer->certificate.n > 0) {
        err = tell_badge(&t, answer, message);
    }
    err = err == SH_OK ? answer_of(&t, out) : err;
    if (err == SH_OK) {
        const char *subject = json_string_value(json_object_get(t.found, "subject"));
        audit_tried(&t, at, subject == NULL ? "" : subject);
    }
    json_decref(t.steps);
    json_decref(t.found);
    guard_provider_drop(g, t.p);
    return err;
}
