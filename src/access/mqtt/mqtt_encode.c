/* mqtt_encode.c - packets to bytes. The body is written behind five bytes kept free for the fixed
 * header, which is put in front of it when the length is known.
 * Specification: 3.1.1 and 5.0, chapter 3.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_codec.h>

enum { HEAD_MAX = 5, BODY_MAX = 268435455 };

static sh_err put_bin(struct sh_buf *out, struct sh_bytes b)
{
    if (b.n > UINT16_MAX) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_buf_put_be16(out, (uint16_t)b.n));
    return sh_buf_put(out, b.p, b.n);
}

static sh_err put_str(struct sh_buf *out, struct sh_str s)
{
    return put_bin(out, sh_str_bytes(s));
}

static sh_err put_connect(struct sh_buf *out, const struct mqtt_connect *c)
{
    unsigned flags = c->clean ? 2 : 0;
    if (c->has_will) {
        flags |= 4U | (unsigned)c->will.qos << 3 | (c->will.retain ? 0x20U : 0U);
    }
    flags |= (c->has_password ? 0x40U : 0U) | (c->has_user ? 0x80U : 0U);
    SH_TRY(put_str(out, SH_STR("MQTT")));
    SH_TRY(sh_buf_put_u8(out, c->version));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)flags));
    SH_TRY(sh_buf_put_be16(out, c->keep_alive));
    if (c->version == MQTT_V5) {
        SH_TRY(mqtt_props_encode(out, MQTT_CONNECT, &c->props));
    }
    SH_TRY(put_str(out, c->client_id));
    if (c->has_will) {
        if (c->version == MQTT_V5) {
            SH_TRY(mqtt_props_encode(out, MQTT_IN_WILL, &c->will.props));
        }
        SH_TRY(put_str(out, c->will.topic));
        SH_TRY(put_bin(out, c->will.payload));
    }
    if (c->has_user) {
        SH_TRY(put_str(out, c->user));
    }
    return c->has_password ? put_bin(out, c->password) : SH_OK;
}

static sh_err put_connack(struct sh_buf *out, int version, const struct mqtt_connack *c)
{
    SH_TRY(sh_buf_put_u8(out, c->session_present ? 1 : 0));
    SH_TRY(sh_buf_put_u8(out, c->code));
    return version == MQTT_V5 ? mqtt_props_encode(out, MQTT_CONNACK, &c->props) : SH_OK;
}

static sh_err put_publish(struct sh_buf *out, int version, const struct mqtt_publish *p)
{
    SH_TRY(put_str(out, p->topic));
    if (p->qos > 0) {
        SH_TRY(sh_buf_put_be16(out, p->packet_id));
    }
    if (version == MQTT_V5) {
        SH_TRY(mqtt_props_encode(out, MQTT_PUBLISH, &p->props));
    }
    return sh_buf_put(out, p->payload.p, p->payload.n);
}

static sh_err put_ack(struct sh_buf *out, int type, int version, const struct mqtt_ack *a)
{
    if (type != MQTT_DISCONNECT && type != MQTT_AUTH) {
        SH_TRY(sh_buf_put_be16(out, a->packet_id));
    }
    const bool props = a->props.have != 0 || a->props.raw.n > 0;
    if (version != MQTT_V5 || (a->code == 0 && !props)) {
        return SH_OK; /* 5.0, 3.4.2.1: may be left out */
    }
    SH_TRY(sh_buf_put_u8(out, a->code));
    return props ? mqtt_props_encode(out, type, &a->props) : SH_OK;
}

static sh_err put_subscribe(struct sh_buf *out, int type, int version,
                            const struct mqtt_subscribe *s)
{
    SH_TRY(sh_buf_put_be16(out, s->packet_id));
    if (version == MQTT_V5) {
        SH_TRY(mqtt_props_encode(out, type, &s->props));
    }
    return sh_buf_put(out, s->list.p, s->list.n);
}

static sh_err put_suback(struct sh_buf *out, int type, int version, const struct mqtt_suback *s)
{
    SH_TRY(sh_buf_put_be16(out, s->packet_id));
    if (version == MQTT_V5) {
        SH_TRY(mqtt_props_encode(out, type, &s->props));
    }
    if (type == MQTT_UNSUBACK && version != MQTT_V5) {
        return SH_OK;
    }
    return sh_buf_put(out, s->codes.p, s->codes.n);
}

static sh_err put_body(struct sh_buf *out, const struct mqtt_packet *p)
{
    switch (p->type) {
    case MQTT_CONNECT:
        return put_connect(out, &p->connect);
    case MQTT_CONNACK:
        return put_connack(out, p->version, &p->connack);
    case MQTT_PUBLISH:
        return put_publish(out, p->version, &p->publish);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return put_ack(out, p->type, p->version, &p->ack);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return put_subscribe(out, p->type, p->version, &p->subscribe);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return put_suback(out, p->type, p->version, &p->suback);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return SH_OK;
    default:
        return SH_E_INVAL;
    }
}

static uint8_t flags_of(const struct mqtt_packet *p)
{
    if (p->type == MQTT_PUBLISH) {
        return (uint8_t)((p->publish.dup ? 8U : 0U) | (unsigned)p->publish.qos << 1 |
                         (p->publish.retain ? 1U : 0U));
    }
    return p->type == MQTT_PUBREL || p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE ? 2
                                                                                              : 0;
}

sh_err mqtt_encode(struct sh_buf *out, const struct mqtt_packet *p)
{
    static const uint8_t room[HEAD_MAX] = {0};
    const size_t start = out->n;
    sh_err e = sh_buf_put(out, room, HEAD_MAX);
    if (e == SH_OK) {
        e = put_body(out, p);
    }
    const size_t body = out->n - start - HEAD_MAX;
    if (e == SH_OK && body > BODY_MAX) {
        e = SH_E_LIMIT;
    }
    if (e != SH_OK) {
        out->n = start;
        return e;
    }
    uint8_t head[HEAD_MAX];
    head[0] = (uint8_t)((unsigned)p->type << 4 | flags_of(p));
    const size_t n = 1 + mqtt_varint_put(head + 1, (uint32_t)body);
    memmove(out->p + start + n, out->p + start + HEAD_MAX, body);
    memcpy(out->p + start, head, n);
    out->n = start + n + body;
    return SH_OK;
}

sh_err mqtt_filter_put(struct sh_buf *list, struct sh_str filter, const uint8_t *options)
{
    const size_t before = list->n;
    sh_err e = put_str(list, filter);
    if (e == SH_OK && options != NULL) {
        e = sh_buf_put_u8(list, *options);
    }
    if (e != SH_OK) {
        list->n = before;
    }
    return e;
}
