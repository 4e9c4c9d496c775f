/* Passwords of people: what may be one, which were before, how long one is good.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { CAPITAL = 1, SMALL = 2, DIGIT = 4, OTHER = 8 };

static unsigned class_of(uint32_t cp)
{
    if (cp >= 'A' && cp <= 'Z') {
        return CAPITAL;
    }
    if (cp >= 'a' && cp <= 'z') {
        return SMALL;
    }
    return cp >= '0' && cp <= '9' ? DIGIT : OTHER;
}

/* Length counts characters, not bytes: four Chinese words are a good pass phrase. */
sh_err guard_password_policy(const struct sh_guard *g, struct sh_str password, struct sh_str name,
                             struct sh_diag *diag)
{
    sh_diag_at(diag, SH_STR("/password"), 0);
    if (!sh_utf8_valid(password) || password.n > SH_PASSWORD_MAX) {
        sh_diag_set(diag, "The password is not text of at most %d bytes.", SH_PASSWORD_MAX);
        return SH_E_INVAL;
    }
    uint32_t chars = 0;
    uint32_t differ = 0;
    unsigned classes = 0;
    uint32_t seen[8] = {0};
    for (size_t at = 0; at < password.n;) {
        uint32_t cp = 0;
        const size_t n = sh_utf8_next(sh_str_sub(password, at, password.n), &cp);
        const uint32_t bit = cp % 256;
        classes |= class_of(cp);
        differ += (seen[bit / 32] >> (bit % 32) & 1) == 0 ? 1 : 0;
        seen[bit / 32] |= UINT32_C(1) << (bit % 32);
        chars++;
        at += n;
    }
    if (chars < guard_set(g)->password_min) {
        sh_diag_set(diag, "The password has fewer than %u characters.", guard_set(g)->password_min);
        sh_diag_remedy(diag, "Four words in a row are easy to remember and long enough.");
        return SH_E_INVAL;
    }
    const unsigned kinds = (classes & 1) + (classes >> 1 & 1) + (classes >> 2 & 1) + (classes >> 3);
    if (kinds < guard_set(g)->password_classes) {
        sh_diag_set(diag,
                    "The password needs characters of %u kinds: capitals, small letters, "
                    "digits, others.",
                    guard_set(g)->password_classes);
        sh_diag_remedy(diag,
                       "Add a capital, a digit or a sign; Chinese characters count as others.");
        return SH_E_INVAL;
    }
    if (differ < 4 || (name.n > 0 && sh_str_ieq(password, name))) {
        sh_diag_set(diag, "The password is too easy to guess.");
        sh_diag_remedy(diag, "Use more different characters, and not the name.");
        return SH_E_INVAL;
    }
    return SH_OK;
}

/* Was it the person's before? Slow: outside the locks, on a copy. */
static sh_err check_past(struct sh_guard *g, const struct guard_person *p, struct sh_str password,
                         struct sh_diag *diag)
{
    const uint32_t n =
        p->npast < guard_set(g)->password_history ? p->npast : guard_set(g)->password_history;
    for (uint32_t i = 0; guard_set(g)->password_history > 0 && i <= n; i++) {
        const char *phc = i == 0 ? p->phc : p->past[i - 1];
        if (phc[0] == '\0') {
            continue;
        }
        sh_mutex_lock(&g->hashing);
        const sh_err err = sh_password_verify(sh_str_c(phc), password);
        sh_mutex_unlock(&g->hashing);
        if (err == SH_OK) {
            sh_diag_at(diag, SH_STR("/password"), 0);
            sh_diag_set(diag, "This password was used before.");
            sh_diag_remedy(diag, "Take one that is none of the last %u.",
                           guard_set(g)->password_history);
            return SH_E_INVAL;
        }
        if (err != SH_E_DENIED && err != SH_E_PROTO) {
            return err;
        }
    }
    return SH_OK;
}

void guard_password_set(const struct sh_guard *g, struct guard_person *form,
                        const char phc[SH_PHC_CHARS])
{
    if (form->phc[0] != '\0') {
        memmove(form->past[1], form->past[0], sizeof form->past - sizeof form->past[0]);
        memcpy(form->past[0], form->phc, SH_PHC_CHARS);
        form->npast += form->npast < GUARD_PAST_MAX ? 1 : 0;
    }
    memcpy(form->phc, phc, SH_PHC_CHARS);
    form->password_us = guard_now(g);
    form->must_change = false;
}

sh_err guard_password_hash(struct sh_guard *g, struct sh_str password, char phc[SH_PHC_CHARS])
{
    sh_mutex_lock(&g->hashing);
    const sh_err err = sh_password_hash(g->env->random, &guard_set(g)->argon2, password, phc);
    sh_mutex_unlock(&g->hashing);
    return err;
}

