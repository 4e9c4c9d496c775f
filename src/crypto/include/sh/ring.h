/* ring.h - the keys of a node, and what they are kept under.
 *
 * Envelope: secrets at rest are sealed with a key of the ring (crypto.h, secret boxes); the ring
 * lies in one file, sealed under a random key of its own that is new with each writing; and that
 * key is wrapped by the master key - a file, a variable of the environment, or a key inside a
 * hardware module (PKCS #11) - and, where one was printed, to the recovery sheet. So keys are
 * changed without touching what is sealed by the older ones, and the master key without touching
 * any secret.
 *
 * The file (keys/ring, JSON, one line):
 *   {"format":"songhua-ring-1",
 *    "wraps":[{"by":"file"|"environment"|"pkcs11","box":BASE64}, {"by":"sheet","box":BASE64}],
 *    "body":BASE64}
 * wrap by file and environment: secret box, key HMAC-SHA-256(master, "ring wrap"), context "ring".
 * wrap by pkcs11: nonce(12) | cipher text(32) | tag(16), AES-GCM, additional data "songhua ring".
 * wrap by sheet: an X25519 (RFC 7748) public key of one use (32) | secret box, key HMAC-SHA-256(the
 * shared secret, "ring sheet" | that public key | the sheet's public key), context "ring".
 * body: secret box under the wrapped key, context "ring body", of JSON: root (hex), keys (id, kind,
 * key (hex), made), sheet (public (hex), made, by).
 *
 * Threads: a ring is the caller's; a master serializes its own calls. What is secret is wiped.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RING_H
#define SH_RING_H

#include <sh/crypto.h>

enum {
    SH_RING_KEYS = 8,         /* the newest seals; the others open what is older */
    SH_RING_BY = 64,          /* bytes of a name */
    SH_RING_FILE_MAX = 65536, /* bytes */
    SH_SHEET_SEED = 20,       /* bytes of the secret that is printed */
    SH_SHEET_CODE = 48,       /* "XXXXX-XXXXX-..." eight groups and a NUL */
    SH_MASTER_LABEL = 160,
};

struct sh_ring_key {
    struct sh_box_key box;
    int64_t made_us; /* wall clock; 0 = not known (made before there was a ring) */
};
struct sh_ring {
    uint8_t root[SH_KEY_BYTES]; /* what keys of one purpose are derived from; never changes */
    struct sh_ring_key keys[SH_RING_KEYS];
    size_t nkeys; /* 1..SH_RING_KEYS; the last one is in use */
    bool sheet;
    uint8_t sheet_public[SH_KEY_BYTES];
    int64_t sheet_us;
    char sheet_by[SH_RING_BY + 1];
};

/* ---- the master key ------------------------------------------------------------------------- */

enum sh_master_kind { SH_MASTER_FILE, SH_MASTER_ENVIRONMENT, SH_MASTER_PKCS11 };
/* "file", "environment", "pkcs11". */
const char *sh_master_kind_name(enum sh_master_kind kind);

struct sh_master;
/* source:
 *   "file:PATH"     one line "songhua-node-key-1 <64 hex>" (node_key.c); PATH below `dir` or
 *                   absolute. Made when it is missing and `create`.
 *   "env:NAME"      64 hexadecimal digits in that variable.
 *   "pkcs11:token=T;object=O?module-path=/lib.so&pin-source=file:/pin"  (RFC 7512, percent-encoded)
 *                   a secret AES key (CKA_LABEL O) that may encrypt and decrypt with CKM_AES_GCM.
 *                   pin-source also "env:NAME"; it may be absent where no PIN is asked.
 * SH_E_INVAL: not such a source; SH_E_NOTFOUND: there is no such key; SH_E_CORRUPT: it is none;
 * SH_E_DENIED: the module refuses the PIN; SH_E_IO: the module or token cannot be used.
 * diag names place and remedy. May block. */
SH_MUST_CHECK sh_err sh_master_open(const struct sh_env *env, const struct sh_crypto *c,
                                    const char *dir, const char *source, bool create,
                                    struct sh_master **out, struct sh_diag *diag);
void sh_master_close(struct sh_master *m); /* NULL is accepted */
enum sh_master_kind sh_master_kind(const struct sh_master *m);
/* Where it is, without anything secret: "keys/node.key", "SONGHUA_MASTER_KEY", "T / O". */
const char *sh_master_label(const struct sh_master *m);
/* The key itself; NULL where it never leaves a module. */
const uint8_t *sh_master_bytes(const struct sh_master *m);
/* A file's key is made anew: `out` has the new one, and nothing is written yet. SH_E_UNSUPPORTED:
 * it is not a file. */
SH_MUST_CHECK sh_err sh_master_renew(const struct sh_master *m, struct sh_master **out);
/* Writes the key of sh_master_renew in place of the file's. */
SH_MUST_CHECK sh_err sh_master_store(const struct sh_master *m);

