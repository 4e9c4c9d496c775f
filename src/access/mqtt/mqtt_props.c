/* mqtt_props.c - properties of 5.0 from one table: identifier, type, where it may stand, where its
 * value lives in struct mqtt_props, and which values are allowed.
 * Specification: 5.0, 2.2.2 and table 2-4.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_codec.h>

enum kind { K_U8, K_U16, K_U32, K_VARINT, K_STR, K_BIN, K_PAIR };
enum rule { ANY, BOOL01, NOT0, ALIAS };

#define IN(t) ((uint32_t)1 << (t))
#define IN_ACKS (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define IN_MESSAGE (IN(MQTT_PUBLISH) | IN(MQTT_IN_WILL))
#define IN_AUTH (IN(MQTT_CONNECT) | IN(MQTT_CONNACK) | IN(MQTT_AUTH))
#define IN_BOTH_CON (IN(MQTT_CONNECT) | IN(MQTT_CONNACK))
#define IN_ENDS (IN(MQTT_SUBACK) | IN(MQTT_UNSUBACK) | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH))
#define AT(m) (uint16_t) offsetof(struct mqtt_props, m)

struct row {
    uint32_t where;
    uint16_t at;
    uint8_t id;
    uint8_t kind;
    uint8_t rule;
};

static const struct row table[MQTT_PR_COUNT] = {
    [MQTT_PR_PAYLOAD_FORMAT] = {IN_MESSAGE, AT(payload_format), 0x01, K_U8, BOOL01},
    [MQTT_PR_MESSAGE_EXPIRY] = {IN_MESSAGE, AT(message_expiry), 0x02, K_U32, ANY},
    [MQTT_PR_CONTENT_TYPE] = {IN_MESSAGE, AT(content_type), 0x03, K_STR, ANY},
    [MQTT_PR_RESPONSE_TOPIC] = {IN_MESSAGE, AT(response_topic), 0x08, K_STR, ANY},
    [MQTT_PR_CORRELATION_DATA] = {IN_MESSAGE, AT(correlation_data), 0x09, K_BIN, ANY},
    [MQTT_PR_SUBSCRIPTION_ID] = {IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE), AT(subscription_id), 0x0B,
                                 K_VARINT, NOT0},
    [MQTT_PR_SESSION_EXPIRY] = {IN_BOTH_CON | IN(MQTT_DISCONNECT), AT(session_expiry), 0x11, K_U32,
                                ANY},
    [MQTT_PR_ASSIGNED_CLIENT_ID] = {IN(MQTT_CONNACK), AT(assigned_client_id), 0x12, K_STR, ANY},
    [MQTT_PR_SERVER_KEEP_ALIVE] = {IN(MQTT_CONNACK), AT(server_keep_alive), 0x13, K_U16, ANY},
    [MQTT_PR_AUTH_METHOD] = {IN_AUTH, AT(auth_method), 0x15, K_STR, ANY},
    [MQTT_PR_AUTH_DATA] = {IN_AUTH, AT(auth_data), 0x16, K_BIN, ANY},
    [MQTT_PR_REQUEST_PROBLEM_INFO] = {IN(MQTT_CONNECT), AT(request_problem_info), 0x17, K_U8,
                                      BOOL01},
    [MQTT_PR_WILL_DELAY] = {IN(MQTT_IN_WILL), AT(will_delay), 0x18, K_U32, ANY},
    [MQTT_PR_REQUEST_RESPONSE_INFO] = {IN(MQTT_CONNECT), AT(request_response_info), 0x19, K_U8,
                                       BOOL01},
    [MQTT_PR_RESPONSE_INFO] = {IN(MQTT_CONNACK), AT(response_info), 0x1A, K_STR, ANY},
    [MQTT_PR_SERVER_REFERENCE] = {IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT), AT(server_reference),
                                  0x1C, K_STR, ANY},
    [MQTT_PR_REASON_STRING] = {IN(MQTT_CONNACK) | IN_ACKS | IN_ENDS, AT(reason_string), 0x1F, K_STR,
                               ANY},
    [MQTT_PR_RECEIVE_MAX] = {IN_BOTH_CON, AT(receive_max), 0x21, K_U16, NOT0},
    [MQTT_PR_TOPIC_ALIAS_MAX] = {IN_BOTH_CON, AT(topic_alias_max), 0x22, K_U16, ANY},
    [MQTT_PR_TOPIC_ALIAS] = {IN(MQTT_PUBLISH), AT(topic_alias), 0x23, K_U16, ALIAS},
    [MQTT_PR_MAX_QOS] = {IN(MQTT_CONNACK), AT(max_qos), 0x24, K_U8, BOOL01},
    [MQTT_PR_RETAIN_AVAILABLE] = {IN(MQTT_CONNACK), AT(retain_available), 0x25, K_U8, BOOL01},
    [MQTT_PR_USER] = {0x1ffff & ~(IN(0) | IN(MQTT_PINGREQ) | IN(MQTT_PINGRESP)), 0, 0x26, K_PAIR,
                      ANY},
    [MQTT_PR_MAX_PACKET_SIZE] = {IN_BOTH_CON, AT(max_packet_size), 0x27, K_U32, NOT0},
    [MQTT_PR_WILDCARD_AVAILABLE] = {IN(MQTT_CONNACK), AT(wildcard_available), 0x28, K_U8, BOOL01},
    [MQTT_PR_SUBSCRIPTION_ID_AVAILABLE] = {IN(MQTT_CONNACK), AT(subscription_id_available), 0x29,
                                           K_U8, BOOL01},
    [MQTT_PR_SHARED_AVAILABLE] = {IN(MQTT_CONNACK), AT(shared_available), 0x2A, K_U8, BOOL01},
};

static int row_of(uint8_t id)
{
    for (int i = 0; i < MQTT_PR_COUNT; i++) {
        if (table[i].id == id) {
            return i;
        }
    }
    return -1;
}

size_t mqtt_varint_put(uint8_t *p, uint32_t v)
{
    size_t n = 0;
    do {
        const uint8_t low = (uint8_t)(v & 0x7f);
        v >>= 7;
        p[n++] = v > 0 ? (uint8_t)(low | 0x80) : low;
    } while (v > 0);
    return n;
}

sh_err mqtt_varint_get(struct sh_rd *r, uint32_t *out)
{
    uint32_t v = 0;
    const size_t left = sh_rd_left(r);
    for (size_t i = 0; i < 4; i++) {
        if (i == left) {
            return SH_E_AGAIN;
        }
        const uint8_t c = r->p[i];
        v |= (uint32_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            if (c == 0 && i > 0) {
                return SH_E_PROTO; /* [MQTT-1.5.5-1] not the minimum number of bytes */
            }
            r->p += i + 1;
            *out = v;
            return SH_OK;
        }
    }
    return SH_E_PROTO;
}

