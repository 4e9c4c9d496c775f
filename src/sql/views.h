/* views.h - the columns of a view over one type of business record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_VIEWS_H
#define SH_SQL_VIEWS_H

#include <sh/sql.h>

enum { SQL_VIEW_COLUMNS = 200 };
struct sql_view {
    struct sh_str type;
    struct sql_view_col {
        struct sh_str name;
        enum sh_sql_type type;
    } * cols; /* between author and doc */
    size_t n;
};
/* From a type's definition; in the query's arena. */
SH_MUST_CHECK sh_err sql_view_read(struct sh_sql_query *q, const struct sh_record_row *row,
                                   struct sql_view *v);

#endif /* SH_SQL_VIEWS_H */
