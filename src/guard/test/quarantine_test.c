#include "fixture.h"

#define SECOND INT64_C(1000000)

static struct sh_guard_at at_root(struct fixture *f, struct sh_principal *sys)
{
    *sys = sh_guard_system(f->g);
    return (struct sh_guard_at){sys, 1, SH_STR("")};
}

/* ---- addresses ---- */

static void test_net_rows(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *text;
        sh_err err;
        const char *printed;
        const char *in;
        const char *out;
    } rows[] = {
        {"10.8.0.7", SH_OK, "10.8.0.7", "10.8.0.7", "10.8.0.8"},
        {"10.8.0.7/32", SH_OK, "10.8.0.7", "::ffff:10.8.0.7", "10.8.1.7"},
        {"10.8.0.0/24", SH_OK, "10.8.0.0/24", "10.8.0.255", "10.8.1.0"},
        {"10.8.0.0/22", SH_OK, "10.8.0.0/22", "::ffff:10.8.3.9", "10.8.4.0"},
        {"0.0.0.0/0", SH_OK, "0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
        {"::/0", SH_OK, "::/0", "2001:db8::1", "203.0.113.9"},
        {"2001:db8::/64", SH_OK, "2001:db8::/64", "[2001:db8::9%eth0]", "2001:db8:0:1::"},
        {"2001:DB8::7", SH_OK, "2001:db8::7", "2001:db8::7", "2001:db8::8"},
        {"2001:db8::8/125", SH_OK, "2001:db8::8/125", "2001:db8::f", "2001:db8::10"},
        {"::ffff:10.8.0.0/120", SH_OK, "10.8.0.0/24", "10.8.0.1", "10.8.1.1"},
        {"10.8.0.7/24", SH_E_CONFLICT, "10.8.0.0/24", NULL, NULL},
        {"2001:db8::7/64", SH_E_CONFLICT, "2001:db8::/64", NULL, NULL},
        {"10.8.0.0/33", SH_E_INVAL, NULL, NULL, NULL},
        {"2001:db8::/129", SH_E_INVAL, NULL, NULL, NULL},
        {"::ffff:10.8.0.0/90", SH_E_INVAL, NULL, NULL, NULL},
        {"10.8.0", SH_E_INVAL, NULL, NULL, NULL},
        {"10.8.0.0/", SH_E_INVAL, NULL, NULL, NULL},
        {"10.8.0.0/+8", SH_E_INVAL, NULL, NULL, NULL},
        {"10.8.0.0/0x8", SH_E_INVAL, NULL, NULL, NULL},
        {"10.8.0.0-10.8.0.9", SH_E_INVAL, NULL, NULL, NULL},
        {"[2001:db8::1]", SH_E_INVAL, NULL, NULL, NULL},
        {"fe80::1%eth0", SH_E_INVAL, NULL, NULL, NULL},
        {"plc.example", SH_E_INVAL, NULL, NULL, NULL},
        {"", SH_E_INVAL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct guard_net n;
        struct guard_ip ip;
        assert_int_equal(guard_net_parse(sh_str_c(rows[i].text), &n), rows[i].err);
        if (rows[i].printed != NULL) {
            char text[GUARD_NET_CHARS];
            guard_net_print(&n, text);
            assert_string_equal(text, rows[i].printed);
        }
        if (rows[i].in != NULL) {
            assert_true(guard_ip_parse(sh_str_c(rows[i].in), &ip) && guard_net_has(&n, &ip));
            assert_true(guard_ip_parse(sh_str_c(rows[i].out), &ip) && !guard_net_has(&n, &ip));
        }
    }
}

/* ---- a device ---- */

struct dev {
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
};

static struct dev device(struct fixture *f, const char *id)
{
    struct dev d = {.user = ""};
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    assert_ok(sh_guard_device_secret_new(f->g, &at, sh_str_c(id), d.user, d.secret));
    return d;
}

static struct sh_principal proves(struct fixture *f, const struct dev *d)
{
    struct sh_principal p;
    assert_ok(sh_guard_by_secret(f->g, sh_str_c(d->user), sh_str_c(d->secret), &p));
    return p;
}

static enum sh_refusal comes(struct fixture *f, const struct dev *d, const char *from)
{
    const struct sh_principal p = proves(f, d);
    return sh_guard_admits(f->g, &p, sh_str_c(from), SH_DOOR_MQTT);
}

/* A token that is bound to the device. */
static void token(struct fixture *f, const char *id, char secret[SH_SECRET_CHARS])
{
    char body[256];
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_true(guard_print(body, sizeof body,
                            "{\"name\":\"t\",\"roles\":[\"device\"],\"device\":\"%s\"}", id));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TOKENS, "", body));
    fixture_answer(f, "token", secret, SH_SECRET_CHARS);
}

