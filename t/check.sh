#!/bin/sh
# What `make check` runs: the unit tests (programs that print TAP) and the
# test scripts, through prove. Usage: check.sh PROGRAM... -- SCRIPT...
set -eu
cd "$AUTHMILL_BUILD"
export AUTHMILL_SRC AUTHMILL_BUILD CMOCKA_MESSAGE_OUTPUT=TAP
if [ "${PROVE:-no}" = no ]; then
    echo "check.sh: prove is missing; Debian: apt-get install perl" >&2
    exit 69
fi
tests=
for t in "$@"; do
    case $t in
    --) scripts=yes ;;
    *) if [ "${scripts:-no}" = no ]; then tests="$tests ./$t"; else tests="$tests $AUTHMILL_SRC/$t"; fi ;;
    esac
done
case $tests in
*t/unit/*) ;;
*) echo "# skipped: unit tests (cmocka is missing; Debian: apt-get install libcmocka-dev)" ;;
esac
# shellcheck disable=SC2086
exec "$PROVE" --exec "sh $AUTHMILL_SRC/t/lib/run1" ${PROVE_ARGS:--j2} $tests
