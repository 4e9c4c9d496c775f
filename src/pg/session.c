/* session.c - simple and extended queries.
 *
 * A prepared statement is its text and the types that the client gave; a portal is a query that is
 * open. Describe and the first Execute step to the first row, because the types of computed columns
 * come with it. A query that is fetched to its end is closed at once; Sync outside a transaction
 * closes the others. After an error in the extended protocol everything is skipped until Sync.
 * SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdio.h>

#include "types.h"

enum { FLUSH_AT = 64 << 10, OUT_MAX = 64 << 20, TEXTS_MAX = 1 << 20 };

sh_err pg_session_init(struct pg_session *s, const struct sh_env *env, struct sh_sql *sql)
{
    s->env = env;
    s->sql = sql;
    s->statements = sh_mem_array(env->alloc, PG_STATEMENTS, sizeof *s->statements);
    s->portals = sh_mem_array(env->alloc, PG_PORTALS, sizeof *s->portals);
    sh_buf_init(&s->buf, env->alloc, OUT_MAX);
    s->out = (struct pg_out){.b = &s->buf};
    sh_mutex_init(&s->lock);
    return s->statements == NULL || s->portals == NULL ? SH_E_NOMEM : SH_OK;
}

/* ---- statements and portals ---- */

struct pg_statement *pg_statement_find(struct pg_session *s, struct sh_str name)
{
    for (size_t i = 0; i < PG_STATEMENTS; i++) {
        if (s->statements[i].used && sh_str_eqc(name, s->statements[i].name)) {
            return &s->statements[i];
        }
    }
    return NULL;
}

void pg_statement_drop(struct pg_session *s, struct pg_statement *st)
{
    sh_str_free(s->env->alloc, &st->text);
    st->used = false;
}

static struct pg_portal *portal_find(struct pg_session *s, struct sh_str name)
{
    for (size_t i = 0; i < PG_PORTALS; i++) {
        if (s->portals[i].used && sh_str_eqc(name, s->portals[i].name)) {
            return &s->portals[i];
        }
    }
    return NULL;
}

/* From here on a cancel request finds nothing. */
static void run_end(struct pg_session *s)
{
    sh_mutex_lock(&s->lock);
    s->running = NULL;
    sh_mutex_unlock(&s->lock);
}

/* The clock of work: it stands while the client takes what was sent. */
static int64_t work_us(const struct pg_session *s)
{
    return sh_mono_us(s->env->clock) - s->flushed_us;
}

static void query_end(struct pg_session *s, struct pg_portal *p)
{
    run_end(s);
    if (p->q != NULL && s->ran != NULL) {
        const struct sh_pg_ran r = {.by = s->caller.who,
                                    .tenant = s->caller.tenant,
                                    .text = p->text,
                                    .took_us = p->took_us,
                                    .rows = p->sent};
        s->ran(s->ran_ctx, &r);
    }
    sh_sql_end(p->q);
    p->q = NULL;
    p->have = false;
    p->done = true;
}

static void portal_close(struct pg_session *s, struct pg_portal *p)
{
    query_end(s, p);
    sh_str_free(s->env->alloc, &p->text);
    p->used = false;
}

void pg_portals_close(struct pg_session *s)
{
    for (size_t i = 0; i < PG_PORTALS; i++) {
        if (s->portals[i].used) {
            portal_close(s, &s->portals[i]);
        }
    }
}

void pg_session_fini(struct pg_session *s)
{
    if (s->portals != NULL && s->statements != NULL) {
        pg_portals_close(s);
        for (size_t i = 0; i < PG_STATEMENTS; i++) {
            pg_statement_drop(s, &s->statements[i]);
        }
    }
    sh_mem_free(s->env->alloc, s->portals);
    sh_mem_free(s->env->alloc, s->statements);
    sh_buf_fini(&s->buf);
    sh_mutex_fini(&s->lock);
}

void pg_session_cancel(struct pg_session *s, bool for_good)
{
    sh_mutex_lock(&s->lock);
    s->ended = s->ended || for_good;
    if (s->running != NULL) {
        sh_sql_cancel(s->running);
    }
    sh_mutex_unlock(&s->lock);
}

static void run_begin(struct pg_session *s, struct sh_sql_query *q)
{
    sh_mutex_lock(&s->lock);
    s->running = q;
    if (s->ended && q != NULL) {
        sh_sql_cancel(q);
    }
    sh_mutex_unlock(&s->lock);
}

