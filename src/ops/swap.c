/* swap.c - one data folder in the place of another, by renames that can be taken up again.
 *
 * The file swap.<phase> names the phase; its text says what is wanted and never changes, so a
 * change of phase needs no room on the disk. States and what each has behind it: out       nothing
 * yet: DIR's own entries go to OUT in        DIR is empty: the entries of IN go to DIR try1..3   IN
 * is in place; a start tries to open it for the first to third time back-out  it did not open:
 * DIR's entries go to IN again back-in   DIR is empty: the entries of OUT go to DIR backed    OUT
 * is in place again; a start opens it as often as it likes Every phase can be begun again, since
 * what was moved is no longer where it is looked for. A phase begins when all that the one before
 * moved is durable. The next phase's name is there before the old one goes: of two the later
 * counts. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include <sh/swap.h>

#include "ops_int.h"

enum phase { OUT, IN, TRY1, TRY2, TRY3, BACK_OUT, BACK_IN, BACKED, PHASES };
static const char *const phase_names[PHASES] = {"swap.out",     "swap.in",    "swap.try1",
                                                "swap.try2",    "swap.try3",  "swap.back-out",
                                                "swap.back-in", "swap.backed"};
_Static_assert(TRY3 - TRY1 + 1 == SH_SWAP_TRIES, "a phase for each try");

#define KEPT "replaced-"
#define ONLY_RECORDS "records-only"
enum { TEXT_MAX = 8192, STAMP = 16 };

/* "replaced-20260102T030405Z" */
bool sh_swap_name_ok(struct sh_str name)
{
    const struct sh_str stamp = sh_str_sub(name, sizeof KEPT - 1, name.n);
    if (!sh_str_starts(name, SH_STR(KEPT)) || stamp.n != STAMP) {
        return false;
    }
    for (size_t i = 0; i < STAMP; i++) {
        const char c = stamp.p[i];
        if (i == 8 ? c != 'T' : i == STAMP - 1 ? c != 'Z' : c < '0' || c > '9') {
            return false;
        }
    }
    return true;
}

static unsigned digits(const char *p, size_t n)
{
    unsigned v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    return v;
}

static int64_t time_of(const char *name)
{
    const char *t = name + sizeof KEPT - 1;
    const int64_t days = sh_days_from_civil(digits(t, 4), digits(t + 4, 2), digits(t + 6, 2));
    const int64_t s = digits(t + 9, 2) * 3600 + digits(t + 11, 2) * 60 + digits(t + 13, 2);
    return (days * 86400 + s) * 1000000;
}

/* ---- the phase ---- */

/* The latest that is there; PHASES: none. */
static enum phase phase_of(const struct sh_env *env, const char *dir)
{
    for (int p = PHASES - 1; p >= 0; p--) {
        char path[OPS_PATH];
        if (ops_join(path, dir, phase_names[p]) == SH_OK && ops_exists(env, path)) {
            return (enum phase)p;
        }
    }
    return PHASES;
}

/* An earlier one that stayed behind is not looked at, and goes here. */
static sh_err forget_before(const struct sh_env *env, const char *dir, int before)
{
    for (int p = 0; p < before; p++) {
        char path[OPS_PATH];
        SH_TRY(ops_join(path, dir, phase_names[p]));
        const sh_err err = sh_fs_unlink(env->fs, path);
        if (err != SH_OK && err != SH_E_NOTFOUND) {
            return err;
        }
    }
    return sh_fs_sync_dir(env->fs, dir);
}

static sh_err go_on(const struct sh_env *env, const char *dir, enum phase from, enum phase to)
{
    char a[OPS_PATH];
    char b[OPS_PATH];
    SH_TRY(ops_join(a, dir, phase_names[from]));
    SH_TRY(ops_join(b, dir, phase_names[to]));
    sh_err err = env->fs->link(env->fs->ctx, a, b);
    if (err == SH_E_UNSUPPORTED) { /* a file system without second names */
        err = sh_fs_rename(env->fs, a, b);
    }
    SH_TRY(err);
    SH_TRY(sh_fs_sync_dir(env->fs, dir));
    return forget_before(env, dir, (int)to);
}

/* ---- what is wanted ---- */

