/*
 * session: one connection, message after message.
 *
 * For: milter/callbacks.c. Keeps what belongs to the connection (client, HELO) and hands it to
 * each message; the rest is libauth/message's. Waits: am_session_finish alone. Memory: one
 * allocation a session, the names of HELO and listener, one am_message. Where memory runs out the
 * message is missing, and the outcome is what the configuration says of a fault. Callers: one
 * thread at a time (libmilter's threads take turns).
 */
#include "config.h"

#include "milter/session.h"
#include "milter/log.h"
#include "milter/record.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct am_session {
    const am_conf *conf;
    const am_options *options;
    am_dns *dns;
    am_declog *declog; /* NULL: none is kept */
    am_terms terms;
    am_ip client;
    char *helo;          /* NULL: none yet */
    bool sent;           /* the message has a sender */
    bool skipped;        /* this message is not judged (configuration: skip) */
    am_message *message; /* NULL: none yet, or no memory */
    am_policy_needs needs;
    am_ip counted;
    bool turned_away;
    char *listener, *listener_port; /* NULL: not told */
    bool helo_lost, listener_lost;  /* no memory for them: what comes is a fault */
    am_mailbox *rcpt;
    unsigned recipients; /* accepted; rcpt holds them where rules ask for them */
    size_t rcpts, rcpts_max;
    uint64_t octets;
    size_t seen[AM_OURS]; /* fields of this message that bear our names */
    bool hides;           /* one that is not kept hides results, and cannot be deleted */
};

static const char *our_name(const am_session *s, unsigned i)
{
    return i == 0   ? "Authentication-Results"
           : i == 1 ? s->conf->policy.quarantine_field
                    : s->conf->policy.note_field;
}

am_session *am_session_new(const am_conf *c, const am_options *o, am_dns *dns, am_declog *declog)
{
    am_session *s = calloc(1, sizeof *s);
    if (s)
        *s = (am_session){
            .conf = c, .options = o, .dns = dns, .declog = declog, .needs = am_policy_ask(c)};
    return s;
}

