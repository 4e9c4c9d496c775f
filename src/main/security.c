/* security.c - what the self check looks at: configuration, files, certificate, backups, the
 * process. `songhua check --security` for a stopped node, GET /api/v1/security for a running one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <sh/rehearse.h>
#include <sh/security.h>
#include <sh/version.h>

#include "main_int.h"

#define IDLE_US (90 * INT64_C(86400000000))
#define PROOF_US                                                                                   \
    (600 * INT64_C(1000000)) /* a running node reads its whole chain again after it                \
                              */

enum { STATUS_MAX = 8192, OTHERS = 077 };

/* ---- listeners and files ---- */

static void add_listener(const struct sh_config *c, const char *key, bool tls,
                         struct sh_security_facts *f)
{
    char name[32];
    struct sh_addr a;
    (void)snprintf(name, sizeof name, "%s.listen", key);
    const struct sh_str address = sh_config_get(c, name);
    if (address.n == 0 || f->nlisteners == SH_SECURITY_LISTENERS) {
        return;
    }
    const size_t i = f->nlisteners++;
    const bool loopback = sh_addr_parse(address, &a) == SH_OK && sh_addr_is_loopback(&a);
    (void)snprintf(f->listeners[i].key, sizeof f->listeners[i].key, "%s", key);
    (void)snprintf(f->listeners[i].address, sizeof f->listeners[i].address, "%.*s",
                   SH_PRI(address));
    f->listeners[i].loopback = loopback;
    f->listeners[i].tls = tls;
}

static void look_at_listeners(const struct sh_config *c, struct sh_security_facts *f)
{
    struct sh_addr a;
    const struct sh_str pg = sh_config_get(c, "pg.listen");
    add_listener(c, "http", false, f);
    add_listener(c, "https", true, f);
    add_listener(c, "mqtt", false, f);
    add_listener(c, "mqtts", true, f);
    /* Beyond this machine it takes TLS only. */
    add_listener(c, "pg", sh_addr_parse(pg, &a) != SH_OK || !sh_addr_is_loopback(&a), f);
    f->mqtt_anonymous = sh_config_bool(c, "mqtt.anonymous");
}

static void look_at_forward(const struct sh_config *c, struct sh_security_facts *f)
{
    const struct sh_str where = sh_config_get(c, "audit.syslog");
    const size_t colon = sh_str_rfind(where, ':');
    const struct sh_str host = colon == SIZE_MAX ? where : sh_str_sub(where, 0, colon);
    f->forward.on = where.n > 0;
    f->forward.tls = sh_config_bool(c, "audit.syslog_tls");
    f->forward.loopback = sh_str_eqc(host, "localhost") || sh_str_eqc(host, "[::1]") ||
                          (host.n > 4 && memcmp(host.p, "127.", 4) == 0);
    (void)snprintf(f->forward.where, sizeof f->forward.where, "%.*s", SH_PRI(where));
}

static void look_at_key(int folder, const char *name, struct sh_security_facts *f)
{
    struct stat s;
    if (name[0] == '.' || fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) != 0) {
        return;
    }
    f->files.keys++;
    f->first_password = f->first_password || strcmp(name, "first-password") == 0;
    if ((s.st_mode & OTHERS) != 0) {
        f->files.open_keys++;
        (void)snprintf(f->files.open_key, sizeof f->files.open_key, "%.60s", name);
    }
}

static void look_at_files(const char *dir, struct sh_security_facts *f)
{
    char path[4096];
    struct stat s;
    (void)snprintf(path, sizeof path, "%s/keys", dir);
    if (stat(dir, &s) != 0) {
        return;
    }
    f->files.dir_mode = s.st_mode & 07777U;
    f->files.dir_own = f->running ? s.st_uid == geteuid() : s.st_uid != 0;
    DIR *d = opendir(path);
    if (d == NULL) {
        return;
    }
    f->files.known = true;
    const struct dirent *e = NULL;
    while ((e = readdir(d)) != NULL) { /* NOLINT(concurrency-mt-unsafe): own stream */
        look_at_key(dirfd(d), e->d_name, f);
    }
    (void)closedir(d);
}

