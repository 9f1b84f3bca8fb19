#!/usr/bin/python3
"""Random domains, some SPF records broken, judged by `authmill check` and by t/lib/spfref.py (TAP).

Both must come to the same result and explanation, having asked the DNS the same questions in the same order.

`spf-diff.py FROM TO` judges other cases than make check does; a number is a case.
"""

import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import tempfile

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
AUTHMILL = os.path.join(os.environ.get("AUTHMILL_BUILD", "."), "authmill")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))
from spfref import SPF, TempError  # noqa: E402
from tap import bail, diag, done, ok  # noqa: E402

CASES = 700
RECEIVER = "mx.receiver.test"
QUESTION = re.compile(r"(A|AAAA|MX|PTR|TXT) ")

CLIENTS = {  # and where their PTR records are
    "192.0.2.1": "1.2.0.192.in-addr.arpa",
    "::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa",
    "192.0.2.130": "130.2.0.192.in-addr.arpa",
    "198.51.100.7": "7.100.51.198.in-addr.arpa",
    "2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
}
HELOS = ["h0.test", "d0.test", "D0.Test", "h0.test.", "gone.test", "h.sub.d0.test", "[192.0.2.1]", "localhost", "a..b",
         "x y", "a\\b.test"]
SENDERS = ["u@d0.test"] * 12 + [
    "", "@d0.test", "u@D0.Test", "u@d0.test.", "u@sub.d0.test", "strong-bad@d1.test", '"a b"@d0.test', "a@b@d0.test",
    "a-b+c.d=e/f_g,h~@d0.test", "%41@d0.test", "u@test", "u@x..test", "u@[192.0.2.1]", "x" * 70 + "@d0.test",
    ".".join(["l" * 50] * 6) + "@d0.test"]

DOMAINS = ["d%d.test" % i for i in range(6)] + ["sub.d0.test"]
HOSTS = ["h%d.test" % i for i in range(5)] + ["h.sub.d0.test"]
ODD_HOSTS = ["gone.test", "nodata.test", "down.test"]
EXPLANATIONS = ["e%d.test" % i for i in range(6)]
MACROS = """%{s} %{l} %{o} %{d} %{i} %{v} %{h} %{p} %{S} %{L} %{H} %{P} %{IR} %{d2} %{d1r} %{ir} %{pr} %{p2} %{h2}
    %{o1} %{i3r} %{i12} %{d99} %{l1r-} %{lr+-} %{l2-} %{L1r+} %{lr=/_,} %{s99r.-+,/_=} %{d01} %% %_ %-""".split()
BROKEN = """%{x} %{d0} %{d00} %{rd} %{d7rr} %{s2r@.} %{c} %{R} %{t} %{d %(d) %x %""".split()
CIDRS = ["", "", "", "/24", "/32", "/0", "//64", "//0", "//128", "/25//128", "/24//0", "/31//127"]
ODD_CIDRS = ["/", "//", "/33", "//129", "/00", "//00", "/032", "/24/64", "/24//64/", "//64/24", "/-1", "/24 "]
ODD_NAMES = """x foo.123 x..test .test ..test -x.test x.-test x.te-st x.test- x.t_st x.0 x.0x d1.test. d1.test.. d1.test:25
    d1.test, %{d}x %{d}. . \x7f.test \xe4.test""".split() + ["x" * 64 + ".test", ".".join(["y" * 60] * 5) + ".ex.test"]
ODD_TERMS = """moo =x 1a=x ++all +redirect=d1.test -exp=d1.test \tall -all. all: all/8 include include: exists ip4 ip6
    ptr: ptr/24 a: mx: exp= redirect= v=spf1 v=spf2 %{d} a%{d} ip4:1.2.3 ip4:192.0.2.01 ip4:192.0.2.1/33
    ip4:192.0.2.1/00 ip4:192.0.2.1//32 ip4:192.0.2.1/ ip4:/24 ip4:2001:db8::1 ip6:192.0.2.1 ip6:::1/129 ip6::: ip6:1::2::3
    ip6:2001:db8::1%eth0 ip6:2001:db8::00001 ip6:::ffff:192.0.2.01 redirect=%{d1} include:%{d1} redirect=..test""".split()
