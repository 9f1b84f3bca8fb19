#!/usr/bin/python3
"""authmilld: options, start, reload, death of a worker, end."""

import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from milterclient import Client, Daemon, Gone, session  # noqa: E402
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILLD = build("authmilld")
MESSAGE = b"From: a@example.org\r\nSubject: one\r\n\r\nHello.\r\n"
ZONE = "$ORIGIN .\n$TTL 60\nexample.org. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
CONF = """authserv-id = "%s"
log { to = stderr level = debug }
dns { zones = {"{dir}/zone"} }
"""


def conf(name="one.example", more=""):
    return CONF % name + more


class Checked(Daemon):
    """One that must end well, whatever the test has done to it; `killed`: but for this."""

    killed = False

    def __exit__(self, *e):
        super().__exit__(*e)
        if not self.killed and self.process.returncode:
            ok(False, "authmilld ended with status %d" % self.process.returncode)
            tap.diag("".join(self.log))


def daemon(text=None, **named):
    return Checked(text or conf(), files={"zone": ZONE}, program=AUTHMILLD, **named)


def run(*args):
    p = subprocess.run([AUTHMILLD, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def until(good, seconds=10):
    end = time.monotonic() + seconds
    while not good():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def id_of(edits):
    """The authserv-id that was inserted."""
    return [e[3].split(";")[0].strip() for e in edits if e[0] == "i"]


def judged_as(d, name, what):
    edits, verdict = session(d.socket, MESSAGE, "192.0.2.1", "mx.example.org", "a@example.org")
    is_((id_of(edits), verdict[0]), ([name], "a"), what)


def options():
    status, out, _ = run("--version")
    is_(status, 0, "--version")
    like(out, r"^authmilld [0-9.]+\n$", "--version prints it")
    status, out, _ = run("--help")
    is_(status, 0, "--help")
    like(out, "usage: authmilld", "--help prints it")
    for option in ("--help", "--version"):
        with open("/dev/full", "w") as full:
            p = subprocess.run([AUTHMILLD, option], stdout=full, stderr=subprocess.DEVNULL, timeout=60)
        is_(p.returncode, 75, option + " that nobody can read")
    is_(run("--nonsense")[0], 64, "an unknown option is wrong usage")
    is_(run("-t", "operand")[0], 64, "so is an operand")


def checks():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        file = os.path.join(here, "a.conf")
        for text, want, error in (
                ("", 0, "^$"),
                ("dmarc { enforce = yes }\n", 0, "^$"),
                ("# x\nsokcet = x\n", 78, r"a\.conf:2: unknown option .sokcet.; did you mean"),
                ("dkim {\n engine = x\n}\n", 78, r"a\.conf:2: dkim\.engine: .x. is not right; wanted: "),
                ("dns { zones = {/nowhere/z} }\n", 78, r"a\.conf:1: dns\.zones: .*/nowhere/z"),
                ("dmarc { org-domain = psl psl = /nowhere/p }\n", 78, r"dmarc\.psl: ")):
            with open(file, "w") as f:
                f.write(text)
            status, out, err = run("-t", "-c", file)
            is_((status, out), (want, ""), "-t of %r" % text)
            like(err, error, "and what it says")
            ok(err.count("\n") <= 1, "in one line")
    status, _, err = run("-c", "/nowhere/a.conf")
    is_(status, 78, "no such file")
    like(err, "/nowhere/a.conf: No such file", "is said")


def starts():
    with daemon(conf(more='pid-file = "{dir}/pid"\n')) as d:
        path = d.socket[5:]
        judged_as(d, "one.example", "it serves")
        is_(stat.S_IMODE(os.stat(path).st_mode), 0o660, "mode of the socket")
        is_(int(open(d.dir + "/pid").read()), d.process.pid, "pid file")
        workers = d.workers()
        is_(len(workers), 1, "one worker")
        is_(os.getpgid(workers[0]), workers[0], "in a process group of its own")
        if os.geteuid() == 0:
            ok(d.status(workers[0], "Uid") != 0, "which is not root")
        else:
            tap.skip("which is not root", "the test does not run as root")
        status, _, err = run("-c", d.conf)
        is_(status, 69, "a second one on the same socket does not start")
        like(err, "another process answers there", "and says why")
        judged_as(d, "one.example", "the first one does not mind")
        d.process.terminate()
        is_(d.process.wait(10), 0, "SIGTERM")
        ok(not os.path.exists(path), "the socket is gone")
        ok(not os.path.exists(d.dir + "/pid"), "so is the pid file")


def sockets_in_the_way():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        path = here + "/sock"
        with open(path, "w"):
            pass
        with open(here + "/c", "w") as f:
            f.write('socket = "unix:%s"\nlog { to = stderr }\n' % path)
        status, _, err = run("-c", here + "/c")
        is_(status, 69, "a plain file in the place of the socket")
        like(err, "a file that is no socket", "is left alone")
        os.unlink(path)
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.close()
        with Daemon(conf().replace('dns { zones = {"{dir}/zone"} }', "") +
                    'socket-mode = 0600\nsocket = "unix:%s"\n' % path, spec="unix:" + path,
                    program=AUTHMILLD) as d:
            ok(d.answers(), "a socket that nobody answers on is replaced")
            is_(stat.S_IMODE(os.stat(path).st_mode), 0o600, "its mode is as configured")
            os.unlink(path)
            other = socket.socket(socket.AF_UNIX)
            other.bind(path)
            d.process.terminate()
            d.process.wait(10)
            ok(os.path.exists(path), "at the end a socket that is somebody else's stays")
            other.close()


def reloads():
    with daemon(conf(more='pid-file = "{dir}/pid"\n')) as d:
        old = d.workers()[0]
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            c.helo("mx.example.org")
            d.write(conf("two.example"))
            d.process.send_signal(signal.SIGHUP)
            ok(d.logged("reloaded"), "SIGHUP")
            judged_as(d, "two.example", "new sessions have the new configuration")
            ok(old in d.workers(), "the old worker is still there")
            for i in range(2):
                edits, verdict = c.message(MESSAGE, "a@example.org")
                is_((id_of(edits), verdict[0]), (["one.example"], "a"),
                    "an open session keeps the old one, message %d" % (i + 1))
            c.quit()
        ok(until(lambda: old not in d.workers()), "then the old worker goes")
        is_(len(d.workers()), 1, "one worker is left")
        ok(not d.logged("died", 0), "nobody died")
        d.process.terminate()
        d.process.wait(10)
        ok(not os.path.exists(d.dir + "/pid"), "the pid file that the first configuration named goes")


def log_follows():
    """What the log shall hold counts at once, for the worker too."""
    with daemon(conf().replace("level = debug", "level = info")) as d:
        for level, lines in (("warning", 0), ("info", 1)):
            d.write(conf().replace("level = debug", "level = " + level))
            d.log.clear()
            old = d.workers()
            d.process.send_signal(signal.SIGHUP)
            ok(until(lambda: len(d.workers()) == 1 and d.workers() != old), "reload to " + level)
            judged_as(d, "one.example", "a message")
            ok(bool(d.logged("action=accept", 3 if lines else 1)) == bool(lines), "%d lines of it" % lines)


def signals_for_all():
    """killall and `systemctl kill` mean the worker too."""
    for sent, what in ((signal.SIGHUP, "a reload"), (signal.SIGTERM, "the end"), (signal.SIGINT, "the end")):
        with daemon(conf(more="drain = 10\n")) as d, Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            c.envelope("a@example.org")
            for pid in [d.process.pid] + d.workers():
                os.kill(pid, sent)
            time.sleep(1)
            _, verdict = c.content(MESSAGE)
            is_(verdict[0], "a", "%s for all processes: %s cuts no session" % (sent.name, what))
            c.quit()
            if sent != signal.SIGHUP:
                is_(d.process.wait(20), 0, "it ends")
            ok(not d.logged("died", 0), "nobody died")


class Logger:
    """authmilld in a directory of its own, its standard error a pipe of which `log` is read; `err` is left open."""

    def __init__(self, foreign=False):
        self.room = tempfile.TemporaryDirectory(prefix="authmill-t.")
        here = self.room.name
        self.socket = "unix:" + here + "/s"
        for name, text in (("zone", ZONE), ("c", 'socket = "%s"\n' % self.socket + conf())):
            with open(os.path.join(here, name), "w") as f:
                f.write(text.replace("{dir}", here))
        os.chmod(here, 0o755)
        self.log, self.err = os.pipe()
        how = not_ours(self.err) if foreign else []
        self.process = subprocess.Popen(how + [AUTHMILLD, "-c", here + "/c"], stdin=subprocess.DEVNULL, stderr=self.err,
                                        start_new_session=True)

    def workers(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            return f.read().split()

    def send(self, messages, sender):
        """How many were judged within five seconds each."""
        good = 0
        try:
            with Client(self.socket, 5) as c:
                c.negotiate()
                c.connect("192.0.2.1")
                for _ in range(messages):
                    good += c.message(MESSAGE, sender)[1][0] == "a"
                c.quit()
        except (OSError, Gone):
            pass
        return good

    def rest(self):
        """It ends; what is still to be read of its log."""
        os.close(self.err)
        self.process.terminate()
        with os.fdopen(self.log, "rb") as rest:
            text = rest.read().decode()
        is_(self.process.wait(20), 0, "SIGTERM ends it")
        return text

    def __enter__(self):
        until(lambda: self.send(1, "first@example.org") and self.workers())
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.room.cleanup()


def not_ours(pipe):
    """A pipe that nobody opens anew, as if somebody else had made it; how to start a program that cannot either."""
    os.fchmod(pipe, 0)
    return ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


def nobody_reads():
    """A reader of standard error that stopped stops no mail, whoever made the pipe."""
    count = 400
    for whose in ("ours", "somebody else's"):
        with Logger(whose != "ours") as d:
            begin = time.monotonic()
            is_(d.send(count, "a" * 200 + "@example.org"), count,
                "messages that are judged while nobody reads the log, a pipe that is " + whose)
            took = time.monotonic() - begin
            ok(took < 8, "a second is waited for room once, not for each: %.1f s" % took)
            os.read(d.log, 1 << 20)
            d.send(1, "last@example.org")
            read = d.rest()
            like(read[-2000:], r"\n?authmilld\[\d+\]: log: \d+ lines were lost", "what was lost is counted")
            like(read[-2000:], r"(?m)^authmilld\[\d+\]: \S+: .*from=<last@example\.org>", "and then the log goes on")


def slow_reader():
    """A reader who is slower than mail, but reads, loses nothing."""
    count = 400
    for whose in ("ours", "somebody else's"):
        with Logger(whose != "ours") as d:
            text, over = [], threading.Event()

            def read():
                while not over.wait(0.05):
                    text.append(os.read(d.log, 16384).decode())

            reader = threading.Thread(target=read)
            reader.start()
            is_(d.send(count, "b" * 60 + "@example.org"), count, "messages, and a slow reader of a pipe that is " + whose)
            over.set()
            d.send(1, "last@example.org")
            reader.join()
            lines = ("".join(text) + d.rest()).splitlines()
            is_(sum("from=<bbb" in line and "action=accept" in line for line in lines), count, "a line each")
            ok(not any("lost" in line for line in lines), "none is lost")


def lost_once():
    """Lines that the supervisor lost are counted by it alone, not by the workers that it starts as well."""
    with Logger() as d:
        filler = os.open("/proc/self/fd/%d" % d.err, os.O_WRONLY | os.O_NONBLOCK)
        for octets in (4096, 1):
            try:
                while True:
                    os.write(filler, b"x" * octets)
            except BlockingIOError:
                pass
        os.close(filler)
        for _ in range(2):
            old = d.workers()
            d.process.send_signal(signal.SIGHUP)
            ok(until(lambda: len(d.workers()) == 1 and d.workers() != old), "a reload that the log has no room for")
        os.read(d.log, 1 << 20)
        session(d.socket, MESSAGE, "192.0.2.1", "mx.example.org", "a@example.org")
        last = d.workers()[0]
        read = d.rest()
        is_(re.findall(r"authmilld\[(\d+)\]: log: \d+ lines were lost", read), [str(d.process.pid)], "who counts what was lost")
        like(read[-2000:], r"authmilld\[%s\]: .*action=accept" % last, "the last worker has lost none")


def closed_streams():
    """Whoever starts it need give it no standard streams."""
    with daemon() as d:
        d.write(conf(more='socket = "unix:{dir}/second"\npid-file = "{dir}/pid"\n'))
        how = '%s -d -c %s 0<&- 1>&- 2>&-' % (AUTHMILLD, d.conf)
        is_(subprocess.run(["/bin/sh", "-c", how], timeout=60, check=False).returncode, 0, "-d without standard streams")
        pid = int(open(d.dir + "/pid").read())
        edits, _ = session("unix:" + d.dir + "/second", MESSAGE, "192.0.2.1", "mx.example.org", "a@example.org")
        is_(id_of(edits), ["one.example"], "serves")
        os.kill(pid, signal.SIGTERM)
        ok(until(lambda: not os.path.exists(d.dir + "/pid")), "and ends")
        d.write(conf(more='socket = "unix:{dir}/third"\npid-file = "{dir}/pid3"\n'))
        p = subprocess.Popen(["/bin/sh", "-c", "exec %s -c %s 0<&- 1>&- 2>&-" % (AUTHMILLD, d.conf)])
        until(lambda: os.path.exists(d.dir + "/pid3"))

        def children():
            with open("/proc/%d/task/%d/children" % (p.pid, p.pid)) as f:
                return f.read().split()
        until(children)
        before = children()
        time.sleep(1.5)
        is_(children(), before, "in the foreground: the worker stays")
        p.terminate()
        is_(p.wait(20), 0, "SIGTERM")


def foreign_socket():
    """A socket that somebody else keeps outlives us, whatever a reload has said meanwhile."""
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        path = here + "/s"
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.listen(10)
        os.chmod(here, 0o755)
        os.chmod(path, 0o666)
        with open(here + "/zone", "w") as f:
            f.write(ZONE)

        def write(spec):
            with open(here + "/c", "w") as f:
                f.write(('socket = "%s"\n' % spec + conf()).replace("{dir}", here))

        def start():
            fd = s.fileno()
            p = subprocess.Popen([AUTHMILLD, "-c", here + "/c"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 pass_fds=(fd,), start_new_session=True)
            return p, until(lambda: answers(5))

        def answers(timeout):
            try:
                with Client("unix:" + path, timeout) as c:
                    return c.negotiate()[0] == "O"
            except (OSError, Gone):
                return False

        write("fd:%d" % s.fileno())
        p, good = start()
        ok(good, "it serves a socket that it was given")
        write("unix:" + path)
        p.send_signal(signal.SIGHUP)
        time.sleep(2)
        p.kill()
        p.wait()
        time.sleep(1.5)
        write("fd:%d" % s.fileno())
        p, good = start()
        ok(good, "after a reload that names another, and kill -9, it still is one")
        p.terminate()
        p.wait(20)
        s.close()


def a_drainer_dies():
    with daemon() as d, Client(d.socket) as c:
        c.negotiate()
        c.connect("192.0.2.1")
        old = d.workers()[0]
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded"), "reload")
        os.kill(old, signal.SIGKILL)
        ok(d.logged("an earlier worker died of signal 9"), "an earlier worker that dies with sessions is an error")


def refuses_to_reload():
    with daemon() as d:
        before = d.workers()
        d.write(conf("two.example", "dmarc {\n enforce = perhaps\n}\n"))
        d.process.send_signal(signal.SIGHUP)
        line = d.logged("nothing is changed") or ""
        like(line, r"authmill\.conf:\d+: dmarc\.enforce: .perhaps. is not right", "a bad file is named")
        is_(d.workers(), before, "the worker stays")
        judged_as(d, "one.example", "with its configuration")
        d.write(conf("three.example", 'socket = "unix:{dir}/other"\n'))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("need a restart"), "another socket needs a restart, it says")
        d.logged("an earlier worker is gone")  # until then it may take one more session
        judged_as(d, "three.example", "everything else is taken")
        d.write(conf("three.example", 'socket = "unix:{dir}/other"\npid-file = "{dir}/pid"\n'))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("pid-file needs a restart; until then it stays none"), "so does another pid file")
        me = pwd.getpwuid(os.getuid()).pw_name
        d.write(conf("three.example", 'user = "%s"\n' % ("nobody" if me == "root" else me)))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("the socket changes its owner at a restart alone"), "and another user is another owner")
        d.log.clear()
        d.write(conf("three.example", 'socket = "unix:{dir}/other"\n'))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("need a restart"), "what waits for a restart is said with every reload")
        d.log.clear()
        d.write(conf("four.example"))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded") and not d.logged("restart", 0), "and no more where all is as it is")
        d.write(conf("four.example", 'socket = "inet:1@127.0.0.1"\nuser = "%s"\n' % ("nobody" if me == "root" else me)))
        for n in ("first", "second"):
            d.log.clear()
            d.process.send_signal(signal.SIGHUP)
            ok(d.logged("reloaded") and d.logged("the socket changes its owner at a restart alone", 0),
               "the owner of the socket that is open, with the %s reload to one that has none" % n)


