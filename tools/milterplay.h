/* One message through a milter: the MTA's part of the conversation. */
#ifndef AM_TOOLS_MILTERPLAY_H
#define AM_TOOLS_MILTERPLAY_H

#include "libauth/base/ip.h"
#include "tools/eml.h"
#include "tools/milterwire.h"

/* What the MTA knows beside the message. Strings end in NUL; NULL: not known. */
typedef struct am_play_envelope {
    am_ip ip; /* family 0: no client address */
    const char *helo, *auth, *receiver;
    const char *mail_from; /* without <>; "" is the null sender */
    const char *const *rcpt;
    size_t rcpts; /* 0: postmaster */
} am_play_envelope;

enum { AM_PLAY_EDITS = 200000 }; /* changes taken from a milter; more break the protocol */

/* One change that the milter asked for. */
typedef struct am_play_edit {
    char code;      /* enum am_milter_reply */
    uint32_t index; /* INSHEADER: fields above it; CHGHEADER: which of that name, from 1 */
    am_str name;    /* of a header field; an address; absent */
    am_str value;   /* of the field, as it came; octets of a new body; absent */
} am_play_edit;

/* What came out. Memory: the arena given to am_play. */
typedef struct am_play_result {
    uint32_t version, actions, steps; /* as negotiated */
    char verdict;                     /* AM_MILTER_ACCEPT, _REJECT, _TEMPFAIL or _DISCARD */
    const char *stage;                /* where the verdict fell: "connect" ... "end of message" */
    am_str reply;                     /* "550 5.7.1 text"; absent: the MTA's own */
    am_play_edit *edit;
    size_t n, cap;
    bool quarantined;
    am_str quarantine; /* the reason */
} am_play_result;

/* Plays one session of one message on a connected wire. False: the milter broke
 * the protocol, went away or was late, or memory is short; the wire's error says what. */
bool am_play(
    am_wire *w, am_arena *a, const am_play_envelope *env, const am_eml *m, am_play_result *out);

#endif
