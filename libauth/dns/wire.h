/* Packets: a question to octets, octets to what they mean for it. Room dns only. */
#ifndef AM_DNS_WIRE_H
#define AM_DNS_WIRE_H

#include "libauth/dns/rdata.h"

enum {
    AM_WIRE_UDP = 1232,     /* octets of an answer that we offer to take (EDNS) */
    AM_WIRE_QUERY = 300,    /* room for any query of ours */
    AM_WIRE_MAX_LINKS = 10, /* CNAMEs followed for one question */
    AM_WIRE_MAX_HOSTS = 101 /* of MX or PTR in an answer; more are looked at, and not kept */
};

/* What was sent, and what the answer is held against. */
typedef struct am_wire_question {
    am_wire_name name; /* with its letters as they were sent */
    am_dns_type type;
    uint16_t id;
    bool edns;
    bool exact; /* the answer must repeat the letters' case */
} am_wire_question;

/* Gives the letters a case drawn from 32 random octets. */
void am_wire_shuffle(am_wire_name *name, const uint8_t random[32]);

/* The query: RD, and AD to learn what the resolver thinks (RFC 6840 5.7).
 * Its octets, at most AM_WIRE_QUERY; 0: out of memory. */
size_t am_wire_query(const am_wire_question *q, uint8_t out[static AM_WIRE_QUERY]);

typedef enum am_wire_kind {
    AM_WIRE_FOREIGN,   /* no answer to this question: wait on */
    AM_WIRE_RECASED,   /* one, but for the letters' case */
    AM_WIRE_TRUNCATED, /* ask again over TCP */
    AM_WIRE_NO_EDNS,   /* the server may not know EDNS (it does where `opt`): ask without */
    AM_WIRE_FAILED,    /* this server cannot say: `reason`; perhaps another can */
    AM_WIRE_ONWARD,    /* a CNAME leads out of the packet: ask for `target` */
    AM_WIRE_ANSWER,    /* `answer`, one reference, the caller's; NULL: out of memory */
} am_wire_kind;

/* What earlier packets of the same question gave: starts as AM_WIRE_CHAIN. */
typedef struct am_wire_chain {
    unsigned links;
    uint32_t ttl;
    bool secure;
} am_wire_chain;
#define AM_WIRE_CHAIN ((am_wire_chain){0, UINT32_MAX, true})

typedef struct am_wire_result {
    am_wire_kind kind;
    bool opt;           /* with NO_EDNS: the packet has an OPT all the same */
    const char *reason; /* a constant */
    am_answer *answer;
    am_wire_name target;
} am_wire_result;

/* Reads a packet. `ad`: the AD bit counts; `tcp`: it cannot be truncated. The
 * chain grows where the kind is ONWARD. TTLs are cut at max_ttl seconds. */
am_wire_result am_wire_read(const uint8_t *p, size_t n, const am_wire_question *q, bool tcp,
    bool ad, uint32_t max_ttl, am_wire_chain *chain);

/* The id of a packet, for finding the question; n at least 2. */
static inline uint16_t am_wire_id(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

#endif