/* The server's certificate: of tls.cert, or the node's own. */
static void look_at_certificate(const struct sh_env *env, const struct sh_crypto *c,
                                const struct sh_config *config, const char *dir,
                                struct sh_security_facts *f)
{
    char path[4096];
    struct sh_cert_info *info = sh_mem_new(env->alloc, sizeof *info);
    struct sh_str pem = {NULL, 0};
    const struct sh_str set = sh_config_get(config, "tls.cert");
    if (set.n > 0) {
        (void)snprintf(path, sizeof path, "%.*s", SH_PRI(set));
    } else {
        (void)snprintf(path, sizeof path, "%s/keys/server.pem", dir);
    }
    if (info != NULL && sh_fs_read_all(env->fs, env->alloc, path, 1 << 20, &pem) == SH_OK &&
        sh_cert_parse(c, sh_str_bytes(pem), info) == SH_OK) {
        f->certificate_us = info->until_us;
        f->certificate_own = info->self_issued;
    }
    sh_str_free(env->alloc, &pem);
    sh_mem_free(env->alloc, info);
}

/* ---- backups ---- */

struct backups {
    const struct sh_env *env;
    const char *folder;
    struct sh_security_facts *f;
};

static sh_err look_at_backup(void *ctx, const struct sh_backup_info *i)
{
    const struct backups *b = ctx;
    char path[4096];
    struct sh_rehearsal r;
    (void)snprintf(path, sizeof path, "%s/%s", b->folder, i->id);
    if (i->started_us > b->f->backup.newest_us) {
        b->f->backup.newest_us = i->started_us;
        b->f->backup.keys = i->keys;
    }
    if (sh_rehearsal_read(b->env, path, &r) == SH_OK && r.finished_us > b->f->backup.rehearsed_us) {
        b->f->backup.rehearsed_us = r.finished_us;
        b->f->backup.rehearsal_good = r.good;
    }
    return SH_OK;
}

