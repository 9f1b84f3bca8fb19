"""The MTA's side of the milter protocol, for tests that go where no MTA goes,
and an authmilld of one's own to try it on.

    with Daemon(conf_text) as d, Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        ...
        edits, verdict = c.eom()

Every wait is bounded. Steps answer with the milter's packet (code, data), or
with None where a reply was negotiated away.
"""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import tap

ACTIONS = 0x1FF
STEPS = 0x1FFFFF
LEADSPC = 1 << 20
SKIP = 1 << 10
CHUNK = 65535

# command: (bit "do not send", bit "no reply")
RULES = {
    "C": (1 << 0, 1 << 12), "H": (1 << 1, 1 << 13), "M": (1 << 2, 1 << 14), "R": (1 << 3, 1 << 15),
    "T": (1 << 9, 1 << 16), "L": (1 << 5, 1 << 7), "N": (1 << 6, 1 << 18), "B": (1 << 4, 1 << 19),
    "E": (0, 0),
}


class Gone(Exception):
    """The milter closed the connection."""


def text(value):
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def strings(*values):
    return b"".join(text(v) + b"\0" for v in values)


def connect_socket(spec, timeout):
    kind, _, rest = spec.partition(":")
    if kind in ("unix", "local"):
        s = socket.socket(socket.AF_UNIX)
        address = rest
    else:
        port, _, host = rest.partition("@")
        s = socket.socket(socket.AF_INET6 if kind == "inet6" else socket.AF_INET)
        address = (host or "localhost", int(port))
    s.settimeout(timeout)
    s.connect(address)
    return s


