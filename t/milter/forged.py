#!/usr/bin/python3
"""Over the milter protocol: forged Authentication-Results go, however they are spelt; foreign ones stay."""

import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, words, zone  # noqa: E402
from milterclient import Client, Daemon, applied  # noqa: E402
from tap import build, diag, is_, ok  # noqa: E402

build("authmilld")
AUTHMILL = build("authmill")
NAME = "Authentication-Results"
FORGED = [
    " mx.here.example; spf=pass smtp.mailfrom=bank.example", "mx.here.example;none", "\tmx.here.example; dmarc=pass",
    " MX.Here.EXAMPLE; spf=pass", ' "mx.here.example"; spf=pass', ' "mx\\.here.example"; spf=pass',
    ' "m\\x.here.example" 1; spf=pass', " (hello) mx.here.example; spf=pass", " (a (b \\) c)) mx.here.example; spf=pass",
    " (mx.other.example;) mx.here.example (x) 1 (y); spf=pass", "\n mx.here.example;\n spf=pass",
    "\n\t(c)\n\tmx.here.example\n\t;\n\tspf=pass", " mx.here.example 1; spf=pass", " mx.here.example", " mx.here.example 99; x=y",
    " mx.here.example;", " mx.here.example; ((((", ' mx.here.example; "', " mx.here.example junk junk",
    "", " ", " ; spf=pass", " (unclosed mx.here.example; spf=pass", ' "unclosed mx.here.example; spf=pass',
]
FOREIGN = [
    " other.example; spf=pass", " relay.here.example; dkim=pass", " xmx.here.example; spf=pass",
    " mx.here.example.evil.example; spf=pass", " here.example; spf=pass", ' "other.example"; spf=pass',
    " (mx.here.example) other.example; none", " other.example 1; spf=pass (mx.here.example;)",
    " other.example;\n\tspf=pass smtp.mailfrom=mx.here.example",
]
NEIGHBOURS = [
    ("ARC-Authentication-Results", " i=1; mx.here.example; spf=pass"), ("X-Authentication-Results", " mx.here.example; spf=pass"),
    ("Authentication-Results-Original", " mx.here.example; spf=pass"), ("Authentication", " mx.here.example; x"),
    ("Received", " from a by mx.here.example"),
]
PLAIN = [("From", " a@bank.example"), ("Subject", " Authentication-Results: mx.here.example")]


