#!/usr/bin/python3
"""Asking the DNS early changes no verdict (TAP): the conformance suites of SPF, DKIM and ARC, each case
with `dns { prefetch = yes }` and with `no`, through `authmill check` and a name server on loopback.

All that the tool says as JSON has to be the same. Needs AUTHMILL_CONFORMANCE.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

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

CHECK = [build("authmill"), "check", "--format", "json", "--time", "1767225600", "--authserv-id", "mx.test",
         "--receiver", "mx.test"]
FOLDER = tempfile.TemporaryDirectory()
CONFS = {}
for word in "yes", "no":
    CONFS[word] = os.path.join(FOLDER.name, word)
    with open(CONFS[word], "w") as out:
        out.write("dns { prefetch = %s }\n" % word)


def documents(*path):
    with open(os.path.join(SUITE, *path), encoding="utf-8") as f:
        return [d for d in yaml.safe_load_all(f) if d]


def judged(word, zone, args, message):
    """What the tool says, and which names and types it asked for."""
    with TestDNS(zone) as server:
        command = CHECK + ["--config", CONFS[word], "--nameserver", server.nameserver,
                           "--dns-timeout", "1" if "TIMEOUT" in json.dumps(zone, default=str) else "20"] + args
        ran = subprocess.run(command, input=message, capture_output=True, timeout=60, check=False)
        asked = {(str(q.name).lower(), q.rtype) for q in server.queries}
    try:
        return json.loads(ran.stdout), asked
    except ValueError:
        return "exit status %d: %s" % (ran.returncode, ran.stderr.decode(errors="replace")), asked


def both(case):
    name, zone, args, message = case
    return name, zone, judged("yes", zone, args, message), judged("no", zone, args, message)


def spf_cases():
    for d in documents("spf", "rfc7208-tests.yml"):
        for name, case in d["tests"].items():
            yield ("%s: %s" % (d["description"], name), d["zonedata"], ["--spf-only", "--ip", case["host"], "--helo",
                   case["helo"], "--mail-from", case["mailfrom"]], b"")


def dkim_cases():
    for case in documents("dkim", "cases.yml")[0]:
        # with an envelope, so that SPF and iprev ask at the same time
        yield (case["id"], case.get("zonedata") or {}, ["--ip", "192.0.2.1", "--helo", "mail.example.org",
               "--mail-from", "a@example.org", os.path.join(SUITE, "dkim", case["message"])], b"")


def arc_cases():
    for d in documents("arc", "arc-draft-validation-tests.yml"):
        zone = {n: [{"TXT": t}] for n, t in (d.get("txt-records") or {}).items()}
        for name, test in d["tests"].items():
            if test["message"]:
                yield name, zone, ["-"], test["message"].replace("\n", "\r\n").encode()


def alike(yes, no, silent):
    """The same. Where a name is silent the message's time runs out: then methods that come later may have
    got no answer without early asking (temperror), and the others are the same."""
    if not isinstance(yes, dict) or not silent:
        return isinstance(yes, dict) and yes == no
    late = [m for m in no if m != "authentication_results" and yes.get(m) != no[m]]
    return set(yes) == set(no) and all(isinstance(no[m], dict) and no[m]["result"] == "temperror" for m in late)


def main():
    early = count = 0
    cases = list(spf_cases()) + list(dkim_cases()) + list(arc_cases())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, zone, (yes, asked), (no, needed) in pool.map(both, cases):
            silent = "TIMEOUT" in json.dumps(zone, default=str)
            same = ok(alike(yes, no, silent), name)
            if not same:
                diag("with     %s\nwithout  %s" % (yes, no))
            early += len(asked - needed)
            count += 1
    ok(count >= 400, "the suites are there (%d cases)" % count)
    ok(early > 0, "early asking was at work: %d questions that nobody waited for" % early)
    done()


main()