static sh_err look_at_backups(const struct sh_env *env, const struct sh_crypto *c,
                              const struct sh_config *config, struct sh_security_facts *f)
{
    char folder[2048];
    const struct sh_str dir = sh_config_get(config, "backup.dir");
    f->backup.configured = dir.n > 0;
    f->backup.every_us = sh_config_int(config, "backup.every");
    if (dir.n == 0) {
        return SH_OK;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", SH_PRI(dir));
    struct backups b = {.env = env, .folder = folder, .f = f};
    const sh_err err = sh_backup_list(env, c, folder, look_at_backup, &b);
    return err == SH_E_NOMEM ? err : SH_OK; /* what cannot be read is no backup */
}

/* ---- the process ---- */

/* The number behind "Name:" in /proc/self/status (proc(5)); 0 without. */
static uint64_t status_number(struct sh_str text, const char *name, int base)
{
    struct sh_str rest = text;
    while (rest.p != NULL) {
        struct sh_str value;
        const struct sh_str line = sh_str_cut(rest, '\n', &rest);
        const struct sh_str key = sh_str_cut(line, ':', &value);
        if (value.p != NULL && sh_str_eqc(key, name)) {
            char number[32];
            (void)snprintf(number, sizeof number, "%.*s", SH_PRI(sh_str_trim(value)));
            return strtoull(number, NULL, base);
        }
    }
    return 0;
}

static void look_at_clock(struct sh_security_facts *f)
{
    struct timex t = {.modes = 0};
    const int state = adjtimex(&t); /* reads only; a sandbox may refuse it */
    f->process.clock_known = state >= 0;
    f->process.clock_good = state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
}

/* Files of /proc have no size: read until the end. */
static struct sh_str read_status(char *out, size_t cap)
{
    size_t n = 0;
    ssize_t got = 0;
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    do {
        got = fd < 0 ? 0 : read(fd, out + n, cap - n);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0 && n < cap);
    if (fd >= 0) {
        (void)close(fd);
    }
    return sh_str_of(out, n);
}

static void look_at_process(struct sh_security_facts *f)
{
    char buf[STATUS_MAX];
    struct rlimit core = {.rlim_cur = 0};
    const struct sh_str text = read_status(buf, sizeof buf);
    look_at_clock(f);
    f->process.known = f->running && text.n > 0;
    f->process.root = geteuid() == 0;
    f->process.no_new_privileges = status_number(text, "NoNewPrivs", 10) == 1;
    f->process.capabilities = status_number(text, "CapEff", 16);
    f->process.seccomp = (int)status_number(text, "Seccomp", 10);
    f->process.core_dumps = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur > 0 &&
                            prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
}

/* ---- together ---- */

struct looker {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const struct sh_config *config;
    const char *dir;
    struct sh_guard *guard;
    char host[256];
    struct sh_security_facts f;
};

static sh_err look(struct looker *l, bool running)
{
    struct sh_security_facts *f = &l->f;
    *f = (struct sh_security_facts){.running = running, .version = SH_VERSION, .host = l->host};
    f->now_us = sh_wall_us(l->env->clock);
    if (gethostname(l->host, sizeof l->host - 1) != 0) {
        l->host[0] = '\0';
    }
    look_at_listeners(l->config, f);
    look_at_forward(l->config, f);
    look_at_files(l->dir, f);
    look_at_certificate(l->env, l->crypto, l->config, l->dir, f);
    f->disk.warn = (unsigned)sh_config_int(l->config, "disk.warn");
    f->disk.act = (unsigned)sh_config_int(l->config, "disk.act");
    f->disk.stop = (unsigned)sh_config_int(l->config, "disk.stop");
    SH_TRY(look_at_backups(l->env, l->crypto, l->config, f));
    look_at_process(f);
    return sh_guard_security(l->guard, IDLE_US, &f->guard);
}

/* The whole chain, proved at most every ten minutes; who comes meanwhile waits for the first. */
static void prove(struct node *n, struct sh_security_facts *f)
{
    struct node_proof *p = &n->proof;
    sh_mutex_lock(&p->lock);
    if (p->at_us == 0 || f->now_us - p->at_us > PROOF_US || f->now_us < p->at_us) {
        p->good = sh_guard_audit_prove(n->guard, &p->report) == SH_OK;
        p->at_us = f->now_us;
    }
    f->audit = p->report;
    f->audit_good = p->good;
    f->audit_us = p->at_us;
    sh_mutex_unlock(&p->lock);
}

static void look_at_classes(struct node *n, struct sh_security_facts *f)
{
    const uint32_t last = sh_guard_last_tenant(n->guard);
    f->classes.known = true;
    for (uint32_t tenant = 0; tenant <= last; tenant++) { /* 0: models of the platform */
        uint32_t models = 0;
        uint32_t unclassed = 0;
        uint32_t points[SH_DATA_PAIRS];
        sh_twin_unclassed(n->twin, tenant, &models, &unclassed);
        f->classes.models += models;
        f->classes.unclassed += unclassed;
        sh_points_class_counts(n->points, tenant, points);
        for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
            const uint8_t name = sh_data_class_of_pair(i).name;
            f->classes.important += name == SH_CLASS_IMPORTANT ? points[i] : 0;
            f->classes.core += name == SH_CLASS_CORE ? points[i] : 0;
        }
    }
}

