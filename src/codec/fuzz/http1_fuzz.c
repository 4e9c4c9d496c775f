#include <sh/fuzz.h>

#include <sh/http1.h>

static const struct sh_http_limits lim = {.line_max = 200, .head_max = 2000, .fields_max = 12};

static void inside(struct sh_str s, struct sh_bytes in)
{
    const uint8_t *p = (const uint8_t *)s.p;
    SH_FUZZ_CHECK(s.n == 0 || (p >= in.p && p + s.n <= in.p + in.n));
}

/* The body is read the same whatever the pieces are. */
static void chunks(struct sh_bytes in, size_t step, size_t *total, sh_err *e)
{
    struct sh_chunked c;
    sh_chunked_init(&c);
    *total = 0;
    *e = SH_E_AGAIN;
    for (size_t at = 0; at < in.n && *e == SH_E_AGAIN;) {
        const size_t n = in.n - at < step ? in.n - at : step;
        size_t used = 0;
        struct sh_bytes data = {0};
        *e = sh_chunked_feed(&c, (struct sh_bytes){in.p + at, n}, &used, &data);
        if (*e == SH_E_PROTO) {
            return;
        }
        SH_FUZZ_CHECK(used > 0 && used <= n);
        SH_FUZZ_CHECK(data.n == 0 || (data.p >= in.p + at && data.p + data.n <= in.p + at + used));
        *total += data.n;
        at += used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size == 0) {
        return 0;
    }
    const size_t step = data[0] % 16 + 1;
    const struct sh_bytes in = {data + 1, size - 1};
    size_t start = 0;
    size_t scanned = 0;
    int status = 0;
    sh_err e = SH_E_AGAIN;
    for (size_t n = 0; n <= in.n && e == SH_E_AGAIN; n += step) { /* as bytes trickle in */
        e = sh_http_head_find((struct sh_bytes){in.p, n}, &lim, &start, &scanned, &status);
    }
    if (e == SH_E_AGAIN) {
        e = sh_http_head_find(in, &lim, &start, &scanned, &status);
    }
    SH_FUZZ_CHECK(e == SH_OK || e == SH_E_AGAIN || status >= 400);
    if (e == SH_OK) {
        SH_FUZZ_CHECK(start < scanned && scanned <= in.n);
        struct sh_http_field fields[16];
        struct sh_http_head h;
        const struct sh_bytes head = {in.p + start, scanned - start};
        e = sh_http_head_parse(head, &lim, fields, 16, &h, &status);
        SH_FUZZ_CHECK(e == SH_OK || status >= 400);
        if (e == SH_OK) {
            SH_FUZZ_CHECK(!(h.chunked && h.content_length >= 0));
            SH_FUZZ_CHECK(h.nfields <= 12);
            inside(h.method_name, head);
            inside(h.target, head);
            inside(h.query, head);
            for (size_t i = 0; i < h.nfields; i++) {
                inside(fields[i].name, head);
                inside(fields[i].value, head);
            }
        }
    }
    size_t a = 0;
    size_t b = 0;
    sh_err ea = SH_OK;
    sh_err eb = SH_OK;
    chunks(in, step, &a, &ea);
    chunks(in, SIZE_MAX, &b, &eb);
    SH_FUZZ_CHECK(ea == eb && (ea == SH_E_PROTO || a == b));
    return 0;
}
