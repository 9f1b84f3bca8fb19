/* spf: check_host over a table of DNS records (RFC 7208 2.6, 4, 5, 6, 7; RFC 8616 4). */
#include "t/unit/fakedns.h"
#include "t/unit/unit.h"

#include "libauth/spf/spf.h"

#include <stdlib.h>

#define T(name, data)                                                                              \
    {                                                                                              \
        name, "TXT", data, 0, false                                                                \
    }
#define A(name, ip)                                                                                \
    {                                                                                              \
        name, "A", ip, 0, false                                                                    \
    }
#define AAAA(name, ip)                                                                             \
    {                                                                                              \
        name, "AAAA", ip, 0, false                                                                 \
    }
#define MX(name, host)                                                                             \
    {                                                                                              \
        name, "MX", "10 " host, 0, false                                                           \
    }
#define PTR(name, host)                                                                            \
    {                                                                                              \
        name, "PTR", host, 0, false                                                                \
    }

/* The client is 192.0.2.1 or 2001:db8::1. */
#define REVERSE4 "1.2.0.192.in-addr.arpa"
#define REVERSE6 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

static const fake_rr zone[] = {
    A("client.example", "192.0.2.1"),
    AAAA("client.example", "2001:db8::1"),
    A("other.example", "198.51.100.1"),
    AAAA("other.example", "2001:db8:ffff::1"),
    A("near.example", "192.0.2.77"),
    AAAA("near.example", "2001:db8::77"),
    {"down.example", "A", "TEMPFAIL", 0, false},
    {"down.example", "AAAA", "TEMPFAIL", 0, false},
    {"down.example", "MX", "TEMPFAIL", 0, false},
    {"down.example", "TXT", "TEMPFAIL", 0, false},
    /* 4.4, 4.5 */
    {"empty.example", "ANY", "", 0, false},
    T("textual.example", "v=spf10 -all"),
    T("textual.example", "something else"),
    T("bare.example", "v=spf1"),
    T("among.example", "\xff\xfe"),
    T("among.example", "v=spf1 +all"),
    T("among.example", "v=spf2.0/pra -all"),
    T("twice.example", "v=spf1 +all"),
    T("twice.example", "v=spf1 +all"),
    T("high.example", "v=spf1 +all x=\xc3\xa4"),
    {"nul.example", "TXT", "v=spf1 +all\0 x", 14, false},
    T("late.example", "v=spf1 +all moo"),
    T("xn--bcher-kva.example", "v=spf1 exists:%{d}.%{o}.ok.example -all"),
    A("xn--bcher-kva.example.xn--bcher-kva.example.ok.example", "127.0.0.2"),
    /* 4.6.2, 4.7, 5.1 */
    T("pass.example", "v=spf1 all"),
    T("fail.example", "v=spf1 -all"),
    T("softfail.example", "v=spf1 ~all"),
    T("neutral.example", "v=spf1 ?all"),
    T("first.example", "v=spf1 ?ip4:192.0.2.1 -ip4:192.0.2.1 +all"),
    T("nothing.example", "v=spf1 -ip4:198.51.100.0/24"),
    T("afterall.example", "v=spf1 -all +ip4:192.0.2.1 a:down.example"),
    /* 5.2 */
    T("in-pass.example", "v=spf1 ~include:pass.example -all"),
    T("in-fail.example", "v=spf1 include:fail.example ?all"),
    T("in-softfail.example", "v=spf1 include:softfail.example ?all"),
    T("in-neutral.example", "v=spf1 include:neutral.example ?all"),
    T("in-bare.example", "v=spf1 include:bare.example -all"),
    T("in-temp.example", "v=spf1 include:down.example +all"),
    T("in-perm.example", "v=spf1 include:late.example +all"),
    T("in-none.example", "v=spf1 include:empty.example +all"),
    T("in-gone.example", "v=spf1 include:gone.example +all"),
    T("in-one.example", "v=spf1 include:%{d1} +all"),
    T("in-d.example", "v=spf1 include:deep.in-d.example exists:%{d}.seen.example -all"),
    T("deep.in-d.example", "v=spf1 -exists:%{d}.nowhere.example"),
    A("in-d.example.seen.example", "127.0.0.2"),
    T("in-redirect.example", "v=spf1 include:red.example -all"),
    /* 5.3, 5.4, 5.6 */
    T("a.example", "v=spf1 a:client.example -all"),
    T("a-none.example", "v=spf1 a/0 a//0 -all"),
    T("a-near.example", "v=spf1 a:near.example -all"),
    T("a-near24.example", "v=spf1 a:near.example/24 -all"),
    T("a-near64.example", "v=spf1 a:near.example//64 -all"),
    T("a-self.example", "v=spf1 a -all"),
    A("a-self.example", "198.51.100.9"),
    A("a-self.example", "192.0.2.1"),
    AAAA("a-self.example", "2001:db8::1"),
    T("a-temp.example", "v=spf1 a:down.example +all"),
    T("mx.example", "v=spf1 mx -all"),
    MX("mx.example", "other.example"),
    MX("mx.example", "client.example"),
    T("mx-null.example", "v=spf1 mx -all"),
    {"mx-null.example", "MX", "0 ", 0, false},
    A("mx-null.example", "192.0.2.1"),
    T("mx-implicit.example", "v=spf1 mx -all"),
    A("mx-implicit.example", "192.0.2.1"),
    T("mx-near.example", "v=spf1 mx:mx-near.example/24//64 -all"),
    MX("mx-near.example", "near.example"),
    T("mx-temp.example", "v=spf1 mx +all"),
    MX("mx-temp.example", "down.example"),
    T("mx-temp2.example", "v=spf1 mx:down.example +all"),
    T("mx-odd.example", "v=spf1 mx -all"),
    {"mx-odd.example", "MX", "10 bad\\046name.example", 0, false},
    T("ip.example", "v=spf1 ip4:192.0.2.0/25 ip6:2001:db8::/64 -all"),
    T("ip-mapped.example", "v=spf1 -ip6:::ffff:192.0.2.1 ip6:::ffff:0:0/96 ?all"),
    T("ip-v6all.example", "v=spf1 ip6:::ffff:192.0.2.1/0 -all"),
    T("ip-v4all.example", "v=spf1 ip4:0.0.0.0/0 -all"),
    /* 5.5 */
    PTR(REVERSE4, "liar.ptr.example"),
    PTR(REVERSE4, "down.example"),
    PTR(REVERSE4, "Host.Sub.PTR.example"),
    PTR(REVERSE4, "client.example"),
    PTR(REVERSE6, "client.example"),
    A("liar.ptr.example", "198.51.100.1"),
    A("host.sub.ptr.example", "192.0.2.1"),
    T("ptr.example", "v=spf1 ptr -all"),
    T("ptr-equal.example", "v=spf1 ptr:client.example -all"),
    T("ptr-under.example",
        "v=spf1 ptr:host.sub.ptr.example ptr:tr.example ptr:x.client.example -all"),
    T("ptr-liar.example", "v=spf1 ptr:liar.ptr.example -all"),
    T("p.example", "v=spf1 exists:%{p}.p.example -all exp=p-text.example"),
    T("p-text.example", "%{p}"),
    T("p-only.example", "v=spf1 -all exp=p-text.example"),
    T("sub.ptr.example", "v=spf1 -all exp=p-text.example"),
    T("host.sub.ptr.example", "v=spf1 -all exp=p-text.example"),
    PTR("5.2.0.192.in-addr.arpa", "any5.example"),
    PTR("5.2.0.192.in-addr.arpa", "a.px.example"),
    PTR("5.2.0.192.in-addr.arpa", "px.example"),
    PTR("5.2.0.192.in-addr.arpa", "b.py.example"),
    A("any5.example", "192.0.2.5"),
    A("a.px.example", "192.0.2.5"),
    A("px.example", "192.0.2.5"),
    A("b.py.example", "192.0.2.5"),
    T("px.example", "v=spf1 -all exp=p-text.example"),
    T("py.example", "v=spf1 -all exp=p-text.example"),
    /* 5.7 */
    T("exists.example", "v=spf1 exists:other.example -all"),
    T("exists-ir.example", "v=spf1 exists:%{ir}.%{v}.%{l1r+}._spf.%{d} -all"),
    A("1.2.0.192.in-addr.user._spf.exists-ir.example", "127.0.0.2"),
    A(REVERSE6 ".x.example", "127.0.0.2"),
    T("exists-6.example", "v=spf1 exists:%{ir}.%{v}.arpa.x.example -all"),
    T("exists-no.example", "v=spf1 exists:%{l}._u.example -all"),
    T("exists-temp.example", "v=spf1 exists:down.example +all"),
    T("exists-aaaa.example", "v=spf1 exists:only6.example -all"),
    AAAA("only6.example", "2001:db8::1"),
    /* 4.8: names that cannot be */
    T("long.example",
        "v=spf1 "
        "a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example ?all"),
    T("hollow.example", "v=spf1 a:x..example mx:x..example ptr:x..example exists:x..example "
                        "include:x..example ?all"),
    T("helo-idn.example", "v=spf1 exists:%{h}.ok.example -all"),
    A("xn--bcher-kva.example.ok.example", "127.0.0.2"),
    T("helo.example", "v=spf1 a:%{h} include:%{h} ?all"),
    T("red-hollow.example", "v=spf1 redirect=x..example"),
    /* 6.1 */
    T("red.example", "v=spf1 ip4:198.51.100.1 redirect=%{d2}.target.example exp=no.example"),
    T("red.example.target.example", "v=spf1 -ip4:192.0.2.9 exists:%{d}.seen.example -all"),
    A("red.example.target.example.seen.example", "127.0.0.2"),
    T("red-all.example", "v=spf1 redirect=pass.example ?all"),
    T("red-match.example", "v=spf1 redirect=fail.example ip4:192.0.2.1"),
    T("red-gone.example", "v=spf1 redirect=gone.example"),
    T("red-empty.example", "v=spf1 redirect=empty.example"),
    T("red-temp.example", "v=spf1 redirect=down.example"),
    T("red-one.example", "v=spf1 redirect=%{d1}"),
    T("red-exp.example", "v=spf1 redirect=exp.example exp=wrong.example"),
    T("red-noexp.example", "v=spf1 redirect=fail.example exp=wrong.example"),
    T("wrong.example", "the wrong explanation"),
    /* 6.2 */
    T("exp.example", "v=spf1 -ip4:192.0.2.1 exp=why.%{d}"),
    T("why.exp.example", "See http://%{d}/why?s=%{S}&i=%{I} 100%%%_%{c} %{h} %{r} %{t}."),
    T("exp-in.example", "v=spf1 include:exp.example -all exp=right.example"),
    T("right.example", "right"),
    T("exp-soft.example", "v=spf1 ~all exp=right.example"),
    T("exp-gone.example", "v=spf1 -all exp=gone.example"),
    T("exp-down.example", "v=spf1 -all exp=down.example"),
    T("exp-two.example", "v=spf1 -all exp=two.example"),
    T("two.example", "one"),
    T("two.example", "two"),
    T("exp-bad.example", "v=spf1 -all exp=bad.example"),
    T("bad.example", "100% bad"),
    T("exp-high.example", "v=spf1 -all exp=umlaut.example"),
    T("umlaut.example", "\xc3\xa4"),
    T("exp-tab.example", "v=spf1 -all exp=tab.example"),
    T("tab.example", "a\tb"),
    T("exp-l.example", "v=spf1 -all exp=l-text.example"),
    T("l-text.example", "%{l}|%{s}"),
    T("exp-empty.example", "v=spf1 -all exp=empty-text.example"),
    T("empty-text.example", ""),
    T("exp-hollow.example", "v=spf1 -all exp=x..example"),
    /* 7, 8616 */
    T("l.example", "v=spf1 a:%{l}.no.example -exists:%{s} ?all"),
    T("red-l.example", "v=spf1 redirect=%{l}.example"),
    T("truncated.example",
        "v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.far.example -all"),
    {"far.example", "A", "127.0.0.2", 0, false},
    {"50-octets-of-a-local-part-as-they-come-and-go-0123.50-octets-of-a-local-part-as-they-come-"
     "and-go-"
     "0123.50-octets-of-a-local-part-as-they-come-and-go-0123.50-octets-of-a-local-part-as-they-"
     "come-"
     "and-go-0123.far.example",
        "A", "127.0.0.2", 0, false},
    /* 4.6.4 */
    T("loop.example", "v=spf1 include:loop.example"),
    T("loop-red.example", "v=spf1 redirect=loop-red.example"),
    T("ten.example", "v=spf1 a:other.example a:other.example include:four.example a:other.example "
                     "a:other.example redirect=one-a.example"),
    T("four.example", "v=spf1 a:other.example mx:mx.other.example exists:%{d}.no.example"),
    MX("mx.other.example", "other.example"),
    T("one-a.example", "v=spf1 -a:client.example"),
    T("eleven.example", "v=spf1 a:other.example include:ten.example -all"),
    T("eleven-late.example", "v=spf1 ip4:192.0.2.1 a a a a a a a a a a a -all"),
    T("p-count.example", "v=spf1 exists:%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}.no.example +all"),
    T("void-two.example", "v=spf1 a:gone.example mx:gone2.example -all"),
    T("void-three.example", "v=spf1 a:gone.example mx:empty.example exists:gone2.example +all"),
    T("void-deep.example", "v=spf1 a:gone.example include:void-two.example +all"),
    T("void-ptr.example", "v=spf1 ptr a:gone.example a:gone2.example +all"),
    T("void-exp.example", "v=spf1 a:gone.example a:gone2.example -all exp=gone3.example"),
    T("void-mx.example", "v=spf1 mx a:gone.example ?all"),
    MX("void-mx.example", "gone1.example"),
    MX("void-mx.example", "gone2.example"),
    MX("void-mx.example", "gone3.example"),
    T("mx-ten.example", "v=spf1 mx ?all"),
    T("mx-eleven.example", "v=spf1 mx ?all"),
    MX("mx-ten.example", "h1.example"),
    MX("mx-ten.example", "h2.example"),
    MX("mx-ten.example", "h3.example"),
    MX("mx-ten.example", "h4.example"),
    MX("mx-ten.example", "h5.example"),
    MX("mx-ten.example", "h6.example"),
    MX("mx-ten.example", "h7.example"),
    MX("mx-ten.example", "h8.example"),
    MX("mx-ten.example", "h9.example"),
    MX("mx-ten.example", "client.example"),
    MX("mx-eleven.example", "client.example"),
    MX("mx-eleven.example", "h2.example"),
    MX("mx-eleven.example", "h3.example"),
    MX("mx-eleven.example", "h4.example"),
    MX("mx-eleven.example", "h5.example"),
    MX("mx-eleven.example", "h6.example"),
    MX("mx-eleven.example", "h7.example"),
    MX("mx-eleven.example", "h8.example"),
    MX("mx-eleven.example", "h9.example"),
    MX("mx-eleven.example", "h10.example"),
    MX("mx-eleven.example", "h11.example"),
};

