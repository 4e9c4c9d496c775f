/* prom.h - points as series of Prometheus, for the query API.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_PROM_H
#define SH_API_PROM_H

#include <sh/promql.h>

#include "api_int.h"

enum {
    PROM_SERIES = 10000, /* that a selector may find */
    PROM_LABELS = 256    /* of a series */
};

/* Selectors: a series is taken when all matchers of one take it; none: all series. */
struct prom_selector {
    const struct sh_promql_matcher *m;
    size_t n;
};

/* Walks the numeric points of the caller's tenant that the caller may see. */
struct prom_walk {
    struct api_req *r;
    struct sh_arena *ar; /* labels of devices, and of what is kept */
    const struct prom_selector *selectors;
    size_t nselectors;
    int64_t from_us; /* only points with samples in [from_us, to_us]; from > to: all */
    int64_t to_us;
    int64_t deadline_mono_us;
    /* The labels are borrowed for the call. */
    sh_err (*take)(void *ctx, uint32_t point, const struct sh_promql_labels *l);
    void *ctx;
};
/* SH_E_INVAL: a pattern took too long; SH_E_TIMEOUT; SH_E_NOMEM; the error of take. */
SH_MUST_CHECK sh_err prom_walk(const struct prom_walk *w);

/* The source of a query; the context. */
struct prom_source {
    struct api_req *r;
    int64_t deadline_mono_us;
};
struct sh_promql_source prom_source(struct prom_source *s);

/* Writes a property and a metric's name: "name{a="x"}" gives its labels (values decoded into
 * `text`), true; else false. Pure. */
bool prom_property(struct sh_str property, struct sh_buf *text, struct sh_promql_label *labels,
                   size_t *n);
/* Appends s with what a metric's name (or a label's) must not have as '_'. Pure. */
SH_MUST_CHECK sh_err prom_valid_name(struct sh_buf *b, struct sh_str s, bool metric);

#endif /* SH_API_PROM_H */
