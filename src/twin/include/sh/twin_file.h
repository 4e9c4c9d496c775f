/* twin_file.h - files that belong to devices, assets and thing models: manuals, drawings, pictures.
 *
 * A file is a record of kind "_file" that holds one reference to a blob (record.h), in one
 * transaction: {"of","owner","name","media","kind","note","hash","size","by","time","edited"?,
 * "deleted"?}. Which files an owner has is also held in memory. A file follows its device when that
 * is renamed. A deleted file stays for SH_TWIN_FILE_GRACE_US, is counted, and can be brought back.
 *
 * Threads: any thread; all but sh_twin_files_use block. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_FILE_H
#define SH_TWIN_FILE_H

#include <sh/twin.h>

enum {
    SH_TWIN_FILES_OF = 1000,    /* of one owner */
    SH_TWIN_FILES_ALL = 100000, /* of a tenant */
    SH_TWIN_FILE_NAME = 200,    /* bytes */
    SH_TWIN_FILE_NOTE = 2000    /* bytes */
};
#define SH_TWIN_FILE_GRACE_US INT64_C(604800000000) /* seven days */
enum sh_twin_of { SH_TWIN_OF_DEVICE, SH_TWIN_OF_ASSET, SH_TWIN_OF_THING };
#define SH_TWIN_KIND_FILE SH_STR("_file")

struct sh_twin_owner {
    uint32_t tenant;
    enum sh_twin_of of;
    struct sh_str id; /* of a device: an alias is found too */
};
struct sh_twin_file {
    struct sh_str id;
    struct sh_str name;
    struct sh_str media;
    struct sh_str kind; /* manual drawing certificate photo report other */
    struct sh_str note;
    struct sh_str hash; /* SHA-256 in hex */
    uint64_t size;
    struct sh_str by;
    int64_t time_us;
    struct sh_str edited_by; /* empty: never */
    int64_t edited_us;
    struct sh_str deleted_by;
    int64_t deleted_us; /* 0: it is not deleted */
    uint64_t rev;
    bool fresh; /* sh_twin_file_add only: its content was stored just now, and is counted with it */
};

/* Is there such an owner, and can it have files? The platform's shared thing models can not:
 * SH_E_UNSUPPORTED. SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_twin_owner_check(struct sh_twin *t, const struct sh_twin_owner *o);
bool sh_twin_file_kind(struct sh_str word);
/* 1..SH_TWIN_FILE_NAME bytes of UTF-8 without controls and slashes, and not dots alone. */
bool sh_twin_file_name(struct sh_str name);
/* Newest first, in the arena: those that are there, or the deleted ones. SH_E_NOTFOUND: no such
 * owner. */
SH_MUST_CHECK sh_err sh_twin_files(struct sh_twin *t, const struct sh_twin_owner *o, bool deleted,
                                   struct sh_arena *ar, struct sh_twin_file **out, size_t *n);
/* SH_E_NOTFOUND: also when it is another owner's, and when it is deleted (sh_twin_file_deleted:
 * when it is not). */
SH_MUST_CHECK sh_err sh_twin_file_get(struct sh_twin *t, const struct sh_twin_owner *o,
                                      struct sh_str id, struct sh_arena *ar,
                                      struct sh_twin_file *out);
SH_MUST_CHECK sh_err sh_twin_file_deleted(struct sh_twin *t, const struct sh_twin_owner *o,
                                          struct sh_str id, struct sh_arena *ar,
                                          struct sh_twin_file *out);
/* Of f: name, media, kind, note, hash, size; the blob is the tenant's. *out is in the arena.
 * SH_E_EXISTS: the owner has this content by this name already, *out is that one (so a repeated
 * upload does no harm). SH_E_LIMIT, SH_E_INVAL, SH_E_NOTFOUND, SH_E_UNSUPPORTED. */
SH_MUST_CHECK sh_err sh_twin_file_add(struct sh_twin *t, const struct sh_twin_owner *o,
                                      const struct sh_twin_file *f, struct sh_str author,
                                      struct sh_arena *ar, struct sh_twin_file *out);
/* Name, kind and note; those with p == NULL stay. */
struct sh_twin_file_change {
    struct sh_str id, name, kind, note;
    uint64_t expect;
    struct sh_str author;
};
SH_MUST_CHECK sh_err sh_twin_file_change(struct sh_twin *t, const struct sh_twin_owner *o,
                                         const struct sh_twin_file_change *c, struct sh_arena *ar,
                                         struct sh_twin_file *out);
/* Deletes a file that is there, or (back) brings a deleted one back: SH_E_EXISTS the owner has the
 * same again, SH_E_LIMIT it has as many as it may. SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_twin_file_delete(struct sh_twin *t, const struct sh_twin_owner *o,
                                         struct sh_str id, bool back, struct sh_str author,
                                         struct sh_arena *ar, struct sh_twin_file *out);
/* Removes those whose time of grace is over, and tells what the tenant uses less. */
SH_MUST_CHECK sh_err sh_twin_files_expire(struct sh_twin *t,
                                          void (*freed)(void *ctx, uint32_t tenant, uint64_t bytes),
                                          void *ctx, uint64_t *removed);
/* For good, whether deleted or not. *size gets what the tenant uses less. */
SH_MUST_CHECK sh_err sh_twin_file_remove(struct sh_twin *t, const struct sh_twin_owner *o,
                                         struct sh_str id, struct sh_str author, uint64_t *size);
/* All files of an owner that is no more. */
SH_MUST_CHECK sh_err sh_twin_files_drop(struct sh_twin *t, const struct sh_twin_owner *o,
                                        struct sh_str author, uint64_t *bytes);
/* At the start: files whose owner is no more (a crash came between). */
SH_MUST_CHECK sh_err sh_twin_files_sweep(struct sh_twin *t, uint64_t *removed);
/* What the files of a tenant use: each file counts, also when its content is stored once. */
void sh_twin_files_use(struct sh_twin *t, uint32_t tenant, uint64_t *files, uint64_t *bytes);

#endif /* SH_TWIN_FILE_H */
