#!/usr/bin/python3
"""A hundred messages through the daemon; then, the DNS server stopped and the network cut off, authmill
explain says the same of each from the decision log. And authmill replay."""

import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")  # t/dns is not python3-dnspython
import tap  # noqa: E402
from fixture import ours, words  # noqa: E402
from milterclient import Client, Daemon  # noqa: E402
from tap import build, is_, like, ok, skip_all  # noqa: E402
from testdns import TestDNS  # noqa: E402

try:
    import mkarc
    import mkdkim
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-dkim python3-authres)" % missing)

AUTHMILLD, AUTHMILL = build("authmilld"), build("authmill")
CONF = """authserv-id = mx.here.example
receiver = mx.here.example
log { to = stderr level = debug }
dns { nameservers = {"%s"} timeout = 3 try = 0.4 }
dmarc { enforce = yes }
arc { trusted-sealers = {"s1.example", "s2.example"} }
methods { helo = yes tls = yes trail = yes }
trusted-relays = {"203.0.113.25/32"}
decision-log { path = "{dir}/decisions" }
"""


def dkim_key(name):
    return {"TXT": mkdkim.key(name).record().decode()}


def zones():
    z = {
        "good.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"}],
        "mail.good.example": [{"A": "192.0.2.1"}, {"AAAA": "2001:db8::1"}, {"TXT": "v=spf1 a -all"}],
        "1.2.0.192.in-addr.arpa": [{"PTR": "mail.good.example"}],
        "9.100.51.198.in-addr.arpa": [{"PTR": "liar.example"}],
        "8.100.51.198.in-addr.arpa": ["SERVFAIL"],
        "7.100.51.198.in-addr.arpa": ["TIMEOUT"],
        "_dmarc.good.example": [{"TXT": "v=DMARC1; p=reject; rua=mailto:d@good.example"}],
        "k._domainkey.good.example": [dkim_key("ed25519")],
        "_dmarc.aside.example": [{"TXT": "v=DMARC1; p=quarantine; sp=none"}],
        "sub.aside.example": [{"A": "192.0.2.9"}],
        "_dmarc.test.example": [{"TXT": "v=DMARC1; p=reject; t=y"}],
        "_dmarc.broken.example": [{"TXT": "v=DMARC1; p=perhaps"}],
        "_dmarc.down.example": ["SERVFAIL"],
        "down.example": [{"TXT": "SERVFAIL"}],
        "slow.example": [{"TXT": "TIMEOUT"}],
        "mx.example": [{"TXT": "v=spf1 mx ?all"}, {"MX": [10, "mail.good.example"]}, {"MX": [20, "."]}],
        "macro.example": [{"TXT": "v=spf1 exists:%{l1r-}.%{i}._spf.macro.example exp=why.macro.example -all"}],
        "why.macro.example": [{"TXT": "%{i} may not speak for %{s} at %{t}, says %{r}: %{h}"}],
        "alice.192.0.2.1._spf.macro.example": [{"A": "127.0.0.2"}],
        "deep.example": [{"TXT": "v=spf1 include:i1.deep.example include:good.example ~all"}],
        "i1.deep.example": [{"TXT": "v=spf1 redirect=i2.deep.example"}],
        "i2.deep.example": [{"TXT": "v=spf1 ptr:good.example ?all"}],
        "many.example": [{"TXT": "v=spf1 " + " ".join("a:n%d.many.example" % i for i in range(12)) + " -all"}],
        "void.example": [{"TXT": "v=spf1 a:x1.void.example a:x2.void.example a:x3.void.example -all"}],
        "two.example": [{"TXT": "v=spf1 -all"}, {"TXT": "v=spf1 +all"}],
        "syntax.example": [{"TXT": "v=spf1 ip4:1.2.3 -all"}],
        "octets.example": [{"TXT": {"hex": "763d737066312065786973743aff0022"}}],
        "loop.example": [{"TXT": "v=spf1 include:loop.example -all"}],
        "relay.example": [{"A": "203.0.113.25"}],
    }
    for name, texts in mkarc.records(2).items():
        z[name] = [{"TXT": t.decode()} for t in texts]
    z["_dmarc.author.example"] = [{"TXT": "v=DMARC1; p=reject"}]
    for i in range(12):
        z["n%d.many.example" % i] = [{"A": "198.51.100.%d" % i}]
    return z


