/* api_int.h - inside the API: a request on its way, the route table, helpers of the handlers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_INT_H
#define SH_API_INT_H

#include <stdatomic.h>

#include <sh/api.h>
#include <sh/ingest.h>
#include <sh/outside.h>
#include <sh/twin_file.h>
#include <sh/url.h>

#include "slow.h"

enum {
    API_MAX_PARAMS = 3,
    API_ARENA = 64 << 20, /* memory of one request */
    API_JSON_MAX = 8 << 20,
    API_FILE_BYTES = 100 << 20,
    API_INGEST_MAX = 64 << 20,
    API_INFLATED_MAX = 256 << 20,
    API_INFLATED_FREE = 16 << 20, /* up to this whatever the body's size; beyond, in proportion */
    API_INFLATED_RATIO = 100,
    API_MAX_STREAMS = 256,
    API_STREAM_POINTS = 2000,
    API_IDEM_KEY_MAX = 255
};

/* Who may call a route. Other values are an enum sh_permission. */
enum { API_PUBLIC = -1, API_SIGNED_IN = -2 };
enum {
    API_F_LOOP = 1,      /* runs on the loop; must not block */
    API_F_RAW = 2,       /* body is not parsed as JSON */
    API_F_INGEST = 4,    /* big body */
    API_F_OWN_TYPE = 8,  /* sets its own Content-Type and caching */
    API_F_SECRET = 16,   /* shows a secret once: the answer is never stored */
    API_F_CONFIRM = 64,  /* dangerous: a session must have proved itself lately */
    API_F_PARTS = 128,   /* who holds the permission for a part of the plant may come: the handler
                            shows and touches what api_sees lets it */
    API_F_NODE = 256,    /* about the whole node: only for who belongs to the root tenant */
    API_F_PANEL = 512,   /* a panel on a wall may come: what its dashboard shows is r->shown */
    API_F_INTAKE = 1024, /* the handler takes the body piece by piece (sh_http_intake) */
    API_F_ASKS =
        2048,         /* a question without secrets: its query and JSON are kept when it was slow */
    API_F_REPEAT = 32 /* repeating it does no harm: an Idempotency-Key is not stored */
};

struct api_req;

/* Answers a status with the body in r->w, or 0 when it has taken the request over. */
typedef int api_handler(struct api_req *r);

struct api_route {
    enum sh_http_method method;
    const char *path; /* "/api/v1/devices/{id}" */
    const char *id;   /* operationId */
    int permission;
    unsigned flags;
    api_handler *run;
    const char *english; /* one sentence */
    const char *chinese;
    const char *query; /* names of query parameters, by comma; may be NULL */
    const char *body;  /* JSON Schema of the body; NULL = none */
};
extern const struct api_route api_routes[]; /* ended by path == NULL */

struct api_param {
    struct sh_str name;
    struct sh_str value; /* p is NULL when it cannot be decoded */
};

/* What the page of one dashboard shows of the plant, as of a turn of its changes. */
struct api_shown {
    struct sh_str id; /* of the dashboard */
    uint64_t turn;
    uint32_t *points;
    struct sh_str *names; /* as the dashboard names them */
    size_t n;
    struct sh_str *devices;
    size_t ndevices;
};
/* The last changes of dashboards, for the streams that show them. */
enum { API_DASHBOARD_TURNS = 64 };
struct api_dashboard_turn {
    uint32_t tenant;
    size_t n;
    char id[32];
};
struct api_dashboards {
    atomic_ullong turn;                                  /* how many there were */
    struct api_dashboard_turn last[API_DASHBOARD_TURNS]; /* under the lock of sh_api */
};

struct api_req {
    struct sh_api *api;
    struct sh_http_req *http;
    const struct api_route *route;
    struct sh_arena *arena;
    struct sh_str params[API_MAX_PARAMS];
    struct api_param *query; /* decoded; in the arena */
    size_t nquery;
    struct sh_principal who;
    struct sh_str session; /* session token of a cookie; empty = none */
    uint32_t tenant;
    const struct sh_twin_parts *parts; /* the permission holds for these only; NULL = for all */
    bool chinese;
    json_t *body; /* parsed JSON, NULL without */
    const struct api_shown
        *shown;            /* of the stream of a dashboard, and of each request of a panel */
    struct sh_str panel;   /* the dashboard of a panel */
    struct api_idem *idem; /* its Idempotency-Key is reserved; NULL = none */
    struct sh_data_class type_class; /* of the records that it is about */
    struct sh_str etag;              /* as answered; in the arena */
    struct sh_str factors;           /* member "factors" of a problem, as JSON; empty = none */
    int64_t began_us;                /* mono: all of it was here */
    int64_t run_us;                  /* its handler began; 0 = it did not */
    int64_t rows;                    /* given out, where the handler knows; -1 */
    struct sh_str asked;             /* the statement, where the handler knows: a view */
    enum slow_form asked_form;
    struct sh_jw w;
};

