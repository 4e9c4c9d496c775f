/* base.h - all of base.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BASE_H
#define SH_BASE_H

#include <sh/alloc.h>
#include <sh/buf.h>
#include <sh/bytes.h>
#include <sh/config.h>
#include <sh/env.h>
#include <sh/err.h>
#include <sh/fs.h>
#include <sh/json.h>
#include <sh/map.h>
#include <sh/text.h>
#include <sh/thread.h>

#endif /* SH_BASE_H */
