/* The power goes after the n-th writing operation, for every n: what was acknowledged is there. */
#include <sh/test.h>

#include "../journal_int.h"

enum { RECORDS = 40 };

struct book {
    bool acked[RECORDS + 1];
    bool seen[RECORDS + 1];
    uint64_t last_seq;
    int damaged;
};

static sh_err take(void *ctx, const struct sh_journal_record *rec)
{
    struct book *b = ctx;
    const uint32_t n = sh_le32(rec->data.p);
    assert_in_range(n, 1, RECORDS);
    assert_true(rec->seq > b->last_seq);
    b->last_seq = rec->seq;
    b->seen[n] = true;
    return SH_OK;
}

struct one {
    struct book *b;
    uint32_t n;
};

static void done(void *ctx, sh_err err, uint64_t seq)
{
    struct one *o = ctx;
    SH_UNUSED(seq);
    if (err == SH_OK) {
        o->b->acked[o->n] = true;
    }
}

static void report(void *ctx, const struct sh_journal_report *r)
{
    struct book *b = ctx;
    b->damaged += r->what == SH_JOURNAL_DAMAGED || r->what == SH_JOURNAL_LOST;
}

static sh_err open_it(struct sh_test_env *t, struct book *b, struct sh_journal **j)
{
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_SAMPLES, .name = "samples", .apply = take, .ctx = b};
    const struct sh_journal_options o = {.dir = "d",
                                         .segment_bytes = 64 << 10,
                                         .owners = &owner,
                                         .owner_count = 1,
                                         .report = report,
                                         .ctx = b};
    return sh_journal_open(&t->env, &o, j);
}

static void prepare(struct sh_journal *j)
{
    sh_mutex_lock(&j->files_lock);
    const sh_err err = journal_spare_prepare(j);
    SH_UNUSED(err); /* the committer makes the file then */
    sh_mutex_unlock(&j->files_lock);
}

struct folder {
    int half_made;
};

static sh_err entry(void *ctx, const char *name, bool is_dir)
{
    struct folder *f = ctx;
    SH_UNUSED(is_dir);
    f->half_made += strstr(name, ".making") != NULL;
    return SH_OK;
}

static struct folder look(struct sh_memfs *mem)
{
    struct folder f = {0};
    const struct sh_fs *fs = sh_memfs_fs(mem);
    const sh_err err = fs->list(fs->ctx, "d", entry, &f);
    SH_UNUSED(err); /* the cut may be before the folder */
    return f;
}

/* Appends all, with checkpoints on the way; stops at nothing. *ckp: last checkpoint asked for.
 * `ahead`: log files are made as the preparation thread makes them. */
static void scenario(struct sh_test_env *t, struct book *b, uint64_t *ckp, bool ahead)
{
    static uint8_t filler[12000];
    struct one ones[RECORDS + 1];
    struct sh_journal *j = NULL;
    if (open_it(t, b, &j) != SH_OK) {
        return;
    }
    for (uint32_t i = 1; i <= RECORDS; i++) {
        uint8_t head[4];
        uint64_t seq = 0;
        sh_put_le32(head, i);
        ones[i] = (struct one){b, i};
        const struct sh_bytes parts[] = {{head, 4}, {filler, (size_t)(i * 977) % sizeof filler}};
        sh_err err = sh_journal_append(j,
                                       &(struct sh_journal_append){.owner = SH_OWNER_SAMPLES,
                                                                   .parts = parts,
                                                                   .nparts = 2,
                                                                   .done = done,
                                                                   .ctx = &ones[i]},
                                       &seq);
        if (err == SH_OK && i % 3 == 0) {
            err = sh_journal_step(j);
        }
        if (ahead && i % 4 == 0) {
            prepare(j);
        }
        if (err == SH_OK && i % 12 == 0) {
            *ckp = i - 6; /* the owner has them elsewhere, whatever the answer is */
            const sh_err told = sh_journal_checkpoint(j, SH_OWNER_SAMPLES, i - 6);
            SH_UNUSED(told);
        }
    }
    sh_journal_close(j);
}

/* The power goes after each operation in turn. The answer: how often a half-made file was found. */
static int cut_everywhere(bool ahead)
{
    bool all = false;
    int half_made = 0;
    for (long n = 0; !all; n++) {
        struct sh_memfs *mem = sh_memfs_new((uint64_t)n * 7919 + 1);
        struct sh_test_env t;
        struct book b = {0};
        uint64_t ckp = 0;
        sh_test_env_init(&t, sh_memfs_fs(mem));
        sh_memfs_cut_after(mem, n);
        scenario(&t, &b, &ckp, ahead);
        all = (long)sh_memfs_ops(mem) < n;
        sh_memfs_cut_after(mem, -1);
        sh_memfs_reboot(mem);
        half_made += look(mem).half_made;
        struct book again = {0};
        struct sh_journal *j = NULL;
        assert_ok(open_it(&t, &again, &j));
        assert_int_equal(again.damaged, 0);
        assert_int_equal(look(mem).half_made, 0);
        for (uint32_t i = 1; i <= RECORDS; i++) {
            if (b.acked[i] && i > ckp && !again.seen[i]) {
                fail_msg("cut after %ld: record %u was acknowledged and is lost", n, i);
            }
        }
        sh_journal_close(j);
        /* A second start finds the same. */
        struct book third = {0};
        assert_ok(open_it(&t, &third, &j));
        assert_memory_equal(third.seen, again.seen, sizeof third.seen);
        sh_journal_close(j);
        sh_test_env_fini(&t);
        sh_memfs_free(mem);
        assert_in_range(n, 0, 5000);
    }
    return half_made;
}

static void test_power_cut_after_every_operation_keeps_what_was_acknowledged(void **state)
{
    (void)state;
    (void)cut_everywhere(false);
}

static void test_power_cut_while_files_are_made_ahead_leaves_no_half_made_one(void **state)
{
    (void)state;
    assert_true(cut_everywhere(true) > 0); /* the case was met */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_after_every_operation_keeps_what_was_acknowledged),
        cmocka_unit_test(test_power_cut_while_files_are_made_ahead_leaves_no_half_made_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
