/* dns_wire: packets as they should be, and as they should not. */
#include "t/unit/dns_server.h"

#include "libauth/dns/wire.h"

#include <ldns/ldns.h>
#include <time.h>

enum { A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, OPT = 41 };
enum { NXDOMAIN = 3 };

static const char *const kinds[] = {
    "foreign", "recased", "truncated", "no edns", "failed", "onward", "answer"};

static am_wire_question question(const char *name, am_dns_type type)
{
    am_wire_question q = {.type = type, .id = 0x1234, .edns = true};
    assert_true(am_name_of_text(am_str_of(name), &q.name));
    return q;
}

static void query_octets(void **state)
{
    (void)state;
    static const char want[] = "\x12\x34\x01\x20\0\1\0\0\0\0\0\1"
                               "\3a b\1\"\7Example\0\0\20\0\1"
                               "\0\0\51\4\320\0\0\0\0\0\0";
    uint8_t out[AM_WIRE_QUERY];
    am_wire_question q = question("a b.\".Example.", AM_DNS_TXT);
    assert_int_equal(am_wire_query(&q, out), sizeof want - 1);
    assert_memory_equal(out, want, sizeof want - 1);
    q.edns = false;
    size_t n = am_wire_query(&q, out);
    assert_int_equal(n, sizeof want - 1 - 11);
    assert_int_equal(out[11], 0);
    /* The longest name there is. */
    char name[254];
    memset(name, 'x', 253);
    for (int i = 50; i < 253; i += 50)
        name[i] = '.';
    name[253] = '\0';
    q = question(name, AM_DNS_A);
    q.edns = true;
    assert_int_equal(am_wire_query(&q, out), 12 + 255 + 4 + 11);
}

