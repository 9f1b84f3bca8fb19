#!/usr/bin/python3
"""Over the milter protocol: while the DNS lets us wait, the MTA hears that we are at work."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF  # noqa: E402
from milterclient import Client, Daemon  # noqa: E402
from tap import build, diag, ok, skip_all  # noqa: E402

try:
    from testdns import TestDNS
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-yaml python3-dnspython)" % missing)

build("authmilld")
ZONE = {"silent.example": [{"TXT": "TIMEOUT"}], "quick.example": [{"TXT": "v=spf1 -all"}],
        "slow.example": [{"TXT": "v=spf1 include:s0.slow.example include:s1.slow.example include:s2.slow.example "
                                 "include:s3.slow.example -all"}]}
for n in range(4):  # none of them is a wait that is long by itself
    ZONE["s%d.slow.example" % n] = [{"TXT": "v=spf1 include:u%d.slow.example -all" % n}, {"DELAY": 700}]
    ZONE["u%d.slow.example" % n] = [{"TXT": "v=spf1 -all"}, {"DELAY": 700}]


def end(d, domain):
    """(packets "progress", seconds, the answer) of an end of message."""
    with Client(d.socket, 30) as c:
        c.negotiate()
        c.connect("192.0.2.66")
        c.helo("x.example")
        c.envelope("x@" + domain)
        c.header("From", " x@x.example")
        c.eoh()
        c.send("E")
        begin, heard = time.monotonic(), []
        while not heard or heard[-1][0] not in "acrty":
            code, _ = c.receive()
            heard.append((code, time.monotonic() - begin))
        return [t for code, t in heard if code == "p"], heard[-1][1], heard[-1][0]


def waits():
    with TestDNS(ZONE) as dns, \
            Daemon(CONF % ('dns { nameservers = {"%s"} timeout = 7 }\n' % dns.nameserver)) as d:
        told, took, answer = end(d, "silent.example")
        diag("silent: %s, %.1f s" % (told, took))
        ok(answer in "ac" and took < 10, "a name that never answers: an answer within the time-out")
        ok(len(told) >= 2 and all(b - a < 3 for a, b in zip([0] + told, told + [took])), "told so every two seconds")
        told, took, answer = end(d, "slow.example")
        diag("slow: %s, %.1f s" % (told, took))
        ok(answer in "ac" and (took < 2.5 or told), "many short waits: told so too")
        told, took, answer = end(d, "quick.example")
        ok(answer in "ac" and not told, "nothing to wait for: nothing is told")


tap.run(waits)
