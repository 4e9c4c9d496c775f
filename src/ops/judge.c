/* judge.c - what each control of the self check is worth, by what was found.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "control_int.h"

#define DAY_US INT64_C(86400000000)
#define MINUTE_US INT64_C(60000000)

enum {
    DAY_MINUTES = 1440,
    CERTIFICATE_SOON_DAYS = 30,
    BACKUP_OLD_DAYS = 8,
    KEY_DAYS = 400, /* a year, and time to do it */
    REHEARSAL_OLD_DAYS = 31,
    FORWARD_LAG = 4096
};

static void SH_PRINTF(2, 3) en(struct sh_control_found *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(o->en, sizeof o->en, fmt, ap);
    va_end(ap);
}

static void SH_PRINTF(2, 3) zh(struct sh_control_found *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(o->zh, sizeof o->zh, fmt, ap);
    va_end(ap);
}

static void tell(struct sh_control_found *o, enum sh_control_state s, const char *english,
                 const char *chinese)
{
    o->state = s;
    en(o, "%s", english);
    zh(o, "%s", chinese);
}

static enum sh_control_state good_or(bool good, enum sh_control_state else_what)
{
    return good ? SH_CONTROL_MET : else_what;
}

/* "2026-03-04 05:06 UTC" */
static const char *when(int64_t us, char out[40])
{
    char t[SH_TIME_CHARS];
    const size_t n = sh_time_print(us, t);
    (void)snprintf(out, 40, "%.10s %.5s UTC", t, n > 16 ? t + 11 : "");
    return out;
}

static long long days(int64_t us)
{
    return (long long)(us / DAY_US);
}

/* ---- people ---- */

void judge_first_password(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (f->first_password) {
        tell(o, SH_CONTROL_NOT_MET,
             "keys/first-password is still there: nobody has signed in with it",
             "keys/first-password 仍在：还没有人用它登录过");
        return;
    }
    tell(o, SH_CONTROL_MET, "no keys/first-password", "没有 keys/first-password 文件");
}

void judge_second_factor(const struct sh_security_facts *f, struct sh_control_found *o)
{
    static const char *const policies[] = {"choice", "administrators", "all"};
    const struct sh_guard_security *g = &f->guard;
    const bool demanded = g->settings.second_factor != SH_FACTOR_CHOICE;
    const bool all = g->administrators_with_factor == g->administrators;
    o->state = demanded ? SH_CONTROL_MET : good_or(all, SH_CONTROL_NOT_MET);
    if (o->state == SH_CONTROL_MET && (!demanded || !all)) {
        o->state = SH_CONTROL_PART; /* of their own accord, or not all have set it up */
    }
    en(o, "guard.second_factor = %s; %u of %u administrators have one, %u of %u people",
       policies[g->settings.second_factor], g->administrators_with_factor, g->administrators,
       g->with_factor, g->people);
    zh(o, "guard.second_factor = %s；管理员 %u/%u 人、全部人员 %u/%u 人已启用",
       policies[g->settings.second_factor], g->administrators_with_factor, g->administrators,
       g->with_factor, g->people);
}

void judge_password_rules(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_settings *s = &f->guard.settings;
    o->state = good_or(s->password_min >= 8 && s->password_classes >= 3, SH_CONTROL_PART);
    en(o, "at least %u characters of %u kinds; the last %u may not come back", s->password_min,
       s->password_classes, s->password_history);
    zh(o, "至少 %u 个字符、%u 类字符；最近 %u 个密码不得重复使用", s->password_min,
       s->password_classes, s->password_history);
}

void judge_password_age(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const int64_t age = f->guard.settings.password_age_us;
    if (age == 0) {
        tell(o, SH_CONTROL_NOT_MET, "guard.password_age = 0s: passwords are good for ever",
             "guard.password_age = 0s：密码永不过期");
        return;
    }
    o->state = good_or(age <= 180 * DAY_US, SH_CONTROL_PART);
    en(o, "changed every %lld days", days(age));
    zh(o, "每 %lld 天须更换", days(age));
}

void judge_lockout(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_settings *s = &f->guard.settings;
    o->state = good_or(s->lock_after <= 10, SH_CONTROL_PART);
    en(o, "a person is locked after %u failures, an address after %u, for up to %lld minutes",
       s->lock_after, s->lock_address_after, (long long)(s->lock_max_us / MINUTE_US));
    zh(o, "同一人员失败 %u 次、同一地址失败 %u 次后锁定，最长 %lld 分钟", s->lock_after,
       s->lock_address_after, (long long)(s->lock_max_us / MINUTE_US));
}

