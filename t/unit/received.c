/* received: fields of real MTAs, forged ones, dates, and octets at random. */
#include "t/unit/unit.h"

#include "libauth/mail/date.h"
#include "libauth/mail/received.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t seed = 0x9E3779B97F4A7C15;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % sides;
}

/* ---- fields of real MTAs: t/vectors/received/fields.txt */

static const char *const status_words[] = {"garbage", "unsure", "read"};
static const char *const via_words[] = {"unknown", "smtp", "lmtp", "http", "fetch", "local"};

static void line(am_buf *b, const char *name, am_str value)
{
    if (!value.n)
        return;
    am_buf_format(b, "%s: ", name);
    am_buf_str(b, value);
    am_buf_char(b, '\n');
}

/* The members in the file's order; what is empty is left out. */
static am_str render(am_arena *a, const am_received *r)
{
    char ip[AM_IP_TEXT];
    am_buf b = {.arena = a}, flags = {.arena = a};
    line(&b, "status", am_str_of(status_words[r->status]));
    line(&b, "reason", am_str_of(r->reason));
    line(&b, "style", am_str_of(am_received_style_word(r->style)));
    line(&b, "via", am_str_of(via_words[r->via]));
    line(&b, "helo", r->helo);
    line(&b, "name", r->name);
    line(&b, "ip", am_str_of(am_ip_text(&r->ip, ip)));
    line(&b, "user", r->user);
    am_buf_format(&flags, "%s%s%s%s", r->tls ? " tls" : "", r->auth ? " auth" : "",
        r->forged ? " forged" : "", r->from_network ? " network" : "");
    line(&b, "flags", am_str_trim(am_buf_get(&flags)));
    line(&b, "by", r->by);
    line(&b, "with", r->with);
    line(&b, "id", r->id);
    line(&b, "for", r->rcpt);
    if (r->has_time)
        am_buf_format(&b, "time: %" PRId64 "%s\n", r->time, r->zone_known ? "" : " (zone unknown)");
    return am_buf_get(&b);
}

static am_str slurp(am_arena *a)
{
    const char *src = getenv("AUTHMILL_SRC");
    char path[4096], chunk[4096];
    size_t n;
    am_buf b = {.arena = a};
    snprintf(path, sizeof path, "%s/t/vectors/received/fields.txt", src ? src : ".");
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot read %s (is AUTHMILL_SRC set?)", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        am_buf_add(&b, chunk, n);
    fclose(f);
    assert_false(b.failed);
    return am_buf_get(&b);
}

typedef struct vector {
    am_str title, value, want;
} vector;

/* "== title\nvalue\n--\nwant\n\n": takes one; false: no more */
static bool next_vector(am_str *rest, vector *v)
{
    const char *start = rest->n ? strstr(rest->p, "\n== ") : NULL;
    if (!start)
        return false;
    const char *title = start + 4, *value = strchr(title, '\n') + 1;
    const char *want = strstr(value, "\n--\n"), *end = want ? strstr(want, "\n\n") : NULL;
    assert_non_null(want);
    if (!end)
        end = rest->p + rest->n - 1;
    v->title = am_str_n(title, (size_t)(value - 1 - title));
    v->value = am_str_n(value, (size_t)(want - value));
    v->want = am_str_n(want + 4, (size_t)(end + 1 - want - 4));
    *rest = am_str_n(end, (size_t)(rest->p + rest->n - end));
    return true;
}

static am_str with_crlf(am_arena *a, am_str s)
{
    am_buf b = {.arena = a};
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n')
            am_buf_char(&b, '\r');
        am_buf_char(&b, s.p[i]);
    }
    return am_buf_get(&b);
}

static void real_fields(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_str file = slurp(a);
    vector v;
    size_t n = 0;
    while (next_vector(&file, &v)) {
        am_received r;
        const char *title = am_str_copy(a, v.title).p, *want = am_str_copy(a, v.want).p;
        bool read = am_received_parse(v.value, &r);
        assert_int_equal(read, r.status == AM_RECEIVED_READ);
        want_str(title, render(a, &r), want);
        am_received_parse(with_crlf(a, v.value), &r);
        want_str(title, render(a, &r), want);
        n++;
    }
    assert_true(n >= 60);
    am_arena_free(a);
}

