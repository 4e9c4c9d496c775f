/* api.h - what the outside sees over HTTP: the route table and what it feeds - routing, permission,
 * problems, OpenAPI, the live stream, ingest, the console's files.
 *
 * Threads: requests come in on a loop; routes run on workers and may block, except those marked
 * in the table, which run on that loop. Made, stopped and freed on the first loop's thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_H
#define SH_API_H

#include <sh/asset.h>
#include <sh/bus.h>
#include <sh/disk.h>
#include <sh/gate.h>
#include <sh/guard.h>
#include <sh/history.h>
#include <sh/http.h>
#include <sh/ingest.h>
#include <sh/journal.h>
#include <sh/point.h>
#include <sh/record.h>
#include <sh/sql.h>
#include <sh/twin.h>

struct sh_api;

enum { SH_API_SBOM_MAX = 4 << 20 };

/* Record kind of a tenant's topic mappings. */
#define SH_API_MAPPING_KIND SH_STR("_mapping")

/* What is asked of the backups: their state (members of an open object), a new one, the end of the
 * one that runs, the removal of one (id); its copy to the SFTP server, the way back, and a look at
 * what is there. Of restoring: a backup is prepared, what is prepared is thrown away, what is
 * prepared ("prepared") or was kept (its name) is put in the node's place, what was kept is
 * removed.
 */
enum sh_api_backup {
    SH_API_BACKUP_LIST,
    SH_API_BACKUP_BEGIN,
    SH_API_BACKUP_CANCEL,
    SH_API_BACKUP_REMOVE,
    SH_API_BACKUP_COPY,
    SH_API_BACKUP_FETCH,
    SH_API_BACKUP_LOOK,
    SH_API_BACKUP_PREPARE,
    SH_API_BACKUP_DISCARD,
    SH_API_BACKUP_APPLY,
    SH_API_BACKUP_DROP,
    SH_API_BACKUP_RESTART /* after APPLY, when all is said: the node goes down and comes up again */
};
struct sh_api_backup_ask {
    enum sh_api_backup act;
    struct sh_str id;
    struct sh_str by;
    struct sh_str reason; /* of PREPARE and APPLY */
};

/* What is asked of the configuration; each answer is members of an open object (docs/api.md). */
enum sh_api_config {
    SH_API_CONFIG_SHOW,
    SH_API_CONFIG_CHECK,          /* `set`, without doing it */
    SH_API_CONFIG_CHANGE,         /* `set` */
    SH_API_CONFIG_HISTORY,        /* revisions below `to` (0 = from the newest) */
    SH_API_CONFIG_ROLLBACK_CHECK, /* to revision `to`, without doing it */
    SH_API_CONFIG_ROLLBACK
};
struct sh_api_config_ask {
    enum sh_api_config act;
    const json_t *set; /* key -> text, number, boolean; null: no longer set in the console */
    uint64_t revision; /* that the settings must have; SH_RECORD_ANY */
    uint64_t to;
    uint32_t limit;
    struct sh_str by;
    struct sh_str note;
    bool chinese;
    bool (*may)(void *ctx, bool security); /* has who asks the right to these keys? */
    void *ctx;
};

/* Which of the newest log lines: up to `level` (0 error .. 3 debug), of a module, with a text in
 * them; newest first, below `before` (0 = from the newest) and above `after`. */
struct sh_api_logs_ask {
    unsigned level;
    struct sh_str module; /* empty: all */
    struct sh_str find;
    uint64_t before;
    uint64_t after;
    uint32_t limit;
};

/* Numbers of parts that the API does not use itself; each member may be NULL. Called on a worker or
 * the loop; must not block. */
/* One metric of /metrics: "songhua_<name>". Texts are borrowed. */
struct sh_api_metric {
    const char *name;
    const char *type; /* "gauge", "counter" */
    const char *help;
    double value;
};
/* Appends them in Prometheus' text format. SH_E_LIMIT, SH_E_NOMEM. Any thread. */
SH_MUST_CHECK sh_err sh_api_metrics_put(struct sh_buf *out, const struct sh_api_metric *m,
                                        size_t n);

struct sh_api_seams {
    /* Adds members to the overview's object (its "mqtt" object, problems). */
    void (*overview)(void *ctx, struct sh_jw *w, uint32_t tenant);
    /* Adds problems to the overview's open array; only for the root tenant. */
    void (*problems)(void *ctx, struct sh_jw *w);
    /* Worker; by: who asks. SH_E_STATE: there are no backups, or no SFTP server, here (diag says
     * why); SH_E_BUSY. */
    sh_err (*backups)(void *ctx, const struct sh_api_backup_ask *ask, struct sh_jw *w,
                      struct sh_diag *diag);
    /* The security self check as members of an open object. Worker; may block long. */
    sh_err (*security)(void *ctx, struct sh_jw *w);
    /* Worker. SH_E_INVAL: the errors were written; SH_E_CONFLICT: another revision; SH_E_STATE:
     * settings of the console are off; SH_E_NOTFOUND: no such revision. */
    sh_err (*config)(void *ctx, const struct sh_api_config_ask *ask, struct sh_jw *w);
    /* Members items, last, level, next. */
    sh_err (*logs)(void *ctx, const struct sh_api_logs_ask *ask, struct sh_jw *w);
    /* How the node fares: process, loops, workers, disk, the last quarter of an hour. Worker. */
    sh_err (*health)(void *ctx, struct sh_jw *w);
    /* Appends Prometheus text. */
    sh_err (*metrics)(void *ctx, struct sh_buf *out);
    /* Writes the connection counters of a device as an object. SH_E_NOTFOUND: none. */
    sh_err (*connection)(void *ctx, uint32_t tenant, struct sh_str device, struct sh_jw *w);
    /* A WebSocket to /mqtt was accepted (its loop). */
    void (*mqtt_websocket)(void *ctx, struct sh_stream *s);
    /* A device became writable or read-only. Any thread. */
    void (*write_changed)(void *ctx, uint32_t tenant, struct sh_str device);
    /* A channel's configuration: check_only before it is stored, then for good; NULL: removed.
     * Worker. */
    sh_err (*channel)(void *ctx, uint32_t tenant, struct sh_str id, const json_t *config,
                      bool check_only, struct sh_diag *diag);
    /* The tenant's mappings of free JSON topics, checked and set before they are stored. Worker. */
    sh_err (*mappings)(void *ctx, uint32_t tenant, const json_t *items, struct sh_diag *diag);
    /* State of a channel as an object. SH_E_NOTFOUND. */
    sh_err (*channel_state)(void *ctx, uint32_t tenant, struct sh_str id, struct sh_jw *w);
    /* The drivers as items into an open array. */
    void (*drivers)(void *ctx, struct sh_jw *w);
    void *ctx;
};

