/* message: the whole pipeline, over a zone file: what the envelope tells, relays, logins, limits.
 */
#include "t/unit/unit.h"

#include "libauth/message.h"

#include <stdlib.h>
#include <unistd.h>

static const char zone[] = "$ORIGIN .\n"
                           "$TTL 60\n"
                           "sender.example IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
                           "mail.sender.example IN TXT \"v=spf1 a -all\"\n"
                           "mail.sender.example IN A 192.0.2.1\n"
                           "1.2.0.192.in-addr.arpa IN PTR mail.sender.example.\n"
                           "_dmarc.sender.example IN TXT \"v=DMARC1; p=reject\"\n"
                           "local.example IN TXT \"v=spf1 exists:%{l}.ok.example -all\"\n"
                           "joe.ok.example IN A 127.0.0.2\n"
                           "other.example IN TXT \"v=spf1 -all\"\n";

#define RECEIVED                                                                                   \
    "Received: from mail.sender.example (mail.sender.example [192.0.2.1])\r\n"                     \
    " by gw.here.example (Postfix) with ESMTP id 1A;\r\n Sat, 21 Nov 2026 10:00:00 +0000"
#define FROM "From: joe@sender.example"
#define GATEWAY "203.0.113.250"

typedef struct letter {
    const char *name, *ip, *helo, *sender;
    const char *parameter[2]; /* of MAIL FROM */
    const char *user, *mechanism, *author;
    const char *tls, *cipher, *bits;
    const char *header[4];
    bool map, trusted, sender_id, check_tls, check_helo, full_sender;
    size_t max_fields;
    const char *want; /* the field's value, white space folded to one space */
} letter;

