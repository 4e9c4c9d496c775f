/* http_client.h - outgoing HTTP and HTTPS (libcurl on our loop). Loop thread only. Every address a
 * call connects to - also after a redirect - is checked in the moment the socket is made, with the
 * very address that is then used: a name cannot resolve to one thing for the check and to another
 * for the connection.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HTTP_CLIENT_H
#define SH_HTTP_CLIENT_H

#include <sh/http1.h>
#include <sh/stream.h>

struct sh_http_client;

/* 0 = the default in brackets. */
struct sh_http_client_opts {
    size_t max_calls;    /* in flight [64] */
    size_t max_per_host; /* connections to one host [8] */
    /* May this address be connected to? NULL: all but those of sh_addr_is_special. */
    bool (*allow)(void *ctx, const struct sh_addr *a);
    void *allow_ctx;
    struct sh_str ca_pem; /* who signs servers; empty = the system's store; copied */
};
SH_MUST_CHECK sh_err sh_http_client_new(struct sh_loop *l, const struct sh_http_client_opts *opts,
                                        struct sh_http_client **out);
/* Cancels what is in flight. NULL is accepted. */
void sh_http_client_free(struct sh_http_client *c);

struct sh_http_call_opts {
    const char *method; /* "GET", "POST", ... */
    struct sh_str url;  /* http or https, absolute */
    const struct sh_http_field *fields;
    size_t nfields;
    struct sh_bytes body;   /* copied */
    size_t answer_max;      /* [1 MiB] */
    int64_t timeout_us;     /* everything together [30 s] */
    unsigned max_redirects; /* 0 = none are followed */
    bool fresh;             /* a connection of its own, so that `allow` is asked anew */
};

/* Borrowed for the callback. */
struct sh_http_result {
    sh_err err;      /* SH_OK: there is an answer, whatever its status */
    const char *why; /* one English sentence when err is not SH_OK */
    int status;
    struct sh_str head; /* fields of the last answer as received; sh_http_result_field reads it */
    struct sh_bytes body;
};
struct sh_str sh_http_result_field(const struct sh_http_result *r, const char *name);

struct sh_http_call;
/* on_done is called exactly once, later, unless cancelled; then the call is gone. *out may be NULL.
 * SH_E_INVAL (URL, method, field), SH_E_LIMIT (max_calls), SH_E_NOMEM. Results: SH_E_NOTFOUND name,
 * SH_E_DENIED address not allowed, SH_E_TIMEOUT, SH_E_LIMIT answer or redirects, SH_E_PROTO TLS or
 * HTTP rules broken, SH_E_IO. */
SH_MUST_CHECK sh_err sh_http_client_call(struct sh_http_client *c,
                                         const struct sh_http_call_opts *o,
                                         void (*on_done)(void *ctx, const struct sh_http_result *r),
                                         void *ctx, struct sh_http_call **out);
void sh_http_call_cancel(struct sh_http_call *call); /* no callback follows */

#endif /* SH_HTTP_CLIENT_H */
