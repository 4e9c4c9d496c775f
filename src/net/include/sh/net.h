/* net.h - all of net.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_NET_H
#define SH_NET_H

#include <sh/http.h>
#include <sh/http_client.h>
#include <sh/loop.h>
#include <sh/stream.h>
#include <sh/tls.h>

#endif /* SH_NET_H */
