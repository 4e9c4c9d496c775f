/* mqtt_subs.c - subscriptions in a tenant's tree: adding, removing, and who gets a message.
 *
 * Invariants:
 * 1. A subscription is in its node's list, or in its group's array; and in its session's list.
 * 2. A session has at most one subscription per (group, filter).
 * 3. The match of a publish lists a session at most once: highest QoS, all identifiers
 * (5.0, 3.3.4). SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static struct mqtt_group *group_find(struct mqtt_node *n, struct sh_str name)
{
    struct mqtt_group *g = n->groups;
    while (g != NULL && !sh_str_eq(g->name, name)) {
        g = g->next;
    }
    return g;
}

static struct mqtt_sub *find(const struct mqtt_session *s, const struct mqtt_node *n,
                             struct sh_str group)
{
    for (struct mqtt_sub *u = s->subs; u != NULL; u = u->next_mine) {
        if (u->node != n) {
            continue;
        }
        if (u->group == NULL ? group.n == 0 : sh_str_eq(u->group->name, group)) {
            return u;
        }
    }
    return NULL;
}

static sh_err group_join(struct mqtt_broker *b, struct mqtt_node *n, struct sh_str name,
                         struct mqtt_sub *u)
{
    struct mqtt_group *g = group_find(n, name);
    if (g == NULL) {
        g = sh_mem_new(b->alloc, sizeof *g);
        if (g == NULL) {
            return SH_E_NOMEM;
        }
        g->name = sh_str_dup(b->alloc, name);
        if (g->name.p == NULL) {
            sh_mem_free(b->alloc, g);
            return SH_E_NOMEM;
        }
        g->next = n->groups;
        n->groups = g;
    }
    if (g->n == g->cap) {
        const uint32_t cap = g->cap == 0 ? 4 : g->cap * 2;
        struct mqtt_sub **v = sh_mem_resize(b->alloc, g->v, cap * sizeof(struct mqtt_sub *));
        if (v == NULL) {
            return SH_E_NOMEM; /* an empty group is freed by the next leave or by the caller */
        }
        g->v = v;
        g->cap = cap;
    }
    g->v[g->n++] = u;
    u->group = g;
    return SH_OK;
}

static void group_drop_if_empty(struct mqtt_broker *b, struct mqtt_node *n, struct mqtt_group *g)
{
    if (g->n > 0) {
        return;
    }
    struct mqtt_group **at = &n->groups;
    while (*at != g) {
        at = &(*at)->next;
    }
    *at = g->next;
    sh_str_free(b->alloc, &g->name);
    sh_mem_free(b->alloc, g->v);
    sh_mem_free(b->alloc, g);
}

static void group_leave(struct mqtt_broker *b, struct mqtt_sub *u)
{
    struct mqtt_group *g = u->group;
    uint32_t i = 0;
    while (g->v[i] != u) {
        i++;
    }
    for (; i + 1 < g->n; i++) {
        g->v[i] = g->v[i + 1];
    }
    g->n--;
    group_drop_if_empty(b, u->node, g);
}

static void list_join(struct mqtt_node *n, struct mqtt_sub *u)
{
    u->next = n->subs;
    if (u->next != NULL) {
        u->next->prev = u;
    }
    n->subs = u;
}

static void list_leave(struct mqtt_sub *u)
{
    if (u->prev != NULL) {
        u->prev->next = u->next;
    } else {
        u->node->subs = u->next;
    }
    if (u->next != NULL) {
        u->next->prev = u->prev;
    }
}

static void count(struct mqtt_broker *b, struct mqtt_tenant *t, const struct mqtt_sub *u, bool up)
{
    const uint64_t by = up ? 1 : (uint64_t)-1;
    MQTT_COUNT(b, t, subscriptions, by);
    if (u->group != NULL) {
        MQTT_COUNT(b, t, shared_subscriptions, by);
    }
}

