#include "store_fix.h"

static void test_put_then_get_gives_the_record_after_reopen_too(void **state)
{
    struct fix *f = *state;
    struct sh_record_row row;
    uint64_t rev = 0;
    assert_ok(fix_put(f, "_k", "a", "{ \"n\" : 0.1, \"b\":[1, -0.0, \"泵\"] }", 0, &rev));
    assert_int_equal(rev, 1);
    for (int i = 0; i < 2; i++) {
        assert_ok(fix_get(f, "_k", "a", &row));
        assert_str(row.doc, "{\"n\":0.1,\"b\":[1,-0.0,\"泵\"]}");
        assert_str(row.author, "zhang");
        assert_int_equal(row.rev, 1);
        assert_true(row.created_us == row.updated_us);
        fix_reopen(f);
    }
    assert_int_equal(fix_get(f, "_k", "b", &row), SH_E_NOTFOUND);
    assert_int_equal(sh_record_get(f->r, 2, SH_STR("_k"), SH_STR("a"), f->ar, &row),
                     SH_E_NOTFOUND); /* another tenant */
}

static void test_put_with_wrong_revision_conflicts(void **state)
{
    struct fix *f = *state;
    uint64_t rev = 0;
    const struct sh_str k = SH_STR("_k");
    const struct sh_str a = SH_STR("a");
    assert_ok(fix_put(f, "_k", "a", "{}", 0, &rev));
    assert_int_equal(fix_put(f, "_k", "a", "{}", 0, &rev), SH_E_CONFLICT);
    assert_ok(fix_put(f, "_k", "a", "{}", 1, &rev));
    assert_int_equal(rev, 2);
    assert_int_equal(fix_put(f, "_k", "a", "{}", 1, &rev), SH_E_CONFLICT);
    assert_int_equal(fix_put(f, "_k", "b", "{}", 7, &rev), SH_E_CONFLICT);
    assert_ok(fix_put(f, "_k", "a", "{}", SH_RECORD_ANY, &rev));
    assert_int_equal(rev, 3);
    assert_int_equal(sh_record_delete(f->r, 1, k, a, 2, SH_STR("")), SH_E_CONFLICT);
    assert_ok(sh_record_delete(f->r, 1, k, a, 3, SH_STR("")));
    assert_int_equal(sh_record_delete(f->r, 1, k, a, SH_RECORD_ANY, SH_STR("")), SH_E_NOTFOUND);
}

static void test_put_bad_name_or_document_is_refused(void **state)
{
    static const struct {
        const char *type, *id, *doc;
        sh_err expect;
    } rows[] = {
        {"_k", "", "{}", SH_E_INVAL},
        {"_k", "a\nb", "{}", SH_E_INVAL},
        {"_k", "\xff", "{}", SH_E_INVAL},
        {"", "a", "{}", SH_E_INVAL},
        {"1k", "a", "{}", SH_E_INVAL},
        {"_k'", "a", "{}", SH_E_INVAL},
        {"_type", "a", "{}", SH_E_INVAL},
        {"_k", "a", "[]", SH_E_INVAL},
        {"_k", "a", "3", SH_E_INVAL},
        {"_k", "a", "{", SH_E_INVAL},
        {"_k", "a", "{\"a\":1,\"a\":2}", SH_E_INVAL},
        {"_k", "a';DROP TABLE rec;--", "{}", SH_OK},
        {"_k", "车间/一号 机床", "{}", SH_OK},
        {"nosuch", "a", "{}", SH_E_NOTFOUND},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(fix_put(f, rows[i].type, rows[i].id, rows[i].doc, SH_RECORD_ANY, NULL),
                         rows[i].expect);
    }
}

static void test_tx_is_all_or_nothing(void **state)
{
    struct fix *f = *state;
    struct sh_record_row row;
    struct sh_record_tx *tx = NULL;
    size_t failed = 0;
    struct sh_diag d;
    struct sh_record_put p = {
        .tenant = 1, .type = SH_STR("_k"), .id = SH_STR("x"), .doc = SH_STR("{}")};
    assert_ok(fix_put(f, "_k", "old", "{}", 0, NULL));
    assert_ok(sh_record_tx_new(f->r, SH_STR("li"), &tx));
    assert_ok(sh_record_tx_put(tx, &p));
    assert_ok(sh_record_tx_delete(tx, 1, SH_STR("_k"), SH_STR("old"), 1));
    p.id = SH_STR("y");
    p.expect = 9;
    assert_ok(sh_record_tx_put(tx, &p));
    assert_int_equal(sh_record_tx_commit(tx, &failed, &d), SH_E_CONFLICT);
    assert_int_equal(failed, 2);
    assert_int_equal(sh_record_tx_commit(tx, &failed, &d), SH_E_STATE);
    sh_record_tx_free(tx);
    assert_int_equal(fix_get(f, "_k", "x", &row), SH_E_NOTFOUND);
    assert_ok(fix_get(f, "_k", "old", &row));

    assert_ok(sh_record_tx_new(f->r, SH_STR("li"), &tx));
    p.expect = 0;
    assert_ok(sh_record_tx_put(tx, &p));
    p.expect = 1; /* sees the change before it */
    assert_ok(sh_record_tx_put(tx, &p));
    assert_ok(sh_record_tx_expect(tx, 1, SH_STR("_k"), SH_STR("old"), 1));
    assert_ok(sh_record_tx_commit(tx, &failed, &d));
    assert_int_equal(sh_record_tx_rev(tx, 0), 1);
    assert_int_equal(sh_record_tx_rev(tx, 1), 2);
    sh_record_tx_free(tx);
}

