/* dashboard_check.c - the document of a dashboard: its members, kinds of widgets and limits, each
 * fault told with its place; and which points and devices it names, of which a caller may see some.
 *
 * A document holds data only. What the console draws from it is the console's own; nothing in it is
 * run or taken as markup.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "dashboard.h"

enum { GRID = 12, ROWS = 2000, HEIGHT = 40 };
enum { NAME_BYTES = 200, LINE_BYTES = 500, TEXT_BYTES = 20000, POINT_BYTES = 600, ID_BYTES = 32 };

/* Kinds of widgets, as bits. */
enum {
    CHART = 1,
    VALUE = 2,
    GAUGE = 4,
    TABLE = 8,
    TEXT = 16,
    STATES = 32,
    EVERY = 63,
    ONE = VALUE | GAUGE
};
static const struct {
    const char *name;
    unsigned kind;
} kinds[] = {{"chart", CHART}, {"value", VALUE}, {"gauge", GAUGE},
             {"table", TABLE}, {"text", TEXT},   {"devices", STATES}};

enum shape { S_ID, S_LINE, S_TEXT, S_NAMES, S_INT, S_NUMBER, S_BOOL, S_RANGE, S_DIAL, S_LEVELS };
struct member {
    const char *name;
    unsigned kinds;
    enum shape shape;
    int min; /* of integers; of lists the most is max */
    int max;
};
static const struct member members[] = {
    {"id", EVERY, S_ID, 0, 0},
    {"kind", EVERY, S_LINE, 0, 0},
    {"title", EVERY, S_LINE, 0, 0},
    {"x", EVERY, S_INT, 0, GRID - 1},
    {"y", EVERY, S_INT, 0, ROWS},
    {"w", EVERY, S_INT, 1, GRID},
    {"h", EVERY, S_INT, 1, HEIGHT},
    {"points", ONE, S_NAMES, 0, 1},
    {"points", CHART, S_NAMES, 0, 12},
    {"points", TABLE, S_NAMES, 0, 100},
    {"devices", TABLE, S_NAMES, 0, 50},
    {"devices", STATES, S_NAMES, 0, 200},
    {"properties", TABLE, S_NAMES, 0, 10},
    {"range", CHART, S_RANGE, 0, 0},
    {"stepped", CHART, S_BOOL, 0, 0},
    {"decimals", ONE | TABLE, S_INT, 0, 9},
    {"stale", ONE | TABLE, S_INT, 1, 86400},
    {"thresholds", ONE, S_LEVELS, 0, 6},
    {"min", GAUGE, S_NUMBER, 0, 0},
    {"max", GAUGE, S_NUMBER, 0, 0},
    {"dial", GAUGE, S_DIAL, 0, 0},
    {"text", TEXT, S_TEXT, 0, 0},
};
static const char *const ranges[] = {"", "5m", "15m", "1h", "8h", "24h", "7d", "30d"};
static const char *const dials[] = {"arc", "bar"};
static const char *const levels[] = {"good", "warning", "bad"};

/* Where in the document one is, for the words of a refusal. */
struct place {
    struct api_req *r;
    struct sh_str at;
    const json_t *widget;
    unsigned kind;
};

static struct sh_str text_of(const json_t *v)
{
    return sh_str_of(json_string_value(v), json_string_length(v));
}

/* The words take the form "widgets[3].points: ...". */
static int fault(const struct place *p, const char *member, const char *en, const char *zh)
{
    struct sh_arena *ar = p->r->arena;
    const char *dot = p->at.n > 0 && member[0] != '\0' ? "." : "";
    const struct sh_str e = sh_arena_printf(ar, "%.*s%s%s: %s", SH_PRI(p->at), dot, member, en);
    const struct sh_str z = sh_arena_printf(ar, "%.*s%s%s：%s", SH_PRI(p->at), dot, member, zh);
    return api_problem(p->r, 400, "bad_request", e.p, z.p);
}

