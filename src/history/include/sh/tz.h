/* tz.h - time zones: UTC offsets from the system's zone files (TZif, RFC 8536) or fixed.
 * Immutable once loaded; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TZ_H
#define SH_TZ_H

#include <sh/base.h>

struct sh_tz;

/* "Asia/Shanghai", "UTC", "Z", "+08:00". SH_E_INVAL not a name of a zone, SH_E_NOTFOUND no such
 * zone here, SH_E_CORRUPT its file is unreadable. May block (reads a file). */
SH_MUST_CHECK sh_err sh_tz_load(const struct sh_env *env, struct sh_str name, struct sh_tz **out);
/* From the bytes of a TZif file. SH_E_PROTO when they are not one. */
SH_MUST_CHECK sh_err sh_tz_parse(const struct sh_alloc *a, struct sh_bytes tzif,
                                 struct sh_tz **out);
void sh_tz_free(struct sh_tz *tz); /* NULL is accepted */

/* Seconds to add to UTC at this instant. */
int32_t sh_tz_offset(const struct sh_tz *tz, int64_t utc_us);
/* The instant of a local wall-clock time. A time that occurs twice: the first; a time that is
 * skipped: the instant of the change. */
int64_t sh_tz_to_utc(const struct sh_tz *tz, int64_t local_us);

#endif /* SH_TZ_H */