def plain(domain, *more):
    return mkdkim.Mail([b"From: Alice <alice@%s>" % domain.encode(), b"To: bob@here.example", b"Subject: x",
                        b"Date: Fri, 21 Nov 2025 15:46:40 +0000", b"Message-ID: <1@%s>" % domain.encode(),
                        *more], b"Hello.\r\n")


def signed(domain="good.example", author=None, **more):
    return mkdkim.sign(plain(author or domain), "ed25519", d=domain.encode(), s=b"k", **more)


def messages():
    """(what, message in octets, envelope)."""
    out = []

    def add(what, mail, ip="192.0.2.1", helo="mail.good.example", sender="alice@good.example", **macros):
        octets = mail if isinstance(mail, bytes) else mail.octets()
        out.append((what, octets, dict(ip=ip, helo=helo, sender=sender, macros=macros)))

    spf = ["good", "down", "slow", "mx", "macro", "deep", "many", "void", "two", "syntax", "octets", "loop", "none"]
    for d in spf:
        for ip in ("192.0.2.1", "198.51.100.3", "2001:db8::1"):
            add("SPF of %s from %s" % (d, ip), plain("good.example"), ip, sender="alice@%s.example" % d)
    for d in ("aside", "sub.aside", "test", "broken", "down", "none", "good"):
        add("DMARC of %s, no SPF" % d, plain(d + ".example"), "198.51.100.4", sender="x@none.example")
        add("DMARC of %s, null sender" % d, plain(d + ".example"), sender="")
        add("DMARC of %s, logged in" % d, plain(d + ".example"), "198.51.100.5", auth_authen="al%ice\"",
            auth_type="PLAIN", tls_version="TLSv1.3")
    for n in (9, 8, 7, 6):
        add("iprev of .%d" % n, signed(), "198.51.100.%d" % n)
    add("DKIM passes", signed(), "198.51.100.6", sender="x@none.example")
    add("DKIM fails", signed().with_body(b"Other.\r\n"), "198.51.100.6", sender="x@none.example")
    add("DKIM of another", signed("good.example", author="aside.example"), sender="x@good.example")
    add("no key", mkdkim.sign(plain("good.example"), "ed25519", d=b"good.example", s=b"nokey"), "198.51.100.6")
    twice = mkdkim.sign(signed().with_body(b"Hello.\r\n"), "ed25519", d=b"good.example", s=b"k")
    add("two signatures", twice, "198.51.100.6")
    many = signed()
    for _ in range(14):
        many = many.top(signed().fields[0])
    add("fifteen signatures", many, "198.51.100.6")
    add("a chain that is trusted", mkarc.chain(2), "198.51.100.6", sender="list@s2.example")
    add("one that is broken", mkarc.chain(2).with_body(b"x\r\n"), "198.51.100.6", sender="list@s2.example")
    add("one that says fail", mkarc.chain(2, results=b"dmarc=fail header.from=author.example"), "198.51.100.6")
    add("no From", b"Subject: x\r\n\r\nx\r\n", "198.51.100.6")
    add("two From", plain("good.example", b"From: eve@none.example"), "198.51.100.6")
    add("submitted here", plain("good.example"), None, None)
    add("our own network", plain("good.example"), "127.0.0.1")
    add("no HELO", plain("good.example"), helo=None)
    for i, name in enumerate((b"\xff\xfe\\x41\"", b"{\"id\":\"x\"}", b"[192.0.2.1]", b"-", b"a" * 300)):
        add("HELO %d" % i, plain("good.example"), helo=name, sender="")
    for i, sender in enumerate((b"\xff\"\\@good.example", b'"a b"@macro.example', b"no-at", b"a@[192.0.2.1]",
                                b"@good.example", b"x" * 200 + b"@macro.example")):
        add("MAIL FROM %d" % i, plain("good.example"), "198.51.100.6", sender=sender)
    gateway = b"Received: from mail.good.example (mail.good.example [192.0.2.1])\r\n\tby relay.example (Postfix) " \
              b"with ESMTPS id 4A1\r\n\tfor <bob@here.example>; Fri, 21 Nov 2025 15:46:40 +0000 (UTC)"
    add("behind a gateway", plain("good.example").top(gateway), "203.0.113.25", "relay.example")
    add("behind one that tells nothing", plain("good.example"), "203.0.113.25", "relay.example")
    while len(out) < 100:
        n = len(out)
        add("the same again, %d" % n, plain("good.example"), "198.51.100.%d" % n, sender="alice@macro.example")
    return out