typedef struct vector {
    const char *rfc, *from, *ip, *want, *mechanism, *explanation, *helo;
} vector;

#define V4 "192.0.2.1"
#define V6 "2001:db8::1"
#define LONG64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const vector vectors[] = {
    /* 4.3 */
    {"4.3", "u@gone.example", V4, "none", "", "", 0},
    {"4.3", "u@example", V4, "none", "", "", 0},
    {"4.3", "u@a..example", V4, "none", "", "", 0},
    {"4.3", "u@.pass.example", V4, "none", "", "", 0},
    {"4.3", "u@" LONG64 ".pass.example", V4, "none", "", "", 0},
    {"4.3", "u@[192.0.2.1]", V4, "none", "", "", 0},
    {"4.3", "u@", V4, "none", "", "", 0},
    {"4.3", "u@pass.example", "", "none", "", "", 0},
    {"4.3", "u@pass.example.", V4, "pass", "all", "", 0},
    {"4.3", "u@PASS.Example", V4, "pass", "all", "", 0},
    {"4.3", "@exp-l.example", V4, "fail", "all", "postmaster|postmaster@exp-l.example", 0},
    {"4.3", "exp-l.example", V4, "fail", "all", "postmaster|postmaster@exp-l.example", 0},
    {"4.3",
        "u@b\xc3\xbc"
        "cher.example",
        V4, "pass", "exists:%{d}.%{o}.ok.example", "", 0},
    {"4.3", "u@\xff\xfe.example", V4, "none", "", "", 0},
    /* 4.4, 4.5, 4.6 */
    {"4.4", "u@down.example", V4, "temperror", "", "", 0},
    {"4.5", "u@empty.example", V4, "none", "", "", 0},
    {"4.5", "u@textual.example", V4, "none", "", "", 0},
    {"4.5", "u@bare.example", V4, "neutral", "default", "", 0},
    {"4.5", "u@among.example", V4, "pass", "all", "", 0},
    {"4.5", "u@twice.example", V4, "permerror", "", "", 0},
    {"3.1", "u@high.example", V4, "permerror", "", "", 0},
    {"4.6", "u@nul.example", V4, "permerror", "", "", 0},
    {"4.6", "u@late.example", V4, "permerror", "", "", 0},
    /* 4.6.2, 4.7, 5.1 */
    {"4.6.2", "u@pass.example", V4, "pass", "all", "", 0},
    {"4.6.2", "u@fail.example", V4, "fail", "all", "", 0},
    {"4.6.2", "u@softfail.example", V4, "softfail", "all", "", 0},
    {"4.6.2", "u@neutral.example", V4, "neutral", "all", "", 0},
    {"4.6.2", "u@first.example", V4, "neutral", "ip4:192.0.2.1", "", 0},
    {"4.7", "u@nothing.example", V4, "neutral", "default", "", 0},
    {"5.1", "u@afterall.example", V4, "fail", "all", "", 0},
    /* 5.2 */
    {"5.2", "u@in-pass.example", V4, "softfail", "include:pass.example", "", 0},
    {"5.2", "u@in-fail.example", V4, "neutral", "all", "", 0},
    {"5.2", "u@in-softfail.example", V4, "neutral", "all", "", 0},
    {"5.2", "u@in-neutral.example", V4, "neutral", "all", "", 0},
    {"5.2", "u@in-bare.example", V4, "fail", "all", "", 0},
    {"5.2", "u@in-temp.example", V4, "temperror", "include:down.example", "", 0},
    {"5.2", "u@in-perm.example", V4, "permerror", "include:late.example", "", 0},
    {"5.2", "u@in-none.example", V4, "permerror", "include:empty.example", "", 0},
    {"5.2", "u@in-gone.example", V4, "permerror", "include:gone.example", "", 0},
    {"5.2", "u@in-one.example", V4, "permerror", "include:%{d1}", "", 0},
    {"5.2", "u@in-d.example", V4, "pass", "exists:%{d}.seen.example", "", 0},
    {"5.2", "u@in-redirect.example", V4, "pass", "include:red.example", "", 0},
    /* 5.3, 5.6 */
    {"5.3", "u@a.example", V4, "pass", "a:client.example", "", 0},
    {"5.3", "u@a.example", V6, "pass", "a:client.example", "", 0},
    {"5.3", "u@a.example", "::ffff:192.0.2.1", "pass", "a:client.example", "", 0},
    {"5.3", "u@a.example", "198.51.100.1", "fail", "all", "", 0},
    {"5.3", "u@a-none.example", V4, "fail", "all", "", 0},
    {"5.3", "u@a-near.example", V4, "fail", "all", "", 0},
    {"5.6", "u@a-near24.example", V4, "pass", "a:near.example/24", "", 0},
    {"5.6", "u@a-near24.example", V6, "fail", "all", "", 0},
    {"5.6", "u@a-near64.example", V4, "fail", "all", "", 0},
    {"5.6", "u@a-near64.example", V6, "pass", "a:near.example//64", "", 0},
    {"5.3", "u@a-self.example", V4, "pass", "a", "", 0},
    {"5.3", "u@a-self.example", V6, "pass", "a", "", 0},
    {"5", "u@a-temp.example", V4, "temperror", "a:down.example", "", 0},
    /* 5.4 */
    {"5.4", "u@mx.example", V4, "pass", "mx", "", 0},
    {"5.4", "u@mx.example", V6, "pass", "mx", "", 0},
    {"5.4", "u@mx.example", "192.0.2.2", "fail", "all", "", 0},
    {"5.4", "u@mx-null.example", V4, "fail", "all", "", 0},
    {"5.4", "u@mx-implicit.example", V4, "fail", "all", "", 0},
    {"5.4", "u@mx-near.example", V4, "pass", "mx:mx-near.example/24//64", "", 0},
    {"5.4", "u@mx-near.example", V6, "pass", "mx:mx-near.example/24//64", "", 0},
    {"5.4", "u@mx-temp.example", V4, "temperror", "mx", "", 0},
    {"5.4", "u@mx-temp2.example", V4, "temperror", "mx:down.example", "", 0},
    {"5.4", "u@mx-odd.example", V4, "fail", "all", "", 0},
    /* 5.5 */
    {"5.5", "u@ptr.example", V4, "pass", "ptr", "", 0},
    {"5.5", "u@ptr.example", V6, "fail", "all", "", 0},
    {"5.5", "u@ptr.example", "192.0.2.99", "fail", "all", "", 0},
    {"5.5", "u@ptr-equal.example", V4, "pass", "ptr:client.example", "", 0},
    {"5.5", "u@ptr-equal.example", V6, "pass", "ptr:client.example", "", 0},
    {"5.5", "u@ptr-under.example", V4, "pass", "ptr:host.sub.ptr.example", "", 0},
    {"5.5", "u@ptr-under.example", V6, "fail", "all", "", 0},
    {"5.5", "u@ptr-liar.example", V4, "fail", "all", "", 0},
    /* 7.3: %{p} is <domain>, a name below it, any name, or unknown */
    {"7.3", "u@host.sub.ptr.example", V4, "fail", "all", "host.sub.ptr.example", 0},
    {"7.3", "u@sub.ptr.example", V4, "fail", "all", "host.sub.ptr.example", 0},
    {"7.3", "u@p-only.example", V6, "fail", "all", "client.example", 0},
    {"7.3", "u@p-only.example", "192.0.2.99", "fail", "all", "unknown", 0},
    {"7.3", "u@p-only.example", "192.0.2.5", "fail", "all", "any5.example", 0},
    {"7.3", "u@px.example", "192.0.2.5", "fail", "all", "px.example", 0},
    {"7.3", "u@py.example", "192.0.2.5", "fail", "all", "b.py.example", 0},
    {"7.3", "u@p.example", "192.0.2.99", "fail", "all", "unknown", 0},
    /* 5.6 */
    {"5.6", "u@ip.example", "192.0.2.127", "pass", "ip4:192.0.2.0/25", "", 0},
    {"5.6", "u@ip.example", "192.0.2.128", "fail", "all", "", 0},
    {"5.6", "u@ip.example", "2001:db8::ffff:ffff:ffff:ffff", "pass", "ip6:2001:db8::/64", "", 0},
    {"5.6", "u@ip.example", "2001:db8:0:1::", "fail", "all", "", 0},
    {"5", "u@ip-mapped.example", "::ffff:192.0.2.1", "neutral", "all", "", 0},
    {"5", "u@ip-mapped.example", V6, "neutral", "all", "", 0},
    {"5.6", "u@ip-v6all.example", V6, "pass", "ip6:::ffff:192.0.2.1/0", "", 0},
    {"5.6", "u@ip-v6all.example", V4, "fail", "all", "", 0},
    {"5.6", "u@ip-v4all.example", V6, "fail", "all", "", 0},
    /* 5.7 */
    {"5.7", "u@exists.example", V4, "pass", "exists:other.example", "", 0},
    {"5.7", "u@exists.example", V6, "pass", "exists:other.example", "", 0},
    {"5.7", "user+tag@exists-ir.example", V4, "pass", "exists:%{ir}.%{v}.%{l1r+}._spf.%{d}", "", 0},
    {"5.7", "u@exists-ir.example", V4, "fail", "all", "", 0},
    {"5.7", "u@exists-6.example", V6, "pass", "exists:%{ir}.%{v}.arpa.x.example", "", 0},
    {"5.7", "u@exists-no.example", V4, "fail", "all", "", 0},
    {"5.7", "u@exists-temp.example", V4, "temperror", "exists:down.example", "", 0},
    {"5.7", "u@exists-aaaa.example", V6, "fail", "all", "", 0},
    /* 4.8 */
    {"4.8", "u@long.example", V4, "neutral", "all", "", 0},
    {"4.8", "u@hollow.example", V4, "neutral", "all", "", 0},
    {"4.8", "u@helo.example", V4, "neutral", "all", "", "a..b"},
    {"4.8", "u@helo.example", V4, "neutral", "all", "", "a\\b.example"},
    {"4.8", "u@helo.example", V4, "neutral", "all", "", "\xff\xfe.example"},
    {"4.8", "u@helo.example", V4, "pass", "a:%{h}", "", "client.example"},
    {"8616 4", "u@helo-idn.example", V4, "pass", "exists:%{h}.ok.example", "",
        "b\xc3\xbc"
        "cher.example"},
    {"8616 4", "u@helo-idn.example", V4, "pass", "exists:%{h}.ok.example", "",
        "xn--bcher-kva.example"},
    {"8616 4", "u@helo-idn.example", V4, "fail", "all", "",
        "b\xfc"
        "cher.example"},
    {"4.8", "u@red-hollow.example", V4, "permerror", "default", "", 0},
    /* 6.1 */
    {"6.1", "u@red.example", V4, "pass", "exists:%{d}.seen.example", "", 0},
    {"6.1", "u@red-all.example", V4, "neutral", "all", "", 0},
    {"6.1", "u@red-match.example", V4, "pass", "ip4:192.0.2.1", "", 0},
    {"6.1", "u@red-match.example", V6, "fail", "all", "", 0},
    {"6.1", "u@red-gone.example", V4, "permerror", "default", "", 0},
    {"6.1", "u@red-empty.example", V4, "permerror", "default", "", 0},
    {"6.1", "u@red-temp.example", V4, "temperror", "default", "", 0},
    {"6.1", "u@red-one.example", V4, "permerror", "default", "", 0},
    {"6.2", "u@red-exp.example", V4, "fail", "ip4:192.0.2.1",
        "See http://exp.example/why?s=u%40red-exp.example&i=192.0.2.1 100% 192.0.2.1 "
        "mail.client.example mx.receiver.example 1700000000.",
        0},
    {"6.2", "u@red-noexp.example", V4, "fail", "all", "", 0},
    /* 6.2 */
    {"6.2", "o'b r@exp.example", V6, "neutral", "default", "", 0},
    {"6.2", "o'b r@exp.example", V4, "fail", "ip4:192.0.2.1",
        "See http://exp.example/why?s=o%27b%20r%40exp.example&i=192.0.2.1 100% 192.0.2.1 "
        "mail.client.example mx.receiver.example 1700000000.",
        0},
    {"6.2", "u@exp-in.example", V4, "fail", "all", "right", 0},
    {"6.2", "u@exp-soft.example", V4, "softfail", "all", "", 0},
    {"6.2", "u@exp-gone.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-down.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-two.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-bad.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-high.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-tab.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-empty.example", V4, "fail", "all", "", 0},
    {"6.2", "u@exp-hollow.example", V4, "fail", "all", "", 0},
    {"6.2", "a\r\nb@exp-l.example", V4, "fail", "all", "", 0},
    {"6.2", "\xc3\xa4@exp-l.example", V4, "fail", "all", "", 0},
    {"6.2", "a b@exp-l.example", V4, "fail", "all", "a b|a b@exp-l.example", 0},
    /* 7.3, 8616 4 */
    {"8616 4", "\xc3\xa4@l.example", V4, "neutral", "all", "", 0},
    {"8616 4", "\xc3\xa4@red-l.example", V4, "permerror", "default", "", 0},
    {"7.3", "pass@red-l.example", V4, "pass", "all", "", 0},
    {"7.3", "50-octets-of-a-local-part-as-they-come-and-go-0123@truncated.example", V4, "pass",
        "exists:%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.far.example", "", 0},
    /* 4.6.4 */
    {"4.6.4", "u@loop.example", V4, "permerror", "include:loop.example", "", 0},
    {"4.6.4", "u@loop-red.example", V4, "permerror", "default", "", 0},
    {"4.6.4", "u@ten.example", V4, "fail", "a:client.example", "", 0},
    {"4.6.4", "u@eleven.example", V4, "permerror", "include:ten.example", "", 0},
    {"4.6.4", "u@eleven-late.example", V4, "pass", "ip4:192.0.2.1", "", 0},
    {"4.6.4", "u@p-count.example", V4, "permerror",
        "exists:%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}%{p}.no.example", "", 0},
    {"4.6.4", "u@void-two.example", V4, "fail", "all", "", 0},
    {"4.6.4", "u@void-three.example", V4, "permerror", "exists:gone2.example", "", 0},
    {"4.6.4", "u@void-deep.example", V4, "permerror", "include:void-two.example", "", 0},
    {"4.6.4", "u@void-ptr.example", "192.0.2.99", "permerror", "a:gone2.example", "", 0},
    {"4.6.4", "u@void-ptr.example", V4, "pass", "all", "", 0},
    {"4.6.4", "u@void-exp.example", V4, "fail", "all", "", 0},
    {"4.6.4", "u@void-mx.example", V4, "neutral", "all", "", 0},
    {"4.6.4", "u@mx-ten.example", V4, "pass", "mx", "", 0},
    {"4.6.4", "u@mx-eleven.example", V4, "permerror", "mx", "", 0},
};

