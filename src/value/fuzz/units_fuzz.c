#include <sh/fuzz.h>

#include <sh/units.h>

/* What parses prints (unless a prefixed temperature scale), and what was printed parses to the
 * same unit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_unit u;
    struct sh_unit v;
    struct sh_diag diag = {0};
    char code[SH_UNIT_MAX_CHARS];
    char text[SH_UNIT_PRINT_CHARS];
    size_t n = 0;
    const struct sh_str in = {(const char *)data, size};
    if (sh_unit_lookup(in, &u, code, &n, &diag) != SH_OK) {
        SH_FUZZ_CHECK(diag.message[0] != '\0');
        return 0;
    }
    SH_FUZZ_CHECK(n <= sizeof code && sh_unit_parse(sh_str_of(code, n), &v, NULL) == SH_OK);
    if (sh_unit_print(&u, text, &n) == SH_OK) {
        SH_FUZZ_CHECK(n <= sizeof text && sh_unit_parse(sh_str_of(text, n), &v, NULL) == SH_OK);
        SH_FUZZ_CHECK(sh_unit_compatible(&u, &v) && u.num == v.num && u.den == v.den);
        SH_FUZZ_CHECK(u.e10 == v.e10 && u.pi == v.pi);
    }
    return 0;
}
