/* fix.c - see fix.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

#include <sh/stream.h>

/* ---- identity ---- */

static struct mqtt_principal *principal(struct fix *f, struct sh_str user)
{
    struct mqtt_principal *p = sh_mem_new(f->t.env.alloc, sizeof *p);
    assert_non_null(p);
    f->principals++;
    p->tenant = 1;
    p->id = 1;
    p->name = sh_str_dup(f->t.env.alloc, user);
    struct sh_str rest = p->name;
    struct sh_str part = sh_str_cut(rest, ':', &rest);
    int64_t v = 0;
    if (part.n > 0 && sh_i64_parse(part, &v) == SH_OK) {
        p->tenant = (uint32_t)v;
    }
    if (rest.p != NULL) {
        part = sh_str_cut(rest, ':', &rest);
        if (sh_i64_parse(part, &v) == SH_OK) {
            p->id = (uint64_t)v;
        }
    }
    if (rest.p != NULL) {
        p->device = rest;
        p->flags = sh_str_starts(rest, SH_STR("gw")) ? MQTT_P_GATEWAY : 0;
    }
    return p;
}

static void on_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                       void *token)
{
    struct fix *f = ctx;
    if (req->has_user && sh_str_eqc(req->user, "bad")) {
        done(token, MQTT_AUTH_BAD_CREDENTIALS, NULL);
        return;
    }
    struct sh_str user = SH_STR("1:1");
    if (req->has_user) {
        user = req->user;
    }
    struct mqtt_principal *p = principal(f, user);
    if (f->hold_auth) {
        f->held = done;
        f->held_token = token;
        f->held_p = p;
        return;
    }
    done(token, MQTT_AUTH_OK, p);
}

static void on_release(void *ctx, struct mqtt_principal *p)
{
    struct fix *f = ctx;
    f->principals--;
    sh_str_free(f->t.env.alloc, &p->name);
    sh_mem_free(f->t.env.alloc, p);
}

static bool may(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    SH_UNUSED(ctx);
    return p->device.n == 0 && !sh_str_starts(topic, SH_STR("secret/"));
}

void fix_auth_done(struct fix *f)
{
    f->held(f->held_token, MQTT_AUTH_OK, f->held_p);
    f->held_p = NULL;
    mqtt_broker_flush(f->b);
}

/* ---- telemetry ---- */

static void copy(char *to, size_t n, struct sh_str s)
{
    const size_t k = s.n < n - 1 ? s.n : n - 1;
    if (k > 0) {
        memcpy(to, s.p, k);
    }
    to[k] = 0;
}

static sh_err on_telemetry(void *ctx, const struct mqtt_telemetry *t, mqtt_telemetry_done *done,
                           void *token)
{
    struct fix *f = ctx;
    if (f->telemetry_says != SH_OK) {
        return f->telemetry_says;
    }
    f->ntelemetry++;
    f->layout = t->layout;
    f->mapping = t->mapping;
    copy(f->device, sizeof f->device, t->device);
    copy(f->property, sizeof f->property, t->property);
    copy(f->payload, sizeof f->payload, sh_bytes_str(t->payload));
    if (done != NULL && f->hold_telemetry) {
        assert_true(f->nwait < FIX_PENDING);
        f->tdone[f->nwait] = done;
        f->ttoken[f->nwait++] = token;
    } else if (done != NULL) {
        done(token, SH_OK);
    }
    return SH_OK;
}

void fix_telemetry_done(struct fix *f, uint32_t i, sh_err err)
{
    f->tdone[i](f->ttoken[i], err);
    mqtt_broker_flush(f->b);
}

/* ---- log ---- */

static sh_err on_append(void *ctx, uint64_t rn, struct sh_bytes rec)
{
    struct fix *f = ctx;
    if (f->refuse_append) {
        return SH_E_LIMIT;
    }
    assert_int_equal(rn, f->rn + 1);
    f->rn = rn;
    assert_true(f->nrecords < FIX_RECORDS);
    struct sh_buf *b = &f->records[f->nrecords++];
    sh_buf_init(b, f->t.env.alloc, (size_t)1 << 24);
    assert_ok(sh_buf_put(b, rec.p, rec.n));
    return SH_OK;
}

