/* Proving a password, and the front door for MQTT and HTTP Basic.
 *
 * An attempt has three steps: begin (under `lock`: find the person, is it locked out, is the answer
 * cached), prove (argon2, under `hashing`, nothing else held), end (under `lock`: count, unlock).
 * Somebody who does not exist is proved against a made-up hash with the same cost, so that time
 * does not tell who exists. Only person passwords are locked out: device secrets and tokens have
 * 256 random bits, and a plant behind one address must not be shut out by one misconfigured device.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "guard_int.h"

static const char console_door[] = "console";

enum { CACHE_S = 600, USER_MAX = SH_NAME_MAX + SH_TENANT_PATH_MAX + 2 };

struct attempt {
    const char *door; /* failures of an address count by the door: a device that knocks at MQTT with
                         a wrong name for ever must not lock the console of its plant */
    char user[USER_MAX + 1];
    char peer[64];
    char phc[SH_PHC_CHARS];
    char password[SH_PASSWORD_MAX + 1];
    size_t password_n;
    bool exists; /* and is enabled */
    bool cached; /* proved not long ago */
    uint8_t mac[SH_HASH_BYTES];
    int64_t wait_us;
};

struct guard_password_job {
    struct guard_password_job *next;
    struct attempt a;
    sh_guard_done *done;
    void *ctx;
};

static sh_err cache_mac(const struct sh_guard *g, struct attempt *a)
{
    const struct sh_bytes parts[] = {
        sh_bytes_of(a->phc, strlen(a->phc) + 1),
        sh_bytes_of(a->password, a->password_n),
    };
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_cache, SH_KEY_BYTES),
                          parts, 2, a->mac);
}

static struct guard_cache_entry *cache_slot(struct sh_guard *g, const struct attempt *a)
{
    return &g->cache[sh_le32(a->mac) % CACHE_ENTRIES];
}

/* Syntactically right, verifies to "no" at the usual cost. */
static void made_up_phc(const struct sh_guard *g, char out[SH_PHC_CHARS])
{
    (void)guard_print(out, SH_PHC_CHARS,
                      "$argon2id$v=19$m=%u,t=%u,p=%u$c29uZ2h1YSBub2JvZHkhIQ$"
                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                      guard_set(g)->argon2.mem_kib, guard_set(g)->argon2.time,
                      guard_set(g)->argon2.lanes);
}

/* SH_OK: go on with prove; SH_E_LIMIT: locked out; SH_E_DENIED: can not be a user. */
static sh_err begin(struct sh_guard *g, const char *door, struct sh_str user,
                    struct sh_str password, struct sh_str peer, struct attempt *a)
{
    char peer_key[64];
    memset(a, 0, sizeof *a);
    a->door = door;
    if (!guard_copy(a->user, sizeof a->user, user) || password.n == 0 ||
        !guard_copy(a->password, sizeof a->password, password)) {
        return SH_E_DENIED;
    }
    a->password_n = password.n;
    (void)guard_copy(a->peer, sizeof a->peer, sh_str_sub(guard_peer_key(peer, peer_key), 0, 63));
    const int64_t now = sh_mono_us(g->env->clock);
    sh_mutex_lock(&g->lock);
    struct guard_person *p = guard_person_by_user(g, user);
    const struct guard_fails *fails = p != NULL ? &p->fails : guard_fails_of(g, "user", user, now);
    const int64_t by_user = guard_fails_wait(fails, now);
    const int64_t by_peer =
        guard_fails_wait(guard_fails_of(g, a->door, sh_str_c(a->peer), now), now);
    a->wait_us = by_user > by_peer ? by_user : by_peer;
    /* One who has a second factor comes in with a password alone nowhere. */
    a->exists = p != NULL && !p->disabled && p->phc[0] != '\0' &&
                (!guard_has_factor(p) || strcmp(door, console_door) == 0);
    if (a->exists) {
        memcpy(a->phc, p->phc, sizeof a->phc);
    } else {
        made_up_phc(g, a->phc);
    }
    sh_err err = a->wait_us > 0 ? SH_E_LIMIT : cache_mac(g, a);
    if (err == SH_OK) {
        const struct guard_cache_entry *e = cache_slot(g, a);
        a->cached =
            a->exists && e->until_us > now &&
            sh_bytes_eq_ct(sh_bytes_of(e->mac, SH_HASH_BYTES), sh_bytes_of(a->mac, SH_HASH_BYTES));
    }
    g->stats.locked += err == SH_E_LIMIT ? 1 : 0;
    sh_mutex_unlock(&g->lock);
    return err;
}

