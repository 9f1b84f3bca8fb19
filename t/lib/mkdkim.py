#!/usr/bin/python3
"""DKIM-signed messages for tests, made without authmill: by Debian's python3-dkim, or by hand on
the exact octets (python3-cryptography) where that normalises too much.

    mkdkim.py DIRECTORY     writes the cases of t/vectors/dkim/cases.py: NAME.eml, keys.zone
    mkdkim.py --list        prints their names, wanted results and the RFC section that decides

Everything is deterministic: fixed keys (t/vectors/dkim/keys), fixed times. Octets are bytes; a
header field is "Name: value" with CRLF at folds and none at its end.
"""

import base64
import hashlib
import os
import re
import sys
import types

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors", "dkim")
NOW = 1763740800  # the moment at which the cases are judged
SIGNED = NOW - 800  # t= where a case says nothing else

dkim.time = types.SimpleNamespace(time=lambda: SIGNED)


# ---- Keys

class Key:
    """A private key of t/vectors/dkim/keys; `algorithm` as in k=."""

    def __init__(self, name):
        with open(os.path.join(VECTORS, "keys", name + ".pem"), "rb") as f:
            self.pem = f.read()
        self.private = serialization.load_pem_private_key(self.pem, None)
        self.public = self.private.public_key()
        self.algorithm = b"ed25519" if name.startswith("ed") else b"rsa"

    def sign(self, data, digest="sha256"):
        """RFC 6376 3.3, RFC 8463 3."""
        if self.algorithm == b"ed25519":
            return self.private.sign(hashlib.new(digest, data).digest())
        h = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}[digest]()
        return self.private.sign(data, padding.PKCS1v15(), h)

    def p(self, pkcs1=False):
        """The value of p=: SubjectPublicKeyInfo, or RSAPublicKey; of Ed25519 the bare octets."""
        e = serialization.Encoding
        f = serialization.PublicFormat
        if self.algorithm == b"ed25519":
            return base64.b64encode(self.public.public_bytes(e.Raw, f.Raw))
        form = f.PKCS1 if pkcs1 else f.SubjectPublicKeyInfo
        return base64.b64encode(self.public.public_bytes(e.DER, form))

    def record(self):
        return b"v=DKIM1; k=" + self.algorithm + b"; p=" + self.p()

    def for_dkimpy(self):
        if self.algorithm == b"rsa":
            return self.pem
        e = serialization
        return base64.b64encode(self.private.private_bytes(
            e.Encoding.Raw, e.PrivateFormat.Raw, e.NoEncryption()))


_keys = {}


def key(name):
    if name not in _keys:
        _keys[name] = Key(name)
    return _keys[name]


# ---- Messages

class Mail:
    def __init__(self, fields, body):
        self.fields = list(fields)
        self.body = body

    def copy(self):
        return Mail(self.fields, self.body)

    def octets(self):
        return b"".join(f + b"\r\n" for f in self.fields) + b"\r\n" + self.body

    # What a case does to a message, each on a copy:
    def top(self, *fields):
        return Mail(list(fields) + self.fields, self.body)

    def bottom(self, *fields):
        return Mail(self.fields + list(fields), self.body)

    def with_body(self, body):
        return Mail(self.fields, body)

    def without(self, name):
        return Mail([f for f in self.fields if name_of(f) != name.lower()], self.body)

    def edit(self, name, old, new, nth=0):
        """Replaces octets (once) in the nth field of that name; they must be there."""
        fields, seen = [], 0
        for f in self.fields:
            if name_of(f) == name.lower():
                if seen == nth:
                    assert old in f, (name, old, f)
                    f = f.replace(old, new, 1)
                seen += 1
            fields.append(f)
        assert seen > nth, name
        return Mail(fields, self.body)

    def edit_body(self, old, new):
        assert old in self.body, old
        return Mail(self.fields, self.body.replace(old, new, 1))

    def swapped(self, one, other):
        """The first fields of these names change places."""
        i = [name_of(f) for f in self.fields].index(one)
        j = len(self.fields) - 1 - [name_of(f) for f in self.fields][::-1].index(other)
        fields = list(self.fields)
        fields[i], fields[j] = fields[j], fields[i]
        return Mail(fields, self.body)


def name_of(field):
    return field.split(b":", 1)[0].rstrip(b" \t").lower()


# ---- RFC 6376 3.4, written for these tests alone

def canon_field(c, field):
    if c == b"simple":
        return field
    name, value = field.split(b":", 1)
    value = re.sub(rb"\r\n(?=[ \t])", b"", value)
    value = re.sub(rb"[ \t]+", b" ", value).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value


def canon_body(c, body):
    lines = body.split(b"\r\n")
    if c == b"relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", x).rstrip(b" ") for x in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if c == b"relaxed" else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


def without_b(field):
    """3.7: the value of b= emptied, with the white space round it."""
    name, value = field.split(b":", 1)
    tags = value.split(b";")
    for i, tag in enumerate(tags):
        if tag.split(b"=", 1)[0].strip() == b"b":
            tags[i] = tag.split(b"=", 1)[0] + b"="
            break
    return name + b":" + b";".join(tags)


