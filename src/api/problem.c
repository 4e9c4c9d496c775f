/* problem.c - problems (RFC 9457) in two languages, and the map from sh_err to HTTP.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static const struct api_words table[] = {
    {"bad_request", "The request is not valid", "请求无效",
     "Correct the request and send it again.", "请改正请求后重发。"},
    {"bad_json", "The body is not valid JSON", "请求正文不是有效的 JSON",
     "Send one JSON document in UTF-8.", "请发送一个 UTF-8 编码的 JSON 文档。"},
    {"bad_sql", "The SQL is not valid", "SQL 语句无效",
     "See the detail; docs/sql.md describes tables and functions.",
     "请看详情；表与函数见 docs/sql.zh-CN.md。"},
    {"bad_credentials", "User or password is wrong", "用户名或密码错误",
     "Check both; capital letters count. An administrator can reset a password.",
     "请检查用户名和密码（区分大小写）；管理员可以重置密码。"},
    {"locked", "Too many failed attempts", "失败次数过多，已暂时锁定",
     "Wait as long as Retry-After says.", "请等待 Retry-After 所示的时间后再试。"},
    {"not_signed_in", "Sign in first", "请先登录",
     "Send Authorization: Bearer <token>, or sign in to the console.",
     "请携带 Authorization: Bearer <令牌>，或登录控制台。"},
    {"csrf", "The CSRF token is missing or wrong", "缺少 CSRF 令牌或令牌错误",
     "Send the session's csrf value in the header X-CSRF-Token.",
     "请在 X-CSRF-Token 头中发送会话的 csrf 值。"},
    {"bad_origin", "The request comes from another site", "请求来自其他站点",
     "Open the console by the address it is served at.", "请通过控制台自身的地址访问。"},
    {"denied", "Not allowed", "没有权限", "Ask an administrator for a role with this permission.",
     "请向管理员申请具有该权限的角色。"},
    {"address_refused", "Not from this address", "不允许从此地址访问",
     "Come from an address on the device's allow list, or change the list.",
     "请使用白名单内的地址，或修改该设备的地址白名单。"},
    {"archived", "The device is archived", "设备已归档",
     "If it is in use again, bring it back on its page.", "若设备仍在使用，请在设备页恢复。"},
    {"quarantined", "The device is in quarantine", "设备已被隔离",
     "Its page says why; who may change devices lets it out.",
     "请在设备页查看原因，由有设备写权限的人员解除隔离。"},
    {"masked", "Above your clearance", "高于您的查看级别",
     "Ask who administers roles for a role that shows this class; why you do not see it stands "
     "under "
     "your rights.",
     "请向角色管理员申请可查看该级别数据的角色；原因可在“我的权限”中查看。"},
    {"class_lowered", "The data class would be lowered", "将调低数据分类分级",
     "Leave it as it is, or ask who holds data.classify (the security administrator) to lower it "
     "with "
     "a reason.",
     "请保持原有分类分级，或请安全管理员（data.classify 权限）填写原因后调低。"},
    {"outside_part", "Outside of your part of the plant", "超出您的权限范围",
     "Give the device an asset or a label of the part that your right is for.",
     "请为设备选择您权限范围内的资产或标签。"},
    {"thing_in_use", "The thing model is in use", "物模型正在使用",
     "Give those devices another model, and those models another one to extend (or none).",
     "请先为这些设备更换物模型，并让下级模型改为扩展其他模型或不再扩展。"},
    {"unit_changes_history", "Kept values would change their meaning", "历史值的含义会改变",
     "Add a property with another id for the new unit; or, when the old unit was a mistake, repeat "
     "the request with units=corrected: kept values are then read in the new unit.",
     "请为新单位新增一个不同标识的属性；若原单位填写有误，可加 units=corrected "
     "重发请求，历史值将按新单位解读。"},
    {"not_found", "There is no such thing", "对象不存在",
     "Check the name; names are case-sensitive.", "请检查名称（区分大小写）。"},
    {"code_needed", "A second factor is needed", "需要二次验证",
     "Send the same with the member code: six digits from the app, or a recovery code.",
     "请在原请求中加上 code：验证器应用中的六位数字，或一个恢复码。"},
    {"directory_down", "The directory does not answer", "目录服务没有应答",
     "Try again in a moment. People with a password of their own here still sign in; the log and "
     "the "
     "page Sign-in providers say what is wrong.",
     "请稍后重试。本地账户仍可登录；原因见日志，或由管理员在“统一认证”页测试连接。"},
    {"directory_refused", "The directory knows you, and you may not come in",
     "目录验证通过，但不能登录", "Ask an administrator: the detail says what is missing.",
     "请联系管理员：详情说明了原因。"},
    {"password_elsewhere", "The password does not live here", "密码不在本平台",
     "Change it in the directory, or at the provider of sign-in.",
     "请在目录或统一认证服务中修改密码。"},
    {"sign_in_over", "Begin the sign-in anew", "请重新登录",
     "Sign in by the provider again, and give the code within five minutes.",
     "请重新通过统一认证登录，并在五分钟内输入验证码。"},
    {"certificate_refused", "You can not sign in with this certificate", "不能使用该证书登录",
     "Ask an administrator: the audit says what is missing, and trying the provider shows it step "
     "by "
     "step.",
     "请联系管理员：审计记录写明原因，并可在“统一认证”页逐步测试。"},
    {"challenge_over", "The text to sign is not good any more", "质询已失效",
     "Take a new one: it is good once, for five minutes, in the browser that asked for it.",
     "请重新获取：每个质询仅可用一次，五分钟内在获取它的浏览器中有效。"},
    {"bad_code", "The code is wrong", "验证码不正确",
     "Codes change each 30 seconds: take the one that is shown now.",
     "验证码每 30 秒更换一次，请输入当前显示的验证码。"},
    {"confirm_needed", "Give your password once more", "请再次确认密码",
     "POST /api/v1/sessions/current/confirm with the password, then repeat the request.",
     "请先用密码调用 POST /api/v1/sessions/current/confirm，再重发请求。"},
    {"key_unsupported", "Security keys do not work here", "此处不能使用安全密钥",
     "Open the console by https with a host name, or as http://localhost.",
     "请通过 HTTPS 主机名或 http://localhost 打开控制台。"},
    {"master_elsewhere", "The master key is not kept in a file", "主密钥不在文件中",
     "Make a new one where it is kept; then, on the stopped node: songhua keys move --to SOURCE.",
     "请在其所在处生成新密钥，停机后运行 songhua keys move --to 来源。"},
    {"bad_key", "The security key's answer is not good", "安全密钥应答无效",
     "Begin anew and touch the key within five minutes.", "请重新开始，并在五分钟内触碰密钥。"},
    {"password_expired", "The password has to be changed", "须先修改密码",
     "PUT /api/v1/sessions/current/password; then everything is as before.",
     "请先调用 PUT /api/v1/sessions/current/password 修改密码。"},
    {"second_factor_missing", "A second factor has to be set up", "须先设置动态验证码",
     "POST and PUT /api/v1/sessions/current/totp; then everything is as before.",
     "请先调用 POST、PUT /api/v1/sessions/current/totp 设置动态验证码。"},
    {"unknown_point", "There is no such point", "点位不存在",
     "Names are device/property or a tag; see GET /api/v1/points.",
     "点位名为“设备/属性”或位号；可查询 GET /api/v1/points。"},
    {"unknown_route", "There is no such route", "接口不存在",
     "See /api/v1/openapi.json for all routes.", "全部接口见 /api/v1/openapi.json。"},
    {"method_not_allowed", "The method does not fit this route", "该接口不支持此方法",
     "See /api/v1/openapi.json for all routes.", "全部接口见 /api/v1/openapi.json。"},
    {"exists", "There is one of that name already", "名称已存在", "Choose another name.",
     "请换一个名称。"},
    {"conflict", "Somebody changed it in between", "内容已被他人修改",
     "Read it again and repeat your change on the new revision.", "请重新读取后再修改。"},
    {"state", "Not possible in the present state", "当前状态下不能执行", "See the detail.",
     "请看详情。"},
    {"bad_expression", "The expression is not valid", "表达式无效",
     "See the place in the detail; GET /api/v1/expressions lists the functions.",
     "请看详情所示位置；GET /api/v1/expressions 列出可用函数。"},
    {"limit", "A limit was reached", "达到上限", "See the detail; limits are configuration keys.",
     "请看详情；上限可在配置中修改。"},
    {"too_busy", "The platform is busy", "平台繁忙", "Send it again after the time in Retry-After.",
     "请在 Retry-After 所示的时间后重发。"},
    {"no_memory", "Memory is short", "内存不足",
     "Nothing is wrong with the request: send it again after the time in Retry-After. If it "
     "stays, give the platform more memory or less work.",
     "请求本身没有问题：请在 Retry-After 所示的时间后重发；若持续出现，请增加内存或减轻负载。"},
    {"disk_full", "The disk is full", "磁盘已满",
     "Free space, or let disk.policy=oldest or history.retention remove old history; what was "
     "acknowledged is safe. Send it again later.",
     "请清理磁盘，或用 disk.policy=oldest、history.retention 清除旧数据；已确认的数据没有丢失。稍后"
     "请重发。"},
    {"partial_write", "Some lines were refused", "部分数据被拒绝",
     "The other lines were stored; correct the listed ones and send only those again.",
     "其余数据已保存；请改正所列部分后只重发这些。"},
    {"config_invalid", "The settings were not changed", "配置未修改",
     "Correct the keys that the detail names; POST config/check says for each what fits.",
     "请改正详情所列的配置项；POST config/check 会逐项说明正确写法。"},
    {"unsupported", "Not supported", "不支持", "See the detail.", "请看详情。"},
    {"bad_certificate", "The certificate is not usable", "证书不可用",
     "Send days (1 to 3650) alone, or csr: a PKCS #10 request in PEM signed with its own key "
     "(ECDSA "
     "P-256, P-384, P-521, Ed25519, RSA from 2048 bits), or pem: one X.509 certificate in its "
     "time.",
     "请只发送 days（1 至 3650）；或 csr：以自身密钥签名的 PKCS #10 请求（PEM；ECDSA P-256、"
     "P-384、P-521、Ed25519，或 2048 位及以上 RSA）；或 pem：一份在有效期内的 X.509 证书。"},
    {"idempotency_key", "The Idempotency-Key is malformed", "Idempotency-Key 格式错误",
     "Use a fresh UUID for each request.", "请为每个请求使用新的 UUID。"},
    {"idempotency_mismatch", "The key belongs to another request", "该键属于另一个请求",
     "Use a new key for a new request; repeat the old one unchanged.",
     "新请求请使用新键；重发旧请求时请勿改动内容。"},
    {"idempotency_busy", "The first request is still being worked on", "首个请求仍在处理中",
     "Send it again with the same key after the time in Retry-After.",
     "请在 Retry-After 所示的时间后用同一个键重发。"},
    {"idempotency_unknown", "It is not known whether it was done", "无法确定是否已完成",
     "Look whether it was done; if not, send it with a new key.",
     "请先查看是否已完成；若未完成，请换新键重发。"},
    {"idempotency_secret", "Done; the secret is shown only once", "已完成；密钥只显示一次",
     "Take what was made away and make a new one with a new key.",
     "请删除已生成的对象，再用新键重新生成。"},
    {"idempotency_done", "Done; the answer was not kept", "已完成；返回内容未保留",
     "Read the result by GET; do not send it again.", "请用 GET 读取结果，无需重发。"},
    {"idempotency_limit", "Too many keys are remembered", "记住的键过多",
     "Send it again after the time in Retry-After, or without a key. A key is remembered for a "
     "day.",
     "请在 Retry-After 所示的时间后重发，或不带键发送。每个键保留一天。"},
    {"internal", "Something went wrong inside", "内部错误",
     "The log has the details; try again, and report it if it stays.",
     "详情见日志；请重试，若仍出现请报告。"},
    {NULL, NULL, NULL, NULL, NULL},
};

struct sh_str api_no_memory(void)
{
    return SH_STR("{\"type\":\"about:blank\",\"title\":\"Memory is short\",\"status\":503,"
                  "\"code\":\"no_memory\",\"detail\":\"Memory is short\","
                  "\"remedy\":\"Send it again in a few seconds.\"}");
}

const struct api_words *api_words_of(const char *code, int status)
{
    for (const struct api_words *w = table; w->code != NULL; w++) {
        if (strcmp(w->code, code) == 0) {
            return w;
        }
    }
    return api_words_of(status == 404 ? "not_found" : (status >= 500 ? "internal" : "bad_request"),
                        0);
}

static void write_problem(struct api_req *r, int status, const char *code, struct sh_str detail,
                          struct sh_str remedy)
{
    const struct api_words *words = api_words_of(code, status);
    struct sh_buf *b = sh_http_body(r->http);
    sh_buf_clear(b);
    sh_jw_init(&r->w, b);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "type");
    sh_jw_c(&r->w, "about:blank");
    sh_jw_key(&r->w, "title");
    sh_jw_c(&r->w, r->chinese ? words->title_zh : words->title_en);
    sh_jw_key(&r->w, "status");
    sh_jw_i64(&r->w, status);
    sh_jw_key(&r->w, "code");
    sh_jw_c(&r->w, code);
    sh_jw_key(&r->w, "detail");
    sh_jw_str(&r->w, detail);
    sh_jw_key(&r->w, "remedy");
    sh_jw_str(&r->w,
              remedy.n > 0 ? remedy : sh_str_c(r->chinese ? words->remedy_zh : words->remedy_en));
    if (r->factors.n > 0) {
        sh_jw_key(&r->w, "factors");
        sh_jw_raw(&r->w, r->factors);
    }
    sh_jw_obj_end(&r->w);
    sh_http_header_c(r->http, "Content-Type", "application/problem+json");
}

int api_problem(struct api_req *r, int status, const char *code, const char *detail_en,
                const char *detail_zh)
{
    const char *d = r->chinese && detail_zh != NULL ? detail_zh : detail_en;
    write_problem(r, status, code, sh_str_c(d == NULL ? "" : d), (struct sh_str){NULL, 0});
    return status;
}

static struct sh_str say(struct api_req *r, const char *english)
{
    const struct sh_str s = sh_str_c(english);
    return r->chinese ? api_chinese(r->arena, r->api->env->alloc, s) : s;
}

int api_problem_diag(struct api_req *r, int status, const char *code, const struct sh_diag *d)
{
    const struct sh_str said = say(r, d->message);
    struct sh_str detail = said;
    if (d->path[0] != '\0' && d->line > 0) {
        detail = sh_arena_printf(r->arena, "%s:%d: %.*s", d->path, d->line, SH_PRI(said));
    } else if (d->path[0] != '\0') {
        detail = sh_arena_printf(r->arena, "%s: %.*s", d->path, SH_PRI(said));
    }
    write_problem(r, status, code, detail, say(r, d->remedy));
    return status;
}

struct mapped {
    int status;
    const char *code;
};

static struct mapped map_err(sh_err err)
{
    switch (err) {
    case SH_E_INVAL:
    case SH_E_PROTO:
        return (struct mapped){400, "bad_request"};
    case SH_E_NOTFOUND:
        return (struct mapped){404, "not_found"};
    case SH_E_EXISTS:
        return (struct mapped){409, "exists"};
    case SH_E_STATE:
        return (struct mapped){409, "state"};
    case SH_E_CONFLICT:
        return (struct mapped){412, "conflict"};
    case SH_E_DENIED:
        return (struct mapped){403, "denied"};
    case SH_E_LIMIT:
        return (struct mapped){422, "limit"};
    case SH_E_FULL:
        return (struct mapped){507, "disk_full"};
    case SH_E_BUSY:
    case SH_E_AGAIN:
    case SH_E_TIMEOUT:
    case SH_E_CLOSED:
    case SH_E_CANCELED:
        return (struct mapped){503, "too_busy"};
    case SH_E_NOMEM:
        return (struct mapped){503, "no_memory"};
    case SH_E_UNSUPPORTED:
        return (struct mapped){422, "unsupported"};
    case SH_OK:
    case SH_E_CORRUPT:
    case SH_E_IO:
    case SH_E_INTERNAL:
    default:
        return (struct mapped){500, "internal"};
    }
}

int api_error(struct api_req *r, sh_err err, const struct sh_diag *d)
{
    /* A function that gets NULL from an arena takes it for the arena's limit. */
    const bool starved = err == SH_E_LIMIT && sh_arena_why(r->arena) == SH_E_NOMEM;
    struct mapped m = map_err(starved ? SH_E_NOMEM : err);
    if (api_lowered(err, d)) {
        m = (struct mapped){403, "class_lowered"};
    } else if (api_units_reread(err, d)) {
        m = (struct mapped){409, "unit_changes_history"};
    }
    if (m.status == 503) {
        sh_http_header_c(r->http, "Retry-After", "5");
    }
    if (m.status >= 500) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "%s answered %d: %s %s",
               r->route == NULL ? "?" : r->route->id, m.status, sh_err_name(err),
               d == NULL ? "" : d->message);
    }
    if (!starved && d != NULL && d->message[0] != '\0') {
        return api_problem_diag(r, m.status, m.code, d);
    }
    const struct api_words *w = api_words_of(m.code, m.status);
    return api_problem(r, m.status, m.code, w->title_en, w->title_zh);
}
