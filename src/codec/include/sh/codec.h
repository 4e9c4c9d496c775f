/* codec.h - all of codec.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CODEC_H
#define SH_CODEC_H

#include <sh/gzip.h>
#include <sh/http1.h>
#include <sh/multipart.h>
#include <sh/sse.h>
#include <sh/url.h>
#include <sh/ws.h>

#endif /* SH_CODEC_H */
