/* ctl.c - `songhua ctl`: the API at the command line, by words of the route table
 * (`songhua ctl devices list --state offline`) or by METHOD PATH. Answers go to stdout: as tables
 * and lines, or as JSON with --json (METHOD PATH: always as they are); problems go to stderr.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "ctl_int.h"
#include "main_int.h"

enum { CTL_ARENA = 1 << 30, ITEMS_MAX = 1000000 };

static const char usage_en[] =
    "songhua ctl [OPTIONS] WORDS... [BODY]      songhua ctl devices list --state offline --limit "
    "20\n"
    "songhua ctl [OPTIONS] METHOD PATH [BODY]   songhua ctl GET devices\n"
    "songhua ctl login PROVIDER --certificate FILE --private-key FILE [--chain FILE] [--code "
    "CODE]\n"
    "                  [--distid ID] [--out TOKEN-FILE]: sign in by a certificate\n"
    "songhua ctl sign FILE --private-key FILE [--distid ID]: sign the text that the console shows\n"
    "\n"
    "BODY is JSON, @FILE, or - for standard input; members may also be --name value (text) or\n"
    "--name:=value (JSON). songhua ctl WORDS --help shows the commands that begin so.\n"
    "\n"
    "  --json               the answer as JSON, for programs\n"
    "  --all                follows the cursors of a list to its end\n"
    "  --tenant PATH        a tenant below one's own\n"
    "  --url URL            the platform [SONGHUA_URL, http://127.0.0.1:8080]\n"
    "  --token-file FILE    file that holds the token [SONGHUA_TOKEN_FILE]\n"
    "  --token TOKEN        seen by all users of this machine: better SONGHUA_TOKEN or a file\n"
    "  --content-type TYPE  of a body that is no JSON [application/json, else text/csv]\n"
    "  --key KEY            Idempotency-Key: a repeat is answered and not done again\n"
    "\n"
    "Exit code: 0 done, 2 wrong usage, 3 nobody answers, 4 not signed in or not allowed, 5 not\n"
    "found, 6 conflict, 7 the request is refused, 8 busy, 9 error of the server; METHOD PATH: 1 "
    "for\n"
    "any problem. Words are in the language of LANG.\n";
static const char usage_zh[] =
    "songhua ctl [选项] 命令词... [正文]      songhua ctl devices list --state offline --limit 20\n"
    "songhua ctl [选项] 方法 路径 [正文]      songhua ctl GET devices\n"
    "songhua ctl login 认证源 --certificate 文件 --private-key 文件 [--chain 文件] [--code "
    "验证码]\n"
    "                  [--distid 标识] [--out 令牌文件]：用证书登录\n"
    "songhua ctl sign 文件 --private-key 文件 [--distid 标识]：对控制台所示质询文本签名\n"
    "\n"
    "正文为 JSON、@文件，或 -（标准输入）；成员也可写作 --名称 值（文本）或 --名称:=值（JSON）。\n"
    "songhua ctl 命令词 --help 列出以此开头的命令。\n"
    "\n"
    "  --json               以 JSON 输出，供程序使用\n"
    "  --all                沿游标取完整个列表\n"
    "  --tenant 路径        下级租户\n"
    "  --url 地址           平台地址 [SONGHUA_URL，http://127.0.0.1:8080]\n"
    "  --token-file 文件    存放令牌的文件 [SONGHUA_TOKEN_FILE]\n"
    "  --token 令牌         本机其他用户可见：建议用 SONGHUA_TOKEN 或文件\n"
    "  --content-type 类型  非 JSON 正文的类型 [application/json，否则 text/csv]\n"
    "  --key 键             Idempotency-Key：重发只返回结果，不重复执行\n"
    "\n"
    "退出码：0 完成，2 用法错误，3 无法连接，4 未登录或无权限，5 不存在，6 冲突，7 请求被拒绝，8 "
    "繁忙，\n"
    "9 服务端错误；“方法 路径”形式：任何问题均为 1。语言取自 LANG。\n";

const char *ctl_word(const struct ctl *c, const char *english, const char *chinese)
{
    return c->chinese ? chinese : english;
}

int ctl_usage(const struct ctl *c, const char *english, const char *chinese, struct sh_str what)
{
    (void)fprintf(stderr, "songhua: %s %.*s\n  %s\n", ctl_word(c, english, chinese), SH_PRI(what),
                  ctl_word(c, "songhua ctl --help", "用法见 songhua ctl --help"));
    return CTL_USAGE;
}

static struct sh_str variable(const char *name)
{
    const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return v == NULL ? (struct sh_str){NULL, 0} : sh_str_c(v);
}

bool node_speaks_chinese(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct sh_str v = variable(names[i]);
        if (v.n > 0) {
            return sh_str_starts(v, SH_STR("zh"));
        }
    }
    return false;
}

/* ---- the command line ---- */

