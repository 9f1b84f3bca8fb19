/* The process that talks to MTAs. */
#ifndef AM_MILTER_WORKER_H
#define AM_MILTER_WORKER_H

#include "milter/identity.h"
#include "milter/session.h"

#include <sysexits.h>

typedef struct am_worker_start {
    const am_conf *conf;
    const am_identity *identity;
    int listener; /* listening socket; -1: libmilter opens one itself */
    bool foreign; /* the listener belongs to somebody else (fd:N) */
    int orders;   /* read end: an octet or its end means "finish what is open, then go" */
    int ready;    /* write end: an octet is written when MTAs are served, then it is closed */
} am_worker_start;

/* Exit status: libmilter cannot use a socket that is open already. */
enum { AM_WORKER_NO_FD = EX_PROTOCOL };

/* For the supervisor, once, while it may: from now on a worker can open as many descriptors as
 * limits.sessions may ever ask for; where that is not granted, as many as `c` asks for. */
void am_worker_raise_limit(const am_conf *c);

/* Runs until told to go, or until libmilter gives up. Returns an exit status of sysexits.h. */
int am_worker_run(const am_worker_start *w);

/* A new session, counted; NULL: limits.sessions is reached, or no memory. */
am_session *am_worker_enter(void);
void am_worker_leave(am_session *s);

bool am_worker_keeps_decisions(void); /* there is a decision log */

/* May a client that connects now be over limits.sessions-per-client? Not as long as there are no
 * more sessions than that in all. */
bool am_worker_may_be_crowded(void);

/* The session's client is known now. False: it has too many sessions open, which is logged. */
bool am_worker_admit(am_session *s);

#endif
