/* From where a device is admitted, and whether it is in two places at once.
 *
 * sh_guard_admits is asked once for each connection or request that has proved to be a device or a
 * token bound to one. It holds the lock for short and does no I/O; it allocates only when an
 * identity changes its address or is refused for the first time in a minute.
 *
 * A clone: what is told apart is places (IPv4 addresses, IPv6 /64) of one credential. A change back
 * to a place that was left within WINDOW_US is a return. Three changes of which two are returns,
 * all within WINDOW_US, raise the mark: A B A B does, and A B C A B (three copies); A B and A B A,
 * which is what one that moves does, do not.
 *
 * A mark, and the quarantine that may come of it, holds in memory at once and is stored with its
 * audit entry by a job on a worker, or by the tick: it is what was seen, not a change that somebody
 * waits for. A device whose mark waits for that is in the list g->marked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define WINDOW_US (10 * MINUTE_US)
enum { CHANGES = 3, RETURNS = 2 };

static const char *const doors[] = {[SH_DOOR_MQTT] = "mqtt",
                                    [SH_DOOR_INGEST] = "http",
                                    [SH_DOOR_EST] = "est",
                                    [SH_DOOR_OTHER] = "api"};

const char *guard_door_name(enum sh_door door)
{
    return doors[door];
}

enum sh_door guard_door_parse(struct sh_str name)
{
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        if (sh_str_eqc(name, doors[i])) {
            return (enum sh_door)i;
        }
    }
    return SH_DOOR_OTHER;
}

/* ---- what goes out of use ---- */

void guard_seen_forget(struct sh_guard *g, struct guard_seen *s)
{
    sh_mem_free(g->env->alloc, s->trace);
    *s = (struct guard_seen){.trace = NULL};
}

sh_err guard_access_need(struct sh_guard *g, struct guard_device *d)
{
    if (d->access == NULL) {
        d->access = sh_mem_new(g->env->alloc, sizeof *d->access);
    }
    return d->access == NULL ? SH_E_NOMEM : SH_OK;
}

static void count(struct sh_guard *g, const struct guard_device *d, bool quarantine, bool more)
{
    struct guard_tenant *t = guard_tenant_at(g, d->tenant);
    if (t != NULL) {
        (void)atomic_fetch_add(quarantine ? &t->quarantined : &t->cloned, more ? 1U : (uint32_t)-1);
    }
}

void guard_mark_clear(struct sh_guard *g, struct guard_device *d)
{
    if (d->access != NULL && d->access->mark.first_us != 0) {
        count(g, d, false, false);
        d->access->mark = (struct guard_mark){.first_us = 0};
    }
    guard_seen_forget(g, &d->seen);
    guard_tokens_forget_seen(g, d->tenant, sh_str_c(d->device));
}

void guard_mark_set(struct sh_guard *g, struct guard_device *d, const struct guard_mark *m)
{
    if (d->access->mark.first_us == 0) {
        count(g, d, false, true);
    }
    d->access->mark = *m;
}

static void unqueue(struct sh_guard *g, const struct guard_device *d)
{
    struct guard_device **at = &g->marked;
    while (*at != NULL && *at != d) {
        at = &(*at)->access->next;
    }
    if (*at != NULL) {
        *at = d->access->next;
    }
}

void guard_access_drop(struct sh_guard *g, struct guard_device *d)
{
    guard_seen_forget(g, &d->seen);
    if (d->access == NULL) {
        return;
    }
    if (d->access->queued) {
        unqueue(g, d);
    }
    if (d->access->mark.first_us != 0) {
        count(g, d, false, false);
    }
    if (d->access->quarantined_us != 0) {
        count(g, d, true, false);
    }
    sh_mem_free(g->env->alloc, d->access);
    d->access = NULL;
}

/* ---- quarantine ---- */

bool guard_device_shut(const struct guard_device *d)
{
    return d != NULL && d->access != NULL && d->access->quarantined_us != 0;
}

void guard_device_cut(struct sh_guard *g, struct guard_device *d)
{
    guard_subject_renew(g, d->slot);
    guard_device_refresh(g, d);
    guard_tokens_refresh(g, d->tenant, sh_str_c(d->device), true);
}

