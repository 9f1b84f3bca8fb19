#!/bin/sh
# Every fuzz target on its seeds: no crash, and what it holds to be true is true (TAP).
src=${AUTHMILL_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
build=${AUTHMILL_BUILD:-.}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0
bad=0
for seeds in "$src"/fuzz/seeds/*/; do
    name=$(basename "$seeds")
    n=$((n + 1))
    if [ ! -x "$build/fuzz/fuzz_$name" ]; then
        echo "not ok $n - $name: there is no such target"
        bad=1
    elif timeout 120 "$build/fuzz/fuzz_$name" "$seeds" >"$out" 2>&1; then
        echo "ok $n - $name: $(tail -1 "$out")"
    else
        echo "not ok $n - $name"
        tail -30 "$out" | sed 's/^/# /'
        bad=1
    fi
done
for target in "$src"/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    for need in "seeds/$name" "$name.dict"; do
        [ -e "$src/fuzz/$need" ] && continue
        n=$((n + 1))
        bad=1
        echo "not ok $n - $name: there is no fuzz/$need"
    done
done
echo "1..$n"
exit $bad
