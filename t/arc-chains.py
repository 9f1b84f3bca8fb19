#!/usr/bin/python3
"""ARC chains of another signer (TAP): python3-dkim seals 1, 2, 5 and 50 sets, and `authmill check`
has to find them good; then each is broken at every place where a chain can break.

Each case says which rule of RFC 8617 decides, and was written from it; no engine was asked.
"""

import json
import os
import subprocess
import sys
import tempfile

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

from tap import build, diag, done, is_, ok, skip_all  # noqa: E402

try:
    import mkarc
    from testdns import TestDNS
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-dkim python3-authres python3-dnspython python3-yaml)" % missing)
from mkarc import (MAIL, at, chain, change, domain, field, instance, put, records, seal, tag,  # noqa: E402
                   tag_value, without_set)
from mkdkim import NOW, Mail, key  # noqa: E402

AUTHMILL = build("authmill")
KINDS = ("AAR", "AMS", "AS")


# ---- Running

def check(mail, *options):
    command = [AUTHMILL, "check", "--format", "json", "--time", str(NOW), *options, "-"]
    ran = subprocess.run(command, input=mail.octets(), capture_output=True, timeout=60, check=False)
    if ran.returncode != 0:
        return {"arc": {"result": ran.stderr.decode(errors="replace")}}
    return json.loads(ran.stdout)


class Zone:
    """A zone file for as long as the test runs."""

    def __init__(self, recs):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "zone")
        mkarc.write_zone(self.path, recs)

    def options(self):
        return "--zone", self.path


def want(name, rfc, mail, zone, result, oldest=None, options=()):
    """`oldest`: header.oldest-pass of a pass; 0: all verify."""
    got = check(mail, *zone.options(), *options)["arc"]
    same = got["result"] == result and oldest in (None, got.get("oldest_pass"))
    good = ok(same, "%s (%s)" % (name, rfc))
    if not good:
        diag("want %s %s, got %r" % (result, oldest, got))


# ---- What happens to a good chain

def body_changed(mail):
    return mail.edit_body(b"here they are", b"here they were")


def subject_changed(mail):
    return mail.edit(b"Subject", b"Minutes", b"[list] Minutes")


def footer(mail):
    return mail.with_body(mail.body + b"-- \r\nThe list\r\n")


def flipped(b64):
    """Base64 with another octet in it."""
    i = len(b64) // 3
    while not b64[i:i + 1].isalnum():
        i += 1
    return b64[:i] + (b"B" if b64[i:i + 1] == b"A" else b"A") + b64[i + 1:]


def swapped(mail, kind, i, k):
    """Two fields of a kind exchange their instances."""
    one, other = field(mail, kind, i), field(mail, kind, k)
    first = one.replace(b"i=%d;" % i, b"i=%d;" % k, 1)
    second = other.replace(b"i=%d;" % k, b"i=%d;" % i, 1)
    fields = [first if f is one else second if f is other else f for f in mail.fields]
    return Mail(fields, mail.body)


def structure(mail, n, i, kind):
    """Of one field: whatever makes it another field, or none, or two."""
    f = field(mail, kind, i)
    yield "removed", "5.2 3A", put(mail, kind, i)
    yield "twice", "5.2 3A", put(mail, kind, i, f, f)
    yield "twice, far apart", "5.2 3A", mail.top(f)
    yield "twice, the other one empty", "5.2 3A", mail.bottom(f.partition(b":")[0] + b": i=%d; x" % i)
    yield "another name", "5.2 3A", put(mail, kind, i, b"X-" + f)
    for value in (0, n + 1, 51, 100, 999):
        yield "i=%d" % value, "4.2.1", change(mail, kind, i, rb"i=\d+", b"i=%d" % value)
    for value in (b"", b"x", b"-1", b"%d.0" % i, b"00%d" % i, b"%d %d" % (i, i)):
        yield "i=%s" % value.decode(), "3.9", change(mail, kind, i, rb"i=\d+", b"i=" + value)
    yield "i=0%d is read and not what was sealed" % i, "5.2 6", change(mail, kind, i, rb"i=\d+", b"i=0%d" % i)
    yield "no i=", "4.2.1", change(mail, kind, i, rb"i=\d+;", b"")
    yield "I=", "3.9", change(mail, kind, i, rb"i=", b"I=")
    for k in range(1, n + 1):
        if k != i:
            yield "is of set %d" % k, "5.2 3B", change(mail, kind, i, rb"i=\d+", b"i=%d" % k)
        if k > i:
            yield "swapped with set %d" % k, "5.2 6", swapped(mail, kind, i, k)


