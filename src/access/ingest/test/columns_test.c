/* Columnar binary frames: layout and checks of columns.c, version 1. */
#include "fake_sink.h"

struct maker {
    struct sh_buf table;
    struct sh_buf time;
    struct sh_buf cell;
    struct sh_buf quality;
    struct sh_buf text;
    uint32_t series;
    uint32_t rows;
};

static void maker_init(struct maker *m, struct sh_test_env *t)
{
    *m = (struct maker){0};
    struct sh_buf *all[] = {&m->table, &m->time, &m->cell, &m->quality, &m->text};
    for (size_t i = 0; i < SH_COUNT(all); i++) {
        sh_buf_init(all[i], t->env.alloc, 4 << 20);
    }
}

static void maker_fini(struct maker *m)
{
    struct sh_buf *all[] = {&m->table, &m->time, &m->cell, &m->quality, &m->text};
    for (size_t i = 0; i < SH_COUNT(all); i++) {
        sh_buf_fini(all[i]);
    }
}

static void series(struct maker *m, const char *device, const char *property, uint8_t type,
                   uint32_t rows)
{
    assert_ok(sh_buf_put_le16(&m->table, (uint16_t)strlen(device)));
    assert_ok(sh_buf_put_le16(&m->table, (uint16_t)strlen(property)));
    assert_ok(sh_buf_put_le32(&m->table, type));
    assert_ok(sh_buf_put_le32(&m->table, rows));
    assert_ok(sh_buf_put_c(&m->table, device));
    assert_ok(sh_buf_put_c(&m->table, property));
    m->series++;
}

static void row(struct maker *m, int64_t time, uint64_t cell, uint8_t quality)
{
    assert_ok(sh_buf_put_le64(&m->time, (uint64_t)time));
    assert_ok(sh_buf_put_le64(&m->cell, cell));
    assert_ok(sh_buf_put_u8(&m->quality, quality));
    m->rows++;
}

static void frame(const struct maker *m, bool quality, struct sh_buf *out)
{
    const size_t from = out->n;
    const size_t n =
        24 + m->table.n + m->time.n + m->cell.n + (quality ? m->quality.n : 0) + m->text.n + 4;
    assert_ok(sh_buf_put(out, "SHCB", 4));
    assert_ok(sh_buf_put_u8(out, 1));
    assert_ok(sh_buf_put_u8(out, quality ? 1 : 0));
    assert_ok(sh_buf_put_le16(out, 0));
    assert_ok(sh_buf_put_le32(out, m->series));
    assert_ok(sh_buf_put_le32(out, m->rows));
    assert_ok(sh_buf_put_le32(out, (uint32_t)m->text.n));
    assert_ok(sh_buf_put_le32(out, (uint32_t)n));
    assert_ok(sh_buf_put(out, m->table.p, m->table.n));
    assert_ok(sh_buf_put(out, m->time.p, m->time.n));
    assert_ok(sh_buf_put(out, m->cell.p, m->cell.n));
    if (quality) {
        assert_ok(sh_buf_put(out, m->quality.p, m->quality.n));
    }
    assert_ok(sh_buf_put_str(out, sh_buf_str(&m->text)));
    assert_ok(sh_buf_put_le32(out, sh_crc32c(0, out->p + from, out->n - from)));
}

static void sample(struct maker *m)
{
    series(m, "d", "f", SH_T_F64, 2);
    row(m, 1, sh_f64_bits(1.5), SH_Q_GOOD);
    row(m, 2, sh_f64_bits(-0.0), SH_Q_UNCERTAIN);
    series(m, "d", "i", SH_T_I64, 1);
    row(m, 3, (uint64_t)INT64_MIN, SH_Q_BAD);
    series(m, "e", "b", SH_T_BOOL, 1);
    row(m, 4, 1, SH_Q_GOOD);
    series(m, "e", "s", SH_T_TEXT, 1);
    row(m, 5, (uint64_t)2 << 32 | 1, SH_Q_GOOD);
    series(m, "e", "blob", SH_T_BLOB, 1);
    row(m, 6, (uint64_t)3 << 32, SH_Q_GOOD);
    assert_ok(sh_buf_put_c(&m->text, "xyz"));
}

static void test_columns_round_trip(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct maker m;
    struct sh_buf body;
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {0};
    maker_init(&m, &t);
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    sample(&m);
    frame(&m, true, &body);
    frame(&m, false, &body); /* a second frame behind it, all good */
    assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
    assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r));
    fake_expect(f, "two frames",
                "d/f=1.5@1\nd/f=-0.0@2q64\nd/i=-9223372036854775808i@3q0\ne/b=t@4\ne/s='yz'@5\n"
                "e/blob='xyz'@6\n"
                "d/f=1.5@1\nd/f=-0.0@2\nd/i=-9223372036854775808i@3\ne/b=t@4\ne/s='yz'@5\n"
                "e/blob='xyz'@6\n",
                "");
    assert_int_equal(r.samples, 12);
    assert_int_equal(f->resolves, 5);
    sh_ingest_free(in);
    sh_buf_fini(&body);
    maker_fini(&m);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_columns_conflicts_and_limits(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct maker m;
    struct sh_buf body;
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {.min_time_us = 2, .max_time_us = 8};
    maker_init(&m, &t);
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    series(&m, "d", "f", SH_T_I64, 3);
    row(&m, 1, 5, SH_Q_GOOD); /* too old */
    row(&m, 3, 7, SH_Q_GOOD); /* widens into the f64 point */
    row(&m, 4, (1ull << 53) + 1, SH_Q_GOOD);
    series(&m, "d", "a/b", SH_T_F64, 1);
    row(&m, 5, 0, SH_Q_GOOD);
    frame(&m, false, &body);
    fake_add(f, "d/f", SH_T_F64, NULL);
    assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
    assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r));
    fake_expect(f, "conflicts", "d/f=7@3\n",
                "1:87 time_too_old\n1:103 field_type_conflict\n2:51 bad_name\n");
    sh_ingest_free(in);
    sh_buf_fini(&body);
    maker_fini(&m);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

