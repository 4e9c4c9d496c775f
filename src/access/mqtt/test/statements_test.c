/* statements_test.c - the tables statements_311.tsv and statements_5.tsv name every normative
 * statement of both specifications, and every test they name exists.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Statement numbers of appendix B: section, first and last number. */
struct section {
    const char *name;
    int first;
    int last;
};

static const struct section v311[] = {
    {"1.5.3", 1, 3},  {"2.2.2", 1, 2},  {"2.3.1", 1, 7},  {"3.1.0", 1, 2},  {"3.1.2", 1, 24},
    {"3.1.3", 1, 11}, {"3.1.4", 1, 5},  {"3.2.0", 1, 1},  {"3.2.2", 1, 6},  {"3.3.1", 1, 12},
    {"3.3.2", 1, 3},  {"3.3.4", 1, 1},  {"3.3.5", 1, 2},  {"3.6.1", 1, 1},  {"3.8.1", 1, 1},
    {"3.8.3", 1, 4},  {"3.8.4", 1, 6},  {"3.9.3", 1, 2},  {"3.10.1", 1, 1}, {"3.10.3", 1, 2},
    {"3.10.4", 1, 6}, {"3.12.4", 1, 1}, {"3.14.1", 1, 1}, {"3.14.4", 1, 3}, {"4.1.0", 1, 2},
    {"4.3.1", 1, 1},  {"4.3.2", 1, 2},  {"4.3.3", 1, 2},  {"4.4.0", 1, 1},  {"4.5.0", 1, 2},
    {"4.6.0", 1, 6},  {"4.7.1", 1, 3},  {"4.7.2", 1, 1},  {"4.7.3", 1, 4},  {"4.8.0", 1, 2},
    {"6.0.0", 1, 4},  {"7.0.0", 1, 2},  {"7.1.1", 1, 1},  {"7.1.2", 1, 1},
};

static const struct section v5[] = {
    {"1.5.4", 1, 3},  {"1.5.5", 1, 1},  {"1.5.7", 1, 1},  {"2.1.3", 1, 1},  {"2.2.1", 2, 6},
    {"2.2.2", 1, 1},  {"3.1.0", 1, 2},  {"3.1.2", 1, 30}, {"3.1.3", 1, 12}, {"3.1.4", 1, 6},
    {"3.2.0", 1, 2},  {"3.2.2", 1, 22}, {"3.3.1", 1, 13}, {"3.3.2", 1, 20}, {"3.3.4", 1, 10},
    {"3.4.2", 1, 3},  {"3.5.2", 1, 3},  {"3.6.1", 1, 1},  {"3.6.2", 1, 3},  {"3.7.2", 1, 3},
    {"3.8.1", 1, 1},  {"3.8.3", 1, 5},  {"3.8.4", 1, 8},  {"3.9.2", 1, 2},  {"3.9.3", 1, 2},
    {"3.10.1", 1, 1}, {"3.10.3", 1, 2}, {"3.10.4", 1, 6}, {"3.11.2", 1, 2}, {"3.11.3", 1, 2},
    {"3.12.4", 1, 1}, {"3.14.0", 1, 1}, {"3.14.1", 1, 1}, {"3.14.2", 1, 4}, {"3.14.4", 1, 3},
    {"3.15.1", 1, 1}, {"3.15.2", 1, 3}, {"4.1.0", 1, 2},  {"4.2.0", 1, 1},  {"4.3.1", 1, 1},
    {"4.3.2", 1, 5},  {"4.3.3", 1, 13}, {"4.4.0", 1, 2},  {"4.5.0", 1, 2},  {"4.6.0", 1, 6},
    {"4.7.0", 1, 1},  {"4.7.1", 1, 2},  {"4.7.2", 1, 1},  {"4.7.3", 1, 4},  {"4.8.2", 1, 6},
    {"4.9.0", 1, 3},  {"4.12.0", 1, 7}, {"4.12.1", 1, 2}, {"4.13.1", 1, 1}, {"4.13.2", 1, 1},
    {"6.0.0", 1, 4},
};

struct files {
    struct sh_test_env t;
    struct sh_buf source; /* all test sources */
};

static struct sh_str load(struct files *f, const char *name)
{
    char path[512];
    struct sh_str text = {NULL, 0};
    (void)snprintf(path, sizeof path, "%s/%s", MQTT_TEST_DIR, name);
    assert_ok(sh_fs_read_all(sh_fs_system(), f->t.env.alloc, path, (size_t)1 << 22, &text));
    return text;
}

