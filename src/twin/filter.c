/* filter.c - which devices a query means: shared by lists, export and bulk changes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

const char *sh_twin_state_name(enum sh_twin_state s)
{
    static const char *const names[] = {"never", "online", "offline"};
    return names[s];
}

static bool has(struct sh_str text, struct sh_str part)
{
    if (part.n == 0) {
        return true;
    }
    while (text.n >= part.n) {
        const char *p = memchr(text.p, part.p[0], text.n - part.n + 1);
        if (p == NULL) {
            return false;
        }
        if (memcmp(p, part.p, part.n) == 0) {
            return true;
        }
        text.n -= (size_t)(p + 1 - text.p);
        text.p = p + 1;
    }
    return false;
}

static sh_err bad(struct sh_diag *diag, const char *what)
{
    sh_diag_set(diag, "%s", what);
    return SH_E_INVAL;
}

static sh_err read_state(struct twin_filter *f, struct sh_str s, struct sh_diag *diag)
{
    f->state = -1;
    for (int i = 0; i < 3; i++) {
        if (sh_str_eqc(s, sh_twin_state_name((enum sh_twin_state)i))) {
            f->state = i;
            return SH_OK;
        }
    }
    return s.n == 0 ? SH_OK : bad(diag, "state is one of online offline never");
}

static sh_err read_archived(struct twin_filter *f, struct sh_str s, struct sh_diag *diag)
{
    f->archived = sh_str_eqc(s, "any") ? -1 : sh_str_eqc(s, "true") ? 1 : 0;
    return f->archived != 0 || s.n == 0 || sh_str_eqc(s, "false")
               ? SH_OK
               : bad(diag, "archived is one of false true any");
}

sh_err twin_filter_init(struct sh_twin *t, struct twin_filter *f, const struct sh_twin_query *q,
                        struct sh_arena *ar, struct sh_diag *diag)
{
    *f = (struct twin_filter){.t = t, .q = q};
    if (q->data_class.n > 0 && sh_data_class_parse(q->data_class, &f->data_class) != SH_OK) {
        return bad(diag, "data_class is one of general important core");
    }
    SH_TRY(read_state(f, q->state, diag));
    SH_TRY(read_archived(f, q->archived, diag));
    f->search = sh_arena_str(ar, q->search);
    if (q->label.n > 0) {
        const bool value = sh_str_find(q->label, ':') != SIZE_MAX;
        f->label = sh_arena_printf(ar, value ? "\x1f%.*s\x1f" : "\x1f%.*s:", SH_PRI(q->label));
    }
    if (f->search.p == NULL || (q->label.n > 0 && f->label.p == NULL)) {
        return SH_E_LIMIT;
    }
    char *s = (char *)(uintptr_t)f->search.p; /* the arena's copy is ours to change */
    for (size_t i = 0; i < f->search.n; i++) {
        s[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
    }
    return SH_OK;
}

bool twin_filter_match(const struct twin_filter *f, const struct twin_tenant *tt,
                       const struct twin_slot *s)
{
    const struct twin_dev *d = s->dev;
    if (f->archived >= 0 && d->archived != (f->archived == 1)) {
        return false;
    }
    if (f->state >= 0 && (int)s->state != f->state) {
        return false;
    }
    if (f->q->thing.n > 0 && !sh_str_eq(twin_dev_text(d, TWIN_THING), f->q->thing)) {
        return false;
    }
    if (f->q->asset.n > 0 && !twin_asset_below(tt, twin_dev_text(d, TWIN_ASSET), f->q->asset)) {
        return false;
    }
    if (f->data_class != 0 && twin_class_top(f->t, tt, d).name != f->data_class) {
        return false;
    }
    return has(twin_dev_text(d, TWIN_PAIRS), f->label) &&
           has(twin_dev_text(d, TWIN_SEARCH), f->search) &&
           (f->q->parts == NULL || twin_dev_within(tt, d, f->q->parts));
}
