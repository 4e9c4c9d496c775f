/* libmodbus_peer.c PORT - a Modbus/TCP server made with libmodbus: 500 of each kind; see
 * peers_test.c. One client at a time. A test program only. SPDX-License-Identifier: Apache-2.0 */
#include <modbus.h>
#include <stdlib.h>
#include <unistd.h>

static void fill(modbus_mapping_t *m)
{
    static const uint16_t text[] = {0x7075, 0x6d70, 0x2037, 0}; /* "pump 7" */
    for (int i = 0; i < 500; i++) {
        m->tab_bits[i] = (uint8_t)(i % 2);
        m->tab_input_bits[i] = (uint8_t)(i % 2);
        m->tab_registers[i] = (uint16_t)i;
        m->tab_input_registers[i] = (uint16_t)(1000 + i);
    }
    m->tab_registers[100] = 0x42f6; /* 123.456 as float32 */
    m->tab_registers[101] = 0xe979;
    m->tab_registers[104] = 0xfffe; /* -123456 */
    m->tab_registers[105] = 0x1dc0;
    for (int i = 0; i < 4; i++) {
        m->tab_registers[110 + i] = text[i];
    }
}

int main(int argc, char **argv)
{
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1502);
    modbus_mapping_t *map = modbus_mapping_new(500, 500, 500, 500);
    if (ctx == NULL || map == NULL) {
        return 1;
    }
    fill(map);
    int listener = modbus_tcp_listen(ctx, 4);
    if (listener < 0) {
        return 1;
    }
    while (modbus_tcp_accept(ctx, &listener) >= 0) {
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        int n = modbus_receive(ctx, query);
        while (n >= 0) {
            if (n > 0) {
                (void)modbus_reply(ctx, query, n, map);
            }
            n = modbus_receive(ctx, query);
        }
        modbus_close(ctx);
    }
    return 1;
}
