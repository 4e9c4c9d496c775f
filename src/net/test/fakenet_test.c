#include <sh/test.h>

#include <sh/fakenet.h>

/* The owner of the near end: uses bytes in whole records of `record` bytes. */
struct owner {
    struct sh_stream *s;
    size_t record;
    struct sh_buf got;
    int calls;
    int drains;
    int eofs;
    int closes;
    sh_err reason;
    bool close_in_call;
    bool pause_in_call;
};

static size_t owner_bytes(void *ctx, struct sh_bytes in)
{
    struct owner *o = ctx;
    o->calls++;
    if (o->pause_in_call) {
        sh_stream_pause(o->s);
        return 0;
    }
    const size_t n = in.n / o->record * o->record;
    assert_ok(sh_buf_put(&o->got, in.p, n));
    if (o->close_in_call) {
        sh_stream_close(o->s, SH_E_PROTO);
        assert_int_equal(o->closes, 0); /* always asynchronous */
    }
    return n;
}

static void owner_drain(void *ctx)
{
    struct owner *o = ctx;
    o->drains++;
}

static void owner_eof(void *ctx)
{
    struct owner *o = ctx;
    o->eofs++;
}

static void owner_close(void *ctx, sh_err reason)
{
    struct owner *o = ctx;
    o->closes++;
    o->reason = reason;
    o->s = NULL;
}

static const struct sh_stream_handler handler = {
    .on_bytes = owner_bytes, .on_drain = owner_drain, .on_close = owner_close};
static const struct sh_stream_handler handler_eof = {
    .on_bytes = owner_bytes, .on_drain = owner_drain, .on_eof = owner_eof, .on_close = owner_close};

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    struct owner o;
    struct sh_fakepeer *p;
};

static void begin(struct fix *f, const struct sh_fake_opts *opts, size_t record)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
    f->o.record = record;
    sh_buf_init(&f->o.got, &f->t.alloc, 1 << 20);
    f->p = sh_fakepeer_new(f->l, opts, &f->o.s);
    assert_non_null(f->p);
    sh_stream_start(f->o.s, &handler, &f->o);
}

static void end(struct fix *f)
{
    sh_fakepeer_free(f->p);
    if (f->o.s != NULL) {
        sh_stream_close(f->o.s, SH_E_CANCELED);
    }
    sh_loop_settle(f->l, 100);
    assert_int_equal(f->o.closes, 1);
    sh_buf_fini(&f->o.got);
    sh_loop_free(f->l);
    sh_test_env_fini(&f->t);
}

static void test_bytes_not_used_are_shown_again_in_one_piece(void **state)
{
    (void)state;
    const struct sh_fake_opts opts = {.chunk = 3};
    struct fix f;
    begin(&f, &opts, 4);
    sh_fakepeer_send_c(f.p, "aaaabbbbcc");
    sh_loop_settle(f.l, 100);
    assert_str(sh_buf_str(&f.o.got), "aaaabbbb");
    sh_fakepeer_send_c(f.p, "cc");
    sh_loop_settle(f.l, 100);
    assert_str(sh_buf_str(&f.o.got), "aaaabbbbcccc");
    end(&f);
}

static void test_write_limit_refuses_whole_and_drain_follows(void **state)
{
    (void)state;
    const struct sh_fake_opts opts = {.write_max = 100, .window = 50};
    struct fix f;
    begin(&f, &opts, 1);
    sh_fakepeer_block(f.p, true);
    char data[101] = {0};
    assert_int_equal(sh_stream_write(f.o.s, sh_bytes_of(data, 101)), SH_E_LIMIT);
    assert_ok(sh_stream_write(f.o.s, sh_bytes_of(data, 100)));
    sh_loop_settle(f.l, 100); /* 50 of it on the wire */
    assert_int_equal(sh_stream_queued(f.o.s), 50);
    f.o.drains = 0;
    assert_int_equal(sh_stream_write(f.o.s, sh_bytes_of(data, 51)), SH_E_LIMIT);
    assert_int_equal(sh_stream_queued(f.o.s), 50);
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.drains, 1);
    assert_int_equal(sh_fakepeer_in(f.p).n, 100);
    end(&f);
}

