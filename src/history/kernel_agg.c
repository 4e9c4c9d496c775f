/* kernel_agg.c - sums over columns. Eight running sums, so that the loop vectorises without
 * changing what it computes from one compiler to the next. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "agg.h"

enum { WAYS = 8 };

void kernel_numbers(const double *v, uint32_t n, struct agg_numbers *out)
{
    double sum[WAYS] = {0};
    double min[WAYS];
    double max[WAYS];
    uint64_t good[WAYS] = {0};
    for (unsigned k = 0; k < WAYS; k++) {
        min[k] = (double)INFINITY;
        max[k] = -(double)INFINITY;
    }
    uint32_t i = 0;
    for (; i + WAYS <= n; i += WAYS) {
        for (unsigned k = 0; k < WAYS; k++) {
            const double x = v[i + k];
            const double s = x == x ? x : 0.0;
            sum[k] += s;
            min[k] = x < min[k] ? x : min[k];
            max[k] = x > max[k] ? x : max[k];
            good[k] += x == x;
        }
    }
    for (; i < n; i++) {
        const double x = v[i];
        sum[0] += x == x ? x : 0.0;
        min[0] = x < min[0] ? x : min[0];
        max[0] = x > max[0] ? x : max[0];
        good[0] += x == x;
    }
    *out = (struct agg_numbers){.min = min[0], .max = max[0]};
    uint64_t all = 0;
    for (unsigned k = 0; k < WAYS; k++) {
        out->sum += sum[k];
        out->min = min[k] < out->min ? min[k] : out->min;
        out->max = max[k] > out->max ? max[k] : out->max;
        all += good[k];
    }
    out->nan = n - (uint32_t)all;
}
