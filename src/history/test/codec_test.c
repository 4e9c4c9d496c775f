/* Blocks come back bit for bit, whatever is put in. */
#include <sh/test.h>

#include <math.h>

#include "../block.h"
#include "../kernel_bits.h"
#include "../summary.h"

extern const struct kernels kernels_base;

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void test_pack_every_width_and_length_reads_back(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 2, 3, 7, 8, 63, 64, 65, 500, 1023, 1024};
    static uint64_t in[1024];
    static uint64_t out[1024];
    static uint8_t packed[1024 * 8];
    uint64_t s = 88172645463325252U;
    const struct kernels *const tables[] = {&kernels_base, kernels_get()};
    const size_t n = SH_COUNT(tables);
    for (unsigned w = 0; w <= 64; w++) {
        const uint64_t mask = w == 64 ? UINT64_MAX : ((uint64_t)1 << w) - 1;
        for (size_t l = 0; l < SH_COUNT(lens); l++) {
            for (uint32_t i = 0; i < lens[l]; i++) {
                in[i] = next(&s);
            }
            for (size_t k = 0; k < n; k++) { /* each target reads what each other wrote */
                tables[k]->pack(in, lens[l], w, packed);
                tables[n - 1 - k]->unpack(packed, lens[l], w, 17, out);
                for (uint32_t i = 0; i < lens[l]; i++) {
                    assert_true(out[i] == (in[i] & mask) + 17);
                }
            }
        }
    }
}

/* Every target computes the same as plain loops. */
static void test_kernels_of_this_processor_agree_with_plain_loops(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 7, 8, 9, 100, 1023, 1024};
    static uint64_t in[1024];
    static uint64_t out[1024];
    static int64_t time[1024];
    static double value[1024];
    const struct kernels *const tables[] = {&kernels_base, kernels_get()};
    uint64_t s = 31;
    for (size_t k = 0; k < SH_COUNT(tables); k++) {
        for (size_t l = 0; l < SH_COUNT(lens); l++) {
            const uint32_t n = lens[l];
            struct kernel_numbers x;
            double sum = 0;
            tables[k]->linear(5, (uint64_t)-3, n, out);
            for (uint32_t i = 0; i < n; i++) {
                assert_true(out[i] == 5 - (uint64_t)3 * i);
                in[i] = (uint64_t)((int64_t)(next(&s) % 2000000) - 1000000);
                sum += (double)(int64_t)in[i];
            }
            tables[k]->scale(in, n, 100, value);
            tables[k]->numbers(value, n, &x);
            double min = value[0];
            double max = value[0];
            for (uint32_t i = 0; i < n; i++) {
                assert_true(value[i] == (double)(int64_t)in[i] / 100);
                min = value[i] < min ? value[i] : min;
                max = value[i] > max ? value[i] : max;
            }
            assert_true(x.min == min && x.max == max && x.nan == 0);
            assert_true(fabs(x.sum - sum / 100) < 1e-3);
            value[n - 1] = NAN;
            tables[k]->numbers(value, n, &x);
            assert_int_equal(x.nan, 1);
            memcpy(out, in, n * sizeof in[0]);
            tables[k]->prefix(out, n);
            for (uint32_t i = 1; i < n; i++) {
                assert_true(out[i] == out[i - 1] + in[i]);
                in[i] = in[i - 1] + 1 + next(&s) % 9;
            }
            in[0] = n == 1 ? 0 : in[1] - 1;
            assert_true(tables[k]->times(in, n, 1000, 10, time));
            for (uint32_t i = 0; i < n; i++) {
                assert_true(time[i] == (int64_t)(1000 + in[i] * 10));
            }
            if (n > 1) {
                in[n - 1] = in[n - 2];
                assert_false(tables[k]->times(in, n, 1000, 10, time));
            }
        }
    }
}

