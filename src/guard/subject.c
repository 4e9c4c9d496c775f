/* Subjects: the lock-free half of a principal, and the decision.
 *
 * A slot goes free -> alive (generation becomes odd) -> free (even) -> alive ... Chunks are added
 * under `lock` and never freed before close, so a reader that holds any slot number below nsubjects
 * reads valid memory. A reader checks the generation before and after it has read the rest: a slot
 * that was given to another in between is seen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

struct guard_subject *guard_subject_at(const struct sh_guard *g, uint32_t slot)
{
    if (slot == 0 || slot >= atomic_load_explicit(&g->nsubjects, memory_order_acquire)) {
        return NULL;
    }
    struct guard_subject *chunk =
        atomic_load_explicit(&g->subjects[slot / SUBJECT_CHUNK], memory_order_acquire);
    return &chunk[slot % SUBJECT_CHUNK];
}

/* Slot 0 is nobody and never used. */
static sh_err grow(struct sh_guard *g, uint32_t *slot)
{
    uint32_t n = atomic_load(&g->nsubjects);
    n = n == 0 ? 1 : n;
    const uint32_t chunk = n / SUBJECT_CHUNK;
    if (chunk >= SUBJECT_CHUNKS) {
        return SH_E_LIMIT;
    }
    if (atomic_load(&g->subjects[chunk]) == NULL) {
        struct guard_subject *c =
            sh_mem_array(g->env->alloc, SUBJECT_CHUNK, sizeof(struct guard_subject));
        if (c == NULL) {
            return SH_E_NOMEM;
        }
        atomic_store_explicit(&g->subjects[chunk], c, memory_order_release);
    }
    atomic_store_explicit(&g->nsubjects, n + 1, memory_order_release);
    *slot = n;
    return SH_OK;
}

sh_err guard_subject_new(struct sh_guard *g, enum sh_principal_kind kind, void *owner,
                         uint32_t *slot)
{
    uint32_t n = g->free_subject;
    if (n != 0) {
        g->free_subject = guard_subject_at(g, n)->next_free;
    } else {
        SH_TRY(grow(g, &n));
    }
    struct guard_subject *s = guard_subject_at(g, n);
    s->kind = (uint8_t)kind;
    s->session = false;
    s->owner = owner;
    s->next_free = 0;
    atomic_store(&s->permissions, 0);
    atomic_store(&s->clear, 0);
    atomic_store(&s->scopes, 0);
    atomic_store(&s->expires_us, INT64_MAX);
    atomic_fetch_add(&s->generation, 1);
    *slot = n;
    return SH_OK;
}

void guard_subject_free(struct sh_guard *g, uint32_t slot)
{
    struct guard_subject *s = guard_subject_at(g, slot);
    if (s == NULL) {
        return;
    }
    atomic_store(&s->permissions, 0);
    atomic_store(&s->clear, 0);
    atomic_store(&s->scopes, 0);
    atomic_fetch_add(&s->generation, 1);
    s->owner = NULL;
    s->next_free = g->free_subject;
    g->free_subject = slot;
}

void guard_subject_renew(struct sh_guard *g, uint32_t slot)
{
    struct guard_subject *s = guard_subject_at(g, slot);
    if (s != NULL) {
        atomic_fetch_add(&s->generation, 2);
    }
}

void guard_subject_set(struct sh_guard *g, uint32_t slot, uint64_t permissions, uint64_t clear,
                       int64_t expires_us)
{
    struct guard_subject *s = guard_subject_at(g, slot);
    if (s != NULL) {
        /* less is seen before it may be read, and read no more before more is seen */
        atomic_store(&s->permissions, permissions & atomic_load(&s->permissions));
        atomic_store(&s->clear, clear);
        atomic_store(&s->permissions, permissions);
        atomic_store(&s->expires_us, expires_us);
        atomic_store(&s->must, 0);
    }
}

void guard_subject_scopes(struct sh_guard *g, uint32_t slot, uint32_t scopes)
{
    struct guard_subject *s = guard_subject_at(g, slot);
    if (s != NULL) {
        atomic_store(&s->scopes, scopes);
    }
}

void guard_subject_must(struct sh_guard *g, uint32_t slot, uint8_t must)
{
    struct guard_subject *s = guard_subject_at(g, slot);
    if (s != NULL) {
        atomic_store(&s->must, must);
    }
}

struct sh_principal guard_subject_handle(const struct sh_guard *g, uint32_t slot, uint32_t tenant,
                                         bool bound)
{
    const struct guard_subject *s = guard_subject_at(g, slot);
    if (s == NULL) {
        return (struct sh_principal){0};
    }
    return (struct sh_principal){
        .slot = slot,
        .generation = atomic_load(&s->generation),
        .tenant = tenant,
        .kind = s->kind,
        .bound = bound,
    };
}

