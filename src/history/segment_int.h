/* segment_int.h - what reader and writer of segments share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_SEGMENT_INT_H
#define SH_HISTORY_SEGMENT_INT_H

#include <sh/base.h>

enum { SEG_VERSION = 1 };

static const uint8_t segment_magic[8] = {'S', 'H', 'S', 'E', 'G', '1', '\r', '\n'};
static const uint8_t segment_footer_magic[8] = {'S', 'H', 'S', 'E', 'G', 'F', '1', '\n'};

#endif /* SH_HISTORY_SEGMENT_INT_H */
