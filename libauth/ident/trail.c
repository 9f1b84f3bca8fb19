/*
 * trail: audit of the Received fields of one message.
 *
 * For: x-trail, and the table of --explain (RFC 5321 4.4; 6.3 for loops). Every
 * field is a claim; the audit tells whether the claims fit each other. Waits:
 * never. Memory: the hops in the context's arena, their ranges point into the
 * header. Callers: message.
 */
#include "libauth/ident/trail.h"
#include "libauth/base/domain.h"
#include "libauth/mail/scan.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    HOUR = 3600,
    DAY = 24 * HOUR,
    MANY_HOPS = 50,
    TOPMOST = 3, /* these were written near us: garbage there is nobody's old software */
};

typedef enum finding {
    NOTHING,
    FUTURE_DAY,
    BACK_DAY,
    GARBAGE_TOP,
    NO_MEMORY,
    NOT_WHOLE,
    NO_FIELD,
    TOO_MANY,
    GARBAGE,
    TWO_WAYS,
    FUTURE_HOUR,
    BACK_HOUR,
    OTHER_HOST,
    OTHER_NAME,
    FORGED_NAME,
    IDS,
    ID_FORM,
    ID_HOST,
    FINDINGS,
} finding;

/* The worst comes first: where several things are found, the first of this table is told. */
static const struct {
    am_result result;
    bool numbered; /* "Received field N" goes before it */
    const char *text;
} findings[FINDINGS] = {
    [NOTHING] = {AM_PASS, false, ""},
    [FUTURE_DAY] = {AM_FAIL, true, "is over a day in the future"},
    [BACK_DAY] = {AM_FAIL, true, "is over a day later than the one above it"},
    [GARBAGE_TOP] = {AM_FAIL, true, "is no trace field"},
    [NO_MEMORY] = {AM_NEUTRAL, false, "out of memory"},
    [NOT_WHOLE] = {AM_NEUTRAL, false, "the header was not kept whole"},
    [NO_FIELD] = {AM_NEUTRAL, false, "no Received field"},
    [TOO_MANY] = {AM_NEUTRAL, false, "more than 50 Received fields"},
    [GARBAGE] = {AM_NEUTRAL, true, "is no trace field"},
    [TWO_WAYS] = {AM_NEUTRAL, true, "does not say for certain who sent it"},
    [FUTURE_HOUR] = {AM_NEUTRAL, true, "is over an hour in the future"},
    [BACK_HOUR] = {AM_NEUTRAL, true, "is over an hour later than the one above it"},
    [OTHER_HOST] = {AM_NEUTRAL, true, "names another client than the host that wrote the next"},
    [OTHER_NAME] = {AM_NEUTRAL, true, "has a HELO name far from the reverse name"},
    [FORGED_NAME] = {AM_NEUTRAL, true, "has a reverse name that may be forged"},
    [IDS] = {AM_NEUTRAL, false, "several Message-ID fields"},
    [ID_FORM] = {AM_NEUTRAL, false, "malformed Message-ID"},
    [ID_HOST] = {AM_NEUTRAL, false,
        "the host of Message-ID is neither the origin's nor the author's"},
};

typedef struct audit {
    finding worst;
    size_t field;       /* of the worst, from 1 */
    const char *detail; /* what received says of that field; NULL: nothing */
} audit;

static void find_in(audit *a, finding f, size_t hop, const char *detail)
{
    if (a->worst != NOTHING && a->worst <= f)
        return;
    *a = (audit){f, hop + 1, detail};
}

static void find(audit *a, finding f, size_t hop)
{
    find_in(a, f, hop, NULL);
}

/* A name that means the same host to everybody. */
static bool public_name(am_str s)
{
    static const char *const inner[] = {
        "local", "lan", "localdomain", "internal", "intranet", "home", "corp", "arpa"};
    am_ip ip;
    am_str top = am_domain_tail(s, 1);
    if (!am_domain_askable(s) || am_domain_labels(s) < 2 || am_ip_parse(s, &ip) || *s.p == '[')
        return false;
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (am_str_iis(top, inner[i]))
            return false;
    return true;
}

