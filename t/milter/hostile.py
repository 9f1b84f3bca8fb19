#!/usr/bin/python3
"""Over the milter protocol: what no MTA sends, and what strangers send through one."""

import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, sample, words, zone  # noqa: E402
from milterclient import Client, Daemon, Gone, applied, session, strings  # noqa: E402
from tap import build, diag, is_, ok  # noqa: E402

build("authmilld")
GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
WANT = "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"
MESSAGE = sample("newsletter")


def works(d, what):
    edits, _ = session(d.socket, MESSAGE, **GOOD)
    is_(words(ours(edits)), WANT, "works after: " + what)


def packet(code, data=b"", length=None):
    return struct.pack(">I", len(data) + 1 if length is None else length) + code + data


def hello():
    return packet(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))


def wrong_octets(d):
    rng = random.Random(1)
    neighbour = Client(d.socket)
    neighbour.negotiate()
    neighbour.connect("192.0.2.1")
    neighbour.helo("mail.garden.example")
    cases = {
        "nothing at all": b"", "half a length": b"\0\0", "length 0": packet(b"", length=0) + b"\0" * 20,
        "length 2^32-1": b"\xff\xff\xff\xffO", "length 2^31": b"\x80\0\0\0O", "HTTP": b"GET / HTTP/1.0\r\n\r\n",
        "text": b"EHLO x\r\n" * 100, "short negotiation": packet(b"O", b"\0\0\0\6"),
        "version 0": packet(b"O", struct.pack(">III", 0, 0, 0)), "version 1": packet(b"O", struct.pack(">III", 1, 0, 0)),
        "no actions": packet(b"O", struct.pack(">III", 6, 0, 0)),
        "unknown command": hello() + packet(b"\x7f", b"x"), "NUL command": hello() + packet(b"\0"),
        "negotiates twice": hello() * 2, "body first": hello() + packet(b"B", b"x" * 100),
        "end first": hello() + packet(b"E"), "end of header first": hello() + packet(b"N"),
        "header before mail": hello() + packet(b"L", b"From\0 a@b\0"),
        "connect without an address": hello() + packet(b"C", b"x"), "empty connect": hello() + packet(b"C"),
        "connect, family ?": hello() + packet(b"C", b"x\0?\0\0y\0"),
        "connect, no NUL": hello() + packet(b"C", b"x\x004\0\x19192.0.2.1"),
        "connect, bad address": hello() + packet(b"C", b"x\x004\0\x19999.0.2.1\0"),
        "connect, long address": hello() + packet(b"C", b"x\x006\0\x19" + b"1" * 5000 + b"\0"),
        "helo, no NUL": hello() + packet(b"H", b"x"), "empty helo": hello() + packet(b"H"),
        "mail, no NUL": hello() + packet(b"M", b"<a@b>"), "empty mail": hello() + packet(b"M"),
        "header without value": hello() + packet(b"M", b"<>\0") + packet(b"L", b"From\0"),
        "macro of nothing": hello() + packet(b"D"), "odd macros": hello() + packet(b"D", b"Ma\0"),
        "macros of an unknown step": hello() + packet(b"D", b"\xffa\0b\0"),
    }
    for k in range(20):
        cases["random octets %d" % k] = hello() * (k % 2) + bytes(rng.randrange(256) for _ in range(rng.randrange(2000)))
    pids = d.workers()
    for what, octets in cases.items():
        with Client(d.socket, timeout=5) as c:
            try:
                c.raw(octets)
                c.sock.shutdown(1)
                while c.sock.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
            except TimeoutError:
                ok(False, "the session does not end: " + what)
    is_(d.workers(), pids, "wrong octets close their own session only: the worker lives")
    edits, _ = neighbour.message(MESSAGE, "news@garden.example")
    is_(words(ours(edits)), WANT, "and a neighbour's session goes on")
    neighbour.close()
    works(d, "wrong octets")


def fed(d, fields, body=b"x\r\n", mail_from="news@garden.example", ip="192.0.2.1", helo="mail.garden.example", delay=0):
    with Client(d.socket, delay=delay, timeout=60) as c:
        c.negotiate()
        c.connect(ip)
        c.helo(helo)
        c.envelope(mail_from)
        for name, value in fields:
            c.header(name, value)
        c.eoh()
        c.body(body)
        return c.eom()


