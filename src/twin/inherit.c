/* inherit.c - what a thing model takes over from the one it extends. Pure functions over documents.
 *
 * Two forms of a model:
 *   own    what is stored: its own members, and for an inherited member that it narrows an element
 *          {"id","override":true, what it says instead}.
 *   whole  what holds: the parent's members in the parent's order, then its own. An inherited one
 *          carries "inherited": the model that has it, and "overrides": what this model narrowed.
 * What people send is the whole form or a part of it: an inherited member that is left out or given
 * as the parent has it is no override; with the mark only what "overrides" names counts, so that
 * what was read before the parent changed is not taken for a wish.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

const char *const twin_member_lists[TWIN_MEMBER_LISTS] = {"properties", "events", "services"};

/* What a child may say otherwise, by list. */
enum { MAY = 8 };
static const char *const may[TWIN_MEMBER_LISTS][MAY] = {
    {"name", "description", "range", "enum", "access", "scale", "data_class", "data_level"},
    {"name", "description", "level"},
    {"name", "description"}};

/* Of the model as a whole, what holds below it too unless it is said otherwise. */
static const char *const handed_down[] = {"data_class", "data_level"};
enum { HANDED_DOWN = 2 };

static bool allowed(size_t list, const char *attr)
{
    for (size_t i = 0; i < MAY && may[list][i] != NULL; i++) {
        if (strcmp(may[list][i], attr) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_mark(const char *attr)
{
    return strcmp(attr, "inherited") == 0 || strcmp(attr, "overrides") == 0 ||
           strcmp(attr, "override") == 0;
}

static json_t *open_list(const json_t *doc, size_t list)
{
    return json_object_get(doc, twin_member_lists[list]);
}

json_t *twin_member(const json_t *doc, size_t list, struct sh_str id)
{
    const json_t *v = open_list(doc, list);
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        if (sh_str_eq(sh_json_get_str(item, "id"), id)) {
            return item;
        }
    }
    return NULL;
}

sh_err twin_members_by_id(const json_t *doc, size_t list, json_t **out)
{
    const json_t *v = open_list(doc, list);
    json_t *by = json_object();
    for (size_t i = 0; i < json_array_size(v) && by != NULL; i++) {
        json_t *item = json_array_get(v, i);
        const struct sh_str id = sh_json_get_str(item, "id");
        if (json_object_setn(by, id.p, id.n, item) != 0) {
            json_decref(by);
            by = NULL;
        }
    }
    *out = by;
    return by == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err refuse(struct sh_diag *d, size_t list, size_t i, const char *attr, const char *what)
{
    char path[120];
    (void)snprintf(path, sizeof path, "/%s/%zu%s%.60s", twin_member_lists[list], i,
                   attr[0] == '\0' ? "" : "/", attr);
    sh_diag_at(d, sh_str_c(path), 0);
    sh_diag_set(d, "%s %s", path, what);
    return SH_E_INVAL;
}

/* Does [min,max] of `own` lie within that of `from`? A side that `from` bounds has to be bounded.
 */
static bool within(const json_t *own, const json_t *from)
{
    const json_t *lo = json_object_get(from, "min");
    const json_t *hi = json_object_get(from, "max");
    const json_t *a = json_object_get(own, "min");
    const json_t *b = json_object_get(own, "max");
    return (lo == NULL || (a != NULL && json_number_value(a) >= json_number_value(lo))) &&
           (hi == NULL || (b != NULL && json_number_value(b) <= json_number_value(hi)));
}

/* The value of an attribute that is left out. */
static const char *dflt(const char *attr)
{
    if (strcmp(attr, "access") == 0) {
        return "r";
    }
    return strcmp(attr, "level") == 0 ? "info" : "";
}

bool twin_attr_same(const char *attr, const json_t *a, const json_t *b)
{
    const char *word = dflt(attr);
    if (json_is_number(a) && json_is_number(b)) {
        return json_number_value(a) == json_number_value(b);
    }
    if (a != NULL && b != NULL) {
        return json_equal(a, b) != 0;
    }
    const json_t *one = a == NULL ? b : a;
    if (one == NULL || json_is_null(one)) {
        return true;
    }
    if (json_is_string(one)) {
        return strcmp(json_string_value(one), word) == 0;
    }
    return json_is_false(one) || (json_is_object(one) && json_object_size(one) == 0) ||
           (json_is_array(one) && json_array_size(one) == 0);
}

static sh_err check_narrow(size_t list, size_t i, const char *attr, const json_t *from,
                           const json_t *v, struct sh_diag *diag)
{
    if (!allowed(list, attr)) {
        const sh_err err =
            refuse(diag, list, i, attr, "is inherited and cannot be changed in a model below");
        sh_diag_remedy(diag, "Change it in the model that has it, or give the member another id.");
        return err;
    }
    const json_t *had = json_object_get(from, attr);
    if (strcmp(attr, "range") == 0 && !within(v, had)) {
        return refuse(diag, list, i, attr, "is not within the inherited range");
    }
    if (strcmp(attr, "access") == 0 && !sh_str_eqc(sh_json_get_str(from, attr), "rw")) {
        return refuse(diag, list, i, attr, "cannot give access that the inherited member has not");
    }
    return SH_OK;
}

static bool named(const json_t *list, const char *attr)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s != NULL && strcmp(s, attr) == 0) {
            return true;
        }
    }
    return false;
}

