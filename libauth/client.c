/*
 * client: who handed the message over: address, HELO, reverse name, login, TLS; SPF of both
 * identities; and what the header tells of it (trusted relays, PRA, the trail).
 *
 * For: message.c, whose other half this is. Behind a relay of ours (trusted-relays) the client is
 * the first host that is not one, as the relays' own Received fields have it; where they do not
 * tell with certainty, nobody is judged in its place. Waits: the am_client_finish functions alone.
 * Memory: the message's arena. Callers: message.c, and am_message_ calls of whoever has the
 * envelope.
 */
#include "libauth/message_in.h"
#include "libauth/ident/syntax.h"

static bool in_any(const am_ip *ip, const am_net *net, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (am_ip_in(ip, &net[i]))
            return true;
    return false;
}

bool am_client_is_local(const am_options *o, const am_ip *ip)
{
    return in_any(ip, o->local, o->locals);
}

bool am_client_is_relay(const am_options *o, const am_ip *ip)
{
    return in_any(ip, o->relay, o->relays);
}

/* Questions are worth asking early where the client is known already, and is not a relay. */
static bool may_start(const am_message *m)
{
    return !m->options->no_prefetch && m->evidence.ip.family &&
           !am_client_is_relay(m->options, &m->evidence.ip);
}

static am_spf_query query_helo(const am_message *m)
{
    const am_evidence *e = &m->evidence;
    return (am_spf_query){.ip = e->ip,
        .domain = e->helo,
        .local = AM_STR("postmaster"),
        .helo = e->helo,
        .receiver = am_str_of(m->options->receiver)};
}

/* RFC 7208 2.4: a null reverse-path is postmaster@HELO. */
static am_spf_query query_sender(const am_message *m)
{
    am_spf_query q = query_helo(m);
    if (!m->evidence.spf_from_helo) {
        q.domain = m->evidence.sender.domain;
        q.local = m->evidence.sender.local;
    }
    return q;
}

static void start_client(am_message *m)
{
    if (may_start(m))
        m->early_iprev = am_iprev_start(&m->context, &m->evidence.ip);
}

static void start_helo(am_message *m)
{
    if (!may_start(m) || !m->evidence.has_helo)
        return;
    am_spf_query q = query_helo(m);
    am_iprev_guess(m->early_iprev, m->evidence.helo);
    am_spf_start(&m->context, &q);
    if (m->options->check_helo)
        am_helo_start(&m->context, &m->evidence.ip, m->evidence.helo);
}

static void start_sender(am_message *m)
{
    am_spf_query q = query_sender(m);
    if (may_start(m))
        am_spf_start(&m->context, &q);
}

void am_message_client(am_message *m, const am_ip *ip)
{
    m->evidence.ip = *ip;
    start_client(m);
}

void am_message_helo(am_message *m, am_str name)
{
    m->evidence.helo = am_str_copy(m->arena, name);
    m->evidence.has_helo = true;
    start_helo(m);
}

void am_message_sender(am_message *m, am_str path)
{
    am_evidence *e = &m->evidence;
    e->mail_from = am_str_copy(m->arena, path);
    bool address = am_path_parse(m->arena, e->mail_from, &e->sender);
    if (!address)
        e->sender = (am_mailbox){.local = e->mail_from};
    e->spf_from_helo = address && !e->sender.domain.p && !e->sender.local.p;
    start_sender(m);
}

void am_message_parameter(am_message *m, am_str parameter)
{
    am_str auth = am_esmtp_value(parameter, "AUTH");
    am_str submitter = am_esmtp_value(parameter, "SUBMITTER");
    if (auth.p)
        m->facts.auth_parameter = am_str_copy(m->arena, auth);
    if (submitter.p)
        m->facts.submitter = am_str_copy(m->arena, submitter);
}

