/* SPF records (RFC 7208 4.5, 4.6.1, 5, 6; RFC 4406 3.1): the whole record as plain data. */
#ifndef AM_SPF_RECORD_H
#define AM_SPF_RECORD_H

#include "libauth/base/error.h"
#include "libauth/base/result.h"
#include "libauth/spf/macro.h"

typedef enum am_spf_kind {
    AM_SPF_ALL,
    AM_SPF_INCLUDE,
    AM_SPF_A,
    AM_SPF_MX,
    AM_SPF_PTR,
    AM_SPF_IP4,
    AM_SPF_IP6,
    AM_SPF_EXISTS,
} am_spf_kind;

/* One directive: a mechanism with its qualifier. */
typedef struct am_spf_term {
    am_str text;          /* as spelt, without the qualifier; visible ASCII */
    am_spf_string domain; /* n 0: the current domain */
    am_net net;           /* ip4, ip6; its family is the mechanism's, also for mapped addresses */
    uint8_t bits4, bits6; /* a, mx: prefix lengths */
    am_spf_kind kind;
    am_result result; /* of the qualifier: pass, fail, softfail, neutral */
} am_spf_term;

/* Flat and immutable: everything lies in the block that it was parsed into. */
typedef struct am_spf_record {
    const am_spf_term *term; /* in the record's order */
    size_t terms;
    am_spf_string redirect, exp; /* n 0: not there */
} am_spf_record;

/* Is this TXT record an SPF record? "v=spf1" and SP, or the end (4.5). */
bool am_spf_record_is(am_str text);

/* Is it a Sender ID record for that scope ("pra", "mfrom")? RFC 4406 3.1, 4.4: "spf2." and a minor
 * version, which is not looked at, "/" and a list of scopes that holds it as a whole word; then SP,
 * or the end. */
bool am_spf_record_is_scope(am_str text, const char *scope);

/* Octets of the block that `text` needs to be parsed into. The terms follow the first SP. */
size_t am_spf_record_size(am_str text);

/* Parses the record into `block` (aligned for any type, of am_spf_record_size(text) octets), a copy
 * of the text included. NULL: a syntax error anywhere; `why` says where. */
const am_spf_record *am_spf_record_parse(am_str text, void *block, am_error *why);

#endif