struct api_streams;
struct api_outbound;

enum api_idem_count {
    API_IDEM_BEGUN,
    API_IDEM_REPLAYED,
    API_IDEM_BUSY,
    API_IDEM_MISMATCH,
    API_IDEM_UNKNOWN,
    API_IDEM_REFUSED, /* a limit */
    API_IDEM_COUNTS
};

/* What came by Prometheus remote write, and queries in its language. */
enum api_prom_count {
    API_PROM_SAMPLES,
    API_PROM_REFUSED_SERIES,
    API_PROM_REFUSED_SAMPLES,
    API_PROM_HISTOGRAMS,
    API_PROM_COUNTS
};
/* What a refusal is counted as. */
enum api_prom_count api_prom_reason(enum sh_ingest_code code);

/* A decoder of samples, kept for the next request with its cache of series. */
enum { API_DECODERS = 32 };
struct api_decoder {
    struct sh_ingest *in; /* NULL: not made, or taken */
    bool taken;
    bool own;        /* its peer came again: other connections leave it alone, if they can */
    uint64_t peer;   /* hash of the last one */
    int64_t used_us; /* when it was given back */
    size_t bytes;    /* at that time */
};

struct sh_api {
    struct sh_api_options o;
    const struct sh_env *env;
    int64_t started_us; /* wall */
    struct sh_mutex lock;
    struct sh_cond room; /* the journal drained */
    struct api_decoder decoders[API_DECODERS];
    struct api_streams *streams[SH_LOOPS_MAX]; /* one for each loop */
    size_t nstreams;
    atomic_uint streams_open; /* on all loops */
    struct slow *slow;        /* what took longer than api.slow */
    atomic_bool stopping;
    atomic_ullong requests;
    atomic_ullong denied;
    atomic_ullong idem[API_IDEM_COUNTS];
    atomic_ullong prom[API_PROM_COUNTS];
    struct api_dashboards dashboards;
    atomic_uint exports; /* under way */
    char map_tiles[512]; /* as configured, or empty */
    char map_origin[256];
    char map_datum[16];
    char map_credit[256];
    atomic_uint uploads;           /* files that come */
    struct sh_mutex files_lock;    /* one upload at a time stores its content with its file */
    atomic_uint csvs;              /* SQL results being streamed */
    struct api_outbound *outbound; /* calls to providers of sign-in (outside.c) */
    /* For rates: sampled once a second on the loop. */
    struct sh_timer second;
    uint64_t last_samples;
    uint64_t last_commits;
    atomic_ullong samples_per_s;
    atomic_ullong commits_per_s;
};

/* ---- answers ---- */

/* Drops what was written and writes a problem (RFC 9457). code: stable word; detail and remedy in
 * the caller's language. Returns status. */
int api_problem(struct api_req *r, int status, const char *code, const char *detail_en,
                const char *detail_zh);
int api_problem_diag(struct api_req *r, int status, const char *code, const struct sh_diag *d);
/* chinese.c: a sentence of the layers below in Chinese; itself where there is none. Of the arena.
 */
struct sh_str api_chinese(struct sh_arena *a, const struct sh_alloc *alloc, struct sh_str english);
/* What is bound to a device does not come from where it may: 403, and who asked is forgotten. */
int api_refused(struct api_req *r, enum sh_refusal why);
/* By error class, with the diag's words when there are some (may be NULL). */
int api_error(struct api_req *r, sh_err err, const struct sh_diag *d);
/* slow_list.c: it ends now; bytes of the answer, -1: it was streamed. */
void api_slow_ended(struct api_req *r, int status, int64_t bytes);
void api_slow_overview(struct sh_api *a, uint32_t tenant, struct sh_jw *w);
/* Sends what was written with this status and frees the request. Any thread. */
void api_finish(struct api_req *r, int status);
/* Answers 200 with a stream that workers make (p, see http.h); the headers were set. The request
 * is kept until api_release, which p->end calls. */
