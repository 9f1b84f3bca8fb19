#!/usr/bin/python3
"""Over the milter protocol: ARC is judged, and trusted sealers override DMARC where they are listed."""

import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, results  # noqa: E402
from milterclient import Daemon, session  # noqa: E402
from tap import build, is_, like, ok, skip_all  # noqa: E402

try:
    import mkarc
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-dkim python3-authres)" % missing)
from mkarc import chain, put, records, seal  # noqa: E402
from mkdkim import NOW, Mail, zone  # noqa: E402

build("authmilld")
AUTHMILL = build("authmill")
RECORDS = {**records(5), "_dmarc.author.example": [b"v=DMARC1; p=reject"],
           "_dmarc.aside.example": [b"v=DMARC1; p=reject"], "s2.example": [b"v=spf1 ip4:192.0.2.2 -all"]}
FILES = {"zone": zone(RECORDS)}
LIST = dict(ip="192.0.2.2", helo="mx.s2.example", mail_from="list@s2.example")
OVERRIDE = "dmarc=fail header.from=author.example policy.dmarc=reject policy.arc=override"
TRUST = 'arc { trusted-sealers = {%s} }\n'


def footer(mail):
    return mail.with_body(mail.body + b"-- \r\nThe list\r\n")


def daemon(sealers, more="dmarc { enforce = yes }\n"):
    trust = TRUST % ", ".join('"%s"' % s for s in sealers) if sealers else ""
    return Daemon(CONF % (ZONES + trust + more), FILES)


def told(edits, method):
    """The text of the one result of that method."""
    found = [r[2] for r in results(ours(edits)) if r[0] == method]
    assert len(found) == 1, ours(edits)
    return found[0]


def judged():
    """Nobody is trusted: ARC is told, and changes nothing."""
    good = chain(2, between={1: footer})
    with daemon([], "") as d:
        for what, mail, want in [
                ("2 sets", good, r"^arc=pass smtp\.remote-ip=192\.0\.2\.2 header\.oldest-pass=2$"),
                ("a footer behind them", footer(good), r'^arc=fail reason="instance 2: body hash did not verify"'),
                ("no ARC-Seal", put(good, "AS", 1), r'^arc=fail reason="instance 1: an incomplete set"')]:
            edits, (code, data) = session(d.socket, mail.octets(), **LIST)
            like(told(edits, "arc"), want, what)
            is_((told(edits, "dmarc"), code in "ac"), (OVERRIDE.partition(" policy.arc")[0], True),
                "%s: DMARC is as without it" % what)
        edits, _ = session(d.socket, mkarc.MAIL.octets(), **LIST)
        ok("arc" not in [r[0] for r in results(ours(edits))], "no chain: not told")


def trusted():
    good = chain(2, between={1: footer})
    said_fail = chain(2, results=b"dmarc=fail header.from=author.example")
    mixed = seal(seal(mkarc.MAIL, 1), 2, results=b"dmarc=fail header.from=author.example")
    other = chain(2, results=b"dmarc=pass header.from=other.example")
    cases = [
        ("both trusted: what the first one says", good, ["s1.example", "s2.example"], True),
        ("what is below them is not themselves", good, [".s1.example", ".s2.example"], False),
        ("an Organizational Domain, itself and below", good, ["*.s1.example", "*.s2.example"], True),
        ("the second alone, who says pass too", good, ["s2.example"], True),
        ("the first alone: nobody vouches for its set", good, ["s1.example"], False),
        ("others", good, ["s3.example", ".mx.s2.example", "example"], False),
        ("they say fail", said_fail, ["s1.example", "s2.example"], False),
        ("the second says fail of what the first saw pass", mixed, ["s1.example", "s2.example"], True),
        ("and the second alone is trusted", mixed, ["s2.example"], False),
        ("they speak of another author", other, ["s1.example", "s2.example"], False),
        ("the chain fails", footer(good), ["s1.example", "s2.example"], False),
        ("From was changed behind them", good.edit(b"From", b"alice", b"bob"), ["s1.example", "s2.example"], False),
        ("From names another author since", chain(2, between={1: lambda m: m.edit(
            b"From", b"author.example", b"aside.example")}), ["s1.example", "s2.example"], False),
        ("a set was cut off", mkarc.without_set(chain(3), 3), ["s1.example", "s2.example"], True),
        ("an AAR was changed", mkarc.change(said_fail, "AAR", 1, rb"dmarc=fail", b"dmarc=pass"),
         ["s1.example", "s2.example"], False),
    ]
    for what, mail, sealers, want in cases:
        with daemon(sealers) as d:
            edits, (code, _) = session(d.socket, mail.octets(), **LIST)
            kinds = [e[0] for e in edits]
            is_((code in "ac", kinds), (True, ["i"]) if want else (False, []), what)
            if want:
                is_(told(edits, "dmarc"), OVERRIDE, "%s: dmarc=fail is told, and that it was overridden" % what)
                like(d.logged("QUEUEID") or "", r"arc=pass.* dmarc=fail.* action=accept.*trusted", "the log says why")


