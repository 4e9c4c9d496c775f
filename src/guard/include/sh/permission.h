/* permission.h - the one table of all permissions: noun.verb. Pure and constant: any thread.
 * At most 64, so that a set of them is one word that can be read atomically. The numbers are not
 * stored anywhere (names are), so the order may change.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PERMISSION_H
#define SH_PERMISSION_H

#include <sh/bytes.h>

enum sh_permission {
    SH_PERM_OVERVIEW_READ,
    SH_PERM_DEVICES_READ,
    SH_PERM_DEVICES_WRITE,
    SH_PERM_DEVICES_COMMAND,
    SH_PERM_DEVICES_ENABLE_WRITE, /* switch a device from read-only to writable, with a reason */
    SH_PERM_THINGS_READ,
    SH_PERM_THINGS_WRITE,
    SH_PERM_ASSETS_READ,
    SH_PERM_ASSETS_WRITE,
    SH_PERM_CHANNELS_READ,
    SH_PERM_CHANNELS_WRITE,
    SH_PERM_POINTS_READ,
    SH_PERM_POINTS_WRITE,
    SH_PERM_HISTORY_READ,
    SH_PERM_HISTORY_CORRECT,
    SH_PERM_INGEST_WRITE,
    SH_PERM_INGEST_PROVISION, /* unknown devices are made from what comes in */
    SH_PERM_INGEST_GATEWAY,   /* a bound principal may speak for other devices */
    SH_PERM_DASHBOARDS_READ,
    SH_PERM_DASHBOARDS_WRITE,
    SH_PERM_RECORDS_READ,
    SH_PERM_RECORDS_WRITE,
    SH_PERM_RECORDS_DELETE,
    SH_PERM_TYPES_READ,
    SH_PERM_TYPES_WRITE,
    SH_PERM_FLOWS_READ,
    SH_PERM_FLOWS_WRITE,
    SH_PERM_MODELS_READ,
    SH_PERM_MODELS_WRITE,
    SH_PERM_APPS_READ,
    SH_PERM_APPS_WRITE,
    SH_PERM_MQTT_CONNECT,
    SH_PERM_MQTT_ANY_TOPIC, /* publish and subscribe outside one's own topics */
    SH_PERM_MQTT_SYS,       /* $SYS of the tenant */
    SH_PERM_TENANTS_READ,
    SH_PERM_TENANTS_WRITE,
    SH_PERM_PEOPLE_READ,
    SH_PERM_PEOPLE_WRITE,
    SH_PERM_ROLES_READ,
    SH_PERM_ROLES_WRITE,
    SH_PERM_RIGHTS_GRANT, /* give others rights that one does not hold; never to oneself */
    SH_PERM_TOKENS_READ,
    SH_PERM_TOKENS_WRITE,
    SH_PERM_AUDIT_READ,
    SH_PERM_CONFIG_READ,
    SH_PERM_CONFIG_WRITE,
    SH_PERM_METRICS_READ,
    SH_PERM_BACKUP_RUN,
    SH_PERM_CONFIG_SECURITY,  /* settings about who comes in, and the audit */
    SH_PERM_HISTORY_ANNOTATE, /* notes at a time: make them, change and remove one's own */
    SH_PERM_HISTORY_EXPORT,   /* take files away of what is classed above general */
    SH_PERM_DATA_CLASSIFY     /* lower the class of data, with a reason */
};
enum { SH_PERMISSIONS = SH_PERM_DATA_CLASSIFY + 1 };
_Static_assert(SH_PERMISSIONS <= 64, "a permission set is one 64-bit word");

struct sh_permission_info {
    const char *name; /* "devices.read" */
    const char *english;
    const char *chinese;
};
/* Never NULL for a number in range. */
const struct sh_permission_info *sh_permission_info(enum sh_permission p);
/* "devices.read"; false when there is none. */
bool sh_permission_find(struct sh_str name, enum sh_permission *out);
/* A name, "noun.*" or "*": the bits; 0 when it names none. */
uint64_t sh_permission_bits(struct sh_str pattern);

static inline uint64_t sh_permission_bit(enum sh_permission p)
{
    return UINT64_C(1) << (unsigned)p;
}

/* What a role that is given for a part of a plant (an asset, a label) gives: these for the devices
 * of that part, */
uint64_t sh_permissions_in_part(void);
/* and these as they are, because what they show belongs to no device. The others not at all. */
uint64_t sh_permissions_beside_part(void);

/* The roles that are always there and never change. */
struct sh_builtin_role {
    const char *name;
    const char *english;
    const char *chinese;
    const char *const *permissions; /* patterns, NULL at the end */
};
/* Table ended by name == NULL: administrator engineer operator viewer auditor device ingest
 * anonymous system_administrator security_administrator. */
const struct sh_builtin_role *sh_builtin_roles(void);
/* 0 when there is no such builtin role. */
uint64_t sh_builtin_role_bits(struct sh_str name);

#endif /* SH_PERMISSION_H */
