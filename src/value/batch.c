/* batch.c - batches, slabs and their wire form.
 * A builder keeps its fixed-width columns in one block, widest first: value, time, point, quality,
 * type. A slab is one block: the struct, then the same columns, then the bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include <sh/value.h>

enum {
    ROW_BYTES = 8 + 8 + 4 + 1 + 1,
    WIRE_HEAD = SH_BATCH_HEAD,
    WIRE_VERSION = 1,
    FIRST_ROWS = 64
};

static void place(struct sh_batch *b, uint8_t *block, uint32_t cap)
{
    union sh_cell *value = (union sh_cell *)(void *)block;
    int64_t *time = (int64_t *)(void *)(value + cap);
    uint32_t *point = (uint32_t *)(void *)(time + cap);
    uint8_t *quality = (uint8_t *)(point + cap);
    b->value = value;
    b->time_us = time;
    b->point = point;
    b->quality = quality;
    b->type = quality + cap;
}

/* The builder's own columns, writable. */
struct columns {
    union sh_cell *value;
    int64_t *time;
    uint32_t *point;
    uint8_t *quality;
    uint8_t *type;
};

static struct columns columns_of(void *block, uint32_t cap)
{
    struct columns c;
    c.value = block;
    c.time = (int64_t *)(void *)(c.value + cap);
    c.point = (uint32_t *)(void *)(c.time + cap);
    c.quality = (uint8_t *)(c.point + cap);
    c.type = c.quality + cap;
    return c;
}

void sh_batch_builder_init(struct sh_batch_builder *b, const struct sh_alloc *a, uint32_t max_rows,
                           uint32_t max_bytes)
{
    *b = (struct sh_batch_builder){.max_rows = max_rows, .max_bytes = max_bytes, .alloc = a};
}

void sh_batch_builder_fini(struct sh_batch_builder *b)
{
    sh_mem_free(b->alloc, b->block);
    sh_mem_free(b->alloc, b->text);
    sh_batch_builder_init(b, b->alloc, b->max_rows, b->max_bytes);
}

void sh_batch_builder_clear(struct sh_batch_builder *b)
{
    b->view.len = 0;
    b->view.bytes_len = 0;
}

static sh_err grow(struct sh_batch_builder *b)
{
    if (b->cap >= b->max_rows) {
        return SH_E_LIMIT;
    }
    uint32_t cap = b->cap == 0 ? FIRST_ROWS : (b->cap > UINT32_MAX / 2 ? UINT32_MAX : b->cap * 2);
    cap = cap > b->max_rows ? b->max_rows : cap;
    void *block = b->alloc->resize(b->alloc->ctx, NULL, (size_t)cap * ROW_BYTES);
    if (block == NULL) {
        return SH_E_NOMEM;
    }
    if (b->block != NULL) {
        const struct columns to = columns_of(block, cap);
        const uint32_t n = b->view.len;
        memcpy(to.value, b->view.value, n * sizeof to.value[0]);
        memcpy(to.time, b->view.time_us, n * sizeof to.time[0]);
        memcpy(to.point, b->view.point, n * sizeof to.point[0]);
        memcpy(to.quality, b->view.quality, n);
        memcpy(to.type, b->view.type, n);
        sh_mem_free(b->alloc, b->block);
    }
    b->block = block;
    b->cap = cap;
    place(&b->view, block, cap);
    return SH_OK;
}

sh_err sh_batch_add(struct sh_batch_builder *b, uint32_t point, int64_t time_us, enum sh_type type,
                    union sh_cell value, uint8_t quality)
{
    if (b->view.len == b->cap) {
        SH_TRY(grow(b));
    }
    const struct columns c = columns_of(b->block, b->cap);
    const uint32_t i = b->view.len++;
    c.value[i] = value;
    c.time[i] = time_us;
    c.point[i] = point;
    c.quality[i] = quality;
    c.type[i] = (uint8_t)type;
    return SH_OK;
}

static sh_err reserve_text(struct sh_batch_builder *b, size_t more)
{
    if (more > b->max_bytes || b->view.bytes_len > b->max_bytes - more) {
        return SH_E_LIMIT;
    }
    const uint32_t need = b->view.bytes_len + (uint32_t)more;
    if (need <= b->bytes_cap) {
        return SH_OK;
    }
    uint32_t cap = b->bytes_cap < 256 ? 256 : b->bytes_cap;
    while (cap < need) {
        cap = cap > UINT32_MAX / 2 ? need : cap * 2;
    }
    uint8_t *p = sh_mem_resize(b->alloc, b->text, cap);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    b->text = p;
    b->bytes_cap = cap;
    b->view.bytes = p;
    return SH_OK;
}

sh_err sh_batch_add_bytes(struct sh_batch_builder *b, uint32_t point, int64_t time_us,
                          enum sh_type type, struct sh_bytes value, uint8_t quality)
{
    SH_TRY(reserve_text(b, value.n));
    union sh_cell cell = {.bits = 0};
    cell.span.off = b->view.bytes_len;
    cell.span.len = (uint32_t)value.n;
    SH_TRY(sh_batch_add(b, point, time_us, type, cell, quality));
    if (value.n > 0) {
        memcpy(b->text + b->view.bytes_len, value.p, value.n);
    }
    b->view.bytes_len += (uint32_t)value.n;
    return SH_OK;
}

struct slab_box {
    struct sh_slab slab; /* first: a slab's address is its box's */
    atomic_uint refs;
    const struct sh_alloc *alloc;
};

/* Bytes before the columns, a multiple of 8. */
enum { BOX_BYTES = (sizeof(struct slab_box) + 7) / 8 * 8 };

