/* ring_int.h - what ring.c, sheet.c, master.c and pkcs11.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RING_INT_H
#define SH_RING_INT_H

#include <openssl/err.h>

#include "crypto_int.h"
#include <sh/ring.h>

#define RING_CONTEXT sh_bytes_of("ring", 4)

/* ring.c: a box of one key, of either kind. SH_E_DENIED: not by this key, or changed. */
sh_err ring_box_open(const struct sh_env *env, const struct sh_crypto *c,
                     const uint8_t kek[SH_KEY_BYTES], struct sh_bytes box,
                     uint8_t key[SH_KEY_BYTES]);
/* 64 hexadecimal digits, nothing else. */
bool ring_hex_read(struct sh_str hex, uint8_t out[SH_KEY_BYTES]);

/* node_key.c */
bool node_key_read(struct sh_str text, uint8_t out[SH_KEY_BYTES]);
sh_err node_key_write(const struct sh_env *env, const char *path, const uint8_t key[SH_KEY_BYTES]);

/* sheet.c */
sh_err ring_sheet_wrap(const struct sh_env *env, const struct sh_crypto *c, const struct sh_ring *r,
                       const uint8_t key[SH_KEY_BYTES], struct sh_buf *out);
sh_err ring_sheet_unwrap(const struct sh_env *env, const struct sh_crypto *c,
                         const uint8_t seed[SH_SHEET_SEED], struct sh_bytes wrap,
                         uint8_t key[SH_KEY_BYTES]);

/* pkcs11.c: a key in a module, by its URI (RFC 7512). */
struct pkcs11;
enum { PKCS11_NONCE = 12, PKCS11_TAG = 16, PKCS11_TEXT = 256 };
struct pkcs11_uri {
    char token[PKCS11_TEXT];
    char object[PKCS11_TEXT];
    char module[PKCS11_TEXT];
    char pin_source[PKCS11_TEXT];
};
/* text behind "pkcs11:". SH_E_INVAL with diag. */
sh_err pkcs11_uri_parse(struct sh_str text, struct pkcs11_uri *out, struct sh_diag *diag);
/* Loads the module, and proves that the key can be used. Errors of sh_master_open. */
sh_err pkcs11_open(const struct sh_env *env, const struct pkcs11_uri *uri, struct pkcs11 **out,
                   struct sh_diag *diag);
void pkcs11_close(struct pkcs11 *p);
/* nonce | cipher text | tag of one key. SH_E_DENIED: it does not open. */
sh_err pkcs11_encrypt(struct pkcs11 *p, const uint8_t key[SH_KEY_BYTES], struct sh_buf *out);
sh_err pkcs11_decrypt(struct pkcs11 *p, struct sh_bytes wrap, uint8_t key[SH_KEY_BYTES]);

#endif /* SH_RING_INT_H */
