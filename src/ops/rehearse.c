/* rehearse.c - a backup is restored beside itself and looked at.
 *
 * What is compared: every file's hash (the restore does it); samples in the segments and newest
 * journal sequence against the manifest; that each point with samples is in the catalogue; that the
 * records open whole and are as far as the manifest says; and for some points, spread over all, a
 * run of raw values against the living history. A point that took samples since the backup may
 * differ there: that is counted, not judged.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <sh/pack.h>
#include <sh/rehearse.h>
#include <sh/twin.h>

#include "ops_int.h"

enum { POINTS = 64, ROWS = 512 };

struct trial {
    const struct sh_rehearsal_options *o;
    const struct sh_env *env;
    struct sh_rehearsal *out;
    struct sh_backup_info info;
    char backup[OPS_PATH];
    char dir[OPS_PATH];
    struct sh_points *points;
    struct sh_history *history;
    struct sh_journal *journal;
    struct sh_record *record;
    uint64_t damage; /* told by the parts while they were opened */
};

/* The first fault is the one that is told. */
static void fault(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct trial *t, const char *fmt, ...)
{
    if (!t->out->good) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(t->out->text, sizeof t->out->text, fmt, ap); /* NOLINT: checked above */
    va_end(ap);
    t->out->good = false;
}

/* ---- opening, with objects of its own ---- */

static sh_err samples_apply(void *ctx, const struct sh_journal_record *rec)
{
    struct trial *t = ctx;
    if (rec->kind == SH_SAMPLES_EDIT) {
        return sh_history_edit_apply(t->history, rec->data, rec->seq);
    }
    if (rec->kind == SH_SAMPLES_BLOCKS) {
        struct sh_pack *pack = NULL;
        SH_TRY(sh_pack_read(t->env->alloc, rec->data, &pack));
        const sh_err taken = sh_history_apply_pack(t->history, pack, rec->seq);
        sh_pack_unref(pack);
        return taken;
    }
    struct sh_slab *slab = NULL;
    SH_TRY(sh_batch_wire_read(t->env->alloc, rec->data, &slab));
    const sh_err err = sh_history_apply(t->history, slab, rec->seq);
    sh_slab_unref(slab);
    return err;
}

static sh_err mqtt_apply(void *ctx, const struct sh_journal_record *rec)
{
    SH_UNUSED(ctx);
    SH_UNUSED(rec);
    return SH_OK;
}

static void history_report(void *ctx, const struct sh_history_report *r)
{
    SH_UNUSED(r);
    ((struct trial *)ctx)->damage++;
}

static void journal_report(void *ctx, const struct sh_journal_report *r)
{
    ((struct trial *)ctx)->damage += r->what != SH_JOURNAL_TORN_TAIL;
}

static void points_report(void *ctx, const char *file, uint64_t offset, const char *what)
{
    SH_UNUSED(file);
    SH_UNUSED(offset);
    SH_UNUSED(what);
    ((struct trial *)ctx)->damage++;
}

static sh_err open_samples(struct trial *t)
{
    char dir[OPS_PATH];
    SH_TRY(ops_join(dir, t->dir, "history"));
    SH_TRY(sh_points_open(
        t->env, &(struct sh_points_options){.dir = dir, .report = points_report, .ctx = t},
        &t->points));
    SH_TRY(sh_history_open(
        t->env, &(struct sh_history_options){.dir = dir, .report = history_report, .ctx = t},
        &t->history));
    const struct sh_journal_owner owners[] = {
        {.id = SH_OWNER_CATALOGUE, .name = "catalogue", .apply = sh_points_apply, .ctx = t->points},
        {.id = SH_OWNER_SAMPLES, .name = "samples", .apply = samples_apply, .ctx = t},
        {.id = SH_OWNER_MQTT, .name = "mqtt", .apply = mqtt_apply, .ctx = t},
    };
    struct sh_history_stats hs;
    sh_history_stats(t->history, &hs);
    SH_TRY(ops_join(dir, t->dir, "journal"));
    const struct sh_journal_options jo = {.dir = dir,
                                          .segment_bytes = 1 << 20,
                                          .max_record = 1 << 18,
                                          .after_seq = hs.flushed_seq,
                                          .owners = owners,
                                          .owner_count = sizeof owners / sizeof owners[0],
                                          .report = journal_report,
                                          .ctx = t};
    return sh_journal_open(t->env, &jo, &t->journal);
}

