#!/usr/bin/python3
"""The worker in its sandbox, and what authmilld refuses to rely on. (What each wall stops:
t/unit/sandbox.c. All other tests of the protocol run in the sandbox as well: it is on by default.)"""

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from fixture import CONF, ZONES, ours, sample, words, zone  # noqa: E402
from milterclient import Daemon, session  # noqa: E402
from mta import wait_for  # noqa: E402
from tap import Missing, build, diag, is_, like, ok  # noqa: E402
from testdns import TestDNS  # noqa: E402

AUTHMILLD = build("authmilld")
GOOD = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")
WANT = "spf=pass spf=pass dkim=pass dmarc=pass iprev=pass"


def facts(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def judged(d, what):
    edits, _ = session(d.socket, sample("newsletter"), **GOOD)
    is_(words(ours(edits)), WANT, what)


def daemon(more="", **named):
    return Daemon(CONF % (ZONES + more), {"zone": zone()}, **named)


def bound():
    with daemon() as d:
        line = d.logged("sandbox:") or ""
        like(line, r"sandbox: (seccomp|built without seccomp|off)", "the log says what is in force")
        is_(len([x for x in d.log if "sandbox:" in x]), 1, "once")
        worker, supervisor = facts(d.workers()[0]), facts(d.process.pid)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            is_(int(worker[name], 16), 0, "the worker has no capability: " + name)
        is_(worker["NoNewPrivs"], "1", "and gains no privileges")
        with open("/proc/%d/limits" % d.workers()[0]) as f:
            like(f.read(), r"Max core file size +0 +0 ", "no cores")
        if "seccomp" in line and "without" not in line:
            is_(worker["Seccomp"], "2", "its system calls are filtered")
            is_(worker.get("Seccomp_filters", "1"), "1", "by one filter")
        if os.geteuid() == 0:
            kept = 1 << 6 | 1 << 7 | 1 << 5 | 1 << 1
            is_(int(supervisor["CapEff"], 16) & ~kept, 0, "of root the supervisor keeps what it needs")
            is_(int(supervisor["CapPrm"], 16) & ~kept, 0, "and cannot take more")
        is_(supervisor["NoNewPrivs"], "1", "nor can what it starts")
        judged(d, "it works")
        old = d.workers()
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded"), "a reload needs no more than that")
        ok(wait_for(lambda: d.workers() and d.workers() != old and len(d.workers()) == 1, 10), "another worker")
        judged(d, "which works")
        os.kill(d.workers()[0], signal.SIGKILL)
        judged(d, "so does one that follows a dead one")
        is_([x for x in d.log if "signal 31" in x], [], "nobody died of SIGSYS")


def every_thread():
    with daemon() as d:
        judged(d, "a message, for threads to be started")
        pid = d.workers()[0]
        modes = set()
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/status" % (pid, task)) as f:
                modes.add(re.search(r"Seccomp:\t(\d)", f.read()).group(1))
        if "off" in (d.logged("sandbox:") or "") or "without" in (d.logged("sandbox:") or ""):
            raise Missing("built without")
        is_(modes, {"2"}, "every thread of the worker is bound")


def switched_off():
    with daemon("sandbox = no\n") as d:
        like(d.logged("sandbox:") or "", r"off \(sandbox = no\)", "sandbox = no is said")
        is_(facts(d.workers()[0])["Seccomp"], facts(os.getpid())["Seccomp"], "and done")
        is_(int(facts(d.workers()[0])["CapPrm"], 16), 0, "without capabilities all the same")
        judged(d, "works")
        d.write(CONF % ZONES)
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded"), "a reload switches it on")
        is_(len([x for x in d.log if "]: sandbox:" in x]), 2, "which is said")


def with_a_network():
    """The engine's thread, UDP, TCP, resolv.conf, and libopendkim's own start, all inside."""
    records = {"garden.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
               "big.example": [{"TXT": ["v=spf1 ip4:192.0.2.9 ip4:192.0.2.1 -all", " " * 200]}]}
    with TestDNS(records) as server:
        conf = 'dns { nameservers = {"127.0.0.1@%d"} timeout = 3 }\n' % server.port
        for engine in ("own", "libopendkim"):
            try:
                d = Daemon(CONF % (conf + "dkim { engine = %s }\n" % engine))
                with d:
                    edits, _ = session(d.socket, sample("newsletter"), **GOOD)
                    like(words(ours(edits)), "^spf=pass", "DNS over the network, engine " + engine)
                    is_([x for x in d.log if "died" in x], [], "nobody died")
            except RuntimeError as e:
                if "libopendkim" not in str(e):
                    raise
                tap.skip("engine libopendkim", "not built in")
    with Daemon(CONF % "") as d:
        ok(d.answers(), "nameservers of resolv.conf: it is read inside")
    with daemon() as d:
        d.write((CONF % ZONES).replace("to = stderr", "to = syslog"))
        d.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(d.workers()) == 1, 5)
        judged(d, "with syslog, whether one runs or not")