/* Numbers for the kernels of the encoder: a walk with decimals, or any bits at all. */
static void numbers_fill(uint64_t *s, uint32_t kind, uint64_t *in, double *value, int64_t *time)
{
    static const double odd[] = {NAN, INFINITY, -0.0, 1e300, 0.1 + 0.2, 2251799813685248.0 / 100};
    int64_t level = 100000;
    for (uint32_t i = 0; i < 1024; i++) {
        const uint64_t x = next(s);
        level += (int64_t)(x % 401) - 200;
        in[i] = kind == 0 ? (uint64_t)level : (kind == 1 ? x : x >> x % 64);
        value[i] = (double)level / 100;
        if (kind > 0 && x % 37 == 0) {
            value[i] = odd[x / 37 % SH_COUNT(odd)];
        }
        time[i] = (int64_t)i * 1000 + (kind == 2 ? (int64_t)(x % 999) : 0);
    }
}

static void check_integers(const struct kernels *k, const uint64_t *in, uint32_t n)
{
    static uint64_t out[1024];
    uint32_t hist[65] = {0};
    uint32_t want[65] = {0};
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    int64_t got[2];
    for (uint32_t i = 0; i < n; i++) {
        const int64_t x = (int64_t)in[i];
        min = x < min ? x : min;
        max = x > max ? x : max;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = in[i] - (uint64_t)min;
        uint32_t width = 0;
        for (; x != 0; x >>= 1) {
            width++;
        }
        want[width]++;
    }
    k->range(in, n, &got[0], &got[1]);
    assert_true(got[0] == min && got[1] == max);
    k->widths(in, n, (uint64_t)min, hist);
    assert_memory_equal(hist, want, sizeof want);
    for (uint32_t from = 1; from < 3; from++) {
        k->deltas(in, from, n, out);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(out[i] == (i < from ? 0 : in[i] - in[i - 1]));
        }
    }
    memcpy(out, in, n * sizeof *in);
    k->lower(out, n, 77);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(out[i] == in[i] - 77);
    }
}

static void check_words(const struct kernels *k, const uint64_t *in, uint32_t n)
{
    static const struct {
        uint32_t digits;
        uint32_t radix;
    } forms[] = {{2, 46340}, {3, 401}, {7, 21}, {20, 2}};
    static uint64_t small[1024];
    static uint64_t words[1024];
    static uint64_t back[1024];
    for (size_t f = 0; f < SH_COUNT(forms); f++) {
        const uint32_t m = (n + forms[f].digits - 1) / forms[f].digits;
        for (uint32_t i = 0; i < n; i++) {
            small[i] = in[i] % forms[f].radix;
        }
        k->words(small, n, forms[f].digits, forms[f].radix, words);
        kernels_base.digits(words, m, forms[f].radix, n, 0, back);
        assert_memory_equal(back, small, n * sizeof *small);
    }
}

static void check_decimals(const struct kernels *k, const double *value, uint32_t n)
{
    static uint64_t out[1024];
    static uint64_t bad[1024];
    static const unsigned places[] = {0, 1, 2, 9, 15};
    for (size_t p = 0; p < SH_COUNT(places); p++) {
        uint32_t count = 0;
        const uint32_t said = k->decimals(value, n, block_pow10(places[p]), out, bad);
        for (uint32_t i = 0; i < n; i++) {
            int64_t whole = 0;
            const bool is = block_decimal(value[i], places[p], &whole);
            assert_int_equal(bad[i], is ? 0 : 1);
            assert_true(!is || (int64_t)out[i] == whole);
            count += is ? 0 : 1;
        }
        assert_int_equal(said, count);
    }
}

static void check_sums(const struct kernels *k, const uint64_t *in, const double *value, uint32_t n)
{
    struct kernel_integers x;
    static int64_t v[1024];
    double sum = 0;
    double squares[2] = {0, 0};
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (int64_t)in[i] >> 20;
        sum += (double)v[i];
        squares[0] += (value[i] - 3) * (value[i] - 3);
        squares[1] += ((double)v[i] - 3) * ((double)v[i] - 3);
        min = v[i] < min ? v[i] : min;
        max = v[i] > max ? v[i] : max;
    }
    k->integers(v, n, &x);
    assert_true(x.min == min && x.max == max);
    assert_true(fabs(x.sum - sum) <= 1e-9 * ((double)max - (double)min + 1) * n);
    assert_true(fabs(k->squares_i64(v, n, 3) - squares[1]) <= 1e-12 * squares[1]);
    const double got = k->squares_f64(value, n, 3);
    assert_true(fabs(got - squares[0]) <= 1e-12 * squares[0] || !isfinite(squares[0]));
}

