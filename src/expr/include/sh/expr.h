/* expr.h - expressions over columns. Text is parsed, checked for types and units of measure, and
 * compiled to a program of vector operations. One language for calculated series, flows, models and
 * pages; the README is its reference.
 * A compiled expression never changes and is shared by threads. What it remembers from row to row
 * (prev, rate, integral ...) is plain bytes of the caller's, so that it can be kept and put back;
 * scratch memory is a sh_expr_run, one for each thread, which serves any expression.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_EXPR_H
#define SH_EXPR_H

#include <sh/units.h>
#include <sh/value.h>

enum {
    SH_EXPR_TEXT_MAX = 8192, /* bytes of an expression */
    SH_EXPR_DEPTH_MAX = 64,  /* nested parts */
    SH_EXPR_NODES_MAX = 512, /* operations, inputs and constants */
    SH_EXPR_INPUTS_MAX = 64,
    SH_EXPR_NAME_MAX = 256,    /* bytes of an input's name */
    SH_EXPR_ROWS = 512,        /* most rows of one evaluation */
    SH_EXPR_MADE_MAX = 1 << 20 /* bytes of text made by one evaluation */
};

/* What an input is: bool, i64, f64 or text. unit: a UCUM code; empty: not known, which goes with
 * any and makes the result's unit unknown. */
struct sh_expr_input {
    enum sh_type type;
    struct sh_str unit; /* borrowed for the call */
};
/* Tells what the input of this name is. SH_E_NOTFOUND: there is none. */
typedef sh_err (*sh_expr_find)(void *ctx, struct sh_str name, struct sh_expr_input *out);

/* What is wrong with an expression, and where: bytes [at, at + len) of it. */
struct sh_expr_fault {
    uint32_t at;
    uint32_t len;
    char en[240];
    char zh[240];
};

struct sh_expr;
/* SH_E_INVAL (words in *fault), SH_E_LIMIT (too long, too deep, too much; words too), SH_E_NOMEM,
 * or what find answered other than SH_E_NOTFOUND. fault may be NULL. */
SH_MUST_CHECK sh_err sh_expr_compile(const struct sh_alloc *a, struct sh_str text,
                                     sh_expr_find find, void *ctx, struct sh_expr **out,
                                     struct sh_expr_fault *fault);
void sh_expr_free(struct sh_expr *e); /* NULL is accepted */

enum sh_type sh_expr_type(const struct sh_expr *e);
/* UCUM code of the result; empty when it has none or it is not known. */
struct sh_str sh_expr_unit(const struct sh_expr *e);
/* Inputs are numbered in the order in which the text names them first. */
size_t sh_expr_inputs(const struct sh_expr *e);
struct sh_str sh_expr_input_name(const struct sh_expr *e, size_t i);
/* Bytes that it remembers from row to row; 0: every row stands alone. */
size_t sh_expr_state_bytes(const struct sh_expr *e);

/* A column: cells of one type; null[i] == 1: no value in this row; null == NULL: all have one. */
struct sh_expr_column {
    const union sh_cell *value;
    const uint8_t *null;
    const uint8_t *bytes; /* of text cells */
};
struct sh_expr_rows {
    uint32_t n; /* at most SH_EXPR_ROWS */
    const int64_t *time_us;
    const struct sh_expr_column *in; /* sh_expr_inputs of them */
    /* Seconds east of UTC at a time, for hour(), weekday() ...; NULL: UTC. */
    int32_t (*utc_offset_s)(void *ctx, int64_t time_us);
    void *ctx;
};

struct sh_expr_run;
SH_MUST_CHECK sh_err sh_expr_run_new(const struct sh_alloc *a, struct sh_expr_run **out);
void sh_expr_run_free(struct sh_expr_run *r); /* NULL is accepted */
/* Evaluates all rows, which are later than those before in the same state. state: aligned for
 * int64_t, sh_expr_state_bytes of it, zero at the beginning; may be NULL where that is 0. *out is
 * valid until the next call with this run. SH_E_NOMEM, SH_E_LIMIT (SH_EXPR_MADE_MAX); the state is
 * then of no use. */
SH_MUST_CHECK sh_err sh_expr_eval(const struct sh_expr *e, struct sh_expr_run *run, void *state,
                                  const struct sh_expr_rows *rows, struct sh_expr_column *out);

/* The functions of the language, for help and for an editor that completes. */
struct sh_expr_function {
    const char *name;
    const char *usage; /* "round(x, digits)" */
    const char *group; /* "math", "logic", "text", "time", "state", "unit" */
    const char *en;
    const char *zh;
};
const struct sh_expr_function *sh_expr_function(size_t i); /* NULL behind the last */

#endif /* SH_EXPR_H */
