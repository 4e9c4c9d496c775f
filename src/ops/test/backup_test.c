/* Backup and restore on a file system that cuts the power and fills up. */
#include "../../history/test/rig.h"

#include <stdio.h>

#include "../ops_int.h"

enum { ROWS = 3000, MORE = 4000, STEP = 100, CHEAP_KIB = 64 };

struct node {
    struct sh_test_env t;
    struct sh_memfs *m;
    struct sh_crypto *crypto;
    struct sh_points *points;
    struct rig r;
    struct sh_backup_options o;
    struct sh_backup_info info;
    struct sh_diag diag;
    uint32_t bad; /* files told by a restore */
    char bad_path[OPS_PATH];
};

static void put(struct rig *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i += STEP) {
        assert_ok(rig_put(r, i == 0 ? 1 : i, i + STEP, rig_done, r)); /* there is no sample 0 */
        assert_ok(sh_journal_step(r->j));
    }
}

static void file(struct node *n, const char *path, const char *text)
{
    char dir[OPS_PATH];
    (void)snprintf(dir, sizeof dir, "%s", path);
    dir[sh_str_rfind(sh_str_c(path), '/')] = '\0';
    assert_ok(sh_fs_mkdirs(n->t.env.fs, dir));
    assert_ok(sh_fs_replace(n->t.env.fs, path, sh_str_bytes(sh_str_c(text))));
}

static void start(struct node *n, const char *dir)
{
    char history[128];
    n->r = (struct rig){.env = &n->t.env, .dir = dir, .segment_bytes = 64 << 10};
    assert_ok(rig_open(&n->r));
    (void)snprintf(history, sizeof history, "%s/history", dir);
    assert_ok(sh_points_open(&n->t.env, &(struct sh_points_options){.dir = history}, &n->points));
    n->o = (struct sh_backup_options){.env = &n->t.env,
                                      .crypto = n->crypto,
                                      .dir = dir,
                                      .to = "/backups",
                                      .version = "1.2.3",
                                      .history = n->r.h,
                                      .points = n->points,
                                      .journal = n->r.j,
                                      .argon2 = {.time = 1, .mem_kib = CHEAP_KIB, .lanes = 1}};
}

static void stop(struct node *n)
{
    sh_points_close(n->points);
    rig_close(&n->r);
    n->o.history = NULL;
    n->o.points = NULL;
    n->o.journal = NULL;
}

static void setup(struct node *n, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->m = sh_memfs_new(seed);
    sh_test_env_init(&n->t, sh_memfs_fs(n->m));
    assert_ok(sh_crypto_new(&n->t.env, &n->crypto));
    start(n, "/live");
    file(n, "/live/mqtt/state", "sessions");
    file(n, "/live/blobs/ab/abcd", "a drawing");
    file(n, "/live/blobs/tmp/7", "half a drawing");
    file(n, "/live/keys/node.key", "the node's key");
    file(n, "/live/keys/link-1", "a link");
}

static void teardown(struct node *n)
{
    sh_crypto_free(n->crypto);
    sh_memfs_free(n->m);
    sh_test_env_fini(&n->t);
}

static sh_err backup(struct node *n)
{
    n->diag = (struct sh_diag){.line = 0};
    return sh_backup_run(&n->o, &n->info, &n->diag);
}

static void told(void *ctx, const char *path, const char *what)
{
    struct node *n = ctx;
    SH_UNUSED(what);
    n->bad++;
    (void)snprintf(n->bad_path, sizeof n->bad_path, "%s", path);
}

static sh_err restore(struct node *n, const char *id, const char *dir, const char *passphrase,
                      bool without)
{
    char from[OPS_PATH];
    struct sh_backup_info info;
    n->diag = (struct sh_diag){.line = 0};
    n->bad = 0;
    (void)snprintf(from, sizeof from, "/backups/%s", id);
    return sh_restore_run(&(struct sh_restore_options){.env = &n->t.env,
                                                       .crypto = n->crypto,
                                                       .from = from,
                                                       .dir = dir,
                                                       .passphrase = sh_str_c(passphrase),
                                                       .without_keys = without,
                                                       .bad_file = told,
                                                       .ctx = n},
                          &info, &n->diag);
}

