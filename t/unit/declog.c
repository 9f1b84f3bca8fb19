/* The decision log: records to lines and back, answers replayed, and lines written where it hurts.
 */
#include "config.h"

#include "t/unit/unit.h"

#include "milter/declog.h"
#include "milter/record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- Records ---- */

typedef struct fixture {
    am_arena *a;
    am_evidence e;
    am_record r;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    am_arena *a = am_arena_new(0);
    f = (fixture){.a = a};
    am_evidence *e = &f.e;
    e->now = 1763740800;
    assert_true(am_ip_parse(AM_STR("192.0.2.1"), &e->ip));
    e->has_helo = true;
    e->helo = AM_STR("mx.example.org");
    e->mail_from = AM_STR("<a@example.org>");
    am_path_parse(a, e->mail_from, &e->sender);
    e->has_iprev = e->has_spf = e->has_arc = e->has_dmarc = true;
    e->iprev = (am_iprev_verdict){.result = AM_PASS, .name = e->helo, .reason = ""};
    e->spf = (am_spf_verdict){.result = AM_FAIL,
        .domain = AM_STR("example.org"),
        .mechanism = AM_STR("all"),
        .explanation = AM_STR("go away")};
    e->helo_spf = (am_spf_verdict){.result = AM_NONE, .domain = e->helo};
    e->arc.reason = "";
    e->author = (am_author){
        .status = AM_AUTHOR_ONE, .mailbox = {AM_STR("boss"), AM_STR("example.org")}, .reason = ""};
    e->dmarc = (am_dmarc_verdict){.result = AM_FAIL,
        .domain = AM_STR("example.org"),
        .has_policy = true,
        .policy = AM_DMARC_REJECT,
        .requested = AM_DMARC_QUARANTINE,
        .testing = true,
        .reason = ""};
    f.r = (am_record){.time = AM_STR("2025-11-21T16:00:00.000Z"),
        .id = AM_STR("4Abc"),
        .rcpts = 3,
        .took_us = 1234,
        .evidence = e,
        .decision = {.action = AM_ACTION_REJECT,
            .code = "550",
            .xcode = "5.7.1",
            .text = "no",
            .disposition = "reject",
            .why = "dmarc"},
        .options = {.spf = {10, 2, 10, 64}, .dmarc = {.max_walks = 12}, .receiver = "here"}};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    am_arena_free(((fixture *)*state)->a);
    return 0;
}

/* Written and read again. The line must be one line of printable ASCII and JSON. */
static am_record again(fixture *f, const char *what)
{
    am_record out;
    am_error why;
    size_t n = 0;
    char *line = am_record_write(&f->r, &n);
    assert_non_null(line);
    for (size_t i = 0; i + 1 < n; i++)
        if (line[i] < 0x20 || line[i] > 0x7e)
            fail_msg("%s: octet %u in the line", what, (unsigned char)line[i]);
    assert_int_equal(line[n - 1], '\n');
    json_t *j = json_loadb(line, n, 0, NULL);
    if (!j)
        fail_msg("%s: no JSON: %.*s", what, (int)n, line);
    json_decref(j);
    if (!am_record_read(f->a, line, n, &out, &why))
        fail_msg("%s: %s", what, why.text);
    free(line);
    return out;
}

static void round_trip(void **state)
{
    fixture *f = *state;
    am_differences d = {.arena = f->a};
    am_record x = again(f, "round trip");
    want_str("time", x.time, "2025-11-21T16:00:00.000Z");
    want_str("id", x.id, "4Abc");
    want_int("rcpts", x.rcpts, 3);
    want_int("took", x.took_us, 1234);
    want_int("now", x.evidence->now, f->e.now);
    want_int("now of the options", x.options.now, f->e.now);
    want_str("mail from", x.evidence->mail_from, "<a@example.org>");
    want_str("its domain", x.evidence->sender.domain, "example.org");
    want_int("max_void", x.options.spf.max_void, 2);
    want_int("max_walks", x.options.dmarc.max_walks, 12);
    want_str("receiver", am_str_of(x.options.receiver), "here");
    want_str("author", x.evidence->author.mailbox.domain, "example.org");
    assert_false(x.evidence->author.mailbox.local.n);
    am_record_compare(&d, &f->e, x.evidence);
    am_record_compare_decision(&d, &f->r.decision, &x.decision);
    want_int("differences", d.n, 0);
}

