/* poller.c - schedule, flights and patience of a request/reply protocol.
 *
 * States: shut (open == false: no flights, empty input) and open. In open, optionally quiet: input
 * is thrown away until hold_us.
 * Invariants:
 *  1. n_flights = number of used flights <= max_in_flight; each has a deadline; 0 when shut.
 *  2. Every write that was accepted gets exactly one result: at once (invalid, full, shut), from
 * its reply, from its deadline, when the channel closes, or when a plan replaces the queue.
 *  3. `in` holds at most max_input bytes, the front of one unfinished frame.
 *  4. A group is due at due_us; asking it moves due_us to the next multiple of its period, so that
 * a slow device is asked less often but never twice at once.
 *  5. A sick device (SICK_AFTER time-outs in a row) is asked once each sick_ms, by whichever of its
 *     groups is most overdue; any reply makes it well.
 * Every step ends with pump(), which sends what may be sent and asks for the next timer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/poller.h>

struct sh_poller_dev {
    int64_t next_ask_us; /* while sick */
    uint32_t timeouts;   /* in a row */
    uint32_t in_flight;  /* reads */
};

enum { RETRY_US = 20000 }; /* when the send buffer is full */

static bool opts_valid(const struct sh_poller_opts *o)
{
    return o->max_in_flight >= 1 && o->max_in_flight <= SH_POLL_FLIGHTS && o->timeout_ms >= 1 &&
           o->sick_ms >= 1 && o->max_input >= 1;
}

sh_err sh_poller_init(struct sh_poller *p, const struct sh_poller_ops *ops, void *self,
                      const struct sh_alloc *alloc, const struct sh_poller_opts *opts)
{
    if (!opts_valid(opts)) {
        return SH_E_INVAL;
    }
    *p = (struct sh_poller){.ops = ops, .self = self, .alloc = alloc, .opts = *opts};
    sh_buf_init(&p->in, alloc, opts->max_input);
    p->flights = sh_mem_array(alloc, opts->max_in_flight, sizeof *p->flights);
    return p->flights == NULL ? SH_E_NOMEM : SH_OK;
}

void sh_poller_fini(struct sh_poller *p)
{
    if (p->alloc == NULL) {
        return;
    }
    sh_buf_fini(&p->in);
    sh_mem_free(p->alloc, p->due_us);
    sh_mem_free(p->alloc, p->devs);
    sh_mem_free(p->alloc, p->flights);
    sh_mem_free(p->alloc, p->writes);
    *p = (struct sh_poller){0};
}

/* Answers all queued writes. */
static void drop_queue(struct sh_poller *p, const char *words, struct sh_drv_out *out)
{
    while (p->n_writes > 0) {
        const struct sh_poll_write *w = &p->writes[p->write_head];
        sh_drv_out_write_result(out, w->id, SH_DRV_NOT_SENT, words);
        p->write_head = (p->write_head + 1) % SH_POLL_WRITES;
        p->n_writes--;
    }
}

sh_err sh_poller_plan(struct sh_poller *p, const struct sh_poll_group *groups, uint32_t n_groups,
                      uint32_t n_devices, struct sh_drv_out *out)
{
    if (n_groups > SH_POLL_GROUPS || n_devices > SH_DRV_MAX_DEVICES) {
        return SH_E_LIMIT;
    }
    for (uint32_t i = 0; i < n_groups; i++) {
        SH_ASSERT(groups[i].period_ms > 0 && groups[i].device < n_devices);
    }
    int64_t *due = sh_mem_array(p->alloc, n_groups == 0 ? 1 : n_groups, sizeof *due);
    struct sh_poller_dev *devs =
        sh_mem_array(p->alloc, n_devices == 0 ? 1 : n_devices, sizeof *devs);
    if (due == NULL || devs == NULL) {
        sh_mem_free(p->alloc, due);
        sh_mem_free(p->alloc, devs);
        return SH_E_NOMEM;
    }
    sh_mem_free(p->alloc, p->due_us);
    sh_mem_free(p->alloc, p->devs);
    p->due_us = due; /* zero: all due at once */
    p->devs = devs;
    p->groups = groups;
    p->n_groups = n_groups;
    p->n_devices = n_devices;
    for (uint32_t i = 0; i < p->opts.max_in_flight; i++) {
        p->flights[i].device = SH_POLL_NONE;
        p->flights[i].group = SH_POLL_NONE;
        p->flights[i].write.tag = SH_POLL_NONE;
    }
    if (out != NULL) {
        drop_queue(p, "the channel's plan was replaced", out);
    }
    return SH_OK;
}

void sh_poller_due(struct sh_poller *p, uint32_t group)
{
    if (group < p->n_groups) {
        p->due_us[group] = 0;
    }
}

