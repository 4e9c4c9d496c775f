/* roll_build.c - the builder of roll.h: minutes are gathered while a series is written; hours and
 * days are made of them at its end, when it is known which levels are worth their bytes.
 * SPDX-License-Identifier: Apache-2.0 */

#include "block.h"
#include "ints.h"
#include "roll_int.h"

enum { OWN_SHARE = 8 }; /* one row in so many that has no decimals makes all rows do without */

void roll_build_init(struct roll_build *b, const struct sh_alloc *a, uint32_t least)
{
    *b = (struct roll_build){.alloc = a, .least = least};
}

void roll_build_fini(struct roll_build *b)
{
    sh_mem_free(b->alloc, b->rows);
    b->rows = NULL;
}

void roll_build_begin(struct roll_build *b, enum sh_type type, enum roll_level finest)
{
    b->type = type;
    b->base = finest;
    b->n = 0;
    b->samples = 0;
    b->full = type > SH_T_F64;
    b->step = 0;
}

/* ---- gathering ---------------------------------------------------------------------------------
 */

static sh_err unit_new(struct roll_build *b, int64_t start)
{
    if (b->n == b->cap) {
        const uint32_t cap = b->cap == 0 ? 64 : b->cap * 2;
        struct roll_row *p = sh_mem_resize(b->alloc, b->rows, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        b->rows = p;
        b->cap = cap;
    }
    b->rows[b->n++] = (struct roll_row){.level = b->base, .start = start, .clean = true};
    return SH_OK;
}

static bool less(enum sh_type type, union sh_cell a, union sh_cell b)
{
    return type == SH_T_F64 ? a.f64 < b.f64 : a.i64 < b.i64;
}

/* `next` behind `row`, which holds what came before. */
static void row_join(enum sh_type type, struct roll_row *row, const struct roll_row *next)
{
    struct summary_set *a = &row->set;
    const struct summary_set *b = &next->set;
    row->clean = row->clean && next->clean && b->n <= UINT32_MAX - a->n;
    if (!row->clean) {
        return;
    }
    if (a->n == 0) {
        *a = *b;
        row->t_min = next->t_min;
        row->t_max = next->t_max;
        return;
    }
    const double na = a->n;
    const double nb = b->n;
    const double d = b->sum / nb - a->sum / na;
    a->m2 += b->m2 + d * d * na * nb / (na + nb); /* Chan, Golub, LeVeque 1983 */
    a->integral +=
        b->integral + summary_number(type, a->last) * ((double)b->t_first - (double)a->t_last);
    if (less(type, b->min, a->min)) {
        a->min = b->min;
        row->t_min = next->t_min;
    }
    if (less(type, a->max, b->max)) {
        a->max = b->max;
        row->t_max = next->t_max;
    }
    a->sum += b->sum;
    a->n += b->n;
    a->last = b->last;
    a->t_last = b->t_last;
}

static bool all_clean(enum sh_type type, const union sh_cell *value, const uint8_t *quality,
                      uint32_t n)
{
    uint8_t other = 0;
    bool nan = false;
    for (uint32_t i = 0; i < n; i++) {
        other |= quality[i] ^ SH_Q_GOOD;
    }
    for (uint32_t i = 0; type == SH_T_F64 && i < n; i++) {
        nan |= value[i].f64 != value[i].f64;
    }
    return other == 0 && !nan;
}

/* A run of samples of one unit; n > 0. */
static void run_sum(enum sh_type type, uint32_t n, const int64_t *time, const union sh_cell *value,
                    struct roll_row *out)
{
    struct summary_set *s = &out->set;
    uint32_t min = 0;
    uint32_t max = 0;
    double sum = summary_number(type, value[0]);
    double integral = 0;
    double m2 = 0;
    for (uint32_t i = 1; i < n; i++) {
        min = less(type, value[i], value[min]) ? i : min;
        max = less(type, value[max], value[i]) ? i : max;
        sum += summary_number(type, value[i]);
        integral += summary_number(type, value[i - 1]) * (double)(time[i] - time[i - 1]);
    }
    const double mean = sum / n;
    for (uint32_t i = 0; i < n; i++) {
        const double d = summary_number(type, value[i]) - mean;
        m2 += d * d;
    }
    *s = (struct summary_set){.n = n,
                              .sum = sum,
                              .m2 = m2,
                              .integral = integral,
                              .min = value[min],
                              .max = value[max],
                              .first = value[0],
                              .last = value[n - 1],
                              .t_first = time[0],
                              .t_last = time[n - 1]};
    out->t_min = time[min];
    out->t_max = time[max];
}

static int64_t floor_to(int64_t t, int64_t unit)
{
    const int64_t rest = t % unit;
    return t - (rest < 0 ? rest + unit : rest);
}

/* What the first samples say: their step, and the finest unit in which enough of them stand. */
static void first_seen(struct roll_build *b, uint32_t n, const int64_t *time)
{
    const int64_t mean = n > 1 ? (time[n - 1] - time[0]) / (n - 1) : 0;
    b->t0 = time[0];
    b->step = n > 1 ? (uint64_t)(time[1] - time[0]) : 0;
    while (b->base > ROLL_DAY && mean * b->least > 2 * roll_unit_us(b->base)) {
        b->base--;
    }
}

sh_err roll_build_add(struct roll_build *b, uint32_t n, const int64_t *time,
                      const union sh_cell *value, const uint8_t *quality)
{
    if (b->full || n == 0) {
        return SH_OK;
    }
    if (b->samples == 0) {
        first_seen(b, n, time);
    }
    const int64_t unit = roll_unit_us(b->base);
    for (uint32_t i = 0; i < n;) {
        const int64_t start = floor_to(time[i], unit);
        if (b->n != 0 && start - b->rows[0].start >= roll_unit_us(ROLL_DAY)) {
            b->full = true;
            return SH_OK;
        }
        if (b->n == 0 || b->rows[b->n - 1].start != start) {
            SH_TRY(unit_new(b, start));
        }
        uint32_t end = i + 1;
        while (end < n && time[end] < start + unit) {
            end++;
        }
        struct roll_row run = {.clean = all_clean(b->type, value + i, quality + i, end - i)};
        if (run.clean) {
            run_sum(b->type, end - i, time + i, value + i, &run);
        }
        row_join(b->type, &b->rows[b->n - 1], &run);
        i = end;
    }
    b->samples += n;
    return SH_OK;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

struct writing {
    const struct roll_build *b;
    enum roll_level finest;
    unsigned form;
    unsigned detail; /* bit set of levels */
    struct sh_buf *minutes;
};

struct group {
    struct roll_row rows[ROLL_GROUP];
    uint32_t which[ROLL_GROUP + 1]; /* row i is made of the rows of the builder from which[i] on */
    uint32_t n;
    /* Of the clean rows that can be written: */
    const struct roll_row *clean[ROLL_GROUP];
    int64_t cell[ROLL_GROUP][4]; /* min, max, first, last, scaled */
    int64_t sum[ROLL_GROUP];
    uint32_t nclean;
    unsigned flags;
    bool timed;
    uint64_t col[ROLL_GROUP];
};

static uint64_t minus(int64_t a, int64_t b)
{
    return (uint64_t)a - (uint64_t)b;
}

/* Made of the builder's rows [from, to): of one unit above, so at most ROLL_GROUP. */
static void rows_make(const struct roll_build *b, enum roll_level level, uint32_t from, uint32_t to,
                      struct group *g)
{
    const int64_t unit = roll_unit_us(level);
    g->n = 0;
    for (uint32_t i = from; i < to; i++) {
        const int64_t start = floor_to(b->rows[i].start, unit);
        if (g->n == 0 || g->rows[g->n - 1].start != start) {
            g->rows[g->n] = (struct roll_row){.level = level, .start = start, .clean = true};
            g->which[g->n++] = i;
        }
        row_join(b->type, &g->rows[g->n - 1], &b->rows[i]);
    }
    g->which[g->n] = to;
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->rows[i].clean) {
            summary_settle(&g->rows[i].set, b->type, true);
        }
    }
}

