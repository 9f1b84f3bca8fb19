#!/usr/bin/python3
"""End to end: Postfix, authmilld, nsd. What arrives in the mailbox, what is refused, what is held, and a
run under load without loss."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, results, sample, words, zone  # noqa: E402
from milterclient import Daemon, split  # noqa: E402
from mta import IPV6, Nsd, Postfix, Sink, free_port, need, root, wait_for  # noqa: E402
from tap import Missing, build, diag, is_, like, ok  # noqa: E402

build("authmilld")
try:
    root()
    need("postfix", "swaks", "nsd", "smtp-source", "smtp-sink")
except Missing as why:
    tap.skip_all(str(why))

ZONE = zone("""
aside.example.         IN TXT "v=spf1 -all"
_dmarc.aside.example.  IN TXT "v=DMARC1; p=quarantine"
load.example.          IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.load.example.   IN TXT "v=DMARC1; p=reject"
""")
GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
BAD = dict(ip="198.18.0.1", helo="elsewhere.example", mail_from="x@bank.example")
NAME = b"authentication-results"


def daemon(dns, more="", spec=None):
    conf = 'socket-group = "postfix"\ndns { nameservers = {"127.0.0.1@%d"} timeout = 5 }\n%s' % (dns.port, more)
    return Daemon(CONF % conf, spec=spec)


def fields_of(mail):
    """[(name in lower case, value)] of what arrived, from the first trace field down."""
    return [(n.lower(), v.decode("utf-8", "surrogateescape")) for n, v in split(mail)[0]
            if n.lower() not in (b"return-path", b"x-original-to", b"delivered-to")]


def written(mail):
    return [v for n, v in fields_of(mail) if n == NAME]


def delivered(p):
    mail = p.deliver(sample("newsletter"), **GOOD)
    fields = fields_of(mail)
    is_([n for n, _ in fields[:2]], [NAME, b"received"], "the field stands above Postfix's own Received")
    is_(words(fields[0][1]), "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass", "a good message")
    is_(results(fields[0][1])[0][1], "mx.here.example", "authserv-id")
    mail = p.deliver(sample("spoof"), **BAD)
    is_([words(v) for v in written(mail)], ["spf=fail spf=none dkim=none dmarc=fail iprev=permerror", "auth=pass"],
        "a spoofed one: the forged field is gone, the foreign one stays")
    mail = p.deliver(sample("list"), ip="203.0.113.5", helo="lists.club.example", mail_from="list@club.example")
    is_(words(written(mail)[0]), "spf=pass spf=none dkim=fail dmarc=fail iprev=pass", "one that a list broke")
    mail = p.deliver(sample("newsletter"), **dict(GOOD, mail_from=""))
    is_(words(written(mail)[0]), "spf=pass dkim=pass dmarc=pass iprev=pass", "a bounce")
    mail = p.deliver(b"From: a@nowhere.example\nSubject: x\n\nx\n", ip="2001:db8::7" if IPV6 else "198.18.0.7",
                     helo="h.nowhere.example")
    is_(words(written(mail)[0]), "spf=none spf=none dkim=none dmarc=none iprev=permerror", "a stranger, over IPv6")
    mail = p.deliver(b"Subject: nobody\n\nx\n", **GOOD)
    like(words(written(mail)[0]), r"dmarc=(none|permerror|fail)", "no From: no pass")


def unusual(p):
    long_field = b"X-Long: " + b"x" * 90000 + b"\n"
    mail = p.deliver(long_field + sample("newsletter").replace(b"\r\n", b"\n"), **GOOD)
    ok(mail is not None and "dkim=pass" in words(written(mail)[0]), "a field of 90,000 octets")
    mail = p.deliver(b"".join(b"X-%d: y\n" % k for k in range(3000)) + sample("newsletter").replace(b"\r\n", b"\n"), **GOOD)
    ok(mail is not None and "dkim=pass" in words(written(mail)[0]), "3,000 fields")
    forged = b"".join(b"Authentication-Results:%s\n" % v for v in [
        b" mx.here.example; spf=pass", b" MX.here.example; dmarc=pass", b' "mx.here.example"; spf=pass', b"\n mx.here.example; x=y",
        b" (c) mx.here.example 1; spf=pass", b" other.example; spf=pass"])
    mail = p.deliver(forged + b"From: x@bank.example\nAuthentication-Results : mx.here.example; a=b\n\nx\n", **BAD)
    is_([results(v)[0][1] for v in written(mail)], ["mx.here.example", "other.example"], "forged fields in many spellings are gone")
    mail = p.deliver(b"From: x@bank.example\n\n" + b"0123456789" * 7 + b"\n" * 1, **BAD)
    big = sample("newsletter").replace(b"\r\n", b"\n") + (b"0123456789" * 7 + b"\n") * 140000
    mail = p.deliver(big, **GOOD)
    ok(mail is not None and len(mail) > 9900000 and "dkim=fail" in words(written(mail)[0]), "a message of 10 MB")


def enforced(dns):
    aside = sample("spoof").replace(b"bank.example", b"aside.example")
    with daemon(dns, "dmarc { enforce = yes }\n") as d, Postfix(d.socket) as p:
        status, said = p.send(sample("spoof"), **BAD)
        ok(status != 0, "p=reject: swaks says so")
        like(said, r"550 5\.7\.1 .*DMARC.*bank\.example", "550 5.7.1 within SMTP")
        is_(p.mails(), [], "nothing arrives")
        status, said = p.send(aside, **dict(BAD, mail_from="x@aside.example"))
        is_(status, 0, "p=quarantine: taken")
        held = wait_for(lambda: p.queued("hold"))
        is_(len(held), 1, "and held")
        like(p.postcat(held[0]).decode(), r"^Authentication-Results: mx.here.example;(\n\t.*)*dmarc=fail", "with its results")
        is_(p.mails(), [], "nothing arrives")
        mail = p.deliver(sample("newsletter"), **GOOD)
        ok("dmarc=pass" in words(written(mail)[0]), "a good message arrives")
        mail = p.deliver(sample("spoof"), **dict(BAD, ip=None))
        ok("dmarc=fail" in words(written(mail)[0]), "a client on loopback is not enforced upon")
        like(p.log(), r"milter-reject: END-OF-MESSAGE .*5\.7\.1 .*bank\.example", "Postfix's log says who refused")


def chrooted(dns):
    """As doc/install.md has it for Debian's Postfix."""
    p = Postfix("unix:authmill/authmill.sock", chroot=True)
    os.mkdir(p.path("queue", "authmill"))
    with daemon(dns, "", "unix:" + p.path("queue", "authmill", "authmill.sock")), p:
        mail = p.deliver(sample("newsletter"), **GOOD)
        ok("dmarc=pass" in words(written(mail)[0]), "a chrooted smtpd finds the socket below its queue directory")


