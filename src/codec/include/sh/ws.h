/* ws.h - WebSocket (RFC 6455), server side: handshake, frames, messages, closing. Sans-I/O.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_WS_H
#define SH_WS_H

#include <sh/http1.h>

enum sh_ws_opcode {
    SH_WS_CONT = 0,
    SH_WS_TEXT = 1,
    SH_WS_BINARY = 2,
    SH_WS_CLOSE = 8,
    SH_WS_PING = 9,
    SH_WS_PONG = 10
};

/* Close codes (RFC 6455 7.4.1). */
enum {
    SH_WS_NORMAL = 1000,
    SH_WS_GOING_AWAY = 1001,
    SH_WS_PROTOCOL_ERROR = 1002,
    SH_WS_UNSUPPORTED = 1003,
    SH_WS_NO_STATUS = 1005,
    SH_WS_INVALID_DATA = 1007,
    SH_WS_POLICY = 1008,
    SH_WS_TOO_BIG = 1009,
    SH_WS_INTERNAL = 1011
};

enum { SH_WS_ACCEPT_CHARS = 28, SH_WS_HEAD_MAX = 10 };

/* Sec-WebSocket-Accept for a key (4.2.2). */
void sh_ws_accept_key(struct sh_str key, char out[SH_WS_ACCEPT_CHARS]);
/* Checks the client's opening handshake (4.2.1). SH_E_PROTO: not a proper one (answer 400);
 * SH_E_UNSUPPORTED: another version (answer 426 with Sec-WebSocket-Version: 13). *key is a view. */
SH_MUST_CHECK sh_err sh_ws_check(const struct sh_http_head *h, struct sh_str *key);
/* Is the subprotocol one of those offered in Sec-WebSocket-Protocol? Case-sensitive. */
bool sh_ws_offers(const struct sh_http_field *fields, size_t n, struct sh_str subprotocol);

/* Frame reader: strict about masking, reserved bits, control frames, fragmentation, shortest
 * lengths, UTF-8 of text messages and close payloads. */
struct sh_ws {
    uint64_t message; /* payload bytes of the current message so far */
    uint64_t left;    /* payload bytes of the current frame still to come */
    size_t message_max;
    uint32_t mask_at; /* position in the current frame's payload, for the mask */
    uint8_t mask[4];
    uint8_t opcode; /* of the current data message; 0 = none */
    uint8_t frame;  /* opcode of the frame whose payload is being read */
    bool fin;
    bool in_frame;
    bool begun;     /* a piece of the current message has been shown */
    bool client;    /* we are the client: frames come unmasked (for tests and tools) */
    uint8_t utf8_n; /* bytes of a character that is cut by the end of a piece */
    uint8_t utf8[4];
};
/* What sh_ws_feed found. */
struct sh_ws_event {
    enum sh_ws_opcode opcode; /* TEXT or BINARY: a piece of a data message; else a control frame */
    struct sh_bytes data;     /* unmasked, in place: a view into `in` */
    bool first;               /* first piece of a data message */
    bool last;                /* the data message is complete */
    uint16_t code;            /* CLOSE: the status, 1005 when there was none */
};
void sh_ws_init(struct sh_ws *w, size_t message_max, bool client);
/* Reads at most one event from `in`, which is unmasked in place; *used bytes are done with.
 * SH_OK: *ev is set (data pieces come as they arrive, control frames whole);
 * SH_E_AGAIN: needs more bytes (bytes not used must be shown again);
 * SH_E_PROTO, SH_E_LIMIT: close with *close_code. */
SH_MUST_CHECK sh_err sh_ws_feed(struct sh_ws *w, uint8_t *in, size_t n, size_t *used,
                                struct sh_ws_event *ev, uint16_t *close_code);
/* Head of an unmasked frame (server to client), FIN set; returns its length. */
size_t sh_ws_head(enum sh_ws_opcode op, uint64_t n, uint8_t out[SH_WS_HEAD_MAX]);
/* Payload of a close frame: code and a reason of at most 123 bytes; returns its length. */
size_t sh_ws_close_payload(uint16_t code, struct sh_str reason, uint8_t out[125]);
/* May a peer send this close code (7.4)? */
bool sh_ws_code_valid(uint16_t code);

#endif /* SH_WS_H */
