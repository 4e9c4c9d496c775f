/* fuzz.h - included first by a fuzz target. With libFuzzer it declares the entry point; in other
 * builds it adds a main() that replays a folder of inputs, so that what was found stays a test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_FUZZ_H
#define SH_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* NOLINT */

#define SH_FUZZ_CHECK(x)                                                                           \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

#ifndef SH_LIBFUZZER
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void sh_fuzz_replay(const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return;
    }
    static uint8_t data[1 << 20];
    const size_t n = fread(data, 1, sizeof data, f);
    (void)fclose(f);
    uint8_t *copy = malloc(n == 0 ? 1 : n); /* exact size: ASan sees a read past the end */
    if (copy != NULL) {
        for (size_t i = 0; i < n; i++) {
            copy[i] = data[i];
        }
        (void)LLVMFuzzerTestOneInput(copy, n);
        free(copy);
    }
}

int main(int argc, char **argv)
{
    int runs = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (d == NULL) {
            sh_fuzz_replay(argv[i]);
            runs++;
            continue;
        }
        for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) { /* NOLINT */
            char path[4096];
            if (e->d_name[0] != '.' &&
                snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name) < (int)sizeof path) {
                sh_fuzz_replay(path);
                runs++;
            }
        }
        (void)closedir(d);
    }
    printf("replayed %d inputs\n", runs);
    return 0;
}
#endif

#endif /* SH_FUZZ_H */
