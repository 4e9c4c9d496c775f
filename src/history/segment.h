/* segment.h - a segment: an immutable file of blocks with an index. Layout (little-endian):
 *
 *   header   "SHSEG1\r\n" u32 version=4 u32 crc (of the 40 bytes with this field zero) u64 id
 *            u64 seq_min u64 seq_max
 *   blocks   block.h, each padded to a multiple of 4; ascending by point, then time
 *   metas    per series: u32 crc of what follows, then per block: u8 flags (META_ in
 * segment_int.h), varint gap (offset - end of the last one, in the file), varint size, varint
 * count, zigzag varint t_first - last t_last (first: - 0), varint t_last - t_first, varint summary
 * bytes, summary (summary.h); the flags say what is left out. Version 1, which is read too, has no
 * flags and leaves nothing out. Before them, when the directory says so: the section of the series'
 * roll-ups (roll.h) and u32 its bytes; where these are finer than blocks, blocks have no summary.
 *   dir      per series 24 bytes: u32 point, u8 type, u8 flags (1: roll-ups), u16 0, u32 blocks,
 * u32 meta bytes (crc included), u64 meta offset; ascending by point replaces u64 ids of the
 * segments that this one (with all parts of its group) replaces footer   128 bytes: "SHSEGF1\n" u32
 * version=4 u32 crc (with this field zero) u64 id u64 dir_off u32 series u32 dir_crc i64 t_min i64
 * t_max u64 seq_min u64 seq_max u64 samples u64 group u32 part u32 parts u64 replaces_off u32
 * replaces u32 replaces_crc u32 flags (1 = unsplit: over several partitions, 2 = cold, 4 = roll-ups
 * were made where they are worth it), zeros
 *
 * A segment holds what arrived with journal sequences seq_min..seq_max; of two samples of one time
 * and equal quality class the one of the segment with the greater (seq_max, id) is newer.
 * A damaged index is rebuilt in memory from the blocks, which say what they are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_SEGMENT_H
#define SH_HISTORY_SEGMENT_H

#include <stdatomic.h>

#include "block.h"
#include "roll.h"

enum {
    SEG_PATH = 512,
    SEG_HEADER = 40,
    SEG_FOOTER = 128,
    SEG_DIR_ENTRY = 24,
    SEG_REPLACES_MAX = 4096,
    SEG_BLOCKS_MAX = 1 << 20 /* of one series in one segment */
};

/* Where a block is: in a segment or, before the flush, in a pack. */
struct block_ref {
    const struct segment *seg; /* NULL: in a pack */
    const uint8_t *mem;        /* the pack's bytes; NULL: in a segment */
    uint64_t off;
    uint32_t size;
    uint32_t n;
    uint32_t point;
    enum sh_type type;
    uint32_t rank; /* order of its segment: the greater is the newer */
    int64_t t_first;
    int64_t t_last;
    struct sh_bytes summary; /* n == 0: none */
};
struct ref_list {
    struct block_ref *p;
    size_t n;
    size_t cap;
    size_t max;
    const struct sh_alloc *alloc;
};
void ref_list_init(struct ref_list *l, const struct sh_alloc *a, size_t max);
void ref_list_fini(struct ref_list *l);
SH_MUST_CHECK sh_err ref_list_add(struct ref_list *l, const struct block_ref *r);

struct segment_info {
    uint64_t id;
    int64_t t_min;
    int64_t t_max;
    uint64_t seq_min;
    uint64_t seq_max;
    uint64_t samples;
    uint64_t group; /* 0 = alone */
    uint32_t part;
    uint32_t parts;
    uint32_t series;
    bool unsplit;
    bool cold;         /* its blocks were written with BLOCK_COLD */
    bool rolled;       /* has roll-ups of the series for which they are worth it */
    uint32_t roll_min; /* to write them: samples a row of the finest level must stand for */
};
enum { SEG_F_UNSPLIT = 1, SEG_F_COLD = 2, SEG_F_ROLLED = 4 };