/* cppcheck-suppress constParameter ; the table fixes the signature */
static sh_err on_checkpoint(void *ctx, uint64_t rn, struct sh_buf *image)
{
    struct fix *f = ctx;
    sh_buf_fini(&f->image);
    f->image = *image;
    f->image_rn = rn;
    return SH_OK;
}

void fix_commit(struct fix *f, sh_err err)
{
    f->told = f->rn;
    mqtt_broker_committed(f->b, f->rn, err);
    mqtt_broker_flush(f->b);
}

static void settle(struct fix *f)
{
    for (int i = 0; i < 4; i++) {
        mqtt_broker_flush(f->b);
        if (f->opts.store != NULL && !f->hold_commits && f->rn > f->told) {
            f->told = f->rn;
            mqtt_broker_committed(f->b, f->rn, SH_OK);
        }
    }
    mqtt_broker_flush(f->b);
}

/* ---- life ---- */

static void on_device(void *ctx, const struct mqtt_principal *p, struct sh_str id,
                      struct sh_str address, bool online)
{
    struct fix *f = ctx;
    SH_UNUSED(p);
    SH_UNUSED(id);
    SH_UNUSED(address);
    f->online += online;
    f->offline += !online;
}

struct fix *fix_new(const struct mqtt_limits *limits, bool with_store)
{
    struct fix *f = calloc(1, sizeof *f); /* NOLINT: the fixture itself is not counted */
    assert_non_null(f);
    sh_test_env_init(&f->t, NULL);
    f->auth = (struct mqtt_auth_ops){on_connect, on_release, may, may, f};
    f->telemetry = (struct mqtt_telemetry_ops){.telemetry = on_telemetry, .ctx = f};
    f->store = (struct mqtt_store_ops){on_append, on_checkpoint, f};
    f->events = (struct mqtt_event_ops){on_device, f};
    f->opts = (struct mqtt_broker_opts){.env = &f->t.env,
                                        .auth = &f->auth,
                                        .telemetry = &f->telemetry,
                                        .store = with_store ? &f->store : NULL,
                                        .events = &f->events,
                                        .full = &f->full,
                                        .version = "test"};
    if (limits != NULL) {
        f->opts.limits = *limits;
    }
    assert_ok(mqtt_broker_new(&f->opts, &f->b));
    fix_start(f);
    return f;
}

void fix_start(struct fix *f)
{
    mqtt_broker_start(f->b);
    settle(f);
}

void fix_crash(struct fix *f, uint32_t keep)
{
    mqtt_broker_free(f->b);
    assert_ok(mqtt_broker_new(&f->opts, &f->b));
    if (f->image.n > 0) {
        assert_ok(mqtt_broker_load(f->b, sh_buf_bytes(&f->image)));
    }
    const uint32_t n = keep < f->nrecords ? keep : f->nrecords;
    f->rn = f->image_rn;
    for (uint32_t i = 0; i < n; i++) {
        assert_ok(mqtt_broker_replay(f->b, sh_buf_bytes(&f->records[i])));
        const uint64_t rn = sh_le64(f->records[i].p);
        f->rn = rn > f->rn ? rn : f->rn;
    }
    for (uint32_t i = n; i < f->nrecords; i++) {
        sh_buf_fini(&f->records[i]);
    }
    f->nrecords = n;
    f->told = 0;
    f->hold_commits = false;
    fix_start(f);
}

void fix_free(struct fix *f)
{
    mqtt_broker_free(f->b);
    assert_int_equal(f->principals, 0);
    for (uint32_t i = 0; i < f->nrecords; i++) {
        sh_buf_fini(&f->records[i]);
    }
    sh_buf_fini(&f->image);
    sh_test_env_fini(&f->t);
    free(f); /* NOLINT */
}

void fix_tick(struct fix *f, int64_t seconds)
{
    for (int64_t i = 0; i < seconds; i++) {
        sh_test_advance(&f->t, 1000000);
        mqtt_broker_tick(f->b);
    }
    settle(f);
}

struct mqtt_counters fix_counters(const struct fix *f)
{
    struct mqtt_counters n;
    mqtt_broker_counters(f->b, 0, &n);
    return n;
}

/* ---- clients ---- */

