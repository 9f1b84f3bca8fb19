#!/usr/bin/python3
"""End to end: every action of a rule through Postfix, as the sender sees it (code and text) and as it ends up in the
maildir, the hold queue, or nowhere; and what `authmill config check` says of Postfix's settings."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, zone  # noqa: E402
from milterclient import Daemon, split  # noqa: E402
from mta import Postfix, need, root, wait_for  # noqa: E402
from tap import Missing, build, is_, like, ok  # noqa: E402

build("authmilld")
AUTHMILL = build("authmill")
try:
    root()
    need("postfix", "swaks")
except Missing as why:
    tap.skip_all(str(why))

ZONE = zone("".join("%s.example. IN TXT \"v=spf1 -all\"\n" % n for n in (
    "accept", "header", "quarantine", "hold", "discard", "tempfail", "reject", "early", "several")) + """
broken.example.        IN TXT "v=spf1 nonsense"
fine.example.          IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.wish.example.   IN TXT "v=DMARC1; p=reject"
""")
RULES = "".join("""
rule "to %s" { when { mail-from = %s.example spf = fail } action = %s reason = "rule for %s"%s }""" % (
    a, a, a, a, more) for a, more in (
        ("accept", ""), ("header", ""), ("quarantine", ""), ("hold", ""), ("discard", ""), ("tempfail", ""),
        ("reject", ' code = 554 text = "100%% sure: %{reason}, see %{url}"'))) + """
