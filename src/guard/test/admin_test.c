#include "fixture.h"

#include <stdio.h>

#define PERSON(role) "{\"roles\":[\"" role "\"],\"password\":\"a long pass phrase\"}"

static void test_person_is_made_read_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct sh_jw w;
    uint64_t revision = 0;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "李雷",
                          "{\"display\":\"李雷\",\"language\":\"en\",\"roles\":[\"viewer\"],"
                          "\"password\":\"松花江水深千尺无人知晓\"}"));
    assert_false(fixture_has(f, "argon2"));
    assert_true(fixture_has(f, "\"language\":\"en\""));
    (void)fixture_sign_in(f, "李雷", "松花江水深千尺无人知晓");
    sh_jw_init(&w, &f->text);
    assert_ok(sh_guard_get(f->g, &at, SH_GUARD_PEOPLE, SH_STR("李雷"), &w, &revision));
    assert_true(revision > 0);
    json_t *body = json_pack("{s:s}", "display", "L");
    sh_jw_init(&w, &f->text);
    assert_int_equal(sh_guard_put(f->g, &at, SH_GUARD_PEOPLE, SH_STR("李雷"), body, SH_PUT_REPLACE,
                                  revision + 1, &w, &f->diag),
                     SH_E_CONFLICT);
    assert_int_equal(sh_guard_put(f->g, &at, SH_GUARD_PEOPLE, SH_STR("李雷"), body, SH_PUT_CREATE,
                                  0, &w, &f->diag),
                     SH_E_EXISTS);
    assert_int_equal(sh_guard_put(f->g, &at, SH_GUARD_PEOPLE, SH_STR("x"), body, SH_PUT_REPLACE, 0,
                                  &w, &f->diag),
                     SH_E_NOTFOUND);
    assert_ok(sh_guard_put(f->g, &at, SH_GUARD_PEOPLE, SH_STR("李雷"), body, SH_PUT_REPLACE,
                           revision, &w, &f->diag));
    json_decref(body);
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "李雷"));
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "李雷"), SH_E_NOTFOUND);
    assert_int_equal(sh_guard_get(f->g, &at, SH_GUARD_PEOPLE, SH_STR("李雷"), &w, NULL),
                     SH_E_NOTFOUND);
    assert_null(fake_disk_value(f->disk, GUARD_PERSON, "1:李雷"));
}

static void test_bodies_that_are_refused_name_the_member(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum sh_guard_noun noun;
        const char *name;
        const char *body;
        const char *path;
    } rows[] = {
        {SH_GUARD_PEOPLE, "a", "{\"roles\":[\"nope\"]}", "/roles"},
        {SH_GUARD_PEOPLE, "a", "{\"roles\":\"viewer\"}", "/roles"},
        {SH_GUARD_PEOPLE, "a", "{\"language\":\"xx\"}", "/language"},
        {SH_GUARD_PEOPLE, "a", "{\"password\":\"short\"}", "/password"},
        {SH_GUARD_PEOPLE, "a", "{\"password\":\"aaaaaaaaaaaaaaaa\"}", "/password"},
        {SH_GUARD_PEOPLE, "a long pass phrase", "{\"password\":\"A Long pass phrase\"}",
         "/password"},
        {SH_GUARD_PEOPLE, "a", "{\"password\":7}", "/password"},
        {SH_GUARD_PEOPLE, "", "{}", "/name"},
        {SH_GUARD_PEOPLE, "a@b", "{}", "/name"},
        {SH_GUARD_PEOPLE, "a/b", "{}", "/name"},
        {SH_GUARD_PEOPLE, " a", "{}", "/name"},
        {SH_GUARD_PEOPLE, "sht_a", "{}", "/name"},
        {SH_GUARD_ROLES, "r", "{\"permissions\":[\"devices.fly\"]}", "/permissions"},
        {SH_GUARD_ROLES, "r", "{\"permissions\":{}}", "/permissions"},
        {SH_GUARD_TOKENS, "", "{}", "/name"},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\"}", "/roles"},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"ingest\"],\"expires\":1}", "/expires"},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"ingest\"],\"expires\":\"soon\"}",
         "/expires"},
        {SH_GUARD_TENANTS, "a//b", "{}", "/path"},
        {SH_GUARD_TENANTS, "/a", "{}", "/path"},
        {SH_GUARD_TENANTS, "..", "{}", "/path"},
        {SH_GUARD_TENANTS, "a", "{\"quotas\":{\"points\":-1}}", "/quotas"},
        {SH_GUARD_TENANTS, "a", "{\"quotas\":{\"points\":\"many\"}}", "/quotas"},
    };
    const struct sh_principal sys = sh_guard_system(f->g);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const sh_err err = fixture_put(f, &sys, "", rows[i].noun, rows[i].name, rows[i].body);
        if (err != SH_E_INVAL || strcmp(f->diag.path, rows[i].path) != 0) {
            fail_msg("row %zu: %s at %s", i, sh_err_name(err), f->diag.path);
        }
        assert_true(f->diag.message[0] != '\0');
    }
}

