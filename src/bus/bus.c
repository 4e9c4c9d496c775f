/* bus.c - subjects in the process.
 * Subscribers stand in a fixed array; `lock` is held while they are called, so that unsubscribe can
 * promise that no call is running. It is taken once per batch, not per sample.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/bus.h>

struct sh_bus_sub {
    struct sh_bus_handler h;
    void *ctx;
    bool used;
};

struct sh_bus {
    const struct sh_alloc *alloc;
    struct sh_mutex lock;
    size_t max;
    struct sh_bus_sub subs[];
};

sh_err sh_bus_new(const struct sh_env *env, size_t max_subscribers, struct sh_bus **out)
{
    struct sh_bus *b = sh_mem_new(env->alloc, sizeof *b + max_subscribers * sizeof b->subs[0]);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    b->alloc = env->alloc;
    b->max = max_subscribers;
    sh_mutex_init(&b->lock);
    *out = b;
    return SH_OK;
}

void sh_bus_free(struct sh_bus *b)
{
    if (b != NULL) {
        sh_mutex_fini(&b->lock);
        sh_mem_free(b->alloc, b);
    }
}

sh_err sh_bus_subscribe(struct sh_bus *b, const struct sh_bus_handler *h, void *ctx,
                        struct sh_bus_sub **out)
{
    sh_err err = SH_E_LIMIT;
    sh_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->max && err != SH_OK; i++) {
        if (!b->subs[i].used) {
            b->subs[i] = (struct sh_bus_sub){*h, ctx, true};
            *out = &b->subs[i];
            err = SH_OK;
        }
    }
    sh_mutex_unlock(&b->lock);
    return err;
}

void sh_bus_unsubscribe(struct sh_bus *b, struct sh_bus_sub *s)
{
    if (s != NULL) {
        sh_mutex_lock(&b->lock);
        s->used = false;
        sh_mutex_unlock(&b->lock);
    }
}

void sh_bus_publish_slab(struct sh_bus *b, struct sh_slab *slab, uint64_t seq)
{
    sh_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->max; i++) {
        if (b->subs[i].used && b->subs[i].h.slab != NULL) {
            b->subs[i].h.slab(b->subs[i].ctx, slab, seq);
        }
    }
    sh_mutex_unlock(&b->lock);
}

void sh_bus_publish_event(struct sh_bus *b, const struct sh_event *e)
{
    sh_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->max; i++) {
        if (b->subs[i].used && b->subs[i].h.event != NULL) {
            b->subs[i].h.event(b->subs[i].ctx, e);
        }
    }
    sh_mutex_unlock(&b->lock);
}