static sh_err prove(struct sh_guard *g, const struct attempt *a)
{
    if (a->cached) {
        return SH_OK;
    }
    sh_mutex_lock(&g->hashing);
    const sh_err err = sh_password_verify(sh_str_c(a->phc), sh_str_of(a->password, a->password_n));
    sh_mutex_unlock(&g->hashing);
    return err == SH_OK && !a->exists ? SH_E_DENIED : err;
}

static void count_failure(struct sh_guard *g, const struct attempt *a, struct guard_person *p,
                          int64_t now)
{
    struct guard_fails *user =
        p != NULL ? &p->fails : guard_fails_of(g, "user", sh_str_c(a->user), now);
    guard_fails_add(guard_set(g), user, guard_set(g)->lock_after, now);
    guard_fails_add(guard_set(g), guard_fails_of(g, a->door, sh_str_c(a->peer), now),
                    guard_set(g)->lock_address_after, now);
    g->stats.failures++;
}

/* Counts, and gives the person's handle. The password may have been changed since begin: then the
 * proof is worth nothing. */
static sh_err end(struct sh_guard *g, const struct attempt *a, sh_err proved,
                  struct sh_principal *out)
{
    const int64_t now = sh_mono_us(g->env->clock);
    sh_mutex_lock(&g->lock);
    struct guard_person *p = guard_person_by_user(g, sh_str_c(a->user));
    sh_err err = proved;
    if (err == SH_OK && (p == NULL || p->disabled || strcmp(p->phc, a->phc) != 0)) {
        err = SH_E_DENIED;
    }
    if (err == SH_OK) {
        if (!guard_has_factor(p)) { /* else when the code was right as well */
            p->fails = (struct guard_fails){0};
        }
        guard_person_refresh(g, p); /* a password may have expired since */
        struct guard_cache_entry *e = cache_slot(g, a);
        memcpy(e->mac, a->mac, sizeof e->mac);
        e->until_us = now + CACHE_S * INT64_C(1000000);
        *out = guard_subject_handle(g, p->slot, p->tenant, false);
    } else if (err == SH_E_DENIED) {
        count_failure(g, a, p, now);
    }
    g->stats.password_hashes += a->cached ? 0 : 1;
    g->stats.password_cache_hits += a->cached ? 1 : 0;
    sh_mutex_unlock(&g->lock);
    return err;
}

static void audit_failure(struct sh_guard *g, const struct attempt *a, sh_err err,
                          struct sh_str detail)
{
    char object[USER_MAX + 16];
    (void)guard_print(object, sizeof object, "person:%s", a->user);
    const struct sh_audit audit = {
        .tenant = SH_TENANT_ROOT,
        .act = SH_STR("session.refused"),
        .object = sh_str_c(object),
        .result = sh_str_c(sh_err_name(err)),
        .detail = detail,
        .peer = sh_str_c(a->peer),
    };
    sh_guard_audit_post(g, &audit);
}

/* One more may wait for argon2. */
static bool enter(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    const bool good = !g->stopped && g->waiting < guard_set(g)->password_waiting;
    g->waiting += good ? 1 : 0;
    sh_mutex_unlock(&g->lock);
    return good;
}

static void leave(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    g->waiting--;
    sh_mutex_unlock(&g->lock);
}

/* Blocks. wait_us is set on SH_E_LIMIT. count false: a wrong password is the caller's to count. */
static sh_err check_password(struct sh_guard *g, struct sh_str user, struct sh_str password,
                             struct sh_str peer, bool count, struct sh_principal *out,
                             int64_t *wait_us)
{
    struct attempt a;
    sh_err err = begin(g, console_door, user, password, peer, &a);
    *wait_us = a.wait_us;
    if (err == SH_OK && !enter(g)) {
        *wait_us = 1000000;
        err = SH_E_LIMIT;
    } else if (err == SH_OK) {
        err = prove(g, &a);
        err = err != SH_E_DENIED || count ? end(g, &a, err, out) : err;
        leave(g);
        if (err == SH_E_DENIED && count) {
            audit_failure(g, &a, err, SH_STR(""));
        }
    }
    sh_crypto_wipe(a.password, sizeof a.password);
    return err;
}

