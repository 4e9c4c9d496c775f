#include "twin_fix.h"

#include <sh/twin_file.h>

static void blob(struct fix *f, const char *text, char hash[SH_RECORD_HASH_CHARS])
{
    struct sh_record_blob_writer *w = NULL;
    assert_ok(sh_record_blob_begin(f->r, 1, &w));
    assert_ok(sh_record_blob_write(w, sh_str_bytes(sh_str_c(text))));
    assert_ok(sh_record_blob_end(w, hash, NULL, NULL));
}

static struct sh_twin_owner of(enum sh_twin_of kind, const char *id)
{
    return (struct sh_twin_owner){1, kind, sh_str_c(id)};
}

static sh_err add(struct fix *f, struct sh_twin_owner o, const char *name, const char *text,
                  struct sh_twin_file *out)
{
    char hash[SH_RECORD_HASH_CHARS];
    blob(f, text, hash);
    const struct sh_twin_file n = {.name = sh_str_c(name),
                                   .media = SH_STR("text/plain"),
                                   .kind = SH_STR("manual"),
                                   .hash = {hash, sizeof hash},
                                   .size = strlen(text)};
    return sh_twin_file_add(f->w, &o, &n, SH_STR("person:zhang"), f->ar, out);
}

static size_t listed(struct fix *f, struct sh_twin_owner o, struct sh_twin_file **list)
{
    size_t n = 0;
    assert_ok(sh_twin_files(f->w, &o, false, f->ar, list, &n));
    return n;
}

static void use_is(struct fix *f, uint64_t files, uint64_t bytes)
{
    uint64_t a = 0;
    uint64_t b = 0;
    sh_twin_files_use(f->w, 1, &a, &b);
    assert_int_equal(a, files);
    assert_int_equal(b, bytes);
}

static void plant(struct fix *f)
{
    assert_ok(fix_device(f, "pump", SH_TWIN_CREATE, "{}"));
    assert_ok(fix_device(f, "fan", SH_TWIN_CREATE, "{}"));
    assert_ok(fix_asset(f, "line", "{'kind':'line','name':'L'}"));
    assert_ok(fix_thing(f, "model", SH_TWIN_CREATE, "{'properties':[]}"));
}

static void test_files_are_kept_by_owner(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file a;
    struct sh_twin_file b;
    struct sh_twin_file *list = NULL;
    plant(f);
    assert_ok(add(f, of(SH_TWIN_OF_DEVICE, "pump"), "a.txt", "one", &a));
    sh_test_advance(&f->t, 2000000);
    assert_ok(add(f, of(SH_TWIN_OF_DEVICE, "pump"), "b.txt", "one", &b));
    assert_ok(add(f, of(SH_TWIN_OF_ASSET, "line"), "a.txt", "plan!", &b));
    assert_ok(add(f, of(SH_TWIN_OF_THING, "model"), "a.txt", "manual", &b));
    assert_int_equal(add(f, of(SH_TWIN_OF_DEVICE, "pump"), "a.txt", "one", &b), SH_E_EXISTS);
    assert_true(sh_str_eq(a.id, b.id)); /* a repeated upload is the first one */
    for (int i = 0; i < 2; i++) {
        use_is(f, 4, 17);
        assert_int_equal(listed(f, of(SH_TWIN_OF_DEVICE, "pump"), &list), 2);
        assert_str(list[0].name, "b.txt");
        assert_str(list[1].name, "a.txt");
        assert_str(list[1].by, "person:zhang");
        assert_int_equal(listed(f, of(SH_TWIN_OF_DEVICE, "fan"), &list), 0);
        assert_int_equal(listed(f, of(SH_TWIN_OF_ASSET, "line"), &list), 1);
        assert_int_equal(list[0].size, 5);
        assert_int_equal(listed(f, of(SH_TWIN_OF_THING, "model"), &list), 1);
        fix_reopen(f);
    }
    /* Another owner's file does not exist. */
    const struct sh_twin_owner fan = of(SH_TWIN_OF_DEVICE, "fan");
    assert_int_equal(sh_twin_file_get(f->w, &fan, a.id, f->ar, &b), SH_E_NOTFOUND);
    const struct sh_twin_owner none = of(SH_TWIN_OF_DEVICE, "none");
    size_t n = 0;
    assert_int_equal(sh_twin_files(f->w, &none, false, f->ar, &list, &n), SH_E_NOTFOUND);
    assert_int_equal(add(f, none, "a.txt", "x", &b), SH_E_NOTFOUND);
}