void judge_providers(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_security *g = &f->guard;
    const bool give = g->settings.outside_administrators;
    if (g->providers == 0) {
        o->state = SH_CONTROL_NONE;
        en(o, "nobody signs in by a provider");
        zh(o, "未使用统一认证登录");
        return;
    }
    o->state = good_or(!give && g->providers_clear == 0, SH_CONTROL_PART);
    en(o, "%u providers of sign-in, %u of them without TLS; they %s an administrator's powers",
       g->providers, g->providers_clear, give ? "may give" : "never give");
    zh(o, "身份提供方 %u 个，其中 %u 个未使用 TLS；%s授予管理员权限", g->providers,
       g->providers_clear, give ? "可" : "不可");
}

void judge_cert_doors(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_security *g = &f->guard;
    if (g->cert_doors == 0) {
        o->state = SH_CONTROL_NONE;
        en(o, "nobody signs in by a certificate");
        zh(o, "未使用证书登录");
        return;
    }
    o->state = good_or(g->cert_unlisted == 0 && g->cert_ending == 0, SH_CONTROL_PART);
    en(o,
       "%u providers take certificates; %u of them do not insist on a list of revoked ones, in %u "
       "an "
       "authority or a list ends within a week",
       g->cert_doors, g->cert_unlisted, g->cert_ending);
    zh(o, "证书认证源 %u 个，其中 %u 个未强制检查吊销列表，%u 个的 CA 证书或吊销列表将在一周内到期",
       g->cert_doors, g->cert_unlisted, g->cert_ending);
}

void judge_session_limits(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_settings *s = &f->guard.settings;
    const long long idle = (long long)(s->session_idle_us / MINUTE_US);
    const long long most = (long long)(s->session_max_us / MINUTE_US);
    o->state = good_or(idle <= 30 && most <= DAY_MINUTES, SH_CONTROL_PART);
    en(o, "a session ends after %lld minutes without use, and after %lld minutes at all", idle,
       most);
    zh(o, "会话闲置 %lld 分钟结束，最长 %lld 分钟", idle, most);
}

void judge_confirmation(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const long long minutes = (long long)(f->guard.settings.confirm_us / MINUTE_US);
    if (f->guard.settings.confirm_us == 0) {
        tell(o, SH_CONTROL_NOT_MET, "guard.confirm_after = 0s: never asked for",
             "guard.confirm_after = 0s：从不要求再次确认");
        return;
    }
    o->state = SH_CONTROL_MET;
    en(o, "asked for again %lld minutes after the last time", minutes);
    zh(o, "距上次确认 %lld 分钟后须再次确认", minutes);
}

void judge_separated(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const unsigned n = f->guard.administrators;
    o->state = good_or(f->guard.separated, SH_CONTROL_NOT_MET);
    en(o, "%s; people with rights of administration: %u",
       f->guard.separated ? "separated" : "not separated", n);
    zh(o, "%s；有管理权限的人员 %u 人", f->guard.separated ? "已分立" : "未分立", n);
}

void judge_idle_people(const struct sh_security_facts *f, struct sh_control_found *o)
{
    o->state = good_or(f->guard.idle == 0, SH_CONTROL_NOT_MET);
    en(o, "%u of %u people have not signed in for 90 days; %u are disabled", f->guard.idle,
       f->guard.people, f->guard.disabled);
    zh(o, "%u/%u 人超过 90 天未登录；已停用 %u 人", f->guard.idle, f->guard.people,
       f->guard.disabled);
}

void judge_endless_tokens(const struct sh_security_facts *f, struct sh_control_found *o)
{
    o->state = good_or(f->guard.endless == 0, SH_CONTROL_PART);
    if (f->guard.tokens == 0) {
        tell(o, SH_CONTROL_NONE, "there are no tokens", "没有令牌");
        return;
    }
    en(o, "%u of %u tokens have no end", f->guard.endless, f->guard.tokens);
    zh(o, "%u/%u 个令牌没有到期时间", f->guard.endless, f->guard.tokens);
}

