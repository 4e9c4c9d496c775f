/* xlsx.c - see xlsx.h. XML is gathered in a small buffer and deflated from there. The parts that
 * name all sheets are written last; readers find them by the directory at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/xlsx.h>

#include <math.h>
#include <stdio.h>

#include <sh/text.h>

#include "zip.h"

enum { XML_SOFT = 32 << 10, XML_MAX = 1 << 20, STYLE_HEAD = 1, STYLE_TIME = 2 };
#define EPOCH_DAYS 25569  /* from 1899-12-30, day 0 of serials, to 1970-01-01 */
#define FIRST_SERIAL 61.0 /* 1900-03-01: before it Excel counts a day that was not */
#define LAST_SERIAL 2958466.0
#define EXACT_MAX (INT64_C(1) << 53)
#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define MAIN "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define OFFICE "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define PACKAGE "http://schemas.openxmlformats.org/package/2006/"
#define KIND "application/vnd.openxmlformats-officedocument.spreadsheetml."

struct sh_xlsx {
    const struct sh_alloc *alloc;
    struct zip *zip;
    struct sh_buf xml;
    struct sh_buf *out;
    sh_err err;
    const char *names[SH_XLSX_SHEETS];
    unsigned sheets;
    bool sheet; /* one is open */
    bool row;
    uint32_t rows;
    uint32_t column;
    uint64_t cut;
    struct sh_str top; /* of every page; may be empty */
    struct sh_str foot;
};

sh_err sh_xlsx_new(const struct sh_alloc *a, int64_t now_us, struct sh_xlsx **out)
{
    struct sh_xlsx *x = sh_mem_new(a, sizeof *x);
    if (x == NULL) {
        return SH_E_NOMEM;
    }
    x->alloc = a;
    sh_buf_init(&x->xml, a, XML_MAX);
    const sh_err err = zip_new(a, now_us, &x->zip);
    if (err != SH_OK) {
        sh_xlsx_free(x);
        return err;
    }
    *out = x;
    return SH_OK;
}

void sh_xlsx_free(struct sh_xlsx *x)
{
    if (x != NULL) {
        zip_free(x->zip);
        sh_buf_fini(&x->xml);
        sh_mem_free(x->alloc, x);
    }
}

void sh_xlsx_mark(struct sh_xlsx *x, struct sh_str top, struct sh_str foot)
{
    x->top = top;
    x->foot = foot;
}

void sh_xlsx_to(struct sh_xlsx *x, struct sh_buf *out)
{
    x->out = out;
}

uint32_t sh_xlsx_rows(const struct sh_xlsx *x)
{
    return x->rows;
}

uint64_t sh_xlsx_cut(const struct sh_xlsx *x)
{
    return x->cut;
}

sh_err sh_xlsx_error(const struct sh_xlsx *x)
{
    return x->err;
}

/* ---- XML ---- */

static void keep(struct sh_xlsx *x, sh_err err)
{
    x->err = x->err == SH_OK ? err : x->err;
}

static void flush(struct sh_xlsx *x)
{
    if (x->err == SH_OK) {
        keep(x, zip_put(x->zip, sh_buf_bytes(&x->xml), x->out));
    }
    sh_buf_clear(&x->xml);
}

static void raw(struct sh_xlsx *x, const char *text)
{
    if (x->err == SH_OK) {
        keep(x, sh_buf_put_c(&x->xml, text));
    }
}

static void raw_n(struct sh_xlsx *x, const char *text, size_t n)
{
    if (x->err == SH_OK && n > 0) {
        keep(x, sh_buf_put(&x->xml, text, n));
    }
}

static bool hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Does "_xHHHH_" stand here, which would be read as a character? */
static bool looks_escaped(struct sh_str s)
{
    return s.n >= 7 && s.p[0] == '_' && s.p[1] == 'x' && hex(s.p[2]) && hex(s.p[3]) &&
           hex(s.p[4]) && hex(s.p[5]) && s.p[6] == '_';
}

/* One character; `n` bytes of s are it, 0: they are no UTF-8. */
static void put_char(struct sh_xlsx *x, struct sh_str s, size_t n, uint32_t cp)
{
    char t[12];
    if (n == 0 || cp == 0xFFFE || cp == 0xFFFF) {
        raw(x, "\xef\xbf\xbd");
    } else if (cp == '&') {
        raw(x, "&amp;");
    } else if (cp == '<') {
        raw(x, "&lt;");
    } else if (cp == '>') {
        raw(x, "&gt;");
    } else if (cp < 0x20 && cp != '\t' && cp != '\n') {
        (void)snprintf(t, sizeof t, "_x%04X_", (unsigned)cp);
        raw(x, t);
    } else if (looks_escaped(s)) {
        raw(x, "_x005F_");
    } else {
        raw_n(x, s.p, n);
    }
}

