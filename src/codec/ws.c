/* ws.c - WebSocket frames.
 * States of the reader: between frames (in_frame false; `opcode` tells whether a message is open)
 * and inside the payload of a data frame. Control frames are read whole, so they have no state.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/sha.h>

#include <sh/text.h>
#include <sh/ws.h>

enum { KEY_CHARS = 24, CONTROL_MAX = 125, REASON_MAX = 123 };

void sh_ws_accept_key(struct sh_str key, char out[SH_WS_ACCEPT_CHARS])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t text[KEY_CHARS + sizeof guid - 1];
    uint8_t h[SHA_DIGEST_LENGTH + 1] = {0};
    const size_t n = key.n < KEY_CHARS ? key.n : KEY_CHARS;
    memcpy(text, key.p, n);
    memcpy(text + n, guid, sizeof guid - 1);
    (void)SHA1(text, n + sizeof guid - 1, h);
    for (size_t i = 0; i < 7; i++) { /* 20 bytes: six groups of three, and one of two */
        const uint32_t v = (uint32_t)h[3 * i] << 16 | (uint32_t)h[3 * i + 1] << 8 | h[3 * i + 2];
        out[4 * i] = b64[v >> 18];
        out[4 * i + 1] = b64[v >> 12 & 63];
        out[4 * i + 2] = b64[v >> 6 & 63];
        out[4 * i + 3] = i == 6 ? '=' : b64[v & 63];
    }
}

/* 16 bytes in base64 (4.1, item 7) */
static bool is_key(struct sh_str k)
{
    if (k.n != KEY_CHARS || k.p[22] != '=' || k.p[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        const char c = k.p[i];
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' &&
            c != '/') {
            return false;
        }
    }
    return true;
}

static size_t count_of(const struct sh_http_head *h, const char *name)
{
    const struct sh_str want = sh_str_c(name);
    size_t n = 0;
    for (size_t i = 0; i < h->nfields; i++) {
        n += sh_str_ieq(h->fields[i].name, want);
    }
    return n;
}

sh_err sh_ws_check(const struct sh_http_head *h, struct sh_str *key)
{
    if (h->method != SH_HTTP_GET || h->minor < 1 || !h->upgrade_websocket || h->chunked ||
        h->content_length > 0) {
        return SH_E_PROTO;
    }
    const struct sh_str version = sh_http_field_get(h->fields, h->nfields, "sec-websocket-version");
    const struct sh_str k = sh_http_field_get(h->fields, h->nfields, "sec-websocket-key");
    if (count_of(h, "sec-websocket-key") != 1 || !is_key(k)) {
        return SH_E_PROTO;
    }
    if (!sh_str_eq(version, SH_STR("13"))) {
        return SH_E_UNSUPPORTED;
    }
    *key = k;
    return SH_OK;
}

bool sh_ws_offers(const struct sh_http_field *fields, size_t n, struct sh_str subprotocol)
{
    for (size_t i = 0; i < n; i++) {
        if (!sh_str_ieq(fields[i].name, SH_STR("sec-websocket-protocol"))) {
            continue;
        }
        struct sh_str rest = fields[i].value;
        while (rest.p != NULL) {
            if (sh_str_eq(sh_str_trim(sh_str_cut(rest, ',', &rest)), subprotocol)) {
                return subprotocol.n > 0;
            }
        }
    }
    return false;
}

bool sh_ws_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

void sh_ws_init(struct sh_ws *w, size_t message_max, bool client)
{
    *w = (struct sh_ws){.message_max = message_max, .client = client};
}

static sh_err bad(uint16_t *close_code, uint16_t code)
{
    *close_code = code;
    return code == SH_WS_TOO_BIG ? SH_E_LIMIT : SH_E_PROTO;
}

struct head {
    uint64_t len;
    size_t n; /* bytes of the head */
    uint8_t mask[4];
    uint8_t opcode;
    bool fin;
};

