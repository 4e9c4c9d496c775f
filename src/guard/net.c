/* Addresses and prefixes (RFC 4632, RFC 4291) as allow lists hold them. Pure.
 * An IPv4 address is kept as IPv6 holds it (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so a peer is the
 * same whether it came by an IPv4 or an IPv6 socket.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "guard_int.h"

enum { V4_BITS = 96 }; /* in front of an IPv4 address */

bool guard_ip_is_v4(const struct guard_ip *ip)
{
    static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip->b, head, sizeof head) == 0;
}

bool guard_ip_parse(struct sh_str text, struct guard_ip *out)
{
    char t[64];
    struct sh_str s = text;
    struct sh_str zone;
    *out = (struct guard_ip){{0}};
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
        s = sh_str_sub(s, 1, s.n - 1);
    }
    s = sh_str_cut(s, '%', &zone);
    if (memchr(s.p == NULL ? "" : s.p, '\0', s.n) != NULL || !guard_copy(t, sizeof t, s)) {
        return false;
    }
    if (inet_pton(AF_INET, t, out->b + 12) == 1) {
        out->b[10] = 0xff;
        out->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, t, out->b) == 1;
}

void guard_ip_print(const struct guard_ip *ip, char out[GUARD_IP_CHARS])
{
    const bool v4 = guard_ip_is_v4(ip);
    if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->b + 12 : ip->b, out, GUARD_IP_CHARS) == NULL) {
        out[0] = '\0';
    }
}

bool guard_ip_same_place(const struct guard_ip *a, const struct guard_ip *b)
{
    return memcmp(a->b, b->b, guard_ip_is_v4(a) ? 16 : 8) == 0;
}

/* Clears what lies behind the prefix; true when there was something. */
static bool cut(struct guard_ip *ip, unsigned bits)
{
    bool some = false;
    for (unsigned i = 0; i < 16; i++) {
        const unsigned left = bits > i * 8 ? bits - i * 8 : 0;
        const uint8_t mask = (uint8_t)(left >= 8 ? 0xff : 0xff00U >> left);
        some = some || (ip->b[i] & (uint8_t)~mask) != 0;
        ip->b[i] &= mask;
    }
    return some;
}

sh_err guard_net_parse(struct sh_str text, struct guard_net *out)
{
    uint64_t bits = 0;
    const size_t slash = sh_str_find(text, '/');
    const struct sh_str address = slash == SIZE_MAX ? text : sh_str_sub(text, 0, slash);
    if (sh_str_find(address, '%') != SIZE_MAX || sh_str_find(address, '[') != SIZE_MAX ||
        !guard_ip_parse(address, &out->ip)) {
        return SH_E_INVAL;
    }
    const bool v4 = guard_ip_is_v4(&out->ip);
    const bool short_form = v4 && sh_str_find(address, ':') == SIZE_MAX;
    const unsigned before = short_form ? V4_BITS : 0;
    if (slash == SIZE_MAX) {
        bits = 128 - before;
    } else {
        const struct sh_str n = sh_str_sub(text, slash + 1, text.n);
        if (n.n == 0 || n.n > 3 || n.p[0] == '+' || sh_u64_parse(n, &bits) != SH_OK) {
            return SH_E_INVAL;
        }
    }
    if (bits > 128 - before || (v4 && bits + before < V4_BITS)) {
        return SH_E_INVAL;
    }
    out->bits = (uint8_t)(bits + before);
    return cut(&out->ip, out->bits) ? SH_E_CONFLICT : SH_OK;
}

void guard_net_print(const struct guard_net *n, char out[GUARD_NET_CHARS])
{
    char ip[GUARD_IP_CHARS];
    const bool v4 = guard_ip_is_v4(&n->ip) && n->bits >= V4_BITS;
    guard_ip_print(&n->ip, ip);
    if (n->bits == 128) {
        (void)guard_print(out, GUARD_NET_CHARS, "%s", ip);
    } else {
        (void)guard_print(out, GUARD_NET_CHARS, "%s/%u", ip, n->bits - (v4 ? V4_BITS : 0U));
    }
}

bool guard_net_has(const struct guard_net *n, const struct guard_ip *ip)
{
    if (guard_ip_is_v4(&n->ip) != guard_ip_is_v4(ip)) { /* ::/0 is no IPv4 address */
        return false;
    }
    const unsigned whole = n->bits / 8;
    const unsigned rest = n->bits % 8;
    const uint8_t mask = (uint8_t)(0xff00U >> rest);
    return memcmp(n->ip.b, ip->b, whole) == 0 &&
           (rest == 0 || (n->ip.b[whole] & mask) == (ip->b[whole] & mask));
}

/* ---- lists ---- */

bool sh_net_list_ok(struct sh_str list)
{
    while (list.n > 0) {
        struct guard_net n;
        const struct sh_str part = sh_str_trim(sh_str_cut(list, ',', &list));
        if (part.n > 0 && guard_net_parse(part, &n) != SH_OK) {
            return false;
        }
    }
    return true;
}

bool sh_net_list_has(struct sh_str list, struct sh_str address)
{
    struct guard_ip ip;
    if (!guard_ip_parse(address, &ip)) {
        return false;
    }
    while (list.n > 0) {
        struct guard_net n;
        const struct sh_str part = sh_str_trim(sh_str_cut(list, ',', &list));
        if (part.n > 0 && guard_net_parse(part, &n) == SH_OK && guard_net_has(&n, &ip)) {
            return true;
        }
    }
    return false;
}