static int token_from(struct ctl *c, struct sh_str path)
{
    struct sh_str text = {NULL, 0};
    const struct sh_str name = sh_arena_str(c->arena, path);
    const sh_err err = sh_fs_read_all(c->env.fs, c->env.alloc, name.p, 4096, &text);
    if (err != SH_OK) {
        return ctl_usage(c, "the token's file can not be read:", "无法读取令牌文件：", path);
    }
    c->token = sh_arena_str(c->arena, sh_str_trim(text));
    sh_str_free(c->env.alloc, &text);
    return CTL_OK;
}

static int take_option(struct ctl *c, struct sh_str name, struct sh_str value)
{
    if (sh_str_eqc(name, "url")) {
        c->url = value;
    } else if (sh_str_eqc(name, "token")) {
        c->token = value;
    } else if (sh_str_eqc(name, "token-file")) {
        return token_from(c, value);
    } else if (sh_str_eqc(name, "key")) {
        c->key = value;
    } else if (sh_str_eqc(name, "content-type")) {
        c->type = value;
    } else if (c->noptions == CTL_OPTIONS) {
        return ctl_usage(c, "too many options", "选项过多", name);
    } else {
        const bool json = name.n > 1 && name.p[name.n - 1] == ':'; /* --name:=value */
        c->options[c->noptions++] =
            (struct ctl_option){json ? sh_str_sub(name, 0, name.n - 1) : name, value, json};
    }
    return CTL_OK;
}

/* --json, --all and --help stand alone. */
static bool take_flag(struct ctl *c, struct sh_str name)
{
    bool *flag = sh_str_eqc(name, "json")   ? &c->json
                 : sh_str_eqc(name, "all")  ? &c->all
                 : sh_str_eqc(name, "help") ? &c->help
                                            : NULL;
    if (flag != NULL) {
        *flag = true;
    }
    return flag != NULL;
}

static int parse(struct ctl *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const struct sh_str a = sh_str_c(argv[i]);
        if (a.n < 3 || !sh_str_starts(a, SH_STR("--"))) {
            if (c->nargs == CTL_ARGS) {
                return ctl_usage(c, "too many arguments:", "参数过多：", a);
            }
            c->args[c->nargs++] = a;
            continue;
        }
        struct sh_str value;
        const struct sh_str name = sh_str_cut(sh_str_sub(a, 2, a.n), '=', &value);
        const bool joined = memchr(a.p, '=', a.n) != NULL;
        if (!joined && take_flag(c, name)) {
            continue;
        }
        if (!joined && i + 1 == argc) {
            return ctl_usage(c, "a value is missing behind", "缺少取值：", a);
        }
        const int code = take_option(c, name, joined ? value : sh_str_c(argv[++i]));
        if (code != CTL_OK) {
            return code;
        }
    }
    return CTL_OK;
}

/* ---- METHOD PATH ---- */

static bool is_method(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 'A' || s.p[i] > 'Z') {
            return false;
        }
    }
    return s.n > 0;
}

static int by_path(struct ctl *c, struct ctl_answer *a)
{
    struct sh_str body = {NULL, 0};
    if (c->nargs < 2 || c->nargs > 3 || c->noptions > 0) {
        return ctl_usage(c, "METHOD PATH [BODY] is needed", "需要“方法 路径 [正文]”", SH_STR(""));
    }
    if (c->nargs == 3 && ctl_body(c, c->args[2], &body) != SH_OK) {
        return ctl_usage(c, "the body can not be read:", "无法读取正文：", c->args[2]);
    }
    const struct sh_str method = sh_arena_str(c->arena, c->args[0]);
    if (ctl_request(c, method.p, c->args[1], body, false, a) != SH_OK) {
        return CTL_FAILED;
    }
    (void)fwrite(a->body.p == NULL ? (const uint8_t *)"" : a->body.p, 1, a->body.n, stdout);
    (void)fputc('\n', stdout);
    return a->status >= 200 && a->status < 300 ? CTL_OK : CTL_FAILED;
}

/* ---- words ---- */

struct call {
    struct sh_api_command cmd;
    struct sh_str path;
    struct sh_str text; /* a body that is no JSON */
    json_t *body;
};

