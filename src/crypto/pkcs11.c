/* pkcs11.c - a key inside a hardware module (PKCS #11 v2.40): one call wraps or unwraps one key.
 *
 * The module is loaded while the master is open; a session lives for one call, so a token that was
 * taken away and put back, or a module that was started again, is no matter. Login and logout are
 * of the whole program by the standard: a master serializes its calls, and there is one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>

#define CRYPTOKI_GNU
#include <p11-kit/pkcs11.h>

#include "ring_int.h"

enum { SLOTS_MAX = 64, PIN_MAX = 256, LABEL = 32, WRAP = PKCS11_NONCE + SH_KEY_BYTES + PKCS11_TAG };
static const char aad[] = "songhua ring";

struct pkcs11 {
    const struct sh_env *env;
    struct pkcs11_uri uri;
    void *library;
    struct ck_function_list *f;
    struct sh_mutex one;
};

/* ---- the URI ---- */

static sh_err bad_uri(struct sh_diag *diag, const char *what, struct sh_str part)
{
    sh_diag_set(diag, "The PKCS #11 address %s: '%.*s'.", what, (int)(part.n > 60 ? 60 : part.n),
                part.p == NULL ? "" : part.p);
    sh_diag_remedy(diag, "Write pkcs11:token=T;object=O?module-path=/lib.so&pin-source=file:/pin; "
                         "other characters percent-encoded.");
    return SH_E_INVAL;
}

