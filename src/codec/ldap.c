/* ldap.c - LDAPv3 messages: a reader of BER as RFC 4511, 5.1 restricts it, and a writer.
 *
 * Reading: every element is cut off its parent's bytes, so nothing reaches outside; an entry is
 * walked to its last value before it is given out.
 * Writing: constructed elements get the four-byte form of a length, which is filled in at their
 * end; BER allows it, and directories write it themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ldap_int.h"

enum {
    TAG_ENUMERATED = 0x0a,
    TAG_SET = 0x31,
    TAG_BIND = 0x60,
    TAG_UNBIND = 0x42,
    TAG_SEARCH = 0x63,
    TAG_EXTENDED = 0x77,
    TAG_SIMPLE = 0x80,
    TAG_REQUEST_NAME = 0x80,
    TAG_CONTROLS = 0xa0,
    APPLICATION = 0x40,
    CONSTRUCTED = 0x20,
    TAG_NUMBER = 0x1f
};
static const char starttls_oid[] = "1.3.6.1.4.1.1466.20037";

/* ---- reading ---- */

/* One element off the front of *rest. SH_E_AGAIN: it is not all there. */
static sh_err take(struct sh_bytes *rest, uint8_t *tag, struct sh_bytes *body)
{
    size_t at = 2;
    size_t n = 0;
    if (rest->n > 0 && (rest->p[0] & TAG_NUMBER) == TAG_NUMBER) {
        return SH_E_PROTO; /* tags of more than one byte are not used */
    }
    if (rest->n < 2) {
        return SH_E_AGAIN;
    }
    if (rest->p[1] < 0x80) {
        n = rest->p[1];
    } else {
        const size_t k = rest->p[1] & 0x7fU;
        if (k == 0 || k > 4) { /* indefinite, or beyond any message */
            return SH_E_PROTO;
        }
        if (rest->n < 2 + k) {
            return SH_E_AGAIN;
        }
        for (; at < 2 + k; at++) {
            n = n << 8 | rest->p[at];
        }
    }
    if (n > SH_LDAP_MESSAGE_MAX) {
        return SH_E_LIMIT;
    }
    if (rest->n - at < n) {
        return SH_E_AGAIN;
    }
    *tag = rest->p[0];
    *body = sh_bytes_of(rest->p + at, n);
    *rest = sh_bytes_of(rest->p + at + n, rest->n - at - n);
    return SH_OK;
}

/* Inside a message that is all there, what is missing is wrong. */
static bool take_as(struct sh_bytes *rest, uint8_t want, struct sh_bytes *body)
{
    uint8_t tag = 0;
    return take(rest, &tag, body) == SH_OK && tag == want;
}

static bool take_text(struct sh_bytes *rest, struct sh_str *out)
{
    struct sh_bytes body;
    if (!take_as(rest, LDAP_OCTETS, &body)) {
        return false;
    }
    *out = sh_bytes_str(body);
    return true;
}

/* INTEGER or ENUMERATED from 0 to 2^31 - 1. */
static bool take_number(struct sh_bytes *rest, uint8_t tag, uint32_t *out)
{
    struct sh_bytes body;
    uint32_t v = 0;
    if (!take_as(rest, tag, &body) || body.n == 0 || body.n > 4 || (body.p[0] & 0x80) != 0) {
        return false;
    }
    for (size_t i = 0; i < body.n; i++) {
        v = v << 8 | body.p[i];
    }
    *out = v;
    return true;
}

/* LDAPResult (4.1.9); what follows (referral, credentials, response name) is well formed and left
 * alone. */
static bool read_result(struct sh_bytes body, struct sh_ldap_message *m)
{
    struct sh_str matched;
    bool good = take_number(&body, TAG_ENUMERATED, &m->code) && take_text(&body, &matched) &&
                take_text(&body, &m->text);
    while (good && body.n > 0) {
        uint8_t tag = 0;
        struct sh_bytes more;
        good = take(&body, &tag, &more) == SH_OK;
    }
    return good;
}

bool sh_ldap_value_next(struct sh_bytes *rest, struct sh_str *out)
{
    return rest->n > 0 && take_text(rest, out);
}

bool sh_ldap_attribute_next(struct sh_bytes *rest, struct sh_ldap_attribute *out)
{
    struct sh_bytes one;
    return rest->n > 0 && take_as(rest, LDAP_SEQUENCE, &one) && take_text(&one, &out->name) &&
           take_as(&one, TAG_SET, &out->values) && one.n == 0;
}

