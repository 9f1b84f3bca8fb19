#!/usr/bin/python3
"""What people see on a terminal, and nobody else: colours on standard output, the progress bar of replay on standard
error; both tried on a pty and on pipes. NO_COLOR and TERM=dumb are heeded."""

import os
import pty
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from minimilter import MiniMilter, pack  # noqa: E402
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILL = build("authmill")
WORK = tempfile.TemporaryDirectory(prefix="authmill-t.")
ZONE = '$ORIGIN .\n$TTL 60\na.example. TXT "v=spf1 -all"\n'
MAIL = b"From: x@a.example\r\nSubject: x\r\n\r\nHello.\r\n"
COLOUR, BAR, CLEARED = b"\x1b[3", b"\r[", b"\r\x1b[K"


def path(name, content=None):
    name = os.path.join(WORK.name, name)
    if content is not None:
        with open(name, "wb") as f:
            f.write(content)
    return name


def run(*args, out=False, err=False, **env):
    """Standard output and standard error of authmill; each on a terminal where wanted."""
    terminal = {}
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment.update({"TERM": "xterm"}, **env)
    for stream, wanted in (("stdout", out), ("stderr", err)):
        terminal[stream] = pty.openpty() if wanted else os.pipe()
    with subprocess.Popen([AUTHMILL, *args], stdin=subprocess.DEVNULL, env=environment,
                          stdout=terminal["stdout"][1], stderr=terminal["stderr"][1]) as p:
        got = []
        for stream in ("stdout", "stderr"):
            os.close(terminal[stream][1])
        for stream in ("stdout", "stderr"):
            octets = b""
            while True:
                try:
                    more = os.read(terminal[stream][0], 65536)
                except OSError:  # how the end of a pty reads
                    more = b""
                if not more:
                    break
                octets += more
            os.close(terminal[stream][0])
            got.append(octets)
        is_(p.wait(30), 0, "authmill %s ends well" % args[0])
    return got


def colours():
    zone, mail = path("zone", ZONE.encode()), path("mail", MAIL)
    check = ("check", "--zone", zone, "--ip", "192.0.2.1", "--mail-from", "x@a.example", "--format")
    ok(COLOUR in run(*check, "text", mail, out=True)[0], "check: colours on a terminal")
    for what, named in (("in a pipe", {}), ("with NO_COLOR", {"out": True, "NO_COLOR": "1"}),
                        ("with TERM=dumb", {"out": True, "TERM": "dumb"}), ("where only errors go there", {"err": True})):
        out, err = run(*check, "text", mail, **named)
        ok(b"spf" in out and b"\x1b" not in out + err, "check: none " + what)
    ok(COLOUR in run(*check, "text", mail, out=True, NO_COLOR="")[0], "an empty NO_COLOR is none (no-color.org)")
    for form in ("json", "header"):
        ok(b"\x1b" not in run(*check, form, mail, out=True)[0], "check: none in " + form)
    with MiniMilter({"E": [("i", pack(0) + b"X-New\0 x\0"), ("a", b"")]}) as m:
        tried = ("try", "--milter", m.spec, mail)
        out = run(*tried, out=True)[0]
        ok(COLOUR in out and b"action:" in out, "try on a terminal")
        ok(b"\x1b" not in run(*tried)[0] + run(*tried, out=True, NO_COLOR="1")[0], "try: none in a pipe, none with NO_COLOR")


def progress():
    folder = path("mails")
    os.mkdir(folder)
    for i in range(200):
        path("mails/%d" % i, MAIL)
    conf = path("conf", ('dns { zones = {"%s"} }\n' % path("zone", ZONE.encode())).encode())
    replay = ("replay", "--config", conf, folder)
    quiet = run(*replay)
    is_(quiet[1], b"", "replay in a pipe: no progress")
    is_(quiet[0].count(b"\n"), 204, "and the whole table")
    out, err = run(*replay, err=True)
    is_(out, quiet[0], "errors on a terminal: the table is the same")
    ok(BAR in err, "and the progress is shown")
    like(err, rb"^\r\[[#.]{30}\] +\d+%  \d+ messages\x1b\[K", "as a bar, how much of it, and a count")
    ok(err.endswith(CLEARED), "which is gone at the end")
    out, err = run(*replay, out=True)
    ok(b"\x1b" not in out and err == b"", "the table alone on a terminal: no progress")
    is_(run(*replay, err=True, TERM="dumb")[1], b"", "TERM=dumb: none")
    out, err = run(*replay, "--format", "json", err=True)
    ok(BAR in err and b"\r" not in out, "JSON: the same")


tap.run(colours, progress)
