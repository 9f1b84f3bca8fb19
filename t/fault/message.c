/* fault/message: whole messages, while each call of the C library fails in turn. */
#include "libauth/message.h"
#include "t/fault/fault.h"
#include "t/unit/dns_server.h"
#include "tools/eml.h"

#include <openssl/crypto.h>
#include <signal.h>

/* Where there are more calls than this, only every so manyeth fails. */
enum { RUNS = 1500, RUNS_LASTING = 50 };

typedef struct letter {
    const char *name, *ip, *helo, *sender;
    const char *user;   /* who logged in; NULL: nobody */
    const char *folder; /* below t/; NULL: samples */
    bool honest;        /* DMARC, SPF and DKIM may pass */
    bool relayed;       /* the address is that of a relay of ours */
    am_arena *arena;
    am_eml eml;
    char clean[320]; /* what is right: verdicts without a fault */
} letter;

static letter letters[] = {
    {.name = "newsletter",
        .ip = "192.0.2.1",
        .helo = "mail.garden.example",
        .sender = "news@garden.example",
        .honest = true},
    {.name = "spoof",
        .ip = "203.0.113.66",
        .helo = "elsewhere.example",
        .sender = "service@bank.example"},
    {.name = "list",
        .ip = "198.18.0.1",
        .helo = "lists.club.example",
        .sender = "list@garden.example"},
    /* Two sets that hold, by t/lib/mkarc.py: chain(2); no SPF, no DKIM, no policy. */
    {.name = "sealed",
        .folder = "fault",
        .ip = "198.18.0.1",
        .helo = "mx.s2.example",
        .sender = "list@s2.example"},
    /* One that logged in with somebody else's address, and one that a relay of ours hands on. */
    {.name = "spoof",
        .ip = "203.0.113.66",
        .helo = "laptop.example",
        .sender = "service@bank.example",
        .user = "mallory"},
    {.name = "newsletter",
        .ip = "203.0.113.250",
        .helo = "gateway.example",
        .sender = "news@garden.example",
        .honest = true,
        .relayed = true},
};

enum { LETTERS = sizeof letters / sizeof *letters };

static char zone_file[2][4096];
static am_loginmap *login_map;

/* ---- One message ---- */

/* Verdicts in a fixed order; a method that did not run is "-". */
typedef struct verdicts {
    const char *word[12];
} verdicts;

enum { SPF, HELO, IPREV, DKIM, DMARC, ARC, AUTH, ALIGN, GREETING, TLS, TRAIL, PRA, METHODS };

static const char *const method[] = {"spf", "helo", "iprev", "dkim", "dmarc", "arc", "auth",
    "align", "greeting", "tls", "trail", "pra"};

static verdicts look(const am_evidence *e)
{
    verdicts v;
    for (int i = 0; i < METHODS; i++)
        v.word[i] = "-";
    if (e->has_spf)
        v.word[SPF] = am_result_word(e->spf.result);
    if (e->has_helo)
        v.word[HELO] = am_result_word(e->helo_spf.result);
    if (e->has_iprev)
        v.word[IPREV] = am_result_word(e->iprev.result);
    if (e->dkims)
        v.word[DKIM] = am_result_word(e->dkim[0].result);
    if (e->has_dmarc)
        v.word[DMARC] = am_result_word(e->dmarc.result);
    if (e->has_arc)
        v.word[ARC] = am_result_word(e->arc.result);
    if (e->has_auth)
        v.word[AUTH] = am_result_word(e->auth.result);
    if (e->has_align)
        v.word[ALIGN] = am_result_word(e->align.result);
    if (e->has_helo_check)
        v.word[GREETING] = am_result_word(e->helo_check.result);
    if (e->has_tls)
        v.word[TLS] = am_result_word(e->tls.result);
    if (e->has_trail)
        v.word[TRAIL] = am_result_word(e->trail.result);
    if (e->has_sender_id)
        v.word[PRA] = am_result_word(e->sender_id.result);
    return v;
}