/* ---- errors ---- */

void pg_say_c(struct pg_session *s, const char *state, const char *message, const char *hint)
{
    const struct pg_fault f = {
        .severity = "ERROR", .state = state, .message = message, .hint = hint};
    s->errors++;
    pg_error(&s->out, &f);
}

/* Both languages: a client shows them as they come. The position counts characters. */
void pg_say(struct pg_session *s, const struct sh_sql_fault *f, struct sh_str text)
{
    char message[700];
    char hint[520];
    uint32_t position = f->at;
    for (size_t i = 0; i < text.n && i + 1 < f->at; i++) {
        position -= ((uint8_t)text.p[i] & 0xc0) == 0x80 ? 1 : 0;
    }
    (void)snprintf(message, sizeof message, "%s / %s", f->en, f->zh);
    (void)snprintf(hint, sizeof hint, "%s / %s", f->remedy_en, f->remedy_zh);
    const struct pg_fault out = {
        .severity = "ERROR",
        .state = f->state,
        .message = message,
        .hint = f->remedy_en[0] == '\0' ? NULL : hint,
        .position = position,
    };
    s->errors++;
    pg_error(&s->out, &out);
}

/* ---- rows ---- */

static sh_err flush(struct pg_session *s)
{
    if (s->out.err != SH_OK) {
        return SH_E_CLOSED; /* no memory for an answer: the client must see the end */
    }
    if (s->buf.n < FLUSH_AT) {
        return SH_OK;
    }
    const int64_t begin = sh_mono_us(s->env->clock);
    const sh_err err = s->flush(s->ctx);
    s->flushed_us += sh_mono_us(s->env->clock) - begin;
    return err;
}

static void row_description(struct pg_session *s, const struct sh_sql_query *q,
                            const struct pg_portal *p)
{
    struct pg_out *o = &s->out;
    const unsigned n = sh_sql_columns(q);
    pg_begin(o, 'T');
    pg_u16(o, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        const uint32_t oid = p != NULL ? p->oids[i] : pg_oid_of(sh_sql_column_type(q, i));
        pg_text(o, sh_sql_column_name(q, i));
        pg_u32(o, 0);
        pg_u16(o, 0);
        pg_u32(o, oid);
        pg_u16(o, pg_size_of(oid));
        pg_u32(o, UINT32_MAX);
        pg_u16(o, p != NULL ? p->formats[i] : 0);
    }
    pg_end(o);
}

/* Steps to the first row, so that the types of all columns are known. False: an error was said. */
static bool look_ahead(struct pg_session *s, struct pg_portal *p)
{
    struct sh_sql_fault f;
    if (p->q == NULL || p->described) {
        return true;
    }
    const int64_t begin = work_us(s);
    const sh_err err = sh_sql_step(p->q, &f);
    p->took_us += work_us(s) - begin;
    p->described = true;
    p->have = err == SH_OK;
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        pg_say(s, &f, p->text);
        query_end(s, p);
        return false;
    }
    for (unsigned i = 0; i < sh_sql_columns(p->q); i++) {
        p->oids[i] = pg_oid_of(sh_sql_column_type(p->q, i));
    }
    return true;
}

static bool put_row(struct pg_session *s, struct pg_portal *p)
{
    struct pg_out *o = &s->out;
    const unsigned n = sh_sql_columns(p->q);
    const size_t begin = s->buf.n;
    pg_begin(o, 'D');
    pg_u16(o, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        struct sh_sql_cell c;
        sh_sql_cell(p->q, i, &c);
        if (pg_put_cell(o, &c, p->oids[i], p->formats[i] != 0) != SH_OK) {
            char message[200];
            const struct sh_str name = sh_sql_column_name(p->q, i);
            s->buf.n = begin;
            (void)snprintf(message, sizeof message,
                           "column %.*s holds values of several types / 列 %.*s 含多种类型的值",
                           (int)(name.n > 60 ? 60 : name.n), name.p,
                           (int)(name.n > 60 ? 60 : name.n), name.p);
            pg_say_c(s, "42804", message,
                     "CAST it, for example CAST(x AS REAL) or x::text. / 请用 CAST 转换类型。");
            return false;
        }
    }
    pg_end(o);
    p->sent++;
    return true;
}

