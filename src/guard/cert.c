/* Certificates of devices: which ones stand for a device, issuing, revoking.
 *
 * A guard_cert is a fingerprint ("fp:<hex>") or a common name ("cn:<name>") that stands for a
 * device. A fingerprint that was revoked stays, marked, until the device goes: it is refused also
 * where a common name of the same certificate would let it in, and it can not be entered again.
 * All functions here: under `change` for what is stored, under `lock` for what is in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

#define DAY_US (INT64_C(86400) * 1000000)
enum { LONGEST_DAYS = 3650 };

/* ---- in memory ---- */

static sh_err cert_new(struct sh_guard *g, const struct guard_cert_form *form,
                       struct guard_cert **out)
{
    const struct sh_str subject = sh_str_c(form->subject);
    const struct sh_str issuer = sh_str_c(form->issuer);
    struct guard_cert *c = sh_mem_new(g->env->alloc, sizeof *c + subject.n + issuer.n + 2);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    (void)guard_copy(c->key, sizeof c->key, sh_str_c(form->key));
    (void)guard_copy(c->serial, sizeof c->serial, sh_str_c(form->serial));
    c->from_us = form->from_us;
    c->until_us = form->until_us;
    c->added_us = form->added_us;
    c->revoked_us = form->revoked_us;
    c->issued = form->issued;
    c->issuer_at = subject.n + 1;
    memcpy(c->text, subject.p, subject.n + 1);
    memcpy(c->text + c->issuer_at, issuer.p, issuer.n + 1);
    sh_err err = sh_map_put(&g->certs, sh_str_c(c->key), c);
    if (err == SH_OK && c->issued && c->serial[0] != '\0') {
        err = sh_map_set(&g->pki.issued, sh_str_c(c->serial), c);
        if (err != SH_OK) {
            (void)sh_map_del(&g->certs, sh_str_c(c->key));
        }
    }
    if (err != SH_OK) {
        sh_mem_free(g->env->alloc, c);
        return err;
    }
    *out = c;
    return SH_OK;
}

/* A device with as many as it may have forgets those that are out of date: they are refused anyway.
 */
static sh_err make_room(struct sh_guard *g, const struct guard_device *d, struct guard_batch *b)
{
    const int64_t now = guard_now(g);
    uint32_t going = 0;
    for (struct guard_cert *c = d->certs; c != NULL; c = c->next) {
        c->going = c->until_us != 0 && now >= c->until_us;
        if (c->going) {
            SH_TRY(guard_batch_delete(b, GUARD_CERT, sh_str_c(c->key)));
            going++;
        }
    }
    return going > 0 ? SH_OK : SH_E_LIMIT;
}

sh_err guard_cert_plan(struct sh_guard *g, const struct guard_device *d,
                       const struct guard_cert_form *form, struct guard_batch *b,
                       struct guard_cert **out)
{
    if (d->ncerts >= GUARD_CERTS_PER_DEVICE) {
        SH_TRY(make_room(g, d, b));
    }
    SH_TRY(cert_new(g, form, out));
    return guard_cert_batch(g, b, *out, d->tenant, sh_str_c(d->device));
}

static void join(struct guard_device *d, struct guard_cert *c)
{
    c->device = d;
    c->next = d->certs;
    d->certs = c;
    d->ncerts++;
    d->live_certs += c->revoked_us == 0 ? 1 : 0;
}

void guard_cert_drop(struct sh_guard *g, struct guard_cert *c)
{
    struct guard_device *d = c->device;
    if (d != NULL) {
        struct guard_cert **at = &d->certs;
        while (*at != c) {
            at = &(*at)->next;
        }
        *at = c->next;
        d->ncerts--;
        d->live_certs -= c->revoked_us == 0 ? 1 : 0;
    }
    (void)sh_map_del(&g->certs, sh_str_c(c->key));
    if (c->issued && c->serial[0] != '\0') {
        (void)sh_map_del(&g->pki.issued, sh_str_c(c->serial));
    }
    sh_mem_free(g->env->alloc, c);
}

void guard_cert_planned(struct sh_guard *g, struct guard_device *d, struct guard_cert *fresh,
                        bool done)
{
    for (struct guard_cert *c = d->certs; c != NULL;) {
        struct guard_cert *next = c->next;
        if (c->going && done) {
            guard_cert_drop(g, c);
        } else {
            c->going = false;
        }
        c = next;
    }
    if (done) {
        join(d, fresh);
        (void)atomic_fetch_add(&g->pki.changes, 1); /* what is due is counted anew */
    } else if (fresh != NULL) {
        guard_cert_drop(g, fresh);
    }
}