/* Appends. kind: of the box, where it is one. May block. */
SH_MUST_CHECK sh_err sh_master_wrap(struct sh_master *m, enum sh_box_kind kind,
                                    const uint8_t key[SH_KEY_BYTES], struct sh_buf *out);
/* SH_E_DENIED: wrapped by another key, or changed. */
SH_MUST_CHECK sh_err sh_master_unwrap(struct sh_master *m, struct sh_bytes wrap,
                                      uint8_t key[SH_KEY_BYTES]);

/* ---- the ring ------------------------------------------------------------------------------- */

/* New root, one key, no sheet. */
SH_MUST_CHECK sh_err sh_ring_new(const struct sh_env *env, enum sh_box_kind kind,
                                 struct sh_ring *out);
/* A further key, which is in use from now on; the oldest one goes when there are too many. */
SH_MUST_CHECK sh_err sh_ring_add(const struct sh_env *env, enum sh_box_kind kind,
                                 struct sh_ring *r);
const struct sh_ring_key *sh_ring_current(const struct sh_ring *r);
/* The boxes of any key of the ring; errors of sh_box_open. */
SH_MUST_CHECK sh_err sh_ring_unseal(const struct sh_crypto *c, const struct sh_ring *r,
                                    struct sh_bytes context, struct sh_bytes box,
                                    struct sh_buf *out);

/* Appends the file's text: wrapped by each of the masters, and to the sheet. */
SH_MUST_CHECK sh_err sh_ring_write(const struct sh_env *env, const struct sh_crypto *c,
                                   const struct sh_ring *r, struct sh_master *const *masters,
                                   size_t n, struct sh_buf *text);
/* SH_E_PROTO: not such a file; SH_E_NOTFOUND: not wrapped by a key of the master's kind (kinds
 * names those that it has); SH_E_DENIED: by another key; SH_E_CORRUPT. */
SH_MUST_CHECK sh_err sh_ring_read(const struct sh_env *env, const struct sh_crypto *c,
                                  struct sh_str text, struct sh_master *m, struct sh_ring *out,
                                  char kinds[SH_RING_BY]);
/* By the code of the sheet (sh_sheet_parse). SH_E_NOTFOUND: no sheet; SH_E_DENIED: another's. */
SH_MUST_CHECK sh_err sh_ring_read_sheet(const struct sh_env *env, const struct sh_crypto *c,
                                        struct sh_str text, const uint8_t seed[SH_SHEET_SEED],
                                        struct sh_ring *out);

/* ---- keys/ring of a data folder; may block -------------------------------------------------- */

/* What was found beside the ring: each asks for the file to be written anew. */
struct sh_ring_found {
    bool before; /* no file: the ring of a folder of before, from keys/node.key itself */
    bool other;  /* another master opens it too: the power failed while it was changed */
};
/* SH_E_STATE, SH_E_CORRUPT with diag. SH_E_NOTFOUND with found->before: the master is no file. */
SH_MUST_CHECK sh_err sh_ring_load(const struct sh_env *env, const struct sh_crypto *c,
                                  const char *dir, struct sh_master *m, struct sh_ring *out,
                                  struct sh_ring_found *found, struct sh_diag *diag);
/* By a sheet's code; errors of sh_ring_read_sheet, SH_E_NOTFOUND also without the file. */
SH_MUST_CHECK sh_err sh_ring_load_sheet(const struct sh_env *env, const struct sh_crypto *c,
                                        const char *dir, const uint8_t seed[SH_SHEET_SEED],
                                        struct sh_ring *out);
/* Replaces the file; never leaves a half one. */
SH_MUST_CHECK sh_err sh_ring_store(const struct sh_env *env, const struct sh_crypto *c,
                                   const char *dir, const struct sh_ring *r,
                                   struct sh_master *const *masters, size_t n);
/* A new key in the master's file; *m is the new one from when it is written, also on an error
 * behind that. SH_E_UNSUPPORTED: the master is no file. */
SH_MUST_CHECK sh_err sh_ring_renew_master(const struct sh_env *env, const struct sh_crypto *c,
                                          const char *dir, const struct sh_ring *r,
                                          struct sh_master **m);

/* ---- the recovery sheet --------------------------------------------------------------------- */

/* A new one: its code, which is shown once and kept nowhere; the ring gets its public half. */
SH_MUST_CHECK sh_err sh_sheet_new(const struct sh_env *env, const struct sh_crypto *c,
                                  struct sh_ring *r, char code[SH_SHEET_CODE]);
/* Eight groups of four digits of base 32 and a check digit (Luhn mod 32, the group's number
 * counted in); case, blanks and hyphens do not count, I L O are read as 1 1 0. SH_E_INVAL: group
 * *at (from 1) is mistyped; *at = 0: not eight groups. */
SH_MUST_CHECK sh_err sh_sheet_parse(struct sh_str code, uint8_t seed[SH_SHEET_SEED], unsigned *at);

#endif /* SH_RING_H */
