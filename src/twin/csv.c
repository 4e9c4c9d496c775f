/* csv.c - comma-separated values (RFC 4180), in UTF-8 or GBK. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

static bool at_end(const struct twin_csv *c)
{
    return c->at >= c->in.n;
}

/* A quoted field: "" stands for one mark. */
static sh_err quoted(struct twin_csv *c, struct sh_arena *ar, struct sh_str *out)
{
    const size_t from = ++c->at;
    size_t marks = 0;
    while (c->at < c->in.n) {
        if (c->in.p[c->at] == '"') {
            if (c->at + 1 < c->in.n && c->in.p[c->at + 1] == '"') {
                marks++;
                c->at++;
            } else {
                break;
            }
        }
        c->at++;
    }
    if (at_end(c)) {
        return SH_E_PROTO;
    }
    const struct sh_str raw = sh_str_sub(c->in, from, c->at++);
    char *p = sh_arena_get(ar, raw.n - marks + 1);
    if (p == NULL) {
        return SH_E_LIMIT;
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        p[n++] = raw.p[i];
        i += raw.p[i] == '"' ? 1 : 0;
    }
    *out = (struct sh_str){p, n};
    return SH_OK;
}

static void plain(struct twin_csv *c, struct sh_str *out)
{
    const size_t from = c->at;
    while (!at_end(c) && c->in.p[c->at] != ',' && c->in.p[c->at] != '\n' &&
           c->in.p[c->at] != '\r') {
        c->at++;
    }
    *out = sh_str_sub(c->in, from, c->at);
}

/* Takes a line end when one stands here. */
static bool line_end(struct twin_csv *c)
{
    if (at_end(c)) {
        return true;
    }
    if (c->in.p[c->at] == '\r') {
        c->at += c->at + 1 < c->in.n && c->in.p[c->at + 1] == '\n' ? 2 : 1;
        return true;
    }
    if (c->in.p[c->at] == '\n') {
        c->at++;
        return true;
    }
    return false;
}

sh_err twin_csv_next(struct twin_csv *c, struct sh_arena *ar, struct twin_cells *out)
{
    out->n = 0;
    for (;;) {
        if (at_end(c)) {
            return SH_E_NOTFOUND;
        }
        c->row++;
        if (!line_end(c)) {
            break;
        }
    }
    for (;;) {
        if (out->n == out->max) {
            return SH_E_LIMIT;
        }
        struct sh_str *f = &out->v[out->n];
        if (!at_end(c) && c->in.p[c->at] == '"') {
            SH_TRY(quoted(c, ar, f));
        } else {
            plain(c, f);
        }
        *f = sh_csv_text(*f);
        out->n++;
        if (line_end(c)) {
            return SH_OK;
        }
        if (c->in.p[c->at] != ',') {
            return SH_E_PROTO; /* something behind a closing quotation mark */
        }
        c->at++;
        if (at_end(c)) { /* a last empty field without a line end */
            if (out->n == out->max) {
                return SH_E_LIMIT;
            }
            out->v[out->n++] = SH_STR("");
            return SH_OK;
        }
    }
}

sh_err twin_csv_put(struct sh_buf *out, struct sh_str field, bool first)
{
    SH_TRY(first ? SH_OK : sh_buf_put_u8(out, ','));
    return sh_csv_put(out, field, false);
}

sh_err twin_csv_text(struct sh_bytes body, enum sh_twin_encoding e, struct sh_buf *buf,
                     struct sh_str *out)
{
    static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
    struct sh_str text = sh_bytes_str(body);
    if (body.n >= sizeof bom && memcmp(body.p, bom, sizeof bom) == 0) {
        text = sh_str_sub(text, sizeof bom, text.n);
        if (!sh_utf8_valid(text)) {
            return SH_E_PROTO;
        }
        *out = text;
        return SH_OK;
    }
    if (e != SH_TWIN_GBK && sh_utf8_valid(text)) {
        *out = text;
        return SH_OK;
    }
    if (e == SH_TWIN_UTF8) {
        return SH_E_PROTO;
    }
    SH_TRY(sh_gbk_to_utf8(body, buf));
    *out = sh_buf_str(buf);
    return SH_OK;
}
