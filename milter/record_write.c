/*
 * record_write: a record as one line of JSON (jansson).
 *
 * For: the decision log. Waits: never. Memory: malloc'd while it is made; the line is the
 * caller's. Callers: any thread.
 *
 * Every text comes from outside or may: `octets` alone makes JSON strings of such, and yields
 * nothing but printable ASCII, so that a line is one line, valid JSON, and harmless to look at.
 */
#include "milter/record_in.h"
#include "libauth/base/lex.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of a record is left out, step by step, until the line is short enough. */
enum { WHOLE, NO_LOOKUPS, NO_EVIDENCE, LEVELS };

/* jansson's objects, and whether one of them could not be made. */
typedef struct writer {
    am_arena *arena; /* for texts of numbers */
    bool failed;
} writer;

static json_t *octets(am_str s)
{
    char *text = malloc(4 * s.n + 1);
    size_t n = 0;
    if (!text)
        return NULL;
    for (size_t i = 0; i < s.n; i++)
        if ((am_is(s.p[i], AM_VCHAR) && s.p[i] != '\\') || s.p[i] == ' ')
            text[n++] = s.p[i];
        else
            n += (size_t)snprintf(text + n, 5, "\\x%02X", (unsigned char)s.p[i]);
    json_t *j = json_stringn_nocheck(text, n);
    free(text);
    return j;
}

static void put(writer *w, json_t *o, const char *key, json_t *value)
{
    if (!o || json_object_set_new_nocheck(o, key, value) != 0)
        w->failed = true;
}

static void append(writer *w, json_t *list, json_t *value)
{
    if (!list || json_array_append_new(list, value) != 0)
        w->failed = true;
}

/* Text that is not absent. */
static void put_str(writer *w, json_t *o, const char *key, am_str value)
{
    if (value.p)
        put(w, o, key, octets(value));
}

static void put_count(writer *w, json_t *o, const char *key, uint64_t n)
{
    if (n)
        put(w, o, key, json_integer((json_int_t)n));
}

static void put_members(writer *w, json_t *o, const am_member *m, const void *of)
{
    for (; m->name; m++) {
        const char *at = (const char *)of + m->offset;
        am_str text = am_member_text(w->arena, m, of);
        if (m->kind == AM_KIND_COUNT)
            put_count(w, o, m->name, *(const unsigned *)(const void *)at);
        else if (m->kind == AM_KIND_FLAG && *(const bool *)at)
            put(w, o, m->name, json_true());
        else if (m->kind == AM_KIND_MEASURE && *(const am_measure *)(const void *)at == 0)
            continue; /* accept */
        else if (m->kind != AM_KIND_FLAG && text.n)
            put(w, o, m->name, octets(text));
    }
}

static json_t *object(writer *w, const am_member *m, const void *of)
{
    json_t *o = json_object();
    put_members(w, o, m, of);
    return o;
}

/* ---- Evidence ---- */

/* A signature's verdict without what syslog does not have: the local-part of i=, which stands in
 * `detail` too where i= is what is wrong. */
static json_t *signature(writer *w, const am_evidence *e, size_t i)
{
    am_dkim_verdict v = e->dkim[i];
    size_t at = am_str_rfind(v.detail, '@');
    v.identity = am_str_cut(v.identity, am_str_rfind(v.identity, '@'), v.identity.n);
    v.detail = am_str_cut(v.detail, at < v.detail.n ? at : 0, v.detail.n);
    v.signature = am_results_signature(e, i);
    return object(w, am_members_dkim, &v);
}

/* Of the signatures over the limit one is enough: all are alike, and there may be thousands. */
static void put_dkim(writer *w, json_t *o, const am_evidence *e)
{
    json_t *list = json_array();
    bool skipped = false;
    for (size_t i = 0; i < e->dkims; i++) {
        bool over = e->dkims_skipped && strcmp(e->dkim[i].reason, "not evaluated") == 0;
        if (!over || !skipped)
            append(w, list, signature(w, e, i));
        skipped = skipped || over;
    }
    put(w, o, "dkim", list);
    put_count(w, o, "dkim_skipped", e->dkims_skipped);
}

