/* config.c - settings from a table of keys and four sources.
 * Invariant: values[i] belongs to keys[i] and always holds a valid text and its parsed number; a
 * source never overrides one that ranks higher (default < file < console < environment < --set).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/config.h>
#include <sh/text.h>

struct value {
    struct sh_str text;
    int64_t number;
    enum sh_config_source from;
};

struct sh_config {
    const struct sh_alloc *alloc;
    const struct sh_config_key *keys;
    size_t n;
    const struct sh_config_key *unsafe;
    struct value values[];
};

static const char *type_words(enum sh_config_type t)
{
    static const char *const words[] = {
        [SH_CONFIG_TEXT] = "a text",
        [SH_CONFIG_BOOL] = "true or false",
        [SH_CONFIG_INT] = "a whole number",
        [SH_CONFIG_SIZE] = "a size such as 64MiB",
        [SH_CONFIG_DURATION] = "a duration such as 500ms, 10s or 7d",
        [SH_CONFIG_LISTEN] = "address:port such as 127.0.0.1:8080, [::1]:8080, or empty for off",
        [SH_CONFIG_CHOICE] = "one of its choices",
    };
    return words[(size_t)t];
}

static bool listen_valid(struct sh_str s)
{
    if (s.n == 0) {
        return true;
    }
    const size_t at = sh_str_rfind(s, ':');
    uint64_t port = 0;
    return at != SIZE_MAX && at > 0 && sh_u64_parse(sh_str_sub(s, at + 1, s.n), &port) == SH_OK &&
           port <= 65535;
}

static bool is_choice(struct sh_str choices, struct sh_str s)
{
    while (choices.p != NULL && choices.n > 0) {
        if (sh_str_eq(sh_str_cut(choices, ',', &choices), s)) {
            return true;
        }
    }
    return false;
}

static bool parse_value(const struct sh_config_key *k, struct sh_str s, int64_t *out)
{
    uint64_t u = 0;
    *out = 0;
    switch (k->type) {
    case SH_CONFIG_TEXT:
        return sh_utf8_valid(s);
    case SH_CONFIG_BOOL:
        *out = sh_str_eqc(s, "true");
        return *out != 0 || sh_str_eqc(s, "false");
    case SH_CONFIG_INT:
        return sh_i64_parse(s, out) == SH_OK;
    case SH_CONFIG_SIZE:
        if (sh_size_parse(s, &u) != SH_OK) {
            return false;
        }
        *out = (int64_t)u;
        return true;
    case SH_CONFIG_DURATION:
        return sh_duration_parse(s, out) == SH_OK;
    case SH_CONFIG_LISTEN:
        return listen_valid(s);
    case SH_CONFIG_CHOICE:
        return is_choice(sh_str_c(k->choices), s);
    default:
        return false;
    }
}

static bool bounded(enum sh_config_type t)
{
    return t == SH_CONFIG_INT || t == SH_CONFIG_SIZE || t == SH_CONFIG_DURATION;
}

sh_err sh_config_new(const struct sh_env *env, const struct sh_config_key *keys,
                     struct sh_config **out)
{
    size_t n = 0;
    while (keys[n].name != NULL) {
        n++;
    }
    struct sh_config *c = sh_mem_new(env->alloc, sizeof *c + n * sizeof c->values[0]);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->alloc = env->alloc;
    c->keys = keys;
    c->n = n;
    for (size_t i = 0; i < n; i++) {
        c->values[i].text = sh_str_dup(c->alloc, sh_str_c(keys[i].dflt));
        if (c->values[i].text.p == NULL) {
            sh_config_free(c);
            return SH_E_NOMEM;
        }
        SH_ASSERT(parse_value(&keys[i], c->values[i].text, &c->values[i].number));
    }
    *out = c;
    return SH_OK;
}

void sh_config_free(struct sh_config *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        sh_str_free(c->alloc, &c->values[i].text);
    }
    sh_mem_free(c->alloc, c);
}

static size_t index_of(const struct sh_config *c, struct sh_str name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (sh_str_eqc(name, c->keys[i].name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Levenshtein distance, for "did you mean"; texts over 63 bytes count as far away. */
static unsigned distance(struct sh_str a, struct sh_str b)
{
    unsigned row[64];
    if (a.n >= 64 || b.n >= 64) {
        return 1000;
    }
    for (unsigned j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diag = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            const unsigned up = row[j];
            unsigned best = diag + (a.p[i - 1] == b.p[j - 1] ? 0u : 1u);
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diag = up;
        }
    }
    return row[b.n];
}

static const char *nearest(const struct sh_config *c, struct sh_str name)
{
    const char *best = c->keys[0].name;
    unsigned least = 1000;
    for (size_t i = 0; i < c->n; i++) {
        const unsigned d = distance(name, sh_str_c(c->keys[i].name));
        if (d < least) {
            least = d;
            best = c->keys[i].name;
        }
    }
    return best;
}

