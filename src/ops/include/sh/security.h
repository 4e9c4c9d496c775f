/* security.h - the self check: one table of security controls, and what each is worth on this node.
 *
 * The table says what a control is, what mends it, and the clauses of GB/T 22239-2019 (level 3) and
 * IEC 62443-3-3 it counts for. What was found is passed in as facts: judging is pure, so the
 * command of a stopped node, the route of a running one and the tests use the same.
 * Threads: any. Texts of the table are static.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SECURITY_H
#define SH_SECURITY_H

#include <sh/guard.h>

enum { SH_SECURITY_LISTENERS = 8, SH_SECURITY_TEXT = 320 };

struct sh_security_facts {
    int64_t now_us;
    bool running; /* found by the node itself while it runs; else from its folder */
    const char *host;
    const char *version;
    struct {
        char key[16];     /* "http", of the setting http.listen */
        char address[64]; /* as set */
        bool tls;
        bool loopback;
    } listeners[SH_SECURITY_LISTENERS];
    size_t nlisteners;
    bool mqtt_anonymous;
    struct sh_guard_security guard;
    uint64_t audit_dropped;       /* since the start */
    struct sh_audit_report audit; /* text empty: not proved */
    bool audit_good;
    int64_t audit_us; /* when it was proved */
    struct {
        bool on; /* audit.syslog */
        bool tls;
        bool loopback;
        bool connected; /* of the running node, as the next */
        uint64_t lag;   /* entries that the receiver may not have */
        char where[64];
    } forward;
    bool first_password;    /* keys/first-password is there */
    int64_t certificate_us; /* end of the server's; 0 = none, or it cannot be read */
    bool certificate_own;   /* self-signed */
    struct {
        unsigned dir_mode;  /* of the data folder */
        bool dir_own;       /* it belongs to who runs this (off-line: not to root) */
        unsigned keys;      /* files in keys/ */
        unsigned open_keys; /* of these, with rights for others than their owner */
        char open_key[64];  /* one of them */
        bool known;
    } files;
    struct {
        bool configured; /* backup.dir */
        bool keys;       /* with keys, under a passphrase */
        int64_t every_us;
        int64_t newest_us;    /* 0 = none */
        int64_t rehearsed_us; /* of the newest report; 0 = none */
        bool rehearsal_good;
    } backup;
    struct {
        bool known;
        double percent;
        unsigned warn, act, stop;
    } disk;
    struct { /* of the running node, over all tenants */
        bool known;
        uint64_t important; /* points */
        uint64_t core;
        uint32_t models;
        uint32_t unclassed; /* of these, that say no class */
    } classes;
    struct { /* of the running node; known false off-line */
        bool known;
        bool root;
        bool no_new_privileges;
        uint64_t capabilities; /* effective and inheritable bounding set, or-ed */
        int seccomp;           /* 0, 1, 2 as in /proc/self/status */
        bool core_dumps;
        bool clock_known;
        bool clock_good; /* the kernel says that it is kept by a time source */
    } process;
};

enum sh_control_state {
    SH_CONTROL_MET,
    SH_CONTROL_PART,
    SH_CONTROL_NOT_MET,
    SH_CONTROL_NONE /* does not apply here */
};
enum { SH_CONTROL_STATES = SH_CONTROL_NONE + 1 };
/* "met", "part", "not_met", "none". */
const char *sh_control_state_name(enum sh_control_state s);

struct sh_control_found {
    enum sh_control_state state;
    char en[SH_SECURITY_TEXT]; /* evidence: the values found */
    char zh[SH_SECURITY_TEXT];
};
struct sh_control {
    const char *id; /* "transport.clear"; never changes */
    const char *title_en;
    const char *title_zh;
    const char *remedy_en;
    const char *remedy_zh;
    const char *setting;  /* key of the configuration that mends it; NULL = none */
    const char *page;     /* path in the console where it is mended; NULL = none */
    const char *dengbao;  /* GB/T 22239-2019, level 3: clauses, by comma */
    const char *iec62443; /* IEC 62443-3-3: system requirements, by comma */
    void (*judge)(const struct sh_security_facts *f, struct sh_control_found *out);
};
/* All controls in the order of showing. */
const struct sh_control *sh_controls(size_t *n);

/* Writes the report as members of the caller's open object: host, version, time, running, summary
 * (a count for each state), items. */
void sh_security_write(const struct sh_security_facts *f, struct sh_jw *w);
/* How many are in each state. */
void sh_security_count(const struct sh_security_facts *f, unsigned out[SH_CONTROL_STATES]);

#endif /* SH_SECURITY_H */