/* Up to `most` rows (0 = all). SH_E_CLOSED: the client has gone. */
static sh_err put_rows(struct pg_session *s, struct pg_portal *p, uint32_t most, bool *failed,
                       struct sh_sql_fault *f)
{
    uint32_t n = 0;
    sh_err err = p->have ? SH_OK : SH_E_NOTFOUND;
    while (err == SH_OK && (most == 0 || n < most)) {
        if (!put_row(s, p)) {
            *failed = true;
            return SH_OK;
        }
        n++;
        SH_TRY(flush(s));
        err = sh_sql_step(p->q, f);
        p->have = err == SH_OK;
    }
    return err;
}

/* Sends up to `most` rows and what ends them. SH_E_CLOSED: the client has gone. */
static sh_err rows(struct pg_session *s, struct pg_portal *p, uint32_t most, bool *failed)
{
    struct sh_sql_fault f = {.err = SH_OK};
    const int64_t begin = work_us(s);
    const sh_err err = put_rows(s, p, most, failed, &f);
    p->took_us += work_us(s) - begin;
    if (err == SH_E_CLOSED && f.err != SH_E_CLOSED) {
        return err;
    }
    if (*failed) {
        query_end(s, p);
        return SH_OK;
    }
    if (err == SH_OK) {
        pg_plain(&s->out, 's'); /* PortalSuspended */
        return SH_OK;
    }
    if (err == SH_E_NOTFOUND) {
        char tag[40];
        (void)snprintf(tag, sizeof tag, "SELECT %llu", (unsigned long long)p->sent);
        pg_tag(&s->out, tag);
    } else {
        pg_say(s, &f, p->text);
        *failed = true;
    }
    query_end(s, p);
    return SH_OK;
}

/* ---- the simple protocol ---- */

/* One statement. *used: its length. *failed: an error was said. */
static sh_err simple_one(struct pg_session *s, struct sh_str text, size_t *used, bool *failed)
{
    struct sh_sql_fault f;
    struct pg_portal p = {.used = true, .text = text};
    if (pg_is_command(text)) {
        const uint64_t errors = s->errors;
        *used = pg_first_statement(text);
        const struct sh_str one = sh_str_sub(text, 0, *used);
        if (sh_str_ieq(sh_str_sub(sh_str_trim(one), 0, 4), SH_STR("show"))) {
            (void)pg_command(s, one, true);
        }
        if (s->errors == errors) {
            (void)pg_command(s, one, false);
        }
        *failed = s->errors != errors;
        return SH_OK;
    }
    const int64_t begin = work_us(s);
    if (sh_sql_prepare(s->sql, &s->caller, text, &p.q, used, &f) != SH_OK) {
        pg_say(s, &f, text);
        *failed = true;
        return SH_OK;
    }
    p.text = sh_str_sub(text, 0, *used);
    p.took_us = work_us(s) - begin;
    if (p.q == NULL) {
        return SH_OK;
    }
    sh_err err = SH_OK;
    run_begin(s, p.q);
    *failed = !look_ahead(s, &p);
    if (!*failed) {
        row_description(s, p.q, &p);
        err = rows(s, &p, 0, failed);
    }
    run_end(s);
    query_end(s, &p);
    return err;
}

static void ready(struct pg_session *s)
{
    pg_ready(&s->out, s->in_transaction ? 'T' : 'I');
}

static sh_err simple(struct pg_session *s, struct sh_rd *r)
{
    struct sh_str text;
    SH_TRY(pg_rd_text(r, &text));
    bool failed = false;
    bool any = false;
    while (!failed && sh_str_trim(text).n > 0) {
        size_t used = text.n;
        const size_t before = s->buf.n;
        SH_TRY(simple_one(s, text, &used, &failed));
        any = any || s->buf.n != before;
        text = sh_str_sub(text, used, text.n);
    }
    if (!any) {
        pg_plain(&s->out, 'I'); /* EmptyQueryResponse */
    }
    ready(s);
    return SH_OK;
}

/* ---- the extended protocol ---- */

static bool fail_c(struct pg_session *s, const char *state, const char *message, const char *hint)
{
    pg_say_c(s, state, message, hint);
    s->skip = true;
    return false;
}

static size_t texts(const struct pg_session *s)
{
    size_t n = 0;
    for (size_t i = 0; i < PG_STATEMENTS; i++) {
        n += s->statements[i].used ? s->statements[i].text.n : 0;
    }
    return n;
}

