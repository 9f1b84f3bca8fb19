"""DKIM cases: a name, the wanted result of each signature, the RFC section that decides, and how
the message comes about. Written from the RFCs; no engine of ours was asked.

Wanted results follow RFC 8601 2.7.1 and the reading that RFC 6376's PERMFAIL is: fail where what
was signed is not what came; neutral where the field cannot be read; permerror where it can, and
what it (or its key) says rules it out; policy where local rules refuse what verifies.
"""

import mkdkim
from mkdkim import Case, Mail, SIGNED, H, NOW, TEMPLATE, dkimpy, key, sign

ALGORITHMS = ("rsa2048", "ed25519")
CANONS = (b"simple/simple", b"simple/relaxed", b"relaxed/simple", b"relaxed/relaxed")

MAIL = Mail([
    b"From: Alice Example <alice@example.org>",
    b"To: Bob  <bob@example.net>",
    b"Subject: Signatures\r\n\tand\ttheir  forms",
    b"Date: Fri, 21 Nov 2025 15:46:40 +0000",
    b"Message-ID: <1@example.org>",
    b"MIME-Version: 1.0",
    b"Content-Type: text/plain; charset=utf-8",
], b"Dear Bob,\r\n\r\ntwo  spaces, a\ttab, and a trailing space \r\nhere.\r\n\r\n-- \r\nAlice\r\n")

BODIES = {
    "plain": b"One line.\r\n",
    "empty": b"",
    "crlf-alone": b"\r\n",
    "crlf-thrice": b"\r\n\r\n\r\n",
    "no-final-crlf": b"One line\r\nand another without an end",
    "trailing-blank-lines": b"One line.\r\n\r\n\r\n\r\n",
    "white-lines-at-end": b"One line.\r\n \t \r\n\t\r\n",
    "white-lines-alone": b"  \r\n\t\r\n",
    "white-no-final-crlf": b"One line. \t",
    "blank-line-first": b"\r\n\r\nOne line.\r\n",
    "tabs": b"a\tb\t\tc \t d\t\r\n\tindented\r\n",
    "eight-bit": "Grüße aus Köln\r\n".encode() + b"\xff\xfe\x80 no UTF-8\r\n",
    "long-line": b"x" * 5000 + b" " * 3000 + b"y\r\n",
    "many-lines": b"".join(b"line %d  of many\r\n" % i for i in range(2000)),
    "dots": b".\r\n..\r\n.dot\r\n",
    "nul": b"a\0b\r\n",
}


class Cases:
    def __init__(self):
        self.cases = []
        self.records = {mkdkim.selector(key(n)).decode() + "._domainkey.example.org":
                        [key(n).record()] for n in
                        ("rsa768", "rsa1024", "rsa2048", "rsa2048b", "rsa4096", "ed25519")}

    def __call__(self, name, want, rfc, mail, records=None, **more):
        self.cases.append(Case(name, want, rfc, mail, {**self.records, **(records or {})}, **more))


def cases():
    case = Cases()
    for section in (forms, bodies, body_changes, header_changes, header_choice, lengths, times,
                    identities, domains, algorithms, several, syntax, values, octets, eai,
                    key_records, key_choice, library_traps):
        section(case)
    names = [c.name for c in case.cases]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
    return case.cases


def tag(c):
    return c.decode().replace("/", "-")


# ---- 3.4: every form by two signers, every body under every form

def forms(case):
    for c in CANONS:
        for k in ALGORITHMS:
            case("form-%s-%s-dkimpy" % (tag(c), k), "pass", "6376 3.4", dkimpy(MAIL, k, c=c))
            case("form-%s-%s" % (tag(c), k), "pass", "6376 3.4", sign(MAIL, k, c=c))
    case("form-default", "pass", "6376 3.5 c=: simple/simple",
         sign(MAIL, template=TEMPLATE.replace(b" c=@C@;", b""), real_c=b"simple/simple"))
    case("form-header-alone", "pass", "6376 3.5 c=: body is simple",
         sign(MAIL, c=b"relaxed", real_c=b"relaxed/simple"))
    case("form-simple-alone", "pass", "6376 3.5 c=", sign(MAIL, c=b"simple"))
    for bits in ("rsa1024", "rsa4096"):
        case("form-" + bits, "pass", "8301 3.2", sign(MAIL, bits))


def bodies(case):
    for name, body in BODIES.items():
        for c in (b"relaxed/simple", b"relaxed/relaxed"):
            mail = MAIL.with_body(body)
            case("body-%s-%s" % (name, c.split(b"/")[1].decode()), "pass",
                 "6376 3.4.3" if c.endswith(b"simple") else "6376 3.4.4",
                 sign(mail, "ed25519", c=c))
    # python3-dkim reads these bodies as the RFC does
    for name in ("plain", "trailing-blank-lines", "white-lines-at-end", "tabs", "eight-bit"):
        for c in (b"simple/simple", b"relaxed/relaxed"):
            case("body-%s-%s-dkimpy" % (name, tag(c)), "pass", "6376 3.4.3, 3.4.4",
                 dkimpy(MAIL.with_body(BODIES[name]), c=c))


# (what, old, new, result when simple, when relaxed)
BODY_CHANGES = [
    ("letter", b"spaces", b"Spaces", "fail", "fail"),
    ("space-at-line-end", b"Bob,", b"Bob, ", "fail", "pass"),
    ("space-doubled", b"a trailing", b"a  trailing", "fail", "pass"),
    ("tab-for-space", b"a trailing", b"a\ttrailing", "fail", "pass"),
    ("space-removed", b"a trailing", b"atrailing", "fail", "fail"),
    ("space-at-line-start", b"here.", b" here.", "fail", "fail"),
    ("blank-line-removed", b"Bob,\r\n\r\n", b"Bob,\r\n", "fail", "fail"),
    ("blank-line-added", b"here.\r\n", b"here.\r\n\r\n", "fail", "fail"),
    ("blank-lines-at-end", b"Alice\r\n", b"Alice\r\n\r\n\r\n", "pass", "pass"),
    ("white-lines-at-end", b"Alice\r\n", b"Alice\r\n  \r\n\t\r\n", "fail", "pass"),
    ("final-crlf-removed", b"Alice\r\n", b"Alice", "pass", "pass"),
    ("line-added", b"Alice\r\n", b"Alice\r\nBuy!\r\n", "fail", "fail"),
    ("line-rewrapped", b"trailing space \r\nhere", b"trailing space here", "fail", "fail"),
    ("lf-for-crlf", b"here.\r\n", b"here.\n", "fail", "fail"),
    ("cr-for-crlf", b"here.\r\n", b"here.\r", "fail", "fail"),
    ("cr-doubled", b"here.\r\n", b"here.\r\r\n", "fail", "fail"),
]