static bool is_text(struct node *n, const char *path, const char *want)
{
    struct sh_str s = {NULL, 0};
    if (sh_fs_read_all(n->t.env.fs, n->t.env.alloc, path, 4096, &s) != SH_OK) {
        return false;
    }
    const bool same = sh_str_eqc(s, want);
    sh_str_free(n->t.env.alloc, &s);
    return same;
}

/* The restored folder holds samples 1..at_least-1, all right, and perhaps later ones. */
static void holds(struct node *n, const char *dir, uint32_t at_least)
{
    static uint8_t have[ROWS + MORE + STEP];
    struct rig_seen seen;
    struct rig r = {.env = &n->t.env, .dir = dir, .segment_bytes = 64 << 10};
    assert_ok(rig_open(&r));
    assert_ok(rig_read(&r, have, sizeof have, &seen));
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(r.damaged, 0);
    assert_true(seen.rows >= at_least - 1);
    for (uint32_t i = 1; i < at_least; i++) {
        assert_int_equal(have[i], 1);
    }
    rig_close(&r);
}

struct listed {
    unsigned n;
    char id[8][SH_BACKUP_ID];
};
static sh_err listed_one(void *ctx, const struct sh_backup_info *i)
{
    struct listed *l = ctx;
    (void)snprintf(l->id[l->n++ % 8], SH_BACKUP_ID, "%s", i->id);
    return SH_OK;
}
static struct listed list(struct node *n)
{
    struct listed l = {.n = 0};
    assert_ok(sh_backup_list(&n->t.env, n->crypto, "/backups", listed_one, &l));
    return l;
}

static sh_err samples_meanwhile(void *ctx)
{
    struct node *n = ctx;
    put(&n->r, ROWS, ROWS + 500);
    return SH_OK;
}

static void test_backup_of_a_running_node_restores_all_acknowledged(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 1);
    put(&n.r, 0, ROWS);
    n.o.save = samples_meanwhile;
    n.o.ctx = &n;
    assert_ok(backup(&n));
    assert_true(n.info.online);
    assert_int_equal(n.info.seq_begin, ROWS / STEP);
    assert_true(n.info.seq_samples >= n.info.seq_begin);
    assert_int_equal(n.info.copied, n.info.bytes);
    assert_string_equal(n.info.id, "songhua-20260101T000000Z");
    put(&n.r, ROWS + 500, ROWS + MORE);
    assert_ok(sh_history_compact(n.r.h));
    assert_ok(restore(&n, n.info.id, "/new", "", false));
    assert_true(is_text(&n, "/new/mqtt/state", "sessions"));
    assert_true(is_text(&n, "/new/blobs/ab/abcd", "a drawing"));
    assert_false(ops_exists(&n.t.env, "/new/blobs/tmp/7"));
    assert_false(ops_exists(&n.t.env, "/new/keys/node.key"));
    assert_false(sh_restore_unfinished(&n.t.env, "/new"));
    holds(&n, "/new", ROWS);
    stop(&n);
    teardown(&n);
}

static void test_backup_of_a_stopped_node_takes_the_journal_along(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 2);
    put(&n.r, 0, ROWS);
    assert_ok(sh_history_flush(n.r.h));
    put(&n.r, ROWS, ROWS + 500); /* in the journal only: the process ends without a flush */
    sh_journal_close(n.r.j);
    n.r.j = NULL;
    sh_memfs_fail_write(n.m, 1);
    sh_history_close(n.r.h); /* its last flush fails */
    n.r.h = NULL;
    sh_points_close(n.points);
    n.o.history = NULL;
    n.o.points = NULL;
    n.o.journal = NULL;
    assert_ok(backup(&n));
    assert_false(n.info.online);
    assert_ok(restore(&n, n.info.id, "/new", "", false));
    holds(&n, "/new", ROWS + 500);
    teardown(&n);
}