static void test_nobody_grants_what_he_does_not_hold(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_ROLES, "clerk",
                    "{\"permissions\":[\"people.*\",\"tokens.*\",\"roles.*\",\"devices.read\"]}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "clerk", PERSON("clerk")));
    const struct sh_sign_in c = fixture_sign_in(f, "clerk", "a long pass phrase");
    static const struct {
        enum sh_guard_noun noun;
        sh_err expect;
        const char *name;
        const char *body;
    } rows[] = {
        {SH_GUARD_PEOPLE, SH_E_DENIED, "x", PERSON("administrator")},
        {SH_GUARD_PEOPLE, SH_E_DENIED, "x", PERSON("viewer")},
        {SH_GUARD_PEOPLE, SH_OK, "x", PERSON("clerk")},
        {SH_GUARD_PEOPLE, SH_E_DENIED, "clerk", "{\"roles\":[\"administrator\"]}"},
        /* nor takes over somebody who holds more */
        {SH_GUARD_PEOPLE, SH_E_DENIED, "admin", "{\"password\":\"mine mine mine now\"}"},
        {SH_GUARD_PEOPLE, SH_E_DENIED, "admin", "{\"roles\":[]}"},
        {SH_GUARD_ROLES, SH_E_DENIED, "clerk", "{\"permissions\":[\"*\"]}"},
        {SH_GUARD_ROLES, SH_OK, "clerk2", "{\"permissions\":[\"devices.read\"]}"},
        {SH_GUARD_TOKENS, SH_E_DENIED, "", "{\"name\":\"t\",\"permissions\":[\"config.write\"]}"},
        {SH_GUARD_TOKENS, SH_OK, "", "{\"name\":\"t\",\"permissions\":[\"devices.read\"]}"},
        {SH_GUARD_TOKENS, SH_E_DENIED, "",
         "{\"name\":\"t\",\"permissions\":[\"devices.read\"],\"provision\":true}"},
        {SH_GUARD_TENANTS, SH_E_DENIED, "x", "{}"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const sh_err err = fixture_put(f, &c.who, "", rows[i].noun, rows[i].name, rows[i].body);
        if (err != rows[i].expect) {
            fail_msg("row %zu: %s (%s)", i, sh_err_name(err), f->diag.message);
        }
    }
    assert_int_equal(fixture_delete(f, &c.who, "", SH_GUARD_PEOPLE, "admin"), SH_E_DENIED);
    assert_ok(fixture_delete(f, &c.who, "", SH_GUARD_PEOPLE, "x"));
}

static void test_tenant_administrator_stays_in_his_tenant(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a", "{\"quotas\":{\"points\":10}}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "b", "{}"));
    assert_ok(fixture_put(f, &sys, "a", SH_GUARD_PEOPLE, "boss", PERSON("administrator")));
    const struct sh_sign_in b = fixture_sign_in(f, "boss@a", "a long pass phrase");
    assert_ok(fixture_put(f, &b.who, "a", SH_GUARD_PEOPLE, "x", PERSON("administrator")));
    assert_int_equal(fixture_put(f, &b.who, "", SH_GUARD_PEOPLE, "x", PERSON("viewer")),
                     SH_E_DENIED);
    assert_int_equal(fixture_put(f, &b.who, "b", SH_GUARD_PEOPLE, "x", PERSON("viewer")),
                     SH_E_DENIED);
    assert_int_equal(
        fixture_put(f, &b.who, "b", SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"ingest\"]}"),
        SH_E_DENIED);
    /* roles are of the node, and quotas are set from above */
    assert_int_equal(
        fixture_put(f, &b.who, "a", SH_GUARD_ROLES, "r", "{\"permissions\":[\"devices.read\"]}"),
        SH_E_DENIED);
    assert_int_equal(
        fixture_put(f, &b.who, "a", SH_GUARD_TENANTS, "a", "{\"quotas\":{\"points\":0}}"),
        SH_E_DENIED);
    assert_int_equal(fixture_put(f, &b.who, "a", SH_GUARD_TENANTS, "c", "{}"), SH_E_DENIED);
    assert_ok(fixture_put(f, &b.who, "a", SH_GUARD_TENANTS, "a/c", "{\"quotas\":{\"points\":5}}"));
    /* deleting in another tenant */
    assert_int_equal(fixture_delete(f, &b.who, "", SH_GUARD_PEOPLE, "admin"), SH_E_DENIED);
}

static void test_last_administrator_stays(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "admin"), SH_E_STATE);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "admin", "{\"disabled\":true}"),
                     SH_E_STATE);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "admin", "{\"roles\":[\"viewer\"]}"),
                     SH_E_STATE);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "second", PERSON("administrator")));
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "admin"));
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "second"), SH_E_STATE);
}