NETS = """ip4:192.0.2.1 ip4:192.0.2.0/24 ip4:192.0.2.128/25 ip4:198.51.100.7/31 ip4:203.0.113.9 ip4:0.0.0.0/0 ip6:::/0
    ip6:2001:db8::1 ip6:2001:db8::/32 ip6:2001:DB8:0:0::FFFF/127 ip6:::ffff:192.0.2.1/96 ip6:fe80::/10""".split()
OTHER_TEXTS = ["hello", "v=spf10 -all", "v=spf1\tall", "v=spf1x", "h\xe4", "", "v=spf2.0/pra all", " v=spf1 all"]
WHY = ["why %{d}", "%{s} %{l} %{o} %{h} %{p} %{i} %{v} %{c} %{r}", "%{S} %{C} %{I} %{R} %{P2}", "100%% %_x%- %{d}",
       "%{l1r-}|%{d2}|%{or}|%{s1r+-}", "%{H} %{L} %{dr}", "bad %", "bad %{x}", "tab\there", "h\xe4", ""]


class Maker:
    """Makes a zone: {(name, type): [data]}."""

    def __init__(self, number):
        self.r = random.Random(number)
        self.zone = {}

    def odds(self, p):
        return self.r.random() < p

    def pick(self, *lists):
        return self.r.choice(self.r.choice(lists))

    def macro(self):
        return self.pick(BROKEN) if self.odds(0.02) else self.pick(MACROS)

    def name(self):
        if self.odds(0.5):
            return self.pick(HOSTS, DOMAINS)
        if self.odds(0.08):
            return self.pick(ODD_NAMES)
        if self.odds(0.4):
            return self.pick(ODD_HOSTS, ["cn0.test", "cn1.test", "mx0.test", "%{d}", "%{o}", "%{h}", "sub.%{d}", "H0.TEST"])
        dots = "." if self.odds(0.7) else ""
        ends = [".ex.test", ".ex.test", ".test", ".d0.test", ""]
        return dots.join(self.macro() for _ in range(self.r.randint(1, 4))) + self.pick(ends)

    def argument(self):
        return "" if self.odds(0.3) else ":" + self.name()

    def cidr(self):
        return self.pick(ODD_CIDRS) if self.odds(0.02) else self.pick(CIDRS)

    def term(self):
        kind = self.pick(["a", "mx", "include", "ptr", "exists", "net", "net", "all", "other", "odd"])
        text = {
            "a": lambda: "a" + self.argument() + self.cidr(),
            "mx": lambda: "mx" + self.pick([self.argument(), ":mx0.test", ":mx1.test", ":mx2.test", ":mx3.test"]) + self.cidr(),
            "include": lambda: "include:" + self.pick(DOMAINS, [self.name()]),
            "ptr": lambda: "ptr" + self.pick(["", ":" + self.name(), ":d0.test"]),
            "exists": lambda: "exists:" + self.name(),
            "net": lambda: self.pick(NETS),
            "all": lambda: "all",
            "other": lambda: self.pick(["foo=bar", "op=", "u_n-k.n0=/x" + self.macro()]),
            "odd": lambda: self.pick(ODD_TERMS) if self.odds(0.3) else "a:" + self.pick(HOSTS),
        }[kind]()
        text = text.upper() if self.odds(0.05) and "%" not in text else text
        return text if "=" in text else self.pick(["", "", "", "+", "-", "~", "?"]) + text

    def record(self):
        terms = [self.term() for _ in range(self.r.randint(0, 6))]
        if self.odds(0.5):
            terms.append(self.pick(["-all", "-all", "~all"]))
        if self.odds(0.3):
            terms.insert(self.r.randint(0, len(terms)), "redirect=" + self.pick(DOMAINS, [self.name()]))
        if self.odds(0.5):
            terms.insert(self.r.randint(0, len(terms)), "exp=" + self.pick(EXPLANATIONS, EXPLANATIONS, [self.name()]))
        if self.odds(0.04):
            terms += [self.pick(["exp=e0.test", "redirect=d0.test"])]
        if self.odds(0.08):
            terms = ["a:" + self.pick(HOSTS) for _ in range(self.r.randint(5, 11))] + terms
        text = self.pick(["v=spf1"] * 9 + ["V=Spf1"]) + " " + self.pick([" "] * 9 + ["  "]).join(terms)
        if self.odds(0.05):
            i = self.r.randrange(5, len(text) + 1)
            text = text[:i] + self.pick(["", *" %{}/:.=+-~?0129aArdp_@\x7f\xe4\t\x00"]) + text[i + self.r.randint(0, 1):]
        return text + self.pick([""] * 9 + [" ", "  "])

    def add(self, name, type_, data):
        data_so_far = self.zone.setdefault((name, type_), [])
        if data not in data_so_far:  # RFC 2181 5
            data_so_far.append(data)

    def add_addresses(self, name):
        for _ in range(self.r.randint(0, 2)):
            self.add(name, "A", self.pick(["192.0.2.1", "192.0.2.130", "192.0.2.99", "198.51.100.6", "203.0.113.1"]))
            self.add(name, "AAAA", self.pick(["2001:db8::1", "2001:db8::99", "2001:db9::1"]))

    def add_domain(self, name):
        if self.odds(0.96):
            self.add(name, "TXT", self.record())
        if self.odds(0.02):
            self.add(name, "TXT", self.record())
        if self.odds(0.2):
            self.add(name, "TXT", self.pick(OTHER_TEXTS))
        if self.odds(0.4):
            self.add(name, "MX", self.pick(HOSTS))
        self.add_addresses(name)

    def make(self):
        for name in DOMAINS:
            self.add_domain(name)
        for name in HOSTS:
            self.add_addresses(name)
        for name in EXPLANATIONS:
            for text in self.r.sample(WHY, self.pick([1, 1, 1, 2])):
                self.add(name, "TXT", text)
        for name in DOMAINS + HOSTS + ["nodata.test"]:
            self.add(name, "HINFO", "a b")
        for i in range(self.pick([9, 10, 11])):
            self.add("mx1.test", "MX", "m%d.test" % i)
            self.add("m%d.test" % i, "A", self.pick(["203.0.113.1"] * 8 + ["192.0.2.1"]))
        for name, host in (("mx0.test", "h0.test"), ("mx0.test", "h1.test"), ("mx2.test", self.pick(ODD_HOSTS)),
                           ("mx2.test", self.pick(HOSTS)), ("mx3.test", self.pick(["", "gone.test"]))):
            self.add(name, "MX", host)
        self.add("down.test", "CNAME", "down.test")
        for name in ("cn0.test", "cn1.test"):
            self.add(name, "CNAME", self.pick(DOMAINS, HOSTS, ODD_HOSTS))
        hosts = HOSTS + DOMAINS + ["gone.test", "down.test", "x.gone.test", "cn0.test", "cn1.test", "H0.test", "mx0.test"]
        for client in ("192.0.2.1", "2001:db8::1"):
            for host in self.r.sample(hosts, self.pick([0, 1, 1, 2, 3, 13])):
                self.add(CLIENTS[client], "PTR", host)
                if host in HOSTS + DOMAINS and self.odds(0.5):
                    self.add(host, "AAAA" if ":" in client else "A", client)
        return self.zone, self.pick(list(CLIENTS)), self.pick(HELOS), self.pick(SENDERS)