static void join(const verdicts *v, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < METHODS; i++)
        n += (size_t)snprintf(out + n, size - n, "%s=%s ", method[i], v->word[i]);
}

/* Short where faults may cost an answer; what is right must have its time. */
static unsigned wait_ms = 10000;

typedef struct report {
    bool there, fault;
    verdicts v;
    size_t written; /* octets of the field */
} report;

static report judge(am_dns *d, const letter *l, size_t memory)
{
    static const am_net relay = {{4, {203, 0, 113, 250}}, 32};
    const am_options o = {.receiver = "mx.here.example",
        .dns = {.wait_ms = wait_ms},
        .max_memory = memory,
        .relay = &relay,
        .relays = 1,
        .login_map = login_map,
        .check_helo = true,
        .check_tls = true,
        .check_trail = true,
        .sender_id = true,
        .explain = true};
    const am_tls_query tls = {
        .version = AM_STR("TLSv1.3"), .cipher = AM_STR("TLS_AES_128_GCM_SHA256")};
    const am_login login = {.user = am_str_of(l->user), .mechanism = AM_STR("PLAIN")};
    static const am_results_options ro = {.authserv_id = "mx.here.example"};
    report r = {0};
    am_ip ip;
    am_message *m = am_message_new(d, &o);
    if (!m)
        return r;
    assert_true(am_ip_parse(am_str_of(l->ip), &ip));
    am_message_client(m, &ip);
    am_message_helo(m, am_str_of(l->helo));
    am_message_login(m, &login);
    am_message_tls(m, &tls);
    am_message_sender(m, am_str_of(l->sender));
    am_message_parameter(m, AM_STR("SUBMITTER=news@garden.example"));
    if (l->relayed)
        am_message_field_raw(
            m, AM_STR("Received: from mail.garden.example (mail.garden.example [192.0.2.1])"
                      "\r\n by gateway.example (Postfix) with ESMTP id 4F1;"
                      "\r\n Sat, 21 Nov 2026 10:00:00 +0000\r\n"));
    for (size_t i = 0; i < l->eml.header.n; i++)
        am_message_field_raw(m, l->eml.header.field[i].raw);
    am_message_eoh(m);
    if (am_message_wants_body(m))
        am_message_body(m, l->eml.body.p, l->eml.body.n);
    const am_evidence *e = am_message_finish(m);
    r.there = true;
    /* RFC 8617 5.2.1: a look-up that fails for now breaks a chain for good. */
    r.fault = e->fault != NULL || (e->has_arc && strcmp(e->arc.reason, "key look-up failed") == 0);
    r.v = look(e);
    am_authres a = am_results(am_message_arena(m), e, &ro);
    r.written = am_authres_write(am_message_arena(m), &a, "\n", 24).n;
    am_message_free(m);
    return r;
}

/* A fault may cost the verdict; it may not turn it into another one, unless it says so. */
static bool right(const letter *l, const report *r)
{
    char text[320];
    if (!r->there)
        return true; /* whoever called has nothing, and says 451 */
    join(&r->v, text, sizeof text);
    bool good = true, unsure = r->fault;
    for (int i = 0; i < METHODS; i++) {
        bool passes = strcmp(r->v.word[i], "pass") == 0;
        unsure = unsure || strcmp(r->v.word[i], "temperror") == 0;
        good = good && !(passes && !strstr(l->clean, "pass") && !l->honest);
        char part[40];
        snprintf(part, sizeof part, "%s=pass ", method[i]);
        good = good && !(passes && !strstr(l->clean, part)); /* a pass that should not be */
    }
    if (!unsure && strcmp(text, l->clean) != 0)
        good = false;
    if (!good)
        print_error("%s: %s failed: %s%s, without a fault %s\n", l->name, fault_name(), text,
            r->fault ? "(fault)" : "", l->clean);
    return good;
}

/* ---- Every call in turn ---- */

typedef am_dns *open_dns(void);

static int stride(int calls, int runs)
{
    return calls > runs ? calls / runs + 1 : 1;
}

static int wrong;