def descriptors():
    """Started with few descriptors: the first worker, one that follows a dead one, one after a reload."""
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        hard = subprocess.run(["sh", "-c", "ulimit -n 400 && ulimit -n 500"], stderr=subprocess.DEVNULL).returncode == 0
        diag("the hard limit %s" % ("is raised" if hard else "is far enough: only CAP_SYS_RESOURCE raises it"))
        few = here + "/few"
        with open(few, "w") as f:
            f.write('#!/bin/sh\nulimit %s 400 && exec "%s" "$@"\n' % ("-n" if hard else "-Sn", AUTHMILLD))
        os.chmod(few, 0o755)
        with daemon("limits { sessions = 2000 }\n", program=few) as d:
            is_(may_open(d.workers()[0]), 2500, "descriptors for limits.sessions")
            first = d.workers()
            os.kill(first[0], signal.SIGKILL)
            ok(wait_for(lambda: d.workers() and d.workers() != first and d.answers(), 10), "it is killed")
            is_(may_open(d.workers()[0]), 2500, "the next worker may open as many")
            d.write(CONF % (ZONES + "limits { sessions = 5000 }\n"))
            d.process.send_signal(signal.SIGHUP)
            ok(d.logged("reloaded"), "more are wanted")
            ok(wait_for(lambda: len(d.workers()) == 1 and may_open(d.workers()[0]) == 5500, 10), "and given")
            is_([x for x in d.log if "descriptors" in x], [], "nothing to complain of")


def may_open(pid):
    with open("/proc/%d/limits" % pid) as f:
        return int(re.search(r"Max open files +(\d+)", f.read()).group(1))


# ---- files that others can change

def refused(mode_of, want, what):
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        os.chmod(here, 0o755)
        os.mkdir(here + "/d", 0o755)
        conf = here + "/d/a.conf"
        with open(conf, "w") as f:
            f.write('socket = "unix:%s/d/sock"\npid-file = "%s/d/pid"\nlog { to = stderr }\n'
                    'dns { zones = {"%s/d/zone"} }\n'
                    'policy { shadow = %s/lists/shadow }\n'
                    'arc { trusted-sealers = {"file:%s/lists/sealers"} }\n'
                    'rule "x" { when { header-from = "file:%s/lists/domains" } action = accept }\n' % ((here,) * 6))
        os.mkdir(here + "/lists", 0o755)
        for name in ("sealers", "domains"):
            with open(here + "/lists/" + name, "w") as f:
                f.write("list.example\n")
        for name in ("log", "resolv"):
            with open(here + "/" + name, "w") as f:
                f.write("nameserver 127.0.0.1\n")
        with open(here + "/d/zone", "w") as f:
            f.write(zone())
        with open(here + "/lists/shadow", "w") as f:
            f.write("policy { mode = monitor }\n")
        for name, mode in mode_of.items():
            os.chmod(os.path.join(here, name), mode)
        if "log" in mode_of or "resolv" in mode_of:
            with open(conf, "a") as f:
                f.write('decision-log { path = %s/log }\ndns { zones = {} resolv-conf = %s/resolv }\n' % (here, here))
        p = subprocess.run([AUTHMILLD, "-t", "-c", conf], capture_output=True, timeout=20)
        is_(p.returncode, 78 if want else 0, what)
        if want:
            like(p.stderr.decode(), want, "and says what to do")


