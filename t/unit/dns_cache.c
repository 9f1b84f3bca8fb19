/* dns_cache: what is kept, how long, and how much of it; and whom to ask. */
#include "t/unit/unit.h"

#include "libauth/dns/flight.h"
#include "libauth/dns/servers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

static am_qkey key(const char *name, am_dns_type type)
{
    static const am_seed seed = {1, 2};
    am_qkey k;
    assert_true(am_qkey_make(&seed, am_str_of(name), type, &k));
    return k;
}

static void put(am_cache *c, const char *name, am_dns_status status, uint32_t ttl, int64_t now)
{
    am_qkey k = key(name, AM_DNS_A);
    am_answer *x = am_answer_new(status, 0, 0);
    x->pub.ttl = ttl;
    am_cache_put(c, &k, x, now);
    am_answer_unref(x);
}

static bool has(am_cache *c, const char *name, am_dns_type type, int64_t now)
{
    am_qkey k = key(name, type);
    am_answer *x = am_cache_get(c, &k, now);
    bool found = x != NULL;
    am_answer_unref(x);
    return found;
}

static void keys(void **state)
{
    (void)state;
    static const am_seed zero = {0, 0};
    am_qkey a = key("Example.ORG.", AM_DNS_A), b = key("example.org", AM_DNS_A);
    am_qkey c = key("example.org", AM_DNS_TXT), d;
    assert_true(am_qkey_eq(&a, &b));
    assert_false(am_qkey_eq(&b, &c));
    assert_int_not_equal(b.hash, c.hash);
    assert_false(am_qkey_make(&zero, AM_STR("a..b"), AM_DNS_A, &d));
    assert_true(am_qkey_make(&zero, AM_STR("example.org"), AM_DNS_A, &d));
    assert_int_not_equal(d.hash, b.hash);
}

static void lives_for_its_ttl(void **state)
{
    (void)state;
    am_cache *c = am_cache_new(1 << 20);
    put(c, "data.test", AM_DNS_DATA, 10, 1000);
    put(c, "zero.test", AM_DNS_DATA, 0, 1000);
    put(c, "failed.test", AM_DNS_TEMPFAIL, 0, 1000);
    assert_true(has(c, "DATA.test", AM_DNS_A, 1000));
    assert_false(has(c, "data.test", AM_DNS_AAAA, 1000));
    assert_true(has(c, "data.test", AM_DNS_A, 10999));
    assert_false(has(c, "data.test", AM_DNS_A, 11000));
    assert_false(has(c, "data.test", AM_DNS_A, 1000)); /* it is gone */
    assert_false(has(c, "zero.test", AM_DNS_A, 1000));
    assert_true(has(c, "failed.test", AM_DNS_A, 5999));
    assert_false(has(c, "failed.test", AM_DNS_A, 6000));
    size_t entries, bytes;
    am_cache_count(c, &entries, &bytes);
    want_int("entries", entries, 0);
    want_int("bytes", bytes, 0);
    /* A later answer takes the place of the earlier. */
    put(c, "data.test", AM_DNS_DATA, 10, 1000);
    put(c, "data.test", AM_DNS_NODATA, 100, 2000);
    am_qkey k = key("data.test", AM_DNS_A);
    am_answer *x = am_cache_get(c, &k, 50000);
    want_int("status", x->pub.status, AM_DNS_NODATA);
    am_answer_unref(x);
    am_cache_count(c, &entries, &bytes);
    want_int("entries", entries, 1);
    am_cache_free(c);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    enum { BYTES = 64 << 10 };
    am_cache *c = am_cache_new(BYTES);
    am_qkey k = key("held.test", AM_DNS_A);
    put(c, "held.test", AM_DNS_DATA, 1000, 0);
    am_answer *held = am_cache_get(c, &k, 0);
    size_t entries = 0, bytes = 0, most = 0;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.test", i);
        put(c, name, AM_DNS_DATA, 1000, 0);
        assert_true(has(c, "used.test", AM_DNS_A, 0) || i == 0);
        put(c, "used.test", AM_DNS_DATA, 1000, 0);
        am_cache_count(c, &entries, &bytes);
        assert_true(bytes <= BYTES);
        most = entries > most ? entries : most;
    }
    assert_true(most > 100 && entries > 100);
    assert_false(has(c, "n0.test", AM_DNS_A, 0));       /* the longest unused go */
    assert_true(has(c, "n2999.test", AM_DNS_A, 0));     /* the latest stays */
    want_int("held on", held->pub.status, AM_DNS_DATA); /* what is held lives */
    am_answer_unref(held);
    am_cache_free(c);

    /* One that is larger than a shard is not kept, and drives nothing out. */
    c = am_cache_new(16 * 1024);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.test", i);
        put(c, name, AM_DNS_DATA, 1000, 0);
    }
    am_cache_count(c, &most, &bytes);
    am_answer *large = am_answer_new(AM_DNS_DATA, 0, 5000);
    large->pub.ttl = 100;
    am_cache_put(c, &k, large, 0);
    assert_false(has(c, "held.test", AM_DNS_A, 0));
    am_cache_count(c, &entries, &bytes);
    want_int("entries", entries, most);
    am_answer_unref(large);
    am_cache_free(c);
}

