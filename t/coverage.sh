#!/bin/sh
# What `make coverage` runs: builds once more with gcc's --coverage in BUILD/coverage-build, lets `make check`
# run there, and prints what of libauth was run (t/lib/coverage.py). COVERAGE_ARGS=--missing: and what was not.
# Status 1: a test failed, or the share is too small.
set -eu
src=$AUTHMILL_SRC
build=$AUTHMILL_BUILD/coverage-build
cc=${COVERAGE_CC:-gcc}

command -v "$cc" >/dev/null && command -v gcov >/dev/null || {
    echo "coverage: $cc or gcov is missing (Debian: apt-get install gcc); nothing was measured" >&2
    exit 69
}
mkdir -p "$build"
cd "$build"
[ -f Makefile ] || "$src/configure" --disable-hardening CC="$cc" \
    CFLAGS="-O0 -g --coverage -fprofile-update=atomic" >configure.out 2>&1 || {
    tail -5 configure.out >&2
    exit 1
}
find . -name '*.gcda' -exec rm -f {} +
"${MAKE:-make}" -s -j"$(getconf _NPROCESSORS_ONLN)" all
failed=0
AUTHMILL_SLOW=1 "${MAKE:-make}" -s check >check.log 2>&1 || failed=1
[ $failed = 0 ] || grep -E '^(not ok|Failed|Result|/|\./).*|Failed [0-9]' check.log | tail -40 >&2
# shellcheck disable=SC2086
"$PYTHON3" "$src/t/lib/coverage.py" ${COVERAGE_ARGS:-} "$build" || failed=1
exit $failed