def content(mail, i):
    """Every part of a set is sealed: AAR and AMS by the seal of the set, the seal by its b=."""
    yield "AAR: the id", "5.2 6", change(mail, "AAR", i, rb"mx\.", b"mx1.")
    yield "AAR: a result", "5.2 6", change(mail, "AAR", i, rb"dmarc=pass", b"dmarc=fail")
    yield "AAR: a result more", "5.2 6", change(mail, "AAR", i, rb"$", b"; x-more=pass")
    yield "AAR: empty", "5.2 6", change(mail, "AAR", i, rb";.*", b";")
    for kind in ("AMS", "AS"):
        for name, value in [(b"d", b"other.example"), (b"d", b""), (b"s", b"other"), (b"s", b""),
                            (b"a", b"rsa-sha1"), (b"a", b"ed25519-sha256"), (b"a", b"RSA-SHA256"), (b"t", b"1"),
                            (b"t", b""), (b"b", b""), (b"b", b"A*=="), (b"x", b"1"),
                            (b"b", flipped(tag_value(mail, kind, i, b"b")))]:
            yield "%s: %s=%s" % (kind, name.decode(), value.decode()[:20]), "5.2 6", tag(mail, kind, i, name, value)
        for name in (b"a", b"b", b"d", b"s", b"t"):
            yield "%s: no %s=" % (kind, name.decode()), "5.2 6", tag(mail, kind, i, name, None)
        yield "%s: a tag twice" % kind, "6376 3.2", change(mail, kind, i, rb"t=\d+;", rb"\g<0> \g<0>")
        yield "%s: no tag list" % kind, "6376 3.2", change(mail, kind, i, rb"t=\d+;", rb"t;")
    for name, value in [(b"bh", flipped(tag_value(mail, "AMS", i, b"bh"))), (b"bh", b""), (b"h", b"from"), (b"h", b""),
                        (b"c", b"simple/simple"), (b"c", b"x"), (b"l", b"0"), (b"v", b"1")]:
        yield "AMS: %s=%s" % (name.decode(), value.decode()[:20]), "5.2 6", tag(mail, "AMS", i, name, value)
    for name in (b"bh", b"h", b"c"):
        yield "AMS: no %s=" % name.decode(), "5.2 6", tag(mail, "AMS", i, name, None)
    yield "AS: h=", "4.1.3", tag(mail, "AS", i, b"h", b"from")
    yield "AS: no cv=", "5.2 3C", tag(mail, "AS", i, b"cv", None)
    for cv in (b"fail", b"none", b"pass", b"Pass", b"", b"x"):
        if cv != tag_value(mail, "AS", i, b"cv"):
            yield "AS: cv=%s" % cv.decode(), "5.2 3C", tag(mail, "AS", i, b"cv", cv)


def harmless(mail, n, i):
    """RFC 6376 3.4.2: what relaxed canonicalisation does not see; 5.1.1: the order of the fields in
    the header is not that of the hash."""
    for kind in KINDS:
        f = field(mail, kind, i)
        name, _, value = f.partition(b":")
        yield "%s: name in capitals" % kind, put(mail, kind, i, name.upper() + b":" + value)
        yield "%s: blanks round the colon" % kind, put(mail, kind, i, name + b" \t:  " + value.lstrip())
        yield "%s: folded elsewhere" % kind, put(mail, kind, i, name + b":" + value.replace(b"; ", b";\r\n\t  "))
        yield "%s: blanks at the end" % kind, put(mail, kind, i, f + b" \t ")
        yield "%s: moved to the top" % kind, Mail([f] + [x for x in mail.fields if x is not f], mail.body)
        yield "%s: moved to the bottom" % kind, Mail([x for x in mail.fields if x is not f] + [f], mail.body)


