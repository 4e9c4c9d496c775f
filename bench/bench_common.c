/* bench_common.c - see bench_common.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

double bench_cpu_of(int64_t pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *f = pid > 0 ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    const size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* behind the name; state is field 3, utime 14, stime 15 */
    double ticks = 0;
    for (int field = 2; p != NULL && field < 15; field++) {
        p = strchr(p + 1, ' ');
        if (p != NULL && field >= 13) {
            ticks += strtod(p, NULL);
        }
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

const char *bench_option(int argc, char **argv, const char *name, const char *dflt)
{
    const size_t n = strlen(name);
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=') {
            return argv[i] + n + 1;
        }
    }
    return dflt;
}

int64_t bench_number(int argc, char **argv, const char *name, const char *dflt)
{
    int64_t v = 0;
    if (sh_i64_parse(sh_str_c(bench_option(argc, argv, name, dflt)), &v) != SH_OK || v < 0) {
        (void)fprintf(stderr, "bench: %s must be a whole number\n", name);
        exit(2); /* NOLINT: one thread */
    }
    return v;
}
