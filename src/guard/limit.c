/* Lock-out after failures and throttles: bounded tables by hash, the least recent entry of a set
 * goes when the set is full. All under `lock`, times by the monotonic clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "guard_int.h"

enum { FORGET_S = 3600 };

int64_t guard_fails_wait(const struct guard_fails *f, int64_t now_us)
{
    return f->until_us > now_us ? f->until_us - now_us : 0;
}

/* The lock doubles with every failure from `after` on; an hour without one forgets them. */
void guard_fails_add(const struct sh_guard_settings *s, struct guard_fails *f, uint32_t after,
                     int64_t now_us)
{
    if (f->fails > 0 && now_us - f->last_us > FORGET_S * INT64_C(1000000)) {
        f->fails = 0;
    }
    f->fails += f->fails < UINT32_MAX ? 1 : 0;
    f->last_us = now_us;
    if (f->fails < after) {
        return;
    }
    int64_t wait = s->lock_first_us;
    for (uint32_t i = after; i < f->fails && wait < s->lock_max_us; i++) {
        wait *= 2;
    }
    f->until_us = now_us + (wait < s->lock_max_us ? wait : s->lock_max_us);
}

struct guard_fails *guard_fails_of(struct sh_guard *g, const char *space, struct sh_str key,
                                   int64_t now_us)
{
    const uint64_t seed = sh_hash64(space, strlen(space), g->seed);
    uint64_t h = sh_hash64(key.p, key.n, seed);
    h = h == 0 ? 1 : h;
    struct guard_fail_entry *set = &g->fails[h % FAIL_SETS * FAIL_WAYS];
    struct guard_fail_entry *oldest = set;
    for (size_t i = 0; i < FAIL_WAYS; i++) {
        if (set[i].key == h) {
            return &set[i].f;
        }
        if (set[i].key == 0 || set[i].f.last_us < oldest->f.last_us) {
            oldest = &set[i];
        }
    }
    *oldest = (struct guard_fail_entry){.key = h, .f = {.last_us = now_us}};
    return &oldest->f;
}

static bool parse_v6(struct sh_str peer, uint8_t out[16])
{
    char text[64];
    struct sh_str s = peer;
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
        s = sh_str_sub(s, 1, s.n - 1);
    }
    struct sh_str zone;
    s = sh_str_cut(s, '%', &zone);
    return guard_copy(text, sizeof text, s) && inet_pton(AF_INET6, text, out) == 1;
}

/* ::ffff:a.b.c.d, an IPv4 address on an IPv6 socket */
static bool is_mapped(const uint8_t ip[16])
{
    static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, head, sizeof head) == 0;
}

struct sh_str guard_peer_key(struct sh_str peer, char out[64])
{
    uint8_t ip[16];
    if (!parse_v6(peer, ip)) {
        return sh_str_sub(peer, 0, 63);
    }
    if (is_mapped(ip)) {
        (void)inet_ntop(AF_INET, ip + 12, out, 64);
    } else {
        memset(ip + 8, 0, 8); /* a subscriber has a /64 */
        (void)inet_ntop(AF_INET6, ip, out, 64);
    }
    return sh_str_c(out);
}

bool guard_peer_is_loopback(struct sh_str peer)
{
    static const uint8_t one[16] = {[15] = 1};
    char text[64];
    uint8_t ip[16];
    if (parse_v6(peer, ip)) {
        return memcmp(ip, one, sizeof one) == 0 || (is_mapped(ip) && ip[12] == 127);
    }
    return guard_copy(text, sizeof text, peer) && inet_pton(AF_INET, text, ip) == 1 && ip[0] == 127;
}

/* Generic cell rate algorithm, as for the samples of a tenant. */
sh_err sh_guard_throttle(struct sh_guard *g, struct sh_str key, uint32_t per_second, uint32_t burst,
                         int64_t *wait_us)
{
    *wait_us = 0;
    if (per_second == 0 || burst == 0) {
        return SH_E_INVAL;
    }
    uint64_t h = sh_hash64(key.p, key.n, g->seed);
    h = h == 0 ? 1 : h;
    const int64_t now = sh_mono_us(g->env->clock);
    const int64_t step = 1000000 / (int64_t)per_second > 0 ? 1000000 / (int64_t)per_second : 1;
    sh_mutex_lock(&g->lock);
    struct guard_throttle_entry *set = &g->throttles[h % THROTTLE_SETS * THROTTLE_WAYS];
    struct guard_throttle_entry *e = set;
    for (size_t i = 0; i < THROTTLE_WAYS; i++) {
        if (set[i].key == h) {
            e = &set[i];
            break;
        }
        if (set[i].arrival_us < e->arrival_us) {
            e = &set[i];
        }
    }
    if (e->key != h) {
        *e = (struct guard_throttle_entry){.key = h, .arrival_us = now};
    }
    const int64_t from = e->arrival_us > now ? e->arrival_us : now;
    const int64_t ahead = from + step - now - step * (int64_t)burst;
    if (ahead <= 0) {
        e->arrival_us = from + step;
    } else {
        *wait_us = ahead;
    }
    sh_mutex_unlock(&g->lock);
    return ahead <= 0 ? SH_OK : SH_E_LIMIT;
}
