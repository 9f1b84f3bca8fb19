#!/usr/bin/python3
"""End to end: who logs in to a real Postfix (Cyrus SASL), over real TLS, with names that nsd serves: auth,
x-auth-align, x-tls, iprev, x-helo; and who is exempt."""

import os
import shutil
import smtplib
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, results, words, zone  # noqa: E402
from milterclient import Daemon, split  # noqa: E402
from mta import Nsd, Postfix, free_port, need, root, wait_for  # noqa: E402
from tap import Missing, build, diag, is_, like, ok  # noqa: E402

build("authmilld")
try:
    root()
    need("postfix", "swaks", "nsd", "saslpasswd2", "openssl")
    if "cyrus" not in subprocess.run(["/usr/sbin/postconf", "-a"], capture_output=True, timeout=60).stdout.decode():
        raise Missing("this Postfix was built without Cyrus SASL")
    if subprocess.run(["perl", "-MNet::SSLeay", "-MDigest::HMAC_MD5", "-e1"], capture_output=True, timeout=60).returncode != 0:
        raise Missing("swaks needs Net::SSLeay and Digest::HMAC_MD5")
except Missing as why:
    tap.skip_all(str(why))

ZONE = zone("""
1.0.0.127.in-addr.arpa.        IN PTR client.local.example.
client.local.example.          IN A   127.0.0.1
2.2.0.192.in-addr.arpa.        IN PTR mail.garden.example.
3.2.0.192.in-addr.arpa.        IN PTR nowhere.example.
""")
MAP = "a@garden.example alice@here.example\nb@garden.example bob@here.example\n"
MAIN = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = here.example
smtpd_sasl_security_options =
cyrus_sasl_config_path = {dir}/conf/sasl
smtpd_tls_security_level = may
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_tls_CAfile = {dir}/cert.pem
smtpd_tls_ask_ccert = yes
smtpd_tls_session_cache_database =
"""
SASL = """pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {dir}/conf/sasl/sasldb2
mech_list: PLAIN LOGIN CRAM-MD5 ANONYMOUS
"""


class Submission(Postfix):
    """A Postfix with users of its own, alice and bob, and a certificate that it holds for an authority."""

    def __init__(self, milter):
        super().__init__(milter)
        main = self.path("conf", "main.cf")
        with open(main, "a") as f:
            f.write(MAIN.format(dir=self.dir))
        os.mkdir(self.path("conf/sasl"))  # Debian's Postfix looks below its own folder alone
        self.write("conf/sasl/smtpd.conf", SASL.format(dir=self.dir))
        for user in ("alice", "bob"):
            subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", self.path("conf/sasl/sasldb2"), "-u", "here.example", user],
                           input=b"secret", check=True, timeout=60)
        shutil.chown(self.path("conf/sasl/sasldb2"), "postfix")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx.here.example",
                        "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")],
                       capture_output=True, check=True, timeout=60)


def daemon(dns, more=""):
    conf = 'socket-mode = "0666"\ndns { nameservers = {"127.0.0.1@%d"} timeout = 5 }\n%s' % (dns.port, more)
    return Daemon(CONF % conf, {"map": MAP}, spec="inet:%d@127.0.0.1" % free_port())


MAIL = b"From: a@garden.example\nSubject: x\n\nx\n"
SPOOF = b"From: x@bank.example\nSubject: x\n\nx\n"


def login(user, mechanism, *more):
    return ("--auth", mechanism, "--auth-user", user + "@here.example", "--auth-password", "secret") + more


def field(p, message=MAIL, **how):
    """What authmilld wrote into a delivered message, by method."""
    mail = p.deliver(message, **how)
    value = [v.decode() for n, v in split(mail)[0] if n.lower() == b"authentication-results"][0]
    return value, {m: t for m, _, t in results(value)}


def logins(p):
    alice = dict(mail_from="a@garden.example")
    for what, options, auth, align in [
            ("PLAIN, in the clear", login("alice", "PLAIN"), 'auth=pass reason="credentials sent in the clear"', "pass"),
            ("CRAM-MD5", login("alice", "CRAM-MD5"), "auth=pass", "pass"),
            ("PLAIN, over TLS", login("alice", "PLAIN", "--tls"), "auth=pass", "pass"),
            ("LOGIN, over TLS", login("alice", "LOGIN", "--tls"), "auth=pass", "pass"),
            ("another's addresses", login("bob", "CRAM-MD5"), "auth=pass",
             'fail reason="the login does not own MAIL FROM and From"')]:
        user = options[3]
        value, got = field(p, more=options, **alice)
        is_(got.get("auth"), "%s smtp.auth=%s" % (auth, user), what) or diag(value)
        is_(got.get("x-auth-align"), "x-auth-align=%s smtp.auth=%s" % (align, user), what + ": alignment")
        is_(got["x-tls"][:10], "x-tls=pass" if "--tls" in options else "x-tls=none", what + ": TLS")
    _, got = field(p, **alice)
    ok("auth" not in got and "x-auth-align" not in got, "nobody logged in")
    status, said = p.send(MAIL, more=("--auth", "PLAIN", "--auth-user", "alice@here.example", "--auth-password", "wrong"), **alice)
    ok(status != 0 and "535" in said, "a wrong password is refused")


def tls(p):
    value, got = field(p, more=("--tls",))
    like(got.get("x-tls", ""), r"^x-tls=pass policy\.version=TLSv1\.[23] policy\.cipher=\S+ policy\.bits=(128|256)$", "STARTTLS") or diag(value)
    own = ("--tls-cert", p.path("cert.pem"), "--tls-key", p.path("key.pem"))
    value, got = field(p, more=("--tls",) + own)
    like(got.get("x-tls", ""), r"^x-tls=pass policy\.version=TLSv1\.[23] ", "STARTTLS with a certificate") or diag(value)
    ok("policy.subject" not in value, "its subject is not told: Postfix does not say that it was verified ({verify})")
    _, got = field(p)
    is_(got.get("x-tls"), "x-tls=none", "no TLS")


def names(p):
    for what, ip, helo, iprev, x_helo in [
            ("real client", None, "client.local.example", "iprev=pass (client.local.example) policy.iprev=127.0.0.1", "pass"),
            ("both good", "192.0.2.1", "mail.garden.example", "iprev=pass (mail.garden.example) policy.iprev=192.0.2.1", "pass"),
            ("a borrowed name", "192.0.2.2", "mail.garden.example",
             'iprev=fail (mail.garden.example) reason="no name leads back to the address" policy.iprev=192.0.2.2',
             'fail reason="the name leads to other addresses"'),
            ("a name that is not there", "192.0.2.3", "nowhere.example",
             'iprev=fail (nowhere.example) reason="no name leads back to the address" policy.iprev=192.0.2.3',
             'fail reason="the name has no address"'),
            ("no name", "192.0.2.4", "[192.0.2.4]",
             'iprev=permerror reason="the address has no name" policy.iprev=192.0.2.4', "pass")]:
        value, got = field(p, ip=ip, helo=helo)
        is_(got.get("iprev"), iprev, what) or diag(value)
        shown = '"%s"' % helo if "[" in helo else helo
        is_(got.get("x-helo"), "x-helo=%s smtp.helo=%s" % (x_helo, shown), what + ": HELO")


def anonymous(p):
    """RFC 4505: ANONYMOUS gives a trace, and no identity."""
    with smtplib.SMTP("127.0.0.1", p.port, "client.local.example", 60) as s:
        s.ehlo()
        code, said = s.docmd("AUTH", "ANONYMOUS dHJhY2U=")
        if code != 235:
            tap.skip("ANONYMOUS", "Postfix does not offer it: %d %s" % (code, said.decode()))
            return None
        try:
            s.sendmail("x@bank.example", ["you@here.example"], SPOOF.decode())
        except smtplib.SMTPDataError as e:
            return e.smtp_code
    return 250


def who_is_exempt(dns):
    conf = "local-networks = {}\ndmarc { enforce = yes }\n"
    spoof = dict(mail_from="x@bank.example")
    with daemon(dns, conf) as d, Submission(d.socket) as p:
        status, said = p.send(SPOOF, **spoof)
        ok(status != 0 and "5.7.1" in said, "a stranger's spoofed author is refused")
        value, _ = field(p, SPOOF, more=login("alice", "CRAM-MD5"), **spoof)
        like(words(value), "dmarc=fail .*auth=pass", "a user's is not, and told")
        code = anonymous(p)
        if code is not None:
            is_(code, 550, "ANONYMOUS is no user")
        with smtplib.SMTP("127.0.0.1", p.port, "client.local.example", 60) as s:
            context = ssl.create_default_context(cafile=p.path("cert.pem"))
            context.check_hostname = False
            s.starttls(context=context)
            s.login("alice@here.example", "secret")
            before = len(p.mails())
            for turn in range(2):
                s.sendmail("x@bank.example", ["you@here.example"], SPOOF.decode())
            ok(wait_for(lambda: len(p.mails()) == before + 2), "several messages of one login")
        status, said = p.send(SPOOF, **spoof)
        ok(status != 0, "and the next client is a stranger again")
    with daemon(dns, conf + 'exempt = {"local", "submission"}\n') as d, Submission(d.socket) as p:
        status, said = p.send(SPOOF, more=login("alice", "CRAM-MD5"), **spoof)
        ok(status != 0 and "5.7.1" in said, "exempt without authenticated: users are held to it")
    with daemon(dns, conf + "skip = {authenticated}\n") as d, Submission(d.socket) as p:
        mail = p.deliver(SPOOF, more=login("alice", "CRAM-MD5"), **spoof)
        is_([n for n, _ in split(mail)[0] if n.lower() == b"authentication-results"], [], "skip: users get no results")


def whole():
    conf = 'methods { helo = yes tls = yes login-map = "{dir}/map" }\n'
    with Nsd(ZONE) as dns:
        with daemon(dns, conf) as d, Submission(d.socket) as p:
            for test in (logins, tls, names):
                try:
                    test(p)
                except Exception as e:
                    ok(False, "%s ran to its end: %r" % (test.__name__, e)) or diag(p.log()[-2000:])
        try:
            who_is_exempt(dns)
        except Exception as e:
            ok(False, "who_is_exempt ran to its end: %r" % e)


tap.run(whole)
