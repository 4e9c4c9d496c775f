/* cpu.c - the processors.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/thread.h>

#include <unistd.h>

unsigned sh_processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (unsigned)n;
}

void sh_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
