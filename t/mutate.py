#!/usr/bin/python3
"""Signed and sealed messages drawn by chance, and each with an octet or a few changed (TAP): `authmill
check` has to say of every signature and of every chain what t/lib/oracle.py says, a second verifier
written from the RFCs. A change outside of what is signed keeps a pass, one inside makes a fail, and a
change that only canonicalisation sees is none.

MUTATE_N messages (default 40) from MUTATE_SEED (default: fixed), each with 8 changes. A failure names the
seed, and leaves the message in $AUTHMILL_TAP where that is set.
"""

import base64
import concurrent.futures
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

from tap import build, diag, done, ok, skip_all  # noqa: E402

try:
    import mkdkim
    import oracle
except ImportError as missing:
    skip_all("%s (Debian: apt-get install python3-dkim python3-cryptography)" % missing)
from mkdkim import NOW, Mail, key  # noqa: E402

N = int(os.environ.get("MUTATE_N", "40"))
SEED = int(os.environ.get("MUTATE_SEED", "8617"))
CHANGES = 8
DOMAIN = b"example.org"
KEYS = {b"%s._domainkey.%s" % (k.encode(), DOMAIN): key(k) for k in ("rsa1024", "rsa2048", "ed25519")}
NAMES = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Received", b"X-A", b"x-a", b"DKIM-Signature"]
CANONS = [b"simple/simple", b"simple/relaxed", b"relaxed/simple", b"relaxed/relaxed", b"simple", b"relaxed", None]


# ---- Messages

class Draw:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def one_in(self, n):
        return self.r.randrange(n) == 0

    def of(self, things):
        return self.r.choice(things)

    def some(self, things, most):
        return b"".join(self.of(things) for _ in range(self.r.randrange(most + 1)))

    def white(self):
        """Folding white space, mostly none or one space."""
        return self.of([b"", b"", b" ", b" ", b"\t", b"  ", b"\r\n ", b" \r\n\t ", b"\r\n \r\n\t"])

    def commented(self):
        """CFWS, as ARC has it round an instance."""
        return self.white() + self.of([b"", b"", b"", b"(c)", b"(; b=x;)", b"(i=2;) (\xc3\xa9)"]) + self.white()

    def value(self):
        return self.some([b"word", b"A", b" ", b"  ", b"\t", b"\r\n ", b" \r\n\t", b";", b":", b"b=x;", b"\xc3\xa9",
                          b"\xff", b"=", b"(", b'"', b"\x0b", b"\r\n \r\n "], 12)

    def field(self):
        name = self.of(NAMES[:-1])
        return self.of([name, name, name.upper(), name + b" ", name + b"\t "]) + b":" + self.value()

    def body(self):
        return self.some([b"word", b" ", b"  ", b"\t", b" \r\n", b"\r\n", b"\r\n\r\n", b"line\r\n", b"\r", b"\n", b"\0",
                          b"\xe9", b"x" * 70, b"\t\r\n"], self.of([0, 2, 10, 60]))

    def mail(self):
        fields = [b"From: Alice <alice@example.org>"] + [self.field() for _ in range(self.r.randrange(8))]
        self.r.shuffle(fields)
        return Mail(fields, self.body())


def spread(d, text):
    """White space in base64, anywhere."""
    for at in sorted((d.r.randrange(len(text) + 1) for _ in range(d.r.randrange(4))), reverse=True):
        text = text[:at] + d.white() + text[at:]
    return text


