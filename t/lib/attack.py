"""Attack tables (t/vectors/attacks): rows to messages, and what must hold of every answer.

A YAML table has members "zone" (as testdns.py has it, or "bombs"; "@rsa2048@" in a TXT is that key's p=),
"keys" (names that serve the public key of a signer's: {name: key}), "conf" (more of the daemon's
configuration) and "rows". A row:

    name, rfc          what it is called; what decides
    ip helo mail_from  the envelope (mail_from: null sender where it is left out)
    fields, body       the message; text stands for octets, as Latin-1
    sign               signatures, in turn: arguments of mkdkim.sign
    seal               ARC sets, in turn: arguments of mkarc.seal
    then               what is done on the way: [top, FIELD], [bottom, FIELD], [edit, NAME, OLD, NEW],
                       [append, BODY], [body, BODY], [without, NAME]; repeat: [top, FIELD, N]
    want               what the answer says; see Row.wrong
    check: no, milter: no   not through that door
"""

import base64
import json
import os
import re
import subprocess

import authres
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import bombs
import mkarc
import mkdkim
from fixture import ID

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "attacks")
BODY = "Hello.\r\n"
UNSEEN = set("\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u2060\ufeff") | {chr(c) for c in range(0x202a, 0x202f)} | \
    {chr(c) for c in range(0x2066, 0x206a)}


def octets(value):
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def modulus(bits):
    """p= of an RSA key of that length, of which nobody knows the other half."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + (0x1234567 << bits // 2) + 0x10001)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(numbers.public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def with_keys(value):
    """The zone with "@KEY@" replaced by what p= of that key is."""
    if isinstance(value, dict):
        return {k: with_keys(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_keys(v) for v in value]
    if isinstance(value, str) and value.startswith("@HUGE@"):
        return "v=DKIM1; n=" + "x" * 60000 + "; p=AAAA"
    if isinstance(value, str):
        value = re.sub("@BITS([0-9]+)@", lambda m: modulus(int(m.group(1))), value)
        return re.sub("@(rsa[0-9b]+|ed25519)@", lambda m: mkdkim.key(m.group(1)).p().decode(), value)
    return value


class Table:
    def __init__(self, name):
        with open(os.path.join(VECTORS, name), encoding="utf-8") as f:
            table = yaml.safe_load(f)
        self.name, self.conf = name, table.get("conf", "")
        self.zone = bombs.zone() if table.get("zone") == "bombs" else with_keys(table.get("zone") or {})
        for at, key in (table.get("keys") or {}).items():
            self.zone.setdefault(at, []).append({"TXT": mkdkim.key(key).record().decode()})
        self.rows = [Row(row) for row in table["rows"]]
        names = [r.name for r in self.rows]
        assert len(names) == len(set(names)), "%s: a name stands twice" % name


class Row:
    def __init__(self, row):
        self.row, self.name, self.rfc = row, row["name"], row.get("rfc", "")
        self.want = row["want"]
        self.mail = self._mail(row)
        unknown = set(row) - {"name", "rfc", "ip", "helo", "mail_from", "fields", "body", "sign", "seal", "then",
                              "want", "check", "milter"}
        assert not unknown, "%s: %s" % (self.name, unknown)

    @staticmethod
    def _mail(row):
        mail = mkdkim.Mail([octets(f) for f in row.get("fields", [])], octets(row.get("body", BODY)))
        for how in row.get("sign", []):
            mail = mkdkim.sign(mail, **{k: octets(v) if k in ("d", "s", "c", "h", "x", "a", "bh", "template") else
                                        [octets(n) for n in v] if k == "names" else v for k, v in how.items()})
        for how in row.get("seal", []):
            mail = mkarc.seal(mail, how["i"], **{k: octets(v) for k, v in how.items() if k != "i"})
        for op, *args in row.get("then", []):
            mail = Row._step(mail, op, args)
        return mail

    @staticmethod
    def _step(mail, op, args):
        times = args.pop() if op in ("top", "bottom") and isinstance(args[-1], int) else 1
        text = [octets(a) for a in args]
        if op == "append":
            return mail.with_body(mail.body + text[0])
        if op == "body":
            return mail.with_body(text[0])
        if op == "edit":
            return mail.edit(text[0], text[1], text[2])
        if op == "without":
            return mail.without(text[0])
        return getattr(mail, op)(*text * times)

    def envelope(self):
        return {k: octets(self.row[k]) for k in ("ip", "helo", "mail_from") if k in self.row}

    def carried(self):
        """[(name, value)] as an MTA hands it on; None: the protocol cannot carry it."""
        pairs = []
        for f in self.mail.fields:
            m = re.fullmatch(rb"([!-9;-~]+)[ \t]*:([^\0]*)", f, re.S)
            if not m or re.search(rb"(?<!\r)\n|\r(?!\n)|\r\n(?![ \t])", f):
                return None
            pairs.append((m.group(1), m.group(2).replace(b"\r\n", b"\n")))
        return pairs if self.row.get("milter", True) else None

    def wrong(self, got, asked=None):
        """What is wrong with authmill's answer (JSON); [] is nothing. `asked`: [(name, type)]."""
        w, bad = self.want, []

        def hold(what, have, want):
            if have != want:
                bad.append("%s is %r, not %r" % (what, have, want))

        for member, at in (("spf", ("spf", "result")), ("scope", ("spf", "scope")), ("spf_domain", ("spf", "domain")),
                           ("helo", ("spf_helo", "result")), ("dmarc", ("dmarc", "result")),
                           ("from", ("dmarc", "domain")), ("arc", ("arc", "result")), ("iprev", ("iprev", "result")),
                           ("explanation", ("spf", "explanation")), ("spf_reason", ("spf", "reason")),
                           ("spf_aligned", ("dmarc", "spf_aligned")), ("dkim_aligned", ("dmarc", "dkim_aligned"))):
            if member in w:
                hold(member, got.get(at[0], {}).get(at[1]), w[member])
        if "dkim" in w:
            hold("dkim", " ".join(s["result"] for s in got["dkim"]), w["dkim"])
        if "reason" in w:
            hold("reason", got["dkim"][0]["reason"] if got["dkim"] else None, w["reason"])
        if "override" in w:
            hold("override", got["arc"].get("trusted", {}).get("overridden", False), w["override"])
        bad += ["%r is not in the field" % t for t in w.get("has", []) if t not in got["authentication_results"]]
        bad += ["%r is in the field" % t for t in w.get("lacks", []) if t in got["authentication_results"]]
        return bad + (self._wrong_questions(asked) if asked is not None else [])

    def _wrong_questions(self, asked):
        w, names = self.want, [n.lower() for n, _ in asked]
        bad = ["%r was asked for" % n for n in names if any(re.search(p, n) for p in w.get("never", []))]
        bad += ["nothing like %r was asked for" % p for p in w.get("asks", []) if not any(re.search(p, n) for n in names)]
        if len(asked) > w.get("most", 150):
            bad.append("%d questions, more than %d" % (len(asked), w.get("most", 150)))
        bad += ["%r is no name to ask for" % n for n in names if re.search(r"[^!-~]|\\", n) or
                any(not 0 < len(label) < 64 for label in n.split("."))]
        return bad


