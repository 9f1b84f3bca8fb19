/* address: From fields as people, programs and attackers write them; paths of the envelope. */
#include "t/unit/unit.h"

#include "t/unit/vectors.h"

#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/address.h"
#include "libauth/mail/scan.h"

/* value of From, and the author domain wanted; "!" and the reason: BAD ("malformed From field: "
 * is left out of reasons). */
typedef struct from_case {
    const char *value, *want;
} from_case;

static const char OCTET[] = "!control octet, bare line end or invalid UTF-8";

static const from_case legal_cases[] = {
    /* addr-spec */
    {" user@example.org", "example.org"},
    {"user@example.org", "example.org"},
    {" User.Name+tag@Example.ORG", "example.org"},
    {" !#$%&'*+-/=?^_`{|}~@example.org", "example.org"},
    {" user@a.b.c.d.e.example.org", "a.b.c.d.e.example.org"},
    {" user@localhost", "localhost"},
    {" user@-", "-"},
    {" user@_spf.example.org", "_spf.example.org"},
    {" \"user\"@example.org", "example.org"},
    {" \"user name\"@example.org", "example.org"},
    {" \"user@evil.example\"@example.org", "example.org"},
    {" \"a\\\"b\"@example.org", "example.org"},
    {" \"a\\\\\"@example.org", "example.org"},
    {" \"\"@example.org", "example.org"},
    {" =?user?@example.org", "example.org"},
    {" us=?er@example.org", "example.org"},
    {" \"<user@evil.example>,\"@example.org", "example.org"},
    {" user%evil.example@example.org", "example.org"},
    {" evil.example!user@example.org", "example.org"},
    {" SRS0=abcd=xy=evil.example=user@example.org", "example.org"},
    /* name-addr */
    {" <user@example.org>", "example.org"},
    {" Name <user@example.org>", "example.org"},
    {" Name<user@example.org>", "example.org"},
    {" First Last <user@example.org>", "example.org"},
    {" \"Last, First\" <user@example.org>", "example.org"},
    {" \"First\" Last <user@example.org>", "example.org"},
    {" \"\" <user@example.org>", "example.org"},
    {" \"evil@evil.example\" <user@example.org>", "example.org"},
    {" \"evil@evil.example>\" <user@example.org>", "example.org"},
    {" \"x\\\" <evil@evil.example>\" <user@example.org>", "example.org"},
    {" \"(\" <user@example.org>", "example.org"},
    {" =?utf-8?q?Bj=C3=B6rn?= <user@example.org>", "example.org"},
    {" =?UTF-8?B?ZXZpbEBldmlsLmV4YW1wbGU=?= <user@example.org>", "example.org"},
    {" =?utf-8?q?evil=40evil.example?= =?utf-8?q?_x?= <user@example.org>", "example.org"},
    {" =?utf-8?q?=3Cevil=40evil.example=3E?= <user@example.org>", "example.org"},
    {" <user@example.org> (comment)", "example.org"},
    /* folds */
    {"\r\n user@example.org", "example.org"},
    {" Name\r\n <user@example.org>", "example.org"},
    {" Name\r\n\t<user@example.org>\r\n ", "example.org"},
    {" \"First\r\n Last\" <user@example.org>", "example.org"},
    {" \r\n \r\n user@example.org", "example.org"},
    /* UTF-8 (RFC 6532) and U-labels */
    {" Bj\xc3\xb6rn <user@example.org>", "example.org"},
    {" bj\xc3\xb6rn@example.org", "example.org"},
    {" \"bj\xc3\xb6rn x\"@example.org", "example.org"},
    {" user@b\303\274cher.example", "xn--bcher-kva.example"},
    {" user@B\303\234CHER.example", "xn--bcher-kva.example"},
    {" user@xn--bcher-kva.example", "xn--bcher-kva.example"},
    {" user@fa\xc3\x9f.example", "xn--fa-hia.example"},
    {" \xe2\x80\xae <user@example.org>", "example.org"},
    {" (\xf0\x9f\x98\x80) user@example.org", "example.org"},
    /* comments */
    {" user@example.org (Name)", "example.org"},
    {" (Name) user@example.org", "example.org"},
    {" (a(b(c)d)e) user@example.org", "example.org"},
    {" (a\\)b) user@example.org", "example.org"},
    {" (\\() user@example.org", "example.org"},
    {" (\") user@example.org", "example.org"},
    {" (evil@evil.example) user@example.org", "example.org"},
    {" (<evil@evil.example>,) user@example.org", "example.org"},
    {" Name (x) <(a)user(b)@(c)example.org(d)> (y)", "example.org"},
    {" user(a)@(b)example.org", "example.org"},
    {" user@example(a).(b)org", "example.org"},
    {" user@(evil.example)example.org", "example.org"},
    {" ()user@example.org", "example.org"},
    {" (\r\n folded) user@example.org", "example.org"},
    /* obsolete: blanks around dots and at signs, words as local-part, phrases with dots */
    {" user @ example . org", "example.org"},
    {" user\t@\r\n example.org", "example.org"},
    {" first . last@example.org", "example.org"},
    {" \"first\".last.\"x y\"@example.org", "example.org"},
    {" < user@example.org >", "example.org"},
    {" J. R. Public <user@example.org>", "example.org"},
    {" Public J.R <user@example.org>", "example.org"},
    {" Inc.. <user@example.org>", "example.org"},
    {" user@example.org.", "example.org"},
    {" <user@example.org.>", "example.org"},
    {" user@example.org .", "example.org"},
    /* obsolete: routes */
    {" <@relay.example:user@example.org>", "example.org"},
    {" <@a.example,@b.example:user@example.org>", "example.org"},
    {" <@a.example,,@b.example:user@example.org>", "example.org"},
    {" <,@a.example:user@example.org>", "example.org"},
    {" <@[192.0.2.1]:user@example.org>", "example.org"},
    {" Name <@evil.example:user@example.org>", "example.org"},
    /* lists, one domain */
    {" a@example.org, b@example.org", "example.org"},
    {" a@example.org,b@EXAMPLE.org.", "example.org"},
    {" A <a@example.org>,\r\n B <b@example.org>", "example.org"},
    {" a@b\303\274cher.example, b@xn--bcher-kva.example", "xn--bcher-kva.example"},
    {" , a@example.org", "example.org"},
    {" a@example.org,", "example.org"},
    {" ,, a@example.org, (x) ,", "example.org"},
    /* groups (RFC 6854) */
    {" Team: a@example.org;", "example.org"},
    {" Team: a@example.org, B <b@example.org>;", "example.org"},
    {" Team:,a@example.org,;", "example.org"},
    {" \"A: B\": a@example.org;", "example.org"},
    {" St. Team: a@example.org; (x)", "example.org"},
    {" Team: a@example.org;, b@example.org", "example.org"},
    {" A: ;, b@example.org", "example.org"},
};

