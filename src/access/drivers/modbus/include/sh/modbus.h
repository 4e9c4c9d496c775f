/* modbus.h - the Modbus driver: TCP (MBAP) and RTU frames over TCP. See docs/drivers/modbus.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MODBUS_H
#define SH_MODBUS_H

#include <sh/drv.h>

/* Name "modbus". Listed in the program's table of drivers. */
extern const struct sh_driver sh_driver_modbus;

#endif /* SH_MODBUS_H */