rule strict { when { rcpt = strict@here.example dmarc = fail } action = reject }
rule mark { when { rcpt = mark@here.example } action = quarantine }
"""
POLICY = 'policy { url = "https://mx.here.example/?d=%{sender-domain}" }\n'


def daemon(more, **named):
    return Daemon(CONF % ('socket-mode = "0666"\n' + ZONES + more), files={"zone": ZONE}, **named)


def mail(domain="fine.example", more=""):
    return ("%sFrom: x@%s\r\nSubject: %s\r\n\r\nHello.\r\n" % (more, domain, domain)).encode()


def send(p, sender, message=None, **named):
    return p.send(message or mail(sender), ip="192.0.2.1", helo="mx.fine.example", mail_from="x@" + sender, **named)


def arrived(p, sender, message=None, **named):
    """Name and value of every field of the message as it arrives."""
    octets = p.deliver(message or mail(sender), ip="192.0.2.1", helo="mx.fine.example", mail_from="x@" + sender, **named)
    return [(n.decode().lower(), " ".join(v.decode().split())) for n, v in split(octets)[0]] if octets else None


def values(fields, name):
    return [v for n, v in fields or [] if n == name]


def delivered(p):
    fields = arrived(p, "accept.example")
    results = values(fields, "authentication-results")
    is_(len(results), 1, "accept: it arrives")
    like(results[0], 'policy.rule="to accept" policy.reason="rule for accept"', "and says by which rule")
    is_(values(fields, "x-authmill-quarantine") + values(fields, "x-authmill-note"), [], "unmarked")
    is_(values(arrived(p, "header.example"), "x-authmill-note"), ["rule for header"], "header: with a note")
    is_(values(arrived(p, "quarantine.example"), "x-authmill-quarantine"), ["rule for quarantine"],
        "quarantine: with the field for a filter")
    forged = "X-Authmill-Quarantine: forged\r\nx-authmill-note: forged\r\n"
    fields = arrived(p, "fine.example", mail(more=forged))
    is_(values(fields, "x-authmill-quarantine") + values(fields, "x-authmill-note"), [], "forged ones do not arrive")
    is_(values(arrived(p, "quarantine.example", mail(more=forged)), "x-authmill-quarantine"), ["rule for quarantine"],
        "and ours does")
    is_(values(arrived(p, "fine.example", to="mark@here.example"), "x-authmill-quarantine"), ["mark"], "by recipient")


def refused(p):
    before = p.mails()
    status, said = send(p, "reject.example")
    ok(status != 0, "reject: swaks says so")
    like(said, r"\*\* 554 5\.7\.23 100% sure: rule for reject, see https://mx\.here\.example/\?d=reject\.example",
         "code and text at the sending side")
    status, said = send(p, "tempfail.example")
    ok(status != 0, "tempfail: swaks says so")
    like(said, r"\*\* 451 4\.7\.23 SPF validation failed for tempfail\.example", "code and text at the sending side")
    status, said = send(p, "discard.example")
    is_(status, 0, "discard: the sender is told that it was taken")
    like(said, r"<-  250 2\.0\.0 Ok: queued", "with a 250")
    status, _ = send(p, "hold.example")
    is_(status, 0, "hold: it is taken")
    held = wait_for(lambda: p.queued("hold"))
    is_(len(held), 1, "and held")
    like(p.postcat(held[0]).decode(), r'policy\.rule="to hold"', "with its results")
    status, said = p.send(mail("wish.example"), ip="192.0.2.1", helo="h.fine.example", mail_from="x@fine.example",
                          to="strict@here.example,other@here.example")
    like(said, r"\*\* 550 5\.7\.1 Message refused by local policy", "recipients: the strictest decides")
    ok(arrived(p, "fine.example", mail("wish.example"), to="other@here.example"), "the other one alone gets it")
    time.sleep(1)
    is_(len(p.mails()) - len(before), 1, "nothing else arrives")
    ok(wait_for(lambda: "milter-discard: END-OF-MESSAGE" in p.log()), "Postfix's log says that one was discarded")


def early():
    for at, step in (("mail", "MAIL"), ("rcpt", "RCPT")):
        with daemon("spf { reject-at = %s }\nrule early { when { spf = fail } action = reject }\n" % at) as d, \
                Postfix(d.socket) as p:
            status, said = send(p, "early.example")
            like(said, r"\*\* 550 5\.7\.23 SPF validation failed for early\.example", "reject-at = %s" % at)
            ok(wait_for(lambda: "milter-reject: %s from" % step in p.log()), "at " + step)
            ok("DATA\r\n" not in said and " -> DATA" not in said, "before the message came")
            ok(arrived(p, "fine.example"), "another message passes")


def codes():
    """The enhanced codes of RFC 7372, each for the method that the rule asks about."""
    table = (("5.7.20", "fine", "dkim = none", ""), ("5.7.22", "fine", "dkim = none list = no", " enhanced-code = 5.7.22"),
             ("5.7.24", "broken", "spf = permerror", ""), ("5.7.25", "fine", "iprev = {fail, permerror}", ""),
             ("5.7.26", "several", "spf = fail dkim = none", ""))
    rules = "".join("rule r%d { when { rcpt = r%d@here.example %s } action = reject%s }\n" % (i, i, when, more)
                    for i, (_, _, when, more) in enumerate(table))
    with daemon(rules) as d, Postfix(d.socket) as p:
        for i, (code, sender, when, _) in enumerate(table):
            domain = sender + ".example"
            _, said = p.send(mail(domain), ip="192.0.2.%d" % (99 if "iprev" in when else 1), helo="mx.fine.example",
                             mail_from="x@" + domain, to="r%d@here.example" % i)
            like(said, r"\*\* 550 %s \w" % code.replace(".", r"\."), "%s: %s" % (code, when))


def watched():
    rules = "rule a { when { spf = fail } action = reject }\n"
    with daemon("policy { mode = monitor }\n" + rules) as d, Postfix(d.socket) as p:
        ok(arrived(p, "reject.example"), "monitor: it arrives")
        like(d.logged("would=") or "", r'would=reject\(rule\) rule="a"', "and the log says what would have been")


def settings():
    def check(*args):
        p = subprocess.run([AUTHMILL, "config", "check", "-c", d.conf, *args], capture_output=True, timeout=60)
        return p.returncode, p.stderr.decode()

    with daemon("dmarc { enforce = yes }\n") as d:
        with Postfix(d.socket) as p:
            is_(check("--postfix", p.path("conf")), (0, ""), "a Postfix that fits")
        with Postfix(d.socket, more="milter_default_action = accept\nmilter_content_timeout = 15s\n") as p:
            status, err = check("--postfix", p.path("conf"))
            is_([line.split()[1] for line in err.splitlines()], ["milter_default_action", "milter_content_timeout"],
                "one that does not")
        with Postfix("unix:/nowhere/else") as p:
            like(check("--postfix", p.path("conf"))[1], "smtpd_milters does not name", "one that asks somebody else")


def whole():
    with daemon(POLICY + RULES) as d, Postfix(d.socket) as p:
        delivered(p)
        refused(p)


tap.run(whole, early, codes, watched, settings)
