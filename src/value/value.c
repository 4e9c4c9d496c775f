/* value.c - names of types and quality.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/value.h>

static const char *const type_names[] = {[SH_T_BOOL] = "bool",
                                         [SH_T_I64] = "i64",
                                         [SH_T_F64] = "f64",
                                         [SH_T_TEXT] = "text",
                                         [SH_T_BLOB] = "blob"};

const char *sh_type_name(enum sh_type t)
{
    const size_t i = (size_t)t;
    return i >= SH_T_BOOL && i <= SH_T_BLOB ? type_names[i] : NULL;
}

sh_err sh_type_parse(struct sh_str s, enum sh_type *out)
{
    for (unsigned i = SH_T_BOOL; i <= SH_T_BLOB; i++) {
        if (sh_str_eqc(s, type_names[i])) {
            *out = (enum sh_type)i;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

const char *sh_q_words(uint8_t q)
{
    switch (q & 0xfc) {
    case SH_Q_BAD:
        return "bad";
    case SH_Q_BAD_CONFIG:
        return "bad: configuration error";
    case SH_Q_BAD_NOT_CONNECTED:
        return "bad: not connected";
    case SH_Q_BAD_DEVICE:
        return "bad: device failure";
    case SH_Q_BAD_SENSOR:
        return "bad: sensor failure";
    case SH_Q_BAD_LAST_KNOWN:
        return "bad: last known value";
    case SH_Q_BAD_COMM:
        return "bad: communication failure";
    case SH_Q_BAD_OUT_OF_SERVICE:
        return "bad: out of service";
    case SH_Q_UNCERTAIN:
        return "uncertain";
    case SH_Q_UNCERTAIN_LAST_USABLE:
        return "uncertain: last usable value";
    case SH_Q_UNCERTAIN_SENSOR:
        return "uncertain: sensor not accurate";
    case SH_Q_UNCERTAIN_RANGE:
        return "uncertain: engineering range passed";
    case SH_Q_UNCERTAIN_TIME:
        return "uncertain: sub-normal";
    case SH_Q_GOOD:
        return "good";
    case SH_Q_GOOD_OVERRIDE:
        return "good: local override";
    default:
        break;
    }
    static const char *const classes[] = {"bad", "uncertain", "good"};
    return classes[sh_q_class(q)];
}
