/* outbound.h - calls to others while somebody signs in: to providers of OpenID Connect (outside.c)
 * and to directories (directory.c). All of it lives on the first loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_OUTBOUND_H
#define SH_API_OUTBOUND_H

#include <sh/http_client.h>
#include <sh/outside.h>

#include "api_int.h"

struct api_outbound {
    struct sh_api *api;
    struct sh_http_client *client;
    struct call *first;   /* under way; on the loop */
    struct line *lines;   /* to directories; on the loop */
    struct sh_mutex lock; /* of url and allow */
    struct sh_str url;    /* owned: signin.url, signin.allow and signin.ca */
    struct sh_str allow;
    struct sh_str ca;
};

/* May that address be called? Loop. ctx: api_outbound. */
bool api_outbound_allowed(void *ctx, const struct sh_addr *a);
/* directory.c: what is under way ends now. Loop. */
void api_lines_stop(struct api_outbound *o);

#endif /* SH_API_OUTBOUND_H */
