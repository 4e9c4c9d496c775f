/* map.c - see twin_map.h. Two walks over the slots, which never move: the first counts, finds the
 * extent and takes the spots; when those are too many, the second gathers them in a grid whose
 * squares are squares on the map (Mercator's projection).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include <sh/twin_map.h>

#include "twin_int.h"

#define PI 3.14159265358979323846
#define LAT_MAX 85.051129 /* where Mercator's square map ends */

struct gather {
    double lat, lon;
    uint32_t n[3]; /* by state */
};

struct survey {
    struct sh_twin *t;
    const struct sh_twin_query *q;
    const struct sh_twin_box *box;
    struct twin_filter filter;
    struct sh_arena *ar;
    struct sh_twin_map out;
    size_t max;
    struct gather *grid; /* NULL: the first walk */
    struct sh_twin_box over;
    sh_err err;
};

static double mercator(double lat)
{
    const double l = lat > LAT_MAX ? LAT_MAX : (lat < -LAT_MAX ? -LAT_MAX : lat);
    return asinh(tan(l * PI / 180));
}

static double width(const struct sh_twin_box *b)
{
    return b->east >= b->west ? b->east - b->west : b->east - b->west + 360;
}

static bool inside(const struct sh_twin_box *b, double lat, double lon)
{
    if (b == NULL) {
        return true;
    }
    return lat >= b->south && lat <= b->north &&
           (b->west <= b->east ? lon >= b->west && lon <= b->east
                               : lon >= b->west || lon <= b->east);
}

static void widen(struct sh_twin_map *m, double lat, double lon)
{
    struct sh_twin_box *e = &m->extent;
    if (m->placed == 1) {
        *e = (struct sh_twin_box){lon, lat, lon, lat};
    }
    e->west = lon < e->west ? lon : e->west;
    e->east = lon > e->east ? lon : e->east;
    e->south = lat < e->south ? lat : e->south;
    e->north = lat > e->north ? lat : e->north;
}

static void take(struct survey *s, const struct twin_slot *slot, double lat, double lon)
{
    struct sh_twin_spot *p = &s->out.spots[s->out.nspots];
    *p = (struct sh_twin_spot){.id = sh_arena_str(s->ar, slot->dev->id),
                               .name = sh_arena_str(s->ar, twin_dev_text(slot->dev, TWIN_NAME)),
                               .lat = lat,
                               .lon = lon,
                               .state = slot->state};
    if (p->id.p == NULL || p->name.p == NULL) {
        s->err = sh_arena_why(s->ar);
        return;
    }
    s->out.nspots++;
}

/* Which square of the grid: 0 to SH_TWIN_GRID - 1. */
static size_t square(double at, double span)
{
    const double x = span > 0 ? at / span * SH_TWIN_GRID : 0;
    return x < 0 ? 0 : x >= SH_TWIN_GRID ? SH_TWIN_GRID - 1 : (size_t)x;
}

static void put_in_grid(struct survey *s, const struct twin_slot *slot, double lat, double lon)
{
    const struct sh_twin_box *b = &s->over;
    const double east = lon >= b->west ? lon - b->west : lon - b->west + 360;
    const double south = mercator(b->south);
    const size_t x = square(east, width(b));
    const size_t y = square(mercator(lat) - south, mercator(b->north) - south);
    struct gather *g = &s->grid[y * SH_TWIN_GRID + x];
    g->lat += lat;
    g->lon += b->west + east;
    g->n[(size_t)slot->state]++;
}

/* Under the lock. */
static void look(struct survey *s, const struct twin_tenant *tt, const struct twin_slot *slot)
{
    const struct twin_dev *d = slot->dev;
    if (d == NULL || d->tenant != s->q->tenant || !twin_filter_match(&s->filter, tt, slot)) {
        return;
    }
    const double lat = d->lat_e7 / 1e7;
    const double lon = d->lon_e7 / 1e7;
    if (s->grid != NULL) {
        if (d->placed && inside(s->box, lat, lon)) {
            put_in_grid(s, slot, lat, lon);
        }
        return;
    }
    s->out.total++;
    if (!d->placed) {
        return;
    }
    s->out.placed++;
    widen(&s->out, lat, lon);
    if (!inside(s->box, lat, lon)) {
        return;
    }
    s->out.within++;
    if (s->out.nspots < s->max) {
        take(s, slot, lat, lon);
    }
}

static void walk(struct survey *s)
{
    struct sh_twin *t = s->t;
    size_t end = 1;
    for (size_t from = 0; from < end && s->err == SH_OK; from += TWIN_CHUNK) {
        sh_mutex_lock(&t->lock);
        const struct twin_tenant *tt = twin_tenant(t, s->q->tenant, false);
        end = tt == NULL ? 0 : t->nslots;
        for (size_t i = from; i < end && i < from + TWIN_CHUNK && s->err == SH_OK; i++) {
            look(s, tt, twin_slot_at(t, i));
        }
        sh_mutex_unlock(&t->lock);
    }
}

static sh_err cluster(struct survey *s)
{
    const size_t squares = (size_t)SH_TWIN_GRID * SH_TWIN_GRID;
    struct sh_twin_map *m = &s->out;
    s->over = s->box == NULL ? m->extent : *s->box;
    s->grid = sh_arena_array(s->ar, squares, sizeof *s->grid);
    m->clusters = sh_arena_array(s->ar, squares, sizeof *m->clusters);
    if (s->grid == NULL || m->clusters == NULL) {
        return sh_arena_why(s->ar);
    }
    memset(s->grid, 0, squares * sizeof *s->grid);
    m->spots = NULL;
    m->nspots = 0;
    walk(s);
    for (size_t i = 0; i < squares; i++) {
        const struct gather *g = &s->grid[i];
        const uint32_t n = g->n[0] + g->n[1] + g->n[2];
        if (n > 0) {
            const double lon = g->lon / n;
            m->clusters[m->nclusters++] =
                (struct sh_twin_cluster){.lat = g->lat / n,
                                         .lon = lon > 180 ? lon - 360 : lon,
                                         .online = g->n[SH_TWIN_ONLINE],
                                         .offline = g->n[SH_TWIN_OFFLINE],
                                         .never = g->n[SH_TWIN_NEVER]};
        }
    }
    return s->err;
}

sh_err sh_twin_map(struct sh_twin *t, const struct sh_twin_query *filter,
                   const struct sh_twin_box *box, size_t max, struct sh_arena *ar,
                   struct sh_twin_map *out, struct sh_diag *diag)
{
    struct survey s = {.t = t,
                       .q = filter,
                       .box = box,
                       .ar = ar,
                       .max = max > SH_TWIN_SPOTS ? SH_TWIN_SPOTS : max};
    SH_TRY(twin_filter_init(t, &s.filter, filter, ar, diag));
    s.out.spots = sh_arena_array(ar, s.max + 1, sizeof *s.out.spots);
    if (s.out.spots == NULL) {
        return sh_arena_why(ar);
    }
    walk(&s);
    if (s.err == SH_OK && s.out.within > s.max) {
        s.err = cluster(&s);
    }
    *out = s.out;
    return s.err;
}

sh_err sh_twin_device_row(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_arena *ar,
                          struct sh_twin_device *out)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, id);
    const sh_err err = s == NULL ? SH_E_NOTFOUND : twin_row(t, s, ar, out);
    sh_mutex_unlock(&t->lock);
    return err;
}
