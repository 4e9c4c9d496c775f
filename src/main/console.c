/* console.c - the configuration as a transaction: what is set in the console is checked, shown as a
 * difference, stored, applied, and can be rolled back; SIGHUP reads the file again the same way.
 *
 * What the console sets is one internal record of the platform; its revisions are the history of
 * changes. `want` is the configuration by all sources as they are now; n->config is what runs: the
 * one of the start, with the live keys of `want`. Replaced ones of n->config stay until the close,
 * so who reads a key needs no lock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "console_int.h"

enum { ARENA = 8 << 20 };

/* ---- configurations from the sources ---- */

static const struct sh_config_key *key_of(const char *name)
{
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        if (strcmp(k->name, name) == 0) {
            return k;
        }
    }
    return NULL;
}

/* What is of the console: unknown keys (of another version) and bad values are told, left out. */
static sh_err add_console(struct sh_config *c, const json_t *set, sh_config_problem *fn, void *ctx)
{
    json_t *o = (json_t *)(uintptr_t)set;
    if (!sh_config_bool(c, "settings.console")) {
        return SH_OK;
    }
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        const char *name = json_object_iter_key(it);
        const json_t *v = json_object_iter_value(it);
        const struct sh_config_key *k = key_of(name);
        if (k != NULL && k->file_only) {
            continue;
        }
        const sh_err err =
            sh_config_put(c, sh_str_c(name), sh_str_of(json_string_value(v), json_string_length(v)),
                          SH_CONFIG_FROM_CONSOLE, name, fn, ctx);
        if (err == SH_E_NOMEM) {
            return err;
        }
    }
    return SH_OK;
}

sh_err console_build(const struct node *n, const struct settings_from *from, const json_t *set,
                     sh_config_problem *fn, void *ctx, struct sh_config **out)
{
    struct sh_config *c = NULL;
    SH_TRY(settings_build(&n->env, from, fn, ctx, &c));
    const sh_err err = add_console(c, set, fn, ctx);
    if (err != SH_OK) {
        sh_config_free(c);
        return err;
    }
    *out = c;
    return SH_OK;
}

bool console_same(const struct sh_config *a, const struct sh_config *b, const char *key)
{
    return sh_str_eq(sh_config_get(a, key), sh_config_get(b, key));
}

/* Of the security administrator: who comes in, and what is kept of it. */
bool console_of_security(const struct sh_config_key *k)
{
    return strncmp(k->name, "guard.", 6) == 0 || strncmp(k->name, "audit.", 6) == 0 ||
           strncmp(k->name, "signin.", 7) == 0 || strcmp(k->name, "mqtt.anonymous") == 0;
}

/* ---- into use ---- */

static enum sh_log_level log_level(const struct sh_config *c)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    const struct sh_str s = sh_config_get(c, "log.level");
    unsigned i = 0;
    while (i < SH_LOG_DEBUG && !sh_str_eqc(s, words[i])) {
        i++;
    }
    return (enum sh_log_level)i;
}

/* Tells the parts. What was judged before fits, so an error is told and the rest goes on. */
static void apply(struct node *n, const struct sh_config *c)
{
    struct sh_guard_settings g = sh_guard_settings_default();
    const int64_t cold = sh_config_int(c, "history.cold_after");
    logs_level(n->logs, log_level(c));
    sh_err err = node_guard_settings(c, &g, NULL);
    err = err != SH_OK ? err : sh_guard_set_settings(n->guard, &g);
    if (err == SH_OK) {
        err = sh_disk_set_marks(n->disk, (unsigned)sh_config_int(c, "disk.warn"),
                                (unsigned)sh_config_int(c, "disk.act"),
                                (unsigned)sh_config_int(c, "disk.stop"));
    }
    sh_history_set_retention(n->history, sh_config_int(c, "history.retention"));
    sh_history_set_cold_after(n->history, cold);
    sh_gate_set_max_future(n->gate, sh_config_int(c, "history.max_future"));
    sh_gate_set_late(n->gate, sh_config_int(c, "history.late"));
    err = err != SH_OK ? err
                       : sh_api_set_signin(n->api, sh_config_get(c, "signin.url"),
                                           sh_config_get(c, "signin.allow"));
    sh_api_set_slow(n->api, sh_config_int(c, "api.slow"));
    keeper_set(n, c);
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_ERROR, "main", "settings were not taken over: %s",
               sh_err_name(err));
    }
}

/* The running configuration with the live keys of `want`. Under lock. */
sh_err console_run(struct node *n, const struct sh_config *want)
{
    struct node_console *s = n->console;
    struct sh_config *c = NULL;
    if (s->replaced >= CONSOLE_CHANGES_MAX) {
        return SH_E_LIMIT;
    }
    struct old *o = sh_mem_new(n->env.alloc, sizeof *o);
    sh_err err = o == NULL ? SH_E_NOMEM : sh_config_dup(n->config, &c);
    for (const struct sh_config_key *k = node_keys; err == SH_OK && k->name != NULL; k++) {
        err = k->live ? sh_config_take(c, want, k) : SH_OK;
    }
    if (err != SH_OK) {
        sh_config_free(c);
        sh_mem_free(n->env.alloc, o);
        return err;
    }
    *o = (struct old){s->olds, n->config};
    s->olds = o;
    s->replaced++;
    n->config = c;
    apply(n, c);
    return SH_OK;
}

void console_want(struct node_console *s, struct sh_config *want)
{
    if (s->want != s->start) {
        sh_config_free(s->want);
    }
    s->want = want;
}

/* ---- the record ---- */

