/* list.c - list queries over the devices in memory. The lock is held for TWIN_CHUNK devices at a
 * time; the place is found again by id. Sorted by id the walk ends with the page; in other orders
 * the best limit+1 rows behind the cursor are kept in a heap. SPDX-License-Identifier: Apache-2.0
 */
#include "twin_int.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 1000, CURSOR_MAX = 4096 };

enum sort_by { BY_ID, BY_NAME, BY_THING, BY_ASSET, BY_STATE, BY_SINCE, BY_LAST };

struct item {
    struct twin_dev *dev; /* counted */
    struct sh_str text;
    int64_t number;
};

struct walk {
    struct sh_twin *t;
    const struct sh_twin_query *q;
    struct twin_tenant *tt;
    enum sort_by by;
    bool desc;
    struct twin_filter filter;
    bool from;
    struct item place; /* of the cursor; dev NULL */
    struct sh_str place_id;
    struct item *heap; /* worst on top */
    size_t n;
    size_t max;
    int64_t total;
};

static struct item key_of(const struct walk *k, const struct twin_slot *s)
{
    struct twin_dev *d = s->dev;
    struct item i = {.dev = d};
    switch (k->by) {
    case BY_ID:
        break;
    case BY_NAME:
        i.text = twin_dev_text(d, TWIN_NAME).n > 0 ? twin_dev_text(d, TWIN_NAME) : d->id;
        break;
    case BY_THING:
        i.text = twin_dev_text(d, TWIN_THING);
        break;
    case BY_ASSET:
        i.text = twin_dev_text(d, TWIN_ASSET);
        break;
    case BY_STATE:
        i.number = (int64_t)s->state;
        break;
    case BY_SINCE:
        i.number = s->since_us;
        break;
    case BY_LAST:
        i.number = atomic_load_explicit(&s->last_us, memory_order_relaxed);
        break;
    }
    return i;
}

static int order(const struct walk *k, const struct item *a, struct sh_str aid,
                 const struct item *b, struct sh_str bid)
{
    int d = (a->number > b->number) - (a->number < b->number);
    if (d == 0) {
        d = sh_str_cmp(a->text, b->text);
    }
    if (k->by == BY_ID) {
        d = sh_str_cmp(aid, bid);
        return k->desc ? -d : d;
    }
    if (d != 0) {
        return k->desc ? -d : d;
    }
    return sh_str_cmp(aid, bid);
}

static int order_items(const struct walk *k, const struct item *a, const struct item *b)
{
    return order(k, a, a->dev->id, b, b->dev->id);
}

static void sift_down(const struct walk *k, size_t n, size_t at)
{
    for (;;) {
        size_t big = at;
        const size_t l = 2 * at + 1;
        if (l < n && order_items(k, &k->heap[l], &k->heap[big]) > 0) {
            big = l;
        }
        if (l + 1 < n && order_items(k, &k->heap[l + 1], &k->heap[big]) > 0) {
            big = l + 1;
        }
        if (big == at) {
            return;
        }
        const struct item x = k->heap[at];
        k->heap[at] = k->heap[big];
        k->heap[big] = x;
        at = big;
    }
}

static void keep(struct walk *k, struct item i)
{
    if (k->n < k->max) {
        size_t at = k->n++;
        i.dev->refs++;
        k->heap[at] = i;
        while (at > 0 && order_items(k, &k->heap[at], &k->heap[(at - 1) / 2]) > 0) {
            const struct item x = k->heap[at];
            k->heap[at] = k->heap[(at - 1) / 2];
            k->heap[(at - 1) / 2] = x;
            at = (at - 1) / 2;
        }
        return;
    }
    if (order_items(k, &i, &k->heap[0]) < 0) {
        i.dev->refs++;
        twin_dev_unref(k->t, k->heap[0].dev);
        k->heap[0] = i;
        sift_down(k, k->n, 0);
    }
}

