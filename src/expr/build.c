/* build.c - the list of nodes: equal ones are shared, constant ones computed at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "expr_int.h"

sh_err expr_build_fault(struct build *b, sh_err err, uint32_t at, uint32_t len, const char *en,
                        const char *zh, ...)
{
    if (b->err == SH_OK) {
        va_list ap;
        va_start(ap, zh);
        va_list again;
        va_copy(again, ap);
        b->fault->at = at;
        b->fault->len = len;
        (void)vsnprintf(b->fault->en, sizeof b->fault->en, en, ap);
        (void)vsnprintf(b->fault->zh, sizeof b->fault->zh, zh, again);
        va_end(again);
        va_end(ap);
    }
    b->err = b->err == SH_OK ? err : b->err;
    return err;
}

sh_err expr_build_words(struct build *b, sh_err err, uint32_t at, uint32_t len, const char *en,
                        const char *zh)
{
    if (b->err == SH_OK) {
        b->fault->at = at;
        b->fault->len = len;
        (void)snprintf(b->fault->en, sizeof b->fault->en, "%s", en);
        (void)snprintf(b->fault->zh, sizeof b->fault->zh, "%s", zh);
    }
    b->err = b->err == SH_OK ? err : b->err;
    return err;
}

static sh_err too_much(struct build *b)
{
    return expr_build_fault(b, SH_E_LIMIT, 0, (uint32_t)b->text.n,
                            "the expression has more than %d operations; divide it",
                            "表达式超过 %d 个运算，请拆分", SH_EXPR_NODES_MAX);
}

sh_err expr_build_unit(struct build *b, const struct unit *u, uint16_t *out)
{
    if (u->kind != UNIT_KNOWN) {
        *out = u->kind == UNIT_NONE ? UNIT_INDEX_NONE : UNIT_INDEX_UNKNOWN;
        return SH_OK;
    }
    for (uint16_t i = 0; i < b->nunits; i++) {
        const struct unit *v = &b->unit[i];
        if (v->kind == UNIT_KNOWN && v->code_n == u->code_n &&
            memcmp(v->code, u->code, u->code_n) == 0) {
            *out = i;
            return SH_OK;
        }
    }
    if (b->nunits == SH_EXPR_NODES_MAX) {
        return too_much(b);
    }
    b->unit[b->nunits] = *u;
    *out = b->nunits++;
    return SH_OK;
}

static bool same(const struct build *b, const struct node *n, const struct node *m)
{
    return n->op == m->op && n->type == m->type && n->unit == m->unit && n->null == m->null &&
           n->kn == m->kn && memcmp(n->arg, m->arg, sizeof n->arg) == 0 &&
           (n->kn == 0 || memcmp(&b->k[n->k], &b->k[m->k], n->kn * sizeof b->k[0]) == 0);
}

static struct vec const_vec(const struct build *b, const struct node *n)
{
    static const uint8_t yes = 1;
    return (struct vec){&b->k[n->k], n->null ? &yes : NULL, b->bytes};
}

/* Computes a node whose operands are constant. */
static sh_err fold(struct build *b, const struct node *n, struct op_info info, int nargs, int *out)
{
    struct vec v[ARGS] = {{0}};
    union sh_cell cell = {.bits = 0};
    uint8_t null[1] = {0};
    const struct sh_expr_rows rows = {.n = 1};
    for (int i = 0; i < nargs; i++) {
        v[i] = const_vec(b, &b->node[n->arg[i]]);
    }
    struct frame f = {.n = 1,
                      .d = &cell,
                      .dnull = null,
                      .a = v[0],
                      .b = v[1],
                      .c = v[2],
                      .k = &b->k[n->k],
                      .kn = n->kn,
                      .rows = &rows};
    SH_TRY(expr_op_apply(info.fn, info.flags, (unsigned)nargs, &f));
    if (f.nulls && null[0] != 0) {
        cell.bits = 0;
    }
    return expr_build_const(b, n->type, cell, f.nulls && null[0] != 0, n->unit, out);
}

static sh_err add(struct build *b, struct node *n, const union sh_cell *k, int *out)
{
    if (b->nnodes == SH_EXPR_NODES_MAX || b->nk + n->kn > sizeof b->k / sizeof b->k[0]) {
        return too_much(b);
    }
    n->k = b->nk;
    if (n->kn > 0) {
        memcpy(&b->k[b->nk], k, n->kn * sizeof *k);
    }
    for (int i = 0; i < b->nnodes; i++) {
        if (same(b, &b->node[i], n)) {
            *out = i;
            return SH_OK;
        }
    }
    if (n->op != OP_CONST && n->op != OP_INPUT) {
        int nargs = 0;
        while (nargs < ARGS && n->arg[nargs] != NO_NODE) {
            nargs++;
        }
        const struct op_info info = expr_op_info_get(n->op);
        if (!n->ephemeral && (info.flags & (INFO_TEXT | INFO_ROW | INFO_STATE)) == 0) {
            return fold(b, n, info, nargs, out);
        }
        if ((info.flags & INFO_STATE) != 0) {
            n->slot = b->slots++;
        }
    }
    b->nk += n->kn;
    *out = b->nnodes;
    b->node[b->nnodes++] = *n;
    return SH_OK;
}

sh_err expr_build_node_k(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                         const int *args, int nargs, const union sh_cell *k, uint32_t kn, int *out)
{
    struct node n = {.op = op, .type = type, .unit = unit, .kn = kn};
    n.ephemeral = op == OP_INPUT;
    if (op != OP_CONST && op != OP_INPUT) {
        n.ephemeral = (expr_op_info_get(op).flags & (INFO_ROW | INFO_STATE)) != 0;
    }
    for (int i = 0; i < ARGS; i++) {
        n.arg[i] = (int16_t)(i < nargs ? args[i] : NO_NODE);
        n.ephemeral |= i < nargs && b->node[args[i]].ephemeral;
    }
    return add(b, &n, k, out);
}

sh_err expr_build_node(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                       const int *args, int nargs, int *out)
{
    return expr_build_node_k(b, op, type, unit, args, nargs, NULL, 0, out);
}

sh_err expr_build_const(struct build *b, enum sh_type type, union sh_cell v, bool null,
                        uint16_t unit, int *out)
{
    struct node n = {.op = OP_CONST, .type = type, .unit = unit, .kn = 1, .null = null};
    n.arg[0] = n.arg[1] = n.arg[2] = NO_NODE;
    return add(b, &n, &v, out);
}

sh_err expr_build_text(struct build *b, struct sh_str s, int *out)
{
    if (b->nbytes + s.n > sizeof b->bytes) {
        return too_much(b);
    }
    if (s.n > 0) {
        memcpy(b->bytes + b->nbytes, s.p, s.n);
    }
    const union sh_cell v = {.span = {b->nbytes, (uint32_t)s.n}};
    b->nbytes += (uint32_t)s.n;
    return expr_build_const(b, SH_T_TEXT, v, false, UNIT_INDEX_NONE, out);
}

bool expr_build_number(const struct build *b, int node, double *out)
{
    const struct node *n = &b->node[node];
    if (n->op != OP_CONST || n->null || (n->type != SH_T_F64 && n->type != SH_T_I64)) {
        return false;
    }
    *out = n->type == SH_T_F64 ? b->k[n->k].f64 : (double)b->k[n->k].i64;
    return true;
}
