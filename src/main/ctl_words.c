/* ctl_words.c - from words to a route: finding the command, help, address and body.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ctl_int.h"

/* How many arguments the command's words take, 0: it is another one. */
static size_t words_taken(const struct ctl *c, const struct sh_api_command *cmd)
{
    struct sh_str rest = sh_str_c(cmd->words);
    size_t n = 0;
    while (rest.n > 0) {
        const struct sh_str word = sh_str_cut(rest, ' ', &rest);
        if (n == c->nargs || !sh_str_eq(c->args[n], word)) {
            return 0;
        }
        n++;
    }
    return n;
}

bool ctl_command_find(const struct ctl *c, struct sh_api_command *out, size_t *used)
{
    struct sh_api_command cmd;
    *used = 0;
    for (size_t i = 0; sh_api_command_at(i, &cmd); i++) {
        const size_t n = words_taken(c, &cmd);
        if (n > *used) { /* the longest: "devices certificates list" before "devices" */
            *used = n;
            *out = cmd;
        }
    }
    return *used > 0;
}

/* ---- help ---- */

static bool begins(const struct ctl *c, const struct sh_api_command *cmd)
{
    struct sh_str rest = sh_str_c(cmd->words);
    for (size_t i = 0; i < c->nargs; i++) {
        if (!sh_str_eq(c->args[i], sh_str_cut(rest, ' ', &rest))) {
            return false;
        }
    }
    return true;
}

static void print_use(const struct sh_api_command *cmd)
{
    (void)printf("  %s", cmd->words);
    for (size_t i = 0; i < cmd->nparams; i++) {
        (void)printf(" <%.*s>", SH_PRI(cmd->params[i]));
    }
    (void)printf("%s", cmd->takes_body ? " [BODY]" : "");
    struct sh_str names = sh_str_c(cmd->query);
    while (names.n > 0) {
        const struct sh_str name = sh_str_cut(names, ',', &names);
        (void)printf(" [--%.*s]", SH_PRI(name));
    }
    json_t *schema = NULL;
    const bool known = cmd->body != NULL && !cmd->raw &&
                       sh_json_parse(sh_str_c(cmd->body), CTL_BODY_MAX, &schema, NULL) == SH_OK;
    json_t *members = known ? json_object_get(schema, "properties") : NULL;
    for (void *it = json_object_iter(members); it != NULL;
         it = json_object_iter_next(members, it)) {
        (void)printf(" [--%s]", json_object_iter_key(it));
    }
    json_decref(schema);
    (void)putchar('\n');
}

bool ctl_help(const struct ctl *c)
{
    struct sh_api_command cmd;
    bool any = false;
    for (size_t i = 0; sh_api_command_at(i, &cmd); i++) {
        if (!begins(c, &cmd)) {
            continue;
        }
        any = true;
        print_use(&cmd);
        (void)printf("        %s\n", c->chinese ? cmd.chinese : cmd.english);
    }
    return any;
}

/* ---- address ---- */

static bool in_list(const char *list, struct sh_str name)
{
    struct sh_str rest = sh_str_c(list);
    while (rest.n > 0) {
        if (sh_str_eq(sh_str_cut(rest, ',', &rest), name)) {
            return true;
        }
    }
    return false;
}

static bool is_query(const struct sh_api_command *cmd, struct sh_str name)
{
    return in_list(cmd->query, name) || sh_str_eqc(name, "tenant");
}

static sh_err put_segments(const struct sh_api_command *cmd, const struct sh_str *params,
                           struct sh_buf *b)
{
    struct sh_str rest = sh_str_c(cmd->path);
    struct sh_str seg;
    size_t n = 0;
    while (sh_url_segment_next(&rest, &seg)) {
        SH_TRY(sh_buf_put_u8(b, '/'));
        const bool param = seg.n > 2 && seg.p[0] == '{';
        SH_TRY(param ? sh_url_encode(params[n++], b) : sh_buf_put_str(b, seg));
    }
    return SH_OK;
}

