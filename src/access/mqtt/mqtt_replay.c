/* mqtt_replay.c - reading records back: the log after a restart, and the bodies of a checkpoint.
 * The bytes come from our disk, and are trusted no more than a peer's: every read is bounded, a
 * record that makes no sense is SH_E_CORRUPT and leaves the state as it was or short of that
 * record. SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { LOADED_MAX = 16 << 20 };

static struct sh_str sid_key(uint8_t out[8], uint64_t sid)
{
    sh_put_le64(out, sid);
    return (struct sh_str){(const char *)out, 8};
}

static struct mqtt_session *by_sid(const struct mqtt_broker *b, uint64_t sid)
{
    uint8_t k[8];
    return sh_map_get(&b->by_sid, sid_key(k, sid));
}

static sh_err text(struct sh_rd *r, struct sh_str *out)
{
    uint32_t n = 0;
    struct sh_bytes v = {NULL, 0};
    SH_TRY(sh_rd_le32(r, &n));
    SH_TRY(sh_rd_bytes(r, n, &v));
    *out = sh_bytes_str(v);
    return SH_OK;
}

static void forget(struct mqtt_broker *b, struct mqtt_session *s)
{
    uint8_t k[8];
    (void)sh_map_del(&b->by_sid, sid_key(k, s->sid));
    mqtt_session_free(b, s);
}

/* ---- sessions ---- */

struct srec {
    uint64_t sid;
    uint64_t principal;
    uint64_t since;
    uint32_t tenant;
    uint32_t expiry;
    uint16_t pid;
    uint8_t version;
    uint8_t connected;
    uint8_t has_will;
    struct sh_str client_id;
    struct sh_str device;
};

static sh_err read_session(struct sh_rd *r, struct srec *v)
{
    SH_TRY(sh_rd_le64(r, &v->sid));
    SH_TRY(sh_rd_le32(r, &v->tenant));
    SH_TRY(sh_rd_le64(r, &v->principal));
    SH_TRY(sh_rd_le32(r, &v->expiry));
    SH_TRY(sh_rd_u8(r, &v->version));
    SH_TRY(sh_rd_u8(r, &v->connected));
    SH_TRY(sh_rd_le64(r, &v->since));
    SH_TRY(sh_rd_le16(r, &v->pid));
    SH_TRY(text(r, &v->client_id));
    SH_TRY(text(r, &v->device));
    return sh_rd_u8(r, &v->has_will);
}

static sh_err read_will(struct mqtt_broker *b, struct mqtt_tenant *t, struct sh_rd *r,
                        struct mqtt_kept_will **out)
{
    uint8_t qos = 0;
    uint8_t retain = 0;
    uint32_t delay = 0;
    uint32_t expiry = 0;
    struct sh_str topic;
    struct sh_str props;
    struct sh_str payload;
    SH_TRY(sh_rd_u8(r, &qos));
    SH_TRY(sh_rd_u8(r, &retain));
    SH_TRY(sh_rd_le32(r, &delay));
    SH_TRY(sh_rd_le32(r, &expiry));
    SH_TRY(text(r, &topic));
    SH_TRY(text(r, &props));
    SH_TRY(text(r, &payload));
    if (qos > 2 || !mqtt_topic_valid(topic)) {
        return SH_E_CORRUPT;
    }
    const struct mqtt_pub p = {.tenant = t,
                               .topic = topic,
                               .props = sh_str_bytes(props),
                               .payload = sh_str_bytes(payload),
                               .expires_us = MQTT_FAR,
                               .qos = qos};
    struct mqtt_kept_will *w = sh_mem_new(b->alloc, sizeof *w);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    w->msg = mqtt_msg_new(b, &p);
    w->delay_s = delay;
    w->expiry_s = expiry;
    w->retain = retain != 0;
    if (w->msg == NULL) {
        sh_mem_free(b->alloc, w);
        return SH_E_NOMEM;
    }
    *out = w;
    return SH_OK;
}

