/* mqtt_will.c - the will message: kept with the session, published when the connection is lost and
 * the delay has passed, or when the session ends, whichever comes first.
 * Specification: 5.0, 3.1.2.5 and 3.1.3.2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

sh_err mqtt_will_keep(struct mqtt_broker *b, struct mqtt_tenant *t, const struct mqtt_will *w,
                      struct mqtt_kept_will **out)
{
    struct sh_buf enc;
    sh_buf_init(&enc, b->alloc, (size_t)65536 * 4);
    struct mqtt_props props = w->props;
    props.have &= ~((uint32_t)1 << MQTT_PR_MESSAGE_EXPIRY | (uint32_t)1 << MQTT_PR_WILL_DELAY);
    struct sh_rd rd = {NULL, NULL};
    uint32_t len = 0;
    sh_err e = mqtt_props_encode(&enc, MQTT_IN_WILL, &props);
    struct mqtt_kept_will *k = NULL;
    if (e == SH_OK) {
        rd = sh_rd_of(sh_buf_bytes(&enc));
        e = mqtt_varint_get(&rd, &len);
    }
    if (e == SH_OK) {
        k = sh_mem_new(b->alloc, sizeof *k);
        e = k == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (e == SH_OK) {
        const struct mqtt_pub p = {.tenant = t,
                                   .topic = w->topic,
                                   .props = {rd.p, len},
                                   .payload = w->payload,
                                   .expires_us = MQTT_FAR,
                                   .qos = w->qos};
        k->msg = mqtt_msg_new(b, &p);
        k->retain = w->retain;
        k->due_us = MQTT_FAR;
        k->delay_s = mqtt_has(&w->props, MQTT_PR_WILL_DELAY) ? w->props.will_delay : 0;
        k->expiry_s = mqtt_has(&w->props, MQTT_PR_MESSAGE_EXPIRY) ? w->props.message_expiry
                                                                  : MQTT_NEVER_EXPIRES;
        e = k->msg == NULL ? SH_E_NOMEM : SH_OK;
    }
    sh_buf_fini(&enc);
    if (e != SH_OK) {
        sh_mem_free(b->alloc, k);
        return e;
    }
    *out = k;
    return SH_OK;
}

static void will_free(struct mqtt_broker *b, struct mqtt_kept_will *w)
{
    if (w != NULL) {
        mqtt_msg_unref(b, w->msg);
        sh_mem_free(b->alloc, w);
    }
}

void mqtt_will_drop(struct mqtt_broker *b, struct mqtt_session *s)
{
    will_free(b, s->will);
    s->will = NULL;
}

void mqtt_will_publish(struct mqtt_broker *b, struct mqtt_session *s)
{
    struct mqtt_kept_will *w = s->will;
    if (w == NULL) {
        return;
    }
    struct mqtt_pub p = mqtt_pub_of(s->tenant, w->msg);
    p.msg = NULL; /* a new object: its time of expiry begins now */
    p.retain = w->retain;
    p.from_sid = s->sid;
    p.expires_us =
        w->expiry_s == MQTT_NEVER_EXPIRES ? MQTT_FAR : b->now_us + (int64_t)w->expiry_s * 1000000;
    uint64_t rn = 0;
    const sh_err e = mqtt_route(b, &p, &rn);
    mqtt_msg_unref(b, p.msg);
    if (e == SH_E_LIMIT || e == SH_E_NOMEM) {
        w->due_us = b->now_us + 1000000; /* no room in the log: again in a second */
        return;
    }
    MQTT_COUNT(b, s->tenant, wills, 1);
    mqtt_will_drop(b, s);
}
