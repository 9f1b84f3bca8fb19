#!/usr/bin/python3
"""More than there is room for: sessions beyond the cap, idle ones, half-open ones, a socket that is handed on."""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, sample, words, zone  # noqa: E402
from milterclient import Client, Daemon, Gone, session  # noqa: E402
from mta import wait_for  # noqa: E402
from tap import build, diag, is_, ok  # noqa: E402

AUTHMILLD = build("authmilld")
GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
WANT = "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"
IDLE = 300


def descriptors(pid):
    return {int(n) for n in os.listdir("/proc/%d/fd" % pid)}


def daemon(more="", **named):
    return Daemon(CONF % (ZONES + more), {"zone": zone()}, **named)


def judged(spec):
    """Seconds that a whole session takes; the verdict must be right."""
    begin = time.monotonic()
    edits, _ = session(spec, sample("newsletter"), **GOOD)
    if words(ours(edits)) != WANT:
        raise AssertionError(words(ours(edits)))
    return time.monotonic() - begin


def opened(d):
    c = Client(d.socket)
    c.negotiate()
    return c


def cap():
    with daemon("limits { sessions = 2 }\n") as d:
        # those that asked whether it answers may still be going away
        ok(wait_for(lambda: accepted(d) is not None, 10), "there is room at first")
        inside = []
        ok(wait_for(lambda: fill(d, inside) == 2, 10), "for two sessions")
        begin = time.monotonic()
        with Client(d.socket) as c:
            is_(c.negotiate()[0], "O", "the third is agreed with")
            code, data = c.connect("192.0.2.1")
            is_((code, data.split(b"\0")[0]), ("y", b"451 4.3.2 Too many connections, try again later"),
                "and the client is told 451")
            ok(time.monotonic() - begin < 3, "without waiting for a place")
            again = c.helo("mail.example")
            is_(again[0], "y", "as often as it asks")
            c.sock.settimeout(1)
            try:
                c.mail("a@example.org")
                edits, (code, _) = c.content(sample("newsletter"))
                is_((edits, code in "ty"), ([], True), "an MTA that goes on all the same gets no pass")
            except (Gone, socket.timeout):
                ok(True, "an MTA that goes on all the same gets nothing")
        ok(d.logged("limits.sessions"), "it is logged")
        for c in inside:
            edits, _ = c.message(sample("newsletter"), "news@garden.example")
            is_(words(ours(edits)).split()[-3:], WANT.split()[-3:], "those inside are served")
        inside.pop().close()
        ok(wait_for(lambda: accepted(d) is not None, 10), "one that ends makes room")
        for c in inside:
            c.close()


def let_in(c):
    answer = c.connect("192.0.2.1")  # None: the step needs no answer
    return answer is None or answer[0] != "y"


def accepted(d):
    """True: a connection that was let in (and is over); None: told 451."""
    with Client(d.socket) as c:
        c.negotiate()
        return True if let_in(c) else None


def fill(d, inside):
    c = Client(d.socket)
    c.negotiate()
    if let_in(c):
        c.helo("mail.garden.example")
        inside.append(c)
    else:
        c.close()
    return len(inside)


