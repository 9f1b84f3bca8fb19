/*
 * record_read: a line of the decision log back to a record (jansson).
 *
 * For: `authmill explain` and `replay`. Waits: never. Memory: the caller's arena; jansson's own
 * while a line is read. Callers: anyone.
 *
 * A file is not believed: each member has the type that it must have, words are of the
 * known ones, and numbers fit. What is not known is passed over: a later version may add it.
 */
#include "milter/record_in.h"
#include "libauth/base/lex.h"

#include <jansson.h>
#include <limits.h>
#include <string.h>

typedef struct reader {
    am_arena *arena;
    am_error *why;
    bool failed; /* why is set: the first error counts */
} reader;

static bool fail(reader *r, const char *member, const char *wanted)
{
    if (!r->failed)
        am_error_set(r->why, "\"%.40s\" is not %s", member, wanted);
    r->failed = true;
    return false;
}

static unsigned hex(char c)
{
    return am_is(c, AM_DIGIT) ? (unsigned)(c - '0') : (unsigned)(am_lower(c) - 'a' + 10);
}

/* \xHH back to octets, in a copy; what is no such stays. */
static am_str unescape(reader *r, const char *p, size_t n)
{
    char *out = am_arena_copy(r->arena, p, n);
    size_t to = 0;
    if (!out) {
        fail(r, "record", "within memory");
        return (am_str){0};
    }
    for (size_t i = 0; i < n; i++)
        if (n - i >= 4 && p[i] == '\\' && p[i + 1] == 'x' && am_is(p[i + 2], AM_HEXDIG) &&
            am_is(p[i + 3], AM_HEXDIG)) {
            out[to++] = (char)(hex(p[i + 2]) << 4 | hex(p[i + 3]));
            i += 3;
        } else {
            out[to++] = p[i];
        }
    out[to] = '\0';
    return am_str_n(out, to);
}

/* The member's text; absent where it is not there. */
static am_str text_of(reader *r, const json_t *o, const char *key)
{
    const json_t *j = json_object_get(o, key);
    if (j && !json_is_string(j))
        fail(r, key, "a string");
    return json_is_string(j) ? unescape(r, json_string_value(j), json_string_length(j))
                             : (am_str){0};
}

static const char *words_of(reader *r, const json_t *o, const char *key)
{
    am_str s = text_of(r, o, key);
    return s.n && !memchr(s.p, '\0', s.n) ? s.p : NULL;
}

static uint64_t count_of(reader *r, const json_t *o, const char *key, uint64_t max)
{
    const json_t *j = json_object_get(o, key);
    json_int_t n = json_integer_value(j);
    if (j && (!json_is_integer(j) || n < 0 || (uint64_t)n > max))
        fail(r, key, "a number in its range");
    return r->failed ? 0 : (uint64_t)n;
}

static bool flag_of(reader *r, const json_t *o, const char *key)
{
    const json_t *j = json_object_get(o, key);
    if (j && !json_is_boolean(j))
        fail(r, key, "true or false");
    return json_is_true(j);
}

/* The list's length, or 0; *list NULL: none. */
static size_t list_of(reader *r, const json_t *o, const char *key, const json_t **list)
{
    *list = json_object_get(o, key);
    if (*list && !json_is_array(*list))
        fail(r, key, "a list");
    return json_array_size(*list);
}

static const json_t *object_of(reader *r, const json_t *o, const char *key)
{
    const json_t *j = json_object_get(o, key);
    if (j && !json_is_object(j))
        fail(r, key, "an object");
    return json_is_object(j) ? j : NULL;
}

static const char *result_word(unsigned i)
{
    return i <= AM_PERMERROR ? am_result_word((am_result)i) : NULL;
}

static const char *policy_word(unsigned i)
{
    return i <= AM_DMARC_REJECT ? am_dmarc_policy_word((am_dmarc_policy)i) : NULL;
}

static const char *action_word(unsigned i)
{
    return i <= AM_ACTION_DISCARD ? am_action_word((am_action)i) : NULL;
}

static const char *measure_word(unsigned i)
{
    return i <= AM_MEASURE_REJECT ? am_measure_word((am_measure)i) : NULL;
}

