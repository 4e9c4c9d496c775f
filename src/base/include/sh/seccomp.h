/* seccomp.h - the filter of system calls that the server puts on itself; by itself, so that a test
 * can put it on a process of its own.
 * Threads: any, once. Source: seccomp(2).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SECCOMP_H
#define SH_SECCOMP_H

#include <sh/err.h>

/* For all threads of the process, for good; also sets no_new_privs. SH_E_UNSUPPORTED: not on this
 * processor or kernel; SH_E_DENIED: a sandbox forbids it. */
SH_MUST_CHECK sh_err sh_seccomp_deny(void);
/* The numbers of the denied calls. */
size_t sh_seccomp_denied(const unsigned **calls);

#endif /* SH_SECCOMP_H */