enum { VECTORS = sizeof vectors / sizeof *vectors, ZONE = sizeof zone / sizeof *zone };

static am_spf_query query(const vector *t)
{
    am_spf_query q = {.receiver = AM_STR("mx.receiver.example")};
    am_str from = am_str_of(t->from);
    size_t at = am_str_rfind(from, '@');
    q.helo = am_str_of(t->helo ? t->helo : "mail.client.example");
    q.domain = at < from.n ? am_str_cut(from, at + 1, from.n) : from;
    q.local = at < from.n ? am_str_cut(from, 0, at) : (am_str){NULL, 0};
    if (*t->ip)
        assert_true(am_ip_parse(am_str_of(t->ip), &q.ip));
    return q;
}

/* A run of its own, in memory of its own. */
typedef struct run {
    am_arena *arena;
    am_trace trace;
    am_context c;
    am_spf_query q;
    am_spf_verdict v;
} run;

static void begin(run *r, const fake_rr *rows, size_t n, const vector *t)
{
    r->arena = am_arena_new(64 << 20);
    r->trace = (am_trace){.arena = r->arena};
    r->c = (am_context){r->arena, fake_dns(r->arena, rows, n, &r->trace), &r->trace, 1700000000};
    r->q = query(t);
}

static void end(run *r)
{
    am_dns_end(r->c.dns);
    am_arena_free(r->arena);
}

