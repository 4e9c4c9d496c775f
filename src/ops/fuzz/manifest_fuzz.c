/* A manifest from outside: what is read names only files of ours, each once, and is found again. */
#include <sh/fuzz.h>

#include "../ops_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    struct ops_manifest m;
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    const struct sh_str text = sh_bytes_str(sh_bytes_of(data, size));
    if (ops_manifest_parse(&env, c, text, &m) == SH_OK) {
        for (size_t i = 0; i < m.n; i++) {
            const char *p = m.files[i].path;
            if (!ops_rel_ok(sh_str_c(p)) || p[0] == '/' || strstr(p, "..") != NULL ||
                ops_manifest_find(&m, p) != &m.files[i]) {
                __builtin_trap();
            }
        }
        if (!sh_backup_id_ok(sh_str_c(m.info.id)) || m.info.format != SH_BACKUP_FORMAT) {
            __builtin_trap();
        }
    }
    ops_manifest_free(&m);
    sh_crypto_free(c);
    return 0;
}
