/* Grants: a role for a time, below a tenant, or for a part of a plant; and the part that a token is
 * limited to. What checks read of them lies in sets of atomics (guard_int.h), which are never freed
 * before close but given to the next.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* ---- sets ---- */

static struct guard_scopes *scopes_at(const struct sh_guard *g, uint32_t set)
{
    struct guard_scopes *chunk =
        atomic_load_explicit(&g->scopes[set / SCOPES_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[set % SCOPES_CHUNK];
}

const struct guard_scopes *guard_scopes_at(const struct sh_guard *g, uint32_t set)
{
    return scopes_at(g, set);
}

/* Set 0 is never used. */
sh_err guard_scopes_new(struct sh_guard *g, uint32_t *set)
{
    if (*set != 0) {
        return SH_OK;
    }
    struct guard_scopes *free = g->free_scopes == 0 ? NULL : scopes_at(g, g->free_scopes);
    if (free != NULL) {
        *set = g->free_scopes;
        g->free_scopes = free->next_free;
        return SH_OK;
    }
    const uint32_t n = g->nscopes == 0 ? 1 : g->nscopes;
    if (n / SCOPES_CHUNK >= SCOPES_CHUNKS) {
        return SH_E_LIMIT;
    }
    if (atomic_load(&g->scopes[n / SCOPES_CHUNK]) == NULL) {
        struct guard_scopes *chunk =
            sh_mem_array(g->env->alloc, SCOPES_CHUNK, sizeof(struct guard_scopes));
        if (chunk == NULL) {
            return SH_E_NOMEM;
        }
        atomic_store_explicit(&g->scopes[n / SCOPES_CHUNK], chunk, memory_order_release);
    }
    g->nscopes = n + 1;
    *set = n;
    return SH_OK;
}

void guard_scopes_free(struct sh_guard *g, uint32_t set)
{
    struct guard_scopes *s = set == 0 ? NULL : scopes_at(g, set);
    if (s == NULL) {
        return;
    }
    (void)atomic_fetch_add(&s->turn, 1);
    atomic_store(&s->n, 0);
    (void)atomic_fetch_add(&s->turn, 1);
    s->next_free = g->free_scopes;
    g->free_scopes = set;
}

static void scope_set(struct guard_scope *s, struct guard_worth w, uint8_t part, uint32_t tenant,
                      int64_t from_us, int64_t until_us)
{
    const bool all = part == SH_PART_ALL;
    atomic_store(&s->bits, all ? w.bits : w.bits & sh_permissions_beside_part());
    atomic_store(&s->in_part, all ? 0 : w.bits & sh_permissions_in_part());
    atomic_store(&s->clear, all ? w.clear : 0);
    atomic_store(&s->clear_part, all ? 0 : w.clear);
    atomic_store(&s->from_us, from_us);
    atomic_store(&s->until_us, until_us);
    atomic_store(&s->tenant, tenant);
}

void guard_grants_apply(struct sh_guard *g, const struct guard_person *p, bool may)
{
    guard_subject_scopes(g, p->slot, p->scopes);
    struct guard_scopes *s = p->scopes == 0 ? NULL : scopes_at(g, p->scopes);
    if (s == NULL) {
        return;
    }
    (void)atomic_fetch_add(&s->turn, 1);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        const struct guard_grant *gr = &p->grants[i];
        scope_set(&s->at[i], (struct guard_worth){gr->role->bits, guard_role_clear(gr->role)},
                  gr->part, gr->tenant, gr->from_us, gr->until_us);
    }
    atomic_store(&s->n, may ? p->ngrants : 0);
    (void)atomic_fetch_add(&s->turn, 1);
}

void guard_token_part_apply(struct sh_guard *g, const struct guard_token *t, uint64_t bits,
                            uint64_t clear)
{
    guard_subject_scopes(g, t->slot, t->scopes);
    struct guard_scopes *s = t->scopes == 0 ? NULL : scopes_at(g, t->scopes);
    if (s == NULL) {
        return;
    }
    (void)atomic_fetch_add(&s->turn, 1);
    scope_set(&s->at[0], (struct guard_worth){bits, clear}, t->part, t->tenant, 0, INT64_MAX);
    atomic_store(&s->n, 1);
    (void)atomic_fetch_add(&s->turn, 1);
}

uint64_t guard_person_bits(const struct guard_person *p)
{
    uint64_t bits = guard_roles_bits(p->roles, p->nroles);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        bits |= p->grants[i].role->bits;
    }
    return bits;
}

