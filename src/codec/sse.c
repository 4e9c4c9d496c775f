/* sse.c - the Server-Sent Events writer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/sse.h>

static bool one_line(struct sh_str s)
{
    return s.n == 0 || (memchr(s.p, '\r', s.n) == NULL && memchr(s.p, '\n', s.n) == NULL &&
                        memchr(s.p, '\0', s.n) == NULL);
}

static sh_err put_line(struct sh_buf *out, const char *name, struct sh_str value)
{
    SH_TRY(sh_buf_put_c(out, name));
    SH_TRY(sh_buf_put_str(out, value));
    return sh_buf_put_u8(out, '\n');
}

/* Length of the line at the front of s and of its end (LF, CR or CRLF: all three end a line for
 * the reader). */
static size_t line_end(struct sh_str s, size_t *end)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r') {
        n++;
    }
    *end = 0;
    if (n < s.n) {
        *end = s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n' ? 2 : 1;
    }
    return n;
}

static sh_err put_event(struct sh_buf *out, struct sh_str event, struct sh_str id,
                        struct sh_str data)
{
    if (id.p != NULL) {
        SH_TRY(put_line(out, "id: ", id));
    }
    if (event.p != NULL) {
        SH_TRY(put_line(out, "event: ", event));
    }
    for (;;) {
        size_t end = 0;
        const size_t n = line_end(data, &end);
        SH_TRY(put_line(out, "data: ", sh_str_sub(data, 0, n)));
        if (end == 0) {
            break;
        }
        data = sh_str_sub(data, n + end, data.n);
    }
    return sh_buf_put_u8(out, '\n');
}

sh_err sh_sse_put(struct sh_buf *out, struct sh_str event, struct sh_str id, struct sh_str data)
{
    if (!one_line(event) || !one_line(id)) {
        return SH_E_INVAL;
    }
    const size_t was = out->n;
    const sh_err e = put_event(out, event, id, data);
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

sh_err sh_sse_put_comment(struct sh_buf *out, struct sh_str text)
{
    if (!one_line(text)) {
        return SH_E_INVAL;
    }
    const size_t was = out->n;
    sh_err e = put_line(out, ": ", text);
    if (e == SH_OK) {
        e = sh_buf_put_u8(out, '\n');
    }
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

sh_err sh_sse_put_retry(struct sh_buf *out, uint32_t ms)
{
    return sh_buf_printf(out, "retry: %u\n\n", (unsigned)ms);
}