/* A field that was cut off anywhere tells nothing of the client: libmilter hands over C strings. */
static void cut_off_anywhere(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_str file = slurp(a);
    vector v;
    while (next_vector(&file, &v)) {
        size_t semicolon = am_str_rfind(v.value, ';');
        for (size_t n = 0; n <= semicolon + 8 && n < v.value.n; n++) {
            am_received r;
            /* a copy of the exact size, so that a sanitizer sees every octet read behind it */
            char *exact = malloc(n ? n : 1);
            memcpy(exact, v.value.p, n);
            am_received_parse(am_str_n(exact, n), &r);
            if (r.ip.family)
                fail_msg("%.*s: an address of the first %zu octets", AM_ARG(v.title), n);
            free(exact);
        }
    }
    am_arena_free(a);
}

/* ---- forged fields: what a client can bring about in the field of a trusted relay */

#define TRUE_IP "198.51.100.66" /* which the MTA recorded */
#define LIE "192.0.2.1"         /* which the client wants to be */
#define DATE "Mon, 01 Jan 2024 10:00:00 +0000"

/* How MTAs would write it if they put down what they are given as it is. %h: HELO,
 * %r: reverse name, %i: ident, %u: user or certificate, %m: MAIL FROM, %t: RCPT TO */
static const char *const templates[] = {
    "from %h (%r [" TRUE_IP
    "]) by mx.example.net (Postfix) with ESMTP id 4F3B81C0123 for <%t>; " DATE,
    "from %h (%r [" TRUE_IP "])\r\n\t(Client CN \"%u\", Issuer \"%u\" (verified OK))\r\n"
    "\t(Authenticated sender: %u)\r\n\tby mx.example.net (Postfix) with ESMTPSA id 1 for "
    "<%t>; " DATE,
    "from %h (%r [" TRUE_IP "] (may be forged)) (authenticated bits=0) by mx.example.net "
    "(8.17.1/8.17.1) with ESMTPA id 4019abcd for <%t>; " DATE,
    "from %h (%i@%r [" TRUE_IP
    "]) by mx.example.net (8.17.1/8.17.1) with ESMTP id 1 for <%t>; " DATE,
    "from %r ([" TRUE_IP "]:5222 helo=%h) by mx.example.net with esmtp (Exim 4.96) "
    "(envelope-from <%m>) id 1rKFnA-0001Ab-2C for %t; " DATE,
    "from [" TRUE_IP "] (port=5222 helo=%h ident=%i) by mx.example.net with esmtp (Exim 4.96) "
    "(envelope-from <%m>) id 1rKFnA-0001Ab-2C for %t; " DATE,
    "from [" TRUE_IP "] (helo=%h) by mx.example.net with esmtp (Exim 4.96) id 1-2-3; " DATE,
    "from %h (" TRUE_IP ") by mx.example.net (10.0.0.1) with Microsoft SMTP Server (TLS) id "
    "15.20.7159.9; " DATE,
    "from %h (" TRUE_IP
    ") by mx.example.net with Microsoft SMTP Server id 14.3.1.2 for <%t>; " DATE,
    "from %r (HELO %h) (" TRUE_IP ") by mx.example.net with SMTP; 1 Nov 2003 07:05:19 -0000",
    "from %r (HELO %h) (%i@" TRUE_IP ") by mx.example.net with SMTP; 1 Nov 2003 07:05:19 -0000",
    "from %h (" TRUE_IP ") by mx.example.net with ESMTP; 1 Nov 2003 07:05:19 -0000",
    "from unknown (HELO %h) ([" TRUE_IP "]) by esa1.example.net with ESMTP/TLS/AES; " DATE,
    "from %h (%r [::ffff:" TRUE_IP "]) (AUTH: PLAIN %u) by mx.example.net with esmtp id 1; " DATE,
    "from %h (%r. [" TRUE_IP "]) by mx.google.com with ESMTPS id z15si1wmp.12 for <%t> "
    "(version=TLS1_3 cipher=X bits=256/256); " DATE " (PST)",
    "from %h ([" TRUE_IP "]) by smtp.gmail.com with ESMTPSA id b1sm1 for <%t>; " DATE,
    "from %h (%r [" TRUE_IP "]) by mx.example.net (OpenSMTPD) with ESMTPSA id 1a2b3c4d "
    "(TLSv1.3:X:256:NO) auth=yes user=%u for <%t>; " DATE,
    "from %h ([" TRUE_IP
    "]) by store.example.net with LMTP id 1 (envelope-from <%m>) for <%t>; " DATE,
    "from %h (%r [" TRUE_IP
    "]) by mx.example.net (Haraka/3.0.2) with ESMTP id 1 envelope-from <%m>; " DATE,
    "from %h (%r [" TRUE_IP "]) by mx.example.net (8.12.6/8.9.3) with SMTP id 1; " DATE
    " (CST) (envelope-from <%m>)",
};

