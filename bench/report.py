#!/usr/bin/python3
"""What was measured against what is wanted; the table of bench/README.md and its plot.

usage: report.py results.jsonl [--write FOLDER]

Prints every figure that there is a bound for, with the bound, and says which fall short. --write puts the
table of all peers between the marks in FOLDER/README.md, with machine, date and commit, and draws
FOLDER/figures.svg. Medians over the rounds of one run; ratios are to the floor of the same run: libmilter,
one SHA-256 over the body, one RSA-2048 verification.
"""
import argparse
import collections
import datetime
import json
import os
import platform
import statistics
import subprocess
from xml.sax.saxutils import escape

FLOOR, OURS = "null -n -b -s1", "authmill"
RTT_US = 1000 * float(os.environ.get("DNS_DELAY_MS", 20))
MARKS = "<!-- figures: made by report.py -->\n", "<!-- end of figures -->\n"


class Figures:
    def __init__(self, path):
        self.rows = collections.defaultdict(list)
        with open(path) as f:
            for line in f:
                r = json.loads(line)
                step = r["step"] + ("-" + r["dns"] if "dns" in r else "")
                self.rows[step, r["peer"], r.get("size") or r.get("n") or "", r.get("c", 0)].append(r)

    def get(self, name, step, peer=OURS, size="", c=0):
        """The median, or None where it was not measured."""
        values = [r[name] for r in self.rows.get((step, peer, size, c), []) if name in r]
        return statistics.median(values) if values else None

    def ratio(self, name, step, size, c):
        ours, floor = self.get(name, step, OURS, size, c), self.get(name, step, FLOOR, size, c)
        return ours / floor if ours and floor else None

    def peers(self, step):
        return sorted({k[1] for k in self.rows if k[0] == step}, key=lambda p: (p != OURS, not p.startswith("null"), p))


def over(a, b):
    return a / b if a is not None and b else None


def wants(f):
    """(what, figure, bound, unit); a figure must not be above its bound."""
    cpu, lat, insn = "peer_cpu_us_per_msg", "lat_p50_us", "peer_user_kinsn_per_msg"
    for size, most, most_insn in ("10k-rsa", 1.4, 2), ("1m-rsa", 1.25, 1.4):
        for c in 1, 16:
            yield "CPU a message, %s, %d at a time" % (size, c), f.ratio(cpu, "hot", size, c), most, "F"
        yield "instructions a message, %s" % size, f.ratio(insn, "insn", size, 1) or f.ratio(insn, "insn", size, 2), most_insn, "F"
    for n, most in ("1", 1.2), ("2", 2.3), ("3", 3.3):
        yield "cold, %s round trip%s at least, median" % (n, "" if n == "1" else "s"), over(f.get(lat, "cold-chain" + n, c=1), RTT_US), most, "RTT"
    yield "cold, mixed, median", over(f.get(lat, "cold-slow", c=1), RTT_US), 2, "RTT"
    yield "cold, mixed, p99", over(f.get("lat_p99_us", "cold-slow", c=1), RTT_US), 4, "RTT"
    one_by_one = f.get("first", "queries", OURS + " prefetch = no")
    yield "queries, first sight, to asking late", over(f.get("first", "queries"), one_by_one), 1.3, "x"
    yield "queries, second sight", f.get("second", "queries"), 0, ""
    yield "latency over TCP, 1 at a time", over(f.get(lat, "tcp", size="10k", c=1), 1000), 1.5, "ms"
    for n, most in (0, 10), (1000, 12):
        yield "memory, %d connections" % n, over(f.get("pss_kb", "idle", size=n or ""), 1024), most, "MB"
    yield "memory, 100 x 1 MB in flight", over(f.get("pss_kb", "flight", size="1m", c=100), 1024), 20, "MB"
    yield "memory, 50,000 names cached", over(f.get("pss_kb", "names"), 1024), 60, "MB"
    yield "connections refused of 10000", over(10000 - (f.get("open", "idle", size=10000) or 0), 1), 0, ""
    yield "p99 to median, MAIL to verdict, 16 at a time", over(f.get("lat_p99_us", "hot", size="10k", c=16), f.get(lat, "hot", size="10k", c=16)), 3, "x"
    for c, most in (1, 1.05), (16, .9), (100, .9):
        a, b = (f.get("msgs_per_s", step, size="10k", c=c) for step in ("cores1", "cores2"))
        yield "messages a second, one core to all, %d at a time" % c, over(a, b), most, "x"


def beside(f):
    """Without a bound: what it is for us, and for the floor."""
    for size in "10k", "1m":
        chain = f.get("peer_cpu_us_per_msg", "hot", "opendmarc", size, 16)
        yield ("CPU a message of opendkim and opendmarc, %s" % size,) + tuple(
            over(chain, f.get("peer_cpu_us_per_msg", "hot", p, size, 16)) for p in (OURS, FLOOR))
    for what, name in ("MAIL", "lat"), ("connection", "session"):
        yield ("p99 to median, %s to verdict, 16 at a time" % what,) + tuple(
            over(*(f.get("%s_%s_us" % (name, q), "hot", p, "10k", 16) for q in ("p99", "p50"))) for p in (OURS, FLOOR))
    yield ("messages a second, 16 to 100 at a time",) + tuple(
        over(*(f.get("msgs_per_s", "hot", p, "10k", c) for c in (16, 100))) for p in (OURS, FLOOR))


