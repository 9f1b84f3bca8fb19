#!/usr/bin/python3
"""The attack tables of t/vectors/attacks (TAP): every row through `authmill check`, and through the
daemon over the milter protocol where that can carry it. What is wanted was written from the RFCs.

Beside what a row wants, of every row: header field, JSON, text and log stay what they are, whatever
came in; another program (python3-authres) reads the same results from the field; check and daemon
write the same field; nothing that is no host name is asked for, and never more than 150 names.

    attacks.py [TABLE...]      (identity.yml, from.tsv, ...)
"""

import os
import re
import sys
import time

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

import tap  # noqa: E402
from tap import build, diag, ok  # noqa: E402

try:
    import attack
    from attack import VECTORS, Row, Table, check, load, unfolded, wrong_field
    from testdns import TestDNS
except ImportError as missing:
    tap.skip_all("%s (Debian: apt-get install python3-dkim python3-authres python3-dnspython python3-yaml)" % missing)
from fixture import CONF, ID, ZONES, ours, zone  # noqa: E402
from milterclient import Client, Daemon, applied, strings  # noqa: E402
from mkdkim import NOW, Mail, key, sign  # noqa: E402

AUTHMILL = build("authmill")
build("authmilld")
SECONDS = 10  # for one message, its look-ups included


def report(bad, name):
    if not ok(not bad, name):
        diag("\n".join(str(b) for b in bad))


def told_by(daemon, row, number):
    """(edits, verdict) of the daemon."""
    e = row.envelope()
    with Client(daemon.socket, 60) as c:
        c.negotiate()
        c.connect(e["ip"].decode() if "ip" in e else None)
        if "helo" in e:
            c.step("H", strings(e["helo"]))
        c.step("M", strings(b"<" + e.get("mail_from", b"") + b">"))
        c.rcpt("postmaster")
        c.data()
        for name, value in row.carried():
            c.header(name, value)
        c.eoh()
        c.body(row.mail.body)
        c.macros("E", i="Q%d" % number)
        return c.eom()


def by_check(row, dns, options):
    """The answer in JSON, or None; and what is wrong."""
    dns.clear()
    begin = time.monotonic()
    try:
        got = load(check(AUTHMILL, row, dns.nameserver, "json", *options))
        took = time.monotonic() - begin
        asked = sorted({(q.name, q.rtype) for q in dns.queries})
        field = check(AUTHMILL, row, dns.nameserver, "header", *options).decode("utf-8", "surrogateescape")
        text = check(AUTHMILL, row, dns.nameserver, "text", "--explain", *options)
    except (AssertionError, ValueError) as e:
        return None, ["%s: %s" % (type(e).__name__, e)]
    bad = row.wrong(got, asked)
    bad += wrong_field(field.partition(": ")[2].rstrip("\n"), got)
    bad += [] if re.fullmatch(rb"[ -~\n]*", text) else ["octets in text: %r" % text]
    bad += [] if took < SECONDS else ["it took %.1f s" % took]
    return got, bad


def by_daemon(row, daemon, number, got):
    begin = time.monotonic()
    edits, (code, _) = told_by(daemon, row, number)
    took = time.monotonic() - begin
    bad = [] if code in "ac" else ["answered with %s" % code]
    field = ours(edits)
    forged = any(f[:23].lower() == b"authentication-results:" for f in row.mail.fields)
    bad += [] if forged else ["changed: %r" % e for e in edits if e[0] != "i"]
    bad += wrong_field(field, got)
    if got and unfolded(field) != got["authentication_results"]:
        bad.append("check %r\ndaemon %r" % (got["authentication_results"], unfolded(field)))
    bad += [] if took < SECONDS else ["it took %.1f s" % took]
    line = daemon.logged("Q%d:" % number)
    lines = [x for x in list(daemon.log) if "Q%d:" % number in x]
    if not line or len(lines) != 1 or not re.fullmatch(r"authmilld\[\d+\]: Q%d: [ -~]*\n" % number, line):
        bad.append("log: %r" % lines)
    return bad


def yaml_table(name):
    table = Table(name)
    # two servers: what the daemon still asks for the row before must not count as asked for this one
    with TestDNS(table.zone) as dns, TestDNS(table.zone) as daemons, \
            Daemon(CONF % ('dns { nameservers = {"%s"} timeout = 5 }\n%s' % (daemons.nameserver, table.conf))) as d:
        config = ("--config", d.conf) if table.conf else ()
        for number, row in enumerate(table.rows):
            title = "%s: %s (%s)" % (name[:-4], row.name, row.rfc)
            got, bad = by_check(row, dns, ("--time", str(NOW), "--dns-timeout", "5") + config)
            report(bad, title)
            if row.carried() is not None:
                report(by_daemon(row, d, number, got), title + ", daemon")
        report(["%r" % x for x in d.log if not re.match(r"authmilld\[\d+\]: [ -~]*$", x)], name + ": every line of log is one")