/* Looks at one device; false when the page is complete and nothing else is asked. */
static bool look(struct walk *k, const struct twin_slot *s)
{
    if (!twin_filter_match(&k->filter, k->tt, s)) {
        return true;
    }
    k->total++;
    if (k->by == BY_ID && k->n == k->max) {
        return k->q->want_total; /* the walk goes in order: the rest is only counted */
    }
    const struct item i = key_of(k, s);
    if (!k->from || order(k, &i, s->dev->id, &k->place, k->place_id) > 0) {
        keep(k, i);
    }
    return true;
}

/* Devices in order of id, from the end when sorting down (names often follow ids, and so most rows
 * are worse than those in the heap). `last`: id looked at last; n == 0: none. */
static void walk_all(struct walk *k)
{
    char last[SH_TWIN_MAX_ID];
    size_t n = 0;
    bool more = true;
    if (k->from && k->by == BY_ID && !k->q->want_total) {
        n = k->place_id.n;
        memcpy(last, k->place_id.p, n);
    }
    while (more) {
        sh_mutex_lock(&k->t->lock);
        twin_order(k->t, k->tt);
        size_t at = k->desc ? k->tt->n : 0;
        if (n > 0) {
            const struct sh_str id = {last, n};
            at = twin_position(k->t, k->tt, id);
            at += !k->desc && at < k->tt->n && sh_str_eq(k->tt->sorted[at]->dev->id, id) ? 1 : 0;
        }
        size_t left = k->desc ? at : k->tt->n - at;
        more = left > TWIN_CHUNK;
        left = more ? (size_t)TWIN_CHUNK : left;
        for (; left > 0; left--) {
            const struct twin_slot *s = k->tt->sorted[k->desc ? --at : at++];
            n = s->dev->id.n;
            if (!look(k, s)) {
                more = false;
                break;
            }
            if (left == 1) {
                memcpy(last, s->dev->id.p, n);
            }
        }
        sh_mutex_unlock(&k->t->lock);
    }
}

static sh_err bad(struct sh_diag *diag, const char *what)
{
    sh_diag_set(diag, "%s", what);
    return SH_E_INVAL;
}

static sh_err read_sort(struct walk *k, struct sh_str s, struct sh_diag *diag)
{
    static const char *const names[] = {"id", "name", "thing", "asset", "state", "since", "last"};
    if (s.n > 0 && s.p[0] == '-') {
        k->desc = true;
        s = sh_str_sub(s, 1, s.n);
    }
    if (s.n == 0) {
        return k->desc ? bad(diag, "not a sort order") : SH_OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (sh_str_eqc(s, names[i])) {
            k->by = (enum sort_by)i;
            return SH_OK;
        }
    }
    if (sh_str_eqc(s, "last_time")) {
        k->by = BY_LAST;
        return SH_OK;
    }
    return bad(diag, "sort is one of id name thing asset state since last");
}

/* [sort number, text, number, id] as base64url. */
static sh_err read_cursor(struct walk *k, struct sh_arena *ar, struct sh_diag *diag)
{
    struct sh_buf text;
    json_t *a = NULL;
    if (k->q->cursor.n == 0) {
        return SH_OK;
    }
    sh_buf_init(&text, k->t->env->alloc, CURSOR_MAX);
    sh_err err = sh_base64_parse(k->q->cursor, true, &text);
    if (err == SH_OK) {
        err = sh_json_parse(sh_buf_str(&text), CURSOR_MAX, &a, NULL);
    }
    const json_t *id = json_array_get(a, 3);
    const json_t *key = json_array_get(a, 1);
    if (err == SH_OK && json_is_string(id) && json_is_string(key) &&
        json_string_length(id) <= SH_TWIN_MAX_ID &&
        json_integer_value(json_array_get(a, 0)) == (json_int_t)k->by * 2 + (k->desc ? 1 : 0)) {
        k->from = true;
        k->place.text =
            sh_arena_str(ar, (struct sh_str){json_string_value(key), json_string_length(key)});
        k->place.number = json_integer_value(json_array_get(a, 2));
        k->place_id =
            sh_arena_str(ar, (struct sh_str){json_string_value(id), json_string_length(id)});
        err = k->place.text.p == NULL || k->place_id.p == NULL ? SH_E_LIMIT : SH_OK;
    } else {
        err = bad(diag, "the cursor does not belong to this query");
    }
    json_decref(a);
    sh_buf_fini(&text);
    return err;
}