static void forget_first_file(struct sh_guard *g)
{
    char path[512];
    sh_mutex_lock(&g->lock);
    const bool there = g->first_file;
    g->first_file = false;
    sh_mutex_unlock(&g->lock);
    if (there && guard_path(g, "keys/first-password", path, sizeof path)) {
        const sh_err err = sh_fs_unlink(g->env->fs, path);
        if (err != SH_OK && err != SH_E_NOTFOUND) {
            sh_log(g->env->log, SH_LOG_WARN, "guard", "keys/first-password can not be deleted (%s)",
                   sh_err_name(err));
        }
    }
}

sh_err guard_sign_in_proved(struct sh_guard *g, const struct sh_sign_in_ask *ask,
                            struct sh_sign_in *out)
{
    struct sh_str path;
    uint32_t tenant = 0;
    const struct sh_str name = guard_user_split(ask->user, &path);
    SH_TRY(sh_guard_tenant_find(g, path, &tenant));
    const sh_err err = guard_session_new(g, tenant, name, ask, NULL, out);
    if (err == SH_E_DENIED && !out->code_needed) {
        guard_code_failed(g, ask->user, ask->peer);
    }
    SH_TRY(err);
    forget_first_file(g);
    return SH_OK;
}

sh_err sh_guard_sign_in_with(struct sh_guard *g, const struct sh_sign_in_ask *ask,
                             struct sh_sign_in *out)
{
    memset(out, 0, sizeof *out);
    SH_TRY(guard_password_check(g, ask->user, ask->password, ask->peer, &out->retry_after_us));
    return guard_sign_in_proved(g, ask, out);
}

sh_err guard_password_check(struct sh_guard *g, struct sh_str user, struct sh_str password,
                            struct sh_str peer, int64_t *wait_us)
{
    struct sh_principal who;
    return check_password(g, user, password, peer, true, &who, wait_us);
}

sh_err guard_password_uncounted(struct sh_guard *g, struct sh_str user, struct sh_str password,
                                struct sh_str peer, int64_t *wait_us)
{
    struct sh_principal who;
    return check_password(g, user, password, peer, false, &who, wait_us);
}

static struct attempt attempt_of(struct sh_str user, struct sh_str peer)
{
    char peer_key[64];
    struct attempt a = {.door = console_door};
    (void)guard_copy(a.user, sizeof a.user, user);
    (void)guard_copy(a.peer, sizeof a.peer, sh_str_sub(guard_peer_key(peer, peer_key), 0, 63));
    return a;
}

int64_t guard_attempt_wait(struct sh_guard *g, struct sh_str user, struct sh_str peer)
{
    const struct attempt a = attempt_of(user, peer);
    const int64_t now = sh_mono_us(g->env->clock);
    sh_mutex_lock(&g->lock);
    const struct guard_person *p = user.n == 0 ? NULL : guard_person_by_user(g, user);
    const struct guard_fails *fails = p != NULL ? &p->fails : guard_fails_of(g, "user", user, now);
    const int64_t by_user = user.n == 0 ? 0 : guard_fails_wait(fails, now);
    const int64_t by_peer = guard_fails_wait(guard_fails_of(g, a.door, sh_str_c(a.peer), now), now);
    const int64_t wait_us = by_user > by_peer ? by_user : by_peer;
    g->stats.locked += wait_us > 0 ? 1 : 0;
    sh_mutex_unlock(&g->lock);
    return wait_us;
}

void guard_attempt_count(struct sh_guard *g, struct sh_str user, struct sh_str peer)
{
    const struct attempt a = attempt_of(user, peer);
    sh_mutex_lock(&g->lock);
    count_failure(g, &a, guard_person_by_user(g, user), sh_mono_us(g->env->clock));
    sh_mutex_unlock(&g->lock);
}

void guard_attempt_failed(struct sh_guard *g, struct sh_str user, struct sh_str peer,
                          struct sh_str detail)
{
    const struct attempt a = attempt_of(user, peer);
    guard_attempt_count(g, user, peer);
    audit_failure(g, &a, SH_E_DENIED, detail);
}

