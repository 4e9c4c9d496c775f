/* fixture.h - what the tests of guard share: a store in memory that can fail, and an open guard.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_FIXTURE_H
#define SH_GUARD_FIXTURE_H

#include <sh/test.h>

#include "../guard_int.h"

/* Keeps what was committed over a close and an open of guard, as a disk does. */
struct fake_disk;
struct fake_disk *fake_disk_new(void);
void fake_disk_free(struct fake_disk *d);
struct guard_store *fake_disk_store(struct fake_disk *d); /* its free does nothing */
/* The next n commits fail with SH_E_IO. */
void fake_disk_fail(struct fake_disk *d, int n);
size_t fake_disk_count(const struct fake_disk *d, enum guard_kind kind);
/* Audit entries that hold a text. */
size_t fake_disk_audited(const struct fake_disk *d, const char *text);
/* The value of an entry (writable, NUL-terminated), or NULL. */
char *fake_disk_value(struct fake_disk *d, enum guard_kind kind, const char *key);
void fake_disk_remove(struct fake_disk *d, enum guard_kind kind, const char *key);
void fake_disk_rename(struct fake_disk *d, enum guard_kind kind, const char *from, const char *to);

struct fixture {
    struct sh_test_env t;
    struct sh_memfs *fs;
    struct sh_crypto *crypto;
    struct fake_disk *disk;
    struct sh_guard *g;
    struct sh_guard_settings set;
    struct sh_workers *workers;
    struct sh_buf text; /* what was written last */
    struct sh_diag diag;
};
/* Small argon2 parameters, no workers, admin with password ADMIN_PASSWORD. */
#define ADMIN_PASSWORD "river and mountain"
/* A test with a fresh fixture. */
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
void fixture_reopen(struct fixture *f);

/* The administrator's own session. */
struct sh_sign_in fixture_sign_in(struct fixture *f, const char *user, const char *password);
/* sh_guard_put with a JSON text, in a tenant by path; the answer lies in f->text. */
sh_err fixture_put(struct fixture *f, const struct sh_principal *by, const char *tenant,
                   enum sh_guard_noun noun, const char *name, const char *body);
sh_err fixture_delete(struct fixture *f, const struct sh_principal *by, const char *tenant,
                      enum sh_guard_noun noun, const char *name);
uint32_t fixture_tenant(struct fixture *f, const char *path);
/* A member of the last answer, as text. */
void fixture_answer(const struct fixture *f, const char *member, char *out, size_t cap);

/* The last answer holds this text. */
bool fixture_has(const struct fixture *f, const char *text);

#endif /* SH_GUARD_FIXTURE_H */