static bool get_bin(struct sh_rd *r, struct sh_bytes *out)
{
    uint16_t n = 0;
    return sh_rd_be16(r, &n) == SH_OK && sh_rd_bytes(r, n, out) == SH_OK;
}

static bool get_str(struct sh_rd *r, struct sh_str *out)
{
    struct sh_bytes b = {NULL, 0};
    if (!get_bin(r, &b) || !mqtt_string_valid(sh_bytes_str(b))) {
        return false;
    }
    *out = sh_bytes_str(b);
    return true;
}

static enum mqtt_reason check(uint8_t rule, uint32_t v)
{
    if (rule == BOOL01 && v > 1) {
        return MQTT_R_PROTOCOL_ERROR;
    }
    if (rule == NOT0 && v == 0) {
        return MQTT_R_PROTOCOL_ERROR;
    }
    if (rule == ALIAS && v == 0) {
        return MQTT_R_BAD_ALIAS;
    }
    return MQTT_R_SUCCESS;
}

/* Reads one value into its member (the first of a repeated one stays). */
static enum mqtt_reason get_value(struct sh_rd *r, const struct row *w, bool again,
                                  struct mqtt_props *out)
{
    uint8_t *at = (uint8_t *)out + w->at;
    uint8_t v8 = 0;
    uint16_t v16 = 0;
    uint32_t v32 = 0;
    struct sh_str name = {NULL, 0};
    struct sh_str s = {NULL, 0};
    struct sh_bytes b = {NULL, 0};
    bool ok = false;
    switch ((enum kind)w->kind) {
    case K_U8:
        ok = sh_rd_u8(r, &v8) == SH_OK;
        v32 = v8;
        memcpy(at, &v8, sizeof v8);
        break;
    case K_U16:
        ok = sh_rd_be16(r, &v16) == SH_OK;
        v32 = v16;
        memcpy(at, &v16, sizeof v16);
        break;
    case K_U32:
        ok = sh_rd_be32(r, &v32) == SH_OK;
        memcpy(at, &v32, sizeof v32);
        break;
    case K_VARINT:
        ok = mqtt_varint_get(r, &v32) == SH_OK;
        if (!again) {
            memcpy(at, &v32, sizeof v32);
        }
        break;
    case K_STR:
        ok = get_str(r, &s);
        memcpy(at, &s, sizeof s);
        break;
    case K_BIN:
        ok = get_bin(r, &b);
        memcpy(at, &b, sizeof b);
        break;
    case K_PAIR:
        ok = get_str(r, &name) && get_str(r, &s);
        break;
    }
    return ok ? check(w->rule, v32) : MQTT_R_MALFORMED;
}

