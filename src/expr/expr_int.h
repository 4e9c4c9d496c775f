/* expr_int.h - shared by the files of expr.
 * The text becomes a list of nodes, children before their parents (build.c); equal nodes are one,
 * constant ones are computed at once. The list is the program: emit.c gives each living node a
 * register, run.c walks through it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_EXPR_INT_H
#define SH_EXPR_INT_H

#include <sh/expr.h>

enum op {
    OP_CONST,
    OP_INPUT,
    OP_FLOAT, /* i64 to f64 */
    OP_INT,
    OP_CONVERT, /* by k[0..2]: (x * k0 + k1) / k2 */
    OP_ADD_F,
    OP_SUB_F,
    OP_MUL_F,
    OP_DIV_F,
    OP_MOD_F,
    OP_POW_F,
    OP_NEG_F,
    OP_ABS_F,
    OP_MIN_F,
    OP_MAX_F,
    OP_ADD_I,
    OP_SUB_I,
    OP_MUL_I,
    OP_MOD_I,
    OP_NEG_I,
    OP_ABS_I,
    OP_MIN_I,
    OP_MAX_I,
    OP_LT_F,
    OP_LE_F,
    OP_EQ_F,
    OP_NE_F,
    OP_LT_I,
    OP_LE_I,
    OP_EQ_I, /* bool too */
    OP_NE_I,
    OP_LT_T,
    OP_LE_T,
    OP_EQ_T,
    OP_NE_T,
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_SELECT,
    OP_SELECT_T,
    OP_COALESCE,
    OP_COALESCE_T,
    OP_ISNULL,
    OP_SQRT,
    OP_EXP,
    OP_LN,
    OP_LOG10,
    OP_LOG2,
    OP_SIN,
    OP_COS,
    OP_TAN,
    OP_ASIN,
    OP_ACOS,
    OP_ATAN,
    OP_ATAN2,
    OP_SIGN,
    OP_FLOOR,
    OP_CEIL,
    OP_TRUNC,
    OP_ROUND,
    OP_ROUND_TO,
    OP_LOOKUP, /* straight lines through the pairs of k */
    OP_BAND,
    OP_BOR,
    OP_BXOR,
    OP_SHL,
    OP_SHR,
    OP_BIT,
    OP_TIME,
    OP_YEAR,
    OP_MONTH,
    OP_DAY,
    OP_HOUR,
    OP_MINUTE,
    OP_WEEKDAY,
    OP_LEN,
    OP_CONTAINS,
    OP_STARTS,
    OP_ENDS,
    OP_CONCAT,
    OP_SUBSTR,
    OP_UPPER,
    OP_LOWER,
    OP_TRIM,
    OP_TEXT_F,
    OP_TEXT_I,
    OP_TEXT_B,
    OP_NUMBER,
    OP_PREV,
    OP_LAST,
    OP_CHANGE_F,
    OP_CHANGE_I,
    OP_RATE,
    OP_INTEGRAL,
    OP_SUM,
    OP_EMA,
    OP_HYSTERESIS,
    OP_DEBOUNCE,
    OP_DURATION,
    OP_COUNT,
    OP_RISING,
    OP_FALLING,
    OP_COUNT_OF
};

/* ---- execution ---- */

/* A column in a register; null == NULL: all rows have a value. */
struct vec {
    const union sh_cell *v;
    const uint8_t *null;
    const uint8_t *bytes;
};
/* Text that an evaluation makes. */
struct made {
    const struct sh_alloc *alloc;
    uint8_t *p; /* SH_EXPR_MADE_MAX bytes, or NULL */
    uint32_t n;
};
/* What an operation remembers; zero at first. */
struct slot {
    double x;
    double y;
    int64_t t;
    uint64_t flags;
};
/* One operation over n rows. Before it runs, dnull holds the nulls of the operands where `nulls` is
 * set or the operation may make some (INFO_MAKES); an operation that is INFO_OWN writes dnull
 * itself. It sets `nulls` when it wrote a 1. */
struct frame {
    uint32_t n;
    union sh_cell *restrict d;
    uint8_t *restrict dnull;
    bool nulls;
    struct vec a;
    struct vec b;
    struct vec c;
    const union sh_cell *k;
    uint32_t kn;
    struct slot *slot;
    const struct sh_expr_rows *rows;
    struct made *made; /* texts */
};
typedef sh_err (*op_fn)(struct frame *f);

