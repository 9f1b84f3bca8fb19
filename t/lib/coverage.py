#!/usr/bin/python3
"""Lines and branches of libauth that the tests have run, per file and in all, as gcov counts them.

    coverage.py [--missing] BUILD

BUILD was configured with CFLAGS="-O0 --coverage" (`make coverage` does it all). Every line and every branch of
libauth counts; none is left out. A branch is one way out of a condition: `a && b` has four. A header's inline
function counts once, however many files include it. --missing: what was not run, too.
"""

import collections
import json
import os
import subprocess
import sys

LINES, BRANCHES = 95, 85  # per cent that are wanted in all


def objects(build):
    for folder, _, names in os.walk(os.path.join(build, "libauth")):
        for name in sorted(names):
            if name.endswith(".gcno"):
                yield os.path.join(folder, name)


def notes(build, path):
    said = subprocess.run(["gcov", "--stdout", "--json-format", "--branch-probabilities", path], cwd=build,
                          check=True, capture_output=True)
    for line in said.stdout.splitlines():
        yield from json.loads(line)["files"]


def count(build, src):
    """{file: ({line: times}, {(line, number): times})}."""
    out = collections.defaultdict(lambda: (collections.Counter(), collections.Counter()))
    for path in objects(build):
        for f in notes(build, path):
            name = os.path.relpath(os.path.join(build, f["file"]), src)
            if not name.startswith("libauth/"):
                continue
            lines, branches = out[name]
            for line in f["lines"]:
                lines[line["line_number"]] += line["count"]
                for k, b in enumerate(line["branches"]):
                    branches[line["line_number"], k] += b["count"]
    return out


def share(counter):
    return sum(n > 0 for n in counter.values()), len(counter)


def percent(done, of):
    return 100.0 * done / of if of else 100.0


def row(name, lines, branches):
    print("%-38s %6.1f %% of %5d lines %6.1f %% of %5d branches" %
          (name, percent(*lines), lines[1], percent(*branches), branches[1]))


def missing(name, src, lines, branches):
    with open(os.path.join(src, name)) as f:
        text = f.read().split("\n")
    untold = collections.Counter(line for (line, _), n in branches.items() if n == 0)
    for line in sorted(set(untold) | {k for k, n in lines.items() if n == 0}):
        what = "never" if lines[line] == 0 else "%d branches" % untold[line]
        print("  %s:%d: %s: %s" % (name, line, what, text[line - 1].strip()))


def main():
    build = os.path.abspath(sys.argv[-1])
    src = os.path.abspath(os.environ.get("AUTHMILL_SRC", "."))
    found = count(build, src)
    total = [[0, 0], [0, 0]]
    for name in sorted(found):
        parts = [share(c) for c in found[name]]
        row(name, *parts)
        if "--missing" in sys.argv[1:-1]:
            missing(name, src, *found[name])
        total = [[a + b for a, b in zip(t, p)] for t, p in zip(total, parts)]
    row("libauth", *total)
    if percent(*total[0]) < LINES or percent(*total[1]) < BRANCHES:
        print("coverage: wanted are %d %% of the lines and %d %% of the branches" % (LINES, BRANCHES), file=sys.stderr)
        sys.exit(1)


main()
