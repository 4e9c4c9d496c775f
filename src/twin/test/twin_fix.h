/* twin_fix.h - record store, catalogue, bus and twin in a new folder, for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_FIX_H
#define SH_TWIN_FIX_H

#include <sh/test.h>

#include <stdio.h>

#include <sh/journal.h>
#include <sh/twin.h>

struct fix {
    struct sh_test_env t;
    char dir[64];
    char db[128], points_dir[128], journal_dir[128], blobs[128];
    struct sh_record *r;
    struct sh_points *p;
    struct sh_journal *j;
    struct sh_bus *bus;
    struct sh_bus_sub *sub;
    struct sh_twin *w;
    struct sh_arena *ar;
    struct sh_buf out; /* answers */
    struct sh_diag diag;
    /* what was sent and told */
    sh_err send_answer;
    int sent;
    char sent_id[80], sent_value[80], sent_device[80];
    int events;
    char last_event[80];
};

static inline sh_err fix_send(void *ctx, const struct sh_twin_command *c)
{
    struct fix *f = ctx;
    f->sent++;
    (void)snprintf(f->sent_id, sizeof f->sent_id, "%.*s", SH_PRI(c->id));
    (void)snprintf(f->sent_value, sizeof f->sent_value, "%.*s", SH_PRI(c->value));
    (void)snprintf(f->sent_device, sizeof f->sent_device, "%.*s", SH_PRI(c->device));
    return f->send_answer;
}

static inline void fix_event(void *ctx, const struct sh_event *e)
{
    struct fix *f = ctx;
    f->events++;
    (void)snprintf(f->last_event, sizeof f->last_event, "%.*s %.*s", SH_PRI(e->object),
                   SH_PRI(e->json));
}

static inline void fix_open(struct fix *f)
{
    static const struct sh_bus_handler handler = {.event = fix_event};
    const struct sh_record_config cfg = {.path = f->db, .blob_dir = f->blobs};
    const struct sh_points_options po = {.dir = f->points_dir};
    assert_ok(sh_record_open(&f->t.env, NULL, &cfg, &f->r, NULL));
    assert_ok(sh_points_open(&f->t.env, &po, &f->p));
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_CATALOGUE, .name = "catalogue", .apply = sh_points_apply, .ctx = f->p};
    const struct sh_journal_options jo = {
        .dir = f->journal_dir, .segment_bytes = 1 << 20, .owners = &owner, .owner_count = 1};
    assert_ok(sh_journal_open(&f->t.env, &jo, &f->j));
    sh_points_attach(f->p, f->j);
    assert_ok(sh_bus_new(&f->t.env, 8, &f->bus));
    assert_ok(sh_bus_subscribe(f->bus, &handler, f, &f->sub));
    const struct sh_twin_options to = {
        .record = f->r, .points = f->p, .bus = f->bus, .send = fix_send, .send_ctx = f};
    assert_ok(sh_twin_open(&f->t.env, &to, &f->w, &f->diag));
}

static inline void fix_close(struct fix *f)
{
    sh_twin_close(f->w);
    sh_bus_unsubscribe(f->bus, f->sub);
    sh_bus_free(f->bus);
    sh_journal_close(f->j);
    sh_points_close(f->p);
    sh_record_close(f->r);
}

static inline void fix_reopen(struct fix *f)
{
    fix_close(f);
    fix_open(f);
}

static inline int fix_setup(void **state)
{
    struct fix *f = test_calloc(1, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    sh_test_tmpdir(f->dir);
    (void)snprintf(f->db, sizeof f->db, "%s/songhua.db", f->dir);
    (void)snprintf(f->blobs, sizeof f->blobs, "%s/blobs", f->dir);
    (void)snprintf(f->points_dir, sizeof f->points_dir, "%s/points", f->dir);
    (void)snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
    assert_ok(sh_fs_mkdirs(f->t.env.fs, f->points_dir));
    assert_ok(sh_fs_mkdirs(f->t.env.fs, f->journal_dir));
    fix_open(f);
    f->ar = sh_arena_new(&f->t.alloc, 256 << 20);
    sh_buf_init(&f->out, &f->t.alloc, 64 << 20);
    *state = f;
    return 0;
}

static inline int fix_teardown(void **state)
{
    struct fix *f = *state;
    sh_arena_free(f->ar);
    sh_buf_fini(&f->out);
    fix_close(f);
    sh_test_rmdir(f->dir);
    sh_test_env_fini(&f->t);
    test_free(f);
    return 0;
}

/* JSON written with ' for ". */
static inline json_t *fix_json(const char *text)
{
    char buf[8192];
    size_t n = 0;
    for (; n < sizeof buf && text[n] != '\0'; n++) {
        buf[n] = text[n];
        if (text[n] == '\'') {
            buf[n] = '"';
        }
    }
    json_error_t je;
    json_t *v = json_loadb(buf, n, JSON_DECODE_ANY, &je);
    if (v == NULL) {
        fail_msg("test data: %s in %s", je.text, text);
    }
    return v;
}

static inline sh_err fix_device(struct fix *f, const char *id, enum sh_twin_put how,
                                const char *body)
{
    json_t *b = fix_json(body);
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err = sh_twin_device_put(f->w, 1, sh_str_c(id), how, b, SH_RECORD_ANY,
                                          SH_STR("zhang"), NULL, &f->diag);
    json_decref(b);
    return err;
}

static inline sh_err fix_thing(struct fix *f, const char *id, enum sh_twin_put how,
                               const char *body)
{
    json_t *b = fix_json(body);
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err = sh_twin_thing_put(f->w, 1, sh_str_c(id), how, b, SH_RECORD_ANY,
                                         SH_STR("zhang"), NULL, &f->diag);
    json_decref(b);
    return err;
}

static inline sh_err fix_asset(struct fix *f, const char *id, const char *body)
{
    json_t *b = fix_json(body);
    f->diag = (struct sh_diag){.line = 0};
    sh_err err = sh_twin_asset_put(f->w, 1, sh_str_c(id), SH_TWIN_REPLACE, b, SH_RECORD_ANY,
                                   SH_STR("zhang"), NULL, &f->diag);
    if (err == SH_E_NOTFOUND) {
        err = sh_twin_asset_put(f->w, 1, sh_str_c(id), SH_TWIN_CREATE, b, SH_RECORD_ANY,
                                SH_STR("zhang"), NULL, &f->diag);
    }
    json_decref(b);
    return err;
}

/* The device as JSON; a new reference, NULL when unknown. */
static inline json_t *fix_get(struct fix *f, const char *id)
{
    struct sh_jw w;
    json_t *v = NULL;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    const sh_err err = sh_twin_device_write(f->w, 1, sh_str_c(id), &w, NULL);
    if (err == SH_E_NOTFOUND) {
        return NULL;
    }
    assert_ok(err);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
    return v;
}

/* Checks one text member of the device. */
static inline void fix_is(struct fix *f, const char *id, const char *key, const char *value)
{
    json_t *v = fix_get(f, id);
    const struct sh_str s = sh_json_get_str(v, key);
    if (!sh_str_eqc(s, value)) {
        fail_msg("%s of %s is %.*s, not %s", key, id, SH_PRI(s), value);
    }
    json_decref(v);
}

#endif /* SH_TWIN_FIX_H */
