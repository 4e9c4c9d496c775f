/* mqtt_snapshot.c - the checkpoint: all durable state as one image.
 * Image: "SHMQ", u32 version (1), u64 number of the last record it holds, then blocks: u32 length
 * of kind and body, u32 CRC-32C of them, u8 kind, body (as in mqtt_store.c). The last block is END
 * with u64 number of blocks before it. A message in several queues stands once (MSG with a number),
 * queues name it (QUEUE).
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { IMAGE_VERSION = 1, IMAGE_HEAD = 16, BLOCK_HEAD = 8 };

struct writer {
    struct mqtt_broker *b;
    struct sh_buf *o;
    uint64_t blocks;
    uint64_t messages;
    size_t start; /* of the block being written */
};

static sh_err begin(struct writer *w, uint8_t kind)
{
    static const uint8_t room[BLOCK_HEAD] = {0};
    w->start = w->o->n;
    SH_TRY(sh_buf_put(w->o, room, sizeof room));
    return sh_buf_put_u8(w->o, kind);
}

static void end(struct writer *w)
{
    uint8_t *head = w->o->p + w->start;
    const size_t n = w->o->n - w->start - BLOCK_HEAD;
    sh_put_le32(head, (uint32_t)n);
    sh_put_le32(head + 4, sh_crc32c(0, head + BLOCK_HEAD, n));
    w->blocks++;
}

static sh_err put_message(struct writer *w, struct mqtt_tenant *t, struct mqtt_msg *m, bool retain)
{
    const struct mqtt_pub p = mqtt_pub_of(t, m);
    m->snap_id = ++w->messages;
    m->snap_epoch = w->b->snap_epoch;
    SH_TRY(begin(w, MQTT_REC_MSG));
    SH_TRY(mqtt_put_msg(w->b, w->o, &p, m->snap_id, retain));
    SH_TRY(sh_buf_put_le32(w->o, 0));
    end(w);
    return SH_OK;
}

static sh_err put_subs(struct writer *w, const struct mqtt_session *s)
{
    for (const struct mqtt_sub *u = s->subs; u != NULL; u = u->next_mine) {
        SH_TRY(begin(w, MQTT_REC_SUB));
        SH_TRY(sh_buf_put_le64(w->o, s->sid));
        SH_TRY(sh_buf_put_le32(w->o, 1));
        SH_TRY(sh_buf_put_u8(w->o, u->options));
        SH_TRY(sh_buf_put_le32(w->o, u->id));
        const size_t at = w->o->n;
        SH_TRY(sh_buf_put_le32(w->o, 0));
        SH_TRY(mqtt_sub_text(u, w->o));
        sh_put_le32(w->o->p + at, (uint32_t)(w->o->n - at - 4));
        end(w);
    }
    return SH_OK;
}

static sh_err put_entry(struct writer *w, const struct mqtt_session *s, const struct mqtt_oent *e)
{
    if (e->state == MQTT_O_DONE || (e->flags & MQTT_O_QOS) == 0) {
        return SH_OK;
    }
    if (e->msg != NULL && e->msg->snap_epoch != w->b->snap_epoch) {
        SH_TRY(put_message(w, s->tenant, e->msg, false));
    }
    const uint32_t more = e->more == NULL ? 0 : e->more[0];
    const uint8_t n = e->id == 0 ? 0 : (uint8_t)(more > 254 ? 255 : more + 1);
    SH_TRY(begin(w, MQTT_REC_QUEUE));
    SH_TRY(sh_buf_put_le64(w->o, e->msg == NULL ? 0 : e->msg->snap_id));
    SH_TRY(sh_buf_put_u8(w->o, e->state == MQTT_O_SENT ? MQTT_O_WAIT : e->state));
    SH_TRY(sh_buf_put_le64(w->o, s->sid));
    SH_TRY(sh_buf_put_le16(w->o, e->pid));
    SH_TRY(sh_buf_put_u8(w->o, (uint8_t)(e->flags & (MQTT_O_QOS | MQTT_O_RETAIN))));
    SH_TRY(sh_buf_put_u8(w->o, n));
    if (n > 0) {
        SH_TRY(sh_buf_put_le32(w->o, e->id));
    }
    for (uint8_t i = 1; i < n; i++) {
        SH_TRY(sh_buf_put_le32(w->o, e->more[i]));
    }
    end(w);
    return SH_OK;
}