static void test_pause_holds_input_and_resume_shows_it(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL, 1);
    f.o.pause_in_call = true;
    sh_fakepeer_send_c(f.p, "abc");
    sh_loop_settle(f.l, 100);
    sh_fakepeer_send_c(f.p, "def");
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.calls, 1);
    f.o.pause_in_call = false;
    sh_stream_resume(f.o.s);
    assert_int_equal(f.o.calls, 1); /* not from inside resume */
    sh_loop_settle(f.l, 100);
    assert_str(sh_buf_str(&f.o.got), "abcdef");
    end(&f);
}

static void test_read_limit_closes_an_owner_that_uses_nothing(void **state)
{
    (void)state;
    const struct sh_fake_opts opts = {.read_max = 10};
    struct fix f;
    begin(&f, &opts, 1000);
    sh_fakepeer_send_c(f.p, "123456789");
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.closes, 0);
    sh_fakepeer_send_c(f.p, "0");
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.closes, 1);
    assert_int_equal(f.o.reason, SH_E_LIMIT);
    assert_true(sh_fakepeer_closed(f.p));
    end(&f);
}

static void test_close_inside_on_bytes_is_asynchronous(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL, 1);
    f.o.close_in_call = true;
    sh_fakepeer_send_c(f.p, "abc");
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.calls, 1);
    assert_int_equal(f.o.reason, SH_E_PROTO);
    end(&f);
}

static void test_end_sends_what_is_queued(void **state)
{
    (void)state;
    const struct sh_fake_opts opts = {.window = 10};
    struct fix f;
    begin(&f, &opts, 1);
    sh_fakepeer_block(f.p, true);
    assert_ok(sh_stream_write(f.o.s, sh_bytes_of("0123456789abcdefghij", 20)));
    sh_stream_end(f.o.s);
    assert_int_equal(sh_stream_write(f.o.s, sh_bytes_of("x", 1)), SH_E_CLOSED);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.closes, 0);
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 100);
    assert_int_equal(sh_fakepeer_in(f.p).n, 20);
    assert_true(sh_fakepeer_saw_eof(f.p));
    assert_int_equal(f.o.closes, 1);
    assert_int_equal(f.o.reason, SH_OK);
    end(&f);
}

static void test_eof_and_reset_reasons(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL, 1);
    sh_fakepeer_send_c(f.p, "last");
    sh_fakepeer_eof(f.p);
    sh_loop_settle(f.l, 100);
    assert_str(sh_buf_str(&f.o.got), "last");
    assert_int_equal(f.o.reason, SH_E_CLOSED);
    end(&f);

    begin(&f, NULL, 1);
    sh_stream_start(f.o.s, &handler_eof, &f.o); /* half-close is told, we may still write */
    sh_fakepeer_eof(f.p);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.eofs, 1);
    assert_int_equal(f.o.closes, 0);
    assert_ok(sh_stream_write(f.o.s, sh_bytes_of("answer", 6)));
    sh_loop_settle(f.l, 100);
    assert_int_equal(sh_fakepeer_in(f.p).n, 6);
    end(&f);

    begin(&f, NULL, 1);
    sh_fakepeer_reset(f.p);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.o.reason, SH_E_IO);
    end(&f);
}

static sh_err pair_body(struct sh_test_env *t)
{
    struct sh_loop *l = NULL;
    SH_TRY(sh_loop_new(&t->env, NULL, &l));
    struct sh_stream *a = NULL;
    struct sh_stream *b = NULL;
    const sh_err e = sh_fakenet_pair(l, NULL, &a, &b);
    if (e == SH_OK) {
        sh_stream_close(a, SH_OK);
        sh_stream_close(b, SH_OK);
    }
    sh_loop_free(l);
    return e;
}

static void test_pair_out_of_memory(void **state)
{
    (void)state;
    sh_test_oom(pair_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_not_used_are_shown_again_in_one_piece),
        cmocka_unit_test(test_write_limit_refuses_whole_and_drain_follows),
        cmocka_unit_test(test_pause_holds_input_and_resume_shows_it),
        cmocka_unit_test(test_read_limit_closes_an_owner_that_uses_nothing),
        cmocka_unit_test(test_close_inside_on_bytes_is_asynchronous),
        cmocka_unit_test(test_end_sends_what_is_queued),
        cmocka_unit_test(test_eof_and_reset_reasons),
        cmocka_unit_test(test_pair_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