/* Which of the words it is; a member that is not there is the first. */
static unsigned word_of(reader *r, const json_t *o, const char *key, const char *(*word)(unsigned))
{
    am_str s = text_of(r, o, key);
    for (unsigned i = 0; s.p && word(i); i++)
        if (am_str_is(s, word(i)))
            return i;
    if (s.p)
        fail(r, key, "a known word");
    return 0;
}

static void take_words(reader *r, const json_t *o, const am_member *m, void *at)
{
    const char *words = words_of(r, o, m->name);
    if (words)
        memcpy(at, &words, sizeof words);
}

static void take_chars(reader *r, const json_t *o, const am_member *m, char *at)
{
    am_str s = text_of(r, o, m->name);
    if (s.n >= m->size)
        fail(r, m->name, "short enough");
    else if (s.n)
        memcpy(at, s.p, s.n);
}

/* `to` is zeroed but for texts that are never NULL. */
static void take(reader *r, const json_t *o, const am_member *m, void *to)
{
    for (; m->name && !r->failed; m++) {
        char *at = (char *)to + m->offset;
        switch (m->kind) {
        case AM_KIND_RESULT:
            *(am_result *)(void *)at = (am_result)word_of(r, o, m->name, result_word);
            break;
        case AM_KIND_POLICY:
            *(am_dmarc_policy *)(void *)at = (am_dmarc_policy)word_of(r, o, m->name, policy_word);
            break;
        case AM_KIND_ACTION:
            *(am_action *)(void *)at = (am_action)word_of(r, o, m->name, action_word);
            break;
        case AM_KIND_MEASURE:
            *(am_measure *)(void *)at = (am_measure)word_of(r, o, m->name, measure_word);
            break;
        case AM_KIND_STR:
            *(am_str *)(void *)at = text_of(r, o, m->name);
            break;
        case AM_KIND_WORDS:
            take_words(r, o, m, at);
            break;
        case AM_KIND_CHARS:
            take_chars(r, o, m, at);
            break;
        case AM_KIND_FLAG:
            *(bool *)at = flag_of(r, o, m->name);
            break;
        case AM_KIND_COUNT:
            *(unsigned *)(void *)at = (unsigned)count_of(r, o, m->name, UINT_MAX);
            break;
        }
    }
}

static void *room_for(reader *r, size_t n, size_t size)
{
    void *p = am_arena_array(r->arena, n + 1, size);
    if (!p)
        fail(r, "record", "within memory");
    return p;
}

/* ---- Evidence ---- */

static void read_dkim(reader *r, const json_t *o, am_evidence *e)
{
    const json_t *list;
    size_t n = list_of(r, o, "dkim", &list);
    am_dkim_verdict *v = room_for(r, n, sizeof *v);
    for (size_t i = 0; v && i < n; i++) {
        const json_t *one = json_array_get(list, i);
        v[i].reason = "";
        if (!json_is_object(one))
            fail(r, "dkim", "a list of objects");
        take(r, one, am_members_dkim, &v[i]);
    }
    e->dkim = v;
    e->dkims = v ? n : 0;
    e->dkims_skipped = (size_t)count_of(r, o, "dkim_skipped", UINT_MAX);
}

static void read_sealers(reader *r, const json_t *o, am_arc_verdict *v)
{
    const json_t *list;
    size_t n = list_of(r, o, "sealers", &list);
    am_arc_set *set = n ? room_for(r, n, sizeof *set) : NULL;
    for (size_t i = 0; set && i < n; i++)
        take(r, json_array_get(list, i), am_members_arc_set, &set[i]);
    v->set = set;
    v->sets = set ? n : 0;
}

static void read_author(reader *r, const json_t *o, am_author *author)
{
    const json_t *j = object_of(r, o, "author");
    *author = (am_author){.status = AM_AUTHOR_BAD, .reason = words_of(r, j, "malformed")};
    author->mailbox.domain = text_of(r, j, "domain");
    if (author->mailbox.domain.n)
        author->status = AM_AUTHOR_ONE;
    else if (!author->reason)
        author->reason = "not recorded";
}

static void read_ip(reader *r, const json_t *o, const char *key, am_ip *ip)
{
    am_str s = text_of(r, o, key);
    if (s.p && !am_ip_parse(s, ip))
        fail(r, key, "an IP address");
}