static sh_err count_one(void *ctx, const struct sh_record_row *row)
{
    SH_UNUSED(row);
    (*(uint64_t *)ctx)++;
    return SH_OK;
}

static sh_err look_at_records(struct trial *t)
{
    char db[OPS_PATH];
    struct sh_diag d = {.line = 0};
    struct sh_record_stats st;
    SH_TRY(ops_join(db, t->dir, "songhua.db"));
    if (!ops_exists(t->env, db)) {
        return SH_OK;
    }
    const struct sh_record_config rc = {.path = db, .readers = 1};
    const sh_err err = sh_record_open(t->env, NULL, &rc, &t->record, &d);
    if (err != SH_OK) {
        if (err != SH_E_NOMEM) {
            fault(t, "songhua.db does not open: %.100s", d.message);
        }
        return err == SH_E_NOMEM ? err : SH_OK;
    }
    sh_record_stats(t->record, &st);
    if (st.salvaged) {
        fault(t, "songhua.db is damaged");
    }
    if (st.change_last < t->info.changes) {
        fault(t, "records end at change %" PRIu64 ", %" PRIu64 " were there", st.change_last,
              t->info.changes);
    }
    t->out->records = st.change_last;
    return sh_record_scan(t->record, SH_RECORD_ALL_TENANTS, SH_TWIN_KIND_DEVICE, count_one,
                          &t->out->devices);
}

/* ---- values ---- */

struct rows {
    uint64_t n;
    uint64_t hash;
};

static sh_err add_rows(void *ctx, const struct sh_history_rows *r)
{
    struct rows *s = ctx;
    for (uint32_t i = 0; i < r->n; i++) {
        uint64_t h = sh_hash64(&r->time_us[i], sizeof r->time_us[i], s->hash + r->quality[i]);
        if (r->type < SH_T_TEXT) {
            h = sh_hash64(&r->value[i].bits, sizeof r->value[i].bits, h);
        } else if (r->value[i].span.len > 0) {
            h = sh_hash64(r->bytes + r->value[i].span.off, r->value[i].span.len, h);
        }
        s->hash = h;
        s->n++;
    }
    return SH_OK;
}

static sh_err some_rows(struct sh_history *h, uint32_t point, int64_t from, int64_t to,
                        struct rows *out)
{
    struct sh_history_result res;
    *out = (struct rows){.n = 0};
    return sh_history_query(
        h,
        &(struct sh_history_query){
            .points = &point, .npoints = 1, .from_us = from, .to_us = to, .limit = ROWS},
        add_rows, out, &res);
}

/* From a place in its time that differs from point to point. */
static sh_err compare_point(struct trial *t, uint32_t point)
{
    struct sh_history_point_stats there;
    struct sh_history_point_stats here;
    struct rows a;
    struct rows b;
    SH_TRY(sh_history_point_stats(t->history, point, &there));
    SH_TRY(sh_history_point_stats(t->o->history, point, &here));
    if (!there.found) {
        return SH_OK;
    }
    const int64_t span = there.last_us - there.first_us;
    const int64_t from = there.first_us + span / 8 * (int64_t)(point % 8);
    SH_TRY(some_rows(t->history, point, from, there.last_us + 1, &a));
    SH_TRY(some_rows(t->o->history, point, from, there.last_us + 1, &b));
    if (a.n == b.n && a.hash == b.hash) {
        t->out->compared += a.n;
    } else if (here.samples != there.samples || here.type != there.type) {
        t->out->changed++;
    } else {
        fault(t, "point %u: %" PRIu64 " values from %" PRId64 " us on are not the living ones",
              point, a.n, from);
    }
    return SH_OK;
}

