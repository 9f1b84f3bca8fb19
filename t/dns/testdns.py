#!/usr/bin/python3
"""The tests' own DNS server, asked by another implementation; and authmill, asking it."""
import json
import os
import subprocess
import sys
import tempfile
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import build, diag, done, is_, like, ok, run  # noqa: E402
from testdns import TestDNS, read_documents  # noqa: E402

ZONE = """
example.org:
- TXT: [v=spf1, " -all"]
- MX: [20, second.example.org]
- MX: 10 first.example.org
- A: 192.0.2.1
- TTL: 77
- SERVFAIL
www.example.org: [{CNAME: example.org}]
out.example.org: [{CNAME: nowhere.example.org}]
loop.example.org: [{CNAME: loop.example.org}]
deep.below.example.org: [{A: 192.0.2.2}]
"*.star.example.org": [{TXT: star}]
spf.example.org: [{SPF: both}]
notxt.example.org: [{SPF: one}, {TXT: NONE}]
refused.example.org: [{TXT: REFUSED}, {A: 192.0.2.3}]
silent.example.org: [TIMEOUT, {A: 192.0.2.4}]
slow.example.org: [{TXT: slow}, {DELAY: 150}]
lost.example.org: [{TXT: found}, {LOSE: 1}]
ad.example.org: [{TXT: x}, {AD: yes}]
bytes.example.org: [{TXT: {hex: "00ff"}}, {TXT: "\\x96"}]
long.example.org: [{TXT: %s}]
"bad..name": [{A: 192.0.2.5}]
""" % ("x" * 700)


def ask(server, name, rtype, tcp=False, **more):
    query = dns.message.make_query(name, rtype, **more)
    ask_over = dns.query.tcp if tcp else dns.query.udp
    return ask_over(query, server.address, timeout=2, port=server.port)


def text(reply):
    return [rr.to_text() for rrset in reply.answer for rr in rrset]


def answers():
    cases = [
        ("example.org", "TXT", "NOERROR", ['"v=spf1" " -all"']),
        ("EXAMPLE.org", "A", "NOERROR", ["192.0.2.1"]),
        ("example.org", "MX", "NOERROR", ["20 second.example.org.", "10 first.example.org."]),
        ("example.org", "AAAA", "SERVFAIL", []),
        ("www.example.org", "A", "NOERROR", ["example.org.", "192.0.2.1"]),
        ("out.example.org", "A", "NXDOMAIN", ["nowhere.example.org."]),
        ("below.example.org", "A", "NOERROR", []),
        ("a.star.example.org", "TXT", "NOERROR", ['"star"']),
        ("a.star.example.org", "A", "NOERROR", []),
        ("star.example.org", "TXT", "NOERROR", []),
        ("spf.example.org", "TXT", "NOERROR", ['"both"']),
        ("notxt.example.org", "TXT", "NOERROR", []),
        ("refused.example.org", "TXT", "REFUSED", []),
        ("refused.example.org", "A", "NOERROR", ["192.0.2.3"]),
        ("silent.example.org", "A", "NOERROR", ["192.0.2.4"]),
        ("bytes.example.org", "TXT", "NOERROR", ['"\\000\\255"', '"\\150"']),
        ("long.example.org", "TXT", "NOERROR", ['"%s" "%s" "%s"' % ("x" * 255, "x" * 255, "x" * 190)]),
        ("nothing.test", "TXT", "NXDOMAIN", []),
    ]
    with TestDNS(read_documents(ZONE)) as server:
        for name, rtype, rcode, want in cases:
            for tcp in False, True:
                reply = ask(server, name, rtype, tcp=tcp, use_edns=True)
                what = "%s %s over %s" % (rtype, name, "TCP" if tcp else "UDP")
                is_((dns.rcode.to_text(reply.rcode()), sorted(text(reply))), (rcode, sorted(want)), what)
                if rcode in ("NOERROR", "NXDOMAIN") and not any(rtype == "A" and "." in t for t in want) and not want:
                    ok(reply.authority, what + ": without data, with SOA")
        is_(ask(server, "example.org", "TXT").answer[0].ttl, 77, "TTL")
        is_(text(ask(server, "loop.example.org", "A")), ["loop.example.org."], "a loop of CNAMEs ends")
        is_(server.count("example.org", "TXT"), 3, "queries are counted")
        is_(server.count(transport="tcp"), len(cases), "by transport too")
        ok(server.queries[0].edns, "EDNS is noted")
        server.clear()
        is_(server.count(), 0, "and forgotten")


