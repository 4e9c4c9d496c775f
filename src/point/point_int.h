/* point_int.h - shared inside point: names, entries, change records.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_POINT_INT_H
#define SH_POINT_INT_H

#include <stdatomic.h>

#include <sh/point.h>

enum point_change_kind {
    POINT_DEFINE = 1,
    POINT_RENAME = 2,
    POINT_REMOVE = 3,
    POINT_TAG = 4,
    POINT_UNIT = 5
};

/* One change of the catalogue, as it stands in the journal and in points.log:
 * u8 kind, varint n (counts up over all changes), then per kind varints and texts (varint length,
 * bytes): DEFINE id tenant type previous device property unit; RENAME tenant from to; REMOVE tenant
 * device; TAG id tag; UNIT id unit. */
struct point_change {
    enum point_change_kind kind;
    uint64_t n;
    uint32_t id;
    uint32_t tenant;
    uint32_t previous;
    enum sh_type type;
    struct sh_str a; /* device, from, tag or unit */
    struct sh_str b; /* property, to */
    struct sh_str c; /* unit of DEFINE */
};
SH_MUST_CHECK sh_err point_change_write(const struct point_change *c, struct sh_buf *out);
/* SH_E_CORRUPT when the bytes are not one whole change. Views into in. */
SH_MUST_CHECK sh_err point_change_read(struct sh_bytes in, struct point_change *out);

#endif /* SH_POINT_INT_H */