/* One part of it: its bytes, decoded, without a NUL inside. */
static bool put_part(struct sh_str value, char out[PKCS11_TEXT])
{
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        unsigned c = (uint8_t)value.p[i];
        if (c == '%') {
            char two[3] = "";
            if (i + 2 >= value.n || !isxdigit((uint8_t)value.p[i + 1]) ||
                !isxdigit((uint8_t)value.p[i + 2])) {
                return false;
            }
            memcpy(two, value.p + i + 1, 2);
            c = (unsigned)strtoul(two, NULL, 16);
            i += 2;
        }
        if (c < ' ' || c == 127 || n + 1 >= PKCS11_TEXT) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

static sh_err parse_parts(struct sh_str text, char sep, const char *const names[2],
                          char *const out[2], struct sh_diag *diag)
{
    while (text.n > 0) {
        struct sh_str value = {NULL, 0};
        const struct sh_str part = sh_str_cut(text, sep, &text);
        const struct sh_str name = sh_str_cut(part, '=', &value);
        size_t i = 0;
        while (i < 2 && !sh_str_eqc(name, names[i])) {
            i++;
        }
        if (i == 2) {
            return bad_uri(diag, "has a part that is not known", part);
        }
        if (out[i][0] != '\0' || value.p == NULL || !put_part(value, out[i])) {
            return bad_uri(diag, "has a part that is empty, double, too long or badly encoded",
                           part);
        }
    }
    return SH_OK;
}

sh_err pkcs11_uri_parse(struct sh_str text, struct pkcs11_uri *out, struct sh_diag *diag)
{
    static const char *const path[2] = {"token", "object"};
    static const char *const query[2] = {"module-path", "pin-source"};
    struct sh_str rest = {NULL, 0};
    memset(out, 0, sizeof *out);
    const struct sh_str front = sh_str_cut(text, '?', &rest);
    char *const a[2] = {out->token, out->object};
    char *const b[2] = {out->module, out->pin_source};
    SH_TRY(parse_parts(front, ';', path, a, diag));
    SH_TRY(parse_parts(rest, '&', query, b, diag));
    if (out->token[0] == '\0' || out->object[0] == '\0' || out->module[0] != '/') {
        return bad_uri(diag, "needs token, object and module-path (a whole path)", text);
    }
    return SH_OK;
}

/* ---- the module ---- */

static sh_err fail(const struct pkcs11 *p, struct sh_diag *diag, const char *what, ck_rv_t rv)
{
    sh_diag_at(diag, sh_str_c(p->uri.module), 0);
    sh_diag_set(diag, "The PKCS #11 module: %s (0x%lx).", what, rv);
    return SH_E_IO;
}

/* The PIN, into out; 0: none is named. */
static sh_err read_pin(const struct pkcs11 *p, char out[PIN_MAX], size_t *n, struct sh_diag *diag)
{
    const struct sh_str source = sh_str_c(p->uri.pin_source);
    struct sh_str text = {NULL, 0};
    const char *value = "";
    *n = 0;
    if (sh_str_starts(source, SH_STR("env:"))) {
        value = getenv(source.p + 4); /* NOLINT(concurrency-mt-unsafe): read only */
    } else if (sh_str_starts(source, SH_STR("file:"))) {
        const sh_err err = sh_fs_read_all(p->env->fs, p->env->alloc, source.p + 5, PIN_MAX, &text);
        value = err == SH_OK ? text.p : NULL;
    } else if (source.n > 0) {
        return bad_uri(diag, "has a pin-source that is neither file: nor env:", source);
    }
    const struct sh_str pin = sh_str_trim(sh_str_c(value == NULL ? "" : value));
    const bool missing = value == NULL || (source.n > 0 && pin.n == 0) || pin.n > PIN_MAX;
    if (missing) {
        sh_diag_set(diag, "The PIN of the PKCS #11 token cannot be read from %s.",
                    p->uri.pin_source);
        sh_diag_remedy(diag, "Put it there, readable by the service alone.");
    } else if (pin.n > 0) {
        memcpy(out, pin.p, pin.n);
        *n = pin.n;
    }
    if (text.p != NULL) {
        sh_crypto_wipe((char *)(uintptr_t)text.p, text.n);
        sh_str_free(p->env->alloc, &text);
    }
    return missing ? SH_E_NOTFOUND : SH_OK;
}

static bool label_is(const unsigned char *padded, const char *label)
{
    size_t n = LABEL;
    while (n > 0 && padded[n - 1] == ' ') {
        n--;
    }
    return strlen(label) == n && memcmp(padded, label, n) == 0;
}

static sh_err find_slot(struct pkcs11 *p, ck_slot_id_t *out, struct sh_diag *diag)
{
    ck_slot_id_t slots[SLOTS_MAX];
    unsigned long n = SLOTS_MAX;
    const ck_rv_t rv = p->f->C_GetSlotList(1, slots, &n);
    if (rv != CKR_OK) {
        return fail(p, diag, "no list of its slots", rv);
    }
    for (unsigned long i = 0; i < n; i++) {
        struct ck_token_info info;
        if (p->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(info.label, p->uri.token)) {
            *out = slots[i];
            return SH_OK;
        }
    }
    sh_diag_at(diag, sh_str_c(p->uri.module), 0);
    sh_diag_set(diag, "The PKCS #11 module has no token '%.60s' (%lu tokens).", p->uri.token, n);
    sh_diag_remedy(diag, "pkcs11-tool --module PATH --list-token-slots shows those that it has.");
    return SH_E_NOTFOUND;
}

static sh_err log_in(struct pkcs11 *p, ck_session_handle_t s, struct sh_diag *diag)
{
    char pin[PIN_MAX];
    size_t n = 0;
    SH_TRY(read_pin(p, pin, &n, diag));
    if (n == 0) {
        return SH_OK;
    }
    const ck_rv_t rv = p->f->C_Login(s, CKU_USER, (unsigned char *)pin, n);
    sh_crypto_wipe(pin, sizeof pin);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        return SH_OK;
    }
    (void)fail(p, diag, "the PIN is refused", rv);
    sh_diag_remedy(diag, "Mend the PIN before more tries lock the token.");
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ? SH_E_DENIED
                                                                                      : SH_E_IO;
}

static sh_err find_key(struct pkcs11 *p, ck_session_handle_t s, ck_object_handle_t *out,
                       struct sh_diag *diag)
{
    ck_object_class_t class = CKO_SECRET_KEY;
    struct ck_attribute want[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_LABEL, p->uri.object, strlen(p->uri.object)},
    };
    ck_object_handle_t found[2];
    unsigned long n = 0;
    ck_rv_t rv = p->f->C_FindObjectsInit(s, want, 2);
    if (rv == CKR_OK) {
        rv = p->f->C_FindObjects(s, found, 2, &n);
        (void)p->f->C_FindObjectsFinal(s);
    }
    if (rv != CKR_OK) {
        return fail(p, diag, "its objects cannot be searched", rv);
    }
    if (n != 1) {
        sh_diag_at(diag, sh_str_c(p->uri.module), 0);
        sh_diag_set(diag, "The token '%.60s' has %s secret key '%.60s'.", p->uri.token,
                    n == 0 ? "no" : "more than one", p->uri.object);
        sh_diag_remedy(diag, "Make one: pkcs11-tool --module PATH --login --keygen --key-type "
                             "AES:32 --label NAME.");
        return SH_E_NOTFOUND;
    }
    *out = found[0];
    return SH_OK;
}