def dns_gone(dns):
    with daemon(dns, "", "inet:%d@127.0.0.1" % free_port()) as d, Postfix(d.socket) as p:
        dns.signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            mail = p.deliver(sample("newsletter"), **GOOD)
            took = time.monotonic() - begin
        finally:
            dns.signal(signal.SIGCONT)
        like(words(written(mail)[0]), r"dmarc=temperror", "a DNS server that says nothing: temperror, and the mail arrives")
        ok(took < 30, "in bounded time (%.1f s)" % took)
        mail = p.deliver(sample("newsletter"), **GOOD)
        ok("dmarc=pass" in words(written(mail)[0]), "and all is well when it is back")


def load(dns):
    count, sessions = 2000, 20
    with daemon(dns) as d, Sink() as sink, \
            Postfix(d.socket, "sink.example=smtp:[127.0.0.1]:%d" % sink.port) as p:
        hup = threading.Timer(1.0, lambda: d.process.send_signal(signal.SIGHUP))
        hup.start()
        begin = time.monotonic()
        run = subprocess.run(["/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count), "-l", "10000", "-f", "a@load.example",
                              "-t", "x@sink.example", "-M", "load.example", "127.0.0.1:%d" % p.port],
                             capture_output=True, timeout=280)
        taken = time.monotonic() - begin
        hup.cancel()
        is_((run.returncode, run.stderr), (0, b""), "smtp-source: %d messages in %d sessions are taken" % (count, sessions))
        wait_for(lambda: len(sink.mails()) >= count and not p.queued("active") + p.queued("incoming"), 60)
        names = sink.mails()
        is_(len(names), count, "every one arrives")
        good = 0
        for name in names:
            found = re.findall(rb"(?im)^authentication-results:((?:.|\n[ \t])*)", sink.header(name) or b"")
            good += len(found) == 1 and b"dmarc=pass" in found[0] and b"spf=pass" in found[0]
        is_(good, count, "each with its one field")
        diag("%d messages in %.1f s, with a reload in between; worker VmHWM %d kB" %
             (count, taken, max(d.status(w, "VmHWM") for w in d.workers())))
        ok(not re.search("milter.*(error|reject|timeout)", p.log()), "Postfix has nothing to complain about")
        ok(not [f for q in ("deferred", "hold", "corrupt") for f in p.queued(q)], "nothing is left in the queues")


def whole():
    with Nsd(ZONE) as dns:
        with daemon(dns, "", "inet:%d@127.0.0.1" % free_port()) as d, Postfix(d.socket) as p:
            for test in (delivered, unusual):
                try:
                    test(p)
                except Exception as e:
                    ok(False, "%s ran to its end: %r" % (test.__name__, e))
        for test in (enforced, chrooted, dns_gone, load):
            try:
                test(dns)
            except Exception as e:
                ok(False, "%s ran to its end: %r" % (test.__name__, e))


tap.run(whole)