static size_t take(void *ctx, const uint8_t *p, size_t n)
{
    struct cli *c = *(struct cli **)ctx;
    const size_t k = n < c->room ? n : c->room;
    void (*during)(void *ctx) = c->f->during;
    if (during != NULL) {
        c->f->during = NULL;
        during(c->f->during_ctx);
    }
    c->room -= k;
    assert_ok(sh_buf_put(&c->in, p, k));
    return k;
}

static void reading(void *ctx, bool on)
{
    struct cli *c = *(struct cli **)ctx;
    c->reading = on;
}

static void closing(void *ctx)
{
    struct cli *c = *(struct cli **)ctx;
    c->closed = true;
}

static const struct mqtt_conn_ops ops = {take, reading, closing, NULL, NULL};

void cli_open(struct cli *c, struct fix *f, int version)
{
    memset(c, 0, sizeof *c);
    c->f = f;
    c->version = (uint8_t)version;
    c->room = SIZE_MAX;
    c->reading = true;
    sh_buf_init(&c->out, f->t.env.alloc, (size_t)1 << 26);
    sh_buf_init(&c->in, f->t.env.alloc, (size_t)1 << 28);
    const struct mqtt_conn_info info = {
        .address = SH_STR("127.0.0.1:5"), .room = sizeof(struct cli *), .loopback = true};
    assert_ok(mqtt_conn_new(f->b, &ops, &info, &c->c));
    *(struct cli **)mqtt_conn_room(c->c) = c;
}

void cli_drop(struct cli *c)
{
    if (c->c != NULL) {
        mqtt_conn_closed(c->c);
        c->c = NULL;
        settle(c->f);
    }
    sh_buf_fini(&c->out);
    sh_buf_fini(&c->in);
}

void cli_feed(struct cli *c)
{
    for (int i = 0; i < 8 && c->reading && c->out.n > 0; i++) {
        const size_t n = mqtt_conn_input(c->c, sh_buf_bytes(&c->out));
        sh_buf_drop(&c->out, n);
        settle(c->f);
    }
    settle(c->f);
}

void cli_bytes(struct cli *c, const void *p, size_t n)
{
    assert_ok(sh_buf_put(&c->out, p, n));
    cli_feed(c);
}

void cli_send(struct cli *c, const struct mqtt_packet *p)
{
    struct mqtt_packet q = *p;
    q.version = c->version;
    assert_ok(mqtt_encode(&c->out, &q));
    cli_feed(c);
}

int cli_next(struct cli *c)
{
    struct mqtt_head h;
    const struct sh_bytes rest = {c->in.p + c->in_at, c->in.n - c->in_at};
    if (rest.n == 0) {
        return 0;
    }
    assert_ok(mqtt_head_decode(rest, &h));
    assert_true(rest.n >= h.head_len + h.len);
    assert_int_equal(mqtt_decode(&h, sh_bytes_of(rest.p + h.head_len, h.len), c->version, &c->p),
                     0);
    c->in_at += h.head_len + h.len;
    return c->p.type;
}

void cli_expect(struct cli *c, int type)
{
    assert_int_equal(cli_next(c), type);
}

void cli_expect_none(struct cli *c)
{
    assert_int_equal(c->in.n - c->in_at, 0);
}

int cli_connect(struct cli *c, struct fix *f, int version, const struct con *o)
{
    cli_open(c, f, version);
    struct mqtt_packet p = {.type = MQTT_CONNECT};
    if (o->more != NULL) {
        p.connect = *o->more;
    }
    p.connect.version = (uint8_t)version;
    p.connect.clean = o->clean;
    p.connect.keep_alive = o->keep_alive;
    p.connect.client_id = sh_str_c(o->id);
    if (o->user != NULL) {
        p.connect.has_user = true;
        p.connect.user = sh_str_c(o->user);
    }
    if (o->expiry_s > 0) {
        p.connect.props.session_expiry = o->expiry_s;
        mqtt_set(&p.connect.props, MQTT_PR_SESSION_EXPIRY);
    }
    cli_send(c, &p);
    if (cli_next(c) != MQTT_CONNACK) {
        return -1;
    }
    return c->p.connack.code;
}

