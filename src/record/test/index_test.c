/* Indexed fields: the same documents in a type with indexes and in one without; every query must
 * find the same in both, whatever was written, when the indexes were made, and after a restart. */
#include "store_fix.h"

#include <sqlite3.h>

#define INDEXED "{\"name\":\"a\",\"schema\":{},\"index\":[\"n\",\"s\",\"o.p\"]}"

static void define(struct fix *f, const char *type, const char *definition, uint32_t tenant)
{
    struct sh_diag d = {.line = 0};
    if (sh_record_type_put(f->r, tenant, sh_str_c(type), sh_str_c(definition), SH_RECORD_ANY,
                           SH_STR("li"), NULL, &d) != SH_OK) {
        fail_msg("%s: %s", definition, d.message);
    }
}

/* Each commit lets the writer do a portion; so does an idle moment. */
static void wait_built(struct fix *f)
{
    struct sh_record_stats s = {.indexing = true};
    for (int i = 0; s.indexing; i++) {
        assert_true(i < 100000);
        assert_ok(fix_put(f, "_idle", "x", "{}", SH_RECORD_ANY, NULL));
        sh_record_stats(f->r, &s);
    }
}

static void random_doc(struct fix *f, char out[256])
{
    static const char *const words[] = {"\"run\"",  "\"stop\"", "\"泵\"",
                                        "\"泵房\"", "\"a'b\"",  "\"\""};
    uint64_t d[4];
    assert_ok(f->t.env.random->fill(f->t.env.random->ctx, d, sizeof d));
    char n[32];
    switch (d[0] % 6) {
    case 0:
        (void)snprintf(n, sizeof n, "%d", (int)(d[1] % 9) - 4);
        break;
    case 1:
        (void)snprintf(n, sizeof n, "%d.5", (int)(d[1] % 9) - 4);
        break;
    case 2:
        (void)snprintf(n, sizeof n, "%s", words[d[1] % SH_COUNT(words)]);
        break;
    case 3:
        (void)snprintf(n, sizeof n, "%s", d[1] % 2 == 0 ? "true" : "null");
        break;
    case 4:
        (void)snprintf(n, sizeof n, "[1,{\"n\":%d}]", (int)(d[1] % 3));
        break;
    default:
        (void)snprintf(n, sizeof n, "9007199254740993");
    }
    if (d[2] % 5 == 0) {
        (void)snprintf(out, 256, "{\"s\":%s}", words[d[3] % SH_COUNT(words)]);
    } else {
        (void)snprintf(out, 256, "{\"n\":%s,\"s\":%s,\"o\":{\"p\":%d}}", n,
                       words[d[3] % SH_COUNT(words)], (int)(d[2] % 4));
    }
}

/* One random change, the same in both types. */
static void step(struct fix *f)
{
    uint64_t d[2];
    char id[16];
    char doc[256];
    assert_ok(f->t.env.random->fill(f->t.env.random->ctx, d, sizeof d));
    (void)snprintf(id, sizeof id, "%02d", (int)(d[0] % 60));
    random_doc(f, doc);
    for (int i = 0; i < 2; i++) {
        const char *type = i == 0 ? "a" : "b";
        if (d[1] % 4 == 0) {
            const sh_err err = sh_record_delete(f->r, 1, sh_str_c(type), sh_str_c(id),
                                                SH_RECORD_ANY, SH_STR("li"));
            assert_true(err == SH_OK || err == SH_E_NOTFOUND);
        } else {
            assert_ok(fix_put(f, type, id, doc, SH_RECORD_ANY, NULL));
        }
    }
}

/* All ids over pages of 11, and the total. */
static void all_ids(struct fix *f, const char *type, const char *filter, const char *sort,
                    struct sh_buf *out)
{
    struct sh_record_query q = {.tenant = 1,
                                .type = sh_str_c(type),
                                .filter = sh_str_c(filter),
                                .sort = sh_str_c(sort),
                                .limit = 11,
                                .want_total = true};
    sh_buf_clear(out);
    for (int pages = 0; pages < 100; pages++) {
        struct sh_record_page page = {.n = 0};
        struct sh_diag d = {.line = 0};
        if (sh_record_list(f->r, &q, f->ar, &page, &d) != SH_OK) {
            fail_msg("%s %s: %s", filter, sort, d.message);
        }
        for (size_t k = 0; k < page.n; k++) {
            assert_ok(sh_buf_printf(out, "%.*s ", SH_PRI(page.rows[k].id)));
        }
        if (pages == 0) {
            assert_ok(sh_buf_printf(out, "(%lld) ", (long long)page.total));
        }
        if (page.next.n == 0) {
            break;
        }
        q.cursor = page.next;
    }
    assert_ok(sh_buf_put_u8(out, '\0'));
}