/* ---- stored form ---- */

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static void put_i64(struct sh_jw *w, const char *key, int64_t v)
{
    sh_jw_key(w, key);
    sh_jw_i64(w, v);
}

sh_err guard_cert_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_cert *c,
                        uint32_t tenant, struct sh_str device)
{
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    sh_jw_init(&w, &text);
    sh_jw_obj(&w);
    put_text(&w, "key", c->key);
    sh_jw_key(&w, "tenant");
    sh_jw_u64(&w, tenant);
    sh_jw_key(&w, "device");
    sh_jw_str(&w, device);
    put_text(&w, "subject", c->text);
    put_text(&w, "issuer", c->text + c->issuer_at);
    put_text(&w, "serial", c->serial);
    put_i64(&w, "from", c->from_us);
    put_i64(&w, "until", c->until_us);
    put_i64(&w, "added", c->added_us);
    put_i64(&w, "revoked", c->revoked_us);
    sh_jw_key(&w, "issued");
    sh_jw_bool(&w, c->issued);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = guard_batch_put(b, GUARD_CERT, sh_str_c(c->key), sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    return err;
}

/* Version 1 stored key, tenant and device only: the rest is empty then. */
sh_err guard_cert_load(struct sh_guard *g, const json_t *o)
{
    struct guard_cert_form f = {
        .from_us = sh_json_get_i64(o, "from", 0),
        .until_us = sh_json_get_i64(o, "until", 0),
        .added_us = sh_json_get_i64(o, "added", 0),
        .revoked_us = sh_json_get_i64(o, "revoked", 0),
        .issued = sh_json_get_bool(o, "issued", false),
    };
    struct guard_cert *c = NULL;
    struct guard_device *d = guard_device_find(g, (uint32_t)sh_json_get_i64(o, "tenant", 0),
                                               sh_json_get_str(o, "device"));
    if (d == NULL || !guard_copy(f.key, sizeof f.key, sh_json_get_str(o, "key")) ||
        !guard_copy(f.subject, sizeof f.subject, sh_json_get_str(o, "subject")) ||
        !guard_copy(f.issuer, sizeof f.issuer, sh_json_get_str(o, "issuer")) ||
        !guard_copy(f.serial, sizeof f.serial, sh_json_get_str(o, "serial"))) {
        return SH_E_CORRUPT;
    }
    SH_TRY(cert_new(g, &f, &c));
    join(d, c);
    guard_device_refresh(g, d);
    return guard_revoked_early(g, c);
}

/* ---- entering and issuing ---- */

static sh_err refused(sh_err err, struct sh_diag *diag)
{
    if (err == SH_E_EXISTS) {
        sh_diag_set(diag, "This certificate or name already stands for a device, or was revoked.");
        sh_diag_remedy(diag, "Make a new certificate; see the certificates of the device.");
    } else if (err == SH_E_LIMIT) {
        sh_diag_set(diag, "A device has at most %d certificates and names, revoked ones counted.",
                    GUARD_CERTS_PER_DEVICE);
        sh_diag_remedy(diag, "Use another device, or remove this one and make it again.");
    }
    return err;
}

static sh_err enter(struct sh_guard *g, const struct sh_guard_at *at, struct sh_guard_issue *o,
                    struct sh_bytes cert, const struct guard_cause *cause, bool issued,
                    struct sh_diag *diag)
{
    struct sh_cert_info info;
    if (sh_cert_parse(g->crypto, cert, &info) != SH_OK) {
        sh_diag_set(diag, "This is not an X.509 certificate.");
        sh_diag_remedy(diag, "Send one certificate in PEM: -----BEGIN CERTIFICATE-----.");
        return SH_E_INVAL;
    }
    if (guard_now(g) >= info.until_us) {
        sh_diag_set(diag, "The certificate is out of date.");
        sh_diag_remedy(diag, "Make one that is good for some time to come.");
        return SH_E_INVAL;
    }
    struct guard_cert_form f = {.key = "fp:",
                                .from_us = info.from_us,
                                .until_us = info.until_us,
                                .added_us = guard_now(g),
                                .issued = issued};
    sh_hash_hex(info.fingerprint, f.key + 3);
    memcpy(o->fingerprint, f.key + 3, sizeof o->fingerprint);
    memcpy(f.subject, info.common_name, sizeof f.subject);
    memcpy(f.issuer, info.issuer, sizeof f.issuer);
    memcpy(f.serial, info.serial, sizeof f.serial);
    const struct guard_device_change c = {.at = at,
                                          .device = o->device,
                                          .act = issued ? SH_STR("device.certificate_issued")
                                                        : SH_STR("device.certificate_added"),
                                          .cert = &f,
                                          .cause = cause};
    return refused(guard_device_put(g, &c), diag);
}

sh_err sh_guard_device_certificate_add(struct sh_guard *g, const struct sh_guard_at *at,
                                       struct sh_str device, struct sh_bytes cert,
                                       char fingerprint[SH_HASH_HEX], struct sh_diag *diag)
{
    struct sh_guard_issue o = {.device = device};
    const sh_err err = enter(g, at, &o, cert, NULL, false, diag);
    memcpy(fingerprint, o.fingerprint, sizeof o.fingerprint);
    return err;
}

sh_err sh_guard_device_common_name_add(struct sh_guard *g, const struct sh_guard_at *at,
                                       struct sh_str device, struct sh_str name,
                                       struct sh_diag *diag)
{
    struct guard_cert_form f = {.added_us = guard_now(g)};
    if (name.n == 0 || name.n >= SH_CERT_NAME_CHARS || !sh_utf8_valid(name) ||
        !guard_print(f.key, sizeof f.key, "cn:%.*s", SH_PRI(name))) {
        sh_diag_set(diag, "This can not be the common name of a certificate.");
        sh_diag_remedy(diag, "A common name has 1 to 191 bytes of UTF-8.");
        return SH_E_INVAL;
    }
    const struct guard_device_change c = {
        .at = at, .device = device, .act = SH_STR("device.common_name_added"), .cert = &f};
    return refused(guard_device_put(g, &c), diag);
}

sh_err sh_guard_device_certificate_issue(struct sh_guard *g, const struct sh_guard_at *at,
                                         struct sh_guard_issue *o, struct sh_buf *cert_pem,
                                         struct sh_buf *key_pem, struct sh_diag *diag)
{
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_WRITE, at->tenant, o->device));
    return guard_cert_issue(g, at, o, NULL, cert_pem, key_pem, diag);
}

