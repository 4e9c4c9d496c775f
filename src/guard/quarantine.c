/* What is kept about the access of a device: its allow list, the mark of a clone, its quarantine -
 * changes by people, the stored form and the shown one. What they do is in admit.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* ---- stored form: members of the device's object, only what there is ---- */

static void put_nets(const struct guard_access *a, struct sh_jw *w)
{
    sh_jw_key(w, "allow");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < a->nnets; i++) {
        char text[GUARD_NET_CHARS];
        guard_net_print(&a->nets[i], text);
        sh_jw_c(w, text);
    }
    sh_jw_arr_end(w);
}

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static void put_i64(struct sh_jw *w, const char *key, int64_t v)
{
    sh_jw_key(w, key);
    sh_jw_i64(w, v);
}

static void put_addresses(const struct guard_mark *m, struct sh_jw *w)
{
    sh_jw_key(w, "addresses");
    sh_jw_arr(w);
    for (size_t i = 0; i < 2; i++) {
        char text[GUARD_IP_CHARS];
        guard_ip_print(&m->ip[i], text);
        sh_jw_c(w, text);
    }
    sh_jw_arr_end(w);
}

void guard_access_store(const struct guard_access *a, struct sh_jw *w)
{
    if (a == NULL) {
        return;
    }
    if (a->nnets > 0) {
        put_nets(a, w);
    }
    if (a->mark.first_us != 0) {
        sh_jw_key(w, "clone");
        sh_jw_obj(w);
        put_i64(w, "first", a->mark.first_us);
        put_i64(w, "last", a->mark.last_us);
        put_i64(w, "times", a->mark.times);
        put_text(w, "how", guard_door_name((enum sh_door)a->mark.door));
        put_addresses(&a->mark, w);
        sh_jw_obj_end(w);
    }
    if (a->quarantined_us != 0) {
        sh_jw_key(w, "quarantine");
        sh_jw_obj(w);
        put_i64(w, "since", a->quarantined_us);
        put_text(w, "reason", a->reason);
        put_text(w, "by", a->by);
        sh_jw_obj_end(w);
    }
}

static sh_err read_nets(const json_t *list, struct guard_access *a, size_t *bad)
{
    a->nnets = 0;
    for (*bad = 0; *bad < json_array_size(list); (*bad)++) {
        const json_t *v = json_array_get(list, *bad);
        struct guard_net n;
        bool twice = false;
        if (!json_is_string(v)) {
            return SH_E_INVAL;
        }
        SH_TRY(guard_net_parse(sh_str_of(json_string_value(v), json_string_length(v)), &n));
        for (uint32_t i = 0; i < a->nnets; i++) {
            twice = twice || (a->nets[i].bits == n.bits &&
                              memcmp(a->nets[i].ip.b, n.ip.b, sizeof n.ip.b) == 0);
        }
        if (!twice && a->nnets == GUARD_NETS_MAX) {
            return SH_E_LIMIT;
        }
        if (!twice) {
            a->nets[a->nnets++] = n;
        }
    }
    return SH_OK;
}

static sh_err load_mark(const json_t *o, struct guard_mark *m)
{
    const json_t *list = json_object_get(o, "addresses");
    *m = (struct guard_mark){
        .first_us = sh_json_get_i64(o, "first", 0),
        .last_us = sh_json_get_i64(o, "last", 0),
        .times = (uint32_t)sh_json_get_i64(o, "times", 0),
        .door = (uint8_t)guard_door_parse(sh_json_get_str(o, "how")),
    };
    m->stored_us = m->last_us;
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v) ||
            !guard_ip_parse(sh_str_of(json_string_value(v), json_string_length(v)), &m->ip[i])) {
            return SH_E_CORRUPT;
        }
    }
    return m->first_us > 0 ? SH_OK : SH_E_CORRUPT;
}

