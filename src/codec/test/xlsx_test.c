/* Workbooks: the bytes of the ZIP file by APPNOTE.TXT, the XML of cells, limits, errors that stick.
 * That others read them: wire.xlsx. */
#include <sh/test.h>

#include <math.h>

#include <zlib.h>

#include <sh/xlsx.h>

struct rig {
    struct sh_test_env t;
    struct sh_buf out;
    struct sh_xlsx *x;
};

static void rig_init(struct rig *r)
{
    sh_test_env_init(&r->t, NULL);
    sh_buf_init(&r->out, r->t.env.alloc, 64 << 20);
    assert_ok(sh_xlsx_new(r->t.env.alloc, 1767225600000000, &r->x));
    sh_xlsx_to(r->x, &r->out);
}

static void rig_fini(struct rig *r)
{
    sh_xlsx_free(r->x);
    sh_buf_fini(&r->out);
    sh_test_env_fini(&r->t);
}

static const struct sh_xlsx_sheet data = {.name = "Data", .frozen_rows = 1};

/* The part of this name, by the directory at the end, inflated and with its crc looked at. */
static void part(const struct rig *r, const char *name, char *text, size_t room)
{
    const uint8_t *p = r->out.p;
    const uint8_t *tail = p + r->out.n - 22;
    assert_int_equal(sh_le32(tail), 0x06054b50);
    const unsigned n = sh_le16(tail + 10);
    const uint8_t *c = p + sh_le32(tail + 16);
    for (unsigned i = 0; i < n; i++, c += 46 + sh_le16(c + 28)) {
        assert_int_equal(sh_le32(c), 0x02014b50);
        const struct sh_str at = sh_str_of((const char *)c + 46, sh_le16(c + 28));
        if (!sh_str_eqc(at, name)) {
            continue;
        }
        const uint8_t *local = p + sh_le32(c + 42);
        const uint32_t packed = sh_le32(c + 20);
        const uint32_t size = sh_le32(c + 24);
        assert_int_equal(sh_le32(local), 0x04034b50);
        assert_int_equal(sh_le16(local + 6), 0x0808); /* 4.4.4: bits 3 and 11 */
        assert_int_equal(sh_le32(local + 14), 0);     /* crc and sizes stand behind the data */
        const uint8_t *body = local + 30 + sh_le16(local + 26);
        assert_int_equal(sh_le32(body + packed), 0x08074b50);
        assert_int_equal(sh_le32(body + packed + 4), sh_le32(c + 16));
        assert_true(size < room);
        z_stream z = {.next_in = (Bytef *)(uintptr_t)body,
                      .avail_in = packed,
                      .next_out = (Bytef *)text,
                      .avail_out = size};
        assert_int_equal(inflateInit2(&z, -15), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        (void)inflateEnd(&z);
        assert_int_equal(crc32(0, (const Bytef *)text, size), sh_le32(c + 16));
        text[size] = '\0';
        return;
    }
    fail_msg("no part %s", name);
}

static char text[1 << 20];

static void test_xlsx_of_each_kind_of_cell_writes_its_xml(void **state)
{
    static const struct {
        const char *in;
        const char *xml;
    } texts[] = {
        {"=1+1", "=1+1"}, /* a text, whatever it looks like */
        {"a<b>&\"", "a&lt;b&gt;&amp;\""},
        {"\x01\r\t\n", "_x0001__x000D_\t\n"}, /* 22.9.2.19 */
        {"_x0041_ _x41_", "_x005F_x0041_ _x41_"},
        {"\xff"
         "a",
         "\xef\xbf\xbd"
         "a"},                            /* no UTF-8 */
        {"\xef\xbf\xbf", "\xef\xbf\xbd"}, /* U+FFFF is no character of XML */
    };
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    sh_xlsx_sheet(r.x, &data);
    sh_xlsx_row(r.x);
    sh_xlsx_head(r.x, SH_STR("time"));
    sh_xlsx_skip(r.x);
    sh_xlsx_number(r.x, 1.5);
    sh_xlsx_number(r.x, -INFINITY);
    sh_xlsx_integer(r.x, -7);
    sh_xlsx_integer(r.x, INT64_MAX);
    sh_xlsx_bool(r.x, true);
    sh_xlsx_row(r.x);
    sh_xlsx_time(r.x, 1767225600000000 + 43200000000); /* 2026-01-01 12:00 */
    sh_xlsx_time(r.x, -2208988800000000);              /* 1900-01-01: Excel counts otherwise */
    for (size_t i = 0; i < SH_COUNT(texts); i++) {
        sh_xlsx_text(r.x, sh_str_c(texts[i].in));
    }
    assert_ok(sh_xlsx_end(r.x));
    part(&r, "xl/worksheets/sheet1.xml", text, sizeof text);
    static const char *const wanted[] = {
        "<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>",
        "<row r=\"1\"><c r=\"A1\" s=\"1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">time</t>",
        "<c r=\"C1\"><v>1.5</v></c>",
        "<c r=\"E1\"><v>-7</v></c>",
        "<c r=\"F1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">9223372036854775807</t>",
        "<c r=\"G1\" t=\"b\"><v>1</v></c></row>",
        "<row r=\"2\"><c r=\"A2\" s=\"2\"><v>46023.5</v></c>",
        "<c r=\"B2\" t=\"inlineStr\"><is><t xml:space=\"preserve\">1900-01-01T00:00:00</t>",
        "</row></sheetData></worksheet>"};
    for (size_t i = 0; i < SH_COUNT(wanted); i++) {
        if (strstr(text, wanted[i]) == NULL) {
            fail_msg("%s is not in %s", wanted[i], text);
        }
    }
    assert_null(strstr(text, "r=\"B1\""));
    for (size_t i = 0; i < SH_COUNT(texts); i++) {
        char want[80];
        (void)snprintf(want, sizeof want, "preserve\">%s</t>", texts[i].xml);
        if (strstr(text, want) == NULL) {
            fail_msg("%s is not in %s", want, text);
        }
    }
    part(&r, "[Content_Types].xml", text, sizeof text);
    assert_non_null(strstr(text, "PartName=\"/xl/worksheets/sheet1.xml\""));
    part(&r, "xl/workbook.xml", text, sizeof text);
    assert_non_null(strstr(text, "<sheet name=\"Data\" sheetId=\"1\" r:id=\"rId1\"/>"));
    rig_fini(&r);
}

static void test_xlsx_beyond_its_limits_says_so_and_stays_so(void **state)
{
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    sh_xlsx_sheet(r.x, &data);
    for (uint32_t i = 0; i < SH_XLSX_ROWS; i++) {
        sh_xlsx_row(r.x);
        sh_buf_clear(&r.out);
    }
    assert_ok(sh_xlsx_error(r.x));
    sh_xlsx_row(r.x);
    assert_int_equal(sh_xlsx_error(r.x), SH_E_LIMIT);
    assert_int_equal(sh_xlsx_end(r.x), SH_E_LIMIT);
    rig_fini(&r);

    rig_init(&r);
    for (int i = 0; i < SH_XLSX_SHEETS; i++) {
        sh_xlsx_sheet(r.x, &data);
    }
    assert_ok(sh_xlsx_error(r.x));
    sh_xlsx_sheet(r.x, &data);
    assert_int_equal(sh_xlsx_error(r.x), SH_E_LIMIT);
    rig_fini(&r);

    rig_init(&r);
    sh_xlsx_sheet(r.x, &data);
    sh_xlsx_row(r.x);
    memset(text, 'x', 40000);
    sh_xlsx_text(r.x, sh_str_of(text, SH_XLSX_TEXT));
    assert_int_equal(sh_xlsx_cut(r.x), 0);
    sh_xlsx_text(r.x, sh_str_of(text, SH_XLSX_TEXT + 1));
    assert_int_equal(sh_xlsx_cut(r.x), 1);
    for (int i = 2; i < SH_XLSX_COLUMNS; i++) {
        sh_xlsx_bool(r.x, false);
    }
    assert_ok(sh_xlsx_error(r.x));
    sh_xlsx_bool(r.x, false);
    assert_int_equal(sh_xlsx_error(r.x), SH_E_LIMIT);
    rig_fini(&r);
}

static sh_err small_book(struct sh_test_env *t)
{
    struct sh_buf out;
    struct sh_xlsx *x = NULL;
    sh_buf_init(&out, t->env.alloc, 1 << 20);
    sh_err err = sh_xlsx_new(t->env.alloc, 0, &x);
    if (err == SH_OK) {
        sh_xlsx_to(x, &out);
        sh_xlsx_sheet(x, &data);
        sh_xlsx_row(x);
        sh_xlsx_text(x, SH_STR("a"));
        err = sh_xlsx_end(x);
    }
    sh_xlsx_free(x);
    sh_buf_fini(&out);
    return err;
}

static void test_xlsx_without_memory_leaves_nothing(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(small_book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xlsx_of_each_kind_of_cell_writes_its_xml),
        cmocka_unit_test(test_xlsx_beyond_its_limits_says_so_and_stays_so),
        cmocka_unit_test(test_xlsx_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
