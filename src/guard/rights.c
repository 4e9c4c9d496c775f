/* Why somebody may or may not: each permission with the roles that give it to him, or that would.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* Names of roles with the permission: those of the person, or the others of the node. */
static void roles_with(struct sh_guard *g, const struct guard_person *p, uint64_t bit, bool own,
                       struct sh_jw *w)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    sh_jw_arr(w);
    while (sh_map_next(&g->roles, &it, &key, &v)) {
        const struct guard_role *r = v;
        bool has = false;
        for (uint32_t i = 0; i < p->nroles; i++) {
            has = has || p->roles[i] == r;
        }
        if ((r->bits & bit) != 0 && has == own) {
            sh_jw_c(w, r->name);
        }
    }
    sh_jw_arr_end(w);
}

/* The grants with the permission, whether they hold now or not. */
static bool grants_with(struct sh_guard *g, const struct guard_person *p, uint64_t bit,
                        struct sh_jw *w)
{
    const int64_t now = guard_now(g);
    bool held = false;
    sh_jw_arr(w);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        const struct guard_grant *gr = &p->grants[i];
        const uint64_t gives = gr->part == SH_PART_ALL
                                   ? UINT64_MAX
                                   : sh_permissions_in_part() | sh_permissions_beside_part();
        if ((gr->role->bits & gives & bit) != 0) {
            guard_grant_write(g, gr, w);
            held = held || (gr->from_us <= now && gr->until_us > now);
        }
    }
    sh_jw_arr_end(w);
    return held;
}

/* What reading by it shows the person, at most (a grant may be for a part), and the roles that
 * would show more. */
static void shows(struct sh_guard *g, const struct guard_person *p, enum sh_permission perm,
                  bool held, struct sh_jw *w)
{
    const int64_t now = guard_now(g);
    uint64_t clear = guard_roles_clear(p->roles, p->nroles);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        const struct guard_grant *gr = &p->grants[i];
        clear |= gr->from_us <= now && gr->until_us > now ? guard_role_clear(gr->role) : 0;
    }
    const sh_clearance set = held ? guard_clear_for(clear, perm) : SH_CLEARANCE_NONE;
    sh_jw_key(w, "clearance");
    sh_clearance_write(set, w);
    sh_jw_key(w, "clearance_roles");
    sh_jw_arr(w);
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->roles, &it, &key, &v)) {
        const struct guard_role *r = v;
        if ((guard_clear_for(guard_role_clear(r), perm) & ~(unsigned)set) != 0) {
            sh_jw_c(w, r->name);
        }
    }
    sh_jw_arr_end(w);
}

static void right_write(struct sh_guard *g, const struct guard_person *p, enum sh_permission perm,
                        struct sh_jw *w)
{
    const struct sh_permission_info *info = sh_permission_info(perm);
    const uint64_t bit = sh_permission_bit(perm);
    const bool held = (guard_roles_bits(p->roles, p->nroles) & bit) != 0;
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_c(w, info->name);
    sh_jw_key(w, "zh");
    sh_jw_c(w, info->chinese);
    sh_jw_key(w, "en");
    sh_jw_c(w, info->english);
    sh_jw_key(w, "grants");
    const bool granted = grants_with(g, p, bit, w);
    sh_jw_key(w, "held");
    sh_jw_bool(w, held || granted);
    sh_jw_key(w, "roles");
    roles_with(g, p, bit, held || granted, w);
    if (guard_clear_for(UINT64_MAX, perm) != SH_CLEARANCE_NONE) {
        shows(g, p, perm, held || granted, w);
    }
    sh_jw_obj_end(w);
}

sh_err sh_guard_rights_write(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                             struct sh_jw *w)
{
    struct guard_person *p = NULL;
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_account_of(g, at, name, SH_PERM_PEOPLE_READ, &p);
    if (err == SH_OK) {
        const uint8_t must = guard_person_must(g, p);
        sh_jw_key(w, "stopped"); /* what takes all rights away for now */
        if (p->disabled) {
            sh_jw_c(w, "disabled");
        } else if (must != 0) {
            sh_jw_c(w, (must & GUARD_MUST_PASSWORD) != 0 ? "password" : "second_factor");
        } else {
            sh_jw_null(w);
        }
        sh_jw_key(w, "items");
        sh_jw_arr(w);
        for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
            right_write(g, p, (enum sh_permission)i, w);
        }
        sh_jw_arr_end(w);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}