static const char *const lies[] = {
    "[" LIE "]",
    "[IPv6:2001:db8::1]",
    LIE,
    "2001:db8::1",
    "x@" LIE,
    "x@[" LIE "]",
    "x[" LIE "]",
    "(" LIE ")",
    "([" LIE "])",
    "x ([" LIE "])",
    "x (y [" LIE "])",
    "x (y [" LIE "] (may be forged))",
    "x(y [" LIE "])",
    "x (y [" LIE "]) (",
    "x (y [" LIE "])(",
    "x (y [" LIE "]) )",
    "x (y [" LIE "]) \"",
    "x (y [" LIE "]) \\",
    "x (y [" LIE "]) (\\",
    "x (y [" LIE "]) [",
    "x (y [" LIE "]) <",
    "x (y [" LIE "]) (z [" LIE "])",
    "x (HELO y) (" LIE ")",
    "x (HELO y) ([" LIE "])",
    "x (HELO y) (z@" LIE ") (",
    "HELO [" LIE "]",
    "EHLO " LIE,
    "x (" LIE ")",
    "x (" LIE ") (",
    "x) (" LIE,
    "x) ([" LIE "]",
    "x) (" LIE ") (y",
    "x) (y [" LIE "]) (z",
    "x [" LIE "]",
    "x [" LIE "] helo=y",
    "x helo=[" LIE "]",
    "x ident=y helo=z",
    "[" LIE "] (helo=x)",
    "[" LIE "] (port=1 helo=x) by a with esmtp (Exim 4.9) id 1; " DATE,
    "[" LIE "] (port=1 helo=x) by a with esmtp (Exim 4.9) id 1; " DATE " (",
    "x (y [" LIE "]) by a (Postfix) with ESMTP id 1; " DATE,
    "x (y [" LIE "]) by a (Postfix) with ESMTP id 1; " DATE " (",
    "x (y [" LIE "]) by a (Postfix) with ESMTP id 1; " DATE " \"",
    "x (y [" LIE "]) by a (Postfix) with ESMTP id 1; " DATE "\r\n",
    "x (y [" LIE "])\r\n\tby a with SMTP; " DATE "\r\n\t(",
    "x (y [" LIE "]) by a (",
    "x (y [" LIE "]) by a \"",
    "x (y [" LIE "]) by a id \"",
    "x (y [" LIE "]) by a for <\"",
    "x (y [" LIE "]) by",
    "x (y [" LIE "]) via",
    "x (y [" LIE "]) by a with",
    "x (" LIE ") by a with Microsoft SMTP Server id 1; " DATE " (",
    "x (" LIE ") by a with Microsoft SMTP Server (",
    "x (" LIE ") by a with SMTP; 1 Nov 2003 07:05:19 -0000 (",
    "\"x (y [" LIE "])\"",
    "\"x\" (y [" LIE "])",
    "<x> (y [" LIE "])",
    "=?utf-8?q?x_(y_[" LIE "])?=",
    "=?utf-8?b?" LIE "?= ([" LIE "])",
    "x\r\n ([" LIE "])",
    "x\r\n\t(y [" LIE "])\r\n\t(",
    "x\r\n([" LIE "])",
    "x\n ([" LIE "])",
    "x\r ([" LIE "])",
    "x\v([" LIE "])",
    "x\f([" LIE "])",
    "x\xc2\xa0([" LIE "])",
    "x\xff ([" LIE "])",
    "x ((y [" LIE "]))",
    "x ((((((y [" LIE "]))))))",
    "x (y (z [" LIE "]))",
    "x (y [[" LIE "]])",
    "x (y [" LIE "",
    "x (y " LIE "])",
    "x (y [" LIE " ])",
    "x (y [0xc0.0.2.1])",
    "x (y [3221225985])",
    "x (y [::ffff:" LIE "])",
    "x (y [IPv6:::ffff:" LIE "])",
    "from y ([" LIE "])",
    "x from y ([" LIE "]) by z",
    "x (from y ([" LIE "]) by z)",
    "x (Exim 4.9)",
    "x (Postfix)",
    "x (Authenticated sender: root)",
    "x ([unix socket])",
    "x ([]) ([" LIE "])",
    "a)b@example.org",
    "a)",
    "\"a)\"@example.org",
    "\"a\"@example.org",
    "a\"",
    "(a",
    "a\\",
    ";",
    "; " DATE,
    "",
};

static am_str fill(am_arena *a, const char *template, const char *slots, const char *const *text)
{
    am_buf b = {.arena = a};
    for (const char *t = template; *t; t++) {
        const char *slot = *t == '%' ? strchr(slots, t[1]) : NULL;
        if (slot)
            am_buf_cstr(&b, text[slot - slots]), t++;
        else
            am_buf_char(&b, *t);
    }
    assert_false(b.failed);
    return am_buf_get(&b);
}

