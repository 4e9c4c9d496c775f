/* directory_talk.c - the stages that talk to the servers of a directory, and what their answers
 * mean. See directory.c for their order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "directory_int.h"

enum { SEARCH_S = 5, PAIR = 2 };
#define CONNECT_US INT64_C(3000000)
#define TALK_US INT64_C(6000000)

/* ---- asking ---- */

static int64_t within(const struct sh_directory *d, int64_t most)
{
    const int64_t left = d->deadline_us - sh_mono_us(d->g->env->clock);
    return left < most ? (left > 0 ? left : 1) : most;
}

static sh_err ask(struct sh_directory *d, enum sh_directory_act act, int64_t timeout_us)
{
    d->want.act = act;
    d->want.send = sh_buf_bytes(&d->send);
    d->want.timeout_us = within(d, timeout_us);
    d->asked = true;
    d->io_err = SH_E_STATE;
    sh_buf_clear(&d->heard);
    return SH_E_AGAIN;
}

static sh_err talk(struct sh_directory *d, enum sh_ldap_op expect)
{
    d->expect = expect;
    return ask(d, SH_DIRECTORY_TALK, TALK_US);
}

void sh_directory_done(struct sh_directory *d, sh_err err, const char *why)
{
    const struct sh_str said = sh_str_c(why == NULL ? sh_err_name(err) : why);
    d->io_err = err;
    (void)guard_copy(d->io_why, sizeof d->io_why, sh_str_sub(said, 0, sizeof d->io_why - 1));
}

static bool may_come(const struct sh_directory *d, enum sh_ldap_op op)
{
    return op == d->expect ||
           (d->expect == SH_LDAP_SEARCH_DONE && (op == SH_LDAP_ENTRY || op == SH_LDAP_REFERENCE));
}

sh_err sh_directory_hear(struct sh_directory *d, struct sh_bytes in, size_t *used)
{
    *used = 0;
    for (;;) {
        const struct sh_bytes rest = sh_bytes_of(in.p + *used, in.n - *used);
        struct sh_ldap_message m;
        size_t n = 0;
        SH_TRY(sh_ldap_decode(rest, &m, &n));
        if (m.id == 0) { /* notice of disconnection (RFC 4511, 4.4.1) */
            return SH_E_CLOSED;
        }
        if (m.id != d->id || !may_come(d, m.op)) {
            return SH_E_PROTO;
        }
        *used += n;
        if (m.op != SH_LDAP_REFERENCE) { /* to others nobody goes */
            SH_TRY(sh_buf_put(&d->heard, rest.p, n));
        }
        if (m.op == d->expect) {
            d->io_err = SH_OK;
            /* What stands in clear behind the answer to StartTLS is somebody else's. */
            return d->expect == SH_LDAP_EXTENDED && *used < in.n ? SH_E_PROTO : SH_OK;
        }
    }
}

/* The result is the last message heard. */
static struct sh_ldap_message result_of(const struct sh_directory *d)
{
    struct sh_bytes rest = sh_buf_bytes(&d->heard);
    struct sh_ldap_message m = {.code = SH_LDAP_UNAVAILABLE};
    size_t n = 0;
    while (rest.n > 0 && sh_ldap_decode(rest, &m, &n) == SH_OK) {
        rest = sh_bytes_of(rest.p + n, rest.n - n);
    }
    return m;
}

/* For people's eyes: a server may answer any bytes. */
static void say(const struct sh_ldap_message *m, const char *what, char out[DIR_WHY_MAX])
{
    char text[DIR_WHY_MAX / PAIR] = "";
    struct sh_str s = sh_str_sub(m->text, 0, sizeof text - 1);
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        text[i] = c < 0x20 || c > 0x7e ? '?' : (char)c;
    }
    text[s.n] = '\0';
    (void)guard_print(out, DIR_WHY_MAX, "%s: result %u%s%s", what, (unsigned)m->code,
                      s.n > 0 ? ", " : "", text);
}

/* The server went away, or is not able: another one of the same directory is asked. */
static sh_err next_server(struct sh_directory *d, const char *step, const char *why)
{
    const struct guard_directory *l = &dir_provider(d)->ldap;
    char detail[GUARD_SERVER_MAX + DIR_WHY_MAX];
    (void)guard_print(detail, sizeof detail, "%s: %s",
                      l->servers[(l->at + d->servers) % l->nservers], why);
    if (d->servers + 1 < l->nservers && within(d, TALK_US) > 1) {
        dir_step(d, step, "failed", detail);
        d->servers++;
        d->stage = DIR_CONNECT;
        return SH_OK;
    }
    return dir_unusable(d, step, detail);
}

