/* table.c - what the language has: functions, aggregations, operators; and what is missing of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "promql_int.h"

#define S SH_PROMQL_SCALAR
#define V SH_PROMQL_VECTOR
#define M SH_PROMQL_MATRIX

static const struct pql_function functions[] = {
    {"rate", PQL_F_RATE, 1, 0, {M}, V},
    {"increase", PQL_F_INCREASE, 1, 0, {M}, V},
    {"delta", PQL_F_DELTA, 1, 0, {M}, V},
    {"irate", PQL_F_IRATE, 1, 0, {M}, V},
    {"avg_over_time", PQL_F_AVG, 1, 0, {M}, V},
    {"min_over_time", PQL_F_MIN, 1, 0, {M}, V},
    {"max_over_time", PQL_F_MAX, 1, 0, {M}, V},
    {"sum_over_time", PQL_F_SUM, 1, 0, {M}, V},
    {"count_over_time", PQL_F_COUNT, 1, 0, {M}, V},
    {"last_over_time", PQL_F_LAST, 1, 0, {M}, V},
    {"stddev_over_time", PQL_F_STDDEV, 1, 0, {M}, V},
    {"quantile_over_time", PQL_F_QUANTILE, 2, 0, {S, M}, V},
    {"absent", PQL_F_ABSENT, 1, 0, {V}, V},
    {"abs", PQL_F_ABS, 1, 0, {V}, V},
    {"ceil", PQL_F_CEIL, 1, 0, {V}, V},
    {"floor", PQL_F_FLOOR, 1, 0, {V}, V},
    {"round", PQL_F_ROUND, 2, 1, {V, S}, V},
    {"clamp_min", PQL_F_CLAMP_MIN, 2, 0, {V, S}, V},
    {"clamp_max", PQL_F_CLAMP_MAX, 2, 0, {V, S}, V},
    {"scalar", PQL_F_SCALAR, 1, 0, {V}, S},
    {"vector", PQL_F_VECTOR, 1, 0, {S}, V},
    {"time", PQL_F_TIME, 0, 0, {S}, S},
    {"histogram_quantile", PQL_F_HISTOGRAM_QUANTILE, 2, 0, {S, V}, V},
};

const struct pql_function *pql_function(struct sh_str name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (sh_str_eqc(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}

bool pql_aggregate(struct sh_str name, enum pql_agg *out)
{
    static const char *const words[] = {"sum",    "avg",  "min",     "max",     "count",
                                        "stddev", "topk", "bottomk", "quantile"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sh_str_ieq(name, sh_str_c(words[i]))) {
            *out = (enum pql_agg)i;
            return true;
        }
    }
    return false;
}

static const struct {
    const char *sign;
    int rank;
} operators[] = {
    [PQL_ADD] = {"+", 2}, [PQL_SUB] = {"-", 2}, [PQL_MUL] = {"*", 3},  [PQL_DIV] = {"/", 3},
    [PQL_MOD] = {"%", 3}, [PQL_POW] = {"^", 5}, [PQL_EQL] = {"==", 1}, [PQL_NEQ] = {"!=", 1},
    [PQL_LT] = {"<", 1},  [PQL_GT] = {">", 1},  [PQL_LE] = {"<=", 1},  [PQL_GE] = {">=", 1},
};

bool pql_operator(struct sh_str sign, enum pql_bin *op, int *rank)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (sh_str_eqc(sign, operators[i].sign)) {
            *op = (enum pql_bin)i;
            *rank = operators[i].rank;
            return true;
        }
    }
    return false;
}

const char *pql_operator_name(enum pql_bin op)
{
    return operators[op].sign;
}

const char *pql_type_name(enum sh_promql_type t)
{
    static const char *const names[] = {"scalar", "instant vector", "range vector", "string"};
    return names[t];
}

const char *pql_missing(struct sh_str word)
{
    static const struct {
        const char *word;
        const char *what;
    } rows[] = {
        {"and", "the operator and is not implemented here"},
        {"or", "the operator or is not implemented here"},
        {"unless", "the operator unless is not implemented here"},
        {"atan2", "the operator atan2 is not implemented here"},
        {"group_left", "many-to-one matching (group_left) is not implemented here"},
        {"group_right", "one-to-many matching (group_right) is not implemented here"},
        {"@", "the modifier @ is not implemented here"},
        {":", "sub-queries are not implemented here"},
        {"group", "the aggregation group is not implemented here"},
        {"stdvar", "the aggregation stdvar is not implemented here; square stddev"},
        {"count_values", "the aggregation count_values is not implemented here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sh_str_ieq(word, sh_str_c(rows[i].word))) {
            return rows[i].what;
        }
    }
    return NULL;
}
