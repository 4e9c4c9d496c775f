/* tools.c - the commands that run beside a server: passwd and check.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#include "main_int.h"

struct args {
    const char *data;
    const char *user;
    const char *config;
    const char *url;
    const char *checkpoint; /* file */
    char *sets[64];
    size_t nsets;
    bool link;
    bool audit;
    bool history;
    bool security;
    bool json;
};

static bool parse(int argc, char **argv, struct args *a)
{
    for (int i = 0; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--link") == 0) {
            a->link = true;
        } else if (strcmp(argv[i], "--audit") == 0) {
            a->audit = true;
        } else if (strcmp(argv[i], "--history") == 0) {
            a->history = true;
        } else if (strcmp(argv[i], "--security") == 0) {
            a->security = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
        } else if (strcmp(argv[i], "--data") == 0 && more) {
            a->data = argv[++i];
        } else if (strcmp(argv[i], "--user") == 0 && more) {
            a->user = argv[++i];
        } else if (strcmp(argv[i], "--url") == 0 && more) {
            a->url = argv[++i];
        } else if (strcmp(argv[i], "--checkpoint") == 0 && more) {
            a->checkpoint = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            a->config = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more && a->nsets < 64) {
            a->sets[a->nsets++] = argv[++i];
        } else {
            (void)fprintf(stderr, "songhua: unknown argument '%s' (see songhua --help)\n", argv[i]);
            return false;
        }
    }
    return true;
}

static int say(const char *what, sh_err err, const struct sh_diag *d)
{
    (void)fprintf(stderr, "songhua: %s: %s", what, sh_err_name(err));
    if (d != NULL && d->message[0] != '\0') {
        (void)fprintf(stderr, ": %s", d->message);
    }
    if (d != NULL && d->remedy[0] != '\0') {
        (void)fprintf(stderr, " (%s)", d->remedy);
    }
    (void)fputc('\n', stderr);
    return 1;
}

/* A line from the terminal without echo, or from a pipe. */
static struct sh_str read_password(char *out, size_t cap)
{
    struct termios old;
    const bool tty = tcgetattr(STDIN_FILENO, &old) == 0;
    if (tty) {
        struct termios quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        (void)fprintf(stderr, "New password (empty: a random one): ");
    }
    const char *got = fgets(out, (int)cap, stdin);
    if (tty) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        (void)fputc('\n', stderr);
    }
    return sh_str_trim(sh_str_c(got == NULL ? "" : out));
}

/* The record store and guard alone, without a server. */
struct offline {
    struct sh_env env;
    int lock_fd;
    struct sh_crypto *crypto;
    struct sh_record *record;
    struct sh_guard *guard;
};

int node_folder_lock(const struct sh_env *env, const char *dir, int *fd)
{
    char path[4096];
    if (sh_restore_unfinished(env, dir)) {
        (void)fprintf(stderr,
                      "songhua: a restore into %s did not end; remove it and restore again\n", dir);
        return 1;
    }
    if (sh_swap_waits(env, dir)) {
        (void)fprintf(stderr,
                      "songhua: other data is being put in place in %s (a restore); start the "
                      "server once, it ends that\n",
                      dir);
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0) {
        (void)fprintf(stderr, "songhua: %s is not a data folder\n", dir);
        return 1;
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        (void)fprintf(stderr, "songhua: the server that uses %s is running; stop it first\n", dir);
        return 1;
    }
    return 0;
}

static int offline_open(struct offline *o, const char *dir)
{
    struct sh_diag d = {0};
    char db[4096];
    *o = (struct offline){.env = sh_env_system(), .lock_fd = -1};
    if (node_folder_lock(&o->env, dir, &o->lock_fd) != 0) {
        return 1;
    }
    (void)snprintf(db, sizeof db, "%s/songhua.db", dir);
    sh_err err = sh_crypto_new(&o->env, &o->crypto);
    const struct sh_record_config rc = {.path = db};
    err = err != SH_OK ? err : sh_record_open(&o->env, NULL, &rc, &o->record, &d);
    return err == SH_OK ? 0 : say("records", err, &d);
}

