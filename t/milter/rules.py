#!/usr/bin/python3
"""Rules in a running authmilld: every action as the MTA is told it, refusals before the message has come, fields
of ours that others wrote, dry runs, and the limits that count clients and recipients."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from milterclient import ACTIONS, LEADSPC, RULES, STEPS, Client, Daemon, Gone, applied, split  # noqa: E402
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILLD = build("authmilld")
ZONE = """$ORIGIN .
$TTL 60
good.example. TXT "v=spf1 ip4:192.0.2.0/24 -all"
bad.example. TXT "v=spf1 -all"
soft.example. TXT "v=spf1 ~all"
_dmarc.bad.example. TXT "v=DMARC1; p=reject"
_dmarc.aside.example. TXT "v=DMARC1; p=quarantine"
1.2.0.192.in-addr.arpa. PTR mx.good.example.
mx.good.example. A 192.0.2.1
"""
CONF = """authserv-id = mx.example.org
log { to = stderr level = debug }
dns { zones = {"{dir}/zone"} }
"""
MAIL = "From: a@%s\r\nSubject: x\r\n\r\nHello.\r\n"
QUARANTINE = 0x20


def daemon(more="", **named):
    return Daemon(CONF + more, files={"zone": ZONE}, program=AUTHMILLD, **named)


def message(domain="good.example", more=""):
    return (more + MAIL % domain).encode()


def judge(d, mail=None, sender="u@good.example", ip="192.0.2.1", actions=ACTIONS, steps=STEPS, rcpts=("x@here.example",),
          listener=None, **macros):
    """Edits, code of the answer, its text."""
    with Client(d.socket) as c:
        c.negotiate(actions=actions, steps=steps)
        if listener:
            c.macros("C", **listener)
        c.connect(ip)
        c.helo("mx.good.example")
        edits, (code, data) = c.message(mail or message(), sender, rcpts, **macros)
        c.quit()
    return edits, code, data.rstrip(b"\0").decode()


def rule(when, action, more="", name="r"):
    return "rule %s { when { %s } action = %s %s }\n" % (name, when, action, more)


def inserted(edits):
    """[(name, value)] of the fields, the topmost first."""
    return [(e[2], e[3].strip()) for e in reversed(edits) if e[0] == "i"]


def actions():
    for action, want in (("accept", "a"), ("header", "a"), ("quarantine", "a"), ("hold", "a"), ("discard", "d"),
                         ("tempfail", "y"), ("reject", "y")):
        with daemon(rule("spf = fail", action, 'reason = "ticket 4711"')) as d:
            edits, code, text = judge(d, sender="u@bad.example")
            is_(code, want, action)
            fields = inserted(edits)
            if want == "a":
                is_(fields[0][0], "Authentication-Results", "the results are on top")
                like(fields[0][1], r'dmarc=none (.|\n)*policy\.rule=r\s+policy\.reason="ticket 4711"', "and say why")
            else:
                is_(edits, [], "nothing is changed")
            is_(fields[1:], {"header": [("X-Authmill-Note", "ticket 4711")],
                             "quarantine": [("X-Authmill-Quarantine", "ticket 4711")]}.get(action, []), "the field")
            is_([e[1] for e in edits if e[0] == "q"], ["ticket 4711"] if action == "hold" else [], "the hold queue")
            if want == "y":
                is_(text, "%s SPF validation failed for bad.example" % {"tempfail": "451 4.7.23", "reject": "550 5.7.23"}[action],
                    "the reply")
            word = {"header": "accept", "hold": "quarantine"}.get(action, action)
            line = d.logged("action=%s(rule)" % word) or ""
            like(line, r'rule="r" reason="ticket 4711"', "the log names the rule")
            edits, code, _ = judge(d)
            is_((code, [n for n, _ in inserted(edits)]), ("a", ["Authentication-Results"]), "other mail passes")
            ok("policy.rule" not in edits[0][3], "and no rule is named")


def replies():
    text = 'code = 554 enhanced-code = 5.7.1 text = "100%% sure of %{sender-domain}: see %{url}" reason = x'
    with daemon('policy { url = "https://x.example/?a=%{client}" }\n' + rule("spf = fail", "reject", text)) as d:
        is_(judge(d, sender="u@bad.example")[2], "554 5.7.1 100%% sure of bad.example: see https://x.example/?a=192.0.2.1",
            "code and text of one's own; a percent sign is doubled on its way to the MTA")
    with daemon('dmarc { enforce = yes reject-text = "%{domain} does not want this" }\n') as d:
        is_(judge(d, message("bad.example"))[2], "550 5.7.1 bad.example does not want this", "DMARC's")
    with daemon("dmarc { enforce = yes }\npolicy { quarantine = header quarantine-field = X-Odd }\n") as d:
        edits, code, _ = judge(d, message("aside.example"))
        is_((code, inserted(edits)[1:]), ("a", [("X-Odd", "DMARC policy for aside.example")]), "DMARC's quarantine by a field")
    with daemon(rule("spf = fail", "hold")) as d:
        edits, code, _ = judge(d, sender="u@bad.example", actions=ACTIONS & ~QUARANTINE)
        is_((code, inserted(edits)[1:]), ("a", [("X-Authmill-Quarantine", "r")]), "an MTA without a hold queue: by the field")


def own_fields():
    forged = "x-authmill-quarantine: no\r\nX-AUTHMILL-NOTE: no\r\nX-Authmill-Quarantined: stays\r\n" \
             "Authentication-Results: mx.example.org; spf=pass\r\nX-Authmill-Quarantine:\r\n twice\r\n"
    with daemon(rule("spf = fail", "quarantine") + rule("own = yes", "accept", name="mine")) as d:
        for what, named in (("quarantined", {"sender": "u@bad.example"}), ("accepted", {}),
                            ("of one's own", {"auth_authen": "alice"}), ("an old MTA", {"steps": STEPS & ~LEADSPC})):
            mail = message(more=forged)
            edits, code, _ = judge(d, mail, **named)
            is_(code, "a", what)
            after = [n.lower() for n, _ in applied(split(mail)[0], edits)]
            want = [b"authentication-results"] + [b"x-authmill-quarantine"] * (what == "quarantined")
            is_(after, want + [b"x-authmill-quarantined", b"from", b"subject"], "forged fields go, ours come: " + what)
        edits, _, _ = judge(d, sender="u@bad.example", steps=STEPS & ~LEADSPC)
        is_([e[3][:1] for e in edits if e[2] == "X-Authmill-Quarantine"], ["r"], "no space of our own without LEADSPC")
        edits, _, _ = judge(d, sender="u@bad.example")
        is_([e[3][:2] for e in edits if e[2] == "X-Authmill-Quarantine"], [" r"], "and one with it")


def early():
    rules = rule("client = 192.0.2.99", "accept", name="let") + rule("spf = fail", "reject") + \
        rule("iprev = permerror spf = softfail", "tempfail", name="later")
    with daemon("spf { reject-at = mail }\n" + rules) as d, Client(d.socket) as c:
        c.negotiate()
        is_(c.connect("192.0.2.1"), None, "connect needs no answer")
        c.helo("mx.good.example")
        for turn in ("first", "second"):
            is_(c.mail("u@bad.example"), ("y", b"550 5.7.23 SPF validation failed for bad.example\0"), "at MAIL, " + turn)
            is_(c.mail("u@good.example"), ("c", b""), "another MAIL, " + turn)
            c.rcpt("x@here.example")
            edits, (code, _) = c.content(message())
            is_(code, "a", "its message, " + turn)
            like(inserted(edits)[0][1], "spf=pass smtp.mailfrom=good.example", "with its own results")
        like(d.logged("NOQUEUE: client=192.0.2.1") or "", 'from=<u@bad.example>.*spf=fail.*action=reject.rule. rule="r"',
             "it is logged")
        is_(judge(d, sender="u@bad.example", ip="192.0.2.99")[1], "a", "a rule above lets it pass")
        with Client(d.socket) as other:
            other.negotiate()
            other.connect("198.51.100.1")
            is_(other.mail("u@soft.example")[1][:10], b"451 4.7.26", "a 4xx for two failures")
    with daemon("spf { reject-at = rcpt }\n" + rule("spf = fail rcpt = strict@here.example", "reject")) as d, \
            Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        c.helo("mx.good.example")
        is_(c.mail("u@bad.example"), None, "MAIL needs no answer")
        is_([(c.rcpt(r) or "-")[0] for r in ("x@here.example", "strict@here.example", "STRICT@here.example", "y@here.example")],
            ["c", "y", "y", "c"], "RCPT: only the one whom the rule names")
        is_(c.content(message())[1][0], "a", "the others get it")
    with daemon("spf { reject-at = mail }\npolicy { mode = monitor }\n" + rules) as d:
        is_(judge(d, sender="u@bad.example")[1], "a", "monitor refuses nothing early")
    for at in ("mail", "rcpt", "end"):
        with daemon("spf { reject-at = %s }\n" % at + rule("spf = pass", "hold")) as d:
            edits, code, _ = judge(d)
            is_((code, [e[0] for e in edits].count("q")), ("a", 1), "what is no refusal waits for the end: " + at)


def asked_for():
    """Only what some rule needs is asked of the MTA."""
    no_rcpt, no_reply_rcpt, no_reply_mail = 1 << 3, 1 << 15, 1 << 14
    for more, want in (("", (True, True)), (rule("rcpt = x@here.example", "hold"), (False, True)),
                       ("spf { reject-at = mail }\n" + rule("spf = fail", "reject"), (False, False)),
                       ("spf { reject-at = mail }\n", (True, True))):
        with daemon(more) as d, Client(d.socket) as c:
            c.negotiate()
            is_((bool(c.steps & no_rcpt), bool(c.steps & no_reply_mail)), want, "steps without: %s" % (more or "rules").split("\n")[0])
            is_(bool(c.steps & no_reply_rcpt), False, "RCPT is answered where it is wanted")
    with daemon(rule("listener = submission", "hold") + rule('listener = ":465"', "quarantine", name="port")) as d:
        with Client(d.socket) as c:
            c.negotiate()
            is_(c.lists[0], "{daemon_name} {daemon_port}", "the macros of the listener are asked for")
        is_([e[0] for e in judge(d, listener={"daemon_name": "submission"})[0]], ["i", "q"], "listener by name")
        is_(len(inserted(judge(d, listener={"daemon_name": "x", "daemon_port": "465"})[0])), 2, "by port")
        is_([e[0] for e in judge(d, listener={"daemon_name": "smtp", "daemon_port": "25"})[0]], ["i"], "another one")
    body = "x" * 78 + "\r\n"
    with daemon(rule("size-over = 10K", "quarantine") + rule("list = yes", "header", name="list")) as d:
        is_([n for n, _ in inserted(judge(d, message() + body.encode() * 200)[0])],
            ["Authentication-Results", "X-Authmill-Quarantine"], "size: all of the body is seen")
        is_(len(inserted(judge(d, message() + body.encode() * 100)[0])), 1, "a smaller one")
        is_([n for n, _ in inserted(judge(d, message(more="List-Id: x <l.example>\r\n"))[0])],
            ["Authentication-Results", "X-Authmill-Note"], "list")


def empty_texts():
    """The MTA takes no empty reason, and no filter finds an empty field: the rule's title, then."""
    rules = rule("mail-from = a.example", "hold", 'text = ""', name="a") + \
        rule("mail-from = b.example", "hold", 'text = "%{url}"', name="b") + \
        rule("mail-from = c.example", "quarantine", 'text = ""', name="c")
    with daemon(rules) as d, Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        got = {}
        for who in "abc":
            edits, verdict = c.message(message(), "x@%s.example" % who)
            got[who] = (verdict[0], [e[1] for e in edits if e[0] == "q"] + [v for _, v in inserted(edits)[1:]])
        is_(got, {"a": ("a", ["a"]), "b": ("a", ["b"]), "c": ("a", ["c"])}, "an empty text")
        c.quit()


