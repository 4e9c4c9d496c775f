/* directory_config.c - what a provider of the kind ldap says of its directory: the stored and shown
 * form, and reading it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/ldap.h>
#include <stdio.h>

#include "guard_int.h"

enum { PORT_LDAP = 389, PORT_LDAPS = 636 };

static const char *const tls_words[] = {"ldaps", "starttls", "none"};

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

void guard_directory_write(const struct guard_directory *d, struct sh_jw *w)
{
    sh_jw_key(w, "servers");
    sh_jw_arr(w);
    for (uint32_t i = 0; i < d->nservers; i++) {
        sh_jw_c(w, d->servers[i]);
    }
    sh_jw_arr_end(w);
    put_text(w, "tls", tls_words[d->tls]);
    sh_jw_key(w, "allow_clear");
    sh_jw_bool(w, d->allow_clear);
    put_text(w, "ca", d->ca);
    put_text(w, "bind_dn", d->bind_dn);
    put_text(w, "base", d->base);
    put_text(w, "filter", d->filter);
    put_text(w, "dn_template", d->dn_template);
    put_text(w, "subject_attribute", d->subject);
    put_text(w, "display_attribute", d->display);
    put_text(w, "group_base", d->group_base);
    put_text(w, "group_filter", d->group_filter);
}

void guard_directory_defaults(struct guard_provider *p)
{
    (void)guard_copy(p->name_claim, sizeof p->name_claim, SH_STR("uid"));
    (void)guard_copy(p->roles_claim, sizeof p->roles_claim, SH_STR("memberOf"));
    (void)guard_copy(p->ldap.filter, sizeof p->ldap.filter, SH_STR("(uid={login})"));
    (void)guard_copy(p->ldap.subject, sizeof p->ldap.subject, SH_STR("entryUUID"));
    (void)guard_copy(p->ldap.display, sizeof p->ldap.display, SH_STR("cn"));
    (void)guard_copy(p->ldap.group_filter, sizeof p->ldap.group_filter, SH_STR("(member={dn})"));
}

/* ---- servers ---- */

static bool host_ok(struct sh_str host, bool v6)
{
    for (size_t i = 0; i < host.n; i++) {
        const char c = host.p[i];
        const char low = (char)(c | 0x20);
        const bool name = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_';
        if (!name && !(v6 && c == ':')) {
            return false;
        }
    }
    return host.n > 0 && host.n <= GUARD_SERVER_MAX - 8;
}

bool guard_directory_server(const struct guard_directory *d, const char *text, struct sh_str *host,
                            uint16_t *port)
{
    const struct sh_str s = sh_str_c(text);
    const bool v6 = s.n > 0 && s.p[0] == '[';
    const size_t close = v6 ? sh_str_find(s, ']') : 0;
    uint64_t number = d->tls == GUARD_LDAPS ? PORT_LDAPS : PORT_LDAP;
    if (close == SIZE_MAX) {
        return false;
    }
    const struct sh_str behind = sh_str_sub(s, v6 ? close + 1 : 0, s.n);
    const size_t colon = sh_str_find(behind, ':');
    if (v6 && behind.n > 0 && colon != 0) {
        return false;
    }
    *host = v6 ? sh_str_sub(s, 1, close) : sh_str_sub(s, 0, colon == SIZE_MAX ? s.n : colon);
    if (colon != SIZE_MAX &&
        (sh_u64_parse(sh_str_sub(behind, colon + 1, behind.n), &number) != SH_OK || number == 0 ||
         number > UINT16_MAX)) {
        return false;
    }
    *port = (uint16_t)number;
    return host_ok(*host, v6);
}

bool guard_directory_clear(const struct guard_directory *d)
{
    for (uint32_t i = 0; d->tls == GUARD_CLEAR && i < d->nservers; i++) {
        struct sh_str host;
        uint16_t port = 0;
        if (!guard_directory_server(d, d->servers[i], &host, &port) ||
            !(sh_str_ieq(host, SH_STR("localhost")) || guard_peer_is_loopback(host))) {
            return true;
        }
    }
    return false;
}

