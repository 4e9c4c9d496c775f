/* mqtt_subscribe.c - SUBSCRIBE and UNSUBSCRIBE.
 * First every filter is judged, then the accepted ones are logged in one record (the step that may
 * refuse), then they take effect and the answer is queued behind the record's commit.
 * Specification: 5.0, 3.8 to 3.11.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static sh_err bad(struct mqtt_conn *c, enum mqtt_reason why)
{
    c->b->n.protocol_errors++;
    mqtt_conn_end(c, why, true);
    return SH_OK;
}

/* group.n == 0: not shared. SH_E_PROTO: not a filter. */
static sh_err split(struct sh_str text, struct sh_str *group, struct sh_str *filter)
{
    *group = (struct sh_str){NULL, 0};
    *filter = text;
    const sh_err e = mqtt_share_split(text, group, filter);
    if (e == SH_E_PROTO || !mqtt_filter_valid(*filter)) {
        return SH_E_PROTO;
    }
    return SH_OK;
}

static enum mqtt_reason judge(struct mqtt_conn *c, struct sh_str text, uint8_t options)
{
    struct mqtt_broker *b = c->b;
    struct sh_str group;
    struct sh_str filter;
    if (split(text, &group, &filter) != SH_OK || mqtt_topic_levels(filter) > b->lim.max_levels) {
        return MQTT_R_BAD_FILTER;
    }
    if (group.n > 0 && (options & MQTT_SUB_NO_LOCAL) != 0) {
        return MQTT_R_PROTOCOL_ERROR; /* [MQTT-3.8.3-4] */
    }
    if (!mqtt_own_topic(c->p, filter) && !b->auth->may_subscribe(b->auth->ctx, c->p, filter)) {
        return MQTT_R_NOT_AUTHORISED;
    }
    return (enum mqtt_reason)(options & MQTT_SUB_QOS);
}

/* Puts a filter as it stands in the tree, with its $share/<group>/ in front. */
static sh_err put_filter(struct mqtt_conn *c, struct sh_buf *o, struct sh_str text)
{
    struct sh_str group;
    struct sh_str filter;
    if (split(text, &group, &filter) != SH_OK) {
        return mqtt_put_text(o, text.p, text.n);
    }
    const struct sh_str f = mqtt_me_in(c->b, c->p, filter);
    const size_t front = text.n - filter.n;
    SH_TRY(sh_buf_put_le32(o, (uint32_t)(front + f.n)));
    SH_TRY(sh_buf_put(o, text.p, front));
    return sh_buf_put(o, f.p, f.n);
}

/* One record for all accepted filters. */
static sh_err log_all(struct mqtt_conn *c, const struct mqtt_subscribe *p, const uint8_t *codes,
                      uint64_t *rn)
{
    struct mqtt_broker *b = c->b;
    struct sh_bytes list = p->list;
    struct sh_str text;
    uint8_t options = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        n += codes[i] < MQTT_R_UNSPECIFIED;
    }
    *rn = 0;
    if (n == 0) {
        return SH_OK;
    }
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_SUB);
    SH_TRY(sh_buf_put_le64(o, c->s->sid));
    SH_TRY(sh_buf_put_le32(o, n));
    for (uint32_t i = 0; mqtt_filter_next(&list, &text, &options); i++) {
        if (codes[i] < MQTT_R_UNSPECIFIED) {
            SH_TRY(sh_buf_put_u8(o, options));
            SH_TRY(sh_buf_put_le32(o, p->props.subscription_id));
            SH_TRY(put_filter(c, o, text));
        }
    }
    return mqtt_rec_append(b, rn);
}

/* Takes effect; the code may turn into a failure. Gathers retained messages. */
static void apply(struct mqtt_conn *c, struct sh_str text, uint8_t options, uint32_t id,
                  uint8_t *code)
{
    struct mqtt_broker *b = c->b;
    struct sh_str group;
    struct sh_str filter;
    bool is_new = false;
    sh_err e = split(text, &group, &filter);
    if (e == SH_OK && sh_str_starts(filter, SH_STR("$SYS"))) {
        mqtt_sys_tell(b, c->s->tenant); /* so that the retained ones are fresh */
    }
    const struct sh_str mine = e == SH_OK ? mqtt_me_in(b, c->p, filter) : filter;
    if (e == SH_OK) {
        e = mqtt_sub_set(b, c->s, group, mine, options, id, &is_new);
    }
    if (e != SH_OK) {
        *code = e == SH_E_LIMIT ? MQTT_R_QUOTA : MQTT_R_UNSPECIFIED;
        return;
    }
    const uint8_t handling = options & MQTT_SUB_RETAIN_HANDLING;
    if (group.n == 0 && (handling == 0 || (handling == 0x10 && is_new)) &&
        mqtt_retain_gather(b, c->s, mine, options, id) != SH_OK) {
        *code = MQTT_R_QUOTA;
    }
}