static void test_builtin_roles_and_tenants_are_kept(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_ROLES, "viewer", "{\"permissions\":[]}"),
                     SH_E_STATE);
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_ROLES, "viewer"), SH_E_STATE);
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_TENANTS, ""), SH_E_UNSUPPORTED);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "", "{\"disabled\":true}"),
                     SH_E_STATE);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "no/parent", "{}"), SH_E_NOTFOUND);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a/b/c/d/e/f/g/h/i", "{}"),
                     SH_E_INVAL);
}

static void test_lists_page_by_name_and_find(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "t", "{}"));
    assert_ok(fixture_put(f, &sys, "t", SH_GUARD_PEOPLE, "elsewhere", PERSON("viewer")));
    for (int i = 9; i >= 0; i--) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, name, "{\"roles\":[\"viewer\"]}"));
    }
    struct sh_guard_page page = {.limit = 4};
    char cursor[64] = "";
    size_t seen = 0;
    do {
        struct sh_jw w;
        json_t *o = NULL;
        sh_buf_clear(&f->text);
        sh_jw_init(&w, &f->text);
        sh_jw_arr(&w);
        page.cursor = sh_str_c(cursor);
        assert_ok(sh_guard_list(f->g, &at, SH_GUARD_PEOPLE, &page, &w));
        sh_jw_arr_end(&w);
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->text), 1 << 20, &o, NULL));
        assert_int_equal(page.total, 11);
        for (size_t i = 0; i < json_array_size(o); i++, seen++) {
            char want[32] = "admin";
            if (seen > 0) {
                (void)snprintf(want, sizeof want, "p%zu", seen - 1);
            }
            assert_true(sh_str_eqc(sh_json_get_str(json_array_get(o, i), "name"), want));
        }
        json_decref(o);
        (void)guard_copy(cursor, sizeof cursor, sh_str_c(page.next));
    } while (page.more);
    assert_int_equal(seen, 11);
    struct sh_jw w;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    page = (struct sh_guard_page){.limit = 50, .find = SH_STR("P3")};
    assert_ok(sh_guard_list(f->g, &at, SH_GUARD_PEOPLE, &page, &w));
    assert_int_equal(page.total, 1);
    page = (struct sh_guard_page){.limit = 50};
    assert_ok(sh_guard_list(f->g, &at, SH_GUARD_TENANTS, &page, &w));
    assert_int_equal(page.total, 2);
    page = (struct sh_guard_page){.limit = 50};
    assert_ok(sh_guard_list(f->g, &at, SH_GUARD_ROLES, &page, &w));
    assert_int_equal(page.total, 10);
}