struct guard_worth guard_person_worth(const struct guard_person *p)
{
    uint64_t clear = guard_roles_clear(p->roles, p->nroles);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        clear |= guard_role_clear(p->grants[i].role);
    }
    return (struct guard_worth){guard_person_bits(p), clear};
}

/* ---- the part of a plant ---- */

sh_err guard_part_read(const json_t *o, struct sh_str path, uint8_t *part,
                       char what[SH_DEVICE_ID_MAX + 1], struct sh_diag *diag)
{
    const struct sh_str asset = sh_json_get_str(o, "asset");
    const struct sh_str label = sh_json_get_str(o, "label");
    const bool own = sh_json_get_bool(o, "own", false);
    *part = SH_PART_ALL;
    what[0] = '\0';
    sh_diag_at(diag, path, 0);
    if ((asset.n > 0) + (label.n > 0) + own > 1) {
        sh_diag_set(diag, "Only one of asset, label and own can be named.");
        sh_diag_remedy(diag, "Make one grant for each part.");
        return SH_E_INVAL;
    }
    const struct sh_str text = asset.n > 0 ? asset : label;
    if (!guard_copy(what, SH_DEVICE_ID_MAX + 1, text) || !sh_utf8_valid(text)) {
        sh_diag_set(diag, "An asset or label is at most %d bytes of UTF-8.", SH_DEVICE_ID_MAX);
        return SH_E_INVAL;
    }
    const size_t colon = sh_str_find(label, ':');
    if (label.n > 0 && (colon == SIZE_MAX || colon == 0 || colon + 1 == label.n)) {
        sh_diag_set(diag, "A label is written key:value.");
        return SH_E_INVAL;
    }
    if (own) {
        *part = SH_PART_OWN;
    } else if (text.n > 0) {
        *part = asset.n > 0 ? SH_PART_ASSET : SH_PART_LABEL;
    }
    return SH_OK;
}

void guard_part_write(uint8_t part, const char *what, struct sh_jw *w)
{
    if (part == SH_PART_OWN) {
        sh_jw_key(w, "own");
        sh_jw_bool(w, true);
    } else if (part != SH_PART_ALL) {
        sh_jw_key(w, part == SH_PART_ASSET ? "asset" : "label");
        sh_jw_c(w, what);
    }
}

/* ---- reading ---- */

static sh_err fault(struct sh_diag *diag, const char *words, const char *remedy)
{
    sh_diag_set(diag, "%s", words);
    sh_diag_remedy(diag, "%s", remedy);
    return SH_E_INVAL;
}

/* RFC 3339 text or milliseconds; null or missing: as it is. */
static bool read_time(const json_t *v, int64_t *out)
{
    if (v == NULL || json_is_null(v)) {
        return true;
    }
    if (json_is_integer(v)) {
        const json_int_t ms = json_integer_value(v);
        *out = (int64_t)ms * 1000;
        return ms > 0 && ms < INT64_MAX / 1000;
    }
    return json_is_string(v) &&
           sh_time_parse(sh_str_of(json_string_value(v), json_string_length(v)), out) == SH_OK;
}

/* The tenant by its path: that of the person, or one below. */
static sh_err read_tenant(struct sh_guard *g, const json_t *o, struct guard_grant *gr,
                          struct sh_diag *diag)
{
    const struct sh_str path = sh_json_get_str(o, "tenant");
    if (path.n == 0) {
        return SH_OK;
    }
    const struct guard_tenant *t = guard_tenant_by_path(g, path);
    if (t == NULL || !sh_guard_tenant_within(g, t->id, gr->tenant)) {
        return fault(diag, "The tenant of a grant is that of the person or one below it.",
                     "GET tenants lists them.");
    }
    gr->tenant = t->id;
    return SH_OK;
}