static struct pg_statement *statement_new(struct pg_session *s, struct sh_str name,
                                          struct sh_str text)
{
    struct pg_statement *st = pg_statement_find(s, name);
    if (st != NULL && name.n > 0) {
        (void)fail_c(s, "42P05", "a prepared statement of this name exists", "DEALLOCATE it.");
        return NULL;
    }
    if (st != NULL) {
        pg_statement_drop(s, st);
    }
    for (size_t i = 0; i < PG_STATEMENTS && st == NULL; i++) {
        st = s->statements[i].used ? NULL : &s->statements[i];
    }
    if (st == NULL || name.n >= PG_NAME_MAX || texts(s) + text.n > TEXTS_MAX) {
        (void)fail_c(s, "54000", "too many or too long prepared statements",
                     "At most 256 of 1 MiB in all: DEALLOCATE what is not needed.");
        return NULL;
    }
    st->text = sh_str_dup(s->env->alloc, text);
    if (st->text.p == NULL) {
        (void)fail_c(s, "53200", "no memory", NULL);
        return NULL;
    }
    memset(st->name, 0, sizeof st->name);
    memcpy(st->name, name.p, name.n);
    st->used = true;
    return st;
}

static sh_err parse(struct pg_session *s, struct sh_rd *r)
{
    struct sh_str name;
    struct sh_str text;
    uint16_t n = 0;
    uint32_t types[PG_TYPES_MAX];
    SH_TRY(pg_rd_text(r, &name));
    SH_TRY(pg_rd_text(r, &text));
    SH_TRY(sh_rd_be16(r, &n));
    for (uint16_t i = 0; i < n; i++) {
        uint32_t oid = 0;
        SH_TRY(sh_rd_be32(r, &oid));
        if (i < PG_TYPES_MAX) {
            types[i] = oid;
        }
    }
    if (n > PG_TYPES_MAX) {
        (void)fail_c(s, "54000", "at most 100 parameters here", NULL);
        return SH_OK;
    }
    struct pg_statement *st = statement_new(s, name, text);
    if (st != NULL) {
        st->ntypes = n;
        memcpy(st->types, types, n * sizeof types[0]);
        pg_plain(&s->out, '1');
    }
    return SH_OK;
}

/* Prepares the text, which must be one statement. False: an error was said. */
static bool prepare(struct pg_session *s, struct sh_str text, struct sh_sql_query **q)
{
    struct sh_sql_fault f;
    size_t used = 0;
    if (sh_sql_prepare(s->sql, &s->caller, text, q, &used, &f) != SH_OK) {
        pg_say(s, &f, text);
        s->skip = true;
        return false;
    }
    if (sh_str_trim(sh_str_sub(text, used, text.n)).n > 0) {
        sh_sql_end(*q);
        *q = NULL;
        return fail_c(s, "42601", "one statement in a prepared statement", NULL);
    }
    return true;
}

struct bind {
    struct pg_statement *st;
    struct pg_portal *p;
    uint16_t nformats; /* of parameters */
    uint16_t formats[PG_TYPES_MAX];
};

static sh_err bind_values(struct pg_session *s, struct sh_rd *r, struct bind *b, bool *good)
{
    uint16_t n = 0;
    SH_TRY(sh_rd_be16(r, &n));
    const unsigned want = b->p->q == NULL ? 0 : sh_sql_parameters(b->p->q);
    *good =
        n == want || fail_c(s, "08P01", "the number of parameters is not the statement's", NULL);
    for (uint16_t i = 0; i < n; i++) {
        uint32_t len = 0;
        struct sh_bytes v = {NULL, 0};
        SH_TRY(sh_rd_be32(r, &len));
        if (len == UINT32_MAX) {
            continue; /* NULL */
        }
        SH_TRY(sh_rd_bytes(r, len, &v));
        const uint32_t oid = i < b->st->ntypes ? b->st->types[i] : 0;
        const uint16_t format = b->nformats == 0 ? 0 : b->formats[b->nformats == 1 ? 0 : i];
        if (!*good) {
            continue;
        }
        const sh_err err = pg_bind(b->p->q, i + 1u, oid, format == 1, v);
        *good = err == SH_OK ||
                fail_c(s, err == SH_E_UNSUPPORTED ? "0A000" : "22P02",
                       "a parameter is no value of its type, or of a type that is not known",
                       "Send it as text, a number or a timestamp.");
    }
    return SH_OK;
}

