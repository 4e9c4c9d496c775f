/* pki.h - what a certificate authority publishes: the list of revoked certificates, answers about
 * one of them, and bags of certificates; over OpenSSL, which does the ASN.1. As crypto.h: any
 * thread, no state, what is handed out is in the caller's buffers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PKI_H
#define SH_PKI_H

#include <sh/crypto.h>

/* Why a certificate was revoked (RFC 5280 5.3.1); the numbers are those of the standard. */
enum sh_crl_reason {
    SH_CRL_UNSPECIFIED = 0,
    SH_CRL_KEY_COMPROMISE = 1,
    SH_CRL_CA_COMPROMISE = 2,
    SH_CRL_AFFILIATION_CHANGED = 3,
    SH_CRL_SUPERSEDED = 4,
    SH_CRL_CESSATION = 5, /* the device is out of use */
    SH_CRL_PRIVILEGE_WITHDRAWN = 9
};
/* "key_compromise"; NULL for a number that is none. */
const char *sh_crl_reason_name(int reason);
/* SH_E_INVAL: no reason has this name. */
SH_MUST_CHECK sh_err sh_crl_reason_parse(struct sh_str name, enum sh_crl_reason *out);

struct sh_revoked {
    char serial[SH_CERT_SERIAL_CHARS]; /* as in sh_cert_info */
    int64_t when_us;
    enum sh_crl_reason reason;
};
/* Who signs, and how long what is said is good. */
struct sh_pki_signer {
    struct sh_str ca_pem; /* certificate and key of the authority */
    struct sh_str ca_key_pem;
    int64_t from_us;  /* thisUpdate */
    int64_t until_us; /* nextUpdate */
};

/* Appends the list in DER (RFC 5280 clause 5, version 2, with its number and the authority's key
 * identifier), signed with SHA-256. SH_E_PROTO: the signer's PEM. */
SH_MUST_CHECK sh_err sh_crl_make(const struct sh_crypto *c, const struct sh_pki_signer *by,
                                 uint64_t number, const struct sh_revoked *list, size_t n,
                                 struct sh_buf *out);

enum sh_ocsp_status { SH_OCSP_GOOD, SH_OCSP_REVOKED, SH_OCSP_UNKNOWN };
/* What is known of a serial number of this authority; fills when and reason of a revoked one. */
typedef enum sh_ocsp_status sh_ocsp_lookup(void *ctx, const char *serial, struct sh_revoked *out);
enum { SH_OCSP_MAX = 4096, SH_OCSP_ASKED_MAX = 16 };
/* Appends the answer in DER to a request in DER (RFC 6960), signed by the authority itself
 * (4.2.2.2); the nonce is given back (RFC 9654, at most 128 bytes). What can not be read is
 * answered malformedRequest, which is SH_OK; certificates of other authorities are unknown.
 * SH_E_PROTO: the signer's PEM. */
SH_MUST_CHECK sh_err sh_ocsp_answer(const struct sh_crypto *c, const struct sh_pki_signer *by,
                                    struct sh_bytes request, sh_ocsp_lookup *lookup, void *ctx,
                                    struct sh_buf *out);

/* The body of an EST request (RFC 7030 4.2.1, RFC 8951): base64 with or without line ends, or PEM.
 * Appends what sh_cert_sign takes: DER, or the PEM as it is. SH_E_PROTO: neither, or too long. */
SH_MUST_CHECK sh_err sh_pkcs10_body(struct sh_str body, struct sh_buf *out);
/* Appends base64 in lines of 64 characters, as EST answers are. */
SH_MUST_CHECK sh_err sh_base64_lines(struct sh_bytes in, struct sh_buf *out);
/* Appends the certificates of a PEM text as PKCS #7, signed data without signers ("certs-only",
 * RFC 5652 5.1, RFC 7030 4.1.3), in DER. SH_E_PROTO: there is none, or not a certificate. */
SH_MUST_CHECK sh_err sh_pkcs7_certs(struct sh_str pem, struct sh_buf *out);
/* Appends the first certificate of a PEM text in DER. SH_E_PROTO. */
SH_MUST_CHECK sh_err sh_cert_der(struct sh_str pem, struct sh_buf *out);

#endif /* SH_PKI_H */