def verdicts(f):
    short, lines = [], []
    for what, figure, most, unit in wants(f):
        if figure is None:
            lines.append("%-50s not measured (at most %g %s)" % (what, most, unit))
            continue
        good = figure <= most + 1e-9
        lines.append("%-50s %8.2f %-4s at most %g  %s" % (what, figure, unit, most, "" if good else "SHORT"))
        if not good:
            short.append(what)
    for what, ours, floor in beside(f):
        if ours and floor:
            lines.append("%-50s %8.2f x    the floor %.2f" % (what, ours, floor))
    lines.append("falls short: " + (", ".join(short) if short else "nothing"))
    return lines


# ---- The table and the plot ----

COLUMNS = [("CPU us, 10k", "peer_cpu_us_per_msg", "hot", "10k", 16), ("CPU us, 1m", "peer_cpu_us_per_msg", "hot", "1m", 16),
           ("messages/s, 10k", "msgs_per_s", "hot", "10k", 16), ("p50 us, 10k", "lat_p50_us", "hot", "10k", 16),
           ("p99 us, 10k", "lat_p99_us", "hot", "10k", 16), ("cold p50 us", "lat_p50_us", "cold-slow", "", 1),
           ("queries, first", "first", "queries", "", 0)]


def machine():
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as f:
        model = next((x.split(":", 1)[1].strip() for x in f if x.startswith("model name")), model)
    commit = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe", "--always", "--dirty"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip()
    return "%s, %d cores, %s %s; %s; commit %s; load while measuring %.1f" % (
        model, os.cpu_count(), platform.system(), platform.release(), datetime.date.today().isoformat(),
        commit or "unknown", os.getloadavg()[2])


def table(f):
    out = ["Medians; 16 at a time where nothing else is said; cold: 1 at a time, every answer of the DNS %g ms late.\n"
           % (RTT_US / 1000), machine() + ".\n",
           "| peer | " + " | ".join(c[0] for c in COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for p in f.peers("hot"):
        cells = [f.get(name, step, p, size, c) for _, name, step, size, c in COLUMNS]
        out.append("| %s | %s |" % (p, " | ".join("" if x is None else "%.1f" % x if x < 100 else "%.0f" % x for x in cells)))
    out += ["", "![CPU and latency](figures.svg)", "", "```"] + verdicts(f) + ["```", ""]
    return "\n".join(out)


def bars(title, rows, top, width=720):
    most = max(v for _, v in rows)
    out = ['<text x="10" y="%d" font-weight="bold">%s</text>' % (top + 18, escape(title))]
    for i, (name, value) in enumerate(rows):
        y = top + 30 + 22 * i
        out.append('<text x="10" y="%d">%s</text>' % (y + 13, escape(name)))
        out.append('<rect x="170" y="%d" width="%.1f" height="16" fill="%s"/>' % (
            y, (width - 270) * value / most, "#2b6cb0" if name == OURS else "#a0aec0"))
        out.append('<text x="%.1f" y="%d">%.0f</text>' % (176 + (width - 270) * value / most, y + 13, value))
    return out, top + 30 + 22 * len(rows) + 16


def plot(f):
    top, parts = 0, []
    for title, name, step, size, c in (
            ("CPU a message, 10 KB, 16 at a time, us", "peer_cpu_us_per_msg", "hot", "10k", 16),
            ("CPU a message, 1 MB, 16 at a time, us", "peer_cpu_us_per_msg", "hot", "1m", 16),
            ("Latency, 10 KB, 16 at a time, median, us", "lat_p50_us", "hot", "10k", 16),
            ("Latency, first sight, DNS 20 ms away, median, us", "lat_p50_us", "cold-slow", "", 1)):
        rows = [(p, f.get(name, step, p, size, c)) for p in f.peers(step)]
        rows = [(p, v) for p, v in rows if v and "prefetch" not in p]
        if rows:
            more, top = bars(title, rows, top)
            parts += more
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="720" height="%d" font-family="sans-serif" font-size="13">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n' % (top, "\n".join(parts)))


def write(f, folder):
    readme = os.path.join(folder, "README.md")
    with open(readme) as r:
        head, _, rest = r.read().partition(MARKS[0])
    text = head + MARKS[0] + table(f) + MARKS[1] + rest.partition(MARKS[1])[2]  # whole before it is written: git looks at it
    with open(readme, "w") as w:
        w.write(text)
    with open(os.path.join(folder, "figures.svg"), "w") as w:
        w.write(plot(f))


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("results")
    ap.add_argument("--write", metavar="FOLDER")
    a = ap.parse_args()
    f = Figures(a.results)
    print("\n".join(verdicts(f)))
    if a.write:
        write(f, a.write)


if __name__ == "__main__":
    main()
