/*
 * dns: the door: backends, sessions, and what they count.
 *
 * For: all methods. A session remembers each question of its message, so that
 * asking twice is asking once and the answer never changes meanwhile. Waits:
 * am_dns_wait alone. Memory: a session and its list lie in the message's
 * arena; it holds references to its answers until am_dns_end, and these count
 * in the arena. Callers: a backend any thread, a session one thread at a time.
 */
#include "libauth/dns/dns.h"
#include "libauth/dns/engine.h"
#include "libauth/dns/recorded.h"
#include "libauth/dns/zonefile.h"

#include <stdlib.h>
#include <string.h>

enum {
    CACHE_BYTES = 16 << 20,
    MAX_TTL = 86400,
    WAIT_MS = 20000,
    QUESTIONS = 150,
    TELL_MS = 2000,
};

/* Answers that nobody asked for: for what is not asked. */
enum { NO_MEMORY, NO_NAME, NO_TIME, NO_MORE, OWN };

struct am_dns {
    am_seed seed;
    am_cache *cache;
    am_zone *zone;         /* or: */
    am_recorded *recorded; /* or, over the network: */
    am_flights *flights;
    am_engine *engine;
    atomic_ullong questions, cached, joined, failed;
    am_answer own[OWN];
};

/* Who wants to know as soon as the answer is there. */
typedef struct follower {
    am_dns_fn *fn;
    void *arg;
    struct follower *next;
} follower;

typedef struct question {
    am_answer *answer; /* a reference, or one of the backend's own; NULL: in flight */
    am_flight *flight; /* a reference, while it is in flight */
    am_ear ear;
    follower *followers;
    struct question *next;
    uint64_t hash;
    am_dns_type type;
    bool counted; /* the session waits for it, or has */
    bool failed;  /* it was answered with TEMPFAIL */
    uint8_t n;
    char name[];
} question;

struct am_dns_session {
    am_dns *dns;
    am_arena *arena;
    am_trace *trace;
    int64_t wait_left;       /* milliseconds */
    int64_t wait_kept;       /* of wait_left, for later (am_dns_keep_time) */
    unsigned kept;           /* of waits_left, for later (am_dns_keep) */
    void (*tell)(void *arg); /* NULL: nobody wants to hear that there is a wait */
    void *tell_arg;
    int64_t told;                     /* when it was called last */
    am_turn *turn;                    /* NULL: it takes no turns */
    unsigned waited;                  /* distinct questions */
    unsigned waits_left, starts_left; /* distinct questions; each has its own bound, so
                                         that early asking never changes a verdict */
    bool turned_away;                 /* am_dns_turned_away */
    bool full;                        /* waits_left was asked for when there were none */
    const char *fault;                /* NULL, or why we could not ask */
    unsigned follows_left;
    bool has_bell;
    am_bell bell;   /* for all of the session's questions in flight */
    unsigned heard; /* rings of it, when they were last looked at */
    size_t flying;  /* questions */
    question *first, **end;
};

/* ---- Backends ---- */

static am_dns *new_dns(size_t cache_bytes, am_error *why)
{
    am_dns *d = calloc(1, sizeof *d);
    if (!d) {
        am_error_set(why, "out of memory");
        return NULL;
    }
    am_answer_init(&d->own[NO_MEMORY], AM_DNS_TEMPFAIL, "out of memory");
    d->own[NO_MEMORY].ours = true;
    am_answer_init(&d->own[NO_NAME], AM_DNS_NXDOMAIN, NULL);
    am_answer_init(&d->own[NO_TIME], AM_DNS_TEMPFAIL, "timeout");
    am_answer_init(&d->own[NO_MORE], AM_DNS_TEMPFAIL, "too many look-ups");
    d->cache = am_cache_new(cache_bytes);
    if (d->cache && am_seed_make(&d->seed))
        return d;
    am_error_set(why, d->cache ? "no random octets from the kernel" : "out of memory");
    am_dns_free(d);
    return NULL;
}

am_dns *am_dns_network(const am_dns_options *o, am_error *why)
{
    am_servers servers;
    if (!am_servers_read(o, &servers, why))
        return NULL;
    am_dns *d = new_dns(o->cache_bytes ? o->cache_bytes : CACHE_BYTES, why);
    if (!d)
        return NULL;
    d->flights = am_flights_new(d->cache);
    if (!d->flights)
        am_error_set(why, "out of memory");
    else
        d->engine = am_engine_new(&servers, o->max_ttl ? o->max_ttl : MAX_TTL, why);
    if (d->engine)
        return d;
    am_dns_free(d);
    return NULL;
}

