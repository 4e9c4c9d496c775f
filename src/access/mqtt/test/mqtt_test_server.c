/* mqtt_test_server.c - the broker on a real loop, for real clients: everybody may do everything.
 *   mqtt_test_server ADDRESS:PORT [DATA-FOLDER [CHECKPOINT-BYTES]]
 * Without a folder nothing is durable. Prints "listening on ADDRESS:PORT". SIGTERM ends it in
 * order. User name "device:ID" makes the principal that device (a gateway when the id begins with
 * "gw"). SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/journal.h>
#include <sh/mqtt_server.h>

struct app {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_workers *workers;
    struct mqtt_journal *mj;
    struct sh_journal *j;
    struct mqtt_broker *b;
    struct mqtt_server *srv;
    struct sh_timer poll;
    sigset_t signals;
    bool durable;
};

static void on_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                       void *token)
{
    const struct app *a = ctx;
    const struct sh_str mark = SH_STR("device:");
    struct mqtt_principal *p = sh_mem_new(a->env.alloc, sizeof *p);
    if (p == NULL) {
        done(token, MQTT_AUTH_BUSY, NULL);
        return;
    }
    p->tenant = 1;
    p->id = req->has_user ? sh_hash64(req->user.p, req->user.n, 1) : 1;
    p->name = sh_str_dup(a->env.alloc, req->has_user ? req->user : SH_STR("anonymous"));
    if (sh_str_starts(p->name, mark)) {
        p->device = sh_str_sub(p->name, mark.n, p->name.n);
        p->flags = sh_str_starts(p->device, SH_STR("gw")) ? MQTT_P_GATEWAY : 0;
    }
    done(token, MQTT_AUTH_OK, p);
}

static void on_release(void *ctx, struct mqtt_principal *p)
{
    const struct app *a = ctx;
    sh_str_free(a->env.alloc, &p->name);
    sh_mem_free(a->env.alloc, p);
}

static bool may(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    SH_UNUSED(ctx);
    SH_UNUSED(topic);
    return p->device.n == 0;
}

static void on_stopped(void *ctx)
{
    const struct app *a = ctx;
    sh_loop_stop(a->loop);
}

static void on_poll(void *ctx)
{
    struct app *a = ctx;
    const struct timespec none = {0, 0};
    if (sigtimedwait(&a->signals, NULL, &none) > 0) {
        mqtt_server_stop(a->srv, on_stopped, a);
        return;
    }
    sh_timer_set(a->loop, &a->poll, 50000);
}

static sh_err open_store(struct app *a, const char *dir)
{
    char path[512];
    SH_TRY(sh_workers_new(&a->env, 1, 16, &a->workers));
    (void)snprintf(path, sizeof path, "%s/mqtt", dir);
    return mqtt_journal_new(&a->env, a->loop, a->workers, path, &a->mj);
}

static sh_err open_journal(struct app *a, const char *dir)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/journal", dir);
    SH_TRY(mqtt_journal_load(a->mj, a->b));
    const struct sh_journal_owner owner = mqtt_journal_owner(a->mj);
    const struct sh_journal_options o = {.dir = path, .owners = &owner, .owner_count = 1};
    SH_TRY(sh_journal_open(&a->env, &o, &a->j));
    mqtt_journal_attach(a->mj, a->j);
    return sh_journal_start(a->j);
}

static sh_err run(struct app *a, int argc, char **argv)
{
    const struct mqtt_auth_ops auth = {on_connect, on_release, may, may, a};
    struct mqtt_broker_opts o = {.env = &a->env, .auth = &auth, .version = "songhua test"};
    SH_TRY(sh_loop_new(&a->env, NULL, &a->loop));
    if (argc > 2) {
        SH_TRY(open_store(a, argv[2]));
        o.store = mqtt_journal_ops(a->mj);
    }
    if (argc > 3) {
        o.limits.checkpoint_bytes = strtoull(argv[3], NULL, 10);
    }
    SH_TRY(mqtt_broker_new(&o, &a->b));
    if (argc > 2) {
        SH_TRY(open_journal(a, argv[2]));
    }
    mqtt_broker_start(a->b);
    SH_TRY(mqtt_server_new(a->loop, a->b, &a->srv));
    if (a->mj != NULL) {
        mqtt_journal_wake(a->mj, a->srv);
    }
    struct sh_addr bound;
    SH_TRY(mqtt_server_listen(a->srv, sh_str_c(argv[1]), NULL, 0, NULL, &bound));
    char text[SH_ADDR_CHARS];
    const size_t n = sh_addr_print(&bound, text);
    printf("listening on %.*s\n", (int)n, text);
    (void)fflush(stdout);
    sh_timer_init(&a->poll, on_poll, a);
    sh_timer_set(a->loop, &a->poll, 50000);
    sh_loop_run(a->loop);
    return SH_OK;
}

int main(int argc, char **argv)
{
    struct app a = {.env = sh_env_system()};
    if (argc < 2) {
        (void)fprintf(stderr, "mqtt_test_server ADDRESS:PORT [DATA-FOLDER [CHECKPOINT-BYTES]]\n");
        return 2;
    }
    (void)sigemptyset(&a.signals);
    (void)sigaddset(&a.signals, SIGTERM);
    (void)sigaddset(&a.signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &a.signals, NULL);
    const sh_err e = run(&a, argc, argv);
    if (e != SH_OK) {
        (void)fprintf(stderr, "cannot start: %s\n", sh_err_name(e));
        return 1;
    }
    if (a.mj != NULL) {
        const sh_err c = mqtt_broker_checkpoint(a.b);
        (void)c;
        mqtt_journal_settle(a.mj);
    }
    sh_journal_close(a.j);
    mqtt_server_free(a.srv);
    sh_workers_free(a.workers);
    sh_loop_free(a.loop);
    mqtt_broker_free(a.b);
    mqtt_journal_free(a.mj);
    return 0;
}
