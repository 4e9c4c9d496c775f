/* mqtt_decode.c - packets from bytes. Every read checks its bounds; a packet is taken only when its
 * last byte was used.
 * Specification: 3.1.1 and 5.0, chapters 2 and 3.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_codec.h>

enum mqtt_reason mqtt_reason_from_err(sh_err e)
{
    switch (e) {
    case SH_OK:
        return MQTT_R_SUCCESS;
    case SH_E_DENIED:
        return MQTT_R_NOT_AUTHORISED;
    case SH_E_PROTO:
    case SH_E_INVAL:
        return MQTT_R_BAD_PAYLOAD;
    case SH_E_LIMIT:
    case SH_E_FULL:
    case SH_E_NOMEM:
        return MQTT_R_QUOTA;
    case SH_E_UNSUPPORTED:
    case SH_E_IO:
        return MQTT_R_IMPLEMENTATION;
    case SH_E_AGAIN:
    case SH_E_NOTFOUND:
    case SH_E_EXISTS:
    case SH_E_TIMEOUT:
    case SH_E_CLOSED:
    case SH_E_CORRUPT:
    case SH_E_CANCELED:
    case SH_E_BUSY:
    case SH_E_STATE:
    case SH_E_CONFLICT:
    case SH_E_INTERNAL:
        break;
    }
    return MQTT_R_UNSPECIFIED;
}

sh_err mqtt_head_decode(struct sh_bytes in, struct mqtt_head *out)
{
    if (in.n == 0) {
        return SH_E_AGAIN;
    }
    const uint8_t type = in.p[0] >> 4;
    const uint8_t flags = in.p[0] & 0x0f;
    if (type == MQTT_PUBLISH) {
        const unsigned qos = flags >> 1 & 3;
        if (qos == 3 || (qos == 0 && (flags & 8) != 0)) {
            return SH_E_PROTO; /* [MQTT-3.3.1-4] [MQTT-3.3.1-2] */
        }
    } else {
        const bool two = type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
        if (type == 0 || flags != (two ? 2 : 0)) {
            return SH_E_PROTO;
        }
    }
    struct sh_rd r = {in.p + 1, in.p + in.n};
    uint32_t len = 0;
    SH_TRY(mqtt_varint_get(&r, &len));
    *out = (struct mqtt_head){
        .type = type, .flags = flags, .len = len, .head_len = (uint32_t)(r.p - in.p)};
    return SH_OK;
}

static bool bin(struct sh_rd *r, struct sh_bytes *out)
{
    uint16_t n = 0;
    return sh_rd_be16(r, &n) == SH_OK && sh_rd_bytes(r, n, out) == SH_OK;
}

static bool str(struct sh_rd *r, struct sh_str *out)
{
    struct sh_bytes b = {NULL, 0};
    if (!bin(r, &b)) {
        return false;
    }
    *out = sh_bytes_str(b);
    return mqtt_string_valid(*out);
}