const struct sh_config_key *sh_config_find(const struct sh_config *c, struct sh_str name,
                                           const char **near)
{
    const size_t i = index_of(c, name);
    if (i == SIZE_MAX && near != NULL) {
        *near = nearest(c, name);
    }
    return i == SIZE_MAX ? NULL : &c->keys[i];
}

struct place {
    const char *file;
    int line;
    sh_config_problem *fn;
    void *ctx;
};

static sh_err refuse(const struct place *at, struct sh_diag *d)
{
    sh_diag_at(d, sh_str_c(at->file), at->line);
    if (at->fn != NULL) {
        at->fn(at->ctx, d);
    }
    return SH_E_INVAL;
}

static enum sh_config_fault judge(const struct sh_config_key *k, struct sh_str text,
                                  int64_t *number)
{
    if (!parse_value(k, text, number)) {
        return k->type == SH_CONFIG_CHOICE ? SH_CONFIG_BAD_CHOICE : SH_CONFIG_BAD_TYPE;
    }
    const bool out =
        bounded(k->type) && (k->min != 0 || k->max != 0) && (*number < k->min || *number > k->max);
    return out ? SH_CONFIG_BAD_RANGE : SH_CONFIG_GOOD;
}

enum sh_config_fault sh_config_try(const struct sh_config_key *key, struct sh_str value)
{
    int64_t number = 0;
    return judge(key, value, &number);
}

static sh_err assign(struct sh_config *c, struct sh_str name, struct sh_str text,
                     enum sh_config_source from, const struct place *at)
{
    struct sh_diag d = {0};
    const size_t i = index_of(c, name);
    if (i == SIZE_MAX) {
        sh_diag_set(&d, "unknown key '%.*s'", SH_PRI(name));
        sh_diag_remedy(&d, "did you mean '%s'?", nearest(c, name));
        return refuse(at, &d);
    }
    const struct sh_config_key *k = &c->keys[i];
    int64_t number = 0;
    switch (judge(k, text, &number)) {
    case SH_CONFIG_BAD_TYPE:
        sh_diag_set(&d, "%s = '%.*s' is not valid", k->name, SH_PRI(text));
        sh_diag_remedy(&d, "write %s", type_words(k->type));
        return refuse(at, &d);
    case SH_CONFIG_BAD_CHOICE:
        sh_diag_set(&d, "%s = '%.*s' is not valid", k->name, SH_PRI(text));
        sh_diag_remedy(&d, "write one of %s", k->choices);
        c->unsafe = k->security ? k : c->unsafe;
        return refuse(at, &d);
    case SH_CONFIG_BAD_RANGE:
        sh_diag_set(&d, "%s = '%.*s' is out of range", k->name, SH_PRI(text));
        sh_diag_remedy(&d, "it must lie between %lld and %lld", (long long)k->min,
                       (long long)k->max);
        return refuse(at, &d);
    case SH_CONFIG_GOOD:
    default:
        break;
    }
    struct value *v = &c->values[i];
    if (from < v->from) {
        return SH_OK;
    }
    const struct sh_str copy = sh_str_dup(c->alloc, text);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    sh_str_free(c->alloc, &v->text);
    *v = (struct value){copy, number, from};
    return SH_OK;
}

sh_err sh_config_set(struct sh_config *c, struct sh_str assignment, enum sh_config_source from,
                     sh_config_problem *fn, void *ctx)
{
    const struct place at = {"--set", 0, fn, ctx};
    struct sh_str text;
    const struct sh_str name = sh_str_trim(sh_str_cut(assignment, '=', &text));
    if (text.p == NULL) {
        struct sh_diag d = {0};
        sh_diag_set(&d, "'%.*s' has no '='", SH_PRI(assignment));
        sh_diag_remedy(&d, "write section.key=value");
        return refuse(&at, &d);
    }
    return assign(c, name, sh_str_trim(text), from, &at);
}

sh_err sh_config_put(struct sh_config *c, struct sh_str name, struct sh_str value,
                     enum sh_config_source from, const char *place, sh_config_problem *fn,
                     void *ctx)
{
    const struct place at = {place, 0, fn, ctx};
    return assign(c, name, value, from, &at);
}

sh_err sh_config_take(struct sh_config *c, const struct sh_config *from,
                      const struct sh_config_key *key)
{
    const size_t i = (size_t)(key - c->keys);
    SH_ASSERT(c->keys == from->keys && i < c->n);
    const struct sh_str copy = sh_str_dup(c->alloc, from->values[i].text);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    sh_str_free(c->alloc, &c->values[i].text);
    c->values[i] = (struct value){copy, from->values[i].number, from->values[i].from};
    return SH_OK;
}

sh_err sh_config_dup(const struct sh_config *c, struct sh_config **out)
{
    struct sh_config *d = sh_mem_new(c->alloc, sizeof *d + c->n * sizeof d->values[0]);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    d->alloc = c->alloc;
    d->keys = c->keys;
    d->n = c->n;
    for (size_t i = 0; i < c->n; i++) {
        const sh_err err = sh_config_take(d, c, &c->keys[i]);
        if (err != SH_OK) {
            sh_config_free(d);
            return err;
        }
    }
    *out = d;
    return SH_OK;
}