def body_changes(case):
    for c in (b"relaxed/simple", b"relaxed/relaxed"):
        signed = sign(MAIL, c=c)
        for name, old, new, simple, relaxed in BODY_CHANGES:
            case("body-changed-%s-%s" % (name, c.split(b"/")[1].decode()),
                 simple if c.endswith(b"simple") else relaxed, "6376 3.4.3, 3.4.4, 6.1.3",
                 signed.edit_body(old, new))
    case("body-changed-all-gone", "fail", "6376 6.1.3", sign(MAIL).with_body(b""))
    case("body-changed-to-blank-simple", "pass", "6376 3.4.3: empty is CRLF",
         sign(MAIL.with_body(b""), c=b"simple/simple").with_body(b"\r\n\r\n"))
    case("body-changed-to-blank-relaxed", "pass", "6376 3.4.4: empty is nothing",
         sign(MAIL.with_body(b"")).with_body(b" \r\n\r\n"))


# (what, field, old, new, result when simple, when relaxed)
HEADER_CHANGES = [
    ("letter", b"subject", b"forms", b"Forms", "fail", "fail"),
    ("name-case", b"subject", b"Subject", b"SUBJECT", "fail", "pass"),
    ("space-doubled", b"subject", b": S", b":  S", "fail", "pass"),
    ("space-after-colon-removed", b"subject", b": S", b":S", "fail", "pass"),
    ("space-before-colon", b"subject", b"Subject:", b"Subject :", "fail", "pass"),
    ("space-at-end", b"subject", b"forms", b"forms \t", "fail", "pass"),
    ("tab-for-space", b"from", b"Alice Example", b"Alice\tExample", "fail", "pass"),
    ("space-removed", b"from", b"Alice Example", b"AliceExample", "fail", "fail"),
    ("refolded", b"subject", b"Signatures\r\n\tand", b"Signatures and", "fail", "pass"),
    ("folded", b"from", b"Alice Example", b"Alice\r\n  Example", "fail", "pass"),
    ("folded-thrice", b"from", b"Alice Example", b"Alice\r\n \r\n\t\r\n Example", "fail", "pass"),
    ("address", b"from", b"alice@", b"mallory@", "fail", "fail"),
]


def header_changes(case):
    for c in (b"simple/relaxed", b"relaxed/relaxed"):
        signed = sign(MAIL, c=c)
        form = c.split(b"/")[0].decode()
        for name, field, old, new, simple, relaxed in HEADER_CHANGES:
            case("header-changed-%s-%s" % (name, form), simple if form == "simple" else relaxed,
                 "6376 3.4.1, 3.4.2, 6.1.3", signed.edit(field, old, new))
    signed = sign(MAIL)
    case("header-changed-fold-first", "pass", "6376 3.4.2",
         signed.edit(b"subject", b": S", b":\r\n S"))
    case("header-fold-first-signed", "pass", "6376 3.4.2",
         sign(MAIL.edit(b"subject", b": S", b":\r\n S")))
    case("header-fold-first-simple", "pass", "6376 3.4.1",
         sign(MAIL.edit(b"subject", b": S", b":\r\n S"), c=b"simple/simple"))
    case("header-empty-value", "pass", "6376 3.4.2", sign(MAIL.edit(
        b"subject", b" Signatures\r\n\tand\ttheir  forms", b"")))
    case("header-white-value", "pass", "6376 3.4.2", sign(MAIL.edit(
        b"subject", b" Signatures\r\n\tand\ttheir  forms", b" \t ")))
    case("header-long-folded", "pass", "6376 3.4.2", sign(MAIL.edit(
        b"subject", b"forms", b"\r\n ".join(b"word%d  and" % i for i in range(800)))))
    case("header-long-line", "pass", "6376 3.4.2", sign(MAIL.edit(
        b"subject", b"forms", b"y" * 20000)))
    case("header-fields-reordered", "pass", "6376 5.4.2: order of h=",
         signed.swapped(b"to", b"date"))
    case("header-unsigned-added", "pass", "6376 5.4", signed.top(b"X-Seen: yes"))
    case("header-unsigned-changed", "pass", "6376 5.4",
         signed.edit(b"mime-version", b"1.0", b"1.1"))
    case("header-signed-removed", "fail", "6376 5.4.2", signed.without(b"date"))
    for part, old, new in (("h", b"h=from:to", b"h=from:To"), ("d", b"d=example", b"d=Example"),
                           ("bh-spaces", b"bh=", b"bh= \r\n ")):
        case("field-changed-%s" % part, "fail", "6376 3.7: all of the field but b=",
             signed.edit(b"dkim-signature", old, new))
    case("field-refolded-relaxed", "pass", "6376 3.4.2, 3.7",
         signed.edit(b"dkim-signature", b";\r\n\t", b"; \r\n  "))
    case("field-refolded-simple", "fail", "6376 3.4.1, 3.7", sign(
        MAIL, c=b"simple/simple").edit(b"dkim-signature", b";\r\n\t", b"; \r\n  "))
    case("field-b-refolded-simple", "pass", "6376 3.7: b= with its white space", sign(
        MAIL, c=b"simple/simple").edit(b"dkim-signature", b"b=", b"b= \r\n\t "
                                       ).edit(b"dkim-signature", b"==", b"=\t="))
    case("field-name-case-relaxed", "pass", "6376 3.4.2",
         signed.edit(b"dkim-signature", b"DKIM-Signature:", b"dkim-SIGNATURE :"))
    case("field-name-case-simple", "fail", "6376 3.4.1",
         sign(MAIL, c=b"simple/simple").edit(b"dkim-signature", b"DKIM-S", b"Dkim-S"))


# ---- 5.4: which fields

