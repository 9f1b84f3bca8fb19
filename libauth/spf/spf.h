/* SPF (RFC 7208): check_host and its verdict. */
#ifndef AM_SPF_SPF_H
#define AM_SPF_SPF_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"

enum { AM_SPF_QUESTIONS = 64 }; /* the default of max_questions */

typedef struct am_spf_options {
    unsigned max_terms;     /* 4.6.4: terms that query; 0: 10 */
    unsigned max_void;      /* 4.6.4: look-ups without an answer; 0: 2 */
    unsigned max_names;     /* 4.6.4: MX and PTR names; 0: 10 */
    unsigned max_questions; /* new ones of one check_host in all; what the message asked before is
                               free; beyond: permerror; 0: 64 */
} am_spf_options;

/* Which records count, and for whom. */
typedef enum am_spf_scope {
    AM_SPF_SCOPE_SPF,   /* SPF: v=spf1 alone (RFC 7208 4.5) */
    AM_SPF_SCOPE_PRA,   /* Sender ID, of the responsible address: spf2.0/pra, else v=spf1 (RFC
                           4406 4.4) */
    AM_SPF_SCOPE_MFROM, /* Sender ID, of MAIL FROM: spf2.0/mfrom, else v=spf1 */
} am_spf_scope;

typedef struct am_spf_query {
    am_ip ip;        /* the client's */
    am_str domain;   /* the identity's domain: of MAIL FROM, or the HELO name */
    am_str local;    /* the sender's local-part; empty or absent: "postmaster" (4.3) */
    am_str helo;     /* as the client gave it, for %{h} */
    am_str receiver; /* this host's name, for %{r} in explanations */
    am_spf_scope scope;
} am_spf_query;

typedef struct am_spf_verdict {
    am_result result;   /* never AM_POLICY */
    am_str domain;      /* of the query, as given */
    am_str mechanism;   /* the directive that decided, as the record spells it without its
                           qualifier ("ip4:192.0.2.0/24"); "default" if none matched; empty
                           where no record was evaluated */
    am_str explanation; /* fail: the domain's own text (6.2), printable ASCII; else empty */
    am_str reason;   /* none, the errors, and a fail without a record (RFC 4406 4.3: the responsible
                        domain does not exist): what is wrong, in words; else empty */
    bool local_used; /* the macros s or l were evaluated (RFC 8601 2.7.2) */
    bool secure;     /* every answer used was vouched for by the resolver */
} am_spf_verdict;

/* Asks for what the check will need, and does not wait. The query's strings live until am_dns_end.
 */
void am_spf_start(const am_context *c, const am_spf_query *q);

/* May wait. Out of memory is temperror. Strings live in the context's arena. */
am_spf_verdict am_spf_check(const am_context *c, const am_spf_options *o, const am_spf_query *q);

#endif
