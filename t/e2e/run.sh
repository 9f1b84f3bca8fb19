#!/bin/sh
# Runs the end-to-end tests through prove, one after the other. Wants AUTHMILL_BUILD, the folder with
# authmilld and authmill; root; and the packages of install.sh. What is missing is a skip that says so.
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
: "${AUTHMILL_BUILD:=$src/build/t-gcc}"
export AUTHMILL_SRC="$src" AUTHMILL_BUILD
cd "$src"
exec prove --exec "sh $src/t/lib/run1" ${PROVE_ARGS:-} t/e2e/*.py