void api_pull(struct api_req *r, const struct sh_http_pull *p);
void api_release(struct api_req *r);
struct api_words {
    const char *code;
    const char *title_en;
    const char *title_zh;
    const char *remedy_en;
    const char *remedy_zh;
};
/* The problem of a lack of memory, made before. */
struct sh_str api_no_memory(void);
const struct api_words *api_words_of(const char *code, int status);

/* ---- what was asked ---- */

/* Decoded query parameter; p == NULL when absent. */
/* Decodes the query for api_query; SH_E_NOMEM. */
SH_MUST_CHECK sh_err api_query_read(struct api_req *r);
struct sh_str api_query(struct api_req *r, const char *name);
/* 0 when absent; the bounds are applied. */
uint32_t api_limit(struct api_req *r, uint32_t dflt, uint32_t max);
/* Quoted value of If-Match as a revision: 0 = none. False: malformed. */
bool api_if_match(const struct api_req *r, uint64_t *rev);
void api_etag(struct api_req *r, uint64_t rev);
/* Requests of browsers that carry an Origin must name the host they were sent to. */
bool api_origin_ok(const struct sh_http_req *h);
/* Address of the peer as text, without the port; in the arena. */
struct sh_str api_peer(struct api_req *r);
sh_err api_check(struct api_req *r, enum sh_permission p);
void api_audit(struct api_req *r, const char *act, struct sh_str object, const char *result,
               struct sh_str detail);
struct sh_guard_at api_at(struct api_req *r);
/* "person:admin": who writes a record. */
struct sh_str api_author(struct api_req *r);
/* A time as given in JSON or a query: RFC 3339 text or integer milliseconds. */
bool api_time(const json_t *v, int64_t *us);
/* Writes a time as the caller asked (time=ms|us, else RFC 3339). */
enum api_time_form { API_TIME_TEXT, API_TIME_MS, API_TIME_US };
bool api_time_form(struct sh_str s, enum api_time_form *out);
void api_put_time(struct sh_jw *w, int64_t us, enum api_time_form f);
/* The parts for which the caller holds `p`, in the arena: NULL = everywhere. SH_E_DENIED: nowhere.
 */
SH_MUST_CHECK sh_err api_parts(struct api_req *r, enum sh_permission p,
                               const struct sh_twin_parts **out);
/* ---- masking.c: what is above the caller's clearance is listed and its value is not ---- */

/* Does the caller's reading by `p` show what is of this class? device: that it belongs to; empty:
 * none. Fast; a load for what is general at level 1. */
bool api_clear(struct api_req *r, enum sh_permission p, struct sh_data_class c,
               struct sh_str device);
bool api_clear_point(struct api_req *r, enum sh_permission p, uint32_t id);
bool api_clear_device(struct api_req *r, enum sh_permission p, struct sh_str device);
/* What holds for records of a type. Blocks. */
struct sh_data_class api_type_class(struct api_req *r, struct sh_str type);
/* Members data_class, data_level and masked in the place of what is not shown. */
void api_put_masked(struct sh_jw *w, struct sh_data_class c);
/* 0, or 403: who has a credential of the device hears what it sends, so he must be cleared for all
 * of it; device empty: of every one of the tenant. */
int api_credential_allowed(struct api_req *r, struct sh_str device);
/* 403: it would be told by what is found. */
int api_masked_problem(struct api_req *r);
/* Was a change refused because it would lower a class? */
bool api_lowered(sh_err err, const struct sh_diag *d);
/* The request says that the old units were a mistake: ?units=corrected. */
bool api_units_corrected(struct api_req *r);
/* It was refused because a device's kept values would be read in another unit. */
bool api_units_reread(sh_err err, const struct sh_diag *d);
/* ---- export_gate.c: what leaves as a file ---- */

/* 0, or 403: the class needs a permission, or a fresh proof of identity (guard.export_confirm). */
int api_export_allowed(struct api_req *r, struct sh_data_class top);
/* What it allows as things are: for files whose class is not known before. */
sh_clearance api_export_most(struct api_req *r);
/* Name of the file with its class, X-Data-Class, X-Data-Level, X-Data-Masked, X-Watermark. */
void api_export_headers(struct api_req *r, const char *stem, const char *ending,
                        struct sh_data_class top, size_t masked);
/* Is data of this class to carry the reader's name (guard.watermark), and what: name, time, last
 * part of the address; of the arena. */
