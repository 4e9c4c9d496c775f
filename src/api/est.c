/* est.c - enrolment over secure transport (RFC 7030, RFC 8951): devices fetch the CA, get their
 * first certificate with what they have (secret, token, provisioning key), and renew it with
 * itself.
 *
 * All of it wants TLS. A client certificate is asked for by the listener and any is taken, so that
 * one whose time is over gets here too; only simplereenroll admits it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { PER_SECOND = 5, BURST = 20 };

/* The certificates of a PEM text as the answer. */
static int certs_only(struct api_req *r, const struct sh_buf *pem)
{
    struct sh_buf der;
    sh_buf_init(&der, r->api->env->alloc, (size_t)4 * SH_PEM_MAX);
    sh_err err = sh_pkcs7_certs(sh_buf_str(pem), &der);
    if (err == SH_OK) {
        err = sh_base64_lines(sh_buf_bytes(&der), sh_http_body(r->http));
    }
    sh_buf_fini(&der);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "application/pkcs7-mime; smime-type=certs-only");
    sh_http_header_c(r->http, "Content-Transfer-Encoding", "base64");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    return 200;
}

int api_est_cacerts(struct api_req *r)
{
    struct sh_buf pem;
    const int throttle = api_throttled(r, "est", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    sh_buf_init(&pem, r->api->env->alloc, SH_PEM_MAX);
    const sh_err err = sh_guard_device_ca(r->api->o.guard, &pem);
    const int status = err == SH_OK ? certs_only(r, &pem) : api_error(r, err, NULL);
    sh_buf_fini(&pem);
    return status;
}

/* Nothing is asked of a request but its key (4.5.2: 204). */
int api_est_csrattrs(struct api_req *r)
{
    SH_UNUSED(r);
    return 204;
}

static int unknown(struct api_req *r, const char *english, const char *chinese)
{
    sh_http_header_c(r->http, "WWW-Authenticate", "Basic realm=\"EST\"");
    return api_problem(r, 401, "not_signed_in", english, chinese);
}

static int refused(struct api_req *r, sh_err err, const struct sh_diag *d)
{
    if (err == SH_E_INVAL) {
        return api_problem(r, 400, "bad_certificate",
                           "the body is no PKCS #10 request in base64, signed with its own key",
                           "请求正文不是以自身密钥签名的 PKCS #10 请求（base64）");
    }
    if (err == SH_E_LIMIT) {
        return api_problem(r, 422, "limit", "the device has 64 certificates: revoke or wait",
                           "该设备已有 64 个证书：请先吊销或等待过期");
    }
    return api_error(r, err, d);
}

/* What both kinds of enrolment have to pass: 0, or the status. */
static int admitted(struct api_req *r, struct sh_buf *request)
{
    const int throttle = api_throttled(r, "est", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    if (!r->http->secure) {
        return api_problem(r, 403, "denied", "enrolment needs TLS: use the address of https.listen",
                           "证书注册须使用 TLS：请访问 https.listen 的地址");
    }
    const sh_err err = sh_pkcs10_body(sh_bytes_str(r->http->body), request);
    return err == SH_OK
               ? 0
               : refused(r, err == SH_E_PROTO || err == SH_E_LIMIT ? SH_E_INVAL : err, NULL);
}

/* A new device: its id as user, a provisioning key as password. */
static int by_key(struct api_req *r, const struct sh_auth_header *h, const struct sh_buf *request,
                  struct sh_buf *pem)
{
    struct sh_diag d = {0};
    struct sh_guard_provision p;
    struct sh_buf none;
    struct sh_guard_issue o = {.device = h->user, .request = sh_buf_str(request)};
    sh_buf_init(&none, r->api->env->alloc, SH_PEM_MAX);
    sh_err err = api_provision_begin(r, h->password, h->user, &p, &d);
    if (err == SH_OK) {
        err = sh_guard_provision_certificate(r->api->o.guard, &p, &o, api_peer(r), pem, &none, &d);
    }
    sh_buf_fini(&none);
    if (err == SH_E_DENIED || err == SH_E_EXISTS) {
        return api_provision_refused(r, err, h->user, &d);
    }
    return err == SH_OK ? certs_only(r, pem) : refused(r, err, &d);
}

/* -1: there is no such key in the request. */
static int try_key(struct api_req *r, const struct sh_buf *request, struct sh_buf *pem)
{
    struct sh_auth_header h;
    struct sh_buf scratch;
    int status = -1;
    sh_buf_init(&scratch, r->api->env->alloc, SH_AUTH_MAX);
    if (sh_auth_header_parse(sh_http_field_of(r->http, "Authorization"), &scratch, &h) == SH_OK &&
        h.scheme == SH_AUTH_BASIC && sh_str_starts(h.password, SH_STR("shp_"))) {
        status = by_key(r, &h, request, pem);
    }
    sh_crypto_wipe(scratch.p, scratch.n);
    sh_buf_fini(&scratch);
    return status;
}

static int enroll(struct api_req *r, const struct sh_buf *request, struct sh_buf *pem)
{
    struct sh_diag d = {0};
    const struct sh_guard_at at = api_at(r);
    if (r->who.kind == SH_PRINCIPAL_NOBODY) {
        const int status = try_key(r, request, pem);
        if (status >= 0) {
            return status;
        }
        return unknown(
            r,
            "send the device's user and secret, its token as user, or its id and a "
            "provisioning key, by HTTP Basic",
            "请用 HTTP Basic 发送设备的用户名和密钥、以设备令牌为用户名，或设备标识和预置密钥");
    }
    if (!r->who.bound) {
        return api_problem(r, 403, "denied", "only a device gets a certificate here",
                           "此接口只向设备签发证书");
    }
    const sh_err err = sh_guard_device_enroll(r->api->o.guard, &at, sh_buf_str(request), pem, &d);
    if (err == SH_E_DENIED) {
        return api_problem(r, 403, "denied", "the token may do less than its device",
                           "该令牌的权限少于设备自身的权限");
    }
    return err == SH_OK ? certs_only(r, pem) : refused(r, err, &d);
}

static int reenroll(struct api_req *r, const struct sh_buf *request, struct sh_buf *pem)
{
    struct sh_diag d = {0};
    enum sh_refusal why = SH_REFUSED_NOT;
    struct sh_peer_cert shown;
    if (sh_http_peer_cert(r->http, &shown) != SH_OK) {
        return unknown(r, "show the certificate that is to be renewed in the TLS handshake",
                       "请在 TLS 握手中出示待续期的客户端证书");
    }
    const sh_err err = sh_guard_device_renew(r->api->o.guard, shown.sha256, api_peer(r),
                                             sh_buf_str(request), pem, &why, &d);
    if (why != SH_REFUSED_NOT) {
        return api_refused(r, why);
    }
    if (err == SH_E_DENIED || err == SH_E_CLOSED) {
        return api_problem(r, 403, "denied", "the certificate was not issued here, or was revoked",
                           "该证书不是本平台签发的，或已被吊销");
    }
    return err == SH_OK ? certs_only(r, pem) : refused(r, err, &d);
}

static int run(struct api_req *r,
               int (*how)(struct api_req *r, const struct sh_buf *request, struct sh_buf *pem))
{
    struct sh_buf request;
    struct sh_buf pem;
    sh_buf_init(&request, r->api->env->alloc, (size_t)2 * SH_PEM_MAX);
    sh_buf_init(&pem, r->api->env->alloc, SH_PEM_MAX);
    int status = admitted(r, &request);
    status = status == 0 ? how(r, &request, &pem) : status;
    sh_buf_fini(&request);
    sh_buf_fini(&pem);
    return status;
}

int api_est_enroll(struct api_req *r)
{
    return run(r, enroll);
}

int api_est_reenroll(struct api_req *r)
{
    return run(r, reenroll);
}
