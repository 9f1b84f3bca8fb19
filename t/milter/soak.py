#!/usr/bin/python3
"""Kills, reloads and a long run under load: a message is never lost or wrongly marked, nothing grows.

`make check` runs a short one; `make soak` the whole (about twenty minutes). AUTHMILL_SOAK_KILLS, _RELOADS (a
kill) and _MESSAGES say how much."""

import os
import signal
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, sample, words, zone  # noqa: E402
from milterclient import Client, Daemon, Gone, split, strings  # noqa: E402
from mta import wait_for  # noqa: E402
from tap import build, diag, is_, ok  # noqa: E402

build("authmilld")
KILLS = int(os.environ.get("AUTHMILL_SOAK_KILLS", "3"))
RELOADS = int(os.environ.get("AUTHMILL_SOAK_RELOADS", "3"))  # for each kill
MESSAGES = int(os.environ.get("AUTHMILL_SOAK_MESSAGES", "4000"))
CUSTOMERS = 3
IDS = ("mx.here.example", "mx.there.example")
# message, client, HELO, sender, what is right
CASES = (("newsletter", "192.0.2.1", "mail.garden.example", "news@garden.example",
          "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"),
         ("spoof", "198.18.0.1", "elsewhere.example", "x@bank.example",
          "spf=fail spf=none dkim=none dmarc=fail iprev=permerror"))


def packet(code, data=b""):
    return struct.pack(">I", len(data) + 1) + code + data


def octets(name, sender):
    """A whole message in one piece: nothing before its body is answered."""
    fields, body = split(sample(name))
    out = packet(b"M", strings("<%s>" % sender))
    for field, value in fields:
        out += packet(b"L", field + b"\0" + value + b"\0")
    return out + packet(b"N") + packet(b"B", body) + packet(b"E")


BLOBS = {name: octets(name, sender) for name, _, _, sender, _ in CASES}


class Session:
    """A quick client for one kind of message."""

    def __init__(self, spec, case):
        self.case = case
        self.client = Client(spec, 60)
        self.client.negotiate()
        self.client.connect(case[1])
        self.client.helo(case[2])
        self.stream = self.client.sock.makefile("rb", 16384)
        self.read = self.stream.read

    def message(self):
        """The fields that were inserted on top, and the answer."""
        self.client.raw(BLOBS[self.case[0]])
        inserted = []
        while True:
            head = self.read(5)
            if len(head) < 5:
                raise Gone()
            data = self.read(struct.unpack(">I", head[:4])[0] - 1)
            if head[4:] == b"i":
                inserted.append(data[4:].split(b"\0")[1].decode())
            elif head[4:] in (b"a", b"r", b"t", b"y", b"d"):
                return inserted, head[4:]

    def close(self):
        self.stream.close()  # else the socket stays open
        self.client.close()


