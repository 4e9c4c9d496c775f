/* Secret boxes. Invariants: bytes that were not sealed with the key never open and leave nothing
 * behind; sealed ones open to the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/crypto.h>

static void round_trip(const struct sh_crypto *c, const struct sh_box_key *key, struct sh_bytes in)
{
    struct sh_buf box;
    struct sh_buf out;
    sh_buf_init(&box, sh_alloc_heap(), 1 << 21);
    sh_buf_init(&out, sh_alloc_heap(), 1 << 21);
    SH_FUZZ_CHECK(sh_box_open(c, key, 1, sh_bytes_of("f", 1), in, &out) != SH_OK);
    SH_FUZZ_CHECK(out.n == 0);
    SH_FUZZ_CHECK(sh_box_seal(c, key, sh_bytes_of("f", 1), in, &box) == SH_OK);
    SH_FUZZ_CHECK(sh_box_open(c, key, 1, sh_bytes_of("f", 1), sh_buf_bytes(&box), &out) == SH_OK);
    SH_FUZZ_CHECK(out.n == in.n && (in.n == 0 || memcmp(out.p, in.p, in.n) == 0));
    sh_buf_fini(&box);
    sh_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    struct sh_box_key key = {.id = 1, .kind = SH_BOX_AES_GCM};
    if (env.random->fill(env.random->ctx, key.key, sizeof key.key) == SH_OK) {
        round_trip(c, &key, sh_bytes_of(data, size));
        key.kind = SH_BOX_SM4;
        round_trip(c, &key, sh_bytes_of(data, size));
    }
    sh_crypto_free(c);
    return 0;
}
