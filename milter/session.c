/*
 * session: one connection, message after message.
 *
 * For: milter/callbacks.c. Keeps what belongs to the connection (client, HELO) and hands it to
 * each message; the rest is libauth/message's. Waits: am_session_finish alone. Memory: one
 * allocation a session, one HELO name, one am_message. Where memory runs out the message is
 * missing, and the outcome is what the configuration says of a fault. Callers: one thread at a
 * time (libmilter's threads take turns).
 */
#include "milter/session.h"
#include "milter/log.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct am_session {
    const am_conf *conf;
    const am_options *options;
    am_dns *dns;
    am_terms terms;
    am_ip client;
    char *helo;          /* NULL: none yet */
    bool sent;           /* the message has a sender */
    bool skipped;        /* this message is not judged (configuration: skip) */
    am_message *message; /* NULL: none yet, or no memory */
    size_t results_seen; /* Authentication-Results fields of this message */
    am_outcome outcome;
};

am_session *am_session_new(const am_conf *c, const am_options *o, am_dns *dns)
{
    am_session *s = calloc(1, sizeof *s);
    if (s)
        *s = (am_session){.conf = c, .options = o, .dns = dns};
    return s;
}

void am_session_free(am_session *s)
{
    if (!s)
        return;
    am_message_free(s->message);
    free(s->helo);
    free(s);
}

void am_session_agree(am_session *s, const am_terms *t)
{
    s->terms = *t;
}

const am_terms *am_session_terms(const am_session *s)
{
    return &s->terms;
}

void am_session_reset(am_session *s)
{
    am_message_free(s->message);
    s->message = NULL;
    s->sent = false;
    s->results_seen = 0;
}

/* A message that knows what the connection knows; iprev and SPF start to ask. */
static void begin(am_session *s)
{
    if (s->message)
        return;
    s->message = am_message_new(s->dns, s->options);
    if (!s->message)
        return;
    am_message_client(s->message, &s->client);
    if (s->helo)
        am_message_helo(s->message, am_str_of(s->helo));
}

void am_session_client(am_session *s, const struct sockaddr *sa)
{
    am_session_reset(s);
    s->client = (am_ip){0};
    if (sa && sa->sa_family == AF_INET)
        s->client = am_ip_of(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    else if (sa && sa->sa_family == AF_INET6)
        s->client = am_ip_of(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    begin(s);
}

void am_session_helo(am_session *s, const char *name)
{
    if (s->helo || s->sent) /* a second HELO, as after STARTTLS, replaces the first */
        am_session_reset(s);
    free(s->helo);
    s->helo = strdup(name);
    if (!s->helo)
        am_session_reset(s);
    else if (s->message)
        am_message_helo(s->message, am_str_of(s->helo));
    else
        begin(s);
}

/* Behind a trusted relay there are strangers, whatever class it is of itself. */
static bool is_skipped(const am_session *s, const am_login *login)
{
    bool authenticated = am_smtpauth_is_login(login->user, login->mechanism);
    return !am_client_is_relay(s->options, &s->client) &&
           am_conf_class(s->conf, &s->conf->skip, &s->client, authenticated) != AM_CLASS_NONE;
}

void am_session_sender(am_session *s, const am_mail *mail)
{
    s->skipped = is_skipped(s, &mail->login);
    begin(s);
    if (!s->message)
        return;
    s->sent = true;
    am_message_sender(s->message, am_str_of(mail->argument[0]));
    for (char **p = mail->argument + 1; *p; p++)
        am_message_parameter(s->message, am_str_of(*p));
    am_message_login(s->message, &mail->login);
    am_message_tls(s->message, &mail->tls);
}

/* Without SMFIP_HDR_LEADSPC the MTA has taken away the space that nearly every field has. */
static am_str with_space(am_session *s, const char *value)
{
    if (s->terms.leading_space || *value == ' ' || *value == '\t')
        return am_str_of(value);
    return am_str_format(am_message_arena(s->message), " %s", value);
}

void am_session_field(am_session *s, const char *name, const char *value)
{
    s->results_seen += am_strip_is_results(am_str_of(name));
    if (s->message)
        am_message_field(s->message, am_str_of(name), with_space(s, value));
}

void am_session_eoh(am_session *s)
{
    if (s->message && !s->skipped)
        am_message_eoh(s->message);
}

bool am_session_body(am_session *s, const void *p, size_t n)
{
    if (!s->message || s->skipped || !am_message_wants_body(s->message))
        return false;
    am_message_body(s->message, p, n);
    return am_message_wants_body(s->message);
}

/* The field's value as smfi_insheader wants it; NULL: out of memory. */
static const char *write_field(am_session *s, const am_evidence *e)
{
    am_arena *a = am_message_arena(s->message);
    am_results_options o = {.authserv_id = s->conf->authserv_id,
        .full_sender = s->conf->authres.full_sender,
        .dnssec = s->conf->authres.dnssec};
    am_authres results = am_results(a, e, &o);
    am_str value = am_authres_write(a, &results, "\n", sizeof "Authentication-Results: " - 1);
    if (!value.p || am_arena_failed(a))
        return NULL;
    return am_str_format(a, "%s%.*s", s->terms.leading_space ? " " : "", AM_ARG(value)).p;
}

/* Judges the message: evidence, decision, and the field that tells it. NULL: none of these. */
static const am_evidence *judge(am_session *s, am_outcome *o)
{
    const am_evidence *e = s->message ? am_message_finish(s->message) : NULL;
    o->decision = am_policy_decide(s->conf, e, s->terms.quarantine);
    if (!e || e->fault)
        return e;
    o->field = write_field(s, e);
    if (!o->field) /* the same as if there were no evidence */
        o->decision = am_policy_decide(s->conf, NULL, s->terms.quarantine);
    return e;
}

/* RFC 8601 5: our name comes off, but for what a relay of ours wrote, where that is wanted: what
 * stands above the field in which it says from whom it took the message. */
static void strip(am_session *s, const am_evidence *e, am_outcome *o)
{
    static const am_header nothing;
    bool keep = s->conf->authres.keep_relayed && e && e->hop.found;
    o->strip = am_strip_begin(s->message ? am_message_arena(s->message) : NULL,
        s->message ? am_message_header(s->message) : &nothing, am_str_of(s->conf->authserv_id),
        s->results_seen);
    o->strip.spared = keep ? e->hop.field : 0;
}

void am_session_progress(am_session *s, void (*tell)(void *arg), void *arg)
{
    if (s->message)
        am_message_progress(s->message, tell, arg);
}

am_outcome *am_session_finish(am_session *s, const char *id)
{
    am_outcome *o = &s->outcome;
    const am_evidence *e = NULL;
    *o = (am_outcome){.decision = am_policy_accept("skipped")};
    if (!s->skipped)
        e = judge(s, o);
    am_log_message(id, e, &o->decision);
    strip(s, e, o);
    return o;
}
