/* record_bench.c - writes through group commits: 1, 8 and 64 waiting callers; and lists of 100,000
 * records with and without indexed fields. Prints JSON.
 * Usage: record_bench FOLDER [lists] (an existing, empty one)
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/record.h>

enum { MAX_CALLERS = 64, SECONDS = 3, RECORDS = 100000, PER_TX = 1000, ROUNDS = 5 };

struct caller {
    struct sh_record *r;
    int64_t end_us;
    uint64_t n;
    unsigned id;
    bool full; /* history, full text and feed */
};

static void run(void *ctx)
{
    struct caller *c = ctx;
    while (sh_mono_us(sh_clock_system()) < c->end_us) {
        char id[48];
        (void)snprintf(id, sizeof id, "%d-%u-%llu", c->full, c->id, (unsigned long long)c->n);
        const struct sh_record_put p = {
            .tenant = 1,
            .type = SH_STR("_bench"),
            .id = sh_str_c(id),
            .doc =
                SH_STR("{\"name\":\"循环水泵\",\"code\":\"P-101\",\"price\":12.5,\"open\":true}"),
            .expect = SH_RECORD_ANY,
            .flags = c->full ? SH_RECORD_F_HISTORY | SH_RECORD_F_TEXT | SH_RECORD_F_FEED : 0};
        if (sh_record_put(c->r, &p, SH_STR("bench"), NULL, NULL) != SH_OK) {
            return;
        }
        c->n++;
    }
}

static void measure(struct sh_record *r, unsigned callers, bool full)
{
    struct caller c[MAX_CALLERS];
    struct sh_thread t[MAX_CALLERS] = {0};
    struct sh_record_stats before;
    struct sh_record_stats after;
    uint64_t n = 0;
    sh_record_stats(r, &before);
    const int64_t from = sh_mono_us(sh_clock_system());
    for (unsigned i = 0; i < callers; i++) {
        c[i] = (struct caller){
            .r = r, .end_us = from + SECONDS * 1000000LL, .id = callers * 1000 + i, .full = full};
        if (sh_thread_start(&t[i], "caller", run, &c[i]) != SH_OK) {
            return;
        }
    }
    for (unsigned i = 0; i < callers; i++) {
        sh_thread_join(&t[i]);
        n += c[i].n;
    }
    const double s = (double)(sh_mono_us(sh_clock_system()) - from) / 1e6;
    sh_record_stats(r, &after);
    printf("{\"callers\":%u,\"full\":%s,\"puts_per_s\":%.0f,\"commits_per_s\":%.0f}\n", callers,
           full ? "true" : "false", (double)n / s, (double)(after.commits - before.commits) / s);
}

static bool fill(struct sh_record *r, struct sh_str type)
{
    const int64_t from = sh_mono_us(sh_clock_system());
    for (int i = 0; i < RECORDS; i += PER_TX) {
        struct sh_record_tx *tx = NULL;
        sh_err err = sh_record_tx_new(r, SH_STR("bench"), &tx);
        for (int k = i; k < i + PER_TX && err == SH_OK; k++) {
            char id[16];
            char doc[160];
            (void)snprintf(id, sizeof id, "o%06d", (int)(k * 7919LL % RECORDS));
            (void)snprintf(
                doc, sizeof doc,
                "{\"status\":\"s%d\",\"line\":\"L%03d\",\"price\":%d.25,\"note\":\"%s\"}", k % 4,
                k % 500, k % 9973, "a few words as an order has them");
            const struct sh_record_put p = {.tenant = 1,
                                            .type = type,
                                            .id = sh_str_c(id),
                                            .doc = sh_str_c(doc),
                                            .expect = SH_RECORD_ANY};
            err = sh_record_tx_put(tx, &p);
        }
        err = err == SH_OK ? sh_record_tx_commit(tx, NULL, NULL) : err;
        sh_record_tx_free(tx);
        if (err != SH_OK) {
            return false;
        }
    }
    printf("{\"fill\":\"%.*s\",\"s\":%.2f}\n", SH_PRI(type),
           (double)(sh_mono_us(sh_clock_system()) - from) / 1e6);
    return true;
}

