/* syslog.c - RFC 5424 messages. The message is written behind room for its length, then moved up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/syslog.h>
#include <sh/text.h>

enum { HOSTNAME_MAX = 255, APP_MAX = 48, PROCID_MAX = 128, MSGID_MAX = 32, NAME_MAX_BYTES = 32 };

static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; /* U+FFFD */
static const char dots[] = "...";
enum { DOTS = sizeof dots - 1 };

static bool visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool name_ok(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!visible(s.p[i]) || s.p[i] == '=' || s.p[i] == ']' || s.p[i] == '"') {
            return false;
        }
    }
    return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

static sh_err put_field(struct sh_buf *out, struct sh_str s, size_t max)
{
    SH_TRY(sh_buf_put_u8(out, ' '));
    if (s.n == 0) {
        return sh_buf_put_u8(out, '-');
    }
    for (size_t i = 0; i < s.n && i < max; i++) {
        SH_TRY(sh_buf_put_u8(out, visible(s.p[i]) ? (uint8_t)s.p[i] : '?'));
    }
    return SH_OK;
}

/* One character of the input as it is written: 1 to 4 bytes into `to`. Returns how many bytes of
 * the input it took. */
static size_t written(struct sh_str in, bool escape, char to[4], size_t *n)
{
    uint32_t cp = 0;
    const size_t used = sh_utf8_next(in, &cp);
    if (used == 0 || (cp >= 0x80 && cp < 0xa0)) {
        memcpy(to, replacement, sizeof replacement);
        *n = sizeof replacement;
    } else if (cp < 0x20 || cp == 0x7f) { /* U+2400 and on: E2 90 80 */
        to[0] = '\xe2';
        to[1] = '\x90';
        to[2] = (char)(0x80 + (cp == 0x7f ? 0x21 : cp));
        *n = 3;
    } else if (escape && (cp == '"' || cp == '\\' || cp == ']')) {
        to[0] = '\\';
        to[1] = (char)cp;
        *n = 2;
    } else {
        memcpy(to, in.p, used);
        *n = used;
    }
    return used == 0 ? 1 : used;
}

/* At most `max` bytes; with dots at the end when something did not fit. */
static sh_err put_text(struct sh_buf *out, struct sh_str in, bool escape, size_t max)
{
    const size_t from = out->n;
    size_t fits = from; /* up to here the dots have room behind it */
    while (in.n > 0) {
        char c[4];
        size_t n = 0;
        const size_t used = written(in, escape, c, &n);
        if (out->n - from + n > max) {
            out->n = fits;
            return sh_buf_put(out, dots, DOTS);
        }
        SH_TRY(sh_buf_put(out, c, n));
        if (out->n - from + DOTS <= max) {
            fits = out->n;
        }
        in = sh_str_sub(in, used, in.n);
    }
    return SH_OK;
}

static sh_err put_data(const struct sh_syslog *m, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_c(out, " ["));
    SH_TRY(sh_buf_put_str(out, m->sd_id));
    for (size_t i = 0; i < m->nparams; i++) {
        SH_TRY(sh_buf_put_u8(out, ' '));
        SH_TRY(sh_buf_put_str(out, m->params[i].name));
        SH_TRY(sh_buf_put_c(out, "=\""));
        SH_TRY(put_text(out, m->params[i].value, true, SH_SYSLOG_VALUE_MAX));
        SH_TRY(sh_buf_put_u8(out, '"'));
    }
    return sh_buf_put_u8(out, ']');
}

static sh_err put_message(const struct sh_syslog *m, struct sh_buf *out)
{
    char time[SH_TIME_CHARS];
    SH_TRY(sh_buf_printf(out, "<%u>1 ", m->facility * 8U + (unsigned)m->severity));
    SH_TRY(sh_buf_put(out, time, sh_time_print(m->time_us, time)));
    SH_TRY(put_field(out, m->hostname, HOSTNAME_MAX));
    SH_TRY(put_field(out, m->app, APP_MAX));
    SH_TRY(put_field(out, m->procid, PROCID_MAX));
    SH_TRY(put_field(out, m->msgid, MSGID_MAX));
    SH_TRY(put_data(m, out));
    if (m->text.n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_buf_put_c(out, " \xef\xbb\xbf"));
    return put_text(out, m->text, false, SH_SYSLOG_TEXT_MAX);
}

static sh_err put_frame(const struct sh_syslog *m, struct sh_buf *out)
{
    enum { ROOM = 5 }; /* "8192 ": no message has more digits */
    static const char room[ROOM] = {' ', ' ', ' ', ' ', ' '};
    const size_t from = out->n;
    char digits[SH_I64_CHARS];
    SH_TRY(sh_buf_put(out, room, ROOM));
    SH_TRY(put_message(m, out));
    const size_t len = out->n - from - ROOM;
    const size_t n = sh_u64_print(len, digits);
    SH_ASSERT(len <= SH_SYSLOG_MAX && n < ROOM);
    char *at = (char *)out->p + from;
    memcpy(at, digits, n);
    at[n] = ' ';
    memmove(at + n + 1, at + ROOM, len);
    out->n = from + n + 1 + len;
    return SH_OK;
}

sh_err sh_syslog_put(const struct sh_syslog *m, struct sh_buf *out)
{
    const size_t from = out->n;
    bool ok = m->facility < 24 && m->nparams <= SH_SYSLOG_PARAMS && name_ok(m->sd_id);
    for (size_t i = 0; ok && i < m->nparams; i++) {
        ok = name_ok(m->params[i].name);
    }
    if (!ok) {
        return SH_E_INVAL;
    }
    const sh_err err = put_frame(m, out);
    if (err != SH_OK) {
        out->n = from;
    }
    return err;
}