def broken(n, sets):
    mail = chain(n)
    zone = Zone(records(n + 1))
    for i in sets:
        for kind in KINDS:
            for what, rfc, mended in structure(mail, n, i, kind):
                want("%d sets, %s of %d: %s" % (n, kind, i, what), rfc, mended, zone, "fail")
        for what, rfc, mended in content(mail, i):
            want("%d sets, set %d, %s" % (n, i, what), rfc, mended, zone, "fail")
        for what, same in harmless(mail, n, i):
            want("%d sets, set %d, %s" % (n, i, what), "6376 3.4.2", same, zone, "pass", 0)
        if i < n:
            want("%d sets, set %d gone" % (n, i), "5.2 3B", without_set(mail, i), zone, "fail")


# ---- The rest

def good_chains():
    zone = Zone(records(50))
    for n in (1, 2, 5, 50):
        mail = chain(n)
        want("%d sets" % n, "5.2 7", mail, zone, "pass", 0)
        got = check(mail, *zone.options())
        is_(got["arc"]["instance"], n, "%d sets: the highest instance is told" % n)
        shuffled = Mail(mail.fields[::-1], mail.body)
        want("%d sets, the header upside down" % n, "5.1.1", shuffled, zone, "pass", 0)
        want("%d sets, more fields that nobody signed" % n, "6376 5.4",
             mail.top(b"Received: by x", b"Authentication-Results: x; none", b"X-More: 1"), zone, "pass", 0)
        want("%d sets, the body changed at the end" % n, "5.2 4", body_changed(mail), zone, "fail")
        want("%d sets, a footer at the end" % n, "5.2 4", footer(mail), zone, "fail")
        want("%d sets, the subject changed at the end" % n, "5.2 4", subject_changed(mail), zone, "fail")
        want("%d sets, a signed field gone" % n, "5.2 4", mail.without(b"Date"), zone, "fail")
        want("%d sets, another From below" % n, "6376 5.4.2", mail.bottom(b"From: a@b.example"), zone, "fail")
        want("%d sets, an unsigned field changed" % n, "6376 5.4",
             mail.edit(b"Received", b"by mx", b"by my"), zone, "pass", 0)
    want("no chain", "5.2 1", MAIL, zone, "none")


def changed_on_the_way():
    """RFC 8617 5.2 step 5: oldest-pass."""
    zone = Zone(records(5))
    for what, how in [("body", body_changed), ("subject", subject_changed), ("footer", footer)]:
        for i in range(1, 5):
            want("%s changed behind set %d of 5" % (what, i), "5.2 5A", chain(5, between={i: how}), zone, "pass", i + 1)
    twice = chain(5, between={1: body_changed, 3: footer})
    want("changed behind sets 1 and 3", "5.2 5A", twice, zone, "pass", 4)
    want("the newest set gone, of a message that was not changed", "5.2", without_set(chain(5), 5), zone, "pass", 0)
    want("the newest set gone, of one that was changed before it", "5.2 4",
         without_set(chain(5, between={4: footer}), 5), zone, "fail")
    want("the two newest gone", "5.2", without_set(without_set(chain(5), 5), 4), zone, "pass", 0)
    unsigned = chain(5, between={2: lambda m: m.top(b"Received: by x")})
    want("a field that nobody signs is added on the way", "5.2 5B", unsigned, zone, "pass", 0)
    reply = seal(seal(MAIL, 1), 2, h=mkarc.H + [b"from"])
    want("from twice in h=, one From", "6376 5.4.2", reply, Zone(records(2)), "pass", 0)
    want("from twice in h=, another From on top", "6376 5.4.2", reply.top(b"From: a@b.example"), Zone(records(2)),
         "fail")


def failed_before():
    """RFC 8617 5.1.2: a sealer that found the chain broken says cv=fail, and seals its set alone."""
    zone = Zone(records(4))
    late = seal(body_changed(chain(2)), 3, cv=b"fail")
    want("the newest says cv=fail", "5.2 2", late, zone, "fail")
    want("and another seal on top says pass", "5.2 3C", seal(late, 4), zone, "fail")
    want("and another seal on top says fail too", "5.2 2", seal(late, 4, cv=b"fail"), zone, "fail")
    want("a false pass over a broken chain", "5.2 6", seal(change(chain(2), "AAR", 1, rb"dmarc=pass", b"dmarc=none"), 3),
         zone, "fail")


