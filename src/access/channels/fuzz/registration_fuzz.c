/* registration_fuzz.c - any bytes from a DTU, in any pieces: a listening channel swallows
 * registration and heart-beats, an unknown one is noted within its bounds, and nothing is left
 * behind. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/channels.h>
#include <sh/fakenet.h>
#include <sh/modbus.h>

struct rig {
    void (*on_accept)(void *ctx, struct sh_stream *s);
    void *accept_ctx;
};

static sh_err no_dial(void *ctx, const struct sh_connect_opts *o,
                      const struct sh_connect_handler *h, void *hctx, void **handle)
{
    (void)ctx;
    (void)o;
    (void)h;
    (void)hctx;
    (void)handle;
    return SH_E_UNSUPPORTED;
}

static void no_cancel(void *ctx, void *handle)
{
    (void)ctx;
    (void)handle;
}

static sh_err fake_listen(void *ctx, const struct sh_listen_opts *o,
                          void (*on_accept)(void *actx, struct sh_stream *s), void *actx,
                          struct sh_diag *diag, void **listener)
{
    struct rig *r = ctx;
    (void)o;
    (void)diag;
    r->on_accept = on_accept;
    r->accept_ctx = actx;
    *listener = r;
    return SH_OK;
}

static sh_err on_samples(void *ctx, void *user, const struct sh_batch *b)
{
    (void)ctx;
    (void)user;
    for (uint32_t i = 0; i < b->len; i++) {
        SH_FUZZ_CHECK(b->point[i] == 0 && b->time_us[i] != 0);
    }
    return SH_OK;
}

static void on_state(void *ctx, void *user, uint32_t device, enum sh_comm_state s, int64_t at,
                     const char *words)
{
    (void)ctx;
    (void)user;
    (void)s;
    (void)at;
    SH_FUZZ_CHECK(device == 0 && words != NULL);
}

static const struct sh_channel_net_ops net = {no_dial, no_cancel, fake_listen, no_cancel};
static const struct sh_channel_sink_ops sink = {on_samples, on_state};
static const struct sh_driver *const drivers[] = {&sh_driver_modbus, NULL};

static sh_err put_channel(struct sh_channels *e)
{
    const struct sh_channel_device dev = {.id = SH_STR("d")};
    const struct sh_channel_tag tag = {.property = SH_STR("p"), .address = SH_STR("h0")};
    const struct sh_channel_config cfg = {.id = SH_STR("c"),
                                          .driver = SH_STR("modbus"),
                                          .enabled = true,
                                          .mode = SH_CHANNEL_LISTEN,
                                          .address = SH_STR("0.0.0.0:5020"),
                                          .registration = {(const uint8_t *)"REG1", 4},
                                          .heartbeat = {(const uint8_t *)"hb", 2},
                                          .devices = &dev,
                                          .n_devices = 1,
                                          .tags = &tag,
                                          .n_tags = 1};
    return sh_channels_put(e, &cfg, NULL, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct rig r = {.on_accept = NULL};
    struct sh_loop *loop = NULL;
    struct sh_channels *e = NULL;
    struct sh_stream *s = NULL;
    if (size == 0 || sh_loop_new(&env, NULL, &loop) != SH_OK) {
        return 0;
    }
    const struct sh_channels_opts o = {
        .loop = loop, .drivers = drivers, .sink = &sink, .net = &net, .net_ctx = &r};
    SH_FUZZ_CHECK(sh_channels_new(&o, &e) == SH_OK && put_channel(e) == SH_OK);
    const struct sh_fake_opts fo = {.chunk = 1 + data[0] % 32U};
    struct sh_fakepeer *p = sh_fakepeer_new(loop, &fo, &s);
    SH_FUZZ_CHECK(p != NULL);
    r.on_accept(r.accept_ctx, s);
    sh_fakepeer_send(p, sh_bytes_of(data + 1, size - 1));
    sh_loop_settle(loop, 1000);
    sh_fakepeer_eof(p);
    sh_loop_settle(loop, 1000);
    const struct sh_channel_unknown *u = sh_channels_unknown(e, 0);
    SH_FUZZ_CHECK(u == NULL || (u->n <= SH_CHANNEL_REG_MAX && u->n <= size - 1 &&
                                memcmp(u->packet, data + 1, u->n) == 0));
    const bool registered = size > 4 && memcmp(data + 1, "REG1", 4) == 0;
    struct sh_channel_info info;
    sh_channel_info(sh_channels_find(e, SH_STR("c")), &info);
    SH_FUZZ_CHECK(info.connects == (registered ? 1U : 0U));
    SH_FUZZ_CHECK(!registered || u == NULL);
    sh_channels_free(e);
    sh_fakepeer_free(p);
    sh_loop_settle(loop, 1000);
    sh_loop_free(loop);
    return 0;
}
