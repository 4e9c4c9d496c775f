/* outside_code.c - our own second factor of somebody whom a provider has proved.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

/* A copy of what waits; one try less. SH_E_NOTFOUND. */
static sh_err take(struct sh_guard *g, struct sh_str browser, bool try, struct guard_waiting *out)
{
    uint8_t key[SH_HASH_BYTES];
    bool found = false;
    SH_TRY(guard_browser_hash(g, browser, key));
    sh_mutex_lock(&g->lock);
    struct guard_waiting *w = browser.n == 0 ? NULL : guard_waiting_find(g, key);
    if (w != NULL && w->proved) {
        found = true;
        *out = *w;
        w->tries -= try ? 1 : 0;
        if (w->tries == 0) {
            guard_waiting_drop(g, w);
        }
    }
    sh_mutex_unlock(&g->lock);
    return found ? SH_OK : SH_E_NOTFOUND;
}

static void forget(struct sh_guard *g, const struct guard_waiting *copy)
{
    sh_mutex_lock(&g->lock);
    struct guard_waiting *w = guard_waiting_find(g, copy->key);
    if (w != NULL) {
        guard_waiting_drop(g, w);
    }
    sh_mutex_unlock(&g->lock);
}

/* Who is locked out by wrong codes is not asked; and the name for counting. */
static sh_err not_locked(struct sh_guard *g, const struct guard_waiting *w, char *user, size_t cap,
                         int64_t *wait_us)
{
    sh_err err = SH_E_NOTFOUND;
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, w->tenant, sh_str_c(w->name));
    const struct guard_provider *at = guard_provider_find(g, sh_str_c(w->provider));
    if (p != NULL && at != NULL && !at->disabled && at->revision == w->revision) {
        *wait_us = guard_fails_wait(&p->fails, sh_mono_us(g->env->clock));
        err = *wait_us > 0 ? SH_E_LIMIT : guard_person_label(g, p, user, cap);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

sh_err sh_guard_outside_code(struct sh_guard *g, struct sh_str browser,
                             const struct sh_sign_in_ask *ask, struct sh_sign_in *out,
                             bool *confirmed)
{
    struct guard_waiting w;
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2] = "";
    memset(out, 0, sizeof *out);
    *confirmed = false;
    SH_TRY(take(g, browser, ask->code.n > 0 || ask->key != NULL, &w));
    const struct guard_way way = {.words = w.words, .provider = sh_str_c(w.provider)};
    sh_err err = not_locked(g, &w, user, sizeof user, &out->retry_after_us);
    if (err == SH_OK && w.purpose == SH_OUTSIDE_CONFIRM) {
        err = guard_session_confirm(g, w.session, ask, &way, out);
        *confirmed = err == SH_OK;
        err = err == SH_E_STATE ? SH_E_NOTFOUND : err;
    } else if (err == SH_OK) {
        err = guard_session_new(g, w.tenant, sh_str_c(w.name), ask, &way, out);
    }
    if (err == SH_E_DENIED && !out->code_needed) {
        guard_code_failed(g, sh_str_c(user), ask->peer);
    } else if (err == SH_OK) {
        forget(g, &w);
    }
    sh_crypto_wipe(&w, sizeof w);
    return err;
}

sh_err sh_guard_outside_key(struct sh_guard *g, struct sh_str browser, struct sh_str host,
                            struct sh_jw *w)
{
    struct guard_waiting waiting;
    SH_TRY(take(g, browser, false, &waiting));
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = guard_person_find(g, waiting.tenant, sh_str_c(waiting.name));
    const sh_err err = guard_authkey_ask(g, p, host, w);
    sh_mutex_unlock(&g->lock);
    sh_crypto_wipe(&waiting, sizeof waiting);
    return err;
}