/* What came of a talk. SH_OK: *m is the result; SH_E_CANCELED: the stage was changed. */
static sh_err answered(struct sh_directory *d, const char *step, struct sh_ldap_message *m)
{
    d->asked = false;
    if (d->io_err != SH_OK) {
        SH_TRY(next_server(d, step, d->io_why));
        return SH_E_CANCELED;
    }
    *m = result_of(d);
    if (m->code == SH_LDAP_BUSY || m->code == SH_LDAP_UNAVAILABLE) {
        char why[DIR_WHY_MAX];
        say(m, "the server is busy or not available", why);
        SH_TRY(next_server(d, step, why));
        return SH_E_CANCELED;
    }
    return SH_OK;
}

/* SH_E_CANCELED is no error of a stage. */
static sh_err stage_end(sh_err err)
{
    return err == SH_E_CANCELED ? SH_OK : err;
}

static enum directory_stage first_stage(const struct sh_directory *d)
{
    return dir_direct(d) ? DIR_PROVE : DIR_BIND;
}

/* ---- CONNECT, STARTTLS, SECURE ---- */

sh_err dir_connect(struct sh_directory *d)
{
    const struct guard_directory *l = &dir_provider(d)->ldap;
    const char *server = l->servers[(l->at + d->servers) % l->nservers];
    if (!d->asked) {
        d->id = 0;
        d->want.tls = l->tls == GUARD_LDAPS;
        d->want.ca = sh_str_c(l->ca);
        sh_buf_clear(&d->send);
        if (!guard_directory_server(l, server, &d->want.host, &d->want.port)) {
            return dir_unusable(d, "connect", "the address of the server is wrong");
        }
        return ask(d, SH_DIRECTORY_CONNECT, CONNECT_US);
    }
    d->asked = false;
    if (d->io_err != SH_OK) {
        return next_server(d, d->io_err == SH_E_PROTO ? "tls" : "connect", d->io_why);
    }
    dir_step(d, "connect", "ok", server);
    if (l->tls == GUARD_LDAPS) {
        dir_step(d, "tls", "ok", "");
    } else if (l->tls == GUARD_CLEAR) {
        dir_step(d, "tls", "skipped", "");
    }
    d->stage = l->tls == GUARD_STARTTLS ? DIR_STARTTLS : first_stage(d);
    return SH_OK;
}

sh_err dir_starttls(struct sh_directory *d)
{
    struct sh_ldap_message m;
    if (!d->asked) {
        sh_buf_clear(&d->send);
        SH_TRY(sh_ldap_starttls_put(&d->send, ++d->id));
        return talk(d, SH_LDAP_EXTENDED);
    }
    const sh_err err = answered(d, "tls", &m);
    if (err != SH_OK) {
        return stage_end(err);
    }
    if (m.code != SH_LDAP_SUCCESS) {
        char why[DIR_WHY_MAX];
        say(&m, "StartTLS was refused", why);
        return dir_unusable(d, "tls", why);
    }
    d->stage = DIR_SECURE;
    return SH_OK;
}

sh_err dir_secure(struct sh_directory *d)
{
    if (!d->asked) {
        sh_buf_clear(&d->send);
        return ask(d, SH_DIRECTORY_SECURE, CONNECT_US);
    }
    d->asked = false;
    if (d->io_err != SH_OK) {
        return next_server(d, "tls", d->io_why);
    }
    dir_step(d, "tls", "ok", "");
    d->stage = first_stage(d);
    return SH_OK;
}

/* ---- BIND: the account that searches ---- */

sh_err dir_bind(struct sh_directory *d)
{
    const struct guard_provider *p = dir_provider(d);
    struct sh_ldap_message m;
    if (p->ldap.bind_dn[0] == '\0') {
        dir_step(d, "bind", "skipped", "");
        d->stage = DIR_SEARCH;
        return SH_OK;
    }
    if (!d->asked) {
        sh_buf_clear(&d->send);
        const sh_err put =
            sh_ldap_bind_put(&d->send, ++d->id, sh_str_c(p->ldap.bind_dn), sh_str_c(p->secret));
        if (put == SH_E_INVAL) { /* another node key: the password can not be read */
            return dir_unusable(d, "bind", "the password of the account that searches is missing");
        }
        SH_TRY(put);
        return talk(d, SH_LDAP_BIND_RESPONSE);
    }
    const sh_err err = answered(d, "bind", &m);
    if (err != SH_OK) {
        return stage_end(err);
    }
    if (m.code != SH_LDAP_SUCCESS) {
        char why[DIR_WHY_MAX];
        say(&m, "the account that searches was refused", why);
        return dir_unusable(d, "bind", why);
    }
    dir_step(d, "bind", "ok", p->ldap.bind_dn);
    d->stage = DIR_SEARCH;
    return SH_OK;
}

