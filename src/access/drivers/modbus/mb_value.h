/* mb_value.h - registers to typed raw values and back. Pure functions, re-entrant.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MODBUS_VALUE_H
#define SH_MODBUS_VALUE_H

#include "mb_addr.h"

/* One decoded value: of mb_addr_value_type(a). */
struct mb_value {
    union sh_cell cell;
    uint8_t quality;
};

/* Numbers and bits. `words`: a->count big-endian registers. Bits of coils are read by mb_bit.
 * A BCD register with a digit over 9 is BAD_CONFIG; a uint64 over 2^63-1 is 2^63-1,
 * UNCERTAIN_RANGE. */
struct mb_value mb_value_get(const struct mb_addr *a, const uint8_t *words);
bool mb_bit(struct sh_bytes bits, uint32_t index);
/* Strings: up to the first NUL, trailing spaces left out, as UTF-8 appended to out (cleared first).
 * Returns the quality: BAD_CONFIG when the bytes are not of that encoding (out is empty then). */
uint8_t mb_text_get(const struct mb_addr *a, const uint8_t *words, struct sh_buf *out);

/* Registers of a value to write; out has room for a->count words. `type` is what the caller has:
 * bool, i64 and f64 are converted when that is exact. SH_E_INVAL with *words saying why. */
SH_MUST_CHECK sh_err mb_value_put(const struct mb_addr *a, enum sh_type type, union sh_cell v,
                                  uint8_t *out, const char **words);
/* Text, padded with NUL. SH_E_INVAL when it does not fit or cannot be encoded. */
SH_MUST_CHECK sh_err mb_text_put(const struct mb_addr *a, struct sh_bytes text,
                                 const struct sh_alloc *alloc, uint8_t *out, const char **words);
/* The value as a bool: 0 and 1 of any number type. */
SH_MUST_CHECK sh_err mb_bool_put(enum sh_type type, union sh_cell v, bool *out, const char **words);

#endif /* SH_MODBUS_VALUE_H */
