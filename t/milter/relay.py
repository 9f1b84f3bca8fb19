#!/usr/bin/python3
"""Behind relays of ours (trusted-relays): who is judged, who is never exempt, which results stay."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ID, ZONES, ours, results, words  # noqa: E402
from milterclient import Client, Daemon, applied, session, split  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

build("authmilld")
ZONE = """$TTL 60
$ORIGIN .
good.example.                 IN TXT "v=spf1 ip4:198.51.100.7 -all"
_dmarc.good.example.          IN TXT "v=DMARC1; p=reject"
mail.good.example.            IN A   198.51.100.7
mail.good.example.            IN TXT "v=spf1 a -all"
7.100.51.198.in-addr.arpa.    IN PTR mail.good.example.
victim.example.               IN TXT "v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 ip4:127.0.0.1 -all"
_dmarc.victim.example.        IN TXT "v=DMARC1; p=reject"
"""
RELAYS = 'trusted-relays = {"192.0.2.10", "192.0.2.11", "2001:db8:1::/48"}\n'
OURS = 'local-networks = {"127.0.0.0/8", "192.0.2.0/24"}\n'
ENFORCE = "dmarc { enforce = yes }\n"
RELAY = "192.0.2.10"
DATE = "Mon, 01 Jan 2024 10:00:00 +0000"
FORGED = "Authentication-Results: %s; dmarc=pass header.from=victim.example\r\n" % ID


def daemon(more=""):
    return Daemon(CONF % (ZONES + more), {"zone": ZONE})


def received(ip, helo="mail.good.example", by="mx2.here.example", how="ESMTP"):
    return "Received: from %s (unknown [%s])\r\n\tby %s (Postfix) with %s id 4F3B81C0123;\r\n\t%s\r\n" % (
        helo, ip, by, how, DATE)


HONEST = received("198.51.100.7")
STRANGER = received("203.0.113.66", "evil.example")


def mail(above, domain="good.example"):
    return (above + "From: a@%s\r\nSubject: x\r\n\r\nHello.\r\n" % domain).encode()


def who_is_judged():
    spf = "spf=%s smtp.mailfrom=good.example policy.hop=%s"
    passed = [spf % ("pass", "198.51.100.7"),
              "spf=pass smtp.helo=mail.good.example policy.hop=198.51.100.7"]
    failed = spf % ("fail", "203.0.113.66")
    unknown = 'spf=none reason="behind a trusted relay: %s" smtp.mailfrom=good.example policy.hop=unknown'
    cases = [
        ("one relay", RELAY, HONEST, passed, "pass"),
        ("two relays", RELAY, received("192.0.2.11", "mx3.here.example") + HONEST, passed, "pass"),
        ("a relay with IPv6", "2001:db8:1::5", HONEST, passed, "pass"),
        ("a stranger", RELAY, STRANGER, [failed], "fail"),
        ("a stranger who forged an honest hop below", RELAY, STRANGER + HONEST, [failed], "fail"),
        ("a stranger who forged a relay and an honest hop", RELAY,
         STRANGER + received("192.0.2.11", "mx3.here.example") + HONEST, [failed], "fail"),
        ("no Received field", RELAY, "", [unknown % "no Received field"], "fail"),
        ("a field that cannot be read", RELAY, "Received: x\r\n" + HONEST,
         [unknown % "a Received field that cannot be read"], "fail"),
        ("relays alone", RELAY, received("192.0.2.11", "mx3.here.example"),
         [unknown % "no Received field of an untrusted host"], "fail"),
        ("made up by a program of the relay's", RELAY,
         "Received: by mx2.here.example (Postfix, from userid 33)\r\n\tid 4F3B81C0123; %s\r\n" % DATE + HONEST,
         [unknown % "a Received field without the client's address"], "fail"),
        ("no relay", "203.0.113.66", HONEST, ["spf=fail smtp.mailfrom=good.example"], "fail"),
        ("a neighbour of the relay", "192.0.2.12", HONEST, ["spf=fail smtp.mailfrom=good.example"], "fail"),
    ]
    with daemon(RELAYS) as d:
        for what, ip, above, want, dmarc in cases:
            edits, _ = session(d.socket, mail(above), ip=ip, helo="mx2.here.example", mail_from="a@good.example")
            got = results(ours(edits))
            is_([t for m, _, t in got if m == "spf"][:len(want)], want, what)
            is_([r for m, r, _ in got if m == "dmarc"], [dmarc], what + ": DMARC")
            hop = want[0].rpartition("=")[2]
            iprev = [t for m, _, t in got if m == "iprev"]
            if hop == "198.51.100.7":
                is_(iprev, ["iprev=pass (mail.good.example) policy.iprev=198.51.100.7 policy.hop=198.51.100.7"],
                    what + ": iprev is the hop's")
            elif hop == "unknown":
                is_(iprev, [], what + ": nobody's iprev")
        line = d.logged("relay=192.0.2.10(no")
        ok(line and "client=unknown" in line, "the log names the relay, and why the client is unknown")


def null_sender():
    with daemon(RELAYS) as d:
        edits, _ = session(d.socket, mail(HONEST), ip=RELAY, helo="mx2.here.example")
        is_([t for m, _, t in results(ours(edits)) if m == "spf"],
            ["spf=pass smtp.helo=mail.good.example policy.hop=198.51.100.7"], "the hop's HELO stands for a null sender")
        edits, _ = session(d.socket, mail("Received: x\r\n"), ip=RELAY, helo="mail.good.example")
        is_([t for m, _, t in results(ours(edits)) if m == "spf"],
            ['spf=none reason="behind a trusted relay: a Received field that cannot be read" policy.hop=unknown'],
            "the relay's HELO does not")


def never_exempt():
    """Whatever the relay is, or its fields say: a stranger behind it is refused what it spoofs."""
    plain, login = {}, dict(auth_authen="mx2", auth_type="PLAIN")
    for what, conf, above, macros in [
            ("by default", "", STRANGER, plain),
            ("the relay is in local-networks", OURS, STRANGER, plain),
            ("the relay logs in", "", STRANGER, login),
            ("both", OURS, STRANGER, login),
            ("the hop is unknown", OURS, "", plain),
            ("the hop is unknown, and the relay logs in", OURS, "Received: x\r\n", login),
            ("a recorded address of ours", OURS, received("192.0.2.99", "pc.here.example"), plain),
            ("a recorded loopback address", OURS, received("127.0.0.1", "localhost"), plain),
            ("a login recorded by the relay", "", received("203.0.113.66", how="ESMTPSA"), plain),
            ("skip = local", OURS + "skip = {local}\n", STRANGER, plain),
            ("skip = authenticated", "skip = {authenticated}\n", STRANGER, login),
            ("skip = submission", "skip = {submission}\n", "", plain)]:
        with daemon(RELAYS + ENFORCE + conf) as d:
            sender = "x@elsewhere.example"
            _, (code, data) = session(d.socket, mail(above, "victim.example"), ip=RELAY, mail_from=sender, **macros)
            is_((code, data[:9]), ("y", b"550 5.7.1"), what + ": a spoofed author is refused")
            edits, (code, _) = session(d.socket, mail(HONEST), ip=RELAY, mail_from="a@good.example", **macros)
            is_(code, "a", what + ": an honest one is not")
            like(words(ours(edits)), r"spf=pass.* dmarc=pass", what + ": and is judged")
            ok("auth=" not in words(ours(edits)), what + ": a relay's login is not the sender's")
    with daemon(ENFORCE + OURS) as d:
        _, (code, _) = session(d.socket, mail(STRANGER, "victim.example"), ip=RELAY, mail_from="x@elsewhere.example")
        is_(code, "a", "the same host, no trusted relay: a machine of ours")


def one_connection():
    """Each message has a hop of its own; a second HELO changes nothing of it."""
    with daemon(RELAYS + OURS + ENFORCE + "skip = {authenticated}\n") as d, Client(d.socket) as c:
        c.negotiate()
        c.connect(RELAY)
        c.helo("mx2.here.example")
        for turn in range(2):
            edits, (code, _) = c.message(mail(HONEST), "a@good.example")
            is_(code, "a", "an honest message, %d" % turn)
            like(ours(edits), r"spf=pass smtp\.mailfrom=good\.example\s+policy\.hop=198\.51\.100\.7", "its own hop")
            _, (code, _) = c.message(mail(STRANGER, "victim.example"), "a@good.example", auth_authen="mx2")
            is_(code, "y", "a spoofed one, with a login")
            c.envelope("a@good.example")
            c.abort()
            c.helo("mail.good.example")
            _, (code, _) = c.message(mail("", "victim.example"), "x@elsewhere.example")
            is_(code, "y", "one without a Received field")


def results_of_relays():
    def field(name, n):
        return "Authentication-Results: %s; x-n=none policy.n=%d\r\n" % (name, n)
    below = "From: a@good.example\r\n\r\nx\r\n"
    cases = [
        ("above the hop", RELAY, field(ID, 1) + HONEST + below, [1], []),
        ("below the hop", RELAY, HONEST + field(ID, 2) + below, [], []),
        ("both, and another's", RELAY, field("other.example", 0) + field(ID, 1) + HONEST + field(ID, 2) +
         field("other.example", 3) + field(ID, 4) + below, [0, 1, 3], [0, 3]),
        ("of two relays", RELAY, field(ID, 1) + received("192.0.2.11", "mx3.here.example") + field(ID, 2) + HONEST +
         field(ID, 3) + below, [1, 2], []),
        ("a stranger who forged a hop", RELAY, field(ID, 1) + STRANGER + field(ID, 2) + HONEST + below, [1], []),
        ("the hop is unknown", RELAY, field(ID, 1) + "Received: x\r\n" + HONEST + below, [], []),
        ("no Received field", RELAY, field(ID, 1) + below, [], []),
        ("no relay", "203.0.113.66", field(ID, 1) + HONEST + field(ID, 2) + below, [], []),
        ("no client", None, field(ID, 1) + HONEST + below, [], []),
    ]
    for keep in (True, False):
        with daemon(RELAYS + "authres { keep-relayed = %s }\n" % ("yes" if keep else "no")) as d:
            for what, ip, message, with_keep, without in cases:
                message = message.encode()
                edits, _ = session(d.socket, message, ip=ip, mail_from="a@good.example")
                left = [v.decode() for n, v in applied(split(message)[0], edits) if n == b"Authentication-Results"]
                is_([results(v)[0][1] for v in left[:1]], [ID], what + ": ours is on top")
                is_([int(v.rpartition("=")[2]) for v in left[1:]], with_keep if keep else without,
                    "keep-relayed = %s: %s" % (keep, what))


def switched_on_elsewhere():
    """HELO, Sender ID and ARC look at the hop too."""
    spf2 = '_x.good.example. IN TXT "x"\n'
    conf = RELAYS + "methods { helo = yes sender-id = yes tls = yes trail = yes }\n"
    with Daemon(CONF % (ZONES + conf), {"zone": ZONE + spf2}) as d:
        edits, _ = session(d.socket, mail(HONEST), ip=RELAY, helo="mx2.here.example", mail_from="a@good.example")
        got = {m: t for m, _, t in results(ours(edits))}
        is_(got.get("x-helo"), "x-helo=pass smtp.helo=mail.good.example", "x-helo: the hop's name and address")
        is_(got.get("sender-id"), "sender-id=pass header.from=good.example", "sender-id: the hop's address")
        edits, _ = session(d.socket, mail(""), ip=RELAY, helo="mx2.here.example", mail_from="a@good.example")
        got = {m: t for m, _, t in results(ours(edits))}
        ok("x-helo" not in got and "sender-id" not in got, "no hop: neither is judged")


EXPLAINED = """\
hop          192.0.2.10 is a trusted relay; the client was 198.51.100.7, mail.good.example
spf          pass      good.example, by ip4:198.51.100.7
spf (helo)   pass      mail.good.example, by a
dkim         none      no signature
dmarc        pass      good.example, policy reject of good.example, aligned: spf; disposition none
iprev        pass      mail.good.example
x-trail      neutral   Received field 4 is no trace field: no clause of a trace field
pra          b@good.example, of sender
action       accept