/* Waits for a flight, for at most 5 seconds. */
static bool lands(am_flight *f, am_answer **x)
{
    am_bell bell;
    am_ear ear;
    assert_true(am_bell_open(&bell));
    am_flight_listen(f, &ear, &bell);
    am_bell_wait(&bell, 0, am_now() + 5000);
    am_flight_unlisten(f, &ear);
    am_bell_close(&bell);
    return am_flight_landed(f, x);
}

/* ---- Many threads: whoever takes off lands; the others get the same. ---- */

enum { NAMES = 2000 };

typedef struct crowd {
    am_cache *cache;
    am_flights *flights;
    atomic_uint landed;
} crowd;

static void meet(crowd *w, int i)
{
    char name[16];
    snprintf(name, sizeof name, "n%d.test", i);
    am_qkey k = key(name, AM_DNS_A);
    am_answer *x = NULL;
    am_flight *f = NULL;
    am_join how = am_flights_join(w->flights, &k, false, &x, &f);
    if (how == AM_JOIN_FRESH) {
        am_answer *fresh = am_answer_new(AM_DNS_NODATA, 0, 0);
        fresh->pub.ttl = 100;
        atomic_fetch_add(&w->landed, 1);
        am_flight_land(f, fresh);
    }
    if (f && !lands(f, &x))
        fail_msg("%s does not land", name);
    assert_non_null(x);
    am_answer_unref(x);
    am_flight_unref(f);
}

static void *walk(void *with)
{
    for (int i = 0; i < NAMES; i++)
        meet(with, i);
    return NULL;
}

static void threads_meet(void **state)
{
    (void)state;
    crowd w = {.cache = am_cache_new(8 << 20)};
    w.flights = am_flights_new(w.cache);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, walk, &w), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    want_int("each name is asked once", atomic_load(&w.landed), NAMES);
    am_flights_free(w.flights);
    am_cache_free(w.cache);
}

static void flights_are_bounded(void **state)
{
    (void)state;
    am_cache *c = am_cache_new(1 << 20);
    am_flights *t = am_flights_new(c);
    am_flight **f = calloc(AM_FLIGHTS_MAX, sizeof(am_flight *));
    am_answer *x;
    char name[16];
    for (int i = 0; i < AM_FLIGHTS_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        am_qkey k = key(name, AM_DNS_A);
        assert_int_equal(am_flights_join(t, &k, false, &x, &f[i]), AM_JOIN_FRESH);
    }
    am_qkey k = key("one-more", AM_DNS_A);
    am_flight *more;
    assert_int_equal(am_flights_join(t, &k, false, &x, &more), AM_JOIN_FULL);
    for (int i = 0; i < AM_FLIGHTS_MAX; i++) {
        am_flight_land(f[i], NULL);
        assert_true(am_flight_landed(f[i], &x));
        assert_null(x); /* landed without memory */
        am_flight_unref(f[i]);
    }
    assert_int_equal(am_flights_join(t, &k, false, &x, &more), AM_JOIN_FRESH);
    am_flight_land(more, NULL);
    am_flight_unref(more);
    free(f);
    am_flights_free(t);
    am_cache_free(c);
}