bool api_watermarked(struct api_req *r, struct sh_data_class top);
struct sh_str api_watermark(struct api_req *r, bool time);
struct api_exported {
    const char *act;
    struct sh_str object;
    const char *format;
    struct sh_data_class top;
    size_t points;
    size_t masked;
    uint64_t rows;
    int64_t from_us; /* both the same: not of a time */
    int64_t to_us;
    bool whole;
    struct sh_str peer; /* of the arena: an answer that is streamed outlives its request */
};
/* Fast, any thread, while the request is there. */
void api_export_audit(struct api_req *r, const struct api_exported *e);
/* A cell as JSON; bytes for text and blob. */
void api_put_cell(struct sh_jw *w, enum sh_type type, union sh_cell v, const uint8_t *bytes);
/* False for a principal that is bound to another device, or whose right is for a part of the plant
 * where this one does not lie: it does not exist for it. */
bool api_sees(struct api_req *r, struct sh_str device);
/* devices.c: after a device was deleted, quota and credentials follow. */
void api_device_gone(struct api_req *r, struct sh_str id);
/* The same but for its files, which the twin must not be asked about in a callback of its own. */
void api_device_left(struct api_req *r, struct sh_str id);
/* Which devices the query of a list means: q, state, thing, asset, label, archived, data_class, of
 * those that the caller sees. */
struct sh_twin_query api_device_filter(struct api_req *r);
/* map.c: keeps what the options say of tiles. */
void api_map_init(struct sh_api *a);
/* plans.c: its asset was deleted. */
void api_plan_gone(struct api_req *r, struct sh_str asset);
/* files.c: its owner was deleted. */
void api_files_gone(struct api_req *r, enum sh_twin_of of, struct sh_str id);
/* devices_xlsx.c: the list of devices, as its CSV export has it, as a workbook. */
SH_MUST_CHECK sh_err api_devices_book(struct api_req *r, struct sh_str csv, struct sh_buf *out);
enum sh_twin_encoding api_encoding(struct sh_str s);
/* Point by name in the caller's tenant; 0 and a 404 problem otherwise. */
uint32_t api_point(struct api_req *r, struct sh_str name, int *status);
/* The same without a problem. */
uint32_t api_point_seen(struct api_req *r, struct sh_str name);

/* Requests of one address to what is open to everybody: 0, or the status of the answer. */
int api_throttled(struct api_req *r, const char *space, uint32_t per_second, uint32_t burst);

/* ---- a device comes with a provisioning key (provision.c) ---- */

/* The key is good for it, and the device is there, made if need be. Blocks. */
sh_err api_provision_begin(struct api_req *r, struct sh_str key, struct sh_str device,
                           struct sh_guard_provision *p, struct sh_diag *d);
/* The answer to an error of it. */
int api_provision_refused(struct api_req *r, sh_err err, struct sh_str device,
                          const struct sh_diag *d);

/* ---- signing in (session.c) ---- */

/* Views into the body and the headers. */
struct sh_sign_in_ask api_sign_in_ask(struct api_req *r);
/* The member "assertion" of the body (authkeys.c); NULL: there is none. */
const struct sh_guard_assertion *api_assertion(struct api_req *r);
/* The session into the cookie; and as the answer to a sign-in. */
SH_MUST_CHECK sh_err api_session_cookie(struct api_req *r, const struct sh_sign_in *s);
int api_signed_in(struct api_req *r, const struct sh_sign_in *s);
int api_sign_in_refused(struct api_req *r, sh_err err, const struct sh_sign_in *s);
/* Answers to what a security key has to sign (authkeys.c). */
int api_key_asked(struct api_req *r, sh_err err, const struct sh_sign_in *s);

/* ---- dashboards (dashboard_load.c) ---- */

/* Reads the dashboard that the query names on a worker, then comes back to api_stream on the loop.
 * 0, or the status of a problem. */
int api_dashboard_load(struct api_req *r);
/* What a dashboard that the caller may see shows him. 0, or the status of a problem. Blocks. */
int api_dashboard_shown(struct api_req *r, struct sh_str id, const struct api_shown **out);
/* Changes are counted; was this one changed or removed since? Any thread. */
/* Before the handler of a panel's request: r->shown. 0, or the status of a problem. Blocks. */
int api_panel_load(struct api_req *r);
bool api_shows_point(const struct api_shown *s, uint32_t id);
bool api_shows_device(const struct api_shown *s, struct sh_str id);
uint64_t api_dashboards_turn(struct sh_api *a);
void api_dashboard_changed(struct sh_api *a, uint32_t tenant, struct sh_str id);
bool api_dashboard_newer(struct sh_api *a, uint32_t tenant, struct sh_str id, uint64_t since);

