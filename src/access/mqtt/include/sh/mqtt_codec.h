/* mqtt_codec.h - MQTT 3.1.1 and 5.0 packets, both directions. Pure functions: no I/O, no clock, no
 * state; re-entrant. Decoded packets are views into the input. Validation is strict; what is wrong
 * is said with the reason code the 5.0 specification names (3.1.1 only closes, so any code will
 * do). SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MQTT_CODEC_H
#define SH_MQTT_CODEC_H

#include <sh/base.h>

enum { MQTT_V311 = 4, MQTT_V5 = 5 };

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
    MQTT_AUTH = 15
};

/* Reason codes (5.0, 2.4). */
enum mqtt_reason {
    MQTT_R_SUCCESS = 0x00, /* also normal disconnection, granted QoS 0 */
    MQTT_R_GRANTED_QOS1 = 0x01,
    MQTT_R_GRANTED_QOS2 = 0x02,
    MQTT_R_DISCONNECT_WITH_WILL = 0x04,
    MQTT_R_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_R_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_R_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_R_REAUTHENTICATE = 0x19,
    MQTT_R_UNSPECIFIED = 0x80,
    MQTT_R_MALFORMED = 0x81,
    MQTT_R_PROTOCOL_ERROR = 0x82,
    MQTT_R_IMPLEMENTATION = 0x83,
    MQTT_R_BAD_VERSION = 0x84,
    MQTT_R_BAD_CLIENT_ID = 0x85,
    MQTT_R_BAD_CREDENTIALS = 0x86,
    MQTT_R_NOT_AUTHORISED = 0x87,
    MQTT_R_SERVER_UNAVAILABLE = 0x88,
    MQTT_R_SERVER_BUSY = 0x89,
    MQTT_R_BANNED = 0x8A,
    MQTT_R_SHUTTING_DOWN = 0x8B,
    MQTT_R_BAD_AUTH_METHOD = 0x8C,
    MQTT_R_KEEP_ALIVE = 0x8D,
    MQTT_R_TAKEN_OVER = 0x8E,
    MQTT_R_BAD_FILTER = 0x8F,
    MQTT_R_BAD_TOPIC = 0x90,
    MQTT_R_PACKET_ID_IN_USE = 0x91,
    MQTT_R_PACKET_ID_NOT_FOUND = 0x92,
    MQTT_R_RECEIVE_MAX = 0x93,
    MQTT_R_BAD_ALIAS = 0x94,
    MQTT_R_TOO_LARGE = 0x95,
    MQTT_R_RATE = 0x96,
    MQTT_R_QUOTA = 0x97,
    MQTT_R_ADMINISTRATIVE = 0x98,
    MQTT_R_BAD_PAYLOAD = 0x99,
    MQTT_R_NO_RETAIN = 0x9A,
    MQTT_R_NO_QOS = 0x9B,
    MQTT_R_USE_ANOTHER_SERVER = 0x9C,
    MQTT_R_SERVER_MOVED = 0x9D,
    MQTT_R_NO_SHARED = 0x9E,
    MQTT_R_CONNECTION_RATE = 0x9F,
    MQTT_R_MAX_CONNECT_TIME = 0xA0,
    MQTT_R_NO_SUBSCRIPTION_IDS = 0xA1,
    MQTT_R_NO_WILDCARDS = 0xA2
};
/* The one place where our errors become reason codes. */
enum mqtt_reason mqtt_reason_from_err(sh_err e);

/* ---- properties -------------------------------------------------------------------------------
 */

/* Rows of the property table; bit (1 << row) of mqtt_props.have. */
enum mqtt_prop {
    MQTT_PR_PAYLOAD_FORMAT,
    MQTT_PR_MESSAGE_EXPIRY,
    MQTT_PR_CONTENT_TYPE,
    MQTT_PR_RESPONSE_TOPIC,
    MQTT_PR_CORRELATION_DATA,
    MQTT_PR_SUBSCRIPTION_ID,
    MQTT_PR_SESSION_EXPIRY,
    MQTT_PR_ASSIGNED_CLIENT_ID,
    MQTT_PR_SERVER_KEEP_ALIVE,
    MQTT_PR_AUTH_METHOD,
    MQTT_PR_AUTH_DATA,
    MQTT_PR_REQUEST_PROBLEM_INFO,
    MQTT_PR_WILL_DELAY,
    MQTT_PR_REQUEST_RESPONSE_INFO,
    MQTT_PR_RESPONSE_INFO,
    MQTT_PR_SERVER_REFERENCE,
    MQTT_PR_REASON_STRING,
    MQTT_PR_RECEIVE_MAX,
    MQTT_PR_TOPIC_ALIAS_MAX,
    MQTT_PR_TOPIC_ALIAS,
    MQTT_PR_MAX_QOS,
    MQTT_PR_RETAIN_AVAILABLE,
    MQTT_PR_USER,
    MQTT_PR_MAX_PACKET_SIZE,
    MQTT_PR_WILDCARD_AVAILABLE,
    MQTT_PR_SUBSCRIPTION_ID_AVAILABLE,
    MQTT_PR_SHARED_AVAILABLE,
    MQTT_PR_COUNT
};