/* Many may be in flight when there is still room: what lands is bounded all the same. Small answers
 * always have room, and so have those that somebody waits for. */
static void what_lands_is_bounded(void **state)
{
    (void)state;
    enum { BIG = 100000, MANY = 2 * AM_FLIGHTS_OCTETS / BIG };
    am_cache *c = am_cache_new(1 << 20);
    am_flights *t = am_flights_new(c);
    am_flight **f = calloc(MANY, sizeof(am_flight *));
    am_answer *x;
    char name[16];
    size_t held = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d", i);
        am_qkey k = key(name, AM_DNS_TXT);
        assert_int_equal(am_flights_join(t, &k, i == MANY - 2, &x, &f[i]), AM_JOIN_FRESH);
        if (i == MANY - 3) {
            assert_int_equal(am_flights_join(t, &k, true, &x, &f[i]), AM_JOIN_JOINED);
            am_flight_unref(f[i]);
        }
    }
    assert_false(am_flight_want(f[MANY - 4]));
    for (int i = 0; i < MANY; i++) {
        am_flight_land(f[i], am_answer_new(AM_DNS_DATA, 0, i < MANY - 1 ? BIG : 1000));
        assert_true(am_flight_landed(f[i], &x));
        held += x->bytes;
        if (i < MANY / 2 - 10 || i >= MANY - 4)
            want_int("data", x->pub.status, AM_DNS_DATA);
        am_answer_unref(x);
    }
    assert_in_range(held, AM_FLIGHTS_OCTETS - BIG, AM_FLIGHTS_OCTETS + 5 * BIG);
    assert_true(am_flight_want(f[0]));
    for (int i = 0; i < MANY; i++)
        am_flight_unref(f[i]);
    assert_false(am_flights_crowded(t));
    free(f);
    am_flights_free(t);
    am_cache_free(c);
}

/* ---- Servers ---- */

static void describe(const am_servers *s, char *out, size_t room)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->n; i++) {
        char ip[64];
        const struct sockaddr *a = (const struct sockaddr *)&s->server[i].address;
        const struct sockaddr_in *four = (const struct sockaddr_in *)a;
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
        if (a->sa_family == AF_INET)
            inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip);
        else
            inet_ntop(AF_INET6, &six->sin6_addr, ip, sizeof ip);
        n += (size_t)snprintf(out + n, room - n, "%s@%u%s ", ip,
            (unsigned)ntohs(a->sa_family == AF_INET ? four->sin_port : six->sin6_port),
            s->server[i].loopback ? "!" : "");
    }
    snprintf(out + n, room - n, "%u %u%s", s->try_ms, s->rounds, s->trust_ad ? " ad" : "");
}

static void resolv_conf(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "127.0.0.1@53! 1500 6"},
        {"# nothing\nsearch example.org\n", "127.0.0.1@53! 1500 6"},
        {"nameserver 192.0.2.1\nnameserver\t2001:db8::1  \r\n",
            "192.0.2.1@53 2001:db8::1@53 1500 6"},
        {"nameserver 192.0.2.1", "192.0.2.1@53 1500 6"},
        {"nameserver 127.1\nnameserver x\nnameserver ::1\n", "::1@53! 1500 6"},
        {"nameserver 127.0.0.53\noptions edns0 timeout:3 attempts:2 trust-ad\n",
            "127.0.0.53@53! 3000 2 ad"},
        {"options timeout:0 attempts:99 timeout:x\n;nameserver 192.0.2.1\n",
            "127.0.0.1@53! 1500 5"},
        {"nameserver fe80::1%lo\n", "fe80::1@53 1500 6"},
        {"nameserver ::ffff:127.0.0.1\nnameserver ::ffff:192.0.2.1\n",
            "::ffff:127.0.0.1@53! ::ffff:192.0.2.1@53 1500 6"},
        {"options timeout:31 attempts:0\n", "127.0.0.1@53! 30000 6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[] = "/tmp/authmill-resolv-XXXXXX", got[512];
        int fd = mkstemp(path);
        size_t n = strlen(cases[i].text);
        assert_int_equal(write(fd, cases[i].text, n), (ssize_t)n);
        close(fd);
        am_servers s;
        assert_true(am_servers_read(&(am_dns_options){.resolv_conf = path}, &s, NULL));
        unlink(path);
        describe(&s, got, sizeof got);
        want_str(cases[i].text, am_str_of(got), cases[i].want);
    }
}