static bool scale(const struct writing *w, const struct summary_set *s, int64_t out[4])
{
    const union sh_cell cells[4] = {s->min, s->max, s->first, s->last};
    for (int i = 0; w->form != ROLL_OWN && i < 4; i++) {
        out[i] = cells[i].i64;
        if (w->b->type == SH_T_F64 && !block_decimal(cells[i].f64, w->form, &out[i])) {
            return false;
        }
    }
    return true;
}

static bool is_even(const struct writing *w, const struct roll_row *row)
{
    const struct summary_set *s = &row->set;
    const uint64_t step = w->b->step;
    struct summary_set e;
    return step <= (uint64_t)roll_unit_us(ROLL_DAY) &&
           roll_even(step, w->b->t0, row->start, row->start + roll_unit_us(row->level), &e) &&
           e.n == s->n && e.t_first == s->t_first && e.t_last == s->t_last &&
           minus(row->t_min, s->t_first) % step == 0 && minus(row->t_max, s->t_first) % step == 0;
}

/* Which rows can be written, and how. */
static void plan(const struct writing *w, struct group *g)
{
    const enum sh_type type = w->b->type;
    g->nclean = 0;
    g->flags = ROLL_DENSE | ROLL_CLEAN | ROLL_EVEN | ROLL_DERIVED | ROLL_SUMS;
    for (uint32_t i = 0; i < g->n; i++) {
        struct roll_row *row = &g->rows[i];
        const uint32_t k = g->nclean;
        unsigned no = 0;
        if (i != 0 && row->start != g->rows[i - 1].start + roll_unit_us(row->level)) {
            no |= ROLL_DENSE;
        }
        row->clean = row->clean && scale(w, &row->set, g->cell[k]);
        if (!row->clean) {
            no |= ROLL_CLEAN;
        } else {
            no |= is_even(w, row) ? 0 : ROLL_EVEN;
            no |= row->set.integral == summary_integral(&row->set, type) ? 0 : ROLL_DERIVED;
            no |= w->form == ROLL_OWN || block_decimal(row->set.sum, w->form, &g->sum[k])
                      ? 0
                      : ROLL_SUMS;
            g->clean[g->nclean++] = row;
        }
        g->flags &= ~no;
    }
    g->timed = roll_timed(w->detail, g->rows[0].level, g->flags);
}