static void report(struct sh_poller *p, const struct sh_poll_flight *f,
                   const struct sh_drv_exchange *x, struct sh_drv_out *out)
{
    if (f->is_write) {
        sh_drv_out_write_result(out, f->write.id, x->result, x->words);
    }
    if (f->device < p->n_devices) {
        sh_drv_out_exchange(out, x);
    }
}

static void land(struct sh_poller *p, struct sh_poll_flight *f)
{
    f->used = false;
    p->n_flights--;
    if (!f->is_write && f->device < p->n_devices) {
        p->devs[f->device].in_flight--;
    }
}

static void shut(struct sh_poller *p, struct sh_drv_out *out)
{
    for (uint32_t i = 0; i < p->opts.max_in_flight; i++) {
        struct sh_poll_flight *f = &p->flights[i];
        if (f->used) {
            land(p, f);
            if (f->is_write) {
                sh_drv_out_write_result(out, f->write.id, SH_DRV_LOST,
                                        "the connection closed before the device answered; the "
                                        "value may have been written");
            }
        }
    }
    drop_queue(p, "the connection closed before the value was sent", out);
    sh_buf_clear(&p->in);
    sh_buf_shrink(&p->in, 0);
    p->open = false;
    p->quiet = false;
}

static void opened(struct sh_poller *p, int64_t now_us, struct sh_drv_out *out)
{
    if (p->open) {
        shut(p, out);
    }
    p->open = true;
    p->hold_us = now_us;
    p->silent = 0;
    for (uint32_t i = 0; i < p->n_groups; i++) {
        p->due_us[i] = now_us;
    }
    for (uint32_t i = 0; i < p->n_devices; i++) {
        p->devs[i] = (struct sh_poller_dev){0};
    }
}

/* A request to a device stayed without its answer. */
static void silent_device(struct sh_poller *p, uint32_t device, int64_t now_us)
{
    if (device < p->n_devices) {
        struct sh_poller_dev *d = &p->devs[device];
        d->timeouts++;
        if (d->timeouts >= SH_POLL_SICK_AFTER) {
            d->next_ask_us = now_us + (int64_t)p->opts.sick_ms * 1000;
        }
    }
}

/* Time-outs: takes every flight whose deadline has passed. */
static void expire(struct sh_poller *p, int64_t now_us, struct sh_drv_out *out)
{
    for (uint32_t i = 0; i < p->opts.max_in_flight; i++) {
        struct sh_poll_flight *f = &p->flights[i];
        if (!f->used || f->deadline_us > now_us) {
            continue;
        }
        land(p, f);
        p->silent++;
        silent_device(p, f->device, now_us);
        report(p, f,
               &(struct sh_drv_exchange){.device = f->device,
                                         .result = SH_DRV_NO_ANSWER,
                                         .code = "timeout",
                                         .words = "the device did not answer in time"},
               out);
        if (p->opts.quiet_ms > 0) {
            p->quiet = true;
            p->hold_us = now_us + (int64_t)p->opts.quiet_ms * 1000;
            sh_buf_clear(&p->in);
        }
    }
    if (p->opts.dead_after > 0 && p->silent >= p->opts.dead_after) {
        sh_drv_out_reconnect(out, "no answer to %u requests in a row", p->silent);
    }
}

/* One reply that answers flight f. */
static void answered(struct sh_poller *p, int64_t now_us, const struct sh_poll_frame *fr,
                     struct sh_drv_out *out)
{
    struct sh_poll_flight *f = &p->flights[fr->flight];
    land(p, f);
    p->silent = 0;
    if (fr->result == SH_DRV_NO_ANSWER) { /* a gateway says so for the device */
        silent_device(p, f->device, now_us);
    } else if (f->device < p->n_devices) {
        p->devs[f->device].timeouts = 0;
    }
    if (fr->again && !f->is_write && f->group < p->n_groups) {
        p->due_us[f->group] = now_us; /* soon, but behind what is overdue already */
    }
    const int64_t hold = now_us + (int64_t)p->opts.gap_ms * 1000;
    if (hold > p->hold_us) {
        p->hold_us = hold;
    }
    report(p, f,
           &(struct sh_drv_exchange){.device = f->device,
                                     .result = fr->result,
                                     .rtt_us = now_us - f->sent_us,
                                     .code = fr->code,
                                     .words = fr->words},
           out);
}