class Numbered(Client):
    """A client whose messages have queue ids of their own."""

    queue_id = None

    def macros(self, command, **named):
        if "i" in named:
            named["i"] = self.queue_id
        super().macros(command, **named)


def send(d, queue_id, octets, ip, helo, sender, macros):
    with Numbered(d.socket) as c:
        c.queue_id = queue_id
        c.negotiate()
        c.connect(ip)
        if helo is not None:
            c.helo(helo)
        if macros:
            c.macros("M", **macros)
        c.step("M", b"<" + (sender if isinstance(sender, bytes) else sender.encode()) + b">\0")
        c.rcpt("bob@here.example")
        c.rcpt("carol@here.example")
        c.data()
        edits, verdict = c.content(octets)
        c.quit()
    return edits, verdict


ACTIONS = {"a": "accept", "c": "accept", "y": "reject", "t": "tempfail", "r": "reject"}


def run_all(d):
    """{id: (what, value of the field or None, action)}"""
    seen = {}
    for i, (what, octets, how) in enumerate(messages()):
        queue_id = "4Q%03d" % i
        edits, (code, data) = send(d, queue_id, octets, **how)
        action = ACTIONS[code]
        if code == "y" and data[:1] == b"4":
            action = "tempfail"
        if any(e[0] == "q" for e in edits):
            action = "quarantine"
        inserted = [e for e in edits if e[0] == "i"]
        seen[queue_id] = (what, ours(inserted) if inserted else None, action)
    return seen


def offline(command):
    """No network at all, where the kernel lets us have such a namespace."""
    cut = ["unshare", "-rn"]
    try:
        if subprocess.run(cut + ["true"], capture_output=True, check=False).returncode == 0:
            return cut + command
    except OSError:
        pass
    return command


def run(*args, text=None, wrap=offline):
    p = subprocess.run(wrap([AUTHMILL, *args]), input=text, capture_output=True, timeout=60, check=False)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


WORK = tempfile.TemporaryDirectory(prefix="authmill-t.")
LOG, DEAD = WORK.name + "/decisions", WORK.name + "/dead.conf"
SEEN = {}


def recorded():
    with TestDNS(zones()) as dns:
        with Daemon(CONF % dns.nameserver, program=AUTHMILLD) as d:
            SEEN.update(run_all(d))
            d.process.terminate()
            d.process.wait(30)
            with open(d.dir + "/decisions", "rb") as f, open(LOG, "wb") as to:
                to.write(f.read())
            with open(d.conf) as f, open(DEAD, "w") as to:
                to.write(f.read().replace(d.dir, WORK.name))
    with open(LOG, "rb") as f:
        lines = f.read().splitlines()
    is_(len(SEEN), 100, "a hundred messages")
    is_(len(lines), 100, "a hundred lines")
    ok(all(re.fullmatch(rb"[ -~]+", line) for line in lines), "all of printable ASCII")
    records = [json.loads(line) for line in lines]
    is_([r["id"] for r in records], list(SEEN), "in their order")
    is_([r["action"] for r in records], [SEEN[r["id"]][2] for r in records], "with the actions that the MTA was told")
    ok({"accept", "reject", "quarantine"} <= {r["action"] for r in records}, "which are of all kinds")
    results = {r["spf"]["result"] for r in records if "spf" in r}
    is_(sorted(results), ["fail", "neutral", "none", "pass", "permerror", "softfail", "temperror"], "SPF: all results")
    results = {r["dmarc"]["result"] for r in records}
    is_(sorted(results), ["fail", "none", "pass", "permerror", "temperror"], "DMARC: all results")
    is_({r["rcpts"] for r in records}, {2}, "recipients are counted")
    ok(not any(b"here.example>" in line or b"carol" in line for line in lines), "and not named")
    ok(any(r.get("trust", {}).get("overridden") for r in records), "one override by ARC")
    is_(sorted(r.get("hop", {}).get("found", False) for r in records if "hop" in r), [False, True], "two gateways")