void guard_quarantine_set(struct sh_guard *g, struct guard_device *d, int64_t since_us,
                          struct sh_str reason, struct sh_str by)
{
    if (d->access->quarantined_us == 0) {
        count(g, d, true, true);
    }
    d->access->quarantined_us = since_us;
    (void)guard_copy(d->access->reason, sizeof d->access->reason, reason);
    (void)guard_copy(d->access->by, sizeof d->access->by, by);
    guard_device_cut(g, d);
}

void guard_quarantine_clear(struct sh_guard *g, struct guard_device *d)
{
    count(g, d, true, false);
    d->access->quarantined_us = 0;
    d->access->quarantine_new = false;
    d->access->reason[0] = '\0';
    d->access->by[0] = '\0';
    guard_seen_forget(g, &d->seen); /* what was seen before raises no new one */
    guard_tokens_forget_seen(g, d->tenant, sh_str_c(d->device));
    guard_device_refresh(g, d);
    guard_tokens_refresh(g, d->tenant, sh_str_c(d->device), false);
}

/* ---- clones ---- */

/* The place is left. True: `ip` is one that was left within the window. */
static bool move_to(struct guard_seen *s, const struct guard_ip *ip, int64_t now)
{
    struct guard_trace *t = s->trace;
    size_t slot = 0;
    bool back = false;
    for (size_t i = 0; i < GUARD_PLACES; i++) {
        if (t->past[i].left_us != 0 && guard_ip_same_place(&t->past[i].ip, ip)) {
            back = now - t->past[i].left_us <= WINDOW_US;
            slot = i;
            break;
        }
        if (t->past[i].left_us < t->past[slot].left_us) {
            slot = i;
        }
    }
    t->past[slot].ip = s->ip;
    t->past[slot].left_us = now == 0 ? 1 : now;
    s->ip = *ip;
    return back;
}

static bool in_turn(struct guard_trace *t, bool back, int64_t now)
{
    unsigned changes = 0;
    unsigned returns = 0;
    memmove(&t->change[1], &t->change[0], (GUARD_PLACES - 1) * sizeof t->change[0]);
    t->change[0].at_us = now == 0 ? 1 : now;
    t->change[0].back = back;
    for (size_t i = 0; i < GUARD_PLACES; i++) {
        if (t->change[i].at_us != 0 && now - t->change[i].at_us <= WINDOW_US) {
            changes++;
            returns += t->change[i].back ? 1 : 0;
        }
    }
    return back && changes >= CHANGES && returns >= RETURNS;
}

/* The credential was used from here. True: this makes it one that is in two places. */
static bool see(struct sh_guard *g, struct guard_seen *s, const struct guard_ip *ip,
                struct guard_ip *before)
{
    const int64_t now = sh_mono_us(g->env->clock);
    *before = s->ip;
    if (!s->some) {
        s->some = true;
        s->ip = *ip;
        return false;
    }
    if (guard_ip_same_place(&s->ip, ip)) {
        return false;
    }
    if (s->trace == NULL) {
        s->trace = sh_mem_new(g->env->alloc, sizeof *s->trace);
    }
    if (s->trace == NULL) {
        s->ip = *ip; /* the next change begins it */
        return false;
    }
    const bool back = move_to(s, ip, now);
    return in_turn(s->trace, back, now);
}

static void enqueue(struct sh_guard *g, struct guard_device *d)
{
    if (!d->access->queued) {
        d->access->queued = true;
        d->access->next = g->marked;
        g->marked = d;
    }
}