/* What a reader needs, read as one. */
struct snapshot {
    enum sh_denial denial;
    uint64_t permissions;
    uint64_t clear;
    uint32_t scopes;
    uint8_t must;
};

static struct snapshot look(const struct sh_guard *g, const struct sh_principal *p)
{
    const struct guard_subject *s = guard_subject_at(g, p->slot);
    if (p->kind == SH_PRINCIPAL_NOBODY || s == NULL) {
        return (struct snapshot){.denial = SH_DENIAL_NOBODY};
    }
    const uint32_t before = atomic_load(&s->generation);
    const uint64_t permissions = atomic_load(&s->permissions);
    const uint64_t clear = atomic_load(&s->clear);
    const uint32_t scopes = atomic_load(&s->scopes);
    const int64_t expires = atomic_load(&s->expires_us);
    const uint8_t must = atomic_load(&s->must);
    const uint32_t after = atomic_load(&s->generation);
    if (before != p->generation || after != before || (before & 1) == 0) {
        return (struct snapshot){.denial = SH_DENIAL_REVOKED};
    }
    if (expires != INT64_MAX && expires <= guard_now(g)) {
        return (struct snapshot){.denial = SH_DENIAL_EXPIRED};
    }
    return (struct snapshot){
        .permissions = permissions, .clear = clear, .scopes = scopes, .must = must};
}

/* What the grants of a set give in a tenant. */
struct scoped {
    uint64_t whole;
    uint64_t lasting; /* of these, for good */
    uint64_t clear;
    uint64_t lasting_clear;
    uint64_t in_part;
    uint64_t ended;
    uint64_t coming;
};

static void scoped_add(const struct sh_guard *g, const struct guard_scope *s, uint32_t tenant,
                       int64_t now, struct scoped *out)
{
    const uint64_t bits = atomic_load(&s->bits);
    const uint64_t in_part = atomic_load(&s->in_part);
    const int64_t until = atomic_load(&s->until_us);
    if (!sh_guard_tenant_within(g, tenant, atomic_load(&s->tenant))) {
        return;
    }
    if (until <= now) {
        out->ended |= bits | in_part;
    } else if (atomic_load(&s->from_us) > now) {
        out->coming |= bits | in_part;
    } else {
        out->whole |= bits;
        out->in_part |= in_part;
        out->lasting |= until == INT64_MAX ? bits : 0;
        const uint64_t clear = atomic_load(&s->clear);
        out->clear |= clear;
        out->lasting_clear |= until == INT64_MAX ? clear : 0;
    }
}

/* A set that was given to another in between belongs to a handle that is dead by then, which the
 * caller's next look tells. */
static struct scoped scoped_of(const struct sh_guard *g, uint32_t set, uint32_t tenant)
{
    struct scoped out = {.whole = 0};
    const struct guard_scopes *s = set == 0 ? NULL : guard_scopes_at(g, set);
    const int64_t now = s == NULL ? 0 : guard_now(g);
    while (s != NULL) {
        const uint32_t turn = atomic_load(&s->turn);
        out = (struct scoped){.whole = 0};
        const uint32_t n = atomic_load(&s->n);
        for (uint32_t i = 0; i < n && i < GUARD_GRANTS_MAX; i++) {
            scoped_add(g, &s->at[i], tenant, now, &out);
        }
        if ((turn & 1) == 0 && atomic_load(&s->turn) == turn) {
            break;
        }
    }
    return out;
}

/* The tenant or one above it is disabled. */
static bool tenant_off(const struct sh_guard *g, uint32_t tenant)
{
    for (int depth = 0; depth <= SH_TENANT_DEPTH_MAX && tenant != SH_TENANT_NONE; depth++) {
        const struct guard_tenant *t = guard_tenant_at(g, tenant);
        if (t == NULL || atomic_load_explicit(&t->off, memory_order_relaxed)) {
            return true;
        }
        tenant = atomic_load_explicit(&t->parent, memory_order_relaxed);
    }
    return false;
}

static enum sh_denial why_not(const struct snapshot *s, const struct scoped *sc, uint64_t bit)
{
    if (s->must != 0) {
        return (s->must & GUARD_MUST_PASSWORD) != 0 ? SH_DENIAL_PASSWORD : SH_DENIAL_FACTOR;
    }
    if ((sc->in_part & bit) != 0) {
        return SH_DENIAL_PART;
    }
    if ((sc->coming & bit) != 0) {
        return SH_DENIAL_COMING;
    }
    return (sc->ended & bit) != 0 ? SH_DENIAL_ENDED : SH_DENIAL_PERMISSION;
}