# ---- The zone, for the one and for the other

def text_data(text):
    octets = text.encode("latin-1")
    size = 255 if len(octets) % 2 else 37
    pieces = [octets[i:i + size] for i in range(0, len(octets), size)] or [b""]
    return " ".join('"%s"' % "".join("\\%03d" % c for c in p) for p in pieces)


def master_file(zone):
    form = {"TXT": text_data, "MX": lambda host: "10 %s." % host, "PTR": lambda host: host + ".", "CNAME": lambda host: host + "."}
    lines = ["$TTL 60", "*.ex.test. IN A 127.0.0.2"]
    for (name, type_), rows in zone.items():
        lines += ["%s. IN %s %s" % (name, type_, form.get(type_, str)(data)) for data in rows]
    return "\n".join(lines) + "\n"


def asker(zone):
    def ask(name, type_, links=10):
        name = name.lower()
        if name.endswith(".ex.test"):
            return ["127.0.0.2"] if type_ == "A" else []
        if (name, type_) in zone:
            return zone[name, type_]
        if (name, "CNAME") not in zone:
            return []
        if links == 0:
            raise TempError(name)
        return ask(zone[name, "CNAME"][0], type_, links - 1)
    return ask


# ---- The judges

def theirs(zone, ip, helo, sender):
    local, _, domain = sender.rpartition("@") if sender else ("", "", helo)
    domain = domain[:-1].lower() if domain.endswith(".") else domain.lower()
    if not re.match(r"[a-z0-9._-]+\Z", domain):  # 4.3
        return "none", "", []
    asked = []

    def ask(name, type_):
        question = "%s %s" % (type_.lower(), name.lower().rstrip("."))
        if question not in asked:
            asked.append(question)
        return asker(zone)(name, type_)
    return SPF(ask, ip, helo, local, domain, RECEIVER).check() + (asked,)


