/* mb_pdu.h - Modbus frames: MBAP (TCP) and RTU (CRC-16), requests out and replies in. Pure
 * functions: no I/O, no clock, no heap, re-entrant. Spec: MODBUS Application Protocol V1.1b3, 4.1
 * (PDU), 6 (function codes), 7 (exceptions); MODBUS Messaging on TCP/IP V1.0b, 3.1.3 (MBAP); MODBUS
 * over Serial Line V1.02, 2.5.1 (RTU, CRC). SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MODBUS_PDU_H
#define SH_MODBUS_PDU_H

#include <sh/drv.h>

enum {
    MB_PDU_MAX = 253,
    MB_ADU_MAX = 260,
    MB_MBAP = 7, /* header with the unit */
    MB_MAX_REGS = 125,
    MB_MAX_BITS = 2000,
    MB_MAX_WRITE_REGS = 123
};

enum {
    MB_FC_READ_COILS = 1,
    MB_FC_READ_DISCRETES = 2,
    MB_FC_READ_HOLDING = 3,
    MB_FC_READ_INPUT = 4,
    MB_FC_WRITE_COIL = 5,
    MB_FC_WRITE_REG = 6,
    MB_FC_WRITE_COILS = 15,
    MB_FC_WRITE_REGS = 16,
    MB_FC_MASK_REG = 22,
    MB_FC_ERROR = 0x80
};

enum mb_framing { MB_TCP, MB_RTU };

/* What was asked, as far as the reply must agree with it. */
struct mb_expect {
    uint8_t unit;
    uint8_t fc;
    uint16_t at;
    uint16_t count; /* reads, 15, 16: how many; 5, 6: the value as written on the wire */
};

/* One frame found in a stream. */
struct mb_adu {
    uint16_t txn; /* MBAP only */
    uint8_t unit;
    struct sh_bytes pdu; /* borrowed: function code and data, at least 1 byte */
    size_t used;         /* bytes of the whole frame */
};

/* CRC-16 of RTU frames (polynomial A001 reflected, start FFFF); the low byte goes out first. */
uint16_t mb_crc16(const uint8_t *p, size_t n);

/* Writes the frame of a PDU (1..MB_PDU_MAX bytes); returns its length. */
size_t mb_frame_put(enum mb_framing framing, uint16_t txn, uint8_t unit, struct sh_bytes pdu,
                    uint8_t out[MB_ADU_MAX]);

/* Read request of 1..125 registers or 1..2000 bits. Returns the PDU's length. */
size_t mb_pdu_read(uint8_t fc, uint16_t at, uint16_t count, uint8_t out[MB_PDU_MAX]);
/* Write requests. `regs` are big-endian words, 1..123 of them. */
size_t mb_pdu_write_coil(uint16_t at, bool on, bool multiple, uint8_t out[MB_PDU_MAX]);
size_t mb_pdu_write_regs(uint16_t at, struct sh_bytes regs, bool multiple, uint8_t out[MB_PDU_MAX]);
size_t mb_pdu_mask(uint16_t at, uint16_t and_mask, uint16_t or_mask, uint8_t out[MB_PDU_MAX]);

/* Finds the MBAP frame at the front. SH_E_AGAIN: need more; SH_E_PROTO: this is not Modbus/TCP and
 * there is no way to find the next frame. */
SH_MUST_CHECK sh_err mb_tcp_next(struct sh_bytes in, struct mb_adu *out);

/* Finds the RTU reply to *want in a stream that may carry noise, late and foreign frames.
 *   SH_OK       out->used > 0; out->pdu.n == 0: these bytes are noise; else the reply, CRC good
 *   SH_E_AGAIN  what is here may become the reply
 * want == NULL: nothing is expected, all is noise. */
SH_MUST_CHECK sh_err mb_rtu_next(struct sh_bytes in, const struct mb_expect *want,
                                 struct mb_adu *out);

/* Compares a reply PDU with what was asked. DONE: *data is the registers or bits (reads), else
 * empty. REFUSED: *exception is the device's code (never 0). GARBLED: it answers something else. */
enum sh_drv_result mb_reply_check(struct sh_bytes pdu, const struct mb_expect *want,
                                  uint8_t *exception, struct sh_bytes *data);

/* Data bytes of a read reply. */
uint16_t mb_read_bytes(uint8_t fc, uint16_t count);

/* Words, code and sample quality of an exception (V1.1b3, 7). */
struct mb_exception {
    uint8_t number;
    uint8_t quality;
    const char *code;
    const char *words;
};
const struct mb_exception *mb_exception_of(uint8_t number); /* never NULL */

#endif /* SH_MODBUS_PDU_H */