struct sh_api_options {
    const struct sh_env *env;
    struct sh_loop *loop;          /* the first: timers */
    struct sh_loop *const *others; /* further loops whose requests come here; borrowed */
    size_t nothers;
    struct sh_workers *workers;
    struct sh_guard *guard;
    struct sh_record *record;
    struct sh_twin *twin;
    struct sh_points *points;
    struct sh_latest *latest;
    struct sh_history *history;
    struct sh_sql *sql;
    struct sh_journal *journal;
    struct sh_gate *gate;
    const struct sh_disk *disk; /* may be NULL (tests): nothing is known of the disk */
    struct sh_bus *bus;
    int64_t slow_us;         /* what takes longer is listed; 0 = off */
    uint64_t file_bytes;     /* of one file of a device, an asset or a thing model; 0 = 100 MiB */
    struct sh_str map_tiles; /* XYZ template of the console's map; empty = none; these are copied */
    struct sh_str map_datum; /* "wgs84", "gcj02": of the tiles */
    struct sh_str map_credit;
    const char *data_dir;
    const char *version;
    struct sh_str signin_url;   /* as browsers reach the console; empty = as each asks; copied */
    struct sh_str signin_allow; /* private addresses that providers may have; copied */
    struct sh_str signin_ca;    /* PEM: who signs providers of sign-in; empty = the system's */
    const char *sbom;           /* path of the bill of materials; NULL or missing: 404 */
    const struct sh_api_asset *assets; /* ended by path == NULL */
    struct sh_api_seams seams;
};
SH_MUST_CHECK sh_err sh_api_new(const struct sh_api_options *o, struct sh_api **out);
/* Ends the streams; call before the HTTP server stops. */
void sh_api_stop(struct sh_api *a);
/* After the server and the workers have stopped. NULL is accepted. */
void sh_api_free(struct sh_api *a);
/* For sh_http_server_new, with the sh_api as ctx. */
const struct sh_http_handler *sh_api_handler(void);
/* The journal has room again: whoever waits in an ingest goes on. Any thread. */
void sh_api_drained(struct sh_api *a);
/* What takes longer from now on is listed; 0 = off. Any thread. */
void sh_api_set_slow(struct sh_api *a, int64_t over_us);
/* signin.url and signin.allow from now on; copied. SH_E_NOMEM: they stay as they were. Any thread.
 */
SH_MUST_CHECK sh_err sh_api_set_signin(struct sh_api *a, struct sh_str url, struct sh_str allow);
/* A statement of another protocol ended: kept when it was slow. Texts are borrowed. Any thread. */
struct sh_api_statement {
    struct sh_principal by;
    uint32_t tenant;
    struct sh_str text;
    int64_t took_us; /* without the client's time */
    int64_t rows;    /* given out */
};
void sh_api_statement(struct sh_api *a, const struct sh_api_statement *s);
/* A refusal of the gate in the decoders' words. */
enum sh_ingest_code sh_api_refusal_code(enum sh_gate_refusal r);
/* Is it a template of map tiles: http(s)://host[:port]/... or /..., with {z}, {x} and {y}? *origin
 * (may be NULL) gets what a content policy must let in, a view; empty for this server's own. */
bool sh_api_tiles_ok(struct sh_str template, struct sh_str *origin);
/* Writes the OpenAPI 3.1 document (for tests and `songhua openapi`). */
SH_MUST_CHECK sh_err sh_api_openapi(const char *version, struct sh_buf *out);

/* A route as a command of `songhua ctl`. Texts are static. */
enum { SH_API_PARAMS = 3 };
struct sh_api_command {
    char words[96]; /* "devices certificates revoke" */
    struct sh_str params[SH_API_PARAMS];
    size_t nparams;
    const char *method;
    const char *path; /* "/api/v1/devices/{id}/certificates/{fingerprint}" */
    const char *english;
    const char *chinese;
    const char *query; /* names by comma; may be "" */
    const char *body;  /* JSON Schema; NULL = none needed */
    bool takes_body;
    bool raw; /* the body is no JSON */
};
/* The i-th one; false: there are no more. */
bool sh_api_command_at(size_t i, struct sh_api_command *out);

#endif /* SH_API_H */
