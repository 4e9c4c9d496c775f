/* mb_addr.h - the address grammar of Modbus tags. Pure functions, re-entrant, no heap.
 *
 *   address  = place [ "." bit ] [ ":" type [ ":" order | ":" encoding ]... ]
 *   place    = "4" dddd | "4" ddddd        Modicon numbering, counted from 1 (40001, 400001); first
 *                                          digit 0 coils, 1 discrete inputs, 3 input and 4 holding
 *                                          registers
 *            | ("0"|"1"|"3"|"4") "x" n     the same with any number of digits, counted from 1
 *            | ("c"|"d"|"i"|"h") n         coil, discrete, input, holding register, counted from 0
 *   bit      = 0..15                       one bit of a register, 0 = least significant
 *   type     = bool int16 uint16 int32 uint32 int64 uint64 float32 float64 bcd16 bcd32
 *            | "string" bytes              1..246
 *   order    = abcd cdab badc dcba         for 16 bits: ab (= abcd, cdab), ba (= badc, dcba)
 *   encoding = utf8 gbk                    strings only
 *
 * Coils and discretes are bool; a register without a type is uint16. Spec: MODBUS Application
 * Protocol V1.1b3, 4.3 and 4.4 (data model, addressing); word orders and the string, BCD types are
 * conventions of devices. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MODBUS_ADDR_H
#define SH_MODBUS_ADDR_H

#include <sh/drv.h>

enum mb_area { MB_COIL, MB_DISCRETE, MB_INPUT, MB_HOLDING };

enum mb_type {
    MB_BOOL,
    MB_INT16,
    MB_UINT16,
    MB_INT32,
    MB_UINT32,
    MB_INT64,
    MB_UINT64,
    MB_FLOAT32,
    MB_FLOAT64,
    MB_BCD16,
    MB_BCD32,
    MB_STRING
};

enum mb_order { MB_ABCD, MB_CDAB, MB_BADC, MB_DCBA };
enum mb_text { MB_UTF8, MB_GBK };

enum { MB_STRING_MAX = 246, MB_NO_BIT = 0xff };

struct mb_addr {
    uint16_t at;       /* protocol address, counted from 0 */
    uint16_t count;    /* registers, or 1 for coils and discretes */
    uint8_t area;      /* enum mb_area */
    uint8_t type;      /* enum mb_type */
    uint8_t order;     /* enum mb_order */
    uint8_t bit;       /* 0..15 of a register, or MB_NO_BIT */
    uint8_t text;      /* enum mb_text */
    uint8_t text_size; /* bytes of a string */
};

/* Parses one address. `order` is the device's default word order. SH_E_INVAL fills *why (when not
 * NULL) and leaves *out. */
SH_MUST_CHECK sh_err mb_addr_parse(struct sh_str s, enum mb_order order, struct mb_addr *out,
                                   struct sh_drv_addr_error *why);
/* Writes the normal form ("4x10:float32:cdab"); NUL-terminated, at most 64 bytes. Parsing it again
 * gives the same address. */
void mb_addr_print(const struct mb_addr *a, char out[64]);
SH_MUST_CHECK sh_err mb_order_parse(struct sh_str s, enum mb_order *out);
/* Type of the samples of an address. */
enum sh_type mb_addr_value_type(const struct mb_addr *a);
/* Coils and holding registers. */
bool mb_addr_writable(const struct mb_addr *a);

#endif /* SH_MODBUS_ADDR_H */