/* Encodes SUBACK or UNSUBACK and queues it. */
static sh_err answer(struct mqtt_conn *c, uint8_t type, uint16_t pid, struct sh_bytes codes,
                     uint64_t rn)
{
    struct mqtt_broker *b = c->b;
    const struct mqtt_packet p = {
        .type = type, .version = c->version, .suback = {.packet_id = pid, .codes = codes}};
    struct sh_buf enc;
    sh_buf_init(&enc, b->alloc, (size_t)1 << 20);
    sh_err e = mqtt_encode(&enc, &p);
    struct mqtt_ack_ent ent = {.rn = rn, .pid = pid, .type = type};
    uint32_t seq = 0;
    if (e == SH_OK) {
        ent.extra_n = (uint32_t)enc.n;
        ent.extra = sh_mem_resize(b->alloc, NULL, enc.n);
        e = ent.extra == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (e == SH_OK) {
        memcpy(ent.extra, enc.p, enc.n);
        e = mqtt_ack_push(c, &ent, &seq);
        if (e != SH_OK) {
            sh_mem_free(b->alloc, ent.extra);
        }
    }
    sh_buf_fini(&enc);
    if (e == SH_OK && rn > b->committed) {
        e = mqtt_wait(b, rn, c, seq, NULL);
    }
    if (e != SH_OK) {
        return bad(c, MQTT_R_QUOTA);
    }
    mqtt_ack_flush(c);
    return SH_OK;
}

/* 3.1.1 knows 0, 1, 2 and 0x80 only. */
static uint8_t code_for(const struct mqtt_conn *c, uint8_t code)
{
    return c->version != MQTT_V5 && code > MQTT_R_GRANTED_QOS2 ? (uint8_t)MQTT_R_UNSPECIFIED : code;
}

static sh_err subscribe_with(struct mqtt_conn *c, const struct mqtt_subscribe *p, uint8_t *codes)
{
    struct mqtt_broker *b = c->b;
    struct sh_bytes list = p->list;
    struct sh_str text;
    uint8_t options = 0;
    for (uint32_t i = 0; mqtt_filter_next(&list, &text, &options); i++) {
        codes[i] = (uint8_t)judge(c, text, options);
        if (codes[i] == MQTT_R_PROTOCOL_ERROR) {
            return bad(c, MQTT_R_PROTOCOL_ERROR);
        }
    }
    uint64_t rn = 0;
    if (c->s->persistent && mqtt_durable(b) && log_all(c, p, codes, &rn) != SH_OK) {
        mqtt_conn_stall(c);
        return SH_E_AGAIN;
    }
    list = p->list;
    for (uint32_t i = 0; mqtt_filter_next(&list, &text, &options); i++) {
        if (codes[i] < MQTT_R_UNSPECIFIED) {
            apply(c, text, options, p->props.subscription_id, &codes[i]);
        }
        codes[i] = code_for(c, codes[i]);
    }
    const sh_err e = answer(c, MQTT_SUBACK, p->packet_id, sh_bytes_of(codes, p->count), rn);
    mqtt_run_deferred(b);
    return e;
}

sh_err mqtt_on_subscribe(struct mqtt_conn *c, const struct mqtt_subscribe *p)
{
    uint8_t few[16] = {0};
    uint8_t *codes = few;
    if (p->count > sizeof few) {
        codes = sh_mem_array(c->b->alloc, p->count, 1);
        if (codes == NULL) {
            return bad(c, MQTT_R_QUOTA);
        }
    }
    const sh_err e = subscribe_with(c, p, codes);
    if (codes != few) {
        sh_mem_free(c->b->alloc, codes);
    }
    return e;
}

static sh_err log_unsub(struct mqtt_conn *c, const struct mqtt_subscribe *p, uint64_t *rn)
{
    struct mqtt_broker *b = c->b;
    struct sh_bytes list = p->list;
    struct sh_str text;
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_UNSUB);
    SH_TRY(sh_buf_put_le64(o, c->s->sid));
    SH_TRY(sh_buf_put_le32(o, p->count));
    while (mqtt_filter_next(&list, &text, NULL)) {
        SH_TRY(put_filter(c, o, text));
    }
    return mqtt_rec_append(b, rn);
}

static sh_err unsubscribe_with(struct mqtt_conn *c, const struct mqtt_subscribe *p, uint8_t *codes)
{
    struct mqtt_broker *b = c->b;
    uint64_t rn = 0;
    if (c->s->persistent && mqtt_durable(b) && log_unsub(c, p, &rn) != SH_OK) {
        mqtt_conn_stall(c);
        return SH_E_AGAIN;
    }
    struct sh_bytes list = p->list;
    struct sh_str text;
    for (uint32_t i = 0; mqtt_filter_next(&list, &text, NULL); i++) {
        struct sh_str group;
        struct sh_str filter;
        if (split(text, &group, &filter) != SH_OK) {
            codes[i] = MQTT_R_BAD_FILTER;
        } else if (mqtt_sub_remove(b, c->s, group, mqtt_me_in(b, c->p, filter)) != SH_OK) {
            codes[i] = MQTT_R_NO_SUBSCRIPTION_EXISTED;
        }
    }
    return answer(c, MQTT_UNSUBACK, p->packet_id, sh_bytes_of(codes, p->count), rn);
}

sh_err mqtt_on_unsubscribe(struct mqtt_conn *c, const struct mqtt_subscribe *p)
{
    uint8_t few[16] = {0};
    uint8_t *codes = few;
    if (p->count > sizeof few) {
        codes = sh_mem_array(c->b->alloc, p->count, 1);
        if (codes == NULL) {
            return bad(c, MQTT_R_QUOTA);
        }
    }
    const sh_err e = unsubscribe_with(c, p, codes);
    if (codes != few) {
        sh_mem_free(c->b->alloc, codes);
    }
    return e;
}
