#include "twin_fix.h"

static void is_state(struct fix *f, const char *id, const char *state)
{
    fix_is(f, id, "state", state);
}

static void sample_q(struct fix *f, const char *device, uint8_t quality)
{
    const struct sh_point_def d = {
        .tenant = 1, .type = SH_T_F64, .device = sh_str_c(device), .property = SH_STR("t")};
    struct sh_batch_builder b;
    struct sh_slab *slab = NULL;
    uint32_t id = 0;
    assert_ok(sh_points_define(f->p, &d, true, &id));
    sh_batch_builder_init(&b, &f->t.alloc, 16, 16);
    assert_ok(sh_batch_add(&b, id, f->t.wall_us, SH_T_F64, (union sh_cell){.f64 = 1}, quality));
    assert_ok(sh_slab_new(&f->t.alloc, &b.view, &slab));
    sh_bus_publish_slab(f->bus, slab, 1);
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
}

static void sample(struct fix *f, const char *device)
{
    sample_q(f, device, SH_Q_GOOD);
}

/* A driver marks its points when the connection is lost: that must not make the device online. */
static void test_bad_marks_of_a_lost_connection_are_no_sign_of_life(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{}"));
    sh_twin_link(f->w, 1, SH_STR("d"), SH_TWIN_LINK_CHANNEL, true);
    sh_twin_link(f->w, 1, SH_STR("d"), SH_TWIN_LINK_CHANNEL, false);
    sample_q(f, "d", SH_Q_BAD_NOT_CONNECTED);
    sample_q(f, "d", SH_Q_BAD_COMM | 1);
    is_state(f, "d", "offline");
    sample_q(f, "d", SH_Q_BAD_SENSOR); /* the device itself says so */
    is_state(f, "d", "online");
}

static void test_samples_make_online_and_silence_offline(void **state)
{
    struct fix *f = *state;
    struct sh_twin_counts n;
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{}"));
    assert_ok(fix_device(f, "demo", SH_TWIN_CREATE, "{'demo':true}"));
    is_state(f, "d", "never");
    sample(f, "d");
    sample(f, "demo");
    is_state(f, "d", "online");
    assert_int_equal(f->events, 2); /* made */
    assert_ok(sh_twin_tick(f->w));
    assert_int_equal(f->events, 4);
    assert_string_equal(f->last_event, "d {\"state\":\"online\",\"demo\":false}");
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 1); /* a demo device is never counted as real */
    assert_int_equal(n.online, 1);
    assert_int_equal(n.demo_online, 1);
    sh_test_advance(&f->t, 59000000);
    assert_ok(sh_twin_tick(f->w));
    is_state(f, "d", "online");
    sh_test_advance(&f->t, 2000000); /* over stale_min */
    assert_ok(sh_twin_tick(f->w));
    is_state(f, "d", "offline");
    sample(f, "d");
    is_state(f, "d", "online");
    /* It comes each 50 s or so: measured, three times that is allowed. */
    for (int i = 0; i < 8; i++) {
        sh_test_advance(&f->t, 50000000);
        sample(f, "d");
    }
    sh_test_advance(&f->t, 140000000);
    assert_ok(sh_twin_tick(f->w));
    is_state(f, "d", "online");
    sh_test_advance(&f->t, 20000000);
    assert_ok(sh_twin_tick(f->w));
    is_state(f, "d", "offline");
    fix_reopen(f); /* the state and its time are kept */
    is_state(f, "d", "offline");
    json_t *d = fix_get(f, "d");
    assert_true(sh_json_get_str(d, "since").n > 0);
    assert_true(sh_json_get_str(d, "last_time").n > 0);
    json_decref(d);
}

