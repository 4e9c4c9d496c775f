/* thread_name.c - naming a thread is not in POSIX.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* NOLINT: pthread_setname_np */
#include <pthread.h>
#include <stdio.h>

#include <sh/thread.h>

void sh_thread_name(struct sh_thread *t, const char *name)
{
    char cut[16];
    (void)snprintf(cut, sizeof cut, "%s", name);
    (void)pthread_setname_np(t->t, cut);
}