/* Backend and message; true: the fault was met. */
static bool with_fault(open_dns *open, const letter *l, int n, bool lasting)
{
    fault_arm(n, lasting);
    wait_ms = 150;
    am_dns *d = open();
    if (d) {
        report r = judge(d, l, 0);
        wrong += !right(l, &r);
    }
    bool met = fault_met();
    fault_disarm();
    wait_ms = 10000;
    am_dns_free(d);
    return met;
}

static void each_call(open_dns *open, int runs, bool lasting)
{
    for (int i = 0; i < LETTERS; i++) {
        letter *l = &letters[i];
        fault_arm(-1, false);
        am_dns *d = open();
        assert_non_null(d);
        report r = judge(d, l, 0);
        int calls = fault_disarm(), met = 0, made = 0;
        am_dns_free(d);
        assert_true(r.there && !r.fault && r.written > 20);
        join(&r.v, l->clean, sizeof l->clean);
        assert_true((strstr(l->clean, "dmarc=pass") != NULL) == l->honest);
        wrong = 0;
        /* Some more: a fault may lead to more calls than there were without one. */
        for (int n = 0, step = stride(calls, runs); n < calls + 20 * step; n += step, made++)
            met += with_fault(open, l, n, lasting);
        print_message(
            "# %s: %s; %d calls, %d runs, %d faults met\n", l->name, l->clean, calls, made, met);
        assert_int_equal(wrong, 0);
        assert_true(calls > 30 && met > made / 2);
    }
}

/* ---- Backends ---- */

static am_dns *open_zone(void)
{
    am_error why = {""};
    const char *file[] = {zone_file[0], zone_file[1]};
    am_dns *d = am_dns_zonefiles(file, 2, &why);
    assert_true(d || *why.text); /* what cannot be had is said */
    return d;
}

static char server_address[32];

static am_dns *open_network(void)
{
    am_error why = {""};
    const char *address = server_address;
    am_dns_options o = {.nameserver = &address, .nameservers = 1, .try_ms = 10};
    am_dns *d = am_dns_network(&o, &why);
    assert_true(d || *why.text);
    return d;
}

static void put_answer(reply *r, const am_dns_answer *x, unsigned type)
{
    for (size_t i = 0; i < x->n; i++) {
        am_str s = x->rr[i].data;
        uint8_t data[2048];
        size_t n = 0;
        if (type == AM_DNS_PTR) {
            char name[256];
            snprintf(name, sizeof name, "%.*s", AM_ARG(s));
            put_host(r, 6, NULL, type, 60, name);
            continue;
        }
        if (type == AM_DNS_A) {
            put_rr(r, 6, NULL, type, 60, x->rr[i].ip.octet, 4);
            continue;
        }
        for (size_t at = 0; at < s.n; at += 255) {
            size_t part = s.n - at < 255 ? s.n - at : 255;
            data[n++] = (uint8_t)part;
            memcpy(data + n, s.p + at, part);
            n += part;
        }
        put_rr(r, 6, NULL, type, 60, data, n);
    }
}

/* In the server's thread: what the zone file says; long answers by TCP. */
static void answer(server *s, const query *q)
{
    fault_spare();
    am_arena *a = am_arena_new(0);
    am_dns_session *session = am_dns_begin(s->with, a, NULL, NULL);
    const am_dns_answer *x =
        am_dns_wait(session, "t", "t", am_str_of(q->name), (am_dns_type)q->type);
    bool cut = !q->tcp && x->n && x->rr[0].data.n > 255;
    reply *r = begin_reply(q, cut ? TC : x->status == AM_DNS_NXDOMAIN ? 3 : 0);
    if (!cut)
        put_answer(r, x, q->type);
    if (!cut && !x->n)
        put_soa(r, "example", 60, 60);
    send_reply(q, r);
    am_dns_end(session);
    am_arena_free(a);
}

/* ---- Tests ---- */

static void zone_once(void **state)
{
    (void)state;
    each_call(open_zone, RUNS, false);
}

