/* units_int.h - the tables of units, shared inside value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_VALUE_UNITS_INT_H
#define SH_VALUE_UNITS_INT_H

#include <sh/units.h>

enum {
    VALUE_UNIT_METRIC = 1, /* takes prefixes */
    VALUE_UNIT_TEMP = 2    /* a temperature scale with its own zero */
};

struct value_unit_atom {
    const char *code;
    uint8_t flags;
    int8_t base;       /* index of a base quantity, or -1 */
    const char *value; /* decimal */
    const char *unit;  /* UCUM expression */
};
struct value_unit_prefix {
    char code[3];
    int8_t e10;
    double factor;
};
struct value_unit_alias {
    const char *name;
    const char *code;
};
struct value_unit_sign {
    const char *sign; /* UTF-8 */
    const char *ascii;
};

extern const struct value_unit_atom value_unit_atoms[];
extern const size_t value_unit_atoms_n;
extern const struct value_unit_prefix value_unit_prefixes[];
extern const size_t value_unit_prefixes_n;
extern const struct value_unit_alias value_unit_aliases[];
extern const size_t value_unit_aliases_n;
extern const struct value_unit_sign value_unit_signs[];
extern const size_t value_unit_signs_n;

#endif /* SH_VALUE_UNITS_INT_H */
