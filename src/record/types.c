/* types.c - user types. None are defined yet, so every document of one is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

sh_err record_type_check(struct sh_record *r, uint32_t tenant, struct sh_str type,
                         const json_t *doc, uint64_t *version, struct sh_diag *diag)
{
    SH_UNUSED(r);
    SH_UNUSED(tenant);
    SH_UNUSED(doc);
    SH_UNUSED(version);
    sh_diag_set(diag, "there is no type %.*s", SH_PRI(type));
    return SH_E_NOTFOUND;
}

void record_types_changed(struct sh_record *r)
{
    sh_mutex_lock(&r->lock);
    r->types_version++;
    sh_mutex_unlock(&r->lock);
}

void record_types_fini(struct sh_record *r)
{
    SH_UNUSED(r);
}
