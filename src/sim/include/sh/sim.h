/* sim.h - the demo plant as a process: physics stepped once a second, a Modbus/TCP server for the
 * water loop and the meters, and an MQTT client that publishes the machining cell and the
 * compressor room. Real protocols, so that the platform sees it as it would see a plant; the
 * starter pack marks all of it as demo. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SIM_H
#define SH_SIM_H

#include <sh/env.h>

struct sh_loop;
struct sh_sim;

struct sh_sim_opts {
    struct sh_str modbus_listen; /* "127.0.0.1:15020"; empty: no Modbus server */
    struct sh_str mqtt_host;     /* "127.0.0.1"; empty: no MQTT */
    uint16_t mqtt_port;
    struct sh_str client_id; /* empty: "songhua-sim" */
    struct sh_str user;
    struct sh_str password;
    uint64_t seed;
    int64_t day_offset_s; /* local time minus UTC */
    uint32_t tick_ms;     /* 0 = 1000 */
    uint32_t faults;      /* bit n: fault n of sh_sim_fault_name is on from the start */
};

/* Starts on a loop: opens the server, begins to connect. Everything borrowed must outlive it.
 * SH_E_INVAL, SH_E_EXISTS (port in use, diag says which), SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_sim_new(struct sh_loop *l, const struct sh_sim_opts *o,
                                struct sh_diag *diag, struct sh_sim **out);
/* Turn the loop afterwards until its streams have closed. NULL is accepted. */
void sh_sim_free(struct sh_sim *s);
/* Port of the Modbus server (when the option said port 0). */
uint16_t sh_sim_modbus_port(const struct sh_sim *s);
bool sh_sim_set_fault(struct sh_sim *s, struct sh_str name, bool on); /* false: no such fault */
const char *sh_sim_fault_name(unsigned n);                            /* NULL beyond the end */

/* `songhua sim`: parses its options, runs until the process ends. argv[0] is the word "sim".
 *   --modbus ADDR:PORT   (127.0.0.1:15020)    --mqtt HOST:PORT    (127.0.0.1:1883)
 *   --user NAME          --password WORD, or SONGHUA_SIM_USER and SONGHUA_SIM_PASSWORD in the
 *                        environment; the word `-` reads the password's line from standard input
 *   --seed N   --fault NAME (repeatable)   --utc-offset MINUTES (480)   --help
 * Returns the exit code: 0, 1 (could not start), 2 (wrong options). */
int sh_sim_main(const struct sh_env *env, int argc, char **argv);

/* ---- the starter pack: what the platform imports to show the plant at once ---- */

/* "things", "assets", "devices", "channels", "charts": each a JSON array, embedded in the binary; p
 * == NULL for another name. Shapes: docs/api.md; every item says "demo": true. */
struct sh_str sh_sim_demo(const char *name);

#endif /* SH_SIM_H */