/* Raises or renews the mark. True: it is to be stored. Under lock. */
static bool raise_mark(struct sh_guard *g, struct guard_device *d, const struct guard_ip *a,
                       const struct guard_ip *b, enum sh_door door)
{
    if (guard_access_need(g, d) != SH_OK) {
        return false; /* the next return raises it */
    }
    const int64_t now = guard_now(g);
    struct guard_mark m = d->access->mark;
    const bool fresh = m.first_us == 0;
    const bool due = fresh || now - m.stored_us > WINDOW_US;
    m.first_us = fresh ? now : m.first_us;
    m.last_us = now;
    m.stored_us = due ? now : m.stored_us;
    m.times++;
    m.door = (uint8_t)door;
    m.ip[0] = *a;
    m.ip[1] = *b;
    guard_mark_set(g, d, &m);
    d->access->mark_new = d->access->mark_new || fresh;
    g->stats.clones += fresh ? 1 : 0;
    const bool shut = guard_set(g)->clones == SH_CLONES_QUARANTINE && !guard_device_shut(d);
    if (shut) {
        char reason[2 * GUARD_IP_CHARS + 48];
        char ip[2][GUARD_IP_CHARS];
        guard_ip_print(a, ip[0]);
        guard_ip_print(b, ip[1]);
        (void)guard_print(reason, sizeof reason, "clone: %s, %s (%s)", ip[0], ip[1], doors[door]);
        guard_quarantine_set(g, d, now, sh_str_c(reason), SH_STR("system"));
        d->access->quarantine_new = true;
    }
    if (due || shut) {
        enqueue(g, d);
    }
    return due || shut;
}

/* ---- storing marks ---- */

struct marking {
    bool mark_new;
    bool quarantine_new;
    uint32_t tenant;
    char object[SH_DEVICE_ID_MAX + 16];
    char mark[2 * GUARD_IP_CHARS + 64];
    char reason[GUARD_NOTE_MAX + 1];
};

/* The first one that waits, into the batch. NULL: none. Under change and lock. */
static struct guard_device *take(struct sh_guard *g, struct guard_batch *b, struct marking *m,
                                 sh_err *err)
{
    struct guard_device *d = g->marked;
    if (d == NULL) {
        return NULL;
    }
    struct guard_access *a = d->access;
    char ip[2][GUARD_IP_CHARS];
    g->marked = a->next;
    a->queued = false;
    *m = (struct marking){
        .mark_new = a->mark_new, .quarantine_new = a->quarantine_new, .tenant = d->tenant};
    a->mark_new = false;
    a->quarantine_new = false;
    guard_ip_print(&a->mark.ip[0], ip[0]);
    guard_ip_print(&a->mark.ip[1], ip[1]);
    (void)guard_print(m->object, sizeof m->object, "device:%s", d->device);
    (void)guard_print(m->mark, sizeof m->mark, "%s and %s in turn (%s)", ip[0], ip[1],
                      doors[a->mark.door]);
    (void)guard_copy(m->reason, sizeof m->reason, sh_str_c(a->reason));
    *err = guard_device_batch(g, b, d);
    return d;
}

static sh_err store(struct sh_guard *g, struct guard_batch *b, const struct marking *m)
{
    struct sh_audit audit = {
        .by = &g->system,
        .tenant = m->tenant,
        .act = m->mark_new ? SH_STR("device.cloned") : SH_STR("device.quarantined"),
        .object = sh_str_c(m->object),
        .result = SH_STR("ok"),
        .detail = sh_str_c(m->mark_new ? m->mark : m->reason),
    };
    SH_TRY(guard_commit(g, b, m->mark_new || m->quarantine_new ? &audit : NULL));
    if (m->mark_new) {
        sh_log(g->env->log, SH_LOG_WARN, "guard", "%s is used from two places: %s", m->object,
               m->mark);
    }
    if (m->quarantine_new) {
        sh_log(g->env->log, SH_LOG_WARN, "guard", "%s is in quarantine", m->object);
    }
    if (m->mark_new && m->quarantine_new) { /* the second entry of what was one step */
        audit.act = SH_STR("device.quarantined");
        audit.detail = sh_str_c(m->reason);
        sh_guard_audit_post(g, &audit);
    }
    return SH_OK;
}

void guard_marks_store(struct sh_guard *g)
{
    sh_mutex_lock(&g->change);
    sh_err err = SH_OK;
    while (err == SH_OK) {
        struct guard_batch b;
        struct marking m;
        guard_batch_init(g, &b);
        sh_mutex_lock(&g->lock);
        struct guard_device *d = take(g, &b, &m, &err);
        sh_mutex_unlock(&g->lock);
        err = d != NULL && err == SH_OK ? store(g, &b, &m) : err;
        guard_batch_fini(&b);
        if (d == NULL) {
            break;
        }
        if (err != SH_OK) { /* the tick tries again; under `change` the device is still there */
            sh_mutex_lock(&g->lock);
            d->access->mark_new = m.mark_new;
            d->access->quarantine_new = m.quarantine_new;
            enqueue(g, d);
            sh_mutex_unlock(&g->lock);
            sh_log(g->env->log, SH_LOG_ERROR, "guard", "the mark of %s can not be stored (%s)",
                   m.object, sh_err_name(err));
        }
    }
    sh_mutex_unlock(&g->change);
}