def fifty():
    mail = chain(50)
    zone = Zone(records(51))
    for i in (1, 25, 50):
        for kind in KINDS:
            want("50 sets, %s of %d gone" % (kind, i), "5.2 3A", put(mail, kind, i), zone, "fail")
            want("50 sets, %s of %d twice" % (kind, i), "5.2 3A", mail.top(field(mail, kind, i)), zone, "fail")
        want("50 sets, AAR of %d changed" % i, "5.2 6", change(mail, "AAR", i, rb"dmarc=pass", b"dmarc=fail"), zone,
             "fail")
        gone = Zone(records(50, **{"k%d" % i: []}))
        want("50 sets, the key of %d gone" % i, "5.2.1", mail, gone, "fail")
    more = [field(mail, kind, 50).replace(b"i=50;", b"i=51;", 1) for kind in KINDS]
    want("51 sets", "5.2 1", mail.top(*more), zone, "fail")
    want("50 sets, footers behind 10 and 40", "5.2 5A", chain(50, between={10: footer, 40: footer}), zone, "pass", 41)


def keys():
    n = 3
    mail = chain(n)
    other = key("rsa2048")
    for i in range(1, n + 1):
        k = "k%d" % i
        record = key(mkarc.SEALER).record()
        for what, value, result in [
                ("missing", [], "fail"), ("revoked", [b"v=DKIM1; p="], "fail"), ("another", [other.record()], "fail"),
                ("broken", [b"v=DKIM1; p=AAAA"], "fail"), ("no key record", [b"v=spf1 -all"], "fail"),
                ("of another type", [record.replace(b"k=rsa", b"k=ed25519")], "fail"),
                ("not for email", [record + b"; s=other"], "fail"), ("of another hash", [record + b"; h=sha1"], "fail"),
                ("short", [key("rsa768").record()], "fail"), ("in test mode", [record + b"; t=y"], "pass"),
                ("beside another TXT record", [b"x=1", record], "pass")]:
            want("key of set %d: %s" % (i, what), "5.2.1", mail, Zone(records(n, **{k: value})), result)
        for word in ("SERVFAIL", "REFUSED"):
            zone = {name: [{"TXT": t.decode()} for t in texts] for name, texts in records(n).items()}
            zone["k%d._domainkey.s%d.example" % (i, i)] = [word]
            with TestDNS(zone) as server:
                got = check(mail, "--nameserver", "127.0.0.1@%d" % server.port, "--dns-timeout", "5")
                is_(got["arc"]["result"], "fail", "key of set %d: %s is no temporary error (5.2.1)" % (i, word))


def times():
    """RFC 8617 4.1.2, RFC 6376 3.5: t= of what is yet to come."""
    zone = Zone(records(2))
    mail = chain(2)
    got = check(mail, *zone.options(), "--time", str(mkarc.SIGNED - 200))["arc"]["result"]
    is_(got, "pass", "clocks may differ")
    got = check(mail, *zone.options(), "--time", str(mkarc.SIGNED - 301))["arc"]["result"]
    is_(got, "fail", "an AMS from the future (6376 3.5)")


def questions():
    """RFC 8617 9.2, and the bound of ours: a chain cannot use up the look-ups that DMARC needs."""
    mail = chain(50)
    recs = records(50)
    recs["_dmarc.author.example"] = [b"v=DMARC1; p=reject"]
    zone = Zone(recs)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("limits { dns-questions = 30 }\ndns { prefetch = no }\n")
        f.flush()
        got = check(mail, *zone.options(), "--config", f.name)
    is_((got["arc"]["result"], got["dmarc"]["result"]), ("fail", "fail"),
        "too many keys for the bound: arc=fail, and dmarc=fail, not temperror")


def main():
    good_chains()
    changed_on_the_way()
    failed_before()
    broken(1, [1])
    broken(2, [1, 2])
    broken(5, [3])
    fifty()
    keys()
    times()
    questions()
    done()


main()
