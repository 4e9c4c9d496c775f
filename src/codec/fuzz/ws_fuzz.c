#include <sh/fuzz.h>

#include <sh/ws.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    enum { MAX = 4096 };
    if (size < 2 || size > MAX) {
        return 0;
    }
    uint8_t buf[MAX];
    const size_t step = data[0] % 32 + 1;
    struct sh_ws w;
    sh_ws_init(&w, 1000, (data[1] & 1) != 0);
    data += 2;
    size -= 2;
    size_t have = 0;
    size_t at = 0;
    size_t message = 0;
    bool open = false;
    for (;;) {
        struct sh_ws_event ev;
        size_t used = 0;
        uint16_t code = 0;
        const sh_err e = sh_ws_feed(&w, buf, have, &used, &ev, &code);
        SH_FUZZ_CHECK(used <= have);
        if (e == SH_OK) {
            SH_FUZZ_CHECK(ev.data.n == 0 ||
                          (ev.data.p >= buf && ev.data.p + ev.data.n <= buf + used));
            if (ev.opcode == SH_WS_TEXT || ev.opcode == SH_WS_BINARY) {
                SH_FUZZ_CHECK(ev.first == !open);
                message = ev.first ? ev.data.n : message + ev.data.n;
                SH_FUZZ_CHECK(message <= 1000);
                open = !ev.last;
            } else {
                SH_FUZZ_CHECK(ev.data.n <= 125 && ev.opcode >= SH_WS_CLOSE);
            }
        } else if (e != SH_E_AGAIN) {
            SH_FUZZ_CHECK(sh_ws_code_valid(code));
            return 0;
        }
        memmove(buf, buf + used, have - used);
        have -= used;
        if (e == SH_E_AGAIN) {
            if (at == size) {
                return 0;
            }
            const size_t more = size - at < step ? size - at : step;
            memcpy(buf + have, data + at, more);
            have += more;
            at += more;
        }
    }
}