static void want_verdict(const vector *t, const am_spf_verdict *v)
{
    char what[200];
    snprintf(what, sizeof what, "%s %s %s", t->rfc, t->ip, t->from);
    want_str(what, am_str_of(am_result_word(v->result)), t->want);
    want_str(what, v->mechanism, t->mechanism);
    want_str(what, v->explanation, t->explanation);
    bool wants_reason =
        v->result == AM_NONE || v->result == AM_TEMPERROR || v->result == AM_PERMERROR;
    want_int(what, v->reason.n > 0, wants_reason);
    for (size_t i = 0; i < v->reason.n; i++)
        want_int(what, v->reason.p[i] >= ' ' && v->reason.p[i] <= '~', true);
}

static void every_section(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        run r;
        begin(&r, zone, ZONE, &vectors[i]);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&vectors[i], &r.v);
        assert_true(r.trace.n > 0);
        end(&r);
    }
}

/* Early asking changes no verdict and no order; twice, with another message's answers there. */
static void starting_early_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        run cold, warm;
        begin(&cold, zone, ZONE, &vectors[i]);
        begin(&warm, zone, ZONE, &vectors[i]);
        cold.v = am_spf_check(&cold.c, NULL, &cold.q);
        am_spf_start(&warm.c, &warm.q);
        am_spf_start(&warm.c, &warm.q);
        assert_int_equal(fake_dns_waited(warm.c.dns), 0);
        warm.v = am_spf_check(&warm.c, NULL, &warm.q);
        want_verdict(&vectors[i], &warm.v);
        want_int(vectors[i].from, fake_dns_waited(warm.c.dns), fake_dns_waited(cold.c.dns));
        for (unsigned k = 0; k < fake_dns_waited(cold.c.dns); k++)
            want_str(vectors[i].from, am_str_of(fake_dns_question(warm.c.dns, k)),
                fake_dns_question(cold.c.dns, k));
        warm.v = am_spf_check(&warm.c, NULL, &warm.q);
        want_verdict(&vectors[i], &warm.v);
        end(&cold);
        end(&warm);
    }
}