class Load:
    """Customers that come and go until they are told to stop, have sent enough, or nobody has let any in for a minute."""

    def __init__(self, spec, enough=None):
        self.spec, self.enough, self.entered = spec, enough, time.monotonic()
        self.served, self.cut, self.refused, self.wrong = 0, 0, [], []
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._customer, args=(k,)) for k in range(CUSTOMERS)]
        for t in self.threads:
            t.start()

    def _customer(self, k):
        turn = k
        while not self.over.is_set() and time.monotonic() < self.entered + 60:
            turn += 1
            case = CASES[turn % len(CASES)]
            try:
                s = Session(self.spec, case)
            except (ConnectionRefusedError, FileNotFoundError) as e:
                self.refused.append(repr(e))
                time.sleep(0.05)
                continue
            except (Gone, OSError):
                self._count(0, 1)  # whoever took it was killed: the sender tries again
                continue
            self.entered = time.monotonic()
            try:
                for _ in range(8 if self.enough is None else 50):
                    self._check(case, *s.message())
            except (Gone, OSError):
                self._count(0, 1)
            finally:
                s.close()

    def _count(self, served, cut):
        with self.lock:
            self.served += served
            self.cut += cut
            if self.enough and self.served >= self.enough:
                self.over.set()

    def _check(self, case, inserted, answer):
        good = len(inserted) == 1 and words(inserted[0]) == case[4] and answer == b"a" and \
            inserted[0].split(";")[0].strip() in IDS
        if not good:
            self.wrong.append("%s: %r %r" % (case[0], answer, inserted))
        self._count(1, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.wait()

    def wait(self, seconds=7200):
        for t in self.threads:
            t.join(seconds)


def conf(k):
    return (CONF % ZONES).replace(IDS[0], IDS[k % 2], 1)


def hang_up(d, k):
    """A reload with another name for us; it waits for earlier workers to go."""
    wait_for(lambda: len(d.workers()) < 5, 30)
    d.log.clear()
    d.write(conf(k))
    d.process.send_signal(signal.SIGHUP)
    return d.logged("reloaded", 30) is not None


def started(pid):
    """Ticks since the machine's start, and the number; (0, ...): it is gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[19]), pid
    except OSError:
        return 0, pid


def serving(d):
    """The worker that was started last: numbers of processes begin again some day."""
    return max(d.workers(), key=started)


def kills_and_reloads():
    with Daemon(conf(0), {"zone": zone()}) as d:
        missed = 0
        with Load(d.socket) as load:
            for k in range(KILLS):
                before = load.served
                os.kill(serving(d), signal.SIGKILL)
                missed += not wait_for(lambda: load.served > before + 5, 40)
                for r in range(RELOADS):
                    missed += not hang_up(d, k * RELOADS + r)
        is_(missed, 0, "%d kill -9 of the worker, %d reloads: each is healed" % (KILLS, KILLS * RELOADS))
        is_(load.refused, [], "no connection is refused meanwhile")
        is_(load.wrong[:3], [], "%d messages, none marked wrongly" % load.served)
        diag("%d sessions were cut by a kill, and tried again" % load.cut)
        ok(load.cut <= KILLS * CUSTOMERS * 2, "only a kill cuts sessions")
        ok(load.served > KILLS * 10, "there was a load")
        is_(d.process.poll(), None, "the supervisor is the same all the time")
        ok(wait_for(lambda: len(d.workers()) == 1, 20), "one worker is left")


def both_killed():
    for k in range(max(2, KILLS // 10)):
        with Daemon(conf(0), {"zone": zone()}) as d:
            with Load(d.socket) as load:
                wait_for(lambda: load.served > 20, 20)
                worker = serving(d)
                os.kill(d.process.pid, signal.SIGKILL)
                if k % 2:
                    try:
                        os.kill(worker, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                d.process.wait(10)
            is_(load.wrong[:3], [], "kill -9 of %s: nothing is marked wrongly" % ("both" if k % 2 else "the supervisor"))
            again = Daemon(conf(0), {"zone": zone()}, spec=d.socket)
            begin = time.monotonic()
            with again:
                s = Session(d.socket, CASES[0])
                inserted, answer = s.message()
                s.close()
                is_((words(inserted[0]), answer), (CASES[0][4], b"a"),
                    "started again, it serves after %.1f s; nothing had to be repaired" % (time.monotonic() - begin))


def things_of(d, pid):
    return {"resident kB": d.status(pid, "VmRSS"), "threads": d.status(pid, "Threads"),
            "descriptors": d.descriptors(pid)}


def long_run():
    with Daemon((CONF % ZONES).replace("level = debug", "level = warning"), {"zone": zone()}) as d:
        pid = d.workers()[0]
        warm = Load(d.socket, max(1000, MESSAGES // 10))
        warm.wait()
        time.sleep(0.5)
        first = things_of(d, pid)
        begin = time.monotonic()
        load = Load(d.socket, MESSAGES)
        load.wait()
        took = time.monotonic() - begin
        time.sleep(0.5)
        last = things_of(d, pid)
        diag("%d messages, %.0f a second; before %r, after %r" % (load.served, load.served / took, first, last))
        is_((load.wrong[:3], load.refused[:3], load.cut), ([], [], 0), "%d messages through one worker" % load.served)
        if d.sanitized(pid):
            tap.skip("memory does not grow", "a sanitizer keeps memory")
        else:
            # In a short run the allocator is still finding its size.
            bound = first["resident kB"] // 100 + (0 if MESSAGES >= 500000 else 400)
            grown = last["resident kB"] - first["resident kB"]
            ok(grown <= bound, "resident memory grows by %d kB, at most %d" % (grown, bound))
        ok(last["threads"] <= first["threads"] + (CUSTOMERS if MESSAGES < 100000 else 0), "no thread more")
        is_(last["descriptors"], first["descriptors"], "no descriptor more")
        is_(d.workers(), [pid], "by the worker that was there first")


tap.run(kills_and_reloads, both_killed, long_run)