static int ask(struct ctl *c, const struct call *k, struct sh_str path, struct ctl_answer *a)
{
    struct sh_buf b;
    sh_buf_init(&b, c->env.alloc, CTL_BODY_MAX);
    struct sh_str body = k->text;
    if (k->body != NULL) {
        struct sh_jw w;
        sh_jw_init(&w, &b);
        sh_jw_json(&w, k->body);
        body = sh_buf_str(&b);
    }
    const sh_err err = ctl_request(c, k->cmd.method, path, body, k->cmd.raw, a);
    sh_buf_fini(&b);
    if (err != SH_OK) {
        return err == SH_E_CLOSED ? CTL_UNREACHABLE : CTL_FAILED;
    }
    const int code = (int)ctl_exit_of(a->status);
    if (code != CTL_OK) {
        ctl_problem(c, a);
    }
    return code;
}

/* Appends the rows of a further page: items, or each column of each series. */
static void join(json_t *first, json_t *more)
{
    json_t *items = json_object_get(first, "items");
    (void)json_array_extend(items, json_object_get(more, "items"));
    json_t *all = json_object_get(first, "series");
    const json_t *list = json_object_get(more, "series");
    for (size_t s = 0; s < json_array_size(list); s++) {
        json_t *one = json_array_get(list, s);
        json_t *same = NULL;
        for (size_t i = 0; same == NULL && i < json_array_size(all); i++) {
            json_t *had = json_array_get(all, i);
            same = json_equal(json_object_get(had, "point"), json_object_get(one, "point")) ? had
                                                                                            : NULL;
        }
        if (same == NULL) {
            (void)json_array_append(all, one);
            continue;
        }
        for (void *it = json_object_iter(one); it != NULL; it = json_object_iter_next(one, it)) {
            (void)json_array_extend(json_object_get(same, json_object_iter_key(it)),
                                    json_object_iter_value(it));
        }
    }
    (void)json_object_set(first, "next", json_object_get(more, "next"));
}

/* Where the next page is: a cursor in the body of a query, else in the address. */
static struct sh_str next_path(struct ctl *c, const struct call *k, const json_t *next)
{
    if (k->body != NULL) {
        (void)json_object_set(k->body, "cursor", (json_t *)(uintptr_t)next);
        return k->path;
    }
    struct sh_buf b;
    sh_buf_init(&b, c->env.alloc, 1 << 20);
    const struct sh_str cursor = sh_str_of(json_string_value(next), json_string_length(next));
    struct sh_str out = {NULL, 0};
    if (sh_url_encode(cursor, &b) == SH_OK) {
        const bool more = memchr(k->path.p, '?', k->path.n) != NULL;
        out = sh_arena_printf(c->arena, "%.*s%scursor=%.*s", SH_PRI(k->path), more ? "&" : "?",
                              SH_PRI(sh_buf_str(&b)));
    }
    sh_buf_fini(&b);
    return out;
}

static int follow(struct ctl *c, const struct call *k, json_t *first, struct ctl_answer *a)
{
    while (json_is_string(json_object_get(first, "next"))) {
        json_t *more = NULL;
        if (json_array_size(json_object_get(first, "items")) > ITEMS_MAX) {
            return ctl_usage(c, "more than a million rows: ask for less",
                             "超过一百万行：请缩小范围", SH_STR(""));
        }
        const struct sh_str path = next_path(c, k, json_object_get(first, "next"));
        const int code = path.p == NULL ? CTL_FAILED : ask(c, k, path, a);
        if (code != CTL_OK) {
            return code;
        }
        if (sh_json_parse(sh_buf_str(&a->body), CTL_ANSWER_MAX, &more, NULL) != SH_OK) {
            return CTL_FAILED;
        }
        join(first, more);
        json_decref(more);
    }
    return CTL_OK;
}

static void print_json(const struct ctl *c, const json_t *v)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, c->env.alloc, CTL_ANSWER_MAX);
    sh_jw_init(&w, &b);
    sh_jw_json(&w, v);
    (void)printf("%.*s\n", SH_PRI(sh_buf_str(&b)));
    sh_buf_fini(&b);
}

