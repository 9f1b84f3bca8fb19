#!/usr/bin/python3
"""A reload a second under load: no session is turned away, no message is lost or put off, no worker is left behind,
and nothing grows. AUTHMILL_RELOAD_SECONDS says for how long (make soak-reload: 300)."""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from milterclient import Client, Daemon, Gone  # noqa: E402
import tap  # noqa: E402
from tap import build, diag, is_, ok  # noqa: E402

AUTHMILLD = build("authmilld")
SECONDS = int(os.environ.get("AUTHMILL_RELOAD_SECONDS", "15"))
SENDERS = 6
ZONE = "$ORIGIN .\n$TTL 60\nexample.org. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
CONF = """authserv-id = "%s"
log { to = stderr level = %s }
dns { zones = {"{dir}/zone"} }
limits { sessions-per-client = 0 }
rule "%s" { when { header-from = "file:{dir}/list" spf = fail } action = reject }
"""
MESSAGE = b"From: a@example.org\r\nSubject: one\r\n\r\n" + b"Hello.\r\n" * 200
NAMES = ("one.example", "two.example")
LIST = "".join("d%d.example\n" % i for i in range(2000))


class Sender(threading.Thread):
    """Sessions one after the other: most are short, some stay open over several reloads."""

    def __init__(self, d, number):
        super().__init__(daemon=True)
        self.d, self.random = d, random.Random(number)
        self.messages = self.sessions = 0
        self.wrong = []
        self.ids = set()
        self.end = False

    def run(self):
        while not self.end:
            try:
                self.session()
            except (OSError, Gone, AssertionError) as e:
                self.wrong.append("%s after %d messages: %r" % (time.strftime("%X"), self.messages, e))

    def session(self):
        long_one = self.random.random() < 0.05
        with Client(self.d.socket, 30) as c:
            code = c.negotiate()[0]
            assert code == "O", code
            c.connect("192.0.2.1")
            c.helo("mx.example.org")
            self.sessions += 1
            for _ in range(self.random.randint(1, 4)):
                if long_one:
                    time.sleep(self.random.random())
                self.message(c)
            c.quit()

    def message(self, c):
        edits, (code, _) = c.message(MESSAGE, "a@example.org")
        found = [e[3].split(";")[0].strip() for e in edits if e[0] == "i"]
        assert code == "a" and len(found) == 1, (code, edits)
        self.ids.add(found[0])
        self.messages += 1


def replace(d, conf):
    """At once, as an administrator should: a file that is being written is a whole one too, if a shorter one."""
    place, d.conf = d.conf, d.conf + ".new"
    d.write(conf)
    d.conf = place
    os.replace(place + ".new", place)


def until(good, seconds):
    end = time.monotonic() + seconds
    while not good() and time.monotonic() < end:
        time.sleep(0.05)
    return good()


def noise(d):
    return d.complaints() + [line for line in d.log if "died" in line or "ended with" in line]


def under_load():
    sent = 0
    with Daemon(CONF % (NAMES[0], "info", "r0"), files={"zone": ZONE, "list": LIST}, program=AUTHMILLD) as d:
        senders = [Sender(d, i) for i in range(SENDERS)]
        for s in senders:
            s.start()
        begin = time.monotonic()
        sizes, turns, bad_files = [], 0, 0
        while time.monotonic() < begin + SECONDS:
            turns += 1
            bad = turns % 7 == 0
            bad_files += bad
            replace(d, "rule x {\n" if bad else CONF % (NAMES[turns % 2], "info", "r%d" % turns))
            for _ in range(20 if turns % 3 == 0 else 1):
                d.process.send_signal(signal.SIGHUP)
                sent += 1
                time.sleep(0.002)
            time.sleep(max(0, begin + turns * 1.0 - time.monotonic()))
            sizes.append(d.status(d.process.pid, "VmRSS"))
        for s in senders:
            s.end = True
        for s in senders:
            s.join(40)
        took = time.monotonic() - begin
        for s in senders:
            for w in s.wrong[:5]:
                diag(w)
        messages, sessions = sum(s.messages for s in senders), sum(s.sessions for s in senders)
        is_(sum(len(s.wrong) for s in senders), 0, "no session was turned away, no message put off")
        ok(messages > 10 * SECONDS, "%d messages in %d sessions" % (messages, sessions))
        is_(set().union(*(s.ids for s in senders)), set(NAMES), "both configurations served")
        ok(until(lambda: len(d.workers()) == 1, 20), "one worker is left")
        done = len([line for line in d.log if ": reloaded " in line])
        refused = len([line for line in d.log if "reload: nothing is changed" in line])
        ok(done + refused <= took + 2, "bursts are one reload: %d signals, %d reloads" % (sent, done + refused))
        ok(done >= (turns - bad_files) * 0.5, "reloads were done")
        ok(bad_files == 0 or refused > 0, "wrong files changed nothing")
        is_(noise(d), [], "nothing died, no sanitizer has a word")
        settled = sizes[len(sizes) // 3:]
        growth = max(settled[len(settled) // 2:]) - max(settled[:len(settled) // 2])
        ok(growth < 1024 or d.sanitized(d.process.pid), "the supervisor does not grow (%d kB)" % growth)
        diag("%.0f s: %d signals, %d reloads, %d wrong files, %d messages in %d sessions; supervisor VmRSS %d kB, %d kB at "
             "the end" % (took, sent, done, refused, messages, sessions, sizes[0], sizes[-1]))
        d.process.terminate()
        is_(d.process.wait(40), 0, "and it ends well")
        is_(noise(d), [], "without a word of a sanitizer")


def served_by(d, name):
    """An open session with the worker of that authserv-id: the one before it may still take the first ones."""
    for _ in range(100):
        c = Client(d.socket)
        c.negotiate()
        c.connect("192.0.2.1")
        edits = c.message(MESSAGE, "a@example.org")[0]
        if edits and edits[0][3].split(";")[0].strip() == name:
            return c
        c.close()
        time.sleep(0.1)
    raise RuntimeError("nobody serves as " + name)


def no_room():
    """Open sessions hold earlier workers; when all places are taken a reload waits, and is done later."""
    with Daemon(CONF % (NAMES[0], "info", "r"), files={"zone": ZONE, "list": LIST}, program=AUTHMILLD) as d:
        held = [served_by(d, NAMES[0])]
        for i in range(8):
            d.log.clear()
            replace(d, CONF % ("w%d.example" % i, "info", "r"))
            d.process.send_signal(signal.SIGHUP)
            ok(d.logged(": reloaded ", 20), "reload %d with its predecessors' sessions open" % i)
            held.append(served_by(d, "w%d.example" % i))
        is_(len(d.workers()), 9, "nine workers")
        replace(d, CONF % ("last.example", "info", "last"))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reload: waits"), "the next reload waits")
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            is_(c.message(MESSAGE, "a@example.org")[1][0], "a", "mail is served meanwhile")
        d.log.clear()
        held[3].quit()
        held[3].close()
        ok(d.logged('rule "last": new', 20), "when a session ends the reload is done")
        for c in held:
            c.close()
        ok(until(lambda: len(d.workers()) == 1, 20), "one worker is left")


tap.run(under_load, no_room)
