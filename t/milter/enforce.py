#!/usr/bin/python3
"""authmilld tells the MTA what policy says: nothing, reject, quarantine, try again."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from milterclient import ACTIONS, STEPS, Client, Daemon  # noqa: E402
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILLD = build("authmilld")
ZONE = """$ORIGIN .
$TTL 60
_dmarc.reject.example. TXT "v=DMARC1; p=reject"
_dmarc.step.example. TXT "v=DMARC1; p=reject; t=y"
_dmarc.none.example. TXT "v=DMARC1; p=none"
_dmarc.pass.example. TXT "v=DMARC1; p=reject"
pass.example. TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""
CONF = """authserv-id = mx.example.org
log { to = stderr level = debug }
dns { zones = {"{dir}/zone"} }
"""
QUARANTINE = 0x20


def daemon(more=""):
    return Daemon(CONF + more, files={"zone": ZONE}, program=AUTHMILLD)


def message(domain):
    return ("From: a@%s\r\nSubject: x\r\n\r\nHello.\r\n" % domain).encode()


def verdict(d, mail, ip="192.0.2.1", actions=ACTIONS, sender="", **macros):
    with Client(d.socket) as c:
        c.negotiate(actions=actions)
        c.connect(ip)
        c.helo("mx.pass.example")
        edits, (code, data) = c.message(mail, sender, **macros)
        c.quit()
    return edits, code, data.rstrip(b"\0").decode()


def kinds(edits):
    return [e[0] for e in edits]


def nothing_by_default():
    with daemon() as d:
        for domain in ("reject.example", "step.example", "none.example", "pass.example"):
            edits, code, _ = verdict(d, message(domain))
            is_((kinds(edits), code), (["i"], "a"), "results are written, nothing else: " + domain)
        edits, code, _ = verdict(d, b"Subject: no author\r\n\r\nx\r\n")
        is_((kinds(edits), code), (["i"], "a"), "no From: the same")


def enforced():
    with daemon("dmarc { enforce = yes }\n") as d:
        edits, code, text = verdict(d, message("reject.example"))
        is_((edits, code, text),
            ([], "y", "550 5.7.1 Email rejected per DMARC policy for reject.example"), "reject")
        edits, code, _ = verdict(d, message("step.example"))
        is_((sorted(kinds(edits)), code), (["i", "q"], "a"), "t=y: one step down, quarantine")
        is_([e[1] for e in edits if e[0] == "q"], ["DMARC policy for step.example"], "its reason")
        edits, code, _ = verdict(d, message("step.example"), actions=ACTIONS & ~QUARANTINE)
        is_((kinds(edits), code), (["i"], "a"), "an MTA that cannot quarantine")
        edits, code, _ = verdict(d, message("none.example"))
        is_((kinds(edits), code), (["i"], "a"), "p=none")
        edits, code, _ = verdict(d, message("pass.example"), sender="a@pass.example")
        is_((kinds(edits), code), (["i"], "a"), "pass")
        like(edits[0][3], "dmarc=pass", "and says so")
        edits, code, text = verdict(d, b"Subject: no author\r\n\r\nx\r\n")
        is_((edits, code, text),
            ([], "y", "550 5.7.1 Email rejected: DMARC needs one author domain in From"), "no From")
        for what, named in (("authenticated", {"auth_authen": "alice"}), ("loopback", {"ip": "127.0.0.1"}),
                            ("loopback, IPv6", {"ip": "::1"}), ("submitted here", {"ip": None})):
            edits, code, _ = verdict(d, message("reject.example"), **named)
            is_((kinds(edits), code), (["i"], "a"), "never enforced upon: " + what)
            like(edits[0][3], "dmarc=fail", "but written")
        ok(d.logged("action=reject(dmarc)"), "the log says why")


def after_a_reject():
    """The connection goes on, and the next message is judged on its own."""
    with daemon("dmarc { enforce = yes }\nlocal-networks = {\"198.51.100.0/24\"}\n") as d:
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            for i in range(2):
                is_(c.message(message("reject.example"))[1][0], "y", "rejected, %d" % i)
                edits, (code, _) = c.message(message("none.example"), "b@none.example")
                is_((kinds(edits), code), (["i"], "a"), "accepted, %d" % i)
                c.mail("b@pass.example")
                c.header("From", " x@reject.example")
                c.abort()
                edits, (code, _) = c.message(message("pass.example"), "c@pass.example")
                is_(code, "a", "after an aborted one, %d" % i)
                like(edits[0][3], "spf=pass smtp.mailfrom=pass.example;", "nothing is left of the others")
        is_(verdict(d, message("reject.example"), "198.51.100.9")[1], "a", "local-networks as configured")
        is_(verdict(d, message("reject.example"), "127.0.0.1")[1], "y", "loopback is not among them")


def old_mtas():
    """What is not offered is not used, and the results are the same."""
    with daemon() as d:
        wanted = verdict(d, message("pass.example"), sender="a@pass.example")[0][0][3]
        for what, steps, version in (("nothing optional", 0, 6), ("version 2", 0x7F, 2),
                                     ("no SKIP", STEPS & ~(1 << 10), 6), ("no LEADSPC", STEPS & ~(1 << 20), 6)):
            with Client(d.socket) as c:
                c.negotiate(version=version, actions=0x3F if version == 2 else ACTIONS, steps=steps)
                c.connect("192.0.2.1")
                c.helo("mx.pass.example")
                edits, (code, _) = c.message(message("pass.example"), "a@pass.example")
                is_(([e[3].strip() for e in edits], code), ([wanted.strip()], "a"), what)
                is_(edits[0][3][:1] == " ", bool(c.steps & (1 << 20)), "the space is where it belongs")
        with Client(d.socket) as c:
            try:
                answer = c.negotiate(actions=1)[0]
            except Exception:
                answer = "gone"
            ok(answer != "O", "an MTA that lets no field be deleted is refused")


def dns_is_down():
    down = "dns { nameservers = {127.0.0.1@1} timeout = 1 try = 0.2 }\n"
    for action, want in (("accept", "a"), ("tempfail", "y")):
        conf = CONF.replace('dns { zones = {"{dir}/zone"} }\n', down) + "on-dns-failure = %s\n" % action
        with Daemon(conf, program=AUTHMILLD) as d:
            edits, code, text = verdict(d, message("reject.example"))
            is_(code, want, "on-dns-failure = " + action)
            if want == "a":
                like(edits[0][3], "dmarc=temperror", "written")
            else:
                like(text, r"^451 4\.4\.3 DNS answers", "said")


def too_much():
    """limits.memory is 1 MiB: a header beyond is a fault, and what policy says of it is done."""
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"x" * 900) for i in range(1500))
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    for action in ("tempfail", "accept"):
        with daemon("on-fault = %s\nlimits { memory = 1M }\n" % action) as d:
            edits, code, text = verdict(d, forged + fields + forged + message("reject.example"))
            if action == "tempfail":
                is_((edits, code), ([], "y"), "on-fault = tempfail")
                like(text, r"^451 4\.3\.0 ", "and the reply")
            else:
                is_(([e[:3] for e in edits], code),
                    ([("m", 2, "Authentication-Results"), ("m", 1, "Authentication-Results")], "a"),
                    "on-fault = accept: forged fields go all the same")
            is_(verdict(d, message("none.example"))[1], "a", "the next message is judged")


tap.run(nothing_by_default, enforced, after_a_reject, old_mtas, dns_is_down, too_much)