json_t *console_set_of(struct sh_str doc)
{
    json_t *o = NULL;
    json_t *set = NULL;
    if (sh_json_parse(doc, doc.n, &o, NULL) == SH_OK) {
        json_t *v = json_object_get(o, "set");
        set = json_is_object(v) ? json_incref(v) : NULL;
    }
    json_decref(o);
    return set != NULL ? set : json_object();
}

static sh_err load(const struct sh_env *env, struct sh_record *record, json_t **set,
                   uint64_t *revision)
{
    struct sh_record_row row;
    struct sh_arena *ar = sh_arena_new(env->alloc, ARENA);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err =
        sh_record_get(record, SH_RECORD_PLATFORM, CONSOLE_KIND, CONSOLE_ID, ar, &row);
    *set = err == SH_OK ? console_set_of(row.doc) : json_object();
    *revision = err == SH_OK ? row.rev : 0;
    sh_arena_free(ar);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return err;
    }
    return *set == NULL ? SH_E_NOMEM : SH_OK;
}

sh_err console_overlay(const struct sh_env *env, struct sh_record *record, struct sh_config *c,
                       sh_config_problem *fn, void *ctx)
{
    json_t *set = NULL;
    uint64_t revision = 0;
    sh_err err = load(env, record, &set, &revision);
    err = err == SH_OK ? add_console(c, set, fn, ctx) : err;
    json_decref(set);
    return err;
}

sh_err console_store(struct node *n, json_t *set, const struct sh_api_config_ask *ask,
                     uint64_t expect, uint64_t *revision)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, n->env.alloc, 1 << 20);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "note");
    sh_jw_str(&w, ask->note);
    sh_jw_key(&w, "set");
    sh_jw_json(&w, set);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = SH_RECORD_PLATFORM,
                                        .type = CONSOLE_KIND,
                                        .id = CONSOLE_ID,
                                        .doc = sh_buf_str(&b),
                                        .expect = expect,
                                        .flags = SH_RECORD_F_HISTORY};
        err = sh_record_put(n->record, &p, ask->by, revision, NULL);
    }
    sh_buf_fini(&b);
    return err;
}

/* ---- life ---- */

static void log_problem(void *ctx, const struct sh_diag *d)
{
    const struct node *n = ctx;
    sh_log(n->env.log, SH_LOG_WARN, "main", "a setting of the console is left out: %s (%s)",
           d->message, d->remedy);
}

sh_err console_open(struct node *n, const struct settings_from *from)
{
    struct node_console *s = sh_mem_new(n->env.alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_init(&s->lock);
    n->console = s;
    s->from = *from;
    s->from.text = sh_str_dup(n->env.alloc, from->text);
    s->start = n->config;
    s->want = n->config;
    if (s->from.text.p == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(load(&n->env, n->record, &s->set, &s->revision));
    SH_TRY(add_console(n->config, s->set, log_problem, n));
    logs_level(n->logs, log_level(n->config));
    return SH_OK;
}

void console_close(struct node *n)
{
    struct node_console *s = n->console;
    if (s == NULL) {
        return;
    }
    console_want(s, NULL);
    while (s->olds != NULL) {
        struct old *o = s->olds;
        s->olds = o->next;
        sh_config_free(o->config);
        sh_mem_free(n->env.alloc, o);
    }
    json_decref(s->set);
    sh_str_free(n->env.alloc, &s->from.text);
    sh_mutex_fini(&s->lock);
    sh_mem_free(n->env.alloc, s);
    n->console = NULL;
}

struct reload {
    struct node *n;
    unsigned bad;
};

static void reload_problem(void *ctx, const struct sh_diag *d)
{
    struct reload *r = ctx;
    r->bad++;
    sh_log(r->n->env.log, SH_LOG_ERROR, "main", "%s:%d: %s (%s)", d->path, d->line, d->message,
           d->remedy);
}

static void reload_fault(void *ctx, const struct settings_fault *f)
{
    struct reload *r = ctx;
    r->bad++;
    sh_log(r->n->env.log, SH_LOG_ERROR, "main", "%s: %s (%s)", f->key, f->english,
           f->remedy_english);
}

static void tell_reload(const struct node *n, const struct sh_config *was,
                        const struct sh_config *want)
{
    unsigned live = 0;
    unsigned later = 0;
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        if (!console_same(was, want, k->name)) {
            *(k->live ? &live : &later) += 1;
        }
    }
    sh_log(n->env.log, SH_LOG_INFO, "main",
           "the configuration was read again: %u settings changed, %u more from the next start on",
           live, later);
}

void console_reload(struct node *n)
{
    struct node_console *s = n->console;
    struct reload r = {.n = n};
    struct sh_config *want = NULL;
    struct settings_from from = s->from;
    sh_mutex_lock(&s->lock);
    sh_err err = settings_read(&n->env, from.file, &from.text);
    err = err != SH_OK ? err : console_build(n, &from, s->set, reload_problem, &r, &want);
    if (err == SH_OK) {
        settings_judge(want, reload_fault, &r);
    }
    if (err == SH_OK && r.bad == 0) {
        tell_reload(n, s->want, want);
        err = console_run(n, want);
    }
    if (err == SH_OK && r.bad == 0) {
        sh_str_free(n->env.alloc, &s->from.text);
        s->from.text = from.text;
        from.text = (struct sh_str){NULL, 0};
        console_want(s, want);
        want = NULL;
    } else {
        sh_log(n->env.log, SH_LOG_ERROR, "main",
               "the configuration stays as it was: %s has %u problems%s%s",
               from.file == NULL ? "it" : from.file, r.bad, err == SH_OK ? "" : ", ",
               err == SH_OK ? "" : sh_err_name(err));
    }
    sh_config_free(want);
    sh_str_free(n->env.alloc, &from.text);
    sh_mutex_unlock(&s->lock);
}