def what_needs_no_restart():
    """What a restart would not change either is not said to wait for one."""
    with daemon() as d:
        other = socket.socket(socket.AF_UNIX)
        other.bind(d.dir + "/given")
        other.listen(5)
        fd = other.fileno()
        spec = 'socket = "fd:%d"\n' % fd
        d.write(spec + conf())
        with open(d.dir + "/log", "w") as log:
            p = subprocess.Popen([AUTHMILLD, "-c", d.conf, "-p", d.dir + "/pid"], pass_fds=(fd,), stdin=subprocess.DEVNULL,
                                 stderr=log)

        def logged(part):
            with open(d.dir + "/log") as log:
                return part in log.read()
        ok(until(lambda: logged("is ready")), "a socket that was given, a pid file of the command line")
        d.write(spec + conf(more='pid-file = "%s/other"\nsocket-mode = 0600\n' % d.dir))
        p.send_signal(signal.SIGHUP)
        ok(until(lambda: logged("reloaded")), "a reload with another mode and pid file")
        ok(not logged("restart"), "waits for no restart")
        p.terminate()
        is_(p.wait(20), 0, "SIGTERM")
        other.close()


def pid_files():
    """The file tells of whoever came last: who ends leaves a successor's. (A start that fails: t/unit/daemon.c.)"""
    with daemon(conf(more='pid-file = "{dir}/pid"\n')) as d:
        file = d.dir + "/pid"
        is_(int(open(file).read()), d.process.pid, "its number")
        d.write(conf(more='socket = "unix:{dir}/second"\npid-file = "{dir}/pid"\n'))
        with subprocess.Popen([AUTHMILLD, "-c", d.conf], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as second:
            ok(until(lambda: open(file).read() == "%d\n" % second.pid), "a second one takes it")
            d.process.terminate()
            d.process.wait(10)
            is_(open(file).read(), "%d\n" % second.pid, "it stays when the first one ends")
            second.terminate()
        ok(not os.path.exists(file), "and goes with the second")


def many_reloads():
    """While MTAs come and go: nobody is turned away."""
    with daemon() as d:
        bad = 0
        for i in range(12):
            if i % 4 == 3:
                d.log.clear()
                d.process.send_signal(signal.SIGHUP)
            try:
                with Client(d.socket, 10) as c:
                    c.negotiate()
                    c.connect("192.0.2.1")
                    bad += c.message(MESSAGE, "a@example.org")[1][0] != "a"
            except (OSError, Gone):
                bad += 1
            if i % 4 == 3:
                d.logged("reloaded", 10)
        is_(bad, 0, "sessions over three reloads")


def worker_dies():
    with daemon() as d:
        for n, sig in enumerate((signal.SIGKILL, signal.SIGKILL, signal.SIGUSR1)):
            old = d.workers()
            os.kill(old[0], sig)
            with Client(d.socket, 20) as c: # the socket is there all the time
                c.negotiate()
                c.connect("192.0.2.1")
                is_(c.message(MESSAGE, "a@example.org")[1][0], "a", "the next message, death %d" % n)
                c.quit()
            ok(d.workers() != old, "by another worker")
        ok(d.logged("died of signal 9"), "it is logged")
        is_(d.process.poll(), None, "the supervisor is the same")


def drains():
    with daemon() as d:
        path = d.socket[5:]
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            d.process.send_signal(signal.SIGTERM)
            ok(until(lambda: not os.path.exists(path)), "SIGTERM: the socket goes first")
            try:
                Client(d.socket, 1)
                ok(False, "no new sessions")
            except OSError:
                ok(True, "no new sessions")
            time.sleep(1)
            edits, verdict = c.message(MESSAGE, "a@example.org")
            is_((id_of(edits), verdict[0]), (["one.example"], "a"), "an open session goes on")
            is_(d.process.poll(), None, "it is waited for")
            c.quit()
        is_(d.process.wait(20), 0, "then authmilld ends")
    with daemon(conf(more="drain = 1.5\n")) as d:
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            start = time.monotonic()
            d.process.send_signal(signal.SIGINT)
            is_(d.process.wait(10), 0, "SIGINT is the same")
            took = time.monotonic() - start
            ok(1.4 < took < 9, "an idle session is cut off after the time for draining (%.1f s)" % took)
    with daemon() as d:
        with Client(d.socket) as c:
            c.negotiate()
            d.process.send_signal(signal.SIGTERM)
            ok(d.logged("stopping"), "stopping")
            start = time.monotonic()
            d.process.send_signal(signal.SIGTERM)
            d.process.wait(10)
            ok(time.monotonic() - start < 3, "a second SIGTERM does not wait")


def in_the_background():
    with daemon() as d:
        d.process.terminate()
        d.process.wait(10)
        pid_file = d.dir + "/second.pid"
        status, out, err = run("-d", "-c", d.conf, "-p", pid_file)
        is_((status, out), (0, ""), "-d")
        ok(d.answers(), "serves when the command has ended")
        pid = int(open(pid_file).read())
        is_(os.getsid(pid), pid, "in a session of its own")
        os.kill(pid, signal.SIGTERM)
        ok(until(lambda: not os.path.exists(pid_file)), "SIGTERM ends it")
        d.write(conf() + 'socket = "unix:/nowhere/at/all"\n')
        status, _, err = run("-d", "-c", d.conf)
        is_(status, 69, "-d that cannot start says so")
        like(err, "socket unix:/nowhere/at/all: ", "and why")


def supervisor_dies():
    with daemon() as d:
        worker = d.workers()[0]
        d.killed = True
        d.process.kill()
        d.process.wait(5)

        def gone():
            try:
                os.kill(worker, 0)
                with open("/proc/%d/stat" % worker) as f:
                    return f.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                return True
        ok(until(gone), "the worker goes when the supervisor was killed")
        with Daemon(conf(), files={"zone": ZONE}, program=AUTHMILLD) as other:
            other.process.terminate()
            other.process.wait(10)
            other.conf = d.conf
            p = subprocess.Popen([AUTHMILLD, "-c", d.conf], stderr=subprocess.DEVNULL)
            ok(until(d.answers), "the next one takes the socket that was left")
            p.terminate()
            is_(p.wait(10), 0, "and ends")


def over_tcp():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        for kind, host in (("inet", "127.0.0.1"), ("inet6", "::1")):
            with open(here + "/zone", "w") as f:
                f.write(ZONE)
            with open(here + "/c", "w") as f:
                f.write((conf() + 'socket = "%s:0@%s"\n' % (kind, host)).replace("{dir}", here))
            p = subprocess.Popen([AUTHMILLD, "-c", here + "/c"], stderr=subprocess.PIPE)
            port = re.search(rb"listening on %s:(\d+)@" % kind.encode(), p.stderr.readline())
            if not port and kind == "inet6":
                tap.skip("inet6", "no IPv6 here")
                p.wait(10)
                continue
            spec = "%s:%s@%s" % (kind, port.group(1).decode(), host)
            best = 9
            with Client(spec) as c:
                c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c.negotiate()
                c.connect("192.0.2.1")
                for _ in range(5):
                    start = time.monotonic()
                    verdict = c.message(MESSAGE, "a@example.org")[1][0]
                    best = min(best, time.monotonic() - start)
            is_(verdict, "a", "over " + kind)
            ok(best < 0.035, "Nagle does not wait (%.1f ms)" % (best * 1000))
            p.terminate()
            p.wait(10)
            p.stderr.close()


def inherited():
    s = socket.socket(socket.AF_INET)
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        with open(here + "/c", "w") as f:
            f.write('socket = "fd:%d"\nlog { to = stderr }\n' % s.fileno())
        p = subprocess.Popen([AUTHMILLD, "-c", here + "/c"], pass_fds=[s.fileno()],
                             stderr=subprocess.DEVNULL)
        with Client("inet:%d@127.0.0.1" % s.getsockname()[1]) as c:
            is_(c.negotiate()[0], "O", "fd:N serves")
            c.quit()
        p.terminate()
        is_(p.wait(20), 0, "and ends")
        p = subprocess.Popen([AUTHMILLD, "-c", here + "/c"], pass_fds=[s.fileno()],
                             stderr=subprocess.DEVNULL)
        with Client("inet:%d@127.0.0.1" % s.getsockname()[1]) as c:
            is_(c.negotiate()[0], "O", "the socket is as it was: another process serves it")
            c.quit()
        p.terminate()
        p.wait(20)
        s.close()
        status, _, err = run("-c", here + "/c")
        is_(status, 69, "fd:N that is not open")
        like(err, "socket fd:", "is said")


tap.run(options, checks, starts, sockets_in_the_way, reloads, refuses_to_reload, what_needs_no_restart, pid_files, many_reloads,
        worker_dies, drains, in_the_background, supervisor_dies, over_tcp, inherited, log_follows, signals_for_all,
        nobody_reads, slow_reader, lost_once, closed_streams, foreign_socket, a_drainer_dies)
