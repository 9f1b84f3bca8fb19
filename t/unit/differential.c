/* differential: ways to the same verdict that have to agree, on messages drawn by chance.
 *
 * Each message is judged from a zone file in one chunk; then without early asking and in chunks of
 * any size; by the network engine, early asking on and off; by several threads at once, whose
 * questions meet; and its signatures by libopendkim. Everything that a reader of the verdict can
 * see has to be the same. DIFFERENTIAL_N messages (default 300) from DIFFERENTIAL_SEED (default:
 * fixed), which a failure names. */
#include "config.h"

#include "t/unit/world.h"

#include "libauth/message.h"

#include <time.h>

enum { THREADS = 4, FIELDS = 12, BODY = 3000, NOW = 1767225600 };

/* ---- Messages ---- */

typedef struct mail {
    char ip[20], helo[60], sender[80];
    const char *field[FIELDS];
    size_t fields;
    char body[BODY + 100];
    size_t n;
    bool crlf_only; /* no bare CR or LF in the body */
    char signed_by[2][900], headers[4][120];
} mail;

static const char *any_domain(chance *c, char *out, size_t size)
{
    snprintf(out, size, "%sd%u.test", draw(c, 4) ? "" : "a.", draw(c, WORLD_DOMAINS + 1));
    return out;
}

static void draw_body(mail *m, chance *c)
{
    static const char *const bits[] = {"word", " ", "  ", "\t", " \r\n", "\r\n", "\r\n\r\n",
        "a line of text\r\n", "=3D=20\r\n", "\t \r\n", ".", "\r", "\n"};
    unsigned kinds = draw(c, 5) ? 11 : 13;
    size_t want = draw(c, 3) ? draw(c, 300) : draw(c, BODY);
    m->crlf_only = kinds == 11;
    for (m->n = 0; m->n < want;) {
        const char *bit = bits[draw(c, kinds)];
        memcpy(m->body + m->n, bit, strlen(bit));
        m->n += strlen(bit);
    }
}

static am_str sign(const world *w, const mail *m, chance *c, am_arena *a, const char *domain)
{
    static const char *const selectors[] = {
        "rsa", "rsa", "ed25519", "other", "revoked", "broken", "none"};
    const char *selector = selectors[draw(c, 7)];
    bool ed = strcmp(selector, "ed25519") == 0;
    signing s = {.key = ed ? w->ed25519 : w->rsa,
        .names = draw(c, 2) ? "from:to:subject" : "from:from:subject:x-none",
        .relaxed_header = draw(c, 2),
        .relaxed_body = draw(c, 2),
        .length = -1};
    const char *raw[FIELDS + 1] = {NULL};
    memcpy(raw, m->field, m->fields * sizeof *raw);
    s.raw = raw;
    s.body = am_str_n(m->body, m->n);
    s.field = am_str_format(a,
        "DKIM-Signature: v=1; a=%s-sha256; d=%s; s=%s;\r\n\tc=%s/%s; h=%s;\r\n bh=@BH@;\r\n b=@B@",
        ed ? "ed25519" : "rsa", domain, selector, s.relaxed_header ? "relaxed" : "simple",
        s.relaxed_body ? "relaxed" : "simple", s.names)
                  .p;
    return sign_message(a, &s);
}

/* What happens on the way, now and then. */
static void alter(mail *m, chance *c)
{
    if (draw(c, 6) == 0 && m->n) {
        char *p = &m->body[draw(c, (unsigned)m->n)];
        m->crlf_only = m->crlf_only && *p != '\r' && *p != '\n';
        *p ^= 0x01;
    }
    if (draw(c, 6) == 0)
        snprintf(m->headers[2], sizeof m->headers[2], "Subject: [list]  altered");
}

