#include <sh/security.h>
#include <sh/test.h>

#include <stdio.h>
#include <stdlib.h>

#define DAY_US INT64_C(86400000000)
#define NOW_US (20000 * DAY_US)

/* A node as it should be. */
static struct sh_security_facts good(void)
{
    struct sh_security_facts f = {
        .now_us = NOW_US,
        .running = true,
        .host = "harbin",
        .version = "1",
        .listeners = {{"https", "0.0.0.0:443", true, false}, {"mqtt", "127.0.0.1:1", false, true}},
        .nlisteners = 2,
        .guard = {.settings = sh_guard_settings_default(),
                  .people = 3,
                  .administrators = 3,
                  .with_factor = 3,
                  .administrators_with_factor = 3,
                  .tokens = 1,
                  .certificates = 1,
                  .checkpoint_us = NOW_US - DAY_US / 24,
                  .checkpoint_seq = 5,
                  .master = SH_MASTER_PKCS11,
                  .box = SH_BOX_AES_GCM,
                  .key_us = NOW_US - DAY_US,
                  .sheet = true,
                  .readers = 4,
                  .limited = 1,
                  .separated = true},
        .audit = {.entries = 7, .sealed = true, .text = "All 7 entries fit."},
        .audit_good = true,
        .audit_us = NOW_US,
        .forward = {.on = true, .tls = true, .connected = true, .where = "logs:6514"},
        .certificate_us = NOW_US + 300 * DAY_US,
        .files = {.known = true, .dir_mode = 0700, .dir_own = true, .keys = 4},
        .backup = {.configured = true,
                   .keys = true,
                   .every_us = DAY_US,
                   .newest_us = NOW_US - DAY_US,
                   .rehearsed_us = NOW_US - DAY_US,
                   .rehearsal_good = true},
        .classes = {.known = true, .important = 2, .core = 1, .models = 3},
        .disk = {.known = true, .percent = 12, .warn = 80, .act = 90, .stop = 97},
        .process = {.known = true,
                    .no_new_privileges = true,
                    .seccomp = 2,
                    .clock_known = true,
                    .clock_good = true},
    };
    f.guard.settings.second_factor = SH_FACTOR_ALL;
    f.guard.settings.password_classes = 3;
    f.guard.settings.password_age_us = 90 * DAY_US;
    f.guard.settings.session_idle_us = DAY_US / 48;
    f.guard.settings.session_max_us = DAY_US;
    return f;
}

static struct sh_control_found judge(const struct sh_security_facts *f, const char *id)
{
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    struct sh_control_found found = {.state = SH_CONTROL_NONE};
    for (size_t i = 0; i < n; i++) {
        if (strcmp(c[i].id, id) == 0) {
            c[i].judge(f, &found);
            return found;
        }
    }
    fail_msg("no control %s", id);
    return found;
}

