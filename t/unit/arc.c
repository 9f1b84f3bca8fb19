/* arc: chains that are signed as they stand, so that the rules of RFC 8617 alone decide. What
 * happens to good chains on the way is t/arc-chains.py's matter. */
#include "t/unit/unit.h"
#include "t/unit/fakedns.h"
#include "t/unit/signer.h"

#include "libauth/arc/arc.h"

enum { NOW = 1700000000, SETS = 51, FIELDS = 3 * SETS + 8, ROWS = 2 * SETS };

static EVP_PKEY *rsa, *ed;

static int make_keys(void **state)
{
    (void)state;
    rsa = rsa_key(1024);
    ed = ed25519_key();
    return !(rsa && ed);
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
    return 0;
}

/* ---- Chains ---- */

#define BODY "Hi.\r\n\r\nWe lost the game.\r\n"
#define SIG "a=rsa-sha256; d=example.org; b=@B@"

/* "@I@" is the instance, "@CV@" none or pass. Keys: mN._domainkey and aN._domainkey. */
static const char usual_aar[] = "ARC-Authentication-Results: i=@I@; mx.example.org; none";
static const char usual_ams[] =
    "ARC-Message-Signature: i=@I@; s=m@I@; h=from:to:subject; bh=@BH@;\r\n " SIG;
static const char usual_as[] = "ARC-Seal: i=@I@; s=a@I@; cv=@CV@; " SIG;

typedef struct chain {
    am_arena *arena;
    const char *field[FIELDS]; /* top down, NULL behind the last */
    size_t n;
    fake_rr row[ROWS];
    size_t rows;
} chain;

/* What is different, in one set. NULL: as usual. */
typedef struct variant {
    unsigned at;
    const char *aar, *ams, *as;
    const char *names; /* what the AMS signs; NULL: from:to:subject */
    bool simple;       /* canonicalisation of the AMS */
    long length;       /* of the body that is hashed, 0: all; -1: nothing */
    bool ed25519;      /* the key of this set */
} variant;

static am_str put_in(am_arena *a, am_str text, const char *mark, const char *by)
{
    am_buf out = {.arena = a};
    size_t n = strlen(mark);
    for (size_t i = 0; i < text.n; i++)
        if (text.n - i >= n && memcmp(text.p + i, mark, n) == 0) {
            am_buf_cstr(&out, by);
            i += n - 1;
        } else {
            am_buf_char(&out, text.p[i]);
        }
    return am_buf_get(&out);
}

static const char *text_for(chain *c, const char *usual, const char *own, unsigned i)
{
    am_str number = am_str_format(c->arena, "%u", i);
    am_str text = put_in(c->arena, am_str_of(own ? own : usual), "@I@", number.p);
    return put_in(c->arena, text, "@CV@", i == 1 ? "none" : "pass").p;
}

static void put_on_top(chain *c, const char *field)
{
    memmove(&c->field[1], &c->field[0], (c->n + 1) * sizeof *c->field);
    c->field[0] = field;
    c->n++;
    assert_true(c->n < FIELDS);
}

static void add_row(chain *c, char role, unsigned i, EVP_PKEY *key)
{
    const char *name = am_str_format(c->arena, "%c%u._domainkey.example.org", role, i).p;
    am_str p = key_base64(c->arena, key);
    const char *k = key == ed ? "k=ed25519; " : "";
    const char *data = am_str_format(c->arena, "v=DKIM1; %sp=%.*s", k, AM_ARG(p)).p;
    c->row[c->rows++] = (fake_rr){.name = name, .type = "TXT", .data = data};
}

/* RFC 8617 5.1: AAR, AMS, AS on top of what is there. */
static void add_set(chain *c, unsigned i, const variant *v)
{
    static const variant usual = {0};
    v = v->at == i ? v : &usual;
    am_buf sealed = {.arena = c->arena};
    signing how = {.key = v->ed25519 ? ed : rsa,
        .names = v->names ? v->names : "from:to:subject",
        .relaxed_header = !v->simple,
        .relaxed_body = !v->simple,
        .length = v->length ? v->length : -1,
        .raw = c->field,
        .body = AM_STR(BODY)};
    if (how.length == -1 && v->length == -1)
        how.length = 0;
    put_on_top(c, text_for(c, usual_aar, v->aar, i));
    how.field = text_for(c, usual_ams, v->ams, i);
    put_on_top(c, sign_message(c->arena, &how).p);
    for (unsigned k = 1; k <= i; k++)
        am_buf_format(&sealed, "%sarc-authentication-results:arc-message-signature%s",
            k > 1 ? ":" : "", k < i ? ":arc-seal" : "");
    how.field = text_for(c, usual_as, v->as, i);
    how.names = am_buf_get(&sealed).p;
    how.relaxed_header = true;
    put_on_top(c, sign_message(c->arena, &how).p);
    add_row(c, 'm', i, how.key);
    add_row(c, 'a', i, how.key);
}