static bool one_of(const json_t *v, const char *const *words, size_t n)
{
    for (size_t i = 0; json_is_string(v) && i < n; i++) {
        if (sh_str_eqc(text_of(v), words[i])) {
            return true;
        }
    }
    return false;
}

static bool id_ok(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_') {
            return false;
        }
    }
    return s.n > 0 && s.n <= ID_BYTES;
}

static bool number_ok(const json_t *v)
{
    return json_is_number(v) && isfinite(json_number_value(v));
}

static int check_names(const struct place *p, const struct member *m, const json_t *v)
{
    if (!json_is_array(v) || json_array_size(v) > (size_t)m->max) {
        const struct sh_str en =
            sh_arena_printf(p->r->arena, "a list of at most %d names is needed here", m->max);
        const struct sh_str zh =
            sh_arena_printf(p->r->arena, "此处须为名称列表，最多 %d 个", m->max);
        return fault(p, m->name, en.p, zh.p);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *name = json_array_get(v, i);
        if (!json_is_string(name) || json_string_length(name) == 0 ||
            json_string_length(name) > POINT_BYTES) {
            const struct sh_str at = sh_arena_printf(p->r->arena, "%s[%zu]", m->name, i);
            return fault(p, at.p == NULL ? m->name : at.p, "a name is a text of at most 600 bytes",
                         "名称须为不超过 600 字节的文本");
        }
    }
    return 0;
}

static int check_levels(const struct place *p, const struct member *m, const json_t *v)
{
    bool good = json_is_array(v) && json_array_size(v) <= (size_t)m->max;
    for (size_t i = 0; good && i < json_array_size(v); i++) {
        const json_t *o = json_array_get(v, i);
        good = json_is_object(o) && json_object_size(o) == 2 &&
               number_ok(json_object_get(o, "at")) &&
               one_of(json_object_get(o, "level"), levels, sizeof levels / sizeof levels[0]);
    }
    return good ? 0
                : fault(p, m->name,
                        "at most six of {\"at\": number, \"level\": \"good|warning|bad\"}",
                        "最多六项 {\"at\": 数值, \"level\": \"good|warning|bad\"}");
}

static int check_int(const struct place *p, const struct member *m, const json_t *v)
{
    if (json_is_integer(v) && json_integer_value(v) >= m->min && json_integer_value(v) <= m->max) {
        return 0;
    }
    const struct sh_str en =
        sh_arena_printf(p->r->arena, "a whole number from %d to %d is needed here", m->min, m->max);
    const struct sh_str zh =
        sh_arena_printf(p->r->arena, "此处须为 %d 到 %d 的整数", m->min, m->max);
    return fault(p, m->name, en.p, zh.p);
}

static int check_text(const struct place *p, const struct member *m, const json_t *v, size_t most)
{
    if (json_is_string(v) && json_string_length(v) <= most) {
        return 0;
    }
    const struct sh_str en =
        sh_arena_printf(p->r->arena, "a text of at most %zu bytes is needed here", most);
    const struct sh_str zh = sh_arena_printf(p->r->arena, "此处须为不超过 %zu 字节的文本", most);
    return fault(p, m->name, en.p, zh.p);
}

static int check_member(const struct place *p, const struct member *m, const json_t *v)
{
    switch (m->shape) {
    case S_ID:
        return json_is_string(v) && id_ok(text_of(v))
                   ? 0
                   : fault(p, m->name, "1 to 32 of a-z A-Z 0-9 - _",
                           "1 至 32 个字符：a-z A-Z 0-9 - _");
    case S_LINE:
        return check_text(p, m, v, LINE_BYTES);
    case S_TEXT:
        return check_text(p, m, v, TEXT_BYTES);
    case S_NAMES:
        return check_names(p, m, v);
    case S_INT:
        return check_int(p, m, v);
    case S_LEVELS:
        return check_levels(p, m, v);
    case S_NUMBER:
        return number_ok(v) ? 0 : fault(p, m->name, "a number is needed here", "此处须为数值");
    case S_BOOL:
        return json_is_boolean(v) ? 0 : fault(p, m->name, "true or false", "须为 true 或 false");
    case S_RANGE:
        return one_of(v, ranges, sizeof ranges / sizeof ranges[0])
                   ? 0
                   : fault(p, m->name, "one of 5m 15m 1h 8h 24h 7d 30d, or empty",
                           "须为 5m 15m 1h 8h 24h 7d 30d 之一，或留空");
    case S_DIAL:
    default:
        return one_of(v, dials, sizeof dials / sizeof dials[0])
                   ? 0
                   : fault(p, m->name, "arc or bar", "须为 arc 或 bar");
    }
}

