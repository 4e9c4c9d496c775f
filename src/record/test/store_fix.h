/* store_fix.h - a store in a new folder, for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_STORE_FIX_H
#define SH_RECORD_STORE_FIX_H

#include <sh/test.h>

#include <stdio.h>

#include <sh/record.h>

struct fix {
    struct sh_test_env t;
    struct sh_record_config cfg;
    struct sh_record *r;
    struct sh_arena *ar;
    char dir[64];
    char path[128];
    char blobs[128];
};

static inline void fix_open(struct fix *f)
{
    struct sh_diag d = {.line = 0};
    if (sh_record_open(&f->t.env, NULL, &f->cfg, &f->r, &d) != SH_OK) {
        fail_msg("open: %s", d.message);
    }
}

static inline void fix_reopen(struct fix *f)
{
    sh_record_close(f->r);
    fix_open(f);
}

static inline int fix_setup(void **state)
{
    struct fix *f = test_calloc(1, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    sh_test_tmpdir(f->dir);
    (void)snprintf(f->path, sizeof f->path, "%s/songhua.db", f->dir);
    (void)snprintf(f->blobs, sizeof f->blobs, "%s/blobs", f->dir);
    f->cfg.path = f->path;
    f->cfg.blob_dir = f->blobs;
    fix_open(f);
    f->ar = sh_arena_new(&f->t.alloc, 64 << 20);
    *state = f;
    return 0;
}

static inline int fix_teardown(void **state)
{
    struct fix *f = *state;
    sh_arena_free(f->ar);
    sh_record_close(f->r);
    sh_test_rmdir(f->dir);
    sh_test_env_fini(&f->t);
    test_free(f);
    return 0;
}

static inline sh_err fix_put(struct fix *f, const char *type, const char *id, const char *doc,
                             uint64_t expect, uint64_t *rev)
{
    const struct sh_record_put p = {.tenant = 1,
                                    .type = sh_str_c(type),
                                    .id = sh_str_c(id),
                                    .doc = sh_str_c(doc),
                                    .expect = expect,
                                    .flags =
                                        SH_RECORD_F_HISTORY | SH_RECORD_F_TEXT | SH_RECORD_F_FEED};
    return sh_record_put(f->r, &p, SH_STR("zhang"), rev, NULL);
}

static inline sh_err fix_get(struct fix *f, const char *type, const char *id,
                             struct sh_record_row *row)
{
    return sh_record_get(f->r, 1, sh_str_c(type), sh_str_c(id), f->ar, row);
}

/* First letters of the ids a query finds, in order, over all pages; "!" when it is refused. */
static inline void fix_ids(struct fix *f, struct sh_record_query q, char out[64])
{
    size_t n = 0;
    for (int pages = 0; pages < 10; pages++) {
        struct sh_record_page page = {.n = 0};
        struct sh_diag d = {.line = 0};
        const sh_err err = sh_record_list(f->r, &q, f->ar, &page, &d);
        if (err != SH_OK) {
            assert_int_equal(err, SH_E_INVAL);
            (void)snprintf(out, 64, "!");
            return;
        }
        for (size_t k = 0; k < page.n && n < 63; k++) {
            out[n++] = page.rows[k].id.p[0];
        }
        if (q.want_total && pages == 0 && page.next.n == 0) {
            assert_int_equal(page.total, page.n);
        }
        if (page.next.n == 0) {
            break;
        }
        q.cursor = page.next;
    }
    out[n] = '\0';
}

#endif /* SH_RECORD_STORE_FIX_H */
