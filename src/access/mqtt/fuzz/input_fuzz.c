/* input_fuzz.c - any bytes as the input of two connections of one broker, in pieces: nothing is
 * read out of bounds, nothing leaks, what the broker sends is made of whole packets. Input: pieces
 * of {u8 head, bytes}: bit 7 of the head picks the connection, the rest is the length. The first
 * connection is already connected with 5.0, the second speaks for itself. SPDX-License-Identifier:
 * Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/mqtt.h>
#include <sh/mqtt_codec.h>

enum { KEPT_MAX = 4096, PIECE = 0x7f };

struct peer {
    struct mqtt_conn *c;
    struct sh_buf out;
    uint8_t kept[KEPT_MAX];
    size_t nkept;
    bool reading;
    bool closed;
};

static struct mqtt_principal who = {.tenant = 1, .id = 1, .name = {"x", 1}};

static void on_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                       void *token)
{
    (void)ctx;
    (void)req;
    done(token, MQTT_AUTH_OK, &who);
}

static void on_release(void *ctx, struct mqtt_principal *p)
{
    (void)ctx;
    (void)p;
}

static bool may(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    (void)ctx;
    (void)p;
    return topic.n == 0 || topic.p[0] != 'x';
}

static size_t take(void *ctx, const uint8_t *p, size_t n)
{
    struct peer *k = *(struct peer **)ctx;
    SH_FUZZ_CHECK(sh_buf_put(&k->out, p, n) == SH_OK);
    return n;
}

static void reading(void *ctx, bool on)
{
    (*(struct peer **)ctx)->reading = on;
}

static void closing(void *ctx)
{
    (*(struct peer **)ctx)->closed = true;
}

static const struct mqtt_conn_ops ops = {take, reading, closing, NULL, NULL};

static void feed(struct mqtt_broker *b, struct peer *k, const uint8_t *p, size_t n)
{
    if (k->closed || k->nkept + n > KEPT_MAX) {
        return;
    }
    memcpy(k->kept + k->nkept, p, n);
    k->nkept += n;
    for (size_t used = 1; used > 0 && k->nkept > 0 && k->reading;) {
        used = mqtt_conn_input(k->c, sh_bytes_of(k->kept, k->nkept));
        SH_FUZZ_CHECK(used <= k->nkept);
        memmove(k->kept, k->kept + used, k->nkept - used);
        k->nkept -= used;
    }
    mqtt_broker_flush(b);
}

static void check_out(const struct peer *k)
{
    struct sh_bytes in = sh_buf_bytes(&k->out);
    struct mqtt_head h;
    while (in.n > 0) {
        SH_FUZZ_CHECK(mqtt_head_decode(in, &h) == SH_OK);
        SH_FUZZ_CHECK(in.n >= (size_t)h.head_len + h.len);
        in.p += (size_t)h.head_len + h.len;
        in.n -= (size_t)h.head_len + h.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    static const char hello[] = "\x10\x16\0\4MQTT\5\2\0\0\x08\x11\0\0\0\x0a\x22\0\4\0\1a";
    const struct sh_env env = sh_env_system();
    const struct mqtt_auth_ops auth = {on_connect, on_release, may, may, NULL};
    const struct mqtt_broker_opts o = {
        .env = &env, .auth = &auth, .limits = {.max_packet = KEPT_MAX, .max_queued = 20}};
    struct mqtt_broker *b = NULL;
    if (mqtt_broker_new(&o, &b) != SH_OK) {
        return 0;
    }
    mqtt_broker_start(b);
    struct peer k[2];
    memset(k, 0, sizeof k);
    const struct mqtt_conn_info info = {.address = {"f", 1}, .room = sizeof(struct peer *)};
    for (int i = 0; i < 2; i++) {
        k[i].reading = true;
        sh_buf_init(&k[i].out, env.alloc, (size_t)1 << 28);
        SH_FUZZ_CHECK(mqtt_conn_new(b, &ops, &info, &k[i].c) == SH_OK);
        *(struct peer **)mqtt_conn_room(k[i].c) = &k[i];
    }
    feed(b, &k[0], (const uint8_t *)hello, sizeof hello - 1);
    size_t at = 0;
    while (at < size) {
        const size_t want = data[at] & PIECE;
        struct peer *p = &k[data[at] >> 7];
        at++;
        const size_t n = want < size - at ? want : size - at;
        feed(b, p, data + at, n);
        at += n;
    }
    mqtt_broker_tick(b);
    for (int i = 0; i < 2; i++) {
        mqtt_conn_closed(k[i].c);
        check_out(&k[i]);
        sh_buf_fini(&k[i].out);
    }
    mqtt_broker_free(b);
    return 0;
}