static void make_chain(chain *c, unsigned sets, const variant *v)
{
    static const char *const mail[] = {"From: Joe <joe@author.example>", "To: a,\r\n b",
        "Subject: dinner", "Received: by mx.example.org"};
    for (size_t i = 4; i > 0; i--)
        put_on_top(c, mail[i - 1]);
    for (unsigned i = 1; i <= sets; i++)
        add_set(c, i, v);
}

typedef struct verdict {
    am_arc_verdict v;
    unsigned questions; /* asked, early or late */
    bool failed;        /* the arena is exhausted */
} verdict;

/* `own`: the arena of the check; NULL: the chain's. What the verdict points to goes with it. */
static verdict validate(const chain *c, am_arena *own, const am_arc_options *o)
{
    verdict out;
    am_arena *a = own ? own : c->arena;
    am_header h = {.arena = c->arena};
    am_dns_session *dns = fake_dns(c->arena, c->row, c->rows, NULL);
    const am_context x = {a, dns, NULL, NOW};
    for (size_t i = 0; i < c->n; i++)
        am_header_add_raw(&h, am_str_of(c->field[i]));
    assert_false(h.failed);
    am_bodies *bodies = am_bodies_begin(c->arena);
    am_arc *arc = am_arc_begin(&x, o, &h, bodies);
    am_bodies_feed(bodies, BODY, strlen(BODY));
    am_bodies_finish(bodies);
    out.v = (am_arc_verdict){.result = AM_TEMPERROR, .reason = "did not begin"};
    if (arc)
        out.v = am_arc_finish(arc);
    out.questions = fake_dns_started(dns);
    if (out.questions < fake_dns_waited(dns))
        out.questions = fake_dns_waited(dns);
    out.failed = am_arena_failed(a);
    am_bodies_end(bodies);
    am_dns_end(dns);
    return out;
}

static const am_arc_options options = {.clock_drift = 300};

/* "pass", or "fail 2: a wrong cv"; then "oldest-pass=1". */
static void want_verdict(const char *what, am_arc_verdict v, const char *want)
{
    char got[200];
    if (v.result == AM_FAIL)
        snprintf(got, sizeof got, "fail %u: %s", v.at, v.reason);
    else
        snprintf(got, sizeof got, "%s%s", am_result_word(v.result), v.oldest_pass ? " oldest" : "");
    if (v.oldest_pass)
        snprintf(got + strlen(got), sizeof got - strlen(got), " %u", v.oldest_pass);
    want_str(what, am_str_of(got), want);
}

/* ---- Tables ---- */

#define NO_INSTANCE "fail 0: an ARC field without a valid instance"
#define OVER "fail 0: an instance over 50"

/* RFC 8617 4.1.1: what stands before the results, in the only set; behind it ";" and the id. */
static const struct {
    const char *text, *want;
} aars[] = {
    {" i=1", "pass"},
    {"i=1", "pass"},
    {" i = 1 ", "pass"},
    {"\r\n\ti\r\n =\r\n 1\r\n ", "pass"},
    {" (c) i (c) = (c) 1 (c) ", "pass"},
    {" (i=2; x) (y) i=1", "pass"},
    {" (a (nested; i=3) one) i=1 (\\) ;)", "pass"},
    {" (gr\xc3\xbc\xc3\x9f"
     "e) i=1",
        "pass"},
    {" i=01", "pass"}, /* 1*2DIGIT */
    {" i=001", NO_INSTANCE},
    {" i=0", NO_INSTANCE},
    {" i=00", NO_INSTANCE},
    {" i=51", OVER},
    {" i=99", OVER},
    {" i=100", NO_INSTANCE},
    {" i=18446744073709551617", NO_INSTANCE},
    {" i=-1", NO_INSTANCE},
    {" i=+1", NO_INSTANCE},
    {" i=1.0", NO_INSTANCE},
    {" i=1 1", NO_INSTANCE},
    {" i=\"1\"", NO_INSTANCE},
    {" i=", NO_INSTANCE},
    {" i", NO_INSTANCE},
    {" 1", NO_INSTANCE},
    {"", NO_INSTANCE},
    {" I=1", NO_INSTANCE}, /* %s"i" */
    {" ii=1", NO_INSTANCE},
    {" i==1", NO_INSTANCE},
    {" x=1; i=1", NO_INSTANCE},
    {" ; i=1", NO_INSTANCE},
    {" mx.example.org; i=1", NO_INSTANCE},
    {" (i=1", NO_INSTANCE},
    {" i=1 (", NO_INSTANCE},
    {" i=1)", NO_INSTANCE},
    {" (\x01) i=1", NO_INSTANCE},
    {" (\xff) i=1", NO_INSTANCE},
    {" i=\r1", NO_INSTANCE},
    {" i=2", "fail 1: an incomplete set"},
};

