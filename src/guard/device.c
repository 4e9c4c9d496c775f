/* Credentials of devices: generated secrets (HMAC under the node key); certificates are in cert.c.
 *
 * A guard_device exists while a device has a secret or a certificate. Its subject is renewed, so
 * that connections end, whenever one of them is taken away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

static sh_err device_key(char out[GUARD_KEY_MAX], uint32_t tenant, struct sh_str device)
{
    return guard_print(out, GUARD_KEY_MAX, "%u:%.*s", tenant, SH_PRI(device)) ? SH_OK : SH_E_INVAL;
}

struct guard_device *guard_device_find(struct sh_guard *g, uint32_t tenant, struct sh_str device)
{
    char key[GUARD_KEY_MAX];
    if (device.n > SH_DEVICE_ID_MAX || device_key(key, tenant, device) != SH_OK) {
        return NULL;
    }
    return sh_map_get(&g->devices, sh_str_c(key));
}

void guard_device_refresh(struct sh_guard *g, struct guard_device *d)
{
    uint64_t bits = sh_builtin_role_bits(SH_STR("device"));
    if (d->gateway) {
        bits |=
            sh_permission_bit(SH_PERM_INGEST_GATEWAY) | sh_permission_bit(SH_PERM_INGEST_PROVISION);
    }
    const bool good = (d->has_secret || d->live_certs > 0) && !guard_device_shut(d);
    /* a gateway hears of the devices behind it */
    guard_subject_set(g, d->slot, good ? bits : 0,
                      good ? guard_clear_of(bits, SH_CLEARANCE_ALL) : 0, INT64_MAX);
}

sh_err guard_device_add(struct sh_guard *g, uint32_t tenant, struct sh_str device,
                        struct guard_device **out)
{
    char key[GUARD_KEY_MAX];
    SH_TRY(device_key(key, tenant, device));
    if (g->devices.n >= guard_set(g)->max_devices) {
        return SH_E_LIMIT;
    }
    struct guard_device *d = sh_mem_new(g->env->alloc, sizeof *d);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    d->tenant = tenant;
    (void)guard_copy(d->device, sizeof d->device, device);
    sh_err err = guard_subject_new(g, SH_PRINCIPAL_DEVICE, d, &d->slot);
    if (err == SH_OK) {
        err = sh_map_put(&g->devices, sh_str_c(key), d);
        if (err != SH_OK) {
            guard_subject_free(g, d->slot);
        }
    }
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, d);
        return err;
    }
    *out = d;
    return SH_OK;
}

void guard_device_drop(struct sh_guard *g, struct guard_device *d)
{
    char key[GUARD_KEY_MAX];
    if (device_key(key, d->tenant, sh_str_c(d->device)) == SH_OK) {
        (void)sh_map_del(&g->devices, sh_str_c(key));
    }
    guard_access_drop(g, d);
    guard_subject_free(g, d->slot);
    sh_mem_free(g->env->alloc, d);
}

/* ---- stored form ---- */

sh_err guard_device_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_device *d)
{
    char key[GUARD_KEY_MAX];
    char hex[SH_HASH_HEX];
    struct sh_buf text;
    struct sh_jw w;
    SH_TRY(device_key(key, d->tenant, sh_str_c(d->device)));
    sh_hash_hex(d->mac, hex);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, d->tenant);
    sh_jw_key(&w, "device");
    sh_jw_c(&w, d->device);
    sh_jw_key(&w, "secret");
    sh_jw_c(&w, d->has_secret ? hex : "");
    sh_jw_key(&w, "gateway");
    sh_jw_bool(&w, d->gateway);
    guard_access_store(d->access, &w);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_DEVICE, sh_str_c(key), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

