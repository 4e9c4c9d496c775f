/* target.c - the address of an SFTP server and its host key, as they are typed; which copies go.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "remote_int.h"

/* ---- sftp://user@host:port/folder (RFC 3986; draft-ietf-secsh-scp-sftp-ssh-uri) ---- */

static sh_err bad(struct sh_diag *diag, const char *what)
{
    sh_diag_set(diag, "the address of the SFTP server is not usable: %s", what);
    sh_diag_remedy(diag, "write it as sftp://user@host:22/folder, or sftp://user@host/~/folder for "
                         "a folder in the user's home");
    return SH_E_INVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* %XX becomes a byte; control characters are refused. */
static bool decode(struct sh_str s, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned c = (unsigned char)s.p[i];
        if (c == '%') {
            const int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            const int lo = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                return false;
            }
            c = (unsigned)(hi * 16 + lo);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= cap) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool copy(struct sh_str s, char *out, size_t cap)
{
    if (s.n == 0 || s.n >= cap) {
        return false;
    }
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool host_ok(struct sh_str h)
{
    for (size_t i = 0; i < h.n; i++) {
        const char c = h.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || c == '_' || c == ':' || (unsigned char)c >= 0x80)) {
            return false;
        }
    }
    return h.n > 0 && h.p[0] != '-';
}

/* "host", "host:port", "[::1]", "[::1]:port" */
static bool place(struct sh_str s, struct ops_target *t)
{
    struct sh_str host;
    struct sh_str port = {NULL, 0};
    if (s.n > 0 && s.p[0] == '[') {
        struct sh_str rest = {NULL, 0};
        host = sh_str_cut(sh_str_of(s.p + 1, s.n - 1), ']', &rest);
        if (rest.p == NULL || (rest.n > 0 && rest.p[0] != ':')) {
            return false;
        }
        port = rest.n > 0 ? sh_str_of(rest.p + 1, rest.n - 1) : port;
    } else {
        host = sh_str_cut(s, ':', &port);
        for (size_t i = 0; i < port.n; i++) {
            if (port.p[i] == ':') {
                return false; /* an IPv6 address without brackets */
            }
        }
    }
    uint64_t n = 22;
    if (port.n > 0 && (sh_u64_parse(port, &n) != SH_OK || n == 0 || n > 65535)) {
        return false;
    }
    (void)snprintf(t->port, sizeof t->port, "%u", (unsigned)(n & 0xffff));
    return host_ok(host) && copy(host, t->host, sizeof t->host);
}

/* "/a/b/" -> "/a/b"; "/~/a" -> "a" */
static bool folder(struct sh_str s, struct ops_target *t)
{
    char path[SH_REMOTE_URL];
    while (s.n > 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    if (sh_str_eqc(s, "/~")) {
        return false; /* the home itself */
    }
    if (sh_str_starts(s, SH_STR("/~/"))) {
        s = sh_str_of(s.p + 3, s.n - 3);
    }
    if (!decode(s, path, sizeof path)) {
        return false;
    }
    struct sh_str rest = sh_str_c(path);
    while (rest.p != NULL) {
        struct sh_str more = {NULL, 0};
        if (sh_str_eqc(sh_str_cut(rest, '/', &more), "..")) {
            return false;
        }
        rest = more;
    }
    memcpy(t->folder, path, sizeof path);
    return true;
}

sh_err ops_target_parse(struct sh_str url, struct ops_target *out, struct sh_diag *diag)
{
    const struct sh_str scheme = SH_STR("sftp://");
    *out = (struct ops_target){.port = "22"};
    if (!sh_str_starts(url, scheme)) {
        return bad(diag, "it does not begin with sftp://");
    }
    const struct sh_str all = sh_str_of(url.p + scheme.n, url.n - scheme.n);
    struct sh_str path = {NULL, 0};
    const struct sh_str authority = sh_str_cut(all, '/', &path);
    struct sh_str where = {NULL, 0};
    struct sh_str password = {NULL, 0};
    const struct sh_str user = sh_str_cut(sh_str_cut(authority, '@', &where), ':', &password);
    if (where.p == NULL || !decode(user, out->user, sizeof out->user)) {
        return bad(diag, "there is no user before an @");
    }
    if (password.p != NULL) {
        return bad(diag, "a password does not belong in it; use the password file");
    }
    if (!place(where, out)) {
        return bad(diag, "host or port cannot be read");
    }
    if (path.p == NULL || path.n == 0 ||
        !folder(sh_str_of(path.p - 1, path.n + 1), out)) { /* with its slash */
        return bad(diag, "it names no folder, or one with .. or control characters");
    }
    return SH_OK;
}

sh_err sh_remote_url_check(struct sh_str url, struct sh_diag *diag)
{
    struct ops_target t;
    return url.n == 0 ? SH_OK : ops_target_parse(url, &t, diag);
}

/* ---- host keys ---- */

static bool known_type(struct sh_str s)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "ssh-rsa"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (sh_str_eqc(s, types[i])) {
            return true;
        }
    }
    return false;
}