static void test_second_backup_links_what_is_unchanged(void **state)
{
    (void)state;
    struct node n;
    char first[SH_BACKUP_ID];
    setup(&n, 3);
    put(&n.r, 0, ROWS);
    assert_ok(backup(&n));
    memcpy(first, n.info.id, sizeof first);
    put(&n.r, ROWS, ROWS + 500);
    assert_ok(backup(&n)); /* in the same second */
    assert_string_equal(n.info.id, "songhua-20260101T000000Z-2");
    assert_true(n.info.copied < n.info.bytes / 2);
    assert_int_equal(list(&n).n, 2);
    assert_ok(sh_backup_remove(&n.t.env, "/backups", sh_str_c(first)));
    assert_int_equal(sh_backup_remove(&n.t.env, "/backups", sh_str_c(first)), SH_E_NOTFOUND);
    assert_int_equal(sh_backup_remove(&n.t.env, "/backups", SH_STR("songhua-../x")), SH_E_INVAL);
    assert_ok(restore(&n, n.info.id, "/new", "", false)); /* it needs no other */
    holds(&n, "/new", ROWS + 500);
    /* a failed rehearsal: what lies there is not trusted any more */
    file(&n, "/backups/songhua-20260101T000000Z-2/report.json", "{\"good\":false}");
    sh_test_advance(&n.t, 1000000);
    assert_ok(backup(&n));
    assert_int_equal(n.info.copied, n.info.bytes);
    stop(&n);
    teardown(&n);
}

static void test_damaged_backup_is_refused_by_name_and_writes_nothing(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 4);
    put(&n.r, 0, ROWS);
    assert_ok(backup(&n));
    char path[OPS_PATH];
    (void)snprintf(path, sizeof path, "/backups/%s/data/blobs/ab/abcd", n.info.id);
    assert_true(sh_memfs_poke(n.m, path, 3, 1));
    assert_int_equal(restore(&n, n.info.id, "/new", "", false), SH_E_CORRUPT);
    assert_int_equal(n.bad, 1);
    assert_string_equal(n.bad_path, path);
    assert_non_null(strstr(n.diag.message, "data/blobs/ab/abcd"));
    assert_ok(sh_fs_unlink(n.t.env.fs, path));
    assert_int_equal(restore(&n, n.info.id, "/new", "", false), SH_E_CORRUPT);
    assert_int_equal(n.bad, 1);
    struct ops_names l;
    assert_ok(ops_names_read(&n.t.env, "/new", &l));
    assert_int_equal(l.n, 0);
    ops_names_free(&n.t.env, &l);
    (void)snprintf(path, sizeof path, "/backups/%s/manifest.json", n.info.id);
    assert_true(sh_memfs_poke(n.m, path, 300, 1));
    assert_int_equal(restore(&n, n.info.id, "/new", "", false), SH_E_CORRUPT);
    assert_int_equal(list(&n).n, 0); /* not listed as good */
    stop(&n);
    teardown(&n);
}

static void test_restore_refuses_a_used_folder_and_a_newer_format(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 5);
    put(&n.r, 0, ROWS);
    assert_ok(backup(&n));
    assert_int_equal(restore(&n, n.info.id, "/live", "", false), SH_E_EXISTS);
    assert_true(n.diag.remedy[0] != '\0');
    assert_int_equal(restore(&n, "songhua-2", "/new", "", false), SH_E_NOTFOUND);
    file(&n, "/backups/songhua-9/manifest.json",
         "{\"kind\":\"songhua-backup\",\"format\":2,\"id\":\"songhua-9\",\"version\":\"9.0.0\"}");
    assert_int_equal(restore(&n, "songhua-9", "/new", "", false), SH_E_UNSUPPORTED);
    assert_non_null(strstr(n.diag.remedy, "9.0.0"));
    stop(&n);
    teardown(&n);
}

static sh_err change_ring(void *ctx)
{
    file(ctx, "/live/keys/ring", "the ring with one key more");
    return SH_OK;
}

