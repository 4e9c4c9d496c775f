/* mb_plan.c - configuration and grouping.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mb_plan.h"

#include <stdio.h>
#include <stdlib.h>

/* One number of an object, within bounds. */
struct num {
    const char *key;
    int64_t dflt;
    int64_t min;
    int64_t max;
};

static sh_err get_num(const json_t *o, const struct num *n, int64_t *out, struct sh_diag *diag)
{
    const json_t *v = o == NULL ? NULL : json_object_get(o, n->key);
    *out = n->dflt;
    if (v == NULL) {
        return SH_OK;
    }
    const int64_t i = json_is_integer(v) ? json_integer_value(v) : INT64_MIN;
    if (i < n->min || i > n->max) {
        sh_diag_at(diag, sh_str_c(n->key), 0);
        sh_diag_set(diag, "%s must be a whole number from %lld to %lld", n->key, (long long)n->min,
                    (long long)n->max);
        sh_diag_remedy(diag, "Leave it out to get %lld.", (long long)n->dflt);
        return SH_E_INVAL;
    }
    *out = i;
    return SH_OK;
}

sh_err mb_channel_parse(const json_t *config, struct mb_channel *out, struct sh_diag *diag)
{
    const struct sh_str framing = config == NULL ? SH_STR("") : sh_json_get_str(config, "framing");
    const bool rtu = sh_str_eqc(framing, "rtu");
    if (framing.n > 0 && !rtu && !sh_str_eqc(framing, "tcp")) {
        sh_diag_at(diag, SH_STR("framing"), 0);
        sh_diag_set(diag, "framing must be \"tcp\" or \"rtu\"");
        sh_diag_remedy(diag, "Use rtu for serial frames sent over TCP (most DTUs), else tcp.");
        return SH_E_INVAL;
    }
    int64_t timeout = 0;
    int64_t flights = 0;
    int64_t gap = 0;
    int64_t sick = 0;
    int64_t dead = 0;
    SH_TRY(get_num(config, &(struct num){"timeout_ms", 1000, 10, 60000}, &timeout, diag));
    SH_TRY(get_num(config, &(struct num){"max_in_flight", 1, 1, SH_POLL_FLIGHTS}, &flights, diag));
    SH_TRY(get_num(config, &(struct num){"gap_ms", 0, 0, 10000}, &gap, diag));
    SH_TRY(get_num(config, &(struct num){"retry_ms", 10000, 100, 3600000}, &sick, diag));
    SH_TRY(get_num(config, &(struct num){"reconnect_after", rtu ? 0 : 3, 0, 1000}, &dead, diag));
    *out = (struct mb_channel){.framing = rtu ? MB_RTU : MB_TCP,
                               .max_in_flight = (uint8_t)(rtu ? 1 : flights),
                               .gap_ms = (uint16_t)gap,
                               .timeout_ms = (uint32_t)timeout,
                               .sick_ms = (uint32_t)sick,
                               .dead_after = (uint32_t)dead};
    return SH_OK;
}

sh_err mb_dev_parse(const json_t *config, struct mb_dev *out, struct sh_diag *diag)
{
    int64_t unit = 0;
    int64_t regs = 0;
    int64_t bits = 0;
    int64_t gap = 0;
    int64_t gap_bits = 0;
    enum mb_order order = MB_ABCD;
    SH_TRY(get_num(config, &(struct num){"unit", 1, 0, 255}, &unit, diag));
    SH_TRY(
        get_num(config, &(struct num){"max_registers", MB_MAX_REGS, 1, MB_MAX_REGS}, &regs, diag));
    SH_TRY(get_num(config, &(struct num){"max_coils", MB_MAX_BITS, 1, MB_MAX_BITS}, &bits, diag));
    SH_TRY(get_num(config, &(struct num){"gap", 8, 0, MB_MAX_REGS}, &gap, diag));
    SH_TRY(get_num(config, &(struct num){"gap_coils", 64, 0, MB_MAX_BITS}, &gap_bits, diag));
    const struct sh_str word = config == NULL ? SH_STR("") : sh_json_get_str(config, "word_order");
    if (word.n > 0 && mb_order_parse(word, &order) != SH_OK) {
        sh_diag_at(diag, SH_STR("word_order"), 0);
        sh_diag_set(diag, "word_order must be abcd, cdab, badc or dcba");
        sh_diag_remedy(diag, "abcd is the usual one: high word first, high byte first.");
        return SH_E_INVAL;
    }
    *out = (struct mb_dev){.max_regs = (uint16_t)regs,
                           .max_bits = (uint16_t)bits,
                           .gap_regs = (uint16_t)gap,
                           .gap_bits = (uint16_t)gap_bits,
                           .unit = (uint8_t)unit,
                           .order = (uint8_t)order,
                           .multiple_only =
                               config != NULL && sh_json_get_bool(config, "write_multiple", false)};
    return SH_OK;
}

