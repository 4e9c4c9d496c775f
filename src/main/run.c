/* run.c - a node that is open: its loop, housekeeping, signals.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sh/version.h>

#include <sh/twin_file.h>

#include "main_int.h"

enum {
    MANY_LEFT = 1000, /* connections, after which the heap is worth trimming */
    TICKS_PER_CATALOGUE = 60,
    TICKS_PER_GUARD = 5,
    TICKS_PER_DAY = 86400,
    BLOB_SWEEP_S = 5
};
#define BLOB_AGE_US INT64_C(86400000000)

/* Their memory is free then, but still the process's. */
static void trim_after_many_left(struct node *n)
{
    sh_mutex_lock(&n->counters_lock);
    const uint64_t now = n->counters.connections;
    sh_mutex_unlock(&n->counters_lock);
    if (now + MANY_LEFT < n->crowd) {
        sh_heap_trim();
        n->crowd = now;
    } else if (now > n->crowd) {
        n->crowd = now;
    }
}

/* Apart from the rest, which may take long: what the catalogue has not written holds the journal's
 * files back, and a start reads them all. */
static void tend_catalogue(void *ctx)
{
    struct node *n = ctx;
    const sh_err err = sh_points_checkpoint(n->points);
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "the catalogue's checkpoint: %s", sh_err_name(err));
    }
    atomic_store(&n->tending_catalogue, false);
}

static void catalogue_tick(struct node *n)
{
    if (atomic_exchange(&n->tending_catalogue, true)) {
        return; /* what is asked for meanwhile is done by a later one */
    }
    const bool due = atomic_exchange(&n->want_catalogue, false) ||
                     atomic_load(&n->seconds) % TICKS_PER_CATALOGUE == 0;
    if (!due || sh_workers_run(n->workers, tend_catalogue, n) != SH_OK) {
        atomic_store(&n->tending_catalogue, false);
    }
}

static void storage_freed(void *ctx, uint32_t tenant, uint64_t bytes)
{
    struct node *n = ctx;
    sh_guard_unuse(n->guard, tenant, SH_QUOTA_STORAGE, bytes);
}

/* Soon after the start, and each day: deleted files whose time of grace is over, unfinished ones of
 * a crash, and what nobody refers to. */
static sh_err tend_blobs(struct node *n)
{
    uint64_t strays = 0;
    uint64_t old = 0;
    uint64_t deleted = 0;
    SH_TRY(sh_twin_files_expire(n->twin, storage_freed, n, &deleted));
    SH_TRY(sh_record_blob_sweep(n->record, &strays));
    SH_TRY(sh_record_blob_gc(n->record, BLOB_AGE_US, &old));
    if (deleted > 0) {
        sh_log(n->env.log, SH_LOG_INFO, "main", "files: %llu deleted ones are gone for good",
               (unsigned long long)deleted);
    }
    if (strays + old > 0) {
        sh_log(n->env.log, SH_LOG_INFO, "main",
               "files: %llu that nobody refers to and %llu that a crash left were removed",
               (unsigned long long)old, (unsigned long long)strays);
    }
    return SH_OK;
}

static void tend(void *ctx)
{
    struct node *n = ctx;
    const unsigned seconds = atomic_load(&n->seconds);
    disk_tick(n);
    sh_gate_tell_late(n->gate, false);
    health_tick(n, seconds);
    sh_err err = sh_twin_tick(n->twin);
    if (seconds % TICKS_PER_GUARD == 0) {
        sh_guard_tick(n->guard);
        trim_after_many_left(n);
    }
    if (err == SH_OK && seconds >= n->blobs_at) {
        n->blobs_at = seconds + TICKS_PER_DAY;
        err = tend_blobs(n);
    }
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "housekeeping: %s", sh_err_name(err));
    }
    atomic_store(&n->tending, false);
}

static uint64_t published(const uint64_t by_qos[3])
{
    return by_qos[0] + by_qos[1] + by_qos[2];
}

static void take_counters(struct node *n)
{
    struct mqtt_counters c;
    node_enter(n);
    mqtt_broker_counters(n->broker, 0, &c);
    node_leave(n);
    sh_mutex_lock(&n->counters_lock);
    n->in_per_s = published(c.publish_in) - published(n->counters.publish_in);
    n->out_per_s = published(c.publish_out) - published(n->counters.publish_out);
    n->counters = c;
    sh_mutex_unlock(&n->counters_lock);
}

static void every_second(void *ctx)
{
    struct node *n = ctx;
    (void)atomic_fetch_add(&n->seconds, 1);
    take_counters(n);
    node_auth_tick(n);
    catalogue_tick(n);
    if (!atomic_exchange(&n->tending, true) && sh_workers_run(n->workers, tend, n) != SH_OK) {
        atomic_store(&n->tending, false);
    }
    sh_timer_set(n->loop, &n->second, 1000000);
}

static void every_quarter(void *ctx)
{
    struct node *n = ctx;
    telemetry_resume(n->telemetry);
    sh_timer_set(n->loop, &n->quarter, 250000);
}

struct signals {
    struct node *n;
    sigset_t set;
    bool tls; /* there is a certificate to read again */
};

/* Waits for a signal on a thread of its own, which may block. It alone ends the loop's run, so the
 * loop serves while a certificate is read again. */
static void wait_for_signal(void *ctx)
{
    const struct signals *s = ctx;
    for (;;) {
        int sig = 0;
        if (sigwait(&s->set, &sig) != 0 || (sig == SIGUSR1 && !atomic_load(&s->n->again))) {
            continue;
        }
        if (sig == SIGHUP) {
            console_reload(s->n);
            if (s->tls && node_tls(s->n) == SH_OK) {
                sh_log(s->n->env.log, SH_LOG_INFO, "main", "certificates were read again");
            }
            continue;
        }
        if (sig != SIGUSR1) { /* to end is more than to begin again */
            atomic_store(&s->n->again, false);
        }
        sh_loop_stop(s->n->loop);
        return;
    }
}

/* systemd's Type=notify: one datagram to the socket that it names (sd_notify(3)). */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): only read */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof a.sun_path) {
        return;
    }
    memcpy(a.sun_path, path, strlen(path));
    if (path[0] == '@') {
        a.sun_path[0] = '\0';
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        const ssize_t sent =
            sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&a, len);
        SH_UNUSED(sent);
        (void)close(fd);
    }
}

sh_err node_run(struct node *n)
{
    struct signals s = {.n = n, .tls = n->tls != NULL};
    struct sh_thread t = {.running = false};
    (void)sigemptyset(&s.set);
    (void)sigaddset(&s.set, SIGINT);
    (void)sigaddset(&s.set, SIGTERM);
    (void)sigaddset(&s.set, SIGHUP);
    (void)sigaddset(&s.set, SIGUSR1);
    SH_TRY(sh_thread_start(&t, "signals", wait_for_signal, &s));
    sh_timer_init(&n->quarter, every_quarter, n);
    sh_timer_init(&n->second, every_second, n);
    sh_timer_set(n->loop, &n->quarter, 250000);
    sh_timer_set(n->loop, &n->second, 1000000);
    sh_log(n->env.log, SH_LOG_INFO, "main", "songhua %s is ready", SH_VERSION);
    notify("READY=1");
    sh_loop_run(n->loop);
    notify(atomic_load(&n->again) ? "RELOADING=1" : "STOPPING=1");
    sh_thread_join(&t);
    return SH_OK;
}
