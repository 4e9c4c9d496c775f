/* catalog.c - pg_catalog and information_schema, as far as psql, psqlodbc, pgjdbc and what stands
 * on them ask at connect and to list tables and columns. The tables are real ones in the query's
 * own memory, filled with the tables that this caller may read; they are made only for a text that
 * names them. pg_class says 'r' (table) for all, also for views: clients list those by default.
 * SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"

#include "views.h"

enum { FIRST_OID = 16384, TYPES_MAX = 1000 };

static const char *const ddl[] = {
    "CREATE TABLE pg_namespace(oid INTEGER, nspname TEXT, nspowner INTEGER, nspacl TEXT);",
    "INSERT INTO pg_namespace VALUES (11, 'pg_catalog', 10, NULL), (2200, 'public', 10, NULL);",
    "CREATE TABLE pg_class(oid INTEGER, relname TEXT, relnamespace INTEGER, reltype INTEGER,"
    " reloftype INTEGER, relowner INTEGER, relam INTEGER, relfilenode INTEGER,"
    " reltablespace INTEGER, relpages INTEGER, reltuples REAL, reltoastrelid INTEGER,"
    " relhasindex BOOLEAN, relisshared BOOLEAN, relpersistence TEXT, relkind TEXT,"
    " relnatts INTEGER, relchecks INTEGER, relhasrules BOOLEAN, relhastriggers BOOLEAN,"
    " relhassubclass BOOLEAN, relrowsecurity BOOLEAN, relforcerowsecurity BOOLEAN,"
    " relispopulated BOOLEAN, relreplident TEXT, relispartition BOOLEAN, relhasoids BOOLEAN,"
    " relacl TEXT, reloptions TEXT, relpartbound TEXT);",
    "CREATE TABLE pg_attribute(attrelid INTEGER, attname TEXT, atttypid INTEGER,"
    " attstattarget INTEGER, attlen INTEGER, attnum INTEGER, attndims INTEGER, atttypmod INTEGER,"
    " attnotnull BOOLEAN, atthasdef BOOLEAN, atthasmissing BOOLEAN, attidentity TEXT,"
    " attgenerated TEXT, attisdropped BOOLEAN, attislocal BOOLEAN, attinhcount INTEGER,"
    " attcollation INTEGER, attacl TEXT, attoptions TEXT, attstorage TEXT, attcompression TEXT);",
    "CREATE TABLE pg_type(oid INTEGER, typname TEXT, typnamespace INTEGER, typowner INTEGER,"
    " typlen INTEGER, typbyval BOOLEAN, typtype TEXT, typcategory TEXT, typispreferred BOOLEAN,"
    " typisdefined BOOLEAN, typdelim TEXT, typrelid INTEGER, typelem INTEGER, typarray INTEGER,"
    " typinput TEXT, typreceive TEXT, typbasetype INTEGER, typtypmod INTEGER, typnotnull BOOLEAN,"
    " typcollation INTEGER);",
    "INSERT INTO pg_type(oid, typname, typnamespace, typlen, typtype, typcategory, typrelid,"
    " typelem, typarray, typinput, typreceive, typbasetype, typtypmod, typnotnull, typcollation)"
    " VALUES (16,'bool',11,1,'b','B',0,0,0,'boolin','boolrecv',0,-1,0,0),"
    "(20,'int8',11,8,'b','N',0,0,0,'int8in','int8recv',0,-1,0,0),"
    "(21,'int2',11,2,'b','N',0,0,0,'int2in','int2recv',0,-1,0,0),"
    "(23,'int4',11,4,'b','N',0,0,0,'int4in','int4recv',0,-1,0,0),"
    "(25,'text',11,-1,'b','S',0,0,0,'textin','textrecv',0,-1,0,100),"
    "(26,'oid',11,4,'b','N',0,0,0,'oidin','oidrecv',0,-1,0,0),"
    "(700,'float4',11,4,'b','N',0,0,0,'float4in','float4recv',0,-1,0,0),"
    "(701,'float8',11,8,'b','N',0,0,0,'float8in','float8recv',0,-1,0,0),"
    "(1043,'varchar',11,-1,'b','S',0,0,0,'varcharin','varcharrecv',0,-1,0,100),"
    "(1082,'date',11,4,'b','D',0,0,0,'date_in','date_recv',0,-1,0,0),"
    "(1114,'timestamp',11,8,'b','D',0,0,0,'timestamp_in','timestamp_recv',0,-1,0,0),"
    "(1184,'timestamptz',11,8,'b','D',0,0,0,'timestamptz_in','timestamptz_recv',0,-1,0,0),"
    "(1700,'numeric',11,-1,'b','N',0,0,0,'numeric_in','numeric_recv',0,-1,0,0);",
    "CREATE TABLE pg_database(oid INTEGER, datname TEXT, datdba INTEGER, encoding INTEGER,"
    " datlocprovider TEXT, datistemplate BOOLEAN, datallowconn BOOLEAN, datcollate TEXT,"
    " datctype TEXT, daticulocale TEXT, datacl TEXT, dattablespace INTEGER);",
    "INSERT INTO pg_database VALUES (1,'songhua',10,6,'c',0,1,'C','C',NULL,NULL,1663);",
    "CREATE TABLE pg_roles(oid INTEGER, rolname TEXT, rolsuper BOOLEAN, rolcanlogin BOOLEAN);",
    "INSERT INTO pg_roles VALUES (10, current_user(), 0, 1);",
    "CREATE VIEW pg_user AS SELECT rolname AS usename, oid AS usesysid, 0 AS usesuper FROM "
    "pg_roles;",
    "CREATE TABLE pg_am(oid INTEGER, amname TEXT, amtype TEXT);",
    "CREATE TABLE pg_description(objoid INTEGER, classoid INTEGER, objsubid INTEGER,"
    " description TEXT);",
    "CREATE TABLE pg_index(indexrelid INTEGER, indrelid INTEGER, indnatts INTEGER,"
    " indisunique BOOLEAN, indisprimary BOOLEAN, indisclustered BOOLEAN, indisvalid BOOLEAN,"
    " indisreplident BOOLEAN, indkey TEXT, indoption TEXT, indexprs TEXT, indpred TEXT);",
    "CREATE TABLE pg_constraint(oid INTEGER, conname TEXT, connamespace INTEGER, contype TEXT,"
    " condeferrable BOOLEAN, condeferred BOOLEAN, conrelid INTEGER, conindid INTEGER,"
    " conparentid INTEGER, confrelid INTEGER, confupdtype TEXT, confdeltype TEXT, conkey TEXT,"
    " confkey TEXT);",
    "CREATE TABLE pg_attrdef(oid INTEGER, adrelid INTEGER, adnum INTEGER, adbin TEXT);",
    "CREATE TABLE pg_collation(oid INTEGER, collname TEXT, collnamespace INTEGER);",
    "CREATE TABLE pg_inherits(inhrelid INTEGER, inhparent INTEGER, inhseqno INTEGER,"
    " inhdetachpending BOOLEAN);",
    "CREATE TABLE pg_policy(oid INTEGER, polname TEXT, polrelid INTEGER, polcmd TEXT,"
    " polpermissive BOOLEAN, polroles TEXT, polqual TEXT, polwithcheck TEXT);",
    "CREATE TABLE pg_statistic_ext(oid INTEGER, stxrelid INTEGER, stxname TEXT,"
    " stxnamespace INTEGER, stxkind TEXT, stxstattarget INTEGER);",
    "CREATE TABLE pg_publication(oid INTEGER, pubname TEXT, puballtables BOOLEAN);",
    "CREATE TABLE pg_publication_rel(prpubid INTEGER, prrelid INTEGER, prqual TEXT, prattrs TEXT);",
    "CREATE TABLE pg_publication_namespace(pnpubid INTEGER, pnnspid INTEGER);",
    "CREATE TABLE pg_trigger(oid INTEGER, tgrelid INTEGER, tgname TEXT, tgisinternal BOOLEAN);",
    "CREATE TABLE pg_rewrite(oid INTEGER, rulename TEXT, ev_class INTEGER);",
    "CREATE TABLE pg_proc(oid INTEGER, proname TEXT, pronamespace INTEGER, prorettype INTEGER);",
    "CREATE TABLE pg_depend(classid INTEGER, objid INTEGER, refclassid INTEGER,"
    " refobjid INTEGER, refobjsubid INTEGER, deptype TEXT);",
    "CREATE TABLE pg_enum(oid INTEGER, enumtypid INTEGER, enumlabel TEXT);",
    "CREATE TABLE pg_range(rngtypid INTEGER, rngsubtype INTEGER);",
    "CREATE TABLE pg_extension(oid INTEGER, extname TEXT, extversion TEXT);",
    "CREATE TABLE pg_settings(name TEXT, setting TEXT);",
    "INSERT INTO pg_settings VALUES ('max_index_keys', '32'), ('server_version', '14.0');",
    "CREATE VIEW pg_tables AS SELECT 'public' AS schemaname, relname AS tablename,"
    " current_user() AS tableowner FROM pg_class;",
    "CREATE VIEW information_schema_schemata AS SELECT 'songhua' AS catalog_name,"
    " nspname AS schema_name, current_user() AS schema_owner FROM pg_namespace;",
    "CREATE VIEW information_schema_tables AS SELECT 'songhua' AS table_catalog,"
    " 'public' AS table_schema, relname AS table_name, 'BASE TABLE' AS table_type,"
    " 'NO' AS is_insertable_into FROM pg_class;",
    "CREATE VIEW information_schema_columns AS SELECT 'songhua' AS table_catalog,"
    " 'public' AS table_schema, c.relname AS table_name, a.attname AS column_name,"
    " a.attnum AS ordinal_position, NULL AS column_default, 'YES' AS is_nullable,"
    " format_type(a.atttypid, -1) AS data_type, NULL AS character_maximum_length,"
    " NULL AS numeric_precision, NULL AS numeric_scale, t.typname AS udt_name,"
    " 'pg_catalog' AS udt_schema, 'NO' AS is_updatable"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " JOIN pg_type t ON t.oid = a.atttypid;",
    "CREATE VIEW information_schema_views AS SELECT 'songhua' AS table_catalog,"
    " 'public' AS table_schema, relname AS table_name FROM pg_class WHERE 0;",
    "CREATE TABLE information_schema_key_column_usage(constraint_name TEXT, table_schema TEXT,"
    " table_name TEXT, column_name TEXT, ordinal_position INTEGER);",
    "CREATE TABLE information_schema_table_constraints(constraint_name TEXT, table_schema TEXT,"
    " table_name TEXT, constraint_type TEXT);",
    "CREATE TABLE information_schema_routines(routine_schema TEXT, routine_name TEXT);",
    NULL};

struct filler {
    struct sh_sql_query *q;
    sqlite3_stmt *table;
    sqlite3_stmt *column;
    int oid;
    int number; /* of the column */
};