/* ---- first start and recovery ---- */

static void test_first_start_happens_once(void **state)
{
    struct fixture *f = *state;
    char shown[SH_SECRET_CHARS];
    assert_int_equal(sh_guard_first_start(f->g, SH_STR("another password"), false, shown, &f->diag),
                     SH_E_EXISTS);
}

static void test_random_first_password_lies_in_a_file_until_the_first_sign_in(void **state)
{
    struct fixture *f = *state;
    struct sh_str text;
    char shown[SH_SECRET_CHARS];
    struct sh_sign_in in;
    sh_guard_close(f->g);
    fake_disk_free(f->disk);
    f->disk = fake_disk_new();
    fixture_open(f);
    assert_int_equal(sh_guard_first_start(f->g, SH_STR("short"), true, shown, &f->diag),
                     SH_E_INVAL);
    assert_ok(sh_guard_first_start(f->g, SH_STR(""), true, shown, &f->diag));
    assert_int_equal(strlen(shown), 20);
    assert_ok(sh_fs_read_all(f->t.env.fs, &f->t.alloc, "data/keys/first-password", 100, &text));
    assert_int_equal(text.n, 21);
    assert_memory_equal(text.p, shown, 20);
    sh_str_free(&f->t.alloc, &text);
    fixture_reopen(f); /* known again after a restart */
    assert_int_equal(sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR("wrong"), SH_STR("::1"), &in),
                     SH_E_DENIED);
    assert_ok(sh_fs_read_all(f->t.env.fs, &f->t.alloc, "data/keys/first-password", 100, &text));
    sh_str_free(&f->t.alloc, &text);
    assert_ok(sh_guard_sign_in(f->g, SH_STR("admin"), sh_str_c(shown), SH_STR("::1"), &in));
    assert_int_equal(
        sh_fs_read_all(f->t.env.fs, &f->t.alloc, "data/keys/first-password", 100, &text),
        SH_E_NOTFOUND);
}

static void test_recovery_gives_a_way_in_and_is_audited(void **state)
{
    struct fixture *f = *state;
    char shown[SH_SECRET_CHARS];
    struct sh_sign_in in;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_sign_in old = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    for (int i = 0; i < 6; i++) {
        assert_int_not_equal(
            sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR("wrong"), SH_STR("10.0.0.1"), &in),
            SH_OK);
    }
    assert_ok(sh_guard_recover(f->g, SH_STR("admin"), SH_STR(""), shown, &f->diag));
    assert_int_equal(sh_guard_live(f->g, &old.who), SH_E_CLOSED);
    assert_ok(sh_guard_sign_in(f->g, SH_STR("admin"), sh_str_c(shown), SH_STR("::1"), &in));
    assert_int_equal(sh_guard_recover(f->g, SH_STR("ghost"), SH_STR(""), shown, &f->diag),
                     SH_E_NOTFOUND);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "second", PERSON("administrator")));
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "admin"));
    assert_ok(sh_guard_recover(f->g, SH_STR("admin"), SH_STR("the way back in"), shown, &f->diag));
    in = fixture_sign_in(f, "admin", "the way back in");
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_CONFIG_WRITE, 1));
    struct sh_audit_report r;
    assert_ok(sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                       .crypto = f->crypto,
                                                       .store = fake_disk_store(f->disk),
                                                       .dir = "data"},
                              &r));
}