def explained():
    """The proof: the same verdicts, from the log alone."""
    tap.diag("network cut off by unshare" if offline(["x"]) != ["x"] else "no namespaces: no server answers")
    wrong, otherwise = [], []
    for queue_id, (what, field, action) in SEEN.items():
        status, out, err = run("explain", "--config", DEAD, "--log", LOG, "--format", "json", queue_id)
        got = json.loads(out) if status == 0 else {}
        if status or got["differences"] or not got["computed"] or got["action"] != action:
            wrong.append((queue_id, what, status, err, got.get("differences"), got.get("action"), action))
        elif field is not None and words(got["authentication_results"]) != words(field):
            otherwise.append((queue_id, what, got["authentication_results"], field))
    is_(wrong, [], "every decision is the same")
    is_(otherwise, [], "and every result is what was written into the message")


def compared_to_the_letter():
    """The field itself, but for what is not kept: the local-part of header.i."""
    other = []
    for queue_id, (what, field, _) in SEEN.items():
        if field is None:
            continue
        _, out, _ = run("explain", "--config", DEAD, "--log", LOG, "--format", "json", queue_id)
        flat = re.sub(r"\n[ \t]*", " ", field).strip()
        if json.loads(out)["authentication_results"].strip() != flat:
            other.append((what, json.loads(out)["authentication_results"], flat))
    is_(other, [], "the fields are the same to the letter")


def change(line, **named):
    record = json.loads(line)
    for look_up in record["lookups"]:
        key = look_up["type"] + " " + look_up["name"]
        if key in named:
            look_up["data"] = named[key]
    return json.dumps(record).encode() + b"\n"


def computed_again():
    """It is a computation, no copy: another answer, another verdict; and it says so."""
    with open(LOG, "rb") as f:
        line = next(x for x in f if b'"id":"4Q000"' in x)
    other = change(line, **{"TXT good.example": ["v=spf1 -all"]})
    status, out, _ = run("explain", "--config", DEAD, "--log", "-", "--format", "json", "4Q000", text=other)
    got = json.loads(out)
    is_((status, got["spf"]["result"], got["action"]), (0, "fail", "reject"), "another record of SPF")
    what = [d["what"] for d in got["differences"]]
    ok("spf.result" in what and "dmarc.result" in what and "action" in what, "the differences are told")
    is_(got["record"]["spf"]["result"], "pass", "beside what was recorded")
    status, out, _ = run("explain", "--config", DEAD, "--log", "-", "4Q000", text=other)
    like(out, r'the record says otherwise\n(.*\n)*  spf\.result: then "pass", now "fail"', "as text too")
    record = json.loads(line)
    record["lookups"] = [x for x in record["lookups"] if x["name"] != "good.example"]
    status, out, _ = run("explain", "--config", DEAD, "--log", "-", "--format", "json", "4Q000",
                         text=json.dumps(record).encode())
    got = json.loads(out)
    is_((got["spf"]["result"], got["spf"]["reason"]), ("temperror", "TXT good.example: not recorded"),
        "a look-up that is missing passes nothing")


def too_little():
    """A record without its look-ups is shown as it is, and nothing is computed from it."""
    with open(LOG, "rb") as f:
        record = json.loads(next(x for x in f if b'"id":"4Q000"' in x))
    del record["lookups"]
    record["cut"] = True
    line = json.dumps(record).encode()
    got = json.loads(run("explain", "--config", DEAD, "--log", "-", "--format", "json", "4Q000", text=line)[1])
    is_((got["computed"], got["spf"]["result"], got["action"], got["differences"]), (False, "pass", "accept", []),
        "look-ups that were cut off")
    like(run("explain", "--config", DEAD, "--log", "-", "4Q000", text=line)[1], "as recorded: ", "it is said")
    got = run("replay", "--config", DEAD, "-", text=line)
    is_((got[0], "too little was recorded" in got[2]), (65, True), "replay passes it over")
    newest = line + b"\n" + json.dumps(dict(record, mail_from="<new@good.example>")).encode() + b"\n"
    got = run("explain", "--config", DEAD, "--log", "-", "4Q000", text=newest)[1]
    ok("<new@good.example>" in got and "2 records have this id" in got, "of several records the newest")
    got = run("explain", "--config", DEAD, "--log", "-", "--all", "--format", "json", "4Q000", text=newest)[1]
    is_([json.loads(x)["record"]["mail_from"] for x in got.splitlines()],
        [record["mail_from"], "<new@good.example>"], "--all: all of them")


