/* log.c - see log.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

enum { LOG_VERSION = 1, LOG_GROUP_MAGIC = 0x474a4853 }; /* "SHJG" */

static const uint8_t file_magic[8] = {'S', 'H', 'J', 'R', 'N', 'L', '\r', '\n'};

void log_file_head_write(const struct log_file_head *h, uint8_t out[LOG_BLOCK])
{
    memset(out, 0, LOG_BLOCK);
    memcpy(out, file_magic, sizeof file_magic);
    sh_put_le32(out + 8, LOG_VERSION);
    sh_put_le64(out + 16, h->file_id);
    sh_put_le64(out + 24, h->number);
    sh_put_le32(out + 32, h->recycled);
    sh_put_le32(out + 12, sh_crc32c(0, out, LOG_FILE_HEAD));
}

sh_err log_file_head_read(struct sh_bytes file, struct log_file_head *out)
{
    if (file.n < LOG_FILE_HEAD || memcmp(file.p, file_magic, sizeof file_magic) != 0) {
        return SH_E_CORRUPT;
    }
    uint8_t head[LOG_FILE_HEAD];
    memcpy(head, file.p, sizeof head);
    sh_put_le32(head + 12, 0);
    if (sh_crc32c(0, head, sizeof head) != sh_le32(file.p + 12)) {
        return SH_E_CORRUPT;
    }
    if (sh_le32(head + 8) != LOG_VERSION) {
        return SH_E_UNSUPPORTED;
    }
    *out = (struct log_file_head){.file_id = sh_le64(head + 16),
                                  .number = sh_le64(head + 24),
                                  .recycled = sh_le32(head + 32)};
    return SH_OK;
}

void log_group_write(struct log_group g, uint8_t *group)
{
    memset(group, 0, LOG_GROUP_HEAD);
    sh_put_le32(group, LOG_GROUP_MAGIC);
    sh_put_le64(group + 8, g.file_id);
    sh_put_le64(group + 16, g.first_seq);
    sh_put_le64(group + 24, g.prev_seq);
    sh_put_le32(group + 32, g.records);
    sh_put_le32(group + 36, g.body_len);
    sh_put_le32(group + 40, sh_crc32c(0, group + LOG_GROUP_HEAD, g.body_len));
    sh_put_le32(group + 4, sh_crc32c(0, group + 8, LOG_GROUP_HEAD - 8));
}

sh_err log_group_read(struct sh_bytes in, struct log_group *out)
{
    if (in.n < LOG_GROUP_HEAD || sh_le32(in.p) != LOG_GROUP_MAGIC ||
        sh_crc32c(0, in.p + 8, LOG_GROUP_HEAD - 8) != sh_le32(in.p + 4)) {
        return SH_E_CORRUPT;
    }
    *out = (struct log_group){.file_id = sh_le64(in.p + 8),
                              .first_seq = sh_le64(in.p + 16),
                              .prev_seq = sh_le64(in.p + 24),
                              .records = sh_le32(in.p + 32),
                              .body_len = sh_le32(in.p + 36),
                              .body_crc = sh_le32(in.p + 40)};
    if (out->records == 0 || out->first_seq == 0 || out->first_seq <= out->prev_seq ||
        out->first_seq > UINT64_MAX - out->records) {
        return SH_E_CORRUPT;
    }
    if (out->body_len > in.n - LOG_GROUP_HEAD ||
        sh_crc32c(0, in.p + LOG_GROUP_HEAD, out->body_len) != out->body_crc) {
        return SH_E_AGAIN;
    }
    return SH_OK;
}

void log_record_head_write(uint8_t *p, uint32_t len, uint8_t owner, uint8_t kind)
{
    sh_put_le32(p, len);
    p[4] = owner;
    p[5] = kind;
    p[6] = 0;
    p[7] = 0;
}

sh_err log_record_read(struct sh_rd *body, struct log_record *out)
{
    const size_t left = sh_rd_left(body);
    if (left < LOG_RECORD_HEAD) {
        return SH_E_CORRUPT;
    }
    const uint32_t len = sh_le32(body->p);
    if (len > left - LOG_RECORD_HEAD || log_record_size(len) > left) {
        return SH_E_CORRUPT;
    }
    *out = (struct log_record){
        .owner = body->p[4], .kind = body->p[5], .data = {body->p + LOG_RECORD_HEAD, len}};
    body->p += log_record_size(len);
    return SH_OK;
}
