/* main_int.h - the composition: what a running node holds, and the parts of it by file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MAIN_INT_H
#define SH_MAIN_INT_H

#include <sh/api.h>
#include <sh/backup.h>
#include <sh/channels.h>
#include <sh/disk.h>
#include <sh/ingest.h>
#include <sh/mqtt.h>
#include <sh/mqtt_server.h>
#include <sh/outside.h>
#include <sh/pg.h>
#include <sh/swap.h>
#include <sh/tls.h>

struct node_console;
struct node_health;
struct node_keeper;
struct node_logs;
struct forward;
struct telemetry;
struct field;

/* Members are in the order of opening; node_close goes backwards. */
struct who;

struct node {
    struct sh_env env;
    struct node_logs *logs;
    _Atomic(struct sh_config *) config; /* console.c: replaced whole, never freed while it runs */
    struct node_console *console;
    struct node_health *health;
    const char *dir;
    struct node_start { /* how long each phase took: the log's one line about it */
        int64_t from_us;
        int64_t lap_us;
        int64_t devices_us; /* read beside the rest */
        size_t n;
        char text[320];
    } start;
    char *admin_password; /* of the environment; wiped after the first start */
    int lock_fd;
    struct sh_crypto *crypto;
    struct sh_workers *workers;
    struct sh_record *record;
    struct sh_guard *guard;
    struct sh_bus *bus;
    struct sh_points *points;
    struct sh_latest *latest;
    struct sh_history *history;
    struct sh_sql *sql;
    struct sh_gate *gate;
    struct sh_disk *disk;
    atomic_bool disk_stop; /* the broker looks at it before it stores a message */
    atomic_bool nothing_to_drop;
    atomic_ullong dropped_partitions; /* removed by disk.policy since the start */
    atomic_ullong dropped_samples;
    atomic_ullong dropped_bytes;
    struct sh_loop *loop;                /* the first: everything but connections */
    struct sh_loop *loops[SH_LOOPS_MAX]; /* all; loops[0] == loop */
    size_t nloops;
    struct sh_thread threads[SH_LOOPS_MAX]; /* of the others */
    struct mqtt_auth_ops auth_ops;          /* the broker keeps these tables by pointer */
    struct mqtt_telemetry_ops telemetry_ops;
    struct mqtt_event_ops event_ops;
    struct who *guests; /* principals of MQTT connections (broker's lock) */
    struct mqtt_broker *broker;
    struct mqtt_journal *mqtt_log;
    struct sh_mutex journal_lock;
    struct sh_journal *journal; /* set to NULL under the lock, for history_flushed */
    struct sh_twin *twin;
    struct telemetry *telemetry;
    int64_t last_event_us; /* of device events: no two have the same time (broker's lock) */
    struct field *field;
    struct sh_tls *tls;
    struct mqtt_server *mqtt;
    struct sh_pg *pg; /* NULL: pg.listen is empty */
    struct sh_api *api;
    struct node_web {
        struct sh_http_server *http;
        struct sh_job stop;
        struct node *n;
    } web[SH_LOOPS_MAX];           /* one for each loop; the first one listens */
    struct sh_timer quarter;       /* four times a second: the broker's tick */
    struct sh_timer second;        /* housekeeping on a worker */
    unsigned blobs_at;             /* second at which unused files are looked for; `tend` */
    atomic_bool tending;           /* a housekeeping job runs */
    atomic_bool tending_catalogue; /* the same for its checkpoint */
    atomic_bool want_catalogue;
    atomic_uint seconds;
    uint64_t crowd; /* tend: most connections since the heap was trimmed */
    /* The broker's counters as of the last second, for other threads. */
    struct sh_mutex counters_lock;
    struct mqtt_counters counters;
    uint64_t in_per_s;
    uint64_t out_per_s;
    struct forward *forward;    /* NULL: audit.syslog is empty */
    struct node_keeper *keeper; /* backups */
    struct node_proof {         /* of the audit chain, for the self check */
        struct sh_mutex lock;
        int64_t at_us; /* 0 = not yet */
        bool good;
        struct sh_audit_report report;
    } proof;
    atomic_uint stopping; /* servers that have not stopped yet */
    bool mqtt_anonymous;
    char sbom[4096]; /* path */
    /* Of the process, over its lives (serve.c): */
    bool filtered;              /* system calls are */
    atomic_bool again;          /* after the close it is opened again: for other data (swap.c) */
    struct sh_swap swap;        /* as this life found it */
    char swap_why[SH_SWAP_WHY]; /* what did not open in the life before; "" */
    char why[SH_SWAP_WHY];      /* what failed last while opening */
};