/* Takes all whole frames at the front of b; *used bytes are done with. */
static sh_err parse(struct sh_poller *p, int64_t now_us, struct sh_bytes b, size_t *used,
                    struct sh_drv_out *out)
{
    *used = 0;
    while (*used < b.n && !out->reconnect) {
        struct sh_poll_frame fr = {.flight = SH_POLL_NONE};
        const sh_err err = p->ops->reply(p->self, (struct sh_bytes){b.p + *used, b.n - *used},
                                         p->flights, p->opts.max_in_flight, &fr, out);
        if (err == SH_E_AGAIN) {
            return SH_OK;
        }
        SH_TRY(err);
        SH_ASSERT(fr.used > 0 && fr.used <= b.n - *used);
        *used += fr.used;
        if (fr.flight < p->opts.max_in_flight && p->flights[fr.flight].used) {
            answered(p, now_us, &fr, out);
        } else {
            p->stray++;
        }
    }
    return SH_OK;
}

static sh_err take(struct sh_poller *p, int64_t now_us, struct sh_bytes b, struct sh_drv_out *out)
{
    size_t used = 0;
    if (p->quiet) {
        return SH_OK;
    }
    if (p->in.n == 0) { /* the usual case: whole frames, nothing is copied */
        SH_TRY(parse(p, now_us, b, &used, out));
        const size_t left = b.n - used;
        if (left > p->opts.max_input) {
            return SH_E_PROTO;
        }
        return left == 0 || out->reconnect ? SH_OK : sh_buf_put(&p->in, b.p + used, left);
    }
    while (b.n > 0 && !out->reconnect) {
        size_t k = p->opts.max_input - p->in.n;
        k = k < b.n ? k : b.n;
        if (k == 0) {
            return SH_E_PROTO; /* a full buffer that is not a frame */
        }
        SH_TRY(sh_buf_put(&p->in, b.p, k));
        b = (struct sh_bytes){b.p + k, b.n - k};
        SH_TRY(parse(p, now_us, sh_buf_bytes(&p->in), &used, out));
        sh_buf_drop(&p->in, used);
    }
    return SH_OK;
}

static int64_t group_due(const struct sh_poller *p, uint32_t g)
{
    const struct sh_poller_dev *d = &p->devs[p->groups[g].device];
    if (d->timeouts >= SH_POLL_SICK_AFTER) {
        if (d->in_flight > 0) {
            return INT64_MAX;
        }
        return p->due_us[g] > d->next_ask_us ? p->due_us[g] : d->next_ask_us;
    }
    return p->due_us[g];
}

/* The most overdue group; *due_us = when it is due. SH_POLL_NONE when there is none. */
static uint32_t next_group(const struct sh_poller *p, int64_t *due_us)
{
    uint32_t best = SH_POLL_NONE;
    *due_us = INT64_MAX;
    for (uint32_t g = 0; g < p->n_groups; g++) {
        const int64_t due = group_due(p, g);
        if (due < *due_us) {
            *due_us = due;
            best = g;
        }
    }
    return best;
}

static struct sh_poll_flight *free_flight(struct sh_poller *p)
{
    for (uint32_t i = 0; i < p->opts.max_in_flight; i++) {
        if (!p->flights[i].used) {
            return &p->flights[i];
        }
    }
    return NULL;
}

static void take_off(struct sh_poller *p, struct sh_poll_flight *f, int64_t now_us)
{
    f->used = true;
    f->sent_us = now_us;
    f->deadline_us = now_us + (int64_t)p->opts.timeout_ms * 1000;
    p->n_flights++;
    p->txn = f->txn;
}

/* Sends the first queued write. */
static sh_err send_write(struct sh_poller *p, struct sh_poll_flight *f, int64_t now_us,
                         struct sh_drv_out *out)
{
    const struct sh_poll_write *w = &p->writes[p->write_head];
    const char *words = NULL;
    sh_err err = SH_OK;
    if (w->deadline_us <= now_us) {
        sh_drv_out_write_result(out, w->id, SH_DRV_NOT_SENT,
                                "the deadline passed before the value could be sent");
    } else {
        *f = (struct sh_poll_flight){.is_write = true,
                                     .txn = (uint16_t)(p->txn + 1),
                                     .device = w->device,
                                     .group = SH_POLL_NONE,
                                     .write = *w};
        err = p->ops->request(p->self, f, out, &words);
        if (err == SH_OK) {
            take_off(p, f, now_us);
        } else if (err == SH_E_INVAL) {
            sh_drv_out_write_result(out, w->id, SH_DRV_INVALID, words);
            err = SH_OK;
        } else {
            return err;
        }
    }
    p->write_head = (p->write_head + 1) % SH_POLL_WRITES;
    p->n_writes--;
    return err;
}

