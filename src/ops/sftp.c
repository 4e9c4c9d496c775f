/* sftp.c - one SFTP connection over libssh2, in steps that end: every call of the library is
 * non-blocking and is repeated while its socket is waited for in slices, so that a cancel is seen
 * within a slice and a silent server within CALL_US.
 *
 * States: socket -> handshake -> host key judged -> user proved -> SFTP -> (closed). A call that
 * was given up in the middle leaves the library in the middle of a packet: `broken`, and then the
 * socket is shut before the library is asked to free what it holds.
 *
 * libssh2 1.10 (Debian 12) knows no rsa-sha2 signatures: RSA keys of server or user work only where
 * ssh-rsa (SHA-1) is still allowed. ssh-dss is not offered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh2.h>
#include <libssh2_sftp.h>

#include "sftp_int.h"

enum { SLICE_MS = 200, SECRET_FILE = 64 << 10, GOODBYE_MS = 2000 };
#define CALL_US INT64_C(60000000)
#define CONNECT_US INT64_C(15000000)

sh_err sh_remote_init(void)
{
    return libssh2_init(0) == 0 ? SH_OK : SH_E_INTERNAL;
}

/* ---- waiting ---- */

sh_err remote_stopped(const struct sh_remote_options *o)
{
    if (o->progress != NULL && atomic_load(&o->progress->cancel)) {
        return SH_E_CANCELED;
    }
    return o->yield != NULL && o->yield(o->ctx) ? SH_E_AGAIN : SH_OK;
}

static sh_err wait_fd(struct sftp *s, short events, int64_t until_us)
{
    struct pollfd p = {.fd = s->fd, .events = events};
    SH_TRY(remote_stopped(s->o));
    if (sh_mono_us(s->o->env->clock) >= until_us) {
        return SH_E_TIMEOUT;
    }
    const int n = poll(&p, 1, SLICE_MS);
    return n < 0 && errno != EINTR ? sh_err_from_errno(errno) : SH_OK;
}

struct sftp_turn sftp_turn(const struct sftp *s)
{
    return (struct sftp_turn){.until_us = sh_mono_us(s->o->env->clock) + CALL_US};
}

bool sftp_again(struct sftp *s, int rc, struct sftp_turn *t)
{
    if (rc != LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    const int way = libssh2_session_block_directions(s->session);
    const int in = (way & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 ? POLLIN : 0;
    const int out = (way & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 ? POLLOUT : 0;
    const short events = (short)(in | out);
    t->err = wait_fd(s, events, t->until_us);
    return t->err == SH_OK;
}

/* What the server said about a file. */
static sh_err said(unsigned long code)
{
    switch (code) {
    case LIBSSH2_FX_NO_SUCH_FILE:
    case LIBSSH2_FX_NO_SUCH_PATH:
        return SH_E_NOTFOUND;
    case LIBSSH2_FX_PERMISSION_DENIED:
    case LIBSSH2_FX_WRITE_PROTECT:
        return SH_E_DENIED;
    case LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM:
    case LIBSSH2_FX_QUOTA_EXCEEDED:
        return SH_E_FULL;
    case LIBSSH2_FX_OP_UNSUPPORTED:
        return SH_E_UNSUPPORTED;
    case LIBSSH2_FX_FILE_ALREADY_EXISTS:
        return SH_E_EXISTS;
    case LIBSSH2_FX_NO_CONNECTION:
    case LIBSSH2_FX_CONNECTION_LOST:
        return SH_E_CLOSED;
    case LIBSSH2_FX_BAD_MESSAGE:
        return SH_E_PROTO;
    default:
        return SH_E_IO;
    }
}

sh_err sftp_result(struct sftp *s, int64_t rc, const struct sftp_turn *t)
{
    sh_err err = t->err;
    if (err == SH_OK && rc >= 0) {
        return SH_OK;
    }
    if (err == SH_OK && rc == LIBSSH2_ERROR_SFTP_PROTOCOL && s->sftp != NULL) {
        err = said(libssh2_sftp_last_error(s->sftp));
    } else if (err == SH_OK) {
        err = rc == LIBSSH2_ERROR_ALLOC ? SH_E_NOMEM : SH_E_CLOSED;
    }
    s->broken = s->broken || t->err != SH_OK || err == SH_E_CLOSED || err == SH_E_NOMEM;
    return err;
}

/* ---- the socket ---- */

static sh_err connect_one(struct sftp *s, const struct addrinfo *a)
{
    const int on = 1;
    int failure = 0;
    socklen_t n = sizeof failure;
    s->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (s->fd < 0) {
        return sh_err_from_errno(errno);
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s->fd, a->ai_addr, a->ai_addrlen) == 0) {
        return SH_OK;
    }
    if (errno != EINPROGRESS) {
        return SH_E_CLOSED;
    }
    const int64_t until = sh_mono_us(s->o->env->clock) + CONNECT_US;
    for (;;) {
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};
        if (poll(&p, 1, 0) > 0) {
            break;
        }
        SH_TRY(wait_fd(s, POLLOUT, until));
    }
    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &n) == 0 && failure == 0 ? SH_OK
                                                                                      : SH_E_CLOSED;
}

