/* backup.c - the commands backup and restore: a stopped node's folder, or a backup's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <sh/version.h>

#include "main_int.h"

enum { PASSPHRASE_FILE = 4096 };

struct args {
    const char *data;
    const char *to;
    const char *from;
    const char *passphrase_file;
    const char *kept;
    bool without_keys;
};

static bool parse(int argc, char **argv, struct args *a)
{
    for (int i = 0; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--without-keys") == 0) {
            a->without_keys = true;
        } else if (strcmp(argv[i], "--data") == 0 && more) {
            a->data = argv[++i];
        } else if (strcmp(argv[i], "--to") == 0 && more) {
            a->to = argv[++i];
        } else if (strcmp(argv[i], "--from") == 0 && more) {
            a->from = argv[++i];
        } else if (strcmp(argv[i], "--kept") == 0 && more) {
            a->kept = argv[++i];
        } else if (strcmp(argv[i], "--passphrase-file") == 0 && more) {
            a->passphrase_file = argv[++i];
        } else {
            (void)fprintf(stderr, "songhua: unknown argument '%s' (see songhua --help)\n", argv[i]);
            return false;
        }
    }
    return true;
}

int node_say(const char *what, sh_err err, const struct sh_diag *d)
{
    (void)fprintf(stderr, "songhua: %s: %s", what,
                  d->message[0] != '\0' ? d->message : sh_err_name(err));
    if (d->path[0] != '\0') {
        (void)fprintf(stderr, ": %s", d->path);
    }
    if (d->remedy[0] != '\0') {
        (void)fprintf(stderr, " (%s)", d->remedy);
    }
    (void)fputc('\n', stderr);
    return 1;
}

sh_err node_passphrase(const struct sh_env *env, const char *path, struct sh_str *out,
                       struct sh_str *line)
{
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, PASSPHRASE_FILE, out));
    struct sh_str rest;
    *line = sh_str_trim(sh_str_cut(*out, '\n', &rest));
    return line->n > 0 && line->n <= SH_PASSWORD_MAX ? SH_OK : SH_E_INVAL;
}

int node_backup_lock(const char *folder)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/.lock", folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A backup inside what it backs up would hold itself. */
bool node_backup_inside(const char *dir, const char *folder)
{
    char a[PATH_MAX];
    char b[PATH_MAX];
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", folder);
    while (realpath(path, b) == NULL) { /* it may not be there yet: then what it will lie in */
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            return false;
        }
        *slash = '\0';
    }
    if (realpath(dir, a) == NULL) {
        return false;
    }
    const size_t n = strlen(a);
    const bool in = strncmp(a, b, n) == 0 && (b[n] == '/' || b[n] == '\0');
    return in;
}

static int run_backup(const struct sh_env *env, const struct args *a, struct sh_str passphrase)
{
    struct sh_diag d = {.line = 0};
    struct sh_backup_info info;
    struct sh_crypto *crypto = NULL;
    struct sh_record *record = NULL;
    char db[4096];
    (void)snprintf(db, sizeof db, "%s/songhua.db", a->data);
    sh_err err = sh_crypto_new(env, &crypto);
    const struct sh_record_config rc = {.path = db};
    err = err != SH_OK ? err : sh_record_open(env, NULL, &rc, &record, &d);
    if (err == SH_OK) {
        const struct sh_backup_options o = {.env = env,
                                            .crypto = crypto,
                                            .dir = a->data,
                                            .to = a->to,
                                            .version = SH_VERSION,
                                            .record = record,
                                            .passphrase = passphrase};
        err = sh_backup_run(&o, &info, &d);
    }
    sh_record_close(record);
    sh_crypto_free(crypto);
    if (err != SH_OK) {
        return node_say("no backup was made", err, &d);
    }
    (void)printf("%s/%s: %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " of them new%s\n", a->to,
                 info.id, info.files, info.bytes, info.copied,
                 info.keys ? ", with keys" : ", without keys");
    return 0;
}

static int locked_backup(const struct sh_env *env, const struct args *a, struct sh_str passphrase)
{
    const sh_err err = sh_fs_mkdirs(env->fs, a->to);
    if (err != SH_OK) {
        (void)fprintf(stderr, "songhua: %s cannot be made: %s\n", a->to, sh_err_name(err));
        return 1;
    }
    if (node_backup_inside(a->data, a->to)) {
        (void)fprintf(stderr, "songhua: %s lies in the data folder; name another folder\n", a->to);
        return 1;
    }
    const int fd = node_backup_lock(a->to);
    if (fd < 0) {
        (void)fprintf(stderr, "songhua: another backup into %s is running, or it cannot be used\n",
                      a->to);
        return 1;
    }
    const int code = run_backup(env, a, passphrase);
    (void)close(fd);
    return code;
}