static void questions_in_the_order_of_the_rfc(void **state)
{
    (void)state;
    static const fake_rr rows[] = {
        T("o.example", "v=spf1 a:one.example include:in.example mx:three.example "
                       "exists:%{l}.four.example ptr -all exp=e.example"),
        A("one.example", "198.51.100.1"),
        T("in.example", "v=spf1 a:two.example redirect=more.example"),
        A("two.example", "198.51.100.1"),
        T("more.example", "v=spf1 a:more.example ~all"),
        A("more.example", "198.51.100.1"),
        MX("three.example", "h1.example"),
        MX("three.example", "h2.example"),
        A("h1.example", "198.51.100.1"),
        A("h2.example", "198.51.100.1"),
        A("u.four.example.other", "198.51.100.1"),
        PTR(REVERSE4, "p1.example"),
        PTR(REVERSE4, "p2.example"),
        T("e.example", "no"),
    };
    static const char *const want[] = {"TXT o.example", "A one.example", "TXT in.example",
        "A two.example", "TXT more.example", "A more.example", "MX three.example", "A h1.example",
        "A h2.example", "A u.four.example", ("PTR " REVERSE4), "A p1.example", "A p2.example",
        "TXT e.example"};
    static const vector t = {"4.6", "u@o.example", V4, "fail", "all", "no", 0};
    run r;
    begin(&r, rows, sizeof rows / sizeof *rows, &t);
    am_spf_start(&r.c, &r.q);
    /* all but e.example, which a fail alone needs */
    assert_int_equal(fake_dns_started(r.c.dns), 13);
    r.v = am_spf_check(&r.c, NULL, &r.q);
    want_verdict(&t, &r.v);
    assert_true(r.v.local_used);
    assert_int_equal(fake_dns_waited(r.c.dns), sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        want_str("order", am_str_of(fake_dns_question(r.c.dns, (unsigned)i)), want[i]);
    end(&r);
}

/* What cannot be needed is not asked for. */
static void nothing_is_asked_in_vain(void **state)
{
    (void)state;
    static const fake_rr rows[] = {
        T("m.example", "v=spf1 a:one.example ip4:192.0.2.1 a:two.example -all"),
        T("n.example", "v=spf1 a:one.example -all a:two.example redirect=three.example"),
    };
    static const struct {
        vector t;
        unsigned started;
    } cases[] = {
        {{"", "u@m.example", V4, "pass", "ip4:192.0.2.1", "", 0}, 2},
        {{"", "u@n.example", V4, "fail", "all", "", 0}, 2},
    };
    for (size_t i = 0; i < 2; i++) {
        run r;
        begin(&r, rows, sizeof rows / sizeof *rows, &cases[i].t);
        am_spf_start(&r.c, &r.q);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&cases[i].t, &r.v);
        want_int(cases[i].t.from, fake_dns_started(r.c.dns), cases[i].started);
        end(&r);
    }
}

