/* recover_fuzz.c - any bytes as a checkpoint image and as log records: recovery never fails but by
 * saying so, and the broker that came of it works and is freed whole.
 * First byte: 0 = the rest is an image; else log records, each {u8 length, u8 kind, body}.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/mqtt.h>

static void on_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                       void *token)
{
    (void)ctx;
    (void)req;
    done(token, MQTT_AUTH_BUSY, NULL);
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
    (void)topic;
    return true;
}

static sh_err append(void *ctx, uint64_t rn, struct sh_bytes rec)
{
    (void)ctx;
    (void)rn;
    (void)rec;
    return SH_OK;
}

static sh_err checkpoint(void *ctx, uint64_t rn, struct sh_buf *image)
{
    struct sh_buf *keep = ctx;
    (void)rn;
    *keep = *image;
    return SH_OK;
}

static void replay(struct mqtt_broker *b, const uint8_t *data, size_t size)
{
    uint64_t rn = 0;
    size_t at = 0;
    while (at + 1 < size) {
        uint8_t rec[9 + 255];
        const size_t want = data[at++];
        const size_t n = want < size - at ? want : size - at;
        sh_put_le64(rec, ++rn);
        memcpy(rec + 8, data + at, n);
        const sh_err e = mqtt_broker_replay(b, sh_bytes_of(rec, 8 + n));
        SH_FUZZ_CHECK(e == SH_OK || e == SH_E_CORRUPT || e == SH_E_LIMIT || e == SH_E_NOMEM);
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    const struct mqtt_auth_ops auth = {on_connect, on_release, may, may, NULL};
    struct sh_buf image;
    sh_buf_init(&image, env.alloc, 1);
    const struct mqtt_store_ops store = {append, checkpoint, &image};
    const struct mqtt_broker_opts o = {.env = &env, .auth = &auth, .store = &store};
    struct mqtt_broker *b = NULL;
    if (size == 0 || mqtt_broker_new(&o, &b) != SH_OK) {
        return 0;
    }
    if (data[0] == 0) {
        const sh_err e = mqtt_broker_load(b, sh_bytes_of(data + 1, size - 1));
        SH_FUZZ_CHECK(e == SH_OK || e == SH_E_CORRUPT || e == SH_E_LIMIT || e == SH_E_NOMEM);
    } else {
        replay(b, data + 1, size - 1);
    }
    mqtt_broker_start(b);
    mqtt_broker_tick(b);
    SH_FUZZ_CHECK(mqtt_broker_checkpoint(b) == SH_OK);
    struct mqtt_broker *again = NULL; /* what was written is read back without a complaint */
    if (mqtt_broker_new(&o, &again) == SH_OK) {
        SH_FUZZ_CHECK(mqtt_broker_load(again, sh_buf_bytes(&image)) == SH_OK);
        mqtt_broker_free(again);
    }
    sh_buf_fini(&image);
    mqtt_broker_free(b);
    return 0;
}
