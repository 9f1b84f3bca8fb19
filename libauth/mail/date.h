/* The date-time of header fields: RFC 5322 3.3, with the obsolete forms of 4.3. */
#ifndef AM_MAIL_DATE_H
#define AM_MAIL_DATE_H

#include "libauth/base/str.h"

typedef struct am_date {
    int64_t time;    /* seconds since the epoch (UTC) */
    bool zone_known; /* false: a zone by a name that nobody defined, taken for UTC */
    bool zone_local; /* the zone is "-0000": UTC, written by who tells no zone of his own */
} am_date;

/* The whole of `text`: [day-name ","] day month year hour ":" minute [":" second]
 * zone, with CFWS between. Years 1970 to 9999; the day-name is not held against
 * the date. False: no date. */
bool am_date_parse(am_str text, am_date *out);

#endif