static void test_revisions_keep_what_was(void **state)
{
    struct fix *f = *state;
    struct sh_record_page page;
    const struct sh_str k = SH_STR("_k");
    const struct sh_str a = SH_STR("a");
    uint64_t rev = 0;
    assert_ok(fix_put(f, "_k", "a", "{\"v\":1}", 0, NULL));
    assert_ok(fix_put(f, "_k", "a", "{\"v\":2}", 1, NULL));
    assert_ok(sh_record_delete(f->r, 1, k, a, 2, SH_STR("li")));
    assert_ok(fix_put(f, "_k", "a", "{\"v\":4}", 0, &rev));
    assert_int_equal(rev, 4); /* goes on counting */
    assert_ok(sh_record_revisions(f->r, 1, k, a, 0, 10, f->ar, &page));
    assert_int_equal(page.n, 4);
    assert_str(page.rows[0].doc, "{\"v\":4}");
    assert_true(page.rows[1].deleted);
    assert_str(page.rows[1].author, "li");
    assert_str(page.rows[3].doc, "{\"v\":1}");
    assert_ok(sh_record_revisions(f->r, 1, k, a, 3, 1, f->ar, &page));
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].rev, 2);
}

static void test_links_join_records_and_go_with_them(void **state)
{
    struct fix *f = *state;
    struct sh_record_tx *tx = NULL;
    struct sh_record_link *links = NULL;
    size_t n = 0;
    const struct sh_str k = SH_STR("_k");
    const struct sh_str any = SH_STR("");
    const struct sh_str a = SH_STR("a");
    const struct sh_str b = SH_STR("b");
    const struct sh_record_links_query out = {.tenant = 1, .type = k, .id = a};
    const struct sh_record_links_query in = {
        .tenant = 1, .type = k, .id = b, .in = true, .relation = SH_STR("feeds")};
    const struct sh_record_link l = {k, a, SH_STR("feeds"), k, b};
    assert_ok(fix_put(f, "_k", "a", "{}", 0, NULL));
    assert_ok(sh_record_tx_new(f->r, any, &tx));
    assert_ok(sh_record_tx_link(tx, 1, &l));
    assert_int_equal(sh_record_tx_commit(tx, NULL, NULL), SH_E_NOTFOUND); /* no b yet */
    sh_record_tx_free(tx);
    assert_ok(fix_put(f, "_k", "b", "{}", 0, NULL));
    assert_ok(sh_record_tx_new(f->r, any, &tx));
    assert_ok(sh_record_tx_link(tx, 1, &l));
    assert_ok(sh_record_tx_link(tx, 1, &l)); /* again: nothing changes */
    assert_ok(sh_record_tx_commit(tx, NULL, NULL));
    sh_record_tx_free(tx);
    assert_ok(sh_record_links(f->r, &out, f->ar, &links, &n));
    assert_int_equal(n, 1);
    assert_str(links[0].to_id, "b");
    assert_ok(sh_record_links(f->r, &in, f->ar, &links, &n));
    assert_int_equal(n, 1);
    assert_str(links[0].from_id, "a");
    assert_ok(sh_record_delete(f->r, 1, k, b, SH_RECORD_ANY, any));
    assert_ok(sh_record_links(f->r, &out, f->ar, &links, &n));
    assert_int_equal(n, 0);
}

