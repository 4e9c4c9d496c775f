/* keys_tool.c - the command keys: the keys of a stopped node.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sh/ring.h>

#include "main_int.h"

enum { CODE_MAX = 256, FILE_MAX = 1 << 16 };

struct args {
    const char *act;
    const char *data;
    const char *config;
    const char *to;
    const char *name;
    char *sets[64];
    size_t nsets;
};

/* What every act needs. */
struct keys {
    struct sh_env env;
    struct sh_crypto *crypto;
    struct sh_config *config;
    int lock_fd;
    struct sh_master *master;
    struct sh_ring ring;
};

static bool parse(int argc, char **argv, struct args *a)
{
    for (int i = 0; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--data") == 0 && more) {
            a->data = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            a->config = argv[++i];
        } else if (strcmp(argv[i], "--to") == 0 && more) {
            a->to = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more && a->nsets < 64) {
            a->sets[a->nsets++] = argv[++i];
        } else if (argv[i][0] != '-' && a->act == NULL) {
            a->act = argv[i];
        } else if (argv[i][0] != '-' && a->name == NULL) {
            a->name = argv[i];
        } else {
            (void)fprintf(stderr, "songhua: unknown argument '%s' (see songhua --help)\n", argv[i]);
            return false;
        }
    }
    return true;
}

static const char *source_of(const struct keys *k)
{
    return sh_config_get(k->config, "guard.master_key").p;
}

/* alone: no server may use the folder meanwhile. */
static int begin(const struct args *a, char **env, bool alone, struct keys *k)
{
    unsigned bad = 0;
    *k = (struct keys){.env = sh_env_system(), .lock_fd = -1};
    k->config = node_config(&k->env, a->config, a->sets, a->nsets, env, &bad);
    if (k->config == NULL || bad > 0) {
        return 1;
    }
    if (alone && node_folder_lock(&k->env, a->data, &k->lock_fd) != 0) {
        return 1;
    }
    const sh_err err = sh_crypto_new(&k->env, &k->crypto);
    return err == SH_OK ? 0 : node_say("crypto", err, &(struct sh_diag){0});
}

static void end(struct keys *k)
{
    sh_master_close(k->master);
    sh_crypto_wipe(&k->ring, sizeof k->ring);
    sh_crypto_free(k->crypto);
    sh_config_free(k->config);
    if (k->lock_fd >= 0) {
        (void)close(k->lock_fd);
    }
}

/* The ring by the master key that the configuration names. */
static int open_ring(const struct args *a, struct keys *k)
{
    struct sh_diag d = {0};
    struct sh_ring_found found;
    sh_err err = sh_master_open(&k->env, k->crypto, a->data, source_of(k), false, &k->master, &d);
    err = err != SH_OK ? err
                       : sh_ring_load(&k->env, k->crypto, a->data, k->master, &k->ring, &found, &d);
    return err == SH_OK ? 0 : node_say("keys", err, &d);
}

static const char *algorithm(enum sh_box_kind kind)
{
    return kind == SH_BOX_SM4 ? "sm4" : "aes-256-gcm";
}

static int show(const struct args *a, struct keys *k)
{
    char time[SH_TIME_CHARS];
    const int code = open_ring(a, k);
    if (code != 0) {
        return code;
    }
    (void)printf("master key: %s, %s\n", sh_master_kind_name(sh_master_kind(k->master)),
                 sh_master_label(k->master));
    for (size_t i = k->ring.nkeys; i-- > 0;) {
        const struct sh_ring_key *key = &k->ring.keys[i];
        const size_t n = key->made_us == 0 ? 0 : sh_time_print(key->made_us, time);
        (void)printf("key %u: %s, made %.*s%s\n", key->box.id, algorithm(key->box.kind),
                     n == 0 ? 7 : (int)n, n == 0 ? "earlier" : time,
                     i + 1 == k->ring.nkeys ? ", in use" : "");
    }
    const size_t n = k->ring.sheet ? sh_time_print(k->ring.sheet_us, time) : 0;
    (void)printf("recovery sheet: %.*s%s%s\n", n == 0 ? 4 : (int)n, n == 0 ? "none" : time,
                 n == 0 ? "" : " by ", k->ring.sheet_by);
    return 0;
}