static sh_err fingerprint_parse(const struct sh_env *env, struct sh_str text,
                                struct ops_host_key *out)
{
    char padded[48];
    struct sh_buf raw;
    if (text.n != 43 && !(text.n == 44 && text.p[43] == '=')) {
        return SH_E_INVAL;
    }
    (void)snprintf(padded, sizeof padded, "%.43s=", text.p);
    sh_buf_init(&raw, env->alloc, 64);
    sh_err err = sh_base64_parse(sh_str_c(padded), false, &raw);
    if (err == SH_OK && raw.n == SH_HASH_BYTES) {
        memcpy(out->sha256, raw.p, SH_HASH_BYTES);
    } else {
        err = SH_E_INVAL;
    }
    sh_buf_fini(&raw);
    return err;
}

/* The blob says its type itself: u32 length, text (RFC 4253, 6.6). */
static sh_err blob_parse(const struct sh_env *env, const struct sh_crypto *crypto,
                         struct sh_str type, struct sh_str b64, struct ops_host_key *out)
{
    struct sh_buf raw;
    sh_buf_init(&raw, env->alloc, SH_REMOTE_HOST_KEY);
    sh_err err = sh_base64_parse(b64, false, &raw);
    if (err == SH_OK && (raw.n < 4 + type.n || sh_be32(raw.p) != type.n ||
                         memcmp(raw.p + 4, type.p, type.n) != 0)) {
        err = SH_E_INVAL;
    }
    if (err == SH_OK) {
        const struct sh_bytes all = sh_buf_bytes(&raw);
        err =
            crypto == NULL ? SH_OK : sh_crypto_hash(crypto, SH_DIGEST_SHA256, &all, 1, out->sha256);
        (void)snprintf(out->type, sizeof out->type, "%.*s", SH_PRI(type));
    }
    sh_buf_fini(&raw);
    return err;
}

sh_err ops_host_key_parse(const struct sh_env *env, const struct sh_crypto *crypto,
                          struct sh_str text, struct ops_host_key *out, struct sh_diag *diag)
{
    const struct sh_str mark = SH_STR("SHA256:");
    struct sh_str rest = sh_str_trim(text);
    sh_err err = SH_E_INVAL;
    *out = (struct ops_host_key){.type = ""};
    if (sh_str_starts(rest, mark)) {
        err = fingerprint_parse(env, sh_str_of(rest.p + mark.n, rest.n - mark.n), out);
    } else if (rest.n > 0 && rest.p[0] != '@') { /* @revoked, @cert-authority */
        while (rest.p != NULL && err == SH_E_INVAL) {
            struct sh_str more = {NULL, 0};
            struct sh_str unused;
            const struct sh_str word = sh_str_cut(rest, ' ', &more);
            if (known_type(word) && more.p != NULL) {
                err =
                    blob_parse(env, crypto, word, sh_str_cut(sh_str_trim(more), ' ', &unused), out);
                break;
            }
            rest = more;
        }
    }
    if (err != SH_OK && err != SH_E_NOMEM) {
        err = SH_E_INVAL;
        sh_diag_set(diag, "the SFTP server's host key cannot be read");
        sh_diag_remedy(diag, "write its fingerprint, SHA256:..., as ssh-keygen -lf "
                             "/etc/ssh/ssh_host_ed25519_key.pub shows it on the server, or the "
                             "line of known_hosts");
    }
    return err;
}

sh_err sh_remote_host_key_check(struct sh_str key, struct sh_diag *diag)
{
    const struct sh_env env = sh_env_system();
    struct ops_host_key k;
    return sh_str_trim(key).n == 0 ? SH_OK : ops_host_key_parse(&env, NULL, key, &k, diag);
}

void ops_fingerprint(const uint8_t sha256[SH_HASH_BYTES], char out[OPS_FINGERPRINT])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = (size_t)snprintf(out, OPS_FINGERPRINT, "SHA256:");
    for (size_t bit = 0; bit < (size_t)SH_HASH_BYTES * 8; bit += 6) {
        const size_t at = bit / 8;
        const unsigned pair =
            (unsigned)sha256[at] << 8 | (at + 1 < SH_HASH_BYTES ? sha256[at + 1] : 0U);
        out[n++] = letters[pair >> (10 - bit % 8) & 63];
    }
    out[n] = '\0';
}

/* ---- which copies go ---- */

size_t ops_remote_surplus(const struct sh_remote_copy *copies, size_t n, uint32_t keep,
                          const char *just)
{
    size_t go = keep == 0 || n <= keep ? 0 : n - keep;
    for (size_t i = 0; i < go; i++) {
        if (strcmp(copies[i].id, just) >= 0) {
            go = i;
        }
    }
    return go;
}
