#!/usr/bin/python3
"""What the resolver vouched for (AD) shows in results (TAP): policy.dnssec=pass where the configuration
asks for it, "dnssec" in JSON always; one answer without AD takes it away. Loopback only."""

import json
import os
import subprocess
import sys
import tempfile

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

from tap import build, is_, run, skip_all  # noqa: E402

try:
    import dns.version  # noqa: F401 (testdns needs it)
    import yaml  # noqa: F401
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-yaml python3-dnspython)" % missing)
from testdns import TestDNS  # noqa: E402

ZONE = {
    "a.test": [{"TXT": "v=spf1 include:b.test -all"}],
    "b.test": [{"TXT": "v=spf1 a -all"}, {"A": "192.0.2.1"}],
    "_dmarc.a.test": [{"TXT": "v=DMARC1; p=none"}],
    "mail.a.test": [{"A": "192.0.2.1"}, {"TXT": "v=spf1 a -all"}],
    "1.2.0.192.in-addr.arpa": [{"PTR": "mail.a.test"}],
}
MESSAGE = b"From: u@a.test\r\nSubject: x\r\n\r\nx\r\n"
EVERY = {"spf": True, "spf_helo": True, "dmarc": True, "iprev": True}


def check(conf, signed, form):
    with tempfile.NamedTemporaryFile("w") as f, TestDNS(ZONE, ad=signed) as server:
        f.write(conf)
        f.flush()
        command = [build("authmill"), "check", "--config", f.name, "--nameserver", server.nameserver, "--ip",
                   "192.0.2.1", "--helo", "mail.a.test", "--mail-from", "u@a.test", "--format", form, "-"]
        return subprocess.run(command, input=MESSAGE, capture_output=True, timeout=30, check=True).stdout.decode()


def flags(signed):
    j = json.loads(check("", signed, "json"))
    return {m: j[m]["dnssec"] for m in EVERY}


def in_json():
    is_(flags(["*"]), EVERY, "every answer was vouched for")
    is_(flags([]), dict.fromkeys(EVERY, False), "none was")
    for name, method in (("b.test", "spf"), ("mail.a.test", "spf_helo"), ("_dmarc.a.test", "dmarc"),
                         ("1.2.0.192.in-addr.arpa", "iprev")):
        got = flags([n for n in list(ZONE) + ["_dmarc.test"] if n != name])
        is_(got[method], False, "%s without %s" % (method, name))
        is_(got["spf" if method != "spf" else "dmarc"], True, "and nothing else")


def in_the_header():
    yes = "authres { dnssec = yes }\n"
    is_(check(yes, ["*"], "header").count("policy.dnssec=pass"), 4, "spf twice, dmarc, iprev")
    is_(check(yes, [], "header").count("policy.dnssec"), 0, "nothing is said without AD")
    is_(check("", ["*"], "header").count("policy.dnssec"), 0, "nor where the configuration does not ask")


run(in_json, in_the_header)
