/* Requests for the state of a certificate. Invariant: whatever comes is answered, by something that
 * reads back as an answer. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ocsp.h>

#include <sh/fuzz.h>

#include <sh/pki.h>

static enum sh_ocsp_status look(void *ctx, const char *serial, struct sh_revoked *out)
{
    SH_UNUSED(ctx);
    SH_FUZZ_CHECK(strlen(serial) < SH_CERT_SERIAL_CHARS);
    out->reason = SH_CRL_SUPERSEDED;
    return strlen(serial) > 4 ? SH_OCSP_REVOKED : SH_OCSP_GOOD;
}

static bool authority_make(const struct sh_env *env, const struct sh_crypto *c, struct sh_buf *key,
                           struct sh_buf *cert)
{
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("CA"), .until_us = INT64_C(4102444800000000), .ca = true};
    return sh_cert_new_key(c, key) == SH_OK && sh_cert_issue(c, env->random, &spec, sh_buf_str(key),
                                                             SH_STR(""), SH_STR(""), cert) == SH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    struct sh_buf key;
    struct sh_buf cert;
    struct sh_buf out;
    sh_buf_init(&key, env.alloc, SH_PEM_MAX);
    sh_buf_init(&cert, env.alloc, SH_PEM_MAX);
    sh_buf_init(&out, env.alloc, (size_t)4 * SH_PEM_MAX);
    if (sh_crypto_new(&env, &c) == SH_OK && authority_make(&env, c, &key, &cert)) {
        const struct sh_pki_signer by = {.ca_pem = sh_buf_str(&cert),
                                         .ca_key_pem = sh_buf_str(&key),
                                         .until_us = INT64_C(4102444800000000)};
        if (sh_ocsp_answer(c, &by, sh_bytes_of(data, size), look, NULL, &out) == SH_OK) {
            const unsigned char *p = out.p;
            OCSP_RESPONSE *answer = d2i_OCSP_RESPONSE(NULL, &p, (long)out.n);
            SH_FUZZ_CHECK(answer != NULL && p == out.p + out.n);
            OCSP_RESPONSE_free(answer);
        }
    }
    sh_buf_fini(&out);
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    sh_crypto_free(c);
    return 0;
}
