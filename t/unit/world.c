/* world: see world.h. Everything is drawn from the seed; keys are made anew. */
#include "t/unit/world.h"

#include <ctype.h>
#include <stdarg.h>
#include <strings.h>

unsigned draw(chance *c, unsigned n)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return (unsigned)((c->state >> 20) % n);
}

__attribute__((format(printf, 5, 6))) static void add(
    world *w, unsigned ttl, const char *type, const char *name, const char *fmt, ...)
{
    assert(w->n < WORLD_RECORDS);
    world_rr *r = &w->rr[w->n++];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(r->data, sizeof r->data, fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n < sizeof r->data);
    (void)n;
    snprintf(r->name, sizeof r->name, "%s", name);
    snprintf(r->type, sizeof r->type, "%s", type);
    r->ttl = ttl;
    for (size_t i = 0; i + 1 < w->n; i++) /* RFC 2181 5: a set has no record twice */
        if (strcmp(w->rr[i].name, r->name) == 0 && strcmp(w->rr[i].type, r->type) == 0 &&
            strcmp(w->rr[i].data, r->data) == 0) {
            w->n--;
            return;
        }
}

/* ---- SPF ---- */

static const char *const terms[] = {"ip4:192.0.2.1", "ip4:192.0.2.2/31", "ip4:198.51.100.0/24", "a",
    "mx", "a:mail.%{d}", "a:nowhere.%{d}", "exists:%{ir}.ex.%{d}", "exists:%{l}.ex.%{o}", "ptr",
    "ptr:%{o}", "include:_s1.%{o}", "include:_s2.%{o}", "include:nowhere.test", "include:%{d2}",
    "?a:%{h}", "ip6:2001:db8::/32", "mx:_s1.%{o}", "a:%{p}.x.test", "bad:term", "~ip4:192.0.2.3"};
static const char *const ends[] = {" -all", " -all", " ~all", " ?all", "", " redirect=_s1.%{o}",
    " -all exp=why.%{o}", " -all exp=none.%{o}"};

static void add_spf(world *w, chance *c, const char *name, unsigned most)
{
    char text[400] = "v=spf1";
    for (unsigned n = draw(c, most + 1); n > 0; n--) {
        strcat(text, " ");
        strcat(text, terms[draw(c, sizeof terms / sizeof *terms)]);
    }
    strcat(text, ends[draw(c, sizeof ends / sizeof *ends)]);
    add(w, draw(c, 2) ? 300 : 0, "TXT", name, "%s", text);
    if (draw(c, 20) == 0)
        add(w, 300, "TXT", name, "v=spf1 -all");
    if (draw(c, 3) == 0)
        add(w, 300, "TXT", name, "something else");
}

/* ---- DMARC ---- */

static void add_dmarc(world *w, chance *c, const char *domain)
{
    static const char *const p[] = {"none", "quarantine", "reject", "rejct"};
    static const char *const more[] = {"", "; adkim=s", "; aspf=s", "; sp=quarantine",
        "; np=reject", "; t=y", "; psd=n", "; psd=y", "; rua=mailto:r@example.org", "; p"};
    char name[90];
    snprintf(name, sizeof name, "_dmarc.%s", domain);
    if (draw(c, 4) == 0)
        return;
    add(w, draw(c, 2) ? 300 : 0, "TXT", name, "v=DMARC1; p=%s%s%s", p[draw(c, 4)],
        more[draw(c, 10)], more[draw(c, 10)]);
    if (draw(c, 15) == 0)
        add(w, 300, "TXT", name, "v=DMARC1; p=none");
}

/* ---- Keys and hosts ---- */

static void add_keys(world *w, am_arena *a, const char *domain, EVP_PKEY *other)
{
    const struct {
        const char *selector, *type, *key;
    } keys[] = {
        {"rsa", "rsa", key_base64(a, w->rsa).p},
        {"ed25519", "ed25519", key_base64(a, w->ed25519).p},
        {"other", "rsa", key_base64(a, other).p},
        {"revoked", "rsa", ""},
        {"broken", "rsa", "AAAA"},
    };
    char name[80];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(name, sizeof name, "%s._domainkey.%s", keys[i].selector, domain);
        add(w, i % 2 ? 300 : 0, "TXT", name, "v=DKIM1; k=%s; p=%s", keys[i].type, keys[i].key);
    }
}

static void add_hosts(world *w, chance *c, const char *domain)
{
    char name[80];
    if (draw(c, 3))
        add(w, 300, "A", domain, "192.0.2.%u", 1 + draw(c, 5));
    snprintf(name, sizeof name, "mail.%s", domain);
    add(w, 0, "A", name, "192.0.2.%u", 1 + draw(c, 5));
    for (unsigned n = draw(c, 4); n > 0; n--)
        add(w, 300, "MX", domain, "%u %s%s.", n, draw(c, 2) ? "mail." : "nowhere.", domain);
    snprintf(name, sizeof name, "%u.2.0.192.ex.%s", 1 + draw(c, 4), domain);
    add(w, 300, "A", name, "127.0.0.2");
    snprintf(name, sizeof name, "why.%s", domain);
    add(w, 300, "TXT", name, "no mail from %%{i} for %%{s}");
}

