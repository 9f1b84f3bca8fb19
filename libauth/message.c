/*
 * message: the way of one message through the methods.
 *
 * For: whoever has a message (the milter, the tools). Facts are noted as they
 * arrive and the DNS is asked for what they will need; am_message_finish joins everything. What
 * DMARC needs comes first (SPF of MAIL FROM, DKIM, DMARC), so that nothing that a stranger has a
 * name server for can use up the time and the questions before it: a slow HELO name must not make a
 * spoofed author a temperror. Then the rest of the client (client.c), and ARC with its many keys;
 * then whether trusted sealers override DMARC. Waits: am_message_envelope and
 * am_message_finish alone. Memory: one arena, let go with the message. Callers: one thread at a
 * time.
 */
#include "libauth/message_in.h"
#include "libauth/base/domain.h"

#include <stdlib.h>
#include <time.h>

enum {
    MAX_MEMORY = 64 << 20,
    MAX_FIELDS = 10000,
    MAX_HEADER = 8 << 20,
    EARLY_KEYS = 10, /* of DKIM: as many as are evaluated where nothing else is wanted */
    EARLY_SEALS = 20,
    SIGNATURES = 10,     /* what am_dkim_options.max_signatures 0 means */
    DMARC_QUESTIONS = 9, /* RFC 9989 4.10: eight of the author's walk; and does the domain exist? */
};

am_message *am_message_new(am_dns *dns, const am_options *o)
{
    am_message *m = calloc(1, sizeof *m);
    am_arena *a = m ? am_arena_new(o->max_memory ? o->max_memory : MAX_MEMORY) : NULL;
    if (!a) {
        free(m);
        return NULL;
    }
    am_arena_share(a, o->budget);
    m->options = o;
    m->arena = a;
    m->trace.arena = a;
    m->context = (am_context){
        .arena = a, .trace = o->explain ? &m->trace : NULL, .now = o->now ? o->now : time(NULL)};
    m->context.dns = am_dns_begin(dns, a, &o->dns, m->context.trace);
    m->header = (am_header){.arena = a,
        .max_fields = o->max_fields ? o->max_fields : MAX_FIELDS,
        .max_octets = o->max_header_octets ? o->max_header_octets : MAX_HEADER};
    m->evidence.trace = m->context.trace;
    m->evidence.now = m->context.now;
    m->evidence.author = (am_author){.status = AM_AUTHOR_BAD, .reason = "no header"};
    if (!m->context.dns) {
        am_message_free(m);
        return NULL;
    }
    return m;
}

/* A signature asks for its key; not all of a heap do: it would be others who had to answer. */
static void start_key(am_message *m, const am_field *f, unsigned *asked, unsigned max)
{
    if ((*asked)++ < max)
        am_dkim_start(&m->context, f->value);
}

static void start_author(am_message *m, am_field *from)
{
    am_header one = {.arena = m->arena, .field = from, .n = 1};
    am_author author = am_author_parse(m->arena, &one);
    if (m->authors++ == 0 && author.status == AM_AUTHOR_ONE)
        am_dmarc_start(&m->context, &m->options->dmarc, author.mailbox.domain);
}

/* What a field will need of the DNS is asked for as soon as the field is there. */
static void field_seen(am_message *m)
{
    am_dns_poll(m->context.dns);
    if (m->header.failed || m->options->no_prefetch)
        return;
    am_field *f = &m->header.field[m->header.n - 1];
    if (am_str_iis(f->name, "DKIM-Signature"))
        start_key(m, f, &m->keys, EARLY_KEYS);
    else if (am_str_iis(f->name, "ARC-Seal") || am_str_iis(f->name, "ARC-Message-Signature"))
        start_key(m, f, &m->seals, EARLY_SEALS);
    else if (am_str_iis(f->name, "From"))
        start_author(m, f);
}

void am_message_field(am_message *m, am_str name, am_str value)
{
    am_header_add(&m->header, name, value);
    field_seen(m);
}

void am_message_field_raw(am_message *m, am_str raw)
{
    am_header_add_raw(&m->header, raw);
    field_seen(m);
}

void am_message_eoh(am_message *m)
{
    am_evidence *e = &m->evidence;
    m->eoh = true;
    am_client_eoh(m);
    if (m->header.failed) {
        e->limit = am_arena_failed(m->arena) ? NULL : "header over the limits";
        e->author = (am_author){.status = AM_AUTHOR_BAD, .reason = "header over the limits"};
        return;
    }
    e->author = am_author_parse(m->arena, &m->header);
    am_str author = e->author.status == AM_AUTHOR_ONE ? e->author.mailbox.domain : (am_str){0};
    m->bodies = am_bodies_begin(m->arena);
    if (!m->bodies)
        return;
    m->dkim = am_dkim_begin(&m->context, &m->options->dkim, &m->header, author, m->bodies);
    m->arc = am_arc_begin(&m->context, &m->options->arc, &m->header, m->bodies);
}

bool am_message_wants_body(const am_message *m)
{
    return m->dkim && (am_bodies_wanted(m->bodies) || m->options->dkim.engine != AM_DKIM_OWN);
}

void am_message_body(am_message *m, const void *p, size_t n)
{
    am_dns_poll(m->context.dns);
    if (!m->dkim)
        return;
    am_bodies_feed(m->bodies, p, n);
    am_dkim_body(m->dkim, p, n);
}

static void finish_dkim(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (!m->dkim)
        return;
    am_bodies_finish(m->bodies);
    e->dkim = am_dkim_finish(m->dkim, &e->dkims);
    e->dkims_skipped = am_dkim_skipped(m->dkim);
}