/* ---- SEARCH: the person's entry ---- */

static sh_err put_search(struct sh_directory *d)
{
    const struct guard_provider *p = dir_provider(d);
    const bool person = d->login.n > 0;
    const struct sh_str login = d->decoy ? sh_str_c(d->nobody) : d->login;
    const char *const wanted[] = {p->name_claim,          p->ldap.subject,      p->ldap.display,
                                  p->roles_claim,         "userAccountControl", "nsAccountLock",
                                  "pwdAccountLockedTime", "preferredLanguage"};
    struct sh_str attributes[sizeof wanted / sizeof wanted[0]];
    size_t n = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i][0] != '\0') {
            attributes[n++] = sh_str_c(wanted[i]);
        }
    }
    struct sh_ldap_search s = {.base = sh_str_c(dir_direct(d) ? d->dn : p->ldap.base),
                               .subtree = person && !dir_direct(d),
                               .size_limit = PAIR,
                               .time_limit_s = SEARCH_S,
                               .filter = SH_STR("(objectClass=*)"),
                               .attributes = attributes,
                               .nattributes = n};
    sh_buf_clear(&d->send);
    sh_buf_clear(&d->text);
    if (s.subtree) {
        SH_TRY(sh_ldap_fill(&d->text, sh_str_c(p->ldap.filter), SH_STR("login"), login,
                            sh_ldap_filter_escape));
        s.filter = sh_buf_str(&d->text);
    }
    return sh_ldap_search_put(&d->send, ++d->id, &s, NULL);
}

/* What is wrong with the search itself; false: nothing. */
static bool search_failed(const struct sh_directory *d, const struct sh_ldap_message *m,
                          char why[DIR_WHY_MAX])
{
    if (m->code == SH_LDAP_SUCCESS || (m->code == SH_LDAP_SIZE_LIMIT && d->hits > 1)) {
        return false;
    }
    say(m,
        m->code == SH_LDAP_NO_SUCH_OBJECT ? "the base of the search is not there"
        : m->code == SH_LDAP_REFERRAL     ? "the base lies on another server (referrals are not "
                                            "followed)"
                                          : "the search was refused",
        why);
    return true;
}

sh_err dir_search(struct sh_directory *d)
{
    struct sh_ldap_message m;
    char why[DIR_WHY_MAX];
    if (!d->asked) {
        const sh_err put = put_search(d);
        if (put == SH_E_INVAL) {
            return dir_unusable(d, "search", "the filter is wrong");
        }
        SH_TRY(put);
        return talk(d, SH_LDAP_SEARCH_DONE);
    }
    const sh_err err = answered(d, "search", &m);
    if (err != SH_OK) {
        return stage_end(err);
    }
    SH_TRY(dir_read_entries(d, &d->hits));
    if (search_failed(d, &m, why)) {
        return dir_unusable(d, "search", why);
    }
    d->hits = d->hits == 1 && d->dn[0] == '\0' ? 0 : d->hits;
    if (d->purpose == SH_DIRECTORY_TRY && d->login.n == 0) {
        dir_step(d, "search", "ok", dir_provider(d)->ldap.base);
        d->stage = DIR_DONE;
        d->good = true;
        return SH_OK;
    }
    if (d->hits == 1) {
        dir_step(d, "search", "ok", d->dn);
    } else {
        (void)guard_print(why, sizeof why, "%s below %s fit",
                          d->hits == 0 ? "no entries" : "several entries",
                          dir_provider(d)->ldap.base);
        dir_step(d, "search", "failed", why);
    }
    d->stage = DIR_GROUPS;
    return SH_OK;
}

/* ---- GROUPS ---- */

/* For somebody who is not there the same is asked, of a name that nobody has. */
static sh_err nobody_dn(struct sh_directory *d)
{
    const struct guard_directory *l = &dir_provider(d)->ldap;
    return guard_print(d->dn, sizeof d->dn, "cn=%s,%s", d->nobody,
                       l->base[0] == '\0' ? "dc=nowhere" : l->base)
               ? SH_OK
               : SH_E_LIMIT;
}

