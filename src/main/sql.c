/* sql.c - SQL: the engine, and the PostgreSQL protocol in front of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

sh_err node_sql_open(struct node *n)
{
    const struct sh_sql_options so = {
        .env = &n->env,
        .guard = n->guard,
        .record = n->record,
        .twin = n->twin,
        .points = n->points,
        .latest = n->latest,
        .history = n->history,
        .deadline_us = sh_config_int(n->config, "sql.deadline"),
        .mem_bytes = (uint64_t)sh_config_int(n->config, "sql.memory"),
    };
    return sh_sql_open(&so, &n->sql);
}

static void statement_ran(void *ctx, const struct sh_pg_ran *r)
{
    const struct node *n = ctx;
    const struct sh_api_statement s = {.by = r->by,
                                       .tenant = r->tenant,
                                       .text = r->text,
                                       .took_us = r->took_us,
                                       .rows = (int64_t)r->rows};
    sh_api_statement(n->api, &s);
}

sh_err node_pg_open(struct node *n, struct sh_diag *diag)
{
    struct sh_addr a;
    struct sh_str address;
    char where[SH_ADDR_CHARS];
    address = sh_config_get(n->config, "pg.listen");
    if (address.n == 0) {
        return SH_OK;
    }
    const struct sh_pg_options po = {
        .env = &n->env,
        .loop = n->loop,
        .crypto = n->crypto,
        .guard = n->guard,
        .sql = n->sql,
        .tls = n->tls,
        .ran = statement_ran,
        .ctx = n,
        .max_connections = (uint32_t)sh_config_int(n->config, "pg.max_connections"),
    };
    sh_err err = sh_pg_new(&po, &n->pg);
    err = err == SH_OK ? sh_pg_listen(n->pg, address, diag, &a) : err;
    if (err != SH_OK) {
        return err;
    }
    const size_t len = sh_addr_print(&a, where);
    sh_log(n->env.log, SH_LOG_INFO, "pg", "PostgreSQL protocol on %.*s", (int)len, where);
    return SH_OK;
}

sh_err node_pg_metrics(const struct node *n, struct sh_buf *out)
{
    struct sh_pg_stats s;
    if (n->pg == NULL) {
        return SH_OK;
    }
    sh_pg_stats(n->pg, &s);
    const struct sh_api_metric list[] = {
        {"pg_connections", "gauge", "PostgreSQL connections.", (double)s.connections},
        {"pg_accepted_total", "counter", "PostgreSQL connections accepted.", (double)s.accepted},
        {"pg_refused_total", "counter", "PostgreSQL connections and sign-ins refused.",
         (double)s.refused},
        {"pg_messages_total", "counter", "Messages of PostgreSQL clients.", (double)s.messages},
        {"pg_errors_total", "counter", "Statements answered with an error.", (double)s.errors},
        {"pg_protocol_errors_total", "counter", "Messages against the protocol.",
         (double)s.protocol_errors},
        {"pg_cancels_total", "counter", "CancelRequests taken.", (double)s.cancels},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}
