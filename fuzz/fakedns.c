/*
 * fakedns: the doors of libauth/dns over rows of text.
 *
 * For: fuzz targets. Waits: never. Memory: rows live with the zone, answers and what was parsed of
 * them until am_dns_end. Callers: one thread.
 */
#include "fuzz/fakedns.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 200, TYPES = 29, MAX_FOLLOWS = 150 };

typedef struct row {
    am_str name, data;
    am_dns_type type;
    bool any, wild, fail, secure;
} row;

struct fake_zone {
    am_arena *arena;
    row row[MAX_ROWS];
    size_t n;
    bool late;
};

typedef struct parsed {
    const void *kind;
    void *obj;
    void (*destroy)(void *);
    struct parsed *next;
} parsed;

typedef struct entry {
    am_dns_answer answer; /* first */
    am_str name;
    am_dns_type type;
    parsed *parsed;
    bool waited;
    am_arena *arena;
    struct entry *next;
} entry;

typedef struct then {
    am_dns_fn *fn;
    void *arg;
    entry *entry;
    struct then *next;
} then;

struct am_dns_session {
    then *first, **end;
    bool polling;
    const fake_zone *zone;
    am_arena *arena; /* of its own */
    am_trace *trace;
    entry *entries, too_many;
    unsigned waited, left, early, kept, follows, waits, questions, waits_for[TYPES];
};

static const struct {
    const char *word;
    am_dns_type type;
} types[] = {{"A", AM_DNS_A}, {"AAAA", AM_DNS_AAAA}, {"MX", AM_DNS_MX}, {"PTR", AM_DNS_PTR},
    {"TXT", AM_DNS_TXT}, {"ANY", 0}};

/* ---- The zone. ---- */

fake_zone *fake_zone_new(void)
{
    fake_zone *z = calloc(1, sizeof *z);
    if (!z || !(z->arena = am_arena_new(0)))
        abort();
    return z;
}

static bool is_octet(am_str s)
{
    return s.n >= 4 && s.p[0] == '\\' && am_is(s.p[1], AM_DIGIT) && am_is(s.p[2], AM_DIGIT) &&
           am_is(s.p[3], AM_DIGIT);
}

static am_str unescape(am_arena *a, am_str in)
{
    am_buf out = {.arena = a};
    am_buf_add(&out, "", 0);
    while (in.n) {
        bool octet = is_octet(in);
        int c = octet ? (in.p[1] - '0') * 100 + (in.p[2] - '0') * 10 + in.p[3] - '0' : *in.p;
        am_buf_char(&out, (char)c);
        in = am_str_cut(in, octet ? 4 : 1, in.n);
    }
    return am_buf_get(&out);
}

/* A host as am_dns_rr.data wants it. */
static am_str host(am_arena *a, am_str in)
{
    am_buf out = {.arena = a};
    am_buf_add(&out, "", 0);
    if (in.n && in.p[in.n - 1] == '.')
        in.n--;
    in = am_str_cut(in, 0, 255);
    for (size_t i = 0; i < in.n; i++)
        if (am_is(in.p[i], AM_VCHAR) && in.p[i] != '\\')
            am_buf_char(&out, am_lower(in.p[i]));
        else
            am_buf_format(&out, "\\%03u", (unsigned char)in.p[i]);
    return am_buf_get(&out);
}

bool fake_zone_row(fake_zone *z, am_str text)
{
    row r = {.secure = text.n && *text.p == '+'};
    if (r.secure)
        text = am_str_cut(text, 1, text.n);
    size_t a = am_str_find(text, ' ');
    am_str rest = am_str_cut(text, a + 1, text.n);
    size_t b = am_str_find(rest, ' ');
    am_str type = am_str_cut(rest, 0, b);
    r.name = unescape(z->arena, am_str_cut(text, 0, a));
    r.data = unescape(z->arena, am_str_cut(rest, b + 1, rest.n));
    r.fail = am_str_is(r.data, "FAIL");
    r.wild = am_str_istarts(r.name, "*.");
    if (r.wild)
        r.name = am_str_cut(r.name, 2, r.name.n);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!am_str_is(type, types[i].word) || z->n == MAX_ROWS || !r.name.n)
            continue;
        r.type = types[i].type;
        r.any = r.type == 0;
        z->row[z->n++] = r;
        return true;
    }
    return false;
}

am_dns *fake_zone_dns(fake_zone *z)
{
    return (am_dns *)(void *)z;
}

void fake_zone_late(fake_zone *z)
{
    z->late = true;
}

void fake_zone_free(fake_zone *z)
{
    am_arena_free(z->arena);
    free(z);
}

/* ---- Answers. ---- */

