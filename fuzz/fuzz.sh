#!/bin/sh
# What `make fuzz SECONDS=n [TARGET=name]` runs: builds the targets with clang's libFuzzer in BUILD/fuzz-build
# and runs each for n seconds (default 60), one after the other. What was learnt stays in
# fuzz-build/corpus; what breaks a target is kept in fuzz-build/findings, and the exit status is 1.
# FUZZ_ARGS is given to the targets.
set -eu
src=$AUTHMILL_SRC
build=$AUTHMILL_BUILD/fuzz-build
seconds=${FUZZ_SECONDS:-60}
cc=${FUZZ_CC:-clang}

say() { echo "fuzz: $*"; }

try=$(mktemp -d)
trap 'rm -rf "$try"' EXIT
cat >"$try/a.c" <<'X'
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return p && n == 77777 ? 1 : 0; }
X
if ! "$cc" -fsanitize=fuzzer,address,undefined -o "$try/a" "$try/a.c" >/dev/null 2>&1; then
    say "$cc with libFuzzer is missing (Debian: apt-get install clang libclang-rt-14-dev; Fedora: clang" \
        "compiler-rt; FreeBSD: llvm); nothing was fuzzed" >&2
    exit 69
fi

mkdir -p "$build"
cd "$build"
flags="-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
[ -f Makefile ] || "$src/configure" --disable-hardening CC="$cc" CFLAGS="$flags -DFUZZ_ENGINE" >configure.out 2>&1 || {
    tail -5 configure.out >&2
    exit 1
}
"${MAKE:-make}" -s ${FUZZ_JOBS:+-j"$FUZZ_JOBS"} FUZZ_LINK=-fsanitize=fuzzer fuzz-targets

found=0
mkdir -p corpus findings
[ -z "${FUZZ_TARGET:-}" ] || [ -x "fuzz/fuzz_$FUZZ_TARGET" ] || {
    say "there is no target \"$FUZZ_TARGET\"" >&2
    exit 64
}
for program in fuzz/fuzz_${FUZZ_TARGET:-*}; do
    name=${program#fuzz/fuzz_}
    case $name in *[!a-z0-9_]*) continue ;; esac
    [ -x "$program" ] || continue
    mkdir -p "corpus/$name"
    dict=$src/fuzz/$name.dict
    [ -f "$dict" ] && dict=-dict=$dict || dict=
    # shellcheck disable=SC2086
    if ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=64 "$program" -max_total_time="$seconds" \
        -rss_limit_mb=1024 -timeout=10 -max_len=16384 -print_final_stats=1 -artifact_prefix="findings/$name-" \
        $dict ${FUZZ_ARGS:-} "corpus/$name" "$src/fuzz/seeds/$name" >"$name.log" 2>&1; then
        verdict=ok
    else
        verdict=FOUND
        found=1
        grep -E "does not hold|ERROR|runtime error|Test unit written|SUMMARY" "$name.log" || tail -5 "$name.log"
    fi
    say "$name: $verdict," \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$name.log") executions," \
        "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$name.log" | tail -1) edges"
done
exit $found
