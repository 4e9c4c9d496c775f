#include <sh/fuzz.h>

#include <sh/http1.h>
#include <sh/url.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    static const char *const offers[] = {"zh", "en"};
    if (size == 0 || size > 4096) {
        return 0;
    }
    const struct sh_str s = {(const char *)data, size};
    SH_FUZZ_CHECK(sh_http_accept_language(s, offers, 2, 1) < 2);
    (void)sh_http_accepts_coding(s, "gzip");
    (void)sh_http_etag_match(s, SH_STR("\"a\""));
    const struct sh_str c = sh_http_cookie(s, "a");
    SH_FUZZ_CHECK(c.n == 0 || (c.p >= s.p && c.p + c.n <= s.p + s.n));
    char out[64];
    size_t n = 0;
    SH_FUZZ_CHECK(sh_http_param(s, "a", out, sizeof out, &n) != SH_OK || n <= sizeof out);
    int64_t us = 0;
    if (sh_http_date_parse(s, &us) == SH_OK) {
        char back[SH_HTTP_DATE_CHARS];
        sh_http_date(us, back);
        SH_FUZZ_CHECK(memcmp(back, data, sizeof back) == 0);
    }
    struct sh_url u;
    if (sh_url_parse(s, &u) == SH_OK) {
        SH_FUZZ_CHECK(u.host.n > 0 && u.host.p >= s.p && u.host.p + u.host.n <= s.p + s.n);
    }
    struct sh_buf b;
    struct sh_buf e;
    sh_buf_init(&b, sh_alloc_heap(), 8192);
    sh_buf_init(&e, sh_alloc_heap(), 32768);
    SH_FUZZ_CHECK(sh_url_query_get(s, "a", &b) == SH_OK || b.n == 0);
    sh_buf_clear(&b);
    if (sh_url_decode(s, &b) == SH_OK) { /* decode(encode(decode(x))) == decode(x) */
        struct sh_buf again;
        sh_buf_init(&again, sh_alloc_heap(), 32768); /* room for the encoded form is asked for */
        SH_FUZZ_CHECK(sh_url_encode(sh_buf_str(&b), &e) == SH_OK);
        SH_FUZZ_CHECK(sh_url_decode(sh_buf_str(&e), &again) == SH_OK);
        SH_FUZZ_CHECK(sh_str_eq(sh_buf_str(&b), sh_buf_str(&again)));
        sh_buf_fini(&again);
    }
    sh_buf_fini(&b);
    sh_buf_fini(&e);
    return 0;
}