int node_backup(int argc, char **argv)
{
    struct args a = {.data = NULL};
    const struct sh_env env = sh_env_system();
    struct sh_str text = {NULL, 0};
    struct sh_str passphrase = {NULL, 0};
    if (argc > 0 && (strcmp(argv[0], "list") == 0 || strcmp(argv[0], "fetch") == 0)) {
        return node_copies(argc, argv);
    }
    if (!parse(argc, argv, &a)) {
        return 2;
    }
    if (a.data == NULL || a.to == NULL) {
        (void)fprintf(stderr,
                      "songhua: backup needs --data DIR --to FOLDER; a running server makes "
                      "its own (songhua ctl backups create)\n");
        return 2;
    }
    if (a.passphrase_file != NULL &&
        node_passphrase(&env, a.passphrase_file, &text, &passphrase) != SH_OK) {
        (void)fprintf(stderr,
                      "songhua: %s holds no passphrase of 1 to %d bytes in its first line\n",
                      a.passphrase_file, SH_PASSWORD_MAX);
        sh_str_free(env.alloc, &text);
        return 1;
    }
    int lock = -1;
    int code = node_folder_lock(&env, a.data, &lock);
    code = code != 0 ? code : locked_backup(&env, &a, passphrase);
    if (lock >= 0) {
        (void)close(lock);
    }
    sh_str_free(env.alloc, &text);
    return code;
}

static void bad_file(void *ctx, const char *path, const char *what)
{
    SH_UNUSED(ctx);
    (void)fprintf(stderr, "songhua: %s: %s\n", path, what);
}

/* What a restore in the console replaced comes back at the next start. */
static int bring_back(const struct sh_env *env, const struct args *a)
{
    struct sh_diag d = {.line = 0};
    struct sh_swap s = {.by = "command line", .why = "songhua restore --kept"};
    int lock = -1;
    if (node_folder_lock(env, a->data, &lock) != 0) {
        return 1;
    }
    (void)snprintf(s.in, sizeof s.in, "%s", a->kept);
    const sh_err err =
        sh_swap_name_ok(sh_str_c(a->kept)) ? sh_swap_begin(env, a->data, &s, &d) : SH_E_INVAL;
    (void)close(lock);
    if (err != SH_OK) {
        sh_diag_at(&d, sh_str_c(a->kept), 0);
        return node_say("nothing was put in place", err, &d);
    }
    (void)printf("%s/%s comes back with the next start of the server; what is in use now goes to "
                 "%s\n",
                 a->data, a->kept, s.out);
    return 0;
}

int node_restore(int argc, char **argv)
{
    struct args a = {.data = NULL};
    const struct sh_env env = sh_env_system();
    struct sh_str text = {NULL, 0};
    struct sh_str passphrase = {NULL, 0};
    struct sh_diag d = {.line = 0};
    struct sh_backup_info info;
    struct sh_crypto *crypto = NULL;
    if (!parse(argc, argv, &a)) {
        return 2;
    }
    if (a.data == NULL || (a.from == NULL) == (a.kept == NULL)) {
        (void)fprintf(stderr, "songhua: restore needs --data DIR, and --from BACKUP or --kept "
                              "replaced-...\n");
        return 2;
    }
    if (a.kept != NULL) {
        return bring_back(&env, &a);
    }
    sh_err err = a.passphrase_file == NULL
                     ? SH_OK
                     : node_passphrase(&env, a.passphrase_file, &text, &passphrase);
    if (err != SH_OK) {
        sh_diag_set(&d, "there is no passphrase in the first line of %s", a.passphrase_file);
    }
    err = err != SH_OK ? err : sh_crypto_new(&env, &crypto);
    if (err == SH_OK) {
        const struct sh_restore_options o = {.env = &env,
                                             .crypto = crypto,
                                             .from = a.from,
                                             .dir = a.data,
                                             .passphrase = passphrase,
                                             .without_keys = a.without_keys,
                                             .bad_file = bad_file};
        err = sh_restore_run(&o, &info, &d);
    }
    sh_crypto_free(crypto);
    sh_str_free(env.alloc, &text);
    if (err != SH_OK) {
        return node_say("nothing was restored", err, &d);
    }
    (void)printf("%s was restored into %s: %" PRIu64 " files, %" PRIu64 " bytes\n", info.id, a.data,
                 info.files, info.bytes);
    if (!info.keys || a.without_keys) {
        (void)printf(
            "a new node key was made: people sign in as before; tokens, sessions and device "
            "secrets are void and must be made again\n");
    }
    return 0;
}
