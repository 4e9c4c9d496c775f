/* session.h - what a signed-in client asks, on the thread that has the session at the moment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PG_SESSION_H
#define SH_PG_SESSION_H

#include <sh/pg.h>

#include "codec.h"

enum { PG_STATEMENTS = 256, PG_PORTALS = 8, PG_NAME_MAX = 64, PG_TYPES_MAX = 100 };

struct pg_statement {
    bool used;
    char name[PG_NAME_MAX];
    struct sh_str text; /* own */
    uint16_t ntypes;
    uint32_t types[PG_TYPES_MAX]; /* as the client gave them; 0 = not said */
};

struct pg_portal {
    bool used;
    char name[PG_NAME_MAX];
    struct sh_sql_query *q; /* NULL: a command, an empty text, or all was fetched */
    struct sh_str text;     /* own: what a command said */
    bool described;         /* the first row was stepped to; `ahead` is its answer */
    bool have;              /* a row waits to be sent */
    bool done;
    bool binary_all;
    uint16_t nformats;
    uint8_t formats[SH_SQL_COLUMNS_MAX];
    uint32_t oids[SH_SQL_COLUMNS_MAX];
    uint64_t sent;
    int64_t took_us; /* of work, so far */
};

struct pg_session {
    const struct sh_env *env;
    struct sh_sql *sql;
    struct sh_sql_caller caller; /* its texts live as long as the session */
    struct sh_buf buf;           /* what goes out */
    struct pg_out out;
    /* Takes buf away when it grew; SH_E_CLOSED: the client has gone. */
    sh_err (*flush)(void *ctx);
    void *ctx;
    void (*ran)(void *ctx, const struct sh_pg_ran *r); /* a statement ended; may be NULL */
    void *ran_ctx;
    int64_t flushed_us; /* that flush took in all: the client's time */
    bool in_transaction;
    bool skip; /* an error in the extended protocol: until Sync */
    struct pg_statement *statements;
    struct pg_portal *portals;
    struct sh_mutex lock; /* of `running` and `ended` */
    struct sh_sql_query *running;
    bool ended; /* the client has gone: nothing more is begun */
    uint64_t errors;
};

SH_MUST_CHECK sh_err pg_session_init(struct pg_session *s, const struct sh_env *env,
                                     struct sh_sql *sql);
void pg_session_fini(struct pg_session *s);
/* One typed message. SH_E_CLOSED: the client said good-bye or has gone; SH_E_PROTO: bytes that are
 * no message (a FATAL error is in `buf`). */
SH_MUST_CHECK sh_err pg_session_take(struct pg_session *s, const struct pg_msg *m);
/* Any thread: what runs ends with 57014; for_good: so does all that comes. */
void pg_session_cancel(struct pg_session *s, bool for_good);

/* ---- inside ---- */

void pg_say(struct pg_session *s, const struct sh_sql_fault *f, struct sh_str text);
void pg_say_c(struct pg_session *s, const char *state, const char *message, const char *hint);
/* command.c: BEGIN, SET, SHOW, DEALLOCATE ... False: it is none of them. */
bool pg_command(struct pg_session *s, struct sh_str text, bool describe_only);
/* Length of the first statement of the text, with its semicolon. */
size_t pg_first_statement(struct sh_str text);
bool pg_is_command(struct sh_str text);
struct pg_statement *pg_statement_find(struct pg_session *s, struct sh_str name);
void pg_statement_drop(struct pg_session *s, struct pg_statement *st);
void pg_portals_close(struct pg_session *s);

#endif /* SH_PG_SESSION_H */