static void store_job(void *ctx)
{
    guard_marks_store(ctx);
}

/* ---- admitting ---- */

static enum sh_refusal judge(const struct guard_access *a, const struct guard_ip *ip, bool known)
{
    if (a == NULL) {
        return SH_REFUSED_NOT;
    }
    if (a->quarantined_us != 0) {
        return SH_REFUSED_QUARANTINE;
    }
    for (uint32_t i = 0; i < a->nnets; i++) {
        if (known && guard_net_has(&a->nets[i], ip)) {
            return SH_REFUSED_NOT;
        }
    }
    return a->nnets == 0 ? SH_REFUSED_NOT : SH_REFUSED_ADDRESS;
}

/* True: it is to be told. Under lock. */
static bool refuse(struct sh_guard *g, struct guard_access *a, const struct guard_ip *ip,
                   enum sh_refusal why, enum sh_door door)
{
    const int64_t now = sh_mono_us(g->env->clock);
    const bool due = a->refused == 0 || now - a->told_us >= MINUTE_US;
    a->told_us = due ? now : a->told_us;
    a->refused++;
    a->refused_us = guard_now(g);
    a->refused_ip = *ip;
    a->refused_why = (uint8_t)why;
    a->refused_door = (uint8_t)door;
    g->stats.refused_address += why == SH_REFUSED_ADDRESS ? 1 : 0;
    g->stats.refused_quarantine += why == SH_REFUSED_QUARANTINE ? 1 : 0;
    return due;
}

static void tell(struct sh_guard *g, const struct sh_principal *p, struct sh_str device,
                 struct sh_str peer, enum sh_refusal why, enum sh_door door)
{
    char object[SH_DEVICE_ID_MAX + 16];
    char detail[128];
    (void)guard_print(object, sizeof object, "device:%.*s", SH_PRI(device));
    (void)guard_print(detail, sizeof detail, "%s (%s)",
                      why == SH_REFUSED_QUARANTINE ? "in quarantine" : "not on its allow list",
                      doors[door]);
    const struct sh_audit audit = {
        .by = p,
        .tenant = p->tenant,
        .act = SH_STR("device.refused"),
        .object = sh_str_c(object),
        .result = SH_STR("denied"),
        .detail = sh_str_c(detail),
        .peer = peer,
    };
    sh_guard_audit_post(g, &audit);
    sh_log(g->env->log, SH_LOG_WARN, "guard", "%s is refused from %.*s: %s", object, SH_PRI(peer),
           detail);
}

/* The device, and where its credential was seen. A bound token is enough for there to be one: it
 * is made for the mark. Under lock. */
static struct guard_device *holder(struct sh_guard *g, const struct sh_principal *p,
                                   struct guard_seen **seen, struct guard_token **token)
{
    struct guard_device *d = guard_subject_owner(g, p, SH_PRINCIPAL_DEVICE);
    *token = guard_subject_owner(g, p, SH_PRINCIPAL_TOKEN);
    *seen = d != NULL ? &d->seen : *token != NULL ? &(*token)->seen : NULL;
    return *token == NULL ? d : guard_device_find(g, p->tenant, sh_str_c((*token)->device));
}

/* True: a mark waits to be stored. Under lock. */
static bool watch(struct sh_guard *g, struct guard_device **d, const struct guard_token *token,
                  struct guard_seen *seen, const struct guard_ip *ip, enum sh_door door)
{
    struct guard_ip before;
    if (guard_set(g)->clones == SH_CLONES_OFF || door == SH_DOOR_OTHER ||
        !see(g, seen, ip, &before)) {
        return false;
    }
    if (*d == NULL && (token == NULL ||
                       guard_device_add(g, token->tenant, sh_str_c(token->device), d) != SH_OK)) {
        return false;
    }
    return raise_mark(g, *d, &before, ip, door);
}

