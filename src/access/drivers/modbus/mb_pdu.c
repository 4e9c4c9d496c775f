/* mb_pdu.c - Modbus frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mb_pdu.h"

uint16_t mb_crc16(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int b = 0; b < 8; b++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xa001 : crc >> 1;
        }
    }
    return (uint16_t)crc;
}

size_t mb_frame_put(enum mb_framing framing, uint16_t txn, uint8_t unit, struct sh_bytes pdu,
                    uint8_t out[MB_ADU_MAX])
{
    SH_ASSERT(pdu.n >= 1 && pdu.n <= MB_PDU_MAX);
    if (framing == MB_TCP) {
        sh_put_be16(out, txn);
        sh_put_be16(out + 2, 0);
        sh_put_be16(out + 4, (uint16_t)(pdu.n + 1));
        out[6] = unit;
        memcpy(out + MB_MBAP, pdu.p, pdu.n);
        return MB_MBAP + pdu.n;
    }
    out[0] = unit;
    memcpy(out + 1, pdu.p, pdu.n);
    sh_put_le16(out + 1 + pdu.n, mb_crc16(out, pdu.n + 1));
    return pdu.n + 3;
}

size_t mb_pdu_read(uint8_t fc, uint16_t at, uint16_t count, uint8_t out[MB_PDU_MAX])
{
    out[0] = fc;
    sh_put_be16(out + 1, at);
    sh_put_be16(out + 3, count);
    return 5;
}

size_t mb_pdu_write_coil(uint16_t at, bool on, bool multiple, uint8_t out[MB_PDU_MAX])
{
    sh_put_be16(out + 1, at);
    if (!multiple) {
        out[0] = MB_FC_WRITE_COIL;
        sh_put_be16(out + 3, on ? 0xff00 : 0);
        return 5;
    }
    out[0] = MB_FC_WRITE_COILS;
    sh_put_be16(out + 3, 1);
    out[5] = 1;
    out[6] = on ? 1 : 0;
    return 7;
}

size_t mb_pdu_write_regs(uint16_t at, struct sh_bytes regs, bool multiple, uint8_t out[MB_PDU_MAX])
{
    SH_ASSERT(regs.n >= 2 && regs.n % 2 == 0 && regs.n <= (size_t)MB_MAX_WRITE_REGS * 2);
    sh_put_be16(out + 1, at);
    if (!multiple && regs.n == 2) {
        out[0] = MB_FC_WRITE_REG;
        memcpy(out + 3, regs.p, 2);
        return 5;
    }
    out[0] = MB_FC_WRITE_REGS;
    sh_put_be16(out + 3, (uint16_t)(regs.n / 2));
    out[5] = (uint8_t)regs.n;
    memcpy(out + 6, regs.p, regs.n);
    return 6 + regs.n;
}

size_t mb_pdu_mask(uint16_t at, uint16_t and_mask, uint16_t or_mask, uint8_t out[MB_PDU_MAX])
{
    out[0] = MB_FC_MASK_REG;
    sh_put_be16(out + 1, at);
    sh_put_be16(out + 3, and_mask);
    sh_put_be16(out + 5, or_mask);
    return 7;
}

/* Header: txn(2) protocol(2)=0 length(2) unit(1). The length counts the unit and a PDU of at least
 * one byte. A wrong head is refused as soon as its bytes are here. */
sh_err mb_tcp_next(struct sh_bytes in, struct mb_adu *out)
{
    const uint8_t *p = in.p;
    if ((in.n > 2 && p[2] != 0) || (in.n > 3 && p[3] != 0) || (in.n > 4 && p[4] != 0)) {
        return SH_E_PROTO;
    }
    if (in.n < 6) {
        return SH_E_AGAIN;
    }
    const size_t len = sh_be16(p + 4);
    if (len < 2 || len > MB_PDU_MAX + 1) {
        return SH_E_PROTO;
    }
    if (in.n < 6 + len) {
        return SH_E_AGAIN;
    }
    *out = (struct mb_adu){
        .txn = sh_be16(p), .unit = p[6], .pdu = {p + MB_MBAP, len - 1}, .used = 6 + len};
    return SH_OK;
}

uint16_t mb_read_bytes(uint8_t fc, uint16_t count)
{
    return (uint16_t)(fc <= MB_FC_READ_DISCRETES ? (count + 7) / 8 : count * 2);
}

/* Length of the whole RTU reply that begins at p with unit and function code, 0 when it cannot be
 * the one wanted, 1 when that is not known yet. */
