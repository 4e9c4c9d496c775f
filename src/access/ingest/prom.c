/* prom.c - Prometheus remote write 1.0: the protobuf messages.
 *
 *   WriteRequest { repeated TimeSeries timeseries = 1; (2, 3: reserved, metadata) }
 *   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2;
 *                  (3: exemplars) (4: native histograms) }
 *   Label        { string name = 1; string value = 2; }
 *   Sample       { double value = 1; int64 timestamp = 2; }   milliseconds
 *
 * 1. The whole body is checked before anything of it is taken: bytes that are no such message are
 *    refused whole.
 * 2. The name of a point is made from the labels so that it can be read back and two label sets
 *    never make the same one: the device is `job.instance`, in which the job has no bare dot (and
 *    "prometheus", which has none, without both); the property is the metric's name, and the other
 *    labels behind it by key: name{a="x",b="y"}. What must not stand there bare is written %XX.
 * 3. The key of the cache is the raw bytes of the labels, as they came.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

enum { MAX_LABELS = 128, MAX_LABEL_BYTES = 8000 };
#define STALE_NAN UINT64_C(0x7ff0000000000002)

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t bits;         /* VARINT, 64 */
    struct sh_bytes bytes; /* LEN */
    const uint8_t *from;   /* its tag */
};

struct label {
    struct sh_str name;
    struct sh_str value;
};

struct series {
    struct ingest_run *r;
    const uint8_t *base; /* of the body */
    uint32_t number;
    struct label labels[MAX_LABELS];
    size_t nlabels;
    struct ingest_entry *last; /* entry of the series before, or NULL */
    char said[160];
};

/* ---- the wire format ---- */

static bool take_varint(struct sh_rd *rd, uint64_t *out)
{
    return sh_rd_varint(rd, out) == SH_OK;
}

/* The next field. False: malformed. */
static bool take_field(struct sh_rd *rd, struct field *f)
{
    uint64_t tag = 0;
    uint64_t n = 0;
    f->from = rd->p;
    f->bits = 0;
    f->bytes = (struct sh_bytes){NULL, 0};
    if (!take_varint(rd, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return false;
    }
    f->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case WIRE_VARINT:
        f->wire = WIRE_VARINT;
        return take_varint(rd, &f->bits);
    case WIRE_64:
        f->wire = WIRE_64;
        return sh_rd_le64(rd, &f->bits) == SH_OK;
    case WIRE_32:
        f->wire = WIRE_32;
        return sh_rd_bytes(rd, 4, &f->bytes) == SH_OK;
    case WIRE_LEN:
        f->wire = WIRE_LEN;
        return take_varint(rd, &n) && n <= sh_rd_left(rd) &&
               sh_rd_bytes(rd, (size_t)n, &f->bytes) == SH_OK;
    default:
        return false; /* groups are not in these messages */
    }
}

static bool is(const struct field *f, uint32_t number, enum wire wire)
{
    return f->number == number && f->wire == wire;
}

/* Reads fields to the end; calls nothing. False: malformed; *at = where. */
static bool check_flat(struct sh_bytes message, const uint8_t **at)
{
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    while (sh_rd_left(&rd) > 0) {
        *at = rd.p;
        if (!take_field(&rd, &f)) {
            return false;
        }
    }
    return true;
}

static bool check_series(struct sh_bytes message, const uint8_t **at)
{
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    while (sh_rd_left(&rd) > 0) {
        *at = rd.p;
        if (!take_field(&rd, &f)) {
            return false;
        }
        const bool known = f.number == 1 || f.number == 2;
        if (known && (f.wire != WIRE_LEN || !check_flat(f.bytes, at))) {
            return false;
        }
    }
    return true;
}

static bool check_body(struct sh_bytes body, const uint8_t **at)
{
    struct sh_rd rd = sh_rd_of(body);
    struct field f;
    while (sh_rd_left(&rd) > 0) {
        *at = rd.p;
        if (!take_field(&rd, &f)) {
            return false;
        }
        if (f.number == 1 && (f.wire != WIRE_LEN || !check_series(f.bytes, at))) {
            return false;
        }
    }
    return true;
}

