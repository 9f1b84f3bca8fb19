#!/usr/bin/python3
"""Makes the sample messages and their zone, with Debian's python3-dkim.

The signed messages are committed, so that ./quickstart needs no signer; run
this again only to change them:  cd t/samples && ./make.py
"""
import base64
import subprocess

import dkim

dkim.time.time = lambda: 1735689600  # t=, the same in every run
KEY = open("key.pem", "rb").read()


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def sign(message, domain, selector=b"s1"):
    return dkim.sign(message, selector, domain, KEY, canonicalize=(b"relaxed", b"relaxed"),
                     include_headers=[b"From", b"To", b"Subject", b"Date", b"Message-ID"]) + message


NEWSLETTER = crlf("""\
From: Garden News <news@garden.example>
To: you@here.example
Subject: What to plant in November
Date: Fri, 20 Nov 2026 09:00:00 +0000
Message-ID: <1@garden.example>

Garlic, broad beans, and bare-root roses.
""")

SPOOF = crlf("""\
From: "Your Bank" <service@bank.example>
To: you@here.example
Subject: Your account is locked
Date: Fri, 20 Nov 2026 10:00:00 +0000
Message-ID: <2@elsewhere.example>
Authentication-Results: mx.here.example; spf=pass smtp.mailfrom=bank.example;
 dkim=pass header.d=bank.example; dmarc=pass header.from=bank.example
Authentication-Results: relay.elsewhere.example; auth=pass smtp.auth=x

Click here to unlock it.
""")

LIST = crlf("""\
From: Anna <anna@garden.example>
To: list@club.example
Subject: Meeting on Tuesday
Date: Fri, 20 Nov 2026 11:00:00 +0000
Message-ID: <3@garden.example>

See you at eight.
""")

public = subprocess.run(["openssl", "rsa", "-in", "key.pem", "-pubout", "-outform", "DER"],
                        capture_output=True, check=True).stdout
record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
strings = " ".join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200))

ZONE = f"""\
; The names that the sample messages need; RFC 1035 master file.
$TTL 300
$ORIGIN .
garden.example.                IN TXT "v=spf1 ip4:192.0.2.0/28 -all"
s1._domainkey.garden.example.  IN TXT {strings}
_dmarc.garden.example.         IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@garden.example"
mail.garden.example.           IN A   192.0.2.1
mail.garden.example.           IN TXT "v=spf1 a -all"
1.2.0.192.in-addr.arpa.        IN PTR mail.garden.example.
bank.example.                  IN TXT "v=spf1 ip4:198.51.100.0/24 -all"
_dmarc.bank.example.           IN TXT "v=DMARC1; p=reject"
club.example.                  IN TXT "v=spf1 ip4:203.0.113.5 -all"
lists.club.example.            IN A   203.0.113.5
5.113.0.203.in-addr.arpa.      IN PTR lists.club.example.
"""

open("newsletter.eml", "wb").write(sign(NEWSLETTER, b"garden.example"))
open("spoof.eml", "wb").write(SPOOF)
open("list.eml", "wb").write(
    sign(LIST, b"garden.example") + b"-- \r\nThe club's list, https://club.example\r\n")
open("samples.zone", "w").write(ZONE)