enum mqtt_reason mqtt_props_decode(struct sh_rd *r, int where, struct mqtt_props *out)
{
    uint32_t len = 0;
    struct sh_bytes raw = {NULL, 0};
    if (mqtt_varint_get(r, &len) != SH_OK || sh_rd_bytes(r, len, &raw) != SH_OK) {
        return MQTT_R_MALFORMED;
    }
    out->have = 0;
    out->raw = raw;
    if (len == 0) {
        return MQTT_R_SUCCESS;
    }
    struct sh_rd in = sh_rd_of(raw);
    while (sh_rd_left(&in) > 0) {
        uint32_t id = 0;
        if (mqtt_varint_get(&in, &id) != SH_OK || id > 0x7f) {
            return MQTT_R_MALFORMED;
        }
        const int i = row_of((uint8_t)id);
        if (i < 0 || (table[i].where & IN(where)) == 0) {
            return MQTT_R_MALFORMED; /* 2.2.2.2: not valid for this packet type */
        }
        const bool again = mqtt_has(out, (enum mqtt_prop)i);
        const bool may_repeat =
            i == MQTT_PR_USER || (i == MQTT_PR_SUBSCRIPTION_ID && where == MQTT_PUBLISH);
        if (again && !may_repeat) {
            return MQTT_R_PROTOCOL_ERROR;
        }
        const enum mqtt_reason why = get_value(&in, &table[i], again, out);
        if (why != MQTT_R_SUCCESS) {
            return why;
        }
        mqtt_set(out, (enum mqtt_prop)i);
    }
    if (mqtt_has(out, MQTT_PR_AUTH_DATA) && !mqtt_has(out, MQTT_PR_AUTH_METHOD)) {
        return MQTT_R_PROTOCOL_ERROR;
    }
    if (mqtt_has(out, MQTT_PR_RESPONSE_TOPIC) && !mqtt_topic_valid(out->response_topic)) {
        return MQTT_R_PROTOCOL_ERROR; /* [MQTT-3.3.2-14] */
    }
    return MQTT_R_SUCCESS;
}

static sh_err put_bin(struct sh_buf *out, struct sh_bytes b)
{
    if (b.n > UINT16_MAX) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_buf_put_be16(out, (uint16_t)b.n));
    return sh_buf_put(out, b.p, b.n);
}

static sh_err put_varint(struct sh_buf *out, uint32_t v)
{
    uint8_t tmp[5];
    if (v > 268435455) {
        return SH_E_INVAL;
    }
    return sh_buf_put(out, tmp, mqtt_varint_put(tmp, v));
}

static sh_err put_value(struct sh_buf *out, const struct row *w, const struct mqtt_props *p)
{
    const uint8_t *at = (const uint8_t *)p + w->at;
    uint16_t v16 = 0;
    uint32_t v32 = 0;
    struct sh_bytes b = {NULL, 0};
    struct sh_str s = {NULL, 0};
    SH_TRY(sh_buf_put_u8(out, w->id));
    switch ((enum kind)w->kind) {
    case K_U8:
        return sh_buf_put_u8(out, *at);
    case K_U16:
        memcpy(&v16, at, sizeof v16);
        return sh_buf_put_be16(out, v16);
    case K_U32:
        memcpy(&v32, at, sizeof v32);
        return sh_buf_put_be32(out, v32);
    case K_STR:
        memcpy(&s, at, sizeof s);
        return put_bin(out, sh_str_bytes(s));
    case K_BIN:
        memcpy(&b, at, sizeof b);
        return put_bin(out, b);
    case K_VARINT:
    case K_PAIR:
        break;
    }
    return SH_E_INTERNAL;
}

