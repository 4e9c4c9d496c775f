/* check.c - reads everything that lies in a folder, and compares what is said twice: index with
 * blocks, summaries with samples. Changes nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "history_int.h"

enum { STATE_MAX = 1 << 30, CHECK_BLOCKS = 1 << 22, CHECK_ROLLS = 1 << 26 };

struct checking {
    const struct sh_env *env;
    const char *dir;
    struct sh_history_check *c;
    struct block_cols *cols;
    struct roll_build *roll; /* of the present series */
    const struct segment *seg;
};

static void tell(const struct checking *k, const char *file, uint64_t offset, uint32_t point,
                 const char *what)
{
    k->c->problems++;
    if (k->c->problem != NULL) {
        k->c->problem(k->c->ctx, &(struct sh_history_problem){file, offset, point, what});
    }
}

static bool near(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    const double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return fabs(a - b) <= 1e-9 * (size > 1 ? size : 1);
}

static bool cell_same(enum sh_type type, union sh_cell a, union sh_cell b)
{
    return a.bits == b.bits || (type == SH_T_F64 && a.f64 == b.f64);
}

/* A sum hangs on the order of its terms, which was another in earlier versions: by as much as the
 * rounding of all of them may come to. */
static bool sum_same(enum sh_type type, const struct summary_set *a, const struct summary_set *b)
{
    const double n = (double)a->n;
    const double far = fmax(fabs(summary_number(type, a->min)), fabs(summary_number(type, a->max)));
    return near(a->sum, b->sum) || !isfinite(far * n) ||
           fabs(a->sum - b->sum) <= n * n * far * 1.2e-16;
}

/* Sums may be kept as decimals; what was one sample must be that sample. */
static bool set_same(enum sh_type type, const struct summary_set *a, const struct summary_set *b)
{
    if (a->n != b->n) {
        return false;
    }
    if (a->n == 0) {
        return true;
    }
    if (a->t_first != b->t_first || a->t_last != b->t_last) {
        return false;
    }
    return type > SH_T_F64 || (cell_same(type, a->min, b->min) && cell_same(type, a->max, b->max) &&
                               cell_same(type, a->first, b->first) &&
                               cell_same(type, a->last, b->last) && sum_same(type, a, b));
}

static bool summary_same(const struct block_ref *r, const struct block_cols *cols)
{
    struct summary have;
    struct summary want;
    struct sh_rd rd = sh_rd_of(r->summary);
    if (summary_read(&rd, r->type, r->n, r->t_first, r->t_last, &have) != SH_OK) {
        return false;
    }
    summary_make(r->type, cols->n, cols->time, cols->value, cols->quality, &want);
    return have.n == want.n && have.n_bad == want.n_bad && have.n_uncertain == want.n_uncertain &&
           have.n_nan == want.n_nan && set_same(r->type, &have.use, &want.use) &&
           set_same(r->type, &have.good, &want.good);
}

static bool ascending(const struct block_cols *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        if (c->time[i] <= c->time[i - 1]) {
            return false;
        }
    }
    return true;
}

static sh_err check_block(const struct checking *k, const struct block_ref *r)
{
    const char *file = k->seg->path;
    const sh_err err = block_decode(segment_block(r), false, k->cols);
    k->c->blocks++;
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK) {
        tell(k, file, r->off, r->point, "a block is damaged: its samples are lost");
        return SH_OK;
    }
    const struct block_cols *c = k->cols;
    k->c->samples += c->n;
    if (c->point != r->point || c->type != r->type || c->n != r->n || c->n == 0 ||
        c->time[0] != r->t_first || c->time[c->n - 1] != r->t_last) {
        tell(k, file, r->off, r->point, "the index does not say what the block holds");
    } else if (!ascending(c)) {
        tell(k, file, r->off, r->point, "the times of a block do not ascend");
    } else if (r->summary.n > 0) {
        k->c->summaries++;
        if (!summary_same(r, c)) {
            tell(k, file, r->off, r->point, "a summary is not that of its samples");
        }
    }
    return roll_build_add(k->roll, c->n, c->time, c->value, c->quality);
}

/* Rows of roll-ups as they are and as the samples say; a unit that one has and the other has not,
 * or only one knows the sums of, is a difference. */
static bool groups_same(const struct roll *a, const struct roll_row *above_a, const struct roll *b,
                        const struct roll_row *above_b, struct roll_group *g)
{
    struct roll_group *ga = g;
    struct roll_group *gb = g + 1;
    if (roll_group_read(a, above_a, ga) != SH_OK || roll_group_read(b, above_b, gb) != SH_OK ||
        ga->n != gb->n) {
        return false;
    }
    for (uint32_t i = 0; i < ga->n; i++) {
        const struct roll_row *x = &ga->rows[i];
        const struct roll_row *y = &gb->rows[i];
        if (x->start != y->start || x->clean != y->clean ||
            (x->clean && !set_same(a->type, &x->set, &y->set)) ||
            (x->level < a->finest && !groups_same(a, x, b, y, g + 2))) {
            return false;
        }
    }
    return true;
}

