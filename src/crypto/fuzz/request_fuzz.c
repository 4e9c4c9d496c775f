/* Certificate requests of devices. Invariant: what is signed reads back as a certificate of the
 * name that was asked for, and of our own authority. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/pki.h>

struct authority {
    struct sh_crypto *c;
    struct sh_buf key;
    struct sh_buf cert;
};

static bool authority_make(const struct sh_env *env, struct authority *a)
{
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("CA"), .until_us = INT64_C(4102444800000000), .ca = true};
    sh_buf_init(&a->key, env->alloc, SH_PEM_MAX);
    sh_buf_init(&a->cert, env->alloc, SH_PEM_MAX);
    return sh_crypto_new(env, &a->c) == SH_OK && sh_cert_new_key(a->c, &a->key) == SH_OK &&
           sh_cert_issue(a->c, env->random, &spec, sh_buf_str(&a->key), SH_STR(""), SH_STR(""),
                         &a->cert) == SH_OK;
}

/* Invariant: what was read out of a body is not longer than it. */
static void body(const struct sh_env *env, const uint8_t *data, size_t size)
{
    struct sh_buf out;
    sh_buf_init(&out, env->alloc, (size_t)2 * SH_PEM_MAX);
    if (sh_pkcs10_body(sh_str_of((const char *)data, size), &out) == SH_OK) {
        SH_FUZZ_CHECK(out.n > 0 && out.n <= size);
    }
    sh_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("press"), .until_us = INT64_C(4102444800000000), .client = true};
    struct authority a = {.c = NULL};
    struct sh_buf out;
    sh_buf_init(&out, env.alloc, SH_PEM_MAX);
    body(&env, data, size);
    if (authority_make(&env, &a) &&
        sh_cert_sign(a.c, env.random, &spec, sh_str_of((const char *)data, size),
                     sh_buf_str(&a.cert), sh_buf_str(&a.key), &out) == SH_OK) {
        struct sh_cert_info info;
        SH_FUZZ_CHECK(sh_cert_parse(a.c, sh_buf_bytes(&out), &info) == SH_OK);
        SH_FUZZ_CHECK(strcmp(info.common_name, "press") == 0);
        SH_FUZZ_CHECK(sh_cert_issued_by(a.c, sh_buf_bytes(&out), sh_buf_bytes(&a.cert)) == SH_OK);
    }
    sh_buf_fini(&out);
    sh_buf_fini(&a.key);
    sh_buf_fini(&a.cert);
    sh_crypto_free(a.c);
    return 0;
}
