#!/usr/bin/python3
"""The public test suite of RFC 7208, through `authmill check` and a real DNS server.

Needs AUTHMILL_CONFORMANCE, the folder that holds spf/rfc7208-tests.yml.
"""
import concurrent.futures
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tap import bail, diag, done, ok, skip_all  # noqa: E402

AUTHMILL = os.path.join(os.environ.get("AUTHMILL_BUILD", "."), "authmill")
RECEIVER = "receiver.example"


def waits(zone):
    """Does some name of the zone never answer?"""
    return any(e == "TIMEOUT" or isinstance(e, dict) and "TIMEOUT" in e.values() for es in zone.values() for e in es)


def as_served(zone):
    """The suite writes {TXT: NONE} where a record of type SPF is not to be one of type TXT too; a
    TIMEOUT of the name holds for its TXT records nevertheless."""
    def entry(e, entries):
        return {"TXT": "TIMEOUT"} if e == {"TXT": "NONE"} and "TIMEOUT" in entries else e
    return {name: [entry(e, entries) for e in entries] for name, entries in zone.items()}


def check(port, seconds, case):
    """The verdict of the tool: (result, explanation), or what went wrong."""
    args = [AUTHMILL, "check", "--spf-only", "--format", "json", "--nameserver", "127.0.0.1@%d" % port,
            "--dns-timeout", str(seconds), "--receiver", RECEIVER,
            "--ip", case["host"], "--helo", case["helo"], "--mail-from", case["mailfrom"]]
    p = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    try:
        spf = json.loads(p.stdout)["spf"]
        return spf["result"], spf.get("explanation", ""), spf
    except (ValueError, KeyError):
        return "exit status %d" % p.returncode, "", p.stderr.decode(errors="replace")


def judge(name, case, got):
    """The first result is the preferred one, each of a list is right. DEFAULT is our own text: none."""
    result, explanation, all_of_it = got
    want = case["result"] if isinstance(case["result"], list) else [case["result"]]
    good = result in want
    if "explanation" in case:
        text = "" if case["explanation"] == "DEFAULT" else case["explanation"]
        # RFC 7208 7.3 leaves the case of an IPv6 address's digits open
        good = good and explanation.lower() == text.lower()
    if not ok(good, "%s (%s)" % (name, case["spec"])):
        diag("want %s %r, got %s" % (want, case.get("explanation"), all_of_it))


def main():
    suite = os.environ.get("AUTHMILL_CONFORMANCE")
    if not suite:
        skip_all("AUTHMILL_CONFORMANCE is not set")
    path = os.path.join(suite, "spf", "rfc7208-tests.yml")
    if not os.path.exists(path):
        bail("%s is missing" % path)
    if not os.path.exists(AUTHMILL):
        bail("%s is not built" % AUTHMILL)
    import yaml
    from testdns import TestDNS
    with open(path, encoding="utf-8") as f:
        documents = [d for d in yaml.safe_load_all(f) if d]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for d in documents:
            zone, cases = as_served(d["zonedata"]), d["tests"]
            seconds = 2 if waits(zone) else 20
            with TestDNS(zone) as dns:
                results = pool.map(lambda case: check(dns.port, seconds, case), cases.values())
                for (name, case), got in zip(cases.items(), results):
                    judge("%s: %s" % (d["description"], name), case, got)
    done()


main()