static sh_err column(struct group *g, struct sh_buf *o)
{
    uint64_t base = UINT64_MAX;
    uint64_t any = 0;
    for (uint32_t i = 0; i < g->nclean; i++) {
        base = g->col[i] < base ? g->col[i] : base;
    }
    for (uint32_t i = 0; i < g->nclean; i++) {
        any |= g->col[i] - base;
    }
    const unsigned width = any == 0 ? 0 : 64 - (unsigned)__builtin_clzll(any);
    SH_TRY(sh_buf_put_u8(o, (uint8_t)width));
    SH_TRY(sh_buf_put_varint(o, base));
    const size_t bytes = ((size_t)g->nclean * width + 7) / 8;
    SH_TRY(sh_buf_reserve(o, bytes));
    memset(o->p + o->n, 0, bytes);
    size_t bit = 0;
    for (uint32_t i = 0; i < g->nclean; i++) {
        const uint64_t v = g->col[i] - base;
        for (unsigned done = 0; done < width;) {
            const unsigned at = bit % 8;
            const unsigned take = width - done < 8 - at ? width - done : 8 - at;
            o->p[o->n + bit / 8] |= (uint8_t)((v >> done & ((1U << take) - 1)) << at);
            done += take;
            bit += take;
        }
    }
    o->n += bytes;
    return SH_OK;
}

static sh_err units_put(const struct group *g, int64_t above, struct sh_buf *o)
{
    const int64_t unit = roll_unit_us(g->rows[0].level);
    const int64_t first = (g->rows[0].start - above) / unit;
    SH_TRY(sh_buf_put_u8(o, (uint8_t)g->flags));
    SH_TRY(sh_buf_put_varint(o, g->n));
    SH_TRY(sh_buf_put_varint(o, ints_zigzag((uint64_t)first)));
    for (uint32_t i = 1; i < g->n && (g->flags & ROLL_DENSE) == 0; i++) {
        const uint64_t by = minus(g->rows[i].start, g->rows[i - 1].start) / (uint64_t)unit;
        SH_TRY(sh_buf_put_varint(o, by - 1));
    }
    for (uint32_t i = 0; i < g->n && (g->flags & ROLL_CLEAN) == 0; i += 8) {
        unsigned bits = 0;
        for (uint32_t k = i; k < i + 8 && k < g->n; k++) {
            bits |= (g->rows[k].clean ? 1U : 0) << (k - i);
        }
        SH_TRY(sh_buf_put_u8(o, (uint8_t)bits));
    }
    return SH_OK;
}

static sh_err times_put(struct group *g, struct sh_buf *o)
{
    const enum roll_level level = g->rows[0].level;
    if ((g->flags & ROLL_EVEN) != 0) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = g->clean[i]->set.n;
    }
    SH_TRY(column(g, o));
    if (!g->timed) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->clean[i]->set.t_first, g->clean[i]->start);
    }
    SH_TRY(column(g, o));
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->clean[i]->start + roll_unit_us(level) - 1, g->clean[i]->set.t_last);
    }
    return column(g, o);
}

