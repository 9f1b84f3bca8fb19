/* The DNS as verifiers see it: ask early, wait late, four kinds of answer. */
#ifndef AM_DNS_DNS_H
#define AM_DNS_DNS_H

#include "libauth/base/error.h"
#include "libauth/base/ip.h"
#include "libauth/base/trace.h"
#include "libauth/base/turns.h"

typedef enum am_dns_type {
    AM_DNS_A = 1,
    AM_DNS_PTR = 12,
    AM_DNS_MX = 15,
    AM_DNS_TXT = 16,
    AM_DNS_AAAA = 28,
} am_dns_type;

typedef enum am_dns_status {
    AM_DNS_DATA,     /* at least one record */
    AM_DNS_NODATA,   /* the name exists, without such a record */
    AM_DNS_NXDOMAIN, /* no such name (RFC 8020: nor anything below it) */
    AM_DNS_TEMPFAIL, /* SERVFAIL, REFUSED, time-out, broken answers, limits */
} am_dns_status;

typedef struct am_dns_rr {
    am_str data;         /* TXT: its character-strings, joined with nothing between (RFC 7208 3.3);
                            PTR, MX: the host, lower case, no final dot, "" for the root; octets of a
                            label that are "." "\\" or no VCHAR stand as \DDD, so that no such name
                            equals a valid one. A, AAAA: absent */
    am_ip ip;            /* A, AAAA */
    uint16_t preference; /* MX */
} am_dns_rr;

/* One answer: flat, never changed, shared by all who asked. */
typedef struct am_dns_answer {
    am_dns_status status;
    bool secure;         /* the resolver vouched for it (AD), and it is a trusted one */
    uint32_t ttl;        /* seconds, as received, bounded by the cache's limits */
    const char *reason;  /* TEMPFAIL: "timeout", "SERVFAIL", ...: a constant. Else NULL */
    size_t n;            /* records; 0 unless DATA */
    const am_dns_rr *rr; /* in the order of the packet */
} am_dns_answer;

/* ---- Backends: made once, used by all threads, freed when nobody uses them. ---- */

typedef struct am_dns am_dns;

enum { AM_SERVERS_MAX = 8 };

typedef struct am_dns_options {
    const char *const *nameserver; /* "ADDR" or "ADDR@PORT"; none: resolv.conf's */
    size_t nameservers;            /* AM_SERVERS_MAX at most */
    const char *resolv_conf;       /* NULL: /etc/resolv.conf */
    unsigned try_ms;               /* first time-out of one try at one server; 0: 1500 */
    size_t cache_bytes;            /* bound of the cache's memory; 0: 16 MiB */
    uint32_t max_ttl;              /* seconds; 0: 86400 */
    bool trust_ad;                 /* AD counts from servers that are not on loopback too */
} am_dns_options;

/* Over the network. NULL: `why` says what is wrong. */
am_dns *am_dns_network(const am_dns_options *o, am_error *why);

/* From RFC 1035 master files alone; names not in them do not exist. */
am_dns *am_dns_zonefiles(const char *const *file, size_t n, am_error *why);

/* One question that somebody waited for, and what was said. */
typedef struct am_dns_lookup {
    am_str name; /* lower case, no final dot */
    am_dns_type type;
    const am_dns_answer *answer;
} am_dns_lookup;

/* From a list of earlier answers alone, which is copied; everything else is TEMPFAIL with the
 * reason `missing`. NULL: `why`. */
am_dns *am_dns_recorded(const am_dns_lookup *list, size_t n, const char *missing, am_error *why);

void am_dns_free(am_dns *d); /* NULL is fine; no session may be open */

typedef struct am_dns_stats {
    uint64_t questions; /* am_dns_start and am_dns_wait, once a question and session */
    uint64_t cached;    /* of these, answered without asking anyone */
    uint64_t joined;    /* of these, waited for somebody else's question */
    uint64_t sent;      /* packets sent over the network */
    uint64_t failed;    /* answers that were TEMPFAIL */
    size_t cache_entries, cache_bytes;
} am_dns_stats;
am_dns_stats am_dns_count(am_dns *d);

/* ---- Sessions: the questions of one message; one thread at a time. ---- */

typedef struct am_dns_session am_dns_session;

typedef struct am_dns_limits {
    unsigned wait_ms;   /* time that all am_dns_wait calls together may take; 0: 20000 */
    unsigned questions; /* distinct questions waited for; beyond: TEMPFAIL "too many look-ups";
                           0: 150. As many may be started early, which does not count here */
} am_dns_limits;