static bool has_slot(const char *template, char slot)
{
    char text[3] = {'%', slot, '\0'};
    return strstr(template, text) != NULL;
}

static void want_no_lie(am_str value)
{
    am_received r;
    am_ip truth;
    am_ip_parse(AM_STR(TRUE_IP), &truth);
    am_received_parse(value, &r);
    if (r.ip.family && !am_ip_eq(&r.ip, &truth)) {
        print_error("the lie was believed: %.*s\n", AM_ARG(value));
        fail();
    }
    if (r.status != AM_RECEIVED_READ && (r.helo.p || r.name.p || r.user.p || r.auth || r.tls)) {
        print_error("something was said of the client: %.*s\n", AM_ARG(value));
        fail();
    }
}

/* Every lie in every place, and every pair of lies in every pair of places. */
static void forged_pieces(void **state)
{
    (void)state;
    enum { LIES = sizeof lies / sizeof *lies, TEMPLATES = sizeof templates / sizeof *templates };
    static const char slots[] = "hriumt";
    am_arena *a = am_arena_new(0);
    assert_true(LIES >= 40);
    for (size_t t = 0; t < TEMPLATES; t++) {
        const char *text[] = {"mail.example.org", "mail.example.org", "ident", "user",
            "alice@example.org", "bob@example.net"};
        am_received r;
        assert_true(am_received_parse(fill(a, templates[t], slots, text), &r));
        want_int(templates[t], r.ip.family, 4); /* unforged, the address is there */
        for (size_t one = 0; one < sizeof slots - 1; one++) {
            const char *honest = text[one];
            if (!has_slot(templates[t], slots[one]))
                continue;
            for (size_t i = 0; i < LIES; i++) {
                text[one] = lies[i];
                for (size_t two = one + 1; two < sizeof slots - 1; two++) {
                    const char *kept = text[two];
                    if (!has_slot(templates[t], slots[two]))
                        continue;
                    for (size_t k = 0; k < LIES; k++) {
                        text[two] = lies[k];
                        want_no_lie(fill(a, templates[t], slots, text));
                        am_arena_reset(a);
                    }
                    text[two] = kept;
                }
                want_no_lie(fill(a, templates[t], slots, text));
            }
            text[one] = honest;
        }
    }
    am_arena_free(a);
}

static const char *const pieces[] = {"from ", "by ", "with ", "id ", "for ", "via ", "tls ", "(",
    ")", "[", "]", ";", "\"", "\\", "<", ">", " ", "\r\n\t", "x", "mail.example.org ", LIE,
    "2001:db8::1", "[" LIE "] ", "(y [" LIE "]) ", "(" LIE ") ", "(HELO x) ", "HELO ", "helo=x ",
    "ESMTP ", "SMTP ", "Microsoft SMTP Server ", "(Exim 4.9) ", "(Postfix) ", "(8.1/8.1) ", "POP3 ",
    "@", ("; " DATE), "; 1 Nov 2003 07:05:19 -0000", "\xc3\xa9", "\xff"};

/* `n` of them, one behind the other */
static const char *any_pieces(am_arena *a, uint32_t n)
{
    am_buf b = {.arena = a};
    while (n-- > 0)
        am_buf_cstr(&b, pieces[dice(sizeof pieces / sizeof *pieces)]);
    return b.n ? b.p : "";
}

/* The same places, with what nobody thought of. */
static void forged_at_random(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    for (int round = 0; round < 100000; round++) {
        const char *text[6];
        for (size_t i = 0; i < 6; i++)
            text[i] = any_pieces(a, dice(dice(2) ? 8 : 2));
        want_no_lie(fill(a, templates[dice(sizeof templates / sizeof *templates)], "hriumt", text));
        am_arena_reset(a);
    }
    am_arena_free(a);
}

/* Lies that were believed once. */
static void believed_once(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "from x (y [" LIE "]) by ([" LIE "] [" TRUE_IP "]) by mx (Postfix) with ESMTP id 1; " DATE,
        "from m (HELO x) (" LIE ") (EHLO " LIE "@" TRUE_IP ") by mx with SMTP; "
        "1 Nov 2003 07:05:19 -0000",
        "from via (y [" LIE "]) by with (Exim 4.9) for (HELO ;) (@" TRUE_IP ") by mx with SMTP; "
        "1 Nov 2003 07:05:19 -0000",
        "from [" TRUE_IP "] (helo=@ESMTP [" LIE "] ) by mx with esmtp (Exim 4.96) id 1; " DATE,
        "from x (y [" LIE "]) by \" (z [" TRUE_IP
        "]) by mx (8.1/8.1) with ESMTP id 1 for <)\">; " DATE,
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_no_lie(am_str_of(cases[i]));
}

