#include "twin_fix.h"

#include <math.h>

#include <sh/twin_map.h>

static void at(struct fix *f, const char *id, double lat, double lon, const char *more)
{
    char body[200];
    (void)snprintf(body, sizeof body, "{'location':{'lat':%.7f,'lon':%.7f}%s}", lat, lon, more);
    assert_ok(fix_device(f, id, SH_TWIN_CREATE, body));
}

static struct sh_twin_map look(struct fix *f, const struct sh_twin_query *q,
                               const struct sh_twin_box *box, size_t max)
{
    struct sh_twin_map m;
    assert_ok(sh_twin_map(f->w, q, box, max, f->ar, &m, &f->diag));
    return m;
}

static void test_spots_are_those_of_the_filter_in_the_box(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_query all = {.tenant = 1};
    at(f, "harbin", 45.75, 126.65, ",'name':'H','labels':{'line':'1'}");
    at(f, "beijing", 39.9, 116.4, "");
    at(f, "old", 39.9, 116.5, ",'archived':true");
    at(f, "fiji", -17.7, 178.1, "");
    at(f, "samoa", -13.8, -171.8, "");
    assert_ok(fix_device(f, "words", SH_TWIN_CREATE, "{'location':'Hall 3'}"));
    assert_ok(fix_device(f, "nowhere", SH_TWIN_CREATE, "{}"));
    for (int i = 0; i < 2; i++) {
        struct sh_twin_map m = look(f, &all, NULL, 100);
        assert_int_equal(m.total, 6);
        assert_int_equal(m.placed, 4);
        assert_int_equal(m.nspots, 4);
        assert_true(m.extent.west == -171.8 && m.extent.east == 178.1);
        const struct sh_twin_box china = {73, 18, 135, 54};
        m = look(f, &all, &china, 100);
        assert_int_equal(m.nspots, 2);
        assert_int_equal(m.placed, 4);
        assert_int_equal(m.within, 2);
        const struct sh_twin_box pacific = {170, -30, -160, 0}; /* over the date line */
        m = look(f, &all, &pacific, 100);
        assert_int_equal(m.nspots, 2);
        const struct sh_twin_query line = {.tenant = 1, .label = SH_STR("line:1")};
        m = look(f, &line, NULL, 100);
        assert_int_equal(m.nspots, 1);
        assert_str(m.spots[0].id, "harbin");
        assert_str(m.spots[0].name, "H");
        assert_true(m.spots[0].lat == 45.75 && m.spots[0].lon == 126.65);
        const struct sh_twin_query other = {.tenant = 2};
        m = look(f, &other, NULL, 100);
        assert_int_equal(m.total, 0);
        assert_int_equal(m.nspots, 0);
        fix_reopen(f);
    }
}

static void test_a_position_follows_the_device(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_query all = {.tenant = 1};
    at(f, "car", 45, 126, "");
    assert_ok(fix_device(f, "car", SH_TWIN_PATCH, "{'location':{'lat':46.5}}"));
    struct sh_twin_map m = look(f, &all, NULL, 10);
    assert_true(m.spots[0].lat == 46.5 && m.spots[0].lon == 126);
    assert_ok(fix_device(f, "car", SH_TWIN_PATCH, "{'location':null}"));
    m = look(f, &all, NULL, 10);
    assert_int_equal(m.placed, 0);
}

/* More than asked for: squares of a grid with counts by state; nobody is left out or counted twice.
 */
static void test_too_many_are_gathered(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_query all = {.tenant = 1};
    char id[20];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(id, sizeof id, "d%d", i);
        at(f, id, 30 + i % 3 * 10 + i * 1e-5, 100 + i % 3 * 10 + i * 1e-5, "");
        if (i % 10 == 0) {
            sh_twin_link(f->w, 1, sh_str_c(id), SH_TWIN_LINK_MQTT, true);
        }
    }
    struct sh_twin_map m = look(f, &all, NULL, 100);
    assert_null(m.spots);
    assert_int_equal(m.within, 300);
    const struct sh_twin_box wide = {95.3, 25, 125.3, 55};
    m = look(f, &all, &wide, 100);
    assert_int_equal(m.nclusters, 3);
    uint32_t online = 0;
    uint32_t never = 0;
    for (size_t i = 0; i < m.nclusters; i++) {
        online += m.clusters[i].online;
        never += m.clusters[i].never;
        assert_true(fabs(m.clusters[i].lat - (30 + 10.0 * (double)i)) < 0.01);
        assert_true(fabs(m.clusters[i].lon - (100 + 10.0 * (double)i)) < 0.01);
    }
    assert_int_equal(online, 30);
    assert_int_equal(never, 270);
    const struct sh_twin_box first = {99, 29, 101, 31};
    m = look(f, &all, &first, 100);
    assert_int_equal(m.nspots, 100); /* just as many as asked for */
    m = look(f, &all, &first, 99);
    assert_true(m.nclusters >= 1);
    /* all at one place */
    const struct sh_twin_query none = {.tenant = 1, .search = SH_STR("d29")};
    m = look(f, &none, NULL, 0);
    assert_int_equal(m.within, 11); /* d29, d290 .. d299 */
}

static void test_one_row(void **state)
{
    struct fix *f = *state;
    struct sh_twin_device d;
    at(f, "a", 1, 2, ",'name':'A'");
    assert_ok(sh_twin_device_row(f->w, 1, SH_STR("a"), f->ar, &d));
    assert_str(d.name, "A");
    assert_ok(sh_twin_device_rename(f->w, 1, SH_STR("a"), SH_STR("b"), SH_STR(""), NULL));
    assert_ok(sh_twin_device_row(f->w, 1, SH_STR("a"), f->ar, &d));
    assert_str(d.id, "b");
    assert_int_equal(sh_twin_device_row(f->w, 1, SH_STR("c"), f->ar, &d), SH_E_NOTFOUND);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_spots_are_those_of_the_filter_in_the_box),
        T(test_a_position_follows_the_device),
        T(test_too_many_are_gathered),
        T(test_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
