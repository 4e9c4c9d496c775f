/* What a client writes into Idempotency-Key: no key is longer than allowed, empty or unprintable,
 * and a bare key that was taken is itself. */
#include <sh/fuzz.h>

#include "../api_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    char key[API_IDEM_KEY_MAX];
    size_t n = 0;
    if (!api_idem_key(sh_str_of((const char *)data, size), key, &n)) {
        return 0;
    }
    if (n == 0 || n > API_IDEM_KEY_MAX) {
        __builtin_trap();
    }
    for (size_t i = 0; i < n; i++) {
        if (key[i] < 0x20 || key[i] > 0x7e) {
            __builtin_trap();
        }
    }
    if (data[0] != '"' && (n != size || memcmp(key, data, n) != 0)) {
        __builtin_trap();
    }
    return 0;
}