static sh_err put_session(struct writer *w, const struct mqtt_session *s)
{
    SH_TRY(begin(w, MQTT_REC_SESSION));
    SH_TRY(mqtt_put_session(w->b, w->o, s, s->conn != NULL));
    end(w);
    SH_TRY(put_subs(w, s));
    for (uint16_t i = 0; i < mqtt_in2_n(s); i++) {
        SH_TRY(begin(w, MQTT_REC_IN));
        SH_TRY(sh_buf_put_le64(w->o, s->sid));
        SH_TRY(sh_buf_put_le16(w->o, s->in2->v[i]));
        SH_TRY(sh_buf_put_u8(w->o, 1));
        end(w);
    }
    for (uint32_t i = 0; i < s->q->n; i++) {
        SH_TRY(put_entry(w, s, mqtt_oq_at(s->q, i)));
    }
    return SH_OK;
}

static sh_err put_retained(struct writer *w, struct mqtt_tenant *t)
{
    for (size_t i = 0; i < t->retained.cap; i++) {
        const struct mqtt_node *n = t->retained.slots[i];
        if (n == NULL || n->retained == NULL ||
            sh_str_starts(mqtt_msg_topic(n->retained), SH_STR("$SYS/"))) {
            continue;
        }
        SH_TRY(put_message(w, t, n->retained, true));
    }
    return SH_OK;
}

static sh_err write_all(struct writer *w)
{
    struct mqtt_broker *b = w->b;
    SH_TRY(sh_buf_put_c(w->o, "SHMQ"));
    SH_TRY(sh_buf_put_le32(w->o, IMAGE_VERSION));
    SH_TRY(sh_buf_put_le64(w->o, b->rn));
    for (struct mqtt_tenant *t = b->tenants; t != NULL; t = t->next) {
        SH_TRY(put_retained(w, t));
    }
    for (const struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL;
         s = mqtt_session_next(b, s)) {
        if (s->persistent) {
            SH_TRY(put_session(w, s));
        }
    }
    SH_TRY(begin(w, MQTT_REC_END));
    SH_TRY(sh_buf_put_le64(w->o, w->blocks));
    end(w);
    return SH_OK;
}

sh_err mqtt_broker_checkpoint(struct mqtt_broker *b)
{
    if (b->store == NULL || b->store->checkpoint == NULL) {
        return SH_E_UNSUPPORTED;
    }
    if (b->recovering) {
        return SH_E_STATE;
    }
    mqtt_now(b);
    mqtt_acklog_flush(b);
    struct sh_buf image;
    sh_buf_init(&image, b->alloc, (size_t)4 << 30);
    struct writer w = {.b = b, .o = &image};
    b->snap_epoch++;
    sh_err e = write_all(&w);
    if (e == SH_OK) {
        e = b->store->checkpoint(b->store->ctx, b->rn, &image);
    }
    if (e != SH_OK) {
        sh_buf_fini(&image);
        return e;
    }
    b->since_checkpoint = 0;
    b->n.checkpoints++;
    return SH_OK;
}

static sh_err load_block(struct mqtt_broker *b, struct sh_rd *r, uint64_t *blocks, bool *last)
{
    uint32_t n = 0;
    uint32_t crc = 0;
    struct sh_bytes body = {NULL, 0};
    SH_TRY(sh_rd_le32(r, &n));
    SH_TRY(sh_rd_le32(r, &crc));
    SH_TRY(sh_rd_bytes(r, n, &body));
    if (n == 0 || sh_crc32c(0, body.p, body.n) != crc) {
        return SH_E_CORRUPT;
    }
    struct sh_rd in = {body.p + 1, body.p + body.n};
    if (body.p[0] == MQTT_REC_END) {
        uint64_t count = 0;
        *last = true;
        SH_TRY(sh_rd_le64(&in, &count));
        return count == *blocks ? SH_OK : SH_E_CORRUPT;
    }
    ++*blocks;
    return mqtt_apply(b, body.p[0], &in);
}

sh_err mqtt_broker_load(struct mqtt_broker *b, struct sh_bytes image)
{
    struct sh_rd r = sh_rd_of(image);
    struct sh_bytes magic = {NULL, 0};
    uint32_t version = 0;
    uint64_t rn = 0;
    if (!b->recovering) {
        return SH_E_STATE;
    }
    mqtt_now(b);
    if (sh_rd_bytes(&r, 4, &magic) != SH_OK || memcmp(magic.p, "SHMQ", 4) != 0 ||
        sh_rd_le32(&r, &version) != SH_OK || version != IMAGE_VERSION ||
        sh_rd_le64(&r, &rn) != SH_OK) {
        return SH_E_CORRUPT;
    }
    uint64_t blocks = 0;
    bool last = false;
    sh_err e = SH_OK;
    while (!last && e == SH_OK) {
        e = load_block(b, &r, &blocks, &last);
    }
    mqtt_loaded_free(b);
    b->rn = rn;
    b->since_checkpoint = 0;
    return e == SH_E_PROTO ? SH_E_CORRUPT : e;
}
