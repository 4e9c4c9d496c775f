/* history.c - the table `history`. Points, times, the step and the aggregate of a WHERE are handed
 * to the engine, so that only what is asked for is read:
 *
 *     point = device = property =          which points (a name, an alias or a tag)
 *     time and time_us: = < <= > >=        the range; its parts are intersected
 *     aggregate = step = fill = tz =       hidden columns; a step alone means the mean
 *
 * A plan letter stands for each argument of filter(): best_index writes them, filter() reads them.
 * Points are read one after the other, each in pages that grow from 256 rows to 16,384.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_int.h"

enum {
    C_POINT,
    C_DEVICE,
    C_PROPERTY,
    C_TIME,
    C_TIME_US,
    C_VALUE,
    C_TEXT,
    C_QUALITY,
    C_AGGREGATE, /* hidden from here on */
    C_STEP,
    C_FILL,
    C_TZ
};
enum { FIRST_PAGE = 256, LAST_PAGE = 16384, PREVIEW_MAX = 10000, TEXT_MAX = 64 << 20 };
#define TIME_MAX (INT64_C(1) << 61)

const char sql_history_schema[] =
    "CREATE TABLE history(point TEXT, device TEXT, property TEXT, time TIMETEXT COLLATE TIME, "
    "time_us INTEGER, value NUMERIC, text TEXT, quality INTEGER, aggregate TEXT HIDDEN, "
    "step TEXT HIDDEN, fill TEXT HIDDEN, tz TEXT HIDDEN)";

struct vtab {
    sqlite3_vtab base;
    struct sh_sql_query *q;
};
struct row {
    int64_t time_us;
    union sh_cell value;
    enum sh_type type;
    uint8_t quality;
    bool null;
};
struct cursor {
    sqlite3_vtab_cursor base;
    struct sh_sql_query *q;
    struct sh_arena *arena; /* the words of the question and the ids, for one filter() */
    struct sh_history_query ask;
    struct sh_history_agg agg;
    struct sh_str asked_point, aggregate, step, fill, tz_name; /* p == NULL: not given */
    struct sh_tz *tz;
    uint32_t *ids; /* NULL: every point that shows (a preview) */
    size_t nids, next_id;
    const struct sh_point *point; /* of the rows */
    struct row *rows;
    size_t nrows, cap, at;
    struct sh_buf text; /* text cells of the page */
    bool more;          /* of this point */
    sqlite3_int64 rowid;
    int64_t held;
};

/* ---- the plan ---- */

static int connect(sqlite3 *db, void *ctx, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **why)
{
    SH_UNUSED(argc);
    SH_UNUSED(argv);
    struct sh_sql_query *q = ctx;
    if (!sql_may(q, SH_PERM_HISTORY_READ)) {
        sql_fault(q, SH_E_DENIED, "42501",
                  SH_STR("reading history needs the permission history.read"),
                  SH_STR("读取 history 需要权限 history.read"));
        *why = sqlite3_mprintf("denied");
        return SQLITE_ERROR;
    }
    const int rc = sql_declare(q, db, sql_history_schema);
    struct vtab *v = rc == SQLITE_OK ? sqlite3_malloc(sizeof *v) : NULL;
    if (v == NULL) {
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    }
    *v = (struct vtab){.q = q};
    *out = &v->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *vt)
{
    sqlite3_free(vt);
    return SQLITE_OK;
}

static char time_letter(int op, bool us)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return us ? 'E' : 'e';
    case SQLITE_INDEX_CONSTRAINT_GT:
        return us ? 'G' : 'g';
    case SQLITE_INDEX_CONSTRAINT_GE:
        return us ? 'H' : 'h';
    case SQLITE_INDEX_CONSTRAINT_LT:
        return us ? 'L' : 'l';
    case SQLITE_INDEX_CONSTRAINT_LE:
        return us ? 'M' : 'm';
    default:
        return '\0';
    }
}

