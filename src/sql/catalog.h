/* catalog.h - the small part of pg_catalog and information_schema that clients ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_CATALOG_H
#define SH_SQL_CATALOG_H

#include "sql_int.h"

/* Makes the catalogue's tables in the query's connection and fills them with what the caller may
 * read; before the authorizer is locked, and only for texts that name them. */
int sql_catalog_add(struct sh_sql_query *q);

#endif /* SH_SQL_CATALOG_H */