/* What this version cannot do, wherever it runs. */
static bool is_constant(const char *id)
{
    static const char *const ids[] = {"data.samples", "data.algorithms", "operation.redundancy",
                                      "program.read_only", "program.updates"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (strcmp(ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

static void test_a_good_node_meets_all_that_the_program_has(void **state)
{
    (void)state;
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    const struct sh_security_facts f = good();
    for (size_t i = 0; i < n; i++) {
        struct sh_control_found found = {.state = SH_CONTROL_NONE};
        c[i].judge(&f, &found);
        const bool fine = found.state == SH_CONTROL_MET || found.state == SH_CONTROL_NONE;
        if (fine == is_constant(c[i].id)) {
            fail_msg("%s: %s: %s", c[i].id, sh_control_state_name(found.state), found.en);
        }
    }
}

static void test_every_control_has_words_and_evidence(void **state)
{
    (void)state;
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    const struct sh_security_facts nothing = {.now_us = NOW_US};
    const struct sh_security_facts all = good();
    const struct sh_security_facts *const facts[] = {&nothing, &all};
    assert_true(n > 40);
    for (size_t i = 0; i < n; i++) {
        const char *const texts[] = {c[i].id,        c[i].title_en, c[i].title_zh, c[i].remedy_en,
                                     c[i].remedy_zh, c[i].dengbao,  c[i].iec62443};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            assert_non_null(texts[k]);
            assert_true(texts[k][0] != '\0');
        }
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(c[i].id, c[k].id);
        }
        for (size_t k = 0; k < 2; k++) {
            struct sh_control_found found = {.state = SH_CONTROL_NONE};
            c[i].judge(facts[k], &found);
            assert_true(found.en[0] != '\0' && found.zh[0] != '\0');
            assert_true(strlen(found.en) < sizeof found.en - 1);
        }
    }
}

/* What is wrong with a node makes its control say so. */
struct fault {
    const char *id;
    void (*spoil)(struct sh_security_facts *f);
    enum sh_control_state expect;
    const char *evidence; /* part of it, in English */
};

static void spoil_password_file(struct sh_security_facts *f)
{
    f->first_password = true;
}
static void spoil_factor(struct sh_security_facts *f)
{
    f->guard.settings.second_factor = SH_FACTOR_CHOICE;
    f->guard.administrators_with_factor = 1;
}
static void spoil_factor_missing(struct sh_security_facts *f)
{
    f->guard.administrators_with_factor = 2;
}
static void spoil_classes(struct sh_security_facts *f)
{
    f->guard.settings.password_classes = 0;
}
static void spoil_age(struct sh_security_facts *f)
{
    f->guard.settings.password_age_us = 0;
}
static void spoil_lock(struct sh_security_facts *f)
{
    f->guard.settings.lock_after = 50;
}
static void spoil_providers(struct sh_security_facts *f)
{
    f->guard.providers = 2;
    f->guard.settings.outside_administrators = true;
}
static void spoil_providers_clear(struct sh_security_facts *f)
{
    f->guard.providers = 2;
    f->guard.providers_clear = 1;
}
static void some_providers(struct sh_security_facts *f)
{
    f->guard.providers = 2;
}
static void spoil_cert_doors(struct sh_security_facts *f)
{
    f->guard.cert_doors = 2;
    f->guard.cert_unlisted = 1;
}
static void spoil_cert_ending(struct sh_security_facts *f)
{
    f->guard.cert_doors = 2;
    f->guard.cert_ending = 1;
}
static void some_cert_doors(struct sh_security_facts *f)
{
    f->guard.cert_doors = 2;
}
static void spoil_idle(struct sh_security_facts *f)
{
    f->guard.settings.session_idle_us = DAY_US;
}
static void spoil_confirm(struct sh_security_facts *f)
{
    f->guard.settings.confirm_us = 0;
}
static void spoil_separation(struct sh_security_facts *f)
{
    f->guard.separated = false;
}
static void spoil_people(struct sh_security_facts *f)
{
    f->guard.idle = 2;
}
static void spoil_tokens(struct sh_security_facts *f)
{
    f->guard.endless = 1;
    f->guard.powerful = 1;
    f->guard.unused = 1;
}
static void spoil_anonymous(struct sh_security_facts *f)
{
    f->mqtt_anonymous = true;
}
static void spoil_device_certificates(struct sh_security_facts *f)
{
    f->guard.ending = 1;
}
static void spoil_listener(struct sh_security_facts *f)
{
    f->listeners[1].loopback = false;
}
static void spoil_certificate_own(struct sh_security_facts *f)
{
    f->certificate_own = true;
}
static void spoil_certificate_soon(struct sh_security_facts *f)
{
    f->certificate_us = NOW_US + 5 * DAY_US;
}
static void spoil_certificate_over(struct sh_security_facts *f)
{
    f->certificate_us = NOW_US - DAY_US;
}
static void spoil_key_file(struct sh_security_facts *f)
{
    f->files.open_keys = 1;
    (void)snprintf(f->files.open_key, sizeof f->files.open_key, "node.key");
}
static void spoil_master(struct sh_security_facts *f)
{
    f->guard.master = SH_MASTER_FILE;
}
static void spoil_key_age(struct sh_security_facts *f)
{
    f->guard.key_us = NOW_US - 500 * DAY_US;
}
static void take_sm4(struct sh_security_facts *f)
{
    f->guard.box = SH_BOX_SM4;
}
static void spoil_data_classes(struct sh_security_facts *f)
{
    f->classes.unclassed = 1;
}

static void spoil_clearance(struct sh_security_facts *f)
{
    f->guard.limited = 0;
}

static void spoil_classes_known(struct sh_security_facts *f)
{
    f->classes.known = false;
}

static void spoil_sheet(struct sh_security_facts *f)
{
    f->guard.sheet = false;
}
static void spoil_folder(struct sh_security_facts *f)
{
    f->files.dir_mode = 0755;
}
static void spoil_owner(struct sh_security_facts *f)
{
    f->files.dir_own = false;
}
static void spoil_chain(struct sh_security_facts *f)
{
    f->audit_good = false;
    (void)snprintf(f->audit.text, sizeof f->audit.text, "Entry 3: it is missing.");
}
static void spoil_seal(struct sh_security_facts *f)
{
    f->audit.sealed = false;
}
static void spoil_lost(struct sh_security_facts *f)
{
    f->audit_dropped = 4;
}
static void spoil_checkpoint(struct sh_security_facts *f)
{
    f->guard.checkpoint_us = 0;
}
static void spoil_checkpoint_old(struct sh_security_facts *f)
{
    f->guard.checkpoint_us = NOW_US - 2 * DAY_US;
}
static void spoil_forward(struct sh_security_facts *f)
{
    f->forward.on = false;
}
static void spoil_forward_clear(struct sh_security_facts *f)
{
    f->forward.tls = false;
}
static void spoil_forward_away(struct sh_security_facts *f)
{
    f->forward.connected = false;
    f->forward.lag = 12;
}
static void spoil_forward_lag(struct sh_security_facts *f)
{
    f->forward.lag = 5000;
}
static void spoil_clock(struct sh_security_facts *f)
{
    f->process.clock_good = false;
}
static void spoil_backup(struct sh_security_facts *f)
{
    f->backup.configured = false;
}
static void spoil_backup_old(struct sh_security_facts *f)
{
    f->backup.newest_us = NOW_US - 40 * DAY_US;
}
static void spoil_rehearsal(struct sh_security_facts *f)
{
    f->backup.rehearsal_good = false;
}
static void spoil_disk(struct sh_security_facts *f)
{
    f->disk.percent = 98;
}
static void spoil_process(struct sh_security_facts *f)
{
    f->process.root = true;
    f->process.no_new_privileges = false;
    f->process.capabilities = 1;
    f->process.seccomp = 0;
    f->process.core_dumps = true;
}
static void spoil_running(struct sh_security_facts *f)
{
    f->running = false;
    f->process.known = false;
}

static const struct fault faults[] = {
    {"people.first_password", spoil_password_file, SH_CONTROL_NOT_MET, "first-password is still"},
    {"people.second_factor", spoil_factor, SH_CONTROL_NOT_MET, "1 of 3 administrators"},
    {"people.second_factor", spoil_factor_missing, SH_CONTROL_PART, "2 of 3 administrators"},
    {"people.password_rules", spoil_classes, SH_CONTROL_PART, "of 0 kinds"},
    {"people.password_age", spoil_age, SH_CONTROL_NOT_MET, "for ever"},
    {"people.lockout", spoil_lock, SH_CONTROL_PART, "after 50 failures"},
    {"people.providers", spoil_providers, SH_CONTROL_PART, "they may give"},
    {"people.providers", spoil_providers_clear, SH_CONTROL_PART, "1 of them without TLS"},
    {"people.providers", some_providers, SH_CONTROL_MET, "never give"},
    {"people.certificates", spoil_cert_doors, SH_CONTROL_PART, "1 of them do not insist"},
    {"people.certificates", spoil_cert_ending, SH_CONTROL_PART, "in 1 an authority"},
    {"people.certificates", some_cert_doors, SH_CONTROL_MET, "2 providers"},
    {"people.sessions", spoil_idle, SH_CONTROL_PART, "after 1440 minutes"},
    {"people.confirmation", spoil_confirm, SH_CONTROL_NOT_MET, "never asked"},
    {"people.separated", spoil_separation, SH_CONTROL_NOT_MET, "not separated"},
    {"people.idle", spoil_people, SH_CONTROL_NOT_MET, "2 of 3 people"},
    {"tokens.endless", spoil_tokens, SH_CONTROL_PART, "1 of 1"},
    {"tokens.powerful", spoil_tokens, SH_CONTROL_PART, "1 of 1"},
    {"tokens.unused", spoil_tokens, SH_CONTROL_PART, "1 of 1"},
    {"devices.anonymous", spoil_anonymous, SH_CONTROL_NOT_MET, "mqtt.anonymous = true"},
    {"devices.certificates", spoil_device_certificates, SH_CONTROL_PART, "1 of 1"},
    {"network.clear", spoil_listener, SH_CONTROL_NOT_MET, "mqtt.listen = 127.0.0.1:1"},
    {"network.certificate", spoil_certificate_own, SH_CONTROL_PART, "self-signed"},
    {"network.certificate", spoil_certificate_soon, SH_CONTROL_PART, "in 5 days"},
    {"network.certificate", spoil_certificate_over, SH_CONTROL_NOT_MET, "ends"},
    {"data.keys", spoil_key_file, SH_CONTROL_NOT_MET, "among them node.key"},
    {"data.master", spoil_master, SH_CONTROL_PART, "is a file"},
    {"data.rotation", spoil_key_age, SH_CONTROL_PART, "500 days ago"},
    {"data.algorithms", take_sm4, SH_CONTROL_PART, "SM4"},
    {"data.classes", spoil_data_classes, SH_CONTROL_PART, "1 of 3 thing models"},
    {"data.classes", spoil_clearance, SH_CONTROL_PART, "0 of 4 roles"},
    {"data.classes", spoil_classes_known, SH_CONTROL_PART, "while the node runs"},
    {"data.sheet", spoil_sheet, SH_CONTROL_PART, "no recovery sheet"},
    {"data.folder", spoil_folder, SH_CONTROL_NOT_MET, "mode 0755"},
    {"data.folder", spoil_owner, SH_CONTROL_PART, "another user"},
    {"audit.chain", spoil_chain, SH_CONTROL_NOT_MET, "Entry 3"},
    {"audit.chain", spoil_seal, SH_CONTROL_NOT_MET, "not sealed"},
    {"audit.lost", spoil_lost, SH_CONTROL_NOT_MET, "4 entries"},
    {"audit.checkpoint", spoil_checkpoint, SH_CONTROL_PART, "none was made yet"},
    {"audit.checkpoint", spoil_checkpoint_old, SH_CONTROL_NOT_MET, "over entry 5"},
    {"audit.forward", spoil_forward, SH_CONTROL_PART, "audit.syslog is empty"},
    {"audit.forward", spoil_forward_clear, SH_CONTROL_PART, "in clear: connected"},
    {"audit.forward", spoil_forward_away, SH_CONTROL_NOT_MET, "not connected, 12 entries wait"},
    {"audit.forward", spoil_forward_lag, SH_CONTROL_NOT_MET, "5000 entries wait"},
    {"audit.clock", spoil_clock, SH_CONTROL_NOT_MET, "not kept"},
    {"operation.backup", spoil_backup, SH_CONTROL_NOT_MET, "no backups are made"},
    {"operation.backup", spoil_backup_old, SH_CONTROL_PART, "40 days old"},
    {"operation.rehearsal", spoil_rehearsal, SH_CONTROL_NOT_MET, "failed"},
    {"operation.disk", spoil_disk, SH_CONTROL_NOT_MET, "98.0 %"},
    {"process.user", spoil_process, SH_CONTROL_NOT_MET, "as root"},
    {"process.new_privileges", spoil_process, SH_CONTROL_NOT_MET, "NoNewPrivs: 0"},
    {"process.capabilities", spoil_process, SH_CONTROL_NOT_MET, "0000000000000001"},
    {"process.seccomp", spoil_process, SH_CONTROL_NOT_MET, "off"},
    {"process.core", spoil_process, SH_CONTROL_PART, "may leave"},
    {"process.core", spoil_running, SH_CONTROL_NONE, "while the node runs"},
    {"audit.lost", spoil_running, SH_CONTROL_NONE, "while the node runs"},
};

static void test_what_is_wrong_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct sh_security_facts f = good();
        faults[i].spoil(&f);
        const struct sh_control_found found = judge(&f, faults[i].id);
        if (found.state != faults[i].expect || strstr(found.en, faults[i].evidence) == NULL) {
            fail_msg("%s: %s: %s", faults[i].id, sh_control_state_name(found.state), found.en);
        }
    }
}