am_dns *am_dns_zonefiles(const char *const *file, size_t n, am_error *why)
{
    am_dns *d = new_dns(CACHE_BYTES, why);
    if (!d)
        return NULL;
    d->zone = am_zone_read(file, n, why);
    if (d->zone)
        return d;
    am_dns_free(d);
    return NULL;
}

am_dns *am_dns_recorded(const am_dns_lookup *list, size_t n, const char *missing, am_error *why)
{
    am_dns *d = new_dns(CACHE_BYTES, why);
    if (!d)
        return NULL;
    d->recorded = am_recorded_new(&d->seed, list, n, missing);
    if (d->recorded)
        return d;
    am_error_set(why, "out of memory");
    am_dns_free(d);
    return NULL;
}

void am_dns_free(am_dns *d)
{
    if (!d)
        return;
    am_engine_free(d->engine);
    am_flights_free(d->flights);
    am_zone_free(d->zone);
    am_recorded_free(d->recorded);
    am_cache_free(d->cache);
    for (size_t i = 0; i < OWN; i++)
        am_answer_clear(&d->own[i]);
    free(d);
}

am_dns_stats am_dns_count(am_dns *d)
{
    am_dns_stats s = {.questions = atomic_load(&d->questions),
        .cached = atomic_load(&d->cached),
        .joined = atomic_load(&d->joined),
        .sent = d->engine ? am_engine_sent(d->engine) : 0,
        .failed = atomic_load(&d->failed)};
    am_cache_count(d->cache, &s.cache_entries, &s.cache_bytes);
    return s;
}

/* ---- Sessions ---- */

am_dns_session *am_dns_begin(
    am_dns *d, am_arena *arena, const am_dns_limits *limits, am_trace *trace)
{
    am_dns_session *s = am_arena_alloc(arena, sizeof *s);
    if (!s)
        return NULL;
    s->dns = d;
    s->arena = arena;
    s->trace = trace;
    s->wait_left = limits && limits->wait_ms ? limits->wait_ms : WAIT_MS;
    s->waits_left = limits && limits->questions ? limits->questions : QUESTIONS;
    s->starts_left = s->follows_left = s->waits_left;
    s->end = &s->first;
    return s;
}

static bool is_own(const am_dns *d, const am_answer *x)
{
    return x >= d->own && x < d->own + OWN;
}

static void leave_flight(am_dns_session *s, question *q)
{
    if (!q->flight)
        return;
    am_flight_unlisten(q->flight, &q->ear);
    am_flight_unref(q->flight);
    q->flight = NULL;
    s->flying--;
}