static sh_err allow(struct fixture *f, const char *id, const char *list)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    json_t *o = NULL;
    f->diag = (struct sh_diag){0};
    assert_ok(sh_json_parse(sh_str_c(list), 1 << 16, &o, NULL));
    const sh_err err = sh_guard_device_allow(f->g, &at, sh_str_c(id), o, &f->diag);
    json_decref(o);
    return err;
}

static sh_err quarantine(struct fixture *f, const char *id, const char *reason)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    return sh_guard_device_quarantine(f->g, &at, sh_str_c(id), sh_str_c(reason));
}

static sh_err release(struct fixture *f, const char *id)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    return sh_guard_device_release(f->g, &at, sh_str_c(id));
}

static sh_err dismiss(struct fixture *f, const char *id)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    return sh_guard_device_clone_dismiss(f->g, &at, sh_str_c(id));
}

/* Its access lies in f->text. */
static void show(struct fixture *f, const char *id)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    struct sh_jw w;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_obj(&w);
    assert_ok(sh_guard_device_access_write(f->g, &at, sh_str_c(id), &w));
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
}

static uint32_t cloned(struct fixture *f)
{
    uint32_t n = 0;
    uint32_t k = 0;
    sh_guard_devices_watched(f->g, 1, &n, &k);
    return n;
}

static uint32_t shut(struct fixture *f)
{
    uint32_t n = 0;
    uint32_t k = 0;
    sh_guard_devices_watched(f->g, 1, &n, &k);
    return k;
}

static void mode(struct fixture *f, enum sh_clones clones)
{
    f->set.clones = clones;
    fixture_reopen(f);
}

static void pass(struct fixture *f, int64_t seconds)
{
    f->t.mono_us += seconds * SECOND;
    f->t.wall_us += seconds * SECOND;
}

/* ---- allow lists ---- */

static void test_list_admits_its_addresses_and_no_other(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    char secret[SH_SECRET_CHARS];
    struct sh_principal p;
    token(f, "press", secret);
    assert_int_equal(comes(f, &d, "203.0.113.9"), SH_REFUSED_NOT);
    p = proves(f, &d);
    assert_ok(allow(f, "press", "[\"10.8.0.0/24\",\"2001:db8::/64\",\"10.8.0.0/24\"]"));
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED); /* who was in is judged anew */
    for (int again = 0; again < 2; again++) {
        assert_int_equal(comes(f, &d, "10.8.0.9"), SH_REFUSED_NOT);
        assert_int_equal(comes(f, &d, "::ffff:10.8.0.9"), SH_REFUSED_NOT);
        assert_int_equal(comes(f, &d, "2001:db8::1"), SH_REFUSED_NOT);
        assert_int_equal(comes(f, &d, "10.8.1.9"), SH_REFUSED_ADDRESS);
        assert_int_equal(comes(f, &d, ""), SH_REFUSED_ADDRESS);
        assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &p));
        assert_int_equal(sh_guard_admits(f->g, &p, SH_STR("10.8.0.1"), SH_DOOR_OTHER),
                         SH_REFUSED_NOT);
        assert_int_equal(sh_guard_admits(f->g, &p, SH_STR("10.9.0.1"), SH_DOOR_OTHER),
                         SH_REFUSED_ADDRESS);
        fixture_reopen(f);
    }
    show(f, "press");
    assert_true(fixture_has(f, "\"allow\":[\"10.8.0.0/24\",\"2001:db8::/64\"]"));
    assert_ok(allow(f, "press", "[]"));
    assert_int_equal(comes(f, &d, "10.8.1.9"), SH_REFUSED_NOT);
}

