#!/usr/bin/python3
"""The attack tables of t/vectors/attacks (TAP): every row through `authmill check`, and through the
daemon over the milter protocol where that can carry it. What is wanted was written from the RFCs.

Beside what a row wants, of every row: header field, JSON, text and log stay what they are, whatever
came in; another program (python3-authres) reads the same results from the field; check and daemon
write the same field; nothing that is no host name is asked for, and never more than 150 names.

    attacks.py [TABLE...]      (helo.yml, from.tsv, ...)
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
from fixture import CONF, ID, ours  # noqa: E402
from milterclient import Client, Daemon, applied, strings  # noqa: E402
from mkdkim import NOW  # noqa: E402

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
    with TestDNS(table.zone) as dns, \
            Daemon(CONF % ('dns { nameservers = {"%s"} timeout = 5 }\n%s' % (dns.nameserver, table.conf))) as d:
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
    with Daemon(CONF % 'dns { zones = {"{dir}/zone"} }\nauthserv-id = "mx.example.org"\n', {"zone": ""}) as d:
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


OTHERS = {"from.tsv": from_table, "authres.tsv": authres_table}


def main(names):
    every = sorted(n for n in os.listdir(VECTORS) if n.endswith((".yml", ".tsv")))

    def one(name):
        def test():
            OTHERS[name]() if name in OTHERS else yaml_table(name)
        test.__name__ = name
        return test
    tap.run(*[one(n) for n in names or every])


main(sys.argv[1:])
