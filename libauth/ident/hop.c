/*
 * hop: the SMTP client in front of our own relays.
 *
 * For: SPF, iprev and DMARC behind a gateway (RFC 7208 2.4 wants the client at
 * the border; RFC 5321 4.4 says who writes which field). Waits: never. Memory:
 * ranges into the header. Callers: message.
 */
#include "libauth/ident/hop.h"

static bool trusted(const am_ip *ip, const am_net *relay, size_t relays)
{
    for (size_t i = 0; i < relays; i++)
        if (am_ip_in(ip, &relay[i]))
            return true;
    return false;
}

/* A field that records no address. NULL: it may be passed all the same. */
static const char *without_address(const am_received *r, bool queued)
{
    if (r->status == AM_RECEIVED_UNSURE)
        return "a Received field that can be read in two ways";
    if (r->status == AM_RECEIVED_GARBAGE)
        return "a Received field that cannot be read";
    /* qmail-queue took it from its own qmail-smtpd, whose field comes next. */
    if (r->from_network && !queued)
        return NULL;
    return "a Received field without the client's address";
}

/* How it came: mail that a program made up says what it likes below. NULL: as it should. */
static const char *not_relayed(const am_received *r, bool ours)
{
    switch (r->via) {
    case AM_VIA_SMTP:
    case AM_VIA_LMTP:
        return NULL;
    case AM_VIA_UNKNOWN: /* RFC 5321 4.4: with is optional */
        return r->with.n ? "a Received field with an unknown protocol" : NULL;
    case AM_VIA_FETCH:
        return ours ? NULL : "fetched from a host that is not a trusted relay";
    case AM_VIA_HTTP:
    case AM_VIA_LOCAL:
        break;
    }
    return "not received by SMTP";
}

static am_hop lost(am_hop hop, const char *reason)
{
    return (am_hop){.relayed = true, .reason = reason, .passed = hop.passed};
}

static am_hop arrived(am_hop hop, const am_received *r, size_t field)
{
    hop.found = true;
    hop.ip = r->ip;
    hop.helo = r->helo;
    hop.name = r->name;
    hop.field = field;
    hop.received = *r;
    return hop;
}

/* NULL: the field says who the client was. */
static const char *unusable(const am_received *r, bool queued, bool ours)
{
    if (r->ip.family == 0)
        return without_address(r, queued);
    if (queued && r->style != AM_STYLE_QMAIL)
        return "a Received field that qmail did not write";
    return not_relayed(r, ours);
}

static am_hop walk(const am_header *header, const am_net *relay, size_t relays)
{
    am_hop hop = {.relayed = true};
    bool queued = false; /* the field above was qmail-queue's */
    for (size_t i = 0; i < header->n; i++) {
        am_received r;
        if (!am_str_iis(header->field[i].name, "Received"))
            continue;
        if (hop.passed == AM_HOP_FIELDS)
            return lost(hop, "more than 100 Received fields");
        am_received_parse(header->field[i].value, &r);
        bool ours = trusted(&r.ip, relay, relays);
        const char *reason = unusable(&r, queued, ours);
        if (reason)
            return lost(hop, reason);
        if (r.ip.family && !ours)
            return arrived(hop, &r, i);
        queued = r.from_network;
        hop.passed++;
    }
    return lost(hop, hop.passed ? "no Received field of an untrusted host" : "no Received field");
}

am_hop am_hop_find(const am_ip *client, const am_header *header, const am_net *relay, size_t relays,
    am_trace *trace)
{
    char us[AM_IP_TEXT], them[AM_IP_TEXT];
    if (!trusted(client, relay, relays))
        return (am_hop){.relayed = false};
    am_hop hop = walk(header, relay, relays);
    am_str question = am_str_of(am_ip_text(client, us));
    if (hop.found)
        am_trace_notef(trace, "hop", "5321 4.4", question,
            "a trusted relay; the client was %s (Received field %zu)", am_ip_text(&hop.ip, them),
            hop.passed + 1);
    else
        am_trace_notef(trace, "hop", "5321 4.4", question,
            "a trusted relay; the client is unknown: %s (Received field %zu)", hop.reason,
            hop.passed + 1);
    return hop;
}
