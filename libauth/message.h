/* The pipeline of one message: facts go in as they arrive, evidence comes out. */
#ifndef AM_MESSAGE_H
#define AM_MESSAGE_H

#include "libauth/authres/authres.h"
#include "libauth/evidence.h"

typedef struct am_options {
    am_spf_options spf;
    am_dkim_options dkim;
    am_arc_options arc;
    am_dmarc_options dmarc;
    am_trust_list trusted_sealers; /* none: a DMARC fail is never overridden */
    am_dns_limits dns;
    size_t max_memory;        /* octets of a message's arena, answers included; 0: 64 MiB */
    am_budget *budget;        /* of all messages together; NULL: no bound */
    size_t max_fields;        /* header fields; 0: 10000 */
    size_t max_header_octets; /* 0: 8 MiB */
    /* Behind a gateway: where the client is one of these, the first hop that is not is judged. */
    const am_net *relay;
    size_t relays;
    const am_net *local; /* our own networks: their hosts may greet with our name */
    size_t locals;
    const char *const *own; /* names of ours, for x-helo */
    size_t owns;
    const am_loginmap *login_map;            /* NULL: no x-auth-align */
    bool check_helo, check_tls, check_trail; /* x-helo, x-tls, x-trail */
    bool trust_auth_parameter; /* an authenticated client's AUTH= counts (RFC 4954 5) */
    bool sender_id;            /* RFC 4406, historic */
    const char *receiver;      /* this host's name, for %{r}; never NULL */
    am_turns *turns;           /* am_message_finish takes its turn; NULL: it does not */
    bool no_prefetch;          /* ask the DNS only when an answer is waited for */
    bool explain;              /* keep a trace */
    int64_t now;               /* 0: the clock */
} am_options;

/* Is the address in one of our own networks? Is it a trusted relay's? Family 0 is neither. */
bool am_client_is_local(const am_options *o, const am_ip *ip);
bool am_client_is_relay(const am_options *o, const am_ip *ip);

typedef struct am_message am_message;

/* `dns` and `o` must outlive the message. NULL: out of memory. Calls come from
 * one thread at a time; only am_message_envelope and am_message_finish wait. */
am_message *am_message_new(am_dns *dns, const am_options *o);

/* The envelope; each may be left out. The client's address: family 0 is "none". */
void am_message_client(am_message *m, const am_ip *ip);
void am_message_helo(am_message *m, am_str name);
void am_message_sender(am_message *m, am_str path);         /* with or without <> */
void am_message_parameter(am_message *m, am_str parameter); /* of MAIL FROM: "AUTH=...", ... */

/* Who logged in, as the MTA's macros have it; absent or empty: not told. */
typedef struct am_login {
    am_str user, mechanism, author;
} am_login;
void am_message_login(am_message *m, const am_login *login);
void am_message_tls(am_message *m, const am_tls_query *tls);

/* In place of a header and body: what was found out about them before (author, DKIM, ARC, limit),
 * and of the client but for iprev and SPF (hop, HELO, login, TLS, Sender ID, trail).
 * What `from` points to must outlive the message. Neither field, eoh nor body then. */
void am_message_recorded(am_message *m, const am_evidence *from);

/* The header, field by field: name and value as a milter has them, or raw octets with CRLF folds.
 */
void am_message_field(am_message *m, am_str name, am_str value);
void am_message_field_raw(am_message *m, am_str raw);

/* The header is complete: signatures are parsed, digests set up. Once. */
void am_message_eoh(am_message *m);

/* Is (more of) the body wanted? After eoh. */
bool am_message_wants_body(const am_message *m);
void am_message_body(am_message *m, const void *p, size_t n);

/* SPF of MAIL FROM (or of the HELO name where that is null) before the header is there; with `all`
 * iprev and SPF of the HELO name too. Waits for the DNS. After client, helo and sender, which must
 * not come again; not where the client is a trusted relay. What was found out stays, and
 * am_message_finish does not do it twice. Never NULL; valid until am_message_free. */
const am_evidence *am_message_envelope(am_message *m, bool all);
/* While am_message_finish waits, `tell` is called every two seconds, from the thread that waits. */
void am_message_progress(am_message *m, void (*tell)(void *arg), void *arg);

/* The verdicts; waits for the DNS. After eoh; or without it: SPF and iprev
 * alone. Never NULL; valid until am_message_free. Once. */
const am_evidence *am_message_finish(am_message *m);

/* The message's fields, numbered as they came (for deleting forged ones). */
const am_header *am_message_header(const am_message *m);
am_arena *am_message_arena(am_message *m);
const am_dns_session *am_message_dns(const am_message *m); /* its questions */

void am_message_free(am_message *m); /* at any point; NULL is fine */

typedef struct am_results_options {
    const char *authserv_id;
    bool full_sender; /* smtp.mailfrom with its local-part (RFC 8601 4 advises against) */
    bool dnssec;      /* policy.dnssec=pass where all answers were vouched for */
    /* Of the local rule that decided: policy.rule, policy.reason; or NULL. */
    const char *rule, *reason;
} am_results_options;

/* As much of a signature's b= as tells it from the others: what header.b shows. */
am_str am_results_signature(const am_evidence *e, size_t i);

/* The evidence as Authentication-Results; everything in the arena. */
am_authres am_results(am_arena *a, const am_evidence *e, const am_results_options *o);

#endif
