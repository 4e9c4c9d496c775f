/* decode_fuzz.c - any bytes as packets: views stay inside the input, and what was decoded is
 * encoded to something that decodes to the same bytes again. First byte: version of the connection
 * (even 3.1.1, odd 5.0). SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/mqtt_codec.h>

static void inside(struct sh_bytes in, const void *p, size_t n)
{
    const uint8_t *q = p;
    SH_FUZZ_CHECK(n == 0 || (q >= in.p && q + n <= in.p + in.n));
}

static void check_views(struct sh_bytes in, const struct mqtt_packet *p)
{
    if (p->type == MQTT_PUBLISH) {
        inside(in, p->publish.topic.p, p->publish.topic.n);
        inside(in, p->publish.payload.p, p->publish.payload.n);
        inside(in, p->publish.props.raw.p, p->publish.props.raw.n);
    } else if (p->type == MQTT_CONNECT) {
        inside(in, p->connect.client_id.p, p->connect.client_id.n);
        inside(in, p->connect.password.p, p->connect.password.n);
        inside(in, p->connect.will.payload.p, p->connect.will.payload.n);
    } else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE) {
        struct sh_bytes list = p->subscribe.list;
        struct sh_str f;
        uint8_t o = 0;
        uint32_t n = 0;
        while (list.n > 0 && mqtt_filter_next(&list, &f, p->type == MQTT_SUBSCRIBE ? &o : NULL)) {
            inside(in, f.p, f.n);
            n++;
        }
        SH_FUZZ_CHECK(n == p->subscribe.count);
    }
}

static void round_trip(const struct mqtt_packet *p)
{
    struct sh_buf one;
    struct sh_buf two;
    sh_buf_init(&one, sh_alloc_heap(), (size_t)1 << 24);
    sh_buf_init(&two, sh_alloc_heap(), (size_t)1 << 24);
    struct mqtt_head h;
    struct mqtt_packet q;
    SH_FUZZ_CHECK(mqtt_encode(&one, p) == SH_OK);
    SH_FUZZ_CHECK(mqtt_head_decode(sh_buf_bytes(&one), &h) == SH_OK);
    SH_FUZZ_CHECK(h.head_len + h.len == one.n);
    SH_FUZZ_CHECK(mqtt_decode(&h, sh_bytes_of(one.p + h.head_len, h.len), p->version, &q) ==
                  MQTT_R_SUCCESS);
    SH_FUZZ_CHECK(mqtt_encode(&two, &q) == SH_OK);
    SH_FUZZ_CHECK(one.n == two.n && memcmp(one.p, two.p, one.n) == 0);
    sh_buf_fini(&one);
    sh_buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size == 0) {
        return 0;
    }
    const int version = (data[0] & 1) != 0 ? MQTT_V5 : MQTT_V311;
    struct sh_bytes in = {data + 1, size - 1};
    struct mqtt_head h;
    while (mqtt_head_decode(in, &h) == SH_OK && in.n >= (size_t)h.head_len + h.len) {
        const struct sh_bytes body = {in.p + h.head_len, h.len};
        struct mqtt_packet p;
        if (mqtt_decode(&h, body, version, &p) == MQTT_R_SUCCESS) {
            check_views(body, &p);
            round_trip(&p);
        }
        in.p += (size_t)h.head_len + h.len;
        in.n -= (size_t)h.head_len + h.len;
    }
    return 0;
}
