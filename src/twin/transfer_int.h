/* transfer_int.h - shared by bulk import and export of devices and of models.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TWIN_TRANSFER_INT_H
#define SH_TWIN_TRANSFER_INT_H

#include "twin_int.h"

enum {
    MAX_BODY = 64 << 20,
    MAX_COLUMNS = 256,
    MAX_REJECTED = 10000,
    MAX_ROWS = 1000000,
    ROW_ARENA = 4 << 20,
    MAX_LABEL_KEYS = 200,
    MAX_MODELS_TOLD = 8 << 20 /* bytes of what a dry run of models tells */
};

struct pending {
    struct sh_str id; /* owned */
    json_t *doc;
    bool fresh;
};

struct twin_import {
    struct sh_twin *t;
    uint32_t tenant;
    bool dry_run;
    const struct sh_twin_import *how;
    struct sh_str author;
    uint64_t created;
    uint64_t updated;
    uint64_t unchanged; /* models */
    uint64_t nrejected;
    struct sh_buf rejected; /* the list's members */
    struct sh_jw w;
    struct sh_buf models; /* members of the list "models" of a dry run; empty: none */
    json_t *drafts;       /* models of this dry run by id */
    bool things;          /* models, not devices */
    struct sh_map seen;   /* ids of this file */
    struct pending rows[TWIN_TX_ROWS];
    size_t n;
    int room; /* new devices among rows, for which the quota gave room */
    struct sh_record_tx *tx;
    struct sh_buf text;
};

/* Notes one bad row. */
void twin_reject(struct twin_import *m, int row, struct sh_str column, const char *code,
                 const char *detail);
sh_err twin_import_init(struct twin_import *m);
void twin_import_fini(struct twin_import *m);
sh_err twin_import_report(struct twin_import *m, struct sh_jw *w);
/* The body as UTF-8. *buf is made when its alloc is not NULL afterwards. */
sh_err twin_decode(const struct sh_twin *t, struct sh_bytes body, const struct sh_twin_import *how,
                   struct sh_buf *buf, struct sh_str *text, struct sh_diag *diag);
sh_err twin_parse_array(struct sh_str text, json_t **out, struct sh_diag *diag);

#endif /* SH_TWIN_TRANSFER_INT_H */