extern const struct sh_config_key node_keys[];

/* serve.c */
int node_serve(int argc, char **argv, char **env);
/* Logs what could not be opened, with the diag's words and remedy (may be NULL); returns err. */
sh_err node_fail(struct node *n, const char *what, sh_err err, const struct sh_diag *d);

/* The broker is used by who has entered it; what main does there it does on the first loop. Then
 * mqtt_server_kick, when something was changed. */
static inline void node_enter(struct node *n)
{
    mqtt_broker_enter(n->broker, 0);
}
static inline void node_leave(struct node *n)
{
    mqtt_broker_leave(n->broker);
}

/* loops.c: makes the loops; runs all but the first on threads of their own; ends these. */
SH_MUST_CHECK sh_err node_loops_new(struct node *n);
SH_MUST_CHECK sh_err node_loops_start(struct node *n);
void node_loops_stop(struct node *n);
void node_loops_settle(struct node *n); /* when they do not run */
void node_loops_free(struct node *n);

/* servers.c: API, MQTT, their listeners. */
SH_MUST_CHECK sh_err node_servers(struct node *n);
/* Reads or makes the server's certificate and takes it into use; reads it again later. Blocks: not
 * on the loop while it serves. */
SH_MUST_CHECK sh_err node_tls(struct node *n);

/* swap.c: other data in the place of the node's own (sh/swap.h). At the start, with the folder held
 * and nothing open: does what is wanted. */
SH_MUST_CHECK sh_err node_swap(struct node *n);
/* All is open: audited, and over. */
SH_MUST_CHECK sh_err node_swap_settle(struct node *n);
/* The node did not open and is closed: true when the old data comes back with another life. */
bool node_swap_failed(struct node *n, const char *dir);
/* Ends this life and begins another. Any thread. */
void node_again(struct node *n);

/* run.c: until a signal ends it, or node_again does. */
SH_MUST_CHECK sh_err node_run(struct node *n);

/* settings.c: what a configuration is made of. Views and borrowed. */
struct settings_from {
    struct sh_str text; /* of the file */
    const char *file;   /* its path; NULL: there is none */
    char *const *sets;
    size_t nsets;
    char **environ_vars;
};
/* Prints a problem to stderr and counts it: ctx is an unsigned. */
void settings_print(void *ctx, const struct sh_diag *d);
/* The file's text, freed with sh_str_free; file may be NULL. */
SH_MUST_CHECK sh_err settings_read(const struct sh_env *env, const char *file, struct sh_str *text);
/* A configuration; what is not valid is told to fn and left out. SH_E_NOMEM. */
SH_MUST_CHECK sh_err settings_build(const struct sh_env *env, const struct settings_from *from,
                                    sh_config_problem *fn, void *ctx, struct sh_config **out);
/* Values that are valid each and do not go together, or that only their user can judge. */
struct settings_fault {
    const char *key;
    const char *code;
    const char *english;
    const char *chinese;
    const char *remedy_english;
    const char *remedy_chinese;
};
typedef void settings_fault_fn(void *ctx, const struct settings_fault *f);
void settings_judge(const struct sh_config *c, settings_fault_fn *fn, void *ctx);
/* Reads file, environment and --set; prints problems to stderr. *bad counts them. */
struct sh_config *node_config(const struct sh_env *env, const char *file, char *const *sets,
                              size_t nsets, char **environ_vars, unsigned *bad);

/* auth.c: guard behind the broker's identity seam. ctx = the node. */
extern const struct mqtt_auth_ops node_auth_ops;
/* Ends the connections whose credential or right to connect is gone. On the loop, every few
 * seconds. */
void node_auth_tick(struct node *n);
/* May this principal make devices by sending? */
/* Which devices a right in part is for: guard asks, twin knows. */
bool node_in_part(void *ctx, uint32_t tenant, struct sh_str device, const struct sh_parts *parts);
bool node_archived(void *ctx, uint32_t tenant, struct sh_str device);
bool node_may_provision(const struct node *n, const struct mqtt_principal *p);

/* close.c: closes what was opened, backwards; also after a start that failed half-way. */
void node_close(struct node *n);