static const struct member *member_of(unsigned kind, const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].name, name) == 0 && (members[i].kinds & kind) != 0) {
            return &members[i];
        }
    }
    return NULL;
}

static unsigned kind_of(const json_t *widget)
{
    const struct sh_str name = sh_json_get_str(widget, "kind");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (sh_str_eqc(name, kinds[i].name)) {
            return kinds[i].kind;
        }
    }
    return 0;
}

/* What does not stand in one member alone. */
static int check_together(const struct place *p)
{
    static const char *const needed[] = {"id", "x", "y", "w", "h"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (json_object_get(p->widget, needed[i]) == NULL) {
            return fault(p, needed[i], "is missing", "缺少该项");
        }
    }
    if (sh_json_get_i64(p->widget, "x", 0) + sh_json_get_i64(p->widget, "w", 0) > GRID) {
        return fault(p, "w", "x + w may be at most 12, the columns of the grid",
                     "x + w 不能超过网格的 12 列");
    }
    if (p->kind == GAUGE && json_object_get(p->widget, "min") != NULL &&
        json_object_get(p->widget, "max") != NULL &&
        !(json_number_value(json_object_get(p->widget, "min")) <
          json_number_value(json_object_get(p->widget, "max")))) {
        return fault(p, "max", "max must be greater than min", "max 须大于 min");
    }
    return 0;
}

static int check_widget(const struct place *p)
{
    json_t *w = (json_t *)(uintptr_t)p->widget;
    if (!json_is_object(w)) {
        return fault(p, "", "a widget is an object", "组件须为对象");
    }
    if (p->kind == 0) {
        return fault(p, "kind", "one of chart, value, gauge, table, text, devices",
                     "须为 chart、value、gauge、table、text、devices 之一");
    }
    for (void *it = json_object_iter(w); it != NULL; it = json_object_iter_next(w, it)) {
        const char *name = json_object_iter_key(it);
        const struct member *m = member_of(p->kind, name);
        if (m == NULL) {
            const struct sh_str short_name = sh_str_c(name);
            const struct sh_str at = sh_arena_str(
                p->r->arena, sh_str_sub(short_name, 0, short_name.n > 64 ? 64 : short_name.n));
            return fault(p, at.p == NULL ? "" : at.p, "this kind of widget has no such member",
                         "该类组件没有这一项");
        }
        const int status = check_member(p, m, json_object_iter_value(it));
        if (status != 0) {
            return status;
        }
    }
    return check_together(p);
}

/* No id twice: the ids go into an object as its members. */
static int check_ids(const struct place *top, const json_t *widgets)
{
    json_t *seen = json_object();
    int status = seen == NULL ? api_error(top->r, SH_E_NOMEM, NULL) : 0;
    for (size_t i = 0; status == 0 && i < json_array_size(widgets); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(widgets, i), "id"));
        if (json_object_get(seen, id) != NULL) {
            const struct sh_str at = sh_arena_printf(top->r->arena, "widgets[%zu].id", i);
            status = fault(top, at.p == NULL ? "widgets" : at.p, "another widget has this id",
                           "另一组件已使用该标识");
        } else if (json_object_set_new(seen, id, json_true()) != 0) {
            status = api_error(top->r, SH_E_NOMEM, NULL);
        }
    }
    json_decref(seen);
    return status;
}