def public_suffixes():
    """A record made with the list of public suffixes is judged again with it."""
    suffixes = WORK.name + "/suffixes"
    with open(suffixes, "w") as f:
        f.write("// ===BEGIN ICANN DOMAINS===\nexample\ncity.example\n// ===END ICANN DOMAINS===\n")
    records = {"_dmarc.a.city.example": [{"TXT": "v=DMARC1; p=reject"}], "b.a.city.example": [{"TXT": "v=spf1 +all"}]}
    with TestDNS(records) as dns:
        conf = CONF % dns.nameserver + 'dmarc { org-domain = psl psl = "%s" enforce = yes }\n' % suffixes
        conf = conf.replace("dmarc { enforce = yes }\n", "", 1)
        with Daemon(conf, program=AUTHMILLD) as d:
            send(d, "4P", plain("b.a.city.example").octets(), "198.51.100.6", "x.example", "a@b.a.city.example", {})
            d.process.terminate()
            d.process.wait(30)
            with open(d.dir + "/decisions", "rb") as f:
                line = f.read()
            with open(d.conf) as f, open(WORK.name + "/psl.conf", "w") as to:
                to.write(f.read())
    got = json.loads(run("explain", "--config", WORK.name + "/psl.conf", "--log", "-", "--format", "json", "4P",
                         text=line)[1])
    is_((got["dmarc"]["result"], got["dmarc"]["org_domain"], got["differences"]), ("pass", "a.city.example", []),
        "organizational domains by public suffixes")


RULES = """
rule "lists" { when { list-id = "l.good.example" size-over = 50 } action = quarantine reason = "a list" }
rule "big" { when { size-over = 5000 } action = reject code = 552 }
rule "carol" { when { rcpt = "carol@here.example" helo-name = "for.carol" } action = tempfail }
"""


def rules():
    """Decisions of rules are repeated; but for those about recipients, which are not kept."""
    mails = [(plain("good.example", b"List-Id: Our list <l.good.example>"), "mail.good.example"),
             (plain("good.example").with_body(b"x" * 70 + b"\r\n" + b"y" * 6000), "mail.good.example"),
             (plain("good.example"), "mail.good.example"), (plain("good.example"), "for.carol")]
    with TestDNS(zones()) as dns:
        with Daemon(CONF % dns.nameserver + RULES, program=AUTHMILLD) as d:
            got = [send(d, "4R%d" % i, mail.octets(), "192.0.2.1", helo, "alice@good.example", {})[1][0]
                   for i, (mail, helo) in enumerate(mails)]
            d.process.terminate()
            d.process.wait(30)
            with open(d.dir + "/decisions", "rb") as f:
                log = f.read()
            conf = WORK.name + "/rules.conf"
            with open(d.conf) as f, open(conf, "w") as to:
                to.write(f.read())
    is_([c in "ac" for c in got[:1] + got[2:3]] + got[1:2] + got[3:], [True, True, "y", "y"], "what rules did")
    records = [json.loads(x) for x in log.splitlines()]
    is_([r.get("rule") for r in records], ["lists", "big", None, "carol"], "the rule that decided is recorded")
    for i, want in enumerate((("quarantine", "lists"), ("reject", "big"), ("accept", ""))):
        out = json.loads(run("explain", "--config", conf, "--log", "-", "--format", "json", "4R%d" % i, text=log)[1])
        is_((out["action"], out["rule"], out["differences"], out["recipients_unknown"]), want + ([], True),
            "the same again: " + want[0])
    out = json.loads(run("explain", "--config", conf, "--log", "-", "--format", "json", "4R3", text=log)[1])
    is_((out["action"], out["record"]["action"], out["record"]["rule"]), ("accept", "tempfail", "carol"),
        "a rule about a recipient is not")
    like(run("explain", "--config", conf, "--log", "-", "4R3", text=log)[1], r"rules ask for what is not recorded \(recipients\)", "which is said")
    ok(b"carol@" not in log, "as nobody is named in the log")
    mild = WORK.name + "/norules.conf"
    with open(conf) as f, open(mild, "w") as to:
        to.write(f.read().replace(RULES, ""))
    out = json.loads(run("replay", "--config", conf, "--config", mild, "--format", "json", "-", text=log)[1])
    is_([m["outcomes"][0]["rule"] for m in out["messages"]], ["lists", "big", "", ""], "replay names the rules")
    is_([m["differs"][:1] for m in out["messages"]], [["action"], ["action"], [], []], "and what they change")
    mail = WORK.name + "/carol.eml"
    with open(mail, "wb") as f:
        f.write(b"Return-Path: <alice@good.example>\r\nReceived: from for.carol (mail.good.example [192.0.2.1])\r\n"
                b"\tby here.example (Postfix) with ESMTP id 1\r\n\tfor <carol@here.example>; "
                b"Fri, 21 Nov 2025 15:46:41 +0000 (UTC)\r\n" + plain("good.example").octets())
    zone = WORK.name + "/carol.zone"
    with open(zone, "w") as f:
        f.write('$ORIGIN .\n$TTL 60\ngood.example. TXT "v=spf1 +all"\n')
    out = json.loads(run("replay", "--zone", zone, "--config", conf, "--format", "json", mail)[1])
    is_(out["messages"][0]["outcomes"][0]["rule"], "carol", "kept mail tells its recipient")