# ---- Tables of one text a line

def unescape(text):
    return re.sub(rb"\\(r|n|t|\\|x[0-9a-f]{2})", lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}.get(
        m.group(1)) or bytes([int(m.group(1)[1:], 16)]), text)


def vectors(name):
    with open(os.path.join(VECTORS, name), "rb") as f:
        for line in f:
            if line.strip() and not line.startswith(b"#"):
                what, want, text = line.rstrip(b"\n").split(b"\t")
                yield what.decode(), want.decode(), unescape(text)


ZONE = {"_dmarc.%s" % d: [{"TXT": "v=DMARC1; p=reject"}] for d in
        ("legit.example", "attack.example", "xn--lgit-v4d.example")}
ZONE["attack.example"] = [{"TXT": "v=spf1 ip4:192.0.2.66 -all"}]
STRANGER = {"ip": "192.0.2.66", "helo": "attack.example", "mail_from": "x@attack.example"}


def from_row(what, want, text):
    expect = {"dmarc": "permerror"} if want == "bad" else \
        {"dmarc": "pass" if want == "attack.example" else "fail", "from": want}
    return Row(dict(STRANGER, name=what, rfc="9989 5.3.1", want=dict(expect, lacks=["dmarc=pass header.from=legit"]),
                    fields=[f.decode("latin-1") for f in re.split(rb"\r\n(?![ \t])", text)]))


def from_table():
    with TestDNS(ZONE) as dns, Daemon(CONF % ('dns { nameservers = {"%s"} }\n' % dns.nameserver)) as d:
        for number, (what, want, text) in enumerate(vectors("from.tsv")):
            row = from_row(what, want, text)
            got, bad = by_check(row, dns, ())
            report(bad, "from: " + what)
            if row.carried() is not None:
                report(by_daemon(row, d, number, got), "from: %s, daemon" % what)


def authres_table():
    """Fields that may be taken for ours go; others stay, in their order."""
    kept = [(b"From", b" a@b.example"), (b"Authentication-Results", b" other.example; none")]
    conf = CONF.replace(ID, "mx.example.org") % ZONES
    with Daemon(conf, {"zone": zone()}) as d:
        for what, want, text in vectors("authres.tsv"):
            if b"\0" in text:
                continue  # no MTA can hand it on
            field = (b"Authentication-Results", text.replace(b"\r\n", b"\n"))
            fields = [kept[0], field, kept[1]]
            with Client(d.socket) as c:
                c.negotiate()
                c.connect("192.0.2.66")
                c.envelope("x@attack.example")
                for name, value in fields:
                    c.header(name, value)
                c.eoh()
                edits, _ = c.eom()
            left = applied(fields, edits)[1:]
            report([] if left == (fields if want == "other" else kept) else [left], "authres: %s: %s" % (what, want))


# ---- Injection

TAGS = "v=1; a=%s; d=%s; s=%s; h=%s; i=%s; bh=AAAA; b=%s"


def tags(**one):
    value = {"a": "rsa-sha256", "d": "attack.example", "s": "s1", "h": "from", "i": "@attack.example", "b": "AAAA"}
    value.update(one)
    return "DKIM-Signature: " + TAGS % tuple(value[t] for t in "adshib")


def places(n, text):
    """(place, row) with the text in each place of a message of which nothing may pass."""
    ip = "198.51.100.%d" % (n + 1)
    plain = {"ip": ip, "helo": "mx.attack.example", "mail_from": "x@t%d.attack.example" % n, "fields": ["From: x@attack.example"]}
    yield "helo", dict(plain, helo=text)
    yield "sender", dict(plain, mail_from=text)
    yield "sender-local", dict(plain, mail_from=text + "@attack.example")
    yield "sender-domain", dict(plain, mail_from="x@" + text + ".attack.example")
    yield "from-name", dict(plain, fields=["From: " + text + " <x@attack.example>"])
    yield "from-domain", dict(plain, fields=["From: x@" + text + ".attack.example"])
    for t in "adshib":
        yield t + "=", dict(plain, fields=plain["fields"] + [tags(**{t: text})])
    yield "i= encoded", dict(plain, fields=plain["fields"] + [tags(i="".join("=%02X" % ord(c) for c in text) + "@attack.example")])
    yield "results", dict(plain, fields=plain["fields"] + ["Authentication-Results: " + text])
    yield "dns", plain  # explanation, SPF error and PTR name: by the zone