static void test_refusals_are_counted_and_told_once_a_minute(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    struct sh_guard_stats s;
    assert_ok(allow(f, "press", "[\"10.8.0.7\"]"));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(comes(f, &d, "10.8.0.8"), SH_REFUSED_ADDRESS);
        pass(f, 1);
    }
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "device.refused"), 1);
    pass(f, 10);
    assert_int_equal(comes(f, &d, "10.8.0.8"), SH_REFUSED_ADDRESS);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "device.refused"), 2);
    sh_guard_stats(f->g, &s);
    assert_int_equal(s.refused_address, 51);
    show(f, "press");
    assert_true(fixture_has(f, "\"count\":51"));
    assert_true(fixture_has(f, "\"address\":\"10.8.0.8\",\"why\":\"address\",\"how\":\"mqtt\""));
}

static void test_bad_entry_is_named_with_a_remedy(void **state)
{
    struct fixture *f = *state;
    (void)device(f, "press");
    assert_int_equal(allow(f, "press", "[\"10.8.0.7\",\"10.8.0.7/24\"]"), SH_E_INVAL);
    assert_string_equal(f->diag.path, "/allow/1");
    assert_non_null(strstr(f->diag.remedy, "10.8.0.0/24"));
    assert_int_equal(allow(f, "press", "[\"cnc.example\"]"), SH_E_INVAL);
    assert_non_null(strstr(f->diag.message, "cnc.example"));
    assert_int_equal(allow(f, "press", "[7]"), SH_E_INVAL);
    assert_int_equal(allow(f, "press", "{}"), SH_E_INVAL);
    char many[17 * 12 + 4] = "[";
    for (int i = 0; i < 17; i++) {
        char one[16];
        (void)guard_print(one, sizeof one, "%s\"10.8.0.%d\"", i == 0 ? "" : ",", i);
        strcat(many, one); /* NOLINT */
    }
    strcat(many, "]"); /* NOLINT */
    assert_int_equal(allow(f, "press", many), SH_E_INVAL);
    assert_string_equal(f->diag.path, "/allow/16");
    show(f, "press");
    assert_true(fixture_has(f, "\"allow\":[]"));
}

/* ---- clones ---- */

static void test_clone_rows(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *way; /* addresses by letter; seconds between by digit (as minutes) */
        bool raised;
    } rows[] = {
        {"AAAAAA", false},  {"AB", false},      {"ABBBBB", false}, {"ABA", false},
        {"ABC", false},     {"ABCD", false},    {"ABAB", true},    {"A1B1A1B", true},
        {"A6B6A6B", false},                     /* slower than three in ten minutes */
        {"ABCAB", true},                        /* three of them */
        {"ABCDABC", true},  {"ABA9ABA", false}, /* two and two: the first are long ago */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char id[16];
        (void)guard_print(id, sizeof id, "d%zu", i);
        const struct dev d = device(f, id);
        for (const char *c = rows[i].way; *c != '\0'; c++) {
            char from[16];
            if (*c >= '0' && *c <= '9') {
                pass(f, 60 * (*c - '0') + (*c == '9' ? 120 : 0));
                continue;
            }
            (void)guard_print(from, sizeof from, "10.0.0.%d", *c - 'A' + 1);
            assert_int_equal(comes(f, &d, from), SH_REFUSED_NOT);
        }
        show(f, id);
        assert_int_equal(fixture_has(f, "\"clone\":null"), !rows[i].raised);
        pass(f, 3600);
    }
}

static void flap(struct fixture *f, const struct dev *d)
{
    static const char *const from[] = {"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"};
    for (size_t i = 0; i < SH_COUNT(from); i++) {
        const enum sh_refusal r = comes(f, d, from[i]);
        SH_UNUSED(r);
    }
}

static void test_mark_is_kept_audited_and_dismissed(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    flap(f, &d);
    assert_int_equal(cloned(f), 1);
    fake_disk_fail(f->disk, 1); /* the tick tries again */
    sh_guard_tick(f->g);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "device.cloned"), 1);
    assert_int_equal(fake_disk_audited(f->disk, "10.0.0.1 and 10.0.0.2 in turn (mqtt)"), 1);
    fixture_reopen(f);
    assert_int_equal(cloned(f), 1);
    show(f, "press");
    assert_true(fixture_has(f, "\"clone\":{\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"]"));
    assert_int_equal(comes(f, &d, "10.0.0.1"), SH_REFUSED_NOT); /* warn is the default */
    assert_ok(dismiss(f, "press"));
    assert_int_equal(dismiss(f, "press"), SH_E_NOTFOUND);
    assert_int_equal(cloned(f), 0);
    assert_int_equal(comes(f, &d, "10.0.0.2"), SH_REFUSED_NOT);
    assert_int_equal(cloned(f), 0); /* it begins anew */
    flap(f, &d);
    assert_int_equal(cloned(f), 1);
    assert_ok(sh_guard_device_removed(f->g, 1, SH_STR("press")));
    assert_int_equal(cloned(f), 0);
    sh_guard_tick(f->g); /* nothing of it is stored */
    assert_int_equal(fake_disk_count(f->disk, GUARD_DEVICE), 0);
}