/* One encoded property at the front of raw: its identifier and bytes. False at the end. */
static bool raw_next(struct sh_bytes *raw, uint8_t *id, struct sh_bytes *all, struct sh_bytes *val)
{
    struct sh_rd r = sh_rd_of(*raw);
    struct mqtt_props scratch;
    memset(&scratch, 0, sizeof scratch);
    uint8_t tag = 0;
    if (raw->n == 0 || sh_rd_u8(&r, &tag) != SH_OK) {
        return false;
    }
    const int i = row_of(tag);
    const uint8_t *start = r.p;
    if (i < 0 || get_value(&r, &table[i], false, &scratch) != MQTT_R_SUCCESS) {
        return false;
    }
    *id = tag;
    *all = (struct sh_bytes){raw->p, (size_t)(r.p - raw->p)};
    *val = (struct sh_bytes){start, (size_t)(r.p - start)};
    raw->p += all->n;
    raw->n -= all->n;
    return true;
}

sh_err mqtt_props_encode(struct sh_buf *out, int where, const struct mqtt_props *p)
{
    struct sh_buf tmp;
    sh_buf_init(&tmp, out->alloc, out->max);
    sh_err e = SH_OK;
    for (int i = 0; i < MQTT_PR_COUNT && e == SH_OK && (p->have >> i) != 0; i++) {
        if (mqtt_has(p, (enum mqtt_prop)i) && (table[i].where & IN(where)) != 0 &&
            table[i].kind != K_PAIR && table[i].kind != K_VARINT) {
            e = put_value(&tmp, &table[i], p);
        }
    }
    struct sh_bytes raw = p->raw;
    struct sh_bytes all;
    struct sh_bytes val;
    uint8_t id = 0;
    while (e == SH_OK && raw_next(&raw, &id, &all, &val)) {
        const int i = row_of(id);
        const bool repeat = i == MQTT_PR_USER || i == MQTT_PR_SUBSCRIPTION_ID;
        if (repeat && (table[i].where & IN(where)) != 0) {
            e = sh_buf_put(&tmp, all.p, all.n);
        }
    }
    if (e == SH_OK) {
        e = put_varint(out, (uint32_t)tmp.n);
    }
    if (e == SH_OK) {
        e = sh_buf_put(out, tmp.p, tmp.n);
    }
    sh_buf_fini(&tmp);
    return e;
}

sh_err mqtt_user_put(struct sh_buf *raw, struct sh_str name, struct sh_str value)
{
    const size_t before = raw->n;
    sh_err e = sh_buf_put_u8(raw, 0x26);
    if (e == SH_OK) {
        e = put_bin(raw, sh_str_bytes(name));
    }
    if (e == SH_OK) {
        e = put_bin(raw, sh_str_bytes(value));
    }
    if (e != SH_OK) {
        raw->n = before;
    }
    return e;
}

sh_err mqtt_subscription_id_put(struct sh_buf *raw, uint32_t id)
{
    uint8_t tmp[6] = {0x0B};
    if (id == 0 || id > 268435455) {
        return SH_E_INVAL;
    }
    return sh_buf_put(raw, tmp, 1 + mqtt_varint_put(tmp + 1, id));
}

bool mqtt_user_next(struct sh_bytes *raw, struct sh_str *name, struct sh_str *value)
{
    uint8_t id = 0;
    struct sh_bytes all;
    struct sh_bytes val;
    while (raw_next(raw, &id, &all, &val)) {
        if (id == 0x26) {
            struct sh_rd r = sh_rd_of(val);
            return get_str(&r, name) && get_str(&r, value);
        }
    }
    return false;
}

bool mqtt_subscription_id_next(struct sh_bytes *raw, uint32_t *id)
{
    uint8_t tag = 0;
    struct sh_bytes all;
    struct sh_bytes val;
    while (raw_next(raw, &tag, &all, &val)) {
        if (tag == 0x0B) {
            struct sh_rd r = sh_rd_of(val);
            return mqtt_varint_get(&r, id) == SH_OK;
        }
    }
    return false;
}
