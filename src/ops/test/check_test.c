/* check --history: whole folders have no problem, changed bytes are found, nothing is written. */
#include "../../history/test/rig.h"

#include <stdio.h>

#include <sh/check.h>

#include "../ops_int.h"

enum { ROWS = 3000, STEP = 100 };

struct seen {
    unsigned n;
    char file[OPS_PATH];
    char what[200];
};

static void told(void *ctx, const struct sh_check_problem *p)
{
    struct seen *s = ctx;
    assert_true(p->what[0] != '\0' && p->remedy[0] != '\0');
    s->n++;
    (void)snprintf(s->file, sizeof s->file, "%s", p->file);
    (void)snprintf(s->what, sizeof s->what, "%s", p->what);
}

static struct seen check(const struct sh_env *env, const char *dir, struct sh_check_counts *c)
{
    struct seen s = {.n = 0};
    assert_ok(sh_check_history(env, dir, told, &s, c));
    assert_int_equal(s.n, c->problems);
    return s;
}

static sh_err catalogue(void *ctx, const struct sh_journal_record *rec)
{
    return sh_points_apply(ctx, rec);
}

/* Three points in the catalogue, samples in two segments and in the journal. */
static void make(struct sh_test_env *t, const char *dir)
{
    char history[128];
    char journal[128];
    struct sh_points *points = NULL;
    struct sh_journal *j = NULL;
    struct rig r = {.env = &t->env, .dir = dir, .segment_bytes = 64 << 10};
    assert_ok(rig_open(&r));
    for (uint32_t i = 0; i < ROWS; i += STEP) {
        assert_ok(rig_put(&r, i == 0 ? 1 : i, i + STEP, rig_done, &r)); /* there is no sample 0 */
        assert_ok(sh_journal_step(r.j));
        if (i == ROWS / 2) {
            assert_ok(sh_history_flush(r.h));
        }
    }
    rig_close(&r);
    (void)snprintf(history, sizeof history, "%s/history", dir);
    (void)snprintf(journal, sizeof journal, "%s/journal", dir);
    assert_ok(sh_points_open(&t->env, &(struct sh_points_options){.dir = history}, &points));
    const struct sh_journal_owner o = {
        .id = SH_OWNER_CATALOGUE, .name = "catalogue", .apply = catalogue, .ctx = points};
    const struct sh_journal_options jo = {
        .dir = journal, .segment_bytes = 64 << 10, .owners = &o, .owner_count = 1};
    assert_ok(sh_journal_open(&t->env, &jo, &j));
    sh_points_attach(points, j);
    for (uint32_t i = 0; i < RIG_POINTS; i++) {
        char name[16];
        uint32_t id = 0;
        (void)snprintf(name, sizeof name, "d%u", i);
        const struct sh_point_def d = {
            .tenant = 1, .type = SH_T_F64, .device = sh_str_c(name), .property = SH_STR("f")};
        assert_ok(sh_points_define(points, &d, false, &id));
        assert_ok(sh_journal_step(j));
        if (i == 0) {
            assert_ok(
                sh_points_checkpoint(points)); /* one in points.log, the others in the journal */
        }
    }
    sh_journal_close(j);
    sh_points_close(points);
}

static void test_whole_folder_has_no_problem_and_is_not_changed(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_memfs *m = sh_memfs_new(1);
    struct sh_check_counts c;
    sh_test_env_init(&t, sh_memfs_fs(m));
    make(&t, "/node");
    const uint64_t ops = sh_memfs_ops(m);
    const struct seen s = check(&t.env, "/node", &c);
    assert_string_equal(s.what, "");
    assert_int_equal(sh_memfs_ops(m), ops);
    assert_true(c.segments >= 2 && c.samples >= ROWS - 1 && c.summaries > 0);
    assert_int_equal(c.points, RIG_POINTS);
    assert_true(c.journal_records > 0 && c.last_seq > 0);
    sh_memfs_free(m);
    sh_test_env_fini(&t);
}

static void test_changed_byte_is_found_wherever_it_counts(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_memfs *m = sh_memfs_new(1);
    struct sh_check_counts c;
    struct ops_names l;
    unsigned tried = 0;
    unsigned found = 0;
    sh_test_env_init(&t, sh_memfs_fs(m));
    make(&t, "/node");
    assert_ok(ops_names_read(&t.env, "/node/history", &l));
    for (size_t i = 0; i < l.n; i++) {
        char path[OPS_PATH];
        assert_ok(ops_join(path, "/node/history", l.p[i].name));
        for (uint64_t at = 3; sh_memfs_poke(m, path, at, 0x10); at += 37) {
            const struct seen s = check(&t.env, "/node", &c);
            tried++;
            found += s.n > 0;
            if (s.n > 0 && sh_str_ends(sh_str_c(path), SH_STR(".shs"))) {
                assert_string_equal(s.file, path);
            }
            assert_true(sh_memfs_poke(m, path, at, 0x10));
        }
    }
    ops_names_free(&t.env, &l);
    assert_true(tried > 200);
    assert_true(found * 100 >= tried * 98); /* but for the bytes between blocks */
    assert_int_equal(check(&t.env, "/node", &c).n, 0);
    sh_memfs_free(m);
    sh_test_env_fini(&t);
}

