/* field_int.h - what channels (field.c) and commands (command.c) share. On the loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MAIN_FIELD_INT_H
#define SH_MAIN_FIELD_INT_H

#include "main_int.h"

struct tag {
    struct sh_str device;
    struct sh_str property;
    struct sh_gate_target target; /* point 0: not resolved */
    uint64_t generation;
};

/* A channel as the host knows it. */
struct line {
    struct line *next;
    struct field *field;
    struct sh_arena *arena;
    json_t *doc;
    uint32_t tenant;
    struct sh_str id;   /* of the record */
    struct sh_str name; /* of the engine: tenant and id */
    struct sh_channel_config config;
    struct tag *tags;
    struct sh_channel_device *devices; /* config.devices */
    struct sh_channel *channel;        /* NULL after field_stop */
    bool *up; /* of each device: twin was told that this channel's link is up */
    uint64_t dropped;
};

struct field {
    struct node *node;
    struct sh_channels *engine; /* NULL after field_stop */
    struct line *lines;
    struct sh_batch_builder batch;
    struct sh_buf text;
    struct mqtt_internal_sub *replies;
};

/* The line and index that serve a device; NULL when none does. */
struct line *field_line_of(struct field *f, uint32_t tenant, struct sh_str device, uint32_t *index);
/* A device's answer to a command: sh/v1/<device>/cmd/<id>/reply. ctx = the node. */
void command_reply(void *ctx, const struct mqtt_inbound *m);

#endif /* SH_MAIN_FIELD_INT_H */