/* A record that gets another id: its links follow, both ways, in one transaction. */
static void test_links_follow_a_record_to_another_id(void **state)
{
    struct fix *f = *state;
    struct sh_record_tx *tx = NULL;
    struct sh_record_link *links = NULL;
    struct sh_record_change *changes = NULL;
    uint64_t next = 0;
    size_t n = 0;
    const struct sh_str k = SH_STR("_k");
    const struct sh_str any = SH_STR("");
    const struct sh_str a = SH_STR("a");
    const struct sh_str b = SH_STR("b");
    const struct sh_str z = SH_STR("z");
    const struct sh_record_link all[] = {{k, a, SH_STR("feeds"), k, b},
                                         {k, b, SH_STR("feeds"), k, a},
                                         {k, a, SH_STR("self"), k, a},
                                         {k, b, SH_STR("near"), k, b}};
    const struct sh_record_put put = {
        .tenant = 1, .type = k, .id = z, .doc = SH_STR("{}"), .flags = SH_RECORD_F_FEED};
    assert_ok(fix_put(f, "_k", "a", "{}", 0, NULL));
    assert_ok(fix_put(f, "_k", "b", "{}", 0, NULL));
    assert_ok(sh_record_tx_new(f->r, any, &tx));
    for (size_t i = 0; i < SH_COUNT(all); i++) {
        assert_ok(sh_record_tx_link(tx, 1, &all[i]));
    }
    assert_ok(sh_record_tx_commit(tx, NULL, NULL));
    sh_record_tx_free(tx);
    assert_ok(sh_record_tx_new(f->r, any, &tx));
    assert_ok(sh_record_tx_relink(tx, 1, k, a, z));
    assert_int_equal(sh_record_tx_commit(tx, NULL, NULL), SH_E_NOTFOUND); /* no z yet */
    sh_record_tx_free(tx);
    const uint64_t before = sh_record_change_last(f->r);
    assert_ok(sh_record_tx_new(f->r, any, &tx));
    assert_ok(sh_record_tx_put(tx, &put));
    assert_ok(sh_record_tx_relink(tx, 1, k, a, z));
    assert_ok(sh_record_tx_delete(tx, 1, k, a, SH_RECORD_ANY));
    assert_ok(sh_record_tx_commit(tx, NULL, NULL));
    sh_record_tx_free(tx);
    struct sh_record_links_query q = {.tenant = 1, .type = k, .id = z};
    assert_ok(sh_record_links(f->r, &q, f->ar, &links, &n));
    assert_int_equal(n, 2);
    assert_str(links[0].to_id, "b");
    assert_str(links[1].to_id, "z"); /* to itself still */
    q.in = true;
    assert_ok(sh_record_links(f->r, &q, f->ar, &links, &n));
    assert_int_equal(n, 2);
    assert_str(links[0].from_id, "b");
    q.id = a;
    assert_ok(sh_record_links(f->r, &q, f->ar, &links, &n));
    assert_int_equal(n, 0);
    q.id = b;
    assert_ok(sh_record_links(f->r, &q, f->ar, &links, &n));
    assert_int_equal(n, 2); /* near itself, and fed by z */
    assert_ok(sh_record_changes(f->r, before, 1, any, 100, f->ar, &changes, &n, &next));
    size_t linked = 0;
    for (size_t i = 0; i < n; i++) {
        linked += changes[i].act == SH_RECORD_LINKED ? 1 : 0;
    }
    assert_int_equal(linked, 3);
}

/* An internal kind has indexed fields too, for records from before as well. */
static void test_an_internal_kind_is_found_by_its_fields(void **state)
{
    struct fix *f = *state;
    const char *const fields = "[\"d\",\"at\"]";
    struct sh_record_stats st = {.indexing = true};
    for (int i = 0; i < 60; i++) {
        char id[16];
        char doc[64];
        (void)snprintf(id, sizeof id, "r%02d", i);
        (void)snprintf(doc, sizeof doc, "{\"d\":\"%c\",\"at\":%d}", 'a' + i % 3, i);
        assert_ok(fix_put(f, "_k", id, doc, 0, NULL));
        if (i == 30) {
            assert_ok(sh_record_kind_index(f->r, SH_STR("_k"), fields));
            assert_ok(sh_record_kind_index(f->r, SH_STR("_k"), fields)); /* as each start does */
        }
    }
    while (st.indexing) {
        sh_record_stats(f->r, &st);
    }
    const struct sh_record_query q = {.tenant = 1,
                                      .type = SH_STR("_k"),
                                      .filter = SH_STR("d in [\"a\",\"x\"]"),
                                      .sort = SH_STR("-at"),
                                      .limit = 8};
    struct sh_record_query next = q;
    struct sh_record_page page;
    size_t n = 0;
    int64_t last = 60;
    do {
        assert_ok(sh_record_list(f->r, &next, f->ar, &page, NULL));
        for (size_t i = 0; i < page.n; i++) {
            int64_t at = 0;
            assert_ok(sh_i64_parse(sh_str_sub(page.rows[i].id, 1, page.rows[i].id.n), &at));
            assert_true(at < last && at % 3 == 0);
            last = at;
        }
        n += page.n;
        next.cursor = page.next;
    } while (page.next.n > 0);
    assert_int_equal(n, 20);
    assert_int_equal(sh_record_kind_index(f->r, SH_STR("k"), fields), SH_E_INVAL);
}

static void note(void *ctx, uint64_t last)
{
    *(uint64_t *)ctx = last;
}

