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


def run_all(cases, directory):
    zone = mkdkim.write(directory, cases)
    for engine in ENGINES:
        configure(directory, engine)
    server = Servfail()
    server.start()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = {(c.name, e): pool.submit(check, c, e, directory, zone, server)
                for c in cases for e in ENGINES}
        results = {k: j.result() for k, j in jobs.items()}
    server.socket.close()
    return results


def has_libopendkim(directory):
    path = configure(directory, "libopendkim")
    message = os.path.join(directory, "probe.eml")
    with open(message, "wb") as f:
        f.write(b"From: a@example.org\r\n\r\n")
    zone = os.path.join(directory, "probe.zone")
    with open(zone, "w", encoding="ascii") as f:
        f.write(mkdkim.zone({}))
    done = subprocess.run([AUTHMILL, "check", "--config", path, "--zone", zone, message],
                          capture_output=True, timeout=TIMEOUT, check=False)
    return done.returncode != os.EX_CONFIG


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def __call__(self, good, name, note=""):
        self.n += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.n, name))
        if not good:
            print("# " + note.replace("\n", "\n# "))


def report(cases, results, table):
    tap = Tap()
    for case in cases:
        want, got = ",".join(case.want) or "-", results[case.name, "own"]
        tap(got == want, "own: %s is %s" % (case.name, want),
            "got %s, want %s (%s)" % (got, want, case.rfc))
    for case in cases:
        own, other = (results[case.name, e] for e in ENGINES)
        if case.name in table:
            tap((own, other) == table[case.name], "libopendkim differs: " + case.name,
                "documented %s, got %s" % (table[case.name], (own, other)))
        else:
            tap(own == other, "libopendkim agrees: " + case.name,
                "own %s, libopendkim %s (%s), not in differences.txt" % (own, other, case.rfc))
        wrong = [w for w, o in zip(case.want, other.split(",")) if o == "pass" and w != "pass"]
        if wrong:
            tap(False, "libopendkim passes nothing that is wrong: " + case.name, "want %s" % wrong)
    unknown = sorted(set(table) - {c.name for c in cases})
    tap(not unknown, "every documented difference is about a case", " ".join(unknown))
    print("1..%d" % tap.n)
    return 1 if tap.failed else 0


def main(argv):
    if not os.access(AUTHMILL, os.X_OK):
        print("Bail out! %s is not there (make it first, or set AUTHMILL_BUILD)" % AUTHMILL)
        return 1
    cases = mkdkim.load_cases()
    with tempfile.TemporaryDirectory() as directory:
        if not has_libopendkim(directory):
            global ENGINES
            ENGINES = ("own", "own")
            print("# skipped: comparison with libopendkim (built without it)")
        results = run_all(cases, directory)
    if argv[1:] == ["--differences"]:
        for case in cases:
            own, other = (results[case.name, e] for e in ENGINES)
            if own != other:
                print("%-40s %-12s %-12s %s" % (case.name, own, other, case.rfc))
        return 0
    path = os.path.join(SRC, "t", "vectors", "dkim", "differences.txt")
    table = load_differences(path) if len(set(ENGINES)) > 1 else {}
    return report(cases, results, table)


try:
    import mkdkim
    from mkdkim import NOW
except ImportError as missing:
    print("1..0 # SKIP %s (Debian: apt-get install python3-dkim python3-cryptography)" % missing)
    sys.exit(0)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