static sh_err scaled_put(struct group *g, struct sh_buf *o)
{
    SH_TRY(sh_buf_put_varint(o, ints_zigzag((uint64_t)g->cell[0][0])));
    SH_TRY(sh_buf_put_varint(o, ints_zigzag((uint64_t)g->cell[0][2])));
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = ints_zigzag(minus(g->cell[i][0], g->cell[i == 0 ? 0 : i - 1][0]));
    }
    SH_TRY(column(g, o));
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->cell[i][1], g->cell[i][0]);
    }
    SH_TRY(column(g, o));
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->cell[i][3], g->cell[i][0]);
    }
    SH_TRY(column(g, o));
    for (uint32_t i = 0; i < g->nclean; i++) {
        const int64_t before = i == 0 ? g->cell[0][2] : g->cell[i - 1][3];
        g->col[i] = ints_zigzag(minus(g->cell[i][2], before));
    }
    SH_TRY(column(g, o));
    if ((g->flags & ROLL_SUMS) == 0) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = (uint64_t)g->sum[i] - g->clean[i]->set.n * (uint64_t)g->cell[i][0];
    }
    return column(g, o);
}

static sh_err places_put(const struct writing *w, struct group *g, struct sh_buf *o)
{
    const uint64_t step = (g->flags & ROLL_EVEN) != 0 ? w->b->step : 1;
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->clean[i]->t_min, g->clean[i]->set.t_first) / step;
    }
    SH_TRY(column(g, o));
    for (uint32_t i = 0; i < g->nclean; i++) {
        g->col[i] = minus(g->clean[i]->t_max, g->clean[i]->set.t_first) / step;
    }
    return column(g, o);
}

static sh_err wide(const struct group *g, struct sh_buf *o)
{
    for (uint32_t i = 0; i < g->nclean; i++) {
        SH_TRY(sh_buf_put_le64(o, g->col[i]));
    }
    return SH_OK;
}

static sh_err own_put(struct group *g, struct sh_buf *o)
{
    for (int c = 0; c < 4; c++) {
        for (uint32_t i = 0; i < g->nclean; i++) {
            const struct summary_set *s = &g->clean[i]->set;
            const union sh_cell cells[4] = {s->min, s->max, s->first, s->last};
            g->col[i] = cells[c].bits;
        }
        SH_TRY(wide(g, o));
    }
    return SH_OK;
}

static sh_err doubles_put(const struct writing *w, struct group *g, struct sh_buf *o)
{
    const enum roll_level level = g->rows[0].level;
    if (w->form == ROLL_OWN || (g->flags & ROLL_SUMS) == 0) {
        for (uint32_t i = 0; i < g->nclean; i++) {
            g->col[i] = sh_f64_bits(g->clean[i]->set.sum);
        }
        SH_TRY(wide(g, o));
    }
    if ((w->detail >> level & 1) != 0) {
        for (uint32_t i = 0; i < g->nclean; i++) {
            g->col[i] = sh_f64_bits(g->clean[i]->set.m2);
        }
        SH_TRY(wide(g, o));
    }
    if (g->timed && (g->flags & ROLL_DERIVED) == 0) {
        for (uint32_t i = 0; i < g->nclean; i++) {
            g->col[i] = sh_f64_bits(g->clean[i]->set.integral);
        }
        SH_TRY(wide(g, o));
    }
    return SH_OK;
}

static sh_err group_put(const struct writing *w, enum roll_level level, uint32_t from, uint32_t to,
                        int64_t above, struct sh_buf *out);

/* What is below the rows: the lengths, then the groups. */
static sh_err kids_put(const struct writing *w, const struct group *g, struct sh_buf *out)
{
    struct sh_buf kids;
    const enum roll_level level = g->rows[0].level + 1;
    sh_buf_init(&kids, w->b->alloc, out->max);
    struct sh_buf *to = level == ROLL_MINUTE ? w->minutes : &kids;
    sh_err err = SH_OK;
    const size_t start = to->n;
    for (uint32_t i = 0; err == SH_OK && i < g->n; i++) {
        const size_t before = to->n;
        err = group_put(w, level, g->which[i], g->which[i + 1], g->rows[i].start, to);
        err = err == SH_OK ? sh_buf_put_varint(out, to->n - before) : err;
    }
    if (err == SH_OK) {
        err =
            level == ROLL_MINUTE ? sh_buf_put_varint(out, start) : sh_buf_put(out, kids.p, kids.n);
    }
    sh_buf_fini(&kids);
    return err;
}