sh_err guard_password_past(struct sh_guard *g, uint32_t tenant, struct sh_str name,
                           struct sh_str password, struct sh_diag *diag)
{
    struct guard_person *copy = sh_mem_new(g->env->alloc, sizeof *copy);
    if (copy == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, tenant, name);
    if (p != NULL) {
        *copy = *p;
    }
    sh_mutex_unlock(&g->lock);
    const sh_err err = p == NULL ? SH_OK : check_past(g, copy, password, diag);
    sh_crypto_wipe(copy, sizeof *copy);
    sh_mem_free(g->env->alloc, copy);
    return err;
}

/* People who can change what others may do, or the node. */
static bool is_administrator(const struct guard_person *p)
{
    const uint64_t acts =
        sh_permission_bit(SH_PERM_PEOPLE_WRITE) | sh_permission_bit(SH_PERM_ROLES_WRITE) |
        sh_permission_bit(SH_PERM_TENANTS_WRITE) | sh_permission_bit(SH_PERM_CONFIG_WRITE);
    return (guard_person_bits(p) & acts) != 0;
}

int64_t guard_password_ends(const struct sh_guard *g, const struct guard_person *p)
{
    const int64_t set = p->password_us != 0 ? p->password_us : p->created_us;
    return guard_set(g)->password_age_us == 0 || p->phc[0] == '\0'
               ? INT64_MAX
               : set + guard_set(g)->password_age_us;
}

bool guard_factor_demanded(const struct sh_guard *g, const struct guard_person *p)
{
    return guard_set(g)->second_factor == SH_FACTOR_ALL ||
           (guard_set(g)->second_factor == SH_FACTOR_ADMINISTRATORS && is_administrator(p));
}

uint8_t guard_person_must(const struct sh_guard *g, const struct guard_person *p)
{
    uint8_t must = 0;
    if ((p->must_change && p->phc[0] != '\0') || guard_password_ends(g, p) <= guard_now(g)) {
        must |= GUARD_MUST_PASSWORD;
    }
    if (!guard_has_factor(p) && guard_factor_demanded(g, p) && !guard_second_is_outside(g, p)) {
        must |= GUARD_MUST_FACTOR;
    }
    return must;
}

/* Who has none here has it elsewhere. */
static sh_err has_password(struct sh_guard *g, uint32_t tenant, struct sh_str name)
{
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, tenant, name);
    const bool there = p != NULL && p->phc[0] != '\0';
    sh_mutex_unlock(&g->lock);
    return there ? SH_OK : SH_E_STATE;
}

sh_err sh_guard_change_password(struct sh_guard *g, const struct sh_principal *p,
                                struct sh_str old_password, struct sh_str new_password,
                                struct sh_str keep, struct sh_str peer, struct sh_diag *diag)
{
    int64_t wait = 0;
    struct sh_principal_info info;
    struct guard_person_change c = {
        .by = p, .peer = peer, .act = SH_STR("person.password_changed")};
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    uint8_t hash[SH_HASH_BYTES];
    if (p->kind != SH_PRINCIPAL_PERSON || sh_guard_describe(g, p, &info) != SH_OK) {
        return SH_E_DENIED;
    }
    if (!guard_print(user, sizeof user, "%s%s%s", info.name, info.tenant_path[0] == '\0' ? "" : "@",
                     info.tenant_path)) {
        return SH_E_INTERNAL;
    }
    SH_TRY(has_password(g, p->tenant, sh_str_c(info.name)));
    SH_TRY(guard_password_check(g, sh_str_c(user), old_password, peer, &wait));
    SH_TRY(guard_password_policy(g, new_password, sh_str_c(info.name), diag));
    SH_TRY(guard_password_past(g, p->tenant, sh_str_c(info.name), new_password, diag));
    char phc[SH_PHC_CHARS];
    SH_TRY(guard_password_hash(g, new_password, phc));
    if (keep.n > 0) {
        SH_TRY(guard_hash_token(g, keep, hash));
        c.keep = hash;
    }
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    c.old = guard_person_find(g, p->tenant, sh_str_c(info.name));
    if (c.old != NULL) {
        c.form = *c.old;
        c.end_sessions = true;
        guard_password_set(g, &c.form, phc);
        c.form.revision = guard_next_revision(g);
    }
    sh_mutex_unlock(&g->lock);
    const sh_err err = c.old == NULL ? SH_E_NOTFOUND : guard_person_commit(g, &c, NULL);
    sh_mutex_unlock(&g->change);
    return err;
}