/* Compares the roll-ups of a series with what was gathered from its blocks. */
static sh_err check_rolls(const struct checking *k, uint32_t point, const struct roll *have)
{
    struct roll want;
    struct sh_buf out;
    uint64_t mean = 0;
    struct roll_group *g = sh_mem_array(k->env->alloc, (size_t)2 * ROLL_LEVELS, sizeof *g);
    sh_buf_init(&out, k->env->alloc, CHECK_ROLLS);
    sh_err err = g == NULL ? SH_E_NOMEM : roll_build_end(k->roll, &out, &mean);
    if (err == SH_OK) {
        k->c->summaries++;
        if (mean == 0 || roll_open(sh_buf_bytes(&out), have->type, &want) != SH_OK ||
            have->finest != want.finest || !groups_same(have, NULL, &want, NULL, g)) {
            tell(k, k->seg->path, 0, point, "this point's roll-ups are not those of its samples");
        }
    }
    sh_buf_fini(&out);
    sh_mem_free(k->env->alloc, g);
    return err;
}

static sh_err check_series(const struct checking *k, uint32_t point, enum sh_type type)
{
    struct ref_list l;
    bool damaged = false;
    struct roll have;
    const uint64_t wrong = k->c->problems;
    const bool rolled = segment_rolls(k->seg, point, &have, &damaged);
    if (damaged) {
        tell(k, k->seg->path, 0, point, "this point's roll-ups are damaged: queries read samples");
    }
    damaged = false;
    roll_build_begin(k->roll, type, rolled ? have.finest : ROLL_DAY);
    if (k->c->series != NULL) {
        k->c->series(k->c->ctx, k->seg->path, point, type);
    }
    ref_list_init(&l, k->env->alloc, CHECK_BLOCKS);
    sh_err err = segment_blocks(k->seg, point, INT64_MIN, INT64_MAX, &l, &damaged);
    if (damaged) {
        tell(k, k->seg->path, 0, point, "this point's part of the index is damaged");
    }
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        err = check_block(k, &l.p[i]);
    }
    ref_list_fini(&l);
    if (err == SH_OK && rolled && k->c->problems == wrong) {
        err = check_rolls(k, point, &have);
    }
    return err;
}

static sh_err check_segment(struct checking *k, const char *path, uint64_t id)
{
    struct segment *s = NULL;
    const sh_err opened = segment_open(k->env, path, id, &s);
    k->c->segments++;
    if (opened == SH_E_NOMEM) {
        return opened;
    }
    if (opened != SH_OK) {
        tell(k, path, 0, 0, "a segment cannot be read: its samples are lost");
        return SH_OK;
    }
    k->seg = s;
    k->c->bytes += s->bytes;
    if (s->damaged) {
        tell(k, path, 0, 0, "a segment's index is damaged; its blocks are read one by one");
    }
    if (!segment_header_ok(s)) {
        tell(k, path, 0, 0, "a segment's header is damaged; the footer says the same");
    }
    const uint64_t before = k->c->samples;
    const uint64_t wrong = k->c->problems;
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < segment_series(s); i++) {
        enum sh_type type = SH_T_F64;
        const uint32_t point = segment_point(s, i, &type);
        err = check_series(k, point, type);
    }
    if (err == SH_OK && k->c->problems == wrong && k->c->samples - before != s->info.samples) {
        tell(k, path, 0, 0, "a segment does not hold as many samples as it says");
    }
    segment_unref(s);
    return err;
}

static sh_err check_state(struct checking *k, const char *path)
{
    struct sh_str text = {NULL, 0};
    const sh_err err = sh_fs_read_all(k->env->fs, k->env->alloc, path, STATE_MAX, &text);
    if (err == SH_E_NOMEM) {
        return err;
    }
    k->c->states++;
    if (err != SH_OK || !state_text_ok(text)) {
        tell(k, path, 0, 0, "the state file (corrections and deletions) is damaged");
    }
    sh_str_free(k->env->alloc, &text);
    return SH_OK;
}

static bool hex16(const char *name, uint64_t *id)
{
    *id = 0;
    for (int i = 0; i < 16; i++) {
        const char c = name[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        *id = *id << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static sh_err check_entry(void *ctx, const char *name, bool is_dir)
{
    struct checking *k = ctx;
    char path[SEG_PATH];
    uint64_t id = 0;
    const struct sh_str n = sh_str_c(name);
    if (is_dir || snprintf(path, sizeof path, "%s/%s", k->dir, name) >= (int)sizeof path) {
        return SH_OK;
    }
    if (sh_str_ends(n, SH_STR(".damaged"))) {
        tell(k, path, 0, 0, "a file was set aside as damaged earlier");
        return SH_OK;
    }
    if (sh_str_eqc(n, "state.0") || sh_str_eqc(n, "state.1")) {
        return check_state(k, path);
    }
    return sh_str_ends(n, SH_STR(".shs")) && n.n == 20 && hex16(name, &id)
               ? check_segment(k, path, id)
               : SH_OK;
}

sh_err sh_history_check(const struct sh_env *env, const char *dir, struct sh_history_check *c)
{
    struct roll_build roll;
    roll_build_init(&roll, env->alloc, 0);
    struct checking k = {
        .env = env, .dir = dir, .c = c, .cols = block_cols_new(env->alloc), .roll = &roll};
    if (k.cols == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = env->fs->list(env->fs->ctx, dir, check_entry, &k);
    block_cols_free(env->alloc, k.cols);
    roll_build_fini(&roll);
    return err;
}