static sh_err group_write(const struct writing *w, struct group *g, int64_t above,
                          struct sh_buf *out)
{
    const bool minutes = g->rows[0].level == ROLL_MINUTE;
    const size_t start = out->n;
    SH_TRY(minutes ? sh_buf_put_le32(out, 0) : SH_OK);
    SH_TRY(units_put(g, above, out));
    if (g->nclean != 0) {
        const bool own = w->form == ROLL_OWN;
        SH_TRY(times_put(g, out));
        SH_TRY(own ? SH_OK : scaled_put(g, out));
        SH_TRY(g->timed ? places_put(w, g, out) : SH_OK);
        SH_TRY(own ? own_put(g, out) : SH_OK);
        SH_TRY(doubles_put(w, g, out));
    }
    if (minutes) {
        sh_put_le32(out->p + start, sh_crc32c(0, out->p + start + 4, out->n - start - 4));
    }
    return g->rows[0].level < w->finest ? kids_put(w, g, out) : SH_OK;
}

static sh_err group_put(const struct writing *w, enum roll_level level, uint32_t from, uint32_t to,
                        int64_t above, struct sh_buf *out)
{
    struct group *g = sh_mem_new(w->b->alloc, sizeof *g);
    if (g == NULL) {
        return SH_E_NOMEM;
    }
    rows_make(w->b, level, from, to, g);
    plan(w, g);
    const sh_err err = group_write(w, g, above, out);
    sh_mem_free(w->b->alloc, g);
    return err;
}

/* Units of a level that have samples. */
static uint32_t units(const struct roll_build *b, enum roll_level level)
{
    const int64_t unit = roll_unit_us(level);
    uint32_t n = 0;
    int64_t last = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const int64_t start = floor_to(b->rows[i].start, unit);
        n += n == 0 || start != last;
        last = start;
    }
    return n;
}

/* Digits that all rows but a few can be written with. */
static unsigned form_choose(const struct roll_build *b)
{
    uint32_t own = 0;
    unsigned form = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct summary_set *s = &b->rows[i].set;
        const union sh_cell cells[4] = {s->min, s->max, s->first, s->last};
        const unsigned e = b->rows[i].clean ? summary_decimals(cells, 4, b->type) : 0;
        own += e == ROLL_OWN;
        form = e != ROLL_OWN && e > form ? e : form;
    }
    return own > b->n / OWN_SHARE ? ROLL_OWN : form;
}

static sh_err section_put(const struct writing *w, struct sh_buf *out)
{
    const struct roll_build *b = w->b;
    const size_t start = out->n;
    const bool stepped = b->step <= (uint64_t)roll_unit_us(ROLL_DAY);
    SH_TRY(sh_buf_put_le64(out, 0));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(w->finest | w->form << 4)));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)w->detail));
    SH_TRY(sh_buf_put_varint(out, stepped ? b->step : 0));
    SH_TRY(sh_buf_put_varint(out, stepped ? ints_zigzag((uint64_t)b->t0) : 0));
    SH_TRY(group_put(w, ROLL_DAY, 0, b->n, 0, out));
    const size_t head = out->n - start - 8;
    sh_put_le32(out->p + start, sh_crc32c(0, out->p + start + 8, head));
    sh_put_le32(out->p + start + 4, (uint32_t)head);
    return sh_buf_put(out, w->minutes->p, w->minutes->n);
}

sh_err roll_build_end(struct roll_build *b, struct sh_buf *out, uint64_t *mean)
{
    struct sh_buf minutes;
    struct writing w = {.b = b, .finest = ROLL_LEVELS, .minutes = &minutes};
    *mean = 0;
    if (b->full || b->n == 0) {
        return SH_OK;
    }
    for (int l = (int)b->base; l >= ROLL_DAY; l--) {
        const uint64_t each = b->samples / units(b, (enum roll_level)l);
        if (w.finest == ROLL_LEVELS && each >= b->least) {
            w.finest = (enum roll_level)l;
            *mean = each;
        }
        w.detail |= each >= ROLL_DETAIL ? 1U << l : 0;
    }
    if (w.finest == ROLL_LEVELS) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->rows[i].clean) {
            summary_settle(&b->rows[i].set, b->type, true);
        }
    }
    w.form = form_choose(b);
    sh_buf_init(&minutes, b->alloc, out->max);
    const sh_err err = section_put(&w, out);
    sh_buf_fini(&minutes);
    return err;
}
