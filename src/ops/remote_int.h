/* remote_int.h - the files of copies on an SFTP server: names, the connection, what they share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_REMOTE_INT_H
#define SH_REMOTE_INT_H

#include <sh/remote.h>

#include "ops_int.h"

/* ---- target.c: pure ---- */

struct ops_target {
    char user[64];
    char host[256]; /* without brackets */
    char port[6];
    char folder[SH_REMOTE_URL]; /* absolute, or relative to the user's home */
};
SH_MUST_CHECK sh_err ops_target_parse(struct sh_str url, struct ops_target *out,
                                      struct sh_diag *diag);

struct ops_host_key {
    uint8_t sha256[SH_HASH_BYTES];
    char type[24]; /* "ssh-ed25519"; "" = a fingerprint does not say */
};
/* "SHA256:<base64>", or a line of known_hosts: [names] type base64 [comment]. SH_E_INVAL. crypto
 * NULL: only its form is looked at. */
SH_MUST_CHECK sh_err ops_host_key_parse(const struct sh_env *env, const struct sh_crypto *crypto,
                                        struct sh_str text, struct ops_host_key *out,
                                        struct sh_diag *diag);
enum { OPS_FINGERPRINT = 64 };
void ops_fingerprint(const uint8_t sha256[SH_HASH_BYTES], char out[OPS_FINGERPRINT]);

/* How many of the copies (by id, oldest first) go so that `keep` stay; `just` and what is newer
 * never goes. 0 = all stay. */
size_t ops_remote_surplus(const struct sh_remote_copy *copies, size_t n, uint32_t keep,
                          const char *just);

/* ---- sftp.c: one connection ---- */

/* After SH_E_CLOSED, SH_E_TIMEOUT, SH_E_CANCELED and SH_E_AGAIN only sftp_close may follow. Others:
 * SH_E_NOTFOUND, SH_E_DENIED, SH_E_FULL, SH_E_UNSUPPORTED as the server said, SH_E_IO it said no
 * and not why (OpenSSH says so when its disk is full), SH_E_PROTO. */
struct sftp;
SH_MUST_CHECK sh_err sftp_open(const struct sh_remote_options *o, struct sftp **out,
                               struct sh_diag *diag);
void sftp_close(struct sftp *s); /* NULL is accepted */
const char *sftp_folder(const struct sftp *s);

struct sftp_stat {
    uint64_t size;
    int64_t mtime_us;
    bool is_dir;
};
SH_MUST_CHECK sh_err sftp_stat(struct sftp *s, const char *path, struct sftp_stat *out);
/* fn must not use the connection. */
SH_MUST_CHECK sh_err sftp_list(struct sftp *s, const char *path,
                               sh_err (*fn)(void *ctx, const char *name,
                                            const struct sftp_stat *st),
                               void *ctx);
SH_MUST_CHECK sh_err sftp_mkdirs(struct sftp *s, const char *path);
SH_MUST_CHECK sh_err sftp_unlink(struct sftp *s, const char *path);
SH_MUST_CHECK sh_err sftp_rmdir(struct sftp *s, const char *path);
SH_MUST_CHECK sh_err sftp_rename(struct sftp *s, const char *from, const char *to);
/* SH_E_UNSUPPORTED: it does not say. */
SH_MUST_CHECK sh_err sftp_space(struct sftp *s, const char *path, uint64_t *free_bytes);

/* One file is open at a time. */
SH_MUST_CHECK sh_err sftp_create(struct sftp *s, const char *path);
SH_MUST_CHECK sh_err sftp_write(struct sftp *s, struct sh_bytes b);
/* Makes it durable where the server can, and tells its size. */
SH_MUST_CHECK sh_err sftp_finish(struct sftp *s, uint64_t *size);
SH_MUST_CHECK sh_err sftp_read_open(struct sftp *s, const char *path);
SH_MUST_CHECK sh_err sftp_read(struct sftp *s, uint8_t *p, size_t n, size_t *got); /* 0 = end */
void sftp_file_close(struct sftp *s); /* none is open: nothing */

/* ---- remote.c: what copy, list and fetch share ---- */

enum { REMOTE_COPIES = 4096 };
#define REMOTE_MANIFEST_MAX ((size_t)256 << 20)

struct remote {
    const struct sh_remote_options *o;
    const struct sh_env *env;
    struct sftp *s; /* NULL: not connected */
    struct ops_copier c;
    struct sh_diag *diag;
    uint64_t steps; /* grows with each file that went over: progress */
};
/* Runs one with a connection, again after breaks. one must be able to begin again. */
SH_MUST_CHECK sh_err remote_run(struct remote *r, sh_err (*one)(void *ctx), void *ctx);
/* Folder/a/b of the server; b may be "". SH_E_LIMIT. */
SH_MUST_CHECK sh_err remote_path(const struct remote *r, char out[OPS_PATH], const char *a,
                                 const char *b);
SH_MUST_CHECK sh_err remote_object(const struct remote *r, char out[OPS_PATH],
                                   const uint8_t hash[SH_HASH_BYTES]);
SH_MUST_CHECK sh_err remote_read_text(struct remote *r, const char *path, size_t max,
                                      struct sh_str *out);
SH_MUST_CHECK sh_err remote_write_text(struct remote *r, const char *path, struct sh_str text);
/* All whole copies, oldest first, into a new array (sh_mem_free). */
SH_MUST_CHECK sh_err remote_copies(struct remote *r, struct sh_remote_copy **out, size_t *n);
/* Says what the server refused, unless something was said; returns err. */
SH_MUST_CHECK sh_err remote_refused(struct remote *r, sh_err err, const char *what);
/* SH_E_CANCELED, SH_E_AGAIN: stop. */
SH_MUST_CHECK sh_err remote_stopped(const struct sh_remote_options *o);

/* ---- remote_keep.c ---- */

/* Removes copies beyond `keep` and what none names. */
SH_MUST_CHECK sh_err remote_tidy(struct remote *r, const char *just, uint64_t *removed);

#endif /* SH_REMOTE_INT_H */