/* telemetry.c: MQTT payloads through the decoders into the gate. */
SH_MUST_CHECK sh_err telemetry_new(struct node *n, struct telemetry **out);
void telemetry_free(struct telemetry *t);
sh_err telemetry_take(void *ctx, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                      void *token);
void telemetry_turn_end(void *ctx);
/* reports.c: attributes and events of devices. */
sh_err reports_take(struct node *n, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                    void *token);
/* Room in the journal again (loop). */
void telemetry_resume(struct telemetry *t);
/* Submits what is held, or refuses it to those who wait; nothing is taken after it. While the
 * journal is open. NULL is accepted. */
void telemetry_stop(struct telemetry *t);

/* field.c: channels of drivers into the gate. */
SH_MUST_CHECK sh_err field_new(struct node *n, struct field **out);
/* Loads the stored channels; once the loop may run. */
void field_load(struct field *f);
/* Closes the connections; calls from workers are still answered. Loop. NULL is accepted. */
void field_stop(struct field *f);
/* After field_stop, when the workers and what they posted are done. NULL is accepted. */
void field_free(struct field *f);
sh_err field_put(void *ctx, uint32_t tenant, struct sh_str id, const json_t *config,
                 bool check_only, struct sh_diag *diag);
sh_err field_state(void *ctx, uint32_t tenant, struct sh_str id, struct sh_jw *w);
sh_err field_connection(void *ctx, uint32_t tenant, struct sh_str device, struct sh_jw *w);
void field_drivers(void *ctx, struct sh_jw *w);
void field_write_changed(void *ctx, uint32_t tenant, struct sh_str device);
/* mappings.c: topics of free JSON. */
sh_err mappings_put(void *ctx, uint32_t tenant, const json_t *items, struct sh_diag *diag);
void mappings_load(struct node *n);
/* Runs fn(ctx) on the loop and waits for it (workers); on the loop at once. */
sh_err node_on_loop(struct node *n, sh_err (*fn)(void *ctx), void *ctx);

/* twin's sender: a driver's write or an MQTT message. */
sh_err node_send(void *ctx, const struct sh_twin_command *c);

/* disk.c: the marks of the disk. disk_tick measures and acts (worker, or before the servers). */
SH_MUST_CHECK sh_err disk_open(struct node *n);
void disk_tick(struct node *n);
/* Size of a log file that fits the file system; a configured one is taken as it is. */
uint64_t disk_log_bytes(const struct node *n);
SH_MUST_CHECK sh_err disk_metrics(const struct node *n, struct sh_buf *out);

/* keeper.c: the node's backups. Opened last; stopped while loop and workers still run. */
struct node_keeper;
SH_MUST_CHECK sh_err keeper_open(struct node *n);
/* The plan of backups by another configuration; is that a time of day, or empty? */
void keeper_set(const struct node *n, const struct sh_config *c);
bool keeper_time_ok(struct sh_str s);
void keeper_stop(struct node *n);
void keeper_free(struct node *n);
sh_err keeper_ask(void *ctx, const struct sh_api_backup_ask *ask, struct sh_jw *w,
                  struct sh_diag *diag);
void keeper_problems(void *ctx, struct sh_jw *w);
SH_MUST_CHECK sh_err keeper_metrics(const struct node *n, struct sh_buf *out);

/* forward.c: the audit chain to syslog. forward_open: before the loop serves, or on it; SH_E_INVAL
 * and others with diag. forward_stop: on the loop; forward_free: when loops and workers are gone.
 * NULL is accepted. The rest: any thread. */
struct node_forward_state {
    bool on;
    bool connected;
    bool tls;
    const char *where;
    uint64_t settled; /* up to here they are with the receiver */
    uint64_t lag;     /* entries behind it */
    uint64_t sent;
    uint64_t failures;
    char why[160]; /* of the last failure */
};
SH_MUST_CHECK sh_err forward_open(struct node *n, struct sh_diag *d);
/* Is that host:port of a receiver? */
bool forward_where_ok(struct sh_str s);
void forward_stop(struct forward *f);
void forward_free(struct forward *f);
void forward_state(const struct node *n, struct node_forward_state *out);
void forward_problems(const struct node *n, struct sh_jw *w);
SH_MUST_CHECK sh_err forward_metrics(const struct node *n, struct sh_buf *out);

