#!/usr/bin/python3
"""Over the milter protocol: many sessions at a time, over a slow network, with a reload between them."""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns.zone  # noqa: E402
import tap  # noqa: E402
from fixture import CONF, ours, sample, words, zone  # noqa: E402
from milterclient import Client, Daemon  # noqa: E402
from mta import wait_for  # noqa: E402
from tap import build, is_, ok  # noqa: E402
from testdns import TestDNS  # noqa: E402

build("authmilld")
THREADS, MESSAGES = 12, 15
CASES = [
    ("newsletter", "192.0.2.1", "mail.garden.example", "news@garden.example",
     "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"),
    ("spoof", "198.18.0.1", "elsewhere.example", "x@bank.example", "spf=fail spf=none dkim=none dmarc=fail iprev=permerror"),
    ("list", "203.0.113.5", "lists.club.example", "list@club.example",
     "spf=pass spf=none dkim=fail dmarc=fail iprev=pass"),
]


def records():
    """The sample zone in TestDNS's shape."""
    soa = "@ 300 IN SOA ns.invalid. root.invalid. 1 1 1 1 1\n@ 300 IN NS ns.invalid.\n"
    parsed = dns.zone.from_text(soa + zone().replace("$ORIGIN .\n", ""), origin=".", relativize=False)
    out = {}
    for name, _, rdata in parsed.iterate_rdatas():
        kind = dns.rdatatype.to_text(rdata.rdtype)
        if kind in ("TXT", "A", "PTR"):
            value = [s.decode() for s in rdata.strings] if kind == "TXT" else rdata.to_text().rstrip(".")
            out.setdefault(name.to_text().rstrip("."), []).append({kind: value})
    return out


def one_session(d, turn, wrong):
    name, ip, helo, sender, want = CASES[turn % len(CASES)]
    with Client(d.socket) as c:
        c.negotiate()
        c.connect(ip)
        c.helo(helo)
        for _ in range(2):
            edits, (code, _) = c.message(sample(name), sender, mail_addr=sender)
            if words(ours(edits)) != want or code not in "ac":
                wrong.append("%s: %s %s" % (name, code, words(ours(edits))))
        c.quit()


def many(d, turns):
    wrong = []

    def work(first):
        try:
            for k in range(turns):
                one_session(d, first + k, wrong)
        except Exception as e:
            wrong.append(repr(e))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(THREADS)]
    for t in threads:
        t.start()
    return threads, wrong


def at_once():
    with TestDNS(records(), delay_ms=20) as server:
        conf = 'dns { nameservers = {"127.0.0.1@%d"} }\n' % server.port
        with Daemon(CONF % conf) as d:
            threads, wrong = many(d, MESSAGES)
            for t in threads:
                t.join(120)
            is_(wrong, [], "%d sessions, %d at a time: each gets its own verdict" % (THREADS * MESSAGES, THREADS))
            threads, wrong = many(d, MESSAGES)
            d.process.send_signal(signal.SIGHUP)
            for t in threads:
                t.join(120)
            is_(wrong, [], "the same with a reload in between: none is lost")
            ok(wait_for(lambda: len(d.workers()) == 1, 20), "the old worker goes")
        is_(d.process.returncode, 0, "ends well")


tap.run(at_once)