struct mqtt_props {
    uint32_t have; /* which members below are set */
    uint32_t message_expiry;
    uint32_t subscription_id; /* the first one; all are in raw */
    uint32_t session_expiry;
    uint32_t will_delay;
    uint32_t max_packet_size;
    uint16_t server_keep_alive;
    uint16_t receive_max;
    uint16_t topic_alias_max;
    uint16_t topic_alias;
    uint8_t payload_format;
    uint8_t request_problem_info;
    uint8_t request_response_info;
    uint8_t max_qos;
    uint8_t retain_available;
    uint8_t wildcard_available;
    uint8_t subscription_id_available;
    uint8_t shared_available;
    struct sh_str content_type;
    struct sh_str response_topic;
    struct sh_bytes correlation_data;
    struct sh_str assigned_client_id;
    struct sh_str auth_method;
    struct sh_bytes auth_data;
    struct sh_str response_info;
    struct sh_str server_reference;
    struct sh_str reason_string;
    /* Encoded properties. Decode: the whole section (without its length). Encode: only the user
     * properties and subscription identifiers in it are used (the repeatable ones), in order. */
    struct sh_bytes raw;
};

static inline bool mqtt_has(const struct mqtt_props *p, enum mqtt_prop row)
{
    return (p->have & (uint32_t)1 << row) != 0;
}
static inline void mqtt_set(struct mqtt_props *p, enum mqtt_prop row)
{
    p->have |= (uint32_t)1 << row;
}

/* Where properties stand: packet types, and the will's own section. */
enum { MQTT_IN_WILL = 16 };

/* Reads the section (its length first) at *r and moves *r behind it. */
SH_MUST_CHECK enum mqtt_reason mqtt_props_decode(struct sh_rd *r, int where,
                                                 struct mqtt_props *out);
/* Appends the section with its length. Members not allowed in `where` are left out. */
SH_MUST_CHECK sh_err mqtt_props_encode(struct sh_buf *out, int where, const struct mqtt_props *p);
/* Appends one encoded user property or subscription identifier, to be used as props.raw. */
SH_MUST_CHECK sh_err mqtt_user_put(struct sh_buf *raw, struct sh_str name, struct sh_str value);
SH_MUST_CHECK sh_err mqtt_subscription_id_put(struct sh_buf *raw, uint32_t id);
/* Walks the repeatable properties of raw (valid or just decoded): each returns false at the end. */
bool mqtt_user_next(struct sh_bytes *raw, struct sh_str *name, struct sh_str *value);
bool mqtt_subscription_id_next(struct sh_bytes *raw, uint32_t *id);

/* ---- packets ------------------------------------------------------------------------------------
 */

struct mqtt_will {
    uint8_t qos;
    bool retain;
    struct sh_str topic;
    struct sh_bytes payload;
    struct mqtt_props props;
};

struct mqtt_connect {
    uint8_t version;
    bool clean; /* clean session, clean start */
    bool has_will;
    bool has_user;
    bool has_password;
    uint16_t keep_alive;
    struct sh_str client_id;
    struct sh_str user;
    struct sh_bytes password;
    struct mqtt_props props;
    struct mqtt_will will;
};

struct mqtt_connack {
    bool session_present;
    uint8_t code; /* 5.0: reason; 3.1.1: return code 0..5 */
    struct mqtt_props props;
};

struct mqtt_publish {
    uint8_t qos;
    bool dup;
    bool retain;
    uint16_t packet_id; /* 0 for QoS 0 */
    struct sh_str topic;
    struct sh_bytes payload;
    struct mqtt_props props;
};

struct mqtt_ack { /* PUBACK PUBREC PUBREL PUBCOMP; DISCONNECT and AUTH without packet_id */
    uint16_t packet_id;
    uint8_t code;
    struct mqtt_props props;
};

struct mqtt_subscribe { /* SUBSCRIBE and UNSUBSCRIBE; walk `list` with mqtt_filter_next */
    uint16_t packet_id;
    uint32_t count;
    struct sh_bytes list;
    struct mqtt_props props;
};