static void test_changes_are_in_order_and_resume(void **state)
{
    struct fix *f = *state;
    struct sh_record_change *c = NULL;
    size_t n = 0;
    uint64_t next = 0;
    uint64_t noted = 0;
    const struct sh_str k = SH_STR("_k");
    const uint32_t all = SH_RECORD_ALL_TENANTS;
    assert_int_equal(sh_record_changes_wait(f->r, 0, 1000), SH_E_TIMEOUT);
    assert_ok(sh_record_watch(f->r, note, &noted));
    assert_ok(fix_put(f, "_k", "a", "{}", 0, NULL));
    assert_ok(fix_put(f, "_k2", "b", "{}", 0, NULL));
    assert_ok(fix_put(f, "_k", "a", "{}", 1, NULL));
    assert_ok(sh_record_delete(f->r, 1, k, SH_STR("a"), 2, SH_STR("li")));
    assert_ok(sh_record_changes_wait(f->r, 3, 1000000));
    assert_ok(sh_record_changes(f->r, 0, 1, k, 2, f->ar, &c, &n, &next));
    assert_int_equal(n, 2);
    assert_int_equal(c[0].act, SH_RECORD_CREATED);
    assert_int_equal(c[1].act, SH_RECORD_UPDATED);
    assert_int_equal(c[1].rev, 2);
    assert_true(c[1].seq > c[0].seq + 1);
    assert_ok(sh_record_changes(f->r, next, all, SH_STR(""), 2, f->ar, &c, &n, &next));
    assert_int_equal(n, 1);
    assert_int_equal(c[0].act, SH_RECORD_DELETED);
    assert_str(c[0].author, "li");
    assert_int_equal(next, sh_record_change_last(f->r));
    fix_reopen(f);
    assert_int_equal(noted, next); /* after close: the writer has told all watchers */
    assert_int_equal(sh_record_change_last(f->r), next);
    assert_ok(sh_record_changes(f->r, 0, 9, SH_STR(""), 0, f->ar, &c, &n, &next));
    assert_int_equal(n, 0); /* another tenant; the position moves on */
    assert_int_equal(next, sh_record_change_last(f->r));
}

static void test_changes_forgotten_are_told(void **state)
{
    struct fix *f = *state;
    struct sh_record_change *c = NULL;
    size_t n = 0;
    uint64_t next = 0;
    sh_record_close(f->r);
    f->cfg.keep_changes = 10;
    fix_open(f);
    for (int i = 0; i < 600; i++) { /* trimming happens every 256 commits */
        assert_ok(fix_put(f, "_k", "a", "{}", SH_RECORD_ANY, NULL));
    }
    assert_int_equal(sh_record_changes(f->r, 0, 1, SH_STR(""), 5, f->ar, &c, &n, &next),
                     SH_E_LIMIT);
    assert_ok(sh_record_changes(f->r, 595, 1, SH_STR(""), 50, f->ar, &c, &n, &next));
    assert_int_equal(n, 5);
    assert_int_equal(next, 600);
}

static uint64_t store_abc(struct fix *f, uint32_t tenant, char hash[SH_RECORD_HASH_CHARS])
{
    struct sh_record_blob_writer *w = NULL;
    uint64_t size = 0;
    assert_ok(sh_record_blob_begin(f->r, tenant, &w));
    assert_ok(sh_record_blob_write(w, sh_str_bytes(SH_STR("ab"))));
    assert_ok(sh_record_blob_write(w, sh_str_bytes(SH_STR("c"))));
    assert_ok(sh_record_blob_end(w, hash, &size, NULL));
    return size;
}

static void ref(struct fix *f, struct sh_str hash, int by, sh_err expect)
{
    struct sh_record_tx *tx = NULL;
    assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
    assert_ok(sh_record_tx_blob_ref(tx, 1, hash, by));
    assert_int_equal(sh_record_tx_commit(tx, NULL, NULL), expect);
    sh_record_tx_free(tx);
}

static void add_idle(void *ctx, uint32_t tenant, int64_t bytes)
{
    int64_t *sums = ctx;
    sums[tenant] += bytes;
}