static void names_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t n; /* with the NUL of the literal as the root */
        const char *want;
    } cases[] = {
        {"", 1, ""},
        {"\3Org", 5, "org"},
        {"\7example\3ORG", 13, "example.org"},
        {"\3a.b\1\\", 7, "a\\046b.\\092"},
        {"\4\0 \x7f\xff", 6, "\\000\\032\\127\\255"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_wire_name name;
        char text[1024];
        const uint8_t *p = (const uint8_t *)cases[i].wire;
        assert_int_equal(am_name_read(p, cases[i].n, 0, &name), cases[i].n);
        size_t n = am_name_text(&name, NULL);
        assert_int_equal(am_name_text(&name, text), n);
        want_str("name", am_str_n(text, n), cases[i].want);
    }
    am_wire_name name;
    static const char *const bad[] = {"", ".", "a..b", ".a", "a\\b", "a\\.b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(am_name_of_text(am_str_of(bad[i]), &name));
}

static void names_below(void **state)
{
    (void)state;
    static const struct {
        const char *name, *ancestor;
        bool want;
    } cases[] = {
        {"a.b.c", "B.C", true},
        {"b.c", "b.c", true},
        {"xb.c", "b.c", false},
        {"c", "b.c", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_wire_name name, ancestor;
        assert_true(am_name_of_text(am_str_of(cases[i].name), &name));
        assert_true(am_name_of_text(am_str_of(cases[i].ancestor), &ancestor));
        want_int(cases[i].name, am_name_under(&name, &ancestor), cases[i].want);
    }
}

/* ---- Packets ---- */

/* The question of all cases below, as the server would have got it. */
static query asked(const char *name, unsigned type)
{
    query q = {0};
    am_wire_question w = question(name, (am_dns_type)type);
    q.n = am_wire_query(&w, q.p);
    assert_true(read_query(&q));
    return q;
}

static am_wire_result read_reply(const reply *r, const char *name, unsigned type)
{
    am_wire_question w = question(name, (am_dns_type)type);
    am_wire_chain chain = AM_WIRE_CHAIN;
    uint8_t *exact = malloc(r->n); /* so that a step beyond is seen */
    memcpy(exact, r->p, r->n);
    am_wire_result x = am_wire_read(exact, r->n, &w, false, true, 86400, &chain);
    free(exact);
    return x;
}

static void own_pointer(reply *r)
{
    put16(r, 0xc000 | (unsigned)r->n);
    put(r, "\0\20\0\1\0\0\0\1\0\0", 10);
    r->p[7] = 1;
}

static void pointer_ahead(reply *r)
{
    put16(r, 0xc000 | (unsigned)(r->n + 12));
    put(r, "\0\20\0\1\0\0\0\1\0\1\0", 11);
    r->p[7] = 1;
}

static void two_pointers(reply *r)
{
    unsigned at = (unsigned)r->n;
    put(r, "\1a", 2);
    put16(r, 0xc000 | at);
    put(r, "\0\20\0\1\0\0\0\1\0\0", 10);
    r->p[7] = 1;
}

static void half_a_pointer(reply *r)
{
    put(r, "\300", 1);
    r->p[7] = 1;
}

static void pointer_into_header(reply *r)
{
    put16(r, 0xc000);
    put(r, "\0\20\0\1\0\0\0\1\0\0", 10);
    r->p[7] = 1;
}

/* 200 pointers, each to the one before. */
static void pointer_chain(reply *r)
{
    unsigned at = (unsigned)r->n + 11;
    uint8_t data[400];
    for (unsigned i = 0; i < 200; i++) {
        unsigned to = 0xc000 | (i ? at + 2 * (i - 1) : 12);
        data[2 * i] = (uint8_t)(to >> 8), data[2 * i + 1] = (uint8_t)to;
    }
    put_rr(r, 6, "", 99, 1, data, sizeof data);
    put16(r, 0xc000 | (at + 398));
    put(r, "\0\20\0\1\0\0\0\1\0\0", 10);
    r->p[7] = 2;
}

static void name_too_long(reply *r)
{
    for (int i = 0; i < 8; i++) {
        put(r, "\40", 1);
        put(r, "12345678901234567890123456789012", 32);
    }
    put(r, "\0\0\20\0\1\0\0\0\1\0\0", 11);
    r->p[7] = 1;
}

static void label_type(reply *r)
{
    put(r, "\101a\0\0\20\0\1\0\0\0\1\0\0", 13);
    r->p[7] = 1;
}

static void count_too_high(reply *r)
{
    put_txt(r, NULL, 1, "x");
    r->p[6] = r->p[7] = 0xff;
}

static void additional_missing(reply *r)
{
    put_txt(r, NULL, 1, "x");
    r->p[11] = 1;
}

static void data_beyond(reply *r)
{
    put_txt(r, NULL, 1, "x");
    r->n--;
}

static void string_beyond(reply *r)
{
    put_rr(r, 6, NULL, TXT, 1, "\3ab", 3);
}

static void no_strings(reply *r)
{
    put_rr(r, 6, NULL, TXT, 1, "", 0);
}

static void other_class(reply *r)
{
    put_txt(r, NULL, 1, "x");
    r->p[r->n - 2 - 10 + 3] = 3;
}

static void short_a(reply *r)
{
    put_rr(r, 6, NULL, A, 1, "abc", 3);
}

static void long_a(reply *r)
{
    put_rr(r, 6, NULL, A, 1, "abcde", 5);
}

static void short_mx(reply *r)
{
    put_rr(r, 6, NULL, MX, 1, "\0\1", 2);
}

static void mx_and_more(reply *r)
{
    put_rr(r, 6, NULL, MX, 1, "\0\1\1a\0x", 6);
}

static void mx_name_leaves_data(reply *r)
{
    put_rr(r, 6, NULL, MX, 1, "\0\1\1a", 4);
    put(r, "\0", 1);
}

static void alias_and_more(reply *r)
{
    put_rr(r, 6, NULL, CNAME, 1, "\1a\0x", 4);
}

static void nxdomain_broken(reply *r)
{
    r->p[3] |= NXDOMAIN;
    r->p[9] = 1;
}

static void short_soa(reply *r)
{
    put_rr(r, 8, "test", SOA, 100, "\0\0\0\0\0\1", 6);
}

static void foreign_soa(reply *r)
{
    put_soa(r, "other", 100, 100);
}

static void ns_and_soa(reply *r)
{
    put_host(r, 8, "test", NS, 1, "ns.test");
    put_soa(r, "test", 50, 100);
}

static void junk_behind(reply *r)
{
    put_txt(r, NULL, 9, "fine");
    put(r, "junk", 4);
}

static void empty(reply *r)
{
    (void)r;
}

static void packets(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*make)(reply *r);
        unsigned type;
        const char *want_kind, *want; /* of the answer, or the reason */
        uint32_t want_ttl;
    } cases[] = {
        {"own pointer", own_pointer, TXT, "failed", "malformed answer", 0},
        {"pointer ahead", pointer_ahead, TXT, "failed", "malformed answer", 0},
        {"half a pointer", half_a_pointer, TXT, "failed", "malformed answer", 0},
        {"pointer loop", two_pointers, TXT, "failed", "malformed answer", 0},
        /* "\x12" is the length of a label that leaves what is sound. */
        {"pointer into header", pointer_into_header, TXT, "failed", "malformed answer", 0},
        {"pointer chain", pointer_chain, TXT, "failed", "malformed answer", 0},
        {"name too long", name_too_long, TXT, "failed", "malformed answer", 0},
        {"label type", label_type, TXT, "failed", "malformed answer", 0},
        {"count too high", count_too_high, TXT, "failed", "malformed answer", 0},
        {"additional missing", additional_missing, TXT, "failed", "malformed answer", 0},
        {"data beyond", data_beyond, TXT, "failed", "malformed answer", 0},
        {"string beyond", string_beyond, TXT, "failed", "malformed answer", 0},
        {"no strings", no_strings, TXT, "answer", "", 1},
        {"other class", other_class, TXT, "answer", "no data", 0},
        {"short A", short_a, A, "failed", "malformed answer", 0},
        {"long A", long_a, A, "failed", "malformed answer", 0},
        {"long A, not asked for", long_a, TXT, "answer", "no data", 0},
        {"short MX", short_mx, MX, "failed", "malformed answer", 0},
        {"MX and more", mx_and_more, MX, "failed", "malformed answer", 0},
        {"MX beyond its data", mx_name_leaves_data, MX, "failed", "malformed answer", 0},
        {"CNAME and more", alias_and_more, TXT, "failed", "malformed answer", 0},
        {"NXDOMAIN, broken", nxdomain_broken, TXT, "failed", "malformed answer", 0},
        {"short SOA", short_soa, TXT, "answer", "no data", 0},
        {"foreign SOA", foreign_soa, TXT, "answer", "no data", 0},
        {"NS and SOA", ns_and_soa, TXT, "answer", "no data", 50},
        {"junk behind", junk_behind, TXT, "answer", "fine", 9},
        {"nothing", empty, TXT, "answer", "no data", 0},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        query q = asked("name.test", cases[i].type);
        reply *r = begin_reply(&q, 0);
        cases[i].make(r);
        am_wire_result x = read_reply(r, "name.test", cases[i].type);
        want_str(cases[i].name, am_str_of(kinds[x.kind]), cases[i].want_kind);
        if (x.kind == AM_WIRE_ANSWER) {
            assert_non_null(x.answer);
            want_str(cases[i].name,
                am_dns_answer_text(a, &x.answer->pub, (am_dns_type)cases[i].type), cases[i].want);
            want_int(cases[i].name, x.answer->pub.ttl, cases[i].want_ttl);
        } else {
            want_str(cases[i].name, am_str_of(x.reason), cases[i].want);
        }
        am_answer_unref(x.answer);
        free(r);
    }
    am_arena_free(a);
}