static sh_err slab_alloc(const struct sh_alloc *a, uint32_t len, uint32_t bytes_len,
                         struct slab_box **out)
{
    const size_t size = BOX_BYTES + (size_t)len * ROW_BYTES + bytes_len;
    struct slab_box *box = a->resize(a->ctx, NULL, size);
    if (box == NULL) {
        return SH_E_NOMEM;
    }
    memset(box, 0, sizeof *box);
    atomic_init(&box->refs, 1);
    box->alloc = a;
    box->slab.size_bytes = size;
    uint8_t *block = (uint8_t *)box + BOX_BYTES;
    place(&box->slab.batch, block, len);
    box->slab.batch.len = len;
    box->slab.batch.bytes = block + (size_t)len * ROW_BYTES;
    box->slab.batch.bytes_len = bytes_len;
    *out = box;
    return SH_OK;
}

sh_err sh_slab_new(const struct sh_alloc *a, const struct sh_batch *b, struct sh_slab **out)
{
    struct slab_box *box = NULL;
    SH_TRY(slab_alloc(a, b->len, b->bytes_len, &box));
    const struct columns to = columns_of((uint8_t *)box + BOX_BYTES, b->len);
    if (b->len > 0) {
        memcpy(to.value, b->value, b->len * sizeof to.value[0]);
        memcpy(to.time, b->time_us, b->len * sizeof to.time[0]);
        memcpy(to.point, b->point, b->len * sizeof to.point[0]);
        memcpy(to.quality, b->quality, b->len);
        memcpy(to.type, b->type, b->len);
    }
    if (b->bytes_len > 0) {
        memcpy(to.type + b->len, b->bytes, b->bytes_len);
    }
    *out = &box->slab;
    return SH_OK;
}

static struct slab_box *box_of(struct sh_slab *s)
{
    return (struct slab_box *)(void *)s;
}

struct sh_slab *sh_slab_ref(struct sh_slab *s)
{
    (void)atomic_fetch_add_explicit(&box_of(s)->refs, 1, memory_order_relaxed);
    return s;
}

void sh_slab_unref(struct sh_slab *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&box_of(s)->refs, 1, memory_order_acq_rel) == 1) {
        sh_mem_free(box_of(s)->alloc, s);
    }
}

size_t sh_batch_wire_size(const struct sh_batch *b)
{
    return WIRE_HEAD + (size_t)b->len * ROW_BYTES + b->bytes_len;
}

/* Columns are copied as they lie in memory: little-endian machines only, as the build asserts. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files and wire forms are little-endian");

void sh_batch_wire_parts(const struct sh_batch *b, uint8_t head[SH_BATCH_HEAD],
                         struct sh_bytes parts[SH_BATCH_PARTS])
{
    const size_t n = b->len;
    sh_put_le32(head, WIRE_VERSION);
    sh_put_le32(head + 4, b->len);
    sh_put_le32(head + 8, b->bytes_len);
    parts[0] = sh_bytes_of(head, SH_BATCH_HEAD);
    parts[1] = sh_bytes_of(b->point, n * 4);
    parts[2] = sh_bytes_of(b->time_us, n * 8);
    parts[3] = sh_bytes_of(b->value, n * 8);
    parts[4] = sh_bytes_of(b->quality, n);
    parts[5] = sh_bytes_of(b->type, n);
    parts[6] = sh_bytes_of(b->bytes, b->bytes_len);
}

void sh_batch_wire_write(const struct sh_batch *b, uint8_t *out)
{
    uint8_t head[SH_BATCH_HEAD];
    struct sh_bytes parts[SH_BATCH_PARTS];
    sh_batch_wire_parts(b, head, parts);
    for (size_t i = 0; i < SH_BATCH_PARTS; i++) {
        if (parts[i].n > 0) {
            memcpy(out, parts[i].p, parts[i].n);
            out += parts[i].n;
        }
    }
}

static const uint8_t *take(void *to, const uint8_t *from, size_t n)
{
    if (n > 0) {
        memcpy(to, from, n);
    }
    return from + n;
}

static bool rows_valid(const struct sh_batch *b)
{
    for (uint32_t i = 0; i < b->len; i++) {
        const uint8_t t = b->type[i];
        if (t < SH_T_BOOL || t > SH_T_BLOB || b->point[i] == 0) {
            return false;
        }
        if (t >= SH_T_TEXT && (b->value[i].span.off > b->bytes_len ||
                               b->value[i].span.len > b->bytes_len - b->value[i].span.off)) {
            return false;
        }
    }
    return true;
}

sh_err sh_batch_wire_read(const struct sh_alloc *a, struct sh_bytes in, struct sh_slab **out)
{
    if (in.n < WIRE_HEAD || sh_le32(in.p) != WIRE_VERSION) {
        return SH_E_CORRUPT;
    }
    const uint32_t len = sh_le32(in.p + 4);
    const uint32_t bytes_len = sh_le32(in.p + 8);
    if (in.n != WIRE_HEAD + (uint64_t)len * ROW_BYTES + bytes_len) {
        return SH_E_CORRUPT;
    }
    struct slab_box *box = NULL;
    SH_TRY(slab_alloc(a, len, bytes_len, &box));
    const struct columns to = columns_of((uint8_t *)box + BOX_BYTES, len);
    const uint8_t *at = take(to.point, in.p + WIRE_HEAD, (size_t)len * 4);
    at = take(to.time, at, (size_t)len * 8);
    at = take(to.value, at, (size_t)len * 8);
    at = take(to.quality, at, len);
    at = take(to.type, at, len);
    (void)take(to.type + len, at, bytes_len);
    if (!rows_valid(&box->slab.batch)) {
        sh_slab_unref(&box->slab);
        return SH_E_CORRUPT;
    }
    *out = &box->slab;
    return SH_OK;
}