static int run(sqlite3_stmt *s)
{
    const int rc = sqlite3_step(s);
    (void)sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_table(struct filler *f, struct sh_str prefix, struct sh_str name)
{
    char full[80];
    f->oid++;
    f->number = 0;
    (void)sqlite3_snprintf((int)sizeof full, full, "%.*s%.*s", SH_PRI(prefix), SH_PRI(name));
    (void)sqlite3_bind_int(f->table, 1, f->oid);
    (void)sqlite3_bind_text(f->table, 2, full, -1, SQLITE_TRANSIENT);
    return run(f->table);
}

static int add_column(struct filler *f, struct sh_str name, int type)
{
    f->number++;
    (void)sqlite3_bind_int(f->column, 1, f->oid);
    (void)sqlite3_bind_text(f->column, 2, name.p, (int)name.n, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int(f->column, 3, type);
    (void)sqlite3_bind_int(f->column, 4, type == 25 ? -1 : 8);
    (void)sqlite3_bind_int(f->column, 5, f->number);
    return run(f->column);
}

static int oid_of(const char *word, size_t n)
{
    const struct sh_str s = sh_str_of(word, n);
    if (sh_str_starts(s, SH_STR("TIMETEXT"))) {
        return 1184;
    }
    if (sh_str_starts(s, SH_STR("INTEGER"))) {
        return 20;
    }
    return sh_str_starts(s, SH_STR("NUMERIC")) ? 701 : 25;
}

/* "CREATE TABLE name(a TEXT, b INTEGER, c TEXT HIDDEN)": hidden columns are told too, for who
 * writes a WHERE by clicking. */
static int add_schema(struct filler *f, const char *name, const char *schema)
{
    int rc = add_table(f, SH_STR(""), sh_str_c(name));
    struct sh_str rest = sh_str_c(strchr(schema, '(') + 1);
    while (rc == SQLITE_OK && rest.p != NULL) {
        struct sh_str type;
        const struct sh_str column = sh_str_trim(sh_str_cut(rest, ',', &rest));
        const struct sh_str word = sh_str_cut(column, ' ', &type);
        rc = add_column(f, word, type.p == NULL ? 25 : oid_of(type.p, type.n));
    }
    return rc;
}

static int add_view(struct filler *f, const struct sql_view *v)
{
    static const struct {
        const char *name;
        int type;
    } head[] = {{"id", 25}, {"rev", 20}, {"created", 1184}, {"updated", 1184}, {"author", 25}};
    int rc = add_table(f, SH_STR("r_"), v->type);
    for (size_t i = 0; i < sizeof head / sizeof head[0] && rc == SQLITE_OK; i++) {
        rc = add_column(f, sh_str_c(head[i].name), head[i].type);
    }
    for (size_t i = 0; i < v->n && rc == SQLITE_OK; i++) {
        const enum sh_sql_type t = v->cols[i].type;
        rc = add_column(f, v->cols[i].name, t == SH_SQL_INT ? 20 : (t == SH_SQL_REAL ? 701 : 25));
    }
    return rc == SQLITE_OK ? add_column(f, SH_STR("doc"), 25) : rc;
}

static int add_views(struct filler *f)
{
    struct sh_sql_query *q = f->q;
    struct sh_record_row *types = NULL;
    size_t n = 0;
    int rc = SQLITE_OK;
    struct sh_arena *ar = sh_arena_new(q->sql->o.env->alloc, 64 << 20);
    if (ar == NULL ||
        sh_record_type_list(q->sql->o.record, q->caller.tenant, ar, &types, &n) != SH_OK) {
        n = 0;
        rc = SQLITE_NOMEM;
    }
    for (size_t i = 0; i < n && i < TYPES_MAX && rc == SQLITE_OK; i++) {
        struct sql_view v;
        if (types[i].id.n > 0 && types[i].id.p[0] != '_') {
            rc = sql_view_read(q, &types[i], &v) == SH_OK ? add_view(f, &v) : SQLITE_NOMEM;
        }
    }
    sh_arena_free(ar);
    return rc;
}

static int fill(struct filler *f)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; sql_tables[i] != NULL && rc == SQLITE_OK; i++) {
        if (sql_may(f->q, sql_tables[i]->permission)) {
            rc = add_schema(f, sql_tables[i]->name, sql_tables[i]->schema);
        }
    }
    if (rc == SQLITE_OK && sql_may(f->q, SH_PERM_HISTORY_READ)) {
        rc = add_schema(f, "history", sql_history_schema);
    }
    return rc == SQLITE_OK && sql_may(f->q, SH_PERM_RECORDS_READ) ? add_views(f) : rc;
}