static void same_answers(struct fix *f)
{
    static const char *const filters[] = {
        "",
        "n = 1",
        "n = 2.5",
        "n != 1",
        "n > 0",
        "n >= -1 and n < 3",
        "n <= 0",
        "n = \"run\"",
        "n > \"run\"",
        "n < \"泵\"",
        "n = true",
        "n = null",
        "n exists",
        "n in [1, 2.5, \"stop\"]",
        "n in []",
        "n prefix \"泵\"",
        "n prefix \"\"",
        "n contains 1",
        "n = 9007199254740993",
        "s = \"run\"",
        "s prefix \"泵\" and n > -3",
        "s = \"a'b\" and o.p = 2",
        "o.p >= 1 and o.p <= 2 and s != \"run\"",
        "s = \"run\" or n = 1",
        "not s = \"run\"",
        "not (n > 0) and s = \"stop\"",
        "$id > \"25\" and o.p = 1",
        "o.p = 9",
    };
    static const char *const sorts[] = {"", "n", "-n", "s,-n", "-s,$id", "o.p,s", "$id", "-$rev,n"};
    struct sh_buf a;
    struct sh_buf b;
    sh_buf_init(&a, &f->t.alloc, 1 << 16);
    sh_buf_init(&b, &f->t.alloc, 1 << 16);
    for (size_t i = 0; i < SH_COUNT(filters); i++) {
        for (size_t k = 0; k < SH_COUNT(sorts); k++) {
            all_ids(f, "a", filters[i], sorts[k], &a);
            all_ids(f, "b", filters[i], sorts[k], &b);
            if (strcmp((const char *)a.p, (const char *)b.p) != 0) {
                fail_msg("filter %s, sort %s:\n %s\n %s", filters[i], sorts[k], a.p, b.p);
            }
        }
        sh_arena_reset(f->ar);
    }
    sh_buf_fini(&a);
    sh_buf_fini(&b);
}

static int64_t ask(struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const int64_t v = sqlite3_column_int64(st, 0);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return v;
}

/* Every record has its row in each index of its type, with its value, and there is no other. */
static void rows_fit(struct fix *f, int64_t indexes)
{
    assert_int_equal(ask(f, "SELECT count(*) FROM ixd WHERE built=-1"), indexes);
    assert_int_equal(ask(f, "SELECT count(*) FROM ixv"),
                     ask(f, "SELECT count(*) FROM rec JOIN ixd USING(type)"));
    assert_int_equal(ask(f, "SELECT count(*) FROM ixd JOIN rec ON rec.type=ixd.type JOIN ixv ON"
                            " ixv.ix=ixd.ix AND tn=rec.tenant AND rid=id AND k=kid AND"
                            " v=ifnull(json_extract(doc,path),x'')"),
                     ask(f, "SELECT count(*) FROM ixv"));
}

static void test_indexed_answers_are_those_of_a_full_read(void **state)
{
    struct fix *f = *state;
    define(f, "a", INDEXED, 1);
    define(f, "b", "{\"name\":\"b\",\"schema\":{}}", 1);
    for (int i = 0; i < 300; i++) {
        step(f);
    }
    wait_built(f);
    rows_fit(f, 3);
    same_answers(f);
    fix_reopen(f);
    for (int i = 0; i < 60; i++) {
        step(f);
    }
    rows_fit(f, 3);
    same_answers(f);
}