static sh_err read_grant(struct sh_guard *g, const json_t *o, size_t at, struct guard_grant *gr,
                         struct sh_diag *diag)
{
    char path[32];
    (void)guard_print(path, sizeof path, "/grants/%zu", at);
    sh_diag_at(diag, sh_str_c(path), 0);
    gr->role = guard_role_find(g, sh_json_get_str(o, "role"));
    if (gr->role == NULL) {
        return fault(diag, "A grant names a role that exists.", "GET roles lists them.");
    }
    SH_TRY(read_tenant(g, o, gr, diag));
    SH_TRY(guard_part_read(o, sh_str_c(path), &gr->part, gr->what, diag));
    const uint64_t some = sh_permissions_in_part();
    if (gr->part != SH_PART_ALL && (gr->role->bits & some) == 0) {
        return fault(diag, "This role gives nothing that can be limited to a part of the plant.",
                     "Name no asset and no label, or another role.");
    }
    if (!read_time(json_object_get(o, "from"), &gr->from_us) ||
        !read_time(json_object_get(o, "until"), &gr->until_us) || gr->until_us <= gr->from_us) {
        return fault(diag, "from and until are times, and until is the later one.",
                     "Write them as RFC 3339 or in milliseconds.");
    }
    if (!guard_copy(gr->reason, sizeof gr->reason, sh_json_get_str(o, "reason"))) {
        sh_diag_set(diag, "A reason is at most %d bytes.", GUARD_REASON_MAX);
        return SH_E_INVAL;
    }
    return SH_OK;
}

static bool same_grant(const struct guard_grant *a, const struct guard_grant *b)
{
    return a->role == b->role && a->tenant == b->tenant && a->part == b->part &&
           a->from_us == b->from_us && a->until_us == b->until_us && strcmp(a->what, b->what) == 0;
}

/* One that is as it was keeps who gave it and when. */
static bool keep_given(const struct guard_person *old, struct guard_grant *gr)
{
    for (uint32_t i = 0; old != NULL && i < old->ngrants; i++) {
        const struct guard_grant *was = &old->grants[i];
        if (same_grant(was, gr)) {
            gr->given_us = was->given_us;
            gr->end_told = was->end_told;
            (void)guard_copy(gr->by, sizeof gr->by, sh_str_c(was->by));
            return true;
        }
    }
    return false;
}

static sh_err giver(struct sh_guard *g, const struct sh_principal *by, char *out, size_t cap)
{
    const struct guard_session *s = guard_session_of(g, by);
    const struct guard_person *p =
        s != NULL ? s->person : guard_subject_owner(g, by, SH_PRINCIPAL_PERSON);
    const struct guard_token *t = guard_subject_owner(g, by, SH_PRINCIPAL_TOKEN);
    if (p != NULL) {
        return guard_person_label(g, p, out, cap);
    }
    return guard_print(out, cap, "%s%s", t == NULL ? "system" : "token:", t == NULL ? "" : t->name)
               ? SH_OK
               : SH_E_LIMIT;
}

sh_err guard_grants_read(struct sh_guard *g, const json_t *list, const struct guard_person *old,
                         const struct sh_guard_at *at, struct guard_person *form,
                         struct sh_diag *diag)
{
    const size_t n = json_array_size(list);
    sh_diag_at(diag, SH_STR("/grants"), 0);
    if (!json_is_array(list) || n > GUARD_GRANTS_MAX) {
        sh_diag_set(diag, "grants must be an array of at most %d.", GUARD_GRANTS_MAX);
        sh_diag_remedy(diag, "Take those away that have ended.");
        return SH_E_INVAL;
    }
    form->ngrants = 0;
    for (size_t i = 0; i < n; i++) {
        struct guard_grant *gr = &form->grants[i];
        *gr = (struct guard_grant){.tenant = form->tenant, .until_us = INT64_MAX};
        SH_TRY(read_grant(g, json_array_get(list, i), i, gr, diag));
        if (!keep_given(old, gr)) {
            if (gr->until_us <= guard_now(g)) {
                return fault(diag, "This grant would have ended before it begins.",
                             "until must be in the future.");
            }
            gr->given_us = guard_now(g);
            SH_TRY(giver(g, at->by, gr->by, sizeof gr->by));
        }
    }
    form->ngrants = (uint32_t)n;
    return SH_OK;
}