void cli_up_as(struct cli *c, struct fix *f, int version, const char *id, const char *user)
{
    const struct con o = {.id = id, .clean = true, .user = user};
    assert_int_equal(cli_connect(c, f, version, &o), 0);
}

void cli_up(struct cli *c, struct fix *f, int version, const char *id)
{
    cli_up_as(c, f, version, id, NULL);
}

int cli_sub_id(struct cli *c, const char *filter, uint8_t options, uint32_t id)
{
    struct sh_buf list;
    struct sh_buf raw;
    sh_buf_init(&list, c->f->t.env.alloc, 1 << 17);
    sh_buf_init(&raw, c->f->t.env.alloc, 64);
    assert_ok(mqtt_filter_put(&list, sh_str_c(filter), &options));
    struct mqtt_packet p = {.type = MQTT_SUBSCRIBE};
    p.subscribe.packet_id = 77;
    p.subscribe.list = sh_buf_bytes(&list);
    if (id != 0) {
        assert_ok(mqtt_subscription_id_put(&raw, id));
        p.subscribe.props.raw = sh_buf_bytes(&raw);
    }
    cli_send(c, &p);
    sh_buf_fini(&list);
    sh_buf_fini(&raw);
    if (cli_next(c) != MQTT_SUBACK) {
        return -1;
    }
    assert_int_equal(c->p.suback.packet_id, 77);
    assert_int_equal(c->p.suback.codes.n, 1);
    return c->p.suback.codes.p[0];
}

int cli_sub(struct cli *c, const char *filter, uint8_t options)
{
    return cli_sub_id(c, filter, options, 0);
}

int cli_unsub(struct cli *c, const char *filter)
{
    struct sh_buf list;
    sh_buf_init(&list, c->f->t.env.alloc, 1 << 17);
    assert_ok(mqtt_filter_put(&list, sh_str_c(filter), NULL));
    struct mqtt_packet p = {.type = MQTT_UNSUBSCRIBE};
    p.subscribe.packet_id = 78;
    p.subscribe.list = sh_buf_bytes(&list);
    cli_send(c, &p);
    sh_buf_fini(&list);
    cli_expect(c, MQTT_UNSUBACK);
    assert_int_equal(c->p.suback.packet_id, 78);
    return c->version == MQTT_V5 ? c->p.suback.codes.p[0] : 0;
}

void cli_pub(struct cli *c, const char *topic, const char *payload, int qos, bool retain,
             uint16_t pid)
{
    struct mqtt_packet p = {.type = MQTT_PUBLISH};
    p.publish.topic = sh_str_c(topic);
    p.publish.payload = sh_bytes_of(payload, strlen(payload));
    p.publish.qos = (uint8_t)qos;
    p.publish.retain = retain;
    p.publish.packet_id = pid;
    cli_send(c, &p);
}

void cli_pub_done(struct cli *c, const char *topic, const char *payload, int qos, bool retain,
                  uint16_t pid)
{
    cli_pub(c, topic, payload, qos, retain, pid);
    if (qos == 1) {
        cli_expect(c, MQTT_PUBACK);
        assert_int_equal(c->p.ack.packet_id, pid);
    } else if (qos == 2) {
        cli_expect(c, MQTT_PUBREC);
        assert_int_equal(c->p.ack.packet_id, pid);
        cli_ack(c, MQTT_PUBREL, pid, 0);
        cli_expect(c, MQTT_PUBCOMP);
        assert_int_equal(c->p.ack.packet_id, pid);
    }
}

void cli_ack(struct cli *c, int type, uint16_t pid, uint8_t code)
{
    struct mqtt_packet p = {.type = (uint8_t)type};
    p.ack.packet_id = pid;
    p.ack.code = code;
    cli_send(c, &p);
}

void cli_expect_pub(struct cli *c, const char *topic, const char *payload, int qos)
{
    cli_expect(c, MQTT_PUBLISH);
    assert_int_equal(c->p.publish.qos, qos);
    assert_int_equal(c->p.publish.topic.n, strlen(topic));
    assert_memory_equal(c->p.publish.topic.p, topic, strlen(topic));
    assert_int_equal(c->p.publish.payload.n, strlen(payload));
    assert_memory_equal(c->p.publish.payload.p, payload, strlen(payload));
}