struct mqtt_suback { /* SUBACK and UNSUBACK (5.0: one code a filter; UNSUBACK of 3.1.1: none) */
    uint16_t packet_id;
    struct sh_bytes codes;
    struct mqtt_props props;
};

struct mqtt_packet {
    uint8_t type;
    uint8_t version; /* CONNECT: what it says; else as given to the decoder */
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_ack ack;
        struct mqtt_subscribe subscribe;
        struct mqtt_suback suback;
    };
};

/* Subscription options byte (5.0, 3.8.3.1); 3.1.1 has the QoS only. */
enum {
    MQTT_SUB_QOS = 0x03,
    MQTT_SUB_NO_LOCAL = 0x04,
    MQTT_SUB_RETAIN_AS_PUBLISHED = 0x08,
    MQTT_SUB_RETAIN_HANDLING = 0x30 /* 0x00 send, 0x10 only when new, 0x20 never */
};

struct mqtt_head {
    uint8_t type;
    uint8_t flags;
    uint32_t len;      /* remaining length */
    uint32_t head_len; /* bytes of the fixed header: 2..5 */
};
/* Reads a fixed header. SH_E_AGAIN: more bytes needed; SH_E_PROTO: it can never become valid (type
 * 0, wrong reserved flags, QoS 3, DUP with QoS 0, a length of more than four bytes). */
SH_MUST_CHECK sh_err mqtt_head_decode(struct sh_bytes in, struct mqtt_head *out);
/* Decodes the body (head->len bytes) of one packet. version: of the connection (ignored for
 * CONNECT). MQTT_R_SUCCESS and *out, else the reason; for CONNECT out->version is then set when it
 * was readable (else 0), so that the refusal can be said in that version. */
SH_MUST_CHECK enum mqtt_reason mqtt_decode(const struct mqtt_head *head, struct sh_bytes body,
                                           int version, struct mqtt_packet *out);
/* The body of a PUBLISH alone (the busy path). */
SH_MUST_CHECK enum mqtt_reason mqtt_decode_publish(const struct mqtt_head *head,
                                                   struct sh_bytes body, int version,
                                                   struct mqtt_publish *out);
/* Next filter of a SUBSCRIBE (options != NULL) or UNSUBSCRIBE list that was decoded. */
bool mqtt_filter_next(struct sh_bytes *list, struct sh_str *filter, uint8_t *options);

/* Appends one whole packet; on error `out` is unchanged. 3.1.1 leaves out what it does not have.
 * SH_E_LIMIT over out's maximum, SH_E_INVAL when a string is over 65535 bytes. */
SH_MUST_CHECK sh_err mqtt_encode(struct sh_buf *out, const struct mqtt_packet *p);
/* Appends one entry to a list for mqtt_subscribe.list; unsubscribe: options == NULL. */
SH_MUST_CHECK sh_err mqtt_filter_put(struct sh_buf *list, struct sh_str filter,
                                     const uint8_t *options);
/* Variable byte integer: writes 1..4 bytes, returns how many. v <= 268435455. */
size_t mqtt_varint_put(uint8_t *p, uint32_t v);
static inline size_t mqtt_varint_size(uint32_t v)
{
    return v < 128 ? 1 : (v < 16384 ? 2 : (v < 2097152 ? 3 : 4));
}
/* SH_E_AGAIN: incomplete; SH_E_PROTO: more than four bytes or not the shortest form. */
SH_MUST_CHECK sh_err mqtt_varint_get(struct sh_rd *r, uint32_t *out);

/* ---- topics
 * -------------------------------------------------------------------------------------- */

/* UTF-8 string of MQTT: well-formed and without U+0000. */
bool mqtt_string_valid(struct sh_str s);
/* Topic name: 1..65535 bytes, valid string, no wildcard characters. */
bool mqtt_topic_valid(struct sh_str topic);
/* Topic filter: 1..65535 bytes, wildcards where they may stand; $share/... not looked into. */
bool mqtt_filter_valid(struct sh_str filter);
/* Splits "$share/<group>/<filter>". SH_OK: *group and *filter are set; SH_E_NOTFOUND: not shared;
 * SH_E_PROTO: $share without a group of at least one character or without a filter. */
SH_MUST_CHECK sh_err mqtt_share_split(struct sh_str s, struct sh_str *group, struct sh_str *filter);
/* Does the (valid) filter match the (valid) topic? A first level that begins with $ is not matched
 * by a wildcard. */
bool mqtt_topic_matches(struct sh_str filter, struct sh_str topic);
size_t mqtt_topic_levels(struct sh_str topic);

#endif /* SH_MQTT_CODEC_H */
