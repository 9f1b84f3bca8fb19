"""Real servers of one's own for end-to-end tests: Postfix, nsd, smtp-sink. Each
lives in a scratch directory and on a port of its own on 127.0.0.1; no
configuration of the system is read or written.
"""

import atexit
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from milterclient import text
from tap import Missing


IPV6 = os.path.exists("/proc/net/if_inet6")


def need(*programs):
    for p in programs:
        if shutil.which(p, path="/usr/sbin:/sbin:" + os.environ.get("PATH", "")) is None:
            raise Missing("%s is not installed" % p)


def root():
    if os.geteuid() != 0:
        raise Missing("only root can run an MTA of its own")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(good, seconds=20):
    until = time.monotonic() + seconds
    while True:
        value = good()
        if value or time.monotonic() > until:
            return value
        time.sleep(0.05)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Scratch:
    """A directory that others may enter, and that goes at the end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="authmill-e2e.")
        os.chmod(self.dir, 0o755)
        atexit.register(self.stop)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(text(content))
        return self.path(name)

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def end(process):
    if process and process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


class Nsd(Scratch):
    """nsd with one zone, the root: `zone` holds full names (RFC 1035 master file)."""

    def __init__(self, zone):
        need("nsd")
        super().__init__()
        self.zone = zone
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.write("root.zone", "$TTL 60\n. IN SOA ns.invalid. root.invalid. 1 60 60 60 60\n"
                   ". IN NS ns.invalid.\n" + self.zone)
        self.write("nsd.conf", """
server:
  ip-address: 127.0.0.1@%d
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "%s"
  database: ""
  pidfile: "%s/nsd.pid"
  xfrdfile: "%s/xfrd.state"
  zonelistfile: "%s/zone.list"
  logfile: "%s/nsd.log"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
""" % ((self.port,) + (self.dir,) * 5))
        self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", self.path("nsd.conf")],
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        if not wait_for(lambda: listens(self.port), 10):
            log = self.path("nsd.log")
            why = open(log).read() if os.path.exists(log) else ""
            self.stop()
            raise RuntimeError("nsd does not start: " + why)
        return self

    def signal(self, number):
        """To all its processes: SIGSTOP makes it say nothing, SIGCONT brings it back."""
        os.killpg(self.process.pid, number)

    def stop(self):
        end(self.process)
        super().stop()


POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
inet_interfaces = 127.0.0.1
inet_protocols = {protocols}
myhostname = mx.here.example
mydestination =
mynetworks =
virtual_mailbox_domains = here.example
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_relay_restrictions =
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_client_connection_count_limit = 0
smtpd_milters = {milter}
milter_default_action = tempfail
milter_protocol = 6
message_size_limit = 100000000
virtual_mailbox_limit = 0
bounce_queue_lifetime = 0
{transport}
relay_domains = sink.example
disable_dns_lookups = yes
biff = no
local_header_rewrite_clients =
local_recipient_maps =
alias_maps =
alias_database =
smtpd_discard_ehlo_keywords = chunking
smtputf8_enable = yes
{more}
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - {chroot} - 100 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
tlsmgr    unix  - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""


def last_settings(main_cf):
    """Without what is set again further down: Postfix warns of it, and its postlogd can wait for itself
    to take such a warning."""
    lines, seen = [], set()
    for line in reversed(main_cf.splitlines()):
        name = line.partition("=")[0].strip()
        if name not in seen:
            lines.append(line)
        seen.add(name)
    return "\n".join(reversed(lines)) + "\n"


def postfix_socket(spec):
    """Postfix writes inet:HOST:PORT for libmilter's inet:PORT@HOST."""
    kind, _, rest = spec.partition(":")
    port, _, host = rest.partition("@")
    return spec if kind == "unix" else "inet:%s:%s" % ("[%s]" % host if ":" in host else host, port)