static sh_err connect_any(struct sftp *s, struct sh_diag *diag)
{
    const struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int rc = getaddrinfo(s->t.host, s->t.port, &want, &list);
    if (rc != 0) {
        sh_diag_set(diag, "the SFTP server's name %.200s is not known: %s", s->t.host,
                    gai_strerror(rc));
        sh_diag_remedy(diag, "look at the address in backup.sftp, and at this machine's DNS");
        return SH_E_NOTFOUND;
    }
    sh_err err = SH_E_NOTFOUND;
    for (const struct addrinfo *a = list; a != NULL && err != SH_OK; a = a->ai_next) {
        if (s->fd >= 0) {
            (void)close(s->fd);
            s->fd = -1;
        }
        err = connect_one(s, a);
        if (err == SH_E_CANCELED || err == SH_E_AGAIN) {
            break;
        }
    }
    freeaddrinfo(list);
    if (err != SH_OK) {
        sh_diag_set(diag, "there is no connection to the SFTP server %.200s, port %s", s->t.host,
                    s->t.port);
        sh_diag_remedy(diag, "is it running, and does a firewall let port %s through?", s->t.port);
    }
    return err;
}

/* ---- the server's identity ---- */

/* Kinds of host keys, the best first; a fingerprint does not say which one it is of. */
static const char *const kinds[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521", "ssh-rsa"};

static void hang_up(struct sftp *s)
{
    if (s->session != NULL) {
        if (s->broken) {
            (void)shutdown(s->fd, SHUT_RDWR);
        }
        libssh2_session_set_blocking(s->session, 1);
        libssh2_session_set_timeout(s->session, GOODBYE_MS);
        sftp_file_close(s);
        if (s->sftp != NULL) {
            (void)libssh2_sftp_shutdown(s->sftp);
        }
        if (!s->broken) {
            (void)libssh2_session_disconnect(s->session, "done");
        }
        (void)libssh2_session_free(s->session);
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    s->session = NULL;
    s->sftp = NULL;
    s->fd = -1;
    s->broken = false;
}

static sh_err handshake(struct sftp *s, const char *kind, struct sh_diag *diag)
{
    SH_TRY(connect_any(s, diag));
    s->session = libssh2_session_init();
    if (s->session == NULL) {
        return SH_E_NOMEM;
    }
    libssh2_session_set_blocking(s->session, 0);
    if (libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY, kind) != 0) {
        return SH_E_UNSUPPORTED;
    }
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_session_handshake(s->session, s->fd);
    } while (sftp_again(s, rc, &t));
    if (t.err == SH_OK && (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE ||
                           rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)) {
        s->broken = true;
        return SH_E_UNSUPPORTED; /* no host key of that kind, or nothing else in common */
    }
    const sh_err err = sftp_result(s, rc, &t);
    if (err != SH_OK && diag->message[0] == '\0') {
        sh_diag_set(diag, "%.200s, port %s, does not answer as an SSH server", s->t.host,
                    s->t.port);
        sh_diag_remedy(diag, "look at host and port in backup.sftp, and at the server's log");
    }
    return err;
}

static const char *type_of(int type)
{
    switch (type) {
    case LIBSSH2_HOSTKEY_TYPE_ED25519:
        return "ssh-ed25519";
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_256:
        return "ecdsa-sha2-nistp256";
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_384:
        return "ecdsa-sha2-nistp384";
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_521:
        return "ecdsa-sha2-nistp521";
    case LIBSSH2_HOSTKEY_TYPE_RSA:
        return "ssh-rsa";
    default:
        return "?";
    }
}