static sh_err session_make(struct mqtt_broker *b, struct mqtt_tenant *t, const struct srec *v,
                           struct mqtt_session **out)
{
    struct mqtt_session *s = by_sid(b, v->sid);
    if (s != NULL) {
        *out = s;
        return SH_OK;
    }
    s = mqtt_session_find(b, v->tenant, v->principal, v->client_id);
    if (s != NULL) {
        forget(b, s);
    }
    const struct mqtt_session_key key = {v->principal, v->client_id, v->device};
    SH_TRY(mqtt_session_new(b, t, &key, &s));
    s->sid = v->sid;
    if (b->next_sid < v->sid) {
        b->next_sid = v->sid;
    }
    uint8_t k[8];
    if (sh_map_put(&b->by_sid, sid_key(k, s->sid), s) != SH_OK) {
        mqtt_session_free(b, s);
        return SH_E_NOMEM;
    }
    *out = s;
    return SH_OK;
}

static sh_err apply_session(struct mqtt_broker *b, struct sh_rd *r)
{
    struct srec v;
    memset(&v, 0, sizeof v);
    SH_TRY(read_session(r, &v));
    struct mqtt_tenant *t = mqtt_tenant_get(b, v.tenant, true);
    if (t == NULL) {
        return v.tenant == 0 ? SH_E_CORRUPT : SH_E_NOMEM;
    }
    struct mqtt_kept_will *will = NULL;
    if (v.has_will != 0) {
        SH_TRY(read_will(b, t, r, &will));
    }
    struct mqtt_session *s = by_sid(b, v.sid);
    if (v.expiry == MQTT_NO_EXPIRY) { /* it ended with the process */
        if (s != NULL) {
            forget(b, s);
        }
        if (will != NULL) {
            mqtt_msg_unref(b, will->msg);
            sh_mem_free(b->alloc, will);
        }
        return SH_OK;
    }
    const sh_err e = session_make(b, t, &v, &s);
    if (e != SH_OK) {
        if (will != NULL) {
            mqtt_msg_unref(b, will->msg);
            sh_mem_free(b->alloc, will);
        }
        return e;
    }
    mqtt_will_drop(b, s);
    s->will = will;
    s->expiry_s = v.expiry;
    s->version = v.version;
    s->persistent = true;
    s->replayed = v.connected != 0;
    s->since_us = (int64_t)v.since;
    s->next_pid = v.pid > s->next_pid ? v.pid : s->next_pid;
    s->pids_mixed = true; /* numbers in use are looked for */
    return SH_OK;
}

static sh_err apply_end(struct mqtt_broker *b, struct sh_rd *r)
{
    uint64_t sid = 0;
    SH_TRY(sh_rd_le64(r, &sid));
    struct mqtt_session *s = by_sid(b, sid);
    if (s != NULL) {
        forget(b, s);
    }
    return SH_OK;
}

static sh_err apply_away(struct mqtt_broker *b, struct sh_rd *r)
{
    uint64_t sid = 0;
    uint64_t wall = 0;
    uint32_t expiry = 0;
    uint8_t will = 0;
    SH_TRY(sh_rd_le64(r, &sid));
    SH_TRY(sh_rd_le64(r, &wall));
    SH_TRY(sh_rd_le32(r, &expiry));
    SH_TRY(sh_rd_u8(r, &will));
    struct mqtt_session *s = by_sid(b, sid);
    if (s == NULL) {
        return SH_OK;
    }
    s->replayed = false;
    s->since_us = (int64_t)wall;
    s->expiry_s = expiry;
    if (will == 0) {
        mqtt_will_drop(b, s);
    }
    return SH_OK;
}

/* ---- subscriptions ---- */

