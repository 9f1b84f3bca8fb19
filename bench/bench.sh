#!/bin/sh
# make bench: what a message costs through the real daemon, and every figure that there is a bound for, beside the
# floors and the peers that are installed, in one run. BENCH_ROUNDS (5), BENCH_SECS (1), BENCH_SIZES, BENCH_CONC and
# BENCH_PEERS change what is measured; BENCH_WRITE=1 writes the table and the plot into bench/ (README.md, figures.svg).
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
if kill -0 "$(cat "$BENCH_RUN/dns/unbound.pid" 2>/dev/null)" 2>/dev/null; then
    echo "== the resolver of $BENCH_RUN is running already, and stays"
else
    "$here/dns.sh" start
    trap '"$here/dns.sh" stop' EXIT
fi
rm -f "$BENCH_RUN/results.jsonl"
echo "== are the verdicts right?"
"$here/measure.py" --sizes "${BENCH_CHECK:-2k,10k,mixed}" check authmill
rounds=${BENCH_ROUNDS:-5} secs=${BENCH_SECS:-1}
nothing="null:NULL_ARGS=-n" floor="null:NULL_ARGS=-n -b -s1"
if [ -z "${BENCH_PEERS+set}" ]; then
    BENCH_PEERS=
    command -v opendmarc >/dev/null && command -v opendkim >/dev/null && BENCH_PEERS="$BENCH_PEERS opendmarc"
    command -v rspamd >/dev/null && BENCH_PEERS="$BENCH_PEERS rspamd"
    command -v dkimpy-milter >/dev/null && BENCH_PEERS="$BENCH_PEERS dkimpy"
fi
measure() { "$here/measure.py" --rounds "$rounds" --secs "$secs" "$@"; }
echo "== warm: $rounds rounds; peers:$BENCH_PEERS"
measure --sizes "${BENCH_SIZES:-10k,1m,10k-rsa,1m-rsa}" --conc "${BENCH_CONC:-1,16,100}" hot "$nothing" "$floor" authmill
# shellcheck disable=SC2086
[ -z "$BENCH_PEERS" ] || measure --rounds $(((rounds + 1) / 2)) --sizes 10k,1m --conc 16 hot $BENCH_PEERS
echo "== cores"
measure --rounds $(((rounds + 1) / 2)) --conc 1,16,100 cores authmill
echo "== instructions"
measure --sizes 10k-rsa,1m-rsa insn "$floor" authmill
echo "== TCP, memory"
measure tcp authmill
measure --rounds 1 idle authmill
measure names authmill
echo "== every domain for the first time"
# shellcheck disable=SC2086
measure --rounds $(((rounds + 1) / 2)) --conc 1 cold authmill $BENCH_PEERS
# shellcheck disable=SC2086
measure queries authmill "authmill:DNS_MORE=prefetch = no" $BENCH_PEERS
"$here/measure.py" table
"$here/report.py" "$BENCH_RUN/results.jsonl" ${BENCH_WRITE:+--write "$here"}