def delays_and_losses():
    with TestDNS(read_documents(ZONE)) as server:
        began = time.monotonic()
        is_(text(ask(server, "slow.example.org", "TXT")), ['"slow"'], "an answer that waits")
        ok(0.14 < time.monotonic() - began < 1.5, "as long as it should")
        for name in "silent.example.org", "lost.example.org":
            query = dns.message.make_query(name, "TXT")
            try:
                dns.query.udp(query, server.address, timeout=0.2, port=server.port)
                ok(False, name + " says nothing")
            except dns.exception.Timeout:
                ok(True, name + " says nothing")
        is_(text(ask(server, "lost.example.org", "TXT")), ['"found"'], "the second query is answered")


def bits():
    with TestDNS(read_documents(ZONE), ad=["example.org"], truncate_over=200) as server:
        ad = dns.flags.AD
        ok(ask(server, "ad.example.org", "TXT", flags=dns.flags.RD | ad).flags & ad, "AD by the zone")
        ok(ask(server, "example.org", "A", flags=dns.flags.RD | ad).flags & ad, "AD by the option")
        ok(not ask(server, "example.org", "A").flags & ad, "not where it is not asked for")
        reply = ask(server, "long.example.org", "TXT", use_edns=True)
        ok(reply.flags & dns.flags.TC and not reply.answer, "cut, with TC")


def strictness():
    try:
        TestDNS(read_documents(ZONE), strict=True)
        ok(False, "strict refuses a bad name")
    except ValueError as e:
        like(str(e), "bad..name", "strict refuses a bad name")


def as_a_program():
    with tempfile.TemporaryDirectory() as folder:
        zone, log = os.path.join(folder, "zone.yml"), os.path.join(folder, "log")
        with open(zone, "w") as f:
            f.write("--- {zonedata: {a.test: [{TXT: one}]}}\n--- {txt-records: {b.test: two}}\n")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "testdns.py")
        command = [sys.executable, script, "--log", log, "--seconds", "20", zone]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            try:
                port = int(program.stdout.readline().split()[1])
                for name, want in ("a.test", '"one"'), ("b.test", '"two"'):
                    query = dns.message.make_query(name, "TXT")
                    is_(text(dns.query.udp(query, "127.0.0.1", timeout=2, port=port)), [want], name)
            finally:
                program.terminate()
        with open(log) as f:
            like(f.read(), r"^\d+\.\d+ udp a\.test TXT\n\d+\.\d+ udp b\.test TXT\n$", "log")


# What authmill makes of each fault, of the question TXT NAME.
FAULTS = {
    "plain": ([], "pass"),
    "wrong-id": ([{"FAULT": "wrong-id"}], "pass"),
    "wrong-question": ([{"FAULT": "wrong-question"}], "pass"),
    "wrong-port": ([{"FAULT": "wrong-port"}], "pass"),
    "not-reply": ([{"FAULT": "not-reply"}], "pass"),
    "garbage": ([{"FAULT": "garbage"}], "pass"),
    "all-forged": ([{"FAULT": ["wrong-id", "wrong-question", "wrong-port", "not-reply", "garbage"]}], "pass"),
    "lowercase": ([{"FAULT": "lowercase"}], "pass"),
    "truncate": ([{"FAULT": "truncate"}], "pass"),
    "lost": ([{"LOSE": 1}], "pass"),
    "malformed": ([{"FAULT": "malformed"}], "temperror"),
    "loop": ([{"FAULT": "loop"}], "temperror"),
    "tcp-close": ([{"FAULT": ["truncate", "tcp-close"]}], "temperror"),
    "tcp-cut": ([{"FAULT": ["truncate", "tcp-cut"]}], "temperror"),
    "no-edns": ([{"FAULT": "no-edns"}], "pass"),
}


def authmill_meets_faults():
    authmill = build("authmill")
    zone = {n + ".test": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}] + more for n, (more, _) in FAULTS.items()}
    for name, (_, want) in FAULTS.items():
        with TestDNS(zone) as server:
            command = [authmill, "check", "--spf-only", "--nameserver", server.nameserver, "--dns-timeout", "4",
                       "--ip", "192.0.2.1", "--mail-from", "x@%s.test" % name, "--format", "json"]
            result = subprocess.run(command, capture_output=True, text=True, timeout=30)
            got = json.loads(result.stdout or "{}").get("spf", {}).get("result")
            if not is_(got, want, "authmill meets " + name):
                diag(result.stdout + result.stderr)


if __name__ == "__main__":
    run(answers, delays_and_losses, bits, strictness, as_a_program, authmill_meets_faults)
