/* mqtt_retained.c - retained messages of a tenant's tree.
 * A new subscription gets its retained messages from a list gathered once and sent as the session's
 * queue takes them, so that 100,000 of them need no queue of that size.
 * Specification: 5.0, 3.3.1.3 and 3.8.3.1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static void drop(struct mqtt_broker *b, struct mqtt_tenant *t, struct mqtt_node *n)
{
    if (n->retained != NULL) {
        mqtt_msg_unref(b, n->retained);
        n->retained = NULL;
        MQTT_COUNT(b, t, retained, (uint64_t)-1);
    }
    mqtt_tree_trim(&t->retained, n);
}

sh_err mqtt_retain_set(struct mqtt_broker *b, struct mqtt_pub *p)
{
    struct mqtt_tenant *t = p->tenant;
    if (p->payload.n == 0) { /* [MQTT-3.3.1-6] */
        struct mqtt_node *old = mqtt_tree_find(&t->retained, p->topic);
        if (old != NULL && old != t->retained.root) {
            drop(b, t, old);
        }
        return SH_OK;
    }
    struct mqtt_node *n = mqtt_tree_make(&t->retained, p->topic);
    if (n == NULL) {
        return SH_E_NOMEM;
    }
    if (n->retained == NULL && t->n.retained >= b->lim.max_retained) {
        mqtt_tree_trim(&t->retained, n);
        return SH_E_LIMIT;
    }
    struct mqtt_msg *m = mqtt_pub_keep(b, p);
    if (m == NULL) {
        mqtt_tree_trim(&t->retained, n);
        return SH_E_NOMEM;
    }
    if (n->retained == NULL) {
        MQTT_COUNT(b, t, retained, 1);
    } else {
        mqtt_msg_unref(b, n->retained);
    }
    n->retained = m;
    return SH_OK;
}

void mqtt_retain_clear(struct mqtt_broker *b, struct mqtt_tenant *t)
{
    for (size_t i = 0; i < t->retained.cap; i++) {
        struct mqtt_node *n = t->retained.slots[i];
        if (n != NULL && n->retained != NULL) {
            mqtt_msg_unref(b, n->retained);
            n->retained = NULL;
        }
    }
}

struct gather {
    struct mqtt_broker *b;
    struct mqtt_rlist *l;
    uint32_t cap;
    uint64_t no_local; /* session whose own messages are left out, 0 = none */
    bool failed;
};

static bool gather_one(void *ctx, struct mqtt_node *n)
{
    struct gather *g = ctx;
    struct mqtt_msg *m = n->retained;
    if (m->expires_us <= g->b->now_us || (g->no_local != 0 && m->from_sid == g->no_local)) {
        return true;
    }
    if (g->l->n == g->cap) {
        const uint32_t cap = g->cap == 0 ? 4 : g->cap * 2;
        struct mqtt_msg **v = sh_mem_resize(g->b->alloc, g->l->v, cap * sizeof(struct mqtt_msg *));
        if (v == NULL) {
            g->failed = true;
            return false;
        }
        g->l->v = v;
        g->cap = cap;
    }
    m->refs++;
    g->l->v[g->l->n++] = m;
    return true;
}

static void list_free(struct mqtt_broker *b, struct mqtt_rlist *l)
{
    for (uint32_t i = l->at; i < l->n; i++) {
        mqtt_msg_unref(b, l->v[i]);
    }
    sh_mem_free(b->alloc, l->v);
    sh_mem_free(b->alloc, l);
}

sh_err mqtt_retain_gather(struct mqtt_broker *b, struct mqtt_session *s, struct sh_str filter,
                          uint8_t options, uint32_t id)
{
    if (s->tenant->n.retained == 0) {
        return SH_OK;
    }
    struct mqtt_rlist *l = sh_mem_new(b->alloc, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->options = options;
    l->id = id;
    struct gather g = {.b = b, .l = l};
    g.no_local = (options & MQTT_SUB_NO_LOCAL) != 0 ? s->sid : 0;
    (void)mqtt_tree_search(&s->tenant->retained, filter, gather_one, &g);
    if (g.failed || l->n == 0) {
        list_free(b, l);
        return g.failed ? SH_E_NOMEM : SH_OK;
    }
    struct mqtt_rlist **at = &s->rlist;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = l;
    return SH_OK;
}

void mqtt_retain_drop_list(struct mqtt_broker *b, struct mqtt_session *s)
{
    while (s->rlist != NULL) {
        struct mqtt_rlist *l = s->rlist;
        s->rlist = l->next;
        list_free(b, l);
    }
}

/* Expired retained messages go. Called once a minute: the table is walked whole. */
void mqtt_retain_tick(struct mqtt_broker *b, struct mqtt_tenant *t)
{
    for (size_t i = 0; i < t->retained.cap; i++) {
        struct mqtt_node *n = t->retained.slots[i];
        if (n != NULL && n->retained != NULL && n->retained->expires_us <= b->now_us) {
            MQTT_COUNT(b, t, dropped_expired, 1);
            drop(b, t, n); /* members of the run move back: look at this slot again */
            i--;
        }
    }
}