static void put_author(writer *w, json_t *o, const am_author *author)
{
    json_t *j = json_object();
    if (author->status == AM_AUTHOR_ONE)
        put_str(w, j, "domain", author->mailbox.domain);
    else
        put(w, j, "malformed", octets(am_str_of(author->reason)));
    put(w, o, "author", j);
}

/* What sealers say of DMARC and nothing else; absent where it cannot be read. */
static am_str dmarc_claims(am_arena *a, am_str results)
{
    am_authres r;
    size_t n = 0;
    if (!am_authres_parse_lax(a, results, &r, NULL))
        return (am_str){0};
    am_resinfo *kept = am_arena_array(a, r.results + 1, sizeof *kept);
    for (size_t i = 0; kept && i < r.results; i++) {
        const am_resinfo *from = &r.result[i];
        if (!am_str_is(from->method, "dmarc"))
            continue;
        am_property *p = am_arena_array(a, from->properties + 1, sizeof *p);
        kept[n] = (am_resinfo){.method = from->method, .result = from->result, .property = p};
        for (size_t k = 0; p && k < from->properties; k++)
            if (am_str_is(from->property[k].ptype, "header") &&
                am_str_is(from->property[k].property, "from"))
                p[kept[n].properties++] = from->property[k];
        n++;
    }
    am_authres out = {.id = r.id, .version = r.version, .result = kept, .results = n};
    return am_authres_write(a, &out, "\n", 0);
}

static json_t *sealer(writer *w, const am_arc_verdict *v, size_t i)
{
    am_arc_set set = v->set[i];
    set.results = v->result == AM_PASS ? dmarc_claims(w->arena, set.results) : (am_str){0};
    return object(w, am_members_arc_set, &set);
}

static void put_sealers(writer *w, json_t *o, const am_arc_verdict *v)
{
    json_t *list = v->sets ? json_array() : NULL;
    for (size_t i = 0; i < v->sets; i++)
        append(w, list, sealer(w, v, i));
    if (v->sets)
        put(w, o, "sealers", list);
}

static void put_envelope(writer *w, json_t *o, const am_record *r)
{
    const am_evidence *e = r->evidence;
    char ip[AM_IP_TEXT];
    if (e->ip.family)
        put(w, o, "client", json_string(am_ip_text(&e->ip, ip)));
    if (e->has_helo)
        put(w, o, "helo", octets(e->helo));
    put_str(w, o, "mail_from", e->mail_from);
    if (e->auth_user.n)
        put(w, o, "user", octets(e->auth_user));
    if (e->relay.family)
        put(w, o, "relay", json_string(am_ip_text(&e->relay, ip)));
    put_count(w, o, "rcpts", r->rcpts);
}

static void put_evidence(writer *w, json_t *o, const am_evidence *e)
{
    for (const am_part *p = am_parts; p->name; p++)
        if (*(const bool *)((const char *)e + p->has))
            put(w, o, p->name, object(w, p->members, (const char *)e + p->offset));
    if (e->has_dmarc) {
        put_dkim(w, o, e);
        put_sealers(w, o, &e->arc);
        put_author(w, o, &e->author);
    }
    if (e->limit)
        put(w, o, "limit", octets(am_str_of(e->limit)));
    if (e->fault)
        put(w, o, "fault", octets(am_str_of(e->fault)));
    put(w, o, "now", json_integer(e->now));
}

/* ---- Look-ups ---- */

static json_t *mx(writer *w, const am_dns_rr *rr)
{
    char preference[8];
    snprintf(preference, sizeof preference, "%u ", rr->preference);
    am_str s = am_str_join(w->arena, am_str_of(preference), rr->data);
    return s.p ? octets(s) : NULL;
}

static json_t *resource(writer *w, const am_dns_rr *rr, am_dns_type type)
{
    char ip[AM_IP_TEXT];
    if (type == AM_DNS_A || type == AM_DNS_AAAA)
        return json_string(am_ip_text(&rr->ip, ip));
    if (type == AM_DNS_MX)
        return mx(w, rr);
    return octets(rr->data);
}

