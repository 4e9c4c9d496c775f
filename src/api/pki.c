/* pki.c - what the device CA publishes, for whoever asks: its certificate, the list of revoked
 * ones, answers about one (OCSP). Each address is throttled. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

enum { PER_SECOND = 20, BURST = 100 };

int api_throttled(struct api_req *r, const char *space, uint32_t per_second, uint32_t burst)
{
    int64_t wait_us = 0;
    const struct sh_str key = sh_arena_printf(r->arena, "%s %.*s", space, SH_PRI(api_peer(r)));
    if (key.p == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    if (sh_guard_throttle(r->api->o.guard, key, per_second, burst, &wait_us) == SH_OK) {
        return 0;
    }
    char after[24];
    (void)snprintf(after, sizeof after, "%u", (unsigned)(wait_us / 1000000) + 1);
    sh_http_header_c(r->http, "Retry-After", after);
    return api_problem(r, 429, "too_busy", "too many requests from this address",
                       "来自该地址的请求过多");
}

static int throttled(struct api_req *r)
{
    return api_throttled(r, "pki", PER_SECOND, BURST);
}

/* The body was written: says what it is and for how long it may be kept. */
static int given(struct api_req *r, const char *type, const char *caching)
{
    sh_http_header_c(r->http, "Content-Type", type);
    sh_http_header_c(r->http, "Cache-Control", caching);
    return 200;
}

int api_pki_ca(struct api_req *r)
{
    const int status = throttled(r);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_guard_device_ca(r->api->o.guard, sh_http_body(r->http));
    return err == SH_OK ? given(r, "application/x-pem-file", "max-age=3600")
                        : api_error(r, err, NULL);
}

/* DER, as caIssuers of a certificate promises (RFC 5280 4.2.2.1). */
int api_pki_cer(struct api_req *r)
{
    struct sh_buf pem;
    const int status = throttled(r);
    if (status != 0) {
        return status;
    }
    sh_buf_init(&pem, r->api->env->alloc, SH_PEM_MAX);
    sh_err err = sh_guard_device_ca(r->api->o.guard, &pem);
    if (err == SH_OK) {
        err = sh_cert_der(sh_buf_str(&pem), sh_http_body(r->http));
    }
    sh_buf_fini(&pem);
    return err == SH_OK ? given(r, "application/pkix-cert", "max-age=3600")
                        : api_error(r, err, NULL);
}

int api_pki_crl(struct api_req *r)
{
    const int status = throttled(r);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_guard_crl(r->api->o.guard, sh_http_body(r->http));
    return err == SH_OK ? given(r, "application/pkix-crl", "max-age=60") : api_error(r, err, NULL);
}

static int answer(struct api_req *r, struct sh_bytes request)
{
    const sh_err err = sh_guard_ocsp(r->api->o.guard, request, sh_http_body(r->http));
    return err == SH_OK ? given(r, "application/ocsp-response", "no-store")
                        : api_error(r, err, NULL);
}

int api_pki_ocsp(struct api_req *r)
{
    const int status = throttled(r);
    return status != 0 ? status : answer(r, r->http->body);
}

/* The request in base64 behind the path (RFC 6960 A.1). What is no base64 is no request either. */
int api_pki_ocsp_get(struct api_req *r)
{
    struct sh_buf der;
    const int throttle = throttled(r);
    if (throttle != 0) {
        return throttle;
    }
    sh_buf_init(&der, r->api->env->alloc, SH_OCSP_MAX);
    const sh_err err = sh_base64_parse(r->params[0], false, &der);
    const int status = err == SH_E_NOMEM
                           ? api_error(r, err, NULL)
                           : answer(r, err == SH_OK ? sh_buf_bytes(&der) : sh_bytes_of("", 0));
    sh_buf_fini(&der);
    return status;
}
