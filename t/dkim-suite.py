#!/usr/bin/python3
"""DKIM's conformance cases (TAP): $AUTHMILL_CONFORMANCE/dkim/cases.yml through `authmill check`.

Every signature of every message has to get one of the results that the case allows, with the
domain, selector and algorithm that it names; so do the same cases with the name server's answers
cut short (TCP). Asks a name server on loopback.
"""

import json
import os
import subprocess
import sys

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

from tap import build, diag, done, ok, skip_all  # noqa: E402

SUITE = os.environ.get("AUTHMILL_CONFORMANCE")
if not SUITE:
    skip_all("AUTHMILL_CONFORMANCE does not say where the conformance data is")
try:
    import dns.version  # noqa: F401 (testdns needs it)
    import yaml
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-yaml python3-dnspython)" % missing)
from testdns import TestDNS  # noqa: E402

DATA = os.path.join(SUITE, "dkim")
TIMEOUT = 30  # seconds for one message
MEMBERS = ("domain", "selector", "algorithm")


def check(case, server):
    """The signatures of authmill's answer; None, and a word why, where there is none."""
    command = [build("authmill"), "check", "--format", "json", "--time", str(case["time"]),
               "--nameserver", "127.0.0.1@%d" % server.port, "--dns-timeout", "3",
               os.path.join(DATA, case["message"])]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None, "no answer within %d s" % TIMEOUT
    if ran.returncode:
        return None, "exit status %d: %s" % (ran.returncode, ran.stderr.decode(errors="replace"))
    return json.loads(ran.stdout)["dkim"], ""


def wrong(got, want):
    """What is wrong with one signature's verdict; "" is nothing."""
    allowed = want["result"] if isinstance(want["result"], list) else [want["result"]]
    bad = ["%s is %r, not %r" % (m, got[m], want[m]) for m in MEMBERS if got[m] != want[m]]
    if got["result"] not in allowed:
        bad.append("result is %s (%s), not %s" % (got["result"], got["reason"], " or ".join(allowed)))
    elif got["result"] != "pass" and not got["reason"]:
        bad.append("%s without a reason" % got["result"])
    return "; ".join(bad)


def judge(case, how, **options):
    with TestDNS(case.get("zonedata") or {}, **options) as server:
        got, why = check(case, server)
        tcp = server.count(transport="tcp")
    want = case["expect"]
    bad = [why] if got is None else []
    if options and not tcp:
        bad.append("nothing was asked over TCP")
    if got is not None and len(got) != len(want):
        bad.append("%d signatures, not %d" % (len(got), len(want)))
    for n, (g, w) in enumerate(zip(got or [], want), 1):
        if wrong(g, w):
            bad.append("signature %d: %s" % (n, wrong(g, w)))
    ok(not bad, "%s%s: %s" % (case["id"], how, case["description"]))
    diag("\n".join(bad))


with open(os.path.join(DATA, "cases.yml"), encoding="utf-8") as f:
    cases = yaml.safe_load(f)
ok(len(cases) >= 43, "the suite is there (%d cases)" % len(cases))
for c in cases:
    judge(c, "")
for c in cases:
    if "TIMEOUT" not in json.dumps(c.get("zonedata")):
        judge(c, ", TCP", truncate_over=1)
done()