static sh_err read_servers(const json_t *o, struct guard_directory *d, struct sh_diag *diag)
{
    const json_t *list = json_object_get(o, "servers");
    const struct sh_str word = sh_json_get_str(o, "tls");
    bool good = json_object_get(o, "tls") == NULL;
    for (size_t i = 0; !good && i < sizeof tls_words / sizeof tls_words[0]; i++) {
        good = sh_str_eqc(word, tls_words[i]);
        d->tls = good ? (enum guard_ldap_tls)i : d->tls;
    }
    if (!good) {
        return guard_provider_bad(diag, "/tls", "tls is ldaps, starttls or none.",
                                  "ldaps is TLS from the first byte on, port 636.");
    }
    good = list == NULL || (json_is_array(list) && json_array_size(list) <= SH_DIRECTORY_SERVERS);
    d->nservers = list != NULL && good ? (uint32_t)json_array_size(list) : d->nservers;
    for (uint32_t i = 0; list != NULL && good && i < d->nservers; i++) {
        const json_t *v = json_array_get(list, i);
        good =
            json_is_string(v) && guard_copy(d->servers[i], sizeof d->servers[i],
                                            sh_str_of(json_string_value(v), json_string_length(v)));
    }
    for (uint32_t i = 0; good && i < d->nservers; i++) {
        struct sh_str host;
        uint16_t port = 0;
        good = guard_directory_server(d, d->servers[i], &host, &port);
    }
    return good && d->nservers > 0
               ? SH_OK
               : guard_provider_bad(diag, "/servers",
                                    "servers is a list of 1 to 4 texts host or host:port.",
                                    "They are asked in turn when one does not answer. An IPv6 "
                                    "address stands in [ ].");
}

/* ---- templates ---- */

/* The template once filled in is a filter, and has its mark. */
static bool filter_ok(struct sh_guard *g, const char *form, const char *mark, struct sh_diag *diag)
{
    char word[16];
    struct sh_buf text;
    struct sh_buf ber;
    sh_buf_init(&text, g->env->alloc, SH_LDAP_TEXT_MAX);
    sh_buf_init(&ber, g->env->alloc, 2 * (size_t)SH_LDAP_TEXT_MAX);
    (void)guard_print(word, sizeof word, "{%s}", mark);
    sh_diag_set(diag, "The filter needs %s, and no other word in braces.", word);
    const bool good = strstr(form, word) != NULL &&
                      sh_ldap_fill(&text, sh_str_c(form), sh_str_c(mark), SH_STR("x"),
                                   sh_ldap_filter_escape) == SH_OK &&
                      sh_ldap_filter_put(&ber, sh_buf_str(&text), diag) == SH_OK;
    sh_buf_fini(&text);
    sh_buf_fini(&ber);
    return good;
}

static bool dn_form_ok(struct sh_guard *g, const char *form)
{
    struct sh_buf text;
    sh_buf_init(&text, g->env->alloc, SH_LDAP_TEXT_MAX);
    const bool filled =
        strstr(form, "{login}") != NULL && sh_ldap_fill(&text, sh_str_c(form), SH_STR("login"),
                                                        SH_STR("x"), sh_ldap_dn_escape) == SH_OK;
    const bool good = filled && sh_ldap_dn_ok(sh_buf_str(&text));
    sh_buf_fini(&text);
    return good;
}

static bool dn_or_empty(const char *dn)
{
    return dn[0] == '\0' || sh_ldap_dn_ok(sh_str_c(dn));
}

static sh_err bad_filter(struct sh_diag *diag, const char *path)
{
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_remedy(diag, "Write it as RFC 4515 has it, e.g. (&(objectClass=person)(uid={login})).");
    return SH_E_INVAL;
}

