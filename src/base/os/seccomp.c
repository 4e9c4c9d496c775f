/* seccomp.c - system calls that the server never makes, refused by the kernel (seccomp(2)).
 *
 * A list of what is denied, not of what is allowed: libraries may use what they like tomorrow, but
 * none of them starts a program, looks into another process, or changes the machine. Denied calls
 * answer EPERM; calls of another architecture, and the x32 ABI, are denied altogether, since their
 * numbers mean something else. The package's unit allows less still (SystemCallFilter=).
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sh/seccomp.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#ifdef ARCH

enum { X32_BIT = 0x40000000 };

static const unsigned denied[] = {
    /* programs */
    SYS_execve,
    SYS_execveat,
    /* other processes */
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    /* file systems and roots */
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    SYS_open_by_handle_at,
    /* the kernel */
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_acct,
    SYS_syslog,
    /* names, time and users of the machine; namespaces; keys of the kernel */
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_setns,
    SYS_unshare,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#if !SANITIZED /* the leak checker stops its own threads by it */
    SYS_ptrace,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
};
enum { DENIED = sizeof denied / sizeof denied[0] };

/* Room for the tests of architecture and ABI, one comparison for each call, allow and deny. The
 * jumps of BPF reach 255. */
enum { HEAD = 4, PROGRAM = HEAD + DENIED + 2 };
_Static_assert(PROGRAM < 255, "jumps reach 255");

#define LOAD(member)                                                                               \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))

static unsigned short make_program(struct sock_filter out[PROGRAM])
{
    const unsigned char deny = PROGRAM - 1;
    unsigned i = 0;
    out[i] = LOAD(arch);
    i++;
    out[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0,
                                          (unsigned char)(deny - i - 1));
    i++;
    out[i] = LOAD(nr);
    i++;
    out[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT,
                                          (unsigned char)(deny - i - 1), 0);
    i++;
    for (unsigned k = 0; k < DENIED; k++, i++) {
        out[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[k],
                                              (unsigned char)(deny - i - 1), 0);
    }
    out[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    i++;
    out[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                          SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA));
    return PROGRAM;
}

sh_err sh_seccomp_deny(void)
{
    struct sock_filter program[PROGRAM];
    struct sock_fprog p = {.filter = program};
    p.len = make_program(program);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return SH_E_UNSUPPORTED;
    }
    /* With TSYNC every thread gets it; LOG tells the kernel's log about each denied call, where it
     * is configured so (seccomp(2), actions_logged). An old kernel or a sandbox may refuse. */
    const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_LOG, &p) == 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p) == 0) {
        return SH_OK;
    }
    return errno == EACCES || errno == EPERM ? SH_E_DENIED : SH_E_UNSUPPORTED;
}

size_t sh_seccomp_denied(const unsigned **calls)
{
    *calls = denied;
    return DENIED;
}

#else

sh_err sh_seccomp_deny(void)
{
    return SH_E_UNSUPPORTED;
}

size_t sh_seccomp_denied(const unsigned **calls)
{
    *calls = NULL;
    return 0;
}

#endif