sh_err guard_cert_issue(struct sh_guard *g, const struct sh_guard_at *at, struct sh_guard_issue *o,
                        const struct guard_cause *cause, struct sh_buf *cert_pem,
                        struct sh_buf *key_pem, struct sh_diag *diag)
{
    if (o->valid_us <= 0 || o->valid_us > LONGEST_DAYS * DAY_US || o->device.n == 0) {
        sh_diag_set(diag, "A certificate is good for 1 to %d days.", LONGEST_DAYS);
        return SH_E_INVAL;
    }
    const size_t cert_at = cert_pem->n;
    const size_t key_at = key_pem->n;
    sh_err err = guard_issue(g, o, cert_pem, key_pem);
    if (err == SH_E_PROTO) {
        sh_diag_set(diag, "This is not a certificate request that can be signed.");
        sh_diag_remedy(diag,
                       "Send a PKCS #10 request in PEM, signed with its own key: ECDSA P-256, "
                       "P-384, P-521, Ed25519, or RSA of at least 2048 bits.");
        err = SH_E_INVAL;
    } else if (err == SH_OK) {
        const struct sh_bytes made = sh_bytes_of(cert_pem->p + cert_at, cert_pem->n - cert_at);
        err = enter(g, at, o, made, cause, true, diag);
    }
    if (err != SH_OK) {
        sh_crypto_wipe(key_pem->p == NULL ? key_pem->p : key_pem->p + key_at, key_pem->n - key_at);
        cert_pem->n = cert_at;
        key_pem->n = key_at;
    }
    return err;
}

/* ---- taking away ---- */

/* What has to be stored: a name goes, a fingerprint stays, marked. Under change and lock. */
static sh_err plan_away(struct sh_guard *g, struct guard_cert *c, const struct guard_device *d,
                        const struct sh_guard_revoke *r, struct guard_batch *b)
{
    if (c->key[0] == 'c') {
        return guard_batch_delete(b, GUARD_CERT, sh_str_c(c->key));
    }
    struct guard_revoked form = {.until_us = c->until_us};
    form.told.when_us = guard_now(g);
    form.told.reason = r->reason;
    c->revoked_us = form.told.when_us;
    const sh_err err = guard_cert_batch(g, b, c, d->tenant, sh_str_c(d->device));
    c->revoked_us = 0;
    return err == SH_OK ? guard_revoked_plan(g, c, &form, r->note, b) : err;
}

