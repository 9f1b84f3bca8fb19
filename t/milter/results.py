#!/usr/bin/python3
"""Over the milter protocol: results are right, fields go on top, policy is enforced where asked for."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ID, ZONES, ours, results, sample, words, zone  # noqa: E402
from milterclient import LEADSPC, Client, Daemon, session, split  # noqa: E402
from mta import free_port  # noqa: E402
from tap import build, diag, is_, like, ok  # noqa: E402

build("authmilld")
GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
BAD = dict(ip="198.18.0.1", helo="elsewhere.example", mail_from="x@bank.example")
FILES = {"zone": zone("""
_dmarc.aside.example.  IN TXT "v=DMARC1; p=quarantine"
""")}


def plain(more=""):
    return Daemon(CONF % (ZONES + more), FILES)


def judged():
    cases = [
        ("newsletter", GOOD, "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"),
        ("spoof", BAD, "spf=fail spf=none dkim=none dmarc=fail iprev=permerror"),
        ("list", dict(ip="203.0.113.5", helo="lists.club.example", mail_from="list@club.example"),
         "spf=pass spf=none dkim=fail dmarc=fail iprev=pass"),
        ("newsletter", {}, "dkim=pass dmarc=pass"),
        ("newsletter", dict(GOOD, auth_authen="alice"),
         "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass auth=pass"),
        ("newsletter", dict(GOOD, mail_from=""), "spf=pass dkim=pass dmarc=pass iprev=pass"),
        ("newsletter", dict(ip="192.0.2.1", mail_from="news@garden.example"),
         "spf=pass dkim=pass dmarc=pass iprev=pass"),
        ("newsletter", dict(ip="2001:db8::1", mail_from="news@garden.example"),
         "spf=fail dkim=pass dmarc=pass iprev=permerror"),
    ]
    with plain() as d:
        for name, how, want in cases:
            edits, (code, _) = session(d.socket, sample(name), **how)
            is_(words(ours(edits)), want, "%s, %s" % (name, how))
            is_(code, "c" if code == "c" else "a", "nothing is refused")
            is_(results(ours(edits))[0][1], ID, "the id is ours")
            ok(ours(edits).startswith(" ") and "\r" not in ours(edits), "its own space; folds are LF")


def properties():
    with plain() as d:
        edits, _ = session(d.socket, sample("newsletter"), auth_authen="alice", **GOOD)
        value = ours(edits)
        for part in ("smtp.mailfrom=garden.example", "smtp.helo=mail.garden.example", "header.d=garden.example",
                     "header.s=s1", "header.from=garden.example", "policy.iprev=192.0.2.1", "smtp.auth=alice"):
            ok(part in value, part)
        for line in value.split("\n"):
            ok(len("Authentication-Results:" + line if line == value.split("\n")[0] else line) <= 78, "78 columns")
        line = d.logged("QUEUEID")
        ok(line is not None and "dmarc=pass" in line, "one line of log with the queue id and the results")
        if not line:
            diag("".join(d.log))


def the_log():
    """Every method has its result; of many signatures those that passed; what is long hides nothing behind it."""
    good = sample("newsletter")
    broken = b"".join(b"DKIM-Signature: v=1; a=rsa-sha256; d=%s.%d.example; s=s; h=from; bh=%s; b=AAAA\r\n"
                      % (b".".join([b"d" * 60] * 3), i, b"A" * 43 + b"=") for i in range(6))
    long = ".".join(["x" * 60] * 4) + ".example"
    with plain() as d:
        session(d.socket, broken + good, "192.0.2.1", long, "n" * 60 + "@garden.example", auth_authen="a" * 200)
        line = d.logged("client=192") or ""
        for part in (" helo=" + long + " ", " spf=pass(garden.example) ", " spf-helo=none(" + long[:150], " dkim=pass(garden.example) ",
                     " dkim-more=3 ", " dmarc=pass(garden.example) ", " policy=reject ", " action=accept(authenticated"):
            ok(part in line, "the log has" + part.rstrip())
        is_(line.count(" dkim="), 4, "of seven signatures four")


def several_in_a_session():
    with plain() as d, Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        c.helo("mail.garden.example")
        for turn, (name, sender, macros, want) in enumerate([
                ("newsletter", "news@garden.example", {"auth_authen": "alice"},
                 "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass auth=pass"),
                ("spoof", "x@bank.example", {}, "spf=fail spf=pass dkim=none dmarc=fail iprev=pass"),
                ("list", "", {}, "spf=pass dkim=fail dmarc=pass iprev=pass"),
                ("newsletter", "news@garden.example", {}, "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass")]):
            c.macros("M", mail_addr=sender, **macros)
            c.envelope(sender)
            edits, _ = c.content(sample(name))
            is_(words(ours(edits)), want, "message %d of the session" % turn)
        c.macros("M", auth_authen="alice")
        c.mail("x@bank.example")
        c.abort()
        c.macros("M", mail_addr="news@garden.example")
        edits, _ = c.message(sample("newsletter"), "news@garden.example")
        is_(words(ours(edits)), "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass",
            "nothing is left of a transaction that was given up")
        c.helo("elsewhere.example")
        edits, _ = c.message(sample("newsletter"), "news@garden.example")
        is_(words(ours(edits)), "spf=pass spf=none dkim=pass dmarc=pass iprev=pass", "a second HELO counts")
        c.quit()


def what_the_mta_offers():
    with plain() as d:
        for what, offer in [("the first steps", dict(steps=0x7F)), ("no LEADSPC", dict(steps=0x1FFFFF & ~LEADSPC)),
                            ("version 2", dict(version=2, actions=0x1F, steps=0x7F)),
                            ("no quarantine", dict(actions=0x1FF & ~0x20)),
                            ("no macro lists", dict(actions=0xFF))]:
            with Client(d.socket) as c:
                c.negotiate(**offer)
                ok(c.steps & ~offer.get("steps", 0x1FFFFF) == 0, "%s: only what was offered" % what)
                c.connect("192.0.2.1")
                c.helo("mail.garden.example")
                edits, _ = c.message(sample("newsletter"), "news@garden.example")
                is_(words(ours(edits)), "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass", "%s: judged" % what)
                is_(ours(edits)[:1] == " ", bool(c.steps & LEADSPC), "%s: the space before the value" % what)
        with Client(d.socket) as c:
            c.negotiate()
            ok(c.actions & ~0x1FF == 0 and c.actions & 0x31 == 0x31, "asks for header changes and quarantine")
            c.connect("192.0.2.1")
            c.envelope("news@garden.example")
            fields = sample("newsletter").partition(b"\r\n\r\n")
            for name, value in split(sample("newsletter"))[0]:
                c.header(name, value)
            c.eoh()
            c.body(fields[2], chunk=1)
            edits, _ = c.eom()
            ok("dkim=pass" in words(ours(edits)), "a body in chunks of one octet")


def enforced():
    conf = "dmarc { enforce = yes }\n"
    aside = sample("spoof").replace(b"bank.example", b"aside.example")
    with plain(conf) as d:
        edits, (code, data) = session(d.socket, sample("spoof"), **BAD)
        is_(code, "y", "p=reject: refused")
        like(data.decode(), r"^550 5\.7\.1 .*DMARC.*bank\.example", "reply")
        edits, (code, data) = session(d.socket, aside, **BAD)
        ok(code in "ac" and [e for e in edits if e[0] == "q"], "p=quarantine: accepted and set aside")
        ok("dmarc=fail" in words(ours(edits)), "and the results are written")
        edits, (code, _) = session(d.socket, sample("newsletter"), **GOOD)
        ok(code in "ac" and "dmarc=pass" in ours(edits), "a good message passes")
        for what, how in [("authenticated", dict(BAD, auth_authen="bob")), ("local network", dict(BAD, ip="127.0.0.1")),
                          ("IPv6 loopback", dict(BAD, ip="::1")), ("no address", dict(BAD, ip=None))]:
            edits, (code, _) = session(d.socket, sample("spoof"), **how)
            ok(code in "ac" and not [e for e in edits if e[0] == "q"], "never enforced upon: " + what)
    with plain(conf + "local-networks = {}\n") as d:
        _, (code, _) = session(d.socket, sample("spoof"), **dict(BAD, ip="127.0.0.1"))
        is_(code, "y", "local-networks = {}: loopback is like any other")
    with plain('local-networks = {"198.18.0.0/15"}\n' + conf) as d:
        _, (code, _) = session(d.socket, sample("spoof"), **BAD)
        ok(code in "ac", "a network of our own")


def sockets():
    for spec in ("inet:%d@127.0.0.1" % free_port(), "inet6:%d@::1" % free_port()):
        try:
            d = Daemon(CONF % ZONES, FILES, spec=spec).__enter__()
        except RuntimeError as e:
            if spec.startswith("inet6") and not os.path.exists("/proc/net/if_inet6"):
                tap.skip(spec, "no IPv6 here")
                continue
            raise e
        try:
            edits, _ = session(d.socket, sample("newsletter"), **GOOD)
            ok("dmarc=pass" in words(ours(edits)), "milter at " + spec)
        finally:
            d.__exit__()


tap.run(judged, properties, the_log, several_in_a_session, what_the_mta_offers, enforced, sockets)