static const from_case bad_cases[] = {
    /* nobody */
    {"", "!no address"},
    {" ", "!no address"},
    {" (user@example.org)", "!no address"},
    {" ,", "!no address"},
    {" undisclosed:;", "!no author domain"},
    {" Team:,;", "!no author domain"},
    {" <>", "!malformed local-part"},
    {" Name <>", "!malformed local-part"},
    {" Name", "!address without @"},
    {" user", "!address without @"},
    {" \"user@example.org\"", "!address without @"},
    {" =?utf-8?q?user=40example.org?=", "!address without @"},
    {" =?utf-8?b?dXNlckBleGFtcGxlLm9yZw==?=", "!address without @"},
    {" <user>", "!address without @"},
    {" user(@example.org)", "!address without @"},
    /* no domain, no local-part */
    {" user@", "!malformed domain"},
    {" <user@>", "!malformed domain"},
    {" user@(example.org)", "!malformed domain"},
    {" user@.", "!malformed domain"},
    {" user@.example.org", "!malformed domain"},
    {" user@example..org", "!malformed domain"},
    {" user@example.org..", "!malformed domain"},
    {" @example.org", "!malformed local-part"},
    {" <@example.org>", "!malformed route"},
    {" .user@example.org", "!malformed local-part"},
    {" user.@example.org", "!malformed local-part"},
    {" us..er@example.org", "!malformed local-part"},
    {" user@exa!mple.org", "!malformed domain"},
    {" user@exa%mple.org", "!malformed domain"},
    {" user@example.org/x", "!malformed domain"},
    {" user@=?utf-8?q?example.org?=", "!malformed domain"},
    {" user@\"example.org\"", "!malformed domain"},
    {" user@exa\xe2\x80\xa8mple.org", "!malformed domain"},
    {" user@"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
        "!malformed domain"},
    {" =?utf-8?q?user?=@example.org", "!encoded word in an address"},
    {" \"=?utf-8?q?evil=40evil.example=2c_?=\"@example.org", "!encoded word in an address"},
    {" Name <=?utf-8?q?evil=40evil.example=2c_?=@example.org>", "!encoded word in an address"},
    /* address literals have no author domain */
    {" user@[192.0.2.1]", "!no author domain"},
    {" user@[IPv6:2001:db8::1]", "!no author domain"},
    {" user@[example.org]", "!no author domain"},
    {" user@[\\]]", "!no author domain"},
    {" a@example.org, b@[192.0.2.1]", "!no author domain"},
    {" user@[192.0.2.1", "!malformed address literal"},
    {" user@[[]]", "!malformed address literal"},
    {" user@[192.0.2.1].example.org", "!text beside an address"},
    {" user@192.0.2.1]", "!character out of place"},
    /* several domains */
    {" a@example.org, b@example.net", "!several author domains"},
    {" a@example.org, b@sub.example.org", "!several author domains"},
    {" <a@example.org>, <b@evil.example>", "!several author domains"},
    {" Team: a@example.org, b@example.net;", "!several author domains"},
    {" A: a@example.org;, B: b@example.net;", "!several author domains"},
    {" a@example.org,(x)b@example.net", "!several author domains"},
    {" \"a@example.org,\" <b@example.net>, c@example.org", "!several author domains"},
    /* text beside an address */
    {" evil@evil.example <user@example.org>", "!text beside an address"},
    {" <evil@evil.example> <user@example.org>", "!text beside an address"},
    {" <evil@evil.example><user@example.org>", "!text beside an address"},
    {" <evil@evil.example> user@example.org", "!text beside an address"},
    {" <user@example.org> text", "!text beside an address"},
    {" <user@example.org> \"text\"", "!text beside an address"},
    {" user@example.org evil@evil.example", "!text beside an address"},
    {" user@example.org Name", "!text beside an address"},
    {" Name user@example.org", "!address without @"},
    {" a b@example.org", "!address without @"},
    {" Name <user@example.org>>", "!text beside an address"},
    {" Name <<user@example.org>>", "!malformed local-part"},
    {" Name <user@example.org", "!unclosed angle bracket"},
    {" <user@example.org, b@example.org>", "!unclosed angle bracket"},
    {" <a@example.org>;", "!text beside an address"},
    {" a@example.org; b@evil.example", "!text beside an address"},
    {" user@example.org>", "!text beside an address"},
    {" Name user@example.org>", "!address without @"},
    {" Name @ Company <user@example.org>", "!text beside an address"},
    {" user@exam ple.org", "!text beside an address"},
    {" user@exam(x)ple.org", "!text beside an address"},
    {" us er@example.org", "!address without @"},
    {" us(x)er@example.org", "!address without @"},
    {" user@example.org:", "!text beside an address"},
    {" user@example.org@evil.example", "!text beside an address"},
    {" user@evil.example@example.org", "!text beside an address"},
    {" <user@evil.example@example.org>", "!unclosed angle bracket"},
    /* display names that are none */
    {" [tag] Name <user@example.org>", "!address without @"},
    {" Last, First <user@example.org>", "!address without @"},
    {" . <user@example.org>", "!malformed display name"},
    {" .Name <user@example.org>", "!malformed display name"},
    {" Na;me <user@example.org>", "!address without @"},
    {" Na\\me <user@example.org>", "!character out of place"},
    {" =?utf-8?q?evil@evil.example?= <user@example.org>", "!malformed domain"},
    {" =?utf-8?q?Last,_First?= <user@example.org>", "!address without @"},
    {" Name> <user@example.org>", "!address without @"},
    {" Name) <user@example.org>", "!character out of place"},
    /* quotes */
    {" \"Name <user@example.org>", "!unclosed quoted string"},
    {" Name\" <user@example.org>", "!unclosed quoted string"},
    {" \"Name\\\" <user@example.org>", "!unclosed quoted string"},
    {" \"user@evil.example\\\"@example.org", "!unclosed quoted string"},
    {" \"a\"@evil.example\"@example.org", "!unclosed quoted string"},
    {" a\"b\"@example.org", "!address without @"},
    {" \"a\"b@example.org", "!address without @"},
    {" \"a\"\"b\"@example.org", "!address without @"},
    {" user\\@evil.example@example.org", "!character out of place"},
    {" user@example.org\\", "!character out of place"},
    {" \"a\\", "!unclosed quoted string"},
    {" \"a\\\r\n b\"@example.org", "!unclosed quoted string"},
    /* comments */
    {" (Name <user@example.org>", "!comment unclosed or too deep"},
    {" user@example.org (", "!comment unclosed or too deep"},
    {" user@example.org )", "!character out of place"},
    {" (a)) user@example.org", "!character out of place"},
    {" (a\\) user@example.org", "!comment unclosed or too deep"},
    {" ((a) user@example.org", "!comment unclosed or too deep"},
    {" (\\\r\n ) user@example.org", "!comment unclosed or too deep"},
    {" user@example.org(", "!comment unclosed or too deep"},
    {" user@(evil.example", "!comment unclosed or too deep"},
    /* routes */
    {" @relay.example:user@example.org", "!malformed local-part"},
    {" <@relay.example user@example.org>", "!malformed route"},
    {" <@a.example@b.example:user@example.org>", "!malformed route"},
    {" <relay.example:user@example.org>", "!address without @"},
    {" <@:user@example.org>", "!malformed domain"},
    {" <,:user@example.org>", "!malformed route"},
    {" <@relay.example:>", "!malformed local-part"},
    {" <@relay.example:user>", "!address without @"},
    {" <@a.example:@b.example:user@example.org>", "!malformed local-part"},
    {" <@a.example:<user@example.org>>", "!malformed local-part"},
    /* groups */
    {" Team: a@example.org", "!unclosed group"},
    {" Team:", "!unclosed group"},
    {" : a@example.org;", "!malformed display name"},
    {" .Team: a@example.org;", "!malformed display name"},
    {" A: B: a@example.org;;", "!address without @"},
    {" Team: a@example.org;;", "!text beside an address"},
    {" Team: a@example.org; b@example.org", "!text beside an address"},
    {" Team: a@example.org b@example.org;", "!text beside an address"},
    {" <Team: a@example.org;>", "!address without @"},
    {" a@example.org: b@example.org;", "!text beside an address"},
    {" ;", "!address without @"},
    /* octets */
    {" user@exam\x01ple.org", OCTET},
    {" \x7fuser@example.org", OCTET},
    {" \"a\x08\"@example.org", OCTET},
    {" (\x1b) user@example.org", OCTET},
    {" user@example.org\x0b", OCTET},
    {" user@example.org\r", OCTET},
    {" user@example.org\n", OCTET},
    {" user@example.org\r\n", OCTET},
    {" user@example.org\rFrom: evil@evil.example", OCTET},
    {" user@example.org\nFrom: evil@evil.example", OCTET},
    {" user@example.org\r\nFrom: evil@evil.example", OCTET},
    {" Name\n <user@example.org>", OCTET},
    {" Name\r <user@example.org>", OCTET},
    {" Name\r\r\n <user@example.org>", OCTET},
    {" Bj\xf6rn <user@example.org>", OCTET},
    {" \xc0\xbcuser@example.org", OCTET},
    {" \xed\xa0\x80 <user@example.org>", OCTET},
    {" \xf4\x90\x80\x80 <user@example.org>", OCTET},
    {" \xe2\x80 <user@example.org>", OCTET},
    {" user@example.org\xff", OCTET},
};