void judge_powerful_tokens(const struct sh_security_facts *f, struct sh_control_found *o)
{
    o->state = good_or(f->guard.powerful == 0, SH_CONTROL_PART);
    if (f->guard.tokens == 0) {
        tell(o, SH_CONTROL_NONE, "there are no tokens", "没有令牌");
        return;
    }
    en(o, "%u of %u tokens may change people, roles, tenants or the configuration",
       f->guard.powerful, f->guard.tokens);
    zh(o, "%u/%u 个令牌可修改人员、角色、租户或配置", f->guard.powerful, f->guard.tokens);
}

void judge_unused_tokens(const struct sh_security_facts *f, struct sh_control_found *o)
{
    o->state = good_or(f->guard.unused == 0, SH_CONTROL_PART);
    if (f->guard.tokens == 0) {
        tell(o, SH_CONTROL_NONE, "there are no tokens", "没有令牌");
        return;
    }
    en(o, "%u of %u tokens were not used for 90 days", f->guard.unused, f->guard.tokens);
    zh(o, "%u/%u 个令牌超过 90 天未使用", f->guard.unused, f->guard.tokens);
}

void judge_anonymous(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (f->mqtt_anonymous) {
        tell(o, SH_CONTROL_NOT_MET,
             "mqtt.anonymous = true: whoever is on this machine may publish and subscribe",
             "mqtt.anonymous = true：本机任何程序都可收发 MQTT 消息");
        return;
    }
    tell(o, SH_CONTROL_MET, "mqtt.anonymous = false", "mqtt.anonymous = false");
}

void judge_device_certificates(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (f->guard.certificates == 0) {
        tell(o, SH_CONTROL_NONE, "no device has a certificate", "没有设备使用证书");
        return;
    }
    o->state = good_or(f->guard.ending == 0, SH_CONTROL_PART);
    en(o, "%u of %u certificates have ended or end within 30 days", f->guard.ending,
       f->guard.certificates);
    zh(o, "%u/%u 张设备证书已到期或 30 天内到期", f->guard.ending, f->guard.certificates);
}

/* ---- the network ---- */

void judge_in_clear(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char list[200] = "";
    size_t at = 0;
    for (size_t i = 0; i < f->nlisteners; i++) {
        if (f->listeners[i].tls || f->listeners[i].loopback) {
            continue;
        }
        const int n = snprintf(list + at, sizeof list - at, "%s%s.listen = %s", at > 0 ? ", " : "",
                               f->listeners[i].key, f->listeners[i].address);
        at += n > 0 && (size_t)n < sizeof list - at ? (size_t)n : 0;
    }
    if (at > 0) {
        o->state = SH_CONTROL_NOT_MET;
        en(o, "in clear and reached from other machines: %s", list);
        zh(o, "明文且可从其他机器访问：%s", list);
        return;
    }
    tell(o, SH_CONTROL_MET, "nothing listens in clear beyond this machine",
         "没有对外的明文监听地址");
}

void judge_listeners(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char list[240] = "";
    size_t at = 0;
    for (size_t i = 0; i < f->nlisteners; i++) {
        const int n = snprintf(list + at, sizeof list - at, "%s%s %s", at > 0 ? ", " : "",
                               f->listeners[i].key, f->listeners[i].address);
        at += n > 0 && (size_t)n < sizeof list - at ? (size_t)n : 0;
    }
    o->state = SH_CONTROL_MET;
    en(o, "%zu listeners: %s", f->nlisteners, list);
    zh(o, "监听地址 %zu 个：%s", f->nlisteners, list);
}

static bool uses_tls(const struct sh_security_facts *f)
{
    bool any = false;
    for (size_t i = 0; i < f->nlisteners; i++) {
        any = any || f->listeners[i].tls;
    }
    return any;
}

void judge_tls_version(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (!uses_tls(f)) {
        tell(o, SH_CONTROL_NONE, "nothing listens over TLS", "没有 TLS 监听地址");
        return;
    }
    tell(o, SH_CONTROL_MET, "TLS 1.2 and 1.3 only, with forward secrecy and AEAD suites",
         "仅 TLS 1.2 和 1.3，均具前向保密，仅用 AEAD 套件");
}

