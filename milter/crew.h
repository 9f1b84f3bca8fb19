/* The supervisor's workers: one that serves, and earlier ones that finish what is open. */
#ifndef AM_MILTER_CREW_H
#define AM_MILTER_CREW_H

#include "milter/identity.h"

enum { AM_CREW_MAX = 9 }; /* one serves, the others drain */

typedef struct am_crewman {
    pid_t pid;  /* 0: free place */
    int orders; /* write end of its orders; -1: it was told to go */
} am_crewman;

typedef struct am_crew {
    am_crewman man[AM_CREW_MAX];
    bool foreign; /* the listener belongs to somebody else (fd:N) */
} am_crew;

/* Starts a worker and waits until it serves (30 s at most). Returns its place; NULL: it did not
 * come up (`*status` is its exit status, sysexits.h; it has logged why), or there is no room.
 * The child never returns from here. */
am_crewman *am_crew_start(
    am_crew *c, const am_conf *conf, const am_identity *identity, int listener, int *status);

/* Tells a worker to finish its open sessions and go. */
void am_crew_dismiss(am_crewman *m);
void am_crew_dismiss_all(am_crew *c);
void am_crew_kill_all(am_crew *c); /* at once */

/* One that ended; its place is free then. False: none. */
bool am_crew_reap(am_crew *c, am_crewman *gone, int *status);

unsigned am_crew_count(const am_crew *c);

#endif
