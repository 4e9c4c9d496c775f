/* settings.c - the guard's settings, replaced while it runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

struct sh_guard_settings sh_guard_settings_default(void)
{
    return (struct sh_guard_settings){
        .argon2 = sh_argon2_default(),
        .password_min = 10,
        .password_history = 5,
        .second_factor = SH_FACTOR_CHOICE,
        .confirm_us = INT64_C(900) * 1000000,
        .password_waiting = 16,
        .lock_after = 5,
        .lock_address_after = 20,
        .lock_first_us = 1000000,
        .lock_max_us = INT64_C(900) * 1000000,
        .session_idle_us = INT64_C(12) * 3600 * 1000000,
        .session_max_us = INT64_C(7) * 86400 * 1000000,
        .max_tenants = 4096,
        .max_people = 10000,
        .max_roles = 256,
        .max_tokens = 100000,
        .max_sessions = 20000,
        .max_devices = 1000000,
        .sessions_per_person = 50,
        .audit_waiting = 4096,
        .clones = SH_CLONES_WARN,
        .export_confirm = SH_CLASS_IMPORTANT,
        .device_days = 1825,
        .box = SH_BOX_AES_GCM,
    };
}

uint8_t sh_guard_export_confirm(const struct sh_guard *g)
{
    return guard_set(g)->export_confirm;
}

uint8_t sh_guard_watermark(const struct sh_guard *g)
{
    return guard_set(g)->watermark;
}

bool guard_settings_ok(const struct sh_guard_settings *s)
{
    return s->max_tenants > 0 && s->max_people > 0 && s->max_roles >= 16 && s->max_sessions > 0 &&
           s->sessions_per_person > 0 && s->audit_waiting > 0 && s->password_waiting > 0 &&
           s->lock_after > 0 && s->lock_address_after > 0 && s->lock_first_us > 0 &&
           s->device_days > 0 && (s->box == SH_BOX_AES_GCM || s->box == SH_BOX_SM4) &&
           (s->pki_url[0] == '\0' || sh_cert_url_ok(sh_str_c(s->pki_url))) &&
           s->lock_max_us >= s->lock_first_us && s->session_idle_us > 0 && s->session_max_us > 0;
}

static struct guard_settings *settings_new(const struct sh_guard *g,
                                           const struct sh_guard_settings *s,
                                           struct guard_settings *before)
{
    struct guard_settings *n = sh_mem_new(g->env->alloc, sizeof *n);
    if (n != NULL) {
        n->s = *s;
        n->before = before;
        n->n = before == NULL ? 0 : before->n + 1;
    }
    return n;
}

sh_err guard_settings_first(struct sh_guard *g, const struct sh_guard_settings *s)
{
    struct guard_settings *n = settings_new(g, s, NULL);
    atomic_store(&g->set, n);
    return n == NULL ? SH_E_NOMEM : SH_OK;
}

void guard_settings_free(struct sh_guard *g)
{
    struct guard_settings *n = atomic_exchange(&g->set, NULL);
    while (n != NULL) {
        struct guard_settings *before = n->before;
        sh_mem_free(g->env->alloc, n);
        n = before;
    }
}

/* What tables were sized by stays. */
static void keep_sizes(struct sh_guard_settings *s, const struct sh_guard_settings *was)
{
    s->argon2 = was->argon2;
    s->password_waiting = was->password_waiting;
    s->max_tenants = was->max_tenants;
    s->max_people = was->max_people;
    s->max_roles = was->max_roles;
    s->max_tokens = was->max_tokens;
    s->max_sessions = was->max_sessions;
    s->max_devices = was->max_devices;
    s->sessions_per_person = was->sessions_per_person;
    s->audit_waiting = was->audit_waiting;
}

sh_err sh_guard_set_settings(struct sh_guard *g, const struct sh_guard_settings *s)
{
    if (!guard_settings_ok(s)) {
        return SH_E_INVAL;
    }
    sh_mutex_lock(&g->lock);
    struct guard_settings *was = atomic_load(&g->set);
    struct guard_settings *n = was->n >= SH_GUARD_SETTINGS ? NULL : settings_new(g, s, was);
    if (n != NULL) {
        keep_sizes(&n->s, &was->s);
        atomic_store(&g->set, n);
    }
    sh_mutex_unlock(&g->lock);
    return n != NULL ? SH_OK : was->n >= SH_GUARD_SETTINGS ? SH_E_LIMIT : SH_E_NOMEM;
}
