/* copies.c - `songhua backup list` and `songhua backup fetch`: copies on an SFTP server, for a
 * machine whose node is lost.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sh/remote.h>

#include "main_int.h"

struct words {
    const char *from;
    const char *to;
    const char *id;
    const char *host_key;
    const char *key;
    const char *password_file;
};

static bool parse(int argc, char **argv, struct words *a)
{
    const struct {
        const char *name;
        const char **at;
    } names[] = {{"--from", &a->from}, {"--to", &a->to},
                 {"--id", &a->id},     {"--host-key", &a->host_key},
                 {"--key", &a->key},   {"--password-file", &a->password_file}};
    for (int i = 0; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof names / sizeof names[0] && i + 1 < argc && !known; k++) {
            known = strcmp(argv[i], names[k].name) == 0;
            if (known) {
                *names[k].at = argv[++i];
            }
        }
        if (!known) {
            (void)fprintf(stderr, "songhua: unknown argument '%s' (see songhua --help)\n", argv[i]);
            return false;
        }
    }
    return true;
}

/* ---- progress, on a terminal ---- */

struct show {
    const struct sh_env *env;
    struct sh_backup_progress progress;
    int64_t next_us;
    bool shown;
};

static bool show(void *ctx)
{
    struct show *s = ctx;
    const int64_t now = sh_mono_us(s->env->clock);
    const uint64_t all = atomic_load(&s->progress.total_bytes);
    const uint64_t done = atomic_load(&s->progress.done_bytes);
    if (all > 0 && now >= s->next_us && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r%3.0f %% of %" PRIu64 " MiB ", 100.0 * (double)done / (double)all,
                      (all >> 20) + 1);
        s->next_us = now + 500000;
        s->shown = true;
    }
    return false;
}

/* ---- the commands ---- */

struct found {
    bool print;
    char newest[SH_BACKUP_ID];
    size_t n;
};

static sh_err one(void *ctx, const struct sh_remote_copy *c)
{
    struct found *f = ctx;
    memcpy(f->newest, c->id, sizeof f->newest);
    f->n++;
    if (f->print) {
        (void)printf("%s\n", c->id);
    }
    return SH_OK;
}

static int list(const struct sh_remote_options *o)
{
    struct sh_diag d = {.line = 0};
    struct found f = {.print = true};
    const sh_err err = sh_remote_list(o, one, &f, &d);
    if (err != SH_OK) {
        return node_say("the copies cannot be listed", err, &d);
    }
    if (f.n == 0) {
        (void)fprintf(stderr, "songhua: there are no copies in %s\n", o->target.url);
    }
    return 0;
}

static int fetch(const struct sh_remote_options *o, const struct words *a)
{
    struct sh_diag d = {.line = 0};
    struct found f = {.print = false};
    struct sh_backup_info info;
    sh_err err = a->id == NULL ? sh_remote_list(o, one, &f, &d) : SH_OK;
    if (err == SH_OK && a->id == NULL && f.n == 0) {
        sh_diag_set(&d, "there are no copies in %.300s", o->target.url);
        err = SH_E_NOTFOUND;
    }
    err =
        err != SH_OK ? err : sh_remote_fetch(o, a->id == NULL ? f.newest : a->id, a->to, &info, &d);
    if (((const struct show *)o->ctx)->shown) {
        (void)fputc('\n', stderr);
    }
    if (err != SH_OK) {
        return node_say("nothing was fetched", err, &d);
    }
    (void)printf("%s/%s: %" PRIu64 " files, %" PRIu64 " bytes, %s\n", a->to, info.id, info.files,
                 info.bytes, info.keys ? "with keys" : "without keys");
    return 0;
}

static int locked_fetch(const struct sh_remote_options *o, const struct words *a)
{
    const sh_err err = sh_fs_mkdirs(o->env->fs, a->to);
    const int fd = err == SH_OK ? node_backup_lock(a->to) : -1;
    if (fd < 0) {
        (void)fprintf(stderr,
                      "songhua: %s cannot be used, or a server makes its backups there (then fetch "
                      "in its console)\n",
                      a->to);
        return 1;
    }
    const int code = fetch(o, a);
    (void)close(fd);
    return code;
}

static void text(char *out, size_t cap, const char *s)
{
    (void)snprintf(out, cap, "%s", s == NULL ? "" : s);
}

int node_copies(int argc, char **argv)
{
    struct words a = {.from = NULL};
    const struct sh_env env = sh_env_system();
    struct show s = {.env = &env};
    struct sh_remote_options o = {.env = &env, .progress = &s.progress, .yield = show, .ctx = &s};
    struct sh_crypto *crypto = NULL;
    const bool fetches = strcmp(argv[0], "fetch") == 0;
    if (!parse(argc - 1, argv + 1, &a)) {
        return 2;
    }
    if (a.from == NULL || (fetches && a.to == NULL)) {
        (void)fprintf(stderr, "songhua: backup %s needs --from sftp://USER@HOST/FOLDER%s\n",
                      argv[0], fetches ? " --to FOLDER" : "");
        return 2;
    }
    text(o.target.url, sizeof o.target.url, a.from);
    text(o.target.host_key, sizeof o.target.host_key, a.host_key);
    text(o.target.key_file, sizeof o.target.key_file, a.key);
    text(o.target.password_file, sizeof o.target.password_file, a.password_file);
    if (sh_remote_init() != SH_OK || sh_crypto_new(&env, &crypto) != SH_OK) {
        (void)fprintf(stderr, "songhua: cryptography does not start\n");
        return 1;
    }
    o.crypto = crypto;
    const int code = fetches ? locked_fetch(&o, &a) : list(&o);
    sh_crypto_free(crypto);
    return code;
}