static sh_err apply_sub(struct mqtt_broker *b, struct sh_rd *r, bool add)
{
    uint64_t sid = 0;
    uint32_t n = 0;
    SH_TRY(sh_rd_le64(r, &sid));
    SH_TRY(sh_rd_le32(r, &n));
    struct mqtt_session *s = by_sid(b, sid);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t options = 0;
        uint32_t id = 0;
        struct sh_str all;
        if (add) {
            SH_TRY(sh_rd_u8(r, &options));
            SH_TRY(sh_rd_le32(r, &id));
        }
        SH_TRY(text(r, &all));
        struct sh_str group = {NULL, 0};
        struct sh_str filter = all;
        if (mqtt_share_split(all, &group, &filter) == SH_E_PROTO || !mqtt_filter_valid(filter)) {
            if (add) {
                return SH_E_CORRUPT;
            }
            continue;
        }
        bool is_new = false;
        if (s != NULL && add) {
            const sh_err e = mqtt_sub_set(b, s, group, filter, options, id, &is_new);
            if (e != SH_OK && e != SH_E_LIMIT) {
                return e;
            }
        } else if (s != NULL && mqtt_sub_remove(b, s, group, filter) != SH_OK) {
            continue; /* there was none: UNSUBSCRIBE of an unknown filter is logged too */
        }
    }
    return SH_OK;
}

/* ---- messages ---- */

static sh_err read_target(struct mqtt_broker *b, struct sh_rd *r, struct mqtt_session **s,
                          struct mqtt_oent *e)
{
    uint64_t sid = 0;
    uint8_t n = 0;
    SH_TRY(sh_rd_le64(r, &sid));
    SH_TRY(sh_rd_le16(r, &e->pid));
    SH_TRY(sh_rd_u8(r, &e->flags));
    SH_TRY(sh_rd_u8(r, &n));
    if ((e->flags & MQTT_O_QOS) == 3 || sh_rd_left(r) < (size_t)n * 4) {
        return SH_E_CORRUPT;
    }
    if (n > 0) {
        SH_TRY(sh_rd_le32(r, &e->id));
    }
    if (n > 1) {
        e->more = sh_mem_array(b->alloc, n, sizeof *e->more);
        if (e->more == NULL) {
            return SH_E_NOMEM;
        }
        e->more[0] = n - 1U;
        for (uint8_t i = 1; i < n; i++) {
            e->more[i] = sh_le32(r->p); /* the length was checked above */
            r->p += 4;
        }
    }
    *s = by_sid(b, sid);
    return SH_OK;
}

static sh_err put_target(struct mqtt_broker *b, struct sh_rd *r, struct mqtt_msg *m, uint8_t state)
{
    struct mqtt_session *s = NULL;
    struct mqtt_oent e = {.state = state};
    SH_TRY(read_target(b, r, &s, &e));
    const bool rel = state == MQTT_O_REL;
    if (s == NULL || (m == NULL && !rel)) {
        sh_mem_free(b->alloc, e.more);
        return SH_OK;
    }
    if (!rel) {
        m->refs++;
        e.msg = m;
    }
    const sh_err err = mqtt_q_push(b, s, &e);
    if (err != SH_OK) {
        mqtt_msg_unref(b, e.msg);
        sh_mem_free(b->alloc, e.more);
    } else {
        s->next_pid = e.pid; /* numbers were given in this order */
    }
    return err;
}

static sh_err remember(struct mqtt_broker *b, uint64_t id, struct mqtt_msg *m)
{
    if (id != b->nloaded + 1ULL || b->nloaded >= LOADED_MAX) {
        return SH_E_CORRUPT;
    }
    if (b->nloaded == b->loaded_cap) {
        const uint32_t cap = b->loaded_cap == 0 ? 256 : b->loaded_cap * 2;
        struct mqtt_msg **v = sh_mem_resize(b->alloc, b->loaded, cap * sizeof(struct mqtt_msg *));
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        b->loaded = v;
        b->loaded_cap = cap;
    }
    m->refs++;
    b->loaded[b->nloaded++] = m;
    return SH_OK;
}

void mqtt_loaded_free(struct mqtt_broker *b)
{
    for (uint32_t i = 0; i < b->nloaded; i++) {
        mqtt_msg_unref(b, b->loaded[i]);
    }
    sh_mem_free(b->alloc, b->loaded);
    b->loaded = NULL;
    b->nloaded = 0;
    b->loaded_cap = 0;
}

