/* outside_end.c - signing out at the provider as well, as OpenID Connect RP-Initiated Logout 1.0
 * has it: whoever signs out here and sits at a machine that others use too is otherwise still
 * signed in there, and the next one comes in with a click as him.
 *
 * Our session ends first and whatever the provider does. DISCOVERY -> BEGIN -> done: the browser
 * goes to end_session_endpoint and comes back with our state, which is used up then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "exchange_int.h"

void guard_hint_take(struct sh_guard *g, struct guard_session *s, struct sh_str token)
{
    if (token.n > 0 && token.n <= GUARD_HINT_MAX) {
        s->hint = sh_str_dup(g->env->alloc, token); /* without memory: signed out without a hint */
    }
}

void guard_hint_drop(struct sh_guard *g, struct guard_session *s)
{
    sh_str_free(g->env->alloc, &s->hint);
}

void guard_hints_drop(struct sh_guard *g)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&g->sessions, &it, &key, &v)) {
        guard_hint_drop(g, v);
    }
}

/* What the session of the token knows: its provider and the ID token. */
static sh_err take_session(struct sh_outside *x, struct sh_str token, char id[])
{
    struct sh_guard *g = x->g;
    uint8_t hash[SH_HASH_BYTES];
    SH_TRY(guard_hash_token(g, token, hash));
    sh_mutex_lock(&g->lock);
    const struct guard_session *s =
        sh_map_get(&g->sessions, sh_str_of((const char *)hash, SH_HASH_BYTES));
    sh_err err = s == NULL || s->provider[0] == '\0' ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK) {
        memcpy(id, s->provider, sizeof s->provider);
        err = sh_buf_put_str(&x->id_token, s->hint);
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

sh_err sh_outside_sign_out(struct sh_guard *g, const struct sh_outside_ask *ask,
                           struct sh_outside **out)
{
    struct sh_outside *x = NULL;
    char id[SH_PROVIDER_ID_MAX + 1] = "";
    SH_TRY(guard_x_new(g, SH_OUTSIDE_SIGN_OUT, &x));
    sh_err err = take_session(x, ask->session, id);
    err = err == SH_OK ? guard_x_take(x, sh_str_c(id), INT64_MIN) : err;
    if (err == SH_OK && (x->p == NULL || !x->p->sign_out)) {
        err = SH_E_NOTFOUND;
    }
    if (err == SH_OK && !guard_print(x->w.callback, sizeof x->w.callback, "%.*s/%s/signed-out",
                                     SH_PRI(ask->callback), id)) {
        err = SH_E_NOTFOUND;
    }
    if (err != SH_OK) {
        sh_outside_free(x);
        return err;
    }
    *out = x;
    return SH_OK;
}

/* RP-Initiated Logout 1.0, 2. */
static sh_err put_request(struct sh_outside *x, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_str(out, x->doc.end_session));
    if (x->id_token.n > 0) {
        SH_TRY(guard_query_put(out, "id_token_hint", sh_buf_str(&x->id_token)));
    }
    SH_TRY(guard_query_put(out, "client_id", sh_str_c(x->p->client)));
    SH_TRY(guard_query_put(out, "post_logout_redirect_uri", sh_str_c(x->w.callback)));
    return guard_query_put(out, "state", sh_str_c(x->w.state));
}

sh_err guard_x_end(struct sh_outside *x)
{
    struct sh_guard *g = x->g;
    if (x->doc.end_session.n == 0) {
        return guard_x_fail(x, "no_sign_out", "The provider offers no signing out there.");
    }
    SH_TRY(sh_random_token(g->env->random, "", x->browser, sizeof x->browser));
    SH_TRY(sh_random_token(g->env->random, "", x->w.state, sizeof x->w.state));
    SH_TRY(guard_browser_hash(g, sh_str_c(x->browser), x->w.key));
    SH_TRY(put_request(x, &x->location));
    memcpy(x->w.provider, x->p->id, sizeof x->w.provider);
    x->w.purpose = SH_OUTSIDE_SIGN_OUT;
    x->w.until_us = sh_mono_us(g->env->clock) + WAIT_S * US;
    sh_mutex_lock(&g->lock);
    const sh_err err = guard_waiting_put(g, &x->w);
    sh_mutex_unlock(&g->lock);
    x->stage = DONE;
    return err;
}

bool sh_guard_signed_out(struct sh_guard *g, const struct sh_outside_ask *ask)
{
    uint8_t key[SH_HASH_BYTES];
    bool ours = false;
    if (ask->browser.n == 0 || guard_browser_hash(g, ask->browser, key) != SH_OK) {
        return false;
    }
    sh_mutex_lock(&g->lock);
    struct guard_waiting *w = guard_waiting_find(g, key);
    if (w != NULL && w->purpose == SH_OUTSIDE_SIGN_OUT && sh_str_eqc(ask->provider, w->provider) &&
        sh_bytes_eq_ct(sh_str_bytes(ask->state), sh_bytes_of(w->state, strlen(w->state)))) {
        guard_waiting_drop(g, w);
        ours = true;
    }
    sh_mutex_unlock(&g->lock);
    return ours;
}
