/* Clearance: up to which class of data (dataclass.h) somebody's reading shows values.
 *
 * A role has one; it holds for the permissions of that role which read. So what somebody sees is
 * kept for each kind of reading by itself, as a set of pairs of nine bits in one word: two roles
 * never show together what neither shows, and a role that reads little does not profit from one
 * that may not read at all. Checks load that word as they load permissions. Nobody gives, or takes
 * over, more than he sees himself (guard_may_grant). SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

static const struct {
    enum sh_permission perm;
    unsigned kind;
} kinds[] = {
    {SH_PERM_HISTORY_READ, 0},
    {SH_PERM_POINTS_READ, 1},
    {SH_PERM_RECORDS_READ, 2},
    {SH_PERM_DEVICES_READ, 3},
    {SH_PERM_MQTT_ANY_TOPIC, 4},
    {SH_PERM_INGEST_GATEWAY, 4}, /* hears of every device that it speaks for */
};
enum { KINDS = 5 };

uint64_t guard_clear_all(sh_clearance set)
{
    uint64_t clear = 0;
    for (unsigned i = 0; i < KINDS; i++) {
        clear |= (uint64_t)set << i * SH_DATA_PAIRS;
    }
    return clear;
}

uint64_t guard_clear_of(uint64_t bits, sh_clearance set)
{
    uint64_t clear = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((bits & sh_permission_bit(kinds[i].perm)) != 0) {
            clear |= (uint64_t)(set | SH_CLEARANCE_LEAST) << kinds[i].kind * SH_DATA_PAIRS;
        }
    }
    return clear;
}

sh_clearance guard_clear_for(uint64_t clear, enum sh_permission perm)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].perm == perm) {
            return (sh_clearance)(clear >> kinds[i].kind * SH_DATA_PAIRS & SH_CLEARANCE_ALL);
        }
    }
    return SH_CLEARANCE_NONE;
}

sh_clearance sh_guard_clearance(const struct sh_guard *g, const struct sh_principal *p,
                                enum sh_permission perm, uint32_t tenant)
{
    return guard_clear_for(guard_subject_clear(g, p, tenant), perm);
}

/* What one grant for a part shows, and where. */
struct shown {
    sh_clearance set;
    struct sh_parts parts;
};

static void add_part(struct shown *s, const struct guard_person *owner, uint8_t part,
                     const char *what)
{
    struct sh_part *o = &s->parts.at[0];
    o->label = part != SH_PART_ASSET;
    s->parts.n = part == SH_PART_OWN ? guard_print(o->text, sizeof o->text, "owner:%s",
                                                   owner == NULL ? "" : owner->name)
                                     : guard_copy(o->text, sizeof o->text, sh_str_c(what));
}

/* Under lock. */
static size_t in_parts(struct sh_guard *g, const struct sh_principal *p, enum sh_permission perm,
                       uint32_t tenant, struct shown out[GUARD_GRANTS_MAX])
{
    const struct guard_session *s = guard_session_of(g, p);
    const struct guard_person *person =
        s != NULL ? s->person : guard_subject_owner(g, p, SH_PRINCIPAL_PERSON);
    const struct guard_token *t = guard_subject_owner(g, p, SH_PRINCIPAL_TOKEN);
    const int64_t now = guard_now(g);
    size_t n = 0;
    for (uint32_t i = 0; person != NULL && i < person->ngrants; i++) {
        const struct guard_grant *gr = &person->grants[i];
        const bool there = gr->part == SH_PART_OWN ? tenant == person->tenant
                                                   : sh_guard_tenant_within(g, tenant, gr->tenant);
        if (gr->part != SH_PART_ALL && gr->from_us <= now && gr->until_us > now && there) {
            out[n].set = guard_clear_for(guard_role_clear(gr->role), perm);
            add_part(&out[n], person, gr->part, gr->what);
            n++;
        }
    }
    if (t != NULL && t->part != SH_PART_ALL && t->scopes != 0) {
        const struct guard_scopes *set = guard_scopes_at(g, t->scopes);
        out[n].set = set == NULL ? 0 : guard_clear_for(atomic_load(&set->at[0].clear_part), perm);
        add_part(&out[n], NULL, t->part, t->what);
        n++;
    }
    return n;
}

sh_clearance sh_guard_clearance_device(struct sh_guard *g, const struct sh_principal *p,
                                       enum sh_permission perm, uint32_t tenant,
                                       struct sh_str device)
{
    struct shown some[GUARD_GRANTS_MAX];
    sh_clearance set = sh_guard_clearance(g, p, perm, tenant);
    if (set == SH_CLEARANCE_ALL || g->in_part == NULL || sh_guard_live(g, p) != SH_OK) {
        return set;
    }
    memset(some, 0, sizeof some);
    sh_mutex_lock(&g->lock);
    const size_t n = in_parts(g, p, perm, tenant, some);
    sh_mutex_unlock(&g->lock);
    for (size_t i = 0; i < n; i++) {
        if ((some[i].set & ~(unsigned)set) != 0 && some[i].parts.n == 1 &&
            g->in_part(g->in_part_ctx, tenant, device, &some[i].parts)) {
            set |= some[i].set;
        }
    }
    return set;
}

sh_err guard_clearance_read(const json_t *o, struct sh_data_class *out, struct sh_diag *diag)
{
    const json_t *v = json_object_get(o, "clearance");
    *out = (struct sh_data_class){0, 0};
    if (v == NULL || json_is_null(v)) {
        return SH_OK;
    }
    if (!json_is_object(v)) {
        sh_diag_at(diag, SH_STR("/clearance"), 0);
        sh_diag_set(diag, "clearance is an object of data_class and data_level.");
        return SH_E_INVAL;
    }
    return sh_data_class_read(v, out, diag);
}

void guard_clearance_write(struct sh_data_class c, struct sh_jw *w)
{
    sh_jw_key(w, "clearance");
    sh_jw_obj(w);
    sh_data_class_write(sh_data_class_or(c, (struct sh_data_class){SH_CLASS_CORE, SH_DATA_LEVELS}),
                        w);
    sh_jw_obj_end(w);
}

sh_err guard_may_show(const struct sh_guard *g, const struct sh_principal *by, uint64_t clear,
                      uint32_t tenant, struct sh_diag *diag)
{
    if ((clear & ~guard_subject_lasting_clear(g, by, tenant)) == 0) {
        return SH_OK;
    }
    sh_diag_at(diag, SH_STR("/clearance"), 0);
    sh_diag_set(diag, "This would show data of a class that you do not see yourself.");
    sh_diag_remedy(diag, "Give a lower clearance, or ask somebody who sees that class.");
    return SH_E_DENIED;
}