static int offline_guard(struct offline *o, const char *dir, const struct sh_config *c)
{
    struct sh_diag d = {0};
    struct guard_store *store = NULL;
    sh_err err = sh_guard_store_record(&o->env, o->record, &store);
    if (err != SH_OK) {
        return say("guard", err, NULL);
    }
    struct sh_guard_options go = {.env = &o->env,
                                  .crypto = o->crypto,
                                  .store = store,
                                  .dir = dir,
                                  .master = sh_config_get(c, "guard.master_key").p,
                                  .settings = sh_guard_settings_default()};
    err = node_guard_settings(c, &go.settings, &d);
    if (err != SH_OK) {
        sh_guard_store_free(store);
        return say("guard", err, &d);
    }
    err = sh_guard_open(&go, &o->guard, &d);
    return err == SH_OK ? 0 : say("guard", err, &d);
}

static void offline_close(struct offline *o)
{
    sh_guard_close(o->guard);
    sh_record_close(o->record);
    sh_crypto_free(o->crypto);
    if (o->lock_fd >= 0) {
        (void)close(o->lock_fd);
    }
}

static int make_link(const struct args *a)
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *crypto = NULL;
    char secret[SH_SECRET_CHARS];
    sh_err err = sh_crypto_new(&env, &crypto);
    const struct sh_str user = sh_str_c(a->user == NULL ? "admin" : a->user);
    err = err != SH_OK ? err : sh_guard_link_new(&env, crypto, a->data, user, secret);
    sh_crypto_free(crypto);
    if (err != SH_OK) {
        return say("no link was made", err, NULL);
    }
    (void)printf("%s/#/link/%s\n", a->url == NULL ? "http://127.0.0.1:8080" : a->url, secret);
    return 0;
}

static int new_password(const struct args *a, const struct sh_config *c)
{
    struct sh_diag d = {0};
    struct offline o;
    int code = offline_open(&o, a->data);
    code = code != 0 ? code : offline_guard(&o, a->data, c);
    if (code == 0) {
        char typed[512] = "";
        char shown[SH_SECRET_CHARS] = "";
        const struct sh_str password = read_password(typed, sizeof typed);
        const struct sh_str user = sh_str_c(a->user == NULL ? "admin" : a->user);
        const sh_err err = sh_guard_recover(o.guard, user, password, shown, &d);
        memset(typed, 0, sizeof typed);
        if (err != SH_OK) {
            code = say("the password was not changed", err, &d);
        } else {
            (void)printf("the password of %.*s was changed%s%s\n", SH_PRI(user),
                         password.n == 0 ? " to: " : "", password.n == 0 ? shown : "");
        }
    }
    offline_close(&o);
    return code;
}

/* The configuration that says where the master key is; NULL: told what is wrong with it. */
static struct sh_config *read_config(const struct args *a, char **env)
{
    const struct sh_env e = sh_env_system();
    unsigned bad = 0;
    struct sh_config *c = node_config(&e, a->config, a->sets, a->nsets, env, &bad);
    if (bad > 0) {
        sh_config_free(c);
        c = NULL;
    }
    return c;
}

int node_passwd(int argc, char **argv, char **env)
{
    struct args a = {.data = NULL};
    if (!parse(argc, argv, &a)) {
        return 2;
    }
    if (a.data == NULL) {
        (void)fprintf(stderr, "songhua: passwd needs --data DIR\n");
        return 2;
    }
    if (a.link) {
        return make_link(&a);
    }
    struct sh_config *c = read_config(&a, env);
    const int code = c == NULL ? 1 : new_password(&a, c);
    sh_config_free(c);
    return code;
}

/* A checkpoint that somebody kept. */
static int read_checkpoint(const struct offline *o, const char *path, struct sh_checkpoint *out)
{
    struct sh_str text = {NULL, 0};
    sh_err err = sh_fs_read_all(o->env.fs, o->env.alloc, path, 1 << 16, &text);
    if (err != SH_OK) {
        return say(path, err, NULL);
    }
    err = sh_checkpoint_parse(&o->env, o->crypto, text, out);
    sh_str_free(o->env.alloc, &text);
    if (err == SH_OK) {
        return 0;
    }
    (void)fprintf(stderr, "songhua: %s: %s (it is what GET /api/v1/audit/checkpoint gave)\n", path,
                  err == SH_E_DENIED ? "its signature does not fit: it was changed"
                                     : "this is not a checkpoint");
    return 1;
}