int sql_catalog_add(struct sh_sql_query *q)
{
    static const char table[] =
        "INSERT INTO pg_class VALUES (?1,?2,2200,0,0,10,0,0,0,0,-1,0,0,0,'p','r',0,0,0,0,0,0,0,1,"
        "'n',0,0,NULL,NULL,NULL)";
    static const char column[] =
        "INSERT INTO pg_attribute VALUES (?1,?2,?3,-1,?4,?5,0,-1,0,0,0,'','',0,1,0,0,NULL,NULL,'p',"
        "'')";
    struct filler f = {.q = q, .oid = FIRST_OID};
    if (!q->text.catalog) {
        return SQLITE_OK;
    }
    int rc = SQLITE_OK;
    for (size_t i = 0; ddl[i] != NULL && rc == SQLITE_OK; i++) {
        rc = sqlite3_exec(q->db, ddl[i], NULL, NULL, NULL);
    }
    rc = rc == SQLITE_OK ? sqlite3_prepare_v2(q->db, table, -1, &f.table, NULL) : rc;
    rc = rc == SQLITE_OK ? sqlite3_prepare_v2(q->db, column, -1, &f.column, NULL) : rc;
    rc = rc == SQLITE_OK ? fill(&f) : rc;
    (void)sqlite3_finalize(f.table);
    (void)sqlite3_finalize(f.column);
    return rc;
}