static void finish_arc(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (e->limit)
        e->arc = (am_arc_verdict){.result = AM_FAIL, .reason = e->limit};
    else if (m->arc)
        e->arc = am_arc_finish(m->arc);
    e->has_arc = true;
}

/* RFC 9989 4.4: DMARC sees domains and results, and nothing else of SPF and DKIM. */
static void finish_dmarc(am_message *m)
{
    am_evidence *e = &m->evidence;
    am_dmarc_id *id = am_arena_array(m->arena, e->dkims + 1, sizeof *id);
    size_t n = 0;
    if (!id)
        return;
    if (e->has_spf && am_domain_normalise(m->arena, e->spf.domain, &id[n].domain)) {
        id[n].method = AM_DMARC_SPF;
        id[n++].result = e->spf.result;
    }
    for (size_t i = 0; i < e->dkims; i++) {
        if (!am_domain_normalise(m->arena, e->dkim[i].domain, &id[n].domain))
            continue;
        id[n].method = AM_DMARC_DKIM;
        id[n++].result = e->dkim[i].result;
    }
    e->dmarc = am_dmarc_check(&m->context, &m->options->dmarc, &e->author, id, n);
    e->has_dmarc = true;
}

/* RFC 8617 7.2.1 */
static void finish_trust(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (e->dmarc.result != AM_FAIL || !m->options->trusted_sealers.n)
        return;
    e->has_trust = true;
    e->trust = am_trust_check(m->arena, &m->options->trusted_sealers, &e->arc, e->dmarc.domain);
    am_trace_notef(m->context.trace, "dmarc", "8617 7.2.1", AM_STR("trusted sealers"), "%s%s",
        e->trust.overridden ? "dmarc=fail is overridden" : "no: ", e->trust.reason);
}

/* What can align with the author: the domains of MAIL FROM and of signatures. */
static void finish_identifiers(am_message *m)
{
    unsigned signatures = m->options->dkim.max_signatures;
    am_dns_keep(m->context.dns, (signatures ? signatures : SIGNATURES) + DMARC_QUESTIONS);
    am_client_finish_sender(m);
    am_dns_keep(m->context.dns, DMARC_QUESTIONS);
    finish_dkim(m);
    am_dns_keep(m->context.dns, 0);
}

/* MAIL FROM's domain may be slow, and have many questions: what DMARC asks of the author's is under
 * way meanwhile, and the questions of those who come later are kept. Where it is not under way, as
 * there was no room for early questions or they have failed, half of the time is kept for it too.
 */
static void finish_aligned(am_message *m)
{
    am_evidence *e = &m->evidence;
    am_dns_session *dns = m->context.dns;
    am_dns_poll(dns);
    if (m->dkim)
        am_dkim_ask(m->dkim);
    if (e->author.status == AM_AUTHOR_ONE)
        am_dmarc_start(&m->context, &m->options->dmarc, e->author.mailbox.domain);
    bool late = am_dns_turned_away(dns);
    int64_t kept = late ? am_dns_keep_time(dns) : 0;
    finish_identifiers(m);
    if (late)
        am_dns_keep_time_end(dns, kept);
    finish_dmarc(m);
}

const am_evidence *am_message_envelope(am_message *m, bool all)
{
    unsigned signatures = m->options->dkim.max_signatures;
    am_dns_keep(m->context.dns, (signatures ? signatures : SIGNATURES) + DMARC_QUESTIONS);
    int64_t kept = am_dns_keep_time(m->context.dns); /* the author is not known yet */
    am_client_finish_sender(m);
    if (all)
        am_client_finish_name(m);
    am_dns_keep_time_end(m->context.dns, kept);
    am_dns_keep(m->context.dns, 0);
    if (am_arena_failed(m->arena))
        m->evidence.fault = "out of memory";
    else if (am_dns_fault(m->context.dns))
        m->evidence.fault = am_dns_fault(m->context.dns);
    return &m->evidence;
}

void am_message_progress(am_message *m, void (*tell)(void *arg), void *arg)
{
    am_dns_progress(m->context.dns, tell, arg);
}

static void finish(am_message *m)
{
    if (m->eoh)
        finish_aligned(m);
    else
        am_client_finish_sender(m);
    am_client_finish(m);
    if (m->eoh) {
        finish_arc(m);
        finish_trust(m);
    }
    bool header = m->eoh && !m->recorded && !m->evidence.limit;
    if (am_arena_failed(m->arena) || m->evidence.arc.fault || (header && !(m->dkim && m->arc)))
        m->evidence.fault = "out of memory";
    else if (am_dns_fault(m->context.dns))
        m->evidence.fault = am_dns_fault(m->context.dns);
}

const am_evidence *am_message_finish(am_message *m)
{
    am_turn turn = {.of = m->options->turns};
    am_turn_begin(&turn);
    am_dns_turn(m->context.dns, &turn);
    finish(m);
    am_dns_turn(m->context.dns, NULL);
    am_turn_end(&turn);
    return &m->evidence;
}

const am_header *am_message_header(const am_message *m)
{
    return &m->header;
}

am_arena *am_message_arena(am_message *m)
{
    return m->arena;
}

const am_dns_session *am_message_dns(const am_message *m)
{
    return m->context.dns;
}

void am_message_free(am_message *m)
{
    if (!m)
        return;
    am_dkim_end(m->dkim);
    am_bodies_end(m->bodies);
    am_dns_end(m->context.dns);
    am_arena_free(m->arena);
    free(m);
}