static json_t *lookup(writer *w, const am_dns_lookup *l)
{
    const am_dns_answer *x = l->answer;
    const am_record_type *t = am_record_types;
    json_t *o = json_object();
    while (t->word && t->type != l->type)
        t++;
    put(w, o, "type", json_string(t->word ? t->word : "?"));
    put(w, o, "name", octets(l->name));
    put(w, o, "status", json_string(am_record_status[x->status]));
    put_count(w, o, "ttl", x->ttl);
    if (x->secure)
        put(w, o, "secure", json_true());
    if (x->reason)
        put(w, o, "reason", octets(am_str_of(x->reason)));
    json_t *data = x->n ? json_array() : NULL;
    for (size_t i = 0; i < x->n; i++)
        append(w, data, resource(w, &x->rr[i], l->type));
    if (x->n)
        put(w, o, "data", data);
    return o;
}

static void put_lookups(writer *w, json_t *o, const am_record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->lookups; i++)
        append(w, list, lookup(w, &r->lookup[i]));
    put(w, o, "lookups", list);
    if (r->full)
        put(w, o, "lookups_full", json_true());
}

static void put_options(writer *w, json_t *o, const am_record *r)
{
    json_t *j = object(w, am_members_spf_options, &r->options.spf);
    put_count(w, j, "max_walks", r->options.dmarc.max_walks);
    if (r->psl)
        put(w, j, "psl", json_true());
    put(w, j, "receiver", octets(am_str_of(r->options.receiver)));
    put(w, o, "options", j);
}

/* ---- The line ---- */

static void put_decision(writer *w, json_t *o, const am_decision *d)
{
    put_members(w, o, am_members_decision, d);
    if (!d->rule)
        return;
    put(w, o, "rule", octets(am_str_of(d->rule->title)));
    put(w, o, "rule_reason", octets(am_str_of(d->rule->reason)));
}

static void put_shadow(writer *w, json_t *o, const am_decision *d)
{
    json_t *j = json_object();
    put_decision(w, j, d);
    put(w, o, "shadow", j);
}

/* `list` is there where it is no list, too: who reads it knows that somebody looked. */
static void put_facts(writer *w, json_t *o, const am_facts *f)
{
    put_members(w, o, am_members_facts, f);
    if (f->header)
        put(w, o, "list", json_boolean(f->list));
    put_count(w, o, "octets", f->octets);
    put_count(w, o, "decided", (uint64_t)f->now);
}

static json_t *whole(writer *w, const am_record *r, int level)
{
    json_t *o = json_object();
    put(w, o, "v", json_integer(AM_RECORD_VERSION));
    put_str(w, o, "time", r->time);
    put_str(w, o, "id", r->id);
    put_str(w, o, "stage", am_str_of(am_record_stage(r->facts.stage)));
    put_decision(w, o, &r->decision);
    put_count(w, o, "took_us", r->took_us);
    if (r->shadowed)
        put_shadow(w, o, &r->shadow);
    put_facts(w, o, &r->facts);
    if (r->evidence && level < NO_EVIDENCE) {
        put_envelope(w, o, r);
        put_evidence(w, o, r->evidence);
        put_options(w, o, r);
    }
    if (r->evidence && level < NO_LOOKUPS)
        put_lookups(w, o, r);
    if (level > WHOLE || r->cut)
        put(w, o, "cut", json_true());
    return o;
}

/* NULL: out of memory. */
static char *line_of(const am_record *r, int level, size_t *n)
{
    writer w = {.arena = am_arena_new(0)};
    json_t *o = w.arena ? whole(&w, r, level) : NULL;
    char *line = NULL;
    if (o && !w.failed && !am_arena_failed(w.arena))
        line = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (line) {
        *n = strlen(line);
        line[(*n)++] = '\n'; /* in place of the NUL */
    }
    json_decref(o);
    am_arena_free(w.arena);
    return line;
}

am_str am_record_spell(am_arena *a, am_str text)
{
    json_t *j = octets(text);
    char *line = json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    am_str s = am_str_copy(a, am_str_of(line));
    json_decref(j);
    free(line);
    return s;
}

char *am_record_write(const am_record *r, size_t *n)
{
    size_t max = r->max ? r->max : AM_RECORD_MAX;
    char *line = NULL;
    for (int level = WHOLE; level < LEVELS; level++) {
        free(line);
        line = line_of(r, level, n);
        if (!line || *n <= max)
            return line;
    }
    free(line); /* a queue id of a megabyte: nobody will look for it */
    return NULL;
}