sh_err guard_grants_load(struct sh_guard *g, const json_t *list, struct guard_person *form)
{
    for (size_t i = 0; i < json_array_size(list) && i < GUARD_GRANTS_MAX; i++) {
        const json_t *o = json_array_get(list, i);
        struct guard_grant *gr = &form->grants[form->ngrants];
        *gr = (struct guard_grant){
            .tenant = (uint32_t)sh_json_get_i64(o, "in", form->tenant),
            .from_us = sh_json_get_i64(o, "from", 0),
            .until_us = sh_json_get_i64(o, "until", 0),
            .given_us = sh_json_get_i64(o, "given", 0),
        };
        gr->role = guard_role_find(g, sh_json_get_str(o, "role"));
        gr->end_told = gr->until_us <= guard_now(g);
        if (gr->role == NULL || guard_tenant_at(g, gr->tenant) == NULL ||
            guard_part_read(o, SH_STR(""), &gr->part, gr->what, NULL) != SH_OK ||
            !guard_copy(gr->reason, sizeof gr->reason, sh_json_get_str(o, "reason")) ||
            !guard_copy(gr->by, sizeof gr->by, sh_json_get_str(o, "by"))) {
            return SH_E_CORRUPT; /* less than it was would be another right */
        }
        form->ngrants++;
    }
    return SH_OK;
}

/* ---- writing ---- */

static void put_time(struct sh_jw *w, const char *key, int64_t us, bool none)
{
    sh_jw_key(w, key);
    if (none) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, us);
    }
}

void guard_grant_write(struct sh_guard *g, const struct guard_grant *gr, struct sh_jw *w)
{
    const struct guard_tenant *t = guard_tenant_at(g, gr->tenant);
    const int64_t now = guard_now(g);
    sh_jw_obj(w);
    sh_jw_key(w, "role");
    sh_jw_c(w, gr->role->name);
    sh_jw_key(w, "tenant");
    sh_jw_c(w, t == NULL ? "" : t->path);
    guard_part_write(gr->part, gr->what, w);
    put_time(w, "from", gr->from_us, gr->from_us == 0);
    put_time(w, "until", gr->until_us, gr->until_us == INT64_MAX);
    sh_jw_key(w, "state");
    sh_jw_c(w, gr->until_us <= now ? "ended" : gr->from_us > now ? "coming" : "active");
    sh_jw_key(w, "reason");
    sh_jw_c(w, gr->reason);
    sh_jw_key(w, "by");
    sh_jw_c(w, gr->by);
    put_time(w, "given", gr->given_us, false);
    sh_jw_obj_end(w);
}

static void grant_store(const struct guard_grant *gr, struct sh_jw *w)
{
    sh_jw_obj(w);
    sh_jw_key(w, "role");
    sh_jw_c(w, gr->role->name);
    sh_jw_key(w, "in");
    sh_jw_u64(w, gr->tenant);
    guard_part_write(gr->part, gr->what, w);
    sh_jw_key(w, "from");
    sh_jw_i64(w, gr->from_us);
    sh_jw_key(w, "until");
    sh_jw_i64(w, gr->until_us);
    sh_jw_key(w, "given");
    sh_jw_i64(w, gr->given_us);
    sh_jw_key(w, "reason");
    sh_jw_c(w, gr->reason);
    sh_jw_key(w, "by");
    sh_jw_c(w, gr->by);
    sh_jw_obj_end(w);
}

