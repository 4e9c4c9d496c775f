/* test.h - what unit tests include first: cmocka with the headers it needs, in order, and fakes.
 * Tests only (library sh_testing).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TEST_H
#define SH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sh/base.h>

#define SH_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define assert_ok(expr) assert_int_equal((expr), SH_OK)
#define assert_str(s, lit)                                                                         \
    do {                                                                                           \
        const struct sh_str sh_s_ = (s);                                                           \
        assert_int_equal(sh_s_.n, sizeof(lit) - 1);                                                \
        assert_memory_equal(sh_s_.p, (lit), sizeof(lit) - 1);                                      \
    } while (0)

/* Environment for tests: counting allocator, settable clock, log kept in memory, repeatable
 * "randomness", and the in-memory file system of sh_memfs. Not for production. */
struct sh_test_env {
    struct sh_env env;
    struct sh_alloc alloc;
    struct sh_clock clock;
    struct sh_log log;
    struct sh_random random;
    int64_t wall_us; /* starts at 2026-01-01T00:00:00Z */
    int64_t mono_us; /* starts at 1 s */
    size_t blocks;   /* live blocks */
    long fail_after; /* -1 = never; n = the n-th allocation from now on fails (0 = next) */
    uint64_t rng;
    size_t log_lines[4]; /* per level */
    bool print_log;
    struct sh_mutex lock;
};
/* fs == NULL: the real file system. */
void sh_test_env_init(struct sh_test_env *t, const struct sh_fs *fs);
/* Fails the test when blocks are still live. */
void sh_test_env_fini(struct sh_test_env *t);
/* Moves both clocks on. */
void sh_test_advance(struct sh_test_env *t, int64_t us);

/* Runs body with the 1st, 2nd, 3rd ... allocation failing until it returns SH_OK. Each failed run
 * must return SH_E_NOMEM (or SH_E_LIMIT) and leave no block behind. */
void sh_test_oom(sh_err (*body)(struct sh_test_env *t));

/* New empty folder under $TMPDIR (default /tmp); removed with all in it by sh_test_rmdir. */
void sh_test_tmpdir(char out[64]);
void sh_test_rmdir(const char *path);

/* In-memory file system that knows what a power cut keeps. Every file has a durable and a volatile
 * image, every folder a durable and a volatile list. */
struct sh_memfs;
struct sh_memfs *sh_memfs_new(uint64_t seed);
void sh_memfs_free(struct sh_memfs *m);
const struct sh_fs *sh_memfs_fs(struct sh_memfs *m);
/* After n more operations that write (0 = at once) each operation fails with SH_E_IO, as if the
 * power had gone. n < 0: never. */
void sh_memfs_cut_after(struct sh_memfs *m, long n);
uint64_t sh_memfs_ops(const struct sh_memfs *m); /* writing operations so far */
/* The power comes back: what was synced is there; of each unsynced write an arbitrary subset of
 * 512-byte sectors (seeded) is there too; unsynced names may be there or not. Open files are gone.
 */
void sh_memfs_reboot(struct sh_memfs *m);
/* Faults that do not cut: the next `n` calls of that kind fail. */
void sh_memfs_fail_sync(struct sh_memfs *m, int n);                /* SH_E_IO */
void sh_memfs_fail_write(struct sh_memfs *m, int n);               /* SH_E_IO after a short write */
void sh_memfs_set_space(struct sh_memfs *m, uint64_t total_bytes); /* SH_E_FULL beyond it */
/* Direct access to a file's bytes (to damage them); false when there is no such file. */
bool sh_memfs_poke(struct sh_memfs *m, const char *path, uint64_t off, uint8_t xor_with);

#endif /* SH_TEST_H */