/* False: the row's data is no such record. */
static bool record(am_arena *a, const row *r, am_dns_rr *rr)
{
    am_str d = r->data;
    if (r->type == AM_DNS_A || r->type == AM_DNS_AAAA) {
        am_ip ip;
        size_t n = r->type == AM_DNS_A ? 4 : 16;
        if (!am_ip_parse(d, &ip) || (n == 4 && ip.family != 4))
            return false;
        if (n == 16 && ip.family == 4) { /* as a packet has it: mapped */
            unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff};
            memcpy(mapped + 12, ip.octet, 4);
            ip = am_ip_of(mapped, 16);
        }
        rr->ip = ip;
        return true;
    }
    if (r->type == AM_DNS_MX) {
        size_t space = am_str_find(d, ' ');
        uint64_t v = 0;
        if (!am_str_number(am_str_cut(d, 0, space), 5, &v) || v > UINT16_MAX)
            return false;
        rr->preference = (uint16_t)v;
        d = am_str_cut(d, space + 1, d.n);
    }
    rr->data = r->type == AM_DNS_TXT ? d : host(a, d);
    return true;
}

static void resolve(const fake_zone *z, entry *e)
{
    am_dns_rr *rr = am_arena_array(e->arena, z->n + 1, sizeof *rr);
    am_dns_answer *x = &e->answer;
    bool exact = false;
    *x = (am_dns_answer){.status = AM_DNS_NXDOMAIN, .ttl = 300, .rr = rr, .secure = true};
    for (size_t i = 0; i < z->n; i++)
        exact = exact || (!z->row[i].wild && am_domain_under(z->row[i].name, e->name));
    for (size_t i = 0; i < z->n; i++) {
        const row *r = &z->row[i];
        bool wild = r->wild && !exact && am_domain_under(e->name, r->name) && e->name.n > r->name.n;
        bool equal = !r->wild && am_str_ieq(e->name, r->name);
        if (x->status == AM_DNS_NXDOMAIN && (wild || am_domain_under(r->name, e->name)))
            x->status = AM_DNS_NODATA;
        if (!(wild || equal) || r->type != e->type)
            continue;
        x->secure = x->secure && r->secure;
        if (r->fail) {
            *x = (am_dns_answer){.status = AM_DNS_TEMPFAIL, .reason = "SERVFAIL"};
            return;
        }
        if (record(e->arena, r, &rr[x->n])) {
            x->n++;
            x->status = AM_DNS_DATA;
        }
    }
}

typedef enum purpose { LOOK, EARLY, WAIT } purpose;

/* Counts as libauth/dns/dns.c does. False: it is one question too many. */
static bool count(am_dns_session *s, const entry *e, purpose why)
{
    if (why == WAIT ? e && e->waited : e != NULL)
        return true;
    if (why == WAIT ? s->left <= s->kept : s->early == 0)
        return false;
    if (why == WAIT)
        s->left--, s->waited++;
    else
        s->early--;
    return true;
}

static entry *make(am_dns_session *s, am_str name, am_dns_type type, bool askable)
{
    entry *e = am_arena_alloc(s->arena, sizeof *e);
    e->name = am_str_copy(s->arena, name);
    e->type = type;
    e->arena = s->arena;
    e->next = s->entries;
    s->entries = e;
    s->questions += askable;
    e->answer = (am_dns_answer){.status = AM_DNS_NXDOMAIN, .ttl = 300};
    if (askable)
        resolve(s->zone, e);
    return e;
}

/* NULL: it was never asked, and is not asked now. */
static entry *find(am_dns_session *s, am_str name, am_dns_type type, purpose why)
{
    entry *e = s->entries;
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    while (e && !(e->type == type && am_str_ieq(e->name, name)))
        e = e->next;
    bool askable = am_domain_askable(name);
    if (askable && why != LOOK && !count(s, e, why))
        return why == WAIT ? &s->too_many : NULL;
    if (!e && (why != LOOK || !askable))
        e = make(s, name, type, askable);
    if (e)
        e->waited = e->waited || why == WAIT;
    return e;
}

/* ---- The doors. ---- */

am_dns_session *am_dns_begin(
    am_dns *d, am_arena *arena, const am_dns_limits *limits, am_trace *trace)
{
    am_dns_session *s = am_arena_alloc(arena, sizeof *s);
    if (!s)
        return NULL;
    *s = (am_dns_session){.zone = (const fake_zone *)(const void *)d,
        .arena = am_arena_new(0),
        .trace = trace,
        .left = limits && limits->questions ? limits->questions : 150};
    s->early = s->left;
    s->follows = s->left;
    s->end = &s->first;
    s->too_many.answer = (am_dns_answer){.status = AM_DNS_TEMPFAIL, .reason = "too many look-ups"};
    s->too_many.arena = s->arena;
    return s;
}

void am_dns_keep(am_dns_session *s, unsigned questions)
{
    s->kept = questions < s->left / 2 ? questions : s->left / 2;
}