static bool read_entry(struct sh_bytes body, struct sh_ldap_message *m)
{
    if (!take_text(&body, &m->dn) || !take_as(&body, LDAP_SEQUENCE, &m->attributes) ||
        body.n != 0) {
        return false;
    }
    struct sh_bytes rest = m->attributes;
    while (rest.n > 0) {
        struct sh_ldap_attribute a;
        struct sh_str value;
        if (!sh_ldap_attribute_next(&rest, &a)) {
            return false;
        }
        while (a.values.n > 0) {
            if (!sh_ldap_value_next(&a.values, &value)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_reference(struct sh_bytes body)
{
    struct sh_str uri;
    while (body.n > 0) {
        if (!take_text(&body, &uri)) {
            return false;
        }
    }
    return true;
}

static bool read_op(uint8_t tag, struct sh_bytes body, struct sh_ldap_message *m)
{
    if ((tag & ~TAG_NUMBER) != (APPLICATION | CONSTRUCTED)) {
        return false;
    }
    m->op = (enum sh_ldap_op)(tag & TAG_NUMBER);
    switch (m->op) {
    case SH_LDAP_BIND_RESPONSE:
    case SH_LDAP_SEARCH_DONE:
    case SH_LDAP_EXTENDED:
        return read_result(body, m);
    case SH_LDAP_ENTRY:
        return read_entry(body, m);
    case SH_LDAP_REFERENCE:
        return read_reference(body);
    }
    return false; /* nothing that a client of ours is answered */
}

sh_err sh_ldap_decode(struct sh_bytes in, struct sh_ldap_message *out, size_t *used)
{
    struct sh_ldap_message m = {.id = 0};
    struct sh_bytes rest = in;
    struct sh_bytes message;
    struct sh_bytes body;
    uint8_t tag = 0;
    if (in.n > 0 && in.p[0] != LDAP_SEQUENCE) {
        return SH_E_PROTO;
    }
    SH_TRY(take(&rest, &tag, &message));
    if (!take_number(&message, LDAP_INTEGER, &m.id) || take(&message, &tag, &body) != SH_OK ||
        !read_op(tag, body, &m)) {
        return SH_E_PROTO;
    }
    if (message.n > 0 && (!take_as(&message, TAG_CONTROLS, &body) || message.n > 0)) {
        return SH_E_PROTO;
    }
    *out = m;
    *used = in.n - rest.n;
    return SH_OK;
}

struct sh_bytes sh_ldap_values(struct sh_bytes attributes, struct sh_str name)
{
    struct sh_ldap_attribute a;
    while (sh_ldap_attribute_next(&attributes, &a)) {
        struct sh_str options;
        if (sh_str_ieq(sh_str_cut(a.name, ';', &options), name)) {
            return a.values;
        }
    }
    return sh_bytes_of(NULL, 0);
}

/* ---- writing ---- */

sh_err ldap_open(struct sh_buf *out, uint8_t tag, size_t *at)
{
    static const uint8_t room[5] = {0x84};
    SH_TRY(sh_buf_put_u8(out, tag));
    *at = out->n;
    return sh_buf_put(out, room, sizeof room);
}

void ldap_close(struct sh_buf *out, size_t at)
{
    const size_t n = out->n - at - 5;
    for (size_t i = 0; i < 4; i++) {
        out->p[at + 1 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
}

sh_err ldap_put(struct sh_buf *out, uint8_t tag, struct sh_str value)
{
    size_t at = 0;
    SH_TRY(ldap_open(out, tag, &at));
    SH_TRY(sh_buf_put_str(out, value));
    ldap_close(out, at);
    return SH_OK;
}

static sh_err put_number(struct sh_buf *out, uint8_t tag, uint32_t v)
{
    const uint8_t bytes[] = {
        tag, 5, 0, (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    size_t skip = 0; /* the fewest bytes; the sign's stays 0 */
    while (skip < 4 && bytes[2 + skip] == 0 && (bytes[3 + skip] & 0x80) == 0) {
        skip++;
    }
    SH_TRY(sh_buf_put_u8(out, tag));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(5 - skip)));
    return sh_buf_put(out, bytes + 2 + skip, 5 - skip);
}

/* Keeps the promise that a message is appended whole or not at all. */
static sh_err whole(struct sh_buf *out, size_t before, sh_err err)
{
    if (err != SH_OK) {
        out->n = before;
    }
    return err;
}

static sh_err bind_body(struct sh_buf *out, uint32_t id, struct sh_str dn, struct sh_str password)
{
    size_t message = 0;
    size_t op = 0;
    SH_TRY(ldap_open(out, LDAP_SEQUENCE, &message));
    SH_TRY(put_number(out, LDAP_INTEGER, id));
    SH_TRY(ldap_open(out, TAG_BIND, &op));
    SH_TRY(put_number(out, LDAP_INTEGER, 3));
    SH_TRY(ldap_put(out, LDAP_OCTETS, dn));
    SH_TRY(ldap_put(out, TAG_SIMPLE, password));
    ldap_close(out, op);
    ldap_close(out, message);
    return SH_OK;
}

sh_err sh_ldap_bind_put(struct sh_buf *out, uint32_t id, struct sh_str dn, struct sh_str password)
{
    if ((dn.n > 0) != (password.n > 0)) {
        return SH_E_INVAL;
    }
    const size_t before = out->n;
    return whole(out, before, bind_body(out, id, dn, password));
}

static sh_err starttls_body(struct sh_buf *out, uint32_t id)
{
    size_t message = 0;
    size_t op = 0;
    SH_TRY(ldap_open(out, LDAP_SEQUENCE, &message));
    SH_TRY(put_number(out, LDAP_INTEGER, id));
    SH_TRY(ldap_open(out, TAG_EXTENDED, &op));
    SH_TRY(ldap_put(out, TAG_REQUEST_NAME, sh_str_c(starttls_oid)));
    ldap_close(out, op);
    ldap_close(out, message);
    return SH_OK;
}

sh_err sh_ldap_starttls_put(struct sh_buf *out, uint32_t id)
{
    const size_t before = out->n;
    return whole(out, before, starttls_body(out, id));
}

static sh_err unbind_body(struct sh_buf *out, uint32_t id)
{
    static const uint8_t nothing[] = {TAG_UNBIND, 0};
    size_t message = 0;
    SH_TRY(ldap_open(out, LDAP_SEQUENCE, &message));
    SH_TRY(put_number(out, LDAP_INTEGER, id));
    SH_TRY(sh_buf_put(out, nothing, sizeof nothing));
    ldap_close(out, message);
    return SH_OK;
}

sh_err sh_ldap_unbind_put(struct sh_buf *out, uint32_t id)
{
    const size_t before = out->n;
    return whole(out, before, unbind_body(out, id));
}

static sh_err search_body(struct sh_buf *out, uint32_t id, const struct sh_ldap_search *s,
                          struct sh_diag *diag)
{
    static const uint8_t with_values[] = {0x01, 1, 0};
    size_t message = 0;
    size_t op = 0;
    size_t list = 0;
    SH_TRY(ldap_open(out, LDAP_SEQUENCE, &message));
    SH_TRY(put_number(out, LDAP_INTEGER, id));
    SH_TRY(ldap_open(out, TAG_SEARCH, &op));
    SH_TRY(ldap_put(out, LDAP_OCTETS, s->base));
    SH_TRY(put_number(out, TAG_ENUMERATED, s->subtree ? 2 : 0));
    SH_TRY(put_number(out, TAG_ENUMERATED, 0));
    SH_TRY(put_number(out, LDAP_INTEGER, s->size_limit));
    SH_TRY(put_number(out, LDAP_INTEGER, s->time_limit_s));
    SH_TRY(sh_buf_put(out, with_values, sizeof with_values));
    SH_TRY(sh_ldap_filter_put(out, s->filter, diag));
    SH_TRY(ldap_open(out, LDAP_SEQUENCE, &list));
    for (size_t i = 0; i < s->nattributes; i++) {
        SH_TRY(ldap_put(out, LDAP_OCTETS, s->attributes[i]));
    }
    ldap_close(out, list);
    ldap_close(out, op);
    ldap_close(out, message);
    return SH_OK;
}

sh_err sh_ldap_search_put(struct sh_buf *out, uint32_t id, const struct sh_ldap_search *s,
                          struct sh_diag *diag)
{
    const size_t before = out->n;
    return whole(out, before, search_body(out, id, s, diag));
}