void guard_code_failed(struct sh_guard *g, struct sh_str user, struct sh_str peer)
{
    guard_attempt_failed(g, user, peer, SH_STR(""));
}

/* ---- waiting jobs ---- */

static struct guard_password_job *take_job(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    struct guard_password_job *j = g->jobs;
    if (j == NULL) {
        g->jobs_running = false;
    } else {
        g->jobs = j->next;
        g->jobs_end = g->jobs == NULL ? &g->jobs : g->jobs_end;
        g->waiting--;
    }
    sh_mutex_unlock(&g->lock);
    return j;
}

static void finish_job(struct sh_guard *g, struct guard_password_job *j, bool cancel)
{
    struct sh_principal who = {0};
    sh_err err = SH_E_CANCELED;
    if (!cancel) {
        err = end(g, &j->a, prove(g, &j->a), &who);
        if (err == SH_E_DENIED) {
            audit_failure(g, &j->a, err, SH_STR(""));
        }
    }
    sh_crypto_wipe(j->a.password, sizeof j->a.password);
    j->done(j->ctx, err, who);
    sh_mem_free(g->env->alloc, j);
}

void guard_password_run(struct sh_guard *g)
{
    for (struct guard_password_job *j = take_job(g); j != NULL; j = take_job(g)) {
        finish_job(g, j, false);
    }
}

bool guard_password_claim(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    const bool mine = g->jobs != NULL && !g->jobs_running;
    g->jobs_running = g->jobs_running || mine;
    sh_mutex_unlock(&g->lock);
    return mine;
}

void guard_password_cancel(struct sh_guard *g)
{
    sh_mutex_lock(&g->lock);
    g->stopped = true;
    sh_mutex_unlock(&g->lock);
    for (struct guard_password_job *j = take_job(g); j != NULL; j = take_job(g)) {
        finish_job(g, j, true);
    }
}

static void run_jobs(void *ctx)
{
    guard_password_run(ctx);
}

/* Takes the attempt over. The one drain job on the workers keeps argon2 to one at a time without
 * blocking a second worker. */
static sh_err queue_job(struct sh_guard *g, const struct attempt *a, sh_guard_done *done, void *ctx)
{
    struct guard_password_job *j = sh_mem_new(g->env->alloc, sizeof *j);
    if (j == NULL) {
        return SH_E_NOMEM;
    }
    if (!enter(g)) {
        sh_mem_free(g->env->alloc, j);
        return SH_E_LIMIT;
    }
    j->a = *a;
    j->done = done;
    j->ctx = ctx;
    sh_mutex_lock(&g->lock);
    *g->jobs_end = j;
    g->jobs_end = &j->next;
    const bool start = g->workers != NULL && !g->jobs_running;
    g->jobs_running = g->jobs_running || start;
    sh_mutex_unlock(&g->lock);
    if (start && sh_workers_run(g->workers, run_jobs, g) != SH_OK) {
        sh_mutex_lock(&g->lock);
        g->jobs_running = false; /* the next tick or the next job starts it */
        sh_mutex_unlock(&g->lock);
    }
    return SH_E_AGAIN;
}

static sh_err by_password(struct sh_guard *g, const struct sh_credentials *c,
                          struct sh_principal *out, sh_guard_done *done, void *ctx)
{
    struct attempt a;
    sh_err err = begin(g, "connect", c->user, c->password, c->peer, &a);
    if (err == SH_OK && a.cached) {
        err = end(g, &a, SH_OK, out);
    } else if (err == SH_OK) {
        err = queue_job(g, &a, done, ctx);
    }
    sh_crypto_wipe(a.password, sizeof a.password);
    return err;
}

sh_err sh_guard_authenticate(struct sh_guard *g, const struct sh_credentials *c,
                             struct sh_principal *out, sh_guard_done *done, void *ctx)
{
    if (c->user.n == 0) {
        return c->certificate.n == 0
                   ? SH_E_DENIED
                   : sh_guard_by_certificate(g, c->certificate, c->certificate_verified, out);
    }
    if (c->password.n == 0) { /* a token as user name */
        return sh_guard_by_token(g, c->user, out);
    }
    bool known = false;
    const sh_err err = guard_secret_check(g, c->user, c->password, out, &known);
    if (err == SH_OK || known) { /* a device of that name: its secret decides */
        return err;
    }
    return by_password(g, c, out, done, ctx);
}