class Postfix(Scratch):
    """Postfix with a milter; mail for here.example lands in one maildir. chroot: smtpd sees its queue directory alone."""

    def __init__(self, milter, transport="", more="", chroot=False):
        need("postfix", "swaks")
        root()
        super().__init__()
        self.port = free_port()
        self.running = False
        nobody = pwd.getpwnam("nobody")
        os.mkdir(self.path("conf"))
        for name, owner in (("queue", 0), ("data", pwd.getpwnam("postfix").pw_uid), ("mail", nobody.pw_uid)):
            os.mkdir(self.path(name))
            os.chown(self.path(name), owner, -1)
        self.write("conf/main.cf", last_settings(POSTFIX_MAIN.format(
            protocols="all" if IPV6 else "ipv4", dir=self.dir, milter=postfix_socket(milter),
            transport="transport_maps = inline:{ %s }" % transport if transport else "", more=more,
            uid=nobody.pw_uid, gid=nobody.pw_gid)))
        self.write("conf/master.cf", POSTFIX_MASTER.format(port=self.port, chroot="y" if chroot else "n"))

    def postfix(self, *args):
        return subprocess.run(["/usr/sbin/postfix", "-c", self.path("conf"), *args], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60)

    def __enter__(self):
        p = self.postfix("start")
        self.running = True
        if not wait_for(lambda: listens(self.port)):
            log = self.log()
            self.stop()
            raise RuntimeError("postfix does not start: %s\n%s" % (p.stderr.decode(), log))
        return self

    def stop(self):
        if self.running:
            self.running = False
            self.postfix("stop")
        super().stop()

    def log(self):
        try:
            with open(self.path("mail.log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def send(self, message, ip=None, helo="client.example", mail_from="a@sender.example",
             to="you@here.example", login=None, more=()):
        """One message by swaks; its exit status and what the server said. ip: by XCLIENT. more: options."""
        args = ["swaks", "--server", "127.0.0.1", "--port", str(self.port), "--helo", helo, "--from", mail_from or "<>",
                "--to", to, "--data", "@" + self.write("message.eml", message), "--timeout", "60", *more]
        if ip:
            args += ["--xclient-addr", "IPV6:" + ip if ":" in ip else ip, "--xclient-name", "[UNAVAILABLE]",
                     "--xclient-login", login or "[UNAVAILABLE]"]
        p = subprocess.run(args, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        return p.returncode, p.stdout.decode("utf-8", "replace") + p.stderr.decode("utf-8", "replace")

    def mails(self):
        return sorted(glob.glob(self.path("mail", "all", "new", "*")))

    def deliver(self, message, **how):
        """Sends; the octets that arrived, with CRLF, or None."""
        before = set(self.mails())
        status, said = self.send(message, **how)
        if status != 0:
            raise RuntimeError("swaks: %d\n%s" % (status, said))
        new = wait_for(lambda: set(self.mails()) - before, 30)
        if not new:
            return None
        with open(new.pop(), "rb") as f:
            return f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def postcat(self, file):
        return subprocess.run(["/usr/sbin/postcat", "-c", self.path("conf"), "-bh", file], capture_output=True,
                              timeout=60).stdout

    def queued(self, queue):
        return [f for f in glob.glob(self.path("queue", queue, "**"), recursive=True) if os.path.isfile(f)]


class Sink(Scratch):
    """smtp-sink: takes mail and keeps each in a file, with what the client said."""

    def __init__(self):
        need("smtp-sink")
        root()
        super().__init__()
        os.chmod(self.dir, 0o777)
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/smtp-sink", "-u", "nobody", "-R", self.dir, "-d", "m.%M.", "127.0.0.1:%d" % self.port, "1000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(lambda: listens(self.port), 10):
            self.stop()
            raise RuntimeError("smtp-sink does not start")
        return self

    def mails(self):
        return glob.glob(self.path("m.*"))

    def header(self, name):
        """The whole header in octets (LF); None as long as it is being written."""
        with open(name, "rb") as f:
            head, end, _ = f.read().partition(b"\n\n")
        return head + b"\n" if end else None

    def stop(self):
        end(self.process)
        super().stop()


SENDMAIL_MC = """divert(-1)
include(`{root}/usr/share/sendmail/cf/m4/cf.m4')
divert(0)
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mx.here.example')
define(`QUEUE_DIR', `{dir}/mqueue')
define(`STATUS_FILE', `{dir}/statistics')
define(`HELP_FILE', `')
define(`ALIAS_FILE', `')
define(`confCW_FILE', `-o {dir}/none')
define(`confCR_FILE', `-o {dir}/none')
define(`confCT_FILE', `-o {dir}/none')
define(`confPID_FILE', `{dir}/pid')
define(`confSERVICE_SWITCH_FILE', `{dir}/service.switch')
define(`confDEF_USER_ID', `nobody')
define(`confTRUSTED_USER', `root')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confREFUSE_LA', `0')
define(`confQUEUE_LA', `0')
define(`confTO_IDENT', `0')
define(`confMAX_MESSAGE_SIZE', `100000000')
define(`confLOG_LEVEL', `9')
define(`SMART_HOST', `relay:[127.0.0.1]')
define(`RELAY_MAILER_ARGS', `TCP $h {sink}')
define(`LOCAL_RELAY', `relay:[127.0.0.1]')
FEATURE(`nocanonify')
FEATURE(`promiscuous_relay')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}, M=')
INPUT_MAIL_FILTER(`authmill', `S={milter}, F=T, T=S:30s;R:60s;E:2m')
MAILER(`smtp')
"""


class Sendmail(Scratch):
    """Sendmail with a milter, unpacked beside the system (its package would replace Postfix); every
    mail goes on to port `sink` of 127.0.0.1."""

    packages = ("sendmail-bin", "sendmail-base", "sendmail-cf")
    libraries = {"libwrap.so.0": "libwrap0", "libnsl.so.2": "libnsl2", "libdb-5.3.so": "libdb5.3",
                 "libldap-2.5.so.0": "libldap-2.5-0", "liblber-2.5.so.0": "libldap-2.5-0", "libsasl2.so.2": "libsasl2-2"}

    def __init__(self, milter, sink):
        need("m4", "swaks", "dpkg", "apt-get")
        root()
        super().__init__()
        self.process = None
        self.port = free_port()
        os.mkdir(self.path("mqueue"), 0o700)
        self.unpack()
        self.write("service.switch", "hosts files\naliases files\n")
        kind, _, rest = milter.partition(":")
        self.write("sendmail.mc", SENDMAIL_MC.format(root=self.path("root"), dir=self.dir, port=self.port, sink=sink,
                                                     milter=milter if kind != "unix" else "local:" + rest))
        p = subprocess.run(["m4", "-D_CF_DIR_=%s/usr/share/sendmail/cf/" % self.path("root"), self.path("sendmail.mc")],
                           capture_output=True, timeout=60)
        self.write("sendmail.cf", p.stdout)

    def unpack(self):
        self.download(self.packages)
        self.program = self.path("root/usr/libexec/sendmail/sendmail")
        os.chmod(self.program, 0o755)
        self.env = dict(os.environ)
        lost = self.lost()
        if lost:
            self.download(sorted({self.libraries[name] for name in lost if name in self.libraries}))
            folders = glob.glob(self.path("root/usr/lib/*-linux-*")) + glob.glob(self.path("root/lib/*-linux-*"))
            self.env["LD_LIBRARY_PATH"] = ":".join(folders)
            lost = self.lost()
        if lost:
            self.stop()
            raise Missing("Sendmail wants libraries that are not installed: " + " ".join(lost))

    def lost(self):
        """The libraries that the program does not find."""
        text = subprocess.run(["ldd", self.program], capture_output=True, timeout=60, env=self.env).stdout.decode()
        return [line.split()[0] for line in text.splitlines() if "not found" in line]

    def download(self, packages):
        folder = tempfile.mkdtemp(dir=self.dir)
        os.chmod(folder, 0o777)
        p = subprocess.run(["apt-get", "download", *packages], cwd=folder, capture_output=True, timeout=180)
        files = glob.glob(os.path.join(folder, "*.deb"))
        if len(files) != len(packages):
            self.stop()
            raise Missing("packages cannot be had: " + p.stderr.decode().strip().partition("\n")[0])
        for f in files:
            subprocess.run(["dpkg", "-x", f, self.path("root")], check=True, timeout=60)

    def __enter__(self):
        # a host name without a dot makes Sendmail sleep for a minute: give it one of its own
        named = ["unshare", "--uts", "sh", "-c", 'hostname mx.here.example && exec "$@"', "sh"]
        if subprocess.run(named + ["true"], capture_output=True, timeout=60).returncode != 0:
            named = []
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(named + [self.program, "-C", self.path("sendmail.cf"), "-bD", "-q2s"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if not wait_for(lambda: listens(self.port), 20 if named else 100):
            log = self.log()
            self.stop()
            raise RuntimeError("sendmail does not start: " + log)
        return self

    def log(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()

    send = Postfix.send

    def stop(self):
        end(self.process)
        super().stop()