def idle_ones():
    with daemon() as d:
        alone = min(judged(d.socket) for _ in range(3))
        crowd = [opened(d) for _ in range(IDLE)]
        crowded = min(judged(d.socket) for _ in range(3))
        ok(crowded < alone * 5 + 0.25, "%d idle sessions: a message takes %.0f ms (alone %.0f)" %
           (IDLE, crowded * 1000, alone * 1000))
        diag("threads: %d" % d.status(d.workers()[0], "Threads"))
        for k in (0, IDLE // 2, IDLE - 1):
            c = crowd[k]
            c.connect("192.0.2.1")
            c.helo("mail.garden.example")
            edits, _ = c.message(sample("newsletter"), "news@garden.example")
            is_(words(ours(edits)), WANT, "idle session %d wakes up and is served" % k)
        for c in crowd:
            c.close()
        judged(d.socket)
        ok(True, "all leave at once, and it goes on")


def large_one(d):
    """A message of 2 MB of header, but for its end."""
    c = opened(d)
    c.connect("192.0.2.1")
    c.helo("mail.garden.example")
    c.envelope("news@garden.example")
    for _ in range(40):
        c.header("X-Large", " " + "x" * 50000)
    c.header("From", " news@garden.example")
    c.eoh()
    return c


def memory_of_all():
    """Large messages share limits.memory-total: those that have no room are put off, and small ones always have some."""
    with daemon("limits { memory-total = 64M }\n") as d:
        large = [large_one(d) for _ in range(40)]
        judged(d.socket)
        ok(True, "a small message is judged meanwhile")
        codes = [c.eom()[1][0] for c in large]
        ok(16 < codes.count("a") < 32, "of 40 large ones some are accepted: %d" % codes.count("a"))
        is_(codes.count("y"), 40 - codes.count("a"), "and the others told to come again")
        ok(d.logged("action=tempfail(out"), "which is logged as a fault of ours")
        for c in large:
            c.close()
        with large_one(d) as c:
            is_(c.eom()[1][0], "a", "and when they are gone there is room for others")


def half_open():
    """Connections that say nothing, or half a packet, or never finish their message."""
    hello = struct.pack(">I", 13) + b"O" + struct.pack(">III", 6, 0x1FF, 0x1FFFFF)
    field = struct.pack(">I", 40) + b"L" + b"From"
    for what, octets in (("say nothing", b""), ("send half a length", b"\0\0"), ("send half a negotiation", hello[:9]),
                         ("stop in the middle of a field", hello + struct.pack(">I", 5) + b"M<>\0\0" + field)):
        with daemon() as d:
            crowd = []
            for _ in range(60):
                c = Client(d.socket)
                c.raw(octets)
                crowd.append(c)
            time.sleep(0.2)
            took = judged(d.socket)
            ok(took < 5, "60 that %s: a message takes %.0f ms" % (what, took * 1000))
            for c in crowd:
                c.close()
            took = judged(d.socket)
            ok(took < 5, "and when they are gone")


def silent_ones():
    """Whoever stops within a packet is cut off: limits.silence. (Between two, libmilter looks every ten minutes.)"""
    with daemon("limits { silence = 10 }\n") as d:
        for what, octets in (("half a length", b"\0\0"), ("half a negotiation", struct.pack(">I", 13) + b"O\0\0")):
            with Client(d.socket, timeout=30) as c:
                begin = time.monotonic()
                c.raw(octets)
                is_(c.sock.recv(1), b"", "after %s and some seconds of silence: cut off" % what)
                ok(time.monotonic() - begin > 8, "but not before")


def closing():
    """Connections that close at any point leave nothing behind."""
    with daemon("limits { sessions = 20 }\n") as d:
        pid = d.workers()[0]
        judged(d.socket)
        before = d.descriptors(pid)
        for k in range(120):
            c = opened(d)
            steps = [lambda: c.connect("192.0.2.1"), lambda: c.helo("x.example"), lambda: c.envelope("a@b.example"),
                     lambda: c.header("From", " a@b.example"), lambda: c.eoh(), lambda: c.body(b"x\r\n"), lambda: c.send("E")]
            for step in steps[:k % 8]:
                step()
            c.close()
        ok(wait_for(lambda: d.descriptors(pid) <= before, 10), "no descriptor is left")
        kept = []
        ok(wait_for(lambda: fill(d, kept) >= 20, 10), "and no place is lost")
        for c in kept:
            c.close()


# ---- descriptors run out

def of_the_worker():
    """More connections than there are descriptors: those wait, and nothing gives up."""
    most = 340
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        few = here + "/few"
        with open(few, "w") as f:
            f.write('#!/bin/sh\nulimit -n %d && exec "%s" "$@"\n' % (most, AUTHMILLD))
        os.chmod(few, 0o755)
        with daemon("limits { sessions = 30 }\n", program=few) as d:
            pid = d.workers()[0]
            crowd = [Client(d.socket) for _ in range(most + 60)]
            ok(wait_for(lambda: len(descriptors(pid)) >= most - 1, 10), "all descriptors are taken")
            time.sleep(0.5)
            for c in crowd:
                c.close()
            took = judged(d.socket)
            ok(took < 5, "when they are gone a message takes %.0f ms" % (took * 1000))
            is_(d.workers(), [pid], "by the same worker")


def of_the_supervisor():
    """A worker dies, and there is no descriptor left to start another: tried again, and none is lost."""
    with daemon() as d:
        pid = d.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        before = descriptors(pid)
        free = [n for n in range(max(before) + 10) if n not in before]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[1] + 1, hard))  # and one that the dead worker's was
        os.kill(d.workers()[0], signal.SIGKILL)
        ok(wait_for(lambda: len([x for x in d.log if "did not start" in x]) > 1, 20), "it is tried, and tried again")
        ok(len(descriptors(pid)) < len(before), "what was opened is closed")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        ok(wait_for(d.answers, 20), "and works when there are some")
        judged(d.socket)


