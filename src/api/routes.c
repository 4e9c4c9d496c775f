/* routes.c - the one table of routes: it routes, checks permissions, and documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define V1 "/api/v1/"
#define EST "/.well-known/est/"
#define PROM V1 "prom/api/v1/"
#define OBJ "{\"type\":\"object\"}"
#define ARR "{\"type\":\"array\"}"
#define TEXT "{\"type\":\"string\"}"
#define LIST "limit,cursor,q,sort"
#define FILTER "state,thing,asset,label,archived,data_class"
#define ADMIN                                                                                      \
    "{\"type\":\"object\",\"required\":[\"name\",\"password\"],\"properties\":{\"name\":{"         \
    "\"type\":"                                                                                    \
    "\"string\"},\"password\":{\"type\":\"string\"},\"display\":{\"type\":\"string\"}}}"
#define REASON                                                                                     \
    "{\"type\":\"object\",\"required\":[\"reason\"],\"properties\":{\"reason\":" TEXT "}}"
#define IDS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define PICK "\"ids\":" IDS ",\"except\":" IDS ",\"filter\":{\"type\":\"object\"}"
#define BULK                                                                                       \
    "\"dry_run\":{\"type\":\"boolean\"},\"limit\":{\"type\":\"integer\"},\"cursor\":{\"type\":"    \
    "\"string\"}"
#define VIEW                                                                                       \
    "{\"type\":\"object\",\"required\":[\"page\",\"name\",\"query\"],\"properties\":{"             \
    "\"page\":" TEXT ",\"name\":" TEXT ",\"shared\":{\"type\":\"boolean\"},\"query\":" OBJ "}}"
#define TEMPLATE                                                                                   \
    "{\"type\":\"object\",\"required\":[\"name\",\"device\"],\"properties\":{\"name\":" TEXT       \
    ",\"description\":" TEXT ",\"device\":" OBJ "}}"
#define DASHBOARD                                                                                  \
    "{\"type\":\"object\",\"required\":[\"name\",\"widgets\"],\"properties\":{\"name\":" TEXT      \
    ",\"description\":" TEXT ",\"shared\":{\"type\":\"boolean\"},\"range\":" TEXT                  \
    ",\"widgets\":{\"type\":\"array\",\"items\":" OBJ "}}}"
#define NOTE                                                                                       \
    "{\"type\":\"object\",\"required\":[\"from\",\"category\",\"text\"],\"properties\":{\"from\":" \
    "{},"                                                                                          \
    "\"to\":{},\"category\":{\"enum\":[\"maintenance\",\"fault\",\"process\",\"other\"]},"         \
    "\"text\":"                                                                                    \
    "{\"type\":\"string\"},\"points\":{\"type\":\"array\"},\"devices\":{\"type\":\"array\"},"      \
    "\"assets\":{\"type\":\"array\"}}}"
#define CALCULATE                                                                                  \
    "{\"type\":\"object\",\"required\":[\"expressions\"],\"properties\":{\"expressions\":{"        \
    "\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"items\":{\"type\":\"object\","            \
    "\"required\":[\"expression\"],\"properties\":{\"name\":{\"type\":\"string\"},"                \
    "\"expression\":{\"type\":\"string\",\"description\":\"points stand in braces: "               \
    "{pump-1/flow} * 2\"}}}},\"from\":{},\"to\":{},\"step\":{\"type\":\"string\"},"                \
    "\"aggregate\":{\"enum\":[\"mean\",\"min\",\"max\",\"first\",\"last\",\"twa\"]},"              \
    "\"fill\":{\"enum\":[\"none\",\"null\",\"previous\",\"linear\"]},\"hold\":{\"type\":"          \
    "\"string\"},\"time\":{\"enum\":[\"ms\",\"us\"]},\"tz\":{\"type\":\"string\"},\"limit\":{"     \
    "\"type\":\"integer\"}}}"
#define FILE_WORDS                                                                                 \
    "{\"type\":\"object\",\"properties\":{\"name\":" TEXT ",\"kind\":{\"enum\":[\"manual\","       \
    "\"drawing\",\"certificate\",\"photo\",\"report\",\"other\"]},\"note\":" TEXT "}}"
/* Files of devices, assets and thing models: the same six routes each. */
#define FILES(PATH, ID, READ, WRITE, RF, WF, EN, ZH)                                                 \
    {SH_HTTP_GET,                                                                                    \
     V1 PATH "/{id}/files",                                                                          \
     "list" ID "Files",                                                                              \
     READ,                                                                                           \
     RF,                                                                                             \
     api_files_list,                                                                                 \
     "Files of " EN ", newest first.",                                                               \
     ZH "的文件（最新在前）",                                                                        \
     "deleted",                                                                                      \
     NULL},                                                                                          \
        {SH_HTTP_POST,                                                                               \
         V1 PATH "/{id}/files",                                                                      \
         "add" ID "File",                                                                            \
         WRITE,                                                                                      \
         (WF) | API_F_RAW | API_F_INTAKE | API_F_REPEAT,                                             \
         api_files_post,                                                                             \
         "Store a file of " EN ": the body is its content.",                                         \
         "上传" ZH "的文件（请求正文即内容）",                                                       \
         "name,kind,note",                                                                           \
         NULL},                                                                                      \
        {SH_HTTP_PATCH,                                                                              \
         V1 PATH "/{id}/files/{file}",                                                               \
         "patch" ID "File",                                                                          \
         WRITE,                                                                                      \
         WF,                                                                                         \
         api_files_patch,                                                                            \
         "Change name, kind or note of a file.",                                                     \
         "修改文件的名称、类别或备注",                                                               \
         NULL,                                                                                       \
         FILE_WORDS},                                                                                \
        {SH_HTTP_DELETE,                                                                             \
         V1 PATH "/{id}/files/{file}",                                                               \
         "delete" ID "File",                                                                         \
         WRITE,                                                                                      \
         WF,                                                                                         \
         api_files_delete,                                                                           \
         "Delete a file: it can be brought back for seven days. With deleted=1: for good.",          \
         "删除文件（七天内可恢复）；deleted=1 时彻底删除",                                           \
         "deleted",                                                                                  \
         NULL},                                                                                      \
        {SH_HTTP_POST,      V1 PATH "/{id}/files/{file}/restore", "restore" ID "File", WRITE, WF,    \
         api_files_restore, "Bring a deleted file back.",         "恢复已删除的文件",  NULL,  NULL}, \
    {                                                                                                \
        SH_HTTP_GET, V1 PATH "/{id}/files/{file}/content", "get" ID "FileContent", READ,             \
            (RF) | API_F_OWN_TYPE, api_files_content, "Content of a file, or a range of it.",        \
            "文件内容（支持断点续传）", "inline", NULL                                               \
    }
#define INGEST (API_F_RAW | API_F_INGEST | API_F_REPEAT)

