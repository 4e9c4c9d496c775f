/* command.c - commands to devices, and desired and reported attributes.
 *
 * A command is a record of the kind "_command_open" before it is sent. With its final state (done,
 * failed, timeout) it moves to "_command" in one transaction. Only the first final state counts.
 * Those found open at the start are ended as failed: whether they reached the device is not known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

enum { KEY_BYTES = 96, RESULT_MAX = 16384, FILTER_MAX = 64 << 10 };

struct twin_open_command {
    struct twin_open_command *next; /* finished, to be stored */
    uint32_t tenant;
    struct sh_str id;
    int64_t deadline_us;
    const char *state; /* NULL: open */
    int64_t finished_us;
    struct sh_str result; /* owned */
};

static struct sh_str key_of(uint32_t tenant, struct sh_str id, char out[KEY_BYTES])
{
    const int n = snprintf(out, KEY_BYTES, "%x/%.*s", tenant, (int)(id.n > 80 ? 80 : id.n), id.p);
    return (struct sh_str){out, n < 0 ? 0 : (size_t)n};
}

static void free_command(struct sh_twin *t, struct twin_open_command *c)
{
    if (c != NULL) {
        sh_str_free(t->env->alloc, &c->id);
        sh_str_free(t->env->alloc, &c->result);
        sh_mem_free(t->env->alloc, c);
    }
}

/* Under the lock. */
static void finish(struct sh_twin *t, struct twin_open_command *c, const char *state,
                   struct sh_str result)
{
    c->state = state;
    c->finished_us = sh_wall_us(t->env->clock);
    if (result.n > 0 && result.n <= RESULT_MAX) {
        c->result = sh_str_dup(t->env->alloc, result);
    }
    c->next = t->finished;
    t->finished = c;
}

sh_err sh_twin_command_done(struct sh_twin *t, uint32_t tenant, struct sh_str id, bool ok,
                            struct sh_str result)
{
    char buf[KEY_BYTES];
    sh_mutex_lock(&t->lock);
    struct twin_open_command *c = sh_map_del(&t->commands, key_of(tenant, id, buf));
    if (c != NULL) {
        finish(t, c, ok ? "done" : "failed", result);
    }
    sh_mutex_unlock(&t->lock);
    return c == NULL ? SH_E_NOTFOUND : SH_OK;
}

void twin_commands_overdue(struct sh_twin *t, bool all)
{
    const int64_t now = sh_wall_us(t->env->clock);
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    sh_mutex_lock(&t->lock);
    while (sh_map_next(&t->commands, &it, &key, &v)) {
        struct twin_open_command *c = v;
        if (all || c->deadline_us <= now) {
            (void)sh_map_del(&t->commands, key);
            finish(t, c, all ? "failed" : "timeout",
                   all ? SH_STR("\"the platform stopped\"") : SH_STR(""));
        }
    }
    sh_mutex_unlock(&t->lock);
}

void twin_commands_fini(struct sh_twin *t)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&t->commands, &it, &key, &v)) {
        free_command(t, v);
    }
    sh_map_fini(&t->commands);
    while (t->finished != NULL) {
        struct twin_open_command *c = t->finished;
        t->finished = c->next;
        free_command(t, c);
    }
}

/* ------------------------------------------------------------------ stored */

static sh_err set_str(json_t *doc, const char *key, struct sh_str s)
{
    return json_object_set_new(doc, key, json_stringn(s.p, s.n)) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err set_time(json_t *doc, const char *key, int64_t us)
{
    char text[SH_TIME_CHARS];
    const size_t n = sh_time_print(us, text);
    return set_str(doc, key, (struct sh_str){text, n});
}

static sh_err final_doc(const struct twin_open_command *c, json_t *doc)
{
    json_t *result = NULL;
    SH_TRY(set_str(doc, "state", sh_str_c(c->state)));
    SH_TRY(set_time(doc, "finished", c->finished_us));
    if (c->result.n == 0) {
        return SH_OK;
    }
    json_error_t je;
    result = json_loadb(c->result.p, c->result.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
    if (result == NULL) { /* not JSON: as text */
        return sh_utf8_valid(c->result) ? set_str(doc, "result", c->result) : SH_OK;
    }
    return json_object_set_new(doc, "result", result) == 0 ? SH_OK : SH_E_NOMEM;
}

static sh_err store_final(struct sh_twin *t, const struct twin_open_command *c)
{
    json_t *doc = NULL;
    struct sh_record_tx *tx = NULL;
    struct sh_buf text;
    sh_err err = twin_doc_get(t, c->tenant, KIND_OPEN, c->id, &doc, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? SH_OK : err;
    }
    sh_buf_init(&text, t->env->alloc, TWIN_DOC_BYTES);
    err = final_doc(c, doc);
    if (err == SH_OK) {
        err = twin_doc_text(doc, &text);
    }
    if (err == SH_OK) {
        err = sh_record_tx_new(t->o.record, sh_json_get_str(doc, "by"), &tx);
    }
    if (err == SH_OK) {
        err = sh_record_tx_delete(tx, c->tenant, KIND_OPEN, c->id, SH_RECORD_ANY);
    }
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = c->tenant,
                                        .type = KIND_COMMAND,
                                        .id = c->id,
                                        .doc = sh_buf_str(&text),
                                        .expect = SH_RECORD_ANY,
                                        .flags = SH_RECORD_F_FEED};
        err = sh_record_tx_put(tx, &p);
    }
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    sh_buf_fini(&text);
    json_decref(doc);
    return err;
}