static void test_kernels_of_the_encoder_agree_with_plain_loops(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 2, 3, 4, 7, 9, 100, 1021, 1024};
    static uint64_t in[1024];
    static double value[1024];
    static int64_t time[1024];
    const struct kernels *const tables[] = {&kernels_base, kernels_get()};
    uint64_t s = 99;
    for (uint32_t kind = 0; kind < 3; kind++) {
        numbers_fill(&s, kind, in, value, time);
        for (size_t t = 0; t < SH_COUNT(tables); t++) {
            for (size_t l = 0; l < SH_COUNT(lens); l++) {
                check_integers(tables[t], in, lens[l]);
                check_words(tables[t], in, lens[l]);
                check_decimals(tables[t], value, lens[l]);
                check_sums(tables[t], in, value, lens[l]);
                assert_true(tables[t]->ascending(time, lens[l]));
                assert_int_equal(tables[t]->even(time, lens[l]), kind != 2 || lens[l] < 3);
            }
            const int64_t last = time[1023];
            time[1023] = time[1022];
            assert_false(tables[t]->ascending(time, 1024));
            assert_true(tables[t]->ascending(time, 1023));
            assert_false(tables[t]->even(time, 1024));
            time[1023] = last;
        }
    }
}

static void test_kernels_count_what_lies_within(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 1, 3, 7, 8, 9, 100, 1023, 1024};
    static double f[1024];
    static int64_t v[1024];
    const struct kernels *const tables[] = {&kernels_base, kernels_get()};
    uint64_t s = 7;
    for (size_t l = 0; l < SH_COUNT(lens); l++) {
        uint32_t want_f = 0;
        uint32_t want_i = 0;
        for (uint32_t i = 0; i < lens[l]; i++) {
            v[i] = (int64_t)(next(&s) % 100) - 50;
            f[i] = i % 13 == 0 ? (double)NAN : (double)v[i];
            want_f += f[i] >= -10 && f[i] <= 20;
            want_i += v[i] >= -10 && v[i] <= 20;
        }
        for (size_t k = 0; k < SH_COUNT(tables); k++) {
            assert_int_equal(tables[k]->within_f64(f, lens[l], -10, 20), want_f);
            assert_int_equal(tables[k]->within_i64(v, lens[l], -10, 20), want_i);
            assert_int_equal(tables[k]->within_f64(f, lens[l], 1, 0), 0);
            assert_int_equal(tables[k]->within_i64(v, lens[l], INT64_MIN, INT64_MAX), lens[l]);
        }
    }
}

static void test_kernels_scale_as_a_division_does(void **state)
{
    (void)state;
    static uint64_t in[1024];
    static double out[1024];
    const struct kernels *const tables[] = {&kernels_base, kernels_get()};
    uint64_t s = 11;
    for (unsigned round = 0; round < 2000; round++) {
        const double by = block_pow10(round % 16);
        for (uint32_t i = 0; i < 1024; i++) { /* signed, of 1 to 51 bits */
            const int64_t v = (int64_t)next(&s) >> (13 + next(&s) % 50);
            in[i] = (uint64_t)(i < 3 ? (int64_t)i - 1 : v);
        }
        for (size_t k = 0; k < SH_COUNT(tables); k++) {
            tables[k]->scale(in, 1024, by, out);
            for (uint32_t i = 0; i < 1024; i++) {
                assert_true(sh_f64_bits(out[i]) == sh_f64_bits((double)(int64_t)in[i] / by));
            }
        }
    }
}

enum shape {
    SHAPE_CONST,
    SHAPE_STEPS,
    SHAPE_RANDOM,
    SHAPE_SMALL,
    SHAPE_OUTLIERS,
    SHAPE_EXTREMES,
    SHAPE_PARABOLA,
    SHAPES
};

