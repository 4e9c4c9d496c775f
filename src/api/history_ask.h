/* history_ask.h - a query of history as asked over HTTP, on its way to the engine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_HISTORY_ASK_H
#define SH_API_HISTORY_ASK_H

#include "api_int.h"

enum { ASK_POINTS = 1000, ASK_AGGS = 32 };

/* One query as asked. Names, conditions and texts are views into the body (and into the request's
 * arena). */
struct asked {
    struct api_req *r;
    struct sh_history_query q;
    uint32_t points[ASK_POINTS]; /* that are read: 0 for a masked one, which holds nothing */
    uint32_t ids[ASK_POINTS];    /* that were named */
    size_t nmasked;
    struct sh_str names[ASK_POINTS];
    struct sh_history_agg aggs[ASK_AGGS];
    const char *agg_names[ASK_AGGS];
    enum api_time_form form;
    struct sh_tz *tz;
    bool marks; /* what happened to the devices of the points */
};

/* Zeroed but for r; NULL without memory. */
struct asked *asked_new(struct api_req *r);
void asked_free(struct asked *a);
/* Reads the whole question. 0, or the status of a problem that was written. */
int ask(struct asked *a, const json_t *body);
/* Its parts: "points"; "from", "to" and "step". */
int ask_points(struct asked *a, const json_t *list);
int ask_range(struct asked *a, const json_t *body);
/* "fill", "quality", "downsample", "time"; "tz", "limit" and how long it may take. */
int ask_modes(struct asked *a, const json_t *body);
int ask_bounds(struct asked *a, const json_t *body);
/* The highest class on each scale of what is read; the default where all is masked. */
struct sh_data_class asked_class(const struct asked *a);
/* Answers 400 with these words. */
int ask_bad(struct api_req *r, const char *en, const char *zh);
/* The problem of a query that the engine ended with err. */
int ask_failed(struct api_req *r, sh_err err);

#endif /* SH_API_HISTORY_ASK_H */
