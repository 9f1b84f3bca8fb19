/*
 * names: sets that rules look things up in, however many entries they have.
 *
 * For: rules (milter/rule.c) and the check of their meaning. One table with open addressing, at
 * most half full; a domain is looked up once a label, an address once a length of prefix that
 * occurs. Waits: am_names_read, for a file. Memory: the configuration's arena. Callers: anyone.
 */
#include "milter/names.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "milter/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE = 64 << 20, MAX_LABELS = 127, NET_HEAD = 2 };

/* ---- The table ---- */

/* A key in pieces, so that none has to be put together: "x", "@", "a.example". */
typedef struct pieces {
    am_str p[3];
    bool exact; /* octets, not text */
} pieces;

static uint64_t hash_of(const pieces *k)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < k->p[i].n; j++) {
            char c = k->p[i].p[j];
            h = (h ^ (unsigned char)(k->exact ? c : am_lower(c))) * 1099511628211u;
        }
    return h ^ (h >> 29);
}

static bool same(const pieces *k, am_str key)
{
    size_t at = 0;
    if (k->p[0].n + k->p[1].n + k->p[2].n != key.n)
        return false;
    for (size_t i = 0; i < 3; at += k->p[i].n, i++) {
        am_str part = am_str_cut(key, at, at + k->p[i].n);
        if (!(k->exact ? am_str_eq(part, k->p[i]) : am_str_ieq(part, k->p[i])))
            return false;
    }
    return true;
}

/* Where the key is, or would be. */
static size_t place_of(const am_str *slot, size_t slots, const pieces *k)
{
    size_t i = hash_of(k) & (slots - 1);
    while (slot[i].p && !same(k, slot[i]))
        i = (i + 1) & (slots - 1);
    return i;
}

static bool has(const am_names *s, pieces k)
{
    k.exact = s->kind == AM_NAMES_NET;
    return s->slots && s->slot[place_of(s->slot, s->slots, &k)].p;
}

static bool has_one(const am_names *s, am_str key)
{
    return has(s, (pieces){.p = {key}});
}

bool am_names_make(am_arena *a, am_names_kind kind, const am_str *key, size_t n, am_names *out)
{
    size_t slots = 4;
    while (slots < 2 * n)
        slots *= 2;
    am_str *slot = am_arena_array(a, slots, sizeof *slot);
    *out = (am_names){.kind = kind, .slots = slots, .slot = slot};
    if (!slot)
        return false;
    for (size_t i = 0; i < n; i++) {
        pieces k = {.p = {key[i]}, .exact = kind == AM_NAMES_NET};
        am_str *at = &slot[place_of(slot, slots, &k)];
        out->n += at->p == NULL;
        *at = key[i];
        if (kind == AM_NAMES_NET)
            (key[i].p[0] == 4 ? out->v4 : out->v6)[(unsigned char)key[i].p[1]] = true;
    }
    return true;
}

/* ---- Keys ---- */

/* Family, length of the prefix, and its octets, those behind it zero. */
static am_str net_key(const am_net *net, char room[NET_HEAD + 16])
{
    size_t n = net->ip.family == 4 ? 4 : 16;
    room[0] = (char)net->ip.family;
    room[1] = (char)net->bits;
    for (size_t i = 0; i < n; i++) {
        int left = (int)net->bits - (int)(8 * i);
        unsigned mask = left >= 8 ? 0xff : left <= 0 ? 0 : 0xff00u >> left;
        room[NET_HEAD + i] = (char)(net->ip.octet[i] & mask);
    }
    return (am_str){room, NET_HEAD + n};
}

static am_net key_net(am_str key)
{
    am_net net = {.bits = (unsigned char)key.p[1]};
    net.ip.family = (unsigned char)key.p[0];
    memcpy(net.ip.octet, key.p + NET_HEAD, key.n - NET_HEAD);
    return net;
}

static bool key_of_net(am_arena *a, am_str text, am_str *key)
{
    am_net net;
    char room[NET_HEAD + 16];
    if (!am_net_parse(text, &net))
        return false;
    *key = am_str_copy(a, net_key(&net, room));
    return key->p != NULL;
}

static bool key_of_domain(am_arena *a, am_str text, am_str *key)
{
    am_str domain;
    size_t at = am_str_rfind(text, '@');
    if (am_str_is(text, "<>")) {
        *key = AM_STR("<>");
        return true;
    }
    if (at < text.n) { /* x@a.example */
        for (size_t i = 0; i < at; i++)
            if (!am_is(text.p[i], AM_VCHAR | AM_HIGH))
                return false;
        if (at == 0 || !am_domain_normalise(a, am_str_cut(text, at + 1, text.n), &domain))
            return false;
        *key = am_str_join3(a, am_str_cut(text, 0, at), AM_STR("@"), domain);
        return key->p != NULL;
    }
    bool below = text.n > 1 && text.p[0] == '.';
    if (!am_domain_normalise(a, am_str_cut(text, below, text.n), &domain))
        return false;
    *key = below ? am_str_format(a, ".%.*s", AM_ARG(domain)) : domain;
    return key->p != NULL;
}

static bool key_of_text(am_arena *a, am_str text, am_str *key)
{
    for (size_t i = 0; i < text.n; i++)
        if (am_is(text.p[i], AM_CTL))
            return false;
    *key = am_str_copy(a, text);
    return text.n > 0 && text.n <= 998 && key->p;
}

bool am_names_key(am_arena *a, am_names_kind kind, am_str text, am_str *key)
{
    static bool (*const rule[])(am_arena *, am_str, am_str *) = {
        [AM_NAMES_DOMAIN] = key_of_domain,
        [AM_NAMES_TEXT] = key_of_text,
        [AM_NAMES_NET] = key_of_net,
    };
    return rule[kind](a, text, key);
}