static uint64_t shape_value(enum shape k, uint32_t i, uint64_t *s)
{
    switch (k) {
    case SHAPE_CONST:
        return 42;
    case SHAPE_STEPS:
        return 1000 + (uint64_t)i * 10;
    case SHAPE_RANDOM:
        return next(s);
    case SHAPE_SMALL:
        return next(s) % 5 - 2;
    case SHAPE_OUTLIERS:
        return next(s) % 50 == 0 ? next(s) : next(s) % 8;
    case SHAPE_EXTREMES:
        return i % 3 == 0 ? (uint64_t)INT64_MIN : (i % 3 == 1 ? (uint64_t)INT64_MAX : 0);
    case SHAPE_PARABOLA:
        return (uint64_t)i * i;
    case SHAPES:
        break;
    }
    return 0;
}

static void test_ints_every_shape_and_mode_reads_back(void **state)
{
    (void)state;
    static struct ints_scratch scratch;
    static uint64_t in[INTS_MAX];
    static uint64_t out[INTS_MAX];
    static const uint32_t lens[] = {1, 2, 3, 17, 64, 1000, 1024};
    uint64_t s = 1234567;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    for (int k = 0; k < SHAPES; k++) {
        for (size_t l = 0; l < SH_COUNT(lens); l++) {
            for (unsigned modes = 1; modes < 16; modes++) {
                if (modes == 1U << INTS_ENTROPY) {
                    continue; /* it codes what another mode left */
                }
                for (uint32_t i = 0; i < lens[l]; i++) {
                    in[i] = shape_value((enum shape)k, i, &s);
                }
                sh_buf_clear(&b);
                assert_ok(
                    ints_encode(&scratch, in, lens[l], modes, modes % 2 == 0 || modes > 8, &b));
                struct sh_rd r = sh_rd_of(sh_buf_bytes(&b));
                assert_ok(ints_decode(&r, lens[l], out));
                assert_int_equal(sh_rd_left(&r), 0);
                assert_memory_equal(in, out, lens[l] * sizeof in[0]);
            }
        }
    }
    sh_buf_fini(&b);
}

/* Ranges that are no power of two take less than whole bits; outliers on both sides stay exact. */
static void test_ints_of_every_range_read_back_and_are_small(void **state)
{
    (void)state;
    static struct ints_scratch scratch;
    static uint64_t in[INTS_MAX];
    static uint64_t out[INTS_MAX];
    static const uint32_t ranges[] = {2, 3, 5, 6, 7, 9, 11, 25, 100, 257, 401, 1000, 40000, 65535};
    static const uint32_t lens[] = {2, 17, 100, 342, 1000, 1024};
    uint64_t s = 99;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    for (size_t k = 0; k < SH_COUNT(ranges) * SH_COUNT(lens) * 4; k++) {
        const uint32_t n = lens[k / 4 % SH_COUNT(lens)];
        const uint32_t range = ranges[k / 4 / SH_COUNT(lens)];
        const bool outliers = k % 2 == 1;
        for (uint32_t i = 0; i < n; i++) {
            in[i] = 5000000 + next(&s) % range;
            if (outliers && next(&s) % 60 == 0) {
                in[i] = next(&s) % 2 == 0 ? next(&s) % 100 : next(&s) >> 20;
            }
        }
        sh_buf_clear(&b);
        assert_ok(ints_encode(&scratch, in, n, 1U << INTS_FOR, k / 2 % 2 == 1, &b));
        struct sh_rd r = sh_rd_of(sh_buf_bytes(&b));
        assert_ok(ints_decode(&r, n, out));
        assert_int_equal(sh_rd_left(&r), 0);
        assert_memory_equal(in, out, n * sizeof in[0]);
        if (!outliers &&
            n == 1024) { /* within 5 % of the entropy, where bits alone are up to 30 % off */
            const double bits = log2(range);
            assert_true((double)b.n * 8 < bits * n * 1.05 + 12 * 8);
        }
    }
    sh_buf_fini(&b);
}