static uint16_t limit_of(const struct mb_dev *d, uint8_t area)
{
    return area == MB_COIL || area == MB_DISCRETE ? d->max_bits : d->max_regs;
}

static sh_err point_init(const struct mb_plan *p, const struct sh_drv_plan *in, uint32_t tag,
                         struct sh_diag *diag)
{
    const struct sh_drv_tag *t = &in->tags[tag];
    struct mb_point *pt = &p->points[tag];
    struct sh_drv_addr_error why;
    if (t->device >= in->n_devices) {
        sh_diag_set(diag, "tag %u names a device that is not there", tag);
        return SH_E_INVAL;
    }
    const struct mb_dev *d = &p->devs[t->device];
    sh_err err = mb_addr_parse(t->address, (enum mb_order)d->order, &pt->addr, &why);
    if (err == SH_OK && pt->addr.count > limit_of(d, pt->addr.area)) {
        sh_diag_set(diag, "'%.*s' needs %u registers, the device gives at most %u in one request",
                    SH_PRI(t->address), pt->addr.count, d->max_regs);
        sh_diag_remedy(diag, "Raise max_registers of the device or read a shorter value.");
        err = SH_E_INVAL;
    } else if (err != SH_OK) {
        sh_diag_set(diag, "'%.*s', column %u: %s", SH_PRI(t->address), why.column + 1,
                    why.message_en);
        sh_diag_remedy(diag, "%s", why.remedy_en);
    }
    if (err != SH_OK) {
        char path[48];
        const int n = snprintf(path, sizeof path, "tags/%u/address", tag);
        sh_diag_at(diag, sh_str_of(path, (size_t)n), 0);
        return err;
    }
    pt->tag = tag;
    pt->device = t->device;
    pt->period_ms = t->period_ms != 0 ? t->period_ms : d->period_ms;
    return SH_OK;
}

static int by_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_place(const void *pa, const void *pb)
{
    const struct mb_point *a = pa;
    const struct mb_point *b = pb;
    int c = by_u32(a->device, b->device);
    c = c != 0 ? c : by_u32(a->period_ms, b->period_ms);
    c = c != 0 ? c : by_u32(a->addr.area, b->addr.area);
    c = c != 0 ? c : by_u32(a->addr.at, b->addr.at);
    c = c != 0 ? c : by_u32(a->addr.count, b->addr.count);
    return c != 0 ? c : by_u32(a->tag, b->tag);
}

/* True when point b may join group g, whose points all sort before it. */
static bool joins(const struct mb_plan *p, const struct mb_group *g, const struct mb_point *b)
{
    const struct mb_point *a = &p->points[g->first];
    if (a->device != b->device || a->period_ms != b->period_ms || a->addr.area != b->addr.area) {
        return false;
    }
    const struct mb_dev *d = &p->devs[b->device];
    const bool bits = b->addr.area == MB_COIL || b->addr.area == MB_DISCRETE;
    const uint32_t end = (uint32_t)g->at + g->count;
    const uint32_t new_end = (uint32_t)b->addr.at + b->addr.count;
    if (b->addr.at > end + (bits ? d->gap_bits : d->gap_regs)) {
        return false;
    }
    return new_end - g->at <= limit_of(d, b->addr.area);
}