static void aar_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof aars / sizeof *aars; i++) {
        chain c = {.arena = am_arena_new(0)};
        am_str text = am_str_format(
            c.arena, "ARC-Authentication-Results:%s; mx.example.org; none", aars[i].text);
        variant v = {.at = 1, .aar = text.p};
        make_chain(&c, 1, &v);
        want_verdict(aars[i].text, validate(&c, NULL, &options).v, aars[i].want);
        am_arena_free(c.arena);
    }
}

/* Nothing behind the instance, and comments as deep as they may be, and deeper. */
static void aar_ends(void **state)
{
    (void)state;
    char deep[200] = "", text[300];
    for (int depth = 50; depth <= 51; depth++) {
        chain c = {.arena = am_arena_new(0)};
        memset(deep, '(', (size_t)depth);
        memset(deep + depth, ')', (size_t)depth);
        deep[2 * depth] = '\0';
        snprintf(text, sizeof text, "ARC-Authentication-Results: %s i=1;x", deep);
        variant v = {.at = 1, .aar = text};
        make_chain(&c, 1, &v);
        want_verdict(text, validate(&c, NULL, &options).v, depth == 50 ? "pass" : NO_INSTANCE);
        am_arena_free(c.arena);
    }
    chain c = {.arena = am_arena_new(0)};
    variant v = {.at = 1, .aar = "ARC-Authentication-Results: i=1"};
    make_chain(&c, 1, &v);
    want_verdict("no semicolon", validate(&c, NULL, &options).v, NO_INSTANCE);
    am_arena_free(c.arena);
}

#define LIST "a=rsa-sha256; d=example.org; s=m1; h=from:to:subject; bh=@BH@; b=@B@"
#define NAMES(list) "a=rsa-sha256; d=example.org; s=m1; h=" list "; bh=@BH@; b=@B@"
#define ARC_NAMES "from:arc-authentication-results:to"

