/* ops_int.h - what the files of ops share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_OPS_INT_H
#define SH_OPS_INT_H

#include <sh/backup.h>
#include <sh/rehearse.h>

enum {
    OPS_PATH = 1024,
    OPS_REL = 200, /* bytes of a path inside data/ */
    OPS_CHUNK = 256 << 10,
    OPS_ENTRIES = 1 << 24 /* of one folder */
};
#define OPS_MANIFEST_MAX ((size_t)1 << 30)

/* ---- tree.c: folders ---- */

/* "a/b" in out; SH_E_LIMIT when it is too long. */
SH_MUST_CHECK sh_err ops_join(char out[OPS_PATH], const char *a, const char *b);
struct ops_entry {
    const char *name;
    bool is_dir;
};
struct ops_names {
    struct sh_arena *arena;
    struct ops_entry *p;
    size_t n;
    size_t cap;
};
/* The entries of a folder by name; none when it is missing. Free with ops_names_free. */
SH_MUST_CHECK sh_err ops_names_read(const struct sh_env *env, const char *path,
                                    struct ops_names *out);
void ops_names_free(const struct sh_env *env, struct ops_names *l);
/* Calls fn for each file below path, depth first, by name; rel is relative to path. Folders deeper
 * than four levels are left out. */
SH_MUST_CHECK sh_err ops_tree_files(const struct sh_env *env, const char *path,
                                    sh_err (*fn)(void *ctx, const char *rel), void *ctx);
/* Makes the names in path and all folders below durable. */
SH_MUST_CHECK sh_err ops_tree_sync(const struct sh_env *env, const char *path);
/* Removes path and all in it; SH_OK when it is not there. */
SH_MUST_CHECK sh_err ops_tree_remove(const struct sh_env *env, const char *path);
bool ops_exists(const struct sh_env *env, const char *path);

/* ---- copy.c: bytes from here to there, hashed, counted and not too fast ---- */

/* A file or bytes in memory. */
struct ops_source {
    const char *path; /* NULL: bytes */
    struct sh_bytes bytes;
    uint64_t limit; /* of a file: not more than this; UINT64_MAX */
};
struct ops_copier {
    const struct sh_env *env;
    struct sh_hasher *hasher;
    uint8_t *buf;
    struct sh_backup_progress *progress; /* may be NULL */
    uint64_t rate;
    uint64_t moved;
    int64_t since_us;
    struct sh_mutex lock; /* only to wait with */
    struct sh_cond cond;
};
SH_MUST_CHECK sh_err ops_copier_init(struct ops_copier *c, const struct sh_env *env,
                                     const struct sh_crypto *crypto);
void ops_copier_fini(struct ops_copier *c);
/* n bytes went by: waits for the rate. SH_E_CANCELED. */
SH_MUST_CHECK sh_err ops_copier_pace(struct ops_copier *c, uint64_t n);
/* Size of what would be copied. */
SH_MUST_CHECK sh_err ops_source_size(const struct sh_env *env, const struct ops_source *s,
                                     uint64_t *out);
/* Reads all of it; writes it to `to` (a new file, synced) unless that is NULL. */
SH_MUST_CHECK sh_err ops_copy(struct ops_copier *c, const struct ops_source *s, const char *to,
                              uint64_t *size, uint8_t hash[SH_HASH_BYTES]);

/* ---- manifest.c ---- */

struct ops_file {
    const char *path;
    uint64_t size;
    uint8_t hash[SH_HASH_BYTES];
};
struct ops_manifest {
    const struct sh_alloc *alloc;
    json_t *doc; /* the paths lie in it */
    struct sh_backup_info info;
    struct ops_file *files; /* by path */
    size_t n;
};
/* A path that a manifest may name: one of ours, without tricks. */
bool ops_rel_ok(struct sh_str path);
/* Reads and checks the text. SH_E_CORRUPT, SH_E_UNSUPPORTED (then out->info.format says which),
 * SH_E_NOMEM. *out must be freed also after an error. */
SH_MUST_CHECK sh_err ops_manifest_parse(const struct sh_env *env, const struct sh_crypto *crypto,
                                        struct sh_str text, struct ops_manifest *out);
/* The same from backup/manifest.json. */
SH_MUST_CHECK sh_err ops_manifest_read(const struct sh_env *env, const struct sh_crypto *crypto,
                                       const char *backup, struct ops_manifest *out,
                                       struct sh_diag *diag);
void ops_manifest_free(struct ops_manifest *m);
const struct ops_file *ops_manifest_find(const struct ops_manifest *m, const char *path);
/* Writes the text; files in any order. */
SH_MUST_CHECK sh_err ops_manifest_write(const struct sh_crypto *crypto,
                                        const struct sh_backup_info *i,
                                        const struct ops_file *files, size_t n, struct sh_buf *out);

/* ---- rehearse.c ---- */

/* Opens the data folder that was restored from that backup, and closes it again: does all that the
 * manifest states come out? out->good and text say what was found; an error: it could not be tried.
 */
SH_MUST_CHECK sh_err ops_look(const struct sh_env *env, const char *dir,
                              const struct sh_backup_info *info, struct sh_rehearsal *out);

/* ---- keybox.c: keys/ under a passphrase ---- */

/* Seals the files of dir/keys. SH_E_NOTFOUND: there is none. */
SH_MUST_CHECK sh_err ops_keys_seal(const struct sh_backup_options *o, struct sh_buf *out);
/* Opens the box and calls fn for each file. SH_E_CORRUPT not a box of ours; SH_E_DENIED another
 * passphrase, or changed. */
SH_MUST_CHECK sh_err ops_keys_open(const struct sh_env *env, const struct sh_crypto *crypto,
                                   struct sh_bytes box, struct sh_str passphrase,
                                   sh_err (*fn)(void *ctx, struct sh_str name,
                                                struct sh_bytes data),
                                   void *ctx);
/* The plain text inside: u8 length, name, u32 length, bytes; repeated. For the fuzz target too. */
SH_MUST_CHECK sh_err ops_keys_read(struct sh_bytes plain,
                                   sh_err (*fn)(void *ctx, struct sh_str name,
                                                struct sh_bytes data),
                                   void *ctx);
#define OPS_KEYS_FILE "keys.sealed"
enum { OPS_KEY_MAX = 1 << 20 }; /* bytes of a file in keys/ */
/* Does a file of keys/ go along? */
bool ops_keys_wanted(const struct ops_entry *e);

#endif /* SH_OPS_INT_H */
