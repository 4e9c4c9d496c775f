/* demo.c - the starter pack by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/sim.h>

extern const char demo_things[];
extern const char demo_things_end[];
extern const char demo_assets[];
extern const char demo_assets_end[];
extern const char demo_devices[];
extern const char demo_devices_end[];
extern const char demo_channels[];
extern const char demo_channels_end[];
extern const char demo_charts[];
extern const char demo_charts_end[];

struct sh_str sh_sim_demo(const char *name)
{
    static const struct {
        const char *name;
        const char *begin;
        const char *end;
    } files[] = {
        {"things", demo_things, demo_things_end},    {"assets", demo_assets, demo_assets_end},
        {"devices", demo_devices, demo_devices_end}, {"channels", demo_channels, demo_channels_end},
        {"charts", demo_charts, demo_charts_end},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (sh_str_eqc(sh_str_c(name), files[i].name)) {
            return sh_str_of(files[i].begin, (size_t)(files[i].end - files[i].begin));
        }
    }
    return (struct sh_str){NULL, 0};
}