# What a signer may have written by the grammar, or beside it.
ODD = {
    b"v": [b"1", b"2", b"01", b"", b"1 ", b"1.0"],
    b"a": [b"rsa-sha1", b"RSA-sha256", b"rsa-sha256 ", b"rsa -sha256", b""],
    b"c": [b"simple /simple", b"relaxed/ relaxed", b"Simple", b"relaxed/", b"/relaxed", b"", b"simple/simple/simple"],
    b"d": [b"EXAMPLE.org", b"example.org.", b"org", b"", b"exam ple.org", b".example.org", b"example..org"],
    b"s": [b"RSA2048", b"rsa2048.", b"", b"rsa 2048"],
    b"l": [b"0", b"00", b"-1", b"1 0", b"", b"9" * 76, b"0" * 77],
    b"t": [b"0", b"000000000001", b"0000000000001", b"", b"1;", b"1 1"],
    b"x": [b"1763740899", b"999999999999", b"9999999999999", b"0x10", b""],
    b"q": [b"dns/txt", b"dns/TXT", b"dns", b"dns / txt", b" : dns/txt", b"", b"dns/txt;"],
    b"i": [b"@example.org", b"example.org", b"a@b@example.org", b"a@example.org.", b"=40@EXAMPLE.org",
           b"=4@example.org", b"a@e=78ample.org", b"@xexample.org", b"a@.example.org", b"=0a@example.org",
           b"a @example.org", b"=c3=a9@example.org", b"=C3=A9@example.org", b"\xc3\xa9@m.example.org", b"", b"a@",
           b"@"],
    b"y1_": [b"", b"=", b"a\x7f", b"a\x00", b"\xff", b"a\r\n \r\n b"],
    b"1y": [b"a"],
    b"y-1": [b"a"],
    b"_y": [b"a"],
    b"": [b"a"],
}


def odd(d, tags):
    """Another value for a tag, or another tag."""
    name = d.of(list(ODD))
    value = d.of(ODD[name])
    if d.one_in(20):
        return tags + [d.of(tags)]
    if name in (b"i", b"v") and name not in dict(tags):
        return tags
    return [t for t in tags if t[0] != name] + [(name, value)]


def tag_list(d, tags, first=()):
    """In any order, with white space round everything that may have it."""
    order = [t for t in tags if t[0] not in first]
    d.r.shuffle(order)
    specs = []
    for name, value in [t for t in tags if t[0] in first] + order:
        w = d.commented if name in first else d.white
        specs.append(w() + name + w() + b"=" + w() + value + w())
    return b";".join(specs) + d.of([b"", b"", b";", b"; ", b";\r\n "] if d.r.randrange(30) else [b";;", b"; ;", b";x"])


def extra(d):
    """Tags that nobody knows, and some that look like b=."""
    return [t for t in [(b"z", b"From:b=x|B=y"), (b"xb", b"b"), (b"B", b"x"), (b"b_", b"1"), (b"n", b""), (b"r", b"y"),
                        (b"q", b"x/y :dns/txt"), (b"t", b"1"), (b"x", b"%d" % (NOW + 99))] if d.one_in(5)]


def list_names(d, mail, more=()):
    there = [oracle.split(f)[0] for f in mail.fields]
    out = [b"from"] + [d.of(there + [b"none", b"x-a", *more]) for _ in range(d.r.randrange(7))]
    d.r.shuffle(out)
    return out


def complete(d, field, data, k):
    """`data`: what is signed before the field itself, with a function that makes its form."""
    before, form = data
    raw = k.sign(before + form(oracle.emptied(field)))
    return field.replace(b"@B@", spread(d, base64.b64encode(raw)))


