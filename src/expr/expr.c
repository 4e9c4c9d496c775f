/* expr.c - compile, and what can be asked of a compiled expression.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr_int.h"

enum { ARENA_MAX = 1 << 20 };

sh_err sh_expr_compile(const struct sh_alloc *a, struct sh_str text, sh_expr_find find, void *ctx,
                       struct sh_expr **out, struct sh_expr_fault *fault)
{
    struct sh_expr_fault none = {0};
    *out = NULL;
    fault = fault == NULL ? &none : fault;
    *fault = (struct sh_expr_fault){0};
    struct sh_arena *ar = sh_arena_new(a, ARENA_MAX);
    struct build *b = ar == NULL ? NULL : sh_arena_get(ar, sizeof *b);
    if (b == NULL) {
        sh_arena_free(ar);
        return SH_E_NOMEM;
    }
    b->alloc = a;
    b->ar = ar;
    b->text = text;
    b->find = find;
    b->ctx = ctx;
    b->fault = fault;
    b->unit[UNIT_INDEX_NONE].kind = UNIT_NONE;
    b->unit[UNIT_INDEX_UNKNOWN].kind = UNIT_UNKNOWN;
    b->nunits = 2;
    struct term root = {0};
    sh_err err = SH_OK;
    if (text.n > SH_EXPR_TEXT_MAX) {
        err = expr_build_fault(b, SH_E_LIMIT, SH_EXPR_TEXT_MAX, 0,
                               "the expression is longer than %d bytes", "表达式超过 %d 字节",
                               SH_EXPR_TEXT_MAX);
    } else if (!sh_utf8_valid(text)) {
        err = expr_build_fault(b, SH_E_INVAL, 0, (uint32_t)text.n, "the text is not UTF-8",
                               "文本不是 UTF-8 编码");
    } else {
        err = expr_parse(b, &root);
    }
    err = err == SH_OK ? expr_emit(b, root.node, out) : err;
    sh_arena_free(ar);
    return err;
}

void sh_expr_free(struct sh_expr *e)
{
    if (e == NULL) {
        return;
    }
    sh_mem_free(e->alloc, e->inputs);
    sh_mem_free(e->alloc, e->konsts);
    sh_mem_free(e->alloc, e->code);
    sh_mem_free(e->alloc, e->k);
    sh_mem_free(e->alloc, e->bytes);
    sh_mem_free(e->alloc, e->unit_text);
    sh_mem_free(e->alloc, e);
}

enum sh_type sh_expr_type(const struct sh_expr *e)
{
    return e->type;
}

struct sh_str sh_expr_unit(const struct sh_expr *e)
{
    return sh_str_of(e->unit_text, e->unit_n);
}

size_t sh_expr_inputs(const struct sh_expr *e)
{
    return e->ninputs;
}

struct sh_str sh_expr_input_name(const struct sh_expr *e, size_t i)
{
    SH_ASSERT(i < e->ninputs);
    return e->inputs[i];
}

size_t sh_expr_state_bytes(const struct sh_expr *e)
{
    return e->slots * sizeof(struct slot);
}