static void draw_mail(mail *m, const world *w, chance *c, am_arena *a)
{
    char domain[40], other[40];
    *m = (mail){.fields = 0};
    snprintf(m->ip, sizeof m->ip, "192.0.2.%u", 1 + draw(c, WORLD_CLIENTS));
    snprintf(m->helo, sizeof m->helo, "mail.%s", any_domain(c, domain, sizeof domain));
    any_domain(c, domain, sizeof domain);
    snprintf(m->sender, sizeof m->sender, draw(c, 10) ? "user%u@%s" : "<>", draw(c, 3), domain);
    if (draw(c, 3) == 0)
        any_domain(c, domain, sizeof domain);
    snprintf(m->headers[0], sizeof m->headers[0], "From: \"Some One\" <user@%s>", domain);
    snprintf(m->headers[1], sizeof m->headers[1], "To:  you@here.test");
    snprintf(
        m->headers[2], sizeof m->headers[2], "Subject: a  folded\r\n\tsubject %u ", draw(c, 9));
    snprintf(m->headers[3], sizeof m->headers[3], "Date: Thu, 01 Jan 2026 00:00:00 +0000");
    for (int i = 0; i < 4; i++)
        m->field[m->fields++] = m->headers[i];
    draw_body(m, c);
    for (unsigned i = 0, n = draw(c, 3); i < n; i++) {
        am_str f = sign(w, m, c, a, draw(c, 3) ? domain : any_domain(c, other, sizeof other));
        snprintf(m->signed_by[i], sizeof m->signed_by[i], "%.*s", AM_ARG(f));
        m->field[m->fields++] = m->signed_by[i]; /* below the others: the order does not matter */
    }
    alter(m, c);
}

/* ---- Verdicts ---- */

static void feed(am_message *msg, const mail *m, chance *c)
{
    am_ip ip;
    am_ip_parse(am_str_of(m->ip), &ip);
    am_message_client(msg, &ip);
    am_message_helo(msg, am_str_of(m->helo));
    am_message_sender(msg, am_str_of(m->sender));
    for (size_t i = 0; i < m->fields; i++)
        am_message_field_raw(msg, am_str_of(m->field[i]));
    am_message_eoh(msg);
    for (size_t at = 0, n; at < m->n; at += n) {
        n = c ? 1 + draw(c, draw(c, 2) ? 5 : 500) : m->n;
        n = n < m->n - at ? n : m->n - at;
        am_message_body(msg, m->body + at, n);
    }
}

/* Everything that can be seen of the evidence, as text; of the signatures alone where `dkim`. */
static void describe(am_message *msg, const am_evidence *e, bool dkim, char *out, size_t size)
{
    am_arena *a = am_message_arena(msg);
    am_buf b = {.arena = a};
    am_results_options o = {.authserv_id = "mx.test", .full_sender = true};
    am_authres r = am_results(a, e, &o);
    if (!dkim) {
        am_buf_str(&b, am_authres_write(a, &r, "\n", 0));
        am_buf_format(&b, "\nspf %.*s \"%.*s\" helo %.*s", AM_ARG(e->spf.mechanism),
            AM_ARG(e->spf.explanation), AM_ARG(e->helo_spf.mechanism));
        am_buf_format(&b, "\ndmarc org %.*s policy %.*s %d asks %d %d%d %s",
            AM_ARG(e->dmarc.org_domain), AM_ARG(e->dmarc.policy_domain), e->dmarc.policy,
            e->dmarc.requested, e->dmarc.spf_aligned, e->dmarc.dkim_aligned, e->dmarc.reason);
    }
    for (size_t i = 0; i < e->dkims; i++)
        am_buf_format(&b, "\ndkim %s", am_result_word(e->dkim[i].result));
    am_str text = am_buf_get(&b);
    assert_true(text.n < size);
    snprintf(out, size, "%.*s", AM_ARG(text));
}

enum { TEXT = 6000 };

static void judge(am_dns *dns, const am_options *o, const mail *m, chance *c, bool dkim, char *out)
{
    am_message *msg = am_message_new(dns, o);
    assert_non_null(msg);
    feed(msg, m, c);
    const am_evidence *e = am_message_finish(msg);
    assert_null(e->fault);
    describe(msg, e, dkim, out, TEXT);
    am_message_free(msg);
}

/* ---- The ways ---- */

static const am_options plain = {.receiver = "mx.test", .now = NOW},
                        late = {.receiver = "mx.test", .now = NOW, .no_prefetch = true};

/* A comparison of verdicts that are all alike would say nothing. */
static const char *const kinds[] = {"spf=pass", "spf=fail", "spf=permerror", "dkim=pass",
    "dkim=fail", "dkim=permerror", "dmarc=pass", "dmarc=fail", "dmarc=none", "iprev=pass"};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct ways {
    world *w;
    server *server;
    am_dns *zone, *network;
    uint64_t seed;
    unsigned *seen; /* messages of each kind */
} ways;