def questions(explain):
    """Of the first identity, each once."""
    asked = []
    for e in explain:
        if e["rfc"] == "7208 2.6":
            break
        question = e["question"].lower()
        if e["step"] == "spf" and QUESTION.match(e["question"]) and question not in asked:
            asked.append(question)
    return asked


def ours(zone, ip, helo, sender):
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as f:
        f.write(master_file(zone))
        f.flush()
        p = subprocess.run([AUTHMILL, "check", "--spf-only", "--explain", "--format", "json", "--zone", f.name, "--receiver", RECEIVER,
                            "--ip", ip, "--helo", helo, "--mail-from", sender],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    try:
        answer = json.loads(p.stdout)
        return answer["spf"]["result"], answer["spf"]["explanation"], questions(answer["explain"])
    except (ValueError, KeyError):
        return "exit status %d" % p.returncode, p.stderr.decode(errors="replace"), []


def judge(number):
    case = Maker(number).make()
    return number, case, theirs(*case), ours(*case)


def same(want, got):
    # RFC 7208 7.3 leaves the case of an IPv6 address's digits open; 6.2 allows a limit, which is 500 octets
    return want[0] == got[0] and want[1][:500].lower() == got[1].lower() and want[2] == got[2]


def main():
    first, last = map(int, sys.argv[1:3]) if len(sys.argv) == 3 else (0, CASES)
    if not os.path.exists(AUTHMILL):
        bail("%s is not built" % AUTHMILL)
    count, bad = {}, 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, case, want, got in pool.map(judge, range(first, last)):
            count[want[0]] = count.get(want[0], 0) + 1
            if same(want, got):
                continue
            bad += 1
            ok(False, "case %d" % number)
            diag("client %s, helo %r, from %r\nwant %r\ngot  %r" % (*case[1:], want, got))
            for (name, type_), rows in case[0].items():
                diag("%s %s %r" % (name, type_, rows))
    ok(bad == 0, "%d cases: %s" % (last - first, ", ".join("%d %s" % (n, r) for r, n in sorted(count.items()))))
    ok(len(count) == 7, "every result is among them")
    done()


main()
