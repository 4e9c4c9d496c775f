/* emit.c - the program of a list of nodes: those that are needed, each in a register from where it
 * is made to its last use. Registers are numbered inputs, constants, temporaries.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr_int.h"

struct emitter {
    struct build *b;
    struct sh_expr *e;
    uint16_t free[SH_EXPR_NODES_MAX]; /* temporaries that are free again */
    size_t nfree;
};

static void count_uses(struct build *b, int root)
{
    b->node[root].uses = 1;
    for (int i = b->nnodes - 1; i >= 0; i--) {
        for (int k = 0; b->node[i].uses > 0 && k < ARGS; k++) {
            if (b->node[i].arg[k] != NO_NODE) {
                b->node[b->node[i].arg[k]].uses++;
            }
        }
    }
}

static sh_err copy(const struct sh_alloc *a, const void *from, size_t n, void *out)
{
    void *p = sh_mem_new(a, n > 0 ? n : 1);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    if (n > 0) {
        memcpy(p, from, n);
    }
    memcpy(out, &p, sizeof p);
    return SH_OK;
}

static sh_err copy_names(struct build *b, struct sh_expr *e)
{
    size_t bytes = 0;
    for (size_t i = 0; i < b->ninputs; i++) {
        bytes += b->input[i].n;
    }
    e->inputs = sh_mem_new(b->alloc, b->ninputs * sizeof *e->inputs + bytes + 1);
    if (e->inputs == NULL) {
        return SH_E_NOMEM;
    }
    char *at = (char *)(e->inputs + b->ninputs);
    for (size_t i = 0; i < b->ninputs; i++) {
        memcpy(at, b->input[i].p, b->input[i].n);
        e->inputs[i] = sh_str_of(at, b->input[i].n);
        at += b->input[i].n;
    }
    e->ninputs = b->ninputs;
    return SH_OK;
}

static void free_args(struct emitter *m, const struct node *n)
{
    struct sh_expr *e = m->e;
    for (int k = 0; k < ARGS && n->arg[k] != NO_NODE; k++) {
        struct node *arg = &m->b->node[n->arg[k]];
        if (--arg->uses == 0 && arg->reg >= e->ninputs + e->nkonsts) {
            m->free[m->nfree++] = arg->reg;
        }
    }
}

/* A node's register is never one of its operands': an operation may read them again. */
static void put_instr(struct emitter *m, struct node *n)
{
    struct sh_expr *e = m->e;
    const struct op_info info = expr_op_info_get(n->op);
    struct instr *in = &e->code[e->ncode++];
    *in = (struct instr){info.fn, info.flags, 0, 0, {0}, n->k, n->kn, n->slot};
    while (in->args < ARGS && n->arg[in->args] != NO_NODE) {
        in->arg[in->args] = m->b->node[n->arg[in->args]].reg;
        in->args++;
    }
    n->reg = m->nfree > 0 ? m->free[--m->nfree] : (uint16_t)(e->ninputs + e->nkonsts + e->ntemps++);
    in->dst = n->reg;
    free_args(m, n);
}

static sh_err fill(struct emitter *m, int root)
{
    struct build *b = m->b;
    struct sh_expr *e = m->e;
    for (int i = 0; i < b->nnodes; i++) {
        e->nkonsts += b->node[i].op == OP_CONST && b->node[i].uses > 0 ? 1 : 0;
    }
    e->konsts = sh_mem_new(b->alloc, (e->nkonsts + 1) * sizeof *e->konsts);
    e->code = sh_mem_new(b->alloc, ((size_t)b->nnodes + 1) * sizeof *e->code);
    if (e->konsts == NULL || e->code == NULL) {
        return SH_E_NOMEM;
    }
    size_t konst = 0;
    for (int i = 0; i < b->nnodes; i++) {
        struct node *n = &b->node[i];
        if (n->op == OP_INPUT) {
            n->reg = (uint16_t)b->k[n->k].bits;
        } else if (n->op == OP_CONST && n->uses > 0) {
            n->reg = (uint16_t)(e->ninputs + konst);
            e->konsts[konst++] = (struct konst){b->k[n->k], n->null};
        } else if (n->uses > 0) {
            put_instr(m, n);
        }
    }
    e->result = b->node[root].reg;
    return SH_OK;
}

sh_err expr_emit(struct build *b, int root, struct sh_expr **out)
{
    struct emitter *m = sh_arena_get(b->ar, sizeof *m);
    struct sh_expr *e = sh_mem_new(b->alloc, sizeof *e);
    if (m == NULL || e == NULL) {
        sh_mem_free(b->alloc, e);
        return SH_E_NOMEM;
    }
    e->alloc = b->alloc;
    e->type = b->node[root].type;
    e->slots = b->slots;
    m->b = b;
    m->e = e;
    count_uses(b, root);
    const struct unit *u = build_unit_of(b, root);
    sh_err err = copy_names(b, e);
    err = err == SH_OK ? fill(m, root) : err;
    err = err == SH_OK ? copy(b->alloc, b->k, b->nk * sizeof b->k[0], &e->k) : err;
    err = err == SH_OK ? copy(b->alloc, b->bytes, b->nbytes, &e->bytes) : err;
    e->unit_n = u->kind == UNIT_KNOWN ? u->code_n : 0;
    err = err == SH_OK ? copy(b->alloc, u->code, e->unit_n, &e->unit_text) : err;
    if (err != SH_OK) {
        sh_expr_free(e);
        return err;
    }
    *out = e;
    return SH_OK;
}