void am_session_free(am_session *s)
{
    if (!s)
        return;
    am_message_free(s->message);
    free(s->helo);
    free(s->listener);
    free(s->listener_port);
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

const am_policy_needs *am_session_needs(const am_session *s)
{
    return &s->needs;
}

const am_ip *am_session_peer(const am_session *s)
{
    return &s->client;
}

am_ip *am_session_counted(am_session *s)
{
    return &s->counted;
}

bool *am_session_turned_away(am_session *s)
{
    return &s->turned_away;
}

void am_session_reset(am_session *s)
{
    am_message_free(s->message);
    s->message = NULL;
    s->rcpt = NULL;
    s->rcpts = s->rcpts_max = 0;
    s->octets = 0;
    memset(s->seen, 0, sizeof s->seen);
    s->sent = false;
    s->recipients = 0;
    s->hides = false;
}

/* A message that knows what the connection knows; iprev and SPF start to ask. */
static void begin(am_session *s)
{
    if (s->message || s->helo_lost || s->listener_lost)
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

/* malloc'd; NULL: no memory. */
static char *joined(const char *front, const char *text)
{
    size_t n = strlen(front), rest = strlen(text) + 1;
    char *s = malloc(n + rest);
    if (s) {
        memcpy(s, front, n);
        memcpy(s + n, text, rest);
    }
    return s;
}

void am_session_helo(am_session *s, const char *name)
{
    if (s->helo || s->sent) /* a second HELO, as after STARTTLS, replaces the first */
        am_session_reset(s);
    free(s->helo);
    s->helo = joined("", name);
    s->helo_lost = !s->helo;
    if (s->helo_lost)
        am_session_reset(s);
    else if (s->message)
        am_message_helo(s->message, am_str_of(s->helo));
    else
        begin(s);
}

void am_session_listener(am_session *s, const char *name, const char *port)
{
    free(s->listener);
    free(s->listener_port);
    s->listener = name ? joined("", name) : NULL;
    s->listener_port = port ? joined(":", port) : NULL;
    s->listener_lost = (name && !s->listener) || (port && !s->listener_port);
    if (s->listener_lost)
        am_session_reset(s);
}

static am_facts facts_of(am_session *s, am_stage stage)
{
    am_facts f = {.stage = stage,
        .can_quarantine = s->terms.quarantine,
        .listener = s->listener,
        .listener_port = s->listener_port,
        .rcpt = s->rcpt,
        .rcpts = s->rcpts,
        .octets = s->octets,
        .hides = s->hides,
        .now = time(NULL)};
    if (stage == AM_STAGE_END && s->needs.header && s->message)
        am_facts_of_header(am_message_arena(s->message), am_message_header(s->message), &f);
    return f;
}

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The line of the decision log. `shadow`: what policy.shadow would have done, or NULL. `from`: when
 * the step came that is answered. */
static void keep_record(am_session *s, const char *id, const am_evidence *e, const am_facts *f,
    const am_decision *d, const am_decision *shadow, uint64_t from)
{
    char time[AM_RECORD_TIME];
    size_t n = 0;
    if (!s->declog)
        return;
    am_record r = {.time = am_str_of(am_record_time(time)),
        .id = am_str_of(id),
        .rcpts = s->recipients,
        .took_us = clock_us() - from,
        .evidence = e,
        .decision = *d,
        .shadowed = shadow != NULL,
        .options = *s->options,
        .psl = s->options->dmarc.psl != NULL,
        .facts = *f,
        .max = am_declog_max(s->declog)};
    if (shadow)
        r.shadow = *shadow;
    if (e)
        r.lookup = am_dns_lookups(am_message_dns(s->message), &r.lookups, &r.full);
    r.cut = e && !r.lookup;
    char *line = am_record_write(&r, &n);
    am_declog_put(s->declog, line, n);
}

/* Refused before the message has come, where the configuration lets rules do that. */
static bool refuse_early(am_session *s, am_stage stage, const am_mailbox *rcpt, am_decision *d)
{
    uint64_t from = clock_us();
    if (!s->message || stage < s->needs.early || s->skipped ||
        am_client_is_relay(s->options, &s->client)) /* who is behind it, the header tells */
        return false;
    am_facts f = facts_of(s, stage);
    f.rcpt = rcpt;
    f.rcpts = rcpt != NULL;
    const am_evidence *e = am_message_envelope(s->message, s->needs.client);
    if (!am_policy_early(s->conf, e, &f, d))
        return false;
    am_log_message(NULL, e, d);
    keep_record(s, NULL, e, &f, d, NULL, from);
    return true;
}

static bool is_skipped(const am_session *s, const am_login *login)
{
    bool authenticated = am_smtpauth_is_login(login->user, login->mechanism);
    return am_conf_skips(s->conf, &s->client, authenticated);
}

bool am_session_sender(am_session *s, const am_mail *mail, am_decision *refusal)
{
    if (s->sent) /* without an abort: what was begun is over all the same */
        am_session_reset(s);
    s->skipped = is_skipped(s, &mail->login);
    begin(s);
    if (!s->message)
        return false;
    s->sent = true;
    am_message_sender(s->message, am_str_of(mail->argument[0]));
    for (char **p = mail->argument + 1; *p; p++)
        am_message_parameter(s->message, am_str_of(*p));
    am_message_login(s->message, &mail->login);
    am_message_tls(s->message, &mail->tls);
    return refuse_early(s, AM_STAGE_MAIL, NULL, refusal);
}

/* RFC 5321 4.5.3.1.10: the sender comes again for the others. */
static am_decision too_many(void)
{
    return (am_decision){.action = AM_ACTION_TEMPFAIL,
        .measure = AM_MEASURE_TEMPFAIL,
        .would = AM_MEASURE_TEMPFAIL,
        .code = "452",
        .xcode = "4.5.3",
        .text = "Too many recipients",
        .disposition = "none",
        .why = "limits.recipients"};
}

/* Room for one more; without memory the message is a fault, as the arena knows. */
static bool keep_rcpt(am_session *s, am_mailbox one)
{
    if (s->rcpts == s->rcpts_max) {
        size_t max = s->rcpts_max ? 2 * s->rcpts_max : 8;
        am_mailbox *more = am_arena_array(am_message_arena(s->message), max, sizeof *more);
        if (!more)
            return false;
        if (s->rcpts)
            memcpy(more, s->rcpt, s->rcpts * sizeof *more);
        s->rcpt = more;
        s->rcpts_max = max;
    }
    s->rcpt[s->rcpts++] = one;
    return true;
}

bool am_session_rcpt(am_session *s, const char *path, am_decision *refusal)
{
    am_mailbox one = {0};
    if (!s->message)
        return false;
    if (s->needs.rcpt && s->rcpts >= s->conf->limits.recipients) {
        *refusal = too_many();
        return true;
    }
    am_arena *a = am_message_arena(s->message);
    am_str copy = am_str_copy(a, am_str_of(path));
    if (!am_path_parse(a, copy, &one))
        one = (am_mailbox){.local = copy}; /* no address: what names one does not mean it */
    if (refuse_early(s, AM_STAGE_RCPT, &one, refusal))
        return true;
    s->recipients++;
    if (s->needs.rcpt)
        (void)keep_rcpt(s, one);
    return false;
}

/* Without SMFIP_HDR_LEADSPC the MTA has taken away the space that nearly every field has. */
static bool lacks_space(const am_session *s, const char *value)
{
    return !s->terms.leading_space && *value != ' ' && *value != '\t';
}

static am_str with_space(const am_session *s, const char *value)
{
    if (!lacks_space(s, value))
        return am_str_of(value);
    return am_str_format(am_message_arena(s->message), " %s", value);
}

/* What the field has in the message: milters are given folds as LF (CR LF from some MTAs). */
static size_t octets_of(const am_session *s, const char *name, const char *value)
{
    size_t n = strlen(name) + lacks_space(s, value) + sizeof ":\r\n" - 1;
    for (const char *p = value; *p; p++)
        n += 1 + (*p == '\n' && (p == value || p[-1] != '\r'));
    return n;
}

/* False: limits or memory have no room for it. */
static bool keep_field(am_session *s, const char *name, const char *value)
{
    if (!s->message)
        return false;
    size_t before = am_message_header(s->message)->n;
    am_message_field(s->message, am_str_of(name), with_space(s, value));
    return am_message_header(s->message)->n > before;
}

void am_session_field(am_session *s, const char *name, const char *value)
{
    for (unsigned i = 0; i < AM_OURS; i++)
        s->seen[i] += am_str_iis(am_str_trim(am_str_of(name)), our_name(s, i));
    if (s->needs.octets)
        s->octets += octets_of(s, name, value);
    if (!keep_field(s, name, value))
        s->hides = s->hides || am_strip_hides_results(am_str_of(value));
}

void am_session_eoh(am_session *s)
{
    if (s->message && !s->skipped)
        am_message_eoh(s->message);
}

bool am_session_body(am_session *s, const void *p, size_t n)
{
    if (s->needs.octets)
        s->octets += n;
    if (!s->message || s->skipped)
        return false;
    if (!am_message_wants_body(s->message))
        return s->needs.octets;
    am_message_body(s->message, p, n);
    return s->needs.octets || am_message_wants_body(s->message);
}

/* The field's value as smfi_insheader wants it; NULL: out of memory. */
static const char *write_field(am_session *s, const am_evidence *e, const am_decision *d)
{
    am_arena *a = am_message_arena(s->message);
    const am_rule *r = d->monitored ? NULL : d->rule;
    am_results_options o = {.authserv_id = s->conf->authserv_id,
        .full_sender = s->conf->authres.full_sender,
        .dnssec = s->conf->authres.dnssec,
        .rule = r ? r->title : NULL,
        .reason = r && *r->reason ? r->reason : NULL};
    am_authres results = am_results(a, e, &o);
    am_str value = am_authres_write(a, &results, "\n", sizeof "Authentication-Results: " - 1);
    if (!value.p || am_arena_failed(a))
        return NULL;
    return am_str_join(a, am_str_of(s->terms.leading_space ? " " : ""), value).p;
}

/* The field that a delivery agent's filter looks for, or that a rule asked for. False: no memory.
 */
static bool write_mark(am_session *s, am_outcome *o)
{
    const am_decision *d = &o->decision;
    if (d->measure != AM_MEASURE_QUARANTINE && d->measure != AM_MEASURE_HEADER)
        return true;
    o->mark_name = our_name(s, d->measure == AM_MEASURE_QUARANTINE ? 1 : 2);
    o->mark = am_str_format(
        am_message_arena(s->message), "%s%s", s->terms.leading_space ? " " : "", d->text)
                  .p;
    return o->mark != NULL;
}

/* Judges the message: evidence, decision, and the fields that tell it. NULL: no evidence. */
static const am_evidence *judge(am_session *s, const am_facts *f, am_outcome *o)
{
    const am_evidence *e = s->message ? am_message_finish(s->message) : NULL;
    o->decision = am_policy_decide(s->conf, e, f);
    if (!e || e->fault)
        return e;
    o->field = write_field(s, e, &o->decision);
    if (!o->field || !write_mark(s, o)) /* the same as if there were no evidence */
        *o = (am_outcome){.decision = am_policy_decide(s->conf, NULL, f)};
    return e;
}

/* RFC 8601 5: our names come off, but for what a relay of ours wrote, where that is wanted: what
 * stands above the field in which it says from whom it took the message. */
static void begin_strips(am_session *s, const am_evidence *e, am_outcome *o)
{
    static const am_header nothing;
    const am_header *h = s->message ? am_message_header(s->message) : &nothing;
    am_arena *a = s->message ? am_message_arena(s->message) : NULL;
    bool keep = s->conf->authres.keep_relayed && e && e->hop.found;
    o->strip[o->strips++] = am_strip_begin(a, h, am_str_of(s->conf->authserv_id), s->seen[0]);
    o->strip[o->strips++] = am_strip_begin_all(h, our_name(s, 1), s->seen[1]);
    if (!am_str_iis(am_str_of(our_name(s, 2)), our_name(s, 1)))
        o->strip[o->strips++] = am_strip_begin_all(h, our_name(s, 2), s->seen[2]);
    o->strip[o->strips++] = am_strip_begin_hidden(a, h, am_str_of(s->conf->authserv_id));
    for (size_t i = 0; i < o->strips; i++)
        o->strip[i].spared = keep ? e->hop.field : 0;
}

void am_session_progress(am_session *s, void (*tell)(void *arg), void *arg)
{
    if (s->message)
        am_message_progress(s->message, tell, arg);
}

am_outcome am_session_finish(am_session *s, const char *id)
{
    uint64_t from = clock_us();
    am_decision other;
    const am_evidence *e = NULL;
    am_facts f = facts_of(s, AM_STAGE_END);
    am_outcome o = {.decision = am_policy_skip(&f)};
    if (!s->skipped)
        e = judge(s, &f, &o);
    am_log_message(id, e, &o.decision);
    bool otherwise = !o.decision.fault && am_policy_shadow(s->conf, e, &f, &o.decision, &other);
    if (otherwise)
        am_log_shadow(id, &o.decision, &other);
    keep_record(s, id, e, &f, &o.decision, otherwise ? &other : NULL, from);
    begin_strips(s, e, &o);
    return o;
}
