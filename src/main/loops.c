/* loops.c - the event loops. The first runs on the main thread and has all that is not a
 * connection: timers, drivers, what the journal tells. The others have connections only, and run on
 * threads of their own from before the first is accepted until the servers have stopped.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

enum { TURNS = 100, AUTO_MOST = 8 };

sh_err node_loops_new(struct node *n)
{
    size_t want = (size_t)sh_config_int(n->config, "loops");
    if (want == 0) {
        want = sh_processors() < AUTO_MOST ? sh_processors() : AUTO_MOST;
    }
    while (n->nloops < want) {
        SH_TRY(sh_loop_new(&n->env, NULL, &n->loops[n->nloops]));
        n->nloops++;
    }
    n->loop = n->loops[0];
    return SH_OK;
}

static void run_loop(void *ctx)
{
    sh_loop_run(ctx);
}

sh_err node_loops_start(struct node *n)
{
    for (size_t i = 1; i < n->nloops; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "loop %zu", i);
        SH_TRY(sh_thread_start(&n->threads[i], name, run_loop, n->loops[i]));
    }
    return SH_OK;
}

void node_loops_stop(struct node *n)
{
    for (size_t i = 1; i < n->nloops; i++) {
        if (n->threads[i].running) {
            sh_loop_stop(n->loops[i]);
            sh_thread_join(&n->threads[i]);
        }
    }
}

void node_loops_settle(struct node *n)
{
    for (size_t i = 0; i < n->nloops; i++) {
        sh_loop_settle(n->loops[i], TURNS);
    }
}

void node_loops_free(struct node *n)
{
    for (size_t i = n->nloops; i > 0; i--) {
        sh_loop_free(n->loops[i - 1]);
    }
    n->nloops = 0;
    n->loop = NULL;
}
