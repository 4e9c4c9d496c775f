/* ldap_int.h - BER elements, shared by messages and filters.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CODEC_LDAP_INT_H
#define SH_CODEC_LDAP_INT_H

#include <sh/ldap.h>

enum { LDAP_INTEGER = 0x02, LDAP_OCTETS = 0x04, LDAP_SEQUENCE = 0x30 };

/* A constructed element of any length: *at is for its end. */
SH_MUST_CHECK sh_err ldap_open(struct sh_buf *out, uint8_t tag, size_t *at);
void ldap_close(struct sh_buf *out, size_t at);
SH_MUST_CHECK sh_err ldap_put(struct sh_buf *out, uint8_t tag, struct sh_str value);

#endif /* SH_CODEC_LDAP_INT_H */