sh_err guard_access_load(struct sh_guard *g, struct guard_device *d, const json_t *o)
{
    const json_t *allow = json_object_get(o, "allow");
    const json_t *clone = json_object_get(o, "clone");
    const json_t *quarantine = json_object_get(o, "quarantine");
    const int64_t since = sh_json_get_i64(quarantine, "since", 0);
    size_t bad = 0;
    if (allow == NULL && clone == NULL && quarantine == NULL) {
        return SH_OK;
    }
    SH_TRY(guard_access_need(g, d));
    if (read_nets(allow, d->access, &bad) != SH_OK || (quarantine != NULL && since <= 0)) {
        return SH_E_CORRUPT;
    }
    if (clone != NULL) {
        struct guard_mark m;
        SH_TRY(load_mark(clone, &m));
        guard_mark_set(g, d, &m);
    }
    if (quarantine != NULL) {
        guard_quarantine_set(g, d, since, sh_json_get_str(quarantine, "reason"),
                             sh_json_get_str(quarantine, "by"));
    }
    return SH_OK;
}

/* ---- changes by people ---- */

struct change {
    const struct sh_guard_at *at;
    struct sh_str device;
    struct sh_str act;
    struct sh_str detail;
    /* The state after it, from the state before; SH_E_NOTFOUND: there is nothing to change. */
    sh_err (*plan)(struct sh_guard *g, const struct change *c, struct guard_access *form);
    /* After the commit; can not fail. */
    void (*apply)(struct sh_guard *g, const struct change *c, struct guard_device *d,
                  const struct guard_access *form);
    const struct guard_access *want;
};

/* Under change and lock. */
static sh_err plan(struct sh_guard *g, const struct change *c, struct guard_device **d, bool *fresh,
                   struct guard_access *form, struct guard_batch *b)
{
    *d = guard_device_find(g, c->at->tenant, c->device);
    *form = (struct guard_access){.nnets = 0};
    if (*d != NULL && (*d)->access != NULL) {
        *form = *(*d)->access;
    }
    SH_TRY(c->plan(g, c, form));
    *fresh = *d == NULL;
    if (*fresh) {
        SH_TRY(guard_device_add(g, c->at->tenant, c->device, d));
    }
    SH_TRY(guard_access_need(g, *d));
    struct guard_device shown = **d;
    shown.access = form;
    return guard_device_batch(g, b, &shown);
}

