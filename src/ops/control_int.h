/* control_int.h - the judges of the self check's controls (judge.c), for the table (controls.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_OPS_CONTROL_INT_H
#define SH_OPS_CONTROL_INT_H

#include <sh/security.h>

/* Writes state and evidence. Pure. */
typedef void ops_judge(const struct sh_security_facts *f, struct sh_control_found *out);

ops_judge judge_first_password, judge_second_factor, judge_password_rules, judge_password_age,
    judge_lockout, judge_session_limits, judge_confirmation, judge_separated, judge_providers,
    judge_cert_doors, judge_idle_people, judge_endless_tokens, judge_powerful_tokens,
    judge_unused_tokens, judge_anonymous, judge_device_certificates, judge_in_clear,
    judge_listeners, judge_tls_version, judge_certificate, judge_zones, judge_key_files,
    judge_data_folder, judge_secrets_at_rest, judge_master_key, judge_key_age, judge_key_sheet,
    judge_data_classes, judge_samples_at_rest, judge_algorithms, judge_integrity, judge_chain,
    judge_checkpoint, judge_audit_kept, judge_audit_lost, judge_audit_forward, judge_clock_kept,
    judge_backup_age, judge_rehearsal, judge_disk_marks, judge_overload, judge_redundancy,
    judge_not_root, judge_new_privileges, judge_capabilities, judge_seccomp, judge_core_dumps,
    judge_input, judge_web, judge_read_only, judge_tenants, judge_updates, judge_malware;

#endif /* SH_OPS_CONTROL_INT_H */