static void test_kernels_take_the_same_digits(void **state)
{
    (void)state;
    static uint64_t word[1024];
    static uint64_t a[1024];
    static uint64_t b[1024];
    uint64_t s = 5;
    for (uint32_t radix = 2; radix < 65536; radix = radix * 3 / 2 + 1) {
        for (uint32_t i = 0; i < 1024; i++) {
            word[i] = i < 4 ? 0x7fffffffU - i : next(&s) >> 33;
        }
        kernels_base.digits(word, 600, radix, 1024, 7, a);
        kernels_get()->digits(word, 600, radix, 1024, 7, b);
        assert_memory_equal(a, b, sizeof a);
        for (uint32_t i = 0; i < 1024; i++) {
            const uint64_t w = i < 600 ? word[i] : word[i - 600] / radix;
            assert_true(a[i] == w % radix + 7);
        }
    }
}

struct rows {
    uint32_t n;
    int64_t time[BLOCK_MAX];
    union sh_cell value[BLOCK_MAX];
    uint8_t quality[BLOCK_MAX];
};

static void round_trip(enum sh_type type, const struct rows *in, const uint8_t *bytes, size_t *size)
{
    const struct sh_alloc *a = sh_alloc_heap();
    struct block_scratch *s = test_malloc(sizeof *s);
    struct block_cols *c = block_cols_new(a);
    struct sh_buf b;
    sh_buf_init(&b, a, 64 << 20);
    for (int effort = BLOCK_QUICK; effort <= BLOCK_COLD; effort++) {
        const struct block_in bi = {.point = 77,
                                    .type = type,
                                    .n = in->n,
                                    .time = in->time,
                                    .value = in->value,
                                    .quality = in->quality,
                                    .bytes = bytes};
        sh_buf_clear(&b);
        assert_ok(block_encode(a, s, &bi, (enum block_effort)effort, &b));
        assert_ok(block_decode(sh_buf_bytes(&b), false, c));
        assert_int_equal(c->n, in->n);
        assert_int_equal(c->point, 77);
        assert_memory_equal(c->time, in->time, in->n * sizeof in->time[0]);
        assert_memory_equal(c->quality, in->quality, in->n);
        if (type < SH_T_TEXT) {
            assert_memory_equal(c->value, in->value, in->n * sizeof in->value[0]);
        }
        for (uint32_t i = 0; type >= SH_T_TEXT && i < in->n; i++) {
            assert_int_equal(c->value[i].span.len, in->value[i].span.len);
            if (in->value[i].span.len != 0) {
                assert_memory_equal(c->text.p + c->value[i].span.off, bytes + in->value[i].span.off,
                                    in->value[i].span.len);
            }
        }
    }
    *size = b.n;
    sh_buf_fini(&b);
    block_cols_free(a, c);
    test_free(s);
}

static void rows_plain(struct rows *r, uint32_t n)
{
    r->n = n;
    for (uint32_t i = 0; i < n; i++) {
        r->time[i] = 1700000000000000 + (int64_t)i * 10000000;
        r->quality[i] = SH_Q_GOOD;
    }
}

static void test_f64_adversarial_values_read_back_bit_for_bit(void **state)
{
    (void)state;
    static struct rows r;
    static const uint64_t odd[] = {
        0x7ff8000000000000, /* NaN */
        0x7ff0000000000001, /* signalling NaN with a payload */
        0xfff8dead0000beef, /* negative NaN with a payload */
        0x8000000000000000, /* -0.0 */
        0x7ff0000000000000, 0xfff0000000000000, 0x0000000000000001, /* smallest */
        0x7fefffffffffffff,                                         /* largest */
        0x4340000000000001, 0x0000000000000000, 0x3ff0000000000000,
    };
    uint64_t s = 99;
    size_t size = 0;
    for (int mix = 0; mix < 5; mix++) {
        static const uint32_t lens[] = {1, 2, 64, 1023, 1024};
        for (size_t l = 0; l < SH_COUNT(lens); l++) {
            rows_plain(&r, lens[l]);
            for (uint32_t i = 0; i < r.n; i++) {
                const double walk = (double)(int64_t)(next(&s) % 20000) / 100.0 - 100;
                const uint64_t any = next(&s);
                r.value[i].f64 = walk;
                if (mix == 1 || (mix == 2 && any % 10 == 0)) {
                    r.value[i].bits = odd[any % SH_COUNT(odd)];
                } else if (mix == 3) {
                    r.value[i].bits = next(&s);
                } else if (mix == 4) {
                    r.value[i].f64 = (double)(float)walk;
                }
            }
            round_trip(SH_T_F64, &r, NULL, &size);
        }
    }
}

