/* sim_main.c - the command `songhua sim`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/sim.h>

#include <stdio.h>
#include <stdlib.h>

#include <sh/loop.h>
#include <sh/text.h>

static const char usage[] =
    "usage: songhua sim [options]\n"
    "  --modbus ADDR:PORT    Modbus/TCP server of the plant (127.0.0.1:15020; empty: none)\n"
    "  --mqtt HOST:PORT      MQTT server to publish to (127.0.0.1:1883; empty: none)\n"
    "  --user NAME           MQTT user, or SONGHUA_SIM_USER\n"
    "  --password WORD       MQTT password, or SONGHUA_SIM_PASSWORD; - reads it from standard "
    "input\n"
    "  --seed N              another plant of the same kind (1)\n"
    "  --fault NAME          valve_stuck, bearing_wear, leak, sensor_stuck, comm_loss; repeatable\n"
    "  --utc-offset MINUTES  local time of the plant (480)\n";

struct args {
    struct sh_sim_opts o;
    char password[256];
};

static sh_err set_mqtt(struct sh_sim_opts *o, struct sh_str v)
{
    const size_t colon = sh_str_rfind(v, ':');
    uint64_t port = 1883;
    if (v.n > 0 && colon != SIZE_MAX &&
        (sh_u64_parse(sh_str_sub(v, colon + 1, v.n), &port) != SH_OK || port == 0 ||
         port > 65535)) {
        return SH_E_INVAL;
    }
    o->mqtt_host = sh_str_sub(v, 0, colon == SIZE_MAX ? v.n : colon);
    o->mqtt_port = (uint16_t)port;
    return SH_OK;
}

static sh_err set_fault(struct sh_sim_opts *o, struct sh_str v)
{
    for (unsigned f = 0; sh_sim_fault_name(f) != NULL; f++) {
        if (sh_str_eqc(v, sh_sim_fault_name(f))) {
            o->faults |= 1U << f;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

static sh_err set_password(struct args *a, struct sh_str v)
{
    if (!sh_str_eqc(v, "-")) {
        a->o.password = v;
        return SH_OK;
    }
    if (fgets(a->password, sizeof a->password, stdin) == NULL) {
        return SH_E_INVAL;
    }
    a->o.password = sh_str_trim(sh_str_c(a->password));
    return SH_OK;
}

static sh_err set_option(struct args *a, struct sh_str name, struct sh_str v)
{
    int64_t i = 0;
    if (sh_str_eqc(name, "--modbus")) {
        a->o.modbus_listen = v;
    } else if (sh_str_eqc(name, "--mqtt")) {
        return set_mqtt(&a->o, v);
    } else if (sh_str_eqc(name, "--user")) {
        a->o.user = v;
    } else if (sh_str_eqc(name, "--password")) {
        return set_password(a, v);
    } else if (sh_str_eqc(name, "--seed")) {
        return sh_u64_parse(v, &a->o.seed);
    } else if (sh_str_eqc(name, "--fault")) {
        return set_fault(&a->o, v);
    } else if (sh_str_eqc(name, "--utc-offset")) {
        SH_TRY(sh_i64_parse(v, &i));
        a->o.day_offset_s = i * 60;
    } else {
        return SH_E_NOTFOUND;
    }
    return SH_OK;
}

/* Options are read once, before any thread is started. */
static struct sh_str from_environment(const char *name)
{
    return sh_str_c(getenv(name)); /* NOLINT(concurrency-mt-unsafe) */
}

static int run(const struct sh_env *env, const struct sh_sim_opts *o)
{
    struct sh_loop *loop = NULL;
    struct sh_sim *sim = NULL;
    struct sh_diag diag = {0};
    sh_err err = sh_loop_new(env, NULL, &loop);
    if (err == SH_OK) {
        err = sh_sim_new(loop, o, &diag, &sim);
    }
    if (err != SH_OK) {
        (void)fprintf(stderr, "songhua sim: %s %s\n",
                      diag.message[0] != '\0' ? diag.message : sh_err_name(err), diag.remedy);
        if (loop != NULL) {
            sh_loop_settle(loop, 100);
        }
        sh_loop_free(loop);
        return 1;
    }
    sh_log(env->log, SH_LOG_INFO, "sim", "the demo plant runs: Modbus port %u, MQTT %.*s:%u",
           sh_sim_modbus_port(sim), SH_PRI(o->mqtt_host), o->mqtt_port);
    sh_loop_run(loop);
    sh_sim_free(sim);
    sh_loop_settle(loop, 100);
    sh_loop_free(loop);
    return 0;
}

int sh_sim_main(const struct sh_env *env, int argc, char **argv)
{
    struct args a = {.o = {.modbus_listen = SH_STR("127.0.0.1:15020"),
                           .mqtt_host = SH_STR("127.0.0.1"),
                           .mqtt_port = 1883,
                           .user = from_environment("SONGHUA_SIM_USER"),
                           .password = from_environment("SONGHUA_SIM_PASSWORD"),
                           .seed = 1,
                           .day_offset_s = (int64_t)480 * 60}};
    for (int i = 1; i < argc; i += 2) {
        if (sh_str_eqc(sh_str_c(argv[i]), "--help")) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (i + 1 >= argc || set_option(&a, sh_str_c(argv[i]), sh_str_c(argv[i + 1])) != SH_OK) {
            (void)fprintf(stderr, "songhua sim: cannot use %s %s\n%s", argv[i],
                          i + 1 < argc ? argv[i + 1] : "(value missing)", usage);
            return 2;
        }
    }
    return run(env, &a.o);
}