def chosen(fields, names):
    """5.4.2: from the bottom up, each field once; what is not there is nothing."""
    rest, out = list(enumerate(fields)), []
    for name in names:
        for i in range(len(rest) - 1, -1, -1):
            if name_of(rest[i][1]) == name:
                out.append(rest.pop(i)[1])
                break
    return out


def fold(b64, every=64):
    return b"\r\n\t".join(b64[i:i + every] for i in range(0, len(b64), every))


TEMPLATE = b"DKIM-Signature: v=1; a=@A@; c=@C@; d=@D@; s=@S@;\r\n\t@X@h=@H@;\r\n\tbh=@BH@;\r\n\tb=@B@"
H = b"from:to:subject:date:message-id"


def sign(mail, k="rsa2048", d=b"example.org", s=None, c=b"relaxed/relaxed", h=H, x=None, a=None,
         template=TEMPLATE, length=None, digest="sha256", bh=None, real_c=None, names=None):
    """The message with a signature on top, signed by hand. `x`: more tags ("t=1; ", each with its
    semicolon and space). `template` places every tag and may add or leave out. `length`: octets of
    the canonical body that are hashed. `real_c`, `names`, `bh`: what is truly done, where the
    field is to say something else or says it strangely."""
    k = key(k) if isinstance(k, str) else k
    real = ((real_c or c).split(b"/") + [b"simple"])[:2]
    if x is None:
        x = b"t=%d; " % SIGNED
    body = canon_body(real[1], mail.body)
    if bh is None:
        bh = base64.b64encode(hashlib.new(digest, body[:length]).digest())
    values = {b"@A@": a or k.algorithm + b"-" + digest.encode(), b"@C@": c, b"@D@": d,
              b"@S@": selector(k) if s is None else s, b"@X@": x, b"@H@": h, b"@BH@": bh}
    field = template
    for at, value in values.items():
        field = field.replace(at, value)
    if names is None:
        names = [n.strip().lower() for n in re.sub(rb"\s", b"", h).split(b":")]
    data = b"".join(canon_field(real[0], f) + b"\r\n" for f in chosen(mail.fields, names))
    data += canon_field(real[0], without_b(field.replace(b"@B@", b"")))
    return mail.top(field.replace(b"@B@", fold(base64.b64encode(k.sign(data, digest)))))


def dkimpy(mail, k="rsa2048", d=b"example.org", c=b"relaxed/relaxed", h=H, length=False,
           identity=None):
    """The same, signed by python3-dkim."""
    k = key(k)
    field = dkim.sign(mail.octets(), selector(k), d, k.for_dkimpy(), identity=identity,
                      canonicalize=tuple(c.split(b"/")), include_headers=h.split(b":"),
                      signature_algorithm=k.algorithm + b"-sha256", length=length)
    assert field.endswith(b"\r\n")
    return mail.top(field[:-2])


def selector(k):
    for name, loaded in _keys.items():
        if loaded is k:
            return name.encode()
    raise KeyError(k)


# ---- Cases and zones

class Case:
    """`want`: a result for each signature, in the message's order. `records`: key records that it
    needs, {name: [TXT, ...]}. `servfail`: the DNS answers SERVFAIL to everything."""

    def __init__(self, name, want, rfc, mail, records=None, servfail=False):
        self.name, self.want, self.rfc, self.mail = name, want.split(), rfc, mail
        self.records, self.servfail = records or {}, servfail


def txt(octets):
    """TXT data as RFC 1035 5.1 writes it; 255 octets a string, and cut where a list is."""
    pieces = octets if isinstance(octets, list) else [octets]
    parts = [p[i:i + 255] for p in pieces for i in range(0, len(p) or 1, 255)]
    return " ".join('"%s"' % "".join(
        chr(o) if 0x20 <= o < 0x7f and chr(o) not in '"\\' else "\\%03d" % o for o in part)
        for part in parts)


def zone(records):
    lines = ["$TTL 300", ". IN SOA ns.test. hostmaster.test. 1 3600 600 86400 300",
             ". IN NS ns.test."]
    for name in sorted(records):
        lines += ["%s. IN TXT %s" % (name, txt(r)) for r in records[name]]
    return "\n".join(lines) + "\n"


def all_records(cases):
    records = {}
    for case in cases:
        for name, value in case.records.items():
            assert records.setdefault(name, value) == value, name
    return records


def write(directory, cases):
    """NAME.eml for every case, and one master file for all; its path."""
    for case in cases:
        with open(os.path.join(directory, case.name + ".eml"), "wb") as f:
            f.write(case.mail.octets())
    path = os.path.join(directory, "keys.zone")
    with open(path, "w", encoding="ascii") as f:
        f.write(zone(all_records(cases)))
    return path


def load_cases():
    sys.path.insert(0, VECTORS)
    sys.dont_write_bytecode = True
    sys.modules.setdefault("mkdkim", sys.modules[__name__])
    import cases
    return cases.cases()


def main(argv):
    if len(argv) != 2:
        print("usage: mkdkim.py DIRECTORY | --list", file=sys.stderr)
        return 64
    cases = load_cases()
    if argv[1] == "--list":
        for case in cases:
            print("%-44s %-24s %s" % (case.name, " ".join(case.want), case.rfc))
    else:
        os.makedirs(argv[1], exist_ok=True)
        write(argv[1], cases)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
