/* kernel_pick.c - the kernels for this processor, and where every operation is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr_int.h"

extern const struct kernel_table expr_kernels_base;
#ifdef KERNEL_X86
extern const struct kernel_table expr_kernels_v3;
extern const struct kernel_table expr_kernels_v4;
#endif

const struct kernel_table *expr_kernels_get(void)
{
#ifdef KERNEL_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return &expr_kernels_v4;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("fma")) {
        return &expr_kernels_v3;
    }
#endif
    return &expr_kernels_base;
}

struct op_info expr_op_info_get(enum op op)
{
    const op_fn fast = expr_kernels_get()->fn[op];
    if (fast != NULL) {
        const bool own = op == OP_SELECT || op == OP_AND || op == OP_OR;
        return (struct op_info){fast, own ? INFO_OWN : (op == OP_DIV_F ? INFO_MAKES : 0)};
    }
    struct op_info info = expr_math_op(op);
    info = info.fn != NULL ? info : expr_text_op(op);
    info = info.fn != NULL ? info : expr_state_op(op);
    SH_ASSERT(info.fn != NULL);
    return info;
}
