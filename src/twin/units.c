/* units.c - a device that is given another model: the points that it has would be read in the units
 * of that. What is kept under them stays as it is, so the change is refused unless the caller says
 * that the old unit was a mistake (as a change of a model is, model.c). Compared are the points
 * themselves, not the old model: a device that had none may have points with units all the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

enum { NAMED = 5, NAME_BYTES = 60 };

/* The model that it is to have, when that is another one than it has; NULL: nothing to look at. */
static struct twin_thing *other_model(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                      struct sh_str thing)
{
    struct twin_thing *m = NULL;
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    if (s != NULL && thing.n > 0 && !sh_str_eq(twin_dev_text(s->dev, TWIN_THING), thing)) {
        m = twin_thing_find(t, tenant, thing);
    }
    if (m != NULL) {
        m->refs++;
    }
    sh_mutex_unlock(&t->lock);
    return m;
}

/* At most NAME_BYTES of a name, whole characters. */
static struct sh_str cut(struct sh_str name)
{
    size_t n = name.n < NAME_BYTES ? name.n : NAME_BYTES;
    while (n < name.n && n > 0 && ((unsigned char)name.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return (struct sh_str){name.p, n};
}

/* Adds "temp (Cel, K)" to the list: the first few that fit, and that there are more. */
static void add_point(struct sh_twin_reread *r, struct sh_str property, struct sh_str from,
                      struct sh_str to)
{
    static const char more[] = ", ...";
    char one[NAME_BYTES * 4];
    const size_t at = strlen(r->what);
    (void)snprintf(one, sizeof one, "%s%.*s (%.*s, %.*s)", at == 0 ? "" : ", ",
                   SH_PRI(cut(property)), SH_PRI(cut(from)), SH_PRI(cut(to)));
    const bool ended = r->n > r->named;
    const bool fits = at + strlen(one) + sizeof more <= sizeof r->what;
    r->n++;
    if (!ended && r->named < NAMED && fits) {
        r->named++;
        (void)snprintf(r->what + at, sizeof r->what - at, "%s", one);
    } else if (!ended) {
        (void)snprintf(r->what + at, sizeof r->what - at, "%s", more);
    }
}

static void look_at(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                    const struct twin_thing *m, struct sh_twin_reread *r)
{
    for (size_t i = 0; i < m->nprops; i++) {
        const struct twin_property *now = &m->props[i];
        const struct sh_point *was =
            sh_points_get(t->o.points, sh_points_find(t->o.points, tenant, id, now->id));
        if (was != NULL && was->type == now->type && twin_units_differ(was->unit, now->unit)) {
            add_point(r, now->id, was->unit, now->unit);
        }
    }
}

sh_err twin_units_kept(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_str thing,
                       bool corrected, struct sh_twin_reread *out, struct sh_diag *diag)
{
    struct sh_twin_reread r = {.n = 0};
    struct twin_thing *m = t->o.points == NULL ? NULL : other_model(t, tenant, id, thing);
    if (m != NULL) {
        look_at(t, tenant, id, m, &r);
        sh_mutex_lock(&t->lock);
        twin_thing_unref(t, m);
        sh_mutex_unlock(&t->lock);
    }
    if (out != NULL) {
        *out = r;
    }
    if (r.n == 0 || corrected) {
        return SH_OK;
    }
    sh_diag_at(diag, SH_STR("/thing"), 0);
    sh_diag_set(diag, "kept values of %zu points would be read in another unit: %s", r.n, r.what);
    sh_diag_remedy(diag, "Choose a model that keeps the units, or whose properties of another unit "
                         "have other ids; or, when the old unit was a mistake, repeat the request "
                         "with units=corrected: kept values are then read in the new unit.");
    return SH_E_STATE;
}
