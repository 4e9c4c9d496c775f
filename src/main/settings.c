/* settings.c - the configuration: file, then what was set in the console, then environment, then
 * --set; and whether its values go together.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/remote.h>

#include "main_int.h"

enum { CONFIG_MAX = 1 << 20 };

void settings_print(void *ctx, const struct sh_diag *d)
{
    (*(unsigned *)ctx)++;
    (void)fprintf(stderr, "songhua: %s", d->path);
    if (d->line > 0) {
        (void)fprintf(stderr, ":%d", d->line);
    }
    (void)fprintf(stderr, ": %s", d->message);
    if (d->remedy[0] != '\0') {
        (void)fprintf(stderr, " (%s)", d->remedy);
    }
    (void)fputc('\n', stderr);
}

sh_err settings_read(const struct sh_env *env, const char *file, struct sh_str *text)
{
    *text = (struct sh_str){NULL, 0};
    return file == NULL ? SH_OK : sh_fs_read_all(env->fs, env->alloc, file, CONFIG_MAX, text);
}

/* What is not valid is told and left out: an error is a lack of memory. */
static sh_err no_memory_only(sh_err err)
{
    return err == SH_E_NOMEM ? err : SH_OK;
}

sh_err settings_build(const struct sh_env *env, const struct settings_from *from,
                      sh_config_problem *fn, void *ctx, struct sh_config **out)
{
    struct sh_config *c = NULL;
    SH_TRY(sh_config_new(env, node_keys, &c));
    sh_err err = no_memory_only(sh_config_text(c, from->text, from->file, fn, ctx));
    if (err == SH_OK) {
        err = no_memory_only(sh_config_environ(c, from->environ_vars, fn, ctx));
    }
    for (size_t i = 0; err == SH_OK && i < from->nsets; i++) {
        err =
            no_memory_only(sh_config_set(c, sh_str_c(from->sets[i]), SH_CONFIG_FROM_SET, fn, ctx));
    }
    if (err != SH_OK) {
        sh_config_free(c);
        return err;
    }
    *out = c;
    return SH_OK;
}