static void zone_lasting(void **state)
{
    (void)state;
    each_call(open_zone, RUNS, true);
}

static void network_once(void **state)
{
    (void)state;
    am_dns *d = open_zone();
    server *s = start_server(answer, d);
    strcpy(server_address, s->address);
    each_call(open_network, RUNS, false);
    stop_server(s);
    am_dns_free(d);
}

static void network_lasting(void **state)
{
    (void)state;
    am_dns *d = open_zone();
    server *s = start_server(answer, d);
    strcpy(server_address, s->address);
    each_call(open_network, RUNS_LASTING, true);
    stop_server(s);
    am_dns_free(d);
}

/* The message's own bound, which its arena meets at every point in turn. */
static void arena_full(void **state)
{
    (void)state;
    am_dns *d = open_zone();
    for (int i = 0; i < LETTERS; i++) {
        letter *l = &letters[i];
        int faults = 0, whole = 0;
        report r = judge(d, l, 0);
        join(&r.v, l->clean, sizeof l->clean);
        wrong = 0;
        for (size_t memory = 16; memory < 80000; memory += memory < 24000 ? 48 : 2000) {
            r = judge(d, l, memory);
            if (!right(l, &r))
                print_message(
                    "# %zu: fault %d written %zu\n", memory, (int)r.fault, (size_t)r.written);
            wrong += !right(l, &r);
            faults += !r.there || r.fault;
            whole += r.there && !r.fault;
        }
        print_message("# %s: %d bounds met, %d not\n", l->name, faults, whole);
        assert_int_equal(wrong, 0);
        assert_true(faults > 20 && whole > 5);
    }
    am_dns_free(d);
}

/* A report of two methods. */
static report made_up(const char *spf, const char *dmarc)
{
    report r = {.there = true};
    for (int i = 0; i < METHODS; i++)
        r.v.word[i] = i == SPF ? spf : i == DMARC ? dmarc : "-";
    return r;
}

/* The judge must be able to say no. */
static void judged_wrong(void **state)
{
    (void)state;
    letter l = {.name = "made up (these two lines are part of the test)"};
    report good = made_up("fail", "fail"), pass = made_up("fail", "pass");
    report lost = made_up("fail", "none"), said = lost;
    join(&good.v, l.clean, sizeof l.clean);
    said.fault = true;
    assert_true(right(&l, &good) && right(&l, &said));
    assert_false(right(&l, &pass));
    assert_false(right(&l, &lost));
    pass.fault = true;
    assert_false(right(&l, &pass));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judged_wrong),
        cmocka_unit_test(arena_full),
        cmocka_unit_test(zone_once),
        cmocka_unit_test(zone_lasting),
        cmocka_unit_test(network_once),
        cmocka_unit_test(network_lasting),
    };
    const char *src = getenv("AUTHMILL_SRC");
    char path[4200];
    signal(SIGPIPE, SIG_IGN);
    (void)CRYPTO_set_mem_functions(fault_crypto_malloc, fault_crypto_realloc, fault_crypto_free);
    src = src ? src : ".";
    snprintf(zone_file[0], sizeof zone_file[0], "%s/t/samples/samples.zone", src);
    snprintf(zone_file[1], sizeof zone_file[1], "%s/t/fault/sealed.zone", src);
    for (int i = 0; i < LETTERS; i++) {
        am_error e = {""};
        snprintf(path, sizeof path, "%s/t/%s/%s.eml", src,
            letters[i].folder ? letters[i].folder : "samples", letters[i].name);
        letters[i].arena = am_arena_new(0);
        if (am_eml_read(letters[i].arena, path, &letters[i].eml, &e) != 0) {
            fprintf(stderr, "# %s: %s\n", path, e.text);
            return 1;
        }
    }
    am_error why = {""};
    login_map = am_loginmap_parse(AM_STR("service@bank.example alice\n"), "map", &why);
    if (!login_map)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < LETTERS; i++)
        am_arena_free(letters[i].arena);
    am_loginmap_free(login_map);
    return failed;
}