/* Records that are copied after it may be sealed by a key that the copied ring does not have. */
static void test_keys_that_change_meanwhile_make_no_backup(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 16);
    file(&n, "/live/keys/ring", "the ring");
    n.o.passphrase = SH_STR("correct horse");
    n.o.save = change_ring;
    n.o.ctx = &n;
    assert_int_equal(backup(&n), SH_E_CONFLICT);
    assert_true(n.diag.remedy[0] != '\0');
    assert_ok(backup(&n)); /* it is the same one from now on */
    n.o.passphrase = SH_STR("");
    file(&n, "/live/keys/ring", "the ring");
    assert_ok(backup(&n)); /* without keys it is no matter */
    stop(&n);
    teardown(&n);
}

static void test_keys_need_their_passphrase(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 6);
    n.o.passphrase = SH_STR("correct horse");
    assert_ok(backup(&n));
    assert_true(n.info.keys);
    assert_int_equal(restore(&n, n.info.id, "/a", "", false), SH_E_STATE);
    assert_int_equal(restore(&n, n.info.id, "/a", "correct horsf", false), SH_E_DENIED);
    assert_true(n.diag.remedy[0] != '\0');
    assert_ok(restore(&n, n.info.id, "/a", "correct horse", false));
    assert_true(is_text(&n, "/a/keys/node.key", "the node's key"));
    assert_false(ops_exists(&n.t.env, "/a/keys/link-1"));
    assert_ok(restore(&n, n.info.id, "/b", "", true));
    assert_false(ops_exists(&n.t.env, "/b/keys/node.key"));
    char path[OPS_PATH];
    struct sh_str box = {NULL, 0};
    (void)snprintf(path, sizeof path, "/backups/%s/data/keys.sealed", n.info.id);
    assert_ok(sh_fs_read_all(n.t.env.fs, n.t.env.alloc, path, 1 << 20, &box));
    for (size_t i = 0; i + 14 <= box.n; i++) {
        assert_memory_not_equal(box.p + i, "the node's key", 14);
    }
    sh_str_free(n.t.env.alloc, &box);
    n.o.passphrase = SH_STR("");
    sh_test_advance(&n.t, 1000000);
    assert_ok(backup(&n));
    assert_int_equal(restore(&n, n.info.id, "/c", "any", false), SH_E_STATE);
    stop(&n);
    teardown(&n);
}

static void test_full_disk_leaves_nothing_and_says_what_to_do(void **state)
{
    (void)state;
    struct node n;
    setup(&n, 7);
    put(&n.r, 0, ROWS);
    assert_ok(sh_history_flush(n.r.h));
    n.o.reserve = 100; /* nothing may be used */
    assert_int_equal(backup(&n), SH_E_FULL);
    assert_non_null(strstr(n.diag.message, "kept free"));
    assert_true(n.diag.remedy[0] != '\0');
    assert_int_equal(list(&n).n, 0);
    n.o.reserve = 0;
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    assert_ok(n.t.env.fs->space(n.t.env.fs->ctx, "/", &free_bytes, &total));
    const uint64_t used = total - free_bytes;
    bool done = false;
    for (uint64_t more = 1; !done; more += 997) { /* full at any place, until it fits */
        struct ops_names l;
        sh_memfs_set_space(n.m, used + more);
        const sh_err err = backup(&n);
        assert_true(err == SH_OK || err == SH_E_FULL);
        done = err == SH_OK;
        assert_ok(ops_names_read(&n.t.env, "/backups", &l));
        assert_int_equal(l.n, done ? 1 : 0);
        ops_names_free(&n.t.env, &l);
    }
    sh_memfs_set_space(n.m, 0);
    assert_ok(restore(&n, n.info.id, "/new", "", false));
    holds(&n, "/new", ROWS);
    stop(&n);
    teardown(&n);
}