/* SH_E_CONFLICT: another key than the named one. */
static sh_err judge(struct sftp *s, const struct ops_host_key *known, struct sh_diag *diag)
{
    size_t n = 0;
    int type = 0;
    uint8_t sha256[SH_HASH_BYTES];
    char print[OPS_FINGERPRINT];
    const char *key = libssh2_session_hostkey(s->session, &n, &type);
    if (key == NULL) {
        return SH_E_PROTO;
    }
    const struct sh_bytes blob = sh_bytes_of(key, n);
    SH_TRY(sh_crypto_hash(s->o->crypto, SH_DIGEST_SHA256, &blob, 1, sha256));
    if (known != NULL && memcmp(known->sha256, sha256, sizeof sha256) == 0) {
        return SH_OK;
    }
    ops_fingerprint(sha256, print);
    if (known == NULL) {
        sh_diag_set(diag, "the SFTP server's host key is not named; it shows %s (%s)", print,
                    type_of(type));
        sh_diag_remedy(diag,
                       "compare it on the server (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)"
                       ", then set backup.sftp_host_key = %s",
                       print);
        return SH_E_DENIED;
    }
    sh_diag_set(diag, "the SFTP server shows another host key than the named one: %s (%s)", print,
                type_of(type));
    sh_diag_remedy(diag, "nothing was sent. If the server was set up anew, compare the fingerprint "
                         "there and set backup.sftp_host_key; else somebody is in between");
    return SH_E_CONFLICT;
}

static bool kind_has(const char *kind, const char *type)
{
    const size_t n = strlen(type);
    const char *at = n == 0 ? NULL : strstr(kind, type);
    return n == 0 || (at != NULL && (at[n] == '\0' || at[n] == ','));
}

static sh_err meet(struct sftp *s, struct sh_diag *diag)
{
    struct ops_host_key key;
    struct sh_diag last = {.line = 0};
    const struct sh_str text = sh_str_trim(sh_str_c(s->o->target.host_key));
    if (text.n > 0) {
        SH_TRY(ops_host_key_parse(s->o->env, s->o->crypto, text, &key, diag));
    }
    sh_err end = SH_E_UNSUPPORTED;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (text.n > 0 && !kind_has(kinds[i], key.type)) {
            continue;
        }
        struct sh_diag d = {.line = 0};
        sh_err err = handshake(s, kinds[i], &d);
        err = err != SH_OK ? err : judge(s, text.n == 0 ? NULL : &key, &d);
        if (err == SH_OK) {
            return SH_OK;
        }
        if (err == SH_E_CONFLICT && end != SH_E_DENIED) { /* perhaps its key of another kind */
            end = SH_E_DENIED;
            last = d;
        } else if (err != SH_E_CONFLICT && err != SH_E_UNSUPPORTED) {
            *diag = d;
            return err;
        }
        hang_up(s);
    }
    *diag = last;
    if (end == SH_E_UNSUPPORTED) {
        sh_diag_set(diag, "the SFTP server has no host key or key exchange that can be used here");
        sh_diag_remedy(diag, "give it an ed25519 or ECDSA host key; RSA with SHA-2 is not known by "
                             "the SSH library of Debian 12");
    }
    return end;
}

/* ---- the user's ---- */

static sh_err read_secret(const struct sftp *s, const char *path, struct sh_str *out,
                          struct sh_diag *diag)
{
    *out = (struct sh_str){NULL, 0};
    const sh_err err =
        path[0] == '\0' ? SH_OK
                        : sh_fs_read_all(s->o->env->fs, s->o->env->alloc, path, SECRET_FILE, out);
    if (err != SH_OK) {
        sh_diag_set(diag, "the file %.300s cannot be read: %s", path, sh_err_name(err));
        sh_diag_remedy(diag, "name a file that the server's user may read");
    }
    return err;
}

/* rc of the library, or an error that ends it all. */
static int by_key(struct sftp *s, struct sh_str key, const char *passphrase, struct sftp_turn *t)
{
    int rc = 0;
    do {
        rc = libssh2_userauth_publickey_frommemory(s->session, s->t.user, strlen(s->t.user), NULL,
                                                   0, key.p, key.n, passphrase);
    } while (sftp_again(s, rc, t));
    return rc;
}

static int by_password(struct sftp *s, const char *password, struct sftp_turn *t)
{
    int rc = 0;
    do {
        rc = libssh2_userauth_password(s->session, s->t.user, password);
    } while (sftp_again(s, rc, t));
    return rc;
}

static sh_err no_key(const struct sftp *s, const char *why, struct sh_diag *diag)
{
    sh_diag_set(diag, "the private key %.150s cannot be used: %.80s", s->o->target.key_file, why);
    sh_diag_remedy(diag, "make an ed25519 key (ssh-keygen -t ed25519); put its passphrase into "
                         "the first line of backup.sftp_password_file");
    return SH_E_INVAL;
}