def recipients():
    rules = rule("rcpt = strict@here.example dmarc = fail", "reject", name="strict") + \
        rule("rcpt = drop@here.example", "discard", "reason = unwanted", name="drop")
    with daemon("limits { recipients = 3 }\n" + rules) as d:
        mail = message("bad.example")
        is_(judge(d, mail, rcpts=("x@here.example",))[1], "a", "not meant")
        is_(judge(d, mail, rcpts=("x@here.example", "strict@here.example"))[1], "y", "the strictest decides")
        ok(d.logged("recipients=differ"), "the log says that they differ")
        is_(judge(d, message(), rcpts=("x@here.example", "strict@here.example"))[1], "a", "where it holds at all")
        is_(judge(d, message(), rcpts=("drop@here.example",))[1], "d", "discard for all")
        edits, code, _ = judge(d, message(), rcpts=("drop@here.example", "x@here.example"))
        is_((code, inserted(edits)[1:]), ("a", [("X-Authmill-Quarantine", "unwanted (strictest of the recipients' rules)")]),
            "not for some alone: the field")
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            c.mail("u@good.example")
            is_([c.rcpt("r%d@here.example" % i) for i in range(4)],
                [("c", b"")] * 3 + [("y", b"452 4.5.3 Too many recipients\0")], "limits.recipients")
            is_(c.content(message())[1][0], "a", "the message goes to those before it")
            is_(c.mail("u@good.example") or "c", "c", "the next message")
            is_(c.rcpt("x@here.example"), ("c", b""), "counts anew")