/* ---- refusals ---- */

static void refuse(struct series *s, const uint8_t *at, enum sh_ingest_code code,
                   const char *detail)
{
    ingest_refuse(s->r, s->number, (size_t)(at - s->base) + 1, code, detail);
}

/* ---- names ---- */

bool sh_prom_name_ok(struct sh_str s, bool metric)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(metric && c == ':') && !(i > 0 && ingest_digit(c))) {
            return false;
        }
    }
    return s.n > 0;
}

/* Writes v with %XX for '%', control characters and those in `also`. */
static sh_err put_value(struct sh_buf *b, struct sh_str v, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < v.n; i++) {
        const uint8_t c = (uint8_t)v.p[i];
        if (c < 0x20 || c == 0x7f || c == '%' || strchr(also, c) != NULL) {
            const char x[3] = {'%', hex[c >> 4], hex[c & 15]};
            SH_TRY(sh_buf_put(b, x, 3));
        } else {
            SH_TRY(sh_buf_put_u8(b, c));
        }
    }
    return SH_OK;
}

sh_err sh_prom_device_put(struct sh_buf *b, struct sh_str job, struct sh_str instance)
{
    if (job.n == 0 && instance.n == 0) {
        return sh_buf_put_c(b, SH_PROM_NO_TARGET);
    }
    SH_TRY(put_value(b, job, "."));
    SH_TRY(sh_buf_put_u8(b, '.'));
    return put_value(b, instance, "");
}

static bool identifies(struct sh_str name)
{
    return sh_str_eqc(name, "job") || sh_str_eqc(name, "instance");
}

static sh_err put_property(struct sh_buf *b, const struct series *s, struct sh_str metric)
{
    bool any = false;
    SH_TRY(sh_buf_put_str(b, metric));
    for (size_t i = 0; i < s->nlabels; i++) {
        const struct label *l = &s->labels[i];
        if (identifies(l->name) || sh_str_eqc(l->name, "__name__")) {
            continue;
        }
        SH_TRY(sh_buf_put_u8(b, any ? ',' : '{'));
        SH_TRY(sh_buf_put_str(b, l->name));
        SH_TRY(sh_buf_put_c(b, "=\""));
        SH_TRY(put_value(b, l->value, "/\"\\"));
        SH_TRY(sh_buf_put_u8(b, '"'));
        any = true;
    }
    return any ? sh_buf_put_u8(b, '}') : SH_OK;
}

static struct sh_str label_of(const struct series *s, const char *name)
{
    for (size_t i = 0; i < s->nlabels; i++) {
        if (sh_str_eqc(s->labels[i].name, name)) {
            return s->labels[i].value;
        }
    }
    return (struct sh_str){"", 0};
}

/* ---- labels ---- */

static enum sh_ingest_code read_label(struct sh_bytes message, struct label *l, const char **detail)
{
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    *l = (struct label){{"", 0}, {"", 0}};
    while (sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (is(&f, 1, WIRE_LEN)) {
            l->name = sh_bytes_str(f.bytes);
        } else if (is(&f, 2, WIRE_LEN)) {
            l->value = sh_bytes_str(f.bytes);
        }
    }
    if (!sh_prom_name_ok(l->name, false)) {
        *detail = "a label's name is letters, digits and _, and does not begin with a digit";
        return SH_INGEST_NAME;
    }
    if (!sh_utf8_valid(l->value)) {
        *detail = "a label's value is not UTF-8";
        return SH_INGEST_UTF8;
    }
    return SH_INGEST_OK;
}

/* Puts l where it belongs by name. A label without a value is as none. */
static enum sh_ingest_code keep_label(struct series *s, struct label l, const char **detail)
{
    size_t at = s->nlabels;
    if (l.value.n == 0) {
        return SH_INGEST_OK;
    }
    if (s->nlabels == MAX_LABELS) {
        *detail = "a series has at most 128 labels";
        return SH_INGEST_TOO_BIG;
    }
    while (at > 0 && sh_str_cmp(l.name, s->labels[at - 1].name) < 0) {
        s->labels[at] = s->labels[at - 1];
        at--;
    }
    s->labels[at] = l;
    s->nlabels++;
    if (at > 0 && sh_str_eq(s->labels[at - 1].name, l.name)) {
        *detail = "a label comes twice";
        return SH_INGEST_SYNTAX;
    }
    return SH_INGEST_OK;
}

