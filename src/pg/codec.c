/* codec.c - see codec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

#include <stdio.h>

sh_err pg_next(struct sh_bytes in, bool first, struct pg_msg *out, size_t *used)
{
    const size_t head = first ? 4 : 5;
    if (in.n < head) {
        return SH_E_AGAIN;
    }
    const uint32_t len = sh_be32(in.p + head - 4); /* counts itself */
    const uint32_t most = first ? PG_STARTUP_MAX : PG_MESSAGE_MAX;
    if (len < (first ? 8u : 4u) || len > most) {
        return SH_E_PROTO;
    }
    const size_t all = head - 4 + len;
    if (in.n < all) {
        return SH_E_AGAIN;
    }
    *out = (struct pg_msg){.type = first ? 0 : in.p[0]};
    if (first) {
        out->code = sh_be32(in.p + 4);
        out->body = sh_bytes_of(in.p + 8, len - 8);
    } else {
        out->body = sh_bytes_of(in.p + 5, len - 4);
    }
    *used = all;
    return SH_OK;
}

sh_err pg_rd_text(struct sh_rd *r, struct sh_str *out)
{
    const size_t left = sh_rd_left(r);
    const uint8_t *end = left == 0 ? NULL : memchr(r->p, 0, left);
    if (end == NULL) {
        return SH_E_PROTO;
    }
    *out = sh_str_of((const char *)r->p, (size_t)(end - r->p));
    r->p = end + 1;
    return SH_OK;
}

sh_err pg_startup_find(struct sh_bytes body, const char *name, struct sh_str *out)
{
    struct sh_rd r = sh_rd_of(body);
    *out = SH_STR("");
    for (;;) {
        struct sh_str key;
        struct sh_str value;
        SH_TRY(pg_rd_text(&r, &key));
        if (key.n == 0) {
            return SH_OK;
        }
        SH_TRY(pg_rd_text(&r, &value));
        if (sh_str_eqc(key, name)) {
            *out = value;
        }
    }
}

static void keep(struct pg_out *o, sh_err err)
{
    if (o->err == SH_OK) {
        o->err = err;
    }
}

void pg_u8(struct pg_out *o, uint8_t v)
{
    keep(o, sh_buf_put_u8(o->b, v));
}

void pg_u16(struct pg_out *o, uint16_t v)
{
    keep(o, sh_buf_put_be16(o->b, v));
}

void pg_u32(struct pg_out *o, uint32_t v)
{
    keep(o, sh_buf_put_be32(o->b, v));
}

void pg_bytes(struct pg_out *o, struct sh_bytes v)
{
    if (v.n > 0) {
        keep(o, sh_buf_put(o->b, v.p, v.n));
    }
}

void pg_text(struct pg_out *o, struct sh_str v)
{
    const size_t nul = sh_str_find(v, '\0');
    pg_bytes(o, sh_str_bytes(nul == SIZE_MAX ? v : sh_str_sub(v, 0, nul)));
    pg_u8(o, 0);
}

void pg_begin(struct pg_out *o, char type)
{
    pg_u8(o, (uint8_t)type);
    o->at = o->b->n;
    pg_u32(o, 0);
}

void pg_end(struct pg_out *o)
{
    if (o->err == SH_OK) {
        sh_put_be32(o->b->p + o->at, (uint32_t)(o->b->n - o->at));
    }
}

void pg_plain(struct pg_out *o, char type)
{
    pg_begin(o, type);
    pg_end(o);
}

void pg_tag(struct pg_out *o, const char *tag)
{
    pg_begin(o, 'C');
    pg_text(o, sh_str_c(tag));
    pg_end(o);
}

void pg_auth(struct pg_out *o, uint32_t kind)
{
    pg_begin(o, 'R');
    pg_u32(o, kind);
    pg_end(o);
}

void pg_parameter(struct pg_out *o, const char *name, struct sh_str value)
{
    pg_begin(o, 'S');
    pg_text(o, sh_str_c(name));
    pg_text(o, value);
    pg_end(o);
}

void pg_ready(struct pg_out *o, char status)
{
    pg_begin(o, 'Z');
    pg_u8(o, (uint8_t)status);
    pg_end(o);
}

void pg_greeting(struct pg_out *o, struct sh_str user, uint32_t number, uint32_t secret)
{
    static const char *const settings[][2] = {
        {"server_version", "14.0"},    {"server_encoding", "UTF8"},
        {"client_encoding", "UTF8"},   {"DateStyle", "ISO, MDY"},
        {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"},
        {"integer_datetimes", "on"},   {"standard_conforming_strings", "on"},
        {"is_superuser", "off"},       {"default_transaction_read_only", "on"},
        {"application_name", ""},
    };
    pg_auth(o, 0);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        pg_parameter(o, settings[i][0], sh_str_c(settings[i][1]));
    }
    pg_parameter(o, "session_authorization", user);
    pg_begin(o, 'K');
    pg_u32(o, number);
    pg_u32(o, secret);
    pg_end(o);
    pg_ready(o, 'I');
}

static void field(struct pg_out *o, char code, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        pg_u8(o, (uint8_t)code);
        pg_text(o, sh_str_c(text));
    }
}

void pg_error(struct pg_out *o, const struct pg_fault *f)
{
    char position[16];
    (void)snprintf(position, sizeof position, "%u", f->position);
    pg_begin(o, 'E');
    field(o, 'S', f->severity);
    field(o, 'V', f->severity);
    field(o, 'C', f->state);
    field(o, 'M', f->message);
    field(o, 'H', f->hint);
    field(o, 'P', f->position > 0 ? position : NULL);
    pg_u8(o, 0);
    pg_end(o);
}
