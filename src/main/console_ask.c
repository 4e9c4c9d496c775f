/* console_ask.c - what is asked of the configuration: shown, checked with its differences, changed,
 * its history, rolled back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "console_int.h"

enum { ARENA = 8 << 20 };

/* ---- checking ---- */

struct check {
    const struct node *n;
    const struct sh_api_config_ask *ask;
    struct sh_jw *w;
    const struct sh_config *before; /* faults that were there before are not this change's */
    unsigned faults;
};

static void put(struct sh_jw *w, const char *key, struct sh_str s)
{
    sh_jw_key(w, key);
    sh_jw_str(w, s);
}

static void put_fault(struct check *c, const char *key, const char *code, const char *detail,
                      const char *remedy)
{
    c->faults++;
    sh_jw_obj(c->w);
    put(c->w, "key", sh_str_c(key));
    put(c->w, "code", sh_str_c(code));
    put(c->w, "detail", sh_str_c(detail));
    put(c->w, "remedy", sh_str_c(remedy));
    sh_jw_obj_end(c->w);
}

static void see_fault(void *ctx, const struct settings_fault *f)
{
    struct check *c = ctx;
    const bool zh = c->ask->chinese;
    put_fault(c, f->key, f->code, zh ? f->chinese : f->english,
              zh ? f->remedy_chinese : f->remedy_english);
}

struct count {
    const char *key;
    unsigned n;
};

static void count_fault(void *ctx, const struct settings_fault *f)
{
    struct count *c = ctx;
    c->n += strcmp(f->key, c->key) == 0 ? 1 : 0;
}

/* A fault of the file that nobody touched does not stop a change of something else. */
static void see_new_fault(void *ctx, const struct settings_fault *f)
{
    struct check *c = ctx;
    struct count had = {.key = f->key};
    settings_judge(c->before, count_fault, &had);
    if (had.n == 0) {
        see_fault(c, f);
    }
}

static void put_type_fault(struct check *c, const struct sh_config_key *k,
                           enum sh_config_fault fault)
{
    static const char *const english[] = {
        [SH_CONFIG_TEXT] = "write a text",
        [SH_CONFIG_BOOL] = "write true or false",
        [SH_CONFIG_INT] = "write a whole number",
        [SH_CONFIG_SIZE] = "write a size such as 64MiB",
        [SH_CONFIG_DURATION] = "write a duration such as 500ms, 10s or 7d",
        [SH_CONFIG_LISTEN] = "write address:port such as 127.0.0.1:8080, or leave it empty",
        [SH_CONFIG_CHOICE] = "",
    };
    static const char *const chinese[] = {
        [SH_CONFIG_TEXT] = "请填写文本",
        [SH_CONFIG_BOOL] = "请填写 true 或 false",
        [SH_CONFIG_INT] = "请填写整数",
        [SH_CONFIG_SIZE] = "请填写大小，例如 64MiB",
        [SH_CONFIG_DURATION] = "请填写时长，例如 500ms、10s 或 7d",
        [SH_CONFIG_LISTEN] = "请填写 地址:端口，例如 127.0.0.1:8080，或留空",
        [SH_CONFIG_CHOICE] = "",
    };
    const bool zh = c->ask->chinese;
    char remedy[256];
    if (fault == SH_CONFIG_BAD_CHOICE) {
        (void)snprintf(remedy, sizeof remedy, zh ? "可选：%s" : "one of %s", k->choices);
    } else if (fault == SH_CONFIG_BAD_RANGE) {
        (void)snprintf(remedy, sizeof remedy, zh ? "允许范围：%lld 至 %lld" : "from %lld to %lld",
                       (long long)k->min, (long long)k->max);
    } else {
        (void)snprintf(remedy, sizeof remedy, "%s", (zh ? chinese : english)[(size_t)k->type]);
    }
    put_fault(c, k->name, fault == SH_CONFIG_BAD_RANGE ? "range" : "value",
              fault == SH_CONFIG_BAD_RANGE ? (zh ? "超出允许范围" : "out of range")
                                           : (zh ? "取值无效" : "not a valid value"),
              remedy);
}