const struct api_route api_routes[] = {
    /* health, metrics, documents */
    {SH_HTTP_GET, "/healthz", "health", API_PUBLIC, API_F_LOOP, api_healthz,
     "Is the process alive?", "进程是否存活", NULL, NULL},
    {SH_HTTP_GET, "/readyz", "ready", API_PUBLIC, API_F_LOOP, api_readyz,
     "Can it take samples now?", "当前能否接收数据", NULL, NULL},
    {SH_HTTP_GET, "/metrics", "metrics", SH_PERM_METRICS_READ, API_F_OWN_TYPE | API_F_NODE,
     api_metrics, "Prometheus metrics.", "Prometheus 指标", NULL, NULL},
    {SH_HTTP_GET, V1 "openapi.json", "openapi", API_PUBLIC, 0, api_openapi, "This document.",
     "本接口文档", NULL, NULL},
    {SH_HTTP_GET, V1 "overview", "overview", SH_PERM_OVERVIEW_READ, API_F_PARTS, api_overview,
     "What is connected, what flows, what is wrong.", "连接、数据流与问题总览", NULL, NULL},
    {SH_HTTP_GET, V1 "config", "config", SH_PERM_CONFIG_READ, API_F_NODE, api_config,
     "Configuration keys with value and source.", "配置项及其来源", NULL, NULL},
    {SH_HTTP_PATCH, V1 "config", "patchConfig", SH_PERM_CONFIG_READ, API_F_NODE | API_F_CONFIRM,
     api_config_patch, "Change settings: all of them or none.", "修改配置：全部生效或全部不生效",
     NULL,
     "{\"type\":\"object\",\"required\":[\"set\"],\"properties\":{\"set\":{\"type\":"
     "\"object\"},\"note\":{\"type\":\"string\"},\"revision\":{\"type\":\"integer\"}}}"},
    {SH_HTTP_POST, V1 "config/check", "checkConfig", SH_PERM_CONFIG_READ, API_F_NODE | API_F_REPEAT,
     api_config_check, "What a change of settings would do, and what is wrong with it.",
     "检查一次配置修改：会改变什么，有何错误", NULL,
     "{\"type\":\"object\",\"required\":[\"set\"],\"properties\":{\"set\":{\"type\":"
     "\"object\"}}}"},
    {SH_HTTP_GET, V1 "config/changes", "listConfigChanges", SH_PERM_CONFIG_READ, API_F_NODE,
     api_config_history, "Changes of settings made in the console, newest first.",
     "在控制台中所做的配置修改，最新的在前", "limit,cursor", NULL},
    {SH_HTTP_POST, V1 "config/rollback", "rollBackConfig", SH_PERM_CONFIG_READ,
     API_F_NODE | API_F_CONFIRM, api_config_rollback,
     "Back to the settings of an earlier revision.", "恢复到先前某次修改后的配置", NULL,
     "{\"type\":\"object\",\"required\":[\"revision\"],\"properties\":{\"revision\":{\"type\":"
     "\"integer\"},\"note\":{\"type\":\"string\"},\"check\":{\"type\":\"boolean\"}}}"},
    {SH_HTTP_GET, V1 "logs", "listLogs", SH_PERM_METRICS_READ, API_F_NODE, api_logs,
     "The newest log lines, newest first.", "最近的运行日志，最新的在前",
     "level,module,q,after,limit,cursor", NULL},
    {SH_HTTP_GET, V1 "health", "getHealth", SH_PERM_METRICS_READ, API_F_NODE, api_health,
     "How the node fares: processor, memory, loops, workers, disk.",
     "节点运行状况：处理器、内存、事件循环、工作线程、磁盘", NULL, NULL},
    {SH_HTTP_GET, V1 "slow", "listSlow", SH_PERM_METRICS_READ, 0, api_slow,
     "Requests and statements that took longer than api.slow, newest first.",
     "耗时超过 api.slow 的请求和语句，最新的在前", "limit,cursor", NULL},
    {SH_HTTP_GET, V1 "security/keys", "getKeys", SH_PERM_CONFIG_READ, API_F_NODE, api_keys_get,
     "Keys that secrets are sealed with: which, since when, what they are kept under.",
     "机密存储的密钥：算法、启用时间、主密钥所在、恢复单", NULL, NULL},
    {SH_HTTP_POST, V1 "security/keys/rotation", "rotateKeys", SH_PERM_CONFIG_SECURITY,
     API_F_NODE | API_F_CONFIRM, api_keys_rotate,
     "Make a new key and seal every secret anew, while running.",
     "轮换密钥：生成新密钥并将全部机密重新加密（不停机）", NULL,
     "{\"type\":\"object\",\"properties\":{\"master\":{\"type\":\"boolean\"}}}"},
    {SH_HTTP_POST, V1 "security/keys/sheet", "makeKeySheet", SH_PERM_CONFIG_SECURITY,
     API_F_NODE | API_F_SECRET | API_F_CONFIRM, api_keys_sheet,
     "Make a recovery sheet; its code is shown once, and the one before is void.",
     "生成密钥恢复单（恢复码只显示一次，原恢复单作废）", NULL, NULL},
    {SH_HTTP_DELETE, V1 "security/keys/sheet", "deleteKeySheet", SH_PERM_CONFIG_SECURITY,
     API_F_NODE | API_F_CONFIRM, api_keys_sheet_remove, "Make the recovery sheet void.",
     "作废密钥恢复单", NULL, NULL},
    {SH_HTTP_GET, V1 "security", "getSecurity", SH_PERM_CONFIG_READ, API_F_NODE, api_security,
     "The security self check: each control, what was found, what mends it.",
     "安全自查：各项控制的状态、证据与整改措施", NULL, NULL},
    {SH_HTTP_GET, V1 "data-classes", "listDataClasses", SH_PERM_CONFIG_READ, API_F_OWN_TYPE,
     api_data_classes,
     "The data catalogue: points, models and record types by class (also as CSV).",
     "数据目录：按分类分级统计点位、物模型和业务记录类型（可导出 CSV）", "format", NULL},
    {SH_HTTP_POST, V1 "data-classes", "changeDataClass", SH_PERM_DATA_CLASSIFY,
     API_F_CONFIRM | API_F_REPEAT, api_data_classify,
     "Say the data class of one thing, up or down, with a reason.",
     "设置某一对象的数据分类分级（可调低，需原因）", NULL,
     "{\"type\":\"object\",\"required\":[\"kind\",\"reason\"],\"properties\":{\"kind\":{\"enum\":["
     "\"tenant\",\"thing\",\"property\",\"device\",\"point\",\"type\"]},\"id\":" TEXT
     ",\"property\":" TEXT ",\"data_class\":{\"enum\":[\"general\",\"important\",\"core\",null]},"
     "\"data_level\":{\"enum\":[1,2,3,null]},\"reason\":" TEXT "}}"},
    {SH_HTTP_GET, V1 "sbom", "getSbom", SH_PERM_CONFIG_READ, API_F_OWN_TYPE | API_F_NODE, api_sbom,
     "What the program is made of, with licences (CycloneDX 1.5).",
     "软件物料清单及许可证（CycloneDX 1.5）", NULL, NULL},
    {SH_HTTP_GET, V1 "backups", "listBackups", SH_PERM_BACKUP_RUN, 0, api_backups_list,
     "Backups with their rehearsals, and the one under way.",
     "备份及其恢复演练，以及正在进行的备份", NULL, NULL},
    {SH_HTTP_POST, V1 "backups", "createBackup", SH_PERM_BACKUP_RUN, 0, api_backups_post,
     "Begin a backup of the whole node.", "开始整机备份", NULL, NULL},
    {SH_HTTP_DELETE, V1 "backups/{id}", "deleteBackup", SH_PERM_BACKUP_RUN, API_F_CONFIRM,
     api_backups_delete,
     "Remove a backup; the id running ends the one under way, prepared throws away what was "
     "prepared, the name of data of before a restore removes that.",
     "删除备份；标识为 running 时取消正在进行的任务，为 prepared "
     "时丢弃已准备的数据，为恢复前数据的名称时删除该数据",
     NULL, NULL},
    {SH_HTTP_POST, V1 "backups/{id}/restore", "prepareRestore", SH_PERM_BACKUP_RUN, API_F_CONFIRM,
     api_backups_restore,
     "Make a backup ready to take the place of the node's data: checked, restored beside it and "
     "looked at.",
     "准备恢复：校验备份，在数据目录旁还原并检查", NULL, REASON},
    {SH_HTTP_POST, V1 "backups/{id}/apply", "applyRestore", SH_PERM_BACKUP_RUN, API_F_CONFIRM,
     api_backups_apply,
     "Put what is prepared (the id prepared), or data of before a restore (its name), in the place "
     "of the node's data: the node restarts, what was in use is kept.",
     "启用已准备的数据（标识为 prepared）或恢复前的数据（其名称）：节点重启，当前数据保留", NULL,
     REASON},
    {SH_HTTP_POST, V1 "backups/{id}/copy", "copyBackup", SH_PERM_BACKUP_RUN, 0, api_backups_copy,
     "Copy a backup to the SFTP server.", "把备份复制到 SFTP 服务器", NULL, NULL},
    {SH_HTTP_POST, V1 "backups/{id}/fetch", "fetchBackup", SH_PERM_BACKUP_RUN, 0, api_backups_fetch,
     "Fetch a copy from the SFTP server into the folder of backups.", "从 SFTP 服务器取回备份",
     NULL, NULL},
    {SH_HTTP_POST, V1 "backups/copies", "lookAtBackupCopies", SH_PERM_BACKUP_RUN, 0,
     api_backups_look, "Look which copies the SFTP server holds; the list of backups tells them.",
     "查看 SFTP 服务器上的备份；结果见备份列表", NULL, NULL},
    {SH_HTTP_GET, V1 "stream", "stream", SH_PERM_HISTORY_READ,
     API_F_LOOP | API_F_OWN_TYPE | API_F_PARTS | API_F_PANEL, api_stream,
     "Live values and device states (Server-Sent Events).", "实时数据与设备状态（SSE）",
     "points,devices,overview,dashboard,missing", NULL},
    {SH_HTTP_GET, "/mqtt", "mqttWebSocket", API_PUBLIC, API_F_LOOP, api_ws_mqtt,
     "MQTT over WebSocket (subprotocol mqtt).", "MQTT over WebSocket", NULL, NULL},

    /* sessions */
    {SH_HTTP_POST, V1 "sessions", "signIn", API_PUBLIC, API_F_SECRET, api_session_post, "Sign in.",
     "登录", NULL,
     "{\"type\":\"object\",\"required\":[\"user\",\"password\"],\"properties\":{\"user\":{\"type\":"
     "\"string\"},\"password\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "sessions/link", "signInByLink", API_PUBLIC, API_F_SECRET, api_session_link,
     "Sign in by a one-time link.", "使用一次性链接登录", NULL,
     "{\"type\":\"object\",\"required\":[\"link\"],\"properties\":{\"link\":{\"type\":"
     "\"string\"}}}"},
    {SH_HTTP_GET, V1 "sessions/current", "session", API_SIGNED_IN, 0, api_session_get,
     "Who am I and what may I do?", "当前用户及其权限", NULL, NULL},
    {SH_HTTP_DELETE, V1 "sessions/current", "signOut", API_SIGNED_IN, 0, api_session_delete,
     "Sign out.", "退出登录", NULL, NULL},
    {SH_HTTP_PUT, V1 "sessions/current/password", "changePassword", API_SIGNED_IN, 0,
     api_session_password, "Change one's own password.", "修改自己的密码", NULL, OBJ},
    {SH_HTTP_GET, V1 "sessions", "listSessions", API_SIGNED_IN, 0, api_sessions_list,
     "One's own sessions, last used first.", "自己的会话（最近使用的在前）", NULL, NULL},
    {SH_HTTP_DELETE, V1 "sessions", "endSessions", API_SIGNED_IN, 0, api_sessions_end,
     "End all of one's own sessions but this one.", "结束自己的其他会话", NULL, NULL},
    {SH_HTTP_DELETE, V1 "sessions/{id}", "deleteSession", API_SIGNED_IN, 0, api_session_end,
     "End one of one's own sessions.", "结束自己的某个会话", NULL, NULL},
    {SH_HTTP_POST, V1 "sessions/current/confirm", "confirm", API_SIGNED_IN,
     API_F_SECRET | API_F_REPEAT, api_session_confirm,
     "Give the password (and code) again, for dangerous acts.",
     "再次确认密码（和验证码），用于高风险操作", NULL,
     "{\"type\":\"object\",\"required\":[\"password\"],\"properties\":{\"password\":{\"type\":"
     "\"string\"},\"code\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "sessions/current/totp", "beginTotp", API_SIGNED_IN,
     API_F_SECRET | API_F_CONFIRM, api_totp_begin,
     "Begin to set up one-time codes; the secret is shown once.",
     "开始设置动态验证码（密钥只显示一次）", NULL, NULL},
    {SH_HTTP_PUT, V1 "sessions/current/totp", "enableTotp", API_SIGNED_IN,
     API_F_SECRET | API_F_CONFIRM, api_totp_enable,
     "Show that the app has the secret; answers recovery codes, shown once.",
     "提交验证码以启用；返回恢复码（只显示一次）", NULL,
     "{\"type\":\"object\",\"required\":[\"code\"],\"properties\":{\"code\":{\"type\":"
     "\"string\"}}}"},
    {SH_HTTP_DELETE, V1 "sessions/current/totp", "removeTotp", API_SIGNED_IN, API_F_CONFIRM,
     api_totp_remove, "Take one's own second factor away.", "停用自己的动态验证码", NULL, NULL},
    {SH_HTTP_POST, V1 "sessions/current/recovery-codes", "newRecoveryCodes", API_SIGNED_IN,
     API_F_SECRET | API_F_CONFIRM, api_recovery_new, "New recovery codes, shown once.",
     "重新生成恢复码（只显示一次）", NULL, NULL},

    {SH_HTTP_POST, V1 "sessions/key", "askKey", API_PUBLIC, API_F_SECRET, api_key_ask,
     "What a security key has to sign to sign in (after the password).",
     "登录用安全密钥的挑战（需先提供密码）", NULL,
     "{\"type\":\"object\",\"required\":[\"user\",\"password\"],\"properties\":{\"user\":{\"type\":"
     "\"string\"},\"password\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "sessions/current/key", "askOwnKey", API_SIGNED_IN,
     API_F_SECRET | API_F_REPEAT, api_key_ask_own,
     "What one's own security key has to sign to confirm.", "确认身份用安全密钥的挑战", NULL, NULL},
    {SH_HTTP_POST, V1 "sessions/current/keys", "beginKey", API_SIGNED_IN,
     API_F_SECRET | API_F_CONFIRM, api_key_begin,
     "Begin to register a security key or passkey (WebAuthn).",
     "开始登记安全密钥或通行密钥（WebAuthn）", NULL, NULL},
    {SH_HTTP_PUT, V1 "sessions/current/keys", "addKey", API_SIGNED_IN, API_F_SECRET | API_F_CONFIRM,
     api_key_add,
     "Keep the security key that the browser made; the first one answers recovery codes.",
     "登记浏览器生成的安全密钥；首个密钥返回恢复码", NULL,
     "{\"type\":\"object\",\"required\":[\"client_data\",\"attestation\"],\"properties\":{\"name\":"
     "{"
     "\"type\":\"string\"},\"client_data\":{\"type\":\"string\"},\"attestation\":{\"type\":"
     "\"string\"}}}"},
    {SH_HTTP_DELETE, V1 "sessions/current/keys/{id}", "removeKey", API_SIGNED_IN, API_F_CONFIRM,
     api_key_remove, "Take one's own security key away.", "删除自己的安全密钥", NULL, NULL},

    /* signing in by a provider (OpenID Connect, LDAP, certificates) */
    {SH_HTTP_GET, V1 "sign-in", "listDoors", API_PUBLIC, 0, api_doors,
     "Names of the providers by which people of a tenant may sign in.",
     "租户可用的统一认证登录方式（仅名称）", "tenant", NULL},
    {SH_HTTP_GET, V1 "sign-in/{id}/start", "startDoor", API_PUBLIC, API_F_OWN_TYPE, api_door_start,
     "Send the browser to a provider to sign in, or (for=confirm) to confirm.",
     "跳转到统一认证登录（for=confirm 时为再次确认身份）", "back,for", NULL},
    {SH_HTTP_GET, V1 "sign-in/{id}/callback", "returnDoor", API_PUBLIC, API_F_OWN_TYPE,
     api_door_return, "Where the provider sends the browser back to.", "统一认证的回调地址",
     "code,state,iss,error", NULL},
    {SH_HTTP_GET, V1 "sign-in/{id}/signed-out", "leaveDoor", API_PUBLIC, API_F_OWN_TYPE,
     api_door_left, "Where the provider sends the browser after signing out there.",
     "在统一认证退出登录后的返回地址", "state", NULL},
    {SH_HTTP_POST, V1 "sign-in/code", "codeDoor", API_PUBLIC, API_F_SECRET | API_F_REPEAT,
     api_door_code, "The second factor of somebody whom a provider has proved.",
     "统一认证之后提交本平台的二次验证", NULL,
     "{\"type\":\"object\",\"properties\":{\"code\":" TEXT ",\"assertion\":" OBJ "}}"},
    {SH_HTTP_POST, V1 "sign-in/key", "keyDoor", API_PUBLIC, API_F_SECRET | API_F_REPEAT,
     api_door_key, "What a security key has to sign there.", "统一认证之后安全密钥的挑战", NULL,
     NULL},
    {SH_HTTP_POST, V1 "sign-in/{id}/challenge", "askCertificate", API_PUBLIC,
     API_F_SECRET | API_F_REPEAT, api_cert_ask,
     "A text that somebody's certificate is to sign, to sign in, to confirm or to bind it.",
     "证书登录的质询文本（用于登录、再次确认或绑定证书）", NULL,
     NULL}, /* its body (for) may be missing */
    {SH_HTTP_POST, V1 "sign-in/{id}/answer", "answerCertificate", API_PUBLIC,
     API_F_SECRET | API_F_REPEAT, api_cert_answer,
     "The certificate and its signature of that text: sign in, or confirm.",
     "提交证书及其对质询文本的签名：登录或再次确认", NULL,
     "{\"type\":\"object\",\"required\":[\"certificate\",\"signature\"],\"properties\":{"
     "\"certificate\":" TEXT ",\"chain\":" TEXT ",\"signature\":" TEXT "}}"},
    {SH_HTTP_POST, V1 "sign-in/{id}/bind", "bindCertificate", API_SIGNED_IN,
     API_F_SECRET | API_F_CONFIRM, api_cert_bind,
     "Bind one's own certificate, by its signature of a text, to sign in with it from now on.",
     "绑定本人证书（须签名质询文本），此后可用其登录", NULL,
     "{\"type\":\"object\",\"required\":[\"certificate\",\"signature\"],\"properties\":{"
     "\"certificate\":" TEXT ",\"chain\":" TEXT ",\"signature\":" TEXT "}}"},
    {SH_HTTP_GET, V1 "identity-providers", "listProviders", SH_PERM_PEOPLE_READ, 0,
     api_providers_list, "Providers of sign-in of a tenant.", "统一认证提供方列表", NULL, NULL},
    {SH_HTTP_POST, V1 "identity-providers", "createProvider", SH_PERM_PEOPLE_WRITE, API_F_CONFIRM,
     api_providers_post, "Enter a provider; its secret is never shown again.",
     "新建统一认证提供方（密钥不再显示）", NULL,
     "{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{"
     "\"kind\":{\"enum\":[\"oidc\",\"ldap\",\"certificate\"]},\"servers\":" ARR
     ",\"tls\":{\"enum\":[\"ldaps\",\"starttls\",\"none\"]},\"allow_clear\":{\"type\":"
     "\"boolean\"},\"ca\":" TEXT ",\"bind_dn\":" TEXT ",\"bind_password\":" TEXT ",\"base\":" TEXT
     ",\"filter\":" TEXT ",\"dn_template\":" TEXT ",\"subject_attribute\":" TEXT
     ",\"display_attribute\":" TEXT ",\"group_base\":" TEXT ",\"group_filter\":" TEXT
     ",\"id\":" TEXT ",\"zh\":" TEXT ",\"en\":" TEXT
     ",\"disabled\":{\"type\":\"boolean\"},\"issuer\":" TEXT ",\"client_id\":" TEXT
     ",\"client_secret\":" TEXT ",\"scopes\":" TEXT ",\"name_claim\":" TEXT
     ",\"people\":{\"enum\":[\"linked\",\"create\",\"map\"]},\"roles\":" ARR
     ",\"roles_claim\":" TEXT ",\"map\":" ARR
     ",\"second_factor\":{\"enum\":[\"own\",\"provider\"]},\"acr_values\":" TEXT ",\"crl\":" TEXT
     ",\"distid\":" TEXT ",\"policies\":" TEXT
     ",\"revocation\":{\"enum\":[\"strict\",\"lenient\"]},\"client_auth\":{\"type\":\"boolean\"}"
     ",\"match\":{\"enum\":[\"fingerprint\",\"name\"]},\"self_bind\":{\"type\":\"boolean\"}}}"},
    {SH_HTTP_GET, V1 "identity-providers/{id}", "getProvider", SH_PERM_PEOPLE_READ, 0,
     api_providers_get, "One provider.", "统一认证提供方详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "identity-providers/{id}", "putProvider", SH_PERM_PEOPLE_WRITE, API_F_CONFIRM,
     api_providers_put, "Change a provider.", "修改统一认证提供方", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "identity-providers/{id}", "deleteProvider", SH_PERM_PEOPLE_WRITE,
     API_F_CONFIRM, api_providers_delete, "Remove a provider to which nobody is linked.",
     "删除无人关联的统一认证提供方", NULL, NULL},
    {SH_HTTP_POST, V1 "identity-providers/{id}/try", "tryProvider", SH_PERM_PEOPLE_WRITE,
     API_F_SECRET | API_F_REPEAT, api_providers_try,
     "Talk to the provider, step by step, and say what is wrong; to a directory also as a person.",
     "测试与提供方的连接并逐步说明问题；目录还可用人员账号试登录", NULL,
     NULL}, /* its body (user, password) may be missing */
    {SH_HTTP_GET, V1 "people/{name}/identities", "listIdentities", SH_PERM_PEOPLE_READ, 0,
     api_identities_list, "Who a person is at which provider.", "人员关联的统一认证身份", NULL,
     NULL},
    {SH_HTTP_POST, V1 "people/{name}/identities", "addIdentity", SH_PERM_PEOPLE_WRITE,
     API_F_CONFIRM, api_identities_post, "Link a person to somebody at a provider.",
     "关联人员与统一认证身份", NULL,
     "{\"type\":\"object\",\"required\":[\"provider\"],\"properties\":{\"provider\":" TEXT
     ",\"subject\":" TEXT ",\"name\":" TEXT "}}"},
    {SH_HTTP_DELETE, V1 "people/{name}/identities/{provider}", "removeIdentity",
     SH_PERM_PEOPLE_WRITE, API_F_CONFIRM, api_identities_delete,
     "Take a link away; the person's sessions end.", "取消关联（该人员的会话随即结束）", NULL,
     NULL},

    /* people, roles, tokens, tenants, audit */
    {SH_HTTP_GET, V1 "people", "listPeople", SH_PERM_PEOPLE_READ, 0, api_people_list, "People.",
     "人员列表", LIST, NULL},
    {SH_HTTP_POST, V1 "people", "createPerson", SH_PERM_PEOPLE_WRITE, API_F_CONFIRM,
     api_people_post, "Make a person.", "新建人员", NULL,
     "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"display\":{\"type\":\"string\"},\"roles\":{\"type\":\"array\"},\"language\":{\"type\":"
     "\"string\"},\"password\":{\"type\":\"string\"},\"disabled\":{\"type\":\"boolean\"}}}"},
    {SH_HTTP_GET, V1 "people/{name}", "getPerson", SH_PERM_PEOPLE_READ, 0, api_people_get,
     "One person.", "人员详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "people/{name}", "putPerson", SH_PERM_PEOPLE_WRITE, API_F_CONFIRM,
     api_people_put, "Change a person.", "修改人员", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "people/{name}", "deletePerson", SH_PERM_PEOPLE_WRITE, API_F_CONFIRM,
     api_people_delete, "Remove a person.", "删除人员", NULL, NULL},
    {SH_HTTP_GET, V1 "sessions/current/rights", "getRights", API_SIGNED_IN, 0, api_rights_own,
     "What may I, by which role, and which role would give me the rest?",
     "我的权限、来自哪些角色，以及缺少的权限可由哪些角色获得", NULL, NULL},
    {SH_HTTP_GET, V1 "people/{name}/rights", "getPersonRights", SH_PERM_PEOPLE_READ, 0,
     api_rights_person, "What may a person, and by which role?", "人员的权限及其来源", NULL, NULL},
    {SH_HTTP_GET, V1 "people/{name}/sessions", "listPersonSessions", SH_PERM_PEOPLE_READ, 0,
     api_person_sessions, "Sessions of a person.", "人员的会话", NULL, NULL},
    {SH_HTTP_DELETE, V1 "people/{name}/sessions", "endPersonSessions", SH_PERM_PEOPLE_WRITE, 0,
     api_person_sessions_end, "End all sessions of a person.", "结束人员的全部会话", NULL, NULL},
    {SH_HTTP_DELETE, V1 "people/{name}/sessions/{id}", "deletePersonSession", SH_PERM_PEOPLE_WRITE,
     0, api_person_session_end, "End one session of a person.", "结束人员的某个会话", NULL, NULL},
    {SH_HTTP_DELETE, V1 "people/{name}/second-factor", "removePersonFactor", SH_PERM_PEOPLE_WRITE,
     API_F_CONFIRM, api_person_factor_remove, "Take a person's second factor away (lost phone).",
     "重置人员的动态验证码（手机丢失）", NULL, NULL},
    {SH_HTTP_GET, V1 "administrators", "getAdministrators", SH_PERM_PEOPLE_READ, 0,
     api_administrators_get, "Who administers system, security and audit; are they separated?",
     "系统、安全、审计管理员及是否已三员分立", NULL, NULL},
    {SH_HTTP_POST, V1 "administrators", "separateAdministrators", SH_PERM_PEOPLE_WRITE,
     API_F_CONFIRM, api_administrators_post,
     "Turn the first administrator into three, who sign in anew.",
     "三员分立：由首个管理员生成三个管理员", NULL,
     "{\"type\":\"object\",\"required\":[\"system\",\"security\",\"audit\"],\"properties\":{"
     "\"system\":" ADMIN ",\"security\":" ADMIN ",\"audit\":" ADMIN "}}"},
    {SH_HTTP_GET, V1 "roles", "listRoles", SH_PERM_ROLES_READ, 0, api_roles_list, "Roles.",
     "角色列表", LIST, NULL},
    {SH_HTTP_PUT, V1 "roles/{name}", "putRole", SH_PERM_ROLES_WRITE, API_F_CONFIRM, api_roles_put,
     "Make or change a role.", "新建或修改角色", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "roles/{name}", "deleteRole", SH_PERM_ROLES_WRITE, API_F_CONFIRM,
     api_roles_delete, "Remove a role that nobody has.", "删除无人使用的角色", NULL, NULL},
    {SH_HTTP_GET, V1 "tokens", "listTokens", SH_PERM_TOKENS_READ, 0, api_tokens_list, "API tokens.",
     "API 令牌列表", LIST, NULL},
    {SH_HTTP_POST, V1 "tokens", "createToken", SH_PERM_TOKENS_WRITE, API_F_SECRET | API_F_CONFIRM,
     api_tokens_post, "Make an API token; the secret is shown once.",
     "新建 API 令牌（密钥只显示一次）", NULL,
     "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"roles\":{\"type\":\"array\"},\"permissions\":{\"type\":\"array\"},\"device\":{\"type\":"
     "\"string\"},\"dashboard\":{\"type\":\"string\"},\"expires\":{},\"provision\":{\"type\":"
     "\"boolean\"}}}"},
    {SH_HTTP_DELETE, V1 "tokens/{id}", "deleteToken", SH_PERM_TOKENS_WRITE, 0, api_tokens_delete,
     "Revoke a token.", "吊销令牌", NULL, NULL},
    {SH_HTTP_GET, V1 "tenants", "listTenants", SH_PERM_TENANTS_READ, 0, api_tenants_list,
     "Tenants below one's own.", "下级租户列表", LIST, NULL},
    {SH_HTTP_POST, V1 "tenants", "createTenant", SH_PERM_TENANTS_WRITE, API_F_CONFIRM,
     api_tenants_post, "Make a tenant.", "新建租户", NULL, OBJ},
    {SH_HTTP_GET, V1 "tenants/{path}", "getTenant", SH_PERM_TENANTS_READ, 0, api_tenants_get,
     "One tenant with quotas and use.", "租户及其配额", NULL, NULL},
    {SH_HTTP_PUT, V1 "tenants/{path}", "putTenant", SH_PERM_TENANTS_WRITE, API_F_CONFIRM,
     api_tenants_put, "Change a tenant.", "修改租户", NULL, OBJ},
    {SH_HTTP_GET, V1 "audit", "listAudit", SH_PERM_AUDIT_READ, 0, api_audit_list,
     "Audit entries, newest first.", "审计记录（新的在前）",
     "limit,cursor,q,who,act,object,device,from,to,refused", NULL},
    {SH_HTTP_GET, V1 "audit/checkpoint", "getAuditCheckpoint", SH_PERM_AUDIT_READ, 0,
     api_audit_checkpoint, "A signed checkpoint of the audit chain, to be kept elsewhere.",
     "审计链的签名检查点（请另行保存）", NULL, NULL},
    {SH_HTTP_GET, V1 "audit/export", "exportAudit", SH_PERM_AUDIT_READ, API_F_OWN_TYPE,
     api_audit_export, "Audit entries as CSV, newest first; the export is audited.",
     "导出审计记录（CSV，新的在前；导出本身也记入审计）", "q,who,act,object,device,from,to,refused",
     NULL},

    /* thing models */
    {SH_HTTP_GET, V1 "things", "listThings", SH_PERM_THINGS_READ, 0, api_things_list,
     "Thing models.", "物模型列表", LIST, NULL},
    {SH_HTTP_POST, V1 "things", "createThing", SH_PERM_THINGS_WRITE, 0, api_things_post,
     "Make a thing model.", "新建物模型", "dry_run", OBJ},
    {SH_HTTP_GET, V1 "things/export", "exportThings", SH_PERM_THINGS_READ, API_F_OWN_TYPE,
     api_things_export, "The tenant's thing models as JSON or CSV.",
     "导出本租户的物模型（JSON 或 CSV）", "format,encoding", NULL},
    {SH_HTTP_POST, V1 "things/import", "importThings", SH_PERM_THINGS_WRITE, API_F_RAW,
     api_things_import, "Import thing models; a dry run shows what differs in each.",
     "导入物模型（试运行会列出每个模型的差异）", "format,encoding,dry_run,units", ARR},
    {SH_HTTP_GET, V1 "things/{id}", "getThing", SH_PERM_THINGS_READ, 0, api_things_get,
     "One thing model.", "物模型详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "things/{id}", "putThing", SH_PERM_THINGS_WRITE, 0, api_things_put,
     "Change a thing model; a dry run tells the consequences.", "修改物模型（试运行只列出影响）",
     "dry_run,units", OBJ},
    {SH_HTTP_DELETE, V1 "things/{id}", "deleteThing", SH_PERM_THINGS_WRITE, 0, api_things_delete,
     "Remove a thing model that nothing uses.", "删除未使用的物模型", NULL, NULL},
    {SH_HTTP_GET, V1 "things/{id}/versions", "listThingVersions", SH_PERM_THINGS_READ, 0,
     api_thing_versions, "Versions of a thing model, newest first.", "物模型的历史版本（最新在前）",
     "limit,cursor", NULL},
    {SH_HTTP_GET, V1 "things/{id}/versions/{revision}", "getThingVersion", SH_PERM_THINGS_READ, 0,
     api_thing_version, "One version of a thing model.", "物模型的某一版本", NULL, NULL},
    {SH_HTTP_GET, V1 "things/{id}/compare", "compareThing", SH_PERM_THINGS_READ, 0,
     api_thing_compare, "What lies between two versions, and what it means.",
     "比较物模型的两个版本及其影响", "from,to", NULL},
    {SH_HTTP_POST, V1 "things/{id}/restore", "restoreThing", SH_PERM_THINGS_WRITE, 0,
     api_thing_restore, "Put an old version back, as a new one.", "将旧版本恢复为新版本",
     "dry_run,units",
     "{\"type\":\"object\",\"required\":[\"revision\"],\"properties\":{\"revision\":{"
     "\"type\":\"integer\",\"minimum\":1},\"comment\":{\"type\":\"string\"}}}"},
    {SH_HTTP_GET, V1 "things/{id}/uses", "thingUses", SH_PERM_THINGS_READ, 0, api_thing_uses,
     "Devices and models that use a thing model.", "使用该物模型的设备与下级模型", NULL, NULL},
    FILES("things", "Thing", SH_PERM_THINGS_READ, SH_PERM_THINGS_WRITE, 0, 0, "a thing model",
          "物模型"),

    /* devices */
    {SH_HTTP_GET, V1 "devices", "listDevices", SH_PERM_DEVICES_READ, API_F_PARTS | API_F_ASKS,
     api_devices_list, "Devices.", "设备列表", LIST "," FILTER, NULL},
    {SH_HTTP_POST, V1 "devices", "createDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_devices_post, "Make a device.", "新建设备", NULL, OBJ},
    {SH_HTTP_GET, V1 "devices/export", "exportDevices", SH_PERM_DEVICES_READ,
     API_F_OWN_TYPE | API_F_PARTS | API_F_ASKS, api_devices_export,
     "All devices, or those of a filter, as CSV, JSON or a workbook.",
     "导出全部或筛选出的设备（CSV、JSON 或 Excel 工作簿）", "format,encoding,q," FILTER, NULL},
    {SH_HTTP_POST, V1 "devices/export", "selectionExport", SH_PERM_DEVICES_READ,
     API_F_OWN_TYPE | API_F_REPEAT | API_F_PARTS, api_devices_export_picked,
     "Devices by their ids, or those of a filter, as CSV, JSON or a workbook.",
     "按标识或筛选条件导出设备（CSV、JSON 或 Excel 工作簿）", NULL,
     "{\"type\":\"object\",\"properties\":{" PICK
     ",\"format\":{\"enum\":[\"csv\",\"json\",\"xlsx\"]},"
     "\"encoding\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "devices/bulk", "changeDevices", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_devices_bulk, "Change labels, asset, thing model or archiving of many devices.",
     "批量修改设备的标签、资产、物模型或归档状态", NULL,
     "{\"type\":\"object\",\"properties\":{" PICK "," BULK ",\"change\":{\"type\":\"object\"}}}"},
    {SH_HTTP_POST, V1 "devices/bulk/delete", "deleteDevices", SH_PERM_DEVICES_WRITE,
     API_F_CONFIRM | API_F_PARTS, api_devices_bulk_delete,
     "Remove many devices (their history stays).", "批量删除设备（历史保留）", NULL,
     "{\"type\":\"object\",\"properties\":{" PICK "," BULK "}}"},
    {SH_HTTP_POST, V1 "devices/import", "importDevices", SH_PERM_DEVICES_WRITE, API_F_RAW,
     api_devices_import, "Import devices; rejected rows are listed.", "导入设备（列出被拒绝的行）",
     "format,encoding,dry_run,existing,units", TEXT},
    {SH_HTTP_GET, V1 "devices/map", "mapDevices", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_devices_map, "Where devices are: one by one, or gathered when they are too many.",
     "设备的位置：逐台列出，过多时按区域汇总", "box,limit,q," FILTER, NULL},
    {SH_HTTP_GET, V1 "devices/{id}", "getDevice", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_devices_get, "One device.", "设备详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "devices/{id}", "putDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_devices_put, "Replace a device's description.", "修改设备", "units", OBJ},
    {SH_HTTP_PATCH, V1 "devices/{id}", "patchDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_devices_patch, "Change some members of a device.", "修改设备的部分内容", "units", OBJ},
    {SH_HTTP_DELETE, V1 "devices/{id}", "deleteDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_devices_delete, "Remove a device (its history stays).", "删除设备（历史保留）", NULL,
     NULL},
    {SH_HTTP_GET, V1 "devices/{id}/latest", "deviceLatest", SH_PERM_POINTS_READ, API_F_PARTS,
     api_device_latest, "Newest values of a device.", "设备最新值", "time", NULL},
    {SH_HTTP_GET, V1 "devices/{id}/events", "deviceEvents", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_device_events, "Past events of a device, newest first.", "设备的历史事件（最新在前）",
     "from,to,event,limit,cursor,time", NULL},
    {SH_HTTP_GET, V1 "devices/{id}/changes", "deviceChanges", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_device_changes, "Changes of a device's description, newest first.",
     "设备资料的修改记录（最新在前）", "limit,cursor", NULL},
    {SH_HTTP_POST, V1 "devices/{id}/rename", "renameDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_device_rename, "Rename; the old id stays an alias.", "重命名设备（旧名保留为别名）", NULL,
     "{\"type\":\"object\",\"required\":[\"to\"],\"properties\":{\"to\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "devices/{id}/replace", "replaceDevice", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_device_replace, "Mark that the hardware was replaced.", "标记设备已更换", NULL,
     "{\"type\":\"object\",\"properties\":{\"note\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "devices/{id}/secret", "newDeviceSecret", SH_PERM_DEVICES_WRITE,
     API_F_SECRET | API_F_PARTS, api_device_secret, "New secret; shown once.",
     "生成设备密钥（只显示一次）", NULL, NULL},
    {SH_HTTP_GET, V1 "devices/{id}/certificates", "listCertificates", SH_PERM_DEVICES_READ,
     API_F_PARTS, api_certificates_get, "X.509 certificates that stand for a device.",
     "设备的 X.509 证书", NULL, NULL},
    {SH_HTTP_POST, V1 "devices/{id}/certificates", "createCertificate", SH_PERM_DEVICES_WRITE,
     API_F_SECRET | API_F_PARTS, api_certificates_post,
     "Issue a certificate (its key is shown once), sign a request, or enter one's own.",
     "签发证书（私钥只显示一次）、签署证书请求或登记自有证书", NULL,
     "{\"type\":\"object\",\"properties\":{\"days\":{\"type\":\"integer\",\"minimum\":1,"
     "\"maximum\":3650},"
     "\"csr\":{\"type\":\"string\"},\"pem\":{\"type\":\"string\"}}}"},
    {SH_HTTP_DELETE, V1 "devices/{id}/certificates/{fingerprint}", "revokeCertificate",
     SH_PERM_DEVICES_WRITE, API_F_PARTS, api_certificates_delete,
     "Revoke a certificate: its connections end.", "吊销证书（其连接随即断开）", "reason,note",
     NULL},
    {SH_HTTP_GET, V1 "devices/{id}/access", "getDeviceAccess", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_device_access_get, "Allow list, refusals, mark of a clone and quarantine of a device.",
     "设备的地址白名单、拒绝记录、克隆标记与隔离状态", NULL, NULL},
    {SH_HTTP_PUT, V1 "devices/{id}/access", "putDeviceAccess", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_device_access_put, "Addresses that the device is admitted from; empty = every address.",
     "设置设备的地址白名单（空表示不限）", NULL,
     "{\"type\":\"object\",\"required\":[\"allow\"],\"properties\":{\"allow\":{\"type\":\"array\","
     "\"maxItems\":16,\"items\":{\"type\":\"string\"}}}}"},
    {SH_HTTP_POST, V1 "devices/{id}/quarantine", "quarantineDevice", SH_PERM_DEVICES_WRITE,
     API_F_PARTS | API_F_CONFIRM, api_device_quarantine,
     "Refuse all credentials of a device and end its connections.",
     "隔离设备：拒绝其全部凭据并断开连接", NULL,
     "{\"type\":\"object\",\"required\":[\"reason\"],\"properties\":{\"reason\":{\"type\":"
     "\"string\"}}}"},
    {SH_HTTP_DELETE, V1 "devices/{id}/quarantine", "releaseDevice", SH_PERM_DEVICES_WRITE,
     API_F_PARTS | API_F_CONFIRM, api_device_release, "Let a device out of quarantine.",
     "解除设备隔离", NULL, NULL},
    {SH_HTTP_DELETE, V1 "devices/{id}/clone", "dismissClone", SH_PERM_DEVICES_WRITE, API_F_PARTS,
     api_device_clone_dismiss, "Take the mark of a clone away.", "撤销设备的克隆标记", NULL, NULL},
    {SH_HTTP_POST, V1 "devices/{id}/common-names", "addCommonName", SH_PERM_DEVICES_WRITE,
     API_F_PARTS, api_names_post, "A common name under the device CA that stands for a device.",
     "登记设备 CA 所签证书的通用名称", NULL,
     "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"}}"
     "}"},
    {SH_HTTP_DELETE, V1 "devices/{id}/common-names/{name}", "removeCommonName",
     SH_PERM_DEVICES_WRITE, API_F_PARTS, api_names_delete, "Take a common name away.",
     "删除通用名称", NULL, NULL},
    {SH_HTTP_GET, V1 "device-ca", "deviceCa", SH_PERM_DEVICES_READ, API_F_OWN_TYPE, api_device_ca,
     "Certificate of the device CA (PEM).", "设备 CA 证书（PEM）", NULL, NULL},
    {SH_HTTP_GET, "/pki/device-ca.pem", "pkiCa", API_PUBLIC, API_F_OWN_TYPE, api_pki_ca,
     "Certificate of the device CA (PEM), for whoever asks.", "设备 CA 证书（PEM，公开）", NULL,
     NULL},
    {SH_HTTP_GET, "/pki/device-ca.cer", "pkiCaDer", API_PUBLIC, API_F_OWN_TYPE, api_pki_cer,
     "Certificate of the device CA (DER).", "设备 CA 证书（DER，公开）", NULL, NULL},
    {SH_HTTP_GET, "/pki/device-ca.crl", "pkiCrl", API_PUBLIC, API_F_OWN_TYPE, api_pki_crl,
     "Revoked certificates of the device CA (CRL, DER).", "设备 CA 的证书吊销列表（CRL，DER）",
     NULL, NULL},
    {SH_HTTP_POST, "/pki/ocsp", "pkiOcsp", API_PUBLIC, API_F_OWN_TYPE | API_F_RAW | API_F_REPEAT,
     api_pki_ocsp, "Is a certificate of the device CA still good? (OCSP)",
     "查询设备证书状态（OCSP）", NULL, NULL},
    {SH_HTTP_GET, "/pki/ocsp/{request}", "getOcsp", API_PUBLIC, API_F_OWN_TYPE, api_pki_ocsp_get,
     "The same, the request in base64.", "查询设备证书状态（OCSP，请求为 base64）", NULL, NULL},
    {SH_HTTP_GET, EST "cacerts", "estCaCerts", API_PUBLIC, API_F_OWN_TYPE, api_est_cacerts,
     "EST: certificate of the device CA (PKCS #7 in base64).",
     "EST：设备 CA 证书（base64 编码的 PKCS #7）", NULL, NULL},
    {SH_HTTP_GET, EST "csrattrs", "estCsrAttrs", API_PUBLIC, API_F_LOOP, api_est_csrattrs,
     "EST: what a request should hold (nothing).", "EST：对证书请求的要求（无）", NULL, NULL},
    {SH_HTTP_POST, EST "simpleenroll", "estEnroll", API_PUBLIC,
     API_F_OWN_TYPE | API_F_RAW | API_F_REPEAT, api_est_enroll,
     "EST: a device gets its certificate with its secret or token (HTTP Basic).",
     "EST：设备凭密钥或令牌（HTTP Basic）申请证书", NULL, NULL},
    {SH_HTTP_POST, EST "simplereenroll", "estReenroll", API_PUBLIC,
     API_F_OWN_TYPE | API_F_RAW | API_F_REPEAT, api_est_reenroll,
     "EST: a device renews the certificate that it shows, also one whose time is over.",
     "EST：设备用现有证书（含已过期的）续期", NULL, NULL},
    {SH_HTTP_GET, V1 "provisioning-keys", "listProvisioningKeys", SH_PERM_DEVICES_READ, 0,
     api_provisions_list, "Keys by which new devices get their identity.",
     "预置密钥列表（新设备凭此获取身份）", NULL, NULL},
    {SH_HTTP_POST, V1 "provisioning-keys", "createProvisioningKey", SH_PERM_DEVICES_WRITE,
     API_F_SECRET | API_F_CONFIRM, api_provisions_post,
     "Make a provisioning key; it is shown once.", "新建预置密钥（只显示一次）", NULL,
     "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"pattern\":{\"type\":\"string\"},\"thing\":{\"type\":\"string\"},\"asset\":{\"type\":"
     "\"string\"},\"uses\":{\"type\":\"integer\"},\"expires\":{}}}"},
    {SH_HTTP_DELETE, V1 "provisioning-keys/{id}", "deleteProvisioningKey", SH_PERM_DEVICES_WRITE, 0,
     api_provisions_delete, "Revoke a provisioning key.", "吊销预置密钥", NULL, NULL},
    {SH_HTTP_POST, V1 "provision", "provisionDevice", API_PUBLIC, API_F_SECRET, api_provision,
     "A new device gets its identity with a provisioning key.", "新设备凭预置密钥获取身份", NULL,
     "{\"type\":\"object\",\"required\":[\"key\",\"device\"],\"properties\":{\"key\":{\"type\":"
     "\"string\"},\"device\":{\"type\":\"string\"},\"credential\":{\"enum\":[\"secret\","
     "\"certificate\"]},\"csr\":{\"type\":\"string\"}}}"},
    {SH_HTTP_GET, V1 "devices/{id}/connection", "deviceConnection", SH_PERM_DEVICES_READ,
     API_F_PARTS, api_device_connection, "Connection counters.", "连接统计", NULL, NULL},
    {SH_HTTP_POST, V1 "devices/{id}/commands", "sendCommand", SH_PERM_DEVICES_COMMAND, API_F_PARTS,
     api_device_command, "Send a command or write a property.", "下发命令或写属性", NULL,
     "{\"type\":\"object\",\"properties\":{\"service\":{\"type\":\"string\"},\"property\":{"
     "\"type\":\"string\"},\"value\":{},\"id\":{\"type\":\"string\"},\"timeout_ms\":{\"type\":"
     "\"integer\"}}}"},
    {SH_HTTP_GET, V1 "devices/{id}/commands", "listCommands", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_commands_list, "Commands of a device, newest first.", "设备的命令记录（新的在前）",
     "limit,cursor", NULL},
    {SH_HTTP_GET, V1 "commands/{id}", "getCommand", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_command_get, "State of a command.", "命令状态", NULL, NULL},
    {SH_HTTP_POST, V1 "devices/{id}/write-enable", "enableWrite", SH_PERM_DEVICES_ENABLE_WRITE,
     API_F_PARTS, api_device_write_enable, "Allow writing for a reason and a time.",
     "启用写入（需原因和期限）", NULL,
     "{\"type\":\"object\",\"required\":[\"reason\",\"until\"],\"properties\":{\"reason\":{"
     "\"type\":\"string\"},\"until\":{}}}"},
    {SH_HTTP_DELETE, V1 "devices/{id}/write-enable", "disableWrite", SH_PERM_DEVICES_ENABLE_WRITE,
     API_F_PARTS, api_device_write_disable, "Back to read-only.", "恢复只读接入", NULL, NULL},
    {SH_HTTP_GET, V1 "devices/{id}/relations", "listRelations", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_relations_get, "Relations of a device, both ways.", "设备关系（双向）", "relation", NULL},
    {SH_HTTP_POST, V1 "devices/{id}/relations", "createRelation", SH_PERM_DEVICES_WRITE,
     API_F_PARTS, api_relations_post, "Relate two devices.", "建立设备关系", NULL,
     "{\"type\":\"object\",\"required\":[\"relation\",\"device\"],\"properties\":{\"relation\":{"
     "\"type\":\"string\"},\"device\":{\"type\":\"string\"}}}"},
    {SH_HTTP_DELETE, V1 "devices/{id}/relations/{relation}/{device}", "deleteRelation",
     SH_PERM_DEVICES_WRITE, API_F_PARTS, api_relations_delete, "Take a relation away.",
     "删除设备关系", NULL, NULL},
    FILES("devices", "Device", SH_PERM_DEVICES_READ, SH_PERM_DEVICES_WRITE, API_F_PARTS,
          API_F_PARTS, "a device", "设备"),
    {SH_HTTP_GET, V1 "devices/{id}/attributes", "getAttributes", SH_PERM_DEVICES_READ, API_F_PARTS,
     api_attributes_get, "Desired and reported attributes.", "期望属性与上报属性", NULL, NULL},
    {SH_HTTP_PATCH, V1 "devices/{id}/attributes", "patchAttributes", SH_PERM_DEVICES_WRITE,
     API_F_PARTS, api_attributes_patch, "Merge into the desired attributes.", "合并期望属性", NULL,
     OBJ},
    {SH_HTTP_GET, V1 "map/settings", "getMapSettings", API_SIGNED_IN, 0, api_map_settings,
     "Tiles of the console's map.", "控制台地图的瓦片设置", NULL, NULL},
    {SH_HTTP_GET, V1 "device-templates", "listDeviceTemplates", SH_PERM_DEVICES_READ, 0,
     api_templates_list, "Templates of devices.", "建档模板列表", NULL, NULL},
    {SH_HTTP_POST, V1 "device-templates", "createDeviceTemplate", SH_PERM_DEVICES_WRITE, 0,
     api_templates_post, "Make a template of devices.", "新建建档模板", NULL, TEMPLATE},
    {SH_HTTP_GET, V1 "device-templates/{id}", "getDeviceTemplate", SH_PERM_DEVICES_READ, 0,
     api_templates_get, "One template of devices.", "查看建档模板", NULL, NULL},
    {SH_HTTP_PUT, V1 "device-templates/{id}", "putDeviceTemplate", SH_PERM_DEVICES_WRITE, 0,
     api_templates_put, "Replace a template of devices.", "修改建档模板", NULL, TEMPLATE},
    {SH_HTTP_DELETE, V1 "device-templates/{id}", "deleteDeviceTemplate", SH_PERM_DEVICES_WRITE, 0,
     api_templates_delete, "Remove a template of devices.", "删除建档模板", NULL, NULL},
    {SH_HTTP_GET, V1 "views", "listViews", API_SIGNED_IN, 0, api_views_list,
     "Saved views of the console's lists: one's own and shared ones.",
     "控制台列表的已保存视图：自己的和共享的", "page", NULL},
    {SH_HTTP_POST, V1 "views", "createView", API_SIGNED_IN, 0, api_views_post, "Save a view.",
     "保存视图", NULL, VIEW},
    {SH_HTTP_PUT, V1 "views/{id}", "putView", API_SIGNED_IN, 0, api_views_put,
     "Replace a saved view.", "修改视图", NULL, VIEW},
    {SH_HTTP_DELETE, V1 "views/{id}", "deleteView", API_SIGNED_IN, 0, api_views_delete,
     "Remove a saved view.", "删除视图", NULL, NULL},
    {SH_HTTP_GET, V1 "dashboards", "listDashboards", SH_PERM_DASHBOARDS_READ, 0,
     api_dashboards_list, "Dashboards: one's own and shared ones.", "仪表板：自己的和共享的", "q",
     NULL},
    {SH_HTTP_POST, V1 "dashboards", "createDashboard", SH_PERM_DASHBOARDS_WRITE, 0,
     api_dashboards_post, "Make a dashboard.", "新建仪表板", NULL, DASHBOARD},
    {SH_HTTP_POST, V1 "dashboards/data", "dashboardData", SH_PERM_DASHBOARDS_READ,
     API_F_REPEAT | API_F_PANEL | API_F_ASKS, api_dashboards_data,
     "Units, words and newest values of points, states of devices; what is unknown is left out.",
     "点位的单位、名称和最新值，以及设备状态；未知的略去", NULL,
     "{\"type\":\"object\",\"properties\":{\"points\":" IDS ",\"devices\":" IDS "}}"},
    {SH_HTTP_GET, V1 "dashboards/{id}", "getDashboard", SH_PERM_DASHBOARDS_READ, API_F_PANEL,
     api_dashboards_get, "One dashboard, with what the caller may see of it.",
     "仪表板详情（只含可查看的内容）", NULL, NULL},
    {SH_HTTP_PUT, V1 "dashboards/{id}", "putDashboard", SH_PERM_DASHBOARDS_WRITE, 0,
     api_dashboards_put, "Replace a dashboard.", "修改仪表板", NULL, DASHBOARD},
    {SH_HTTP_DELETE, V1 "dashboards/{id}", "deleteDashboard", SH_PERM_DASHBOARDS_WRITE, 0,
     api_dashboards_delete, "Remove a dashboard.", "删除仪表板", NULL, NULL},
    {SH_HTTP_GET, V1 "assets", "listAssets", SH_PERM_ASSETS_READ, API_F_PARTS, api_assets_list,
     "The asset tree.", "资产树", "parent", NULL},
    {SH_HTTP_POST, V1 "assets", "createAsset", SH_PERM_ASSETS_WRITE, 0, api_assets_post,
     "Make a node of the asset tree.", "新建资产节点", NULL, OBJ},
    {SH_HTTP_PUT, V1 "assets/{id}", "putAsset", SH_PERM_ASSETS_WRITE, 0, api_assets_put,
     "Change or move a node.", "修改或移动资产节点", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "assets/{id}", "deleteAsset", SH_PERM_ASSETS_WRITE, 0, api_assets_delete,
     "Remove an empty node.", "删除空的资产节点", NULL, NULL},
    {SH_HTTP_GET, V1 "plans", "listPlans", SH_PERM_ASSETS_READ, API_F_PARTS, api_plans_list,
     "Assets that have a plan.", "有平面图的资产", NULL, NULL},
    {SH_HTTP_GET, V1 "assets/{id}/plan", "getPlan", SH_PERM_ASSETS_READ, API_F_PARTS, api_plan_get,
     "The plan of an asset: its picture and what is placed on it.", "资产的平面图及其上的标记",
     NULL, NULL},
    {SH_HTTP_PUT, V1 "assets/{id}/plan", "putPlan", SH_PERM_ASSETS_WRITE, 0, api_plan_put,
     "Replace the plan of an asset.", "修改资产的平面图", NULL,
     "{\"type\":\"object\",\"required\":[\"file\",\"markers\"],\"properties\":{\"file\":" TEXT
     ",\"markers\":{\"type\":\"array\",\"items\":" OBJ "}}}"},
    {SH_HTTP_DELETE, V1 "assets/{id}/plan", "deletePlan", SH_PERM_ASSETS_WRITE, 0, api_plan_delete,
     "Take the plan of an asset away (its picture stays a file).",
     "删除资产的平面图（图片仍保留在文件中）", NULL, NULL},
    FILES("assets", "Asset", SH_PERM_ASSETS_READ, SH_PERM_ASSETS_WRITE, API_F_PARTS, 0, "an asset",
          "资产"),
    {SH_HTTP_GET, V1 "channels", "listChannels", SH_PERM_CHANNELS_READ, 0, api_channels_list,
     "Driver channels.", "采集通道列表", LIST, NULL},
    {SH_HTTP_POST, V1 "channels", "createChannel", SH_PERM_CHANNELS_WRITE, 0, api_channels_post,
     "Make a channel.", "新建采集通道", NULL, OBJ},
    {SH_HTTP_GET, V1 "channels/{id}", "getChannel", SH_PERM_CHANNELS_READ, 0, api_channels_get,
     "One channel with its state.", "采集通道及其状态", NULL, NULL},
    {SH_HTTP_PUT, V1 "channels/{id}", "putChannel", SH_PERM_CHANNELS_WRITE, 0, api_channels_put,
     "Change a channel.", "修改采集通道", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "channels/{id}", "deleteChannel", SH_PERM_CHANNELS_WRITE, 0,
     api_channels_delete, "Remove a channel.", "删除采集通道", NULL, NULL},
    {SH_HTTP_GET, V1 "drivers", "listDrivers", SH_PERM_CHANNELS_READ, 0, api_drivers_list,
     "Field protocols with their forms.", "现场协议及其配置表单", NULL, NULL},
    {SH_HTTP_GET, V1 "mappings", "getMappings", SH_PERM_CHANNELS_READ, 0, api_mappings_get,
     "MQTT topics with free JSON.", "自由 JSON 的主题映射", NULL, NULL},
    {SH_HTTP_PUT, V1 "mappings", "putMappings", SH_PERM_CHANNELS_WRITE, 0, api_mappings_put,
     "Say which device and property a topic means.", "设置主题对应的设备和属性", NULL, OBJ},

    /* samples */
    {SH_HTTP_GET, V1 "points", "listPoints", SH_PERM_POINTS_READ, API_F_PARTS | API_F_ASKS,
     api_points_list, "Points.", "点位列表", "device,events,data_class," LIST, NULL},
    {SH_HTTP_PATCH, V1 "points/{device}/{property}", "patchPoint", SH_PERM_POINTS_WRITE,
     API_F_PARTS, api_points_patch, "Set a point's tag or unit.", "设置点位的位号或单位", NULL,
     "{\"type\":\"object\",\"properties\":{\"tag\":{\"type\":\"string\"},\"unit\":{\"type\":"
     "\"string\"},\"name\":{\"type\":\"string\"}}}"},
    {SH_HTTP_GET, V1 "latest", "latest", SH_PERM_POINTS_READ, API_F_PARTS | API_F_ASKS, api_latest,
     "Newest values of points.", "点位最新值", "points,time", NULL},
    {SH_HTTP_POST, V1 "latest", "latestOfMany", SH_PERM_POINTS_READ,
     API_F_REPEAT | API_F_PARTS | API_F_ASKS, api_latest_post,
     "Newest values of many points (a list in the body).", "批量读取点位最新值", NULL,
     "{\"type\":\"object\",\"required\":[\"points\"],\"properties\":{\"points\":{\"type\":"
     "\"array\"}}}"},
    {SH_HTTP_POST, "/write", "writeLines", SH_PERM_INGEST_WRITE, INGEST, api_write,
     "InfluxDB line protocol.", "InfluxDB 行协议写入", "precision,db,bucket,org", TEXT},
    {SH_HTTP_POST, "/api/v2/write", "writeLinesV2", SH_PERM_INGEST_WRITE, INGEST, api_write,
     "InfluxDB line protocol (v2 address).", "InfluxDB 行协议写入（v2 地址）",
     "precision,bucket,org", TEXT},
    {SH_HTTP_POST, V1 "prom/write", "promWrite", SH_PERM_INGEST_WRITE, INGEST, api_prom_write,
     "Prometheus remote write 1.0 (protobuf in snappy).",
     "Prometheus remote write 1.0 写入（snappy 压缩的 protobuf）", NULL, TEXT},
    {SH_HTTP_POST, V1 "ingest", "ingest", SH_PERM_INGEST_WRITE, INGEST, api_ingest,
     "JSON, CSV or columnar samples.", "写入 JSON、CSV 或列式数据",
     "device,time_column,tz,delimiter,encoding", TEXT},
    /* the query API of Prometheus */
    {SH_HTTP_GET, PROM "query", "promQuery", SH_PERM_HISTORY_READ, API_F_PARTS, api_prom_query,
     "PromQL at one time.", "PromQL 即时查询", "query,time", NULL},
    {SH_HTTP_POST, PROM "query", "promQueryForm", SH_PERM_HISTORY_READ,
     API_F_RAW | API_F_REPEAT | API_F_PARTS, api_prom_query, "PromQL at one time (form).",
     "PromQL 即时查询（表单）", NULL, NULL},
    {SH_HTTP_GET, PROM "query_range", "promQueryRange", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_prom_range, "PromQL over a range.", "PromQL 区间查询", "query,start,end,step", NULL},
    {SH_HTTP_POST, PROM "query_range", "promQueryRangeForm", SH_PERM_HISTORY_READ,
     API_F_RAW | API_F_REPEAT | API_F_PARTS, api_prom_range, "PromQL over a range (form).",
     "PromQL 区间查询（表单）", NULL, NULL},
    {SH_HTTP_GET, PROM "labels", "promLabels", SH_PERM_HISTORY_READ, API_F_PARTS, api_prom_labels,
     "Names of labels.", "标签名", "start,end,match[]", NULL},
    {SH_HTTP_POST, PROM "labels", "promLabelsForm", SH_PERM_HISTORY_READ,
     API_F_RAW | API_F_REPEAT | API_F_PARTS, api_prom_labels, "Names of labels (form).",
     "标签名（表单）", NULL, NULL},
    {SH_HTTP_GET, PROM "series", "promSeries", SH_PERM_HISTORY_READ, API_F_PARTS, api_prom_series,
     "Series that selectors take.", "选择器匹配的序列", "start,end,match[]", NULL},
    {SH_HTTP_POST, PROM "series", "promSeriesForm", SH_PERM_HISTORY_READ,
     API_F_RAW | API_F_REPEAT | API_F_PARTS, api_prom_series, "Series that selectors take (form).",
     "选择器匹配的序列（表单）", NULL, NULL},
    {SH_HTTP_GET, PROM "label/{name}/values", "promLabelValues", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_prom_values, "Values of a label.", "标签值", "start,end,match[]", NULL},
    {SH_HTTP_GET, PROM "metadata", "promMetadata", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_prom_metadata, "Metadata of metrics (empty).", "指标元数据（空）", NULL, NULL},
    {SH_HTTP_GET, PROM "status/buildinfo", "promBuild", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_prom_build, "Which Prometheus this speaks like.", "所兼容的 Prometheus 版本", NULL, NULL},

    {SH_HTTP_POST, V1 "history/query", "queryHistory", SH_PERM_HISTORY_READ,
     API_F_REPEAT | API_F_PARTS | API_F_PANEL | API_F_ASKS, api_history_query,
     "Raw samples or aggregates.", "查询历史（原始或聚合）", NULL,
     "{\"type\":\"object\",\"required\":[\"points\"],\"properties\":{\"points\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"string\"}},\"from\":{},\"to\":{},\"step\":{\"type\":"
     "\"string\"},\"aggregate\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
     "\"description\":\"count sum min max mean first last stddev p<0-100> twa rate "
     "count:<condition> duration:<condition>\"},\"time\":{"
     "\"enum\":[\"ms\",\"us\"]},\"limit\":{\"type\":\"integer\"},\"tz\":{\"type\":\"string\"},"
     "\"fill\":{\"enum\":[\"none\",\"null\",\"previous\",\"linear\"]},\"quality\":{\"enum\":["
     "\"default\",\"good\",\"all\"]},\"downsample\":{\"type\":\"object\"},\"cursor\":{\"type\":"
     "\"string\"},\"marks\":{\"type\":\"boolean\"},\"where\":{\"type\":\"string\",\"description\":"
     "\"raw rows that meet: >80 >=80 "
     "<80 "
     "<=80 =80 !=80 10..20 or a value\"}}}"},
    {SH_HTTP_POST, V1 "history/calculate", "calculateHistory", SH_PERM_HISTORY_READ,
     API_F_REPEAT | API_F_PARTS | API_F_ASKS, api_history_calculate,
     "Expressions over the history of points.", "计算序列：对点位历史求表达式", NULL, CALCULATE},
    {SH_HTTP_POST, V1 "history/calculate/export", "exportCalculated", SH_PERM_HISTORY_READ,
     API_F_OWN_TYPE | API_F_REPEAT | API_F_PARTS | API_F_ASKS, api_history_calculate_export,
     "Calculated series as a CSV file.", "导出计算序列（CSV）", NULL, CALCULATE},
    {SH_HTTP_GET, V1 "expressions", "listFunctions", SH_PERM_HISTORY_READ, API_F_PARTS,
     api_expressions, "Functions of the language of expressions.", "表达式可用的函数", NULL, NULL},
    {SH_HTTP_POST, V1 "expressions", "checkExpression", SH_PERM_HISTORY_READ,
     API_F_REPEAT | API_F_PARTS, api_expression_check,
     "Whether an expression is valid, its type and unit.", "检查表达式：类型、单位与错误位置", NULL,
     "{\"type\":\"object\",\"required\":[\"expression\"],\"properties\":{\"expression\":{"
     "\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "history/quality", "surveyHistory", SH_PERM_HISTORY_READ,
     API_F_REPEAT | API_F_PARTS | API_F_ASKS, api_history_quality,
     "What is wrong with the samples of a time: gaps, stuck values, quality, range.",
     "数据质量：缺口、不变值、质量差、超量程", NULL,
     "{\"type\":\"object\",\"required\":[\"points\"],\"properties\":{\"points\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"string\"}},\"from\":{},\"to\":{},\"gap\":{\"type\":"
     "\"string\"},\"gap_factor\":{\"type\":\"number\"},\"stuck\":{\"type\":\"string\"},"
     "\"intervals\":{\"type\":\"integer\"},\"time\":{\"enum\":[\"ms\",\"us\"]}}}"},
    {SH_HTTP_GET, V1 "history/export", "exportHistory", SH_PERM_HISTORY_READ,
     API_F_OWN_TYPE | API_F_PARTS | API_F_ASKS, api_history_export,
     "Samples as CSV, workbook, line protocol or columnar frames.",
     "导出历史（CSV、Excel 工作簿、行协议或列式帧）",
     "points,from,to,format,step,aggregate,tz,fill,quality,where", NULL},
    {SH_HTTP_GET, V1 "sql", "querySql", API_SIGNED_IN, 0, api_sql,
     "SQL over points and records, read-only.", "SQL 查询（点位与业务记录，只读）",
     "sql,format,limit", NULL},
    {SH_HTTP_POST, V1 "sql", "postSql", API_SIGNED_IN, API_F_REPEAT, api_sql,
     "The same with parameters.", "SQL 查询（带参数）", "format,limit",
     "{\"type\":\"object\",\"required\":[\"sql\"],\"properties\":{\"sql\":{\"type\":"
     "\"string\"},\"parameters\":{\"type\":\"array\",\"items\":{}}}}"},
    {SH_HTTP_DELETE, V1 "history", "deleteHistory", SH_PERM_HISTORY_CORRECT,
     API_F_CONFIRM | API_F_PARTS, api_history_delete, "Delete samples, with a reason.",
     "删除样本（需原因）", NULL,
     "{\"type\":\"object\",\"required\":[\"points\",\"reason\"],\"properties\":{\"points\":{"
     "\"type\":\"array\"},\"from\":{},\"to\":{},\"reason\":{\"type\":\"string\"}}}"},
    {SH_HTTP_POST, V1 "history/correct", "correctHistory", SH_PERM_HISTORY_CORRECT, API_F_PARTS,
     api_history_correct, "Correct samples, with a reason.", "更正样本（需原因）", NULL,
     "{\"type\":\"object\",\"required\":[\"point\",\"samples\",\"reason\"],\"properties\":{"
     "\"point\":{\"type\":\"string\"},\"samples\":{\"type\":\"array\"},\"reason\":{\"type\":"
     "\"string\"}}}"},

    {SH_HTTP_GET, V1 "history/edits", "listEdits", SH_PERM_HISTORY_READ, API_F_PARTS | API_F_ASKS,
     api_edits_list, "Corrections and deletions in force for a point, newest first.",
     "点位生效中的更正与删除（新的在前）", "point,time,limit,cursor", NULL},
    {SH_HTTP_POST, V1 "history/edits/{id}/withdraw", "withdrawEdit", SH_PERM_HISTORY_CORRECT,
     API_F_PARTS, api_edit_withdraw, "Withdraw a correction or deletion, with a reason.",
     "撤销更正或删除（需原因）", NULL,
     "{\"type\":\"object\",\"required\":[\"reason\"],\"properties\":{\"reason\":{\"type\":"
     "\"string\"}}}"},

    {SH_HTTP_GET, V1 "notes", "listNotes", SH_PERM_HISTORY_READ, API_F_PARTS | API_F_ASKS,
     api_notes_list, "Notes on points, devices and assets, newest first.",
     "点位、设备和资产上的标注（新的在前）",
     "points,device,asset,from,to,category,q,time,limit,cursor", NULL},
    {SH_HTTP_GET, V1 "notes/export", "exportNotes", SH_PERM_HISTORY_READ,
     API_F_OWN_TYPE | API_F_PARTS, api_notes_export, "Notes as CSV.", "导出标注（CSV）",
     "points,device,asset,from,to,category,q", NULL},
    {SH_HTTP_POST, V1 "notes", "createNote", SH_PERM_HISTORY_ANNOTATE, API_F_PARTS, api_notes_post,
     "Write a note at a moment or over a time.", "在某一时刻或一段时间上新建标注", NULL, NOTE},
    {SH_HTTP_PUT, V1 "notes/{id}", "putNote", SH_PERM_HISTORY_ANNOTATE, API_F_PARTS, api_notes_put,
     "Change a note.", "修改标注", NULL, NOTE},
    {SH_HTTP_DELETE, V1 "notes/{id}", "deleteNote", SH_PERM_HISTORY_ANNOTATE, API_F_PARTS,
     api_notes_delete, "Remove a note.", "删除标注", NULL, NULL},

    /* records */
    {SH_HTTP_GET, V1 "types", "listTypes", SH_PERM_TYPES_READ, 0, api_types_list, "Record types.",
     "业务记录类型", NULL, NULL},
    {SH_HTTP_POST, V1 "types", "createType", SH_PERM_TYPES_WRITE, 0, api_types_post,
     "Make a record type.", "新建业务记录类型", NULL, OBJ},
    {SH_HTTP_GET, V1 "types/{type}", "getType", SH_PERM_TYPES_READ, 0, api_types_get,
     "One record type.", "业务记录类型详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "types/{type}", "putType", SH_PERM_TYPES_WRITE, 0, api_types_put,
     "Change a record type.", "修改业务记录类型", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "types/{type}", "deleteType", SH_PERM_TYPES_WRITE, 0, api_types_delete,
     "Remove a type without records.", "删除没有记录的类型", NULL, NULL},
    {SH_HTTP_GET, V1 "records/{type}", "listRecords", SH_PERM_RECORDS_READ, API_F_ASKS,
     api_records_list, "Records of a type.", "业务记录列表", LIST ",filter", NULL},
    {SH_HTTP_POST, V1 "records/{type}", "createRecord", SH_PERM_RECORDS_WRITE, 0, api_records_post,
     "Make a record.", "新建业务记录", "id", OBJ},
    {SH_HTTP_GET, V1 "records/{type}/{id}", "getRecord", SH_PERM_RECORDS_READ, 0, api_records_get,
     "One record.", "业务记录详情", NULL, NULL},
    {SH_HTTP_PUT, V1 "records/{type}/{id}", "putRecord", SH_PERM_RECORDS_WRITE, 0, api_records_put,
     "Change a record.", "修改业务记录", NULL, OBJ},
    {SH_HTTP_DELETE, V1 "records/{type}/{id}", "deleteRecord", SH_PERM_RECORDS_DELETE, 0,
     api_records_delete, "Remove a record.", "删除业务记录", NULL, NULL},
    {SH_HTTP_GET, V1 "records/{type}/{id}/revisions", "listRevisions", SH_PERM_RECORDS_READ, 0,
     api_records_revisions, "Revisions, newest first.", "修订历史", "limit,cursor", NULL},
    {SH_HTTP_GET, V1 "changes", "listChanges", SH_PERM_RECORDS_READ, 0, api_changes,
     "The change feed.", "变更流", "after,type,limit", NULL},
    {SH_HTTP_POST, V1 "blobs", "putBlob", SH_PERM_RECORDS_WRITE, INGEST, api_blob_post,
     "Store a file; answers its hash.", "保存文件（返回哈希）", NULL, TEXT},
    {SH_HTTP_GET, V1 "blobs/{hash}", "getBlob", SH_PERM_RECORDS_READ, API_F_OWN_TYPE, api_blob_get,
     "A file by its hash.", "按哈希取文件", NULL, NULL},

    {SH_HTTP_OTHER, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
