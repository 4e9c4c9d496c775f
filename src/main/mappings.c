/* mappings.c - topics of free JSON: from the tenant's record to the broker.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

enum { MOST = 1000 };

struct call {
    struct node *n;
    uint32_t tenant;
    size_t count;
    struct mqtt_mapping list[MOST];
};

static sh_err set_on_loop(void *ctx)
{
    const struct call *c = ctx;
    node_enter(c->n);
    const sh_err err = mqtt_broker_set_mappings(c->n->broker, c->tenant, c->list, c->count);
    node_leave(c->n);
    return err;
}

static sh_err fault(struct sh_diag *diag, size_t i, const char *what)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/items/%zu", i);
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_set(diag, "%s", what);
    return SH_E_INVAL;
}

static sh_err read_items(struct call *c, const json_t *items, struct sh_diag *diag)
{
    c->count = json_array_size(items);
    if (c->count > MOST) {
        sh_diag_set(diag, "at most %d mappings", MOST);
        return SH_E_LIMIT;
    }
    for (size_t i = 0; i < c->count; i++) {
        const json_t *item = json_array_get(items, i);
        struct mqtt_mapping *m = &c->list[i];
        *m = (struct mqtt_mapping){.id = (uint32_t)i + 1,
                                   .filter = sh_json_get_str(item, "filter"),
                                   .device = sh_json_get_str(item, "device"),
                                   .property = sh_json_get_str(item, "property")};
        if (m->filter.n == 0 || m->device.n == 0) {
            return fault(diag, i, "filter and device are needed");
        }
    }
    return SH_OK;
}

sh_err mappings_put(void *ctx, uint32_t tenant, const json_t *items, struct sh_diag *diag)
{
    struct node *n = ctx;
    struct call *c = sh_mem_new(n->env.alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->n = n;
    c->tenant = tenant;
    sh_err err = read_items(c, items, diag);
    if (err == SH_OK) {
        err = node_on_loop(n, set_on_loop, c);
        if (err == SH_E_INVAL) {
            sh_diag_set(diag, "a filter is not a topic filter");
        }
    }
    sh_mem_free(n->env.alloc, c);
    return err;
}

static sh_err load_one(void *ctx, const struct sh_record_row *row)
{
    struct node *n = ctx;
    json_t *doc = NULL;
    struct sh_diag d = {0};
    sh_err err = sh_json_parse(row->doc, 8 << 20, &doc, &d);
    if (err == SH_OK) {
        err = mappings_put(n, row->tenant, json_object_get(doc, "items"), &d);
    }
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_ERROR, "mqtt", "mappings were not set: %s", d.message);
    }
    json_decref(doc);
    return SH_OK;
}

void mappings_load(struct node *n)
{
    const sh_err err =
        sh_record_scan(n->record, SH_RECORD_ALL_TENANTS, SH_API_MAPPING_KIND, load_one, n);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_log(n->env.log, SH_LOG_ERROR, "mqtt", "mappings were not read: %s", sh_err_name(err));
    }
}
