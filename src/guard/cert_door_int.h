/* cert_door_int.h - inside guard: providers of the kind certificate. Included by outside_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_CERT_DOOR_INT_H
#define SH_GUARD_CERT_DOOR_INT_H

#include <sh/cert_door.h>
#include <sh/trust.h>

struct guard_provider;
struct guard_person;

/* Of a provider of the kind certificate (trust_config.c). The field of the subject that names
 * people and the one with groups are name_claim and roles_claim of the provider. */
struct guard_trust {
    struct sh_str ca;  /* owned; PEM */
    struct sh_str crl; /* owned; PEM; may be empty */
    char distid[SH_TRUST_DISTID_MAX + 1];
    char policies[256];
    bool lenient;
    bool client_auth;
    bool by_name;   /* the field that names people is their name here; else they are bound */
    bool self_bind; /* people may bind their own certificate */
};

/* trust_config.c */
void guard_trust_defaults(struct guard_provider *p);
sh_err guard_trust_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                        struct sh_diag *diag);
/* What is stored and shown; then what is stored alone, and what is shown alone (of each certificate
 * and list who, until when, and prints). */
void guard_trust_write(const struct guard_trust *t, struct sh_jw *w);
void guard_trust_store(const struct guard_trust *t, struct sh_jw *w);
void guard_trust_show(struct sh_guard *g, const struct guard_trust *t, struct sh_jw *w);
sh_err guard_trust_copy(struct sh_guard *g, const struct guard_trust *from, struct guard_trust *to);
void guard_trust_drop(struct sh_guard *g, struct guard_trust *t);
sh_err guard_trust_open(struct sh_guard *g, const struct guard_trust *t, struct sh_diag *diag,
                        struct sh_trust **out);

/* cert_door.c: a certificate and what was signed, looked at. */
struct guard_badge {
    struct sh_badge *b;
    struct sh_trust_cert cert;
    char print[SH_HASH_HEX]; /* SHA-256: who it is */
    json_t *claims;          /* owned: sub, name, the naming field, the groups */
    struct sh_trust_report report;
    const char *why;
    struct sh_diag diag;
};
/* Reads it and makes the claims. SH_E_DENIED with why and diag. guard_badge_drop is due after. */
sh_err guard_badge_read(struct sh_guard *g, const struct guard_provider *p,
                        const struct sh_cert_answer *a, struct guard_badge *out);
/* All steps. SH_E_DENIED with why and diag: the first that failed. */
sh_err guard_badge_check(struct sh_guard *g, const struct guard_provider *p,
                         const struct sh_cert_answer *a, struct sh_str message,
                         struct guard_badge *out);
void guard_badge_drop(struct guard_badge *b);
/* Whose it is here, or would be; NULL: nobody's. Under lock. */
struct guard_person *guard_badge_owner(struct sh_guard *g, const struct guard_provider *p,
                                       const struct guard_badge *b);

#endif /* SH_GUARD_CERT_DOOR_INT_H */
