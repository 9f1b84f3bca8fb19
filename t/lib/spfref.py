"""check_host of RFC 7208 once more, straight from its text: what t/spf-diff.py holds authmill against.

    result, explanation = SPF(ask, ip, helo, local, domain, receiver).check()

ask(name, type) gives a list of strings (TXT: an octet a character), or raises TempError. It is slow,
waits for nothing, and shares no line and no idea with libauth/spf: the grammar is regular expressions.
"""

import ipaddress
import re
import urllib.parse


class PermError(Exception):
    pass


class TempError(Exception):
    pass


# 7.1; a number of parts is not zero (7.3)
def macro(letters):
    return r"%%(?:[%%_-]|\{[%s](?!0+\D)[0-9]*r?[.\-+,/_=]*\})" % letters


def macro_string(letters, more=""):
    return r"(?:%s|[!-$&-~%s])*" % (macro(letters), more)


LETTERS = "slodiphv"
TOPLABEL = r"(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])"
DOMAIN = r"(?P<domain>%s(?:\.%s\.?|%s))" % (macro_string(LETTERS), TOPLABEL, macro(LETTERS))
BITS4 = r"(?:/(?P<bits4>0|[1-9][0-9]?))?"
BITS6 = r"(?:%s(?P<bits6>0|[1-9][0-9]{0,2}))?"


def grammar(pattern):
    return re.compile(pattern + r"\Z", re.IGNORECASE)


MECHANISMS = {  # 5
    "all": grammar("all"),
    "include": grammar("include:" + DOMAIN),
    "a": grammar("a(?::%s)?" % DOMAIN + BITS4 + BITS6 % "//"),
    "mx": grammar("mx(?::%s)?" % DOMAIN + BITS4 + BITS6 % "//"),
    "ptr": grammar("ptr(?::%s)?" % DOMAIN),
    "ip4": grammar("ip4:(?P<net>[0-9.]+)" + BITS4),
    "ip6": grammar("ip6:(?P<net>[0-9a-f:.]+)" + BITS6 % "/"),
    "exists": grammar("exists:" + DOMAIN),
}
MODIFIER = grammar("([a-z][a-z0-9._-]*)=(.*)")
DOMAIN_SPEC = grammar(DOMAIN)
MACRO_STRING = grammar(macro_string(LETTERS))
EXPLAIN_STRING = grammar(macro_string(LETTERS + "crt", " "))
PIECE = re.compile(r"%([%_-])|%\{([a-z])([0-9]*)(r?)([^}]*)\}|([^%]+)", re.IGNORECASE)
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


def parse_mechanism(text):
    qualifier = text[0] if text[0] in RESULTS else "+"
    text = text[1:] if text[0] in RESULTS else text
    for kind, rule in MECHANISMS.items():
        m = rule.match(text)
        if not m:
            continue
        g = m.groupdict()
        bits = {4: int(g.get("bits4") or 32), 6: int(g.get("bits6") or 128)}
        if bits[4] > 32 or bits[6] > 128:
            raise PermError(text)
        try:
            net = g.get("net") and (ipaddress.IPv4Address if kind == "ip4" else ipaddress.IPv6Address)(g["net"])
        except ValueError:
            raise PermError(text) from None
        return RESULTS[qualifier], kind, g.get("domain"), bits, net
    raise PermError(text)


def parse(record):
    """4.6: terms in their order, and the two modifiers."""
    terms, modifiers = [], {}
    for text in record[len("v=spf1"):].split(" "):
        modifier = MODIFIER.match(text)
        if not text:
            continue
        if not modifier:
            terms.append(parse_mechanism(text))
            continue
        name, value = modifier.group(1).lower(), modifier.group(2)
        known = name in ("redirect", "exp")
        if name in modifiers or not (DOMAIN_SPEC if known else MACRO_STRING).match(value):
            raise PermError(text)
        if known:
            modifiers[name] = value
    return terms, modifiers


def is_record(text):  # 4.5
    return re.match(r"v=spf1( |\Z)", text, re.IGNORECASE) is not None


def is_name(name):  # 4.3
    labels = name[:-1].split(".") if name.endswith(".") else name.split(".")
    return len(name) <= 253 and "\\" not in name and all(0 < len(label) < 64 for label in labels)


def is_under(name, domain):
    return ("." + name.lower()).endswith("." + domain.lower())


