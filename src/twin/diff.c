/* diff.c - what lies between two forms of a thing model, and what it means for the devices. Pure
 * functions over documents in their whole form (inherit.c).
 *
 * Effects, by level:
 *   compatible  nothing breaks
 *   caution     somebody should look: it holds from now on, or something is no longer described
 *   breaking    a history is split, numbers would be read in another unit, commands are gone
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

#include <sh/units.h>

static const char *const kinds[TWIN_MEMBER_LISTS] = {"property", "event", "service"};

struct effects {
    enum twin_level level;
    const char *v[12];
    size_t n;
};

static void effect(struct effects *e, enum twin_level level, const char *word)
{
    e->level = level > e->level ? level : e->level;
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->v[i], word) == 0) {
            return;
        }
    }
    if (e->n < sizeof e->v / sizeof e->v[0]) {
        e->v[e->n++] = word;
    }
}

const char *twin_level_name(enum twin_level level)
{
    static const char *const words[] = {"same", "compatible", "caution", "breaking"};
    return words[level];
}

/* Do both codes mean the same unit? */
static bool same_unit(struct sh_str a, struct sh_str b)
{
    struct sh_unit x;
    struct sh_unit y;
    struct sh_unit_conv c;
    return sh_unit_parse(a, &x, NULL) == SH_OK && sh_unit_parse(b, &y, NULL) == SH_OK &&
           sh_unit_conv(&x, &y, &c) == SH_OK && c.mul == c.div && c.add == 0;
}

static void unit_effect(struct effects *e, const json_t *a, const json_t *b)
{
    const struct sh_str from = sh_json_get_str(a, "unit");
    const struct sh_str to = sh_json_get_str(b, "unit");
    if (from.n == 0) {
        effect(e, TWIN_CAUTION, "unit_given");
    } else if (to.n == 0) {
        effect(e, TWIN_CAUTION, "unit_taken");
    } else if (same_unit(from, to)) {
        effect(e, TWIN_COMPATIBLE, "unit_same");
    } else {
        effect(e, TWIN_BREAKING, "unit_reread");
    }
}

bool twin_units_differ(struct sh_str from, struct sh_str to)
{
    return from.n > 0 && to.n > 0 && !same_unit(from, to);
}

bool twin_unit_reread(const json_t *before, const json_t *after)
{
    return twin_units_differ(sh_json_get_str(before, "unit"), sh_json_get_str(after, "unit"));
}

/* Fields that callers send: what a caller of before does not know breaks him. */
static void input_effect(struct effects *e, const json_t *before, const json_t *after)
{
    for (size_t i = 0; i < json_array_size(before); i++) {
        const json_t *f = json_array_get(before, i);
        const json_t *now = NULL;
        for (size_t k = 0; k < json_array_size(after) && now == NULL; k++) {
            const json_t *c = json_array_get(after, k);
            now = sh_str_eq(sh_json_get_str(c, "id"), sh_json_get_str(f, "id")) ? c : NULL;
        }
        if (now == NULL ||
            !twin_attr_same("type", json_object_get(f, "type"), json_object_get(now, "type"))) {
            effect(e, TWIN_BREAKING, "command_input");
            return;
        }
    }
    for (size_t k = 0; k < json_array_size(after); k++) {
        const json_t *c = json_array_get(after, k);
        bool known = false;
        for (size_t i = 0; i < json_array_size(before) && !known; i++) {
            known = sh_str_eq(sh_json_get_str(json_array_get(before, i), "id"),
                              sh_json_get_str(c, "id"));
        }
        if (!known && sh_json_get_bool(c, "required", false)) {
            effect(e, TWIN_BREAKING, "command_input");
            return;
        }
    }
    effect(e, TWIN_CAUTION, "command_fields");
}

static void changed_effect(struct effects *e, size_t list, const char *attr, const json_t *a,
                           const json_t *b)
{
    if (strcmp(attr, "type") == 0) {
        effect(e, TWIN_BREAKING, "history_splits");
    } else if (strcmp(attr, "unit") == 0) {
        unit_effect(e, a, b);
    } else if (strcmp(attr, "scale") == 0) {
        effect(e, TWIN_CAUTION, "scale_from_now");
    } else if (strcmp(attr, "access") == 0) {
        const bool rw = sh_str_eqc(sh_json_get_str(b, "access"), "rw");
        effect(e, rw ? TWIN_COMPATIBLE : TWIN_BREAKING, rw ? "write_comes" : "write_gone");
    } else if (strcmp(attr, "data_class") == 0 || strcmp(attr, "data_level") == 0) {
        effect(e, TWIN_CAUTION, "class_changed");
    } else if (list == 1 && strcmp(attr, "fields") == 0) {
        effect(e, TWIN_CAUTION, "event_fields");
    } else if (strcmp(attr, "input") == 0) {
        input_effect(e, json_object_get(a, "input"), json_object_get(b, "input"));
    } else if (strcmp(attr, "output") == 0) {
        effect(e, TWIN_CAUTION, "command_result");
    } else {
        effect(e, TWIN_COMPATIBLE, "words");
    }
}

static void removed_effect(struct effects *e, size_t list, const json_t *a)
{
    if (list == 0) {
        effect(e, TWIN_CAUTION, "point_stays");
        if (sh_str_eqc(sh_json_get_str(a, "access"), "rw")) {
            effect(e, TWIN_BREAKING, "write_gone");
        }
        return;
    }
    effect(e, list == 1 ? TWIN_CAUTION : TWIN_BREAKING, list == 1 ? "event_gone" : "command_gone");
}