static void test_links_hold_a_device_online(void **state)
{
    struct fix *f = *state;
    const struct sh_str d = SH_STR("d");
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'period_ms':1000}"));
    sh_twin_link(f->w, 1, d, SH_TWIN_LINK_MQTT, true);
    is_state(f, "d", "online");
    sh_test_advance(&f->t, 7200000000);
    assert_ok(sh_twin_tick(f->w));
    is_state(f, "d", "online");
    sh_twin_link(f->w, 1, d, SH_TWIN_LINK_CHANNEL, true);
    sh_twin_link(f->w, 1, d, SH_TWIN_LINK_MQTT, false);
    is_state(f, "d", "online");
    sh_twin_link(f->w, 1, d, SH_TWIN_LINK_CHANNEL, false);
    is_state(f, "d", "offline");
    sh_twin_link(f->w, 1, d, SH_TWIN_LINK_CHANNEL, false); /* once too often does no harm */
    sh_twin_seen(f->w, 1, d);
    is_state(f, "d", "online");
    sh_twin_seen(f->w, 1, SH_STR("nobody"));
}

static sh_err command(struct fix *f, const char *body, char id[64])
{
    struct sh_str got = SH_STR("");
    json_t *b = fix_json(body);
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err =
        sh_twin_command_start(f->w, 1, SH_STR("p1"), b, SH_STR("li"), f->ar, &got, &f->diag);
    json_decref(b);
    (void)snprintf(id, 64, "%.*s", SH_PRI(got));
    return err;
}

static void command_is(struct fix *f, const char *id, const char *state, const char *result)
{
    struct sh_jw w;
    json_t *v = NULL;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_command_write(f->w, 1, sh_str_c(id), &w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
    assert_true(sh_str_eqc(sh_json_get_str(v, "state"), state));
    assert_true(sh_str_eqc(sh_json_get_str(v, "result"), result));
    json_decref(v);
}

static void make_pump(struct fix *f)
{
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE,
                        "{'properties':[{'id':'speed','type':'i64','access':'rw'},"
                        "{'id':'flow','type':'f64'}],'services':[{'id':'start'}]}"));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
}

static sh_err enable(struct fix *f, const char *reason, int64_t seconds)
{
    return sh_twin_write_enable(f->w, 1, SH_STR("p1"), sh_str_c(reason),
                                f->t.wall_us + seconds * 1000000, SH_STR("li"), &f->diag);
}

static void test_command_needs_a_write_grant_that_ends(void **state)
{
    struct fix *f = *state;
    char id[64];
    make_pump(f);
    assert_int_equal(command(f, "{'property':'speed','value':5}", id), SH_E_DENIED);
    assert_int_equal(f->sent, 0);
    assert_int_equal(enable(f, " ", 60), SH_E_INVAL);
    assert_int_equal(enable(f, "tuning", -1), SH_E_INVAL);
    assert_int_equal(enable(f, "tuning", 40 * 86400LL), SH_E_INVAL);
    assert_ok(enable(f, "tuning", 60));
    fix_reopen(f);
    assert_true(sh_twin_writable(f->w, 1, SH_STR("p1")));
    assert_ok(command(f, "{'property':'speed','value':5}", id));
    assert_int_equal(f->sent, 1);
    assert_string_equal(f->sent_value, "5");
    assert_int_equal(command(f, "{'property':'flow','value':5}", id), SH_E_DENIED);
    assert_int_equal(command(f, "{'property':'nope','value':5}", id), SH_E_NOTFOUND);
    assert_int_equal(command(f, "{'service':'nope'}", id), SH_E_NOTFOUND);
    assert_int_equal(command(f, "{'service':'start','property':'speed'}", id), SH_E_INVAL);
    assert_ok(command(f, "{'service':'start'}", id));
    sh_test_advance(&f->t, 61000000);
    assert_int_equal(command(f, "{'service':'start'}", id), SH_E_DENIED);
    assert_ok(enable(f, "again", 60));
    assert_ok(sh_twin_write_disable(f->w, 1, SH_STR("p1"), SH_STR("li")));
    assert_false(sh_twin_writable(f->w, 1, SH_STR("p1")));
}