/* One record of 65000 empty strings, and 5000 records: bounded time and memory. */
static void large_packets(void **state)
{
    (void)state;
    query q = asked("name.test", TXT);
    reply *r = begin_reply(&q, 0);
    uint8_t *zero = calloc(1, 65000);
    put_rr(r, 6, NULL, TXT, 1, zero, 65000);
    free(zero);
    clock_t from = clock();
    am_wire_result x = read_reply(r, "name.test", TXT);
    want_int("kind", x.kind, AM_WIRE_ANSWER);
    want_int("octets", x.answer->pub.rr[0].data.n, 0);
    assert_true(x.answer->bytes < 1000);
    am_answer_unref(x.answer);
    free(r);

    r = begin_reply(&q, 0);
    for (int i = 0; i < 4600; i++)
        put_txt(r, NULL, 1, "");
    x = read_reply(r, "name.test", TXT);
    want_int("kind", x.kind, AM_WIRE_ANSWER);
    want_int("records", x.answer->pub.n, 4600);
    am_answer_unref(x.answer);
    free(r);
    assert_true(clock() - from < CLOCKS_PER_SEC);
}

/* A record whose owner is a pointer to `owner`. Returns where its data begins. */
static size_t put_pointed(reply *r, size_t owner, unsigned type, const void *data, size_t n)
{
    put16(r, (unsigned)(0xc000 | owner));
    put16(r, type);
    put16(r, 1);
    put16(r, 0);
    put16(r, 60);
    put16(r, (unsigned)n);
    put(r, data, n);
    if (++r->p[7] == 0)
        r->p[6]++;
    return r->n - n;
}

/* A chain of CNAMEs, each to a name of 251 octets, and as many addresses at its end as there is
 * room for. Returns the shortest of three times. */