static sh_err read_msg(struct mqtt_broker *b, struct sh_rd *r, struct mqtt_pub *p, uint64_t *id)
{
    uint32_t tenant = 0;
    uint8_t retain = 0;
    uint64_t wall = 0;
    struct sh_str props;
    struct sh_str payload;
    SH_TRY(sh_rd_le64(r, id));
    SH_TRY(sh_rd_le32(r, &tenant));
    SH_TRY(sh_rd_u8(r, &p->qos));
    SH_TRY(sh_rd_u8(r, &retain));
    SH_TRY(sh_rd_le64(r, &wall));
    SH_TRY(sh_rd_le64(r, &p->from_sid));
    SH_TRY(sh_rd_le16(r, &p->src_pid));
    SH_TRY(text(r, &p->topic));
    SH_TRY(text(r, &props));
    SH_TRY(text(r, &payload));
    p->props = sh_str_bytes(props);
    p->payload = sh_str_bytes(payload);
    p->retain = retain != 0;
    p->expires_us = mqtt_from_wall(b, (int64_t)wall);
    if (p->qos > 2 || tenant == 0 || !mqtt_topic_valid(p->topic)) {
        return SH_E_CORRUPT;
    }
    p->tenant = mqtt_tenant_get(b, tenant, true);
    return p->tenant == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err apply_msg(struct mqtt_broker *b, struct sh_rd *r)
{
    struct mqtt_pub p = {.msg = NULL};
    uint64_t id = 0;
    uint32_t n = 0;
    SH_TRY(read_msg(b, r, &p, &id));
    SH_TRY(sh_rd_le32(r, &n));
    struct mqtt_msg *m = mqtt_pub_keep(b, &p);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    sh_err e = p.retain ? mqtt_retain_set(b, &p) : SH_OK;
    if (e == SH_OK && id != 0) {
        e = remember(b, id, m);
    }
    struct mqtt_session *src = p.src_pid == 0 ? NULL : by_sid(b, p.from_sid);
    if (e == SH_OK && src != NULL) {
        e = mqtt_in2_add(b, src, p.src_pid);
    }
    for (uint32_t i = 0; i < n && e == SH_OK; i++) {
        e = put_target(b, r, m, MQTT_O_WAIT);
    }
    mqtt_msg_unref(b, m);
    mqtt_msg_unref(b, p.msg);
    return e;
}

static sh_err apply_queue(struct mqtt_broker *b, struct sh_rd *r)
{
    uint64_t id = 0;
    uint8_t state = 0;
    SH_TRY(sh_rd_le64(r, &id));
    SH_TRY(sh_rd_u8(r, &state));
    if (id > b->nloaded || state > MQTT_O_REL) {
        return SH_E_CORRUPT;
    }
    return put_target(b, r, id == 0 ? NULL : b->loaded[id - 1], state);
}

static void out_one(struct mqtt_broker *b, struct mqtt_session *s, uint16_t pid, uint8_t what)
{
    for (uint32_t i = 0; i < s->q->n; i++) {
        struct mqtt_oent *e = mqtt_oq_at(s->q, i);
        if (e->pid != pid || e->state == MQTT_O_DONE) {
            continue;
        }
        if (what == MQTT_OUT_DONE) {
            e->state = MQTT_O_WAIT; /* nothing is counted in flight during recovery */
            mqtt_q_done(b, s, e);
        } else if (e->msg != NULL) {
            s->q->bytes -= (uint32_t)mqtt_msg_size(e->msg);
            mqtt_msg_unref(b, e->msg);
            e->msg = NULL;
            e->state = MQTT_O_REL;
        }
        return;
    }
}

static sh_err apply_out(struct mqtt_broker *b, struct sh_rd *r)
{
    uint32_t n = 0;
    SH_TRY(sh_rd_le32(r, &n));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t sid = 0;
        uint16_t pid = 0;
        uint8_t what = 0;
        SH_TRY(sh_rd_le64(r, &sid));
        SH_TRY(sh_rd_le16(r, &pid));
        SH_TRY(sh_rd_u8(r, &what));
        struct mqtt_session *s = by_sid(b, sid);
        if (s != NULL) {
            out_one(b, s, pid, what);
        }
    }
    return SH_OK;
}

