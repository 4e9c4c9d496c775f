/* demo.c - the starter pack of the demo plant: thing models, assets, devices and channels, each
 * marked as demo. What exists already is left as it is, so people may change it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/sim.h>

#include "main_int.h"

enum { PACK_MAX = 4 << 20 };
#define AUTHOR SH_STR("demo")

typedef sh_err put_one(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d);

static sh_err put_thing(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d)
{
    return sh_twin_thing_put(n->twin, SH_TENANT_ROOT, id, SH_TWIN_CREATE, body, 0, AUTHOR, NULL, d);
}

static sh_err put_asset(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d)
{
    return sh_twin_asset_put(n->twin, SH_TENANT_ROOT, id, SH_TWIN_CREATE, body, 0, AUTHOR, NULL, d);
}

static sh_err put_device(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d)
{
    return sh_twin_device_put(n->twin, SH_TENANT_ROOT, id, SH_TWIN_CREATE, body, 0, AUTHOR, NULL,
                              d);
}

static sh_err put_record(struct node *n, struct sh_str type, struct sh_str id, const json_t *body,
                         struct sh_diag *d)
{
    struct sh_buf doc;
    struct sh_jw w;
    sh_buf_init(&doc, n->env.alloc, PACK_MAX);
    sh_jw_init(&w, &doc);
    sh_jw_json(&w, body);
    sh_err err = sh_jw_end(&w);
    const struct sh_record_put p = {
        .tenant = SH_TENANT_ROOT, .type = type, .id = id, .doc = sh_buf_str(&doc)};
    if (err == SH_OK) {
        err = sh_record_put(n->record, &p, AUTHOR, NULL, d);
    }
    sh_buf_fini(&doc);
    return err == SH_E_CONFLICT ? SH_E_EXISTS : err;
}

static sh_err put_channel(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d)
{
    return put_record(n, SH_STR("_channel"), id, body, d);
}

static sh_err put_chart(struct node *n, struct sh_str id, const json_t *body, struct sh_diag *d)
{
    return put_record(n, SH_STR("chart"), id, body, d);
}

static void import_list(struct node *n, const char *what, const char *name, put_one *put)
{
    json_t *list = NULL;
    struct sh_diag d = {0};
    size_t made = 0;
    if (sh_json_parse(sh_sim_demo(name), PACK_MAX, &list, &d) != SH_OK) {
        sh_log(n->env.log, SH_LOG_ERROR, "demo", "%s: %s", what, d.message);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *body = json_array_get(list, i);
        const struct sh_str id = sh_json_get_str(body, "id");
        d.message[0] = '\0';
        const sh_err err = put(n, id, body, &d);
        if (err == SH_OK) {
            made++;
        } else if (err != SH_E_EXISTS) {
            sh_log(n->env.log, SH_LOG_ERROR, "demo", "%s %.*s: %s: %s %s", what, SH_PRI(id),
                   sh_err_name(err), d.path, d.message);
        }
    }
    if (made > 0) {
        sh_log(n->env.log, SH_LOG_INFO, "demo", "%zu %s of the demo plant were put in", made, what);
    }
    json_decref(list);
}

void demo_import(struct node *n)
{
    import_list(n, "thing models", "things", put_thing);
    import_list(n, "assets", "assets", put_asset);
    import_list(n, "devices", "devices", put_device);
    import_list(n, "channels", "channels", put_channel);
    import_list(n, "charts", "charts", put_chart);
}