# ---- What must hold of every answer, whatever came in

def unfolded(value):
    return re.sub(r"\r?\n[ \t]+", " ", value).strip()


def wrong_text(text):
    """One line of UTF-8 without controls and turning marks: [] is good."""
    return ["%r stands in it" % c for c in set(text)
            if ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 or c in UNSEEN]


def wrong_field(value, got=None):
    """A value of Authentication-Results, folded, as another program reads it (python3-authres)."""
    bad = []
    lines = value.split("\n")
    bad += ["line %r" % x for x in lines[1:] if x[:1] not in (" ", "\t")]
    bad += ["line over 998 octets" for x in lines if len(x.encode("utf-8", "surrogateescape")) > 998]
    for line in lines:
        bad += wrong_text(line.replace("\t", " "))
    try:
        plain = re.sub("[^ -~]", "u", unfolded(value))  # python3-authres knows nothing of RFC 6532
        parsed = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + plain)
    except (authres.core.AuthResError, ValueError, TypeError) as e:
        return bad + ["python3-authres: %s: %r" % (e, value)]
    if str(parsed.authserv_id) != ID:
        bad.append("the id is %r" % parsed.authserv_id)
    if got is not None:
        mine = [(r.method, r.result) for r in parsed.results]
        bad += [] if mine == told(got) else ["python3-authres reads %r, JSON says %r" % (mine, told(got))]
    return bad


def told(got):
    """[(method, result)] that the field has to tell, from the JSON object."""
    out = []
    if "spf" in got and got["spf"]["scope"] == "mfrom":
        out.append(("spf", got["spf"]["result"]))
    if "spf_helo" in got:
        out.append(("spf", got["spf_helo"]["result"]))
    elif "spf" in got and got["spf"]["scope"] == "helo":
        out.append(("spf", got["spf"]["result"]))
    if "dkim" in got:
        skipped = [s["reason"] == "not evaluated" for s in got["dkim"]]  # one entry tells of all
        signatures = [s["result"] for n, s in enumerate(got["dkim"]) if not skipped[n] or not any(skipped[:n])]
        out += [("dkim", s) for s in signatures or ["none"]]
    for method in ("arc", "dmarc", "iprev", "auth"):
        if method in got and (method, got[method]["result"]) != ("arc", "none"):
            out.append((method, got[method]["result"]))
    return out


def check(program, row, nameserver, form, *options):
    """`authmill check`; its output. An AssertionError: it did not do its work."""
    command = [program, "check", "--format", form, "--authserv-id", ID, "--receiver", ID, *options,
               "--nameserver", nameserver]
    for option, value in row.envelope().items():
        command += [b"--" + option.replace("_", "-").encode() + b"=" + value]
    ran = subprocess.run(command + ["-"], input=row.mail.octets(), capture_output=True, timeout=60, check=False)
    assert ran.returncode == 0, "exit status %d: %s" % (ran.returncode, ran.stderr.decode(errors="replace"))
    return ran.stdout


def load(text):
    """JSON, which is ASCII as it is written; an AssertionError where it is not."""
    assert re.fullmatch(rb"[ -\x7f\n]*", text), "octets in JSON: %r" % text
    return json.loads(text)