void guard_grants_write(struct sh_guard *g, const struct guard_person *p, bool stored,
                        struct sh_jw *w)
{
    sh_jw_arr(w);
    for (uint32_t i = 0; i < p->ngrants; i++) {
        if (stored) {
            grant_store(&p->grants[i], w);
        } else {
            guard_grant_write(g, &p->grants[i], w);
        }
    }
    sh_jw_arr_end(w);
}

/* ---- for the audit chain ---- */

static bool same_rights(const struct guard_person *a, const struct guard_person *b)
{
    bool same = a->nroles == b->nroles && a->ngrants == b->ngrants;
    for (uint32_t i = 0; same && i < a->nroles; i++) {
        same = a->roles[i] == b->roles[i];
    }
    for (uint32_t i = 0; same && i < a->ngrants; i++) {
        same = same_grant(&a->grants[i], &b->grants[i]);
    }
    return same;
}

static void put_side(struct sh_guard *g, const struct guard_person *p,
                     const struct guard_person *other, struct sh_jw *w)
{
    sh_jw_obj(w);
    if (other == NULL || !same_rights(p, other)) {
        sh_jw_key(w, "roles");
        guard_roles_write(p->roles, p->nroles, w);
        sh_jw_key(w, "grants");
        guard_grants_write(g, p, false, w);
    }
    if (other == NULL ? p->nidentities > 0
                      : p->nidentities != other->nidentities ||
                            memcmp(p->identities, other->identities,
                                   p->nidentities * sizeof p->identities[0]) != 0) {
        const sh_err err = guard_identities_store(p, w);
        SH_UNUSED(err); /* it sticks in w */
    }
    if (other == NULL || p->disabled != other->disabled) {
        sh_jw_key(w, "disabled");
        sh_jw_bool(w, p->disabled);
    }
    if (other != NULL && strcmp(p->phc, other->phc) != 0) {
        sh_jw_key(w, "password");
        sh_jw_c(w, "changed");
    }
    if (other != NULL && guard_has_factor(p) != guard_has_factor(other)) {
        sh_jw_key(w, "second_factor");
        sh_jw_bool(w, guard_has_factor(p));
    }
    sh_jw_obj_end(w);
}

sh_err guard_person_detail(struct sh_guard *g, const struct guard_person *old,
                           const struct guard_person *form, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    if (old != NULL) {
        sh_jw_key(&w, "before");
        put_side(g, old, form, &w);
    }
    sh_jw_key(&w, "after");
    put_side(g, form, old, &w);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

/* ---- the end of a grant ---- */

struct ended {
    uint32_t tenant;
    char object[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16];
    char detail[AUDIT_DETAIL_MAX + 1];
};

/* The next one that has ended and was not told. Under lock. */
static bool next_ended(struct sh_guard *g, struct ended *out)
{
    const int64_t now = guard_now(g);
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->people, &it, &key, &v)) {
        struct guard_person *p = v;
        for (uint32_t i = 0; i < p->ngrants; i++) {
            struct guard_grant *gr = &p->grants[i];
            if (gr->until_us > now || gr->end_told) {
                continue;
            }
            gr->end_told = true;
            out->tenant = p->tenant;
            memcpy(out->object, "person:", 8);
            (void)guard_person_label(g, p, out->object + 7, sizeof out->object - 7);
            (void)guard_print(out->detail, sizeof out->detail, "role %s%s%s", gr->role->name,
                              gr->what[0] == '\0' ? "" : " for ", gr->what);
            return true;
        }
    }
    return false;
}

void guard_grants_tick(struct sh_guard *g)
{
    struct ended e;
    bool found = true;
    while (found) {
        sh_mutex_lock(&g->lock);
        found = next_ended(g, &e);
        sh_mutex_unlock(&g->lock);
        if (found) {
            const struct sh_audit a = {
                .by = &g->system,
                .tenant = e.tenant,
                .act = SH_STR("grant.ended"),
                .object = sh_str_c(e.object),
                .result = SH_STR("ok"),
                .detail = sh_str_c(e.detail),
            };
            sh_guard_audit_post(g, &a);
        }
    }
}