static enum mqtt_reason decode_will(struct sh_rd *r, uint8_t flags, uint8_t version,
                                    struct mqtt_connect *c)
{
    struct mqtt_will *w = &c->will;
    w->qos = flags >> 3 & 3;
    w->retain = (flags & 0x20) != 0;
    if (version == MQTT_V5) {
        const enum mqtt_reason why = mqtt_props_decode(r, MQTT_IN_WILL, &w->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    if (!str(r, &w->topic) || !bin(r, &w->payload)) {
        return MQTT_R_MALFORMED;
    }
    return mqtt_topic_valid(w->topic) ? MQTT_R_SUCCESS : MQTT_R_BAD_TOPIC;
}

/* Protocol name, version and flags; leaves c->version set as soon as it is known. */
static enum mqtt_reason connect_start(struct sh_rd *r, struct mqtt_connect *c, uint8_t *flags)
{
    struct sh_bytes name = {NULL, 0};
    if (!bin(r, &name)) {
        return MQTT_R_MALFORMED;
    }
    uint8_t version = 0;
    const bool mqtt = sh_str_eqc(sh_bytes_str(name), "MQTT");
    if (!mqtt && !sh_str_eqc(sh_bytes_str(name), "MQIsdp")) {
        return MQTT_R_MALFORMED; /* not MQTT at all: closed without an answer */
    }
    if (sh_rd_u8(r, &version) != SH_OK) {
        return MQTT_R_MALFORMED;
    }
    c->version = version;
    if (!mqtt || (version != MQTT_V311 && version != MQTT_V5)) {
        return MQTT_R_BAD_VERSION;
    }
    if (sh_rd_u8(r, flags) != SH_OK || (*flags & 1) != 0) {
        return MQTT_R_MALFORMED; /* [MQTT-3.1.2-3] */
    }
    const bool will = (*flags & 4) != 0;
    const unsigned will_qos = *flags >> 3 & 3;
    if (will_qos == 3 || (!will && (*flags & 0x38) != 0)) {
        return MQTT_R_MALFORMED;
    }
    if (version == MQTT_V311 && (*flags & 0xc0) == 0x40) {
        return MQTT_R_MALFORMED; /* 3.1.1 [MQTT-3.1.2-22] password without user name */
    }
    return sh_rd_be16(r, &c->keep_alive) == SH_OK ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
}

static enum mqtt_reason decode_connect(struct sh_bytes body, struct mqtt_connect *c)
{
    struct sh_rd r = sh_rd_of(body);
    uint8_t flags = 0;
    enum mqtt_reason why = connect_start(&r, c, &flags);
    if (why != MQTT_R_SUCCESS) {
        return why;
    }
    c->clean = (flags & 2) != 0;
    c->has_will = (flags & 4) != 0;
    c->has_password = (flags & 0x40) != 0;
    c->has_user = (flags & 0x80) != 0;
    if (c->version == MQTT_V5) {
        why = mqtt_props_decode(&r, MQTT_CONNECT, &c->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    if (!str(&r, &c->client_id)) {
        return MQTT_R_MALFORMED;
    }
    if (c->has_will) {
        why = decode_will(&r, flags, c->version, c);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    if ((c->has_user && !str(&r, &c->user)) || (c->has_password && !bin(&r, &c->password)) ||
        sh_rd_left(&r) != 0) {
        return MQTT_R_MALFORMED;
    }
    return MQTT_R_SUCCESS;
}

static enum mqtt_reason decode_connack(struct sh_bytes body, int version, struct mqtt_connack *c)
{
    struct sh_rd r = sh_rd_of(body);
    uint8_t flags = 0;
    if (sh_rd_u8(&r, &flags) != SH_OK || flags > 1 || sh_rd_u8(&r, &c->code) != SH_OK) {
        return MQTT_R_MALFORMED;
    }
    c->session_present = flags == 1;
    if (version == MQTT_V5) {
        const enum mqtt_reason why = mqtt_props_decode(&r, MQTT_CONNACK, &c->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    } else if (c->code > 5) {
        return MQTT_R_MALFORMED;
    }
    return sh_rd_left(&r) == 0 ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
}

enum mqtt_reason mqtt_decode_publish(const struct mqtt_head *head, struct sh_bytes body,
                                     int version, struct mqtt_publish *p)
{
    struct sh_rd r = sh_rd_of(body);
    struct sh_bytes topic = {NULL, 0};
    p->qos = head->flags >> 1 & 3;
    p->dup = (head->flags & 8) != 0;
    p->retain = (head->flags & 1) != 0;
    p->packet_id = 0;
    p->props.have = 0;
    p->props.raw = (struct sh_bytes){NULL, 0};
    if (!bin(&r, &topic)) {
        return MQTT_R_MALFORMED;
    }
    p->topic = sh_bytes_str(topic);
    if (p->qos > 0 && (sh_rd_be16(&r, &p->packet_id) != SH_OK || p->packet_id == 0)) {
        return MQTT_R_MALFORMED; /* [MQTT-2.2.1-3] */
    }
    if (version == MQTT_V5) {
        const enum mqtt_reason why = mqtt_props_decode(&r, MQTT_PUBLISH, &p->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    const bool by_alias = p->topic.n == 0 && version == MQTT_V5;
    if (by_alias && !mqtt_has(&p->props, MQTT_PR_TOPIC_ALIAS)) {
        return MQTT_R_PROTOCOL_ERROR;
    }
    if (!by_alias && !mqtt_topic_valid(p->topic)) {
        return mqtt_string_valid(p->topic) ? MQTT_R_BAD_TOPIC : MQTT_R_MALFORMED;
    }
    p->payload = (struct sh_bytes){r.p, sh_rd_left(&r)};
    return MQTT_R_SUCCESS;
}

/* Reason code and properties, both of which may be left out at the end (5.0, 3.4.2.1). */
static enum mqtt_reason code_and_props(struct sh_rd *r, int where, struct mqtt_ack *a)
{
    if (sh_rd_left(r) == 0) {
        return MQTT_R_SUCCESS;
    }
    if (sh_rd_u8(r, &a->code) != SH_OK) {
        return MQTT_R_MALFORMED;
    }
    if (sh_rd_left(r) == 0) {
        return MQTT_R_SUCCESS;
    }
    const enum mqtt_reason why = mqtt_props_decode(r, where, &a->props);
    if (why != MQTT_R_SUCCESS) {
        return why;
    }
    return sh_rd_left(r) == 0 ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
}

/* Which reason codes a packet may carry (5.0, table 2-6). */
static bool code_allowed(int type, uint8_t code)
{
    static const uint8_t puback[] = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
    static const uint8_t pubrel[] = {0x00, 0x92};
    static const uint8_t disconnect[] = {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D,
                                         0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
                                         0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2};
    static const uint8_t auth[] = {0x00, 0x18, 0x19};
    if (type == MQTT_PUBACK || type == MQTT_PUBREC) {
        return memchr(puback, code, sizeof puback) != NULL;
    }
    if (type == MQTT_PUBREL || type == MQTT_PUBCOMP) {
        return memchr(pubrel, code, sizeof pubrel) != NULL;
    }
    if (type == MQTT_DISCONNECT) {
        return memchr(disconnect, code, sizeof disconnect) != NULL;
    }
    return memchr(auth, code, sizeof auth) != NULL;
}

static enum mqtt_reason decode_ack(const struct mqtt_head *h, struct sh_bytes body, int version,
                                   struct mqtt_ack *a)
{
    struct sh_rd r = sh_rd_of(body);
    const bool with_id = h->type != MQTT_DISCONNECT && h->type != MQTT_AUTH;
    if (with_id && (sh_rd_be16(&r, &a->packet_id) != SH_OK || a->packet_id == 0)) {
        return MQTT_R_MALFORMED;
    }
    if (version != MQTT_V5) {
        return sh_rd_left(&r) == 0 && h->type != MQTT_AUTH ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
    }
    const enum mqtt_reason why = code_and_props(&r, h->type, a);
    if (why != MQTT_R_SUCCESS) {
        return why;
    }
    if (!code_allowed(h->type, a->code)) {
        return MQTT_R_PROTOCOL_ERROR;
    }
    return MQTT_R_SUCCESS;
}

/* Checks every entry of the list once, so that mqtt_filter_next needs no errors. */
static enum mqtt_reason check_list(struct sh_bytes list, bool options, int version, uint32_t *count)
{
    struct sh_rd r = sh_rd_of(list);
    uint32_t n = 0;
    while (sh_rd_left(&r) > 0) {
        struct sh_str filter = {NULL, 0};
        uint8_t o = 0;
        if (!str(&r, &filter) || (options && sh_rd_u8(&r, &o) != SH_OK)) {
            return MQTT_R_MALFORMED;
        }
        const uint8_t reserved = version == MQTT_V5 ? 0xc0 : 0xfc;
        if ((o & reserved) != 0 || (o & MQTT_SUB_QOS) == 3) {
            return MQTT_R_MALFORMED; /* [MQTT-3.8.3-5] */
        }
        if ((o & MQTT_SUB_RETAIN_HANDLING) == MQTT_SUB_RETAIN_HANDLING) {
            return MQTT_R_PROTOCOL_ERROR;
        }
        n++;
    }
    *count = n;
    return n > 0 ? MQTT_R_SUCCESS : MQTT_R_PROTOCOL_ERROR; /* [MQTT-3.8.3-2] [MQTT-3.10.3-2] */
}

static enum mqtt_reason decode_subscribe(const struct mqtt_head *h, struct sh_bytes body,
                                         int version, struct mqtt_subscribe *s)
{
    struct sh_rd r = sh_rd_of(body);
    if (sh_rd_be16(&r, &s->packet_id) != SH_OK || s->packet_id == 0) {
        return MQTT_R_MALFORMED;
    }
    if (version == MQTT_V5) {
        const enum mqtt_reason why = mqtt_props_decode(&r, h->type, &s->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    s->list = (struct sh_bytes){r.p, sh_rd_left(&r)};
    return check_list(s->list, h->type == MQTT_SUBSCRIBE, version, &s->count);
}

static enum mqtt_reason decode_suback(const struct mqtt_head *h, struct sh_bytes body, int version,
                                      struct mqtt_suback *s)
{
    struct sh_rd r = sh_rd_of(body);
    if (sh_rd_be16(&r, &s->packet_id) != SH_OK || s->packet_id == 0) {
        return MQTT_R_MALFORMED;
    }
    if (version == MQTT_V5) {
        const enum mqtt_reason why = mqtt_props_decode(&r, h->type, &s->props);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
    }
    s->codes = (struct sh_bytes){r.p, sh_rd_left(&r)};
    const bool want = h->type == MQTT_SUBACK || version == MQTT_V5;
    return want == (s->codes.n > 0) ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
}

enum mqtt_reason mqtt_decode(const struct mqtt_head *head, struct sh_bytes body, int version,
                             struct mqtt_packet *out)
{
    memset(out, 0, sizeof *out);
    out->type = head->type;
    out->version = (uint8_t)version;
    enum mqtt_reason why = MQTT_R_MALFORMED;
    switch (head->type) {
    case MQTT_CONNECT:
        why = decode_connect(body, &out->connect);
        out->version = out->connect.version;
        return why;
    case MQTT_CONNACK:
        return decode_connack(body, version, &out->connack);
    case MQTT_PUBLISH:
        return mqtt_decode_publish(head, body, version, &out->publish);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return decode_ack(head, body, version, &out->ack);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return decode_subscribe(head, body, version, &out->subscribe);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return decode_suback(head, body, version, &out->suback);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return body.n == 0 ? MQTT_R_SUCCESS : MQTT_R_MALFORMED;
    default:
        return why;
    }
}

bool mqtt_filter_next(struct sh_bytes *list, struct sh_str *filter, uint8_t *options)
{
    struct sh_rd r = sh_rd_of(*list);
    struct sh_bytes f = {NULL, 0};
    if (!bin(&r, &f) || (options != NULL && sh_rd_u8(&r, options) != SH_OK)) {
        return false;
    }
    *filter = sh_bytes_str(f);
    *list = (struct sh_bytes){r.p, sh_rd_left(&r)};
    return true;
}
