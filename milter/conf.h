/* The daemon's configuration as plain data: read once, never changed, freed as one. */
#ifndef AM_MILTER_CONF_H
#define AM_MILTER_CONF_H

#include "libauth/message.h"
#include "milter/rule.h"
#include "milter/socket.h"

enum { AM_CONF_LIST_MAX = 256 };        /* entries of one list */
enum { AM_CONF_SESSIONS_MAX = 100000 }; /* of limits.sessions */

typedef struct am_conf_list {
    unsigned n;
    const char *item[AM_CONF_LIST_MAX];
} am_conf_list;

typedef struct am_conf_nets {
    unsigned n;
    am_net item[AM_CONF_LIST_MAX];
} am_conf_nets;

/* Kinds of clients that are ours. */
typedef enum am_class {
    AM_CLASS_NONE,
    AM_CLASS_AUTHENTICATED, /* logged in */
    AM_CLASS_LOCAL,         /* in local-networks */
    AM_CLASS_SUBMISSION,    /* submitted on this host, without an address */
} am_class;

typedef struct am_conf_classes {
    unsigned n;
    am_class item[AM_CONF_LIST_MAX];
} am_conf_classes;

/* What to do where we cannot judge. */
typedef enum am_conf_action { AM_CONF_ACCEPT, AM_CONF_TEMPFAIL } am_conf_action;

typedef enum am_conf_malformed {
    AM_MALFORMED_DEFAULT, /* permerror; reject where dmarc.enforce */
    AM_MALFORMED_PERMERROR,
    AM_MALFORMED_REJECT,
    AM_MALFORMED_QUARANTINE
} am_conf_malformed;

typedef enum am_log_to { AM_LOG_SYSLOG, AM_LOG_STDERR } am_log_to;

/* Every string ends in NUL and is never NULL; "" stands for "not set". */
typedef struct am_conf {
    am_arena *arena;
    const char *file; /* "" for the built-in defaults */
    am_socket socket;
    unsigned socket_mode;
    const char *socket_group, *user, *pid_file;
    const char *authserv_id, *receiver; /* the host's name where not set */
    am_conf_nets local_networks, trusted_relays;
    am_conf_classes skip, exempt; /* not judged at all; judged and never enforced upon */
    am_conf_action on_fault, on_dns_failure;
    unsigned drain_ms;
    bool sandbox; /* milter/sandbox.h */
    struct {
        am_log_to to;
        unsigned facility, level; /* syslog's numbers */
    } log;
    struct {
        am_conf_list nameservers, zones;
        const char *resolv_conf;
        unsigned timeout_ms, try_ms, max_ttl;
        size_t cache;
        bool trust_ad, prefetch;
    } dns;
    struct {
        unsigned max_terms, max_void, max_names, max_questions;
        am_stage reject_at; /* from when on rules may refuse */
    } spf;
    struct {
        am_dkim_engine engine;
        unsigned max_signatures, min_rsa_bits, max_rsa_bits, clock_drift;
        bool body_length_policy;
    } dkim;
    struct {
        am_conf_list trusted_sealers; /* normalised; a "." in front: and all below; file:/PATH */
        am_trust_list sealers;        /* the same, files read, as libauth wants it */
        unsigned max_sets;
    } arc;
    struct {
        bool enforce, use_psl;
        const char *psl_file;
        am_psl *psl; /* loaded where use_psl; the configuration's own */
        unsigned max_walks;
        am_conf_malformed malformed_from;
        am_template text; /* of a refusal */
    } dmarc;
    struct {
        bool monitor;            /* nothing is done; the log says what would have been */
        bool by_field;           /* DMARC's quarantine: marked by a field, not held */
        const char *shadow_file; /* "": none */
        const char *quarantine_field, *note_field;
        am_template url;
    } policy;
    struct {
        size_t header_octets, memory, memory_total;
        unsigned fields, dns_questions, sessions, silence; /* silence: seconds */
        unsigned client_sessions, recipients;              /* client_sessions 0: no bound */
    } limits;
    struct {
        bool full_sender, dnssec, keep_relayed;
    } authres;
    struct {
        const char *path;
        bool journal;
    } decision_log;
    struct {
        bool helo, tls, trail, sender_id, trust_auth_parameter;
        const char *login_map_file;
        am_loginmap *login_map; /* loaded where there is a file; the configuration's own */
    } methods;
    const char *own[2];  /* names of ours: authserv-id, receiver */
    const am_rule *rule; /* in the order of the file */
    size_t rules;
    struct {
        bool rcpt, octets, header, listener, client;
    } asks; /* some rule asks for recipients, size, List-Id, the listener, iprev or HELO's SPF */
    struct am_conf *shadow;   /* the second policy; NULL: none */
    const char *const *value; /* what each row of am_option_table was given, as text */
    const unsigned *line;     /* where it stands in the file; 0: it does not */
} am_conf;

/* Reads a file. NULL: `why` says "file:line: what, and what would be right". One thread at a time:
 * libconfuse's scanner is one a process. */
am_conf *am_conf_load(const char *file, am_error *why);

am_conf *am_conf_defaults(am_error *why); /* what an empty file gives */
void am_conf_free(am_conf *c);            /* NULL is fine */

/* What is not the same in two configurations: calls `say` once an option ("dmarc.enforce") or rule
 * ("rule \"TITLE\""), with what it was and is (for rules "", "new", "gone", "changed", "moved"). */
typedef void am_conf_say(void *to, const char *name, const char *was, const char *is);
void am_conf_compare(const am_conf *was, const am_conf *is, am_conf_say *say, void *to);

/* Where an option stands in its file; 0: it does not. */
unsigned am_conf_line(const am_conf *c, const char *section, const char *name);

/* `why` becomes "FILE:LINE: SECTION.NAME: ...". Always false. */
bool am_conf_wrong(const am_conf *c, const char *section, const char *name, am_error *why,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Are the files there that the configuration names (zone files)? False: `why`. Starts no thread. */
bool am_conf_check(const am_conf *c, am_error *why);

/* Where the journal listens, where decision-log.journal asks for it; else "". */
const char *am_conf_journal(const am_conf *c);

/* For libauth; what it points to lives as long as `c`. */
void am_conf_options(const am_conf *c, am_options *out);

/* The DNS backend that the configuration asks for. NULL: `why`. */
am_dns *am_conf_dns(const am_conf *c, am_error *why);

/* The first class of `list` that the client is of, or NONE. `ip` family 0: no address. */
am_class am_conf_class(
    const am_conf *c, const am_conf_classes *list, const am_ip *ip, bool authenticated);

/* Is mail of this client not judged at all (`skip`)? Behind a trusted relay there are strangers,
 * whatever class it is of itself. */
bool am_conf_skips(const am_conf *c, const am_ip *ip, bool authenticated);

#endif
