/* pending.c - sign-ins that wait for the browser to come back from a provider, or for our second
 * factor behind it. In memory only, at most a number of them, for ten minutes (five once the
 * provider has proved who it is); the oldest goes. Each is found by the secret in the browser's
 * cookie alone, so an answer that comes by another browser finds nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { WAITING_MAX = 2048 };

static struct sh_str key_of(const uint8_t key[SH_HASH_BYTES])
{
    return sh_str_of((const char *)key, SH_HASH_BYTES);
}

sh_err guard_browser_hash(const struct sh_guard *g, struct sh_str secret,
                          uint8_t out[SH_HASH_BYTES])
{
    const struct sh_bytes parts[] = {sh_bytes_of("outside/", 8), sh_str_bytes(secret)};
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_token, SH_KEY_BYTES),
                          parts, 2, out);
}

void guard_waiting_drop(struct sh_guard *g, struct guard_waiting *w)
{
    (void)sh_map_del(&g->waiting_outside, key_of(w->key));
    sh_crypto_wipe(w, sizeof *w);
    sh_mem_free(g->env->alloc, w);
}

/* What is over goes; when there is no room still, the oldest. */
static void make_room(struct sh_guard *g, int64_t now)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    struct guard_waiting *oldest = NULL;
    while (sh_map_next(&g->waiting_outside, &it, &key, &v)) {
        struct guard_waiting *w = v;
        if (w->until_us <= now) {
            guard_waiting_drop(g, w);
        } else if (oldest == NULL || w->until_us < oldest->until_us) {
            oldest = w;
        }
    }
    if (g->waiting_outside.n >= WAITING_MAX && oldest != NULL) {
        guard_waiting_drop(g, oldest);
    }
}

sh_err guard_waiting_put(struct sh_guard *g, const struct guard_waiting *form)
{
    struct guard_waiting *w = sh_mem_new(g->env->alloc, sizeof *w);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    *w = *form;
    if (g->waiting_outside.n >= WAITING_MAX) {
        make_room(g, sh_mono_us(g->env->clock));
    }
    const sh_err err = sh_map_put(&g->waiting_outside, key_of(w->key), w);
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, w);
    }
    return err;
}

struct guard_waiting *guard_waiting_find(struct sh_guard *g, const uint8_t key[SH_HASH_BYTES])
{
    struct guard_waiting *w = sh_map_get(&g->waiting_outside, key_of(key));
    if (w != NULL && w->until_us <= sh_mono_us(g->env->clock)) {
        guard_waiting_drop(g, w);
        return NULL;
    }
    return w;
}

void guard_outside_init(struct sh_guard *g)
{
    sh_map_init(&g->providers, g->env->alloc, (size_t)SH_PROVIDERS_MAX + 1, g->seed);
    sh_map_init(&g->waiting_outside, g->env->alloc, WAITING_MAX + 1, g->seed);
}

void guard_outside_fini(struct sh_guard *g)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->waiting_outside, &it, &key, &v)) {
        sh_crypto_wipe(v, sizeof(struct guard_waiting));
        sh_mem_free(g->env->alloc, v);
    }
    sh_map_fini(&g->waiting_outside);
    it = 0;
    while (sh_map_next(&g->providers, &it, &key, &v)) {
        guard_provider_drop(g, v);
    }
    sh_map_fini(&g->providers);
}