static sh_err refused(const struct sftp *s, int rc, bool key, struct sh_diag *diag)
{
    char *why = NULL;
    (void)libssh2_session_last_error(s->session, &why, NULL, 0);
    if (rc == LIBSSH2_ERROR_FILE || rc == LIBSSH2_ERROR_METHOD_NOT_SUPPORTED ||
        rc == LIBSSH2_ERROR_KEYFILE_AUTH_FAILED) {
        return no_key(s, why == NULL || why[0] == '\0' ? "its kind or its passphrase" : why, diag);
    }
    sh_diag_set(diag, "the SFTP server does not let %.60s in by %s (%.80s)", s->t.user,
                key ? "this key" : "password", why == NULL ? "" : why);
    sh_diag_remedy(diag, "%s",
                   key ? "put the public key into the user's authorized_keys; OpenSSH takes no RSA "
                         "key from here, ed25519 and ECDSA work"
                       : "look at user and password file, or use a key");
    return SH_E_DENIED;
}

static sh_err prove_with(struct sftp *s, struct sh_str key, struct sh_str words,
                         struct sh_diag *diag)
{
    char line[512];
    struct sh_str rest;
    const struct sh_str first = sh_str_trim(sh_str_cut(words, '\n', &rest));
    struct sftp_turn t = sftp_turn(s);
    if (key.n == 0 && first.n == 0) {
        sh_diag_set(diag, "neither a key nor a password for the SFTP server is set");
        sh_diag_remedy(diag, "set backup.sftp_key to a private key's file (ssh-keygen -t ed25519)");
        return SH_E_DENIED;
    }
    if (key.n > 0 && !sh_str_starts(sh_str_trim(key), SH_STR("-----BEGIN "))) {
        return no_key(s, "this is no private key in PEM", diag);
    }
    (void)snprintf(line, sizeof line, "%.*s", SH_PRI(first));
    const int rc =
        key.n > 0 ? by_key(s, key, first.n > 0 ? line : NULL, &t) : by_password(s, line, &t);
    sh_crypto_wipe(line, sizeof line);
    if (rc == 0) {
        return SH_OK;
    }
    const sh_err err = sftp_result(s, rc, &t);
    const bool lost = t.err != SH_OK || rc == LIBSSH2_ERROR_SOCKET_RECV ||
                      rc == LIBSSH2_ERROR_SOCKET_SEND || rc == LIBSSH2_ERROR_SOCKET_DISCONNECT;
    return lost ? err : refused(s, rc, key.n > 0, diag);
}

static sh_err prove(struct sftp *s, struct sh_diag *diag)
{
    struct sh_str key;
    struct sh_str words;
    SH_TRY(read_secret(s, s->o->target.key_file, &key, diag));
    sh_err err = read_secret(s, s->o->target.password_file, &words, diag);
    if (err == SH_OK) {
        err = prove_with(s, key, words, diag);
    }
    if (words.p != NULL) {
        sh_crypto_wipe((void *)(uintptr_t)words.p, words.n);
    }
    if (key.p != NULL) {
        sh_crypto_wipe((void *)(uintptr_t)key.p, key.n);
    }
    sh_str_free(s->o->env->alloc, &words);
    sh_str_free(s->o->env->alloc, &key);
    return err;
}

static sh_err subsystem(struct sftp *s, struct sh_diag *diag)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        s->sftp = libssh2_sftp_init(s->session);
        rc = s->sftp != NULL ? 0 : libssh2_session_last_errno(s->session);
    } while (sftp_again(s, rc, &t));
    const sh_err err = sftp_result(s, rc, &t);
    if (err != SH_OK) {
        sh_diag_set(diag, "the server lets %.60s in, but has no SFTP for him", s->t.user);
        sh_diag_remedy(diag, "turn the subsystem sftp on (sshd_config: Subsystem sftp "
                             "internal-sftp)");
    }
    return err;
}

/* ---- life ---- */

sh_err sftp_open(const struct sh_remote_options *o, struct sftp **out, struct sh_diag *diag)
{
    struct sftp *s = sh_mem_new(o->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->o = o;
    s->fd = -1;
    sh_err err = ops_target_parse(sh_str_c(o->target.url), &s->t, diag);
    err = err != SH_OK ? err : meet(s, diag);
    err = err != SH_OK ? err : prove(s, diag);
    err = err != SH_OK ? err : subsystem(s, diag);
    if (err != SH_OK) {
        s->broken = true;
        sftp_close(s);
        return err;
    }
    *out = s;
    return SH_OK;
}

void sftp_close(struct sftp *s)
{
    if (s != NULL) {
        hang_up(s);
        sh_mem_free(s->o->env->alloc, s);
    }
}

const char *sftp_folder(const struct sftp *s)
{
    return s->t.folder;
}