def dry_runs():
    with daemon("policy { mode = monitor }\ndmarc { enforce = yes }\n" + rule("spf = fail", "discard")) as d:
        edits, code, _ = judge(d, sender="u@bad.example")
        is_((code, [n for n, _ in inserted(edits)]), ("a", ["Authentication-Results"]), "monitor: nothing is done")
        ok("policy.rule" not in edits[0][3], "nor written")
        like(d.logged("would=") or "", r'action=accept\(monitor\) would=discard\(rule\) rule="r"', "but logged")
        d.log.clear()
        is_(judge(d, message("bad.example"))[1], "a", "DMARC")
        like(d.logged("would=") or "", r"action=accept\(monitor\) would=reject\(dmarc\)", "is logged")
    live = 'policy { shadow = "{dir}/shadow" }\n' + rule("spf = fail", "hold", name="live")
    with Daemon(CONF + live, program=AUTHMILLD, files={
            "zone": ZONE, "shadow": rule("spf = {fail, softfail}", "hold", "reason = new", name="next")}) as d:
        is_([e[0] for e in judge(d, sender="u@bad.example")[0]], ["i", "q"], "the live policy decides")
        is_([e[0] for e in judge(d, sender="u@soft.example")[0]], ["i"], "the shadow changes nothing")
        like(d.logged("shadow=") or "", r'QUEUEID: shadow=hold\(rule\) rule="next" reason="new" live=accept$',
             "it says where it would have")
        is_(len([line for line in d.log if "shadow=" in line]), 1, "and only there")