/* RFC 8617 4.1.2, of the only set. */
static const struct {
    const char *ams, *want;
    const char *names;
    bool simple;
    long length;
} amss[] = {
    {"i=1; " LIST, "pass", NULL, false, 0},
    {LIST "; i=1", "pass", NULL, false, 0}, /* the public suite's order */
    {"(c) i (c) = (c) 1 (;) ; " LIST, "pass", NULL, false, 0},
    {"(c) i=1; " LIST ";", "pass", NULL, false, 0},
    {"i=1 (; b=c;) ; " LIST, "pass", NULL, false, 0}, /* that is not its b= */
    {"(; b=c;) i=1; c=simple/simple; " LIST, "pass", NULL, true, 0},
    {"i=01; " LIST, "pass", NULL, false, 0},
    {"i=001; " LIST, NO_INSTANCE, NULL, false, 0},
    {"i=0; " LIST, NO_INSTANCE, NULL, false, 0},
    {"i=51; " LIST, OVER, NULL, false, 0},
    {"i=1 1; " LIST, NO_INSTANCE, NULL, false, 0},
    {"I=1; " LIST, NO_INSTANCE, NULL, false, 0},
    {LIST, NO_INSTANCE, NULL, false, 0},
    {"", NO_INSTANCE, NULL, false, 0},
    {"i=1", "fail 1: required tag missing", NULL, false, 0},
    {"i=1; i=1; " LIST, "fail 1: malformed tag list", NULL, false, 0},
    {"i=1; (c) " LIST, "fail 1: malformed tag list", NULL, false, 0},
    {"i=1;; " LIST, "fail 1: malformed tag list", NULL, false, 0},
    {"i=1; v=1; " LIST, "pass", NULL, false, 0}, /* if seen, v= MUST be ignored */
    {"i=1; v=99; " LIST, "pass", NULL, false, 0},
    {"i=1; x-y=; " LIST, "fail 1: malformed tag list", NULL, false, 0},
    {"i=1; unknown=tag; " LIST, "pass", NULL, false, 0},
    {"i=1; unknown=\xc3\xa4; " LIST, "pass", NULL, false, 0},
    {"i=1; unknown=\xe4; " LIST, "fail 1: malformed tag list", NULL, false, 0},
    {"i=1; c=simple/simple; " LIST, "pass", NULL, true, 0},
    {"i=1; c=simple; " LIST, "pass", NULL, true, 0},
    {"i=1; c=relaxed/relaxed; " LIST, "pass", NULL, false, 0},
    {"i=1; c=simple/simple; " LIST, "fail 1: signature did not verify", NULL, false, 0},
    {"i=1; c=nofws; " LIST, "fail 1: unknown canonicalization", NULL, false, 0},
    {"i=1; q=dns/txt; " LIST, "pass", NULL, false, 0},
    {"i=1; q=x; " LIST, "fail 1: unknown query method", NULL, false, 0},
    {"i=1; l=5; " LIST, "pass", NULL, false, 5},
    {"i=1; l=0; " LIST, "pass", NULL, false, -1},
    {"i=1; l=999; " LIST, "fail 1: body shorter than l=", NULL, false, 0},
    {"i=1; l=5; " LIST, "fail 1: body hash did not verify", NULL, false, 0},
    {"i=1; l=-1; " LIST, "fail 1: malformed tag value", NULL, false, 0},
    {"i=1; t=1699999999; x=1700000001; " LIST, "pass", NULL, false, 0},
    {"i=1; x=1699999701; " LIST, "pass", NULL, false, 0}, /* within the drift */
    {"i=1; x=1699999699; " LIST, "fail 1: signature expired", NULL, false, 0},
    {"i=1; t=1700000301; " LIST, "fail 1: signature is from the future", NULL, false, 0},
    {"i=1; t=; " LIST, "fail 1: malformed tag value", NULL, false, 0},
    {"i=1; a=rsa-sha1; d=example.org; s=m1; h=from; bh=@BH@; b=@B@",
        "fail 1: rsa-sha1 is not acceptable", NULL, false, 0},
    {"i=1; a=ed25519-sha256; d=example.org; s=m1; h=from:to:subject; bh=@BH@; b=@B@",
        "fail 1: key type does not match the algorithm", NULL, false, 0},
    {"i=1; " NAMES("from:arc-seal:to"), "fail 1: h= names ARC-Seal", "from:to", false, 0},
    {"i=1; " NAMES("from:to: Arc-SEAL "), "fail 1: h= names ARC-Seal", "from:to", false, 0},
    {"i=1; " NAMES("from:arc-sealed:to"), "pass", "from:to", false, 0},
    {"i=1; " NAMES(ARC_NAMES), "pass", ARC_NAMES, false, 0},
    {"i=1; " NAMES("from:arc-message-signature:to"), "pass", "from:to", false, 0},
    {"i=1; " NAMES("from:to:to:subject:x-none"), "pass", "from:to:subject", false, 0},
    {"i=1; " NAMES(""), "pass", "", false, 0},
};

static void ams_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof amss / sizeof *amss; i++) {
        chain c = {.arena = am_arena_new(0)};
        am_str text = am_str_format(c.arena, "ARC-Message-Signature: %s", amss[i].ams);
        variant v = {.at = 1,
            .ams = text.p,
            .names = amss[i].names,
            .simple = amss[i].simple,
            .length = amss[i].length};
        make_chain(&c, 1, &v);
        want_verdict(amss[i].ams, validate(&c, NULL, &options).v, amss[i].want);
        am_arena_free(c.arena);
    }
}

#undef LIST
#define LIST "a=rsa-sha256; d=example.org; s=a1; b=@B@"
#define WRONG_CV "fail 1: a wrong cv"
#define H_IN_SEAL "fail 1: h= in an ARC-Seal"

