/* dataclass.c - the two scales of data.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/dataclass.h>

static const char *const words[SH_DATA_CLASSES + 1] = {"", "general", "important", "core"};

const char *sh_data_class_word(uint8_t name)
{
    return words[name <= SH_DATA_CLASSES ? name : 0];
}

sh_err sh_data_class_parse(struct sh_str word, uint8_t *name)
{
    for (unsigned i = 1; i <= SH_DATA_CLASSES; i++) {
        if (sh_str_eqc(word, words[i])) {
            *name = (uint8_t)i;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

sh_err sh_data_class_read(const json_t *o, struct sh_data_class *out, struct sh_diag *diag)
{
    const json_t *name = json_object_get(o, "data_class");
    const json_t *level = json_object_get(o, "data_level");
    *out = (struct sh_data_class){0, 0};
    if (name != NULL && !json_is_null(name) &&
        sh_data_class_parse(sh_json_get_str(o, "data_class"), &out->name) != SH_OK) {
        sh_diag_at(diag, SH_STR("/data_class"), 0);
        sh_diag_set(diag, "data_class is general, important or core.");
        return SH_E_INVAL;
    }
    if (level != NULL && !json_is_null(level)) {
        const json_int_t v = json_is_integer(level) ? json_integer_value(level) : 0;
        if (v < 1 || v > SH_DATA_LEVELS) {
            sh_diag_at(diag, SH_STR("/data_level"), 0);
            sh_diag_set(diag, "data_level is 1, 2 or 3.");
            return SH_E_INVAL;
        }
        out->level = (uint8_t)v;
    }
    return SH_OK;
}

void sh_data_class_write(struct sh_data_class c, struct sh_jw *w)
{
    if (c.name != 0) {
        sh_jw_key(w, "data_class");
        sh_jw_c(w, sh_data_class_word(c.name));
    }
    if (c.level != 0) {
        sh_jw_key(w, "data_level");
        sh_jw_u64(w, c.level);
    }
}

struct sh_data_class sh_data_class_or(struct sh_data_class c, struct sh_data_class or_else)
{
    return (struct sh_data_class){c.name != 0 ? c.name : or_else.name,
                                  c.level != 0 ? c.level : or_else.level};
}

struct sh_data_class sh_data_class_max(struct sh_data_class a, struct sh_data_class b)
{
    return (struct sh_data_class){a.name > b.name ? a.name : b.name,
                                  a.level > b.level ? a.level : b.level};
}

bool sh_data_class_lower(struct sh_data_class a, struct sh_data_class b)
{
    return a.name < b.name || a.level < b.level;
}

unsigned sh_data_class_pair(struct sh_data_class c)
{
    const unsigned name = c.name == 0 || c.name > SH_DATA_CLASSES ? 1 : c.name;
    const unsigned level = c.level == 0 || c.level > SH_DATA_LEVELS ? 1 : c.level;
    return (name - 1) * SH_DATA_LEVELS + level - 1;
}

struct sh_data_class sh_data_class_of_pair(unsigned pair)
{
    return (struct sh_data_class){(uint8_t)(pair / SH_DATA_LEVELS + 1),
                                  (uint8_t)(pair % SH_DATA_LEVELS + 1)};
}

sh_clearance sh_clearance_up_to(struct sh_data_class c)
{
    sh_clearance set = 0;
    for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
        const struct sh_data_class p = sh_data_class_of_pair(i);
        if ((c.name == 0 || p.name <= c.name) && (c.level == 0 || p.level <= c.level)) {
            set = (sh_clearance)(set | 1U << i);
        }
    }
    return set;
}

void sh_clearance_write(sh_clearance set, struct sh_jw *w)
{
    sh_jw_arr(w);
    for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
        const struct sh_data_class c = sh_data_class_of_pair(i);
        const bool more = c.name < SH_DATA_CLASSES && (set >> (i + SH_DATA_LEVELS) & 1) != 0;
        const bool deeper = c.level < SH_DATA_LEVELS && (set >> (i + 1) & 1) != 0;
        if (sh_clearance_has(set, c) && !more && !deeper) {
            sh_jw_obj(w);
            sh_data_class_write(c, w);
            sh_jw_obj_end(w);
        }
    }
    sh_jw_arr_end(w);
}
