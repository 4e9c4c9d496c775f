/* directory_read.c - from the entries that a directory gave to claims, as a provider of OpenID
 * Connect gives them: sub, name, locale, the naming attribute, the groups.
 * SPDX-License-Identifier: Apache-2.0 */
#include "directory_int.h"

enum { DISABLED_BIT = 2, VALUES_MAX = 256 };

/* SH_OK: one more entry; SH_E_NOTFOUND: the result came. */
static sh_err next_entry(struct sh_bytes *rest, struct sh_ldap_message *m)
{
    size_t n = 0;
    if (rest->n == 0 || sh_ldap_decode(*rest, m, &n) != SH_OK || m->op != SH_LDAP_ENTRY) {
        return SH_E_NOTFOUND;
    }
    *rest = sh_bytes_of(rest->p + n, rest->n - n);
    return SH_OK;
}

static struct sh_str first_value(const struct sh_ldap_message *m, const char *name)
{
    struct sh_bytes values = sh_ldap_values(m->attributes, sh_str_c(name));
    struct sh_str v = sh_str_of("", 0);
    (void)sh_ldap_value_next(&values, &v);
    return v;
}

static bool is_text(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return sh_utf8_valid(s);
}

/* What is no text (objectGUID) in hex. */
static json_t *text_json(struct sh_directory *d, struct sh_str v)
{
    if (is_text(v)) {
        return json_stringn(v.p, v.n);
    }
    sh_buf_clear(&d->text);
    if (sh_hex_put(&d->text, sh_str_bytes(v)) != SH_OK) {
        return NULL;
    }
    return json_stringn((const char *)d->text.p, d->text.n);
}

static sh_err put_claim(struct sh_directory *d, const char *claim, struct sh_str value)
{
    if (value.n == 0 || value.n > GUARD_SUBJECT_MAX) {
        return SH_OK;
    }
    return json_object_set_new(d->claims, claim, text_json(d, value)) == 0 ? SH_OK : SH_E_NOMEM;
}

/* Active Directory, 389 Directory Server and FreeIPA, OpenLDAP's policy overlay. */
static bool is_disabled(const struct sh_ldap_message *m)
{
    int64_t flags = 0;
    return (sh_i64_parse(first_value(m, "userAccountControl"), &flags) == SH_OK &&
            (flags & DISABLED_BIT) != 0) ||
           sh_str_ieq(first_value(m, "nsAccountLock"), SH_STR("TRUE")) ||
           sh_str_eqc(first_value(m, "pwdAccountLockedTime"), "000001010000Z");
}

static sh_err read_groups_of(struct sh_directory *d, const struct sh_ldap_message *m)
{
    const char *name = dir_provider(d)->roles_claim;
    struct sh_bytes values = sh_ldap_values(m->attributes, sh_str_c(name));
    struct sh_str v;
    while (name[0] != '\0' && json_array_size(d->groups) < VALUES_MAX &&
           sh_ldap_value_next(&values, &v)) {
        if (is_text(v) && json_array_append_new(d->groups, json_stringn(v.p, v.n)) != 0) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}

static sh_err read_entry(struct sh_directory *d, const struct sh_ldap_message *m)
{
    const struct guard_provider *p = dir_provider(d);
    const struct sh_str subject = first_value(m, p->ldap.subject);
    if (!guard_copy(d->dn, sizeof d->dn, m->dn)) {
        d->dn[0] = '\0'; /* a name that long is nobody's */
        return SH_OK;
    }
    d->disabled = is_disabled(m);
    SH_TRY(put_claim(d, "locale", first_value(m, "preferredLanguage")));
    SH_TRY(
        put_claim(d, "name",
                  p->ldap.display[0] == '\0' ? sh_str_of("", 0) : first_value(m, p->ldap.display)));
    SH_TRY(put_claim(d, p->name_claim, first_value(m, p->name_claim)));
    /* Last: no other attribute takes the place of who it is. */
    SH_TRY(
        put_claim(d, "sub", sh_str_ieq(sh_str_c(p->ldap.subject), SH_STR("dn")) ? m->dn : subject));
    return read_groups_of(d, m);
}

sh_err dir_read_entries(struct sh_directory *d, uint32_t *n)
{
    struct sh_bytes rest = sh_buf_bytes(&d->heard);
    struct sh_ldap_message m;
    *n = 0;
    json_decref(d->claims);
    json_decref(d->groups);
    d->claims = json_object();
    d->groups = json_array();
    if (d->claims == NULL || d->groups == NULL) {
        return SH_E_NOMEM;
    }
    while (next_entry(&rest, &m) == SH_OK) {
        if (*n == 0 && d->login.n > 0) {
            SH_TRY(read_entry(d, &m));
        }
        *n += 1;
    }
    return SH_OK;
}

sh_err dir_read_groups(struct sh_directory *d)
{
    struct sh_bytes rest = sh_buf_bytes(&d->heard);
    struct sh_ldap_message m;
    while (next_entry(&rest, &m) == SH_OK) {
        if (is_text(m.dn) && json_array_append_new(d->groups, json_stringn(m.dn.p, m.dn.n)) != 0) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}