enum sh_refusal guard_device_admits(struct sh_guard *g, const struct sh_principal *p,
                                    struct sh_str peer, enum sh_door door)
{
    struct guard_ip ip;
    struct guard_seen *seen = NULL;
    struct guard_token *token = NULL;
    char device[SH_DEVICE_ID_MAX + 1] = "";
    bool told = false;
    bool waits = false;
    const bool known = guard_ip_parse(peer, &ip);
    sh_mutex_lock(&g->lock);
    struct guard_device *d = holder(g, p, &seen, &token);
    enum sh_refusal why = d == NULL ? SH_REFUSED_NOT : judge(d->access, &ip, known);
    if (why == SH_REFUSED_NOT && seen != NULL && known) {
        waits = watch(g, &d, token, seen, &ip, door);
        why = guard_device_shut(d) ? SH_REFUSED_QUARANTINE : why; /* just now */
    } else if (why != SH_REFUSED_NOT) {
        told = refuse(g, d->access, &ip, why, door);
        (void)guard_copy(device, sizeof device, sh_str_c(d->device));
    }
    sh_mutex_unlock(&g->lock);
    if (told) {
        tell(g, p, sh_str_c(device), peer, why, door);
    }
    if (waits && g->workers != NULL) {
        const sh_err err = sh_workers_run(g->workers, store_job, g);
        SH_UNUSED(err); /* too busy: the tick stores it */
    }
    return why;
}

bool sh_guard_archived(struct sh_guard *g, const struct sh_principal *p)
{
    struct sh_principal_info info;
    return p->bound && g->archived != NULL && sh_guard_describe(g, p, &info) == SH_OK &&
           info.device[0] != '\0' && g->archived(g->archived_ctx, p->tenant, sh_str_c(info.device));
}

enum sh_refusal sh_guard_admits(struct sh_guard *g, const struct sh_principal *p,
                                struct sh_str peer, enum sh_door door)
{
    if (p->kind == SH_PRINCIPAL_TOKEN) {
        sh_mutex_lock(&g->lock);
        guard_token_came(g, p, peer);
        sh_mutex_unlock(&g->lock);
    }
    if (!p->bound) {
        return SH_REFUSED_NOT;
    }
    return sh_guard_archived(g, p) ? SH_REFUSED_ARCHIVED : guard_device_admits(g, p, peer, door);
}

void sh_guard_refusal(enum sh_refusal why, bool chinese, struct sh_diag *diag)
{
    if (why == SH_REFUSED_QUARANTINE) {
        sh_diag_set(diag, "%s", chinese ? "该设备处于隔离状态。" : "The device is in quarantine.");
        sh_diag_remedy(diag, "%s",
                       chinese ? "请在设备页查看原因，由有设备写权限的人员解除隔离。"
                               : "Its page says why; who may change devices lets it out.");
    } else if (why == SH_REFUSED_ARCHIVED) {
        sh_diag_set(diag, "%s",
                    chinese ? "该设备已归档，不再接入。"
                            : "The device is archived: it does not come in any more.");
        sh_diag_remedy(diag, "%s",
                       chinese ? "若设备仍在使用，请在设备页恢复。"
                               : "If it is in use again, bring it back on its page.");
    } else if (why == SH_REFUSED_ADDRESS) {
        sh_diag_set(diag, "%s",
                    chinese ? "该设备的凭据不允许从此地址使用。"
                            : "The device's credentials are not admitted from this address.");
        sh_diag_remedy(diag, "%s",
                       chinese ? "请使用白名单内的地址，或在设备页修改地址白名单。"
                               : "Come from an address on its allow list, or change the list.");
    }
}

void sh_guard_devices_watched(const struct sh_guard *g, uint32_t tenant, uint32_t *cloned,
                              uint32_t *quarantined)
{
    const struct guard_tenant *t = guard_tenant_at(g, tenant);
    *cloned = t == NULL ? 0 : atomic_load(&t->cloned);
    *quarantined = t == NULL ? 0 : atomic_load(&t->quarantined);
}