static int setup(void **state)
{
    struct files *f = calloc(1, sizeof *f); /* NOLINT: the fixture itself is not counted */
    sh_test_env_init(&f->t, NULL);
    sh_buf_init(&f->source, f->t.env.alloc, (size_t)1 << 24);
    DIR *d = opendir(MQTT_TEST_DIR);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) { /* NOLINT */
        const struct sh_str name = sh_str_c(e->d_name);
        if (sh_str_ends(name, SH_STR("_test.c")) || sh_str_ends(name, SH_STR("_test.py"))) {
            struct sh_str text = load(f, e->d_name);
            assert_ok(sh_buf_put_str(&f->source, text));
            sh_str_free(f->t.env.alloc, &text);
        }
    }
    (void)closedir(d);
    assert_ok(sh_buf_put_u8(&f->source, 0));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct files *f = *state;
    sh_buf_fini(&f->source);
    sh_test_env_fini(&f->t);
    free(f); /* NOLINT */
    return 0;
}

/* The test is defined and in its file's list. */
static bool test_exists(const struct files *f, struct sh_str name)
{
    char def[160];
    char use[160];
    const struct sh_str wire = SH_STR("clients_test.py:");
    if (sh_str_starts(name, wire)) { /* with real clients */
        const struct sh_str fn = sh_str_sub(name, wire.n, name.n);
        (void)snprintf(def, sizeof def, "def %.*s(", SH_PRI(fn));
        (void)snprintf(use, sizeof use, "    %.*s(", SH_PRI(fn));
    } else {
        (void)snprintf(def, sizeof def, "static void %.*s(void **state)", SH_PRI(name));
        (void)snprintf(use, sizeof use, "cmocka_unit_test(%.*s)", SH_PRI(name));
    }
    const char *all = (const char *)f->source.p;
    return strstr(all, def) != NULL && strstr(all, use) != NULL;
}

struct totals {
    int server;
    int client;
    int unused;
    int absent;
};

static void check_row(const struct files *f, struct sh_str line, const char *id, struct totals *n)
{
    struct sh_str rest = line;
    const struct sh_str got = sh_str_cut(rest, '\t', &rest);
    assert_non_null(rest.p);
    const struct sh_str who = sh_str_cut(rest, '\t', &rest);
    assert_non_null(rest.p);
    if (!sh_str_eqc(got, id)) {
        fail_msg("expected %s, the table has %.*s", id, SH_PRI(got));
    }
    if (sh_str_eqc(who, "client") || sh_str_eqc(who, "unused")) {
        n->client += sh_str_eqc(who, "client");
        n->unused += sh_str_eqc(who, "unused");
        assert_str(rest, "-");
        return;
    }
    assert_str(who, "server");
    n->server++;
    if (sh_str_eqc(rest, "absent")) {
        n->absent++;
    } else if (!test_exists(f, rest)) {
        fail_msg("%s names %.*s, which is no test", id, SH_PRI(rest));
    }
}

static void check_table(struct files *f, const char *name, const struct section *s, size_t n,
                        int max_absent)
{
    struct sh_str text = load(f, name);
    struct sh_str rest = text;
    struct totals sum = {0};
    for (size_t i = 0; i < n; i++) {
        for (int k = s[i].first; k <= s[i].last; k++) {
            char id[32];
            (void)snprintf(id, sizeof id, "MQTT-%s-%d", s[i].name, k);
            struct sh_str line = sh_str_cut(rest, '\n', &rest);
            while (line.n > 0 && line.p[0] == '#') {
                line = sh_str_cut(rest, '\n', &rest);
            }
            check_row(f, line, id, &sum);
        }
    }
    assert_int_equal(rest.n, 0); /* nothing else in the table */
    printf("%s: %d bind a server (%d absent), %d only clients, %d of choices not taken\n", name,
           sum.server, sum.absent, sum.client, sum.unused);
    assert_true(sum.absent <= max_absent);
    sh_str_free(f->t.env.alloc, &text);
}

static void test_statements_of_311_are_all_there(void **state)
{
    check_table(*state, "statements_311.tsv", v311, SH_COUNT(v311), 0);
}

static void test_statements_of_5_are_all_there(void **state)
{
    check_table(*state, "statements_5.tsv", v5, SH_COUNT(v5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_of_311_are_all_there),
        cmocka_unit_test(test_statements_of_5_are_all_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