/* Who counts what tenants store hears of content that nothing refers to, once for each tenant. */
static void test_idle_content_is_counted(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    const struct sh_str hash = {h, sizeof h};
    const int64_t day = INT64_C(86400000000);
    int64_t sums[3] = {0};
    struct sh_record_blob_writer *w = NULL;
    struct sh_record_tx *tx = NULL;
    bool fresh = false;
    uint64_t removed = 0;
    (void)store_abc(f, 1, h); /* before anybody counts */
    assert_ok(sh_record_blob_count(f->r, add_idle, sums));
    assert_int_equal(sums[1], 3);
    for (uint32_t tenant = 1; tenant <= 2; tenant++) {
        assert_ok(sh_record_blob_begin(f->r, tenant, &w));
        assert_ok(sh_record_blob_write(w, sh_str_bytes(SH_STR("abc"))));
        assert_ok(sh_record_blob_end(w, h, NULL, &fresh));
        assert_int_equal(fresh, tenant == 2); /* what another tenant has is fresh all the same */
    }
    assert_int_equal(sums[2], 0); /* told to the caller */
    ref(f, hash, 1, SH_OK);
    assert_int_equal(sums[1], 0);
    ref(f, hash, 1, SH_OK);
    ref(f, hash, -1, SH_OK);
    assert_int_equal(sums[1], 0);
    ref(f, hash, -1, SH_OK);
    assert_int_equal(sums[1], 3);
    ref(f, hash, -1, SH_E_STATE); /* what was not done changes nothing */
    assert_int_equal(sums[1], 3);
    assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
    assert_ok(sh_record_tx_blob_take(tx, 2, hash)); /* the caller counts it himself */
    assert_ok(sh_record_tx_commit(tx, NULL, NULL));
    sh_record_tx_free(tx);
    assert_int_equal(sums[2], 0);
    assert_int_equal(sh_record_blob_drop(f->r, 1, hash, 0), SH_E_STATE);         /* younger */
    assert_int_equal(sh_record_blob_drop(f->r, 2, hash, INT64_MAX), SH_E_STATE); /* in use */
    assert_ok(sh_record_blob_drop(f->r, 1, hash, INT64_MAX));
    assert_int_equal(sums[1], 0);
    assert_int_equal(sh_record_blob_drop(f->r, 1, hash, INT64_MAX), SH_E_NOTFOUND);
    assert_ok(sh_record_blob_verify(f->r, 2, hash));
    (void)store_abc(f, 1, h);
    sums[1] = 3;
    assert_ok(sh_record_blob_gc(f->r, -day, &removed));
    assert_int_equal(removed, 1);
    assert_int_equal(sums[1], 0);
}

