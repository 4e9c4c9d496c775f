/* quota.c - what tenants use of their quotas when the node starts: devices, points and files that
 * are there. SPDX-License-Identifier: Apache-2.0 */
#include <sh/twin_file.h>

#include "main_int.h"

/* Points of a tenant mostly follow each other: one call for each run of them. */
static void count_points(struct node *n)
{
    uint32_t tenant = SH_TENANT_NONE;
    uint64_t run = 0;
    for (uint32_t id = 1; id <= sh_points_last_id(n->points); id++) {
        const struct sh_point *p = sh_points_get(n->points, id);
        if (p == NULL || sh_point_is_event(p)) {
            continue; /* events are not charged either when they are made */
        }
        if (p->tenant != tenant && run > 0) {
            sh_guard_used(n->guard, tenant, SH_QUOTA_POINTS, run);
            run = 0;
        }
        tenant = p->tenant;
        run++;
    }
    if (run > 0) {
        sh_guard_used(n->guard, tenant, SH_QUOTA_POINTS, run);
    }
}

/* Those of an owner that is no more (a crash came between) go first. */
static void count_files(struct node *n)
{
    uint64_t removed = 0;
    const sh_err err = sh_twin_files_sweep(n->twin, &removed);
    if (err != SH_OK || removed > 0) {
        sh_log(n->env.log, SH_LOG_INFO, "main", "files without an owner: %llu removed (%s)",
               (unsigned long long)removed, sh_err_name(err));
    }
    for (uint32_t tenant = 1; tenant <= sh_guard_last_tenant(n->guard); tenant++) {
        uint64_t files = 0;
        uint64_t bytes = 0;
        sh_twin_files_use(n->twin, tenant, &files, &bytes);
        if (bytes > 0) {
            sh_guard_used(n->guard, tenant, SH_QUOTA_STORAGE, bytes);
        }
    }
}

/* On the record store's writer thread. */
static void count_idle(void *ctx, uint32_t tenant, int64_t bytes)
{
    struct node *n = ctx;
    if (bytes > 0) {
        sh_guard_used(n->guard, tenant, SH_QUOTA_STORAGE, (uint64_t)bytes);
    } else {
        sh_guard_unuse(n->guard, tenant, SH_QUOTA_STORAGE, (uint64_t)-bytes);
    }
}

/* Content that no file refers to counts as long as it is there: once for a tenant. */
static void count_blobs(struct node *n)
{
    const sh_err err = sh_record_blob_count(n->record, count_idle, n);
    if (err != SH_OK && err != SH_E_UNSUPPORTED) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "stored contents are not counted: %s",
               sh_err_name(err));
    }
}

void node_count_use(struct node *n)
{
    count_files(n);
    count_blobs(n);
    for (uint32_t tenant = 1; tenant <= sh_guard_last_tenant(n->guard); tenant++) {
        struct sh_twin_counts c;
        sh_twin_counts(n->twin, tenant, &c);
        if (c.total + c.demo > 0) {
            sh_guard_used(n->guard, tenant, SH_QUOTA_DEVICES, (uint64_t)c.total + c.demo);
        }
    }
    count_points(n);
}