/* Letter of a constraint that is handed to filter(); '\0': SQLite checks it itself. */
static char letter_of(const struct sqlite3_index_constraint *c)
{
    static const char equal[] = {
        [C_POINT] = 'p', [C_DEVICE] = 'd', [C_PROPERTY] = 'r', [C_AGGREGATE] = 'a',
        [C_STEP] = 's',  [C_FILL] = 'f',   [C_TZ] = 'z'};
    if (c->iColumn == C_TIME || c->iColumn == C_TIME_US) {
        return time_letter(c->op, c->iColumn == C_TIME_US);
    }
    if (c->op != SQLITE_INDEX_CONSTRAINT_EQ || c->iColumn < 0 || c->iColumn > C_TZ) {
        return '\0';
    }
    return equal[c->iColumn];
}

static void refuse_scan(struct sh_sql_query *q)
{
    sql_fault(q, SH_E_UNSUPPORTED, "0A000",
              SH_STR("history is read by point or device: this query names neither"),
              SH_STR("查询 history 必须指定点位或设备"));
    sql_remedy(q,
               "Add WHERE point = 'device/property' (or device = '...'), or join points; without "
               "it only LIMIT up to 10000 and no ORDER BY.",
               "请加上 WHERE point = '设备/属性'（或 device = '...'），或与 points 连接；"
               "否则只允许 LIMIT 不超过 10000 且无 ORDER BY。");
}

/* Without a point only a small preview is given: LIMIT 10000 at most, in no order. */
static bool is_preview(sqlite3_index_info *info)
{
    for (int i = 0; i < info->nConstraint; i++) {
        sqlite3_value *v = NULL;
        if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT &&
            sqlite3_vtab_rhs_value(info, i, &v) == SQLITE_OK && v != NULL) {
            const sqlite3_int64 n = sqlite3_value_int64(v);
            return n >= 0 && n <= PREVIEW_MAX && info->nOrderBy == 0;
        }
    }
    return false;
}

static void set_order(sqlite3_index_info *info, const char *letters)
{
    if (info->nOrderBy == 1 && !info->aOrderBy[0].desc && strchr(letters, 'p') != NULL &&
        (info->aOrderBy[0].iColumn == C_TIME || info->aOrderBy[0].iColumn == C_TIME_US)) {
        info->orderByConsumed = 1;
    }
}

static void set_cost(sqlite3_index_info *info, const char *letters)
{
    const bool range = strpbrk(letters, "eghEGH") != NULL;
    info->estimatedCost = strchr(letters, 'p') != NULL ? 10000 : 1000000;
    info->estimatedCost *= strpbrk(letters, "pd") == NULL ? 1000 : 1;
    info->estimatedCost /= range ? 10 : 1;
    info->estimatedRows = (sqlite3_int64)info->estimatedCost;
}

static int best_index(sqlite3_vtab *vt, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)vt;
    char letters[64] = "";
    int n = 0;
    bool named = false;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        const char letter = letter_of(c);
        const bool needed = letter != '\0' && strchr("pdasfz", letter) != NULL;
        named = named || letter == 'p' || letter == 'd';
        if (letter == '\0' || (!c->usable && !needed)) {
            continue;
        }
        if (!c->usable) {
            return SQLITE_CONSTRAINT; /* another order of the join makes it usable */
        }
        if ((size_t)n + 1 < sizeof letters && (!needed || strchr(letters, letter) == NULL)) {
            letters[n++] = letter;
            info->aConstraintUsage[i].argvIndex = n;
            info->aConstraintUsage[i].omit = letter != 'd' && letter != 'r';
        }
    }
    if (!named && !is_preview(info)) {
        refuse_scan(v->q);
        sqlite3_free(vt->zErrMsg);
        vt->zErrMsg = sqlite3_mprintf("history needs a point or device");
        return SQLITE_ERROR;
    }
    info->idxStr = sqlite3_mprintf("%s", letters);
    info->needToFreeIdxStr = 1;
    set_order(info, letters);
    set_cost(info, letters);
    return info->idxStr == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- the question ---- */