/* ---- edits of samples (edits.c) ---- */

struct api_edit {
    struct sh_history_edit edit;
    const uint32_t *points; /* that it touches */
    size_t npoints;
    int64_t from_us; /* correction: of its first and last sample */
    int64_t to_us;
    struct sh_str reason;
};
/* Does it, keeps who, when and why, and lets the latest values follow. Blocks. */
sh_err api_edit(struct api_req *r, const struct api_edit *e, uint64_t *id);
/* The member "reason" of the body: 0, or the status of the problem. */
int api_need_reason(struct api_req *r, struct sh_str *reason);

/* ---- thing models (things.c, thing_versions.c) ---- */

/* Does the caller hold the right to read every device of the tenant? */
bool api_sees_all_devices(struct api_req *r);
/* PUT, POST and restoring: tenant, If-Match, author and the query's words are filled in. */
int api_thing_change(struct api_req *r, struct sh_twin_thing_change *c, const char *act, int ok);
/* Refuses to delete a model, and names who uses it. */
int api_thing_in_use(struct api_req *r, struct sh_str id);
/* Members "mappings" and "mappings_total": what of channels and topic mappings names a property
 * that the change takes away. */
SH_MUST_CHECK sh_err api_thing_orphans(struct api_req *r, struct sh_str id, const json_t *report,
                                       struct sh_jw *w);

/* ---- Idempotency-Key (idempotency.c) ---- */

/* The key of a header field, bare or as a quoted string. False: malformed. */
bool api_idem_key(struct sh_str field, char out[API_IDEM_KEY_MAX], size_t *n);
/* 0: go on and do it; else the status of the answer, which is written. Blocks. */
int api_idem_begin(struct api_req *r);
/* Keeps the answer that is about to be sent. Blocks when the request has a key. */
void api_idem_end(struct api_req *r, int status);

/* ---- calls to others (outside.c); on the first loop ---- */

SH_MUST_CHECK sh_err api_outbound_new(struct sh_api *a);
/* directory.c: the password of ask, here or in a directory; answers as sessions do, 0: later. */
int api_directory_sign_in(struct api_req *r);
int api_directory_confirm(struct api_req *r);
int api_directory_key(struct api_req *r);
enum { API_NOT_A_DIRECTORY = -1, API_NOT_A_SESSION = -2, API_NOT_A_CERTIFICATE = -3 };
int api_directory_try(struct api_req *r);
int api_cert_try(struct api_req *r); /* cert_door.c */
/* The secret that binds a sign-in by a provider to this browser, of the cookie and into it (empty:
 * away); and where browsers reach us: as configured, else as this one did. */
struct sh_str api_outside_browser(const struct api_req *r);
void api_outside_cookie(struct api_req *r, struct sh_str secret);
struct sh_str api_site(struct api_req *r);
/* Signing out at the provider by which the session of r came; NULL: it is not to be. Then, when
 * that session has ended: 200 with "sign_out", the address the browser goes to; 204 where that
 * fails; or 0, later. Takes x. */
struct sh_outside *api_sign_out_there(struct api_req *r);
int api_sign_out_run(struct api_req *r, struct sh_outside *x);
void api_outbound_stop(struct sh_api *a); /* what is under way ends now */
void api_outbound_free(struct sh_api *a);

/* ---- parts ---- */

sh_err api_streams_new(struct sh_api *a, struct sh_loop *loop);
/* On the first loop; the others are told. */
void api_streams_stop(struct sh_api *a);
void api_streams_free(struct sh_api *a);
/* Serves the console's file of this path (or index.html); NULL-safe on the loop. */
int api_static(struct api_req *r);
/* As the caller may see it, for the stream: without the newest changes. */
SH_MUST_CHECK sh_err api_write_overview(struct api_req *r, struct sh_jw *w);
sh_err api_openapi_write(const char *version, struct sh_buf *out);
int api_ws_mqtt(struct api_req *r);

/* ---- handlers, by file ---- */
api_handler api_session_post, api_session_link, api_session_get, api_session_delete,
    api_session_password;
api_handler api_sessions_list, api_sessions_end, api_session_end, api_session_confirm,
    api_key_begin, api_key_add, api_key_remove, api_key_ask, api_key_ask_own, api_totp_begin,
    api_totp_enable, api_totp_remove, api_recovery_new, api_person_sessions,
    api_person_sessions_end, api_person_session_end, api_person_factor_remove,
    api_administrators_get, api_administrators_post, api_rights_own, api_rights_person;