static void put(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static sh_err write_wish(const struct sh_env *env, const char *dir, const struct sh_swap *s)
{
    char path[OPS_PATH];
    struct sh_buf b;
    struct sh_jw w;
    SH_TRY(ops_join(path, dir, phase_names[OUT]));
    sh_buf_init(&b, env->alloc, TEXT_MAX);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    put(&w, "in", s->in);
    put(&w, "out", s->out);
    put(&w, "by", s->by);
    put(&w, "why", s->why);
    put(&w, "note", s->note);
    sh_jw_key(&w, "separated");
    sh_jw_bool(&w, s->separated);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    err = err != SH_OK ? err : sh_fs_replace(env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    return err;
}

static bool take(char *out, size_t cap, const json_t *o, const char *key)
{
    const struct sh_str s = sh_json_get_str(o, key);
    const int n = snprintf(out, cap, "%.*s", SH_PRI(s));
    return n >= 0 && (size_t)n < cap;
}

static bool folder_ok(const char *name)
{
    return strcmp(name, SH_SWAP_RESTORED) == 0 || sh_swap_name_ok(sh_str_c(name));
}

static sh_err read_wish(const struct sh_env *env, const char *dir, enum phase p, struct sh_swap *s,
                        struct sh_diag *diag)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    json_t *o = NULL;
    SH_TRY(ops_join(path, dir, phase_names[p]));
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, TEXT_MAX, &text));
    sh_err err = sh_json_parse(text, TEXT_MAX, &o, NULL);
    sh_str_free(env->alloc, &text);
    const bool good = err == SH_OK && take(s->in, sizeof s->in, o, "in") &&
                      take(s->out, sizeof s->out, o, "out") && take(s->by, sizeof s->by, o, "by") &&
                      take(s->why, sizeof s->why, o, "why") &&
                      take(s->note, sizeof s->note, o, "note") && folder_ok(s->in) &&
                      folder_ok(s->out) && strcmp(s->in, s->out) != 0;
    s->separated = err == SH_OK && sh_json_get_bool(o, "separated", true);
    json_decref(o);
    if (err != SH_E_NOMEM && !good) {
        sh_diag_at(diag, sh_str_c(path), 0);
        sh_diag_set(diag, "the note of an exchange of data cannot be read");
        sh_diag_remedy(diag, "put the folders in order by hand (see the guide on restoring), then "
                             "remove this file");
        err = SH_E_CORRUPT;
    }
    return err;
}

/* ---- moving ---- */

static bool stays(const char *name)
{
    const struct sh_str s = sh_str_c(name);
    return strcmp(name, "lock") == 0 || strcmp(name, "lost+found") == 0 ||
           strcmp(name, SH_SWAP_RESTORED) == 0 || sh_str_starts(s, SH_STR("swap.")) ||
           sh_str_starts(s, SH_STR(KEPT));
}