# ---- a socket that somebody else keeps

class Activated:
    """What systemd does: a listening socket as descriptor 3, with LISTEN_FDS, for one process after the other."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="authmill-t.")
        os.chmod(self.dir, 0o755)
        self.path = self.dir + "/sock"
        self.socket = "unix:" + self.path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(512)
        with open(self.dir + "/zone", "w") as f:
            f.write(zone())
        with open(self.dir + "/a.conf", "w") as f:
            f.write('socket = "fd:3"\n' + (CONF % ZONES).replace("{dir}", self.dir))

    def start(self):
        # The shell gives the process that systemd's variables name its own id.
        return subprocess.Popen(["sh", "-c", 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" -c "$1" 3<&%d' %
                                 self.listener.fileno(), AUTHMILLD, self.dir + "/a.conf"],
                                pass_fds=[self.listener.fileno()], stderr=subprocess.PIPE)

    def close(self):
        self.listener.close()
        subprocess.run(["rm", "-r", self.dir], check=False)


def ready(p):
    for line in p.stderr:
        if b"is ready" in line:
            threading.Thread(target=p.stderr.read, daemon=True).start()
            return True
    return False


def handed_on():
    """A new binary on the same socket: clients that come meanwhile wait, and none is refused."""
    a = Activated()
    try:
        p = a.start()
        ok(ready(p), "started with the socket as descriptor 3 (LISTEN_FDS)")
        judged(a.socket)
        stopping, refused, served, slowest = threading.Event(), [], [], [0.0]

        def customer():
            while not stopping.is_set():
                try:
                    slowest[0] = max(slowest[0], judged(a.socket))
                    served.append(1)
                except (OSError, Gone, AssertionError) as e:
                    refused.append(repr(e))

        crowd = [threading.Thread(target=customer) for _ in range(3)]
        for t in crowd:
            t.start()
        for _ in range(3):
            time.sleep(0.3)
            p.send_signal(signal.SIGTERM)
            is_(p.wait(40), 0, "the old one finishes what it has, and ends")
            p = a.start()
            ok(ready(p), "the new one serves")
        time.sleep(0.3)
        stopping.set()
        for t in crowd:
            t.join(30)
        is_(refused, [], "%d messages meanwhile, none refused or misjudged; the slowest took %.1f s" %
            (len(served), slowest[0]))
        ok(len(served) > 10, "there were some")
        ok(os.path.exists(a.path), "the socket is the one that was there first")
        p.terminate()
        p.wait(40)
    finally:
        a.close()


tap.run(cap, idle_ones, memory_of_all, half_open, silent_ones, closing, of_the_worker, of_the_supervisor, handed_on)
