#!/usr/bin/python3
"""Both DKIM engines on every case of t/vectors/dkim/cases.py (TAP).

The own engine gives what the case wants. libopendkim gives the same, or what stands in
t/vectors/dkim/differences.txt; a difference that is not there fails, and so does one that is there
and is gone. `dkim-diff.py --differences` prints the table as it is now.
"""

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

SRC = os.environ.get("AUTHMILL_SRC") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.environ.get("AUTHMILL_BUILD") or os.getcwd()
AUTHMILL = os.path.join(BUILD, "authmill")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "t", "lib"))

TIMEOUT = 60  # seconds for one message
ENGINES = ("own", "libopendkim")


class Servfail(threading.Thread):
    """A name server on loopback that fails on every question."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1@%d" % self.socket.getsockname()[1]

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            answer = question[:2] + b"\x81\x82\0\1\0\0\0\0\0\0" + question[12:]
            end = question.index(b"\0", 12) + 5  # what follows the question is not repeated
            self.socket.sendto(answer[:end], peer)


def load_differences(path):
    table = {}
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            words = line.split("#")[0].split(None, 3)
            if not words:
                continue
            if len(words) != 4 or words[0] in table:
                sys.exit("%s:%d: wanted CASE OWN LIBOPENDKIM RFC, each case once" % (path, n))
            table[words[0]] = (words[1], words[2])
    return table


def check(case, engine, directory, zone, server):
    """The results of one message, joined by commas; or why there are none."""
    command = [AUTHMILL, "check", "--format", "json", "--time", str(NOW)]
    if engine != "own":
        command += ["--config", os.path.join(directory, engine + ".conf")]
    command += ["--nameserver", server.address] if case.servfail else ["--zone", zone]
    command.append(os.path.join(directory, case.name + ".eml"))
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return "time-out"
    if done.returncode:
        return "exit %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[-300:])
    found = [x["result"] for x in json.loads(done.stdout)["dkim"]]
    return ",".join(found) or "-"


def configure(directory, engine):
    path = os.path.join(directory, engine + ".conf")
    with open(path, "w", encoding="ascii") as f:
        f.write("dkim { engine = %s }\n" % engine)
    return path


def run_all(cases, engines, directory):
    zone = mkdkim.write(directory, cases)
    for engine in engines:
        configure(directory, engine)
    server = Servfail()
    server.start()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = {(c.name, e): pool.submit(check, c, e, directory, zone, server)
                for c in cases for e in engines}
        results = {k: j.result() for k, j in jobs.items()}
    server.socket.close()
    return results


def has_libopendkim():
    with open(os.path.join(BUILD, "config.h"), encoding="utf-8") as f:
        return "#define HAVE_LIBOPENDKIM 1" in f.read()


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def __call__(self, good, name, note=""):
        self.n += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.n, name))
        if not good:
            print("# " + note.replace("\n", "\n# "))


def report_own(tap, cases, results):
    for case in cases:
        want, got = ",".join(case.want) or "-", results[case.name, "own"]
        tap(got == want, "own: %s is %s" % (case.name, want),
            "got %s, want %s (%s)" % (got, want, case.rfc))


def report_differences(tap, cases, results, table):
    for case in cases:
        own, other = (results[case.name, e] for e in ENGINES)
        if case.name in table:
            tap((own, other) == table[case.name], "libopendkim differs: " + case.name,
                "documented %s, got %s" % (table[case.name], (own, other)))
        else:
            tap(own == other, "libopendkim agrees: " + case.name,
                "own %s, libopendkim %s (%s), not in differences.txt" % (own, other, case.rfc))
    wrong = [c.name for c in cases for w, o in zip(c.want, results[c.name, "libopendkim"].split(","))
             if o == "pass" and w != "pass"]
    tap(not wrong, "libopendkim passes nothing that is wrong", " ".join(wrong))
    unknown = sorted(set(table) - {c.name for c in cases})
    tap(not unknown, "every documented difference is about a case", " ".join(unknown))


def print_differences(cases, results):
    for case in cases:
        own, other = (results[case.name, e] for e in ENGINES)
        if own != other:
            print("%-40s %-12s %-12s %s" % (case.name, own, other, case.rfc))


def main(argv):
    if not os.access(AUTHMILL, os.X_OK):
        print("Bail out! %s is not there (make it first, or set AUTHMILL_BUILD)" % AUTHMILL)
        return 1
    cases = mkdkim.load_cases()
    engines = ENGINES if has_libopendkim() else ENGINES[:1]
    with tempfile.TemporaryDirectory() as directory:
        results = run_all(cases, engines, directory)
    if argv[1:] == ["--differences"]:
        print_differences(cases, results)
        return 0
    tap = Tap()
    report_own(tap, cases, results)
    if engines == ENGINES:
        table = load_differences(os.path.join(SRC, "t", "vectors", "dkim", "differences.txt"))
        report_differences(tap, cases, results, table)
    else:
        tap(True, "libopendkim # SKIP built without it")
    print("1..%d" % tap.n)
    return 1 if tap.failed else 0


try:
    import mkdkim
    from mkdkim import NOW
except ImportError as missing:
    print("1..0 # SKIP %s (Debian: apt-get install python3-dkim python3-cryptography)" % missing)
    sys.exit(0)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
