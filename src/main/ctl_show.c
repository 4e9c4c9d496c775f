/* ctl_show.c - answers for people: lists and series as tables, objects as lines; problems on
 * stderr. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ctl_int.h"

enum { COLUMNS = 64, CELL_MAX = 1 << 20, SAMPLE_ROWS = 1000 };

struct table {
    const struct ctl *c;
    const char *names[COLUMNS];
    size_t width[COLUMNS];
    size_t n;
};

/* Columns on a terminal: Han and full-width characters take two. */
static size_t width_of(struct sh_str s)
{
    size_t w = 0;
    while (s.n > 0) {
        uint32_t cp = 0;
        size_t n = sh_utf8_next(s, &cp);
        n = n == 0 ? 1 : n;
        const bool wide = (cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x2e80 && cp <= 0xa4cf) ||
                          (cp >= 0xac00 && cp <= 0xd7a3) || (cp >= 0xf900 && cp <= 0xfaff) ||
                          (cp >= 0xfe30 && cp <= 0xfe6f) || (cp >= 0xff00 && cp <= 0xff60) ||
                          (cp >= 0x20000 && cp <= 0x3fffd);
        w += wide ? 2 : 1;
        s = sh_str_sub(s, n, s.n);
    }
    return w;
}

/* Control characters would move the cursor: they are shown as blanks. */
static void put_clean(struct sh_buf *b, struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char ch = (unsigned char)s.p[i];
        if (sh_buf_put_u8(b, ch < 0x20 || ch == 0x7f ? ' ' : ch) != SH_OK) {
            return;
        }
    }
}

static void put_json(struct sh_buf *b, const json_t *v)
{
    struct sh_jw w;
    sh_jw_init(&w, b);
    sh_jw_json(&w, v);
}

/* {"zh","en"}: the one in the caller's language. */
static const json_t *in_language(const struct ctl *c, const json_t *v)
{
    const json_t *word = json_object_get(v, c->chinese ? "zh" : "en");
    const json_t *other = json_object_get(v, c->chinese ? "en" : "zh");
    word = json_is_string(word) ? word : other;
    return json_is_string(word) ? word : NULL;
}

static void cell(const struct ctl *c, const json_t *v, struct sh_buf *b)
{
    sh_buf_clear(b);
    const json_t *word = in_language(c, v);
    v = word == NULL ? v : word;
    if (v == NULL || json_is_null(v)) {
        return;
    }
    if (json_is_string(v)) {
        put_clean(b, sh_str_of(json_string_value(v), json_string_length(v)));
        return;
    }
    bool plain = json_is_array(v);
    for (size_t i = 0; plain && i < json_array_size(v); i++) {
        plain = json_is_string(json_array_get(v, i));
    }
    if (!plain) {
        put_json(b, v);
        return;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *s = json_array_get(v, i);
        put_clean(b, i > 0 ? SH_STR(", ") : SH_STR(""));
        put_clean(b, sh_str_of(json_string_value(s), json_string_length(s)));
    }
}

static bool empty(const json_t *v)
{
    return v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static size_t column(struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->names[i], name) == 0) {
            return i;
        }
    }
    if (t->n == COLUMNS) {
        return COLUMNS;
    }
    t->names[t->n] = name;
    t->width[t->n] = width_of(sh_str_c(name));
    return t->n++;
}

/* Members that are empty in every row get no column. */
static void measure(struct table *t, json_t *row, struct sh_buf *b)
{
    for (void *it = json_object_iter(row); it != NULL; it = json_object_iter_next(row, it)) {
        const json_t *v = json_object_iter_value(it);
        const size_t i = empty(v) ? COLUMNS : column(t, json_object_iter_key(it));
        if (i < COLUMNS) {
            cell(t->c, v, b);
            const size_t w = width_of(sh_buf_str(b));
            t->width[i] = w > t->width[i] ? w : t->width[i];
        }
    }
}

static void print_cell(const struct table *t, size_t i, struct sh_str text)
{
    (void)fwrite(text.p == NULL ? "" : text.p, 1, text.n, stdout);
    if (i + 1 < t->n) {
        for (size_t w = width_of(text); w < t->width[i] + 2; w++) {
            (void)putchar(' ');
        }
    }
}

