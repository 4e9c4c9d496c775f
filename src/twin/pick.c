/* pick.c - which devices a bulk act or an export means. SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

enum { PICK_ARENA = 64 << 10 };

/* An array of ids as a set; NULL when there is none. SH_E_INVAL: not an array of texts. */
static sh_err set_of(const json_t *list, const char *path, json_t **out, struct sh_diag *diag)
{
    if (list == NULL || json_is_null(list)) {
        return SH_OK;
    }
    *out = json_object();
    sh_err err = *out == NULL ? SH_E_NOMEM : SH_OK;
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id)) {
            err = SH_E_INVAL;
        } else if (json_object_setn_new(*out, json_string_value(id), json_string_length(id),
                                        json_true()) != 0) {
            err = SH_E_NOMEM;
        }
    }
    if (err == SH_E_INVAL || !json_is_array(list)) {
        sh_diag_at(diag, sh_str_c(path), 0);
        sh_diag_set(diag, "%s is an array of device ids", path + 1);
        return SH_E_INVAL;
    }
    if (err == SH_OK && json_array_size(list) > SH_TWIN_BULK_IDS) {
        sh_diag_at(diag, sh_str_c(path), 0);
        sh_diag_set(diag, "more than %d ids in one call", SH_TWIN_BULK_IDS);
        return SH_E_INVAL;
    }
    return err;
}

sh_err twin_picker_init(struct sh_twin *t, struct twin_picker *p, const struct sh_twin_pick *pick,
                        struct sh_diag *diag)
{
    *p = (struct twin_picker){.pick = pick, .ar = sh_arena_new(t->env->alloc, PICK_ARENA)};
    sh_err err = p->ar == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK) {
        err = twin_filter_init(t, &p->filter, &pick->filter, p->ar, diag);
    }
    if (err == SH_OK) {
        err = set_of(pick->ids, "/ids", &p->ids, diag);
    }
    if (err == SH_OK) {
        err = set_of(pick->except, "/except", &p->except, diag);
    }
    if (err != SH_OK) {
        twin_picker_fini(p);
    }
    return err;
}

void twin_picker_fini(struct twin_picker *p)
{
    json_decref(p->ids);
    json_decref(p->except);
    sh_arena_free(p->ar);
    *p = (struct twin_picker){.pick = NULL};
}

static bool in(const json_t *set, struct sh_str id)
{
    return json_object_getn(set, id.p, id.n) != NULL;
}

bool twin_picker_takes(struct sh_twin *t, const struct twin_picker *p, struct sh_str id)
{
    const struct sh_twin_pick *pick = p->pick;
    if (in(p->except, id) || (pick->sees != NULL && !pick->sees(pick->ctx, id))) {
        return false;
    }
    if (p->ids != NULL) {
        return in(p->ids, id);
    }
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, pick->filter.tenant, false);
    const struct twin_slot *s = twin_find(t, pick->filter.tenant, id);
    const bool takes = s != NULL && twin_filter_match(&p->filter, tt, s);
    sh_mutex_unlock(&t->lock);
    return takes;
}