static sh_err put_groups(struct sh_directory *d)
{
    const struct guard_directory *l = &dir_provider(d)->ldap;
    static const struct sh_str none[] = {{"1.1", 3}}; /* RFC 4511, 4.5.1.8 */
    sh_buf_clear(&d->send);
    sh_buf_clear(&d->text);
    SH_TRY(sh_ldap_fill(&d->text, sh_str_c(l->group_filter), SH_STR("dn"), sh_str_c(d->dn),
                        sh_ldap_filter_escape));
    const struct sh_ldap_search s = {.base = sh_str_c(l->group_base),
                                     .subtree = true,
                                     .size_limit = DIR_GROUPS_MAX,
                                     .time_limit_s = SEARCH_S,
                                     .filter = sh_buf_str(&d->text),
                                     .attributes = none,
                                     .nattributes = 1};
    return sh_ldap_search_put(&d->send, ++d->id, &s, NULL);
}

sh_err dir_groups(struct sh_directory *d)
{
    struct sh_ldap_message m;
    const enum directory_stage next = dir_direct(d) ? DIR_ENTER : DIR_PROVE;
    if (d->hits != 1 && !d->asked) {
        SH_TRY(nobody_dn(d));
    }
    if (dir_provider(d)->ldap.group_base[0] == '\0') {
        d->stage = next;
        return SH_OK;
    }
    if (!d->asked) {
        SH_TRY(put_groups(d));
        return talk(d, SH_LDAP_SEARCH_DONE);
    }
    const sh_err err = answered(d, "groups", &m);
    if (err != SH_OK) {
        return stage_end(err);
    }
    if (m.code != SH_LDAP_SUCCESS) {
        char why[DIR_WHY_MAX];
        say(&m, "the search for groups failed", why);
        return dir_unusable(d, "groups", why);
    }
    SH_TRY(d->hits == 1 ? dir_read_groups(d) : SH_OK);
    d->stage = next;
    return SH_OK;
}

/* ---- PROVE: the person's own password ---- */

static sh_err put_prove(struct sh_directory *d)
{
    const bool known = dir_direct(d) ? !d->decoy : d->hits == 1 && !d->disabled;
    const struct sh_str nobody = sh_str_c(d->nobody);
    sh_buf_clear(&d->send);
    sh_buf_clear(&d->text);
    if (dir_direct(d)) {
        SH_TRY(sh_ldap_fill(&d->text, sh_str_c(dir_provider(d)->ldap.dn_template), SH_STR("login"),
                            d->decoy ? nobody : d->login, sh_ldap_dn_escape));
        if (!guard_copy(d->dn, sizeof d->dn, sh_buf_str(&d->text))) {
            return SH_E_LIMIT;
        }
    } else if (!known) {
        SH_TRY(nobody_dn(d));
    }
    return sh_ldap_bind_put(&d->send, ++d->id, sh_str_c(d->dn), known ? d->ask.password : nobody);
}

static bool has_word(struct sh_str text, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (memcmp(text.p + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Active Directory says more behind "data"; 533 and the others only when the password is right. */
static void why_refused(struct sh_directory *d, const struct sh_ldap_message *m)
{
    d->wrong = true;
    d->disabled = d->disabled || has_word(m->text, "data 533") || has_word(m->text, "data 701");
    if (has_word(m->text, "data 532") || has_word(m->text, "data 773")) {
        d->why = "password_expired";
    }
}

sh_err dir_prove(struct sh_directory *d)
{
    struct sh_ldap_message m;
    char why[DIR_WHY_MAX];
    if (d->purpose == SH_DIRECTORY_TRY && (d->ask.password.n == 0 || d->login.n == 0)) {
        dir_step(d, "prove", "skipped", "");
        d->stage = DIR_ENTER;
        return SH_OK;
    }
    if (!d->asked) {
        SH_TRY(put_prove(d));
        return talk(d, SH_LDAP_BIND_RESPONSE);
    }
    const sh_err err = answered(d, "prove", &m);
    if (err != SH_OK) {
        return stage_end(err);
    }
    sh_crypto_wipe(d->send.p, d->send.n);
    if (m.code == SH_LDAP_CONFIDENTIALITY || m.code == SH_LDAP_STRONGER_AUTH) {
        say(&m, "the directory takes passwords over TLS only", why);
        return dir_unusable(d, "prove", why);
    }
    if (m.code != SH_LDAP_SUCCESS || d->decoy || d->disabled || (!dir_direct(d) && d->hits != 1)) {
        why_refused(d, &m);
        say(&m, "the password was refused", why);
        dir_step(d, "prove", "failed", why);
        d->stage = DIR_ENTER;
        return SH_OK;
    }
    dir_step(d, "prove", "ok", d->dn);
    d->stage = dir_direct(d) ? DIR_SEARCH : DIR_ENTER;
    return SH_OK;
}