static sh_err look_at_samples(struct trial *t)
{
    struct sh_history_stats hs;
    struct sh_journal_stats js;
    sh_history_stats(t->history, &hs);
    sh_journal_stats(t->journal, &js);
    const uint32_t last = sh_points_last_id(t->points);
    t->out->samples = hs.samples;
    t->out->samples_stated = t->info.samples;
    t->out->points = last;
    t->out->last_seq = js.last_seq;
    if (t->damage > 0) {
        fault(t, "%" PRIu64 " parts of history or journal are damaged", t->damage);
    }
    if (t->info.online && hs.samples != t->info.samples) {
        fault(t, "%" PRIu64 " samples were found, %" PRIu64 " are stated", hs.samples,
              t->info.samples);
    }
    if (hs.last_point > last || last < t->info.points) {
        fault(t, "the catalogue ends at point %u", last);
    }
    if (js.last_seq < t->info.seq_begin || js.last_seq < t->info.seq_samples) {
        fault(t, "the sequence ends at %" PRIu64 ", the manifest says %" PRIu64, js.last_seq,
              t->info.seq_samples);
    }
    const uint32_t step = last / POINTS + 1;
    for (uint32_t p = 1; p <= last && t->o->history != NULL; p += step) {
        SH_TRY(compare_point(t, p));
    }
    return SH_OK;
}

/* ---- the report ---- */

static sh_err write_report(const struct trial *t)
{
    const struct sh_rehearsal *r = t->out;
    const struct {
        const char *name;
        uint64_t v;
    } list[] = {{"started", (uint64_t)r->started_us},
                {"finished", (uint64_t)r->finished_us},
                {"files", r->files},
                {"samples", r->samples},
                {"samples_stated", r->samples_stated},
                {"points", r->points},
                {"records", r->records},
                {"devices", r->devices},
                {"last_seq", r->last_seq},
                {"compared", r->compared},
                {"changed", r->changed}};
    char path[OPS_PATH];
    struct sh_buf b;
    struct sh_jw w;
    SH_TRY(ops_join(path, t->backup, "report.json"));
    sh_buf_init(&b, t->env->alloc, 1 << 16);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "good");
    sh_jw_bool(&w, r->good);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        sh_jw_key(&w, list[i].name);
        sh_jw_u64(&w, list[i].v);
    }
    sh_jw_key(&w, "text");
    sh_jw_c(&w, r->text);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    err = err != SH_OK ? err : sh_fs_replace(t->env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    return err;
}

static uint64_t get(const json_t *o, const char *key)
{
    const int64_t v = sh_json_get_i64(o, key, 0);
    return v < 0 ? 0 : (uint64_t)v;
}

sh_err sh_rehearsal_read(const struct sh_env *env, const char *backup, struct sh_rehearsal *out)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    json_t *o = NULL;
    SH_TRY(ops_join(path, backup, "report.json"));
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, 1 << 20, &text));
    const sh_err err = sh_json_parse(text, 1 << 20, &o, NULL);
    sh_str_free(env->alloc, &text);
    SH_TRY(err);
    *out = (struct sh_rehearsal){.good = sh_json_get_bool(o, "good", false),
                                 .started_us = (int64_t)get(o, "started"),
                                 .finished_us = (int64_t)get(o, "finished"),
                                 .files = get(o, "files"),
                                 .samples = get(o, "samples"),
                                 .samples_stated = get(o, "samples_stated"),
                                 .points = get(o, "points"),
                                 .records = get(o, "records"),
                                 .devices = get(o, "devices"),
                                 .last_seq = get(o, "last_seq"),
                                 .compared = get(o, "compared"),
                                 .changed = get(o, "changed")};
    const struct sh_str words = sh_json_get_str(o, "text");
    (void)snprintf(out->text, sizeof out->text, "%.*s", SH_PRI(words));
    json_decref(o);
    return SH_OK;
}