static sh_err apply_in(struct mqtt_broker *b, struct sh_rd *r)
{
    uint64_t sid = 0;
    uint16_t pid = 0;
    uint8_t add = 0;
    SH_TRY(sh_rd_le64(r, &sid));
    SH_TRY(sh_rd_le16(r, &pid));
    SH_TRY(sh_rd_u8(r, &add));
    struct mqtt_session *s = by_sid(b, sid);
    if (s == NULL) {
        return SH_OK;
    }
    if (add != 0) {
        return mqtt_in2_add(b, s, pid);
    }
    (void)mqtt_in2_del(s, pid);
    return SH_OK;
}

sh_err mqtt_apply(struct mqtt_broker *b, uint8_t kind, struct sh_rd *r)
{
    sh_err e = SH_E_CORRUPT;
    switch (kind) {
    case MQTT_REC_SESSION:
        e = apply_session(b, r);
        break;
    case MQTT_REC_SESSION_END:
        e = apply_end(b, r);
        break;
    case MQTT_REC_SUB:
        e = apply_sub(b, r, true);
        break;
    case MQTT_REC_UNSUB:
        e = apply_sub(b, r, false);
        break;
    case MQTT_REC_MSG:
        e = apply_msg(b, r);
        break;
    case MQTT_REC_QUEUE:
        e = apply_queue(b, r);
        break;
    case MQTT_REC_OUT:
        e = apply_out(b, r);
        break;
    case MQTT_REC_IN:
        e = apply_in(b, r);
        break;
    case MQTT_REC_AWAY:
        e = apply_away(b, r);
        break;
    default:
        break;
    }
    return e == SH_E_PROTO ? SH_E_CORRUPT : e;
}

sh_err mqtt_broker_replay(struct mqtt_broker *b, struct sh_bytes record)
{
    struct sh_rd r = sh_rd_of(record);
    uint64_t rn = 0;
    uint8_t kind = 0;
    sh_err e = sh_rd_le64(&r, &rn);
    if (e == SH_OK) {
        e = sh_rd_u8(&r, &kind);
    }
    if (e != SH_OK) {
        b->n.recovered_bad++;
        return SH_E_CORRUPT;
    }
    if (!b->recovering) {
        return SH_E_STATE;
    }
    if (rn <= b->rn) {
        return SH_OK; /* the checkpoint holds it */
    }
    b->rn = rn;
    b->since_checkpoint += record.n;
    e = mqtt_apply(b, kind, &r);
    b->n.recovered_bad += e != SH_OK;
    return e;
}

void mqtt_broker_start(struct mqtt_broker *b)
{
    mqtt_now(b);
    mqtt_loaded_free(b);
    sh_map_fini(&b->by_sid);
    sh_map_init(&b->by_sid, b->alloc, 1, b->seed);
    b->committed = b->rn;
    b->recovering = false;
    const int64_t wall = sh_wall_us(b->env->clock);
    struct mqtt_session *next = NULL;
    for (struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL; s = next) {
        next = mqtt_session_next(b, s);
        if (s->replayed) { /* it was connected when we stopped: away from now on */
            s->replayed = false;
            mqtt_session_away(b, s, true);
            continue;
        }
        const bool past = s->since_us > 0 && s->since_us < wall; /* else the clock was set back */
        const int64_t gone_s = past ? (wall - s->since_us) / 1000000 : 0;
        if (s->expiry_s != MQTT_NEVER_EXPIRES) {
            s->ends_us = b->now_us + ((int64_t)s->expiry_s - gone_s) * 1000000;
        }
        if (s->will != NULL) {
            s->will->due_us = b->now_us + ((int64_t)s->will->delay_s - gone_s) * 1000000;
        }
    }
    mqtt_broker_flush(b);
}