def other_policy():
    mild = WORK.name + "/mild.conf"
    with open(DEAD) as f, open(mild, "w") as to:
        to.write(f.read().replace("enforce = yes", "enforce = no"))
    refused = next(i for i, s in SEEN.items() if s[2] == "reject")
    status, out, _ = run("explain", "--config", mild, "--log", LOG, "--format", "json", refused)
    got = json.loads(out)
    is_((status, got["action"], got["record"]["action"]), (0, "accept", "reject"), "explain --config")
    ok(all(d["what"] in ("action", "measure", "would", "why", "code", "xcode", "text", "disposition")
           for d in got["differences"]),
       "the verdicts are the same")
    status, out, err = run("replay", "--config", mild, "--format", "json", LOG)
    got = json.loads(out)
    changed = [m["id"] for m in got["messages"] if "action" in m["differs"]]
    want = [i for i, s in SEEN.items() if s[2] in ("reject", "quarantine")]
    is_((status, err, changed), (0, "", want), "replay of the log through one configuration: what was refused")
    is_(got["summary"]["actions"], [{"accept": 100}], "is accepted by this one")
    status, out, _ = run("replay", "--config", DEAD, "--config", mild, "--differences", LOG)
    is_((status, out.count("\n* ") + out.startswith("* ")), (0, len(want)), "two configurations: the same")
    status, out, _ = run("replay", "--config", DEAD, "--format", "json", LOG)
    got = json.loads(out)
    is_((got["summary"]["decided_otherwise"], got["summary"]["other_results"]), (0, 0),
        "the configuration of then: everything is as it was")


def limits_of_a_configuration():
    """Replay judges with each configuration's own limits, explain with those of then."""
    strict = WORK.name + "/strict.conf"
    with open(DEAD) as f, open(strict, "w") as to:
        to.write(f.read() + "spf { max-terms = 1 }\n")
    deep = next(i for i, s in SEEN.items() if s[0] == "SPF of deep from 192.0.2.1")
    _, out, _ = run("explain", "--config", strict, "--log", LOG, "--format", "json", deep)
    is_(json.loads(out)["differences"], [], "explain: the limits of then")
    _, out, _ = run("replay", "--config", DEAD, "--config", strict, "--format", "json", LOG)
    row = next(m for m in json.loads(out)["messages"] if m["id"] == deep)
    ok("results" in row["differs"], "replay: those of the configuration")
    like(row["outcomes"][1]["authentication_results"], "spf=permerror", "which is told")


