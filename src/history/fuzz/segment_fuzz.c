#include <sh/fuzz.h>

#include "../segment.h"

/* A file that is nothing but the input. */
struct one_file {
    const uint8_t *p;
    size_t n;
};

static sh_err f_open(void *ctx, const char *path, int flags, struct sh_file **out)
{
    SH_UNUSED(path);
    SH_UNUSED(flags);
    *out = ctx;
    return SH_OK;
}

static void f_close(void *ctx, struct sh_file *f)
{
    SH_UNUSED(ctx);
    SH_UNUSED(f);
}

static sh_err f_map(void *ctx, struct sh_file *f, struct sh_fs_map *out)
{
    const struct one_file *o = ctx;
    SH_UNUSED(f);
    *out = (struct sh_fs_map){.p = o->n == 0 ? NULL : o->p, .n = o->n};
    return SH_OK;
}

static void f_unmap(void *ctx, struct sh_fs_map *m)
{
    SH_UNUSED(ctx);
    SH_UNUSED(m);
}

/* The section of roll-ups before the metas. */
static void rolls_mend(uint8_t *p, uint64_t metas)
{
    const uint32_t n = metas >= 8 ? sh_le32(p + metas - 4) : 0;
    if (n >= 4 && n <= metas - 4) {
        uint8_t *section = p + metas - 4 - n;
        const uint32_t head = n >= 8 ? sh_le32(section + 4) : 0;
        if (n >= 8 && head <= n - 8) {
            sh_put_le32(section, sh_crc32c(0, section + 8, head));
        }
    }
}

/* Makes the crcs of header, footer and directory right, so that what is behind them is reached. */
static void crcs_mend(uint8_t *p, size_t n)
{
    if (n < SEG_HEADER + SEG_FOOTER) {
        return;
    }
    uint8_t *f = p + n - SEG_FOOTER;
    const uint64_t dir = sh_le64(f + 24);
    const uint64_t dir_len = (uint64_t)sh_le32(f + 32) * SEG_DIR_ENTRY;
    static const uint8_t magic[8] = {'S', 'H', 'S', 'E', 'G', 'F', '1', '\n'};
    memcpy(f, magic, sizeof magic);
    sh_put_le32(f + 8, 1 + (f[8] & 3U));
    if (dir <= n && dir_len <= n - dir) {
        for (uint64_t e = dir; e + SEG_DIR_ENTRY <= dir + dir_len; e += SEG_DIR_ENTRY) {
            const uint64_t off = sh_le64(p + e + 16);
            const uint32_t len = sh_le32(p + e + 12);
            if (off <= n && len >= 4 && len <= n - off && off + len <= dir) {
                sh_put_le32(p + off, sh_crc32c(0, p + off + 4, len - 4));
                rolls_mend(p, off);
            }
        }
        sh_put_le32(f + 36, sh_crc32c(0, p + dir, (size_t)dir_len));
    }
    sh_put_le32(f + 12, 0);
    sh_put_le32(f + 12, sh_crc32c(0, f, SEG_FOOTER));
}

static void walk(struct segment *s, size_t size)
{
    struct ref_list l;
    struct block_cols *c = block_cols_new(s->env->alloc);
    ref_list_init(&l, s->env->alloc, 100000);
    for (size_t i = 0; c != NULL && i < segment_series(s) && i < 100; i++) {
        enum sh_type type = SH_T_F64;
        bool damaged = false;
        l.n = 0;
        const uint32_t point = segment_point(s, i, &type);
        if (segment_blocks(s, point, INT64_MIN, INT64_MAX, &l, &damaged) != SH_OK) {
            break;
        }
        struct roll roll;
        struct roll_group days;
        if (segment_rolls(s, point, &roll, &damaged) &&
            roll_group_read(&roll, NULL, &days) == SH_OK) {
            SH_FUZZ_CHECK(days.n <= ROLL_GROUP);
        }
        for (size_t k = 0; k < l.n; k++) {
            SH_FUZZ_CHECK(l.p[k].off <= size && l.p[k].size <= size - l.p[k].off);
            const sh_err err = block_decode(segment_block(&l.p[k]), false, c);
            SH_FUZZ_CHECK(err == SH_OK || err == SH_E_CORRUPT);
        }
    }
    uint64_t ids = 0;
    for (uint32_t i = 0; i < s->nreplaces; i++) {
        ids ^= segment_replaces(s, i); /* reads stay inside the file: ASan */
    }
    SH_FUZZ_CHECK(s->nreplaces != 0 || ids == 0);
    ref_list_fini(&l);
    block_cols_free(s->env->alloc, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_alloc *a = sh_alloc_heap();
    for (int mend = 0; mend < 2; mend++) {
        uint8_t *copy = sh_mem_new(a, size + 1);
        if (copy == NULL) {
            return 0;
        }
        memcpy(copy, data, size);
        if (mend == 1) {
            crcs_mend(copy, size);
        }
        struct one_file o = {copy, size};
        const struct sh_fs fs = {
            .open = f_open, .close = f_close, .map = f_map, .unmap = f_unmap, .ctx = &o};
        const struct sh_env env = {.alloc = a, .fs = &fs, .clock = sh_env_system().clock};
        struct segment *s = NULL;
        if (segment_open(&env, "x", 1, &s) == SH_OK) {
            walk(s, size);
            segment_unref(s);
        }
        sh_mem_free(a, copy);
    }
    return 0;
}