struct sh_config *node_config(const struct sh_env *env, const char *file, char *const *sets,
                              size_t nsets, char **environ_vars, unsigned *bad)
{
    struct sh_config *c = NULL;
    struct settings_from from = {
        .file = file, .sets = sets, .nsets = nsets, .environ_vars = environ_vars};
    *bad = 0;
    const sh_err read = settings_read(env, file, &from.text);
    if (read != SH_OK) {
        (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", file, sh_err_name(read));
        (*bad)++;
    }
    const sh_err err = settings_build(env, &from, settings_print, bad, &c);
    sh_str_free(env->alloc, &from.text);
    return err == SH_OK ? c : NULL;
}

/* ---- do they go together? ---- */

static void tell(settings_fault_fn *fn, void *ctx, const char *key, const char *code,
                 const char *const words[4])
{
    const struct settings_fault f = {key, code, words[0], words[1], words[2], words[3]};
    fn(ctx, &f);
}

static void judge_disk(const struct sh_config *c, settings_fault_fn *fn, void *ctx)
{
    static const char *const words[] = {
        "the marks are not in the order disk.warn, disk.act, disk.stop",
        "三个界限应依次为 disk.warn ≤ disk.act ≤ disk.stop",
        "let each be at least as large as the one before", "调整数值，使后一个不小于前一个"};
    const int64_t act = sh_config_int(c, "disk.act");
    if (sh_config_int(c, "disk.warn") > act || act > sh_config_int(c, "disk.stop")) {
        tell(fn, ctx, "disk.act", "disk_marks", words);
    }
}

static void judge_backup(const struct sh_config *c, settings_fault_fn *fn, void *ctx)
{
    static const char *const time[] = {"not a time of day", "不是一天中的时刻",
                                       "write it like 02:30, or leave it empty",
                                       "写作 02:30 这样的形式，或留空"};
    static const char *const inside[] = {"the folder lies in the data folder",
                                         "该文件夹位于数据文件夹之内",
                                         "name a folder outside of it, best on another disk",
                                         "请指定数据文件夹之外的文件夹，最好在另一块磁盘上"};
    static const char *const relative[] = {"not an absolute path", "不是绝对路径",
                                           "write the whole path from / on",
                                           "请写出以 / 开头的完整路径"};
    static const char *const url[] = {"not the address of a folder on an SFTP server",
                                      "不是 SFTP 服务器上的目录地址",
                                      "write it as sftp://user@host:22/folder, without a password",
                                      "写作 sftp://用户@主机:22/目录，不要包含密码"};
    static const char *const key[] = {
        "not a host key", "不是主机密钥",
        "write the fingerprint, SHA256:..., or the server's line of known_hosts",
        "填写指纹（SHA256:…）或 known_hosts 中该服务器的一行"};
    if (sh_remote_url_check(sh_config_get(c, "backup.sftp"), NULL) != SH_OK) {
        tell(fn, ctx, "backup.sftp", "backup_sftp", url);
    }
    if (sh_remote_host_key_check(sh_config_get(c, "backup.sftp_host_key"), NULL) != SH_OK) {
        tell(fn, ctx, "backup.sftp_host_key", "backup_host_key", key);
    }
    const struct sh_str folder = sh_config_get(c, "backup.dir");
    const struct sh_str data = sh_config_get(c, "data");
    if (!keeper_time_ok(sh_config_get(c, "backup.at"))) {
        tell(fn, ctx, "backup.at", "backup_time", time);
    }
    if (sh_config_source(c, "backup.dir") == SH_CONFIG_FROM_CONSOLE && folder.n > 0 &&
        folder.p[0] != '/') {
        tell(fn, ctx, "backup.dir", "backup_relative", relative);
    } else if (folder.n > 0 && data.n > 0 && node_backup_inside(data.p, folder.p)) {
        tell(fn, ctx, "backup.dir", "backup_inside", inside);
    }
}

static void judge_addresses(const struct sh_config *c, settings_fault_fn *fn, void *ctx)
{
    static const char *const words[] = {
        "not an address of this machine with a port", "不是本机地址加端口的形式",
        "write 127.0.0.1:8080, 0.0.0.0:8080, [::]:8080, or leave it "
        "empty",
        "写作 127.0.0.1:8080、0.0.0.0:8080、[::]:8080，或留空"};
    for (const struct sh_config_key *k = sh_config_keys(c); k->name != NULL; k++) {
        struct sh_addr a;
        const struct sh_str s = sh_config_get(c, k->name);
        if (k->type == SH_CONFIG_LISTEN && s.n > 0 && sh_addr_parse(s, &a) != SH_OK) {
            tell(fn, ctx, k->name, "address", words);
        }
    }
}

static void judge_outside(const struct sh_config *c, settings_fault_fn *fn, void *ctx)
{
    static const char *const url[] = {"not a web address", "不是网址",
                                      "write http://host:port as devices reach this node, or leave "
                                      "it empty",
                                      "写作设备访问本节点的 http://主机:端口，或留空"};
    static const char *const syslog[] = {
        "not host:port", "不是 主机:端口 的形式",
        "write the receiver's address, e.g. logs.plant.cn:6514, or "
        "leave it empty",
        "写作接收方的地址，例如 logs.plant.cn:6514，或留空"};
    static const char *const reached[] = {
        "not a web address", "不是网址",
        "write https://host:port as browsers reach the console, or leave it empty",
        "写作浏览器访问控制台的 https://主机:端口，或留空"};
    static const char *const ranges[] = {"not a list of addresses and ranges", "不是地址或网段列表",
                                         "write 10.1.2.3,10.8.0.0/16,fd00::/8 or leave it empty",
                                         "写作 10.1.2.3,10.8.0.0/16,fd00::/8，或留空"};
    struct sh_guard_settings s = sh_guard_settings_default();
    static const char *const map[] = {
        "not an address of map tiles", "不是地图瓦片地址",
        "write http(s)://host[:port]/... or /... with {z}, {x} and {y} in it, or leave it empty",
        "写作 http(s)://主机[:端口]/… 或 /…，其中包含 {z}、{x}、{y}；或留空"};
    const struct sh_str tiles = sh_config_get(c, "console.map_tiles");
    if (tiles.n > 0 && !sh_api_tiles_ok(tiles, NULL)) {
        tell(fn, ctx, "console.map_tiles", "map_tiles", map);
    }
    const struct sh_str where = sh_config_get(c, "audit.syslog");
    const struct sh_str browsers = sh_config_get(c, "signin.url");
    const bool url_ok = browsers.n == 0 || sh_cert_url_ok(browsers);
    const bool list_ok = sh_net_list_ok(sh_config_get(c, "signin.allow"));
    if (!url_ok) {
        tell(fn, ctx, "signin.url", "signin_url", reached);
    }
    if (!list_ok) {
        tell(fn, ctx, "signin.allow", "signin_allow", ranges);
    }
    if (url_ok && list_ok && node_guard_settings(c, &s, NULL) != SH_OK) {
        tell(fn, ctx, "pki.url", "pki_url", url);
    }
    if (where.n > 0 && !forward_where_ok(where)) {
        tell(fn, ctx, "audit.syslog", "syslog", syslog);
    }
}

void settings_judge(const struct sh_config *c, settings_fault_fn *fn, void *ctx)
{
    judge_addresses(c, fn, ctx);
    judge_disk(c, fn, ctx);
    judge_backup(c, fn, ctx);
    judge_outside(c, fn, ctx);
}