/* One wrap or unwrap. */
struct job {
    bool seals;
    uint8_t *nonce;
    unsigned char *in;
    unsigned long in_n;
    unsigned char *out;
    unsigned long out_n; /* room, then what was written */
};

static sh_err use_key(struct pkcs11 *p, ck_session_handle_t s, ck_object_handle_t key,
                      struct job *j, struct sh_diag *diag)
{
    struct ck_gcm_params gcm = {
        .iv_ptr = j->nonce,
        .iv_len = PKCS11_NONCE,
        .iv_bits = 8UL * PKCS11_NONCE,
        .aad_ptr = (unsigned char *)(uintptr_t)aad,
        .aad_len = sizeof aad - 1,
        .tag_bits = 8UL * PKCS11_TAG,
    };
    struct ck_mechanism how = {CKM_AES_GCM, &gcm, sizeof gcm};
    ck_rv_t rv = j->seals ? p->f->C_EncryptInit(s, &how, key) : p->f->C_DecryptInit(s, &how, key);
    if (rv != CKR_OK) {
        return fail(p, diag, "the key cannot be used with AES-GCM", rv);
    }
    rv = j->seals ? p->f->C_Encrypt(s, j->in, j->in_n, j->out, &j->out_n)
                  : p->f->C_Decrypt(s, j->in, j->in_n, j->out, &j->out_n);
    if (rv != CKR_OK) {
        (void)fail(p, diag, j->seals ? "it does not encrypt" : "it does not decrypt", rv);
        return j->seals ? SH_E_IO : SH_E_DENIED;
    }
    return SH_OK;
}

static sh_err in_session(struct pkcs11 *p, struct job *j, struct sh_diag *diag)
{
    ck_slot_id_t slot = 0;
    ck_session_handle_t s = 0;
    ck_object_handle_t key = 0;
    SH_TRY(find_slot(p, &slot, diag));
    const ck_rv_t rv = p->f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &s);
    if (rv != CKR_OK) {
        return fail(p, diag, "no session with the token", rv);
    }
    sh_err err = log_in(p, s, diag);
    err = err != SH_OK ? err : find_key(p, s, &key, diag);
    err = err != SH_OK ? err : use_key(p, s, key, j, diag);
    (void)p->f->C_CloseSession(s); /* the last one of a token logs out */
    return err;
}

static sh_err run(struct pkcs11 *p, struct job *j, struct sh_diag *diag)
{
    sh_mutex_lock(&p->one);
    const sh_err err = in_session(p, j, diag);
    sh_mutex_unlock(&p->one);
    return err;
}

sh_err pkcs11_encrypt(struct pkcs11 *p, const uint8_t key[SH_KEY_BYTES], struct sh_buf *out)
{
    uint8_t wrap[WRAP];
    uint8_t plain[SH_KEY_BYTES];
    struct sh_diag diag = {0};
    SH_TRY(p->env->random->fill(p->env->random->ctx, wrap, PKCS11_NONCE));
    memcpy(plain, key, sizeof plain);
    struct job j = {.seals = true,
                    .nonce = wrap,
                    .in = plain,
                    .in_n = sizeof plain,
                    .out = wrap + PKCS11_NONCE,
                    .out_n = WRAP - PKCS11_NONCE};
    sh_err err = run(p, &j, &diag);
    sh_crypto_wipe(plain, sizeof plain);
    if (err == SH_OK && j.out_n != WRAP - PKCS11_NONCE) {
        err = SH_E_IO;
    }
    if (err != SH_OK) {
        sh_log(p->env->log, SH_LOG_ERROR, "crypto", "%s", diag.message);
        return err;
    }
    return sh_buf_put(out, wrap, sizeof wrap);
}