static void test_bound_token_is_watched_by_itself(void **state)
{
    struct fixture *f = *state;
    char secret[SH_SECRET_CHARS];
    struct sh_principal p;
    token(f, "oven", secret); /* of a device that has no credential of its own */
    assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &p));
    for (int i = 0; i < 9; i++) { /* reading from two places is nothing */
        assert_int_equal(sh_guard_admits(f->g, &p,
                                         i % 2 == 0 ? SH_STR("10.0.0.1") : SH_STR("10.0.0.2"),
                                         SH_DOOR_OTHER),
                         SH_REFUSED_NOT);
    }
    assert_int_equal(cloned(f), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sh_guard_admits(f->g, &p,
                                         i % 2 == 0 ? SH_STR("10.0.0.1") : SH_STR("10.0.0.2"),
                                         SH_DOOR_INGEST),
                         SH_REFUSED_NOT);
    }
    assert_int_equal(cloned(f), 1);
    sh_guard_tick(f->g);
    fixture_reopen(f);
    assert_int_equal(cloned(f), 1);
}

static void test_modes_of_clones(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    char secret[SH_SECRET_CHARS];
    struct sh_principal p;
    struct sh_principal t;
    token(f, "press", secret);
    mode(f, SH_CLONES_OFF);
    flap(f, &d);
    assert_int_equal(cloned(f), 0);
    mode(f, SH_CLONES_QUARANTINE);
    p = proves(f, &d);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &t));
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_MQTT_CONNECT, 1));
    flap(f, &d); /* at once, before anything is stored */
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_MQTT_CONNECT, 1), SH_E_DENIED);
    assert_int_equal(sh_guard_live(f->g, &t), SH_E_CLOSED);
    assert_int_equal(comes(f, &d, "10.0.0.1"), SH_REFUSED_QUARANTINE);
    assert_int_equal(shut(f), 1);
    sh_guard_tick(f->g);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "device.cloned"), 1);
    assert_int_equal(fake_disk_audited(f->disk, "device.quarantined"), 1);
    mode(f, SH_CLONES_QUARANTINE);
    assert_int_equal(comes(f, &d, "10.0.0.1"), SH_REFUSED_QUARANTINE);
    show(f, "press");
    assert_true(fixture_has(f, "\"reason\":\"clone: 10.0.0.1, 10.0.0.2 (mqtt)\",\"by\":\"system"));
    assert_ok(release(f, "press"));
    assert_int_equal(comes(f, &d, "10.0.0.1"), SH_REFUSED_NOT);
    assert_int_equal(comes(f, &d, "10.0.0.2"), SH_REFUSED_NOT);
    assert_int_equal(cloned(f), 1); /* the mark stays until somebody takes it away */
    flap(f, &d);
    assert_int_equal(comes(f, &d, "10.0.0.1"), SH_REFUSED_QUARANTINE); /* and again */
}

/* ---- quarantine ---- */