static bool silent(const char *attr)
{
    return strcmp(attr, "id") == 0 || strcmp(attr, "inherited") == 0 ||
           strcmp(attr, "overrides") == 0 || strcmp(attr, "override") == 0;
}

static void put_attr(struct sh_jw *w, const char *attr, const json_t *a, const json_t *b)
{
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_c(w, attr);
    sh_jw_key(w, "before");
    sh_jw_json(w, a);
    sh_jw_key(w, "after");
    sh_jw_json(w, b);
    sh_jw_obj_end(w);
}

/* Attributes of two objects that differ, in order: of the first, then those that only the second
 * has. `each` is told of all; NULL w writes nothing. Returns how many. */
static size_t attrs(json_t *a, json_t *b, size_t list, struct effects *e, struct sh_jw *w)
{
    size_t n = 0;
    for (int side = 0; side < 2; side++) {
        const char *attr = NULL;
        json_t *v = NULL;
        json_object_foreach(side == 0 ? a : b, attr, v)
        {
            const json_t *other = json_object_get(side == 0 ? b : a, attr);
            if (silent(attr) || (side == 1 && json_object_get(a, attr) != NULL) ||
                twin_attr_same(attr, v, other)) {
                continue;
            }
            n++;
            if (e != NULL) {
                changed_effect(e, list, attr, a, b);
            }
            if (w != NULL) {
                put_attr(w, attr, side == 0 ? v : NULL, side == 0 ? other : v);
            }
        }
    }
    return n;
}

static void put_effects(struct sh_jw *w, const struct effects *e)
{
    sh_jw_key(w, "level");
    sh_jw_c(w, twin_level_name(e->level));
    sh_jw_key(w, "effects");
    sh_jw_arr(w);
    for (size_t i = 0; i < e->n; i++) {
        sh_jw_c(w, e->v[i]);
    }
    sh_jw_arr_end(w);
}

/* One member: a NULL was not there, b NULL is gone. */
static void member(size_t list, json_t *a, json_t *b, struct sh_jw *w, struct twin_diff *d)
{
    struct effects e = {.n = 0};
    const json_t *any = a == NULL ? b : a;
    const json_t *from = json_object_get(b == NULL ? a : b, "inherited");
    if (a == NULL) {
        static const char *const comes[] = {"point_comes", "event_comes", "command_comes"};
        effect(&e, TWIN_COMPATIBLE, comes[list]);
    } else if (b == NULL) {
        removed_effect(&e, list, a);
    } else if (attrs(a, b, list, &e, NULL) == 0) {
        return;
    }
    d->n++;
    d->level = e.level > d->level ? e.level : d->level;
    if (w == NULL) {
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "kind");
    sh_jw_c(w, kinds[list]);
    sh_jw_key(w, "id");
    sh_jw_str(w, sh_json_get_str(any, "id"));
    sh_jw_key(w, "change");
    sh_jw_c(w, a == NULL ? "added" : (b == NULL ? "removed" : "changed"));
    if (from != NULL) {
        sh_jw_key(w, "inherited");
        sh_jw_json(w, from);
    }
    put_effects(w, &e);
    sh_jw_key(w, "attrs");
    sh_jw_arr(w);
    (void)attrs(a, b, list, NULL, w);
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
}

static sh_err members(const json_t *before, const json_t *after, size_t list, struct sh_jw *w,
                      struct twin_diff *d)
{
    json_t *old = NULL;
    json_t *now = NULL;
    sh_err err = twin_members_by_id(before, list, &old);
    if (err == SH_OK) {
        err = twin_members_by_id(after, list, &now);
    }
    const json_t *a = json_object_get(before, twin_member_lists[list]);
    for (size_t i = 0; i < json_array_size(a) && err == SH_OK; i++) {
        json_t *m = json_array_get(a, i);
        const struct sh_str id = sh_json_get_str(m, "id");
        member(list, m, json_object_getn(now, id.p, id.n), w, d);
    }
    const json_t *b = json_object_get(after, twin_member_lists[list]);
    for (size_t i = 0; i < json_array_size(b) && err == SH_OK; i++) {
        json_t *m = json_array_get(b, i);
        const struct sh_str id = sh_json_get_str(m, "id");
        if (json_object_getn(old, id.p, id.n) == NULL) {
            member(list, NULL, m, w, d);
        }
    }
    json_decref(old);
    json_decref(now);
    return err;
}

sh_err twin_model_diff(const json_t *before, const json_t *after, struct sh_jw *w,
                       struct twin_diff *d)
{
    static const char *const head[] = {"name", "description", "version",   "extends",
                                       "demo", "data_class",  "data_level"};
    *d = (struct twin_diff){.level = TWIN_SAME};
    if (w != NULL) {
        sh_jw_key(w, "model");
        sh_jw_arr(w);
    }
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
        const json_t *a = json_object_get(before, head[i]);
        const json_t *b = json_object_get(after, head[i]);
        if (!twin_attr_same(head[i], a, b)) {
            d->n++;
            d->level = d->level == TWIN_SAME ? TWIN_COMPATIBLE : d->level;
            if (w != NULL) {
                put_attr(w, head[i], a, b);
            }
        }
    }
    if (w != NULL) {
        sh_jw_arr_end(w);
        sh_jw_key(w, "changes");
        sh_jw_arr(w);
    }
    sh_err err = SH_OK;
    for (size_t i = 0; i < TWIN_MEMBER_LISTS && err == SH_OK; i++) {
        err = members(before, after, i, w, d);
    }
    if (w != NULL) {
        sh_jw_arr_end(w);
    }
    return err;
}
