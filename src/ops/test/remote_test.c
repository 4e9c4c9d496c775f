/* Addresses of SFTP servers and host keys as they are typed; which copies go. The rest is proved
 * against OpenSSH in tests/wire/sftp_test.py. */
#include <sh/test.h>

#include <stdio.h>

#include "../remote_int.h"

static void test_url_reads_user_host_port_and_folder(void **state)
{
    (void)state;
    const struct {
        const char *url, *user, *host, *port, *folder;
    } rows[] = {
        {"sftp://backup@nas/songhua", "backup", "nas", "22", "/songhua"},
        {"sftp://b@10.1.2.3:2222/a/b/", "b", "10.1.2.3", "2222", "/a/b"},
        {"sftp://b@[fe80::1]:22/a", "b", "fe80::1", "22", "/a"},
        {"sftp://b@[::1]/a", "b", "::1", "22", "/a"},
        {"sftp://b@nas/~/copies/n1", "b", "nas", "22", "copies/n1"},
        {"sftp://a%40corp@nas/with%20space", "a@corp", "nas", "22", "/with space"},
        {"sftp://b@nas/\xe6\x9d\xbe\xe8\x8a\xb1", "b", "nas", "22", "/\xe6\x9d\xbe\xe8\x8a\xb1"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct ops_target t;
        struct sh_diag d = {.line = 0};
        assert_ok(ops_target_parse(sh_str_c(rows[i].url), &t, &d));
        assert_string_equal(t.user, rows[i].user);
        assert_string_equal(t.host, rows[i].host);
        assert_string_equal(t.port, rows[i].port);
        assert_string_equal(t.folder, rows[i].folder);
    }
}

static void test_url_that_is_wrong_is_refused_with_a_remedy(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "sftp://",           "ssh://b@h/a",         "sftp://h/a",         "sftp://b@h",
        "sftp://b@h/",       "sftp://b@h/~/",       "sftp://b:pw@h/a",    "sftp://@h/a",
        "sftp://b@/a",       "sftp://b@h:0/a",      "sftp://b@h:65536/a", "sftp://b@h:x/a",
        "sftp://b@::1/a",    "sftp://b@[::1/a",     "sftp://b@[::1]x/a",  "sftp://b@h/a/../b",
        "sftp://b@h/%2e%2e", "sftp://b@h/a%",       "sftp://b@h/a%0",     "sftp://b@h/a%zz",
        "sftp://b@h/a%00b",  "sftp://b@h/a\nb",     "sftp://b@-h/a",      "sftp://b@h h/a",
        "sftp://b@h/..",     "sftp://b@h/~/../etc",
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct ops_target t;
        struct sh_diag d = {.line = 0};
        if (ops_target_parse(sh_str_c(rows[i]), &t, &d) != SH_E_INVAL) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_true(d.message[0] != '\0' && d.remedy[0] != '\0');
    }
    char longer[SH_REMOTE_URL + 128];
    (void)snprintf(longer, sizeof longer, "sftp://b@h/%0600d", 0);
    struct ops_target t;
    assert_int_equal(ops_target_parse(sh_str_c(longer), &t, NULL), SH_E_INVAL);
    assert_ok(sh_remote_url_check(SH_STR(""), NULL)); /* none */
}

/* A key of `ssh-keygen -t ed25519`, and what `ssh-keygen -lf` says of it. */
#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIPxxpj1qvn09RJ6anC0CgUpF5KSEtAveQ5H9O8mViLUE"
#define PRINT "SHA256:SXr+pvfYsaN2krohdaaBQ2BrgFT9B0mC/Pa444RErGc"

static void test_host_key_is_read_in_each_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type;
    } rows[] = {
        {PRINT, ""},
        {"  " PRINT "=\n", ""},
        {"ssh-ed25519 " BLOB, "ssh-ed25519"},
        {"ssh-ed25519 " BLOB " root@nas", "ssh-ed25519"},
        {"nas,10.1.2.3 ssh-ed25519 " BLOB, "ssh-ed25519"},
        {"[nas]:2222  ssh-ed25519   " BLOB " words", "ssh-ed25519"},
        {"|1|abc=|def= ssh-ed25519 " BLOB, "ssh-ed25519"},
    };
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    assert_ok(sh_crypto_new(&env, &c));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct ops_host_key k;
        char print[OPS_FINGERPRINT];
        struct sh_diag d = {.line = 0};
        assert_ok(ops_host_key_parse(&env, c, sh_str_c(rows[i].text), &k, &d));
        ops_fingerprint(k.sha256, print);
        assert_string_equal(print, PRINT);
        assert_string_equal(k.type, rows[i].type);
        assert_ok(sh_remote_host_key_check(sh_str_c(rows[i].text), NULL));
    }
    sh_crypto_free(c);
    assert_ok(sh_remote_host_key_check(SH_STR(" "), NULL)); /* none */
}

static void test_host_key_that_is_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "SHA256:",
        "SHA256:short",
        PRINT "x",
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "ssh-ed25519",
        "ssh-ed25519 ????",
        "ssh-rsa " BLOB,                       /* it says another type itself */
        "ssh-dss AAAAB3NzaC1kc3MAAACB",        /* not offered */
        "@revoked nas ssh-ed25519 " BLOB,      /* must not become trust */
        "@cert-authority * ssh-ed25519 " BLOB, /* certificates are not judged */
        "nas " BLOB,
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_diag d = {.line = 0};
        if (sh_remote_host_key_check(sh_str_c(rows[i]), &d) != SH_E_INVAL) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_true(d.remedy[0] != '\0');
    }
}

static void test_surplus_leaves_what_is_kept_and_what_was_just_sent(void **state)
{
    (void)state;
    static const struct sh_remote_copy list[] = {{"songhua-20260101T000000Z", 0},
                                                 {"songhua-20260102T000000Z", 0},
                                                 {"songhua-20260103T000000Z", 0},
                                                 {"songhua-20260104T000000Z", 0}};
    const struct {
        size_t n;
        uint32_t keep;
        int just; /* of list; 4 = a newer one */
        size_t go;
    } rows[] = {{0, 2, 4, 0}, {4, 0, 3, 0}, {4, 2, 3, 2}, {4, 1, 3, 3}, {4, 4, 3, 0},
                {3, 9, 2, 0}, {4, 2, 1, 1}, {4, 1, 0, 0}, {4, 1, 4, 3}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const char *just = rows[i].just < 4 ? list[rows[i].just].id : "songhua-20270101T000000Z";
        assert_int_equal(ops_remote_surplus(list, rows[i].n, rows[i].keep, just), rows[i].go);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_reads_user_host_port_and_folder),
        cmocka_unit_test(test_url_that_is_wrong_is_refused_with_a_remedy),
        cmocka_unit_test(test_host_key_is_read_in_each_form),
        cmocka_unit_test(test_host_key_that_is_wrong_is_refused),
        cmocka_unit_test(test_surplus_leaves_what_is_kept_and_what_was_just_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
