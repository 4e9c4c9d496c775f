/* Devices that get their own certificate: with what they come in with already, or with the
 * certificate that they have, also when its time is over (RFC 7030 4.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define DAY_US (INT64_C(86400) * 1000000)

sh_err sh_guard_device_enroll(struct sh_guard *g, const struct sh_guard_at *at,
                              struct sh_str request, struct sh_buf *cert_pem, struct sh_diag *diag)
{
    struct sh_principal_info info;
    struct sh_buf none;
    SH_TRY(sh_guard_describe(g, at->by, &info));
    if (!at->by->bound || info.device[0] == '\0' || request.n == 0) {
        return SH_E_DENIED;
    }
    struct sh_guard_issue o = {.device = sh_str_c(info.device),
                               .valid_us = g->set.device_days * DAY_US,
                               .request = request};
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
                             struct sh_diag *diag)
{
    struct sh_principal who;
    SH_TRY(holder_of(g, fingerprint, &who));
    SH_TRY(sh_guard_check(g, &who, SH_PERM_MQTT_CONNECT, who.tenant)); /* tenant off, and so on */
    const struct sh_guard_at at = {.by = &who, .tenant = who.tenant, .peer = peer};
    return sh_guard_device_enroll(g, &at, request, cert_pem, diag);
}