static int bad_word(struct cursor *c, const char *column, struct sh_str got, const char *en,
                    const char *zh)
{
    sql_fault(c->q, SH_E_INVAL, "22023",
              sql_print(c->q, "%s = '%.*s' is not possible", column, SH_PRI(got)),
              sql_print(c->q, "%s = '%.*s' 无效", column, SH_PRI(got)));
    sql_remedy(c->q, en, zh);
    return SQLITE_ERROR;
}

static void narrow(struct sh_history_query *a, char letter, int64_t t)
{
    int64_t from = -TIME_MAX;
    int64_t to = TIME_MAX;
    t = t > TIME_MAX - 1 ? TIME_MAX - 1 : (t < -TIME_MAX ? -TIME_MAX : t);
    switch (letter) {
    case 'e':
        from = t;
        to = t + 1;
        break;
    case 'g':
        from = t + 1;
        break;
    case 'h':
        from = t;
        break;
    case 'l':
        to = t;
        break;
    default:
        to = t + 1;
        break;
    }
    a->from_us = from > a->from_us ? from : a->from_us;
    a->to_us = to < a->to_us ? to : a->to_us;
}

/* The letters of time_us are those of time in upper case. */
static int take_us(struct cursor *c, char letter, sqlite3_value *v)
{
    if (sqlite3_value_numeric_type(v) != SQLITE_INTEGER) {
        return bad_word(c, "time_us", sql_value_text(v), "time_us is an integer of microseconds.",
                        "time_us 为微秒整数。");
    }
    narrow(&c->ask, (char)(letter | 32), sqlite3_value_int64(v));
    return SQLITE_OK;
}

static int take_time(struct cursor *c, char letter, sqlite3_value *v)
{
    int64_t t = 0;
    if (!sql_time_value(v, &t)) {
        return bad_word(c, "time", sql_value_text(v),
                        "Times are RFC 3339 ('2026-01-02T03:04:05Z'), '2026-01-02 03:04:05' (UTC), "
                        "a date, or integer milliseconds.",
                        "时间须为 RFC 3339（'2026-01-02T03:04:05Z'）、'2026-01-02 03:04:05'"
                        "（UTC）、日期或毫秒整数。");
    }
    narrow(&c->ask, letter, t);
    return SQLITE_OK;
}

static int take_aggregate(struct cursor *c)
{
    const struct sh_str word = c->aggregate.p == NULL ? SH_STR("mean") : c->aggregate;
    if (c->aggregate.p == NULL && c->step.p == NULL) {
        return SQLITE_OK;
    }
    if (sh_history_agg_parse(word, &c->agg) != SH_OK) {
        return bad_word(c, "aggregate", word,
                        "One of count sum min max mean first last stddev p<0-100> twa rate "
                        "duration:<value>.",
                        "可用：count sum min max mean first last stddev p<0-100> twa rate "
                        "duration:<值>。");
    }
    c->ask.aggs = &c->agg;
    c->ask.naggs = 1;
    if (c->step.p != NULL &&
        (sh_duration_parse(c->step, &c->ask.step_us) != SH_OK || c->ask.step_us <= 0)) {
        return bad_word(c, "step", c->step, "A duration such as 10s, 1m or 1h.",
                        "时长，如 10s、1m、1h。");
    }
    return SQLITE_OK;
}

static int take_fill(struct cursor *c)
{
    static const char *const words[] = {"none", "null", "previous", "linear"};
    if (c->tz_name.p != NULL && sh_tz_load(c->q->sql->o.env, c->tz_name, &c->tz) != SH_OK) {
        return bad_word(c, "tz", c->tz_name, "A time zone such as Asia/Shanghai.",
                        "时区名，如 Asia/Shanghai。");
    }
    c->ask.tz = c->tz;
    for (int i = 0; c->fill.p != NULL && i < 4; i++) {
        if (sh_str_eqc(c->fill, words[i])) {
            c->ask.fill = (enum sh_history_fill)i;
            return SQLITE_OK;
        }
    }
    return c->fill.p == NULL ? SQLITE_OK
                             : bad_word(c, "fill", c->fill, "none, null, previous or linear.",
                                        "none、null、previous 或 linear。");
}