static void test_another_node_key_is_refused_with_a_remedy(void **state)
{
    struct fixture *f = *state;
    struct sh_guard *g = NULL;
    const struct sh_guard_options o = {
        .env = &f->t.env,
        .crypto = f->crypto,
        .store = fake_disk_store(f->disk),
        .dir = "data",
        .settings = f->set,
    };
    sh_guard_close(f->g);
    f->g = NULL;
    assert_ok(sh_fs_unlink(f->t.env.fs, "data/keys/node.key"));
    assert_int_equal(sh_guard_open(&o, &g, &f->diag), SH_E_STATE);
    assert_true(f->diag.remedy[0] != '\0');
    uint8_t key[SH_KEY_BYTES];
    assert_ok(sh_node_key_open(&f->t.env, "data/keys/node.key", true, key, NULL));
    assert_int_equal(sh_guard_open(&o, &g, &f->diag), SH_E_STATE);
}

/* After a restore without keys/. */
static void test_new_node_key_can_be_accepted(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    char token[SH_SECRET_CHARS];
    struct sh_principal p;
    struct sh_audit_report r;
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"));
    fixture_answer(f, "token", token, sizeof token);
    const struct sh_sign_in old = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_guard_options o = {
        .env = &f->t.env,
        .crypto = f->crypto,
        .store = fake_disk_store(f->disk),
        .dir = "data",
        .settings = f->set,
        .accept_new_key = true,
    };
    sh_guard_close(f->g);
    f->g = NULL;
    assert_ok(sh_fs_unlink(f->t.env.fs, "data/keys/node.key"));
    assert_ok(sh_guard_open(&o, &f->g, &f->diag));
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &p), SH_E_DENIED);
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(old.token), &p), SH_E_DENIED);
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                       .crypto = f->crypto,
                                                       .store = fake_disk_store(f->disk),
                                                       .dir = "data"},
                              &r));
    assert_int_equal(r.entries, 5); /* the replacement is one of them */
    fixture_reopen(f);              /* and from now on it is the node's key */
}

static void test_every_noun_is_written_as_documented(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    char id[32];
    static const struct {
        enum sh_guard_noun noun;
        const char *name; /* NULL: the token's id */
        const char *members;
    } rows[] = {
        {SH_GUARD_PEOPLE, "admin", "name display roles language disabled"},
        {SH_GUARD_ROLES, "viewer", "name permissions builtin"},
        {SH_GUARD_TOKENS, NULL, "id name roles permissions device expires provision"},
        {SH_GUARD_TENANTS, "", "path name quotas use"},
    };
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"));
    fixture_answer(f, "id", id, sizeof id);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_jw w;
        json_t *o = NULL;
        struct sh_guard_page page = {.limit = 50};
        uint64_t revision = 0;
        sh_buf_clear(&f->text);
        sh_jw_init(&w, &f->text);
        const struct sh_str name = sh_str_c(rows[i].name == NULL ? id : rows[i].name);
        assert_ok(sh_guard_get(f->g, &at, rows[i].noun, name, &w, &revision));
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->text), 1 << 20, &o, NULL));
        for (struct sh_str left = sh_str_c(rows[i].members); left.p != NULL;) {
            struct sh_str rest;
            char member[32];
            assert_true(guard_copy(member, sizeof member, sh_str_cut(left, ' ', &rest)));
            assert_non_null(json_object_get(o, member));
            left = rest;
        }
        json_decref(o);
        assert_false(fixture_has(f, "hash"));
        assert_ok(sh_guard_list(f->g, &at, rows[i].noun, &page, &w));
        assert_true(page.total > 0);
        assert_int_equal(sh_guard_get(f->g, &at, rows[i].noun, SH_STR("none"), &w, NULL),
                         SH_E_NOTFOUND);
        const struct sh_principal weak = sh_guard_anonymous(f->g);
        const struct sh_guard_at no = {&weak, SH_TENANT_ROOT, SH_STR("")};
        assert_int_equal(sh_guard_get(f->g, &no, rows[i].noun, name, &w, NULL), SH_E_DENIED);
        assert_int_equal(sh_guard_list(f->g, &no, rows[i].noun, &page, &w), SH_E_DENIED);
    }
}

