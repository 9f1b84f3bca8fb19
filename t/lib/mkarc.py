"""ARC chains for tests, sealed without authmill: by Debian's python3-dkim and python3-authres.

A chain's sets are sealed in turn, each by a domain and a selector of its own: set 2 by s2.example
with selector k2. What happens to the message between two sealers is a function from Mail to Mail.
Octets are bytes, as in mkdkim.py.
"""

import re

import authres  # noqa: F401 (dkim.arc_sign needs it)
import dkim

import mkdkim
from mkdkim import SIGNED, Mail, key, name_of

H = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version"]
NAMES = {"AAR": b"arc-authentication-results", "AMS": b"arc-message-signature", "AS": b"arc-seal"}
SEALER = "rsa1024"  # short keys keep python3-dkim's arithmetic short

MAIL = Mail([
    b"Received: by mx.author.example; Fri, 21 Nov 2025 15:46:41 +0000",
    b"From: Alice <alice@author.example>",
    b"To: list@s1.example",
    b"Subject: Minutes",
    b"Date: Fri, 21 Nov 2025 15:46:40 +0000",
    b"Message-ID: <1@author.example>",
    b"MIME-Version: 1.0",
], b"Dear all,\r\n\r\nhere they are.\r\n")


def domain(i):
    return b"s%d.example" % i


def seal(mail, i, results=b"dmarc=pass header.from=author.example", cv=None, d=None, h=None):
    """The message with set `i` on top. `results` go into the AAR, as host mx of the sealer."""
    host = b"mx." + (d or domain(i))
    if cv is None:
        cv = b"none" if i == 1 else b"pass"
    told = host + b"; " + results + (b"" if cv == b"none" else b"; arc=" + cv)
    before = mail.top(b"Authentication-Results: " + told)
    k = key(SEALER)
    fields = dkim.arc_sign(before.octets(), b"k%d" % i, d or domain(i), k.for_dkimpy(), host,
                           include_headers=h or H, timestamp=SIGNED)
    assert len(fields) == 3, "python3-dkim did not seal"
    return mail.top(*[f.rstrip(b"\r\n") for f in fields])


def chain(n, mail=MAIL, between=None, **more):
    """`n` sets; `between`: what happens to the message behind the sealer of that instance."""
    for i in range(1, n + 1):
        mail = seal(mail, i, **more)
        if between and i in between and i < n:
            mail = between[i](mail)
    return mail


def records(n, **more):
    """The sealers' keys; `more`: {"k2": [TXT, ...]} for another one, [] for none."""
    out = {"k%d._domainkey.s%d.example" % (i, i): [key(SEALER).record()] for i in range(1, n + 1)}
    for selector, value in more.items():
        out["%s._domainkey.s%s.example" % (selector, selector[1:])] = value
    return out


# ---- Where a chain's fields are, and what may happen to them

def instance(field):
    """Of a field as seal() writes it; 0: it is none of ARC's."""
    m = re.match(rb"(?i)(arc-[a-z-]+):\s*i=(\d+);", field)
    return int(m.group(2)) if m and m.group(1).lower() in NAMES.values() else 0


def at(mail, kind, i):
    """The index of the field."""
    return next(n for n, f in enumerate(mail.fields) if name_of(f) == NAMES[kind] and instance(f) == i)


def field(mail, kind, i):
    return mail.fields[at(mail, kind, i)]


def put(mail, kind, i, *new):
    """These fields instead of that one."""
    n = at(mail, kind, i)
    return Mail(mail.fields[:n] + list(new) + mail.fields[n + 1:], mail.body)


def change(mail, kind, i, pattern, by):
    """Replaces a pattern, which must be there."""
    old = field(mail, kind, i)
    new = re.sub(pattern, by, old, count=1, flags=re.S)
    assert new != old, (kind, i, pattern, old)
    return put(mail, kind, i, new)


def tag(mail, kind, i, name, value):
    """Gives a tag another value; None: takes it out; a new one goes to the end."""
    before, colon, text = field(mail, kind, i).partition(b":")
    tags = [t for t in text.split(b";") if t.strip()]
    own = [t for t in tags if t.partition(b"=")[0].strip() == name]
    assert len(own) < 2
    if value is None:
        assert own, (kind, name)
        tags.remove(own[0])
    elif own:
        tags[tags.index(own[0])] = own[0].partition(b"=")[0] + b"=" + value
    else:
        tags.append(b" " + name + b"=" + value)
    return put(mail, kind, i, before + colon + b";".join(tags))


def tag_value(mail, kind, i, name):
    for t in field(mail, kind, i).partition(b":")[2].split(b";"):
        if t.partition(b"=")[0].strip() == name:
            return t.partition(b"=")[2].strip()
    raise KeyError(name)


def without_set(mail, i):
    return Mail([f for f in mail.fields if instance(f) != i], mail.body)


def write_zone(path, recs):
    with open(path, "w", encoding="ascii") as f:
        f.write(mkdkim.zone(recs))
