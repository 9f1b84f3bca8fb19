/*
 * servers: the list of resolvers, from options and resolv.conf(5), and their health.
 *
 * For: the engine. The file is read once. Waits: for the disk, while reading.
 * Memory: by value. Callers: one thread.
 */
#include "libauth/dns/servers.h"
#include "libauth/base/lex.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
    TRY_MS = 1500,
    ROUNDS = 6,
    MAX_MISSES = 3, /* in a row: the server counts as down */
    DOWN_MS = 30000,
    MAX_RECASED = 3,
    PLAIN_MS = 3600000,
};

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

/* "ADDR" or "ADDR@PORT"; an IPv6 address may name its zone: "fe80::1%eth0". */
static bool parse_server(am_str text, am_server *out)
{
    char address[128], port[6] = "53";
    struct addrinfo *list = NULL, hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                      .ai_socktype = SOCK_DGRAM};
    size_t at = am_str_rfind(text, '@');
    am_str host = am_str_cut(text, 0, at), after = am_str_cut(text, at + 1, text.n);
    uint64_t number = 53;
    am_ip ip;
    if (at < text.n && (!am_str_number(after, 5, &number) || number < 1 || number > 65535))
        return false;
    if (host.n == 0 || host.n >= sizeof address ||
        !am_ip_parse(am_str_cut(host, 0, am_str_find(host, '%')), &ip))
        return false;
    snprintf(address, sizeof address, "%.*s", AM_ARG(host));
    snprintf(port, sizeof port, "%u", (unsigned)number % 65536);
    if (getaddrinfo(address, port, &hints, &list) != 0 || !list)
        return false;
    *out = (am_server){.length = list->ai_addrlen, .loopback = is_loopback(list->ai_addr)};
    memcpy(&out->address, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

static am_str next_word(am_str *line)
{
    *line = am_str_trim(*line);
    size_t n = 0;
    while (n < line->n && !am_is(line->p[n], AM_FWS))
        n++;
    am_str word = am_str_cut(*line, 0, n);
    *line = am_str_cut(*line, n, line->n);
    return word;
}

static void read_option(am_str word, am_servers *out)
{
    uint64_t v;
    if (am_str_istarts(word, "timeout:") && am_str_number(am_str_cut(word, 8, word.n), 4, &v) && v)
        out->try_ms = (unsigned)(v > 30 ? 30 : v) * 1000;
    else if (am_str_istarts(word, "attempts:") &&
             am_str_number(am_str_cut(word, 9, word.n), 4, &v) && v)
        out->rounds = (unsigned)(v > 5 ? 5 : v);
    else if (am_str_iis(word, "trust-ad"))
        out->trust_ad = true;
}

static void read_line(am_str line, am_servers *out)
{
    am_str word = next_word(&line);
    if (am_str_is(word, "nameserver") && out->n < AM_SERVERS_MAX) {
        if (parse_server(next_word(&line), &out->server[out->n]))
            out->n++;
    } else if (am_str_is(word, "options")) {
        while ((word = next_word(&line)).n)
            read_option(word, out);
    }
}

/* Lines that are not understood are passed over, as resolvers do. */
static void read_resolv_conf(const char *path, am_servers *out)
{
    char line[1024];
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f))
        read_line(am_str_of(line), out);
    fclose(f);
}

bool am_servers_read(const am_dns_options *o, am_servers *out, am_error *why)
{
    *out = (am_servers){.try_ms = TRY_MS, .rounds = ROUNDS};
    if (o->nameservers > AM_SERVERS_MAX) {
        am_error_set(
            why, "%zu nameservers are too many; at most %d", o->nameservers, (int)AM_SERVERS_MAX);
        return false;
    }
    for (size_t i = 0; i < o->nameservers; i++)
        if (!parse_server(am_str_of(o->nameserver[i]), &out->server[out->n++])) {
            am_error_set(why, "nameserver \"%s\": want ADDR or ADDR@PORT", o->nameserver[i]);
            return false;
        }
    if (out->n == 0)
        read_resolv_conf(o->resolv_conf ? o->resolv_conf : "/etc/resolv.conf", out);
    if (out->n == 0)
        parse_server(AM_STR("127.0.0.1"), &out->server[out->n++]);
    if (o->try_ms)
        out->try_ms = o->try_ms;
    out->trust_ad = out->trust_ad || o->trust_ad;
    return true;
}

int am_servers_pick(const am_servers *s, unsigned except, int64_t now)
{
    int best = -1;
    for (size_t i = 0; i < s->n; i++) {
        if (except >> i & 1)
            continue;
        if (now >= s->server[i].down_until)
            return (int)i;
        if (best < 0 || s->server[i].down_until < s->server[best].down_until)
            best = (int)i;
    }
    return best;
}

/* Names that hang, and were asked for together, say no more than one of them. */
void am_server_missed(am_servers *all, unsigned server, int64_t sent, int64_t now)
{
    am_server *s = &all->server[server];
    if (s->answered > sent || (s->misses && now < s->missed + (int64_t)all->try_ms))
        return;
    s->missed = now;
    if (++s->misses >= MAX_MISSES)
        s->down_until = now + DOWN_MS;
}

void am_server_answered(am_server *s, int64_t now)
{
    s->answered = now;
    s->misses = 0;
    s->down_until = 0;
}

void am_server_recased(am_server *s, int64_t now)
{
    if (++s->recased >= MAX_RECASED)
        s->plain_until = now + PLAIN_MS;
}
