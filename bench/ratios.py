#!/usr/bin/python3
"""CPU time a message of every peer as a ratio to the floor of the same run.

usage: ratios.py results.jsonl

The floor is libmilter + one SHA-256 over the body + one RSA-2048 verification
(null with -n -b -s1). Medians over the rounds; a ratio moves less than a time.
"""
import collections
import json
import statistics
import sys

FLOOR = "null -n -b -s1"


def main():
    cpu = collections.defaultdict(list)
    for line in open(sys.argv[1]):
        r = json.loads(line)
        if r["step"] == "hot":
            cpu[r["size"], r["c"], r["peer"]].append(r["peer_cpu_us_per_msg"])
    median = {k: statistics.median(v) for k, v in cpu.items()}
    print("%-6s %4s  %-20s %10s %8s" % ("size", "c", "peer", "cpu us/msg", "x floor"))
    for (size, c, peer), us in sorted(median.items(), key=lambda x: (x[0][1], len(x[0][0]), x[0][0], x[1])):
        floor = median.get((size, c, FLOOR))
        print("%-6s %4d  %-20s %10.0f %8s" % (size, c, peer, us, "%.2f" % (us / floor) if floor else "-"))


if __name__ == "__main__":
    main()