static sh_err move_all(const struct sh_env *env, const char *from, const char *to)
{
    struct ops_names l;
    SH_TRY(ops_names_read(env, from, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char a[OPS_PATH];
        char b[OPS_PATH];
        if (stays(l.p[i].name)) {
            continue;
        }
        err = ops_join(a, from, l.p[i].name);
        err = err != SH_OK ? err : ops_join(b, to, l.p[i].name);
        err = err != SH_OK ? err : sh_fs_rename(env->fs, a, b);
    }
    ops_names_free(env, &l);
    SH_TRY(err);
    SH_TRY(sh_fs_sync_dir(env->fs, to));
    return sh_fs_sync_dir(env->fs, from);
}

static sh_err move_out(const struct sh_env *env, const char *dir, const char *name)
{
    char to[OPS_PATH];
    SH_TRY(ops_join(to, dir, name));
    SH_TRY(sh_fs_mkdirs(env->fs, to));
    SH_TRY(sh_fs_sync_dir(env->fs, dir));
    return move_all(env, dir, to);
}

/* The folder goes when it is empty; its lock is DIR's own from here on. */
static sh_err move_in(const struct sh_env *env, const char *dir, const char *name)
{
    char from[OPS_PATH];
    char lock[OPS_PATH];
    SH_TRY(ops_join(from, dir, name));
    SH_TRY(move_all(env, from, dir));
    SH_TRY(ops_join(lock, from, "lock"));
    sh_err err = sh_fs_unlink(env->fs, lock);
    if (err == SH_OK || err == SH_E_NOTFOUND) {
        err = env->fs->rmdir(env->fs->ctx, from);
    }
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err step(const struct sh_env *env, const char *dir, const struct sh_swap *s,
                   enum phase *p)
{
    enum phase next = PHASES;
    switch (*p) {
    case OUT:
        SH_TRY(move_out(env, dir, s->out));
        next = IN;
        break;
    case IN:
        SH_TRY(move_in(env, dir, s->in));
        next = TRY1;
        break;
    case TRY1:
    case TRY2:
    case TRY3:
        next = (enum phase)(*p + 1);
        break;
    case BACK_OUT:
        SH_TRY(move_out(env, dir, s->in));
        next = BACK_IN;
        break;
    case BACK_IN:
        SH_TRY(move_in(env, dir, s->out));
        next = BACKED;
        break;
    case BACKED:
    case PHASES:
        return SH_OK;
    }
    SH_TRY(go_on(env, dir, *p, next));
    *p = next;
    return SH_OK;
}

static bool moves(enum phase p)
{
    return p == OUT || p == IN || p == BACK_OUT || p == BACK_IN;
}

sh_err sh_swap_run(const struct sh_env *env, const char *dir, struct sh_swap *s,
                   struct sh_diag *diag)
{
    enum phase p = phase_of(env, dir);
    *s = (struct sh_swap){.attempt = 0};
    if (p == PHASES) {
        return SH_OK;
    }
    SH_TRY(read_wish(env, dir, p, s, diag));
    sh_err err = forget_before(env, dir, (int)p);
    if (err == SH_OK && !moves(p)) { /* tried at an earlier start, which did not come through */
        err = step(env, dir, s, &p);
    }
    while (err == SH_OK && moves(p)) {
        err = step(env, dir, s, &p);
    }
    if (err != SH_OK) {
        sh_diag_at(diag, sh_str_c(dir), 0);
        sh_diag_set(diag, "the exchange of the data did not end: %s", sh_err_name(err));
        sh_diag_remedy(diag, "nothing is lost; look at the disk and start again");
        return err;
    }
    s->back = p == BACKED;
    s->attempt = s->back ? 1 : (unsigned)(p - TRY1) + 1;
    return SH_OK;
}

/* Two within a second: the later gets the next one. */
static sh_err new_name(const struct sh_env *env, const char *dir, char out[SH_SWAP_NAME])
{
    time_t at = (time_t)(sh_wall_us(env->clock) / 1000000);
    char path[OPS_PATH];
    do {
        struct tm tm;
        if (gmtime_r(&at, &tm) == NULL ||
            strftime(out, SH_SWAP_NAME, KEPT "%Y%m%dT%H%M%SZ", &tm) == 0 ||
            !sh_swap_name_ok(sh_str_c(out))) {
            return SH_E_INVAL;
        }
        SH_TRY(ops_join(path, dir, out));
        at++;
    } while (ops_exists(env, path));
    return SH_OK;
}

sh_err sh_swap_begin(const struct sh_env *env, const char *dir, struct sh_swap *s,
                     struct sh_diag *diag)
{
    struct sh_swap_kept kept[SH_SWAP_KEPT];
    size_t n = 0;
    char path[OPS_PATH];
    char mark[OPS_PATH];
    struct ops_names l;
    if (!folder_ok(s->in)) {
        return SH_E_INVAL;
    }
    if (phase_of(env, dir) != PHASES) {
        return SH_E_EXISTS;
    }
    SH_TRY(ops_join(path, dir, s->in));
    SH_TRY(ops_join(mark, path, ONLY_RECORDS));
    SH_TRY(ops_names_read(env, path, &l));
    const bool empty = l.n == 0;
    ops_names_free(env, &l);
    if (empty || ops_exists(env, mark)) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(sh_swap_list(env, dir, kept, &n));
    if (n == SH_SWAP_KEPT) {
        sh_diag_set(diag, "the data of %d restores before this one is kept already", SH_SWAP_KEPT);
        sh_diag_remedy(diag, "remove some of it first");
        return SH_E_LIMIT;
    }
    SH_TRY(new_name(env, dir, s->out));
    return write_wish(env, dir, s);
}

sh_err sh_swap_back(const struct sh_env *env, const char *dir)
{
    const enum phase p = phase_of(env, dir);
    return p >= TRY1 && p <= TRY3 ? go_on(env, dir, p, BACK_OUT) : SH_E_STATE;
}

sh_err sh_swap_end(const struct sh_env *env, const char *dir)
{
    return forget_before(env, dir, PHASES);
}

bool sh_swap_waits(const struct sh_env *env, const char *dir)
{
    return phase_of(env, dir) != PHASES;
}

/* ---- what is kept ---- */

struct sizes {
    const struct sh_env *env;
    const char *root;
    uint64_t bytes;
};

static sh_err add_size(void *ctx, const char *rel)
{
    struct sizes *z = ctx;
    char path[OPS_PATH];
    uint64_t n = 0;
    SH_TRY(ops_join(path, z->root, rel));
    const struct ops_source src = {.path = path, .limit = UINT64_MAX};
    const sh_err err = ops_source_size(z->env, &src, &n);
    z->bytes += err == SH_OK ? n : 0;
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err look_at(const struct sh_env *env, const char *dir, const char *name,
                      struct sh_swap_kept *out)
{
    char path[OPS_PATH];
    char mark[OPS_PATH];
    SH_TRY(ops_join(path, dir, name));
    SH_TRY(ops_join(mark, path, ONLY_RECORDS));
    *out = (struct sh_swap_kept){.time_us = time_of(name), .records_only = ops_exists(env, mark)};
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    struct sizes z = {.env = env, .root = path};
    SH_TRY(ops_tree_files(env, path, add_size, &z));
    out->bytes = z.bytes;
    return SH_OK;
}

sh_err sh_swap_list(const struct sh_env *env, const char *dir,
                    struct sh_swap_kept out[SH_SWAP_KEPT], size_t *n)
{
    struct ops_names l;
    *n = 0;
    SH_TRY(ops_names_read(env, dir, &l));
    sh_err err = SH_OK;
    for (size_t i = l.n; err == SH_OK && i > 0 && *n < SH_SWAP_KEPT; i--) { /* by name: by time */
        if (l.p[i - 1].is_dir && sh_swap_name_ok(sh_str_c(l.p[i - 1].name))) {
            err = look_at(env, dir, l.p[i - 1].name, &out[*n]);
            *n += err == SH_OK ? 1 : 0;
        }
    }
    ops_names_free(env, &l);
    return err;
}

/* The mark is durable before the first file goes: what is half gone is never taken for whole. */
static sh_err only_records(const struct sh_env *env, const char *path)
{
    static const char *const bulk[] = {"history", "journal", "mqtt", "blobs"};
    char sub[OPS_PATH];
    SH_TRY(ops_join(sub, path, ONLY_RECORDS));
    SH_TRY(sh_fs_replace(env->fs, sub, sh_bytes_of(NULL, 0)));
    for (size_t i = 0; i < sizeof bulk / sizeof bulk[0]; i++) {
        SH_TRY(ops_join(sub, path, bulk[i]));
        SH_TRY(ops_tree_remove(env, sub));
    }
    return sh_fs_sync_dir(env->fs, path);
}

sh_err sh_swap_remove(const struct sh_env *env, const char *dir, struct sh_str name,
                      bool keep_records)
{
    char path[OPS_PATH];
    char text[SH_SWAP_NAME];
    char mark[OPS_PATH];
    if (!sh_swap_name_ok(name)) {
        return SH_E_INVAL;
    }
    (void)snprintf(text, sizeof text, "%.*s", SH_PRI(name));
    SH_TRY(ops_join(path, dir, text));
    if (!ops_exists(env, path)) {
        return SH_E_NOTFOUND;
    }
    if (keep_records) {
        return only_records(env, path);
    }
    SH_TRY(ops_join(mark, path, ONLY_RECORDS));
    SH_TRY(sh_fs_replace(env->fs, mark, sh_bytes_of(NULL, 0)));
    SH_TRY(ops_tree_remove(env, path));
    return sh_fs_sync_dir(env->fs, dir);
}
