#include <sh/fuzz.h>

#include <sh/ldap.h>

/* SPDX-License-Identifier: Apache-2.0 */

static bool inside(const char *p, size_t n, const uint8_t *data, size_t size)
{
    const uint8_t *q = (const uint8_t *)p;
    return n == 0 || (q >= data && q + n <= data + size);
}

static void walk(const struct sh_ldap_message *m, const uint8_t *data, size_t used)
{
    struct sh_bytes rest = m->attributes;
    struct sh_ldap_attribute a;
    while (sh_ldap_attribute_next(&rest, &a)) {
        struct sh_str v;
        SH_FUZZ_CHECK(inside(a.name.p, a.name.n, data, used));
        while (sh_ldap_value_next(&a.values, &v)) {
            SH_FUZZ_CHECK(inside(v.p, v.n, data, used));
        }
        SH_FUZZ_CHECK(a.values.n == 0); /* the whole was looked at when it was decoded */
    }
    SH_FUZZ_CHECK(rest.n == 0);
}

/* First byte even: what a server sends. Odd: a filter, and a value put into one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size == 0) {
        return 0;
    }
    const bool message = (data[0] & 1) == 0;
    data++;
    size--;
    if (message) {
        struct sh_ldap_message m;
        size_t used = 0;
        const sh_err err = sh_ldap_decode(sh_bytes_of(data, size), &m, &used);
        if (err == SH_OK) {
            SH_FUZZ_CHECK(used > 0 && used <= size);
            SH_FUZZ_CHECK(inside(m.dn.p, m.dn.n, data, used));
            SH_FUZZ_CHECK(inside(m.text.p, m.text.n, data, used));
            walk(&m, data, used);
            struct sh_ldap_message again;
            size_t same = 0;
            SH_FUZZ_CHECK(sh_ldap_decode(sh_bytes_of(data, used), &again, &same) == SH_OK &&
                          same == used);
            SH_FUZZ_CHECK(sh_ldap_decode(sh_bytes_of(data, used - 1), &again, &same) == SH_E_AGAIN);
        }
        return 0;
    }
    struct sh_buf b;
    struct sh_buf ber;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    sh_buf_init(&ber, sh_alloc_heap(), 1 << 20);
    const struct sh_str text = sh_str_of((const char *)data, size);
    if (sh_ldap_filter_put(&ber, text, NULL) != SH_OK) {
        SH_FUZZ_CHECK(ber.n == 0); /* whole or not at all */
    }
    sh_buf_clear(&ber);
    if (sh_ldap_fill(&b, SH_STR("(uid={login})"), SH_STR("login"), text, sh_ldap_filter_escape) ==
        SH_OK) {
        SH_FUZZ_CHECK(sh_ldap_filter_put(&ber, sh_buf_str(&b), NULL) == SH_OK);
        SH_FUZZ_CHECK(ber.n >= size && ber.p[0] == 0xa3); /* one equality, and the value whole */
        SH_FUZZ_CHECK(size == 0 || memcmp(ber.p + ber.n - size, data, size) == 0);
    }
    SH_FUZZ_CHECK(sh_ldap_dn_same(text, text));
    (void)sh_ldap_dn_ok(text);
    sh_buf_fini(&b);
    sh_buf_fini(&ber);
    return 0;
}