/* RFC 8617 4.1.3, of the only set. */
static const struct {
    const char *as, *want;
} ass[] = {
    {"i=1; cv=none; " LIST, "pass"},
    {LIST "; cv=none; i=1", "pass"},
    {"(c) i (c) = (c) 1 (;) ; cv=none; " LIST, "pass"},
    {"i=1 (; b=c;) ; cv=none; " LIST, "pass"},
    {"i=01; cv=none; " LIST, "pass"},
    {"i=001; cv=none; " LIST, NO_INSTANCE},
    {"i=0; cv=none; " LIST, NO_INSTANCE},
    {"i=51; cv=none; " LIST, OVER},
    {"cv=none; " LIST, NO_INSTANCE},
    {"i=1; cv=none; i=1; " LIST, "fail 1: malformed tag list"},
    {"i=1; cv=none; cv=none; " LIST, "fail 1: malformed tag list"},
    {"i=1; cv=none; d=example.org; s=a1; b=@B@", "fail 1: required tag missing"},
    /* cv: and in which order the steps of 5.2 say so */
    {"i=1; " LIST, WRONG_CV},
    {"i=1; cv=; " LIST, WRONG_CV},
    {"i=1; cv=pass; " LIST, WRONG_CV},
    {"i=1; cv=(c) none; " LIST, "pass"}, /* RFC 8617 3.9: CFWS before a chain-status */
    {"i=1; cv= (c) \r\n (d(e))none; " LIST, "pass"},
    {"i=1; cv=none (c); " LIST, WRONG_CV},
    {"i=1; cv=(c none; " LIST, WRONG_CV},
    {"i=1; cv=(none); " LIST, WRONG_CV},
    {"i=1; cv=(c) None; " LIST, WRONG_CV},
    {"i=1; cv=None; " LIST, WRONG_CV},
    {"i=1; cv=nones; " LIST, WRONG_CV},
    {"i=1; cv=none none; " LIST, WRONG_CV},
    {"i=1; cv=none (c); " LIST, WRONG_CV},
    {"i=1; CV=none; " LIST, WRONG_CV},
    {"i=1; cv=fail; " LIST, "fail 1: the newest seal says cv=fail"},
    {"i=1; cv=fail; h=from; " LIST, "fail 1: the newest seal says cv=fail"},
    /* h= MUST result in fail */
    {"i=1; cv=none; h=from:to; " LIST, H_IN_SEAL},
    {"i=1; cv=none; h=; " LIST, H_IN_SEAL},
    {"i=1; cv=none; " LIST "; h=x", H_IN_SEAL},
    {"i=1; cv=none; H=x; " LIST, "pass"},
    /* other tags of DKIM mean nothing here */
    {"i=1; cv=none; v=2; " LIST, "pass"},
    {"i=1; cv=none; bh=AAAA; " LIST, "pass"},
    {"i=1; cv=none; c=simple/simple; " LIST, "pass"},
    {"i=1; cv=none; q=x; " LIST, "pass"},
    {"i=1; cv=none; l=x; " LIST, "pass"},
    {"i=1; cv=none; x=1; " LIST, "pass"},
    {"i=1; cv=none; t=1600000000; " LIST, "pass"},
    {"i=1; cv=none; t=x; " LIST, "fail 1: malformed tag value"},
    {"i=1; cv=none; a=rsa-sha1; d=example.org; s=a1; b=@B@", "fail 1: rsa-sha1 is not acceptable"},
    {"i=1; cv=none; a=rsa-sha256; d=example.net; s=a1; b=@B@", "fail 1: no key record"},
    {"i=1; cv=none; a=rsa-sha256; d=example.org; s=m1; b=@B@", "pass"},
};

static void as_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ass / sizeof *ass; i++) {
        chain c = {.arena = am_arena_new(0)};
        am_str text = am_str_format(c.arena, "ARC-Seal: %s", ass[i].as);
        variant v = {.at = 1, .as = text.p};
        make_chain(&c, 1, &v);
        want_verdict(ass[i].as, validate(&c, NULL, &options).v, ass[i].want);
        am_arena_free(c.arena);
    }
}

#define AMS "ARC-Message-Signature: i=@I@; s=m@I@; "
#define AS "ARC-Seal: i=@I@; s=a@I@; "
#define REST "h=from:to:subject; bh=@BH@; " SIG

