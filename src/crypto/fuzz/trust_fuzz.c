/* A person's certificate, what stands between it and the trust list, and a signature. The trust
 * list is the input as well when it can be one: then nothing may be proved by bytes alone but what
 * has a signature of its own key. Invariant: what is told is NUL-terminated UTF-8; a good report
 * has no failed step. Input: a byte that says where the certificate ends (in 1/256), certificate
 * and chain, then 80 bytes of signature. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/trust.h>

enum { TAIL = 80 };

static void check_text(const char *text, size_t cap)
{
    const char *end = memchr(text, 0, cap);
    SH_FUZZ_CHECK(end != NULL);
    SH_FUZZ_CHECK(sh_utf8_valid(sh_str_of(text, (size_t)(end - text))));
}

static void look_at(const struct sh_crypto *c, const struct sh_badge *b, struct sh_str ca,
                    struct sh_bytes signature)
{
    const struct sh_trust_spec spec = {.ca = ca, .crl = ca};
    const struct sh_trust_spec bare = {.ca = ca};
    struct sh_trust *t = NULL;
    struct sh_trust_report r;
    struct sh_trust_crl crl;
    if (sh_trust_new(c, &spec, NULL, &t) != SH_OK && sh_trust_new(c, &bare, NULL, &t) != SH_OK) {
        return;
    }
    for (size_t i = 0; i < sh_trust_crls(t); i++) {
        (void)sh_trust_crl(t, i, &crl);
        check_text(crl.issuer, sizeof crl.issuer);
    }
    const sh_err err =
        sh_trust_check(t, b, SH_STR("text\n"), signature, INT64_C(1800000000) * 1000000, &r);
    SH_FUZZ_CHECK(err == SH_OK || err == SH_E_DENIED || err == SH_E_NOMEM);
    SH_FUZZ_CHECK(err == SH_E_NOMEM || (err == SH_OK) == (sh_trust_failed(&r) == SH_TRUST_STEPS));
    sh_trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    struct sh_badge *b = NULL;
    struct sh_trust_cert cert;
    if (size < 1 + TAIL || sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    const struct sh_str text = sh_str_of((const char *)data + 1, size - 1 - TAIL);
    const size_t cut = text.n * data[0] / 255;
    if (sh_badge_read(c, sh_str_sub(text, 0, cut), sh_str_sub(text, cut, text.n), &b) == SH_OK) {
        if (sh_badge_cert(b, &cert) == SH_OK) {
            check_text(cert.subject, sizeof cert.subject);
            check_text(cert.issuer, sizeof cert.issuer);
            check_text(cert.key, sizeof cert.key);
        }
        for (int f = SH_BADGE_CN; f <= SH_BADGE_O; f++) {
            for (size_t i = 0; i < 3; i++) {
                char value[SH_TRUST_VALUE_CHARS];
                (void)sh_badge_value(b, (enum sh_badge_field)f, i, value);
                check_text(value, sizeof value);
            }
        }
        look_at(c, b, text, sh_bytes_of(data + size - TAIL, TAIL));
        sh_badge_free(b);
    }
    sh_crypto_free(c);
    return 0;
}
