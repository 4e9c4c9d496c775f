/* sftp_int.h - what sftp.c (the connection) and sftp_file.c (files and folders) share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SFTP_INT_H
#define SH_SFTP_INT_H

#include <libssh2.h>
#include <libssh2_sftp.h>

#include "remote_int.h"

struct sftp {
    const struct sh_remote_options *o;
    struct ops_target t;
    int fd;
    bool broken; /* nothing but closing may follow */
    LIBSSH2_SESSION *session;
    LIBSSH2_SFTP *sftp;
    LIBSSH2_SFTP_HANDLE *file;
};

/* One call of the library:  do { rc = ...; } while (sftp_again(s, rc, &t)); sftp_result(s, rc, &t)
 */
struct sftp_turn {
    int64_t until_us;
    sh_err err;
};
struct sftp_turn sftp_turn(const struct sftp *s);
bool sftp_again(struct sftp *s, int rc, struct sftp_turn *t);
SH_MUST_CHECK sh_err sftp_result(struct sftp *s, int64_t rc, const struct sftp_turn *t);

#endif /* SH_SFTP_INT_H */