def header_choice(case):
    two = MAIL.bottom(b"Comments: one").bottom(b"Comments: two")
    case("choice-repeated-once", "pass", "6376 5.4.2: the lowest", sign(two, h=H + b":comments"))
    case("choice-repeated-twice", "pass", "6376 5.4.2", sign(two, h=H + b":comments:comments"))
    case("choice-repeated-thrice", "pass", "6376 5.4: a name more than there are",
         sign(two, h=H + b":comments:Comments:COMMENTS"))
    case("choice-upper-changed", "pass", "6376 5.4.2",
         sign(two, h=H + b":comments").edit(b"comments", b"one", b"eins"))
    case("choice-lower-changed", "fail", "6376 5.4.2",
         sign(two, h=H + b":comments").edit(b"comments", b"two", b"zwei", 1))
    case("choice-repeated-swapped", "fail", "6376 5.4.2",
         sign(two, h=H + b":comments:comments").swapped(b"comments", b"comments"))
    case("choice-added-above", "pass", "6376 5.4.2: above is not signed",
         sign(MAIL).top(b"Subject: another"))
    case("choice-added-below", "fail", "6376 5.4.2: below takes its place",
         sign(MAIL).bottom(b"Subject: another"))
    case("choice-oversigned", "pass", "6376 5.4", sign(MAIL, h=b"from:from:subject:subject:to"))
    case("choice-oversigned-added-above", "fail", "6376 5.4",
         sign(MAIL, h=b"from:from:subject:subject:to").top(b"From: mallory@example.com"))
    case("choice-from-doubled-above", "pass", "6376 8.15: the verifier sees one From",
         sign(MAIL).top(b"From: mallory@example.com"))
    case("choice-absent", "pass", "6376 5.4: null input", sign(MAIL, h=H + b":sender:x-none"))
    case("choice-absent-added", "fail", "6376 5.4",
         sign(MAIL, h=H + b":sender").top(b"Sender: mallory@example.com"))
    case("choice-absent-twice", "pass", "6376 5.4", sign(MAIL, h=b"x-a:x-a:from:x-a"))
    case("choice-every-field", "pass", "6376 5.4", sign(
        MAIL, h=b"mime-version:content-type:" + H + b":x-a:x-b:x-c:x-d"))
    case("choice-only-from", "pass", "6376 5.4", sign(MAIL, h=b"From"))
    case("choice-from-last", "pass", "6376 5.4.2", sign(MAIL, h=b"x-none:subject:FROM"))
    case("choice-spaces", "pass", "6376 3.5 h=: FWS round colons",
         sign(MAIL, h=b"from : to :\r\n\t subject\r\n : date"))
    case("choice-no-from", "permerror", "6376 5.4, 6.1.1", sign(MAIL, h=b"to:subject:date"))
    case("choice-from-in-a-name", "permerror", "6376 6.1.1", sign(MAIL, h=b"x-from:fromm:to"))
    case("choice-odd-name", "pass", "5322 3.6.8: ftext",
         sign(MAIL.bottom(b"X!#$%&'*+-/=?^_`{|}~.9: odd"), h=H + b":x!#$%&'*+-/=?^_`{|}~.9"))
    case("choice-many-names", "pass", "6376 5.4", sign(
        MAIL, h=H + b"".join(b":x-field-number-%d" % i for i in range(60))))
    fields = [b"X-N%d: value %d" % (i, i) for i in range(100)]
    case("choice-many-fields", "pass", "6376 5.4", sign(MAIL.bottom(*fields), h=H + b"".join(
        b":x-n%d" % i for i in range(100))))
    case("choice-received", "pass", "6376 5.4.1: advice to signers", sign(
        MAIL.top(b"Received: from a by b;\r\n Fri, 21 Nov 2025 15:46:40 +0000"), h=H + b":received"))


# ---- l=

def lengths(case):
    for c in (b"relaxed/simple", b"relaxed/relaxed"):
        form = c.split(b"/")[1].decode()
        whole = len(mkdkim.canon_body(c.split(b"/")[1], MAIL.body))

        def limited(n, said=None, mail=MAIL):
            return sign(mail, c=c, length=n, x=b"l=%s; " % (said or b"%d" % n))

        exact = limited(whole)
        case("length-exact-" + form, "pass", "6376 3.5 l=", exact)
        case("length-short-" + form, "policy", "6376 8.2, 8601 2.7.1", limited(20))
        case("length-zero-" + form, "policy", "6376 8.2", limited(0))
        case("length-one-less-" + form, "policy", "6376 8.2", limited(whole - 1))
        case("length-too-long-" + form, "fail", "6376 3.5 l=: not more than the body",
             limited(whole + 1))
        case("length-appended-" + form, "policy", "6376 8.2",
             exact.with_body(MAIL.body + b"Buy!\r\n"))
        case("length-signed-part-changed-" + form, "fail", "6376 6.1.3",
             exact.with_body(b"d" + MAIL.body[1:] + b"Buy!\r\n"))
        case("length-blank-lines-appended-" + form, "pass", "6376 3.4.5: canonical octets",
             exact.with_body(MAIL.body + b"\r\n\r\n"))
        case("length-body-cut-" + form, "fail", "6376 3.5 l=", exact.with_body(MAIL.body[:20]))
        case("length-leading-zeros-" + form, "pass", "6376 3.5 l=: 1*76DIGIT",
             limited(whole, b"0" * 60 + b"%d" % whole))
    empty = MAIL.with_body(b"")
    case("length-zero-empty-body", "pass", "6376 3.4.4, 3.5", sign(empty, length=0, x=b"l=0; "))
    case("length-zero-empty-body-simple", "policy", "6376 3.4.3: empty is two octets",
         sign(empty, c=b"simple/simple", length=0, x=b"l=0; "))
    case("length-two-empty-body-simple", "pass", "6376 3.4.3",
         sign(empty, c=b"simple/simple", length=2, x=b"l=2; "))
    case("length-dkimpy", "pass", "6376 3.5 l=", dkimpy(MAIL, length=True))
    case("length-huge", "fail", "6376 3.5 l=", sign(MAIL, x=b"l=%s; " % (b"9" * 76)))
    for name, text in (("77-digits", b"0" * 75 + b"10"), ("negative", b"-1"), ("empty", b""),
                       ("plus", b"+10"), ("letters", b"10a"), ("hex", b"0x10"), ("inner", b"1 0")):
        case("length-" + name, "neutral", "6376 3.5 l=: 1*76DIGIT",
             sign(MAIL, length=10, x=b"l=%s; " % text))


# ---- t=, x=