/* Runs that need nothing done to them are offered as they lie, in their place among the rows. */
static void test_columns_plain_runs_are_offered_in_their_place(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct maker m;
    struct sh_buf body;
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {.min_time_us = 2, .max_time_us = 8};
    maker_init(&m, &t);
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    series(&m, "d", "few", SH_T_F64, 2); /* under run_min */
    row(&m, 2, 0, SH_Q_GOOD);
    row(&m, 3, 0, SH_Q_GOOD);
    series(&m, "d", "run", SH_T_I64, 3);
    row(&m, 2, 5, SH_Q_GOOD);
    row(&m, 3, 6, SH_Q_BAD);
    row(&m, 8, 7, SH_Q_GOOD);
    series(&m, "d", "b", SH_T_BOOL, 3);
    row(&m, 2, 1, SH_Q_GOOD);
    row(&m, 3, 0, SH_Q_GOOD);
    row(&m, 4, 1, SH_Q_GOOD);
    series(&m, "d", "back", SH_T_F64, 3);
    row(&m, 3, 0, SH_Q_GOOD);
    row(&m, 2, 0, SH_Q_GOOD);
    row(&m, 4, 0, SH_Q_GOOD);
    series(&m, "d", "twice", SH_T_F64, 3);
    row(&m, 3, 0, SH_Q_GOOD);
    row(&m, 3, 0, SH_Q_GOOD);
    row(&m, 4, 0, SH_Q_GOOD);
    series(&m, "d", "widened", SH_T_I64, 3);
    row(&m, 3, 1, SH_Q_GOOD);
    row(&m, 4, 2, SH_Q_GOOD);
    row(&m, 5, 3, SH_Q_GOOD);
    series(&m, "d", "old", SH_T_F64, 3); /* one of it is refused */
    row(&m, 1, 0, SH_Q_GOOD);
    row(&m, 3, 0, SH_Q_GOOD);
    row(&m, 4, 0, SH_Q_GOOD);
    frame(&m, true, &body);
    fake_add(f, "d/widened", SH_T_F64, NULL);
    f->sink.run = fake_run;
    f->sink.run_min = 3;
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r));
    fake_expect(f, "runs",
                "d/few=0@2\nd/few=0@3\n[\nd/run=5i@2\nd/run=6i@3q0\nd/run=7i@8\n]\n"
                "[\nd/b=t@2\nd/b=f@3\nd/b=t@4\n]\n"
                "d/back=0@3\nd/back=0@2\nd/back=0@4\nd/twice=0@3\nd/twice=0@3\nd/twice=0@4\n"
                "d/widened=1@3\nd/widened=2@4\nd/widened=3@5\nd/old=0@3\nd/old=0@4\n",
                "7:438 time_too_old\n");
    assert_int_equal(r.samples, 19);
    assert_int_equal(r.taken, 7);
    assert_int_equal(f->submits, 2);
    f->run_answer = SH_E_UNSUPPORTED; /* then all come as rows */
    fake_clear(f);
    assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r));
    assert_int_equal(r.samples, 19);
    assert_int_equal(r.taken, 7);
    f->run_answer = SH_E_NOMEM;
    fake_clear(f);
    assert_int_equal(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r), SH_E_NOMEM);
    assert_int_equal(r.samples, 2); /* those that were submitted before */
    sh_ingest_free(in);
    sh_buf_fini(&body);
    maker_fini(&m);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_columns_every_damage_is_refused_whole(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct maker m;
    struct sh_buf body;
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {0};
    maker_init(&m, &t);
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    sample(&m);
    frame(&m, true, &body);
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    for (size_t i = 0; i < body.n; i++) {
        body.p[i] ^= 0x41; /* one byte */
        fake_clear(f);
        assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_buf_bytes(&body), &r));
        assert_int_equal(f->out.n, 0);
        assert_int_equal(r.refused, 1);
        body.p[i] ^= 0x41;
        uint8_t *cut = malloc(i + 1); /* and each cut */
        assert_non_null(cut);
        memcpy(cut, body.p, i);
        fake_clear(f);
        assert_ok(sh_ingest_columns(in, &f->sink, &o, sh_bytes_of(cut, i), &r));
        assert_int_equal(f->out.n, 0);
        assert_int_equal(r.refused, 1);
        free(cut);
    }
    sh_ingest_free(in);
    sh_buf_fini(&body);
    maker_fini(&m);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_round_trip),
        cmocka_unit_test(test_columns_conflicts_and_limits),
        cmocka_unit_test(test_columns_plain_runs_are_offered_in_their_place),
        cmocka_unit_test(test_columns_every_damage_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