static enum sh_ingest_code read_labels(struct series *s, struct sh_bytes message,
                                       const char **detail)
{
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    s->nlabels = 0;
    while (sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (f.number == 1) {
            struct label l;
            enum sh_ingest_code c = read_label(f.bytes, &l, detail);
            c = c == SH_INGEST_OK ? keep_label(s, l, detail) : c;
            if (c != SH_INGEST_OK) {
                return c;
            }
        }
    }
    if (!sh_prom_name_ok(label_of(s, "__name__"), true)) {
        *detail = "the label __name__ must be the metric's name: letters, digits, _ and :";
        return SH_INGEST_NAME;
    }
    return SH_INGEST_OK;
}

/* ---- series ---- */

/* Makes the names and asks for the point. */
static sh_err resolve(struct series *s, enum sh_ingest_code *code, const char **detail,
                      struct sh_ingest_target *out)
{
    struct sh_buf *b = &s->r->in->names;
    const struct sh_str job = label_of(s, "job");
    const struct sh_str instance = label_of(s, "instance");
    const struct sh_ingest_label both[2] = {{SH_STR("instance"), instance}, {SH_STR("job"), job}};
    const size_t first = instance.n > 0 ? 0 : 1;
    struct sh_ingest_name name = {.labels = both + first,
                                  .nlabels = (job.n > 0 ? 2u : 1u) - first,
                                  .type = SH_T_F64,
                                  .scope = s->r->opts->scope};
    sh_buf_clear(b);
    SH_TRY(sh_prom_device_put(b, job, instance));
    const size_t split = b->n;
    SH_TRY(put_property(b, s, label_of(s, "__name__")));
    name.device = sh_str_of((const char *)b->p, split);
    name.property = sh_str_of((const char *)b->p + split, b->n - split);
    if (name.device.n > SH_INGEST_MAX_NAME || name.property.n > SH_INGEST_MAX_NAME) {
        *code = SH_INGEST_TOO_BIG;
        *detail = "job and instance, or the metric's name with its other labels, have more than "
                  "256 bytes: drop labels by write_relabel_configs";
        return SH_OK;
    }
    *code = ingest_resolve(s->r, &name, out, s->said);
    *detail = s->said;
    return SH_OK;
}

/* The raw bytes of the labels, in in->text; false without memory. */
static bool gather_key(struct series *s, struct sh_bytes message, struct sh_str *key)
{
    struct sh_buf *b = &s->r->in->text;
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    sh_buf_clear(b);
    while (sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (f.number == 1 && sh_buf_put(b, f.from, (size_t)(rd.p - f.from)) != SH_OK) {
            return false;
        }
    }
    *key = b->n == 0 ? SH_STR("") : sh_buf_str(b);
    return true;
}

/* The entry of the series; *out NULL: refused, and told. */
static sh_err find(struct series *s, struct sh_bytes message, struct ingest_entry **out)
{
    struct sh_ingest *in = s->r->in;
    const uint64_t scope = s->r->opts->scope;
    struct sh_ingest_target t;
    struct sh_str key;
    const char *detail = "";
    *out = NULL;
    if (ingest_make_room(in)) {
        s->last = NULL;
    }
    if (!gather_key(s, message, &key)) {
        return SH_E_NOMEM;
    }
    if (key.n > MAX_LABEL_BYTES) {
        refuse(s, message.p, SH_INGEST_TOO_BIG, "the labels of a series have at most 8000 bytes");
        return SH_OK;
    }
    struct ingest_entry **hint = s->last == NULL ? &in->start : &s->last->guess;
    struct ingest_entry *e = ingest_find(in, hint, NULL, INGEST_PROM, scope, key);
    if (e == NULL) {
        enum sh_ingest_code code = read_labels(s, message, &detail);
        if (code == SH_INGEST_OK) {
            SH_TRY(resolve(s, &code, &detail, &t));
        }
        if (code != SH_INGEST_OK) {
            refuse(s, message.p, code, detail);
            return SH_OK;
        }
        e = ingest_add(in, hint, NULL, INGEST_PROM, scope, key);
        if (e == NULL) {
            return SH_E_NOMEM;
        }
        e->target = t;
    }
    s->last = e;
    *out = e;
    return SH_OK;
}

