/* swap.c - other data in the place of the node's own, after a restore asked for in the console.
 *
 * The node goes down as at a signal and is opened again in the same process: with the same files of
 * configuration, and what its data says. What does not open is taken out again, and the old data is
 * opened: nothing but a look at the log and the audit tells that it was tried.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <sh/prepare.h>

#include "main_int.h"

sh_err node_swap(struct node *n)
{
    struct sh_diag d = {.line = 0};
    const sh_err err = sh_swap_run(&n->env, n->dir, &n->swap, &d);
    if (err != SH_OK) {
        return node_fail(n, "restore", err, &d);
    }
    if (n->swap.back) {
        sh_log(n->env.log, SH_LOG_ERROR, "restore", "%s did not open; the data of before is back",
               n->swap.in);
    } else if (n->swap.attempt > 0) {
        sh_log(n->env.log, SH_LOG_WARN, "restore", "%s is in place, what was in use is in %s/%s",
               n->swap.in, n->dir, n->swap.out);
    }
    return SH_OK;
}

static sh_err audit(struct node *n)
{
    const struct sh_swap *s = &n->swap;
    struct sh_prepared origin;
    char detail[2048];
    if (s->back) {
        (void)snprintf(detail, sizeof detail, "by %s: %s; %s", s->by, s->why,
                       n->swap_why[0] == '\0' ? "three starts did not come through" : n->swap_why);
    } else {
        (void)snprintf(detail, sizeof detail, "by %s: %s; before: %s, %s", s->by, s->why, s->out,
                       s->note);
    }
    const bool known = !s->back && sh_origin_read(&n->env, n->dir, &origin) == SH_OK;
    return sh_guard_audit(
        n->guard,
        &(struct sh_audit){.tenant = SH_TENANT_ROOT,
                           .act = s->back ? SH_STR("restore.undone") : SH_STR("restore.done"),
                           .object = sh_str_c(known ? origin.id : s->in),
                           .result = s->back ? SH_STR("failed") : SH_STR("ok"),
                           .detail = sh_str_c(detail)});
}

/* One who holds all powers does not come back this way. */
static sh_err separation(struct node *n)
{
    struct sh_diag d = {.line = 0};
    if (!n->swap.separated || n->swap.back || sh_guard_is_separated(n->guard)) {
        return SH_OK;
    }
    sh_diag_set(&d, "it is of a time before the administrators were separated");
    return node_fail(n, "restore", SH_E_DENIED, &d);
}

sh_err node_swap_settle(struct node *n)
{
    if (n->swap.attempt == 0) {
        return SH_OK;
    }
    SH_TRY(separation(n));
    /* Back again, it is as if nothing had been; else sessions of another time would go on. */
    sh_err err = n->swap.back ? SH_OK : sh_guard_end_all_sessions(n->guard);
    err = err != SH_OK ? err : audit(n);
    err = err != SH_OK ? err : sh_swap_end(&n->env, n->dir);
    return err == SH_OK ? SH_OK : node_fail(n, "restore", err, NULL);
}

bool node_swap_failed(struct node *n, const char *dir)
{
    if (n->swap.attempt == 0 || n->swap.back || sh_swap_back(&n->env, dir) != SH_OK) {
        return false;
    }
    memcpy(n->swap_why, n->why, sizeof n->swap_why);
    return true;
}

/* The thread of signals ends the loop's run. */
void node_again(struct node *n)
{
    atomic_store(&n->again, true);
    (void)kill(getpid(), SIGUSR1);
}
