/* iprev (RFC 8601 3): does the client's address have a name that leads back to it? */
#ifndef AM_IDENT_IPREV_H
#define AM_IDENT_IPREV_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"

typedef struct am_iprev_verdict {
    am_result result;   /* pass, fail, temperror, permerror */
    am_str name;        /* pass: the name that matches; else the first PTR name, or empty */
    const char *reason; /* a constant; "" for pass */
    bool secure;
} am_iprev_verdict;

/* Asks for the PTR records, and for their addresses when they are there; does not wait. NULL: out
 * of memory, or no address. */
typedef struct am_iprev_early am_iprev_early;
am_iprev_early *am_iprev_start(const am_context *c, const am_ip *ip);

/* The client says that it is called so (HELO). While its names are not known yet, that one's
 * addresses are asked for: nearly always it is the one. `e` may be NULL. */
void am_iprev_guess(const am_iprev_early *e, am_str name);

/* May wait. At most 10 names are tried. */
am_iprev_verdict am_iprev_check(const am_context *c, const am_ip *ip);

/* Is the address among the answer's? */
bool am_iprev_holds(const am_dns_answer *x, const am_ip *ip);

#endif
