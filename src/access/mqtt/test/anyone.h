/* anyone.h - identity for tests of what is around the broker: everybody is let in as one principal
 * and may do everything.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MQTT_TEST_ANYONE_H
#define MQTT_TEST_ANYONE_H

#include <sh/mqtt.h>

static void anyone_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                           void *token)
{
    SH_UNUSED(req);
    done(token, MQTT_AUTH_OK, ctx);
}

static void anyone_release(void *ctx, struct mqtt_principal *p)
{
    SH_UNUSED(ctx);
    SH_UNUSED(p);
}

static bool anyone_may(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    SH_UNUSED(ctx);
    SH_UNUSED(p);
    SH_UNUSED(topic);
    return true;
}

/* who: must outlive the broker. */
static struct mqtt_auth_ops anyone_ops(struct mqtt_principal *who)
{
    return (struct mqtt_auth_ops){anyone_connect, anyone_release, anyone_may, anyone_may, who};
}

#endif /* MQTT_TEST_ANYONE_H */
