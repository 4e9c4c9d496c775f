/* Devices that get their own certificate: with what they come in with already, or with the
 * certificate that they have, also when its time is over (RFC 7030 4.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define DAY_US (INT64_C(86400) * 1000000)

/* A certificate gives what the device may do: who asks must hold all of that for good, and what he
 * asks with must not be outlived by it. */
static sh_err worth(struct sh_guard *g, const struct sh_principal *by, struct sh_str device,
                    int64_t expires_us, int64_t *valid_us)
{
    uint64_t bits = sh_builtin_role_bits(SH_STR("device"));
    sh_mutex_lock(&g->lock);
    const struct guard_device *d = guard_device_find(g, by->tenant, device);
    if (d != NULL && d->gateway) {
        bits |=
            sh_permission_bit(SH_PERM_INGEST_GATEWAY) | sh_permission_bit(SH_PERM_INGEST_PROVISION);
    }
    sh_mutex_unlock(&g->lock);
    *valid_us = guard_set(g)->device_days * DAY_US;
    if (expires_us != INT64_MAX && expires_us - guard_now(g) < *valid_us) {
        *valid_us = expires_us - guard_now(g);
    }
    return (guard_subject_lasting(g, by, by->tenant) & bits) == bits ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_device_enroll(struct sh_guard *g, const struct sh_guard_at *at,
                              struct sh_str request, struct sh_buf *cert_pem, struct sh_diag *diag)
{
    struct sh_principal_info info;
    struct sh_buf none;
    SH_TRY(sh_guard_describe(g, at->by, &info));
    if (!at->by->bound || info.device[0] == '\0' || request.n == 0) {
        return SH_E_DENIED;
    }
    struct sh_guard_issue o = {.device = sh_str_c(info.device), .request = request};
    SH_TRY(worth(g, at->by, o.device, info.expires_us, &o.valid_us));
    const struct sh_guard_at own = {.by = at->by, .tenant = at->by->tenant, .peer = at->peer};
    const struct guard_cause cause = {.own = true};
    sh_buf_init(&none, g->env->alloc, SH_PEM_MAX);
    const sh_err err = guard_cert_issue(g, &own, &o, &cause, cert_pem, &none, diag);
    sh_buf_fini(&none);
    return err;
}

/* The device that the CA gave this certificate to, unless it was revoked. Takes lock. */
static sh_err holder_of(struct sh_guard *g, const uint8_t fingerprint[SH_HASH_BYTES],
                        struct sh_principal *out)
{
    char key[3 + SH_HASH_HEX] = "fp:";
    sh_hash_hex(fingerprint, key + 3);
    sh_mutex_lock(&g->lock);
    const struct guard_cert *c = sh_map_get(&g->certs, sh_str_c(key));
    const bool good = c != NULL && c->device != NULL && c->issued && c->revoked_us == 0 &&
                      guard_now(g) >= c->from_us;
    if (good) {
        *out = guard_subject_handle(g, c->device->slot, c->device->tenant, true);
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_device_renew(struct sh_guard *g, const uint8_t fingerprint[SH_HASH_BYTES],
                             struct sh_str peer, struct sh_str request, struct sh_buf *cert_pem,
                             enum sh_refusal *why, struct sh_diag *diag)
{
    struct sh_principal who;
    *why = SH_REFUSED_NOT;
    SH_TRY(holder_of(g, fingerprint, &who));
    *why = sh_guard_admits(g, &who, peer, SH_DOOR_EST);
    if (*why != SH_REFUSED_NOT) {
        return SH_E_DENIED;
    }
    SH_TRY(sh_guard_check(g, &who, SH_PERM_MQTT_CONNECT, who.tenant)); /* tenant off, and so on */
    const struct sh_guard_at at = {.by = &who, .tenant = who.tenant, .peer = peer};
    return sh_guard_device_enroll(g, &at, request, cert_pem, diag);
}
