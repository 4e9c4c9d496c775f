/* types.c - see types.h. Times are microseconds; PostgreSQL counts from 2000-01-01.
 * SPDX-License-Identifier: Apache-2.0 */
#include "types.h"

#include <stdio.h>

#define EPOCH_2000_US INT64_C(946684800000000)
#define DAY_US INT64_C(86400000000)
enum { DAYS_MAX = 3000000 };

uint32_t pg_oid_of(enum sh_sql_type t)
{
    static const uint32_t oids[] = {
        [SH_SQL_NULL] = PG_TEXT, [SH_SQL_INT] = PG_INT8,         [SH_SQL_REAL] = PG_FLOAT8,
        [SH_SQL_TEXT] = PG_TEXT, [SH_SQL_TIME] = PG_TIMESTAMPTZ, [SH_SQL_BOOL] = PG_BOOL};
    return oids[t];
}

uint16_t pg_size_of(uint32_t oid)
{
    if (oid == PG_BOOL) {
        return 1;
    }
    return oid == PG_TEXT ? 0xffff : 8;
}

/* ---- out ---- */

static void sized(struct pg_out *o, const void *p, size_t n)
{
    pg_u32(o, (uint32_t)n);
    pg_bytes(o, sh_bytes_of(p, n));
}

static void be64(struct pg_out *o, uint64_t v)
{
    uint8_t b[8];
    sh_put_be64(b, v);
    sized(o, b, sizeof b);
}

static sh_err put_time(struct pg_out *o, struct sh_str s, bool binary)
{
    int64_t us = 0;
    char t[SH_TIME_CHARS + 4];
    SH_TRY(sh_sql_time_parse(s, &us));
    if (binary) {
        be64(o, (uint64_t)(us - EPOCH_2000_US));
        return SH_OK;
    }
    const size_t n = sh_time_print(us, t); /* 2026-01-02T03:04:05.678Z */
    char *gap = memchr(t, 'T', n);
    if (gap != NULL) {
        *gap = ' ';
    }
    t[n - 1] = '+';
    t[n] = '0';
    t[n + 1] = '0';
    sized(o, t, n + 2);
    return SH_OK;
}

static sh_err put_number(struct pg_out *o, const struct sh_sql_cell *c, uint32_t oid, bool binary)
{
    char t[SH_F64_CHARS];
    const bool real = c->type == SH_SQL_REAL;
    if (oid == PG_INT8 && real) {
        return SH_E_INVAL;
    }
    if (oid == PG_BOOL && binary) {
        const uint8_t b = c->i64 != 0;
        sized(o, &b, 1);
    } else if (oid == PG_BOOL) {
        sized(o, c->i64 != 0 ? "t" : "f", 1);
    } else if (oid == PG_FLOAT8 && binary) {
        be64(o, sh_f64_bits(c->f64));
    } else if (oid == PG_INT8 && binary) {
        be64(o, (uint64_t)c->i64);
    } else if (oid == PG_TIMESTAMPTZ) {
        return SH_E_INVAL;
    } else {
        sized(o, t, real ? sh_f64_print(c->f64, t) : sh_i64_print(c->i64, t));
    }
    return SH_OK;
}

sh_err pg_put_cell(struct pg_out *o, const struct sh_sql_cell *c, uint32_t oid, bool binary)
{
    if (c->type == SH_SQL_NULL) {
        pg_u32(o, UINT32_MAX);
        return SH_OK;
    }
    if (c->type != SH_SQL_TEXT) {
        return put_number(o, c, oid, binary);
    }
    if (oid == PG_TIMESTAMPTZ) {
        return put_time(o, c->text, binary);
    }
    if (oid != PG_TEXT) {
        return SH_E_INVAL;
    }
    sized(o, c->text.p, c->text.n);
    return SH_OK;
}

/* ---- in ---- */

static sh_err bind_time(struct sh_sql_query *q, unsigned n, int64_t us)
{
    char t[SH_TIME_CHARS];
    if (us > INT64_MAX - EPOCH_2000_US - DAY_US || us < -(INT64_C(1) << 60)) {
        return SH_E_INVAL;
    }
    return sh_sql_bind_text(q, n, sh_str_of(t, sh_time_print(us + EPOCH_2000_US, t)));
}

static sh_err bind_binary(struct sh_sql_query *q, unsigned n, uint32_t oid, struct sh_bytes v)
{
    const size_t want = oid == PG_BOOL                                                          ? 1
                        : oid == PG_INT2                                                        ? 2
                        : oid == PG_INT4 || oid == PG_OID || oid == PG_FLOAT4 || oid == PG_DATE ? 4
                                                                                                : 8;
    if (oid == 0 || oid == PG_TEXT || oid == PG_VARCHAR || oid == PG_BPCHAR || oid == PG_UNKNOWN) {
        return sh_utf8_valid(sh_bytes_str(v)) ? sh_sql_bind_text(q, n, sh_bytes_str(v))
                                              : SH_E_INVAL;
    }
    if (v.n != want) {
        return oid == PG_NUMERIC ? SH_E_UNSUPPORTED : SH_E_INVAL;
    }
    float single = 0;
    uint32_t word = v.n >= 4 ? sh_be32(v.p) : 0;
    switch (oid) {
    case PG_BOOL:
        return sh_sql_bind_i64(q, n, v.p[0] != 0);
    case PG_INT2:
        return sh_sql_bind_i64(q, n, (int16_t)sh_be16(v.p));
    case PG_INT4:
        return sh_sql_bind_i64(q, n, (int32_t)word);
    case PG_OID:
        return sh_sql_bind_i64(q, n, word);
    case PG_INT8:
        return sh_sql_bind_i64(q, n, (int64_t)sh_be64(v.p));
    case PG_FLOAT4:
        memcpy(&single, &word, sizeof single);
        return sh_sql_bind_f64(q, n, (double)single);
    case PG_FLOAT8:
        return sh_sql_bind_f64(q, n, sh_f64_from_bits(sh_be64(v.p)));
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return bind_time(q, n, (int64_t)sh_be64(v.p));
    case PG_DATE:
        if ((int32_t)word > DAYS_MAX || (int32_t)word < -DAYS_MAX) {
            return SH_E_INVAL;
        }
        return bind_time(q, n, (int32_t)word * DAY_US);
    default:
        return SH_E_UNSUPPORTED;
    }
}

sh_err pg_bind(struct sh_sql_query *q, unsigned n, uint32_t oid, bool binary, struct sh_bytes v)
{
    if (binary) {
        return bind_binary(q, n, oid, v);
    }
    const struct sh_str s = sh_bytes_str(v);
    int64_t i = 0;
    double f = 0;
    switch (oid) {
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_OID:
        return sh_i64_parse(sh_str_trim(s), &i) == SH_OK ? sh_sql_bind_i64(q, n, i) : SH_E_INVAL;
    case PG_FLOAT4:
    case PG_FLOAT8:
    case PG_NUMERIC:
        return sh_f64_parse(sh_str_trim(s), &f) == SH_OK ? sh_sql_bind_f64(q, n, f) : SH_E_INVAL;
    case PG_BOOL:
        return sh_sql_bind_i64(q, n, s.n > 0 && (s.p[0] == 't' || s.p[0] == '1' || s.p[0] == 'T'));
    default:
        return sh_utf8_valid(s) ? sh_sql_bind_text(q, n, s) : SH_E_INVAL;
    }
}