def times(case):
    day = 86400
    for name, want, x in (
            ("no-time", "pass", b""),
            ("past", "pass", b"t=%d; " % (NOW - 30 * day)),
            ("zero", "pass", b"t=0; "),
            ("future", "permerror", b"t=%d; " % (NOW + day)),
            ("expires-later", "pass", b"t=%d; x=%d; " % (SIGNED, NOW + day)),
            ("expires-first", "pass", b"x=%d; t=%d; " % (NOW + day, SIGNED)),
            ("expired", "permerror", b"t=%d; x=%d; " % (NOW - 2 * day, NOW - day)),
            ("expired-no-t", "permerror", b"x=%d; " % (NOW - day)),
            ("expires-alone", "pass", b"x=%d; " % (NOW + day)),
            ("expires-far", "pass", b"t=%d; x=999999999999; " % SIGNED),
            ("old-but-valid", "pass", b"t=1; x=%d; " % (NOW + day))):
        case("time-" + name, want, "6376 3.5 t= x=", sign(MAIL, x=x))
    case("time-t-empty", "neutral", "6376 3.5 t=: 1*12DIGIT", sign(MAIL, x=b"t=; "))
    case("time-t-letters", "neutral", "6376 3.5 t=", sign(MAIL, x=b"t=now; "))
    case("time-t-13-digits", "neutral", "6376 3.5 t=", sign(MAIL, x=b"t=0001763740000; "))
    case("time-x-letters", "neutral", "6376 3.5 x=", sign(MAIL, x=b"x=later; "))
    case("time-x-before-t", "neutral", "6376 3.5 x=: greater than t=",
         sign(MAIL, x=b"t=%d; x=%d; " % (NOW - 10, NOW - 20)))
    case("time-x-equals-t", "neutral", "6376 3.5 x=: greater than t=",
         sign(MAIL, x=b"t=%d; x=%d; " % (NOW - 10, NOW - 10)))


# ---- i=, d=, s=

def identities(case):
    for name, want, i in (
            ("same", "pass", b"alice@example.org"),
            ("domain-alone", "pass", b"@example.org"),
            ("subdomain", "pass", b"alice@mail.example.org"),
            ("deep-subdomain", "pass", b"@a.b.c.example.org"),
            ("case", "pass", b"@EXAMPLE.org"),
            ("quoted-printable", "pass", b"al=69ce@example.org"),
            ("quoted-at", "pass", b'"a@b"@example.org'),
            ("parent", "permerror", b"@org"),
            ("other", "permerror", b"alice@example.com"),
            ("longer", "permerror", b"@notexample.org"),
            ("tail", "permerror", b"@example.org.example.com")):
        case("identity-" + name, want, "6376 3.5 i=, 6.1.1", sign(MAIL, x=b"i=%s; " % i))
    case("identity-no-at", "neutral", "6376 3.5 i=", sign(MAIL, x=b"i=example.org; "))
    case("identity-empty", "neutral", "6376 3.5 i=", sign(MAIL, x=b"i=; "))
    case("identity-no-domain", "neutral", "6376 3.5 i=", sign(MAIL, x=b"i=alice@; "))
    case("identity-dkimpy", "pass", "6376 3.5 i=",
         dkimpy(MAIL, identity=b"alice@mail.example.org"))


def domains(case):
    def at(d, s="rsa2048", k="rsa2048"):
        return {"%s._domainkey.%s" % (s, d): [key(k).record()]}

    case("domain-third-party", "pass", "6376 2.5: any domain", sign(MAIL, d=b"list.test"),
         at("list.test"))
    case("domain-subdomain", "pass", "6376 3.5 d=", sign(MAIL, d=b"mail.example.org"),
         at("mail.example.org"))
    case("domain-parent-key", "permerror", "6376 3.6.2.1: at d= alone",
         sign(MAIL, d=b"sub.example.org"))
    case("domain-case", "pass", "6376 3.5 d=: compared as DNS does", sign(MAIL, d=b"EXAMPLE.Org"))
    case("domain-spaces", "pass", "6376 3.2: FWS at the ends", sign(MAIL, d=b"\r\n\t example.org "))
    case("domain-empty", "neutral", "6376 3.5 d=", sign(MAIL, d=b""))
    case("domain-one-label", "neutral", "6376 3.5 d=: two labels", sign(MAIL, d=b"localhost"))
    case("domain-dot-at-end", "neutral", "6376 3.5 d=", sign(MAIL, d=b"example.org."))
    case("domain-two-dots", "neutral", "6376 3.5 d=", sign(MAIL, d=b"example..org"))
    case("domain-space-inside", "neutral", "6376 3.5 d=", sign(MAIL, d=b"example .org"))
    case("domain-junk", "neutral", "6376 3.5 d=", sign(MAIL, d=b"exa(mple).org"))
    case("domain-long-label", "neutral", "5321 4.1.2, 1035 2.3.4",
         sign(MAIL, d=b"a" * 64 + b".org"))
    case("selector-dots", "pass", "6376 3.1: sub-domain *(. sub-domain)",
         sign(MAIL, s=b"one.two.three"), at("example.org", "one.two.three"))
    case("selector-digits", "pass", "6376 3.1", sign(MAIL, s=b"20251121"),
         at("example.org", "20251121"))
    case("selector-case", "pass", "1034 3.1", sign(MAIL, s=b"RSA2048"))
    case("selector-empty", "neutral", "6376 3.5 s=", sign(MAIL, s=b""))
    case("selector-unknown", "permerror", "6376 6.1.2", sign(MAIL, s=b"nobody"))


# ---- a=

def algorithms(case):
    case("algorithm-sha1", "permerror", "8301 3.1", sign(MAIL, digest="sha1"))
    case("algorithm-sha1-said", "permerror", "8301 3.1", sign(MAIL, a=b"rsa-sha1"))
    case("algorithm-rsa-768", "permerror", "8301 3.2", sign(MAIL, "rsa768"))
    case("algorithm-unknown-hash", "neutral", "6376 6.1.1", sign(MAIL, a=b"rsa-sha512"))
    case("algorithm-unknown-key", "neutral", "6376 6.1.1", sign(MAIL, a=b"dsa-sha256"))
    case("algorithm-ed25519-sha1", "neutral", "8463 3", sign(MAIL, "ed25519", a=b"ed25519-sha1"))
    case("algorithm-empty", "neutral", "6376 6.1.1", sign(
        MAIL, template=TEMPLATE.replace(b"@A@", b"")))
    case("algorithm-no-hyphen", "neutral", "6376 6.1.1", sign(MAIL, a=b"rsasha256"))
    case("algorithm-other-key-rsa", "permerror", "6376 6.1.2: k= against a=",
         sign(MAIL, "ed25519", a=b"rsa-sha256"))
    case("algorithm-other-key-ed25519", "permerror", "6376 6.1.2: k= against a=",
         sign(MAIL, "rsa2048", a=b"ed25519-sha256"))
    case("algorithm-wrong-rsa-key", "fail", "6376 6.1.3", sign(MAIL, "rsa2048", s=b"rsa2048b"))
    case("algorithm-shorter-rsa-key", "fail", "6376 6.1.3", sign(MAIL, "rsa2048", s=b"rsa1024"))
    case("algorithm-ed25519-over-data", "fail", "8463 3: over the digest", raw_ed25519(MAIL))


def raw_ed25519(mail):
    """An Ed25519 signature over the data itself, not over its SHA-256."""
    class Raw:
        algorithm = b"ed25519"

        @staticmethod
        def sign(data, _digest):
            return key("ed25519").private.sign(data)
    return sign(mail, Raw, s=b"ed25519")


