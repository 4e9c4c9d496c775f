/* directory_int.h - the exchange of directory.c, shared with its stages (directory_talk.c) and its
 * end (directory_enter.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_DIRECTORY_INT_H
#define SH_GUARD_DIRECTORY_INT_H

#include <sh/ldap.h>

#include "guard_int.h"

enum directory_stage {
    DIR_LOCAL,
    DIR_PICK,
    DIR_CONNECT,
    DIR_STARTTLS,
    DIR_SECURE,
    DIR_BIND,
    DIR_SEARCH,
    DIR_GROUPS,
    DIR_PROVE,
    DIR_ENTER,
    DIR_DONE,
    DIR_FAILED
};
enum {
    DIR_HEARD_MAX = 262144, /* of one answer */
    DIR_GROUPS_MAX = 256,
    DIR_WHY_MAX = 200,
    DIR_DN_MAX = 1024
};

struct sh_directory {
    struct sh_guard *g;
    enum sh_directory_purpose purpose;
    enum directory_stage stage;
    struct sh_sign_in_ask ask; /* borrowed */
    struct sh_str login;       /* a view into ask.user */
    uint32_t tenant;
    struct sh_principal by; /* TRY */
    bool counted;           /* among the exchanges under way */
    bool decoy;             /* the name is a local person's: the directory hears nothing of it */
    bool local_person;      /* whose password here was wrong */
    int64_t deadline_us;
    char nobody[2 * SH_SECRET_CHARS]; /* a name and a password that nobody has */
    /* to confirm */
    uint8_t session[SH_HASH_BYTES];
    char user[SH_NAME_MAX + SH_TENANT_PATH_MAX + 2];
    char logins[SH_DIRECTORIES_TENANT][GUARD_LOGIN_MAX + 1];
    /* the directories to be asked; copies */
    struct guard_provider *list[SH_DIRECTORIES_TENANT];
    size_t n;
    size_t at;
    uint32_t servers; /* of this one that were asked */
    bool down;        /* one of them does not answer, or does not let us search */
    /* the talk */
    bool asked;
    struct sh_directory_want want;
    uint32_t id;
    enum sh_ldap_op expect;
    struct sh_buf send;
    struct sh_buf heard;
    struct sh_buf text;
    sh_err io_err;
    char io_why[DIR_WHY_MAX];
    /* what was found */
    uint32_t hits;
    bool disabled;
    bool wrong; /* the person's bind was refused */
    char dn[DIR_DN_MAX];
    json_t *claims;
    json_t *groups;
    json_t *steps; /* TRY */
    json_t *found; /* TRY */
    bool good;
    /* the end */
    const char *why;
    struct sh_diag diag;
    uint32_t who_tenant;
    char who[SH_NAME_MAX + 1];
    struct sh_sign_in out;
};

static inline struct guard_provider *dir_provider(const struct sh_directory *d)
{
    return d->list[d->at];
}
static inline bool dir_direct(const struct sh_directory *d)
{
    return d->list[d->at]->ldap.dn_template[0] != '\0';
}
/* TRY: a line of the protocol. result: ok, failed, skipped. */
void dir_step(struct sh_directory *d, const char *step, const char *result, const char *detail);
/* This directory can not be asked: the next one is. SH_OK. */
sh_err dir_unusable(struct sh_directory *d, const char *step, const char *why);
/* directory_talk.c: SH_OK with the next stage set, SH_E_AGAIN, SH_E_NOMEM. */
sh_err dir_connect(struct sh_directory *d);
sh_err dir_starttls(struct sh_directory *d);
sh_err dir_secure(struct sh_directory *d);
sh_err dir_bind(struct sh_directory *d);
sh_err dir_search(struct sh_directory *d);
sh_err dir_groups(struct sh_directory *d);
sh_err dir_prove(struct sh_directory *d);
/* directory_read.c: the entry that was heard, as claims; *n: how many there are. SH_E_NOMEM. */
sh_err dir_read_entries(struct sh_directory *d, uint32_t *n);
sh_err dir_read_groups(struct sh_directory *d);
/* directory_enter.c: the password was right. SH_OK with stage DONE; SH_E_DENIED with why. */
sh_err dir_enter(struct sh_directory *d);
/* The account is disabled or gone there: sessions that came by it end. */
void dir_gone(struct sh_directory *d);

#endif /* SH_GUARD_DIRECTORY_INT_H */