am_str am_names_text(am_arena *a, am_names_kind kind, am_str key)
{
    char text[AM_IP_TEXT];
    if (kind != AM_NAMES_NET)
        return key;
    am_net net = key_net(key);
    return am_str_format(a, "%s/%u", am_ip_text(&net.ip, text), net.bits);
}

/* ---- Files ---- */

/* Room for one more; false: out of memory. */
static bool push(am_str **list, size_t *n, am_str key)
{
    if ((*n & (*n - 1)) == 0) { /* 0 and the powers of two */
        am_str *more = realloc(*list, (*n ? 2 * *n : 1) * sizeof *more);
        if (!more)
            return false;
        *list = more;
    }
    (*list)[(*n)++] = key;
    return true;
}

/* The file in memory, malloc'd; NULL: why. */
static char *slurp(const char *file, size_t *n, am_error *why)
{
    struct stat st;
    if (!am_access_file(file, why))
        return NULL;
    char *text = NULL;
    bool plain = stat(file, &st) != 0 || S_ISREG(st.st_mode); /* opening a pipe could last */
    FILE *f = plain ? fopen(file, "re") : NULL;
    if (plain && (!f || fstat(fileno(f), &st) != 0))
        am_error_set(why, "%s: %s; wanted: a file with one entry a line", file, strerror(errno));
    else if (!plain)
        am_error_set(why, "%s: not a plain file; wanted: one entry a line", file);
    else if (st.st_size > MAX_FILE)
        am_error_set(why, "%s: over 64 MiB; split it", file);
    else if (!(text = malloc((size_t)st.st_size + 1)))
        am_error_set(why, "%s: out of memory", file);
    else
        *n = fread(text, 1, (size_t)st.st_size, f);
    if (text && ferror(f)) {
        am_error_set(why, "%s: %s", file, strerror(errno));
        free(text);
        text = NULL;
    }
    if (f)
        fclose(f);
    return text;
}

static bool read_line(am_arena *a, am_names_kind kind, am_str line, am_str **key, size_t *n)
{
    am_str one;
    line = am_str_trim(am_str_cut(line, 0, am_str_find(line, '#')));
    if (line.n == 0)
        return true;
    return am_names_key(a, kind, line, &one) && push(key, n, one);
}

bool am_names_read(am_arena *a, am_names_kind kind, const char *file, const char *right,
    am_str **key, size_t *n, am_error *why)
{
    size_t size = 0;
    char *text = slurp(file, &size, why);
    if (!text)
        return false;
    bool marked = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0; /* by some editors */
    am_str rest = am_str_cut((am_str){text, size}, marked ? 3 : 0, size);
    bool good = true;
    for (unsigned line = 1; good && rest.n; line++) {
        size_t end = am_str_find(rest, '\n');
        am_str entry = am_str_cut(rest, 0, end);
        good = read_line(a, kind, entry, key, n);
        if (!good && am_str_find(entry, '\0') < entry.n)
            am_error_set(why, "%s:%u: holds a NUL octet; wanted: %s", file, line, right);
        else if (!good)
            am_error_set(why, "%s:%u: \"%.*s\" is not right; wanted: %s", file, line,
                (int)(entry.n > 64 ? 64 : entry.n), entry.p, right);
        rest = am_str_cut(rest, end + 1, rest.n);
    }
    free(text);
    return good;
}

/* ---- Look-ups ---- */

bool am_names_has_text(const am_names *s, am_str text)
{
    return has_one(s, text);
}

/* Is some domain above this one written with a dot in front? */
static bool has_above(const am_names *s, am_str domain)
{
    for (unsigned i = 0; i < MAX_LABELS; i++) {
        size_t dot = am_str_find(domain, '.');
        if (dot >= domain.n)
            return false;
        if (has_one(s, am_str_cut(domain, dot, domain.n)))
            return true;
        domain = am_str_cut(domain, dot + 1, domain.n);
    }
    return false;
}

bool am_names_has_mailbox(const am_names *s, const am_mailbox *m)
{
    if (!m->domain.n)
        return !m->local.n && has_one(s, AM_STR("<>"));
    if (m->local.n && has(s, (pieces){.p = {m->local, AM_STR("@"), m->domain}}))
        return true;
    return has_one(s, m->domain) || has_above(s, m->domain);
}

static bool has_net(const am_names *s, am_net net)
{
    char room[NET_HEAD + 16];
    const bool *there = net.ip.family == 4 ? s->v4 : s->v6;
    for (int bits = net.bits; net.ip.family && bits >= 0; bits--) {
        net.bits = (unsigned char)bits;
        if (there[bits] && has_one(s, net_key(&net, room)))
            return true;
    }
    return false;
}

bool am_names_has_ip(const am_names *s, const am_ip *ip)
{
    return has_net(s, (am_net){.ip = *ip, .bits = ip->family == 4 ? 32 : 128});
}

bool am_names_covers(const am_names *s, am_str key)
{
    if (s->kind == AM_NAMES_NET)
        return has_net(s, key_net(key));
    if (has_one(s, key))
        return true;
    size_t at = am_str_rfind(key, '@');
    am_str domain = at < key.n ? am_str_cut(key, at + 1, key.n) : key;
    if (s->kind != AM_NAMES_DOMAIN)
        return false;
    if (at < key.n && has_one(s, domain))
        return true;
    if (key.p[0] == '.') /* ".a.example" lies within ".example" */
        domain = am_str_cut(key, 1, key.n);
    return has_above(s, domain);
}