static void test_user_object_is_that_of_the_session(void **state)
{
    struct fixture *f = *state;
    struct sh_jw w;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a", "{}"));
    assert_ok(fixture_put(f, &sys, "a", SH_GUARD_PEOPLE, "li", PERSON("viewer")));
    const struct sh_sign_in in = fixture_sign_in(f, "li@a", "a long pass phrase");
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    assert_ok(sh_guard_write_user(f->g, &in.who, &w));
    assert_ok(sh_jw_end(&w));
    assert_true(sh_str_eqc(sh_buf_str(&f->text),
                           "{\"id\":\"li@a\",\"name\":\"li\",\"display\":\"\",\"tenant\":\"a\","
                           "\"roles\":[\"viewer\"],\"grants\":[],\"language\":\"zh\"}"));
    assert_int_equal(sh_guard_write_user(f->g, &sys, &w), SH_E_NOTFOUND);
    assert_ok(sh_guard_sign_out(f->g, sh_str_c(in.token)));
    assert_int_equal(sh_guard_write_user(f->g, &in.who, &w), SH_E_NOTFOUND);
}

static void test_damaged_objects_are_left_out_and_the_rest_is_served(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", PERSON("viewer")));
    char *value = fake_disk_value(f->disk, GUARD_PERSON, "1:li");
    value[0] = 'x';
    fixture_reopen(f);
    assert_true(f->t.log_lines[SH_LOG_ERROR] > 0);
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct sh_guard_stats s;
    sh_guard_stats(f->g, &s);
    assert_int_equal(s.people, 1);
}

static void test_failed_commits_change_nothing(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    struct sh_guard_stats before;
    struct sh_guard_stats after;
    static const struct {
        enum sh_guard_noun noun;
        const char *name;
        const char *body;
    } rows[] = {
        {SH_GUARD_PEOPLE, "x", PERSON("viewer")},
        {SH_GUARD_ROLES, "x", "{\"permissions\":[\"devices.read\"]}"},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"ingest\"]}"},
        {SH_GUARD_TENANTS, "x", "{}"},
    };
    sh_guard_stats(f->g, &before);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        uint32_t id = 0;
        fake_disk_fail(f->disk, 1);
        assert_int_equal(fixture_put(f, &sys, "", rows[i].noun, rows[i].name, rows[i].body),
                         SH_E_IO);
        sh_guard_stats(f->g, &after);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(sh_guard_tenant_find(f->g, SH_STR("x"), &id), SH_E_NOTFOUND);
    }
    for (size_t i = 0; i < SH_COUNT(rows); i++) { /* and the same works the next time */
        assert_ok(fixture_put(f, &sys, "", rows[i].noun, rows[i].name, rows[i].body));
    }
    fake_disk_fail(f->disk, 1);
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "x"), SH_E_IO);
    (void)fixture_sign_in(f, "x", "a long pass phrase");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_person_is_made_read_changed_and_deleted),
        FIXTURE_TEST(test_bodies_that_are_refused_name_the_member),
        FIXTURE_TEST(test_nobody_grants_what_he_does_not_hold),
        FIXTURE_TEST(test_tenant_administrator_stays_in_his_tenant),
        FIXTURE_TEST(test_last_administrator_stays),
        FIXTURE_TEST(test_builtin_roles_and_tenants_are_kept),
        FIXTURE_TEST(test_lists_page_by_name_and_find),
        FIXTURE_TEST(test_first_start_happens_once),
        FIXTURE_TEST(test_random_first_password_lies_in_a_file_until_the_first_sign_in),
        FIXTURE_TEST(test_recovery_gives_a_way_in_and_is_audited),
        FIXTURE_TEST(test_another_node_key_is_refused_with_a_remedy),
        FIXTURE_TEST(test_new_node_key_can_be_accepted),
        FIXTURE_TEST(test_every_noun_is_written_as_documented),
        FIXTURE_TEST(test_user_object_is_that_of_the_session),
        FIXTURE_TEST(test_damaged_objects_are_left_out_and_the_rest_is_served),
        FIXTURE_TEST(test_failed_commits_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