def not_enforced():
    """Without dmarc.enforce it is told all the same; a pass is not an override."""
    with daemon(["s1.example", "s2.example"], "") as d:
        edits, (code, _) = session(d.socket, chain(2).octets(), **LIST)
        is_((told(edits, "dmarc"), code in "ac"), (OVERRIDE, True), "not enforced")
        own = Mail([f.replace(b"alice@author.example", b"list@s2.example") for f in mkarc.MAIL.fields], b"x\r\n")
        edits, _ = session(d.socket, chain(2, own).octets(), **LIST)
        ok("policy.arc" not in ours(edits), "an author without a record: nothing to override")


def checked():
    """The same by `authmill check --config`."""
    good = chain(2, between={1: footer})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "zone")
        mkarc.write_zone(path, RECORDS)
        for sealers, want in [
                (["s1.example", "s2.example"], ("accept", "none", {"overridden": True, "instance": 1, "reason": ""})),
                (["s2.example"], ("accept", "none", {"overridden": True, "instance": 2, "reason": ""})),
                (["s1.example"], ("reject", "reject", {"overridden": False, "instance": 0,
                                                       "reason": "the newest sealer is not trusted"})),
                ([], ("reject", "reject", None))]:
            conf = os.path.join(folder, "conf")
            with open(conf, "w", encoding="ascii") as f:
                f.write('dmarc { enforce = yes }\ndns { zones = {"%s"} }\n' % path)
                f.write(TRUST % ", ".join('"%s"' % s for s in sealers))
            command = [AUTHMILL, "check", "--config", conf, "--ip", LIST["ip"], "--helo", LIST["helo"], "--mail-from",
                       LIST["mail_from"], "--time", str(NOW), "--explain", "--format"]
            ran = subprocess.run(command + ["json", "-"], input=good.octets(), capture_output=True, timeout=30, check=True)
            got = json.loads(ran.stdout)
            is_((got["action"], got["dmarc"]["disposition"], got["arc"].get("trusted")), want, "trusted: %s" % sealers)
            is_(got["dmarc"]["result"], "fail", "and dmarc.result stays fail")
            ran = subprocess.run(command + ["text", "-"], input=good.octets(), capture_output=True, timeout=30, check=True)
            is_(b"overridden by the sealer" in ran.stdout, want[0] == "accept", "the text for people says so")


def wrong_lists():
    for sealers, why in [([".org"], "arc.trusted-sealers: \".org\" is not right"),
                         (["exa mple.org"], "is not right"), ([".co.uk"], "public suffix"),
                         (["*.co.uk"], "public suffix")]:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(TRUST % '"%s"' % sealers[0])
            f.flush()
            ran = subprocess.run([build("authmilld"), "-t", "-c", f.name], capture_output=True, timeout=30, check=False)
        is_((ran.returncode, why in ran.stderr.decode()), (78, True), "%s is refused" % sealers)


tap.run(judged, trusted, not_enforced, checked, wrong_lists)