def wrong_use():
    for args, status, says in (
            ((), 64, "one queue id is wanted"),
            (("--format", "xml", "x"), 64, "wanted text or json"),
            (("--config", DEAD, "--log", "/nowhere/log", "x"), 66, "/nowhere/log: No such file"),
            (("--config", DEAD, "--log", WORK.name, "x"), 66, "authmill explain: %s: Is a directory" % WORK.name),
            (("--config", "/nowhere/conf", "x"), 78, "/nowhere/conf"),
            (("--config", DEAD, "--log", LOG, "nobody"), 66, "no record of nobody")):
        got = run("explain", *args)
        is_((got[0], says in got[2], got[2].count("\n")), (status, True, 1), "explain: " + says)
    got = run("explain", "--config", DEAD, "--log", "-", "x", text=b'noise "x"\n{"v":1,"id":"x"\n')
    is_((got[0], "line 2: no JSON" in got[2]), (65, True), "a log in pieces: the last line that names it is told")
    torn = b'{"v":1,"id":"x","act\n{"v":1,"id":"x","action":"accept","why":"skipped"}\n\xff\n'
    got = run("explain", "--config", DEAD, "--log", "-", "x", text=torn)
    is_((got[0], "action       accept" in got[1]), (0, True), "a whole line behind a torn one is found")
    for args, status, says in (
            ((), 64, "what is to be replayed?"),
            (("--config", DEAD, "--config", DEAD, "--config", DEAD, LOG), 64, "one too many"),
            (("--config", DEAD, "/nowhere"), 66, "/nowhere: No such file"),
            (("--zone", "/nowhere/z", LOG), 66, "/nowhere/z"),
            (("--config", DEAD, "/dev/null"), 65, "no message could be read")):
        got = run("replay", *args)
        is_((got[0], says in got[2]), (status, True), "replay: " + says)


def too_large():
    """A line that memory cannot hold is no end of the file: what cannot be read is told."""
    with open(AUTHMILL, "rb") as f:
        if re.search(b"__[at]san_init", f.read()):
            tap.skip("a line that memory cannot hold", "a sanitizer bounds no memory")
            return

    def small(command):
        return ["sh", "-c", 'ulimit -v 400000 && exec "$@"', "sh", *command]
    record = b'{"v":1,"id":"x","action":"accept","now":1,"lookups":[{"type":"A","name":"x","status":"nodata"}]}\n'
    folder = WORK.name + "/large"
    os.mkdir(folder)
    for name, begin in (("log", record + b"{"), ("mail", b"From: a@good.example\r\nX: "), ("mbox", b"From x\nFrom: a@b\n\n")):
        with open(folder + "/" + name, "wb") as f:
            f.write(begin)
            f.seek(1 << 30)
            f.write(b"\n" + record)
        said = "%s/%s: Cannot allocate memory\n" % (folder, name)
        got = run("replay", "--config", DEAD, folder + "/" + name, wrap=small)
        is_((got[0], got[2], "%d messages," % (name == "log") in got[1]), (70, "authmill replay: " + said, True), "replay: " + name)
    got = run("explain", "--config", DEAD, "--log", folder + "/log", "x", wrap=small)
    is_(got, (70, "", "authmill explain: %s/log: Cannot allocate memory\n" % folder), "explain")
    got = run("replay", "--config", DEAD, "--format", "json", folder, wrap=small)
    is_((json.loads(got[1])["summary"]["unread"], got[2].count(": Cannot allocate memory\n"), got[2].count("/large/")), (3, 3, 3),
        "in a folder each is told, once, and passed over")