static void test_command_has_one_final_state(void **state)
{
    struct fix *f = *state;
    char id[64];
    make_pump(f);
    assert_ok(enable(f, "test", 3600));
    assert_ok(command(f, "{'service':'start','value':{'a':1},'id':'c-1'}", id));
    assert_string_equal(id, "c-1");
    command_is(f, "c-1", "sent", "");
    assert_ok(command(f, "{'service':'start','value':{'a':1},'id':'c-1'}", id)); /* idempotent */
    assert_int_equal(f->sent, 1);
    assert_ok(sh_twin_command_done(f->w, 1, SH_STR("c-1"), true, SH_STR("\"ok\"")));
    assert_int_equal(sh_twin_command_done(f->w, 1, SH_STR("c-1"), false, SH_STR("")),
                     SH_E_NOTFOUND);
    command_is(f, "c-1", "done", "ok"); /* before it is stored */
    assert_ok(sh_twin_tick(f->w));
    command_is(f, "c-1", "done", "ok");
    assert_ok(command(f, "{'service':'start','id':'c-1'}", id));
    assert_int_equal(f->sent, 1);

    assert_ok(command(f, "{'service':'start','timeout_ms':1000}", id));
    sh_test_advance(&f->t, 1000001);
    assert_ok(sh_twin_tick(f->w));
    command_is(f, id, "timeout", "");

    f->send_answer = SH_E_STATE;
    assert_ok(command(f, "{'service':'start','id':'c-2'}", id));
    command_is(f, "c-2", "failed", "the device is not connected");

    f->send_answer = SH_OK;
    assert_ok(command(f, "{'service':'start','id':'c-3'}", id));
    fix_reopen(f); /* open at the end: not left open for ever */
    command_is(f, "c-3", "failed", "the platform stopped");
    struct sh_jw w;
    sh_jw_init(&w, &f->out);
    assert_int_equal(sh_twin_command_write(f->w, 2, SH_STR("c-1"), &w), SH_E_NOTFOUND);
}

/* Ids and states of a page, "c-3 sent, c-1 done". */
static void put_id(void *ctx, json_t *doc)
{
    struct fix *f = ctx;
    const struct sh_str id = sh_json_get_str(doc, "id");
    const struct sh_str state = sh_json_get_str(doc, "state");
    if (f->out.n > 0) {
        assert_ok(sh_buf_put_c(&f->out, ", "));
    }
    assert_ok(sh_buf_put_str(&f->out, id));
    assert_ok(sh_buf_put_c(&f->out, " "));
    assert_ok(sh_buf_put_str(&f->out, state));
}

static void test_commands_are_listed_newest_first(void **state)
{
    struct fix *f = *state;
    struct sh_str next;
    char id[64];
    struct sh_twin_commands_query q = {.tenant = 1, .device = SH_STR("p1"), .limit = 2};
    make_pump(f);
    assert_ok(enable(f, "test", 3600));
    static const char *const bodies[] = {
        "{'service':'start','id':'c-1'}", "{'service':'start','id':'c-2'}",
        "{'service':'start','id':'c-3'}", "{'service':'start','id':'c-4'}"};
    for (size_t i = 0; i < SH_COUNT(bodies); i++) {
        assert_ok(command(f, bodies[i], id));
        sh_test_advance(&f->t, 1000000);
        if (i < 3) {
            assert_ok(sh_twin_command_done(f->w, 1, sh_str_c(id), i != 1, SH_STR("")));
            assert_ok(sh_twin_tick(f->w));
        }
    }
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f));
    assert_str(sh_buf_str(&f->out), "c-4 sent, c-3 done, c-2 failed");
    assert_true(next.n > 0);
    q.cursor = next;
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f));
    assert_str(sh_buf_str(&f->out), "c-1 done");
    assert_int_equal(next.n, 0);
    assert_ok(sh_twin_command_done(f->w, 1, SH_STR("c-4"), true, SH_STR("")));
    q.cursor = SH_STR("");
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f)); /* not stored yet */
    assert_str(sh_buf_str(&f->out), "c-4 done, c-3 done, c-2 failed");
    assert_ok(sh_twin_tick(f->w));
    fix_reopen(f);
    q.limit = 10;
    for (int i = 0; i < 2; i++) { /* also under the name that the device gets */
        sh_buf_clear(&f->out);
        assert_ok(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f));
        assert_str(sh_buf_str(&f->out), "c-4 done, c-3 done, c-2 failed, c-1 done");
        if (i == 0) {
            assert_ok(sh_twin_device_rename(f->w, 1, q.device, SH_STR("p2"), SH_STR(""), NULL));
        }
        q.device = SH_STR("p2");
    }
    q.device = SH_STR("nobody");
    assert_int_equal(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f), SH_E_NOTFOUND);
    q.device = SH_STR("p1");
    q.cursor = SH_STR("x");
    assert_int_equal(sh_twin_commands(f->w, &q, f->ar, &next, put_id, f), SH_E_INVAL);
}