struct segment {
    atomic_uint refs;
    const struct sh_env *env;
    char path[SEG_PATH];
    struct segment_info info;
    uint32_t version;
    int64_t since_mono_us; /* opened */
    uint64_t bytes;
    struct sh_fs_map map;
    const uint8_t *dir;
    uint64_t dir_off;
    const uint8_t *replaces;
    uint32_t nreplaces;
    bool damaged;            /* index rebuilt; keep the file when it is replaced */
    struct block_ref *found; /* rebuilt index, by point then time */
    size_t nfound;
    atomic_uint bad_blocks;
    atomic_bool gone; /* replaced or past retention */
};

/* Opens and checks footer and directory; a damaged index is rebuilt (seg->damaged). SH_E_CORRUPT
 * when nothing in it is readable. */
SH_MUST_CHECK sh_err segment_open(const struct sh_env *env, const char *path, uint64_t id,
                                  struct segment **out);
/* Is the header whole, and that of this segment? (It is needed only when the footer is damaged.) */
bool segment_header_ok(const struct segment *s);
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);

/* Appends the refs of a point's blocks that touch [from, to]. *damaged is set when the series' part
 * of the index was unreadable (then its blocks are looked for one by one). */
SH_MUST_CHECK sh_err segment_blocks(const struct segment *s, uint32_t point, int64_t from,
                                    int64_t to, struct ref_list *out, bool *damaged);
/* Entries of the index, ascending by point: one a series, with a rebuilt index one a block. */
uint32_t segment_entry_point(const struct segment *s, size_t at);
/* As segment_blocks with no end; `at` is the first entry whose point is not below `point`. */
SH_MUST_CHECK sh_err segment_entry_blocks(const struct segment *s, size_t at, uint32_t point,
                                          int64_t from, struct ref_list *out, bool *damaged);
/* Roll-ups of a point; false: it has none here, or they are damaged (then *damaged is set). *out
 * borrows from the segment. */
bool segment_rolls(const struct segment *s, uint32_t point, struct roll *out, bool *damaged);
/* Bytes of a block, for block_decode. */
struct sh_bytes segment_block(const struct block_ref *r);
/* Series in the directory: 0..n-1. With a rebuilt index too. */
size_t segment_series(const struct segment *s);
uint32_t segment_point(const struct segment *s, size_t i, enum sh_type *type);
/* Type of a point's samples here, 0 = none. */
enum sh_type segment_type(const struct segment *s, uint32_t point);
uint64_t segment_replaces(const struct segment *s, uint32_t i);

/* Writer: blocks ascending by point and time, then finish. Not finished = no file. */
struct segment_writer {
    const struct sh_env *env;
    const char *dir; /* borrowed */
    char tmp[SEG_PATH];
    char path[SEG_PATH];
    struct sh_file *file;
    struct sh_buf out; /* not yet written */
    uint64_t off;      /* in the file, of out.p[0] */
    struct sh_buf metas;
    struct sh_buf series; /* metas of the current series */
    struct sh_buf bare;   /* the same without summaries, with roll-ups */
    struct roll_build roll;
    struct sh_buf index; /* directory */
    struct block_scratch *scratch;
    uint32_t point;
    enum sh_type type;
    uint32_t blocks;
    uint64_t prev_end;
    int64_t prev_t;
    uint64_t step; /* distance in time of the last block's samples; 0 = not even */
    struct segment_info info;
    uint64_t size;
};
/* name of the file of segment id in dir */
void segment_path(const char *dir, uint64_t id, const char *suffix, char out[SEG_PATH]);
SH_MUST_CHECK sh_err segment_writer_open(struct segment_writer *w, const struct sh_env *env,
                                         const char *dir, const struct segment_info *info);
SH_MUST_CHECK sh_err segment_writer_block(struct segment_writer *w, const struct block_in *in,
                                          enum block_effort effort);
/* Copies an encoded block as it is, with its summary. cols: what it holds; needed when the segment
 * gets roll-ups, or when the block has no summary. */
SH_MUST_CHECK sh_err segment_writer_copy(struct segment_writer *w, const struct block_ref *r,
                                         const struct block_cols *cols);
/* Index, footer, sync, rename, sync of the folder. */
SH_MUST_CHECK sh_err segment_writer_finish(struct segment_writer *w, const uint64_t *replaces,
                                           uint32_t nreplaces);
/* Frees; removes an unfinished file. */
void segment_writer_close(struct segment_writer *w);

#endif /* SH_HISTORY_SEGMENT_H */