static sh_err send_read(struct sh_poller *p, struct sh_poll_flight *f, uint32_t g, int64_t now_us,
                        struct sh_drv_out *out)
{
    const char *words = NULL;
    *f = (struct sh_poll_flight){.txn = (uint16_t)(p->txn + 1),
                                 .device = p->groups[g].device,
                                 .group = g,
                                 .write = {.tag = SH_POLL_NONE}};
    SH_TRY(p->ops->request(p->self, f, out, &words));
    take_off(p, f, now_us);
    p->devs[f->device].in_flight++;
    const int64_t period = (int64_t)p->groups[g].period_ms * 1000;
    int64_t due = p->due_us[g] + period;
    if (due <= now_us) { /* late: skip the missed ones, keep the phase */
        due = now_us + period - (now_us - p->due_us[g]) % period;
    }
    p->due_us[g] = due;
    return SH_OK;
}

static bool may_send(const struct sh_poller *p)
{
    return p->n_flights < p->opts.max_in_flight && (p->opts.gap_ms == 0 || p->n_flights == 0);
}

/* Sends all that may be sent now, then asks for the timer. */
static sh_err pump(struct sh_poller *p, int64_t now_us, struct sh_drv_out *out)
{
    int64_t wake = INT64_MAX;
    if (p->quiet && now_us >= p->hold_us) {
        p->quiet = false;
    }
    while (may_send(p) && now_us >= p->hold_us) {
        struct sh_poll_flight *f = free_flight(p);
        sh_err err = SH_OK;
        if (p->n_writes > 0) {
            err = send_write(p, f, now_us, out);
        } else {
            const uint32_t g = next_group(p, &wake);
            if (g == SH_POLL_NONE || wake > now_us) {
                break;
            }
            err = send_read(p, f, g, now_us, out);
        }
        if (err == SH_E_LIMIT) {
            wake = now_us + RETRY_US;
            break;
        }
        SH_TRY(err);
        wake = INT64_MAX;
    }
    if (now_us < p->hold_us && may_send(p)) {
        wake = p->hold_us;
    }
    sh_drv_out_timer(out, wake);
    for (uint32_t i = 0; i < p->opts.max_in_flight; i++) {
        if (p->flights[i].used) {
            sh_drv_out_timer(out, p->flights[i].deadline_us);
        }
    }
    return SH_OK;
}

sh_err sh_poller_step(struct sh_poller *p, int64_t now_us, const struct sh_drv_in *in,
                      struct sh_drv_out *out)
{
    switch (in->event) {
    case SH_DRV_OPENED:
        opened(p, now_us, out);
        break;
    case SH_DRV_CLOSED:
        shut(p, out);
        return SH_OK;
    case SH_DRV_BYTES:
    case SH_DRV_DATAGRAM:
        if (!p->open) {
            return SH_OK;
        }
        if (p->quiet && now_us >= p->hold_us) {
            p->quiet = false;
        }
        SH_TRY(take(p, now_us, in->bytes, out));
        break;
    case SH_DRV_TIMER:
    case SH_DRV_PLAN_NEW:
    case SH_DRV_WRITE:
        break;
    }
    if (!p->open) {
        return SH_OK;
    }
    expire(p, now_us, out);
    return out->reconnect ? SH_OK : pump(p, now_us, out);
}

sh_err sh_poller_write(struct sh_poller *p, int64_t now_us, const struct sh_drv_write *w,
                       uint32_t device, struct sh_drv_out *out)
{
    const char *words = NULL;
    enum sh_drv_result r = SH_DRV_NOT_SENT;
    if (p->writes == NULL) {
        p->writes = sh_mem_array(p->alloc, SH_POLL_WRITES, sizeof *p->writes);
    }
    if (w->text.n > SH_POLL_WRITE_BYTES) {
        r = SH_DRV_INVALID;
        words = "the text is longer than one write can carry";
    } else if (!p->open) {
        words = "the device is not connected";
    } else if (p->writes == NULL || p->n_writes == SH_POLL_WRITES) {
        words = "too many writes wait for this channel";
    }
    if (words != NULL) {
        sh_drv_out_write_result(out, w->id, r, words);
    } else {
        struct sh_poll_write *q = &p->writes[(p->write_head + p->n_writes) % SH_POLL_WRITES];
        *q = (struct sh_poll_write){.id = w->id,
                                    .tag = w->tag,
                                    .device = device,
                                    .type = w->type,
                                    .value = w->value,
                                    .deadline_us = w->deadline_us,
                                    .text_len = (uint32_t)w->text.n};
        if (w->text.n > 0) {
            memcpy(q->text, w->text.p, w->text.n);
        }
        p->n_writes++;
    }
    return sh_poller_step(p, now_us, &(struct sh_drv_in){.event = SH_DRV_WRITE}, out);
}