static void read_envelope(reader *r, const json_t *o, am_evidence *e)
{
    read_ip(r, o, "client", &e->ip);
    read_ip(r, o, "relay", &e->relay);
    e->helo = text_of(r, o, "helo");
    e->has_helo = e->helo.p != NULL;
    e->mail_from = text_of(r, o, "mail_from");
    e->auth_user = text_of(r, o, "user");
    if (e->mail_from.p && !am_path_parse(r->arena, e->mail_from, &e->sender))
        e->sender = (am_mailbox){.local = e->mail_from};
    e->spf_from_helo = !e->sender.local.p && !e->sender.domain.p;
}

/* Texts that others print without asking, where a line has none. */
static void set_reasons(am_evidence *e)
{
    static const char none[] = "not recorded";
    e->pra.found = e->pra.field && e->pra.mailbox.domain.n;
    e->pra.reason = e->pra.found ? "" : none;
    if (e->hop.relayed && !e->hop.found && !e->hop.reason)
        e->hop.reason = none;
}

static const am_evidence *read_evidence(reader *r, const json_t *o)
{
    am_evidence *e = room_for(r, 1, sizeof *e);
    if (!e)
        return NULL;
    e->iprev.reason = e->arc.reason = e->dmarc.reason = e->trust.reason = "";
    e->helo_check.reason = e->auth.reason = e->align.reason = e->tls.reason = "";
    read_envelope(r, o, e);
    for (const am_part *p = am_parts; p->name; p++) {
        const json_t *part = object_of(r, o, p->name);
        if (part) {
            *(bool *)((char *)e + p->has) = true;
            take(r, part, p->members, (char *)e + p->offset);
        }
    }
    set_reasons(e);
    e->auth.user = e->auth.result == AM_PASS ? e->auth_user : (am_str){0};
    if (e->has_dmarc) {
        read_dkim(r, o, e);
        read_sealers(r, o, &e->arc);
        read_author(r, o, &e->author);
    }
    e->limit = words_of(r, o, "limit");
    e->fault = words_of(r, o, "fault");
    e->now = (int64_t)count_of(r, o, "now", INT64_MAX);
    return e;
}

/* ---- Look-ups ---- */

static bool read_mx(am_str s, am_dns_rr *rr)
{
    size_t space = am_str_find(s, ' ');
    uint64_t preference;
    if (!am_str_number(am_str_cut(s, 0, space), 5, &preference) || preference > UINT16_MAX)
        return false;
    rr->preference = (uint16_t)preference;
    rr->data = am_str_cut(s, space + 1, s.n);
    return space < s.n;
}

static bool read_resource(reader *r, const json_t *j, am_dns_type type, am_dns_rr *rr)
{
    if (!json_is_string(j))
        return fail(r, "data", "a list of strings");
    am_str s = unescape(r, json_string_value(j), json_string_length(j));
    switch (type) {
    case AM_DNS_A:
        return (am_ip_parse(s, &rr->ip) && rr->ip.family == 4) || fail(r, "data", "an address");
    case AM_DNS_AAAA:
        return am_ip_parse(s, &rr->ip) || fail(r, "data", "an address");
    case AM_DNS_MX:
        return read_mx(s, rr) || fail(r, "data", "a preference and a host");
    default:
        rr->data = s;
        return true;
    }
}

static const char *status_word(unsigned i)
{
    return i < 4 ? am_record_status[i] : NULL;
}

static const char *type_word(unsigned i)
{
    return am_record_types[i].word;
}

static void read_lookup(reader *r, const json_t *o, am_dns_lookup *l)
{
    const json_t *list;
    am_dns_answer *x = room_for(r, 1, sizeof *x);
    if (!json_is_object(o))
        fail(r, "lookups", "a list of objects");
    if (r->failed)
        return;
    l->type = am_record_types[word_of(r, o, "type", type_word)].type;
    l->name = text_of(r, o, "name");
    l->answer = x;
    x->status = (am_dns_status)word_of(r, o, "status", status_word);
    x->ttl = (uint32_t)count_of(r, o, "ttl", UINT32_MAX);
    x->secure = flag_of(r, o, "secure");
    if (x->status == AM_DNS_TEMPFAIL && !(x->reason = words_of(r, o, "reason")))
        x->reason = "failed";
    x->n = list_of(r, o, "data", &list);
    if ((x->n > 0) != (x->status == AM_DNS_DATA))
        fail(r, "data", "there for the status \"data\" alone");
    am_dns_rr *rr = room_for(r, x->n, sizeof *rr);
    x->rr = rr;
    for (size_t i = 0; rr && i < x->n && !r->failed; i++)
        read_resource(r, json_array_get(list, i), l->type, &rr[i]);
}