enum {
    INFO_MAKES = 1, /* may give null where its operands have values */
    INFO_OWN = 2,   /* decides about null itself */
    INFO_STATE = 4, /* remembers */
    INFO_ROW = 8,   /* of the row's time: not constant */
    INFO_TEXT = 16  /* makes text */
};
struct op_info {
    op_fn fn;
    uint8_t flags;
};
/* Of an operation, with the fastest kernel for this processor. */
struct op_info expr_op_info_get(enum op op);

/* kernels.c, compiled once per target: NULL for what is not there. */
struct kernel_table {
    op_fn fn[OP_COUNT_OF];
};
const struct kernel_table *expr_kernels_get(void);
/* math.c, text.c, state.c: the others. fn == NULL: not of that file. */
struct op_info expr_math_op(enum op op);
struct op_info expr_text_op(enum op op);
struct op_info expr_state_op(enum op op);

static inline bool vec_null(const struct vec *v, uint32_t i)
{
    return v->null != NULL && v->null[i] != 0;
}
static inline struct sh_str vec_text(const struct vec *v, uint32_t i)
{
    const union sh_cell c = v->v[i];
    return c.span.len == 0 ? (struct sh_str){NULL, 0}
                           : sh_str_of((const char *)v->bytes + c.span.off, c.span.len);
}
/* Runs one operation: first the nulls of its operands, as its flags say. */
sh_err expr_op_apply(op_fn fn, unsigned flags, unsigned nargs, struct frame *f);
/* Room for n more bytes; NULL at the limit or without memory (*err says which). */
uint8_t *expr_made_room(struct made *m, uint32_t n, sh_err *err);

/* ---- units ---- */

enum unit_kind {
    UNIT_NONE,    /* a plain number: takes the unit of what it meets */
    UNIT_UNKNOWN, /* a point without a unit: goes with any, and so does what is made of it */
    UNIT_KNOWN
};
struct unit {
    enum unit_kind kind;
    struct sh_unit u;
    uint8_t code_n;
    char code[SH_UNIT_MAX_CHARS];
};
sh_err expr_unit_of_code(struct sh_str code, struct unit *out, struct sh_diag *diag);
/* The units of a product, a quotient, a root. SH_E_INVAL: a temperature scale in a product;
 * SH_E_LIMIT: no code for it. */
sh_err expr_unit_product(const struct unit *a, const struct unit *b, struct unit *out);
sh_err expr_unit_quotient(const struct unit *a, const struct unit *b, struct unit *out);
sh_err expr_unit_power(const struct unit *a, int n, struct unit *out);
/* root is in base units: convert the operand to *base first. SH_E_INVAL: an odd power. */
sh_err expr_unit_root(const struct unit *a, struct unit *base, struct unit *root);
bool expr_unit_same(const struct unit *a, const struct unit *b);
bool expr_unit_dimensionless(const struct unit *u);

/* ---- the program ---- */

enum { ARGS = 3, NO_NODE = -1 };
struct node {
    enum op op;
    enum sh_type type;
    int16_t arg[ARGS]; /* nodes before this one; NO_NODE */
    uint16_t uses;
    uint16_t reg;   /* emit.c */
    bool null;      /* OP_CONST: null */
    uint32_t k;     /* OP_CONST: its cell; else the first of its constants */
    uint32_t kn;    /* how many; OP_INPUT: which input is k */
    uint32_t slot;  /* INFO_STATE: which */
    uint16_t unit;  /* in units */
    bool ephemeral; /* depends on rows or state: not constant */
};

struct instr {
    op_fn fn;
    uint8_t flags;
    uint8_t args;
    uint16_t dst;
    uint16_t arg[ARGS];
    uint32_t k;
    uint32_t kn;
    uint32_t slot;
};
/* Registers: inputs, then constants, then temporaries. */
struct konst {
    union sh_cell cell;
    bool null;
};
struct sh_expr {
    const struct sh_alloc *alloc;
    enum sh_type type;
    char *unit_text;
    size_t unit_n;
    size_t ninputs;
    struct sh_str *inputs;
    struct konst *konsts; /* of the constant registers */
    size_t nkonsts;
    size_t ntemps;
    struct instr *code;
    size_t ncode;
    uint16_t result;
    uint32_t slots;
    union sh_cell *k; /* constants of operations */
    uint8_t *bytes;   /* of constant texts */
};