void judge_certificate(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    if (!uses_tls(f)) {
        tell(o, SH_CONTROL_NONE, "nothing listens over TLS", "没有 TLS 监听地址");
        return;
    }
    if (f->certificate_us == 0) {
        tell(o, SH_CONTROL_NOT_MET, "the server's certificate cannot be read",
             "服务器证书无法读取");
        return;
    }
    const long long left = days(f->certificate_us - f->now_us);
    o->state = good_or(!f->certificate_own, SH_CONTROL_PART);
    if (f->certificate_us <= f->now_us) {
        o->state = SH_CONTROL_NOT_MET;
    } else if (left < CERTIFICATE_SOON_DAYS) {
        o->state = SH_CONTROL_PART;
    }
    en(o, "%s, ends %s (in %lld days)", f->certificate_own ? "self-signed" : "of an authority",
       when(f->certificate_us, t), left);
    zh(o, "%s，%s 到期（剩余 %lld 天）", f->certificate_own ? "自签名" : "由证书机构签发",
       when(f->certificate_us, t), left);
}

void judge_zones(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_NONE, "firewalls, zones and one-way gates are the plant's network",
         "防火墙、分区与单向隔离由现场网络实现");
}

/* ---- data ---- */

void judge_key_files(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (!f->files.known) {
        tell(o, SH_CONTROL_NOT_MET, "keys/ cannot be read", "keys/ 无法读取");
        return;
    }
    o->state = good_or(f->files.open_keys == 0, SH_CONTROL_NOT_MET);
    if (f->files.open_keys == 0) {
        en(o, "%u files in keys/, none with rights for others", f->files.keys);
        zh(o, "keys/ 内 %u 个文件，均仅所有者可访问", f->files.keys);
        return;
    }
    en(o, "%u of %u files in keys/ are open to others, among them %s", f->files.open_keys,
       f->files.keys, f->files.open_key);
    zh(o, "keys/ 内 %u/%u 个文件对他人开放，例如 %s", f->files.open_keys, f->files.keys,
       f->files.open_key);
}

void judge_data_folder(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const unsigned others = f->files.dir_mode & 07U;
    const unsigned group = f->files.dir_mode & 070U;
    o->state = SH_CONTROL_MET;
    if (group != 0 || !f->files.dir_own) {
        o->state = SH_CONTROL_PART;
    }
    if (others != 0 || !f->files.known) {
        o->state = SH_CONTROL_NOT_MET;
    }
    en(o, "mode %04o, %s", f->files.dir_mode,
       f->files.dir_own ? "owned by the service's user" : "owned by another user or by root");
    zh(o, "权限 %04o，%s", f->files.dir_mode,
       f->files.dir_own ? "属于服务用户" : "属于其他用户或 root");
}

void judge_secrets_at_rest(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const bool sm4 = f->guard.box == SH_BOX_SM4;
    o->state = SH_CONTROL_MET;
    en(o,
       "passwords argon2id; tokens, sessions and device secrets as HMAC; other secrets and "
       "private keys %s",
       sm4 ? "SM4-CTR with HMAC-SM3" : "AES-256-GCM");
    zh(o, "密码用 argon2id；令牌、会话、设备密钥仅存 HMAC；其他机密与私钥用 %s",
       sm4 ? "SM4-CTR 加 HMAC-SM3" : "AES-256-GCM");
}

void judge_master_key(const struct sh_security_facts *f, struct sh_control_found *o)
{
    switch (f->guard.master) {
    case SH_MASTER_PKCS11:
        tell(o, SH_CONTROL_MET, "the master key is in a PKCS #11 module",
             "主密钥在密码模块（PKCS #11）中");
        return;
    case SH_MASTER_ENVIRONMENT:
        tell(o, SH_CONTROL_PART, "the master key comes from the environment, beside the data",
             "主密钥来自环境变量，与数据分开存放");
        return;
    case SH_MASTER_FILE:
        tell(o, SH_CONTROL_PART, "the master key is a file; who has the whole folder has it",
             "主密钥为文件：取得整个数据目录者即可取得密钥");
        return;
    }
}

void judge_key_age(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    const long long age = days(f->now_us - f->guard.key_us);
    if (f->guard.key_us == 0) {
        tell(o, SH_CONTROL_PART, "the key in use was made before its time was kept",
             "当前密钥的启用时间未知");
        return;
    }
    o->state = good_or(age <= KEY_DAYS, SH_CONTROL_PART);
    en(o, "the key in use was made %s, %lld days ago", when(f->guard.key_us, t), age);
    zh(o, "当前密钥于 %s 启用（%lld 天前）", when(f->guard.key_us, t), age);
}

