/* media.c - see media.h. Signatures are those of the formats' own specifications.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <sh/media.h>
#include <sh/text.h>

static const struct {
    uint8_t at;
    uint8_t n;
    const char *bytes;
    const char *media;
} marks[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "image/png"},
    {0, 3, "\xff\xd8\xff", "image/jpeg"},
    {0, 6, "GIF87a", "image/gif"},
    {0, 6, "GIF89a", "image/gif"},
    {8, 4, "WEBP", "image/webp"}, /* behind RIFF and a length */
    {8, 4, "WAVE", "audio/wav"},
    {8, 4, "AVI ", "video/x-msvideo"},
    {0, 4, "II*\0", "image/tiff"},
    {0, 4, "MM\0*", "image/tiff"},
    {0, 5, "%PDF-", "application/pdf"},
    {0, 4, "PK\x03\x04", "application/zip"},
    {0, 4, "PK\x05\x06", "application/zip"},
    {0, 8, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"},
    {0, 2, "\x1f\x8b", "application/gzip"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
    {0, 4, "Rar!", "application/vnd.rar"},
    {0, 4, "AC10", "image/vnd.dwg"},
    {4, 4, "ftyp", "video/mp4"},
};

/* What looks the same inside is told apart by the name. */
static const struct {
    const char *inside;
    const char *ext;
    const char *media;
} names[] = {
    {"application/zip", "docx",
     "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"application/zip", "xlsx",
     "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"application/zip", "pptx",
     "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"application/x-ole-storage", "doc", "application/msword"},
    {"application/x-ole-storage", "xls", "application/vnd.ms-excel"},
    {"application/x-ole-storage", "ppt", "application/vnd.ms-powerpoint"},
    {"text/plain", "csv", "text/csv"},
    {"text/plain", "json", "application/json"},
    {"text/plain", "dxf", "image/vnd.dxf"},
};

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Does the text hold the word, whatever its case? */
static bool holds(struct sh_bytes b, const char *word)
{
    const size_t n = strlen(word);
    for (size_t at = 0; at + n <= b.n; at++) {
        size_t i = 0;
        while (i < n && lower(b.p[at + i]) == word[i]) {
            i++;
        }
        if (i == n) {
            return true;
        }
    }
    return false;
}

/* UTF-8 without controls; the head may end within a character. */
static bool is_text(struct sh_bytes b)
{
    for (size_t i = 0; i < b.n; i++) {
        if (b.p[i] == 0x7f || (b.p[i] < ' ' && b.p[i] != '\n' && b.p[i] != '\r' && b.p[i] != '\t' &&
                               b.p[i] != '\f')) {
            return false;
        }
    }
    for (size_t cut = 0; cut < 4 && cut <= b.n; cut++) {
        if (sh_utf8_valid(sh_str_of((const char *)b.p, b.n - cut))) {
            return cut == 0 || b.n + cut >= SH_MEDIA_HEAD;
        }
    }
    return false;
}

/* What a browser would run, also when it stands behind something else. */
static const char *active(struct sh_bytes b)
{
    static const char *const html[] = {"<html", "<!doctype html", "<script",
                                       "<head", "<body",          "<iframe"};
    if (holds(b, "<svg")) {
        return "image/svg+xml";
    }
    for (size_t i = 0; i < sizeof html / sizeof html[0]; i++) {
        if (holds(b, html[i])) {
            return "text/html";
        }
    }
    return holds(b, "<?xml") ? "application/xml" : NULL;
}

static const char *by_bytes(struct sh_bytes b)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (b.n >= (size_t)marks[i].at + marks[i].n &&
            memcmp(b.p + marks[i].at, marks[i].bytes, marks[i].n) == 0 &&
            (marks[i].at != 8 || memcmp(b.p, "RIFF", 4) == 0)) {
            return marks[i].media;
        }
    }
    if (b.n > 14 && memcmp(b.p, "BM", 2) == 0 && memcmp(b.p + 6, "\0\0\0\0", 4) == 0) {
        return "image/bmp";
    }
    const char *runs = active(b);
    if (runs != NULL) {
        return runs;
    }
    return is_text(b) ? "text/plain" : "application/octet-stream";
}

