/* asset.h - one file of the console inside the binary; tools/embed_assets writes the table.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ASSET_H
#define SH_ASSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sh_api_asset {
    const char *path;    /* "/index.html", "/assets/app-1a2b3c4d.js" */
    const char *type;    /* Content-Type */
    const char *etag;    /* quoted; NULL: answer with no-store and without ETag */
    bool gzip;           /* data is gzip: send Content-Encoding: gzip */
    bool immutable;      /* the name carries a content hash: cache for ever */
    const uint8_t *data; /* static */
    size_t len;          /* bytes of data */
};

#endif /* SH_ASSET_H */
