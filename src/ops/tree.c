/* tree.c - folders: names, walks, removal.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ops_int.h"

enum { DEPTH_MAX = 4 };
#define NAMES_MAX ((size_t)1 << 30)

sh_err ops_join(char out[OPS_PATH], const char *a, const char *b)
{
    const int n = snprintf(out, OPS_PATH, "%s%s%s", a, b[0] == '\0' ? "" : "/", b);
    return n < 0 || n >= OPS_PATH ? SH_E_LIMIT : SH_OK;
}

struct reading {
    const struct sh_env *env;
    struct ops_names *l;
};

static sh_err one_name(void *ctx, const char *name, bool is_dir)
{
    struct reading *r = ctx;
    struct ops_names *l = r->l;
    if (l->n == OPS_ENTRIES) {
        return SH_E_LIMIT;
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        struct ops_entry *p = sh_mem_resize(r->env->alloc, l->p, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        l->p = p;
        l->cap = cap;
    }
    const struct sh_str copy = sh_arena_printf(l->arena, "%s", name);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    l->p[l->n++] = (struct ops_entry){.name = copy.p, .is_dir = is_dir};
    return SH_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ops_entry *)a)->name, ((const struct ops_entry *)b)->name);
}

sh_err ops_names_read(const struct sh_env *env, const char *path, struct ops_names *out)
{
    *out = (struct ops_names){.arena = sh_arena_new(env->alloc, NAMES_MAX)};
    struct reading r = {.env = env, .l = out};
    sh_err err = out->arena == NULL ? SH_E_NOMEM : env->fs->list(env->fs->ctx, path, one_name, &r);
    if (err != SH_OK) {
        ops_names_free(env, out);
        return err == SH_E_NOTFOUND ? SH_OK : err;
    }
    if (out->n > 1) {
        qsort(out->p, out->n, sizeof *out->p, by_name);
    }
    return SH_OK;
}

void ops_names_free(const struct sh_env *env, struct ops_names *l)
{
    sh_mem_free(env->alloc, l->p);
    sh_arena_free(l->arena);
    *l = (struct ops_names){.n = 0};
}

struct walk {
    const struct sh_env *env;
    const char *root;
    sh_err (*fn)(void *ctx, const char *rel);
    void *ctx;
};

static sh_err walk_down(const struct walk *w, const char *rel, int depth)
{
    char path[OPS_PATH];
    struct ops_names l;
    SH_TRY(ops_join(path, w->root, rel));
    SH_TRY(ops_names_read(w->env, path, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char below[OPS_PATH];
        if (rel[0] == '\0') {
            const int n = snprintf(below, sizeof below, "%s", l.p[i].name);
            err = n < 0 || n >= OPS_PATH ? SH_E_LIMIT : SH_OK;
        } else {
            err = ops_join(below, rel, l.p[i].name);
        }
        if (err == SH_OK && !l.p[i].is_dir) {
            err = w->fn(w->ctx, below);
        } else if (err == SH_OK && depth < DEPTH_MAX) {
            err = walk_down(w, below, depth + 1);
        }
    }
    ops_names_free(w->env, &l);
    return err;
}

sh_err ops_tree_files(const struct sh_env *env, const char *path,
                      sh_err (*fn)(void *ctx, const char *rel), void *ctx)
{
    const struct walk w = {.env = env, .root = path, .fn = fn, .ctx = ctx};
    return walk_down(&w, "", 0);
}

sh_err ops_tree_sync(const struct sh_env *env, const char *path)
{
    struct ops_names l;
    SH_TRY(ops_names_read(env, path, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        if (l.p[i].is_dir) {
            char below[OPS_PATH];
            err = ops_join(below, path, l.p[i].name);
            err = err != SH_OK ? err : ops_tree_sync(env, below);
        }
    }
    ops_names_free(env, &l);
    return err != SH_OK ? err : sh_fs_sync_dir(env->fs, path);
}

sh_err ops_tree_remove(const struct sh_env *env, const char *path)
{
    struct ops_names l;
    SH_TRY(ops_names_read(env, path, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char below[OPS_PATH];
        err = ops_join(below, path, l.p[i].name);
        if (err == SH_OK) {
            err = l.p[i].is_dir ? ops_tree_remove(env, below) : sh_fs_unlink(env->fs, below);
        }
    }
    ops_names_free(env, &l);
    if (err == SH_OK) {
        err = env->fs->rmdir(env->fs->ctx, path);
    }
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

bool ops_exists(const struct sh_env *env, const char *path)
{
    struct sh_file *f = NULL;
    const sh_err err = sh_fs_open(env->fs, path, SH_FS_READ, &f);
    if (err == SH_OK) {
        sh_fs_close(env->fs, f);
    }
    return err != SH_E_NOTFOUND;
}
