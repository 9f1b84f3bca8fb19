/* The list arc.trusted-sealers, files and all. */
#ifndef AM_MILTER_SEALERS_H
#define AM_MILTER_SEALERS_H

#include "milter/conf.h"

/* Reads c->arc.trusted_sealers into c->arc.sealers: domains, and the files named as file:/PATH with
 * a domain a line. Public suffixes are those of the configuration's list, or else of the system's.
 * Waits for files. False: `why` says which entry, and for a file which line. */
bool am_sealers_load(am_conf *c, am_error *why);

#endif