static void add_clients(world *w, chance *c)
{
    char name[80];
    for (unsigned i = 1; i <= WORLD_CLIENTS; i++)
        for (unsigned n = draw(c, 3); n > 0; n--) {
            unsigned domain = draw(c, WORLD_DOMAINS);
            snprintf(name, sizeof name, "%u.2.0.192.in-addr.arpa", i);
            add(w, draw(c, 2) ? 300 : 0, "PTR", name, "mail.d%u.test.", domain);
            snprintf(name, sizeof name, "mail.d%u.test", domain);
            if (draw(c, 2))
                add(w, 0, "A", name, "192.0.2.%u", i);
        }
}

world *world_new(uint64_t seed)
{
    chance c = {seed | 1};
    am_arena *a = am_arena_new(0);
    world *w = calloc(1, sizeof *w);
    assert(a && w);
    EVP_PKEY *other = rsa_key(1024);
    w->rsa = rsa_key(1024);
    w->ed25519 = ed25519_key();
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        char domain[40], name[60];
        snprintf(domain, sizeof domain, "d%u.test", i);
        add_hosts(w, &c, domain);
        add_keys(w, a, domain, other);
        add_dmarc(w, &c, domain);
        add_spf(w, &c, domain, 5);
        snprintf(name, sizeof name, "_s1.%s", domain);
        add_spf(w, &c, name, 3);
        snprintf(name, sizeof name, "_s2.%s", domain);
        add_spf(w, &c, name, 2);
        snprintf(name, sizeof name, "a.%s", domain);
        add_dmarc(w, &c, name);
        if (draw(&c, 2))
            add_spf(w, &c, name, 2);
    }
    add_clients(w, &c);
    EVP_PKEY_free(other);
    am_arena_free(a);
    return w;
}

void world_free(world *w)
{
    EVP_PKEY_free(w->rsa);
    EVP_PKEY_free(w->ed25519);
    free(w);
}

/* ---- As a zone file ---- */

void world_zone(const world *w, const char *path)
{
    FILE *f = fopen(path, "w");
    assert(f);
    for (size_t i = 0; i < w->n; i++) {
        const world_rr *r = &w->rr[i];
        fprintf(f, "%s. %u IN %s ", r->name, r->ttl, r->type);
        if (strcmp(r->type, "TXT") != 0)
            fprintf(f, "%s\n", r->data);
        else
            fprintf(f, "\"%.200s\" \"%s\"\n", r->data, strlen(r->data) > 200 ? r->data + 200 : "");
    }
    int rc = fclose(f);
    assert(rc == 0);
    (void)rc;
}

/* ---- As a server ---- */

static bool under(const char *name, const char *ancestor)
{
    size_t n = strlen(name), m = strlen(ancestor);
    return n > m && name[n - m - 1] == '.' && strcasecmp(name + n - m, ancestor) == 0;
}

static void put_record(reply *out, const world_rr *r, unsigned type)
{
    uint8_t data[700];
    size_t n = strlen(r->data), first = n < 200 ? n : 200;
    if (type == 1) {
        inet_pton(AF_INET, r->data, data);
        put_rr(out, 6, NULL, type, r->ttl, data, 4);
    } else if (type == 12 || type == 15) {
        reply *host = calloc(1, sizeof *host);
        assert(host);
        if (type == 15)
            put16(host, (unsigned)atoi(r->data));
        put_name(host, type == 15 ? strchr(r->data, ' ') + 1 : r->data);
        put_rr(out, 6, NULL, type, r->ttl, host->p, host->n);
        free(host);
    } else {
        data[0] = (uint8_t)first;
        memcpy(data + 1, r->data, first);
        data[1 + first] = (uint8_t)(n - first);
        memcpy(data + 2 + first, r->data + first, n - first);
        put_rr(out, 6, NULL, type, r->ttl, data, n + 2);
    }
}

void world_answer(server *s, const query *q)
{
    static const char *const words[] = {[1] = "A", [12] = "PTR", [15] = "MX", [16] = "TXT"};
    const world *w = s->with;
    const char *word = q->type < 17 ? words[q->type] : NULL;
    reply *r = begin_reply(q, 0);
    bool exists = false;
    size_t found = 0;
    for (size_t i = 0; i < w->n; i++) {
        bool here = strcasecmp(w->rr[i].name, q->name) == 0;
        exists = exists || here || under(w->rr[i].name, q->name);
        if (here && word && strcmp(w->rr[i].type, word) == 0 && ++found)
            put_record(r, &w->rr[i], q->type);
    }
    if (!found)
        put_soa(r, "test", 5, 5);
    if (!exists)
        r->p[3] |= 3; /* NXDOMAIN */
    send_reply(q, r);
}
