/* disk.c - what happens at the marks of the disk: it is told (log, bus, overview), at `act` the
 * policy `oldest` removes history partition by partition, at `stop` the gate closes and MQTT takes
 * nothing more that would have to be stored. On a worker, once a second, never twice at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "main_int.h"

#define DAY_US INT64_C(86400000000)

static void say_date(int64_t full_us, char out[SH_TIME_CHARS])
{
    out[full_us == 0 ? 0 : sh_time_print(full_us / 1000000 * 1000000, out)] = '\0';
}

/* Tells log and bus that the level changed. */
static void tell(struct node *n, const struct sh_disk_state *s)
{
    static const char *const words[] = {
        "below its marks",
        "over disk.warn",
        "over disk.act",
        "over disk.stop: new samples are refused; audit, deletion and the console go on",
    };
    char date[SH_TIME_CHARS];
    char json[320];
    say_date(s->full_us, date);
    sh_log(n->env.log, s->level == SH_DISK_OK ? SH_LOG_INFO : SH_LOG_WARN, "disk",
           "%.1f %% of %" PRIu64 " MiB used, %s%s%s", s->percent, s->total_bytes >> 20,
           words[(size_t)s->level], date[0] == '\0' ? "" : "; at this rate full on ", date);
    (void)snprintf(json, sizeof json,
                   "{\"code\":\"disk_%s\",\"level\":\"%s\",\"percent\":%.1f,\"full_date\":%s%s%s}",
                   sh_disk_level_name(s->level),
                   s->level == SH_DISK_STOP ? "error"
                                            : (s->level == SH_DISK_OK ? "info" : "warning"),
                   s->percent, date[0] == '\0' ? "null" : "\"", date, date[0] == '\0' ? "" : "\"");
    sh_bus_publish_event(n->bus, &(struct sh_event){.kind = SH_EVENT_PROBLEM,
                                                    .tenant = SH_TENANT_ROOT,
                                                    .time_us = sh_wall_us(n->env.clock),
                                                    .object = SH_STR("disk"),
                                                    .json = sh_str_c(json)});
}

static void tell_dropped(struct node *n, const struct sh_history_dropped *d, double percent)
{
    char from[SH_TIME_CHARS];
    char to[SH_TIME_CHARS];
    char text[400];
    say_date(d->from_us, from);
    say_date(d->to_us, to);
    (void)snprintf(text, sizeof text,
                   "disk %.1f %% used: removed history from %s to %s, %" PRIu64 " samples, %" PRIu64
                   " bytes in %" PRIu64 " segments",
                   percent, from, to, d->samples, d->bytes, d->segments);
    sh_log(n->env.log, SH_LOG_WARN, "disk", "disk.policy=oldest: %s", text);
    (void)atomic_fetch_add(&n->dropped_partitions, 1);
    (void)atomic_fetch_add(&n->dropped_samples, d->samples);
    (void)atomic_fetch_add(&n->dropped_bytes, d->bytes);
    const sh_err err = sh_guard_audit(n->guard, &(struct sh_audit){.tenant = SH_TENANT_ROOT,
                                                                   .act = SH_STR("history.dropped"),
                                                                   .object = SH_STR("system:disk"),
                                                                   .result = SH_STR("ok"),
                                                                   .detail = sh_str_c(text)});
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_ERROR, "disk", "the removal is not in the audit: %s",
               sh_err_name(err));
    }
}

/* One partition; the next second measures again. */
static void drop_oldest(struct node *n, const struct sh_disk_state *s)
{
    struct sh_history_dropped d;
    const int64_t keep = sh_config_int(n->config, "disk.min_days") * DAY_US;
    const sh_err err = sh_history_drop_oldest(n->history, sh_wall_us(n->env.clock) - keep, &d);
    if (d.segments > 0) {
        tell_dropped(n, &d, s->percent);
    }
    const bool nothing = err == SH_E_NOTFOUND;
    if (nothing && !atomic_load(&n->nothing_to_drop)) {
        sh_log(n->env.log, SH_LOG_WARN, "disk",
               "no history partition is older than disk.min_days (%" PRId64
               "): nothing more is removed",
               keep / DAY_US);
    }
    atomic_store(&n->nothing_to_drop, nothing);
    if (err != SH_OK && !nothing) {
        sh_log(n->env.log, SH_LOG_ERROR, "disk", "history cannot be removed: %s", sh_err_name(err));
    }
}

