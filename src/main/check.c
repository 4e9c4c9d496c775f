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

static void put_counts(struct sh_jw *w, const struct sh_check_counts *c)
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
                {"last_seq", c->last_seq}};
    sh_jw_key(w, "read");
    sh_jw_obj(w);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        sh_jw_key(w, list[i].name);
        sh_jw_u64(w, list[i].v);
    }
    sh_jw_obj_end(w);
}

static void print_counts(const struct sh_check_counts *c)
{
    (void)printf("read: %" PRIu64 " segments of %" PRIu64 " bytes, %" PRIu64 " series, %" PRIu64
                 " blocks, %" PRIu64 " samples, %" PRIu64 " summaries compared, %" PRIu64
                 " state files, %" PRIu64 " points of the catalogue, %" PRIu64
                 " journal files with %" PRIu64 " records up to %" PRIu64 "\n",
                 c->segments, c->bytes, c->series, c->blocks, c->samples, c->summaries, c->states,
                 c->points, c->journal_files, c->journal_records, c->last_seq);
    if (c->problems == 0) {
        (void)printf("no problem was found\n");
    } else {
        (void)printf("%" PRIu64 " problems\n", c->problems);
    }
}

int node_check_history(const char *dir, bool json)
{
    const struct sh_env env = sh_env_system();
    struct sh_check_counts c;
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
    sh_jw_arr_end(&r.w);
    put_counts(&r.w, &c);
    sh_jw_obj_end(&r.w);
    const sh_err written = sh_jw_end(&r.w);
    err = err != SH_OK ? err : written;
    if (err != SH_OK) {
        (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", dir, sh_err_name(err));
    } else if (json) {
        (void)printf("%.*s\n", SH_PRI(sh_buf_str(&b)));
    } else {
        print_counts(&c);
    }
    sh_buf_fini(&b);
    (void)close(lock);
    return err == SH_OK && c.problems == 0 ? 0 : 1;
}
