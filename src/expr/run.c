/* run.c - a program is evaluated, all rows by one operation after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr_int.h"

/* A register's memory. Constants are kept as they are filled in: most calls find them done. */
struct store {
    union sh_cell v[SH_EXPR_ROWS];
    uint8_t null[SH_EXPR_ROWS];
    struct konst konst;
    uint32_t filled; /* rows that hold konst */
};
struct sh_expr_run {
    const struct sh_alloc *alloc;
    struct store **store;
    struct vec *vec;
    size_t cap;
    struct made made;
};

sh_err sh_expr_run_new(const struct sh_alloc *a, struct sh_expr_run **out)
{
    struct sh_expr_run *r = sh_mem_new(a, sizeof *r);
    *out = r;
    if (r == NULL) {
        return SH_E_NOMEM;
    }
    r->alloc = a;
    r->made.alloc = a;
    return SH_OK;
}

void sh_expr_run_free(struct sh_expr_run *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->cap; i++) {
        sh_mem_free(r->alloc, r->store[i]);
    }
    sh_mem_free(r->alloc, r->store);
    sh_mem_free(r->alloc, r->vec);
    sh_mem_free(r->alloc, r->made.p);
    sh_mem_free(r->alloc, r);
}

/* All room at once, so that texts never move while an operation reads some and makes others. */
uint8_t *expr_made_room(struct made *m, uint32_t n, sh_err *err)
{
    if (m->p == NULL) {
        m->p = sh_mem_new(m->alloc, SH_EXPR_MADE_MAX);
    }
    if (m->p == NULL || n > SH_EXPR_MADE_MAX - m->n) {
        *err = m->p == NULL ? SH_E_NOMEM : SH_E_LIMIT;
        return NULL;
    }
    uint8_t *at = m->p + m->n;
    m->n += n;
    return at;
}

static void or_nulls(uint8_t *restrict d, const uint8_t *restrict s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        d[i] |= s[i];
    }
}

sh_err expr_op_apply(op_fn fn, unsigned flags, unsigned nargs, struct frame *f)
{
    f->nulls = false;
    if ((flags & INFO_OWN) == 0) {
        const struct vec *const v[ARGS] = {&f->a, &f->b, &f->c};
        for (unsigned k = 0; k < nargs && k < ARGS; k++) {
            if (v[k]->null == NULL) {
                continue;
            }
            if (f->nulls) {
                or_nulls(f->dnull, v[k]->null, f->n);
            } else {
                memcpy(f->dnull, v[k]->null, f->n);
                f->nulls = true;
            }
        }
        if (!f->nulls && (flags & INFO_MAKES) != 0) {
            memset(f->dnull, 0, f->n);
        }
    }
    return fn(f);
}

/* The first `own` registers of a program borrow the caller's columns and need no memory. */
static sh_err reserve(struct sh_expr_run *r, size_t n, size_t own)
{
    if (n > r->cap) {
        struct store **store = sh_mem_resize(r->alloc, r->store, n * sizeof(void *));
        r->store = store == NULL ? r->store : store;
        struct vec *vec = store == NULL ? NULL : sh_mem_resize(r->alloc, r->vec, n * sizeof *vec);
        if (vec == NULL) {
            return SH_E_NOMEM;
        }
        r->vec = vec;
        memset(&r->store[r->cap], 0, (n - r->cap) * sizeof(void *));
        r->cap = n;
    }
    for (size_t i = own; i < n; i++) {
        if (r->store[i] == NULL) {
            r->store[i] = sh_mem_new(r->alloc, sizeof(struct store));
            if (r->store[i] == NULL) {
                return SH_E_NOMEM;
            }
        }
    }
    return SH_OK;
}

static void put_konst(struct store *s, const struct konst *k, uint32_t n, struct vec *out,
                      const uint8_t *bytes)
{
    if (s->filled < n || s->konst.cell.bits != k->cell.bits || s->konst.null != k->null) {
        for (uint32_t i = 0; i < n; i++) {
            s->v[i] = k->cell;
        }
        memset(s->null, k->null ? 1 : 0, n);
        s->konst = *k;
        s->filled = n;
    }
    *out = (struct vec){s->v, k->null ? s->null : NULL, bytes};
}

static sh_err step(const struct sh_expr *e, struct sh_expr_run *run, struct slot *slots,
                   const struct sh_expr_rows *rows, const struct instr *in)
{
    struct store *s = run->store[in->dst];
    struct frame f = {.n = rows->n,
                      .d = s->v,
                      .dnull = s->null,
                      .k = &e->k[in->k],
                      .kn = in->kn,
                      .rows = rows,
                      .made = &run->made};
    s->filled = 0;
    f.a = in->args > 0 ? run->vec[in->arg[0]] : f.a;
    f.b = in->args > 1 ? run->vec[in->arg[1]] : f.b;
    f.c = in->args > 2 ? run->vec[in->arg[2]] : f.c;
    if ((in->flags & INFO_STATE) != 0) {
        f.slot = &slots[in->slot];
    }
    SH_TRY(expr_op_apply(in->fn, in->flags, in->args, &f));
    run->vec[in->dst] = (struct vec){s->v, f.nulls ? s->null : NULL,
                                     (in->flags & INFO_TEXT) != 0 ? run->made.p : NULL};
    return SH_OK;
}

sh_err sh_expr_eval(const struct sh_expr *e, struct sh_expr_run *run, void *state,
                    const struct sh_expr_rows *rows, struct sh_expr_column *out)
{
    SH_ASSERT(rows->n <= SH_EXPR_ROWS && (state != NULL || e->slots == 0));
    const size_t temps = e->ninputs + e->nkonsts;
    SH_TRY(reserve(run, temps + e->ntemps, e->ninputs));
    run->made.n = 0;
    for (size_t i = 0; i < e->ninputs; i++) {
        run->vec[i] = (struct vec){rows->in[i].value, rows->in[i].null, rows->in[i].bytes};
    }
    for (size_t i = 0; i < e->nkonsts; i++) {
        put_konst(run->store[e->ninputs + i], &e->konsts[i], rows->n, &run->vec[e->ninputs + i],
                  e->bytes);
    }
    for (size_t i = 0; i < e->ncode; i++) {
        SH_TRY(step(e, run, state, rows, &e->code[i]));
    }
    const struct vec *v = &run->vec[e->result];
    *out = (struct sh_expr_column){v->v, v->null, v->bytes};
    return SH_OK;
}