static void count_one(void *ctx, struct sh_str name)
{
    SH_UNUSED(name);
    size_t *n = ctx;
    *n += 1;
}

static int check_counts(const struct place *top, const json_t *doc)
{
    size_t points = 0;
    size_t devices = 0;
    dashboard_points(doc, count_one, &points, top->r->arena);
    dashboard_devices(doc, count_one, &devices);
    if (points > DASHBOARD_POINTS || devices > DASHBOARD_DEVICES) {
        return fault(top, "widgets", "at most 2000 points and 1000 devices in one dashboard",
                     "一个仪表板最多 2000 个点位、1000 台设备");
    }
    return 0;
}

static int check_widgets(const struct place *top, const json_t *doc)
{
    const json_t *widgets = json_object_get(doc, "widgets");
    if (!json_is_array(widgets) || json_array_size(widgets) > DASHBOARD_WIDGETS) {
        return fault(top, "widgets", "a list of at most 200 widgets is needed here",
                     "此处须为组件列表，最多 200 个");
    }
    for (size_t i = 0; i < json_array_size(widgets); i++) {
        const json_t *w = json_array_get(widgets, i);
        const struct place p = {.r = top->r,
                                .at = sh_arena_printf(top->r->arena, "widgets[%zu]", i),
                                .widget = w,
                                .kind = kind_of(w)};
        const int status = check_widget(&p);
        if (status != 0) {
            return status;
        }
    }
    const int status = check_ids(top, widgets);
    return status != 0 ? status : check_counts(top, doc);
}

int dashboard_check(struct api_req *r, const json_t *doc)
{
    static const char *const known[] = {"name", "description", "shared", "range", "widgets"};
    const struct place top = {.r = r};
    const struct sh_str name = sh_json_get_str(doc, "name");
    json_t *d = (json_t *)(uintptr_t)doc;
    if (!json_is_object(doc)) {
        return fault(&top, "", "the body must be an object", "请求正文须为对象");
    }
    for (void *it = json_object_iter(d); it != NULL; it = json_object_iter_next(d, it)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(json_object_iter_key(it), known[i]) == 0;
        }
        if (!found) {
            const struct sh_str key = sh_str_c(json_object_iter_key(it));
            const struct sh_str at =
                sh_arena_str(r->arena, sh_str_sub(key, 0, key.n > 64 ? 64 : key.n));
            return fault(&top, at.p == NULL ? "" : at.p, "a dashboard has no such member",
                         "仪表板没有这一项");
        }
    }
    if (name.n == 0 || name.n > NAME_BYTES) {
        return fault(&top, "name", "a name of 1 to 200 bytes is needed",
                     "需要名称（1 至 200 字节）");
    }
    static const struct member optional[] = {
        {"description", 0, S_LINE, 0, 0}, {"shared", 0, S_BOOL, 0, 0}, {"range", 0, S_RANGE, 0, 0}};
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        const json_t *v = json_object_get(doc, optional[i].name);
        const int status = v == NULL ? 0 : check_member(&top, &optional[i], v);
        if (status != 0) {
            return status;
        }
    }
    return check_widgets(&top, doc);
}

/* ---- what a document names ---- */

static void each_name(const json_t *list, dashboard_name_fn *fn, void *ctx)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        fn(ctx, text_of(json_array_get(list, i)));
    }
}

void dashboard_points(const json_t *doc, dashboard_name_fn *fn, void *ctx, struct sh_arena *arena)
{
    const json_t *widgets = json_object_get(doc, "widgets");
    for (size_t i = 0; i < json_array_size(widgets); i++) {
        const json_t *w = json_array_get(widgets, i);
        const json_t *devices = json_object_get(w, "devices");
        const json_t *properties = json_object_get(w, "properties");
        each_name(json_object_get(w, "points"), fn, ctx);
        for (size_t d = 0; d < json_array_size(devices); d++) {
            for (size_t k = 0; k < json_array_size(properties); k++) {
                fn(ctx,
                   sh_arena_printf(arena, "%.*s/%.*s", SH_PRI(text_of(json_array_get(devices, d))),
                                   SH_PRI(text_of(json_array_get(properties, k)))));
            }
        }
    }
}

