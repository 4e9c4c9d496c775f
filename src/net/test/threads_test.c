/* What crosses threads: posts, stop, answers from workers. Runs under ThreadSanitizer too. */
#include <sh/test.h>

#include <sh/fakenet.h>
#include <sh/http.h>

enum { THREADS = 4, POSTS = 5000, REQUESTS = 200 };

struct shared {
    struct sh_test_env t;
    struct sh_loop *l;
    struct poster {
        struct shared *sh;
        struct sh_thread thread;
        int next; /* the loop's: order is checked per thread */
        int refused;
        struct post {
            struct sh_job job;
            struct poster *from;
            int n;
        } posts[POSTS];
    } posters[THREADS];
    int got; /* the loop's */
    int done;
    struct sh_job last[THREADS];
};

static void got_post(void *ctx)
{
    struct post *p = ctx;
    assert_int_equal(p->n, p->from->next);
    p->from->next++;
    p->from->sh->got++;
}

static void one_done(void *ctx)
{
    struct shared *s = ctx;
    if (++s->done == THREADS) {
        sh_loop_stop(s->l);
    }
}

static void post_many(void *ctx)
{
    struct poster *p = ctx;
    for (int i = 0; i < POSTS; i++) {
        struct post *q = &p->posts[i];
        *q = (struct post){.from = p, .n = i};
        q->job = (struct sh_job){.fn = got_post, .ctx = q};
        if (i % 2 == 0 || sh_loop_post(p->sh->l, got_post, q) != SH_OK) {
            sh_loop_post_job(p->sh->l, &q->job);
        }
    }
    struct sh_job *last = &p->sh->last[p - p->sh->posters];
    *last = (struct sh_job){.fn = one_done, .ctx = p->sh};
    sh_loop_post_job(p->sh->l, last);
}

static void test_posts_arrive_once_and_in_order(void **state)
{
    (void)state;
    static struct shared s;
    memset(&s, 0, sizeof s);
    sh_test_env_init(&s.t, NULL);
    s.t.env.clock = sh_clock_system();
    const struct sh_loop_opts o = {.post_max = 100};
    assert_ok(sh_loop_new(&s.t.env, &o, &s.l));
    for (int i = 0; i < THREADS; i++) {
        s.posters[i].sh = &s;
        assert_ok(sh_thread_start(&s.posters[i].thread, "poster", post_many, &s.posters[i]));
    }
    sh_loop_run(s.l);
    for (int i = 0; i < THREADS; i++) {
        sh_thread_join(&s.posters[i].thread);
    }
    assert_int_equal(s.got, THREADS * POSTS);
    sh_loop_free(s.l);
    sh_test_env_fini(&s.t);
}

static void run_loop(void *ctx)
{
    sh_loop_run(ctx);
}

static void count(void *ctx)
{
    int *n = ctx;
    ++*n;
}

/* stop from another thread, many times; what was posted before is run. */
static void test_stop_from_another_thread(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    t.env.clock = sh_clock_system();
    struct sh_loop *l = NULL;
    int n = 0;
    assert_ok(sh_loop_new(&t.env, NULL, &l));
    for (int i = 0; i < 200; i++) {
        struct sh_thread th;
        assert_ok(sh_thread_start(&th, "loop", run_loop, l));
        assert_ok(sh_loop_post(l, count, &n));
        sh_loop_stop(l);
        sh_thread_join(&th);
    }
    while (sh_loop_turn(l)) {
    }
    assert_int_equal(n, 200);
    sh_loop_free(l);
    sh_test_env_fini(&t);
}

/* ---- answers from workers ---- */

struct web {
    struct sh_test_env t;
    struct sh_loop *l;
    struct sh_workers *w;
    struct sh_http_server *srv;
    int gone;
};

static void answer(void *ctx)
{
    struct sh_http_req *r = ctx;
    sh_http_header_c(r, "Content-Type", "text/plain");
    const sh_err e = sh_buf_printf(sh_http_body(r), "%.*s %d\n", SH_PRI(r->query),
                                   (int)(sh_http_gone(r) && false));
    sh_http_status(r, e == SH_OK ? 200 : 500);
    sh_http_send(r);
}

static void on_request(void *ctx, struct sh_http_req *r)
{
    struct web *f = ctx;
    if (sh_workers_run(f->w, answer, r) != SH_OK) {
        sh_http_respond(r, 503, NULL, (struct sh_bytes){0});
    }
}

static void on_gone(void *ctx, struct sh_http_req *r)
{
    struct web *f = ctx;
    SH_UNUSED(r);
    f->gone++;
}

static const struct sh_http_handler app = {.on_request = on_request, .on_gone = on_gone};

/* Workers answer while half of the clients leave: every request is answered or thrown away, none
 * is lost or freed twice. */
static void test_workers_answer_while_clients_leave(void **state)
{
    (void)state;
    struct web f = {0};
    sh_test_env_init(&f.t, NULL);
    f.t.env.clock = sh_clock_system();
    assert_ok(sh_loop_new(&f.t.env, NULL, &f.l));
    assert_ok(sh_workers_new(&f.t.env, 3, 10000, &f.w));
    assert_ok(sh_http_server_new(f.l, NULL, &app, &f, &f.srv));
    static struct sh_fakepeer *p[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        struct sh_stream *s = NULL;
        p[i] = sh_fakepeer_new(f.l, NULL, &s);
        assert_non_null(p[i]);
        sh_http_server_take(f.srv, s);
        char text[80];
        (void)snprintf(text, sizeof text, "GET /?%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        sh_fakepeer_send_c(p[i], text);
        (void)sh_loop_turn(f.l);
        if (i % 2 == 0) {
            (void)sh_loop_turn(f.l);
            sh_fakepeer_free(p[i]);
            p[i] = NULL;
        }
    }
    struct sh_http_stats st;
    const int64_t until = sh_mono_us(sh_clock_system()) + INT64_C(20000000);
    do {
        (void)sh_loop_turn(f.l);
        sh_http_server_stats(f.srv, &st);
    } while ((st.in_flight > 0 || st.requests < REQUESTS / 2) &&
             sh_mono_us(sh_clock_system()) < until);
    assert_int_equal(st.in_flight, 0);
    sh_loop_settle(f.l, 1000);
    for (int i = 1; i < REQUESTS; i += 2) {
        char want[16];
        const int n = snprintf(want, sizeof want, "\r\n\r\n%d 0\n", i);
        const struct sh_str in = sh_bytes_str(sh_fakepeer_in(p[i]));
        assert_true(sh_str_ends(in, sh_str_of(want, (size_t)n)));
        sh_fakepeer_free(p[i]);
    }
    sh_workers_free(f.w);
    sh_loop_settle(f.l, 1000);
    sh_http_server_stop(f.srv, 1000000, NULL, NULL);
    sh_loop_settle(f.l, 1000);
    sh_http_server_free(f.srv);
    sh_loop_free(f.l);
    sh_test_env_fini(&f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_arrive_once_and_in_order),
        cmocka_unit_test(test_stop_from_another_thread),
        cmocka_unit_test(test_workers_answer_while_clients_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
