/* hop: chains behind trusted relays, and those in which nothing is believed. */
#include "t/unit/unit.h"

#include "libauth/ident/hop.h"

#define DATE "Mon, 01 Jan 2024 10:00:00 +0000"
#define POSTFIX(helo, name, ip, by)                                                                \
    "from " helo " (" name " [" ip "])\r\n\tby " by                                                \
    " (Postfix) with ESMTP id 4F3B81C0123;\r\n\t" DATE
#define QMAIL(helo, ip, by)                                                                        \
    "from unknown (HELO " helo ")\r\n (" ip ")\r\n  by " by " with SMTP; 1 Jan 2024 10:00:00 "     \
    "-0000"

enum { MAX_FIELDS = 8 };

static const char *const relay_texts[] = {"192.0.2.0/28", "2001:db8:1::/48", "127.0.0.1"};

typedef struct chain {
    const char *what, *client;
    const char *field[MAX_FIELDS]; /* Received, top down; "Name: value" for another field */
    const char *ip, *helo, *name;  /* ip NULL: not found */
    size_t field_at, passed;
    const char *reason; /* NULL: found, or the client is no relay */
} chain;

static const chain chains[] = {
    {.what = "the client is no relay",
        .client = "192.0.2.16",
        .field = {POSTFIX("a.example", "a.example", "192.0.2.1", "b.example")}},
    {.what = "one relay",
        .client = "192.0.2.1",
        .field = {POSTFIX(
                      "mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net"),
            POSTFIX("x", "unknown", "203.0.113.1", "mail.example.org")},
        .ip = "198.51.100.7",
        .helo = "mail.example.org",
        .name = "mail.example.org"},
    {.what = "one relay, no reverse name, HELO is a relay's address",
        .client = "192.0.2.1",
        .field = {POSTFIX("[192.0.2.2]", "unknown", "198.51.100.7", "mx2.example.net")},
        .ip = "198.51.100.7",
        .helo = "[192.0.2.2]"},
    {.what = "other fields between",
        .client = "192.0.2.1",
        .field = {"X-Spam: no",
            POSTFIX("mx3.example.net", "mx3.example.net", "192.0.2.3", "mx2.example.net"),
            "From: Received: from x", "received: from m (m [198.51.100.8]) by mx3; " DATE},
        .ip = "198.51.100.8",
        .helo = "m",
        .name = "m",
        .field_at = 3,
        .passed = 1},
    {.what = "two relays, IPv6 between",
        .client = "2001:db8:1::25",
        .field = {POSTFIX("mx3.example.net", "mx3.example.net", "IPv6:2001:db8:1::26",
                      "mx2.example.net"),
            POSTFIX("mail.example.org", "unknown", "IPv6:2001:db8:2::1", "mx3.example.net"),
            POSTFIX("y", "unknown", "203.0.113.1", "mail.example.org")},
        .ip = "2001:db8:2::1",
        .helo = "mail.example.org",
        .field_at = 1,
        .passed = 1},
    {.what = "a filter on the relay: loopback is trusted here",
        .client = "192.0.2.1",
        .field = {POSTFIX("localhost", "localhost", "127.0.0.1", "mx2.example.net"),
            "from mx2.example.net ([127.0.0.1]) by localhost (mx2.example.net [127.0.0.1]) "
            "(amavisd-new, port 10024) with ESMTP id 1; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .ip = "198.51.100.7",
        .helo = "mail.example.org",
        .name = "mail.example.org",
        .field_at = 2,
        .passed = 2},
    {.what = "a filter on the relay: ::1 is not trusted here, so it is the client",
        .client = "192.0.2.1",
        .field = {POSTFIX("localhost", "localhost", "IPv6:::1", "mx2.example.net"),
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .ip = "::1",
        .helo = "localhost",
        .name = "localhost"},
    {.what = "mapped addresses are IPv4",
        .client = "::ffff:192.0.2.1",
        .field = {"from a (a [::ffff:192.0.2.2]) by b with esmtp id 1; " DATE,
            "from m (m [::ffff:198.51.100.7]) by a with esmtp id 1; " DATE},
        .ip = "198.51.100.7",
        .helo = "m",
        .name = "m",
        .field_at = 1,
        .passed = 1},
    {.what = "qmail as a relay",
        .client = "192.0.2.1",
        .field = {"(qmail 12 invoked from network); 1 Jan 2024 10:00:00 -0000",
            QMAIL("mail.example.org", "198.51.100.7", "mx2.example.net")},
        .ip = "198.51.100.7",
        .helo = "mail.example.org",
        .field_at = 1,
        .passed = 1},
    {.what = "two relays with qmail",
        .client = "192.0.2.1",
        .field = {"(qmail 12 invoked from network); 1 Jan 2024 10:00:00 -0000",
            QMAIL("mx3.example.net", "192.0.2.2", "mx2.example.net"),
            "(qmail 13 invoked from network); 1 Jan 2024 10:00:00 -0000",
            QMAIL("mail.example.org", "198.51.100.7", "mx3.example.net")},
        .ip = "198.51.100.7",
        .helo = "mail.example.org",
        .field_at = 3,
        .passed = 3},
    {.what = "fetchmail from a trusted mailbox server",
        .client = "127.0.0.1",
        .field =
            {"from pop.example.net [192.0.2.5] by desk with POP3 (fetchmail-6.4.37) for <b@desk> "
             "(single-drop); " DATE,
                POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "pop.example.net")},
        .ip = "198.51.100.7",
        .helo = "mail.example.org",
        .name = "mail.example.org",
        .field_at = 1,
        .passed = 1},
    {.what = "Exim",
        .client = "192.0.2.1",
        .field = {"from [198.51.100.7] (port=4 helo=[192.0.2.2]) by mx2 with esmtp (Exim 4.96) id "
                  "1; " DATE},
        .ip = "198.51.100.7",
        .helo = "[192.0.2.2]"},
    {.what = "no with clause",
        .client = "192.0.2.1",
        .field = {"FROM m (m [198.51.100.7]) BY mx2 ID 4; " DATE},
        .ip = "198.51.100.7",
        .helo = "m",
        .name = "m"},
    /* from here on nothing is believed */
    {.what = "no Received field",
        .client = "192.0.2.1",
        .field = {"From: x"},
        .reason = "no Received field"},
    {.what = "the chain ends within the trusted",
        .client = "192.0.2.1",
        .field = {POSTFIX("a", "a", "192.0.2.2", "b"), POSTFIX("a", "a", "192.0.2.3", "b")},
        .passed = 2,
        .reason = "no Received field of an untrusted host"},
    {.what = "a local program on the relay",
        .client = "192.0.2.1",
        .field = {"by mx2.example.net (Postfix, from userid 33) id 7D3; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "a Received field without the client's address"},
    {.what = "a local program on a qmail relay",
        .client = "192.0.2.1",
        .field = {"(qmail 12 invoked by uid 33); 1 Jan 2024 10:00:00 -0000",
            QMAIL("mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "a Received field without the client's address"},
    {.what = "qmail-queue twice",
        .client = "192.0.2.1",
        .field = {"(qmail 12 invoked from network); 1 Jan 2024 10:00:00 -0000",
            "(qmail 12 invoked from network); 1 Jan 2024 10:00:00 -0000",
            QMAIL("mail.example.org", "198.51.100.7", "mx2.example.net")},
        .passed = 1,
        .reason = "a Received field without the client's address"},
    {.what = "a qmail that wrote no field of its own",
        .client = "192.0.2.1",
        .field = {"(qmail 12 invoked from network); 1 Jan 2024 10:00:00 -0000",
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .passed = 1,
        .reason = "a Received field that qmail did not write"},
    {.what = "webmail on the relay",
        .client = "192.0.2.1",
        .field = {"from 203.0.113.2 ([203.0.113.2]) by mx2 (IMP) with HTTP; " DATE},
        .reason = "not received by SMTP"},
    {.what = "webmail on the relay, from a trusted address: what is below is made up",
        .client = "192.0.2.1",
        .field = {"from localhost ([127.0.0.1]) by mx2 with HTTP; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "not received by SMTP"},
    {.what = "fetchmail from a foreign mailbox server",
        .client = "127.0.0.1",
        .field = {"from pop.example.org [198.51.100.5] by desk with IMAP (fetchmail-6.4.37); " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "pop.example.org")},
        .reason = "fetched from a host that is not a trusted relay"},
    {.what = "an unknown protocol",
        .client = "192.0.2.1",
        .field = {"from m (m [198.51.100.7]) by mx2 with NNFMP; " DATE},
        .reason = "a Received field with an unknown protocol"},
    {.what = "garbage on top",
        .client = "192.0.2.1",
        .field = {"from m (m [198.51.100.7] by mx2; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "a Received field that cannot be read"},
    {.what = "two addresses",
        .client = "192.0.2.1",
        .field = {"from m (m [192.0.2.2]) (m [198.51.100.7]) by mx2; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "a Received field that can be read in two ways"},
    {.what = "a trusted address in HELO alone",
        .client = "192.0.2.1",
        .field = {"from [192.0.2.2] by mx2 with LMTP id 1; " DATE,
            POSTFIX("mail.example.org", "mail.example.org", "198.51.100.7", "mx2.example.net")},
        .reason = "a Received field without the client's address"},
    {.what = "garbage behind a trusted one",
        .client = "192.0.2.1",
        .field = {POSTFIX("a", "a", "192.0.2.2", "b"), "garbage"},
        .passed = 1,
        .reason = "a Received field that cannot be read"},
};

static void add(am_header *h, const char *field)
{
    const char *colon = strstr(field, ": ");
    bool named = colon && colon - field < 9; /* "Name: value" */
    if (named)
        am_header_add_raw(h, am_str_of(field));
    else
        am_header_add(h, AM_STR("Received"), am_str_of(field));
}

static size_t relays(am_net net[static 3])
{
    for (size_t i = 0; i < 3; i++)
        assert_true(am_net_parse(am_str_of(relay_texts[i]), &net[i]));
    return 3;
}

static void chain_table(void **state)
{
    (void)state;
    am_net net[3];
    size_t n = relays(net);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        const chain *c = &chains[i];
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_trace trace = {.arena = a};
        am_ip client;
        char text[AM_IP_TEXT];
        for (size_t k = 0; k < MAX_FIELDS && c->field[k]; k++)
            add(&h, c->field[k]);
        assert_true(am_ip_parse(am_str_of(c->client), &client));
        am_hop hop = am_hop_find(&client, &h, net, n, &trace);
        want_int(c->what, hop.found, c->ip != NULL);
        want_int(c->what, hop.relayed, c->ip || c->reason);
        want_str(c->what, am_str_of(hop.reason), c->reason ? c->reason : "");
        want_str(c->what, am_str_of(am_ip_text(&hop.ip, text)), c->ip ? c->ip : "");
        want_str(c->what, hop.helo, c->helo ? c->helo : "");
        want_str(c->what, hop.name, c->name ? c->name : "");
        want_int(c->what, hop.field, c->field_at);
        want_int(c->what, hop.passed, c->passed);
        want_int(c->what, trace.n, hop.relayed);
        am_arena_free(a);
    }
}

/* What the client puts below the first untrusted field changes nothing. */
static void nothing_below(void **state)
{
    (void)state;
    am_net net[3];
    size_t n = relays(net);
    am_ip client;
    am_ip_parse(AM_STR("192.0.2.1"), &client);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        char text[AM_IP_TEXT];
        add(&h, POSTFIX("a", "a", "192.0.2.3", "b"));
        add(&h, POSTFIX("m", "m", "198.51.100.7", "a"));
        for (size_t k = 0; k < MAX_FIELDS && chains[i].field[k]; k++)
            add(&h, chains[i].field[k]);
        am_hop hop = am_hop_find(&client, &h, net, n, NULL);
        want_int(chains[i].what, hop.found, true);
        want_str(chains[i].what, am_str_of(am_ip_text(&hop.ip, text)), "198.51.100.7");
        want_int(chains[i].what, hop.field, 1);
        am_arena_free(a);
    }
}

static void no_relays(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    am_ip client, none = {0};
    am_net net[3];
    size_t n = relays(net);
    am_ip_parse(AM_STR("192.0.2.1"), &client);
    assert_false(am_hop_find(&client, &h, NULL, 0, NULL).relayed);
    assert_false(am_hop_find(&none, &h, net, n, NULL).relayed);
    am_arena_free(a);
}

/* 100 fields are looked at, and none beyond. */
static void bounded(void **state)
{
    (void)state;
    am_net net[3];
    size_t n = relays(net);
    am_ip client;
    am_ip_parse(AM_STR("192.0.2.1"), &client);
    for (size_t trusted = 98; trusted <= 101; trusted++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        for (size_t i = 0; i < trusted; i++)
            add(&h, POSTFIX("a", "a", "192.0.2.3", "b"));
        add(&h, POSTFIX("m", "m", "198.51.100.7", "a"));
        am_hop hop = am_hop_find(&client, &h, net, n, NULL);
        want_int("found", hop.found, trusted < 100);
        want_int("passed", hop.passed, trusted < 100 ? trusted : 100);
        want_str(
            "reason", am_str_of(hop.reason), trusted < 100 ? "" : "more than 100 Received fields");
        am_arena_free(a);
    }
}

/* The field of the hop tells of a log-in at the relay. */
static void login_at_the_relay(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    am_net net[3];
    size_t n = relays(net);
    am_ip client;
    am_ip_parse(AM_STR("192.0.2.1"), &client);
    add(&h, "from [10.0.0.2] (dsl.example.com [198.51.100.7]) (Authenticated sender: alice) "
            "by mx2.example.net (Postfix) with ESMTPSA id 1; " DATE);
    am_hop hop = am_hop_find(&client, &h, net, n, NULL);
    assert_true(hop.found);
    assert_true(hop.received.auth);
    want_str("user", hop.received.user, "alice");
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_table),
        cmocka_unit_test(nothing_below),
        cmocka_unit_test(no_relays),
        cmocka_unit_test(bounded),
        cmocka_unit_test(login_at_the_relay),
    };
    return cmocka_run_group_tests_name("hop", tests, NULL, NULL);
}
