/* telemetry.h - what the plant says by MQTT: one JSON message a device and second.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SIM_TELEMETRY_H
#define SH_SIM_TELEMETRY_H

#include <sh/base.h>

#include "plant.h"

enum { TELEMETRY_DEVICES = 4 }; /* cnc-01, air-01, air-02, air-room */

/* Appends {"ts":ms,"values":{...}} of a device; topic is static. */
SH_MUST_CHECK sh_err telemetry_write(const struct plant *p, unsigned device, int64_t ts_ms,
                                     struct sh_str *topic, struct sh_buf *out);
/* Topics of commands, ended by NULL. */
const char *const *telemetry_commands(void);

#endif /* SH_SIM_TELEMETRY_H */