/* A '#' starts a comment at the front of a line or after white space. */
static struct sh_str strip_comment(struct sh_str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t')) {
            return sh_str_sub(line, 0, i);
        }
    }
    return line;
}

static sh_err text_line(struct sh_config *c, struct sh_str line, struct sh_str *section,
                        const struct place *at)
{
    struct sh_diag d = {0};
    if (line.p[0] == '[') {
        if (line.p[line.n - 1] != ']') {
            sh_diag_set(&d, "a section has no closing ']'");
            sh_diag_remedy(&d, "write [section]");
            return refuse(at, &d);
        }
        *section = sh_str_trim(sh_str_sub(line, 1, line.n - 1));
        return SH_OK;
    }
    struct sh_str text;
    const struct sh_str key = sh_str_trim(sh_str_cut(line, '=', &text));
    if (text.p == NULL) {
        sh_diag_set(&d, "neither [section] nor key = value");
        sh_diag_remedy(&d, "write key = value, or put # in front of a comment");
        return refuse(at, &d);
    }
    char name[128];
    const int n = section->n == 0
                      ? snprintf(name, sizeof name, "%.*s", SH_PRI(key))
                      : snprintf(name, sizeof name, "%.*s.%.*s", SH_PRI(*section), SH_PRI(key));
    const size_t len = n < 0 ? 0 : ((size_t)n < sizeof name ? (size_t)n : sizeof name - 1);
    return assign(c, sh_str_of(name, len), sh_str_trim(text), SH_CONFIG_FROM_FILE, at);
}

sh_err sh_config_text(struct sh_config *c, struct sh_str text, const char *file,
                      sh_config_problem *fn, void *ctx)
{
    struct place at = {file, 0, fn, ctx};
    struct sh_str section = {NULL, 0};
    sh_err worst = SH_OK;
    if (sh_str_starts(text, SH_STR("\xef\xbb\xbf"))) {
        text = sh_str_sub(text, 3, text.n);
    }
    while (text.p != NULL && text.n > 0) {
        const struct sh_str line = sh_str_trim(strip_comment(sh_str_cut(text, '\n', &text)));
        at.line++;
        if (line.n > 0) {
            const sh_err err = text_line(c, line, &section, &at);
            worst = err == SH_OK ? worst : err;
        }
    }
    return worst;
}

/* SONGHUA_HTTP_LISTEN -> http.listen: compares without building the name. */
static bool env_names_key(struct sh_str var, const char *key)
{
    const struct sh_str k = sh_str_c(key);
    if (var.n != k.n) {
        return false;
    }
    for (size_t i = 0; i < k.n; i++) {
        char c = k.p[i];
        c = c == '.' ? '_' : (c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        if (var.p[i] != c) {
            return false;
        }
    }
    return true;
}

sh_err sh_config_environ(struct sh_config *c, char *const *environ_vars, sh_config_problem *fn,
                         void *ctx)
{
    const struct sh_str prefix = SH_STR("SONGHUA_");
    sh_err worst = SH_OK;
    for (; environ_vars != NULL && *environ_vars != NULL; environ_vars++) {
        struct sh_str text;
        const struct sh_str var = sh_str_cut(sh_str_c(*environ_vars), '=', &text);
        if (!sh_str_starts(var, prefix) || text.p == NULL) {
            continue;
        }
        for (size_t i = 0; i < c->n; i++) {
            if (env_names_key(sh_str_sub(var, prefix.n, var.n), c->keys[i].name)) {
                const struct place at = {*environ_vars, 0, fn, ctx};
                const sh_err err = assign(c, sh_str_c(c->keys[i].name), sh_str_trim(text),
                                          SH_CONFIG_FROM_ENV, &at);
                worst = err == SH_OK ? worst : err;
            }
        }
    }
    return worst;
}

static const struct value *get(const struct sh_config *c, const char *name)
{
    const size_t i = index_of(c, sh_str_c(name));
    SH_ASSERT(i != SIZE_MAX);
    return &c->values[i];
}

struct sh_str sh_config_get(const struct sh_config *c, const char *name)
{
    return get(c, name)->text;
}

int64_t sh_config_int(const struct sh_config *c, const char *name)
{
    SH_ASSERT(bounded(c->keys[index_of(c, sh_str_c(name))].type));
    return get(c, name)->number;
}

bool sh_config_bool(const struct sh_config *c, const char *name)
{
    SH_ASSERT(c->keys[index_of(c, sh_str_c(name))].type == SH_CONFIG_BOOL);
    return get(c, name)->number != 0;
}

enum sh_config_source sh_config_source(const struct sh_config *c, const char *name)
{
    return get(c, name)->from;
}

const struct sh_config_key *sh_config_unsafe(const struct sh_config *c)
{
    return c->unsafe;
}

const struct sh_config_key *sh_config_keys(const struct sh_config *c)
{
    return c->keys;
}
