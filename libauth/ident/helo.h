/* x-helo: is the name that the client gave with HELO or EHLO its own? (RFC 5321 2.3.5, 4.1.1.1) */
#ifndef AM_IDENT_HELO_H
#define AM_IDENT_HELO_H

#include "libauth/ident/iprev.h"

typedef struct am_helo_query {
    am_str name;                   /* as the client gave it */
    am_ip ip;                      /* the client's; family 0: not known */
    const am_iprev_verdict *iprev; /* NULL: not known */
    const char *const *own;        /* names of ours: the host's, the authserv-id; NULL for none */
    size_t owns;
    bool local; /* the client is in our own networks and may use our name */
} am_helo_query;

/* The first line that fits decides:
 *
 * fail       "no name"                            nothing was given
 * fail       "malformed name"                     neither a Domain nor an address literal (RFC 5321
 *                                                 4.1.1.1): other octets than letters, digits,
 * hyphens and dots (in EHLO IDNs are A-labels: RFC 6531 3.7.1), a final dot, a label's hyphen at
 * its end, over 63 or 253 octets fail       "underscore in the name"             the commonest of
 * these, by its name fail       "malformed address literal"          (RFC 5321 4.1.3) fail "address
 * without brackets"           "192.0.2.1", or another all-digit top label neutral    "no client
 * address"                  nothing to compare with pass       "" the literal is the client's
 * address fail       "address literal of another host" fail       "claims to be this host" our
 * name, or localhost, and the client is not ours neutral    "our own name from a client of ours"
 * neutral    "name of a single label"             (RFC 5321 2.3.5 wants a full one; nothing to look
 * up) pass       ""                                   the name is the reverse name, and iprev
 * passed; or an address of the name is the client's temperror  "look-up failed", "out of memory"
 * fail       "the name leads to other addresses"
 * neutral    "the name has addresses of the other family alone"
 * fail       "the name has no address"            (RFC 5321 2.3.5)
 *
 * RFC 5321 4.1.4: that a name leads elsewhere is no reason to refuse a message; a fail here says
 * that the host does not bear the name, and no more. */
typedef struct am_helo_verdict {
    am_result result;   /* pass, neutral, fail, temperror */
    const char *reason; /* a constant of the table above */
    am_str name;        /* as given; lower case where it is a Domain */
    bool literal;       /* it is an address literal */
    bool reverse;       /* the client's validated reverse name is the same */
    bool resolves; /* an address of the name is the client's; not asked where reverse is true */
} am_helo_verdict;

/* Asks for the addresses of the name and does not wait. */
void am_helo_start(const am_context *c, const am_ip *ip, am_str name);

/* May wait. */
am_helo_verdict am_helo_check(const am_context *c, const am_helo_query *q);

#endif