/* Once a question, whether it is asked again or not. */
static void tally(atomic_ullong *n, const question *q)
{
    if (!q->failed)
        atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static void settle(am_dns_session *s, question *q, am_answer *x)
{
    if (x && !is_own(s->dns, x) && !am_arena_charge(s->arena, x->bytes)) {
        am_answer_unref(x);
        x = NULL;
    }
    q->answer = x ? x : &s->dns->own[NO_MEMORY];
    leave_flight(s, q);
    if (q->answer->pub.status == AM_DNS_TEMPFAIL) {
        tally(&s->dns->failed, q);
        q->failed = true;
    }
}

static void give_back(const am_dns_session *s, question *q)
{
    if (q->answer && !is_own(s->dns, q->answer))
        am_answer_unref(q->answer);
    q->answer = NULL;
}

static void ask_zone(am_dns_session *s, question *q, const am_qkey *k)
{
    am_dns *d = s->dns;
    am_answer *x = am_cache_get(d->cache, k, am_now());
    if (!x) {
        x = am_zone_answer(d->zone, am_str_n(k->name, k->n), k->type);
        if (x)
            am_cache_put(d->cache, k, x, am_now());
    }
    atomic_fetch_add_explicit(&d->cached, 1, memory_order_relaxed);
    settle(s, q, x);
}

/* The question is in flight: the session's bell rings when it lands. */
static void listen_for(am_dns_session *s, question *q)
{
    s->flying++;
    if (!s->has_bell)
        s->has_bell = am_bell_open(&s->bell);
    if (s->has_bell)
        am_flight_listen(q->flight, &q->ear, &s->bell);
    else
        settle(s, q, NULL);
}

static void ask_network(am_dns_session *s, question *q, const am_qkey *k)
{
    am_dns *d = s->dns;
    am_answer *x = NULL;
    switch (am_flights_join(d->flights, k, q->counted, &x, &q->flight)) {
    case AM_JOIN_CACHED:
        tally(&d->cached, q);
        settle(s, q, x);
        return;
    case AM_JOIN_JOINED:
        tally(&d->joined, q);
        listen_for(s, q);
        return;
    case AM_JOIN_FRESH:
        am_engine_ask(d->engine, q->flight);
        listen_for(s, q);
        return;
    case AM_JOIN_FULL:
        settle(s, q, am_answer_ours("too many questions in flight"));
        return;
    case AM_JOIN_NOMEM:
        settle(s, q, NULL);
        return;
    }
}

static question *find(const am_dns_session *s, const am_qkey *k)
{
    question *q = s->first;
    while (q && !(q->hash == k->hash && q->type == k->type &&
                    am_str_eq(am_str_n(q->name, q->n), am_str_n(k->name, k->n))))
        q = q->next;
    return q;
}

/* A question that is new to the session goes out. NULL: out of memory. */
static question *ask(am_dns_session *s, const am_qkey *k, bool counted)
{
    question *q = am_arena_alloc(s->arena, sizeof *q + k->n);
    if (!q)
        return NULL;
    q->hash = k->hash;
    q->type = k->type;
    q->counted = counted;
    q->n = k->n;
    memcpy(q->name, k->name, k->n);
    *s->end = q;
    s->end = &q->next;
    atomic_fetch_add_explicit(&s->dns->questions, 1, memory_order_relaxed);
    if (s->dns->zone)
        ask_zone(s, q, k);
    else if (s->dns->recorded)
        settle(s, q, am_recorded_answer(s->dns->recorded, k));
    else
        ask_network(s, q, k);
    return q;
}

void am_dns_keep(am_dns_session *s, unsigned questions)
{
    unsigned half = s->waits_left / 2;
    s->kept = questions < half ? questions : half;
}

/* What may still be waited now. */
static int64_t spare_time(const am_dns_session *s)
{
    return s->wait_left > s->wait_kept ? s->wait_left - s->wait_kept : 0;
}

int64_t am_dns_keep_time(am_dns_session *s)
{
    int64_t before = s->wait_kept;
    s->wait_kept += spare_time(s) / 2;
    return before;
}

void am_dns_keep_time_end(am_dns_session *s, int64_t before)
{
    s->wait_kept = before;
}

static bool may_start(const am_dns_session *s)
{
    return s->starts_left && !(s->dns->flights && am_flights_crowded(s->dns->flights));
}

/* It failed, and goes out once more when it is waited for. */
static bool is_due_again(const am_dns_session *s, const question *q)
{
    return s->dns->flights && !q->counted && q->answer && q->answer->pub.status == AM_DNS_TEMPFAIL;
}

static question *start(am_dns_session *s, am_str name, am_dns_type type)
{
    am_qkey k;
    if (!am_qkey_make(&s->dns->seed, name, type, &k))
        return NULL;
    question *q = find(s, &k);
    bool late = q ? is_due_again(s, q) : !may_start(s);
    s->turned_away = s->turned_away || late;
    if (q || late)
        return q;
    s->starts_left--;
    return ask(s, &k, false);
}

void am_dns_start(am_dns_session *s, am_str name, am_dns_type type)
{
    start(s, name, type);
}

bool am_dns_turned_away(const am_dns_session *s)
{
    return s->turned_away;
}

static void tell_followers(question *q)
{
    while (q->answer && q->followers) {
        follower *f = q->followers;
        q->followers = f->next;
        f->fn(f->arg, &q->answer->pub);
    }
}

void am_dns_then(am_dns_session *s, am_str name, am_dns_type type, am_dns_fn *fn, void *arg)
{
    question *q = s->follows_left ? start(s, name, type) : NULL;
    if (!q)
        return;
    s->follows_left--;
    if (q->answer) {
        fn(arg, &q->answer->pub);
        return;
    }
    follower *f = am_arena_alloc(s->arena, sizeof *f);
    if (!f)
        return;
    *f = (follower){fn, arg, q->followers};
    q->followers = f;
}

/* All that has landed is settled, and followers ask for more. */
static void collect(am_dns_session *s)
{
    am_answer *x;
    s->heard = atomic_load(&s->bell.rings); /* before the flights: no landing is missed */
    for (question *q = s->first; q && s->flying; q = q->next) {
        if (q->flight && am_flight_landed(q->flight, &x))
            settle(s, q, x);
        tell_followers(q);
    }
}

void am_dns_poll(am_dns_session *s)
{
    if (s->flying && atomic_load(&s->bell.rings) != s->heard)
        collect(s);
}

void am_dns_progress(am_dns_session *s, void (*tell)(void *arg), void *arg)
{
    s->tell = tell;
    s->tell_arg = arg;
    s->told = am_now();
}

void am_dns_turn(am_dns_session *s, am_turn *turn)
{
    s->turn = turn;
}

/* The end of this stretch of a wait that may last until `end`. */
static int64_t stretch(const am_dns_session *s, int64_t end)
{
    return s->tell && s->told + TELL_MS < end ? s->told + TELL_MS : end;
}

static void tell(am_dns_session *s, int64_t now)
{
    if (!s->tell || now < s->told + TELL_MS)
        return;
    s->tell(s->tell_arg);
    s->told = now;
}

static void wait_for(am_dns_session *s, question *q)
{
    int64_t from = am_now(), now = from, until = from + spare_time(s);
    bool more = true;
    am_dns_poll(s);
    am_turn *turn = q->answer ? NULL : s->turn;
    am_turn_end(turn);
    while (!q->answer && more) {
        bool rung = am_bell_wait(&s->bell, s->heard, stretch(s, until));
        collect(s);
        now = am_now();
        tell(s, now);
        more = rung || now < until;
    }
    if (!q->answer)
        settle(s, q, &s->dns->own[NO_TIME]);
    int64_t took = now - from;
    s->wait_left = took < s->wait_left ? s->wait_left - took : 0;
    am_turn_begin(turn);
}

/* Asked early, waited for from now on. A failure that was got early may have passed: asked now, the
 * question may be answered. The cache gives back a failure that is young, so nobody is asked more
 * often than without early asking. */
static void want(am_dns_session *s, question *q, const am_qkey *k)
{
    if (q->flight && am_flight_want(q->flight)) /* it may have landed where there was no room */
        collect(s);
    bool again = is_due_again(s, q);
    q->counted = true;
    if (again) {
        give_back(s, q);
        ask_network(s, q, k);
    }
}

/* The question, waited for from now on. NULL: there are too many of them, or no memory. */
static question *count(am_dns_session *s, question *q, const am_qkey *k)
{
    if (s->waits_left <= s->kept) {
        s->full = true;
        return NULL;
    }
    if (q)
        want(s, q, k);
    else if (!(q = ask(s, k, true)))
        s->fault = "out of memory";
    if (!q)
        return NULL;
    s->waits_left--;
    s->waited++;
    return q;
}

static am_answer *answer_to(am_dns_session *s, am_str name, am_dns_type type)
{
    am_qkey k;
    am_turn_offer(s->turn);
    if (!am_qkey_make(&s->dns->seed, name, type, &k))
        return &s->dns->own[NO_NAME];
    am_dns_poll(s);
    question *q = find(s, &k);
    if (!q || !q->counted)
        q = count(s, q, &k);
    if (!q)
        return &s->dns->own[s->waits_left <= s->kept ? NO_MORE : NO_MEMORY];
    if (!q->answer)
        wait_for(s, q);
    if (q->answer->ours)
        s->fault = q->answer->pub.reason;
    return q->answer;
}

const am_dns_answer *am_dns_wait(
    am_dns_session *s, const char *step, const char *rfc, am_str name, am_dns_type type)
{
    am_answer *x = answer_to(s, name, type);
    if (s->trace)
        am_trace_note(s->trace, step, rfc, am_dns_question_text(s->arena, name, type),
            am_dns_answer_text(s->arena, &x->pub, type));
    return &x->pub;
}

const am_dns_answer *am_dns_peek(am_dns_session *s, am_str name, am_dns_type type)
{
    am_qkey k;
    if (!am_qkey_make(&s->dns->seed, name, type, &k))
        return &s->dns->own[NO_NAME].pub;
    am_dns_poll(s);
    question *q = find(s, &k);
    return q && q->answer ? &q->answer->pub : NULL;
}

const am_dns_lookup *am_dns_lookups(const am_dns_session *s, size_t *n, bool *full)
{
    size_t waited = 0;
    for (const question *q = s->first; q; q = q->next)
        waited += q->counted && q->answer;
    am_dns_lookup *list = am_arena_array(s->arena, waited + 1, sizeof *list);
    *n = 0;
    *full = s->full;
    for (const question *q = s->first; q && list; q = q->next)
        if (q->counted && q->answer)
            list[(*n)++] = (am_dns_lookup){am_str_n(q->name, q->n), q->type, &q->answer->pub};
    return list;
}

unsigned am_dns_waited(const am_dns_session *s)
{
    return s->waited;
}

const char *am_dns_fault(const am_dns_session *s)
{
    return s->fault;
}

void am_dns_end(am_dns_session *s)
{
    if (!s)
        return;
    for (question *q = s->first; q; q = q->next) {
        leave_flight(s, q);
        give_back(s, q);
    }
    if (s->has_bell)
        am_bell_close(&s->bell);
    s->has_bell = false;
    s->first = NULL;
    s->end = &s->first;
}