/* Whole fields; none tells an address. */
static void forged_fields(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        am_received_status status;
        const char *reason;
    } cases[] = {
        {"", AM_RECEIVED_GARBAGE, "no clause of a trace field"},
        {"   \t ", AM_RECEIVED_GARBAGE, "no clause of a trace field"},
        {"hello world", AM_RECEIVED_GARBAGE, "no clause of a trace field"},
        {"(qmail 1 invoked by root from network); " DATE, AM_RECEIVED_READ, NULL},
        {"(qmail x invoked from network); " DATE, AM_RECEIVED_GARBAGE,
            "no clause of a trace field"},
        {"from x (y [" LIE "]) by z with ESMTP", AM_RECEIVED_UNSURE, "no date"},
        {"from x (y [" LIE "]) by z with ESMTP;", AM_RECEIVED_UNSURE, "no date"},
        {"from x (y [" LIE "]) by z with ESMTP; today", AM_RECEIVED_UNSURE, "no date"},
        {"from x (y [" LIE "]) by z with ESMTP; " DATE "; " DATE, AM_RECEIVED_UNSURE, "no date"},
        {"from x (y [" LIE "]); " DATE, AM_RECEIVED_UNSURE, "no plain name in the by clause"},
        {"from x (y [" LIE "]) by; " DATE, AM_RECEIVED_UNSURE, "a clause without a value"},
        {"from x (y [" LIE "]) by (z); " DATE, AM_RECEIVED_UNSURE, "a clause without a value"},
        {"from x (y [" LIE "]) by z for with SMTP; " DATE, AM_RECEIVED_UNSURE,
            "a clause without a value"},
        {"from x (y [" LIE "]) by \"z (y [" LIE "])\"; " DATE, AM_RECEIVED_UNSURE,
            "no plain name in the by clause"},
        {"from x (y [" LIE "]) by z w; " DATE, AM_RECEIVED_UNSURE,
            "several words in the by clause"},
        {"from x (y [" LIE "]) by z id (" LIE ") 1; " DATE, AM_RECEIVED_UNSURE,
            "several addresses"},
        {"from x (y [" LIE "]) with SMTP by z; " DATE, AM_RECEIVED_UNSURE, "a clause out of place"},
        {"by z from x (y [" LIE "]); " DATE, AM_RECEIVED_UNSURE, "a clause out of place"},
        {"(a) from x (y [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE, "a clause out of place"},
        {"a from x (y [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE, "words before the first clause"},
        {"from x (y [" LIE "]) by z by z; " DATE, AM_RECEIVED_UNSURE,
            "a clause stands there twice"},
        {"from x (y [" LIE "]) by z from a; " DATE, AM_RECEIVED_UNSURE,
            "a clause stands there twice"},
        {"from x (y [" LIE "]) by z id 1 id 2; " DATE, AM_RECEIVED_UNSURE,
            "a clause stands there twice"},
        {"from (y [" LIE "]) by z with SMTP; " DATE, AM_RECEIVED_UNSURE,
            "no plain name in the by clause"}, /* "by" is the HELO name then */
        {"from x y (z [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE,
            "several words in the from clause"},
        {"from x [" LIE "] by z with POP3; " DATE, AM_RECEIVED_READ, NULL},
        {"from x [" LIE "] by z with ESMTP; " DATE, AM_RECEIVED_UNSURE,
            "several words in the from clause"},
        {"from x (y[" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE, "an address in no known form"},
        {"from x(y [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE,
            "no white space round a comment of the from clause"},
        {"from x (y [" LIE "])(z) by z; " DATE, AM_RECEIVED_UNSURE,
            "no white space round a comment of the from clause"},
        {"from x (y [" LIE "]) (z [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE, "several addresses"},
        {"from x (y [" LIE "] [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE,
            "an address in no known form"},
        {"from x (" LIE ") by z with ESMTP id 1; " DATE, AM_RECEIVED_UNSURE,
            "an address in no known form"},
        {"from x (a) (" LIE ") by z with ESMTP id 1; " DATE, AM_RECEIVED_UNSURE,
            "an address in no known form"},
        {"from [" LIE "] (helo=x) by z with ESMTP (Nemesis) id 1; " DATE, AM_RECEIVED_READ, NULL},
        {"from [" LIE "] by z with ESMTP id 1; " DATE, AM_RECEIVED_READ, NULL},
        {"from " LIE " by z with ESMTP id 1; " DATE, AM_RECEIVED_READ, NULL},
        {"from x (HELO [" LIE "]) (unknown) by z with SMTP; " DATE, AM_RECEIVED_UNSURE,
            "an address in no known form"},
        {"from x (y [" LIE "]) by z for <a@[" LIE "]>; " DATE, AM_RECEIVED_UNSURE,
            "several addresses"},
        {"from x (y [" LIE "]) by z; " DATE " ([" LIE "])", AM_RECEIVED_UNSURE,
            "several addresses"},
        {"from x (y [" LIE "]) by z; " DATE " (" LIE ")", AM_RECEIVED_UNSURE, "several addresses"},
        {"from x (y [" LIE "]) by z \xe9; " DATE, AM_RECEIVED_UNSURE, "octets that are not UTF-8"},
        {"from \"x\" (y [" LIE "]) by z; " DATE, AM_RECEIVED_UNSURE,
            "no plain name in the from clause"},
        {"from \"x (y [" LIE "]) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a comment or a quoted string without its end"},
        {"from x (y [" LIE "] by z; " DATE, AM_RECEIVED_GARBAGE,
            "a comment or a quoted string without its end"},
        {"from x y [" LIE "]) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a comment or a quoted string without its end"},
        {"from x\\ (y [" LIE "]) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a comment or a quoted string without its end"},
        {"from x (y [" LIE "]\\) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a comment or a quoted string without its end"},
        {"from x (y [" LIE "]) by z;\r" DATE, AM_RECEIVED_GARBAGE,
            "a control octet or a bare line end"},
        {"from x (y [" LIE "])\nby z; " DATE, AM_RECEIVED_GARBAGE,
            "a control octet or a bare line end"},
        {"from x\x01 (y [" LIE "]) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a control octet or a bare line end"},
        {"from x\x7f (y [" LIE "]) by z; " DATE, AM_RECEIVED_GARBAGE,
            "a control octet or a bare line end"},
        {"from x (999.0.2.1) by z with Microsoft SMTP Server; " DATE, AM_RECEIVED_READ, NULL},
        {"from x (y [192.0.2.01]) by z; " DATE, AM_RECEIVED_READ, NULL},
        {"from x (y [192.0.2]) by z; " DATE, AM_RECEIVED_READ, NULL},
        {"from x (y [2001:db8::1::2]) by z; " DATE, AM_RECEIVED_READ, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_received r;
        am_received_parse(am_str_of(cases[i].text), &r);
        want_int(cases[i].text, r.status, cases[i].status);
        want_str(cases[i].text, am_str_of(r.reason), cases[i].reason ? cases[i].reason : "");
        if (r.via != AM_VIA_FETCH)
            want_int(cases[i].text, r.ip.family, 0);
    }
    am_received r;
    assert_false(am_received_parse(
        am_str_n("from x\0 (y [192.0.2.1]) by z; Mon, 01 Jan 2024 10:00:00 +0000", 62), &r));
    assert_int_equal(r.status, AM_RECEIVED_GARBAGE);
}

/* A log-in that the client wrote itself is none. */
static void forged_login(void **state)
{
    (void)state;
    am_received r;
    am_received_parse(AM_STR("from x (Authenticated sender: root) by z with SMTP id 1; " DATE), &r);
    assert_false(r.auth);
    assert_null(r.user.p);
    am_received_parse(
        AM_STR("from x (root@198.51.100.1) by z with SMTP; 1 Nov 2003 07:05:19 -0000"), &r);
    assert_int_equal(r.ip.family, 4);
    assert_null(r.user.p); /* ident, not a log-in */
    am_received_parse(AM_STR("from x (y [198.51.100.1]) (Authenticated sender: bob carol) by z "
                             "(Postfix) with ESMTPA id 1; " DATE),
        &r);
    assert_true(r.auth);
    assert_null(r.user.p); /* neither bob nor carol */
}

/* Size: a long field, many comments, deep comments, many words; each says nothing. */
static void too_much(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t times;
        am_received_status status;
        const char *reason;
    } cases[] = {
        {"x", 20000, AM_RECEIVED_GARBAGE, "over 16384 octets"},
        {"(", 10000, AM_RECEIVED_GARBAGE, "a comment or a quoted string without its end"},
        {")", 10000, AM_RECEIVED_GARBAGE, "a comment or a quoted string without its end"},
        {"()", 5000, AM_RECEIVED_UNSURE, "too many words"},
        {"(a) ", 200, AM_RECEIVED_UNSURE, "too many words"},
        {"a ", 200, AM_RECEIVED_UNSURE, "too many words"},
        {"[", 15000, AM_RECEIVED_READ, NULL},
        {"\r\n ", 3000, AM_RECEIVED_READ, NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_buf b = {.arena = a};
        am_received r;
        am_buf_cstr(&b, "from x (y [" LIE "]) by ");
        for (size_t k = 0; k < cases[i].times; k++)
            am_buf_cstr(&b, cases[i].piece);
        am_buf_cstr(&b, "z; " DATE);
        am_received_parse(am_buf_get(&b), &r);
        want_int(cases[i].piece, r.status, cases[i].status);
        want_str(cases[i].piece, am_str_of(r.reason), cases[i].reason ? cases[i].reason : "");
        want_int(cases[i].piece, r.ip.family != 0, cases[i].status == AM_RECEIVED_READ);
    }
    /* nests on both sides of the bound of scan.h */
    for (int depth = 49; depth <= 51; depth++) {
        am_buf b = {.arena = a};
        am_received r;
        am_buf_cstr(&b, "from x (y [" LIE "]) by z ");
        for (int k = 0; k < depth; k++)
            am_buf_char(&b, '(');
        for (int k = 0; k < depth; k++)
            am_buf_char(&b, ')');
        am_buf_cstr(&b, "; " DATE);
        am_received_parse(am_buf_get(&b), &r);
        want_int("depth", r.status, depth <= 50 ? AM_RECEIVED_READ : AM_RECEIVED_GARBAGE);
    }
    am_arena_free(a);
}

/* ---- dates */

static void dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok, zone;
        int64_t want;
    } cases[] = {
        {"Thu, 01 Jan 1970 00:00:00 +0000", true, true, 0},
        {"1 Jan 1970 00:00 GMT", true, true, 0},
        {" Mon , 1 (new year) Jan 2024\r\n 10:00:00 +0100 (CET)", true, true, 1704099600},
        {"29 Feb 2000 12:00:00 -0000", true, true, 951825600},
        {"29 Feb 2024 12:00:00 +0000", true, true, 1709208000},
        {"1 Mar 2024 00:00:00 +0000", true, true, 1709251200},
        {"31 Dec 2023 23:59:60 +0000", true, true, 1704067200},
        {"31 Dec 9999 23:59:59 +0000", true, true, 253402300799},
        {"1 Mar 2100 00:00:00 +0000", true, true, 4107542400},
        {"1 Jan 2024 00:00:00 EST", true, true, 1704085200},
        {"1 Jan 2024 00:00:00 PDT", true, true, 1704092400},
        {"1 Jan 2024 00:00:00 +0530", true, true, 1704047400},
        {"1 Jan 2024 00:00:00 -0930", true, true, 1704101400},
        {"1 jan 24 00:00:00 ut", true, true, 1704067200},
        {"1 Jan 99 00:00:00 UT", true, true, 915148800},
        {"1 Jan 124 00:00:00 UT", true, true, 1704067200},
        {"1 Jan 2024 00:00:00 CEST", true, false, 1704067200},
        {"1 Jan 2024 00:00:00 Q", true, false, 1704067200},
        {"29 Feb 2023 12:00:00 +0000", false, false, 0},
        {"29 Feb 2100 12:00:00 +0000", false, false, 0},
        {"31 Apr 2024 12:00:00 +0000", false, false, 0},
        {"0 Jan 2024 12:00:00 +0000", false, false, 0},
        {"32 Jan 2024 12:00:00 +0000", false, false, 0},
        {"1 Jan 1969 12:00:00 +0000", false, false, 0},
        {"1 Jan 69 12:00:00 +0000", false, false, 0},
        {"1 Jan 10000 12:00:00 +0000", false, false, 0},
        {"1 Jan 2024 24:00:00 +0000", false, false, 0},
        {"1 Jan 2024 12:60:00 +0000", false, false, 0},
        {"1 Jan 2024 12:00:61 +0000", false, false, 0},
        {"1 Jan 2024 12 +0000", false, false, 0},
        {"1 Jan 2024 12:00:00", false, false, 0},
        {"1 Jan 2024 12:00:00 +00", false, false, 0},
        {"1 Jan 2024 12:00:00 +00000", false, false, 0},
        {"1 Jan 2024 12:00:00 +0060", false, false, 0},
        {"1 Jan 2024 12:00:00 + 0000", false, false, 0},
        {"1 Jan 2024 12:00:00 +0000 x", false, false, 0},
        {"1 Jan 2024 12:00:00 +0000 (", false, false, 0},
        {"Mon 1 Jan 2024 12:00:00 +0000", false, false, 0},
        {"Montag, 1 Jan 2024 12:00:00 +0000", false, false, 0},
        {"Sun Nov 13 14:50:12 2005", false, false, 0},
        {"2024-01-01T00:00:00Z", false, false, 0},
        {"", false, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_date d;
        want_int(cases[i].text, am_date_parse(am_str_of(cases[i].text), &d), cases[i].ok);
        if (!cases[i].ok)
            continue;
        want_int(cases[i].text, d.time, cases[i].want);
        want_int(cases[i].text, d.zone_known, cases[i].zone);
    }
}

/* Every day from 1970 on follows the day before. */
static void dates_in_order(void **state)
{
    (void)state;
    static const char *const months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t want = 0;
    char text[64];
    for (int y = 1970; y < 2110; y++)
        for (int m = 0; m < 12; m++)
            for (int d = 1; d <= 31; d++) {
                am_date date;
                snprintf(text, sizeof text, "%d %s %d 00:00:00 +0000", d, months[m], y);
                if (!am_date_parse(am_str_of(text), &date)) {
                    assert_true(d > 28);
                    continue;
                }
                want_int(text, date.time, want);
                want += 86400;
            }
    assert_int_equal(want, 4417977600); /* 1 Jan 2110 */
}

/* ---- octets at random */

static bool inside(am_str part, am_str whole)
{
    return !part.p || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* Does the address stand in the text, between octets that are no part of one? A second,
 * simple reading: every run of the octets that addresses are made of. */
static bool stands_there(const am_ip *ip, am_str text)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = 0;
        while (i + n < text.n && text.p[i + n] && strchr("0123456789abcdefABCDEF.:", text.p[i + n]))
            n++;
        for (size_t from = 0; from < n && n < 64; from++)
            for (size_t to = from + 1; to <= n; to++) {
                am_ip there;
                if (am_ip_parse(am_str_cut(text, i + from, i + to), &there) && am_ip_eq(&there, ip))
                    return true;
            }
        i += n + 1;
    }
    return false;
}

static void check_any(am_str value)
{
    am_received r;
    bool read = am_received_parse(value, &r);
    assert_int_equal(read, r.status == AM_RECEIVED_READ);
    assert_int_equal(read, r.reason == NULL);
    bool ranges = inside(r.helo, value) && inside(r.name, value) && inside(r.user, value) &&
                  inside(r.by, value) && inside(r.id, value) && inside(r.rcpt, value) &&
                  (inside(r.with, value) || am_str_is(r.with, "Microsoft SMTP Server"));
    bool said = r.ip.family || r.helo.p || r.name.p || r.user.p || r.tls || r.auth || r.forged;
    if (!ranges || (said && !read) || (r.ip.family && (!r.has_time || !r.by.n)) ||
        (r.ip.family && !stands_there(&r.ip, value))) {
        print_error("wrong for: %.*s\n", AM_ARG(value));
        fail();
    }
}

static void random_octets(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = dice(200);
        char *p = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            p[i] = (char)dice(256);
        check_any(am_str_n(p, n));
        free(p);
    }
}