static sh_err bind_results(struct pg_session *s, struct sh_rd *r, struct pg_portal *p)
{
    uint16_t n = 0;
    SH_UNUSED(s);
    SH_TRY(sh_rd_be16(r, &n));
    for (uint16_t i = 0; i < n; i++) {
        uint16_t format = 0;
        SH_TRY(sh_rd_be16(r, &format));
        if (i < SH_SQL_COLUMNS_MAX) {
            p->formats[i] = format == 1;
        }
    }
    for (size_t i = 1; n == 1 && i < SH_SQL_COLUMNS_MAX; i++) {
        p->formats[i] = p->formats[0];
    }
    return SH_OK;
}

static struct pg_portal *portal_new(struct pg_session *s, struct sh_str name)
{
    struct pg_portal *p = portal_find(s, name);
    if (p != NULL && name.n > 0) {
        (void)fail_c(s, "42P03", "a portal of this name exists", "Close it.");
        return NULL;
    }
    if (p != NULL) {
        portal_close(s, p);
    }
    for (size_t i = 0; i < PG_PORTALS && p == NULL; i++) {
        p = s->portals[i].used ? NULL : &s->portals[i];
    }
    if (p == NULL || name.n >= PG_NAME_MAX) {
        (void)fail_c(s, "54000", "too many portals are open", "At most 8: close one.");
        return NULL;
    }
    memset(p, 0, sizeof *p);
    memcpy(p->name, name.p, name.n);
    p->used = true;
    return p;
}

/* The rest of a Bind, with a statement and a portal. */
static sh_err bind_into(struct pg_session *s, struct sh_rd *r, struct bind *b)
{
    bool good = true;
    SH_TRY(sh_rd_be16(r, &b->nformats));
    for (uint16_t i = 0; i < b->nformats; i++) {
        uint16_t format = 0;
        SH_TRY(sh_rd_be16(r, &format));
        if (i < PG_TYPES_MAX) {
            b->formats[i] = format;
        }
    }
    b->p->text = sh_str_dup(s->env->alloc, b->st->text);
    if (b->p->text.p == NULL || b->nformats > PG_TYPES_MAX) {
        good = fail_c(s, "54000", "at most 100 parameters here", NULL);
    } else if (!pg_is_command(b->st->text)) {
        const int64_t begin = work_us(s);
        good = prepare(s, b->st->text, &b->p->q);
        b->p->took_us = work_us(s) - begin;
    }
    if (good) {
        SH_TRY(bind_values(s, r, b, &good));
    }
    if (good) {
        SH_TRY(bind_results(s, r, b->p));
        pg_plain(&s->out, '2');
    } else {
        portal_close(s, b->p);
    }
    return SH_OK;
}

static sh_err bind(struct pg_session *s, struct sh_rd *r)
{
    struct sh_str portal;
    struct sh_str name;
    struct bind b = {.nformats = 0};
    SH_TRY(pg_rd_text(r, &portal));
    SH_TRY(pg_rd_text(r, &name));
    b.st = pg_statement_find(s, name);
    if (b.st == NULL) {
        (void)fail_c(s, "26000", "there is no prepared statement of this name", NULL);
        return SH_OK;
    }
    b.p = portal_new(s, portal);
    return b.p == NULL ? SH_OK : bind_into(s, r, &b);
}

static void parameter_description(struct pg_session *s, const struct pg_statement *st, unsigned n)
{
    pg_begin(&s->out, 't');
    pg_u16(&s->out, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        const uint32_t oid = i < st->ntypes ? st->types[i] : 0;
        pg_u32(&s->out, oid == 0 ? PG_TEXT : oid);
    }
    pg_end(&s->out);
}

/* A statement that has no values yet: computed columns are known only when it has no parameters. */
static void describe_statement(struct pg_session *s, struct pg_statement *st)
{
    if (pg_is_command(st->text)) {
        parameter_description(s, st, 0);
        (void)pg_command(s, st->text, true);
        return;
    }
    struct pg_portal p = {.used = true, .text = st->text};
    if (!prepare(s, st->text, &p.q)) {
        return;
    }
    const unsigned n = p.q == NULL ? 0 : sh_sql_parameters(p.q);
    run_begin(s, p.q);
    if (n > 0 || look_ahead(s, &p)) {
        parameter_description(s, st, n);
        if (p.q == NULL) {
            pg_plain(&s->out, 'n');
        } else {
            row_description(s, p.q, NULL);
        }
    } else {
        s->skip = true;
    }
    run_end(s);
    query_end(s, &p);
}

