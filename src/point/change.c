/* change.c - the bytes of a catalogue change.
 * SPDX-License-Identifier: Apache-2.0 */
#include "point_int.h"

static sh_err put_text(struct sh_buf *out, struct sh_str s)
{
    SH_TRY(sh_buf_put_varint(out, s.n));
    return sh_buf_put_str(out, s);
}

sh_err point_change_write(const struct point_change *c, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_u8(out, (uint8_t)c->kind));
    SH_TRY(sh_buf_put_varint(out, c->n));
    switch (c->kind) {
    case POINT_DEFINE:
        SH_TRY(sh_buf_put_varint(out, c->id));
        SH_TRY(sh_buf_put_varint(out, c->tenant));
        SH_TRY(sh_buf_put_varint(out, (uint64_t)c->type));
        SH_TRY(sh_buf_put_varint(out, c->previous));
        SH_TRY(put_text(out, c->a));
        SH_TRY(put_text(out, c->b));
        return put_text(out, c->c);
    case POINT_RENAME:
        SH_TRY(sh_buf_put_varint(out, c->tenant));
        SH_TRY(put_text(out, c->a));
        return put_text(out, c->b);
    case POINT_REMOVE:
        SH_TRY(sh_buf_put_varint(out, c->tenant));
        return put_text(out, c->a);
    case POINT_TAG:
    case POINT_UNIT:
        SH_TRY(sh_buf_put_varint(out, c->id));
        return put_text(out, c->a);
    default:
        return SH_E_INVAL;
    }
}

static sh_err get_u32(struct sh_rd *r, uint32_t *out)
{
    uint64_t v = 0;
    SH_TRY(sh_rd_varint(r, &v));
    if (v > UINT32_MAX) {
        return SH_E_CORRUPT;
    }
    *out = (uint32_t)v;
    return SH_OK;
}

static sh_err get_text(struct sh_rd *r, struct sh_str *out)
{
    uint32_t n = 0;
    struct sh_bytes b;
    SH_TRY(get_u32(r, &n));
    if (n > SH_POINT_MAX_NAME) {
        return SH_E_CORRUPT;
    }
    SH_TRY(sh_rd_bytes(r, n, &b));
    *out = sh_bytes_str(b);
    return SH_OK;
}

static sh_err read_define(struct sh_rd *r, struct point_change *c)
{
    uint32_t type = 0;
    SH_TRY(get_u32(r, &c->id));
    SH_TRY(get_u32(r, &c->tenant));
    SH_TRY(get_u32(r, &type));
    SH_TRY(get_u32(r, &c->previous));
    if (c->id == 0 || c->previous >= c->id || type < SH_T_BOOL || type > SH_T_BLOB) {
        return SH_E_CORRUPT;
    }
    c->type = (enum sh_type)type;
    SH_TRY(get_text(r, &c->a));
    SH_TRY(get_text(r, &c->b));
    return get_text(r, &c->c);
}

static sh_err read_change(struct sh_rd *r, struct point_change *c)
{
    uint8_t kind = 0;
    SH_TRY(sh_rd_u8(r, &kind));
    SH_TRY(sh_rd_varint(r, &c->n));
    c->kind = (enum point_change_kind)kind;
    switch (kind) {
    case POINT_DEFINE:
        return read_define(r, c);
    case POINT_RENAME:
        SH_TRY(get_u32(r, &c->tenant));
        SH_TRY(get_text(r, &c->a));
        return get_text(r, &c->b);
    case POINT_REMOVE:
        SH_TRY(get_u32(r, &c->tenant));
        return get_text(r, &c->a);
    case POINT_TAG:
    case POINT_UNIT:
        SH_TRY(get_u32(r, &c->id));
        return get_text(r, &c->a);
    default:
        return SH_E_CORRUPT;
    }
}

sh_err point_change_read(struct sh_bytes in, struct point_change *out)
{
    struct sh_rd r = sh_rd_of(in);
    struct point_change c = {.n = 0};
    if (read_change(&r, &c) != SH_OK || sh_rd_left(&r) != 0) {
        return SH_E_CORRUPT;
    }
    *out = c;
    return SH_OK;
}