/* 5.2: length in the fewest bytes, top bit clear. */
static sh_err read_length(const uint8_t *in, size_t n, struct head *h, uint16_t *close_code)
{
    const uint8_t len7 = in[1] & 0x7f;
    h->n = 2;
    h->len = len7;
    if (len7 == 126) {
        h->n = 4;
        if (n < h->n) {
            return SH_E_AGAIN;
        }
        h->len = sh_be16(in + 2);
        return h->len < 126 ? bad(close_code, SH_WS_PROTOCOL_ERROR) : SH_OK;
    }
    if (len7 == 127) {
        h->n = 10;
        if (n < h->n) {
            return SH_E_AGAIN;
        }
        h->len = sh_be64(in + 2);
        return h->len < 65536 || h->len >> 63 != 0 ? bad(close_code, SH_WS_PROTOCOL_ERROR) : SH_OK;
    }
    return SH_OK;
}

static sh_err check_head(const struct sh_ws *w, const struct head *h, uint16_t *close_code)
{
    if (h->opcode >= SH_WS_CLOSE) { /* 5.5: at most 125 bytes, never fragmented */
        if (h->opcode > SH_WS_PONG || !h->fin || h->len > CONTROL_MAX) {
            return bad(close_code, SH_WS_PROTOCOL_ERROR);
        }
        return SH_OK;
    }
    /* 5.4: a continuation needs an open message, a new message needs none */
    if (h->opcode > SH_WS_BINARY || (h->opcode == SH_WS_CONT) != (w->opcode != 0)) {
        return bad(close_code, SH_WS_PROTOCOL_ERROR);
    }
    if (h->len > w->message_max || w->message > w->message_max - h->len) {
        return bad(close_code, SH_WS_TOO_BIG);
    }
    return SH_OK;
}

static sh_err read_head(const struct sh_ws *w, const uint8_t *in, size_t n, struct head *h,
                        uint16_t *close_code)
{
    if (n < 2) {
        return SH_E_AGAIN;
    }
    const bool masked = (in[1] & 0x80) != 0;
    h->fin = (in[0] & 0x80) != 0;
    h->opcode = in[0] & 0x0f;
    if ((in[0] & 0x70) != 0 || masked == w->client) { /* 5.2: no extension; 5.1: masking */
        return bad(close_code, SH_WS_PROTOCOL_ERROR);
    }
    SH_TRY(read_length(in, n, h, close_code));
    SH_TRY(check_head(w, h, close_code));
    if (masked) {
        if (n < h->n + 4) {
            return SH_E_AGAIN;
        }
        memcpy(h->mask, in + h->n, 4);
        h->n += 4;
    }
    return SH_OK;
}

static void unmask(uint8_t *p, size_t n, const uint8_t mask[4], uint32_t at)
{
    uint8_t turned[8];
    for (size_t i = 0; i < 8; i++) {
        turned[i] = mask[(at + i) & 3];
    }
    uint64_t m;
    memcpy(&m, turned, 8);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        v ^= m;
        memcpy(p + i, &v, 8);
    }
    for (; i < n; i++) {
        p[i] ^= turned[i & 7];
    }
}

/* ---- UTF-8 over pieces (8.1) ---- */

static size_t char_len(uint8_t lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static bool text_piece(struct sh_ws *w, const uint8_t *p, size_t n)
{
    while (w->utf8_n > 0 && n > 0) { /* the character that was cut */
        w->utf8[w->utf8_n++] = *p++;
        n--;
        if (w->utf8_n == char_len(w->utf8[0])) {
            if (!sh_utf8_valid((struct sh_str){(const char *)w->utf8, w->utf8_n})) {
                return false;
            }
            w->utf8_n = 0;
        }
    }
    size_t cut = 0; /* bytes of an incomplete character at the end */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t c = p[n - back];
        if ((c & 0xc0) != 0x80) {
            cut = char_len(c) > back ? back : 0;
            break;
        }
    }
    if (n > cut && !sh_utf8_valid((struct sh_str){(const char *)p, n - cut})) {
        return false;
    }
    if (cut > 0) {
        memcpy(w->utf8, p + n - cut, cut);
        w->utf8_n = (uint8_t)cut;
    }
    return true;
}

/* ---- events ---- */

