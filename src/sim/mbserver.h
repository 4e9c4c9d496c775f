/* mbserver.h - the demo plant's Modbus/TCP server: frames in, frames out, and the register map of
 * the plant. Pure: no I/O. Written apart from the driver, so that the two check each other. Spec:
 * MODBUS Application Protocol V1.1b3, 6 and 7; Messaging on TCP/IP V1.0b, 3.1.3.
 *
 * The map (addresses counted from 1, as the driver writes them; all floats are abcd):
 *   unit 1, water loop, input registers, float32:
 *     3x1 pump flow m3/h      3x3 discharge bar    3x5 suction bar      3x7 pump head m
 *     3x9 pump speed %        3x11 motor current A 3x13 motor power kW  3x15 motor temperature C
 *     3x17 bearing temp. C    3x19 vibration mm/s  3x21 tank level m    3x23 sump level m
 *     3x25 valve position %   3x27 return flow m3/h  3x29 run hours h   3x31 leaked m3 (hidden
 * truth) 3x41 status word: bit 0 running, 1 automatic, 2 tripped, 3 level low, 4 level high 3x42
 * int16 tank level as a 4-20 mA card gives it: 0..27648 for 0..4 m 3x51 string16 name of the
 * station unit 1, holding registers: 4x1 uint16 speed set point 0.1 %   4x2 uint16 valve set point
 * 0.1 % 4x3 uint16 level set point mm      4x5 float32 demand factor 0..2 unit 1, coils: 0x1 pump
 * on, 0x2 automatic, 0x3 reset trip (pulse); faults: 0x11 valve stuck, 0x12 bearing wear, 0x13
 * leak, 0x14 level sensor stuck, 0x15 communication loss (ends after 60 s) unit 1, discrete inputs:
 * 1x1 running, 1x2 tripped, 1x3 level low, 1x4 level high units 11..14, meters (main, pump, cell,
 * compressors), input registers: 3x1 voltage V  3x3 current A  3x5 power kW  3x7 reactive kvar  3x9
 * power factor  3x11 Hz 3x13 peak kW (float32 each)  3x21 uint32 energy 0.01 kWh  3x25 float64
 * energy kWh SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SIM_MBSERVER_H
#define SH_SIM_MBSERVER_H

#include <sh/base.h>

#include "plant.h"

enum { MBS_FRAME = 260, MBS_COMM_LOSS_S = 60 };

/* Serves the frame at the front of `in`.
 *   SH_OK       *used bytes are done with; out holds a reply of *n_out bytes
 *   SH_E_AGAIN  need more
 *   SH_E_PROTO  not Modbus/TCP: close */
SH_MUST_CHECK sh_err mbs_serve(struct plant *p, struct sh_bytes in, size_t *used,
                               uint8_t out[MBS_FRAME], size_t *n_out);

#endif /* SH_SIM_MBSERVER_H */
