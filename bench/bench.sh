#!/bin/sh
# make bench: messages a second and CPU microseconds a message, through the real daemon, warm DNS.
# Beside it the floors, in the same run: libmilter with nothing in it, and libmilter + SHA-256 + one RSA-2048.
# BENCH_ROUNDS (5), BENCH_SECS (1), BENCH_SIZES, BENCH_CONC, BENCH_PEERS change what is measured.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${AUTHMILL_BUILD:?say where authmilld was built (make bench does)}"
export AUTHMILL_BUILD
export BENCH_RUN="${BENCH_RUN:-$AUTHMILL_BUILD/bench/run}" BENCH_DATA="${BENCH_DATA:-$AUTHMILL_BUILD/bench/data}"
export BENCH_BIN="${BENCH_BIN:-$AUTHMILL_BUILD/bench/bin}"
mkdir -p "$BENCH_RUN" "$BENCH_DATA" "$BENCH_BIN"
[ "$(id -u)" = 0 ] || { echo "make bench needs root: its resolver listens on port 53 of 127.0.53.1" >&2; exit 69; }
for p in unbound; do
    command -v $p >/dev/null || { echo "make bench needs $p; Debian: apt-get install $p" >&2; exit 69; }
done
/usr/bin/python3 -c 'import dkim, cryptography, nacl, authres' || {
    echo "make bench needs python3-dkim python3-cryptography python3-nacl python3-authres" >&2
    exit 69
}
echo "== programs"
make -s -C "$here" BIN="$BENCH_BIN" all floor
if [ ! -f "$BENCH_DATA/done" ]; then
    echo "== corpus (once; some minutes)"
    "$here/mkcorpus.py" --out "$BENCH_DATA" && touch "$BENCH_DATA/done"
fi
"$here/dns.sh" start
trap '"$here/dns.sh" stop' EXIT
rm -f "$BENCH_RUN/results.jsonl"
echo "== are the verdicts right?"
"$here/measure.py" --sizes "${BENCH_CHECK:-2k,10k,mixed}" check authmill
echo "== hot: ${BENCH_ROUNDS:-5} rounds"
"$here/measure.py" --rounds "${BENCH_ROUNDS:-5}" --secs "${BENCH_SECS:-1}" --sizes "${BENCH_SIZES:-2k,10k,50k,1m}" \
    --conc "${BENCH_CONC:-1,16}" hot "null:NULL_ARGS=-n" "null:NULL_ARGS=-n -b -s1" authmill ${BENCH_PEERS:-}
"$here/measure.py" table
"$here/ratios.py" "$BENCH_RUN/results.jsonl"