def cover(d, mail, name, tags, default, first=(), more=()):
    """A DKIM-Signature or ARC-Message-Signature on top."""
    s = d.of(list(KEYS)).split(b".")[0]
    k = key(s.decode())
    c = d.of(CANONS)
    form = (c or default).split(b"/")[0]
    body = oracle.body_form((c or default).partition(b"/")[2] or b"simple", mail.body)
    length = d.of([None, None, None, 0, len(body), len(body) // 2])
    h = list_names(d, mail, more)
    tags = tags + extra(d) + [
        (b"a", k.algorithm + b"-sha256"), (b"d", DOMAIN), (b"s", s), (b"b", b"@B@"),
        (b"h", b":".join(d.white() + d.of([n, n.upper()]) + d.white() for n in h).strip() +
         (d.of([b":", b" to", b"\xc3\xa9"]) if d.one_in(40) else b"")),
        (b"bh", spread(d, base64.b64encode(hashlib.sha256(body[:length]).digest())).strip())]
    tags += [(b"c", c)] if c else []
    tags += [(b"l", b"%d" % length)] if length is not None else []
    if d.one_in(3):
        tags = odd(d, tags)
    field = name + b":" + tag_list(d, tags, first)
    fields = b"".join(oracle.field_form(form, f) + b"\r\n" for f in oracle.lowest(mail.fields, h, None))
    return mail.top(complete(d, field, (fields, lambda f: oracle.field_form(form, f)), k))


def sign(d, mail):
    i = [(b"i", b"al=69ce@mail." + DOMAIN)] if d.one_in(4) else []
    return cover(d, mail, d.of([b"DKIM-Signature", b"dkim-signature "]), [(b"v", b"1")] + i, b"simple/simple",
                 more=[b"dkim-signature"])


def seal(d, mail, i):
    w = d.commented
    mail = mail.top(b"ARC-Authentication-Results:%si%s=%s%d%s; mx; none" % (w(), w(), w(), i, w()))
    mail = cover(d, mail, b"ARC-Message-Signature", [(b"i", b"%d" % i)], b"relaxed/relaxed", (b"i",))
    s = d.of(list(KEYS)).split(b".")[0]
    k = key(s.decode())
    tags = [(b"i", b"%d" % i), (b"a", k.algorithm + b"-sha256"), (b"cv", b"pass" if i > 1 else b"none"), (b"d", DOMAIN),
            (b"s", s), (b"t", b"1"), (b"b", b"@B@")]
    field = b"ARC-Seal:" + tag_list(d, tags, (b"i",))
    sets = oracle.collect(mail.top(field))
    fields = mail.top(field).fields
    before = b"".join(oracle.field_form(b"relaxed", fields[n]) + b"\r\n" for s in sets for n in s if n != 0)
    return mail.top(complete(d, field, (before, lambda f: oracle.field_form(b"relaxed", f)), k))


def draw_mail(d):
    mail = d.mail()
    for _ in range(1 + d.r.randrange(4)):
        mail = sign(d, mail)
    try:
        for i in range(1, 1 + d.r.randrange(4)):
            mail = seal(d, mail, i)
            if d.one_in(4):
                mail = change(d, mail)[0]
    except oracle.Bad:  # nobody can seal what is no chain any more
        pass
    return mail


# ---- Changes

def octet(d):
    return bytes([d.r.randrange(256)])


def edit(d, text, safe):
    """Changes one place of a text. `safe`: may this octet go, or come?"""
    at = d.r.randrange(len(text) + 1)
    old = text[at:at + 1]
    if text[at - 1:at] == b"\n" and not safe(b"\n"):
        return text
    new = d.of([octet(d), d.of([b" ", b"\t", b";", b"=", b"b", b"1", b":", b"A"]), b"", old.swapcase(), b"  ",
                d.white()])
    if old and not safe(old) or not all(safe(bytes([o])) for o in new.replace(b"\r\n ", b"").replace(b"\r\n\t", b"")):
        return text
    if new.startswith(b"\r\n") and d.one_in(2):
        return text[:at] + new + text[at:]
    return text[:at] + new + text[at + (0 if d.one_in(3) else 1):]


def change_field(d, field):
    """Never a line end, and never a colon in the name: it stays one field."""
    name, _, value = field.partition(b":")
    if d.one_in(8):
        return edit(d, name, lambda o: b"!" <= o <= b"~" and o != b":") + b":" + value
    return name + b":" + edit(d, value, lambda o: o not in (b"\r", b"\n"))


def change(d, mail):
    fields, body, what = list(mail.fields), mail.body, d.r.randrange(8)
    if what < 3:
        body = edit(d, body, lambda o: True)
        body = d.of([body, body, body, body + b"\r\n", body[:-2], body + b" ", body.replace(b"\r\n", b"\n", 1)])
    elif what < 6:
        at = d.r.randrange(len(fields))
        fields[at] = change_field(d, fields[at])
    elif what == 6:
        fields.insert(d.r.randrange(len(fields) + 1), d.of([d.field(), d.of(fields)]))
    else:
        one, other = d.r.randrange(len(fields)), d.r.randrange(len(fields))
        fields[one], fields[other] = fields[other], fields[one]
        if d.one_in(4):
            del fields[one]
    fields = [f for f in fields if re.match(rb"[!-9;-~]+[ \t]*:", f)] or mail.fields
    changed = Mail(fields, body)
    return changed, (changed.fields, body) != (mail.fields, mail.body)


# ---- Both verdicts

def wanted(mail):
    signed = [n for n, f in enumerate(mail.fields) if oracle.split(f)[0] == b"dkim-signature"]
    return [oracle.signature(mail, n, KEYS) for n in signed[:10]], oracle.chain(mail, KEYS)


def judged(mail, zone):
    command = [build("authmill"), "check", "--format", "json", "--time", str(NOW), "--zone", zone, "-"]
    ran = subprocess.run(command, input=mail.octets(), capture_output=True, timeout=60, check=False)
    return json.loads(ran.stdout) if ran.returncode == 0 else {"error": ran.stderr.decode(errors="replace")}


def differences(mail, zone):
    """What authmill says otherwise; [] is nothing."""
    signatures, (result, oldest, why) = wanted(mail)
    got = judged(mail, zone)
    if "error" in got:
        return [got["error"]]
    out = ["signature %d: %s (%s), wanted %s" % (n, g["result"], g["reason"], w or "pass")
           for n, (g, w) in enumerate(zip(got["dkim"], signatures))
           if (g["result"] in ("pass", "policy")) != (w is None)]
    if len(got["dkim"]) < len(signatures):
        out.append("%d signatures, wanted %d" % (len(got["dkim"]), len(signatures)))
    arc = got["arc"]
    if (arc["result"], arc.get("oldest_pass", 0)) != (result, oldest):
        out.append("arc: %r, wanted %s %d %s" % (arc, result, oldest, why))
    return out


def one(seed, zone):
    """A message and its changes: [(name, differences, mail)], and how many verdicts were passes."""
    d = Draw(seed)
    mail = draw_mail(d)
    tried = [("as signed", mail)]
    for n in range(CHANGES):
        changed, differs = change(d, mail)
        for _ in range(d.r.randrange(2)):
            changed, more = change(d, changed)
            differs = differs or more
        if differs:
            tried.append(("change %d" % n, changed))
    return [(name, differences(m, zone), m) for name, m in tried]


def report(seed, name, mail, wrong):
    diag("MUTATE_SEED=%d MUTATE_N=1, %s: %s" % (seed, name, "; ".join(wrong)))
    where = os.environ.get("AUTHMILL_TAP")
    if where:
        with open(os.path.join(where, "mutate-%d.eml" % seed), "wb") as f:
            f.write(mail.octets())


def main():
    with tempfile.TemporaryDirectory() as directory:
        zone = os.path.join(directory, "zone")
        with open(zone, "w", encoding="ascii") as f:
            f.write(mkdkim.zone({name.decode(): [k.record()] for name, k in KEYS.items()}))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for seed, results in zip(range(SEED, SEED + N), pool.map(lambda s: one(s, zone), range(SEED, SEED + N))):
                bad = [r for r in results if r[1]]
                ok(not bad, "message %d and %d changes: both verifiers agree" % (seed, len(results) - 1))
                for name, wrong, mail in bad:
                    report(seed, name, mail, wrong)
    done()


main()
