"""DKIM and ARC verified a second time, in Python, from the RFCs: what t/mutate.py holds authmill against.

Takes a Mail (mkdkim.py), keys by name ({b"s._domainkey.d": Key}) and says of each signature whether it
verifies, and of a chain whether it passes and which oldest-pass it has. No DNS, no policy, no clock: only
whether the octets are those that were signed, and whether the field is one that can be read. Shares
nothing with mkdkim.py but the container, so that a slip there does not hide here.
"""

import base64
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

FWS = rb"(?:[ \t]|\r\n[ \t])*"
TVAL = rb"[\x21-\x3a\x3c-\x7e\x80-\xff]"
VALUE = rb"(?:%s(?:%s%s)*)?" % (TVAL, FWS, TVAL)
SPEC = re.compile(rb"(?s)\A%s([A-Za-z][A-Za-z0-9_]*)%s=%s(%s)%s\Z" % (FWS, FWS, FWS, VALUE, FWS))
BASE64 = re.compile(rb"\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
DOMAIN = re.compile(rb"\A[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\Z")
NAME = re.compile(rb"\A[\x21-\x39\x3c-\x7e]+\Z")
CANON = re.compile(rb"\A(simple|relaxed)(?:/(simple|relaxed))?\Z")


class Bad(Exception):
    """A signature that does not verify, for whatever reason."""


def need(what, why):
    if not what:
        raise Bad(why)
    return what


# ---- RFC 6376 3.4

def split(field):
    name, _, value = field.partition(b":")
    return name.rstrip(b" \t").lower(), value


def field_form(c, field):
    if c == b"simple":
        return field
    name, value = split(field)
    words = [w for w in re.split(rb"[ \t]+", value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")) if w]
    return name + b":" + b" ".join(words)


def body_form(c, body):
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if c == b"relaxed":
        body = re.sub(rb"[ \t]+\r\n", b"\r\n", re.sub(rb"[ \t]+", b" ", body))
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return b"" if c == b"relaxed" and body == b"\r\n" else body


# ---- RFC 6376 3.2, 3.5

def tags(value):
    specs = value.split(b";")
    if len(specs) > 1 and re.fullmatch(FWS, specs[-1]):
        specs.pop()
    out = {}
    for spec in specs:
        m = need(SPEC.match(spec), "tag list")
        need(m.group(1) not in out, "tag twice")
        out[m.group(1)] = m.group(2)
    return out


def octets(value):
    text = re.sub(rb"[ \t\r\n]", b"", value)
    need(text and BASE64.match(text), "base64")
    raw = base64.b64decode(text)
    need(base64.b64encode(raw) == text, "base64's last bits")
    return raw


def number(value, digits):
    need(re.fullmatch(rb"[0-9]{1,%d}" % digits, value), "number")
    return int(value)


def names(value, empty=False):
    """`empty`: the public suite of ARC has empty names in h=, and wants them let pass."""
    out = [re.sub(rb"\A%s|%s\Z" % (FWS, FWS), b"", n).lower() for n in value.split(b":")]
    need(all(NAME.match(n) or empty and not n for n in out), "h=")
    return out


def under(name, domain):
    return name == domain or name.endswith(b"." + domain)


def identity(t, domain):
    if b"i" not in t:
        return
    text = re.sub(rb"[ \t\r\n]", b"", t[b"i"])
    need(re.fullmatch(rb"(?:[^=]|=[0-9A-F]{2})*", text), "i=")
    text = re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m.group(1), 16)]), text)
    local, at, host = text.rpartition(b"@")
    need(at and not re.search(rb"[\x00-\x1f\x7f]", local) and DOMAIN.match(host), "i=")
    need(under(host.lower(), domain), "i= outside")


# ---- RFC 6376 3.7, 5.4.2

def lowest(fields, wanted, without):
    left = {}
    for n, f in enumerate(fields):
        if n != without:
            left.setdefault(split(f)[0], []).append(f)
    return [left[n].pop() for n in wanted if left.get(n)]


def emptied(field):
    """b= without its value and the white space round it."""
    m = re.search(rb"(?s)\A([^:]*:(?:[^;]*;)*%sb%s=)[^;]*" % (FWS, FWS), field)
    return m.group(1) + field[m.end():]