/* "domain", or "!reason" without "malformed From field: ". */
static const char *outcome(am_arena *a, const am_header *h, char *room, size_t size)
{
    static const char malformed[] = "malformed From field: ";
    am_author got = am_author_parse(a, h);
    if (got.status == AM_AUTHOR_ONE) {
        snprintf(room, size, "%.*s", AM_ARG(got.mailbox.domain));
        return room;
    }
    assert_null(got.mailbox.domain.p);
    assert_null(got.mailbox.local.p);
    const char *reason = got.reason;
    if (strncmp(reason, malformed, sizeof malformed - 1) == 0)
        reason += sizeof malformed - 1;
    snprintf(room, size, "!%s", reason);
    return room;
}

static void want_outcome(am_str value, const char *want)
{
    char got[300];
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    am_buf raw = {.arena = a};
    am_buf_cstr(&raw, "From:");
    am_buf_str(&raw, value);
    am_header_add_raw(&h, am_buf_get(&raw));
    want_str(value.n < 300 ? value.p : "(long)", am_str_of(outcome(a, &h, got, sizeof got)), want);
    am_arena_free(a);
}

static void from_legal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof legal_cases / sizeof *legal_cases; i++)
        want_outcome(am_str_of(legal_cases[i].value), legal_cases[i].want);
}