static void want_same(const ways *y, unsigned i, const char *way, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return;
    print_error("message %u of seed %llu, %s:\n%s\nwant\n%s\n", i, (unsigned long long)y->seed, way,
        got, want);
    fail();
}

typedef struct one {
    const ways *y;
    const mail *m;
    char text[TEXT];
} one;

static void *in_a_thread(void *arg)
{
    one *x = arg;
    judge(x->y->network, &plain, x->m, NULL, false, x->text);
    return NULL;
}

static void together(const ways *y, unsigned i, const mail *m, const char *want)
{
    static one x[THREADS];
    pthread_t t[THREADS];
    for (int k = 0; k < THREADS; k++) {
        x[k] = (one){.y = y, .m = m};
        assert_int_equal(pthread_create(&t[k], NULL, in_a_thread, &x[k]), 0);
    }
    for (int k = 0; k < THREADS; k++)
        pthread_join(t[k], NULL);
    for (int k = 0; k < THREADS; k++)
        want_same(y, i, "several at once", x[k].text, want);
}

static void by_libopendkim(const ways *y, unsigned i, const mail *m)
{
#ifdef HAVE_LIBOPENDKIM
    char want[TEXT], got[TEXT];
    am_options other = plain;
    other.dkim.engine = AM_DKIM_LIBOPENDKIM;
    judge(y->zone, &plain, m, NULL, true, want);
    judge(y->zone, &other, m, NULL, true, got);
    if (m->crlf_only) /* libopendkim takes a bare LF for a line end */
        want_same(y, i, "libopendkim", got, want);
#else
    (void)y, (void)i, (void)m;
#endif
}

static void compare(const ways *y, unsigned i, const mail *m, chance *c)
{
    char want[TEXT], got[TEXT];
    judge(y->zone, &plain, m, NULL, false, want);
    for (int k = 0; k < KINDS; k++)
        y->seen[k] += strstr(want, kinds[k]) != NULL;
    judge(y->zone, &late, m, c, false, got);
    want_same(y, i, "zone file, not early, in chunks", got, want);
    judge(y->network, i % 2 ? &plain : &late, m, NULL, false, got);
    want_same(y, i, i % 2 ? "network" : "network, not early", got, want);
    if (i % 8 == 0)
        together(y, i, m, want);
    by_libopendkim(y, i, m);
}

static void open_ways(ways *y)
{
    char path[] = "/tmp/authmill-world-XXXXXX";
    const char *file = path;
    am_error why = {""};
    close(mkstemp(path));
    y->w = world_new(y->seed);
    world_zone(y->w, path);
    y->zone = am_dns_zonefiles(&file, 1, &why);
    want_str("zone file", am_str_of(why.text), "");
    unlink(path);
    y->server = start_server(world_answer, y->w);
    const char *address = y->server->address;
    y->network = am_dns_network(&(am_dns_options){.nameserver = &address, .nameservers = 1}, &why);
    want_str("network", am_str_of(why.text), "");
}

static void close_ways(ways *y)
{
    am_dns_free(y->zone);
    am_dns_free(y->network);
    stop_server(y->server);
    world_free(y->w);
}

static unsigned long setting(const char *name, unsigned long fallback)
{
    const char *v = getenv(name);
    return v && *v ? strtoul(v, NULL, 10) : fallback;
}

/* A world every hundred messages, so that a long run sees many. */
static void all_ways_agree(void **state)
{
    (void)state;
    unsigned seen[KINDS] = {0};
    unsigned long n = setting("DIFFERENTIAL_N", 300), seed = setting("DIFFERENTIAL_SEED", 20260101);
    for (unsigned long done = 0; done < n; seed++) {
        ways y = {.seed = seed, .seen = seen};
        chance c = {seed * 2654435761u + 1};
        open_ways(&y);
        for (unsigned i = 0; i < 100 && done < n; i++, done++) {
            static mail m;
            am_arena *a = am_arena_new(0);
            draw_mail(&m, y.w, &c, a);
            compare(&y, i, &m, &c);
            am_arena_free(a);
        }
        close_ways(&y);
    }
    for (int k = 0; k < KINDS && n >= 300; k++)
        want_int(kinds[k], seen[k] > 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_agree)};
    return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