static void put_text(struct sh_xlsx *x, struct sh_str s)
{
    unsigned units = 0;
    while (s.n > 0) {
        uint32_t cp = 0;
        const size_t n = sh_utf8_next(s, &cp);
        units += cp > 0xFFFF ? 2 : 1;
        if (units > SH_XLSX_TEXT) {
            x->cut++;
            return;
        }
        put_char(x, s, n, cp);
        s = sh_str_sub(s, n == 0 ? 1 : n, s.n);
    }
}

/* ---- cells ---- */

/* "<c r="AB12" s="1" t="b">": kind and style may be left out. */
static void cell(struct sh_xlsx *x, const char *kind, unsigned style)
{
    char name[4];
    char t[SH_I64_CHARS + 8];
    unsigned n = 0;
    if (x->column >= SH_XLSX_COLUMNS) {
        keep(x, SH_E_LIMIT);
        return;
    }
    for (unsigned c = x->column++ + 1; c > 0; c = (c - 1) / 26) {
        name[n++] = (char)('A' + (c - 1) % 26);
    }
    raw_n(x, "<c r=\"", 6);
    size_t k = 0;
    while (n > 0) {
        t[k++] = name[--n];
    }
    k += sh_u64_print(x->rows, t + k);
    t[k++] = '"';
    raw_n(x, t, k);
    if (style != 0) {
        (void)snprintf(t, sizeof t, " s=\"%u\"", style);
        raw(x, t);
    }
    if (kind != NULL) {
        raw(x, " t=\"");
        raw(x, kind);
        raw(x, "\"");
    }
    raw_n(x, ">", 1);
}

static void text_cell(struct sh_xlsx *x, struct sh_str s, unsigned style)
{
    cell(x, "inlineStr", style);
    raw(x, "<is><t xml:space=\"preserve\">");
    put_text(x, s);
    raw(x, "</t></is></c>");
    if (x->xml.n >= XML_SOFT) {
        flush(x);
    }
}

void sh_xlsx_skip(struct sh_xlsx *x)
{
    x->column++;
}

void sh_xlsx_text(struct sh_xlsx *x, struct sh_str s)
{
    text_cell(x, s, 0);
}

void sh_xlsx_head(struct sh_xlsx *x, struct sh_str s)
{
    text_cell(x, s, STYLE_HEAD);
}

static void value(struct sh_xlsx *x, const char *t, size_t n)
{
    raw(x, "<v>");
    raw_n(x, t, n);
    raw(x, "</v></c>");
}

void sh_xlsx_number(struct sh_xlsx *x, double v)
{
    char t[SH_F64_CHARS];
    const size_t n = sh_f64_print(v, t);
    if (!isfinite(v)) {
        sh_xlsx_text(x, sh_str_of(t, n));
        return;
    }
    cell(x, NULL, 0);
    value(x, t, n);
}

void sh_xlsx_integer(struct sh_xlsx *x, int64_t v)
{
    char t[SH_I64_CHARS];
    const size_t n = sh_i64_print(v, t);
    if (v > EXACT_MAX || v < -EXACT_MAX) {
        sh_xlsx_text(x, sh_str_of(t, n));
        return;
    }
    cell(x, NULL, 0);
    value(x, t, n);
}

void sh_xlsx_bool(struct sh_xlsx *x, bool v)
{
    cell(x, "b", 0);
    value(x, v ? "1" : "0", 1);
}

void sh_xlsx_time(struct sh_xlsx *x, int64_t local_us)
{
    const int64_t day = (int64_t)86400 * 1000000;
    const int64_t rest = (local_us % day + day) % day;
    const int64_t days = (local_us - rest) / day + EPOCH_DAYS;
    const double serial = (double)days + (double)rest / (double)day;
    if (serial < FIRST_SERIAL || serial >= LAST_SERIAL) {
        char t[SH_TIME_CHARS];
        size_t n = sh_time_print(local_us, t);
        n -= n > 0 && t[n - 1] == 'Z' ? 1 : 0;
        sh_xlsx_text(x, sh_str_of(t, n));
        return;
    }
    char t[SH_F64_CHARS];
    const size_t n = sh_f64_print(serial, t);
    cell(x, NULL, STYLE_TIME);
    value(x, t, n);
}

