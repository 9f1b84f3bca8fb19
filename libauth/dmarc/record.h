/* DMARC Policy Records (RFC 9989 4.7, 4.8) as plain data. */
#ifndef AM_DMARC_RECORD_H
#define AM_DMARC_RECORD_H

#include "libauth/dmarc/dmarc.h"

typedef struct am_dmarc_record {
    am_dmarc_policy p, sp, np;  /* as published; else their defaults: none, p, sp */
    bool has_p, has_sp, has_np; /* published, and valid */
    bool bad_policy;            /* a p, sp or np tag holds something else */
    bool strict_dkim, strict_spf, testing;
    char psd;        /* 'y', 'n', 'u' */
    am_str rua, ruf; /* the whole list as published; absent: no well-formed URI in it */
    am_str fo;       /* as published, or "0" */
} am_dmarc_record;

/* Is this TXT record a DMARC record: does v=DMARC1 come first? Else it does not count. */
bool am_dmarc_record_is(am_str txt);

/* Parses a text that am_dmarc_record_is. Never fails: what is wrong in it is
 * left out (4.8). Ranges point into `txt`. */
void am_dmarc_record_parse(am_str txt, am_dmarc_record *out);

/* May the record be used (4.10.1)? True: as it stands, or as if it said p=none
 * and nothing of sp and np, which is then written into it. False: no DMARC
 * for this message; *reason is a constant. */
bool am_dmarc_record_usable(am_dmarc_record *r, const char **reason);

/* Takes the next well-formed URI of rua or ruf, without the obsolete size
 * suffix; the others are passed over. *rest starts as the list. False: no more. */
bool am_dmarc_uri_next(am_str *rest, am_str *uri);

#endif
