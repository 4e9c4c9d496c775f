#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_entry {
    enum guard_kind kind;
    char key[GUARD_KEY_MAX];
    char *value;
    size_t n;
};

struct fake_disk {
    struct guard_store base;
    struct fake_entry *e; /* sorted by kind and key */
    size_t n;
    size_t cap;
    int fail;
    struct sh_mutex lock;
};

static int order(const struct fake_entry *e, enum guard_kind kind, struct sh_str key)
{
    if (e->kind != kind) {
        return e->kind < kind ? -1 : 1;
    }
    return sh_str_cmp(sh_str_c(e->key), key);
}

/* Index of the first entry that is not before (kind, key). */
static size_t lower(const struct fake_disk *d, enum guard_kind kind, struct sh_str key)
{
    size_t i = 0;
    while (i < d->n && order(&d->e[i], kind, key) < 0) {
        i++;
    }
    return i;
}

static void erase(struct fake_disk *d, enum guard_kind kind, struct sh_str key)
{
    const size_t i = lower(d, kind, key);
    if (i < d->n && order(&d->e[i], kind, key) == 0) {
        sh_mem_free(sh_alloc_heap(), d->e[i].value);
        memmove(&d->e[i], &d->e[i + 1], (d->n - i - 1) * sizeof *d->e);
        d->n--;
    }
}

static void insert(struct fake_disk *d, const struct guard_change *c)
{
    erase(d, c->kind, c->key);
    if (d->n == d->cap) {
        d->cap = d->cap == 0 ? 64 : d->cap * 2;
        d->e = sh_mem_resize(sh_alloc_heap(), d->e, d->cap * sizeof *d->e);
        assert_non_null(d->e);
    }
    const size_t i = lower(d, c->kind, c->key);
    memmove(&d->e[i + 1], &d->e[i], (d->n - i) * sizeof *d->e);
    d->n++;
    d->e[i].kind = c->kind;
    assert_true(guard_copy(d->e[i].key, sizeof d->e[i].key, c->key));
    const struct sh_str copy = sh_str_dup(sh_alloc_heap(), c->value);
    assert_non_null(copy.p);
    d->e[i].value = (char *)(uintptr_t)copy.p;
    d->e[i].n = copy.n;
}

static sh_err fake_commit(void *self, const struct guard_change *changes, size_t n)
{
    struct fake_disk *d = self;
    sh_mutex_lock(&d->lock);
    const bool fails = d->fail > 0;
    d->fail -= fails ? 1 : 0;
    for (size_t i = 0; !fails && i < n; i++) {
        assert_true(changes[i].key.n <= 256); /* what a record's id holds */
        if (changes[i].value.p == NULL) {
            erase(d, changes[i].kind, changes[i].key);
        } else {
            insert(d, &changes[i]);
        }
    }
    sh_mutex_unlock(&d->lock);
    return fails ? SH_E_IO : SH_OK;
}

static sh_err fake_each(void *self, enum guard_kind kind, struct sh_str after, bool down,
                        guard_each_fn *fn, void *ctx)
{
    struct fake_disk *d = self;
    sh_err err = SH_OK;
    sh_mutex_lock(&d->lock);
    for (size_t i = 0; err == SH_OK && i < d->n; i++) {
        const struct fake_entry *e = &d->e[down ? d->n - 1 - i : i];
        const int c = sh_str_cmp(sh_str_c(e->key), after);
        if (e->kind == kind && (after.n == 0 || (down ? c < 0 : c > 0))) {
            err = fn(ctx, sh_str_c(e->key), sh_str_of(e->value, e->n));
        }
    }
    sh_mutex_unlock(&d->lock);
    return err;
}

static void fake_free(void *self)
{
    SH_UNUSED(self);
}

static const struct guard_store_ops fake_ops = {fake_commit, fake_each, fake_free};

struct fake_disk *fake_disk_new(void)
{
    struct fake_disk *d = sh_mem_new(sh_alloc_heap(), sizeof *d);
    assert_non_null(d);
    d->base.ops = &fake_ops;
    sh_mutex_init(&d->lock);
    return d;
}

void fake_disk_free(struct fake_disk *d)
{
    for (size_t i = 0; i < d->n; i++) {
        sh_mem_free(sh_alloc_heap(), d->e[i].value);
    }
    sh_mem_free(sh_alloc_heap(), d->e);
    sh_mutex_fini(&d->lock);
    sh_mem_free(sh_alloc_heap(), d);
}

struct guard_store *fake_disk_store(struct fake_disk *d)
{
    return &d->base;
}

void fake_disk_fail(struct fake_disk *d, int n)
{
    d->fail = n;
}

size_t fake_disk_count(const struct fake_disk *d, enum guard_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        n += d->e[i].kind == kind ? 1 : 0;
    }
    return n;
}

size_t fake_disk_audited(const struct fake_disk *d, const char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        n += d->e[i].kind == GUARD_AUDIT && strstr(d->e[i].value, text) != NULL ? 1 : 0;
    }
    return n;
}

