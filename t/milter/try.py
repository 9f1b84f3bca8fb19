#!/usr/bin/python3
"""authmill try: the MTA's side of the milter protocol, against a milter by table."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from minimilter import MiniMilter, pack, strings  # noqa: E402
import tap  # noqa: E402
from tap import build, diag, is_, like, ok  # noqa: E402

AUTHMILL = build("authmill")
LEADSPC = 1 << 20
MESSAGE = (b"From: a@example.org\r\nSubject: one\r\n two\r\n\tthree\r\nTo : b@example.net\r\n"
           b"\r\nHello,\r\n\r\nyou.\r\n")
work = tempfile.TemporaryDirectory(prefix="authmill-t.")


def run(*args, stdin=MESSAGE, timeout=60):
    return subprocess.run([AUTHMILL, "try", *args], input=stdin, capture_output=True, timeout=timeout)


def attempt(milter, *args, message=MESSAGE):
    p = run("--milter", milter.spec, "--format", "json", "--timeout", "5", *args, stdin=message)
    if p.returncode:
        return p.returncode, p.stderr.decode()
    return 0, json.loads(p.stdout)


def file_of(octets):
    path = os.path.join(work.name, "message.eml")
    with open(path, "wb") as f:
        f.write(octets)
    return path


def whole_way():
    with MiniMilter() as m:
        status, out = attempt(m, "--ip", "192.0.2.1", "--helo", "mail.example.org", "--mail-from",
                              "<a@example.org>", "--rcpt", "b@example.net", "--rcpt", "<c@example.net>",
                              "--auth", "alice", "--receiver", "mx.example.net")
        is_(status, 0, "accepted message exits 0")
        is_(out, {"action": "accept", "reply": "", "stage": "end of message", "insert": [], "add": [],
                  "change": [], "quarantine": ""}, "an empty result")
        m.finished.wait(5)
        is_("".join(c for c, _ in m.seen if c != "D"), "OCHMRRTLLLNBE", "every step in order")
        is_(m.data_of("O"), [pack(6) + pack(0x1FF) + pack(0x1FFFFF)], "all is offered")
        is_(m.data_of("C"), [b"[192.0.2.1]\x004\0\x00192.0.2.1\0"], "connect")
        is_(m.data_of("H"), [b"mail.example.org\0"], "helo")
        is_(m.data_of("M"), [b"<a@example.org>\0"], "mail")
        is_(m.data_of("R"), [b"<b@example.net>\0", b"<c@example.net>\0"], "rcpt")
        is_(m.data_of("L"), [b"From\0a@example.org\0", b"Subject\0one\n two\n\tthree\0",
                             b"To\0b@example.net\0"],
            "without LEADSPC the first space goes; folds are LF; white space before the colon goes")
        is_(m.data_of("B"), [b"Hello,\r\n\r\nyou.\r\n"], "body")
        macros = dict((d[:1], d[1:].split(b"\0")) for d in m.data_of("D"))
        is_(macros[b"C"][:2], [b"j", b"mx.example.net"], "macro j")
        ok(b"{client_addr}" in macros[b"C"] and b"192.0.2.1" in macros[b"C"], "macro {client_addr}")
        is_(macros[b"M"], [b"{auth_type}", b"PLAIN", b"{auth_authen}", b"alice", b"{mail_addr}",
                           b"a@example.org", b"{mail_mailer}", b"smtp", b""], "macros of mail: no i yet")
        ok(b"c@example.net" in macros[b"R"], "macro {rcpt_addr}")
        is_(macros[b"E"][0], b"i", "macro i at the end")


def defaults():
    with MiniMilter(steps=LEADSPC) as m:
        attempt(m)
        m.finished.wait(5)
        is_("".join(c for c, _ in m.seen if c != "D"), "OCMRTLLLNBE", "no HELO where none is given")
        is_(m.data_of("C"), [b"unknown\0U"], "no address: family unknown")
        is_(m.data_of("M") + m.data_of("R"), [b"<>\0", b"<postmaster>\0"], "null sender, postmaster")
        is_(m.data_of("L")[0], b"From\0 a@example.org\0", "LEADSPC keeps the space")
    for sender in ("", "<>"):
        with MiniMilter() as m:
            attempt(m, "--mail-from", sender, "--ip", "2001:db8::1")
            m.finished.wait(5)
            is_(m.data_of("M"), [b"<>\0"], "--mail-from %r is the null sender" % sender)
            is_(m.data_of("C"), [b"[2001:db8::1]\x006\0\x002001:db8::1\0"], "connect, IPv6")


def negotiated_steps():
    every_no = 0x7F | 1 << 9
    with MiniMilter(steps=every_no) as m:
        status, _ = attempt(m, "--ip", "192.0.2.1", "--helo", "x")
        m.finished.wait(5)
        is_((status, m.names()), (0, "ODE"), "steps the milter does not want are not sent")
    every_nr = 1 << 7 | 0xF << 12 | 1 << 16 | 1 << 18 | 1 << 19
    with MiniMilter(steps=every_nr) as m:
        status, _ = attempt(m, "--ip", "192.0.2.1", "--helo", "x")
        m.finished.wait(5)
        is_((status, "".join(c for c, _ in m.seen if c != "D")), (0, "OCHMRTLLLNBE"),
            "no reply is waited for where none was negotiated")
    big = b"A: 1\r\n\r\n" + b"0123456789abcd\r\n" * 16384
    with MiniMilter() as m:
        attempt(m, message=big)
        m.finished.wait(5)
        is_([len(d) for d in m.data_of("B")], [65535, 65535, 65535, 65535, 4], "chunks of the body")
        is_(b"".join(m.data_of("B")), big[8:], "nothing of the body is lost")
    with MiniMilter({"B": [("s", b"")]}, steps=1 << 10) as m:
        status, _ = attempt(m, message=big)
        m.finished.wait(5)
        is_((status, len(m.data_of("B"))), (0, 1), "SKIP: the rest of the body is not sent")
    lists = pack(0) + b"j\0" + pack(2) + b"{auth_authen}\0" + pack(5) + b"\0"
    with MiniMilter(lists=lists) as m:
        attempt(m, "--auth", "bob", "--receiver", "mx")
        m.finished.wait(5)
        macros = m.data_of("D")
        ok(b"Cj\0mx\0" in macros and b"M{auth_authen}\0bob\0" in macros, "only the macros asked for")
        ok(not [d for d in macros if d[:1] == b"E"], "a stage that wants none gets none")


def verdicts():
    cases = [
        ("accept at connect", {"C": [("a", b"")]}, "accept", "", "connect"),
        ("reject at helo", {"H": [("r", b"")]}, "reject", "", "helo"),
        ("tempfail at mail", {"M": [("t", b"")]}, "tempfail", "", "mail"),
        ("discard at data", {"T": [("d", b"")]}, "discard", "", "data"),
        ("reply at a field", {"L": [("y", b"550 5.7.1 no\0")]}, "reject", "550 5.7.1 no", "header"),
        ("reply 4xx", {"N": [("y", b"451 4.7.5 later\0")]}, "tempfail", "451 4.7.5 later", "end of header"),
        ("shutdown", {"B": [("4", b"")]}, "tempfail", "421", "body"),
        ("continue at the end", {"E": [("p", b""), ("p", b""), ("c", b"")]}, "accept", "", "end of message"),
        ("reject at the end", {"E": [("r", b"")]}, "reject", "", "end of message"),
        ("every recipient refused", {"R": [("y", b"550 5.1.1 who\0")]}, "reject", "550 5.1.1 who", "rcpt"),
        ("one recipient refused", {"R": [[("r", b"")], [("c", b"")]]}, "accept", "", "end of message"),
        ("accept at a recipient", {"R": [("a", b"")]}, "accept", "", "rcpt"),
    ]
    for what, answers, action, reply, stage in cases:
        with MiniMilter(answers) as m:
            status, out = attempt(m, "--helo", "x", "--rcpt", "a@x", "--rcpt", "b@x")
            is_((status, out["action"], out["reply"], out["stage"]), (0, action, reply, stage), what)


def edits():
    end = [("i", pack(0) + b"Authentication-Results\0 mx; spf=pass\n\tsmtp.helo=x\0"),
           ("i", pack(2) + b"X-Two\0 2\0"),
           ("h", b"X-Last\0 9\0"),
           ("m", pack(1) + b"subject\0 new\0"),
           ("m", pack(1) + b"To\0\0"),
           ("q", b"looks bad\0"), ("+", b"<new@x>\0"), ("-", b"<old@x>\0"), ("e", b"<s@x>\0\0"),
           ("b", b"other body\r\n"), ("a", b"")]
    with MiniMilter({"E": end}, steps=LEADSPC) as m:
        status, out = attempt(m)
        is_(status, 0, "edits: status")
        is_(out, {"action": "quarantine", "reply": "", "stage": "end of message",
                  "insert": [[0, "Authentication-Results", "mx; spf=pass\n\tsmtp.helo=x"], [2, "X-Two", "2"]],
                  "add": [["X-Last", "9"]], "change": [[1, "subject", "new"], [1, "To", ""]],
                  "quarantine": "looks bad", "rcpt_add": ["<new@x>"], "rcpt_delete": ["<old@x>"],
                  "mail_from": ["<s@x>"], "body": ["other body\r\n"]}, "every change is told")
        text = run("--milter", m.spec, "-").stdout.decode()
        is_(text.split("\n\n")[0], "+ Authentication-Results: mx; spf=pass\n+ \tsmtp.helo=x\n"
            "  From: a@example.org\n+ X-Two: 2\n- Subject: one\n-  two\n- \tthree\n+ subject: new\n"
            "- To: b@example.net\n+ X-Last: 9", "text: the header that leaves the MTA")
        like(text, r"(?s)action: quarantine \(end of message\)\nquarantine: looks bad\n"
             r"recipient added: <new@x>\nrecipient taken out: <old@x>\nsender changed: <s@x>\nbody replaced",
             "text: the rest")
        ok("\033" not in text, "no colour where no terminal is")


def broken_milters():
    cases = [
        ("closes at connect", {"C": "close"}, "closed"),
        ("closes before the end", {"E": "close"}, "closed"),
        ("closes while it negotiates", {"O": "close"}, "closed"),
        ("no negotiation", {"O": [("c", b"")]}, "breaks the protocol"),
        ("short negotiation", {"O": [("O", pack(6))]}, "breaks the protocol"),
        ("a version of the future", {"O": [("O", pack(7) + pack(0) + pack(0))]}, "version"),
        ("actions not offered", {"O": [("O", pack(6) + pack(0x200) + pack(0))]}, "not offered"),
        ("macro list without an end", {"O": [("O", pack(6) + pack(0) * 3 + b"j")]}, "macros"),
        ("macro list of no stage", {"O": [("O", pack(6) + pack(0) * 2 + pack(7) + b"j\0")]}, "macros"),
        ("skip at mail", {"M": [("s", b"")]}, "skip"),
        ("unknown answer", {"E": [("Z", b"")]}, "unknown answer"),
        ("change before the end", {"B": [("h", b"a\0b\0")]}, "before the end"),
        ("text without an end", {"E": [("h", b"a\0b")]}, "does not end"),
        ("insert without its number", {"E": [("i", b"ab")]}, "number"),
        ("reply without a code", {"M": [("y", b"hello\0")]}, "code"),
        ("reply 250", {"M": [("y", b"250 fine\0")]}, "code"),
        ("packet of no octets", {"M": pack(0) + b"c"}, "packet"),
        ("packet of 2 GiB", {"M": pack(1 << 31) + b"c"}, "packet"),
    ]
    for what, answers, word in cases:
        with MiniMilter(answers) as m:
            status, out = attempt(m)
            ok(status == 69 and word in out and out.count("\n") == 1, "%s: 69, one line" % what)
            if status != 69:
                diag(out)
    with MiniMilter({"E": [("h", b"a\0b\0"), ("a", b"")]}, actions=0x10) as m:
        status, out = attempt(m)
        ok(status == 69 and "not negotiated" in out, "a change that was not negotiated: 69")
    with MiniMilter({"M": []}) as m:
        p = run("--milter", m.spec, "--timeout", "0.3")
        ok(p.returncode == 69 and b"in time" in p.stderr, "a milter that says nothing: 69 in time")


def sockets():
    for kind in ("inet", "inet6"):
        try:
            with MiniMilter(inet=kind) as m:
                is_(attempt(m)[0], 0, "milter at %s" % m.spec)
        except OSError as e:
            diag("%s: %s" % (kind, e))
    with MiniMilter() as m:
        p = run("--milter", m.spec.replace("unix:", "local:"))
        is_(p.returncode, 0, "local:/path")
    for spec in ("unix:/nonexistent/sock", "inet:1@127.0.0.1"):
        p = run("--milter", spec)
        ok(p.returncode == 69 and p.stderr.count(b"\n") == 1, "nobody at %s: 69" % spec)


def usage():
    with MiniMilter() as m:
        for want, args, stdin in [
            (64, [], MESSAGE), (64, ["--milter"], MESSAGE), (64, ["--milter", "smtp:1"], MESSAGE),
            (64, ["--milter", "unix:" + "x" * 200], MESSAGE), (64, ["--milter", "inet:@h"], MESSAGE),
            (64, ["--milter", "inet:1@"], MESSAGE), (64, ["--milter", m.spec, "--ip", "1.2.3"], MESSAGE),
            (64, ["--milter", m.spec, "--format", "xml"], MESSAGE),
            (64, ["--milter", m.spec, "--timeout", "0"], MESSAGE),
            (64, ["--milter", m.spec, "--timeout", "nan"], MESSAGE),
            (64, ["--milter", m.spec, "--what"], MESSAGE), (64, ["--milter", m.spec, "a", "b"], MESSAGE),
            (66, ["--milter", m.spec, "/nonexistent.eml"], MESSAGE), (65, ["--milter", m.spec], b"junk\n"),
            (65, ["--milter", m.spec], b""), (0, ["--help"], b""),
            (0, ["--milter", m.spec, file_of(MESSAGE)], b""),
        ]:
            p = run(*args, stdin=stdin)
            ok(p.returncode == want and p.stderr.count(b"\n") == (want != 0), "%d: %s" % (want, " ".join(args)))
        with open("/dev/full", "wb") as full:
            p = subprocess.run([AUTHMILL, "try", "--milter", m.spec], input=MESSAGE, stdout=full,
                               stderr=subprocess.PIPE, timeout=60)
            is_(p.returncode, 75, "standard output on a full disk")


def hostile_text():
    bad = b"A: x\x1b[31m\x00y\xc2\x9b\xff\r\nB: 2\x00hidden\r\n\r\nx\r\n"
    end = [("h", b"X\x1b]0;t\x07\0 v\xff\x1b[2J\0"), ("y", b"550 5.7.1 \x1b[5m%s\0")]
    with MiniMilter({"E": end}) as m:
        text = run("--milter", m.spec, stdin=bad).stdout
        ok(not [c for c in text if c > 126 or (c < 32 and c != 10)], "nothing for the terminal to obey")
        status, out = attempt(m, message=bad)
        is_((status, out["add"], out["reply"]), (0, [["X\x1b]0;t\x07", " v\ufffd\x1b[2J"]], "550 5.7.1 \x1b[5m%s"),
            "JSON: controls escaped, octets that are no UTF-8 replaced")
        m.finished.wait(5)
        is_(m.data_of("L"), [b"A\0x\x1b[31m\0", b"B\x002\0"], "what a NUL hides does not reach the milter")


tap.run(whole_way, defaults, negotiated_steps, verdicts, edits, broken_milters, sockets, usage, hostile_text)