static void named_servers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: an error */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1@53 700 6 ad"},
        {"127.0.0.2@5353", "127.0.0.2@5353! 700 6 ad"},
        {"::1@65535", "::1@65535! 700 6 ad"},
        {"2001:db8::1", "2001:db8::1@53 700 6 ad"},
        {"", NULL},
        {"localhost", NULL},
        {"192.0.2.1@", NULL},
        {"192.0.2.1@0", NULL},
        {"192.0.2.1@65536", NULL},
        {"192.0.2.1@53x", NULL},
        {"192.0.2.1:53", NULL},
        {"@53", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_servers s;
        am_error why;
        char got[512] = "";
        am_dns_options o = {
            .nameserver = &cases[i].text, .nameservers = 1, .try_ms = 700, .trust_ad = true};
        want_int(cases[i].text, am_servers_read(&o, &s, &why), cases[i].want != NULL);
        if (cases[i].want) {
            describe(&s, got, sizeof got);
            want_str(cases[i].text, am_str_of(got), cases[i].want);
        } else {
            assert_non_null(strstr(why.text, "want ADDR or ADDR@PORT"));
        }
    }
}

/* No file to read is the resolver of this host; more servers than there is room for are said. */
static void other_servers(void **state)
{
    (void)state;
    am_servers s;
    am_error why;
    char got[512];
    am_dns_options o = {.resolv_conf = "/nonexistent/resolv.conf"};
    assert_true(am_servers_read(&o, &s, &why));
    describe(&s, got, sizeof got);
    want_str("no file", am_str_of(got), "127.0.0.1@53! 1500 6");
    const char *many[AM_SERVERS_MAX + 1];
    for (size_t i = 0; i <= AM_SERVERS_MAX; i++)
        many[i] = "192.0.2.1";
    o.nameserver = many;
    o.nameservers = AM_SERVERS_MAX;
    assert_true(am_servers_read(&o, &s, &why));
    want_int("all", s.n, AM_SERVERS_MAX);
    o.nameservers++;
    assert_false(am_servers_read(&o, &s, &why));
    assert_non_null(strstr(why.text, "are too many"));
    assert_null(am_dns_network(&o, &why));
}

static void health(void **state)
{
    (void)state;
    am_servers s = {.n = 3};
    want_int("the first", am_servers_pick(&s, 0, 0), 0);
    want_int("but one", am_servers_pick(&s, 1, 0), 1);
    want_int("none", am_servers_pick(&s, 7, 0), -1);
    for (int i = 0; i < 3; i++)
        am_server_missed(&s, 0, i, i);
    want_int("down", am_servers_pick(&s, 0, 10), 1);
    want_int("down, but the last", am_servers_pick(&s, 6, 10), 0);
    want_int("tried again", am_servers_pick(&s, 0, 30002), 0);
    for (int i = 0; i < 3; i++)
        am_server_missed(&s, 1, 100, 100), am_server_missed(&s, 2, 200, 200);
    want_int("the one longest down", am_servers_pick(&s, 0, 300), 0);
    am_server_answered(&s.server[2], 300);
    want_int("up again", am_servers_pick(&s, 0, 300), 2);
    for (int i = 0; i < 9; i++)
        am_server_missed(&s, 2, 299, 400 + i);
    want_int("it has answered since", am_servers_pick(&s, 0, 500), 2);
    s.try_ms = 50;
    for (int i = 0; i < 9; i++)
        am_server_missed(&s, 2, 400, 500 + 11 * i);
    want_int("two in the time of two tries", am_servers_pick(&s, 0, 600), 2);
    am_server_missed(&s, 2, 500, 610);
    want_int("three", am_servers_pick(&s, 0, 610), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(lives_for_its_ttl),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(threads_meet),
        cmocka_unit_test(flights_are_bounded),
        cmocka_unit_test(what_lands_is_bounded),
        cmocka_unit_test(resolv_conf),
        cmocka_unit_test(named_servers),
        cmocka_unit_test(other_servers),
        cmocka_unit_test(health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