static void test_power_cut_anywhere_leaves_a_whole_backup_or_none(void **state)
{
    (void)state;
    unsigned whole = 0;
    unsigned none = 0;
    for (long at = 0; at < 200; at++) {
        struct node n;
        setup(&n, 1000 + (uint64_t)at);
        put(&n.r, 0, 600);
        assert_ok(sh_history_flush(n.r.h));
        sh_memfs_cut_after(n.m, at);
        const sh_err err = backup(&n);
        sh_memfs_cut_after(n.m, 0); /* if it was done before */
        n.r.j = NULL;               /* the process is gone: closing writes nothing any more */
        struct sh_journal *j = n.o.journal;
        sh_journal_close(j);
        sh_history_close(n.r.h);
        sh_points_close(n.points);
        sh_memfs_reboot(n.m);
        const struct listed l = list(&n);
        assert_true(l.n <= 1);
        if (err == SH_OK) {
            assert_int_equal(l.n, 1);
        }
        uint64_t removed = 0;
        assert_ok(sh_backup_sweep(&n.t.env, "/backups", &removed));
        assert_int_equal(list(&n).n, l.n);
        if (l.n == 1) {
            assert_ok(restore(&n, l.id[0], "/new", "", false));
            holds(&n, "/new", 600);
            whole++;
        } else {
            struct ops_names left;
            assert_ok(ops_names_read(&n.t.env, "/backups", &left));
            assert_int_equal(left.n, 0);
            ops_names_free(&n.t.env, &left);
            none++;
        }
        teardown(&n);
    }
    assert_true(whole > 20 && none > 20);
}

static void test_power_cut_in_a_restore_is_seen(void **state)
{
    (void)state;
    unsigned unfinished = 0;
    for (long at = 0; at < 80; at++) {
        struct node n;
        setup(&n, 2000 + (uint64_t)at);
        put(&n.r, 0, 600);
        assert_ok(backup(&n));
        stop(&n);
        sh_memfs_cut_after(n.m, at);
        const sh_err err = restore(&n, n.info.id, "/new", "", false);
        sh_memfs_reboot(n.m);
        if (sh_restore_unfinished(&n.t.env, "/new")) {
            assert_true(err != SH_OK);
            assert_int_equal(restore(&n, n.info.id, "/new", "", false), SH_E_EXISTS);
            unfinished++;
        } else if (ops_exists(&n.t.env, "/new/journal/checkpoint")) {
            holds(&n, "/new", 600);
        } else {
            assert_false(ops_exists(&n.t.env, "/new/mqtt/state"));
        }
        teardown(&n);
    }
    assert_true(unfinished > 10);
}

static void test_cancel_ends_it_and_leaves_nothing(void **state)
{
    (void)state;
    struct node n;
    struct sh_backup_progress p = {.cancel = true};
    setup(&n, 8);
    put(&n.r, 0, ROWS);
    n.o.progress = &p;
    assert_int_equal(backup(&n), SH_E_CANCELED);
    assert_int_equal(list(&n).n, 0);
    atomic_store(&p.cancel, false);
    assert_ok(backup(&n));
    assert_int_equal(atomic_load(&p.files), n.info.files);
    stop(&n);
    teardown(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup_of_a_running_node_restores_all_acknowledged),
        cmocka_unit_test(test_backup_of_a_stopped_node_takes_the_journal_along),
        cmocka_unit_test(test_second_backup_links_what_is_unchanged),
        cmocka_unit_test(test_damaged_backup_is_refused_by_name_and_writes_nothing),
        cmocka_unit_test(test_restore_refuses_a_used_folder_and_a_newer_format),
        cmocka_unit_test(test_keys_that_change_meanwhile_make_no_backup),
        cmocka_unit_test(test_keys_need_their_passphrase),
        cmocka_unit_test(test_full_disk_leaves_nothing_and_says_what_to_do),
        cmocka_unit_test(test_power_cut_anywhere_leaves_a_whole_backup_or_none),
        cmocka_unit_test(test_power_cut_in_a_restore_is_seen),
        cmocka_unit_test(test_cancel_ends_it_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