static clock_t time_of_chain(unsigned links)
{
    uint8_t name[251] = "";
    clock_t least = 0;
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "a", 2);
    memcpy(name + sizeof name - 3, "a", 3);
    for (int run = 0; run < 3; run++) {
        query q = asked("name.test", A);
        reply *r = begin_reply(&q, 0);
        size_t owner = 12;
        for (unsigned i = 0; i < links; i++) {
            name[1] = (uint8_t)('b' + i);
            owner = put_pointed(r, owner, CNAME, name, sizeof name);
        }
        unsigned records = 0;
        for (; r->n + 16 < 65000; records++)
            put_pointed(r, owner, A, "\300\0\2\1", 4);
        clock_t from = clock();
        am_wire_result x = read_reply(r, "name.test", A);
        clock_t took = clock() - from;
        want_int("kind", x.kind, AM_WIRE_ANSWER);
        want_int("records", x.answer->pub.n, records);
        am_answer_unref(x.answer);
        free(r);
        least = run && least < took ? least : took;
    }
    return least;
}

/* Each link looks at all records, and reads none twice. */
static void long_chains(void **state)
{
    (void)state;
    clock_t one = time_of_chain(1), nine = time_of_chain(9);
    print_message("# 64 KB: 1 link %ld us, 9 links %ld us\n", (long)one, (long)nine);
    assert_true(nine < 2 * one + CLOCKS_PER_SEC / 1000);
}

/* As many hosts as 64 KB hold, each but the first a pointer to a name whose text has 1,000 octets.
 * Returns the answer. */
static am_answer *many_hosts(unsigned type, unsigned records, bool broken_end)
{
    uint8_t data[2 + 255] = "";
    size_t skip = type == MX ? 2 : 0, n = skip;
    query q = asked("name.test", type);
    reply *r = begin_reply(&q, 0);
    for (int label = 0; label < 4; label++) {
        size_t octets = label < 3 ? 63 : 61;
        data[n++] = (uint8_t)octets;
        memset(data + n, 0x80 + label, octets);
        n += octets;
    }
    unsigned target = 0xc000 | (unsigned)(put_pointed(r, 12, type, data, n + 1) + skip);
    for (unsigned i = 1; i < records; i++)
        put_pointed(r, 12, type,
            (uint8_t[]){0, (uint8_t)i, (uint8_t)(target >> 8), (uint8_t)target} + 2 - skip,
            2 + skip);
    if (broken_end)
        put_pointed(r, 12, type, "\1", 1);
    assert_true(r->n < 65536);
    am_wire_result x = read_reply(r, "name.test", type);
    free(r);
    want_int("kind", x.kind, broken_end ? AM_WIRE_FAILED : AM_WIRE_ANSWER);
    return x.answer;
}

/* RFC 7208 4.6.4: who reads hosts wants no more than 100 of them, and to know of more. */
static void many_hosts_are_cut(void **state)
{
    (void)state;
    static const unsigned types[] = {MX, PTR};
    for (size_t t = 0; t < 2; t++) {
        for (unsigned records = 100; records <= 102; records++) {
            am_answer *few = many_hosts(types[t], records, false);
            want_int("some hosts", few->pub.n, records < 101 ? records : 101);
            want_int("the last one's text", few->pub.rr[few->pub.n - 1].data.n, 1003);
            am_answer_unref(few);
        }
        am_answer *x = many_hosts(types[t], 4000, false);
        assert_true(x->bytes <= 128 << 10);
        want_int("hosts", x->pub.n, 101);
        want_int("preference", x->pub.rr[100].preference, types[t] == MX ? 100 : 0);
        am_answer_unref(x);
        assert_null(many_hosts(types[t], 4000, true)); /* all are looked at */
    }
}

static void case_matters_where_wanted(void **state)
{
    (void)state;
    query q = asked("Name.Test", TXT);
    reply *r = begin_reply(&q, 0);
    put_txt(r, "naMe.test", 5, "x");
    am_wire_question w = question("name.test", AM_DNS_TXT);
    am_wire_chain chain = AM_WIRE_CHAIN;
    am_wire_result x = am_wire_read(r->p, r->n, &w, false, true, 86400, &chain);
    want_int("letters alike", x.kind, AM_WIRE_ANSWER);
    am_answer_unref(x.answer);
    w.exact = true;
    want_int(
        "exact", am_wire_read(r->p, r->n, &w, false, true, 86400, &chain).kind, AM_WIRE_RECASED);
    w = question("Name.Test", AM_DNS_TXT);
    w.exact = true;
    x = am_wire_read(r->p, r->n, &w, false, true, 3, &chain);
    want_int("exact and equal", x.kind, AM_WIRE_ANSWER);
    want_int("bounded TTL", x.answer->pub.ttl, 3);
    am_answer_unref(x.answer);
    free(r);

    am_wire_name all = w.name, none = w.name;
    uint8_t ones[32], zeros[32] = {0};
    memset(ones, 0xff, sizeof ones);
    am_wire_shuffle(&all, ones);
    am_wire_shuffle(&none, zeros);
    assert_memory_equal(all.octet, "\4nAME\4tEST", 11);
    assert_memory_equal(none.octet, "\4Name\4Test", 11);
    assert_true(am_name_eq(&all, &none));
}