sh_err guard_device_load(struct sh_guard *g, const json_t *o)
{
    struct guard_device *d = NULL;
    uint8_t mac[SH_HASH_BYTES] = {0};
    const struct sh_str secret = sh_json_get_str(o, "secret");
    const struct sh_str device = sh_json_get_str(o, "device");
    const uint32_t tenant = (uint32_t)sh_json_get_i64(o, "tenant", 0);
    if ((secret.n > 0 && !guard_hex_read(secret, mac)) || device.n == 0 ||
        device.n > SH_DEVICE_ID_MAX || guard_tenant_at(g, tenant) == NULL) {
        return SH_E_CORRUPT;
    }
    SH_TRY(guard_device_add(g, tenant, device, &d));
    memcpy(d->mac, mac, sizeof mac);
    d->has_secret = secret.n > 0;
    d->gateway = sh_json_get_bool(o, "gateway", false);
    const sh_err err = guard_access_load(g, d, o);
    if (err != SH_OK) { /* rather none of it than a device without its list */
        guard_device_drop(g, d);
        return err;
    }
    guard_device_refresh(g, d);
    return SH_OK;
}

/* ---- changes ---- */

bool guard_device_id_ok(struct sh_str device)
{
    if (device.n == 0 || device.n > SH_DEVICE_ID_MAX || !sh_utf8_valid(device)) {
        return false;
    }
    for (size_t i = 0; i < device.n; i++) {
        const unsigned char c = (unsigned char)device.p[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The state after the change; a new object is made when there is none. Under change and lock. */
static sh_err plan_device(struct sh_guard *g, const struct guard_device_change *c,
                          struct guard_device **d, bool *fresh, struct guard_cert **cert,
                          struct guard_batch *b)
{
    *d = guard_device_find(g, c->at->tenant, c->device);
    *fresh = *d == NULL;
    if (*fresh) {
        SH_TRY(guard_device_add(g, c->at->tenant, c->device, d));
    }
    struct guard_device form = **d;
    if (c->mac != NULL) {
        form.has_secret = true;
        memcpy(form.mac, c->mac, sizeof form.mac);
    }
    form.gateway = c->set_gateway ? c->gateway : form.gateway;
    if (c->cause != NULL && c->cause->provision.n > 0) {
        SH_TRY(guard_provision_plan(g, c->cause->provision, *d, b));
    }
    SH_TRY(guard_device_batch(g, b, &form));
    return c->cert == NULL ? SH_OK : guard_cert_plan(g, *d, c->cert, b, cert);
}

static void apply_device(struct sh_guard *g, const struct guard_device_change *c,
                         struct guard_device *d, struct guard_cert *cert)
{
    if (cert != NULL) {
        guard_cert_planned(g, d, cert, true);
    }
    if (c->mac != NULL) {
        if (d->has_secret) { /* who came in with the old one goes */
            guard_subject_renew(g, d->slot);
        }
        d->has_secret = true;
        memcpy(d->mac, c->mac, sizeof d->mac);
    }
    d->gateway = c->set_gateway ? c->gateway : d->gateway;
    if (c->cause != NULL && c->cause->provision.n > 0) {
        guard_provision_used(g, c->cause->provision);
    }
    guard_device_refresh(g, d);
}

static void undo_device(struct sh_guard *g, struct guard_device *d, bool fresh,
                        struct guard_cert *cert)
{
    if (d != NULL) {
        guard_cert_planned(g, d, cert, false);
    }
    if (fresh && d != NULL) {
        guard_device_drop(g, d);
    }
}

sh_err guard_device_put(struct sh_guard *g, const struct guard_device_change *c)
{
    struct guard_batch b;
    struct guard_device *d = NULL;
    struct guard_cert *cert = NULL;
    bool fresh = false;
    if (!guard_device_id_ok(c->device)) {
        return SH_E_INVAL;
    }
    if (c->cause == NULL || !c->cause->own) {
        SH_TRY(
            sh_guard_check_device(g, c->at->by, SH_PERM_DEVICES_WRITE, c->at->tenant, c->device));
    }
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_device(g, c, &d, &fresh, &cert, &b);
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        char object[SH_DEVICE_ID_MAX + 16];
        (void)guard_print(object, sizeof object, "device:%.*s", SH_PRI(c->device));
        const bool provisioned = c->cause != NULL && c->cause->provision.n > 0;
        char detail[sizeof((struct guard_cert *)0)->key + 64];
        (void)guard_print(detail, sizeof detail, "%s%s%.*s", c->cert == NULL ? "" : c->cert->key,
                          provisioned ? " provisioning-key:" : "",
                          provisioned ? (int)c->cause->provision.n : 0,
                          provisioned ? c->cause->provision.p : "");
        const struct sh_audit audit = {
            .by = c->at->by,
            .tenant = c->at->tenant,
            .act = provisioned ? SH_STR("device.provisioned") : c->act,
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .detail = sh_str_c(detail),
            .peer = c->at->peer,
        };
        err = guard_commit(g, &b, &audit);
    }
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        apply_device(g, c, d, cert);
    } else {
        undo_device(g, d, fresh, cert);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

sh_err guard_secret_mac(const struct sh_guard *g, struct sh_str secret, uint8_t out[SH_HASH_BYTES])
{
    const struct sh_bytes part = sh_str_bytes(secret);
    return sh_crypto_hmac(g->crypto, SH_DIGEST_SHA256, sh_bytes_of(g->key_secret, SH_KEY_BYTES),
                          &part, 1, out);
}

sh_err sh_guard_device_secret_new(struct sh_guard *g, const struct sh_guard_at *at,
                                  struct sh_str device,
                                  char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2],
                                  char secret[SH_SECRET_CHARS])
{
    return guard_secret_new(g, at, device, NULL, user, secret);
}

sh_err guard_secret_new(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str device,
                        const struct guard_cause *cause,
                        char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2],
                        char secret[SH_SECRET_CHARS])
{
    uint8_t mac[SH_HASH_BYTES];
    char path[SH_TENANT_PATH_MAX + 1];
    SH_TRY(sh_guard_tenant_path(g, at->tenant, path));
    SH_TRY(sh_random_token(g->env->random, "shd_", secret, SH_SECRET_CHARS));
    SH_TRY(guard_secret_mac(g, sh_str_c(secret), mac));
    (void)guard_print(user, SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2, "%.*s%s%s", SH_PRI(device),
                      path[0] == '\0' ? "" : "@", path);
    const struct guard_device_change c = {.at = at,
                                          .device = device,
                                          .act = SH_STR("device.secret_made"),
                                          .mac = mac,
                                          .cause = cause};
    return guard_device_put(g, &c);
}

sh_err sh_guard_device_gateway(struct sh_guard *g, const struct sh_guard_at *at,
                               struct sh_str device, bool gateway)
{
    const struct guard_device_change c = {
        .at = at,
        .device = device,
        .act = gateway ? SH_STR("device.gateway_on") : SH_STR("device.gateway_off"),
        .set_gateway = true,
        .gateway = gateway,
    };
    return guard_device_put(g, &c);
}

/* ---- the device is renamed or removed ---- */

/* What the CA issued for a device that goes stands on the list from now on. Under lock. */
static sh_err batch_gone(struct sh_guard *g, const struct guard_cert *c, struct guard_batch *b)
{
    struct guard_revoked form = {.pending = true};
    form.told.when_us = guard_now(g);
    form.told.reason = SH_CRL_CESSATION;
    const bool told =
        c->issued && c->revoked_us == 0 && c->serial[0] != '\0' && c->until_us > form.told.when_us;
    return told ? guard_revoked_plan(g, c, &form, SH_STR(""), b) : SH_OK;
}

/* Credentials of the device follow it to `to`, or go (to.p == NULL): what the store has to do.
 * Under change and lock. */
static sh_err batch_move(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to,
                         struct guard_batch *b)
{
    const struct guard_device *d = guard_device_find(g, tenant, from);
    if (d != NULL) {
        char key[GUARD_KEY_MAX];
        SH_TRY(device_key(key, tenant, from));
        SH_TRY(guard_batch_delete(b, GUARD_DEVICE, sh_str_c(key)));
        if (to.p != NULL) {
            struct guard_device form = *d;
            (void)guard_copy(form.device, sizeof form.device, to);
            SH_TRY(guard_device_batch(g, b, &form));
        }
    }
    for (const struct guard_cert *c = d == NULL ? NULL : d->certs; c != NULL; c = c->next) {
        SH_TRY(to.p == NULL ? guard_batch_delete(b, GUARD_CERT, sh_str_c(c->key))
                            : guard_cert_batch(g, b, c, tenant, to));
        SH_TRY(to.p == NULL ? batch_gone(g, c, b) : SH_OK);
    }
    return guard_tokens_move(g, tenant, from, to, b);
}

/* After the commit. Under lock. */
static void apply_move(struct sh_guard *g, struct guard_device *d, const char *old_key,
                       struct sh_str to)
{
    if (d == NULL) {
        return;
    }
    if (to.p == NULL) {
        while (d->certs != NULL) {
            guard_cert_drop(g, d->certs);
        }
        guard_device_drop(g, d);
        return;
    }
    (void)sh_map_del(&g->devices, sh_str_c(old_key));
    (void)guard_copy(d->device, sizeof d->device, to);
}

static sh_err move_device(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to)
{
    struct guard_batch b;
    char old_key[GUARD_KEY_MAX];
    char new_key[GUARD_KEY_MAX];
    bool reserved = false;
    SH_TRY(device_key(old_key, tenant, from));
    SH_TRY(device_key(new_key, tenant, to));
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_device *d = guard_device_find(g, tenant, from);
    sh_err err = batch_move(g, tenant, from, to, &b);
    if (err == SH_OK && d != NULL && to.p != NULL) {
        err = sh_map_put(&g->devices, sh_str_c(new_key), d);
        reserved = err == SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        err = guard_batch_commit(g, &b);
    }
    sh_mutex_lock(&g->lock);
    for (const struct guard_cert *c = d == NULL ? NULL : d->certs; c != NULL; c = c->next) {
        guard_revoked_planned(g, c, err == SH_OK);
    }
    if (err == SH_OK) {
        apply_move(g, d, old_key, to);
        guard_tokens_moved(g, tenant, from, to);
    } else if (reserved) {
        (void)sh_map_del(&g->devices, sh_str_c(new_key));
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

sh_err sh_guard_device_renamed(struct sh_guard *g, uint32_t tenant, struct sh_str from,
                               struct sh_str to)
{
    if (!guard_device_id_ok(from) || !guard_device_id_ok(to) || sh_str_eq(from, to)) {
        return SH_E_INVAL;
    }
    return move_device(g, tenant, from, to);
}

sh_err sh_guard_device_removed(struct sh_guard *g, uint32_t tenant, struct sh_str device)
{
    return guard_device_id_ok(device) ? move_device(g, tenant, device, (struct sh_str){NULL, 0})
                                      : SH_E_INVAL;
}

/* ---- proving ---- */

sh_err guard_secret_check(struct sh_guard *g, struct sh_str user, struct sh_str secret,
                          struct sh_principal *out, bool *known)
{
    uint8_t mac[SH_HASH_BYTES];
    struct sh_str path;
    sh_err err = SH_E_DENIED;
    *known = false;
    SH_TRY(guard_secret_mac(g, secret, mac));
    sh_mutex_lock(&g->lock);
    const struct sh_str device = guard_user_split(user, &path);
    const struct guard_tenant *t = guard_tenant_by_path(g, path);
    const struct guard_device *d = t == NULL ? NULL : guard_device_find(g, t->id, device);
    if (d == NULL) { /* a device id may hold an '@' itself: then it is in the root tenant */
        d = guard_device_find(g, SH_TENANT_ROOT, user);
    }
    *known = d != NULL && d->has_secret;
    if (*known && sh_bytes_eq_ct(sh_bytes_of(mac, sizeof mac), sh_bytes_of(d->mac, sizeof mac))) {
        *out = guard_subject_handle(g, d->slot, d->tenant, true);
        err = SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    return err;
}

sh_err sh_guard_by_secret(struct sh_guard *g, struct sh_str user, struct sh_str secret,
                          struct sh_principal *out)
{
    bool known = false;
    return guard_secret_check(g, user, secret, out, &known);
}
