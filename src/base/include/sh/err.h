/* err.h - the one error type of the program, and the macros that go with it.
 * Errors are returned, never stored in a thread-local. Codes of a protocol (MQTT reason codes, HTTP
 * status, Modbus exceptions) are other types; one pure function per boundary maps them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ERR_H
#define SH_ERR_H

typedef enum sh_err {
    SH_OK = 0,
    SH_E_AGAIN,       /* valid so far: more input or more time is needed */
    SH_E_INVAL,       /* the caller's argument is wrong */
    SH_E_NOTFOUND,    /* no such thing */
    SH_E_EXISTS,      /* there is one already */
    SH_E_LIMIT,       /* a configured limit was reached; nothing was changed */
    SH_E_NOMEM,       /* the allocator refused */
    SH_E_TIMEOUT,     /* the deadline passed */
    SH_E_CLOSED,      /* the other side, or we, closed it */
    SH_E_PROTO,       /* bytes of a peer that can never become valid */
    SH_E_CORRUPT,     /* bytes on our disk are not what we wrote */
    SH_E_DENIED,      /* guard said no */
    SH_E_UNSUPPORTED, /* valid, but not something we do */
    SH_E_IO,          /* the operating system failed an operation */
    SH_E_FULL,        /* no space on the device */
    SH_E_CANCELED,    /* somebody asked to stop */
    SH_E_BUSY,        /* held by another */
    SH_E_STATE,       /* not in the state this call needs */
    SH_E_CONFLICT,    /* somebody changed it in between (revision) */
    SH_E_INTERNAL     /* our mistake */
} sh_err;

#define SH_MUST_CHECK __attribute__((warn_unused_result))
#define SH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define SH_UNUSED(x) ((void)(x))

/* Short stable word for a code ("not_found"): logs, metrics labels. Never NULL. */
const char *sh_err_name(sh_err e);

/* Maps errno to the nearest code. */
sh_err sh_err_from_errno(int err);

/* Returns from the calling function on error. Legal only while nothing is held. */
#define SH_TRY(expr)                                                                               \
    do {                                                                                           \
        const sh_err sh_try_err_ = (expr);                                                         \
        if (sh_try_err_ != SH_OK) {                                                                \
            return sh_try_err_;                                                                    \
        }                                                                                          \
    } while (0)

/* A programmer's mistake: writes one line to stderr and aborts, in release too. Input from a peer
 * must never reach it. */
_Noreturn void sh_assert_failed(const char *expr, const char *file, int line);
#define SH_ASSERT(expr) ((expr) ? (void)0 : sh_assert_failed(#expr, __FILE__, __LINE__))

#endif /* SH_ERR_H */
