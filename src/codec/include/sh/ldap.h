/* ldap.h - LDAPv3 (RFC 4511) as a client needs it that proves a password: simple bind, search,
 * StartTLS, unbind; filters (RFC 4515) and distinguished names (RFC 4514) made from what a person
 * typed. Pure functions over bytes: no I/O, no clock, re-entrant. Lengths are definite (RFC 4511,
 * 5.1) and bounded; views go into the caller's bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_LDAP_H
#define SH_LDAP_H

#include <sh/base.h>

enum {
    SH_LDAP_MESSAGE_MAX = 262144, /* one message of a peer */
    SH_LDAP_FILTER_DEPTH = 16,
    SH_LDAP_TEXT_MAX = 4096 /* a filter or name made from a template */
};

/* Result codes (RFC 4511, 4.1.9 and appendix A) that are told apart. */
enum {
    SH_LDAP_SUCCESS = 0,
    SH_LDAP_TIME_LIMIT = 3,
    SH_LDAP_SIZE_LIMIT = 4,
    SH_LDAP_STRONGER_AUTH = 8,
    SH_LDAP_REFERRAL = 10,
    SH_LDAP_CONFIDENTIALITY = 13,
    SH_LDAP_NO_SUCH_OBJECT = 32,
    SH_LDAP_INVALID_DN = 34,
    SH_LDAP_INAPPROPRIATE_AUTH = 48,
    SH_LDAP_INVALID_CREDENTIALS = 49,
    SH_LDAP_INSUFFICIENT_ACCESS = 50,
    SH_LDAP_BUSY = 51,
    SH_LDAP_UNAVAILABLE = 52,
    SH_LDAP_UNWILLING = 53
};

/* ---- what a server sends ---- */

enum sh_ldap_op {
    SH_LDAP_BIND_RESPONSE = 1,
    SH_LDAP_ENTRY = 4,
    SH_LDAP_SEARCH_DONE = 5,
    SH_LDAP_REFERENCE = 19, /* to another server: nobody follows it */
    SH_LDAP_EXTENDED = 24
};
struct sh_ldap_message {
    uint32_t id; /* 0: unsolicited (RFC 4511, 4.4) */
    enum sh_ldap_op op;
    uint32_t code;              /* of a result */
    struct sh_str text;         /* the server's diagnostic message; any bytes */
    struct sh_str dn;           /* of an entry */
    struct sh_bytes attributes; /* of an entry: for sh_ldap_attribute_next */
};
/* SH_E_AGAIN: valid so far; SH_E_LIMIT: longer than SH_LDAP_MESSAGE_MAX; SH_E_PROTO: close. The
 * whole message is looked at, so the walks below can not fail half way. *out and *used are written
 * only on SH_OK. */
SH_MUST_CHECK sh_err sh_ldap_decode(struct sh_bytes in, struct sh_ldap_message *out, size_t *used);

struct sh_ldap_attribute {
    struct sh_str name; /* with options, as the server writes it */
    struct sh_bytes values;
};
/* Takes the next one off; false: no more. */
bool sh_ldap_attribute_next(struct sh_bytes *rest, struct sh_ldap_attribute *out);
bool sh_ldap_value_next(struct sh_bytes *rest, struct sh_str *out);
/* The values of an attribute (name without options, any case); empty when it is not there. */
struct sh_bytes sh_ldap_values(struct sh_bytes attributes, struct sh_str name);

/* ---- what a client sends; appended whole or not at all; SH_E_LIMIT, SH_E_NOMEM ---- */

/* Simple bind. SH_E_INVAL: a name without a password, which would be an unauthenticated bind that
 * many servers answer with success (RFC 4513, 5.1.2), or a password without a name. Both empty is
 * an anonymous bind. */
SH_MUST_CHECK sh_err sh_ldap_bind_put(struct sh_buf *out, uint32_t id, struct sh_str dn,
                                      struct sh_str password);
SH_MUST_CHECK sh_err sh_ldap_starttls_put(struct sh_buf *out, uint32_t id);
SH_MUST_CHECK sh_err sh_ldap_unbind_put(struct sh_buf *out, uint32_t id);

struct sh_ldap_search {
    struct sh_str base;
    bool subtree; /* else the base alone */
    uint32_t size_limit;
    uint32_t time_limit_s;
    struct sh_str filter; /* RFC 4515 */
    const struct sh_str *attributes;
    size_t nattributes;
};
/* Aliases are not followed. SH_E_INVAL with diag: the filter. */
SH_MUST_CHECK sh_err sh_ldap_search_put(struct sh_buf *out, uint32_t id,
                                        const struct sh_ldap_search *s, struct sh_diag *diag);

/* ---- filters and names ---- */

/* A filter as BER. SH_E_INVAL with diag (what is wrong, and at which byte). */
SH_MUST_CHECK sh_err sh_ldap_filter_put(struct sh_buf *out, struct sh_str filter,
                                        struct sh_diag *diag);
/* Text so that it stands for itself inside a filter's value (RFC 4515, 3) or a name's value (RFC
 * 4514, 2.4). NUL is escaped in both. */
SH_MUST_CHECK sh_err sh_ldap_filter_escape(struct sh_buf *out, struct sh_str value);
SH_MUST_CHECK sh_err sh_ldap_dn_escape(struct sh_buf *out, struct sh_str value);
/* The template with each "{mark}" replaced by the escaped value. SH_E_INVAL: another mark, or a
 * brace alone. `escape` is one of the two above. */
SH_MUST_CHECK sh_err sh_ldap_fill(struct sh_buf *out, struct sh_str form, struct sh_str mark,
                                  struct sh_str value,
                                  sh_err (*escape)(struct sh_buf *out, struct sh_str value));
/* An attribute description (RFC 4512, 2.5): letters, digits, - . ; and not empty. */
bool sh_ldap_attribute_ok(struct sh_str name);
/* Does it have the form of a distinguished name (RFC 4514)? The empty one has not. */
bool sh_ldap_dn_ok(struct sh_str dn);
/* Are two names the same but for the case of ASCII and blanks around , = and +? */
bool sh_ldap_dn_same(struct sh_str a, struct sh_str b);

#endif /* SH_LDAP_H */