static void show_rows(const struct ctl *c, const json_t *items)
{
    struct table t = {.c = c};
    struct sh_buf b;
    sh_buf_init(&b, c->env.alloc, CELL_MAX);
    for (size_t i = 0; i < json_array_size(items); i++) {
        measure(&t, json_array_get(items, i), &b);
    }
    for (size_t i = 0; i < t.n; i++) {
        print_cell(&t, i, sh_str_c(t.names[i]));
    }
    (void)fputs(t.n > 0 ? "\n" : "", stdout);
    for (size_t r = 0; r < json_array_size(items); r++) {
        const json_t *row = json_array_get(items, r);
        if (!json_is_object(row)) {
            cell(c, row, &b);
            (void)printf("%.*s\n", SH_PRI(sh_buf_str(&b)));
            continue;
        }
        for (size_t i = 0; i < t.n; i++) {
            cell(c, json_object_get(row, t.names[i]), &b);
            print_cell(&t, i, sh_buf_str(&b));
        }
        (void)putchar('\n');
    }
    sh_buf_fini(&b);
}

/* Columns of a series as rows: point, time, value ... */
static void show_series(const struct ctl *c, const json_t *list)
{
    json_t *rows = json_array();
    for (size_t s = 0; s < json_array_size(list); s++) {
        json_t *one = json_array_get(list, s);
        const size_t n = json_array_size(json_object_get(one, "time"));
        for (size_t i = 0; i < n; i++) {
            json_t *row = json_object();
            (void)json_object_set(row, "point", json_object_get(one, "point"));
            for (void *it = json_object_iter(one); it != NULL;
                 it = json_object_iter_next(one, it)) {
                json_t *v = json_object_iter_value(it);
                if (json_is_array(v)) {
                    (void)json_object_set(row, json_object_iter_key(it), json_array_get(v, i));
                }
            }
            (void)json_array_append_new(rows, row);
        }
    }
    show_rows(c, rows);
    json_decref(rows);
}

static void show_object(const struct ctl *c, json_t *o, const char *under, struct sh_buf *b)
{
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        json_t *v = json_object_iter_value(it);
        const struct sh_str name = sh_arena_printf(
            c->arena, "%s%s%s", under, under[0] == '\0' ? "" : ".", json_object_iter_key(it));
        if (name.p == NULL) {
            return;
        }
        if (json_is_object(v) && in_language(c, v) == NULL && json_object_size(v) > 0) {
            show_object(c, v, name.p, b);
            continue;
        }
        cell(c, v, b);
        const struct sh_str text = sh_buf_str(b);
        (void)printf("%-24s %.*s\n", name.p, SH_PRI(text));
    }
}

void ctl_show(const struct ctl *c, const json_t *answer)
{
    const json_t *items = json_is_array(answer) ? answer : json_object_get(answer, "items");
    const json_t *series = json_object_get(answer, "series");
    const json_t *next = json_object_get(answer, "next");
    if (json_is_array(items)) {
        show_rows(c, items);
    } else if (json_is_array(series)) {
        show_series(c, series);
    } else {
        struct sh_buf b;
        sh_buf_init(&b, c->env.alloc, CELL_MAX);
        show_object(c, (json_t *)(uintptr_t)answer, "", &b);
        sh_buf_fini(&b);
    }
    (void)fflush(stdout);
    if (json_is_string(next)) { /* a list that goes on; the change feed's number is a position */
        (void)fprintf(stderr, "%s --cursor '%s'\n",
                      ctl_word(c, "there is more: --all, or", "还有更多：--all，或"),
                      json_string_value(next));
    }
}

void ctl_problem(const struct ctl *c, const struct ctl_answer *a)
{
    json_t *p = NULL;
    if (sh_json_parse(sh_buf_str(&a->body), CTL_ANSWER_MAX, &p, NULL) != SH_OK) {
        (void)fprintf(stderr, "songhua: HTTP %ld\n%.*s\n", a->status, SH_PRI(sh_buf_str(&a->body)));
        return;
    }
    const struct sh_str title = sh_json_get_str(p, "title");
    struct sh_str detail = sh_json_get_str(p, "detail");
    detail = sh_str_eq(detail, title) ? SH_STR("") : detail;
    const struct sh_str remedy = sh_json_get_str(p, "remedy");
    const struct sh_str code = sh_json_get_str(p, "code");
    (void)fprintf(stderr, "songhua: %.*s%s%.*s (%ld %.*s)\n", SH_PRI(title),
                  detail.n > 0 ? c->chinese ? "：" : ": " : "", SH_PRI(detail), a->status,
                  SH_PRI(code));
    if (remedy.n > 0) {
        (void)fprintf(stderr, "  %.*s\n", SH_PRI(remedy));
    }
    const json_t *errors = json_object_get(p, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        struct sh_buf b;
        sh_buf_init(&b, c->env.alloc, CELL_MAX);
        put_json(&b, json_array_get(errors, i));
        (void)fprintf(stderr, "  %.*s\n", SH_PRI(sh_buf_str(&b)));
        sh_buf_fini(&b);
    }
    json_decref(p);
}
