/* addr.c - addresses as values and as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net_int.h"

struct sh_addr net_addr_of(const struct sockaddr_storage *ss)
{
    struct sh_addr a = {0};
    if (ss->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, ss, sizeof in);
        a.family = 4;
        a.port = ntohs(in.sin_port);
        memcpy(a.ip, &in.sin_addr, 4);
    } else if (ss->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, ss, sizeof in6);
        a.port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) { /* an IPv4 peer of an IPv6 listener */
            a.family = 4;
            memcpy(a.ip, (const uint8_t *)&in6.sin6_addr + 12, 4);
        } else {
            a.family = 6;
            memcpy(a.ip, &in6.sin6_addr, 16);
        }
    }
    return a;
}

socklen_t net_addr_to(const struct sh_addr *a, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (a->family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ss, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(ss, &in6, sizeof in6);
    return sizeof in6;
}

size_t sh_addr_ip_print(const struct sh_addr *a, char out[SH_ADDR_CHARS])
{
    out[0] = '\0';
    if (a->family == 4) {
        (void)inet_ntop(AF_INET, a->ip, out, SH_ADDR_CHARS);
    } else if (a->family == 6) {
        (void)inet_ntop(AF_INET6, a->ip, out, SH_ADDR_CHARS);
    }
    return strlen(out);
}

size_t sh_addr_print(const struct sh_addr *a, char out[SH_ADDR_CHARS])
{
    char ip[SH_ADDR_CHARS];
    (void)sh_addr_ip_print(a, ip);
    int n = 0;
    if (a->family == 6) {
        n = snprintf(out, SH_ADDR_CHARS, "[%.45s]:%u", ip, (unsigned)a->port);
    } else {
        n = snprintf(out, SH_ADDR_CHARS, "%.45s:%u", ip, (unsigned)a->port);
    }
    return n < 0 ? 0 : (size_t)n;
}

sh_err sh_addr_parse(struct sh_str s, struct sh_addr *out)
{
    const size_t colon = sh_str_rfind(s, ':');
    if (colon == SIZE_MAX) {
        return SH_E_INVAL;
    }
    uint64_t port = 0;
    SH_TRY(sh_u64_parse(sh_str_sub(s, colon + 1, s.n), &port));
    struct sh_str ip = sh_str_sub(s, 0, colon);
    struct sh_addr a = {.port = (uint16_t)port};
    char text[48];
    if (port > UINT16_MAX || ip.n >= sizeof text) {
        return SH_E_INVAL;
    }
    if (ip.n == 0) {
        a.family = 6;
        *out = a;
        return SH_OK;
    }
    const bool v6 = ip.p[0] == '[';
    if (v6) {
        if (ip.n < 2 || ip.p[ip.n - 1] != ']') {
            return SH_E_INVAL;
        }
        ip = sh_str_sub(ip, 1, ip.n - 1);
    }
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    if (strlen(text) != ip.n || inet_pton(v6 ? AF_INET6 : AF_INET, text, a.ip) != 1) {
        return SH_E_INVAL;
    }
    a.family = v6 ? 6 : 4;
    *out = a;
    return SH_OK;
}

/* An IPv6 address that carries an IPv4 one (RFC 4291 2.5.5.2, RFC 6052 2.1, RFC 3056 2): the part
 * that counts. */
static struct sh_addr unwrap(const struct sh_addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    struct sh_addr v4 = {.family = 4, .port = a->port};
    if (a->family == 6 &&
        (memcmp(a->ip, mapped, sizeof mapped) == 0 || memcmp(a->ip, nat64, sizeof nat64) == 0)) {
        memcpy(v4.ip, a->ip + 12, 4);
        return v4;
    }
    if (a->family == 6 && a->ip[0] == 0x20 && a->ip[1] == 0x02) { /* 6to4 */
        memcpy(v4.ip, a->ip + 2, 4);
        return v4;
    }
    return *a;
}

bool sh_addr_is_loopback(const struct sh_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    const struct sh_addr a = unwrap(addr);
    if (a.family == 4) {
        return a.ip[0] == 127;
    }
    return a.family == 6 && memcmp(a.ip, one, sizeof one) == 0;
}

static bool is_special_v4(const uint8_t *ip)
{
    static const struct {
        uint8_t net[4];
        uint8_t bits;
    } rows[] = {
        {{0, 0, 0, 0}, 8},       /* RFC 1122 3.2.1.3: this network */
        {{10, 0, 0, 0}, 8},      /* RFC 1918 */
        {{100, 64, 0, 0}, 10},   /* RFC 6598: shared by providers */
        {{127, 0, 0, 0}, 8},     /* loopback */
        {{169, 254, 0, 0}, 16},  /* RFC 3927: link-local, cloud metadata */
        {{172, 16, 0, 0}, 12},   /* RFC 1918 */
        {{192, 0, 0, 0}, 24},    /* RFC 6890: protocol assignments */
        {{192, 0, 2, 0}, 24},    /* RFC 5737: documentation */
        {{192, 168, 0, 0}, 16},  /* RFC 1918 */
        {{198, 18, 0, 0}, 15},   /* RFC 2544: benchmarks */
        {{198, 51, 100, 0}, 24}, /* RFC 5737 */
        {{203, 0, 113, 0}, 24},  /* RFC 5737 */
        {{224, 0, 0, 0}, 3},     /* multicast, reserved, broadcast */
    };
    const uint32_t v = sh_be32(ip);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t mask = UINT32_MAX << (32 - rows[i].bits);
        if ((v & mask) == sh_be32(rows[i].net)) {
            return true;
        }
    }
    return false;
}

bool sh_addr_is_special(const struct sh_addr *addr)
{
    static const uint8_t zero[15] = {0};
    const struct sh_addr a = unwrap(addr);
    if (a.family == 4) {
        return is_special_v4(a.ip);
    }
    if (a.family != 6) {
        return true;
    }
    return (memcmp(a.ip, zero, sizeof zero) == 0 && a.ip[15] <= 1) || /* :: and ::1 */
           (a.ip[0] & 0xfe) == 0xfc ||                                /* RFC 4193: unique local */
           (a.ip[0] == 0xfe && (a.ip[1] & 0x80) == 0x80) || /* link-local, RFC 3879 site-local */
           a.ip[0] == 0xff ||                               /* multicast */
           (a.ip[0] == 0x20 && a.ip[1] == 0x01 && a.ip[2] == 0x0d && a.ip[3] == 0xb8);
}
