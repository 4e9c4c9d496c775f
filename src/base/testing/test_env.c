/* test_env.c - the environment that unit tests run in.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *counting_resize(void *ctx, void *p, size_t n)
{
    struct sh_test_env *t = ctx;
    sh_mutex_lock(&t->lock);
    void *out = NULL;
    if (n == 0) {
        t->blocks -= p != NULL ? 1 : 0;
        free(p);
    } else if (t->fail_after == 0) {
        out = NULL;
    } else {
        t->fail_after -= t->fail_after > 0 ? 1 : 0;
        out = realloc(p, n);
        t->blocks += p == NULL && out != NULL ? 1 : 0;
    }
    sh_mutex_unlock(&t->lock);
    return out;
}

static int64_t test_wall(void *ctx)
{
    return __atomic_load_n(&((struct sh_test_env *)ctx)->wall_us, __ATOMIC_RELAXED);
}

static int64_t test_mono(void *ctx)
{
    return __atomic_load_n(&((struct sh_test_env *)ctx)->mono_us, __ATOMIC_RELAXED);
}

static void test_log(void *ctx, enum sh_log_level level, const char *module, struct sh_str line)
{
    struct sh_test_env *t = ctx;
    sh_mutex_lock(&t->lock);
    t->log_lines[(size_t)level & 3]++;
    if (t->print_log) {
        (void)fprintf(stderr, "[%d] %s: %.*s\n", (int)level, module, SH_PRI(line));
    }
    sh_mutex_unlock(&t->lock);
}

static sh_err test_random(void *ctx, void *p, size_t n)
{
    struct sh_test_env *t = ctx;
    uint8_t *at = p;
    sh_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        t->rng = t->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (uint8_t)(t->rng >> 56);
    }
    sh_mutex_unlock(&t->lock);
    return SH_OK;
}

void sh_test_env_init(struct sh_test_env *t, const struct sh_fs *fs)
{
    *t = (struct sh_test_env){
        .alloc = {counting_resize, t},
        .clock = {test_wall, test_mono, t},
        .log = {SH_LOG_DEBUG, test_log, t},
        .random = {test_random, t},
        .wall_us = INT64_C(1767225600000000),
        .mono_us = 1000000,
        .fail_after = -1,
        .rng = 42,
    };
    sh_mutex_init(&t->lock);
    t->env = (struct sh_env){&t->alloc, &t->clock, &t->log, fs == NULL ? sh_fs_system() : fs,
                             &t->random};
}

void sh_test_env_fini(struct sh_test_env *t)
{
    sh_mutex_fini(&t->lock);
    if (t->blocks != 0) {
        fail_msg("%zu blocks are still live", t->blocks);
    }
}

void sh_test_advance(struct sh_test_env *t, int64_t us)
{
    __atomic_add_fetch(&t->wall_us, us, __ATOMIC_RELAXED);
    __atomic_add_fetch(&t->mono_us, us, __ATOMIC_RELAXED);
}

void sh_test_oom(sh_err (*body)(struct sh_test_env *t))
{
    enum { MOST = 100000 };
    for (long n = 0; n < MOST; n++) {
        struct sh_test_env t;
        sh_test_env_init(&t, NULL);
        t.fail_after = n;
        const sh_err err = body(&t);
        sh_test_env_fini(&t);
        if (err == SH_OK) {
            return;
        }
        if (err != SH_E_NOMEM && err != SH_E_LIMIT) {
            fail_msg("failing allocation %ld gave %s", n, sh_err_name(err));
        }
    }
    fail_msg("still failing after %d allocations", MOST);
}

void sh_test_tmpdir(char out[64])
{
    const char *base = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): start of a test */
    if (base == NULL || strlen(base) > 40) {
        base = "/tmp";
    }
    (void)snprintf(out, 64, "%s/shtest.XXXXXX", base);
    if (mkdtemp(out) == NULL) {
        fail_msg("no temporary folder under %s", base);
    }
}

static sh_err remove_entry(void *ctx, const char *name, bool is_dir)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    if (is_dir) {
        sh_test_rmdir(path);
        return SH_OK;
    }
    return sh_fs_unlink(sh_fs_system(), path);
}

void sh_test_rmdir(const char *path)
{
    union {
        const char *in;
        void *out;
    } ctx = {.in = path};
    const struct sh_fs *fs = sh_fs_system();
    assert_ok(fs->list(fs->ctx, path, remove_entry, ctx.out));
    assert_ok(fs->rmdir(fs->ctx, path));
}