def modes():
    refused({}, None, "files that are ours alone")
    refused({"d/a.conf": 0o664}, None, "a group may write, where it is trusted")
    refused({"d/a.conf": 0o666}, r"a\.conf: everybody may write to it; chmod o-w ", "a configuration for everybody")
    refused({"d/zone": 0o646}, r"zone: everybody may write to it; chmod o-w ", "a zone file for everybody")
    refused({"lists/sealers": 0o666}, r"sealers: everybody may write to it; chmod o-w ", "a list of sealers for everybody")
    refused({"lists/domains": 0o666}, r"domains: everybody may write to it; chmod o-w ", "a rule's list for everybody")
    refused({"lists/shadow": 0o666}, r"shadow: everybody may write to it; chmod o-w ", "a second policy for everybody")
    refused({"lists": 0o777}, r"everybody may write to its directory; chmod o-w ", "a directory for everybody, of lists")
    refused({"d": 0o777}, r"everybody may write to its directory; chmod o-w ", "a directory for everybody")
    refused({"log": 0o640, "resolv": 0o644}, None, "a decision log and resolvers of ours")
    refused({"log": 0o666}, r"log: everybody may write to it; chmod o-w ", "a decision log for everybody")
    refused({"resolv": 0o666}, r"resolv: everybody may write to it; chmod o-w ", "resolvers for everybody")
    refused({"": 0o777}, r"everybody may write to its directory; chmod o-w ", "a directory above for everybody")
    refused({"d": 0o1777}, None, "unless nobody can take away what is another's")


def reload_refused():
    with daemon() as d:
        os.chmod(d.conf, 0o666)
        d.process.send_signal(signal.SIGHUP)
        like(d.logged("nothing is changed") or "", "everybody may write", "not at a reload either")
        judged(d, "what was good goes on")


def socket_directories():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        os.mkdir(here + "/open")
        os.chmod(here + "/open", 0o777)
        with open(here + "/a.conf", "w") as f:
            f.write('socket = "unix:%s/open/sock"\nlog { to = stderr }\n' % here)
        p = subprocess.run([AUTHMILLD, "-c", here + "/a.conf"], capture_output=True, timeout=20)
        is_(p.returncode, 78, "a socket where everybody may write")
        like(p.stderr.decode(), r"open/sock: everybody may write to its directory", "is refused")
    with daemon("socket-mode = 0666\n") as d:
        ok(d.logged("every user of this host may connect"), "a socket for everybody is warned of")


def what_is_made():
    """An umask that lets everybody write changes nothing."""
    d = daemon('pid-file = "{dir}/pid"\n')
    old = os.umask(0)
    try:
        with d:
            wait_for(lambda: os.path.exists(d.dir + "/pid"), 20)
            is_(stat.S_IMODE(os.stat(d.dir + "/pid").st_mode), 0o644, "mode of the pid file")
            is_(stat.S_IMODE(os.stat(d.socket[5:]).st_mode), 0o660, "mode of the socket")
    finally:
        os.umask(old)


def foreign_pid_files():
    for what, make in (("a link", lambda p: os.symlink("/nowhere/x", p)),
                       ("a second name of another file", lambda p: os.link(os.path.dirname(p) + "/other", p)),
                       ("a pipe", os.mkfifo)):
        with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
            with open(here + "/other", "w") as f:
                f.write("dear")
            make(here + "/pid")
            with open(here + "/a.conf", "w") as f:
                f.write('socket = "unix:%s/sock"\npid-file = "%s/pid"\nlog { to = stderr }\n' % (here, here))
            p = subprocess.run([AUTHMILLD, "-c", here + "/a.conf"], capture_output=True, timeout=30)
            is_(p.returncode, 78, "in the place of the pid file: " + what)
            like(p.stderr.decode(), "pid file .*/pid: ", "is said")
            with open(here + "/other") as f:
                is_(f.read(), "dear", "and left alone")


tap.run(bound, every_thread, switched_off, with_a_network, descriptors, modes, reload_refused, socket_directories,
        what_is_made, foreign_pid_files)
