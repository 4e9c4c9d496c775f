/* close.c - closing a node: the servers first, the stores last.
 *
 * What is under way when the signal comes is finished in this order, and nothing is freed while
 * somebody may still come back to it:
 *  0. The journal does not wait for a disk that fails any more. keeper_stop: a backup that runs is
 *     cancelled, and leaves nothing.
 *  1. stop_servers: channels, listeners and connections close while the loops run; requests that a
 *     worker has are answered, those that wait for one get 503, passwords that wait are canceled.
 *     Then the threads of the other loops end; what is still posted to these is run here.
 *  2. stop_workers: no job runs any more; what jobs and the journal's threads posted is run.
 *  3. The journal commits and applies what is queued and stops its threads; its last answers are
 *     posted and run while broker and API still stand. From here on there is one thread.
 *  4. The rest is freed, backwards.
 * Every member may be NULL: a start may fail anywhere.
 * SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "main_int.h"

#define HTTP_GRACE_US INT64_C(3000000)

static void settle(struct node *n)
{
    node_loops_settle(n);
}

/* On any loop. */
static void stopped(void *ctx)
{
    struct node *n = ctx;
    if (atomic_fetch_sub(&n->stopping, 1) == 1) {
        sh_loop_stop(n->loop);
    }
}

static void stop_web(void *ctx)
{
    const struct node_web *w = ctx;
    sh_http_server_stop(w->http, HTTP_GRACE_US, stopped, w->n);
}

static unsigned servers_of(const struct node *n)
{
    unsigned k = (n->mqtt != NULL ? 1U : 0U) + (n->pg != NULL ? 1U : 0U);
    for (size_t i = 0; i < n->nloops; i++) {
        k += n->web[i].http != NULL ? 1U : 0U;
    }
    return k;
}

static void stop_servers(struct node *n)
{
    if (n->loop == NULL) {
        return;
    }
    sh_timer_stop(&n->quarter);
    sh_timer_stop(&n->second);
    sh_guard_stop(n->guard);
    field_stop(n->field);
    forward_stop(n->forward);
    if (n->api != NULL) {
        sh_api_stop(n->api);
    }
    atomic_store(&n->stopping, servers_of(n));
    if (atomic_load(&n->stopping) > 0) {
        for (size_t i = 0; i < n->nloops; i++) {
            struct node_web *w = &n->web[i];
            w->stop = (struct sh_job){.fn = stop_web, .ctx = w};
            if (w->http != NULL) {
                sh_loop_post_job(n->loops[i], &w->stop);
            }
        }
        if (n->pg != NULL) {
            sh_pg_stop(n->pg, stopped, n);
        }
        if (n->mqtt != NULL) {
            mqtt_server_stop(n->mqtt, stopped, n);
        }
        sh_loop_run(n->loop);
    }
    node_loops_stop(n);
}

/* No request is left (the HTTP server waited for them), so no job waits for the loop. */
static void stop_workers(struct node *n)
{
    if (n->journal != NULL && n->mqtt != NULL) {
        telemetry_stop(n->telemetry);
        settle(n);
        node_enter(n);
        const sh_err err = mqtt_broker_checkpoint(n->broker);
        node_leave(n);
        if (err != SH_OK) {
            sh_log(n->env.log, SH_LOG_WARN, "mqtt", "no last checkpoint: %s", sh_err_name(err));
        }
        mqtt_journal_settle(n->mqtt_log);
    }
    sh_workers_stop(n->workers);
    settle(n);
    sh_pg_free(n->pg);
    n->pg = NULL;
    field_free(n->field);
    n->field = NULL;
}

static void close_journal(struct node *n)
{
    if (n->journal != NULL) {
        sh_err err = sh_history_flush(n->history);
        err = err != SH_OK ? err : sh_points_checkpoint(n->points);
        if (err != SH_OK) {
            sh_log(n->env.log, SH_LOG_WARN, "main", "the last flush failed: %s", sh_err_name(err));
        }
    }
    sh_mutex_lock(&n->journal_lock);
    struct sh_journal *j = n->journal;
    n->journal = NULL;
    sh_mutex_unlock(&n->journal_lock);
    sh_journal_close(j);
    if (n->mqtt_log != NULL) {
        mqtt_journal_attach(n->mqtt_log, NULL);
    }
    settle(n);
}

static void free_servers(struct node *n)
{
    if (n->mqtt_log != NULL) {
        mqtt_journal_wake(n->mqtt_log, NULL);
    }
    mqtt_server_free(n->mqtt);
    n->mqtt = NULL;
    for (size_t i = n->nloops; i > 0; i--) {
        sh_http_server_free(n->web[i - 1].http);
    }
    sh_api_free(n->api);
    n->api = NULL;
    sh_tls_free(n->tls);
    settle(n);
    mqtt_broker_free(n->broker);
    mqtt_journal_free(n->mqtt_log);
    telemetry_free(n->telemetry);
    node_loops_free(n);
}

void node_close(struct node *n)
{
    if (n->journal != NULL) {
        sh_journal_hurry(n->journal);
    }
    keeper_stop(n);
    stop_servers(n);
    stop_workers(n);
    keeper_free(n);
    if (n->gate != NULL && n->journal != NULL) {
        sh_gate_tell_late(n->gate, true);
    }
    sh_twin_close(n->twin);
    close_journal(n);
    free_servers(n);
    forward_free(n->forward);
    n->forward = NULL;
    sh_sql_close(n->sql);
    sh_history_close(n->history);
    sh_gate_free(n->gate);
    sh_disk_free(n->disk);
    sh_latest_free(n->latest);
    sh_points_close(n->points);
    sh_bus_free(n->bus);
    sh_guard_close(n->guard);
    sh_record_close(n->record);
    sh_crypto_free(n->crypto);
    sh_workers_free(n->workers);
    health_close(n);
    console_close(n);
    sh_mutex_fini(&n->counters_lock);
    sh_mutex_fini(&n->journal_lock);
    sh_mutex_fini(&n->proof.lock);
    if (n->lock_fd >= 0) {
        (void)close(n->lock_fd);
    }
}