def kept_mail():
    """Folder, Maildir, mbox and single files; the envelope is what Received and Return-Path say."""
    zone = WORK.name + "/zone"
    with open(zone, "w") as f:
        f.write('$ORIGIN .\n$TTL 60\ngood.example. TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
                '_dmarc.good.example. TXT "v=DMARC1; p=reject"\n')
    enforce, mild = WORK.name + "/e.conf", WORK.name + "/m.conf"
    for path, word in ((enforce, "yes"), (mild, "no")):
        with open(path, "w") as f:
            f.write('authserv-id = mx.here.example\ndns { zones = {"%s"} }\ndmarc { enforce = %s }\n' % (zone, word))

    def came(ip, path="alice@good.example", more=""):
        return ("Return-Path: <%s>\r\n"
                "Received: from localhost (localhost [127.0.0.1])\r\n\tby here.example (Postfix) with ESMTP id 2\r\n"
                "\tfor <bob@here.example>; Fri, 21 Nov 2025 15:46:42 +0000 (UTC)\r\n"
                "Received: from mx.example (unknown [%s])\r\n\tby here.example (Postfix) with ESMTP%s id 1\r\n"
                "\tfor <bob@here.example>; Fri, 21 Nov 2025 15:46:41 +0000 (UTC)\r\n" % (path, ip, more)
                ).encode() + plain("good.example").octets()
    mails = {"1.eml": came("192.0.2.1"), "2.eml": came("198.51.100.1"), "3.eml": plain("good.example").octets(),
             "4.eml": came("198.51.100.1", more="A")}
    want = [["accept", "accept"], ["reject", "accept"], ["accept", "accept"], ["accept", "accept"]]
    folder = WORK.name + "/mail"
    for name, octets in mails.items():
        for where in (folder, WORK.name + "/maildir/cur"):
            os.makedirs(where, exist_ok=True)
            with open(where + "/" + name, "wb") as f:
                f.write(octets)
    os.mkdir(WORK.name + "/maildir/new")
    os.mkdir(folder + "/sub")
    os.mkfifo(folder + "/pipe")
    mbox = WORK.name + "/mbox"
    with open(mbox, "wb") as f:
        for octets in mails.values():
            quoted = re.sub(rb"(?m)^(>*From )", rb">\1", octets.replace(b"\r\n", b"\n"))
            f.write(b"From x Fri Nov 21 15:46:41 2025\n" + quoted + b"\n")
    for source in (folder, WORK.name + "/maildir", mbox):
        status, out, err = run("replay", "--config", enforce, "--config", mild, "--format", "json", source)
        got = json.loads(out)
        is_((status, err), (0, ""), "replay of " + os.path.basename(source))
        is_([[o["action"] for o in m["outcomes"]] for m in got["messages"]], want, "what each would do")
        is_([m["client"] for m in got["messages"]], ["192.0.2.1", "198.51.100.1", "", "198.51.100.1"], "clients")
        is_([m["helo"] for m in got["messages"]], ["mx.example", "mx.example", "", "mx.example"], "HELO names")
        is_([m["differs"] for m in got["messages"]], [[], ["action"], [], []], "where they differ")
        is_(got["summary"]["actions"], [{"accept": 3, "reject": 1}, {"accept": 4}], "and in sum")
    _, out, _ = run("replay", "--ip", "198.51.100.2", "--config", enforce, "--format", "json", folder + "/3.eml")
    is_(json.loads(out)["messages"][0]["outcomes"][0]["action"], "reject", "--ip, where the mail tells nothing")
    _, out, _ = run("replay", "--config", enforce, "--config", mild, folder)
    like(out, r"(?m)^\* 2\.eml +good\.example +dmarc=fail reject \(dmarc\) +dmarc=fail accept$", "the table")
    like(out, r"4 messages, 1 decided otherwise", "and its end")
    out = run("replay", "--config", enforce, "--config", mild, "--differences", folder)[1]
    is_(len([x for x in out.splitlines() if ".eml" in x]), 1, "--differences")
    none = WORK.name + "/none.zone"
    with open(none, "w") as f:
        f.write("$ORIGIN .\n$TTL 60\nother.example. TXT x\n")
    _, out, _ = run("replay", "--config", enforce, "--zone", none, "--format", "json", folder + "/2.eml")
    is_(json.loads(out)["messages"][0]["outcomes"][0]["action"], "accept", "--zone goes first")
    hostile = WORK.name + "/hostile"
    with open(hostile, "wb") as f:
        f.write(b"From: \xff\x1b[31m <a@\xff\x1b.example>\r\nX: \0\r\n\r\n" + bytes(range(256)))
    status, out, _ = run("replay", "--config", enforce, hostile)
    is_((status, "\x1b" in out), (0, False), "nothing of a stranger's reaches the terminal")


tap.run(recorded, explained, compared_to_the_letter, computed_again, too_little, public_suffixes, rules,
        other_policy, limits_of_a_configuration, wrong_use, too_large, kept_mail)
