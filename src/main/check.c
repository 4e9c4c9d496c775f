/* check.c - `songhua check --history`: what was read and each problem, as text or as JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sh/check.h>

#include "main_int.h"

struct report {
    bool json;
    struct sh_jw w;
};

static void problem(void *ctx, const struct sh_check_problem *p)
{
    struct report *r = ctx;
    if (!r->json) {
        (void)printf("%s", p->file);
        if (p->offset > 0) {
            (void)printf(" at %" PRIu64, p->offset);
        }
        if (p->point > 0) {
            (void)printf(", point %u", p->point);
        }
        (void)printf(": %s (%s)\n", p->what, p->remedy);
        return;
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "file");
    sh_jw_c(&r->w, p->file);
    sh_jw_key(&r->w, "offset");
    sh_jw_u64(&r->w, p->offset);
    sh_jw_key(&r->w, "point");
    sh_jw_u64(&r->w, p->point);
    sh_jw_key(&r->w, "problem");
    sh_jw_c(&r->w, p->what);
    sh_jw_key(&r->w, "remedy");
    sh_jw_c(&r->w, p->remedy);
    sh_jw_obj_end(&r->w);
}

static void blob_problem(void *ctx, const char *file, const char *what)
{
    const struct sh_check_problem p = {
        .file = file,
        .what = what,
        .remedy = "restore it from the newest backup; the file's page shows what it belonged to"};
    problem(ctx, &p);
}

/* The files of a folder, when it has records. */
static sh_err check_blobs(const struct sh_env *env, const char *dir, struct report *r,
                          struct sh_record_blob_counts *out)
{
    char db[4096];
    char blobs[4096];
    const int a = snprintf(db, sizeof db, "%s/songhua.db", dir);
    const int b = snprintf(blobs, sizeof blobs, "%s/blobs", dir);
    if (a < 0 || b < 0 || (size_t)a >= sizeof db || (size_t)b >= sizeof blobs) {
        return SH_E_LIMIT;
    }
    const sh_err err = sh_record_blobs_check(env, db, blobs, blob_problem, r, out);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static void put_counts(struct sh_jw *w, const struct sh_check_counts *c,
                       const struct sh_record_blob_counts *blobs)
{
    const struct {
        const char *name;
        uint64_t v;
    } list[] = {{"segments", c->segments},
                {"bytes", c->bytes},
                {"series", c->series},
                {"blocks", c->blocks},
                {"samples", c->samples},
                {"summaries", c->summaries},
                {"states", c->states},
                {"points", c->points},
                {"journal_files", c->journal_files},
                {"journal_bytes", c->journal_bytes},
                {"journal_records", c->journal_records},
                {"last_seq", c->last_seq},
                {"files", blobs->files},
                {"file_bytes", blobs->bytes}};
    sh_jw_key(w, "read");
    sh_jw_obj(w);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        sh_jw_key(w, list[i].name);
        sh_jw_u64(w, list[i].v);
    }
    sh_jw_obj_end(w);
}

static void print_counts(const struct sh_check_counts *c, const struct sh_record_blob_counts *blobs)
{
    (void)printf(
        "read: %" PRIu64 " segments of %" PRIu64 " bytes, %" PRIu64 " series, %" PRIu64
        " blocks, %" PRIu64 " samples, %" PRIu64 " summaries compared, %" PRIu64
        " state files, %" PRIu64 " points of the catalogue, %" PRIu64 " journal files with %" PRIu64
        " records up to %" PRIu64 ", %" PRIu64 " files of %" PRIu64 " bytes\n",
        c->segments, c->bytes, c->series, c->blocks, c->samples, c->summaries, c->states, c->points,
        c->journal_files, c->journal_records, c->last_seq, blobs->files, blobs->bytes);
    if (c->problems + blobs->problems == 0) {
        (void)printf("no problem was found\n");
    } else {
        (void)printf("%" PRIu64 " problems\n", c->problems + blobs->problems);
    }
}

int node_check_history(const char *dir, bool json)
{
    const struct sh_env env = sh_env_system();
    struct sh_check_counts c;
    struct sh_record_blob_counts blobs = {.files = 0};
    struct report r = {.json = json};
    struct sh_buf b;
    int lock = -1;
    if (node_folder_lock(&env, dir, &lock) != 0) {
        return 1;
    }
    sh_buf_init(&b, env.alloc, 1 << 30);
    sh_jw_init(&r.w, &b);
    sh_jw_obj(&r.w);
    sh_jw_key(&r.w, "problems");
    sh_jw_arr(&r.w);
    sh_err err = sh_check_history(&env, dir, problem, &r, &c);
    err = err == SH_OK ? check_blobs(&env, dir, &r, &blobs) : err;
    sh_jw_arr_end(&r.w);
    put_counts(&r.w, &c, &blobs);
    sh_jw_obj_end(&r.w);
    const sh_err written = sh_jw_end(&r.w);
    err = err != SH_OK ? err : written;
    if (err != SH_OK) {
        (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", dir, sh_err_name(err));
    } else if (json) {
        (void)printf("%.*s\n", SH_PRI(sh_buf_str(&b)));
    } else {
        print_counts(&c, &blobs);
    }
    sh_buf_fini(&b);
    (void)close(lock);
    return err == SH_OK && c.problems + blobs.problems == 0 ? 0 : 1;
}
