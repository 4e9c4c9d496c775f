/* mqttc_fuzz.c - any bytes from an MQTT server: the client uses whole packets only and shows only
 * bytes of its input. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../mqttc.h"

struct seen {
    const uint8_t *from;
    const uint8_t *to;
};

static void on_message(void *ctx, struct sh_str topic, struct sh_bytes payload)
{
    const struct seen *s = ctx;
    SH_FUZZ_CHECK((const uint8_t *)topic.p >= s->from &&
                  (const uint8_t *)topic.p + topic.n <= s->to);
    SH_FUZZ_CHECK(payload.p >= s->from && payload.p + payload.n <= s->to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct mqttc m;
    struct sh_buf out;
    size_t used = 0;
    struct seen s = {data, data + size};
    const struct mqttc_opts o = {.client_id = SH_STR("id"), .on_message = on_message, .ctx = &s};
    if (mqttc_init(&m, sh_alloc_heap(), &o) != SH_OK) {
        return 0;
    }
    sh_buf_init(&out, sh_alloc_heap(), 1 << 20);
    for (int i = 0; i < 3; i++) {
        if (mqttc_publish(&m, SH_STR("t"), sh_bytes_of("x", 1)) != SH_OK) {
            break;
        }
    }
    if (mqttc_opened(&m, 1, &out) == SH_OK &&
        mqttc_bytes(&m, 2, (struct sh_bytes){data, size}, &used, &out) == SH_OK) {
        SH_FUZZ_CHECK(used <= size);
        SH_FUZZ_CHECK(m.sent <= m.n && m.n <= 3);
    }
    mqttc_closed(&m);
    sh_buf_fini(&out);
    mqttc_fini(&m);
    return 0;
}