def one_line(edits):
    """What is inserted must be one field of UTF-8 without controls, whatever came in."""
    value = ours(edits)
    for k, line in enumerate(value.split("\n")):
        strange = [c for c in line if ord(c) < 32 and c != "\t" or 126 < ord(c) < 160 or 0xD800 <= ord(c) < 0xE000]
        if strange or (k and line[:1] not in (" ", "\t")) or len(line.encode("utf-8", "surrogateescape")) > 998:
            return False
    return True


def controls(d):
    rng = random.Random(2)
    nasty = [bytes([c]) for c in range(1, 32)] + [b"\x7f", b"\x80", b"\xff", b"\xc3\x28", b"\xe2\x80\xae", b"%s%n", b'"', b"(", b")",
                                                  b";", b"\\", b"=", b"@", b"<", b">", b"\r\n", b"\n\n", b"\r", b"\nX: y"]
    bad = 0
    for n in nasty:
        text = lambda s: s.encode() + n + s[::-1].encode()  # noqa: E731
        for fields in ([(b"From", b" a@" + text("exa") + b".example")], [(b"From" + n, b" a@b.example"), (b"From", b" a@b.example")],
                       [(b"From", b" a@b.example"), (b"DKIM-Signature", b" v=1; a=rsa-sha256; d=" + text("gar") + b"; s=" +
                         text("s") + b"; h=from; bh=AAAA; b=AAAA; i=@" + text("gar"))],
                       [(b"Authentication-Results", b" " + text("mx.here") + b"; spf=pass"), (b"From", b" a@b.example")]):
            edits, (code, _) = fed(d, fields, mail_from=text("news") + b"@garden.example", helo=text("mail"))
            if code not in "ac" or not one_line(edits):
                bad += 1
                diag("%r: %r %r" % (n, code, edits))
    is_(bad, 0, "control octets and punctuation everywhere: one clean field comes out")
    bad = 0
    for k in range(30):
        junk = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 300)))
        edits, (code, _) = fed(d, [(b"From", junk), (b"DKIM-Signature", junk), (b"Authentication-Results", junk)],
                               mail_from=junk, helo=junk)
        if code not in "ac" or not one_line(edits):
            bad += 1
            diag("%r: %r %r" % (junk, code, edits))
    is_(bad, 0, "random octets everywhere")
    with Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        c.step("H", b"mail.garden.example\0hidden\0")
        c.step("M", b"<news@garden.example\0@evil.example>\0")
        c.step("R", b"<you@here.example>\0")
        c.data()
        c.step("L", b"From\0 news@garden.example\0, evil@bank.example\0")
        c.eoh()
        c.body(b"\0\0\0x\0\r\n")
        edits, (code, _) = c.eom()
        ok(code in "ac" and one_line(edits), "NUL in every place")
    ok("\x1b" not in "".join(d.log) and "\r" not in "".join(d.log), "the log stays clean too")


def empty_messages(d):
    edits, (code, _) = fed(d, [], b"")
    ok(code in "ac" and "dmarc=pass" not in words(ours(edits)), "no header, no body: judged, and no pass")
    for what, steps in [("nothing but an envelope", lambda c: c.envelope("news@garden.example")), ("nothing at all", lambda c: None)]:
        with Client(d.socket, timeout=2) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            steps(c)
            try:
                code = c.eom()[1][0]
                ok(code in "acrty", "end of message after %s: an answer" % what)
            except (Gone, TimeoutError):
                ok(True, "end of message after %s: libmilter does not take it" % what)
    works(d, "messages without anything")


def order(d):
    with Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        c.mail("x@bank.example")
        c.mail("news@garden.example")
        c.rcpt("a@here.example")
        edits, _ = c.content(MESSAGE)
        ok("spf=pass" in words(ours(edits)) or "spf=fail" in words(ours(edits)), "MAIL twice: judged")
    with Client(d.socket) as c:
        c.negotiate()
        c.macros("M", auth_authen="mallory")
        c.macros("M", mail_addr="x")
        c.connect("192.0.2.1")
        c.macros("M", mail_addr="x")
        c.macros("M", auth_authen="alice")
        edits, _ = c.message(MESSAGE, "news@garden.example")
        ok("smtp.auth=alice" in ours(edits) and "mallory" not in ours(edits), "macros in several packets: the last ones count")
    works(d, "wrong order")