void judge_key_sheet(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (f->guard.sheet) {
        tell(o, SH_CONTROL_MET, "a recovery sheet was printed", "已打印密钥恢复单");
    } else {
        tell(o, SH_CONTROL_PART, "no recovery sheet: without the master key secrets are lost",
             "尚无密钥恢复单：主密钥丢失则机密无法恢复");
    }
}

void judge_data_classes(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const struct sh_guard_security *g = &f->guard;
    if (!f->classes.known) {
        tell(o, SH_CONTROL_PART, "seen while the node runs only: GET /api/v1/security",
             "仅在节点运行时可查：GET /api/v1/security");
        return;
    }
    const bool above = f->classes.important + f->classes.core > 0;
    o->state =
        good_or(f->classes.unclassed == 0 && f->classes.models > 0 && (!above || g->limited > 0),
                SH_CONTROL_PART);
    en(o,
       "points: %llu important, %llu core; %u of %u thing models say no class; %u of %u roles that "
       "read history do not see every class",
       (unsigned long long)f->classes.important, (unsigned long long)f->classes.core,
       f->classes.unclassed, f->classes.models, g->limited, g->readers);
    zh(o,
       "重要点位 %llu 个、核心点位 %llu 个；%u 个物模型未分类（共 %u 个）；可查历史的角色 %u 个限定"
       "了查看级别（共 %u 个）",
       (unsigned long long)f->classes.important, (unsigned long long)f->classes.core,
       f->classes.unclassed, f->classes.models, g->limited, g->readers);
}

void judge_samples_at_rest(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_PART, "samples and records are not encrypted by the program",
         "样本与业务记录未由程序加密存储");
}

void judge_algorithms(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (f->guard.box == SH_BOX_SM4) {
        tell(o, SH_CONTROL_PART, "secrets at rest by SM4 and SM3; TLS by international algorithms",
             "机密存储使用 SM4、SM3；传输使用国际算法，不支持 TLCP");
        return;
    }
    tell(o, SH_CONTROL_NOT_MET, "TLS and storage use international algorithms; no TLCP",
         "传输与存储使用国际算法；不支持 TLCP");
}

void judge_integrity(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_MET,
         "CRC-32C on every block and journal record; damaged parts are set aside and named",
         "每个数据块与日志记录均有 CRC-32C；损坏部分隔离并指明");
}

/* ---- audit ---- */

void judge_chain(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    const unsigned long long n = (unsigned long long)f->audit.entries;
    if (f->audit.text[0] == '\0') {
        tell(o, SH_CONTROL_NOT_MET, "the chain could not be read", "审计链无法读取");
        return;
    }
    o->state = good_or(f->audit_good && f->audit.sealed, SH_CONTROL_NOT_MET);
    if (f->audit_good) {
        en(o, "proved whole up to entry %llu on %s%s", n, when(f->audit_us, t),
           f->audit.sealed ? ", sealed by the node key" : ", not sealed");
        zh(o, "已核验至第 %llu 条（%s），%s", n, when(f->audit_us, t),
           f->audit.sealed ? "由节点密钥封存" : "未封存");
        return;
    }
    en(o, "%.250s", f->audit.text);
    zh(o, "第 %llu 条起不完整（%s 核验）", (unsigned long long)f->audit.first_bad,
       when(f->audit_us, t));
}

void judge_checkpoint(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    const int64_t at = f->guard.checkpoint_us;
    const unsigned long long n = (unsigned long long)f->guard.checkpoint_seq;
    if (at == 0) {
        tell(o, SH_CONTROL_PART, "none was made yet: the first comes an hour after the start",
             "尚未生成：首个检查点在启动一小时后生成");
        return;
    }
    const bool soon = !f->running || f->audit.entries <= n + 1 || f->now_us - at < DAY_US;
    o->state = good_or(soon, SH_CONTROL_NOT_MET);
    en(o, "the newest of %s is signed over entry %llu", when(at, t), n);
    zh(o, "最近一次（%s）签名至第 %llu 条", when(at, t), n);
}

void judge_audit_kept(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const unsigned long long n = (unsigned long long)f->audit.entries;
    const double mib = (double)f->audit.bytes / (1 << 20);
    o->state = SH_CONTROL_MET;
    en(o, "entries are kept for ever, nothing removes one: %llu entries, %.1f MiB", n, mib);
    zh(o, "永久保存，没有任何功能可删除审计记录：%llu 条，%.1f MiB", n, mib);
}

