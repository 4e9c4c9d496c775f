/* twin_bench.c - list queries over 100,000 devices. Prints JSON.
 * Usage: twin_bench FOLDER (an existing, empty one)
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/twin.h>

enum { DEVICES = 100000, ROUNDS = 20 };

static void measure(struct sh_twin *t, const char *what, const struct sh_twin_query *q)
{
    int64_t worst = 0;
    int64_t sum = 0;
    struct sh_twin_page page = {.n = 0};
    for (int i = 0; i < ROUNDS; i++) {
        struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 64 << 20);
        const int64_t from = sh_mono_us(sh_clock_system());
        if (sh_twin_devices(t, q, ar, &page, NULL) != SH_OK) {
            return;
        }
        const int64_t took = sh_mono_us(sh_clock_system()) - from;
        sum += took;
        worst = took > worst ? took : worst;
        sh_arena_free(ar);
    }
    printf("{\"query\":\"%s\",\"rows\":%zu,\"total\":%lld,\"mean_ms\":%.2f,\"worst_ms\":%.2f}\n",
           what, page.n, (long long)page.total, (double)sum / ROUNDS / 1000, (double)worst / 1000);
}

int main(int argc, char **argv)
{
    const struct sh_env env = sh_env_system();
    char path[512];
    char detail[SH_TWIN_DETAIL];
    struct sh_record *r = NULL;
    struct sh_twin *t = NULL;
    (void)snprintf(path, sizeof path, "%s/twin.db", argc > 1 ? argv[1] : ".");
    const struct sh_record_config cfg = {.path = path};
    if (sh_record_open(&env, NULL, &cfg, &r, NULL) != SH_OK) {
        return 1;
    }
    const struct sh_twin_options o = {.record = r};
    int64_t from = sh_mono_us(sh_clock_system());
    if (sh_twin_open(&env, &o, &t, NULL) != SH_OK) {
        return 1;
    }
    for (int i = 0; i < DEVICES; i++) {
        char id[32];
        char line[16];
        const struct sh_twin_label l = {SH_STR("line"), {line, 2}};
        (void)snprintf(id, sizeof id, "device-%06d", (int)(i * 7919LL % DEVICES));
        (void)snprintf(line, sizeof line, "L%d", i % 10);
        if (sh_twin_device_ensure(t, 1, sh_str_c(id), &l, 1, true, detail) != SH_TWIN_OK) {
            return 1;
        }
    }
    printf("{\"make_s\":%.2f}\n", (double)(sh_mono_us(sh_clock_system()) - from) / 1e6);
    from = sh_mono_us(sh_clock_system());
    if (sh_twin_tick(t) != SH_OK) {
        return 1;
    }
    printf("{\"store_s\":%.2f}\n", (double)(sh_mono_us(sh_clock_system()) - from) / 1e6);
    const struct sh_twin_query first = {.tenant = 1};
    const struct sh_twin_query total = {.tenant = 1, .want_total = true};
    const struct sh_twin_query search = {
        .tenant = 1, .search = SH_STR("vice-0999"), .want_total = true};
    const struct sh_twin_query label = {
        .tenant = 1, .label = SH_STR("line:L3"), .want_total = true};
    const struct sh_twin_query by_name = {.tenant = 1, .sort = SH_STR("-name")};
    const struct sh_twin_query sorted = {.tenant = 1, .sort = SH_STR("-name"), .limit = 1000};
    measure(t, "first page", &first);
    measure(t, "first page with total", &total);
    measure(t, "search", &search);
    measure(t, "label", &label);
    measure(t, "sorted by name", &by_name);
    measure(t, "sorted by name, 1000", &sorted);
    sh_twin_close(t);
    from = sh_mono_us(sh_clock_system());
    if (sh_twin_open(&env, &o, &t, NULL) != SH_OK) {
        return 1;
    }
    printf("{\"load_s\":%.2f}\n", (double)(sh_mono_us(sh_clock_system()) - from) / 1e6);
    sh_twin_close(t);
    sh_record_close(r);
    return 0;
}