void disk_tick(struct node *n)
{
    bool changed = false;
    struct sh_disk_state s;
    const sh_err err = sh_disk_measure(n->disk, &changed);
    sh_disk_state(n->disk, &s);
    if (err != SH_OK && s.errors == 1) {
        sh_log(n->env.log, SH_LOG_WARN, "disk", "the free space of %s is not known: %s", n->dir,
               sh_err_name(err));
    }
    if (!changed && s.level == SH_DISK_OK) {
        return;
    }
    if (changed) {
        atomic_store(&n->disk_stop, s.level == SH_DISK_STOP);
        sh_gate_close(n->gate, s.level == SH_DISK_STOP);
        tell(n, &s);
    }
    if (s.level >= SH_DISK_ACT && sh_str_eqc(sh_config_get(n->config, "disk.policy"), "oldest")) {
        drop_oldest(n, &s);
    }
}

sh_err disk_open(struct node *n)
{
    const struct sh_disk_options o = {.dir = n->dir,
                                      .warn = (unsigned)sh_config_int(n->config, "disk.warn"),
                                      .act = (unsigned)sh_config_int(n->config, "disk.act"),
                                      .stop = (unsigned)sh_config_int(n->config, "disk.stop")};
    sh_err err = sh_disk_new(&n->env, &o, &n->disk);
    if (err == SH_E_INVAL) {
        sh_log(n->env.log, SH_LOG_ERROR, "main",
               "disk.warn, disk.act and disk.stop are not in this order: 80, 90 and 97 are used");
        err = sh_disk_new(&n->env, &(struct sh_disk_options){.dir = n->dir}, &n->disk);
    }
    const struct sh_str policy = sh_config_get(n->config, "disk.policy");
    if (!sh_str_eqc(policy, "keep") && !sh_str_eqc(policy, "oldest")) {
        sh_log(n->env.log, SH_LOG_ERROR, "main",
               "disk.policy is keep or oldest, not '%.*s': everything is kept", SH_PRI(policy));
    }
    return err;
}

uint64_t disk_log_bytes(const struct node *n)
{
    enum { LEAST = 8 << 20, SHARE = 64, BLOCK = 4096 };
    struct sh_disk_state s;
    const uint64_t asked = (uint64_t)sh_config_int(n->config, "journal.segment");
    sh_disk_state(n->disk, &s);
    uint64_t fits = s.total_bytes / SHARE / BLOCK * BLOCK;
    fits = fits < LEAST ? LEAST : fits;
    if (sh_config_source(n->config, "journal.segment") != SH_CONFIG_FROM_DEFAULT ||
        s.total_bytes == 0 || fits >= asked) {
        return asked;
    }
    sh_log(n->env.log, SH_LOG_INFO, "journal",
           "the file system has %" PRIu64 " MiB: log files are %" PRIu64
           " MiB (journal.segment sets another size)",
           s.total_bytes >> 20, fits >> 20);
    return fits;
}

sh_err disk_metrics(const struct node *n, struct sh_buf *out)
{
    struct sh_disk_state s;
    sh_disk_state(n->disk, &s);
    const struct sh_api_metric list[] = {
        {"disk_free_bytes", "gauge", "Free on the data folder's file system.",
         (double)s.free_bytes},
        {"disk_total_bytes", "gauge", "Size of it.", (double)s.total_bytes},
        {"disk_level", "gauge", "0 ok, 1 over disk.warn, 2 over disk.act, 3 over disk.stop.",
         (double)s.level},
        {"disk_full_timestamp_seconds", "gauge",
         "When disk.stop is reached at the present growth; 0 = not in sight.",
         (double)(s.full_us <= 0 ? 0 : (uint64_t)s.full_us / 1000000)},
        {"disk_errors_total", "counter", "Measurements that failed.", (double)s.errors},
        {"history_dropped_partitions_total", "counter", "Removed by disk.policy.",
         (double)atomic_load(&n->dropped_partitions)},
        {"history_dropped_samples_total", "counter", "Samples in them.",
         (double)atomic_load(&n->dropped_samples)},
        {"history_dropped_bytes_total", "counter", "Bytes of them.",
         (double)atomic_load(&n->dropped_bytes)},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}