/* Nothing takes time here. */
int64_t am_dns_keep_time(am_dns_session *s)
{
    (void)s;
    return 0;
}

void am_dns_keep_time_end(am_dns_session *s, int64_t before)
{
    (void)s;
    (void)before;
}

/* Hands on what waits. What that leads to is handed on, too. */
void am_dns_poll(am_dns_session *s)
{
    bool inner = s->polling;
    s->polling = true;
    while (s->first && !inner) {
        then *t = s->first;
        s->first = t->next;
        if (!s->first)
            s->end = &s->first;
        t->fn(t->arg, &t->entry->answer);
    }
    s->polling = inner;
}

void am_dns_then(am_dns_session *s, am_str name, am_dns_type type, am_dns_fn *fn, void *arg)
{
    entry *e = !s->follows ? NULL : find(s, name, type, EARLY);
    if (!e)
        return;
    s->follows--;
    then *t = am_arena_alloc(s->arena, sizeof *t);
    *t = (then){fn, arg, e, NULL};
    *s->end = t;
    s->end = &t->next;
    if (!s->zone->late)
        am_dns_poll(s);
}

void am_dns_start(am_dns_session *s, am_str name, am_dns_type type)
{
    find(s, name, type, EARLY);
}

bool am_dns_turned_away(const am_dns_session *s)
{
    (void)s;
    return false;
}

void am_dns_progress(am_dns_session *s, void (*tell)(void *arg), void *arg)
{
    (void)s;
    (void)tell;
    (void)arg;
}

void am_dns_turn(am_dns_session *s, am_turn *turn)
{
    (void)s;
    (void)turn;
}

unsigned am_dns_waited(const am_dns_session *s)
{
    return s->waited;
}

const char *am_dns_fault(const am_dns_session *s)
{
    (void)s;
    return NULL;
}

const am_dns_answer *am_dns_wait(
    am_dns_session *s, const char *step, const char *rfc, am_str name, am_dns_type type)
{
    am_dns_poll(s);
    const entry *e = find(s, name, type, WAIT);
    s->waits++;
    s->waits_for[type]++;
    if (s->trace)
        am_trace_note(s->trace, step, rfc, am_dns_question_text(s->trace->arena, name, type),
            am_dns_answer_text(s->trace->arena, &e->answer, type));
    return &e->answer;
}

const am_dns_answer *am_dns_peek(am_dns_session *s, am_str name, am_dns_type type)
{
    const entry *e = find(s, name, type, LOOK);
    return e ? &e->answer : NULL;
}

static void destroy_parsed(entry *e)
{
    for (parsed *p = e->parsed; p; p = p->next)
        p->destroy(p->obj);
    e->parsed = NULL;
}

void am_dns_end(am_dns_session *s)
{
    if (!s || !s->arena)
        return;
    for (entry *e = s->entries; e; e = e->next)
        destroy_parsed(e);
    destroy_parsed(&s->too_many);
    am_arena_free(s->arena);
    s->arena = NULL;
    s->entries = NULL;
}

static entry *entry_of(const am_dns_answer *x)
{
    return (entry *)(uintptr_t)x;
}

void *am_dns_parsed_get(const am_dns_answer *x, const void *kind)
{
    for (const parsed *p = entry_of(x)->parsed; p; p = p->next)
        if (p->kind == kind)
            return p->obj;
    return NULL;
}

void *am_dns_parsed_keep(
    const am_dns_answer *x, const void *kind, void *obj, void (*destroy)(void *obj))
{
    entry *e = entry_of(x);
    parsed *p = am_arena_alloc(e->arena, sizeof *p);
    *p = (parsed){kind, obj, destroy, e->parsed};
    e->parsed = p;
    return obj;
}

unsigned fake_dns_waits(const am_dns_session *s)
{
    return s->waits;
}

unsigned fake_dns_questions(const am_dns_session *s)
{
    return s->questions;
}

unsigned fake_dns_waits_for(const am_dns_session *s, am_dns_type type)
{
    return s->waits_for[type];
}

const am_dns_lookup *am_dns_lookups(const am_dns_session *s, size_t *n, bool *full)
{
    *n = 0; /* nothing is recorded here */
    *full = false;
    return am_arena_alloc(s->arena, sizeof(am_dns_lookup));
}

/* ---- Backends: there are none, but what reads a configuration names them. ---- */

am_dns *am_dns_network(const am_dns_options *o, am_error *why)
{
    (void)o;
    am_error_set(why, "no network here");
    return NULL;
}

am_dns *am_dns_zonefiles(const char *const *file, size_t n, am_error *why)
{
    (void)file, (void)n;
    am_error_set(why, "no zone files here");
    return NULL;
}

void am_dns_free(am_dns *d)
{
    (void)d;
}