sh_err mqtt_sub_set(struct mqtt_broker *b, struct mqtt_session *s, struct sh_str group,
                    struct sh_str filter, uint8_t options, uint32_t id, bool *is_new)
{
    struct mqtt_tree *t = &s->tenant->subs;
    struct mqtt_node *n = mqtt_tree_make(t, filter);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    struct mqtt_sub *u = find(s, n, group);
    if (u != NULL) {
        u->options = options;
        u->id = id;
        *is_new = false;
        return SH_OK;
    }
    if (s->nsubs >= b->lim.max_subscriptions) {
        mqtt_tree_trim(t, n);
        return SH_E_LIMIT;
    }
    u = sh_mem_new(b->alloc, sizeof *u);
    if (u == NULL) {
        mqtt_tree_trim(t, n);
        return SH_E_NOMEM;
    }
    *u = (struct mqtt_sub){.s = s, .node = n, .id = id, .options = options};
    if (group.n > 0) {
        if (group_join(b, n, group, u) != SH_OK) {
            struct mqtt_group *g = group_find(n, group);
            if (g != NULL) {
                group_drop_if_empty(b, n, g);
            }
            sh_mem_free(b->alloc, u);
            mqtt_tree_trim(t, n);
            return SH_E_NOMEM;
        }
    } else {
        list_join(n, u);
    }
    u->next_mine = s->subs;
    s->subs = u;
    s->nsubs++;
    count(b, s->tenant, u, true);
    *is_new = true;
    return SH_OK;
}

static void sub_free(struct mqtt_broker *b, struct mqtt_tenant *t, struct mqtt_sub *u)
{
    struct mqtt_node *n = u->node;
    count(b, t, u, false);
    if (u->group != NULL) {
        group_leave(b, u);
    } else {
        list_leave(u);
    }
    sh_mem_free(b->alloc, u);
    mqtt_tree_trim(&t->subs, n);
}

sh_err mqtt_sub_remove(struct mqtt_broker *b, struct mqtt_session *s, struct sh_str group,
                       struct sh_str filter)
{
    const struct mqtt_node *n = mqtt_tree_find(&s->tenant->subs, filter);
    struct mqtt_sub *u = n == NULL ? NULL : find(s, n, group);
    if (u == NULL) {
        return SH_E_NOTFOUND;
    }
    struct mqtt_sub **at = &s->subs;
    while (*at != u) {
        at = &(*at)->next_mine;
    }
    *at = u->next_mine;
    s->nsubs--;
    sub_free(b, s->tenant, u);
    return SH_OK;
}

void mqtt_subs_clear(struct mqtt_broker *b, struct mqtt_session *s)
{
    while (s->subs != NULL) {
        struct mqtt_sub *u = s->subs;
        s->subs = u->next_mine;
        sub_free(b, s->tenant, u);
    }
    s->nsubs = 0;
}

sh_err mqtt_sub_text(const struct mqtt_sub *u, struct sh_buf *out)
{
    if (u->group != NULL) {
        SH_TRY(sh_buf_put_c(out, "$share/"));
        SH_TRY(sh_buf_put_str(out, u->group->name));
        SH_TRY(sh_buf_put_u8(out, '/'));
    }
    return mqtt_tree_path(u->node, out);
}

/* ---- matching ---- */

static struct mqtt_hit *hit_new(struct mqtt_broker *b)
{
    if (b->nhits == b->hits_cap) {
        const uint32_t cap = b->hits_cap == 0 ? 64 : b->hits_cap * 2;
        struct mqtt_hit *v = sh_mem_resize(b->alloc, b->hits, cap * sizeof *v);
        if (v == NULL) {
            b->match_failed = true;
            return NULL;
        }
        b->hits = v;
        b->hits_cap = cap;
    }
    struct mqtt_hit *h = &b->hits[b->nhits++];
    *h = (struct mqtt_hit){.qos = 0};
    return h;
}

/* That of a session whose own subscription has matched before. */
static struct mqtt_hit *hit_of(struct mqtt_broker *b, const struct mqtt_session *s)
{
    if (s->mark_at >= b->nhits) {
        return NULL;
    }
    struct mqtt_hit *h = &b->hits[s->mark_at];
    return h->own && h->s == s ? h : NULL;
}

static void add_id(struct mqtt_broker *b, struct mqtt_hit *h, uint32_t id)
{
    if (id == 0) {
        return;
    }
    if (h->id == 0) {
        h->id = id;
        return;
    }
    if (b->nmore == b->more_cap) {
        const uint32_t cap = b->more_cap == 0 ? 16 : b->more_cap * 2;
        struct mqtt_more_id *v = sh_mem_resize(b->alloc, b->more_ids, cap * sizeof *v);
        if (v == NULL) {
            b->match_failed = true;
            return;
        }
        b->more_ids = v;
        b->more_cap = cap;
    }
    b->more_ids[b->nmore++] = (struct mqtt_more_id){.id = id, .next = h->more};
    h->more = b->nmore;
}

