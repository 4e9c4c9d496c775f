#include <sh/test.h>

#include <sh/media.h>

static void test_media_is_told_from_the_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t n;
        const char *name;
        const char *media;
        bool shown;
    } rows[] = {
        {"\x89PNG\r\n\x1a\nxx", 10, "a.html", "image/png", true},
        {"\xff\xd8\xff\xe0", 4, "a", "image/jpeg", true},
        {"GIF89a", 6, "a.txt", "image/gif", true},
        {"RIFF\1\1\1\1WEBPVP8 ", 16, "a", "image/webp", true},
        {"XXXX\1\1\1\1WEBPVP8 ", 16, "a", "application/octet-stream", false},
        {"BM\1\1\1\1\0\0\0\0\x36\0\0\0\1", 15, "a", "image/bmp", true},
        {"%PDF-1.7\n", 9, "a.exe", "application/pdf", true},
        {"PK\3\4....", 8, "a.zip", "application/zip", false},
        {"PK\3\4....", 8, "a.DOCX",
         "application/vnd.openxmlformats-officedocument.wordprocessingml."
         "document",
         false},
        {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, "a.xls", "application/vnd.ms-excel", false},
        {"AC1032", 6, "a.dwg", "image/vnd.dwg", false},
        {"\0\0\0\x18"
         "ftypmp42",
         12, "a.mp4", "video/mp4", false},
        {"plain text\n", 11, "a", "text/plain", true},
        {"\xe6\x9d\xbe\xe8\x8a\xb1", 6, "a.txt", "text/plain", true},
        {"\xe6\x9d\xbe\xe8", 4, "a.txt", "application/octet-stream", false}, /* cut, at the end */
        {"a,b\n1,2\n", 8, "a.csv", "text/csv", false},
        {"{}", 2, "a.json", "application/json", false},
        {"<svg xmlns='x'>", 15, "a.png", "image/svg+xml", false},
        {"hello <ScRiPt>", 14, "a.txt", "text/html", false},
        {"<!DOCTYPE html>", 15, "a.txt", "text/html", false},
        {"<?xml version='1.0'?><a/>", 25, "a.txt", "application/xml", false},
        {"a\0b", 3, "a.txt", "application/octet-stream", false},
        {"", 0, "a.txt", "application/octet-stream", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *m =
            sh_media_sniff(sh_bytes_of(rows[i].head, rows[i].n), sh_str_c(rows[i].name));
        assert_string_equal(m, rows[i].media);
        assert_int_equal(sh_media_inline(sh_str_c(m)), rows[i].shown);
    }
    /* A character that the end of the head cuts is no fault. */
    char head[SH_MEDIA_HEAD];
    memset(head, 'a', sizeof head);
    head[sizeof head - 1] = '\xe6';
    assert_string_equal(sh_media_sniff(sh_bytes_of(head, sizeof head), SH_STR("a")), "text/plain");
}

/* RFC 9110 14.1.2, with its examples for 10000 bytes. */
static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        uint64_t size;
        sh_err err;
        uint64_t from;
        uint64_t to;
    } rows[] = {
        {"bytes=0-499", 10000, SH_OK, 0, 500},
        {"bytes=500-999", 10000, SH_OK, 500, 1000},
        {"bytes=-500", 10000, SH_OK, 9500, 10000},
        {"bytes=9500-", 10000, SH_OK, 9500, 10000},
        {"bytes=0-0", 10000, SH_OK, 0, 1},
        {"Bytes = 1 - 2", 10, SH_OK, 1, 3},
        {"bytes=-20", 10, SH_OK, 0, 10},
        {"bytes=5-100", 10, SH_OK, 5, 10},
        {"bytes=10-", 10, SH_E_LIMIT, 0, 0},
        {"bytes=-0", 10, SH_E_LIMIT, 0, 0},
        {"bytes=0-", 0, SH_E_LIMIT, 0, 0},
        {"bytes=0-0,-1", 10, SH_E_NOTFOUND, 0, 0},
        {"bytes=5-2", 10, SH_E_NOTFOUND, 0, 0},
        {"bytes=-", 10, SH_E_NOTFOUND, 0, 0},
        {"bytes=a-b", 10, SH_E_NOTFOUND, 0, 0},
        {"bytes=99999999999999999999-", 10, SH_E_NOTFOUND, 0, 0},
        {"lines=0-1", 10, SH_E_NOTFOUND, 0, 0},
        {"bytes", 10, SH_E_NOTFOUND, 0, 0},
        {"", 10, SH_E_NOTFOUND, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t from = 0;
        uint64_t to = 0;
        assert_int_equal(sh_http_range(sh_str_c(rows[i].field), rows[i].size, &from, &to),
                         rows[i].err);
        assert_int_equal(from, rows[i].from);
        assert_int_equal(to, rows[i].to);
    }
}

static void test_names_in_a_header(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool show;
        const char *out;
    } rows[] = {
        {"a b.pdf", false, "attachment; filename=\"a b.pdf\""},
        {"a.pdf", true, "inline; filename=\"a.pdf\""},
        {"a\"\\%.pdf", false, "attachment; filename=\"a___.pdf\"; filename*=UTF-8''a%22%5C%25.pdf"},
        {"\xe6\x9d\xbe.pdf", false,
         "attachment; filename=\"___.pdf\"; filename*=UTF-8''%E6%9D%BE.pdf"},
        {"a\r\nb", false, "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_buf b;
        struct sh_test_env t;
        sh_test_env_init(&t, NULL);
        sh_buf_init(&b, &t.alloc, 1000);
        assert_ok(sh_http_disposition(&b, rows[i].show, sh_str_c(rows[i].name)));
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i].out));
        sh_buf_fini(&b);
        sh_test_env_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_is_told_from_the_bytes),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_names_in_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
