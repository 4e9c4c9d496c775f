/* security.c - what the self check counts: people, tokens, certificates, and who signed in lately;
 * and what tenants use of their quotas when a node starts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define CERT_SOON_US (30 * INT64_C(86400000000))

/* As for SH_FACTOR_ADMINISTRATORS. */
static uint64_t powers(void)
{
    return sh_permission_bit(SH_PERM_PEOPLE_WRITE) | sh_permission_bit(SH_PERM_ROLES_WRITE) |
           sh_permission_bit(SH_PERM_TENANTS_WRITE) | sh_permission_bit(SH_PERM_CONFIG_WRITE);
}

/* Under lock. */
static void count_people(struct sh_guard *g, struct sh_guard_security *out)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *p = v;
        if (p->disabled) {
            out->disabled++;
            continue;
        }
        out->people++;
        const bool second = guard_has_factor(p) || guard_second_is_outside(g, p);
        out->with_factor += second ? 1 : 0;
        out->must_change += p->must_change ? 1 : 0;
        if ((guard_roles_bits(p->roles, p->nroles) & powers()) != 0) {
            out->administrators++;
            out->administrators_with_factor += second ? 1 : 0;
        }
    }
}

/* Does an authority end, or a list, within a week? */
static bool trust_ending(struct sh_guard *g, const struct guard_provider *p)
{
    const int64_t soon = guard_now(g) + INT64_C(7) * 86400 * 1000000;
    struct sh_trust *t = NULL;
    bool ending = false;
    if (guard_trust_open(g, &p->trust, NULL, &t) != SH_OK) {
        return true;
    }
    for (size_t i = 0; i < sh_trust_cas(t); i++) {
        struct sh_trust_cert c;
        ending = ending || sh_trust_ca(t, i, &c) != SH_OK || c.until_us < soon;
    }
    for (size_t i = 0; i < sh_trust_crls(t); i++) {
        struct sh_trust_crl c;
        (void)sh_trust_crl(t, i, &c);
        ending = ending || c.next_us < soon;
    }
    sh_trust_free(t);
    return ending;
}

/* Under lock. */
static void count_cert_door(struct sh_guard *g, const struct guard_provider *p,
                            struct sh_guard_security *out)
{
    out->cert_doors++;
    out->cert_unlisted += p->trust.crl.n == 0 || p->trust.lenient ? 1 : 0;
    out->cert_ending += trust_ending(g, p) ? 1 : 0;
}

/* Under lock. */
static void count_providers(struct sh_guard *g, struct sh_guard_security *out)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->providers, &it, &key, &v)) {
        const struct guard_provider *p = v;
        const bool clear = p->kind == GUARD_LDAP
                               ? guard_directory_clear(&p->ldap)
                               : sh_str_starts(sh_str_c(p->issuer), SH_STR("http://"));
        if (!p->disabled && p->kind == GUARD_CERTIFICATE) {
            count_cert_door(g, p, out);
        }
        out->providers += p->disabled ? 0 : 1;
        out->providers_clear += !p->disabled && clear ? 1 : 0;
    }
}

/* Under lock. */
static void count_tokens(struct sh_guard *g, int64_t idle_us, struct sh_guard_security *out)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    const int64_t now = guard_now(g);
    while (sh_map_next(&g->tokens, &it, &key, &v)) {
        const struct guard_token *t = v;
        if (t->expires_us <= now) {
            continue;
        }
        out->tokens++;
        out->endless += t->expires_us == INT64_MAX ? 1 : 0;
        out->powerful +=
            ((guard_roles_bits(t->roles, t->nroles) | t->extra) & powers()) != 0 ? 1 : 0;
        out->unused += (t->used_us != 0 ? t->used_us : t->created_us) < now - idle_us ? 1 : 0;
    }
}

/* Under lock. */
static void count_certificates(struct sh_guard *g, struct sh_guard_security *out)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    const int64_t now = guard_now(g);
    while (sh_map_next(&g->certs, &it, &key, &v)) {
        const struct guard_cert *c = v;
        if (c->revoked_us == 0 && c->until_us > 0) {
            out->certificates++;
            out->ending += c->until_us < now + CERT_SOON_US ? 1 : 0;
        }
    }
}

