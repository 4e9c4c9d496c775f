/* logs.c - where log lines go: to stderr, and the newest of them into a ring in memory, which the
 * console shows. The level is changed while the node runs.
 *
 * The ring has a fixed number of entries, each with its own room: a longer line is cut in it (never
 * on stderr). What falls out is gone: the journal of the system, or the file that stderr goes to,
 * keeps more.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

enum { LINES = 4096, LINE_CHARS = 320, MODULE_CHARS = 16 };

struct line {
    uint64_t seq; /* from 1; 0 = empty */
    int64_t time_us;
    enum sh_log_level level;
    uint16_t n;
    bool cut;
    char module[MODULE_CHARS];
    char text[LINE_CHARS];
};

struct node_logs {
    struct sh_log log;   /* what the parts write to */
    struct sh_log inner; /* stderr */
    atomic_ullong counts[SH_LOG_DEBUG + 1];
    struct sh_mutex lock;
    uint64_t last;
    struct line lines[LINES];
};

/* As much of it as fits, in whole characters. */
static struct sh_str cut(struct sh_str s, size_t cap)
{
    size_t n = s.n < cap ? s.n : cap;
    while (n > 0 && n < s.n && ((uint8_t)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return sh_str_of(s.p, n);
}

static void keep(struct node_logs *l, enum sh_log_level level, const char *module,
                 struct sh_str text)
{
    const int64_t now = sh_wall_us(sh_clock_system());
    sh_mutex_lock(&l->lock);
    struct line *e = &l->lines[++l->last % LINES];
    *e = (struct line){.seq = l->last, .time_us = now, .level = level};
    const struct sh_str fits = cut(text, sizeof e->text);
    (void)snprintf(e->module, sizeof e->module, "%s", module);
    memcpy(e->text, fits.p, fits.n);
    e->n = (uint16_t)fits.n;
    e->cut = fits.n < text.n;
    sh_mutex_unlock(&l->lock);
}

static void write_line(void *ctx, enum sh_log_level level, const char *module, struct sh_str text)
{
    struct node_logs *l = ctx;
    (void)atomic_fetch_add(&l->counts[(size_t)level], 1);
    l->inner.write(l->inner.ctx, level, module, text);
    keep(l, level, module, text);
}

sh_err logs_open(struct node *n)
{
    struct node_logs *l = sh_mem_new(n->env.alloc, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_init(&l->lock);
    l->inner = *n->env.log;
    l->log = (struct sh_log){SH_LOG_INFO, write_line, l};
    n->logs = l;
    n->env.log = &l->log;
    return SH_OK;
}

void logs_level(struct node_logs *l, enum sh_log_level level)
{
    atomic_store(&l->log.level, (unsigned)level);
}

void logs_close(struct node *n)
{
    struct node_logs *l = n->logs;
    if (l != NULL) {
        n->env.log = sh_log_stderr();
        n->logs = NULL;
        sh_mutex_fini(&l->lock);
        sh_mem_free(n->env.alloc, l);
    }
}

uint64_t logs_count(const struct node_logs *l, enum sh_log_level level)
{
    return atomic_load(&l->counts[(size_t)level]);
}

static const char *const level_words[] = {"error", "warn", "info", "debug"};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool holds(struct sh_str s, struct sh_str part)
{
    for (size_t at = 0; at + part.n <= s.n; at++) {
        size_t i = 0;
        while (i < part.n && lower(s.p[at + i]) == lower(part.p[i])) {
            i++;
        }
        if (i == part.n) {
            return true;
        }
    }
    return false;
}

static bool wanted(const struct line *e, const struct sh_api_logs_ask *ask)
{
    const struct sh_str text = {e->text, e->n};
    return (unsigned)e->level <= ask->level &&
           (ask->module.n == 0 || sh_str_eqc(ask->module, e->module)) && holds(text, ask->find);
}

static void put_line(struct sh_jw *w, const struct line *e)
{
    sh_jw_obj(w);
    sh_jw_key(w, "seq");
    sh_jw_u64(w, e->seq);
    sh_jw_key(w, "time");
    sh_jw_time(w, e->time_us);
    sh_jw_key(w, "level");
    sh_jw_c(w, level_words[(size_t)e->level]);
    sh_jw_key(w, "module");
    sh_jw_c(w, e->module);
    sh_jw_key(w, "text");
    sh_jw_str(w, sh_str_of(e->text, e->n));
    sh_jw_key(w, "cut");
    sh_jw_bool(w, e->cut);
    sh_jw_obj_end(w);
}

sh_err logs_ask(void *ctx, const struct sh_api_logs_ask *ask, struct sh_jw *w)
{
    struct node_logs *l = ((struct node *)ctx)->logs;
    uint32_t n = 0;
    uint64_t next = 0;
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    sh_mutex_lock(&l->lock);
    const uint64_t oldest = l->last < LINES ? 1 : l->last - LINES + 1;
    uint64_t seq = ask->before == 0 || ask->before > l->last ? l->last : ask->before - 1;
    for (; seq >= oldest && seq > ask->after; seq--) {
        const struct line *e = &l->lines[seq % LINES];
        if (wanted(e, ask)) {
            if (n == ask->limit) {
                next = seq + 1;
                break;
            }
            put_line(w, e);
            n++;
        }
    }
    const uint64_t last = l->last;
    sh_mutex_unlock(&l->lock);
    sh_jw_arr_end(w);
    sh_jw_key(w, "last");
    sh_jw_u64(w, last);
    sh_jw_key(w, "level");
    sh_jw_c(w, level_words[atomic_load(&l->log.level)]);
    sh_jw_key(w, "next");
    if (next == 0) {
        sh_jw_null(w);
    } else {
        char text[24];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)next);
        sh_jw_c(w, text);
    }
    return SH_OK;
}
