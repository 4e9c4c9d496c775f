/* remote.h - copies of backups on an SFTP server, and back.
 *
 * On the server, below the folder of the URL:
 *   owner                       the id of the node whose folder this is
 *   objects/ab/<SHA-256>        each file's bytes once, whatever backups name it
 *   <backup's id>/manifest.json as in the local backup; written last
 * So a copy sends what the server does not have yet, a broken one goes on with the next file, and
 * an old copy's removal leaves the others whole. Every file is written beside its name, made
 * durable where the server can (fsync@openssh.com), measured, then renamed.
 *
 * The server is known by its host key, which the caller names; another, or none named, is refused.
 * Connections that break are tried again with growing pauses, five times without progress.
 *
 * Threads: calls block long (each wait for the network is bounded by a minute and ends within a
 * second of a cancel; the look-up of the host's name by what the resolver allows) and belong on a
 * thread of their own; one writer per folder of the server. sh_remote_init from one thread first.
 * Source: draft-ietf-secsh-filexfer-02 (SFTP 3), RFC 4251 to 4254, by libssh2.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_REMOTE_H
#define SH_REMOTE_H

#include <sh/backup.h>

enum { SH_REMOTE_URL = 512, SH_REMOTE_HOST_KEY = 2048, SH_REMOTE_PATH = 512 };

/* Where to, and who proves what how. Copied by value. */
struct sh_remote_target {
    char url[SH_REMOTE_URL];           /* sftp://user@host[:port]/folder, or /~/folder; "" = none */
    char host_key[SH_REMOTE_HOST_KEY]; /* SHA256:..., or a line of known_hosts */
    char key_file[SH_REMOTE_PATH];     /* private key; "" = by password */
    char password_file[SH_REMOTE_PATH]; /* first line: the password, or the key's passphrase */
    uint32_t keep;                      /* copies that stay; 0 = all */
};

struct sh_remote_options {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    struct sh_remote_target target;
    uint64_t rate;                       /* bytes a second; 0 = as fast as it goes */
    unsigned reserve;                    /* percent of the local disk that a fetch leaves free */
    struct sh_backup_progress *progress; /* may be NULL */
    /* Asked often; true: end with SH_E_AGAIN, something else is more urgent. May be NULL. */
    bool (*yield)(void *ctx);
    void *ctx;
};

struct sh_remote_done {
    uint64_t files;   /* of the backup */
    uint64_t bytes;   /* of the backup */
    uint64_t sent;    /* bytes that the server did not have */
    uint64_t removed; /* copies beyond `keep` */
};

/* A copy on the server. */
struct sh_remote_copy {
    char id[SH_BACKUP_ID];
    int64_t copied_us; /* the server's clock; 0 = it does not say */
};

/* Once, before anything else here, while there is one thread. */
SH_MUST_CHECK sh_err sh_remote_init(void);

/* Are these a URL and a host key as above? Empty ones are. SH_E_INVAL with diag. */
SH_MUST_CHECK sh_err sh_remote_url_check(struct sh_str url, struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_remote_host_key_check(struct sh_str key, struct sh_diag *diag);

/* Copies folder/id, then removes copies beyond `keep` (never this one) and what no copy names.
 * owner: 1 to 64 characters that stand for this node.
 * SH_E_DENIED host key or identity; SH_E_STATE the folder is another node's; SH_E_FULL; SH_E_CLOSED
 * and SH_E_TIMEOUT after all tries; SH_E_CORRUPT the local backup is damaged; SH_E_CANCELED;
 * SH_E_AGAIN yielded. The local backup is only read. */
SH_MUST_CHECK sh_err sh_remote_send(const struct sh_remote_options *o, const char *folder,
                                    const char *id, const char *owner, struct sh_remote_done *out,
                                    struct sh_diag *diag);

/* The whole copies on the server, oldest first; fn is called after the connection is closed. */
SH_MUST_CHECK sh_err sh_remote_list(const struct sh_remote_options *o,
                                    sh_err (*fn)(void *ctx, const struct sh_remote_copy *c),
                                    void *ctx, struct sh_diag *diag);

/* Brings one back into folder/id, every byte checked against the manifest; on an error nothing of
 * it is left (after a power cut: until the next sweep). SH_E_EXISTS it is here; SH_E_NOTFOUND it is
 * not there; SH_E_CORRUPT what came is not what was sent. */
SH_MUST_CHECK sh_err sh_remote_fetch(const struct sh_remote_options *o, const char *id,
                                     const char *folder, struct sh_backup_info *out,
                                     struct sh_diag *diag);

#endif /* SH_REMOTE_H */