static void hit(struct mqtt_broker *b, const struct mqtt_sub *u)
{
    const struct mqtt_pub *p = b->matching;
    if (u->internal != NULL) {
        struct mqtt_hit *h = hit_new(b);
        if (h != NULL) {
            h->internal = u->internal;
        }
        return;
    }
    struct mqtt_session *s = u->s;
    if ((u->options & MQTT_SUB_NO_LOCAL) != 0 && p->from_sid == s->sid) {
        return; /* [MQTT-3.8.3-3] */
    }
    const uint8_t sub_qos = u->options & MQTT_SUB_QOS;
    const uint8_t qos = sub_qos < p->qos ? sub_qos : p->qos;
    const bool keep = p->retain && (u->options & MQTT_SUB_RETAIN_AS_PUBLISHED) != 0;
    struct mqtt_hit *h = hit_of(b, s);
    if (h != NULL) {
        h->qos = qos > h->qos ? qos : h->qos;
        h->retain = h->retain || keep;
    } else {
        h = hit_new(b);
        if (h == NULL) {
            return;
        }
        s->mark_at = b->nhits - 1;
        h->own = true;
        h->s = s;
        h->qos = qos;
        h->retain = keep;
    }
    add_id(b, h, u->id);
}

/* Can this member take a message right now? */
static bool ready(const struct mqtt_session *s)
{
    const struct mqtt_conn *c = s->conn;
    return c != NULL && c->open_told && s->q->sent == s->q->n && s->q->inflight < c->send_max &&
           c->out_n - c->out_off < c->b->lim.max_out_bytes;
}

/* Takes turns among those who can take; else one who is connected, else anybody with a session. */
static struct mqtt_sub *group_pick(struct mqtt_group *g)
{
    struct mqtt_sub *second = NULL;
    struct mqtt_sub *third = NULL;
    for (uint32_t i = 0; i < g->n; i++) {
        const uint32_t at = (g->turn + i) % g->n;
        struct mqtt_sub *u = g->v[at];
        if (ready(u->s)) {
            g->turn = at + 1;
            return u;
        }
        if (u->s->conn != NULL && second == NULL) {
            second = u;
        }
        if (third == NULL) {
            third = u;
        }
    }
    g->turn++;
    return second != NULL ? second : third;
}

/* A shared delivery stands for itself: it is not merged with the session's own subscriptions. */
static void hit_group(struct mqtt_broker *b, struct mqtt_group *g)
{
    struct mqtt_sub *u = group_pick(g);
    struct mqtt_hit *h = u == NULL ? NULL : hit_new(b);
    if (h == NULL) {
        return;
    }
    const uint8_t sub_qos = u->options & MQTT_SUB_QOS;
    h->s = u->s;
    h->qos = sub_qos < b->matching->qos ? sub_qos : b->matching->qos;
    h->retain = b->matching->retain && (u->options & MQTT_SUB_RETAIN_AS_PUBLISHED) != 0;
    h->id = u->id;
}

static void on_node(void *ctx, struct mqtt_node *n)
{
    struct mqtt_broker *b = ctx;
    for (const struct mqtt_sub *u = n->subs; u != NULL; u = u->next) {
        hit(b, u);
    }
    for (struct mqtt_group *g = n->groups; g != NULL; g = g->next) {
        hit_group(b, g);
    }
}

sh_err mqtt_subs_match(struct mqtt_broker *b, const struct mqtt_pub *p)
{
    b->nhits = 0;
    b->nmore = 0;
    b->match_failed = false;
    b->matching = p;
    mqtt_tree_match(&p->tenant->subs, p->topic, on_node, b);
    b->matching = NULL;
    return b->match_failed ? SH_E_NOMEM : SH_OK;
}

/* ---- the platform's own subscriptions ---- */