class SPF:
    def __init__(self, ask, ip, helo, local, domain, receiver, voids=2):
        ip = ipaddress.ip_address(ip)
        self.ask = ask
        self.ip = ip.ipv4_mapped or ip if ip.version == 6 else ip  # 5
        self.type = "A" if self.ip.version == 4 else "AAAA"
        dotted = str(self.ip) if self.ip.version == 4 else ".".join(self.ip.exploded.replace(":", ""))
        local = local or "postmaster"  # 4.3
        self.values = {"s": local + "@" + domain, "l": local, "o": domain, "h": helo, "r": receiver, "i": dotted,
                       "c": str(self.ip), "v": "in-addr" if self.ip.version == 4 else "ip6"}
        self.domain = domain
        self.terms, self.voids = 10, voids  # 4.6.4: left
        self.names = None
        self.explanation = None  # the exp= that counts, and its domain

    def count_term(self):
        self.terms -= 1
        if self.terms < 0:
            raise PermError("terms")

    def count_void(self, void):
        self.voids -= void
        if self.voids < 0:
            raise PermError("void look-ups")

    # ---- 5.5, 7

    def find_names(self):
        """The client's validated names; errors of the DNS leave names out."""
        if self.names is not None:
            return
        self.names, self.no_ptr = [], False
        try:
            reverse = ".".join(reversed(self.values["i"].split("."))) + "." + self.values["v"] + ".arpa"
            ptr = self.ask(reverse, "PTR")
            self.no_ptr = not ptr
        except TempError:
            return
        for name in ptr[:10]:
            try:
                if is_name(name) and self.holds(self.ask(name, self.type), {4: 32, 6: 128}):
                    self.names.append(name)
            except TempError:
                pass

    def value(self, letter, domain):
        if letter == "d":
            return domain
        if letter != "p":
            return self.values[letter]
        self.find_names()
        best = [n for n in self.names if n.lower() == domain.lower()]
        best += [n for n in self.names if is_under(n, domain)]
        return (best + self.names + ["unknown"])[0]

    def expand(self, spec, domain):
        out = ""
        for special, letter, keep, reverse, delimiters, literal in PIECE.findall(spec):
            if not letter:
                out += literal or {"%": "%", "_": " ", "-": "%20"}[special]
                continue
            parts = re.split("[%s]" % re.escape(delimiters or "."), self.value(letter.lower(), domain))
            parts = parts[::-1] if reverse else parts
            text = ".".join(parts[-int(keep):] if keep else parts)
            out += urllib.parse.quote(text, safe="-._~") if letter.isupper() else text
        return out

    def target(self, spec, domain, counted=True):
        """4.8; None: no name that can be asked for."""
        if spec is None:
            return domain
        for piece in PIECE.findall(spec):
            if piece[1].lower() == "p" and counted:  # 4.6.4
                self.count_term()
        name = self.expand(spec, domain)
        name = name[:-1] if name.endswith(".") else name
        while len(name) > 253 and "." in name:
            name = name.split(".", 1)[1]
        return name if is_name(name) else None

    # ---- 5

    def holds(self, addresses, bits):
        n = bits[self.ip.version]
        return any(self.ip in ipaddress.ip_network("%s/%d" % (a, n), strict=False) for a in addresses)

    def match_hosts(self, name, bits):
        hosts, found = self.ask(name, "MX"), 0
        if len(hosts) > 10:
            raise PermError("MX names")
        for host in filter(is_name, hosts):
            addresses = self.ask(host, self.type)
            found += len(addresses)
            if self.holds(addresses, bits):
                return True
        self.count_void(found == 0)
        return False

    def match(self, term, domain):
        _, kind, spec, bits, net = term
        if kind in ("all", "ip4", "ip6"):
            return kind == "all" or (net.version == self.ip.version and self.holds([net], bits))
        self.count_term()
        name = self.target(spec, domain)
        if name is None:
            return False
        if kind == "include":
            result = self.check_host(name, False)
            if result == "none":
                raise PermError("include")
            return result == "pass"
        if kind == "mx":
            return self.match_hosts(name, bits)
        if kind == "ptr":
            self.find_names()
            self.count_void(self.no_ptr)
            return any(is_under(n, name) for n in self.names)
        addresses = self.ask(name, self.type if kind == "a" else "A")
        self.count_void(not addresses)
        return self.holds(addresses, bits) if kind == "a" else bool(addresses)

    # ---- 4, 6

    def record(self, domain):
        if domain is None or not is_name(domain) or "." not in domain.rstrip("."):
            return None
        records = [t for t in self.ask(domain, "TXT") if is_record(t)]
        if len(records) > 1:
            raise PermError("several records")
        return parse(records[0]) if records else None

    def check_host(self, domain, outermost=True):
        record = self.record(domain)
        if record is None:
            return "none"
        while record is not None:
            terms, modifiers = record
            for term in terms:
                if self.match(term, domain):
                    if outermost:
                        self.explanation = modifiers.get("exp"), domain
                    return term[0]
            if "redirect" not in modifiers:
                return "neutral"
            self.count_term()
            domain = self.target(modifiers["redirect"], domain)
            record = self.record(domain)
        raise PermError("redirect")

    def explain(self):
        spec, domain = self.explanation
        name = spec and self.target(spec, domain, False)
        texts = self.ask(name, "TXT") if name else []
        if len(texts) != 1 or not EXPLAIN_STRING.match(texts[0]):
            return ""
        text = self.expand(texts[0], domain)
        return text if re.match(r"[ -~]*\Z", text) else ""

    def check(self):
        try:
            result = self.check_host(self.domain)
        except PermError:
            return "permerror", ""
        except TempError:
            return "temperror", ""
        try:
            return result, self.explain() if result == "fail" else ""
        except TempError:
            return result, ""