/* Modules may ask for room for the tag too. */
static sh_err decrypt(struct pkcs11 *p, struct sh_bytes wrap, uint8_t key[SH_KEY_BYTES],
                      struct sh_diag *diag)
{
    uint8_t copy[WRAP];
    uint8_t plain[WRAP] = {0};
    if (wrap.n != WRAP) {
        return SH_E_PROTO;
    }
    memcpy(copy, wrap.p, WRAP);
    struct job j = {.nonce = copy,
                    .in = copy + PKCS11_NONCE,
                    .in_n = WRAP - PKCS11_NONCE,
                    .out = plain,
                    .out_n = sizeof plain};
    sh_err err = run(p, &j, diag);
    err = err == SH_OK && j.out_n != SH_KEY_BYTES ? SH_E_DENIED : err;
    if (err == SH_OK) {
        memcpy(key, plain, SH_KEY_BYTES);
    }
    sh_crypto_wipe(plain, sizeof plain);
    return err;
}

sh_err pkcs11_decrypt(struct pkcs11 *p, struct sh_bytes wrap, uint8_t key[SH_KEY_BYTES])
{
    struct sh_diag diag = {0};
    const sh_err err = decrypt(p, wrap, key, &diag);
    if (err != SH_OK && err != SH_E_PROTO && err != SH_E_DENIED) {
        sh_log(p->env->log, SH_LOG_ERROR, "crypto", "%s", diag.message);
    }
    return err;
}

/* ---- opening ---- */

static sh_err load(struct pkcs11 *p, struct sh_diag *diag)
{
    ck_rv_t (*list)(struct ck_function_list **) = NULL;
    p->library = dlopen(p->uri.module, RTLD_NOW | RTLD_LOCAL);
    if (p->library == NULL) {
        sh_diag_at(diag, sh_str_c(p->uri.module), 0);
        const char *why = dlerror(); /* NOLINT(concurrency-mt-unsafe): of this thread in glibc */
        sh_diag_set(diag, "The PKCS #11 module cannot be loaded: %.200s.", why);
        sh_diag_remedy(diag, "Install the module of the token's maker, for this architecture.");
        return SH_E_NOTFOUND;
    }
    void *symbol = dlsym(p->library, "C_GetFunctionList");
    memcpy(&list, &symbol, sizeof list);
    struct ck_c_initialize_args args = {.flags = CKF_OS_LOCKING_OK};
    struct ck_function_list *f = NULL;
    if (list == NULL || list(&f) != CKR_OK || f == NULL || f->version.major != 2) {
        return fail(p, diag, "it is not a PKCS #11 module of version 2", 0);
    }
    const ck_rv_t rv = f->C_Initialize(&args);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        return fail(p, diag, "it cannot be started", rv);
    }
    p->f = f;
    return SH_OK;
}

/* What it wraps it opens: found out before anything depends on it. */
static sh_err prove(struct pkcs11 *p, struct sh_diag *diag)
{
    uint8_t wrap[WRAP] = {0};
    uint8_t plain[SH_KEY_BYTES] = {1};
    uint8_t back[SH_KEY_BYTES] = {0};
    SH_TRY(p->env->random->fill(p->env->random->ctx, wrap, PKCS11_NONCE));
    struct job j = {.seals = true,
                    .nonce = wrap,
                    .in = plain,
                    .in_n = sizeof plain,
                    .out = wrap + PKCS11_NONCE,
                    .out_n = WRAP - PKCS11_NONCE};
    SH_TRY(run(p, &j, diag));
    if (j.out_n != WRAP - PKCS11_NONCE ||
        decrypt(p, sh_bytes_of(wrap, sizeof wrap), back, diag) != SH_OK ||
        memcmp(back, plain, sizeof back) != 0) {
        return fail(p, diag, "what the key encrypts it does not decrypt", 0);
    }
    return SH_OK;
}

sh_err pkcs11_open(const struct sh_env *env, const struct pkcs11_uri *uri, struct pkcs11 **out,
                   struct sh_diag *diag)
{
    struct pkcs11 *p = sh_mem_new(env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->env = env;
    p->uri = *uri;
    sh_mutex_init(&p->one);
    sh_err err = load(p, diag);
    err = err != SH_OK ? err : prove(p, diag);
    if (err != SH_OK) {
        pkcs11_close(p);
        return err;
    }
    *out = p;
    return SH_OK;
}

void pkcs11_close(struct pkcs11 *p)
{
    if (p == NULL) {
        return;
    }
    if (p->f != NULL) {
        (void)p->f->C_Finalize(NULL);
    }
    if (p->library != NULL) {
        (void)dlclose(p->library);
    }
    sh_mutex_fini(&p->one);
    sh_mem_free(p->env->alloc, p);
}