/* `arena` keeps the session's own list; `trace` may be NULL. NULL: out of memory. */
am_dns_session *am_dns_begin(
    am_dns *d, am_arena *arena, const am_dns_limits *limits, am_trace *trace);

/* From now on so many of the questions may not be waited for: they are kept for those who come
 * later, whatever the ones before them ask; at most half of what is left. 0: nothing is kept. */
void am_dns_keep(am_dns_session *s, unsigned questions);

/* The same for time: half of what may still be waited is kept, until am_dns_keep_time_end gets what
 * this returned. They nest. */
int64_t am_dns_keep_time(am_dns_session *s);
void am_dns_keep_time_end(am_dns_session *s, int64_t before);

/* While am_dns_wait waits, `tell` is called every two seconds, from the thread that waits. */
void am_dns_progress(am_dns_session *s, void (*tell)(void *arg), void *arg);

/* From now on it is the session's turn, but for while it waits: `turn` has begun, outlives the
 * session's waits, and is begun when they return. NULL: no longer. */
void am_dns_turn(am_dns_session *s, am_turn *turn);

/* Asks and does not wait; what then fails is asked again when somebody waits for it. The name may
 * be anything; one that cannot be asked for (am_domain_askable) is NXDOMAIN without a query. Asking
 * twice is asking once. */
void am_dns_start(am_dns_session *s, am_str name, am_dns_type type);

/* A question that should have been asked early is not under way: there was no room, as the table is
 * crowded or the session's own bound was met; or it was asked early before, and has failed. It goes
 * out when somebody waits for it. */
bool am_dns_turned_away(const am_dns_session *s);

/* The same; and as soon as the answer is there, `fn` gets it, so that it can ask for what the
 * answer leads to: now, or within a later am_dns_wait or am_dns_poll. It must not wait. `arg` lives
 * until am_dns_end. */
typedef void am_dns_fn(void *arg, const am_dns_answer *x);
void am_dns_then(am_dns_session *s, am_str name, am_dns_type type, am_dns_fn *fn, void *arg);

/* Hands on the answers that have come meanwhile; cheap where there are none. Does not wait. */
void am_dns_poll(am_dns_session *s);

/* The answer, waited for as long as the limits allow. Never NULL; valid until
 * am_dns_end. Case of the name does not matter. `step` and `rfc` go into the
 * trace: "spf", "7208 4.4". */
const am_dns_answer *am_dns_wait(
    am_dns_session *s, const char *step, const char *rfc, am_str name, am_dns_type type);

/* The answer of a question asked before, if it is there already, or NULL. Not traced. */
const am_dns_answer *am_dns_peek(am_dns_session *s, am_str name, am_dns_type type);

/* Everything that was waited for so far, in the order of asking; in the arena, the answers
 * valid until am_dns_end. NULL: out of memory. *full: am_dns_limits.questions was met, and
 * questions that do not stand here were answered with "too many look-ups". */
const am_dns_lookup *am_dns_lookups(const am_dns_session *s, size_t *n, bool *full);

/* How many distinct questions were waited for so far; does not depend on early asking. */
unsigned am_dns_waited(const am_dns_session *s);

/* NULL, or why a question that was waited for was not answered though the DNS may know: a bound of
 * ours ("out of memory", "too many questions in flight", ...). A constant. */
const char *am_dns_fault(const am_dns_session *s);

/* Gives all answers back; questions still in flight go on into the cache.
 * NULL is fine. */
void am_dns_end(am_dns_session *s);

/* "TXT example.org" and "v=spf1 -all" for people; several records are joined with " | ";
 * "no data", "no such name", "temporary failure: timeout". In the arena. */
am_str am_dns_question_text(am_arena *a, am_str name, am_dns_type type);
am_str am_dns_answer_text(am_arena *a, const am_dns_answer *x, am_dns_type type);

/* ---- Parsed forms, kept with an answer as long as the answer lives. ---- */

/* `kind` is the address of a constant of the caller's. get: the object, or
 * NULL. keep: hands obj over; returns the one that is kept, which is another
 * thread's where that was first (obj is then destroyed). Thread-safe. The first
 * two kinds of an answer always find room; others NULL (obj destroyed) without memory.
 * keep's objects must be immutable, or safe for several threads. */
void *am_dns_parsed_get(const am_dns_answer *x, const void *kind);
void *am_dns_parsed_keep(
    const am_dns_answer *x, const void *kind, void *obj, void (*destroy)(void *obj));

#endif