/* ---- rows, sheets ---- */

static void row_end(struct sh_xlsx *x)
{
    if (x->row) {
        raw(x, "</row>");
        x->row = false;
    }
    if (x->xml.n >= XML_SOFT) {
        flush(x);
    }
}

void sh_xlsx_row(struct sh_xlsx *x)
{
    char t[32];
    row_end(x);
    if (x->rows == SH_XLSX_ROWS) {
        keep(x, SH_E_LIMIT);
        return;
    }
    x->rows++;
    x->column = 0;
    x->row = true;
    (void)snprintf(t, sizeof t, "<row r=\"%u\">", x->rows);
    raw(x, t);
}

static void begin(struct sh_xlsx *x, const char *name)
{
    if (x->err == SH_OK) {
        keep(x, zip_begin(x->zip, name, x->out));
    }
    raw(x, XML_HEAD);
}

static void end(struct sh_xlsx *x)
{
    flush(x);
    if (x->err == SH_OK) {
        keep(x, zip_end(x->zip, x->out));
    }
}

static bool marked(const struct sh_xlsx *x)
{
    return x->top.n + x->foot.n > 0;
}

/* In the middle; an ampersand begins a code there, so it is doubled. Some 100 characters fit. */
static void page_text(struct sh_xlsx *x, const char *element, struct sh_str s)
{
    char t[400];
    size_t n = 0;
    for (size_t i = 0; i < s.n && n + 8 < sizeof t; i++) {
        t[n++] = s.p[i];
        if (s.p[i] == '&') {
            t[n++] = '&';
        }
    }
    while (n > 0 && !sh_utf8_valid(sh_str_of(t, n))) {
        n--; /* no part of a character */
    }
    if (s.n > 0) {
        raw(x, "<");
        raw(x, element);
        raw(x, ">&amp;C");
        put_text(x, sh_str_of(t, n));
        raw(x, "</");
        raw(x, element);
        raw(x, ">");
    }
}

static void sheet_mark(struct sh_xlsx *x)
{
    if (marked(x)) {
        raw(x, "<headerFooter>");
        page_text(x, "oddHeader", x->top);
        page_text(x, "oddFooter", x->foot);
        raw(x, "</headerFooter>");
    }
}

static void sheet_end(struct sh_xlsx *x)
{
    if (x->sheet) {
        row_end(x);
        raw(x, "</sheetData>");
        sheet_mark(x);
        raw(x, "</worksheet>");
        end(x);
        x->sheet = false;
    }
}

static void sheet_view(struct sh_xlsx *x, const struct sh_xlsx_sheet *s)
{
    char t[200];
    raw(x, "<sheetViews><sheetView workbookViewId=\"0\"");
    raw(x, x->sheets == 1 ? " tabSelected=\"1\">" : ">");
    if (s->frozen_rows > 0) {
        (void)snprintf(t, sizeof t,
                       "<pane ySplit=\"%u\" topLeftCell=\"A%u\" activePane=\"bottomLeft\" "
                       "state=\"frozen\"/>",
                       s->frozen_rows, s->frozen_rows + 1);
        raw(x, t);
    }
    raw(x, "</sheetView></sheetViews>");
    for (size_t i = 0; i < s->nwidths; i++) {
        (void)snprintf(t, sizeof t,
                       "%s<col min=\"%zu\" max=\"%zu\" width=\"%g\" customWidth=\"1\"/>",
                       i == 0 ? "<cols>" : "", i + 1, i + 1, s->widths[i]);
        raw(x, t);
    }
    raw(x, s->nwidths > 0 ? "</cols>" : "");
}

void sh_xlsx_sheet(struct sh_xlsx *x, const struct sh_xlsx_sheet *s)
{
    char name[ZIP_NAME];
    sheet_end(x);
    if (x->sheets == SH_XLSX_SHEETS) {
        keep(x, SH_E_LIMIT);
        return;
    }
    x->names[x->sheets++] = s->name;
    x->sheet = true;
    x->rows = 0;
    (void)snprintf(name, sizeof name, "xl/worksheets/sheet%u.xml", x->sheets);
    begin(x, name);
    raw(x, "<worksheet xmlns=\"" MAIN "\">");
    sheet_view(x, s);
    raw(x, "<sheetData>");
}

/* ---- the parts that name the others ---- */

