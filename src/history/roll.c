/* roll.c - the reader of roll.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roll.h"

#include <math.h>

#include "block.h"
#include "ints.h"
#include "roll_int.h"

int64_t roll_unit_us(enum roll_level l)
{
    static const int64_t units[ROLL_LEVELS] = {INT64_C(86400000000), INT64_C(3600000000),
                                               INT64_C(60000000)};
    return units[l];
}

sh_err roll_open(struct sh_bytes section, enum sh_type type, struct roll *out)
{
    struct sh_rd all = sh_rd_of(section);
    struct sh_bytes head;
    uint32_t crc = 0;
    uint32_t bytes = 0;
    uint8_t form = 0;
    uint8_t levels = 0;
    uint64_t t0 = 0;
    if (sh_rd_le32(&all, &crc) != SH_OK || sh_rd_le32(&all, &bytes) != SH_OK ||
        sh_rd_bytes(&all, bytes, &head) != SH_OK || sh_crc32c(0, head.p, head.n) != crc) {
        return SH_E_CORRUPT;
    }
    struct sh_rd r = sh_rd_of(head);
    if (sh_rd_u8(&r, &form) != SH_OK || sh_rd_u8(&r, &levels) != SH_OK ||
        sh_rd_varint(&r, &out->step) != SH_OK || sh_rd_varint(&r, &t0) != SH_OK) {
        return SH_E_CORRUPT;
    }
    out->type = type;
    out->finest = (enum roll_level)(form & 15);
    out->form = form >> 4;
    out->detail = levels;
    out->t0 = (int64_t)ints_unzigzag(t0);
    out->days = (struct sh_bytes){r.p, sh_rd_left(&r)};
    out->minutes = (struct sh_bytes){all.p, sh_rd_left(&all)};
    const bool own = out->form == ROLL_OWN && type == SH_T_F64;
    const bool known = own || out->form == 0 || (type == SH_T_F64 && out->form < ROLL_DECIMALS);
    return out->finest < ROLL_LEVELS && known && type <= SH_T_F64 &&
                   out->step <= (uint64_t)roll_unit_us(ROLL_DAY)
               ? SH_OK
               : SH_E_CORRUPT;
}

/* Reading one group: columns are of its clean rows. */
struct reading {
    const struct roll *roll;
    struct sh_rd rd;
    enum roll_level level;
    unsigned flags;
    bool timed;
    struct roll_group *g;
    struct roll_row *clean[ROLL_GROUP];
    uint32_t n;
    uint64_t col[ROLL_GROUP];
};

static sh_err column(struct reading *k)
{
    uint8_t width = 0;
    uint64_t base = 0;
    struct sh_bytes bits;
    SH_TRY(sh_rd_u8(&k->rd, &width));
    SH_TRY(sh_rd_varint(&k->rd, &base));
    if (width > 64) {
        return SH_E_CORRUPT;
    }
    SH_TRY(sh_rd_bytes(&k->rd, ((size_t)k->n * width + 7) / 8, &bits));
    uint64_t have = 0; /* bits not yet used, the lowest first */
    unsigned nhave = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        uint64_t v = have;
        unsigned got = nhave;
        while (got < width) {
            const uint64_t byte = bits.p[at++];
            v |= byte << got;
            got += 8;
            have = got > 64 ? byte >> (8 - (got - 64)) : 0;
        }
        nhave = got - width;
        have = got > 64 ? have : (width == 64 ? 0 : v >> width);
        k->col[i] = base + (width == 64 ? v : v & (((uint64_t)1 << width) - 1));
    }
    return SH_OK;
}