/* That nobody looked for a list, that there was none, and that there was one are three things. */
static void lists(void **state)
{
    static const am_facts cases[] = {{.stage = AM_STAGE_END},
        {.stage = AM_STAGE_END, .header = true},
        {.stage = AM_STAGE_END, .header = true, .list = true, .list_id = AM_STR("l.example.org")}};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->r.facts = cases[i];
        am_record x = again(f, "lists");
        want_int("looked for", x.facts.header, cases[i].header);
        want_int("a list", x.facts.list, cases[i].list);
        want_str("its id", x.facts.list_id, cases[i].list_id.p ? cases[i].list_id.p : "");
    }
}

/* Every member of a verdict that is kept makes a difference when it is another. */
static void comparison(void **state)
{
    fixture *f = *state;
    am_evidence x = f->e;
    am_decision decision = f->r.decision;
    am_differences d = {.arena = f->a};
    x.spf.result = AM_PASS;
    x.spf.local_used = true;
    x.dmarc.requested = AM_DMARC_REJECT;
    x.iprev.name = AM_STR("other");
    x.fault = "out of memory";
    decision.text[0] = 'N';
    am_record_compare(&d, &f->e, &x);
    am_record_compare_decision(&d, &f->r.decision, &decision);
    static const char *const want[][3] = {{"iprev.name", "mx.example.org", "other"},
        {"spf.result", "fail", "pass"}, {"spf.local_used", "", "yes"},
        {"dmarc.requested", "quarantine", "reject"}, {"fault", "", "out of memory"},
        {"text", "no", "No"}};
    want_int("differences", d.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < d.n; i++) {
        want_str("what", d.item[i].what, want[i][0]);
        want_str(want[i][0], d.item[i].recorded, want[i][1]);
        want_str(want[i][0], d.item[i].now, want[i][2]);
    }
    x = f->e;
    x.has_iprev = false;
    d.n = 0;
    am_record_compare(&d, &f->e, &x);
    want_int("a method that did not run", d.n, 1);
}

/* All octets in every place that outsiders fill. */
static void hostile(void **state)
{
    fixture *f = *state;
    char all[256 + 24];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    memcpy(all + 256, "\\x41\\u0000\"},{\"id\":\"x\"\r\n", 24);
    am_str bad = am_str_n(all, sizeof all);
    am_dkim_verdict sig = {.result = AM_PASS,
        .domain = bad,
        .selector = bad,
        .identity = bad,
        .algorithm = bad,
        .signature = bad,
        .reason = "bad",
        .detail = bad};
    am_dns_rr rr = {.data = bad};
    am_dns_answer answer = {.status = AM_DNS_DATA, .n = 1, .rr = &rr};
    am_dns_lookup lookup = {bad, AM_DNS_TXT, &answer};
    f->e.helo = f->e.mail_from = f->e.auth_user = f->r.id = bad;
    f->e.spf.domain = f->e.spf.explanation = f->e.spf.reason = f->e.spf.mechanism = bad;
    f->e.iprev.name = f->e.author.mailbox.domain = f->e.dmarc.domain = bad;
    f->e.dkim = &sig;
    f->e.dkims = 1;
    f->r.lookup = &lookup;
    f->r.lookups = 1;
    am_record x = again(f, "all octets");
    assert_true(am_str_eq(x.id, bad));
    assert_true(am_str_eq(x.evidence->helo, bad));
    assert_true(am_str_eq(x.evidence->mail_from, bad));
    assert_true(am_str_eq(x.evidence->auth_user, bad));
    assert_true(am_str_eq(x.evidence->spf.explanation, bad));
    assert_true(am_str_eq(x.evidence->dkim[0].selector, bad));
    assert_true(am_str_eq(x.lookup[0].name, bad));
    assert_true(am_str_eq(x.lookup[0].answer->rr[0].data, bad));
    am_differences d = {.arena = f->a};
    am_record_compare(&d, &f->e, x.evidence);
    want_int("differences", d.n, 0);
    am_str spelt = am_record_spell(f->a, bad);
    size_t n;
    char *line = am_record_write(&f->r, &n);
    assert_non_null(memmem(line, n, spelt.p, spelt.n));
    free(line);
}