static void test_what_is_not_a_file_is_refused(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file out;
    static const char *const names[] = {"", "..", "a/b", "a\\b", "a\nb", "\xff"};
    plant(f);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(add(f, of(SH_TWIN_OF_DEVICE, "pump"), names[i], "x", &out), SH_E_INVAL);
    }
    use_is(f, 0, 0);
    /* a blob that is not there */
    const struct sh_twin_owner o = of(SH_TWIN_OF_DEVICE, "pump");
    const struct sh_twin_file n = {
        .name = SH_STR("a"),
        .media = SH_STR("text/plain"),
        .kind = SH_STR("manual"),
        .hash = SH_STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        .size = 3};
    assert_int_equal(sh_twin_file_add(f->w, &o, &n, SH_STR(""), f->ar, &out), SH_E_NOTFOUND);
    use_is(f, 0, 0);
    fix_reopen(f);
    use_is(f, 0, 0);
}

static void test_words_of_a_file_change_and_it_is_removed(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file a;
    struct sh_twin_file b;
    uint64_t size = 0;
    uint64_t removed = 0;
    plant(f);
    const struct sh_twin_owner o = of(SH_TWIN_OF_DEVICE, "pump");
    assert_ok(add(f, o, "a.txt", "one", &a));
    struct sh_twin_file_change c = {.id = a.id,
                                    .name = SH_STR("c.txt"),
                                    .note = SH_STR("new"),
                                    .expect = a.rev,
                                    .author = SH_STR("person:li")};
    assert_ok(sh_twin_file_change(f->w, &o, &c, f->ar, &b));
    assert_str(b.name, "c.txt");
    assert_str(b.kind, "manual");
    assert_str(b.note, "new");
    assert_str(b.edited_by, "person:li");
    assert_int_equal(sh_twin_file_change(f->w, &o, &c, f->ar, &b), SH_E_CONFLICT);
    c.kind = SH_STR("nonsense");
    assert_int_equal(sh_twin_file_change(f->w, &o, &c, f->ar, &b), SH_E_INVAL);
    sh_test_advance(&f->t, 1000);
    assert_ok(sh_record_blob_gc(f->r, 0, &removed));
    assert_int_equal(removed, 0); /* it is referred to */
    assert_ok(sh_twin_file_remove(f->w, &o, a.id, SH_STR(""), &size));
    assert_int_equal(size, 3);
    assert_int_equal(sh_twin_file_remove(f->w, &o, a.id, SH_STR(""), &size), SH_E_NOTFOUND);
    use_is(f, 0, 0);
    assert_int_equal(sh_record_blob_verify(f->r, 1, a.hash), SH_E_NOTFOUND); /* gone at once */
}

static void add_freed(void *ctx, uint32_t tenant, uint64_t bytes)
{
    *(uint64_t *)ctx += bytes;
    assert_int_equal(tenant, 1);
}

static void test_a_deleted_file_comes_back_within_its_time_of_grace(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_owner o = of(SH_TWIN_OF_DEVICE, "pump");
    struct sh_twin_file a;
    struct sh_twin_file b;
    struct sh_twin_file *list = NULL;
    uint64_t size = 0;
    uint64_t freed = 0;
    uint64_t removed = 0;
    size_t n = 0;
    plant(f);
    assert_ok(add(f, o, "a.txt", "abc", &a));
    assert_int_equal(sh_twin_file_delete(f->w, &o, a.id, true, SH_STR(""), f->ar, &b),
                     SH_E_NOTFOUND); /* nothing to bring back */
    assert_ok(sh_twin_file_delete(f->w, &o, a.id, false, SH_STR("person:li"), f->ar, &b));
    assert_str(b.deleted_by, "person:li");
    assert_true(b.deleted_us > 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listed(f, o, &list), 0);
        assert_int_equal(sh_twin_file_get(f->w, &o, a.id, f->ar, &b), SH_E_NOTFOUND);
        assert_ok(sh_twin_file_deleted(f->w, &o, a.id, f->ar, &b));
        assert_ok(sh_twin_files(f->w, &o, true, f->ar, &list, &n));
        assert_int_equal(n, 1);
        use_is(f, 1, 3); /* it is counted */
        fix_reopen(f);
    }
    assert_int_equal(sh_twin_file_delete(f->w, &o, a.id, false, SH_STR(""), f->ar, &b),
                     SH_E_NOTFOUND); /* once */
    /* the same may come again meanwhile; then the old one does not come back */
    assert_ok(add(f, o, "a.txt", "abc", &b));
    assert_int_equal(sh_twin_file_delete(f->w, &o, a.id, true, SH_STR(""), f->ar, &b), SH_E_EXISTS);
    assert_int_equal(listed(f, o, &list), 1);
    assert_ok(sh_twin_file_remove(f->w, &o, list[0].id, SH_STR(""), &size));
    assert_ok(sh_twin_file_delete(f->w, &o, a.id, true, SH_STR(""), f->ar, &b));
    assert_int_equal(b.deleted_us, 0);
    assert_int_equal(listed(f, o, &list), 1);
    assert_ok(sh_record_blob_verify(f->r, 1, a.hash));
    /* it follows its device also when it is deleted, and goes when its time is over */
    assert_ok(sh_twin_file_delete(f->w, &o, a.id, false, SH_STR(""), f->ar, &b));
    assert_ok(sh_twin_device_rename(f->w, 1, SH_STR("pump"), SH_STR("p2"), SH_STR(""), NULL));
    sh_test_advance(&f->t, SH_TWIN_FILE_GRACE_US - 1000);
    assert_ok(sh_twin_files_expire(f->w, add_freed, &freed, &removed));
    assert_int_equal(removed, 0);
    assert_ok(sh_twin_files(f->w, &o, true, f->ar, &list, &n));
    assert_int_equal(n, 1);
    sh_test_advance(&f->t, 2000);
    assert_ok(sh_twin_files_expire(f->w, add_freed, &freed, &removed));
    assert_int_equal(removed, 1);
    assert_int_equal(freed, 3);
    use_is(f, 0, 0);
    assert_int_equal(sh_twin_file_deleted(f->w, &o, a.id, f->ar, &b), SH_E_NOTFOUND);
    assert_int_equal(sh_record_blob_verify(f->r, 1, a.hash), SH_E_NOTFOUND);
}