api_handler api_cert_ask, api_cert_answer, api_cert_bind;
api_handler api_doors, api_door_start, api_door_return, api_door_left, api_door_code, api_door_key,
    api_providers_list, api_providers_post, api_providers_get, api_providers_put,
    api_providers_delete, api_providers_try, api_identities_list, api_identities_post,
    api_identities_delete;
api_handler api_people_list, api_people_post, api_people_get, api_people_put, api_people_delete;
api_handler api_tokens_list, api_tokens_post, api_tokens_delete;
api_handler api_roles_list, api_roles_put, api_roles_delete;
api_handler api_tenants_list, api_tenants_post, api_tenants_get, api_tenants_put;
api_handler api_audit_list, api_audit_checkpoint, api_audit_export;
api_handler api_backups_list, api_backups_post, api_backups_delete, api_backups_copy,
    api_backups_fetch, api_backups_look, api_backups_restore, api_backups_apply;
api_handler api_write, api_ingest, api_prom_write;
api_handler api_prom_query, api_prom_range, api_prom_labels, api_prom_values, api_prom_series,
    api_prom_metadata, api_prom_build;
api_handler api_history_query, api_history_export, api_history_delete, api_history_correct,
    api_history_quality, api_history_calculate, api_history_calculate_export, api_expressions,
    api_expression_check, api_notes_list, api_notes_export, api_notes_post, api_notes_put,
    api_notes_delete;
api_handler api_sql;
api_handler api_latest, api_latest_post, api_points_list, api_points_patch, api_stream;
api_handler api_types_list, api_types_post, api_types_get, api_types_put, api_types_delete;
api_handler api_records_list, api_records_post, api_records_get, api_records_put,
    api_records_delete, api_records_revisions, api_changes, api_blob_post, api_blob_get;
api_handler api_overview, api_healthz, api_readyz, api_metrics, api_openapi, api_security, api_sbom;
api_handler api_config, api_config_check, api_config_patch, api_config_history, api_config_rollback,
    api_logs, api_health, api_slow;
api_handler api_things_list, api_things_post, api_things_get, api_things_put, api_things_delete,
    api_things_import, api_things_export, api_thing_versions, api_thing_version, api_thing_compare,
    api_thing_restore, api_thing_uses;
api_handler api_devices_list, api_devices_post, api_devices_get, api_devices_put, api_devices_patch,
    api_devices_delete, api_device_latest, api_device_events, api_device_changes, api_device_rename,
    api_device_replace, api_device_secret, api_device_connection, api_devices_import,
    api_devices_export, api_devices_export_picked, api_devices_bulk, api_devices_bulk_delete,
    api_device_command, api_command_get, api_commands_list, api_device_write_enable,
    api_device_write_disable;
api_handler api_plans_list, api_plan_get, api_plan_put, api_plan_delete, api_devices_map,
    api_map_settings;
api_handler api_files_list, api_files_post, api_files_patch, api_files_delete, api_files_content,
    api_files_restore;
api_handler api_templates_list, api_templates_post, api_templates_get, api_templates_put,
    api_templates_delete;
api_handler api_views_list, api_views_post, api_views_put, api_views_delete;
api_handler api_dashboards_list, api_dashboards_post, api_dashboards_get, api_dashboards_put,
    api_dashboards_delete, api_dashboards_data;
api_handler api_assets_list, api_assets_post, api_assets_put, api_assets_delete;
api_handler api_channels_list, api_channels_post, api_channels_get, api_channels_put,
    api_channels_delete, api_drivers_list, api_mappings_get, api_mappings_put;
api_handler api_data_classes, api_data_classify;
api_handler api_keys_get, api_keys_rotate, api_keys_sheet, api_keys_sheet_remove;
api_handler api_relations_get, api_relations_post, api_relations_delete, api_attributes_get,
    api_attributes_patch;
api_handler api_device_access_get, api_device_access_put, api_device_quarantine, api_device_release,
    api_device_clone_dismiss;
api_handler api_certificates_get, api_certificates_post, api_certificates_delete, api_names_post,
    api_names_delete, api_device_ca, api_pki_ca, api_pki_cer, api_pki_crl, api_pki_ocsp,
    api_pki_ocsp_get, api_est_cacerts, api_est_csrattrs, api_est_enroll, api_est_reenroll,
    api_provisions_list, api_provisions_post, api_provisions_delete, api_provision, api_edits_list,
    api_edit_withdraw;

#endif /* SH_API_INT_H */
