/* dns_memory: each allocation of a look-up fails once; the answer is right or a failure. */
#include "t/unit/dns_server.h"

#include "libauth/dns/dns.h"

/* The linker puts these in the place of the C library's (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static atomic_int left = -1;      /* allocations until the one that fails; below 0: none */
static _Thread_local bool immune; /* the server's thread */

static bool fails(void)
{
    if (immune || atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

static void answer(server *s, const query *q)
{
    (void)s;
    immune = true;
    bool cut = strcmp(q->name, "tcp.test") == 0 && !q->tcp;
    reply *r = begin_reply(q, cut ? TC : 0);
    if (strcmp(q->name, "alias.test") == 0)
        put_host(r, 6, NULL, 5, 300, "end.test");
    else if (!cut)
        put_txt(r, NULL, 300, "right");
    send_reply(q, r);
}

/* True: everything was answered rightly. */
static bool ask_all(am_dns *d)
{
    static const char *const names[] = {"plain.test", "tcp.test", "alias.test", "plain.test"};
    am_arena *a = am_arena_new(0);
    am_dns_session *s = a ? am_dns_begin(d, a, NULL, NULL) : NULL;
    bool right = s != NULL;
    for (size_t i = 0; s && i < 4; i++) {
        const am_dns_answer *x = am_dns_wait(s, "t", "t", am_str_of(names[i]), AM_DNS_TXT);
        assert_true(x->status == AM_DNS_DATA || x->status == AM_DNS_TEMPFAIL);
        if (x->status == AM_DNS_DATA)
            want_str(names[i], x->rr[0].data, "right");
        else
            right = false;
    }
    am_dns_end(s);
    am_arena_free(a);
    return right;
}

static void network_without_memory(void **state)
{
    (void)state;
    server *s = start_server(answer, NULL);
    const char *address = s->address;
    am_dns_options o = {.nameserver = &address, .nameservers = 1, .try_ms = 10};
    int opened = 0, failed = 0, whole = 0;
    for (int k = 0; k < 80; k++) {
        am_error why = {""};
        atomic_store(&left, k);
        am_dns *d = am_dns_network(&o, &why);
        if (d) {
            opened++;
            whole += ask_all(d);
        } else {
            failed++;
            want_str("reason", am_str_of(why.text), "out of memory");
        }
        atomic_store(&left, -1);
        am_dns_free(d);
    }
    stop_server(s);
    assert_true(failed >= 18 && opened >= 40);      /* the cache alone allocates 17 times */
    assert_true(whole >= 10 && whole < opened - 5); /* failures were met, and left behind */
}

static void zone_without_memory(void **state)
{
    (void)state;
    char path[] = "/tmp/authmill-zone-XXXXXX";
    static const char text[] = "plain.test. TXT right\ntcp.test. TXT right\n"
                               "alias.test. CNAME plain.test.\n";
    int fd = mkstemp(path), failed = 0, whole = 0;
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    const char *file = path;
    for (int k = 0; k < 60; k++) {
        am_error why = {""};
        atomic_store(&left, k);
        am_dns *d = am_dns_zonefiles(&file, 1, &why);
        if (d) {
            whole += ask_all(d);
        } else {
            failed++;
            assert_non_null(strstr(why.text, "emory"));
        }
        atomic_store(&left, -1);
        am_dns_free(d);
    }
    unlink(path);
    assert_true(failed >= 20 && whole >= 10);
}

static void recorded_without_memory(void **state)
{
    (void)state;
    const am_dns_rr right = {.data = AM_STR("right")};
    const am_dns_answer text = {.status = AM_DNS_DATA, .n = 1, .rr = &right};
    const am_dns_lookup list[] = {{AM_STR("plain.test"), AM_DNS_TXT, &text},
        {AM_STR("tcp.test"), AM_DNS_TXT, &text}, {AM_STR("alias.test"), AM_DNS_TXT, &text}};
    int failed = 0, whole = 0;
    for (int k = 0; k < 60; k++) {
        am_error why = {""};
        atomic_store(&left, k);
        am_dns *d = am_dns_recorded(list, 3, "not recorded", &why);
        if (d) {
            whole += ask_all(d);
        } else {
            failed++;
            want_str("reason", am_str_of(why.text), "out of memory");
        }
        atomic_store(&left, -1);
        am_dns_free(d);
    }
    assert_true(failed >= 20 && whole >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_without_memory),
        cmocka_unit_test(zone_without_memory),
        cmocka_unit_test(recorded_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