static sh_err points_of_device(struct cursor *c, struct sh_str device, struct sh_str property)
{
    const struct sh_points *points = c->q->sql->o.points;
    const size_t n = sh_points_of_device(points, c->q->caller.tenant, device, NULL, 0);
    c->ids = sh_arena_array(c->arena, n + 1, sizeof *c->ids);
    if (c->ids == NULL) {
        return SH_E_NOMEM;
    }
    size_t have = sh_points_of_device(points, c->q->caller.tenant, device, c->ids, n);
    have = have < n ? have : n;
    c->nids = 0;
    for (size_t i = 0; i < have; i++) {
        const struct sh_point *p = sh_points_get(points, c->ids[i]);
        if (property.p == NULL || sh_str_eq(p->property, property)) {
            c->ids[c->nids++] = c->ids[i];
        }
    }
    return SH_OK;
}

static sh_err one_point(struct cursor *c)
{
    c->ids = sh_arena_array(c->arena, 1, sizeof *c->ids);
    if (c->ids == NULL) {
        return SH_E_NOMEM;
    }
    c->ids[0] = sh_points_resolve(c->q->sql->o.points, c->q->caller.tenant, c->asked_point);
    c->nids = c->ids[0] == 0 ? 0 : 1;
    return SH_OK;
}

static struct sh_str keep(struct cursor *c, sqlite3_value *v)
{
    const struct sh_str s = sh_arena_str(c->arena, sql_value_text(v));
    return s.p == NULL ? SH_STR("") : s;
}

/* One argument. SQLITE_DONE: compared with NULL, so there are no rows. */
static int take(struct cursor *c, char letter, sqlite3_value *v, struct sh_str *device,
                struct sh_str *property)
{
    if (sqlite3_value_type(v) == SQLITE_NULL) {
        return SQLITE_DONE;
    }
    switch (letter) {
    case 'p':
        c->asked_point = keep(c, v);
        return SQLITE_OK;
    case 'd':
        *device = keep(c, v);
        return SQLITE_OK;
    case 'r':
        *property = keep(c, v);
        return SQLITE_OK;
    case 'a':
        c->aggregate = keep(c, v);
        return SQLITE_OK;
    case 's':
        c->step = keep(c, v);
        return SQLITE_OK;
    case 'f':
        c->fill = keep(c, v);
        return SQLITE_OK;
    case 'z':
        c->tz_name = keep(c, v);
        return SQLITE_OK;
    default:
        return letter >= 'E' && letter <= 'M' ? take_us(c, letter, v) : take_time(c, letter, v);
    }
}

static void reset(struct cursor *c)
{
    static const struct sh_str none = {NULL, 0};
    sh_tz_free(c->tz);
    c->tz = NULL;
    sh_arena_reset(c->arena);
    c->asked_point = none;
    c->aggregate = none;
    c->step = none;
    c->fill = none;
    c->tz_name = none;
    c->ids = NULL;
    c->nids = 0;
    c->next_id = 0;
    c->point = NULL;
    c->nrows = 0;
    c->at = 0;
    c->more = false;
    c->rowid = 0;
    c->ask = (struct sh_history_query){
        .npoints = 1,
        .from_us = -TIME_MAX,
        .to_us = TIME_MAX,
        .limit = FIRST_PAGE,
        .now_us = c->q->started_us,
        .cancel = &c->q->cancel,
    };
}