static void group_points(struct mb_plan *p)
{
    for (uint32_t i = 0; i < p->n_points; i++) {
        struct mb_point *pt = &p->points[i];
        struct mb_group *g = p->n_groups > 0 ? &p->groups[p->n_groups - 1] : NULL;
        if (g == NULL || !joins(p, g, pt)) {
            g = &p->groups[p->n_groups];
            *g = (struct mb_group){.device = pt->device,
                                   .first = i,
                                   .at = pt->addr.at,
                                   .count = pt->addr.count,
                                   .area = pt->addr.area};
            p->polls[p->n_groups] =
                (struct sh_poll_group){.device = pt->device, .period_ms = pt->period_ms};
            p->n_groups++;
        }
        const uint32_t end = (uint32_t)pt->addr.at + pt->addr.count - g->at;
        g->count = (uint16_t)(end > g->count ? end : g->count);
        g->n++;
        pt->group = p->n_groups - 1;
        p->point_of_tag[pt->tag] = i;
    }
}

static sh_err plan_fill(struct mb_plan *p, const struct sh_drv_plan *in, struct sh_diag *diag)
{
    for (uint32_t i = 0; i < in->n_devices; i++) {
        const struct sh_drv_device *d = &in->devices[i];
        SH_TRY(mb_dev_parse(d->config, &p->devs[i], diag));
        p->devs[i].period_ms = d->period_ms == 0 ? 1000 : d->period_ms;
        p->devs[i].writable = d->writable;
    }
    for (uint32_t i = 0; i < in->n_tags; i++) {
        SH_TRY(point_init(p, in, i, diag));
    }
    if (p->n_points > 1) {
        qsort(p->points, p->n_points, sizeof *p->points, by_place);
    }
    group_points(p);
    return p->n_groups > SH_POLL_GROUPS ? SH_E_LIMIT : SH_OK;
}

sh_err mb_plan_init(struct mb_plan *p, const struct sh_alloc *a, const struct sh_drv_plan *in,
                    struct sh_diag *diag)
{
    *p = (struct mb_plan){.alloc = a, .n_devs = in->n_devices, .n_points = in->n_tags};
    if (in->n_devices > SH_DRV_MAX_DEVICES || in->n_tags > SH_DRV_MAX_TAGS) {
        sh_diag_set(diag, "a channel takes at most %d devices and %d tags", SH_DRV_MAX_DEVICES,
                    SH_DRV_MAX_TAGS);
        return SH_E_LIMIT;
    }
    const size_t n = in->n_tags == 0 ? 1 : in->n_tags;
    p->devs = sh_mem_array(a, in->n_devices == 0 ? 1 : in->n_devices, sizeof *p->devs);
    p->points = sh_mem_array(a, n, sizeof *p->points);
    p->point_of_tag = sh_mem_array(a, n, sizeof *p->point_of_tag);
    p->groups = sh_mem_array(a, n, sizeof *p->groups);
    p->polls = sh_mem_array(a, n, sizeof *p->polls);
    sh_err err = SH_E_NOMEM;
    if (p->devs != NULL && p->points != NULL && p->point_of_tag != NULL && p->groups != NULL &&
        p->polls != NULL) {
        err = plan_fill(p, in, diag);
    }
    if (err != SH_OK) {
        mb_plan_fini(p);
        return err;
    }
    /* There are usually far fewer groups than points: give the rest back. */
    const size_t keep = p->n_groups == 0 ? 1 : p->n_groups;
    void *groups = sh_mem_resize(a, p->groups, keep * sizeof *p->groups);
    p->groups = groups != NULL ? groups : p->groups;
    void *polls = sh_mem_resize(a, p->polls, keep * sizeof *p->polls);
    p->polls = polls != NULL ? polls : p->polls;
    return SH_OK;
}

void mb_plan_fini(struct mb_plan *p)
{
    if (p->alloc == NULL) {
        return;
    }
    sh_mem_free(p->alloc, p->devs);
    sh_mem_free(p->alloc, p->points);
    sh_mem_free(p->alloc, p->point_of_tag);
    sh_mem_free(p->alloc, p->groups);
    sh_mem_free(p->alloc, p->polls);
    *p = (struct mb_plan){0};
}