Received, the last hop first
      helo                              name       address       by                 with     time
   1  mail.good.example                 -          198.51.100.7  mx2.here.example   ESMTP    2024-01-01T10:00:00Z
   2  a-very-long-name-of-a-host-th...  x.example  203.0.113.4   mail.good.example  ESMTPSA  2024-01-01T09:00:00Z
   3  b??cher.example                   -          203.0.113.5   a.example          SMTP     2024-01-01T08:00:00Z
   4  (no clause of a trace field)
"""


def explained():
    """authmill check --format text: the hop, the PRA, and the trail as a table; JSON: the hop."""
    long = "a-very-long-name-of-a-host-that-is-too-wide-for-it.example.org"
    below = ("Received: from %s (x.example [203.0.113.4])\r\n\tby mail.good.example (Postfix) with ESMTPSA id 1;\r\n\t"
             "Mon, 01 Jan 2024 09:00:00 +0000\r\n"
             "Received: from b\xfccher.example (unknown [203.0.113.5])\r\n\tby a.example (Postfix) with SMTP id 1;\r\n\t"
             "Mon, 01 Jan 2024 08:00:00 +0000\r\n"
             "Received: garbage\r\nSender: b@good.example\r\n" % long)
    with tempfile.TemporaryDirectory() as folder:
        def write(name, text):
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as f:
                f.write(text)
            return f.name
        command = [build("authmill"), "check", "--config", write("conf", RELAYS + "methods { trail = yes }\n"),
                   "--zone", write("zone", ZONE), "--ip", RELAY, "--helo", "mx2", "--mail-from", "a@good.example",
                   "--auth", "mx2", write("mail", mail(HONEST + below).decode())]
        run = subprocess.run(command + ["--format", "text", "--explain"], capture_output=True, timeout=60)
        is_(run.stdout.decode().partition("\nstep by step")[0], EXPLAINED, "text")
        ok(run.stdout.isascii(), "and nothing of a stranger's octets")
        run = subprocess.run(command + ["--format", "text"], capture_output=True, timeout=60)
        is_(run.stdout.decode(), EXPLAINED.partition("pra ")[0] + "action       accept\n", "text, not explained")
        run = subprocess.run(command + ["--format", "json"], capture_output=True, timeout=60)
        got = json.loads(run.stdout)
        is_(got["hop"], {"found": True, "relay": RELAY, "ip": "198.51.100.7", "helo": "mail.good.example", "reason": ""}, "JSON")
        ok("auth" not in got, "JSON: no login of the relay's")


tap.run(explained, who_is_judged, null_sender, never_exempt, one_connection, results_of_relays, switched_on_elsewhere)
