/* bucket.c - where buckets begin and end.
 * Without a zone: multiples of the step since the epoch. With a zone: a step of whole days begins
 * at local midnight, counted in local days since 1970-01-01; a shorter step is counted from each
 * local midnight, and the last one of a day ends with the day (23 or 25 hours when the clock is
 * changed). SPDX-License-Identifier: Apache-2.0 */
#include "query_int.h"

static const int64_t day_us = (int64_t)86400 * 1000000;

static int64_t floor_div(int64_t a, int64_t b)
{
    const int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

static int64_t local_midnight(const struct sh_tz *tz, int64_t day)
{
    return sh_tz_to_utc(tz, day * day_us);
}

void query_bucket(const struct sh_history_query *q, int64_t t, int64_t *start, int64_t *end)
{
    if (q->step_us == 0) {
        *start = q->from_us;
        *end = q->to_us;
        return;
    }
    if (q->tz == NULL) {
        *start = floor_div(t, q->step_us) * q->step_us;
        *end = *start + q->step_us;
        return;
    }
    const int64_t local = t + (int64_t)sh_tz_offset(q->tz, t) * 1000000;
    int64_t day = floor_div(local, day_us);
    if (q->step_us >= day_us) {
        const int64_t days = q->step_us / day_us;
        day = floor_div(day, days) * days;
        *start = local_midnight(q->tz, day);
        *end = local_midnight(q->tz, day + days);
        return;
    }
    const int64_t begin = local_midnight(q->tz, day);
    const int64_t next = local_midnight(q->tz, day + 1);
    *start = begin + floor_div(t - begin, q->step_us) * q->step_us;
    *end = *start + q->step_us < next ? *start + q->step_us : next;
}

void sh_history_bucket(const struct sh_history_query *q, int64_t t, int64_t *start, int64_t *end)
{
    query_bucket(q, t, start, end);
}
