"""What the protocol tests share: a configuration that answers from a zone file, the
sample messages, and Authentication-Results taken apart."""

import json
import os
import re
import time

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "samples")
ID = "mx.here.example"

CONF = """
authserv-id = "mx.here.example"
receiver = "mx.here.example"
log { to = stderr level = debug }
%s
"""
ZONES = 'dns { zones = {"{dir}/zone"} }\n'


def zone(more=""):
    with open(os.path.join(SAMPLES, "samples.zone")) as f:
        return f.read() + more


def sample(name):
    """A message of t/samples, its lines ending in CRLF."""
    with open(os.path.join(SAMPLES, name + ".eml"), "rb") as f:
        return f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _whole_lines(path):
    """A line is written at once, yet a reader may see a part of it (write(2) of more than a page); that is none yet."""
    try:
        with open(path, "rb") as f:
            return f.read().split(b"\n")[:-1]
    except OSError:
        return []


def records(path, want=None):
    """The records of a decision log; with `want`, as soon as there are so many, or what there is after ten seconds."""
    end = time.monotonic() + 10
    got = _whole_lines(path)
    while want and len(got) < want and time.monotonic() < end:
        time.sleep(0.02)
        got = _whole_lines(path)
    return [json.loads(line) for line in got]


def results(value):
    """[(method, result, text of the whole part)] of a value of Authentication-Results
    that authmill wrote; the id stands first as ("", id, ...)."""
    unfolded = re.sub(r"\r?\n[ \t]*", " ", value).strip()
    parts, quoted, escaped, start = [], False, False, 0
    for i, c in enumerate(unfolded + ";"):
        if c == '"' and not escaped:
            quoted = not quoted
        escaped = c == "\\" and not escaped
        if c == ";" and not quoted:
            parts.append(unfolded[start:i].strip())
            start = i + 1
    out = [("", parts[0], parts[0])]
    for p in parts[1:]:
        m = re.match(r"([\w-]+)\s*=\s*(\w+)", p)
        out.append((m.group(1), m.group(2), p) if m else (p, "", p))
    return out


def words(value):
    """"spf=pass dkim=fail ..." in the order of the field."""
    return " ".join("%s=%s" % r[:2] for r in results(value)[1:])


def ours(edits):
    """The value of the one field that was inserted on top; else an AssertionError."""
    inserted = [e for e in edits if e[0] == "i"]
    assert len(inserted) == 1 and inserted[0][1:3] == (0, "Authentication-Results"), edits
    return inserted[0][3]