static void test_f64_two_decimals_take_little_space(void **state)
{
    (void)state;
    static struct rows r;
    uint64_t s = 5;
    size_t size = 0;
    int64_t at = 5000;
    rows_plain(&r, 1024);
    for (uint32_t i = 0; i < r.n; i++) {
        at += (int64_t)(next(&s) % 201) - 100; /* a step of up to 1.00: 7.65 bits */
        r.value[i].f64 = (double)at / 100.0;
    }
    round_trip(SH_T_F64, &r, NULL, &size);
    assert_in_range(size, 900, 1100);
}

static void test_i64_and_bool_read_back(void **state)
{
    (void)state;
    static struct rows r;
    uint64_t s = 77;
    size_t size = 0;
    for (int k = 0; k < SHAPES; k++) {
        rows_plain(&r, k % 2 == 0 ? 1024 : 333);
        for (uint32_t i = 0; i < r.n; i++) {
            r.value[i].bits = shape_value((enum shape)k, i, &s);
            r.quality[i] = (uint8_t)(next(&s) % 7 == 0 ? next(&s) : SH_Q_GOOD);
        }
        round_trip(SH_T_I64, &r, NULL, &size);
        for (uint32_t i = 0; i < r.n; i++) {
            r.value[i].bits &= 1;
        }
        round_trip(SH_T_BOOL, &r, NULL, &size);
    }
}

static void test_times_irregular_and_extreme_read_back(void **state)
{
    (void)state;
    static struct rows r;
    uint64_t s = 3;
    size_t size = 0;
    for (int k = 0; k < 4; k++) {
        rows_plain(&r, 1024);
        int64_t t = k == 3 ? -((int64_t)1 << 61) : -5;
        for (uint32_t i = 0; i < r.n; i++) {
            static const uint64_t spread[] = {1, 1000000, (uint64_t)1 << 40, (uint64_t)1 << 51};
            t += 1 + (int64_t)(next(&s) % spread[k]);
            r.time[i] = t;
            r.value[i].bits = i;
        }
        round_trip(SH_T_I64, &r, NULL, &size);
    }
    rows_plain(&r, 1024); /* regular: the times cost next to nothing */
    for (uint32_t i = 0; i < r.n; i++) {
        r.value[i].bits = 1;
    }
    round_trip(SH_T_I64, &r, NULL, &size);
    assert_in_range(size, 20, 60);
}

static void test_text_and_blob_read_back(void **state)
{
    (void)state;
    static struct rows r;
    static uint8_t bytes[1 << 20];
    uint64_t s = 9;
    size_t size = 0;
    for (int k = 0; k < 3; k++) {
        uint32_t at = 0;
        rows_plain(&r, 1024);
        for (uint32_t i = 0; i < r.n; i++) {
            static const uint32_t max[] = {1, 40, 900};
            const uint32_t len = (uint32_t)(next(&s) % (max[k] + 1));
            for (uint32_t b = 0; b < len; b++) {
                bytes[at + b] = (uint8_t)(k == 2 ? next(&s) : 'a' + next(&s) % 3);
            }
            r.value[i].span.off = at;
            r.value[i].span.len = len;
            at += len;
        }
        round_trip(k == 2 ? SH_T_BLOB : SH_T_TEXT, &r, bytes, &size);
    }
}