static sh_err check_search(struct sh_guard *g, const struct guard_directory *d,
                           struct sh_diag *diag)
{
    if (!dn_or_empty(d->bind_dn) && strchr(d->bind_dn, '@') == NULL) {
        return guard_provider_bad(diag, "/bind_dn", "bind_dn is no distinguished name.",
                                  "E.g. cn=songhua,ou=services,dc=plant,dc=cn; empty: anonymous.");
    }
    if (d->dn_template[0] != '\0' && !dn_form_ok(g, d->dn_template)) {
        return guard_provider_bad(diag, "/dn_template",
                                  "dn_template is no distinguished name with {login} in it.",
                                  "E.g. uid={login},ou=people,dc=plant,dc=cn; empty: the person is "
                                  "searched for.");
    }
    if (!dn_or_empty(d->base) || (d->base[0] == '\0' && d->dn_template[0] == '\0')) {
        return guard_provider_bad(diag, "/base", "base is no distinguished name.",
                                  "It is where people are searched for, e.g. ou=people,dc=plant,"
                                  "dc=cn.");
    }
    if (d->dn_template[0] == '\0' && !filter_ok(g, d->filter, "login", diag)) {
        return bad_filter(diag, "/filter");
    }
    if (!dn_or_empty(d->group_base)) {
        return guard_provider_bad(diag, "/group_base", "group_base is no distinguished name.",
                                  "Leave it empty when people carry their groups (memberOf).");
    }
    if (d->group_base[0] != '\0' && !filter_ok(g, d->group_filter, "dn", diag)) {
        return bad_filter(diag, "/group_filter");
    }
    return SH_OK;
}

/* ---- the whole ---- */

/* PEM keeps its lines, so it is no text of one line. */
static sh_err read_ca(struct sh_guard *g, const json_t *o, struct guard_directory *d,
                      struct sh_diag *diag)
{
    const struct sh_str ca = sh_str_trim(sh_json_get_str(o, "ca"));
    struct sh_buf der;
    if (json_object_get(o, "ca") == NULL) {
        return SH_OK;
    }
    sh_buf_init(&der, g->env->alloc, 4 * (size_t)GUARD_CA_MAX);
    const bool good = json_is_string(json_object_get(o, "ca")) &&
                      guard_copy(d->ca, sizeof d->ca, ca) &&
                      (ca.n == 0 || sh_pkcs7_certs(ca, &der) == SH_OK);
    sh_buf_fini(&der);
    return good ? SH_OK
                : guard_provider_bad(diag, "/ca",
                                     "ca is not the PEM text of certificates, or too long.",
                                     "Paste who signs the directory's certificate; at most 6 KiB.");
}

static bool take_texts(const json_t *o, struct guard_directory *d)
{
    return guard_take_text(o, "bind_dn", d->bind_dn, sizeof d->bind_dn) &&
           guard_take_text(o, "base", d->base, sizeof d->base) &&
           guard_take_text(o, "filter", d->filter, sizeof d->filter) &&
           guard_take_text(o, "dn_template", d->dn_template, sizeof d->dn_template) &&
           guard_take_text(o, "subject_attribute", d->subject, sizeof d->subject) &&
           guard_take_text(o, "display_attribute", d->display, sizeof d->display) &&
           guard_take_text(o, "group_base", d->group_base, sizeof d->group_base) &&
           guard_take_text(o, "group_filter", d->group_filter, sizeof d->group_filter);
}

sh_err guard_directory_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                            struct sh_diag *diag)
{
    struct guard_directory *d = &p->ldap;
    SH_TRY(read_servers(o, d, diag));
    d->allow_clear = sh_json_get_bool(o, "allow_clear", d->allow_clear);
    if (guard_directory_clear(d) && !d->allow_clear) {
        return guard_provider_bad(diag, "/tls", "Without TLS passwords cross the network in clear.",
                                  "Use ldaps or starttls; allow_clear takes it nevertheless.");
    }
    SH_TRY(read_ca(g, o, d, diag));
    if (!take_texts(o, d) ||
        !guard_take_text(o, "name_claim", p->name_claim, sizeof p->name_claim) ||
        !guard_take_text(o, "roles_claim", p->roles_claim, sizeof p->roles_claim)) {
        return guard_provider_bad(diag, "/base", "A text is longer than 255 bytes, or no one line.",
                                  "Look at the entry and send it again.");
    }
    if (!sh_ldap_attribute_ok(sh_str_c(p->name_claim)) ||
        !sh_ldap_attribute_ok(sh_str_c(d->subject)) ||
        (d->display[0] != '\0' && !sh_ldap_attribute_ok(sh_str_c(d->display))) ||
        (p->roles_claim[0] != '\0' && !sh_ldap_attribute_ok(sh_str_c(p->roles_claim)))) {
        return guard_provider_bad(diag, "/name_claim", "This is no name of an attribute.",
                                  "Letters, digits and dashes, e.g. uid, cn, memberOf.");
    }
    return check_search(g, d, diag);
}