/* Most that can be said still fits. */
static void test_many_long_listeners_are_cut_not_overrun(void **state)
{
    (void)state;
    struct sh_security_facts f = good();
    f.nlisteners = SH_SECURITY_LISTENERS;
    for (size_t i = 0; i < f.nlisteners; i++) {
        (void)snprintf(f.listeners[i].key, sizeof f.listeners[i].key, "abcdefghijklmno");
        memset(f.listeners[i].address, 'x', sizeof f.listeners[i].address - 1);
        f.listeners[i].address[sizeof f.listeners[i].address - 1] = '\0';
        f.listeners[i].tls = false;
        f.listeners[i].loopback = false;
    }
    assert_int_equal(judge(&f, "network.clear").state, SH_CONTROL_NOT_MET);
    assert_int_equal(judge(&f, "network.listeners").state, SH_CONTROL_MET);
}

static void test_the_report_counts_and_lists_all(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_buf b;
    struct sh_jw w;
    json_t *o = NULL;
    size_t n = 0;
    unsigned counts[SH_CONTROL_STATES];
    const struct sh_security_facts f = good();
    sh_test_env_init(&t, NULL);
    (void)sh_controls(&n);
    sh_buf_init(&b, t.env.alloc, 1 << 20);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_security_write(&f, &w);
    sh_jw_obj_end(&w);
    assert_int_equal(sh_jw_end(&w), SH_OK);
    assert_int_equal(sh_json_parse(sh_buf_str(&b), 1 << 20, &o, NULL), SH_OK);
    const json_t *items = json_object_get(o, "items");
    assert_int_equal(json_array_size(items), n);
    sh_security_count(&f, counts);
    const json_t *sum = json_object_get(o, "summary");
    assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], n);
    assert_int_equal(sh_json_get_i64(sum, "met", -1), counts[SH_CONTROL_MET]);
    assert_int_equal(sh_json_get_i64(sum, "not_met", -1), counts[SH_CONTROL_NOT_MET]);
    json_decref(o);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

