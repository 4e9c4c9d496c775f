/* bench_common.h - what the programs of the benchmarks share: name=value options, the CPU of a
 * server. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BENCH_COMMON_H
#define SH_BENCH_COMMON_H

#include <sh/base.h>

/* CPU seconds of another process so far: utime and stime of /proc/PID/stat (proc(5)). 0 = not
 * known. */
double bench_cpu_of(int64_t pid);
/* The text of name=... from the second argument on, or dflt. Borrowed. */
const char *bench_option(int argc, char **argv, const char *name, const char *dflt);
/* The same as a whole number, at least 0; anything else ends the program with a word. */
int64_t bench_number(int argc, char **argv, const char *name, const char *dflt);

#endif /* SH_BENCH_COMMON_H */
