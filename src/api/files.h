/* files.h - files of devices, assets and thing models: what the handlers have in common.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_FILES_H
#define SH_API_FILES_H

#include <sh/twin_file.h>

#include "api_int.h"

enum { FILES_UPLOADS_MAX = 32 };

/* Whose files the path is about, by the caller's rights: 0, or the status of a problem. */
int files_owner(struct api_req *r, struct sh_twin_owner *o);
/* "device:pump" as the audit names it; in the arena. */
struct sh_str files_object(struct api_req *r, const struct sh_twin_owner *o);
/* Is the file the picture of its asset's plan? (plans.c) */
bool files_in_plan(struct api_req *r, const struct sh_twin_owner *o, struct sh_str file);
/* 422: the quota of storage does not hold it. */
int files_quota_used_up(struct api_req *r);
void files_put(struct api_req *r, const struct sh_twin_file *f);

#endif /* SH_API_FILES_H */
