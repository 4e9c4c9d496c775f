/* mappings.c - free JSON on any topic: which device and property a topic means. One list a tenant,
 * kept as one record, put as a whole: {"items":[{"filter":"plant/+/+/value","device":"{1}",
 * "property":"{2}"}]}.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define MAPPING_ID SH_STR("mqtt")

int api_mappings_get(struct api_req *r)
{
    struct sh_record_row row;
    const sh_err err =
        sh_record_get(r->api->o.record, r->tenant, SH_API_MAPPING_KIND, MAPPING_ID, r->arena, &row);
    if (err == SH_E_NOTFOUND) {
        sh_jw_raw(&r->w, SH_STR("{\"items\":[]}"));
        return 200;
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    sh_jw_raw(&r->w, row.doc);
    return 200;
}

int api_mappings_put(struct api_req *r)
{
    const struct sh_api_seams *s = &r->api->o.seams;
    struct sh_diag d = {0};
    uint64_t rev = 0;
    const json_t *items = json_object_get(r->body, "items");
    if (!json_is_array(items)) {
        return api_problem(r, 400, "bad_request", "items must be an array", "items 必须是数组");
    }
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    sh_err err = s->mappings == NULL ? SH_E_UNSUPPORTED : s->mappings(s->ctx, r->tenant, items, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    const struct sh_record_put p = {
        .tenant = r->tenant,
        .type = SH_API_MAPPING_KIND,
        .id = MAPPING_ID,
        .doc = sh_bytes_str(r->http->body),
        .expect = rev == 0 ? SH_RECORD_ANY : rev,
        .flags = SH_RECORD_F_HISTORY,
    };
    err = sh_record_put(r->api->o.record, &p, api_author(r), &rev, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "mappings.put", SH_STR("mappings"), "ok", sh_bytes_str(r->http->body));
    api_etag(r, rev);
    sh_jw_json(&r->w, r->body);
    return 200;
}