class Client:
    """One connection. `delay`: seconds between any two packets (a slow MTA)."""

    def __init__(self, spec, timeout=20, delay=0):
        self.sock = connect_socket(spec, timeout)
        self.delay = delay
        self.steps = 0
        self.actions = 0
        self.lists = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # packets

    def raw(self, octets):
        self.sock.sendall(octets)

    def send(self, command, data=b""):
        if self.delay:
            time.sleep(self.delay)
        try:
            self.raw(struct.pack(">I", len(data) + 1) + text(command) + data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone()

    def _octets(self, n):
        out = b""
        while len(out) < n:
            try:
                more = self.sock.recv(n - len(out))
            except ConnectionResetError:
                raise Gone()
            if not more:
                raise Gone()
            out += more
        return out

    def receive(self):
        n = struct.unpack(">I", self._octets(4))[0]
        packet = self._octets(n)
        return packet[:1].decode("latin-1"), packet[1:]

    def answer(self):
        while True:
            code, data = self.receive()
            if code != "p":
                return code, data

    def closed(self):
        """True: the milter has closed the connection; False: it is still open after a second."""
        self.sock.settimeout(1)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    # steps

    def step(self, command, data=b""):
        no_send, no_reply = RULES[command]
        if self.steps & no_send:
            return None
        self.send(command, data)
        return None if self.steps & no_reply else self.answer()

    def negotiate(self, version=6, actions=ACTIONS, steps=STEPS):
        self.send("O", struct.pack(">III", version, actions, steps))
        code, data = self.receive()
        if code != "O":
            return code, data
        self.version, self.actions, self.steps = struct.unpack(">III", data[:12])
        rest = data[12:]
        while len(rest) >= 4:
            stage = struct.unpack(">I", rest[:4])[0]
            names, _, rest = rest[4:].partition(b"\0")
            self.lists[stage] = names.decode("latin-1")
        return code, data

    def macros(self, command, **named):
        """i="1", auth_authen="alice": names of several letters get their braces."""
        pairs = []
        for name, value in named.items():
            pairs += [name if len(name) == 1 else "{%s}" % name, value]
        self.send("D", text(command) + strings(*pairs))

    def connect(self, ip=None, name="unknown", port=1025):
        if ip is None:
            return self.step("C", strings(name) + b"U")
        family = b"6" if ":" in ip else b"4"
        return self.step("C", strings(name) + family + struct.pack(">H", port) + strings(ip))

    def helo(self, name):
        return self.step("H", strings(name))

    def mail(self, address, *args):
        return self.step("M", strings("<%s>" % address, *args))

    def rcpt(self, address, *args):
        return self.step("R", strings("<%s>" % address, *args))

    def data(self):
        return self.step("T")

    def header(self, name, value):
        """`value` as it stands after the colon, its leading space included."""
        value = text(value)
        if not self.steps & LEADSPC and value[:1] == b" ":
            value = value[1:]
        return self.step("L", strings(name, value))

    def eoh(self):
        return self.step("N")

    def body(self, octets, chunk=CHUNK):
        """All of it in chunks; the last answer, or the first that is not "continue"."""
        last = None
        for at in range(0, len(octets), chunk):
            last = self.step("B", octets[at:at + chunk])
            if last is not None and last[0] != "c":
                break
        return last

    def eom(self):
        """(edits, (code, data)): an edit is ("i", index, name, value), ("h", name, value),
        ("m", index, name, value), ("q", reason), or (code, data)."""
        edits = []
        self.send("E")
        while True:
            code, data = self.answer()
            if code in "im":
                name, value = data[4:].split(b"\0")[:2]
                edits.append((code, struct.unpack(">I", data[:4])[0], name.decode("latin-1"),
                              value.decode("utf-8", "surrogateescape")))
            elif code == "h":
                edits.append((code,) + tuple(t.decode("utf-8", "surrogateescape")
                                             for t in data.split(b"\0")[:2]))
            elif code == "q":
                edits.append((code, data.rstrip(b"\0").decode("utf-8", "surrogateescape")))
            elif code in "+-2eb":
                edits.append((code, data))
            else:
                return edits, (code, data)

    def abort(self):
        self.send("A")

    def quit(self):
        self.send("Q")

    def envelope(self, mail_from="", rcpts=("postmaster",), **macros):
        """MAIL, RCPTs and DATA; the answers."""
        answers = []
        if macros:
            self.macros("M", **macros)
        answers.append(self.mail(mail_from))
        answers += [self.rcpt(r) for r in rcpts]
        answers.append(self.data())
        return answers

    def content(self, message):
        """Header, body and end of a message in octets (CRLF); the result of eom()."""
        fields, body = split(message)
        for name, value in fields:
            self.header(name, value)
        self.macros("N", i="QUEUEID")
        self.eoh()
        if body:
            self.body(body)
        self.macros("E", i="QUEUEID")
        return self.eom()

    def message(self, message, mail_from="", rcpts=("postmaster",), **macros):
        self.envelope(mail_from, rcpts, **macros)
        return self.content(message)


def session(spec, message, ip=None, helo=None, mail_from="", timeout=20, **macros):
    """One message in a session of its own; the result of eom()."""
    with Client(spec, timeout) as c:
        c.negotiate()
        c.connect(ip)
        if helo:
            c.helo(helo)
        result = c.message(message, mail_from, **macros)
        c.quit()
        return result


def split(message):
    """[(name, value)] and body of a message in CRLF octets; folds as LF."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        else:
            fields.append(line)
    pairs = [f.partition(b":") for f in fields]
    return [(name.rstrip(b" \t"), value) for name, _, value in pairs], body


def applied(fields, edits):
    """The header after the edits of an eom(), as an MTA applies them, in order:
    deleting shifts the numbers; a value that is not deleted carries its LF folds."""
    out = [(text(n), text(v)) for n, v in fields]
    for e in edits:
        if e[0] == "i":
            out.insert(min(e[1], len(out)), (text(e[2]), text(e[3])))
        elif e[0] == "h":
            out.append((text(e[1]), text(e[2])))
        elif e[0] == "m":
            places = [k for k, (n, _) in enumerate(out) if n.lower() == text(e[2]).lower()]
            if e[1] < 1 or e[1] > len(places):
                raise AssertionError("no field %r number %d" % (e[2], e[1]))
            at = places[e[1] - 1]
            out[at:at + 1] = [(text(e[2]), text(e[3]))] if e[3] else []
    return out


class Daemon:
    """An authmilld in the foreground, in a scratch directory, on a socket of its own.

    conf: the configuration; {dir} in it is the scratch directory. `socket` is
    added where it is not set. files: {name: text or octets} laid into the directory."""

    def __init__(self, conf="", files=None, spec=None, program=None, env=None, wait=20):
        self.dir = tempfile.mkdtemp(prefix="authmill-t.")
        os.chmod(self.dir, 0o755)
        self.socket = spec or "unix:%s/milter.sock" % self.dir
        self.conf = os.path.join(self.dir, "authmill.conf")
        self.program = program or os.path.join(os.environ.get("AUTHMILL_BUILD", "."), "authmilld")
        self.log = []
        self.process = None
        self.wait = wait
        self.env = dict(os.environ, **(env or {}))
        for name, content in (files or {}).items():
            with open(os.path.join(self.dir, name), "wb") as f:
                f.write(text(content))
        self.write(conf)

    def write(self, conf):
        if not re.search(r"(?m)^socket\s*=", conf):
            conf = 'socket = "%s"\n%s' % (self.socket, conf)
        with open(self.conf, "w") as f:
            f.write(conf.replace("{dir}", self.dir))

    def __enter__(self):
        try:
            self.process = subprocess.Popen([self.program, "-c", self.conf], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            env=self.env, start_new_session=True)
        except OSError:
            self.__exit__()
            raise
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        until = time.monotonic() + self.wait
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise RuntimeError("authmilld does not start:\n" + "".join(self.log))
            time.sleep(0.05)
        return self

    def _read(self):
        for line in self.process.stdout:
            self.log.append(line.decode("utf-8", "replace"))

    def answers(self):
        """A whole negotiation: the socket may be open long before a worker listens."""
        try:
            with Client(self.socket, 2) as c:
                return c.negotiate()[0] == "O"
        except (OSError, Gone):
            return False

    def workers(self):
        """The processes that authmilld started."""
        pids = []
        for task in os.listdir("/proc/%d/task" % self.process.pid):
            with open("/proc/%d/task/%s/children" % (self.process.pid, task)) as f:
                pids += [int(p) for p in f.read().split()]
        return pids

    def status(self, pid, key):
        """A number of /proc/PID/status, such as VmHWM (kB) or Threads."""
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise KeyError(key)

    def descriptors(self, pid):
        """How many it has open; with a sanitizer without pipes, by which that asks for names."""
        links = []
        for entry in os.scandir("/proc/%d/fd" % pid):
            try:
                links.append(os.readlink(entry.path))
            except FileNotFoundError:
                pass
        return sum(not (link.startswith("pipe:") and self.sanitized(pid)) for link in links)

    def sanitized(self, pid):
        """Built with AddressSanitizer or ThreadSanitizer: its memory says nothing then."""
        return self.status(pid, "VmSize") > 1 << 30

    def complaints(self):
        """What sanitizers said of authmilld."""
        return [line for line in self.log if "anitizer:" in line or "runtime error" in line]

    def logged(self, part, wait=5):
        """Waits until `part` stands in the log; the line, or None."""
        until = time.monotonic() + wait
        while True:
            for line in list(self.log):
                if part in line:
                    return line
            if time.monotonic() > until:
                return None
            time.sleep(0.05)

    def __exit__(self, *_):
        p = self.process
        if p and p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(40)
            except subprocess.TimeoutExpired:
                try:
                    os.killpg(p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                p.wait(5)
        if p:
            self.reader.join(2)
            p.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.complaints():
            tap.ok(False, "a sanitizer has no word")
            tap.diag("".join(line for line in self.log if "QUEUEID" not in line)[:20000])