/* The part of a name that its hosts have in common, by eye: example.org, example.co.uk.
 * Taking too much for one house costs a remark, no verdict rests upon it. */
static am_str house(am_str s)
{
    am_str two = am_domain_tail(s, 2);
    size_t second = am_str_find(two, '.');
    return second <= 3 && two.n - second - 1 == 2 ? am_domain_tail(s, 3) : two;
}

/* Both names are public, and of different houses. */
static bool strangers(am_str a, am_str b)
{
    a.n -= a.n && a.p[a.n - 1] == '.';
    b.n -= b.n && b.p[b.n - 1] == '.';
    return !am_str_ieq(a, b) && public_name(a) && public_name(b) && !am_str_ieq(house(a), house(b));
}

static void audit_form(audit *a, const am_trail *t)
{
    for (size_t i = 0; i < t->hops; i++) {
        const am_received *r = &t->hop[i].received;
        if (r->status == AM_RECEIVED_GARBAGE)
            find_in(a, i < TOPMOST ? GARBAGE_TOP : GARBAGE, i, r->reason);
        else if (r->status == AM_RECEIVED_UNSURE)
            find_in(a, TWO_WAYS, i, r->reason);
        else if (r->forged)
            find(a, FORGED_NAME, i);
    }
}

/* RFC 5321 4.4: the time of reception; each hop receives later than the one below. */
static void audit_time(audit *a, const am_trail *t, int64_t now)
{
    int64_t above = now;
    bool first = true;
    for (size_t i = 0; i < t->hops; i++) {
        const am_received *r = &t->hop[i].received;
        if (!r->has_time || !r->zone_known)
            continue;
        if (r->time > above + DAY)
            find(a, first ? FUTURE_DAY : BACK_DAY, i);
        else if (r->time > above + HOUR)
            find(a, first ? FUTURE_HOUR : BACK_HOUR, i);
        above = r->time;
        first = false;
    }
}

/* RFC 5321 4.4: the client of one field has written the next one below. Who has logged
 * in may come from anywhere, by any name. */
static void audit_names(audit *a, const am_trail *t)
{
    for (size_t i = 0; i < t->hops; i++) {
        const am_received *r = &t->hop[i].received;
        if (r->auth)
            continue;
        if (strangers(r->helo, r->name))
            find(a, OTHER_NAME, i);
        am_str by = i + 1 < t->hops ? t->hop[i + 1].received.by : (am_str){NULL, 0};
        bool helo = strangers(r->helo, by), name = strangers(r->name, by);
        if ((helo && (name || !public_name(r->name))) || (name && !public_name(r->helo)))
            find(a, OTHER_HOST, i);
    }
}

/* RFC 5322 3.6.4: "<" id-left "@" id-right ">"; absent where it is not so. The value is
 * only compared, so that no more than its shape is looked at. */
static am_str id_host(am_str value)
{
    am_str s = value, none = {NULL, 0};
    if (!am_scan_cfws(&s, NULL) || s.n == 0 || *s.p != '<')
        return none;
    am_str inside = am_str_cut(s, 1, am_str_find(s, '>'));
    am_str behind = am_str_cut(s, inside.n + 2, s.n);
    size_t at = am_str_rfind(inside, '@');
    bool closed = inside.n + 1 < s.n;
    if (!closed || at == 0 || at + 1 >= inside.n || !am_scan_cfws(&behind, NULL) || behind.n)
        return none;
    return am_str_cut(inside, at + 1, inside.n);
}