def many_fields(d):
    pid = d.workers()[0]
    fields = [("From", " news@garden.example")] + [("X-%d" % (k % 7), " v") for k in range(100000)] + \
        [("Authentication-Results", " mx.here.example; spf=pass")]
    begin = time.monotonic()
    edits, (code, _) = fed(d, fields)
    diag("100,000 fields: %.1f s, VmHWM %d kB" % (time.monotonic() - begin, d.status(pid, "VmHWM")))
    after = applied(fields, edits)
    ok(code in "ac" and [v for n, v in after if n == b"Authentication-Results"][1:] == [],
       "100,000 fields: judged, and the forged one behind them goes")
    ok("dmarc=pass" not in words(ours(edits)), "what was not kept is not vouched for")
    forged = [("From", " news@garden.example")] + [("Authentication-Results", " mx.here.example; spf=pass")] * 30000
    edits, (code, _) = fed(d, forged)
    gone = [e[1:] for e in edits if e[0] == "m"]
    ok(code in "ac" and gone == [(k, "Authentication-Results", "") for k in range(30000, 0, -1)], "30,000 forged fields go")
    works(d, "many fields")


def long_line(d):
    big = b" news@garden.example" + b" " * 1000000
    edits, (code, _) = fed(d, [("From", big)])
    ok(code in "ac", "From of 1 MB")
    for size in (65520, 65536, 100000, 1000000):
        edits, (code, _) = fed(d, [("X-Big", b" " + b"x" * size), ("From", " news@garden.example")])
        ok(code in "ac" and "dmarc=pass" in words(ours(edits)), "a field of %d octets" % size)
    folded = b"".join(b"\n x%d" % k for k in range(100000))
    edits, (code, _) = fed(d, [("X-Folded", folded), ("From", " news@garden.example")])
    ok(code in "ac", "a field of 100,000 folds")
    works(d, "long lines")


def big_body(d):
    pid = d.workers()[0]
    before = d.status(pid, "VmHWM")
    head = MESSAGE.partition(b"\r\n\r\n")[0]
    line = b"0123456789" * 7 + b"\r\n"
    fields = [tuple(part.encode("latin-1") for part in (f.split(":", 1))) for f in
              head.decode("latin-1").replace("\r\n ", "\n ").split("\r\n")]
    begin = time.monotonic()
    edits, (code, _) = fed(d, fields, line * (50000000 // len(line)))
    peak = d.status(pid, "VmHWM")
    diag("50 MB: %.1f s, VmHWM %d kB before, %d kB after" % (time.monotonic() - begin, before, peak))
    ok(code in "ac" and "dkim=fail" in words(ours(edits)), "50 MB of body that was not signed: dkim=fail")
    if d.sanitized(pid):
        tap.skip("the body is not kept", "a sanitizer keeps memory")
    else:
        ok(peak - before < 10000, "the body is not kept")
    works(d, "a body of 50 MB")


def slow(d):
    fields = [tuple(f.encode() for f in p) for p in [("From", " news@garden.example"), ("Subject", " x")]]
    edits, (code, _) = fed(d, fields, delay=0.15)
    ok(code in "ac" and "dmarc=pass" in words(ours(edits)), "a slow MTA")
    with Client(d.socket) as c:
        for octet in hello():
            c.raw(bytes([octet]))
            time.sleep(0.005)
        ok(c.receive()[0] == "O", "octet by octet")
        whole = packet(b"C", b"x\x004\0\x19192.0.2.1\0") + packet(b"M", strings("<news@garden.example>")) + \
            packet(b"R", strings("<a@here.example>")) + packet(b"T") + packet(b"L", b"From\0 news@garden.example\0") + \
            packet(b"N") + packet(b"B", b"x\r\n") + packet(b"E")
        c.raw(whole)
        codes = []
        while not codes or codes[-1] not in "a":
            codes.append(c.receive()[0])
            if codes[-1] == "c" and "i" in codes:
                break
        ok("i" in codes, "all packets in one piece")


def whole():
    with Daemon(CONF % ZONES, {"zone": zone()}) as d:
        for test in (wrong_octets, controls, empty_messages, order, many_fields, long_line, big_body, slow):
            try:
                test(d)
            except Exception as e:
                ok(False, "%s ran to its end: %s %s" % (test.__name__, type(e).__name__, e))


tap.run(whole)