static void read_sample(struct sh_bytes message, int64_t *ms, struct ingest_value *v)
{
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    uint64_t bits = 0;
    *ms = 0;
    while (sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (is(&f, 1, WIRE_64)) {
            bits = f.bits;
        } else if (is(&f, 2, WIRE_VARINT)) {
            *ms = (int64_t)f.bits;
        }
    }
    *v = (struct ingest_value){
        .what = INGEST_F64, .loose = true, .q = bits == STALE_NAN ? SH_Q_BAD : SH_Q_GOOD};
    v->cell.bits = bits;
}

static sh_err take_sample(struct series *s, const struct ingest_entry *e, struct sh_bytes message,
                          bool *taken)
{
    struct ingest_run *r = s->r;
    struct ingest_value v;
    int64_t ms = 0;
    const char *detail = "the time is out of range; it is milliseconds";
    enum sh_ingest_code code = SH_INGEST_TIME;
    sh_err err = SH_E_INVAL;
    read_sample(message, &ms, &v);
    if (ms <= INT64_MAX / 1000 && ms >= INT64_MIN / 1000) {
        code = ingest_time_check(r, ms * 1000);
        detail = code == SH_INGEST_OK ? "" : ingest_time_detail(code);
    }
    if (code == SH_INGEST_OK) {
        err = ingest_put(r->in, &e->target, ms * 1000, &v, &code, &detail);
        if (err == SH_E_LIMIT && r->in->batch.view.len > 0) {
            SH_TRY(ingest_flush(r));
            err = ingest_put(r->in, &e->target, ms * 1000, &v, &code, &detail);
        }
    }
    if (err == SH_E_INVAL) {
        refuse(s, message.p == NULL ? s->base : message.p, code, detail);
        return SH_OK;
    }
    *taken = *taken || err == SH_OK;
    return err;
}

static sh_err take_series(struct series *s, struct sh_bytes message)
{
    struct ingest_entry *e = NULL;
    struct sh_rd rd = sh_rd_of(message);
    struct field f;
    bool taken = false;
    SH_TRY(find(s, message, &e));
    if (e == NULL) {
        return SH_OK;
    }
    while (sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (f.number == 2) {
            SH_TRY(take_sample(s, e, f.bytes, &taken));
        } else if (f.number == 4) {
            refuse(s, f.from, SH_INGEST_HISTOGRAM,
                   "native histograms are not stored; classic histograms are");
        }
    }
    s->r->result->taken += taken ? 1 : 0;
    return SH_OK;
}

sh_err sh_ingest_prom(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                      const struct sh_ingest_opts *opts, struct sh_bytes body,
                      struct sh_ingest_result *result)
{
    struct ingest_run r = {.in = in, .sink = sink, .opts = opts, .result = result};
    struct series s = {.r = &r, .base = body.n == 0 ? (const uint8_t *)"" : body.p};
    const uint8_t *at = s.base;
    struct sh_rd rd = sh_rd_of(body);
    struct field f;
    sh_err e = SH_OK;
    ingest_begin(&r);
    if (!check_body(body, &at)) {
        refuse(&s, at, SH_INGEST_SYNTAX, "the body is not a prometheus.WriteRequest message");
        return ingest_end(&r, SH_OK);
    }
    while (e == SH_OK && sh_rd_left(&rd) > 0 && take_field(&rd, &f)) {
        if (f.number == 1) {
            s.number += s.number < UINT32_MAX ? 1 : 0;
            const struct sh_bytes m = {f.bytes.n == 0 ? f.from : f.bytes.p, f.bytes.n};
            e = take_series(&s, m);
        }
    }
    return ingest_end(&r, e);
}
