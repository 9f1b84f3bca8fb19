/* Which login owns which address: a file in the manner of Postfix's smtpd_sender_login_maps. */
#ifndef AM_IDENT_LOGINMAP_H
#define AM_IDENT_LOGINMAP_H

#include "libauth/base/error.h"
#include "libauth/mail/address.h"

/* The file. A line is an address, white space, and the logins that own it, separated by commas or
 * white space; a line that begins with white space continues the one before. Empty lines and lines
 * that begin with "#" mean nothing.
 *
 *   alice@example.org         alice
 *   info@example.org          alice, bob
 *   @example.net              carol                   every address of the domain
 *   /^(.*)@example\.com$/     $1                      a POSIX extended regular expression
 *
 * Looked for in this order, and the first that is found decides: the address as it is; the regular
 * expressions in the order of the file; the domain. An address on several lines has the logins of
 * all of them. Comparisons take ASCII letters alike, in addresses (both parts), expressions and
 * logins; domains compare as A-labels. Needless quotes of a local-part do not count; addresses with
 * other quotes, and "+" and what follows it, are as they stand.
 *
 * An expression need not match the whole address: write ^ and $. "\/" stands for "/". In the logins
 * beside it $1 to $9 are what its groups matched and "$$" is "$".
 *
 * Bounds: a file of 64 MiB, an expression of 500 octets, 200 of them. Addresses of more than 500
 * octets are never owned. */
typedef struct am_loginmap am_loginmap;

/* NULL: `why` says "file:line: what is wrong". Immutable: any number of threads may ask. */
am_loginmap *am_loginmap_load(const char *path, am_error *why);

/* The same from text; `name` is the file's, for errors. */
am_loginmap *am_loginmap_parse(am_str text, const char *name, am_error *why);

void am_loginmap_free(am_loginmap *m); /* NULL is fine */

size_t am_loginmap_count(const am_loginmap *m); /* addresses, domains and expressions */

/* Does the login own the address? Does not wait; `a` is for the time of the call. Out of memory,
 * no domain, no local-part: false. */
bool am_loginmap_owns(const am_loginmap *m, am_arena *a, am_str login, const am_mailbox *address);

#endif
