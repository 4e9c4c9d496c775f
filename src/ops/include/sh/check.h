/* check.h - `songhua check --history`: reads all of a stopped node's history, catalogue and
 * journal. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CHECK_H
#define SH_CHECK_H

#include <sh/base.h>

struct sh_check_problem {
    const char *file;
    uint64_t offset;
    uint32_t point; /* 0 = not known */
    const char *what;
    const char *remedy;
};
struct sh_check_counts {
    uint64_t segments;
    uint64_t bytes;
    uint64_t series;
    uint64_t blocks;
    uint64_t samples;
    uint64_t summaries;
    uint64_t states;
    uint64_t points;
    uint64_t journal_files;
    uint64_t journal_bytes;
    uint64_t journal_records;
    uint64_t last_seq;
    uint64_t problems;
};
/* Calls problem for each one. Nothing is changed; the caller holds the folder. SH_OK also when
 * there are problems; else it could not be done. */
SH_MUST_CHECK sh_err sh_check_history(const struct sh_env *env, const char *dir,
                                      void (*problem)(void *ctx, const struct sh_check_problem *p),
                                      void *ctx, struct sh_check_counts *out);

#endif /* SH_CHECK_H */
