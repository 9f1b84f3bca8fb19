/* Behind a gateway: who handed the message to the first of our own relays. */
#ifndef AM_IDENT_HOP_H
#define AM_IDENT_HOP_H

#include "libauth/base/trace.h"
#include "libauth/mail/header.h"
#include "libauth/mail/received.h"

enum { AM_HOP_FIELDS = 100 }; /* Received fields looked at */

typedef struct am_hop {
    bool relayed; /* the connecting client is one of the trusted relays */
    bool found;   /* and ip, helo, name tell who gave the message to the first of them */
    /* relayed, not found: a constant. The client is then unknown: what is known of the
     * relay (its address, its HELO) must not be judged in its place, for an attacker
     * can bring this about, and the relay may well be in the victim's SPF record. */
    const char *reason;
    am_ip ip;
    am_str helo;          /* absent: not recorded */
    am_str name;          /* reverse name as the relay had it; absent: none */
    size_t field;         /* found: index in the header of the field that says so */
    size_t passed;        /* Received fields above it: handovers between trusted hosts */
    am_received received; /* found: that field; auth and user tell of a log-in there */
} am_hop;

/* Walks down the Received fields while they record a client within `relay`; the
 * first that is not is the hop, and nothing below it is looked at. Rests on two
 * things that whoever names a trusted relay has to see to: each relay writes a
 * Received field on top (the MTA's own does not reach a milter), and takes no mail
 * with Received fields from programs of its own host over a trusted address.
 * No I/O; ranges point into the header. `trace` may be NULL. */
am_hop am_hop_find(const am_ip *client, const am_header *header, const am_net *relay, size_t relays,
    am_trace *trace);

#endif
