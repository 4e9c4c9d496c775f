/* The block format of snappy, by google/snappy format_description.txt. */
#include <sh/test.h>

#include <sh/ingest.h>

static const struct {
    const char *what;
    const char *in;
    size_t n;
    sh_err err;
    const char *out;
} rows[] = {
    {"1: nothing", "\x00", 1, SH_OK, ""},
    {"2.1: a literal",
     "\x03\x08"
     "abc",
     5, SH_OK, "abc"},
    {"2.1: a literal with one byte of length",
     "\x03\xf0\x02"
     "abc",
     6, SH_OK, "abc"},
    {"2.1: with two",
     "\x03\xf4\x02\x00"
     "abc",
     7, SH_OK, "abc"},
    {"2.1: with four",
     "\x03\xfc\x02\x00\x00\x00"
     "abc",
     9, SH_OK, "abc"},
    {"2.2.1: a copy with one byte of offset",
     "\x07\x08"
     "abc\x01\x03",
     7, SH_OK, "abcabca"},
    {"2.2.2: with two",
     "\x06\x08"
     "abc\x0a\x03\x00",
     8, SH_OK, "abcabc"},
    {"2.2.3: with four",
     "\x06\x08"
     "abc\x0b\x03\x00\x00\x00",
     10, SH_OK, "abcabc"},
    {"2.2: a run",
     "\x08\x00"
     "a\x0d\x01",
     5, SH_OK, "aaaaaaaa"},
    {"nothing at all", "", 0, SH_E_PROTO, NULL},
    {"no end of the length", "\x80\x80\x80\x80\x80\x00", 6, SH_E_PROTO, NULL},
    {"a length over 32 bits", "\xff\xff\xff\xff\x1f", 5, SH_E_PROTO, NULL},
    {"a literal that is cut",
     "\x03\x08"
     "ab",
     4, SH_E_PROTO, NULL},
    {"a literal of 2^32 bytes",
     "\x03\xfc\xff\xff\xff\xff"
     "abc",
     9, SH_E_PROTO, NULL},
    {"offset 0",
     "\x07\x08"
     "abc\x01\x00",
     7, SH_E_PROTO, NULL},
    {"an offset before the beginning",
     "\x07\x08"
     "abc\x01\x04",
     7, SH_E_PROTO, NULL},
    {"more than was said",
     "\x04\x08"
     "abc\x01\x03",
     7, SH_E_PROTO, NULL},
    {"less than was said",
     "\x04\x08"
     "abc",
     5, SH_E_PROTO, NULL},
    {"a copy that is cut",
     "\x07\x08"
     "abc\x01",
     6, SH_E_PROTO, NULL},
    {"over the maximum",
     "\x81\x80\x04"
     "abc",
     6, SH_E_LIMIT, NULL},
    {"a bomb: it cannot become that long",
     "\xff\xff\x03"
     "abc",
     6, SH_E_PROTO, NULL},
};

static void test_snappy_blocks_inflate_or_say_why_not(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_buf out;
    sh_test_env_init(&t, NULL);
    sh_buf_init(&out, t.env.alloc, 1 << 16);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const sh_err e = sh_snappy_decode(sh_bytes_of(rows[i].in, rows[i].n), &out);
        if (e != rows[i].err || (e == SH_OK && !sh_str_eqc(sh_buf_str(&out), rows[i].out))) {
            fail_msg("%s: %s", rows[i].what, sh_err_name(e));
        }
    }
    sh_buf_fini(&out);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snappy_blocks_inflate_or_say_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