def clients():
    def another(ip):
        """A session that got past connect, or None."""
        c = Client(d.socket)
        c.negotiate()
        try:
            if c.connect(ip) in (None, ("c", b"")):  # None: no answer is needed yet
                return c
        except Gone:
            pass
        c.close()
        return None

    with daemon("limits { sessions-per-client = 2 }\n") as d:
        mine = [another("192.0.2.1") for _ in range(2)]
        ok(all(mine), "two sessions")
        # a message is answered, so CONNECT has been heard by then
        is_([c.message(message(), "u@good.example")[1][0] for c in mine], ["a", "a"], "which work")
        ok(another("192.0.2.1") is None, "not a third")
        ok(d.logged("client 192.0.2.1: limits.sessions-per-client is reached"), "it is logged")
        others = [another("192.0.2.2"), another("2001:db8::1"), another("2001:db8::2")]
        ok(all(others), "others come in")
        ok(another("2001:db8::3") is None, "an IPv6 client is its /64")
        others.append(another("2001:db8:0:1::3"))
        ok(others[-1], "another /64")
        local = [another("127.0.0.1") for _ in range(5)] + [another(None) for _ in range(3)]
        ok(all(local), "one's own are not counted")
        is_(mine[0].message(message(), "u@good.example")[1][0], "a", "an open one works")
        mine[0].quit()
        mine[0].close()
        ok(any(filter(None, (wait_for(lambda: another("192.0.2.1")),))), "one that ended makes room")
        for c in mine + others + local:
            c.close()
    with daemon("limits { sessions-per-client = 0 }\n") as d, Client(d.socket) as c:
        c.negotiate()
        is_(c.connect("192.0.2.1"), None, "0: not counted, and connect needs no answer")


def crowd():
    """CONNECT is answered only from when on a client can be over its limit."""
    def negotiated():
        c = Client(d.socket)
        c.negotiate()
        return c

    def two():
        """The only sessions that there are; None: one that asked whether the daemon listens is not gone yet."""
        pair = negotiated(), negotiated()
        if pair[1].steps & RULES["C"][1]:
            return pair
        for c in pair:
            c.close()
        return None

    with daemon("limits { sessions-per-client = 2 }\n") as d:
        first, second = wait_for(two)
        third = negotiated()
        is_(third.connect("192.0.2.1"), ("c", b""), "the third is answered: it may be one too many")
        is_(first.connect("192.0.2.1"), None, "the first is not")
        is_(first.message(message(), "u@good.example")[1][0], "a", "and works")
        is_(second.connect("192.0.2.1"), None, "nor the second, which is one too many now")
        ok(d.logged("client 192.0.2.1: limits.sessions-per-client is reached"), "it is logged")
        for i in range(2):
            edits, (code, data) = second.message(message(), "u@good.example")
            is_((edits, code, data[:9]), ([], "y", b"451 4.3.2"), "and told at the end of message %d" % (i + 1))
        is_([c.message(message(), "u@good.example")[1][0] for c in (first, third)], ["a", "a"], "the others work")
        for c in first, second, third:
            c.close()


def wait_for(good):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        value = good()
        if value:
            return value
        time.sleep(0.05)
    return None


tap.run(actions, replies, own_fields, early, asked_for, empty_texts, recipients, dry_runs, clients, crowd)