/* logs.c: the log of all parts, from here on; its level; lines written since the start. */
SH_MUST_CHECK sh_err logs_open(struct node *n);
void logs_level(struct node_logs *l, enum sh_log_level level);
uint64_t logs_count(const struct node_logs *l, enum sh_log_level level);
sh_err logs_ask(void *ctx, const struct sh_api_logs_ask *ask, struct sh_jw *w);
void logs_close(struct node *n);

/* console.c: settings made in the console, and reading the file again. console_open: once records
 * are open, before anything else reads a key; `from` without what lives shorter than the node. */
SH_MUST_CHECK sh_err console_open(struct node *n, const struct settings_from *from);
/* The same for a configuration of a stopped node's folder. */
SH_MUST_CHECK sh_err console_overlay(const struct sh_env *env, struct sh_record *record,
                                     struct sh_config *c, sh_config_problem *fn, void *ctx);
void console_close(struct node *n); /* frees all configurations but the one that runs */
/* A bad file leaves everything as it was. Blocks: not on the loop. */
void console_reload(struct node *n);
sh_err console_ask(void *ctx, const struct sh_api_config_ask *ask, struct sh_jw *w);
/* Keys whose value waits for the next start. */
unsigned console_waiting(const struct node *n);

/* health.c: measured each second that is due (worker). */
SH_MUST_CHECK sh_err health_open(struct node *n);
void health_tick(struct node *n, unsigned seconds);
sh_err health_ask(void *ctx, struct sh_jw *w);
void health_close(struct node *n);

/* sql.c: the SQL engine; pg.listen (diag says what is wrong with it). */
SH_MUST_CHECK sh_err node_sql_open(struct node *n);
SH_MUST_CHECK sh_err node_pg_open(struct node *n, struct sh_diag *diag);
SH_MUST_CHECK sh_err node_pg_metrics(const struct node *n, struct sh_buf *out);

/* quota.c: charges what is there; after twin and points are open, before servers. */
void node_count_use(struct node *n);

/* sbom.c: where the software bill of materials lies; the last place when it is nowhere. */
enum { NODE_PATH = 4096 };
void node_sbom_path(char out[NODE_PATH]);
int node_print_sbom(void);

/* demo.c: the starter pack. */
void demo_import(struct node *n);

/* Commands. Each answers the process's exit code. */
int node_passwd(int argc, char **argv, char **env);
int node_check(int argc, char **argv, char **env);
int node_ctl(int argc, char **argv);
int node_backup(int argc, char **argv);
/* copies.c: `songhua backup list` and `fetch`: copies on an SFTP server. */
int node_copies(int argc, char **argv);
int node_restore(int argc, char **argv);

/* check.c */
int node_check_history(const char *dir, bool json);

/* security.c: the self check, as members of an open object (worker; may block long). */
sh_err security_ask(void *ctx, struct sh_jw *w);
/* The same for a stopped node, printed. 0: nothing is not met; 1: it could not be done. */
enum { CHECK_NOT_MET = 3 };
struct node_security_ask {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const struct sh_config *config;
    const char *dir;
    struct sh_guard *guard;
    bool json;
};
int node_check_security(const struct node_security_ask *a);

/* ctl.c: the language of LC_ALL, LC_MESSAGES or LANG. */
bool node_speaks_chinese(void);
/* serve.c: what the configuration says about people's sign-in. SH_E_INVAL with diag. */
/* backup.c: one line on stderr: what failed, why, where, the remedy. Returns 1. */
int node_say(const char *what, sh_err err, const struct sh_diag *d);

/* keys_tool.c */
int node_keys_tool(int argc, char **argv, char **env);

SH_MUST_CHECK sh_err node_guard_settings(const struct sh_config *c, struct sh_guard_settings *s,
                                         struct sh_diag *d);

/* tools.c: holds DIR for an off-line command; else says why not and answers 1. */
int node_folder_lock(const struct sh_env *env, const char *dir, int *fd);
/* backup.c: the first line of a file, a view into *out (freed with sh_str_free). SH_E_INVAL: empty
 * or too long. */
SH_MUST_CHECK sh_err node_passphrase(const struct sh_env *env, const char *path, struct sh_str *out,
                                     struct sh_str *line);
/* One writer of a folder of backups; -1: it is held, or cannot be used. */
int node_backup_lock(const char *folder);
bool node_backup_inside(const char *dir, const char *folder);

#endif /* SH_MAIN_INT_H */
