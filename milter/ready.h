/* Could authmilld start with this configuration, here and now? */
#ifndef AM_MILTER_READY_H
#define AM_MILTER_READY_H

#include "milter/identity.h"

/* Reads the file and checks whatever can be checked without changing anything: who may write the
 * files that it is made of, the decision log, users and groups, zone files. `identity` NULL: for
 * somebody who would not start it, so that rights and users are left out. Waits for files and the
 * user database. NULL: `why`. */
am_conf *am_ready_load(const char *file, am_identity *identity, am_error *why);

#endif