/* What ldns writes, names compressed, we read as ldns does. */
static void written_by_ldns(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        unsigned type;
        const char *want;
    } cases[] = {
        {"host.example.org. 60 IN A 192.0.2.7", A, "192.0.2.7"},
        {"host.example.org. 60 IN AAAA 2001:db8::7", AAAA, "2001:db8::7"},
        {"host.example.org. 60 IN MX 10 Mail.example.org.", MX, "10 mail.example.org"},
        {"host.example.org. 60 IN PTR b\\.c.d.example.org.", PTR, "b\\046c.d.example.org"},
        {"host.example.org. 60 IN TXT \"v=spf1 \" \"-all\" \"\"", TXT, "v=spf1 -all"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        query q = asked("host.example.org", cases[i].type);
        ldns_pkt *pkt = NULL;
        ldns_rr *rr = NULL;
        uint8_t *wire = NULL;
        size_t n;
        assert_int_equal(ldns_wire2pkt(&pkt, q.p, q.n), LDNS_STATUS_OK);
        assert_int_equal(ldns_rr_new_frm_str(&rr, cases[i].record, 0, NULL, NULL), LDNS_STATUS_OK);
        ldns_pkt_set_qr(pkt, true);
        ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
        assert_int_equal(ldns_pkt2wire(&wire, pkt, &n), LDNS_STATUS_OK);
        reply r = {.n = 0};
        put(&r, wire, n);
        am_wire_result x = read_reply(&r, "host.example.org", cases[i].type);
        want_int(cases[i].record, x.kind, AM_WIRE_ANSWER);
        want_str(cases[i].record, am_dns_answer_text(a, &x.answer->pub, (am_dns_type)cases[i].type),
            cases[i].want);
        am_answer_unref(x.answer);
        free(wire);
        ldns_pkt_free(pkt);
    }
    am_arena_free(a);
}

/* Packets changed at random (from a fixed start): nothing is read or written
 * beyond its bounds, and what comes out is whole. */
static void changed_packets(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    unsigned seen[7] = {0};
    for (int round = 0; round < 20000; round++) {
        query q = asked("name.test", round % 2 ? MX : TXT);
        reply *r = begin_reply(&q, 0);
        put_host(r, 6, "name.test", CNAME, 300, "end.test");
        put_rr(r, 6, "end.test", MX, 60, "\0\12\5mail2\xc0\x11", 10);
        put_txt(r, "end.test", 30, "some text");
        put_soa(r, "test", 100, 100);
        size_t length = r->n;
        for (int change = 0; change < 1 + round % 4; change++) {
            seed = seed * 1664525 + 1013904223;
            size_t at = (seed >> 8) % length;
            if (at >= 2) /* the id is right */
                r->p[at] = (uint8_t)(seed >> 24);
            if (seed >> 28 == 0)
                r->n = at + 1;
        }
        am_wire_result x = read_reply(r, "name.test", round % 2 ? MX : TXT);
        seen[x.kind]++;
        for (size_t i = 0; x.answer && i < x.answer->pub.n; i++) {
            am_str d = x.answer->pub.rr[i].data;
            assert_true(d.p >= (char *)x.answer && d.p + d.n <= (char *)x.answer + x.answer->bytes);
        }
        am_answer_unref(x.answer);
        free(r);
    }
    assert_true(seen[AM_WIRE_FOREIGN] && seen[AM_WIRE_FAILED] && seen[AM_WIRE_ANSWER]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_octets),
        cmocka_unit_test(names_as_text),
        cmocka_unit_test(names_below),
        cmocka_unit_test(packets),
        cmocka_unit_test(large_packets),
        cmocka_unit_test(long_chains),
        cmocka_unit_test(many_hosts_are_cut),
        cmocka_unit_test(case_matters_where_wanted),
        cmocka_unit_test(written_by_ldns),
        cmocka_unit_test(changed_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
