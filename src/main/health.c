/* health.c - how the node itself fares: processor, memory, loops, workers, the road to the disk;
 * now and over the last quarter of an hour, for the console's page about the system.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "main_int.h"

enum { EVERY_S = 5, KEPT = 180 };

/* One measurement; the names are those of the answer. */
#define HEALTH_FIELDS(X)                                                                           \
    X(cpu)          /* processors in use */                                                        \
    X(memory_bytes) /* resident */                                                                 \
    X(samples)      /* per second */                                                               \
    X(commits)      /* per second */                                                               \
    X(commit_ms)    /* p99 of the last 1024 commits */                                             \
    X(queue_bytes)  /* before the disk */                                                          \
    X(turn_ms)      /* longest turn of a loop */                                                   \
    X(waiting)      /* jobs that no worker has begun */                                            \
    X(connections)  /* streams of all loops */                                                     \
    X(requests)     /* HTTP, per second */                                                         \
    X(messages)     /* MQTT taken, per second */

struct measure {
    int64_t time_us;
#define MEMBER(name) double name;
    HEALTH_FIELDS(MEMBER)
#undef MEMBER
};

struct node_health {
    struct sh_mutex lock;
    struct measure kept[KEPT];
    size_t n;
    size_t next;
    int64_t last_us; /* mono */
    double last_cpu_s;
    uint64_t last_samples;
    uint64_t last_commits;
    uint64_t last_requests;
    uint64_t last_messages;
};

/* ---- the process ---- */

