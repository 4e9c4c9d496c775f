/* sbom.c - where the list of what the program is made of lies (tools/sbom writes it): beside the
 * binary, or in ../share/songhua of it. `songhua version --sbom` prints it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "main_int.h"

void node_sbom_path(char out[NODE_PATH])
{
    static const char *const places[] = {"sbom.cdx.json", "../share/songhua/sbom.cdx.json"};
    char exe[NODE_PATH / 2];
    out[0] = '\0';
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
    const size_t cut = n <= 0 ? SIZE_MAX : sh_str_rfind(sh_str_of(exe, (size_t)n), '/');
    for (size_t i = 0; cut < sizeof exe && i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(out, NODE_PATH, "%.*s/%s", (int)cut, exe, places[i]);
        if (access(out, R_OK) == 0) {
            return;
        }
    }
}

int node_print_sbom(void)
{
    const struct sh_env env = sh_env_system();
    char path[NODE_PATH];
    struct sh_str text = {NULL, 0};
    node_sbom_path(path);
    if (sh_fs_read_all(env.fs, env.alloc, path, SH_API_SBOM_MAX, &text) != SH_OK) {
        (void)fprintf(stderr, "songhua: there is no %s (it belongs to the package)\n", path);
        return 1;
    }
    (void)printf("%.*s", SH_PRI(text));
    sh_str_free(env.alloc, &text);
    return 0;
}
