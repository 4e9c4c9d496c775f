/* telemetry.c - see telemetry.h. Values are rounded to what such instruments give.
 * SPDX-License-Identifier: Apache-2.0 */
#include "telemetry.h"

#include <math.h>
#include <sh/json.h>

static const char *const topics[TELEMETRY_DEVICES] = {
    "sh/v1/cnc-01/telemetry", "sh/v1/air-01/telemetry", "sh/v1/air-02/telemetry",
    "sh/v1/air-room/telemetry"};

static void put(struct sh_jw *w, const char *key, double v, double digits)
{
    sh_jw_key(w, key);
    sh_jw_f64(w, round(v * digits) / digits);
}

static void put_count(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put_bool(struct sh_jw *w, const char *key, bool v)
{
    sh_jw_key(w, key);
    sh_jw_bool(w, v);
}

static void write_cell(const struct cell *c, struct sh_jw *w)
{
    static const char *const states[] = {"idle", "setup", "cutting", "tool_change", "alarm"};
    sh_jw_key(w, "state");
    sh_jw_c(w, states[c->state]);
    put(w, "spindle_speed", c->spindle_rpm, 1.0);
    put(w, "spindle_load", c->spindle_load, 10.0);
    put(w, "spindle_temperature", c->spindle_c, 10.0);
    put(w, "feed", c->feed_mmin, 1.0);
    put(w, "tool_wear", c->tool_wear * 100.0, 100.0);
    put_count(w, "tool", c->tool);
    put_count(w, "parts", c->parts);
    put_count(w, "scrap", c->scrap);
    put(w, "power", c->power_kw, 100.0);
}

static void write_compressor(const struct compressor *c, struct sh_jw *w)
{
    put_bool(w, "running", c->running);
    put_bool(w, "loaded", c->loaded);
    put(w, "flow", c->flow_m3min, 100.0);
    put(w, "power", c->power_kw, 100.0);
    put(w, "outlet_temperature", c->outlet_c, 10.0);
    put(w, "run_hours", c->run_h, 1000.0);
    put(w, "load_hours", c->load_h, 1000.0);
    put_count(w, "starts", c->starts);
}

static void write_room(const struct air *a, struct sh_jw *w)
{
    put(w, "header_pressure", a->header_bar, 1000.0);
    put(w, "demand", a->demand_m3min, 100.0);
    put(w, "supply", a->supply_m3min, 100.0);
    put(w, "specific_power", a->specific_kw, 100.0);
    put(w, "dew_point", a->dew_point_c, 10.0);
    put(w, "air_drawn", a->drawn_m3, 100.0);
}

sh_err telemetry_write(const struct plant *p, unsigned device, int64_t ts_ms, struct sh_str *topic,
                       struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "ts");
    sh_jw_i64(&w, ts_ms);
    sh_jw_key(&w, "values");
    sh_jw_obj(&w);
    if (device == 0) {
        write_cell(&p->cell, &w);
    } else if (device <= PLANT_COMPRESSORS) {
        write_compressor(&p->air.c[device - 1], &w);
    } else {
        write_room(&p->air, &w);
    }
    sh_jw_obj_end(&w);
    sh_jw_obj_end(&w);
    *topic = sh_str_c(topics[device]);
    return sh_jw_end(&w);
}

const char *const *telemetry_commands(void)
{
    static const char *const list[] = {"sh/v1/cnc-01/cmd/+", "sh/v1/air-01/cmd/+",
                                       "sh/v1/air-02/cmd/+", "sh/v1/air-room/cmd/+", NULL};
    return list;
}