/* While it is compiled; all in one arena. */
struct build {
    const struct sh_alloc *alloc;
    struct sh_arena *ar;
    struct sh_str text;
    sh_expr_find find;
    void *ctx;
    struct sh_expr_fault *fault;
    sh_err err; /* the first */
    struct node node[SH_EXPR_NODES_MAX];
    int nnodes;
    struct sh_str input[SH_EXPR_INPUTS_MAX];
    int input_node[SH_EXPR_INPUTS_MAX];
    size_t ninputs;
    struct unit unit[SH_EXPR_NODES_MAX];
    uint16_t nunits;
    union sh_cell k[SH_EXPR_NODES_MAX * 4];
    uint32_t nk;
    uint8_t bytes[SH_EXPR_TEXT_MAX * 2];
    uint32_t nbytes;
    uint32_t slots;
};

/* A part of the text and its node. */
struct term {
    int node;
    uint32_t at;
    uint32_t len;
};

/* Notes the first fault at [at, at + len); answers err. */
sh_err expr_build_fault(struct build *b, sh_err err, uint32_t at, uint32_t len, const char *en,
                        const char *zh, ...) SH_PRINTF(5, 7) SH_PRINTF(6, 7);
/* The same for words that are no formats. */
sh_err expr_build_words(struct build *b, sh_err err, uint32_t at, uint32_t len, const char *en,
                        const char *zh);
/* Makes a node: op, type, unit (index), args; folds and shares. */
sh_err expr_build_node(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                       const int *args, int nargs, int *out);
sh_err expr_build_node_k(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                         const int *args, int nargs, const union sh_cell *k, uint32_t kn, int *out);
sh_err expr_build_const(struct build *b, enum sh_type type, union sh_cell v, bool null,
                        uint16_t unit, int *out);
sh_err expr_build_text(struct build *b, struct sh_str s, int *out);
sh_err expr_build_unit(struct build *b, const struct unit *u, uint16_t *out);
static inline const struct unit *build_unit_of(const struct build *b, int node)
{
    return &b->unit[b->node[node].unit];
}
/* The value of a constant f64 or i64 that is not null. */
bool expr_build_number(const struct build *b, int node, double *out);
enum { UNIT_INDEX_NONE, UNIT_INDEX_UNKNOWN }; /* the first two units */

/* rules.c: operators and what they ask of types and units. */
enum binary {
    BIN_ADD,
    BIN_SUB,
    BIN_MUL,
    BIN_DIV,
    BIN_MOD,
    BIN_POW,
    BIN_LT,
    BIN_LE,
    BIN_GT,
    BIN_GE,
    BIN_EQ,
    BIN_NE,
    BIN_AND,
    BIN_OR
};
sh_err expr_rule_binary(struct build *b, enum binary op, const struct term *l, const struct term *r,
                        struct term *out);
sh_err expr_rule_negate(struct build *b, const struct term *x, struct term *out);
sh_err expr_rule_not(struct build *b, const struct term *x, struct term *out);
sh_err expr_rule_select(struct build *b, const struct term *c, const struct term *x,
                        const struct term *y, struct term *out);
/* Both to one type and unit, which *unit tells, for what is compared or chosen from them; both must
 * be numbers when `number`. */
sh_err expr_rule_unify(struct build *b, struct term *x, struct term *y, bool number,
                       uint16_t *unit);
/* Must be of this type; a literal null becomes one. */
sh_err expr_rule_want(struct build *b, struct term *x, enum sh_type t);
/* A number to f64. */
sh_err expr_rule_float(struct build *b, struct term *x);
/* To f64 in the unit `code`; a plain number, or one whose unit is not known, is taken as one. */
sh_err expr_rule_in(struct build *b, struct term *x, const char *code);
/* A value of a temperature scale to kelvin, as differences are; else nothing. */
sh_err expr_rule_kelvin(struct build *b, struct term *x);
/* One operation over terms; out's place is the caller's. */
sh_err expr_rule_op(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                    const struct term *args, int nargs, struct term *out);

/* functions.c: a call. name is [at, at + len). */
enum { CALL_ARGS_MAX = 64 };
sh_err expr_call_build(struct build *b, struct sh_str name, struct term *args, size_t nargs,
                       struct term *out);

/* parse.c: the whole text; the root. */
sh_err expr_parse(struct build *b, struct term *root);
/* emit.c: the program of the nodes below root. */
sh_err expr_emit(struct build *b, int root, struct sh_expr **out);

#endif /* SH_EXPR_INT_H */
