/* ctl.c - `songhua ctl`: the API at the command line. What the server answers is printed as it is:
 * JSON, fit for machines; the exit code is 0 for 2xx, 1 for a problem, 2 for wrong usage.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "main_int.h"

struct request {
    const char *url;
    const char *token;
    const char *method;
    const char *path;
    const char *body;
};

static bool parse(int argc, char **argv, struct request *r)
{
    int i = 0;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            continue; /* the output is JSON anyway */
        }
        if (i + 1 < argc && strcmp(argv[i], "--url") == 0) {
            r->url = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--token") == 0) {
            r->token = argv[++i];
        } else {
            return false;
        }
    }
    r->method = i < argc ? argv[i++] : NULL;
    r->path = i < argc ? argv[i++] : NULL;
    r->body = i < argc ? argv[i++] : NULL;
    return r->path != NULL && i == argc;
}

static int perform(CURL *c, const struct request *r, struct curl_slist **headers)
{
    char url[4096];
    const char *prefix = r->path[0] == '/' ? "" : "/api/v1/";
    (void)snprintf(url, sizeof url, "%s%s%s", r->url, prefix, r->path);
    if (r->token != NULL) {
        char auth[512];
        (void)snprintf(auth, sizeof auth, "Authorization: Bearer %s", r->token);
        *headers = curl_slist_append(*headers, auth);
    }
    if (r->body != NULL) {
        *headers = curl_slist_append(*headers, "Content-Type: application/json");
        (void)curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, r->body);
    }
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    (void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, stdout);
    const CURLcode rc = curl_easy_perform(c);
    if (rc != CURLE_OK) {
        (void)fprintf(stderr, "songhua: %s: %s\n", url, curl_easy_strerror(rc));
        return 1;
    }
    long status = 0;
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    (void)fputc('\n', stdout);
    return status >= 200 && status < 300 ? 0 : 1;
}

int node_ctl(int argc, char **argv)
{
    struct request r = {
        .url = getenv("SONGHUA_URL"),     /* NOLINT(concurrency-mt-unsafe): one thread */
        .token = getenv("SONGHUA_TOKEN"), /* NOLINT(concurrency-mt-unsafe): one thread */
    };
    if (r.url == NULL) {
        r.url = "http://127.0.0.1:8080";
    }
    if (!parse(argc, argv, &r)) {
        (void)fprintf(stderr, "usage: songhua ctl [--url URL] [--token TOKEN] METHOD PATH [BODY]\n"
                              "       (or SONGHUA_URL and SONGHUA_TOKEN)\n"
                              "       songhua ctl GET devices\n");
        return 2;
    }
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *c = curl_easy_init();
    struct curl_slist *headers = NULL;
    const int code = c == NULL ? 1 : perform(c, &r, &headers);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    curl_global_cleanup();
    return code;
}