/* What syslog does not have stays out; and what is alike is kept once. */
static void left_out(void **state)
{
    fixture *f = *state;
    am_dkim_verdict sig[] = {{.result = AM_PASS,
                                 .identity = AM_STR("secret@example.org"),
                                 .detail = AM_STR("secret@example.net"),
                                 .signature = AM_STR("ABCDEFGHIJKLMNOP"),
                                 .reason = ""},
        {.result = AM_NEUTRAL, .reason = "not evaluated"},
        {.result = AM_NEUTRAL, .reason = "not evaluated"}};
    am_arc_set set = {.sealer = AM_STR("s.example"),
        .results = AM_STR(" mx.s.example; spf=pass smtp.mailfrom=secret@example.org; dmarc=pass "
                          "header.from=example.org; dkim=pass header.i=secret@example.org")};
    f->e.dkim = sig;
    f->e.dkims = 3;
    f->e.dkims_skipped = 2;
    f->e.author.mailbox.local = AM_STR("secret");
    f->e.arc =
        (am_arc_verdict){.result = AM_PASS, .instance = 1, .reason = "", .set = &set, .sets = 1};
    size_t n;
    char *line = am_record_write(&f->r, &n);
    assert_null(memmem(line, n, "secret", 6));
    free(line);
    am_record x = again(f, "left out");
    want_int("signatures", x.evidence->dkims, 2);
    want_int("over the limit", x.evidence->dkims_skipped, 2);
    want_str("i=", x.evidence->dkim[0].identity, "@example.org");
    want_str("detail", x.evidence->dkim[0].detail, "@example.net");
    want_str("b=", x.evidence->dkim[0].signature, "ABCDEFGH");
    /* What a trusted sealer says of DMARC can still be judged. */
    am_trust_entry entry;
    assert_true(am_trust_entry_parse(f->a, NULL, AM_STR("s.example"), &entry, NULL));
    am_trust_list trusted = {&entry, 1};
    am_trust t = am_trust_check(f->a, &trusted, &x.evidence->arc, AM_STR("example.org"));
    assert_true(t.overridden);
    t = am_trust_check(f->a, &trusted, &x.evidence->arc, AM_STR("example.net"));
    assert_false(t.overridden);
    set.results = AM_STR("((((");
    x = again(f, "results that cannot be read");
    t = am_trust_check(f->a, &trusted, &x.evidence->arc, AM_STR("example.org"));
    want_str("then", am_str_of(t.reason), "its results cannot be read");
}

/* A line never grows beyond its bound: look-ups go first, then the evidence. */
static void too_long(void **state)
{
    fixture *f = *state;
    size_t big = AM_RECORD_MAX;
    char *p = am_arena_alloc(f->a, big);
    memset(p, 'x', big);
    am_dns_rr rr = {.data = am_str_n(p, big)};
    am_dns_answer answer = {.status = AM_DNS_DATA, .n = 1, .rr = &rr};
    am_dns_lookup lookup = {AM_STR("example.org"), AM_DNS_TXT, &answer};
    f->r.lookup = &lookup;
    f->r.lookups = 1;
    am_record x = again(f, "look-ups");
    assert_true(x.cut && x.lookups == 0 && x.evidence != NULL);
    rr.data.n = AM_DECLOG_DATAGRAM;
    x = again(f, "room for them");
    assert_true(!x.cut && x.lookups == 1);
    f->r.max = AM_DECLOG_DATAGRAM;
    x = again(f, "less room");
    assert_true(x.cut && x.lookups == 0 && x.evidence != NULL);
    f->e.helo = am_str_n(p, big);
    x = again(f, "evidence");
    assert_true(x.cut && x.evidence == NULL);
    want_str("the decision stays", am_str_of(x.decision.why), "dmarc");
    f->r.id = am_str_n(p, big);
    size_t n;
    assert_null(am_record_write(&f->r, &n));
}