sh_err security_ask(void *ctx, struct sh_jw *w)
{
    struct node *n = ctx;
    struct sh_guard_stats g;
    struct sh_disk_state s;
    struct node_forward_state fw;
    struct looker *l = sh_mem_new(n->env.alloc, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->env = &n->env;
    l->crypto = n->crypto;
    l->config = n->config;
    l->dir = n->dir;
    l->guard = n->guard;
    const sh_err err = look(l, true);
    if (err == SH_OK) {
        prove(n, &l->f);
        sh_guard_stats(n->guard, &g);
        sh_disk_state(n->disk, &s);
        forward_state(n, &fw);
        l->f.audit_dropped = g.audit_dropped;
        look_at_classes(n, &l->f);
        l->f.forward.connected = fw.connected;
        l->f.forward.lag = fw.lag;
        l->f.disk.known = s.total_bytes > 0;
        l->f.disk.percent = s.percent;
        sh_security_write(&l->f, w);
    }
    sh_mem_free(n->env.alloc, l);
    return err;
}

/* ---- the command ---- */

static void print_control(const struct sh_control *c, const struct sh_security_facts *f, bool zh)
{
    static const char *const marks[2][SH_CONTROL_STATES] = {
        {"met", "part", "NOT MET", "does not apply"}, {"符合", "部分符合", "不符合", "不适用"}};
    struct sh_control_found found = {.state = SH_CONTROL_NONE};
    c->judge(f, &found);
    (void)printf("%s: %s (%s)\n", marks[zh ? 1 : 0][found.state], zh ? c->title_zh : c->title_en,
                 c->id);
    (void)printf("  %s: %s\n", zh ? "证据" : "found", zh ? found.zh : found.en);
    if (found.state == SH_CONTROL_PART || found.state == SH_CONTROL_NOT_MET) {
        (void)printf("  %s: %s\n", zh ? "措施" : "remedy", zh ? c->remedy_zh : c->remedy_en);
    }
    (void)printf("  GB/T 22239-2019 %s; IEC 62443-3-3 %s\n", c->dengbao, c->iec62443);
}

static void print_report(const struct sh_security_facts *f, bool zh)
{
    char t[SH_TIME_CHARS];
    unsigned counts[SH_CONTROL_STATES];
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    const size_t len = sh_time_print(f->now_us, t);
    (void)printf(zh ? "松花 %s 安全自查，%s，%.*s\n\n"
                    : "songhua %s security check of %s, %.*s\n\n",
                 f->version, f->host, (int)len, t);
    for (size_t i = 0; i < n; i++) {
        print_control(&c[i], f, zh);
    }
    sh_security_count(f, counts);
    (void)printf(zh ? "\n共 %zu 项：符合 %u，部分符合 %u，不符合 %u，不适用 %u\n"
                    : "\n%zu controls: %u met, %u in part, %u not met, %u do not apply\n",
                 n, counts[SH_CONTROL_MET], counts[SH_CONTROL_PART], counts[SH_CONTROL_NOT_MET],
                 counts[SH_CONTROL_NONE]);
}

static sh_err print_json(const struct sh_env *env, const struct sh_security_facts *f)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, env->alloc, 1 << 20);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_security_write(f, &w);
    sh_jw_obj_end(&w);
    const sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        (void)printf("%.*s\n", SH_PRI(sh_buf_str(&b)));
    }
    sh_buf_fini(&b);
    return err;
}

int node_check_security(const struct node_security_ask *a)
{
    unsigned counts[SH_CONTROL_STATES];
    struct looker *l = sh_mem_new(a->env->alloc, sizeof *l);
    if (l == NULL) {
        return 1;
    }
    l->env = a->env;
    l->crypto = a->crypto;
    l->config = a->config;
    l->dir = a->dir;
    l->guard = a->guard;
    sh_err err = look(l, false);
    if (err == SH_OK) {
        l->f.audit_good = sh_guard_audit_prove(a->guard, &l->f.audit) == SH_OK;
        l->f.audit_us = l->f.now_us;
        sh_security_count(&l->f, counts);
        if (a->json) {
            err = print_json(a->env, &l->f);
        } else {
            print_report(&l->f, node_speaks_chinese());
        }
    }
    sh_mem_free(a->env->alloc, l);
    if (err != SH_OK) {
        (void)fprintf(stderr, "songhua: the check could not be done: %s\n", sh_err_name(err));
        return 1;
    }
    return counts[SH_CONTROL_NOT_MET] == 0 ? 0 : CHECK_NOT_MET;
}