static void test_attributes_are_merged(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{}"));
    json_t *a = fix_json("{'rate':5,'net':{'ip':'1.2.3.4','mask':24}}");
    json_t *b = fix_json("{'rate':null,'net':{'mask':16},'fw':'2.0'}");
    const struct sh_str d = SH_STR("d");
    assert_ok(sh_twin_attributes_merge(f->w, 1, d, true, a, SH_STR("li"), NULL));
    assert_ok(sh_twin_attributes_merge(f->w, 1, d, true, b, SH_STR("li"), NULL));
    assert_ok(sh_twin_attributes_merge(f->w, 1, d, false, a, SH_STR("d"), NULL));
    assert_int_equal(sh_twin_attributes_merge(f->w, 1, SH_STR("x"), false, a, SH_STR("d"), NULL),
                     SH_E_NOTFOUND);
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_attributes_write(f->w, 1, d, &w));
    assert_str(sh_buf_str(&f->out),
               "{\"desired\":{\"net\":{\"ip\":\"1.2.3.4\",\"mask\":16},\"fw\":\"2.0\"},"
               "\"reported\":{\"rate\":5,\"net\":{\"ip\":\"1.2.3.4\",\"mask\":24}}}");
    json_decref(a);
    json_decref(b);
}

/* ------------------------------------------------------------------ lists */

static void ids(struct fix *f, struct sh_twin_query q, char out[64])
{
    size_t n = 0;
    q.tenant = 1;
    q.limit = 2;
    for (int pages = 0; pages < 10; pages++) {
        struct sh_twin_page page;
        assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag));
        for (size_t i = 0; i < page.n; i++) {
            out[n++] = page.rows[i].id.p[0];
        }
        if (page.next.n == 0) {
            break;
        }
        q.cursor = page.next;
    }
    out[n] = '\0';
}

