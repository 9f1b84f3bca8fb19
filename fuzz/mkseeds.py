#!/usr/bin/python3
"""Writes fuzz/seeds: small inputs from which the fuzzers start, and which `make check` replays.

What a fuzzer has found is not made here: it stands beside them as found-*, and stays.
"""
import base64
import os
import sys

import dns.message
import dns.rdatatype
import dns.rrset

HERE = os.path.dirname(os.path.abspath(__file__))


def write(target, name, data):
    folder = os.path.join(HERE, "seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))


def several(target, items):
    for i, item in enumerate(items):
        write(target, "%02d" % i, item)


def records():
    """Lines of the decision log, as milter/record_write.c writes them."""
    head = '{"v":1,"time":"2025-11-21T16:00:00.000Z","id":"4Abc","action":"accept","disposition":"none",'
    look_ups = ('"lookups":[{"type":"PTR","name":"1.2.0.192.in-addr.arpa","status":"data","ttl":300,"data":'
                '["mail.good.example"]},{"type":"A","name":"mail.good.example","status":"data","data":["192.0.2.1"]},'
                '{"type":"TXT","name":"good.example","status":"data","secure":true,"data":["v=spf1 mx -all"]},'
                '{"type":"MX","name":"good.example","status":"data","data":["10 mail.good.example","20 "]},'
                '{"type":"TXT","name":"_dmarc.good.example","status":"data","data":["v=DMARC1; p=reject"]},'
                '{"type":"TXT","name":"_dmarc.example","status":"nxdomain"},'
                '{"type":"TXT","name":"mail.good.example","status":"tempfail","reason":"SERVFAIL"}]')
    options = '"options":{"max_terms":10,"max_void":2,"max_names":10,"max_questions":64,"max_walks":12,"receiver":"h"},'
    envelope = '"client":"192.0.2.1","helo":"mail.good.example","mail_from":"<a@good.example>","rcpts":2,'
    verdicts = ('"iprev":{"result":"pass"},"spf":{"result":"pass"},"spf_helo":{"result":"temperror"},'
                '"arc":{"result":"pass","instance":1},"sealers":[{"sealer":"s.example","results":"s.example; '
                'dmarc=pass header.from=good.example"}],"dmarc":{"result":"pass","has_policy":true,"policy":"reject"},'
                '"dkim":[{"result":"fail","domain":"good.example","identity":"@good.example","b":"AbCd",'
                '"key_bits":2048,"reason":"not evaluated"}],"dkim_skipped":3,"author":{"domain":"good.example"},')
    return [head + '"why":"skipped"}', head + envelope + verdicts + '"now":1763740800,' + options + look_ups + "}",
            head + '"helo":"\\\\xFF\\\\x00","mail_from":"<>","now":1,"dmarc":{},"author":{"malformed":"no From field"},'
            + options + '"lookups_full":true,"cut":true}',
            head + '"relay":"203.0.113.25","hop":{"reason":"x"},"user":"u","auth":{"result":"pass"},"now":1}', '{"v":2}']


def packets():
    def reply(name, kind, rows, rcode=0, flags="QR RD RA", auth=(), edns=True):
        q = dns.message.make_query(name, kind, use_edns=0 if edns else -1)
        q.id = 0x1234
        m = dns.message.make_response(q)
        m.flags = dns.flags.from_text(flags)
        m.set_rcode(rcode)
        for r in rows:
            m.answer.append(dns.rrset.from_text(*r))
        for r in auth:
            m.authority.append(dns.rrset.from_text(*r))
        return m.to_wire()

    soa = ("example.org.", 300, "IN", "SOA", "ns.example.org. host.example.org. 1 2 3 4 60")
    wires = [
        reply("example.org", "TXT", [("example.org.", 300, "IN", "TXT", '"v=spf1 -all"', '"a" "b"')]),
        reply("example.org", "A", [("example.org.", 300, "IN", "A", "192.0.2.1", "192.0.2.2")], flags="QR RD RA AD"),
        reply("example.org", "AAAA", [("example.org.", 4294967295, "IN", "AAAA", "2001:db8::1", "::ffff:192.0.2.1")]),
        reply("example.org", "MX", [("example.org.", 300, "IN", "MX", "10 mx.example.org.", "0 .")]),
        reply("1.2.0.192.in-addr.arpa", "PTR", [("1.2.0.192.in-addr.arpa.", 60, "IN", "PTR", "a\\.b.example.org.")]),
        reply("www.example.org", "A", [("www.example.org.", 30, "IN", "CNAME", "x.example.org."),
                                       ("x.example.org.", 20, "IN", "CNAME", "y.example.org."),
                                       ("y.example.org.", 10, "IN", "A", "192.0.2.7")]),
        reply("www.example.org", "TXT", [("www.example.org.", 30, "IN", "CNAME", "x.example.com.")]),
        reply("www.example.org", "TXT", [("www.example.org.", 30, "IN", "CNAME", "www.example.org.")]),
        reply("d.example.org", "TXT", [("example.org.", 30, "IN", "DNAME", "example.com."),
                                       ("d.example.org.", 30, "IN", "CNAME", "d.example.com."),
                                       ("d.example.com.", 30, "IN", "TXT", '"x"')]),
        reply("gone.example.org", "TXT", [], rcode=3, auth=[soa]),
        reply("empty.example.org", "TXT", [], auth=[soa], edns=False),
        reply("example.org", "TXT", [], rcode=2),
        reply("example.org", "TXT", [], rcode=1),
        reply("example.org", "TXT", [], flags="QR RD RA TC"),
    ]
    for i, w in enumerate(wires):
        write("dns", "%02d" % i, bytes([8 | (2 if i == 1 else 0)]) + w)
    write("dns", "other-question", bytes([64]) + wires[0])


ZONE = """$TTL 300
$ORIGIN example.org.
@ IN SOA ns host 1 2 3 4 60
@ TXT "v=spf1 mx -all" "more"
  MX 10 mx
mx A 192.0.2.1
mx 60 AAAA 2001:db8::1
*.wild TXT "any"
www CNAME mx
\\001\\.b TXT "odd"
"""


def zonefiles():
    several("zonefile", [ZONE, ". 1 IN TXT x\n", "example.org. TXT ( \"a\"\n \"b\" )\n", "$INCLUDE /etc/passwd\n",
                         "example.org. 300 IN MX 10\n", "a.example.org. A 192.0.2.256\n", "x TXT \"open\n"])


def spf():
    records = [
        "v=spf1 -all", "v=spf1 a mx:example.org/24 a:x.example//64 ptr ?ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
        "v=spf1 include:_spf.%{d} exists:%{ir}.%{v}._spf.%{d2} redirect=%{o} exp=e.%{d} x=y%%%_%-",
        "v=spf1 a:%{H3r.-+,/_=}.x/0//0 ip4:1.2.3.4/32 ip6:::ffff:1.2.3.4/128 all", "v=spf1", "v=spf1  ip4:1.2.3",
        "v=spf1 redirect=a redirect=b", "v=spf1 moo=%{x}",
    ]
    several("spf_record", records)
    several("spf_macro", [
        "nexample.%{d2}.%{ir}.%{V}\nd a.b.example.org\ni 192.0.2.3",
        "e%{S} is not allowed, see http://%{h}/%{c}?t=%{t}&r=%{r}\ns me@example.org\nh he lo\nc 1\nt 9\nr mx\n",
        "n%{l1r+-}._spf.%{o}\nl strong-bad+x\no example.com",
        "n%{i7r}.%{p}\ni 2001:db8::cb01\np unknown", "n%{d128r.}%%%_%-%\nd " + "a." * 300 + "b",
    ])
    top = "ip 192.0.2.1\nhelo mail.example\nmail joe@example.org\n"
    several("spf_check", [
        top + "example.org TXT v=spf1 a mx ptr include:i.example exists:%{ir}.x.example -all exp=e.example\n"
        "example.org A 192.0.2.9\nexample.org MX 10 mx.example\nmx.example A 192.0.2.1\ni.example TXT v=spf1 ?all\n",
        top + "example.org TXT v=spf1 include:%{d} -all\n",
        top + "opt t3 v1 q9\nexample.org TXT v=spf1 a:a.x.example a:b.x.example redirect=r.example\n"
        "r.example TXT v=spf1 mx:many.example -all\n" + "".join("many.example MX %d m%d.example\n" % (i, i) for i in range(12)),
        top + "example.org TXT v=spf1 exp=e.example -all\ne.example TXT see %{i} %{h} http://%{d}\n",
        "ip 2001:db8::1\nmail @example.org\nexample.org TXT v=spf1 ptr:example.org a:%{p}/0 ~all\n"
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR a.example.org\n"
        "a.example.org AAAA 2001:db8::1\n",
        top + "*.org TXT v=spf1 include:a.%{d} include:b.%{d} include:c.%{d} all\n",
        top + "opt c900\n+example.org TXT v=spf1 +all\n",
        top + "example.org TXT v=spf1 a:x.example all\nx.example A FAIL\n",
        top + "example.org TXT v=spf1 redirect=example.org\n",
        top + "*.arpa PTR a.example.org\n*.arpa PTR b.example.org\n*.example.org A 192.0.2.1\nexample.org TXT v=spf1 ptr all\n",
    ])


def addresses():
    several("from", [
        "From: joe@example.org", "From: \"Joe\\\" Doe\" <joe.doe@Example.ORG.>", "From: a@example.org, b@example.org",
        "From: A Group: a@example.org, \"x y\"@example.org;", "From: a@example.org\nFrom: b@example.com",
        "From: (c (d) \\) e) a (x) . b @ (y) example . org (z)", "From: <@a.example,@b.example:joe@example.org>",
        "From: =?utf-8?q?a=40b?= <x@example.org>", "From: a@[192.0.2.1]", "From: joe@b\u00fccher.example",
        "From : joe\r\n @example.org\nTo: x@y", "From: \"a@b\"@example.org", "From: a@example.org <b@example.com>",
        "\0From: a\n@b", "From: undisclosed-recipients:;", "From: a@b@c", "From: " + "(" * 60 + ")" * 60 + "a@example.org",
    ])
    several("path", ["<joe@example.org>", "<>", "", "<@a,@b:joe@example.org>", "\"a@b \\\" \"@Example.ORG", "joe",
                     "<joe@[IPv6:2001:db8::1]>", "@example.org", "<j\u00f6e@b\u00fccher.example>", "<a@b", "a\0@b"])
    several("header", ["Subject\n hello\r\n world", "X\n\"quoted \\\" x\" (comment (nested) \\) ) more", "From \n a\n b\n\tc",
                       "a:b\nv", "X\n\u00e4\u20ac\U0001f600 \"\r\n x\"", "\n"])


SIG = ("v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1; i=a=3Db@sub.example.org;\r\n\tt=1600000000; x=1900000000;"
       " l=12; q=dns/txt; h=From : To:Subject; z=From:x|To:y;\r\n bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AA\r\n AA")


def tags():
    several("taglist", [SIG, "a=b;c=d;", "v=DKIM1; p=", "a = b c\r\n d ; e=f:g:h", "a=1;a=2", ";", "a==;b=;", "p=A==;_x1=:"])
    several("signature", [b"\0" + SIG.encode(), b"\1" + SIG.replace("i=a=3Db@sub.example.org", "i=3").encode(),
                          b"\2i=2; a=rsa-sha256; t=5; cv=pass; d=example.org; s=s1; b=AAAA",
                          b"\0v=1; a=ed25519-sha256; d=b\xc3\xbccher.example; s=x.y; h=from; bh=AAAA; b=AAAA",
                          b"\0v=1; d=example.org; d=x; s=a"])
    spki = ("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDBolTXCqbxwoRBffq4aoGvlGoKtAbZjq5GzYyH3Hs4QmR0L7nlHk5u0rcNHrl9n5p8"
            "gm1fM2wS1tVbbM2xqMzYl0C2rlbF8SVc1wqkPZcU5g1jW5gYBgP4BsPpVbZ5oH+G1kyrXf0vqO8YgFhB2b1SYN2yuoGxVdG1t6vW8mYf"
            "3QIDAQAB")
    ed = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    several("key", ["v=DKIM1; k=rsa; h=sha256:sha1; s=email; t=y:s; n=a note; p=" + spki, "k=ed25519; p=" + ed, "p=" + spki,
                    "v=DKIM1; p=", "v=DKIM2; p=x\nk=rsa; p=" + spki, "k=ed25519; s=*; p=" + ed + "\nv=spf1 -all",
                    b"d" + base64.b64decode(spki), b"d" + base64.b64decode(spki)[22:], "k=rsa; h=sha1; p=" + spki])


def canon():
    several("canon", [b"\1\0\0\5 a \t b \r\n\r\n \r\nc\r\n\r\n", b"\0\0\0", b"\1\2\3\0\0\2a\rb\nc\r\r\n\n\r\n", b"\7\0\0\0no end",
                      b"\0\0\0Subject : a\r\n  b \t c \r\n", b"\3\0\0\0DKIM-Signature: v=1; b= AA\r\n A; bh=x; b=y",
                      b"\0\0\1\r\n\r\n\r\n", b"\2\0\0\3 \t\r\n \t"])


DKIM = ("v=1; a=%s; c=%s; d=example.org; s=%s; h=from:to:subject:from; bh=@BH@; b=@B@")
FIELDS = "From: joe@example.org\nTo:  a ,\r\n\tb\nSubject : hello \r\n  world\nFrom: other@example.org"


def dkim():
    cases = []
    for c in ("simple", "relaxed/relaxed", "relaxed", "simple/relaxed"):
        cases.append("e\n\n%s\n\n%s\n\nhello  world \r\n\r\n\r\n" % (DKIM % ("ed25519-sha256", c, "e"), FIELDS))
        cases.append("r\n\n%s\n\n%s\n\n\r\n" % (DKIM % ("rsa-sha256", c, "r"), FIELDS))
    relaxed = DKIM % ("ed25519-sha256", "relaxed/relaxed", "e")
    cases += [
        "ex\n\n%s\n\n%s\n\nbody\r\n" % (relaxed, FIELDS), "ey\n\n%s\n\nFrom: joe@example.org\n\nbody\r\n" % relaxed,
        "el\n\n%s\n\n%s\n\nbody\r\nmore" % (relaxed.replace("bh=", "l=4; t=1; x=1900000000; i=x@sub.example.org; bh="), FIELDS),
        "e\n\n v = 1;\r\n\ta=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=e; z=b@b; h = From\r\n\t: To; bh = @BH@ ;"
        " b = @B@ ; q=dns/txt;\n\n%s\n\nx" % FIELDS,
        "e\n\n%s\n\nFrom: a\n\nx\r\ny" % DKIM.replace("from:to:subject:from", "from:dkim-signature:x-none") % ("ed25519-sha256", "simple", "e"),
        "e\n\nv=1; a=rsa-sha1; d=example.org; s=r; h=from; bh=x; b=y\n\nFrom: a\n\nx",
    ]
    several("dkim", cases)
    aar = " i=%d; mx.example.org; spf=pass smtp.mailfrom=example.org; dkim=none"
    ams = " i=%d; a=ed25519-sha256; c=%s; d=example.org; s=e; t=12345; h=from:to:subject; bh=@BH@; b=@B@"
    seal = " i=%d; a=ed25519-sha256; t=12345; cv=%s; d=example.org; s=e;\r\n\tb=@B@"
    one = "\n\n".join([aar % 1, ams % (1, "relaxed/relaxed"), seal % (1, "none")])
    two = "\n\n".join([aar % 2, ams % (2, "simple/simple"), seal % (2, "pass")])
    three = "\n\n".join([aar % 3, ams % (3, "relaxed"), seal % (3, "pass")])
    head = "%s\n\n" + FIELDS + "\n\nhello\r\n\n\n"
    several("arc", [head % "z" + one, head % "z" + one + "\n\n" + two, head % "z" + one + "\n\n" + two + "\n\n" + three,
                    head % "x" + one + "\n\n" + two, head % "y" + one, head % "n" + one, head % "z" + two,
                    head % "z" + one + "\n\n" + two.replace("cv=pass", "cv=fail"), head % "z"])


def dmarc():
    several("dmarc_record", [
        "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=r; psd=n; t=y; fo=1:d:s; rua=mailto:a@example.org!10m,"
        "https://x.example/?q; ruf=mailto:b@example.org", "v = DMARC1 ; P = None", "v=DMARC1", "v=DMARC1; p=x; rua=mailto:a@b",
        "v=DMARC1;p=none;p=reject;;pct=50; rf=afrf", "v=DMARC1; psd=y; rua=,mailto:%2C@x,:", "v=DMARC1; sp=bogus"])
    several("dmarc_check", [
        "domain mail.example.org\nid sp example.org\nid df x.example.com\n_dmarc.example.org TXT v=DMARC1; p=reject; np=none\n"
        "mail.example.org A 192.0.2.1\n",
        "domain a.b.c.d.e.f.g.h.i.example.org\nid dp i.example.org\n_dmarc.example.org TXT v=DMARC1; p=none; psd=y\n"
        "_dmarc.i.example.org TXT v=DMARC1; p=quarantine; t=y; adkim=s\n",
        "domain giant.bank.example\nid dp mail.giant.bank.example\nid dt bank.example\n_dmarc.bank.example TXT v=DMARC1; psd=y; p=reject\n"
        "_dmarc.giant.bank.example TXT v=DMARC1; p=reject; psd=n\n",
        "domain example\nid sp example\n_dmarc.example TXT v=DMARC1; p=reject\n_dmarc.example TXT v=DMARC1; p=none\n",
        "domain x.example\nid st x.example\n_dmarc.x.example TXT FAIL\n",
        "opt w2c500\ndomain x.example\nid dp a.x.example\nid dp b.x.example\nid dp c.x.example\n*.example TXT v=DMARC1; p=none\n"])


def authres():
    several("claim", [
        "mx.example.org\n mx.example.org; spf=pass\n other.example; none\n \"mx.example.org\" 1; none",
        "mx.example.org\n (x) MX.Example.ORG(y)\r\n 2; dkim=fail\n mx.example.org.evil; none\n =?utf-8?q?mx?=; none",
        "b\u00fccher.example\nxn--bcher-kva.example; none\nb\u00fccher.example; none\n\"b\\u\"; x=y",
        "mx\nmx\nmx;\n;\n\"mx\n(mx\nmx.;none"])
    several("authres", [
        "imx.example.org\nmspf pass\np" + "smtp mailfrom a b@example.org\nrsome \"reason\\\ncok (yes)\nmdkim fail\npheader d example.org\n"
        "pheader b AbC+/=\n", "imx\n", "i\"odd id\\\nmdmarc none\npheader from b\u00fccher.example\nc\u2028 x \x01",
        "i" + "x" * 450 + "\nmarc pass\npsmtp remote-ip 2001:db8::1\nr" + "y" * 900 + "\nc" + "z " * 500,
        "imx\nmiprev pass\nppolicy iprev 192.0.2.1\npsmtp auth \"x\"@example.org\npheader i @example.org\npx y \n"])
    several("base", ["example.org", "B\u00fcCHER.example.", "192.0.2.1", "2001:db8::/32", "::ffff:1.2.3.4", "aGVsbG8=", "aG Vs\r\n bG8=",
                     "0123456789ab", "xn--bcher-kva.example", "a" * 64 + ".b", "\u2024.example", "AAECAwQFBgcICQoL"])


EML = ("ip 192.0.2.1\nhelo mail.example.org\nmail <joe@example.org>\nauth joe\n"
       "example.org TXT v=spf1 a:mail.example.org -all\nmail.example.org A 192.0.2.1\nmail.example.org TXT v=spf1 a -all\n"
       "1.2.0.192.in-addr.arpa PTR mail.example.org\n_dmarc.example.org TXT v=DMARC1; p=reject; np=none\n"
       "s1._domainkey.example.org TXT k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n%s\n")


def rfc8463():
    """A message signed here, so that signatures verify and stay valid in what the fuzzer changes elsewhere."""
    import dkim as dkimpy
    secret = base64.b64encode(bytes(range(32)))
    from nacl.signing import SigningKey
    public = base64.b64encode(SigningKey(base64.b64decode(secret)).verify_key.encode()).decode()
    text = b"From: Joe <joe@example.org>\r\nTo: x@example.com\r\nSubject: hello\r\n\r\nHello  world\r\n\r\n"
    sig = dkimpy.sign(text, b"s1", b"example.org", secret, signature_algorithm=b"ed25519-sha256",
                      canonicalize=(b"relaxed", b"relaxed"), include_headers=[b"from", b"to", b"subject"])
    return public, sig, text


def messages():
    public, sig, text = rfc8463()
    head = EML.replace("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", public)
    plain = text.decode()
    signed = (sig + text).decode()
    cases = [
        head % "" + plain, head % "" + signed, head % "opt k\n" + signed, head % "opt lc3000b1\n" + signed,
        (head % "" + signed).replace("Hello", "Forged"),
        head % "opt q5\n" + plain.replace("\r\n", "\n"),
        head % "opt s1\n" + signed.split("From:")[0] * 4 + plain,
        head % "" + "Authentication-Results: mx.example.org; spf=pass\r\nARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org;"
        " s=s1; b=AAAA\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=AAAA; b=AAAA\r\n"
        "ARC-Authentication-Results: i=1; x; none\r\n" + plain,
        "ip 2001:db8::1\nhelo x\n\n", "mail <>\nip 192.0.2.7\nhelo [192.0.2.7]\n\nX: y\n\nbody",
        head % "opt RLOTHSPIAd\nid tTLSv1.2|AES256|256|/CN=x|/CN=y|OK\nid AUTH=<joe@example.org>\nid SIZE=1\n"
        + "Received: from a.example (a.example [198.51.100.7])\r\n\tby mx.example.org (Postfix) with ESMTPS id 1\r\n"
        "\tfor <x@example.com>; Thu, 1 Jan 2026 00:00:00 +0000\r\nSender: joe@example.org\r\nResent-From: a@b.example\r\n" + plain,
        (head % "").replace("192.0.2.1\n", "10.0.0.1\n", 1) + "Received: from a by b with SMTP; x\r\n" + plain,
        "opt HSPIRd\nhelo [192.0.2.1]\nip 192.0.2.1\nid t|||||\nid AUTH=<>\n\n" + plain,
        head % "" + "DKIM-Signature: b=A\r\n" * 150 + plain, head % "opt f2h60\n" + plain, head % "" + "From nobody Thu Jan 1\n" + plain.replace("\r\n", "\n"),
    ]
    several("message", cases)
    several("record", records())
    several("json", cases[:2] + ["opt x\n" + c for c in cases[4:8]] + [b"\xff\xfe\x00 helo \xc3\n\nFrom: \xf0\x9f\n\n"])


def relays():
    several("received", [
        " from a.example (b.example [198.51.100.7])\r\n\tby mx.example.org (Postfix) with ESMTPSA id 4X1\r\n\tfor <x@y.example>;"
        " Thu, 1 Jan 2026 00:00:00 +0000 (UTC)\n from r (r [192.0.2.9]) by s with SMTP id 1; 1 Jan 26 00:00 EST",
        " from [192.0.2.3] (port=4711 helo=x.example) by mx with esmtp (Exim 4.96) (envelope-from <a@b>) id 1a-2b; Thu, 01 Jan 2026 00:00:00 +0000",
        " from a.example (b.example. [IPv6:2001:db8::7] (may be forged)) by mx (8.17/8.17) with ESMTPS id x (version=TLSv1.3"
        " cipher=X bits=256 verify=NO); Thu, 1 Jan 2026 00:00:00 GMT",
        " from A.prod (2603:10a6::1) by B.prod (2603::2) with Microsoft SMTP Server (version=TLS1_2) id 15.20; Thu, 1 Jan 2026 00:00:00 +0000",
        " by 2002:a05:7000 with SMTP id x; Thu, 01 Jan 2026 00:00:00 -0800 (PST)", " (qmail 1 invoked from network); 1 Jan 2026 00:00:00 -0000",
        " from unknown (HELO x) (198.51.100.1) by y with SMTP; 1 Jan 2026 00:00:00 -0000", " from x"])
    several("lists", ["mjoe\n<joe@example.org>\njoe@example.org joe, ann\n@b.example\tann\n/^(.*)@c\\.example$/ $1 # x\n\n",
                      "m\n@x\n# none\n", "texample.org\r\n.example.com # all below\n*.a.example\n", "torg\n", "t*.org\n",
                      "mjoe@example.org\njoe+x@example.org\njoe@example.org joe@example.org\n"])


def milters():
    import struct

    def packet(code, data=b""):
        return struct.pack(">I", len(data) + 1) + code + data
    agreed = packet(b"O", struct.pack(">III", 6, 0x11, 0x100))
    going = agreed + packet(b"c") * 9
    several("play", [
        going + packet(b"i", struct.pack(">I", 0) + b"X\0 y\0") + packet(b"h", b"A\0b\0") + packet(b"m", struct.pack(">I", 1) + b"Subject\0\0")
        + packet(b"q", b"why\0") + packet(b"p") + packet(b"a"),
        agreed + packet(b"c") + packet(b"y", b"550 5.7.1 no\0"), agreed + packet(b"r"), going + packet(b"b", b"new body") + packet(b"+", b"<a@b>\0")
        + packet(b"e", b"<c@d>\0 X=y\0") + packet(b"2", b"<a>\0") + packet(b"-", b"<a>\0") + packet(b"c"), packet(b"O", b"short"), b"\0\0\0\0", b"\xff" * 9,
        agreed + packet(b"c") * 6 + packet(b"s") + packet(b"c") + packet(b"d")])
    field = "L%s\n"
    several("session", [
        "zexample.org TXT v=spf1 ip4:192.0.2.1 -all\nz_dmarc.example.org TXT v=DMARC1; p=reject\nT\3\nC192.0.2.1\nHh.example\n"
        "M<joe@example.org> SIZE=1 AUTH=<>|joe|PLAIN|TLSv1.3\nLFrom: joe@example.org\nLAuthentication-Results: localhost; spf=pass\n"
        "LAuthentication-Results: other.example; none\nN\nBhello\nE\nM<>\nLFrom: x@example.org\nN\nE\n",
        "oed\nz_dmarc.example.org TXT v=DMARC1; p=reject\nC198.51.100.1\nHx\nM<>\nLFrom: joe@example.org\nN\nBx\nE\n",
        "E\nA\nN\nB\nLX: y\nE\nM\nE\nC\nE\n", "om\nC2001:db8::1\nM<a@b.example>\nLDKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s;"
        " h=from; bh=AAAA; b=AAAA\nLFrom: a@b.example\nN\nBx\nE\n", "of\nM<>\nLA: 1\nLB: 1\nLC: 1\nLD: 1\nN\nE\n"])


def configuration():
    with open(os.path.join(HERE, "..", "conf", "authmill.conf"), encoding="utf-8") as f:
        write("conf", "whole", f.read())
    several("conf", [
        'socket = "inet:8893@127.0.0.1"\nauthserv-id = mx.example.org\nlocal-networks = {"127.0.0.0/8", "::1/128"}\n',
        'dns { nameservers = {"127.0.0.1@53"} zones = {} timeout = 20 }\ndkim { max-signatures = 10 body-length = policy }\n',
        'arc { trusted-sealers += {"example.org"} }\n/* c */ # x\n// y\ndmarc { enforce = yes malformed-from = reject }',
        'spf {', 'unknown = 1', 'socket = "unix:/x', '/* open', 'limits { memory = 64M header = 8M sessions = 100 }'])


def main():
    packets()
    zonefiles()
    spf()
    addresses()
    tags()
    canon()
    dkim()
    dmarc()
    authres()
    messages()
    relays()
    milters()
    configuration()
    return 0


if __name__ == "__main__":
    sys.exit(main())