/* Element of the own form for an inherited member; *out NULL: nothing is said otherwise. */
static sh_err override_of(size_t list, size_t i, const json_t *from, json_t *item, json_t **out,
                          struct sh_diag *diag)
{
    const bool marked = json_object_get(item, "inherited") != NULL;
    const json_t *said = json_object_get(item, "overrides");
    json_t *o = NULL;
    const char *attr = NULL;
    json_t *v = NULL;
    json_object_foreach(item, attr, v)
    {
        if (strcmp(attr, "id") == 0 || is_mark(attr) || (marked && !named(said, attr)) ||
            twin_attr_same(attr, v, json_object_get(from, attr))) {
            continue;
        }
        const sh_err err = check_narrow(list, i, attr, from, v, diag);
        if (err != SH_OK) {
            json_decref(o);
            return err;
        }
        o = o == NULL ? json_pack("{s:O,s:b}", "id", json_object_get(item, "id"), "override", 1)
                      : o;
        if (o == NULL || json_object_set(o, attr, v) != 0) {
            json_decref(o);
            return SH_E_NOMEM;
        }
    }
    *out = o;
    return SH_OK;
}

static json_t *own_member(json_t *item)
{
    json_t *o = json_copy(item);
    (void)json_object_del(o, "inherited");
    (void)json_object_del(o, "overrides");
    (void)json_object_del(o, "override");
    return o;
}

static sh_err own_list(const json_t *by_id, bool extends, size_t list, const json_t *body,
                       json_t *into, struct sh_diag *diag)
{
    const json_t *v = open_list(body, list);
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        const struct sh_str id = sh_json_get_str(item, "id");
        const json_t *from = json_object_getn(by_id, id.p, id.n);
        json_t *o = NULL;
        if (from != NULL) {
            SH_TRY(override_of(list, i, from, item, &o, diag));
            if (o == NULL) {
                continue;
            }
        } else if (extends && json_object_get(item, "inherited") != NULL) {
            const sh_err err =
                refuse(diag, list, i, "", "is no member of the model above any more");
            sh_diag_remedy(diag, "Take the mark \"inherited\" away to keep it as a member of its "
                                 "own, or leave it out.");
            return err;
        } else {
            o = own_member(item);
        }
        if (o == NULL || json_array_append_new(into, o) != 0) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}

sh_err twin_model_own(const json_t *parent, const json_t *body, json_t **out, struct sh_diag *diag)
{
    sh_err err = SH_OK;
    json_t *own = json_copy((json_t *)(uintptr_t)body);
    for (size_t i = 0; i < TWIN_MEMBER_LISTS && err == SH_OK && own != NULL; i++) {
        json_t *by_id = NULL;
        if (open_list(body, i) == NULL) {
            continue;
        }
        json_t *list = json_array();
        err = list == NULL ? SH_E_NOMEM : twin_members_by_id(parent, i, &by_id);
        if (err == SH_OK) {
            err = own_list(by_id, parent != NULL, i, body, list, diag);
        }
        if (err == SH_OK && json_object_set(own, twin_member_lists[i], list) != 0) {
            err = SH_E_NOMEM;
        }
        json_decref(by_id);
        json_decref(list);
    }
    if (own == NULL || err != SH_OK) {
        json_decref(own);
        return own == NULL ? SH_E_NOMEM : err;
    }
    for (size_t i = 0; i < HANDED_DOWN; i++) {
        const json_t *v = json_object_get(own, handed_down[i]);
        if (json_is_null(v) ||
            (v != NULL &&
             json_equal((json_t *)(uintptr_t)v, json_object_get(parent, handed_down[i])) != 0)) {
            (void)json_object_del(own, handed_down[i]);
        }
    }
    *out = own;
    return SH_OK;
}

/* ------------------------------------------------------------------ the whole of it */

/* The inherited member with what the model says otherwise (NULL: nothing). */
static sh_err inherited(size_t list, size_t i, json_t *from, json_t *own, struct sh_str parent_id,
                        json_t **out, struct sh_diag *diag)
{
    json_t *m = json_copy(from);
    json_t *overrides = json_array();
    sh_err err = m == NULL || overrides == NULL ? SH_E_NOMEM : SH_OK;
    const char *attr = NULL;
    json_t *v = NULL;
    if (err == SH_OK && json_object_get(m, "inherited") == NULL &&
        json_object_set_new(m, "inherited", json_stringn(parent_id.p, parent_id.n)) != 0) {
        err = SH_E_NOMEM;
    }
    (void)json_object_del(m, "overrides"); /* those of the model above are its own affair */
    json_object_foreach(own, attr, v)
    {
        if (err != SH_OK || strcmp(attr, "id") == 0 || is_mark(attr) ||
            twin_attr_same(attr, v, json_object_get(from, attr))) {
            continue;
        }
        sh_err ok = check_narrow(list, i, attr, from, v, diag);
        if (ok == SH_OK && (json_object_set(m, attr, v) != 0 ||
                            json_array_append_new(overrides, json_string(attr)) != 0)) {
            ok = SH_E_NOMEM;
        }
        err = diag == NULL && ok == SH_E_INVAL ? SH_OK : ok; /* at the start the model above wins */
    }
    if (err == SH_OK && json_array_size(overrides) > 0 &&
        json_object_set(m, "overrides", overrides) != 0) {
        err = SH_E_NOMEM;
    }
    json_decref(overrides);
    if (err != SH_OK) {
        json_decref(m);
        return err;
    }
    *out = m;
    return SH_OK;
}

