/* The milter protocol on the wire, from the MTA's side: sockets and packets. */
#ifndef AM_TOOLS_MILTERWIRE_H
#define AM_TOOLS_MILTERWIRE_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

/* What the MTA sends. */
enum am_milter_command {
    AM_MILTER_ABORT = 'A',
    AM_MILTER_BODY = 'B',
    AM_MILTER_CONNECT = 'C',
    AM_MILTER_MACRO = 'D',
    AM_MILTER_EOM = 'E',
    AM_MILTER_HELO = 'H',
    AM_MILTER_HEADER = 'L',
    AM_MILTER_MAIL = 'M',
    AM_MILTER_EOH = 'N',
    AM_MILTER_OPTNEG = 'O',
    AM_MILTER_QUIT = 'Q',
    AM_MILTER_RCPT = 'R',
    AM_MILTER_DATA = 'T',
};

/* What the milter answers. */
enum am_milter_reply {
    AM_MILTER_ADDRCPT = '+',
    AM_MILTER_DELRCPT = '-',
    AM_MILTER_ADDRCPT_PAR = '2',
    AM_MILTER_SHUTDOWN = '4',
    AM_MILTER_ACCEPT = 'a',
    AM_MILTER_REPLBODY = 'b',
    AM_MILTER_CONTINUE = 'c',
    AM_MILTER_DISCARD = 'd',
    AM_MILTER_CHGFROM = 'e',
    AM_MILTER_CONN_FAIL = 'f',
    AM_MILTER_ADDHEADER = 'h',
    AM_MILTER_INSHEADER = 'i',
    AM_MILTER_CHGHEADER = 'm',
    AM_MILTER_PROGRESS = 'p',
    AM_MILTER_QUARANTINE = 'q',
    AM_MILTER_REJECT = 'r',
    AM_MILTER_SKIP = 's',
    AM_MILTER_TEMPFAIL = 't',
    AM_MILTER_REPLYCODE = 'y',
};

/* Actions a milter may ask for (version 6). */
enum am_milter_action {
    AM_ACTION_ADDHDRS = 1 << 0,
    AM_ACTION_CHGBODY = 1 << 1,
    AM_ACTION_ADDRCPT = 1 << 2,
    AM_ACTION_DELRCPT = 1 << 3,
    AM_ACTION_CHGHDRS = 1 << 4,
    AM_ACTION_QUARANTINE = 1 << 5,
    AM_ACTION_CHGFROM = 1 << 6,
    AM_ACTION_ADDRCPT_PAR = 1 << 7,
    AM_ACTION_SETSYMLIST = 1 << 8,
    AM_ACTION_ALL = (1 << 9) - 1,
};

/* Steps: what need not be sent (NO), what gets no reply (NR), and more. */
enum am_milter_step {
    AM_STEP_NO_CONNECT = 1 << 0,
    AM_STEP_NO_HELO = 1 << 1,
    AM_STEP_NO_MAIL = 1 << 2,
    AM_STEP_NO_RCPT = 1 << 3,
    AM_STEP_NO_BODY = 1 << 4,
    AM_STEP_NO_HEADER = 1 << 5,
    AM_STEP_NO_EOH = 1 << 6,
    AM_STEP_NR_HEADER = 1 << 7,
    AM_STEP_NO_DATA = 1 << 9,
    AM_STEP_SKIP = 1 << 10, /* the milter may say that it has seen enough body */
    AM_STEP_NR_CONNECT = 1 << 12,
    AM_STEP_NR_HELO = 1 << 13,
    AM_STEP_NR_MAIL = 1 << 14,
    AM_STEP_NR_RCPT = 1 << 15,
    AM_STEP_NR_DATA = 1 << 16,
    AM_STEP_NR_EOH = 1 << 18,
    AM_STEP_NR_BODY = 1 << 19,
    AM_STEP_LEADSPC = 1 << 20, /* header values with the space before them, both ways */
    AM_STEP_ALL = (1 << 21) - 1,
};

enum {
    AM_MILTER_VERSION = 6,
    AM_MILTER_CHUNK = 65535,    /* octets of body in one packet */
    AM_MILTER_PACKET = 1 << 24, /* octets; a longer answer breaks the protocol */
    AM_MILTER_ALL = 1 << 28,    /* octets of all answers together */
};

/* Where a milter listens. */
typedef struct am_wire_target {
    int family;      /* AF_UNIX, AF_INET, AF_INET6 */
    char place[256]; /* path or host */
    char port[32];   /* number or service name; "" for AF_UNIX */
} am_wire_target;

/* "unix:/path", "local:/path", "/path", "inet:PORT@HOST", "inet6:PORT@HOST" (without
 * @HOST: this machine). False: none of these; e says what would be right. */
bool am_wire_target_parse(const char *text, am_wire_target *out, am_error *e);

typedef struct am_wire {
    int fd;
    int wait_ms;    /* bound on each wait */
    long long last; /* bound on all of them: a moment of the monotonic clock, in ms */
    size_t taken;   /* octets received */
    am_error *error;
} am_wire;

/* Connects. Each wait is bounded by `seconds`, all together by ten times as much.
 * False: not reachable; e (kept for the calls below, not NULL) says why. */
bool am_wire_open(am_wire *w, const am_wire_target *t, double seconds, am_error *e);

/* One packet out. False: the milter is gone or does not read. */
bool am_wire_send(am_wire *w, char command, am_str data);

/* One packet in; `data` lies in the arena. False: gone, late, or no packet. */
bool am_wire_receive(am_wire *w, am_arena *a, char *reply, am_str *data);

void am_wire_close(am_wire *w);

/* Numbers of 32 bits in network order. */
uint32_t am_wire_get32(const char *p);
void am_wire_put32(char *p, uint32_t v);

#endif
