/* settings.c - the configuration: file, then environment, then --set; each problem is printed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

enum { CONFIG_MAX = 1 << 20 };

static void print_problem(void *ctx, const struct sh_diag *d)
{
    (*(unsigned *)ctx)++;
    (void)fprintf(stderr, "songhua: %s", d->path);
    if (d->line > 0) {
        (void)fprintf(stderr, ":%d", d->line);
    }
    (void)fprintf(stderr, ": %s", d->message);
    if (d->remedy[0] != '\0') {
        (void)fprintf(stderr, " (%s)", d->remedy);
    }
    (void)fputc('\n', stderr);
}

struct sh_config *node_config(const struct sh_env *env, const char *file, char *const *sets,
                              size_t nsets, char **environ_vars, unsigned *bad)
{
    struct sh_config *c = NULL;
    *bad = 0;
    if (sh_config_new(env, node_keys, &c) != SH_OK) {
        return NULL;
    }
    struct sh_str text = {NULL, 0};
    if (file != NULL) {
        const sh_err err = sh_fs_read_all(env->fs, env->alloc, file, CONFIG_MAX, &text);
        if (err != SH_OK) {
            (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", file, sh_err_name(err));
            (*bad)++;
        } else if (sh_config_text(c, text, file, print_problem, bad) == SH_E_NOMEM) {
            (*bad)++;
        }
        sh_str_free(env->alloc, &text);
    }
    if (sh_config_environ(c, environ_vars, print_problem, bad) == SH_E_NOMEM) {
        (*bad)++;
    }
    for (size_t i = 0; i < nsets; i++) {
        if (sh_config_set(c, sh_str_c(sets[i]), SH_CONFIG_FROM_SET, print_problem, bad) ==
            SH_E_NOMEM) {
            (*bad)++;
        }
    }
    return c;
}