/* Which units there are, and which of them are clean. */
static sh_err units_read(struct reading *k, const struct roll_row *above)
{
    uint64_t rows = 0;
    uint64_t first = 0;
    uint64_t gap = 0;
    uint8_t flags = 0;
    const int64_t unit = roll_unit_us(k->level);
    struct sh_bytes bits = {NULL, 0};
    SH_TRY(sh_rd_u8(&k->rd, &flags));
    SH_TRY(sh_rd_varint(&k->rd, &rows));
    SH_TRY(sh_rd_varint(&k->rd, &first));
    const int64_t at = (int64_t)ints_unzigzag(first);
    if (rows == 0 || rows > ROLL_GROUP || at > ROLL_TIME_MAX / unit || at < -ROLL_TIME_MAX / unit) {
        return SH_E_CORRUPT;
    }
    int64_t start = (above == NULL ? 0 : above->start) + at * unit;
    k->flags = flags;
    k->timed = roll_timed(k->roll->detail, k->level, flags);
    k->g->n = (uint32_t)rows;
    for (uint32_t i = 0; i < rows; i++) {
        if (i != 0 && (flags & ROLL_DENSE) == 0) {
            SH_TRY(sh_rd_varint(&k->rd, &gap));
        }
        if (gap > ROLL_GROUP) {
            return SH_E_CORRUPT;
        }
        start += (int64_t)gap * unit;
        struct roll_row *row = &k->g->rows[i];
        *row = (struct roll_row){.level = k->level, .start = start};
        row->set.t_first = start;
        row->set.t_last = start + unit - 1;
        start += unit;
    }
    if ((flags & ROLL_CLEAN) == 0) {
        SH_TRY(sh_rd_bytes(&k->rd, (size_t)(rows + 7) / 8, &bits));
    }
    for (uint32_t i = 0; i < rows; i++) {
        if ((flags & ROLL_CLEAN) != 0 || (bits.p[i / 8] >> (i % 8) & 1) != 0) {
            k->g->rows[i].clean = true;
            k->clean[k->n++] = &k->g->rows[i];
        }
    }
    return SH_OK;
}

static sh_err even_times(struct reading *k)
{
    for (uint32_t i = 0; i < k->n; i++) {
        struct roll_row *row = k->clean[i];
        row->timed = k->timed;
        if (!roll_even(k->roll->step, k->roll->t0, row->start,
                       row->start + roll_unit_us(row->level), &row->set)) {
            return SH_E_CORRUPT;
        }
    }
    return SH_OK;
}

static sh_err times_read(struct reading *k)
{
    const uint64_t unit = (uint64_t)roll_unit_us(k->level);
    if ((k->flags & ROLL_EVEN) != 0) {
        return even_times(k);
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->col[i] == 0 || k->col[i] > UINT32_MAX) {
            return SH_E_CORRUPT;
        }
        k->clean[i]->set.n = (uint32_t)k->col[i];
    }
    if (!k->timed) {
        return SH_OK;
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->col[i] >= unit) {
            return SH_E_CORRUPT;
        }
        k->clean[i]->set.t_first += (int64_t)k->col[i];
        k->clean[i]->timed = true;
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        struct summary_set *s = &k->clean[i]->set;
        if (k->col[i] > (uint64_t)(s->t_last - s->t_first)) {
            return SH_E_CORRUPT;
        }
        s->t_last -= (int64_t)k->col[i];
    }
    return SH_OK;
}

/* Scaled integers are gathered in the cells, and made numbers at the end. */
static sh_err scaled_read(struct reading *k)
{
    uint64_t min = 0;
    uint64_t first = 0;
    SH_TRY(sh_rd_varint(&k->rd, &min));
    SH_TRY(sh_rd_varint(&k->rd, &first));
    min = ints_unzigzag(min);
    first = ints_unzigzag(first);
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        min += ints_unzigzag(k->col[i]);
        k->clean[i]->set.min.bits = min;
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.max.bits = k->clean[i]->set.min.bits + k->col[i];
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.last.bits = k->clean[i]->set.min.bits + k->col[i];
    }
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        const uint64_t before = i == 0 ? first : k->clean[i - 1]->set.last.bits;
        k->clean[i]->set.first.bits = before + ints_unzigzag(k->col[i]);
    }
    return SH_OK;
}

static sh_err sums_read(struct reading *k)
{
    const double scale = k->roll->type == SH_T_F64 ? block_pow10(k->roll->form) : 1;
    SH_TRY(column(k));
    for (uint32_t i = 0; i < k->n; i++) {
        struct summary_set *s = &k->clean[i]->set;
        s->sum = (double)(int64_t)(k->col[i] + s->n * s->min.bits) / scale;
    }
    return SH_OK;
}

static void unscale(const struct reading *k)
{
    const double scale = block_pow10(k->roll->form);
    for (uint32_t i = 0; k->roll->type == SH_T_F64 && i < k->n; i++) {
        struct summary_set *s = &k->clean[i]->set;
        s->min.f64 = (double)s->min.i64 / scale;
        s->max.f64 = (double)s->max.i64 / scale;
        s->first.f64 = (double)s->first.i64 / scale;
        s->last.f64 = (double)s->last.i64 / scale;
    }
}