# ---- Several signatures

def several(case):
    both = sign(sign(MAIL, "rsa2048"), "ed25519")
    case("several-two", "pass pass", "8463 4, 6376 6.1", both)
    case("several-first-broken", "fail pass", "6376 6.1: each by itself",
         both.edit(b"dkim-signature", b"h=from:to", b"h=from:cc"))
    case("several-second-broken", "pass fail", "6376 6.1",
         both.edit(b"dkim-signature", b"h=from:to", b"h=from:cc", 1))
    case("several-body-changed", "fail fail", "6376 6.1", both.edit_body(b"Bob", b"Rob"))
    case("several-forms", "pass pass pass pass", "6376 6.1", sign(sign(sign(sign(
        MAIL, c=CANONS[0]), "ed25519", c=CANONS[1]), "rsa1024", c=CANONS[2]), "rsa4096",
        c=CANONS[3]))
    case("several-one-expired", "permerror pass", "6376 6.1",
         sign(sign(MAIL), "ed25519", x=b"x=%d; " % (NOW - 86400)))
    case("several-one-malformed", "neutral pass", "6376 6.1",
         sign(MAIL).top(b"DKIM-Signature: nothing that can be read"))
    case("several-same-key", "pass pass", "6376 6.1", sign(sign(MAIL), h=b"from:date"))
    case("several-copied", "pass pass", "6376 6.1", sign(MAIL).top(sign(MAIL).fields[0]))
    case("several-third-party", "pass pass", "6376 6.1", sign(sign(MAIL), d=b"list.test"),
         {"rsa2048._domainkey.list.test": [key("rsa2048").record()]})
    case("several-list-broke-author", "pass fail", "6376 6.1",
         sign(sign(MAIL).edit(b"subject", b"Sig", b"[list] Sig"), d=b"list.test"),
         {"rsa2048._domainkey.list.test": [key("rsa2048").record()]})
    case("several-below-other-fields", "pass pass", "6376 5.6: trace position is advice",
         Mail(both.fields[2:] + both.fields[:2], both.body))
    case("several-signed-signature", "pass pass", "6376 5.4: may be signed",
         sign(sign(MAIL, "ed25519"), h=H + b":dkim-signature"))
    case("several-signed-signature-changed", "fail fail", "6376 5.4",
         sign(sign(MAIL, "ed25519"), h=H + b":dkim-signature").edit(
             b"dkim-signature", b"b=", b"b=AAAA", 1))
    case("several-own-name-alone", "pass", "6376 3.7: not the one being verified",
         sign(MAIL, h=H + b":dkim-signature"))
    many = MAIL
    for _ in range(12):
        many = sign(many, "ed25519")
    case("several-beyond-limit", " ".join(["pass"] * 10 + ["neutral"] * 2), "6376 6.1: a limit",
         many)


# ---- 3.2, 3.5: the tag list

def syntax(case):
    def made(old, new, **more):
        assert old in TEMPLATE, old
        return sign(MAIL, template=TEMPLATE.replace(old, new, 1), **more)

    for name, old in (("v", b" v=1;"), ("a", b" a=@A@;"), ("d", b" d=@D@;"), ("s", b" s=@S@;"),
                      ("h", b"h=@H@;\r\n\t"), ("bh", b"bh=@BH@;\r\n\t")):
        case("syntax-missing-" + name, "neutral", "6376 6.1.1: required tags", made(old, b""))
    signed = sign(MAIL)
    case("syntax-missing-b", "neutral", "6376 6.1.1",
         Mail([signed.fields[0].split(b";\r\n\tb=")[0]] + MAIL.fields, MAIL.body))
    for name, old, new in (
            ("v", b"v=1;", b"v=1; v=1;"), ("a", b"a=@A@;", b"a=@A@; a=@A@;"),
            ("c", b"c=@C@;", b"c=@C@; c=@C@;"), ("d", b"d=@D@;", b"d=@D@; d=@D@;"),
            ("s", b"s=@S@;", b"s=@S@; s=@S@;"), ("h", b"h=@H@;", b"h=@H@; h=@H@;"),
            ("bh", b"bh=@BH@;", b"bh=@BH@; bh=@BH@;"), ("t", b"@X@", b"@X@@X@"),
            ("unknown", b"@X@", b"y=1; @X@y=2; "), ("b", b"b=@B@", b"b=@B@; b=AAAA")):
        case("syntax-twice-" + name, "neutral", "6376 3.2: no name twice", made(old, new))
    for name, old in (("v", b"v=1"), ("h", b"h=@H@"), ("c", b"c=@C@"), ("bh", b"bh=@BH@")):
        case("syntax-empty-" + name, "neutral", "6376 3.5",
             made(old, old.split(b"=")[0] + b"="))
    case("syntax-empty-b", "neutral", "6376 3.5 b=",
         Mail([signed.fields[0].split(b"\tb=")[0] + b"\tb="] + MAIL.fields, MAIL.body))
    for name, v in (("2", b"v=2"), ("0.5", b"v=0.5"), ("01", b"v=01"), ("1.0", b"v=1.0")):
        case("syntax-version-" + name, "neutral", "6376 3.5 v=, 6.1.1", made(b"v=1", v))
    case("syntax-v-not-first", "pass", "6376 3.2: any order",
         made(b"v=1; a=@A@;", b"a=@A@; v=1;"))
    case("syntax-b-first", "pass", "6376 3.7", sign(MAIL, template=(
        b"DKIM-Signature: b=@B@;\r\n bh=@BH@; h=@H@; v=1; a=@A@; c=@C@; d=@D@; s=@S@; t=1")))
    case("syntax-b-first-simple", "pass", "6376 3.7", sign(MAIL, c=b"simple/simple", template=(
        b"DKIM-Signature: b=@B@ ;\r\n bh=@BH@; h=@H@; v=1; a=@A@; c=@C@; d=@D@; s=@S@; t=1")))
    case("syntax-b-spaced", "pass", "6376 3.2, 3.7: FWS round =", sign(
        MAIL, c=b"simple/simple", template=TEMPLATE.replace(b"b=@B@", b"b\r\n\t = @B@")))
    case("syntax-b-spaced-relaxed", "pass", "6376 3.2, 3.7", sign(
        MAIL, template=TEMPLATE.replace(b"b=@B@", b"b = @B@")))
    case("syntax-tags-spaced", "pass", "6376 3.2: FWS", sign(MAIL, template=TEMPLATE.replace(
        b"v=1; a=@A@", b"\r\n\tv\t=\r\n 1 \r\n ; a = @A@ ")))
    case("syntax-no-spaces", "pass", "6376 3.2", sign(MAIL, template=(
        b"DKIM-Signature:v=1;a=@A@;c=@C@;d=@D@;s=@S@;h=@H@;bh=@BH@;b=@B@")))
    case("syntax-fold-first", "pass", "6376 3.4.2", sign(MAIL, template=TEMPLATE.replace(
        b": v", b":\r\n\tv")))
    case("syntax-final-semicolon", "pass", "6376 3.2", sign(MAIL, template=TEMPLATE + b";"))
    case("syntax-final-semicolon-space", "pass", "6376 3.2, erratum 5070",
         sign(MAIL, template=TEMPLATE + b"; ", c=b"relaxed/relaxed"))
    case("syntax-cr-for-space", "neutral", "6376 2.8: FWS is WSP and CRLF WSP",
         made(b"v=1; a", b"v=1;\ra"))
    case("syntax-two-semicolons", "neutral", "6376 3.2", made(b"v=1;", b"v=1;;"))
    case("syntax-leading-semicolon", "neutral", "6376 3.2", made(b"v=1;", b"; v=1;"))
    case("syntax-no-equals", "neutral", "6376 3.2", made(b"v=1;", b"v=1; word;"))
    case("syntax-digit-name", "neutral", "6376 3.2: ALPHA first", made(b"v=1;", b"v=1; 9=x;"))
    case("syntax-name-junk", "neutral", "6376 3.2", made(b"v=1;", b"v=1; x-y=z;"))
    case("syntax-unknown-tags", "pass", "6376 3.2: ignored",
         made(b"v=1;", b"v=1; x_1=y=z; foo=;\r\n bar=a,b:c|d;"))
    case("syntax-upper-names", "neutral", "6376 3.2: names are case-sensitive",
         made(b"v=1;", b"V=1;"))
    case("syntax-control", "neutral", "6376 3.2: tval is VALCHAR", made(b"@X@", b"y=\x01; @X@"))
    case("syntax-z", "pass", "6376 3.5 z=: for people",
         made(b"@X@", b"z=From:a@b|To:x=20y|Subject:=3D; @X@"))
    case("syntax-r", "pass", "6651 3.2", made(b"@X@", b"r=y; @X@"))
    case("syntax-long", "pass", "6376 3.5", made(b"@X@", b"y=" + b"\r\n ".join(
        [b"z" * 900] * 12) + b"; @X@"))
    case("syntax-nothing", "neutral", "6376 6.1.1", MAIL.top(b"DKIM-Signature:"))
    case("syntax-blank", "neutral", "6376 6.1.1", MAIL.top(b"DKIM-Signature: \r\n \t"))
    case("syntax-unsigned", "", "6376 6.1: no signature", MAIL)
    case("syntax-other-name", "", "6376 3.5", MAIL.top(b"X-DKIM-Signature: v=1"))


