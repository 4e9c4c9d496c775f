/* What the device CA publishes: the list of revoked certificates, and answers about one of them.
 *
 * A guard_revoked tells why a certificate is good no more. Those that the CA issued are kept under
 * their serial number and stay when the device goes (which revokes what it had), until they are out
 * of date for longer than any list lives; those that were entered are kept under their fingerprint
 * as long as the device has them. What is planned and not yet committed is marked pending and told
 * to nobody.
 * The list is made when somebody asks for it and it is older than an hour, or something was
 * revoked. SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)
enum { LIST_DAYS = 7, PRUNE_AT_ONCE = 256, CRL_MAX = 60 << 20 };

/* ---- open and close ---- */

void guard_pki_init(struct sh_guard *g)
{
    struct guard_pki *p = &g->pki;
    sh_mutex_init(&p->making);
    sh_map_init(&p->revoked, g->env->alloc, guard_set(g)->max_devices, g->seed);
    sh_map_init(&p->issued, g->env->alloc, guard_set(g)->max_devices, g->seed);
    sh_buf_init(&p->crl, g->env->alloc, CRL_MAX);
}

void guard_pki_fini(struct sh_guard *g)
{
    struct guard_pki *p = &g->pki;
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&p->revoked, &it, &key, &v)) {
        sh_mem_free(g->env->alloc, v);
    }
    sh_map_fini(&p->revoked);
    sh_map_fini(&p->issued);
    sh_buf_fini(&p->crl);
    sh_mutex_fini(&p->making);
}

/* ---- what is revoked; under lock ---- */

static struct sh_str key_of(const struct guard_cert *c)
{
    return sh_str_c(c->issued && c->serial[0] != '\0' ? c->serial : c->key);
}

struct guard_revoked *guard_revoked_of(const struct sh_guard *g, const struct guard_cert *c)
{
    return c->revoked_us == 0 ? NULL : sh_map_get(&g->pki.revoked, key_of(c));
}

static sh_err revoked_new(struct sh_guard *g, struct sh_str key, const struct guard_revoked *form,
                          struct sh_str note, struct guard_revoked **out)
{
    struct guard_revoked *r = sh_mem_new(g->env->alloc, sizeof *r + note.n + 1);
    if (r == NULL) {
        return SH_E_NOMEM;
    }
    *r = *form;
    if (note.n > 0) {
        memcpy(r->note, note.p, note.n);
    }
    r->note[note.n] = '\0';
    r->listed = key.n < sizeof r->told.serial && sh_str_find(key, ':') == SIZE_MAX &&
                guard_copy(r->told.serial, sizeof r->told.serial, key);
    const sh_err err = sh_map_put(&g->pki.revoked, key, r);
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, r);
        return err;
    }
    *out = r;
    return SH_OK;
}