static sh_err put_query(struct ctl *c, const struct sh_api_command *cmd, struct sh_buf *b)
{
    char sep = '?';
    size_t kept = 0;
    for (size_t i = 0; i < c->noptions; i++) {
        const struct ctl_option o = c->options[i];
        if (!is_query(cmd, o.name)) {
            c->options[kept++] = o;
            continue;
        }
        SH_TRY(sh_buf_put_u8(b, (uint8_t)sep));
        SH_TRY(sh_url_encode(o.name, b));
        SH_TRY(sh_buf_put_u8(b, '='));
        SH_TRY(sh_url_encode(o.value, b));
        sep = '&';
    }
    c->noptions = kept;
    return SH_OK;
}

sh_err ctl_path(struct ctl *c, const struct sh_api_command *cmd, const struct sh_str *params,
                struct sh_str *out)
{
    struct sh_buf b;
    sh_buf_init(&b, c->env.alloc, 1 << 20);
    sh_err err = put_segments(cmd, params, &b);
    if (err == SH_OK) {
        err = put_query(c, cmd, &b);
    }
    if (err == SH_OK) {
        *out = sh_arena_str(c->arena, sh_buf_str(&b));
        err = out->p == NULL ? SH_E_LIMIT : SH_OK;
    }
    sh_buf_fini(&b);
    return err;
}

/* ---- body ---- */

static json_t *any_json(struct sh_str text)
{
    return json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

static json_t *text_json(struct sh_str text)
{
    return json_stringn(text.p, text.n);
}

/* "a,b" -> ["a","b"] */
static json_t *split(struct sh_str text)
{
    json_t *list = json_array();
    while (text.n > 0) {
        (void)json_array_append_new(list, text_json(sh_str_cut(text, ',', &text)));
    }
    return list;
}

/* As the schema wants it; without a type: a number where it reads as one; unknown: text. */
static json_t *value_of(const struct ctl_option *o, const json_t *schema)
{
    const json_t *member = json_object_getn(schema, o->name.p, o->name.n);
    const struct sh_str type = sh_json_get_str(member, "type");
    if (o->json) {
        return any_json(o->value);
    }
    if (sh_str_eqc(type, "array") && (o->value.n == 0 || o->value.p[0] != '[')) {
        return split(o->value);
    }
    if (member == NULL || sh_str_eqc(type, "string") || json_object_get(member, "enum") != NULL) {
        return text_json(o->value);
    }
    json_t *v = any_json(o->value);
    if (type.n > 0 && v == NULL) {
        return NULL;
    }
    return v == NULL ? text_json(o->value) : v;
}

static int add_options(const struct ctl *c, const struct sh_api_command *cmd, json_t *body)
{
    json_t *schema = NULL;
    int code = CTL_OK;
    if (cmd->body != NULL && !cmd->raw &&
        sh_json_parse(sh_str_c(cmd->body), CTL_BODY_MAX, &schema, NULL) != SH_OK) {
        schema = NULL;
    }
    const json_t *members = json_object_get(schema, "properties");
    for (size_t i = 0; i < c->noptions && code == CTL_OK; i++) {
        json_t *v = value_of(&c->options[i], members);
        if (v == NULL ||
            json_object_setn_new(body, c->options[i].name.p, c->options[i].name.n, v) != 0) {
            code = ctl_usage(c, "not a value of the right kind for", "取值类型不正确",
                             c->options[i].name);
        }
    }
    json_decref(schema);
    return code;
}

int ctl_json(struct ctl *c, const struct sh_api_command *cmd, struct sh_str given, json_t **out)
{
    struct sh_diag d = {0};
    json_t *body = NULL;
    *out = NULL;
    if (given.p != NULL && sh_json_parse(given, CTL_BODY_MAX, &body, &d) != SH_OK) {
        return ctl_usage(c, "the body is not JSON:", "正文不是 JSON：", sh_str_c(d.message));
    }
    if (given.p == NULL && (c->noptions > 0 || cmd->body != NULL)) {
        body = json_object();
    }
    if (c->noptions > 0 && !json_is_object(body)) {
        json_decref(body);
        return ctl_usage(c, "unknown option", "未知选项", c->options[0].name);
    }
    const int code = c->noptions > 0 ? add_options(c, cmd, body) : CTL_OK;
    if (code != CTL_OK) {
        json_decref(body);
        return code;
    }
    *out = body;
    return CTL_OK;
}