static void test_files_follow_a_renamed_device(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file *list = NULL;
    struct sh_twin_file a;
    plant(f);
    assert_ok(add(f, of(SH_TWIN_OF_DEVICE, "pump"), "a.txt", "one", &a));
    assert_ok(sh_twin_device_rename(f->w, 1, SH_STR("pump"), SH_STR("pump-2"), SH_STR(""), NULL));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listed(f, of(SH_TWIN_OF_DEVICE, "pump-2"), &list), 1);
        assert_int_equal(listed(f, of(SH_TWIN_OF_DEVICE, "pump"), &list), 1); /* the alias */
        use_is(f, 1, 3);
        fix_reopen(f);
    }
    assert_ok(add(f, of(SH_TWIN_OF_DEVICE, "pump"), "b.txt", "two", &a));
    assert_int_equal(listed(f, of(SH_TWIN_OF_DEVICE, "pump-2"), &list), 2);
}

static void test_files_go_with_their_owner(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file a;
    uint64_t bytes = 0;
    uint64_t removed = 0;
    plant(f);
    const struct sh_twin_owner pump = of(SH_TWIN_OF_DEVICE, "pump");
    assert_ok(add(f, pump, "a.txt", "one", &a));
    assert_ok(add(f, pump, "b.txt", "two", &a));
    assert_ok(add(f, of(SH_TWIN_OF_DEVICE, "fan"), "b.txt", "two", &a));
    assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("pump"), SH_RECORD_ANY, SH_STR("")));
    assert_ok(sh_twin_files_drop(f->w, &pump, SH_STR(""), &bytes));
    assert_int_equal(bytes, 6);
    use_is(f, 1, 3);
    /* A crash comes between: the next start does it. */
    assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("fan"), SH_RECORD_ANY, SH_STR("")));
    fix_reopen(f);
    use_is(f, 1, 3);
    assert_ok(sh_twin_files_sweep(f->w, &removed));
    assert_int_equal(removed, 1);
    use_is(f, 0, 0);
    sh_test_advance(&f->t, 1000);
    assert_ok(sh_record_blob_gc(f->r, 0, &removed));
    assert_int_equal(removed, 0); /* their contents went with them */
    struct sh_record_stats st;
    sh_record_stats(f->r, &st);
    assert_int_equal(st.blob_bytes, 0);
}

static void test_an_owner_takes_so_many_files(void **state)
{
    struct fix *f = *state;
    struct sh_twin_file a;
    char name[20];
    plant(f);
    const struct sh_twin_owner o = of(SH_TWIN_OF_DEVICE, "pump");
    for (int i = 0; i < SH_TWIN_FILES_OF; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        assert_ok(add(f, o, name, "x", &a));
    }
    assert_int_equal(add(f, o, "one more", "x", &a), SH_E_LIMIT);
    assert_int_equal(add(f, o, "7", "x", &a), SH_E_EXISTS);
    use_is(f, SH_TWIN_FILES_OF, SH_TWIN_FILES_OF);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_files_are_kept_by_owner),
        T(test_what_is_not_a_file_is_refused),
        T(test_words_of_a_file_change_and_it_is_removed),
        T(test_a_deleted_file_comes_back_within_its_time_of_grace),
        T(test_files_follow_a_renamed_device),
        T(test_files_go_with_their_owner),
        T(test_an_owner_takes_so_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
