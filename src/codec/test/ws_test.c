#include <sh/test.h>

#include <sh/ws.h>

static void test_accept_key_is_that_of_the_specification(void **state)
{
    (void)state;
    char out[SH_WS_ACCEPT_CHARS]; /* 6455 1.3 */
    sh_ws_accept_key(SH_STR("dGhlIHNhbXBsZSBub25jZQ=="), out);
    assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof out);
}

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UP "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define GET "GET /mqtt HTTP/1.1\r\nHost: a\r\n"

static void test_handshake_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sh_err expect;
    } rows[] = {
        {GET UP KEY V13 "\r\n", SH_OK},
        {"POST / HTTP/1.1\r\nHost: a\r\n" UP KEY V13 "\r\n", SH_E_PROTO}, /* 4.1: GET */
        {"GET / HTTP/1.0\r\nHost: a\r\n" UP KEY V13 "\r\n", SH_E_PROTO},  /* 4.1: 1.1 */
        {GET KEY V13 "\r\n", SH_E_PROTO},
        {GET "Upgrade: websocket\r\n" KEY V13 "\r\n", SH_E_PROTO},
        {GET UP V13 "\r\n", SH_E_PROTO},
        {GET UP KEY KEY V13 "\r\n", SH_E_PROTO},
        {GET UP "Sec-WebSocket-Key: short\r\n" V13 "\r\n", SH_E_PROTO},
        {GET UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", SH_E_UNSUPPORTED}, /* 4.4 */
        {GET UP KEY "\r\n", SH_E_UNSUPPORTED},
        {GET UP KEY V13 "Content-Length: 1\r\n\r\n", SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_http_limits lim = {0};
        struct sh_http_field f[10];
        struct sh_http_head h;
        int status = 0;
        assert_ok(
            sh_http_head_parse(sh_str_bytes(sh_str_c(rows[i].text)), &lim, f, 10, &h, &status));
        struct sh_str key;
        assert_int_equal(sh_ws_check(&h, &key), rows[i].expect);
    }
}

static void test_subprotocol(void **state)
{
    (void)state;
    const struct sh_http_field f[] = {
        {SH_STR("Sec-WebSocket-Protocol"), SH_STR("mqttv3.1, mqtt")},
        {SH_STR("sec-websocket-protocol"), SH_STR("chat")},
    };
    assert_true(sh_ws_offers(f, 2, SH_STR("mqtt")));
    assert_true(sh_ws_offers(f, 2, SH_STR("chat")));
    assert_false(sh_ws_offers(f, 2, SH_STR("MQTT"))); /* case-sensitive */
    assert_false(sh_ws_offers(f, 2, SH_STR("")));
}

#define MASK "\x01\x02\x03\x04"

/* Text of all messages and control frames that come out: 't' or 'b' pieces joined, "|" at the end
 * of a message, "P(..)" ping, "O(..)" pong, "C1000(..)" close. */
static sh_err run(const uint8_t *in, size_t n, size_t step, size_t max, char out[256],
                  uint16_t *code)
{
    uint8_t buf[512];
    struct sh_ws w;
    sh_ws_init(&w, max, false);
    size_t have = 0;
    size_t at = 0;
    size_t len = 0;
    *code = 0;
    out[0] = '\0';
    for (;;) {
        struct sh_ws_event ev;
        size_t used = 0;
        const sh_err e = sh_ws_feed(&w, buf, have, &used, &ev, code);
        assert_true(used <= have);
        if (e == SH_OK) {
            const int t = (int)ev.data.n;
            const char *p = (const char *)ev.data.p;
            switch (ev.opcode) {
            case SH_WS_PING:
                len += (size_t)snprintf(out + len, 256 - len, "P(%.*s)", t, p);
                break;
            case SH_WS_PONG:
                len += (size_t)snprintf(out + len, 256 - len, "O(%.*s)", t, p);
                break;
            case SH_WS_CLOSE:
                len += (size_t)snprintf(out + len, 256 - len, "C%u(%.*s)", ev.code, t, p);
                break;
            case SH_WS_TEXT:
            case SH_WS_BINARY:
            case SH_WS_CONT:
                len += (size_t)snprintf(out + len, 256 - len, "%s%.*s%s",
                                        ev.first ? ev.opcode == SH_WS_TEXT ? "t" : "b" : "", t, p,
                                        ev.last ? "|" : "");
                break;
            }
        } else if (e != SH_E_AGAIN) {
            return e;
        }
        memmove(buf, buf + used, have - used);
        have -= used;
        if (e == SH_E_AGAIN) {
            if (at == n) {
                return SH_E_AGAIN;
            }
            const size_t more = n - at < step ? n - at : step;
            memcpy(buf + have, in + at, more);
            have += more;
            at += more;
        }
    }
}

#define ROW(lit) (const uint8_t *)(lit), sizeof(lit) - 1
/* Payload bytes below are given masked with 1,2,3,4. */
#define M_HI "\x49\x6b" /* "Hi" */

static void test_frames_rows(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *in;
        size_t n;
        sh_err expect; /* AGAIN: all was read */
        uint16_t code;
        const char *out;
    } rows[] = {
        {ROW("\x81\x82" MASK M_HI), SH_E_AGAIN, 0, "tHi|"},
        {ROW("\x82\x82" MASK M_HI), SH_E_AGAIN, 0, "bHi|"},
        {ROW("\x82\x80" MASK), SH_E_AGAIN, 0, "b|"},
        /* 5.4: fragments with a ping between them */
        {ROW("\x02\x82" MASK M_HI "\x89\x82" MASK M_HI "\x80\x82" MASK M_HI), SH_E_AGAIN, 0,
         "bHiP(Hi)Hi|"},
        {ROW("\x8a\x80" MASK), SH_E_AGAIN, 0, "O()"},
        {ROW("\x88\x80" MASK), SH_E_AGAIN, 0, "C1005()"},
        {ROW("\x88\x84" MASK "\x02\xea\x4b\x6d"), SH_E_AGAIN, 0, "C1000(Hi)"},
        {ROW("\x81\x02Hi"), SH_E_PROTO, 1002, ""},         /* 5.1: not masked */
        {ROW("\xc1\x82" MASK M_HI), SH_E_PROTO, 1002, ""}, /* 5.2: reserved bit */
        {ROW("\x83\x82" MASK M_HI), SH_E_PROTO, 1002, ""}, /* 5.2: reserved opcode */
        {ROW("\x8b\x82" MASK M_HI), SH_E_PROTO, 1002, ""},
        {ROW("\x09\x82" MASK M_HI), SH_E_PROTO, 1002, ""},    /* 5.5: fragmented control */
        {ROW("\x89\xfe\x00\x7e" MASK), SH_E_PROTO, 1002, ""}, /* 5.5: over 125 bytes */
        {ROW("\x80\x82" MASK M_HI), SH_E_PROTO, 1002, ""},    /* 5.4: nothing to continue */
        {ROW("\x02\x82" MASK M_HI "\x82\x82" MASK M_HI), SH_E_PROTO, 1002, "bHi"}, /* 5.4 */
        {ROW("\x82\xfe\x00\x02" MASK M_HI), SH_E_PROTO, 1002, ""}, /* 5.2: not the shortest */
        {ROW("\x82\xff\x00\x00\x00\x00\x00\x00\x00\x02" MASK M_HI), SH_E_PROTO, 1002, ""},
        {ROW("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00" MASK), SH_E_PROTO, 1002, ""},
        {ROW("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK), SH_E_LIMIT, 1009, ""},
        {ROW("\x88\x81" MASK "\x02"), SH_E_PROTO, 1002, ""},         /* 5.5.1: half a code */
        {ROW("\x88\x82" MASK "\x02\xef"), SH_E_PROTO, 1002, ""},     /* 7.4.1: 1005 is never sent */
        {ROW("\x88\x83" MASK "\x02\xea\xfc"), SH_E_PROTO, 1007, ""}, /* reason is no UTF-8 */
        {ROW("\x81\x81" MASK "\xfe"), SH_E_PROTO, 1007, ""},         /* 8.1: 0xff */
        /* 8.1: a character cut by a fragment's end, good and bad */
        {ROW("\x01\x81" MASK "\xe7"
             "\x80\x82" MASK "\x9c\xbc"),
         SH_E_AGAIN, 0, "t\xe6\x9d\xbe|"},
        {ROW("\x81\x82" MASK "\xe7\x9f"), SH_E_PROTO, 1007, ""},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        for (size_t step = 1; step <= 24; step++) {
            char out[256];
            uint16_t code = 0;
            const sh_err e = run(rows[i].in, rows[i].n, step, 1000, out, &code);
            if (e != rows[i].expect) {
                print_message("row %zu step %zu\n", i, step);
            }
            assert_int_equal(e, rows[i].expect);
            assert_int_equal(code, rows[i].code);
            if (e == SH_E_AGAIN) {
                assert_string_equal(out, rows[i].out);
            }
        }
    }
}

static void test_message_limit_counts_all_fragments(void **state)
{
    (void)state;
    char out[256];
    uint16_t code = 0;
    static const char two[] = "\x02\x82" MASK M_HI "\x80\x82" MASK M_HI;
    assert_int_equal(run(ROW(two), 100, 4, out, &code), SH_E_AGAIN);
    assert_int_equal(run(ROW(two), 100, 3, out, &code), SH_E_LIMIT);
    assert_int_equal(code, 1009);
}

static void test_head_and_close_read_back_as_client(void **state)
{
    (void)state;
    static const uint64_t lens[] = {0, 125, 126, 65535, 65536, 100000};
    for (size_t i = 0; i < SH_COUNT(lens); i++) {
        uint8_t in[SH_WS_HEAD_MAX];
        const size_t n = sh_ws_head(SH_WS_BINARY, lens[i], in);
        struct sh_ws w;
        sh_ws_init(&w, SIZE_MAX, true);
        struct sh_ws_event ev;
        size_t used = 0;
        uint16_t code = 0;
        const sh_err e = sh_ws_feed(&w, in, n, &used, &ev, &code);
        assert_int_equal(e, lens[i] == 0 ? SH_OK : SH_E_AGAIN);
        assert_int_equal(used, n);
        assert_int_equal(w.left, lens[i]);
    }
    uint8_t payload[125];
    char reason[200];
    memset(reason, 'x', sizeof reason);
    assert_int_equal(sh_ws_close_payload(1001, sh_str_of(reason, sizeof reason), payload), 125);
    assert_int_equal(sh_be16(payload), 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_key_is_that_of_the_specification),
        cmocka_unit_test(test_handshake_rows),
        cmocka_unit_test(test_subprotocol),
        cmocka_unit_test(test_frames_rows),
        cmocka_unit_test(test_message_limit_counts_all_fragments),
        cmocka_unit_test(test_head_and_close_read_back_as_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