static void list(struct sh_record *r, const char *what, char *filter, const char *sort)
{
    int64_t best = INT64_MAX;
    struct sh_record_page page = {.n = 0};
    for (int i = 0; i < ROUNDS; i++) {
        struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 64 << 20);
        const struct sh_record_query q = {.tenant = 1,
                                          .type = SH_STR("order"),
                                          .filter = sh_str_c(filter),
                                          .sort = sh_str_c(sort),
                                          .want_total = filter[0] != '\0'};
        const int64_t from = sh_mono_us(sh_clock_system());
        if (sh_record_list(r, &q, ar, &page, NULL) != SH_OK) {
            return;
        }
        const int64_t took = sh_mono_us(sh_clock_system()) - from;
        best = took < best ? took : best;
        sh_arena_free(ar);
    }
    for (char *p = filter; *p != '\0'; p++) {
        *p = (char)(*p == '"' ? '\'' : *p);
    }
    printf("{\"list\":\"%s\",\"filter\":\"%s\",\"sort\":\"%s\",\"total\":%lld,\"ms\":%.2f}\n", what,
           filter, sort, (long long)page.total, (double)best / 1000);
}

static void lists(struct sh_record *r, const char *what)
{
    static const char *const rows[][2] = {
        {"line = 'L042'", ""},
        {"line = 'L042' and status = 's2'", "-price"},
        {"price > 9900", "price"},
        {"status = 's1'", "-price"},
        {"", "-price"},
        {"", "line,-price"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char filter[64];
        (void)snprintf(filter, sizeof filter, "%s", rows[i][0]);
        for (char *p = filter; *p != '\0'; p++) {
            *p = (char)(*p == '\'' ? '"' : *p); /* printed with ' again: the output is JSON */
        }
        list(r, what, filter, rows[i][1]);
    }
}

static void indexes(struct sh_record *r)
{
    struct sh_record_stats s = {.indexing = true};
    const char *plain = "{\"name\":\"order\",\"schema\":{}}";
    const char *indexed =
        "{\"name\":\"order\",\"schema\":{},\"index\":[\"status\",\"line\",\"price\"]}";
    const struct sh_str type = SH_STR("order");
    if (sh_record_type_put(r, 1, type, sh_str_c(plain), SH_RECORD_ANY, type, NULL, NULL) != SH_OK ||
        !fill(r, type)) {
        return;
    }
    lists(r, "no index");
    (void)fill(r, type); /* the same again: updates */
    const int64_t from = sh_mono_us(sh_clock_system());
    if (sh_record_type_put(r, 1, type, sh_str_c(indexed), SH_RECORD_ANY, type, NULL, NULL) !=
        SH_OK) {
        return;
    }
    while (s.indexing) {
        sh_record_stats(r, &s);
    }
    printf("{\"build_3_indexes_s\":%.2f}\n", (double)(sh_mono_us(sh_clock_system()) - from) / 1e6);
    lists(r, "indexed");
    (void)fill(r, type); /* updates with indexes */
}

int main(int argc, char **argv)
{
    const struct sh_env env = sh_env_system();
    char path[512];
    struct sh_record *r = NULL;
    (void)snprintf(path, sizeof path, "%s/bench.db", argc > 1 ? argv[1] : ".");
    const struct sh_record_config cfg = {.path = path};
    if (sh_record_open(&env, NULL, &cfg, &r, NULL) != SH_OK) {
        return 1;
    }
    static const unsigned callers[] = {1, 8, 64};
    for (unsigned i = 0; i < 6 && argc < 3; i++) { /* a second argument: lists only */
        measure(r, callers[i % 3], i >= 3);
    }
    indexes(r);
    sh_record_close(r);
    return 0;
}