/* Three sets, one of them with something of its own; RFC 8617 5.2. */
static const struct {
    const char *what;
    variant v;
    const char *want;
} threes[] = {
    {"nothing", {.at = 0}, "pass"},
    {"Ed25519 in between",
        {.at = 2,
            .ams = "ARC-Message-Signature: i=2; s=m2; h=from:to:subject; bh=@BH@; d=example.org; "
                   "a=ed25519-sha256; b=@B@",
            .as = "ARC-Seal: i=2; s=a2; cv=pass; d=example.org; a=ed25519-sha256; b=@B@",
            .ed25519 = true},
        "pass"},
    /* step 5: an older AMS may be bad */
    {"older AMS: rsa-sha1",
        {.at = 1, .ams = AMS "h=from:to; bh=@BH@; d=example.org; a=rsa-sha1; b=@B@"},
        "pass oldest 2"},
    {"older AMS: no bh", {.at = 2, .ams = AMS "h=from:to; " SIG}, "pass oldest 3"},
    {"older AMS: c=", {.at = 2, .ams = AMS "c=x; " REST}, "pass oldest 3"},
    {"older AMS: expired", {.at = 1, .ams = AMS "x=1; " REST}, "pass oldest 2"},
    {"older AMS: names ARC-Seal",
        {.at = 2, .ams = AMS "h=from:to:arc-seal; bh=@BH@; " SIG, .names = "from:to:arc-seal"},
        "pass oldest 3"},
    {"older AMS: l=", {.at = 1, .ams = AMS "l=5; " REST, .length = 5}, "pass"},
    {"older AMS: l= of a shorter body", {.at = 1, .ams = AMS "l=4; " REST, .length = 5},
        "pass oldest 2"},
    {"older AMS: key of another name",
        {.at = 2, .ams = "ARC-Message-Signature: i=2; s=none; " REST}, "pass oldest 3"},
    /* but by 4.1.2 it is one */
    {"older AMS: a tag twice", {.at = 1, .ams = AMS "t=1; t=1; " REST},
        "fail 1: malformed tag list"},
    {"older AMS: no instance", {.at = 2, .ams = "ARC-Message-Signature: s=m2; " REST}, NO_INSTANCE},
    {"newest AMS: names ARC-Seal, which is there",
        {.at = 3, .ams = AMS "h=from:to:arc-seal; bh=@BH@; " SIG, .names = "from:to:arc-seal"},
        "fail 3: h= names ARC-Seal"},
    {"newest AMS: bad", {.at = 3, .ams = AMS "c=x; " REST}, "fail 3: unknown canonicalization"},
    /* step 3: cv */
    {"cv=none later", {.at = 2, .as = AS "cv=none; " SIG}, "fail 2: a wrong cv"},
    {"cv=none at the end", {.at = 3, .as = AS "cv=none; " SIG}, "fail 3: a wrong cv"},
    {"cv=pass at the beginning", {.at = 1, .as = AS "cv=pass; " SIG}, "fail 1: a wrong cv"},
    {"cv=fail in between", {.at = 2, .as = AS "cv=fail; " SIG}, "fail 2: a wrong cv"},
    {"cv=fail at the end", {.at = 3, .as = AS "cv=fail; " SIG},
        "fail 3: the newest seal says cv=fail"},
    {"no cv in between", {.at = 2, .as = AS SIG}, "fail 2: a wrong cv"},
    /* step 6: every seal */
    {"older AS: h=", {.at = 1, .as = AS "cv=none; h=from; " SIG}, "fail 1: h= in an ARC-Seal"},
    {"older AS: rsa-sha1", {.at = 2, .as = AS "cv=pass; a=rsa-sha1; d=example.org; b=@B@"},
        "fail 2: rsa-sha1 is not acceptable"},
    {"older AS: key of another name", {.at = 1, .as = "ARC-Seal: i=1; s=x; cv=none; " SIG},
        "fail 1: no key record"},
    {"older AS: signature of something else",
        {.at = 2, .as = AS "cv=pass; a=rsa-sha256; d=example.org; b=AAAA; z=@B@"},
        "fail 2: signature did not verify"},
    /* step 3: sets */
    {"AAR of another instance", {.at = 2, .aar = "ARC-Authentication-Results: i=1; x"},
        "fail 1: an ARC field that stands twice"},
    {"AMS of a later instance", {.at = 3, .ams = "ARC-Message-Signature: i=4; s=m3; " REST},
        "fail 3: an incomplete set"},
    {"AS of an earlier instance", {.at = 2, .as = "ARC-Seal: i=1; s=a2; cv=pass; " SIG},
        "fail 1: an ARC field that stands twice"},
    {"names in other letters, and a blank before the colon",
        {.at = 2,
            .aar = "arc-authentication-results : i=2; x",
            .ams = "ARC-MESSAGE-SIGNATURE\t: i=2; s=m2; " REST,
            .as = "Arc-Seal \t: i=2; s=a2; cv=pass; " SIG},
        "pass"},
};

