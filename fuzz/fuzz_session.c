/*
 * fuzz_session: the callbacks of a milter in any order.
 *
 * Holds: no order of them breaks a session; an accepted message has our field, and no forged one
 * stays; a message that is refused has a reply. Input: lines, each a callback: the first octet says
 * which (C connect, H HELO, M MAIL, L field, N end of header, B body, E end of message, A abort, T
 * terms); z adds a row to the zone, o options of the configuration.
 */
#include "fuzz/fuzz.h"
#include "fuzz/fakedns.h"
#include "milter/session.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 8, FIELDS = 100 };

typedef struct mta {
    am_session *session;
    am_conf *conf;
    am_options options;
    fake_zone *zone;
    am_arena *arena;
    am_header results; /* the Authentication-Results fields that were sent */
    bool mail, eoh;
} mta;

static const char *text_of(am_arena *a, am_str s)
{
    return am_arena_copy(a, s.p, strnlen(s.n ? s.p : "", s.n));
}

static void connect_from(mta *m, am_str text)
{
    am_ip ip;
    struct sockaddr_storage sa = {.ss_family = AF_UNIX};
    if (am_ip_parse(text, &ip) && ip.family == 4) {
        sa.ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *)(void *)&sa)->sin_addr, ip.octet, 4);
    } else if (ip.family == 6) {
        sa.ss_family = AF_INET6;
        memcpy(&((struct sockaddr_in6 *)(void *)&sa)->sin6_addr, ip.octet, 16);
    }
    m->mail = false; /* a new connection: what was sent before is over */
    am_session_client(m->session, text.n ? (const struct sockaddr *)(const void *)&sa : NULL);
}

/* "ARGUMENT ARGUMENT...|login|mechanism|TLS version" */
static void mail_from(mta *m, am_str text)
{
    char *argument[ARGUMENTS + 1] = {NULL};
    am_mail mail = {.argument = argument};
    am_str words = fuzz_part(&text, AM_STR("|"));
    size_t n = 0;
    do {
        argument[n++] = (char *)(uintptr_t)text_of(m->arena, fuzz_word(&words));
    } while (words.n && n < ARGUMENTS);
    mail.login.user = fuzz_part(&text, AM_STR("|"));
    mail.login.mechanism = fuzz_part(&text, AM_STR("|"));
    mail.tls.version = text;
    am_decision refusal;
    am_session_sender(m->session, &mail, &refusal);
    m->results = (am_header){.arena = m->arena};
    m->mail = true;
    m->eoh = false;
}

static void field(mta *m, am_str text)
{
    am_str name = fuzz_part(&text, AM_STR(":"));
    const char *n = text_of(m->arena, name), *v = text_of(m->arena, text);
    am_session_field(m->session, n, v);
    if (am_strip_is_results(am_str_of(n)) && m->results.n < FIELDS)
        am_header_add(&m->results, am_str_of(n), am_str_of(v));
}

/* smfi_chgheader: a field that is deleted shifts those below it. */
static void look_at_deletion(mta *m, am_outcome *o)
{
    bool gone[FIELDS] = {false};
    while (am_strip_next(&o->strip[0])) {
        size_t i = o->strip[0].number - 1;
        FUZZ_NEED(o->strip[0].number >= 1);
        if (i < FIELDS)
            gone[i] = true;
    }
    for (size_t i = 0; i < m->results.n; i++)
        FUZZ_NEED(gone[i] || am_authres_claim(m->arena, m->results.field[i].value,
                                 am_str_of(m->conf->authserv_id)) == AM_CLAIM_OTHER);
}

static void end_of_message(mta *m)
{
    am_outcome o = am_session_finish(m->session, "id");
    const am_decision *d = &o.decision;
    bool accepted = d->action == AM_ACTION_ACCEPT || d->action == AM_ACTION_QUARANTINE;
    FUZZ_NEED(accepted == (d->code == NULL));
    for (const char *p = d->text; *p; p++)
        FUZZ_NEED(*p >= ' ' && *p < 0x7f);
    if (accepted && m->mail && m->results.n < FIELDS)
        look_at_deletion(m, &o);
    if (o.field)
        FUZZ_NEED(am_authres_claim(m->arena, am_str_of(o.field), am_str_of(m->conf->authserv_id)) ==
                  AM_CLAIM_OURS);
    am_session_reset(m->session);
    m->mail = false;
}

static void terms(mta *m, am_str text)
{
    unsigned bits = fuzz_octet(&text);
    am_terms t = {.leading_space = bits & 1, .quarantine = bits & 2};
    am_session_agree(m->session, &t);
}

static void option(mta *m, am_str text)
{
    while (text.n)
        switch (fuzz_octet(&text)) {
        case 'e':
            m->conf->dmarc.enforce = true;
            break;
        case 'f':
            m->options.max_fields = 3;
            break;
        case 'm':
            m->options.max_memory = 30000;
            break;
        case 'd':
            fake_zone_late(m->zone);
            break;
        default:
            break;
        }
}

static void abort_message(mta *m)
{
    am_session_reset(m->session);
    m->mail = false;
}

/* libmilter calls abort before a HELO that comes within a message. */
static void helo(mta *m, am_str text)
{
    if (m->mail)
        abort_message(m);
    am_session_helo(m->session, text_of(m->arena, text));
}

static void callback(mta *m, unsigned what, am_str text)
{
    if (what == 'C')
        connect_from(m, text);
    else if (what == 'H')
        helo(m, text);
    else if (what == 'M')
        mail_from(m, text);
    else if (what == 'L' && m->mail && !m->eoh) /* libmilter lets none through before MAIL */
        field(m, text);
    else if (what == 'N' && !m->eoh) /* libmilter calls it once */
        m->eoh = true, am_session_eoh(m->session);
    else if (what == 'B' && m->eoh)
        am_session_body(m->session, text.p, text.n);
    else if (what == 'E')
        end_of_message(m);
    else if (what == 'A')
        abort_message(m);
    else if (what == 'T')
        terms(m, text);
    else if (what == 'o')
        option(m, text);
    else if (what == 'z')
        fake_zone_row(m->zone, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_error why;
    mta m = {.conf = am_conf_defaults(&why), .zone = fake_zone_new(), .arena = am_arena_new(0)};
    if (!m.conf)
        abort();
    am_conf_options(m.conf, &m.options);
    m.options.now = 1700000000;
    m.results.arena = m.arena;
    m.session = am_session_new(m.conf, &m.options, fake_zone_dns(m.zone), NULL);
    while (in.n && m.session) {
        am_str line = fuzz_line(&in);
        unsigned what = fuzz_octet(&line);
        callback(&m, what, line);
    }
    am_session_free(m.session);
    am_conf_free(m.conf);
    fake_zone_free(m.zone);
    am_arena_free(m.arena);
    return 0;
}