void judge_audit_lost(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const unsigned long long n = (unsigned long long)f->audit_dropped;
    if (!f->running) {
        tell(o, SH_CONTROL_NONE, "counted while the node runs", "运行时才计数");
        return;
    }
    o->state = good_or(n == 0, SH_CONTROL_NOT_MET);
    en(o, "%llu entries were lost since the start", n);
    zh(o, "启动以来丢失 %llu 条", n);
}

void judge_audit_forward(const struct sh_security_facts *f, struct sh_control_found *o)
{
    const unsigned long long lag = (unsigned long long)f->forward.lag;
    if (!f->forward.on) {
        tell(o, SH_CONTROL_PART,
             "audit.syslog is empty: nothing is sent by itself; GET /api/v1/audit gives it out",
             "audit.syslog 为空：不会自动转发；可由 GET /api/v1/audit 取走");
        return;
    }
    const bool safe = f->forward.tls || f->forward.loopback;
    const bool arrives = !f->running || (f->forward.connected && lag < FORWARD_LAG);
    o->state = good_or(arrives, SH_CONTROL_NOT_MET);
    o->state = arrives && !safe ? SH_CONTROL_PART : o->state;
    en(o, "audit.syslog = %s, %s", f->forward.where, f->forward.tls ? "over TLS" : "in clear");
    zh(o, "audit.syslog = %s，%s", f->forward.where, f->forward.tls ? "TLS 加密" : "明文");
    if (f->running) {
        en(o, "audit.syslog = %s, %s: %s, %llu entries wait", f->forward.where,
           f->forward.tls ? "over TLS" : "in clear",
           f->forward.connected ? "connected" : "not connected", lag);
        zh(o, "audit.syslog = %s，%s：%s，%llu 条待发", f->forward.where,
           f->forward.tls ? "TLS 加密" : "明文", f->forward.connected ? "已连接" : "未连接", lag);
    }
}

void judge_clock_kept(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (!f->process.clock_known) {
        tell(o, SH_CONTROL_NONE, "the kernel does not tell whether the clock is kept",
             "内核未提供时钟同步状态");
        return;
    }
    o->state = good_or(f->process.clock_good, SH_CONTROL_NOT_MET);
    en(o, "the kernel says the clock is %s", f->process.clock_good ? "synchronised" : "not kept");
    zh(o, "内核报告时钟%s", f->process.clock_good ? "已同步" : "未同步");
}

/* ---- availability ---- */

void judge_backup_age(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    if (!f->backup.configured) {
        tell(o, SH_CONTROL_NOT_MET, "backup.dir is empty: no backups are made",
             "backup.dir 为空：没有备份");
        return;
    }
    if (f->backup.newest_us == 0) {
        tell(o, SH_CONTROL_NOT_MET, "there is no backup yet", "还没有备份");
        return;
    }
    const long long age = days(f->now_us - f->backup.newest_us);
    o->state = good_or(age < BACKUP_OLD_DAYS && f->backup.every_us > 0, SH_CONTROL_PART);
    en(o, "the newest is of %s (%lld days old), %s, %s keys", when(f->backup.newest_us, t), age,
       f->backup.every_us > 0 ? "made by the clock" : "made by hand only",
       f->backup.keys ? "with" : "without");
    zh(o, "最近一次 %s（%lld 天前），%s，%s密钥", when(f->backup.newest_us, t), age,
       f->backup.every_us > 0 ? "定时备份" : "仅手动备份", f->backup.keys ? "含" : "不含");
}

void judge_rehearsal(const struct sh_security_facts *f, struct sh_control_found *o)
{
    char t[40];
    if (f->backup.rehearsed_us == 0) {
        tell(o, SH_CONTROL_NOT_MET, "no backup was restored on trial", "没有做过恢复演练");
        return;
    }
    const long long age = days(f->now_us - f->backup.rehearsed_us);
    o->state = good_or(age < REHEARSAL_OLD_DAYS, SH_CONTROL_PART);
    if (!f->backup.rehearsal_good) {
        o->state = SH_CONTROL_NOT_MET;
    }
    en(o, "%s on %s (%lld days ago)", f->backup.rehearsal_good ? "passed" : "failed",
       when(f->backup.rehearsed_us, t), age);
    zh(o, "%s，%s（%lld 天前）", f->backup.rehearsal_good ? "通过" : "未通过",
       when(f->backup.rehearsed_us, t), age);
}