static void three_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof threes / sizeof *threes; i++) {
        chain c = {.arena = am_arena_new(0)};
        make_chain(&c, 3, &threes[i].v);
        verdict got = validate(&c, NULL, &options);
        want_verdict(threes[i].what, got.v, threes[i].want);
        am_arena_free(c.arena);
    }
}

/* What the DNS says of one key of three sets (RFC 8617 5.2.1: all failures are permanent). */
static void keys(void **state)
{
    (void)state;
    static const struct {
        unsigned row; /* m1 a1 m2 a2 m3 a3 */
        const char *type, *data, *want;
    } cases[] = {
        {0, "TXT", "NODATA", "pass oldest 2"},
        {0, "ANY", "TEMPFAIL", "pass oldest 2"},
        {2, "ANY", "TEMPFAIL", "pass oldest 3"},
        {4, "ANY", "TEMPFAIL", "fail 3: key look-up failed"},
        {4, "TXT", "v=DKIM1; p=", "fail 3: key revoked"},
        {1, "ANY", "TEMPFAIL", "fail 1: key look-up failed"},
        {3, "TXT", "v=DKIM1; p=AAAA", "fail 2: malformed key"},
        {5, "TXT", "v=DKIM1; p=", "fail 3: key revoked"},
    };
    variant none = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chain c = {.arena = am_arena_new(0)};
        make_chain(&c, 3, &none);
        c.row[cases[i].row].type = cases[i].type;
        c.row[cases[i].row].data = cases[i].data;
        want_verdict(cases[i].data, validate(&c, NULL, &options).v, cases[i].want);
        am_arena_free(c.arena);
    }
}

/* ---- Whole chains ---- */

static void no_chain(void **state)
{
    (void)state;
    chain c = {.arena = am_arena_new(0)};
    variant none = {0};
    make_chain(&c, 0, &none);
    verdict got = validate(&c, NULL, &options);
    want_verdict("none", got.v, "none");
    assert_int_equal(got.v.instance, 0);
    assert_int_equal(got.questions, 0);
    put_on_top(&c, "X-ARC-Seal: i=1");
    put_on_top(&c, "ARC-Seal-X: i=1");
    want_verdict("near", validate(&c, NULL, &options).v, "none");
    put_on_top(&c, "ARC-Seal:");
    want_verdict("empty", validate(&c, NULL, &options).v, NO_INSTANCE);
    am_arena_free(c.arena);
}

/* The data of a good chain; the order of the fields in the header means nothing. */
static void published(void **state)
{
    (void)state;
    chain c = {.arena = am_arena_new(0)};
    variant v = {.at = 2,
        .aar = "ARC-Authentication-Results: (c) i=2 (c); \r\n\tmx.two.example; spf=pass ",
        .as = "ARC-Seal: i=2; s=a2; cv=pass; a=rsa-sha256; d=Example.ORG; b=@B@"};
    make_chain(&c, 2, &v);
    for (int turn = 0; turn < 2; turn++) {
        am_arc_verdict got = validate(&c, NULL, &options).v;
        want_verdict("turn", got, "pass");
        assert_int_equal(got.instance, 2);
        assert_int_equal(got.sets, 2);
        want_str("d", got.set[1].sealer, "example.org");
        want_str("s", got.set[0].selector, "a1");
        want_str("results", got.set[0].results, " mx.example.org; none");
        want_str("results", got.set[1].results, " \r\n\tmx.two.example; spf=pass ");
        assert_null(got.open);
        for (size_t i = 0; i < c.n / 2; i++) {
            const char *other = c.field[i];
            c.field[i] = c.field[c.n - 1 - i];
            c.field[c.n - 1 - i] = other;
        }
    }
    am_arena_free(c.arena);
}

