/*
 * envelope: the envelope of kept mail, as far as its header remembers it.
 *
 * For: replay. What an MTA knew when the message came is gone but for the trace fields that it
 * wrote (RFC 5321 4.4): Received, and Return-Path at delivery. Handovers within our own networks
 * (content filters, LMTP) stand above the field that counts and are passed over; fields below it
 * are the sender's word, and not looked at. Waits: never. Memory: the header's. Callers: tools.
 */
#include "tools/envelope.h"
#include "libauth/mail/received.h"

enum { MAX_FIELDS = 20 }; /* Received fields of our own that may stand on top */

static bool in_any(const am_ip *ip, const am_net *net, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (am_ip_in(ip, &net[i]))
            return true;
    return false;
}

static void take(am_envelope *e, const am_received *r)
{
    e->client = r->ip;
    e->helo = r->helo;
    e->rcpt = r->rcpt;
    if (r->has_time)
        e->time = r->time;
    if (r->auth)
        e->login.user = r->user.n ? r->user : AM_STR("unknown");
}

am_envelope am_envelope_of(const am_header *h, const am_net *local, size_t locals)
{
    am_envelope e = {.time = 0};
    size_t path = am_header_find(h, "Return-Path", 0);
    if (path < h->n)
        e.mail_from = am_str_trim(h->field[path].value);
    for (size_t nth = 0; nth < MAX_FIELDS && !e.client.family; nth++) {
        am_received r;
        size_t at = am_header_find(h, "Received", nth);
        if (at == h->n)
            break;
        /* One that cannot be read may be the one that counts: what is below is not looked at. */
        if (!am_received_parse(h->field[at].value, &r))
            break;
        if (e.time == 0 && r.has_time)
            e.time = r.time;
        if (r.ip.family && !in_any(&r.ip, local, locals))
            take(&e, &r);
    }
    return e;
}

void am_envelope_feed(am_message *m, const am_envelope *e)
{
    if (e->client.family)
        am_message_client(m, &e->client);
    if (e->helo.p)
        am_message_helo(m, e->helo);
    am_message_sender(m, e->mail_from.p ? e->mail_from : AM_STR(""));
    if (e->login.user.n)
        am_message_login(m, &e->login);
}