/* ---- all ---- */

static sh_err room(const struct trial *t, struct sh_diag *diag)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    SH_TRY(t->env->fs->space(t->env->fs->ctx, t->o->folder, &free_bytes, &total));
    const uint64_t reserve = total / 100 * t->o->reserve;
    if (free_bytes < reserve || free_bytes - reserve < t->info.bytes) {
        sh_diag_set(diag, "there is no room to restore it for a rehearsal");
        sh_diag_remedy(diag, "enlarge the disk of backup.dir, keep fewer (backup.keep), or set "
                             "backup.rehearse=false");
        return SH_E_FULL;
    }
    return SH_OK;
}

static sh_err look(struct trial *t)
{
    const sh_err err = open_samples(t);
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK) {
        fault(t, "history, catalogue or journal do not open: %s", sh_err_name(err));
        return SH_OK;
    }
    SH_TRY(look_at_samples(t));
    return look_at_records(t);
}

static void close_all(struct trial *t)
{
    sh_journal_close(t->journal);
    sh_history_close(t->history);
    sh_points_close(t->points);
    sh_record_close(t->record);
}

sh_err ops_look(const struct sh_env *env, const char *dir, const struct sh_backup_info *info,
                struct sh_rehearsal *out)
{
    const struct sh_rehearsal_options o = {.env = env};
    struct trial t = {.o = &o, .env = env, .out = out, .info = *info};
    *out = (struct sh_rehearsal){
        .good = true, .started_us = sh_wall_us(env->clock), .files = info->files};
    (void)snprintf(t.dir, sizeof t.dir, "%s", dir);
    const sh_err err = look(&t);
    close_all(&t);
    out->finished_us = sh_wall_us(env->clock);
    return err;
}

static sh_err run(struct trial *t, struct sh_diag *diag)
{
    const struct sh_rehearsal_options *o = t->o;
    struct sh_diag d = {.line = 0};
    SH_TRY(sh_backup_info(t->env, o->crypto, t->backup, &t->info, diag));
    SH_TRY(room(t, diag));
    const struct sh_restore_options ro = {.env = t->env,
                                          .crypto = o->crypto,
                                          .from = t->backup,
                                          .dir = t->dir,
                                          .plain = true,
                                          .rate = o->rate,
                                          .progress = o->progress};
    const sh_err err = sh_restore_run(&ro, &t->info, &d);
    if (err == SH_E_CORRUPT || err == SH_E_IO) {
        fault(t, "%.180s", d.message);
    } else if (err != SH_OK) {
        return err;
    } else {
        t->out->files = t->info.files;
        SH_TRY(look(t));
    }
    t->out->finished_us = sh_wall_us(t->env->clock);
    return write_report(t);
}

sh_err sh_rehearse(const struct sh_rehearsal_options *o, struct sh_rehearsal *out,
                   struct sh_diag *diag)
{
    struct trial t = {.o = o, .env = o->env, .out = out};
    char name[SH_BACKUP_ID + 16];
    *out = (struct sh_rehearsal){.good = true, .started_us = sh_wall_us(o->env->clock)};
    (void)snprintf(name, sizeof name, "rehearsal-%s", o->id);
    SH_TRY(ops_join(t.backup, o->folder, o->id));
    SH_TRY(ops_join(t.dir, o->folder, name));
    SH_TRY(ops_tree_remove(o->env, t.dir));
    sh_err err = run(&t, diag);
    close_all(&t);
    if (ops_tree_remove(o->env, t.dir) != SH_OK) {
        sh_log(o->env->log, SH_LOG_WARN, "backup", "%s cannot be removed; the next backup does it",
               t.dir);
    }
    return err;
}