/* Pieces of trace fields in any order: deeper than octets go. */
static void random_pieces(void **state)
{
    (void)state;
    int read = 0, addresses = 0;
    am_arena *a = am_arena_new(0);
    for (int round = 0; round < 50000; round++) {
        check_any(am_str_of(any_pieces(a, 3 + dice(14))));
        am_arena_reset(a);
    }
    /* fields of real MTAs with a few octets changed, taken out, or put in twice */
    am_str file = slurp(a);
    vector v;
    while (next_vector(&file, &v)) {
        for (int round = 0; round < 500; round++) {
            char *p = malloc(v.value.n + 4);
            memcpy(p, v.value.p, v.value.n);
            size_t n = v.value.n;
            for (uint32_t k = dice(3); k > 0; k--)
                p[dice((uint32_t)n)] = "()[]\\\"; @<>\r\nx.:1"[dice(17)];
            if (dice(2))
                n -= dice((uint32_t)n);
            am_received r;
            check_any(am_str_n(p, n));
            read += am_received_parse(am_str_n(p, n), &r);
            addresses += r.ip.family != 0;
            free(p);
        }
    }
    assert_true(read > 1000 && addresses > 1000); /* the test reaches what it is about */
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_fields),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(forged_pieces),
        cmocka_unit_test(forged_at_random),
        cmocka_unit_test(believed_once),
        cmocka_unit_test(forged_fields),
        cmocka_unit_test(forged_login),
        cmocka_unit_test(too_much),
        cmocka_unit_test(dates),
        cmocka_unit_test(dates_in_order),
        cmocka_unit_test(random_octets),
        cmocka_unit_test(random_pieces),
    };
    return cmocka_run_group_tests_name("received", tests, NULL, NULL);
}
