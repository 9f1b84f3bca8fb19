/* The inside of the engine: what engine.c, udp.c and tcp.c share. One thread. */
#ifndef AM_DNS_ENGINE_IN_H
#define AM_DNS_ENGINE_IN_H

#include "libauth/dns/engine.h"
#include "libauth/dns/wire.h"

enum {
    AM_POOL = 8,           /* sockets of one server that take new questions */
    AM_TCP_MAX = 256,      /* connections at one time */
    AM_PACKET_MAX = 65535, /* octets */
};

/* Something that epoll watches. Once closed (fd -1) it is freed after the batch. */
typedef struct am_watch {
    void (*ready)(am_engine *e, struct am_watch *w, uint32_t events);
    int fd;
    struct am_watch *next_grave;
} am_watch;

typedef struct am_question am_question;

/* One UDP packet sent. It stays with its socket until the question is done:
 * a late answer is an answer. */
typedef struct am_try {
    am_wire_question sent;
    am_question *question;
    unsigned server;
    struct am_socket *socket;
    struct am_try *next, **at; /* in the socket's list */
    struct am_try *older;      /* of the same question */
} am_try;

typedef struct am_socket {
    am_watch watch; /* first */
    unsigned server;
    unsigned uses;
    bool retired; /* takes no new question; closed with its last try */
    am_try *tries;
    struct am_socket *next_retired, *prev_retired;
} am_socket;

typedef struct am_tcp {
    am_watch watch; /* first */
    am_question *question;
    unsigned server;
    am_wire_question sent;
    uint8_t out[2 + AM_WIRE_QUERY];
    size_t out_n, out_done;
    uint8_t length[2];
    uint8_t *in; /* once the length is known */
    size_t want, got;
    struct am_tcp *next, **at; /* in the engine's list */
} am_tcp;

struct am_question {
    am_flight *flight;
    am_wire_name name; /* asked for now: the flight's, or where a CNAME leads */
    am_dns_type type;
    am_wire_chain chain;
    int64_t give_up;  /* the whole question's end */
    int64_t deadline; /* the present try's */
    int64_t sent;     /* when its packet left */
    size_t heap_at;
    unsigned round, server;
    unsigned tried;  /* servers of this round, a bit each */
    unsigned failed; /* servers that cannot answer it */
    bool pending;    /* a try is under way */
    bool plain, no_edns;
    unsigned old;       /* servers that may not know EDNS, a bit each */
    bool crowded;       /* the last try had no connection, or lost it to another question */
    const char *reason; /* of the last failure */
    am_try *tries;      /* the latest first */
    am_tcp *tcp;        /* the present try, where it goes over TCP */
};

struct am_engine {
    am_servers servers;
    uint32_t max_ttl;
    int epoll;
    am_watch wake;
    pthread_t thread;
    atomic_ullong sent;

    pthread_mutex_t lock; /* of these */
    am_flight *inbox, **inbox_end;
    bool stop;

    am_watch *graves;
    am_question **heap; /* the earliest deadline first */
    size_t questions, heap_room;
    am_socket *pool[AM_SERVERS_MAX][AM_POOL];
    am_socket *retired;
    size_t retirees;
    size_t tcps;
    am_tcp *tcp, **tcp_end; /* the oldest first */
    uint8_t random[1024];   /* the last random_left octets are fresh */
    size_t random_left;
    uint8_t packet[AM_PACKET_MAX];
};

/* engine.c */
bool am_engine_random(am_engine *e, void *p, size_t n);
bool am_engine_watch(am_engine *e, am_watch *w, uint32_t events);
void am_engine_bury(am_engine *e, am_watch *w); /* closes; frees it after the batch */
/* What is to be sent to that server now: its id, case and EDNS chosen. */
bool am_question_compose(
    am_engine *e, const am_question *q, unsigned server, am_wire_question *out);
/* A packet for the try `t`, or over TCP (NULL). False: it is no answer to it. */
bool am_question_heard(am_engine *e, am_question *q, const am_try *t, const uint8_t *p, size_t n);
/* The present try came to nothing, and no waiting helps. */
void am_question_failed(am_engine *e, am_question *q, const char *reason);

/* udp.c */
bool am_udp_send(am_engine *e, am_question *q, unsigned server);
void am_udp_forget(am_engine *e, am_question *q); /* its tries */
void am_udp_free(am_engine *e);

/* tcp.c */
bool am_tcp_start(am_engine *e, am_question *q, unsigned server);
void am_tcp_stop(am_engine *e, am_question *q); /* NULL connection is fine */

#endif
