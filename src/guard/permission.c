/* The table of permissions and the builtin roles.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/permission.h>

static const struct sh_permission_info table[SH_PERMISSIONS] = {
    [SH_PERM_OVERVIEW_READ] = {"overview.read", "see the overview", "查看总览"},
    [SH_PERM_DEVICES_READ] = {"devices.read", "see devices", "查看设备"},
    [SH_PERM_DEVICES_WRITE] = {"devices.write", "change devices", "修改设备"},
    [SH_PERM_DEVICES_COMMAND] = {"devices.command", "send commands to devices", "向设备下发命令"},
    [SH_PERM_DEVICES_ENABLE_WRITE] = {"devices.enable_write", "make a device writable",
                                      "开启设备写入"},
    [SH_PERM_THINGS_READ] = {"things.read", "see thing models", "查看物模型"},
    [SH_PERM_THINGS_WRITE] = {"things.write", "change thing models", "修改物模型"},
    [SH_PERM_ASSETS_READ] = {"assets.read", "see the asset tree", "查看资产"},
    [SH_PERM_ASSETS_WRITE] = {"assets.write", "change the asset tree", "修改资产"},
    [SH_PERM_CHANNELS_READ] = {"channels.read", "see channels", "查看通道"},
    [SH_PERM_CHANNELS_WRITE] = {"channels.write", "change channels", "修改通道"},
    [SH_PERM_POINTS_READ] = {"points.read", "see points", "查看点位"},
    [SH_PERM_POINTS_WRITE] = {"points.write", "change points", "修改点位"},
    [SH_PERM_HISTORY_READ] = {"history.read", "read the history", "查询历史"},
    [SH_PERM_HISTORY_CORRECT] = {"history.correct", "correct or delete history", "更正或删除历史"},
    [SH_PERM_HISTORY_ANNOTATE] = {"history.annotate", "write notes on the history", "标注历史"},
    [SH_PERM_HISTORY_EXPORT] = {"history.export", "export data classed above general",
                                "导出一般级以上的数据"},
    [SH_PERM_DATA_CLASSIFY] = {"data.classify", "lower the class of data", "调低数据分类分级"},
    [SH_PERM_INGEST_WRITE] = {"ingest.write", "send samples", "写入数据"},
    [SH_PERM_INGEST_PROVISION] = {"ingest.provision", "make devices by sending samples",
                                  "写入时自动建设备"},
    [SH_PERM_INGEST_GATEWAY] = {"ingest.gateway", "speak for other devices", "代其他设备上报"},
    [SH_PERM_DASHBOARDS_READ] = {"dashboards.read", "see dashboards", "查看仪表板"},
    [SH_PERM_DASHBOARDS_WRITE] = {"dashboards.write", "make and change dashboards",
                                  "新建和修改仪表板"},
    [SH_PERM_RECORDS_READ] = {"records.read", "see records", "查看业务记录"},
    [SH_PERM_RECORDS_WRITE] = {"records.write", "change records", "修改业务记录"},
    [SH_PERM_RECORDS_DELETE] = {"records.delete", "delete records", "删除业务记录"},
    [SH_PERM_TYPES_READ] = {"types.read", "see record types", "查看记录类型"},
    [SH_PERM_TYPES_WRITE] = {"types.write", "change record types", "修改记录类型"},
    [SH_PERM_FLOWS_READ] = {"flows.read", "see flows", "查看规则流"},
    [SH_PERM_FLOWS_WRITE] = {"flows.write", "change flows", "修改规则流"},
    [SH_PERM_MODELS_READ] = {"models.read", "see models", "查看机理模型"},
    [SH_PERM_MODELS_WRITE] = {"models.write", "change models", "修改机理模型"},
    [SH_PERM_APPS_READ] = {"apps.read", "see apps", "查看应用"},
    [SH_PERM_APPS_WRITE] = {"apps.write", "install and change apps", "安装和修改应用"},
    [SH_PERM_MQTT_CONNECT] = {"mqtt.connect", "connect by MQTT", "MQTT 连接"},
    [SH_PERM_MQTT_ANY_TOPIC] = {"mqtt.any_topic", "use any MQTT topic", "使用任意 MQTT 主题"},
    [SH_PERM_MQTT_SYS] = {"mqtt.sys", "read $SYS topics", "读取 $SYS 主题"},
    [SH_PERM_TENANTS_READ] = {"tenants.read", "see tenants", "查看租户"},
    [SH_PERM_TENANTS_WRITE] = {"tenants.write", "change tenants and quotas", "修改租户和配额"},
    [SH_PERM_PEOPLE_READ] = {"people.read", "see people", "查看人员"},
    [SH_PERM_PEOPLE_WRITE] = {"people.write", "change people", "修改人员"},
    [SH_PERM_ROLES_READ] = {"roles.read", "see roles", "查看角色"},
    [SH_PERM_ROLES_WRITE] = {"roles.write", "change roles", "修改角色"},
    [SH_PERM_RIGHTS_GRANT] = {"rights.grant", "give others rights that one does not hold",
                              "授予他人自己没有的权限"},
    [SH_PERM_TOKENS_READ] = {"tokens.read", "see tokens", "查看令牌"},
    [SH_PERM_TOKENS_WRITE] = {"tokens.write", "make and revoke tokens", "创建和吊销令牌"},
    [SH_PERM_AUDIT_READ] = {"audit.read", "read the audit chain", "查看审计"},
    [SH_PERM_CONFIG_READ] = {"config.read", "see the configuration", "查看配置"},
    [SH_PERM_CONFIG_WRITE] = {"config.write", "change the configuration", "修改配置"},
    [SH_PERM_CONFIG_SECURITY] = {"config.security", "change security settings", "修改安全设置"},
    [SH_PERM_METRICS_READ] = {"metrics.read", "read metrics", "读取运行指标"},
    [SH_PERM_BACKUP_RUN] = {"backup.run", "back up and restore", "备份和恢复"},
};

const struct sh_permission_info *sh_permission_info(enum sh_permission p)
{
    return &table[p];
}

bool sh_permission_find(struct sh_str name, enum sh_permission *out)
{
    for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
        if (sh_str_eqc(name, table[i].name)) {
            *out = (enum sh_permission)i;
            return true;
        }
    }
    return false;
}

uint64_t sh_permission_bits(struct sh_str pattern)
{
    const bool any = sh_str_eqc(pattern, "*");
    const bool noun = sh_str_ends(pattern, SH_STR(".*"));
    const struct sh_str head = noun ? sh_str_sub(pattern, 0, pattern.n - 1) : pattern;
    uint64_t bits = 0;
    for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
        const struct sh_str name = sh_str_c(table[i].name);
        if (any || (noun ? sh_str_starts(name, head) : sh_str_eq(name, head))) {
            bits |= sh_permission_bit((enum sh_permission)i);
        }
    }
    return bits;
}

static const char *const in_part[] = {
    "overview.read", "devices.*", "assets.read", "points.*", "history.*", NULL,
};
static const char *const beside_part[] = {"things.read", "dashboards.*", NULL};

static uint64_t bits_of(const char *const *patterns)
{
    uint64_t bits = 0;
    for (; *patterns != NULL; patterns++) {
        bits |= sh_permission_bits(sh_str_c(*patterns));
    }
    return bits;
}

uint64_t sh_permissions_in_part(void)
{
    return bits_of(in_part);
}

uint64_t sh_permissions_beside_part(void)
{
    return bits_of(beside_part);
}

static const char *const administrator[] = {"*", NULL};
static const char *const engineer[] = {
    "overview.read", "devices.*",   "things.*",     "assets.*",     "channels.*",
    "points.*",      "history.*",   "ingest.*",     "dashboards.*", "records.*",
    "types.*",       "flows.*",     "models.*",     "apps.read",    "mqtt.*",
    "tokens.*",      "config.read", "metrics.read", NULL,
};
static const char *const operators[] = {
    "overview.read", "devices.read",     "devices.command",
    "things.read",   "assets.read",      "channels.read",
    "points.read",   "history.read",     "records.read",
    "records.write", "types.read",       "flows.read",
    "models.read",   "apps.read",        "mqtt.connect",
    "dashboards.*",  "history.annotate", NULL,
};
static const char *const viewer[] = {
    "overview.read", "devices.read", "things.read",  "assets.read",     "channels.read",
    "points.read",   "history.read", "records.read", "types.read",      "flows.read",
    "models.read",   "apps.read",    "mqtt.connect", "dashboards.read", NULL,
};
static const char *const auditor[] = {
    "overview.read", "audit.read",  "people.read",  "roles.read", "tokens.read",
    "tenants.read",  "config.read", "metrics.read", NULL,
};
/* Of the three administrators; the third is the auditor. */
static const char *const system_administrator[] = {
    "overview.read", "config.read", "config.write", "tenants.*", "backup.run",
    "metrics.read",  "people.read", "roles.read",   "mqtt.sys",  NULL,
};
static const char *const security_administrator[] = {
    "overview.read", "people.*",    "roles.*",         "rights.grant",  "tokens.*",
    "tenants.read",  "config.read", "config.security", "data.classify", NULL,
};
static const char *const device[] = {"ingest.write", "mqtt.connect", NULL};
static const char *const ingest[] = {"ingest.write", "ingest.provision", "ingest.gateway",
                                     "mqtt.connect", NULL};
