#!/usr/bin/python3
"""End to end: Sendmail, authmilld, nsd. What goes on to the next host, and what is refused."""

import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, results, sample, words, zone  # noqa: E402
from milterclient import Daemon  # noqa: E402
from mta import Nsd, Sendmail, Sink, free_port, need, root, wait_for  # noqa: E402
from tap import Missing, build, diag, is_, like, ok  # noqa: E402

build("authmilld")
ZONE = zone("""
here.loop.example.     IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.loop.example.   IN TXT "v=DMARC1; p=reject"
aside.example.         IN TXT "v=spf1 -all"
_dmarc.aside.example.  IN TXT "v=DMARC1; p=quarantine"
""")
GOOD = dict(helo="here.loop.example", mail_from="a@here.loop.example", to="you@there.example")
BAD = dict(helo="elsewhere.example", mail_from="x@bank.example", to="you@there.example")


def daemon(dns, more="", spec=None):
    conf = 'socket-mode = "0666"\ndns { nameservers = {"127.0.0.1@%d"} timeout = 5 }\n%s' % (dns.port, more)
    return Daemon(CONF % conf, spec=spec)


def passed(mta, sink, message, **how):
    """The header (LF) of a message that went through, from the top."""
    before = set(sink.mails())
    status, said = mta.send(message, **how)
    if status != 0:
        raise RuntimeError("swaks: %d\n%s" % (status, said))
    heads = wait_for(lambda: [h for h in (sink.header(n) for n in set(sink.mails()) - before) if h], 30)
    return heads[0].decode("utf-8", "surrogateescape")


def written(header):
    return re.findall(r"(?im)^authentication-results:((?:.|\n[ \t])*)\n", header)


def delivered(mta, sink):
    head = passed(mta, sink, sample("newsletter"), **GOOD)
    is_([words(v) for v in written(head)], ["spf=pass spf=pass dkim=pass dmarc=pass iprev=permerror"], "a good message")
    trace = re.findall(r"(?m)^(Authentication-Results|Received):", head)
    is_(trace[1:3], ["Authentication-Results", "Received"], "above Sendmail's own Received (below the next host's)")
    head = passed(mta, sink, sample("spoof"), **BAD)
    is_([words(v) for v in written(head)], ["spf=fail spf=none dkim=none dmarc=fail iprev=permerror", "auth=pass"],
        "a spoofed one: the forged field is gone, the foreign one stays")
    forged = b"".join(b"Authentication-Results:%s\n" % v for v in [
        b" mx.here.example; spf=pass", b" other.example; spf=pass", b" MX.here.example; dmarc=pass", b' "mx.here.example"; spf=pass',
        b"\n mx.here.example; x=y", b" third.example; spf=pass", b" (c) mx.here.example 1; spf=pass"])
    head = passed(mta, sink, forged + b"From: x@bank.example\n\nx\n", **BAD)
    is_([results(v)[0][1] for v in written(head)], ["mx.here.example", "other.example", "third.example"],
        "forged fields in many spellings are gone")
    head = passed(mta, sink, sample("list"), **dict(GOOD, mail_from=""))
    is_([words(v) for v in written(head)], ["spf=pass dkim=fail dmarc=fail iprev=permerror"], "a bounce that a list broke")


def refused(mta, sink):
    before = len(sink.mails())
    status, said = mta.send(sample("spoof"), **BAD)
    ok(status != 0, "p=reject: swaks says so")
    like(said, r"550 5\.7\.1 .*DMARC.*bank\.example", "550 5.7.1 within SMTP")
    status, _ = mta.send(sample("spoof").replace(b"bank.example", b"aside.example"), **dict(BAD, mail_from="x@aside.example"))
    is_(status, 0, "p=quarantine: taken")
    held = wait_for(lambda: [f for f in os.listdir(mta.path("mqueue")) if f.startswith("hf")])
    is_(len(held), 1, "and held (hf file of the queue)")
    is_(len(sink.mails()), before, "nothing goes on")
    head = passed(mta, sink, sample("newsletter"), **GOOD)
    ok("dmarc=pass" in words(written(head)[0]), "a good message goes on")


def whole():
    with Nsd(ZONE) as dns, Sink() as sink:
        # Sendmail takes no unix socket below a directory that others may write to
        with tempfile.TemporaryDirectory(prefix="authmill-e2e.", dir="/run") as folder, \
                daemon(dns, "", "unix:%s/sock" % folder) as d, Sendmail(d.socket, sink.port) as mta:
            delivered(mta, sink)
            ok("milter" not in mta.log().lower(), "Sendmail has nothing to complain about") or diag(mta.log())
        conf = "local-networks = {}\ndmarc { enforce = yes }\n"
        with daemon(dns, conf, "inet:%d@127.0.0.1" % free_port()) as d, Sendmail(d.socket, sink.port) as mta:
            refused(mta, sink)


try:
    root()
    need("nsd", "smtp-sink", "swaks", "m4")
except Missing as why:
    tap.skip_all(str(why))
tap.run(whole)