static void test_quarantine_shuts_everything_and_survives(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    char secret[SH_SECRET_CHARS];
    struct sh_principal t;
    token(f, "press", secret);
    const struct sh_principal p = proves(f, &d);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &t));
    assert_int_equal(quarantine(f, "press", ""), SH_E_INVAL);
    assert_int_equal(quarantine(f, "press", "two\nlines"), SH_E_INVAL);
    assert_ok(quarantine(f, "press", "stolen cabinet"));
    assert_int_equal(quarantine(f, "press", "again"), SH_E_EXISTS);
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED);
    assert_int_equal(sh_guard_live(f->g, &t), SH_E_CLOSED);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(comes(f, &d, "10.8.0.7"), SH_REFUSED_QUARANTINE);
        assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &t));
        assert_int_equal(sh_guard_admits(f->g, &t, SH_STR("10.8.0.7"), SH_DOOR_OTHER),
                         SH_REFUSED_QUARANTINE);
        assert_int_equal(sh_guard_check(f->g, &t, SH_PERM_INGEST_WRITE, 1), SH_E_DENIED);
        const struct sh_principal q = proves(f, &d); /* also where nobody asks for admission */
        assert_int_equal(sh_guard_check(f->g, &q, SH_PERM_INGEST_WRITE, 1), SH_E_DENIED);
        fixture_reopen(f);
    }
    const struct dev fresh = device(f, "press"); /* a new secret does not help */
    assert_int_equal(comes(f, &fresh, "10.8.0.7"), SH_REFUSED_QUARANTINE);
    char later[SH_SECRET_CHARS];
    token(f, "press", later); /* nor does a new token */
    assert_ok(sh_guard_by_token(f->g, sh_str_c(later), &t));
    assert_int_equal(sh_guard_check(f->g, &t, SH_PERM_INGEST_WRITE, 1), SH_E_DENIED);
    assert_ok(sh_guard_device_renamed(f->g, 1, SH_STR("press"), SH_STR("press2")));
    show(f, "press2"); /* nor another name */
    assert_true(fixture_has(f, "\"reason\":\"stolen cabinet\""));
    assert_int_equal(shut(f), 1);
    assert_ok(release(f, "press2"));
    assert_int_equal(release(f, "press2"), SH_E_NOTFOUND);
    assert_int_equal(shut(f), 0);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(later), &t));
    assert_ok(sh_guard_check(f->g, &t, SH_PERM_INGEST_WRITE, 1));
    assert_int_equal(fake_disk_audited(f->disk, "device.quarantined"), 1);
    assert_int_equal(fake_disk_audited(f->disk, "device.released"), 1);
}

static void test_what_is_not_stored_does_not_hold(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    fake_disk_fail(f->disk, 1);
    assert_int_equal(quarantine(f, "press", "x"), SH_E_IO);
    assert_int_equal(comes(f, &d, "10.8.0.7"), SH_REFUSED_NOT);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(quarantine(f, "bare", "x"), SH_E_IO);
    assert_ok(quarantine(f, "bare", "before it has a credential"));
    const struct dev bare = device(f, "bare");
    assert_int_equal(comes(f, &bare, "10.8.0.7"), SH_REFUSED_QUARANTINE);
    assert_ok(quarantine(f, "press", "x"));
    fake_disk_fail(f->disk, 1);
    assert_int_equal(release(f, "press"), SH_E_IO);
    assert_int_equal(comes(f, &d, "10.8.0.7"), SH_REFUSED_QUARANTINE);
    const struct sh_principal nobody = {0};
    const struct sh_guard_at at = {&nobody, 1, SH_STR("")};
    assert_int_equal(sh_guard_device_release(f->g, &at, SH_STR("press")), SH_E_DENIED);
    assert_int_equal(sh_guard_device_clone_dismiss(f->g, &at, SH_STR("press")), SH_E_DENIED);
}

/* A list that can not be read must not become none. */
static void test_damaged_list_leaves_the_device_out(void **state)
{
    struct fixture *f = *state;
    const struct dev d = device(f, "press");
    struct sh_principal p;
    assert_ok(allow(f, "press", "[\"10.8.0.7\"]"));
    char *value = fake_disk_value(f->disk, GUARD_DEVICE, "1:press");
    assert_non_null(value);
    *strstr(value, "7\"]") = 'x';
    fixture_reopen(f);
    assert_int_equal(sh_guard_by_secret(f->g, sh_str_c(d.user), sh_str_c(d.secret), &p),
                     SH_E_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_rows),
        FIXTURE_TEST(test_list_admits_its_addresses_and_no_other),
        FIXTURE_TEST(test_refusals_are_counted_and_told_once_a_minute),
        FIXTURE_TEST(test_bad_entry_is_named_with_a_remedy),
        FIXTURE_TEST(test_clone_rows),
        FIXTURE_TEST(test_mark_is_kept_audited_and_dismissed),
        FIXTURE_TEST(test_bound_token_is_watched_by_itself),
        FIXTURE_TEST(test_modes_of_clones),
        FIXTURE_TEST(test_quarantine_shuts_everything_and_survives),
        FIXTURE_TEST(test_what_is_not_stored_does_not_hold),
        FIXTURE_TEST(test_damaged_list_leaves_the_device_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
