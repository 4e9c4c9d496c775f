/* scale_int.h - what compiling and applying share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_VALUE_SCALE_INT_H
#define SH_VALUE_SCALE_INT_H

#include <sh/scale.h>

struct value_raw {
    const char *name;
    enum sh_raw raw;
    enum sh_type type; /* of the cell that holds it */
    double lo;         /* range of the raw type; 0, 0 = all doubles */
    double hi;
};
/* In the order of enum sh_raw, from SH_RAW_BOOL on. */
extern const struct value_raw value_raws[];

static inline struct sh_str value_word_text(const struct sh_scale *s, const struct sh_scale_word *w)
{
    return (struct sh_str){s->text + w->off, w->len};
}

#endif /* SH_VALUE_SCALE_INT_H */