char *fake_disk_value(struct fake_disk *d, enum guard_kind kind, const char *key)
{
    const size_t i = lower(d, kind, sh_str_c(key));
    return i < d->n && order(&d->e[i], kind, sh_str_c(key)) == 0 ? d->e[i].value : NULL;
}

void fake_disk_remove(struct fake_disk *d, enum guard_kind kind, const char *key)
{
    erase(d, kind, sh_str_c(key));
}

void fake_disk_rename(struct fake_disk *d, enum guard_kind kind, const char *from, const char *to)
{
    const char *value = fake_disk_value(d, kind, from);
    assert_non_null(value);
    const struct sh_str copy = sh_str_dup(sh_alloc_heap(), sh_str_c(value));
    erase(d, kind, sh_str_c(from));
    insert(d, &(struct guard_change){kind, sh_str_c(to), copy});
    sh_mem_free(sh_alloc_heap(), (char *)(uintptr_t)copy.p);
}

void fixture_open(struct fixture *f)
{
    const struct sh_guard_options o = {
        .env = &f->t.env,
        .crypto = f->crypto,
        .store = fake_disk_store(f->disk),
        .workers = f->workers,
        .dir = "data",
        .settings = f->set,
    };
    assert_ok(sh_guard_open(&o, &f->g, &f->diag));
}

void fixture_reopen(struct fixture *f)
{
    sh_guard_close(f->g);
    f->g = NULL;
    fixture_open(f);
}

int fixture_setup(void **state)
{
    struct fixture *f = sh_mem_new(sh_alloc_heap(), sizeof *f);
    assert_non_null(f);
    char shown[SH_SECRET_CHARS];
    f->fs = sh_memfs_new(1);
    sh_test_env_init(&f->t, sh_memfs_fs(f->fs));
    assert_ok(sh_crypto_new(&f->t.env, &f->crypto));
    f->disk = fake_disk_new();
    f->set = sh_guard_settings_default();
    f->set.argon2 = (struct sh_argon2){.time = 1, .mem_kib = 16, .lanes = 1};
    sh_buf_init(&f->text, &f->t.alloc, 1 << 20);
    fixture_open(f);
    assert_true(sh_guard_is_new(f->g));
    assert_ok(sh_guard_first_start(f->g, SH_STR(ADMIN_PASSWORD), false, shown, &f->diag));
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    sh_workers_free(f->workers);
    sh_guard_close(f->g);
    sh_buf_fini(&f->text);
    sh_crypto_free(f->crypto);
    sh_test_env_fini(&f->t);
    sh_memfs_free(f->fs);
    fake_disk_free(f->disk);
    sh_mem_free(sh_alloc_heap(), f);
    return 0;
}

struct sh_sign_in fixture_sign_in(struct fixture *f, const char *user, const char *password)
{
    struct sh_sign_in in;
    assert_ok(sh_guard_sign_in(f->g, sh_str_c(user), sh_str_c(password), SH_STR("127.0.0.1"), &in));
    return in;
}

uint32_t fixture_tenant(struct fixture *f, const char *path)
{
    uint32_t id = 0;
    assert_ok(sh_guard_tenant_find(f->g, sh_str_c(path), &id));
    return id;
}

sh_err fixture_put(struct fixture *f, const struct sh_principal *by, const char *tenant,
                   enum sh_guard_noun noun, const char *name, const char *body)
{
    json_t *o = NULL;
    struct sh_jw w;
    const struct sh_guard_at at = {by, fixture_tenant(f, tenant), SH_STR("127.0.0.1")};
    assert_ok(sh_json_parse(sh_str_c(body), 1 << 16, &o, NULL));
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    memset(&f->diag, 0, sizeof f->diag);
    const sh_err err =
        sh_guard_put(f->g, &at, noun, sh_str_c(name), o, SH_PUT_EITHER, 0, &w, &f->diag);
    if (err == SH_OK) {
        assert_ok(sh_jw_end(&w));
    }
    json_decref(o);
    return err;
}

sh_err fixture_delete(struct fixture *f, const struct sh_principal *by, const char *tenant,
                      enum sh_guard_noun noun, const char *name)
{
    const struct sh_guard_at at = {by, fixture_tenant(f, tenant), SH_STR("127.0.0.1")};
    memset(&f->diag, 0, sizeof f->diag);
    return sh_guard_delete(f->g, &at, noun, sh_str_c(name), &f->diag);
}

void fixture_answer(const struct fixture *f, const char *member, char *out, size_t cap)
{
    json_t *o = NULL;
    assert_ok(sh_json_parse(sh_buf_str(&f->text), 1 << 20, &o, NULL));
    assert_true(guard_copy(out, cap, sh_json_get_str(o, member)));
    json_decref(o);
}

bool fixture_has(const struct fixture *f, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= f->text.n; i++) {
        if (memcmp(f->text.p + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}
