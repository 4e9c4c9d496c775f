/* twin_map.h - where devices are: those of a filter in a box of the map, one by one, or gathered by
 * the squares of a grid when there are too many. Any thread; does not block (the lock is held for a
 * few thousand devices at a time). Positions are WGS-84 degrees.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_MAP_H
#define SH_TWIN_MAP_H

#include <sh/twin.h>

enum { SH_TWIN_SPOTS = 20000, SH_TWIN_GRID = 48 /* squares along each side of the box */ };

struct sh_twin_box { /* west > east: over the date line */
    double west, south, east, north;
};
struct sh_twin_spot {
    struct sh_str id;
    struct sh_str name; /* empty: none */
    double lat, lon;
    enum sh_twin_state state;
};
struct sh_twin_cluster {
    double lat, lon; /* middle of its devices */
    uint32_t online, offline, never;
};
struct sh_twin_map {
    struct sh_twin_spot *spots; /* in the arena; NULL when there are clusters */
    size_t nspots;
    struct sh_twin_cluster *clusters;
    size_t nclusters;
    uint64_t total;            /* devices of the filter */
    uint64_t placed;           /* of them with a position */
    uint64_t within;           /* of those in the box */
    struct sh_twin_box extent; /* of all that have a position; not set when placed == 0 */
};
/* box: NULL = everywhere. At most `max` spots, at most SH_TWIN_SPOTS. SH_E_INVAL: the filter. */
SH_MUST_CHECK sh_err sh_twin_map(struct sh_twin *t, const struct sh_twin_query *filter,
                                 const struct sh_twin_box *box, size_t max, struct sh_arena *ar,
                                 struct sh_twin_map *out, struct sh_diag *diag);

/* One device as a list shows it (an alias is found too), without its number of points.
 * SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_twin_device_row(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                                        struct sh_arena *ar, struct sh_twin_device *out);

#endif /* SH_TWIN_MAP_H */
