/* log.h - the bytes of a log file. Pure functions: no I/O, no clock, no heap, re-entrant.
 *
 * File (little-endian): a header block of 4096 bytes, then groups, each at a multiple of 4096.
 *   header  "SHJRNL\r\n" u32 version=1 u32 crc u64 file_id u64 number u32 recycled u32 0
 *           crc = CRC-32C of the 40 bytes with the crc field zero
 *   group   u32 "SHJG" u32 header_crc (bytes 8..63) u64 file_id u64 first_seq u64 prev_seq
 *           u32 records u32 body_len u32 body_crc, zeros up to 64; then the body
 *   record  u32 len, u8 owner, u8 kind, u16 0, bytes, zeros up to a multiple of 8
 * Record i of a group has sequence first_seq + i. prev_seq is the last sequence of the group
 * written before, in whatever file: a gap that was no failed write shows. file_id is random, so
 * that groups of a recycled file's former life are not taken for its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_JOURNAL_LOG_H
#define SH_JOURNAL_LOG_H

#include <sh/base.h>

enum { LOG_BLOCK = 4096, LOG_GROUP_HEAD = 64, LOG_RECORD_HEAD = 8, LOG_FILE_HEAD = 40 };

struct log_file_head {
    uint64_t file_id;
    uint64_t number;
    uint32_t recycled;
};
/* Writes LOG_BLOCK bytes. */
void log_file_head_write(const struct log_file_head *h, uint8_t out[LOG_BLOCK]);
/* SH_E_CORRUPT, or SH_E_UNSUPPORTED for a later version. */
SH_MUST_CHECK sh_err log_file_head_read(struct sh_bytes file, struct log_file_head *out);

struct log_group {
    uint64_t file_id;
    uint64_t first_seq;
    uint64_t prev_seq;
    uint32_t records;
    uint32_t body_len;
    uint32_t body_crc;
};
static inline size_t log_block_align(size_t n)
{
    return (n + LOG_BLOCK - 1) / LOG_BLOCK * LOG_BLOCK;
}
static inline size_t log_record_size(size_t len)
{
    return (LOG_RECORD_HEAD + len + 7) / 8 * 8;
}
/* Writes the LOG_GROUP_HEAD bytes in front of a body; body_crc is computed. */
void log_group_write(struct log_group g, uint8_t *group);
/* Reads the header at the start of `in` and checks the body's crc.
 * SH_OK; SH_E_AGAIN the header is good but the body is not whole (*out is set); SH_E_CORRUPT. */
SH_MUST_CHECK sh_err log_group_read(struct sh_bytes in, struct log_group *out);

struct log_record {
    uint8_t owner;
    uint8_t kind;
    struct sh_bytes data;
};
void log_record_head_write(uint8_t *p, uint32_t len, uint8_t owner, uint8_t kind);
/* Takes the next record off *body. SH_E_CORRUPT when it does not fit. */
SH_MUST_CHECK sh_err log_record_read(struct sh_rd *body, struct log_record *out);

#endif /* SH_JOURNAL_LOG_H */
