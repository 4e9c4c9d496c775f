/* certificates.c - X.509 identity of devices: list, issue, sign a request, enter, revoke.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static int unknown(struct api_req *r)
{
    return api_problem(r, 404, "not_found", "no such device", "设备不存在");
}

static bool known(struct api_req *r)
{
    return sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0]);
}

int api_certificates_get(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    if (!known(r)) {
        return unknown(r);
    }
    sh_jw_obj(&r->w);
    const sh_err err =
        sh_guard_device_certificates_write(r->api->o.guard, &at, r->params[0], &r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* What guard says, in the caller's language where it is Chinese. */
static int refused(struct api_req *r, sh_err err, const struct sh_diag *d)
{
    if (r->chinese && err == SH_E_EXISTS) {
        return api_problem(r, 409, "exists", NULL, "该证书或名称已登记给某台设备，或已被吊销");
    }
    if (r->chinese && err == SH_E_LIMIT) {
        return api_problem(r, 422, "limit", NULL, "一台设备最多登记 64 个证书和名称（含已吊销的）");
    }
    if (r->chinese && err == SH_E_INVAL) {
        return api_problem(r, 400, "bad_certificate", NULL,
                           "证书、证书请求、通用名称或有效天数无效");
    }
    if (err == SH_E_INVAL) {
        return api_problem_diag(r, 400, "bad_certificate", d);
    }
    return api_error(r, err, d);
}

static void put_pem(struct api_req *r, const char *key, const struct sh_buf *pem)
{
    if (pem->n > 0) {
        sh_jw_key(&r->w, key);
        sh_jw_str(&r->w, sh_buf_str(pem));
    }
}

static int made(struct api_req *r, const char *fingerprint, const struct sh_buf pems[3])
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    const sh_err err =
        sh_guard_device_certificate_write(r->api->o.guard, &at, r->params[0], fingerprint, &r->w);
    put_pem(r, "certificate", &pems[0]);
    put_pem(r, "key", &pems[1]);
    put_pem(r, "ca", &pems[2]);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 201 : api_error(r, err, NULL);
}

static int issue(struct api_req *r, struct sh_guard_issue *o)
{
    enum { DAY_S = 86400 };
    struct sh_diag d = {0};
    struct sh_buf pems[3]; /* certificate, key, CA */
    const struct sh_guard_at at = api_at(r);
    const json_t *days = json_object_get(r->body, "days");
    const json_int_t n =
        days == NULL ? sh_guard_device_days(r->api->o.guard) : json_integer_value(days);
    o->valid_us = n > 0 && n <= 36500 ? (int64_t)n * DAY_S * 1000000 : -1;
    for (size_t i = 0; i < 3; i++) {
        sh_buf_init(&pems[i], r->api->env->alloc, SH_PEM_MAX);
    }
    sh_err err = sh_guard_device_ca(r->api->o.guard, &pems[2]);
    if (err == SH_OK) {
        err = sh_guard_device_certificate_issue(r->api->o.guard, &at, o, &pems[0], &pems[1], &d);
    }
    const int status = err == SH_OK ? made(r, o->fingerprint, pems) : refused(r, err, &d);
    sh_crypto_wipe(pems[1].p, pems[1].n);
    for (size_t i = 0; i < 3; i++) {
        sh_buf_fini(&pems[i]);
    }
    return status;
}

static bool holds(struct sh_str text, const char *what)
{
    const struct sh_str w = sh_str_c(what);
    for (size_t i = 0; i + w.n <= text.n; i++) {
        if (memcmp(text.p + i, w.p, w.n) == 0) {
            return true;
        }
    }
    return false;
}

static int enter(struct api_req *r, struct sh_str pem)
{
    static const struct sh_buf none[3];
    char fingerprint[SH_HASH_HEX];
    struct sh_diag d = {0};
    const struct sh_guard_at at = api_at(r);
    if (holds(pem, "PRIVATE KEY-----")) {
        return api_problem(r, 400, "bad_certificate",
                           "pem holds a private key: give it to nobody, the certificate is enough",
                           "pem 中含有私钥：请勿发送给任何人，只需证书");
    }
    if (!holds(pem,
               "-----BEGIN CERTIFICATE-----")) { /* text in front, as openssl writes it, may be */
        return api_problem(r, 400, "bad_certificate", "pem holds no -----BEGIN CERTIFICATE-----",
                           "pem 中没有 -----BEGIN CERTIFICATE-----");
    }
    const sh_err err = sh_guard_device_certificate_add(r->api->o.guard, &at, r->params[0],
                                                       sh_str_bytes(pem), fingerprint, &d);
    return err == SH_OK ? made(r, fingerprint, none) : refused(r, err, &d);
}

int api_certificates_post(struct api_req *r)
{
    struct sh_guard_issue o = {.device = r->params[0], .request = sh_json_get_str(r->body, "csr")};
    const struct sh_str pem = sh_json_get_str(r->body, "pem");
    if (!known(r)) {
        return unknown(r);
    }
    const int status = api_credential_allowed(r, r->params[0]);
    if (status != 0) {
        return status;
    }
    if (pem.n > 0 && (o.request.n > 0 || json_object_get(r->body, "days") != NULL)) {
        return api_problem(r, 400, "bad_certificate",
                           "pem enters a certificate that exists: without csr and days",
                           "pem 用于登记已有证书，不能与 csr 或 days 同时使用");
    }
    return pem.n > 0 ? enter(r, pem) : issue(r, &o);
}

int api_certificates_delete(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const struct sh_str reason = api_query(r, "reason");
    struct sh_guard_revoke v = {
        .device = r->params[0], .fingerprint = r->params[1], .note = api_query(r, "note")};
    if (reason.p != NULL && sh_crl_reason_parse(reason, &v.reason) != SH_OK) {
        return api_problem(r, 400, "bad_request",
                           "reason is unspecified, key_compromise, ca_compromise, "
                           "affiliation_changed, superseded, cessation_of_operation or "
                           "privilege_withdrawn",
                           "reason 须为 unspecified、key_compromise、ca_compromise、"
                           "affiliation_changed、superseded、cessation_of_operation 或 "
                           "privilege_withdrawn");
    }
    const sh_err err = sh_guard_device_certificate_revoke(r->api->o.guard, &at, &v);
    if (err == SH_E_INVAL) {
        return api_problem(r, 400, "bad_request", "note is one line of at most 200 bytes",
                           "note 须为一行，最长 200 字节");
    }
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "the device has no such certificate in force",
                           "该设备没有此有效证书");
    }
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

int api_names_post(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_guard_at at = api_at(r);
    if (!known(r)) {
        return unknown(r);
    }
    const int status = api_credential_allowed(r, r->params[0]);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_guard_device_common_name_add(r->api->o.guard, &at, r->params[0],
                                                       sh_json_get_str(r->body, "name"), &d);
    return err == SH_OK ? 204 : refused(r, err, &d);
}

int api_names_delete(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err =
        sh_guard_device_common_name_remove(r->api->o.guard, &at, r->params[0], r->params[1]);
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

int api_device_ca(struct api_req *r)
{
    struct sh_buf *out = sh_http_body(r->http);
    sh_buf_clear(out);
    const sh_err err = sh_guard_device_ca(r->api->o.guard, out);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "application/x-pem-file");
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"device-ca.pem\"");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    return 200;
}