def injection_zone(texts):
    """exp= of every row's domain is its text; so is a label of its PTR name, and what its record cannot be."""
    zone = {"attack.example": [{"TXT": "v=spf1 -all"}], "_dmarc.attack.example": [{"TXT": "v=DMARC1; p=reject"}]}
    for n, text in enumerate(texts):
        octets = text.encode("latin-1")
        zone["t%d.attack.example" % n] = [{"TXT": "v=spf1 -all exp=e%d.attack.example" % n}]
        zone["e%d.attack.example" % n] = [{"TXT": octets}]
        zone["t%d.error.example" % n] = [{"TXT": b"v=spf1 " + octets + b" -all"}]
        label = "".join("\\%03d" % o for o in octets[:60])
        zone["%d.100.51.198.in-addr.arpa" % (n + 1)] = [{"PTR": label + ".ptr.example."}]
        zone[label + ".ptr.example"] = [{"A": "198.51.100.%d" % (n + 1)}]
    return zone


def injection_table():
    rows = [(what, text.decode("latin-1")) for what, _, text in vectors("injection.tsv")]
    number = 0
    with TestDNS(injection_zone([r[1] for r in rows])) as dns, \
            Daemon(CONF % ('dns { nameservers = {"%s"} }\n' % dns.nameserver)) as d:
        for n, (what, text) in enumerate(rows):
            bad = []
            for place, row in list(places(n, text)) + [("error", {"ip": "203.0.113.9", "mail_from": "x@t%d.error.example" % n})]:
                if "\0" in str(row.get("helo")) + str(row.get("mail_from")):
                    continue  # no C string can hold it
                r = Row(dict(row, name=what, want={}))
                got, wrong = by_check(r, dns, ())
                if r.carried() is not None:
                    wrong += by_daemon(r, d, number, got)
                wrong += ["it passes"] if got and ("pass" in [s["result"] for s in got["dkim"]] or
                                                   got["dmarc"]["result"] == "pass") else []
                bad += [("%s: %s" % (place, w))[:1000] for w in wrong]
                number += 1
            report(bad, "injection: " + what)
        report(["%r" % x for x in d.log if not re.match(r"authmilld\[\d+\]: [ -~]*$", x)], "injection: every line of log is one")


# ---- Many signatures

def signatures():
    """A heap of signatures: ten keys are asked for; whoever may speak for the author is not crowded out."""
    keys = {"k%d._domainkey.attack.example" % n: [{"TXT": key("rsa1024").record().decode()}] for n in range(40)}
    keys["s1._domainkey.legit.example"] = [{"TXT": key("rsa2048").record().decode()}]
    mail = Mail([b"From: admin@legit.example", b"Subject: x"], b"Hello.\r\n")
    honest = sign(mail, d=b"legit.example", s=b"s1", h=b"from:subject")
    for what, base, names in (("all of strangers", mail, 10), ("the author's at the bottom", honest, 20)):
        heap = base
        for n in range(40):
            heap = sign(heap, "rsa1024", d=b"attack.example", s=b"k%d" % n, h=b"from")
        row = Row({"name": what, "want": {"dmarc": "none", "most": 40}})
        row.mail = heap
        with TestDNS(keys) as dns:
            got, bad = by_check(row, dns, ("--time", str(NOW)))
            asked = {q.name for q in dns.queries if "_domainkey" in q.name}
        bad += ["%d keys were asked for" % len(asked)] if len(asked) > names else []
        passed = [s["domain"] for s in got["dkim"] if s["result"] == "pass"] if got else []
        want = ["attack.example"] * 10 if base is mail else ["attack.example"] * 9 + ["legit.example"]
        bad += [] if passed == want else ["passed: %r" % passed]
        report(bad, "signatures: 40, " + what)


OTHERS = {"signatures": signatures, "injection.tsv": injection_table, "from.tsv": from_table, "authres.tsv": authres_table}


def main(names):
    every = sorted({n for n in os.listdir(VECTORS) if n.endswith((".yml", ".tsv"))} | set(OTHERS))

    def one(name):
        def test():
            OTHERS[name]() if name in OTHERS else yaml_table(name)
        test.__name__ = name
        return test
    tap.run(*[one(n) for n in names or every])


main(sys.argv[1:])
