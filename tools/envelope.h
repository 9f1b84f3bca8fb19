/* The envelope of kept mail, as far as its header remembers it. */
#ifndef AM_TOOLS_ENVELOPE_H
#define AM_TOOLS_ENVELOPE_H

#include "libauth/mail/header.h"
#include "libauth/message.h"

typedef struct am_envelope {
    am_ip client;     /* family 0: none was recorded, or the message came from here */
    am_str helo;      /* absent: not recorded */
    am_str mail_from; /* of Return-Path; absent: there is none */
    am_str rcpt;      /* the first recipient of the Received field; absent: not recorded */
    am_login login;
    int64_t time; /* when it came; 0: not recorded */
} am_envelope;

/* The topmost Received field that tells of a client outside of `local` says who and when;
 * Return-Path says MAIL FROM. Ranges point into the header. */
am_envelope am_envelope_of(const am_header *h, const am_net *local, size_t locals);

/* Gives it to a message, before header and body. */
void am_envelope_feed(am_message *m, const am_envelope *e);

#endif