static void read_lookups(reader *r, const json_t *o, am_record *out)
{
    const json_t *list;
    size_t n = list_of(r, o, "lookups", &list);
    am_dns_lookup *l = room_for(r, n, sizeof *l);
    for (size_t i = 0; l && i < n && !r->failed; i++)
        read_lookup(r, json_array_get(list, i), &l[i]);
    out->lookup = l;
    out->lookups = n;
    out->full = flag_of(r, o, "lookups_full");
}

static void read_options(reader *r, const json_t *o, am_record *out)
{
    const json_t *j = object_of(r, o, "options");
    take(r, j, am_members_spf_options, &out->options.spf);
    out->options.dmarc.max_walks = (unsigned)count_of(r, j, "max_walks", UINT_MAX);
    out->psl = flag_of(r, j, "psl");
    out->options.receiver = words_of(r, j, "receiver");
    if (!out->options.receiver)
        out->options.receiver = "";
}

/* Of the rule that decided there is what tells which one it was. */
static void read_rule(reader *r, const json_t *o, am_decision *d)
{
    const char *title = words_of(r, o, "rule"), *reason = words_of(r, o, "rule_reason");
    am_rule *rule = title ? room_for(r, 1, sizeof *rule) : NULL;
    if (!rule)
        return;
    rule->title = title;
    rule->reason = reason ? reason : "";
    rule->measure = d->would;
    d->rule = rule;
}

static void read_decision(reader *r, const json_t *o, am_decision *d)
{
    *d = (am_decision){.disposition = "none", .why = ""};
    take(r, o, am_members_decision, d);
    read_rule(r, o, d);
}

static void read_facts(reader *r, const json_t *o, am_facts *f)
{
    *f = (am_facts){.stage = AM_STAGE_END};
    if (json_object_get(o, "stage"))
        f->stage = (am_stage)word_of(r, o, "stage", am_record_stage);
    take(r, o, am_members_facts, f);
    f->list = flag_of(r, o, "list");
    f->header = json_object_get(o, "list") != NULL;
    f->octets = count_of(r, o, "octets", INT64_MAX);
    f->now = (int64_t)count_of(r, o, "decided", INT64_MAX);
}

static void read_record(reader *r, const json_t *o, am_record *out)
{
    *out = (am_record){.time = text_of(r, o, "time"), .id = text_of(r, o, "id")};
    const json_t *shadow = object_of(r, o, "shadow");
    read_decision(r, o, &out->decision);
    out->shadowed = shadow != NULL;
    if (shadow)
        read_decision(r, shadow, &out->shadow);
    out->rcpts = (unsigned)count_of(r, o, "rcpts", UINT_MAX);
    out->took_us = count_of(r, o, "took_us", INT64_MAX);
    read_facts(r, o, &out->facts);
    out->cut = flag_of(r, o, "cut");
    if (json_object_get(o, "now")) { /* stands in every evidence */
        out->evidence = read_evidence(r, o);
        read_options(r, o, out);
        read_lookups(r, o, out);
    }
    am_record_unbound(&out->options);
    out->options.now = out->evidence ? out->evidence->now : 0;
}

bool am_record_read(am_arena *a, const char *line, size_t n, am_record *out, am_error *why)
{
    json_error_t e;
    reader r = {.arena = a, .why = why};
    json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
    if (!o) {
        am_error_set(why, "no JSON: %s", e.text);
        return false;
    }
    if (!json_is_object(o) || json_integer_value(json_object_get(o, "v")) != AM_RECORD_VERSION)
        fail(&r, "v", "1: no record of this decision log");
    else
        read_record(&r, o, out);
    json_decref(o);
    return !r.failed;
}