/* Under lock. */
static void apply_away(struct sh_guard *g, struct guard_cert *c, struct guard_device *d)
{
    if (c->key[0] == 'c') {
        guard_cert_drop(g, c);
    } else {
        guard_revoked_planned(g, c, true);
        const struct guard_revoked *told = sh_map_get(
            &g->pki.revoked, sh_str_c(c->issued && c->serial[0] != '\0' ? c->serial : c->key));
        c->revoked_us = told == NULL ? guard_now(g) : told->told.when_us;
        d->live_certs--;
    }
    guard_subject_renew(g, d->slot); /* who came in with it goes */
    guard_device_refresh(g, d);
}

/* Revokes a fingerprint, removes a name. */
static sh_err take_away(struct sh_guard *g, const struct sh_guard_at *at,
                        const struct sh_guard_revoke *r, const char *key)
{
    struct guard_batch b;
    const struct sh_str device = r->device;
    const bool name = key[0] == 'c';
    char object[SH_DEVICE_ID_MAX + 16];
    char detail[sizeof((struct guard_cert *)0)->key + GUARD_NOTE_MAX + 32];
    (void)guard_print(object, sizeof object, "device:%.*s", SH_PRI(device));
    (void)guard_print(detail, sizeof detail, "%s%s%s%s%.*s", key, name ? "" : " ",
                      name ? "" : sh_crl_reason_name((int)r->reason), r->note.n > 0 ? ": " : "",
                      SH_PRI(r->note));
    const struct sh_audit audit = {
        .by = at->by,
        .tenant = at->tenant,
        .act = name ? SH_STR("device.common_name_removed") : SH_STR("device.certificate_revoked"),
        .object = sh_str_c(object),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
        .peer = at->peer,
    };
    guard_batch_init(g, &b);
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    struct guard_device *d = guard_device_find(g, at->tenant, device);
    struct guard_cert *c = sh_map_get(&g->certs, sh_str_c(key));
    sh_err err =
        d == NULL || c == NULL || c->device != d || c->revoked_us != 0 ? SH_E_NOTFOUND : SH_OK;
    const bool found = err == SH_OK;
    err = found ? plan_away(g, c, d, r, &b) : err;
    sh_mutex_unlock(&g->lock);
    err = err == SH_OK ? guard_commit(g, &b, &audit) : err;
    sh_mutex_lock(&g->lock);
    if (err == SH_OK) {
        apply_away(g, c, d);
    } else if (found) {
        guard_revoked_planned(g, c, false);
    }
    sh_mutex_unlock(&g->lock);
    sh_mutex_unlock(&g->change);
    guard_batch_fini(&b);
    return err;
}

bool guard_note_ok(struct sh_str note)
{
    if (note.n > GUARD_NOTE_MAX || !sh_utf8_valid(note)) {
        return false;
    }
    for (size_t i = 0; i < note.n; i++) {
        if ((unsigned char)note.p[i] < 0x20 || note.p[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

sh_err sh_guard_device_certificate_revoke(struct sh_guard *g, const struct sh_guard_at *at,
                                          const struct sh_guard_revoke *r)
{
    char key[3 + SH_HASH_HEX] = "fp:";
    size_t n = 0;
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_WRITE, at->tenant, r->device));
    if (!guard_note_ok(r->note) || sh_crl_reason_name((int)r->reason) == NULL) {
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < r->fingerprint.n; i++) { /* also as openssl writes it: AB:CD:... */
        const char c = r->fingerprint.p[i];
        if (c != ':' && n + 1 < SH_HASH_HEX) {
            key[3 + n++] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
        } else if (c != ':') {
            return SH_E_NOTFOUND;
        }
    }
    return take_away(g, at, r, key);
}

sh_err sh_guard_device_common_name_remove(struct sh_guard *g, const struct sh_guard_at *at,
                                          struct sh_str device, struct sh_str name)
{
    char key[sizeof((struct guard_cert *)0)->key];
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_WRITE, at->tenant, device));
    if (!guard_print(key, sizeof key, "cn:%.*s", SH_PRI(name))) {
        return SH_E_NOTFOUND;
    }
    const struct sh_guard_revoke r = {.device = device};
    return take_away(g, at, &r, key);
}

/* ---- showing ---- */

static void put_time(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    if (us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, us);
    }
}

static const char *state_of(const struct guard_cert *c, int64_t now)
{
    if (c->revoked_us != 0) {
        return "revoked";
    }
    if (c->until_us != 0 && now >= c->until_us) {
        return "expired";
    }
    if (now < c->from_us) {
        return "not_yet";
    }
    return c->until_us != 0 && c->until_us - now < GUARD_WARN_US ? "expiring" : "valid";
}

