/* part.c - parts of a plant: which devices lie at an asset and below it, or carry a label; and what
 * of the asset tree leads to them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

/* pairs: \x1f in front of, between and behind key:value. */
static bool has_pair(struct sh_str pairs, struct sh_str pair)
{
    while (pairs.n > 0) {
        if (sh_str_eq(sh_str_cut(pairs, '\x1f', &pairs), pair)) {
            return true;
        }
    }
    return false;
}

bool twin_dev_within(const struct twin_tenant *tt, const struct twin_dev *d,
                     const struct sh_twin_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        const struct sh_twin_part *p = &parts->at[i];
        if (p->label ? has_pair(twin_dev_text(d, TWIN_PAIRS), p->text)
                     : twin_asset_below(tt, twin_dev_text(d, TWIN_ASSET), p->text)) {
            return true;
        }
    }
    return false;
}

bool sh_twin_device_within(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                           const struct sh_twin_parts *parts)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    const struct twin_slot *s = twin_find(t, tenant, id);
    const bool in = tt != NULL && s != NULL && s->dev != NULL && twin_dev_within(tt, s->dev, parts);
    sh_mutex_unlock(&t->lock);
    return in;
}

bool sh_twin_asset_within(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                          const struct sh_twin_parts *parts)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    bool in = tt != NULL && sh_map_get(&tt->assets, id) != NULL;
    if (in && parts != NULL) {
        in = false;
        for (size_t i = 0; i < parts->n && !in; i++) {
            in = !parts->at[i].label && twin_asset_below(tt, id, parts->at[i].text);
        }
    }
    sh_mutex_unlock(&t->lock);
    return in;
}

static bool doc_has(const json_t *labels, struct sh_str pair)
{
    json_t *l = (json_t *)(uintptr_t)labels;
    const size_t colon = sh_str_find(pair, ':');
    for (void *it = json_object_iter(l); it != NULL; it = json_object_iter_next(l, it)) {
        const json_t *v = json_object_iter_value(it);
        const struct sh_str value = {json_string_value(v), json_string_length(v)};
        if (colon != SIZE_MAX && sh_str_eqc(sh_str_sub(pair, 0, colon), json_object_iter_key(it)) &&
            sh_str_eq(sh_str_sub(pair, colon + 1, pair.n), value)) {
            return true;
        }
    }
    return false;
}

sh_err twin_doc_within(struct sh_twin *t, uint32_t tenant, const json_t *doc,
                       const struct sh_twin_parts *parts, struct sh_diag *diag)
{
    if (parts == NULL) {
        return SH_OK;
    }
    bool in = false;
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    for (size_t i = 0; tt != NULL && i < parts->n && !in; i++) {
        const struct sh_twin_part *p = &parts->at[i];
        in = p->label ? doc_has(json_object_get(doc, "labels"), p->text)
                      : twin_asset_below(tt, sh_json_get_str(doc, "asset"), p->text);
    }
    sh_mutex_unlock(&t->lock);
    if (!in) {
        sh_diag_set(diag, "with this the device lies outside of the part of the plant that your "
                          "right is for");
        sh_diag_remedy(diag, "give it an asset or a label of that part");
    }
    return in ? SH_OK : SH_E_DENIED;
}

/* ---- the tree ---- */

/* The asset lies in a part, or above one. */
static bool named(const struct twin_tenant *tt, struct sh_str id, const struct sh_twin_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        const struct sh_twin_part *p = &parts->at[i];
        if (!p->label && (twin_asset_below(tt, id, p->text) || twin_asset_below(tt, p->text, id))) {
            return true;
        }
    }
    return false;
}

struct tree {
    struct sh_map ids; /* of assets that devices of the parts hang on, with those above */
    struct twin_tenant *tt;
};

static sh_err mark_up(struct tree *m, struct sh_str asset)
{
    for (int depth = 0; depth < 8 && asset.n > 0; depth++) {
        const struct twin_asset *a = sh_map_get(&m->tt->assets, asset);
        if (a == NULL || sh_map_get(&m->ids, asset) != NULL) {
            break;
        }
        SH_TRY(sh_map_put(&m->ids, asset, m->tt));
        asset = a->parent;
    }
    return SH_OK;
}

/* For labels: devices are looked at in chunks, as in lists. */
static sh_err mark_devices(struct sh_twin *t, struct tree *m, const struct sh_twin_parts *parts)
{
    sh_err err = SH_OK;
    bool more = true;
    for (size_t at = 0; more && err == SH_OK; at += TWIN_CHUNK) {
        sh_mutex_lock(&t->lock);
        const size_t end = at + TWIN_CHUNK < m->tt->n ? at + TWIN_CHUNK : m->tt->n;
        more = end < m->tt->n;
        for (size_t i = at; i < end && err == SH_OK; i++) {
            const struct twin_dev *d = m->tt->sorted[i]->dev;
            if (d != NULL && twin_dev_within(m->tt, d, parts)) {
                err = mark_up(m, twin_dev_text(d, TWIN_ASSET));
            }
        }
        sh_mutex_unlock(&t->lock);
    }
    return err;
}

sh_err twin_tree_new(struct sh_twin *t, uint32_t tenant, const struct sh_twin_parts *parts,
                     struct sh_map *ids)
{
    struct tree m = {.tt = NULL};
    bool labels = false;
    sh_err err = SH_OK;
    sh_map_init(&m.ids, t->env->alloc, TWIN_MAX_ASSETS, t->tenants.seed);
    sh_mutex_lock(&t->lock);
    m.tt = twin_tenant(t, tenant, false);
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (m.tt != NULL && err == SH_OK && sh_map_next(&m.tt->assets, &it, &key, &v)) {
        err = named(m.tt, key, parts) ? sh_map_put(&m.ids, key, v) : SH_OK;
    }
    sh_mutex_unlock(&t->lock);
    for (size_t i = 0; i < parts->n; i++) {
        labels = labels || parts->at[i].label;
    }
    if (err == SH_OK && labels && m.tt != NULL) {
        err = mark_devices(t, &m, parts);
    }
    *ids = m.ids;
    return err;
}