/* A client that calls itself a host of the domain is mostly named by "a" or "mx". */
static void a_host_of_the_domain(void **state)
{
    (void)state;
    static const fake_rr rows[] = {
        T("own.example", "v=spf1 a mx -all"),
        A("own.example", "198.51.100.1"),
        MX("own.example", "mail.own.example"),
        A("mail.own.example", V4),
        T("out.example", "v=spf1 ip4:" V4 " -all"),
    };
    static const struct {
        vector t;
        const char *helo;
        unsigned started; /* TXT; A and MX of the domain where it may help; the MX's address */
    } cases[] = {
        {{"", "u@own.example", V4, "pass", "mx", "", 0}, "mail.own.example", 4},
        {{"", "u@own.example", V4, "pass", "mx", "", 0}, "elsewhere.example", 4},
        {{"", "u@out.example", V4, "pass", "ip4:" V4, "", 0}, "mail.own.example", 1},
        {{"", "u@out.example", V4, "pass", "ip4:" V4, "", 0}, "out.example", 1},
        {{"", "u@out.example", V4, "pass", "ip4:" V4, "", 0}, "notout.example", 1},
        {{"", "u@out.example", V4, "pass", "ip4:" V4, "", 0}, "a.b.OUT.example", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r;
        begin(&r, rows, sizeof rows / sizeof *rows, &cases[i].t);
        r.q.helo = am_str_of(cases[i].helo);
        am_spf_start(&r.c, &r.q);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&cases[i].t, &r.v);
        want_int(cases[i].helo, fake_dns_started(r.c.dns), cases[i].started);
        end(&r);
    }
}