/* Members of an open object. */
static void put_cert(const struct sh_guard *g, struct sh_jw *w, const struct guard_cert *c,
                     int64_t now)
{
    const struct guard_revoked *why = guard_revoked_of(g, c);
    put_text(w, "fingerprint", c->key + 3);
    put_text(w, "subject", c->text);
    put_text(w, "issuer", c->text + c->issuer_at);
    put_text(w, "serial", c->serial);
    put_time(w, "not_before", c->from_us);
    put_time(w, "not_after", c->until_us);
    put_text(w, "source", c->issued ? "issued" : "entered");
    put_text(w, "state", state_of(c, now));
    put_time(w, "added", c->added_us);
    put_time(w, "revoked", c->revoked_us);
    sh_jw_key(w, "reason");
    if (why == NULL) {
        sh_jw_null(w);
    } else {
        sh_jw_c(w, sh_crl_reason_name((int)why->told.reason));
    }
    put_text(w, "note", why == NULL ? "" : why->note);
}

sh_err sh_guard_device_certificate_write(struct sh_guard *g, const struct sh_guard_at *at,
                                         struct sh_str device, const char *fingerprint,
                                         struct sh_jw *w)
{
    char key[3 + SH_HASH_HEX];
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_READ, at->tenant, device));
    if (!guard_print(key, sizeof key, "fp:%s", fingerprint)) {
        return SH_E_NOTFOUND;
    }
    const int64_t now = guard_now(g);
    sh_mutex_lock(&g->lock);
    const struct guard_device *d = guard_device_find(g, at->tenant, device);
    const struct guard_cert *c = sh_map_get(&g->certs, sh_str_c(key));
    const bool there = d != NULL && c != NULL && c->device == d;
    if (there) {
        put_cert(g, w, c, now);
    }
    sh_mutex_unlock(&g->lock);
    return there ? SH_OK : SH_E_NOTFOUND;
}

sh_err sh_guard_device_certificates_write(struct sh_guard *g, const struct sh_guard_at *at,
                                          struct sh_str device, struct sh_jw *w)
{
    SH_TRY(sh_guard_check_device(g, at->by, SH_PERM_DEVICES_READ, at->tenant, device));
    const int64_t now = guard_now(g);
    sh_mutex_lock(&g->lock);
    const struct guard_device *d = guard_device_find(g, at->tenant, device);
    const struct guard_cert *first = d == NULL ? NULL : d->certs;
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (const struct guard_cert *c = first; c != NULL; c = c->next) {
        if (c->key[0] == 'f') {
            sh_jw_obj(w);
            put_cert(g, w, c, now);
            sh_jw_obj_end(w);
        }
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "common_names");
    sh_jw_arr(w);
    for (const struct guard_cert *c = first; c != NULL; c = c->next) {
        if (c->key[0] == 'c') {
            sh_jw_c(w, c->key + 3);
        }
    }
    sh_jw_arr_end(w);
    sh_mutex_unlock(&g->lock);
    return SH_OK;
}

/* ---- proving ---- */

sh_err sh_guard_by_shown(struct sh_guard *g, const struct sh_cert_shown *shown,
                         struct sh_principal *out)
{
    char key[sizeof((struct guard_cert *)0)->key];
    char hex[SH_HASH_HEX];
    if (guard_now(g) >= shown->until_us) {
        return SH_E_DENIED;
    }
    sh_hash_hex(shown->fingerprint, hex);
    (void)guard_print(key, sizeof key, "fp:%s", hex);
    sh_mutex_lock(&g->lock);
    const struct guard_cert *c = sh_map_get(&g->certs, sh_str_c(key));
    if (c == NULL && shown->verified && shown->common_name[0] != '\0' &&
        guard_print(key, sizeof key, "cn:%s", shown->common_name)) {
        c = sh_map_get(&g->certs, sh_str_c(key));
    }
    const bool good =
        c != NULL && c->device != NULL && c->revoked_us == 0 && guard_now(g) >= c->from_us;
    if (good) {
        *out = guard_subject_handle(g, c->device->slot, c->device->tenant, true);
    }
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_DENIED;
}

sh_err sh_guard_by_certificate(struct sh_guard *g, struct sh_bytes cert, bool verified,
                               struct sh_principal *out)
{
    struct sh_cert_info info;
    if (sh_cert_parse(g->crypto, cert, &info) != SH_OK || guard_now(g) < info.from_us) {
        return SH_E_DENIED;
    }
    const struct sh_cert_shown shown = {.fingerprint = info.fingerprint,
                                        .common_name = info.common_name,
                                        .until_us = info.until_us,
                                        .verified = verified};
    return sh_guard_by_shown(g, &shown, out);
}