static size_t read_small(const char *path, char *out, size_t cap)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* The second number of /proc/self/statm is pages in memory (proc(5)). */
static double resident_bytes(void)
{
    char text[128];
    char *end = text;
    if (read_small("/proc/self/statm", text, sizeof text) == 0) {
        return 0;
    }
    (void)strtoull(text, &end, 10);
    return (double)strtoull(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

/* A number behind "Name:" in /proc/self/status. */
static uint64_t status_number(const char *name)
{
    char text[4096];
    if (read_small("/proc/self/status", text, sizeof text) == 0) {
        return 0;
    }
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

static sh_err count_file(void *ctx, const char *name, bool is_dir)
{
    SH_UNUSED(is_dir);
    SH_UNUSED(name);
    (*(uint64_t *)ctx)++;
    return SH_OK;
}

static uint64_t open_files(const struct node *n)
{
    uint64_t files = 0;
    const struct sh_fs *fs = n->env.fs;
    return fs->list(fs->ctx, "/proc/self/fd", count_file, &files) == SH_OK ? files : 0;
}

static double cpu_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0) {
        return 0;
    }
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- measuring ---- */

static double rate(uint64_t now, uint64_t *last, double seconds)
{
    const uint64_t d = now >= *last ? now - *last : 0;
    *last = now;
    return seconds > 0 ? (double)d / seconds : 0;
}

static void measure_loops(struct node *n, struct measure *m)
{
    for (size_t i = 0; i < n->nloops; i++) {
        struct sh_net_stats s;
        sh_loop_stats(n->loops[i], &s, true);
        const double ms = (double)s.lag_max_us / 1000;
        m->turn_ms = ms > m->turn_ms ? ms : m->turn_ms;
        m->connections += (double)s.streams;
    }
}

static uint64_t requests_of(const struct node *n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n->nloops; i++) {
        struct sh_http_stats s = {.requests = 0};
        if (n->web[i].http != NULL) {
            sh_http_server_stats(n->web[i].http, &s);
        }
        all += s.requests;
    }
    return all;
}

static void measure(struct node *n, struct measure *m)
{
    struct node_health *h = n->health;
    struct sh_journal_stats j;
    struct sh_gate_stats g;
    const int64_t now = sh_mono_us(n->env.clock);
    const double seconds = h->last_us == 0 ? 0 : (double)(now - h->last_us) / 1e6;
    const double cpu = cpu_seconds();
    *m = (struct measure){.time_us = sh_wall_us(n->env.clock)};
    sh_journal_stats(n->journal, &j);
    sh_gate_stats(n->gate, &g);
    m->cpu = seconds > 0 ? (cpu - h->last_cpu_s) / seconds : 0;
    m->memory_bytes = resident_bytes();
    m->samples = rate(g.samples, &h->last_samples, seconds);
    m->commits = rate(j.commits, &h->last_commits, seconds);
    m->commit_ms = (double)j.p99_commit_us / 1000;
    m->queue_bytes = (double)j.queue_bytes;
    m->waiting = (double)sh_workers_queued(n->workers);
    measure_loops(n, m);
    m->requests = rate(requests_of(n), &h->last_requests, seconds);
    sh_mutex_lock(&n->counters_lock);
    const uint64_t *in = n->counters.publish_in;
    const uint64_t messages = in[0] + in[1] + in[2];
    sh_mutex_unlock(&n->counters_lock);
    m->messages = rate(messages, &h->last_messages, seconds);
    h->last_us = now;
    h->last_cpu_s = cpu;
}

/* The first one after the start has no rates: it only says from where to count. */
void health_tick(struct node *n, unsigned seconds)
{
    struct node_health *h = n->health;
    struct measure m;
    if (seconds % EVERY_S != 0) {
        return;
    }
    const bool first = h->last_us == 0;
    measure(n, &m);
    if (first) {
        return;
    }
    sh_mutex_lock(&h->lock);
    h->kept[h->next] = m;
    h->next = (h->next + 1) % KEPT;
    h->n += h->n < KEPT ? 1 : 0;
    sh_mutex_unlock(&h->lock);
}

/* ---- asked ---- */

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put_f64(struct sh_jw *w, const char *key, double v)
{
    sh_jw_key(w, key);
    sh_jw_f64(w, (double)(int64_t)(v * 1000) / 1000);
}

static void put_process(const struct node *n, struct sh_jw *w)
{
    struct rlimit l = {0};
    (void)getrlimit(RLIMIT_NOFILE, &l);
    sh_jw_key(w, "process");
    sh_jw_obj(w);
    put_u64(w, "pid", (uint64_t)getpid());
    put_u64(w, "processors", sh_processors());
    put_f64(w, "cpu_seconds", cpu_seconds());
    put_u64(w, "memory_bytes", (uint64_t)resident_bytes());
    put_u64(w, "memory_most_bytes", status_number("VmHWM:") * 1024);
    put_u64(w, "threads", status_number("Threads:"));
    put_u64(w, "files", open_files(n));
    put_u64(w, "files_max", (uint64_t)l.rlim_cur);
    sh_jw_obj_end(w);
}

static void put_loops(struct node *n, struct sh_jw *w)
{
    sh_jw_key(w, "loops");
    sh_jw_arr(w);
    for (size_t i = 0; i < n->nloops; i++) {
        struct sh_net_stats s;
        sh_loop_stats(n->loops[i], &s, false);
        sh_jw_obj(w);
        put_u64(w, "connections", s.streams);
        put_u64(w, "accepted", s.accepted);
        put_u64(w, "refused", s.accept_refused);
        put_u64(w, "failed", s.accept_errors);
        put_u64(w, "bytes_in", s.bytes_in);
        put_u64(w, "bytes_out", s.bytes_out);
        put_u64(w, "queued_bytes", s.queued_bytes);
        put_u64(w, "posts_queued", s.posts_queued);
        put_u64(w, "posts_refused", s.posts_refused);
        put_u64(w, "tls_handshakes", s.tls_handshakes);
        put_u64(w, "tls_failed", s.tls_failed);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

static void put_disk(const struct node *n, struct sh_jw *w)
{
    struct sh_journal_stats j;
    struct sh_record_stats r;
    sh_journal_stats(n->journal, &j);
    sh_record_stats(n->record, &r);
    sh_jw_key(w, "journal");
    sh_jw_obj(w);
    put_u64(w, "commits", j.commits);
    put_f64(w, "commit_ms", (double)j.last_commit_us / 1000);
    put_f64(w, "commit_p99_ms", (double)j.p99_commit_us / 1000);
    put_u64(w, "queue_bytes", j.queue_bytes);
    put_u64(w, "queue_max_bytes", (uint64_t)sh_config_int(n->config, "journal.queue"));
    put_u64(w, "log_bytes", j.log_bytes);
    put_u64(w, "files", j.files);
    put_u64(w, "refused", j.refused_limit);
    put_u64(w, "refused_full", j.refused_full);
    put_u64(w, "retries", j.retries);
    put_u64(w, "sealed_files", j.sealed_files);
    put_u64(w, "made_inline", j.spares_made_inline);
    sh_jw_obj_end(w);
    sh_jw_key(w, "records");
    sh_jw_obj(w);
    put_u64(w, "commits", r.commits);
    put_f64(w, "commit_mean_ms",
            r.commits == 0 ? 0 : (double)r.commit_us / (double)r.commits / 1000);
    put_u64(w, "queued", r.queued);
    put_u64(w, "refused", r.refused);
    put_u64(w, "queue_full", r.queue_full);
    put_u64(w, "blob_bytes", r.blob_bytes);
    sh_jw_obj_end(w);
}

static void put_history(const struct node *n, struct sh_jw *w)
{
    struct sh_history_stats h;
    sh_history_stats(n->history, &h);
    sh_jw_key(w, "history");
    sh_jw_obj(w);
    put_u64(w, "samples", h.samples);
    put_u64(w, "points", h.points);
    put_u64(w, "segments", h.segments);
    put_u64(w, "segment_bytes", h.segment_bytes);
    put_u64(w, "cold_segments", h.cold_segments);
    put_u64(w, "head_samples", h.head_samples);
    put_u64(w, "head_bytes", h.head_bytes);
    put_u64(w, "head_max_bytes", (uint64_t)sh_config_int(n->config, "history.head"));
    put_u64(w, "flushes", h.flushes);
    put_u64(w, "compactions", h.compactions);
    put_u64(w, "damaged", h.damaged_blocks + h.set_aside);
    sh_jw_obj_end(w);
}

static void put_work(struct node *n, struct sh_jw *w)
{
    struct sh_sql_stats s;
    sh_sql_stats(n->sql, &s);
    sh_jw_key(w, "workers");
    sh_jw_obj(w);
    put_u64(w, "threads", (uint64_t)sh_config_int(n->config, "workers"));
    put_u64(w, "waiting", sh_workers_queued(n->workers));
    put_u64(w, "sql_open", s.open);
    put_u64(w, "sql_limited", s.limited);
    put_u64(w, "sql_timeouts", s.timeouts);
    sh_jw_obj_end(w);
    sh_jw_key(w, "log");
    sh_jw_obj(w);
    put_u64(w, "errors", logs_count(n->logs, SH_LOG_ERROR));
    put_u64(w, "warnings", logs_count(n->logs, SH_LOG_WARN));
    sh_jw_obj_end(w);
}

#define SERIES(name)                                                                               \
    sh_jw_key(w, #name);                                                                           \
    sh_jw_arr(w);                                                                                  \
    for (size_t i = 0; i < h->n; i++) {                                                            \
        sh_jw_f64(w, (double)(int64_t)(h->kept[(first + i) % KEPT].name * 1000) / 1000);           \
    }                                                                                              \
    sh_jw_arr_end(w);

static void put_series(struct node_health *h, struct sh_jw *w)
{
    sh_jw_key(w, "series");
    sh_jw_obj(w);
    sh_mutex_lock(&h->lock);
    const size_t first = h->n < KEPT ? 0 : h->next;
    sh_jw_key(w, "time");
    sh_jw_arr(w);
    for (size_t i = 0; i < h->n; i++) {
        sh_jw_i64(w, h->kept[(first + i) % KEPT].time_us / 1000);
    }
    sh_jw_arr_end(w);
    HEALTH_FIELDS(SERIES)
    sh_mutex_unlock(&h->lock);
    sh_jw_obj_end(w);
}

sh_err health_ask(void *ctx, struct sh_jw *w)
{
    struct node *n = ctx;
    put_process(n, w);
    put_loops(n, w);
    put_work(n, w);
    put_disk(n, w);
    put_history(n, w);
    sh_jw_key(w, "settings_waiting");
    sh_jw_u64(w, console_waiting(n));
    put_series(n->health, w);
    return SH_OK;
}

sh_err health_open(struct node *n)
{
    n->health = sh_mem_new(n->env.alloc, sizeof *n->health);
    if (n->health == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_init(&n->health->lock);
    return SH_OK;
}

void health_close(struct node *n)
{
    if (n->health != NULL) {
        sh_mutex_fini(&n->health->lock);
        sh_mem_free(n->env.alloc, n->health);
        n->health = NULL;
    }
}
