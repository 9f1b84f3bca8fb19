/*
 * fakedns: the doors of libauth/dns over a table of rows, for unit tests.
 * Answers live in the test's arena; objects kept with them until am_dns_end.
 */
#include "t/unit/fakedns.h"
#include "libauth/base/domain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 3 }; /* parsed forms that an answer can keep */

typedef struct entry {
    am_str name;
    am_dns_type type;
    am_dns_answer answer;
    bool started, waited;
    struct {
        const void *kind;
        void *obj;
        void (*destroy)(void *);
    } kept[KINDS];
    struct entry *next;
} entry;

struct am_dns_session {
    am_arena *arena;
    const fake_rr *rows;
    size_t n;
    am_trace *trace;
    entry *entries;
    char *asked[1000];
    unsigned waited, started;
};

am_dns_session *fake_dns(am_arena *a, const fake_rr *rows, size_t n, am_trace *trace)
{
    am_dns_session *s = am_arena_alloc(a, sizeof *s);
    *s = (am_dns_session){.arena = a, .rows = rows, .n = n, .trace = trace};
    return s;
}

static const char *type_word(am_dns_type t)
{
    return t == AM_DNS_A      ? "A"
           : t == AM_DNS_AAAA ? "AAAA"
           : t == AM_DNS_MX   ? "MX"
           : t == AM_DNS_PTR  ? "PTR"
                              : "TXT";
}

static void record(am_dns_session *s, am_dns_type type, const fake_rr *row, am_dns_rr *rr)
{
    am_str d = am_str_n(row->data, row->n ? row->n : strlen(row->data));
    if (type == AM_DNS_A || type == AM_DNS_AAAA) {
        bool ok = am_ip_parse(d, &rr->ip);
        assert(ok);
        (void)ok;
    } else if (type == AM_DNS_MX) {
        char *host;
        rr->preference = (uint16_t)strtoul(row->data, &host, 10);
        rr->data = am_str_lower(s->arena, am_str_of(host + 1));
    } else {
        rr->data = type == AM_DNS_PTR ? am_str_lower(s->arena, d) : am_str_copy(s->arena, d);
    }
}

static void resolve(am_dns_session *s, entry *e)
{
    am_dns_rr *rr = am_arena_array(s->arena, s->n + 1, sizeof *rr);
    am_dns_answer *x = &e->answer;
    *x = (am_dns_answer){.status = AM_DNS_NXDOMAIN, .ttl = 300, .rr = rr};
    if (!am_domain_askable(e->name))
        return;
    for (size_t i = 0; i < s->n; i++) {
        const fake_rr *row = &s->rows[i];
        if (!am_domain_under(am_str_of(row->name), e->name))
            continue;
        if (x->status == AM_DNS_NXDOMAIN)
            x->status = AM_DNS_NODATA;
        if (!am_str_iis(e->name, row->name) ||
            (strcmp(row->type, type_word(e->type)) != 0 && strcmp(row->type, "ANY") != 0))
            continue;
        if (strcmp(row->data, "TEMPFAIL") == 0) {
            x->status = AM_DNS_TEMPFAIL;
            x->reason = "SERVFAIL";
            return;
        }
        if (strcmp(row->data, "NODATA") == 0 || strcmp(row->type, "ANY") == 0)
            continue;
        record(s, e->type, row, &rr[x->n++]);
        x->status = AM_DNS_DATA;
        x->secure = row->secure;
    }
}

static entry *find(am_dns_session *s, am_str name, am_dns_type type)
{
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    for (entry *e = s->entries; e; e = e->next)
        if (e->type == type && am_str_ieq(e->name, name))
            return e;
    entry *e = am_arena_alloc(s->arena, sizeof *e);
    e->name = am_str_copy(s->arena, name);
    e->type = type;
    resolve(s, e);
    e->next = s->entries;
    s->entries = e;
    return e;
}

void am_dns_start(am_dns_session *s, am_str name, am_dns_type type)
{
    entry *e = find(s, name, type);
    s->started += !e->started;
    e->started = true;
}

void am_dns_then(am_dns_session *s, am_str name, am_dns_type type, am_dns_fn *fn, void *arg)
{
    am_dns_start(s, name, type);
    fn(arg, &find(s, name, type)->answer);
}

void am_dns_poll(am_dns_session *s)
{
    (void)s;
}

const am_dns_answer *am_dns_wait(
    am_dns_session *s, const char *step, const char *rfc, am_str name, am_dns_type type)
{
    entry *e = find(s, name, type);
    if (!e->waited && s->waited < 1000) {
        am_str q = am_dns_question_text(s->arena, name, type);
        s->asked[s->waited++] = am_arena_copy(s->arena, q.p, q.n);
    }
    e->waited = true;
    am_trace_note(s->trace, step, rfc, am_dns_question_text(s->arena, name, type),
        am_dns_answer_text(s->arena, &e->answer, type));
    return &e->answer;
}

const am_dns_answer *am_dns_peek(am_dns_session *s, am_str name, am_dns_type type)
{
    return &find(s, name, type)->answer;
}

void am_dns_end(am_dns_session *s)
{
    for (entry *e = s ? s->entries : NULL; e; e = e->next)
        for (int i = 0; i < KINDS; i++)
            if (e->kept[i].obj)
                e->kept[i].destroy(e->kept[i].obj);
    if (s)
        s->entries = NULL;
}

am_str am_dns_question_text(am_arena *a, am_str name, am_dns_type type)
{
    return am_str_format(a, "%s %.*s", type_word(type), AM_ARG(name));
}

am_str am_dns_answer_text(am_arena *a, const am_dns_answer *x, am_dns_type type)
{
    (void)type;
    static const char *const word[] = {"data", "no data", "no such name", "temporary failure"};
    return am_str_of(am_arena_copy(a, word[x->status], strlen(word[x->status])));
}

void *am_dns_parsed_get(const am_dns_answer *x, const void *kind)
{
    const entry *e = (const entry *)(const void *)((const char *)x - offsetof(entry, answer));
    for (int i = 0; i < KINDS; i++)
        if (e->kept[i].kind == kind)
            return e->kept[i].obj;
    return NULL;
}

void *am_dns_parsed_keep(
    const am_dns_answer *x, const void *kind, void *obj, void (*destroy)(void *obj))
{
    entry *e = (entry *)(void *)((char *)(uintptr_t)x - offsetof(entry, answer));
    int i = 0;
    while (i < KINDS && e->kept[i].obj)
        assert(e->kept[i++].kind != kind);
    assert(i < KINDS);
    e->kept[i].kind = kind;
    e->kept[i].obj = obj;
    e->kept[i].destroy = destroy;
    return obj;
}

/* Nothing takes time here, and nothing is too much. */
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

unsigned am_dns_waited(const am_dns_session *s)
{
    return s->waited;
}

unsigned fake_dns_waited(const am_dns_session *s)
{
    return s->waited;
}

unsigned fake_dns_started(const am_dns_session *s)
{
    return s->started;
}

const char *fake_dns_question(const am_dns_session *s, unsigned nth)
{
    return nth < s->waited ? s->asked[nth] : NULL;
}