/* ---- move ---- */

/* A file of the folder that is no longer the master goes; another one is its owner's. */
static void drop_file(const struct args *a, const struct keys *k, const struct sh_master *old,
                      const struct sh_master *now)
{
    char path[4096];
    const char *where = sh_master_label(old);
    if (sh_master_kind(old) != SH_MASTER_FILE) {
        return;
    }
    const bool same =
        sh_master_kind(now) == SH_MASTER_FILE && strcmp(sh_master_label(now), where) == 0;
    const int n = snprintf(path, sizeof path, "%s/%s", a->data, where);
    if (same || where[0] == '/' || n < 0 || (size_t)n >= sizeof path) {
        return;
    }
    if (sh_fs_unlink(k->env.fs, path) == SH_OK) {
        (void)printf("%s was removed\n", where);
    } else {
        (void)fprintf(stderr, "songhua: %s is not the master key any more; remove it\n", where);
    }
}

static int move(const struct args *a, struct keys *k)
{
    struct sh_diag d = {0};
    struct sh_master *next = NULL;
    struct sh_ring again;
    struct sh_ring_found found;
    if (a->to == NULL) {
        (void)fprintf(stderr, "songhua: keys move needs --to file:PATH, env:NAME or pkcs11:...\n");
        return 2;
    }
    int code = open_ring(a, k);
    if (code != 0) {
        return code;
    }
    sh_err err = sh_master_open(&k->env, k->crypto, a->data, a->to, true, &next, &d);
    struct sh_master *both[] = {k->master, next};
    err = err != SH_OK ? err : sh_ring_store(&k->env, k->crypto, a->data, &k->ring, both, 2);
    /* The old one goes when the new one was seen to open. */
    err = err != SH_OK ? err : sh_ring_load(&k->env, k->crypto, a->data, next, &again, &found, &d);
    err = err != SH_OK ? err : sh_ring_store(&k->env, k->crypto, a->data, &k->ring, &next, 1);
    if (err == SH_OK) {
        drop_file(a, k, k->master, next);
        (void)printf("the master key is now: %s, %s\n"
                     "set guard.master_key = %s before the next start\n",
                     sh_master_kind_name(sh_master_kind(next)), sh_master_label(next), a->to);
    } else {
        code = node_say("the master key was not moved", err, &d);
    }
    sh_crypto_wipe(&again, sizeof again);
    sh_master_close(next);
    return code;
}

/* ---- recover ---- */

static int read_code(uint8_t seed[SH_SHEET_SEED])
{
    char line[CODE_MAX];
    unsigned at = 0;
    if (isatty(STDIN_FILENO) != 0) {
        (void)fprintf(stderr, "Code of the recovery sheet (eight groups): ");
    }
    const struct sh_str code =
        sh_str_trim(sh_str_c(fgets(line, sizeof line, stdin) == NULL ? "" : line));
    const sh_err err = sh_sheet_parse(code, seed, &at);
    sh_crypto_wipe(line, sizeof line);
    if (err == SH_OK) {
        return 0;
    }
    if (at == 0) {
        (void)fprintf(stderr, "songhua: the code has eight groups of five characters\n");
    } else {
        (void)fprintf(stderr, "songhua: group %u of the code is mistyped\n", at);
    }
    return 1;
}

/* The file's key, made anew where it is missing or another's. */
static sh_err master_for_recovery(const struct args *a, struct keys *k, struct sh_diag *d)
{
    return sh_master_open(&k->env, k->crypto, a->data, source_of(k), true, &k->master, d);
}