static void no_evidence(void **state)
{
    fixture *f = *state;
    f->r.evidence = NULL;
    f->r.decision.fault = true;
    am_record x = again(f, "none");
    assert_null(x.evidence);
    assert_true(x.decision.fault && !x.cut);
}

static long mallocs_left;

static void *scarce_malloc(size_t n)
{
    return mallocs_left-- > 0 ? malloc(n) : NULL;
}

/* Wherever jansson's memory ends: a whole line or none, the whole record or a reason. */
static void no_memory(void **state)
{
    fixture *f = *state;
    am_dns_rr rr = {.data = AM_STR("x")};
    am_dns_answer answer = {.status = AM_DNS_DATA, .n = 1, .rr = &rr};
    am_dns_lookup lookup = {AM_STR("example.org"), AM_DNS_TXT, &answer};
    f->r.lookup = &lookup;
    f->r.lookups = 1;
    size_t n, whole;
    char *line = am_record_write(&f->r, &whole);
    am_record out;
    am_error why;
    unsigned written = 0, read = 0;
    json_set_alloc_funcs(scarce_malloc, free);
    for (long i = 0; i < 2000 && !(written && read); i++) {
        mallocs_left = i;
        char *less = am_record_write(&f->r, &n);
        if (less)
            assert_true(n == whole && memcmp(less, line, n) == 0);
        written += less != NULL;
        free(less);
        mallocs_left = i;
        read += am_record_read(f->a, line, whole, &out, &why);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(written && read);
    free(line);
    /* And an arena that is too small for the record. */
    line = am_record_write(&f->r, &n);
    for (size_t cap = 0; cap < 8192; cap += 64) {
        am_arena *small = am_arena_new(cap + 1);
        if (am_record_read(small, line, n, &out, &why))
            want_str("all of it", out.lookup[0].answer->rr[0].data, "x");
        am_arena_free(small);
    }
    free(line);
}

/* Lines that somebody else made. */
static void not_believed(void **state)
{
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"", "no JSON"},
        {"[]", "\"v\" is not 1"},
        {"{}", "\"v\" is not 1"},
        {"{\"v\":2}", "\"v\" is not 1"},
        {"{\"v\":1,\"v\":1}", "no JSON"},
        {"{\"v\":1,\"id\":7}", "\"id\" is not a string"},
        {"{\"v\":1,\"id\":\"\\u0000\"}", "no JSON"},
        {"{\"v\":1,\"action\":\"explode\"}", "\"action\" is not a known word"},
        {"{\"v\":1,\"rcpts\":-1}", "\"rcpts\" is not a number in its range"},
        {"{\"v\":1,\"rcpts\":4294967296}", "\"rcpts\" is not a number in its range"},
        {"{\"v\":1,\"now\":1,\"client\":\"x\"}", "\"client\" is not an IP address"},
        {"{\"v\":1,\"now\":1,\"spf\":[]}", "\"spf\" is not an object"},
        {"{\"v\":1,\"now\":1,\"spf\":{\"result\":\"maybe\"}}", "\"result\" is not a known word"},
        {"{\"v\":1,\"now\":1,\"dmarc\":{},\"dkim\":[7]}", "\"dkim\" is not a list of objects"},
        {"{\"v\":1,\"now\":1,\"lookups\":[7]}", "\"lookups\" is not a list of objects"},
        {"{\"v\":1,\"now\":1,\"lookups\":[{\"type\":\"NS\"}]}", "\"type\" is not a known word"},
        {"{\"v\":1,\"now\":1,\"lookups\":[{\"status\":\"data\"}]}", "\"data\" is not there"},
        {"{\"v\":1,\"now\":1,\"lookups\":[{\"type\":\"A\",\"name\":\"a\",\"status\":\"data\","
         "\"data\":[\"::1\"]}]}",
            "\"data\" is not an address"},
        {"{\"v\":1,\"now\":1,\"lookups\":[{\"type\":\"MX\",\"name\":\"a\",\"status\":\"data\","
         "\"data\":[\"70000 a\"]}]}",
            "\"data\" is not a preference"},
        {"{\"v\":1,\"text\":\"" /* over the 320 of am_decision */
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789\"}",
            "\"text\" is not short enough"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_record r;
        am_error why = {""};
        if (am_record_read(f->a, cases[i].line, strlen(cases[i].line), &r, &why))
            fail_msg("%s: was read", cases[i].line);
        if (strncmp(why.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s, wanted %s", cases[i].line, why.text, cases[i].why);
    }
}

/* ---- Recorded answers ---- */

static void recorded_answers(void **state)
{
    fixture *f = *state;
    am_dns_rr txt = {.data = AM_STR("v=spf1 -all")};
    am_dns_rr mx[] = {{.data = AM_STR("mx.example.org"), .preference = 10}, {.preference = 20}};
    am_dns_rr a4 = {.ip = f->e.ip};
    am_dns_answer answer[] = {{.status = AM_DNS_DATA, .n = 1, .rr = &txt, .ttl = 7, .secure = true},
        {.status = AM_DNS_DATA, .n = 2, .rr = mx}, {.status = AM_DNS_DATA, .n = 1, .rr = &a4},
        {.status = AM_DNS_NXDOMAIN}, {.status = AM_DNS_NODATA},
        {.status = AM_DNS_TEMPFAIL, .reason = "SERVFAIL"}};
    am_dns_lookup list[] = {{AM_STR("example.org"), AM_DNS_TXT, &answer[0]},
        {AM_STR("example.org"), AM_DNS_MX, &answer[1]},
        {AM_STR("mx.example.org"), AM_DNS_A, &answer[2]},
        {AM_STR("gone.example.org"), AM_DNS_TXT, &answer[3]},
        {AM_STR("mx.example.org"), AM_DNS_AAAA, &answer[4]},
        {AM_STR("down.example.org"), AM_DNS_TXT, &answer[5]},
        {AM_STR("example.org"), AM_DNS_TXT, &answer[3]}, /* the second answer does not count */
        {AM_STR("not..askable"), AM_DNS_TXT, &answer[0]}};
    static const struct {
        const char *name;
        am_dns_type type;
        const char *want;
    } cases[] = {
        {"EXAMPLE.org.", AM_DNS_TXT, "v=spf1 -all"},
        {"example.org", AM_DNS_MX, "10 mx.example.org | 20 ."},
        {"mx.example.org", AM_DNS_A, "192.0.2.1"},
        {"gone.example.org", AM_DNS_TXT, "no such name"},
        {"mx.example.org", AM_DNS_AAAA, "no data"},
        {"down.example.org", AM_DNS_TXT, "temporary failure: SERVFAIL"},
        {"example.org", AM_DNS_A, "temporary failure: not recorded"},
        {"example.net", AM_DNS_TXT, "temporary failure: not recorded"},
        {"not..askable", AM_DNS_TXT, "no such name"},
    };
    f->r.lookup = list;
    f->r.lookups = sizeof list / sizeof *list;
    am_error why;
    am_record x = again(f, "look-ups");
    am_dns *dns = am_record_dns(&x, &why);
    assert_non_null(dns);
    am_dns_session *s = am_dns_begin(dns, f->a, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const am_dns_answer *got =
            am_dns_wait(s, "t", "0", am_str_of(cases[i].name), cases[i].type);
        want_str(cases[i].name, am_dns_answer_text(f->a, got, cases[i].type), cases[i].want);
    }
    const am_dns_answer *first = am_dns_wait(s, "t", "0", AM_STR("example.org"), AM_DNS_TXT);
    want_int("ttl", first->ttl, 7);
    assert_true(first->secure);
    size_t n;
    bool full;
    const am_dns_lookup *asked = am_dns_lookups(s, &n, &full);
    want_int("what was asked for", n, 8); /* all but the one that cannot be */
    want_str("in order", asked[0].name, "example.org");
    assert_ptr_equal(asked[0].answer, first);
    assert_false(full);
    am_dns_end(s);
    am_dns_free(dns);
    x.full = true;
    dns = am_record_dns(&x, &why);
    s = am_dns_begin(dns, f->a, &(am_dns_limits){.questions = 1}, NULL);
    const am_dns_answer *got = am_dns_wait(s, "t", "0", AM_STR("example.net"), AM_DNS_TXT);
    want_str("the bound was met then", am_str_of(got->reason), "too many look-ups");
    am_dns_start(s, AM_STR("example.org"), AM_DNS_TXT);
    (void)am_dns_wait(s, "t", "0", AM_STR("example.org"), AM_DNS_TXT);
    asked = am_dns_lookups(s, &n, &full);
    want_int("asked early and refused later", n, 1);
    assert_true(full && asked != NULL);
    am_dns_end(s);
    am_dns_free(dns);
}

/* An exchange of any octets is read as it was written. */
static void any_exchange(void **state)
{
    fixture *f = *state;
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    am_dns_rr mx[] = {{.data = AM_STR("mx.g\0xample"), .preference = 5}, {.preference = 65535},
        {.data = {all, sizeof all}}};
    am_dns_answer answer = {.status = AM_DNS_DATA, .n = 3, .rr = mx};
    am_dns_lookup one = {AM_STR("example.org"), AM_DNS_MX, &answer};
    f->r.lookup = &one;
    f->r.lookups = 1;
    am_record x = again(f, "exchanges");
    want_int("look-ups", x.lookups, 1);
    want_int("exchanges", x.lookup[0].answer->n, 3);
    for (size_t i = 0; i < 3; i++) {
        const am_dns_rr *rr = &x.lookup[0].answer->rr[i];
        want_int("preference", rr->preference, mx[i].preference);
        assert_true(am_str_eq(rr->data, mx[i].data));
    }
}

/* ---- Writing ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/authmill-declog.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[2][128];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void put(am_declog *d, const char *text)
{
    am_declog_put(d, strdup(text), strlen(text));
}

static am_str contents(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return am_str_n(text, n > 0 ? (size_t)n : 0);
}

static void in_order(void **state)
{
    (void)state;
    am_error why;
    const char *path = in_folder("plain");
    am_declog *d = am_declog_open(path, "", &why);
    assert_non_null(d);
    assert_true(am_declog_start(d));
    put(d, "one\n");
    put(d, "two\n");
    am_declog_close(d, 5000);
    d = am_declog_open(path, "", &why);
    assert_true(am_declog_start(d));
    put(d, "three\n");
    am_declog_close(d, 5000);
    want_str("appended", contents(path), "one\ntwo\nthree\n");
    struct stat st;
    stat(path, &st);
    want_int("mode", st.st_mode & 0777, 0640);
}

static void refused(void **state)
{
    (void)state;
    am_error why;
    int fd = open(in_folder("real"), O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(link(in_folder("real"), in_folder("second")), 0);
    assert_int_equal(symlink("/dev/null", in_folder("symbolic")), 0);
    static const struct {
        const char *name, *why;
    } cases[] = {{"symbolic", "symbolic link"}, {"second", "several names"}, {".", "directory"},
        {"nowhere/x", "No such file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = in_folder(cases[i].name);
        assert_false(am_declog_check(path, &why));
        if (!strstr(why.text, cases[i].why))
            fail_msg("%s: %s", cases[i].name, why.text);
        assert_null(am_declog_open(path, "", &why));
    }
    assert_true(am_declog_check(in_folder("new"), &why));
    assert_int_equal(access(in_folder("new"), F_OK), -1);
    assert_true(am_declog_check("", &why));
    assert_true(am_declog_check("/dev/stdout", &why));
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* /dev/full: every write says that the disk is full. */
static void disk_full(void **state)
{
    (void)state;
    am_error why;
    if (access("/dev/full", W_OK) != 0)
        skip();
    am_declog *d = am_declog_open("/dev/full", "", &why);
    assert_non_null(d);
    assert_true(am_declog_start(d));
    for (int i = 0; i < 100; i++)
        put(d, "line\n");
    for (int64_t end = clock_ms() + 5000; am_declog_count(d).lost < 100 && clock_ms() < end;)
        poll(NULL, 0, 5);
    want_int("lost", am_declog_count(d).lost, 100);
    want_int("written", am_declog_count(d).written, 0);
    am_declog_close(d, 5000);
}

/* A pipe that nobody reads: lines are lost, and nobody waits. */
static void pipe_full(void **state)
{
    (void)state;
    am_error why;
    static char line[4001];
    const char *path = in_folder("fifo");
    memset(line, 'x', 3999);
    line[3999] = '\n';
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(am_declog_open(path, "", &why)); /* no reader: said, not waited for */
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    am_declog *d = am_declog_open(path, "", &why);
    assert_non_null(d);
    assert_true(am_declog_start(d));
    int64_t from = clock_ms();
    for (int i = 0; i < 1000; i++)
        put(d, line);
    assert_true(clock_ms() - from < 2000);
    am_declog_stats n = {0, 0};
    for (int64_t end = clock_ms() + 5000; clock_ms() < end; poll(NULL, 0, 5)) {
        n = am_declog_count(d);
        if (n.lost + n.written == 1000)
            break;
    }
    want_int("counted", n.lost + n.written, 1000);
    assert_true(n.lost > 900 && n.written >= 1);
    close(reader);
    am_declog_close(d, 5000);
}

/* The thread does not come along (here: it was never started): the queue is bounded, and so is
 * the wait at the end. */
static void queue_full(void **state)
{
    (void)state;
    am_error why;
    am_declog *d = am_declog_open(in_folder("queue"), "", &why);
    put(d, "not started\n");
    want_int("without a thread", am_declog_count(d).lost, 1);
    am_declog_put(d, NULL, 0);
    want_int("a line that could not be made", am_declog_count(d).lost, 2);
    assert_true(am_declog_start(d));
    char *huge = malloc(AM_DECLOG_QUEUE + 1);
    am_declog_put(d, huge, AM_DECLOG_QUEUE + 1);
    want_int("more than the queue", am_declog_count(d).lost, 3);
    put(d, "fits\n");
    am_declog_close(d, 5000);
    want_str("the rest", contents(in_folder("queue")), "fits\n");
    am_declog_put(NULL, strdup("x"), 1);
    am_declog_close(NULL, 0);
}

static void torn_line(void **state)
{
    (void)state;
    am_error why;
    static char fill[65536], tail[65536];
    const char *path = in_folder("torn");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    am_declog *d = am_declog_open(path, "", &why);
    assert_true(am_declog_start(d));
    /* Over PIPE_BUF a pipe takes a part: the second line is torn. */
    char *a = malloc(60000), *b = malloc(60000);
    memset(a, 'a', 59999);
    memset(b, 'b', 59999);
    a[59999] = b[59999] = '\n';
    am_declog_put(d, a, 60000);
    am_declog_put(d, b, 60000);
    for (int64_t end = clock_ms() + 5000; am_declog_count(d).lost < 1 && clock_ms() < end;)
        poll(NULL, 0, 5);
    want_int("torn", am_declog_count(d).lost, 1);
    ssize_t n = read(reader, fill, sizeof fill);
    assert_true(n > 60000 && n < 120000);
    put(d, "{}\n");
    for (int64_t end = clock_ms() + 5000; am_declog_count(d).written < 2 && clock_ms() < end;)
        poll(NULL, 0, 5);
    n = read(reader, tail, sizeof tail);
    want_str("the next one begins a line", am_str_n(tail, n > 0 ? (size_t)n : 0), "\n{}\n");
    close(reader);
    am_declog_close(d, 5000);
}

/* What an earlier process left half written swallows no line of this one. */
static void torn_before(void **state)
{
    (void)state;
    am_error why;
    const char *path = in_folder("before");
    FILE *f = fopen(path, "w");
    fputs("{}\n{\"v\":1,\"id", f);
    fclose(f);
    for (int i = 0; i < 2; i++) {
        am_declog *d = am_declog_open(path, "", &why);
        assert_non_null(d);
        assert_true(am_declog_start(d));
        put(d, "{}\n");
        am_declog_close(d, 5000);
    }
    want_str("lines of their own", contents(path), "{}\n{\"v\":1,\"id\n{}\n{}\n");
}

/* ---- The journal ---- */

static int journal_socket(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 5};
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static am_str receive(int fd, char *room, size_t size)
{
    ssize_t n = recv(fd, room, size, 0);
    return am_str_n(room, n > 0 ? (size_t)n : 0);
}

static void journal(void **state)
{
    (void)state;
    am_error why;
    char *room = malloc(2 << 20);
    const char *path = in_folder("journal");
    int fd = journal_socket(path);
    am_declog *d = am_declog_open("", path, &why);
    assert_non_null(d);
    assert_true(am_declog_start(d));
    put(d, "{\"v\":1}\n");
    want_str("a datagram", receive(fd, room, 2 << 20),
        "PRIORITY=6\nSYSLOG_IDENTIFIER=authmill-decision\nMESSAGE={\"v\":1}\n");
    /* The longest line that is asked for is told, whatever privileges there are. */
    size_t max = am_declog_max(d);
    want_int("its bound", max, AM_DECLOG_DATAGRAM);
    char *big = malloc(max);
    memset(big, 'x', max - 1);
    big[max - 1] = '\n';
    am_declog_put(d, big, max);
    am_declog_stats n = {0, 0};
    for (int64_t end = clock_ms() + 5000; n.written + n.lost < 2 && clock_ms() < end;) {
        poll(NULL, 0, 5);
        n = am_declog_count(d);
    }
    want_int("written", n.written, 2);
    want_int("the longest line", receive(fd, room, 2 << 20).n, 55 + max);
    close(fd);
    unlink(path);
    put(d, "nobody\n");
    am_declog_close(d, 5000);
    free(room);
}

/* Several threads, one log: lines stay whole. */
static void *many_lines(void *d)
{
    for (int i = 0; i < 200; i++)
        put(d, "0123456789012345678901234567890123456789\n");
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    am_error why;
    pthread_t t[4];
    const char *path = in_folder("threads");
    am_declog *d = am_declog_open(path, "", &why);
    assert_true(am_declog_start(d));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, many_lines, d), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    am_declog_close(d, 5000);
    FILE *f = fopen(path, "r");
    char line[64];
    int n = 0;
    for (; fgets(line, sizeof line, f); n++)
        assert_string_equal(line, "0123456789012345678901234567890123456789\n");
    fclose(f);
    want_int("lines", n, 800);
}

#define RECORD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORD(round_trip),
        RECORD(lists),
        RECORD(comparison),
        RECORD(hostile),
        RECORD(left_out),
        RECORD(too_long),
        RECORD(no_evidence),
        RECORD(no_memory),
        RECORD(not_believed),
        RECORD(recorded_answers),
        RECORD(any_exchange),
        FOLDER(in_order),
        FOLDER(refused),
        FOLDER(disk_full),
        FOLDER(pipe_full),
        FOLDER(queue_full),
        FOLDER(torn_line),
        FOLDER(torn_before),
        FOLDER(journal),
        FOLDER(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