/* Takes one member of the change into `set`; false: told what is wrong. */
static bool take_member(struct check *c, const char *name, json_t *v, json_t *set, sh_err *err)
{
    const bool zh = c->ask->chinese;
    const char *near = "";
    char text[64] = "";
    const struct sh_config_key *k = sh_config_find(c->n->config, sh_str_c(name), &near);
    if (k == NULL) {
        char remedy[160];
        (void)snprintf(remedy, sizeof remedy, zh ? "是否指 %s？" : "did you mean %s?", near);
        put_fault(c, name, "unknown", zh ? "没有此配置项" : "there is no such key", remedy);
        return false;
    }
    if (k->file_only) {
        put_fault(c, name, "file_only",
                  zh ? "此项只能在配置文件、环境变量或 --set 中设置"
                     : "this key is set by the file, the environment or --set only",
                  zh ? "请在服务器上修改" : "change it on the server");
        return false;
    }
    if (!c->ask->may(c->ask->ctx, console_of_security(k))) {
        put_fault(
            c, name, "denied",
            console_of_security(k)
                ? (zh ? "修改安全设置需要 config.security 权限"
                      : "a security setting needs the right config.security")
                : (zh ? "修改此项需要 config.write 权限" : "this needs the right config.write"),
            zh ? "请由有权限的管理员修改" : "ask an administrator who has it");
        return false;
    }
    if (json_is_null(v)) {
        (void)json_object_del(set, name);
        return true;
    }
    if (json_is_integer(v)) {
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    } else if (json_is_boolean(v)) {
        (void)snprintf(text, sizeof text, "%s", json_is_true(v) ? "true" : "false");
    }
    const struct sh_str s =
        sh_str_trim(json_is_string(v) ? sh_str_of(json_string_value(v), json_string_length(v))
                                      : sh_str_c(text));
    const enum sh_config_fault fault =
        json_is_string(v) || text[0] != '\0' ? sh_config_try(k, s) : SH_CONFIG_BAD_TYPE;
    if (fault != SH_CONFIG_GOOD || s.n > 1024) {
        put_type_fault(c, k, fault == SH_CONFIG_GOOD ? SH_CONFIG_BAD_TYPE : fault);
        return false;
    }
    if (json_object_set_new(set, name, json_stringn(s.p, s.n)) != 0) {
        *err = SH_E_NOMEM;
    }
    return true;
}

static sh_err take_members(struct check *c, const json_t *change, json_t *set)
{
    json_t *o = (json_t *)(uintptr_t)change;
    sh_err err = SH_OK;
    for (void *it = json_object_iter(o); err == SH_OK && it != NULL;
         it = json_object_iter_next(o, it)) {
        (void)take_member(c, json_object_iter_key(it), json_object_iter_value(it), set, &err);
    }
    return err;
}

/* An address that another program holds would stop the next start. */
static void judge_listeners(struct check *c, const struct sh_config *want)
{
    const struct sh_config *runs = c->n->config;
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        const struct sh_str s = sh_config_get(want, k->name);
        struct sh_addr a;
        bool own = false;
        if (k->type != SH_CONFIG_LISTEN || s.n == 0 || sh_addr_parse(s, &a) != SH_OK) {
            continue;
        }
        for (const struct sh_config_key *j = node_keys; j->name != NULL; j++) {
            own =
                own || (j->type == SH_CONFIG_LISTEN && sh_str_eq(sh_config_get(runs, j->name), s));
        }
        if (!own && !sh_listen_free(s)) {
            const bool zh = c->ask->chinese;
            put_fault(c, k->name, "address_taken",
                      zh ? "此地址无法监听：已被占用或无权限"
                         : "nothing can listen there: it is "
                           "taken, or not allowed",
                      zh ? "换一个地址或端口" : "take another address or port");
        }
    }
}

static const char *warning_of(const struct sh_config_key *k, const struct sh_config *was,
                              const struct sh_config *want)
{
    struct sh_addr a;
    const struct sh_str s = sh_config_get(want, k->name);
    if (strcmp(k->name, "history.retention") == 0) {
        const int64_t new_us = sh_config_int(want, k->name);
        const int64_t old_us = sh_config_int(was, k->name);
        return new_us > 0 && (old_us == 0 || new_us < old_us) ? "removes_samples" : NULL;
    }
    if (strcmp(k->name, "disk.policy") == 0) {
        return sh_str_eqc(s, "oldest") ? "removes_partitions" : NULL;
    }
    if (strcmp(k->name, "mqtt.anonymous") == 0) {
        return sh_str_eqc(s, "true") ? "anonymous" : NULL;
    }
    const bool plain = strcmp(k->name, "http.listen") == 0 || strcmp(k->name, "mqtt.listen") == 0;
    return plain && s.n > 0 && sh_addr_parse(s, &a) == SH_OK && !sh_addr_is_loopback(&a)
               ? "not_encrypted"
               : NULL;
}