/* some: a right for a part of the plant will do. */
static enum sh_denial decide(const struct sh_guard *g, const struct sh_principal *p,
                             enum sh_permission perm, uint32_t tenant, bool some)
{
    const uint64_t bit = sh_permission_bit(perm);
    const struct snapshot s = look(g, p);
    if (s.denial != SH_DENIAL_NONE) {
        return s.denial;
    }
    if (!sh_guard_tenant_within(g, tenant, p->tenant)) {
        return SH_DENIAL_TENANT;
    }
    if ((s.permissions & bit) == 0) {
        const struct scoped sc = scoped_of(g, s.scopes, tenant);
        const struct snapshot again = s.scopes == 0 ? s : look(g, p);
        if (again.denial != SH_DENIAL_NONE) {
            return again.denial;
        }
        if (((sc.whole | (some ? sc.in_part : 0)) & bit) == 0) {
            return why_not(&s, &sc, bit);
        }
    }
    /* Who is above a disabled tenant may still look after it; who is in it or below may not. */
    return tenant_off(g, p->tenant) ? SH_DENIAL_TENANT_OFF : SH_DENIAL_NONE;
}

sh_err sh_guard_check(const struct sh_guard *g, const struct sh_principal *p,
                      enum sh_permission perm, uint32_t tenant)
{
    return decide(g, p, perm, tenant, false) == SH_DENIAL_NONE ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_check_some(const struct sh_guard *g, const struct sh_principal *p,
                           enum sh_permission perm, uint32_t tenant)
{
    return decide(g, p, perm, tenant, true) == SH_DENIAL_NONE ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_live(const struct sh_guard *g, const struct sh_principal *p)
{
    return look(g, p).denial == SH_DENIAL_NONE && !tenant_off(g, p->tenant) ? SH_OK : SH_E_CLOSED;
}

uint64_t guard_subject_permissions(const struct sh_guard *g, const struct sh_principal *p)
{
    const struct snapshot s = look(g, p);
    return s.permissions | scoped_of(g, s.scopes, p->tenant).whole;
}

uint64_t guard_subject_lasting(const struct sh_guard *g, const struct sh_principal *p,
                               uint32_t tenant)
{
    const struct snapshot s = look(g, p);
    return s.permissions | scoped_of(g, s.scopes, tenant).lasting;
}

uint64_t guard_subject_lasting_clear(const struct sh_guard *g, const struct sh_principal *p,
                                     uint32_t tenant)
{
    const struct snapshot s = look(g, p);
    return s.clear | scoped_of(g, s.scopes, tenant).lasting_clear;
}

uint64_t guard_subject_clear(const struct sh_guard *g, const struct sh_principal *p,
                             uint32_t tenant)
{
    const struct snapshot s = look(g, p);
    if (s.denial != SH_DENIAL_NONE || !sh_guard_tenant_within(g, tenant, p->tenant)) {
        return 0;
    }
    return s.clear | scoped_of(g, s.scopes, tenant).clear;
}

void *guard_subject_owner(const struct sh_guard *g, const struct sh_principal *p,
                          enum sh_principal_kind kind)
{
    const struct guard_subject *s = guard_subject_at(g, p->slot);
    if (s == NULL || s->kind != (uint8_t)kind || atomic_load(&s->generation) != p->generation) {
        return NULL;
    }
    return s->owner;
}

static const char *bound_device(const struct sh_guard *g, const struct sh_principal *p)
{
    const struct guard_device *d = guard_subject_owner(g, p, SH_PRINCIPAL_DEVICE);
    if (d != NULL) {
        return d->device;
    }
    const struct guard_token *t = guard_subject_owner(g, p, SH_PRINCIPAL_TOKEN);
    return t == NULL ? "" : t->device;
}

void sh_guard_set_archived(struct sh_guard *g, sh_guard_archived_fn *fn, void *ctx)
{
    g->archived = fn;
    g->archived_ctx = ctx;
}

void sh_guard_set_in_part(struct sh_guard *g, sh_guard_part_fn *fn, void *ctx)
{
    g->in_part = fn;
    g->in_part_ctx = ctx;
}

static void part_of(const struct guard_person *owner, uint8_t part, const char *what,
                    struct sh_parts *out)
{
    struct sh_part *o = &out->at[out->n];
    o->label = part != SH_PART_ASSET;
    if (part == SH_PART_OWN
            ? guard_print(o->text, sizeof o->text, "owner:%s", owner == NULL ? "" : owner->name)
            : guard_copy(o->text, sizeof o->text, sh_str_c(what))) {
        out->n++;
    }
}

/* The parts that grants with the permission name. Under lock. */
static void parts_of(struct sh_guard *g, const struct sh_principal *p, uint64_t bit,
                     uint32_t tenant, struct sh_parts *out)
{
    const struct guard_session *s = guard_session_of(g, p);
    const struct guard_person *person =
        s != NULL ? s->person : guard_subject_owner(g, p, SH_PRINCIPAL_PERSON);
    const struct guard_token *t = guard_subject_owner(g, p, SH_PRINCIPAL_TOKEN);
    const int64_t now = guard_now(g);
    for (uint32_t i = 0; person != NULL && i < person->ngrants; i++) {
        const struct guard_grant *gr = &person->grants[i];
        /* the same name in a tenant below is somebody else */
        const bool there = gr->part == SH_PART_OWN ? tenant == person->tenant
                                                   : sh_guard_tenant_within(g, tenant, gr->tenant);
        if (gr->part != SH_PART_ALL && gr->from_us <= now && gr->until_us > now &&
            (gr->role->bits & bit) != 0 && there) {
            part_of(person, gr->part, gr->what, out);
        }
    }
    if (t != NULL && t->part != SH_PART_ALL) {
        part_of(NULL, t->part, t->what, out);
    }
}

sh_err sh_guard_parts(struct sh_guard *g, const struct sh_principal *p, enum sh_permission perm,
                      uint32_t tenant, struct sh_parts *out)
{
    *out = (struct sh_parts){.all = sh_guard_check(g, p, perm, tenant) == SH_OK};
    if (out->all) {
        return SH_OK;
    }
    SH_TRY(sh_guard_check_some(g, p, perm, tenant));
    sh_mutex_lock(&g->lock);
    parts_of(g, p, sh_permission_bit(perm), tenant, out);
    sh_mutex_unlock(&g->lock);
    return out->n > 0 ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_check_device(struct sh_guard *g, const struct sh_principal *p,
                             enum sh_permission perm, uint32_t tenant, struct sh_str device)
{
    struct sh_parts parts;
    SH_TRY(sh_guard_parts(g, p, perm, tenant, &parts));
    if (!parts.all) {
        return g->in_part != NULL && g->in_part(g->in_part_ctx, tenant, device, &parts)
                   ? SH_OK
                   : SH_E_DENIED;
    }
    if (!p->bound) {
        return SH_OK;
    }
    sh_mutex_lock(&g->lock);
    const bool own = tenant == p->tenant && sh_str_eqc(device, bound_device(g, p));
    sh_mutex_unlock(&g->lock);
    return own ? SH_OK : sh_guard_check(g, p, SH_PERM_INGEST_GATEWAY, tenant);
}

static const struct {
    const char *english;
    const char *chinese;
    const char *remedy_english;
    const char *remedy_chinese;
} words[] = {
    [SH_DENIAL_NONE] = {"This is allowed.", "允许此操作。", "", ""},
    [SH_DENIAL_NOBODY] = {"This needs a sign-in or a token.", "需要登录或令牌。",
                          "Sign in, or send the header Authorization: Bearer <token>.",
                          "请登录，或在请求头中发送 Authorization: Bearer <令牌>。"},
    [SH_DENIAL_REVOKED] = {"The session or token has been revoked.", "会话或令牌已被吊销。",
                           "Sign in again or use another token.", "请重新登录或更换令牌。"},
    [SH_DENIAL_EXPIRED] = {"The session or token has expired.", "会话或令牌已过期。",
                           "Sign in again or make a new token.", "请重新登录或创建新令牌。"},
    [SH_DENIAL_TENANT] = {"This belongs to another tenant.", "该对象属于其他租户。",
                          "Ask an administrator of that tenant or of one above it.",
                          "请联系该租户或其上级租户的管理员。"},
    [SH_DENIAL_PASSWORD] = {"The password has to be changed first.", "须先修改密码。",
                            "Change your password; then everything is as before.",
                            "请先修改自己的密码，之后即可正常使用。"},
    [SH_DENIAL_FACTOR] = {"A second factor has to be set up first.", "须先设置二次验证。",
                          "Set up one-time codes in your account; then everything is as before.",
                          "请先在个人账户中设置动态验证码，之后即可正常使用。"},
    [SH_DENIAL_PART] = {"You hold this right for a part of the plant only.",
                        "您的这项权限仅限部分设备。",
                        "This act is about all of it: ask somebody whose right is not limited.",
                        "该操作涉及全部设备，请联系权限不受范围限制的人员。"},
    [SH_DENIAL_ENDED] = {"The time for which you were given this right is over.",
                         "这项权限的有效期已过。", "Ask who gave it for a new grant.",
                         "请向授权人重新申请。"},
    [SH_DENIAL_COMING] = {"The time for which you were given this right has not begun.",
                          "这项权限尚未生效。", "Your account says when it begins.",
                          "生效时间见个人账户。"},
    [SH_DENIAL_TENANT_OFF] = {"The tenant is disabled.", "租户已停用。",
                              "Ask an administrator of a tenant above it.",
                              "请联系上级租户的管理员。"},
};

enum sh_denial sh_guard_explain(const struct sh_guard *g, const struct sh_principal *p,
                                enum sh_permission perm, uint32_t tenant, bool chinese,
                                struct sh_diag *diag)
{
    const enum sh_denial why = decide(g, p, perm, tenant, false);
    const struct sh_permission_info *info = sh_permission_info(perm);
    if (why == SH_DENIAL_PERMISSION) {
        if (chinese) {
            sh_diag_set(diag, "缺少权限 %s（%s）。", info->name, info->chinese);
            sh_diag_remedy(diag, "请管理员授予带有该权限的角色。");
        } else {
            sh_diag_set(diag, "The permission %s (%s) is missing.", info->name, info->english);
            sh_diag_remedy(diag, "Ask an administrator for a role that has it.");
        }
        return why;
    }
    sh_diag_set(diag, "%s", chinese ? words[why].chinese : words[why].english);
    sh_diag_remedy(diag, "%s", chinese ? words[why].remedy_chinese : words[why].remedy_english);
    return why;
}

struct sh_principal sh_guard_system(const struct sh_guard *g)
{
    return g->system;
}

struct sh_principal sh_guard_anonymous(const struct sh_guard *g)
{
    return g->anonymous;
}

static void describe_owner(struct sh_guard *g, const struct sh_principal *p,
                           const struct guard_subject *s, struct sh_principal_info *out)
{
    const char *word = "nobody";
    const char *name = "";
    if (s->kind == SH_PRINCIPAL_PERSON) {
        const struct guard_session *session = s->owner;
        const struct guard_person *person = s->session ? session->person : s->owner;
        word = "person";
        name = person->name;
    } else if (s->kind == SH_PRINCIPAL_TOKEN) {
        word = "token";
        const struct guard_token *token = s->owner;
        name = token->name;
        (void)guard_copy(out->token_id, sizeof out->token_id, sh_str_c(token->id));
    } else if (s->kind == SH_PRINCIPAL_DEVICE) {
        word = "device";
    } else if (s->kind == SH_PRINCIPAL_ANONYMOUS) {
        word = "anonymous";
    } else if (s->kind == SH_PRINCIPAL_SYSTEM) {
        word = "system";
    }
    (void)guard_copy(out->device, sizeof out->device, sh_str_c(bound_device(g, p)));
    (void)guard_copy(out->name, sizeof out->name, sh_str_c(name[0] == '\0' ? word : name));
    const char *shown = s->kind == SH_PRINCIPAL_DEVICE ? out->device : name;
    (void)guard_print(out->label, sizeof out->label, "%s%s%s%s%s", word,
                      shown[0] == '\0' ? "" : ":", shown, out->tenant_path[0] == '\0' ? "" : "@",
                      out->tenant_path);
}

sh_err sh_guard_describe(struct sh_guard *g, const struct sh_principal *p,
                         struct sh_principal_info *out)
{
    memset(out, 0, sizeof *out);
    const struct snapshot snap = look(g, p);
    sh_mutex_lock(&g->lock);
    const struct guard_subject *s = guard_subject_at(g, p->slot);
    const bool live =
        snap.denial == SH_DENIAL_NONE && s != NULL && atomic_load(&s->generation) == p->generation;
    if (live) {
        const struct guard_tenant *t = guard_tenant_at(g, p->tenant);
        (void)guard_copy(out->tenant_path, sizeof out->tenant_path,
                         sh_str_c(t == NULL ? "" : t->path));
        describe_owner(g, p, s, out);
        const struct scoped sc = scoped_of(g, snap.scopes, p->tenant);
        out->permissions = snap.permissions | sc.whole;
        out->in_part = sc.in_part & ~out->permissions;
        out->expires_us = atomic_load(&s->expires_us);
    }
    sh_mutex_unlock(&g->lock);
    return live ? SH_OK : SH_E_CLOSED;
}
