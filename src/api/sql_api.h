/* sql_api.h - between the two answers of SQL over HTTP.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_API_H
#define SH_SQL_API_H

#include "api_int.h"

/* Writes a problem for a fault; returns its status. */
int api_sql_problem(struct api_req *r, const struct sh_sql_fault *f);
/* Streams q as CSV and ends it. 0: answered; else the status of a problem. */
int api_sql_csv(struct api_req *r, struct sh_sql_query *q);

#endif /* SH_SQL_API_H */