static sh_err write_cursor(const struct walk *k, const struct item *last, struct sh_arena *ar,
                           struct sh_str *out)
{
    struct sh_buf text;
    struct sh_buf code;
    struct sh_jw w;
    sh_buf_init(&text, k->t->env->alloc, CURSOR_MAX);
    sh_buf_init(&code, k->t->env->alloc, (size_t)CURSOR_MAX * 2);
    sh_jw_init(&w, &text);
    sh_jw_arr(&w);
    sh_jw_i64(&w, (int64_t)k->by * 2 + (k->desc ? 1 : 0));
    sh_jw_str(&w, last->text);
    sh_jw_i64(&w, last->number);
    sh_jw_str(&w, last->dev->id);
    sh_jw_arr_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_base64_put(&code, sh_buf_bytes(&text), true);
    }
    if (err == SH_OK) {
        *out = sh_arena_str(ar, sh_buf_str(&code));
        err = out->p == NULL ? SH_E_LIMIT : SH_OK;
    }
    sh_buf_fini(&text);
    sh_buf_fini(&code);
    return err;
}

static sh_err prepare(struct walk *k, struct sh_arena *ar, struct sh_diag *diag)
{
    const struct sh_twin_query *q = k->q;
    SH_TRY(read_sort(k, q->sort, diag));
    SH_TRY(twin_filter_init(k->t, &k->filter, q, ar, diag));
    SH_TRY(read_cursor(k, ar, diag));
    const size_t limit = q->limit == 0 ? PAGE_DEFAULT : q->limit;
    k->max = (limit > PAGE_MAX ? PAGE_MAX : limit) + 1;
    k->heap = sh_arena_array(ar, k->max, sizeof *k->heap);
    return k->heap == NULL ? SH_E_LIMIT : SH_OK;
}

sh_err twin_row(struct sh_twin *t, const struct twin_slot *s, struct sh_arena *ar,
                struct sh_twin_device *out)
{
    const struct twin_dev *d = s->dev;
    *out = (struct sh_twin_device){
        .tenant = d->tenant,
        .id = sh_arena_str(ar, d->id),
        .name = sh_arena_str(ar, twin_dev_text(d, TWIN_NAME)),
        .thing = sh_arena_str(ar, twin_dev_text(d, TWIN_THING)),
        .asset = sh_arena_str(ar, twin_dev_text(d, TWIN_ASSET)),
        .labels = sh_arena_str(ar, twin_dev_text(d, TWIN_LABELS)),
        .state = s->state,
        .since_us = s->since_us,
        .last_us = atomic_load_explicit(&s->last_us, memory_order_relaxed),
        .demo = d->demo,
        .archived = d->archived,
        .top = twin_class_top(t, twin_tenant(t, d->tenant, false), d),
    };
    return out->id.p == NULL || out->name.p == NULL || out->thing.p == NULL ||
                   out->asset.p == NULL || out->labels.p == NULL
               ? SH_E_LIMIT
               : SH_OK;
}