static void test_index_is_built_for_records_that_are_there(void **state)
{
    struct fix *f = *state;
    define(f, "a", "{\"name\":\"a\",\"schema\":{}}", 1);
    define(f, "b", "{\"name\":\"b\",\"schema\":{}}", 1);
    for (int i = 0; i < 200; i++) {
        step(f);
    }
    define(f, "a", INDEXED, 1);
    same_answers(f); /* while it is built, too */
    for (int i = 0; i < 60; i++) {
        step(f);
    }
    wait_built(f);
    rows_fit(f, 3);
    same_answers(f);
    /* one goes, one stays, one comes */
    define(f, "a", "{\"name\":\"a\",\"schema\":{},\"index\":[\"s\",\"o.q\"]}", 1);
    same_answers(f);
    wait_built(f);
    rows_fit(f, 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM ixd"), 2); /* the old one is gone */
    same_answers(f);
    define(f, "a", "{\"name\":\"a\",\"schema\":{}}", 1);
    wait_built(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM ixd") + ask(f, "SELECT count(*) FROM ixv"), 0);
    same_answers(f);
}

/* More records than a portion takes, and a restart half-way. */
static void test_building_goes_on_after_a_restart(void **state)
{
    struct fix *f = *state;
    define(f, "a", "{\"name\":\"a\",\"schema\":{}}", 1);
    for (int i = 0; i < 50; i++) {
        struct sh_record_tx *tx = NULL;
        assert_ok(sh_record_tx_new(f->r, SH_STR("li"), &tx));
        for (int k = 0; k < 100; k++) {
            char id[16];
            char doc[64];
            (void)snprintf(id, sizeof id, "%05d", i * 100 + k);
            (void)snprintf(doc, sizeof doc, "{\"n\":%d,\"s\":\"x\"}", k);
            const struct sh_record_put p = {.tenant = 1,
                                            .type = SH_STR("a"),
                                            .id = sh_str_c(id),
                                            .doc = sh_str_c(doc),
                                            .expect = SH_RECORD_ANY};
            assert_ok(sh_record_tx_put(tx, &p));
        }
        assert_ok(sh_record_tx_commit(tx, NULL, NULL));
        sh_record_tx_free(tx);
    }
    define(f, "a", INDEXED, 1);
    fix_reopen(f);
    wait_built(f);
    rows_fit(f, 3);
    const struct sh_record_query q = {
        .tenant = 1, .type = SH_STR("a"), .filter = SH_STR("n = 42"), .want_total = true};
    struct sh_record_page page = {.n = 0};
    assert_ok(sh_record_list(f->r, &q, f->ar, &page, NULL));
    assert_int_equal(page.total, 50);
}

static void test_index_of_the_platform_serves_each_tenant_alone(void **state)
{
    struct fix *f = *state;
    define(f, "a", INDEXED, SH_RECORD_PLATFORM);
    for (uint32_t tenant = 1; tenant <= 2; tenant++) {
        for (int i = 0; i < 5; i++) {
            char id[16];
            (void)snprintf(id, sizeof id, "%d", i);
            const struct sh_record_put p = {.tenant = tenant,
                                            .type = SH_STR("a"),
                                            .id = sh_str_c(id),
                                            .doc = SH_STR("{\"n\":7}"),
                                            .expect = SH_RECORD_ANY};
            if (tenant == 1 || i < 2) {
                assert_ok(sh_record_put(f->r, &p, SH_STR("li"), NULL, NULL));
            }
        }
    }
    wait_built(f);
    for (uint32_t tenant = 1; tenant <= 3; tenant++) {
        static const int64_t want[] = {0, 5, 2, 0};
        static const char *const sorts[] = {"", "n", "-n"};
        for (size_t k = 0; k < SH_COUNT(sorts); k++) {
            const struct sh_record_query q = {.tenant = tenant,
                                              .type = SH_STR("a"),
                                              .filter = SH_STR("n = 7"),
                                              .sort = sh_str_c(sorts[k]),
                                              .want_total = true};
            struct sh_record_page page = {.n = 0};
            assert_ok(sh_record_list(f->r, &q, f->ar, &page, NULL));
            assert_true(page.total == want[tenant] && (int64_t)page.n == want[tenant]);
        }
    }
}

static void test_index_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *index;
        sh_err want;
    } rows[] = {
        {"\"n\"", SH_E_INVAL},
        {"[5]", SH_E_INVAL},
        {"[\"\"]", SH_E_INVAL},
        {"[\"-n\"]", SH_E_INVAL},
        {"[\"a,b\"]", SH_E_INVAL},
        {"[\"$id\"]", SH_E_INVAL},
        {"[\"a..b\"]", SH_E_INVAL},
        {"[\"a'); DROP TABLE rec; --\"]", SH_E_INVAL},
        {"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]", SH_E_LIMIT},
        {"[]", SH_OK},
        {"[\"a\",\"a\"]", SH_OK},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char def[256];
        struct sh_diag d = {.line = 0};
        (void)snprintf(def, sizeof def, "{\"name\":\"a\",\"schema\":{},\"index\":%s}",
                       rows[i].index);
        const sh_err err = sh_record_type_put(f->r, 1, SH_STR("a"), sh_str_c(def), SH_RECORD_ANY,
                                              SH_STR("li"), NULL, &d);
        if (err != rows[i].want) {
            fail_msg("%s: %s", rows[i].index, sh_err_name(err));
        }
        if (err != SH_OK) {
            assert_string_equal(d.path, "/index");
            assert_true(d.message[0] != '\0');
        }
    }
    wait_built(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM ixd"), 1); /* named twice: one */
}

/* A file of format 1 has no indexes and gets the tables. */
static void test_format_1_is_opened(void **state)
{
    struct fix *f = *state;
    sqlite3 *db = NULL;
    define(f, "a", "{\"name\":\"a\",\"schema\":{}}", 1);
    assert_ok(fix_put(f, "a", "x", "{\"n\":1}", SH_RECORD_ANY, NULL));
    sh_record_close(f->r);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE ixd; DROP TABLE ixv; PRAGMA user_version=1;"
                                  "UPDATE meta SET value=1 WHERE key='version'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fix_open(f);
    define(f, "a", INDEXED, 1);
    wait_built(f);
    rows_fit(f, 3);
    assert_int_equal(ask(f, "PRAGMA user_version"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_indexed_answers_are_those_of_a_full_read, fix_setup,
                                        fix_teardown),
        cmocka_unit_test_setup_teardown(test_index_is_built_for_records_that_are_there, fix_setup,
                                        fix_teardown),
        cmocka_unit_test_setup_teardown(test_building_goes_on_after_a_restart, fix_setup,
                                        fix_teardown),
        cmocka_unit_test_setup_teardown(test_index_of_the_platform_serves_each_tenant_alone,
                                        fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_index_that_is_none_is_refused, fix_setup,
                                        fix_teardown),
        cmocka_unit_test_setup_teardown(test_format_1_is_opened, fix_setup, fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