def authmill(*args):
    p = subprocess.run([AUTHMILL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=True)
    return json.loads(p.stdout)


def edits_of(d, fields):
    with Client(d.socket) as c:
        c.negotiate()
        c.connect("198.18.0.1")
        c.envelope("x@bank.example")
        for name, value in fields:
            c.header(name, value)
        c.eoh()
        c.body(b"x\r\n")
        return c.eom()[0]


def header_after(d, fields):
    edits = edits_of(d, fields)
    return edits, [(n.decode(), v.decode()) for n, v in applied(fields, edits)]


def each_alone(d):
    for value in FORGED:
        fields = [PLAIN[0], (NAME, value), PLAIN[1]]
        edits, after = header_after(d, fields)
        is_(after, [(NAME, ours(edits))] + PLAIN, "goes: %r" % value)
    for value in FOREIGN:
        fields = [PLAIN[0], (NAME, value), PLAIN[1]]
        edits, after = header_after(d, fields)
        is_(after, [(NAME, ours(edits))] + fields, "stays: %r" % value)
    for name in ("AUTHENTICATION-RESULTS", "authentication-results", "aUTHENTICATION-rESULTS"):
        edits, after = header_after(d, PLAIN + [(name, FORGED[0])])
        is_(after, [(NAME, ours(edits))] + PLAIN, "goes: " + name)
    edits, after = header_after(d, NEIGHBOURS + PLAIN)
    is_(after, [(NAME, ours(edits))] + NEIGHBOURS + PLAIN, "fields of other names stay")


def hidden(d):
    """In the value of another field, behind a CR or LF that is no fold: some readers end a line there."""
    for end in ("\r", "\n", "\r\n", "\n\r"):
        bad = ("Subject", " hello%s%s: mx.here.example; dmarc=pass" % (end, NAME))
        fine = ("Subject", " hello%s%s: other.example; dmarc=pass" % (end, NAME))
        fields = [PLAIN[0], PLAIN[1], bad, ("Received", " x"), PLAIN[1]]
        edits, after = header_after(d, fields)
        is_(after, [(NAME, ours(edits))] + [f for f in fields if f != bad], "goes, behind %r" % end)
        edits, after = header_after(d, [PLAIN[0], fine])
        is_(len(after), 3, "another host's stays, behind %r" % end)
    edits = edits_of(d, [PLAIN[0]] + [("X-%d" % i, " x") for i in range(10000)] + [(NAME + " ", FORGED[0]), PLAIN[1]])
    is_([e[1:3] for e in edits if e[0] == "m"], [(1, NAME)], "a blank behind the name hides none beyond limits.fields")


def hidden_beyond(d):
    """Nothing can be deleted of which nobody knows the number: such a message is refused."""
    for name, value, want in (("X-Foo", "mx.here.example; dmarc=pass", "y"), ("X-Foo", "other.example; dmarc=pass", "y"),
                              (NAME, "mx.here.example; dmarc=pass", "y"), ("X-Foo", None, "a")):
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            c.envelope("a@example.org")
            for field in [PLAIN[0]] + [("X-%d" % i, " x") for i in range(10000)]:
                c.header(*field)
            c.header(name, " a\r%s: %s" % (NAME, value) if value else " a")
            c.eoh()
            c.body(b"x\r\n")
            _, (code, text) = c.eom()
            is_(code, want, "beyond limits.fields: %s hides %s" % (name, value))
            ok(code == "a" or b"550 5.6.0" in text, "is refused for good")
            c.quit()


def mixed(d):
    rng = random.Random(20261121)
    bad = 0
    for turn in range(60):
        fields = [(NAME if rng.random() < .5 else NAME.lower(), v) for v in rng.choices(FORGED, k=rng.randint(0, 12))]
        keep = [(NAME if rng.random() < .5 else NAME.upper(), v) for v in rng.choices(FOREIGN, k=rng.randint(0, 12))]
        keep = [(n, v + " %d" % k if "(" not in v else v) for k, (n, v) in enumerate(keep)] + NEIGHBOURS + PLAIN
        rng.shuffle(keep)
        mix = [(rng.random(), False, f) for f in fields] + \
              [(p, True, f) for p, f in zip(sorted(rng.random() for _ in keep), keep)]
        mix.sort(key=lambda m: m[0])
        edits, after = header_after(d, [f for _, _, f in mix])
        want = [(NAME, ours(edits))] + [f for _, good, f in mix if good]
        if after != want:
            bad += 1
            diag("turn %d: %r\nedits %r" % (turn, [f for _, _, f in mix], edits))
        deleted = [e[1] for e in edits if e[0] == "m"]
        bad += deleted != sorted(deleted, reverse=True)
    is_(bad, 0, "60 mixed headers: every forged field gone, every other one in its place, from last to first")


def many(d):
    fields = PLAIN + [(NAME, FORGED[k % 19]) if k % 3 else (NAME, FOREIGN[k % len(FOREIGN)]) for k in range(2000)]
    edits, after = header_after(d, fields)
    known = 200  # of more, what those beyond say is not looked at: they go
    is_(len(after), 1 + len(PLAIN) + len([k for k in range(known) if k % 3 == 0]), "2,000 of them in one message")
    ok(all(v in FOREIGN for n, v in after[1:] if n == NAME), "only foreign ones stay")


def judged_before(d):
    edits, _ = header_after(d, PLAIN + [(NAME, FORGED[0])])
    ok("spf=fail" in words(ours(edits)), "what a forged field says changes no verdict")


def whole():
    with Daemon(CONF % ZONES, {"zone": zone()}) as d:
        for test in (each_alone, hidden, hidden_beyond, mixed, many, judged_before):
            test(d)


def told_the_same():
    """check, replay and explain know of such a message what authmilld does; a shadow of the same rules decides the same."""
    more = 'decision-log { path = "{dir}/log" }\nlimits { fields = 100 }\n'
    value = " a\r%s: mx.here.example; dmarc=pass" % NAME
    for what, mode in (("", ""), (", monitored", "policy { mode = monitor }\n"), (", skipped", "skip = {submission}\n")):
        fields = [PLAIN[0]] + [("X-%d" % i, " x") for i in range(100)] + [("Subject", value)]
        with Daemon(CONF % ZONES + more + (mode or 'policy { shadow = "{dir}/same" }\n'),
                    {"zone": zone(), "same": "limits { fields = 100 }\n"}) as d:
            with Client(d.socket) as c:
                c.negotiate()
                c.connect(None)
                c.envelope("x@bank.example", i="q1")
                for field in fields:
                    c.header(*field)
                c.eoh()
                c.body(b"x\r\n")
                is_(c.eom()[1][0], "y", "beyond limits.fields: refused" + what)
                c.quit()
            d.process.terminate()
            d.process.wait(20)
            ok(not d.logged("shadow=", 0), "a shadow says so too")
            mail = d.dir + "/mail"
            with open(mail, "wb") as f:
                f.write("".join("%s:%s\r\n" % field for field in fields).encode() + b"\r\nx\r\n")
            told = authmill("check", "--config", d.conf, "--format", "json", mail)
            is_((told["action"], told["why"]), ("reject", "hidden results"), "check" + what)
            told = authmill("replay", "--config", d.conf, "--format", "json", mail)
            is_(told["summary"]["actions"], [{"reject": 1}], "replay of the message" + what)
            told = authmill("explain", "--config", d.conf, "--log", d.dir + "/log", "--format", "json", "q1")
            is_((told["action"], told["why"], told["differences"]), ("reject", "hidden results", []), "explain" + what)


tap.run(whole, told_the_same)
