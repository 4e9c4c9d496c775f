/* rehearse.h - is a backup good? It is restored beside itself, opened with objects of its own, and
 * compared with what its manifest says and with the living history.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_REHEARSE_H
#define SH_REHEARSE_H

#include <sh/backup.h>

struct sh_rehearsal_options {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const char *folder; /* of backups; the trial is made in it and removed */
    const char *id;
    struct sh_history *history; /* living; NULL: values are not compared */
    uint64_t rate;
    unsigned reserve;
    struct sh_backup_progress *progress; /* may be NULL */
};
struct sh_rehearsal {
    bool good;
    int64_t started_us;
    int64_t finished_us;
    uint64_t files;
    uint64_t samples;        /* found */
    uint64_t samples_stated; /* by the manifest; 0 = not counted */
    uint64_t points;
    uint64_t records; /* current ones */
    uint64_t devices;
    uint64_t last_seq;
    uint64_t compared; /* values that are the living history's */
    uint64_t changed;  /* points that took samples since; their differences are no fault */
    char text[200];    /* what is wrong */
};
/* Writes FOLDER/ID/report.json too. SH_OK: done, out->good says what came out; an error: it could
 * not be done (SH_E_CANCELED, SH_E_FULL, SH_E_NOMEM ...), no report is written. */
SH_MUST_CHECK sh_err sh_rehearse(const struct sh_rehearsal_options *o, struct sh_rehearsal *out,
                                 struct sh_diag *diag);
/* Reads the report beside a backup. SH_E_NOTFOUND: it was not rehearsed. */
SH_MUST_CHECK sh_err sh_rehearsal_read(const struct sh_env *env, const char *backup,
                                       struct sh_rehearsal *out);

#endif /* SH_REHEARSE_H */
