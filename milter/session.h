/* One connection of an MTA: what its callbacks feed, and what the MTA is to be told. */
#ifndef AM_MILTER_SESSION_H
#define AM_MILTER_SESSION_H

#include "milter/declog.h"
#include "milter/policy.h"
#include "milter/strip.h"

#include <sys/socket.h>

typedef struct am_session am_session;

/* The MTA's side of the negotiation, as it matters here. */
typedef struct am_terms {
    unsigned long steps; /* SMFIP_ bits in force: which steps need no answer, ... */
    bool leading_space;  /* header values come and go with the space behind the colon */
    bool quarantine;     /* is offered */
} am_terms;

/* Fields that only we write: Authentication-Results of our id, and policy's two. */
enum { AM_OURS = 3, AM_STRIPS = AM_OURS + 1 };

typedef struct am_outcome {
    am_decision decision;
    const char *field;            /* value of Authentication-Results to insert; NULL: none */
    const char *mark_name, *mark; /* field of policy's to insert below it; NULL: none */
    am_strip strip[AM_STRIPS];    /* fields to delete first */
    size_t strips;
} am_outcome;

/* Configuration, options, DNS and decision log (NULL: none) must outlive the session. NULL: out of
 * memory. */
am_session *am_session_new(const am_conf *c, const am_options *o, am_dns *dns, am_declog *declog);
void am_session_free(am_session *s); /* at any point; NULL is fine */

void am_session_agree(am_session *s, const am_terms *t);
const am_terms *am_session_terms(const am_session *s);
const am_policy_needs *am_session_needs(const am_session *s);

/* `sa` NULL or another family: no address, a local client. */
void am_session_client(am_session *s, const struct sockaddr *sa);
/* The MTA's name and port of the listener that the client came to; either may be NULL. */
void am_session_listener(am_session *s, const char *name, const char *port);
/* Its address; family 0: none. */
const am_ip *am_session_peer(const am_session *s);
/* Under which address the worker counts the session; family 0 (at first): under none. */
am_ip *am_session_counted(am_session *s);
bool *am_session_turned_away(am_session *s); /* the worker's: its messages are put off */
void am_session_helo(am_session *s, const char *name);

/* What MAIL FROM tells: its arguments (path first, NULL last), and the MTA's macros. */
typedef struct am_mail {
    char **argument;
    am_login login;
    am_tls_query tls;
} am_mail;

/* Where rules may refuse at MAIL it waits for the DNS. True, there and below: refused, and logged;
 * else `refusal` says nothing. */
bool am_session_sender(am_session *s, const am_mail *mail, am_decision *refusal);
bool am_session_rcpt(am_session *s, const char *path, am_decision *refusal);
void am_session_field(am_session *s, const char *name, const char *value);
void am_session_eoh(am_session *s);

/* False: no more of the body is wanted. */
bool am_session_body(am_session *s, const void *p, size_t n);

/* While am_session_finish waits, `tell` is called every two seconds, in the same thread. */
void am_session_progress(am_session *s, void (*tell)(void *arg), void *arg);

/* The message is complete; may wait for the DNS. Writes the message's log lines. What it points to
 * is valid until am_session_reset. `id` is the MTA's queue id, or NULL. */
am_outcome am_session_finish(am_session *s, const char *id);

/* The message is over (or given up); the connection goes on. */
void am_session_reset(am_session *s);

#endif