static void test_blob_is_stored_once_and_seen_per_tenant(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    struct sh_record_stats st;
    struct sh_record_blob *b = NULL;
    uint64_t size = 0;
    const struct sh_str hash = {h, sizeof h};
    assert_int_equal(store_abc(f, 1, h), 3);
    assert_int_equal(store_abc(f, 2, h), 3);
    /* FIPS 180-4 example: SHA-256("abc") */
    assert_str(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sh_record_stats(f->r, &st);
    assert_int_equal(st.blob_bytes, 3);
    assert_ok(sh_record_blob_verify(f->r, 1, hash));
    assert_int_equal(sh_record_blob_open(f->r, 3, hash, &b, &size), SH_E_NOTFOUND);
    assert_int_equal(sh_record_blob_open(f->r, 1, SH_STR("../../etc"), &b, &size), SH_E_INVAL);
    assert_ok(sh_record_blob_open(f->r, 2, hash, &b, &size));
    char text[8];
    size_t got = 0;
    assert_ok(sh_record_blob_read(b, 1, text, sizeof text, &got));
    assert_int_equal(got, 2);
    sh_record_blob_close(b);
}

static void test_blob_without_reference_is_collected_and_damage_is_found(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    char path[256];
    struct sh_record_stats st;
    uint64_t removed = 0;
    const struct sh_str hash = {h, sizeof h};
    (void)store_abc(f, 1, h);
    (void)store_abc(f, 2, h);
    ref(f, hash, 1, SH_OK);
    sh_test_advance(&f->t, 10);
    sh_record_blob_hold(f->r);
    assert_ok(sh_record_blob_gc(f->r, 0, &removed));
    assert_int_equal(removed, 0);
    sh_record_blob_release(f->r);
    assert_ok(sh_record_blob_gc(f->r, 0, &removed));
    assert_int_equal(removed, 1); /* tenant 2 held no reference */
    assert_ok(sh_record_blob_verify(f->r, 1, hash));
    assert_int_equal(sh_record_blob_verify(f->r, 2, hash), SH_E_NOTFOUND);
    (void)snprintf(path, sizeof path, "%s/ba/%.64s", f->blobs, h);
    assert_ok(sh_fs_replace(f->t.env.fs, path, sh_str_bytes(SH_STR("abd"))));
    assert_int_equal(sh_record_blob_verify(f->r, 1, hash), SH_E_CORRUPT);
    ref(f, hash, -1, SH_OK);
    ref(f, hash, -1, SH_E_STATE);
    assert_ok(sh_record_blob_gc(f->r, 0, &removed));
    sh_record_stats(f->r, &st);
    assert_int_equal(st.blob_bytes, 0);
    ref(f, hash, 1, SH_E_NOTFOUND);
}

static void stray(struct fix *f, const char *folder, const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", f->blobs, folder);
    assert_ok(sh_fs_mkdirs(f->t.env.fs, path));
    (void)snprintf(path, sizeof path, "%s/%s/%s", f->blobs, folder, name);
    assert_ok(sh_fs_replace(f->t.env.fs, path, sh_str_bytes(SH_STR("stray"))));
}

/* What a crash leaves goes; what is known, and what is not ours, stays. */
static void test_blob_files_that_nobody_knows_are_swept(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    char name[80];
    uint64_t removed = 0;
    (void)store_abc(f, 1, h);
    for (int i = 0; i < 300; i++) { /* more than one round */
        (void)snprintf(name, sizeof name, "ba%062d", i);
        stray(f, "ba", name);
    }
    stray(f, "ba", "notes.txt");
    (void)snprintf(name, sizeof name, "bc%062d", 7);
    stray(f, "ba", name); /* in the wrong folder: not ours */
    sh_record_blob_hold(f->r);
    assert_ok(sh_record_blob_sweep(f->r, &removed));
    assert_int_equal(removed, 0);
    sh_record_blob_release(f->r);
    assert_ok(sh_record_blob_sweep(f->r, &removed));
    assert_int_equal(removed, 300);
    assert_ok(sh_record_blob_verify(f->r, 1, (struct sh_str){h, sizeof h}));
    assert_ok(sh_record_blob_sweep(f->r, &removed));
    assert_int_equal(removed, 0);
}

/* The collector chose it; then somebody stored the same content anew and will refer to it. */
static void test_blob_stored_again_is_young(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    uint64_t removed = 0;
    (void)store_abc(f, 1, h);
    sh_test_advance(&f->t, 1000);
    (void)store_abc(f, 1, h);
    assert_ok(sh_record_blob_gc(f->r, 500, &removed));
    assert_int_equal(removed, 0);
    ref(f, (struct sh_str){h, sizeof h}, 1, SH_OK);
    sh_test_advance(&f->t, 1000);
    assert_ok(sh_record_blob_gc(f->r, 500, &removed));
    assert_int_equal(removed, 0);
}

/* The power goes at each step of storing a file: what was acknowledged is whole afterwards, what
 * was not is not there, and nothing lies about once it was swept. */
static void test_blob_survives_a_power_cut_at_each_step(void **state)
{
    struct fix *f = *state;
    char h[SH_RECORD_HASH_CHARS];
    const struct sh_str hash = {h, sizeof h};
    const struct sh_fs *real = f->t.env.fs;
    bool done = false;
    for (long cut = 0; cut < 60 && !done; cut++) {
        struct sh_memfs *m = sh_memfs_new((uint64_t)cut + 1);
        struct sh_record_blob_writer *w = NULL;
        uint64_t removed = 0;
        sh_record_close(f->r);
        const sh_err gone = sh_fs_unlink(real, f->path);
        SH_UNUSED(gone);
        f->t.env.fs = sh_memfs_fs(m);
        f->cfg.blob_dir = "/blobs";
        fix_open(f);
        sh_memfs_cut_after(m, cut);
        sh_err err = sh_record_blob_begin(f->r, 1, &w);
        if (err == SH_OK) {
            err = sh_record_blob_write(w, sh_str_bytes(SH_STR("abc")));
            if (err == SH_OK) {
                err = sh_record_blob_end(w, h, NULL, NULL);
            } else {
                sh_record_blob_abort(w);
            }
        }
        done = err == SH_OK;
        sh_record_close(f->r);
        sh_memfs_cut_after(m, -1);
        sh_memfs_reboot(m);
        fix_open(f);
        assert_ok(sh_record_blob_sweep(f->r, &removed));
        if (done) {
            assert_ok(sh_record_blob_verify(f->r, 1, hash));
            assert_int_equal(removed, 0);
        }
        assert_ok(sh_record_blob_begin(f->r, 1, &w)); /* and it works again */
        assert_ok(sh_record_blob_write(w, sh_str_bytes(SH_STR("abc"))));
        assert_ok(sh_record_blob_end(w, h, NULL, NULL));
        assert_ok(sh_record_blob_verify(f->r, 1, hash));
        sh_record_close(f->r);
        f->t.env.fs = real;
        f->cfg.blob_dir = f->blobs;
        sh_memfs_free(m);
        fix_open(f);
    }
    assert_true(done);
}

static void blob_problem(void *ctx, const char *file, const char *what)
{
    char *to = ctx;
    (void)snprintf(to, 200, "%s: %s", strrchr(file, '/'), what);
}

static void test_blobs_of_a_closed_store_are_checked(void **state)
{
    struct fix *f = *state;
    struct sh_record_blob_counts c;
    char h[SH_RECORD_HASH_CHARS];
    char path[300];
    char said[200] = "";
    (void)store_abc(f, 1, h);
    (void)store_abc(f, 2, h);
    sh_record_close(f->r);
    f->r = NULL;
    assert_ok(sh_record_blobs_check(&f->t.env, f->path, f->blobs, blob_problem, said, &c));
    assert_int_equal(c.files, 1);
    assert_int_equal(c.bytes, 3);
    assert_int_equal(c.problems, 0);
    (void)snprintf(path, sizeof path, "%s/ba/%.64s", f->blobs, h);
    assert_ok(sh_fs_replace(f->t.env.fs, path, sh_str_bytes(SH_STR("abd"))));
    assert_ok(sh_record_blobs_check(&f->t.env, f->path, f->blobs, blob_problem, said, &c));
    assert_int_equal(c.problems, 1);
    assert_non_null(strstr(said, "not what was stored"));
    assert_ok(sh_fs_unlink(f->t.env.fs, path));
    assert_ok(sh_record_blobs_check(&f->t.env, f->path, f->blobs, blob_problem, said, &c));
    assert_int_equal(c.problems, 1);
    assert_non_null(strstr(said, "missing"));
    assert_int_equal(
        sh_record_blobs_check(&f->t.env, "/nowhere/x.db", f->blobs, blob_problem, said, &c),
        SH_E_NOTFOUND);
}

static void test_blob_over_the_limit_is_refused(void **state)
{
    struct fix *f = *state;
    struct sh_record_blob_writer *w = NULL;
    char h[SH_RECORD_HASH_CHARS];
    sh_record_close(f->r);
    f->cfg.max_blob_bytes = 4;
    f->cfg.max_blobs_bytes = 5;
    fix_open(f);
    (void)store_abc(f, 1, h);
    assert_ok(sh_record_blob_begin(f->r, 1, &w));
    assert_int_equal(sh_record_blob_write(w, sh_str_bytes(SH_STR("12345"))), SH_E_LIMIT);
    assert_ok(sh_record_blob_write(w, sh_str_bytes(SH_STR("123"))));
    assert_int_equal(sh_record_blob_end(w, h, NULL, NULL), SH_E_LIMIT);
    assert_ok(sh_record_blob_begin(f->r, 1, &w));
    sh_record_blob_abort(w);
}

static void test_idempotency_key_remembers_the_answer_for_a_day(void **state)
{
    struct fix *f = *state;
    struct sh_str a;
    const struct sh_record_idem k = {1, SH_STR("me"), SH_STR("k-1"), 7, false};
    struct sh_record_idem other = k;
    other.fingerprint = 8;
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_NOTFOUND);
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_BUSY);
    assert_int_equal(sh_record_idem_begin(f->r, &other, f->ar, &a), SH_E_CONFLICT);
    assert_ok(sh_record_idem_end(f->r, &k, SH_RECORD_IDEM_NOTHING, SH_STR(""))); /* it failed */
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_NOTFOUND);
    assert_ok(sh_record_idem_end(f->r, &k, SH_RECORD_IDEM_DONE, SH_STR("{\"id\":1}")));
    assert_ok(sh_record_idem_begin(f->r, &k, f->ar, &a));
    assert_str(a, "{\"id\":1}");
    assert_int_equal(sh_record_idem_begin(f->r, &other, f->ar, &a), SH_E_CONFLICT);
    sh_test_advance(&f->t, 86400000001);
    assert_int_equal(sh_record_idem_begin(f->r, &other, f->ar, &a), SH_E_NOTFOUND);
    assert_ok(sh_record_idem_end(f->r, &other, SH_RECORD_IDEM_NOTHING, SH_STR("")));
}

