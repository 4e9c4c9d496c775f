/* provision.c - provisioning keys, and the door through which a new device comes with one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

enum { PER_SECOND = 5, BURST = 20 };

/* ---- keys ---- */

int api_provisions_list(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_provisions_write(r->api->o.guard, &at, &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_provisions_post(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_guard_at at = api_at(r);
    const int status = api_credential_allowed(r, SH_STR(""));
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_guard_provision_new(r->api->o.guard, &at, r->body, &r->w, &d);
    if (err == SH_E_INVAL && r->chinese) {
        return api_problem(
            r, 400, "bad_request", NULL,
            "name 为 1 至 64 字节；pattern、thing、asset 最长 240 字节；uses 为 1 至 "
            "1000000；expires 为十年内的时间");
    }
    return err == SH_OK ? 201 : api_error(r, err, &d);
}

int api_provisions_delete(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_provision_revoke(r->api->o.guard, &at, r->params[0]);
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

/* ---- a device comes ---- */

/* At most one entry in ten seconds for each address: nobody fills the chain from outside. */
static void audit_refusal(struct api_req *r, struct sh_str device)
{
    int64_t wait_us = 0;
    char key[128];
    const struct sh_principal sys = sh_guard_system(r->api->o.guard);
    const struct sh_str peer = api_peer(r);
    (void)snprintf(key, sizeof key, "provision refused %.*s", SH_PRI(peer));
    const struct sh_audit a = {
        .by = &sys,
        .tenant = SH_TENANT_ROOT,
        .act = SH_STR("device.provisioning_refused"),
        .object = sh_arena_printf(r->arena, "device:%.*s", SH_PRI(device)),
        .result = SH_STR("denied"),
        .peer = peer,
    };
    if (sh_guard_throttle(r->api->o.guard, sh_str_c(key), 1, 1, &wait_us) == SH_OK) {
        sh_guard_audit_post(r->api->o.guard, &a);
    }
}

int api_provision_refused(struct api_req *r, sh_err err, struct sh_str device,
                          const struct sh_diag *d)
{
    if (err == SH_E_DENIED) {
        audit_refusal(r, device);
        return api_problem(r, 401, "bad_credentials",
                           "the provisioning key is unknown, used up, over, or not for this id",
                           "预置密钥不存在、次数用完、已过期，或不适用于该设备标识");
    }
    if (err == SH_E_EXISTS) {
        audit_refusal(r, device);
        return api_problem(r, 409, "exists",
                           "the device has an identity already: a key is for new devices",
                           "该设备已有身份凭据：预置密钥只用于新设备");
    }
    return api_error(r, err, d);
}

/* The device is made when it is not there yet, with the thing model and asset of the key. */
static sh_err device_make(struct api_req *r, const struct sh_guard_provision *p,
                          struct sh_str device, struct sh_diag *d)
{
    if (sh_twin_device_known(r->api->o.twin, p->tenant, device)) {
        return SH_OK;
    }
    struct sh_guard *g = r->api->o.guard;
    json_t *body = json_object();
    sh_err err = body == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK && p->thing[0] != '\0') {
        err = json_object_set_new(body, "thing", json_string(p->thing)) == 0 ? SH_OK : SH_E_NOMEM;
    }
    if (err == SH_OK && p->asset[0] != '\0') {
        err = json_object_set_new(body, "asset", json_string(p->asset)) == 0 ? SH_OK : SH_E_NOMEM;
    }
    err = err == SH_OK ? sh_guard_use(g, p->tenant, SH_QUOTA_DEVICES, 1) : err;
    if (err == SH_OK) {
        err = sh_twin_device_put(r->api->o.twin, p->tenant, device, SH_TWIN_CREATE, body, 0,
                                 sh_arena_printf(r->arena, "provisioning-key:%s", p->id), NULL, d);
        if (err != SH_OK) {
            sh_guard_unuse(g, p->tenant, SH_QUOTA_DEVICES, 1);
        }
    }
    json_decref(body);
    return err == SH_E_EXISTS ? SH_OK : err; /* somebody else made it meanwhile */
}

sh_err api_provision_begin(struct api_req *r, struct sh_str key, struct sh_str device,
                           struct sh_guard_provision *p, struct sh_diag *d)
{
    SH_TRY(sh_guard_provision_find(r->api->o.guard, key, device, p));
    return device_make(r, p, device, d);
}

static int give_secret(struct api_req *r, const struct sh_guard_provision *p, struct sh_str device)
{
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    const sh_err err =
        sh_guard_provision_secret(r->api->o.guard, p, device, api_peer(r), user, secret);
    if (err != SH_OK) {
        return api_provision_refused(r, err, device, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "device");
    sh_jw_str(&r->w, device);
    sh_jw_key(&r->w, "user");
    sh_jw_c(&r->w, user);
    sh_jw_key(&r->w, "password");
    sh_jw_c(&r->w, secret);
    sh_jw_obj_end(&r->w);
    sh_crypto_wipe(secret, sizeof secret);
    return 201;
}

static void put_pem(struct api_req *r, const char *key, const struct sh_buf *pem)
{
    if (pem->n > 0) {
        sh_jw_key(&r->w, key);
        sh_jw_str(&r->w, sh_buf_str(pem));
    }
}

static int give_certificate(struct api_req *r, const struct sh_guard_provision *p,
                            struct sh_str device)
{
    struct sh_diag d = {0};
    struct sh_buf pems[3]; /* certificate, key, CA */
    struct sh_guard_issue o = {.device = device, .request = sh_json_get_str(r->body, "csr")};
    for (size_t i = 0; i < 3; i++) {
        sh_buf_init(&pems[i], r->api->env->alloc, SH_PEM_MAX);
    }
    sh_err err = sh_guard_device_ca(r->api->o.guard, &pems[2]);
    if (err == SH_OK) {
        err = sh_guard_provision_certificate(r->api->o.guard, p, &o, api_peer(r), &pems[0],
                                             &pems[1], &d);
    }
    int status = 201;
    if (err == SH_OK) {
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "device");
        sh_jw_str(&r->w, device);
        put_pem(r, "certificate", &pems[0]);
        put_pem(r, "key", &pems[1]);
        put_pem(r, "ca", &pems[2]);
        sh_jw_obj_end(&r->w);
    } else if (err == SH_E_INVAL) {
        status = api_problem(r, 400, "bad_certificate", "csr is no PKCS #10 request in PEM",
                             "csr 不是 PEM 格式的 PKCS #10 请求");
    } else {
        status = api_provision_refused(r, err, device, &d);
    }
    sh_crypto_wipe(pems[1].p, pems[1].n);
    for (size_t i = 0; i < 3; i++) {
        sh_buf_fini(&pems[i]);
    }
    return status;
}

int api_provision(struct api_req *r)
{
    struct sh_diag d = {0};
    struct sh_guard_provision p;
    const struct sh_str device = sh_json_get_str(r->body, "device");
    const struct sh_str kind = sh_json_get_str(r->body, "credential");
    const bool certificate =
        json_object_get(r->body, "csr") != NULL || sh_str_eqc(kind, "certificate");
    const int throttle = api_throttled(r, "provision", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    if (device.n == 0 || (kind.n > 0 && !certificate && !sh_str_eqc(kind, "secret"))) {
        return api_problem(r, 400, "bad_request",
                           "send key, device, and credential: secret or certificate (or csr)",
                           "请发送 key、device，以及 credential：secret 或 certificate（或 csr）");
    }
    const sh_err err = api_provision_begin(r, sh_json_get_str(r->body, "key"), device, &p, &d);
    if (err != SH_OK) {
        return api_provision_refused(r, err, device, &d);
    }
    return certificate ? give_certificate(r, &p, device) : give_secret(r, &p, device);
}