def values(case):
    signed = sign(MAIL)
    sig = signed.fields[0]
    b = sig.split(b"b=")[-1]
    bh = sig.split(b"bh=")[1].split(b";")[0]

    def with_b(new):
        return Mail([sig[:-len(b)] + new] + MAIL.fields, MAIL.body)

    case("value-b-spaces", "pass", "6376 3.5 b=: FWS ignored",
         with_b(b" " + b.replace(b"\r\n\t", b"")[:50] + b" \r\n \t" +
                b.replace(b"\r\n\t", b"")[50:]))
    case("value-b-one-octet", "fail", "6376 6.1.3",
         with_b((b"B" if b[:1] != b"B" else b"C") + b[1:]))
    case("value-b-junk-inside", "neutral", "6376 3.5 b=: base64string", with_b(b[:9] + b"*" + b[9:]))
    case("value-b-junk-after", "neutral", "6376 3.5 b=", with_b(b + b"junk"))
    case("value-b-junk-far-after", "neutral", "6376 3.5 b=", with_b(b + b" AAAA"))
    case("value-b-not-padded", "neutral", "6376 3.5 b=", with_b(b.rstrip(b"=")))
    case("value-b-short", "fail", "6376 6.1.3", with_b(b"AAAA"))
    case("value-b-long", "fail", "6376 6.1.3", with_b(b"AAAA" + b))
    case("value-b-zeros", "fail", "6376 6.1.3", with_b(b"A" * 342 + b"=="))
    case("value-bh-spaces", "pass", "6376 3.5 bh=: FWS ignored",
         sign(MAIL, bh=bh[:7] + b" \r\n\t" + bh[7:]))
    case("value-bh-wrong", "fail", "6376 6.1.3",
         sign(MAIL, bh=b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="))
    case("value-bh-junk-after", "neutral", "6376 3.5 bh=", sign(MAIL, bh=bh + b"AAAA"))
    case("value-bh-junk-inside", "neutral", "6376 3.5 bh=", sign(MAIL, bh=bh[:9] + b"-" + bh[9:]))
    case("value-bh-other-length", "fail", "6376 6.1.3", sign(MAIL, bh=b"AAAA"))
    for name, c in (("unknown", b"fancy/simple"), ("unknown-body", b"simple/fancy"),
                    ("three", b"simple/simple/simple"), ("slash", b"simple/"),
                    ("case", b"Relaxed/Relaxed"), ("nowsp", b"nowsp")):
        case("value-c-" + name, "neutral", "6376 3.5 c=, 3.2: case counts",
             sign(MAIL, c=c, real_c=b"simple/simple"))
    for name, want, q in (("dns", "pass", b"dns/txt"), ("unknown-too", "pass", b"finger:dns/txt"),
                          ("spaces", "pass", b"dns/txt : x/y"), ("unknown", "neutral", b"finger"),
                          ("dns-other", "neutral", b"dns/xyz"), ("dns-alone", "neutral", b"dns")):
        case("value-q-" + name, want, "6376 3.5 q=", sign(MAIL, x=b"q=%s; " % q))
    for name, h in (("colon-first", b":from:to"), ("colon-last", b"from:to:"),
                    ("two-colons", b"from::to"), ("space-inside", b"from:sub ject"),
                    ("control", b"from:to\x7f")):
        case("value-h-" + name, "neutral", "6376 3.5 h=: field-name *(: field-name)",
             sign(MAIL, h=h, names=[b"from", b"to"]))


# ---- Octets that are no text

def octets(case):
    utf8 = MAIL.edit(b"subject", b"Signatures", "Grüße aus Köln".encode()).edit(
        b"from", b"Alice", "Álice".encode())
    for c in (b"simple/simple", b"relaxed/relaxed"):
        case("octets-utf8-header-" + tag(c), "pass", "8616 2: as it stands", sign(utf8, c=c))
    case("octets-utf8-header-changed", "fail", "6376 6.1.3",
         sign(utf8).edit(b"subject", "ü".encode(), "u\u0308".encode()))
    case("octets-latin1-header", "pass", "6376 3.4.2",
         sign(MAIL.edit(b"subject", b"Signatures", b"Gr\xfc\xdfe")))
    case("octets-nbsp-header", "fail", "6376 3.4.2: WSP is SP and TAB",
         sign(MAIL).edit(b"from", b"Alice Example", b"Alice\xa0Example"))
    for name, body in (("lf", b"one\ntwo\r\n"), ("cr", b"one\rtwo\r\n"), ("lf-last", b"one\r\ntwo\n"),
                       ("cr-last", b"one\r\ntwo\r"), ("lf-only", b"one\n\ntwo\n"),
                       ("crcrlf", b"one\r\r\ntwo\r\r\n"), ("lfcr", b"one\n\rtwo\r\n"),
                       ("space-lf", b"one \ntwo\r\n")):
        for form in (b"simple", b"relaxed"):
            case("octets-body-%s-%s" % (name, form.decode()), "pass",
                 "6376 3.4.3, 3.4.4: CRLF alone ends a line",
                 sign(MAIL.with_body(body), "ed25519", c=b"relaxed/" + form))
    case("octets-body-lf-dropped", "fail", "6376 3.4.3",
         sign(MAIL.with_body(b"one\r\ntwo\r\n"), c=b"simple/simple").with_body(b"one\ntwo\r\n"))
    case("octets-header-bare-cr", "pass", "6376 3.4.2",
         sign(MAIL.edit(b"subject", b"Signatures", b"Sig\rnatures")))
    case("octets-header-nul-signed", "pass", "6376 3.4.1",
         sign(MAIL.edit(b"subject", b"Signatures", b"Sig\0natures"), c=b"simple/simple"))


# ---- RFC 8616

def eai(case):
    a = "xn--bcher-kva.test"
    u = "bücher.test".encode()
    records = {"rsa2048._domainkey." + a: [key("rsa2048").record()]}
    case("eai-u-label", "pass", "8616 4: A-labels for the DNS", sign(MAIL, d=u), records)
    case("eai-a-label", "pass", "8616 4", sign(MAIL, d=a.encode()), records)
    case("eai-identity-u-under-a", "pass", "8616 4: compared as A-labels",
         sign(MAIL, d=a.encode(), x=b"i=alice@" + u + b"; "), records)
    case("eai-identity-utf8-local", "pass", "8616 4",
         sign(MAIL, x="i=ålice@example.org; ".encode()))
    case("eai-not-utf8", "neutral", "8616 4", sign(MAIL, d=b"b\xfccher.test"), records)
    case("eai-utf8-unknown-tag", "pass", "8616 5", sign(MAIL, x="y=grün; ".encode()))
    case("eai-not-utf8-unknown-tag", "neutral", "8616 5", sign(MAIL, x=b"y=gr\xfcn; "))
    r = "r3--x."
    case("eai-u-label-and-hyphens", "pass", "8616 3: those labels, and no others",
         sign(MAIL, d=r.encode() + u), {"rsa2048._domainkey." + r + a: [key("rsa2048").record()]})


# ---- 3.6.1: the key record

def key_records(case):
    rsa, ed = key("rsa2048"), key("ed25519")
    p = rsa.p()

    def tried(name, want, rfc, record, signer="rsa2048", x=None, several=None):
        where = "k-%s._domainkey.example.org" % name
        case("key-" + name, want, rfc, sign(MAIL, signer, s=b"k-" + name.encode(), x=x),
             {where: several or [record]})

    for name, record in (
            ("p-alone", b"p=" + p),
            ("no-version", b"k=rsa; p=" + p),
            ("default-type", b"v=DKIM1; p=" + p),
            ("no-spaces", b"v=DKIM1;k=rsa;p=" + p),
            ("spaces", b" v = DKIM1 ;\tk = rsa ; p = " + p + b" "),
            ("final-semicolon", b"v=DKIM1; p=" + p + b";"),
            ("p-first", b"p=" + p + b"; k=rsa"),
            ("p-spaces", b"v=DKIM1; p=" + p[:30] + b" " + p[30:99] + b"  " + p[99:]),
            ("note", b"v=DKIM1; n=for=20people only; p=" + p),
            ("unknown-tag", b"v=DKIM1; g=*; x=; p=" + p),
            ("hash", b"v=DKIM1; h=sha256; p=" + p),
            ("hashes", b"v=DKIM1; h=sha1 : sha256:md9; p=" + p),
            ("service-all", b"v=DKIM1; s=*; p=" + p),
            ("service-email", b"v=DKIM1; s=email; p=" + p),
            ("service-list", b"v=DKIM1; s=tlsrpt : email; p=" + p),
            ("testing", b"v=DKIM1; t=y; p=" + p),
            ("strict", b"v=DKIM1; t=s; p=" + p),
            ("flags", b"v=DKIM1; t=x : y : s; p=" + p),
            ("long-note", b"v=DKIM1; n=" + b"blah" * 300 + b"; p=" + p),
            ("pkcs1", b"v=DKIM1; p=" + rsa.p(pkcs1=True))):
        tried(name, "pass", "6376 3.6.1", record)
    tried("ed25519", "pass", "8463 4", b"v=DKIM1; k=ed25519; p=" + ed.p(), "ed25519")
    tried("ed25519-wrong-length", "permerror", "8463 4", b"v=DKIM1; k=ed25519; p=AAAA", "ed25519")
    tried("ed25519-no-k", "permerror", "6376 3.6.1 k=: rsa", b"v=DKIM1; p=" + ed.p(), "ed25519")
    for name, record in (
            ("revoked", b"v=DKIM1; p="), ("revoked-space", b"v=DKIM1; k=rsa; p= "),
            ("no-p", b"v=DKIM1; k=rsa"), ("version-2", b"v=DKIM2; p=" + p),
            ("version-case", b"v=dkim1; p=" + p), ("version-empty", b"v=; p=" + p),
            ("version-not-first", b"k=rsa; v=DKIM1; p=" + p),
            ("type-unknown", b"v=DKIM1; k=dsa; p=" + p), ("type-empty", b"v=DKIM1; k=; p=" + p),
            ("type-ed25519", b"v=DKIM1; k=ed25519; p=" + p),
            ("hash-sha1", b"v=DKIM1; h=sha1; p=" + p), ("hash-unknown", b"v=DKIM1; h=md9; p=" + p),
            ("hash-empty", b"v=DKIM1; h=; p=" + p),
            ("service-other", b"v=DKIM1; s=tlsrpt; p=" + p),
            ("service-empty", b"v=DKIM1; s=; p=" + p),
            ("p-twice", b"v=DKIM1; p=" + p + b"; p=" + p),
            ("p-junk", b"v=DKIM1; p=" + p[:50] + b"*" + p[50:]),
            ("p-junk-after", b"v=DKIM1; p=" + p + b"==AAAA"),
            ("p-cut", b"v=DKIM1; p=" + p[:-8]), ("p-no-key", b"v=DKIM1; p=AAAA"),
            ("p-padding-only", b"v=DKIM1; p===="), ("two-semicolons", b"v=DKIM1;; p=" + p),
            ("no-list", b"this is no key"), ("empty", b""),
            ("quoted", b'"v=DKIM1; p=' + p + b'"'),
            ("note-utf8", "v=DKIM1; n=grün; p=".encode() + p),
            ("note-latin1", b"v=DKIM1; n=gr\xfcn; p=" + p)):
        tried(name, "permerror", "6376 3.6.1, 6.1.2", record)
    i = b"i=alice@mail.example.org; "
    tried("strict-subdomain", "permerror", "6376 3.6.1 t=s", b"v=DKIM1; t=s; p=" + p, x=i)
    tried("strict-same", "pass", "6376 3.6.1 t=s", b"v=DKIM1; t=y:s; p=" + p,
          x=b"i=alice@EXAMPLE.org; ")
    tried("not-strict-subdomain", "pass", "6376 3.6.1", b"v=DKIM1; t=y; p=" + p, x=i)
    tried("split", "pass", "6376 3.6.2.2: joined with nothing between", None,
          several=[[b"v=DKIM1; k=r", b"sa; p=" + p[:100], b"", p[100:]]])
    tried("split-adds-nothing", "permerror", "6376 3.6.2.2", None,
          several=[[b"v=DKIM1", b"k=rsa", b"p=" + p]])
    case("key-testing-broken", "fail", "6376 3.6.1 t=y, 8601", sign(
        MAIL, s=b"k-testing").edit_body(b"Bob", b"Rob"),
        {"k-testing._domainkey.example.org": [b"v=DKIM1; t=y; p=" + p]})
    case("key-no-answer", "temperror", "6376 6.1.2: SERVFAIL", sign(MAIL), servfail=True)
    tried("rsa-768", "permerror", "8301 3.2", key("rsa768").record(), "rsa768")


def key_choice(case):
    """Several records at one name (6.1.2, 3.6.2.2 leave it open): the first that is a usable key."""
    good = key("rsa2048").record()
    where = "k-%s._domainkey.example.org"
    for name, want, records in (
            ("junk-first", "pass", [b"v=spf1 -all", good]),
            ("junk-last", "pass", [good, b"v=spf1 -all"]),
            ("other-type-first", "pass", [key("ed25519").record(), good]),
            ("junk-alone", "permerror", [b"v=spf1 -all", b"junk"])):
        case("keys-" + name, want, "6376 3.6.2.2: undefined; first usable",
             sign(MAIL, s=b"k-" + name.encode()), {where % name: records})


# ---- Messages that libopendkim is known to read otherwise; it must never pass what fails

def library_traps(case):
    signed = sign(MAIL)
    for name, octet in (("vt", b"\v"), ("ff", b"\f"), ("cr", b"\r"), ("lf", b"\n")):
        case("trap-%s-for-space" % name, "fail", "6376 3.4.2: WSP is SP and TAB",
             signed.edit(b"from", b"Alice Example", b"Alice" + octet + b"Example"))
    case("trap-nul-hides", "fail", "6376 3.4.2",
         signed.edit(b"subject", b"forms", b"forms\0 and more"))
    case("trap-nul-hides-simple", "fail", "6376 3.4.1",
         sign(MAIL, c=b"simple/simple").edit(b"subject", b"forms", b"forms\0 and more"))
    case("trap-tag-ends-in-b", "fail", "6376 3.7: b= alone is emptied",
         sign(MAIL, x=b"xb=one; ").edit(b"dkim-signature", b"xb=one", b"xb=two"))
    case("trap-tag-ends-in-b-emptied", "fail", "6376 3.7: b= alone is emptied",
         signed_over(MAIL, lambda text: text.replace(b"xb=one", b"xb="), x=b"xb=one; "))
    case("trap-tag-ends-in-b-kept", "pass", "6376 3.2", sign(MAIL, x=b"xb=one; "))
    body_hash = signed.fields[0].split(b"bh=")[1].split(b";")[0]
    case("trap-bh-in-capitals", "fail", "6376 3.2: names are case-sensitive",
         sign(MAIL, bh=b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
              template=TEMPLATE.replace(b"b=@B@", b"bH=" + body_hash + b"; b=@B@")))
    case("trap-blank-cr-lines", "fail", "6376 3.4.3: CR is no line's end",
         sign(MAIL, c=b"simple/simple").with_body(MAIL.body + b"\r\r\n"))
    case("trap-fold-first-other-text", "fail", "6376 3.4.2: no WSP after the colon",
         signed_over(MAIL.edit(b"subject", b": S", b":\r\n S"),
                     lambda text: text.replace(b"subject:", b"subject: "), h=b"from:subject"))
    names = b"".join(b":x-%08d" % i for i in range(500))
    case("trap-long-h", "pass", "6376 3.5 h=", sign(MAIL, h=b"from" + names + b":subject"))
    case("trap-long-h-cut", "fail", "6376 3.5 h=: all of it",
         sign(MAIL, h=b"from" + names + b":subject", names=[b"from"]))
    case("trap-all-fields-used", "pass", "6376 5.4",
         sign(Mail([b"From: a@example.org"], b"\r\n"), h=b"from:from:x:y:z"))
    case("trap-from-group", "pass", "6376 6.1: From need not parse",
         sign(MAIL.edit(b"from", b"Alice Example <alice@example.org>", b"undisclosed:;")))
    case("trap-from-odd", "pass", "6376 6.1: From need not parse",
         sign(MAIL.edit(b"from", b"Alice Example <alice@example.org>", b'"unbalanced <a@b')))
    case("trap-no-from", "pass", "6376 5.4: a name without a field",
         sign(MAIL.without(b"from")))


def signed_over(mail, misread, **more):
    """Signed by one who canonicalises fields wrongly: `misread` changes each canonical text."""
    real = mkdkim.canon_field
    try:
        mkdkim.canon_field = lambda c, f: misread(real(c, f))
        return sign(mail, **more)
    finally:
        mkdkim.canon_field = real