static size_t rtu_length(const uint8_t *p, size_t n, const struct mb_expect *want)
{
    if (p[0] != want->unit) {
        return 0;
    }
    if (n < 2) {
        return 1;
    }
    if (p[1] == (want->fc | MB_FC_ERROR)) {
        return 5;
    }
    if (p[1] != want->fc) {
        return 0;
    }
    if (want->fc == MB_FC_MASK_REG) {
        return 10;
    }
    if (want->fc > MB_FC_READ_INPUT) {
        return 8;
    }
    const uint16_t bytes = mb_read_bytes(want->fc, want->count);
    if (n < 3) {
        return 1;
    }
    return p[2] == bytes ? (size_t)bytes + 5 : 0;
}

sh_err mb_rtu_next(struct sh_bytes in, const struct mb_expect *want, struct mb_adu *out)
{
    size_t at = 0;
    for (; want != NULL && at < in.n; at++) {
        const uint8_t *p = in.p + at;
        const size_t left = in.n - at;
        const size_t len = rtu_length(p, left, want);
        if (len == 0) {
            continue;
        }
        if (len == 1 || left < len) {
            break;
        }
        if (mb_crc16(p, len - 2) != sh_le16(p + len - 2)) {
            continue; /* a damaged frame, or one in the middle of another: look one byte on */
        }
        if (at > 0) {
            break; /* the noise first */
        }
        *out = (struct mb_adu){.unit = p[0], .pdu = {p + 1, len - 3}, .used = len};
        return SH_OK;
    }
    if (want == NULL) {
        at = in.n;
    }
    if (at == 0) {
        return SH_E_AGAIN;
    }
    *out = (struct mb_adu){.pdu = {in.p, 0}, .used = at};
    return SH_OK;
}

static enum sh_drv_result check_read(struct sh_bytes pdu, const struct mb_expect *want,
                                     struct sh_bytes *data)
{
    const size_t bytes = mb_read_bytes(want->fc, want->count);
    if (pdu.n != bytes + 2 || pdu.p[1] != bytes) {
        return SH_DRV_GARBLED;
    }
    *data = (struct sh_bytes){pdu.p + 2, bytes};
    return SH_DRV_DONE;
}

enum sh_drv_result mb_reply_check(struct sh_bytes pdu, const struct mb_expect *want,
                                  uint8_t *exception, struct sh_bytes *data)
{
    *exception = 0;
    *data = (struct sh_bytes){pdu.p, 0};
    if (pdu.n == 2 && pdu.p[0] == (want->fc | MB_FC_ERROR) && pdu.p[1] != 0) {
        *exception = pdu.p[1];
        return SH_DRV_REFUSED;
    }
    if (pdu.n < 2 || pdu.p[0] != want->fc) {
        return SH_DRV_GARBLED;
    }
    if (want->fc <= MB_FC_READ_INPUT) {
        return check_read(pdu, want, data);
    }
    const size_t len = want->fc == MB_FC_MASK_REG ? 7 : 5;
    if (pdu.n != len || sh_be16(pdu.p + 1) != want->at) {
        return SH_DRV_GARBLED;
    }
    if (want->fc != MB_FC_MASK_REG && sh_be16(pdu.p + 3) != want->count) {
        return SH_DRV_GARBLED;
    }
    return SH_DRV_DONE;
}

static const struct mb_exception exceptions[] = {
    {1, SH_Q_BAD_CONFIG, "modbus_01",
     "exception 01, illegal function: the device does not do this"},
    {2, SH_Q_BAD_CONFIG, "modbus_02",
     "exception 02, illegal data address: it is not in the device"},
    {3, SH_Q_BAD_CONFIG, "modbus_03", "exception 03, illegal data value or length"},
    {4, SH_Q_BAD_DEVICE, "modbus_04", "exception 04, the device failed"},
    {5, SH_Q_BAD_LAST_KNOWN, "modbus_05", "exception 05, accepted, the device needs longer"},
    {6, SH_Q_BAD_LAST_KNOWN, "modbus_06", "exception 06, the device is busy"},
    {8, SH_Q_BAD_DEVICE, "modbus_08", "exception 08, memory parity error in the device"},
    {10, SH_Q_BAD_COMM, "modbus_0a", "exception 0A, the gateway has no path to the device"},
    {11, SH_Q_BAD_COMM, "modbus_0b", "exception 0B, the device behind the gateway does not answer"},
};
static const struct mb_exception other = {0, SH_Q_BAD_DEVICE, "modbus_other",
                                          "an exception code that the specification does not name"};

const struct mb_exception *mb_exception_of(uint8_t number)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) {
        if (exceptions[i].number == number) {
            return &exceptions[i];
        }
    }
    return &other;
}
