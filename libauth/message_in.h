/* What message.c and client.c share: one message on its way. Nobody else includes this. */
#ifndef AM_MESSAGE_IN_H
#define AM_MESSAGE_IN_H

#include "libauth/message.h"

/* What the MTA says of the client, until the header tells whether it is a relay of ours. */
typedef struct am_client_facts {
    am_ip ip;
    am_str helo; /* absent: none was given */
    bool greeted;
    am_login login;
    am_tls_query tls;
    bool has_tls;
    am_str auth_parameter, submitter; /* of MAIL FROM, as sent; absent: none */
} am_client_facts;

struct am_message {
    const am_options *options;
    am_arena *arena;
    am_context context;
    am_trace trace;
    am_header header;
    am_bodies *bodies;
    am_dkim *dkim;
    am_arc *arc;
    am_client_facts facts;
    am_iprev_early *early_iprev;
    am_evidence evidence;
    unsigned spf_asked;            /* distinct questions of SPF, for all identities */
    unsigned keys, seals, authors; /* fields that have asked early: signatures, ARC's, From */
    bool eoh;
    bool sender_known, name_known; /* am_client_finish_sender, am_client_finish_name are done */
    bool recorded;                 /* header and body were judged before */
};

/* The header is there: behind a relay of ours the client is another one, whose questions start now.
 */
void am_client_eoh(am_message *m);

/* SPF of what DMARC needs: MAIL FROM, or the HELO name where that is null. Waits. */
void am_client_finish_sender(am_message *m);

/* iprev, and SPF of the HELO name. Waits. */
void am_client_finish_name(am_message *m);

/* The rest: the above where it is not done, HELO, login, TLS; and, where there is a header, PRA and
 * the trail. Waits. */
void am_client_finish(am_message *m);

#endif