/* ---- who has not signed in for long ---- */

/* People who may be idle; who is found to have signed in is struck out. */
struct idle {
    struct sh_guard *g;
    int64_t since_us;
    struct sh_map names; /* by label; the value says nothing */
};

/* Nobody who was made since then. Under lock. */
static sh_err idle_begin(struct idle *l)
{
    struct sh_guard *g = l->g;
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    sh_err err = SH_OK;
    while (err == SH_OK && sh_map_next(&g->people, &it, &key, &v)) {
        const struct guard_person *p = v;
        if (!p->disabled && p->created_us < l->since_us) {
            char label[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16] = "person:";
            err = guard_person_label(g, p, label + 7, sizeof label - 7);
            err = err != SH_OK ? err : sh_map_put(&l->names, sh_str_c(label), g);
        }
    }
    return err;
}

static sh_err idle_entry(void *ctx, struct sh_str key, struct sh_str value)
{
    struct idle *l = ctx;
    struct guard_audit_entry e;
    int64_t at = 0;
    const sh_err err = guard_audit_parse(l->g->crypto, key, value, &e);
    if (err != SH_OK) {
        return err == SH_E_CORRUPT ? SH_OK : err; /* that is another control's to tell */
    }
    sh_err answer = SH_OK;
    if (sh_time_parse(sh_json_get_str(e.body, "time"), &at) == SH_OK && at < l->since_us) {
        answer = SH_E_CANCELED;
    } else if (sh_str_eqc(sh_json_get_str(e.body, "act"), "session.created")) {
        (void)sh_map_del(&l->names, sh_json_get_str(e.body, "object"));
    }
    guard_audit_entry_fini(&e);
    return answer == SH_OK && l->names.n == 0 ? SH_E_CANCELED : answer;
}

/* Roles that read history, and those of them that do not show all of it. */
static void count_readers(const struct sh_guard *g, struct sh_guard_security *out)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->roles, &it, &key, &v)) {
        const struct guard_role *r = v;
        const sh_clearance set = guard_clear_for(guard_role_clear(r), SH_PERM_HISTORY_READ);
        out->readers += set != SH_CLEARANCE_NONE ? 1 : 0;
        out->limited += set != SH_CLEARANCE_NONE && set != SH_CLEARANCE_ALL ? 1 : 0;
    }
}

sh_err sh_guard_security(struct sh_guard *g, int64_t idle_us, struct sh_guard_security *out)
{
    struct idle l = {.g = g, .since_us = guard_now(g) - idle_us};
    *out = (struct sh_guard_security){.settings = *guard_set(g)};
    sh_map_init(&l.names, g->env->alloc, guard_set(g)->max_people, g->seed);
    sh_mutex_lock(&g->change);
    out->checkpoint_us = g->checkpoint_us;
    out->checkpoint_seq = g->checkpoint_seq;
    sh_mutex_unlock(&g->change);
    guard_keyring_facts(g, out);
    sh_mutex_lock(&g->lock);
    out->separated = g->separated;
    count_readers(g, out);
    count_people(g, out);
    count_providers(g, out);
    count_tokens(g, idle_us, out);
    count_certificates(g, out);
    sh_err err = idle_begin(&l);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK && l.names.n > 0) {
        err = g->store->ops->each(g->store, GUARD_AUDIT, SH_STR(""), true, idle_entry, &l);
        err = err == SH_E_CANCELED ? SH_OK : err;
    }
    out->idle = (uint32_t)l.names.n;
    sh_map_fini(&l.names);
    return err;
}

void sh_guard_used(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n)
{
    struct guard_tenant *t = guard_tenant_at(g, tenant);
    while (t != NULL && (unsigned)q < SH_QUOTAS) {
        (void)atomic_fetch_add_explicit(&t->use[q], n, memory_order_relaxed);
        t = guard_tenant_at(g, atomic_load_explicit(&t->parent, memory_order_relaxed));
    }
}

uint32_t sh_guard_last_tenant(const struct sh_guard *g)
{
    return atomic_load(&g->ntenants);
}