static void put_change(struct sh_jw *w, const struct sh_config_key *k, const struct sh_config *was,
                       const struct sh_config *want)
{
    const char *warning = warning_of(k, was, want);
    sh_jw_obj(w);
    put(w, "key", sh_str_c(k->name));
    put(w, "from", sh_config_get(was, k->name));
    put(w, "to", sh_config_get(want, k->name));
    sh_jw_key(w, "live");
    sh_jw_bool(w, k->live);
    sh_jw_key(w, "warning");
    if (warning == NULL) {
        sh_jw_null(w);
    } else {
        sh_jw_c(w, warning);
    }
    sh_jw_obj_end(w);
}

/* Set here, and not in force: something that ranks higher says otherwise. */
static void put_outranked(struct sh_jw *w, const json_t *set, const struct sh_config *want)
{
    sh_jw_key(w, "outranked");
    sh_jw_arr(w);
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        if (json_object_get(set, k->name) != NULL &&
            sh_config_source(want, k->name) > SH_CONFIG_FROM_CONSOLE) {
            sh_jw_c(w, k->name);
        }
    }
    sh_jw_arr_end(w);
}

/* Members "errors", "changes", "outranked"; *set (owned by the caller) and *want are what would
 * hold, when there are no errors. Under lock. */
static sh_err check(struct node *n, const struct sh_api_config_ask *ask, const json_t *base,
                    struct sh_jw *w, json_t **set, struct sh_config **want, unsigned *faults)
{
    struct node_console *s = n->console;
    struct check c = {.n = n, .ask = ask, .w = w, .before = s->want};
    *set = json_deep_copy(base);
    if (*set == NULL) {
        return SH_E_NOMEM;
    }
    sh_jw_key(w, "errors");
    sh_jw_arr(w);
    sh_err err = take_members(&c, ask->set, *set);
    if (err == SH_OK && c.faults == 0) {
        err = console_build(n, &s->from, *set, NULL, NULL, want);
    }
    if (err == SH_OK && *want != NULL) {
        settings_judge(*want, see_new_fault, &c);
        judge_listeners(&c, *want);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "changes");
    sh_jw_arr(w);
    for (const struct sh_config_key *k = node_keys; *want != NULL && k->name != NULL; k++) {
        if (!console_same(s->want, *want, k->name)) {
            put_change(w, k, s->want, *want);
        }
    }
    sh_jw_arr_end(w);
    if (*want != NULL) {
        put_outranked(w, *set, *want);
    }
    *faults = c.faults;
    return err;
}

/* ---- asked ---- */

static void put_limits(struct sh_jw *w, const struct sh_config_key *k)
{
    static const char *const types[] = {"text",     "bool",   "int",   "size",
                                        "duration", "listen", "choice"};
    put(w, "type", sh_str_c(types[(size_t)k->type]));
    if (k->min != 0 || k->max != 0) {
        sh_jw_key(w, "min");
        sh_jw_i64(w, k->min);
        sh_jw_key(w, "max");
        sh_jw_i64(w, k->max);
    }
    if (k->choices != NULL) {
        struct sh_str rest = sh_str_c(k->choices);
        sh_jw_key(w, "choices");
        sh_jw_arr(w);
        while (rest.p != NULL && rest.n > 0) {
            sh_jw_str(w, sh_str_cut(rest, ',', &rest));
        }
        sh_jw_arr_end(w);
    }
}