static void part_styles(struct sh_xlsx *x)
{
    begin(x, "xl/styles.xml");
    raw(x, "<styleSheet xmlns=\"" MAIN "\"><numFmts count=\"1\"><numFmt numFmtId=\"164\" "
           "formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss.000\"/></numFmts>"
           "<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>"
           "<font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>"
           "<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>"
           "<fill><patternFill patternType=\"gray125\"/></fill></fills>"
           "<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border>"
           "</borders><cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" "
           "borderId=\"0\"/></cellStyleXfs><cellXfs count=\"3\">"
           "<xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>"
           "<xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" "
           "applyFont=\"1\"/>"
           "<xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" "
           "applyNumberFormat=\"1\"/></cellXfs><cellStyles count=\"1\"><cellStyle "
           "name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>");
    end(x);
}

static void part_workbook(struct sh_xlsx *x)
{
    char t[200];
    begin(x, "xl/workbook.xml");
    raw(x, "<workbook xmlns=\"" MAIN "\" xmlns:r=\"" OFFICE "\"><sheets>");
    for (unsigned i = 0; i < x->sheets; i++) {
        raw(x, "<sheet name=\"");
        put_text(x, sh_str_c(x->names[i])); /* no quotes in it */
        (void)snprintf(t, sizeof t, "\" sheetId=\"%u\" r:id=\"rId%u\"/>", i + 1, i + 1);
        raw(x, t);
    }
    raw(x, "</sheets></workbook>");
    end(x);
    begin(x, "xl/_rels/workbook.xml.rels");
    raw(x, "<Relationships xmlns=\"" PACKAGE "relationships\">");
    for (unsigned i = 0; i < x->sheets; i++) {
        (void)snprintf(t, sizeof t,
                       "<Relationship Id=\"rId%u\" Type=\"" OFFICE
                       "/worksheet\" Target=\"worksheets/sheet%u.xml\"/>",
                       i + 1, i + 1);
        raw(x, t);
    }
    (void)snprintf(t, sizeof t,
                   "<Relationship Id=\"rId%u\" Type=\"" OFFICE
                   "/styles\" Target=\"styles.xml\"/></Relationships>",
                   x->sheets + 1);
    raw(x, t);
    end(x);
}

static void part_core(struct sh_xlsx *x)
{
    begin(x, "docProps/core.xml");
    raw(x, "<cp:coreProperties xmlns:cp=\"" PACKAGE "metadata/core-properties\" "
           "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:description>");
    put_text(x, x->foot);
    raw(x, "</dc:description><cp:keywords>");
    put_text(x, x->top);
    raw(x, "</cp:keywords></cp:coreProperties>");
    end(x);
}

static void part_types(struct sh_xlsx *x)
{
    char t[200];
    if (marked(x)) {
        part_core(x);
    }
    begin(x, "_rels/.rels");
    raw(x, "<Relationships xmlns=\"" PACKAGE "relationships\"><Relationship Id=\"rId1\" "
           "Type=\"" OFFICE "/officeDocument\" Target=\"xl/workbook.xml\"/>");
    if (marked(x)) {
        raw(x, "<Relationship Id=\"rId2\" Type=\"" PACKAGE
               "relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>");
    }
    raw(x, "</Relationships>");
    end(x);
    begin(x, "[Content_Types].xml");
    raw(x, "<Types xmlns=\"" PACKAGE "content-types\"><Default Extension=\"rels\" "
           "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
           "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
           "<Override PartName=\"/xl/workbook.xml\" ContentType=\"" KIND "sheet.main+xml\"/>"
           "<Override PartName=\"/xl/styles.xml\" ContentType=\"" KIND "styles+xml\"/>");
    if (marked(x)) {
        raw(x, "<Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd."
               "openxmlformats-package.core-properties+xml\"/>");
    }
    for (unsigned i = 0; i < x->sheets; i++) {
        (void)snprintf(t, sizeof t,
                       "<Override PartName=\"/xl/worksheets/sheet%u.xml\" ContentType=\"" KIND
                       "worksheet+xml\"/>",
                       i + 1);
        raw(x, t);
    }
    raw(x, "</Types>");
    end(x);
}

sh_err sh_xlsx_end(struct sh_xlsx *x)
{
    sheet_end(x);
    part_styles(x);
    part_workbook(x);
    part_types(x);
    if (x->err == SH_OK) {
        keep(x, zip_close(x->zip, x->out));
    }
    return x->err;
}
