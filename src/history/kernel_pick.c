/* kernel_pick.c - the kernels for this processor.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernel_bits.h"

extern const struct kernels kernels_base;
#ifdef KERNEL_X86
extern const struct kernels kernels_v3;
extern const struct kernels kernels_v4;
#endif

const struct kernels *kernels_get(void)
{
#ifdef KERNEL_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return &kernels_v4;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("fma")) {
        return &kernels_v3;
    }
#endif
    return &kernels_base;
}
