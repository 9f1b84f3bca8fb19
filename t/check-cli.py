#!/usr/bin/python3
"""authmill check from outside: options, exit status, one line about what is wrong, the three formats."""

import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILL, AUTHMILLD = build("authmill"), build("authmilld")
work = tempfile.TemporaryDirectory(prefix="authmill-t.")
MESSAGE = b"From: a@example.org\nSubject: x\n\nbody\n"
ZONE = """$TTL 60
example.org. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
mail.example.org. IN A 192.0.2.1
mail.example.org. IN TXT "v=spf1 a -all"
_dmarc.example.org. IN TXT "v=DMARC1; p=reject; sp=quarantine"
silent.example.org. IN A 192.0.2.2
own.example.org. IN TXT "v=spf1 +all"
_dmarc.own.example.org. IN TXT "v=DMARC1; p=none; psd=n"
1.2.0.192.in-addr.arpa. IN PTR mail.example.org.
"""
GOOD = ["--ip", "192.0.2.1", "--mail-from", "a@example.org"]


def file_of(name, octets):
    path = os.path.join(work.name, name)
    with open(path, "wb") as f:
        f.write(octets)
    return path


Z = file_of("zone", ZONE.encode())
M = file_of("m.eml", MESSAGE)


def run(*args, stdin=MESSAGE):
    p = subprocess.run([AUTHMILL, *args], input=stdin, capture_output=True, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def check(*args, stdin=MESSAGE):
    return run("check", "--zone", Z, "--authserv-id", "mx.here.example", *args, stdin=stdin)


def text(*args, stdin=MESSAGE):
    return check("--format", "text", *args, stdin=stdin)[1].splitlines()


def wrong():
    """Status, what standard error says, arguments; one line each, and nothing on standard output."""
    empty, junk = file_of("empty", b""), file_of("junk", b"no header\n")
    broken = file_of("broken.zone", b"example.org. IN TXT \"x\n")
    for want, says, args in [
        (64, "authmill check: unrecognized option '--what'", ["check", "--what", M]),
        (64, "authmill check: option '--ip' requires an argument", ["check", "--ip"]),
        (64, "authmill explain: unrecognized option '--what'", ["explain", "--what"]),
        (64, "authmill replay: unrecognized option '--what'", ["replay", "--what"]),
        (64, "authmill config: unrecognized option '--what'", ["config", "check", "--what"]),
        (64, "authmill try: unrecognized option '--what'", ["try", "--what"]),
        (64, "authmill try: option '--rcpt' requires an argument", ["try", "--rcpt"]),
        (64, "authmill: no word 'chek'; did you mean 'check'?", ["chek"]),
        (64, "authmill check: --ip '1.2.3': wanted an IPv4 or IPv6 address", ["check", "--ip", "1.2.3", M]),
        (64, "wanted header, text or json", ["check", "--format", "xml", M]),
        (64, "wanted tree-walk or psl", ["check", "--org-domain", "x", M]),
        (64, "--dns-timeout '0': wanted", ["check", "--dns-timeout", "0", M]),
        (64, "--time 'x': wanted", ["check", "--time", "x", M]),
        (64, "want ADDR or ADDR@PORT", ["check", "--nameserver", "x", M]),
        (64, "one message at a time", ["check", "--zone", Z, M, M]),
        (64, "--spf-only reads no message", ["check", "--spf-only", "--ip", "192.0.2.1", M]),
        (64, "'inet:99999@127.0.0.1' is no socket", ["try", "--milter", "inet:99999@127.0.0.1", M]),
        (64, "'inet:0' is no socket", ["try", "--milter", "inet:0", M]),
        (64, "'inet:smtp' is no socket", ["try", "--milter", "inet:smtp", M]),
        (65, junk + ": no message", ["check", "--zone", Z, junk]),
        (65, empty + ": no message", ["check", "--zone", Z, empty]),
        (65, broken + ":1: ", ["check", "--zone", broken, M]),
        (66, "/nonexistent.eml: No such file", ["check", "--zone", Z, "/nonexistent.eml"]),
        (66, work.name + ": Is a directory", ["check", "--zone", Z, work.name]),
        (66, "/nonexistent.zone: No such file", ["check", "--zone", "/nonexistent.zone", M]),
        (66, work.name + ": Is a directory", ["check", "--zone", work.name, M]),
        (66, "/nonexistent.psl: no public suffix list", ["check", "--zone", Z, "--psl", "/nonexistent.psl", M]),
        (78, "/nonexistent.conf: No such file", ["check", "--config", "/nonexistent.conf", M]),
        (78, junk + ":1: ", ["check", "--config", junk, M]),
    ]:
        status, out, err = run(*args)
        is_((status, out, err.count("\n")), (want, "", 1), "%d, and one line: %s" % (want, " ".join(args)))
        like(err, says, "which says what is wrong")
        ok(err.startswith("authmill"), "and begins with the program's name: " + err.strip())


def not_written():
    """Standard output that takes nothing is said as such, however much was to be printed."""
    many = file_of("many.eml", b"DKIM-Signature: v=1; a=rsa\n" * 100 + MESSAGE)
    record = {"v": 1, "id": "x", "action": "accept", "now": 1, "lookups": [
        {"type": "TXT", "name": "n%d.example" % i, "status": "nxdomain"} for i in range(2000)]}
    log = file_of("full.log", json.dumps(record).encode() + b"\n")
    if not os.path.exists("/dev/full"):
        tap.skip("a full disk", "no /dev/full")
        return
    for where in (">/dev/full", ">&-"):
        for args in (["check", "--zone", Z, "--format", "json", "--explain", M], ["check", "--zone", Z, "--format", "json", "--explain", many],
                     ["check", "--zone", Z, "--format", "text", many], ["explain", "--log", log, "--format", "json", "x"],
                     ["explain", "--log", log, "--format", "json", "--all", "x"], ["replay", "--format", "json", log]):
            p = subprocess.run(["sh", "-c", 'exec "$@" ' + where, "sh", AUTHMILL, *args], capture_output=True, timeout=60)
            is_((p.returncode, p.stderr), (75, b"authmill: standard output cannot be written\n"), where + " " + " ".join(args))


def helps():
    for word in ("check", "config", "explain", "replay", "try"):
        status, out, err = run("help", word)
        is_((status, err), (0, ""), "help " + word)
        ok("\nexamples\n  " in out and "authmill " + word in out.partition("\nexamples\n")[2], "with examples: " + word)
        is_(run(word, "--help")[:2], (0, out), word + " --help says the same")
        usual = re.sub(r"/\S+(?=/authmill/authmill\.conf)", "/etc", out)  # wherever this one was configured to
        ok(max(len(line) for line in usual.splitlines()) <= 100, "fits: " + word)
    ok("\nexamples\n  " in run("--help")[1], "authmill --help, with examples")
    p = subprocess.run([AUTHMILLD, "--help"], capture_output=True, timeout=60)
    ok(p.returncode == 0 and b"\nexamples\n  " in p.stdout, "authmilld --help, with examples")


def lines():
    """The text for people: nothing doubled, nothing that begins with a comma or a colon."""
    is_(text(*GOOD, "--helo", "mail.example.org"), [
        "spf          pass      example.org, by ip4:192.0.2.0/24",
        "spf (helo)   pass      mail.example.org, by a",
        "dkim         none      no signature",
        "dmarc        pass      example.org, policy reject of example.org, aligned: spf; disposition none",
        "iprev        pass      mail.example.org",
        "action       accept"], "a message that passes")
    why = []
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        for more, rest in (('rule r { when { spf = fail } action = reject reason = "not from here" }', ()),
                           ('rule r { when { spf = fail } action = header }', ()),
                           ('policy { mode = monitor } rule r { when { spf = fail } action = reject }', ()),
                           ("local-networks = 198.51.100.0/24", ())):
            with open(here + "/c", "w") as f:
                f.write(more + "\n")
            bad = ("--ip", "198.51.100.9", "--mail-from", "a@example.org", "--config", here + "/c")
            why.append([line for line in text(*bad) if line.startswith(("action", "reply"))])
            found = json.loads(check("--format", "json", "--explain", *bad)[1])
            why[-1].append((found["why"], found["rule"], found["reply"][:9], found["explain"][-1]))
    step = {"step": "policy", "rfc": "9989 5.4", "question": 'rule "r"', "answer": "reject"}
    is_(why, [
        ['action       reject: rule "r", not from here', "reply        550 5.7.23 SPF validation failed for example.org",
         ("rule", "r", "550 5.7.2", step)],
        ['action       accept with a field: rule "r"', ("rule", "r", "", dict(step, answer="header"))],
        ['action       accept, monitored; would be reject: rule "r"',
         ("rule", "r", "", dict(step, answer="monitored, would be reject"))],
        ["action       accept: local client",
         ("local client", "", "", dict(step, question="local client", answer="accept"))]], "and why, where policy decides")
    is_(text("--ip", "192.0.2.1")[0], "spf (helo)   none      not a domain name of several labels", "no name at all")
    is_(text("--ip", "192.0.2.1", "--mail-from", "a")[0], "spf          none      not a domain name of several labels",
        "an address without a domain")
    is_(text("--ip", "192.0.2.1", "--helo", "silent.example.org", "--mail-from", "a@silent.example.org")[:2], [
        "spf          none      silent.example.org: no SPF record",
        "spf (helo)   none      silent.example.org: no SPF record"], "a reason that names the domain")
    is_(text("--ip", "192.0.2.1", "--helo", "a b")[0], "spf (helo)   none      a b: not a domain name of several labels",
        "a reason that does not")
    conf = file_of("conf", b"methods { sender-id = yes helo = yes login-map = \"%s\" }\n" % file_of("map", b"@example.org alice\n").encode())
    is_(text("--config", conf, "--ip", "192.0.2.1", "--helo", "silent.example.org", stdin=b"From: a@silent.example.org\n\n")[-3:-1], [
        "sender-id    none      silent.example.org: no SPF record",
        "x-helo       fail      silent.example.org: the name leads to other addresses"], "of other methods neither")
    many = text("--config", conf, *GOOD, "--helo", "mail.example.org", "--auth", "alice")
    ok("x-auth-align pass" in many and all(s[12] == " " != s[13] and s == s.rstrip() for s in many), "one column for the names")
    signed = MESSAGE.replace(b"Subject", b"DKIM-Signature: v=1; a=rsa\nDKIM-Signature: x\n"
                             b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from; bh=AAAA; b=AAAA\n"
                             b"ARC-Seal: i=1; a=x\nSubject")
    is_(text(stdin=signed)[:4], [
        "dkim         neutral   rsa: required tag missing: d",
        "dkim         neutral   malformed tag list: a tag without =",
        "dkim         permerror example.org, selector s, rsa-sha256: no key record",
        "arc          fail      1 set: instance 1: an incomplete set"], "signatures that cannot be read, a chain that is broken")


def skipped():
    """`skip`: what authmilld does not judge is not decided here either; only the results are there."""
    rules = 'rule ours { when { auth = pass } action = reject }\nrule alien { when { spf = pass } action = hold }\n'
    for skip, args, want in (
            ("authenticated", ("--auth", "bob"), ("accept", "skipped", "")), ("authenticated", (), ("quarantine", "rule", "alien")),
            ("local", ("--ip", "127.0.0.1", "--auth", "bob"), ("accept", "skipped", "")),
            ("local", ("--auth", "bob"), ("reject", "rule", "ours")),
            ("authenticated }\ntrusted-relays = { 192.0.2.1", ("--auth", "bob"), ("accept", "", "")),
            ("authenticated }\npolicy { mode = monitor", ("--auth", "bob"), ("accept", "skipped", ""))):
        conf = file_of("skip.conf", (rules + "skip = { %s }\n" % skip).encode())
        found = json.loads(check("--format", "json", "--config", conf, *GOOD, *args)[1])
        is_((found["action"], found["why"], found["rule"]), want, "skip = %r: %s" % (skip, " ".join(args) or "a stranger"))
        ok("dmarc" in found and "spf" in found, "and the results are there")
    conf = file_of("skip.conf", (rules + "skip = submission\n").encode())
    found = json.loads(check("--format", "json", "--config", conf)[1])
    is_((found["action"], found["why"]), ("accept", "skipped"), "skip = submission: without an address")


def dmarc(*args, author="example.org"):
    status, out, err = check("--format", "json", *args, stdin=b"From: a@%s\n\nx\n" % author.encode())
    return json.loads(out)["dmarc"] if status == 0 else err


def options():
    is_(dmarc(*GOOD, author="own.example.org")["result"], "fail", "a name with psd=n is its own organization")
    psl = file_of("psl", b"org\n")
    is_(dmarc(*GOOD, "--org-domain", "psl", "--psl", psl, author="own.example.org")["result"], "pass", "not so by the list")
    is_(dmarc(*GOOD, "--psl", psl, author="own.example.org")["result"], "pass", "a list that is named is used")
    is_(dmarc(*GOOD, "--org-domain", "tree-walk", "--psl", psl, author="own.example.org")["result"], "fail", "unless told otherwise")
    one = file_of("one.zone", b'_dmarc.one.example. 60 IN TXT "v=DMARC1; p=none"\n')
    is_(dmarc("--zone", one, author="one.example")["policy"], "none", "--zone may be repeated")
    is_(dmarc(*GOOD, "--ip", "198.51.100.1")["result"], "fail", "of other options the last one counts")
    for sender in ("", "<>", None):
        args = [] if sender is None else ["--mail-from", sender]
        found = json.loads(check("--format", "json", "--ip", "192.0.2.1", "--helo", "mail.example.org", *args)[1])
        is_((found["spf"]["scope"], found["spf"]["domain"], found["spf_helo"]["result"], found["dmarc"]["spf_aligned"]),
            ("helo", "mail.example.org", "pass", True), "the null sender: %r" % sender)
    for where, args in (("-", ["-"]), ("standard input", []), ("a file", [M])):
        is_(check(*GOOD, *args)[0], 0, "the message from " + where)
    status, out, _ = check("--spf-only", *GOOD, "--format", "json", stdin=b"")
    is_((status, sorted(json.loads(out))), (0, ["action", "authentication_results", "iprev", "spf"]), "--spf-only: what ran is there")
    is_(sorted(json.loads(check("--format", "json")[1])), ["action", "arc", "authentication_results", "dkim", "dmarc"],
        "without --ip neither spf nor iprev")
    steps = json.loads(check(*GOOD, "--format", "json", "--explain")[1])["explain"]
    ok(steps and all(sorted(s) == ["answer", "question", "rfc", "step"] for s in steps), "--explain: every step, with its section")
    ok({"step": "dmarc", "rfc": "9989 4.10", "question": "TXT _dmarc.example.org",
        "answer": "v=DMARC1; p=reject; sp=quarantine"} in steps, "a look-up and its answer")


def decisions():
    """--explain tells every decision, and why."""
    def steps(*args, stdin=MESSAGE):
        found = json.loads(check("--format", "json", "--explain", *args, stdin=stdin)[1])["explain"]
        return [(s["step"], s["rfc"], s["question"], s["answer"]) for s in found]
    told = steps("--ip", "192.0.2.2", "--mail-from", "a@silent.example.org", "--auth", "alice", stdin=b"Subject: x\n\n")
    for want in [
        ("spf", "7208 2.6", "silent.example.org", "none: silent.example.org: no SPF record"),
        ("dmarc", "9989 5.3.1", "From", "permerror: no From field"),
        ("iprev", "8601 3", "192.0.2.2", "permerror: the address has no name"),
        ("auth", "8601 2.7.4", "alice", "pass"),
        ("pra", "4407 2", "PRA", "none: no From field"),
    ]:
        ok(want in told, "told: " + " ".join(want))
    told = steps(*GOOD)
    for want in [("spf", "7208 2.6", "example.org", "pass"), ("dmarc", "9989 5.3.5", "example.org", "pass"),
                 ("iprev", "8601 3", "192.0.2.1", "pass"), ("pra", "4407 2", "PRA", "a@example.org")]:
        ok(want in told, "told: " + " ".join(want))


def line_ends():
    """RFC 5322 2.1: what ends the first line ends all of them."""
    for octets, want in [
        (b"From: a@example.org\r\nX: y\r\n\r\n", "fail"), (b"From: a@example.org\nX: y\n\n", "fail"),
        (b"From: a@example.org", "fail"), (b"From: a@example.org\n", "fail"), (b"X: y\nFrom: a@example.org\n\nx", "fail"),
        (b"From: a@example.org\r\nX: y\nFrom: b@own.example.org\r\n\r\n", "permerror"),
        (b"From: a@example.org\nX: y\rFrom: b@own.example.org\n\n", "permerror"),
        (b"From x Mon Nov 21\nFrom: a@example.org\n\nx", "fail"), (b"\nFrom: a@example.org\n", "permerror"),
        (b"Subject: x\n\nFrom: a@example.org\n", "permerror"),
    ]:
        is_(json.loads(check("--format", "json", stdin=octets)[1])["dmarc"]["result"], want, repr(octets))


tap.run(wrong, not_written, helps, lines, skipped, options, decisions, line_ends)