static void test_samples_without_their_point_are_told(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_memfs *m = sh_memfs_new(1);
    struct sh_check_counts c;
    sh_test_env_init(&t, sh_memfs_fs(m));
    struct rig r = {.env = &t.env, .dir = "/node", .segment_bytes = 64 << 10};
    assert_ok(rig_open(&r));
    assert_ok(rig_put(&r, 1, 10, rig_done, &r));
    assert_ok(sh_journal_step(r.j));
    rig_close(&r);
    const struct seen s = check(&t.env, "/node", &c);
    assert_true(s.n >= RIG_POINTS);
    assert_non_null(strstr(s.what, "no such point"));
    sh_memfs_free(m);
    sh_test_env_fini(&t);
}

static sh_err copy_in(void *ctx, const char *rel)
{
    struct sh_test_env *t = ctx;
    char from[OPS_PATH];
    char to[OPS_PATH];
    struct sh_str text = {NULL, 0};
    const struct sh_fs *real = sh_fs_system();
    if (!sh_str_ends(sh_str_c(rel), SH_STR(".shs")) && strstr(rel, "state.") == NULL) {
        return SH_OK;
    }
    const char *slash = strchr(rel, '/');
    SH_TRY(ops_join(from, SH_GOLDEN_DIR "/history", rel));
    SH_TRY(ops_join(to, "/old/history", slash == NULL ? rel : slash + 1));
    SH_TRY(sh_fs_read_all(real, t->env.alloc, from, 64 << 20, &text));
    const sh_err err = sh_fs_replace(t->env.fs, to, sh_str_bytes(text));
    sh_str_free(t->env.alloc, &text);
    return err;
}

/* Files of every released version: checked, backed up, restored, checked again. */
static void test_old_layouts_are_whole_and_go_through_a_backup(void **state)
{
    (void)state;
    const struct sh_env real = sh_env_system();
    struct ops_names versions;
    unsigned done = 0;
    assert_ok(ops_names_read(&real, SH_GOLDEN_DIR "/history", &versions));
    for (size_t v = 0; v < versions.n; v++) {
        struct sh_test_env t;
        struct sh_memfs *m = sh_memfs_new(1);
        struct sh_crypto *crypto = NULL;
        struct sh_history_check was = {.problem = NULL};
        struct sh_history_check now = {.problem = NULL};
        struct sh_backup_info info;
        char from[OPS_PATH];
        struct ops_names l;
        sh_test_env_init(&t, sh_memfs_fs(m));
        assert_ok(sh_crypto_new(&t.env, &crypto));
        assert_ok(sh_fs_mkdirs(t.env.fs, "/old/history"));
        assert_ok(ops_join(from, SH_GOLDEN_DIR "/history", versions.p[v].name));
        assert_ok(ops_names_read(&real, from, &l));
        for (size_t i = 0; i < l.n; i++) {
            char rel[OPS_PATH];
            assert_ok(ops_join(rel, versions.p[v].name, l.p[i].name));
            assert_ok(copy_in(&t, rel));
        }
        ops_names_free(&real, &l);
        assert_ok(sh_history_check(&t.env, "/old/history", &was));
        assert_int_equal(was.problems, 0);
        assert_true(was.samples > 0);
        const struct sh_backup_options o = {
            .env = &t.env, .crypto = crypto, .dir = "/old", .to = "/backups", .version = "1"};
        assert_ok(sh_backup_run(&o, &info, NULL));
        assert_ok(ops_join(from, "/backups", info.id));
        const struct sh_restore_options ro = {
            .env = &t.env, .crypto = crypto, .from = from, .dir = "/new"};
        assert_ok(sh_restore_run(&ro, &info, NULL));
        assert_ok(sh_history_check(&t.env, "/new/history", &now));
        assert_int_equal(now.problems, 0);
        assert_int_equal(now.samples, was.samples);
        assert_int_equal(now.summaries, was.summaries);
        sh_crypto_free(crypto);
        sh_memfs_free(m);
        sh_test_env_fini(&t);
        done++;
    }
    ops_names_free(&real, &versions);
    assert_true(done >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_folder_has_no_problem_and_is_not_changed),
        cmocka_unit_test(test_changed_byte_is_found_wherever_it_counts),
        cmocka_unit_test(test_samples_without_their_point_are_told),
        cmocka_unit_test(test_old_layouts_are_whole_and_go_through_a_backup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
