#!/usr/bin/python3
"""Every method but SPF, DKIM, DMARC and ARC over the protocol: results, properties, quoting; each alone
and all together; and none of them can take from DMARC what it needs."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, results, words  # noqa: E402
from milterclient import Client, Daemon, session, strings  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402
from testdns import TestDNS  # noqa: E402

build("authmilld")
ZONE = """$TTL 60
$ORIGIN .
good.example.                 IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good.example.          IN TXT "v=DMARC1; p=reject"
mail.good.example.            IN A   192.0.2.1
mail.good.example.            IN AAAA 2001:db8::1
1.2.0.192.in-addr.arpa.       IN PTR mail.good.example.
2.2.0.192.in-addr.arpa.       IN PTR mail.good.example.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. IN PTR mail.good.example.
other.example.                IN A   192.0.2.99
six.example.                  IN AAAA 2001:db8::2
list.example.                 IN TXT "v=spf1 ip4:192.0.2.99 -all"
list.example.                 IN TXT "spf2.0/pra ip4:192.0.2.1 -all"
pra.example.                  IN TXT "v=spf1 ip4:192.0.2.99 -all"
victim.example.               IN TXT "v=spf1 ip4:192.0.2.99 -all"
_dmarc.victim.example.        IN TXT "v=DMARC1; p=reject"
"""
MAP = "a@good.example alice\n@alias.example alice, bob\nb@good.example bob\n"
MESSAGE = "From: a@good.example\r\nSubject: x\r\n\r\nHello.\r\n"
GOOD = dict(ip="192.0.2.1", helo="mail.good.example", mail_from="a@good.example")
BASE = "spf=pass spf=none dkim=none dmarc=pass iprev=pass"
TLS = dict(tls_version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", cipher_bits="256")


def daemon(more="", **named):
    return Daemon(CONF % (ZONES + more), {"zone": ZONE, "map": MAP}, **named)


def part(d, method, message=MESSAGE, arguments=(), **how):
    """The text of the entries of one method, joined; "" where there is none."""
    how = dict(GOOD, **how)
    ip, helo, sender = how.pop("ip"), how.pop("helo"), how.pop("mail_from")
    with Client(d.socket) as c:
        c.negotiate()
        c.connect(ip)
        if helo is not None:
            c.helo(helo)
        if how:
            c.macros("M", **how)
        c.step("M", strings("<%s>" % sender, *arguments))
        c.rcpt("postmaster")
        c.data()
        edits, _ = c.content(message.encode())
    return " | ".join(t for m, _, t in results(ours(edits)) if m == method)


def table(d, method, cases):
    for what, how, want in cases:
        is_(part(d, method, **how), want, "%s: %s" % (method, what))


def iprev():
    with daemon() as d:
        table(d, "iprev", [
            ("its name leads back", {}, "iprev=pass (mail.good.example) policy.iprev=192.0.2.1"),
            ("IPv6", dict(ip="2001:db8::1"), "iprev=pass (mail.good.example) policy.iprev=\"2001:db8::1\""),
            ("a name that leads elsewhere", dict(ip="192.0.2.2"),
             'iprev=fail (mail.good.example) reason="no name leads back to the address" policy.iprev=192.0.2.2'),
            ("no name", dict(ip="192.0.2.3"),
             'iprev=permerror reason="the address has no name" policy.iprev=192.0.2.3'),
            ("no client", dict(ip=None), "")])


def helo():
    literal = 'x-helo=%s smtp.helo="[%s]"'
    with daemon("methods { helo = yes }\n") as d:
        table(d, "x-helo", [
            ("the reverse name", {}, "x-helo=pass smtp.helo=mail.good.example"),
            ("case does not matter", dict(helo="MAIL.good.example"), "x-helo=pass smtp.helo=MAIL.good.example"),
            ("a name that leads elsewhere", dict(helo="other.example"),
             'x-helo=fail reason="the name leads to other addresses" smtp.helo=other.example'),
            ("the other family", dict(helo="six.example"),
             'x-helo=neutral reason="the name has addresses of the other family alone" smtp.helo=six.example'),
            ("no such name", dict(helo="nobody.example"),
             'x-helo=fail reason="the name has no address" smtp.helo=nobody.example'),
            ("our own name", dict(helo="mx.here.example"),
             'x-helo=fail reason="claims to be this host" smtp.helo=mx.here.example'),
            ("our own name from one of ours", dict(helo="mx.here.example", ip="127.0.0.1"),
             'x-helo=neutral reason="our own name from a client of ours" smtp.helo=mx.here.example'),
            ("its address", dict(helo="[192.0.2.1]"), literal % ("pass", "192.0.2.1")),
            ("another's address", dict(helo="[192.0.2.9]"),
             literal % ('fail reason="address literal of another host"', "192.0.2.9")),
            ("IPv6", dict(helo="[IPv6:2001:db8::1]", ip="2001:db8::1"), literal % ("pass", "IPv6:2001:db8::1")),
            ("words", dict(helo='a"b; dmarc=pass'),
             'x-helo=fail reason="malformed name" smtp.helo="a\\"b; dmarc=pass"'),
            ("none", dict(helo=None), ""),
            ("no client", dict(ip=None), 'x-helo=neutral reason="no client address" smtp.helo=mail.good.example')])


def tls():
    with daemon("methods { tls = yes }\n") as d:
        table(d, "x-tls", [
            ("1.3", TLS, "x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384 policy.bits=256"),
            ("old", dict(TLS, tls_version="TLSv1"), 'x-tls=pass reason="protocol older than TLS 1.2" '
             "policy.version=TLSv1 policy.cipher=TLS_AES_256_GCM_SHA384 policy.bits=256"),
            ("weak", dict(tls_version="TLSv1.2", cipher="DES-CBC3-SHA", cipher_bits="112"),
             'x-tls=pass reason="weak cipher" policy.version=TLSv1.2 policy.cipher=DES-CBC3-SHA policy.bits=112'),
            ("a certificate", dict(TLS, cert_subject='a "b"', verify="OK"),
             "x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384 policy.bits=256 "
             'policy.subject="a \\"b\\""'),
            ("one that nobody verified", dict(TLS, cert_subject="boss", verify="FAIL"),
             "x-tls=pass policy.version=TLSv1.3 policy.cipher=TLS_AES_256_GCM_SHA384 policy.bits=256"),
            ("none", {}, "x-tls=none")])


def auth():
    clear = ' reason="credentials sent in the clear"'
    cases = [
        ("a login", dict(auth_authen="alice", auth_type="CRAM-MD5"), "auth=pass smtp.auth=alice"),
        ("readable", dict(auth_authen="alice", auth_type="plain"), "auth=pass%s smtp.auth=alice" % clear),
        ("readable, over TLS", dict(TLS, auth_authen="alice", auth_type="PLAIN"), "auth=pass smtp.auth=alice"),
        ("an address", dict(auth_authen="alice@good.example"), "auth=pass smtp.auth=alice@good.example"),
        ("quoting", dict(auth_authen='x; dmarc=pass "y\\'), 'auth=pass smtp.auth="x; dmarc=pass \\"y\\\\"'),
        ("anonymous", dict(auth_authen="alice", auth_type="ANONYMOUS"), "auth=none reason=anonymous"),
        ("nobody", {}, ""),
        ("an empty name", dict(auth_authen=""), "")]
    author = dict(auth_authen="alice", auth_type="CRAM-MD5", arguments=("AUTH=b+40good.example",))
    with daemon() as d:
        table(d, "auth", cases + [
            ("AUTH=, not trusted", dict(author, arguments=("AUTH=b@good.example",)), "auth=pass smtp.auth=alice"),
            ("AUTH= of a stranger's", dict(arguments=("AUTH=b@good.example",)), "")])
    with daemon("methods { trust-auth-parameter = yes }\n") as d:
        table(d, "auth", cases + [
            ("AUTH=, trusted", dict(author, arguments=("SIZE=1", "AUTH=b+2Bc@good.example")),
             "auth=pass smtp.auth=alice smtp.mailfrom=b+c@good.example"),
            ("AUTH=<>", dict(author, arguments=("AUTH=<>",)), "auth=pass smtp.auth=alice"),
            ("the MTA's own macro", dict(auth_authen="alice", auth_author="b@good.example"),
             "auth=pass smtp.auth=alice smtp.mailfrom=b@good.example"),
            ("AUTH= of a stranger's", dict(arguments=("AUTH=b@good.example",)), "")])


def align():
    def sender(who, sender=""):
        return "From: %s\r\n%s\r\nx\r\n" % (who, sender)
    alice = dict(auth_authen="alice")
    fail = 'x-auth-align=fail reason="the login does not own %s" smtp.auth=alice'
    with daemon('methods { login-map = "{dir}/map" }\n') as d:
        table(d, "x-auth-align", [
            ("its own address", alice, "x-auth-align=pass smtp.auth=alice"),
            ("a domain of its own", dict(alice, mail_from="x@alias.example"), "x-auth-align=pass smtp.auth=alice"),
            ("null sender", dict(alice, mail_from=""), "x-auth-align=pass smtp.auth=alice"),
            ("MAIL FROM is another's", dict(alice, mail_from="b@good.example"), fail % "MAIL FROM"),
            ("From is another's", dict(alice, message=sender("b@good.example")), fail % "From"),
            ("one of several in From", dict(alice, message=sender("a@good.example, b@good.example")), fail % "From"),
            ("Sender is another's", dict(alice, message=sender("a@good.example", "Sender: b@good.example\r\n")),
             fail % "Sender"),
            ("a login without addresses", dict(auth_authen="eve"),
             'x-auth-align=fail reason="the login does not own MAIL FROM and From" smtp.auth=eve'),
            ("nobody", {}, "")])
    with daemon() as d:
        is_(part(d, "x-auth-align", **alice), "", "no map: no x-auth-align")


def sender_id():
    """RFC 4407: Resent-Sender, Resent-From, Sender, From; RFC 4406 4.4: spf2.0/pra before v=spf1."""
    def message(*fields):
        return "".join(f + "\r\n" for f in fields) + "From: x@pra.example\r\n\r\nx\r\n"
    with daemon("methods { sender-id = yes }\n") as d:
        table(d, "sender-id", [
            ("From", {}, "sender-id=pass header.from=good.example"),
            ("From, not permitted", dict(message=message()), "sender-id=fail header.from=pra.example"),
            ("Sender; spf2.0/pra counts", dict(message=message("Sender: l@list.example")),
             "sender-id=pass header.sender=list.example"),
            ("Resent-From", dict(message=message("Resent-From: a@good.example", "Sender: x@pra.example")),
             "sender-id=pass header.resent-from=good.example"),
            ("Resent-Sender", dict(message=message("Resent-Sender: a@good.example", "Resent-From: x@pra.example")),
             "sender-id=pass header.resent-sender=good.example"),
            ("a report: the null sender changes nothing", dict(mail_from=""), "sender-id=pass header.from=good.example"),
            ("a domain without a record", dict(message=message("Sender: a@other.example")),
             'sender-id=none reason="other.example: no SPF record" header.sender=other.example'),
            ("no such domain", dict(message=message("Sender: a@nobody.example")),
             'sender-id=fail reason="nobody.example: no such domain" header.sender=nobody.example'),
            ("no PRA", dict(message="Subject: x\r\n\r\nx\r\n"), ""),
            ("SUBMITTER changes nothing", dict(arguments=("SUBMITTER=x@pra.example",)),
             "sender-id=pass header.from=good.example")])
        edits, _ = session(d.socket, message("Sender: l@list.example").replace("pra.example", "victim.example").encode(),
                           **dict(GOOD, mail_from="l@list.example"))
        like(words(ours(edits)), r"spf=fail .*dmarc=fail .*sender-id=pass", "DMARC never sees it")


def trail():
    date = "Mon, 01 Jan 2024 1%d:00:00 +0000"
    hop = "Received: from mail.a.example (mail.a.example [192.0.2.50])\r\n\tby mx.b.example (Postfix) with ESMTPS id 1;\r\n\t"
    with daemon("methods { trail = yes }\n") as d:
        table(d, "x-trail", [
            ("no field", {}, 'x-trail=neutral reason="no Received field"'),
            ("one hop", dict(message=hop + date % 0 + "\r\n" + MESSAGE), "x-trail=pass"),
            ("backwards", dict(message=hop + date % 0 + "\r\n" + hop.replace("a.example", "b.example") +
                               "Wed, 03 Jan 2024 10:00:00 +0000\r\n" + MESSAGE),
             'x-trail=fail reason="Received field 2 is over a day later than the one above it"')])


CONFS = [("helo = yes", "x-helo=pass"), ("tls = yes", "x-tls=pass"), ("trail = yes", "x-trail=neutral"),
         ("sender-id = yes", "sender-id=pass"), ('login-map = "{dir}/map"', "x-auth-align=pass"),
         ("trust-auth-parameter = yes", None)]


def each_and_all():
    how = dict(GOOD, auth_authen="alice", **TLS)
    with daemon() as d:
        edits, _ = session(d.socket, MESSAGE.encode(), **how)
        is_(words(ours(edits)), BASE + " auth=pass", "all are off by default")
    for option, want in CONFS:
        with daemon("methods { %s }\n" % option) as d:
            got = words(ours(session(d.socket, MESSAGE.encode(), **how)[0]))
            is_(sorted(got.split()), sorted((BASE + " auth=pass").split() + ([want] if want else [])), option)
    with daemon("methods { %s }\n" % "\n".join(option for option, _ in CONFS)) as d:
        edits, _ = session(d.socket, MESSAGE.encode(), **how)
        is_(words(ours(edits)), BASE + " sender-id=pass auth=pass x-auth-align=pass x-helo=pass x-tls=pass "
            "x-trail=neutral", "all together, in the order of the field")
        ok(all(len(line) <= 78 for line in ("Authentication-Results:" + ours(edits)).split("\n")), "78 columns")
        line = d.logged("x-trail=")
        ok(line and "x-helo=pass" in line and "x-tls=pass(TLSv1.3)" in line and "sender-id=pass(good.example)" in line,
           "the log has them")


def several_messages():
    """What belongs to a message goes with it; what belongs to the connection stays."""
    conf = "skip = {authenticated}\nmethods { tls = yes helo = yes }\ndmarc { enforce = yes }\n"
    spoof = b"From: a@victim.example\r\n\r\nx\r\n"
    for lists in (0x1FF, 0xFF):
        with daemon(conf) as d, Client(d.socket) as c:
            c.negotiate(actions=lists)
            is_(c.lists.get(2, "").split()[:1], ["j"] if lists & 0x100 else [], "MAIL's macros begin with one that is always there")
            c.connect("192.0.2.1")
            c.helo("mail.good.example")
            for turn in range(2):
                edits, (code, _) = c.message(spoof, "x@good.example", j="mx", auth_authen="alice", auth_type="PLAIN")
                is_((edits, code), ([], "a"), "skipped, with a login")
                is_(c.message(spoof, "x@good.example", j="mx")[1][0], "y", "not skipped, without one")
                c.macros("M", j="mx", auth_authen="alice", auth_type="ANONYMOUS")
                is_(c.message(spoof, "x@good.example")[1][0], "y", "nor as anonymous")
                c.envelope("x@good.example", auth_authen="alice", j="mx")
                c.abort()
                is_(c.message(spoof, "x@good.example", j="mx")[1][0], "y", "nothing is left of what was given up")
            c.macros("H", **TLS)
            c.helo("other.example")
            edits, _ = c.message(MESSAGE.encode(), "a@good.example", j="mx")
            got = ours(edits)
            ok("x-tls=pass" in got and "smtp.helo=other.example" in got and "mail.good.example" not in
               got.replace("(mail.good.example)", ""), "a second HELO replaces the first, and has TLS") or tap.diag(got)


def slow(n, ms):
    """A domain whose SPF record leads from one slow name to the next."""
    zone = {"slow.example": [{"TXT": "v=spf1 include:s0.slow.example -all"}]}
    for i in range(n):
        zone["s%d.slow.example" % i] = [{"DELAY": ms}, {"TXT": "v=spf1 include:s%d.slow.example -all" % (i + 1)}]
    return zone


def wide():
    """A domain whose SPF record asks all the questions that one check may ask."""
    zone = {"wide.example": [{"TXT": "v=spf1 " + " ".join("mx:m%d.wide.example" % i for i in range(9)) + " -all"}]}
    for i in range(9):
        zone["m%d.wide.example" % i] = [{"MX": "%d h%d-%d.wide.example" % (k, i, k)} for k in range(10)]
        zone.update({"h%d-%d.wide.example" % (i, k): [{"A": "192.0.2.77"}] for k in range(10)})
    return zone


AT_MAIL = 'spf { reject-at = mail }\nrule "r" { when { iprev = pass spf = permerror } action = reject }\n'


def nothing_from_dmarc():
    """Slow and greedy names of a stranger's leave DMARC the time and the questions that it needs: the
    spoofed author is refused, whatever the rest comes to."""
    zone = {
        "victim.example": [{"TXT": "v=spf1 include:i.victim.example -all"}],
        "i.victim.example": [{"TXT": "v=spf1 include:j.victim.example -all"}],
        "j.victim.example": [{"TXT": "v=spf1 ip4:192.0.2.99 -all"}],
        "_dmarc.victim.example": [{"TXT": "v=DMARC1; p=reject"}],
        "ptr.example": [{"TXT": "v=spf1 ptr include:i.victim.example -all"}],
        "_dmarc.ptr.example": [{"TXT": "v=DMARC1; p=reject"}],
        "7.2.0.192.in-addr.arpa": [{"PTR": "k%d._domainkey.slow.example" % i} for i in range(9)],
        "9.2.0.192.in-addr.arpa": [{"PTR": "p%d.slow.example" % i} for i in range(10)],
    }
    zone.update({"p%d.slow.example" % i: [{"DELAY": 1000}, {"A": "192.0.2.77"}] for i in range(10)})
    zone.update({"k%d._domainkey.slow.example" % i: ["TIMEOUT"] for i in range(9)})
    zone.update(slow(9, 900))
    zone.update(wide())
    key = ("DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=%s; h=from;\r\n bh=" + "A" * 43 + "=; b=" + "A" * 171 + "=\r\n")
    heap = "".join(key % ("slow.example", "k%d" % i) for i in range(9))
    seals = "".join("ARC-Seal: i=%d; a=rsa-sha256; d=slow.example; s=a%d; cv=none; b=AAAA\r\n" % (i, i) for i in range(25))
    mine = key % ("victim.example", "none")
    plain = "From: a@victim.example\r\n\r\nx\r\n"
    everything = "methods { helo = yes sender-id = yes trail = yes tls = yes }\nlocal-networks = {}\ndmarc { enforce = yes }\n"
    with TestDNS(zone) as dns:
        ns = 'dns { nameservers = {"%s"} timeout = %s try = 0.8 prefetch = %s }\n'
        for what, early, timeout, conf, how, message in [
                ("slow HELO", "yes", "2", "", dict(helo="slow.example", mail_from="a@victim.example"), plain),
                ("slow HELO, nothing asked early", "no", "2", "", dict(helo="slow.example", mail_from="a@victim.example"), plain),
                ("slow reverse names", "no", "1", "", dict(ip="192.0.2.9", helo="x", mail_from="a@victim.example"), plain),
                ("slow names for ptr", "no", "2", "", dict(ip="192.0.2.7", helo="x", mail_from="a@ptr.example"),
                 plain.replace("victim", "ptr")),
                ("slow MAIL FROM", "yes", "2", "", dict(helo="x", mail_from="a@slow.example"), mine + plain),
                ("slow MAIL FROM, nothing asked early", "no", "2", "", dict(helo="x", mail_from="a@slow.example"), mine + plain),
                ("slow keys", "yes", "2", "", dict(helo="x", mail_from="a@victim.example"), heap + mine + plain),
                ("slow keys and seals", "no", "2", "", dict(helo="x", mail_from="a@victim.example"), seals + heap + mine + plain),
                ("slow PRA", "yes", "2", "", dict(helo="slow.example", mail_from="a@victim.example"), "Sender: x@slow.example\r\n" + plain),
                ("slow HELO, waited for at MAIL", "yes", "4", AT_MAIL, dict(helo="slow.example", mail_from="a@victim.example"),
                 mine + plain),
                ("slow MAIL FROM, waited for at MAIL", "yes", "4", AT_MAIL, dict(helo="x", mail_from="a@slow.example"),
                 mine + plain),
                ("greedy HELO, MAIL FROM and PRA", "yes", "20", "", dict(helo="wide.example", mail_from="a@wide.example"),
                 "Sender: x@wide.example\r\n" + mine + plain),
                ("greedier than all questions", "yes", "20", "spf { max-questions = 1000 }\nlimits { dns-questions = 40 }\n",
                 dict(helo="wide.example", mail_from="a@wide.example"), "Sender: x@wide.example\r\n" + mine + plain),
                ("the same, nothing asked early", "no", "20", "spf { max-questions = 1000 }\nlimits { dns-questions = 40 }\n",
                 dict(helo="wide.example", mail_from="a@wide.example"), "Sender: x@wide.example\r\n" + mine + plain)]:
            with Daemon(CONF % (ns % (dns.nameserver, timeout, early) + everything + conf)) as d:
                how = dict({"ip": "192.0.2.8"}, **how)
                edits, (code, data) = session(d.socket, message.encode(), timeout=40, **how)
                is_((code, data[:9]), ("y", b"550 5.7.1"), what) or tap.diag("".join(d.log) + str(edits))


tap.run(iprev, helo, tls, auth, align, sender_id, trail, each_and_all, several_messages, nothing_from_dmarc)