static int check_audit(const struct args *a, const struct sh_config *c)
{
    struct sh_checkpoint cp;
    struct offline o;
    struct sh_audit_report report = {.entries = 0};
    struct guard_store *store = NULL;
    int code = offline_open(&o, a->data);
    code = code == 0 && a->checkpoint != NULL ? read_checkpoint(&o, a->checkpoint, &cp) : code;
    if (code == 0) {
        const bool seen = a->checkpoint != NULL;
        sh_err err = sh_guard_store_record(&o.env, o.record, &store);
        err = err != SH_OK
                  ? err
                  : sh_audit_verify(
                        &(struct sh_audit_proof){.env = &o.env,
                                                 .crypto = o.crypto,
                                                 .store = store,
                                                 .dir = a->data,
                                                 .master = sh_config_get(c, "guard.master_key").p,
                                                 .seen = seen ? &cp : NULL},
                        &report);
        (void)printf("audit: %llu entries: %s\n", (unsigned long long)report.entries, report.text);
        if (err == SH_OK && seen) {
            (void)printf("checkpoint: of node %s, entry %llu: the chain still has what it saw\n",
                         cp.node, (unsigned long long)cp.seq);
        }
        code = err == SH_OK ? 0 : 1;
        sh_guard_store_free(store);
    }
    offline_close(&o);
    return code;
}

/* By the folder and the configuration the server is started with. */
static int check_security(const struct args *a, struct sh_config *c)
{
    struct offline o;
    unsigned bad = 0;
    int code = offline_open(&o, a->data);
    if (code == 0) {
        const sh_err err = console_overlay(&o.env, o.record, c, settings_print, &bad);
        code = err == SH_OK ? 0 : say("settings", err, NULL);
    }
    code = code != 0 ? code : offline_guard(&o, a->data, c);
    if (code == 0) {
        const struct node_security_ask ask = {.env = &o.env,
                                              .crypto = o.crypto,
                                              .config = c,
                                              .dir = a->data,
                                              .guard = o.guard,
                                              .json = a->json};
        code = node_check_security(&ask);
    }
    offline_close(&o);
    return code;
}

static void print_fault(void *ctx, const struct settings_fault *f)
{
    const bool zh = node_speaks_chinese();
    (*(unsigned *)ctx)++;
    (void)fprintf(stderr, "songhua: %s: %s (%s)\n", f->key, zh ? f->chinese : f->english,
                  zh ? f->remedy_chinese : f->remedy_english);
}

/* The configuration, and by it the node's security when that is asked for. */
static int check_config(const struct args *a, char **env)
{
    const struct sh_env e = sh_env_system();
    unsigned bad = 0;
    int code = 0;
    struct sh_config *c = node_config(&e, a->config, a->sets, a->nsets, env, &bad);
    if (c != NULL) {
        settings_judge(c, print_fault, &bad);
    }
    if (c == NULL || bad > 0) {
        (void)fprintf(stderr, "songhua: %u problems\n", bad);
        code = 1;
    } else if (a->security) {
        code = check_security(a, c);
    } else {
        (void)printf("the configuration is valid\n");
    }
    sh_config_free(c);
    return code;
}

int node_check(int argc, char **argv, char **env)
{
    struct args a = {.data = NULL};
    if (!parse(argc, argv, &a)) {
        return 2;
    }
    if ((a.audit || a.history || a.security) && a.data == NULL) {
        (void)fprintf(stderr, "songhua: check --audit, --history and --security need --data DIR\n");
        return 2;
    }
    if (a.checkpoint != NULL && !a.audit) {
        (void)fprintf(stderr, "songhua: check --checkpoint FILE goes with --audit\n");
        return 2;
    }
    if (!a.audit && !a.history) {
        return check_config(&a, env);
    }
    int code = a.history ? node_check_history(a.data, a.json) : 0;
    if (a.audit && code == 0) {
        struct sh_config *c = read_config(&a, env);
        code = c == NULL ? 1 : check_audit(&a, c);
        sh_config_free(c);
    }
    return a.security && code == 0 ? check_config(&a, env) : code;
}