static void test_idempotency_key_of_another_owner_or_tenant_is_another(void **state)
{
    struct fix *f = *state;
    struct sh_str a;
    const struct sh_record_idem keys[] = {
        {1, SH_STR("me"), SH_STR("k"), 7, false},
        {1, SH_STR("you"), SH_STR("k"), 7, false},
        {2, SH_STR("me"), SH_STR("k"), 7, false},
    };
    for (size_t i = 0; i < SH_COUNT(keys); i++) {
        assert_int_equal(sh_record_idem_begin(f->r, &keys[i], f->ar, &a), SH_E_NOTFOUND);
        assert_ok(sh_record_idem_end(f->r, &keys[i], SH_RECORD_IDEM_DONE, SH_STR("1")));
    }
    const struct sh_record_idem bad[] = {
        {1, SH_STR("a/b"), SH_STR("k"), 7, false},
        {1, SH_STR(""), SH_STR("k"), 7, false},
        {1, SH_STR("me"), SH_STR(""), 7, false},
    };
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_record_idem_begin(f->r, &bad[i], f->ar, &a), SH_E_INVAL);
    }
}

static void test_idempotency_key_begun_and_never_ended_stays_unknown(void **state)
{
    struct fix *f = *state;
    struct sh_str a;
    const struct sh_record_idem k = {1, SH_STR("me"), SH_STR("k"), 7, false};
    const struct sh_record_idem memory = {1, SH_STR("me"), SH_STR("m"), 7, true};
    const struct sh_record_idem part = {1, SH_STR("me"), SH_STR("p"), 7, false};
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_NOTFOUND);
    assert_int_equal(sh_record_idem_begin(f->r, &memory, f->ar, &a), SH_E_NOTFOUND);
    assert_int_equal(sh_record_idem_begin(f->r, &part, f->ar, &a), SH_E_NOTFOUND);
    assert_ok(sh_record_idem_end(f->r, &part, SH_RECORD_IDEM_UNKNOWN, SH_STR("")));
    assert_int_equal(sh_record_idem_begin(f->r, &part, f->ar, &a), SH_E_STATE);
    sh_record_close(f->r); /* the process dies while it does both */
    fix_open(f);
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_STATE);
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_STATE);
    assert_int_equal(sh_record_idem_begin(f->r, &memory, f->ar, &a), SH_E_NOTFOUND);
    assert_ok(sh_record_idem_end(f->r, &memory, SH_RECORD_IDEM_DONE, SH_STR("x")));
    assert_ok(sh_record_idem_begin(f->r, &memory, f->ar, &a));
    assert_str(a, "x");
}