static void put_key(const struct node *n, const struct sh_api_config_ask *ask, struct sh_jw *w,
                    const struct sh_config_key *k)
{
    static const char *const sources[] = {"default", "file", "console", "environment", "set"};
    const struct node_console *s = n->console;
    const json_t *set = json_object_get(s->set, k->name);
    sh_jw_obj(w);
    put(w, "key", sh_str_c(k->name));
    put(w, "value", sh_config_get(n->config, k->name));
    put(w, "default", sh_str_c(k->dflt));
    put(w, "source", sh_str_c(sources[(size_t)sh_config_source(s->want, k->name)]));
    sh_jw_key(w, "console");
    sh_jw_json(w, set == NULL ? json_null() : set);
    sh_jw_key(w, "next");
    if (console_same(n->config, s->want, k->name)) {
        sh_jw_null(w);
    } else {
        sh_jw_str(w, sh_config_get(s->want, k->name));
    }
    sh_jw_key(w, "live");
    sh_jw_bool(w, k->live);
    sh_jw_key(w, "security");
    sh_jw_bool(w, console_of_security(k));
    sh_jw_key(w, "file_only");
    sh_jw_bool(w, k->file_only);
    sh_jw_key(w, "may");
    sh_jw_bool(w, !k->file_only && ask->may(ask->ctx, console_of_security(k)));
    put_limits(w, k);
    put(w, "help", sh_str_c(ask->chinese ? k->chinese : k->help));
    sh_jw_obj_end(w);
}

static sh_err show(struct node *n, const struct sh_api_config_ask *ask, struct sh_jw *w)
{
    struct node_console *s = n->console;
    sh_jw_key(w, "revision");
    sh_jw_u64(w, s->revision);
    sh_jw_key(w, "console");
    sh_jw_bool(w, sh_config_bool(n->config, "settings.console"));
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        put_key(n, ask, w, k);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "next");
    sh_jw_null(w);
    return SH_OK;
}

static sh_err change(struct node *n, const struct sh_api_config_ask *ask, const json_t *base,
                     bool only_check, struct sh_jw *w)
{
    struct node_console *s = n->console;
    struct sh_config *want = NULL;
    json_t *set = NULL;
    unsigned faults = 0;
    uint64_t revision = s->revision;
    sh_jw_key(w, "revision");
    sh_jw_u64(w, s->revision);
    sh_err err = check(n, ask, base, w, &set, &want, &faults);
    if (err == SH_OK && faults > 0 && !only_check) {
        err = SH_E_INVAL;
    }
    if (err == SH_OK && !only_check && ask->revision != SH_RECORD_ANY &&
        ask->revision != s->revision) {
        err = SH_E_CONFLICT;
    }
    if (err == SH_OK && !only_check && !sh_config_bool(n->config, "settings.console")) {
        err = SH_E_STATE;
    }
    const bool alters = err == SH_OK && json_equal(set, s->set) == 0;
    if (alters && !only_check && s->replaced >= CONSOLE_CHANGES_MAX) {
        err = SH_E_LIMIT; /* before it is stored: all of it or nothing */
    }
    if (err == SH_OK && alters && !only_check) {
        err = console_store(n, set, ask, s->revision, &revision);
    }
    if (err == SH_OK && alters && !only_check) {
        err = console_run(n, want);
        json_decref(s->set); /* stored: it holds at the latest from the next start on */
        s->set = json_incref(set);
        s->revision = revision;
        console_want(s, want);
        want = NULL;
    }
    sh_config_free(want);
    json_decref(set);
    return err;
}

/* What revision `r` had set. 0: nothing. */
static sh_err revision_set(struct node *n, uint64_t r, json_t **out)
{
    struct sh_record_page page;
    sh_err err = SH_OK;
    if (r == 0) {
        *out = json_object();
        return *out == NULL ? SH_E_NOMEM : SH_OK;
    }
    struct sh_arena *ar = sh_arena_new(n->env.alloc, ARENA);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    err = sh_record_revisions(n->record, SH_RECORD_PLATFORM, CONSOLE_KIND, CONSOLE_ID, r + 1, 1, ar,
                              &page);
    if (err == SH_OK) {
        err = page.n == 0 || page.rows[0].rev != r ? SH_E_NOTFOUND : SH_OK;
    }
    if (err == SH_OK) {
        *out = console_set_of(page.rows[0].doc);
        err = *out == NULL ? SH_E_NOMEM : SH_OK;
    }
    sh_arena_free(ar);
    return err;
}

