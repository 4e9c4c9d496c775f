/* Checkpoints that somebody kept. Invariant: one that is taken reads the same when written again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/guard.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    struct sh_checkpoint a;
    struct sh_checkpoint b;
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    if (sh_checkpoint_parse(&env, c, sh_str_of((const char *)data, size), &a) == SH_OK) {
        struct sh_buf out;
        struct sh_jw w;
        sh_buf_init(&out, env.alloc, 4096);
        sh_jw_init(&w, &out);
        sh_jw_obj(&w);
        sh_checkpoint_write(&a, &w);
        sh_jw_obj_end(&w);
        SH_FUZZ_CHECK(sh_jw_end(&w) == SH_OK);
        SH_FUZZ_CHECK(sh_checkpoint_parse(&env, c, sh_buf_str(&out), &b) == SH_OK);
        SH_FUZZ_CHECK(a.seq == b.seq && a.time_us == b.time_us);
        SH_FUZZ_CHECK(memcmp(a.hash, b.hash, sizeof a.hash) == 0);
        sh_buf_fini(&out);
    }
    sh_crypto_free(c);
    return 0;
}
