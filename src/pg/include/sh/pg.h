/* pg.h - the PostgreSQL wire protocol (version 3) in front of SQL, read-only, for psql, ODBC, JDBC
 * and what stands on them.
 *
 * Who: a token by SCRAM-SHA-256 (the user name is its id); a token as the password (any other user
 * name), or a person or device with its own. Those passwords come in clear text, so they are taken
 * over TLS or from loopback only.
 * Threads: all calls on the loop's thread, stats from any. Statements run on threads of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PG_H
#define SH_PG_H

#include <sh/sql.h>
#include <sh/stream.h>
#include <sh/tls.h>

struct sh_pg;

/* A statement ended. Texts are borrowed. */
struct sh_pg_ran {
    struct sh_principal by;
    uint32_t tenant;
    struct sh_str text;
    int64_t took_us; /* of work: without the time that the client took */
    uint64_t rows;   /* sent */
};

struct sh_pg_options {
    const struct sh_env *env;
    struct sh_loop *loop;
    const struct sh_crypto *crypto;
    struct sh_guard *guard;
    struct sh_sql *sql;
    struct sh_tls *tls;                                /* NULL: no TLS, loopback only */
    uint32_t max_connections;                          /* 0 = 50; more are told 53300 and closed */
    unsigned threads;                                  /* 0 = 4 */
    void (*ran)(void *ctx, const struct sh_pg_ran *r); /* on its thread; may be NULL */
    void *ctx;
};
SH_MUST_CHECK sh_err sh_pg_new(const struct sh_pg_options *o, struct sh_pg **out);
/* One address. Errors as sh_listen. */
SH_MUST_CHECK sh_err sh_pg_listen(struct sh_pg *p, struct sh_str address, struct sh_diag *diag,
                                  struct sh_addr *at);
/* Cancels what runs and closes all; on_stopped when none is left. */
void sh_pg_stop(struct sh_pg *p, void (*on_stopped)(void *ctx), void *ctx);
/* After on_stopped. NULL is accepted. */
void sh_pg_free(struct sh_pg *p);

struct sh_pg_stats {
    uint64_t connections; /* now */
    uint64_t accepted;
    uint64_t refused; /* max_connections, passwords, no TLS */
    uint64_t messages;
    uint64_t errors; /* sent to clients */
    uint64_t protocol_errors;
    uint64_t cancels;
};
void sh_pg_stats(struct sh_pg *p, struct sh_pg_stats *out);

#endif /* SH_PG_H */