/* Back to what revision `to` had set, as a change of its own: each key that differs is one. */
static sh_err roll_back(struct node *n, const struct sh_api_config_ask *ask, struct sh_jw *w)
{
    json_t *target = NULL;
    json_t *patch = json_object();
    struct node_console *s = n->console;
    sh_err err = patch == NULL ? SH_E_NOMEM : revision_set(n, ask->to, &target);
    for (const struct sh_config_key *k = node_keys; err == SH_OK && k->name != NULL; k++) {
        json_t *now = json_object_get(s->set, k->name);
        json_t *then = json_object_get(target, k->name);
        if ((now != NULL || then != NULL) && json_equal(now, then) == 0) {
            err = json_object_set_new(patch, k->name,
                                      then == NULL ? json_null() : json_incref(then)) == 0
                      ? SH_OK
                      : SH_E_NOMEM;
        }
    }
    if (err == SH_OK) {
        struct sh_api_config_ask a = *ask;
        a.set = patch;
        err = change(n, &a, s->set, ask->act == SH_API_CONFIG_ROLLBACK_CHECK, w);
    }
    json_decref(target);
    json_decref(patch);
    return err;
}

static void put_difference(struct sh_jw *w, const json_t *was, const json_t *is)
{
    sh_jw_key(w, "changes");
    sh_jw_arr(w);
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        json_t *a = json_object_get(was, k->name);
        json_t *b = json_object_get(is, k->name);
        if ((a != NULL || b != NULL) && json_equal(a, b) == 0) {
            sh_jw_obj(w);
            put(w, "key", sh_str_c(k->name));
            sh_jw_key(w, "from");
            sh_jw_json(w, a == NULL ? json_null() : a);
            sh_jw_key(w, "to");
            sh_jw_json(w, b == NULL ? json_null() : b);
            sh_jw_obj_end(w);
        }
    }
    sh_jw_arr_end(w);
}

static void put_revision(struct sh_jw *w, const struct sh_record_row *row, const json_t *was)
{
    json_t *doc = NULL;
    json_t *set = console_set_of(row->doc);
    if (sh_json_parse(row->doc, row->doc.n, &doc, NULL) != SH_OK) {
        doc = NULL;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "time");
    sh_jw_time(w, row->updated_us);
    put(w, "who", row->author);
    put(w, "note", sh_json_get_str(doc, "note"));
    put_difference(w, was, set);
    sh_jw_obj_end(w);
    json_decref(set);
    json_decref(doc);
}

static sh_err history(struct node *n, const struct sh_api_config_ask *ask, struct sh_jw *w)
{
    struct sh_record_page page = {.n = 0};
    struct sh_arena *ar = sh_arena_new(n->env.alloc, 64 << 20);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    const uint32_t limit = ask->limit;
    sh_err err = sh_record_revisions(n->record, SH_RECORD_PLATFORM, CONSOLE_KIND, CONSOLE_ID,
                                     ask->to, limit + 1, ar, &page);
    err = err == SH_E_NOTFOUND ? SH_OK : err;
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = 0; err == SH_OK && i < page.n && i < limit; i++) {
        json_t *was = i + 1 < page.n ? console_set_of(page.rows[i + 1].doc) : json_object();
        put_revision(w, &page.rows[i], was);
        json_decref(was);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "next");
    if (page.n > limit) {
        char next[24];
        (void)snprintf(next, sizeof next, "%llu", (unsigned long long)page.rows[limit - 1].rev);
        sh_jw_c(w, next);
    } else {
        sh_jw_null(w);
    }
    sh_arena_free(ar);
    return err;
}

sh_err console_ask(void *ctx, const struct sh_api_config_ask *ask, struct sh_jw *w)
{
    struct node *n = ctx;
    sh_err err = SH_OK;
    sh_mutex_lock(&n->console->lock);
    switch (ask->act) {
    case SH_API_CONFIG_CHECK:
    case SH_API_CONFIG_CHANGE:
        err = change(n, ask, n->console->set, ask->act == SH_API_CONFIG_CHECK, w);
        break;
    case SH_API_CONFIG_ROLLBACK:
    case SH_API_CONFIG_ROLLBACK_CHECK:
        err = roll_back(n, ask, w);
        break;
    case SH_API_CONFIG_HISTORY:
        err = history(n, ask, w);
        break;
    case SH_API_CONFIG_SHOW:
    default:
        err = show(n, ask, w);
        break;
    }
    sh_mutex_unlock(&n->console->lock);
    return err;
}

unsigned console_waiting(const struct node *n)
{
    unsigned waiting = 0;
    sh_mutex_lock(&n->console->lock);
    for (const struct sh_config_key *k = node_keys; k->name != NULL; k++) {
        waiting += console_same(n->config, n->console->want, k->name) ? 0 : 1;
    }
    sh_mutex_unlock(&n->console->lock);
    return waiting;
}