static sh_err control_event(const struct head *h, uint8_t *p, struct sh_ws_event *ev,
                            uint16_t *close_code)
{
    const size_t n = (size_t)h->len;
    *ev = (struct sh_ws_event){.opcode = (enum sh_ws_opcode)h->opcode, .data = {p, n}};
    if (h->opcode != SH_WS_CLOSE) {
        return SH_OK;
    }
    ev->code = SH_WS_NO_STATUS;
    if (n == 0) {
        return SH_OK;
    }
    if (n == 1 || !sh_ws_code_valid(sh_be16(p))) { /* 5.5.1, 7.4 */
        return bad(close_code, SH_WS_PROTOCOL_ERROR);
    }
    if (n > 2 && !sh_utf8_valid((struct sh_str){(const char *)p + 2, n - 2})) {
        return bad(close_code, SH_WS_INVALID_DATA);
    }
    ev->code = sh_be16(p);
    ev->data = (struct sh_bytes){p + 2, n - 2};
    return SH_OK;
}

static sh_err data_event(struct sh_ws *w, uint8_t *p, size_t n, size_t *took,
                         struct sh_ws_event *ev, uint16_t *close_code)
{
    const size_t take = n < w->left ? n : (size_t)w->left;
    if (take == 0 && w->left > 0) {
        return SH_E_AGAIN;
    }
    if (!w->client) {
        unmask(p, take, w->mask, w->mask_at);
    }
    w->mask_at = (w->mask_at + (uint32_t)take) & 3;
    w->left -= take;
    *took = take;
    const bool last = w->left == 0 && w->fin;
    *ev = (struct sh_ws_event){.opcode = (enum sh_ws_opcode)w->opcode,
                               .data = {p, take},
                               .first = !w->begun,
                               .last = last};
    w->begun = true;
    w->in_frame = w->left > 0;
    if (w->opcode == SH_WS_TEXT && (!text_piece(w, p, take) || (last && w->utf8_n > 0))) {
        return bad(close_code, SH_WS_INVALID_DATA);
    }
    if (last) {
        w->opcode = 0;
        w->message = 0;
        w->begun = false;
    }
    return SH_OK;
}

sh_err sh_ws_feed(struct sh_ws *w, uint8_t *in, size_t n, size_t *used, struct sh_ws_event *ev,
                  uint16_t *close_code)
{
    size_t at = 0;
    *used = 0;
    if (!w->in_frame) {
        struct head h = {0};
        SH_TRY(read_head(w, in, n, &h, close_code));
        if (h.opcode >= SH_WS_CLOSE) {
            if (n - h.n < h.len) {
                return SH_E_AGAIN;
            }
            if (!w->client) {
                unmask(in + h.n, (size_t)h.len, h.mask, 0);
            }
            *used = h.n + (size_t)h.len;
            return control_event(&h, in + h.n, ev, close_code);
        }
        if (h.opcode != SH_WS_CONT) {
            w->opcode = h.opcode;
            w->message = 0;
            w->utf8_n = 0;
        }
        w->message += h.len;
        w->left = h.len;
        w->fin = h.fin;
        w->mask_at = 0;
        memcpy(w->mask, h.mask, 4);
        w->in_frame = true;
        at = h.n;
        *used = at;
    }
    size_t took = 0;
    const sh_err e = data_event(w, in + at, n - at, &took, ev, close_code);
    *used = at + took;
    return e;
}

size_t sh_ws_head(enum sh_ws_opcode op, uint64_t n, uint8_t out[SH_WS_HEAD_MAX])
{
    out[0] = (uint8_t)(0x80 | (unsigned)op);
    if (n < 126) {
        out[1] = (uint8_t)n;
        return 2;
    }
    if (n < 65536) {
        out[1] = 126;
        sh_put_be16(out + 2, (uint16_t)n);
        return 4;
    }
    out[1] = 127;
    sh_put_be64(out + 2, n);
    return 10;
}

size_t sh_ws_close_payload(uint16_t code, struct sh_str reason, uint8_t out[125])
{
    size_t n = reason.n;
    if (n > REASON_MAX) {
        n = REASON_MAX;
    }
    sh_put_be16(out, code);
    for (size_t i = 0; i < n; i++) {
        out[2 + i] = (uint8_t)reason.p[i];
    }
    return n + 2;
}