static void test_idempotency_keys_have_a_limit_and_none_is_forgotten_before_its_day(void **state)
{
    struct fix *f = *state;
    struct sh_str a;
    struct sh_record_idem k = {1, SH_STR("me"), SH_STR("0"), 7, false};
    sh_record_close(f->r);
    f->cfg.idem_per_owner = 2;
    f->cfg.idem_all = 3;
    fix_open(f);
    const struct {
        struct sh_str owner;
        struct sh_str key;
        sh_err expect;
    } rows[] = {
        {SH_STR("me"), SH_STR("0"), SH_E_NOTFOUND}, {SH_STR("me"), SH_STR("1"), SH_E_NOTFOUND},
        {SH_STR("me"), SH_STR("2"), SH_E_LIMIT},    {SH_STR("me0"), SH_STR("2"), SH_E_NOTFOUND},
        {SH_STR("you"), SH_STR("2"), SH_E_AGAIN},   {SH_STR("me"), SH_STR("0"), SH_OK},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        k.owner = rows[i].owner;
        k.key = rows[i].key;
        assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), rows[i].expect);
        if (rows[i].expect == SH_E_NOTFOUND) {
            assert_ok(sh_record_idem_end(f->r, &k, SH_RECORD_IDEM_DONE, SH_STR("x")));
        }
    }
    sh_test_advance(&f->t, 86400000001); /* a day later there is room again */
    k.key = SH_STR("2");
    assert_int_equal(sh_record_idem_begin(f->r, &k, f->ar, &a), SH_E_NOTFOUND);
    assert_ok(sh_record_idem_end(f->r, &k, SH_RECORD_IDEM_NOTHING, SH_STR("")));
}

static void test_id_new_is_sorted_by_time(void **state)
{
    struct fix *f = *state;
    char a[SH_RECORD_ID_CHARS];
    char b[SH_RECORD_ID_CHARS];
    assert_ok(sh_record_id_new(&f->t.env, a));
    sh_test_advance(&f->t, 1000);
    assert_ok(sh_record_id_new(&f->t.env, b));
    assert_true(memcmp(a, b, sizeof a) < 0);
    for (size_t i = 0; i < sizeof a; i++) {
        assert_non_null(strchr("0123456789abcdefghjkmnpqrstvwxyz", a[i]));
    }
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_put_then_get_gives_the_record_after_reopen_too),
        T(test_put_with_wrong_revision_conflicts),
        T(test_put_bad_name_or_document_is_refused),
        T(test_tx_is_all_or_nothing),
        T(test_revisions_keep_what_was),
        T(test_links_join_records_and_go_with_them),
        T(test_links_follow_a_record_to_another_id),
        T(test_an_internal_kind_is_found_by_its_fields),
        T(test_changes_are_in_order_and_resume),
        T(test_changes_forgotten_are_told),
        T(test_idle_content_is_counted),
        T(test_blob_is_stored_once_and_seen_per_tenant),
        T(test_blob_without_reference_is_collected_and_damage_is_found),
        T(test_blob_files_that_nobody_knows_are_swept),
        T(test_blob_stored_again_is_young),
        T(test_blob_survives_a_power_cut_at_each_step),
        T(test_blobs_of_a_closed_store_are_checked),
        T(test_blob_over_the_limit_is_refused),
        T(test_idempotency_key_remembers_the_answer_for_a_day),
        T(test_idempotency_key_of_another_owner_or_tenant_is_another),
        T(test_idempotency_key_begun_and_never_ended_stays_unknown),
        T(test_idempotency_keys_have_a_limit_and_none_is_forgotten_before_its_day),
        T(test_id_new_is_sorted_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
