/* security.c - the self check's report: every control of the table, judged.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/security.h>

const char *sh_control_state_name(enum sh_control_state s)
{
    static const char *const names[] = {"met", "part", "not_met", "none"};
    return names[(size_t)s];
}

void sh_security_count(const struct sh_security_facts *f, unsigned out[SH_CONTROL_STATES])
{
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    memset(out, 0, SH_CONTROL_STATES * sizeof out[0]);
    for (size_t i = 0; i < n; i++) {
        struct sh_control_found found = {.state = SH_CONTROL_NONE};
        c[i].judge(f, &found);
        out[found.state]++;
    }
}

static void member(struct sh_jw *w, const char *key, const char *v)
{
    sh_jw_key(w, key);
    if (v == NULL) {
        sh_jw_null(w);
    } else {
        sh_jw_c(w, v);
    }
}

static void words(struct sh_jw *w, const char *key, const char *zh, const char *en)
{
    sh_jw_key(w, key);
    sh_jw_obj(w);
    member(w, "zh", zh);
    member(w, "en", en);
    sh_jw_obj_end(w);
}

static void write_control(const struct sh_control *c, const struct sh_security_facts *f,
                          struct sh_jw *w)
{
    struct sh_control_found found = {.state = SH_CONTROL_NONE};
    c->judge(f, &found);
    sh_jw_obj(w);
    member(w, "id", c->id);
    member(w, "state", sh_control_state_name(found.state));
    words(w, "title", c->title_zh, c->title_en);
    words(w, "evidence", found.zh, found.en);
    words(w, "remedy", c->remedy_zh, c->remedy_en);
    member(w, "setting", c->setting);
    member(w, "page", c->page);
    member(w, "dengbao", c->dengbao);
    member(w, "iec62443", c->iec62443);
    sh_jw_obj_end(w);
}

void sh_security_write(const struct sh_security_facts *f, struct sh_jw *w)
{
    size_t n = 0;
    unsigned counts[SH_CONTROL_STATES];
    const struct sh_control *c = sh_controls(&n);
    sh_security_count(f, counts);
    member(w, "host", f->host);
    member(w, "version", f->version);
    sh_jw_key(w, "time");
    sh_jw_time(w, f->now_us);
    sh_jw_key(w, "running");
    sh_jw_bool(w, f->running);
    sh_jw_key(w, "summary");
    sh_jw_obj(w);
    for (unsigned i = 0; i < SH_CONTROL_STATES; i++) {
        sh_jw_key(w, sh_control_state_name((enum sh_control_state)i));
        sh_jw_u64(w, counts[i]);
    }
    sh_jw_obj_end(w);
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        write_control(&c[i], f, w);
    }
    sh_jw_arr_end(w);
}