static sh_err internal_join(struct mqtt_broker *b, struct mqtt_internal_sub *s,
                            struct mqtt_tenant *t)
{
    if (s->nsubs == s->cap) {
        const uint32_t cap = s->cap == 0 ? 4 : s->cap * 2;
        struct mqtt_sub **v = sh_mem_resize(b->alloc, s->subs, cap * sizeof(struct mqtt_sub *));
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        s->subs = v;
        s->cap = cap;
    }
    struct mqtt_node *n = mqtt_tree_make(&t->subs, s->filter);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    struct mqtt_sub *u = sh_mem_new(b->alloc, sizeof *u);
    if (u == NULL) {
        mqtt_tree_trim(&t->subs, n);
        return SH_E_NOMEM;
    }
    *u = (struct mqtt_sub){.internal = s, .node = n};
    list_join(n, u);
    s->subs[s->nsubs++] = u;
    return SH_OK;
}

sh_err mqtt_internals_join(struct mqtt_broker *b, struct mqtt_tenant *t)
{
    for (struct mqtt_internal_sub *s = b->internals; s != NULL; s = s->next) {
        if (!s->dead && (s->tenant == 0 || s->tenant == t->id)) {
            SH_TRY(internal_join(b, s, t));
        }
    }
    return SH_OK;
}

static struct mqtt_tenant *tenant_of(struct mqtt_broker *b, const struct mqtt_node *n)
{
    while (n->parent != NULL) {
        n = n->parent;
    }
    struct mqtt_tenant *t = b->tenants;
    while (t != NULL && t->subs.root != n) {
        t = t->next;
    }
    return t;
}

static void internal_leave(struct mqtt_broker *b, struct mqtt_internal_sub *s)
{
    for (uint32_t i = 0; i < s->nsubs; i++) {
        struct mqtt_sub *u = s->subs[i];
        struct mqtt_node *n = u->node;
        struct mqtt_tenant *t = tenant_of(b, n);
        list_leave(u);
        sh_mem_free(b->alloc, u);
        if (t != NULL) {
            mqtt_tree_trim(&t->subs, n);
        }
    }
    s->nsubs = 0;
}

static void internal_free(struct mqtt_broker *b, struct mqtt_internal_sub *s)
{
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        b->internals = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    b->ninternals--;
    sh_str_free(b->alloc, &s->filter);
    sh_mem_free(b->alloc, s->subs);
    sh_mem_free(b->alloc, s);
}

void mqtt_internals_free(struct mqtt_broker *b)
{
    while (b->internals != NULL) {
        internal_leave(b, b->internals);
        internal_free(b, b->internals);
    }
}

sh_err mqtt_subscribe_internal(struct mqtt_broker *b, uint32_t tenant, struct sh_str filter,
                               mqtt_internal_fn *fn, void *ctx, struct mqtt_internal_sub **out)
{
    if (!mqtt_filter_valid(filter) || fn == NULL) {
        return SH_E_INVAL;
    }
    if (b->ninternals >= MQTT_INTERNAL_MAX) {
        return SH_E_LIMIT;
    }
    struct mqtt_tenant *own = tenant == 0 ? NULL : mqtt_tenant_get(b, tenant, true);
    if (tenant != 0 && own == NULL) {
        return SH_E_NOMEM;
    }
    struct mqtt_internal_sub *s = sh_mem_new(b->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->tenant = tenant;
    s->fn = fn;
    s->ctx = ctx;
    s->filter = sh_str_dup(b->alloc, filter);
    s->next = b->internals;
    if (s->next != NULL) {
        s->next->prev = s;
    }
    b->internals = s;
    b->ninternals++;
    sh_err e = s->filter.p == NULL ? SH_E_NOMEM : SH_OK;
    for (struct mqtt_tenant *t = b->tenants; t != NULL && e == SH_OK; t = t->next) {
        if (tenant == 0 || t->id == tenant) {
            e = internal_join(b, s, t);
        }
    }
    if (e != SH_OK) {
        internal_leave(b, s);
        internal_free(b, s);
        return e;
    }
    *out = s;
    return SH_OK;
}

void mqtt_unsubscribe_internal(struct mqtt_broker *b, struct mqtt_internal_sub *s)
{
    if (s == NULL) {
        return;
    }
    internal_leave(b, s);
    s->dead = true;
    if (b->depth == 0) {
        internal_free(b, s);
    } /* else mqtt_run_deferred frees it: the publish in hand may still list it */
}