static sh_err places_read(struct reading *k)
{
    const uint64_t step = (k->flags & ROLL_EVEN) != 0 ? k->roll->step : 1;
    for (int which = 0; which < 2; which++) {
        SH_TRY(column(k));
        for (uint32_t i = 0; i < k->n; i++) {
            struct roll_row *row = k->clean[i];
            if (k->col[i] > (uint64_t)(row->set.t_last - row->set.t_first) / step) {
                return SH_E_CORRUPT;
            }
            const int64_t t = row->set.t_first + (int64_t)(k->col[i] * step);
            *(which == 0 ? &row->t_min : &row->t_max) = t;
        }
    }
    return SH_OK;
}

static sh_err wide(struct reading *k)
{
    for (uint32_t i = 0; i < k->n; i++) {
        SH_TRY(sh_rd_le64(&k->rd, &k->col[i]));
    }
    return SH_OK;
}

static sh_err own_read(struct reading *k)
{
    SH_TRY(wide(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.min.bits = k->col[i];
    }
    SH_TRY(wide(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.max.bits = k->col[i];
    }
    SH_TRY(wide(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.first.bits = k->col[i];
    }
    SH_TRY(wide(k));
    for (uint32_t i = 0; i < k->n; i++) {
        k->clean[i]->set.last.bits = k->col[i];
    }
    return SH_OK;
}

/* Sums that are no decimals, squares, integrals. */
static sh_err doubles_read(struct reading *k)
{
    if (k->roll->form == ROLL_OWN || (k->flags & ROLL_SUMS) == 0) {
        SH_TRY(wide(k));
        for (uint32_t i = 0; i < k->n; i++) {
            k->clean[i]->set.sum = sh_f64_from_bits(k->col[i]);
        }
    }
    if ((k->roll->detail >> k->level & 1) != 0) {
        SH_TRY(wide(k));
        for (uint32_t i = 0; i < k->n; i++) {
            k->clean[i]->set.m2 = sh_f64_from_bits(k->col[i]);
            k->clean[i]->squares = true;
        }
    }
    if ((k->flags & ROLL_DERIVED) != 0) {
        for (uint32_t i = 0; i < k->n; i++) {
            struct summary_set *s = &k->clean[i]->set;
            s->integral = summary_integral(s, k->roll->type);
        }
    } else if (k->timed) {
        SH_TRY(wide(k));
        for (uint32_t i = 0; i < k->n; i++) {
            k->clean[i]->set.integral = sh_f64_from_bits(k->col[i]);
        }
    }
    return SH_OK;
}

static sh_err kids_read(struct reading *k)
{
    if (k->level == k->roll->finest) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < k->g->n; i++) {
        SH_TRY(sh_rd_varint(&k->rd, &k->col[i]));
    }
    struct sh_rd below = k->rd;
    if (k->level + 1 == ROLL_MINUTE) {
        struct sh_bytes before;
        uint64_t at = 0;
        SH_TRY(sh_rd_varint(&k->rd, &at));
        below = sh_rd_of(k->roll->minutes);
        SH_TRY(sh_rd_bytes(&below, (size_t)at, &before));
    }
    for (uint32_t i = 0; i < k->g->n; i++) {
        SH_TRY(sh_rd_bytes(&below, (size_t)k->col[i], &k->g->rows[i].kids));
    }
    return SH_OK;
}

static sh_err group_read(struct reading *k, const struct roll_row *above)
{
    uint32_t crc = 0;
    if (k->level == ROLL_MINUTE) {
        SH_TRY(sh_rd_le32(&k->rd, &crc));
        if (crc != sh_crc32c(0, k->rd.p, sh_rd_left(&k->rd))) {
            return SH_E_CORRUPT;
        }
    }
    SH_TRY(units_read(k, above));
    if (k->n != 0) {
        const bool own = k->roll->form == ROLL_OWN;
        SH_TRY(times_read(k));
        SH_TRY(own ? SH_OK : scaled_read(k));
        SH_TRY(!own && (k->flags & ROLL_SUMS) != 0 ? sums_read(k) : SH_OK);
        SH_TRY(k->timed ? places_read(k) : SH_OK);
        SH_TRY(own ? own_read(k) : SH_OK);
        if (!own) {
            unscale(k);
        }
        SH_TRY(doubles_read(k));
    }
    return kids_read(k);
}

sh_err roll_group_read(const struct roll *r, const struct roll_row *above, struct roll_group *out)
{
    struct reading k;
    k.roll = r;
    k.rd = sh_rd_of(above == NULL ? r->days : above->kids);
    k.level = above == NULL ? ROLL_DAY : above->level + 1;
    k.g = out;
    k.n = 0;
    return k.level <= r->finest && group_read(&k, above) == SH_OK ? SH_OK : SH_E_CORRUPT;
}