static const letter letters[] = {
    {.name = "a client of the domain's",
        .ip = "192.0.2.1",
        .helo = "mail.sender.example",
        .sender = "<joe@sender.example>",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "spf=pass smtp.helo=mail.sender.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "a HELO name in U-labels, an ASCII message (RFC 8601 1.5.2)",
        .ip = "192.0.2.1",
        .helo = "b\xc3\xbc"
                "cher.example",
        .sender = "<joe@sender.example>",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "spf=none reason=\"xn--bcher-kva.example: no such domain\" "
                "smtp.helo=xn--bcher-kva.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "a HELO name in U-labels, UTF-8 in the header (RFC 8601 1.5.2)",
        .ip = "192.0.2.1",
        .helo = "b\xc3\xbc"
                "cher.example",
        .sender = "<joe@sender.example>",
        .header = {FROM, "Subject: B\xc3\xbc"
                         "cher"},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "spf=none reason=\"xn--bcher-kva.example: no such domain\" "
                "smtp.helo=b\xc3\xbc"
                "cher.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "null sender: postmaster at the HELO name (RFC 7208 2.4)",
        .ip = "192.0.2.1",
        .helo = "mail.sender.example",
        .sender = "<>",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.helo=mail.sender.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "no envelope but an address",
        .ip = "192.0.2.1",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=none reason=\"not a domain name of several labels\"; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "full sender",
        .ip = "192.0.2.1",
        .sender = "joe@sender.example",
        .full_sender = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=joe@sender.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "the record uses the local-part (RFC 8601 2.7.2)",
        .ip = "192.0.2.1",
        .sender = "joe@local.example",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=joe@local.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "a relay of ours names the client",
        .ip = GATEWAY,
        .helo = "gw.here.example",
        .sender = "joe@sender.example",
        .user = "gateway",
        .map = true,
        .header = {RECEIVED, FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example policy.hop=192.0.2.1; "
                "spf=pass smtp.helo=mail.sender.example policy.hop=192.0.2.1; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1 policy.hop=192.0.2.1"},
    {.name = "a relay of ours names nobody",
        .ip = GATEWAY,
        .helo = "gw.here.example",
        .sender = "joe@sender.example",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=none reason=\"behind a trusted relay: no Received field\" "
                "smtp.mailfrom=sender.example policy.hop=unknown; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject"},
    {.name = "a login that owns the addresses",
        .ip = "198.51.100.9",
        .sender = "joe@sender.example",
        .user = "joe",
        .mechanism = "PLAIN",
        .map = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=permerror reason=\"the address has no name\" policy.iprev=198.51.100.9; "
                "auth=pass reason=\"credentials sent in the clear\" smtp.auth=joe; "
                "x-auth-align=pass smtp.auth=joe"},
    {.name = "a login that does not",
        .ip = "198.51.100.9",
        .sender = "joe@sender.example",
        .user = "mallory",
        .mechanism = "PLAIN",
        .map = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=permerror reason=\"the address has no name\" policy.iprev=198.51.100.9; "
                "auth=pass reason=\"credentials sent in the clear\" smtp.auth=mallory; "
                "x-auth-align=fail reason=\"the login does not own MAIL FROM and From\" "
                "smtp.auth=mallory"},
    {.name = "anonymous is nobody (RFC 4505)",
        .ip = "198.51.100.9",
        .sender = "joe@sender.example",
        .user = "joe",
        .mechanism = "ANONYMOUS",
        .map = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=permerror reason=\"the address has no name\" policy.iprev=198.51.100.9; "
                "auth=none reason=anonymous; "
                "x-auth-align=none reason=\"not authenticated\""},
    {.name = "speaks for another, and is trusted (RFC 4954 5)",
        .ip = "198.51.100.9",
        .sender = "joe@sender.example",
        .parameter = {"BODY=8BITMIME", "AUTH=ann+40sender.example"},
        .user = "joe",
        .mechanism = "PLAIN",
        .trusted = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=permerror reason=\"the address has no name\" policy.iprev=198.51.100.9; "
                "auth=pass reason=\"credentials sent in the clear\" smtp.auth=joe "
                "smtp.mailfrom=ann@sender.example"},
    {.name = "speaks for another, and is not",
        .ip = "198.51.100.9",
        .sender = "joe@sender.example",
        .parameter = {"AUTH=ann@sender.example"},
        .user = "joe",
        .mechanism = "PLAIN",
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject; "
                "iprev=permerror reason=\"the address has no name\" policy.iprev=198.51.100.9; "
                "auth=pass reason=\"credentials sent in the clear\" smtp.auth=joe"},
    {.name = "sender-id of the PRA; SUBMITTER names it",
        .ip = "192.0.2.1",
        .sender = "x@other.example",
        .parameter = {"SUBMITTER=joe@sender.example"},
        .sender_id = true,
        .header = {"Sender: joe@sender.example", "From: a@other.example"},
        .want = "mx.here.example; "
                "spf=fail smtp.mailfrom=other.example; "
                "dkim=none; "
                "dmarc=none reason=\"no DMARC record\" header.from=other.example; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1; "
                "sender-id=pass header.sender=sender.example"},
    {.name = "sender-id without a PRA",
        .ip = "192.0.2.1",
        .sender = "joe@sender.example",
        .parameter = {"SUBMITTER=joe@sender.example"},
        .sender_id = true,
        .header = {"Sender: a@b.example", "Sender: c@d.example", FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "encrypted",
        .ip = "192.0.2.1",
        .helo = "mail.sender.example",
        .sender = "joe@sender.example",
        .tls = "TLSv1.3",
        .cipher = "TLS_AES_256_GCM_SHA384",
        .bits = "256",
        .check_tls = true,
        .check_helo = true,
        .header = {FROM},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "spf=pass smtp.helo=mail.sender.example; "
                "dkim=none; "
                "dmarc=pass header.from=sender.example policy.dmarc=reject; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1; "
                "x-helo=pass smtp.helo=mail.sender.example; "
                "x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384 "
                "policy.bits=256"},
    {.name = "more fields than allowed",
        .ip = "192.0.2.1",
        .sender = "joe@sender.example",
        .max_fields = 1,
        .header = {FROM, "Subject: x"},
        .want = "mx.here.example; "
                "spf=pass smtp.mailfrom=sender.example; "
                "dkim=permerror reason=\"header over the limits\"; "
                "arc=fail reason=\"header over the limits\" smtp.remote-ip=192.0.2.1; "
                "dmarc=permerror reason=\"header over the limits\"; "
                "iprev=pass (mail.sender.example) policy.iprev=192.0.2.1"},
    {.name = "no address: SPF and iprev have nothing to judge",
        .sender = "joe@sender.example",
        .header = {FROM},
        .want = "mx.here.example; "
                "dkim=none; "
                "dmarc=fail header.from=sender.example policy.dmarc=reject"},
};

enum { LETTERS = sizeof letters / sizeof *letters };

static am_dns *dns;
static am_loginmap *map;

typedef enum way { LATE, EARLY, EARLY_ALL, COLD, WAYS } way;

static const char *const way_name[] = {"late", "early", "early, all", "without early asking"};

static am_str folded(am_arena *a, am_str text)
{
    char *out = am_arena_alloc(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\n' && text.p[i] != '\t')
            out[n++] = text.p[i];
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    return am_str_n(out, n);
}

static void tell_envelope(am_message *m, const letter *l)
{
    am_ip ip = {0};
    if (l->ip)
        assert_true(am_ip_parse(am_str_of(l->ip), &ip));
    am_message_client(m, &ip);
    if (l->helo)
        am_message_helo(m, am_str_of(l->helo));
    if (l->user)
        am_message_login(
            m, &(am_login){am_str_of(l->user), am_str_of(l->mechanism), am_str_of(l->author)});
    if (l->tls)
        am_message_tls(m, &(am_tls_query){.version = am_str_of(l->tls),
                              .cipher = am_str_of(l->cipher),
                              .bits = am_str_of(l->bits)});
    if (l->sender)
        am_message_sender(m, am_str_of(l->sender));
    for (int i = 0; i < 2 && l->parameter[i]; i++)
        am_message_parameter(m, am_str_of(l->parameter[i]));
}

/* Name and value, as a milter has them. */
static void tell_field(am_message *m, am_str raw)
{
    size_t colon = am_str_find(raw, ':');
    am_message_field(m, am_str_cut(raw, 0, colon), am_str_cut(raw, colon + 1, raw.n));
}

static const am_evidence *judge(am_message *m, const letter *l, way w)
{
    tell_envelope(m, l);
    if (w == EARLY || w == EARLY_ALL) {
        const am_evidence *early = am_message_envelope(m, w == EARLY_ALL);
        assert_true(!early->fault && !early->has_dmarc);
        assert_true(early->has_spf == (l->ip != NULL));
        assert_true(early->has_iprev == (w == EARLY_ALL && l->ip));
    }
    for (int i = 0; i < 4 && l->header[i]; i++)
        if (w == LATE)
            tell_field(m, am_str_of(l->header[i]));
        else
            am_message_field_raw(m, am_str_of(l->header[i]));
    am_message_eoh(m);
    return am_message_finish(m);
}

static am_str field_of(am_arena *a, const letter *l, way w)
{
    static const am_net relay = {{4, {203, 0, 113, 250}}, 32};
    const am_options o = {.receiver = "mx.here.example",
        .relay = &relay,
        .relays = 1,
        .login_map = l->map ? map : NULL,
        .trust_auth_parameter = l->trusted,
        .sender_id = l->sender_id,
        .check_tls = l->check_tls,
        .check_helo = l->check_helo,
        .max_fields = l->max_fields,
        .explain = true,
        .no_prefetch = w == COLD};
    const am_results_options ro = {.authserv_id = "mx.here.example", .full_sender = l->full_sender};
    am_message *m = am_message_new(dns, &o);
    assert_non_null(m);
    const am_evidence *e = judge(m, l, w);
    assert_null(e->fault);
    am_authres r = am_results(a, e, &ro);
    am_str text = folded(a, am_authres_write(a, &r, "\n", 24));
    am_message_free(m);
    return text;
}

/* Every letter in every way: early answers and early asking change nothing. */
static void results(void **state)
{
    (void)state;
    for (int i = 0; i < LETTERS; i++)
        for (way w = LATE; w < WAYS; w++) {
            const letter *l = &letters[i];
            char name[120];
            if ((w == EARLY || w == EARLY_ALL) && l->ip && strcmp(l->ip, GATEWAY) == 0)
                continue; /* am_message_envelope is not for relays */
            am_arena *a = am_arena_new(0);
            snprintf(name, sizeof name, "%s, %s", l->name, way_name[w]);
            want_str(name, field_of(a, l, w), l->want);
            am_arena_free(a);
        }
}

/* RFC 4405 4.2: what --explain says of SUBMITTER. */
static void submitter(void **state)
{
    (void)state;
    static const struct {
        const char *parameter, *want;
    } rows[] = {
        {"SUBMITTER=joe@sender.example", "it is the PRA"},
        {"SUBMITTER=ann@sender.example", "SUBMITTER does not match the header"},
        {"SUBMITTER=", "malformed SUBMITTER"},
        {"SIZE=1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const am_options o = {.receiver = "mx.here.example", .explain = true};
        am_message *m = am_message_new(dns, &o);
        am_message_parameter(m, am_str_of(rows[i].parameter));
        am_message_field_raw(m, AM_STR(FROM));
        am_message_eoh(m);
        const am_evidence *e = am_message_finish(m);
        am_str said = AM_STR("");
        for (const am_step *s = e->trace->first; s; s = s->next)
            if (strcmp(s->rfc, "4405 4.2") == 0)
                said = s->answer;
        want_str(rows[i].parameter, said, rows[i].want);
        am_message_free(m);
    }
}

static int set_up(void **state)
{
    (void)state;
    char path[] = "/tmp/authmill-message.XXXXXX";
    const char *file = path;
    am_error why = {""};
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, zone, sizeof zone - 1) == (ssize_t)sizeof zone - 1);
    dns = am_dns_zonefiles(&file, 1, &why);
    map = am_loginmap_parse(AM_STR("@sender.example joe\n"), "map", &why);
    close(fd);
    unlink(path);
    return dns && map ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    am_dns_free(dns);
    am_loginmap_free(map);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results),
        cmocka_unit_test(submitter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
