/* openapi.c - the OpenAPI 3.1 document, made from the route table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static const char *method_name(enum sh_http_method m)
{
    switch (m) {
    case SH_HTTP_POST:
        return "post";
    case SH_HTTP_PUT:
        return "put";
    case SH_HTTP_PATCH:
        return "patch";
    case SH_HTTP_DELETE:
        return "delete";
    case SH_HTTP_OTHER:
    case SH_HTTP_GET:
    case SH_HTTP_HEAD:
    case SH_HTTP_OPTIONS:
    default:
        return "get";
    }
}

static void put_parameter(struct sh_jw *w, struct sh_str name, const char *where)
{
    sh_jw_obj(w);
    sh_jw_key(w, "name");
    sh_jw_str(w, name);
    sh_jw_key(w, "in");
    sh_jw_c(w, where);
    sh_jw_key(w, "required");
    sh_jw_bool(w, strcmp(where, "path") == 0);
    sh_jw_key(w, "schema");
    sh_jw_raw(w, SH_STR("{\"type\":\"string\"}"));
    sh_jw_obj_end(w);
}

static void put_parameters(struct sh_jw *w, const struct api_route *r)
{
    struct sh_str rest = sh_str_c(r->path);
    struct sh_str seg;
    sh_jw_key(w, "parameters");
    sh_jw_arr(w);
    while (sh_url_segment_next(&rest, &seg)) {
        if (seg.n > 2 && seg.p[0] == '{') {
            put_parameter(w, sh_str_sub(seg, 1, seg.n - 1), "path");
        }
    }
    struct sh_str names = sh_str_c(r->query == NULL ? "" : r->query);
    while (names.n > 0) {
        const struct sh_str name = sh_str_cut(names, ',', &names);
        put_parameter(w, name, "query");
    }
    if (r->method == SH_HTTP_POST || r->method == SH_HTTP_PATCH) {
        put_parameter(w, SH_STR("Idempotency-Key"), "header");
    }
    sh_jw_arr_end(w);
}

static void put_body(struct sh_jw *w, const struct api_route *r)
{
    if ((r->flags & API_F_INTAKE) != 0) {
        sh_jw_key(w, "requestBody");
        sh_jw_raw(w, SH_STR("{\"required\":true,\"content\":{\"application/octet-stream\":{}}}"));
        return;
    }
    if (r->body == NULL) {
        return;
    }
    sh_jw_key(w, "requestBody");
    sh_jw_obj(w);
    sh_jw_key(w, "required");
    sh_jw_bool(w, true);
    sh_jw_key(w, "content");
    sh_jw_obj(w);
    sh_jw_key(w, (r->flags & API_F_RAW) != 0 ? "text/plain" : "application/json");
    sh_jw_obj(w);
    sh_jw_key(w, "schema");
    sh_jw_raw(w, sh_str_c(r->body));
    sh_jw_obj_end(w);
    sh_jw_obj_end(w);
    sh_jw_obj_end(w);
}

static void put_responses(struct sh_jw *w)
{
    sh_jw_key(w, "responses");
    sh_jw_raw(w, SH_STR("{\"2XX\":{\"description\":\"done\"},\"default\":{\"description\":"
                        "\"problem (RFC 9457)\",\"content\":{\"application/problem+json\":"
                        "{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}}"));
}

static void put_operation(struct sh_jw *w, const struct api_route *r)
{
    sh_jw_key(w, method_name(r->method));
    sh_jw_obj(w);
    sh_jw_key(w, "operationId");
    sh_jw_c(w, r->id);
    sh_jw_key(w, "summary");
    sh_jw_c(w, r->english);
    sh_jw_key(w, "x-summary-zh");
    sh_jw_c(w, r->chinese);
    sh_jw_key(w, "x-permission");
    if (r->permission >= 0) {
        sh_jw_c(w, sh_permission_info((enum sh_permission)r->permission)->name);
    } else {
        sh_jw_c(w, r->permission == API_PUBLIC ? "public" : "signed in");
    }
    put_parameters(w, r);
    put_body(w, r);
    put_responses(w);
    if (r->permission == API_PUBLIC) {
        sh_jw_key(w, "security");
        sh_jw_arr(w);
        sh_jw_arr_end(w);
    }
    sh_jw_obj_end(w);
}

static bool first_of_path(const struct api_route *r)
{
    for (const struct api_route *o = api_routes; o < r; o++) {
        if (strcmp(o->path, r->path) == 0) {
            return false;
        }
    }
    return true;
}

sh_err api_openapi_write(const char *version, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "openapi");
    sh_jw_c(&w, "3.1.0");
    sh_jw_key(&w, "info");
    sh_jw_obj(&w);
    sh_jw_key(&w, "title");
    sh_jw_c(&w, "Songhua");
    sh_jw_key(&w, "version");
    sh_jw_c(&w, version);
    sh_jw_key(&w, "license");
    sh_jw_raw(&w, SH_STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
    sh_jw_obj_end(&w);
    sh_jw_key(&w, "security");
    sh_jw_raw(&w, SH_STR("[{\"bearer\":[]}]"));
    sh_jw_key(&w, "components");
    sh_jw_raw(&w,
              SH_STR("{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":"
                     "\"bearer\"}},\"schemas\":{\"Problem\":{\"type\":\"object\",\"properties\":"
                     "{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
                     "\"status\":{\"type\":\"integer\"},\"code\":{\"type\":\"string\"},"
                     "\"detail\":{\"type\":\"string\"},\"remedy\":{\"type\":\"string\"}}}}}"));
    sh_jw_key(&w, "paths");
    sh_jw_obj(&w);
    for (const struct api_route *r = api_routes; r->path != NULL; r++) {
        if (!first_of_path(r)) {
            continue;
        }
        sh_jw_key(&w, r->path);
        sh_jw_obj(&w);
        for (const struct api_route *o = r; o->path != NULL; o++) {
            if (strcmp(o->path, r->path) == 0) {
                put_operation(&w, o);
            }
        }
        sh_jw_obj_end(&w);
    }
    sh_jw_obj_end(&w);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

int api_openapi(struct api_req *r)
{
    struct sh_buf *b = sh_http_body(r->http);
    const sh_err err = api_openapi_write(r->api->o.version, b);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}
