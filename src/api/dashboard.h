/* dashboard.h - dashboards inside the API: the check of their documents, and who sees what of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_DASHBOARD_H
#define SH_API_DASHBOARD_H

#include "api_int.h"

#define DASHBOARD_KIND SH_STR("_dashboard")

enum {
    DASHBOARDS_MAX = 1000,       /* of a tenant */
    DASHBOARDS_OWN_MAX = 200,    /* of one owner */
    DASHBOARD_BYTES = 128 << 10, /* of one document */
    DASHBOARD_WIDGETS = 200,
    DASHBOARD_POINTS = API_STREAM_POINTS, /* one stream shows them all */
    DASHBOARD_DEVICES = 1000
};

/* What the caller may see of a plant: values by history.read, devices by devices.read. Either may
 * hold for a part of it. Lives as long as the request. */
struct sight {
    struct api_req *r;
    bool values;
    bool devices;
    const struct sh_twin_parts *value_parts; /* NULL = everywhere */
    const struct sh_twin_parts *device_parts;
    const struct api_shown *only; /* a panel sees what its dashboard shows; NULL: is none */
};
/* SH_E_NOMEM. */
SH_MUST_CHECK sh_err sight_of(struct api_req *r, struct sight *out);
bool sight_of_device(const struct sight *s, struct sh_str device);
/* A point by its name or tag, also of one that does not exist (yet). */
bool sight_of_point(const struct sight *s, struct sh_str name);

/* The body's shape and limits: 0, or the status of a problem that names the place. */
int dashboard_check(struct api_req *r, const json_t *doc);
/* The first name that the caller may not see goes to a problem 403. 0: there is none. */
int dashboard_names_seen(struct api_req *r, const json_t *doc, const struct sight *s);

/* A dashboard that the caller may see, parsed (the caller frees it). 0 = found,
 * else it was answered. Blocks. */
int dashboard_find(struct api_req *r, struct sh_str id, struct sh_record_row *row, json_t **doc);

/* Each name of a point or device in a document; a table of devices and properties names the points
 * of both together. */
typedef void dashboard_name_fn(void *ctx, struct sh_str name);
void dashboard_points(const json_t *doc, dashboard_name_fn *fn, void *ctx, struct sh_arena *arena);
void dashboard_devices(const json_t *doc, dashboard_name_fn *fn, void *ctx);

#endif /* SH_API_DASHBOARD_H */