static void test_block_any_changed_byte_is_refused(void **state)
{
    (void)state;
    static struct rows r;
    const struct sh_alloc *a = sh_alloc_heap();
    struct block_scratch *s = test_malloc(sizeof *s);
    struct block_cols *c = block_cols_new(a);
    struct sh_buf b;
    sh_buf_init(&b, a, 1 << 20);
    rows_plain(&r, 100);
    for (uint32_t i = 0; i < r.n; i++) {
        r.value[i].f64 = (double)i * 0.25;
    }
    const struct block_in in = {.point = 1,
                                .type = SH_T_F64,
                                .n = r.n,
                                .time = r.time,
                                .value = r.value,
                                .quality = r.quality};
    assert_ok(block_encode(a, s, &in, BLOCK_PACKED, &b));
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= 0x10;
        assert_int_equal(block_decode(sh_buf_bytes(&b), false, c), SH_E_CORRUPT);
        b.p[i] ^= 0x10;
        assert_int_equal(block_decode((struct sh_bytes){b.p, i}, false, c), SH_E_CORRUPT);
    }
    sh_buf_fini(&b);
    block_cols_free(a, c);
    test_free(s);
}

static void test_summary_says_what_the_samples_say_and_reads_back(void **state)
{
    (void)state;
    static struct rows r;
    struct summary s;
    struct summary again;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 4096);
    rows_plain(&r, 6);
    static const double values[] = {1, 3, NAN, 10, -4, 100};
    static const uint8_t q[] = {192, 192, 192, 64, 192, 0};
    for (uint32_t i = 0; i < 6; i++) {
        r.value[i].f64 = values[i];
        r.quality[i] = q[i];
    }
    summary_make(SH_T_F64, 6, r.time, r.value, r.quality, &s);
    assert_int_equal(s.n, 6);
    assert_int_equal(s.n_bad, 1);
    assert_int_equal(s.n_uncertain, 1);
    assert_int_equal(s.n_nan, 1);
    assert_int_equal(s.use.n, 4);
    assert_true(s.use.sum == 10 && s.use.min.f64 == -4 && s.use.max.f64 == 10);
    assert_true(s.use.m2 == 1 + 9 + 100 + 16 - 100.0 / 4);
    /* 1 for 10 s, 3 for 20 s, 10 for 10 s */
    assert_true(s.use.integral == (1 * 10 + 3 * 20 + 10 * 10) * 1e6);
    assert_int_equal(s.good.n, 3);
    assert_true(s.good.sum == 0 && s.good.integral == (1 * 10 + 3 * 30) * 1e6);
    assert_ok(summary_write(SH_T_F64, &s, r.time[0], r.time[5], &b));
    struct sh_rd rd = sh_rd_of(sh_buf_bytes(&b));
    assert_ok(summary_read(&rd, SH_T_F64, 6, r.time[0], r.time[5], &again));
    assert_int_equal(sh_rd_left(&rd), 0);
    assert_memory_equal(&again.use, &s.use, sizeof s.use);
    assert_memory_equal(&again.good, &s.good, sizeof s.good);
    sh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_every_width_and_length_reads_back),
        cmocka_unit_test(test_kernels_of_this_processor_agree_with_plain_loops),
        cmocka_unit_test(test_kernels_of_the_encoder_agree_with_plain_loops),
        cmocka_unit_test(test_kernels_count_what_lies_within),
        cmocka_unit_test(test_kernels_scale_as_a_division_does),
        cmocka_unit_test(test_ints_every_shape_and_mode_reads_back),
        cmocka_unit_test(test_ints_of_every_range_read_back_and_are_small),
        cmocka_unit_test(test_kernels_take_the_same_digits),
        cmocka_unit_test(test_f64_adversarial_values_read_back_bit_for_bit),
        cmocka_unit_test(test_f64_two_decimals_take_little_space),
        cmocka_unit_test(test_i64_and_bool_read_back),
        cmocka_unit_test(test_times_irregular_and_extreme_read_back),
        cmocka_unit_test(test_text_and_blob_read_back),
        cmocka_unit_test(test_block_any_changed_byte_is_refused),
        cmocka_unit_test(test_summary_says_what_the_samples_say_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
