/* Who the worker is, and who owns the socket. */
#ifndef AM_MILTER_IDENTITY_H
#define AM_MILTER_IDENTITY_H

#include "milter/conf.h"

typedef struct am_identity {
    bool drop; /* started as root: the worker becomes user and group */
    uid_t uid;
    gid_t gid;
    gid_t socket_gid; /* (gid_t)-1: as it comes */
    char user[64];
} am_identity;

/* Looks the configured names up. False: `why`. */
bool am_identity_find(const am_conf *c, am_identity *out, am_error *why);

/* Becomes that user for good. False: `why`; privileges may be half dropped, so leave. */
bool am_identity_drop(const am_identity *i, am_error *why);

#endif