def check(t, data, keys):
    d, s = t[b"d"].lower(), t[b"s"].lower()
    need(DOMAIN.match(d) and b"." in d and DOMAIN.match(s), "d= or s=")
    key = need(keys.get(s + b"._domainkey." + d), "no key")
    need(t[b"a"] == key.algorithm + b"-sha256", "a=")
    try:
        if key.algorithm == b"ed25519":
            key.public.verify(octets(t[b"b"]), hashlib.sha256(data).digest())
        else:
            key.public.verify(octets(t[b"b"]), data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Bad("signature") from None


def body_hash(t, form, body):
    text = body_form(form, body)
    if b"l" in t:
        length = number(t[b"l"], 76)
        need(length <= len(text), "l=")
        text = text[:length]
    need(octets(t[b"bh"]) == hashlib.sha256(text).digest(), "body hash")


def message(mail, n, t, wanted, keys, form=b"simple", both=b"simple"):
    """The part that DKIM-Signature and ARC-Message-Signature share."""
    if b"c" in t:
        m = need(CANON.match(t[b"c"]), "c=")
        form, both = m.group(1), m.group(2) or b"simple"
    for tag in (b"t", b"x"):
        if tag in t:
            number(t[tag], 12)
    if b"t" in t and b"x" in t:
        need(int(t[b"x"]) > int(t[b"t"]), "x= before t=")
    if b"q" in t:
        need(b"dns/txt" in [re.sub(rb"\A%s|%s\Z" % (FWS, FWS), b"", q) for q in t[b"q"].split(b":")], "q=")
    body_hash(t, both, mail.body)
    data = b"".join(field_form(form, f) + b"\r\n" for f in lowest(mail.fields, wanted, n))
    check(t, data + field_form(form, emptied(mail.fields[n])), keys)


def signature(mail, n, keys):
    """None: the DKIM-Signature in field n verifies; else why it does not."""
    try:
        t = tags(split(mail.fields[n])[1])
        need(all(x in t for x in (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")), "a tag is missing")
        need(t[b"v"] == b"1", "v=")
        wanted = names(t[b"h"])
        need(b"from" in wanted, "From")
        identity(t, t[b"d"].lower())
        message(mail, n, t, wanted, keys)
    except Bad as why:
        return str(why)
    return None


# ---- RFC 8617 5.2

CFWS = rb"(?:%s\([^()\\]*\))*%s" % (FWS, FWS)
INSTANCE = re.compile(rb"\A%si%s=%s([0-9]{1,2})%s;" % (CFWS, CFWS, CFWS, CFWS))
KINDS = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")


def arc_tags(field):
    """3.9: comments may stand round the instance; 6376 3.2: and nowhere else."""
    return tags(INSTANCE.sub(rb"i=\1;", split(field)[1]))


def collect(mail):
    """[instance - 1][kind]: index of the field."""
    sets = {}
    for n, f in enumerate(mail.fields):
        name, value = split(f)
        if name not in KINDS:
            continue
        if name == KINDS[0]:
            i = int(need(INSTANCE.match(value), "i=").group(1))
        else:
            i = number(need(arc_tags(f).get(b"i"), "i="), 2)
        kinds = sets.setdefault(i, {})
        need(1 <= i <= 50 and name not in kinds, "instance")
        kinds[name] = n
    need(sorted(sets) == list(range(1, len(sets) + 1)), "a gap")
    need(all(len(s) == 3 for s in sets.values()), "a set")
    return [[sets[i][k] for k in KINDS] for i in sorted(sets)]


def arc_message(mail, n, keys):
    t = arc_tags(mail.fields[n])
    need(all(x in t for x in (b"a", b"b", b"bh", b"d", b"h", b"s")), "a tag is missing")
    wanted = names(t[b"h"], empty=True)
    need(b"arc-seal" not in wanted, "h=")
    message(mail, n, t, wanted, keys, b"relaxed", b"relaxed")


def arc_seal(mail, sets, k, keys):
    t = arc_tags(mail.fields[sets[k][2]])
    need(all(x in t for x in (b"a", b"b", b"cv", b"d", b"s")) and b"h" not in t, "tags")
    need(t[b"cv"] == (b"pass" if k else b"none"), "cv=")
    if b"t" in t:
        number(t[b"t"], 12)
    data = [field_form(b"relaxed", mail.fields[n]) for s in sets[:k + 1] for n in s]
    data[-1] = field_form(b"relaxed", emptied(mail.fields[sets[k][2]]))
    check(t, b"\r\n".join(data), keys)


def verifies(mail, n, keys):
    try:
        arc_message(mail, n, keys)
    except Bad:
        return False
    return True


def chain(mail, keys):
    """(result, oldest-pass, why)."""
    try:
        sets = collect(mail)
        if not sets:
            return "none", 0, ""
        arc_message(mail, sets[-1][1], keys)
        for k in range(len(sets)):
            arc_seal(mail, sets, k, keys)
    except Bad as why:
        return "fail", 0, str(why)
    k = len(sets)
    while k > 1 and verifies(mail, sets[k - 2][1], keys):
        k -= 1
    return "pass", 0 if k == 1 else k, ""