/* What the newest AMS leaves open is told; what an older one does is not. */
static void left_open(void **state)
{
    (void)state;
    static const struct {
        variant v;
        const char *open;
    } cases[] = {
        {{.at = 2, .ams = AMS "l=5; " REST, .length = 5}, "part of the body is not signed"},
        {{.at = 1, .ams = AMS "l=5; " REST, .length = 5}, NULL},
        {{.at = 2, .ams = AMS "l=26; " REST, .length = 26}, NULL},
        {{.at = 2, .ams = AMS "h=to:subject; bh=@BH@; " SIG, .names = "to:subject"},
            "From is not signed"},
        {{.at = 1, .ams = AMS "h=to:subject; bh=@BH@; " SIG, .names = "to:subject"}, NULL},
        {{.at = 2, .ams = AMS "h=to:FROM; bh=@BH@; " SIG, .names = "to:from"}, NULL},
    };
    assert_int_equal(strlen(BODY), 26);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chain c = {.arena = am_arena_new(0)};
        make_chain(&c, 2, &cases[i].v);
        am_arc_verdict got = validate(&c, NULL, &options).v;
        want_int(cases[i].v.ams, got.result, AM_PASS);
        want_str(cases[i].v.ams, am_str_of(got.open), cases[i].open ? cases[i].open : "");
        am_arena_free(c.arena);
    }
}

static void limits(void **state)
{
    (void)state;
    chain c = {.arena = am_arena_new(0)};
    variant none = {0};
    am_arc_options few = {.max_sets = 2}, three = {.max_sets = 3}, strong = {.min_rsa_bits = 1025},
                   weak = {.max_rsa_bits = 1023};
    make_chain(&c, 3, &none);
    want_verdict("2", validate(&c, NULL, &few).v, "fail 0: more sets than the limit");
    want_verdict("3", validate(&c, NULL, &three).v, "pass");
    want_verdict("min", validate(&c, NULL, &strong).v, "fail 3: RSA key too short");
    want_verdict("max", validate(&c, NULL, &weak).v, "fail 3: RSA key too long");
    am_arena_free(c.arena);
}

/* RFC 8617 4.2.1: 50 sets and no more. */
static void fifty(void **state)
{
    (void)state;
    chain c = {.arena = am_arena_new(0)};
    variant none = {0};
    make_chain(&c, 50, &none);
    verdict got = validate(&c, NULL, &options);
    want_verdict("50", got.v, "pass");
    assert_int_equal(got.v.instance, 50);
    assert_int_equal(got.questions, 100);
    /* RFC 8617 9.2: a chain whose newest AMS is bad asks for nothing else. */
    const char *good = c.field[1];
    c.field[1] = put_in(c.arena, am_str_of(good), "bh=", "bh=A").p;
    got = validate(&c, NULL, &options);
    want_int("bad", got.v.result, AM_FAIL);
    assert_true(got.questions <= 2);
    c.field[1] = good;
    /* A header of many octets: older AMS would sign all of it again and again. */
    char *big = am_arena_alloc(c.arena, (5 << 20) + 1);
    memset(big, 'x', 5 << 20);
    memcpy(big, "Comments:", 9);
    put_on_top(&c, big);
    want_verdict("big", validate(&c, NULL, &options).v, "pass oldest 47");
    memmove(&c.field[0], &c.field[1], c.n-- * sizeof *c.field);
    add_set(&c, 51, &none);
    want_verdict("51", validate(&c, NULL, &options).v, OVER);
    am_arena_free(c.arena);
}

/* Without memory: never pass, and never a pass without the sets. */
static void no_memory(void **state)
{
    (void)state;
    chain c = {.arena = am_arena_new(0)};
    variant v = {.at = 2, .ams = "ARC-Message-Signature: (c) i=2; s=m2; " REST};
    unsigned good = 0, bad = 0;
    make_chain(&c, 2, &v);
    for (size_t cap = 1; cap < 60000; cap += cap / 60 + 7) {
        am_arena *own = am_arena_new(cap);
        verdict got = validate(&c, own, &options);
        assert_int_equal(got.v.result == AM_PASS, !got.failed);
        assert_true(got.v.result != AM_PASS || got.v.sets == 2);
        assert_true(got.v.result != AM_NONE);
        good += !got.failed;
        bad += got.failed;
        am_arena_free(own);
    }
    assert_true(good > 3 && bad > 30);
    am_arena_free(c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aar_forms),
        cmocka_unit_test(aar_ends),
        cmocka_unit_test(ams_forms),
        cmocka_unit_test(as_forms),
        cmocka_unit_test(three_sets),
        cmocka_unit_test(keys),
        cmocka_unit_test(no_chain),
        cmocka_unit_test(published),
        cmocka_unit_test(left_open),
        cmocka_unit_test(limits),
        cmocka_unit_test(fifty),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