const char *sh_media_sniff(struct sh_bytes head, struct sh_str name)
{
    const struct sh_bytes b = {head.p, head.n < SH_MEDIA_HEAD ? head.n : SH_MEDIA_HEAD};
    const char *inside = b.n == 0 ? "application/octet-stream" : by_bytes(b);
    size_t dot = name.n;
    while (dot > 0 && name.p[dot - 1] != '.') {
        dot--;
    }
    const struct sh_str ext = sh_str_sub(name, dot, name.n);
    for (size_t i = 0; dot > 0 && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(inside, names[i].inside) == 0 && sh_str_ieq(ext, sh_str_c(names[i].ext))) {
            return names[i].media;
        }
    }
    return inside;
}

bool sh_media_picture(struct sh_str media)
{
    static const char *const shown[] = {"image/png", "image/jpeg", "image/gif", "image/webp",
                                        "image/bmp"};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (sh_str_eqc(media, shown[i])) {
            return true;
        }
    }
    return false;
}

bool sh_media_inline(struct sh_str media)
{
    return sh_media_picture(media) || sh_str_eqc(media, "application/pdf") ||
           sh_str_eqc(media, "text/plain");
}

/* ---- ranges ---- */

sh_err sh_http_range(struct sh_str field, uint64_t size, uint64_t *from, uint64_t *to)
{
    struct sh_str rest = {NULL, 0};
    const struct sh_str unit = sh_str_cut(field, '=', &rest);
    if (!sh_str_ieq(sh_str_trim(unit), SH_STR("bytes")) || rest.p == NULL ||
        sh_str_find(rest, ',') != SIZE_MAX || sh_str_find(rest, '-') == SIZE_MAX) {
        return SH_E_NOTFOUND;
    }
    struct sh_str b = {NULL, 0};
    const struct sh_str a = sh_str_trim(sh_str_cut(rest, '-', &b));
    b = sh_str_trim(b);
    uint64_t first = 0;
    uint64_t last = UINT64_MAX;
    if ((a.n > 0 && sh_u64_parse(a, &first) != SH_OK) ||
        (b.n > 0 && sh_u64_parse(b, &last) != SH_OK) || (a.n == 0 && b.n == 0) ||
        (a.n > 0 && b.n > 0 && last < first)) {
        return SH_E_NOTFOUND;
    }
    if (a.n == 0) { /* the last so many */
        if (last == 0 || size == 0) {
            return SH_E_LIMIT;
        }
        *from = last < size ? size - last : 0;
        *to = size;
        return SH_OK;
    }
    if (first >= size) {
        return SH_E_LIMIT;
    }
    *from = first;
    *to = last < size - 1 ? last + 1 : size;
    return SH_OK;
}

/* ---- the name ---- */

/* attr-char of RFC 8187 3.2.1 */
static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$&+-.^_`|~", c) != NULL);
}

sh_err sh_http_disposition(struct sh_buf *out, bool show, struct sh_str name)
{
    static const char hex[] = "0123456789ABCDEF";
    bool ascii = true;
    SH_TRY(sh_buf_put_c(out, show ? "inline; filename=\"" : "attachment; filename=\""));
    for (size_t i = 0; i < name.n; i++) {
        const uint8_t c = (uint8_t)name.p[i];
        const bool ok = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '%';
        ascii = ascii && ok;
        SH_TRY(sh_buf_put_u8(out, ok ? c : '_'));
    }
    SH_TRY(sh_buf_put_u8(out, '"'));
    if (ascii) {
        return SH_OK;
    }
    SH_TRY(sh_buf_put_c(out, "; filename*=UTF-8''"));
    for (size_t i = 0; i < name.n; i++) {
        const uint8_t c = (uint8_t)name.p[i];
        if (plain(c)) {
            SH_TRY(sh_buf_put_u8(out, c));
        } else {
            const char text[3] = {'%', hex[c >> 4], hex[c & 15]};
            SH_TRY(sh_buf_put(out, text, 3));
        }
    }
    return SH_OK;
}
