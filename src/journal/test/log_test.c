#include <sh/test.h>

#include "../log.h"

static size_t make_group(uint8_t *out, const char *const *texts, uint32_t n)
{
    size_t at = LOG_GROUP_HEAD;
    for (uint32_t i = 0; i < n; i++) {
        const size_t len = strlen(texts[i]);
        memset(out + at, 0, log_record_size(len));
        log_record_head_write(out + at, (uint32_t)len, 2, (uint8_t)i);
        memcpy(out + at + LOG_RECORD_HEAD, texts[i], len);
        at += log_record_size(len);
    }
    log_group_write((struct log_group){.file_id = 7,
                                       .first_seq = 10,
                                       .prev_seq = 9,
                                       .records = n,
                                       .body_len = (uint32_t)(at - LOG_GROUP_HEAD)},
                    out);
    return at;
}

static void test_group_written_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "12345678", "a longer record"};
    uint8_t b[512];
    struct log_group g;
    const size_t n = make_group(b, texts, SH_COUNT(texts));
    assert_ok(log_group_read(sh_bytes_of(b, n), &g));
    assert_int_equal(g.file_id, 7);
    assert_int_equal(g.first_seq, 10);
    assert_int_equal(g.records, 4);
    struct sh_rd r = {b + LOG_GROUP_HEAD, b + LOG_GROUP_HEAD + g.body_len};
    for (uint32_t i = 0; i < g.records; i++) {
        struct log_record rec;
        assert_ok(log_record_read(&r, &rec));
        assert_int_equal(rec.owner, 2);
        assert_int_equal(rec.kind, i);
        assert_int_equal(rec.data.n, strlen(texts[i]));
        assert_memory_equal(rec.data.p, texts[i], rec.data.n);
    }
    assert_int_equal(sh_rd_left(&r), 0);
}

static void test_group_any_changed_byte_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"one", "two"};
    uint8_t b[256];
    const size_t n = make_group(b, texts, SH_COUNT(texts));
    for (size_t i = 0; i < n; i++) {
        struct log_group g;
        b[i] ^= 0x40;
        assert_int_not_equal(log_group_read(sh_bytes_of(b, n), &g), SH_OK);
        b[i] ^= 0x40;
    }
    for (size_t i = 0; i < n; i++) { /* and any shorter one */
        struct log_group g;
        assert_int_not_equal(log_group_read(sh_bytes_of(b, i), &g), SH_OK);
    }
}

static void test_file_head_version_and_damage_are_told_apart(void **state)
{
    (void)state;
    static uint8_t b[LOG_BLOCK];
    const struct log_file_head h = {.file_id = 1234567890123, .number = 5, .recycled = 1};
    struct log_file_head got;
    log_file_head_write(&h, b);
    assert_ok(log_file_head_read(sh_bytes_of(b, sizeof b), &got));
    assert_int_equal(got.file_id, h.file_id);
    assert_int_equal(got.number, 5);
    assert_int_equal(got.recycled, 1);
    for (size_t i = 0; i < LOG_FILE_HEAD; i++) {
        b[i] ^= 1;
        assert_int_equal(log_file_head_read(sh_bytes_of(b, sizeof b), &got), SH_E_CORRUPT);
        b[i] ^= 1;
    }
    sh_put_le32(b + 8, 2); /* a later version with a right crc */
    sh_put_le32(b + 12, 0);
    sh_put_le32(b + 12, sh_crc32c(0, b, LOG_FILE_HEAD));
    assert_int_equal(log_file_head_read(sh_bytes_of(b, sizeof b), &got), SH_E_UNSUPPORTED);
}

static void test_record_past_the_body_is_refused(void **state)
{
    (void)state;
    uint8_t b[16] = {0};
    log_record_head_write(b, 9, 1, 0);
    struct sh_rd r = {b, b + sizeof b};
    struct log_record rec;
    assert_int_equal(log_record_read(&r, &rec), SH_E_CORRUPT);
    log_record_head_write(b, UINT32_MAX, 1, 0);
    assert_int_equal(log_record_read(&r, &rec), SH_E_CORRUPT);
    r.end = b + 7;
    assert_int_equal(log_record_read(&r, &rec), SH_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_written_reads_back),
        cmocka_unit_test(test_group_any_changed_byte_is_refused),
        cmocka_unit_test(test_file_head_version_and_damage_are_told_apart),
        cmocka_unit_test(test_record_past_the_body_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