static sh_err whole_list(const json_t *parent, struct sh_str parent_id, const json_t *own,
                         size_t list, json_t *into, struct sh_diag *diag)
{
    json_t *mine = NULL;
    const json_t *above = open_list(parent, list);
    SH_TRY(twin_members_by_id(own, list, &mine));
    sh_err err = SH_OK;
    for (size_t i = 0; i < json_array_size(above) && err == SH_OK; i++) {
        json_t *from = json_array_get(above, i);
        const struct sh_str id = sh_json_get_str(from, "id");
        json_t *m = NULL;
        err = inherited(list, i, from, json_object_getn(mine, id.p, id.n), parent_id, &m, diag);
        if (err == SH_OK && json_array_append_new(into, m) != 0) {
            err = SH_E_NOMEM;
        }
        (void)json_object_deln(mine, id.p, id.n);
    }
    const json_t *v = open_list(own, list);
    for (size_t i = 0; i < json_array_size(v) && err == SH_OK; i++) {
        json_t *item = json_array_get(v, i);
        const struct sh_str id = sh_json_get_str(item, "id");
        if (json_object_getn(mine, id.p, id.n) != NULL &&
            !sh_json_get_bool(item, "override", false) && json_array_append(into, item) != 0) {
            err = SH_E_NOMEM;
        }
    }
    json_decref(mine);
    return err;
}

sh_err twin_model_whole(const json_t *parent, struct sh_str parent_id, const json_t *own,
                        json_t **out, struct sh_diag *diag)
{
    sh_err err = SH_OK;
    json_t *whole = json_copy((json_t *)(uintptr_t)own);
    for (size_t i = 0; i < TWIN_MEMBER_LISTS && err == SH_OK && whole != NULL; i++) {
        if (open_list(own, i) == NULL && open_list(parent, i) == NULL) {
            continue;
        }
        json_t *list = json_array();
        err = list == NULL ? SH_E_NOMEM : whole_list(parent, parent_id, own, i, list, diag);
        if (err == SH_OK && i == 0 && json_array_size(list) > SH_TWIN_MAX_PROPERTIES) {
            sh_diag_at(diag, SH_STR("/properties"), 0);
            sh_diag_set(diag, "/properties with the inherited ones are more than %d",
                        SH_TWIN_MAX_PROPERTIES);
            err = SH_E_INVAL;
        }
        if (err == SH_OK && json_object_set(whole, twin_member_lists[i], list) != 0) {
            err = SH_E_NOMEM;
        }
        json_decref(list);
    }
    for (size_t i = 0; i < HANDED_DOWN && whole != NULL && err == SH_OK; i++) {
        json_t *v = json_object_get(parent, handed_down[i]);
        if (v != NULL && json_object_get(whole, handed_down[i]) == NULL &&
            json_object_set(whole, handed_down[i], v) != 0) {
            err = SH_E_NOMEM;
        }
    }
    if (whole == NULL || err != SH_OK) {
        json_decref(whole);
        return whole == NULL ? SH_E_NOMEM : err;
    }
    *out = whole;
    return SH_OK;
}

/* The own form as people send it: overrides get the type and the marks. */
sh_err twin_model_portable(const json_t *whole, json_t **out)
{
    json_t *doc = json_copy((json_t *)(uintptr_t)whole);
    sh_err err = doc == NULL ? SH_E_NOMEM : SH_OK;
    for (size_t i = 0; i < TWIN_MEMBER_LISTS && err == SH_OK; i++) {
        const json_t *v = open_list(whole, i);
        json_t *list = json_array();
        for (size_t k = 0; k < json_array_size(v) && err == SH_OK; k++) {
            json_t *item = json_array_get(v, k);
            if ((json_object_get(item, "inherited") == NULL ||
                 json_object_get(item, "overrides") != NULL) &&
                json_array_append(list, item) != 0) {
                err = SH_E_NOMEM;
            }
        }
        if (v != NULL && err == SH_OK && json_object_set(doc, twin_member_lists[i], list) != 0) {
            err = SH_E_NOMEM;
        }
        json_decref(list);
    }
    if (err != SH_OK) {
        json_decref(doc);
        return err;
    }
    *out = doc;
    return SH_OK;
}