static int ask(struct cursor *c, const char *letters, sqlite3_value **argv)
{
    struct sh_str device = {NULL, 0};
    struct sh_str property = {NULL, 0};
    reset(c);
    for (size_t i = 0; letters[i] != '\0'; i++) {
        const int rc = take(c, letters[i], argv[i], &device, &property);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    int rc = take_aggregate(c);
    rc = rc == SQLITE_OK ? take_fill(c) : rc;
    if (rc != SQLITE_OK) {
        return rc;
    }
    sh_err err = SH_OK;
    if (c->asked_point.p != NULL) {
        err = one_point(c);
    } else if (device.p != NULL) {
        err = points_of_device(c, device, property);
    } else {
        c->nids = sh_points_last_id(c->q->sql->o.points);
    }
    if (err != SH_OK) {
        return SQLITE_NOMEM;
    }
    return c->ask.from_us >= c->ask.to_us ? SQLITE_DONE : SQLITE_OK;
}

/* ---- the rows ---- */

static sh_err grow(struct cursor *c, size_t n)
{
    if (c->nrows + n <= c->cap) {
        return SH_OK;
    }
    size_t cap = c->cap == 0 ? FIRST_PAGE : c->cap;
    while (cap < c->nrows + n) {
        cap *= 2;
    }
    SH_TRY(sql_charge(c->q, &c->held, (int64_t)(cap * sizeof(struct row) + c->text.n)));
    struct row *rows = sh_mem_resize(c->q->sql->o.env->alloc, c->rows, cap * sizeof *rows);
    if (rows == NULL) {
        return SH_E_NOMEM;
    }
    c->rows = rows;
    c->cap = cap;
    return SH_OK;
}

static sh_err keep_bytes(struct cursor *c, struct row *r, const uint8_t *bytes)
{
    if (r->null || (r->type != SH_T_TEXT && r->type != SH_T_BLOB)) {
        return SH_OK;
    }
    const uint32_t at = (uint32_t)c->text.n;
    SH_TRY(r->value.span.len == 0
               ? SH_OK
               : sh_buf_put(&c->text, bytes + r->value.span.off, r->value.span.len));
    r->value.span.off = at;
    return SH_OK;
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct cursor *c = ctx;
    SH_TRY(grow(c, rows->n));
    for (uint32_t i = 0; i < rows->n; i++) {
        struct row *r = &c->rows[c->nrows];
        const struct sh_history_col *col = c->ask.naggs > 0 ? &rows->agg[0] : NULL;
        *r = (struct row){.time_us = rows->time_us[i], .type = rows->type};
        if (col == NULL) {
            r->value = rows->value[i];
            r->quality = rows->quality[i];
        } else {
            r->type = col->type;
            r->null = col->null != NULL && col->null[i] != 0;
            r->value = col->value[i];
        }
        SH_TRY(keep_bytes(c, r, rows->bytes));
        c->nrows++;
    }
    return SH_OK;
}

static int history_error(struct cursor *c, sh_err err)
{
    const struct sh_point *p = c->point;
    switch (err) {
    case SH_E_UNSUPPORTED:
        sql_fault(c->q, err, "0A000",
                  sql_print(c->q, "this aggregate does not fit %.*s/%.*s, which is %s",
                            SH_PRI(p->device), SH_PRI(p->property), sh_type_name(p->type)),
                  sql_print(c->q, "该聚合函数不适用于 %.*s/%.*s（类型 %s）", SH_PRI(p->device),
                            SH_PRI(p->property), sh_type_name(p->type)));
        sql_remedy(c->q, "Texts know count, first, last and duration.",
                   "文本点位可用 count、first、last、duration。");
        return SQLITE_ERROR;
    case SH_E_LIMIT:
        sql_fault(c->q, err, "54000",
                  SH_STR("history needs too much memory or has too many buckets"),
                  SH_STR("历史查询占用内存或分桶过多"));
        sql_remedy(c->q, "Ask for a shorter range or a longer step.", "请缩短时间范围或加大步长。");
        return SQLITE_ERROR;
    case SH_E_CANCELED:
    case SH_E_TIMEOUT:
        return SQLITE_INTERRUPT;
    case SH_E_NOMEM:
        return SQLITE_NOMEM;
    case SH_OK:
    case SH_E_AGAIN:
    case SH_E_INVAL:
    case SH_E_NOTFOUND:
    case SH_E_EXISTS:
    case SH_E_CLOSED:
    case SH_E_PROTO:
    case SH_E_CORRUPT:
    case SH_E_DENIED:
    case SH_E_IO:
    case SH_E_FULL:
    case SH_E_BUSY:
    case SH_E_STATE:
    case SH_E_CONFLICT:
    case SH_E_INTERNAL:
    default:
        sql_fault(c->q, err, "58030",
                  sql_print(c->q, "history cannot be read: %s", sh_err_name(err)),
                  sql_print(c->q, "读取历史失败：%s", sh_err_name(err)));
        return SQLITE_ERROR;
    }
}

/* The next point that shows; false: none. */
static bool next_point(struct cursor *c)
{
    while (c->next_id < c->nids && !sql_stopped(c->q)) {
        const uint32_t id = c->ids != NULL ? c->ids[c->next_id] : (uint32_t)c->next_id + 1;
        const struct sh_point *p = sh_points_get(c->q->sql->o.points, id);
        c->next_id++;
        if (p != NULL && p->tenant == c->q->caller.tenant &&
            (c->ids != NULL || sql_point_shows(c->q, SH_PERM_HISTORY_READ, p)) &&
            sql_sees(c->q, SH_PERM_HISTORY_READ, p->device) &&
            sql_clear_point(c->q, SH_PERM_HISTORY_READ, p)) { /* a masked one is not read */
            c->point = p;
            c->ask.cursor = (struct sh_history_cursor){.set = false};
            return true;
        }
    }
    return false;
}

static int next_page(struct cursor *c)
{
    c->at = 0;
    c->nrows = 0;
    sh_buf_clear(&c->text);
    while (c->nrows == 0) {
        if (!c->more && !next_point(c)) {
            /* No more points; or it was stopped, and then what is there is not the answer. */
            return sql_stopped(c->q) ? SQLITE_INTERRUPT : SQLITE_OK;
        }
        struct sh_history_result res;
        /* What is filled depends on the row before: all in one page. */
        const uint64_t limit = c->ask.limit;
        c->ask.limit = c->ask.fill == SH_FILL_NONE ? limit : 0;
        c->ask.points = &c->point->id;
        c->ask.deadline_mono_us = c->q->deadline_us;
        const sh_err err = sh_history_query(c->q->sql->o.history, &c->ask, sink, c, &res);
        c->ask.limit = limit >= LAST_PAGE ? LAST_PAGE : limit * 4;
        if (err != SH_OK) {
            return history_error(c, err);
        }
        c->more = res.next.set;
        c->ask.cursor = res.next;
    }
    return SQLITE_OK;
}

/* ---- SQLite's side ---- */

static int open_cursor(sqlite3_vtab *vt, sqlite3_vtab_cursor **out)
{
    const struct vtab *v = (const struct vtab *)vt;
    const struct sh_alloc *alloc = v->q->sql->o.env->alloc;
    struct cursor *c = sh_mem_new(alloc, sizeof *c);
    if (c == NULL) {
        return SQLITE_NOMEM;
    }
    c->q = v->q;
    c->arena = sh_arena_new(alloc, 4 << 20);
    sh_buf_init(&c->text, alloc, TEXT_MAX);
    if (c->arena == NULL) {
        sh_mem_free(alloc, c);
        return SQLITE_NOMEM;
    }
    *out = &c->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    const struct sh_alloc *alloc = c->q->sql->o.env->alloc;
    sql_discharge(c->q, &c->held);
    sh_tz_free(c->tz);
    sh_arena_free(c->arena);
    sh_buf_fini(&c->text);
    sh_mem_free(alloc, c->rows);
    sh_mem_free(alloc, c);
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *letters, int argc,
                  sqlite3_value **argv)
{
    SH_UNUSED(plan);
    SH_UNUSED(argc);
    struct cursor *c = (struct cursor *)base;
    const int rc = ask(c, letters, argv);
    if (rc == SQLITE_DONE) {
        c->nids = 0;
        return SQLITE_OK;
    }
    return rc == SQLITE_OK ? next_page(c) : rc;
}

static int next_row(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    c->at++;
    c->rowid++;
    return c->at >= c->nrows ? next_page(c) : SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const struct cursor *c = (const struct cursor *)base;
    return c->at >= c->nrows;
}

static void put_word(sqlite3_context *out, struct sh_str s)
{
    if (s.p == NULL) {
        sqlite3_result_null(out);
    } else {
        sqlite3_result_text64(out, s.p, s.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
}

static void put_point(const struct cursor *c, sqlite3_context *out)
{
    if (c->asked_point.p != NULL) {
        put_word(out, c->asked_point); /* an alias or a tag is what was compared with */
        return;
    }
    char name[2 * SH_POINT_MAX_NAME + 2];
    const struct sh_point *p = c->point;
    memcpy(name, p->device.p, p->device.n);
    name[p->device.n] = '/';
    memcpy(name + p->device.n + 1, p->property.p, p->property.n);
    put_word(out, sh_str_of(name, p->device.n + 1 + p->property.n));
}

static void put_value(const struct row *r, sqlite3_context *out)
{
    if (r->null || r->type == SH_T_TEXT || r->type == SH_T_BLOB) {
        sqlite3_result_null(out);
    } else if (r->type == SH_T_F64) {
        sqlite3_result_double(out, r->value.f64);
    } else {
        sqlite3_result_int64(out, r->type == SH_T_BOOL ? (r->value.bits != 0) : r->value.i64);
    }
}

static void put_text(const struct cursor *c, const struct row *r, sqlite3_context *out)
{
    const char *at = (const char *)c->text.p + (c->text.n == 0 ? 0 : r->value.span.off);
    struct sh_buf b;
    if (r->null || (r->type != SH_T_TEXT && r->type != SH_T_BLOB)) {
        sqlite3_result_null(out);
    } else if (r->value.span.len == 0) {
        put_word(out, SH_STR(""));
    } else if (r->type == SH_T_TEXT) {
        put_word(out, sh_str_of(at, r->value.span.len));
    } else {
        sh_buf_init(&b, c->q->sql->o.env->alloc, 2 * (size_t)r->value.span.len + 8);
        if (sh_base64_put(&b, sh_bytes_of(at, r->value.span.len), false) == SH_OK) {
            put_word(out, sh_buf_str(&b));
        }
        sh_buf_fini(&b);
    }
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *out, int i)
{
    const struct cursor *c = (const struct cursor *)base;
    const struct row *r = &c->rows[c->at];
    const struct sh_str words[] = {c->aggregate, c->step, c->fill, c->tz_name};
    switch (i) {
    case C_POINT:
        put_point(c, out);
        break;
    case C_DEVICE:
        put_word(out, c->point->device);
        break;
    case C_PROPERTY:
        put_word(out, c->point->property);
        break;
    case C_TIME:
        sql_result_time(out, r->time_us);
        break;
    case C_TIME_US:
        sqlite3_result_int64(out, r->time_us);
        break;
    case C_VALUE:
        put_value(r, out);
        break;
    case C_TEXT:
        put_text(c, r, out);
        break;
    case C_QUALITY:
        if (c->ask.naggs > 0) {
            sqlite3_result_null(out);
        } else {
            sqlite3_result_int(out, r->quality);
        }
        break;
    default:
        put_word(out, words[i - C_AGGREGATE]);
        break;
    }
    return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = ((const struct cursor *)base)->rowid;
    return SQLITE_OK;
}

int sql_history_add(struct sh_sql_query *q)
{
    static const sqlite3_module module = {
        .iVersion = 1,
        .xConnect = connect,
        .xBestIndex = best_index,
        .xDisconnect = disconnect,
        .xDestroy = disconnect,
        .xOpen = open_cursor,
        .xClose = close_cursor,
        .xFilter = filter,
        .xNext = next_row,
        .xEof = at_end,
        .xColumn = column,
        .xRowid = rowid,
    };
    return sqlite3_create_module_v2(q->db, "history", &module, q, NULL);
}