static int recover(const struct args *a, struct keys *k)
{
    uint8_t seed[SH_SHEET_SEED];
    struct sh_diag d = {0};
    const int code = read_code(seed);
    if (code != 0) {
        return code;
    }
    sh_err err = sh_ring_load_sheet(&k->env, k->crypto, a->data, seed, &k->ring);
    sh_crypto_wipe(seed, sizeof seed);
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(&d, "keys/ring is missing, or no sheet was printed for it.");
        sh_diag_remedy(&d, "Put keys/ring from a backup back.");
    } else if (err == SH_E_DENIED) {
        sh_diag_set(&d, "This is not the sheet of this node, or a newer one was printed.");
    }
    err = err != SH_OK ? err : master_for_recovery(a, k, &d);
    err = err != SH_OK ? err : sh_ring_store(&k->env, k->crypto, a->data, &k->ring, &k->master, 1);
    if (err != SH_OK) {
        return node_say("the keys were not recovered", err, &d);
    }
    (void)printf("the keys are kept under %s now; start the server, then print a new sheet\n",
                 sh_master_label(k->master));
    return 0;
}

/* ---- reveal ---- */

static sh_err unseal(const struct keys *k, const char *name, struct sh_str text, struct sh_buf *out)
{
    static const char mark[] = "songhua-sealed-1 ";
    char context[128];
    struct sh_buf box;
    if (!sh_str_starts(text, sh_str_c(mark))) {
        return sh_buf_put_str(out, text);
    }
    (void)snprintf(context, sizeof context, "keys/%s", name);
    sh_buf_init(&box, k->env.alloc, FILE_MAX);
    sh_err err =
        sh_base64_parse(sh_str_trim(sh_str_sub(text, sizeof mark - 1, text.n)), false, &box);
    err = err != SH_OK ? err
                       : sh_ring_unseal(k->crypto, &k->ring, sh_str_bytes(sh_str_c(context)),
                                        sh_buf_bytes(&box), out);
    sh_buf_fini(&box);
    return err;
}

static int reveal(const struct args *a, struct keys *k)
{
    char path[4096];
    struct sh_str text = {NULL, 0};
    struct sh_buf out;
    struct sh_diag d = {0};
    if (a->name == NULL || strchr(a->name, '/') != NULL || strlen(a->name) > 64) {
        (void)fprintf(stderr, "songhua: keys reveal NAME: a file in keys/, for instance "
                              "device-ca-key.pem\n");
        return 2;
    }
    int code = open_ring(a, k);
    if (code != 0) {
        return code;
    }
    (void)snprintf(path, sizeof path, "%s/keys/%s", a->data, a->name);
    sh_buf_init(&out, k->env.alloc, FILE_MAX);
    sh_err err = sh_fs_read_all(k->env.fs, k->env.alloc, path, FILE_MAX, &text);
    err = err != SH_OK ? err : unseal(k, a->name, text, &out);
    if (err == SH_OK) {
        (void)fwrite(out.p, 1, out.n, stdout);
    } else {
        sh_diag_at(&d, sh_str_c(path), 0);
        code = node_say("it cannot be opened", err, &d);
    }
    sh_str_free(k->env.alloc, &text);
    sh_crypto_wipe(out.p, out.n);
    sh_buf_fini(&out);
    return code;
}

int node_keys_tool(int argc, char **argv, char **env)
{
    static const struct {
        const char *name;
        int (*run)(const struct args *a, struct keys *k);
        bool alone;
    } acts[] = {{"show", show, false},
                {"move", move, true},
                {"recover", recover, true},
                {"reveal", reveal, false}};
    const size_t n = sizeof acts / sizeof acts[0];
    struct args a = {.act = NULL};
    struct keys k;
    size_t i = 0;
    if (!parse(argc, argv, &a)) {
        return 2;
    }
    while (i < n && (a.act == NULL || strcmp(a.act, acts[i].name) != 0)) {
        i++;
    }
    if (i == n || a.data == NULL) {
        (void)fprintf(stderr, "songhua: keys show|move|recover|reveal --data DIR (see songhua "
                              "--help)\n");
        return 2;
    }
    int code = begin(&a, env, acts[i].alone, &k);
    code = code != 0 ? code : acts[i].run(&a, &k);
    end(&k);
    return code;
}
