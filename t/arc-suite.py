#!/usr/bin/python3
"""The public ARC validation suite (TAP): $AUTHMILL_CONFORMANCE/arc through `authmill check`.

Every chain has to get the suite's cv; an empty cv there means that the chain itself says cv=fail,
so the result is fail. The suite's empty message is none: 65. Asks a name server on loopback.
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


def check(message, server):
    command = [build("authmill"), "check", "--format", "json", "--nameserver", "127.0.0.1@%d" % server.port,
               "--dns-timeout", "3", "-"]
    return subprocess.run(command, input=message, capture_output=True, timeout=30, check=False)


def judge(name, test, server):
    message = test["message"].replace("\n", "\r\n").encode()
    want = (test["cv"].strip() or "fail").lower()
    ran = check(message, server)
    if not message:
        ok(ran.returncode == 65, "%s: no message" % name)
        return
    got = json.loads(ran.stdout)["arc"] if ran.returncode == 0 else {"result": ran.stderr.decode()}
    ok(got["result"] == want, "%s: %s" % (name, test["description"].strip()))
    if got["result"] != want:
        diag("want %s, got %r" % (want, got))


count = 0
with open(os.path.join(SUITE, "arc", "arc-draft-validation-tests.yml"), encoding="utf-8") as f:
    for doc in yaml.safe_load_all(f):
        zone = {n: [{"TXT": t}] for n, t in (doc.get("txt-records") or {}).items()}
        with TestDNS(zone) as dns_server:
            for name, test in doc["tests"].items():
                judge(name, test, dns_server)
                count += 1
ok(count >= 171, "the suite is there (%d cases)" % count)
done()