void dashboard_devices(const json_t *doc, dashboard_name_fn *fn, void *ctx)
{
    const json_t *widgets = json_object_get(doc, "widgets");
    for (size_t i = 0; i < json_array_size(widgets); i++) {
        each_name(json_object_get(json_array_get(widgets, i), "devices"), fn, ctx);
    }
}

/* ---- who sees what ---- */

sh_err sight_of(struct api_req *r, struct sight *out)
{
    *out = (struct sight){.r = r};
    if (r->who.panel) {
        out->only = r->shown;
        out->values = true;
        out->devices = true;
        return SH_OK;
    }
    const sh_err values = api_parts(r, SH_PERM_HISTORY_READ, &out->value_parts);
    const sh_err devices = api_parts(r, SH_PERM_DEVICES_READ, &out->device_parts);
    out->values = values == SH_OK;
    out->devices = devices == SH_OK;
    if (values != SH_OK && values != SH_E_DENIED) {
        return values;
    }
    return devices == SH_E_DENIED ? SH_OK : devices;
}

static bool within(const struct sight *s, enum sh_permission perm,
                   const struct sh_twin_parts *parts, struct sh_str device)
{
    const struct api_req *r = s->r;
    if (r->who.bound) {
        return sh_guard_check_device(r->api->o.guard, &r->who, perm, r->tenant, device) == SH_OK;
    }
    return parts == NULL || sh_twin_device_within(r->api->o.twin, r->tenant, device, parts);
}

bool sight_of_device(const struct sight *s, struct sh_str device)
{
    if (s->only != NULL) {
        return api_shows_device(s->only, device);
    }
    return s->devices && within(s, SH_PERM_DEVICES_READ, s->device_parts, device);
}

bool sight_of_point(const struct sight *s, struct sh_str name)
{
    const struct sh_points *points = s->r->api->o.points;
    const uint32_t id = sh_points_resolve(points, s->r->tenant, name);
    const size_t cut = sh_str_rfind(name, '/');
    struct sh_str device = name;
    if (s->only != NULL) {
        return id != 0 && api_shows_point(s->only, id);
    }
    if (id != 0) {
        device = sh_points_get(points, id)->device;
    } else if (cut != SIZE_MAX) {
        device = sh_str_sub(name, 0, cut);
    }
    return s->values && within(s, SH_PERM_HISTORY_READ, s->value_parts, device);
}

struct unseen {
    const struct sight *s;
    struct sh_str name; /* the first; p == NULL: none */
};

static void look_point(void *ctx, struct sh_str name)
{
    struct unseen *u = ctx;
    if (u->name.p == NULL && !sight_of_point(u->s, name)) {
        u->name = name;
    }
}

static void look_device(void *ctx, struct sh_str name)
{
    struct unseen *u = ctx;
    if (u->name.p == NULL && !sight_of_device(u->s, name)) {
        u->name = name;
    }
}

int dashboard_names_seen(struct api_req *r, const json_t *doc, const struct sight *s)
{
    struct unseen u = {.s = s};
    dashboard_points(doc, look_point, &u, r->arena);
    dashboard_devices(doc, look_device, &u);
    if (u.name.p == NULL) {
        return 0;
    }
    const struct sh_str en =
        sh_arena_printf(r->arena, "'%.*s' lies outside of what you may see", SH_PRI(u.name));
    const struct sh_str zh =
        sh_arena_printf(r->arena, "“%.*s”不在您可查看的范围内", SH_PRI(u.name));
    return api_problem(r, 403, "outside_part", en.p, zh.p);
}