static void audit_id(audit *a, const am_trail *t, const am_header *h, am_str author)
{
    size_t n = am_header_count(h, "Message-ID");
    if (n == 0)
        return;
    am_str host = id_host(h->field[am_header_find(h, "Message-ID", 0)].value);
    if (n > 1)
        find(a, IDS, 0);
    else if (!host.p)
        find(a, ID_FORM, 0);
    const am_received *r = &t->hop[t->hops - 1].received;
    am_str origin[] = {author, r->by, r->helo, r->name};
    bool any = false;
    for (size_t i = 0; i < sizeof origin / sizeof *origin; i++) {
        if (!strangers(host, origin[i]) && public_name(origin[i]))
            return;
        any = any || public_name(origin[i]);
    }
    if (any && public_name(host))
        find(a, ID_HOST, 0);
}

static am_trail collect(am_arena *arena, const am_header *h)
{
    size_t n = am_header_count(h, "Received");
    am_trail_hop *hop =
        am_arena_array(arena, n < AM_TRAIL_HOPS ? n + 1 : AM_TRAIL_HOPS, sizeof *hop);
    am_trail t = {.hop = hop};
    for (size_t i = 0; hop && i < h->n && t.hops < AM_TRAIL_HOPS; i++) {
        if (!am_str_iis(h->field[i].name, "Received"))
            continue;
        hop[t.hops].field = i;
        am_received_parse(h->field[i].value, &hop[t.hops++].received);
    }
    return t;
}

enum { SHOWN = 100 }; /* octets of a name in the table */

static am_str shown(am_str s)
{
    return s.p ? am_str_cut(s, 0, SHOWN) : AM_STR("-");
}

/* One line of the table: who, from where, to whom, how, when. */
static void note_hop(am_trace *trace, const am_received *r, size_t number)
{
    char ip[AM_IP_TEXT] = "-", question[40];
    am_str helo = shown(r->helo), name = shown(r->name), by = shown(r->by), with = shown(r->with);
    snprintf(question, sizeof question, "Received field %zu", number);
    if (r->status != AM_RECEIVED_READ) {
        am_trace_note(trace, "trail", "5321 4.4", am_str_of(question), am_str_of(r->reason));
        return;
    }
    if (r->ip.family)
        am_ip_text(&r->ip, ip);
    am_trace_notef(trace, "trail", "5321 4.4", am_str_of(question),
        "helo=%.*s name=%.*s ip=%s by=%.*s with=%.*s time=%" PRId64 " style=%s%s%s", AM_ARG(helo),
        AM_ARG(name), ip, AM_ARG(by), AM_ARG(with), r->time, am_received_style_word(r->style),
        r->tls ? " tls" : "", r->auth ? " auth" : "");
}

/* One sentence, in the arena or a constant. */
static am_str sentence(am_arena *arena, const audit *a)
{
    const char *text = findings[a->worst].text;
    if (a->worst == NOTHING)
        return (am_str){NULL, 0};
    if (!findings[a->worst].numbered)
        return am_str_of(text);
    am_str s = am_str_format(arena, "Received field %zu %s%s%s", a->field, text,
        a->detail ? ": " : "", a->detail ? a->detail : "");
    return s.p ? s : am_str_of(findings[NO_MEMORY].text);
}

am_trail am_trail_check(const am_context *context, const am_header *header, am_str author)
{
    audit a = {NOTHING, 0, NULL};
    am_trail t = collect(context->arena, header);
    for (size_t i = 0; i < t.hops && context->trace; i++)
        note_hop(context->trace, &t.hop[i].received, i + 1);
    if (!t.hop) {
        find(&a, NO_MEMORY, 0);
    } else if (t.hops == 0) {
        find(&a, NO_FIELD, 0);
    } else {
        audit_form(&a, &t);
        audit_time(&a, &t, context->now);
        audit_names(&a, &t);
        audit_id(&a, &t, header, author);
    }
    if (t.hops > MANY_HOPS)
        find(&a, TOO_MANY, 0);
    if (header->failed)
        find(&a, NOT_WHOLE, 0);
    t.result = findings[a.worst].result;
    t.reason = sentence(context->arena, &a);
    am_trace_result(context->trace, "trail", "5321 4.4", AM_STR("trail"), t.result, t.reason);
    return t;
}