/* Sorts the heap into order and copies its rows; the one beyond the page only says "more". */
static sh_err take_rows(struct walk *k, struct sh_arena *ar, struct sh_twin_page *out)
{
    sh_err err = SH_OK;
    for (size_t n = k->n; n > 1; n--) {
        const struct item x = k->heap[0];
        k->heap[0] = k->heap[n - 1];
        k->heap[n - 1] = x;
        sift_down(k, n - 1, 0);
    }
    const size_t rows = k->n == k->max ? k->max - 1 : k->n;
    out->rows = sh_arena_array(ar, rows + 1, sizeof *out->rows);
    if (out->rows == NULL) {
        return SH_E_LIMIT;
    }
    if (k->n == k->max && rows > 0) {
        err = write_cursor(k, &k->heap[rows - 1], ar, &out->next);
    }
    sh_mutex_lock(&k->t->lock);
    for (size_t i = 0; i < rows && err == SH_OK; i++) {
        const struct twin_dev *d = k->heap[i].dev;
        if (d->slot->dev != NULL && sh_str_eq(d->slot->dev->id, d->id)) { /* still there */
            err = twin_row(k->t, d->slot, ar, &out->rows[out->n]);
            out->n++;
        }
    }
    sh_mutex_unlock(&k->t->lock);
    for (size_t i = 0; i < out->n && err == SH_OK && k->t->o.points != NULL; i++) {
        out->rows[i].points =
            sh_points_of_device(k->t->o.points, k->q->tenant, out->rows[i].id, NULL, 0);
    }
    return err;
}

sh_err sh_twin_devices(struct sh_twin *t, const struct sh_twin_query *q, struct sh_arena *ar,
                       struct sh_twin_page *out, struct sh_diag *diag)
{
    struct walk k = {.t = t, .q = q};
    struct sh_twin_page page = {.next = SH_STR(""), .total = -1};
    SH_TRY(prepare(&k, ar, diag));
    sh_mutex_lock(&t->lock);
    k.tt = twin_tenant(t, q->tenant, false);
    sh_mutex_unlock(&t->lock);
    sh_err err = SH_OK;
    if (k.tt != NULL) {
        walk_all(&k);
        err = take_rows(&k, ar, &page);
        sh_mutex_lock(&t->lock);
        for (size_t i = 0; i < k.n; i++) {
            twin_dev_unref(t, k.heap[i].dev);
        }
        sh_mutex_unlock(&t->lock);
    }
    if (q->want_total) {
        page.total = k.total;
    }
    if (err == SH_OK) {
        *out = page;
    }
    return err;
}

static void write_opt(struct sh_jw *w, const char *key, struct sh_str s)
{
    sh_jw_key(w, key);
    if (s.n == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_str(w, s);
    }
}

void sh_twin_summary_write(const struct sh_twin_device *d, struct sh_jw *w)
{
    sh_jw_key(w, "id");
    sh_jw_str(w, d->id);
    sh_jw_key(w, "name");
    sh_jw_str(w, d->name.n > 0 ? d->name : d->id);
    write_opt(w, "thing", d->thing);
    write_opt(w, "asset", d->asset);
    sh_jw_key(w, "labels");
    sh_jw_raw(w, d->labels);
    sh_jw_key(w, "state");
    sh_jw_c(w, sh_twin_state_name(d->state));
    sh_jw_key(w, "since");
    if (d->since_us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, d->since_us);
    }
    sh_jw_key(w, "demo");
    sh_jw_bool(w, d->demo);
    sh_jw_key(w, "highest_class");
    sh_jw_obj(w);
    sh_data_class_write(d->top, w);
    sh_jw_obj_end(w);
    if (d->archived) {
        sh_jw_key(w, "archived");
        sh_jw_bool(w, true);
    }
    sh_jw_key(w, "points");
    sh_jw_u64(w, d->points);
    sh_jw_key(w, "last_time");
    if (d->last_us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, d->last_us);
    }
}

void sh_twin_counts(struct sh_twin *t, uint32_t tenant, struct sh_twin_counts *out)
{
    *out = (struct sh_twin_counts){.total = 0};
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    if (tt != NULL) {
        *out = tt->counts;
    }
    sh_mutex_unlock(&t->lock);
}