static sh_err change(struct sh_guard *g, const struct change *c)
{
    struct guard_batch b;
    struct guard_access form;
    struct guard_device *d = NULL;
    bool fresh = false;
    char object[SH_DEVICE_ID_MAX + 16];
    if (!guard_device_id_ok(c->device)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_guard_check_device(g, c->at->by, SH_PERM_DEVICES_WRITE, c->at->tenant, c->device));
    (void)guard_print(object, sizeof object, "device:%.*s", SH_PRI(c->device));
    const struct sh_audit audit = {
        .by = c->at->by,
        .tenant = c->at->tenant,
        .act = c->act,
        .object = sh_str_c(object),
        .result = SH_STR("ok"),
        .detail = c->detail,
        .peer = c->at->peer,
    };
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan(g, c, &d, &fresh, &form, &b);
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? guard_commit(g, &b, &audit) : err;
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        c->apply(g, c, d, &form);
    } else if (fresh && d != NULL) {
        guard_device_drop(g, d);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

static sh_err plan_allow(struct sh_guard *g, const struct change *c, struct guard_access *form)
{
    SH_UNUSED(g);
    form->nnets = c->want->nnets;
    memcpy(form->nets, c->want->nets, sizeof form->nets);
    return SH_OK;
}

static void apply_allow(struct sh_guard *g, const struct change *c, struct guard_device *d,
                        const struct guard_access *form)
{
    SH_UNUSED(c);
    d->access->nnets = form->nnets;
    memcpy(d->access->nets, form->nets, sizeof form->nets);
    if (form->nnets > 0) {
        guard_device_cut(g, d); /* who is in from elsewhere goes */
    }
}

static sh_err bad_entry(sh_err err, const json_t *list, size_t i, struct sh_diag *diag)
{
    char path[32];
    const json_t *v = json_array_get(list, i);
    (void)guard_print(path, sizeof path, "/allow/%zu", i);
    sh_diag_at(diag, sh_str_c(path), 0);
    if (err == SH_E_LIMIT) {
        sh_diag_set(diag, "An allow list has at most %d entries.", GUARD_NETS_MAX);
        sh_diag_remedy(diag, "Write a range instead of single addresses: 10.8.0.0/24.");
        return SH_E_INVAL;
    }
    struct guard_net n;
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    if (err == SH_E_CONFLICT && guard_net_parse(sh_str_c(text), &n) == SH_E_CONFLICT) {
        char right[GUARD_NET_CHARS];
        guard_net_print(&n, right);
        sh_diag_set(diag, "'%.60s' is an address within a range.", text);
        sh_diag_remedy(diag, "The range is %s; a single address stands without a slash.", right);
        return SH_E_INVAL;
    }
    sh_diag_set(diag, "'%.60s' is no address and no range.", text);
    sh_diag_remedy(diag, "Write 10.8.0.7, 10.8.0.0/24, 2001:db8::7 or 2001:db8::/64.");
    return SH_E_INVAL;
}

sh_err sh_guard_device_allow(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str device,
                             const json_t *list, struct sh_diag *diag)
{
    struct guard_access want = {.nnets = 0};
    char detail[GUARD_NETS_MAX * GUARD_NET_CHARS] = "";
    size_t bad = 0;
    size_t n = 0;
    if (!json_is_array(list)) {
        sh_diag_at(diag, SH_STR("/allow"), 0);
        sh_diag_set(diag, "allow is a list of addresses and ranges; empty admits every address.");
        return SH_E_INVAL;
    }
    const sh_err err = read_nets(list, &want, &bad);
    if (err != SH_OK) {
        return bad_entry(err, list, bad, diag);
    }
    for (uint32_t i = 0; i < want.nnets; i++) {
        char text[GUARD_NET_CHARS];
        guard_net_print(&want.nets[i], text);
        (void)guard_print(detail + n, sizeof detail - n, "%s%s", i == 0 ? "" : " ", text);
        n += strlen(detail + n);
    }
    const struct change c = {.at = at,
                             .device = device,
                             .act = SH_STR("device.allow_list"),
                             .detail = sh_str_c(n == 0 ? "every address" : detail),
                             .plan = plan_allow,
                             .apply = apply_allow,
                             .want = &want};
    return change(g, &c);
}

static sh_err plan_shut(struct sh_guard *g, const struct change *c, struct guard_access *form)
{
    if (form->quarantined_us != 0) {
        return SH_E_EXISTS;
    }
    form->quarantined_us = guard_now(g);
    (void)guard_copy(form->reason, sizeof form->reason, sh_str_c(c->want->reason));
    (void)guard_copy(form->by, sizeof form->by, sh_str_c(c->want->by));
    return SH_OK;
}

static void apply_shut(struct sh_guard *g, const struct change *c, struct guard_device *d,
                       const struct guard_access *form)
{
    SH_UNUSED(c);
    guard_quarantine_set(g, d, form->quarantined_us, sh_str_c(form->reason), sh_str_c(form->by));
}

sh_err sh_guard_device_quarantine(struct sh_guard *g, const struct sh_guard_at *at,
                                  struct sh_str device, struct sh_str reason)
{
    struct sh_principal_info info;
    struct guard_access want = {.nnets = 0};
    if (reason.n == 0 || !guard_note_ok(reason) ||
        !guard_copy(want.reason, sizeof want.reason, reason)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_guard_describe(g, at->by, &info));
    (void)guard_copy(want.by, sizeof want.by, sh_str_c(info.label));
    const struct change c = {.at = at,
                             .device = device,
                             .act = SH_STR("device.quarantined"),
                             .detail = reason,
                             .plan = plan_shut,
                             .apply = apply_shut,
                             .want = &want};
    return change(g, &c);
}

static sh_err plan_out(struct sh_guard *g, const struct change *c, struct guard_access *form)
{
    SH_UNUSED(g);
    SH_UNUSED(c);
    const bool shut = form->quarantined_us != 0;
    form->quarantined_us = 0;
    return shut ? SH_OK : SH_E_NOTFOUND;
}

static void apply_out(struct sh_guard *g, const struct change *c, struct guard_device *d,
                      const struct guard_access *form)
{
    SH_UNUSED(c);
    SH_UNUSED(form);
    guard_quarantine_clear(g, d);
}

sh_err sh_guard_device_release(struct sh_guard *g, const struct sh_guard_at *at,
                               struct sh_str device)
{
    const struct change c = {.at = at,
                             .device = device,
                             .act = SH_STR("device.released"),
                             .plan = plan_out,
                             .apply = apply_out};
    return change(g, &c);
}

static sh_err plan_dismiss(struct sh_guard *g, const struct change *c, struct guard_access *form)
{
    SH_UNUSED(g);
    SH_UNUSED(c);
    const bool marked = form->mark.first_us != 0;
    form->mark = (struct guard_mark){.first_us = 0};
    return marked ? SH_OK : SH_E_NOTFOUND;
}

static void apply_dismiss(struct sh_guard *g, const struct change *c, struct guard_device *d,
                          const struct guard_access *form)
{
    SH_UNUSED(c);
    SH_UNUSED(form);
    guard_mark_clear(g, d);
}

sh_err sh_guard_device_clone_dismiss(struct sh_guard *g, const struct sh_guard_at *at,
                                     struct sh_str device)
{
    const struct change c = {.at = at,
                             .device = device,
                             .act = SH_STR("device.clone_dismissed"),
                             .plan = plan_dismiss,
                             .apply = apply_dismiss};
    return change(g, &c);
}

/* ---- showing ---- */

static void put_time(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    sh_jw_time(w, us);
}

static void show_clone(const struct guard_mark *m, struct sh_jw *w)
{
    sh_jw_key(w, "clone");
    if (m->first_us == 0) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    put_addresses(m, w);
    put_time(w, "first", m->first_us);
    put_time(w, "last", m->last_us);
    put_i64(w, "times", m->times);
    put_text(w, "how", guard_door_name((enum sh_door)m->door));
    sh_jw_obj_end(w);
}

static void show_quarantine(const struct guard_access *a, struct sh_jw *w)
{
    sh_jw_key(w, "quarantine");
    if (a->quarantined_us == 0) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    put_time(w, "since", a->quarantined_us);
    put_text(w, "reason", a->reason);
    put_text(w, "by", a->by);
    sh_jw_obj_end(w);
}

static void show_refused(const struct guard_access *a, struct sh_jw *w)
{
    char ip[GUARD_IP_CHARS];
    sh_jw_key(w, "refused");
    if (a->refused == 0) {
        sh_jw_null(w);
        return;
    }
    guard_ip_print(&a->refused_ip, ip);
    sh_jw_obj(w);
    sh_jw_key(w, "count");
    sh_jw_u64(w, a->refused);
    put_time(w, "last", a->refused_us);
    put_text(w, "address", ip);
    put_text(w, "why", a->refused_why == SH_REFUSED_QUARANTINE ? "quarantine" : "address");
    put_text(w, "how", guard_door_name((enum sh_door)a->refused_door));
    sh_jw_obj_end(w);
}

sh_err sh_guard_device_access_write(struct sh_guard *g, const struct sh_guard_at *at,
                                    struct sh_str device, struct sh_jw *w)
{
    static const char *const modes[] = {
        [SH_CLONES_OFF] = "off", [SH_CLONES_WARN] = "warn", [SH_CLONES_QUARANTINE] = "quarantine"};
    static const struct guard_access none = {.nnets = 0};
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_READ, at->tenant, device));
    sh_mutex_lock(&g->lock);
    const struct guard_device *d = guard_device_find(g, at->tenant, device);
    const struct guard_access *a = d == NULL || d->access == NULL ? &none : d->access;
    put_nets(a, w);
    show_refused(a, w);
    show_clone(&a->mark, w);
    show_quarantine(a, w);
    put_text(w, "clones", modes[guard_set(g)->clones]);
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}