void judge_disk_marks(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (!f->disk.known) {
        tell(o, SH_CONTROL_NONE, "measured while the node runs", "运行时才测量");
        return;
    }
    o->state = good_or(f->disk.percent < f->disk.warn, SH_CONTROL_PART);
    if (f->disk.percent >= f->disk.stop) {
        o->state = SH_CONTROL_NOT_MET;
    }
    en(o, "%.1f %% used; warns at %u, acts at %u, refuses at %u", f->disk.percent, f->disk.warn,
       f->disk.act, f->disk.stop);
    zh(o, "已用 %.1f%%；%u%% 报警，%u%% 处理，%u%% 拒收", f->disk.percent, f->disk.warn,
       f->disk.act, f->disk.stop);
}

void judge_overload(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_MET, "queues, bodies, connections and rates are bounded; quotas per tenant",
         "队列、请求体、连接数与速率均有上限；按租户配额");
}

void judge_redundancy(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_NOT_MET, "one node; no pair", "单节点；没有热备");
}

/* ---- the process ---- */

static bool off_line(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (!f->process.known) {
        tell(o, SH_CONTROL_NONE, "seen while the node runs only", "仅在运行时可见");
    }
    return !f->process.known;
}

void judge_not_root(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (off_line(f, o)) {
        return;
    }
    o->state = good_or(!f->process.root, SH_CONTROL_NOT_MET);
    en(o, "%s", f->process.root ? "runs as root" : "runs as a user of its own");
    zh(o, "%s", f->process.root ? "以 root 运行" : "以普通用户运行");
}

void judge_new_privileges(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (off_line(f, o)) {
        return;
    }
    o->state = good_or(f->process.no_new_privileges, SH_CONTROL_NOT_MET);
    en(o, "NoNewPrivs: %d", f->process.no_new_privileges ? 1 : 0);
    zh(o, "NoNewPrivs：%d", f->process.no_new_privileges ? 1 : 0);
}

void judge_capabilities(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (off_line(f, o)) {
        return;
    }
    o->state = good_or(f->process.capabilities == 0, SH_CONTROL_NOT_MET);
    en(o, "effective capabilities %016llx", (unsigned long long)f->process.capabilities);
    zh(o, "有效能力集 %016llx", (unsigned long long)f->process.capabilities);
}

void judge_seccomp(const struct sh_security_facts *f, struct sh_control_found *o)
{
    static const char *const modes[] = {"off", "strict", "filter"};
    if (off_line(f, o)) {
        return;
    }
    const int mode = f->process.seccomp < 0 || f->process.seccomp > 2 ? 0 : f->process.seccomp;
    o->state = good_or(mode != 0, SH_CONTROL_NOT_MET);
    en(o, "Seccomp: %d (%s)", mode, modes[mode]);
    zh(o, "Seccomp：%d（%s）", mode, modes[mode]);
}

void judge_core_dumps(const struct sh_security_facts *f, struct sh_control_found *o)
{
    if (off_line(f, o)) {
        return;
    }
    o->state = good_or(!f->process.core_dumps, SH_CONTROL_PART);
    en(o, "a crash %s a core file, which would hold keys",
       f->process.core_dumps ? "may leave" : "leaves no");
    zh(o, "崩溃时%s核心转储（其中会有密钥）", f->process.core_dumps ? "可能生成" : "不生成");
}

/* ---- the program ---- */

void judge_input(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_MET, "every decoder of outside bytes is strict, bounded and fuzzed",
         "所有外部输入解析器均严格、有界并经模糊测试");
}

void judge_web(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_MET,
         "content security policy with nonces, CSRF token and Origin, SameSite=Strict cookie",
         "内容安全策略（nonce）、CSRF 令牌与 Origin 校验、SameSite=Strict Cookie");
}

void judge_read_only(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_PART,
         "devices are read-only until a right, a reason and an end are given; no second approval",
         "设备默认只读，开放写入须有权限、原因和期限；没有双人审批");
}

void judge_tenants(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_MET, "denied by default; another tenant sees nothing",
         "默认拒绝；租户之间互不可见");
}

void judge_updates(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_NOT_MET, "packages are not signed by the project", "安装包未由项目签名");
}

void judge_malware(const struct sh_security_facts *f, struct sh_control_found *o)
{
    SH_UNUSED(f);
    tell(o, SH_CONTROL_NONE, "the program runs no code that comes with data; the host's scanner",
         "程序不执行数据中的代码；由主机防护软件负责");
}
