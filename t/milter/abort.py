#!/usr/bin/python3
"""Over the milter protocol: a message may end at any point, and nothing is left of it."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, sample, words, zone  # noqa: E402
from milterclient import Client, Daemon, session, split  # noqa: E402
from mta import wait_for  # noqa: E402
from tap import build, is_, ok  # noqa: E402

build("authmilld")
WANT = "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"
MESSAGE = sample("newsletter")
FIELDS, BODY = split(MESSAGE)


def steps(c):
    """What an MTA does, one call at a time, up to the moment before the end of the message."""
    yield lambda: c.macros("M", mail_addr="news@garden.example", auth_authen="alice")
    yield lambda: c.mail("news@garden.example")
    yield lambda: c.rcpt("you@here.example")
    yield lambda: c.rcpt("others@here.example")
    yield lambda: c.data()
    for name, value in FIELDS:
        yield lambda name=name, value=value: c.header(name, value)
    yield lambda: c.eoh()
    yield lambda: c.body(BODY[:7])
    yield lambda: c.body(BODY[7:])


def begun(d):
    c = Client(d.socket)
    c.negotiate()
    c.connect("192.0.2.1")
    c.helo("mail.garden.example")
    return c


def after_steps(d, n):
    c = begun(d)
    for k, step in enumerate(steps(c)):
        if k == n:
            break
        step()
    return c


def descriptors(d):
    return sum(d.descriptors(pid) for pid in d.workers())


def at_rest(d):
    """How many are open when nobody is there."""
    counts = []
    for _ in range(10):
        counts.append(descriptors(d))
        time.sleep(0.05)
    return min(counts)


def everywhere(d):
    count = len(list(steps(None)))
    for n in range(count + 1):
        with after_steps(d, n) as c:
            c.abort()
            edits, _ = c.message(MESSAGE, "news@garden.example", mail_addr="news@garden.example")
            is_(words(ours(edits)), WANT, "abort after %d steps, then a whole message" % n)
            c.abort()
            c.abort()
            c.quit()
    before, pids = at_rest(d), d.workers()
    for n in range(count + 1):
        for way in ("close", "quit", "reset"):
            c = after_steps(d, n)
            if way == "quit":
                c.quit()
            elif way == "reset":
                c.abort()
            c.close()
    ok(wait_for(lambda: descriptors(d) <= before, 20), "nobody's descriptors are left")
    is_(d.workers(), pids, "the worker lives")
    edits, _ = session(d.socket, MESSAGE, "192.0.2.1", "mail.garden.example", "news@garden.example")
    is_(words(ours(edits)), WANT, "and works")


def gone_at_the_end(d):
    for n in range(20):
        c = after_steps(d, 99)
        c.send("E")
        c.close()
    with after_steps(d, 99) as c:
        c.send("E")
        c.sock.shutdown(socket.SHUT_WR)
        edits = []
        while True:
            code, data = c.answer()
            if code in "ac":
                break
            edits.append(code)
        ok("i" in edits, "half open: the answer still arrives")
    is_(len(d.workers()), 1, "MTA gone at the end of the message: the worker lives")


def memory(d):
    pid = d.workers()[0]
    if d.sanitized(pid):
        tap.skip("messages given up leave no memory behind", "a sanitizer keeps memory")
        return
    for turn in range(3):
        for n in range(150):
            c = after_steps(d, 12)
            c.close()
        now = d.status(pid, "VmRSS")
        if turn == 0:
            first = now
    ok(now - first < 3000, "300 messages given up leave no memory behind (%d kB, then %d kB)" % (first, now))


def while_dns_is_slow():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        conf = 'dns { nameservers = {"127.0.0.1@%d"} timeout = 2 }\n' % mute.getsockname()[1]
        with Daemon(CONF % conf) as d:
            for n in (2, 5, 12, 99):
                c = after_steps(d, n)
                if n == 99:
                    c.send("E")
                c.close()
            begin = time.monotonic()
            edits, (code, _) = session(d.socket, MESSAGE, "192.0.2.1", "mail.garden.example", "news@garden.example")
            took = time.monotonic() - begin
            ok(took < 8, "a DNS that says nothing: bounded (%.1f s)" % took)
            ok(code in "ac" and "dmarc=temperror" in words(ours(edits)), "temperror, accepted as configured")
            is_(len(d.workers()), 1, "the worker lives")
        with Daemon("on-dns-failure = tempfail\n" + CONF % conf) as d:
            _, (code, data) = session(d.socket, MESSAGE, "192.0.2.1", "mail.garden.example", "news@garden.example")
            ok(code == "y" and data.startswith(b"451 4."), "on-dns-failure = tempfail")


def whole():
    with Daemon(CONF % ZONES, {"zone": zone()}) as d:
        for test in (everywhere, gone_at_the_end, memory):
            test(d)


tap.run(whole, while_dns_is_slow)