static const char *const anonymous[] = {"mqtt.connect", "mqtt.any_topic", NULL};

static const struct sh_builtin_role roles[] = {
    {"administrator", "may do everything in its tenant and below",
     "在本租户及下级租户内可做一切操作", administrator},
    {"engineer", "connects devices, builds models and flows", "接入设备，建立模型和规则流",
     engineer},
    {"operator", "watches and operates the plant", "监视和操作现场", operators},
    {"viewer", "sees devices, history and records", "查看设备、历史和业务记录", viewer},
    {"auditor", "reads the audit chain and who may do what", "查看审计和权限设置", auditor},
    {"system_administrator", "runs the node: configuration, tenants, backups",
     "系统管理员：配置、租户与备份", system_administrator},
    {"security_administrator", "people, roles and tokens; gives rights, never to oneself",
     "安全管理员：人员、角色、令牌与授权（不能给自己授权）", security_administrator},
    {"device", "sends its own samples", "上报本设备的数据", device},
    {"ingest", "sends samples of any device and makes devices", "上报任意设备的数据并自动建设备",
     ingest},
    {"anonymous", "plain messaging without signing in", "不登录的普通消息", anonymous},
    {NULL, NULL, NULL, NULL},
};

const struct sh_builtin_role *sh_builtin_roles(void)
{
    return roles;
}

uint64_t sh_builtin_role_bits(struct sh_str name)
{
    for (const struct sh_builtin_role *r = roles; r->name != NULL; r++) {
        if (sh_str_eqc(name, r->name)) {
            return bits_of(r->permissions);
        }
    }
    return 0;
}