void am_message_login(am_message *m, const am_login *login)
{
    m->facts.login = (am_login){am_str_copy(m->arena, login->user),
        am_str_copy(m->arena, login->mechanism), am_str_copy(m->arena, login->author)};
    if (am_smtpauth_is_login(login->user, login->mechanism))
        m->evidence.auth_user = m->facts.login.user;
}

void am_message_tls(am_message *m, const am_tls_query *tls)
{
    m->facts.tls =
        (am_tls_query){am_str_copy(m->arena, tls->version), am_str_copy(m->arena, tls->cipher),
            am_str_copy(m->arena, tls->bits), am_str_copy(m->arena, tls->subject),
            am_str_copy(m->arena, tls->issuer), am_str_copy(m->arena, tls->verify)};
    m->facts.has_tls = true;
}

/* RFC 6532: a message whose header or envelope has more than ASCII. */
static bool has_utf8(const am_message *m)
{
    bool ascii = am_str_is_ascii(m->evidence.mail_from);
    for (size_t i = 0; i < m->header.n && ascii; i++)
        ascii = am_str_is_ascii(m->header.field[i].raw);
    return !ascii;
}

void am_client_eoh(am_message *m)
{
    am_evidence *e = &m->evidence;
    e->utf8 = has_utf8(m);
    if (!am_client_is_relay(m->options, &e->ip))
        return;
    m->facts.login = (am_login){0}; /* the relay's own: it says nothing of who sent the message */
    e->auth_user = (am_str){0};
    e->relay = e->ip;
    e->hop =
        am_hop_find(&e->relay, &m->header, m->options->relay, m->options->relays, m->context.trace);
    e->ip = e->hop.found ? e->hop.ip : (am_ip){0};
    e->helo = e->hop.found ? e->hop.helo : (am_str){0};
    e->has_helo = e->helo.p != NULL;
    start_client(m);
    start_helo(m);
    start_sender(m);
}

/* Nobody is judged in the place of a client that the relay does not name. */
static am_spf_verdict unknown_client(am_message *m, am_str domain)
{
    return (am_spf_verdict){.result = AM_NONE,
        .domain = domain,
        .reason = am_str_format(m->arena, "behind a trusted relay: %s", m->evidence.hop.reason)};
}

/* max_questions bounds all identities of a message together: MAIL FROM has all of it, HELO what is
 * left, a PRA the rest. A question asked again is free. */
static am_spf_verdict check_spf(am_message *m, const am_spf_query *q)
{
    am_spf_options o = m->options->spf;
    unsigned all = o.max_questions ? o.max_questions : AM_SPF_QUESTIONS;
    unsigned before = am_dns_waited(m->context.dns);
    o.max_questions = all > m->spf_asked ? all - m->spf_asked : 1;
    am_spf_verdict v = am_spf_check(&m->context, &o, q);
    m->spf_asked += am_dns_waited(m->context.dns) - before;
    return v;
}

void am_client_finish_sender(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (m->sender_known)
        return;
    m->sender_known = true;
    if (!e->sender.local.p && !e->sender.domain.p)
        e->spf_from_helo = true;
    am_spf_query q = query_sender(m);
    e->has_spf = e->ip.family || e->hop.relayed;
    if (e->ip.family)
        e->spf = check_spf(m, &q);
    else if (e->hop.relayed)
        e->spf = unknown_client(m, q.domain);
    if (e->spf_from_helo)
        e->helo_spf = e->spf;
}

static void finish_helo_spf(am_message *m)
{
    am_evidence *e = &m->evidence;
    am_spf_query q = query_helo(m);
    if (e->ip.family && e->has_helo && !e->spf_from_helo)
        e->helo_spf = check_spf(m, &q);
}

static void finish_helo(am_message *m)
{
    am_evidence *e = &m->evidence;
    am_helo_query q = {.name = e->helo,
        .ip = e->ip,
        .iprev = e->has_iprev ? &e->iprev : NULL,
        .own = m->options->own,
        .owns = m->options->owns,
        .local = am_client_is_local(m->options, &e->ip)};
    if (!m->options->check_helo || !e->has_helo)
        return;
    e->helo_check = am_helo_check(&m->context, &q);
    e->has_helo_check = true;
}