/* Under the lock. */
static void unlink_finished(struct sh_twin *t, struct twin_open_command *c)
{
    struct twin_open_command **at = &t->finished;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
}

/* One at a time. What has ended stays in t->finished until it is stored, so that who asks meanwhile
 * finds how it ended; others come in front only. */
sh_err twin_save_commands(struct sh_twin *t)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&t->saving);
    sh_mutex_lock(&t->lock);
    struct twin_open_command *c = t->finished;
    sh_mutex_unlock(&t->lock);
    while (c != NULL) {
        struct twin_open_command *const next = c->next;
        const sh_err one = store_final(t, c);
        if (one == SH_OK) {
            sh_mutex_lock(&t->lock);
            unlink_finished(t, c);
            sh_mutex_unlock(&t->lock);
            free_command(t, c);
        }
        err = one == SH_OK ? err : one;
        c = next;
    }
    sh_mutex_unlock(&t->saving);
    return err;
}

static sh_err open_new(struct sh_twin *t, uint32_t tenant, struct sh_str id, int64_t deadline_us)
{
    char buf[KEY_BYTES];
    struct twin_open_command *c = sh_mem_new(t->env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->tenant = tenant;
    c->deadline_us = deadline_us;
    c->id = sh_str_dup(t->env->alloc, id);
    sh_mutex_lock(&t->lock);
    const sh_err err =
        c->id.p == NULL ? SH_E_NOMEM : sh_map_put(&t->commands, key_of(tenant, id, buf), c);
    sh_mutex_unlock(&t->lock);
    if (err != SH_OK) {
        free_command(t, c);
    }
    return err;
}

static sh_err recover_one(void *ctx, const struct sh_record_row *row)
{
    return open_new(ctx, row->tenant, row->id, 0);
}

/* The list of a device finds its own by the fields it is asked by, in folders from before as well:
 * their records are added in the background. */
sh_err twin_commands_recover(struct sh_twin *t)
{
    SH_TRY(sh_record_kind_index(t->o.record, KIND_COMMAND, "[\"device\",\"created\"]"));
    SH_TRY(sh_record_scan(t->o.record, SH_RECORD_ALL_TENANTS, KIND_OPEN, recover_one, t));
    twin_commands_overdue(t, true);
    return SH_OK;
}

/* ------------------------------------------------------------------ start */

/* What the device's model says of the command; also its real id (an alias is followed). */
static sh_err look_up(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                      const struct sh_twin_command *c, struct sh_arena *ar, struct sh_str *id,
                      struct sh_diag *diag)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    if (s == NULL) {
        err = SH_E_NOTFOUND;
        sh_diag_set(diag, "there is no device %.*s", SH_PRI(device));
    } else if (s->write_until_us <= sh_wall_us(t->env->clock)) {
        err = SH_E_DENIED;
        sh_diag_set(diag, "the device is read-only");
        sh_diag_remedy(diag, "Enable writing for the device, with a reason and an end.");
    } else {
        const struct twin_thing *m = twin_thing_find(t, tenant, twin_dev_text(s->dev, TWIN_THING));
        const struct twin_property *p = m == NULL ? NULL : twin_thing_property(m, c->name);
        if (m != NULL && c->property && (p == NULL || !p->writable)) {
            err = p == NULL ? SH_E_NOTFOUND : SH_E_DENIED;
            sh_diag_at(diag, SH_STR("/property"), 0);
            sh_diag_set(diag, p == NULL ? "the thing model has no such property"
                                        : "the property is read-only in the thing model");
        } else if (m != NULL && !c->property) {
            const json_t *list = json_object_get(m->json, "services");
            bool found = false;
            for (size_t i = 0; i < json_array_size(list) && !found; i++) {
                found = sh_str_eq(sh_json_get_str(json_array_get(list, i), "id"), c->name);
            }
            if (!found) {
                err = SH_E_NOTFOUND;
                sh_diag_at(diag, SH_STR("/service"), 0);
                sh_diag_set(diag, "the thing model has no such service");
            }
        }
        *id = sh_arena_str(ar, s->dev->id);
        err = err == SH_OK && id->p == NULL ? SH_E_LIMIT : err;
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

static sh_err open_doc(struct sh_twin *t, const struct sh_twin_command *c, struct sh_str author,
                       const json_t *value, json_t **out)
{
    json_t *doc = json_object();
    if (doc == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = set_str(doc, "id", c->id);
    if (err == SH_OK) {
        err = set_str(doc, "device", c->device);
    }
    if (err == SH_OK) {
        err = set_str(doc, c->property ? "property" : "service", c->name);
    }
    if (err == SH_OK && value != NULL) {
        err = json_object_set_new(doc, "value", json_deep_copy(value)) == 0 ? SH_OK : SH_E_NOMEM;
    }
    if (err == SH_OK) {
        err = set_str(doc, "state", SH_STR("sent"));
    }
    if (err == SH_OK) {
        err = set_time(doc, "created", sh_wall_us(t->env->clock));
    }
    if (err == SH_OK) {
        err = set_time(doc, "deadline", c->deadline_us);
    }
    if (err == SH_OK) {
        err = set_str(doc, "by", author);
    }
    if (err != SH_OK) {
        json_decref(doc);
        return err;
    }
    *out = doc;
    return SH_OK;
}

/* True when a command of that id was started before. */
static sh_err known(struct sh_twin *t, uint32_t tenant, struct sh_str id, bool *is)
{
    json_t *doc = NULL;
    sh_err err = twin_doc_get(t, tenant, KIND_OPEN, id, &doc, NULL);
    if (err == SH_E_NOTFOUND) {
        err = twin_doc_get(t, tenant, KIND_COMMAND, id, &doc, NULL);
    }
    json_decref(doc);
    *is = err == SH_OK;
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

/* Stores, opens and sends. */
static sh_err run(struct sh_twin *t, const struct sh_twin_command *c, struct sh_str author,
                  const json_t *value)
{
    json_t *doc = NULL;
    SH_TRY(open_doc(t, c, author, value, &doc));
    sh_err err = twin_doc_put(t, c->tenant, KIND_OPEN, c->id, doc, 0, author, NULL);
    json_decref(doc);
    if (err != SH_OK) {
        return err;
    }
    err = open_new(t, c->tenant, c->id, c->deadline_us);
    if (err != SH_OK) {
        const sh_err gone =
            sh_record_delete(t->o.record, c->tenant, KIND_OPEN, c->id, SH_RECORD_ANY, author);
        return gone == SH_OK ? err : gone;
    }
    const sh_err sent = t->o.send == NULL ? SH_E_UNSUPPORTED : t->o.send(t->o.send_ctx, c);
    if (sent != SH_OK) {
        const struct sh_str why = sent == SH_E_STATE ? SH_STR("\"the device is not connected\"")
                                                     : SH_STR("\"it could not be sent\"");
        err = sh_twin_command_done(t, c->tenant, c->id, false, why);
        return err == SH_OK || err == SH_E_NOTFOUND ? twin_save_commands(t) : err;
    }
    return SH_OK;
}

sh_err sh_twin_command_start(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                             const json_t *body, struct sh_str author, struct sh_arena *ar,
                             struct sh_str *id, struct sh_diag *diag)
{
    struct sh_buf value;
    bool before = false;
    SH_TRY(sh_schema_check_diag(t->command_schema, body, diag));
    struct sh_twin_command c = {.tenant = tenant, .id = sh_json_get_str(body, "id")};
    c.property = json_object_get(body, "property") != NULL;
    c.name = sh_json_get_str(body, c.property ? "property" : "service");
    c.deadline_us = sh_wall_us(t->env->clock) +
                    sh_json_get_i64(body, "timeout_ms", t->o.command_us / 1000) * 1000;
    if (c.id.n == 0) {
        char fresh[SH_RECORD_ID_CHARS];
        SH_TRY(sh_record_id_new(t->env, fresh));
        c.id = sh_arena_str(ar, (struct sh_str){fresh, sizeof fresh});
    } else {
        c.id = sh_arena_str(ar, c.id);
    }
    if (c.id.p == NULL) {
        return SH_E_LIMIT;
    }
    SH_TRY(known(t, tenant, c.id, &before));
    if (!before) {
        SH_TRY(look_up(t, tenant, device, &c, ar, &c.device, diag));
        sh_buf_init(&value, t->env->alloc, TWIN_DOC_BYTES);
        sh_err err = twin_doc_text(json_object_get(body, "value"), &value);
        c.value = sh_buf_str(&value);
        if (err == SH_OK) {
            err = run(t, &c, author, json_object_get(body, "value"));
        }
        sh_buf_fini(&value);
        if (err != SH_OK && err != SH_E_CONFLICT) { /* CONFLICT: the same id at the same time */
            return err;
        }
    }
    *id = c.id;
    return SH_OK;
}

/* How a command stands that was read as open: its final state when it has one. SH_E_STATE: it was
 * stored in between. */
static sh_err as_it_stands(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t *doc)
{
    char buf[KEY_BYTES];
    sh_mutex_lock(&t->lock);
    sh_err err = sh_map_get(&t->commands, key_of(tenant, id, buf)) != NULL ? SH_OK : SH_E_STATE;
    for (const struct twin_open_command *c = t->finished; c != NULL && err == SH_E_STATE;
         c = c->next) {
        if (c->tenant == tenant && sh_str_eq(c->id, id)) {
            err = final_doc(c, doc);
        }
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err sh_twin_command_get(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t **out)
{
    json_t *doc = NULL;
    sh_err err = twin_doc_get(t, tenant, KIND_OPEN, id, &doc, NULL);
    if (err == SH_OK) {
        err = as_it_stands(t, tenant, id, doc);
    }
    if (err == SH_E_NOTFOUND || err == SH_E_STATE) {
        json_t *ended = NULL;
        const sh_err found = twin_doc_get(t, tenant, KIND_COMMAND, id, &ended, NULL);
        if (found == SH_E_NOTFOUND && err == SH_E_STATE) {
            err = SH_OK; /* it is being started */
        } else {
            json_decref(doc);
            doc = ended;
            err = found;
        }
    }
    if (err != SH_OK) {
        json_decref(doc);
        return err;
    }
    *out = doc;
    return SH_OK;
}

sh_err sh_twin_command_write(struct sh_twin *t, uint32_t tenant, struct sh_str id, struct sh_jw *w)
{
    json_t *doc = NULL;
    SH_TRY(sh_twin_command_get(t, tenant, id, &doc));
    sh_jw_json(w, doc);
    json_decref(doc);
    return SH_OK;
}

/* A page of the list while it is made. */
struct listing {
    struct sh_twin *t;
    const struct sh_twin_commands_query *q;
    json_t *given; /* ids of those that were read as open: one may be stored in between */
    void (*give)(void *ctx, json_t *doc);
    void *ctx;
};

static sh_err give_row(struct listing *l, const struct sh_record_row *row, bool open)
{
    json_t *doc = NULL;
    sh_err err = SH_OK;
    if (open) { /* it may have its final state by now */
        err = sh_twin_command_get(l->t, row->tenant, row->id, &doc);
        if (err == SH_E_NOTFOUND) {
            return SH_OK;
        }
        if (err == SH_OK &&
            json_object_setn_new(l->given, row->id.p, row->id.n, json_true()) != 0) {
            err = SH_E_NOMEM;
        }
    } else if (json_object_getn(l->given, row->id.p, row->id.n) != NULL) {
        return SH_OK;
    } else {
        err = sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL);
    }
    if (err == SH_OK) {
        l->give(l->ctx, doc);
    }
    json_decref(doc);
    return err;
}

/* device in ["now","before"]: a command keeps the name that the device had. */
static sh_err of_device(struct sh_twin *t, const struct sh_twin_commands_query *q,
                        struct sh_buf *filter)
{
    char now[SH_TWIN_MAX_ID];
    struct sh_jw w;
    json_t *doc = NULL;
    const struct sh_str id = {now, sh_twin_device_present(t, q->tenant, q->device, now)};
    if (id.n == 0) {
        return SH_E_NOTFOUND;
    }
    sh_err err = twin_doc_get(t, q->tenant, SH_TWIN_KIND_DEVICE, id, &doc, NULL);
    if (err != SH_OK && err != SH_E_NOTFOUND) { /* it may have been made a moment ago */
        return err;
    }
    const json_t *before = json_object_get(doc, "aliases");
    err = sh_buf_put_c(filter, "device in ");
    sh_jw_init(&w, filter);
    sh_jw_arr(&w);
    sh_jw_str(&w, id);
    for (size_t i = 0; i < json_array_size(before); i++) {
        sh_jw_json(&w, json_array_get(before, i));
    }
    sh_jw_arr_end(&w);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    json_decref(doc);
    return err;
}

static sh_err one_kind(struct listing *l, struct sh_record_query *rq, bool open,
                       struct sh_arena *ar, struct sh_str *next)
{
    struct sh_record_page page = {.n = 0};
    rq->type = open ? KIND_OPEN : KIND_COMMAND;
    sh_err err = sh_record_list(l->t->o.record, rq, ar, &page, NULL);
    for (size_t i = 0; i < page.n && err == SH_OK; i++) {
        err = give_row(l, &page.rows[i], open);
    }
    *next = err == SH_OK ? page.next : SH_STR("");
    return err;
}

sh_err sh_twin_commands(struct sh_twin *t, const struct sh_twin_commands_query *q,
                        struct sh_arena *ar, struct sh_str *next,
                        void (*give)(void *ctx, json_t *doc), void *ctx)
{
    struct listing l = {.t = t, .q = q, .given = json_object(), .give = give, .ctx = ctx};
    struct sh_buf filter;
    *next = SH_STR("");
    sh_buf_init(&filter, t->env->alloc, FILTER_MAX);
    sh_err err = l.given == NULL ? SH_E_NOMEM : of_device(t, q, &filter);
    struct sh_record_query rq = {.tenant = q->tenant,
                                 .filter = sh_buf_str(&filter),
                                 .sort = SH_STR("-created"),
                                 .limit = q->limit};
    if (err == SH_OK && q->cursor.n == 0) { /* those on their way stand before all others */
        err = one_kind(&l, &rq, true, ar, next);
    }
    if (err == SH_OK) {
        rq.cursor = q->cursor;
        err = one_kind(&l, &rq, false, ar, next);
    }
    sh_buf_fini(&filter);
    json_decref(l.given);
    return err;
}

/* ------------------------------------------------------------------ attributes */

/* The device's own id; NULL when there is no such device. */
static struct twin_dev *hold(struct sh_twin *t, uint32_t tenant, struct sh_str device)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    struct twin_dev *d = s == NULL ? NULL : s->dev;
    if (d != NULL) {
        d->refs++;
    }
    sh_mutex_unlock(&t->lock);
    return d;
}

static void let_go(struct sh_twin *t, struct twin_dev *d)
{
    sh_mutex_lock(&t->lock);
    twin_dev_unref(t, d);
    sh_mutex_unlock(&t->lock);
}

static sh_err merge_side(json_t *doc, const char *side, const json_t *patch)
{
    if (json_object_get(doc, side) == NULL && json_object_set_new(doc, side, json_object()) != 0) {
        return SH_E_NOMEM;
    }
    return twin_merge_patch(json_object_get(doc, side), patch);
}

sh_err sh_twin_attributes_merge(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                bool desired, const json_t *patch, struct sh_str author,
                                struct sh_diag *diag)
{
    json_t *doc = NULL;
    if (!json_is_object(patch)) {
        sh_diag_set(diag, "attributes are a JSON object");
        return SH_E_INVAL;
    }
    struct twin_dev *d = hold(t, tenant, device);
    if (d == NULL) {
        return SH_E_NOTFOUND;
    }
    sh_mutex_lock(&t->write);
    sh_err err = twin_doc_get(t, tenant, KIND_ATTR, d->id, &doc, NULL);
    if (err == SH_E_NOTFOUND) {
        doc = json_object();
        err = doc == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (err == SH_OK) {
        err = merge_side(doc, desired ? "desired" : "reported", patch);
    }
    if (err == SH_OK) {
        err = twin_doc_put(t, tenant, KIND_ATTR, d->id, doc, SH_RECORD_ANY, author, NULL);
    }
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    let_go(t, d);
    return err;
}

sh_err sh_twin_attributes_write(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                struct sh_jw *w)
{
    static const char *const sides[] = {"desired", "reported"};
    json_t *doc = NULL;
    struct twin_dev *d = hold(t, tenant, device);
    if (d == NULL) {
        return SH_E_NOTFOUND;
    }
    sh_err err = twin_doc_get(t, tenant, KIND_ATTR, d->id, &doc, NULL);
    err = err == SH_E_NOTFOUND ? SH_OK : err;
    if (err == SH_OK) {
        sh_jw_obj(w);
        for (size_t i = 0; i < 2; i++) {
            const json_t *v = json_object_get(doc, sides[i]);
            sh_jw_key(w, sides[i]);
            if (v != NULL) {
                sh_jw_json(w, v);
            } else {
                sh_jw_obj(w);
                sh_jw_obj_end(w);
            }
        }
        sh_jw_obj_end(w);
    }
    json_decref(doc);
    let_go(t, d);
    return err;
}