static sh_err batch_revoked(struct sh_guard *g, struct guard_batch *b, struct sh_str key,
                            const struct guard_revoked *r)
{
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    sh_jw_key(&w, "until");
    sh_jw_i64(&w, r->until_us);
    sh_jw_key(&w, "when");
    sh_jw_i64(&w, r->told.when_us);
    sh_jw_key(&w, "reason");
    sh_jw_c(&w, sh_crl_reason_name((int)r->told.reason));
    sh_jw_key(&w, "note");
    sh_jw_c(&w, r->note);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_REVOKED, key, sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

sh_err guard_revoked_load(struct sh_guard *g, struct sh_str key, const json_t *o)
{
    struct guard_revoked *r = NULL;
    struct guard_revoked form = {.until_us = sh_json_get_i64(o, "until", 0)};
    form.told.when_us = sh_json_get_i64(o, "when", 0);
    if (sh_crl_reason_parse(sh_json_get_str(o, "reason"), &form.told.reason) != SH_OK) {
        return SH_E_CORRUPT;
    }
    return revoked_new(g, key, &form, sh_json_get_str(o, "note"), &r);
}

/* Certificates that were revoked before reasons were kept. */
sh_err guard_revoked_early(struct sh_guard *g, const struct guard_cert *c)
{
    struct guard_revoked *r = NULL;
    struct guard_revoked form = {.until_us = c->until_us};
    form.told.when_us = c->revoked_us;
    if (c->revoked_us == 0 || c->key[0] != 'f' || guard_revoked_of(g, c) != NULL) {
        return SH_OK;
    }
    return revoked_new(g, key_of(c), &form, SH_STR(""), &r);
}

sh_err guard_revoked_plan(struct sh_guard *g, const struct guard_cert *c,
                          const struct guard_revoked *form, struct sh_str note,
                          struct guard_batch *b)
{
    struct guard_revoked *r = NULL;
    struct guard_revoked with = *form;
    struct guard_revoked *stale = sh_map_get(&g->pki.revoked, key_of(c));
    if (stale != NULL && !stale->listed && !stale->pending) { /* of a device that has gone */
        (void)sh_map_del(&g->pki.revoked, key_of(c));
        sh_mem_free(g->env->alloc, stale);
    }
    with.until_us = c->until_us;
    with.pending = true;
    SH_TRY(revoked_new(g, key_of(c), &with, note, &r));
    return batch_revoked(g, b, key_of(c), r);
}

void guard_revoked_planned(struct sh_guard *g, const struct guard_cert *c, bool done)
{
    struct guard_revoked *r = sh_map_get(&g->pki.revoked, key_of(c));
    if (r == NULL || !r->pending) {
        return;
    }
    if (done) {
        r->pending = false;
        (void)atomic_fetch_add(&g->pki.changes, 1);
    } else {
        (void)sh_map_del(&g->pki.revoked, key_of(c));
        sh_mem_free(g->env->alloc, r);
    }
}

/* ---- the list ---- */

/* Out of date for longer than any list that names it, and nobody shows it any more. */
static bool outlived(const struct sh_guard *g, struct sh_str key, const struct guard_revoked *r)
{
    const void *shown = r->listed ? sh_map_get(&g->pki.issued, key) : sh_map_get(&g->certs, key);
    return !r->pending && shown == NULL && r->until_us != 0 &&
           guard_now(g) > r->until_us + (LIST_DAYS + 1) * DAY_US;
}

/* Forgets some of those that have outlived their use. What can not be stored waits. */
static void prune(struct sh_guard *g)
{
    struct guard_batch b;
    struct sh_str key;
    void *v = NULL;
    size_t it = 0;
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = SH_OK;
    while (err == SH_OK && b.n < PRUNE_AT_ONCE && sh_map_next(&g->pki.revoked, &it, &key, &v)) {
        if (outlived(g, key, v)) {
            err = guard_batch_delete(&b, GUARD_REVOKED, key);
        }
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK && b.n > 0 && guard_batch_commit(g, &b) == SH_OK) {
        sh_mutex_lock(&g->lock);
        for (size_t i = 0; i < b.n; i++) {
            sh_mem_free(
                g->env->alloc,
                sh_map_del(&g->pki.revoked, sh_str_of((const char *)b.text.p + b.items[i].key_at,
                                                      b.items[i].key_n)));
        }
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
}

/* Copies of all that belong on the list; *n may be 0 with *out NULL. */
static sh_err copy_listed(struct sh_guard *g, struct sh_revoked **out, size_t *n)
{
    struct sh_str key;
    void *v = NULL;
    size_t it = 0;
    sh_err err = SH_OK;
    *n = 0;
    *out = NULL;
    sh_mutex_lock(&g->lock);
    if (g->pki.revoked.n > 0) {
        *out = sh_mem_array(g->env->alloc, g->pki.revoked.n, sizeof **out);
        err = *out == NULL ? SH_E_NOMEM : SH_OK;
    }
    const int64_t now = guard_now(g);
    while (*out != NULL && sh_map_next(&g->pki.revoked, &it, &key, &v)) {
        const struct guard_revoked *r = v;
        if (r->listed && !r->pending && now <= r->until_us + (LIST_DAYS + 1) * DAY_US) {
            (*out)[(*n)++] = r->told;
        }
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

struct authority {
    struct sh_buf cert;
    struct sh_buf key;
};

static sh_err authority_open(struct sh_guard *g, struct authority *a)
{
    sh_buf_init(&a->cert, g->env->alloc, SH_PEM_MAX);
    sh_buf_init(&a->key, g->env->alloc, SH_PEM_MAX);
    return guard_ca_open(g, &a->cert, &a->key);
}

static void authority_close(struct authority *a)
{
    sh_crypto_wipe(a->key.p, a->key.n);
    sh_buf_fini(&a->cert);
    sh_buf_fini(&a->key);
}

/* Clocks of those who ask lag: it is good from a little before. */
static struct sh_pki_signer signer_of(const struct sh_guard *g, const struct authority *a,
                                      int64_t life_us)
{
    const int64_t now = guard_now(g);
    return (struct sh_pki_signer){.ca_pem = sh_buf_str(&a->cert),
                                  .ca_key_pem = sh_buf_str(&a->key),
                                  .from_us = now - 5 * MINUTE_US,
                                  .until_us = now + life_us};
}

/* Under making. */
static sh_err make_list(struct sh_guard *g, uint64_t changes)
{
    struct guard_pki *p = &g->pki;
    struct sh_revoked *list = NULL;
    struct authority a;
    size_t n = 0;
    const int64_t now = guard_now(g);
    /* RFC 5280 5.2.3: it only ever grows; the time in milliseconds does, over restarts too. */
    const uint64_t number = (uint64_t)now / 1000 > p->number ? (uint64_t)now / 1000 : p->number + 1;
    prune(g);
    sh_err err = authority_open(g, &a);
    err = err == SH_OK ? copy_listed(g, &list, &n) : err;
    if (err == SH_OK) {
        const struct sh_pki_signer by = signer_of(g, &a, LIST_DAYS * DAY_US);
        sh_buf_clear(&p->crl);
        err = sh_crl_make(g->crypto, &by, number, list, n, &p->crl);
    }
    if (err == SH_OK) {
        p->number = number;
        p->made_us = now;
        p->made_changes = changes;
    } else {
        sh_buf_clear(&p->crl);
    }
    sh_mem_free(g->env->alloc, list);
    authority_close(&a);
    return err;
}

sh_err sh_guard_crl(struct sh_guard *g, struct sh_buf *out)
{
    struct guard_pki *p = &g->pki;
    sh_err err = SH_OK;
    sh_mutex_lock(&p->making);
    const uint64_t changes = atomic_load(&p->changes);
    const int64_t age = guard_now(g) - p->made_us;
    if (p->crl.n == 0 || changes != p->made_changes || age < 0 || age > HOUR_US) {
        err = make_list(g, changes);
    }
    if (err == SH_OK) {
        err = sh_buf_put(out, p->crl.p, p->crl.n);
    }
    sh_mutex_unlock(&p->making);
    return err;
}

static enum sh_ocsp_status look_up(void *ctx, const char *serial, struct sh_revoked *out)
{
    struct sh_guard *g = ctx;
    enum sh_ocsp_status status = SH_OCSP_UNKNOWN;
    sh_mutex_lock(&g->lock);
    const struct guard_revoked *r = sh_map_get(&g->pki.revoked, sh_str_c(serial));
    if (r != NULL && !r->pending) {
        *out = r->told;
        status = SH_OCSP_REVOKED;
    } else if (sh_map_get(&g->pki.issued, sh_str_c(serial)) != NULL) {
        status = SH_OCSP_GOOD;
    }
    sh_mutex_unlock(&g->lock);
    return status;
}

sh_err sh_guard_ocsp(struct sh_guard *g, struct sh_bytes request, struct sh_buf *out)
{
    struct authority a;
    sh_err err = authority_open(g, &a);
    if (err == SH_OK) {
        const struct sh_pki_signer by = signer_of(g, &a, HOUR_US);
        err = sh_ocsp_answer(g->crypto, &by, request, look_up, g, out);
    }
    authority_close(&a);
    return err;
}

int64_t sh_guard_device_days(const struct sh_guard *g)
{
    return guard_set(g)->device_days;
}

/* ---- what is due ---- */

/* The last day of what a device comes in with by certificate; 0: it has none that ends. */
static int64_t ends_at(const struct guard_device *d)
{
    int64_t last = 0;
    for (const struct guard_cert *c = d->certs; c != NULL; c = c->next) {
        if (c->key[0] == 'c') {
            return 0; /* a name: any certificate of the CA will do */
        }
        if (c->revoked_us == 0 && c->until_us > last) {
            last = c->until_us;
        }
    }
    return last;
}

struct due {
    uint32_t soon;
    uint32_t over;
};

/* Counts a part of the devices; false: all are done. Under lock. */
static bool count_some(const struct sh_guard *g, size_t *it, struct due *of, uint32_t ntenants)
{
    enum { AT_ONCE = 4096 };
    const int64_t now = guard_now(g);
    struct sh_str key;
    void *v = NULL;
    for (int i = 0; i < AT_ONCE; i++) {
        if (!sh_map_next(&g->devices, it, &key, &v)) {
            return false;
        }
        const struct guard_device *d = v;
        const int64_t ends = ends_at(d);
        if (ends != 0 && d->tenant <= ntenants && ends <= now) {
            of[d->tenant].over++;
        } else if (ends != 0 && d->tenant <= ntenants && ends - now < GUARD_WARN_US) {
            of[d->tenant].soon++;
        }
    }
    return true;
}

void guard_pki_tick(struct sh_guard *g)
{
    struct guard_pki *p = &g->pki;
    const int64_t now = sh_mono_us(g->env->clock);
    const uint64_t changes = atomic_load(&p->changes);
    if (p->counted_us != 0 && now - p->counted_us < MINUTE_US && changes == p->counted_changes) {
        return;
    }
    const uint32_t n = atomic_load(&g->ntenants);
    struct due *of = sh_mem_array(g->env->alloc, (size_t)n + 1, sizeof *of);
    if (of == NULL) {
        return; /* the counts of the last time stay */
    }
    size_t it = 0;
    size_t cap = 0;
    bool more = true;
    while (more) {
        sh_mutex_lock(&g->lock);
        if (cap != g->devices.cap) { /* it has grown: places have changed */
            memset(of, 0, ((size_t)n + 1) * sizeof *of);
            cap = g->devices.cap;
            it = 0;
        }
        more = count_some(g, &it, of, n);
        sh_mutex_unlock(&g->lock);
    }
    for (uint32_t id = 1; id <= n; id++) {
        struct guard_tenant *t = guard_tenant_at(g, id);
        if (t != NULL) {
            atomic_store(&t->certs_soon, of[id].soon);
            atomic_store(&t->certs_over, of[id].over);
        }
    }
    sh_mem_free(g->env->alloc, of);
    p->counted_us = now == 0 ? 1 : now;
    p->counted_changes = changes;
}

void sh_guard_certificates_due(const struct sh_guard *g, uint32_t tenant, uint32_t *soon,
                               uint32_t *over)
{
    const struct guard_tenant *t = guard_tenant_at(g, tenant);
    *soon = t == NULL ? 0 : atomic_load(&t->certs_soon);
    *over = t == NULL ? 0 : atomic_load(&t->certs_over);
}