static int show(struct ctl *c, const struct call *k, struct ctl_answer *a)
{
    json_t *answer = NULL;
    if (!a->is_json || (c->json && !c->all) ||
        sh_json_parse(sh_buf_str(&a->body), CTL_ANSWER_MAX, &answer, NULL) != SH_OK) {
        (void)fwrite(a->body.p == NULL ? (const uint8_t *)"" : a->body.p, 1, a->body.n, stdout);
        (void)fputs(a->is_json ? "\n" : "", stdout);
        return CTL_OK;
    }
    const int code = c->all ? follow(c, k, answer, a) : CTL_OK;
    if (code == CTL_OK && c->json) {
        print_json(c, answer);
    } else if (code == CTL_OK) {
        ctl_show(c, answer);
    }
    json_decref(answer);
    return code;
}

/* What is behind the command's words: its parameters, then perhaps the body. */
static int prepare(struct ctl *c, size_t used, struct call *k)
{
    struct sh_str given = {NULL, 0};
    const size_t left = c->nargs - used;
    if (left < k->cmd.nparams) {
        return ctl_usage(c, "an argument is missing:", "缺少参数：", k->cmd.params[left]);
    }
    if (left > k->cmd.nparams + (k->cmd.takes_body ? 1U : 0U)) {
        return ctl_usage(c, "one argument too many:", "多余的参数：", c->args[c->nargs - 1]);
    }
    if (left > k->cmd.nparams && ctl_body(c, c->args[c->nargs - 1], &given) != SH_OK) {
        return ctl_usage(c, "the body can not be read:", "无法读取正文：", c->args[c->nargs - 1]);
    }
    if (ctl_path(c, &k->cmd, &c->args[used], &k->path) != SH_OK) {
        return CTL_FAILED;
    }
    if (k->cmd.raw || !k->cmd.takes_body) {
        k->text = given;
        return c->noptions == 0 ? CTL_OK
                                : ctl_usage(c, "unknown option", "未知选项", c->options[0].name);
    }
    return ctl_json(c, &k->cmd, given, &k->body);
}

static int by_words(struct ctl *c, struct ctl_answer *a)
{
    struct call k = {.body = NULL};
    size_t used = 0;
    if (c->help) {
        const bool any = c->nargs > 0 && ctl_help(c);
        if (c->nargs == 0) {
            (void)fputs(ctl_word(c, usage_en, usage_zh), stdout);
            (void)putchar('\n');
            (void)ctl_help(c);
        }
        return any || c->nargs == 0
                   ? CTL_OK
                   : ctl_usage(c, "no command begins with", "没有以此开头的命令：", c->args[0]);
    }
    if (!ctl_command_find(c, &k.cmd, &used)) {
        if (ctl_help(c)) { /* "devices" alone: what could follow */
            return CTL_USAGE;
        }
        return ctl_usage(c, "unknown command", "未知命令", c->args[0]);
    }
    int code = prepare(c, used, &k);
    if (code == CTL_OK) {
        code = ask(c, &k, k.path, a);
    }
    if (code == CTL_OK) {
        code = show(c, &k, a);
    }
    json_decref(k.body);
    return code;
}

static int act(struct ctl *c, struct ctl_answer *a)
{
    const struct sh_str word = c->nargs == 0 || c->help ? SH_STR("") : c->args[0];
    return is_method(word)             ? by_path(c, a)
           : sh_str_eqc(word, "login") ? ctl_login(c, a)
           : sh_str_eqc(word, "sign")  ? ctl_sign(c)
                                       : by_words(c, a);
}

int node_ctl(int argc, char **argv)
{
    struct ctl c = {.env = sh_env_system(), .chinese = node_speaks_chinese()};
    struct ctl_answer a = {.status = 0};
    c.url = variable("SONGHUA_URL");
    c.token = variable("SONGHUA_TOKEN");
    c.arena = sh_arena_new(c.env.alloc, CTL_ARENA);
    if (c.arena == NULL) {
        return CTL_FAILED;
    }
    sh_buf_init(&a.body, c.env.alloc, CTL_ANSWER_MAX);
    const struct sh_str file = variable("SONGHUA_TOKEN_FILE");
    int code = c.token.n == 0 && file.n > 0 ? token_from(&c, file) : CTL_OK;
    code = code == CTL_OK ? parse(&c, argc, argv) : code;
    c.url = c.url.n == 0 ? SH_STR("http://127.0.0.1:8080") : c.url;
    if (code == CTL_OK && c.nargs == 0 && !c.help) {
        (void)fputs(ctl_word(&c, usage_en, usage_zh), stderr);
        code = CTL_USAGE;
    } else if (code == CTL_OK) {
        (void)curl_global_init(CURL_GLOBAL_DEFAULT);
        code = act(&c, &a);
        curl_global_cleanup();
    }
    sh_buf_fini(&a.body);
    sh_arena_free(c.arena);
    return code;
}
