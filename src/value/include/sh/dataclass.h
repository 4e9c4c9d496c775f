/* dataclass.h - how much data matters: two scales that do not depend on each other. Pure: any
 * thread.
 *
 * The class is general, important or core (一般, 重要, 核心; 《工业和信息化领域数据安全管理办法
 * （试行）》 2023); the level is 1 to 3 by consequence (一级 to 三级; 《工业数据分类分级指南
 * （试行）》 工信厅信发〔2020〕6号). Neither orders the other, so what somebody may see is a set of
 * pairs and not a number: roles add their sets up, and two roles never make a pair that neither
 * has. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_DATACLASS_H
#define SH_DATACLASS_H

#include <sh/base.h>

enum sh_data_class_name {
    SH_CLASS_NONE = 0, /* not said */
    SH_CLASS_GENERAL = 1,
    SH_CLASS_IMPORTANT = 2,
    SH_CLASS_CORE = 3
};
enum { SH_DATA_CLASSES = 3, SH_DATA_LEVELS = 3, SH_DATA_PAIRS = 9 };

/* Members that are 0 are not said. */
struct sh_data_class {
    uint8_t name;  /* enum sh_data_class_name */
    uint8_t level; /* 1 to 3 */
};
/* What holds where nobody says anything. */
#define SH_DATA_CLASS_DEFAULT ((struct sh_data_class){SH_CLASS_GENERAL, 1})

/* "general" "important" "core"; "" for 0. Never NULL. */
const char *sh_data_class_word(uint8_t name);
/* SH_E_INVAL: another word. */
SH_MUST_CHECK sh_err sh_data_class_parse(struct sh_str word, uint8_t *name);
/* Members data_class and data_level of an object; missing or null: not said. SH_E_INVAL: another
 * value, with diag. */
SH_MUST_CHECK sh_err sh_data_class_read(const json_t *o, struct sh_data_class *out,
                                        struct sh_diag *diag);
/* What is said of them, as members of the open object. */
void sh_data_class_write(struct sh_data_class c, struct sh_jw *w);
/* What `c` does not say is as `or` has it. */
struct sh_data_class sh_data_class_or(struct sh_data_class c, struct sh_data_class or_else);
/* The higher one on each scale. */
struct sh_data_class sh_data_class_max(struct sh_data_class a, struct sh_data_class b);
/* Is `a` lower than `b` on either scale? Both say both. */
bool sh_data_class_lower(struct sh_data_class a, struct sh_data_class b);
/* Its place among the pairs, 0 (general, level 1) to 8. Not said: as the default. */
unsigned sh_data_class_pair(struct sh_data_class c);
struct sh_data_class sh_data_class_of_pair(unsigned pair);

/* A set of pairs, a bit for each. */
typedef uint16_t sh_clearance;
enum { SH_CLEARANCE_NONE = 0, SH_CLEARANCE_LEAST = 1, SH_CLEARANCE_ALL = (1 << SH_DATA_PAIRS) - 1 };
/* All pairs up to this one, on both scales. Not said: everything. */
sh_clearance sh_clearance_up_to(struct sh_data_class c);

/* The highest pairs of a set, as an array of objects with both members. */
void sh_clearance_write(sh_clearance set, struct sh_jw *w);

static inline bool sh_clearance_has(sh_clearance set, struct sh_data_class c)
{
    return (set >> sh_data_class_pair(c) & 1) != 0;
}

#endif /* SH_DATACLASS_H */