static void finish_login(am_message *m)
{
    am_evidence *e = &m->evidence;
    const am_login *l = &m->facts.login;
    e->tls = am_tls_check(m->arena, &m->facts.tls);
    e->has_tls = m->facts.has_tls && m->options->check_tls;
    am_smtpauth_query q = {.user = l->user,
        .mechanism = l->mechanism,
        .author = l->author,
        .parameter = m->facts.auth_parameter,
        .trusted = m->options->trust_auth_parameter,
        .tls = e->tls.result == AM_PASS};
    e->auth = am_smtpauth_check(m->arena, &q);
    e->has_auth = l->user.n > 0;
    if (e->has_auth)
        am_trace_result(m->context.trace, "auth", "8601 2.7.4", l->user, e->auth.result,
            am_str_of(e->auth.reason));
    if (!m->options->login_map || !e->has_auth)
        return;
    am_authalign_query align = {
        .user = e->auth.user, .sender = &e->sender, .header = m->eoh ? &m->header : NULL};
    e->align = am_authalign_check(m->arena, m->options->login_map, &align);
    e->has_align = true;
    am_trace_result(m->context.trace, "align", "6409 6.1", e->align.address, e->align.result,
        am_str_of(e->align.reason));
}

/* RFC 4406 4, 4407: the historic way, and never anything for DMARC. */
static void finish_sender_id(am_message *m)
{
    am_evidence *e = &m->evidence;
    e->pra = am_pra_find(m->arena, &m->header);
    e->submitter = am_submitter_check(m->arena, m->facts.submitter, &e->pra);
    if (e->pra.found)
        am_trace_notef(m->context.trace, "pra", "4407 2", AM_STR("PRA"), "%.*s@%.*s",
            AM_ARG(e->pra.mailbox.local), AM_ARG(e->pra.mailbox.domain));
    else
        am_trace_result(
            m->context.trace, "pra", "4407 2", AM_STR("PRA"), AM_NONE, am_str_of(e->pra.reason));
    if (e->submitter.status != AM_SUBMITTER_NONE)
        am_trace_notef(m->context.trace, "pra", "4405 4.2", m->facts.submitter, "%s",
            e->submitter.status == AM_SUBMITTER_MATCH ? "it is the PRA" : e->submitter.reason);
    if (!m->options->sender_id || !e->pra.found || !e->ip.family)
        return;
    am_spf_query q = query_helo(m);
    q.domain = e->pra.mailbox.domain;
    q.local = e->pra.mailbox.local;
    q.scope = AM_SPF_SCOPE_PRA;
    e->sender_id = check_spf(m, &q);
    e->has_sender_id = true;
}

/* The table of hops is there for whoever wants it explained; the verdict where it is switched on.
 */
static void finish_trail(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (!m->options->check_trail && !m->options->explain)
        return;
    am_str author = e->author.status == AM_AUTHOR_ONE ? e->author.mailbox.domain : (am_str){0};
    e->trail = am_trail_check(&m->context, &m->header, author);
    e->has_trail = m->options->check_trail;
}

void am_client_finish_name(am_message *m)
{
    am_evidence *e = &m->evidence;
    if (m->name_known)
        return;
    m->name_known = true;
    if (e->ip.family) {
        e->iprev = am_iprev_check(&m->context, &e->ip);
        e->has_iprev = true;
    }
    finish_helo_spf(m);
}

void am_client_finish(am_message *m)
{
    am_client_finish_name(m);
    if (m->recorded)
        return;
    finish_helo(m);
    finish_login(m);
    if (m->eoh) {
        finish_sender_id(m);
        finish_trail(m);
    }
}
