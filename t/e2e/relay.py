#!/usr/bin/python3
"""End to end, behind gateways of one's own: Postfix in front of Postfix, a backup MX that keeps mail while the
first is down, and what trusted-relays makes of the clients in front of them. Names are nsd's."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, results, sample, words, zone  # noqa: E402
from milterclient import Daemon, split  # noqa: E402
from mta import Nsd, Postfix, free_port, need, root, wait_for  # noqa: E402
from tap import Missing, build, diag, is_, like, ok  # noqa: E402

build("authmilld")
try:
    root()
    need("postfix", "swaks", "nsd")
except Missing as why:
    tap.skip_all(str(why))

GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
BAD = dict(ip="198.18.0.1", helo="mail.garden.example", mail_from="x@bank.example")
HOP = "from mail.garden.example (mail.garden.example [192.0.2.1])\n\tby mx2.here.example (Postfix) with ESMTP id 1;\n\t" \
    "Mon, 01 Jan 2024 10:00:00 +0000"
RELAYS = 'trusted-relays = {"127.0.0.1"}\n'


def daemon(dns, more=""):
    conf = 'socket-mode = "0666"\ndns { nameservers = {"127.0.0.1@%d"} timeout = 5 }\n%s' % (dns.port, more)
    return Daemon(CONF % conf, spec="inet:%d@127.0.0.1" % free_port())


class Gateway(Postfix):
    """Hands mail for here.example to the Postfix at a port of this host."""

    def __init__(self, name, port, milter=None):
        none = "" if milter else "smtpd_milters =\n"
        super().__init__(milter or "unix:/nowhere", "here.example=smtp:[127.0.0.1]:%d" % port,
                         "myhostname = %s\nvirtual_mailbox_domains =\nrelay_domains = here.example\n"
                         "minimal_backoff_time = 1s\nqueue_run_delay = 1s\n%s" % (name, none))


def arrived(mx, gateway, message, **how):
    """What arrives at mx of a message given to the gateway, in octets with CRLF; None: nothing."""
    before = set(mx.mails())
    status, said = gateway.send(message, **how)
    if status != 0:
        raise RuntimeError("swaks: %d\n%s" % (status, said))
    new = wait_for(lambda: set(mx.mails()) - before, 30)
    if not new:
        return None
    with open(new.pop(), "rb") as f:
        return f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def written(mail):
    return [v.decode("utf-8", "surrogateescape") for n, v in split(mail)[0] if n.lower() == b"authentication-results"]


def parts(value, method):
    return [t for m, _, t in results(value) if m == method]


def one_gateway(dns):
    with daemon(dns, RELAYS + "methods { helo = yes trail = yes }\n") as d, Postfix(d.socket) as mx, \
            Gateway("mx2.here.example", mx.port) as gate:
        got = written(arrived(mx, gate, sample("newsletter"), **GOOD))[0]
        is_(words(got), "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass x-helo=pass x-trail=pass",
            "behind a gateway, the client in front of it is judged") or diag(got)
        is_(parts(got, "spf"), ["spf=pass smtp.mailfrom=garden.example policy.hop=192.0.2.1",
                                "spf=pass smtp.helo=mail.garden.example policy.hop=192.0.2.1"], "and named")
        is_(parts(got, "iprev"), ["iprev=pass (mail.garden.example) policy.iprev=192.0.2.1 policy.hop=192.0.2.1"],
            "with its reverse name")
        forged = b"Received: " + HOP.encode() + b"\nFrom: x@bank.example\n\nx\n"
        got = written(arrived(mx, gate, forged, **BAD))[0]
        like(words(got), r"spf=fail .*dmarc=fail .*x-helo=fail", "a stranger's forged Received field counts for nothing")
        like(got, r"policy\.hop=198\.18\.0\.1", "he is named")
        got = written(arrived(mx, gate, sample("list"), **dict(GOOD, mail_from="")))[0]
        is_(parts(got, "spf"), ["spf=pass smtp.helo=mail.garden.example policy.hop=192.0.2.1"],
            "a null sender: the HELO that the gateway heard")
        got = written(mx.deliver(sample("newsletter"), **GOOD))[0]
        ok("policy.hop" not in got and "spf=pass" in got, "a client that came without the gateway is judged itself")
        like(d.logged("relay=127.0.0.1") or "", "client=192.0.2.1 ", "the log names both")


def enforced(dns):
    conf = RELAYS + "dmarc { enforce = yes }\n"
    with daemon(dns, conf) as d, Postfix(d.socket) as mx, Gateway("mx2.here.example", mx.port) as gate:
        gate.send(b"From: x@bank.example\n\nx\n", **BAD)
        ok(wait_for(lambda: re.search(r"status=bounced .*550 5\.7\.1 .*DMARC", gate.log())),
           "p=reject: refused, though the relay is in local-networks") or diag(gate.log())
        is_(mx.mails(), [], "nothing arrives")
        got = written(arrived(mx, gate, sample("newsletter"), **GOOD))[0]
        ok("dmarc=pass" in got, "a good message arrives")
    with daemon(dns, "dmarc { enforce = yes }\n") as d, Postfix(d.socket) as mx, Gateway("mx2.here.example", mx.port) as gate:
        got = written(arrived(mx, gate, b"From: x@bank.example\n\nx\n", **BAD))[0]
        ok("dmarc=fail" in got and "policy.hop" not in got, "without trusted-relays it is one of our machines")


def backup(dns):
    """The first MX is down; the backup keeps the mail, and a second gateway stands between them."""
    with daemon(dns, RELAYS) as d:
        mx = Postfix(d.socket)
        try:
            with Gateway("mx3.here.example", mx.port) as middle, Gateway("mx2.here.example", middle.port) as gate:
                status, _ = gate.send(sample("newsletter"), **GOOD)
                is_(status, 0, "taken while the first MX is down")
                ok(wait_for(lambda: middle.queued("deferred")), "and kept") or diag(middle.log())
                with mx:
                    def flushed():
                        middle.postfix("flush")
                        return wait_for(mx.mails, 2)
                    new = wait_for(flushed, 30)
                    ok(new, "delivered when it is back") or diag(middle.log())
                    with open(new[0], "rb") as f:
                        mail = f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                    got = written(mail)[0]
                    is_(words(got), "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass", "through two gateways")
                    like(got, r"policy\.hop=192\.0\.2\.1", "and the client in front of both is named")
        finally:
            mx.stop()


def results_of_the_gateway(dns):
    """The gateway runs authmilld too, by the same name: its results stay where that is wanted."""
    forged = b"Authentication-Results: mx.here.example; spf=pass policy.forged=1\n" + b"From: x@bank.example\n\nx\n"
    with daemon(dns) as front:
        for keep, own in (("yes", 2), ("no", 1)):
            conf = RELAYS + "authres { keep-relayed = %s }\n" % keep
            with daemon(dns, conf) as d, Postfix(d.socket) as mx, Gateway("mx2.here.example", mx.port, front.socket) as gate:
                got = written(arrived(mx, gate, forged, **BAD))
                is_(len(got), own, "keep-relayed = %s: %d fields of ours" % (keep, own)) or diag(got)
                ok(not [v for v in got if "forged" in v], "none of them forged")
                ok("policy.hop=198.18.0.1" in got[0], "ours on top")
                ok(own == 1 or ("spf=fail" in got[1] and "policy.hop" not in got[1]), "the gateway's below")
            with daemon(dns, conf) as d, Postfix(d.socket) as mx, Gateway("mx2.here.example", mx.port) as gate:
                got = written(arrived(mx, gate, forged, **BAD))
                is_(len(got), 1, "keep-relayed = %s: nothing stays of what came through a gateway that strips nothing" % keep)


def whole():
    with Nsd(zone()) as dns:
        for test in (one_gateway, enforced, backup, results_of_the_gateway):
            try:
                test(dns)
            except Exception as e:
                ok(False, "%s ran to its end: %r" % (test.__name__, e))


tap.run(whole)