static void limits_are_options(void **state)
{
    (void)state;
    static const struct {
        am_spf_options o;
        vector t;
    } cases[] = {
        {{.max_terms = 2}, {"", "u@void-two.example", V4, "fail", "all", "", 0}},
        {{.max_terms = 1}, {"", "u@void-two.example", V4, "permerror", "mx:gone2.example", "", 0}},
        {{.max_terms = 11},
            {"", "u@eleven.example", V4, "permerror", "include:ten.example", "", 0}},
        {{.max_terms = 12}, {"", "u@eleven.example", V4, "fail", "all", "", 0}},
        {{.max_void = 1}, {"", "u@void-two.example", V4, "permerror", "mx:gone2.example", "", 0}},
        {{.max_void = 3}, {"", "u@void-three.example", V4, "pass", "all", "", 0}},
        {{.max_names = 9}, {"", "u@mx-ten.example", V4, "permerror", "mx", "", 0}},
        {{.max_names = 11}, {"", "u@mx-eleven.example", V4, "pass", "mx", "", 0}},
        {{.max_names = 2}, {"", "u@ptr.example", V4, "fail", "all", "", 0}},
        {{.max_names = 3}, {"", "u@ptr.example", V4, "pass", "ptr", "", 0}},
        {{.max_questions = 4},
            {"", "u@ten.example", V4, "permerror", "include:four.example", "", 0}},
        {{.max_questions = 12}, {"", "u@mx-ten.example", V4, "pass", "mx", "", 0}},
        {{.max_questions = 11}, {"", "u@mx-ten.example", V4, "permerror", "mx", "", 0}},
        {{.max_questions = 1},
            {"", "u@exp-in.example", V4, "permerror", "include:exp.example", "", 0}},
        {{.max_questions = 2}, {"", "u@exp-in.example", V4, "fail", "all", "", 0}},
        {{.max_terms = 100000, .max_questions = 100000},
            {"", "u@loop.example", V4, "permerror", "include:loop.example", "", 0}},
        {{.max_terms = 500, .max_questions = 400},
            {"", "u@loop-red.example", V4, "permerror", "default", "", 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r;
        begin(&r, zone, ZONE, &cases[i].t);
        r.v = am_spf_check(&r.c, &cases[i].o, &r.q);
        want_verdict(&cases[i].t, &r.v);
        end(&r);
    }
}

static void local_part_and_security(void **state)
{
    (void)state;
    static const fake_rr rows[] = {
        {"s.example", "TXT", "v=spf1 a:s.example a:u.example -all exp=x.example", 0, true},
        {"s.example", "A", "192.0.2.1", 0, true},
        {"u.example", "A", "192.0.2.2", 0, false},
        {"l.example", "TXT", "v=spf1 -exists:%{L}.u.example redirect=s.example", 0, true},
        {"x.example", "TXT", "%{l}", 0, true},
        {"r.example", "TXT", "v=spf1 redirect=%{l}.example", 0, true},
    };
    static const struct {
        vector t;
        bool secure, local;
    } cases[] = {
        {{"", "u@s.example", V4, "pass", "a:s.example", "", 0}, true, false},
        {{"", "u@s.example", "192.0.2.2", "pass", "a:u.example", "", 0}, false, false},
        {{"", "u@s.example", "192.0.2.9", "fail", "all", "u", 0}, false, false},
        {{"", "u@l.example", V4, "pass", "a:s.example", "", 0}, false, true},
        {{"", "s@r.example", V4, "pass", "a:s.example", "", 0}, true, true},
        {{"", "u@example", V4, "none", "", "", 0}, false, false},
        {{"", "u@gone.example", V4, "none", "", "", 0}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r;
        begin(&r, rows, sizeof rows / sizeof *rows, &cases[i].t);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&cases[i].t, &r.v);
        want_int(cases[i].t.from, r.v.secure, cases[i].secure);
        want_int(cases[i].t.from, r.v.local_used, cases[i].local);
        end(&r);
    }
}

static void explanations_are_bounded(void **state)
{
    (void)state;
    char text[4000] = "";
    for (int i = 0; i < 900; i++)
        strcat(text, "%{d}");
    fake_rr rows[] = {T("b.example", "v=spf1 -all exp=t.example"), T("t.example", text)};
    static const vector t = {"", "u@b.example", V4, "", "", "", 0};
    run r;
    begin(&r, rows, 2, &t);
    r.v = am_spf_check(&r.c, NULL, &r.q);
    assert_int_equal(r.v.result, AM_FAIL);
    assert_int_equal(r.v.explanation.n, 500);
    assert_memory_equal(r.v.explanation.p, "b.exampleb.example", 18);
    end(&r);
}

/* 64 KB of `bit` behind "v=spf1 ", and `tail`. */
static char *big(const char *bit, const char *tail)
{
    enum { SIZE = 65000 };
    char *text = calloc(1, SIZE + 100);
    strcpy(text, "v=spf1 ");
    for (size_t n = 7; n < SIZE; n += strlen(bit))
        strcpy(text + n, bit);
    strcat(text, tail);
    return text;
}

static void hostile_domains(void **state)
{
    (void)state;
    static const struct {
        const char *bit, *tail;
        vector t;
    } cases[] = {
        {"ip4:1.1.1.1 ", "+all", {"", "u@big.example", V4, "pass", "all", "", 0}},
        {"a ", "+all", {"", "u@big.example", V4, "permerror", "a", "", 0}},
        {"include:big.example ", "",
            {"", "u@big.example", V4, "permerror", "include:big.example", "", 0}},
        {"x=%{l127r.-+,/_=} ", "-all", {"", "u@big.example", V4, "fail", "all", "", 0}},
        {" ", "-all", {"", "u@big.example", V4, "fail", "all", "", 0}},
        {"-", "all", {"", "u@big.example", V4, "permerror", "", "", 0}},
        {"x", "all", {"", "u@big.example", V4, "permerror", "", "", 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = big(cases[i].bit, cases[i].tail);
        fake_rr rows[] = {T("big.example", text), A("big.example", "198.51.100.1")};
        run r;
        begin(&r, rows, 2, &cases[i].t);
        am_spf_start(&r.c, &r.q);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&cases[i].t, &r.v);
        end(&r);
        free(text);
    }
}

/* One term of 16000 macros, and values as large as they come. */
static void macro_bombs(void **state)
{
    (void)state;
    static const char *const bits[] = {"%{l}", "%{S}", "%{h}", "%{lr.-+,/_=}", "%{L127}", "%{d1r}"};
    static const size_t lengths[] = {64, 1024, 1025, 60000};
    enum { LONGEST = 60000, SIZE = 65000 };
    char *value = malloc(LONGEST + 1), *text = malloc(SIZE + 20);
    memset(value, '.', LONGEST);
    for (size_t i = 0; i < 4 * sizeof bits / sizeof *bits; i++) {
        strcpy(text, "v=spf1 a:");
        for (size_t n = 9; n < SIZE; n += strlen(bits[i / 4]))
            strcpy(text + n, bits[i / 4]);
        fake_rr rows[] = {T("big.example", text)};
        static const vector t = {"", "u@big.example", V4, "neutral", "default", "", 0};
        run r;
        begin(&r, rows, 1, &t);
        r.q.local = r.q.helo = am_str_n(value, lengths[i % 4]);
        r.v = am_spf_check(&r.c, NULL, &r.q);
        want_verdict(&t, &r.v);
        assert_in_range(am_arena_used(r.arena), 1, 4 << 20);
        end(&r);
    }
    free(value);
    free(text);
}

/* Whatever allocation fails, no verdict is invented: it is the true one or temperror. */
static void out_of_memory(void **state)
{
    (void)state;
    static const char *const from[] = {"u@mx.example", "u@in-redirect.example", "u@ptr.example",
        "u@exp.example", "u@ten.example", "u@red-exp.example", "u@pass.example"};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        run whole;
        vector t = {"", from[i], V4, "", "", "", 0};
        begin(&whole, zone, ZONE, &t);
        whole.v = am_spf_check(&whole.c, NULL, &whole.q);
        size_t enough = am_arena_used(whole.arena) + 1000;
        unsigned failed = 0;
        for (size_t cap = 0; cap < enough; cap += cap < 2000 ? 7 : 31) {
            run r;
            begin(&r, zone, ZONE, &t);
            am_arena *small = am_arena_new(cap ? cap : 1);
            am_context c = {small, r.c.dns, NULL, 1};
            am_spf_start(&c, &r.q);
            am_spf_verdict v = am_spf_check(&c, NULL, &r.q);
            if (v.result == AM_TEMPERROR) {
                want_str(from[i], v.reason, "out of memory");
                failed++;
            } else {
                want_int(from[i], v.result, whole.v.result);
                want_int(from[i], am_str_eq(v.mechanism, whole.v.mechanism), true);
            }
            am_arena_free(small);
            end(&r);
        }
        want_int(from[i], failed > 5, true);
        end(&whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section),
        cmocka_unit_test(starting_early_changes_nothing),
        cmocka_unit_test(questions_in_the_order_of_the_rfc),
        cmocka_unit_test(nothing_is_asked_in_vain),
        cmocka_unit_test(a_host_of_the_domain),
        cmocka_unit_test(limits_are_options),
        cmocka_unit_test(local_part_and_security),
        cmocka_unit_test(explanations_are_bounded),
        cmocka_unit_test(hostile_domains),
        cmocka_unit_test(macro_bombs),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("spf_check", tests, NULL, NULL);
}
