/* mb_plan.h - from a plan of tags to read groups: the configuration of channel and devices, the
 * addresses, and which registers one request fetches. No I/O.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MODBUS_PLAN_H
#define SH_MODBUS_PLAN_H

#include <sh/poller.h>

#include "mb_addr.h"
#include "mb_pdu.h"

struct mb_channel {
    uint8_t framing;       /* enum mb_framing */
    uint8_t max_in_flight; /* 1..16, RTU always 1 */
    uint16_t gap_ms;       /* pause before the next request */
    uint32_t timeout_ms;
    uint32_t sick_ms;
    uint32_t dead_after;
};

struct mb_dev {
    uint32_t period_ms;
    uint16_t max_regs; /* 1..125 */
    uint16_t max_bits; /* 1..2000 */
    uint16_t gap_regs; /* unused registers that a group may read through */
    uint16_t gap_bits;
    uint8_t unit;
    uint8_t order;      /* enum mb_order: of addresses that do not say one */
    bool multiple_only; /* writes by 15 and 16 only */
    bool writable;
};

struct mb_point {
    struct mb_addr addr;
    uint32_t tag;
    uint32_t device;
    uint32_t period_ms;
    uint32_t group;
    uint8_t fault; /* exception told by the last sample, 0 = none */
};

/* Points [first, first + n) of the sorted list, all in [at, at + count) of one area. */
struct mb_group {
    uint32_t device;
    uint32_t first;
    uint32_t n;
    uint16_t at;
    uint16_t count;
    uint8_t area;
    bool solo;       /* the device refused the group as a whole: its points are asked one by one */
    bool asked;      /* a request left and no reply came yet */
    uint32_t cursor; /* solo: next point */
};

struct mb_plan {
    const struct sh_alloc *alloc;
    struct mb_dev *devs;
    struct mb_point *points; /* sorted by device, period, area, address */
    uint32_t *point_of_tag;
    struct mb_group *groups;
    struct sh_poll_group *polls; /* the same, for the poller */
    uint32_t n_devs;
    uint32_t n_points;
    uint32_t n_groups;
};

/* config may be NULL: defaults. SH_E_INVAL with diag. */
SH_MUST_CHECK sh_err mb_channel_parse(const json_t *config, struct mb_channel *out,
                                      struct sh_diag *diag);
SH_MUST_CHECK sh_err mb_dev_parse(const json_t *config, struct mb_dev *out, struct sh_diag *diag);

/* Compiles a plan. Every tag is in exactly one group; a group reads at most the device's limit,
 * never through more than the gap of unused registers, and begins and ends with a point. On an
 * error nothing is held. SH_E_INVAL (diag), SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err mb_plan_init(struct mb_plan *p, const struct sh_alloc *a,
                                  const struct sh_drv_plan *in, struct sh_diag *diag);
void mb_plan_fini(struct mb_plan *p);

#endif /* SH_MODBUS_PLAN_H */
