/* latest.c - the live picture: the newest value of each point.
 * One lock, taken once per batch and once per read. Texts are copied into a block of the point that
 * grows to its longest text (at most what a decoder accepts).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/point.h>

enum { CHUNK = 1024, DEFAULT_MAX = 4 << 20 };

struct slot {
    int64_t time_us;
    union sh_cell value; /* text: {0, length} */
    uint8_t *text;
    uint32_t text_cap;
    uint8_t type; /* 0 = nothing yet */
    uint8_t quality;
};

struct sh_latest {
    const struct sh_env *env;
    struct sh_mutex lock;
    uint32_t max_points;
    struct slot **chunks;
};

sh_err sh_latest_new(const struct sh_env *env, uint32_t max_points, struct sh_latest **out)
{
    struct sh_latest *l = sh_mem_new(env->alloc, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->env = env;
    l->max_points = max_points == 0 ? DEFAULT_MAX : max_points;
    l->chunks = sh_mem_array(env->alloc, l->max_points / CHUNK + 1, sizeof(struct slot *));
    if (l->chunks == NULL) {
        sh_mem_free(env->alloc, l);
        return SH_E_NOMEM;
    }
    sh_mutex_init(&l->lock);
    *out = l;
    return SH_OK;
}

void sh_latest_free(struct sh_latest *l)
{
    if (l == NULL) {
        return;
    }
    for (uint32_t c = 0; c <= l->max_points / CHUNK; c++) {
        for (uint32_t i = 0; l->chunks[c] != NULL && i < CHUNK; i++) {
            sh_mem_free(l->env->alloc, l->chunks[c][i].text);
        }
        sh_mem_free(l->env->alloc, l->chunks[c]);
    }
    sh_mem_free(l->env->alloc, l->chunks);
    sh_mutex_fini(&l->lock);
    sh_mem_free(l->env->alloc, l);
}

/* NULL when there is none (or, with `make`, no memory). */
static struct slot *slot_of(struct sh_latest *l, uint32_t id, bool make)
{
    if (id == 0 || id > l->max_points) {
        return NULL;
    }
    struct slot **chunk = &l->chunks[id / CHUNK];
    if (*chunk == NULL && make) {
        *chunk = sh_mem_array(l->env->alloc, CHUNK, sizeof **chunk);
    }
    return *chunk == NULL ? NULL : &(*chunk)[id % CHUNK];
}

static sh_err keep_text(struct sh_latest *l, struct slot *s, struct sh_bytes b)
{
    if (b.n > s->text_cap) {
        uint8_t *p = sh_mem_resize(l->env->alloc, s->text, b.n);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        s->text = p;
        s->text_cap = (uint32_t)b.n;
    }
    if (b.n > 0) {
        memcpy(s->text, b.p, b.n);
    }
    s->value.span.off = 0;
    s->value.span.len = (uint32_t)b.n;
    return SH_OK;
}

static sh_err update_row(struct sh_latest *l, const struct sh_batch *b, uint32_t i)
{
    struct slot *s = slot_of(l, b->point[i], true);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    if (s->type != 0 && b->time_us[i] < s->time_us) {
        return SH_OK;
    }
    if (b->type[i] >= SH_T_TEXT) {
        SH_TRY(keep_text(l, s, sh_batch_bytes(b, i)));
    } else {
        s->value = b->value[i];
    }
    s->time_us = b->time_us[i];
    s->quality = b->quality[i];
    s->type = b->type[i];
    return SH_OK;
}

sh_err sh_latest_update(struct sh_latest *l, const struct sh_batch *b)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < b->len; i++) {
        const sh_err e = update_row(l, b, i);
        err = e == SH_OK ? err : e;
    }
    sh_mutex_unlock(&l->lock);
    return err;
}

static sh_err read_slot(const struct slot *s, struct sh_latest_value *v, struct sh_buf *text)
{
    *v = (struct sh_latest_value){.found = true,
                                  .type = (enum sh_type)s->type,
                                  .quality = s->quality,
                                  .time_us = s->time_us,
                                  .value = s->value};
    if (s->type < SH_T_TEXT) {
        return SH_OK;
    }
    v->value.span.off = text == NULL ? 0 : (uint32_t)text->n;
    v->value.span.len = text == NULL ? 0 : s->value.span.len;
    return text == NULL ? SH_OK : sh_buf_put(text, s->text, s->value.span.len);
}

sh_err sh_latest_get(struct sh_latest *l, const uint32_t *points, size_t n,
                     struct sh_latest_value *out, struct sh_buf *text)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&l->lock);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        const struct slot *s = slot_of(l, points[i], false);
        out[i] = (struct sh_latest_value){.found = false};
        if (s != NULL && s->type != 0) {
            err = read_slot(s, &out[i], text);
        }
    }
    sh_mutex_unlock(&l->lock);
    return err;
}

void sh_latest_forget(struct sh_latest *l, uint32_t point)
{
    sh_mutex_lock(&l->lock);
    struct slot *s = slot_of(l, point, false);
    if (s != NULL) {
        s->type = 0;
    }
    sh_mutex_unlock(&l->lock);
}