static void from_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++)
        want_outcome(am_str_of(bad_cases[i].value), bad_cases[i].want);
    assert_true(
        sizeof bad_cases / sizeof *bad_cases + sizeof legal_cases / sizeof *legal_cases > 200);
}

/* `n` times `piece`, then `tail`. */
static am_str many(am_arena *a, size_t n, const char *piece, const char *tail)
{
    am_buf b = {.arena = a};
    for (size_t i = 0; i < n; i++)
        am_buf_cstr(&b, piece);
    am_buf_cstr(&b, tail);
    return am_buf_get(&b);
}

static void from_large(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *piece, *tail, *want;
    } cases[] = {
        {1000, "u@example.org,", "", "example.org"},
        {1001, "u@example.org,", "", "!more than 1000 addresses"},
        {10000, "(", "", "!comment unclosed or too deep"},
        {51, "(", "", "!comment unclosed or too deep"},
        {15000, "()", "u@example.org", "example.org"},
        {10000, ",", "u@example.org", "example.org"},
        {15000, "a.", "a@example.org", "example.org"},
        {6000, "name ", "<u@example.org>", "example.org"},
        {20000, "a", "@example.org", "example.org"},
        {15000, "a.", "example.org", "!address without @"},
        {300, "<", "u@example.org", "!malformed local-part"},
        {10000, "g:", "u@example.org;", "!address without @"},
        {1000, "@r.example,", "u@example.org", "!malformed local-part"},
        {10000, "\r\n ", "u@example.org", "example.org"},
        {5000, "\"a\".", "b@example.org", "example.org"},
        {32755, " ", "u@example.org", "example.org"},
        {32756, " ", "u@example.org", "!longer than 32 KB"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_outcome(many(a, cases[i].n, cases[i].piece, cases[i].tail), cases[i].want);
    am_str deep = many(a, AM_COMMENT_DEPTH, "(", "");
    am_buf closed = {.arena = a};
    am_buf_str(&closed, deep);
    am_buf_str(&closed, many(a, AM_COMMENT_DEPTH, ")", " u@example.org"));
    want_outcome(am_buf_get(&closed), "example.org");
    want_outcome(many(a, 1, "u@", "a.example\0.org"), "a.example");
    want_outcome(am_str_n("u@example.org\0", 14), OCTET);
    want_outcome(am_str_n("u@exa\0mple.org", 14), OCTET);
    want_outcome(am_str_n("\"\0\" <u@example.org>", 19), OCTET);
    am_str label = many(a, 63, "a", ".");
    am_buf name = {.arena = a};
    am_buf_cstr(&name, "u@");
    for (int i = 0; i < 3; i++)
        am_buf_str(&name, label);
    am_buf_str(&name, many(a, 61, "b", ""));
    assert_int_equal(name.n, 2 + AM_DOMAIN_MAX);
    want_outcome(am_buf_get(&name), am_buf_get(&name).p + 2);
    am_buf_char(&name, 'b');
    want_outcome(am_buf_get(&name), "!malformed domain");
    am_arena_free(a);
}

/* Whole headers: how many From fields there are, and what is one. */
static void from_fields(void **state)
{
    (void)state;
    static const struct {
        const char *field[4], *want;
    } cases[] = {
        {{"From: u@example.org"}, "example.org"},
        {{"from: u@example.org"}, "example.org"},
        {{"FROM :u@example.org"}, "example.org"},
        {{"From\t: u@example.org"}, "example.org"},
        {{"To: x@example.net", "From: u@example.org", "Sender: y@example.net"}, "example.org"},
        {{"To: x@example.net"}, "!no From field"},
        {{"Sender: u@example.org", "Resent-From: u@example.org"}, "!no From field"},
        {{"X-From: u@example.org"}, "!no From field"},
        {{"From: u@example.org", "From: u@example.org"}, "!several From fields"},
        {{"From: u@example.org", "From : evil@evil.example"}, "!several From fields"},
        {{"From : u@example.org", "fRoM: evil@evil.example"}, "!several From fields"},
        {{"From\t : u@example.org", "From:"}, "!several From fields"},
        {{"From:", "From: u@example.org"}, "!several From fields"},
        {{"From:"}, "!no address"},
        {{"From: u@example.org", "From\xc2\xa0: evil@evil.example"}, "!several From fields"},
        {{"\357\273\277From: evil@evil.example", "From: u@example.org"}, "!several From fields"},
        {{" From: evil@evil.example", "From: u@example.org"}, "!several From fields"},
        {{"From\x01: evil@evil.example"}, "!no From field"},
        {{"XFrom: u@example.net", "From: u@example.org", "From-X: x@example.net"}, "example.org"},
    };
    char got[300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        for (size_t k = 0; k < 4 && cases[i].field[k]; k++)
            am_header_add_raw(&h, am_str_of(cases[i].field[k]));
        want_str(cases[i].field[0], am_str_of(outcome(a, &h, got, sizeof got)), cases[i].want);
        am_arena_free(a);
    }
    am_arena *a = am_arena_new(0);
    am_header none = {.arena = a}, cut = {.arena = a, .max_fields = 1}, milter = {.arena = a};
    want_str("no field", am_str_of(outcome(a, &none, got, sizeof got)), "!no From field");
    am_header_add_raw(&cut, AM_STR("From: u@example.org"));
    am_header_add_raw(&cut, AM_STR("From: evil@evil.example"));
    want_str("cut", am_str_of(outcome(a, &cut, got, sizeof got)), "!header not kept whole");
    am_header_add(&milter, AM_STR("From"), AM_STR(" Name\n <u@example.org>"));
    want_str("milter's LF", am_str_of(outcome(a, &milter, got, sizeof got)), "example.org");
    am_arena_free(a);
}

static void mailbox_lists(void **state)
{
    (void)state;
    static const struct {
        const char *value, *want; /* "local|domain " each; NULL: refused */
    } cases[] = {
        {"u@example.org", "u|example.org "},
        {"U.\"x y\"@Example.org.", "U.\"x y\"|example.org "},
        {" (a) u (b) . (c) v @ example.org", "u.v|example.org "},
        {" \"a\r\n b\"@example.org", "\"a b\"|example.org "},
        {" \"a\\\"b\"@example.org", "\"a\\\"b\"|example.org "},
        {"a@example.org, N <b@example.net>", "a|example.org b|example.net "},
        {"G: a@example.org, b@example.net;, c@[192.0.2.1]", "a|example.org b|example.net c|- "},
        {"G:;", ""},
        {"\"\"@example.org", "\"\"|example.org "},
        {"", NULL},
        {"x", NULL},
        {"a@example.org,b", NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_mailbox *list;
        size_t n;
        const char *reason;
        bool ok = am_mailbox_list_parse(a, am_str_of(cases[i].value), &list, &n, &reason);
        want_int(cases[i].value, ok, cases[i].want != NULL);
        if (!ok) {
            assert_true(strlen(reason) > 0);
            assert_int_equal(n, 0);
            continue;
        }
        am_buf b = {.arena = a};
        for (size_t k = 0; k < n; k++) {
            am_buf_str(&b, list[k].local);
            am_buf_char(&b, '|');
            am_buf_str(&b, list[k].domain.p ? list[k].domain : AM_STR("-"));
            am_buf_char(&b, ' ');
        }
        want_str(cases[i].value, am_buf_get(&b), cases[i].want);
    }
    am_arena_free(a);
}

/* Whatever the arena refuses, the author is never another one than with all memory. */
static void out_of_memory(void **state)
{
    (void)state;
    static const char *const values[] = {
        "\"a b\".c@b\303\274cher.example, G: d@xn--bcher-kva.example;",
        "<@a.example:u@example.org>",
        "a@example.org, b@example.org, c@example.org, d@example.org, e@example.net",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        am_field field = {.name = AM_STR("From"), .value = am_str_of(values[i])};
        am_header h = {.field = &field, .n = 1, .cap = 1};
        am_arena *all = am_arena_new(0);
        am_author want = am_author_parse(all, &h);
        size_t used = am_arena_used(all);
        assert_true(used > 0);
        for (size_t cap = 1; cap <= used; cap++) {
            am_arena *a = am_arena_new(cap);
            am_author got = am_author_parse(a, &h);
            if (am_arena_failed(a))
                assert_string_equal(got.reason, "out of memory");
            want_int(values[i], got.status, am_arena_failed(a) ? AM_AUTHOR_BAD : want.status);
            am_arena_free(a);
        }
        am_arena_free(all);
    }
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want; /* "local|domain", "-": absent; NULL: no address */
    } cases[] = {
        {"", "-|-"},
        {"<>", "-|-"},
        {" <> ", "-|-"},
        {"< >", "-|-"},
        {"<user@example.org>", "user|example.org"},
        {"user@example.org", "user|example.org"},
        {" <user@Example.ORG.> ", "user|example.org"},
        {"< user@example.org >", "user|example.org"},
        {"<User@example.org>", "User|example.org"},
        {"<\"a b\"@example.org>", "\"a b\"|example.org"},
        {"<\"a@evil.example\"@example.org>", "\"a@evil.example\"|example.org"},
        {"<\"a\\\"@evil.example\"@example.org>", "\"a\\\"@evil.example\"|example.org"},
        {"<\"a>b\"@example.org>", "\"a>b\"|example.org"},
        {"<a@evil.example@example.org>", "a@evil.example|example.org"},
        {"<@relay.example:user@example.org>", "user|example.org"},
        {"<@a.example,@b.example:user@example.org>", "user|example.org"},
        {"@a.example,@b.example:user@example.org", "user|example.org"},
        {"<@[IPv6:2001:db8::1]:user@example.org>", "user|example.org"},
        {"<@relay.example:postmaster>", "postmaster|-"},
        {"<@relay.example: user@example.org>", "user|example.org"},
        {"<user%example.net@example.org>", "user%example.net|example.org"},
        {"<example.net!user@example.org>", "example.net!user|example.org"},
        {"<user:x@example.org>", "user:x|example.org"},
        {"<postmaster>", "postmaster|-"},
        {"user", "user|-"},
        {"<@example.org>", "|example.org"},
        {"@example.org", "|example.org"},
        {"<\"\"@example.org>", "\"\"|example.org"},
        {"<a..b.@example.org>", "a..b.|example.org"},
        {"<user@[192.0.2.1]>", "user|[192.0.2.1]"},
        {"<user@[IPv6:2001:DB8::1]>", "user|[ipv6:2001:db8::1]"},
        {"<user@B\303\274cher.example>", "user|xn--bcher-kva.example"},
        {"<user@exa!mple.ORG>", "user|exa!mple.org"},
        {"<user@example..org>", "user|example..org"},
        {"<user@.>", "user|."},
        {"<j\xc3\xb6@example.org>", "j\xc3\xb6|example.org"},
        {"<user@b\xff.Example>", "user|b\xff.example"},
        {"<a\\@evil.example@example.org>", "a\\@evil.example|example.org"},
        {"<user@>", NULL},
        {"<@>", NULL},
        {"@", NULL},
        {"<@relay.example:>", NULL},
        {"<user@example.org", NULL},
        {"user@example.org>", NULL},
        {"<user@example.org> SIZE=1", NULL},
        {"<user@example.org>x", NULL},
        {"<<user@example.org>>", NULL},
        {"<user@example.org><a@evil.example>", NULL},
        {"<a@evil.example> <user@example.org>", NULL},
        {"Name <user@example.org>", NULL},
        {"<us er@example.org>", "us er|example.org"},
        {"<user@exam ple.org>", NULL},
        {"<us er>", NULL},
        {"<user@example.org,b@evil.example x>", NULL},
        {"<\"user@example.org>", NULL},
        {"<user\"@example.org>", NULL},
        {"<user@example.org\\>", NULL},
        {"<user@exam\rple.org>", NULL},
        {"<user@exam\nple.org>", NULL},
        {"<\"\x01\"@example.org>", NULL},
        {"<", NULL},
        {">", NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_mailbox m;
        bool ok = am_path_parse(a, am_str_of(cases[i].path), &m);
        want_int(cases[i].path, ok, cases[i].want != NULL);
        if (!ok)
            continue;
        am_buf b = {.arena = a};
        am_buf_str(&b, m.local.p ? m.local : AM_STR("-"));
        am_buf_char(&b, '|');
        am_buf_str(&b, m.domain.p ? m.domain : AM_STR("-"));
        want_str(cases[i].path, am_buf_get(&b), cases[i].want);
    }
    am_mailbox m;
    assert_false(am_path_parse(a, am_str_n("<a\0@example.org>", 16), &m));
    am_arena *small = am_arena_new(5);
    assert_false(am_path_parse(small, AM_STR("<user@example.org>"), &m));
    am_arena_free(small);
    am_arena_free(a);
}

/* t/vectors/attacks/from.tsv: whole headers as they were used against mail systems. */
static void one_attack(const char *name, am_str want, am_str header)
{
    char got[300];
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    while (header.n) {
        size_t end = 0; /* of a field: CRLF without white space behind it */
        while (end < header.n && !(end + 2 < header.n && memcmp(header.p + end, "\r\n", 2) == 0 &&
                                     !am_is(header.p[end + 2], AM_WSP)))
            end++;
        am_header_add_raw(&h, am_str_cut(header, 0, end));
        header = am_str_cut(header, end + 2, header.n);
    }
    const char *result = outcome(a, &h, got, sizeof got);
    want_str(name, am_str_is(want, "bad") && *result == '!' ? want : am_str_of(result), want.p);
    am_arena_free(a);
}

static void attacks(void **state)
{
    (void)state;
    assert_true(each_vector("t/vectors/attacks/from.tsv", one_attack) >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_legal),
        cmocka_unit_test(from_bad),
        cmocka_unit_test(from_large),
        cmocka_unit_test(from_fields),
        cmocka_unit_test(mailbox_lists),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(paths),
        cmocka_unit_test(attacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