static void test_list_filters_sorts_and_pages(void **state)
{
    static const struct {
        struct sh_twin_query q;
        const char *ids;
    } rows[] = {
        {{.limit = 0}, "abcde"},           {{.sort = {"-id", 3}}, "edcba"},
        {{.sort = {"name", 4}}, "cbaed"},  {{.sort = {"-name", 5}}, "deabc"},
        {{.sort = {"state", 5}}, "acebd"}, {{.sort = {"-last", 5}}, "dbace"},
        {{.state = {"online", 6}}, "bd"},  {{.state = {"never", 5}}, "ace"},
        {{.search = {"PUMP", 4}}, "ab"},   {{.search = {"水", 3}}, "c"},
        {{.search = {"line:2", 6}}, "b"},  {{.label = {"line:1", 6}}, "ac"},
        {{.label = {"line", 4}}, "abc"},   {{.label = {"lin", 3}}, ""},
        {{.label = {"line:", 5}}, ""},     {{.thing = {"m", 1}}, "d"},
        {{.thing = {"n", 1}}, ""},
    };
    struct fix *f = *state;
    assert_ok(fix_thing(f, "m", SH_TWIN_CREATE, "{'properties':[]}"));
    assert_ok(fix_device(f, "a", SH_TWIN_CREATE, "{'name':'Pump 2','labels':{'line':'1'}}"));
    assert_ok(fix_device(f, "b", SH_TWIN_CREATE, "{'name':'Pump 1','labels':{'line':'2'}}"));
    assert_ok(fix_device(f, "c", SH_TWIN_CREATE, "{'name':'1 水','labels':{'line':'1'}}"));
    assert_ok(fix_device(f, "e", SH_TWIN_CREATE, "{'name':'Pv'}"));
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'name':'Z','thing':'m'}"));
    sh_twin_seen(f->w, 1, SH_STR("b"));
    sh_test_advance(&f->t, 1000);
    sh_twin_seen(f->w, 1, SH_STR("d"));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char got[64];
        ids(f, rows[i].q, got);
        if (strcmp(got, rows[i].ids) != 0) {
            fail_msg("row %zu: %s, not %s", i, got, rows[i].ids);
        }
    }
    struct sh_twin_query bad = {.tenant = 1, .sort = SH_STR("color")};
    struct sh_twin_page page;
    assert_int_equal(sh_twin_devices(f->w, &bad, f->ar, &page, &f->diag), SH_E_INVAL);
    bad = (struct sh_twin_query){.tenant = 1, .state = SH_STR("broken")};
    assert_int_equal(sh_twin_devices(f->w, &bad, f->ar, &page, &f->diag), SH_E_INVAL);
    bad = (struct sh_twin_query){.tenant = 1, .cursor = SH_STR("e30")};
    assert_int_equal(sh_twin_devices(f->w, &bad, f->ar, &page, &f->diag), SH_E_INVAL);
}

static void test_list_of_many_devices_goes_over_chunks(void **state)
{
    enum { N = 9001 }; /* over two chunks */
    struct fix *f = *state;
    char detail[SH_TWIN_DETAIL];
    char id[32];
    for (int i = 0; i < N; i++) {
        (void)snprintf(id, sizeof id, "dev-%05d", (i * 7919) % N);
        assert_int_equal(sh_twin_device_ensure(f->w, 1, sh_str_c(id), NULL, 0, true, detail),
                         SH_TWIN_OK);
    }
    struct sh_twin_query q = {.tenant = 1, .limit = 1000, .want_total = true};
    size_t seen = 0;
    for (;;) {
        struct sh_twin_page page;
        assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag));
        assert_int_equal(page.total, N);
        for (size_t i = 0; i < page.n; i++) {
            (void)snprintf(id, sizeof id, "dev-%05zu", seen++);
            assert_true(sh_str_eqc(page.rows[i].id, id));
        }
        if (page.next.n == 0) {
            break;
        }
        q.cursor = page.next;
        q.want_total = true;
    }
    assert_int_equal(seen, N);
    q = (struct sh_twin_query){.tenant = 1, .search = SH_STR("dev-08"), .want_total = true};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag));
    assert_int_equal(page.total, 1000);
    assert_ok(sh_twin_tick(f->w));
    fix_reopen(f);
    struct sh_twin_counts n;
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, N);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_samples_make_online_and_silence_offline),
        T(test_bad_marks_of_a_lost_connection_are_no_sign_of_life),
        T(test_links_hold_a_device_online),
        T(test_command_needs_a_write_grant_that_ends),
        T(test_command_has_one_final_state),
        T(test_commands_are_listed_newest_first),
        T(test_attributes_are_merged),
        T(test_list_filters_sorts_and_pages),
        T(test_list_of_many_devices_goes_over_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