static void describe_portal(struct pg_session *s, struct pg_portal *p)
{
    if (p->q == NULL && pg_is_command(p->text)) {
        (void)pg_command(s, p->text, true);
        return;
    }
    run_begin(s, p->q);
    const bool good = look_ahead(s, p);
    run_end(s);
    if (!good) {
        s->skip = true;
    } else if (p->q == NULL) {
        pg_plain(&s->out, 'n');
    } else {
        row_description(s, p->q, p);
    }
}

static sh_err describe(struct pg_session *s, struct sh_rd *r, bool closing)
{
    uint8_t kind = 0;
    struct sh_str name;
    SH_TRY(sh_rd_u8(r, &kind));
    SH_TRY(pg_rd_text(r, &name));
    struct pg_statement *st = kind == 'S' ? pg_statement_find(s, name) : NULL;
    struct pg_portal *p = kind == 'P' ? portal_find(s, name) : NULL;
    if (closing) {
        if (st != NULL) {
            pg_statement_drop(s, st);
        }
        if (p != NULL) {
            portal_close(s, p);
        }
        pg_plain(&s->out, '3');
    } else if (st != NULL) {
        describe_statement(s, st);
    } else if (p != NULL) {
        describe_portal(s, p);
    } else {
        (void)fail_c(s, kind == 'S' ? "26000" : "34000",
                     "there is no statement or portal of this name", NULL);
    }
    return SH_OK;
}

static sh_err execute(struct pg_session *s, struct sh_rd *r)
{
    struct sh_str name;
    uint32_t most = 0;
    bool failed = false;
    SH_TRY(pg_rd_text(r, &name));
    SH_TRY(sh_rd_be32(r, &most));
    struct pg_portal *p = portal_find(s, name);
    if (p == NULL) {
        (void)fail_c(s, "34000", "there is no portal of this name", NULL);
        return SH_OK;
    }
    if (p->q == NULL && !p->done) {
        const uint64_t errors = s->errors;
        const struct sh_str text = p->text;
        if (sh_str_trim(text).n == 0 || !pg_is_command(text)) {
            pg_plain(&s->out, 'I');
        } else {
            struct sh_str own = sh_str_dup(s->env->alloc, text); /* COMMIT closes portals */
            (void)pg_command(s, own, false);
            sh_str_free(s->env->alloc, &own);
        }
        s->skip = s->errors != errors;
        return SH_OK;
    }
    if (p->q == NULL) {
        pg_tag(&s->out, "SELECT 0"); /* all was fetched */
        return SH_OK;
    }
    sh_sql_again(p->q);
    run_begin(s, p->q);
    sh_err err = SH_OK;
    if (look_ahead(s, p)) {
        err = rows(s, p, most > INT32_MAX ? 0 : most, &failed);
    } else {
        failed = true;
    }
    run_end(s);
    s->skip = s->skip || failed;
    return err;
}

static sh_err sync(struct pg_session *s)
{
    s->skip = false;
    if (!s->in_transaction) {
        pg_portals_close(s);
    }
    ready(s);
    return SH_OK;
}

sh_err pg_session_take(struct pg_session *s, const struct pg_msg *m)
{
    struct sh_rd r = sh_rd_of(m->body);
    if (m->type == 'X') {
        return SH_E_CLOSED;
    }
    if (m->type == 'S') {
        return sync(s);
    }
    if (s->skip && m->type != 'Q') {
        return SH_OK;
    }
    s->skip = false;
    switch (m->type) {
    case 'Q':
        return simple(s, &r);
    case 'P':
        return parse(s, &r);
    case 'B':
        return bind(s, &r);
    case 'D':
        return describe(s, &r, false);
    case 'C':
        return describe(s, &r, true);
    case 'E':
        return execute(s, &r);
    case 'H':
        return s->flush(s->ctx);
    case 'd': /* CopyData, CopyDone, CopyFail: there is no COPY */
    case 'c':
    case 'f':
        return SH_OK;
    case 'F':
        (void)fail_c(s, "0A000", "function calls of the protocol are not offered", NULL);
        ready(s);
        s->skip = false;
        return SH_OK;
    default:
        return SH_E_PROTO;
    }
}
