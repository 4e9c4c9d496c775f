/* types.h - values of SQL in PostgreSQL's types, text and binary.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PG_TYPES_H
#define SH_PG_TYPES_H

#include <sh/sql.h>

#include "codec.h"

enum {
    PG_BOOL = 16,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_OID = 26,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_UNKNOWN = 705,
    PG_BPCHAR = 1042,
    PG_VARCHAR = 1043,
    PG_DATE = 1082,
    PG_TIMESTAMP = 1114,
    PG_TIMESTAMPTZ = 1184,
    PG_NUMERIC = 1700
};

uint32_t pg_oid_of(enum sh_sql_type t);
uint16_t pg_size_of(uint32_t oid); /* typlen; 0xffff = variable */
/* One cell with its length in front. SH_E_INVAL: it does not fit the column's type. */
SH_MUST_CHECK sh_err pg_put_cell(struct pg_out *o, const struct sh_sql_cell *c, uint32_t oid,
                                 bool binary);
/* Binds one parameter. SH_E_UNSUPPORTED: a type in a format that is not known; SH_E_INVAL: bytes
 * that are no value of the type; SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err pg_bind(struct sh_sql_query *q, unsigned n, uint32_t oid, bool binary,
                             struct sh_bytes v);

#endif /* SH_PG_TYPES_H */
