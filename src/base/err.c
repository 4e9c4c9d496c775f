/* err.c - names of errors and the assertion.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *sh_err_name(sh_err e)
{
    static const char *const names[] = {
        [SH_OK] = "ok",
        [SH_E_AGAIN] = "again",
        [SH_E_INVAL] = "invalid",
        [SH_E_NOTFOUND] = "not_found",
        [SH_E_EXISTS] = "exists",
        [SH_E_LIMIT] = "limit",
        [SH_E_NOMEM] = "no_memory",
        [SH_E_TIMEOUT] = "timeout",
        [SH_E_CLOSED] = "closed",
        [SH_E_PROTO] = "malformed",
        [SH_E_CORRUPT] = "corrupt",
        [SH_E_DENIED] = "denied",
        [SH_E_UNSUPPORTED] = "unsupported",
        [SH_E_IO] = "io",
        [SH_E_FULL] = "disk_full",
        [SH_E_CANCELED] = "canceled",
        [SH_E_BUSY] = "busy",
        [SH_E_STATE] = "state",
        [SH_E_CONFLICT] = "conflict",
        [SH_E_INTERNAL] = "internal",
    };
    const size_t i = (size_t)e;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}

sh_err sh_err_from_errno(int err)
{
    switch (err) {
    case 0:
        return SH_OK;
    case EAGAIN:
    case EINTR:
        return SH_E_AGAIN;
    case EINVAL:
    case ENAMETOOLONG:
        return SH_E_INVAL;
    case ENOENT:
    case ENOTDIR:
        return SH_E_NOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
        return SH_E_EXISTS;
    case EMFILE:
    case ENFILE:
        return SH_E_LIMIT;
    case ENOMEM:
        return SH_E_NOMEM;
    case ETIMEDOUT:
        return SH_E_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
        return SH_E_CLOSED;
    case EACCES:
    case EPERM:
    case EROFS:
        return SH_E_DENIED;
    case ENOSPC:
    case EDQUOT:
        return SH_E_FULL;
    case EBUSY:
    case EADDRINUSE:
        return SH_E_BUSY;
    default:
        return SH_E_IO;
    }
}

_Noreturn void sh_assert_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "songhua: assertion failed: %s (%s:%d)\n", expr, file, line);
    abort();
}