/* docs/security.md has a row for each control, with the same clauses, and no row more. */
static void test_the_documents_name_the_same_controls(void **state)
{
    (void)state;
    size_t n = 0;
    const struct sh_control *c = sh_controls(&n);
    FILE *in = fopen(SH_DOCS "/security.md", "rb");
    assert_non_null(in);
    static char text[1 << 18];
    const size_t len = fread(text, 1, sizeof text - 1, in);
    (void)fclose(in);
    text[len] = '\0';
    for (size_t i = 0; i < n; i++) {
        char row[512];
        (void)snprintf(row, sizeof row, "| `%s` | %s / %s | %s | %s |", c[i].id, c[i].title_en,
                       c[i].title_zh, c[i].dengbao, c[i].iec62443);
        if (strstr(text, row) == NULL) {
            fail_msg("docs/security.md has no row: %s", row);
        }
    }
    size_t rows = 0;
    for (const char *p = text; (p = strstr(p, "\n| `")) != NULL; p++) {
        rows++;
    }
    assert_int_equal(rows, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_node_meets_all_that_the_program_has),
        cmocka_unit_test(test_every_control_has_words_and_evidence),
        cmocka_unit_test(test_what_is_wrong_is_told),
        cmocka_unit_test(test_many_long_listeners_are_cut_not_overrun),
        cmocka_unit_test(test_the_report_counts_and_lists_all),
        cmocka_unit_test(test_the_documents_name_the_same_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
